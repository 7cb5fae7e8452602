//! Forecasts of memory: what is remembered of earlier runs, what is learned from it, and what users meet of that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use btfgen::admission::forecast::{Features, Units, is_remembered};
use btfgen::admission::history::{CLASSES, History, MAX_AGE, PER_SIZE, Run};
use btfgen::admission::margin::Forecast;
use common::place::{Place, running};
use common::programs::{gcc, wide};
use serde_json::Value;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn runs_are_remembered_up_to_a_bound() {
    let dir = TempDir::new().unwrap();
    let history = History::at(dir.path().join("deep/er"));
    assert!(history.runs("a").is_empty());
    let (small, large) = (Run::now(7, 20 * MIB, 30 * MIB), Run::now(7, 2000 * MIB, 10 * MIB));
    history.add("a", large).unwrap();
    for peak in 0..PER_SIZE as u64 + 5 {
        history.add("a", Run { peak, ..small }).unwrap();
    }
    let runs = history.runs("a");
    // The oldest of a size went, but none of another size; and another class has its own.
    assert_eq!(runs.len(), PER_SIZE + 1);
    assert_eq!((runs[0], runs[1].peak, runs[PER_SIZE].peak), (large, 5, PER_SIZE as u64 + 4));
    assert!(history.runs("b").is_empty());
    assert_eq!(names(&dir.path().join("deep/er")), ["a.runs", "lock"]);
    let mode = fs::metadata(dir.path().join("deep/er")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    for class in 0..CLASSES + 9 {
        history.add(&format!("../x/{class}"), small).unwrap();
    }
    assert_eq!(names(&dir.path().join("deep/er")).len(), CLASSES + 1);
    assert_eq!(history.runs(&format!("../x/{}", CLASSES + 8)), [small]);
    assert_eq!(names(dir.path()), ["deep"]);
}

#[test]
fn what_is_old_or_damaged_is_forgotten() {
    let dir = TempDir::new().unwrap();
    let history = History::at(dir.path());
    let run = Run::now(0, 20 * MIB, 30 * MIB);
    history.add("a", run).unwrap();
    let path = dir.path().join("a.runs");
    let good = fs::read_to_string(&path).unwrap();
    let old = Run { when: run.when - MAX_AGE.as_secs() - 10, ..run };
    let line = |run: Run| format!("{} {:x} {} {}\n", run.when, run.key, run.point, run.peak);
    fs::write(&path, good.clone() + &line(old) + &line(Run { when: run.when + 1_000_000, ..run })).unwrap();
    assert_eq!(history.runs("a"), [run]);
    let cut = good[..good.len() - 1].to_owned();
    for damage in
        [cut, good.clone() + "1 2 3\n", "btfgen history 2\n".into(), String::new(), good.repeat(9999)]
    {
        fs::write(&path, damage).unwrap();
        assert_eq!(history.runs("a"), []);
        history.add("a", run).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), good);
    }
    // As the power may go: cut at any byte.
    for cut in 0..good.len() {
        fs::write(&path, &good[..cut]).unwrap();
        assert_eq!(history.runs("a"), [], "cut to {cut} bytes");
        history.add("a", run).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), good, "cut to {cut} bytes");
    }
    // Nothing is followed, and nothing that blocks is waited for.
    fs::rename(&path, dir.path().join("other")).unwrap();
    symlink("other", &path).unwrap();
    assert_eq!(history.runs("a"), []);
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert_eq!(history.runs("a"), []);
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(history.add("a", run).is_err());
}

/// Many at a time: no reader ever finds a part of a file.
#[test]
fn writers_do_not_disturb_each_other() {
    let dir = TempDir::new().unwrap();
    let history = History::at(dir.path());
    history.add("a", Run::now(0, 20 * MIB, 1)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    history.add("a", Run::now(0, 20 * MIB, 1)).unwrap();
                    assert!(!history.runs("a").is_empty());
                }
            });
        }
    });
    assert!(history.runs("a").len() > 10);
    assert_eq!(names(dir.path()), ["a.runs", "lock"]);
}

