//! The options of the commands that look at BTF, or at how it is made: `check`, `dump`, `diff` and `why`.

use std::path::PathBuf;

use btfgen::Jobs;
use btfgen::btf::{CheckOptions, KernelVersion, Levels};
use btfgen::dump::COptions;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::dump::{self, Format};
use super::options::{EncodingArgs, destination, jobs};
use super::output::Destination;
use super::why;
use super::{check, diff};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Raw BTF, or ELF files with a section .BTF; or directories: all .ko, .ko.xz, .ko.gz and .ko.zst below them
    ///
    /// Of modules in directories only the first violation of each is shown, and how many have none; those without BTF
    /// are no violation, unless all are.
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,

    /// What the files are split from: raw BTF or an ELF file, such as the vmlinux of modules
    ///
    /// A file that carries the section .BTF.base is checked above that one.
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// Rules to check: container, records, resolve, target, hygiene, with commas; the default is all
    #[arg(long, value_name = "LIST", value_parser = levels)]
    level: Option<Levels>,

    /// The oldest kernel that shall load it, such as 5.15, 6.1, 6.6 or 6.12, or latest; the default is 6.15
    ///
    /// For the level target: the kinds, flags, names and sections that the kernel knows.
    #[arg(long, value_name = "X.Y", value_parser = kernel)]
    kernel: Option<KernelVersion>,

    /// Demand that every member of every set of kfuncs in this ELF file, such as vmlinux, is tagged in the only FILE
    #[arg(long, value_name = "VMLINUX")]
    kfuncs: Option<PathBuf>,

    /// Number of threads; the default is the CPUs that affinity and cgroup allow
    #[arg(short, long, value_name = "N", value_parser = jobs)]
    jobs: Option<Jobs>,

    /// Demand the order that kernels from 7.0 expect of vmlinux: types without a name, then by name
    #[arg(long)]
    sorted: bool,

    /// Say on standard error for each file what was found
    #[arg(short, long)]
    verbose: bool,
}

impl CheckArgs {
    pub(super) fn request(self) -> check::Request {
        let mut options = CheckOptions::default();
        options.levels = self.level.unwrap_or(options.levels);
        if let Some(kernel) = self.kernel {
            options.target = Some(kernel);
            options.levels = options.levels.with(btfgen::btf::Level::Target);
        }
        if self.sorted {
            options.sorted_names = true;
            options.levels = options.levels.with(btfgen::btf::Level::Hygiene);
        }
        check::Request {
            files: self.files,
            base: self.base,
            kfuncs: self.kfuncs,
            options,
            jobs: self.jobs.unwrap_or_default(),
            verbose: self.verbose,
        }
    }
}

fn levels(list: &str) -> Result<Levels, String> {
    let mut set = Levels::NONE;
    for name in list.split(',').map(str::trim) {
        let Some((_, level)) = check::LEVELS.iter().find(|(n, _)| *n == name) else {
            let known = check::LEVELS.map(|(name, _)| name).join(", ");
            return Err(format!("unknown level '{name}'; known are {known}"));
        };
        set = set.with(*level);
    }
    Ok(set)
}

