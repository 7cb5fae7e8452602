//! Many files in one run, as a kernel has modules: the base is read once, the files are streamed over the
//! workers, each gets an output of its own.
//!
//! A file that fails does not stop the others. One line of result each goes to standard output as soon as it is
//! known, so that their order is that in which they end.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use btfgen::admission::footprint::Footprint;
use btfgen::admission::forecast::{BATCH, BYTES_PER_WORKER, Features, base_memory};
use btfgen::admission::return_freed_memory;
use btfgen::btf::{Btf, Writer};
use btfgen::elf::insert::Signature;
use btfgen::report::{Report, process_cpu};
use btfgen::{
    Base, Encoder, Error, Files, Image, Jobs, Options, Order, Result, Search, Throttle, Workers, union,
};
use serde_json::json;

use super::admit::Wishes;
use super::encode::{Bar, has_nothing, rewritten};
use super::output::{self, Destination, Staged, Target};
use super::report::{self, Input, Run};
use super::share::{self, Kind, Share, Work};
use super::source::{BaseFile, BaseSize};
use super::watch::Taken;
use super::{complain, one_line, signals, tell, tree};

/// Where the outputs of many files go.
#[derive(Debug)]
pub(crate) enum Outputs {
    /// Each into its file.
    InPlace,
    /// Each into a file of this directory.
    Directory(PathBuf),
    /// All into one, every type once.
    Merged(Destination),
}

impl Outputs {
    /// The path that they have in common.
    fn path(&self) -> Option<&Path> {
        match self {
            Outputs::InPlace => None,
            Outputs::Directory(path) => Some(path),
            Outputs::Merged(destination) => Some(destination.path()),
        }
    }
}

/// An encode of many files.
#[derive(Debug)]
pub(crate) struct Request {
    /// Files, or directories below which all modules are meant.
    pub(crate) inputs: Vec<PathBuf>,
    /// What the outputs continue.
    pub(crate) base: Option<PathBuf>,
    /// Where the outputs go.
    pub(crate) outputs: Outputs,
    /// What becomes of the signatures of files that are outputs, too.
    pub(crate) signature: Signature,
    /// What is encoded.
    pub(crate) options: Options,
    /// On how many workers.
    pub(crate) jobs: Jobs,
    /// How to share the machine.
    pub(crate) wishes: Wishes,
    /// The results are JSON.
    pub(crate) json: bool,
    /// Where the figures go as JSON.
    pub(crate) stats: Option<Destination>,
    /// The figures go to standard error as a tree.
    pub(crate) verbose: bool,
    /// A bar shows on standard error how far it is, if that is a terminal.
    pub(crate) progress: bool,
}