/// Runs of the encoder as `benches/forecast/collect.py` wrote them down: what was known, on how many workers, and the
/// peak.
fn written_down(name: &str) -> Vec<(Features, usize, u64)> {
    let text = fs::read_to_string(common::root().join("benches/forecast").join(name)).unwrap();
    let run = |line: &str| {
        let words: Vec<&str> = line.split('\t').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let is_relocatable = words[0].ends_with(".ko");
        let units = Units { count: number(5), largest_bytes: number(6) };
        let features = Features {
            info_bytes: number(3),
            copied_bytes: number(4),
            is_relocatable,
            base_bytes: number(1),
            units: Some(units),
            has_more: false,
        };
        (features, number(2) as usize, number(7))
    };
    text.lines().skip(1).map(run).collect()
}

/// Runs one after the other, again and again: the first time each as if nothing was remembered, then each forecast from
/// those before it. Returns of the first time and of the last how many runs took more than was reserved, and how many times what they took was reserved, by bytes.
fn replay(runs: &[(Features, usize, u64)], rounds: usize) -> [(usize, f64); 2] {
    let mut history = Vec::new();
    let mut round = |is_first: bool| {
        let (mut missed, mut reserved, mut used, mut worst) = (0, 0, 0, 0);
        for (features, workers, peak) in runs {
            let is_known = !is_first && is_remembered(features.point(1));
            let known = if is_known { history.as_slice() } else { &[] };
            let forecast = Forecast::new(features.point(*workers), features.margin(), known);
            missed += usize::from(forecast.bytes() < *peak);
            worst = worst.max(peak.saturating_sub(forecast.bytes()));
            reserved += forecast.bytes();
            used += peak;
            history.push(Run { when: 0, key: 0, point: forecast.point, peak: *peak });
        }
        assert!(worst <= 32 * MIB, "{worst} bytes too little were reserved");
        (missed, reserved as f64 / used as f64)
    };
    let results: Vec<_> = (0..rounds).map(|n| round(n == 0)).collect();
    [results[0], results[rounds - 1]]
}

/// With the shipped margins one of a hundred runs takes more than is reserved. What was learned makes that tighter.
#[test]
fn reserved_is_enough_and_not_much_more() {
    let modules = written_down("modules.tsv");
    let split: Vec<_> = modules.iter().filter(|(features, ..)| features.base_bytes > 0).copied().collect();
    let all = [
        ("linked", written_down("linked.tsv"), 1.15, 1.15),
        ("modules", modules, 1.15, 1.15),
        ("modules with a base", split, 1.15, 1.15),
    ];
    for (name, runs, most_at_first, most_at_last) in all {
        let [(missed, ratio), (missed_at_last, ratio_at_last)] = replay(&runs, 8);
        println!(
            "{name}: of {} runs {missed} took more, {ratio:.3} times as much was reserved; with what was learned, \
             {missed_at_last}, {ratio_at_last:.3}",
            runs.len()
        );
        let allowed = runs.len().div_ceil(100);
        assert!(missed <= allowed && missed_at_last <= allowed, "{name}");
        assert!(ratio <= most_at_first && ratio_at_last <= most_at_last, "{name}");
    }
}

/// Inputs of other proportions than all others: less is reserved than they take, not less than half.
#[test]
fn odd_inputs_are_not_far_off() {
    for (features, workers, peak) in written_down("outliers.tsv") {
        let forecast = Forecast::new(features.point(workers), features.margin(), &[]);
        assert!(forecast.bytes() * 2 > peak, "{features:?} on {workers}: {} of {peak}", forecast.bytes());
    }
}

