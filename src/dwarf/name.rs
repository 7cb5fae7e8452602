//! Names as the walk sees them: where a string lies, not what it says.

use std::borrow::Cow;
use std::ops::Deref;

use super::Sections;
use super::form::string_length;

/// The identity of a name inside one program: the same id is the same string.
///
/// The reverse need not hold, since a string may lie at two places; whoever keeps names compares
/// their bytes once. Bits 63 and 62 tell the form: 00 none, 01 an offset into `.debug_str`, or with
/// bit 61 into `.debug_line_str`; 10 up to seven bytes held in the id itself; 11 an offset into
/// `.debug_info`, where a longer string lies inline. Offsets take 40 bits; the 20 above them are the number
/// of the file among those of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NameId(pub u64);

const FORM: u64 = 0b11 << 62;
const STR: u64 = 1 << 62;
const LINE: u64 = 1 << 61;
const SHORT: u64 = 1 << 63;
const INLINE: u64 = 0b11 << 62;
const OFFSET: u64 = (1 << FILE_SHIFT) - 1;
const FILE_SHIFT: u32 = 40;

/// How many files a name can tell apart.
pub(crate) const MAX_FILES: usize = 1 << 20;

impl NameId {
    /// No name.
    pub const NONE: NameId = NameId(0);

    /// The string at `offset` bytes into the `.debug_str` of a file.
    #[inline(always)]
    pub fn in_str(file: u32, offset: u64) -> Self {
        NameId(STR | u64::from(file) << FILE_SHIFT | offset & OFFSET)
    }

    /// The string at `offset` bytes into the `.debug_line_str` of a file.
    #[inline]
    pub fn in_line_str(file: u32, offset: u64) -> Self {
        NameId(STR | LINE | u64::from(file) << FILE_SHIFT | offset & OFFSET)
    }

    /// The string `bytes` that lies `offset` bytes into the `.debug_info` of a file.
    #[inline]
    pub fn inline(bytes: &[u8], file: u32, offset: u64) -> Self {
        Self::inline_in(bytes, bytes.len(), file, offset)
    }

    /// A string of up to seven bytes that lies nowhere.
    pub fn made_up(bytes: &[u8]) -> Self {
        Self::inline(bytes.get(..7).unwrap_or(bytes), 0, 0)
    }

    /// The string of `length` bytes that `bytes` begins with.
    #[inline]
    pub(crate) fn inline_in(bytes: &[u8], length: usize, file: u32, offset: u64) -> Self {
        if length == 0 {
            return NameId::NONE;
        }
        if length > 7 {
            return NameId(INLINE | u64::from(file) << FILE_SHIFT | offset & OFFSET);
        }
        let word = match bytes.first_chunk::<8>() {
            Some(&word) => u64::from_le_bytes(word),
            None => bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        };
        NameId(SHORT | word & ((1 << (8 * length)) - 1))
    }

    /// True where there is no name at all.
    #[inline]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The bytes of the name, without the NUL; `None` where the offset is outside its section or no NUL ends the
    /// string.
    pub fn find<'a>(self, files: &[Sections<'a>]) -> Option<Name<'a>> {
        if self.0 & FORM != SHORT {
            return self.in_section(files).map(Name::Section);
        }
        let bytes = (self.0 & !FORM).to_le_bytes();
        let length = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        Some(Name::Short(bytes, length))
    }

    fn in_section<'a>(self, files: &[Sections<'a>]) -> Option<&'a [u8]> {
        if self.is_none() {
            return Some(b"");
        }
        let file = (self.0 >> FILE_SHIFT) as usize % MAX_FILES;
        let sections = files.get(file)?;
        let section = match self.0 & FORM {
            INLINE => sections.info,
            _ if self.0 & LINE != 0 => sections.line_str,
            _ => sections.str,
        };
        c_string(section, self.0 & OFFSET)
    }
}

/// The bytes of a name.
#[derive(Debug, Clone, Copy)]
pub enum Name<'a> {
    /// They lie in a section.
    Section(&'a [u8]),
    /// The identity of the name holds them: so many of these.
    Short([u8; 8], usize),
}

impl Deref for Name<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Name::Section(bytes) => bytes,
            Name::Short(bytes, length) => &bytes[..*length],
        }
    }
}

impl<'a> From<Name<'a>> for Cow<'a, [u8]> {
    fn from(name: Name<'a>) -> Self {
        match name {
            Name::Section(bytes) => Cow::Borrowed(bytes),
            Name::Short(..) => Cow::Owned(name.to_vec()),
        }
    }
}

/// Bytes of the longest name. The longest ones of C++ templates are far shorter; without a limit, a file
/// could have every name searched through to its end.
const MAX_NAME: usize = 256 << 10;

/// The NUL-terminated string at `offset` bytes into `section`, without its NUL.
pub(crate) fn c_string(section: &[u8], offset: u64) -> Option<&[u8]> {
    let rest = section.get(usize::try_from(offset).ok()?..)?;
    let rest = &rest[..rest.len().min(MAX_NAME)];
    rest.get(..string_length(rest)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gimli::RunTimeEndian;

    fn sections<'a>(str: &'a [u8], line_str: &'a [u8], info: &'a [u8]) -> Sections<'a> {
        Sections { info, str, line_str, ..Sections::empty(RunTimeEndian::Little) }
    }

    #[test]
    fn each_form_finds_its_string() {
        let s = [
            sections(b"zero\0one\0", b"line\0", b"....a long inline name\0"),
            sections(b"other\0", b"", b"the other long name\0"),
        ];
        let get = |id: NameId| id.find(&s).map(|name| name.to_vec());
        assert_eq!(get(NameId::in_str(0, 5)).as_deref(), Some(&b"one"[..]));
        assert_eq!(get(NameId::in_str(0, 0)).as_deref(), Some(&b"zero"[..]));
        assert_eq!(get(NameId::in_str(1, 0)).as_deref(), Some(&b"other"[..]));
        assert_eq!(get(NameId::in_line_str(0, 0)).as_deref(), Some(&b"line"[..]));
        assert_eq!(get(NameId::inline(b"abcdefg", 0, 9)).as_deref(), Some(&b"abcdefg"[..]));
        let long = NameId::inline(b"a long inline name", 0, 4);
        assert_eq!(get(long).as_deref(), Some(&b"a long inline name"[..]));
        let other = NameId::inline(b"the other long name", 1, 0);
        assert_eq!(get(other).as_deref(), Some(&b"the other long name"[..]));
        assert_eq!(get(NameId::in_str(0, 9)), None);
        assert_eq!(get(NameId::in_str(2, 0)), None);
        assert!(NameId::inline(b"", 0, 7).is_none());
    }

    #[test]
    fn an_unterminated_string_is_none() {
        let s = [sections(b"abc", b"", b"")];
        assert!(NameId::in_str(0, 0).find(&s).is_none());
    }
}