/// Carries it out. The exit status is 1 if a file failed.
///
/// # Errors
/// The base is of no use, there is no file, or two would have one output. Errors of single files were told
/// already.
pub(crate) fn run(request: &Request) -> Result<ExitCode> {
    let start = Instant::now();
    let mut modules = Vec::new();
    for input in &request.inputs {
        tree::collect(input, &mut modules)?;
    }
    if modules.is_empty() {
        return Err(tree::no_module());
    }
    if let Outputs::Directory(directory) = &request.outputs {
        let mut outputs: HashMap<PathBuf, &Path> = HashMap::new();
        for (_, path) in &modules {
            if let Some(other) = outputs.insert(output_in(directory, path), path) {
                let message = format!("it and {} would have one output", other.display());
                return Err(Error::usage(message).in_file(path));
            }
        }
        if let Some(path) = request.stats.as_ref().and_then(|stats| outputs.get(stats.path())) {
            let message = format!("the output of {} and --stats both go to the same file", path.display());
            return Err(Error::usage(message));
        }
        let made = fs::create_dir_all(directory).map_err(|e| Error::io("cannot create the directory", e));
        made.map_err(|e| {
            e.in_file(directory).hint("outputs of several files go to a directory, or in one: --merge")
        })?;
    }
    let read: Vec<&Path> =
        modules.iter().map(|(_, path)| path.as_path()).chain(request.base.as_deref()).collect();
    let merged = match &request.outputs {
        Outputs::Merged(destination) => Some(Target::new(destination, &read)?),
        _ => None,
    };
    let stats = request.stats.as_ref().map(|stats| Target::new(stats, &read)).transpose()?;
    if let (Some(stats), Some(merged)) = (&stats, &merged)
        && stats.collides_with(merged)
    {
        return Err(Error::usage("the output and --stats both go to the same file"));
    }
    // The small ones that follow do not need what the large ones did.
    return_freed_memory();
    // The largest first: one that begins last would have a worker of its own in the end, and what is left needs less and
    // less memory.
    modules.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));

    // Each is work for one, and a large one for several: half of it is debugging information.
    let work = |(size, _): &(u64, PathBuf)| (size / 2).div_ceil(BYTES_PER_WORKER).max(1);
    let most = usize::try_from(modules.iter().map(work).fold(0, u64::saturating_add)).unwrap_or(usize::MAX);
    let mut base_file = request.base.as_deref().map(BaseFile::open).transpose()?;
    let base_size = base_file.as_ref().map(BaseFile::size).transpose()?.unwrap_or_default();
    let of_base = base_memory(base_size.bytes).saturating_add(base_size.held_bytes);
    let mut rest = Rest::new(&modules, of_base, &request.options.search, request.jobs.count());
    let mut share = Share::take(&Work {
        label: "modules",
        jobs: request.jobs,
        wishes: &request.wishes,
        most,
        kind: Kind { class: BATCH, point: &|workers| rest.point(workers), margin: rest.margin },
    })?;
    let btf = base_file.as_mut().map(BaseFile::btf).transpose()?;
    let base = btf.as_ref().map(Base::new);
    let (workers, each) = teams(share.jobs().get(), modules.len());
    let each = Jobs::exactly(each);
    let (mut done, mut empty, mut failed, mut deaf) = (0, 0, 0, false);
    let wanted = request.verbose || stats.is_some();
    let mut report = Report::default();
    // By path, for what all of them become does not depend on who was first.
    let mut kept = BTreeMap::new();
    let bar = Bar::new(request.progress, "modules");
    let teams = (0..workers).map(|_| Workers::new(each)).collect::<Result<Vec<_>>>()?;
    // Teams of several have one file each, and nothing to begin later: there the workers are made fewer.
    let whole = Throttle::default();
    let of_teams = if each.count() == 1 { share.throttle() } else { &whole };
    let work = |team: usize, number: usize, (_, path): &(u64, PathBuf)| {
        let is_scarce = share.throttle().limit() < workers;
        if let Some((_, later)) = modules.get(number + workers).filter(|_| !is_scarce) {
            tree::read_ahead(later);
        }
        let of_workers = if each.count() == 1 { &whole } else { share.throttle() };
        let throttle = of_workers.starting_at(team * each.count());
        module(request, base.as_ref(), path, each, throttle)
    };
    tree::each(&modules, &teams, of_teams, work, |number, (_, path), mut result| {
        done += 1;
        if let Some(bytes) = rest.end(number, share.jobs().get()) {
            share.needs(bytes);
        }
        bar.show(done, modules.len());
        bar.suspend(|| tell_result(request, path, &result, &mut deaf));
        failed += usize::from(result.is_err());
        match &result {
            Ok(Done { report: Some(one), .. }) if wanted => report.add(one),
            Ok(Done { report: None, .. }) => empty += 1,
            _ => {}
        }
        if let Some(btf) = result.as_mut().ok().and_then(|done| done.kept.take()) {
            kept.insert(&modules[number].1, btf);
        }
    });
    let Taken { peak, pressure } = share.give_back();
    bar.clear();
    if failed == 0 {
        share.remember(peak);
    }
    if failed > 0 {
        let whole = if merged.is_some() { "; nothing was written" } else { "" };
        tell(&format!("btfgen: {failed} of {} modules failed{whole}\n", modules.len()));
    } else if let Some(target) = merged {
        let bytes = put_together(&kept, base.as_ref(), request.options.order)?;
        report.output_bytes = bytes.len() as u64;
        target.stage(vec![&bytes])?.commit()?;
    }
    if wanted {
        report.jobs = share.jobs().get();
        report.memory.sample();
        report.memory.anon_bytes = report.memory.anon_bytes.max(peak);
        let run = Run {
            input: Input::Modules { all: modules.len(), empty, failed },
            output: request.outputs.path(),
            base: request.base.as_deref(),
            options: &request.options,
            report: &report,
            wall: start.elapsed(),
            cpu: process_cpu(),
            footprint: Footprint::of(std::process::id()),
            pressure,
        };
        if let Some(target) = &stats {
            target.stage(vec![&report::json(&run)])?.commit()?;
        }
        if request.verbose {
            tell(&report::tree(&run));
        }
    }
    // They go with the process, which ends now.
    std::mem::forget(base);
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// How many files are encoded at the same time on so many workers, and on how many each. Where there are few files for
/// many CPUs, each gets several.
fn teams(workers: usize, files: usize) -> (usize, usize) {
    let teams = workers.min(files).max(1);
    (teams, workers / teams)
}

