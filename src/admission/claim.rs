//! Who may run now: a request on its way, against the records of all others.
//!
//! In: a [`Request`], and what stands in the book. Out: the offer that may be taken, and whom that overtakes. Nothing is
//! written here; the rules are those of [`ledger`](super::ledger).

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::book::{Book, Record, State, WaitsFor};
use super::ledger::{MAX_OVERTAKEN, MAX_OVERTAKING, Offer, Request};
use crate::Result;

/// A request is small if so many of its kind fit into the budget.
const SMALL: u64 = 16;

/// A request on its way.
pub(super) struct Claim<'r> {
    request: &'r Request,
    ticket: u64,
    since: u64,
    /// The place of the record that this one is part of.
    parent: Option<usize>,
    parent_ticket: u64,
}

pub(super) enum Decision {
    Go { offer: Offer, overtakes: Option<(usize, Record)> },
    Wait,
}

impl<'r> Claim<'r> {
    pub(super) fn new(book: &mut Book, request: &'r Request) -> Result<Self> {
        let page = book.enter()?;
        let records = page.records()?;
        let ticket = page.ticket()?;
        let parent = request.parent.as_deref().and_then(|cookie| named(&records, cookie));
        let (parent, parent_ticket) = parent.map(|(place, record)| (place, record.ticket)).unzip();
        Ok(Claim { request, ticket, since: now(), parent, parent_ticket: parent_ticket.unwrap_or(0) })
    }

    /// The queue in which it waits until it is the first there.
    pub(super) fn queue(&self) -> u64 {
        let priority = self.request.priority as u64;
        match self.parent {
            Some(place) => 16 + place as u64,
            // Who waits for something else than memory shall not be in the way of those who do not.
            None if !self.request.gates.is_empty() => 3 * priority + 2,
            None if self.request.max_instances.is_some() => {
                10_000 + 1000 * priority + self.name_hash() % 1000
            }
            None => 3 * priority + u64::from(!self.is_small()),
        }
    }

    pub(super) fn record(&self, offer: Offer) -> Record {
        Record {
            state: State::Free,
            overtaken: 0,
            ticket: self.ticket,
            reserved: offer.bytes,
            observed: 0,
            budget: self.request.budget,
            since: self.since,
            threads: offer.threads,
            pid: std::process::id(),
            waits_for: WaitsFor::Memory,
            parent: (self.parent.map_or(0, |place| place as u32), self.parent_ticket),
            label: self.label(),
            priority: self.request.priority,
        }
    }

    /// Its record while it waits.
    pub(super) fn waiting(&self, waits_for: WaitsFor) -> Record {
        let offer = self.request.offers.first().copied().unwrap_or(Offer { bytes: 0, threads: 1 });
        Record { state: State::Waiting, waits_for, ..self.record(offer) }
    }

    pub(super) fn smallest(&self) -> Option<Offer> {
        self.request.offers.iter().copied().min_by_key(|offer| offer.bytes)
    }

    fn is_small(&self) -> bool {
        self.request.offers.first().is_some_and(|offer| offer.bytes <= self.request.budget / SMALL)
    }

    fn label(&self) -> [u8; 32] {
        let mut label = [0; 32];
        for (to, from) in label.iter_mut().zip(self.request.label.bytes()) {
            *to = from;
        }
        label
    }

