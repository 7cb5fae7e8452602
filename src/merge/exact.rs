//! Names with several definitions: which they are, and which of them every unit means.
//!
//! The keys of the first walk take a name for what it names. That is wrong for the few names that mean
//! different things in different units. The units that mean another thing than most are *doubtful*; each hands
//! over its [`Skeleton`] once, into the [`Net`], and all the rest happens here, in memory, without looking at a unit again:
//!
//! * A definition's content is its key of the first walk, and which definitions the names in it mean. Whenever
//!   the latter changes, its content is computed again, and the definitions of its name fall into classes of
//!   equal content. A class keeps its identity until it is torn apart; so the search comes to rest, whatever
//!   circles the types form.
//! * Where a name that had one class gets two, it is *split*. From then on it matters which is meant: the units
//!   that hold another than the usual one or only declare the name are doubtful as well.
//! * A unit that only declares such a name refers to none of its definitions. A definition that refers to
//!   such a declaration is *incomplete*. It is one with those that are equal but for what either declares: with
//!   the complete one, of several with the most used; and incomplete ones make up for each other. That tells what
//!   the unit means by the declaration, unless its structs disagree.
//! * An enum that is only declared somewhere in a struct is *opaque* in it: other definitions of the struct are one
//!   whichever enum of the name they mean. To who has the enum it is always the one of its unit.
//! * What definitions are one depends on what they mean, and what they mean on that. Where this turns in circles,
//!   declarations of split names mean nothing: then definitions are only ever torn apart, which comes to an end.
//! * When all is at rest, it starts once more from the first keys with all split names known, until that
//!   finds no further one: the result must not depend on what was known when.
//!
//! The rules depend on the set of definitions alone, never on an order. At the end the doubtful units are walked
//! again, once, with the definition as part of the key.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use super::net::{Net, NodeId, Token, TokenMap};
use crate::btf::Kind;
use crate::table::{
    Anchor, Entry, EntryId, Key, KeyHasher, KeyMap, Meaning, Meanings, Mentions, Refined, Skeleton, Tables,
    UnitMeanings, Variant,
};

/// The search for names that mean several things.
#[derive(Debug)]
pub struct Exact {
    net: Net,
    names: Vec<Name>,
    /// All definitions and declarations of the first walk, by name.
    entries: Vec<EntryId>,
    /// By entry: its name.
    name_of: Vec<Option<NameNumber>>,
    /// By entry: how many nodes of the net it was made of.
    inside: Vec<u32>,
    /// By the number of a unit, its place among the mentions.
    mentions: HashMap<u32, usize>,
    doubtful: BTreeSet<u32>,
    /// By the place of a unit in the net and a name that it only declares: definitions that it means all
    /// the same, because one of its structs says so. It means none of them if they differ.
    bound: HashMap<(u32, NameNumber), Vec<NodeId>>,
    /// By name, the enums that are only declared where some unit defines the name.
    opaque: HashMap<NameNumber, HashSet<NameNumber>>,
    /// Declarations of split names mean nothing.
    is_strict: bool,
    /// Names whose definitions have changed, or what is known of them.
    due: BTreeSet<NameNumber>,
    /// Names were split since the last start.
    has_split: bool,
}

type NameNumber = u32;

/// A name of structs, unions or enums.
#[derive(Debug, Default)]
struct Name {
    /// The key of its usual anchor.
    anchor: Key,
    /// Where its entries are.
    entries: Range<usize>,
    /// Its definitions in the net, ascending, and its declarations.
    definitions: Vec<NodeId>,
    declarations: Vec<NodeId>,
    /// The identity of its usual definition, if it is split; no token if none is as the first walk saw it.
    usual: Option<Token>,
    /// Its definitions that are one but for what some of them declare, and by identity, in which of these groups each is.
    groups: Vec<Group>,
    group_of: TokenMap<usize>,
}

/// Definitions that are one, although their contents differ.
#[derive(Debug)]
struct Group {
    /// What all of them are known by.
    identity: Token,
    /// One definition of each content, the most telling first.
    nodes: Vec<NodeId>,
}

/// Definitions of a name that are equal as far as is known.
#[derive(Debug)]
struct Class {
    plain: Token,
    content: Token,
    identity: Token,
    count: u32,
    incomplete: bool,
    /// One of them; in the net if any is.
    node: NodeId,
    /// What they were known by; none if that is not the same for all.
    old: Option<Token>,
}

