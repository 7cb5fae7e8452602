//! The workers: each takes the next unit until there is none.
//!
//! One counter is all that they share. The first error, by the number of the unit, ends the run: units are
//! taken in order, so every unit before the damaged one is finished by whoever has it, and the same error
//! is reported for every number of workers. How many of them may go on, a [`Throttle`] says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::options::Jobs;
use crate::report::thread_cpu;
use crate::{Error, Result};

/// Threads to encode on. An [`Encoder`](crate::Encoder) starts its own, unless it is called on as many of these:
/// whoever encodes many files keeps them from one to the next.
#[derive(Debug)]
pub struct Workers(rayon::ThreadPool);

impl Workers {
    /// Starts them.
    ///
    /// # Errors
    /// The system has no room for more threads.
    pub fn new(jobs: Jobs) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.count());
        let pool = pool.thread_name(|i| format!("btfgen-{i}")).build();
        pool.map(Workers).map_err(|e| Error::io("cannot start workers", std::io::Error::other(e)))
    }

    /// Runs `work` on one of them, which may make use of the others.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0.install(work)
    }

    /// True on a thread of just so many.
    pub(crate) fn are_here(jobs: usize) -> bool {
        rayon::current_thread_index().is_some() && rayon::current_num_threads() == jobs
    }
}

/// How many workers may take a next step: set by anybody, at any time, as memory and CPUs get scarce or are there again.
/// It decides how long a run takes, never what comes of it. Clones are about the same workers.
///
/// Workers have numbers; those below the limit go on, the others finish their step and sleep. The first one always goes
/// on, so that every run ends.
#[derive(Debug, Clone)]
pub struct Throttle {
    state: Arc<State>,
    /// The number of the first worker of this run, among all that the limit is about.
    first: usize,
}

#[derive(Debug)]
struct State {
    limit: AtomicUsize,
    busy: AtomicUsize,
    wants_memory: AtomicBool,
}

/// Workers that are at work as long as this lives.
#[derive(Debug)]
pub struct Busy<'t> {
    state: &'t State,
    count: usize,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.state.busy.fetch_sub(self.count, Ordering::SeqCst);
    }
}

/// How soon a worker that sleeps sees that it may go on.
const NAP: Duration = Duration::from_millis(5);

impl Default for Throttle {
    fn default() -> Self {
        let (limit, busy) = (AtomicUsize::new(usize::MAX), AtomicUsize::new(0));
        Throttle { state: Arc::new(State { limit, busy, wants_memory: AtomicBool::new(false) }), first: 0 }
    }
}

impl Throttle {
    /// Sets how many workers may take a next step; at least one may.
    pub fn set(&self, workers: usize) {
        self.state.limit.store(workers.max(1), Ordering::SeqCst);
    }

    /// How many may.
    pub fn limit(&self) -> usize {
        self.state.limit.load(Ordering::SeqCst)
    }

    /// How many are at work, or may be until somebody sets another limit: after a lower one was set this falls to that
    /// as soon as the last of the others has finished its step.
    pub fn busy(&self) -> usize {
        self.state.busy.load(Ordering::SeqCst)
    }

    /// The same for a run whose first worker has that number. The first of each run goes on whatever the limit is.
    #[must_use]
    pub fn starting_at(&self, first: usize) -> Throttle {
        Throttle { state: Arc::clone(&self.state), first: self.first + first }
    }

    /// Asks the run to drop what it can read again.
    pub fn ask_for_memory(&self) {
        self.state.wants_memory.store(true, Ordering::Relaxed);
    }

    /// True once after it was asked for.
    pub(crate) fn wants_memory(&self) -> bool {
        // Nearly always there is nothing to take.
        self.state.wants_memory.load(Ordering::Relaxed)
            && self.state.wants_memory.swap(false, Ordering::Relaxed)
    }

    /// Waits until the worker of that number may take a step, unless `is_over` says that there is none left.
    pub fn enter(&self, number: usize, is_over: impl Fn() -> bool) -> Option<Busy<'_>> {
        loop {
            // In this order: whoever lowers the limit and then sees that nobody is busy can rely on that.
            let busy = self.count(1);
            if number == 0 || self.first.saturating_add(number) < self.limit() {
                return Some(busy);
            }
            drop(busy);
            if is_over() {
                return None;
            }
            std::thread::sleep(NAP);
        }
    }

    /// For a stage that cannot be made narrower later: as many of `workers` as may work now.
    pub(crate) fn enter_together(&self, workers: usize) -> (Busy<'_>, usize) {
        let mut busy = self.count(workers);
        let few = workers.min(self.limit().saturating_sub(self.first)).max(1);
        self.state.busy.fetch_sub(workers - few, Ordering::SeqCst);
        busy.count = few;
        (busy, few)
    }

    fn count(&self, count: usize) -> Busy<'_> {
        self.state.busy.fetch_add(count, Ordering::SeqCst);
        Busy { state: &self.state, count }
    }
}

/// What a worker leaves behind, with the CPU time that it took.
pub struct Done<W> {
    /// The worker.
    pub worker: W,
    /// Its CPU time.
    pub cpu: Duration,
}

/// Runs `step` for every number below `count` on all threads of the current rayon pool, each with a
/// worker of its own, as far as `throttle` lets them.
///
/// `take` gives the number that the n-th step is about. `progress` is told the number of steps begun.
///
/// # Errors
/// The error of the earliest step that failed.
pub fn run<W: Send>(
    throttle: &Throttle,
    count: usize,
    take: impl Fn(usize) -> usize + Sync,
    progress: impl Fn(usize) + Sync,
    new: impl Fn() -> W + Sync,
    step: impl Fn(&mut W, usize) -> Result<()> + Sync,
) -> Result<Vec<Done<W>>> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let is_over = || failed.load(Ordering::Relaxed) || next.load(Ordering::Relaxed) >= count;
    let outcomes = rayon::broadcast(|context| -> Result<Done<W>, (usize, Error)> {
        let start = thread_cpu();
        let mut worker = new();
        while !failed.load(Ordering::Relaxed) {
            let Some(_busy) = throttle.enter(context.index(), is_over) else { break };
            let turn = next.fetch_add(1, Ordering::Relaxed);
            if turn >= count {
                break;
            }
            progress(turn);
            if let Err(error) = step(&mut worker, take(turn)) {
                failed.store(true, Ordering::Relaxed);
                return Err((turn, error));
            }
        }
        Ok(Done { worker, cpu: thread_cpu().saturating_sub(start) })
    });
    let mut done = Vec::with_capacity(outcomes.len());
    let mut first: Option<(usize, Error)> = None;
    for outcome in outcomes {
        match outcome {
            Ok(worker) => done.push(worker),
            Err(error) => {
                if first.as_ref().is_none_or(|first| error.0 < first.0) {
                    first = Some(error);
                }
            }
        }
    }
    match first {
        Some((_, error)) => Err(error),
        None => Ok(done),
    }
}
