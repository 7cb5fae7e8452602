//! Times of the ledger: one user, several, and the order in which many are let in.
//!
//! `cargo bench --bench ledger`
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::sync::Mutex;
use std::time::{Duration, Instant};

use btfgen::admission::gates::Gates;
use btfgen::admission::ledger::{Ledger, Offer, Priority, Request};

const WAITERS: usize = 200;

fn request(bytes: u64) -> Request {
    Request {
        offers: vec![Offer { bytes, threads: 1 }],
        budget: 1000,
        live: None,
        max_wait: Duration::from_secs(600),
        insist: true,
        label: "bench".to_owned(),
        priority: Priority::Normal,
        max_instances: None,
        gates: Gates::none(),
        parent: None,
    }
}

fn main() {
    let directory = tempfile::TempDir::new_in("/dev/shm").unwrap();
    let ledger = Ledger::at(directory.path().join("ledger"));
    let mut times: Vec<Duration> = (0..20_000)
        .map(|_| {
            let start = Instant::now();
            drop(ledger.acquire(&request(1)).unwrap());
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("alone: median {:?}, 99 % below {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);

    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5000).for_each(|_| drop(ledger.acquire(&request(1)).unwrap())));
        }
    });
    println!("four at a time: {:.0} a second", 20_000.0 / start.elapsed().as_secs_f64());

    let all = ledger.acquire(&request(1000)).unwrap();
    let order = Mutex::new(Vec::new());
    let (ledger, order) = (&ledger, &order);
    let drained = std::thread::scope(|scope| {
        for i in 0..WAITERS {
            scope.spawn(move || {
                let held = ledger.acquire(&request(1000)).unwrap();
                order.lock().unwrap().push(i);
                drop(held);
            });
            std::thread::sleep(Duration::from_millis(5));
        }
        let start = Instant::now();
        drop(all);
        start
    });
    let took = drained.elapsed();
    let order = order.lock().unwrap();
    let moved = order.iter().enumerate().map(|(place, i)| place.abs_diff(*i)).max().unwrap();
    println!(
        "{WAITERS} one after the other: {:?} each, at most {moved} places from their turn",
        took / WAITERS as u32
    );
}
