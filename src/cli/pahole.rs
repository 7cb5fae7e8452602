//! The options of `pahole`, as far as they are about encoding BTF: what kernel builds pass, in their own
//! spelling and with their own meaning.
//!
//! Builds ask for the version dozens of times and decide by it which options exist, so it is answered before
//! anything else happens. What is not about encoding is handed to the real `pahole` if `BTFGEN_PAHOLE` names
//! one, and refused by name if not.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use btfgen::admission::jobserver::environment;
use btfgen::elf::insert::Signature;
use btfgen::{Error, Features, Jobs, Options};

use super::admit::Wishes;
use super::output::{self, Destination};
use super::{complain, encode, language, options, tell};

/// The version that is claimed, and whose options are understood. Builds put its digits together to a number
/// and compare that: there is no place in it for a name of our own.
const VERSION: &str = "1.31";

/// The exit status for a mistake in the command line, as builds know it.
const EXIT_USAGE: u8 = 64;

/// Runs a command line, the name of the program first. What goes wrong is told here: the exit statuses are
/// those of `pahole`, except that a run which writes nothing has not succeeded.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.skip(1).collect();
    let environment = Environment::read();
    let (error, code) = match parse(&args, &environment) {
        Ok(Command::Encode(requests)) => return encode_all(&requests),
        Ok(Command::Text(text)) => match output::print(text.as_bytes()) {
            Ok(_) => return ExitCode::SUCCESS,
            Err(error) => (error, 1),
        },
        Err(Mistake::Value(error)) => (error, 1),
        Err(Mistake::Usage(error)) => (error, EXIT_USAGE),
        Err(Mistake::Foreign(what)) => match &environment.other {
            Some(other) => (hand_over(other, &args), 1),
            None => {
                let error = Error::usage(format!("{what} is not about encoding BTF"));
                (error.hint("set BTFGEN_PAHOLE to the path of a pahole that shall do it"), EXIT_USAGE)
            }
        },
    };
    complain(&error);
    ExitCode::from(code)
}

/// Carries out one request after the other. One that fails does not stop those that follow.
fn encode_all(requests: &[encode::Request]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for request in requests {
        if let Err(error) = encode::run(request) {
            complain(&error);
            code = ExitCode::from(1);
        }
    }
    code
}

/// Becomes another program. Returns only if that fails.
fn hand_over(other: &OsStr, args: &[OsString]) -> Error {
    // Should that be this program again, it shall not go round in circles.
    let error = process::Command::new(other).args(args).env_remove("BTFGEN_PAHOLE").exec();
    Error::io("cannot run BTFGEN_PAHOLE", error).in_file(Path::new(other))
}

/// What counts of the environment.
#[derive(Debug, Default)]
struct Environment {
    /// `PAHOLE_LANG_EXCLUDE`: languages to leave out if no option names any.
    lang_exclude: Option<OsString>,
    /// `BTFGEN_PAHOLE_VERSION`: the version to claim.
    version: Option<OsString>,
    /// `BTFGEN_LAYOUT`, if it is 1: the feature `layout` is given to whoever asks for it.
    layout: bool,
    /// `BTFGEN_PAHOLE`: the program for everything else.
    other: Option<OsString>,
}

impl Environment {
    fn read() -> Self {
        let set = |name| environment(name).filter(|value| !value.is_empty());
        Environment {
            lang_exclude: set("PAHOLE_LANG_EXCLUDE"),
            version: set("BTFGEN_PAHOLE_VERSION"),
            layout: set("BTFGEN_LAYOUT").is_some_and(|value| value == "1"),
            other: set("BTFGEN_PAHOLE"),
        }
    }
}

/// What was asked for.
#[derive(Debug)]
enum Command {
    /// One request for each file.
    Encode(Vec<encode::Request>),
    Text(String),
}

/// Why nothing can be done.
#[derive(Debug)]
enum Mistake {
    /// A value makes no sense.
    Value(Error),
    /// The words do not.
    Usage(Error),
    /// That is an option of something else than encoding.
    Foreign(String),
}

fn usage(message: impl Into<String>) -> Mistake {
    Mistake::Usage(Error::usage(message).hint("see btfgen-pahole --help"))
}

