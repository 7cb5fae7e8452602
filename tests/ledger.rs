//! The ledger under processes that come, wait, hold and are killed: what they may have together is never exceeded,
//! and nothing of what the dead held stays behind.
//!
//! `BTFGEN_STORM_KILLS=5000 BTFGEN_STORM_WORKERS=64 cargo test --release --test ledger storm -- --nocapture` is the
//! long version of the storm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use btfgen::ErrorKind;
use btfgen::admission::Root;
use btfgen::admission::gates::Gates;
use btfgen::admission::ledger::{Entry, Ledger, Live, MAX_OVERTAKEN, Offer, Request, WaitsFor};
use common::Random;
use common::claims::{
    self, BUDGET, DIR, Kept, LONG, ROLE, at_once, child, come_and_go, ledger, number, request,
};
use common::place::{held, until};
use tempfile::TempDir;

const SHORT: Duration = Duration::from_millis(60);
/// What the processes that this program starts do. Without a role there is nothing to test.
#[test]
fn in_a_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let ledger = Ledger::at(std::env::var(DIR).unwrap());
    match role.split_once(' ').unwrap_or((&role, "")) {
        ("hold", bytes) => {
            let _held = ledger.acquire(&request(bytes.parse().unwrap())).unwrap();
            println!("held");
            std::thread::sleep(LONG);
        }
        ("storm", seed) => come_and_go(&ledger, seed.parse().unwrap()),
        (role, _) => panic!("{role}"),
    }
}

fn holding(bytes: u64, directory: &Path) -> Child {
    let mut child = child(&format!("hold {bytes}"), directory).stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    assert!(out.lines().map(Result::unwrap).any(|line| line.contains("held")));
    child
}

#[test]
fn what_fits_is_let_in_and_what_does_not_is_not() {
    let (_directory, ledger) = ledger();
    let a = at_once(&ledger, request(600)).unwrap();
    assert!(at_once(&ledger, request(500)).is_none());
    let b = at_once(&ledger, request(400)).unwrap();
    assert_eq!(held(&ledger.entries().unwrap()), BUDGET);
    drop(a);
    assert!(at_once(&ledger, request(600)).is_some());
    drop(b);
    assert!(ledger.entries().unwrap().is_empty());
}

#[test]
fn one_may_always_run() {
    let (_directory, ledger) = ledger();
    let large = at_once(&ledger, request(5 * BUDGET)).unwrap();
    assert!(at_once(&ledger, request(1)).is_none());
    drop(large);
    let small = at_once(&ledger, request(1)).unwrap();
    assert!(at_once(&ledger, request(5 * BUDGET)).is_none());
    drop(small);
}

#[test]
fn the_dead_hold_nothing() {
    let (directory, ledger) = ledger();
    let path = directory.path().join("ledger");
    let mut a = holding(700, &path);
    assert!(at_once(&ledger, request(700)).is_none());
    a.kill().unwrap();
    a.wait().unwrap();
    assert!(at_once(&ledger, request(BUDGET)).is_some());
}

#[test]
fn the_first_offer_that_fits_is_taken() {
    let (_directory, ledger) = ledger();
    let _other = at_once(&ledger, request(600)).unwrap();
    let offers = [800, 500, 300].map(|bytes| Offer { bytes, threads: (bytes / 100) as u32 }).to_vec();
    let taken = at_once(&ledger, Request { offers, ..request(0) }).unwrap();
    assert_eq!(taken.offer(), Offer { bytes: 300, threads: 3 });
}

#[test]
fn a_wait_ends_in_the_smallest_form_or_in_failure() {
    let (_directory, ledger) = ledger();
    let _other = at_once(&ledger, request(900)).unwrap();
    let offers = vec![Offer { bytes: 500, threads: 2 }, Offer { bytes: 200, threads: 1 }];
    let patient = |insist| Request { offers: offers.clone(), max_wait: SHORT, insist, ..request(0) };
    let error = ledger.acquire(&patient(true)).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Busy, 75));
    let forced = ledger.acquire(&patient(false)).unwrap();
    assert!(forced.was_forced());
    assert_eq!(forced.offer().bytes, 200);
    // It counts like any other.
    assert_eq!(held(&ledger.entries().unwrap()), 1100);
}

