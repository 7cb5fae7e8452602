//! What a unit refers to in other units.
//!
//! Link-time optimisation, dwz and type units let a reference lead out of its unit. It is followed there, and
//! what it leads to is copied into the graph of the unit that refers, as if the compiler had written it in
//! both: keys are the same wherever a copy is made, so that the copies meet in the tables. The copy goes down to
//! names: of a named struct, union or enum only the name and the size, because nobody who refers to it needs
//! more. So copies stay few, no two units need to be merged, and all go their ways in parallel.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use gimli::constants as dw;

use super::graph::{Graph, Link, Node, NodeId, Param, Shape, is_rust};
use super::lower::{DEFAULT_ENUM_BYTES, Lower, is_annotation};
use crate::Result;
use crate::dwarf::{
    Die, Has, Layouts, Place, Program, Slot, Target, Unit, UnitHeader, Visitor, walk_tree, with_die,
};

/// What a unit refers to in others, numbered as it was met.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    targets: Vec<(Target, Copied)>,
    numbers: HashMap<Target, u32>,
    /// Copies of named structs, unions and enums, in the order of their nodes, and where they are from.
    named: Vec<(NodeId, Place)>,
}

/// What has become of something in another unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    /// It was not looked at yet.
    Pending,
    /// There is nothing, or nothing that anybody asks for.
    Nothing,
    Node(NodeId),
    /// The number of a function of the graph.
    Func(u32),
    Param(u32),
    Variable(u32),
}

impl Foreign {
    pub(super) fn clear(&mut self) {
        self.targets.clear();
        self.numbers.clear();
        self.named.clear();
    }

    /// The link to something in another unit.
    pub(super) fn link(&mut self, target: Target) -> Link {
        let next = self.targets.len() as u32;
        let number = *self.numbers.entry(target).or_insert(next);
        if number == next {
            self.targets.push((target, Copied::Pending));
        }
        Link::foreign(number)
    }

    /// Notes what `target` was copied to.
    pub(super) fn set(&mut self, target: Target, copy: Copied) {
        let next = self.targets.len() as u32;
        let number = *self.numbers.entry(target).or_insert(next);
        match self.targets.get_mut(number as usize) {
            Some(known) => known.1 = copy,
            None => self.targets.push((target, copy)),
        }
    }

    /// Copies of named structs, unions and enums, in the order of their nodes, and where they are from.
    pub(super) fn named(&self) -> &[(NodeId, Place)] {
        &self.named
    }

    /// Where the copy of a named struct, union or enum is from.
    fn origin(&self, id: NodeId) -> Option<(Target, Place)> {
        let index = self.named.binary_search_by_key(&id, |named| named.0).ok()?;
        let (target, _) = self.targets.iter().find(|(_, copy)| *copy == Copied::Node(id))?;
        Some((*target, self.named[index].1))
    }

    fn find(&self, target: Target) -> Copied {
        self.numbers.get(&target).map_or(Copied::Nothing, |&number| self.copy(number))
    }

    fn copy(&self, number: u32) -> Copied {
        self.targets.get(number as usize).map_or(Copied::Nothing, |target| target.1)
    }

    pub(super) fn node(&self, number: u32) -> Option<NodeId> {
        match self.copy(number) {
            Copied::Node(node) => Some(node),
            _ => None,
        }
    }

    pub(super) fn func(&self, number: u32) -> Option<usize> {
        match self.copy(number) {
            Copied::Func(func) => Some(func as usize),
            _ => None,
        }
    }

    pub(super) fn param(&self, number: u32) -> Option<usize> {
        match self.copy(number) {
            Copied::Param(param) => Some(param as usize),
            _ => None,
        }
    }

    pub(super) fn variable(&self, number: u32) -> Option<usize> {
        match self.copy(number) {
            Copied::Variable(variable) => Some(variable as usize),
            _ => None,
        }
    }
}

/// Units that others referred to, kept open by one worker.
#[derive(Debug)]
pub(super) struct Neighbours<'a> {
    program: &'a Program<'a>,
    units: HashMap<u32, Arc<Neighbour<'a>>>,
    layouts: HashMap<Table, Arc<Layouts>>,
}

/// Which abbreviation table, and how the lengths of its forms are to be taken.
type Table = (u32, u64, u16, u8, u8);

#[derive(Debug)]
struct Neighbour<'a> {
    unit: Unit<'a>,
    layouts: Arc<Layouts>,
}

/// Units that one worker keeps open: with their layouts they take some 20 KB each.
const MAX_NEIGHBOURS: usize = 512;

impl<'a> Neighbours<'a> {
    pub(super) fn new(program: &'a Program<'a>) -> Self {
        Neighbours { program, units: HashMap::new(), layouts: HashMap::new() }
    }

