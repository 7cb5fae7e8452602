//! Keys: 128 bits that stand for the content of a type.
//!
//! The function is fixed for all hosts, threads and runs, because keys take part in the order of the
//! output. Two 64-bit lanes are mixed by multiplication and folding; a word of either lane depends on
//! both operands of every step.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The content of a type in 128 bits. Types with equal keys are taken as equal: among the 40 thousand
/// types of a kernel two different ones meet by chance once in 10^29 runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key {
    /// The lane that tables hash by.
    pub lo: u64,
    /// The other lane.
    pub hi: u64,
}

impl Key {
    /// The key of void.
    pub const VOID: Key = Key { lo: 0, hi: 0 };
}

/// Odd constants with about half of their bits set; any such four would do.
const K: [u64; 4] =
    [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0x8cb9_2ba7_2f3d_8dd7, 0xaaaa_aac5_5555_64e1];

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// Computes a [`Key`] from pairs of words.
#[derive(Debug, Clone, Copy)]
pub struct KeyHasher {
    lo: u64,
    hi: u64,
}

impl KeyHasher {
    /// Starts with what kind of thing is hashed.
    #[inline(always)]
    pub fn new(kind: u64) -> Self {
        KeyHasher { lo: kind ^ K[0], hi: kind.rotate_left(32) ^ K[1] }
    }

    /// Adds two words.
    #[inline(always)]
    pub fn pair(&mut self, a: u64, b: u64) {
        self.lo = fold(self.lo ^ a, b ^ K[2]);
        self.hi = fold(self.hi.wrapping_add(b), a ^ K[3]).wrapping_add(self.lo);
    }

    /// Adds the key of something referred to.
    #[inline(always)]
    pub fn key(&mut self, key: Key) {
        self.pair(key.lo, key.hi);
    }

    /// The key of all that was added.
    #[inline(always)]
    pub fn finish(self) -> Key {
        Key { lo: fold(self.lo ^ K[3], self.hi ^ K[0]), hi: fold(self.hi ^ K[1], self.lo ^ K[2]) }
    }
}

/// Up to eight bytes as a little-endian number. In few steps without a loop: what is read twice is the same twice.
#[inline(always)]
fn word(bytes: &[u8]) -> u64 {
    let last = bytes.len().saturating_sub(1);
    if let Some(&word) = bytes.first_chunk::<8>() {
        u64::from_le_bytes(word)
    } else if let (Some(&low), Some(&high)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(low)) | u64::from(u32::from_le_bytes(high)) << (8 * (last - 3))
    } else if let Some(&first) = bytes.first() {
        let byte = |at: usize| u64::from(bytes[at]) << (8 * at);
        u64::from(first) | byte(bytes.len() / 2) | byte(last)
    } else {
        0
    }
}

/// The lower lane of [`key_of_bytes`].
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    key_of_bytes(bytes).lo
}

/// The key of a string's bytes.
pub fn key_of_bytes(bytes: &[u8]) -> Key {
    let mut hasher = KeyHasher::new(bytes.len() as u64);
    let mut chunks = bytes.chunks_exact(16);
    for chunk in &mut chunks {
        hasher.pair(word(&chunk[..8]), word(&chunk[8..]));
    }
    let rest = chunks.remainder();
    hasher.pair(word(&rest[..rest.len().min(8)]), word(&rest[rest.len().min(8)..]));
    hasher.finish()
}

/// A hasher for tables of keys: a key is a hash already.
#[derive(Debug, Default, Clone, Copy)]
pub struct KeyIdentity(u64);

impl Hasher for KeyIdentity {
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.0 ^= word;
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= hash_bytes(bytes);
    }
}

/// A map by key.
pub type KeyMap<V> = HashMap<Key, V, BuildHasherDefault<KeyIdentity>>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn small_changes_change_both_lanes() {
        let (mut lo, mut hi) = (HashSet::new(), HashSet::new());
        for kind in 0..4 {
            for a in 0..200u64 {
                for b in 0..20u64 {
                    let mut hasher = KeyHasher::new(kind);
                    hasher.pair(a, b << 3);
                    hasher.pair(b, a);
                    let key = hasher.finish();
                    assert!(lo.insert(key.lo) && hi.insert(key.hi), "{kind} {a} {b}");
                }
            }
        }
    }

    #[test]
    fn order_matters() {
        let key = |pairs: &[(u64, u64)]| {
            let mut hasher = KeyHasher::new(0);
            pairs.iter().for_each(|&(a, b)| hasher.pair(a, b));
            hasher.finish()
        };
        assert_ne!(key(&[(1, 2), (3, 4)]), key(&[(3, 4), (1, 2)]));
        assert_ne!(key(&[(1, 2)]), key(&[(2, 1)]));
        assert_ne!(key(&[]), key(&[(0, 0)]));
    }

    #[test]
    fn words_are_little_endian() {
        let text = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
        for length in 0..=8 {
            let plain = text[..length].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
            assert_eq!(word(&text[..length]), plain, "{length}");
        }
    }

    #[test]
    fn strings_of_all_lengths_differ() {
        let text: Vec<u8> = (0..100).map(|i| b'a' + i % 23).collect();
        let hashes: HashSet<u64> = (0..=100).map(|n| hash_bytes(&text[..n])).collect();
        assert_eq!(hashes.len(), 101);
    }
}
