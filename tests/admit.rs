//! `btfgen admit` and the sharing of an encode as users meet them: the real binary, several at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use btfgen::admission::ledger::Entry;
use common::place::{Place, code, quiet, running, until};
use common::programs::{gcc, wide};
use serde_json::Value;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/small/demo.elf");

#[test]
fn ends_as_the_command_ends() {
    let place = Place::new();
    assert_eq!(code(&place.run(&["admit", "--mem", "1M", "--", "sh", "-c", "exit 7"])), quiet(7));
    assert_eq!(code(&place.run(&["admit", "--", "sh", "-c", "kill -9 $$"])), quiet(137));
    let output = place.run(&["admit", "--mem=1M", "--", "printf", "%s|", "a b", "c'\"\\"]);
    assert_eq!(output.stdout, b"a b|c'\"\\|");
    let (status, said) = code(&place.run(&["admit", "--", "/nonexistent/command"]));
    assert_eq!(status, Some(127));
    assert!(said.contains("/nonexistent/command: cannot run it"), "{said}");
    for wrong in [
        &["admit"][..],
        &["admit", "--"],
        &["admit", "--mem", "x", "--", "true"],
        &["admit", "true"],
        &["admit", "--when", "load9<1", "--", "true"],
        &["admit", "--max-instances", "0", "--", "true"],
        &["admit", "--priority", "highest", "--", "true"],
    ] {
        assert_eq!(code(&place.run(wrong)).0, Some(2), "{wrong:?}");
    }
    assert!(place.entries().is_empty());
}

/// A command that runs until something is written into the pipe returned.
fn hold(place: &Place, options: &[&str]) -> (Child, PathBuf) {
    let pipe = place.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let command = ["--", "sh", "-c", "echo runs; read x < \"$1\"", "x", pipe.to_str().unwrap()];
    (running(&mut place.command(&[&["admit"], options, &command].concat())), pipe)
}

#[test]
fn waits_for_others_and_says_when_it_does_not() {
    let place = Place::new();
    let (first, pipe) = hold(&place, &["--mem-budget=1G", "--mem=700M"]);

    let strict =
        ["admit", "--mem-budget=1G", "--mem=700M", "--admission=strict", "--max-wait=10ms", "--", "true"];
    let (status, said) = code(&place.run(&strict));
    assert_eq!(status, Some(75), "{said}");
    assert!(said.contains("there is no room for 700.0 MiB"), "{said}");
    let mut by_environment = place.command(&["admit", "--mem=700M", "--", "true"]);
    by_environment
        .env("BTFGEN_ADMISSION", "strict")
        .env("BTFGEN_MAX_WAIT", "10ms")
        .env("BTFGEN_MEM_BUDGET", "1G");
    assert_eq!(code(&by_environment.output().unwrap()).0, Some(75));
    let mut wrong = place.command(&["admit", "--", "true"]);
    assert_eq!(code(&wrong.env("BTFGEN_ADMISSION", "perhaps").output().unwrap()).0, Some(2));
    // Patience has an end, less memory will do, or nobody is asked.
    assert_eq!(
        code(&place.run(&["admit", "--mem=700M", "--mem-budget=1G", "--max-wait=10ms", "--", "true"])),
        quiet(0)
    );
    let less = ["admit", "--mem-budget=1G", "--mem=700M", "--min=200M", "--admission=strict", "--", "true"];
    assert_eq!(code(&place.run(&less)), quiet(0));
    assert_eq!(code(&place.run(&["admit", "--mem=9G", "--admission=off", "--", "true"])), quiet(0));

    let waits = |priority: &str| {
        let is = |entry: &Entry| !entry.is_running && entry.priority.name() == priority;
        until("it waits", || place.entries().iter().any(is));
    };
    let second = place.command(&["admit", "--mem=700M", "--mem-budget=1G", "--", "true"]).spawn().unwrap();
    waits("normal");
    let urgent = place
        .command(&["admit", "--mem=700M", "--mem-budget=1G", "--priority=high", "--", "true"])
        .spawn()
        .unwrap();
    waits("high");
    let mut later = place.command(&["admit", "--mem=700M", "--mem-budget=1G", "--", "true"]);
    let later = later.env("BTFGEN_PRIORITY", "batch").spawn().unwrap();
    waits("batch");
    fs::write(pipe, "go\n").unwrap();
    for mut command in [first, second, urgent, later] {
        assert!(command.wait().unwrap().success());
    }
    assert!(place.entries().is_empty());
}

