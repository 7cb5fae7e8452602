//! How scarce memory is while a run goes on: a level, and the number of workers that it leaves.
//!
//! In: the signs of scarcity, as a [`Sensor`] reads them every now and then. Out: a level from 0 (none) to 3 (the end is
//! near). It rises with the first look that shows more, and falls by one whenever all signs were well below those of
//! the level for [`CALM`]: what was given up because of pressure does not come back to make it again.
//!
//! | Level | Any of these signs |
//! |---|---|
//! | 1 | somebody waits for memory for 5 % of two seconds; less can be had than shall be left |
//! | 2 | everybody waits, for 5 % of two seconds; `memory.high` is exceeded again and again; a reservation that was used up could not be extended |
//! | 3 | everybody waits for 20 % of four seconds; `memory.max` is reached; less than 2 % of the limit can be had |
//!
//! Files in memory are part of what a group uses, so that any build reaches its limit and has them dropped. The
//! counters of that count only while less can be had than shall be left.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use super::Root;
use super::cgroup::Chain;
use super::limits::{Limit, Memory};
use super::pressure::{Pressure, Resource};

/// How long the signs of a level must be gone before it falls.
pub const CALM: Duration = Duration::from_secs(3);

const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(4);

/// What the system says about memory at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signs {
    /// Microseconds since boot in which somebody waited for memory.
    pub some_us: u64,
    /// Microseconds since boot in which everybody did.
    pub full_us: u64,
    /// How often a group that holds here went beyond `memory.high`.
    pub high_events: u64,
    /// How often one was at `memory.max` and had to give up something.
    pub max_events: u64,
    /// Bytes that can be had, if that is known.
    pub headroom: Option<u64>,
    /// Bytes that can be had at most, if that is known.
    pub limit: Option<u64>,
    /// More is in use than was reserved, and more was refused.
    pub is_refused: bool,
}

impl Signs {
    /// Bytes that shall be left: a part of the limit, but more than one large program needs at once.
    fn safety(&self) -> u64 {
        let limit = self.limit.unwrap_or(0);
        (limit / 25).max((256 << 20).min(limit / 8))
    }
}

/// Reads the signs of one system: where they are is looked for once.
#[derive(Debug)]
pub struct Sensor {
    root: Root,
    chain: Option<Chain>,
    pressure: Option<PathBuf>,
}

impl Sensor {
    /// Finds them.
    pub fn new(root: Root) -> Self {
        let chain = Chain::find(&root, Resource::Memory.name());
        let pressure = Pressure::place(&root, Resource::Memory);
        Sensor { root, chain, pressure }
    }

    /// Reads them. What cannot be read is no sign.
    pub fn look(&self) -> Signs {
        let memory = Memory::of(&self.root, self.chain.as_ref());
        // What the process may have in all says nothing about what is left of it.
        let memory = Memory { address_space: Limit::Unknown, data: Limit::Unknown, ..memory };
        let pressure = self.pressure.as_ref().and_then(|path| Pressure::read(&self.root, path));
        let events = |of: fn(&super::limits::Group) -> u64| memory.groups.iter().map(of).sum();
        Signs {
            some_us: pressure.map_or(0, |pressure| pressure.some.total_us),
            full_us: pressure.and_then(|pressure| pressure.full).map_or(0, |full| full.total_us),
            high_events: events(|group| group.high_events),
            max_events: events(|group| group.max_events),
            headroom: memory.headroom().map(|bound| bound.bytes),
            limit: memory.limit().map(|bound| bound.bytes),
            is_refused: false,
        }
    }
}

/// A sign that is counted since some time before the run.
type Counter = fn(&Signs) -> u64;

/// How strong a sign must be to count.
struct Scale {
    /// Of the times in which somebody waits.
    stall: f64,
    /// Of the memory below which little can be had.
    room: f64,
}

/// To raise the level, and to keep it.
const RAISE: Scale = Scale { stall: 1.0, room: 1.0 };
const KEEP: Scale = Scale { stall: 0.5, room: 1.25 };

