//! The file in which unrelated processes write down what they hold, and the locks that make it true.
//!
//! A record says what its owner holds; a lock on a byte that belongs to the record says that the owner lives. The
//! kernel drops that lock however the owner ends, so a record without a lock counts for nothing, and nobody has to
//! clean up. Records are read and written under a mutex, which is one more such lock: taken for microseconds, and
//! waited for only so long, because who has it may have been stopped.
//!
//! Every [`Book`] opens the file anew: locks of one open file description never conflict. The description with the
//! mutex is never inherited; the one that keeps an owner alive may be, on purpose.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, inotify};

use super::lock;
use crate::{Error, Result};

/// Bytes of which only the locks matter.
const MUTEX: u64 = 0;
/// Queues, in which the kernel lets one in after the other.
const QUEUES: u64 = 8;
/// The lives of the owners of records.
const LIVES: u64 = 1 << 20;

const MAGIC: [u8; 8] = *b"BTFGADM1";
const HEADER: u64 = 4096;
const RECORD: usize = 128;
/// More records than this are never in use: who waits in a queue has none.
const MAX_RECORDS: usize = 4096;

/// How often a directory may go while it is opened.
const ATTEMPTS: usize = 64;

/// How long to wait for whoever has the mutex before it is taken for stopped.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the owner of a record is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    #[default]
    Free,
    Waiting,
    Running,
}

/// What a process waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitsFor {
    /// Memory: those that came later wait for it.
    #[default]
    Memory,
    /// That fewer of its name run.
    Instances,
    /// One of its conditions.
    Condition,
    /// What the policy of a driver says.
    Policy,
}

impl WaitsFor {
    const ALL: [WaitsFor; 4] = [WaitsFor::Memory, WaitsFor::Instances, WaitsFor::Condition, WaitsFor::Policy];

    /// Those that know fewer reasons take any number but zero for one of those that are not memory.
    fn parse(number: u32) -> WaitsFor {
        Self::ALL.get(number as usize).copied().unwrap_or(WaitsFor::Condition)
    }
}

/// Whose turn it is, among those who wait for memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// As most.
    #[default]
    Normal,
    /// Somebody waits for it: before all others.
    High,
    /// Nobody does: after all others.
    Batch,
}

/// After so long a wait a request goes among those of the next higher priority, so that nobody waits for ever.
pub const AGEING: Duration = Duration::from_secs(60);

impl Priority {
    /// By the number that stands for each in a record.
    const ALL: [(Priority, &'static str); 3] =
        [(Priority::Normal, "normal"), (Priority::High, "high"), (Priority::Batch, "batch")];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Priority> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(priority, _)| *priority)
    }

    /// Its place in the order after that long a wait; the lowest goes first.
    pub(super) fn rank(self, waited: Duration) -> u64 {
        let rank: u64 = match self {
            Priority::High => 0,
            Priority::Normal => 1,
            Priority::Batch => 2,
        };
        rank.saturating_sub(waited.as_secs() / AGEING.as_secs())
    }

    fn parse(number: u32) -> Priority {
        Self::ALL.get(number as usize).map_or(Priority::Normal, |(priority, _)| *priority)
    }
}

/// What one process says about itself. Sizes are in bytes, times in milliseconds since boot.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Record {
    pub(super) state: State,
    /// How often others went before it while it was the first in its queue.
    pub(super) overtaken: u32,
    /// The order of arrival; unique, so it also tells users of one place apart.
    pub(super) ticket: u64,
    pub(super) reserved: u64,
    /// What of it is in use already.
    pub(super) observed: u64,
    /// What all may have together, in the opinion of this one.
    pub(super) budget: u64,
    pub(super) since: u64,
    pub(super) threads: u32,
    pub(super) pid: u32,
    /// For what, as long as it waits. For those who do not wait for memory nobody need wait.
    pub(super) waits_for: WaitsFor,
    /// The place and the ticket of the record that this one is part of; the ticket is 0 without one.
    pub(super) parent: (u32, u64),
    /// A name for people, filled with zeros.
    pub(super) label: [u8; 32],
    pub(super) priority: Priority,
}