#[test]
fn a_change_of_what_runs_take_is_learned_soon() {
    let mut history = Vec::new();
    let mut missed_late = 0;
    for turn in 0..2 * PER_SIZE as u64 {
        // From the middle on, half as much again.
        let factor = if turn < PER_SIZE as u64 { 100 } else { 150 };
        let peak = (60 + turn % 5) * MIB * factor / 100;
        let forecast = Forecast::new(60 * MIB, 1.2, &history);
        missed_late += usize::from(turn >= PER_SIZE as u64 + 50 && forecast.bytes() < peak);
        history.push(Run { when: 0, key: 0, point: 60 * MIB, peak });
        let forgotten = history.len().saturating_sub(PER_SIZE);
        history.drain(..forgotten);
    }
    assert_eq!(missed_late, 0);
}

/// A place that remembers.
fn remembering() -> Place {
    let place = Place::new();
    let history = place.path("history");
    place.with("BTFGEN_HISTORY", history)
}

fn remembered(place: &Place, class: &str) -> Vec<Run> {
    History::at(place.path("history")).runs(class)
}

/// A command that takes 60 MB is expected to take that the next time.
#[test]
fn a_command_gets_what_it_took() {
    let place = remembering();
    let pipe = place.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let script = "head -c 60000000 /dev/zero | tail -c 60000000 > /dev/null; echo runs; read x < \"$1\"";
    let reserved = |script: &str| {
        let args = ["admit", "--", "sh", "-c", script, "x", pipe.to_str().unwrap()];
        let mut child = running(&mut place.command(&args));
        let entries = place.entries();
        fs::write(&pipe, "go\n").unwrap();
        assert!(child.wait().unwrap().success());
        entries.iter().map(|entry| entry.reserved).sum::<u64>()
    };
    assert_eq!(reserved(script), 0);
    let runs = remembered(&place, "command-sh");
    assert!(matches!(runs[..], [Run { peak: 55_000_000..120_000_000, .. }]), "{runs:?}");
    let again = reserved(script);
    assert!(again > runs[0].peak && again <= runs[0].peak * 11 / 10 + 9 * MIB, "{again}");
    // Another command of that name.
    assert!(reserved("echo runs; read x < \"$1\"; :") >= 55_000_000);
    assert_eq!(remembered(&place, "command-sh").len(), 3);
    // What fails ended early and tells nothing; what was killed took more than it had.
    assert_eq!(place.run(&["admit", "--", "sh", "-c", "exit 3"]).status.code(), Some(3));
    assert_eq!(remembered(&place, "command-sh").len(), 3);
    assert_eq!(place.run(&["admit", "--mem=1G", "--", "sh", "-c", "kill -9 $$"]).status.code(), Some(137));
    assert_eq!(remembered(&place, "command-sh")[3].peak, 1536 * MIB);
    let mut off = place.command(&["admit", "--", "sh", "-c", ":"]);
    assert!(off.env("BTFGEN_HISTORY", "off").status().unwrap().success());
    assert_eq!(remembered(&place, "command-sh").len(), 4);
}

#[test]
fn a_link_with_the_name_of_a_linker_runs_the_next_one() {
    let place = Place::new();
    let [first, second, third] = ["first", "second", "third"].map(|name| place.path(name));
    for directory in [&first, &second, &third] {
        fs::create_dir(directory).unwrap();
    }
    symlink(env!("CARGO_BIN_EXE_btfgen"), first.join("ld.lld")).unwrap();
    // The same program again, and then the one that is meant.
    symlink(env!("CARGO_BIN_EXE_btfgen"), second.join("ld.lld")).unwrap();
    let real = third.join("ld.lld");
    fs::write(&real, "#!/bin/sh\necho \"linked $*\"\nexit 5\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
    let path = |directories: &[&Path]| std::env::join_paths(directories).unwrap();
    let mut command = place.program(first.join("ld.lld"));
    command.env("PATH", path(&[&first, &second, &third])).args(["--help", "-o", "a b"]);
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(5), b"linked --help -o a b\n".to_vec()));
    let mut command = place.program(first.join("ld.lld"));
    let output = command.env("PATH", path(&[&first, &second])).output().unwrap();
    assert_eq!(output.status.code(), Some(127));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no other program of that name"), "{said}");
}

