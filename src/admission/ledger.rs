//! Memory that unrelated processes on one machine share: each says how much it will need and waits until that fits.
//!
//! In: a [`Request`]. Out: a [`Reservation`], which lasts until it is dropped or its process ends, however it ends.
//! There is no daemon; what is held stands in a file, and locks that the kernel drops with their processes make it
//! true. These rules hold:
//!
//! * If nobody holds anything, whoever is first is let in, whatever it asks for.
//! * Nobody waits for more memory while it holds some: [`Reservation::try_extend`] says yes or no.
//! * Every wait ends in time. Then the smallest offer is taken anyway, unless the caller insists.
//! * First come, first served, among those of one [`Priority`]; who waited for [`AGEING`] goes up by one. Small requests
//!   may go before a large one that does not fit yet, but not more than [`MAX_OVERTAKEN`] times and for
//!   [`MAX_OVERTAKING`].
//! * Of different opinions on the budget the strictest of those that live counts.
//! * What runs within a reservation takes its part of that, and never waits for anybody outside of it.

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use super::book::{AGEING, Priority, WaitsFor};
use super::book::{Book, Page, Record, State, Watch};
use super::claim::{Claim, Decision, has_parent, named, now, weights};
use super::driver::Connection;
use super::gates::Gates;
use super::turn::Turns;
use crate::{Error, Result};

/// How often a waiting request may be overtaken.
pub const MAX_OVERTAKEN: u32 = 16;
/// How long a waiting request may be overtaken.
pub const MAX_OVERTAKING: Duration = Duration::from_secs(10);

/// A size in which a run could be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Memory at its peak.
    pub bytes: u64,
    /// Workers.
    pub threads: u32,
}

/// A look at what is left of the memory beside what the ledger knows of.
#[derive(Debug, Clone, Copy)]
pub struct Live {
    /// Tells how much could be had now, in bytes.
    pub headroom: fn() -> Option<u64>,
    /// Bytes of it that shall be left.
    pub safety: u64,
}

/// What a run asks for.
#[derive(Debug)]
pub struct Request {
    /// Sizes in which it could be done, the preferred one first. Not empty.
    pub offers: Vec<Offer>,
    /// What all who share the ledger may have together, in bytes.
    pub budget: u64,
    /// Memory that can be had now, by which strangers are seen, and what of it shall be left; nothing if only
    /// the ledger counts.
    pub live: Option<Live>,
    /// How long to wait.
    pub max_wait: Duration,
    /// After that time fail instead of running in the smallest size.
    pub insist: bool,
    /// A name for people, of which 32 bytes count.
    pub label: String,
    /// Before whom it goes.
    pub priority: Priority,
    /// No more than so many of the same name at the same time.
    pub max_instances: Option<u32>,
    /// What must hold besides, if anybody else runs.
    pub gates: Gates,
    /// The reservation that this run is part of, as [`Reservation::cookie`] gave it.
    pub parent: Option<String>,
}

/// A ledger.
#[derive(Debug)]
pub struct Ledger {
    directory: PathBuf,
    turns: Turns,
}

/// What somebody holds or waits for, for people.
#[derive(Debug, Clone)]
pub struct Entry {
    /// It runs; else it is the first of those that wait.
    pub is_running: bool,
    /// What it waits for, if it does.
    pub waits_for: WaitsFor,
    /// Bytes asked for.
    pub reserved: u64,
    /// Bytes in use, as far as is known.
    pub observed: u64,
    /// Workers.
    pub threads: u32,
    /// The process that asked, in its own namespace.
    pub pid: u32,
    /// How long.
    pub age: Duration,
    /// How often it was overtaken.
    pub overtaken: u32,
    /// Before whom it goes, or went.
    pub priority: Priority,
    /// Its name.
    pub label: String,
}

impl Ledger {
    /// The ledger of this machine, or nothing if there is no place for one. `BTFGEN_ADMIT_DIR` names a directory.
    pub fn find(environment: impl Fn(&str) -> Option<OsString>) -> Option<Ledger> {
        super::book::directory(environment).map(Ledger::at)
    }

