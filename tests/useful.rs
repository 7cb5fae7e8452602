//! What sharing is for: where there is too little memory for all at once, all come to their end, and more run at the same
//! time than a fixed number that is always safe would let.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::process::{Child, Stdio};

use common::place::{Place, held};
use common::programs::{gcc, long};
use serde_json::Value;

/// The most that was held at any time while these ran.
fn most_held(place: &Place, children: &mut [Child]) -> u64 {
    let mut most = 0;
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        most = most.max(held(&place.entries()));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    most
}

/// Links of a build, two of them large: any two fit at the same time, three do not. With `make -j3` such a build fails,
/// and with -j2 it is slow.
#[test]
fn large_links_do_not_make_the_small_ones_wait() {
    const MIB: u64 = 1 << 20;
    const BUDGET: u64 = 390;
    let sizes = [180, 40, 40, 180, 40, 40, 40, 40_u64];
    let place = Place::new();
    let log = place.path("log");
    let script = "echo \"+$2\" >> \"$1\"; (head -c \"$2\"M /dev/zero; sleep 0.5) | tail -c \"$2\"M > /dev/null; \
                  echo \"-$2\" >> \"$1\"";
    let start = |size: &u64| {
        let [budget, mem] = [format!("--mem-budget={BUDGET}M"), format!("--mem={size}M")];
        let args = ["admit", "--admission=strict", &budget, &mem, "--", "sh", "-c", script, "x"];
        place.command(&args).arg(&log).arg(size.to_string()).spawn().unwrap()
    };
    let mut links: Vec<Child> = sizes.iter().map(start).collect();
    let most = most_held(&place, &mut links);
    assert!(links.iter_mut().all(|link| link.wait().unwrap().success()));
    assert!(most <= BUDGET * MIB, "{most} held");
    let (mut used, mut at_once, mut sum) = (0_i64, 0_i64, 0);
    let log = fs::read_to_string(log).unwrap();
    for event in log.lines() {
        let size: i64 = event.parse().unwrap();
        (used, at_once) = (used + size, at_once + size.signum());
        assert!(used <= BUDGET as i64, "{log}");
        sum += if size > 0 { at_once } else { 0 };
    }
    assert_eq!(log.lines().count(), 2 * sizes.len());
    // All last as long as each other: in time, how many run side by side is all that counts.
    let side_by_side = sum as f64 / sizes.len() as f64;
    println!("{side_by_side} links side by side, {} MiB held at most", most / MIB);
    assert!(side_by_side > 2.0, "{log}");
}

/// Encodes that need twice as much together as there may be.
#[test]
fn half_the_memory_is_enough() {
    let Some(gcc) = gcc() else { return };
    let place = Place::new();
    let input = place.path("long");
    long(&gcc, &input, 0.3);
    let input = input.to_str().unwrap();
    let estimate = place.run(&["estimate", "--json", input]);
    let estimate: Value = serde_json::from_slice(&estimate.stdout).unwrap();
    let need = estimate["smallest_budget_bytes"].as_u64().unwrap();
    let start = |budget: u64, jobs: &str, name: String| {
        let budget = format!("--mem-budget={budget}");
        let mut command = place.command(&[input, jobs, &budget, "--admission=strict", "-o"]);
        command.arg(place.path(&name)).stderr(Stdio::inherit()).spawn().unwrap()
    };
    assert!(start(9 * need, "-j1", "alone".into()).wait().unwrap().success());
    let alone = fs::read(place.path("alone")).unwrap();
    // Six at a time, in what three need; and one in half of what it needs.
    for (count, budget) in [(6, 3 * need), (1, need / 2)] {
        let mut children: Vec<_> = (0..count).map(|i| start(budget, "-j2", format!("out{i}"))).collect();
        let most = most_held(&place, &mut children);
        assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
        assert!(count == 1 || most <= budget, "{most} of {budget} held");
        for i in 0..count {
            assert!(fs::read(place.path(&format!("out{i}"))).unwrap() == alone);
        }
    }
}
