//! What runs really took, so that forecasts learn how wrong they are.
//!
//! In: the peaks of runs that ended. Out: those of earlier runs of the same class, the oldest first. Each class has a
//! small file of lines of its own: whoever looks for one reads nothing of the others. A file is replaced as a whole and
//! under a lock, so that every reader finds it whole. It holds [`PER_SIZE`] runs of each size at most, none older than
//! [`MAX_AGE`], and there are [`CLASSES`] files at most. One that is damaged is as good as none, and replaced by the
//! next run that is recorded. Nothing here waits for longer than a
//! millisecond, and what cannot be recorded in that time is lost.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::book;
use crate::{Error, Result};

/// Runs of each size that a class keeps: the last ones.
pub const PER_SIZE: usize = 200;
/// How long a run is remembered.
pub const MAX_AGE: Duration = Duration::from_secs(90 * 86_400);
/// Classes that are remembered: those that ran last.
pub const CLASSES: usize = 64;

/// What a file begins with: another number, another format.
const HEADER: &str = "btfgen history 1";
/// A larger file was written by somebody else.
const MAX_BYTES: u64 = 256 << 10;
/// How often a lock is tried that others have.
const TRIES: u32 = 10;

/// A run that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// When, in seconds since 1970.
    pub when: u64,
    /// What tells the same work from other work; 0 if nothing does.
    pub key: u64,
    /// What was expected, in bytes.
    pub point: u64,
    /// What it took at its peak, in bytes.
    pub peak: u64,
}

impl Run {
    /// A run that ended now.
    pub fn now(key: u64, point: u64, peak: u64) -> Run {
        Run { when: now(), key, point, peak }
    }

    /// How many times what was expected it took.
    pub fn ratio(&self) -> f64 {
        self.peak as f64 / self.point.max(1) as f64
    }

    /// Runs of one size err alike: from 16 MiB on, each size is four times the one before.
    pub(super) fn size(&self) -> u32 {
        size(self.point)
    }
}

/// The size that an expected peak of so many bytes has.
pub(super) fn size(point: u64) -> u32 {
    (point >> 24).checked_ilog2().map_or(0, |log| log / 2 + 1)
}

/// The runs of this user.
#[derive(Debug, Clone)]
pub struct History(PathBuf);

impl History {
    /// Where runs are remembered, if anywhere: `BTFGEN_HISTORY` names a directory, or is `off`.
    pub fn find(environment: impl Fn(&str) -> Option<OsString>) -> Option<History> {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(own) = set("BTFGEN_HISTORY") {
            return (own != Path::new("off")).then_some(History(own));
        }
        let absolute = |name| set(name).filter(|path| path.is_absolute());
        let home = || absolute("HOME").filter(|home| home.is_dir()).map(|home| home.join(".local/state"));
        let state = absolute("XDG_STATE_HOME").or_else(home).map(|state| state.join("btfgen"));
        // Without a home of its own the user has a ledger, which lasts until the machine goes down.
        let beside = || Some(book::directory(&environment)?.join("history"));
        state.or_else(beside).map(History)
    }

    /// The runs remembered in a directory.
    pub fn at(directory: impl Into<PathBuf>) -> History {
        History(directory.into())
    }

    /// The runs of a class, the oldest first; none if nothing can be read.
    pub fn runs(&self, class: &str) -> Vec<Run> {
        read(&self.path(class)).unwrap_or_default()
    }

    /// Remembers a run. One that ends while others are being written down may be forgotten.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn add(&self, class: &str, run: Run) -> Result<()> {
        let about = |what: &str, e| Error::io(what, e).in_file(&self.0);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(|e| about("cannot create the directory of the history", e))?;
        let meta = fs::metadata(&self.0).map_err(|e| about("cannot look at the history", e))?;
        if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o022 != 0 {
            let error = std::io::ErrorKind::PermissionDenied.into();
            return Err(about("others may write to the directory of the history", error));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(FLAGS);
        let lock = options.open(self.0.join("lock")).map_err(|e| about("cannot lock the history", e))?;
        let is_locked = (0..TRIES).any(|turn| {
            if turn > 0 {
                std::thread::sleep(Duration::from_micros(100));
            }
            flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
        });
        if !is_locked {
            return Ok(());
        }
        let path = self.path(class);
        let before = read(&path);
        if before.is_none() {
            self.make_room();
        }
        let mut runs = before.unwrap_or_default();
        runs.push(run);
        write(&self.0, &path, &last_of_each_size(runs)).map_err(|e| about("cannot write the history", e))
    }

    fn path(&self, class: &str) -> PathBuf {
        // Names of programs; what a file cannot be called is left out.
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || "+-_.".contains(*c);
        let name: String = class.chars().filter(is_plain).take(64).collect();
        self.0.join(name + ".runs")
    }

    /// Removes the files that were not written for the longest time, but for as many as leave room for another.
    fn make_room(&self) {
        let files = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let runs = files.filter(|file| file.path().extension().is_some_and(|ending| ending == "runs"));
        let mut runs: Vec<_> =
            runs.filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path()))).collect();
        runs.sort_unstable();
        for (_, path) in runs.iter().rev().skip(CLASSES - 1) {
            let _ = fs::remove_file(path);
        }
    }
}

/// No link is followed, and what is no file does not block.
const FLAGS: i32 = (OFlags::NOFOLLOW.bits() | OFlags::NONBLOCK.bits()) as i32;

/// The runs of a file, or nothing if there is no file of this user, or it is damaged.
fn read(path: &Path) -> Option<Vec<Run>> {
    let file: File = OpenOptions::new().read(true).custom_flags(FLAGS).open(path).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.uid() != rustix::process::geteuid().as_raw() || meta.len() > MAX_BYTES {
        return None;
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) || !text.ends_with('\n') {
        return None;
    }
    let mut runs = lines.map(parse).collect::<Option<Vec<_>>>()?;
    let now = now();
    // The clock may have been wrong.
    runs.retain(|run| run.when <= now + 86_400 && now.saturating_sub(run.when) <= MAX_AGE.as_secs());
    Some(runs)
}

fn parse(line: &str) -> Option<Run> {
    let mut words = line.split(' ');
    let mut next = |radix| u64::from_str_radix(words.next()?, radix).ok();
    let run = Run { when: next(10)?, key: next(16)?, point: next(10)?, peak: next(10)? };
    words.next().is_none().then_some(run)
}

fn write(directory: &Path, path: &Path, runs: &[Run]) -> std::io::Result<()> {
    let mut text = format!("{HEADER}\n");
    for Run { when, key, point, peak } in runs {
        // To a string, which takes everything.
        let _ = writeln!(text, "{when} {key:x} {point} {peak}");
    }
    let mut new = tempfile::NamedTempFile::new_in(directory)?;
    new.write_all(text.as_bytes())?;
    new.persist(path)?;
    Ok(())
}

fn last_of_each_size(mut runs: Vec<Run>) -> Vec<Run> {
    let mut counts = [0_usize; 32];
    runs.reverse();
    runs.retain(|run| {
        let count = counts.get_mut(run.size() as usize);
        count.is_some_and(|count| {
            *count += 1;
            *count <= PER_SIZE
        })
    });
    runs.reverse();
    runs
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
