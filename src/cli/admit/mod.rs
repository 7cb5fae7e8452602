//! `btfgen admit`: what the machine has, and running commands when there is room for them.

mod auto;
mod bench;
mod chart;
pub(crate) mod masquerade;
mod serve;
mod status;
mod supervise;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use btfgen::admission::Root;
use btfgen::admission::driver;
use btfgen::admission::gates::Gates;
use btfgen::admission::jobserver::environment;
use btfgen::admission::ledger::{Ledger, Live, Offer, Priority, Request, Reservation};
use btfgen::admission::limits::{Memory, headroom};
use btfgen::admission::size::{parse_bytes, parse_duration};
use btfgen::{Error, ErrorKind, Result};
use clap::{Args, Subcommand, ValueEnum};

use super::{complain, one_line, output, tell};
use auto::Auto;
use status::Status;

/// The options of `btfgen admit`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct AdmitArgs {
    #[command(subcommand)]
    what: Option<What>,

    /// Memory that the command needs at its peak, such as 2G; auto for what it took the last times
    ///
    /// What commands took is remembered in $XDG_STATE_HOME/btfgen, or where BTFGEN_HISTORY says; off for nowhere. Of a
    /// program that never ran nothing is expected.
    #[arg(long, value_name = "SIZE", value_parser = mem, default_value = "auto")]
    mem: Mem,

    /// Memory with which it can also be run, if there is no room for more
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    min: Option<u64>,

    /// Run no more than N commands of this name at the same time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_instances: Option<u32>,

    /// Begin only if this holds, unless nothing else runs: load1<1.5*cpus, avail>10%, swapfree>1G, procs<4000,
    /// temp:cpu<90C, psi.io.some<20%, power=ac|battery>40%
    #[arg(long, value_name = "CONDITION", long_help = WHEN_HELP)]
    when: Vec<String>,

    #[command(flatten)]
    wishes: Wishes,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const WHEN_HELP: &str = "Begin only if this holds, unless nothing else runs

May be given several times: all must hold. Conditions are load1<1.5*cpus (load5, load15), avail>10% or avail>2G, \
swapfree>20%, procs<4000, temp:cpu<90C, psi.io.some<20% (cpu, io, memory; some, full), power=ac, battery>40%. \
Alternatives are put together with |. What the system cannot tell keeps nothing waiting.";

/// How to share the machine; options of all commands that do, and environment variables of the same names.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Wishes {
    /// Memory that all who share the machine may have together; the strictest opinion counts
    ///
    /// The default is three quarters of the memory, or 85 % of the limit of the control group. Also
    /// BTFGEN_MEM_BUDGET.
    #[arg(long, value_name = "SIZE", value_parser = bytes, hide_short_help = true)]
    pub(crate) mem_budget: Option<u64>,

    /// How long to wait for room, such as 30s or 10m; then begin in the smallest form, or fail if strict
    ///
    /// The default is 10m. Also BTFGEN_MAX_WAIT.
    #[arg(long, value_name = "TIME", value_parser = time, hide_short_help = true)]
    pub(crate) max_wait: Option<Duration>,

    /// Whether to wait for room: on, off, or strict to fail where that is not possible
    ///
    /// Also BTFGEN_ADMISSION.
    #[arg(long, value_name = "MODE", value_enum, hide_possible_values = true, hide_short_help = true)]
    pub(crate) admission: Option<Mode>,

    /// Before whom to go when there is room: normal; high, before all others; batch, after them
    ///
    /// Whoever waited for a minute goes among those of the next higher one. Also BTFGEN_PRIORITY.
    #[arg(long, value_name = "PRIORITY", value_parser = priority, hide_short_help = true)]
    pub(crate) priority: Option<Priority>,

    /// The socket of a driver (btfgen admit serve) to ask in place of the ledger; if it does not answer, the ledger is
    ///
    /// Also BTFGEN_ADMIT_DRIVER. The cookie of the session is in BTFGEN_ADMIT_COOKIE.
    #[arg(long, value_name = "SOCKET", hide_short_help = true)]
    pub(crate) driver: Option<PathBuf>,

    /// What a run of this program may take at most, in bytes.
    #[arg(skip)]
    pub(crate) max_memory: Option<u64>,
}

