//! Who is let in when: in the order of arrival, also many at a time; large requests among small ones; and what it costs
//! to wait.
//!
//! `BTFGEN_WAITERS=1000` makes the queue as long as it says, `BTFGEN_STAMPEDE=500` the crowd that comes at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use btfgen::admission::ledger::{Ledger, Live, MAX_OVERTAKEN, Priority, Request};
use common::claims::{
    BUDGET, DIR, Kept, LONG, ROLE, allow_descriptors, at_once, child, ledger, locks, number, request,
};
use common::place::{held, until};
use common::{Random, skipped};
use rustix::time::{ClockId, clock_gettime};

/// What the processes that this program starts do. Without a role there is nothing to test.
#[test]
fn in_a_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let count: usize = role.strip_prefix("queue ").unwrap().parse().unwrap();
    queue(&Ledger::at(std::env::var(DIR).unwrap()), count);
}

/// So many come one after the other, and each asks for everything. Says when all wait, then for every line of its
/// input the nanoseconds of CPU that it took so far, and at last in which order they were let in, and how long all of
/// them together took.
fn queue(ledger: &Ledger, count: usize) {
    assert!(allow_descriptors(3 * count as u64 + 100));
    let order = Mutex::new(Vec::new());
    let first = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for i in 0..count {
            let (order, first) = (&order, &first);
            let come = move || {
                let held = ledger.acquire(&request(BUDGET)).unwrap();
                let mut order = order.lock().unwrap();
                if order.is_empty() {
                    first.store(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
                }
                order.push(i);
                drop(order);
                drop(held);
            };
            std::thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, come).unwrap();
            // The first waits as the head, the others for its place.
            let waits = || if i == 0 { !ledger.entries().unwrap().is_empty() } else { waiting(ledger) == i };
            until("the next one waits", waits);
        }
        println!("waiting");
        for line in std::io::stdin().lines() {
            assert_eq!(line.unwrap(), "cpu");
            let time = clock_gettime(ClockId::ProcessCPUTime);
            println!("cpu {}", time.tv_sec * 1_000_000_000 + time.tv_nsec);
        }
    });
    let took = start.elapsed().as_nanos() as u64 - first.load(Ordering::Relaxed);
    println!("order {took} {:?}", order.into_inner().unwrap());
}

/// Those who wait behind others.
fn waiting(ledger: &Ledger) -> usize {
    locks(ledger).unwrap().iter().filter(|(_, waits)| *waits).count()
}

/// Whoever somebody waits for goes next, whoever nobody waits for goes last, and each among its like in the order of
/// arrival.
#[test]
fn priorities_come_before_the_order_of_arrival() {
    let (_directory, ledger) = ledger();
    let all = at_once(&ledger, request(BUDGET)).unwrap();
    if locks(&ledger).is_none_or(|locks| locks.is_empty()) {
        return skipped("the kernel does not tell of locks in /proc/locks");
    }
    let arrivals = ["batch", "normal", "batch", "high", "normal", "high", "batch", "normal"];
    let order = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (i, name) in arrivals.into_iter().enumerate() {
            let (ledger, order) = (&ledger, &order);
            scope.spawn(move || {
                let priority = Priority::named(name).unwrap();
                let held = ledger.acquire(&Request { priority, ..request(BUDGET) }).unwrap();
                let mut order = order.lock().unwrap();
                order.push((name, i));
                let left = (0..arrivals.len()).filter(|i| order.iter().all(|(_, came)| came != i));
                let names: HashSet<&str> = left.map(|i| arrivals[i]).collect();
                // The next of its like has the time to come to the head.
                let heads = || ledger.entries().unwrap().iter().filter(|entry| !entry.is_running).count();
                until("there is a head of each", || heads() == names.len());
                drop(held);
            });
            let heads = || ledger.entries().unwrap().len() - 1;
            until("it waits", || heads() + waiting(ledger) == i + 1);
        }
        drop(all);
    });
    let mut expected: Vec<(&str, usize)> =
        arrivals.into_iter().enumerate().map(|(i, name)| (name, i)).collect();
    expected.sort_by_key(|(name, _)| ["high", "normal", "batch"].iter().position(|other| other == name));
    assert_eq!(order.into_inner().unwrap(), expected);
}

