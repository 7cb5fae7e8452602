//! `btfgen admit serve`: decides for others who may run when, by a policy of the user.
//!
//! Out, on standard output and once it listens: the variables by which clients find it, as lines for a shell. With a
//! command, that gets the variables instead, and the driver ends with it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use btfgen::admission::driver::{Policy, Server};
use btfgen::admission::jobserver::environment;
use btfgen::admission::ledger::Ledger;
use btfgen::{Error, Result};
use clap::Args;

use super::super::{one_line, output, signals, tell};
use super::{COOKIE, DRIVER, supervise, time};

/// The options of `btfgen admit serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// A program that is asked who may run; it reads calls and writes answers, as lines of JSON
    #[arg(long, value_name = "PROGRAM")]
    policy: Option<PathBuf>,

    /// How long an answer of the policy may take; one that is late is not asked any more
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1s")]
    policy_timeout: Duration,

    /// Where to listen; the default is the file driver.sock beside the ledger
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    /// How many may be connected at the same time, each with four descriptors; others are sent to the ledger
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,

    /// End when nobody was connected for so long
    #[arg(long, value_name = "TIME", value_parser = time)]
    idle: Option<Duration>,

    /// Run this command with the driver, and end with it
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Shorter ones can be guessed.
const SHORTEST_COOKIE: usize = 16;

/// Carries it out.
///
/// # Errors
/// The policy, the ledger or the socket cannot be used.
pub(super) fn run(args: &ServeArgs) -> Result<ExitCode> {
    let ledger = Ledger::find(environment).ok_or_else(|| {
        Error::io("there is no place for a ledger", std::io::ErrorKind::NotFound.into())
            .hint("name a directory in BTFGEN_ADMIT_DIR")
    })?;
    let directory = ledger.directory().to_owned();
    let socket = args.socket.clone().unwrap_or_else(|| directory.join("driver.sock"));
    // Clients may be in other directories.
    let socket = std::path::absolute(&socket).unwrap_or(socket);
    let cookie = cookie()?;
    let policy =
        args.policy.as_ref().map(|program| Policy::start(program, args.policy_timeout)).transpose()?;
    let most = usize::from(args.connections);
    let server = Arc::new(Server::bind(&socket, ledger, cookie.clone(), policy, most, warn)?);
    let variables = [(DRIVER, socket.as_os_str()), (COOKIE, OsStr::new(&cookie))];
    let done = if args.command.is_empty() {
        let stop = signals::stop_from_here();
        let lines: Vec<u8> = variables.iter().flat_map(|(name, value)| shell_line(name, value)).collect();
        output::print(&lines)?;
        server.run(stop, args.idle);
        ExitCode::SUCCESS
    } else {
        let listening = Arc::clone(&server);
        // It ends with this process.
        std::thread::spawn(move || listening.run(&AtomicBool::new(false), None));
        supervise::run(&args.command, None, &variables, &|_, _| {})?
    };
    server.finish();
    remove(&socket);
    Ok(done)
}

/// A name that is left behind does no harm: the next driver finds nobody there.
fn remove(socket: &Path) {
    let _ = std::fs::remove_file(socket);
}

fn warn(text: &str) {
    tell(&format!("btfgen: warning: {}\n", one_line(text)));
}

/// That of the environment, or a new one.
fn cookie() -> Result<String> {
    if let Some(cookie) = environment(COOKIE).filter(|cookie| !cookie.is_empty()) {
        let cookie = cookie.into_string().ok().filter(|cookie| cookie.len() >= SHORTEST_COOKIE);
        return cookie.ok_or_else(|| {
            Error::usage(format!("{COOKIE} is shorter than {SHORTEST_COOKIE} characters, or no text"))
        });
    }
    let mut bytes = [0_u8; 16];
    let random = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    random.map_err(|e| Error::io("cannot make a cookie", e))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A line by which a shell sets a variable, whatever the value holds.
fn shell_line(name: &str, value: &OsStr) -> Vec<u8> {
    let mut line = format!("export {name}='").into_bytes();
    for &byte in value.as_bytes() {
        match byte {
            b'\'' => line.extend(br"'\''"),
            byte => line.push(byte),
        }
    }
    line.extend(b"'\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_shells_read() {
        assert_eq!(shell_line("A", OsStr::new("b c")), b"export A='b c'\n");
        assert_eq!(
            shell_line("A", OsStr::new("it's")),
            br"export A='it'\''s'
"
        );
    }
}
