//! Limits of memory and CPUs, read of made-up systems: every shape of control groups that was met, and what
//! must not be taken for an answer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use btfgen::admission::Root;
use btfgen::admission::limits::{Cpus, Memory};
use btfgen::admission::pressure::{Pressure, Resource};
use serde_json::Value;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// A directory that pretends to be a system with 16 GiB, of which 8 are free.
struct System(TempDir);

impl System {
    fn new(membership: &str, mountinfo: &str) -> Self {
        let system = System(TempDir::new().unwrap());
        system
            .file(
                "proc/meminfo",
                "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
            )
            .file("proc/self/cgroup", membership)
            .file("proc/self/mountinfo", mountinfo)
            .file("proc/self/status", "Name:\tx\nPid:\t4711\n")
    }

    fn file(self, path: &str, content: impl ToString) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.to_string()).unwrap();
        self
    }

    /// A group of the new design, with a limit or none.
    fn group(self, path: &str, max: impl ToString, current: u64) -> Self {
        self.file(&format!("{path}/memory.max"), max.to_string() + "\n")
            .file(&format!("{path}/memory.high"), "max\n")
            .file(&format!("{path}/memory.current"), current)
            .file(&format!("{path}/cgroup.controllers"), "cpu memory pids\n")
    }

    fn root(&self) -> Root {
        Root::at(self.0.path())
    }

    fn memory(&self) -> Memory {
        Memory::read(&self.root())
    }

    /// The limit and the last parts of where it comes from.
    fn limit(&self) -> (u64, String) {
        let limit = self.memory().limit().unwrap();
        (limit.bytes / MIB, limit.source.trim_start_matches("/sys/fs/cgroup/").to_owned())
    }
}

const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
const V1: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory\n\
                  36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";

fn bound(mib: u64, source: &str) -> (u64, String) {
    (mib, source.to_owned())
}

#[test]
fn the_limit_of_a_group_in_the_middle() {
    let system = System::new("0::/a/b/c\n", V2)
        .group("sys/fs/cgroup/a", "max", 900 * MIB)
        .group("sys/fs/cgroup/a/b", 1000 * MIB, 700 * MIB)
        .group("sys/fs/cgroup/a/b/c", "max", 100 * MIB)
        .file(
            "sys/fs/cgroup/a/b/memory.stat",
            format!("anon 5\ninactive_file {}\nslab_reclaimable {}\n", 100 * MIB, 20 * MIB),
        );
    assert_eq!(system.limit(), bound(1000, "a/b/memory.max"));
    let memory = system.memory();
    // 700 used, of which 100 and half of 20 can be given up.
    assert_eq!(memory.headroom().unwrap().bytes, 410 * MIB);
    assert!(!memory.is_partial);
    assert_eq!(memory.default_budget().unwrap().bytes / MIB, 850);
}

#[test]
fn a_lower_limit_further_up_and_one_that_slows() {
    let system = System::new("0::/a/b\n", V2)
        .group("sys/fs/cgroup/a", 500 * MIB, 100 * MIB)
        .group("sys/fs/cgroup/a/b", 1000 * MIB, 100 * MIB)
        .file("sys/fs/cgroup/a/b/memory.high", 300 * MIB);
    assert_eq!(system.limit(), bound(300, "a/b/memory.max"));
    assert_eq!(system.memory().headroom().unwrap().bytes, 200 * MIB);
}

#[test]
fn the_old_design_with_a_limit_that_cannot_be_seen() {
    let unlimited = "9223372036854771712";
    let system = System::new("4:memory:/p/c\n3:cpu,cpuacct:/q\n0::/\n", V1)
        .file("sys/fs/cgroup/memory/memory.limit_in_bytes", unlimited)
        .file("sys/fs/cgroup/memory/p/c/memory.limit_in_bytes", unlimited)
        .file("sys/fs/cgroup/memory/p/c/memory.usage_in_bytes", 50 * MIB)
        .file(
            "sys/fs/cgroup/memory/p/c/memory.stat",
            format!("hierarchical_memory_limit {}\ntotal_inactive_file {}\n", 300 * MIB, 10 * MIB),
        )
        .file("sys/fs/cgroup/cpu,cpuacct/q/cpu.cfs_quota_us", "150000\n")
        .file("sys/fs/cgroup/cpu,cpuacct/q/cpu.cfs_period_us", "100000\n")
        .file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
        .file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    assert_eq!(system.limit(), bound(300, "memory/p/c/memory.stat: hierarchical_memory_limit"));
    assert_eq!(system.memory().headroom().unwrap().bytes, 260 * MIB);
    // One and a half CPUs keep two workers busy.
    let quota = Cpus::read(&system.root()).quota.unwrap();
    assert_eq!(quota, (2, "/sys/fs/cgroup/cpu,cpuacct/q".to_owned()));
}

