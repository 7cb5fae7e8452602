//! States of functions: what each unit says about a function, the same thing said once.

use super::First;
use super::key::{Key, KeyMap};
use super::strings::StrId;
use super::types::{Part, Ref, Renumbering};

/// What the debugging information of one unit says about a function.
#[derive(Debug, Clone, Copy)]
pub struct FuncState {
    /// All of it.
    pub key: Key,
    /// The key of its prototype as a type.
    pub prototype: Key,
    /// Its name.
    pub name: StrId,
    /// What it returns.
    pub returns: Ref,
    /// `DW_AT_low_pc`, or 0.
    pub address: u64,
    /// What was found out about its parameters.
    pub flags: FuncFlags,
    params: (u32, u32),
    tags: (u32, u32),
    first: First,
    /// An occurrence was taken back: it may have been the first.
    is_stale: bool,
    count: u32,
}

/// Findings about the parameters of a function, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FuncFlags(pub u8);

impl FuncFlags {
    /// A parameter was optimised out, or nothing says where it lies.
    pub const OPTIMIZED: FuncFlags = FuncFlags(1);
    /// A parameter lies in another register than the calling convention has for it.
    pub const UNEXPECTED_REGISTER: FuncFlags = FuncFlags(1 << 1);
    /// A packed struct is passed on the stack, so that nobody knows where.
    pub const UNCERTAIN_LOCATION: FuncFlags = FuncFlags(1 << 2);
    /// The compiler reordered the parameters.
    pub const REORDERED: FuncFlags = FuncFlags(1 << 3);
    /// The compiler changed the calling convention and says so.
    pub const SIGNATURE_CHANGED: FuncFlags = FuncFlags(1 << 4);

    /// True if all of `flags` are set.
    #[inline]
    pub fn has(self, flags: FuncFlags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Sets `flags`.
    #[inline]
    pub fn set(&mut self, flags: FuncFlags) {
        self.0 |= flags.0;
    }
}

/// A declaration tag of a function or of one of its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuncTag {
    /// The value of the tag.
    pub value: StrId,
    /// The parameter, or -1 for the function.
    pub component: i32,
}

/// A state of a [`FuncTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuncId(u32);

/// States of functions by key.
#[derive(Debug, Default)]
pub struct FuncTable {
    states: Vec<FuncState>,
    params: Vec<Part>,
    tags: Vec<FuncTag>,
    /// Made for the first join: a worker knows by itself what it has seen.
    by_key: KeyMap<u32>,
}

impl FuncState {
    /// A state without parameters and tags, for [`FuncTable::insert`] to complete.
    pub fn new(key: Key, prototype: Key, name: StrId, returns: Ref, address: u64, flags: FuncFlags) -> Self {
        let (params, tags, first, is_stale, count) = ((0, 0), (0, 0), First::NEVER, false, 0);
        FuncState { key, prototype, name, returns, address, flags, params, tags, first, is_stale, count }
    }

    /// Where it occurs first, or did once.
    pub fn first(&self) -> First {
        self.first
    }

    /// What states of one function are sorted by: where they occur first. Of two with one place the second has
    /// gone from there. The key makes the order one, whoever found what.
    pub fn rank(&self) -> (First, bool, Key) {
        (self.first, self.is_stale, self.key)
    }

    /// How often it occurs.
    pub fn count(&self) -> u32 {
        self.count
    }
}

impl FuncTable {
    /// Counts an occurrence of a state.
    #[inline]
    pub fn occur(&mut self, id: FuncId, place: First) {
        let state = &mut self.states[id.0 as usize];
        state.first = state.first.min(place);
        state.count = state.count.saturating_add(1);
    }

    /// Takes back one occurrence of the state with each of `keys`.
    pub fn forget(&mut self, keys: impl IntoIterator<Item = Key>) {
        let mut keys = keys.into_iter().peekable();
        if keys.peek().is_some() {
            self.index();
        }
        for key in keys {
            if let Some(&i) = self.by_key.get(&key) {
                let state = &mut self.states[i as usize];
                state.count = state.count.saturating_sub(1);
                state.is_stale = true;
            }
        }
    }

    /// Makes states known by their keys.
    fn index(&mut self) {
        let known = self.by_key.len();
        self.by_key.reserve(self.states.len() - known);
        for (i, state) in self.states.iter().enumerate().skip(known) {
            self.by_key.insert(state.key, i as u32);
        }
    }

    /// Adds a state that is not there yet, as occurring once.
    pub fn insert(
        &mut self,
        state: FuncState,
        params: impl IntoIterator<Item = Part>,
        tags: impl IntoIterator<Item = FuncTag>,
        place: First,
    ) -> FuncId {
        self.push(FuncState { first: place, count: 1, ..state }, params, tags)
    }

    fn push(
        &mut self,
        mut state: FuncState,
        params: impl IntoIterator<Item = Part>,
        tags: impl IntoIterator<Item = FuncTag>,
    ) -> FuncId {
        state.params.0 = self.params.len() as u32;
        self.params.extend(params);
        state.params.1 = self.params.len() as u32;
        state.tags.0 = self.tags.len() as u32;
        self.tags.extend(tags);
        state.tags.1 = self.tags.len() as u32;
        self.states.push(state);
        FuncId(self.states.len() as u32 - 1)
    }

    /// All states.
    pub fn states(&self) -> &[FuncState] {
        &self.states
    }

    /// One state.
    pub fn get(&self, id: FuncId) -> &FuncState {
        &self.states[id.0 as usize]
    }

    /// The parameters of a state; a variadic function ends with one of type void without a name.
    pub fn params(&self, state: &FuncState) -> &[Part] {
        &self.params[state.params.0 as usize..state.params.1 as usize]
    }

    /// The declaration tags of a state.
    pub fn tags(&self, state: &FuncState) -> &[FuncTag] {
        &self.tags[state.tags.0 as usize..state.tags.1 as usize]
    }

    pub(super) fn join(&mut self, other: FuncTable, strings: &[StrId], types: &Renumbering) {
        let string = |id: StrId| strings[id.0 as usize];
        self.index();
        for state in &other.states {
            let next = self.states.len() as u32;
            let known = *self.by_key.entry(state.key).or_insert(next);
            if known != next {
                let known = &mut self.states[known as usize];
                known.first = known.first.min(state.first);
                known.count = known.count.saturating_add(state.count);
                known.is_stale |= state.is_stale;
                continue;
            }
            let params = other.params(state).iter().map(|part| Part {
                name: string(part.name),
                target: types.reference(part.target),
                value: part.value,
            });
            let tags = other.tags(state).iter();
            let tags = tags.map(|tag| FuncTag { value: string(tag.value), component: tag.component });
            let (name, returns) = (string(state.name), types.reference(state.returns));
            self.push(FuncState { name, returns, ..*state }, params, tags);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_one_place_have_one_order() {
        let key = |lo| Key { lo, hi: 0 };
        let state = |lo| FuncState::new(key(lo), Key::VOID, StrId::EMPTY, Ref::VOID, 0, FuncFlags::default());
        let place = First::new(1, 2);
        for found in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
            let mut table = FuncTable::default();
            for lo in found {
                table.insert(state(lo), [], [], place);
            }
            // It was there in the first walk, and is another one since.
            table.forget([key(1)]);
            let mut states = table.states().to_vec();
            states.sort_by_key(FuncState::rank);
            let order: Vec<u64> = states.iter().map(|state| state.key.lo).collect();
            assert_eq!(order, [2, 3, 1], "{found:?}");
        }
    }
}