#[test]
fn the_strictest_budget_counts() {
    let (_directory, ledger) = ledger();
    let strict = at_once(&ledger, Request { budget: 300, ..request(200) }).unwrap();
    assert!(at_once(&ledger, request(200)).is_none());
    assert!(at_once(&ledger, request(100)).is_some());
    drop(strict);
    let _loose = at_once(&ledger, request(400)).unwrap();
    assert!(at_once(&ledger, Request { budget: 500, ..request(200) }).is_none());
}

#[test]
fn strangers_are_seen_and_nothing_counts_twice() {
    fn headroom() -> Option<u64> {
        Some(500)
    }
    let (_directory, ledger) = ledger();
    let live = Some(Live { headroom, safety: 100 });
    let mut a = at_once(&ledger, request(300)).unwrap();
    // 300 are promised and not yet seen in the 500 that are left.
    assert!(at_once(&ledger, Request { live, ..request(200) }).is_none());
    a.observe(200).unwrap();
    assert!(at_once(&ledger, Request { live, ..request(200) }).is_some());
}

#[test]
fn holders_give_back_early_and_extend_if_it_fits() {
    let (_directory, ledger) = ledger();
    let mut a = at_once(&ledger, request(600)).unwrap();
    let b = at_once(&ledger, request(300)).unwrap();
    assert!(!a.try_extend(701).unwrap());
    assert!(a.try_extend(700).unwrap());
    a.shrink(100).unwrap();
    assert_eq!(held(&ledger.entries().unwrap()), 400);
    drop(b);
}

/// Large requests are overtaken by small ones, but not for ever; and in their own queue they keep their order.
#[test]
fn a_large_request_is_overtaken_so_often_and_no_more() {
    let (directory, ledger) = ledger();
    let mut first = holding(500, &directory.path().join("ledger"));
    std::thread::scope(|scope| {
        let large = scope.spawn(|| ledger.acquire(&request(800)).unwrap());
        until("the large one waits", || ledger.entries().unwrap().iter().any(|entry| !entry.is_running));
        let mut overtaken = 0;
        while at_once(&ledger, request(10)).is_some() {
            overtaken += 1;
            assert!(overtaken <= MAX_OVERTAKEN);
        }
        // Ten seconds are the other bound, on machines that take that long for this.
        assert!(overtaken > 0);
        // Of its own kind nobody goes before it.
        assert!(at_once(&ledger, request(100)).is_none());
        first.kill().unwrap();
        first.wait().unwrap();
        assert_eq!(large.join().unwrap().offer().bytes, 800);
    });
}

#[test]
fn so_many_of_a_name_and_others_do_not_wait_for_them() {
    let (_directory, ledger) = ledger();
    let named = || Request { max_instances: Some(1), label: "ld".to_owned(), ..request(100) };
    let first = at_once(&ledger, named()).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| ledger.acquire(&named()).unwrap());
        until("the second waits", || ledger.entries().unwrap().len() == 2);
        let waits = |entry: &Entry| (!entry.is_running).then_some(entry.waits_for);
        let waiting: Vec<_> = ledger.entries().unwrap().iter().filter_map(waits).collect();
        assert_eq!(waiting, [WaitsFor::Instances]);
        assert!(at_once(&ledger, request(800)).is_some());
        assert!(at_once(&ledger, request(10)).is_some());
        drop(first);
        drop(second.join().unwrap());
    });
}

/// What runs within a reservation cannot be made to wait by those who wait for that reservation to end.
#[test]
fn reservations_within_a_reservation() {
    let (_directory, ledger) = ledger();
    let outer = at_once(&ledger, request(600)).unwrap();
    let inside = |bytes| Request { parent: Some(outer.cookie()), ..request(bytes) };
    let a = at_once(&ledger, inside(400)).unwrap();
    let b = at_once(&ledger, inside(200)).unwrap();
    assert!(at_once(&ledger, inside(1)).is_none());
    // Together they are the 600, not 1200.
    let other = at_once(&ledger, request(400)).unwrap();
    drop((a, b));
    // More than the whole: one may always run, within it as well; then the excess counts.
    let large = at_once(&ledger, inside(900)).unwrap();
    let deeper = Request { parent: Some(large.cookie()), ..request(900) };
    drop(at_once(&ledger, deeper).unwrap());
    drop(other);
    assert!(at_once(&ledger, request(200)).is_none());
    assert!(at_once(&ledger, request(100)).is_some());
    drop(large);
    // A parent that is gone is none.
    let gone = inside(300);
    drop(outer);
    assert!(at_once(&ledger, gone).is_some());
}

