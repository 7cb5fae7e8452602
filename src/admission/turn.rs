//! Being the first of a queue: a lock that one process after the other gets, in the order of arrival.
//!
//! In: a byte of the ledger. Out: a [`Turn`], which lasts until it is dropped. The kernel keeps the queue, where those
//! who wait cost nothing. A wait there has no end in time, so a thread does it; who gives up leaves the thread behind,
//! and the next one that waits for the same byte takes it over: there are never more of them than once waited at the
//! same time. What a thread gets that nobody waits for, it lets go of.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::lock;
use crate::{Error, Result};

/// How often those look whether they still want to who may give up.
const LOOK: Duration = Duration::from_secs(1);

/// The right to be the first of a queue, as long as this lives.
pub(super) struct Turn(File);

impl Turn {
    /// The description that has the lock.
    pub(super) fn file(&self) -> &File {
        &self.0
    }
}

/// The waits that were given up, by their byte.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<Vec<(u64, Arc<Wait>)>>);

/// What a thread and the one it waits for share.
#[derive(Debug)]
struct Wait {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
enum State {
    Wanted,
    GivenUp,
    /// The thread has ended.
    Done(Option<io::Result<File>>),
}

/// Nothing that is done under these locks can panic half-way.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turns {
    /// Waits; nothing if the time is over or the caller gave up. `file` is a description of its own. Whoever cannot
    /// give up sleeps until it is the first: hundreds that looked now and then would take a part of the machine.
    pub(super) fn wait(
        &self,
        file: File,
        byte: u64,
        deadline: Instant,
        is_given_up: Option<&dyn Fn() -> bool>,
    ) -> Result<Option<Turn>> {
        let about = |e| Error::io("cannot queue in the ledger", e);
        if lock::try_lock(file.as_fd(), byte).map_err(about)? {
            return Ok(Some(Turn(file)));
        }
        let wait = match self.take_over(byte) {
            Some(wait) => wait,
            None => start(file, byte).map_err(about)?,
        };
        let mut state = locked(&wait.state);
        loop {
            if let State::Done(result) = &mut *state {
                return result.take().transpose().map(|file| file.map(Turn)).map_err(about);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || is_given_up.is_some_and(|is_given_up| is_given_up()) {
                *state = State::GivenUp;
                break;
            }
            let pause = if is_given_up.is_some() { left.min(LOOK) } else { left };
            let woken = wait.changed.wait_timeout(state, pause);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        locked(&self.0).push((byte, wait));
        Ok(None)
    }

    /// A wait for the same byte that was given up and still goes on.
    fn take_over(&self, byte: u64) -> Option<Arc<Wait>> {
        let mut all = locked(&self.0);
        all.retain(|(_, wait)| matches!(&*locked(&wait.state), State::GivenUp));
        while let Some(at) = all.iter().position(|(of, _)| *of == byte) {
            let (_, wait) = all.swap_remove(at);
            let mut state = locked(&wait.state);
            if matches!(&*state, State::GivenUp) {
                *state = State::Wanted;
                drop(state);
                return Some(wait);
            }
        }
        None
    }
}

fn start(file: File, byte: u64) -> io::Result<Arc<Wait>> {
    let wait = Arc::new(Wait { state: Mutex::new(State::Wanted), changed: Condvar::new() });
    let shared = Arc::clone(&wait);
    let thread = std::thread::Builder::new().name("btfgen-queue".to_owned()).stack_size(64 << 10);
    thread.spawn(move || {
        let result = lock::lock(file.as_fd(), byte).map(|()| file);
        let mut state = locked(&shared.state);
        let is_wanted = matches!(&*state, State::Wanted);
        // What nobody wants is closed with this.
        *state = State::Done(is_wanted.then_some(result));
        shared.changed.notify_all();
    })?;
    Ok(wait)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn threads() -> usize {
        let of = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("comm")).ok();
        let names = std::fs::read_dir("/proc/self/task").unwrap().flatten().filter_map(of);
        names.filter(|name| name.trim() == "btfgen-queue").count()
    }

    #[test]
    fn who_gives_up_is_followed_by_the_next() {
        let temporary = tempfile::NamedTempFile::new().unwrap();
        let open = || File::options().read(true).write(true).open(temporary.path()).unwrap();
        let turns = Turns::default();
        let soon = || Instant::now() + Duration::from_millis(20);
        let late = || Instant::now() + Duration::from_secs(300);
        let first = turns.wait(open(), 9, soon(), None).unwrap().unwrap();
        for _ in 0..20 {
            assert!(turns.wait(open(), 9, soon(), None).unwrap().is_none());
            assert!(turns.wait(open(), 9, late(), Some(&|| true)).unwrap().is_none());
        }
        assert_eq!(threads(), 1);
        drop(first);
        // Either the thread that was left behind still waits, or it has ended and holds nothing.
        let second = turns.wait(open(), 9, late(), None).unwrap().unwrap();
        assert!(turns.wait(open(), 9, soon(), None).unwrap().is_none());
        assert!(turns.wait(open(), 10, soon(), None).unwrap().is_some());
        drop(second);
        assert!(turns.wait(open(), 9, late(), None).unwrap().is_some());
    }
}