impl Record {
    fn parse(bytes: &[u8]) -> Record {
        let u32_at =
            |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
        let u64_at =
            |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
        Record {
            state: match u32_at(0) {
                // Tickets begin with one: the rest of this was cut off.
                _ if u64_at(8) == 0 => State::Free,
                1 => State::Waiting,
                2 => State::Running,
                _ => State::Free,
            },
            overtaken: u32_at(4),
            ticket: u64_at(8),
            reserved: u64_at(16),
            observed: u64_at(24),
            budget: u64_at(32),
            since: u64_at(40),
            threads: u32_at(48),
            pid: u32_at(52),
            parent: (u32_at(56), u64_at(64)),
            waits_for: WaitsFor::parse(u32_at(60)),
            label: bytes.get(72..104).and_then(|b| b.try_into().ok()).unwrap_or_default(),
            priority: Priority::parse(u32_at(104)),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let state: u32 = match self.state {
            State::Free => 0,
            State::Waiting => 1,
            State::Running => 2,
        };
        let mut bytes = Vec::with_capacity(RECORD);
        bytes.extend(state.to_le_bytes());
        bytes.extend(self.overtaken.to_le_bytes());
        for value in [self.ticket, self.reserved, self.observed, self.budget, self.since] {
            bytes.extend(value.to_le_bytes());
        }
        for value in [self.threads, self.pid, self.parent.0, self.waits_for as u32] {
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend(self.parent.1.to_le_bytes());
        bytes.extend(self.label);
        bytes.extend((self.priority as u32).to_le_bytes());
        bytes.resize(RECORD, 0);
        bytes
    }
}

/// The file, opened by one process.
#[derive(Debug)]
pub(super) struct Book {
    directory: PathBuf,
    path: PathBuf,
    control: File,
}

/// Where the file is: the first of these places that there is.
pub(super) fn directory(environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(own) = set("BTFGEN_ADMIT_DIR") {
        return Some(own);
    }
    let administrators = PathBuf::from("/run/btfgen");
    if administrators.is_dir() {
        return Some(administrators);
    }
    let runtime = set("XDG_RUNTIME_DIR").filter(|path| path.is_absolute() && path.is_dir());
    let shared = || {
        let shm = Path::new("/dev/shm");
        shm.is_dir().then(|| shm.join(format!("btfgen-{}", rustix::process::geteuid().as_raw())))
    };
    runtime.map(|path| path.join("btfgen")).or_else(shared)
}

impl Book {
    /// Opens the file in a directory; creates both if they do not exist.
    ///
    /// # Errors
    /// The directory or the file belongs to somebody else or others may write there, or its locks do not work.
    pub(super) fn open(directory: &Path) -> Result<Book> {
        for _ in 0..ATTEMPTS {
            if let Some(book) = Self::try_open(directory)? {
                return Ok(book);
            }
        }
        let error = io::ErrorKind::NotFound.into();
        Err(Error::io("the directory of the ledger is removed all the time", error).in_file(directory))
    }

    /// Nothing if the directory went while it was opened, as at the end of a session.
    fn try_open(directory: &Path) -> Result<Option<Book>> {
        let about = |what: &str, error: io::Error| Error::io(what, error).in_file(directory);
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(about("cannot create the directory of the ledger", error));
            }
            _ => {}
        }
        let flags = (OFlags::NOFOLLOW | OFlags::DIRECTORY).bits() as i32;
        let opened = there(OpenOptions::new().read(true).custom_flags(flags).open(directory));
        let Some(opened) = opened.map_err(|e| about("cannot open the directory of the ledger", e))? else {
            return Ok(None);
        };
        let meta = opened.metadata().map_err(|e| about("cannot look at the directory of the ledger", e))?;
        let user = rustix::process::geteuid().as_raw();
        // A directory that the administrator made for a group is the only one that others may write to.
        let for_group = meta.uid() == 0 && meta.mode() & 0o2002 == 0o2000;
        if !(meta.uid() == user && meta.mode() & 0o022 == 0 || for_group) {
            return Err(refused(directory, "others may write to the directory of the ledger"));
        }
        let path = directory.join("ledger");
        let opened = there(open_file(&path, true)).map_err(|e| cannot_open(&path, e))?;
        let Some(control) = opened else { return Ok(None) };
        let meta = control.metadata().map_err(|e| about("cannot look at the ledger", e))?;
        if !meta.is_file() || meta.nlink() > 1 || !(meta.uid() == user || for_group) {
            return Err(refused(&path, "the ledger is not a file of this user alone"));
        }
        refuse_remote(&control, &path)?;
        Ok(Some(Book { directory: directory.to_owned(), path, control }))
    }

