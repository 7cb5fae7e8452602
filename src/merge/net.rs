//! The named structs, unions and enums of doubtful units, and what they refer to, in one net.
//!
//! In come skeletons, out come *values*: what each node is to whoever refers to it. A changed value makes those
//! who refer to it due, and one step computes what is due, and no more. A value is a token for a key, so that
//! comparing and keeping many of them is cheap.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::table::{
    EntryId, Key, KeyHasher, KeyIdentity, KeyMap, Site, Skeleton, SkeletonRef, Tables, Variant,
};

/// A key by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token(u32);

/// A map by token.
pub(super) type TokenMap<V> = HashMap<Token, V, BuildHasherDefault<KeyIdentity>>;

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
}

impl Token {
    /// The value of the usual definition of a name, or of its only one.
    pub(super) const USUAL: Token = Token(0);
    /// The value of a declaration that refers to no definition.
    pub(super) const DECLARED: Token = Token(1);
    /// No value and no key of anything.
    pub(super) const NONE: Token = Token(u32::MAX);
}

/// A node of the net by number. Those of one unit follow each other: its knots, then its named nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct NodeId(u32);

impl NodeId {
    /// A node of a unit that is not in the net. It is the usual definition of its name, complete.
    pub(super) const OUTSIDE: NodeId = NodeId(u32::MAX);
}

/// A named node or a knot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// The place of its unit in [`Net::units`].
    pub(super) unit: u32,
    /// What the first walk made of it; `None` for a knot.
    pub(super) entry: Option<EntryId>,
    pub(super) is_declaration: bool,
    /// What it is to whoever refers to it.
    pub(super) value: Token,
    /// Of a definition: the key of its content, by the values of what it refers to.
    pub(super) content: Token,
    /// Of a definition: the key that it is known by.
    pub(super) identity: Token,
    /// It refers, not through a further name, to a declaration that refers to no definition.
    pub(super) incomplete: bool,
    /// It is among what is due.
    is_due: bool,
    /// Where the lists of what it refers to, and of who in its unit refers to it, end.
    refs: u32,
    users: u32,
}

/// A unit of the net.
#[derive(Debug)]
pub(super) struct NetUnit {
    /// Its number.
    pub(super) number: u32,
    named: u32,
    end: u32,
    /// Offsets of its named nodes in the unit, in bytes.
    offsets: Box<[u32]>,
}

impl NetUnit {
    /// The unit's named nodes.
    pub(super) fn named(&self) -> impl Iterator<Item = NodeId> + use<> {
        (self.named..self.end).map(NodeId)
    }
}

/// Work that may be done for every node and reference. Kernels need less than twenty; the limit is for damaged
/// and hostile files.
const BUDGET: u64 = 500;

/// The net.
#[derive(Debug)]
pub(super) struct Net {
    /// Its units in the order in which they came.
    pub(super) units: Vec<NetUnit>,
    nodes: Vec<Node>,
    refs: Vec<NodeId>,
    users: Vec<NodeId>,
    /// Who refers to a node from another unit.
    foreign_users: HashMap<NodeId, Vec<NodeId>>,
    /// References into units that are not in the net: the place, where in `refs`, and from where.
    pending: Vec<(Site, usize, NodeId)>,
    /// What must be computed, because something that it refers to has another value.
    due: Vec<NodeId>,
    keys: Vec<Key>,
    tokens: KeyMap<Token>,
    granted: u64,
    budget: u64,
    is_exhausted: bool,
}

impl Default for Net {
    fn default() -> Self {
        let declared = Key { lo: 1, hi: 1 };
        Net {
            units: Vec::new(),
            nodes: Vec::new(),
            refs: Vec::new(),
            users: Vec::new(),
            foreign_users: HashMap::new(),
            pending: Vec::new(),
            due: Vec::new(),
            keys: vec![Key::VOID, declared],
            tokens: [(Key::VOID, Token::USUAL), (declared, Token::DECLARED)].into_iter().collect(),
            granted: 0,
            budget: 0,
            is_exhausted: false,
        }
    }
}

