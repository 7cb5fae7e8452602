//! The options of `btfgen` itself, and from them the help, the manual page and the completions.

use std::ffi::OsString;
use std::path::PathBuf;

use btfgen::Error;
use btfgen::elf::insert::Signature;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::{ContextKind, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use super::admit::AdmitArgs;
use super::estimate::EstimateArgs;
use super::inspect::{CheckArgs, DiffArgs, DumpArgs, WhyArgs};
use super::options::{EncodingArgs, TellingArgs, destination};
use super::output::Destination;
use super::{EXIT_STATUS, check, diff, dump, encode, modules, why};

/// What was asked for.
pub(crate) enum Command {
    /// Encode a file.
    Encode(Box<encode::Request>),
    /// Encode many files.
    Modules(Box<modules::Request>),
    /// Check files.
    Check(check::Request),
    /// Say what an encode will take.
    Estimate(EstimateArgs),
    /// Ask for a share of the machine, or about it.
    Admit(Box<AdmitArgs>),
    /// Compare two BTFs.
    Diff(diff::Request),
    /// Show BTF.
    Dump(dump::Request),
    /// Explain what becomes of a name.
    Why(Box<why::Request>),
    /// Write a text to standard output.
    Text(Vec<u8>),
}

/// Reads a command line, the name of the program first.
///
/// # Errors
/// What clap has to say: a mistake, or the help or the version that was asked for.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, clap::Error> {
    let mut definition = definition();
    let mut matches = definition.try_get_matches_from_mut(args)?;
    if matches.subcommand_name().is_none() {
        if !matches.contains_id("input") {
            return Err(definition.error(ErrorKind::MissingRequiredArgument, "no INPUT was given"));
        }
        let args = EncodeArgs::from_arg_matches_mut(&mut matches);
        let args = args.map_err(|e| e.format(&mut definition))?;
        return Ok(Command::Encode(Box::new(args.request())));
    }
    match Sub::from_arg_matches_mut(&mut matches).map_err(|e| e.format(&mut definition))? {
        Sub::Encode(args) => Ok(Command::Encode(Box::new(args.request()))),
        Sub::Modules(args) => Ok(Command::Modules(Box::new(args.request()))),
        Sub::Check(args) => Ok(Command::Check(args.request())),
        Sub::Diff(args) => Ok(Command::Diff(args.request())),
        Sub::Dump(args) => Ok(Command::Dump(args.request())),
        Sub::Why(args) => Ok(Command::Why(Box::new(args.request()))),
        Sub::Estimate(args) => Ok(Command::Estimate(args)),
        Sub::Admit(args) => Ok(Command::Admit(args)),
        Sub::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut definition, NAME, &mut text);
            Ok(Command::Text(text))
        }
        Sub::Man { command } => manual(definition, command.as_deref()).map(Command::Text),
    }
}

/// A mistake in the command line, in one line.
pub(crate) fn usage_error(error: &clap::Error) -> Error {
    const HINT: &str = "see btfgen --help";
    // A second INPUT looks like a command that comes too late.
    if let (ErrorKind::ArgumentConflict, Some(word)) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    {
        let message = format!(
            "unexpected argument '{word}': there is one INPUT, and a command comes first; btfgen modules takes several files"
        );
        return Error::usage(message).hint(HINT);
    }
    let text = error.render().to_string();
    // Paragraphs: the mistake, tips, `Usage: ...`, and where to read more.
    let paragraphs = text.split("\n\n").take_while(|p| !p.starts_with("Usage:"));
    let paragraphs: Vec<_> = paragraphs
        .filter(|p| !p.starts_with("For more information"))
        .map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let message = paragraphs.join("; ");
    Error::usage(message.strip_prefix("error: ").unwrap_or(&message)).hint(HINT)
}

const NAME: &str = "btfgen";

const EXAMPLES: [(&str, &str); 5] = [
    ("btfgen vmlinux -o vmlinux.btf", "encode on as many CPUs as there are"),
    ("btfgen -j 8 -v vmlinux -o vmlinux.btf", "on 8, and say what was done"),
    ("btfgen --features +global_var,-float vmlinux -o vmlinux.btf", "the default set, changed"),
    ("btfgen --lang-exclude rust,c++ --stats stats.json vmlinux -o vmlinux.btf", "leave languages out"),
    ("btfgen check --kernel 6.1 --base /sys/kernel/btf/vmlinux module.ko", "would that kernel take it?"),
];

/// The definition of the command line, with examples and exit statuses.
fn definition() -> clap::Command {
    let mut more = String::from("Examples:\n");
    for (command, what) in EXAMPLES {
        more.push_str(&format!("  {command}\n      {what}\n"));
    }
    more.push_str("\nExit status:\n");
    for (code, what) in EXIT_STATUS {
        more.push_str(&format!("  {code:2}  {what}\n"));
    }
    let brief = format!("Example: {}\n", EXAMPLES[0].0);
    let program = Cli::command();
    let about = program.get_about().cloned().unwrap_or_default();
    let long_about = program.get_long_about().cloned().unwrap_or_default();
    // What stands without a command is an encode; its options bring descriptions of their own.
    let program = EncodeArgs::augment_args(program).about(about).long_about(long_about);
    program.after_help(brief).after_long_help(more)
}