/// Those who wait sleep, and are let in in the order in which they came, or nearly so.
#[test]
fn a_queue_costs_nothing_and_keeps_its_order() {
    let count = number("BTFGEN_WAITERS", 200);
    let (_directory, ledger) = ledger();
    let all = at_once(&ledger, request(BUDGET)).unwrap();
    if locks(&ledger).is_none_or(|locks| locks.is_empty()) {
        return skipped("the kernel does not tell of locks in /proc/locks");
    }
    let mut command = child(&format!("queue {count}"), ledger.directory());
    let mut queue = Kept(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut input = queue.0.stdin.take().unwrap();
    let mut lines = BufReader::new(queue.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = |name: &str| {
        let found = lines.find_map(|line| line.split_once(name).map(|(_, rest)| rest.trim().to_owned()));
        found.unwrap_or_else(|| panic!("the queue ended before it said {name}"))
    };
    next("waiting");
    let mut cpu = || {
        input.write_all(b"cpu\n").unwrap();
        (Instant::now(), Duration::from_nanos(next("cpu ").parse().unwrap()))
    };
    let (start, before) = cpu();
    std::thread::sleep(Duration::from_secs(3));
    let (end, after) = cpu();
    let idle = (after - before).as_secs_f64() / (end - start).as_secs_f64();
    drop(input);
    std::thread::sleep(Duration::from_millis(100));
    drop(all);
    let said = next("order ");
    let (took, order) = said.split_once(' ').unwrap();
    let order: Vec<usize> = serde_json::from_str(order).unwrap();
    assert_eq!(order.len(), count);
    let moved = order.iter().enumerate().map(|(place, i)| place.abs_diff(*i)).max().unwrap();
    let inversions: usize =
        order.iter().enumerate().map(|(at, i)| order[at..].iter().filter(|j| *j < i).count()).sum();
    let each = Duration::from_nanos(took.parse().unwrap()) / count as u32;
    println!(
        "{count} waiters: {:.3} % of a CPU; then {each:?} each, at most {moved} places from their turn, {inversions} \
         of {} pairs the other way round",
        100.0 * idle,
        count * (count - 1) / 2
    );
    assert!(idle < 0.01, "those who wait take {:.2} % of a CPU", 100.0 * idle);
    assert!(moved <= 20, "{moved} places from their turn");
    // One of a thousand; in a short queue the few that the kernel lets pass are more than that.
    assert!(inversions <= (count * (count - 1) / 2000).max(40), "{inversions} pairs the other way round");
}

/// One that wants most of the budget among an endless flow of small ones: so many go before it, then it is its turn.
#[test]
fn a_large_request_in_a_flow_of_small_ones() {
    let (_directory, ledger) = ledger();
    let (admitted, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    const FLOW: usize = 8;
    let (waited, overtaken) = std::thread::scope(|scope| {
        for seed in 0..FLOW as u64 {
            let (ledger, admitted, done) = (&ledger, &admitted, &done);
            scope.spawn(move || {
                let mut random = Random::new(seed);
                while !done.load(Ordering::Relaxed) {
                    let held = ledger.acquire(&request(30 + random.below(30) as u64)).unwrap();
                    admitted.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(1 + random.below(4) as u64));
                    drop(held);
                }
            });
        }
        until("there is a flow", || admitted.load(Ordering::Relaxed) > 100);
        let start = Instant::now();
        let large = scope.spawn(|| {
            let held = ledger.acquire(&request(BUDGET / 5 * 4)).unwrap();
            let before = admitted.load(Ordering::Relaxed);
            drop(held);
            before
        });
        until("it waits, or is through", || {
            large.is_finished() || ledger.entries().unwrap().iter().any(|e| e.reserved == BUDGET / 5 * 4)
        });
        let since = admitted.load(Ordering::Relaxed);
        let before = large.join().unwrap();
        let waited = start.elapsed();
        until("the flow goes on", || admitted.load(Ordering::Relaxed) > before + 50);
        done.store(true, Ordering::Relaxed);
        (waited, before.saturating_sub(since))
    });
    println!("80 % of the budget in a flow of small requests: after {waited:?}, overtaken {overtaken} times");
    // Some of the flow were in already, and had not counted themselves.
    assert!(overtaken <= MAX_OVERTAKEN as usize + FLOW, "{overtaken}");
    assert!(ledger.entries().unwrap().is_empty());
}

/// What wants more than there is runs when nobody else does; the others wait for it, then go on.
#[test]
fn more_than_the_budget_runs_alone() {
    let (_directory, ledger) = ledger();
    let first = at_once(&ledger, request(100)).unwrap();
    std::thread::scope(|scope| {
        let large = scope.spawn(|| ledger.acquire(&request(5 * BUDGET)).unwrap());
        until("the large one waits", || ledger.entries().unwrap().len() == 2);
        let come = || drop(ledger.acquire(&request(400)).unwrap());
        let others: Vec<_> = (0..4).map(|_| scope.spawn(come)).collect();
        drop(first);
        let large = large.join().unwrap();
        assert!(!large.was_forced());
        assert_eq!(held(&ledger.entries().unwrap()), 5 * BUDGET);
        assert!(at_once(&ledger, request(1)).is_none());
        assert!(others.iter().all(|other| !other.is_finished()));
        drop(large);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
    assert!(ledger.entries().unwrap().is_empty());
}

/// Many that ask at the same moment: each sees what the one before was promised, in the ledger and in what memory is
/// left, of which nothing is used yet.
#[test]
fn a_stampede() {
    let count = number("BTFGEN_STAMPEDE", 500);
    if !allow_descriptors(4 * count as u64 + 100) {
        return skipped("there are not enough descriptors for a stampede");
    }
    fn headroom() -> Option<u64> {
        Some(BUDGET + 100)
    }
    let live = Some(Live { headroom, safety: 100 });
    let by_ledger = |bytes| request(bytes);
    let by_memory = |bytes| Request { live, budget: u64::MAX, ..request(bytes) };
    for (what, asked) in
        [("the budget", &by_ledger as &(dyn Fn(u64) -> Request + Sync)), ("memory", &by_memory)]
    {
        let (_directory, ledger) = ledger();
        drop(at_once(&ledger, request(1)).unwrap());
        let (start, sum, most, violations) =
            (Barrier::new(count), AtomicU64::new(0), AtomicU64::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for seed in 0..count as u64 {
                let (ledger, start, sum, most, violations) = (&ledger, &start, &sum, &most, &violations);
                let come = move || {
                    let mut random = Random::new(seed);
                    let bytes = 1 + random.below(BUDGET as usize / 4) as u64;
                    start.wait();
                    let held = ledger.acquire(&asked(bytes)).unwrap();
                    let all = sum.fetch_add(bytes, Ordering::SeqCst) + bytes;
                    most.fetch_max(all, Ordering::SeqCst);
                    violations.fetch_add(usize::from(all > BUDGET), Ordering::SeqCst);
                    std::thread::sleep(Duration::from_micros(random.below(500) as u64));
                    sum.fetch_sub(bytes, Ordering::SeqCst);
                    drop(held);
                };
                std::thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, come).unwrap();
            }
        });
        let (most, violations) = (most.into_inner(), violations.into_inner());
        println!("{count} at once, by {what}: at most {most} of {BUDGET}, {violations} violations");
        assert_eq!(violations, 0, "by {what}: {most} of {BUDGET}");
        assert!(most > BUDGET / 2, "by {what}: they were let in one by one");
    }
}

/// Equal clients get equal shares: of what they hold times how long, by Jain's index.
#[test]
fn equal_clients_get_equal_shares() {
    const CLIENTS: usize = 16;
    let rounds = number("BTFGEN_ROUNDS", 60);
    let (_directory, ledger) = ledger();
    let admitted = AtomicUsize::new(0);
    let shares: Vec<f64> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (ledger, admitted) = (&ledger, &admitted);
                scope.spawn(move || {
                    // Equal: the same sizes and times, one after the other.
                    let (mut random, mut share) = (Random::new(7), 0.0);
                    while admitted.fetch_add(1, Ordering::Relaxed) < CLIENTS * rounds {
                        let bytes = 100 + random.below(BUDGET as usize / 4) as u64;
                        let pause = Duration::from_micros(200 + random.below(2000) as u64);
                        let held = ledger.acquire(&Request { max_wait: LONG, ..request(bytes) }).unwrap();
                        std::thread::sleep(pause);
                        share += bytes as f64 * pause.as_secs_f64();
                        drop(held);
                    }
                    share
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    let index = sum * sum / (CLIENTS as f64 * squares);
    println!("{CLIENTS} equal clients, {rounds} turns each: an index of {index:.4}");
    assert!(index >= 0.95, "{index}: {shares:?}");
}
