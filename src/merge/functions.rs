//! Choosing functions: which become FUNCs, with which prototype, and why the others do not.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use super::resolve::Resolution;
use crate::btf::Kind;
use crate::options::Features;
use crate::symtab::{Group, Symtab};
use crate::table::{Entry, EntryId, First, FuncFlags, FuncState, Key, KeyHasher, Part, Ref, StrId, Tables};

/// Why a function is not in the output; the codes are stable. Of several reasons the last one is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// Units disagree about its prototype.
    InconsistentPrototype,
    /// A parameter lies in another register than the calling convention names.
    UnexpectedRegister,
    /// A packed struct is passed on the stack.
    UncertainLocation,
    /// The compiler reordered its parameters.
    ReorderedParameters,
    /// The compiler removed parameters from its only copy.
    OptimizedParameters,
    /// Several functions have its name.
    AmbiguousAddress,
    /// It has more than 255 parameters.
    TooManyParameters,
    /// Kernels do not accept its name.
    InvalidName,
    /// An arena attribute is on something that is no pointer.
    InvalidAttribute,
}

impl Skip {
    /// The reason as it stands in reports.
    pub fn code(self) -> &'static str {
        match self {
            Skip::UnexpectedRegister => "unexpected-register",
            Skip::InconsistentPrototype => "inconsistent-prototype",
            Skip::UncertainLocation => "uncertain-location",
            Skip::ReorderedParameters => "reordered-parameters",
            Skip::OptimizedParameters => "optimized-parameters",
            Skip::AmbiguousAddress => "ambiguous-address",
            Skip::TooManyParameters => "too-many-parameters",
            Skip::InvalidName => "invalid-name",
            Skip::InvalidAttribute => "invalid-attribute",
        }
    }
}

/// What is asked of kfuncs, by name of the function: plain data from `.BTF_ids`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KfuncMarks {
    /// May be called without saving registers.
    pub fastcall: bool,
    /// Pointers into an arena: the returned value, the first and the second parameter.
    pub arena: [bool; 3],
}

/// What was decided about one function.
#[derive(Debug, Clone, Copy)]
pub struct Verdict {
    /// The group of its symbols.
    pub group: u32,
    /// Its FUNC, or why there is none.
    pub outcome: Result<EntryId, Skip>,
    /// Why it would have been left out if it were no kfunc.
    pub despite: Option<Skip>,
    /// It got the tag of kfuncs.
    pub is_tagged: bool,
}

/// What became of the functions: names with at least one state and a symbol.
#[derive(Debug, Default)]
pub struct Chosen {
    /// One verdict for each, by group.
    pub verdicts: Vec<Verdict>,
}

impl Chosen {
    /// How many there are, how many are FUNCs in the output, and how many were left out for each reason.
    pub fn functions(&self) -> (u64, u64, BTreeMap<&'static str, u64>) {
        let skipped = count(self.verdicts.iter().filter_map(|verdict| verdict.outcome.err()));
        let found = self.verdicts.len() as u64;
        (found, found - skipped.values().sum::<u64>(), skipped)
    }

    /// How many kfuncs got their tag, and how many would have been left out as functions, by reason; they are
    /// in the output all the same.
    pub fn kfuncs(&self) -> (u64, BTreeMap<&'static str, u64>) {
        let tagged = self.verdicts.iter().filter(|verdict| verdict.is_tagged).count() as u64;
        (tagged, count(self.verdicts.iter().filter_map(|verdict| verdict.despite)))
    }
}

fn count(skips: impl Iterator<Item = Skip>) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    skips.for_each(|skip| *counts.entry(skip.code()).or_default() += 1);
    counts
}

/// The most parameters that a function may have: what fits every reader of FUNC_PROTO.
const MAX_PARAMS: usize = 255;

