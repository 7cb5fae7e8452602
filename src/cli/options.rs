//! The options that commands have in common: what is encoded and with what, and how values are spelled.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use btfgen::{Features, Jobs, Options, Order};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::admit::OwnWishes;
use super::language;
use super::output::Destination;

/// What every command takes that encodes.
#[derive(Debug, Args)]
pub(super) struct EncodingArgs {
    /// What the output continues: raw BTF or an ELF file with a section .BTF, such as the vmlinux of a module
    ///
    /// The output then holds only what the base has not, and is of use only above exactly that base.
    #[arg(long, value_name = "FILE")]
    pub(super) base: Option<PathBuf>,

    /// Number of workers; the default is the CPUs that affinity and cgroup allow
    ///
    /// The output is the same for every number, and there are never more than have work. Below a make with a jobserver this is the most that are asked
    /// for: one runs at once, each of the others needs a slot of make. BTFGEN_JOBSERVER=off ignores make.
    #[arg(short, long, value_name = "N", value_parser = jobs)]
    pub(super) jobs: Option<Jobs>,

    #[command(flatten)]
    pub(super) options: OptionArgs,

    #[command(flatten)]
    pub(super) wishes: OwnWishes,
}

/// What every command takes that encodes, about what it says of that.
#[derive(Debug, Args)]
pub(super) struct TellingArgs {
    /// Write what was done as JSON; - for standard output
    ///
    /// One object with a schema_version, within which keys are only added: phases with their times, types by
    /// kind, functions, variables and kfuncs with the reasons for those left out, names with several
    /// definitions, warnings by reason, memory. Keys that end in _seconds are fractions of seconds, those
    /// that end in _bytes are integers. Of several files they are those of all together.
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(destination))]
    pub(super) stats: Option<Destination>,

    /// Say on standard error what was done: phases, times, counts, warnings, memory
    #[arg(short, long)]
    pub(super) verbose: bool,

    /// Show no progress bar
    #[arg(short, long)]
    pub(super) quiet: bool,
}

/// What is encoded, and where the parts of it are looked for.
#[derive(Debug, Args)]
pub(super) struct OptionArgs {
    /// What to encode: names, default or none, +name and -name, with commas between them
    ///
    /// A list that begins with +name or -name changes the default set. The names are encode_force, var, float,
    /// decl_tag, type_tag, enum64, optimized_func, consistent_func, decl_tag_kfuncs (these are the default),
    /// reproducible_build, distilled_base, global_var, attributes, true_signature, layout and
    /// force_cu_merging.
    #[arg(long, value_name = "LIST", value_parser = features, allow_hyphen_values = true)]
    features: Option<Features>,

    /// Order of the types
    #[arg(long, value_name = "ORDER", default_value = "name", hide_possible_values = true)]
    #[arg(help = "Order of the types: name, as kernels from 7.0 search them, or first occurrence")]
    order: OrderName,

    /// Make one dimension of arrays with several, as encoders before pahole 1.32 did
    #[arg(long)]
    flat_arrays: bool,

    /// Leave out units in these languages: names such as rust, c++ or asm, or DW_LANG numbers
    ///
    /// A name without a year means every edition of the language.
    #[arg(long, value_name = "LIST", value_parser = languages)]
    lang_exclude: Option<Languages>,

    /// Encode units in these languages only
    #[arg(long, value_name = "LIST", value_parser = languages, conflicts_with = "lang_exclude")]
    lang: Option<Languages>,

    /// The file that has the symbols, if INPUT has only the debugging information
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    elf: Option<PathBuf>,

    /// The supplementary file that dwz made beside INPUT, if it is not where INPUT says
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    alt: Option<PathBuf>,

    /// The package of split DWARF, if it is not INPUT.dwp
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    dwp: Option<PathBuf>,

    /// A directory with debugging information by build id and path, like /usr/lib/debug; may be repeated
    #[arg(long, hide_short_help = true, value_name = "DIR")]
    debug_dir: Vec<PathBuf>,
}

impl OptionArgs {
    pub(super) fn options(self, distill_base: bool) -> Options {
        let mut options = Options::default();
        options.features = self.features.unwrap_or(Features::DEFAULT);
        if distill_base {
            options.features = options.features.with(Features::DISTILLED_BASE);
        }
        options.order = match self.order {
            OrderName::Name => Order::Name,
            OrderName::First => Order::First,
        };
        options.flat_arrays = self.flat_arrays;
        options.lang_exclude = self.lang_exclude.map(|l| l.0).unwrap_or_default();
        options.lang_only = self.lang.map(|l| l.0).unwrap_or_default();
        let search = &mut options.search;
        (search.symbols, search.supplementary, search.package) = (self.elf, self.alt, self.dwp);
        search.debug_directories.splice(0..0, self.debug_dir);
        options
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OrderName {
    Name,
    First,
}

/// A list of `DW_LANG` codes; a plain vector would make clap collect several values.
#[derive(Debug, Clone)]
struct Languages(Vec<u16>);

/// `-` is standard output; an empty name is none.
pub(super) fn destination(text: OsString) -> Result<Destination, &'static str> {
    match text.as_encoded_bytes() {
        b"" => Err("an empty file name"),
        b"-" => Ok(Destination::Stdout),
        _ => Ok(Destination::File(text.into())),
    }
}

/// More workers than this are a slip of the finger, and would only use up the machine.
const MAX_JOBS: usize = 4096;

pub(super) fn jobs(text: &str) -> Result<Jobs, String> {
    let count = text.parse().ok().filter(|n: &NonZeroUsize| n.get() <= MAX_JOBS);
    count.map(Jobs::Exactly).ok_or_else(|| format!("not a number from 1 to {MAX_JOBS}"))
}

/// A set of features: items of a list, applied from left to right to nothing, or to the default set if the
/// first item is a change.
fn features(list: &str) -> Result<Features, String> {
    let mut set = if list.starts_with(['+', '-']) { Features::DEFAULT } else { Features::NONE };
    for item in list.split(',').map(str::trim) {
        let (remove, name) = match item.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, item.strip_prefix('+').unwrap_or(item)),
        };
        let named = match name {
            "default" => Some(Features::DEFAULT),
            "none" => Some(Features::NONE),
            name => Features::named(name),
        };
        let Some(named) = named else {
            let known: Vec<_> = Features::NAMES.iter().map(|(name, _)| *name).collect();
            return Err(format!("unknown feature '{name}'; known are default, none, {}", known.join(", ")));
        };
        set = if remove { set.without(named) } else { set.with(named) };
    }
    Ok(set)
}

fn languages(list: &str) -> Result<Languages, String> {
    language::codes(list).map(Languages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_features() {
        let default = Features::DEFAULT;
        assert_eq!(features("default"), Ok(default));
        assert_eq!(features("none"), Ok(Features::NONE));
        assert_eq!(features("var,float"), Ok(Features::VAR.with(Features::FLOAT)));
        assert_eq!(features("+layout"), Ok(default.with(Features::LAYOUT)));
        assert_eq!(features("-float,+layout"), Ok(default.without(Features::FLOAT).with(Features::LAYOUT)));
        assert_eq!(features("var,-var"), Ok(Features::NONE));
        assert_eq!(features("default,-var,global_var"), {
            Ok(default.without(Features::VAR).with(Features::GLOBAL_VAR))
        });
        for wrong in ["", "var,", "flaot", "all", "+", "--float"] {
            assert!(features(wrong).is_err_and(|e| e.contains("decl_tag_kfuncs")), "{wrong:?}");
        }
    }
}
