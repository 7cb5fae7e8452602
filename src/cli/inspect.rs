//! The options of the commands that look at BTF, or at how it is made: `dump`, `diff` and `why`.

use std::path::PathBuf;

use btfgen::Jobs;
use btfgen::dump::COptions;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::admit::OwnWishes;
use super::diff;
use super::dump::{self, Format};
use super::native::{OptionArgs, destination, jobs};
use super::output::Destination;
use super::why;

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

    /// What the output would continue: raw BTF or an ELF file with a section .BTF, such as the vmlinux of a module
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// Number of workers; the default is the CPUs that affinity and cgroup allow
    #[arg(short, long, value_name = "N", value_parser = jobs)]
    jobs: Option<Jobs>,

    #[command(flatten)]
    options: OptionArgs,

    #[command(flatten)]
    wishes: OwnWishes,

    /// Answer in JSON: one object with a schema_version, within which keys are only added
    #[arg(long)]
    json: bool,

    /// Show every place, not only the first ones; JSON has them all
    #[arg(short, long)]
    all: bool,
}

impl WhyArgs {
    pub(super) fn request(self) -> why::Request {
        why::Request {
            name: self.name,
            input: self.input,
            base: self.base,
            options: self.options.options(false),
            jobs: self.jobs.unwrap_or_default(),
            wishes: self.wishes.all(),
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
