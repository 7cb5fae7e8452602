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

use std::cell::Cell;
use std::collections::HashMap;

use crate::dwarf::{Layouts, NameId, Program, Unit, UnitHeader};
use crate::options::Options;
use crate::table::{First, FuncId, KeyMap, Tables};
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
    /// Units do not share names: what one has seen is found again by its content. Linkers that make object files, as
    /// modules are, leave every unit its own copies.
    pub names_by_content: bool,
    /// Units are walked again: little of what they hold is new.
    pub is_again: bool,
}

/// What a worker makes anew in every unit.
#[derive(Debug, Default)]
struct Scratch {
    layouts: Layouts,
    graph: Graph,
    annotations: Annotations,
    keys: Keys,
}

thread_local! {
    /// That of the last small file that this thread has encoded: a tree of modules is a thousand of them, for each of
    /// which the same room would have to be found again.
    static SPARE: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
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
        let Scratch { layouts, graph, annotations, keys } = *SPARE.take().unwrap_or_default();
        Builder {
            context,
            layouts,
            compiled: None,
            neighbours: Neighbours::new(context.program),
            graph,
            annotations,
            keys,
            interner: Interner::new(&context),
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
        self.interner.end_unit();
        Ok(())
    }

    /// Computes the quick keys of the unit in the graph.
    fn quick_keys(&mut self) -> Result<(), key::Cycle> {
        let Builder { graph, keys, interner, warnings, .. } = self;
        keys.compute(graph, &mut |name, used| interner.word(name, used, warnings))
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
        // Of shared ones, the program knows which belong to it.
        let is_left_out = !unit.is_shared() && self.context.options.leaves_out(unit.language);
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
        let Builder { layouts, graph, annotations, keys, interner, warnings, skipped_units, .. } = self;
        if self.context.names_by_content && graph.is_small() {
            SPARE.set(Some(Box::new(Scratch { layouts, graph, annotations, keys })));
        }
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
