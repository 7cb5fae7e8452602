//! Walking a unit again for what names with several definitions change in it.
//!
//! In come the unit and what each of its names means. Most of its types mean what they meant in the first walk.
//! Those that lead, not through a further name, to a definition that is not the usual one get another key:
//! they are taken back, and so are the functions and variables that use them, and are made once more with the
//! definition as part of the anchor.

use super::func::{State, places};
use super::graph::{Graph, Link, Node, NodeId};
use super::intern::{Interner, NameUse};
use super::key::{Cycle, Keys, class_of, node_key, targets};
use super::{Builder, cycle_error, place};
use crate::Result;
use crate::dwarf::Unit;
use crate::options::Features;
use crate::table::{
    Anchor, Entry, First, Key, Meaning, Meanings, Refined, Site, StrId, UnitMeanings, Variant,
};

impl<'a> Builder<'a> {
    /// Walks a unit again, with its names told apart as `names` says.
    ///
    /// # Errors
    /// As in [`Builder::unit`]; a unit that passed there passes here.
    pub fn refine(
        &mut self,
        names: &UnitMeanings,
        meanings: &Meanings,
        refined: &mut Refined<'a>,
    ) -> Result<()> {
        let UnitMeanings { unit: number, named } = names;
        let header = self.context.program.units()[*number as usize];
        let Some(unit) = self.read(header, *number)? else { return Ok(()) };
        self.quick_keys().map_err(|Cycle(offset)| cycle_error(header, offset))?;
        let mut changes = Changes::new(&self.graph, &self.keys, named, meanings);
        let states = self.changed_states(&unit, &changes);
        let graph = &self.graph;
        for (_, state) in &states {
            state.links().for_each(|link| changes.need(graph, link));
        }
        for variable in graph.own_variables().iter().filter(|v| v.address.is_some()) {
            changes.need_changed(graph, graph.variable_type(variable));
        }
        for (&id, meaning) in self.keys.anchors.iter().zip(named) {
            if !changes.remade[id.index()] {
                continue;
            }
            let node = graph.node(id);
            self.interner.intern(node.name, NameUse::Identifier, &mut self.warnings)?;
            if refined.made(meanings, meaning).is_none() || !is_named(&self.interner, node) {
                targets(graph, graph.node(id)).for_each(|link| changes.need(graph, link));
            }
        }
        changes.need_below(graph, &self.keys);
        self.remake_types(names, meanings, &mut changes, refined)?;
        self.remake_tags(*number, &changes, refined)?;
        let variant = &mut |id: NodeId| changes.variants[id.index()];
        let mut made = Vec::with_capacity(states.len());
        for (i, state) in &states {
            state.intern_names(&mut self.interner, &mut self.warnings)?;
            for link in state.links() {
                self.interner.intern_referred(&self.graph, link, &mut self.warnings)?;
            }
            let interner = &self.interner;
            let key =
                state.content_key(interner, &mut |link| changes.key(&self.graph, interner, link, false));
            refined.forgotten_funcs.push(key);
            made.push((*i, state.insert(self, First::new(*number, *i as u32), variant)?));
        }
        self.variables_with(&unit, *number, &|id| changes.leads[id.index()], variant)?;
        self.sight_again(*number, &made);
        Ok(())
    }

    /// The states of functions that use something changed, by their numbers.
    fn changed_states(&mut self, unit: &Unit<'_>, changes: &Changes) -> Vec<(usize, State)> {
        let (graph, features) = (&self.graph, self.context.options.features);
        // Where parameters lie takes long to find out, and most units need not know. A member that stands for
        // its struct is known only then.
        let returns = graph.funcs.iter().filter_map(|func| func.returns);
        let mut links = returns.chain(graph.params.iter().filter_map(|param| param.target));
        let is_asked =
            features.contains(Features::TRUE_SIGNATURE) || links.any(|link| changes.has(graph, link));
        if !is_asked {
            return Vec::new();
        }
        let places = places(graph, unit, &self.context.machine, &mut self.warnings);
        let state = |i| State::new(graph, &self.context.machine, unit, i, &places, features, &mut Vec::new());
        let states = (0..graph.own_funcs().len()).filter_map(|i| Some((i, state(i)?)));
        states.filter(|(_, state)| state.links().any(|link| changes.has(graph, link))).collect()
    }

