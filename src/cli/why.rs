//! Carries out a question: why a name is in the output of an encode, or is not.
//!
//! # The JSON
//!
//! One object. Within one `schema_version` keys are added, never removed or given another meaning. Every `reason`
//! and `fault` is a code that `--stats` counts by, or one that says why something is not even counted; what it
//! means stands in `sentence`. Addresses and offsets are in bytes. Ids are those of an encode with the same
//! options, null for what has none there.
//!
//! ```text
//! schema_version   1
//! input            path
//! name             what was asked for
//! function         null, or kept, reason, sentence, id, despite (the reason that would hold if it were no kfunc, or
//!                  null), is_kfunc, prototype, symbols [{name, address}...],
//!                  copies [{chosen, fault, findings [CODE...], role "code", "abstract" or "declaration", address,
//!                  prototype, places}...]
//! variables        [{kept, reason, sentence, id, address, section, type, places}...]
//! types            [{word "struct", "union", "enum", "typedef" or "base type",
//!                  definitions [{kept, reason, sentence, id, kind, size_bytes, difference, places}...],
//!                  declared (null, or kept, reason, sentence, id), declarations [PLACE...]}...]
//! left_out         [PLACE...] in units that are left out because of their language
//! ```
//!
//! `places` are `[{unit, unit_offset, die_offset, file, line}...]`, `file` and `line` null where nothing tells them.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use btfgen::why::{Answer, Copy, Definition, Function, Place, Type, Variable, Verdict, sentence};
use btfgen::{Base, Encoder, Error, Files, Image, Jobs, Options, Result};
use serde_json::{Value, json};

use super::admit::Wishes;
use super::share::Share;
use super::source::BaseFile;
use super::{one_line, output, signals};

/// Of the JSON.
const SCHEMA_VERSION: u32 = 1;

/// Places that are shown of each thing, unless all are asked for.
const PLACES_SHOWN: usize = 3;

/// A question as the command line asks it.
#[derive(Debug)]
pub(crate) struct Request {
    /// A name, perhaps with the word before it that says of what: `struct foo`.
    pub(crate) name: String,
    /// The ELF file that is encoded.
    pub(crate) input: PathBuf,
    /// What the output would continue.
    pub(crate) base: Option<PathBuf>,
    /// What is encoded.
    pub(crate) options: Options,
    /// On how many workers.
    pub(crate) jobs: Jobs,
    /// How to share the machine.
    pub(crate) wishes: Wishes,
    /// The answer is JSON.
    pub(crate) json: bool,
    /// All places are shown.
    pub(crate) all: bool,
}

