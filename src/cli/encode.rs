//! Carries out an encode: open, encode, write, and report if asked.
//!
//! Nothing is written before the whole output exists and was checked.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use btfgen::admission::footprint::Footprint;
use btfgen::btf::{Endian, Writer};
use btfgen::elf::insert::{Change, Rewrite, Signature, set_sections};
use btfgen::report::{Phase, process_cpu};
use btfgen::{Base, Encoder, Error, Features, Files, Image, Jobs, Options, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::admit::Wishes;
use super::output::{self, Destination, Staged, Target};
use super::report::{self, Run};
use super::share::Share;
use super::source::BaseFile;
use super::watch::Taken;
use super::{one_line, signals, tell};

/// What a module without DWARF is, whose BTF would be split from a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithoutDwarf {
    /// A mistake.
    Error,
    /// Nothing to encode: builds call for every module, and some hold nothing but assembler.
    Nothing,
}

/// An encode as any command line asks for it.
#[derive(Debug)]
pub(crate) struct Request {
    /// The ELF file.
    pub(crate) input: PathBuf,
    /// What the output continues.
    pub(crate) base: Option<PathBuf>,
    /// Where the BTF goes; the distilled base goes beside it, or into the same file.
    pub(crate) output: Destination,
    /// What becomes of the signature of an input that is the output, too.
    pub(crate) signature: Signature,
    /// What to do if there is nothing to encode.
    pub(crate) without_dwarf: WithoutDwarf,
    /// What is encoded.
    pub(crate) options: Options,
    /// On how many workers.
    pub(crate) jobs: Jobs,
    /// How to share the machine.
    pub(crate) wishes: Wishes,
    /// Where the figures go as JSON.
    pub(crate) stats: Option<Destination>,
    /// The figures go to standard error as a tree.
    pub(crate) verbose: bool,
    /// A bar shows on standard error how far it is, if that is a terminal.
    pub(crate) progress: bool,
}

/// Carries it out.
///
/// # Errors
/// The input cannot be encoded, or the system refused. Then no output was touched.
pub(crate) fn run(request: &Request) -> Result<()> {
    let start = Instant::now();
    let input = request.input.as_path();
    if input.as_os_str() == "-" {
        return Err(Error::usage("the input cannot be standard input").hint("give the path of a file"));
    }
    // A pipe or a device would block or cannot be mapped. What does not exist or is a directory, the library says.
    if fs::metadata(input).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        return Err(Error::input("is not a regular file").in_file(input));
    }
    let read: Vec<&Path> = [input].into_iter().chain(request.base.as_deref()).collect();
    let output = Target::new(&request.output, &read)?;
    let distilled = distilled_destination(request)?;
    let distilled = distilled.as_ref().map(|path| Target::new(path, &read)).transpose()?;
    let stats = request.stats.as_ref().map(|stats| Target::new(stats, &read)).transpose()?;
    for (other, name) in [(&distilled, "the distilled base"), (&stats, "--stats")] {
        if other.as_ref().is_some_and(|other| other.collides_with(&output)) {
            let what = request.output.path().display();
            return Err(Error::usage(format!("the output and {name} both go to {what}")));
        }
    }
    if let (Some(stats), Some(distilled)) = (&stats, &distilled)
        && stats.collides_with(distilled)
    {
        return Err(Error::usage("the distilled base and --stats both go to the same file"));
    }
    if request.output == Destination::Stdout && output::stdout_is_terminal() {
        return Err(Error::usage("the output is binary and standard output is a terminal")
            .hint("redirect it, or name a file"));
    }

    let mut base_file = request.base.as_deref().map(BaseFile::open).transpose()?;
    let base_size = base_file.as_ref().map(BaseFile::size).transpose()?.unwrap_or_default();

    // From here on the input is mapped, and may shrink under our hands.
    signals::expect_of(input);
    let (image, map) = timed("map", || Image::open(input));
    let image = image?;
    let (files, open) = timed("open", || Files::open(&image, &request.options.search));
    let files = files.map_err(|e| e.in_file(image.path()))?;
    if let Some(base) = &mut base_file
        && request.without_dwarf == WithoutDwarf::Nothing
        && has_nothing(&files)
    {
        return write_nothing(request, &output, base.btf()?.endian());
    }
    let bar = Bar::new(request.progress, "units");
    let mut share = Share::for_encode(&files, base_size, request.jobs, &request.wishes)?;
    let base_btf = base_file.as_mut().map(BaseFile::btf).transpose()?;
    let (base, index) = timed("index", || base_btf.as_ref().map(Base::new));
    let progress = |begun, total| bar.show(begun, total);
    let mut encoder = Encoder::new(request.options.clone())
        .jobs(Jobs::Exactly(share.jobs()))
        .progress(&progress)
        .throttle(share.throttle().clone());
    if let Some(base) = &base {
        encoder = encoder.base(base);
    }
    let encoded = encoder.encode_files(&files);
    let Taken { peak, pressure } = share.give_back();
    bar.clear();
    let btfgen::Output { btf, distilled_base, mut report, .. } = encoded?;
    share.remember(peak);

    let rewrite = match &request.output {
        Destination::Input(path) => {
            let rewrite = rewritten(&image, &btf, distilled_base.as_deref(), request.signature);
            Some(rewrite.map_err(|e| e.in_file(path))?)
        }
        _ => None,
    };
    let pieces = rewrite.as_ref().map_or_else(|| vec![btf.as_slice()], |rewrite| rewrite.pieces().collect());
    let results =
        [Some((&output, pieces)), distilled.as_ref().zip(distilled_base.as_deref().map(|base| vec![base]))];
    let (staged, save) = timed("save", || {
        let results = results.into_iter().flatten();
        results.map(|(target, pieces)| target.stage(pieces)).collect::<Result<Vec<_>>>()
    });
    let mut staged = staged?;
    let index = base.is_some().then_some(index);
    report.phases.splice(0..0, [map, open].into_iter().chain(index));
    report.phases.push(save);
    report.memory.sample();
    report.memory.anon_bytes = report.memory.anon_bytes.max(peak);
    let (wall, cpu) = (start.elapsed(), process_cpu());
    // The system counts pages for it: only if somebody wants to know.
    let wanted = request.verbose || stats.is_some();
    let footprint = wanted.then(|| Footprint::of(std::process::id())).flatten();
    let run = Run {
        input: report::Input::File(input),
        output: Some(request.output.path()),
        base: request.base.as_deref(),
        options: &request.options,
        report: &report,
        wall,
        cpu,
        footprint,
        pressure,
    };
    let json = stats.as_ref().map(|_| report::json(&run));
    if let (Some(target), Some(json)) = (&stats, &json) {
        staged.push(target.stage(vec![json])?);
    }
    // What may still fail comes first: a rename hardly does.
    staged.sort_by_key(Staged::is_whole);
    staged.into_iter().try_for_each(Staged::commit)?;
    if request.verbose {
        tell(&report::tree(&run));
    }
    Ok(())
}