    /// Takes back the types that are changed, and writes them with their new keys.
    fn remake_types(
        &mut self,
        names: &UnitMeanings,
        meanings: &Meanings,
        changes: &mut Changes,
        refined: &mut Refined<'a>,
    ) -> Result<()> {
        let Builder { graph, keys, interner, warnings, .. } = self;
        let UnitMeanings { unit: number, ref named } = *names;
        interner.begin(graph);
        for &id in keys.order.iter().filter(|id| changes.needed[id.index()]) {
            interner.intern_names(graph, graph.node(id), warnings)?;
            let plain = changes.content_key(graph, interner, id, false);
            let full = changes.content_key(graph, interner, id, true);
            changes.plain[id.index()] = plain;
            changes.full[id.index()] = full;
            let variant = &mut |id: NodeId| changes.variants[id.index()];
            let entry = interner.insert(graph, graph.node(id), full, variant, warnings)?;
            interner.set_entry(id, entry);
            if changes.remade[id.index()] {
                refined.forgotten_types.push(plain);
                interner.tables.types.occur(entry, place(number, id), 1);
            }
        }
        for (&id, meaning) in keys.anchors.iter().zip(named) {
            if !changes.remade[id.index()] {
                continue;
            }
            let made = refined.made(meanings, meaning);
            let entry = match made.filter(|_| is_named(interner, graph.node(id))) {
                Some(known) => known,
                None => {
                    interner.intern_names(graph, graph.node(id), warnings)?;
                    let full = changes.content_key(graph, interner, id, true);
                    let variant = &mut |id: NodeId| changes.variants[id.index()];
                    let new = interner.insert(graph, graph.node(id), full, variant, warnings)?;
                    let key = |entry| interner.tables.types.get(entry).key;
                    let known = refined.definitions.entry(meaning.identity).or_insert(new);
                    if key(new) < key(*known) {
                        *known = new;
                    }
                    new
                }
            };
            changes.plain[id.index()] = meaning.plain;
            interner.set_entry(id, entry);
            refined.forgotten_types.push(meaning.plain);
            interner.tables.types.occur(entry, place(number, id), 1);
        }
        Ok(())
    }

    /// Takes back the tags on what was written anew, and writes them anew.
    fn remake_tags(&mut self, number: u32, changes: &Changes, refined: &mut Refined<'a>) -> Result<()> {
        let Builder { graph, interner, warnings, .. } = self;
        for tag in graph.tags.iter().filter(|tag| changes.is_made(tag.node)) {
            let value = interner.intern(tag.value, NameUse::Text, warnings)?;
            let hash = interner.tables.strings.hash(value);
            let target = changes.plain[tag.node.index()];
            refined.forgotten_types.push(Entry::decl_tag_key(target, hash, tag.component));
        }
        interner.tags(graph, number, warnings)
    }
}

/// False for a name that is there and empty: nobody finds the node by that, so that it stays what it is in its unit,
/// whatever is equal to it elsewhere. The name is interned.
fn is_named(interner: &Interner<'_>, node: &Node) -> bool {
    interner.string(node.name, NameUse::Identifier) != StrId::EMPTY
}

/// What the definitions that are not the usual ones change in a unit. All by node.
struct Changes {
    /// Of named nodes, which definition they are.
    variants: Vec<Variant>,
    /// Whoever refers to it has another key than in the first walk.
    leads: Vec<bool>,
    /// It has another key itself.
    remade: Vec<bool>,
    /// Of unnamed nodes, that they are made again, because they are changed or something changed refers to them.
    needed: Vec<bool>,
    /// The key of the first walk, of what is made again; and of unnamed nodes the one that they have now.
    plain: Vec<Key>,
    full: Vec<Key>,
}