/// The units of a file are seen without reading more than their headers.
#[test]
fn an_estimate_counts_units() {
    let place = Place::new();
    let demo = common::root().join("testdata/small/demo.elf");
    let (demo, stats) = (demo.to_str().unwrap(), place.path("stats"));
    assert!(place.run(&[demo, "-o", "/dev/null", "--stats", stats.to_str().unwrap()]).status.success());
    let json = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).unwrap() };
    let input = &json(&fs::read(stats).unwrap())["input"];
    let known = &json(&place.run(&["estimate", "--json", demo]).stdout)["features"];
    assert_eq!(known["units"], input["units"], "{known}");
    let (largest, all) =
        (known["largest_unit_bytes"].as_u64().unwrap(), known["info_bytes"].as_u64().unwrap());
    let units = input["units"].as_u64().unwrap();
    assert!(largest <= all && largest * units >= all, "{known}");
}

/// Of a stripped file it is that of the file that has what was taken away.
#[test]
fn an_estimate_looks_where_the_debugging_information_is() {
    let Some(objcopy) = common::tool_or_skip("objcopy") else { return };
    let place = Place::new();
    let demo = common::root().join("testdata/small/demo.elf");
    let copy = |option: &[&str], output: &str| {
        let mut command = Command::new(&objcopy);
        command.args(option).arg(&demo).arg(output).current_dir(place.path(""));
        assert!(command.status().unwrap().success());
    };
    copy(&["--only-keep-debug"], "demo.debug");
    copy(&["--strip-debug", "--add-gnu-debuglink=demo.debug"], "stripped");
    let features = |path: &Path| -> Value {
        let output = place.run(&["estimate", "--json", path.to_str().unwrap()]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["features"].clone()
    };
    let (whole, stripped) = (features(&demo), features(&place.path("stripped")));
    for name in ["info_bytes", "units", "largest_unit_bytes"] {
        assert!(whole[name].as_u64().unwrap() > 0, "{whole}");
        assert_eq!(stripped[name], whole[name], "{name}");
    }
}

/// An object file large enough that encodes of it are remembered.
fn large(place: &Place) -> Option<String> {
    let mut source = String::new();
    for i in 0..150_000 {
        writeln!(source, "struct s{i} {{ int a{i}; long b{i}; char *c{i}; }} v{i};").unwrap();
    }
    fs::write(place.path("large.c"), source).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args(["-g", "-c", "large.c", "-o", "large.o"]).current_dir(place.path(""));
    if !gcc.status().is_ok_and(|status| status.success()) {
        common::skipped("no gcc");
        return None;
    }
    Some(place.path("large.o").to_str().unwrap().to_owned())
}

#[test]
fn an_encode_is_remembered() {
    let place = remembering();
    let Some(large) = large(&place) else { return };
    let estimate =
        || -> Value { serde_json::from_slice(&place.run(&["estimate", "--json", &large]).stdout).unwrap() };
    let cold = estimate();
    let one = &cold["estimates"][0];
    assert_eq!((one["jobs"].as_u64(), one["learned_from_runs"].as_u64()), (Some(1), Some(0)), "{cold}");
    assert!(one["anon_bytes"].as_f64() > one["expected_bytes"].as_f64(), "{cold}");
    assert_eq!(cold["smallest_budget_bytes"], one["anon_bytes"]);
    let class = "encode-module-4";
    for count in 1..=2 {
        let output = place.run(&["-j1", &large, "-o", place.path("out").to_str().unwrap()]);
        assert!(output.status.success());
        let runs = remembered(&place, class);
        assert_eq!(runs.len(), count);
        // It was looked at often enough that a peak was seen: the sections that are relocated are part of it.
        assert!(runs[count - 1].peak > cold["features"]["copied_bytes"].as_u64().unwrap(), "{runs:?}");
        // One unit of types that all differ is an odd input, but known to be one.
        assert!(runs[count - 1].peak < 2 * one["anon_bytes"].as_u64().unwrap(), "{runs:?} {cold}");
    }
    assert_eq!(estimate()["estimates"][0]["learned_from_runs"].as_u64(), Some(2));
    // One that fails, or is small, is not.
    let nowhere = place.path("no/where");
    assert!(!place.run(&[&large, "-o", nowhere.to_str().unwrap()]).status.success());
    let demo = common::root().join("testdata/small/demo.elf");
    assert!(place.run(&[demo.to_str().unwrap(), "-o", "/dev/null"]).status.success());
    assert_eq!(remembered(&place, class).len(), 2);
    assert_eq!(names(&place.path("history")), [format!("{class}.runs"), "lock".into()]);
    // A damaged history is none, and nobody is told.
    fs::write(place.path("history").join(format!("{class}.runs")), "?").unwrap();
    let output = place.run(&["-j1", &large, "-o", place.path("out").to_str().unwrap()]);
    assert_eq!((output.status.success(), output.stderr), (true, vec![]));
    assert_eq!(remembered(&place, class).len(), 1);
    fs::remove_dir_all(place.path("history")).unwrap();
    fs::write(place.path("history"), "a file").unwrap();
    let output = place.run(&["-j1", &large, "-o", place.path("out").to_str().unwrap()]);
    assert_eq!((output.status.success(), output.stderr), (true, vec![]));
}

/// A program with the set-user-ID bit does not do what the environment of its caller says.
#[test]
fn more_rights_than_the_caller_means_no_environment() {
    let place = Place::new();
    let program = place.path("btfgen-pahole");
    fs::copy(env!("CARGO_BIN_EXE_btfgen-pahole"), &program).unwrap();
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let version = || {
        let output = Command::new(&program).env("BTFGEN_PAHOLE_VERSION", "1.99").arg("--version").output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert!(version().contains("1.99"));
    const NOBODY: u32 = 65534;
    let given = std::os::unix::fs::chown(&program, Some(NOBODY), None);
    let given = given.and_then(|()| fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)));
    if given.is_err() {
        return common::skipped("only root can give a program another owner");
    }
    let mount = rustix::fs::statvfs(place.path("")).unwrap();
    if mount.f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID) {
        return common::skipped("the directory of temporary files is on a mount without set-user-ID");
    }
    let version = version();
    assert!(!version.is_empty() && !version.contains("1.99"), "{version}");
}