fn value(message: impl Into<String>) -> Mistake {
    Mistake::Value(Error::usage(message))
}

/// What an option does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Encode,
    Detached,
    Base,
    Jobs,
    Features,
    FeaturesStrict,
    All,
    On(Features),
    Off(Features),
    Lang,
    LangExclude,
    KabiPrefix,
    Format,
    HashBits,
    Verbose,
    Supported,
    Version,
    NumericVersion,
    Claim,
    Help,
    /// Nothing any more, or nothing that could be different here.
    Nothing,
}

/// Whether an option has a value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Takes {
    No,
    /// Behind `=` or as the next word.
    Value,
    /// Behind `=` or in the same word.
    Perhaps,
}

struct Known {
    long: &'static str,
    short: Option<u8>,
    takes: Takes,
    does: Does,
    /// For the help: the name of the value and what the option is for.
    help: &'static str,
}

const fn known(long: &'static str, short: u8, takes: Takes, does: Does, help: &'static str) -> Known {
    Known { long, short: if short == 0 { None } else { Some(short) }, takes, does, help }
}

const OPTIONS: [Known; 31] = [
    known("btf_encode", b'J', Takes::No, Does::Encode, "Put BTF into FILE, as section .BTF"),
    known("btf_encode_detached", 0, Takes::Value, Does::Detached, "Write raw BTF to this file instead"),
    known("btf_base", 0, Takes::Value, Does::Base, "Split the BTF from that of this file"),
    known("jobs", b'j', Takes::Perhaps, Does::Jobs, "Number of workers; without one, as many as CPUs"),
    known("btf_features", 0, Takes::Value, Does::Features, "What to encode; names not known are ignored"),
    known("btf_features_strict", 0, Takes::Value, Does::FeaturesStrict, "Likewise, but they are errors"),
    known("supported_btf_features", 0, Takes::No, Does::Supported, "Print the names that are known"),
    known("btf_gen_all", 0, Takes::No, Does::All, "The same as --btf_features=default"),
    known("btf_gen_floats", 0, Takes::No, Does::On(Features::FLOAT), "Feature float"),
    known("btf_gen_optimized", 0, Takes::No, Does::On(Features::OPTIMIZED_FUNC), "Feature optimized_func"),
    known("btf_attributes", 0, Takes::No, Does::On(Features::ATTRIBUTES), "Feature attributes"),
    known("btf_encode_force", 0, Takes::No, Does::On(Features::ENCODE_FORCE), "Feature encode_force"),
    known("reproducible_build", 0, Takes::No, Does::On(Features::REPRODUCIBLE_BUILD), "Always so"),
    known("skip_encoding_btf_vars", 0, Takes::No, Does::Off(Features::VAR), "Without feature var"),
    known("skip_encoding_btf_decl_tag", 0, Takes::No, Does::Off(Features::DECL_TAG), "Without decl_tag"),
    known("skip_encoding_btf_type_tag", 0, Takes::No, Does::Off(Features::TYPE_TAG), "Without type_tag"),
    known("skip_encoding_btf_enum64", 0, Takes::No, Does::Off(Features::ENUM64), "Without enum64"),
    known(
        "skip_encoding_btf_inconsistent_proto",
        0,
        Takes::No,
        Does::On(Features::CONSISTENT_FUNC),
        "Feature consistent_func",
    ),
    known("lang", 0, Takes::Value, Does::Lang, "Encode units in these languages only"),
    known("lang_exclude", 0, Takes::Value, Does::LangExclude, "Leave out units in these languages"),
    known("kabi_prefix", 0, Takes::Value, Does::KabiPrefix, "Every name that begins with this becomes this"),
    known("format_path", b'F', Takes::Value, Does::Format, "dwarf, the only one that can be encoded"),
    known("hashbits", 0, Takes::Value, Does::HashBits, "Ignored: tables grow as they need"),
    known("skip_missing", 0, Takes::No, Does::Nothing, "Ignored: of no effect on encoding"),
    known("fixup_silly_bitfields", 0, Takes::No, Does::Nothing, "Ignored: they are what the compiler says"),
    known("verbose", b'V', Takes::No, Does::Verbose, "Say on standard error what was done"),
    known("version", 0, Takes::No, Does::Version, "Print the version whose options these are"),
    known("numeric_version", 0, Takes::No, Does::NumericVersion, "Print it as builds compare it"),
    known("claim", 0, Takes::Value, Does::Claim, "Claim another version, such as 1.30"),
    known("help", b'?', Takes::No, Does::Help, "Print this"),
    known("usage", 0, Takes::No, Does::Help, "Print this"),
];

