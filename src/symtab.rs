//! The functions that the symbol table knows, grouped by base name.
//!
//! Compilers append suffixes to clones (`foo.constprop.0`, `foo.isra.1`, `foo.llvm.123`); the base name
//! is what stands before the first dot. Plain data: it comes from ELF, and knows nothing of it.

use std::collections::HashSet;

use hashbrown::HashTable;

/// The functions of a symbol table.
#[derive(Debug, Default)]
pub struct Symtab<'a> {
    groups: Vec<Group<'a>>,
    symbols: Vec<FuncSymbol<'a>>,
    index: HashTable<u32>,
    /// Names of data objects at the very start of a section, with the section's index.
    section_starts: HashSet<(u32, &'a [u8])>,
}

/// All symbols of one base name.
#[derive(Debug)]
pub struct Group<'a> {
    /// The base name.
    pub name: &'a [u8],
    /// Two of them have different addresses.
    pub is_ambiguous: bool,
    address: u64,
    last: u32,
    count: u32,
}

/// Symbols of one name that are kept. Functions of that many copies are ambiguous; looking through all of
/// them for each would take square time.
const MAX_SYMBOLS: u32 = 64;

/// One symbol of a function.
#[derive(Debug, Clone, Copy)]
pub struct FuncSymbol<'a> {
    /// The whole name.
    pub name: &'a [u8],
    /// Its address.
    pub address: u64,
    /// The one before it in its group.
    previous: u32,
}

const NONE: u32 = u32::MAX;

impl FuncSymbol<'_> {
    /// The name has a suffix.
    pub fn has_suffix(&self) -> bool {
        self.name.contains(&b'.')
    }

    /// The suffix says that parameters were propagated away or replaced.
    pub fn is_optimized(&self) -> bool {
        let suffix = self.name.iter().position(|&b| b == b'.').map_or(&[][..], |dot| &self.name[dot..]);
        contains(suffix, b".constprop") || contains(suffix, b".isra")
    }
}

impl<'a> Symtab<'a> {
    /// Adds a symbol of type `STT_FUNC`. Fragments that the compiler split off are no functions.
    pub fn add_function(&mut self, name: &'a [u8], address: u64) {
        let dot = name.iter().position(|&b| b == b'.');
        if let Some(dot) = dot
            && (contains(&name[dot..], b".cold") || contains(&name[dot..], b".part"))
        {
            return;
        }
        let base = &name[..dot.unwrap_or(name.len())];
        let hash = hash(base);
        let groups = &self.groups;
        let known = self.index.find(hash, |&i| groups[i as usize].name == base).copied();
        let group = known.unwrap_or_else(|| {
            let i = self.groups.len() as u32;
            self.groups.push(Group { name: base, is_ambiguous: false, address: 0, last: NONE, count: 0 });
            self.index.insert_unique(hash, i, |&i| self::hash(self.groups[i as usize].name));
            i
        });
        let group = &mut self.groups[group as usize];
        // An undefined symbol has address 0 and says nothing.
        if group.address == 0 {
            group.address = address;
        } else {
            group.is_ambiguous |= group.address != address;
        }
        if group.count == MAX_SYMBOLS {
            return;
        }
        group.count += 1;
        self.symbols.push(FuncSymbol { name, address, previous: group.last });
        group.last = self.symbols.len() as u32 - 1;
    }

    /// Adds the name of a data object that begins where its section does.
    pub fn add_section_start(&mut self, section: u32, name: &'a [u8]) {
        self.section_starts.insert((section, name));
    }

    /// True if an object of that name begins where its section does.
    pub fn begins_section(&self, section: u32, name: &[u8]) -> bool {
        self.section_starts.contains(&(section, name))
    }

    /// The group of a base name, by number.
    pub fn find(&self, name: &[u8]) -> Option<u32> {
        self.index.find(hash(name), |&i| self.groups[i as usize].name == name).copied()
    }

    /// A group by its number.
    pub fn group(&self, number: u32) -> &Group<'a> {
        &self.groups[number as usize]
    }

    /// The symbols of a group.
    pub fn symbols(&self, group: &Group<'_>) -> impl Iterator<Item = &FuncSymbol<'a>> {
        let get = |i: u32| self.symbols.get(i as usize);
        std::iter::successors(get(group.last), move |s| get(s.previous))
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|w| w == part)
}

fn hash(name: &[u8]) -> u64 {
    let word = |chunk: &[u8]| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    };
    name.chunks(8).fold(name.len() as u64, |h, chunk| {
        (h.rotate_left(5) ^ word(chunk)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_by_base_name() {
        let mut table = Symtab::default();
        table.add_function(b"foo", 16);
        table.add_function(b"foo.cold", 99);
        table.add_function(b"bar.part.0", 99);
        table.add_function(b"bar.isra.0", 32);
        table.add_function(b"bar", 32);
        table.add_function(b"baz.constprop.0", 48);
        table.add_function(b"baz", 64);
        let group = |name: &[u8]| table.group(table.find(name).unwrap());
        assert!(!group(b"foo").is_ambiguous && !group(b"bar").is_ambiguous);
        assert!(group(b"baz").is_ambiguous);
        assert_eq!(table.symbols(group(b"foo")).count(), 1);
        let optimized = |name| table.symbols(group(name)).filter(|s| s.is_optimized()).count();
        assert_eq!((optimized(b"foo"), optimized(b"bar"), optimized(b"baz")), (0, 1, 1));
        assert_eq!(table.find(b"foo.cold"), None);
    }
}