    /// Takes the mutex, and looks whether the file is still the one that others open.
    pub(super) fn enter(&mut self) -> Result<Page<'_>> {
        let about = |error| Error::io("cannot lock the ledger", error);
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_micros(20);
        loop {
            if lock::try_lock(self.control.as_fd(), MUTEX).map_err(about)? {
                let there = fs::metadata(&self.path).ok().map(|meta| (meta.dev(), meta.ino()));
                let ours = self.control.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
                if there.is_some() && there == ours {
                    return Ok(Page { book: self });
                }
                // Removed, as the end of a session does, or replaced: the others meet in the new one. Who put it there
                // is as unknown as at first.
                *self = Book::open(&self.directory)?;
                continue;
            }
            if Instant::now() > deadline {
                return Err(refused(&self.path, "the ledger is locked by a process that does not go on"));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }

    /// Another description of the same file, for locks of its own; if it was replaced meanwhile, of the new one, which
    /// [`Page::is_of`] tells.
    pub(super) fn reopen(&self) -> Result<File> {
        match there(open_file(&self.path, false)).map_err(|e| cannot_open(&self.path, e))? {
            Some(file) => Ok(file),
            None => Book::open(&self.directory).map(|book| book.control),
        }
    }

    /// The byte of a queue.
    pub(super) fn queue(number: u64) -> u64 {
        QUEUES + number
    }

    /// Something that tells when the file changes, or somebody who had it open has gone.
    pub(super) fn watch(&self) -> Option<Watch> {
        let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).ok()?;
        let events =
            inotify::WatchFlags::MODIFY | inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::DELETE_SELF;
        inotify::add_watch(&fd, &self.path, events).ok()?;
        Some(Watch(fd))
    }
}

/// Tells when a file changes.
pub(super) struct Watch(OwnedFd);

impl Watch {
    /// Waits for a change, but no longer than that; true if there was one.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let limit =
            Timespec { tv_sec: 0, tv_nsec: limit.min(Duration::from_millis(999)).subsec_nanos().into() };
        let changed = matches!(poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)), Ok(1..));
        if changed {
            while rustix::io::read(&self.0, &mut [0_u8; 4096]).is_ok_and(|n| n > 0) {}
        }
        changed
    }
}

/// The file while its mutex is held.
pub(super) struct Page<'b> {
    book: &'b Book,
}

