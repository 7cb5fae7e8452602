//! The client of make's jobserver against servers of every style: no token is ever lost or changed, also when
//! clients are killed, and never more run than there are tokens for.
//!
//! Clients are processes of their own: this test program, started again in one of the roles below, or encodes. Those are
//! of a program that is made up, or of a kernel in the directory that `BTFGEN_TEST_KERNELS` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use btfgen::admission::jobserver::{Jobserver, Slots, environment};
use common::Random;
use common::place::Place;
use common::programs::{gcc, long, wide};
use rustix::fs::{FileType, Mode, OFlags};
use tempfile::TempDir;

const ROLE: &str = "BTFGEN_TEST_ROLE";

/// A server of the newer style: a named pipe with a token of its own value for each slot.
struct Server {
    directory: TempDir,
    pipe: File,
    tokens: Vec<u8>,
}

impl Server {
    fn new(slots: u8) -> Self {
        let directory = TempDir::with_prefix("jobs of make ").unwrap();
        let path = directory.path().join("fifo");
        let made = rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
        made.unwrap();
        let nonblock = OFlags::NONBLOCK.bits() as i32;
        let mut pipe = OpenOptions::new().read(true).write(true).custom_flags(nonblock).open(path).unwrap();
        let tokens: Vec<u8> = (b'a'..).take(slots.into()).collect();
        pipe.write_all(&tokens).unwrap();
        Server { directory, pipe, tokens }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("fifo")
    }

    /// As make passes it: blanks are escaped.
    fn makeflags(&self) -> String {
        format!(" -j9 --jobserver-auth=fifo:{}", self.path().to_str().unwrap().replace(' ', "\\ "))
    }

    /// Takes all tokens that are there.
    fn drain(&mut self) -> Vec<u8> {
        let mut bytes = [0; 256];
        let mut found = match self.pipe.read(&mut bytes) {
            Ok(n) => bytes[..n].to_vec(),
            Err(_) => Vec::new(),
        };
        found.sort_unstable();
        found
    }

    /// Waits until all tokens are there again; the last ones come when a warden has seen the end of its client.
    fn assert_whole(&mut self) {
        let mut found = Vec::new();
        for _ in 0..500 {
            found.extend(self.drain());
            if found.len() >= self.tokens.len() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        found.sort_unstable();
        assert_eq!(found, self.tokens);
    }

    fn slots(&self) -> Slots {
        let flags = self.makeflags();
        slots(move |name| (name == "MAKEFLAGS").then(|| flags.clone().into()))
    }
}

fn slots(environment: impl Fn(&str) -> Option<OsString>) -> Slots {
    match Jobserver::find(environment).unwrap() {
        Jobserver::Slots(slots) => slots,
        Jobserver::None => panic!("no jobserver was found"),
    }
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

/// This program in another role, and below it no jobserver but the one that is given.
fn client(role: &str, makeflags: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "in_a_role", "--nocapture"]).env(ROLE, role).env("MAKEFLAGS", makeflags);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Waits until a client says that it has its tokens.
fn wait_ready(child: &mut Child) {
    let out = BufReader::new(child.stdout.as_mut().unwrap());
    assert!(out.lines().map(Result::unwrap).any(|line| line.contains("ready")), "the client ended");
}

/// What the processes that this program starts do. Without a role there is nothing to test.
#[test]
fn in_a_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let sleep = || std::thread::sleep(LONG);
    match role.as_str() {
        "hold" => {
            let mut slots = slots(environment);
            slots.want(2);
            slots.wait(2, LONG);
            println!("ready");
            sleep();
        }
        // As clients do it that keep their tokens themselves.
        "naive" => {
            File::open(plain_path()).unwrap().read_exact(&mut [0]).unwrap();
            println!("ready");
            sleep();
        }
        // Works for a while on as many slots as it gets, and writes down how many those are.
        "work" => {
            let mut log =
                OpenOptions::new().append(true).open(std::env::var("BTFGEN_TEST_LOG").unwrap()).unwrap();
            let mut slots = slots(environment);
            slots.want(7);
            slots.wait(7, SHORT);
            slots.want(slots.workers() - 1);
            let workers = slots.workers() as u8;
            log.write_all(&[b'+', workers]).unwrap();
            std::thread::sleep(SHORT);
            log.write_all(&[b'-', workers]).unwrap();
            slots.finish();
        }
        // Ends itself as the out-of-memory killer would, or a user, soon after it got what it could.
        "die" | "die-naive" => {
            let seed = u64::from(std::process::id());
            if role == "die" {
                let mut slots = slots(environment);
                slots.want(2);
                slots.wait(2, Duration::from_millis(Random::new(seed).below(20) as u64));
                die(seed, "die");
                sleep();
            } else {
                let nonblock = OFlags::NONBLOCK.bits() as i32;
                let opened = OpenOptions::new().read(true).custom_flags(nonblock).open(plain_path());
                let _ = opened.unwrap().read(&mut [0; 2]);
                die(seed, "naive");
            }
        }
        "one" => {
            let mut slots = slots(environment);
            slots.want(7);
            assert_eq!(slots.wait(7, SHORT), 0);
            println!("ready {}", slots.workers());
        }
        role => panic!("{role}"),
    }
}

