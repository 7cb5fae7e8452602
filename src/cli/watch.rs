//! A thread that looks at what a run uses, and at what others leave of the machine, while it goes on.
//!
//! In: the reservation of the run, its slots below make, and how many workers it has. Out: what it took at its peak, what
//! stands about it in the ledger, and a [`Throttle`] that lets fewer workers go on while memory is scarce. A slot goes back
//! to make as soon as nobody works on it. When nothing is wrong that costs a few files to be read four times a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use btfgen::Throttle;
use btfgen::admission::jobserver::{Slots, environment};
use btfgen::admission::ledger::Reservation;
use btfgen::admission::strain::{self, Sensor, Strain};
use btfgen::admission::{Root, return_kept_memory, tree_memory};

/// How often the use of memory is looked at: at first, and later.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));

/// How often it is written down, and the machine looked at.
const OBSERVE: Duration = Duration::from_millis(250);

/// How often memory is given back while it is scarce.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// The variable that names a directory with `proc` and `sys` to look at in place of those of the system.
const ROOT: &str = "BTFGEN_ROOT";

/// What a run was given and took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taken {
    /// Anonymous memory at its peak, in bytes.
    pub(crate) peak: u64,
    /// What came of memory that was scarce.
    pub(crate) pressure: Pressure,
}

/// How scarce memory was, and what that did to the run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pressure {
    /// The highest level, see [`strain`].
    pub(crate) level: u8,
    /// How often fewer workers could go on than before.
    pub(crate) narrowed: u32,
    /// The fewest that could.
    pub(crate) fewest_workers: usize,
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Dropped when it shall end.
    stop: Sender<()>,
    thread: JoinHandle<Taken>,
    needed: Arc<AtomicU64>,
}

impl Watch {
    /// Where there is no room for a thread there is none for workers: nothing is held for a run that cannot be.
    pub(crate) fn begin(
        reservation: Option<Reservation>,
        slots: Option<Slots>,
        jobs: usize,
        throttle: Throttle,
    ) -> Option<Watch> {
        let (stop, stopped) = mpsc::channel();
        let needed = Arc::new(AtomicU64::new(u64::MAX));
        let asked = slots.as_ref().map_or(0, Slots::workers);
        let look = Look { reservation, slots, asked, jobs, throttle, needed: Arc::clone(&needed) };
        let watch = move || look.until(&stopped);
        let thread = std::thread::Builder::new().name("btfgen-watch".into()).spawn(watch).ok()?;
        Some(Watch { stop, thread, needed })
    }

    /// No more than so many bytes are needed from here on: the others get what was reserved beyond that.
    pub(crate) fn needs(&self, bytes: u64) {
        self.needed.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn end(self) -> Taken {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

/// What the thread has.
struct Look {
    reservation: Option<Reservation>,
    slots: Option<Slots>,
    /// Workers that make was asked to have slots for.
    asked: usize,
    jobs: usize,
    throttle: Throttle,
    needed: Arc<AtomicU64>,
}

impl Look {
    /// Until told to stop, finds the peak of anonymous memory, writes down what is in use, and narrows the run if memory
    /// is scarce.
    fn until(mut self, stopped: &Receiver<()>) -> Taken {
        let start = Instant::now();
        let (mut observed, mut given_back) = (start, None::<Instant>);
        let pressure = Pressure { fewest_workers: self.jobs, ..Pressure::default() };
        let mut taken = Taken { peak: anonymous(), pressure };
        let (mut sensor, mut strain) = (None, Strain::default());
        loop {
            // Short runs have short peaks.
            let pause = (start.elapsed() / 16).clamp(LOOK.0, LOOK.1);
            let is_over = stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout);
            taken.peak = taken.peak.max(anonymous());
            if is_over {
                break;
            }
            if observed.elapsed() < OBSERVE {
                continue;
            }
            observed = Instant::now();
            let used = tree_memory(std::process::id());
            taken.peak = taken.peak.max(used);
            let is_refused = !self.write_down(used);
            let sensor = sensor
                .get_or_insert_with(|| Sensor::new(environment(ROOT).map_or_else(Root::system, Root::at)));
            let level = strain.look(start.elapsed(), strain::Signs { is_refused, ..sensor.look() });
            if level > 0 && given_back.is_none_or(|at| at.elapsed() >= GIVE_BACK) {
                given_back = Some(Instant::now());
                self.throttle.ask_for_memory();
                return_kept_memory();
            }
            self.narrow(level, &mut taken.pressure);
        }
        taken
    }

    /// Tells the ledger what is in use; false if that is more than was reserved, and there is no room for it.
    fn write_down(&mut self, used: u64) -> bool {
        let Some(reservation) = &mut self.reservation else { return true };
        // What does not work only leaves the promise as it is.
        let _ = reservation.observe(used);
        // Never less than what is there, whatever is thought to be needed.
        let needed = self.needed.load(Ordering::Relaxed).max(used);
        if needed < reservation.reserved() {
            let _ = reservation.shrink(needed);
        }
        used <= reservation.reserved() || reservation.try_extend(used).unwrap_or(true)
    }

    /// Lets as many workers go on as the level leaves, and below make no more than there are slots for.
    fn narrow(&mut self, level: u8, pressure: &mut Pressure) {
        let before = self.throttle.limit().min(self.jobs);
        let wanted = strain::workers(level, self.jobs, before);
        let mut limit = wanted;
        if let Some(slots) = &mut self.slots {
            if wanted > self.asked {
                slots.want(wanted - 1);
                self.asked = wanted;
            }
            slots.wait(wanted - 1, Duration::ZERO);
            limit = wanted.min(slots.workers());
        }
        self.throttle.set(limit);
        if let Some(slots) = &mut self.slots {
            let needed = wanted.max(self.throttle.busy());
            if needed < self.asked {
                slots.want(needed - 1);
                self.asked = needed;
            }
        }
        pressure.level = pressure.level.max(level);
        pressure.narrowed += u32::from(limit < before);
        pressure.fewest_workers = pressure.fewest_workers.min(limit);
    }
}

/// Anonymous memory of this process now, in bytes: the cheapest figure that the system gives, a few microseconds.
fn anonymous() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = text.split_whitespace().skip(1).map(|pages| pages.parse::<u64>().unwrap_or(0));
    let (resident, mapped) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(mapped).saturating_mul(rustix::param::page_size() as u64)
}
