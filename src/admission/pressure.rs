//! Pressure stall information: the share of time in which somebody waits for memory, CPU or storage.
//!
//! A system without it is normal: it may be compiled out, switched off, or refused. Then the answer is
//! nothing, and the callers look at memory alone.

use std::path::{Path, PathBuf};

use super::Root;
use super::cgroup::{Chain, Version};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Processor time.
    Cpu,
    /// Storage.
    Io,
    /// Memory: reclaim, refaults, swapping in.
    Memory,
}

impl Resource {
    /// All of them.
    pub const ALL: [Resource; 3] = [Resource::Cpu, Resource::Io, Resource::Memory];

    /// The name that the system has for it.
    pub fn name(self) -> &'static str {
        match self {
            Resource::Cpu => "cpu",
            Resource::Io => "io",
            Resource::Memory => "memory",
        }
    }
}

/// Shares of time in percent, and the sum since boot.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stall {
    /// Over the last 10 seconds.
    pub avg10: f64,
    /// Over the last minute.
    pub avg60: f64,
    /// Over the last five minutes.
    pub avg300: f64,
    /// Microseconds since boot. Control loops take differences of it: the averages lag by two seconds.
    pub total_us: u64,
}

/// The pressure on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pressure {
    /// At least one task waited.
    pub some: Stall,
    /// Nobody could do anything else; absent for CPUs in older kernels.
    pub full: Option<Stall>,
}

impl Pressure {
    /// The pressure on the whole system.
    pub fn system(root: &Root, resource: Resource) -> Option<Pressure> {
        Self::read(root, &Self::of_system(resource))
    }

    /// The pressure within the own control group, or that on the system where groups do not tell.
    pub fn here(root: &Root, resource: Resource) -> Option<Pressure> {
        Self::read(root, &Self::place(root, resource)?)
    }

    /// Where that stands, if it can be read.
    pub(super) fn place(root: &Root, resource: Resource) -> Option<PathBuf> {
        let chain = Chain::find(root, resource.name()).filter(|chain| chain.version == Version::V2);
        let own = chain.and_then(|chain| chain.directories.into_iter().next());
        let own = own.map(|group| group.join(format!("{}.pressure", resource.name())));
        let mut places = own.into_iter().chain([Self::of_system(resource)]);
        places.find(|place| Self::read(root, place).is_some())
    }

    fn of_system(resource: Resource) -> PathBuf {
        Path::new("/proc/pressure").join(resource.name())
    }

    pub(super) fn read(root: &Root, path: &Path) -> Option<Pressure> {
        Self::parse(&root.read(path)?)
    }

    /// Reads the two lines; nothing if the first is missing or damaged.
    fn parse(text: &str) -> Option<Pressure> {
        let line = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
            let value = |key: &str| {
                line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
            };
            let share =
                |key: &str| value(key)?.parse::<f64>().ok().filter(|share| (0.0..=100.0).contains(share));
            Some(Stall {
                avg10: share("avg10")?,
                avg60: share("avg60")?,
                avg300: share("avg300")?,
                total_us: value("total")?.parse().ok()?,
            })
        };
        Some(Pressure { some: line("some")?, full: line("full") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_or_one() {
        let some = "some avg10=1.50 avg60=0.25 avg300=0.00 total=123\n";
        let read = Pressure::parse(some).unwrap();
        assert_eq!((read.some.avg10, read.some.total_us, read.full), (1.5, 123, None));
        let both = format!("{some}full avg10=0.50 avg60=0.00 avg300=0.00 total=7\n");
        assert_eq!(Pressure::parse(&both).unwrap().full.unwrap().total_us, 7);
        for wrong in
            ["", "some", "some avg10=x avg60=0 avg300=0 total=1", "some avg10=NaN avg60=0 avg300=0 total=1"]
        {
            assert_eq!(Pressure::parse(wrong), None, "{wrong}");
        }
    }
}
