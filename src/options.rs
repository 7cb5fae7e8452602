//! What an encode shall do: pure data, filled by the command line or by the caller of the library.

use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Everything that decides the bytes of the output, and how they are made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// What is encoded.
    pub features: Features,
    /// The order of types in the output.
    pub order: Order,
    /// Multi-dimensional arrays become one of their product, as encoders did before pahole 1.32.
    pub flat_arrays: bool,
    /// Units of these languages (`DW_LANG_*` codes) are left out.
    pub lang_exclude: Vec<u16>,
    /// If not empty, only units of these languages are encoded.
    pub lang_only: Vec<u16>,
    /// If not empty, every name that begins with this becomes this: enterprise kernels hide in names with a
    /// counter what must not make a difference.
    pub kabi_prefix: Vec<u8>,
    /// Where separate debugging information is looked for.
    pub search: Search,
    /// Units are taken in a random order with this seed. The output does not depend on it; tests do.
    pub shuffle: Option<u64>,
}

impl Options {
    /// True if units in some language are left out.
    pub(crate) fn is_choosy(&self) -> bool {
        !self.lang_exclude.is_empty() || !self.lang_only.is_empty()
    }

    /// True if units in a language, a `DW_LANG` code, are left out.
    pub fn leaves_out(&self, language: u16) -> bool {
        self.lang_exclude.contains(&language)
            || !self.lang_only.is_empty() && !self.lang_only.contains(&language)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            features: Features::DEFAULT,
            order: Order::Name,
            flat_arrays: false,
            lang_exclude: Vec::new(),
            lang_only: Vec::new(),
            kabi_prefix: Vec::new(),
            search: Search::default(),
            shuffle: None,
        }
    }
}

/// Where the parts of a program are looked for that lie in other files than the one that is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Directories below which distributions put debugging information, by build id and by path.
    pub debug_directories: Vec<PathBuf>,
    /// The file that dwz moved common parts to, instead of the one that is named.
    pub supplementary: Option<PathBuf>,
    /// The package of split DWARF (`.dwp`), instead of the one beside the file.
    pub package: Option<PathBuf>,
    /// The file that has the symbols.
    pub symbols: Option<PathBuf>,
}

impl Default for Search {
    fn default() -> Self {
        let debug_directories = vec![PathBuf::from("/usr/lib/debug")];
        Search { debug_directories, supplementary: None, package: None, symbols: None }
    }
}

/// The order of types in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Types without a name, then by the bytes of the name, as kernels from 7.0 on search them.
    #[default]
    Name,
    /// By the place where each type occurs first in the debugging information.
    First,
}

/// How many workers an encode gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jobs {
    /// As many as CPUs that affinity and the cgroup's quota allow.
    #[default]
    Auto,
    /// That many.
    Exactly(NonZeroUsize),
}

impl Jobs {
    /// That many; one at least.
    pub fn exactly(count: usize) -> Jobs {
        Jobs::Exactly(NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN))
    }

    /// The number of workers.
    pub fn count(self) -> usize {
        match self {
            Jobs::Auto => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            Jobs::Exactly(count) => count.get(),
        }
    }
}

/// A set of features. The names are those that kernel builds pass to their encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features(u32);

impl Features {
    /// Nothing but types, functions and what every kernel reads.
    pub const NONE: Features = Features(0);
    /// A variable that cannot be encoded is left out instead of ending the run. Always so here: the
    /// name is accepted because builds pass it.
    pub const ENCODE_FORCE: Features = Features(1);
    /// Per-CPU variables.
    pub const VAR: Features = Features(1 << 1);
    /// Floating point types as FLOAT; else as INT.
    pub const FLOAT: Features = Features(1 << 2);
    /// Declaration tags.
    pub const DECL_TAG: Features = Features(1 << 3);
    /// Type tags.
    pub const TYPE_TAG: Features = Features(1 << 4);
    /// Enums of more than 32 bits as ENUM64, and signed enums as such.
    pub const ENUM64: Features = Features(1 << 5);
    /// Functions that the compiler optimised, where their prototype is still right. Always so here, as
    /// in the peer.
    pub const OPTIMIZED_FUNC: Features = Features(1 << 6);
    /// Functions with several prototypes are left out.
    pub const CONSISTENT_FUNC: Features = Features(1 << 7);
    /// Tags for kfuncs, from `.BTF_ids`.
    pub const DECL_TAG_KFUNCS: Features = Features(1 << 8);
    /// The same bytes for every number of workers. Always so here.
    pub const REPRODUCIBLE_BUILD: Features = Features(1 << 9);
    /// A base of its own beside a split BTF.
    pub const DISTILLED_BASE: Features = Features(1 << 10);
    /// Variables of all sections.
    pub const GLOBAL_VAR: Features = Features(1 << 11);
    /// Address space attributes of arena kfuncs.
    pub const ATTRIBUTES: Features = Features(1 << 12);
    /// Functions whose signature the compiler changed, with the changed signature.
    pub const TRUE_SIGNATURE: Features = Features(1 << 13);
    /// A section that tells the sizes of kinds, for readers that do not know them.
    pub const LAYOUT: Features = Features(1 << 14);
    /// Units are merged before encoding. Never needed here; the name is accepted.
    pub const FORCE_CU_MERGING: Features = Features(1 << 15);

    /// What kernel builds ask for.
    pub const DEFAULT: Features = Features(0x1ff);

    /// All features with their names.
    pub const NAMES: [(&'static str, Features); 16] = [
        ("encode_force", Features::ENCODE_FORCE),
        ("var", Features::VAR),
        ("float", Features::FLOAT),
        ("decl_tag", Features::DECL_TAG),
        ("type_tag", Features::TYPE_TAG),
        ("enum64", Features::ENUM64),
        ("optimized_func", Features::OPTIMIZED_FUNC),
        ("consistent_func", Features::CONSISTENT_FUNC),
        ("decl_tag_kfuncs", Features::DECL_TAG_KFUNCS),
        ("reproducible_build", Features::REPRODUCIBLE_BUILD),
        ("distilled_base", Features::DISTILLED_BASE),
        ("global_var", Features::GLOBAL_VAR),
        ("attributes", Features::ATTRIBUTES),
        ("true_signature", Features::TRUE_SIGNATURE),
        ("layout", Features::LAYOUT),
        ("force_cu_merging", Features::FORCE_CU_MERGING),
    ];

    /// The feature of that name.
    pub fn named(name: &str) -> Option<Features> {
        Self::NAMES.iter().find(|(n, _)| *n == name).map(|&(_, feature)| feature)
    }

    /// True if all of `features` are in the set.
    pub fn contains(self, features: Features) -> bool {
        self.0 & features.0 == features.0
    }

    /// The set with `features` as well.
    #[must_use]
    pub fn with(self, features: Features) -> Features {
        Features(self.0 | features.0)
    }

    /// The set without `features`.
    #[must_use]
    pub fn without(self, features: Features) -> Features {
        Features(self.0 & !features.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_set_is_what_kernel_builds_ask_for() {
        let names: Vec<_> =
            Features::NAMES.iter().filter(|(_, f)| Features::DEFAULT.contains(*f)).map(|(n, _)| *n).collect();
        assert_eq!(
            names.join(","),
            "encode_force,var,float,decl_tag,type_tag,enum64,optimized_func,consistent_func,decl_tag_kfuncs"
        );
        for (name, feature) in Features::NAMES {
            assert_eq!(Features::named(name), Some(feature));
        }
        assert_eq!(Features::named("all"), None);
    }
}
