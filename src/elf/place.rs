//! Addresses for the sections of an object file, which has none before it is linked.
//!
//! Sections that are loaded come to lie one behind the other, so that an address tells section and
//! offset. Sections that are not loaded have no address; what refers to one of them, such as
//! `DW_FORM_strp`, means an offset in all sections of its name, put one behind the other.

use std::collections::HashMap;

use object::elf as spec;

use super::debug::linked_name;
use super::{Image, Section};
use crate::{Error, Result};

/// Where the first section begins. Not 0, which means "no address" in many places.
const FIRST_ADDRESS: u64 = 0x10000;

/// Hands out addresses in ascending order.
pub(super) struct Placer {
    next: u64,
    limit: u64,
}

impl Placer {
    /// Begins at `next`, in an address space of 64 or 32 bits.
    pub fn new(next: u64, is_64: bool) -> Self {
        Placer { next, limit: if is_64 { u64::MAX } else { u32::MAX.into() } }
    }

    /// The address of the next `size` bytes; `None` if there are not that many addresses. The end of what
    /// was placed before is not the beginning of this: both may be somebody's address.
    pub fn place(&mut self, size: u64, align: u64) -> Option<u64> {
        let align = if align.is_power_of_two() { align } else { 1 };
        let address = self.next.checked_next_multiple_of(align)?;
        self.next = address.checked_add(size)?.checked_add(1).filter(|&end| end <= self.limit)?;
        Some(address)
    }
}

/// The first address behind all placed sections.
pub(super) fn placed_end(sections: &[Section]) -> u64 {
    let ends = sections.iter().filter(|s| s.is_loaded()).map(|s| s.address.saturating_add(s.size));
    ends.max().unwrap_or(FIRST_ADDRESS).saturating_add(1)
}

/// The address where thread-local variables begin.
pub(super) fn thread_local_start(sections: &[Section]) -> u64 {
    let is_thread_local = |s: &&Section| s.is_loaded() && s.flags.0 & spec::SHF_TLS.0 != 0;
    sections.iter().filter(is_thread_local).map(|s| s.address).min().unwrap_or(0)
}

impl Image {
    /// Gives every section of an object file its [`Section::address`].
    pub(super) fn place_sections(&mut self) -> Result<()> {
        let mut loaded = Placer::new(FIRST_ADDRESS, self.is_64);
        let mut ends: HashMap<Vec<u8>, u64> = HashMap::new();
        let mut place = |section: &Section| {
            if section.is_loaded() {
                return loaded.place(section.size, section.align);
            }
            // Whoever asks for a damaged section is told.
            let size = self.coding(section).map_or(0, |coded| coded.size);
            let end = ends.entry(linked_name(&section.name).into_owned()).or_default();
            let start = *end;
            *end = end.saturating_add(size);
            Some(start)
        };
        let places: Option<Vec<u64>> = self.sections.iter().map(&mut place).collect();
        let too_large = || Error::input("its sections want more memory than there are addresses");
        for (section, address) in self.sections.iter_mut().zip(places.ok_or_else(too_large)?) {
            section.address = address;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_somewhere_alone() {
        let mut placer = Placer::new(0x1000, false);
        assert_eq!(placer.place(0, 16), Some(0x1000));
        assert_eq!(placer.place(16, 1), Some(0x1001));
        assert_eq!(placer.place(16, 16), Some(0x1020));
        // No power of two: damaged.
        assert_eq!(placer.place(1, 24), Some(0x1031));
        assert_eq!(placer.place(1 << 32, 1), None);
        assert_eq!(placer.place(u64::MAX, 1), None);
        assert_eq!(placer.place(1, 1 << 63), None);
    }
}
