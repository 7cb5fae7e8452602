//! What memory and CPUs this process may use, and which limit it is that binds.
//!
//! In: control groups, `/proc/meminfo`, `/proc/self/limits`, the affinity mask. Out: every limit with the
//! place it comes from, so that a user can be told; the smallest of them is the answer. A limit that
//! cannot be read takes no part, and a group above which others may be hidden is never "unlimited".

use std::num::NonZeroUsize;
use std::path::Path;

use super::cgroup::{Chain, Version};
use super::{Root, field};

/// A limit as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// It could not be read or not be understood.
    Unknown,
    /// There is none.
    Unlimited,
    /// That many: bytes, or processes.
    Of(u64),
}

impl Limit {
    /// The number, if there is one.
    pub fn number(self) -> Option<u64> {
        match self {
            Limit::Of(n) => Some(n),
            Limit::Unknown | Limit::Unlimited => None,
        }
    }

    /// Reads `max` or a number. The old design writes "no limit" as a number near the largest there is.
    fn parse(text: Option<&str>) -> Limit {
        match text.map(str::trim) {
            Some("max" | "-1" | "unlimited") => Limit::Unlimited,
            Some(text) => match text.parse::<u64>() {
                Ok(n) if n >= 1 << 62 => Limit::Unlimited,
                Ok(n) => Limit::Of(n),
                Err(_) => Limit::Unknown,
            },
            None => Limit::Unknown,
        }
    }
}

/// A number and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Bytes.
    pub bytes: u64,
    /// The file or the rule, for people.
    pub source: String,
}

/// One control group and what it says about memory, in bytes.
#[derive(Debug, Clone)]
pub struct Group {
    /// The file of its limit.
    pub path: String,
    /// Going beyond it kills.
    pub max: Limit,
    /// Going beyond it slows to a crawl.
    pub high: Limit,
    /// What the group uses, with caches.
    pub current: Option<u64>,
    /// The part of it that is given up without harm.
    pub reclaimable: u64,
    /// How often it went beyond `high`.
    pub high_events: u64,
    /// How often it was at `max` and had to give up something.
    pub max_events: u64,
}

impl Group {
    /// The lower of the two limits.
    fn limit(&self) -> Option<u64> {
        self.max.number().into_iter().chain(self.high.number()).min()
    }

    /// Bytes that may still be taken: below the lower of the two limits.
    fn headroom(&self) -> Option<u64> {
        let limit = self.limit()?;
        let used = self.current?.saturating_sub(self.reclaimable);
        Some(limit.saturating_sub(used))
    }
}

/// The memory of the machine in bytes, as `/proc/meminfo` has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine {
    /// All of it.
    pub total: Option<u64>,
    /// What could be had without swapping.
    pub available: Option<u64>,
    /// Swap.
    pub swap_total: Option<u64>,
    /// Swap that is not used.
    pub swap_free: Option<u64>,
}

impl Machine {
    fn read(root: &Root) -> Machine {
        let text = root.read("/proc/meminfo").unwrap_or_default();
        let bytes = |name| field(&text, name).and_then(|kib| kib.checked_mul(1024));
        Machine {
            total: bytes("MemTotal"),
            available: bytes("MemAvailable"),
            swap_total: bytes("SwapTotal"),
            swap_free: bytes("SwapFree"),
        }
    }
}

/// All limits of memory at one moment.
#[derive(Debug, Clone)]
pub struct Memory {
    /// The machine.
    pub machine: Machine,
    /// The design of the groups, if there are any.
    pub version: Option<Version>,
    /// The own group first, the highest that can be seen last.
    pub groups: Vec<Group>,
    /// Groups above those may be hidden.
    pub is_partial: bool,
    /// The limit of the address space.
    pub address_space: Limit,
    /// The limit of data segments and anonymous mappings.
    pub data: Limit,
}

impl Memory {
    /// Reads them.
    pub fn read(root: &Root) -> Memory {
        Self::of(root, Chain::find(root, "memory").as_ref())
    }

