//! Whatever happens to those who share a ledger, and to the ledger: processes that are killed or stopped in the middle,
//! in other namespaces, without descriptors, locks or room; files that are removed, replaced and cut off.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use btfgen::admission::driver;
use btfgen::admission::ledger::{Ledger, Live, Request};
use common::claims::{
    self, BUDGET, DIR, Kept, ROLE, allow_descriptors, at_once, child, come_and_go, is_locked, ledger, locks,
    number, request,
};
use common::groups::Group;
use common::place::{Place, code, held, quiet, until};
use common::{Random, skipped, tool_or_skip};

/// What the processes that this program starts do. Without a role there is nothing to test.
#[test]
fn in_a_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let ledger = Ledger::at(std::env::var(DIR).unwrap());
    match role.split_once(' ').unwrap_or((&role, "")) {
        ("storm", seed) => come_and_go(&ledger, seed.parse().unwrap()),
        // In and out of the mutex, most of the time within.
        ("busy", bytes) => {
            let bytes: u64 = bytes.parse().unwrap();
            let mut own = ledger.acquire(&request(bytes)).unwrap();
            // Its child inherits what keeps the reservation alive.
            let open = rustix::io::FdFlags::empty();
            rustix::io::fcntl_setfd(own.life(), open).unwrap();
            let mut sleeper = Command::new("sleep").arg("600").spawn().unwrap();
            println!("\nruns {}", sleeper.id());
            while sleeper.try_wait().unwrap().is_none() {
                own.observe(bytes).unwrap();
            }
        }
        ("wait", bytes) => drop(ledger.acquire(&request(bytes.parse().unwrap())).unwrap()),
        (role, _) => panic!("{role}"),
    }
}

