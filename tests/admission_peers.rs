//! Others who mean no good, or do not know better: another user's ledger, driver and clients; clients that say too much,
//! too little or nothing, by the thousand; numbers of processes that belong to somebody else by now.
//!
//! What needs a second user is tested by root alone. `BTFGEN_CONNECTIONS=100000` makes the flood as large as it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use btfgen::ErrorKind;
use btfgen::admission::ledger::Ledger;
use btfgen::admission::tree_memory;
use common::claims::{self, BUDGET, Kept, allow_descriptors, at_once, ledger, number, request};
use common::place::{Place, code, quiet, until};
use common::skipped;
use serde_json::{Value, json};
use tempfile::TempDir;

const COOKIE: &str = "0123456789abcdef";
const PROGRAM: &str = env!("CARGO_BIN_EXE_btfgen");
/// The user that owns nothing.
const NOBODY: u32 = 65534;

/// False with a word about it if this is not root, who can be somebody else.
fn is_root(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skipped(&format!("{what}: only root can be another user as well"));
    }
    is_root
}

/// A directory into which everybody can go, and this program in it, which others may not be able to reach where it is.
fn in_public() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("btfgen");
    // Written by another process: one that this one starts meanwhile would keep a descriptor of the file, and what is open
    // for writing cannot be run.
    assert!(Command::new("cp").arg(PROGRAM).arg(&program).status().unwrap().success());
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (directory, program)
}

