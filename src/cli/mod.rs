//! The command line: what was typed becomes a request, a request is carried out.
//!
//! [`native`] and [`pahole`] know options and nothing of the work; [`encode`] and [`check`] do the work and know nothing of
//! options. Data goes to standard output or into files, everything else to standard error, and a success
//! says nothing unless asked.

mod admit;
mod check;
mod diff;
mod dump;
mod encode;
mod estimate;
mod inspect;
mod language;
mod modules;
mod native;
mod options;
mod output;
mod pahole;
mod report;
mod share;
mod signals;
mod source;
mod tree;
mod why;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use btfgen::{Error, Result};

use native::Command;

/// What each exit status means: in the help, in the manual page and in `Error::exit_code`.
pub(crate) const EXIT_STATUS: [(u8, &str); 5] = [
    (0, "done; for check: no violation; for diff: no difference"),
    (1, "the input cannot be encoded; for check: there are violations; for diff: differences"),
    (2, "the command was put together wrongly; for diff: any error"),
    (74, "the system refused to read or write"),
    (75, "there is no room for it now; try later"),
];

/// Runs the command line of this process. `purpose` is the name that it acts by, if not by that of its file: one
/// program may have several names, as packages install it.
pub(crate) fn main(purpose: Option<&str>) -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let own_name = args.first().and_then(|name| Path::new(name).file_name()).unwrap_or_default();
    let name = purpose.map_or_else(|| own_name.to_string_lossy().into_owned(), str::to_owned);
    if matches!(name.as_str(), "pahole" | "btfgen-pahole") {
        return pahole::run(args.into_iter());
    }
    if let Some(linker) = admit::masquerade::called_as(&name) {
        match admit::masquerade::command_line(linker, &args) {
            Ok(line) => args = line,
            Err(error) => {
                complain(&error);
                return ExitCode::from(127);
            }
        }
    }
    if name == "btfdiff" {
        args.insert(args.len().min(1), "diff".into());
    }
    run(args.into_iter()).unwrap_or_else(|error| {
        complain(&error);
        ExitCode::from(error.exit_code())
    })
}

/// Runs a command line, the name of the program first.
///
/// # Errors
/// Whatever ended it. Nothing was printed about it yet.
fn run(args: impl Iterator<Item = OsString>) -> Result<ExitCode> {
    let command = match native::parse(args) {
        Ok(command) => command,
        // Help and version; if nobody reads them, nobody misses them.
        Err(text) if !text.use_stderr() => {
            let _ = text.print();
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => return Err(native::usage_error(&error)),
    };
    match command {
        Command::Encode(request) => encode::run(&request).map(|()| ExitCode::SUCCESS),
        Command::Modules(request) => modules::run(&request),
        Command::Check(request) => check::run(&request),
        Command::Estimate(args) => estimate::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Admit(args) => admit::run(&args),
        Command::Diff(request) => Ok(diff::run(&request)),
        Command::Why(request) => why::run(&request),
        Command::Dump(request) => dump::run(&request).map(|()| ExitCode::SUCCESS),
        Command::Text(text) => output::print(&text).map(|_| ExitCode::SUCCESS),
    }
}

/// Says on standard error what went wrong, in one line whatever the names in it hold.
fn complain(error: &Error) {
    tell(&format!("btfgen: error: {}\n", one_line(&error.to_string())));
}

/// Writes to standard error. There is nobody left to tell if that fails.
fn tell(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The text without anything that moves the cursor of a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