    /// The ledger in a directory.
    pub fn at(directory: impl Into<PathBuf>) -> Ledger {
        Ledger { directory: directory.into(), turns: Turns::default() }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Who holds and who waits. Those who wait behind others are not listed.
    ///
    /// # Errors
    /// The ledger cannot be used.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let records = Book::open(&self.directory)?.enter()?.records()?;
        let now = now();
        let used = records.iter().filter(|record| record.state != State::Free);
        let entry = |record: &Record| Entry {
            is_running: record.state == State::Running,
            waits_for: record.waits_for,
            reserved: record.reserved,
            observed: record.observed,
            threads: record.threads,
            pid: record.pid,
            age: Duration::from_millis(now.saturating_sub(record.since)),
            overtaken: record.overtaken,
            priority: record.priority,
            label: String::from_utf8_lossy(&record.label).trim_end_matches('\0').to_owned(),
        };
        Ok(used.map(entry).collect())
    }

    /// Waits until the request fits.
    ///
    /// # Errors
    /// The ledger cannot be used; or the time is over and the caller insists, then the kind of the error is
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy).
    pub fn acquire(&self, request: &Request) -> Result<Reservation> {
        self.acquire_until(request, Instant::now() + request.max_wait, None)
    }

    /// As [`Ledger::acquire`], but ends soon if that says so. It is called now and then, and shall not take long.
    ///
    /// # Errors
    /// As [`Ledger::acquire`]; given up is busy.
    pub fn acquire_unless(&self, request: &Request, is_given_up: &dyn Fn() -> bool) -> Result<Reservation> {
        self.acquire_until(request, Instant::now() + request.max_wait, Some(is_given_up))
    }

    /// Writes down that a request waits for the policy of a driver, until that is dropped.
    ///
    /// # Errors
    /// The ledger cannot be used.
    pub(super) fn announce(&self, request: &Request) -> Result<Announced> {
        let mut book = Book::open(&self.directory)?;
        let life = book.reopen()?;
        let claim = Claim::new(&mut book, request)?;
        let page = book.enter()?;
        let place = page.place(&page.records()?, &life)?;
        let record = claim.waiting(WaitsFor::Policy);
        page.write(place, &record)?;
        drop(page);
        Ok(Announced { _waits: Reservation::new(book, life, place, record, false) })
    }

    fn acquire_until(
        &self,
        request: &Request,
        deadline: Instant,
        is_given_up: Option<&dyn Fn() -> bool>,
    ) -> Result<Reservation> {
        loop {
            if let Some(reservation) = self.acquire_in_file(request, deadline, is_given_up)? {
                return Ok(reservation);
            }
        }
    }

    /// As [`Ledger::acquire_unless`]; nothing if the file was replaced meanwhile, and all is to begin again in the new
    /// one.
    fn acquire_in_file(
        &self,
        request: &Request,
        deadline: Instant,
        is_given_up: Option<&dyn Fn() -> bool>,
    ) -> Result<Option<Reservation>> {
        let mut book = Book::open(&self.directory)?;
        let life = book.reopen()?;
        let claim = Claim::new(&mut book, request)?;
        let turn = self.turns.wait(book.reopen()?, Book::queue(claim.queue()), deadline, is_given_up)?;
        let mut place: Option<usize> = None;
        let mut waited_for = WaitsFor::Memory;
        // Before the first look, so that no change is missed.
        let mut watch = None;
        let mut pause = Pause::default();
        loop {
            let has_given_up = is_given_up.is_some_and(|is_given_up| is_given_up());
            let page = book.enter()?;
            if !page.is_of(&life) || turn.as_ref().is_some_and(|turn| !page.is_of(turn.file())) {
                return Ok(None);
            }
            let records = page.records()?;
            let waits_for = claim.waits_for(&records, place);
            let time_is_over = Instant::now() >= deadline;
            let decision = match turn {
                Some(_) if waits_for == WaitsFor::Memory && !has_given_up => claim.decide(&records, place),
                _ => Decision::Wait,
            };
            let offer = match decision {
                Decision::Go { offer, overtakes } => {
                    if let Some((other, mut record)) = overtakes {
                        record.overtaken += 1;
                        page.write(other, &record)?;
                    }
                    Some((offer, false))
                }
                Decision::Wait if time_is_over && !request.insist && !has_given_up => {
                    claim.smallest().map(|offer| (offer, true))
                }
                Decision::Wait => None,
            };
            if let Some((offer, was_forced)) = offer {
                let place = match place {
                    Some(place) => place,
                    None => page.place(&records, &life)?,
                };
                let record = Record { state: State::Running, since: now(), ..claim.record(offer) };
                page.write(place, &record)?;
                drop(page);
                return Ok(Some(Reservation::new(book, life, place, record, was_forced)));
            }
            if time_is_over || has_given_up {
                if let Some(place) = place {
                    page.free(place, &life)?;
                }
                let hint = "others hold the memory: see btfgen admit status, or allow a longer --max-wait";
                let asked = super::size::show_bytes(claim.smallest().map_or(0, |offer| offer.bytes));
                return Err(Error::busy(format!("there is no room for {asked}")).hint(hint));
            }
            if place.is_none() || waits_for != waited_for {
                let own = match place {
                    Some(place) => place,
                    None => page.place(&records, &life)?,
                };
                page.write(own, &claim.waiting(waits_for))?;
                (place, waited_for) = (Some(own), waits_for);
            }
            drop(page);
            if watch.is_none() {
                watch = book.watch();
                continue;
            }
            pause.wait(watch.as_ref(), deadline);
        }
    }
}

