//! What the budget is for: memory that is really used, within limits that the kernel enforces, beside strangers, and
//! where less was expected than is taken.
//!
//! `BTFGEN_STORM_SECONDS=60 BTFGEN_STORM_WORKERS=64` makes the storm longer and larger. With `BTFGEN_TEST_KERNELS`, a
//! directory with kernels `vmlinux-NAME`, the first of them is encoded as well as a program that is made up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use btfgen::admission::ledger::{Ledger, Request};
use btfgen::admission::tree_memory;
use common::claims::{DIR, Kept, ROLE, at_once, child, ledger, number, request};
use common::groups::Group;
use common::place::{Place, code, held, quiet, running, until};
use common::{Random, skipped};
use memmap2::MmapMut;
use serde_json::Value;

const MIB: u64 = 1 << 20;
/// What the jobs of the storm have together, in bytes.
const BUDGET: u64 = 256 * MIB;

/// What the processes that this program starts do. Without a role there is nothing to test.
#[test]
fn in_a_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let ledger = Ledger::at(std::env::var(DIR).unwrap());
    match role.split_once(' ').unwrap() {
        // Jobs of 1 to 25 % of the budget that use what they asked for, one after the other.
        ("jobs", seed) => {
            let mut random = Random::new(seed.parse().unwrap());
            println!("\nruns");
            loop {
                let bytes = BUDGET / 100 * (1 + random.below(25) as u64);
                let held = ledger.acquire(&Request { budget: BUDGET, ..request(bytes) }).unwrap();
                let memory = touched(bytes);
                std::thread::sleep(Duration::from_millis(random.below(20) as u64));
                drop(memory);
                drop(held);
            }
        }
        // Somebody who asks nobody.
        ("stranger", bytes) => {
            let _memory = touched(bytes.parse().unwrap());
            println!("\nruns");
            std::thread::sleep(Duration::from_secs(600));
        }
        (role, _) => panic!("{role}"),
    }
}

/// So much memory, every page of it in use.
fn touched(bytes: u64) -> MmapMut {
    let mut memory = MmapMut::map_anon(bytes as usize).unwrap();
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    memory
}

/// Starts this program in a role, and waits until it says that it runs.
fn begin(role: &str, ledger: &Path, group: Option<&Group>) -> Kept {
    use std::io::{BufRead, BufReader};
    let mut command = child(role, ledger);
    if let Some(group) = group {
        command = group.run(&command);
    }
    let mut child = Kept(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
    // It stays open: the program may have more to say.
    let mut lines = BufReader::new(child.0.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "runs"), "it ended");
    child
}