fn kernel(text: &str) -> Result<KernelVersion, String> {
    if text == "latest" {
        return Ok(KernelVersion::LATEST);
    }
    // 6.1.0-18-amd64 is what `uname -r` prints: what follows the minor number is of no interest.
    let mut parts = text.splitn(3, '.');
    let major = parts.next().and_then(|part| part.parse().ok());
    let minor = parts.next().map(|part| part.split('-').next().unwrap_or(part)).and_then(|p| p.parse().ok());
    match (major, minor) {
        (Some(major), Some(minor)) => Ok(KernelVersion::new(major, minor)),
        _ => Err("not a version such as 6.12, nor latest".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(super) struct DumpArgs {
    /// Raw BTF, or ELF files with a section .BTF; several only with --format c and --base
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The form: raw, json or c
    #[arg(long, value_name = "FORMAT", default_value = "raw", hide_possible_values = true)]
    format: FormatName,

    /// What the files are split from: raw BTF or an ELF file, such as the vmlinux of modules
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// In C, assert the size of every struct and the offset of every member
    #[arg(long)]
    asserts: bool,

    /// Where the text goes; the default is standard output
    #[arg(short, long, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(destination))]
    output: Option<Destination>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    Raw,
    Json,
    C,
}

impl DumpArgs {
    pub(super) fn request(self) -> dump::Request {
        let format = match self.format {
            FormatName::Raw => Format::Raw,
            FormatName::Json => Format::Json,
            FormatName::C => {
                let mut options = COptions::default();
                options.asserts = self.asserts;
                Format::C(options)
            }
        };
        let output = self.output.unwrap_or(Destination::Stdout);
        dump::Request { files: self.files, base: self.base, format, output }
    }
}

#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// A function, type or variable; also with the word before it: 'struct foo', 'func foo', 'var foo'
    name: String,

    /// ELF file with DWARF debugging information, such as vmlinux
    input: PathBuf,

    #[command(flatten)]
    encoding: EncodingArgs,

    /// Answer in JSON: one object with a schema_version, within which keys are only added
    #[arg(long)]
    json: bool,

    /// Show every place, not only the first ones; JSON has them all
    #[arg(short, long)]
    all: bool,
}

impl WhyArgs {
    pub(super) fn request(self) -> why::Request {
        let EncodingArgs { base, jobs, options, wishes } = self.encoding;
        why::Request {
            name: self.name,
            input: self.input,
            base,
            options: options.options(false),
            jobs: jobs.unwrap_or_default(),
            wishes: wishes.all(),
            json: self.json,
            all: self.all,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// Raw BTF, or an ELF file with a section .BTF; one without is taken at its DWARF
    before: PathBuf,

    /// What it is compared with; without it, the DWARF of the first file is compared with its own BTF
    after: Option<PathBuf>,

    /// Take the first file at its DWARF, even if it has BTF
    #[arg(long)]
    dwarf: bool,

    /// Report functions of the DWARF that the BTF has not
    #[arg(long)]
    functions: bool,

    /// The BTF has one dimension for arrays with several, as encoders before pahole 1.32 wrote
    #[arg(long)]
    flat_arrays: bool,

    /// What both are split from: raw BTF or an ELF file, such as the vmlinux of modules
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// The form: text, json or github
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    format: DiffFormatName,

    /// Only what is called so; * stands for any characters, ? for one
    #[arg(long, value_name = "NAME", num_args = 1.., value_terminator = ";")]
    only: Vec<String>,

    /// Nothing that is called so; may be given several times
    #[arg(long, value_name = "PATTERN")]
    ignore: Vec<String>,

    /// Only what breaks programs: no names of parameters, tags, linkage, declarations, copies
    #[arg(long)]
    abi: bool,

    /// Only how many differences there are of each category
    #[arg(long)]
    summary: bool,

    /// Colours: auto, always or never
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    color: When,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DiffFormatName {
    Text,
    Json,
    Github,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl DiffArgs {
    pub(super) fn request(self) -> diff::Request {
        diff::Request {
            dwarf: self.dwarf || self.after.is_none(),
            functions: self.functions,
            flat_arrays: self.flat_arrays,
            after: self.after.unwrap_or_else(|| self.before.clone()),
            before: self.before,
            base: self.base,
            format: match self.format {
                DiffFormatName::Text => diff::Format::Text,
                DiffFormatName::Json => diff::Format::Json,
                DiffFormatName::Github => diff::Format::Github,
            },
            only: self.only,
            ignore: self.ignore,
            abi: self.abi,
            summary: self.summary,
            color: match self.color {
                When::Auto => None,
                When::Always => Some(true),
                When::Never => Some(false),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_versions() {
        assert_eq!(kernel("6.12"), Ok(KernelVersion::new(6, 12)));
        assert_eq!(kernel("6.1.0-18-amd64"), Ok(KernelVersion::new(6, 1)));
        assert_eq!(kernel("7.0-rc3"), Ok(KernelVersion::new(7, 0)));
        assert!(kernel("latest") > kernel("99.9"));
        for wrong in ["", "6", "6.", "six.one", "-6.1"] {
            assert!(kernel(wrong).is_err(), "{wrong:?}");
        }
    }
}
