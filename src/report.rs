//! What a run did: phases with their times, counts, warnings. Collected here, printed by others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Version of the names and meanings in a report; additions do not change it.
pub const SCHEMA_VERSION: u32 = 1;

/// What a run did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// Bytes of `.debug_info`.
    pub debug_info_bytes: u64,
    /// Units read.
    pub units: u64,
    /// Units left out because of their language.
    pub units_skipped: u64,
    /// Units walked again because of names with several definitions.
    pub units_rewalked: u64,
    /// Workers.
    pub jobs: usize,
    /// The stages of the run in their order.
    pub phases: Vec<Phase>,
    /// CPU time of each worker.
    pub workers: Vec<Duration>,
    /// Types in the input by kind, every occurrence counted.
    pub types_in: BTreeMap<&'static str, u64>,
    /// Types in the output by kind.
    pub types_out: BTreeMap<&'static str, u64>,
    /// Types that the output does not hold because its base has them, by kind; empty without a base.
    pub types_in_base: BTreeMap<&'static str, u64>,
    /// Functions.
    pub functions: Outcome,
    /// Variables.
    pub variables: Outcome,
    /// Kfuncs; encoded means tagged.
    pub kfuncs: Outcome,
    /// Names with several definitions.
    pub split_names: Vec<String>,
    /// What could not be expressed, by reason.
    pub warnings: BTreeMap<&'static str, u64>,
    /// Rules of BTF that the output breaks, by level of [`check`](crate::btf::check()): none that a kernel
    /// applies to its own BTF.
    pub violations: BTreeMap<&'static str, u64>,
    /// Bytes of the output.
    pub output_bytes: u64,
    /// Bytes of the distilled base; 0 without one.
    pub distilled_bytes: u64,
    /// Memory at its peak.
    pub memory: Memory,
}

/// What became of things of one sort.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// How many there were.
    pub found: u64,
    /// How many are in the output.
    pub encoded: u64,
    /// How many are not, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
}

/// A stage of the run.
#[derive(Debug, Clone)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// How long it took.
    pub wall: Duration,
    /// CPU time of all threads.
    pub cpu: Duration,
    /// It ran on all workers.
    pub parallel: bool,
}

/// Resident memory in bytes; the system's own figures, 0 where it gives none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Peak of all resident memory (`VmHWM`).
    pub peak_rss_bytes: u64,
    /// Highest anonymous memory seen (`RssAnon`): by the library at the end of a phase.
    pub anon_bytes: u64,
    /// Highest memory of mapped files seen at the end of a phase (`RssFile`).
    pub file_bytes: u64,
}

impl Outcome {
    fn add(&mut self, other: &Outcome) {
        self.found += other.found;
        self.encoded += other.encoded;
        add_counts(&mut self.skipped, &other.skipped);
    }
}

fn add_counts(counts: &mut BTreeMap<&'static str, u64>, others: &BTreeMap<&'static str, u64>) {
    others.iter().for_each(|(name, n)| *counts.entry(name).or_default() += n);
}

impl Memory {
    /// Raises the figures to what they are now.
    pub fn sample(&mut self) {
        // In one piece: the system puts it together anew for every part that is asked for.
        let mut text = [0; 8192];
        let read = File::open("/proc/self/status").and_then(|mut file| file.read(&mut text));
        let status = String::from_utf8_lossy(&text[..read.unwrap_or(0)]);
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse::<u64>().ok()
        };
        let bytes = |name| field(name).unwrap_or(0).saturating_mul(1024);
        self.peak_rss_bytes = self.peak_rss_bytes.max(bytes("VmHWM"));
        self.anon_bytes = self.anon_bytes.max(bytes("RssAnon"));
        self.file_bytes = self.file_bytes.max(bytes("RssFile"));
    }
}

impl Report {
    /// Adds what another run of this process did. Times are added as well, also those of runs that went on side by
    /// side; what each worker took is left out.
    pub fn add(&mut self, other: &Report) {
        self.debug_info_bytes += other.debug_info_bytes;
        self.units += other.units;
        self.units_skipped += other.units_skipped;
        self.units_rewalked += other.units_rewalked;
        for phase in &other.phases {
            match self.phases.iter_mut().find(|known| known.name == phase.name) {
                Some(known) => {
                    known.wall += phase.wall;
                    known.cpu += phase.cpu;
                    known.parallel |= phase.parallel;
                }
                None => self.phases.push(phase.clone()),
            }
        }
        let counts = [
            (&mut self.types_in, &other.types_in),
            (&mut self.types_out, &other.types_out),
            (&mut self.types_in_base, &other.types_in_base),
            (&mut self.warnings, &other.warnings),
            (&mut self.violations, &other.violations),
        ];
        counts.into_iter().for_each(|(counts, others)| add_counts(counts, others));
        self.functions.add(&other.functions);
        self.variables.add(&other.variables);
        self.kfuncs.add(&other.kfuncs);
        self.split_names.extend_from_slice(&other.split_names);
        self.split_names.sort_unstable();
        self.split_names.dedup();
        self.output_bytes += other.output_bytes;
        self.distilled_bytes += other.distilled_bytes;
        self.memory.peak_rss_bytes = self.memory.peak_rss_bytes.max(other.memory.peak_rss_bytes);
        self.memory.anon_bytes = self.memory.anon_bytes.max(other.memory.anon_bytes);
        self.memory.file_bytes = self.memory.file_bytes.max(other.memory.file_bytes);
    }

    /// Runs a stage and notes what it took.
    pub(crate) fn phase<T>(
        &mut self,
        name: &'static str,
        parallel: bool,
        stage: impl FnOnce(&mut Self) -> T,
    ) -> T {
        // Alone, a worker does all by itself; others in the process have nothing to do with it, and need not be asked.
        let clock = if self.jobs == 1 { thread_cpu } else { process_cpu };
        let (wall, cpu) = (Instant::now(), clock());
        let result = stage(self);
        let cpu = clock().saturating_sub(cpu);
        let wall = wall.elapsed();
        self.phases.push(Phase { name, wall, cpu, parallel });
        // Asking takes longer than many a stage of a small module, which cannot have taken much.
        if wall > Duration::from_millis(1) {
            self.memory.sample();
        }
        result
    }
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// CPU time of the process so far.
pub fn process_cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

/// CPU time of the calling thread so far.
pub(crate) fn thread_cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}