/// A file that is mapped and then cut off, here while its encode waits, is an error and no output.
#[test]
fn an_input_that_shrinks_meanwhile() {
    let place = Place::new();
    let (mut first, pipe) = hold(&place, &["--mem-budget=1G", "--mem=1G"]);
    let (input, output) = (place.path("input.elf"), place.path("output.btf"));
    // Too large to be read at once.
    let mut bytes = fs::read(DEMO).unwrap();
    bytes.resize(4 << 20, 0);
    fs::write(&input, bytes).unwrap();
    let mut encode = place.command(&["-j1", "--mem-budget=1G"]);
    encode.arg(&input).arg("-o").arg(&output).stderr(Stdio::piped());
    let encode = encode.spawn().unwrap();
    until("it waits", || place.entries().iter().any(|entry| !entry.is_running));
    fs::File::options().write(true).open(&input).unwrap().set_len(64).unwrap();
    fs::write(pipe, "go\n").unwrap();
    let (status, said) = code(&encode.wait_with_output().unwrap());
    assert_eq!(status, Some(74), "{said}");
    assert!(said.ends_with("input.elf: the file shrank while it was read\n"), "{said}");
    assert!(!output.exists() && first.wait().unwrap().success());
}

/// Whoever kills the supervisor does not free what the command still uses.
#[test]
fn the_command_holds_on_when_its_supervisor_is_killed() {
    let place = Place::new();
    let (mut first, pipe) = hold(&place, &["--mem=700M"]);
    first.kill().unwrap();
    first.wait().unwrap();
    let strict =
        ["admit", "--mem-budget=1G", "--mem=700M", "--admission=strict", "--max-wait=10ms", "--", "true"];
    assert_eq!(code(&place.run(&strict)).0, Some(75));
    fs::write(&pipe, "go\n").unwrap();
    until("the command has ended", || place.entries().is_empty());
    assert_eq!(code(&place.run(&strict)), quiet(0));
}

#[test]
fn signals_reach_the_command() {
    let place = Place::new();
    let script = "trap 'exit 42' TERM; echo runs; while :; do sleep 0.01; done";
    let mut first = running(&mut place.command(&["admit", "--mem=1M", "--", "sh", "-c", script]));
    let pid = first.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    assert_eq!(first.wait().unwrap().code(), Some(42));
}

/// A build within a reservation whose commands ask for reservations: they never wait for the build.
#[test]
fn nested_use_ends() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_btfgen");
    let inner = format!(
        "{program} admit --mem=800M --admission=strict --max-wait=20s --mem-budget=1G -- \
                         {program} admit --mem=900M --admission=strict --max-wait=20s --mem-budget=1G -- true"
    );
    let outer = ["admit", "--mem=900M", "--mem-budget=1G", "--", "sh", "-c", &inner];
    assert_eq!(code(&place.run(&outer)), quiet(0));
}

#[test]
fn a_limiter_that_does_not_work_is_no_reason_to_fail() {
    let place = Place::new();
    fs::write(place.path("ledger"), "a file").unwrap();
    let (status, said) = code(&place.run(&["admit", "--mem=1M", "--", "true"]));
    assert_eq!((status, said.lines().count()), (Some(0), 1), "{said}");
    assert!(
        said.starts_with("btfgen: warning: ") && said.ends_with("going on without waiting for others\n"),
        "{said}"
    );
    assert_eq!(code(&place.run(&["admit", "--mem=1M", "--admission=strict", "--", "true"])).0, Some(74));
    let output = place.path("out");
    let (status, said) = code(&place.run(&[DEMO, "-o", output.to_str().unwrap()]));
    assert_eq!((status, said.lines().count()), (Some(0), 1), "{said}");
    assert_eq!(code(&place.run(&[DEMO, "--admission=off", "-o", output.to_str().unwrap()])), quiet(0));
}