impl Net {
    /// Takes in a unit, whose named nodes the first walk made `entries` of, in the same order.
    pub(super) fn add(&mut self, skeleton: &Skeleton, entries: &[EntryId], tables: &Tables<'_>) {
        let unit = self.units.len() as u32;
        let start = self.nodes.len() as u32;
        let named = start + skeleton.knots.len() as u32;
        let end = named + skeleton.named.len() as u32;
        let first_ref = self.refs.len() as u32;
        self.grant((end - start) as usize + skeleton.refs.len());
        let knots = skeleton.knots.iter().map(|&refs| (None, refs));
        let entries = entries.iter().map(|&entry| Some(entry)).chain(std::iter::repeat(None));
        let entries = entries.zip(&skeleton.named).map(|(entry, &(_, refs))| (entry, refs));
        for (entry, refs) in knots.chain(entries) {
            let content = entry.map_or(Token::NONE, |id| self.token(tables.types.get(id).key));
            self.nodes.push(Node {
                unit,
                entry,
                is_declaration: entry.is_some_and(|id| tables.types.get(id).is_declaration()),
                value: Token::USUAL,
                content,
                identity: content,
                incomplete: false,
                is_due: false,
                refs: first_ref + refs,
                users: 0,
            });
        }
        let inside = |base: u32, number: u32| Some(NodeId(base + number)).filter(|id| id.0 < end);
        let target = |reference: &SkeletonRef| match *reference {
            SkeletonRef::Knot(number) => inside(start, number),
            SkeletonRef::Named(number) => inside(named, number),
            SkeletonRef::Foreign(_) => None,
        };
        self.refs.extend(skeleton.refs.iter().map(|r| target(r).unwrap_or(NodeId::OUTSIDE)));
        self.index_users(start..end);
        let offsets = skeleton.named.iter().map(|&(offset, _)| offset).collect();
        self.units.push(NetUnit { number: skeleton.unit, named, end, offsets });
        for user in (start..end).map(NodeId) {
            let refs = self.refs_start(user)..self.node(user).refs as usize;
            let refs = refs.zip(&skeleton.refs[self.refs_start(user) - first_ref as usize..]);
            self.pending.extend(refs.filter_map(|(at, reference)| match *reference {
                SkeletonRef::Foreign(site) => Some((site, at, user)),
                _ => None,
            }));
        }
    }

    /// Notes who in a unit refers to each of its nodes.
    fn index_users(&mut self, nodes: std::ops::Range<u32>) {
        let first = self.users.len() as u32;
        let mut ends = vec![0u32; nodes.len()];
        let from = self.refs_start(NodeId(nodes.start));
        for target in self.refs[from..].iter().filter(|&&target| target != NodeId::OUTSIDE) {
            ends[(target.0 - nodes.start) as usize] += 1;
        }
        let mut end = first;
        for (count, node) in ends.iter_mut().zip(&mut self.nodes[nodes.start as usize..]) {
            // Until the lists are filled, `ends` has where the next user goes.
            let start = end;
            end += std::mem::replace(count, start);
            node.users = end;
        }
        self.users.resize(end as usize, NodeId::OUTSIDE);
        for user in nodes.clone().map(NodeId) {
            let refs = self.refs_start(user)..self.node(user).refs as usize;
            for &target in self.refs[refs].iter().filter(|&&target| target != NodeId::OUTSIDE) {
                let next = &mut ends[(target.0 - nodes.start) as usize];
                self.users[*next as usize] = user;
                *next += 1;
            }
        }
    }

    /// Finds what lies in units that came since it was referred to.
    pub(super) fn link_units(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let named = self.units.iter().flat_map(|unit| {
            let sites = unit.offsets.iter().map(|&offset| Site { unit: unit.number, offset });
            sites.zip(unit.named())
        });
        let sites: HashMap<Site, NodeId> = named.collect();
        let pending = std::mem::take(&mut self.pending);
        for (site, at, user) in pending {
            match sites.get(&site) {
                Some(&target) => {
                    self.refs[at] = target;
                    self.foreign_users.entry(target).or_default().push(user);
                    self.set_due(user);
                }
                None => self.pending.push((site, at, user)),
            }
        }
    }