#[test]
fn gates_keep_only_those_waiting_who_have_company() {
    let (directory, ledger) = ledger();
    let root = directory.path().join("root");
    fs::create_dir_all(root.join("proc")).unwrap();
    let load =
        |load: &str| fs::write(root.join("proc/loadavg"), format!("{load} 0.10 0.10 1/300 99\n")).unwrap();
    load("9.0");
    let gated = || Request { gates: Gates::parse(Root::at(&root), ["load1<4"]).unwrap(), ..request(100) };
    drop(at_once(&ledger, gated()).unwrap());
    let _other = at_once(&ledger, request(100)).unwrap();
    assert!(at_once(&ledger, gated()).is_none());
    load("1.0");
    assert!(at_once(&ledger, gated()).is_some());
}

#[test]
fn conditions() {
    let directory = TempDir::new().unwrap();
    let file = |path: &str, content: &str| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    file("proc/loadavg", "3.00 2.00 1.00 2/500 99\n");
    file("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 250 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
    file("proc/pressure/io", "some avg10=30.00 avg60=0.00 avg300=0.00 total=1\n");
    file("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
    file("sys/class/thermal/thermal_zone0/temp", "71000\n");
    file("sys/class/power_supply/ADP1/type", "Mains\n");
    file("sys/class/power_supply/ADP1/online", "0\n");
    file("sys/class/power_supply/B/type", "Battery\n");
    file("sys/class/power_supply/B/capacity", "41\n");
    let closed = |text: &str| Gates::parse(Root::at(directory.path()), [text]).unwrap().closed().is_some();
    for open in [
        "load1<4",
        "load5 < 2.5",
        "load1<100*cpus",
        "avail>20%",
        "avail>200K",
        "procs<501",
        "temp<90C",
        "temp:pkg<72",
        "psi.io.some<40%",
        "power=battery",
        "power=ac|battery>40%",
        "battery>40%",
        // What there is nothing of, nobody waits for.
        "swapfree>20%",
        "psi.memory.full<1%",
        "temp:gpu<1C",
    ] {
        assert!(!closed(open), "{open}");
    }
    for shut in [
        "load1<3",
        "load1<0*cpus",
        "avail>30%",
        "avail>1G",
        "procs<500",
        "temp<71C",
        "psi.io.some<30%",
        "power=ac",
        "power=ac|battery>41%",
    ] {
        assert!(closed(shut), "{shut}");
    }
    for wrong in [
        "",
        "load1",
        "load1<",
        "load1<x",
        "load2<1",
        "avail>10Q",
        "psi.io<3%",
        "psi.x.some<3%",
        "power=sun",
        "battery>40",
        "load1<inf",
    ] {
        assert!(Gates::parse(Root::system(), [wrong]).is_err(), "{wrong:?}");
    }
    // A gate that closed opens only when things are clearly better.
    let gates = Gates::parse(Root::at(directory.path()), ["load1<3"]).unwrap();
    assert!(gates.closed().is_some());
    file("proc/loadavg", "2.90 2.00 1.00 2/500 99\n");
    assert!(gates.closed().is_some());
    file("proc/loadavg", "2.60 2.00 1.00 2/500 99\n");
    assert!(gates.closed().is_none());
}

#[test]
fn a_ledger_that_is_damaged_or_removed_is_begun_anew() {
    let (directory, ledger) = ledger();
    let path = directory.path().join("ledger/ledger");
    drop(at_once(&ledger, request(1)).unwrap());
    let mut random = Random::new(7);
    for size in [0, 1, 7, 8, 4096, 4097, 4224, 9000] {
        let garbage: Vec<u8> = (0..size).map(|_| random.next() as u8).collect();
        fs::write(&path, garbage).unwrap();
        let held = at_once(&ledger, request(900)).unwrap();
        assert!(at_once(&ledger, request(200)).is_none(), "{size}");
        drop(held);
    }
    // Under somebody who holds: no crash, no wrong place written to, and the next ones share a new file.
    let mut old = at_once(&ledger, request(900)).unwrap();
    fs::remove_file(&path).unwrap();
    let new = at_once(&ledger, request(900)).unwrap();
    assert!(!old.try_extend(950).unwrap());
    old.observe(1).unwrap();
    drop(old);
    assert_eq!(held(&ledger.entries().unwrap()), 900);
    drop(new);
    let held = at_once(&ledger, request(900)).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    drop(held);
    fs::remove_dir_all(directory.path().join("ledger")).unwrap();
    assert!(at_once(&ledger, request(900)).is_some());
}

/// Every place that somebody else could have put there is refused and left as it is.
#[test]
fn what_others_may_have_put_there_is_refused() {
    let directory = TempDir::new().unwrap();
    let fails = |path: &Path| {
        let error = Ledger::at(path).acquire(&request(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    };
    let open = directory.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    fails(&open);
    let link = directory.path().join("link");
    fs::create_dir(directory.path().join("real")).unwrap();
    symlink(directory.path().join("real"), &link).unwrap();
    fails(&link);
    let make = |name: &str| {
        let path = directory.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    };
    let victim = directory.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let linked = make("linked");
    symlink(&victim, linked.join("ledger")).unwrap();
    fails(&linked);
    let hard = make("hard");
    fs::hard_link(&victim, hard.join("ledger")).unwrap();
    fails(&hard);
    let pipe = make("pipe");
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        pipe.join("ledger"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    );
    made.unwrap();
    fails(&pipe);
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    fails(&file);
    fails(&directory.path().join("no/such"));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(fs::read_dir(directory.path().join("real")).unwrap().count(), 0);
}

/// Processes that want up to a quarter each are killed at any moment, some in the mutex, most in a queue, many
/// while they hold.
#[test]
fn storm() {
    let (kills, workers) = (number("BTFGEN_STORM_KILLS", 200), number("BTFGEN_STORM_WORKERS", 16));
    let (_directory, ledger) = ledger();
    let mut seeds = 1..;
    let mut start = |_| {
        let role = format!("storm {}", seeds.next().unwrap());
        Kept(child(&role, ledger.directory()).spawn().unwrap())
    };
    let seen = claims::storm(&ledger, (workers, kills, Duration::from_millis(4)), &mut start, &mut |_, _| {});
    let start = Instant::now();
    let whole = at_once(&ledger, request(BUDGET)).expect("the dead hold something");
    let took = start.elapsed();
    println!(
        "{kills} kills of {workers} workers, {} of them while holding; {} samples, none above the budget; all of it \
         was free after {took:?}",
        seen.holders, seen.samples
    );
    drop(whole);
    assert!(ledger.entries().unwrap().is_empty());
}

/// A process in the ledger's mutex that is stopped keeps nobody waiting for long, and nobody waits again once it goes on.
#[test]
fn a_stopped_process_does_not_stop_others() {
    let (directory, ledger) = ledger();
    drop(at_once(&ledger, request(1)).unwrap());
    // A lock of somebody else on the byte of the mutex, as a process that was stopped within has it.
    let program = "import fcntl, os, struct, sys\n\
                   fd = os.open(sys.argv[1], os.O_RDWR)\n\
                   fcntl.fcntl(fd, 37, struct.pack('hhqqi4x', 1, 0, 0, 1, 0))\n\
                   print('locked', flush=True)\n\
                   sys.stdin.read()\n";
    let Some(python) = common::tool_or_skip("python3") else { return };
    let mut command = Command::new(python);
    command.args(["-c", program]).arg(directory.path().join("ledger/ledger"));
    let mut stopped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    stopped.stdout.as_mut().unwrap().read_exact(&mut [0; 7]).unwrap();
    let error = ledger.acquire(&request(1)).unwrap_err();
    assert!(error.kind() == ErrorKind::Io && error.to_string().contains("does not go on"), "{error}");
    stopped.kill().unwrap();
    stopped.wait().unwrap();
    assert!(at_once(&ledger, request(BUDGET)).is_some());
}
