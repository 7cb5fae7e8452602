//! Carries out a check: one line for each broken rule, of any number of files.
//!
//! A file that cannot be read does not keep the others from being checked.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use btfgen::btf::{self, Btf, CheckOptions, Level, Violation};
use btfgen::{Error, Image, Result};

use super::{complain, one_line, output, sigbus, tell};

/// The levels with their names, from what every kernel demands to what is merely tidy.
pub(crate) const LEVELS: [(&str, Level); 5] = [
    ("container", Level::Container),
    ("records", Level::Records),
    ("resolve", Level::Resolve),
    ("target", Level::Target),
    ("hygiene", Level::Hygiene),
];

/// A check as any command line asks for it.
#[derive(Debug)]
pub(crate) struct Request {
    /// Raw BTF, or ELF files with a section `.BTF`.
    pub(crate) files: Vec<PathBuf>,
    /// What they are split from.
    pub(crate) base: Option<PathBuf>,
    /// The rules.
    pub(crate) options: CheckOptions,
    /// A summary of each file goes to standard error.
    pub(crate) verbose: bool,
}

/// Carries it out. The exit status is 1 if a rule was broken, and that of the worst error if there was one.
///
/// # Errors
/// The base is of no use, or nothing can be written. Errors of single files were told already.
pub(crate) fn run(request: &Request) -> Result<ExitCode> {
    let base_source = request.base.as_deref().map(Source::open).transpose()?;
    let base = match (&base_source, &request.base) {
        (Some(source), Some(path)) => {
            Some(source.btf().and_then(Btf::parse).map_err(|e| e.in_file(path).hint("the base"))?)
        }
        _ => None,
    };
    let mut code = 0;
    for path in &request.files {
        let found = match file(path, base.as_ref(), request) {
            Ok(found) => found,
            Err(error) => {
                complain(&error);
                code = code.max(error.exit_code());
                continue;
            }
        };
        code = code.max(u8::from(!found.is_empty()));
        if !output::print(lines(path, &found).as_bytes())? {
            break;
        }
        if found.len() >= request.options.max_violations {
            let text =
                format!("btfgen: {}: more than these violations were not looked for\n", path.display());
            tell(&text);
        }
    }
    Ok(ExitCode::from(code))
}

/// Checks one file.
fn file(path: &Path, base: Option<&Btf<'_>>, request: &Request) -> Result<Vec<Violation>> {
    let source = Source::open(path)?;
    let data = source.btf().map_err(|e| e.in_file(path))?;
    // A module that carries the base it was made for is judged above that one.
    let carried = source.section(b".BTF.base").map_err(|e| e.in_file(path))?;
    let carried = carried.map(Btf::parse).transpose().map_err(|e| e.in_file(path).hint("its .BTF.base"))?;
    let base = carried.as_ref().or(base);
    let parsed = match base {
        Some(base) => Btf::parse_split(data, base),
        None => Btf::parse(data),
    };
    let (found, types) = match parsed {
        Ok(btf) => (btf::check(&btf, &request.options), btf.len() - btf.base_len()),
        Err(_) => (btf::check_container(data, base), 0),
    };
    if request.verbose {
        let (bytes, n) = (data.len(), found.len());
        tell(&format!("{}: {bytes} bytes, {types} types, {n} violations\n", path.display()));
    }
    Ok(found)
}

/// `FILE: LEVEL: VIOLATION`, one line each.
fn lines(path: &Path, found: &[Violation]) -> String {
    let path = path.display();
    let line = |v: &Violation| {
        let level = LEVELS.iter().find(|(_, level)| *level == v.level).map_or("", |(name, _)| name);
        one_line(&format!("{path}: {level}: {v}")) + "\n"
    };
    found.iter().map(line).collect()
}

/// A file that holds BTF in one way or the other.
enum Source {
    Raw(Vec<u8>),
    Elf(Image),
}

impl Source {
    /// Opens a file by what it begins with.
    fn open(path: &Path) -> Result<Self> {
        let cannot_read = |e| Error::io("cannot read", e).in_file(path);
        let mut file = File::open(path).map_err(|e| Error::io("cannot open", e).in_file(path))?;
        if file.metadata().map_err(cannot_read)?.is_dir() {
            return Err(Error::input("is a directory, not BTF").in_file(path));
        }
        let mut data = Vec::new();
        file.by_ref().take(4).read_to_end(&mut data).map_err(cannot_read)?;
        match data.as_slice() {
            [] => Err(Error::input("the file is empty").in_file(path)),
            b"\x7fELF" => {
                sigbus::expect_of(path);
                Image::open(path).map(Source::Elf)
            }
            [0x9f, 0xeb, ..] | [0xeb, 0x9f, ..] => {
                // No BTF is longer: its sections are counted with 32 bits.
                file.take(3 << 32).read_to_end(&mut data).map_err(cannot_read)?;
                Ok(Source::Raw(data))
            }
            _ => Err(Error::input("is neither BTF nor an ELF file").in_file(path)),
        }
    }

    /// The BTF itself.
    fn btf(&self) -> Result<&[u8]> {
        match self {
            Source::Raw(data) => Ok(data),
            Source::Elf(_) => self.section(b".BTF")?.ok_or_else(|| Error::input("has no section .BTF")),
        }
    }

    /// A section of an ELF file, if it has content.
    fn section(&self, name: &[u8]) -> Result<Option<&[u8]>> {
        match self {
            Source::Raw(_) => Ok(None),
            Source::Elf(image) => Ok(Some(image.content_of(name)?).filter(|data| !data.is_empty())),
        }
    }
}
