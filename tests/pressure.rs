//! What a run does when memory gets scarce while it goes on: fewer workers, the same output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use btfgen::admission::Root;
use btfgen::admission::forecast::Features;
use btfgen::admission::history::{History, Run};
use btfgen::admission::strain::{Sensor, Signs};
use btfgen::{Encoder, Image, Jobs, Options, Throttle};
use common::Random;
use common::groups::Group;
use common::place::{Place, code, quiet, until};
use common::programs::{gcc, link, long, random_units};
use rustix::event::{PollFd, PollFlags, Timespec};
use serde_json::Value;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// Whatever a throttle says at whatever time, the output is the same; and nobody is left behind.
#[test]
fn the_output_is_the_same_however_few_go_on() {
    let Some(gcc) = gcc() else { return };
    let dir = TempDir::new().unwrap();
    let mut waits = 0;
    for seed in 1..=12 {
        let mut random = Random::new(seed);
        let path = dir.path().join("program");
        link(&gcc, &random_units(&mut random, 12), &path);
        let image = Image::open(&path).unwrap();
        let alone = Encoder::new(Options::default()).jobs(Jobs::exactly(1)).encode(&image).unwrap();
        for jobs in [2, 4, 7] {
            let (throttle, turn) = (Throttle::default(), AtomicUsize::new(seed as usize));
            let progress = |_, _| {
                let turn = turn.fetch_add(1, Ordering::Relaxed);
                throttle.set(Random::new(turn as u64 + seed).below(jobs + 2));
                throttle.ask_for_memory();
            };
            let encoder = Encoder::new(Options::default()).jobs(Jobs::exactly(jobs)).progress(&progress);
            let output = encoder.throttle(throttle.clone()).encode(&image).unwrap();
            assert!(output.btf == alone.btf, "seed {seed}, {jobs} workers");
            assert_eq!(throttle.busy(), 0);
            waits += usize::from(throttle.limit() < jobs);
        }
    }
    assert!(waits > 0, "nobody ever had to wait");
}

#[test]
fn never_more_at_work_than_may_be() {
    let (throttle, over) = (Throttle::default(), AtomicBool::new(false));
    assert_eq!((throttle.limit(), throttle.busy()), (usize::MAX, 0));
    let steps: Vec<AtomicUsize> = (0..6).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for (number, steps) in steps.iter().enumerate() {
            let (throttle, over) = (&throttle, &over);
            scope.spawn(move || {
                while let Some(_busy) = throttle.enter(number, || over.load(Ordering::Relaxed)) {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    steps.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_micros(100));
                }
            });
        }
        let of = |number: usize| steps[number].load(Ordering::Relaxed);
        until("all begin", || (0..6).all(|number| of(number) > 0));
        for limit in [2, 0, 5, 1, 6] {
            throttle.set(limit);
            let limit = limit.max(1);
            assert_eq!(throttle.limit(), limit);
            // Who looks whether it may go on counts as well, for that moment.
            until("the others have ended their step", || throttle.busy() <= limit);
            let before: Vec<usize> = (0..6).map(of).collect();
            until("those that may go on do", || (0..limit).all(|number| of(number) > before[number] + 9));
            let late = (limit..6).filter(|&number| of(number) > before[number] + 1);
            assert_eq!(late.count(), 0, "limit {limit}");
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(throttle.busy(), 0);
}

/// A directory that pretends to be a system whose only group has a limit of 1000 MiB.
struct System(TempDir);

impl System {
    fn new() -> Self {
        let system = System(TempDir::new().unwrap());
        let mount = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        system.set("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n");
        system.set("proc/self/cgroup", "0::/a\n");
        system.set("proc/self/mountinfo", mount);
        system.set("sys/fs/cgroup/a/cgroup.controllers", "memory\n");
        system.set("sys/fs/cgroup/a/memory.max", 1000 * MIB);
        system.set("sys/fs/cgroup/a/memory.high", "max\n");
        system.used(100);
        system
    }

    fn set(&self, path: &str, content: impl ToString) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Whoever reads meanwhile reads one or the other.
        let new = path.with_extension("new");
        fs::write(&new, content.to_string()).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// What of the limit is in use.
    fn used(&self, mib: u64) {
        self.set("sys/fs/cgroup/a/memory.current", mib * MIB);
    }

    fn pressure(&self, file: &str, some_us: u64, full_us: u64) {
        let line = |name, us| format!("{name} avg10=0.00 avg60=0.00 avg300=0.00 total={us}\n");
        self.set(file, line("some", some_us) + &line("full", full_us));
    }

    fn place(&self) -> Place {
        Place::new().with("BTFGEN_ROOT", self.0.path())
    }