/// The level, as it follows from the signs so far.
#[derive(Debug, Default)]
pub struct Strain {
    /// The last signs with the times they were read at, the newest last: those of [`LONG`], and one before.
    seen: VecDeque<(Duration, Signs)>,
    level: u8,
    /// When there was last a reason for the level.
    reason: Duration,
}

impl Strain {
    /// Takes the signs of a moment, given as the time since any other, into account. Returns the level.
    pub fn look(&mut self, now: Duration, signs: Signs) -> u8 {
        self.seen.push_back((now, signs));
        while self.seen.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= LONG) {
            self.seen.pop_front();
        }
        let raised = self.shown(&signs, &RAISE);
        if raised > self.level {
            (self.level, self.reason) = (raised, now);
        } else if self.shown(&signs, &KEEP) >= self.level {
            self.reason = now;
        } else if now.saturating_sub(self.reason) >= CALM {
            (self.level, self.reason) = (self.level - 1, now);
        }
        self.level
    }

    /// The level that the signs show by themselves.
    fn shown(&self, signs: &Signs, scale: &Scale) -> u8 {
        let waits = |of: Counter, window: Duration, share: f64| {
            self.rise(Duration::ZERO, window, of) as f64 > window.as_micros() as f64 * share * scale.stall
        };
        let is_below =
            |bytes: u64| signs.headroom.is_some_and(|room| (room as f64) < bytes as f64 * scale.room);
        let is_low = is_below(signs.safety());
        let reaches_max = self.rise(Duration::ZERO, SHORT, |s| s.max_events) > 0;
        let half = SHORT / 2;
        let [late, early] = [Duration::ZERO, half].map(|end| self.rise(end, half, |s| s.high_events) > 0);
        if waits(|s| s.full_us, LONG, 0.20)
            || is_low && reaches_max
            || is_below(signs.limit.unwrap_or(0) / 50)
        {
            3
        } else if waits(|s| s.full_us, SHORT, 0.05) || is_low && late && early || signs.is_refused {
            2
        } else {
            u8::from(waits(|s| s.some_us, SHORT, 0.05) || is_low)
        }
    }

    /// How much a counter rose in a time that ended so long ago.
    fn rise(&self, ago: Duration, window: Duration, of: Counter) -> u64 {
        let Some((now, _)) = self.seen.back() else { return 0 };
        // Before the first look nothing is known: all that was counted until then was before the run.
        let at = |ago: Duration| {
            let old = self.seen.iter().rev().find(|(at, _)| now.saturating_sub(*at) >= ago);
            old.or(self.seen.front()).map_or(0, |(_, signs)| of(signs))
        };
        at(ago).saturating_sub(at(ago + window))
    }
}

