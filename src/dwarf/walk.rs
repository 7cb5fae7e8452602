//! The walk over one unit: every DIE, once, in file order.

use super::layout::{Has, Slot, WINDOW, hops_over};
use super::{Die, Layouts, Unit};
use crate::Result;

/// Receives the DIEs of a unit.
pub trait Visitor {
    /// A DIE begins. If it has children they follow, and then a [`leave`](Visitor::leave).
    ///
    /// # Errors
    /// Whatever ends the walk.
    fn enter(&mut self, die: &Die<'_, '_>) -> Result<()>;

    /// The last child of the DIE that was entered last and not left yet was seen.
    ///
    /// # Errors
    /// Whatever ends the walk.
    fn leave(&mut self) -> Result<()>;
}

/// Shows the DIE at `offset` bytes into the unit to `look`. `None` if there only a list of siblings ends.
///
/// # Errors
/// The DIE is damaged, or `look` says so.
pub fn with_die<T>(
    unit: &Unit<'_>,
    layouts: &Layouts,
    offset: u32,
    look: impl FnOnce(&Die<'_, '_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut scratch = [0; WINDOW];
    let Some(abbreviation) = Die::abbreviation(unit, layouts, offset)? else { return Ok(None) };
    let (window, _) = Die::window(unit, layouts, offset, abbreviation, &mut scratch)?;
    look(&Die::new(unit, layouts, offset, abbreviation, window)).map(Some)
}

/// Walks over the DIE at `offset` bytes into the unit and all that is below it, as [`walk`] does.
///
/// # Errors
/// A DIE is damaged, or the visitor says so.
pub fn walk_tree<V: Visitor>(unit: &Unit<'_>, layouts: &Layouts, offset: u32, visitor: &mut V) -> Result<()> {
    walk_from::<V, true>(unit, layouts, offset, visitor)
}

/// Walks over all DIEs of `unit` but the children of call sites and of inlined subroutines, which hold no
/// types; where no sibling is told, over those as well.
///
/// Nesting costs no stack: the depth is a counter. A unit that ends before its last list of children
/// does is taken as if the missing zeros were there, as other readers do.
///
/// # Errors
/// A DIE is damaged, or the visitor says so.
pub fn walk<V: Visitor>(unit: &Unit<'_>, layouts: &Layouts, visitor: &mut V) -> Result<()> {
    walk_from::<V, false>(unit, layouts, unit.header.header_length, visitor)
}

#[inline(always)]
fn walk_from<V: Visitor, const ONE_TREE: bool>(
    unit: &Unit<'_>,
    layouts: &Layouts,
    start: u32,
    visitor: &mut V,
) -> Result<()> {
    let mut offset = start;
    let mut depth = 0u32;
    let mut scratch = [0; WINDOW];
    while offset < unit.header.length {
        let Some(abbreviation) = Die::abbreviation(unit, layouts, offset)? else {
            offset += 1;
            if depth == 0 && !ONE_TREE {
                // Zeros behind the root's last child only pad the unit.
                continue;
            }
            if depth > 0 {
                depth -= 1;
                visitor.leave()?;
            }
            if ONE_TREE && depth == 0 {
                return Ok(());
            }
            continue;
        };
        // Made in its place from values in registers: a DIE that is copied stalls the loop.
        let (window, next) = Die::window(unit, layouts, offset, abbreviation, &mut scratch)?;
        let die = Die::new(unit, layouts, offset, abbreviation, window);
        offset = next;
        let tag = die.layout.tag;
        if die.layout.has_children && hops_over(tag) {
            let sibling = die.slot(Slot::Value);
            if die.layout.has.any(Has::SIBLING) && sibling > u64::from(die.offset) {
                offset = u32::try_from(sibling).unwrap_or(u32::MAX).max(next);
                continue;
            }
        }
        visitor.enter(&die)?;
        if die.layout.has_children {
            depth += 1;
        } else if ONE_TREE && depth == 0 {
            return Ok(());
        }
    }
    while depth > 0 {
        depth -= 1;
        visitor.leave()?;
    }
    Ok(())
}