/// Adds the FUNCs, their prototypes and tags to `tables`.
pub fn choose(
    tables: &mut Tables<'_>,
    resolution: &mut Resolution,
    symtab: &Symtab<'_>,
    kfuncs: &HashMap<&[u8], KfuncMarks>,
    features: Features,
) -> Chosen {
    let cases = cases(tables, symtab);
    let runs: Vec<&[Case]> = cases.chunk_by(|a, b| a.group == b.group).collect();
    let resolved: &Resolution = resolution;
    let judge = |run: &&[Case]| {
        let group = symtab.group(run[0].group);
        let marks = if kfuncs.is_empty() { None } else { kfuncs.get(group.name).copied() };
        let judge = Judge { tables, resolution: resolved, symtab, group, features };
        (judge.choose(&states(tables, run)), marks)
    };
    let judged: Vec<_> = runs.par_iter().map(judge).collect();
    tables.types.reserve(2 * judged.len());
    let mut chosen = Chosen { verdicts: Vec::with_capacity(judged.len()) };
    for (run, (judged, marks)) in runs.iter().zip(judged) {
        let (choice, skip) = match judged {
            Ok(choice) => (choice, None),
            Err((skip, choice)) => (choice, Some(skip)),
        };
        let group = run[0].group;
        chosen.verdicts.push(match (choice.state, skip) {
            // A kfunc that is not in BTF cannot be called by anyone: better a doubtful prototype.
            (Some(state), despite) if despite.is_none() || marks.is_some() => {
                let marks = marks.filter(|_| choice.full_name.is_none());
                let added = add(tables, resolution, &state, choice.full_name, marks.as_ref(), features);
                let is_tagged = added.is_ok_and(|(_, is_tagged)| is_tagged);
                Verdict { group, outcome: added.map(|(func, _)| func), despite, is_tagged }
            }
            (_, skip) => {
                let outcome = Err(skip.unwrap_or(Skip::InvalidName));
                Verdict { group, outcome, despite: None, is_tagged: false }
            }
        });
    }
    chosen
}

/// What was found of one state of a function.
#[derive(Debug, Clone, Copy)]
pub struct Finding {
    /// The key of the state.
    pub state: Key,
    /// What it says against the function, that it disagrees with the first one included.
    pub fault: Option<Skip>,
    /// Its prototype is that of the function, or would be.
    pub is_chosen: bool,
}

/// What [`choose`] found of each state of the functions that `wanted` names, in the order of the input, by the
/// groups of their symbols.
pub fn examine(
    tables: &Tables<'_>,
    resolution: &Resolution,
    symtab: &Symtab<'_>,
    features: Features,
    wanted: impl Fn(&[u8]) -> bool,
) -> HashMap<u32, Vec<Finding>> {
    let cases = cases(tables, symtab);
    let runs =
        cases.chunk_by(|a, b| a.group == b.group).filter(|run| wanted(symtab.group(run[0].group).name));
    let findings = |run: &[Case]| {
        let group = symtab.group(run[0].group);
        let judge = Judge { tables, resolution, symtab, group, features };
        let states = states(tables, run);
        let (Ok(choice) | Err((_, choice))) = judge.choose(&states);
        let canonical = judge.canonical(&states).or(states.first().copied());
        let finding = |state: &&FuncState| {
            let fault = canonical.and_then(|canonical| judge.fault(state, canonical));
            let disagrees = || states.first().is_some_and(|leader| judge.disagrees(leader, state));
            Finding {
                state: state.key,
                fault: fault.or_else(|| disagrees().then_some(Skip::InconsistentPrototype)),
                is_chosen: choice.state.is_some_and(|chosen| chosen.key == state.key),
            }
        };
        (run[0].group, states.iter().map(finding).collect())
    };
    runs.map(findings).collect()
}

/// The states of one function.
fn states<'t>(tables: &'t Tables<'_>, run: &[Case]) -> Vec<&'t FuncState> {
    run.iter().map(|case| &tables.funcs.states()[case.state as usize]).collect()
}

/// A state whose function has a symbol.
#[derive(Debug, Clone, Copy)]
struct Case {
    group: u32,
    rank: (First, bool, Key),
    state: u32,
}

/// All states whose function has a symbol, those of one function together and in the order of the input.
fn cases(tables: &Tables<'_>, symtab: &Symtab<'_>) -> Vec<Case> {
    // By string: unknown, or the answer of the symbol table.
    let mut groups: Vec<Option<Option<u32>>> = vec![None; tables.strings.len()];
    let mut cases = Vec::with_capacity(tables.funcs.states().len());
    for (i, state) in tables.funcs.states().iter().enumerate() {
        if state.count() == 0 || state.name == StrId::EMPTY {
            continue;
        }
        let known = &mut groups[state.name.0 as usize];
        let group = *known.get_or_insert_with(|| symtab.find(tables.strings.get(state.name)));
        cases.extend(group.map(|group| Case { group, rank: state.rank(), state: i as u32 }));
    }
    cases.par_sort_unstable_by_key(|case| (case.group, case.rank));
    cases
}