    /// Reads those of groups that were found before.
    pub(super) fn of(root: &Root, chain: Option<&Chain>) -> Memory {
        let mut groups = Vec::new();
        if let Some(chain) = chain {
            for directory in &chain.directories {
                groups.extend(group(root, chain.version, directory, groups.is_empty()));
            }
        }
        let limits = root.read("/proc/self/limits").unwrap_or_default();
        let rlimit = |name: &str| {
            let soft = limits.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            Limit::parse(soft)
        };
        Memory {
            machine: Machine::read(root),
            version: chain.map(|chain| chain.version),
            groups,
            is_partial: chain.is_some_and(|chain| chain.is_partial),
            address_space: rlimit("Max address space"),
            data: rlimit("Max data size"),
        }
    }

    fn group_bounds(&self, of: impl Fn(&Group) -> Option<u64>) -> Option<Bound> {
        let bounds = self.groups.iter().filter_map(|group| Some((of(group)?, group)));
        let (bytes, group) = bounds.min_by_key(|(bytes, _)| *bytes)?;
        Some(Bound { bytes, source: group.path.clone() })
    }

    fn rlimits(&self) -> impl Iterator<Item = Bound> {
        let both = [(self.address_space, "ulimit -v"), (self.data, "ulimit -d")];
        both.into_iter()
            .filter_map(|(limit, source)| Some(Bound { bytes: limit.number()?, source: source.to_owned() }))
    }

    /// The limit of the control groups, and nothing if they have none or cannot tell.
    pub fn group_limit(&self) -> Option<Bound> {
        self.group_bounds(Group::limit)
    }

    /// What no run can go beyond: the smallest limit, with memory itself as one.
    pub fn limit(&self) -> Option<Bound> {
        let total = self.machine.total.map(|bytes| Bound { bytes, source: "MemTotal".to_owned() });
        self.group_limit().into_iter().chain(self.rlimits()).chain(total).min_by_key(|bound| bound.bytes)
    }

    /// What can be had now.
    pub fn headroom(&self) -> Option<Bound> {
        let available =
            self.machine.available.map(|bytes| Bound { bytes, source: "MemAvailable".to_owned() });
        let groups = self.group_bounds(Group::headroom);
        groups.into_iter().chain(self.rlimits()).chain(available).min_by_key(|bound| bound.bytes)
    }

    /// What runs that share this machine may take together, if nobody said: most of the limit.
    pub fn default_budget(&self) -> Option<Bound> {
        let Bound { bytes, source } = self.limit()?;
        // A group belongs to what runs in it; a machine has others on it.
        let percent = if source == "MemTotal" { 75 } else { 85 };
        Some(Bound { bytes: bytes / 100 * percent, source: format!("{percent} % of {source}") })
    }
}

/// What can be had now on the running system, in bytes.
pub fn headroom() -> Option<u64> {
    Memory::read(&Root::system()).headroom().map(|bound| bound.bytes)
}

