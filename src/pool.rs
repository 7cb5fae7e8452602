//! The workers: each takes the next unit until there is none.
//!
//! One counter is all that they share. The first error, by the number of the unit, ends the run: units are
//! taken in order, so every unit before the damaged one is finished by whoever has it, and the same error
//! is reported for every number of workers.

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

/// What a worker leaves behind, with the CPU time that it took.
pub struct Done<W> {
    /// The worker.
    pub worker: W,
    /// Its CPU time.
    pub cpu: Duration,
}

/// Runs `step` for every number below `count` on all threads of the current rayon pool, each with a
/// worker of its own.
///
/// `take` gives the number that the n-th step is about. `progress` is told the number of steps begun.
///
/// # Errors
/// The error of the earliest step that failed.
pub fn run<W: Send>(
    count: usize,
    take: impl Fn(usize) -> usize + Sync,
    progress: impl Fn(usize) + Sync,
    new: impl Fn() -> W + Sync,
    step: impl Fn(&mut W, usize) -> Result<()> + Sync,
) -> Result<Vec<Done<W>>> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let outcomes = rayon::broadcast(|_| -> Result<Done<W>, (usize, Error)> {
        let start = thread_cpu();
        let mut worker = new();
        while !failed.load(Ordering::Relaxed) {
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