/// The files that are not done yet, and the memory that they can take.
struct Rest<'m> {
    /// With their sizes in bytes, the largest first.
    modules: &'m [(u64, PathBuf)],
    search: &'m Search,
    is_done: Vec<bool>,
    /// All before this are done.
    first: usize,
    /// What the base takes, in bytes.
    base: u64,
    /// The size of the largest that was left at the last look, in bytes.
    looked_at: u64,
    /// What is known of the largest of those.
    largest: Vec<Features>,
    /// How many times what is expected is reserved, if nothing is remembered.
    margin: f64,
}

/// For each worker so many files are looked at: what takes more is not always larger.
const LOOKED_AT: usize = 4;

impl<'m> Rest<'m> {
    fn new(modules: &'m [(u64, PathBuf)], base: u64, search: &'m Search, workers: usize) -> Self {
        let (is_done, largest) = (vec![false; modules.len()], Vec::new());
        let mut rest = Rest { modules, search, is_done, first: 0, base, looked_at: 0, largest, margin: 1.0 };
        rest.look(workers);
        rest
    }

    /// Finds out what the largest take.
    fn look(&mut self, workers: usize) {
        let left = self.modules.iter().zip(&self.is_done).skip(self.first).filter(|(_, is_done)| !**is_done);
        self.looked_at = left.clone().next().map_or(0, |((size, _), _)| *size);
        self.largest.clear();
        for ((size, path), _) in left.take(workers.saturating_mul(LOOKED_AT)) {
            let is_plain = path.extension().is_some_and(|ending| ending == "ko");
            let image = is_plain.then(|| Image::open(path).ok()).flatten();
            let files = image.as_ref().and_then(|image| Files::open(image, self.search).ok());
            let features = match files {
                Some(files) => share::features(&files, BaseSize::default()),
                // Decompressing is most of the work. Debugging information is packed to a sixth or more.
                None => Features {
                    info_bytes: 3 * size,
                    copied_bytes: 9 * size,
                    is_relocatable: true,
                    ..Features::default()
                },
            };
            self.margin = self.margin.max(features.margin());
            self.largest.push(features);
        }
    }

    /// One is done. What is expected to be taken from here on, in bytes, if that is worth another look: each takes
    /// time, and what is left is half as large.
    fn end(&mut self, number: usize, workers: usize) -> Option<u64> {
        if let Some(is_done) = self.is_done.get_mut(number) {
            *is_done = true;
        }
        while self.is_done.get(self.first) == Some(&true) {
            self.first += 1;
        }
        let (largest, _) = self.modules.get(self.first)?;
        if *largest > self.looked_at / 2 {
            return None;
        }
        self.look(workers);
        Some(self.point(workers))
    }

    /// What is expected of the anonymous memory at its peak from here on, in bytes, on so many workers: those that take
    /// the most at the same time.
    fn point(&self, workers: usize) -> u64 {
        let (teams, each) = teams(workers, self.modules.len());
        let mut points: Vec<u64> = self.largest.iter().map(|features| features.point(each)).collect();
        points.sort_unstable_by(|a, b| b.cmp(a));
        points.into_iter().take(teams).fold(self.base, u64::saturating_add)
    }
}

fn output_in(directory: &Path, path: &Path) -> PathBuf {
    let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    directory.join(tree::stem(path).unwrap_or_else(name) + ".btf")
}

/// One BTF of all.
fn put_together(
    btfs: &BTreeMap<&PathBuf, Vec<u8>>,
    base: Option<&Base<'_>>,
    order: Order,
) -> Result<Vec<u8>> {
    let parse = |bytes| base.map_or_else(|| Btf::parse(bytes), |base| Btf::parse_split(bytes, base.btf()));
    let parsed = btfs.values().map(|bytes| parse(bytes.as_slice())).collect::<Result<Vec<_>>>()?;
    union(&parsed, base, order)
}

/// What became of a module.
struct Done {
    bytes: usize,
    report: Option<Report>,
    /// The BTF, if it is to be put together with others.
    kept: Option<Vec<u8>>,
}

