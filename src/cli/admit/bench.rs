//! `btfgen admit bench`: what several copies of a command at the same time cost and bring, under the limiter.
//!
//! In: a command. For every number j up to the one that was asked for, j copies of it begin together, several times
//! over; with `--mem` each of them waits for room first. Out: figures as a table or as JSON, and curves as an SVG.
//! Repetitions go round the numbers of copies, so that a machine that becomes slower meanwhile does so for all of them.
//!
//! # The figures
//!
//! * `T_j`: the time from the start of the first copy to the end of the last one.
//! * `S_j = j T_1 / T_j`: how many times as fast j copies are done as one after the other.
//! * `M_j = S_j / S_(j-1)`: what the last copy added.
//! * `E_j = S_j / j`: the part of each copy's share of the machine that was of use.
//!
//! Memory is sampled over the trees of processes of all copies, as often as costs no more than a tenth of a CPU, at
//! most every 10 ms: shorter peaks are missed. The forecast is what `--mem` said; its error is the peak that was seen of
//! a copy (what cannot be dropped, as the ledger counts it) divided by it. What was reserved and not used is the
//! difference of the two over time, of all copies together, in bytes times seconds.
//!
//! The time in which somebody waited for memory is what the system says of the control group, or of the whole system
//! where groups do not tell: what else runs there has its part in it.
//!
//! # The JSON
//!
//! One object. Within one `schema_version` keys are added, never removed or given another meaning. Times are in
//! seconds, sizes in bytes; a spread is `{median, min, max}` over the repetitions. What does not apply is null.
//!
//! ```text
//! schema_version   1
//! command          [ARG...] as typed
//! repeat           repetitions
//! mem_bytes        what each copy reserved, null if none did
//! cpus             CPUs that there are
//! series           one object for each number of copies:
//!   jobs             j
//!   time_seconds     spread of T_j
//!   speedup          spread of S_j
//!   marginal_gain    spread of M_j, null for the first
//!   efficiency       spread of E_j
//!   peak_rss_bytes   spread of the highest sum of RSS
//!   peak_pss_bytes   spread of the highest sum of PSS, null if the system does not tell
//!   wait_seconds     {p50, p95, max} of the copies' waits for room, null if none reserved
//!   forecast_ratio   {median, min, max} over the copies, of peak / forecast, null without one
//!   unused_byte_seconds   spread of what was reserved and not used, null if not all reserved
//!   memory_stall_seconds  spread of the time in which somebody waited for memory, null if the system does not tell
//!   failed           copies that did not end with status 0
//! ```

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use btfgen::admission::Root;
use btfgen::admission::footprint::tree_footprint;
use btfgen::admission::gates::Gates;
use btfgen::admission::ledger::Offer;
use btfgen::admission::limits::Cpus;
use btfgen::admission::pressure::{Pressure, Resource};
use btfgen::admission::size::show_bytes;
use btfgen::admission::tree_memory;
use btfgen::{Error, Result};
use clap::Args;
use serde_json::{Value, json};

use super::super::{one_line, output, tell};
use super::chart::{self, Curve, Panel, Point};
use super::{Wishes, bytes, supervise};

/// More copies than this are a mistake.
const MAX_JOBS: usize = 256;

/// The options of `btfgen admit bench`.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Numbers of copies, from one on
    #[arg(long, value_name = "1..N", value_parser = jobs)]
    jobs: usize,

    /// How often each number is tried
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,

    /// Memory that each copy waits for; without it, none waits but those commands that do so themselves, as encodes do
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    mem: Option<u64>,

    /// The figures as JSON
    #[arg(long)]
    json: bool,

    /// Draw the curves into a file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    #[command(flatten)]
    wishes: Wishes,

    /// The command and its arguments; {} in an argument becomes the number of the copy, from 1 on
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

fn jobs(text: &str) -> Result<usize, String> {
    let last = text.strip_prefix("1..").map_or(text, |rest| rest.strip_prefix('=').unwrap_or(rest));
    let last = last.parse().ok().filter(|last| (1..=MAX_JOBS).contains(last));
    last.ok_or_else(|| format!("not 1..N with N up to {MAX_JOBS}"))
}

/// One copy of a command that ran.
struct Copy {
    /// How long it waited for room, if it asked for any.
    waited: Option<Duration>,
    /// The most that was seen of what it had, in bytes.
    peak: u64,
    ended_well: bool,
}

