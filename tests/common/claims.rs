//! Requests of a ledger of one's own, processes that make them, and what the kernel says of their locks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use btfgen::ErrorKind;
use btfgen::admission::gates::Gates;
use btfgen::admission::ledger::{Entry, Ledger, Offer, Priority, Request, Reservation};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use super::Random;
use super::place::held;

/// What a test program that starts itself again is to do.
pub const ROLE: &str = "BTFGEN_TEST_ROLE";
/// Where the ledger of such a program is.
pub const DIR: &str = "BTFGEN_TEST_DIR";

/// Longer than any test waits for what must come.
pub const LONG: Duration = Duration::from_secs(300);
/// What all have together in these tests, in no particular unit.
pub const BUDGET: u64 = 1000;

pub fn request(bytes: u64) -> Request {
    Request {
        offers: vec![Offer { bytes, threads: 1 }],
        budget: BUDGET,
        live: None,
        max_wait: LONG,
        insist: true,
        label: "test".to_owned(),
        priority: Priority::Normal,
        max_instances: None,
        gates: Gates::none(),
        parent: None,
    }
}

/// A directory that is gone after the test: in memory if there is such a place, as ledgers are.
pub fn directory() -> TempDir {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { TempDir::new_in(shared) } else { TempDir::new() }.unwrap()
}

/// A ledger of one's own.
pub fn ledger() -> (TempDir, Ledger) {
    let directory = directory();
    let ledger = Ledger::at(directory.path().join("ledger"));
    (directory, ledger)
}

/// What a request gets at once.
pub fn at_once(ledger: &Ledger, request: Request) -> Option<Reservation> {
    match ledger.acquire(&Request { max_wait: Duration::ZERO, ..request }) {
        Ok(reservation) => Some(reservation),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
            None
        }
    }
}

/// A number that makes a test longer than it is by default.
pub fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |n| n.parse().unwrap())
}

/// A process that ends with the test.
pub struct Kept(pub Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// This program in another role, which its test `in_a_role` plays.
pub fn child(role: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "in_a_role", "--nocapture"]).env(ROLE, role).env(DIR, directory);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Comes, holds and gives back without an end, never more than a quarter of the budget.
pub fn come_and_go(ledger: &Ledger, seed: u64) -> ! {
    let mut random = Random::new(seed);
    loop {
        let bytes = 1 + random.below(BUDGET as usize / 4) as u64;
        let mut held = ledger.acquire(&request(bytes)).unwrap();
        std::thread::sleep(Duration::from_micros(random.below(3000) as u64));
        held.observe(bytes / 2).unwrap();
        held.shrink(bytes / 2).unwrap();
    }
}

/// What was seen of a crowd of which some were killed.
pub struct Storm {
    /// How many were killed while they held something.
    pub holders: usize,
    /// How often the ledger was looked at; never was more than the budget held.
    pub samples: u64,
}

/// Kills one of a crowd after the other at any moment, and has another take its place. `start` makes the one of a
/// number; `before` hears of each kill who holds and waits.
pub fn storm(
    ledger: &Ledger,
    (crowd, kills, pause): (usize, usize, Duration),
    start: &mut dyn FnMut(usize) -> Kept,
    before: &mut dyn FnMut(usize, &[Entry]),
) -> Storm {
    let mut crowd: Vec<Kept> = (0..crowd).map(&mut *start).collect();
    let done = AtomicBool::new(false);
    let mut holders = 0;
    let samples = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut samples = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let sum = held(&ledger.entries().unwrap());
                assert!(sum <= BUDGET, "{sum} of {BUDGET} are held");
                samples += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            samples
        });
        let mut random = Random::new(42);
        for kill in 0..kills {
            std::thread::sleep(Duration::from_micros(random.below(pause.as_micros() as usize) as u64));
            let victim = random.below(crowd.len());
            let pid = crowd[victim].0.id();
            let entries = ledger.entries().unwrap();
            holders += usize::from(entries.iter().any(|entry| entry.is_running && entry.pid == pid));
            before(kill, &entries);
            crowd[victim] = {
                // It runs for ever: who ended before it was killed failed.
                let failed = crowd[victim].0.try_wait().unwrap();
                assert!(failed.is_none(), "one of the crowd failed: {failed:?}");
                crowd[victim].0.kill().unwrap();
                crowd[victim].0.wait().unwrap();
                start(victim)
            };
        }
        for child in &mut crowd {
            assert!(child.0.try_wait().unwrap().is_none(), "one of the crowd failed");
        }
        crowd.clear();
        done.store(true, Ordering::Relaxed);
        sampler.join().unwrap()
    });
    Storm { holders, samples }
}

/// The file of a ledger.
pub fn file(ledger: &Ledger) -> PathBuf {
    ledger.directory().join("ledger")
}

/// What the kernel says of the locks of a ledger: of each the byte where it begins, and whether somebody only waits
/// for it. Nothing if the kernel does not tell.
pub fn locks(ledger: &Ledger) -> Option<Vec<(u64, bool)>> {
    let inode = format!(":{}", fs::metadata(file(ledger)).ok()?.ino());
    let text = fs::read_to_string("/proc/locks").ok()?;
    let lock = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| word.ends_with(&inode))?;
        Some((words.get(at + 1)?.parse().ok()?, words.contains(&"->")))
    };
    Some(text.lines().filter_map(lock).collect())
}

/// True if a process is in the mutex.
pub fn is_locked(ledger: &Ledger) -> bool {
    locks(ledger).unwrap_or_default().contains(&(0, false))
}

/// Lets this process and those that it starts have so many descriptors; false if the system does not.
pub fn allow_descriptors(count: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return true;
    }
    let enough = limit.maximum.is_none_or(|most| most >= count);
    enough && setrlimit(Resource::Nofile, Rlimit { current: Some(count), ..limit }).is_ok()
}
