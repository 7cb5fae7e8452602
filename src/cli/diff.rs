//! Carries out a comparison: two BTFs as graphs, in text, JSON, or annotations of GitHub.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use btfgen::btf::Btf;
use btfgen::diff::model::{Catalogue, Class, Symbols};
use btfgen::diff::{self, Category, Change, Mode, Variants};
use btfgen::plain::{self, Wanted};
use btfgen::{Error, Result};
use serde_json::json;

use super::source::{BaseFile, Source};
use super::{one_line, output};

/// Of JSON: keys are added within a version.
const SCHEMA_VERSION: u32 = 1;

/// A comparison as the command line asks for it.
#[derive(Debug)]
pub(crate) struct Request {
    /// The first: raw BTF, an ELF file with a section `.BTF`.
    pub(crate) before: PathBuf,
    /// The second.
    pub(crate) after: PathBuf,
    /// The first at its DWARF.
    pub(crate) dwarf: bool,
    /// Of DWARF: report functions that are not in the BTF.
    pub(crate) functions: bool,
    /// Of DWARF: one dimension for arrays with several.
    pub(crate) flat_arrays: bool,
    /// What both are split from.
    pub(crate) base: Option<PathBuf>,
    /// The form.
    pub(crate) format: Format,
    /// Patterns of names: only these.
    pub(crate) only: Vec<String>,
    /// Patterns of names: not these.
    pub(crate) ignore: Vec<String>,
    /// Only what breaks programs.
    pub(crate) abi: bool,
    /// Only numbers.
    pub(crate) summary: bool,
    /// With colours: by default on terminals.
    pub(crate) color: Option<bool>,
}

/// The forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    Github,
}

/// Carries it out: exit status 0 for the same, 1 for different ones, 2 for trouble.
///
/// # Errors
/// None that was not told: the exit status 2 is that of every error, since 1 says something else.
pub(crate) fn run(request: &Request) -> ExitCode {
    let changes = changes(request).and_then(|changes| {
        output::print(text(request, &changes).as_bytes())?;
        Ok(changes.is_empty())
    });
    match changes {
        Ok(same) => ExitCode::from(u8::from(!same)),
        Err(error) => {
            super::complain(&error);
            ExitCode::from(2)
        }
    }
}

fn changes(request: &Request) -> Result<Vec<Change>> {
    let mut base_file = request.base.as_deref().map(BaseFile::open).transpose()?;
    let base = base_file.as_mut().map(BaseFile::btf).transpose()?;
    let mut symbols = Symbols::default();
    let source = Source::open(&request.before)?;
    let mut changes = if request.dwarf || source.is_only_dwarf() {
        let b = catalogue(&request.after, base.as_ref(), &mut symbols, Variants::Together)?;
        let names = |class: Class| b.definitions.keys().filter(|k| k.0 == class).map(|k| k.1).collect();
        let wanted = Wanted {
            functions: (!request.functions).then(|| names(Class::Function)),
            variables: Some(names(Class::Variable)),
            flat_arrays: request.flat_arrays,
        };
        let a = from_dwarf(&source, &mut symbols, &wanted).map_err(|e| e.in_file(&request.before))?;
        diff::compare(&a, &b, &symbols, Mode::Encoded { functions: request.functions })
    } else {
        let a = catalogue(&request.before, base.as_ref(), &mut symbols, Variants::Apart)?;
        let b = catalogue(&request.after, base.as_ref(), &mut symbols, Variants::Apart)?;
        diff::compare(&a, &b, &symbols, Mode::Equal)
    };
    let any =
        |patterns: &[String], name: &str| patterns.iter().any(|p| matches(p.as_bytes(), name.as_bytes()));
    changes.retain(|c| {
        (request.only.is_empty() || any(&request.only, &c.name))
            && !any(&request.ignore, &c.name)
            && (!request.abi || c.category.is_abi())
    });
    Ok(changes)
}

/// What a file says in DWARF.
fn from_dwarf(source: &Source, symbols: &mut Symbols, wanted: &Wanted) -> Result<Catalogue> {
    let Source::Elf(image) = source else {
        return Err(Error::input("is no ELF file, so there is no DWARF in it"));
    };
    let mut sections = Vec::new();
    for name in plain::SECTIONS {
        sections.push((name, image.debug_section(name.as_bytes())?));
    }
    let find = |name: &str| {
        let found = sections.iter().find(|(known, _)| *known == name);
        found.map_or(&[][..], |(_, content)| content)
    };
    plain::catalogue(source.is_big_endian(), find, symbols, wanted)
}