/// A state to encode, under the whole name of a symbol if its suffix shall show.
#[derive(Debug, Clone, Copy, Default)]
struct Choice<'s> {
    state: Option<FuncState>,
    full_name: Option<&'s [u8]>,
}

/// One function's case.
struct Judge<'j, 'a> {
    tables: &'j Tables<'a>,
    resolution: &'j Resolution,
    symtab: &'j Symtab<'a>,
    group: &'j Group<'a>,
    features: Features,
}

impl<'a> Judge<'_, 'a> {
    fn choose(&self, states: &[&FuncState]) -> Result<Choice<'a>, (Skip, Choice<'a>)> {
        if self.features.contains(Features::TRUE_SIGNATURE)
            && let Some(choice) = self.true_signature(states)
        {
            return Ok(choice);
        }
        let Some(&leader) = states.first() else { return Err((Skip::InvalidName, Choice::default())) };
        let canonical = self.canonical(states).unwrap_or(leader);
        let choice = Choice { state: Some(*canonical), full_name: None };
        let fault = states.iter().filter_map(|state| self.fault(state, canonical)).max();
        let differs = |state: &&FuncState| self.disagrees(leader, state);
        match fault.or_else(|| states[1..].iter().any(differs).then_some(Skip::InconsistentPrototype)) {
            Some(skip) => Err((skip, choice)),
            None => Ok(choice),
        }
    }

    /// The worst that one state says against its function; that it disagrees with others is asked apart.
    fn fault(&self, state: &FuncState, canonical: &FuncState) -> Option<Skip> {
        let has = |flag| state.flags.has(flag);
        let is_canonical = std::ptr::eq(state, canonical);
        if is_canonical && self.tables.funcs.params(state).len() > MAX_PARAMS {
            Some(Skip::TooManyParameters)
        } else if self.group.is_ambiguous {
            Some(Skip::AmbiguousAddress)
        } else if is_canonical
            && !self.features.contains(Features::TRUE_SIGNATURE)
            && self.is_optimized(state)
        {
            Some(Skip::OptimizedParameters)
        } else if has(FuncFlags::REORDERED) {
            Some(Skip::ReorderedParameters)
        } else if has(FuncFlags::UNCERTAIN_LOCATION) {
            Some(Skip::UncertainLocation)
        } else if has(FuncFlags::UNEXPECTED_REGISTER) {
            Some(Skip::UnexpectedRegister)
        } else {
            None
        }
    }

    /// True if it matters that the prototype of a state is not that of the first one.
    fn disagrees(&self, leader: &FuncState, state: &FuncState) -> bool {
        self.features.contains(Features::CONSISTENT_FUNC) && !self.same_prototype(leader, state)
    }

    /// The state of a symbol with a suffix, as the compiler left it.
    fn true_signature(&self, states: &[&FuncState]) -> Option<Choice<'a>> {
        let bad = [FuncFlags::UNEXPECTED_REGISTER, FuncFlags::UNCERTAIN_LOCATION];
        states.iter().filter(|state| !bad.iter().any(|&flag| state.flags.has(flag))).find_map(|state| {
            let mut symbols = self.symtab.symbols(self.group);
            let symbol = symbols.find(|s| s.address == state.address && s.has_suffix())?;
            Some(Choice { state: Some(**state), full_name: Some(symbol.name) })
        })
    }

    /// The state of the function's own code.
    fn canonical<'s>(&self, states: &[&'s FuncState]) -> Option<&'s FuncState> {
        let states = || states.iter().copied();
        let here = |s: &&FuncState| self.symtab.symbols(self.group).any(|symbol| symbol.address == s.address);
        let true_signature = self.features.contains(Features::TRUE_SIGNATURE);
        let whole = |s: &&FuncState| true_signature || !self.is_optimized(s);
        // Where a symbol begins before its code does (patchable entries), any code is better than none.
        let code = |s: &&FuncState| s.address != 0;
        let matching = states().filter(here).find(whole).or_else(|| states().find(here));
        matching.or_else(|| states().find(code))
    }

    /// True if parameters were removed from the code of a state, not only from its description.
    fn is_optimized(&self, state: &FuncState) -> bool {
        let cloned = || {
            let mut symbols = self.symtab.symbols(self.group);
            symbols.any(|s| s.address == state.address && s.is_optimized())
        };
        state.flags.has(FuncFlags::OPTIMIZED) && (state.flags.has(FuncFlags::SIGNATURE_CHANGED) || cloned())
    }

    fn same_prototype(&self, a: &FuncState, b: &FuncState) -> bool {
        if a.prototype == b.prototype {
            return true;
        }
        let (funcs, budget) = (&self.tables.funcs, Cell::new(COMPARE_BUDGET));
        let compare = Compare { tables: self.tables, resolution: self.resolution, budget };
        let (pa, pb) = (funcs.params(a), funcs.params(b));
        pa.len() == pb.len()
            && compare.matches(a.returns, b.returns, 0)
            && pa.iter().zip(pb).all(|(x, y)| compare.matches(x.target, y.target, 0))
    }
}