/// What a run may take at most decides on how many workers it runs, and whether it does.
#[test]
fn a_run_keeps_to_what_it_may_take() {
    let place = Place::new();
    let Some(gcc) = gcc() else { return };
    let [input, output, stats] = ["wide", "out", "stats"].map(|name| place.path(name));
    wide(&gcc, &input);
    let input = input.to_str().unwrap();
    let estimate = place.run(&["estimate", "--json", input]);
    let estimate: serde_json::Value = serde_json::from_slice(&estimate.stdout).unwrap();
    let one = estimate["smallest_budget_bytes"].as_u64().unwrap();
    let run = |most: u64, mode: &str| {
        let (most, mode) = (format!("--max-memory={most}"), format!("--admission={mode}"));
        let [output, stats] = [&output, &stats].map(|path| path.to_str().unwrap());
        place.run(&[input, "-j8", &most, &mode, "-o", output, "--stats", stats])
    };
    for mode in ["on", "off"] {
        let jobs = |most| {
            let ran = run(most, mode);
            assert!(ran.status.success(), "{ran:?}");
            let stats: serde_json::Value = serde_json::from_slice(&fs::read(&stats).unwrap()).unwrap();
            stats["jobs"].as_u64().unwrap()
        };
        assert_eq!((jobs(one), jobs(1 << 30)), (1, 8), "{mode}");
        fs::remove_file(&output).unwrap();
        let refused = run(one - 1, mode);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(
            refused.status.code() == Some(1) && said.contains("on one worker") && !output.exists(),
            "{said}"
        );
    }
}