impl Name {
    /// What a definition with this identity is to those who refer to it.
    fn value(&self, identity: Token) -> Token {
        let Some(usual) = self.usual else { return Token::USUAL };
        let identity = self.group(identity).map_or(identity, |group| group.identity);
        if identity == usual { Token::USUAL } else { identity }
    }

    /// The group of the definitions with this identity.
    fn group(&self, identity: Token) -> Option<&Group> {
        self.groups.get(*self.group_of.get(&identity)?)
    }

    /// Its definitions in one unit of the net.
    fn definitions_in(&self, net: &Net, unit: u32) -> &[NodeId] {
        let start = self.definitions.partition_point(|&id| net.node(id).unit < unit);
        let rest = &self.definitions[start..];
        &rest[..rest.partition_point(|&id| net.node(id).unit == unit)]
    }
}

impl Exact {
    /// The search in what the workers found.
    pub fn new(tables: &Tables<'_>) -> Exact {
        let types = &tables.types;
        let anchor = |id| Some((anchor_of(tables, types.get(id))?, id));
        let mut anchors: Vec<(Key, EntryId)> = types.ids().filter_map(anchor).collect();
        anchors.sort_unstable_by_key(|&(anchor, id)| (anchor, types.get(id).key));
        let entries = anchors.iter().map(|&(_, id)| id).collect();
        let (mut names, mut name_of): (Vec<Name>, _) = (Vec::new(), vec![None; types.len()]);
        let mut start = 0;
        for run in anchors.chunk_by(|a, b| a.0 == b.0) {
            run.iter().for_each(|(_, id)| name_of[id.0 as usize] = Some(names.len() as NameNumber));
            names.push(Name { anchor: run[0].0, entries: start..start + run.len(), ..Name::default() });
            start += run.len();
        }
        let mut net = Net::default();
        net.grant(types.len());
        Exact {
            net,
            due: (0..names.len() as NameNumber).filter(|&n| names[n as usize].entries.len() > 1).collect(),
            names,
            entries,
            name_of,
            inside: vec![0; types.len()],
            mentions: tables.mentions.iter().enumerate().map(|(i, m)| (m.unit, i)).collect(),
            doubtful: BTreeSet::new(),
            bound: HashMap::new(),
            opaque: HashMap::new(),
            is_strict: false,
            has_split: false,
        }
    }

    /// Searches until it comes to rest, or needs to know more units: returns the numbers of those whose
    /// skeletons it wants [`add`](Self::add)ed before it goes on. None if it is done.
    pub fn advance(&mut self, tables: &Tables<'_>) -> Vec<u32> {
        loop {
            for id in self.net.step(tables) {
                self.due.extend(self.name(id));
            }
            let (mut values, mut split) = (Vec::new(), Vec::new());
            for name in std::mem::take(&mut self.due) {
                let was_split = self.names[name as usize].usual.is_some();
                self.classify(name, tables);
                self.values(name, &mut values);
                if !was_split && self.names[name as usize].usual.is_some() {
                    split.push(name);
                }
            }
            for (id, value) in values {
                self.net.set_value(id, value);
            }
            if !split.is_empty() {
                self.has_split = true;
                let units = self.find_units(&split, tables);
                if !units.is_empty() {
                    return units;
                }
            }
            if self.net.is_exhausted() {
                if self.is_strict {
                    return Vec::new();
                }
                self.is_strict = true;
                self.net.renew();
                self.restart(tables);
            } else if self.net.is_quiet() && (self.is_strict || !self.bind()) {
                if !std::mem::take(&mut self.has_split) {
                    return Vec::new();
                }
                self.restart(tables);
            }
        }
    }

    /// Takes in the skeletons of units that [`advance`](Self::advance) asked for.
    pub fn add(&mut self, skeletons: &[Skeleton], tables: &Tables<'_>) {
        for skeleton in skeletons {
            let mentions = self.mentions.get(&skeleton.unit).and_then(|&i| tables.mentions.get(i));
            let Some(mentions) = mentions else { continue };
            self.net.add(skeleton, &mentions.entries, tables);
            for id in self.net.units.last().into_iter().flat_map(|unit| unit.named()) {
                let Some(name) = self.name(id) else { continue };
                let node = self.net.node(id);
                if let Some(entry) = node.entry {
                    self.inside[entry.0 as usize] += 1;
                }
                let this = &mut self.names[name as usize];
                if node.is_declaration {
                    this.declarations.push(id);
                } else {
                    this.definitions.push(id);
                }
                if this.usual.is_some() {
                    self.due.insert(name);
                }
            }
        }
        self.net.link_units();
    }