/// How many of `all` workers may go on at a level, if now `some` of them may.
pub fn workers(level: u8, all: usize, some: usize) -> usize {
    match level {
        0 => all,
        // Neither more nor less.
        1 => some,
        2 => all.div_ceil(2),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const QUIET: Signs = Signs {
        some_us: 7_000_000,
        full_us: 5_000_000,
        high_events: 9,
        max_events: 3,
        headroom: Some(4000 * MIB),
        limit: Some(8000 * MIB),
        is_refused: false,
    };
    const LOOK: Duration = Duration::from_millis(250);

    /// The levels that looks show, `at` giving the signs of the n-th.
    fn levels(count: u32, at: impl Fn(u32) -> Signs) -> Vec<u8> {
        let mut strain = Strain::default();
        (0..count).map(|n| strain.look(LOOK * n, at(n))).collect()
    }

    fn highest(at: impl Fn(u32) -> Signs) -> u8 {
        levels(40, at).into_iter().max().unwrap_or(0)
    }

    #[test]
    fn what_was_before_the_run_is_no_sign() {
        assert_eq!(highest(|_| QUIET), 0);
        assert_eq!(highest(|_| Signs::default()), 0);
    }

    #[test]
    fn each_sign_has_its_level() {
        let us = |n: u32, percent: u64| u64::from(n) * 250_000 / 100 * percent;
        let some = |percent| move |n| Signs { some_us: QUIET.some_us + us(n, percent), ..QUIET };
        let full = |percent| move |n| Signs { full_us: QUIET.full_us + us(n, percent), ..QUIET };
        assert_eq!([3, 8, 90].map(|percent| highest(some(percent))), [0, 1, 1]);
        assert_eq!([3, 8, 15, 30].map(|percent| highest(full(percent))), [0, 2, 2, 3]);
        let room = |mib| move |_| Signs { headroom: Some(mib * MIB), ..QUIET };
        assert_eq!([400, 300, 161, 159].map(|mib| highest(room(mib))), [0, 1, 1, 3]);
        assert_eq!(highest(|_| Signs { is_refused: true, ..QUIET }), 2);
        // Counters of limits: only where there is little left.
        let events = |high, max, mib: u64| {
            move |n: u32| Signs {
                high_events: u64::from(n * high),
                max_events: u64::from(n * max),
                headroom: Some(mib * MIB),
                ..QUIET
            }
        };
        assert_eq!([highest(events(1, 0, 300)), highest(events(0, 1, 300))], [2, 3]);
        assert_eq!(highest(events(5, 5, 2000)), 0);
        // Once is not again and again.
        assert_eq!(
            highest(|n| Signs { high_events: u64::from(n > 9), headroom: Some(300 * MIB), ..QUIET }),
            1
        );
        assert_eq!(highest(|n| Signs { headroom: None, ..events(5, 5, 0)(n) }), 0);
    }

    /// A stall as short as a hiccup is none, and one that goes on is seen within two seconds.
    #[test]
    fn times_are_taken_over_a_while() {
        let after =
            |stall_us: u64| move |n: u32| Signs { full_us: if n < 20 { 0 } else { stall_us }, ..QUIET };
        assert_eq!([highest(after(90_000)), highest(after(110_000))], [0, 2]);
        let stalled = levels(40, |n| Signs { full_us: u64::from(n.saturating_sub(20)) * 250_000, ..QUIET });
        assert_eq!(stalled.iter().position(|&level| level == 2), Some(21));
        assert_eq!(stalled.iter().position(|&level| level == 3), Some(24));
    }

    #[test]
    fn a_level_falls_when_it_was_calm_for_a_while() {
        let low = |n: u32| Signs { headroom: Some(if n == 4 { 100 * MIB } else { 4000 * MIB }), ..QUIET };
        let fallen = levels(60, low);
        let first = |level| fallen.iter().skip(4).position(|&l| l == level).unwrap_or(0);
        // Three seconds each, that is twelve looks.
        assert_eq!([first(3), first(2), first(1), first(0)], [0, 12, 24, 36]);
        // Not much better than what raised it keeps it.
        assert_eq!(
            levels(60, |n| Signs { headroom: Some((300 + u64::from(n > 4) * 60) * MIB), ..QUIET })[59],
            1
        );
        assert_eq!(
            levels(60, |n| Signs { headroom: Some((300 + u64::from(n > 4) * 150) * MIB), ..QUIET })[59],
            0
        );
    }

    #[test]
    fn small_groups_have_a_safety_of_their_own() {
        let safety = |limit_mib| Signs { limit: Some(limit_mib * MIB), ..QUIET }.safety() / MIB;
        assert_eq!([400, 4000, 100_000].map(safety), [50, 256, 4000]);
        assert_eq!(Signs::default().safety(), 0);
    }

    #[test]
    fn workers_of_levels() {
        let all = |level| workers(level, 8, 3);
        assert_eq!([0, 1, 2, 3].map(all), [8, 3, 4, 1]);
        assert_eq!([workers(2, 1, 1), workers(2, 3, 3), workers(3, 1, 1)], [1, 2, 1]);
    }
}
