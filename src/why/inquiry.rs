//! From what was noted and what was decided to answers.
//!
//! The decisions are taken up where they are made ([`Inquiry::new`], after the choice), and joined at the end with
//! what became of each type, when the output has its ids ([`Inquiry::answer`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::reason::{DECLARATION, IN_BASE, INLINED, KEPT, NO_PROTOTYPE, NO_SYMBOL, NO_TYPE};
use super::shape::Shaper;
use super::{Answer, Copy, Definition, Function, Place, Type, Variable, Verdict, Why};
use crate::btf::Kind;
use crate::diff::model::{Catalogue, Shape};
use crate::diff::{self, Mode};
use crate::merge::exact::Variants;
use crate::merge::functions::{self, Chosen, Finding};
use crate::merge::resolve::Resolution;
use crate::merge::variables::{self, ChosenVariables, SkipVariable, VariableSection};
use crate::options::Features;
use crate::symtab::Symtab;
use crate::table::{
    EntryId, First, FuncFlags, FuncState, Key, KeyMap, Role, Sighted, Sighting, Site, Tables, Unwanted, Word,
};

/// The decisions of an encode about functions and variables.
pub(crate) struct Inquiry {
    /// What was found of each state of the functions that are asked about, by group of symbols.
    findings: HashMap<u32, KeyMap<Finding>>,
    /// By group of symbols.
    functions: HashMap<u32, functions::Verdict>,
    variables: HashMap<First, Result<EntryId, SkipVariable>>,
}

/// What an encode has at its end.
pub(crate) struct Outcome<'o, 'a> {
    pub(crate) tables: &'o Tables<'a>,
    pub(crate) resolution: &'o Resolution,
    pub(crate) variants: &'o Variants,
    pub(crate) symtab: &'o Symtab<'a>,
    pub(crate) sections: &'o [VariableSection],
    /// The id of an entry, and whether it is one of the base; `None` if it is not in the output.
    pub(crate) id: &'o dyn Fn(EntryId) -> Option<(u32, bool)>,
    /// Where a DIE lies.
    pub(crate) place: &'o dyn Fn(Site) -> Place,
}

impl Inquiry {
    /// Takes up what was decided. Later the tables are folded, and no longer what the decisions were made on.
    pub(crate) fn new(
        tables: &Tables<'_>,
        resolution: &Resolution,
        symtab: &Symtab<'_>,
        features: Features,
        functions: &Chosen,
        variables: &ChosenVariables,
    ) -> Inquiry {
        let sighted = states(tables).into_values().map(|state| tables.strings.get(state.name));
        let asked: BTreeSet<&[u8]> = sighted.collect();
        let findings = functions::examine(tables, resolution, symtab, features, |name| asked.contains(name));
        let by_state =
            |found: Vec<Finding>| found.into_iter().map(|finding| (finding.state, finding)).collect();
        Inquiry {
            findings: findings.into_iter().map(|(group, found)| (group, by_state(found))).collect(),
            functions: functions.verdicts.iter().map(|verdict| (verdict.group, *verdict)).collect(),
            variables: variables.verdicts.iter().map(|verdict| (verdict.first, verdict.outcome)).collect(),
        }
    }

    /// Answers.
    pub(crate) fn answer(&self, outcome: &Outcome<'_, '_>) -> Why {
        let tables = outcome.tables;
        // What was noted in the second walk of a unit replaces what was noted in the first.
        let sightings: BTreeMap<(u32, u32), &Sighting> =
            tables.sightings.iter().map(|s| ((s.site.unit, s.site.offset), s)).collect();
        let mut by_name: BTreeMap<&[u8], Vec<&Sighting>> = BTreeMap::new();
        for sighting in sightings.into_values() {
            by_name.entry(&sighting.name).or_default().push(sighting);
        }
        let shaper = Shaper::new(tables, outcome.resolution);
        let mut teller = Teller { inquiry: self, outcome, states: states(tables), shaper };
        let answers = by_name.into_iter().map(|(name, sightings)| teller.answer(name, &sightings)).collect();
        Why { answers, names: names(tables) }
    }
}

