//! The types that a worker has seen, by quick key.
//!
//! Units include the same headers in much the same order, so after one type comes most often the type
//! that came after it last time. That guess is checked before the table is asked: it lies close by, while
//! a table of 40 thousand keys is spread over more memory than the nearest caches hold.

use hashbrown::HashTable;

use crate::table::{EntryId, Key};

/// A type that was seen.
#[derive(Debug)]
pub(super) struct Seen {
    key: Key,
    pub(super) entry: EntryId,
    /// How often it was seen again. Counted here, where the look-up has been, and not in the table.
    pub(super) count: u32,
    /// What was looked up next after this, last time.
    next: u32,
}

/// All that were seen.
#[derive(Debug)]
pub(super) struct SeenTypes {
    seen: Vec<Seen>,
    index: HashTable<u32>,
    last: u32,
}

impl SeenTypes {
    /// Nothing was seen yet, and there is room for so many types.
    pub(super) fn with_capacity(types: usize) -> Self {
        SeenTypes { seen: Vec::with_capacity(types), index: HashTable::with_capacity(types), last: 0 }
    }

    /// Finds a type, and counts that it was found.
    #[inline(always)]
    pub(super) fn find(&mut self, key: Key) -> Option<&Seen> {
        let last = self.last as usize;
        let guess = self.seen.get(last).map_or(0, |seen| seen.next);
        let found = match self.seen.get(guess as usize) {
            Some(seen) if seen.key == key => guess,
            _ => {
                let seen = &self.seen;
                let found = *self.index.find(key.lo, |&i| seen[i as usize].key == key)?;
                self.seen[last].next = found;
                found
            }
        };
        self.last = found;
        let seen = &mut self.seen[found as usize];
        seen.count = seen.count.saturating_add(1);
        Some(seen)
    }

    /// Adds a type that was not found.
    pub(super) fn insert(&mut self, key: Key, entry: EntryId) {
        let new = self.seen.len() as u32;
        self.seen.push(Seen { key, entry, count: 0, next: new + 1 });
        self.index.insert_unique(key.lo, new, |&i| self.seen[i as usize].key.lo);
        self.last = new;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Seen> {
        self.seen.iter()
    }
}
