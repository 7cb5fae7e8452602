//! A program of the user that is asked what to do.
//!
//! In: calls. Out: its answers, each within its time. Any answer that does not come or makes no sense is an error, after
//! which the program is not to be asked again. It ends with this.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::lines::Lines;
use super::{VERSION, parse_offer, parse_offers};
use crate::admission::ledger::Offer;
use crate::{Error, Result};

/// A policy program that runs.
#[derive(Debug)]
pub struct Policy {
    child: Child,
    lines: Lines,
    limit: Duration,
    calls: u64,
}

/// What a policy says about a process that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// In this size.
    GoWith(Offer),
    Wait,
}

/// What is wrong with an answer.
pub(super) type Answer<T> = std::result::Result<T, String>;

impl Policy {
    /// Starts it; each answer has that time.
    ///
    /// # Errors
    /// It cannot be run, or does not answer.
    pub fn start(program: &Path, limit: Duration) -> Result<Policy> {
        let about = |e| Error::io("cannot run the policy", e).in_file(program);
        let (ours, theirs) = UnixStream::pair().map_err(about)?;
        let other = theirs.try_clone().map_err(about)?;
        let mut command = Command::new(program);
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::from(OwnedFd::from(other)));
        let child = command.spawn().map_err(about)?;
        let mut policy = Policy { child, lines: Lines::new(ours), limit, calls: 0 };
        // Its end would not be seen while this side is open here, too.
        drop(command);
        let loaded = policy.call_within(10 * limit, "load", json!({ "version": VERSION }));
        loaded.map_err(|why| about(std::io::Error::other(why)))?;
        Ok(policy)
    }

    /// The sizes in which a new process is to run, if the policy has an opinion on that.
    pub(super) fn process_initialized(&mut self, process: &Value) -> Answer<Option<Vec<Offer>>> {
        let answer = self.call("process_initialized", json!({ "process": process }))?;
        if answer["offers"].is_null() {
            return Ok(None);
        }
        parse_offers(&answer["offers"]).map(Some).ok_or_else(|| "its offers make no sense".to_owned())
    }

    /// May this one run now?
    pub(super) fn let_process_go(&mut self, facts: Value) -> Answer<Verdict> {
        let answer = self.call("let_process_go", facts)?;
        match answer["go"].as_bool() {
            Some(false) => Ok(Verdict::Wait),
            Some(true) if answer["bytes"].is_null() => Ok(Verdict::Go),
            Some(true) => {
                parse_offer(&answer).map(Verdict::GoWith).ok_or_else(|| "its size makes no sense".to_owned())
            }
            None => Err("it says neither go nor wait".to_owned()),
        }
    }

    /// Tells it something; the answer counts for nothing but that it came.
    pub(super) fn tell(&mut self, call: &str, process: &Value) -> Answer<()> {
        self.call(call, json!({ "process": process })).map(|_| ())
    }

    /// Lets it write down what it learned.
    pub(super) fn save(&mut self) -> Answer<()> {
        self.call("save", json!({})).map(|_| ())
    }

    fn call(&mut self, name: &str, fields: Value) -> Answer<Value> {
        self.call_within(self.limit, name, fields)
    }

    fn call_within(&mut self, limit: Duration, name: &str, mut fields: Value) -> Answer<Value> {
        self.calls += 1;
        fields["id"] = self.calls.into();
        fields["call"] = name.into();
        let deadline = Instant::now() + limit;
        let about = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::TimedOut => format!("no answer to {name} within {} ms", limit.as_millis()),
            _ => format!("{name}: {e}"),
        };
        self.lines.write(&fields.to_string(), None, deadline).map_err(about)?;
        let line = self.lines.read(Some(deadline)).map_err(about)?;
        let line = line.ok_or_else(|| format!("it ended at {name}"))?;
        let answer: Value =
            serde_json::from_str(&line).map_err(|_| format!("its answer to {name} is no JSON"))?;
        if !answer.is_object() || answer["id"] != fields["id"] {
            return Err(format!("its answer to {name} belongs to no call"));
        }
        Ok(answer)
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