/// How long to wait for a change: briefly after one, because the locks of a process that ends go shortly after what
/// can be seen of its end.
#[derive(Default)]
struct Pause(usize);

impl Pause {
    fn wait(&mut self, watch: Option<&Watch>, deadline: Instant) {
        const PAUSES: [u64; 4] = [1, 5, 25, 200];
        let pause = Duration::from_millis(PAUSES.get(self.0).copied().unwrap_or(200));
        let pause = pause.min(deadline.saturating_duration_since(Instant::now()));
        self.0 = (self.0 + 1).min(PAUSES.len() - 1);
        match watch {
            Some(watch) if watch.wait(pause) => self.0 = 0,
            Some(_) => {}
            None => std::thread::sleep(pause.min(Duration::from_millis(25))),
        }
    }
}

/// A request that stands in the ledger but does not wait there.
#[derive(Debug)]
pub(super) struct Announced {
    /// Whose record says that it waits: it is freed as any other.
    _waits: Reservation,
}

/// Memory that is held until this is dropped or its process ends.
#[derive(Debug)]
pub struct Reservation {
    book: Book,
    life: File,
    place: usize,
    record: Record,
    offer: Offer,
    was_forced: bool,
    /// Whom to tell what is in use, as long as it hears: it writes that down, and more.
    driver: Option<Connection>,
    is_left: bool,
}

impl Reservation {
    /// Takes over what another process reserved for this one: by its cookie, and by the descriptor that keeps it
    /// alive.
    ///
    /// # Errors
    /// The ledger cannot be used, or has no such reservation.
    pub(super) fn adopt(ledger: &Ledger, cookie: &str, life: File, was_forced: bool) -> Result<Self> {
        let mut book = Book::open(&ledger.directory)?;
        let page = book.enter()?;
        let found = named(&page.records()?, cookie).filter(|_| page.is_of(&life));
        let Some((place, mut record)) = found else {
            return Err(Error::io("the ledger has no such reservation", ErrorKind::NotFound.into()));
        };
        record.pid = std::process::id();
        page.write(place, &record)?;
        drop(page);
        Ok(Reservation::new(book, life, place, record, was_forced))
    }

    fn new(book: Book, life: File, place: usize, record: Record, was_forced: bool) -> Self {
        let offer = Offer { bytes: record.reserved, threads: record.threads };
        Reservation { book, life, place, record, offer, was_forced, driver: None, is_left: false }
    }

    /// From now on a driver is told what is in use.
    pub(super) fn tell(mut self, driver: Connection) -> Self {
        self.driver = Some(driver);
        self
    }