/// The manual page of the program or of one of its commands.
fn manual(mut definition: clap::Command, command: Option<&str>) -> Result<Vec<u8>, clap::Error> {
    definition.build();
    let mut page = definition.clone();
    if let Some(command) = command {
        let known = definition.find_subcommand(command).cloned();
        let message = format!("no command '{command}'");
        page = known.ok_or_else(|| definition.error(ErrorKind::InvalidSubcommand, message))?;
        page = page.version(env!("CARGO_PKG_VERSION"));
    }
    // The examples get a section of their own: in a manual page, lines of a help text run together.
    let man = clap_mangen::Man::new(page.after_help(None).after_long_help(None));
    let mut text = Vec::new();
    man.render(&mut text).map_err(|e| definition.error(ErrorKind::Io, e))?;
    let literal = |text: &str| text.replace('\\', "\\\\").replace('-', "\\-");
    let mut more = String::from(".SH \"EXIT STATUS\"\n");
    for (code, what) in EXIT_STATUS {
        more.push_str(&format!(".TP\n{code}\n{}\n", literal(what)));
    }
    if command.is_none() {
        more.push_str(".SH EXAMPLES\n");
        for (command, what) in EXAMPLES {
            more.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", literal(command), literal(what)));
        }
    }
    text.extend_from_slice(more.as_bytes());
    Ok(text)
}

/// Make BTF of the DWARF of a Linux kernel.
///
/// Reads the DWARF debugging information of a vmlinux on all CPUs and writes it as BTF, the type format of
/// BPF: deduplicated, checked by the rules of the kernel, and the same bytes for any number of workers.
/// The word encode may be left out.
///
/// Nothing is printed on success. The output appears whole or not at all.
#[derive(Debug, Parser)]
#[command(name = NAME, version, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Encode a file; what btfgen does without a command
    Encode(EncodeArgs),
    /// Encode many files in one run, such as all modules of a kernel
    ///
    /// The base is read once. Each file gets an output of its own, and a line of result on standard output when it
    /// is done. One that fails does not stop the others; the exit status is then 1.
    Modules(ModulesArgs),
    /// Check BTF by the rules of the kernel
    ///
    /// One line on standard output for each broken rule: the file, the level of the rule, the type with its
    /// id and name, and the reason.
    ///
    /// Levels: container and records hold for every BTF that a kernel loads, resolve for those that programs
    /// load, target for kernels before the version given with --kernel; hygiene is what no kernel refuses
    /// but nobody should write.
    Check(CheckArgs),
    /// Say what memory an encode of a file will take, by its headers alone
    Estimate(EstimateArgs),
    /// Run a command when there is room for it, or show what memory and CPUs may be used here
    ///
    /// Commands that are run this way, and btfgen itself, share the memory of the machine without a daemon: each
    /// says what it needs and waits until that fits, first come, first served. One may always run. What a command
    /// held is free when it ends, however it ends. The exit status is that of the command.
    Admit(Box<AdmitArgs>),
    /// Compare two BTFs as graphs: ids and order do not matter
    ///
    /// Each cause is reported once, by category; how many types differ only because they contain it is counted
    /// there.
    Diff(DiffArgs),
    /// Show BTF as text, as JSON or as a C header
    ///
    /// raw is the form of bpftool btf dump; json is documented with btfgen::dump::json; c is a header for BPF
    /// programs, vmlinux.h, with the types of the base and of every FILE in one.
    Dump(DumpArgs),
    /// Explain why a function, type or variable is in the BTF of a file, or is not
    ///
    /// The file is encoded as with the same options of encode, and nothing is written. What is told are the
    /// decisions of that encode: what was kept, what was left out, for which reason (the codes of --stats), and what
    /// each unit says about it.
    Why(WhyArgs),
    /// Write a completion script for a shell to standard output
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual page to standard output
    Man {
        /// A command, for a page of its own
        command: Option<String>,
    },
}

#[derive(Debug, Args)]
struct EncodeArgs {
    /// ELF file with DWARF debugging information, such as vmlinux
    input: PathBuf,

    /// Where the BTF goes; - for standard output, unless that is a terminal
    ///
    /// A regular file is written beside its place and renamed, so that a failure leaves what was there. It gets
    /// the mode of a new file.
    #[arg(short, long, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(destination))]
    #[arg(required_unless_present = "in_place")]
    output: Option<Destination>,

    /// Put the BTF into INPUT itself, as section .BTF
    ///
    /// All other sections, symbols and addresses stay as they are. The file is written beside its place and
    /// renamed, with the same mode and owner. A base that is distilled becomes section .BTF.base.
    #[arg(short, long, conflicts_with = "output")]
    in_place: bool,

    /// Take the signature off a module that is encoded in place; without this option it is an error
    #[arg(long, conflicts_with = "output")]
    drop_signature: bool,

