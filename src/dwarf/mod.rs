//! Reading DWARF: units, abbreviation layouts, the walk over DIEs, locations.
//!
//! In comes the content of the debug sections of one or more files ([`Sections`], together a [`Program`]),
//! out go DIEs in file order, given to a [`Visitor`]. Nothing here knows what a DIE means to BTF, nor where the
//! sections came from.
//!
//! The hot loop ([`walk`](walk())) is our own: each abbreviation is compiled once to a [`Layout`] that tells
//! where the wanted attributes lie, so that reading one is a load, a mask and an addition. gimli
//! reads everything else, and is the oracle that tests hold the loop against.

mod die;
mod form;
mod imports;
mod language;
mod layout;
mod location;
mod name;
mod program;
mod source;
mod unit;
mod walk;

pub use die::{Die, Target, Value};
pub(crate) use language::is_c;
pub use layout::{GNU_ANNOTATION_AT, Has, Layout, Layouts, NameForm, RefForm, Slot, ValueForm};
pub use location::{Location, first_address, first_in_ranges, location_entries};
pub use name::{Name, NameId};
pub use program::{NO_FILE, Place, Program, Sections};
pub use source::{Source, Sources};
pub use unit::{Unit, UnitHeader, UnitKind};
pub use walk::{Visitor, walk, walk_tree, with_die};