fn make(path: &Path, owner: u32, mode: u32) {
    fs::create_dir(path).unwrap();
    chown(path, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A driver, and when it listens.
fn serve(place: &Place, args: &[&str]) -> (Kept, PathBuf) {
    let socket = place.ledger().join("driver.sock");
    let mut command = place.command(&[&["admit", "serve"], args].concat());
    command.env("BTFGEN_ADMIT_COOKIE", COOKIE);
    let mut driver = Kept(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(driver.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("COOKIE")));
    (driver, socket)
}

/// A client that asks a driver and must not wait.
fn client(place: &Place, socket: &Path) -> std::process::Output {
    let mut command = place.command(&["admit", "--mem=1M", "--", "true"]);
    command.env("BTFGEN_ADMIT_DRIVER", socket).env("BTFGEN_ADMIT_COOKIE", COOKIE).output().unwrap()
}

/// A request that makes sense.
fn line(bytes: u64) -> Vec<u8> {
    let request = json!({ "type": "request", "version": 1, "cookie": COOKIE, "offers": [{ "bytes": bytes, "threads": 1 }],
                          "label": "raw", "budget": BUDGET, "max_wait_ms": 0, "insist": true });
    format!("{request}\n").into_bytes()
}

#[test]
fn a_ledger_of_another_user() {
    if !is_root("a ledger of another user") {
        return;
    }
    let (directory, program) = in_public();
    let path = |name: &str| directory.path().join(name);
    let refused = |path: &Path| {
        let error = Ledger::at(path).acquire(&request(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    };
    // Root may write everywhere, and shall not be led to where others can.
    for (name, owner, mode) in
        [("theirs", NOBODY, 0o700), ("open", 0, 0o777), ("sticky", 0, 0o1777), ("group", 0, 0o775)]
    {
        make(&path(name), owner, mode);
        refused(&path(name));
        assert_eq!(fs::read_dir(path(name)).unwrap().count(), 0, "{name}");
    }
    make(&path("own"), 0, 0o700);
    fs::write(path("own").join("ledger"), "precious").unwrap();
    chown(path("own").join("ledger"), Some(NOBODY), None).unwrap();
    refused(&path("own"));
    assert_eq!(fs::read(path("own").join("ledger")).unwrap(), b"precious");
    // The other way round, for those who are not root.
    let as_nobody = |name: &str| {
        let mut command = Command::new(&program);
        command
            .uid(NOBODY)
            .gid(NOBODY)
            .env_clear()
            .env("BTFGEN_ADMIT_DIR", path(name))
            .env("BTFGEN_HISTORY", "off");
        code(&command.args(["admit", "--mem=1M", "--admission=strict", "--", "true"]).output().unwrap())
    };
    make(&path("roots"), 0, 0o755);
    make(&path("everybodys"), NOBODY, 0o777);
    for name in ["roots", "everybodys", "open", "own"] {
        assert_eq!(as_nobody(name).0, Some(74), "{name}");
    }
    assert_eq!(as_nobody("theirs"), quiet(0));
    // What the administrator made for a group is theirs together: who comes second uses what the first one made.
    make(&path("shared"), 0, 0o2770);
    chown(path("shared"), None, Some(NOBODY)).unwrap();
    fs::set_permissions(path("shared"), fs::Permissions::from_mode(0o2770)).unwrap();
    let held = at_once(&Ledger::at(path("shared")), request(900)).unwrap();
    fs::set_permissions(path("shared").join("ledger"), fs::Permissions::from_mode(0o660)).unwrap();
    let status = {
        let mut command = Command::new(&program);
        command.uid(NOBODY).gid(NOBODY).env_clear().env("BTFGEN_ADMIT_DIR", path("shared"));
        command.args(["admit", "status", "--json"]).output().unwrap()
    };
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["ledger"][0]["reserved_bytes"], 900, "{status}");
    drop(held);
}

/// Nobody but root and the own user is heard, and nobody else is listened to.
#[test]
fn a_driver_and_a_client_of_different_users() {
    if !is_root("a driver of another user") {
        return;
    }
    let (directory, program) = in_public();
    let path = |name: &str| directory.path().join(name);
    make(&path("roots"), 0, 0o700);
    make(&path("theirs"), NOBODY, 0o700);
    let command = |user: u32, ledger: &str| {
        let mut command = Command::new(&program);
        command
            .uid(user)
            .gid(user)
            .env_clear()
            .env("BTFGEN_ADMIT_DIR", path(ledger))
            .env("BTFGEN_HISTORY", "off");
        command.env("BTFGEN_ADMIT_COOKIE", COOKIE).stdin(Stdio::null());
        command
    };
    let serve = |user: u32, ledger: &str, socket: &Path| {
        let mut command = command(user, ledger);
        command.args(["admit", "serve", "--socket"]).arg(socket);
        let mut driver = Kept(command.stdout(Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(driver.0.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("COOKIE")));
        driver
    };
    let ask = |user: u32, ledger: &str, socket: &Path| {
        let mut command = command(user, ledger);
        code(
            &command
                .env("BTFGEN_ADMIT_DRIVER", socket)
                .args(["admit", "--mem=1M", "--", "true"])
                .output()
                .unwrap(),
        )
    };
    make(&path("sockets"), NOBODY, 0o755);
    let (roots, theirs) = (path("root.sock"), path("sockets").join("nobody.sock"));
    let _drivers = (serve(0, "roots", &roots), serve(NOBODY, "theirs", &theirs));
    // As it stands others cannot even connect.
    assert_eq!(fs::metadata(&roots).unwrap().permissions().mode() & 0o777, 0o600);
    let (status, said) = ask(NOBODY, "theirs", &roots);
    assert!(status == Some(0) && said.contains("cannot ask the driver"), "{said}");
    // And if they can they are not heard, though they know the cookie.
    for socket in [&roots, &theirs] {
        fs::set_permissions(socket, fs::Permissions::from_mode(0o666)).unwrap();
    }
    let (status, said) = ask(NOBODY, "theirs", &roots);
    assert!(
        status == Some(0) && said.lines().count() == 1 && said.contains("asking the ledger instead"),
        "{said}"
    );
    assert!(Ledger::at(path("roots")).entries().unwrap().is_empty());
    // Nor does anybody take a reservation from another user's driver.
    let (status, said) = ask(0, "roots", &theirs);
    assert!(status == Some(0) && said.contains("it is another user's"), "{said}");
    assert_eq!(ask(0, "roots", &roots), quiet(0));
    assert_eq!(ask(NOBODY, "theirs", &theirs), quiet(0));
}

/// A line without an end: it is not heard to the end, nor kept, by whichever side.
#[test]
fn a_message_of_a_gibibyte() {
    const GIB: usize = 1 << 30;
    let endless = |mut stream: UnixStream| {
        let piece = vec![b'x'; 64 << 10];
        (0..GIB / piece.len()).take_while(|_| stream.write_all(&piece).is_ok()).count() * piece.len()
    };
    let place = Place::new();
    let (driver, socket) = serve(&place, &[]);
    let before = tree_memory(driver.0.id());
    let sent = endless(UnixStream::connect(&socket).unwrap());
    // The same after a request that was granted.
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(&line(1)).unwrap();
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).unwrap();
    assert!(answer.contains("\"go\""), "{answer}");
    let later = endless(stream);
    let grown = tree_memory(driver.0.id()).saturating_sub(before);
    println!("of a message of 1 GiB a driver took {sent} and {later} bytes, and {grown} bytes of memory");
    assert!(sent < 4 << 20 && later < 4 << 20 && grown < 16 << 20);
    assert_eq!(code(&client(&place, &socket)), quiet(0));
    until("nothing is held", || place.entries().is_empty());
    drop(driver);
    // A driver of that kind.
    fs::remove_file(&socket).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let driver = std::thread::spawn(move || endless(listener.accept().unwrap().0));
    let (status, said) = code(&client(&place, &socket));
    assert!(
        status == Some(0) && said.lines().count() == 1 && said.contains("asking the ledger instead"),
        "{said}"
    );
    assert!(driver.join().unwrap() < 4 << 20);
}

/// Very many connections, one after the other and at the same time; and those that say their request so slowly that it
/// would take hours.
#[test]
fn floods_and_trickles() {
    let flood = number("BTFGEN_CONNECTIONS", 3000);
    if !allow_descriptors(2000) {
        return skipped("there are not enough descriptors for many connections");
    }
    let place = Place::new();
    let (driver, socket) = serve(&place, &["--connections=8"]);
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", driver.0.id())).unwrap().count();
    let before = descriptors();
    let start = Instant::now();
    for i in 0..flood {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // Some say nothing, some half of what they want, some all of it: nobody waits for an answer.
        let line = line(1);
        let _ = stream.write_all(&line[..[0, line.len() / 2, line.len()][i % 3]]);
    }
    println!("{flood} connections, one after the other: {:?}", start.elapsed());
    until("all are forgotten", || descriptors() <= before && place.entries().is_empty());
    until("it serves as before", || code(&client(&place, &socket)) == quiet(0));
    // As many at the same time as it takes up, a byte now and then: each has its five seconds for all of them.
    let mut slow: Vec<UnixStream> = (0..8).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let start = Instant::now();
    let mut refused = 0;
    until("the slow ones are cut off", || {
        std::thread::sleep(Duration::from_millis(50));
        for stream in &mut slow.iter() {
            let _ = { stream }.write_all(b" ");
        }
        let (status, said) = code(&client(&place, &socket));
        assert_eq!(status, Some(0), "{said}");
        if !said.is_empty() {
            assert!(said.contains("too many are connected"), "{said}");
        }
        said.is_empty()
    });
    println!("8 slow connections filled a driver for 8 for {:?}", start.elapsed());
    for stream in &mut slow {
        // It was closed, whether or not that says what was not heard.
        refused += usize::from(!matches!(stream.read(&mut [0]), Ok(1..)));
    }
    assert_eq!(refused, 8);
    // Far more at the same time than it hears.
    let crowd: Vec<_> = (0..600).filter_map(|_| UnixStream::connect(&socket).ok()).collect();
    let (status, said) = code(&client(&place, &socket));
    assert!(status == Some(0) && said.contains("asking the ledger instead"), "{said}");
    assert!(descriptors() < before + 64);
    drop(crowd);
    until("it serves as before", || code(&client(&place, &socket)) == quiet(0));
}

/// A process that lives does not stand for the dead one that had its number: the lock counts, not the number, and nobody
/// is sent a signal.
#[test]
fn numbers_of_processes_mean_nothing() {
    let (_directory, ledger) = ledger();
    let number = |place: u64, pid: u32| {
        let file = fs::File::options().write(true).open(claims::file(&ledger)).unwrap();
        file.write_all_at(&pid.to_le_bytes(), 4096 + 128 * place + 52).unwrap();
    };
    let bystander = Kept(Command::new("sleep").arg("600").spawn().unwrap());
    let held = at_once(&ledger, request(900)).unwrap();
    // Of one who lives with the number of another, and of one who does not exist.
    for pid in [bystander.0.id(), u32::MAX, 0, 1] {
        number(0, pid);
        assert_eq!(ledger.entries().unwrap()[0].pid, pid);
        assert!(at_once(&ledger, request(200)).is_none());
    }
    number(0, bystander.0.id());
    // What the dead left behind has the number of somebody who lives.
    let text = fs::read(claims::file(&ledger)).unwrap();
    drop(held);
    fs::write(claims::file(&ledger), text).unwrap();
    assert!(ledger.entries().unwrap().is_empty());
    assert!(at_once(&ledger, request(BUDGET)).is_some());
    assert!(Path::new(&format!("/proc/{}", bystander.0.id())).exists());
}

/// A program with the set-user-ID bit shares where its owner does, whatever its caller wants.
#[test]
fn more_rights_than_the_caller() {
    if !is_root("a program with the set-user-ID bit") {
        return;
    }
    let (directory, program) = in_public();
    let mount = rustix::fs::statvfs(directory.path()).unwrap();
    if mount.f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID) {
        return skipped("the directory of temporary files is on a mount without set-user-ID");
    }
    let nowhere = directory.path().join("no/where");
    // Strict, and without a place: with these variables it cannot run.
    let run = || {
        let mut command = Command::new(&program);
        command.env_clear().env("BTFGEN_ADMIT_DIR", &nowhere).env("BTFGEN_ADMISSION", "strict");
        command.env("MAKEFLAGS", "--jobserver-auth=fifo:/dev/zero").env("BTFGEN_HISTORY", "off");
        code(&command.args(["admit", "--mem=1", "--max-wait=1ms", "--", "true"]).output().unwrap())
    };
    assert_eq!(run().0, Some(74));
    let theirs = PathBuf::from(format!("/dev/shm/btfgen-{NOBODY}"));
    let was_there = theirs.exists();
    chown(&program, Some(NOBODY), None).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let (status, said) = run();
    if !was_there {
        let _ = fs::remove_dir_all(theirs);
    }
    assert!(status == Some(0) && !said.contains("where"), "{said}");
}