    /// False if there was too much to do: definitions that differ only deep below may have become one.
    pub fn is_settled(&self) -> bool {
        !self.net.is_exhausted()
    }

    /// How many units are doubtful.
    pub fn units(&self) -> usize {
        self.doubtful.len()
    }

    /// Ends the search: from here on nobody asks what refers to what. Returns what holds for all doubtful units, and
    /// their places, by the numbers of the units.
    pub fn rest(&mut self) -> (Meanings, Vec<usize>) {
        self.net.forget_references();
        let mut places: Vec<usize> = (0..self.net.units.len()).collect();
        places.sort_unstable_by_key(|&place| self.net.units[place].number);
        (Meanings { foreign: self.net.foreign(), is_settled: self.is_settled() }, places)
    }

    /// What the names mean in the doubtful unit at a place.
    pub fn meanings(&self, place: usize, tables: &Tables<'_>) -> UnitMeanings {
        let meaning = |id| {
            let node = self.net.node(id);
            Meaning {
                variant: self.net.variant(node.value),
                plain: node.entry.map_or(Key::VOID, |entry| tables.types.get(entry).key),
                identity: self.net.key(node.identity),
            }
        };
        let unit = &self.net.units[place];
        UnitMeanings { unit: unit.number, named: unit.named().map(meaning).collect() }
    }

    fn name(&self, id: NodeId) -> Option<NameNumber> {
        self.net.node(id).entry.and_then(|entry| self.name_of[entry.0 as usize])
    }

    /// Sorts the definitions of a name into classes, and finds out which of them are one all the same, and whether
    /// the name is split.
    fn classify(&mut self, name: NameNumber, tables: &Tables<'_>) {
        let mut classes = self.classes(name, tables);
        // Whoever says more is joined by others.
        classes.sort_unstable_by_key(|class| {
            (class.incomplete, Reverse((class.count, self.net.key(class.identity))))
        });
        let mut opaque = self.opaque.remove(&name).unwrap_or_default();
        for class in classes.iter().filter(|class| class.incomplete) {
            self.find_opaque(class.node, &mut opaque, tables);
        }
        let groups = self.groups(&classes, &opaque);
        if !opaque.is_empty() {
            self.opaque.insert(name, opaque);
        }
        let this = &mut self.names[name as usize];
        if this.usual.is_none() && groups.len() > 1 {
            let plain = classes.iter().filter(|class| class.content == class.plain);
            let usual = plain.max_by_key(|class| (class.count, self.net.key(class.identity)));
            this.usual = Some(usual.map_or(Token::NONE, |class| class.identity));
        }
        this.groups.clear();
        this.group_of.clear();
        for group in groups.iter().filter(|group| group.len() > 1) {
            let usual = group.iter().find(|class| Some(class.identity) == this.usual);
            let identity = usual.unwrap_or(&group[0]).identity;
            this.group_of.extend(group.iter().map(|class| (class.identity, this.groups.len())));
            this.groups.push(Group { identity, nodes: group.iter().map(|class| class.node).collect() });
        }
    }

