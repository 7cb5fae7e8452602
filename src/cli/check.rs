//! Carries out a check: one line for each broken rule, of any number of files.
//!
//! A file that cannot be read does not keep the others from being checked.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use btfgen::Result;
use btfgen::btf::{self, Btf, CheckOptions, Level, Violation};

use super::source::{BaseFile, Source};
use super::{complain, one_line, output, tell};

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
    let base_file = request.base.as_deref().map(BaseFile::open).transpose()?;
    let base = base_file.as_ref().map(BaseFile::btf).transpose()?;
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