/// Where a client that makes it simple finds the tokens.
fn plain_path() -> String {
    let flags = std::env::var("MAKEFLAGS").unwrap();
    let auth = flags.split("--jobserver-auth=").last().unwrap().replace("\\ ", " ");
    let auth = auth.split(" -").next().unwrap();
    match auth.strip_prefix("fifo:") {
        Some(path) => path.to_owned(),
        None => format!("/proc/self/fd/{}", auth.split(',').next().unwrap()),
    }
}

/// Kills the own process, by a signal that can be handled or by the one that cannot.
fn die(seed: u64, role: &str) {
    let signals = ["KILL", "KILL", "TERM", "INT", "HUP", "QUIT"];
    let signal = if role == "naive" { "KILL" } else { signals[seed as usize % signals.len()] };
    // Who started the tests may have had signals ignored, as nohup does.
    for signal in [signal, "KILL"] {
        let kill = Command::new("kill").args(["-s", signal, &std::process::id().to_string()]).status();
        assert!(kill.unwrap().success());
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn tokens_come_and_go() {
    let mut server = Server::new(4);
    let mut slots = server.slots();
    assert_eq!(slots.workers(), 1);
    slots.want(3);
    assert_eq!(slots.wait(3, LONG), 3);
    assert_eq!((slots.workers(), server.drain().len()), (4, 1));
    server.pipe.write_all(b"d").unwrap();

    // Fewer: the others are there at once for everybody.
    slots.want(1);
    assert_eq!((slots.wait(1, LONG), slots.workers()), (1, 2));
    let mut other = server.slots();
    other.want(8);
    assert_eq!(other.wait(8, SHORT), 3);
    slots.finish();
    assert_eq!(other.wait(4, LONG), 4);
    drop(other);
    server.assert_whole();
}

#[test]
fn nothing_is_taken_that_was_not_asked_for() {
    let mut server = Server::new(4);
    let slots = server.slots();
    server.assert_whole();
    drop(slots);
}

#[test]
fn killed_clients_lose_nothing_where_naive_ones_do() {
    for (role, taken, lost) in [("hold", 2, 0), ("naive", 1, 1)] {
        let mut server = Server::new(7);
        let mut clients: Vec<_> =
            (0..3).map(|_| client(role, &server.makeflags()).spawn().unwrap()).collect();
        clients.iter_mut().for_each(wait_ready);
        assert_eq!(server.drain().len(), 7 - 3 * taken, "{role}");
        for mut client in clients {
            client.kill().unwrap();
            client.wait().unwrap();
        }
        let mut back = Vec::new();
        for _ in 0..if lost == 0 { 500 } else { 20 } {
            back.extend(server.drain());
            if back.len() == 3 * taken {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(back.len(), 3 * (taken - lost), "{role}");
    }
}

fn knows(make: &Path, option: &str) -> bool {
    Command::new(make).args([option, "--version"]).output().unwrap().status.success()
}

/// Runs make with 30 clients that are killed, and returns what it says.
fn make_with_clients_that_die(make: &Path, style: Option<&str>, role: &str) -> String {
    let directory = TempDir::new().unwrap();
    let program = std::env::current_exe().unwrap();
    let names: Vec<String> = (0..30).map(|i| format!("t{i}")).collect();
    let rules = format!(
        "all: {names}\n{names}:\n\t+-@{ROLE}={role} {program} --exact in_a_role --nocapture >/dev/null 2>&1\n",
        names = names.join(" "),
        program = program.display()
    );
    fs::write(directory.path().join("Makefile"), rules).unwrap();
    let mut command = Command::new(make);
    command.current_dir(directory.path()).arg("-j8").env_remove("MAKEFLAGS").env_remove("MFLAGS");
    let output = command.args(style).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn make_misses_no_token_of_clients_that_die() {
    let Some(make) = common::tool_or_skip("make") else { return };
    for style in [None, Some("--jobserver-style=pipe"), Some("--jobserver-style=fifo")] {
        if !style.is_none_or(|style| knows(&make, style)) {
            common::skipped("this make has one style of jobserver; 4.4 has two");
            return;
        }
        let said = make_with_clients_that_die(&make, style, "die");
        assert!(!said.contains("INTERNAL"), "{style:?}: {said}");
        // Make does see what naive clients lose.
        let said = make_with_clients_that_die(&make, style, "die-naive");
        assert!(said.contains("should be 8!"), "{style:?}: {said}");
    }
}

/// Recipes that are not marked as recursive get the words, but not the descriptors, or those of other files.
#[test]
fn a_rule_without_mark_has_one_slot_and_touches_nothing() {
    let Some(make) = common::tool_or_skip("make") else { return };
    let directory = TempDir::new().unwrap();
    let program = std::env::current_exe().unwrap().display().to_string();
    let run = format!("{ROLE}=one {program} --exact in_a_role --nocapture");
    let rules = format!("all: a b\na:\n\t@{run}\nb:\n\t@exec 3<kept 4<>kept; {run}\n");
    fs::write(directory.path().join("Makefile"), rules).unwrap();
    fs::write(directory.path().join("kept"), "as it was").unwrap();
    let mut command = Command::new(&make);
    command.current_dir(directory.path()).arg("-j4").env_remove("MAKEFLAGS").env_remove("MFLAGS");
    // What has a name, all recipes have.
    command.args(Some("--jobserver-style=pipe").filter(|style| knows(&make, style)));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said.matches("ready 1").count(), 2, "{said}");
    assert_eq!(fs::read(directory.path().join("kept")).unwrap(), b"as it was");
}

#[test]
fn what_is_no_jobserver_gives_one_slot() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "++++").unwrap();
    let regular = format!(" -j4 --jobserver-auth=fifo:{}", file.display());
    let missing = format!(" -j4 --jobserver-auth=fifo:{}", directory.path().join("x").display());
    let texts = [
        &regular,
        &missing,
        " --jobserver-auth=-2,-2",
        " --jobserver-auth=new:style",
        " --jobserver-auth=3,99999",
    ];
    for text in texts {
        let mut slots = slots(|name| (name == "MAKEFLAGS").then(|| text.into()));
        slots.want(3);
        assert_eq!((slots.wait(3, SHORT), slots.workers()), (0, 1), "{text}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"++++");
    // A dry run takes none that are there.
    let mut server = Server::new(3);
    let dry = format!("n{}", server.makeflags());
    let mut slots = slots(move |name| (name == "MAKEFLAGS").then(|| dry.clone().into()));
    slots.want(3);
    assert_eq!((slots.wait(3, SHORT), slots.workers()), (0, 1));
    server.assert_whole();
    for text in ["", " -j", "k", " -- X=--jobserver-auth=3,4"] {
        let found = Jobserver::find(|name| (name == "MAKEFLAGS").then(|| text.into())).unwrap();
        assert!(matches!(found, Jobserver::None), "{text}");
    }
}

#[test]
fn the_first_valid_variable_counts() {
    let mut server = Server::new(2);
    let own = format!("fifo:{}", server.path().display());
    let find = |pairs: &[(&str, &str)]| {
        let pairs: Vec<(String, OsString)> =
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).into())).collect();
        Jobserver::find(move |name| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
    };
    assert!(matches!(
        find(&[("BTFGEN_JOBSERVER", "off"), ("MAKEFLAGS", &server.makeflags())]),
        Ok(Jobserver::None)
    ));
    assert!(find(&[("BTFGEN_JOBSERVER", "nonsense")]).is_err());
    let flags = server.makeflags();
    let stale = " --jobserver-auth=fifo:/nonexistent/x";
    let ways: [&[(&str, &str)]; 3] = [
        &[("BTFGEN_JOBSERVER", &own), ("MAKEFLAGS", stale)],
        &[("CARGO_MAKEFLAGS", stale), ("OUT_DIR", "x"), ("NUM_JOBS", "2"), ("MAKEFLAGS", &flags)],
        // Not below a build script: what cargo said to its own children is none of ours.
        &[("CARGO_MAKEFLAGS", stale), ("MAKEFLAGS", &flags)],
    ];
    for way in ways {
        let Ok(Jobserver::Slots(mut slots)) = find(way) else { panic!("{way:?}") };
        slots.want(2);
        assert_eq!(slots.wait(2, LONG), 2, "{way:?}");
    }
    server.assert_whole();
}

/// Both ends of a pipe as make 4.3 passes them on.
fn pipe_server() -> (File, File, String) {
    let (read, write) = rustix::pipe::pipe().unwrap();
    let flags = format!(" -j4 --jobserver-auth={},{}", read.as_raw_fd(), write.as_raw_fd());
    (read.into(), write.into(), flags)
}

#[test]
fn inherited_descriptors_keep_their_flags() {
    let (mut read, mut write, flags) = pipe_server();
    write.write_all(b"xyz").unwrap();
    let before = [&read, &write].map(|end| rustix::fs::fcntl_getfl(end).unwrap());
    assert!(!before[0].contains(OFlags::NONBLOCK));
    let mut slots = slots(|name| (name == "MAKEFLAGS").then(|| flags.clone().into()));
    slots.want(2);
    assert_eq!(slots.wait(2, LONG), 2);
    assert_eq!([&read, &write].map(|end| rustix::fs::fcntl_getfl(end).unwrap()), before);
    slots.finish();
    let mut tokens = [0; 3];
    read.read_exact(&mut tokens).unwrap();
    tokens.sort_unstable();
    assert_eq!(&tokens, b"xyz");
}

#[test]
fn two_pipes_are_no_jobserver() {
    let (read, _write, _) = pipe_server();
    let (_read, write, _) = pipe_server();
    let flags = format!(" --jobserver-auth={},{}", read.as_raw_fd(), write.as_raw_fd());
    let mut slots = slots(|name| (name == "MAKEFLAGS").then(|| flags.clone().into()));
    slots.want(1);
    assert_eq!(slots.wait(1, SHORT), 0);
}

/// How often a process wakes in a second that waits for a token.
fn wakes(slots: &mut Slots, jobs: &Path) -> f64 {
    slots.want(1);
    assert_eq!(slots.wait(1, SHORT), 0);
    // The only child of this thread's process that is called like it and waits for a token is the warden.
    let switches = || {
        let mut sum = 0;
        let own = std::process::id().to_string();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let field =
                |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_owned());
            if field("PPid:") == Some(own.clone()) && field("Threads:").as_deref() == Some("1") {
                let open = fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten();
                if open.flat_map(|fd| fs::read_link(fd.path())).any(|target| target == jobs) {
                    sum += field("voluntary_ctxt_switches:").and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
                }
            }
        }
        sum
    };
    let (before, start) = (switches(), Instant::now());
    assert!(before > 0, "the warden was not found");
    std::thread::sleep(Duration::from_secs(1));
    (switches() - before) as f64 / start.elapsed().as_secs_f64()
}

