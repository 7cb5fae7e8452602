//! One error type, one word wide: what failed, in which file, unit and DIE, and what to do about it.
//!
//! The library returns errors and never prints them. [`Error::exit_code`] is the documented exit
//! status of the command line for each [`ErrorKind`].

use std::fmt;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input cannot be encoded or does not hold what was asked of it: exit status 1.
    Input,
    /// The command was put together wrongly: exit status 2.
    Usage,
    /// The system refused to read or write: exit status 74 (`EX_IOERR`).
    Io,
    /// It may not run now, but could later: exit status 75 (`EX_TEMPFAIL`).
    Busy,
}

/// What failed and where.
///
/// One pointer wide, so that results of small values stay in registers on the hot path.
pub struct Error(Box<Payload>);

struct Payload {
    kind: ErrorKind,
    message: String,
    file: Option<PathBuf>,
    unit: Option<u64>,
    die: Option<u64>,
    hint: Option<String>,
}

impl Error {
    #[cold]
    fn new(kind: ErrorKind, message: String) -> Self {
        Error(Box::new(Payload { kind, message, file: None, unit: None, die: None, hint: None }))
    }

    /// The input is not what an encoder can read.
    #[cold]
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message.into())
    }

    /// The caller asked for something that makes no sense.
    #[cold]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message.into())
    }

    /// There is no room for it now.
    #[cold]
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Busy, message.into())
    }

    /// The system refused; `what` says what was being done.
    #[cold]
    pub fn io(what: &str, error: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("{what}: {error}"))
    }

    /// Names the file, unless a deeper layer already did.
    #[must_use]
    pub fn in_file(mut self, path: &Path) -> Self {
        self.0.file.get_or_insert_with(|| path.to_owned());
        self
    }

    /// Names the unit by the offset of its header in `.debug_info`, in bytes.
    #[must_use]
    pub fn in_unit(mut self, offset: u64) -> Self {
        self.0.unit.get_or_insert(offset);
        self
    }

    /// Names the DIE by its offset in `.debug_info`, in bytes.
    #[must_use]
    pub fn at_die(mut self, offset: u64) -> Self {
        self.0.die.get_or_insert(offset);
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The exit status of the command line: 1, 2, 74 or 75.
    pub fn exit_code(&self) -> u8 {
        match self.0.kind {
            ErrorKind::Input => 1,
            ErrorKind::Usage => 2,
            ErrorKind::Io => 74,
            ErrorKind::Busy => 75,
        }
    }
}

impl fmt::Display for Error {
    /// One line: `FILE: unit 0x10: DIE 0x2f: MESSAGE (HINT)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p = &*self.0;
        if let Some(file) = &p.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(unit) = p.unit {
            write!(f, "unit {unit:#x}: ")?;
        }
        if let Some(die) = p.die {
            write!(f, "DIE {die:#x}: ")?;
        }
        f.write_str(&p.message)?;
        if let Some(hint) = &p.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_from_the_outside_in() {
        let e = Error::input("abbreviation 7 is not declared").at_die(0x2f).in_unit(0x10);
        let e = e.in_file(Path::new("vmlinux")).hint("the file is damaged");
        assert_eq!(
            e.to_string(),
            "vmlinux: unit 0x10: DIE 0x2f: abbreviation 7 is not declared (the file is damaged)"
        );
        assert_eq!(e.exit_code(), 1);
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn the_deepest_place_wins() {
        let e = Error::input("x").in_unit(1).in_unit(2);
        assert_eq!(e.to_string(), "unit 0x1: x");
    }
}
