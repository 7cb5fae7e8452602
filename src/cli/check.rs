//! Carries out a check: one line for each broken rule, of any number of files; or one line for each bad module of
//! a whole tree, and a summary.
//!
//! A file that cannot be read does not keep the others from being checked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use btfgen::btf::{self, Btf, CheckOptions, KernelVersion, Level, TypeId, Violation};
use btfgen::{Error, Image, Jobs, Result, Throttle, Workers, elf};

use super::source::{BaseFile, Source};
use super::{complain, one_line, output, signals, tell, tree};

/// The levels that can be asked for with their names, from what every kernel demands to what is merely tidy.
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
    /// Raw BTF, or ELF files with a section `.BTF`; or directories below which all modules are meant.
    pub(crate) files: Vec<PathBuf>,
    /// What they are split from.
    pub(crate) base: Option<PathBuf>,
    /// The kernel or module whose kfuncs the only file must tag.
    pub(crate) kfuncs: Option<PathBuf>,
    /// The rules.
    pub(crate) options: CheckOptions,
    /// On how many threads.
    pub(crate) jobs: Jobs,
    /// A summary of each file goes to standard error.
    pub(crate) verbose: bool,
}

/// A file that is to be checked.
struct File {
    path: PathBuf,
    /// It is one of a directory: of many, where the first broken rule of each is enough.
    is_in_tree: bool,
}

/// What came of a file.
struct Checked {
    found: Vec<Violation>,
    /// Bytes of BTF, and own types; `None` for a module of a tree that has none.
    size: Option<(usize, u32)>,
}

/// Carries it out. The exit status is 1 if a rule was broken, and that of the worst error if there was one.
///
/// # Errors
/// The base is of no use, there is nothing to check, or nothing can be written. Errors of single files were told
/// already.
pub(crate) fn run(request: &Request) -> Result<ExitCode> {
    let files = files(request)?;
    let kfuncs = request.kfuncs.as_deref().map(|path| kfuncs(path, &files)).transpose()?;
    let kfuncs: Vec<&[u8]> = kfuncs.iter().flatten().map(Vec::as_slice).collect();
    let mut base_file = request.base.as_deref().map(BaseFile::open).transpose()?;
    let base = base_file.as_mut().map(BaseFile::btf).transpose()?;
    let mut results: Vec<Option<Result<Checked>>> = files.iter().map(|_| None).collect();
    let workers = request.jobs.count().min(files.len());
    let teams = (0..workers).map(|_| Workers::new(Jobs::exactly(1))).collect::<Result<Vec<_>>>()?;
    tree::each(
        &files,
        &teams,
        &Throttle::default(),
        |_, _, file| check(file, base.as_ref(), &kfuncs, request).map_err(|e| e.in_file(&file.path)),
        |number, _, result| {
            if let Some(place) = results.get_mut(number) {
                *place = Some(result);
            }
        },
    );
    let (mut code, mut count, mut deaf) = (0, Count::default(), false);
    for (file, result) in files.iter().zip(results.into_iter().flatten()) {
        if file.is_in_tree {
            count.add(&result);
        }
        let checked = match result {
            Ok(checked) => checked,
            Err(error) => {
                complain(&error);
                code = code.max(error.exit_code());
                continue;
            }
        };
        code = code.max(u8::from(!checked.found.is_empty()));
        if request.verbose {
            tell(&summary(&file.path, &checked));
        }
        // If nobody reads the lines any more, the summary and the status still tell.
        deaf = deaf || !output::print(lines(file, &checked.found).as_bytes())?;
        if checked.found.len() >= request.options.max_violations && !file.is_in_tree {
            let path = file.path.display();
            tell(&format!("btfgen: {path}: more than these violations were not looked for\n"));
        }
    }
    if count.modules > 0 {
        tell(&count.line());
        if count.without == count.modules {
            return Err(Error::input("none of the modules has a section .BTF: nothing was checked"));
        }
    }
    Ok(ExitCode::from(code))
}

/// What became of the modules of directories.
#[derive(Debug, Default)]
struct Count {
    modules: usize,
    bad: usize,
    failed: usize,
    without: usize,
}

impl Count {
    fn add(&mut self, result: &Result<Checked>) {
        self.modules += 1;
        match result {
            Ok(checked) if !checked.found.is_empty() => self.bad += 1,
            Ok(checked) => self.without += usize::from(checked.size.is_none()),
            Err(_) => self.failed += 1,
        }
    }