fn module<'b>(
    request: &Request,
    base: Option<&'b Base<'b>>,
    path: &Path,
    jobs: Jobs,
    throttle: Throttle,
) -> Result<Done> {
    encode(request, base, path, jobs, throttle).map_err(|e| e.in_file(path))
}

fn encode<'b>(
    request: &Request,
    base: Option<&'b Base<'b>>,
    path: &Path,
    jobs: Jobs,
    throttle: Throttle,
) -> Result<Done> {
    let destination = match &request.outputs {
        Outputs::InPlace => Some(Destination::Input(path.to_owned())),
        Outputs::Directory(directory) => Some(Destination::File(output_in(directory, path))),
        Outputs::Merged(_) => None,
    };
    let read: Vec<&Path> = [path].into_iter().chain(request.base.as_deref()).collect();
    let target = destination.as_ref().map(|destination| Target::new(destination, &read)).transpose()?;
    signals::expect_of(path);
    let image = Image::open(path)?;
    let in_place = matches!(destination, Some(Destination::Input(_)));
    if in_place && image.is_unpacked() {
        return Err(
            Error::input("is compressed as a whole").hint("decompress it, or have the output elsewhere: -o")
        );
    }
    let files = Files::open(&image, &request.options.search)?;
    if let Some(base) = base
        && has_nothing(&files)
    {
        let empty = Writer::new(base.btf().endian()).finish(false)?;
        if let Some(target) = target.filter(|_| !in_place) {
            target.stage(vec![&empty])?.commit()?;
        }
        return Ok(Done { bytes: empty.len(), report: None, kept: None });
    }
    let mut encoder = Encoder::new(request.options.clone()).throttle(throttle).jobs(match jobs.count() {
        1 => jobs,
        count => Jobs::exactly(count.min(share::features(&files, BaseSize::default()).most_workers())),
    });
    if let Some(base) = base {
        encoder = encoder.base(base);
    }
    let encoded = encoder.encode_files(&files)?;
    let (btf, distilled) = (encoded.btf.as_slice(), encoded.distilled_base.as_deref());
    let done = Done { bytes: btf.len(), report: Some(encoded.report), kept: None };
    let (Some(destination), Some(target)) = (&destination, &target) else {
        return Ok(Done { kept: Some(encoded.btf), ..done });
    };
    if in_place {
        let rewrite = rewritten(&image, btf, distilled, request.signature)?;
        target.stage(rewrite.pieces().collect())?.commit()?;
    } else {
        // Both are whole before either appears.
        let beside = destination.beside("base").filter(|_| distilled.is_some());
        let beside = beside.as_ref().map(|beside| Target::new(beside, &read)).transpose()?;
        let base =
            beside.as_ref().zip(distilled).map(|(target, base)| target.stage(vec![base])).transpose()?;
        let staged = target.stage(vec![btf])?;
        base.map_or(Ok(()), Staged::commit)?;
        staged.commit()?;
    }
    Ok(done)
}

/// The line of one module. Errors go to standard error, unless the results are JSON.
fn tell_result(request: &Request, path: &Path, result: &Result<Done>, deaf: &mut bool) {
    let name = path.display();
    let count = |report: &Option<Report>, of: fn(&Report) -> u64| report.as_ref().map_or(0, of);
    let types = |report: &Report| report.types_out.values().sum();
    let functions = |report: &Report| report.functions.encoded;
    let line = match result {
        Ok(Done { bytes, report, .. }) if request.json => json!({
            "module": name.to_string(),
            "ok": true,
            "bytes": bytes,
            "types": count(report, types),
            "functions": count(report, functions),
            "has_dwarf": report.is_some(),
        })
        .to_string(),
        Err(error) if request.json => {
            json!({ "module": name.to_string(), "ok": false, "error": error.to_string() }).to_string()
        }
        Ok(Done { bytes, report: Some(report), .. }) => format!(
            "{}: {bytes} bytes, {} types, {} functions",
            one_line(&name.to_string()),
            types(report),
            functions(report)
        ),
        Ok(_) => format!("{}: nothing to encode", one_line(&name.to_string())),
        Err(error) => return complain(error),
    };
    if *deaf {
        return;
    }
    // Nobody reads the lines any more; the files are wanted all the same.
    if !matches!(output::print((line + "\n").as_bytes()), Ok(true)) {
        *deaf = true;
    }
}