fn group(root: &Root, version: Version, directory: &Path, is_own: bool) -> Vec<Group> {
    let read = |name: &str| root.read(directory.join(name));
    let limit = |name: &str| Limit::parse(read(name).as_deref());
    let number = |name: &str| read(name)?.trim().parse().ok();
    let stat = read("memory.stat").unwrap_or_default();
    // Those of this group alone, where they can be told from those of the groups below it.
    let events = || read("memory.events.local").or_else(|| read("memory.events")).unwrap_or_default();
    let path = |file: &str| directory.join(file).display().to_string();
    match version {
        Version::V2 => {
            let events = events();
            vec![Group {
                path: path("memory.max"),
                max: limit("memory.max"),
                high: limit("memory.high"),
                current: number("memory.current"),
                // Active pages are what a build at work needs again at once.
                reclaimable: field(&stat, "inactive_file").unwrap_or(0)
                    + field(&stat, "slab_reclaimable").unwrap_or(0) / 2,
                high_events: field(&events, "high").unwrap_or(0),
                max_events: field(&events, "max").unwrap_or(0),
            }]
        }
        Version::V1 => {
            let own = Group {
                path: path("memory.limit_in_bytes"),
                max: limit("memory.limit_in_bytes"),
                high: Limit::Unknown,
                current: number("memory.usage_in_bytes"),
                reclaimable: field(&stat, "total_inactive_file").unwrap_or(0),
                high_events: 0,
                max_events: number("memory.failcnt").unwrap_or(0),
            };
            // The only line that shows the limit of a group which cannot be seen from below. What that group
            // uses is not less than what its child does.
            let hierarchical =
                field(&stat, "hierarchical_memory_limit").map(|n| Limit::parse(Some(&n.to_string())));
            let above = hierarchical.filter(|limit| is_own && limit.number().is_some()).map(|max| Group {
                path: path("memory.stat: hierarchical_memory_limit"),
                max,
                ..own.clone()
            });
            [own].into_iter().chain(above).collect()
        }
    }
}

/// The CPUs that this process may use.
#[derive(Debug, Clone)]
pub struct Cpus {
    /// CPUs in the affinity mask.
    pub affinity: Option<usize>,
    /// The smallest quota of the control groups, in CPUs, rounded up, and the group.
    pub quota: Option<(usize, String)>,
    /// Threads that may still be started, by the control groups.
    pub threads: Option<u64>,
}

impl Cpus {
    /// Reads them.
    pub fn read(root: &Root) -> Cpus {
        let quota = Chain::find(root, "cpu").and_then(|chain| {
            let quotas = chain.directories.iter().filter_map(|d| Some((quota(root, chain.version, d)?, d)));
            quotas.min_by_key(|(cpus, _)| *cpus).map(|(cpus, d)| (cpus, d.display().to_string()))
        });
        let threads = Chain::find(root, "pids").and_then(|chain| {
            let room = |directory: &std::path::PathBuf| {
                let max = Limit::parse(root.read(directory.join("pids.max")).as_deref()).number()?;
                let current = root.read(directory.join("pids.current"))?.trim().parse().ok()?;
                Some(max.saturating_sub(current))
            };
            chain.directories.iter().filter_map(room).min()
        });
        let affinity = rustix::thread::sched_getaffinity(None).ok().map(|set| set.count() as usize);
        // A mask that the call has no room for.
        let all = || std::thread::available_parallelism().ok().map(NonZeroUsize::get);
        Cpus { affinity: affinity.filter(|&n| n > 0).or_else(all), quota, threads }
    }

    /// Workers that can run at the same time; at least one.
    pub fn count(&self) -> NonZeroUsize {
        let quota = self.quota.as_ref().map(|(cpus, _)| *cpus);
        // A worker is a thread; the process itself needs one or two more.
        let threads = self.threads.map(|n| usize::try_from(n.saturating_sub(2)).unwrap_or(usize::MAX));
        let least = self.affinity.into_iter().chain(quota).chain(threads).min().unwrap_or(1);
        NonZeroUsize::new(least).unwrap_or(NonZeroUsize::MIN)
    }
}

/// The quota of a group in CPUs. A part of a CPU counts as one: a worker more keeps what is left busy.
fn quota(root: &Root, version: Version, directory: &Path) -> Option<usize> {
    let read = |name: &str| root.read(directory.join(name));
    let (quota, period) = match version {
        Version::V2 => {
            let text = read("cpu.max")?;
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?)
        }
        Version::V1 => {
            (read("cpu.cfs_quota_us")?.trim().parse().ok()?, read("cpu.cfs_period_us")?.trim().parse().ok()?)
        }
    };
    let cpus = quota.checked_add(period.checked_sub(1)?)?.checked_div(period)?;
    usize::try_from(cpus).ok().filter(|&n| n > 0)
}