    fn get(&mut self, number: u32) -> Result<Arc<Neighbour<'a>>> {
        if let Some(unit) = self.units.get(&number) {
            return Ok(unit.clone());
        }
        if self.units.len() >= MAX_NEIGHBOURS {
            self.units.clear();
            self.layouts.clear();
        }
        let header = self.program.units()[number as usize];
        let layouts = self.layouts(&header).map_err(|e| e.in_unit(header.offset))?;
        let unit = Arc::new(Neighbour { unit: Unit::new(self.program, header, &layouts)?, layouts });
        self.units.insert(number, unit.clone());
        Ok(unit)
    }

    fn layouts(&mut self, header: &UnitHeader) -> Result<Arc<Layouts>> {
        let table =
            (header.file, header.abbrev_offset, header.version, header.address_size, header.offset_size);
        if let Some(layouts) = self.layouts.get(&table) {
            return Ok(layouts.clone());
        }
        let mut layouts = Layouts::default();
        layouts.compile(self.program.sections(header).abbrev, header)?;
        let layouts = Arc::new(layouts);
        self.layouts.insert(table, layouts.clone());
        Ok(layouts)
    }

    /// Copies everything that unit number `unit` refers to elsewhere into its graph.
    ///
    /// # Errors
    /// What a reference leads to is damaged, or absurdly much.
    pub(super) fn copy_all(&mut self, unit: u32, register_params: u32, lower: &mut Lower<'_>) -> Result<()> {
        let mut budget = Budget(BUDGET + self.program.units()[unit as usize].length);
        let mut next = 0;
        loop {
            // What is copied may refer to more, which then stands behind it.
            while let Some(&(target, copy)) = lower.graph.foreign.targets.get(next) {
                next += 1;
                if copy != Copied::Pending {
                    continue;
                }
                lower.graph.foreign.set(target, Copied::Nothing);
                if let Some(place) = self.program.find(unit, target) {
                    self.copy(place, target, What::Name, lower, &mut budget)?;
                }
            }
            // Of a struct that is passed behind the last register somebody asks how its members lie.
            let Some((target, place)) = passed_by_value(lower.graph, register_params) else { break };
            self.copy(place, target, What::All, lower, &mut budget)?;
        }
        lower.abroad = None;
        Ok(())
    }

    /// Copies what lies at `place`.
    fn copy(
        &mut self,
        place: Place,
        target: Target,
        what: What,
        lower: &mut Lower<'_>,
        budget: &mut Budget,
    ) -> Result<()> {
        let neighbour = self.get(place.unit)?;
        let copied = neighbour.copy(target, place, what, lower, budget);
        copied.map_err(|e| e.in_unit(neighbour.unit.header.offset))
    }
}

/// How much of a named struct, union or enum is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// What everybody needs who refers to it.
    Name,
    /// Its members as well: it is then a definition of the unit that refers, as if that included its header.
    All,
}

/// A struct of another unit of which only the name is there, and of which more is needed: it is a parameter
/// behind the last register, or a member of such.
fn passed_by_value(graph: &Graph, register_params: u32) -> Option<(Target, Place)> {
    if graph.foreign.named.is_empty() {
        return None;
    }
    let mut open = Vec::new();
    for func in graph.own_funcs() {
        let params = graph.params.get(func.params as usize..).unwrap_or_default();
        let params = params.get(..func.param_count as usize).unwrap_or_default();
        for param in params.iter().skip(register_params as usize) {
            let origin = || graph.param_at(param.origin).and_then(|i| graph.params[i].target);
            open.extend(param.target.or_else(origin));
        }
    }
    let mut seen = HashSet::new();
    while let Some(link) = open.pop() {
        let Some(id) = graph.strip(link).filter(|id| seen.insert(*id)) else { continue };
        let node = graph.node(id);
        match node.shape {
            Shape::Struct | Shape::Union if node.is_foreign => return graph.foreign.origin(id),
            Shape::Struct | Shape::Union => open.extend(graph.parts(node).iter().map(|part| part.target)),
            Shape::Array => open.push(node.target),
            _ => {}
        }
    }
    None
}

/// DIEs that a unit may copy, beside one for each byte of its own. Units of kernels copy some thousand; the
/// limit keeps damaged files from having every unit copy the whole file.
const BUDGET: u32 = 1 << 16;

struct Budget(u32);

impl Budget {
    fn spend(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let left = self.0.checked_sub(1);
        self.0 = left.ok_or_else(|| die.error("another unit refers to absurdly much of this one"))?;
        Ok(())
    }
}

/// The unit that is copied from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Abroad {
    file: u32,
    /// Offset of the unit in its section, in bytes.
    unit_offset: u64,
    /// It is in Rust.
    pub(super) is_rust: bool,
}

impl Abroad {
    /// The DIE at `offset` bytes into the unit, as others refer to it.
    pub(super) fn target(self, offset: u32) -> Target {
        Target::Info { file: self.file, offset: self.unit_offset + u64::from(offset) }
    }
}