    /// Distill the base: write what the output needs of it to FILE.base, beside the output FILE
    ///
    /// The output is then split from that and can be loaded above other builds of the kernel (6.11 and later):
    /// as section .BTF of a module that has FILE.base as section .BTF.base. The same as --features
    /// +distilled_base.
    #[arg(long, requires = "base")]
    distill_base: bool,

    #[command(flatten)]
    encoding: EncodingArgs,

    #[command(flatten)]
    telling: TellingArgs,
}

impl EncodeArgs {
    fn request(self) -> encode::Request {
        let EncodingArgs { base, jobs, options, wishes } = self.encoding;
        let TellingArgs { stats, verbose, quiet } = self.telling;
        let signature = if self.drop_signature { Signature::Drop } else { Signature::Refuse };
        encode::Request {
            // The definition has one or the other be given.
            output: self.output.unwrap_or_else(|| Destination::Input(self.input.clone())),
            signature,
            without_dwarf: encode::WithoutDwarf::Error,
            input: self.input,
            base,
            options: options.options(self.distill_base),
            jobs: jobs.unwrap_or_default(),
            wishes: wishes.all(),
            stats,
            verbose,
            progress: !quiet,
        }
    }
}

#[derive(Debug, Args)]
struct ModulesArgs {
    /// Files, or directories: all .ko, .ko.xz, .ko.gz and .ko.zst below them
    #[arg(required = true, value_name = "DIR|FILE")]
    inputs: Vec<PathBuf>,

    /// The directory of the outputs, which is made if need be: NAME.ko becomes NAME.btf; with --merge the output
    #[arg(short, long, value_name = "DIR", value_parser = OsStringValueParser::new().try_map(destination))]
    #[arg(required_unless_present = "in_place")]
    output: Option<Destination>,

    /// Make one BTF of all, with every type once; if a file fails, none
    ///
    /// Functions and variables of equal name and type are one as well. Sections of variables are those of each
    /// file.
    #[arg(long, conflicts_with_all = ["in_place", "distill_base"])]
    merge: bool,

    /// Put the BTF into each file itself, as section .BTF
    #[arg(short, long, conflicts_with = "output")]
    in_place: bool,

    /// Rewrite signed modules as well: their signature is taken off
    #[arg(long, conflicts_with = "output")]
    force: bool,

    /// Distill the base for each output: NAME.btf.base, or section .BTF.base
    #[arg(long, requires = "base")]
    distill_base: bool,

    #[command(flatten)]
    encoding: EncodingArgs,

    /// Write the results as JSON, one object in a line: module, ok, and bytes, types, functions or error
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    telling: TellingArgs,
}

impl ModulesArgs {
    fn request(self) -> modules::Request {
        let EncodingArgs { base, jobs, options, wishes } = self.encoding;
        let TellingArgs { stats, verbose, quiet } = self.telling;
        modules::Request {
            inputs: self.inputs,
            base,
            outputs: match self.output {
                None => modules::Outputs::InPlace,
                Some(output) if self.merge => modules::Outputs::Merged(output),
                Some(directory) => modules::Outputs::Directory(directory.path().to_owned()),
            },
            signature: if self.force { Signature::Drop } else { Signature::Refuse },
            options: options.options(self.distill_base),
            jobs: jobs.unwrap_or_default(),
            wishes: wishes.all(),
            json: self.json,
            stats,
            verbose,
            progress: !quiet,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use btfgen::Features;

    fn command(words: &[&str]) -> Result<Command, clap::Error> {
        parse([NAME].iter().chain(words).map(OsString::from))
    }

    fn encode_request(words: &[&str]) -> encode::Request {
        match command(words) {
            Ok(Command::Encode(request)) => *request,
            _ => panic!("{words:?} is no encode"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn the_word_encode_may_be_left_out() {
        let long = encode_request(&["encode", "-j", "3", "a", "-o", "b", "--order=first", "--flat-arrays"]);
        let bare = encode_request(&["-j3", "a", "--output=b", "--order", "first", "--flat-arrays"]);
        assert_eq!(format!("{long:?}"), format!("{bare:?}"));
        assert_eq!(bare.output, Destination::File("b".into()));
        assert_eq!(bare.jobs.count(), 3);
        let changed = encode_request(&["a", "-o", "b", "--features", "-float"]);
        assert_eq!(changed.options.features, Features::DEFAULT.without(Features::FLOAT));
        let after = encode_request(&["-o", "-", "--", "--odd"]);
        assert_eq!(after.input, PathBuf::from("--odd"));
        assert_eq!(after.output, Destination::Stdout);
    }

    #[test]
    fn the_help_names_every_feature_and_level() {
        let mut definition = definition();
        let help = definition.render_long_help().to_string();
        for (name, _) in Features::NAMES {
            assert!(help.contains(name), "{name}");
        }
        let check = definition.find_subcommand_mut("check").map(|c| c.render_help().to_string());
        for (name, _) in check::LEVELS {
            assert!(check.as_ref().is_some_and(|help| help.contains(name)), "{name}");
        }
    }
}