/// Jobs that take what they asked for: what is reserved is never more than the budget, nor is what is used.
fn jobs(group: Option<&Group>) {
    let (seconds, workers) = (number("BTFGEN_STORM_SECONDS", 3), number("BTFGEN_STORM_WORKERS", 8));
    let (_directory, ledger) = ledger();
    let crowd: Vec<Kept> =
        (0..workers).map(|seed| begin(&format!("jobs {seed}"), ledger.directory(), group)).collect();
    // What each of them has besides; they are the same program.
    let own = 4 * MIB * workers as u64;
    let start = Instant::now();
    let (mut samples, mut whole, mut most_reserved, mut most_used) = (0_u64, 0_u64, 0, 0);
    while start.elapsed() < Duration::from_secs(seconds as u64) {
        let holders = || -> Vec<(u32, u64)> {
            let entries = ledger.entries().unwrap();
            assert!(held(&entries) <= BUDGET, "{} of {BUDGET} are reserved", held(&entries));
            entries.iter().filter(|entry| entry.is_running).map(|entry| (entry.pid, entry.reserved)).collect()
        };
        let before = holders();
        let used: u64 = crowd.iter().map(|child| tree_memory(child.0.id())).sum();
        samples += 1;
        most_reserved = most_reserved.max(before.iter().map(|(_, bytes)| bytes).sum());
        // Who gave back and who took while they were looked at are both seen, if the same ones do not hold after it.
        if before == holders() {
            whole += 1;
            most_used = most_used.max(used);
            assert!(used <= BUDGET + BUDGET / 4 + own, "{used} of {BUDGET} are used by {before:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    for mut child in crowd {
        assert!(child.0.try_wait().unwrap().is_none(), "a job failed");
    }
    let share = |bytes: u64| 100.0 * bytes as f64 / BUDGET as f64;
    println!(
        "{workers} workers for {seconds} s: {samples} samples, none above the budget; at most {:.1} % reserved; in \
         {whole} samples without a change {:.1} % used, with what processes have besides",
        share(most_reserved),
        share(most_used)
    );
    assert!(most_reserved > BUDGET / 2, "hardly anything was held");
    if let Some(group) = group {
        println!(
            "at most {:.1} % of the budget in their group, {} times at its limit",
            share(group.peak()),
            group.at_limit()
        );
    }
}

#[test]
fn jobs_that_take_what_they_asked_for() {
    jobs(None);
}

/// The same where the kernel kills whoever exceeds the budget by a tenth.
#[test]
fn jobs_within_a_limit() {
    let workers = number("BTFGEN_STORM_WORKERS", 8) as u64;
    // For what processes have besides.
    let Some(group) = Group::of_memory(BUDGET / 10 * 11 + (workers - workers.min(8)) * 3 * MIB) else {
        return;
    };
    jobs(Some(&group));
    assert_eq!(group.kills(), 0);
    assert!(group.at_limit() <= 5, "{} times at the limit", group.at_limit());
}

/// Commands that take what they said, in a group where a stranger takes two fifths of the memory while they run: those
/// that come later wait for what is left, and nobody is killed.
#[test]
fn a_stranger_takes_memory_meanwhile() {
    const LIMIT: u64 = 1024 * MIB;
    let Some(group) = Group::of_memory(LIMIT) else { return };
    let place = Place::new();
    let job = || {
        let script = "echo runs; head -c 190M /dev/zero | { sleep 0.3; tail -c 190M; } | wc -c";
        let mut command = group.run(&place.command(&["admit", "--mem=200M", "--", "sh", "-c", script]));
        Kept(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    };
    let mut jobs = vec![job(), job()];
    until("two run", || place.entries().iter().filter(|entry| entry.is_running).count() == 2);
    let stranger = begin(&format!("stranger {}", LIMIT / 5 * 2), &place.ledger(), Some(&group));
    jobs.extend((0..4).map(|_| job()));
    let mut most = 0;
    while jobs.iter_mut().any(|job| job.0.try_wait().unwrap().is_none()) {
        most = most.max(place.entries().iter().filter(|entry| entry.is_running).count());
        std::thread::sleep(Duration::from_millis(5));
    }
    for job in &mut jobs {
        assert!(job.0.wait().unwrap().success(), "a job was killed");
    }
    println!(
        "beside a stranger with 40 %: at most {most} at the same time, {} times at the limit, {} killed",
        group.at_limit(),
        group.kills()
    );
    assert_eq!(group.kills(), 0);
    // 256 MiB are left alone: of the four that came later two never fit beside the stranger.
    assert!(most <= 3, "{most} at the same time");
    drop(stranger);
}

/// A command that takes twice what it asked for: the ledger comes to know, and those that come later wait for what it
/// has, whether there was room for that or not.
#[test]
fn less_was_expected_than_is_taken() {
    let place = Place::new();
    let ledger = Ledger::at(place.ledger());
    let pipe = place.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    // A shell that holds forty megabytes in a pipeline until it hears of the end.
    let script = "echo runs; (head -c 40M /dev/zero; read x < \"$1\") | tail -c 40M | wc -c > /dev/null";
    let wait = |budget: &str| {
        let args = ["admit", budget, "--mem=20M", "--", "sh", "-c", script, "x", pipe];
        running(&mut place.command(&args))
    };
    let ask = |bytes: u64| at_once(&ledger, Request { budget: 100 * MIB, ..request(bytes) });
    // There is room: it asks for more.
    let mut first = wait("--mem-budget=100M");
    until("more is reserved", || held(&place.entries()) >= 40 * MIB);
    assert!(ask(70 * MIB).is_none());
    assert!(ask(30 * MIB).is_some());
    fs::write(pipe, "go\n").unwrap();
    assert!(first.wait().unwrap().success());
    // There is none, as another holds the rest: what it has counts nevertheless.
    let other = ask(70 * MIB).unwrap();
    let mut first = wait("--mem-budget=100M");
    until("it is seen", || place.entries().iter().any(|entry| entry.observed >= 40 * MIB));
    let entry = place.entries().into_iter().find(|entry| entry.observed >= 40 * MIB).unwrap();
    assert_eq!(entry.reserved, 20 * MIB);
    drop(other);
    assert!(ask(70 * MIB).is_none(), "it may have it back, but then there is too little");
    assert!(ask(50 * MIB).is_some());
    fs::write(pipe, "go\n").unwrap();
    assert!(first.wait().unwrap().success());
    assert!(place.entries().is_empty());
}

/// A file large enough that another worker needs memory of its own: many units with the same types, as in kernels.
fn large(place: &Place) -> Option<PathBuf> {
    let mut source = String::new();
    for i in 0..1500 {
        writeln!(source, "struct s{i} {{ int a{i}; long b{i}; struct s{i} *c{i}; }};").unwrap();
        writeln!(source, "static struct s{i} v{i} __attribute__((used));").unwrap();
    }
    fs::write(place.path("unit0.c"), source).unwrap();
    let run = |program: &str, args: &[String]| {
        let status = Command::new(program).args(args).current_dir(place.path("")).status();
        let is_done = status.is_ok_and(|status| status.success());
        if !is_done {
            skipped(&format!("no {program}"));
        }
        is_done.then_some(())
    };
    run("gcc", &["-g", "-c", "unit0.c"].map(String::from))?;
    let names: Vec<String> = (0..60).map(|i| format!("unit{i}.o")).collect();
    for name in &names[1..] {
        fs::copy(place.path("unit0.o"), place.path(name)).unwrap();
    }
    run("ld", &[&["-r", "-o", "large.o"].map(String::from), &names[..]].concat())?;
    Some(place.path("large.o"))
}

/// What an encode asks for on so many workers, in bytes: as it stands in the ledger while it waits.
fn needs(place: &Place, input: &Path, jobs: usize) -> u64 {
    let ledger = Ledger::at(place.ledger());
    let _all = at_once(&ledger, request(u64::MAX / 2)).unwrap();
    let args = [&format!("-j{jobs}"), "--mem-budget=1G", input.to_str().unwrap(), "-o", "/dev/null"];
    let encode = Kept(place.command(&args).spawn().unwrap());
    let waiting = || place.entries().into_iter().find(|entry| !entry.is_running).map(|entry| entry.reserved);
    until("it waits", || waiting().is_some());
    let bytes = waiting().unwrap();
    drop(encode);
    bytes
}

/// With half of what it would like to have an encode begins at once, on fewer workers.
#[test]
fn half_of_the_memory_is_enough_for_fewer_workers() {
    let place = Place::new();
    let Some(large) = large(&place) else { return };
    let (one, eight) = (needs(&place, &large, 1), needs(&place, &large, 8));
    let half = eight / 2;
    let encode = |budget: u64| {
        let (out, stats) = (place.path("out"), place.path("stats"));
        let budget = format!("--mem-budget={budget}");
        // Whoever does not wait at all has not waited for long.
        let mode = ["-j8", &budget, "--admission=strict", "--max-wait=0"];
        let args = [large.to_str().unwrap(), "-o", out.to_str().unwrap(), "--stats", stats.to_str().unwrap()];
        let ran = place.run(&[&args[..], &mode].concat());
        let stats =
            fs::read(&stats).map(|stats| serde_json::from_slice::<Value>(&stats).unwrap()["jobs"].as_u64());
        (code(&ran), stats.ok().flatten(), fs::read(out).ok())
    };
    // Somebody else is there, so that it is not let in for being alone.
    let ledger = Ledger::at(place.ledger());
    let _other = at_once(&ledger, Request { budget: u64::MAX, ..request(1) }).unwrap();
    let (all, jobs, bytes) = encode(eight + 1);
    assert_eq!((all, jobs), (quiet(0), Some(8)));
    if half < one {
        return skipped("eight workers need less than twice what one does");
    }
    let (some, jobs, same) = encode(half + 1);
    assert_eq!(some, quiet(0));
    let jobs = jobs.unwrap();
    println!("{} MiB for 8 workers, {} MiB for 1: with half of the former {jobs}", eight / MIB, one / MIB);
    assert!((1..8).contains(&jobs), "{jobs}");
    assert!(same == bytes, "other bytes come of it");
}

/// Eight encodes at the same time where the kernel kills whoever exceeds what the largest of them needs by more than
/// fifteen percent: all come through, with the bytes that they have elsewhere.
#[test]
fn encodes_within_a_limit() {
    let place = Place::new();
    let kernel = common::kernels().and_then(|kernels| kernels.into_iter().next());
    let Some(made_up) = large(&place) else { return };
    let inputs: Vec<PathBuf> = kernel.into_iter().chain([made_up]).collect();
    // The program itself, and what the kernel keeps for it, which no forecast speaks of.
    let besides = 8 * MIB;
    let most = inputs.iter().map(|input| needs(&place, input, 2)).max().unwrap();
    let Some(group) = Group::of_memory(most / 100 * 115 + besides) else { return };
    let expected: Vec<PathBuf> = inputs
        .iter()
        .enumerate()
        .map(|(i, input)| {
            let out = place.path(&format!("expected{i}"));
            let args = ["-j2", "--admission=off", input.to_str().unwrap(), "-o", out.to_str().unwrap()];
            assert_eq!(code(&place.run(&args)), quiet(0));
            out
        })
        .collect();
    let start = Instant::now();
    let mut encodes: Vec<_> = (0..8)
        .map(|i| {
            let (input, out) = (inputs[i % inputs.len()].to_str().unwrap(), place.path(&format!("out{i}")));
            let budget = format!("--mem-budget={most}");
            let args = ["-j2", &budget, "--admission=strict", input, "-o", out.to_str().unwrap()];
            let mut command = group.run(&place.command(&args));
            (Kept(command.stdin(Stdio::null()).spawn().unwrap()), out)
        })
        .collect();
    for (i, (encode, out)) in encodes.iter_mut().enumerate() {
        let ended = encode.0.wait().unwrap();
        assert!(ended.success(), "an encode failed: {ended:?}, {} were killed", group.kills());
        let same = fs::read(out).unwrap() == fs::read(&expected[i % inputs.len()]).unwrap();
        assert!(same, "other bytes come of {}", inputs[i % inputs.len()].display());
    }
    println!(
        "8 encodes within {} MiB: {:?}, at most {} MiB with files, {} times at the limit, {} killed",
        (most / 100 * 115 + besides) / MIB,
        start.elapsed(),
        group.peak() / MIB,
        group.at_limit(),
        group.kills()
    );
    assert_eq!(group.kills(), 0);
}
