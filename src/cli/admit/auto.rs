//! Memory for commands of which nobody said how much they need: as much as they took before.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use btfgen::admission::command::Command;
use btfgen::admission::history::History;
use btfgen::admission::jobserver::environment;

/// A command, and where what it takes is remembered.
pub(super) struct Auto {
    history: Option<History>,
    command: Command,
}

impl Auto {
    pub(super) fn new(command: &[OsString]) -> Auto {
        Auto { history: History::find(environment), command: Command::new(command) }
    }

    /// What it will take, in bytes; 0 if that is not known.
    pub(super) fn bytes(&self) -> u64 {
        let runs = self.history.as_ref().map(|history| history.runs(&self.command.class()));
        let forecast = self.command.forecast(&runs.unwrap_or_default());
        forecast.map_or(0, |forecast| forecast.bytes())
    }

    /// Remembers what it took at its peak, of `mem` bytes that it had: if it succeeded, or was killed.
    pub(super) fn remember(&self, status: ExitStatus, peak: u64, mem: u64) {
        // The system kills who takes too much: how much it would have been, nobody knows.
        let was_killed = status.signal() == Some(libc::SIGKILL);
        let peak = if was_killed { peak.max(mem).saturating_mul(3) / 2 } else { peak };
        if (status.success() || was_killed)
            && let Some(history) = &self.history
        {
            // What cannot be remembered is no reason to fail, nor to tell.
            let _ = history.add(&self.command.class(), self.command.took(peak));
        }
    }
}
