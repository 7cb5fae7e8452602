//! Which units of a supplementary file belong to a program: those that its units import or refer to.

use super::program::Program;
use super::{Die, Layouts, Target, Unit, Value, Visitor, walk};
use crate::Result;

/// By unit, whether it belongs to the program: it lies in a file of its own, or one that does imports it or
/// refers to it.
///
/// # Errors
/// A unit is damaged.
pub(super) fn wanted(program: &Program<'_>) -> Result<Vec<bool>> {
    let number = |i: usize| i as u32;
    let mut wanted: Vec<bool> = (0..program.units().len()).map(|i| program.is_wanted(number(i))).collect();
    let mut open: Vec<u32> = (0..wanted.len()).filter(|&i| wanted[i]).map(number).collect();
    let (mut layouts, mut found) = (Layouts::default(), Imports::default());
    while let Some(unit) = open.pop() {
        let header = program.units()[unit as usize];
        layouts.compile(program.sections(&header).abbrev, &header).map_err(|e| e.in_unit(header.offset))?;
        walk(&Unit::new(program, header, &layouts)?, &layouts, &mut found)?;
        for place in found.targets.drain(..).filter_map(|target| program.find(unit, target)) {
            if !std::mem::replace(&mut wanted[place.unit as usize], true) {
                open.push(place.unit);
            }
        }
    }
    Ok(wanted)
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
