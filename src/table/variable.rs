//! Variables.

use super::First;
use super::strings::StrId;
use super::types::{Ref, Renumbering};

/// A variable with an address. Variables are never merged.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name.
    pub name: StrId,
    /// Its type.
    pub target: Ref,
    /// Bytes of its type; 0 if that is not known.
    pub size_bytes: u64,
    /// Its address in the target.
    pub address: u64,
    /// `DW_AT_external`
    pub external: bool,
    /// Values of its declaration tags.
    pub tags: Vec<StrId>,
    /// Where it was met.
    pub first: First,
}

impl Variable {
    pub(super) fn renumber(mut self, strings: &[StrId], types: &Renumbering) -> Variable {
        let string = |id: StrId| strings[id.0 as usize];
        self.name = string(self.name);
        self.target = types.reference(self.target);
        self.tags.iter_mut().for_each(|tag| *tag = string(*tag));
        self
    }
}
