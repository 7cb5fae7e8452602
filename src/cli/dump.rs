//! Carries out a dump: a BTF as text, JSON or C.

use std::path::{Path, PathBuf};

use btfgen::btf::Btf;
use btfgen::dump::{self, COptions};
use btfgen::{Base, Error, Order, Result, union};

use super::output::{self, Destination, Target};
use super::source::{BaseFile, Source};

/// A dump as the command line asks for it.
#[derive(Debug)]
pub(crate) struct Request {
    /// Raw BTF, or ELF files with a section `.BTF`.
    pub(crate) files: Vec<PathBuf>,
    /// What they are split from.
    pub(crate) base: Option<PathBuf>,
    /// The form.
    pub(crate) format: Format,
    /// Where the text goes.
    pub(crate) output: Destination,
}

/// The forms.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    Raw,
    Json,
    C(COptions),
}

/// Carries it out.
///
/// # Errors
/// A file is of no use, or nothing can be written.
pub(crate) fn run(request: &Request) -> Result<()> {
    let inputs: Vec<&Path> = request.files.iter().chain(&request.base).map(PathBuf::as_path).collect();
    let target = Target::new(&request.output, &inputs)?;
    let mut base_file = request.base.as_deref().map(BaseFile::open).transpose()?;
    let base = base_file.as_mut().map(BaseFile::btf).transpose()?;
    let text = match (request.files.as_slice(), &base) {
        ([path], base) => one(path, base.as_ref(), &request.format)?,
        (files, Some(base)) => together(files, base, &request.format)?,
        (_, None) => return Err(Error::usage("several files are one header only above a --base")),
    };
    match request.output {
        Destination::Stdout => output::print(&text).map(drop),
        _ => target.stage(vec![&text])?.commit(),
    }
}

/// Opens a file and gives its BTF to `f`, above the base that it carries or else above the given one.
fn with_btf<T>(path: &Path, base: Option<&Btf<'_>>, f: impl FnOnce(&Btf<'_>) -> Result<T>) -> Result<T> {
    let source = Source::open(path)?;
    source.with_btf(base, f).map_err(|e| e.in_file(path))
}

/// The text of one file.
fn one(path: &Path, base: Option<&Btf<'_>>, format: &Format) -> Result<Vec<u8>> {
    with_btf(path, base, |btf| match format {
        Format::Raw => Ok(dump::raw(btf)),
        Format::Json => Ok(dump::json(btf)),
        Format::C(options) => dump::c(btf, options),
    })
}

/// The header of a base and of several files above it.
fn together(files: &[PathBuf], base: &Btf<'_>, format: &Format) -> Result<Vec<u8>> {
    let Format::C(options) = format else {
        return Err(Error::usage("several files can be shown together only with --format c"));
    };
    let sources = files.iter().map(|path| Source::open(path)).collect::<Result<Vec<_>>>()?;
    let mut modules = Vec::with_capacity(files.len());
    for (path, source) in files.iter().zip(&sources) {
        // The base that a module carries is not the one that all share.
        let parsed = source.btf().and_then(|data| Btf::parse_split(data, base));
        modules.push(parsed.map_err(|e| e.in_file(path))?);
    }
    let data = union(&modules, Some(&Base::new(base)), Order::First)?;
    dump::c(&Btf::parse_split(&data, base)?, options)
}
