//! One worker: takes units, keeps what is new in them.
//!
//! For every unit: walk it into a [`graph`], compute quick [`key`]s, look each type up, and
//! [`intern`] the few that were never seen. Then the same for functions and variables. The unit is
//! forgotten; only [`Tables`] grow. Nothing is shared between workers and nothing is locked.

mod annotation;
mod foreign;
mod func;
mod graph;
mod intern;
mod key;
mod lower;
mod refine;
mod registers;
mod scope;
mod seen;
mod sight;
mod skeleton;
mod variable;
mod warning;

pub use registers::Machine;
pub use sight::Watch;
pub use warning::{Warning, Warnings};

use std::collections::HashMap;

use crate::dwarf::{Layouts, NameId, Program, Unit, UnitHeader};
use crate::options::Options;
use crate::table::{Anchor, First, FuncId, KeyMap, Tables, Variant};
use crate::{Error, Result};

use annotation::Annotations;
use foreign::Neighbours;
use graph::Graph;
use intern::Interner;
use key::Keys;
use lower::Lower;

/// What all workers of a run have in common.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The debugging information.
    pub program: &'a Program<'a>,
    /// What to encode.
    pub options: &'a Options,
    /// How the target passes parameters.
    pub machine: Machine,
    /// The addresses of the sections whose variables are wanted.
    pub variables: &'a [std::ops::Range<u64>],
    /// The names that are asked about.
    pub watch: Option<Watch<'a>>,
}

/// One worker's memory.
#[derive(Debug)]
pub struct Builder<'a> {
    context: Context<'a>,
    layouts: Layouts,
    /// Which abbreviation table `layouts` is.
    compiled: Option<UnitHeader>,
    neighbours: Neighbours<'a>,
    graph: Graph,
    annotations: Annotations,
    keys: Keys,
    interner: Interner<'a>,
    /// States of functions by quick key.
    seen_funcs: KeyMap<FuncId>,
    /// By name that was met, and whether it may be any text: the name that is asked about, if it is.
    asked: HashMap<(NameId, bool), Option<Vec<u8>>>,
    warnings: Warnings,
    skipped_units: u64,
}

/// What a worker leaves behind.
#[derive(Debug)]
pub struct Built<'a> {
    /// All that it found.
    pub tables: Tables<'a>,
    /// What it could not express.
    pub warnings: Warnings,
    /// Units left out because of their language.
    pub skipped_units: u64,
}

impl<'a> Builder<'a> {
    /// A worker that has seen nothing yet.
    pub fn new(context: Context<'a>) -> Self {
        Builder {
            context,
            layouts: Layouts::default(),
            compiled: None,
            neighbours: Neighbours::new(context.program),
            graph: Graph::default(),
            annotations: Annotations::default(),
            keys: Keys::default(),
            interner: Interner::new(context.program, &context.options.kabi_prefix),
            seen_funcs: KeyMap::default(),
            asked: HashMap::new(),
            warnings: Warnings::default(),
            skipped_units: 0,
        }
    }

    /// Takes in unit number `number`.
    ///
    /// # Errors
    /// The unit is damaged, or of a kind that is not supported.
    pub fn unit(&mut self, number: u32) -> Result<()> {
        if !self.context.program.is_wanted(number) {
            return Ok(());
        }
        let header = self.context.program.units()[number as usize];
        self.take_in(header, number).map_err(|e| e.in_unit(header.offset))
    }

    fn take_in(&mut self, header: UnitHeader, number: u32) -> Result<()> {
        let Some(unit) = self.read(header, number)? else {
            self.skipped_units += 1;
            return Ok(());
        };
        self.quick_keys().map_err(|key::Cycle(offset)| cycle_error(header, offset))?;
        self.interner.unit(&self.graph, &self.keys, number, &mut self.warnings)?;
        self.interner.tags(&self.graph, number, &mut self.warnings)?;
        self.functions(&unit, number)?;
        self.variables(&unit, number)?;
        self.sight(&unit, number);
        if !self.interner.is_worth_remembering() {
            self.interner.forget();
            self.seen_funcs.clear();
        }
        Ok(())
    }

    /// Computes the quick keys of the unit in the graph.
    fn quick_keys(&mut self) -> Result<(), key::Cycle> {
        let graph = &self.graph;
        self.keys.compute(graph, &mut |name, _| name.0, &mut |id, class| {
            Anchor::key_of(class, graph.node(id).name.0, Variant::Usual)
        })
    }

    /// Walks a unit into the graph; `None` if its language is left out.
    fn read(&mut self, header: UnitHeader, number: u32) -> Result<Option<Unit<'a>>> {
        let program = self.context.program;
        let same_table = |known: &UnitHeader| {
            known.file == header.file
                && known.abbrev_offset == header.abbrev_offset
                && known.encoding() == header.encoding()
        };
        if !self.compiled.as_ref().is_some_and(same_table) {
            self.compiled = None;
            self.layouts
                .compile(program.sections(&header).abbrev, &header)
                .map_err(|e| e.in_unit(header.offset))?;
            self.compiled = Some(header);
        }
        let unit = Unit::new(program, header, &self.layouts)?;
        let is_left_out = self.context.options.leaves_out(unit.language);
        if is_left_out && self.context.watch.is_none() {
            return Ok(None);
        }
        let mut unheard = Warnings::default();
        let warnings = if is_left_out { &mut unheard } else { &mut self.warnings };
        let lower = Lower::new(&mut self.graph, &mut self.annotations, warnings, &self.context);
        let done = lower::lower(&unit, number, &self.layouts, &mut self.neighbours, lower);
        if is_left_out {
            // It may well be damaged: no encode would read it.
            if done.is_ok() {
                self.sight_left_out(number);
            }
            return Ok(None);
        }
        done.map(|()| Some(unit))
    }

    /// Ends the worker's life.
    pub fn finish(self) -> Built<'a> {
        let Builder { interner, warnings, skipped_units, .. } = self;
        Built { tables: interner.finish(), warnings, skipped_units }
    }
}

fn cycle_error(header: UnitHeader, offset: u32) -> Error {
    Error::input("a type refers to itself, and no struct, union or enum with a name lies between")
        .in_unit(header.offset)
        .at_die(header.offset + u64::from(offset))
        .hint("no C compiler writes that; the file is damaged")
}

/// The place of a node's first occurrence.
fn place(unit: u32, node: graph::NodeId) -> First {
    First::new(unit, node.0)
}