/// The file of an image, with its BTF and its distilled base as sections.
///
/// # Errors
/// They cannot be put there, see [`set_sections`].
pub(crate) fn rewritten<'a>(
    image: &'a Image,
    btf: &'a [u8],
    distilled_base: Option<&'a [u8]>,
    signature: Signature,
) -> Result<Rewrite<'a>> {
    let base = Change { name: b".BTF.base", content: distilled_base };
    set_sections(image.bytes(), &[Change { name: b".BTF", content: Some(btf) }, base], signature)
}

/// True if neither a file nor those that it refers to hold debugging information.
pub(crate) fn has_nothing(files: &Files<'_>) -> bool {
    [files.image(), files.debug()].into_iter().all(|image| image.dwarf_sections().next().is_none())
}

/// The output for a module without DWARF: none in the module itself, but a file that was named must exist.
fn write_nothing(request: &Request, output: &Target<'_>, endian: Endian) -> Result<()> {
    let input = one_line(&request.input.to_string_lossy());
    tell(&format!("btfgen: warning: {input}: has no DWARF debugging information, and gets no BTF\n"));
    match request.output {
        Destination::Input(_) => Ok(()),
        _ => output.stage(vec![&Writer::new(endian).finish(false)?])?.commit(),
    }
}

/// Where the distilled base goes, if it is wanted: beside the output.
fn distilled_destination(request: &Request) -> Result<Option<Destination>> {
    if !request.options.features.contains(Features::DISTILLED_BASE) {
        return Ok(None);
    }
    if request.base.is_none() {
        return Err(Error::usage("there is no base to distill").hint("name it with --base"));
    }
    match &request.output {
        Destination::Stdout => Err(Error::usage("two files cannot both go to standard output")
            .hint("name the output; the distilled base goes beside it")),
        output => Ok(output.beside("base")),
    }
}

/// Runs a stage that is no business of the library, and times it as the library times its own.
fn timed<T>(name: &'static str, stage: impl FnOnce() -> T) -> (T, Phase) {
    let (wall, cpu) = (Instant::now(), process_cpu());
    let result = stage();
    let cpu = process_cpu().saturating_sub(cpu);
    (result, Phase { name, wall: wall.elapsed(), cpu, parallel: false })
}

/// A run shorter than this shows no bar: it would flash and be gone.
const BAR_AFTER: Duration = Duration::from_millis(500);

/// A bar on standard error, if that is a terminal, for runs that are long.
pub(crate) struct Bar {
    start: Instant,
    /// What is counted.
    of: &'static str,
    wanted: bool,
    bar: OnceLock<ProgressBar>,
}

impl Bar {
    pub(crate) fn new(wanted: bool, of: &'static str) -> Self {
        let wanted = wanted && io::stderr().is_terminal();
        Bar { start: Instant::now(), of, wanted, bar: OnceLock::new() }
    }

    /// Called for each of them, by any worker.
    pub(crate) fn show(&self, begun: usize, total: usize) {
        if !self.wanted || self.start.elapsed() < BAR_AFTER {
            return;
        }
        let bar = self.bar.get_or_init(|| {
            let target = ProgressDrawTarget::stderr();
            let style = ProgressStyle::with_template(&format!("{{bar:40}} {{pos}}/{{len}} {}", self.of));
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(Some(total as u64), target).with_style(style)
        });
        bar.set_position(begun as u64);
    }

    /// Does something while the bar is out of the way.
    pub(crate) fn suspend(&self, act: impl FnOnce()) {
        match self.bar.get() {
            Some(bar) => bar.suspend(act),
            None => act(),
        }
    }

    pub(crate) fn clear(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