/// A process that waits for a token sleeps, also where reading blocks for everybody else.
#[test]
fn waiting_for_tokens_costs_nothing() {
    let (read, mut write, flags) = pipe_server();
    let pipe = fs::read_link(format!("/proc/self/fd/{}", read.as_raw_fd())).unwrap();
    let mut waiting = slots(|name| (name == "MAKEFLAGS").then(|| flags.clone().into()));
    let wakes_of_pipe = wakes(&mut waiting, &pipe);
    write.write_all(b"t").unwrap();
    assert_eq!(waiting.wait(1, LONG), 1);
    let mut server = Server::new(0);
    let mut slots = server.slots();
    let wakes = wakes(&mut slots, &server.path());
    assert!(wakes <= 5.0 && wakes_of_pipe <= 5.0, "{wakes} and {wakes_of_pipe} wakes in a second");
    server.pipe.write_all(b"t").unwrap();
    assert_eq!(slots.wait(1, LONG), 1);
    server.tokens = vec![b't'];
    drop(slots);
    server.assert_whole();
}

#[test]
fn a_server_that_goes_leaves_the_own_slot() {
    let (read, write, flags) = pipe_server();
    let mut slots = slots(|name| (name == "MAKEFLAGS").then(|| flags.clone().into()));
    slots.want(1);
    drop((read, write));
    assert_eq!((slots.wait(1, SHORT), slots.workers()), (0, 1));
    let server = Server::new(1);
    let mut slots = server.slots();
    fs::remove_file(server.path()).unwrap();
    slots.want(2);
    assert_eq!(slots.wait(2, SHORT), 1);
}