#[test]
fn a_hybrid_believes_the_tree_that_has_the_controller() {
    let unified = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    let old = System::new("4:memory:/x\n0::/y\n", &format!("{unified}{V1}"))
        .file("sys/fs/cgroup/memory/x/memory.limit_in_bytes", 200 * MIB)
        .file("sys/fs/cgroup/unified/y/memory.max", 100 * MIB);
    assert_eq!(old.limit(), bound(200, "memory/x/memory.limit_in_bytes"));
    // A new tree without the controller, and no old one: nothing is known of groups.
    let none = System::new("1:name=systemd:/x\n0::/y\n", unified)
        .file("sys/fs/cgroup/unified/y/cgroup.controllers", "pids\n");
    assert_eq!(none.limit(), bound(16384, "MemTotal"));
    assert!(none.memory().groups.is_empty());
    let new =
        System::new("1:name=systemd:/x\n0::/y\n", unified).group("sys/fs/cgroup/unified/y", 100 * MIB, 0);
    assert_eq!(new.limit(), bound(100, "unified/y/memory.max"));
}

#[test]
fn namespaces_hide_what_is_above() {
    // The top of a namespace is no real top: it has a type. Nothing binds here, but something may above.
    let private = System::new("0::/\n", V2)
        .group("sys/fs/cgroup", "max", MIB)
        .file("sys/fs/cgroup/cgroup.type", "domain\n");
    assert!(private.memory().is_partial);
    assert_eq!(private.memory().group_limit(), None);
    assert_eq!(private.limit(), bound(16384, "MemTotal"));

    // Mounted outside of the namespace: the own group is found by the own process.
    let outside = "30 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let above = System::new("0::/\n", outside)
        .group("sys/fs/cgroup", "max", 0)
        .group("sys/fs/cgroup/p", 700 * MIB, 0)
        .group("sys/fs/cgroup/p/c", "max", 0)
        .file("sys/fs/cgroup/p/c/cgroup.procs", "12\n4711\n")
        .file("sys/fs/cgroup/p/cgroup.procs", "471\n");
    assert_eq!(above.limit(), bound(700, "p/memory.max"));
    assert!(above.memory().is_partial);

    // What a container sees of a tree of its own.
    let container = "30 23 0:26 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
    let own = System::new("0::/docker/x\n", container).group("sys/fs/cgroup", 100 * MIB, 0);
    assert_eq!(own.limit(), bound(100, "memory.max"));
    assert!(own.memory().is_partial);
}

#[test]
fn groups_that_are_gone_and_odd_mount_points() {
    let gone = System::new("0::/a/b (deleted)\n", V2).group("sys/fs/cgroup/a", 600 * MIB, 0);
    assert_eq!(gone.limit(), bound(600, "a/memory.max"));
    let odd = "30 23 0:26 / /mnt/c\\040g rw - cgroup2 cgroup2 rw\n";
    let odd = System::new("0::/a\n", odd).group("mnt/c g/a", 60 * MIB, 0);
    assert_eq!(odd.limit(), bound(60, "/mnt/c g/a/memory.max"));
}

#[test]
fn what_cannot_be_read_is_unknown() {
    for garbage in ["", "rubbish", "-5", "12x", "99999999999999999999999"] {
        let system = System::new("0::/a\n", V2)
            .group("sys/fs/cgroup/a", garbage, 0)
            .file("sys/fs/cgroup/a/memory.high", "");
        assert_eq!(system.limit(), bound(16384, "MemTotal"), "{garbage:?}");
    }
    let empty = System(TempDir::new().unwrap());
    let memory = empty.memory();
    assert_eq!((memory.limit(), memory.headroom(), memory.default_budget()), (None, None, None));
    assert!(Cpus::read(&empty.root()).count().get() >= 1);
    // A limit without a use tells the limit, but not what is left of it.
    let unused = System::new("0::/a\n", V2)
        .group("sys/fs/cgroup/a", 60 * MIB, 0)
        .file("sys/fs/cgroup/a/memory.current", "?");
    assert_eq!(unused.limit().0, 60);
    assert_eq!(unused.memory().headroom().unwrap().source, "MemAvailable");
}

