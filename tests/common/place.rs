//! The real binary with a ledger and a history of its own, so that what a test lets run is bounded by nothing but the
//! test, and bounds nobody else.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use btfgen::admission::ledger::{Entry, Ledger};
use tempfile::TempDir;

/// A directory for one test, and what processes that are started from it find in their environment.
pub struct Place {
    directory: TempDir,
    environment: Vec<(&'static str, OsString)>,
}

impl Place {
    /// Nothing is remembered here.
    pub fn new() -> Self {
        let place = Place { directory: TempDir::new().unwrap(), environment: Vec::new() };
        let ledger = place.ledger();
        place.with("BTFGEN_ADMIT_DIR", ledger).with("BTFGEN_HISTORY", "off")
    }

    pub fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn ledger(&self) -> PathBuf {
        self.path("ledger")
    }

    /// Any program, with nothing of what surrounds the test run.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for name in [
            "MAKEFLAGS",
            "BTFGEN_MEM_BUDGET",
            "BTFGEN_MAX_WAIT",
            "BTFGEN_ADMISSION",
            "BTFGEN_PRIORITY",
            "BTFGEN_ADMIT_PARENT",
        ] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_btfgen"));
        command.args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub fn entries(&self) -> Vec<Entry> {
        Ledger::at(self.ledger()).entries().unwrap()
    }
}

/// Starts a command that says `runs`, and waits until it does.
pub fn running(command: &mut Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "runs\n");
    child
}

/// What is reserved for those that run.
pub fn held(entries: &[Entry]) -> u64 {
    entries.iter().filter(|entry| entry.is_running).map(|entry| entry.reserved).sum()
}

/// Waits until something is so.
pub fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..6000 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never came: {what}");
}

/// How a program ended and what it said.
pub fn code(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// How a program ends that has nothing to say.
pub fn quiet(code: i32) -> (Option<i32>, String) {
    (Some(code), String::new())
}
