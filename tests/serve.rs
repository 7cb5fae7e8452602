//! A driver with clients beside those that use the ledger alone: one budget for all, whatever its policy does, and
//! nothing lost whoever of them is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use btfgen::admission::driver;
use btfgen::admission::ledger::{Entry, Ledger, Request};
use common::Random;
use common::claims::{self, BUDGET, DIR, Kept, ROLE, child, number, request};
use common::place::{Place, code, held, quiet, running, until};
use common::programs::{gcc, wide};
use serde_json::{Value, json};

const DRIVER: &str = "BTFGEN_ADMIT_DRIVER";
const COOKIE: &str = "BTFGEN_ADMIT_COOKIE";
/// A cookie that the drivers of these tests share, so that one can follow another.
const SESSION: &str = "0123456789abcdef";

/// A place whose processes know a driver, if there is one.
struct Session(Place);

impl std::ops::Deref for Session {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.0
    }
}

impl Session {
    fn new() -> Self {
        let place = Place::new();
        let socket = place.ledger().join("driver.sock");
        Session(place.with(DRIVER, socket).with(COOKIE, SESSION))
    }

    fn socket(&self) -> PathBuf {
        self.ledger().join("driver.sock")
    }

    /// Starts a driver; returns it when it listens.
    fn serve(&self, args: &[&str]) -> Kept {
        let mut command = self.command(&[&["admit", "serve"], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().unwrap(), format!("export {DRIVER}='{}'", self.socket().display()));
        assert_eq!(lines.next().unwrap(), format!("export {COOKIE}='{SESSION}'"));
        Kept(child)
    }

    /// A policy: Python that says what `answer` is to a `call`; it may use `log`.
    fn policy(&self, answer: &str) -> Option<String> {
        let python = common::tool_or_skip("python3")?;
        let path = self.path("policy");
        let text = format!(
            "#!{}\nimport json, os, sys, time\nos.dup2(os.open(os.devnull, os.O_WRONLY), 2)\nlog = open({:?}, 'a')\nfor line in sys.stdin:\n    \
             call = json.loads(line); name = call['call']\n    log.write(line); log.flush()\n    answer = {{}}\n    \
             {answer}\n    answer['id'] = call['id']\n    print(json.dumps(answer), flush=True)\n",
            python.display(),
            self.path("log"),
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Some(path.to_str().unwrap().to_owned())
    }

    /// What the policy was asked.
    fn asked(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Starts a command that runs until the second thing returned is dropped, and waits until it runs.
    fn hold(&self, mem: &str) -> (Kept, ChildStdin) {
        let args = ["admit", "--mem-budget=1000M", mem, "--", "sh", "-c", "echo runs; read x; :"];
        let mut command = self.command(&args);
        let mut child = running(command.stdin(Stdio::piped()));
        let hold = child.stdin.take().unwrap();
        (Kept(child), hold)
    }
}

fn send(signal: &str, child: &Child) {
    assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
}

/// Ends a process as nothing can prevent, and returns what it said.
fn kill(mut child: Kept) -> String {
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    said(&mut child)
}

/// What a driver that has ended said.
fn said(child: &mut Kept) -> String {
    let mut text = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

const TRY: [&str; 5] = ["admit", "--mem=700M", "--mem-budget=1000M", "--admission=strict", "--max-wait=10ms"];

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, more].concat()
}

#[test]
fn clients_of_a_driver_and_of_the_ledger_share() {
    let place = Session::new();
    let driver = place.serve(&[]);
    let strict = with(&TRY, &["--", "true"]);
    let (mut first, hold) = place.hold("--mem=700M");
    assert_eq!(held(&place.entries()), 700 << 20);
    // It is written down as the client's, not as the driver's.
    assert_eq!(place.entries()[0].pid, first.0.id());
    assert_eq!(code(&place.run(&strict)).0, Some(75));
    let alone = || place.command(&strict).env_remove(DRIVER).output().unwrap();
    assert_eq!(code(&alone()).0, Some(75));
    assert_eq!(
        code(&place.run(&with(
            &["admit", "--mem=300M", "--mem-budget=1000M", "--admission=strict"],
            &["--", "true"]
        ))),
        quiet(0)
    );
    // What it uses goes into the ledger by way of the driver.
    until("its use is known", || place.entries()[0].observed > 0);
    drop(hold);
    assert!(first.0.wait().unwrap().success());
    until("all is free", || place.entries().is_empty());
    assert_eq!(code(&place.run(&strict)), quiet(0));
    assert_eq!(code(&place.run(&["admit", "--", "sh", "-c", "exit 9"])), quiet(9));
    // Names are the same to both, as far as the ledger keeps them: one of them at a time.
    let named = place.path("a-command-with-more-letters-than-16");
    fs::write(&named, "#!/bin/sh\neval \"$1\"\n").unwrap();
    fs::set_permissions(&named, fs::Permissions::from_mode(0o700)).unwrap();
    let named = named.to_str().unwrap();
    let single = ["admit", "--max-instances=1", "--admission=strict", "--max-wait=10ms", "--", named];
    assert_eq!(code(&place.run(&with(&single, &["exit 3"]))), quiet(3));
    for driver in ["", place.socket().to_str().unwrap()] {
        // Not within the first one's reservation, where names do not count.
        let words = [&[env!("CARGO_BIN_EXE_btfgen")], &single[..], &["true"]].concat().join(" ");
        let inner = format!("unset BTFGEN_ADMIT_PARENT; {DRIVER}={driver} {words}");
        let outer = if driver.is_empty() { place.socket() } else { PathBuf::new() };
        let output = place.command(&with(&single, &[&inner])).env(DRIVER, outer).output().unwrap();
        assert_eq!(code(&output).0, Some(75));
    }
    // By its option, too.
    let socket = place.socket();
    let by_option = with(&TRY, &["--driver", socket.to_str().unwrap(), "--", "true"]);
    assert_eq!(code(&place.command(&by_option).env_remove(DRIVER).output().unwrap()), quiet(0));
    assert_eq!(kill(driver), "");
}

#[test]
fn only_those_of_the_session_are_heard() {
    let place = Session::new();
    let driver = place.serve(&[]);
    let mut other = place.command(&["admit", "--mem=1M", "--", "true"]);
    let (status, said) = code(&other.env(COOKIE, "fedcba9876543210").output().unwrap());
    assert_eq!((status, said.lines().count()), (Some(0), 1), "{said}");
    assert!(
        said.contains("BTFGEN_ADMIT_COOKIE is not that of this driver; asking the ledger instead"),
        "{said}"
    );
    let (status, said) = code(&other.env_remove(COOKIE).output().unwrap());
    assert!(status == Some(0) && said.contains("is not that"), "{said}");
    let short = place.command(&["admit", "serve"]).env(COOKIE, "short").output().unwrap();
    assert_eq!(code(&short).0, Some(2));
    // There is one already.
    let (status, said) = code(&place.run(&["admit", "serve"]));
    assert!(status == Some(74) && said.contains("another driver"), "{said}");
    assert_eq!(kill(driver), "");
    // Nobody there, and what is there is no socket.
    let (status, said) = code(&place.run(&["admit", "--mem=1M", "--", "true"]));
    assert!(status == Some(0) && said.contains("asking the ledger instead"), "{said}");
    drop(place.serve(&[]));
    fs::remove_file(place.socket()).unwrap();
    fs::write(place.socket(), "precious").unwrap();
    assert_eq!(code(&place.run(&["admit", "serve"])).0, Some(74));
    assert_eq!(fs::read(place.socket()).unwrap(), b"precious");
}

/// The driver goes, its clients stay: who runs holds what it held without a gap, who waits goes on waiting.
#[test]
fn the_end_of_a_driver_loses_nothing() {
    let place = Session::new();
    let driver = place.serve(&[]);
    let (mut first, hold) = place.hold("--mem=700M");
    let mut command = place.command(&["admit", "--mem=700M", "--mem-budget=1000M", "--", "true"]);
    let mut second = Kept(command.stderr(Stdio::piped()).spawn().unwrap());
    until("the second waits", || place.entries().len() == 2);
    kill(driver);
    // The kernel has taken all that was the driver's alone.
    assert_eq!(held(&place.entries()), 700 << 20);
    let id = second.0.id();
    until("it waits for itself", || place.entries().iter().any(|entry| !entry.is_running && entry.pid == id));
    assert_eq!(held(&place.entries()), 700 << 20);
    // Who runs tells the ledger itself, from its next look on.
    let before = place.entries()[0].observed;
    until("it is still heard", || place.entries()[0].observed >= before.max(1));
    drop(hold);
    assert!(first.0.wait().unwrap().success() && second.0.wait().unwrap().success());
    let said = said(&mut second);
    assert!(said.lines().count() == 1 && said.contains("asking the ledger instead"), "{said}");
    assert!(place.entries().is_empty());
    // A new one takes the place of the dead one.
    let driver = place.serve(&[]);
    assert_eq!(code(&place.run(&with(&TRY, &["--", "true"]))), quiet(0));
    kill(driver);
}

#[test]
fn a_driver_that_is_stopped_is_given_up() {
    let place = Session::new();
    let driver = place.serve(&[]);
    let (mut first, hold) = place.hold("--mem=100M");
    send("STOP", &driver.0);
    let (status, said) = code(&place.run(&["admit", "--mem=100M", "--mem-budget=1000M", "--", "true"]));
    assert!(status == Some(0) && said.contains("does not answer"), "{said}");
    drop(hold);
    assert!(first.0.wait().unwrap().success());
    assert!(place.entries().is_empty());
    kill(driver);
}

/// Another program at the place of the driver that says nothing but "wait".
#[test]
fn a_driver_that_never_ends_a_wait() {
    let place = Session::new();
    fs::create_dir(place.ledger()).unwrap();
    fs::set_permissions(place.ledger(), fs::Permissions::from_mode(0o700)).unwrap();
    let listener = UnixListener::bind(place.socket()).unwrap();
    let waits = std::thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        while client.write_all(b"{\"type\":\"wait\"}\n").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let (status, said) = code(&place.run(&["admit", "--mem=1M", "--max-wait=100ms", "--", "true"]));
    assert!(status == Some(0) && said.contains("does not answer"), "{said}");
    waits.join().unwrap();
}

#[test]
fn clients_that_are_killed() {
    let place = Session::new();
    let driver = place.serve(&[]);
    let (first, hold) = place.hold("--mem=700M");
    let waiting = || {
        let child =
            place.command(&["admit", "--mem=700M", "--mem-budget=1000M", "--", "true"]).spawn().unwrap();
        until("it waits", || place.entries().iter().any(|entry| !entry.is_running));
        Kept(child)
    };
    for _ in 0..3 {
        drop(waiting());
        until("it is gone", || place.entries().len() == 1);
    }
    // Its command goes on and holds on.
    drop(first);
    assert_eq!(held(&place.entries()), 700 << 20);
    let mut second = waiting();
    assert_eq!(held(&place.entries()), 700 << 20);
    drop(hold);
    assert!(second.0.wait().unwrap().success());
    until("all is free", || place.entries().is_empty());
    assert_eq!(kill(driver), "");
}

/// A client in another language: lines over a socket, and the connection is the reservation.
#[test]
fn the_protocol() {
    let place = Session::new();
    let driver = place.serve(&["--connections=2"]);
    let request = |bytes: u64| {
        json!({ "type": "request", "version": 1, "cookie": SESSION, "offers": [{ "bytes": bytes, "threads": 1 }],
                "label": "raw", "budget": 1000, "max_wait_ms": 0, "insist": true, "more": [] })
    };
    let ask = |request: &Value| {
        let mut stream = UnixStream::connect(place.socket()).unwrap();
        // One that is full may be gone before it is asked; it has said so.
        let _ = writeln!(stream, "{request}");
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer).unwrap();
        (stream, serde_json::from_str::<Value>(&answer).unwrap_or_default())
    };
    let (mut first, answer) = ask(&request(600));
    assert_eq!(
        (&answer["type"], &answer["bytes"], &answer["forced"]),
        (&"go".into(), &600.into(), &false.into())
    );
    assert_eq!(held(&place.entries()), 600);
    writeln!(first, "nonsense\n{{\"type\":\"progress\",\"observed\":123}}").unwrap();
    until("progress is written down", || place.entries()[0].observed == 123);
    for (change, reason) in [
        (json!({ "offers": [{ "bytes": 500, "threads": 1 }] }), "busy"),
        (json!({ "cookie": "0123456789abcdeF" }), "cookie"),
        (json!({ "cookie": null }), "cookie"),
        (json!({ "version": 2 }), "request"),
        (json!({ "offers": [] }), "request"),
    ] {
        let mut wrong = request(100);
        wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        // The driver may not have seen yet that the one before has gone.
        until("it is refused", || ask(&wrong).1["reason"] == reason);
    }
    let second = UnixStream::connect(place.socket()).unwrap();
    until("there is no room for more", || ask(&request(1)).1["reason"] == "full");
    drop(second);
    until("there is room again", || ask(&request(1)).1["type"] == "go");
    // Without an end of its line, a request has an end.
    let mut endless = UnixStream::connect(place.socket()).unwrap();
    let written = (0..64).try_for_each(|_| endless.write_all(&[b' '; 64 << 10]));
    assert!(written.is_err() || endless.read(&mut [0]).is_ok_and(|n| n == 0));
    drop(first);
    until("all is free", || place.entries().is_empty());
    assert_eq!(kill(driver), "");
}

/// All that a policy is asked and told, and what it may change.
#[test]
fn a_policy_decides() {
    let place = Session::new();
    let answer = "if name == 'let_process_go':\n        \
                  mine = [p for p in call['active'] if p['label'] == call['current']['label']]\n        \
                  answer['go'] = not mine\n        \
                  if call['current']['label'] == 'wide': answer.update(bytes=5, threads=1)\n    \
                  if name == 'process_initialized' and call['process']['label'] == 'true':\n        \
                  answer['offers'] = [{'bytes': 77, 'threads': 1}]";
    let (Some(policy), Some(gcc)) = (place.policy(answer), gcc()) else { return };
    let (out, stats, input) = (place.path("out"), place.path("stats"), place.path("wide"));
    wide(&gcc, &input);
    let mut driver = place.serve(&["--policy", &policy, "--policy-timeout=60s"]);
    let (mut first, hold) = place.hold("--mem=100M");
    // There is memory, but the policy allows one sh at a time; and something else beside it.
    let mut second = place
        .command(&["admit", "--mem=100M", "--mem-budget=1000M", "--", "sh", "-c", "exit 3"])
        .spawn()
        .unwrap();
    until("it was asked about", || place.asked().iter().any(|call| call["call"] == "let_process_go"));
    assert_eq!(code(&place.run(&with(&TRY, &["--", "true"]))), quiet(0));
    let [input, out, figures] = [&input, &out, &stats].map(|path| path.to_str().unwrap());
    assert_eq!(code(&place.run(&[input, "-j4", "-o", out, "--stats", figures])), quiet(0));
    let stats: Value = serde_json::from_slice(&fs::read(stats).unwrap()).unwrap();
    assert_eq!(stats["jobs"], 1);
    until("progress is told", || place.asked().iter().any(|call| call["call"] == "process_progress"));
    assert_eq!(second.try_wait().unwrap(), None);
    drop(hold);
    assert!(first.0.wait().unwrap().success());
    assert_eq!(second.wait().unwrap().code(), Some(3));
    let calls =
        |name: &str| place.asked().into_iter().filter(|call| call["call"] == name).collect::<Vec<_>>();
    until("all ends are told", || calls("process_finished").len() == 4);
    send("TERM", &driver.0);
    assert!(driver.0.wait().unwrap().success());
    assert_eq!(said(&mut driver), "");
    assert!(!place.socket().exists());

    let asked = place.asked();
    assert_eq!((&asked[0]["call"], &asked.last().unwrap()["call"]), (&"load".into(), &"save".into()));
    assert_eq!(calls("process_initialized").len(), 4);
    let about_true =
        &calls("let_process_go").into_iter().find(|call| call["current"]["label"] == "true").unwrap();
    assert_eq!(about_true["current"]["offers"], json!([{ "bytes": 77, "threads": 1 }]));
    assert_eq!(
        (&about_true["active"][0]["label"], &about_true["held_bytes"]),
        (&"sh".into(), &(100 << 20).into())
    );
    assert_eq!(about_true["waiting"].as_array().unwrap().len(), 2);
    let told = &calls("process_progress")[0]["process"];
    assert!(told["observed"].as_u64().unwrap() > 0 && told["pid"] == first.0.id(), "{told}");
}

/// Who may not run by the policy waits as long as it wants to, and one may always run.
#[test]
fn a_policy_that_denies_everything() {
    let place = Session::new();
    let Some(policy) = place.policy("answer['go'] = False") else { return };
    let driver = place.serve(&["--policy", &policy, "--policy-timeout=60s"]);
    assert_eq!(code(&place.run(&with(&TRY, &["--", "true"]))), quiet(0));
    let (mut first, hold) = place.hold("--mem=100M");
    let small = ["admit", "--mem=1M", "--mem-budget=1000M", "--max-wait=300ms"];
    let (status, said) = code(&place.run(&with(&small, &["--admission=strict", "--", "true"])));
    assert!(status == Some(75) && said.contains("the policy does not let it go"), "{said}");
    assert_eq!(code(&place.run(&with(&small, &["--", "true"]))), quiet(0));
    // What runs within a reservation asks nobody outside of it.
    let inside = format!(
        "{} admit --mem=1M --admission=strict --max-wait=300ms -- true",
        env!("CARGO_BIN_EXE_btfgen")
    );
    let outer = with(&small, &["--", "sh", "-c", &inside]);
    assert_eq!(code(&place.run(&outer)), quiet(0));
    // The end of the one that runs is the turn of the one that waits.
    let mut second =
        place.command(&["admit", "--mem=1M", "--mem-budget=1000M", "--", "true"]).spawn().unwrap();
    until("it is denied", || {
        place.asked().iter().filter(|call| call["call"] == "let_process_go").count() > 3
    });
    // Everybody can see that it waits, and that it does not wait for memory.
    let status = |args: &[&str]| String::from_utf8(place.run(args).stdout).unwrap();
    let ledger: Value = serde_json::from_str(&status(&["admit", "status", "--json"])).unwrap();
    let waiting: Vec<&Value> =
        ledger["ledger"].as_array().unwrap().iter().filter(|entry| entry["state"] == "waiting").collect();
    assert_eq!((waiting.len(), &waiting[0]["label"]), (1, &"true".into()));
    assert_eq!(
        (&waiting[0]["waits_for"], &waiting[0]["reserved_bytes"]),
        (&"policy".into(), &(1 << 20).into())
    );
    let text = status(&["admit", "status"]);
    assert!(
        text.lines().any(|line| line.starts_with("waiting") && line.ends_with("the policy of a driver")),
        "{text}"
    );
    drop(hold);
    assert!(first.0.wait().unwrap().success() && second.wait().unwrap().success());
    assert_eq!(kill(driver), "");
}

/// Whatever else a policy does: one warning, and all goes on as without it.
#[test]
fn policies_that_fail() {
    let failures = [
        ("if name == 'let_process_go': time.sleep(600)", "no answer to let_process_go within"),
        ("if name == 'process_initialized': sys.exit(3)", "it ended at process_initialized"),
        ("if name == 'let_process_go': os.kill(os.getpid(), 9)", "it ended at let_process_go"),
        ("if name == 'let_process_go': print('certainly', flush=True)", "is no JSON"),
        ("if name == 'let_process_go': print('{\"id\": 1, \"go\": true}', flush=True)", "belongs to no call"),
        ("if name == 'let_process_go': print('x' * 300000, flush=True)", "let_process_go"),
        (
            "if name == 'process_initialized': answer['offers'] = [{'bytes': -1, 'threads': 1}]",
            "offers make no sense",
        ),
        ("answer['go'] = 'perhaps'", "neither go nor wait"),
    ];
    for (answer, expected) in failures {
        let place = Session::new();
        let Some(policy) = place.policy(answer) else { return };
        let patience = if answer.contains("600") { "--policy-timeout=500ms" } else { "--policy-timeout=60s" };
        let driver = place.serve(&["--policy", &policy, patience]);
        let (mut first, hold) = place.hold("--mem=100M");
        for _ in 0..2 {
            let small = ["admit", "--mem=1M", "--mem-budget=1000M", "--admission=strict", "--", "true"];
            assert_eq!(code(&place.run(&small)), quiet(0), "{answer}");
        }
        drop(hold);
        assert!(first.0.wait().unwrap().success());
        let said = kill(driver);
        assert!(said.lines().count() == 1 && said.contains(expected), "{answer}: {said}");
    }
    let place = Session::new();
    let (status, said) = code(&place.run(&["admit", "serve", "--policy", "/nonexistent/policy"]));
    assert!(status == Some(74) && said.contains("/nonexistent/policy"), "{said}");
    // One that never answers at all.
    let (status, said) = code(&place.run(&["admit", "serve", "--policy=yes", "--policy-timeout=10ms"]));
    assert!(status == Some(74) && said.contains("policy"), "{said}");
}

#[test]
fn a_driver_for_one_command() {
    let place = Session::new();
    let program = env!("CARGO_BIN_EXE_btfgen");
    let Some(policy) = place.policy("answer['go'] = True") else { return };
    let inner = format!("{program} admit --mem=1M -- sh -c 'exit 7'");
    let mut command = place.command(&["admit", "serve", "--policy", &policy, "--", "sh", "-c", &inner]);
    assert_eq!(code(&command.env_remove(DRIVER).env_remove(COOKIE).output().unwrap()), quiet(7));
    let calls: Vec<_> = place.asked().into_iter().map(|call| call["call"].clone()).collect();
    assert!(calls.contains(&"process_initialized".into()) && calls.contains(&"save".into()), "{calls:?}");
    assert!(!place.socket().exists());
    // Nobody comes.
    let mut idle = place.serve(&["--idle=50ms"]);
    assert!(idle.0.wait().unwrap().success());
}

/// What the clients of the storm do. Without a role there is nothing to test.
#[test]
fn in_a_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (kind, seed) = role.split_once(' ').unwrap();
    let ledger = Ledger::at(std::env::var(DIR).unwrap());
    let socket = std::env::var(DRIVER).unwrap();
    let mut random = Random::new(seed.parse().unwrap());
    loop {
        let bytes = 1 + random.below(BUDGET as usize / 4) as u64;
        let request = Request { label: kind.to_owned(), ..request(bytes) };
        let asked =
            if kind == "driver" { driver::acquire(Path::new(&socket), SESSION, &request).ok() } else { None };
        let mut held = asked.unwrap_or_else(|| ledger.acquire(&request).unwrap());
        std::thread::sleep(Duration::from_micros(random.below(3000) as u64));
        held.observe(bytes / 2).unwrap();
        held.shrink(bytes / 2).unwrap();
    }
}

