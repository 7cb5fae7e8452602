//! Noting where names are met that somebody asks about.
//!
//! In comes a unit that the worker has just taken in, out go [`Sighting`]s: the DIEs of those names, each with the
//! key under which the worker keeps what it says. Nothing here decides anything, and without a question nothing
//! of it runs.

use std::borrow::Cow;
use std::fmt;

use super::func::{State, places};
use super::graph::{Graph, Link, NodeId, Shape};
use super::intern::NameUse;
use super::warning::Warnings;
use super::{Builder, variable};
use crate::dwarf::{NameId, Unit};
use crate::table::{First, FuncId, Key, Role, Sighted, Sighting, Site, Word};

/// The names that are asked about.
#[derive(Clone, Copy)]
pub struct Watch<'w>(pub &'w (dyn Fn(&[u8]) -> bool + Sync));

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl Builder<'_> {
    /// Notes everything of the names that are asked about in a unit that was just taken in.
    pub(super) fn sight(&mut self, unit: &Unit<'_>, number: u32) {
        if self.context.watch.is_none() {
            return;
        }
        self.sight_types(number, |builder, id| Some(builder.interner.key_of(id)));
        self.sight_functions(unit, number);
        self.sight_variables(number);
    }

    /// Notes what has got another key in a unit that was walked again: types, and these states of functions.
    pub(super) fn sight_again(&mut self, number: u32, states: &[(usize, FuncId)]) {
        if self.context.watch.is_none() {
            return;
        }
        self.sight_types(number, |builder, id| builder.interner.key_of(id).map(Some));
        for &(i, id) in states {
            let state = Some(self.interner.tables.funcs.get(id).key);
            self.sight_function(number, i, state);
        }
    }

    /// Notes what a unit holds that is left out because of its language.
    pub(super) fn sight_left_out(&mut self, number: u32) {
        for i in 0..self.graph.nodes.len() {
            if let Some((name, _, offset)) = named(&self.graph, NodeId(i as u32)) {
                self.note(name, NameUse::of(self.graph.nodes[i].shape), number, offset, Sighted::LeftOut);
            }
        }
        for i in 0..self.graph.own_funcs().len() {
            let (name, offset) = function(&self.graph, i);
            self.note(name, NameUse::Identifier, number, offset, Sighted::LeftOut);
        }
        for i in 0..self.graph.own_variables().len() {
            let variable = &self.graph.own_variables()[i];
            let (name, offset) = (variable::name(&self.graph, variable), variable.offset);
            self.note(name, NameUse::Identifier, number, offset, Sighted::LeftOut);
        }
    }

    /// Notes types; `key` gives `None` for those that are not to be noted.
    fn sight_types(&mut self, number: u32, key: impl Fn(&Self, NodeId) -> Option<Option<Key>>) {
        for id in (0..self.graph.nodes.len()).map(|i| NodeId(i as u32)) {
            let Some((name, word, offset)) = named(&self.graph, id) else { continue };
            let Some(key) = key(self, id) else { continue };
            let node = self.graph.node(id);
            let is_declaration = match node.shape {
                Shape::FwdStruct | Shape::FwdUnion => true,
                Shape::Enum => node.part_count == 0,
                _ => false,
            };
            let what = Sighted::Type { word, is_declaration, key };
            self.note(name, NameUse::of(node.shape), number, offset, what);
        }
    }

    fn sight_functions(&mut self, unit: &Unit<'_>, number: u32) {
        let features = self.context.options.features;
        let mut places_of_unit = None;
        for i in 0..self.graph.own_funcs().len() {
            let (name, _) = function(&self.graph, i);
            if self.asked(name, NameUse::Identifier).is_none() {
                continue;
            }
            let (graph, machine) = (&self.graph, &self.context.machine);
            // What is damaged was counted when the unit was taken in.
            let places =
                places_of_unit.get_or_insert_with(|| places(graph, unit, machine, &mut Warnings::default()));
            let state = State::new(graph, machine, unit, i, places, features, &mut Vec::new());
            let key = state.and_then(|state| self.seen_funcs.get(&self.quick_key(&state)).copied());
            let key = key.map(|id| self.interner.tables.funcs.get(id).key);
            self.sight_function(number, i, key);
        }
    }

    fn sight_function(&mut self, number: u32, i: usize, state: Option<Key>) {
        let (name, offset) = function(&self.graph, i);
        let func = &self.graph.own_funcs()[i];
        let role = match (func.is_declaration, func.is_abstract, func.low_pc) {
            (true, ..) => Role::Declaration,
            (false, true, 0) => Role::Abstract,
            (false, _, address) => Role::Code(address),
        };
        self.note(name, NameUse::Identifier, number, offset, Sighted::Function { role, state });
    }

    fn sight_variables(&mut self, number: u32) {
        for i in 0..self.graph.own_variables().len() {
            let variable = &self.graph.own_variables()[i];
            let (name, offset) = (variable::name(&self.graph, variable), variable.offset);
            let address = variable.anywhere;
            let unwanted = variable::unwanted(&self.graph, self.context.program, variable);
            let first = First::new(number, i as u32);
            let what = Sighted::Variable { first, address, unwanted };
            self.note(name, NameUse::Identifier, number, offset, what);
        }
    }

    fn note(&mut self, name: NameId, used: NameUse, unit: u32, offset: u32, what: Sighted) {
        if let Some(name) = self.asked(name, used) {
            let sighting = Sighting { name, site: Site { unit, offset }, what };
            self.interner.tables.sightings.push(sighting);
        }
    }

    /// The name as it is asked about: as the debugging information has it, or as BTF has it; `None` if it is not.
    fn asked(&mut self, name: NameId, used: NameUse) -> Option<Vec<u8>> {
        let Watch(asked) = self.context.watch.filter(|_| !name.is_none())?;
        let key = (name, used == NameUse::Text);
        if let Some(known) = self.asked.get(&key) {
            return known.clone();
        }
        let spelled = self.interner.written(name, used).ok();
        let raw = name.find(self.context.program.files()).map(Cow::from);
        let found =
            [spelled, raw].into_iter().flatten().find(|name| asked(name)).map(|name| name.into_owned());
        self.asked.insert(key, found.clone());
        found
    }
}

/// The name of a type that is the unit's own, what it names, and the offset of its DIE in the unit in bytes.
fn named(graph: &Graph, id: NodeId) -> Option<(NameId, Word, u32)> {
    let node = graph.node(id);
    let word = match node.shape {
        Shape::Struct | Shape::FwdStruct => Word::Struct,
        Shape::Union | Shape::FwdUnion => Word::Union,
        Shape::Enum => Word::Enum,
        Shape::Typedef => Word::Typedef,
        Shape::Int | Shape::Float => Word::Base,
        _ => return None,
    };
    let is_own = !node.name.is_none() && graph.resolve(Link::die(node.offset)) == Some(id);
    is_own.then_some((node.name, word, node.offset))
}

/// The name of a function of the unit, and the offset of its DIE in the unit in bytes.
fn function(graph: &Graph, i: usize) -> (NameId, u32) {
    let func = &graph.own_funcs()[i];
    let origin = || graph.func_at(func.origin).map_or(NameId::NONE, |origin| graph.funcs[origin].name);
    (if func.name.is_none() { origin() } else { func.name }, func.offset)
}