#[test]
fn limits_of_the_process_count() {
    let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                  Max data size             unlimited            unlimited            bytes\n\
                  Max address space         1073741824           unlimited            bytes\n";
    let system = System::new("0::/\n", V2).file("proc/self/limits", limits);
    assert_eq!(system.limit(), bound(1024, "ulimit -v"));
}

#[test]
fn quotas_and_threads_of_all_ancestors() {
    let system = System::new("0::/a/b\n", V2)
        .group("sys/fs/cgroup/a/b", "max", 0)
        .file("sys/fs/cgroup/a/b/cpu.max", "max 100000\n")
        .file("sys/fs/cgroup/a/cpu.max", "50000 100000\n")
        .file("sys/fs/cgroup/a/pids.max", "100\n")
        .file("sys/fs/cgroup/a/pids.current", "97\n");
    let cpus = Cpus::read(&system.root());
    assert_eq!(cpus.quota, Some((1, "/sys/fs/cgroup/a".to_owned())));
    assert_eq!((cpus.threads, cpus.count().get()), (Some(3), 1));
    for wrong in ["100000 0\n", "-1 100000\n", "100000\n", "0 100000\n"] {
        let system = System::new("0::/a\n", V2)
            .group("sys/fs/cgroup/a", "max", 0)
            .file("sys/fs/cgroup/a/cpu.max", wrong);
        assert_eq!(Cpus::read(&system.root()).quota, None, "{wrong:?}");
    }
}

#[test]
fn pressure_of_the_own_group_before_that_of_the_system() {
    let line = |n: u32| {
        format!(
            "some avg10={n}.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"
        )
    };
    let system =
        System::new("0::/a\n", V2).group("sys/fs/cgroup/a", "max", 0).file("proc/pressure/memory", line(3));
    let here = |system: &System| Pressure::here(&system.root(), Resource::Memory).map(|p| p.some.avg10);
    assert_eq!(here(&system), Some(3.0));
    let system = system.file("sys/fs/cgroup/a/memory.pressure", line(7));
    assert_eq!(here(&system), Some(7.0));
    assert_eq!(Pressure::here(&system.root(), Resource::Io), None);
}

#[test]
fn status_tells_the_chain_and_what_binds() {
    let system = System::new("0::/a/b\n", V2).group("sys/fs/cgroup/a", 1000 * MIB, 10 * MIB).group(
        "sys/fs/cgroup/a/b",
        "max",
        MIB,
    );
    let status = |json: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_btfgen"));
        command.args(["admit", "status", "--root"]).arg(system.0.path()).args(json.then_some("--json"));
        let output = command.output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let value: Value = serde_json::from_str(&status(true)).unwrap();
    let memory = &value["memory"];
    assert_eq!(memory["limit"]["bytes"], 1000 * MIB);
    assert_eq!(memory["limit"]["source"], "/sys/fs/cgroup/a/memory.max");
    assert_eq!(memory["groups"][0]["max_bytes"], "unlimited");
    assert_eq!(memory["groups"][1]["max_bytes"], 1000 * MIB);
    assert_eq!(memory["address_space_bytes"], Value::Null);
    assert!(status(false).contains("1000.0 MiB  /sys/fs/cgroup/a/memory.max"));
}

/// On the system that runs the tests: whatever it is, there is an answer, and the binding limit is no more
/// than the memory that there is.
#[test]
fn the_system_itself() {
    let memory = Memory::read(&Root::system());
    if Path::new("/proc/meminfo").exists() {
        let limit = memory.limit().unwrap();
        assert!(limit.bytes > 0 && limit.bytes <= memory.machine.total.unwrap(), "{limit:?}");
        assert!(memory.headroom().unwrap().bytes <= limit.bytes.max(memory.machine.available.unwrap()));
    }
    let cpus = Cpus::read(&Root::system());
    assert!(cpus.count().get() <= cpus.affinity.unwrap_or(usize::MAX));
}