/// Answers. The exit status is 1 if there is nothing of the name.
///
/// # Errors
/// The input cannot be encoded, or holds nothing of the name; or nothing can be written.
pub(crate) fn run(request: &Request) -> Result<ExitCode> {
    let (word, name) = split(&request.name);
    let mut base_file = request.base.as_deref().map(BaseFile::open).transpose()?;
    let base_size = base_file.as_ref().map(BaseFile::size).transpose()?.unwrap_or_default();
    signals::expect_of(&request.input);
    let image = Image::open(&request.input)?;
    let files = Files::open(&image, &request.options.search).map_err(|e| e.in_file(image.path()))?;
    let mut share = Share::for_encode(&files, base_size, request.jobs, &request.wishes)?;
    let btf = base_file.as_mut().map(BaseFile::btf).transpose()?;
    let base = btf.as_ref().map(Base::new);
    let mut encoder = Encoder::new(request.options.clone())
        .jobs(Jobs::Exactly(share.jobs()))
        .throttle(share.throttle().clone());
    if let Some(base) = &base {
        encoder = encoder.base(base);
    }
    let explained = encoder.explain(&files, &|met| met == name.as_bytes());
    share.give_back();
    let (_, mut why) = explained?;
    let answer = why.answers.pop().and_then(|answer| only(answer, word));
    let Some(answer) = answer else {
        let message = format!("there is no function, type or variable '{}' in it", one_line(&request.name));
        let similar = why.similar(name);
        let hint = if similar.is_empty() {
            "nothing that it holds is called alike".to_owned()
        } else {
            format!("there is {}", one_line(&similar.join(", ")))
        };
        return Err(Error::input(message).hint(hint).in_file(&request.input));
    };
    let text = if request.json { as_json(request, &answer) } else { as_text(request, &answer) };
    output::print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The words that may stand before a name.
const WORDS: [&str; 6] = ["struct", "union", "enum", "typedef", "func", "var"];

fn split(name: &str) -> (Option<&str>, &str) {
    match name.trim().split_once(' ') {
        Some((word, name)) if WORDS.contains(&word) => (Some(word), name.trim_start()),
        _ => (None, name.trim()),
    }
}

/// What there is of a name, of that sort only; `None` if that is nothing.
fn only(mut answer: Answer, word: Option<&str>) -> Option<Answer> {
    if let Some(word) = word {
        answer.function = answer.function.filter(|_| word == "func");
        answer.variables.retain(|_| word == "var");
        answer.types.retain(|ty| ty.word == word);
    }
    let is_empty = answer.function.is_none() && answer.variables.is_empty() && answer.types.is_empty();
    (!is_empty || !answer.left_out.is_empty()).then_some(answer)
}

fn as_text(request: &Request, answer: &Answer) -> String {
    let mut text = Text { out: String::new(), all: request.all };
    let name = one_line(&answer.name);
    if let Some(function) = &answer.function {
        text.function(&name, function);
    }
    for variable in &answer.variables {
        text.variable(&name, variable);
    }
    for ty in &answer.types {
        text.types(&name, ty);
    }
    if !answer.left_out.is_empty() {
        text.line(0, &format!("{name}: not looked at (language)"));
        text.line(1, sentence("language"));
        text.places(2, &answer.left_out);
    }
    text.out
}

struct Text {
    out: String,
    all: bool,
}

impl Text {
    fn line(&mut self, depth: usize, line: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.out, "{:width$}{}", "", one_line(line), width = 2 * depth);
    }

    /// `WHAT: kept as type ID`, or `WHAT: left out (REASON)`, and what that means.
    fn verdict(&mut self, depth: usize, what: &str, verdict: &Verdict) {
        let id = verdict.id.map_or(String::new(), |id| format!(", type {id}"));
        let word = if verdict.is_kept() { "kept" } else { "left out" };
        let reason = match verdict.reason {
            "kept" => String::new(),
            reason => format!(" ({reason})"),
        };
        self.line(depth, &format!("{what}: {word}{reason}{id}"));
        if verdict.reason != "kept" {
            self.line(depth + 1, sentence(verdict.reason));
        }
    }

    fn function(&mut self, name: &str, function: &Function) {
        self.verdict(0, &format!("func {name}"), &function.verdict);
        if let Some(prototype) = &function.prototype {
            self.line(1, prototype);
        }
        if function.is_kfunc {
            self.line(1, "a kfunc, and tagged as one");
        }
        if let Some(reason) = function.despite {
            self.line(1, &format!("kept only because it is a kfunc ({reason}): {}", sentence(reason)));
        }
        for (symbol, address) in &function.symbols {
            self.line(1, &format!("symbol {symbol} at {address:#x}"));
        }
        for copy in &function.copies {
            self.copy(copy, function.prototype.as_deref());
        }
    }

    fn copy(&mut self, copy: &Copy, known: Option<&str>) {
        let mut line = match copy.role {
            "code" if copy.address == 0 => "code without an address".to_owned(),
            "code" => format!("code at {:#x}", copy.address),
            "abstract" => "what its copies have in common".to_owned(),
            role => role.to_owned(),
        };
        if copy.is_chosen {
            line.push_str(", chosen");
        }
        match copy.fault {
            Some(fault) => line.push_str(&format!(", against it: {fault}")),
            None if copy.findings.is_empty() => {}
            None => line.push_str(&format!(", which does not matter: {}", copy.findings.join(", "))),
        }
        self.line(1, &line);
        if let Some(fault) = copy.fault {
            self.line(2, sentence(fault));
        }
        if let Some(prototype) = copy.prototype.as_deref().filter(|&prototype| Some(prototype) != known) {
            self.line(2, prototype);
        }
        self.places(2, &copy.places);
    }

    fn variable(&mut self, name: &str, variable: &Variable) {
        self.verdict(0, &format!("var {name}"), &variable.verdict);
        if let Some(type_name) = &variable.type_name {
            self.line(1, &format!("of type {type_name}"));
        }
        if let Some(address) = variable.address {
            let section = variable.section.as_ref().map_or(String::new(), |name| format!(" in {name}"));
            self.line(1, &format!("at {address:#x}{section}"));
        }
        self.places(1, &variable.places);
    }

    fn types(&mut self, name: &str, ty: &Type) {
        if ty.definitions.len() > 1 {
            self.line(0, &format!("{} {name}: {} different definitions", ty.word, ty.definitions.len()));
        }
        for definition in &ty.definitions {
            self.definition(&format!("{} {name}", ty.word), definition);
        }
        if let Some(declared) = &ty.declared {
            let what = format!("{} {name}, declared only", ty.word);
            if ty.definitions.is_empty() {
                self.verdict(0, &what, declared);
            } else {
                self.line(0, &format!("{what}, which means a definition"));
            }
            self.places(1, &ty.declarations);
        }
    }

    fn definition(&mut self, what: &str, definition: &Definition) {
        self.verdict(0, what, &definition.verdict);
        let size = definition.size_bytes.map_or(String::new(), |bytes| format!(", {bytes} bytes"));
        let count = definition.places.len();
        let units = if count == 1 { "1 unit".to_owned() } else { format!("{count} units") };
        self.line(1, &format!("{}{size}, in {units}", definition.kind));
        if let Some(difference) = &definition.difference {
            self.line(1, &format!("differs from the first: {difference}"));
        }
        self.places(1, &definition.places);
    }

    fn places(&mut self, depth: usize, places: &[Place]) {
        let shown = if self.all { places.len() } else { PLACES_SHOWN };
        for place in places.iter().take(shown) {
            let mut line = format!("unit {:#x}, DIE {:#x}", place.unit_offset, place.die_offset);
            if !place.unit.is_empty() {
                line = format!("{}: {line}", place.unit);
            }
            if let Some(file) = &place.file {
                let at = place.line.map_or(String::new(), |number| format!(":{number}"));
                line.push_str(&format!(", written at {file}{at}"));
            }
            self.line(depth, &line);
        }
        if let Some(more @ 1..) = places.len().checked_sub(shown) {
            self.line(depth, &format!("and {more} more"));
        }
    }
}