/// The option with that long name, or the only one whose name begins so.
fn long(name: &[u8]) -> Result<&'static Known, Mistake> {
    let exact = OPTIONS.iter().find(|known| known.long.as_bytes() == name);
    let mut begun = OPTIONS.iter().filter(|known| known.long.as_bytes().starts_with(name));
    match (exact, begun.next(), begun.next()) {
        (Some(known), ..) | (None, Some(known), None) => Ok(known),
        (None, None, _) => Err(Mistake::Foreign(format!("option --{}", name.escape_ascii()))),
        (None, Some(a), Some(b)) => {
            let name = name.escape_ascii();
            Err(usage(format!("option --{name} is ambiguous: --{} or --{}", a.long, b.long)))
        }
    }
}

/// Reads a command line without the name of the program.
fn parse(args: &[OsString], environment: &Environment) -> Result<Command, Mistake> {
    let mut wanted = Wanted::new(environment);
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        if bytes == b"--" {
            wanted.files.extend(words.by_ref().map(PathBuf::from));
        } else if let Some(option) = bytes.strip_prefix(b"--") {
            let (name, own) = match option.iter().position(|&byte| byte == b'=') {
                Some(at) => (&option[..at], Some(&option[at + 1..])),
                None => (option, None),
            };
            let known = long(name)?;
            let value = match (known.takes, own) {
                (Takes::No, Some(_)) => return Err(usage(format!("option --{} takes no value", known.long))),
                (Takes::Value, None) => {
                    let next = words.next().map(|word| word.as_bytes());
                    Some(next.ok_or_else(|| usage(format!("option --{} needs a value", known.long)))?)
                }
                _ => own,
            };
            wanted.option(known, value)?;
        } else if bytes.len() > 1 && bytes.starts_with(b"-") {
            wanted.short_options(&bytes[1..], &mut words)?;
        } else {
            wanted.files.push(word.into());
        }
        if let Some(text) = wanted.text.take() {
            return Ok(Command::Text(text));
        }
    }
    wanted.command().map(Command::Encode)
}

/// What the words so far ask for.
struct Wanted<'e> {
    environment: &'e Environment,
    options: Options,
    encode: bool,
    detached: Option<PathBuf>,
    base: Option<PathBuf>,
    jobs: Jobs,
    verbose: bool,
    files: Vec<PathBuf>,
    /// A list of features was given.
    listed: bool,
    /// A strict list named the feature `layout`.
    layout: bool,
    languages: Option<OsString>,
    exclude: bool,
    version: Option<OsString>,
    /// A text that is all that was asked for.
    text: Option<String>,
}

impl<'e> Wanted<'e> {
    fn new(environment: &'e Environment) -> Self {
        let mut options = Options::default();
        let plain = [Features::VAR, Features::DECL_TAG, Features::TYPE_TAG, Features::ENUM64];
        options.features = plain.into_iter().fold(Features::NONE, Features::with);
        Wanted {
            environment,
            options,
            encode: false,
            detached: None,
            base: None,
            jobs: Jobs::Exactly(std::num::NonZeroUsize::MIN),
            verbose: false,
            files: Vec::new(),
            listed: false,
            layout: false,
            languages: None,
            exclude: false,
            version: environment.version.clone(),
            text: None,
        }
    }