/// The comparison of prototypes across units: by name where types have one.
struct Compare<'c, 'a> {
    tables: &'c Tables<'a>,
    resolution: &'c Resolution,
    budget: Cell<u32>,
}

/// Pointers, arrays and function types nest this deep at most in a comparison; deeper ones are equal.
const MAX_DEPTH: u32 = 64;

/// Pairs of types that are compared for one pair of prototypes; what is left is taken as equal. Prototypes
/// of kernels take some ten.
const COMPARE_BUDGET: u32 = 100_000;

impl Compare<'_, '_> {
    fn matches(&self, a: Ref, b: Ref, depth: u32) -> bool {
        let (mut a, mut b) = (self.resolution.entry(a), self.resolution.entry(b));
        let Some(left) = self.budget.get().checked_sub(1).filter(|_| depth <= MAX_DEPTH) else {
            return true;
        };
        self.budget.set(left);
        let types = &self.tables.types;
        loop {
            if a == b {
                return true;
            }
            let kind = |id: Option<EntryId>| id.map(|id| types.get(id).kind);
            match (kind(a), kind(b)) {
                // A difference in `const` is none to a caller.
                (Some(Kind::Const), other) if other != Some(Kind::Const) => {
                    a = a.and_then(|id| self.resolution.entry(types.get(id).target));
                }
                (other, Some(Kind::Const)) if other != Some(Kind::Const) => {
                    b = b.and_then(|id| self.resolution.entry(types.get(id).target));
                }
                _ => break,
            }
        }
        let (Some(a), Some(b)) = (a, b) else { return false };
        let (x, y) = (types.get(a), types.get(b));
        if composite(x) != composite(y) {
            return false;
        }
        let targets = || self.matches(x.target, y.target, depth + 1);
        match x.kind {
            Kind::Int => (x.size, x.encoding, x.name) == (y.size, y.encoding, y.name),
            Kind::Float => (x.size, x.name) == (y.size, y.name),
            Kind::Struct | Kind::Union | Kind::Fwd | Kind::Enum | Kind::Enum64 | Kind::Typedef => {
                x.name == y.name
            }
            Kind::Array => x.size == y.size && targets(),
            Kind::FuncProto => {
                let (p, q) = (types.parts(a), types.parts(b));
                p.len() == q.len()
                    && targets()
                    && p.iter().zip(q).all(|(p, q)| self.matches(p.target, q.target, depth + 1))
            }
            _ => targets(),
        }
    }
}

/// The kind for a comparison: a declaration counts as what it declares.
fn composite(entry: &Entry) -> Kind {
    match entry.kind {
        Kind::Fwd if entry.kind_flag => Kind::Union,
        Kind::Fwd => Kind::Struct,
        Kind::Enum64 => Kind::Enum,
        kind => kind,
    }
}