    fn name_hash(&self) -> u64 {
        self.label().iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    /// What it waits for, if it does: memory is what it has to wait for last.
    pub(super) fn waits_for(&self, records: &[Record], own: Option<usize>) -> WaitsFor {
        let running =
            records.iter().enumerate().filter(|(i, r)| Some(*i) != own && r.state == State::Running);
        // Of what it is part of it need not wait for the end.
        let mut others = running.filter(|(place, _)| Some(*place) != self.parent).map(|(_, record)| record);
        if let Some(most) = self.request.max_instances {
            let label = self.label();
            let same = others.clone().filter(|record| record.label == label).count();
            if same >= most as usize {
                return WaitsFor::Instances;
            }
        }
        if others.next().is_some() && self.request.gates.closed().is_some() {
            return WaitsFor::Condition;
        }
        WaitsFor::Memory
    }

    /// May it run now? `own` is the place of its own record, if it has one.
    pub(super) fn decide(&self, records: &[Record], own: Option<usize>) -> Decision {
        let others = || records.iter().enumerate().filter(|(place, _)| Some(*place) != own);
        let is_inside = |record: &Record| record.parent.1 != 0 && has_parent(records, record);
        let weights = weights(records);
        let held = |(place, _): (usize, &Record)| weights.get(place).copied().unwrap_or(0);
        let go = |offer| Decision::Go { offer, overtakes: None };
        if let Some(parent) = self.parent {
            let is_sibling = |record: &Record| record.parent == (parent as u32, self.parent_ticket);
            let siblings = || others().filter(|(_, r)| r.state == State::Running && is_sibling(r));
            let sum: u64 = siblings().map(held).fold(0, u64::saturating_add);
            let room = records.get(parent).map_or(0, |record| record.reserved).saturating_sub(sum);
            let fitting = self.request.offers.iter().copied().find(|offer| offer.bytes <= room);
            // Whoever holds the whole waits for this one: outsiders must not make it wait.
            let alone = siblings().next().is_none();
            return fitting.or_else(|| self.smallest().filter(|_| alone)).map_or(Decision::Wait, go);
        }
        let running = || others().filter(|(_, r)| r.state == State::Running && !is_inside(r));
        let now = now();
        let waited = |since| Duration::from_millis(now.saturating_sub(since));
        let order = |r: &Record| (r.priority.rank(waited(r.since)), r.ticket);
        let own_order = (self.request.priority.rank(waited(self.since)), self.ticket);
        let first = others()
            .filter(|(_, r)| {
                r.state == State::Waiting
                    && r.waits_for == WaitsFor::Memory
                    && !is_inside(r)
                    && order(r) < own_order
            })
            .min_by_key(|(_, r)| order(r));
        let is_alone = running().next().is_none();
        let budgets = running().map(|(_, record)| record.budget).filter(|&budget| budget > 0);
        let budget = budgets.fold(self.request.budget, u64::min);
        let sum: u64 = running().map(held).fold(0, u64::saturating_add);
        let promised =
            running().map(|(_, r)| r.reserved.saturating_sub(r.observed)).fold(0, u64::saturating_add);
        let live = self.request.live.and_then(|live| Some((live.headroom)()?.saturating_sub(live.safety)));
        let fits = |offer: &Offer| {
            sum.saturating_add(offer.bytes) <= budget
                && live.is_none_or(|live| promised.saturating_add(offer.bytes) <= live)
        };
        let fitting = self.request.offers.iter().copied().find(fits);
        match first {
            None => fitting.or_else(|| self.smallest().filter(|_| is_alone)).map_or(Decision::Wait, go),
            Some((place, record)) => {
                let may = self.is_small()
                    && !is_alone
                    && record.overtaken < MAX_OVERTAKEN
                    && waited(record.since) < MAX_OVERTAKING;
                match fitting.filter(|_| may) {
                    Some(offer) => Decision::Go { offer, overtakes: Some((place, *record)) },
                    None => Decision::Wait,
                }
            }
        }
    }
}

/// The running record that a cookie names, and its place.
pub(super) fn named(records: &[Record], cookie: &str) -> Option<(usize, Record)> {
    let (place, ticket) = cookie.split_once('.')?;
    let (place, ticket) = (place.parse::<usize>().ok()?, ticket.parse::<u64>().ok()?);
    let record = records.get(place)?;
    (record.state == State::Running && record.ticket == ticket).then_some((place, *record))
}

/// True if the record that this one is part of still runs.
pub(super) fn has_parent(records: &[Record], record: &Record) -> bool {
    let parent = records.get(record.parent.0 as usize);
    parent.is_some_and(|parent| parent.state == State::Running && parent.ticket == record.parent.1)
}

/// What each record counts for: what it reserved; what it was seen to use, or what is reserved within it, if that is
/// more. Whoever takes more than it said, and did not get it promised, has it nevertheless.
pub(super) fn weights(records: &[Record]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..records.len()).collect();
    // Whoever is inside came later.
    order.sort_by_key(|&i| std::cmp::Reverse(records.get(i).map_or(0, |record| record.ticket)));
    let mut inside = vec![0_u64; records.len()];
    let mut weights = vec![0_u64; records.len()];
    for i in order {
        let Some(record) = records.get(i).filter(|record| record.state == State::Running) else { continue };
        let weight = record.reserved.max(record.observed).max(inside.get(i).copied().unwrap_or(0));
        if let Some(own) = weights.get_mut(i) {
            *own = weight;
        }
        if record.parent.1 != 0
            && has_parent(records, record)
            && let Some(sum) = inside.get_mut(record.parent.0 as usize)
        {
            *sum = sum.saturating_add(weight);
        }
    }
    weights
}

/// Milliseconds since boot, the same for all processes.
pub(super) fn now() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec.unsigned_abs() * 1000 + time.tv_nsec.unsigned_abs() / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::gates::Gates;
    use crate::admission::ledger::{AGEING, Priority};

    #[test]
    fn nobody_waits_for_ever() {
        let request = Request {
            offers: vec![Offer { bytes: 10, threads: 1 }],
            budget: 10,
            live: None,
            max_wait: Duration::ZERO,
            insist: false,
            label: String::new(),
            priority: Priority::Batch,
            max_instances: None,
            gates: Gates::none(),
            parent: None,
        };
        let other = |priority, age| Record {
            state: State::Waiting,
            ticket: 2,
            since: now().saturating_sub(age),
            priority,
            ..Record::default()
        };
        let goes = |age, records: &[Record]| {
            let since = now().saturating_sub(age);
            let claim = Claim { request: &request, ticket: 1, since, parent: None, parent_ticket: 0 };
            matches!(claim.decide(records, None), Decision::Go { .. })
        };
        let ages = |times: u64| times * AGEING.as_millis() as u64;
        let (normal, high) = (other(Priority::Normal, 0), other(Priority::High, 0));
        assert!(goes(0, &[other(Priority::Batch, 0)]));
        assert!(!goes(0, &[normal]) && goes(ages(1), &[normal]));
        assert!(!goes(ages(1), &[normal, high]) && goes(ages(2), &[normal, high]));
        assert!(!goes(ages(1), &[other(Priority::Normal, ages(1))]));
    }
}
