//! Control groups that a test makes, of either version, below its own; they are gone after it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A group that a test made.
pub struct Group {
    path: PathBuf,
    is_first_version: bool,
}

impl Group {
    /// One whose memory has a limit, in bytes; `None` with a word about it if that cannot be made here.
    pub fn of_memory(limit: u64) -> Option<Group> {
        let group = Group::new("memory", "memory.max")?;
        let set = |name: &str| fs::write(group.path.join(name), limit.to_string());
        let done = if group.is_first_version {
            set("memory.limit_in_bytes").inspect(|()| {
                // Where it does not count swap there is none to turn to, or the test is a little weaker.
                let _ = set("memory.memsw.limit_in_bytes");
            })
        } else {
            set("memory.max").inspect(|()| {
                let _ = fs::write(group.path.join("memory.swap.max"), "0");
            })
        };
        done.inspect_err(|e| super::skipped(&format!("the memory of a control group has no limit: {e}")))
            .ok()?;
        Some(group)
    }

    /// One that can be frozen; `None` with a word about it if that cannot be made here.
    pub fn to_freeze() -> Option<Group> {
        Group::new("freezer", "cgroup.freeze")
    }

    fn new(controller: &str, file: &str) -> Option<Group> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("btfgen-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let made = own(controller).map_or(Err(io::ErrorKind::NotFound.into()), |(own, is_first_version)| {
            let group = Group { path: own.join(name), is_first_version };
            fs::create_dir(&group.path)?;
            if is_first_version { Ok(group) } else { fs::metadata(group.path.join(file)).map(|_| group) }
        });
        made.inspect_err(|e| super::skipped(&format!("no control group for {controller} can be made: {e}")))
            .ok()
    }

    /// The same command, run in the group.
    pub fn run(&self, command: &Command) -> Command {
        let mut inside = Command::new("sh");
        inside.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(self.path.join("cgroup.procs"));
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    /// How often somebody was killed for want of memory.
    pub fn kills(&self) -> u64 {
        let file = if self.is_first_version { "memory.oom_control" } else { "memory.events" };
        self.counter(file, "oom_kill ")
    }

    /// How often somebody met the limit.
    pub fn at_limit(&self) -> u64 {
        match self.is_first_version {
            true => self.counter("memory.failcnt", ""),
            false => self.counter("memory.events", "max "),
        }
    }

    /// The most that all in it had together, in bytes, with what of files they read; 0 where the system does not tell.
    pub fn peak(&self) -> u64 {
        let file = if self.is_first_version { "memory.max_usage_in_bytes" } else { "memory.peak" };
        if self.path.join(file).exists() { self.counter(file, "") } else { 0 }
    }

    fn counter(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(self.path.join(file)).unwrap();
        let number = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        number.unwrap_or_else(|| panic!("no {name:?} in {file}: {text}"))
    }

    /// Stops all in it, or lets them go on; returns when they have.
    pub fn freeze(&self, frozen: bool) {
        let (file, says) = match (self.is_first_version, frozen) {
            (true, true) => ("freezer.state", "FROZEN"),
            (true, false) => ("freezer.state", "THAWED"),
            (false, true) => ("cgroup.freeze", "1"),
            (false, false) => ("cgroup.freeze", "0"),
        };
        fs::write(self.path.join(file), says).unwrap();
        let (file, says) = if self.is_first_version {
            (file, says.to_owned())
        } else {
            ("cgroup.events", format!("frozen {says}"))
        };
        super::place::until("the group is frozen, or not", || {
            fs::read_to_string(self.path.join(file)).unwrap().contains(&says)
        });
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Those who were in it may not be gone yet; what stays is empty, and named after this program.
        for _ in 0..200 {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                _ => return,
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The own group of a controller, and whether it is of the first version.
fn own(controller: &str) -> Option<(PathBuf, bool)> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = |wanted: &dyn Fn(&str) -> bool| {
        membership.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            wanted(controllers).then(|| path.trim_start_matches('/').to_owned())
        })
    };
    let first = Path::new("/sys/fs/cgroup").join(controller);
    if let Some(path) = path(&|controllers| controllers.split(',').any(|name| name == controller)) {
        return Some((first.join(path), true));
    }
    let path = path(&|controllers| controllers.is_empty())?;
    let second = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
    let root = second.into_iter().find(|root| root.join("cgroup.controllers").exists())?;
    Some((root.join(path), false))
}