/// The same for a run of this program itself, which can do with less.
#[derive(Debug, Args)]
pub(crate) struct OwnWishes {
    #[command(flatten)]
    wishes: Wishes,

    /// Anonymous memory that the run may take at most: it uses as many workers as that is enough for
    ///
    /// If it is not enough for one, the run fails at once and says what is.
    #[arg(long, value_name = "SIZE", value_parser = bytes, hide_short_help = true)]
    max_memory: Option<u64>,
}

impl OwnWishes {
    pub(crate) fn all(self) -> Wishes {
        Wishes { max_memory: self.max_memory, ..self.wishes }
    }
}

/// What to do if there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Fail with status 75; fail also if nobody can tell.
    Strict,
    /// Wait for a while, then begin anyway.
    On,
    /// Ask nobody.
    Off,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the limits of memory and CPUs that hold here, which of them binds, and who holds what
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,

        /// A directory that holds proc and sys, instead of those of the system
        #[arg(long, value_name = "DIR", hide = true)]
        root: Option<PathBuf>,
    },

    /// Run several copies of a command at the same time and say what that costs and brings
    Bench(Box<bench::BenchArgs>),

    /// Decide for others who may run when, by a policy, within the same budget
    Serve(serve::ServeArgs),
}

/// Memory that is asked for.
#[derive(Debug, Clone, Copy)]
enum Mem {
    /// As much as a command of its kind takes.
    Auto,
    Bytes(u64),
}

fn mem(text: &str) -> Result<Mem, String> {
    if text == "auto" { Ok(Mem::Auto) } else { bytes(text).map(Mem::Bytes) }
}

pub(super) fn bytes(text: &str) -> Result<u64, String> {
    parse_bytes(text).map_err(|e| e.to_string())
}

fn priority(text: &str) -> Result<Priority, &'static str> {
    Priority::named(text).ok_or("not high, normal or batch")
}

pub(super) fn time(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|e| e.to_string())
}

/// The variables by which a driver is found and knows who belongs to its session.
const DRIVER: &str = "BTFGEN_ADMIT_DRIVER";
const COOKIE: &str = "BTFGEN_ADMIT_COOKIE";

/// How long to wait, if nobody said.
const MAX_WAIT: Duration = Duration::from_secs(600);

impl Wishes {
    /// Fills what was not given as an option from the environment.
    ///
    /// # Errors
    /// A variable makes no sense.
    pub(crate) fn with_environment(&self) -> Result<Wishes> {
        let text = |name: &str| {
            let value = environment(name).filter(|value| !value.is_empty())?;
            Some(value.to_string_lossy().into_owned())
        };
        let about = |name: &str, e: &dyn std::fmt::Display| Error::usage(format!("{name}: {e}"));
        let mut wishes = self.clone();
        if let (None, Some(text)) = (wishes.mem_budget, text("BTFGEN_MEM_BUDGET")) {
            wishes.mem_budget = Some(parse_bytes(&text).map_err(|e| about("BTFGEN_MEM_BUDGET", &e))?);
        }
        if let (None, Some(text)) = (wishes.max_wait, text("BTFGEN_MAX_WAIT")) {
            wishes.max_wait = Some(parse_duration(&text).map_err(|e| about("BTFGEN_MAX_WAIT", &e))?);
        }
        if let (None, Some(text)) = (wishes.admission, text("BTFGEN_ADMISSION")) {
            let mode = Mode::from_str(&text, true)
                .map_err(|_| about("BTFGEN_ADMISSION", &"not strict, on or off"))?;
            wishes.admission = Some(mode);
        }
        if let (None, Some(text)) = (wishes.priority, text("BTFGEN_PRIORITY")) {
            wishes.priority = Some(priority(&text).map_err(|e| about("BTFGEN_PRIORITY", &e))?);
        }
        if wishes.driver.is_none() {
            wishes.driver = environment(DRIVER).filter(|value| !value.is_empty()).map(PathBuf::from);
        }
        Ok(wishes)
    }