    /// Puts together the classes that are one; the first of each group comes first in `classes`.
    fn groups<'c>(&mut self, classes: &'c [Class], opaque: &HashSet<NameNumber>) -> Vec<Vec<&'c Class>> {
        let mut groups: Vec<Vec<&Class>> = Vec::new();
        let mut by_plain: TokenMap<Vec<usize>> = TokenMap::default();
        for class in classes {
            let known = by_plain.entry(class.plain).or_default();
            // Two that are complete differ in what they mean.
            let may_join = class.incomplete && !self.is_strict || !opaque.is_empty();
            let mut candidates = known.iter().filter(|_| may_join);
            let joined =
                candidates.find(|&&i| groups[i].iter().all(|other| self.agree(class, other, opaque)));
            match joined {
                Some(&i) => groups[i].push(class),
                None => {
                    known.push(groups.len());
                    groups.push(vec![class]);
                }
            }
        }
        groups
    }

    /// Notes the enums that an incomplete definition refers to and that its unit only declares.
    fn find_opaque(&mut self, incomplete: NodeId, opaque: &mut HashSet<NameNumber>, tables: &Tables<'_>) {
        let Exact { net, name_of, .. } = self;
        net.compare(incomplete, incomplete, |net, p, _| {
            if net.value(p) == Token::DECLARED
                && let Some(entry) = net.entry(p)
                && tables.types.get(entry).kind != Kind::Fwd
            {
                opaque.extend(name_of[entry.0 as usize]);
            }
            true
        });
    }

    /// True if two definitions with the same plain key differ only in what one of them declares, or in enums that are
    /// opaque.
    fn agree(&mut self, class: &Class, other: &Class, opaque: &HashSet<NameNumber>) -> bool {
        let Exact { net, name_of, is_strict, .. } = self;
        if net.is_exhausted() {
            return false;
        }
        net.spend(1);
        let may_be_any = |value| value == Token::DECLARED && !*is_strict;
        // Of one outside nothing is known but that it refers to what is usual.
        let (a, b) = if class.node == NodeId::OUTSIDE { (other, class) } else { (class, other) };
        let mut agree = true;
        net.compare(a.node, b.node, |net, p, q| {
            let is_opaque = || {
                let entry = net.entry(p).or_else(|| net.entry(q));
                entry.and_then(|entry| name_of[entry.0 as usize]).is_some_and(|of| opaque.contains(&of))
            };
            let values = [p, q].map(|id| net.value(id));
            agree = values[0] == values[1] || values.into_iter().any(may_be_any) || is_opaque();
            agree
        });
        agree
    }

    /// The definitions of a name by content. Each gets to know its identity.
    fn classes(&mut self, name: NameNumber, tables: &Tables<'_>) -> Vec<Class> {
        let this = &self.names[name as usize];
        let work = this.entries.len() + this.definitions.len() + this.declarations.len();
        self.net.spend(work);
        let mut classes = Vec::<Class>::new();
        let mut by_content: TokenMap<usize> = TokenMap::default();
        // By identity, the class of all that had it; none if it is torn apart.
        let mut heirs: TokenMap<Option<usize>> = TokenMap::default();
        let mut take = |plain, content, old, count, node, incomplete| {
            let i = *by_content.entry(content).or_insert(classes.len());
            let heir = heirs.entry(old).or_insert(Some(i));
            *heir = heir.filter(|&heir| heir == i);
            match classes.get_mut(i) {
                Some(class) => {
                    class.count = class.count.saturating_add(count);
                    class.old = class.old.filter(|&known| known == old);
                    if class.node == NodeId::OUTSIDE {
                        class.node = node;
                    }
                }
                None => {
                    let (identity, old) = (content, Some(old));
                    classes.push(Class { plain, content, identity, count, incomplete, node, old });
                }
            }
        };
        for (id, count) in outside(&self.entries[this.entries.clone()], &self.inside, tables) {
            let plain = self.net.token(tables.types.get(id).key);
            take(plain, plain, plain, count, NodeId::OUTSIDE, false);
        }
        for &id in &this.definitions {
            let node = *self.net.node(id);
            let Some(entry) = node.entry else { continue };
            let plain = self.net.token(tables.types.get(entry).key);
            take(plain, node.content, node.identity, 1, id, node.incomplete);
        }
        let mut taken = HashSet::new();
        let inherits = |i: usize, class: &Class| class.old.filter(|old| heirs.get(old) == Some(&Some(i)));
        for (i, class) in classes.iter_mut().enumerate() {
            if let Some(old) = inherits(i, class) {
                class.identity = old;
                taken.insert(old);
            }
        }
        for (i, class) in classes.iter_mut().enumerate() {
            if inherits(i, class).is_none() {
                // Whoever kept an identity may have got it for this very content, when it meant something else.
                while !taken.insert(class.identity) {
                    let mut hasher = KeyHasher::new(0x801);
                    hasher.key(self.net.key(class.identity));
                    class.identity = self.net.token(hasher.finish());
                }
            }
        }
        for &id in &this.definitions {
            let class = by_content.get(&self.net.node(id).content).and_then(|&i| classes.get(i));
            if let Some(class) = class {
                self.net.node_mut(id).identity = class.identity;
            }
        }
        classes
    }

    /// Finds the new values of the definitions and declarations of a name.
    fn values(&self, name: NameNumber, changed: &mut Vec<(NodeId, Token)>) {
        let this = &self.names[name as usize];
        if this.usual.is_none() {
            return;
        }
        let value = |id: &NodeId| match *id {
            NodeId::OUTSIDE => Token::USUAL,
            id => this.value(self.net.node(id).identity),
        };
        let common = |ids: &[NodeId]| {
            let first = ids.first().map(value)?;
            ids.iter().all(|id| value(id) == first).then_some(first)
        };
        changed.extend(this.definitions.iter().map(|id| (*id, value(id))));
        let mut last = None;
        for &id in &this.declarations {
            let unit = self.net.node(id).unit;
            let (_, value) = *last.filter(|&(known, _)| known == unit).get_or_insert_with(|| {
                let defined = common(this.definitions_in(&self.net, unit));
                let bound = || common(self.bound.get(&(unit, name))?);
                (unit, defined.or_else(bound).unwrap_or(Token::DECLARED))
            });
            last = Some((unit, value));
            changed.push((id, value));
        }
        changed.retain(|&(id, value)| self.net.value(id) != value);
    }

    /// Finds out which definition a unit means where it only declares a name; true if anything is new.
    ///
    /// If a struct of the unit is equal to a complete one but for the declaration, then it means what
    /// stands there in the other. Where two structs of a unit disagree, the declaration stays one.
    fn bind(&mut self) -> bool {
        let mut pairs = Vec::new();
        for name in self.names.iter().filter(|name| !name.groups.is_empty()) {
            let incomplete = name.definitions.iter().filter(|id| self.net.node(**id).incomplete);
            pairs.extend(
                incomplete.filter_map(|id| Some((*id, &name.group(self.net.node(*id).identity)?.nodes))),
            );
        }
        let mut found = Vec::new();
        for (incomplete, others) in pairs {
            let unit = self.net.node(incomplete).unit;
            let mut known = HashSet::new();
            for &other in others {
                self.net.compare(incomplete, other, |net, p, q| {
                    if net.value(p) == Token::DECLARED && net.value(q) != Token::DECLARED && known.insert(p) {
                        found.push((unit, p, q));
                    }
                    true
                });
            }
        }
        let mut is_new = false;
        for (unit, declaration, meant) in found {
            let Some((name, meant)) = self.name(declaration).zip(self.definition(meant)) else { continue };
            let known = self.bound.entry((unit, name)).or_default();
            // Two that differ are enough to know that it means none.
            if known.len() < 2 && known.iter().all(|&id| self.net.value(id) != self.net.value(meant)) {
                known.push(meant);
                self.due.insert(name);
                is_new = true;
            }
        }
        is_new
    }

    /// A definition that a named node stands for: itself, or the one that a declaration is bound to.
    fn definition(&self, id: NodeId) -> Option<NodeId> {
        if id == NodeId::OUTSIDE || !self.net.node(id).is_declaration {
            return Some(id);
        }
        let (unit, name) = (self.net.node(id).unit, self.name(id)?);
        let defined = self.names[name as usize].definitions_in(&self.net, unit).iter();
        let bound = self.bound.get(&(unit, name)).into_iter().flatten();
        defined.chain(bound).copied().find(|&definition| self.net.value(definition) == self.net.value(id))
    }

    /// The units that declare one of these names, or define it otherwise than usual, and are not known yet.
    fn find_units(&mut self, split: &[NameNumber], tables: &Tables<'_>) -> Vec<u32> {
        let mut is_odd = vec![false; tables.types.len()];
        let mut anchors = HashSet::new();
        for name in split.iter().map(|&name| &self.names[name as usize]) {
            let usual = name.usual.map(|usual| self.net.key(usual));
            for &id in &self.entries[name.entries.clone()] {
                is_odd[id.0 as usize] = Some(tables.types.get(id).key) != usual;
            }
            anchors.insert(name.anchor);
        }
        // Which definition a unit means that lies in another is known only there.
        let is_split: Vec<bool> = tables.types.anchors().iter().map(|a| anchors.contains(&a.key)).collect();
        let odd = |m: &&Mentions| {
            m.entries.iter().any(|id| is_odd[id.0 as usize])
                || m.foreign.iter().any(|id| is_split[id.0 as usize])
        };
        // Far less is done for each than elsewhere.
        let mentioned: usize = tables.mentions.iter().map(|m| m.entries.len() + m.foreign.len()).sum();
        self.net.spend((tables.types.len() + mentioned) / 4);
        let units = tables.mentions.iter().filter(odd).map(|m| m.unit);
        let mut units: Vec<u32> = units.filter(|unit| !self.doubtful.contains(unit)).collect();
        units.sort_unstable();
        self.doubtful.extend(&units);
        units
    }

    /// Begins anew, with all that is split known.
    fn restart(&mut self, tables: &Tables<'_>) {
        self.net.restart(tables);
        self.bound.clear();
        for (number, name) in self.names.iter_mut().enumerate() {
            name.groups.clear();
            name.group_of.clear();
            if name.usual.is_some() {
                self.due.insert(number as NameNumber);
            }
        }
    }

    /// Ends the search: takes what the doubtful units say now into `tables` in place of what they said at
    /// first, and returns what anchors with a variant stand for.
    pub fn finish<'a>(self, tables: &mut Tables<'a>, refined: Vec<Refined<'a>>) -> Variants {
        let mut variants = Variants::default();
        let mut remade = HashSet::new();
        for refined in &refined {
            for key in &refined.forgotten_types {
                if let Some(id) = tables.types.find(*key) {
                    tables.types.forget(id);
                }
            }
            tables.funcs.forget(refined.forgotten_funcs.iter().copied());
            remade.extend(refined.tables.variables.iter().map(|variable| variable.first));
            for (&identity, &entry) in &refined.definitions {
                let key = refined.tables.types.get(entry).key;
                let known = variants.exact.entry(identity).or_insert(key);
                *known = key.min(*known);
            }
        }
        // Definitions that are as they were may have kept the identity of a time when that was not known.
        for id in self.net.units.iter().flat_map(|unit| unit.named()) {
            let node = self.net.node(id);
            let plain = node.entry.map(|entry| tables.types.get(entry).key);
            if node.identity != node.content && plain == Some(self.net.key(node.content)) {
                variants.exact.entry(self.net.key(node.identity)).or_insert(self.net.key(node.content));
            }
        }
        let key = |identity| {
            let identity = self.net.key(identity);
            variants.exact.get(&identity).copied().unwrap_or(identity)
        };
        for name in &self.names {
            variants.usual.extend(name.usual.map(|usual| (name.anchor, key(usual))));
            let joined =
                name.group_of.iter().map(|(&this, &group)| (key(this), key(name.groups[group].identity)));
            variants.joined.extend(joined.filter(|(this, group)| this != group));
        }
        tables.variables.retain(|variable| !remade.contains(&variable.first));
        for refined in refined {
            tables.join(refined.tables);
        }
        variants
    }
}

