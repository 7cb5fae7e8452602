//! How much of the machine a run may use, and how it shares that with others.
//!
//! * [`limits`]: what memory and CPUs there are, through nested cgroups of both versions, rlimits and the
//!   rest of the machine; [`pressure`]: how much everybody waits for them; [`strain`]: what follows from that for a run
//!   that goes on.
//! * [`jobserver`]: the CPUs that make gives to the commands of a build.
//! * [`forecast`]: the memory that an encode will take; [`command`]: the same of any command; [`margin`]: how much
//!   more to reserve; [`history`]: what earlier runs took.
//! * [`ledger`]: the memory that unrelated processes share; [`gates`]: what else must hold before a run begins.
//! * [`driver`]: a process that decides for others, by a policy, within the same ledger.
//! * [`footprint`]: the memory that processes have.
//!
//! A value that cannot be read is unknown, which is neither zero nor unlimited. Whatever fails here may
//! cost time, never a result: admission decides when and on how many workers a run happens, not what
//! comes of it.
//!
//! This room knows no format. Everything that is read of the system lies below a [`Root`], so that tests
//! read made-up systems.

mod book;
pub mod cgroup;
mod claim;
pub mod command;
pub mod driver;
pub mod footprint;
pub mod forecast;
pub mod gates;
pub mod history;
pub mod jobserver;
pub mod ledger;
pub mod limits;
mod lock;
pub mod makeflags;
pub mod margin;
pub mod pressure;
pub mod size;
pub mod strain;
mod sys;
mod turn;
mod warden;

use std::fs;
use std::path::{Path, PathBuf};

/// Where `/proc` and `/sys` are looked for: `/`, or a directory that pretends to be that.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

impl Root {
    /// The running system.
    pub fn system() -> Self {
        Root("/".into())
    }

    /// A directory that holds `proc` and `sys`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Root(path.into())
    }

    /// The place of an absolute path.
    pub fn path(&self, absolute: &Path) -> PathBuf {
        self.0.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// A file as text, or nothing if it cannot be read for whatever reason.
    pub(crate) fn read(&self, absolute: impl AsRef<Path>) -> Option<String> {
        // Files of the system hold what others chose: names that are not UTF-8 must not hide the rest.
        let bytes = fs::read(self.path(absolute.as_ref())).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The number after `name` in lines such as `MemFree:  123 kB` or `anon 123`, in the unit of the line.
pub(crate) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        // Else `anon` would find `anon_thp`.
        let number = rest.strip_prefix([' ', '\t'])?;
        number.split_whitespace().next()?.parse().ok()
    })
}

/// Memory of a process and all that it started, in bytes: what cannot be dropped. Nothing counts twice, and what
/// ended meanwhile counts as nothing.
pub fn tree_memory(pid: u32) -> u64 {
    let held = |pid: u32| {
        let status = Root::system().read(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = |name| field(&status, name).unwrap_or(0);
        (kib("RssAnon") + kib("RssShmem") + kib("VmSwap")).saturating_mul(1024)
    };
    footprint::process_tree(pid).into_iter().map(held).fold(0, u64::saturating_add)
}

/// The most that any one of the children that were waited for, or of theirs, had in memory, in bytes: with what of files
/// they had mapped, and less than they had together.
pub fn most_of_a_child() -> u64 {
    sys::most_of_a_child()
}

/// From now on, memory that is freed goes back to the system unless it is in pieces below 4 MiB. Otherwise the allocator
/// learns from the largest piece that was ever freed to keep as much, on every thread.
pub fn return_freed_memory() {
    sys::return_freed(4 << 20);
}

/// Gives back to the system what the allocator keeps of freed memory, once.
pub fn return_kept_memory() {
    sys::trim();
}