/// Some copies that ran together.
struct Trial {
    time: Duration,
    rss: u64,
    pss: Option<u64>,
    /// Reserved and not used, in bytes times seconds.
    unused: Option<f64>,
    /// How long somebody waited for memory meanwhile.
    stall: Option<Duration>,
    copies: Vec<Copy>,
}

/// Carries it out.
///
/// # Errors
/// The command cannot be run; the system refused; there is no room, and the user wants to hear of that.
pub(super) fn run(args: &BenchArgs) -> Result<ExitCode> {
    let wishes = args.wishes.with_environment()?;
    let mut trials: Vec<Vec<Trial>> = (0..args.jobs).map(|_| Vec::new()).collect();
    for _ in 0..args.repeat {
        for (count, trials) in (1..).zip(&mut trials) {
            trials.push(trial(args, &wishes, count)?);
        }
    }
    let series = series(args, &trials);
    if let Some(path) = &args.svg {
        let command: Vec<_> = args.command.iter().map(|arg| arg.to_string_lossy()).collect();
        let drawn = chart::svg(&one_line(&command.join(" ")), "copies at the same time", &panels(&series));
        fs::write(path, drawn).map_err(|e| Error::io("cannot write the curves", e).in_file(path))?;
    }
    let text = if args.json { format!("{:#}\n", report(args, &series)) } else { table(&series) };
    output::print(text.as_bytes())?;
    let failed: usize = series.iter().map(|row| row.failed).sum();
    if failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    tell(&format!("btfgen: error: {failed} copies failed\n"));
    Ok(ExitCode::FAILURE)
}

/// Runs so many copies at the same time.
fn trial(args: &BenchArgs, wishes: &Wishes, count: usize) -> Result<Trial> {
    // The process of each copy; 0 while it has none.
    let processes: Vec<AtomicU32> = (0..count).map(|_| AtomicU32::new(0)).collect();
    let done = AtomicBool::new(false);
    let stalled = || Pressure::here(&Root::system(), Resource::Memory).map(|memory| memory.some.total_us);
    let before = stalled();
    let start = Instant::now();
    let (ran, time, seen) = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| sample(&processes, args.mem.unwrap_or(0), &done));
        let copies: Vec<_> = (1..)
            .zip(&processes)
            .map(|(number, process)| scope.spawn(move || copy(args, wishes, number, process)))
            .collect();
        let ran: Vec<_> = copies.into_iter().map(|copy| copy.join()).collect();
        let time = start.elapsed();
        done.store(true, Ordering::Release);
        (ran, time, sampler.join())
    });
    let lost = || Error::io("a thread ended", std::io::ErrorKind::Other.into());
    let stall = before.zip(stalled()).and_then(|(before, after)| after.checked_sub(before));
    let seen = seen.map_err(|_| lost())?;
    let mut copies = Vec::with_capacity(count);
    for (copy, peak) in ran.into_iter().zip(seen.peaks) {
        copies.push(Copy { peak, ..copy.map_err(|_| lost())?? });
    }
    let unused = copies.iter().all(|copy| copy.waited.is_some()).then_some(seen.unused);
    Ok(Trial { time, rss: seen.rss, pss: seen.pss, unused, stall: stall.map(Duration::from_micros), copies })
}

/// Runs one copy, and says meanwhile which process it is.
fn copy(args: &BenchArgs, wishes: &Wishes, number: usize, process: &AtomicU32) -> Result<Copy> {
    let command: Vec<OsString> = args.command.iter().map(|arg| numbered(arg, number)).collect();
    let label = command.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    let start = Instant::now();
    let mut waited = None;
    let mut reservation = None;
    if let Some(bytes) = args.mem {
        let offers = vec![Offer { bytes, threads: 1 }];
        reservation = wishes.acquire(offers, &label.to_string_lossy(), None, Gates::none())?;
        waited = reservation.is_some().then(|| start.elapsed());
    }
    let mut child = supervise::start(&command, reservation.as_ref(), &[], supervise::Talk::Errors)?;
    process.store(child.id(), Ordering::Release);
    let status = child.wait();
    // Whoever has its number from here on is somebody else.
    process.store(0, Ordering::Release);
    let status = status.map_err(|e| Error::io("cannot wait for the command", e))?;
    Ok(Copy { waited, peak: 0, ended_well: status.success() })
}

/// An argument with the number of the copy in it.
fn numbered(arg: &OsStr, number: usize) -> OsString {
    let mut out = Vec::new();
    let mut rest = arg.as_bytes();
    while let Some(at) = rest.windows(2).position(|two| two == b"{}") {
        let (before, after) = rest.split_at(at);
        out.extend(before);
        out.extend(number.to_string().bytes());
        rest = after.get(2..).unwrap_or_default();
    }
    out.extend(rest);
    OsString::from_vec(out)
}