    /// Waits for room. Nothing if nobody is to be asked, or nobody can be.
    ///
    /// # Errors
    /// The mode is strict and there is no room, or nobody can tell.
    pub(crate) fn acquire(
        &self,
        offers: Vec<Offer>,
        label: &str,
        max_instances: Option<u32>,
        gates: Gates,
    ) -> Result<Option<Reservation>> {
        if self.admission == Some(Mode::Off) {
            return Ok(None);
        }
        let is_strict = self.admission == Some(Mode::Strict);
        let by_default =
            || Memory::read(&Root::system()).default_budget().map_or(u64::MAX, |bound| bound.bytes);
        let safety =
            || Memory::read(&Root::system()).limit().map_or(0, |limit| limit.bytes / 25).max(256 << 20);
        let mut request = Request {
            offers,
            budget: self.mem_budget.unwrap_or_else(by_default),
            // A number that somebody gave is meant as it stands.
            live: self.mem_budget.is_none().then(|| Live { headroom, safety: safety() }),
            max_wait: self.max_wait.unwrap_or(MAX_WAIT),
            insist: is_strict,
            label: label.to_owned(),
            priority: self.priority.unwrap_or_default(),
            max_instances,
            gates,
            parent: environment(supervise::PARENT).and_then(|value| value.into_string().ok()),
        };
        if let Some(socket) = &self.driver {
            let deadline = Instant::now() + request.max_wait;
            let cookie = environment(COOKIE).unwrap_or_default();
            match driver::acquire(socket, &cookie.to_string_lossy(), &request) {
                Ok(reservation) => return Ok(Some(reservation)),
                Err(error) if error.kind() == ErrorKind::Busy => return Err(error),
                Err(error) => {
                    let error = one_line(&error.to_string());
                    tell(&format!("btfgen: warning: {error}; asking the ledger instead\n"));
                }
            }
            request.max_wait = deadline.saturating_duration_since(Instant::now());
        }
        let Some(ledger) = Ledger::find(environment) else {
            let error = Error::io("there is no place for a ledger", std::io::ErrorKind::NotFound.into())
                .hint("name a directory in BTFGEN_ADMIT_DIR, or say --admission=off");
            // Where nothing can be shared there is nobody to share with: only who asked is told.
            return if is_strict { Err(error) } else { Ok(self.warn(self.admission.is_some(), &error)) };
        };
        match ledger.acquire(&request) {
            Ok(reservation) => Ok(Some(reservation)),
            Err(error) if is_strict => Err(error),
            Err(error) => Ok(self.warn(true, &error)),
        }
    }

    /// A limiter that does not work shall not be what a build fails of.
    fn warn(&self, wanted: bool, error: &Error) -> Option<Reservation> {
        if wanted {
            let error = one_line(&error.to_string());
            tell(&format!("btfgen: warning: {error}; going on without waiting for others\n"));
        }
        None
    }
}

/// Carries it out.
///
/// # Errors
/// The system refused, or there is no room.
pub(crate) fn run(args: &AdmitArgs) -> Result<ExitCode> {
    match &args.what {
        Some(What::Status { json, root }) => {
            let status = Status::read(&root.as_ref().map_or_else(Root::system, Root::at));
            let text = if *json { format!("{:#}\n", status.json()) } else { status.text() };
            output::print(text.as_bytes()).map(|_| ExitCode::SUCCESS)
        }
        Some(What::Bench(args)) => bench::run(args),
        Some(What::Serve(args)) => serve::run(args),
        None => run_command(args),
    }
}

/// Runs a command when there is room for it.
fn run_command(args: &AdmitArgs) -> Result<ExitCode> {
    let gates = Gates::parse(Root::system(), args.when.iter().map(String::as_str))?;
    let auto = Auto::new(&args.command);
    let mem = match args.mem {
        Mem::Bytes(bytes) => bytes,
        Mem::Auto => auto.bytes(),
    };
    let preferred = Offer { bytes: mem, threads: 1 };
    let smaller = args.min.filter(|&min| min < mem).map(|bytes| Offer { bytes, threads: 1 });
    let program = args.command.first().map(|program| Path::new(program).file_name().unwrap_or(program));
    let label = program.unwrap_or_default().to_string_lossy();
    let wishes = args.wishes.with_environment()?;
    let offers = [preferred].into_iter().chain(smaller).collect();
    let reservation = wishes.acquire(offers, &label, args.max_instances, gates)?;
    match supervise::run(&args.command, reservation, &[], &|status, peak| auto.remember(status, peak, mem)) {
        // As shells say it: not there, or not to be run.
        Err(error) if error.kind() == ErrorKind::Io => {
            complain(&error);
            Ok(ExitCode::from(127))
        }
        result => result,
    }
}