    /// Options of one letter, which may stand together in a word.
    fn short_options<'w>(
        &mut self,
        mut letters: &'w [u8],
        words: &mut impl Iterator<Item = &'w OsString>,
    ) -> Result<(), Mistake> {
        while let Some((&letter, rest)) = letters.split_first() {
            let known = OPTIONS.iter().find(|known| known.short == Some(letter));
            let foreign = || Mistake::Foreign(format!("option -{}", letter.escape_ascii()));
            let known = known.ok_or_else(foreign)?;
            let missing = || usage(format!("option -{} needs a value", char::from(letter)));
            let value = match known.takes {
                Takes::No => None,
                Takes::Perhaps => Some(rest).filter(|rest| !rest.is_empty()),
                Takes::Value if rest.is_empty() => Some(words.next().ok_or_else(missing)?.as_bytes()),
                Takes::Value => Some(rest),
            };
            self.option(known, value)?;
            letters = if known.takes == Takes::No { rest } else { &[] };
        }
        Ok(())
    }

    fn option(&mut self, known: &Known, value: Option<&[u8]>) -> Result<(), Mistake> {
        let owned = || OsString::from_vec(value.unwrap_or_default().to_vec());
        match known.does {
            Does::Encode => self.encode = true,
            Does::Detached => self.detached = Some(owned().into()),
            Does::Base => self.base = Some(owned().into()),
            Does::Jobs => self.jobs = jobs(value)?,
            Does::Features => self.features(&String::from_utf8_lossy(value.unwrap_or_default()), false)?,
            Does::FeaturesStrict => {
                self.features(&String::from_utf8_lossy(value.unwrap_or_default()), true)?
            }
            Does::All => self.features("default", false)?,
            Does::On(feature) => self.options.features = self.options.features.with(feature),
            Does::Off(feature) => self.options.features = self.options.features.without(feature),
            Does::Lang => self.languages = Some(owned()),
            Does::LangExclude => {
                self.languages = Some(owned());
                self.exclude = true;
            }
            Does::KabiPrefix => self.options.kabi_prefix = value.unwrap_or_default().to_vec(),
            Does::Format if value == Some(b"dwarf") => {}
            Does::Format => {
                let format = String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
                return Err(Mistake::Foreign(format!("option --format_path={format}")));
            }
            Does::HashBits | Does::Nothing => {}
            Does::Verbose => self.verbose = true,
            Does::Supported => {
                let names: Vec<_> = supported().map(|(name, _)| name).collect();
                self.text = Some(names.join(",") + "\n");
            }
            Does::Version => self.text = Some(format!("v{}\n", self.claimed()?)),
            Does::NumericVersion => self.text = Some(self.claimed()?.replace('.', "") + "\n"),
            Does::Claim => self.version = Some(owned()),
            Does::Help => self.text = Some(help()),
        }
        Ok(())
    }

    /// A list of features. The first one begins with none of them.
    fn features(&mut self, list: &str, strict: bool) -> Result<(), Mistake> {
        if !std::mem::replace(&mut self.listed, true) {
            self.options.features = Features::NONE;
        }
        let mut set = self.options.features;
        let names = match list.strip_prefix('+') {
            Some(more) => {
                set = set.with(Features::DEFAULT);
                more
            }
            None => list,
        };
        for name in names.split(',').filter(|name| !name.is_empty()) {
            let feature = supported().find(|(known, _)| *known == name);
            match feature {
                // Of old it meant everything; taken by its word it would be an unknown name, and nothing.
                None if name == "default" || name == "all" => set = set.with(Features::DEFAULT),
                Some((_, Features::LAYOUT)) => self.layout |= strict || self.environment.layout,
                Some((_, feature)) => set = set.with(feature),
                None if strict => {
                    let known: Vec<_> = supported().map(|(name, _)| name).collect();
                    return Err(value(format!("unknown feature '{name}'; known are {}", known.join(","))));
                }
                // Builds ask for what the newest version knows.
                None if self.verbose => tell(&format!("btfgen: unknown feature '{name}' is ignored\n")),
                None => {}
            }
        }
        self.options.features = set;
        Ok(())
    }

    /// The version to print.
    fn claimed(&self) -> Result<String, Mistake> {
        let Some(version) = &self.version else { return Ok(VERSION.to_owned()) };
        let text = version.to_str().map(|text| text.strip_prefix('v').unwrap_or(text));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts = text.and_then(|text| text.split_once('.'));
        match parts {
            Some((major, minor)) if digits(major) && digits(minor) && minor.len() == 2 => {
                Ok(format!("{major}.{minor}"))
            }
            _ => Err(value(format!("{} is not a version such as 1.31", version.display()))),
        }
    }

    /// What all words ask for.
    fn command(mut self) -> Result<Vec<encode::Request>, Mistake> {
        if !self.encode && self.detached.is_none() {
            return Err(Mistake::Foreign("printing types, without option -J".to_owned()));
        }
        let files = std::mem::take(&mut self.files);
        if files.is_empty() {
            return Err(usage("no FILE was given"));
        }
        if files.len() > 1 {
            self.refuse_together(&files)?;
        }
        let from_environment = self.environment.lang_exclude.as_ref();
        if let Some(list) = self.languages.as_ref().or(from_environment) {
            let codes = language::codes(&list.to_string_lossy()).map_err(value)?;
            let exclude = self.exclude || self.languages.is_none();
            *(if exclude { &mut self.options.lang_exclude } else { &mut self.options.lang_only }) = codes;
        }
        if self.layout {
            self.options.features = self.options.features.with(Features::LAYOUT);
        }
        if self.detached.is_some() {
            // There is one file for two results; builds distill later in this case.
            self.options.features = self.options.features.without(Features::DISTILLED_BASE);
        }
        let request = |input: PathBuf| encode::Request {
            output: self
                .detached
                .clone()
                .map_or_else(|| Destination::Input(input.clone()), Destination::File),
            input,
            base: self.base.clone(),
            signature: Signature::Refuse,
            without_dwarf: encode::WithoutDwarf::Nothing,
            options: self.options.clone(),
            jobs: self.jobs,
            wishes: Wishes::default(),
            stats: None,
            verbose: self.verbose,
            progress: false,
        };
        Ok(files.into_iter().map(request).collect())
    }

    /// Several files that cannot be meant, before any of them is changed.
    fn refuse_together(&self, files: &[PathBuf]) -> Result<(), Mistake> {
        let is_number = |path: &PathBuf| path.to_str().is_some_and(|text| text.parse::<u32>().is_ok());
        let (error, hint) =
            match (files.iter().find(|path| is_number(path) && !path.exists()), &self.detached) {
                (Some(number), _) => (
                    format!("there is no file {}", number.display()),
                    "the number of jobs follows -j without a blank",
                ),
                (None, Some(output)) => (
                    format!("{} cannot hold the BTF of {} files", output.display(), files.len()),
                    "encode the files one by one",
                ),
                (None, None) => return Ok(()),
            };
        Err(Mistake::Usage(Error::usage(error).hint(hint)))
    }
}