/// A process that is in and out of the mutex and holds so much, and the number of a child that holds it as well.
fn busy(bytes: u64, ledger: &Ledger, within: Option<&Group>) -> (Kept, u32) {
    use std::io::{BufRead, BufReader};
    let mut command = child(&format!("busy {bytes}"), ledger.directory());
    if let Some(group) = within {
        command = group.run(&command);
    }
    let mut busy = Kept(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let lines = BufReader::new(busy.0.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
    let sleeper = lines.filter_map(|line| line.strip_prefix("runs ")?.parse().ok()).next().unwrap();
    (busy, sleeper)
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}

/// Stops something again and again until that leaves the mutex locked; false if the kernel does not tell.
fn caught(ledger: &Ledger, stop: &dyn Fn(bool)) -> bool {
    if locks(ledger).is_none_or(|locks| locks.is_empty()) {
        skipped("the kernel does not tell of locks in /proc/locks");
        return false;
    }
    until("it is stopped in the mutex", || {
        stop(true);
        let is_locked = is_locked(ledger);
        if !is_locked {
            stop(false);
        }
        is_locked
    });
    true
}

fn stop_process(pid: u32) -> impl Fn(bool) {
    move |stopped| {
        signal(if stopped { "STOP" } else { "CONT" }, pid);
        let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        until("it has heard", || !stopped || stat().rsplit_once(") ").unwrap().1.starts_with('T'));
    }
}

/// Who is killed in the mutex leaves it free at once, also if a child lives on that holds the reservation; and that lasts
/// as long as the child does.
#[test]
fn killed_within_the_mutex() {
    let (_directory, ledger) = ledger();
    for _ in 0..number("BTFGEN_STORM_KILLS", 20).div_ceil(20) {
        let (mut busy, sleeper) = busy(700, &ledger, None);
        if !caught(&ledger, &stop_process(busy.0.id())) {
            return signal("KILL", sleeper);
        }
        busy.0.kill().unwrap();
        busy.0.wait().unwrap();
        assert!(!is_locked(&ledger), "the mutex outlives its owner");
        assert_eq!(held(&ledger.entries().unwrap()), 700);
        assert!(at_once(&ledger, request(400)).is_none());
        assert!(at_once(&ledger, request(300)).is_some());
        signal("KILL", sleeper);
        until("the child has ended", || ledger.entries().unwrap().is_empty());
    }
}

/// While the owner of the mutex is stopped the others go on without it, and say so once; after that all is as before.
fn goes_on_beside(place: &Place, stop: &dyn Fn(bool)) {
    let ledger = Ledger::at(place.ledger());
    if !caught(&ledger, stop) {
        return;
    }
    let (status, said) = code(&place.run(&["admit", "--mem=100", "--", "true"]));
    assert!(status == Some(0) && said.lines().count() == 1, "{said}");
    assert!(said.contains("locked by a process that does not go on"), "{said}");
    let strict = ["admit", "--mem=100", "--admission=strict", "--", "true"];
    assert_eq!(code(&place.run(&strict)).0, Some(74));
    let text = place.run(&["admit", "status"]);
    assert!(String::from_utf8(text.stdout).unwrap().contains("cannot be used"));
    stop(false);
    assert_eq!(code(&place.run(&["admit", "--mem=100", "--", "true"])), quiet(0));
}

#[test]
fn stopped_within_the_mutex() {
    let place = Place::new();
    let (busy, sleeper) = busy(700, &Ledger::at(place.ledger()), None);
    goes_on_beside(&place, &stop_process(busy.0.id()));
    signal("KILL", sleeper);
}

#[test]
fn frozen_within_the_mutex() {
    let Some(group) = Group::to_freeze() else { return };
    let place = Place::new();
    let (busy, sleeper) = busy(700, &Ledger::at(place.ledger()), Some(&group));
    goes_on_beside(&place, &|frozen| group.freeze(frozen));
    signal("KILL", sleeper);
    drop(busy);
}

/// The ledger goes again and again in one way or another, and its directory as well: nobody fails, and in the end
/// nobody holds anything.
#[test]
fn a_ledger_that_is_vandalised() {
    let rounds = number("BTFGEN_STORM_KILLS", 200);
    let (_directory, ledger) = ledger();
    drop(at_once(&ledger, request(1)).unwrap());
    let mut crowd: Vec<Kept> = (0..12)
        .map(|seed| {
            let mut command = child(&format!("storm {seed}"), ledger.directory());
            Kept(command.stderr(Stdio::inherit()).spawn().unwrap())
        })
        .collect();
    let mut random = Random::new(11);
    let path = claims::file(&ledger);
    let mut turns = 0;
    for _ in 0..rounds {
        std::thread::sleep(Duration::from_micros(random.below(6000) as u64));
        // Others may be making the file anew at the same moment: what is not there cannot be damaged.
        let done = match random.below(7) {
            0 => fs::remove_file(&path),
            1 => fs::File::options().write(true).open(&path).and_then(|file| file.set_len(0)),
            2 => fs::File::options().write(true).open(&path).and_then(|file| file.set_len(4100)),
            3 => {
                let garbage: Vec<u8> = (0..random.below(9000)).map(|_| random.next() as u8).collect();
                let other = ledger.directory().join("other");
                fs::write(&other, garbage).and_then(|()| fs::rename(&other, &path))
            }
            4 => {
                let garbage: Vec<u8> = (0..16).map(|_| random.next() as u8).collect();
                let at = random.below(6000) as u64;
                fs::File::options().write(true).open(&path).and_then(|file| file.write_all_at(&garbage, at))
            }
            5 => fs::rename(ledger.directory(), ledger.directory().with_extension(turns.to_string())),
            _ => fs::remove_dir_all(ledger.directory()),
        };
        turns += usize::from(done.is_ok());
        for child in &mut crowd {
            assert!(child.0.try_wait().unwrap().is_none(), "one of the crowd failed");
        }
    }
    drop(crowd);
    println!("{rounds} times damaged or removed, {turns} of them at a moment when it was there");
    assert!(turns > rounds / 3);
    assert!(at_once(&ledger, request(BUDGET)).is_some());
    assert!(ledger.entries().unwrap().is_empty());
}

/// Who waits while the ledger is replaced again and again waits in the last one, and keeps nothing of those before.
#[test]
fn waits_on_in_another_file() {
    let (_directory, ledger) = ledger();
    let waits =
        |number: u32| ledger.entries().unwrap().iter().any(|entry| !entry.is_running && entry.pid == number);
    let mut all = at_once(&ledger, request(BUDGET)).unwrap();
    let mut waiting = Kept(child("wait 700", ledger.directory()).spawn().unwrap());
    let id = waiting.0.id();
    let descriptors = || fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    until("it waits", || waits(id));
    let before = descriptors();
    for i in 0..20 {
        // One that is held already takes the place of the other at once.
        let next = Ledger::at(ledger.directory().with_extension(i.to_string()));
        let held = at_once(&next, request(BUDGET)).unwrap();
        fs::rename(claims::file(&next), claims::file(&ledger)).unwrap();
        all = held;
        until("it waits in the new one", || waits(id));
    }
    assert!(descriptors() <= before + 2, "{before} descriptors became {}", descriptors());
    drop(all);
    assert!(waiting.0.wait().unwrap().success());
}

/// What is left of a ledger counts: a header that makes no sense takes nothing from those who live, and who is not in
/// it any more is seen in what memory is left, and writes itself down again.
#[test]
fn who_lives_counts_in_a_damaged_ledger() {
    let (_directory, ledger) = ledger();
    let file = || fs::File::options().write(true).open(claims::file(&ledger)).unwrap();
    let mut own = at_once(&ledger, request(900)).unwrap();
    for header in [[0; 16], [0xff; 16], *b"BTFGADM9\x01\0\0\0\0\0\0\0"] {
        file().write_all_at(&header, 0).unwrap();
        assert!(at_once(&ledger, request(200)).is_none(), "{header:?}");
        assert_eq!(held(&ledger.entries().unwrap()), 900);
        assert!(at_once(&ledger, request(100)).is_some());
    }
    fn headroom() -> Option<u64> {
        Some(150)
    }
    for length in [0, 7, 4096, 4100] {
        file().set_len(length).unwrap();
        // Who looks at the memory sees it, who does not cannot.
        let live = Some(Live { headroom, safety: 0 });
        let other = at_once(&ledger, request(1)).unwrap();
        assert!(at_once(&ledger, Request { live, ..request(200) }).is_none());
        drop(other);
        own.observe(300).unwrap();
        assert_eq!(held(&ledger.entries().unwrap()), 900, "{length}");
        assert_eq!(ledger.entries().unwrap()[0].observed, 300);
        assert!(at_once(&ledger, request(200)).is_none());
    }
    drop(own);
    assert!(at_once(&ledger, request(BUDGET)).is_some());
}

/// Nobody asks who is who: processes in namespaces of their own share with those outside, and die as cleanly.
#[test]
fn in_other_namespaces() {
    let kills = number("BTFGEN_STORM_KILLS", 100);
    let (_directory, ledger) = ledger();
    let inside = |command: &Command| {
        let mut unshare = Command::new("unshare");
        unshare.args([
            "--user",
            "--map-root-user",
            "--pid",
            "--ipc",
            "--mount",
            "--uts",
            "--fork",
            "--kill-child",
        ]);
        unshare.arg(command.get_program()).args(command.get_args());
        unshare.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        unshare.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        unshare
    };
    if !inside(&Command::new("true")).status().is_ok_and(|status| status.success()) {
        return skipped("no namespaces can be made here");
    }
    let mut seeds = 1..;
    let mut start = |victim: usize| {
        let outside = child(&format!("storm {}", seeds.next().unwrap()), ledger.directory());
        let is_inside = victim.is_multiple_of(2);
        Kept(if is_inside { inside(&outside) } else { outside }.spawn().unwrap())
    };
    // In a namespace of its own each is the first process, or the one after its shell.
    let mut from_inside = 0;
    let mut before = |_: usize, entries: &[_]| {
        let is_inside = |entry: &&btfgen::admission::ledger::Entry| entry.is_running && entry.pid < 3;
        from_inside += entries.iter().filter(is_inside).count();
    };
    let seen = claims::storm(&ledger, (12, kills, Duration::from_millis(20)), &mut start, &mut before);
    let start = Instant::now();
    until("all of it is free", || at_once(&ledger, request(BUDGET)).is_some());
    println!(
        "{kills} kills, {from_inside} times one in a namespace held something; {} samples, none above the budget; \
         all of it was free after {:?}",
        seen.samples,
        start.elapsed()
    );
    assert!(from_inside > 0);
}

/// What the system has no room for keeps nobody from running, is said once, and is a failure only for those who insist.
fn is_said_once(what: &str, mut run: impl FnMut(&str) -> std::process::Output) {
    let (status, said) = code(&run("on"));
    assert!(status == Some(0) && said.lines().count() == 1, "{what}: {status:?} {said}");
    assert!(said.ends_with("going on without waiting for others\n"), "{what}: {said}");
    let (status, said) = code(&run("strict"));
    assert!(status == Some(74) && !said.contains("panicked"), "{what}: {status:?} {said}");
}

#[test]
fn a_file_system_that_is_full() {
    let place = Place::new();
    fs::create_dir(place.path("full")).unwrap();
    // Room for the header alone, or for nothing.
    for filled in ["", "dd if=/dev/zero of=\"$0\"/fill bs=4096 count=9 2>/dev/null;"] {
        let script = format!(
            "mount -t tmpfs -o size=4k,mode=700 tmpfs \"$0\" || exit 99; {filled} BTFGEN_ADMIT_DIR=\"$0\" exec \"$@\""
        );
        let run = |mode: &str| {
            let mut command = place.program("unshare");
            command
                .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
                .arg(place.path("full"));
            let mode = format!("--admission={mode}");
            command.args([env!("CARGO_BIN_EXE_btfgen"), "admit", "--mem=1M", &mode, "--", "true"]);
            command.output().unwrap()
        };
        if matches!(code(&run("on")).0, Some(1 | 99)) {
            return skipped("no file system can be mounted here");
        }
        is_said_once("a full file system", run);
    }
}

#[test]
fn no_more_descriptors() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_btfgen");
    let mut warned = 0;
    // With three nothing can be opened at all, not even the libraries of a program.
    for descriptors in 4..24 {
        let script = format!("ulimit -n {descriptors}; exec {program} admit --mem=1M -- echo done");
        let output = place.program("sh").args(["-c", &script]).output().unwrap();
        let (status, said) = code(&output);
        // Either the command ran, or it could not be started: never an end without a word.
        let ran = status == Some(0) && output.stdout == b"done\n" && said.lines().count() <= 1;
        let failed = status != Some(0) && said.contains("error: ") && !said.contains("panicked");
        assert!(ran || failed, "{descriptors}: {status:?} {said}");
        warned += usize::from(ran && said.contains("going on without waiting for others"));
    }
    assert!(warned > 0, "the ledger never was what there were no descriptors for");
    assert!(place.entries().is_empty());
}

/// A kernel without these locks, or without room for another one.
#[test]
fn no_locks() {
    let Some(python) = tool_or_skip("python3") else { return };
    // A filter of system calls: fcntl(_, F_OFD_SETLK, _) and F_OFD_SETLKW fail.
    let filter = "import ctypes, os, struct, sys\n\
        numbers = {'x86_64': 72, 'aarch64': 25, 'riscv64': 25}\n\
        number, errno = numbers.get(os.uname().machine), int(sys.argv[1])\n\
        if number is None: sys.exit(99)\n\
        code = [(0x20, 0, 0, 0), (0x15, 0, 4, number), (0x20, 0, 0, 24), (0x15, 1, 0, 37), (0x15, 0, 1, 38), \
        (6, 0, 0, 0x50000 | errno), (6, 0, 0, 0x7fff0000)]\n\
        text = b''.join(struct.pack('HBBI', *one) for one in code)\n\
        held = ctypes.create_string_buffer(text)\n\
        program = struct.pack('HxxxxxxP', len(code), ctypes.addressof(held))\n\
        libc = ctypes.CDLL(None, use_errno=True)\n\
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.c_char_p(program)): sys.exit(99)\n\
        os.execv(sys.argv[2], sys.argv[2:])\n";
    let place = Place::new();
    for (errno, name) in [(37, "ENOLCK"), (22, "EINVAL"), (38, "ENOSYS")] {
        let run = |mode: &str| {
            let mut command = place.program(&python);
            command.args([
                "-c",
                filter,
                &errno.to_string(),
                env!("CARGO_BIN_EXE_btfgen"),
                "admit",
                "--mem=1M",
            ]);
            command.args([&format!("--admission={mode}"), "--", "true"]).output().unwrap()
        };
        if code(&run("on")).0 == Some(99) {
            return skipped("system calls cannot be filtered here");
        }
        is_said_once(name, run);
    }
}

/// A driver with as many clients as it hears is killed: all go on with the ledger, those who hold hold on, and nothing
/// counts twice.
#[test]
fn a_driver_is_killed_under_many_clients() {
    const CLIENTS: usize = 200;
    const COOKIE: &str = "0123456789abcdef";
    if !allow_descriptors(4096) {
        return skipped("there are not enough descriptors for 200 clients");
    }
    let place = Place::new().with("BTFGEN_ADMIT_COOKIE", COOKIE);
    let socket = place.ledger().join("driver.sock");
    let mut command = place.command(&["admit", "serve", "--connections=200"]);
    let mut driver = command.stdout(Stdio::piped()).spawn().map(Kept).unwrap();
    until("it listens", || socket.exists());
    let ledger = Ledger::at(place.ledger());
    let (sum, most, by_driver) = (AtomicU64::new(0), AtomicU64::new(0), AtomicUsize::new(0));
    let (fell_back, slowest, goes) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicUsize::new(0));
    let begin = Instant::now();
    let killed = AtomicU64::new(u64::MAX);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let come = || {
                    // Two in three of these wait at the driver while the others run.
                    let held = match driver::acquire(&socket, COOKIE, &request(50)) {
                        Ok(held) => {
                            by_driver.fetch_add(1, Ordering::SeqCst);
                            held
                        }
                        Err(_) => {
                            let now = begin.elapsed().as_millis() as u64;
                            slowest.fetch_max(
                                now.saturating_sub(killed.load(Ordering::SeqCst)),
                                Ordering::SeqCst,
                            );
                            fell_back.fetch_add(1, Ordering::SeqCst);
                            ledger.acquire(&request(50)).unwrap()
                        }
                    };
                    most.fetch_max(sum.fetch_add(50, Ordering::SeqCst) + 50, Ordering::SeqCst);
                    until("it may go", || goes.load(Ordering::SeqCst) > 0);
                    sum.fetch_sub(50, Ordering::SeqCst);
                    drop(held);
                };
                std::thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, come).unwrap()
            })
            .collect();
        let full = BUDGET as usize / 50;
        until("all that have room run", || by_driver.load(Ordering::SeqCst) == full);
        until("all others wait at the driver", || {
            fs::read_dir(format!("/proc/{}/task", driver.0.id())).unwrap().count() > CLIENTS
        });
        killed.store(begin.elapsed().as_millis() as u64, Ordering::SeqCst);
        driver.0.kill().unwrap();
        driver.0.wait().unwrap();
        let entries = ledger.entries().unwrap();
        assert_eq!(entries.iter().filter(|entry| entry.is_running).count(), full, "lost, or counted twice");
        assert_eq!(held(&entries), BUDGET);
        until("all others have fallen back", || fell_back.load(Ordering::SeqCst) == CLIENTS - full);
        assert_eq!(held(&ledger.entries().unwrap()), BUDGET);
        goes.store(1, Ordering::SeqCst);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    println!(
        "{CLIENTS} clients of a driver that is killed: {} ran by it, {} fell back, the slowest after {} ms; at most {} \
         of {BUDGET} were held",
        by_driver.into_inner(),
        fell_back.into_inner(),
        slowest.into_inner(),
        most.load(Ordering::SeqCst)
    );
    assert!(most.into_inner() <= BUDGET);
    assert!(ledger.entries().unwrap().is_empty());
}