/// Adds one FUNC; returns it, and whether it was tagged as a kfunc.
fn add(
    tables: &mut Tables<'_>,
    resolution: &mut Resolution,
    state: &FuncState,
    full_name: Option<&[u8]>,
    marks: Option<&KfuncMarks>,
    features: Features,
) -> Result<(EntryId, bool), Skip> {
    let name = match full_name {
        Some(name) if !crate::btf::is_identifier(name) => return Err(Skip::InvalidName),
        Some(name) => tables.strings.intern(name.to_vec().into()),
        None => state.name,
    };
    let mut entry = Entry::new(Kind::FuncProto, state.prototype);
    entry.target = state.returns;
    let in_arena = marks.filter(|m| features.contains(Features::ATTRIBUTES) && m.arena.contains(&true));
    let proto = match in_arena {
        Some(marks) => {
            let mut params = tables.funcs.params(state).to_vec();
            (entry.target, entry.key) = into_arena(tables, resolution, state, marks, &mut params)?;
            tables.types.insert(entry, params)
        }
        None => tables.types.insert(entry, tables.funcs.params(state).iter().copied()),
    };
    tables.types.occur(proto, state.first(), 1);
    resolution.revive(proto);
    let mut hasher = KeyHasher::new(0x200 + Kind::Func as u64);
    hasher.pair(tables.strings.hash(name), 0);
    hasher.key(tables.types.get(proto).key);
    let mut entry = Entry::new(Kind::Func, hasher.finish());
    (entry.name, entry.target) = (name, Ref::entry(proto));
    let func = tables.types.insert(entry, []);
    tables.types.occur(func, state.first(), 1);
    for i in 0..tables.funcs.tags(state).len() {
        let tag = tables.funcs.tags(state)[i];
        add_tag(tables, func, tag.value, tag.component);
    }
    let tagged = marks.is_some() && features.contains(Features::DECL_TAG.with(Features::DECL_TAG_KFUNCS));
    if tagged {
        let mut tag = |text: &'static [u8]| {
            let value = tables.strings.intern(text.into());
            add_tag(tables, func, value, -1);
        };
        tag(b"bpf_kfunc");
        if marks.is_some_and(|m| m.fastcall) {
            tag(b"bpf_fastcall");
        }
    }
    Ok((func, tagged))
}

/// Adds a declaration tag.
pub(super) fn add_tag(tables: &mut Tables<'_>, target: EntryId, value: StrId, component: i32) {
    let (key, hash) = (tables.types.get(target).key, tables.strings.hash(value));
    let entry = Entry::decl_tag(target, key, value, hash, component);
    let first = tables.types.first(target);
    let id = tables.types.insert(entry, []);
    tables.types.occur(id, first, 1);
}

/// Replaces the marked pointers of a kfunc by pointers into the arena's address space.
fn into_arena(
    tables: &mut Tables<'_>,
    resolution: &Resolution,
    state: &FuncState,
    marks: &KfuncMarks,
    params: &mut [Part],
) -> Result<(Ref, Key), Skip> {
    let mut returns = state.returns;
    let mut places = [Some(&mut returns), None, None];
    let mut targets = params.iter_mut().map(|p| &mut p.target);
    (places[1], places[2]) = (targets.next(), targets.next());
    for (place, _) in places.into_iter().zip(marks.arena).filter(|(_, marked)| *marked) {
        let Some(place) = place else { return Err(Skip::InvalidAttribute) };
        let pointer = resolution.entry(*place).map(|id| *tables.types.get(id));
        let Some(pointer) = pointer.filter(|p| p.kind == Kind::Ptr) else {
            return Err(Skip::InvalidAttribute);
        };
        let value = tables.strings.intern(b"address_space(1)".as_slice().into());
        let mut tag = Entry::new(Kind::TypeTag, derived(1, tables.types.key(pointer.target)));
        (tag.name, tag.kind_flag, tag.target) = (value, true, pointer.target);
        let mut ptr = Entry::new(Kind::Ptr, derived(2, tag.key));
        let tag = tables.types.insert(tag, []);
        tables.types.occur(tag, state.first(), 1);
        ptr.target = Ref::entry(tag);
        let ptr = tables.types.insert(ptr, []);
        tables.types.occur(ptr, state.first(), 1);
        *place = Ref::entry(ptr);
    }
    let mut hasher = KeyHasher::new(0x400);
    hasher.key(tables.types.key(returns));
    for param in params.iter() {
        hasher.pair(tables.strings.hash(param.name), 0);
        hasher.key(tables.types.key(param.target));
    }
    Ok((returns, hasher.finish()))
}

fn derived(step: u64, from: Key) -> Key {
    let mut hasher = KeyHasher::new(0x500 + step);
    hasher.key(from);
    hasher.finish()
}