impl Neighbour<'_> {
    /// Copies what lies at `place` in this unit.
    fn copy(
        &self,
        target: Target,
        place: Place,
        what: What,
        lower: &mut Lower<'_>,
        budget: &mut Budget,
    ) -> Result<()> {
        let (unit, layouts) = (&self.unit, &*self.layouts);
        let abroad =
            Abroad { file: unit.header.file, unit_offset: unit.header.offset, is_rust: is_rust(unit) };
        lower.abroad = Some(abroad);
        let has_more = with_die(unit, layouts, place.offset, |die| {
            budget.spend(die)?;
            if what == What::All { Ok(true) } else { lower.copy_alone(die, target, place) }
        })?;
        if has_more == Some(true) {
            let is_func = false;
            walk_tree(unit, layouts, place.offset, &mut Copier { lower, budget, is_func, open: Vec::new() })?;
            // The type of a type unit is known by its signature and by its place.
            let copy = lower.graph.foreign.find(abroad.target(place.offset));
            lower.graph.foreign.set(target, copy);
        }
        Ok(())
    }
}

impl Lower<'_> {
    /// Copies a DIE of which no child is wanted; returns true if it is not one.
    fn copy_alone(&mut self, die: &Die<'_, '_>, target: Target, place: Place) -> Result<bool> {
        let (has, tag) = (die.layout.has, die.layout.tag);
        match tag {
            dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_interface_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_enumeration_type => {
                let name = die.name()?;
                if name.is_none() || has.any(Has::SIGNATURE) {
                    return Ok(true);
                }
                let is_declared = has.any(Has::DECLARATION) && die.flag(dw::DW_AT_declaration)?;
                let shape = match tag {
                    dw::DW_TAG_enumeration_type => Shape::Enum,
                    dw::DW_TAG_union_type if is_declared => Shape::FwdUnion,
                    dw::DW_TAG_union_type => Shape::Union,
                    _ if is_declared => Shape::FwdStruct,
                    _ => Shape::Struct,
                };
                let node = self.graph.push_hidden(Node {
                    name,
                    size: if has.any(Has::BYTE_SIZE) { die.slot(Slot::Size) } else { DEFAULT_ENUM_BYTES },
                    offset: 0,
                    target: Link::VOID,
                    parts: 0,
                    part_count: 0,
                    encoding: 0,
                    shape,
                    is_foreign: true,
                    is_rust: self.is_rust(),
                });
                self.graph.foreign.named.push((node, place));
                self.graph.foreign.set(target, Copied::Node(node));
                Ok(false)
            }
            // Its function was not copied: it has none of its own here.
            dw::DW_TAG_formal_parameter => {
                let param = self.graph.params.len() as u32;
                let has_type = has.any(Has::TYPE);
                let link = if has_type { Some(self.type_of(die)?) } else { None };
                self.graph.params.push(Param { name: die.name()?, target: link, ..Param::default() });
                self.graph.foreign.set(target, Copied::Param(param));
                Ok(false)
            }
            // A reference to a whole unit would copy all of it.
            dw::DW_TAG_compile_unit
            | dw::DW_TAG_partial_unit
            | dw::DW_TAG_type_unit
            | dw::DW_TAG_skeleton_unit
            | dw::DW_TAG_namespace
            | dw::DW_TAG_lexical_block
            | dw::DW_TAG_inlined_subroutine => Ok(false),
            _ => Ok(true),
        }
    }
}

/// The visitor of what is copied: all of a type, of a function only what belongs to its signature.
struct Copier<'c, 'l> {
    lower: &'c mut Lower<'l>,
    budget: &'c mut Budget,
    is_func: bool,
    /// By open DIE, whether it is wanted.
    open: Vec<bool>,
}

impl Visitor for Copier<'_, '_> {
    fn enter(&mut self, die: &Die<'_, '_>) -> Result<()> {
        self.budget.spend(die)?;
        let tag = die.layout.tag;
        let wanted = match self.open.last() {
            None => {
                self.is_func = tag == dw::DW_TAG_subprogram;
                self.lower.begin_copy(tag == dw::DW_TAG_variable);
                true
            }
            Some(&wanted) => wanted && (!self.is_func || belongs_to_signature(tag)),
        };
        if die.layout.has_children {
            self.open.push(wanted);
        }
        if wanted { self.lower.enter(die) } else { Ok(()) }
    }

    fn leave(&mut self) -> Result<()> {
        match self.open.pop() {
            Some(true) => self.lower.leave(),
            _ => Ok(()),
        }
    }
}

fn belongs_to_signature(tag: dw::DwTag) -> bool {
    matches!(tag, dw::DW_TAG_formal_parameter | dw::DW_TAG_unspecified_parameters) || is_annotation(tag)
}