    /// Lets go of it without ending it: it goes on for whoever else has the descriptor that keeps it alive.
    pub(super) fn leave(mut self) {
        self.is_left = true;
    }

    /// The offer that was taken.
    pub fn offer(&self) -> Offer {
        self.offer
    }

    /// Bytes that are reserved now.
    pub fn reserved(&self) -> u64 {
        self.record.reserved
    }

    /// It does not fit, but the time was over.
    pub fn was_forced(&self) -> bool {
        self.was_forced
    }

    /// What runs within this reservation passes this on as [`Request::parent`].
    pub fn cookie(&self) -> String {
        format!("{}.{}", self.place, self.record.ticket)
    }

    /// The descriptor that keeps the reservation alive: a child that inherits it holds the memory on if this
    /// process is killed.
    pub fn life(&self) -> BorrowedFd<'_> {
        self.life.as_fd()
    }

    /// Tells how much is in use, in bytes.
    ///
    /// # Errors
    /// The ledger cannot be used any more.
    pub fn observe(&mut self, bytes: u64) -> Result<()> {
        if self.driver.as_mut().is_some_and(|driver| driver.progress(bytes)) {
            self.record.observed = bytes;
            return Ok(());
        }
        self.driver = None;
        let observed = |record: &mut Record, _: &[Record]| {
            record.observed = bytes;
            true
        };
        self.update(observed).map(|_| ())
    }

    /// Gives a part back: no more than so many bytes are needed from here on.
    ///
    /// # Errors
    /// The ledger cannot be used any more.
    pub fn shrink(&mut self, bytes: u64) -> Result<()> {
        let shrunk = |record: &mut Record, _: &[Record]| {
            (record.reserved, record.observed) = (record.reserved.min(bytes), record.observed.min(bytes));
            true
        };
        self.update(shrunk).map(|_| ())
    }

    /// Asks for more, without waiting; false if that does not fit.
    ///
    /// # Errors
    /// The ledger cannot be used any more.
    pub fn try_extend(&mut self, bytes: u64) -> Result<bool> {
        let place = self.place;
        let extended = |record: &mut Record, records: &[Record]| {
            record.reserved = record.reserved.max(bytes);
            let weights = weights(records);
            let running =
                || records.iter().enumerate().filter(|(i, r)| *i != place && r.state == State::Running);
            let others = running().filter(|(_, r)| !has_parent(records, r));
            let sum = others
                .map(|(i, _)| weights.get(i).copied().unwrap_or(0))
                .fold(record.reserved, u64::saturating_add);
            let budgets = running().map(|(_, r)| r.budget).filter(|&budget| budget > 0);
            sum <= budgets.fold(record.budget, u64::min)
        };
        self.update(extended)
    }

    /// Changes the record as it stands in the ledger, unless `change` says no.
    fn update(&mut self, change: impl FnOnce(&mut Record, &[Record]) -> bool) -> Result<bool> {
        let page = self.book.enter()?;
        let records = page.records()?;
        // In a file that is not the one where this began the place is somebody else's, whose ticket may be the same.
        if !page.is_of(&self.life) {
            return Ok(false);
        }
        let mut record = match records.get(self.place) {
            Some(record) if record.ticket == self.record.ticket => *record,
            // Damaged or cut off: that the place is kept alive and holds nothing cannot come about otherwise.
            None | Some(Record { state: State::Free, .. }) if page.is_kept(self.place)? => self.record,
            _ => return Ok(false),
        };
        let allowed = change(&mut record, &records);
        if allowed {
            page.write(self.place, &record)?;
            self.record = record;
        }
        Ok(allowed)
    }

    fn free(&mut self) -> Result<()> {
        let (place, ticket) = (self.place, self.record.ticket);
        let page: Page<'_> = self.book.enter()?;
        match page.records()?.get(place) {
            Some(record) if record.ticket == ticket && page.is_of(&self.life) => page.free(place, &self.life),
            _ => Ok(()),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_left {
            // If it cannot be written, the end of the lock says the same.
            let _ = self.free();
        }
    }
}