/// What was seen of the memory of some copies.
struct Seen {
    /// The highest sums, in bytes.
    rss: u64,
    pss: Option<u64>,
    /// The most that each had, in bytes.
    peaks: Vec<u64>,
    /// What they did not have of what was reserved, in bytes times seconds.
    unused: f64,
}

/// Looks at the memory of all copies until they are done, of which each has `reserved` bytes.
fn sample(processes: &[AtomicU32], reserved: u64, done: &AtomicBool) -> Seen {
    let mut seen = Seen { rss: 0, pss: Some(0), peaks: vec![0; processes.len()], unused: 0.0 };
    let mut before = Instant::now();
    while !done.load(Ordering::Acquire) {
        let start = Instant::now();
        let since = (start - before).as_secs_f64();
        before = start;
        let (mut rss, mut pss) = (0_u64, Some(0_u64));
        for (process, peak) in processes.iter().zip(&mut seen.peaks) {
            let pid = process.load(Ordering::Acquire);
            if pid == 0 {
                continue;
            }
            let (tree_rss, tree_pss) = tree_footprint(pid);
            rss = rss.saturating_add(tree_rss);
            pss = pss.zip(tree_pss).map(|(sum, tree)| sum.saturating_add(tree));
            let used = tree_memory(pid);
            *peak = (*peak).max(used);
            seen.unused += reserved.saturating_sub(used) as f64 * since;
        }
        seen.rss = seen.rss.max(rss);
        seen.pss = seen.pss.zip(pss).map(|(most, pss)| most.max(pss));
        // Looking takes a part of the machine that is measured.
        let pause = (9 * start.elapsed()).max(Duration::from_millis(10));
        let end = Instant::now() + pause.min(Duration::from_secs(1));
        while !done.load(Ordering::Acquire) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5).min(end.saturating_duration_since(Instant::now())));
        }
    }
    seen
}

