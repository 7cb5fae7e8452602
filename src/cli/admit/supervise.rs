//! Runs a command within a reservation, and ends as the command ends.
//!
//! This process stays small: the resident memory of a child is not less than that of its parent when it was
//! started. The descriptor that keeps the reservation alive is inherited by the command: if this process is
//! killed, the command goes on and its memory stays reserved.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use btfgen::admission::ledger::Reservation;
use btfgen::admission::{most_of_a_child, tree_memory};
use btfgen::{Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::super::signals;

/// The variable by which commands within a reservation know it.
pub(super) const PARENT: &str = "BTFGEN_ADMIT_PARENT";

/// How often is looked at what the command uses: at first, and later.
const SAMPLE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// Variables for a command.
pub(super) type Variables<'a> = [(&'static str, &'a OsStr)];

/// How often the reservation is told.
const OBSERVE: Duration = Duration::from_secs(1);

/// Fewer looks than this tell little of a peak.
const ENOUGH_LOOKS: u32 = 8;

/// Runs the command; returns its exit status as a shell shows it. `ended` is told how it ended, and how many bytes it
/// had at its peak, with all that it started.
///
/// # Errors
/// The command cannot be started.
pub(super) fn run(
    command: &[OsString],
    mut reservation: Option<Reservation>,
    variables: &Variables<'_>,
    ended: &dyn Fn(ExitStatus, u64),
) -> Result<ExitCode> {
    signals::forward_from_here();
    let mut child = start(command, reservation.as_ref(), variables, Talk::All)?;
    signals::forward_to(child.id());
    let (looks, peak) = watch(&child, &mut reservation);
    let status = child.wait().map_err(|e| Error::io("cannot wait for the command", e))?;
    signals::forward_to(0);
    drop(reservation);
    // The system's own figure counts what of files was mapped as well, and one process only; but it misses nothing.
    ended(status, if looks < ENOUGH_LOOKS { peak.max(most_of_a_child()) } else { peak });
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// What of the standard files a command gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Talk {
    /// All of them.
    All,
    /// Standard error alone.
    Errors,
}

/// Starts a command within a reservation: it inherits what keeps that alive, and nothing else that is started does.
///
/// # Errors
/// There is no such command, or the system refused.
pub(super) fn start(
    command: &[OsString],
    reservation: Option<&Reservation>,
    variables: &Variables<'_>,
    talk: Talk,
) -> Result<Child> {
    static STARTING: Mutex<()> = Mutex::new(());
    let Some((program, args)) = command.split_first() else {
        return Err(Error::usage("there is no command"));
    };
    let mut started = Command::new(program);
    started.args(args).envs(variables.iter().copied());
    if talk == Talk::Errors {
        started.stdin(Stdio::null()).stdout(Stdio::null());
    }
    // One at a time: a child takes whatever is open to children at its start.
    let _alone = STARTING.lock();
    let open = |flags| {
        let set = reservation.map_or(Ok(()), |reservation| fcntl_setfd(reservation.life(), flags));
        set.map_err(|e| Error::io("cannot hand the reservation on", e.into()))
    };
    if let Some(reservation) = reservation {
        started.env(PARENT, reservation.cookie());
    }
    open(FdFlags::empty())?;
    let child = started.spawn().map_err(|e| Error::io("cannot run it", e).in_file(Path::new(program)));
    open(FdFlags::CLOEXEC)?;
    child
}

/// Until the command ends, looks at what it uses, and writes that down: what is in use already is not promised twice.
/// Returns how often it looked, and the most that it saw, in bytes.
fn watch(child: &Child, reservation: &mut Option<Reservation>) -> (u32, u64) {
    let (mut looks, mut peak) = (0, 0);
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return (looks, peak) };
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return (looks, peak) };
    let mut reservation = reservation.as_mut().filter(|r| r.offer().bytes > 0);
    let (start, mut told, mut before) = (Instant::now(), Instant::now(), 0);
    loop {
        let pause = (start.elapsed() / 16).clamp(SAMPLE.0, SAMPLE.1);
        let pause = Timespec { tv_sec: 0, tv_nsec: pause.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&pause)) {
            Ok(0) => {}
            Err(rustix::io::Errno::INTR) => continue,
            _ => return (looks, peak),
        }
        let used = tree_memory(child.id());
        (looks, peak) = (looks.saturating_add(1), peak.max(used));
        if used == before || told.elapsed() < OBSERVE {
            continue;
        }
        (told, before) = (Instant::now(), used);
        if let Some(known) = reservation.as_deref_mut() {
            // More than was asked for is said, if there is room.
            let is_told =
                known.observe(used).is_ok() && (used <= known.reserved() || known.try_extend(used).is_ok());
            if !is_told {
                reservation = None;
            }
        }
    }
}