    fn line(&self) -> String {
        let Count { modules, bad, failed, without } = self;
        let good = modules - bad - failed - without;
        format!(
            "btfgen: {modules} modules: {good} good, {bad} break rules, {failed} could not be read, {without} have no \
             BTF\n"
        )
    }
}

/// All that is to be checked; modules of directories in the order of their names.
fn files(request: &Request) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for input in &request.files {
        let is_in_tree = input.is_dir();
        if !is_in_tree {
            files.push(File { path: input.clone(), is_in_tree });
            continue;
        }
        let mut modules = Vec::new();
        tree::collect(input, &mut modules)?;
        if modules.is_empty() {
            return Err(tree::no_module().in_file(input));
        }
        files.extend(modules.into_iter().map(|(_, path)| File { path, is_in_tree }));
    }
    Ok(files)
}

/// The names of all kfuncs of a kernel or module.
fn kfuncs(path: &Path, files: &[File]) -> Result<BTreeSet<Vec<u8>>> {
    if !matches!(files, [File { is_in_tree: false, .. }]) {
        return Err(Error::usage("--kfuncs tells what one file must hold, and there are others")
            .hint("check them apart"));
    }
    signals::expect_of(path);
    let image = Image::open(path)?;
    let found = elf::kfuncs(&image, &image).map_err(|e| e.in_file(path))?;
    // None of none would be all of them.
    if found.is_empty() {
        return Err(Error::input("has no set of kfuncs, so that nothing can be said about them")
            .hint("it needs .BTF_ids and its symbols, and sets are marked from kernel 6.9 on")
            .in_file(path));
    }
    Ok(found.iter().map(|kfunc| kfunc.name.to_vec()).collect())
}

/// Checks one file.
fn check(file: &File, base: Option<&Btf<'_>>, kfuncs: &[&[u8]], request: &Request) -> Result<Checked> {
    let source = Source::open(&file.path)?;
    if file.is_in_tree && !source.has_btf()? {
        return Ok(Checked { found: Vec::new(), size: None });
    }
    let data = source.btf()?;
    // A module that carries the base it was made for is judged above that one.
    let carried = source.section(b".BTF.base")?;
    let carried = carried.map(Btf::parse).transpose().map_err(|e| e.hint("its .BTF.base"))?;
    let base = carried.as_ref().or(base);
    let parsed = match base {
        Some(base) => Btf::parse_split(data, base),
        None => Btf::parse(data),
    };
    let Ok(btf) = parsed else {
        return Ok(Checked { found: btf::check_container(data, base), size: Some((data.len(), 0)) });
    };
    let mut found = btf::check(&btf, &request.options);
    if carried.is_some() && request.options.levels.contains(Level::Target) {
        found.extend(request.options.target.and_then(ignores_base));
    }
    if !kfuncs.is_empty() {
        found.extend(btf::check_kfuncs(&btf, kfuncs, request.options.max_violations));
    }
    Ok(Checked { found, size: Some((data.len(), btf.len() - btf.base_len())) })
}

/// What kernels say to a module that carries its base, if they do not know that.
fn ignores_base(target: KernelVersion) -> Option<Violation> {
    (target < KernelVersion::new(6, 11)).then(|| Violation {
        level: Level::Target,
        id: TypeId::VOID,
        kind: None,
        name: String::new(),
        reason: "it is split from its .BTF.base, which kernels before 6.11 do not look at".to_owned(),
    })
}

fn summary(path: &Path, checked: &Checked) -> String {
    let path = path.display();
    match (checked.size, checked.found.len()) {
        (Some((bytes, types)), n) => format!("{path}: {bytes} bytes, {types} types, {n} violations\n"),
        (None, _) => format!("{path}: no BTF\n"),
    }
}

/// `FILE: LEVEL: VIOLATION`, one line each; of a module of a tree the first one.
fn lines(file: &File, found: &[Violation]) -> String {
    let path = file.path.display();
    let shown = if file.is_in_tree { &found[..found.len().min(1)] } else { found };
    let more = match found.len() - shown.len() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    shown.iter().map(|v| one_line(&format!("{path}: {}: {v}{more}", v.level.name())) + "\n").collect()
}