/// An encode runs on fewer workers where others hold the memory; what comes out is the same.
#[test]
fn an_encode_takes_what_there_is() {
    let place = Place::new();
    let Some(gcc) = gcc() else { return };
    let input = place.path("wide");
    wide(&gcc, &input);
    let input = input.to_str().unwrap();
    let estimate = place.run(&["estimate", "--json", input]);
    let estimate: Value = serde_json::from_slice(&estimate.stdout).unwrap();
    let one = estimate["estimates"][0]["anon_bytes"].as_u64().unwrap();
    assert!((1 << 20..64 << 20).contains(&one), "{estimate}");
    let encode = |name: &str, more: &[&str]| {
        let (output, stats) = (place.path(name), place.path("stats"));
        let args = [input, "-j8", "-o", output.to_str().unwrap(), "--stats", stats.to_str().unwrap()];
        let ran = place.run(&[&args[..], more].concat());
        let stats = fs::read(&stats).ok().map(|stats| serde_json::from_slice::<Value>(&stats).unwrap());
        (code(&ran), stats.and_then(|stats| stats["jobs"].as_u64()), fs::read(output).ok())
    };
    let (free, jobs, bytes) = encode("a", &[]);
    assert_eq!((free, jobs), (quiet(0), Some(8)));

    let (mut other, pipe) = hold(&place, &["--mem-budget=100G", "--mem=1000"]);
    // Room for one worker and a little more.
    let budget = format!("--mem-budget={}", one + 1000 + one / 100);
    let (narrow, jobs, same) = encode("b", &[&budget, "--admission=strict"]);
    assert_eq!((narrow, jobs), (quiet(0), Some(1)));
    assert_eq!(same, bytes);
    let none = format!("--mem-budget={}", one);
    let (busy, _, nothing) = encode("c", &[&none, "--admission=strict", "--max-wait=10ms"]);
    assert_eq!((busy.0, nothing), (Some(75), None), "{}", busy.1);
    let (patient, _, same) = encode("d", &[&none, "--max-wait=10ms"]);
    assert_eq!((patient, same), (quiet(0), bytes));
    fs::write(&pipe, "go\n").unwrap();
    assert!(other.wait().unwrap().success());
}

/// The encoder's forecast against what it took, on all fixtures: enough, also where an input is small.
#[test]
fn forecasts_are_enough() {
    let place = Place::new();
    let mut checked = 0;
    for entry in fs::read_dir(common::fixtures()).unwrap().flatten() {
        let path = entry.path();
        if !path.file_name().unwrap().to_string_lossy().starts_with("all-") {
            continue;
        }
        let estimate = place.run(&["estimate", "--json", path.to_str().unwrap()]);
        let Ok(estimate) = serde_json::from_slice::<Value>(&estimate.stdout) else { continue };
        let stats = place.path("stats");
        let args = ["-j1", path.to_str().unwrap(), "-o", "/dev/null", "--stats", stats.to_str().unwrap()];
        if !place.run(&args).status.success() {
            continue;
        }
        let report: Value = serde_json::from_slice(&fs::read(&stats).unwrap()).unwrap();
        let (used, forecast) = (&report["memory"]["anon_bytes"], &estimate["estimates"][0]["anon_bytes"]);
        assert!(
            used.as_u64().unwrap() <= forecast.as_u64().unwrap(),
            "{}: {used} of {forecast}",
            path.display()
        );
        checked += 1;
    }
    if checked == 0 {
        common::skipped("no fixture was built");
    }
}

