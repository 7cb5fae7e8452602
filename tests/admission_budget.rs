//! What the budget is for: memory that is really used, within limits that the kernel enforces, beside strangers, and
//! where less was expected than is taken.
//!
//! `BTFGEN_STORM_SECONDS=60 BTFGEN_STORM_WORKERS=64` makes the storm longer and larger. With `BTFGEN_TEST_KERNELS`, a
//! directory with kernels `vmlinux-NAME`, the first of them is encoded as well as a program that is made up; of the first
//! with a directory `modules-NAME` beside it, modules are encoded, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use btfgen::admission::ledger::{Entry, Ledger, Request};
use btfgen::admission::tree_memory;
use common::claims::{DIR, Kept, ROLE, at_once, child, ledger, number, request};
use common::groups::Group;
use common::place::{Place, code, held, quiet, running, until};
use common::programs::{gcc, link, wide};
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

/// Forty commands at once, of which two take twice what they asked for. Together they have more than the budget until
/// the ledger comes to know, and by no more than those two took; then the others are held back, and it holds again.
#[test]
fn a_few_of_many_take_more_than_they_asked_for() {
    const JOBS: usize = 40;
    const BUDGET: u64 = 400 * MIB;
    const LIE: u64 = 60 * MIB;
    // What processes have besides.
    const OWN: u64 = 20 * MIB;
    let place = Place::new();
    let job = |asked: u64, taken: u64, until: &str| {
        let script = "(head -c \"$1\" /dev/zero; eval \"$2\") | tail -c \"$1\" | wc -c > /dev/null";
        let [mem, taken] = [format!("--mem={asked}"), taken.to_string()];
        let args = ["admit", "--admission=strict", "--mem-budget=400M", &mem, "--", "sh", "-c", script, "x"];
        let mut command = place.command(&args);
        // Who waits for its standard input ends with the test.
        command.args([&taken, until]).stdin(Stdio::piped()).stderr(Stdio::piped());
        Kept(command.spawn().unwrap())
    };
    let mut random = Random::new(5);
    let mut jobs: Vec<Kept> = (0..2).map(|_| job(LIE, 2 * LIE, "read x")).collect();
    let liars: Vec<u32> = jobs.iter().map(|job| job.0.id()).collect();
    let running = |entries: &[Entry]| -> BTreeMap<u32, u64> {
        let running = entries.iter().filter(|entry| entry.is_running);
        running.map(|entry| (entry.pid, entry.reserved.max(entry.observed))).collect()
    };
    until("two take more than they asked for", || {
        liars.iter().all(|&liar| tree_memory(liar) >= 2 * LIE) && running(&place.entries()).len() == 2
    });
    jobs.extend((2..JOBS).map(|_| {
        let asked = MIB * (20 + random.below(41) as u64);
        job(asked, asked / 10 * 9, &format!("sleep {}", 0.3 + random.below(10) as f64 / 10.0))
    }));

    let mut before = running(&place.entries());
    // Those that were let in before the ledger knew of both.
    let mut early: Option<Vec<u32>> = None;
    let (mut over, mut settled, mut later, mut held_back, mut most, mut samples) = (0, 0, 0, 0, 0, 0);
    while jobs.iter_mut().skip(2).any(|job| job.0.try_wait().unwrap().is_none()) {
        let entries = place.entries();
        let now = running(&entries);
        assert!(held(&entries) <= BUDGET, "{} are reserved", held(&entries) / MIB);
        let known: u64 = now.values().sum();
        // What was known whenever somebody was let in between the two looks: since then it may have become more.
        let known_then: u64 =
            now.iter().map(|(pid, now)| before.get(pid).map_or(*now, |then| *then.min(now))).sum();
        let is_new = |pid: &u32| !before.contains_key(pid);
        if now.keys().any(is_new) && liars.iter().all(|liar| before.get(liar).is_some_and(|&b| b > LIE)) {
            later += now.keys().filter(|pid| is_new(pid)).count();
            assert!(
                known_then <= BUDGET,
                "one was let in where {} MiB are in use: {now:?}",
                known_then / MIB
            );
        }
        if early.is_none() && liars.iter().all(|liar| now.get(liar).is_some_and(|&bytes| bytes > LIE)) {
            early = Some(now.keys().filter(|pid| !liars.contains(pid)).copied().collect());
        }
        let mut waiting = entries.iter().filter(|entry| !entry.is_running);
        held_back += usize::from(
            waiting.any(|entry| held(&entries) + entry.reserved <= BUDGET && known + entry.reserved > BUDGET),
        );
        let used: u64 = now.keys().map(|&pid| tree_memory(pid)).sum();
        // Who came or went while they were looked at says nothing.
        if now.keys().eq(running(&place.entries()).keys()) {
            samples += 1;
            most = most.max(used);
            let is_settled =
                early.as_ref().is_some_and(|early| !early.iter().any(|pid| now.contains_key(pid)));
            let allowed = if is_settled { BUDGET } else { BUDGET + 2 * LIE };
            assert!(used <= allowed + OWN, "{} MiB are in use: {now:?}", used / MIB);
            (over, settled) = (over + usize::from(used > BUDGET), settled + usize::from(is_settled));
        }
        before = now;
        std::thread::sleep(Duration::from_millis(5));
    }
    println!(
        "two of {JOBS} take twice what they asked for: {over} of {samples} samples above the budget of {} MiB, at most \
         {} MiB; {later} were let in after that was known, and somebody was held back in {held_back} samples",
        BUDGET / MIB,
        most / MIB
    );
    assert!(settled > 0 && later > JOBS / 4 && held_back > 0, "{settled} {later} {held_back}");
    for job in &mut jobs {
        drop(job.0.stdin.take());
        let mut said = String::new();
        job.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((job.0.wait().unwrap().code(), said.as_str()), (Some(0), ""));
    }
    assert!(place.entries().is_empty());
}