fn as_json(request: &Request, answer: &Answer) -> String {
    let value = json!({
        "schema_version": SCHEMA_VERSION,
        "input": request.input.to_string_lossy(),
        "name": answer.name,
        "function": answer.function.as_ref().map(function_json),
        "variables": list(&answer.variables, variable_json),
        "types": list(&answer.types, type_json),
        "left_out": list(&answer.left_out, place_json),
    });
    format!("{value:#}\n")
}

fn list<T>(items: &[T], each: impl Fn(&T) -> Value) -> Value {
    items.iter().map(each).collect()
}

/// The verdict, and what else there is to say of the same thing.
fn judged(verdict: &Verdict, mut more: Value) -> Value {
    if let Some(map) = more.as_object_mut() {
        map.insert("kept".to_owned(), verdict.is_kept().into());
        map.insert("reason".to_owned(), verdict.reason.into());
        map.insert("sentence".to_owned(), sentence(verdict.reason).into());
        map.insert("id".to_owned(), verdict.id.into());
    }
    more
}

fn function_json(function: &Function) -> Value {
    let symbol = |(name, address): &(String, u64)| json!({ "name": name, "address": address });
    let copy = |copy: &Copy| {
        json!({
            "chosen": copy.is_chosen,
            "fault": copy.fault,
            "findings": copy.findings,
            "role": copy.role,
            "address": copy.address,
            "prototype": copy.prototype,
            "places": list(&copy.places, place_json),
        })
    };
    let more = json!({
        "despite": function.despite,
        "is_kfunc": function.is_kfunc,
        "prototype": function.prototype,
        "symbols": list(&function.symbols, symbol),
        "copies": list(&function.copies, copy),
    });
    judged(&function.verdict, more)
}

fn variable_json(variable: &Variable) -> Value {
    let more = json!({
        "address": variable.address,
        "section": variable.section,
        "type": variable.type_name,
        "places": list(&variable.places, place_json),
    });
    judged(&variable.verdict, more)
}

fn type_json(ty: &Type) -> Value {
    let definition = |definition: &Definition| {
        let more = json!({
            "kind": definition.kind,
            "size_bytes": definition.size_bytes,
            "difference": definition.difference,
            "places": list(&definition.places, place_json),
        });
        judged(&definition.verdict, more)
    };
    json!({
        "word": ty.word,
        "definitions": list(&ty.definitions, definition),
        "declared": ty.declared.as_ref().map(|declared| judged(declared, json!({}))),
        "declarations": list(&ty.declarations, place_json),
    })
}

fn place_json(place: &Place) -> Value {
    json!({
        "unit": place.unit,
        "unit_offset": place.unit_offset,
        "die_offset": place.die_offset,
        "file": place.file,
        "line": place.line,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_word_may_stand_before_the_name() {
        use super::split;
        assert_eq!(split("struct foo"), (Some("struct"), "foo"));
        assert_eq!(split("func  foo "), (Some("func"), "foo"));
        assert_eq!(split("unsigned int"), (None, "unsigned int"));
        assert_eq!(split("foo"), (None, "foo"));
    }
}