/// Copies of a command with known needs: so many at a time as there is room for, and figures that can be checked.
#[test]
fn a_bench_of_copies() {
    let place = Place::new();
    let svg = place.path("curves.svg");
    // Forty megabytes, held for half a second.
    let script = "touch \"$1\"; (head -c 40000000 /dev/zero; sleep 0.5) | tail -c 40000000";
    let mark = place.path("copy{}");
    let out = place.run(&[
        "admit",
        "bench",
        "--jobs=1..3",
        "--repeat=1",
        "--json",
        "--svg",
        svg.to_str().unwrap(),
        "--mem=64M",
        "--mem-budget=128M",
        "--",
        "sh",
        "-c",
        script,
        "a<b",
        mark.to_str().unwrap(),
    ]);
    assert_eq!(code(&out), quiet(0));
    assert!((1..=3).all(|i| place.path(&format!("copy{i}")).exists()) && !place.path("copy4").exists());
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(
        (&report["schema_version"], &report["repeat"], &report["mem_bytes"]),
        (&1.into(), &1.into(), &(64 << 20).into())
    );
    let series = report["series"].as_array().unwrap();
    assert_eq!(series.iter().map(|row| row["jobs"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    let number = |row: usize, key: &str, of: &str| series[row][key][of].as_f64().unwrap();
    for (i, copies) in [1.0, 2.0, 2.0].into_iter().enumerate() {
        // The third waits for one of the others to end.
        assert!(number(i, "time_seconds", "min") >= if i == 2 { 1.0 } else { 0.5 }, "{report:#}");
        let (rss, pss) = (number(i, "peak_rss_bytes", "max"), series[i]["peak_pss_bytes"]["max"].as_f64());
        assert!(
            rss >= copies * 40e6 && pss.is_none_or(|pss| pss >= copies * 40e6 && pss <= rss),
            "{report:#}"
        );
        assert!((0.59..3.0).contains(&number(i, "forecast_ratio", "median")), "{report:#}");
        assert!(number(i, "wait_seconds", "p50") <= number(i, "wait_seconds", "max"));
        // Of 64 MiB they use up to 40 million bytes, for half a second and a little more.
        let unused = number(i, "unused_byte_seconds", "median");
        assert!(
            unused > 0.2 * 20e6 && unused < 64e6 * 1.1 * 3.0 * number(i, "time_seconds", "max"),
            "{report:#}"
        );
        assert!(series[i]["memory_stall_seconds"].is_null() != Path::new("/proc/pressure/memory").exists());
        assert_eq!(series[i]["failed"], 0);
    }
    assert_eq!(number(0, "speedup", "median"), 1.0);
    assert!(series[0]["marginal_gain"].is_null() && number(2, "efficiency", "max") <= 1.0, "{report:#}");
    assert!(place.entries().is_empty());

    let drawn = fs::read_to_string(&svg).unwrap();
    for expected in
        ["a&lt;b", ">Speed-up<", ">T, seconds<", ">copies at the same time<", ">PSS<", "<polyline"]
    {
        assert!(drawn.contains(expected), "{expected} in {drawn}");
    }
    let Some(python) = common::tool_or_skip("python3") else { return };
    let parse = "import sys, xml.dom.minidom as m; d = m.parse(sys.argv[1]).documentElement; print(d.tagName, d.namespaceURI)";
    let parsed = Command::new(python).args(["-c", parse]).arg(&svg).output().unwrap();
    assert_eq!(
        parsed.stdout,
        b"svg http://www.w3.org/2000/svg\n",
        "{}",
        String::from_utf8_lossy(&parsed.stderr)
    );
}

#[test]
fn a_bench_tells_of_copies_that_fail() {
    let place = Place::new();
    let out = place.run(&[
        "admit",
        "bench",
        "--jobs=2",
        "--repeat=2",
        "--",
        "sh",
        "-c",
        "echo noise; exit $(({} == 2))",
    ]);
    let (status, said) = code(&out);
    assert_eq!((status, said.as_str()), (Some(1), "btfgen: error: 2 copies failed\n"));
    let table = String::from_utf8(out.stdout).unwrap();
    assert!(table.starts_with("jobs ") && table.lines().count() == 3 && !table.contains("noise"), "{table}");
    let (status, said) = code(&place.run(&["admit", "bench", "--jobs=1", "--", "/nonexistent/command"]));
    assert_eq!(status, Some(74));
    assert!(said.contains("/nonexistent/command: cannot run it"), "{said}");
    for wrong in [&["--jobs=0"][..], &["--jobs=2..3"], &["--jobs=1", "--repeat=0"], &[]] {
        let args = [&["admit", "bench"], wrong, &["--", "true"]].concat();
        assert_eq!(code(&place.run(&args)).0, Some(2), "{wrong:?}");
    }
}