    fn look(&self) -> Signs {
        Sensor::new(Root::at(self.0.path())).look()
    }
}

#[test]
fn signs_of_groups_and_of_the_system() {
    let system = System::new();
    let quiet = Signs { headroom: Some(900 * MIB), limit: Some(1000 * MIB), ..Signs::default() };
    assert_eq!(system.look(), quiet);
    // The own group's before the system's, and what cannot be read is none.
    system.pressure("proc/pressure/memory", 5, 3);
    assert_eq!(system.look(), Signs { some_us: 5, full_us: 3, ..quiet });
    system.pressure("sys/fs/cgroup/a/memory.pressure", 7, 6);
    assert_eq!(system.look(), Signs { some_us: 7, full_us: 6, ..quiet });
    system.set("sys/fs/cgroup/a/memory.pressure", "rubbish");
    assert_eq!(system.look(), Signs { some_us: 5, full_us: 3, ..quiet });
    // What is no file, or may not be read.
    fs::remove_file(system.0.path().join("sys/fs/cgroup/a/memory.pressure")).unwrap();
    fs::create_dir(system.0.path().join("sys/fs/cgroup/a/memory.pressure")).unwrap();
    assert_eq!(system.look(), Signs { some_us: 5, full_us: 3, ..quiet });
    // A sensor stays with what it found.
    let sensor = Sensor::new(Root::at(system.0.path()));
    system.set("proc/pressure/memory", "");
    assert_eq!(sensor.look(), quiet);
    // Limits change while a run goes on.
    system.set("sys/fs/cgroup/a/memory.high", 400 * MIB);
    assert_eq!(sensor.look(), Signs { headroom: Some(300 * MIB), limit: Some(400 * MIB), ..quiet });
    system.set("sys/fs/cgroup/a/memory.high", "max");

    // Events of the group alone, not of those below it; and of the groups above.
    system.set("sys/fs/cgroup/a/memory.events", "low 0\nhigh 40\nmax 9\noom 0\n");
    assert_eq!(system.look(), Signs { high_events: 40, max_events: 9, ..quiet });
    system.set("sys/fs/cgroup/a/memory.events.local", "low 0\nhigh 4\nmax 1\n");
    assert_eq!(system.look(), Signs { high_events: 4, max_events: 1, ..quiet });
    system.set("proc/self/cgroup", "0::/a/b\n");
    system.set("sys/fs/cgroup/a/b/memory.current", MIB);
    system.set("sys/fs/cgroup/a/b/memory.events", "high 2\nmax 2\n");
    assert_eq!(system.look(), Signs { high_events: 6, max_events: 3, ..quiet });

    // The old design has one counter, and no pressure of groups.
    let old = System::new();
    old.set("proc/self/cgroup", "4:memory:/c\n0::/\n");
    old.set("proc/self/mountinfo", "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    old.set("sys/fs/cgroup/memory/c/memory.limit_in_bytes", 300 * MIB);
    old.set("sys/fs/cgroup/memory/c/memory.usage_in_bytes", 100 * MIB);
    old.set("sys/fs/cgroup/memory/c/memory.failcnt", 12);
    let signs = Signs { headroom: Some(200 * MIB), limit: Some(300 * MIB), ..Signs::default() };
    assert_eq!(old.look(), Signs { max_events: 12, ..signs });

    // What the process may have in all says nothing about what is left of it.
    old.set("proc/self/limits", "Max data size             1048576            unlimited            bytes\n");
    assert_eq!(old.look(), Signs { max_events: 12, ..signs });
    let nothing = TempDir::new().unwrap();
    assert_eq!(Sensor::new(Root::at(nothing.path())).look(), Signs::default());
}

/// A program that takes a while, and what an encode of it on one worker gives.
fn long_run(place: &Place, seconds: f64) -> Option<(PathBuf, Vec<u8>)> {
    let (path, output) = (place.path("long"), place.path("alone"));
    long(&gcc()?, &path, seconds);
    let mut alone = place.command(&["-j1", "--admission=off", "-o", output.to_str().unwrap()]);
    assert!(alone.arg(&path).env_remove("BTFGEN_ROOT").status().unwrap().success());
    Some((path, fs::read(output).unwrap()))
}

fn stats(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Runs an encode on four workers, and while it runs `change` at the system. Returns what it says of pressure.
fn encode_while(place: &Place, input: &Path, alone: &[u8], change: impl FnOnce()) -> (Value, String) {
    let [output, figures] = ["out", "stats"].map(|name| place.path(name));
    let mut encode = place.command(&["-j4", "-v", "-o", output.to_str().unwrap(), "--stats"]);
    let child = encode.arg(&figures).arg(input).stderr(Stdio::piped()).spawn().unwrap();
    change();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success(), "{said}");
    assert!(fs::read(output).unwrap() == alone);
    (stats(&figures)["pressure"].clone(), said)
}

#[test]
fn an_encode_gets_narrower_when_memory_is_scarce() {
    let system = System::new();
    let place = system.place();
    let Some((input, alone)) = long_run(&place, 1.5) else { return };
    let (calm, said) = encode_while(&place, &input, &alone, || {});
    assert_eq!(
        (&calm["level"], &calm["narrowed"], &calm["fewest_workers"]),
        (&0.into(), &0.into(), &4.into())
    );
    assert!(!said.contains("scarce"), "{said}");

    // Hardly anything is left.
    let (scarce, said) = encode_while(&place, &input, &alone, || system.used(990));
    assert_eq!(scarce, serde_json::json!({ "level": 3, "narrowed": 1, "fewest_workers": 1 }));
    assert!(said.contains("level 3 of 3") && said.contains("narrowed, to 1 worker at least"), "{said}");

    // Less than shall be left, which alone narrows nothing.
    let (low, _) = encode_while(&place, &input, &alone, || system.used(900));
    assert_eq!(low, serde_json::json!({ "level": 1, "narrowed": 0, "fewest_workers": 4 }));

    // Everybody waits.
    system.used(100);
    let waits = |us: u64| system.pressure("sys/fs/cgroup/a/memory.pressure", us, us);
    waits(0);
    let (stalled, _) = encode_while(&place, &input, &alone, || {
        std::thread::sleep(Duration::from_millis(400));
        waits(200_000);
    });
    assert_eq!(stalled, serde_json::json!({ "level": 2, "narrowed": 1, "fewest_workers": 2 }));

    // The group is at its limit, again and again.
    system.used(900);
    let events = |max| system.set("sys/fs/cgroup/a/memory.events", format!("high 0\nmax {max}\n"));
    events(7);
    let (full, _) = encode_while(&place, &input, &alone, || {
        std::thread::sleep(Duration::from_millis(400));
        events(8);
    });
    assert_eq!((&full["level"], &full["fewest_workers"]), (&3.into(), &1.into()));
}

/// A run that takes more than it reserved, and gets no more of the ledger, does with fewer workers.
#[test]
fn a_refused_extension_is_a_sign() {
    let place = Place::new();
    let Some((input, alone)) = long_run(&place, 1.5) else { return };
    let history = place.path("history");
    let place = place.with("BTFGEN_HISTORY", &history);
    // As if runs like it had taken hardly anything of what is expected.
    let class = Features::default().class();
    for run in 0..99 * 4 {
        let point = (20 * MIB) << (2 * (run % 4));
        History::at(&history).add(class, Run::now(0, point, point / 20)).unwrap();
    }
    let estimate = place.run(&["estimate", "--json", input.to_str().unwrap()]);
    let estimate: Value = serde_json::from_slice(&estimate.stdout).unwrap();
    let budget = format!("--mem-budget={}", 2 * estimate["smallest_budget_bytes"].as_u64().unwrap());
    let [output, figures] = ["out", "stats"].map(|name| place.path(name));
    let mut encode = place.command(&["-j2", &budget, "--stats"]);
    encode.arg(&figures).arg("-o").arg(&output).arg(&input);
    assert_eq!(code(&encode.output().unwrap()), quiet(0));
    assert!(fs::read(&output).unwrap() == alone);
    let stats = stats(&figures);
    assert_eq!((&stats["jobs"], &stats["pressure"]["level"]), (&2.into(), &2.into()), "{stats:#}");
    assert_eq!(stats["pressure"]["fewest_workers"], 1);
}

/// Many files: scarce and not, again and again.
#[test]
fn modules_come_out_the_same() {
    let system = System::new();
    let place = system.place();
    let Some((input, _)) = long_run(&place, 0.5) else { return };
    let modules = place.path("mods");
    fs::create_dir(&modules).unwrap();
    for i in 0..6 {
        fs::hard_link(&input, modules.join(format!("m{i}.ko"))).unwrap();
    }
    let run = |jobs: &str, out: &Path| {
        let mut command = place.command(&["modules", "--order=first", jobs, "-o"]);
        command.arg(out).arg(&modules).stdout(Stdio::null());
        command
    };
    let [alone, narrowed] = ["alone", "narrowed"].map(|name| place.path(name));
    fs::remove_file(&alone).unwrap();
    system.used(990);
    assert!(run("-j1", &alone).status().unwrap().success());
    // On teams of one worker, and of two.
    for jobs in ["-j4", "-j12"] {
        let mut child = run(jobs, &narrowed).spawn().unwrap();
        for turn in 0_u64.. {
            system.used([990, 100, 990, 890][turn as usize % 4]);
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        for i in 0..6 {
            let name = format!("m{i}.btf");
            assert!(
                fs::read(alone.join(&name)).unwrap() == fs::read(narrowed.join(&name)).unwrap(),
                "{name}"
            );
        }
        fs::remove_dir_all(&narrowed).unwrap();
    }
}

/// Slots of make that a narrowed run has no use for are make's again while it goes on.
#[test]
fn slots_go_back_to_make() {
    let system = System::new();
    let place = system.place();
    let Some((input, alone)) = long_run(&place, 3.0) else { return };
    let [output, pipe] = ["out", "jobs"].map(|name| place.path(name));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let mut server =
        fs::OpenOptions::new().read(true).write(true).custom_flags(nonblock).open(&pipe).unwrap();
    server.write_all(b"abc").unwrap();
    let slots = |mut server: &fs::File| {
        let mut bytes = [0; 8];
        let count = server.read(&mut bytes).unwrap_or(0);
        bytes[..count].to_vec()
    };
    let mut encode = place.command(&["-j4", "-o", output.to_str().unwrap()]);
    encode.arg(&input).env("MAKEFLAGS", format!(" -j4 --jobserver-auth=fifo:{}", pipe.display()));
    let mut child = encode.spawn().unwrap();
    let is_empty = || {
        let mut ends = [PollFd::new(&server, PollFlags::IN)];
        rustix::event::poll(&mut ends, Some(&Timespec::default())).unwrap() == 0
    };
    until("it has all slots", is_empty);
    system.used(990);
    let back = RefCell::new(Vec::new());
    until("they are back", || {
        back.borrow_mut().extend(slots(&server));
        back.borrow().len() == 3
    });
    assert!(child.try_wait().unwrap().is_none(), "the run was over before it gave anything back");
    server.write_all(&back.take()).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(fs::read(output).unwrap() == alone);
    let mut whole = slots(&server);
    whole.sort_unstable();
    assert_eq!(whole, b"abc");
}

/// When only small files are left of many, the others get what the large ones needed; never less is reserved than is
/// in use.
#[test]
fn modules_give_back_early() {
    let (place, output) = (Place::new(), "out");
    let Some((large, _)) = long_run(&place, 0.6) else { return };
    let modules = place.path("mods");
    fs::create_dir(&modules).unwrap();
    fs::rename(large, modules.join("large.ko")).unwrap();
    let units: Vec<String> = (0..40).map(|i| format!("struct s{i} {{ int a[{i}]; }} v{i};")).collect();
    link(&gcc().unwrap(), &units, &modules.join("m.elf"));
    // Many enough that they are looked at.
    for i in 0..3000 {
        fs::hard_link(modules.join("m.elf"), modules.join(format!("m{i}.ko"))).unwrap();
    }
    // One after the other: they come behind the large one.
    let mut command = place.command(&["modules", "-j1", "-o"]);
    command.arg(place.path(output)).arg(&modules).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let (mut most, mut least) = (0, u64::MAX);
    while child.try_wait().unwrap().is_none() {
        for entry in place.entries() {
            assert!(entry.is_running && entry.observed <= entry.reserved, "{entry:?}");
            (most, least) = (most.max(entry.reserved), least.min(entry.reserved));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(child.wait().unwrap().success());
    assert!(least < most / 4 * 3 && least > MIB, "{most} at first, {least} at last");
}

#[test]
fn a_real_group_gets_full() {
    let Some(group) = Group::of_memory(1024 * MIB) else { return };
    let place = Place::new();
    let Some((input, alone)) = long_run(&place, 1.5) else { return };
    let [output, figures] = ["out", "stats"].map(|name| place.path(name));
    // A stranger takes most of it: files that are nowhere but in memory.
    let Ok(taken) = TempDir::new_in("/dev/shm") else { return common::skipped("there is no /dev/shm") };
    let mut stranger = place.program("sh");
    stranger.args(["-c", "head -c 920M /dev/zero > \"$0\"/taken"]).arg(taken.path());
    assert!(group.run(&stranger).status().unwrap().success());
    let status = group.run(&place.command(&["admit", "status", "--json"])).output().unwrap();
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["memory"]["limit"]["bytes"], 1024 * MIB, "{status:#}");
    let mut encode = place.command(&["-j4", "--admission=off", "--stats"]);
    encode.arg(&figures).arg("-o").arg(&output).arg(&input);
    assert_eq!(code(&group.run(&encode).output().unwrap()), quiet(0));
    assert!(fs::read(&output).unwrap() == alone);
    let pressure = &stats(&figures)["pressure"];
    assert!(pressure["level"].as_u64().unwrap() >= 1, "{pressure}");
}
