//! What each string may be the name of, found once per string and not once per use.

use crate::btf::kinds::{MAX_NAME_BYTES, MAX_NAME_BYTES_BEFORE_6_1, StrOff, is_identifier, is_section_name};
use crate::btf::read::Btf;

/// What a string is good for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Class(u8);

impl Class {
    /// It begins where a string begins and not inside of one.
    const START: u8 = 1;
    const IDENTIFIER: u8 = 2;
    const SECTION: u8 = 4;
    /// Longer than what kernels before 6.1 take.
    const LONG: u8 = 8;
    const EMPTY: u8 = 16;

    pub(super) fn is_empty(self) -> bool {
        self.0 & Self::EMPTY != 0
    }

    pub(super) fn is_start(self) -> bool {
        self.0 & Self::START != 0
    }

    pub(super) fn is_identifier(self) -> bool {
        self.0 & Self::IDENTIFIER != 0
    }

    pub(super) fn is_section_name(self) -> bool {
        self.0 & Self::SECTION != 0
    }

    pub(super) fn is_long(self) -> bool {
        self.0 & Self::LONG != 0
    }
}

/// The classes of the strings of a BTF.
pub(super) struct Names<'a> {
    btf: &'a Btf<'a>,
    /// By offset from the first own string; 0 where no string begins.
    own: Vec<u8>,
}

/// For each byte: may it stand in an identifier (1), at its beginning (2), in a section name (4).
const BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0u8;
    loop {
        let letter = b.is_ascii_alphabetic() || b == b'_' || b == b'.';
        let inside = letter || b.is_ascii_digit();
        let printable = b.is_ascii_graphic() || b == b' ';
        table[b as usize] = inside as u8 | (letter as u8) << 1 | (printable as u8) << 2;
        if b == u8::MAX {
            break;
        }
        b += 1;
    }
    table
};

impl<'a> Names<'a> {
    /// Reads the own strings once.
    pub(super) fn new(btf: &'a Btf<'a>) -> Self {
        let strings = btf.own_strings();
        let mut own = vec![0u8; strings.len()];
        let mut all = 0xff;
        let mut start = 0;
        for (at, &byte) in strings.iter().enumerate() {
            if byte != 0 {
                all &= BYTES[byte as usize];
                continue;
            }
            if let (Some(place), Some(string)) = (own.get_mut(start), strings.get(start..at)) {
                *place = class(string, all) | Class::START;
            }
            all = 0xff;
            start = at + 1;
        }
        Names { btf, own }
    }

    /// The class of the string at an offset; `None` if there is none.
    #[inline]
    pub(super) fn class(&self, off: StrOff) -> Option<Class> {
        let known = off.0.checked_sub(self.btf.string_start()).and_then(|at| self.own.get(at as usize));
        match known {
            Some(&class) if class != 0 => Some(Class(class)),
            _ => self.other(off),
        }
    }

    /// A string of the base, or the tail of one.
    #[cold]
    fn other(&self, off: StrOff) -> Option<Class> {
        let string = self.btf.string_prefix(off, MAX_NAME_BYTES + 1)?;
        let before = off.0.checked_sub(1).map(StrOff);
        // Before the start of a string lies the NUL of another one, at which an empty string begins; the
        // first string of a split BTF comes after the last NUL of the base.
        let start = before.is_none_or(|b| self.btf.string_prefix(b, 1).is_some_and(<[u8]>::is_empty));
        Some(Class(classify(string) | if start { Class::START } else { 0 }))
    }
}

fn classify(string: &[u8]) -> u8 {
    class(string, string.iter().fold(0xff, |all, &b| all & BYTES[b as usize]))
}

/// The class of a string of which `all` is what all bytes have in common.
fn class(string: &[u8], all: u8) -> u8 {
    let first = string.first().map_or(0, |&b| BYTES[b as usize]);
    let fits = !string.is_empty() && string.len() <= MAX_NAME_BYTES;
    let mut class = if string.is_empty() { Class::EMPTY } else { 0 };
    if fits && all & 1 != 0 && first & 2 != 0 {
        class |= Class::IDENTIFIER;
    }
    if fits && all & 4 != 0 {
        class |= Class::SECTION;
    }
    if string.len() > MAX_NAME_BYTES_BEFORE_6_1 {
        class |= Class::LONG;
    }
    debug_assert_eq!(class & Class::IDENTIFIER != 0, is_identifier(string));
    debug_assert_eq!(class & Class::SECTION != 0, is_section_name(string));
    class
}