/// The number of workers. Zero and less have always meant one.
fn jobs(value: Option<&[u8]>) -> Result<Jobs, Mistake> {
    let Some(value) = value else { return Ok(Jobs::Auto) };
    let text = String::from_utf8_lossy(value);
    let is_none = text.parse::<i64>().is_ok_and(|number| number <= 0);
    let count = if is_none { "1" } else { &text };
    options::jobs(count).map_err(|e| usage(format!("option --jobs: '{text}' is {e}")))
}

/// The features that `pahole` has, too.
fn supported() -> impl Iterator<Item = (&'static str, Features)> {
    Features::NAMES.into_iter().filter(|(_, feature)| *feature != Features::FORCE_CU_MERGING)
}

fn help() -> String {
    let mut text = String::from(
        "Usage: btfgen-pahole -J [OPTION...] FILE...\n\n\
         Encodes the DWARF of each FILE as BTF, called as kernel builds call pahole.\n\n",
    );
    for known in &OPTIONS {
        let short = known.short.map_or_else(|| "   ".to_owned(), |short| format!("-{},", char::from(short)));
        let takes = match known.takes {
            Takes::No => "",
            Takes::Value => "=VALUE",
            Takes::Perhaps => "[=N]",
        };
        text += &format!("  {short} {:42} {}\n", format!("--{}{takes}", known.long), known.help);
    }
    text += "\nEnvironment:\n\
             \x20 PAHOLE_LANG_EXCLUDE    languages to leave out if no option names any\n\
             \x20 BTFGEN_PAHOLE          a pahole for everything but encoding\n\
             \x20 BTFGEN_PAHOLE_VERSION  the version to claim, such as 1.30\n\
             \x20 BTFGEN_LAYOUT=1        give the feature layout to whoever asks for it\n\n\
             btfgen --help tells of more options under that name.\n";
    text
}
