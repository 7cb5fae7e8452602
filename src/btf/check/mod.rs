//! Says what a kernel, or we, would not like about a BTF.
//!
//! In: a [`Btf`] that parsed. Out: [`Violation`]s, in the order of levels' passes and of ids within one.
//! The levels are those of what they cost: [`Level::Container`] and [`Level::Records`] hold for every BTF
//! that a kernel loads, [`Level::Resolve`] for those that a program loads with `BPF_BTF_LOAD` (the kernel
//! trusts its own), [`Level::Target`] for kernels before a version, [`Level::Hygiene`] is about what no kernel
//! refuses but nobody should write. Rules are those of Linux 6.1 to 7.3.
//!
//! It runs on everything that is written: each pass is linear, nothing recurses, and what a record needs of
//! another one is looked up in arrays by id. Only the own types of a split BTF are checked; what they refer
//! to may lie in the base.

mod container;
mod hygiene;
mod kfuncs;
mod names;
mod records;
mod resolve;
#[cfg(test)]
mod tests;

use std::fmt;

use super::kinds::{Kind, TypeId};
use super::read::{Btf, Type};
pub use container::check_container;
pub use kfuncs::check_kfuncs;

/// What a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Header and sections: what every kernel checks first.
    Container,
    /// Each record by itself, and that what it refers to exists: what every kernel checks of every BTF.
    Records,
    /// References make sense, sizes fit, nothing contains itself: what kernels check of a program's BTF.
    Resolve,
    /// What kernels before [`CheckOptions::target`] do not know yet.
    Target,
    /// No duplicates, names not shared with the tail of others, order if asked for.
    Hygiene,
    /// What a kernel lets programs call is there and tagged: [`check_kfuncs`], not part of [`check()`].
    Kfuncs,
}

impl Level {
    /// The name of the level in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Container => "container",
            Level::Records => "records",
            Level::Resolve => "resolve",
            Level::Target => "target",
            Level::Hygiene => "hygiene",
            Level::Kfuncs => "kfuncs",
        }
    }
}

/// A set of levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels(u8);

impl Levels {
    /// Every level of [`check()`].
    pub const ALL: Levels = Levels(0x1f);
    /// None.
    pub const NONE: Levels = Levels(0);

    /// The set with a level added.
    #[must_use]
    pub const fn with(self, level: Level) -> Self {
        Levels(self.0 | 1 << level as u8)
    }

    /// The set with a level removed.
    #[must_use]
    pub const fn without(self, level: Level) -> Self {
        Levels(self.0 & !(1 << level as u8))
    }

    /// Whether a level is in the set.
    pub const fn contains(self, level: Level) -> bool {
        self.0 & 1 << level as u8 != 0
    }
}

/// A kernel release; compares by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion {
    /// 6 in 6.12.
    pub major: u16,
    /// 12 in 6.12.
    pub minor: u16,
}

impl KernelVersion {
    /// Whatever comes: nothing is too new for it.
    pub const LATEST: KernelVersion = KernelVersion::new(u16::MAX, u16::MAX);

    /// Major and minor.
    pub const fn new(major: u16, minor: u16) -> Self {
        KernelVersion { major, minor }
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What to check.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// The levels to run.
    pub levels: Levels,
    /// The oldest kernel that is to load it, for [`Level::Target`]; `None` for the newest.
    pub target: Option<KernelVersion>,
    /// Whether names must ascend, anonymous types first, as kernels from 7.0 assume of vmlinux
    /// ([`Level::Hygiene`]).
    pub sorted_names: bool,
    /// How many violations to report at most.
    pub max_violations: usize,
}

impl Default for CheckOptions {
    /// Every level, for kernel 6.15 (the first with every kind and flag of today), names in any order, at
    /// most 1000 violations.
    fn default() -> Self {
        CheckOptions {
            levels: Levels::ALL,
            target: Some(KernelVersion::new(6, 15)),
            sorted_names: false,
            max_violations: 1000,
        }
    }
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Of what level the rule is.
    pub level: Level,
    /// The type; 0 when the BTF as a whole is meant.
    pub id: TypeId,
    /// Its kind, `None` when the BTF as a whole is meant.
    pub kind: Option<Kind>,
    /// Its name, other than printable ASCII escaped and cut when long; empty if it has none.
    pub name: String,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Violation {
    /// One line: `[12] STRUCT 'foo': member 'x': ends after the struct`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            None => write!(f, "BTF: {}", self.reason),
            Some(kind) => {
                let name = if self.name.is_empty() { "(anon)" } else { &self.name };
                write!(f, "[{}] {kind} '{name}': {}", self.id, self.reason)
            }
        }
    }
}

/// Checks the own types of a BTF. Empty is good.
pub fn check(btf: &Btf<'_>, options: &CheckOptions) -> Vec<Violation> {
    let mut report = Report::new(options.levels, options.max_violations);
    if report.wants(Level::Container) || report.wants(Level::Target) {
        container::container(btf, options.target, &mut report);
    }
    let by_record =
        [Level::Records, Level::Target, Level::Hygiene].map(|level| report.wants(level)).contains(&true);
    if by_record || report.wants(Level::Resolve) {
        let names = names::Names::new(btf);
        if by_record {
            records::records(btf, &names, options.target, &mut report);
        }
        if report.wants(Level::Resolve) {
            resolve::resolve(btf, &names, &mut report);
        }
    }
    if report.wants(Level::Hygiene) {
        hygiene::duplicates(btf, &mut report);
        if options.sorted_names {
            hygiene::sorted(btf, &mut report);
        }
    }
    report.found
}

/// Most bytes of a name that a violation repeats.
const MAX_SHOWN: usize = 200;

/// A name in a message: escaped, and cut after [`MAX_SHOWN`] bytes.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..MAX_SHOWN) {
            Some(head) if self.0.len() > MAX_SHOWN => write!(f, "{}...", head.escape_ascii()),
            _ => write!(f, "{}", self.0.escape_ascii()),
        }
    }
}

/// Collects violations of the wanted levels up to the limit.
struct Report {
    found: Vec<Violation>,
    levels: Levels,
    max: usize,
}

impl Report {
    fn new(levels: Levels, max: usize) -> Self {
        Report { found: Vec::new(), levels, max }
    }

    /// Whether a violation of that level would still be taken.
    fn wants(&self, level: Level) -> bool {
        self.levels.contains(level) && !self.full()
    }

    #[inline]
    fn full(&self) -> bool {
        self.found.len() >= self.max
    }

    #[cold]
    fn add(&mut self, level: Level, ty: &Type<'_>, reason: fmt::Arguments<'_>) {
        if self.wants(level) {
            let name = Shown(ty.name_prefix(MAX_SHOWN + 1)).to_string();
            let (id, kind) = (ty.id(), Some(ty.kind()));
            self.found.push(Violation { level, id, kind, name, reason: reason.to_string() });
        }
    }

    #[cold]
    fn add_whole(&mut self, level: Level, reason: fmt::Arguments<'_>) {
        if self.wants(level) {
            let name = String::new();
            self.found.push(Violation {
                level,
                id: TypeId::VOID,
                kind: None,
                name,
                reason: reason.to_string(),
            });
        }
    }
}