/// What a file says in BTF.
fn catalogue(
    path: &Path,
    base: Option<&Btf<'_>>,
    symbols: &mut Symbols,
    variants: Variants,
) -> Result<Catalogue> {
    let source = Source::open(path)?;
    let catalogue = source.with_btf(base, |btf| diff::catalogue(btf, symbols, variants));
    catalogue.map_err(|e: Error| e.in_file(path))
}

/// Whether a name is one of a pattern, in which `*` stands for any characters and `?` for one.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last star was, and how much it has eaten.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || Some(&c) == name.get(n) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, eaten)) => {
                    star = Some((at, eaten + 1));
                    p = at + 1;
                    n = eaten + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|&c| c == b'*'))
}

fn counts(changes: &[Change]) -> BTreeMap<Category, usize> {
    let mut counts = BTreeMap::new();
    changes.iter().for_each(|c| *counts.entry(c.category).or_default() += 1);
    counts
}

fn text(request: &Request, changes: &[Change]) -> String {
    match request.format {
        Format::Json => as_json(request, changes),
        Format::Github => changes.iter().map(|c| annotation(request, c)).collect(),
        Format::Text => {
            let color = request.color.unwrap_or_else(output::stdout_is_terminal);
            as_text(request, changes, color)
        }
    }
}

/// The subject on a line of its own, what differs below it.
fn as_text(request: &Request, changes: &[Change], color: bool) -> String {
    let paint = |code: &str, text: &str| match color {
        true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    };
    let mut text = String::new();
    if !request.summary {
        let mut subject = "";
        for change in changes {
            if change.subject != subject {
                subject = &change.subject;
                text.push_str(&paint("1", &one_line(subject)));
                text.push('\n');
            }
            let (sign, code) = match change.category {
                Category::Added | Category::MemberAdded | Category::EnumeratorAdded => ('+', "32"),
                Category::Removed | Category::MemberRemoved | Category::EnumeratorRemoved => ('-', "31"),
                _ => ('~', "33"),
            };
            let line = format!("  {sign} {}", one_line(&change.to_string()));
            text.push_str(&paint(code, &line));
            text.push('\n');
        }
    }
    for (category, count) in counts(changes) {
        text.push_str(&format!("{count:7} {category}\n"));
    }
    text
}

fn as_json(request: &Request, changes: &[Change]) -> String {
    let summary: serde_json::Map<String, serde_json::Value> =
        counts(changes).into_iter().map(|(c, n)| (c.name().to_owned(), json!(n))).collect();
    let mut list = Vec::new();
    if !request.summary {
        list.extend(changes.iter().map(|c| {
            json!({
                "category": c.category.name(),
                "subject": c.subject,
                "name": c.name,
                "path": c.path,
                "before": c.before,
                "after": c.after,
                "follow": c.follow,
                "more": c.more,
            })
        }));
    }
    let whole = json!({
        "schema_version": SCHEMA_VERSION,
        "same": changes.is_empty(),
        "before": request.before.display().to_string(),
        "after": request.after.display().to_string(),
        "summary": summary,
        "changes": list,
    });
    whole.to_string() + "\n"
}

/// A workflow command of GitHub: an annotation of the run.
fn annotation(request: &Request, change: &Change) -> String {
    let escape = |text: &str| one_line(text).replace('%', "%25");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let level = if change.category.is_abi() { "error" } else { "warning" };
    let file = property(&request.after.display().to_string());
    let title = property(&change.subject);
    format!("::{level} file={file},title={title}::{}\n", escape(&change.to_string()))
}

#[cfg(test)]
mod tests {

    #[test]
    fn patterns() {
        let matches = |p: &str, n: &str| super::matches(p.as_bytes(), n.as_bytes());
        for (pattern, name) in
            [("a", "a"), ("*", ""), ("a*", "a"), ("*b*", "abc"), ("a?c", "abc"), ("*a*a", "aaa")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "ab"), ("", "a"), ("a*b", "abc"), ("?", ""), ("*x", "abc")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