/// A server may be a device: one that knows who holds what. A terminal is one that anybody can make.
#[test]
fn a_device_can_be_a_jobserver() {
    let Some(python) = common::tool_or_skip("python3") else { return };
    let serve = "import os, pty, sys, tty\n\
                 server, device = pty.openpty()\n\
                 tty.setraw(device)\n\
                 os.write(server, b'abc')\n\
                 print(os.ttyname(device), flush=True)\n\
                 sys.stdin.readline()\n\
                 print(''.join(sorted(os.read(server, 99).decode())))";
    let mut command = Command::new(python);
    let command = command.args(["-c", serve]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let own = format!("fifo:{}", lines.next().unwrap());
    let mut slots = slots(|name| (name == "BTFGEN_JOBSERVER").then(|| own.clone().into()));
    slots.want(3);
    assert_eq!((slots.wait(3, LONG), slots.workers()), (3, 4));
    slots.finish();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(lines.next().unwrap(), "abc");
    assert!(child.wait().unwrap().success());
}

/// Eight clients that each want eight slots, below a server with seven tokens and eight jobs of its own kind.
#[test]
fn never_more_workers_than_slots() {
    let mut server = Server::new(7);
    let log = server.directory.path().join("log");
    File::create(&log).unwrap();
    // As make does it: each command that it starts has a slot, for which make holds a token, but for one.
    std::thread::scope(|scope| {
        for i in 0..8 {
            let (server, log) = (&server, &log);
            scope.spawn(move || {
                let mut own = server.slots();
                for _ in 0..3 {
                    if i > 0 {
                        own.want(1);
                        assert_eq!(own.wait(1, LONG), 1);
                    }
                    let mut work = client("work", &server.makeflags());
                    assert!(work.env("BTFGEN_TEST_LOG", log).status().unwrap().success());
                    own.want(0);
                }
            });
        }
    });
    let events = fs::read(&log).unwrap();
    assert_eq!(events.len(), 2 * 2 * 24);
    let (mut active, mut most) = (0_i32, 0);
    for event in events.chunks(2) {
        active += if event[0] == b'+' { i32::from(event[1]) } else { -i32::from(event[1]) };
        most = most.max(active);
    }
    assert!(most <= 8, "{most} workers at a time");
    assert!(most > 1, "no client ever got a token");
    server.assert_whole();
}

/// The encoder itself: as many workers as there are slots, and the same bytes.
#[test]
fn the_encoder_asks_make() {
    let demo = common::root().join("testdata/small/demo.elf");
    let mut server = Server::new(2);
    let directory = TempDir::new().unwrap();
    let run = |input: &Path, jobs: &str, name: &str, flags: &str| {
        let (output, stats) = (directory.path().join(name), directory.path().join("stats"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_btfgen"));
        command
            .arg(input)
            .args(["-j", jobs, "-o"])
            .arg(&output)
            .arg("--stats")
            .arg(&stats)
            .env("MAKEFLAGS", flags);
        let ran = command.output().unwrap();
        assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
        let stats: serde_json::Value = serde_json::from_slice(&fs::read(stats).unwrap()).unwrap();
        (stats["jobs"].as_u64().unwrap(), fs::read(output).unwrap())
    };
    // Little work has one worker, and asks for nothing.
    let (free, bytes) = run(&demo, "5", "a", "");
    assert_eq!(free, 1);
    assert_eq!(run(&demo, "5", "b", &server.makeflags()), (1, bytes));
    server.assert_whole();
    server.pipe.write_all(b"ab").unwrap();
    // Enough work for five.
    let Some(gcc) = gcc() else { return };
    let large = directory.path().join("large");
    wide(&gcc, &large);
    let (free, bytes) = run(&large, "5", "c", "");
    assert_eq!(free, 5);
    assert!(run(&large, "5", "d", &server.makeflags()) == (3, bytes.clone()));
    assert!(run(&large, "2", "e", &server.makeflags()) == (2, bytes));
    server.assert_whole();
}

/// The workers of the encodes that name a path, as process and thread. A process without any, or which has given back
/// what it shared, works on its own thread.
fn workers_of(path: &str) -> BTreeSet<(u32, u32)> {
    let numbers = |dir: &str| -> Vec<u32> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    };
    let is_encode = |&pid: &u32| {
        let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        program.is_some_and(|program| program == Path::new(env!("CARGO_BIN_EXE_btfgen")))
            && String::from_utf8_lossy(&arguments).contains(path)
    };
    let encodes: Vec<u32> = numbers("/proc").into_iter().filter(is_encode).collect();
    let mut workers = BTreeSet::new();
    for &pid in &encodes {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
        // What holds the tokens of an encode is a child of it, and looks like it.
        if parent.is_none_or(|parent| encodes.contains(&parent)) {
            continue;
        }
        let name = |tid: &u32| fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")).unwrap_or_default();
        let threads = numbers(&format!("/proc/{pid}/task"));
        let has_share = threads.iter().any(|tid| name(tid).trim() == "btfgen-watch");
        let is_worker = |tid: &u32| {
            let name = name(tid);
            name.trim().strip_prefix("btfgen-").is_some_and(|number| number.parse::<u32>().is_ok())
        };
        let mut crew: Vec<u32> = threads.into_iter().filter(|tid| has_share && is_worker(tid)).collect();
        if crew.is_empty() {
            crew.push(pid);
        }
        workers.extend(crew.into_iter().map(|tid| (pid, tid)));
    }
    workers
}

/// What was seen of encodes that ran at the same time.
#[derive(Debug, Default)]
struct Crowd {
    samples: usize,
    encodes: usize,
    workers: usize,
    /// The most workers that one encode had.
    widest: usize,
}

/// Runs `make -j8` with rules for two encodes, one after the other, and then eight more at once, of which each wants
/// eight workers.
fn make_encodes(make: &Path, place: &Place, input: &Path) -> Crowd {
    let out = place.path("out");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir(&out).unwrap();
    let rules = format!(
        "all: 2 3 4 5 6 7 8 9\n2 3 4 5 6 7 8 9: 1\n1: 0\n0 1 2 3 4 5 6 7 8 9:\n\t+@{} -j8 -o {}/$@ {}\n",
        env!("CARGO_BIN_EXE_btfgen"),
        out.display(),
        input.display()
    );
    fs::write(place.path("Makefile"), rules).unwrap();
    let mut command = place.program(make);
    command.arg("-j8").env_remove("MFLAGS").current_dir(place.path("")).stderr(Stdio::piped());
    let mut running = command.spawn().unwrap();
    let (mut crowd, mut before) = (Crowd::default(), BTreeSet::new());
    while running.try_wait().unwrap().is_none() {
        // Who is there twice was there all the time between: these worked at the same time. One that has just ended its
        // work may be there for a moment longer.
        let now = workers_of(out.to_str().unwrap());
        let both: Vec<(u32, u32)> = now.intersection(&before).copied().collect();
        let encodes: BTreeSet<u32> = both.iter().map(|(pid, _)| *pid).collect();
        let of = |encode: &u32| both.iter().filter(|(pid, _)| pid == encode).count();
        crowd.samples += 1;
        crowd.encodes = crowd.encodes.max(encodes.len());
        crowd.workers = crowd.workers.max(both.len());
        crowd.widest = crowd.widest.max(encodes.iter().map(of).max().unwrap_or(0));
        before = now;
        std::thread::sleep(Duration::from_millis(5));
    }
    let ended = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.is_empty(), "{said}");
    let first = fs::read(out.join("0")).unwrap();
    assert!((1..10).all(|i| fs::read(out.join(i.to_string())).unwrap() == first), "other bytes");
    crowd
}

/// Eight encodes that each want eight workers, below `make -j8`: all of them together have eight. Without asking make
/// they would have 64.
#[test]
fn eight_encodes_below_make_have_eight_workers() {
    let (Some(make), Some(gcc)) = (common::tool_or_skip("make"), gcc()) else { return };
    // A system of which nothing is known is calm: no encode gets narrower while it runs.
    let calm = TempDir::new().unwrap();
    let place = Place::new().with("BTFGEN_ROOT", calm.path());
    // Little work asks for few workers.
    let is_large = |path: &PathBuf| fs::metadata(path).unwrap().len() >= 64 << 20;
    let kernel = common::kernels().and_then(|kernels| kernels.into_iter().find(is_large));
    let input = kernel.unwrap_or_else(|| {
        long(&gcc, &place.path("long"), 0.3);
        place.path("long")
    });
    let shared = make_encodes(&make, &place, &input);
    let place = place.with("BTFGEN_JOBSERVER", "off");
    let alone = make_encodes(&make, &place, &input);
    println!("asking make: {shared:?}; asking nobody: {alone:?}");
    assert!(shared.workers <= 8, "{shared:?}");
    // Else it could hold of itself.
    assert!(shared.encodes > 1 && shared.widest > 1, "{shared:?}");
    assert!(alone.workers > 8, "{alone:?}");
}