/// The middle one of some figures and how far they go.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    /// Nothing of nothing.
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let values = sorted(values);
        Some(Spread { median: rank(&values, 0.5)?, min: *values.first()?, max: *values.last()? })
    }

    /// How often these go into so much.
    fn of_which(self, whole: f64) -> Spread {
        let parts = |value: f64| whole / value.max(1e-9);
        Spread { median: parts(self.median), min: parts(self.max), max: parts(self.min) }
    }

    fn json(self) -> Value {
        json!({ "median": self.median, "min": self.min, "max": self.max })
    }

    /// Sizes are whole bytes.
    fn json_bytes(self) -> Value {
        json!({ "median": self.median as u64, "min": self.min as u64, "max": self.max as u64 })
    }
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The smallest value that is not less than such a part of them.
fn rank(sorted: &[f64], part: f64) -> Option<f64> {
    let rank = (part * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

/// The figures of one number of copies.
struct Row {
    jobs: usize,
    time: Spread,
    speedup: Spread,
    gain: Option<Spread>,
    efficiency: Spread,
    rss: Spread,
    pss: Option<Spread>,
    /// Of the waits: the middle, 95 of 100, and the longest.
    waits: Option<[f64; 3]>,
    forecast: Option<Spread>,
    /// In bytes times seconds.
    unused: Option<Spread>,
    /// In seconds.
    stall: Option<Spread>,
    failed: usize,
}

fn series(args: &BenchArgs, trials: &[Vec<Trial>]) -> Vec<Row> {
    let times = |trials: &[Trial]| Spread::of(trials.iter().map(|trial| trial.time.as_secs_f64()));
    let one = trials.first().and_then(|first| times(first)).map_or(0.0, |time| time.median);
    let mut rows: Vec<Row> = Vec::with_capacity(trials.len());
    for (jobs, trials) in (1..).zip(trials) {
        let before = rows.last().map(|row| row.speedup.median);
        // What is not known of all of them is not known.
        let all = |of: &dyn Fn(&Trial) -> Option<f64>| {
            trials.iter().map(of).collect::<Option<Vec<f64>>>().and_then(Spread::of)
        };
        let copies = || trials.iter().flat_map(|trial| &trial.copies);
        let waits = sorted(copies().filter_map(|copy| copy.waited).map(|wait| wait.as_secs_f64()));
        let forecast = args.mem.filter(|&mem| mem > 0).map(|mem| mem as f64);
        let rss = Spread::of(trials.iter().map(|trial| trial.rss as f64));
        let (Some(time), Some(rss)) = (times(trials), rss) else { continue };
        let speedup = time.of_which(jobs as f64 * one);
        rows.push(Row {
            jobs,
            time,
            speedup,
            gain: before.map(|before| time.of_which(jobs as f64 * one / before)),
            efficiency: time.of_which(one),
            rss,
            pss: all(&|trial| trial.pss.map(|pss| pss as f64)),
            waits: rank(&waits, 0.5).zip(rank(&waits, 0.95)).zip(waits.last()).map(|((a, b), c)| [a, b, *c]),
            forecast: forecast.and_then(|f| Spread::of(copies().map(|copy| copy.peak as f64 / f))),
            unused: all(&|trial| trial.unused).filter(|_| forecast.is_some()),
            stall: all(&|trial| trial.stall.map(|stall| stall.as_secs_f64())),
            failed: copies().filter(|copy| !copy.ended_well).count(),
        });
    }
    rows
}

fn report(args: &BenchArgs, series: &[Row]) -> Value {
    let row = |row: &Row| {
        json!({
            "jobs": row.jobs,
            "time_seconds": row.time.json(),
            "speedup": row.speedup.json(),
            "marginal_gain": row.gain.map(Spread::json),
            "efficiency": row.efficiency.json(),
            "peak_rss_bytes": row.rss.json_bytes(),
            "peak_pss_bytes": row.pss.map(Spread::json_bytes),
            "wait_seconds": row.waits.map(|[p50, p95, max]| json!({ "p50": p50, "p95": p95, "max": max })),
            "forecast_ratio": row.forecast.map(Spread::json),
            "unused_byte_seconds": row.unused.map(Spread::json_bytes),
            "memory_stall_seconds": row.stall.map(Spread::json),
            "failed": row.failed,
        })
    };
    json!({
        "schema_version": 1,
        "command": args.command.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>(),
        "repeat": args.repeat,
        "mem_bytes": args.mem,
        "cpus": Cpus::read(&Root::system()).count().get(),
        "series": series.iter().map(row).collect::<Vec<_>>(),
    })
}

fn table(series: &[Row]) -> String {
    let mut text = format!(
        "{:>4} {:>9} {:>19} {:>6} {:>6} {:>6} {:>12} {:>12} {:>7}  {:>20} {:>6} {:>14}\n",
        "jobs",
        "T_j s",
        "min to max",
        "S_j",
        "M_j",
        "E_j",
        "peak RSS",
        "peak PSS",
        "stall s",
        "waits p50/p95/max s",
        "use",
        "unused"
    );
    for row in series {
        let unknown = || "-".to_owned();
        let spread = format!("{:.3} to {:.3}", row.time.min, row.time.max);
        let gain = row.gain.map_or_else(unknown, |gain| format!("{:.2}", gain.median));
        let size = |spread: Spread| show_bytes(spread.median as u64);
        let waits = row.waits.map_or_else(unknown, |[a, b, c]| format!("{a:.2}/{b:.2}/{c:.2}"));
        let used = row.forecast.map_or_else(unknown, |ratio| format!("{:.2}", ratio.median));
        let stall = row.stall.map_or_else(unknown, |stall| format!("{:.3}", stall.median));
        let unused = row.unused.map_or_else(unknown, |unused| size(unused) + " s");
        text.push_str(&format!(
            "{:>4} {:>9.3} {:>19} {:>6.2} {:>6} {:>6.2} {:>12} {:>12} {:>7}  {:>20} {:>6} {:>14}\n",
            row.jobs,
            row.time.median,
            spread,
            row.speedup.median,
            gain,
            row.efficiency.median,
            size(row.rss),
            row.pss.map_or_else(unknown, size),
            stall,
            waits,
            used,
            unused
        ));
    }
    text
}

fn panels(series: &[Row]) -> Vec<Panel> {
    let curve = |name, unit: f64, of: &dyn Fn(&Row) -> Option<Spread>| {
        let point = |row: &Row| {
            let Spread { median, min, max } = of(row)?;
            Some(Point { x: row.jobs as f64, y: median / unit, spread: (min / unit, max / unit) })
        };
        Curve { name, points: series.iter().filter_map(point).collect(), is_ideal: false }
    };
    let ideal = |name, of: fn(f64) -> f64| {
        let point = |row: &Row| {
            let y = of(row.jobs as f64);
            Point { x: row.jobs as f64, y, spread: (y, y) }
        };
        Curve { name, points: series.iter().map(point).collect(), is_ideal: true }
    };
    const MIB: f64 = 1048576.0;
    vec![
        Panel {
            title: "Time",
            label: "T, seconds",
            curves: vec![curve("all copies", 1.0, &|row| Some(row.time))],
        },
        Panel {
            title: "Speed-up",
            label: "S, times one",
            curves: vec![curve("measured", 1.0, &|row| Some(row.speedup)), ideal("ideal", |jobs| jobs)],
        },
        Panel {
            title: "Efficiency, gain",
            label: "E, M",
            curves: vec![
                curve("efficiency", 1.0, &|row| Some(row.efficiency)),
                curve("gain of the last copy", 1.0, &|row| row.gain),
            ],
        },
        Panel {
            title: "Peak memory",
            label: "MiB, all copies",
            curves: vec![curve("RSS", MIB, &|row| Some(row.rss)), curve("PSS", MIB, &|row| row.pss)],
        },
    ]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_copies() {
        assert_eq!([jobs("1..8"), jobs("1..=4"), jobs("3"), jobs("1")], [Ok(8), Ok(4), Ok(3), Ok(1)]);
        for wrong in ["", "0", "2..4", "1..", "1..0", "1..257", "-1", "1...3", "x"] {
            assert!(jobs(wrong).is_err(), "{wrong}");
        }
        for (arg, with) in
            [("{}", "7"), ("a{}b{}", "a7b7"), ("{", "{"), ("{}{}", "77"), ("{{}}", "{7}"), ("", "")]
        {
            assert_eq!(numbered(OsStr::new(arg), 7), with);
        }
        assert_eq!(numbered(OsStr::from_bytes(b"\xff{}"), 1).as_bytes(), b"\xff1");
    }

    #[test]
    fn spreads() {
        let spread = Spread::of([3.0, 1.0, 2.0, 10.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, min: 1.0, max: 10.0 });
        assert_eq!(Spread::of([]), None);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(
            [rank(&hundred, 0.5), rank(&hundred, 0.95), rank(&[5.0], 0.95)],
            [Some(50.0), Some(95.0), Some(5.0)]
        );
    }

    /// Times of which the figures are known.
    #[test]
    fn figures() {
        let trial = |count: usize, seconds: u64| Trial {
            time: Duration::from_secs(seconds),
            rss: 100 * count as u64,
            pss: (count > 1).then_some(60),
            unused: Some(150.0 * count as f64 * seconds as f64),
            stall: (count > 1).then_some(Duration::from_millis(500)),
            copies: (0..count)
                .map(|i| Copy { waited: Some(Duration::from_secs(i as u64)), peak: 50, ended_well: i != 2 })
                .collect(),
        };
        let trials = [vec![trial(1, 8), trial(1, 8)], vec![trial(2, 10), trial(2, 10)], vec![trial(3, 16)]];
        let args = BenchArgs {
            jobs: 3,
            repeat: 2,
            mem: Some(200),
            json: false,
            svg: None,
            wishes: Wishes::default(),
            command: vec!["true".into()],
        };
        let rows = series(&args, &trials);
        let medians = |of: fn(&Row) -> Spread| rows.iter().map(|row| of(row).median).collect::<Vec<_>>();
        assert_eq!(medians(|row| row.speedup), [1.0, 1.6, 1.5]);
        assert_eq!(medians(|row| row.efficiency), [1.0, 0.8, 0.5]);
        assert_eq!(
            rows.iter().map(|row| row.gain.map(|gain| gain.median)).collect::<Vec<_>>(),
            [None, Some(1.6), Some(0.9375)]
        );
        assert_eq!(rows.iter().map(|row| row.failed).collect::<Vec<_>>(), [0, 0, 1]);
        assert_eq!(rows[2].waits, Some([1.0, 2.0, 2.0]));
        assert_eq!(rows[1].forecast.unwrap().median, 0.25);
        let json = report(&args, &rows);
        assert!(
            json["series"][0]["peak_pss_bytes"].is_null() && json["series"][0]["marginal_gain"].is_null()
        );
        assert_eq!(json["series"][1]["peak_pss_bytes"]["max"], 60);
        assert_eq!(json["series"][1]["unused_byte_seconds"]["median"], 3000);
        // Unknown is not zero.
        assert!(json["series"][0]["memory_stall_seconds"].is_null());
        assert_eq!(json["series"][1]["memory_stall_seconds"]["median"], 0.5);
        let text = table(&rows);
        let columns: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(columns[1].contains(&"-") && columns[2].contains(&"0.500"), "{text}");
    }
}