impl Changes {
    /// Finds what is changed in a unit whose own named nodes are `named`.
    fn new(graph: &Graph, keys: &Keys, named: &[Meaning], meanings: &Meanings) -> Changes {
        let count = graph.nodes.len();
        let keys_of_none = || vec![Key::VOID; count];
        let mut changes = Changes {
            variants: vec![Variant::Usual; count],
            leads: vec![false; count],
            remade: vec![false; count],
            needed: vec![false; count],
            plain: keys_of_none(),
            full: keys_of_none(),
        };
        let own = keys.anchors.iter().zip(named).map(|(&id, meaning)| (id, meaning.variant));
        let foreign = graph.foreign.named().iter().filter_map(|&(id, place)| {
            let site = Site { unit: place.unit, offset: place.offset };
            Some((id, *meanings.foreign.get(&site)?))
        });
        for (id, variant) in own.chain(foreign) {
            changes.variants[id.index()] = variant;
            changes.leads[id.index()] = variant != Variant::Usual;
        }
        for &id in &keys.order {
            let leads = targets(graph, graph.node(id)).any(|link| changes.has(graph, link));
            changes.leads[id.index()] = leads;
            changes.remade[id.index()] = leads;
        }
        changes.needed.clone_from(&changes.remade);
        for &id in &keys.anchors {
            changes.remade[id.index()] = targets(graph, graph.node(id)).any(|link| changes.has(graph, link));
        }
        changes
    }

    /// True if who uses that link is changed.
    fn has(&self, graph: &Graph, link: Link) -> bool {
        graph.resolve(link).is_some_and(|id| self.leads[id.index()])
    }

    /// Notes that something will refer to a type. Names are found without it.
    fn need(&mut self, graph: &Graph, link: Link) {
        if let Some(id) = graph.resolve(link).filter(|&id| class_of(graph.node(id)).is_none()) {
            self.needed[id.index()] = true;
        }
    }

    /// The same of a type by which something is changed or not.
    fn need_changed(&mut self, graph: &Graph, link: Link) {
        if self.has(graph, link) {
            self.need(graph, link);
        }
    }

    /// Notes everything that what is needed refers to.
    fn need_below(&mut self, graph: &Graph, keys: &Keys) {
        // Each node stands behind those that it refers to.
        for &id in keys.order.iter().rev() {
            if self.needed[id.index()] {
                targets(graph, graph.node(id)).for_each(|link| self.need(graph, link));
            }
        }
    }

    /// True for what is made again.
    fn is_made(&self, id: NodeId) -> bool {
        self.needed[id.index()] || self.remade[id.index()]
    }

    /// The content key of a node whose names are interned, now or (if not `full`) as it was.
    fn content_key(&self, graph: &Graph, interner: &Interner<'_>, id: NodeId, full: bool) -> Key {
        let name = &mut |name, used| interner.name_hash(name, used);
        node_key(graph, graph.node(id), name, &mut |link| self.key(graph, interner, link, full))
    }

    /// The key of a reference to a needed or a named node, now or (if not `full`) as it was.
    fn key(&self, graph: &Graph, interner: &Interner<'_>, link: Link, full: bool) -> Key {
        let Some(id) = graph.resolve(link) else { return Key::VOID };
        let node = graph.node(id);
        match class_of(node) {
            Some(class) => {
                let variant = if full { self.variants[id.index()] } else { Variant::Usual };
                Anchor::key_of(class, interner.name_hash(node.name, NameUse::Identifier), variant)
            }
            None if full => self.full[id.index()],
            None => self.plain[id.index()],
        }
    }
}