    /// What others refer to from other units and is not the usual definition.
    pub(super) fn foreign(&self) -> HashMap<Site, Variant> {
        let named = self.units.iter().flat_map(|unit| {
            let sites = unit.offsets.iter().map(|&offset| Site { unit: unit.number, offset });
            sites.zip(unit.named()).map(|(site, id)| (site, self.variant(self.node(id).value)))
        });
        named.filter(|(_, variant)| *variant != Variant::Usual).collect()
    }

    /// Gives the memory back of who refers to what.
    pub(super) fn forget_references(&mut self) {
        (self.refs, self.users) = (Vec::new(), Vec::new());
        (self.foreign_users, self.pending) = (HashMap::new(), Vec::new());
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    /// The value of a node, also of one outside.
    pub(super) fn value(&self, id: NodeId) -> Token {
        self.nodes.get(id.0 as usize).map_or(Token::USUAL, |node| node.value)
    }

    /// What the first walk made of a node, if it is named and not outside.
    pub(super) fn entry(&self, id: NodeId) -> Option<EntryId> {
        self.nodes.get(id.0 as usize)?.entry
    }

    /// The token of a key.
    pub(super) fn token(&mut self, key: Key) -> Token {
        let next = Token(self.keys.len() as u32);
        let token = *self.tokens.entry(key).or_insert(next);
        if token == next {
            self.keys.push(key);
        }
        token
    }

    /// The key of a token.
    pub(super) fn key(&self, token: Token) -> Key {
        self.keys.get(token.0 as usize).copied().unwrap_or(Key::VOID)
    }

    /// The definition that a value means.
    pub(super) fn variant(&self, value: Token) -> Variant {
        match value {
            Token::USUAL => Variant::Usual,
            Token::DECLARED => Variant::Declared,
            exact => Variant::Exact(self.key(exact)),
        }
    }

    /// Adds to the budget what so many nodes, references or names may cost.
    pub(super) fn grant(&mut self, count: usize) {
        let more = BUDGET.saturating_mul(count as u64);
        self.granted = self.granted.saturating_add(more);
        self.budget = self.budget.saturating_add(more);
    }

    /// Gives all that was granted once more.
    pub(super) fn renew(&mut self) {
        (self.budget, self.is_exhausted) = (self.granted, false);
    }

    /// Takes `work` off the budget.
    pub(super) fn spend(&mut self, work: usize) {
        let left = self.budget.checked_sub(work as u64);
        self.is_exhausted |= left.is_none();
        self.budget = left.unwrap_or(0);
    }

    /// True if so much was done that the input must be made for it.
    pub(super) fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// Sets the value of a named node. Who refers to it becomes due.
    pub(super) fn set_value(&mut self, id: NodeId, value: Token) {
        self.node_mut(id).value = value;
        self.users_due(id);
        for user in self.foreign_users.get(&id).cloned().unwrap_or_default() {
            self.set_due(user);
        }
    }

    /// Computes everything that is due. Returns the definitions among it.
    pub(super) fn step(&mut self, tables: &Tables<'_>) -> Vec<NodeId> {
        let mut definitions = Vec::new();
        // Knots may make others due. In ascending order most are computed once.
        while !self.due.is_empty() {
            let (mut knots, named): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.due).into_iter().partition(|&id| self.node(id).entry.is_none());
            definitions.extend(named);
            knots.sort_unstable();
            for id in knots {
                self.node_mut(id).is_due = false;
                self.compute(id, tables);
            }
        }
        for &id in &definitions {
            self.node_mut(id).is_due = false;
            self.compute(id, tables);
        }
        definitions
    }

