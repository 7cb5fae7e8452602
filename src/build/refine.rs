//! Walking a unit again, to tell apart the definitions of one name.
//!
//! Anchors are exact unless a name has several definitions. Those names are known after the join; the
//! units that hold another than the usual one, or only a declaration, are then walked again, with the
//! definition as part of the anchor. That may show that an enclosing name has several definitions too,
//! and so it goes on, level by level, until nothing splits any more.
//!
//! At level n an anchor carries the key that its definition had at level n-1; level 0 are the keys of
//! the first walk. The keys of all levels are recomputed inside the unit, which is what makes a level
//! need nothing but the names that are split.

use std::collections::HashMap;

use super::func::{State, places};
use super::graph::{Graph, Link, NodeId, Shape};
use super::key::{Keys, class_of, node_key};
use super::{Builder, mentions, place};
use crate::Result;
use crate::table::{Anchor, Definition, Entry, First, Key, Level, Refined, Site, Split, Variant};

impl<'a> Builder<'a> {
    /// Walks unit number `number` again, with the names in `split` told apart.
    ///
    /// # Errors
    /// As in [`Builder::unit`]; a unit that passed there passes here.
    pub fn refine(&mut self, number: u32, split: &Split, refined: &mut Refined<'a>) -> Result<()> {
        let header = self.context.program.units()[number as usize];
        let Some(unit) = self.read(header, number)? else { return Ok(()) };
        for node in &self.graph.nodes {
            self.interner.intern_names(&self.graph, node, &mut self.warnings)?;
        }
        let mut levels = Levels::new(&self.graph);
        let cycle = |super::key::Cycle(offset)| super::cycle_error(header, offset);
        let interner = &self.interner;
        let name = &mut |name, used| interner.name_hash(name, used);
        levels.next(&self.graph, &mut self.keys, name, &mut |_| Variant::Usual).map_err(cycle)?;
        self.forget(&unit, &levels, refined)?;
        let interner = &self.interner;
        let name = &mut |name, used| interner.name_hash(name, used);
        for level in &split.levels {
            let variants = levels.variants(&self.graph, number, split, level);
            levels.next(&self.graph, &mut self.keys, name, &mut |id| variants[id.index()]).map_err(cycle)?;
            levels.last_variants = variants;
        }
        let variants = std::mem::take(&mut levels.last_variants);
        let variant = &mut |id: NodeId| variants.get(id.index()).copied().unwrap_or(Variant::Usual);
        self.emit(number, &levels, variant, refined)?;
        self.interner.tags(&self.graph, number, &mut self.warnings)?;
        let features = self.context.options.features;
        let places = places(&self.graph, &unit, &self.context.machine, &mut self.warnings);
        for i in 0..self.graph.own_funcs().len() {
            let state = State::new(&self.graph, &self.context.machine, &unit, i, &places, features);
            if let Some(state) = state {
                state.insert(self, First::new(number, i as u32), variant)?;
            }
        }
        self.variables_with(&unit, number, variant)
    }

    /// Takes back what the unit gave in its first walk.
    fn forget(
        &mut self,
        unit: &crate::dwarf::Unit<'_>,
        levels: &Levels,
        refined: &mut Refined<'a>,
    ) -> Result<()> {
        let graph = &self.graph;
        let is_type = |i: &usize| {
            let node = &graph.nodes[*i];
            !node.is_foreign && !matches!(node.shape, Shape::Void | Shape::Same)
        };
        refined.forgotten_types.extend((0..graph.nodes.len()).filter(is_type).map(|i| levels.full[i]));
        for tag in &graph.tags {
            let value = self.interner.intern(tag.value, super::intern::NameUse::Text, &mut self.warnings)?;
            let target = levels.full[tag.node.index()];
            let hash = self.interner.tables.strings.hash(value);
            refined.forgotten_types.push(Entry::decl_tag_key(target, hash, tag.component));
        }
        let features = self.context.options.features;
        let places = places(graph, unit, &self.context.machine, &mut self.warnings);
        for i in 0..self.graph.own_funcs().len() {
            let state = State::new(&self.graph, &self.context.machine, unit, i, &places, features);
            let Some(state) = state else { continue };
            state.intern_names(&mut self.interner, &mut self.warnings)?;
            let interner = &self.interner;
            let key = state.content_key(interner, &mut |link| levels.ref_key(&self.graph, link));
            refined.forgotten_funcs.push(key);
        }
        Ok(())
    }

    /// Writes the unit's types with their refined keys.
    fn emit(
        &mut self,
        number: u32,
        levels: &Levels,
        variant: &mut impl FnMut(NodeId) -> Variant,
        refined: &mut Refined<'a>,
    ) -> Result<()> {
        let Builder { graph, keys, interner, warnings, .. } = self;
        interner.begin(graph);
        let mut mentioned = Vec::with_capacity(keys.anchors.len());
        for &id in keys.order.iter().chain(&keys.anchors) {
            let node = graph.node(id);
            let entry = interner.insert(graph, node, levels.full[id.index()], variant, warnings)?;
            interner.set_entry(id, entry);
            interner.tables.types.occur(entry, place(number, id), 1);
            if let Some(class) = class_of(node) {
                let name = interner.name_hash(node.name, super::intern::NameUse::Identifier);
                refined.definitions.push(Definition {
                    site: Site { unit: number, offset: node.offset },
                    anchor: Anchor::key_of(class, name, Variant::Usual),
                    plain: levels.plain[id.index()],
                    previous: levels.previous[id.index()],
                    variant: variant(id),
                    entry,
                });
                mentioned.push(entry);
            }
        }
        let foreign = interner.foreign_anchors(graph, warnings)?;
        interner.tables.mentions.push(mentions(number, &mentioned, foreign));
        Ok(())
    }
}