/// Which of these entries are definitions in units that are not in the net, and in how many, if `inside` tells of each
/// entry how many nodes of the net it was made of.
fn outside(entries: &[EntryId], inside: &[u32], tables: &Tables<'_>) -> impl Iterator<Item = (EntryId, u32)> {
    let count = |&id: &EntryId| (id, tables.types.count(id).saturating_sub(inside[id.0 as usize]));
    let is_there = |&(id, count): &(EntryId, u32)| count > 0 && !tables.types.get(id).is_declaration();
    entries.iter().map(count).filter(is_there)
}

/// What the anchors of names with several definitions stand for, by keys.
#[derive(Debug, Default)]
pub struct Variants {
    /// By the key of a name's usual anchor, the usual definition.
    pub usual: KeyMap<Key>,
    /// By the key in an anchor, the definition; not for those that are as the first walk saw them.
    pub exact: KeyMap<Key>,
    /// By a definition, the other one that it is one with.
    pub joined: KeyMap<Key>,
}

/// The key of the usual anchor of an entry's name.
pub(super) fn anchor_of(tables: &Tables<'_>, entry: &Entry) -> Option<Key> {
    let class = entry.anchor_class()?;
    Some(Anchor::key_of(class, tables.strings.hash(entry.name), Variant::Usual))
}