/// Who waits has not begun: the base of an encode is not read either.
#[test]
fn who_waits_has_no_memory() {
    let Some(gcc) = gcc() else { return };
    let place = Place::new();
    let [input, base] = ["program", "base"].map(|name| place.path(name));
    let structs =
        (0..20_000).map(|i| format!("struct s{i} {{ int a{i}; long b{i}; struct s{i} *c; }} *v{i};\n"));
    link(&gcc, &[structs.collect::<String>()], &input);
    let [input, base] = [&input, &base].map(|path| path.to_str().unwrap());
    assert_eq!(code(&place.run(&["--admission=off", input, "-o", base])), quiet(0));
    let bytes = fs::metadata(base).unwrap().len();
    let ledger = Ledger::at(place.ledger());
    let _all = at_once(&ledger, request(u64::MAX / 2)).unwrap();
    let waiting = |base: &[&str]| {
        let mut encode = place.command(&["-j1", "--mem-budget=1G", input, "-o", "/dev/null"]);
        let encode = Kept(encode.args(base).spawn().unwrap());
        until("it waits", || place.entries().iter().any(|entry| entry.pid == encode.0.id()));
        tree_memory(encode.0.id())
    };
    let (without, with) = (waiting(&[]), waiting(&["--base", base]));
    println!("an encode that waits has {without} bytes, and {with} if it has a base of {bytes}");
    assert!(with < without + bytes / 2, "{without} without a base, {with} with one of {bytes}");
}