    /// True if nothing is due.
    pub(super) fn is_quiet(&self) -> bool {
        self.due.is_empty()
    }

    /// Puts everything back to what the first walk made of it.
    pub(super) fn restart(&mut self, tables: &Tables<'_>) {
        for i in 0..self.nodes.len() {
            let content = match self.nodes[i].entry {
                Some(entry) => self.token(tables.types.get(entry).key),
                None => Token::NONE,
            };
            let node = &mut self.nodes[i];
            (node.value, node.content, node.identity) = (Token::USUAL, content, content);
            (node.incomplete, node.is_due) = (false, false);
        }
        self.due.clear();
    }

    fn compute(&mut self, id: NodeId, tables: &Tables<'_>) {
        self.spend(self.refs_of(id).len() + 1);
        let plain = self.node(id).entry.map_or(Key::VOID, |entry| tables.types.get(entry).key);
        let (mut changed, mut incomplete) = (false, false);
        let mut hasher = KeyHasher::new(0x800);
        hasher.key(plain);
        for &target in self.refs_of(id) {
            let value = self.value(target);
            changed |= value != Token::USUAL;
            let declared =
                || self.nodes.get(target.0 as usize).is_some_and(|n| n.entry.is_none() && n.incomplete);
            incomplete |= value == Token::DECLARED || declared();
            hasher.key(self.key(value));
        }
        let is_knot = self.node(id).entry.is_none();
        let content = match (changed, is_knot) {
            (true, _) => self.token(hasher.finish()),
            (false, true) => Token::USUAL,
            (false, false) => self.token(plain),
        };
        self.node_mut(id).incomplete = incomplete;
        if !is_knot {
            self.node_mut(id).content = content;
        } else if self.node(id).value != content {
            self.node_mut(id).value = content;
            self.users_due(id);
        }
    }

    /// Walks over two definitions with the same plain key side by side, and shows `visit` each pair of named
    /// nodes that they refer to, until it says false. Knots that mean the same and miss nothing are passed over.
    pub(super) fn compare(
        &mut self,
        a: NodeId,
        b: NodeId,
        mut visit: impl FnMut(&Net, NodeId, NodeId) -> bool,
    ) {
        // Two that have the same content but for their names may share what they refer to in different ways.
        let (mut stack, mut seen, mut work) = (vec![(a, b)], BTreeSet::new(), 0);
        'pairs: while let Some((a, b)) = stack.pop() {
            let others = self.refs_of(b).iter().copied().chain(std::iter::repeat(NodeId::OUTSIDE));
            for (p, q) in self.refs_of(a).iter().copied().zip(others) {
                work += 1;
                let knot = self.nodes.get(p.0 as usize).filter(|node| node.entry.is_none());
                match knot {
                    Some(knot) if knot.value == self.value(q) && !knot.incomplete => {}
                    Some(_) => {
                        if seen.insert((p, q)) {
                            stack.push((p, q));
                        }
                    }
                    None if visit(self, p, q) => {}
                    None => break 'pairs,
                }
            }
        }
        self.spend(work);
    }

    fn refs_start(&self, id: NodeId) -> usize {
        (id.0 as usize).checked_sub(1).map_or(0, |before| self.nodes[before].refs as usize)
    }

    /// What a node refers to; of one outside nothing is known.
    fn refs_of(&self, id: NodeId) -> &[NodeId] {
        match self.nodes.get(id.0 as usize) {
            Some(node) => self.refs.get(self.refs_start(id)..node.refs as usize).unwrap_or_default(),
            None => &[],
        }
    }

    fn users_due(&mut self, id: NodeId) {
        let start = (id.0 as usize).checked_sub(1).map_or(0, |before| self.nodes[before].users);
        for i in start..self.nodes[id.0 as usize].users {
            self.set_due(self.users[i as usize]);
        }
    }

    fn set_due(&mut self, id: NodeId) {
        if !std::mem::replace(&mut self.node_mut(id).is_due, true) {
            self.due.push(id);
        }
    }
}
