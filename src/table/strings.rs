//! The strings of a table, each once.

use std::borrow::Cow;

use hashbrown::HashTable;

use super::key::{Key, key_of_bytes};

/// A string of a [`Strings`]; 0 is the empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct StrId(pub u32);

impl StrId {
    /// The empty string, which names nothing.
    pub const EMPTY: StrId = StrId(0);
}

/// Strings by content. Most of them are borrowed from the input.
///
/// They are told apart by their [`key_of_bytes`] alone, as types are by their keys: to read again what was found takes
/// longer than to find it.
#[derive(Debug)]
pub struct Strings<'a> {
    strings: Vec<Cow<'a, [u8]>>,
    /// The lower lanes of their keys.
    hashes: Vec<u64>,
    index: HashTable<Known>,
}

/// A string in the index, which holds nothing that must be aligned to more than it takes.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: u32,
    /// The upper lane of its key.
    hi: [u8; 8],
}

impl Default for Strings<'_> {
    fn default() -> Self {
        let mut strings = Strings { strings: Vec::new(), hashes: Vec::new(), index: HashTable::new() };
        strings.intern(Cow::Borrowed(b""));
        strings
    }
}

impl<'a> Strings<'a> {
    /// The id of `string`.
    pub fn intern(&mut self, string: Cow<'a, [u8]>) -> StrId {
        let key = key_of_bytes(&string);
        self.find(key).unwrap_or_else(|| self.add(string, key))
    }

    /// The id of the string whose bytes have this [`key_of_bytes`], if it is there.
    #[inline]
    pub fn find(&self, key: Key) -> Option<StrId> {
        let hi = key.hi.to_ne_bytes();
        self.index.find(key.lo, |known| known.hi == hi).map(|known| StrId(known.id))
    }

    /// Adds a string that was not found.
    pub fn add(&mut self, string: Cow<'a, [u8]>, key: Key) -> StrId {
        let id = self.strings.len() as u32;
        self.strings.push(string);
        self.hashes.push(key.lo);
        let known = Known { id, hi: key.hi.to_ne_bytes() };
        self.index.insert_unique(key.lo, known, |known| self.hashes[known.id as usize]);
        StrId(id)
    }

    /// Makes room for so many more strings.
    pub fn reserve(&mut self, strings: usize) {
        self.strings.reserve(strings);
        self.hashes.reserve(strings);
        self.index.reserve(strings, |known| self.hashes[known.id as usize]);
    }

    /// The bytes of a string.
    pub fn get(&self, id: StrId) -> &[u8] {
        &self.strings[id.0 as usize]
    }

    /// The lower lane of the key of a string's bytes, the same in every table.
    #[inline]
    pub fn hash(&self, id: StrId) -> u64 {
        self.hashes[id.0 as usize]
    }

    /// How many strings there are, the empty one included.
    #[allow(clippy::len_without_is_empty)] // The empty string is always there.
    pub fn len(&self) -> usize {
        self.strings.len()
    }

    /// Takes over all strings of `other`; returns their new ids by their old ones.
    pub(super) fn join(&mut self, other: Strings<'a>) -> Vec<StrId> {
        other.strings.into_iter().map(|string| self.intern(string)).collect()
    }
}
