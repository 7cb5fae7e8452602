//! The strings of a table, each once.

use std::borrow::Cow;

use hashbrown::HashTable;

use super::key::hash_bytes;

/// A string of a [`Strings`]; 0 is the empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct StrId(pub u32);

impl StrId {
    /// The empty string, which names nothing.
    pub const EMPTY: StrId = StrId(0);
}

/// Strings by content. Most of them are borrowed from the input.
#[derive(Debug)]
pub struct Strings<'a> {
    strings: Vec<(Cow<'a, [u8]>, u64)>,
    index: HashTable<u32>,
}

impl Default for Strings<'_> {
    fn default() -> Self {
        let mut strings = Strings { strings: Vec::new(), index: HashTable::new() };
        strings.intern(Cow::Borrowed(b""));
        strings
    }
}

impl<'a> Strings<'a> {
    /// The id of `string`.
    pub fn intern(&mut self, string: Cow<'a, [u8]>) -> StrId {
        let hash = hash_bytes(&string);
        self.find(&string, hash).unwrap_or_else(|| self.add(string, hash))
    }

    /// The id of the string with these bytes and the [`hash_bytes`] of them, if it is there.
    pub fn find(&self, bytes: &[u8], hash: u64) -> Option<StrId> {
        let same = |&i: &u32| {
            let (string, known) = &self.strings[i as usize];
            *known == hash && string.len() == bytes.len() && **string == *bytes
        };
        self.index.find(hash, same).map(|&i| StrId(i))
    }

    /// Adds a string that was not found.
    pub fn add(&mut self, string: Cow<'a, [u8]>, hash: u64) -> StrId {
        let id = self.strings.len() as u32;
        self.strings.push((string, hash));
        self.index.insert_unique(hash, id, |&i| self.strings[i as usize].1);
        StrId(id)
    }

    /// Makes room for so many more strings.
    pub fn reserve(&mut self, strings: usize) {
        self.strings.reserve(strings);
        self.index.reserve(strings, |&i| self.strings[i as usize].1);
    }

    /// The bytes of a string.
    pub fn get(&self, id: StrId) -> &[u8] {
        &self.strings[id.0 as usize].0
    }

    /// The hash of a string's bytes, the same in every table.
    #[inline]
    pub fn hash(&self, id: StrId) -> u64 {
        self.strings[id.0 as usize].1
    }

    /// How many strings there are, the empty one included.
    #[allow(clippy::len_without_is_empty)] // The empty string is always there.
    pub fn len(&self) -> usize {
        self.strings.len()
    }

    /// Takes over all strings of `other`; returns their new ids by their old ones.
    pub(super) fn join(&mut self, other: Strings<'a>) -> Vec<StrId> {
        let join = |(string, hash): (Cow<'a, [u8]>, u64)| {
            self.find(&string, hash).unwrap_or_else(|| self.add(string, hash))
        };
        other.strings.into_iter().map(join).collect()
    }
}
