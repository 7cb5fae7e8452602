//! Stages in bytes of `.debug_info` per second, on one thread: `cargo bench --bench stages`.
//!
//! `BTFGEN_BENCH_VMLINUX` names the file, by default `testdata/small/demo.elf`; `BTFGEN_BENCH_SECONDS` is how long
//! each stage is repeated, by default 3. What counts is the median; the fastest run tells how quiet the machine was.
#![allow(missing_docs, clippy::print_stdout)]

use std::env;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use btfgen::btf::{Btf, CheckOptions, Level, Levels, check};
use btfgen::dwarf::{self, Die, Layouts, Program, Unit, Visitor};
use btfgen::{DebugSections, Encoder, Image, Jobs, Options, Result};

fn main() -> Result<()> {
    // `cargo test --benches` starts a bench with this argument; it then only has to work.
    let once = !env::args().any(|arg| arg == "--bench");
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/small/demo.elf");
    let path = env::var_os("BTFGEN_BENCH_VMLINUX").unwrap_or_else(|| default.into());
    let seconds = env::var("BTFGEN_BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(3.0);
    let budget = if once { Duration::ZERO } else { Duration::from_secs_f64(seconds) };

    let image = Image::open(&path)?;
    let sections = DebugSections::read(&image)?;
    let program = sections.program()?;
    let units = program.units();
    let encoder = Encoder::new(Options::default()).jobs(Jobs::Exactly(NonZeroUsize::MIN));
    let output = encoder.encode(&image)?.btf;
    let btf = Btf::parse(&output)?;
    let levels = |levels: Levels| CheckOptions { levels, ..CheckOptions::default() };
    let kernels = Levels::NONE.with(Level::Container).with(Level::Records);

    let info = program.files()[0].info.len();
    println!(
        "{}: {info} bytes of .debug_info, {} units, {} bytes of BTF",
        path.display(),
        units.len(),
        output.len()
    );
    println!(
        "{:<34} {:>6} {:>12} {:>12} {:>10} {:>10}",
        "stage", "runs", "median ms", "fastest ms", "MB/s", "per DIE"
    );
    let mut dies = Dies::default();
    walk(&program, &mut dies)?;
    let stage = |name: &str, run: &dyn Fn() -> Result<()>| -> Result<()> {
        let mut times = repeat(budget, run)?;
        times.sort_unstable();
        let (fastest, median) = (times[0].as_secs_f64(), times[times.len() / 2].as_secs_f64());
        let (rate, per_die) = (info as f64 / median / 1e6, median * 1e9 / dies.seen as f64);
        println!(
            "{name:<34} {:>6} {:>12.3} {:>12.3} {rate:>10.0} {per_die:>7.2} ns",
            times.len(),
            median * 1e3,
            fastest * 1e3
        );
        Ok(())
    };
    stage("list units", &|| Program::new(program.files().to_vec()).map(|program| drop(black_box(program))))?;
    stage("  + compile layouts", &|| prepare(&program))?;
    stage("  + walk, empty visitor", &|| walk(&program, &mut Dies::default()))?;
    stage("whole encode, 1 worker", &|| encoder.encode(&image).map(|output| drop(black_box(output))))?;
    stage("read BTF", &|| Btf::parse(&output).map(|btf| read(&btf)))?;
    stage("check BTF, what kernels check", &|| {
        black_box(check(&btf, &levels(kernels)));
        Ok(())
    })?;
    stage("check BTF, all levels", &|| {
        black_box(check(&btf, &levels(Levels::ALL)));
        Ok(())
    })
}

/// Enough for a median of what takes nanoseconds.
const MAX_RUNS: usize = 10_000;

/// Times of `run`, repeated until the budget is spent: once at least.
fn repeat(budget: Duration, run: &dyn Fn() -> Result<()>) -> Result<Vec<Duration>> {
    let start = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || times.len() < MAX_RUNS && start.elapsed() < budget {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    Ok(times)
}

fn prepare(program: &Program<'_>) -> Result<()> {
    let mut layouts = Layouts::default();
    let compile = |unit| layouts.compile(program.sections(unit).abbrev, black_box(unit));
    program.units().iter().try_for_each(compile)
}

fn walk(program: &Program<'_>, visitor: &mut Dies) -> Result<()> {
    let mut layouts = Layouts::default();
    for header in program.units() {
        layouts.compile(program.sections(header).abbrev, header)?;
        dwarf::walk(&Unit::new(program, *header, &layouts)?, &layouts, visitor)?;
    }
    black_box(visitor.seen);
    Ok(())
}

/// Counts DIEs, and does nothing else with them.
#[derive(Default)]
struct Dies {
    seen: u64,
}

impl Visitor for Dies {
    fn enter(&mut self, die: &Die<'_, '_>) -> Result<()> {
        black_box(die);
        self.seen += 1;
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Reads every type with its name and what it consists of.
fn read(btf: &Btf<'_>) {
    for ty in btf.types() {
        black_box((ty.name(), ty.target()));
        for member in ty.members() {
            black_box(member);
        }
        for param in ty.params() {
            black_box(param);
        }
        for enumerator in ty.enumerators() {
            black_box(enumerator);
        }
    }
}
