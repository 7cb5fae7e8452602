//! The memory of processes as the system counts it: resident, proportional and their own.
//!
//! In: a process id. Out: bytes, from `/proc/PID/smaps_rollup`. What has ended counts as nothing; what may not be
//! read is unknown.

use std::fs;

use super::{Root, field};

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    /// All that is resident (RSS); what processes share counts for each of them.
    pub rss: u64,
    /// The same, with what is shared divided among those who share it (PSS).
    pub pss: u64,
    /// What nobody else has (USS).
    pub uss: u64,
}

impl Footprint {
    /// That of a process, if the system tells.
    pub fn of(pid: u32) -> Option<Footprint> {
        Footprint::parse(&Root::system().read(format!("/proc/{pid}/smaps_rollup"))?)
    }

    fn parse(text: &str) -> Option<Footprint> {
        let bytes = |name| field(text, name).map(|kib| kib.saturating_mul(1024));
        let private = ["Private_Clean", "Private_Dirty", "Private_Hugetlb"];
        let uss = private.into_iter().filter_map(bytes).fold(0, u64::saturating_add);
        Some(Footprint { rss: bytes("Rss")?, pss: bytes("Pss")?, uss })
    }
}

/// Resident memory of a process and all that it started: the sum of RSS, and of PSS unless the system does not tell
/// that of one of them.
pub fn tree_footprint(pid: u32) -> (u64, Option<u64>) {
    let (mut rss, mut pss) = (0_u64, Some(0_u64));
    for pid in process_tree(pid) {
        if let Some(footprint) = Footprint::of(pid) {
            rss = rss.saturating_add(footprint.rss);
            pss = pss.map(|sum| sum.saturating_add(footprint.pss));
            continue;
        }
        // One that has ended, and is not waited for yet, has no such line either.
        let status = Root::system().read(format!("/proc/{pid}/status")).unwrap_or_default();
        if let Some(resident) = field(&status, "VmRSS") {
            rss = rss.saturating_add(resident.saturating_mul(1024));
            pss = None;
        }
    }
    (rss, pss)
}

/// A process and all that it started and that have not left it, as far as they can be seen.
pub(super) fn process_tree(pid: u32) -> Vec<u32> {
    let mut processes = vec![pid];
    let mut next = 0;
    // More than any command has; a bound, as they come and go while this reads.
    while let Some(&pid) = processes.get(next).filter(|_| next < 10_000) {
        next += 1;
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for thread in threads {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            processes.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    processes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_system() {
        let text = "55d0-7ffd ---p 00000000 00:00 0    [rollup]\nRss:     884 kB\nPss:     385 kB\nPss_Dirty: 9 kB\n\
                    Private_Clean:  244 kB\nPrivate_Dirty:  120 kB\n";
        let footprint = Footprint::parse(text).unwrap();
        assert_eq!((footprint.rss, footprint.pss, footprint.uss), (884 << 10, 385 << 10, 364 << 10));
        assert_eq!(Footprint::parse("Rss: 1 kB\n"), None);
    }

    #[test]
    fn what_is_shared_counts_once_where_it_is_divided() {
        let Some(own) = Footprint::of(std::process::id()) else { return };
        assert!(own.uss <= own.pss && own.pss <= own.rss && own.uss > 0, "{own:?}");
        let (rss, pss) = tree_footprint(std::process::id());
        assert!(rss > 0 && pss.is_some_and(|pss| pss <= rss));
        // Nobody has this number.
        assert_eq!((Footprint::of(u32::MAX), tree_footprint(u32::MAX)), (None, (0, Some(0))));
    }
}