/// A file large enough that another worker needs memory of its own.
fn large(place: &Place) -> Option<PathBuf> {
    let path = place.path("wide");
    wide(&gcc()?, &path);
    Some(path)
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

/// What came of many encodes, so many at a time.
struct Batch {
    took: Duration,
    /// Those that failed, and how.
    failed: Vec<String>,
}

impl Batch {
    /// Encodes a kernel and its modules into a directory, the kernel among the first; `base` is the kernel's BTF.
    fn run(
        place: &Place,
        group: Option<&Group>,
        at_a_time: usize,
        mode: &str,
        files: &Files,
        out: &str,
    ) -> Batch {
        let out = place.path(out);
        fs::create_dir(&out).unwrap();
        let (start, next) = (Instant::now(), AtomicUsize::new(0));
        let failed = Mutex::new(Vec::new());
        let inputs =
            || files.modules.iter().take(3).chain([&files.kernel]).chain(files.modules.iter().skip(3));
        std::thread::scope(|scope| {
            for _ in 0..at_a_time {
                scope.spawn(|| {
                    while let Some(input) = inputs().nth(next.fetch_add(1, Ordering::Relaxed)) {
                        let mut encode = place.command(&["-j2", mode, "-o"]);
                        encode.arg(out.join(input.file_name().unwrap())).arg(input);
                        if *input != files.kernel {
                            encode.arg("--base").arg(&files.base);
                        }
                        if let Some(group) = group {
                            encode = group.run(&encode);
                        }
                        let (code, said) = code(&encode.output().unwrap());
                        if (code, said.as_str()) != (Some(0), "") {
                            failed.lock().unwrap().push(format!("{}: {code:?} {said}", input.display()));
                        }
                    }
                });
            }
        });
        Batch { took: start.elapsed(), failed: failed.into_inner().unwrap() }
    }
}

/// A kernel, its BTF, and modules of it.
struct Files {
    kernel: PathBuf,
    base: PathBuf,
    modules: Vec<PathBuf>,
}

/// The first kernel that modules are there of, and 200 of them at random.
fn kernel_with_modules(place: &Place) -> Option<Files> {
    let modules = |kernel: &PathBuf| {
        let name = kernel.file_name()?.to_str()?.strip_prefix("vmlinux-")?;
        kernel.with_file_name(format!("modules-{name}")).read_dir().ok()
    };
    let mut kernels = common::kernels()?.into_iter();
    let Some((kernel, dir)) = kernels.find_map(|kernel| Some((kernel.clone(), modules(&kernel)?))) else {
        skipped("no kernel has a directory modules-NAME beside it: no modules are encoded within a limit");
        return None;
    };
    let mut modules: Vec<_> = dir.map(|entry| entry.unwrap().path()).collect();
    modules.retain(|path| path.extension().is_some_and(|extension| extension == "ko"));
    modules.sort();
    let mut random = Random::new(200);
    for i in 0..modules.len().min(200) {
        let other = i + random.below(modules.len() - i);
        modules.swap(i, other);
    }
    modules.truncate(200);
    let base = place.path("base");
    let args = ["-j2", "--admission=off", kernel.to_str().unwrap(), "-o", base.to_str().unwrap()];
    assert_eq!(code(&place.run(&args)), quiet(0));
    Some(Files { kernel, base, modules })
}

/// A kernel and 200 of its modules, eight at a time, where the kernel kills whoever exceeds what the kernel alone needs
/// by more than fifteen percent: all come through, with the bytes that they have elsewhere. How long that takes is held
/// against so many at a time as are best without asking anybody: `BTFGEN_STATIC_MOST=8` tries up to eight.
#[test]
fn a_kernel_and_its_modules_within_a_limit() {
    let place = Place::new();
    let Some(files) = kernel_with_modules(&place) else { return };
    let limit = needs(&place, &files.kernel, 2) / 100 * 115;
    let Some(group) = Group::of_memory(limit) else { return };
    let free = Batch::run(&place, None, 2, "--admission=off", &files, "free");
    assert!(free.failed.is_empty(), "{:#?}", free.failed);

    let kills = group.kills();
    let shared = Batch::run(&place, Some(&group), 8, "--admission=strict", &files, "shared");
    assert!(shared.failed.is_empty(), "{:#?}", shared.failed);
    assert_eq!(group.kills() - kills, 0);
    for entry in fs::read_dir(place.path("free")).unwrap() {
        let (expected, name) = {
            let entry = entry.unwrap();
            (entry.path(), entry.file_name())
        };
        let same = fs::read(place.path("shared").join(&name)).unwrap() == fs::read(expected).unwrap();
        assert!(same, "other bytes come of {}", name.display());
    }
    assert_eq!(fs::read_dir(place.path("free")).unwrap().count(), files.modules.len() + 1);

    let most = number("BTFGEN_STATIC_MOST", 2);
    let counts = std::iter::successors(Some(1), |count| Some(count * 2)).take_while(|&count| count <= most);
    let fixed: Vec<(usize, Batch)> = counts
        .map(|count| {
            let out = format!("fixed{count}");
            (count, Batch::run(&place, Some(&group), count, "--admission=off", &files, &out))
        })
        .collect();
    println!(
        "a kernel and {} modules, eight at a time within {} MiB: {:?}, {:?} without a limit on two",
        files.modules.len(),
        limit / MIB,
        shared.took,
        free.took
    );
    for (count, batch) in &fixed {
        let ratio = shared.took.as_secs_f64() / batch.took.as_secs_f64();
        println!(
            "{count} at a time, asking nobody: {:?}, {} failed; {ratio:.2}",
            batch.took,
            batch.failed.len()
        );
    }
}