/// The states that were noted, by key.
fn states<'t>(tables: &'t Tables<'_>) -> KeyMap<&'t FuncState> {
    let key = |sighting: &Sighting| match sighting.what {
        Sighted::Function { state, .. } => state,
        _ => None,
    };
    let noted: BTreeSet<Key> = tables.sightings.iter().filter_map(key).collect();
    let states = tables.funcs.states().iter().filter(|state| noted.contains(&state.key));
    states.map(|state| (state.key, state)).collect()
}

/// The names that could have been asked about.
fn names(tables: &Tables<'_>) -> Vec<String> {
    use Kind::*;
    let is_name = |kind| matches!(kind, Struct | Union | Enum | Enum64 | Fwd | Typedef | Int | Float | Var);
    let entries = tables.types.ids().map(|id| tables.types.get(id)).filter(|entry| is_name(entry.kind));
    let states = tables.funcs.states().iter().map(|state| state.name);
    let names: BTreeSet<&[u8]> =
        entries.map(|entry| entry.name).chain(states).map(|name| tables.strings.get(name)).collect();
    names.into_iter().filter(|name| !name.is_empty()).map(text).collect()
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

struct Teller<'t, 'a> {
    inquiry: &'t Inquiry,
    outcome: &'t Outcome<'t, 'a>,
    states: KeyMap<&'t FuncState>,
    shaper: Shaper<'t, 'a>,
}

impl Teller<'_, '_> {
    fn answer(&mut self, name: &[u8], sightings: &[&Sighting]) -> Answer {
        let left_out = sightings.iter().filter(|s| s.what == Sighted::LeftOut);
        let mut types: BTreeMap<Word, Vec<(Site, bool, Option<Key>)>> = BTreeMap::new();
        for sighting in sightings {
            if let Sighted::Type { word, is_declaration, key } = sighting.what {
                types.entry(word).or_default().push((sighting.site, is_declaration, key));
            }
        }
        Answer {
            name: text(name),
            function: self.function(name, sightings),
            variables: self.variables(sightings),
            types: types.into_iter().map(|(word, found)| self.types(word, &found)).collect(),
            left_out: left_out.map(|sighting| self.place(sighting.site)).collect(),
        }
    }

    fn place(&self, site: Site) -> Place {
        (self.outcome.place)(site)
    }

    /// The verdict about something that is an entry of the output.
    fn written(&self, id: EntryId) -> Verdict {
        match (self.outcome.id)(id) {
            Some((id, in_base)) => Verdict { reason: if in_base { IN_BASE } else { KEPT }, id: Some(id) },
            None => Verdict { reason: NO_TYPE, id: None },
        }
    }

    fn function(&mut self, name: &[u8], sightings: &[&Sighting]) -> Option<Function> {
        // By state and role: what is said there, and where.
        let mut found: Vec<(Option<Key>, Role, Vec<Site>)> = Vec::new();
        let mut known: HashMap<(Option<Key>, &str, u64), usize> = HashMap::new();
        for sighting in sightings {
            let Sighted::Function { role, state } = sighting.what else { continue };
            let i = *known.entry((state, role_name(role), address(role))).or_insert(found.len());
            match found.get_mut(i) {
                Some((.., sites)) => sites.push(sighting.site),
                None => found.push((state, role, vec![sighting.site])),
            }
        }
        if found.is_empty() {
            return None;
        }
        let (tables, symtab) = (self.outcome.tables, self.outcome.symtab);
        let state = found.iter().find_map(|(key, ..)| self.states.get(&(*key)?));
        let group = symtab.find(state.map_or(name, |state| tables.strings.get(state.name)));
        let decided = group.and_then(|group| self.inquiry.functions.get(&group)).copied();
        let verdict = match decided.map(|decided| decided.outcome) {
            Some(Ok(func)) => self.written(func),
            Some(Err(skip)) => Verdict { reason: skip.code(), id: None },
            None => {
                let any = |wanted: fn(&Role) -> bool| found.iter().any(|(_, role, _)| wanted(role));
                let reason = match group {
                    _ if !any(|role| *role != Role::Declaration) => DECLARATION,
                    Some(_) => NO_PROTOTYPE,
                    None if any(|role| matches!(role, Role::Code(1..))) => NO_SYMBOL,
                    None => INLINED,
                };
                Verdict { reason, id: None }
            }
        };
        let findings = group.and_then(|group| self.inquiry.findings.get(&group));
        let mut copies: Vec<Copy> = found.iter().map(|found| self.copy(name, findings, found)).collect();
        copies.sort_by_key(|copy| !copy.is_chosen);
        let prototype = match decided.map(|decided| decided.outcome) {
            Some(Ok(func)) => {
                let shape = self.shaper.of(tables.types.get(func).target);
                Some(self.prototype(name, &shape))
            }
            _ => copies.first().and_then(|copy| copy.prototype.clone()),
        };
        let symbols = group.into_iter().flat_map(|group| symtab.symbols(symtab.group(group)));
        let mut symbols: Vec<_> = symbols.map(|symbol| (text(symbol.name), symbol.address)).collect();
        symbols.sort();
        Some(Function {
            verdict,
            despite: decided.and_then(|decided| decided.despite).map(|skip| skip.code()),
            is_kfunc: decided.is_some_and(|decided| decided.is_tagged),
            prototype,
            symbols,
            copies,
        })
    }

    fn copy(
        &mut self,
        name: &[u8],
        findings: Option<&KeyMap<Finding>>,
        (key, role, sites): &(Option<Key>, Role, Vec<Site>),
    ) -> Copy {
        let state = key.and_then(|key| self.states.get(&key)).copied();
        let finding = findings.zip(*key).and_then(|(findings, key)| findings.get(&key));
        let flags = [
            (FuncFlags::OPTIMIZED, "optimized-parameters"),
            (FuncFlags::UNEXPECTED_REGISTER, "unexpected-register"),
            (FuncFlags::UNCERTAIN_LOCATION, "uncertain-location"),
            (FuncFlags::REORDERED, "reordered-parameters"),
            (FuncFlags::SIGNATURE_CHANGED, "signature-changed"),
        ];
        // An abstract instance has no parameters that could lie anywhere.
        let has = |flag| state.is_some_and(|state| state.flags.has(flag)) && matches!(role, Role::Code(1..));
        let prototype = state.map(|state| {
            let shape = self.shaper.prototype(state.returns, self.outcome.tables.funcs.params(state));
            self.prototype(name, &shape)
        });
        Copy {
            is_chosen: finding.is_some_and(|finding| finding.is_chosen),
            fault: finding.and_then(|finding| finding.fault).map(|fault| fault.code()),
            findings: flags.into_iter().filter(|(flag, _)| has(*flag)).map(|(_, code)| code).collect(),
            role: role_name(*role),
            address: address(*role),
            prototype,
            places: sites.iter().map(|&site| self.place(site)).collect(),
        }
    }

    fn prototype(&self, name: &[u8], shape: &Shape) -> String {
        diff::declaration(&self.shaper.symbols, shape, &text(name))
    }

    fn variables(&mut self, sightings: &[&Sighting]) -> Vec<Variable> {
        let mut found: Vec<Variable> = Vec::new();
        let mut known: HashMap<(Verdict, Option<u64>), usize> = HashMap::new();
        for sighting in sightings {
            let Sighted::Variable { first, address, unwanted } = sighting.what else { continue };
            let section = address.and_then(|address| variables::section_at(self.outcome.sections, address));
            let decided = self.inquiry.variables.get(&first);
            let (verdict, type_name) = match (unwanted, decided) {
                (Some(unwanted), _) => (Verdict { reason: unwanted.code(), id: None }, None),
                (None, Some(Ok(var))) => {
                    let shape = self.shaper.of(self.outcome.tables.types.get(*var).target);
                    let name = diff::declaration(&self.shaper.symbols, &shape, "");
                    (self.written(*var), Some(name))
                }
                (None, Some(Err(skip))) => (Verdict { reason: skip.code(), id: None }, None),
                (None, None) if section.is_some_and(|section| section.wanted) => {
                    (Verdict { reason: NO_TYPE, id: None }, None)
                }
                (None, None) => (Verdict { reason: Unwanted::OtherSection.code(), id: None }, None),
            };
            let place = self.place(sighting.site);
            let i = *known.entry((verdict, address)).or_insert(found.len());
            match found.get_mut(i) {
                Some(known) => known.places.push(place),
                None => found.push(Variable {
                    verdict,
                    address,
                    section: section.map(|section| text(&section.name)),
                    type_name,
                    places: vec![place],
                }),
            }
        }
        let is_local = |variable: &Variable| variable.verdict.reason == Unwanted::Local.code();
        found.sort_by_key(|variable| (!variable.verdict.is_kept(), is_local(variable)));
        found
    }

    fn types(&mut self, word: Word, found: &[(Site, bool, Option<Key>)]) -> Type {
        let mut definitions: BTreeMap<Option<EntryId>, Vec<Site>> = BTreeMap::new();
        let (mut declarations, mut declared) = (Vec::new(), None);
        for &(site, is_declaration, key) in found {
            let entry = key.and_then(|key| self.entry(key));
            if is_declaration {
                declarations.push(self.place(site));
                declared = declared.or(entry);
            } else {
                definitions.entry(entry).or_default().push(site);
            }
        }
        let mut definitions: Vec<_> = definitions.into_iter().collect();
        definitions.sort_by_key(|(_, sites)| {
            (std::cmp::Reverse(sites.len()), sites.first().map(|site| (site.unit, site.offset)))
        });
        let usual = definitions.first().and_then(|(entry, _)| *entry);
        let definition = |(i, (entry, sites)): (usize, (Option<EntryId>, Vec<Site>))| Definition {
            verdict: entry.map_or(Verdict { reason: NO_TYPE, id: None }, |entry| self.written(entry)),
            kind: entry.map_or("void", |entry| self.outcome.tables.types.get(entry).kind.name()),
            size_bytes: entry.and_then(|entry| self.size(entry)),
            difference: usual
                .zip(entry)
                .filter(|_| i > 0)
                .map(|(usual, entry)| self.difference(usual, entry)),
            places: sites.iter().map(|&site| self.place(site)).collect(),
        };
        let definitions: Vec<_> = definitions.into_iter().enumerate().map(definition).collect();
        let is_declared = !declarations.is_empty();
        Type {
            word: match word {
                Word::Struct => "struct",
                Word::Union => "union",
                Word::Enum => "enum",
                Word::Typedef => "typedef",
                Word::Base => "base type",
            },
            definitions,
            declarations,
            declared: is_declared.then(|| {
                let none = Verdict { reason: DECLARATION, id: None };
                declared.map_or(none, |entry| self.written(entry))
            }),
        }
    }

    /// The entry of the output that a type with that key is.
    fn entry(&self, key: Key) -> Option<EntryId> {
        let Outcome { tables, resolution, variants, .. } = self.outcome;
        let complete = variants.joined.get(&key).copied().unwrap_or(key);
        let entry = resolution.entry(crate::table::Ref::entry(tables.types.find(complete)?))?;
        (self.outcome.id)(entry).is_some().then_some(entry)
    }

    fn size(&self, id: EntryId) -> Option<u32> {
        let entry = self.outcome.tables.types.get(id);
        let has_size = !matches!(entry.kind, Kind::Typedef | Kind::Fwd);
        has_size.then_some(entry.size)
    }

    /// The first difference between two definitions.
    fn difference(&mut self, usual: EntryId, other: EntryId) -> String {
        let catalogue = |shaper: &mut Shaper<'_, '_>, id| {
            let (key, definition) = shaper.definition(id);
            let mut catalogue = Catalogue::default();
            catalogue.add(key, definition);
            // Every entry is known to both sides.
            catalogue.variants = shaper.variants();
            catalogue
        };
        let (a, b) = (catalogue(&mut self.shaper, usual), catalogue(&mut self.shaper, other));
        let changes = diff::compare(&a, &b, &self.shaper.symbols, Mode::Equal);
        // The size is shown beside it: the member says more.
        match changes.iter().find(|change| !change.path.is_empty()).or(changes.first()) {
            Some(change) if change.before == change.after && !change.before.is_empty() => {
                format!("{change} (another of that name)")
            }
            Some(change) => change.to_string(),
            None => "the same but for its tags, or for what it refers to".to_owned(),
        }
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Declaration => "declaration",
        Role::Abstract => "abstract",
        Role::Code(_) => "code",
    }
}

fn address(role: Role) -> u64 {
    match role {
        Role::Code(address) => address,
        _ => 0,
    }
}