impl Page<'_> {
    /// The records of living owners; of those who are gone, what is in their place is free.
    pub(super) fn records(&self) -> Result<Vec<Record>> {
        let file = &self.book.control;
        let about = |e| Error::io("cannot read the ledger", e).in_file(&self.book.path);
        let mut magic = [0; 8];
        let whole = file.read_exact_at(&mut magic, 0).is_ok() && magic == MAGIC;
        if !whole {
            // New, cut off or damaged. What is left of the records counts as far as their owners live; who lives and is
            // not in it any more can only be seen in what memory is left, until it writes itself down again.
            file.write_all_at(&MAGIC, 0).map_err(about)?;
        }
        let length = file.metadata().map_err(about)?.len().saturating_sub(HEADER);
        let count = usize::try_from(length).unwrap_or(usize::MAX) / RECORD;
        let mut bytes = vec![0; count.min(MAX_RECORDS) * RECORD];
        if file.read_exact_at(&mut bytes, HEADER).is_err() {
            bytes.clear();
        }
        let mut records: Vec<Record> = bytes.chunks_exact(RECORD).map(Record::parse).collect();
        for (i, record) in records.iter_mut().enumerate() {
            if record.state != State::Free && !self.is_kept(i)? {
                *record = Record::default();
            }
        }
        Ok(records)
    }

    /// True if `life` is of the same file: that of a file which was replaced keeps nothing alive.
    pub(super) fn is_of(&self, life: &File) -> bool {
        let id = |file: &File| file.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
        id(life) == id(&self.book.control)
    }

    /// True if the owner of a place lives, whatever stands there.
    pub(super) fn is_kept(&self, place: usize) -> Result<bool> {
        let about = |e| Error::io("cannot read the ledger", e).in_file(&self.book.path);
        let by = lock::locked_by_others(self.book.control.as_fd(), LIVES + place as u64, 1).map_err(about)?;
        Ok(by.is_some())
    }

    /// Draws the next ticket.
    pub(super) fn ticket(&self) -> Result<u64> {
        let about = |e| Error::io("cannot write the ledger", e).in_file(&self.book.path);
        let mut bytes = [0; 8];
        // What is not there yet is zero.
        let _ = self.book.control.read_exact_at(&mut bytes, 8);
        let ticket = u64::from_le_bytes(bytes).wrapping_add(1).max(1);
        self.book.control.write_all_at(&ticket.to_le_bytes(), 8).map_err(about)?;
        Ok(ticket)
    }

    /// Finds a place for a record and keeps it alive by a lock of `life`.
    pub(super) fn place(&self, records: &[Record], life: &File) -> Result<usize> {
        let about = |e| Error::io("cannot lock a place in the ledger", e).in_file(&self.book.path);
        for i in 0..MAX_RECORDS {
            let is_free = records.get(i).is_none_or(|record| record.state == State::Free);
            if is_free && lock::try_lock(life.as_fd(), LIVES + i as u64).map_err(about)? {
                return Ok(i);
            }
        }
        Err(refused(&self.book.path, "the ledger is full"))
    }

    /// Writes a record.
    pub(super) fn write(&self, place: usize, record: &Record) -> Result<()> {
        let offset = HEADER + (place * RECORD) as u64;
        let written = self.book.control.write_all_at(&record.bytes(), offset);
        written.map_err(|e| Error::io("cannot write the ledger", e).in_file(&self.book.path))
    }

    /// Frees a place: also where somebody who inherited `life` goes on.
    pub(super) fn free(&self, place: usize, life: &File) -> Result<()> {
        self.write(place, &Record::default())?;
        lock::unlock(life.as_fd(), LIVES + place as u64).map_err(|e| Error::io("cannot unlock the ledger", e))
    }
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        // It cannot fail for a lock that is held; and it ends with the process in any case.
        let _ = lock::unlock(self.book.control.as_fd(), MUTEX);
    }
}

fn open_file(path: &Path, create: bool) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(false).mode(0o660).custom_flags(flags);
    options.open(path)
}

fn cannot_open(path: &Path, error: io::Error) -> Error {
    Error::io("cannot open the ledger", error).in_file(path)
}

/// What is not there is no error.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn refused(path: &Path, message: &str) -> Error {
    Error::io(message, io::ErrorKind::PermissionDenied.into()).in_file(path)
}

/// Locks on the file systems of other machines, and on those that are programs, are no locks to rely on.
fn refuse_remote(file: &File, path: &Path) -> Result<()> {
    const REMOTE: [u64; 5] = [0x6969, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x6573_5546];
    let about = |e| Error::io("cannot lock the ledger", e).in_file(path);
    let kind = rustix::fs::fstatfs(file).map_err(|e| about(e.into()))?.f_type as u64;
    if REMOTE.contains(&(kind & 0xffff_ffff)) {
        return Err(refused(path, "the ledger is on a file system without locks to rely on"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_goes_up() {
        let rank = |priority: Priority, seconds| priority.rank(Duration::from_secs(seconds));
        assert!(rank(Priority::High, 0) < rank(Priority::Normal, 59));
        assert!(rank(Priority::Normal, 0) < rank(Priority::Batch, 59));
        assert_eq!(rank(Priority::Batch, 60), rank(Priority::Normal, 0));
        assert_eq!(rank(Priority::Batch, 120), rank(Priority::High, 0));
        assert_eq!(rank(Priority::High, u64::MAX), 0);
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        for (priority, name) in Priority::ALL {
            assert_eq!((priority.name(), Priority::named(name)), (name, Some(priority)));
            let record = Record { state: State::Waiting, ticket: 7, priority, ..Record::default() };
            let bytes = record.bytes();
            assert_eq!(bytes.len(), RECORD);
            assert_eq!(Record::parse(&bytes).priority, priority);
        }
    }
}
