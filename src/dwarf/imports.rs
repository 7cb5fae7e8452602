//! Which of the units that several others share belong to a program: those that its own units import or refer to.
//!
//! Tools that pack debugging information (dwz) move what units have in common into partial units, of the same file or
//! of a supplementary one, which may be that of many programs.

use gimli::constants as dw;

use super::form::uleb128;
use super::program::Program;
use super::unit::UnitHeader;
use super::{Die, Layouts, Target, Unit, Value, Visitor, walk};
use crate::Result;

/// By unit, whether it is one of `own`, or one of those imports it or refers to it, directly or not.
///
/// # Errors
/// A unit is damaged.
pub(super) fn reached(program: &Program<'_>, own: impl Iterator<Item = u32>) -> Result<Vec<bool>> {
    let mut reached = vec![false; program.units().len()];
    let mut open: Vec<u32> = own.collect();
    for &unit in &open {
        reached[unit as usize] = true;
    }
    let (mut layouts, mut found) = (Layouts::default(), Imports::default());
    while let Some(unit) = open.pop() {
        let unit_of = open_unit(program, unit, &mut layouts)?;
        walk(&unit_of, &layouts, &mut found)?;
        for place in found.targets.drain(..).filter_map(|target| program.find(unit, target)) {
            if !std::mem::replace(&mut reached[place.unit as usize], true) {
                open.push(place.unit);
            }
        }
    }
    Ok(reached)
}

/// Those of `units` that hold what others share and do not say in which language.
///
/// # Errors
/// A unit is damaged.
pub(super) fn shared(program: &Program<'_>, units: impl Iterator<Item = u32>) -> Result<Vec<u32>> {
    let (mut layouts, mut shared) = (Layouts::default(), Vec::new());
    for number in units {
        let may_be = may_be_partial(program, &program.units()[number as usize]);
        if may_be && open_unit(program, number, &mut layouts)?.is_shared() {
            shared.push(number);
        }
    }
    Ok(shared)
}

/// The language of a unit, a `DW_LANG` code.
///
/// # Errors
/// The unit is damaged.
pub(super) fn language(program: &Program<'_>, unit: u32) -> Result<u16> {
    Ok(open_unit(program, unit, &mut Layouts::default())?.language)
}

fn open_unit<'a>(program: &'a Program<'a>, number: u32, layouts: &mut Layouts) -> Result<Unit<'a>> {
    let header = program.units()[number as usize];
    layouts.compile(program.sections(&header).abbrev, &header).map_err(|e| e.in_unit(header.offset))?;
    Unit::new(program, header, layouts)
}

/// False if the root of a unit has another tag. To know that, its table of abbreviations is not compiled: the root is
/// nearly always described first in it.
fn may_be_partial(program: &Program<'_>, header: &UnitHeader) -> bool {
    let sections = program.sections(header);
    let tag = || {
        let root = header.offset.checked_add(header.header_length.into())?;
        let (code, _) = uleb128(sections.info.get(usize::try_from(root).ok()?..)?)?;
        let table = sections.abbrev.get(usize::try_from(header.abbrev_offset).ok()?..)?;
        let (first, length) = uleb128(table)?;
        let (tag, _) = uleb128(&table[length..])?;
        (code == first).then_some(tag)
    };
    tag().is_none_or(|tag| tag == u64::from(dw::DW_TAG_partial_unit.0))
}

#[derive(Default)]
struct Imports {
    targets: Vec<Target>,
}

impl Visitor for Imports {
    fn enter(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let mut damaged = None;
        // dwz does not import a unit that is only referred to.
        die.each_attribute(|_, value| {
            if let Value::InfoRef(_) | Value::Supplementary(_) = value {
                match die.target(value) {
                    Ok(Target::Unit(_)) => {}
                    Ok(target) => self.targets.push(target),
                    Err(error) => damaged = Some(error),
                }
            }
        })?;
        damaged.map_or(Ok(()), Err)
    }

    fn leave(&mut self) -> Result<()> {
        Ok(())
    }
}