/// Clients of both kinds and drivers, killed at any moment. `BTFGEN_STORM_KILLS` makes it longer.
#[test]
fn storm() {
    let kills = number("BTFGEN_STORM_KILLS", 150);
    let place = Session::new();
    let ledger = Ledger::at(place.ledger());
    let mut driver = place.serve(&[]);
    let mut seeds = 1..;
    let mut start = |victim: usize| {
        let kind = if victim.is_multiple_of(2) { "driver" } else { "ledger" };
        let role = format!("{kind} {}", seeds.next().unwrap());
        Kept(child(&role, &place.ledger()).env(DRIVER, place.socket()).spawn().unwrap())
    };
    let (mut drivers, mut by_driver) = (1, 0);
    let mut before = |kill: usize, entries: &[Entry]| {
        by_driver += entries.iter().filter(|entry| entry.is_running && entry.label == "driver").count();
        if kill % 50 == 25 {
            driver.0.kill().unwrap();
            driver.0.wait().unwrap();
            driver = place.serve(&[]);
            drivers += 1;
        }
    };
    let seen = claims::storm(&ledger, (12, kills, Duration::from_millis(6)), &mut start, &mut before);
    let start = Instant::now();
    until("nobody holds or waits", || place.entries().is_empty());
    println!(
        "{kills} kills, {} of them while holding; {drivers} drivers, {by_driver} of their clients seen running; {} \
         samples, none above the budget; all of it was free after {:?}",
        seen.holders,
        seen.samples,
        start.elapsed()
    );
    assert!(by_driver > 0);
    // The driver still serves, as soon as it has seen that all are gone.
    until("the driver serves", || code(&place.run(&with(&TRY, &["--", "true"]))) == quiet(0));
    assert_eq!(kill(driver), "");
}