/// The keys of one unit, level by level. All by node.
struct Levels {
    plain: Vec<Key>,
    previous: Vec<Key>,
    full: Vec<Key>,
    /// What others hash when they refer to a node.
    refs: Vec<Key>,
    /// The key of the usual anchor of a node's name.
    anchors: Vec<Key>,
    last_variants: Vec<Variant>,
}

impl Levels {
    fn new(graph: &Graph) -> Levels {
        let none = || vec![Key::VOID; graph.nodes.len()];
        let last_variants = vec![Variant::Usual; graph.nodes.len()];
        Levels {
            plain: Vec::new(),
            previous: none(),
            full: none(),
            refs: none(),
            anchors: none(),
            last_variants,
        }
    }

    fn ref_key(&self, graph: &Graph, link: Link) -> Key {
        graph.resolve(link).map_or(Key::VOID, |id| self.refs[id.index()])
    }

    /// Computes the keys of the next level.
    fn next(
        &mut self,
        graph: &Graph,
        keys: &mut Keys,
        name: &mut impl FnMut(crate::dwarf::NameId, super::intern::NameUse) -> u64,
        variant: &mut impl FnMut(NodeId) -> Variant,
    ) -> Result<(), super::key::Cycle> {
        let mut anchor_name = graph.nodes.iter().map(|n| match class_of(n) {
            Some(_) => name(n.name, super::intern::NameUse::Identifier),
            None => 0,
        });
        let names: Vec<u64> = anchor_name.by_ref().collect();
        drop(anchor_name);
        keys.compute(graph, name, &mut |id, class| Anchor::key_of(class, names[id.index()], variant(id)))?;
        std::mem::swap(&mut self.previous, &mut self.full);
        self.full.clone_from(&keys.refs);
        for &id in &keys.anchors {
            let node = graph.node(id);
            let mut target = |link| graph.resolve(link).map_or(Key::VOID, |t| keys.refs[t.index()]);
            self.full[id.index()] = node_key(graph, node, name, &mut target);
            if let Some(class) = class_of(node) {
                self.anchors[id.index()] = Anchor::key_of(class, names[id.index()], Variant::Usual);
            }
        }
        self.refs.clone_from(&keys.refs);
        if self.plain.is_empty() {
            self.plain.clone_from(&self.full);
            self.previous.clone_from(&self.full);
        }
        Ok(())
    }

    /// Which definition each named node stands for, by the keys of the level reached.
    fn variants(&self, graph: &Graph, unit: u32, split: &Split, level: &Level) -> Vec<Variant> {
        let complete = |key: Key| level.completed.get(&key).copied().unwrap_or(key);
        // Of each split name, the one definition in this unit, if there is only one.
        let mut defined: HashMap<Key, Option<Key>> = HashMap::new();
        let is_split = |i: usize| split.usual.contains_key(&self.anchors[i]);
        for (i, node) in graph.nodes.iter().enumerate() {
            if class_of(node).is_some() && is_split(i) && !is_declaration(node) {
                let key = complete(self.full[i]);
                let known = defined.entry(self.anchors[i]).or_insert(Some(key));
                if *known != Some(key) {
                    *known = None;
                }
            }
        }
        let mut foreign = graph.foreign.named().iter().peekable();
        let variant = |(i, node): (usize, &super::graph::Node)| {
            if let Some((_, place)) = foreign.next_if(|(id, _)| id.index() == i) {
                let site = Site { unit: place.unit, offset: place.offset };
                return level.foreign.get(&site).copied().unwrap_or(Variant::Usual);
            }
            let Some(&usual) = split.usual.get(&self.anchors[i]) else { return Variant::Usual };
            if class_of(node).is_none() {
                return Variant::Usual;
            }
            let key = if is_declaration(node) {
                let bound = || level.bound.get(&(unit, self.anchors[i])).copied();
                defined.get(&self.anchors[i]).copied().flatten().or_else(bound)
            } else {
                Some(complete(self.full[i]))
            };
            match key {
                Some(key) if key == usual => Variant::Usual,
                Some(key) => Variant::Exact(key),
                None => Variant::Declared,
            }
        };
        graph.nodes.iter().enumerate().map(variant).collect()
    }
}

/// True for a node that only declares its name.
fn is_declaration(node: &super::graph::Node) -> bool {
    match node.shape {
        Shape::FwdStruct | Shape::FwdUnion => true,
        Shape::Enum => node.part_count == 0,
        _ => false,
    }
}
