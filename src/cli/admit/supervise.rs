//! Runs a command within a reservation, and ends as the command ends.
//!
//! This process stays small: the resident memory of a child is not less than that of its parent when it was
//! started. The descriptor that keeps the reservation alive is inherited by the command: if this process is
//! killed, the command goes on and its memory stays reserved.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use btfgen::admission::ledger::Reservation;
use btfgen::admission::tree_memory;
use btfgen::{Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::super::signals;

/// The variable by which commands within a reservation know it.
pub(super) const PARENT: &str = "BTFGEN_ADMIT_PARENT";

/// How often is looked at what the command uses.
const SAMPLE: Duration = Duration::from_secs(1);

/// Variables for a command.
pub(super) type Variables<'a> = [(&'static str, &'a OsStr)];

/// Runs the command; returns its exit status as a shell shows it.
///
/// # Errors
/// The command cannot be started.
pub(super) fn run(
    command: &[OsString],
    mut reservation: Option<Reservation>,
    variables: &Variables<'_>,
) -> Result<ExitCode> {
    signals::forward_from_here();
    let mut child = start(command, reservation.as_ref(), variables, Talk::All)?;
    signals::forward_to(child.id());
    watch(&child, &mut reservation);
    let status = child.wait().map_err(|e| Error::io("cannot wait for the command", e))?;
    signals::forward_to(0);
    drop(reservation);
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

/// Until the command ends, writes down what it uses: what is in use already is not promised twice.
fn watch(child: &Child, reservation: &mut Option<Reservation>) {
    let Some(reservation) = reservation.as_mut().filter(|r| r.offer().bytes > 0) else { return };
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    let sample = Timespec { tv_sec: SAMPLE.as_secs() as i64, tv_nsec: 0 };
    let mut before = 0;
    loop {
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&sample)) {
            Ok(0) => {}
            Err(rustix::io::Errno::INTR) => continue,
            _ => return,
        }
        let used = tree_memory(child.id());
        if used != before && reservation.observe(used).is_err() {
            return;
        }
        before = used;
    }
}
