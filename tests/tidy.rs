//! The rules of the house, held by reading the sources: who may know whom, who may print, how long a file is.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::root;

/// All files below a directory, by their path from the repository.
fn files(dir: &str) -> Vec<(String, String)> {
    fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = dir.read_dir() else { return };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&root().join(dir), &mut found);
    found.sort();
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// The files of the repository that git knows or would take up: names and contents of those that are text.
fn repository() -> Vec<(String, String)> {
    let git = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output();
    let names: Vec<String> = match git {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8(output.stdout).unwrap();
            names.split('\0').filter(|n| !n.is_empty()).map(str::to_owned).collect()
        }
        _ => {
            common::skipped("no git: only src and tests are looked at");
            files("src").into_iter().chain(files("tests")).map(|f| f.0).collect()
        }
    };
    let text = |name: String| {
        let bytes = std::fs::read(root().join(&name)).ok()?;
        let text = String::from_utf8(bytes).ok().filter(|t| !t.contains('\0'))?;
        Some((name, text))
    };
    names.into_iter().filter_map(text).collect()
}

/// The code of a source file: no comments, no strings, no tests at the end of it.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\''") || rest.starts_with("b'\"'") {
            rest[2..].find('\'').map_or(rest.len(), |end| end + 3)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if c == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                end
            });
            end.map_or(rest.len(), |end| end + 2)
        } else {
            0
        };
        if skip > 0 {
            rest = &rest[skip..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// The modules of this crate that a piece of code names, by `crate::` and, in files that are not within
/// another room, by `super::`.
fn mentioned(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let identifier =
        |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(identifier(rest)),
            Some(list) => {
                let mut depth = 1;
                let mut start = true;
                for (i, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' => start = true,
                        c if c.is_whitespace() => {}
                        _ if start && depth == 1 => {
                            found.push(identifier(&list[i..]));
                            start = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The room of a source file: its directory below src, or its own name.
fn room(name: &str) -> &str {
    let inside = name.strip_prefix("src/").unwrap();
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn who_may_know_whom() {
    // What everybody may name: the error type, by its module or as the crate exports it.
    const EVERYBODY: [&str; 5] = ["error", "Error", "Result", "ErrorKind", "self"];
    let rules: BTreeMap<&str, &[&str]> = [
        ("error", &[] as &[&str]),
        ("btf", &[]),
        ("elf", &[]),
        ("dwarf", &[]),
        ("admission", &[]),
        ("symtab", &[]),
        ("options", &[]),
        ("report", &[]),
        ("pool", &["report", "options"]),
        ("table", &["btf"]),
        ("build", &["dwarf", "btf", "table", "options"]),
        ("merge", &["btf", "table", "options", "symtab"]),
        ("files", &["elf", "dwarf", "options"]),
        ("dump", &["btf"]),
        ("diff", &["btf"]),
        ("plain", &["diff"]),
    ]
    .into();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (name, text) in files("src") {
        let room = room(&name);
        let Some(allowed) = rules.get(room) else { continue };
        seen += 1;
        for module in mentioned(&code(&text)) {
            let known = EVERYBODY.contains(&module.as_str()) || allowed.contains(&module.as_str());
            if !known && module != room {
                wrong.push(format!("{name} names crate::{module}"));
            }
        }
    }
    assert!(seen > 30, "where are the sources?");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_pipeline_knows_all_formats() {
    let mut knowing = Vec::new();
    for (name, text) in files("src") {
        let mentioned = mentioned(&code(&text));
        let knows = |module: &str| mentioned.iter().any(|m| m == module);
        if knows("elf") && knows("dwarf") && knows("btf") {
            knowing.push(name);
        }
    }
    assert_eq!(knowing, ["src/encode.rs"]);
}

/// The formats' own libraries stay in the rooms of their formats.
#[test]
fn who_may_use_which_library() {
    let rules = [
        ("object::", vec!["elf", "encode", "files"]),
        ("memmap2::", vec!["elf", "cli"]),
        ("rayon::", vec!["pool", "encode", "merge"]),
        ("clap::", vec!["cli", "main"]),
        ("indicatif::", vec!["cli", "main"]),
        ("serde_json::", vec!["cli", "main", "dump"]),
    ];
    let mut wrong = Vec::new();
    for (name, text) in files("src") {
        let code = code(&text);
        for (library, rooms) in &rules {
            if code.contains(library) && !rooms.contains(&room(&name)) {
                wrong.push(format!("{name} uses {library}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_library_prints_nothing() {
    let mut wrong = Vec::new();
    for (name, text) in files("src") {
        if ["cli", "bin", "main"].contains(&room(&name)) {
            continue;
        }
        let code = code(&text);
        for word in
            ["print!", "println!", "eprint!", "eprintln!", "dbg!", "process::exit", "stdout()", "stderr()"]
        {
            let starts_a_word = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if code.match_indices(word).any(|(at, _)| starts_a_word(at)) {
                wrong.push(format!("{name}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_short_enough_to_read() {
    let long = |(name, text): (String, String)| {
        let lines = text.lines().count();
        (lines > 700).then(|| format!("{name}: {lines} lines"))
    };
    let long: Vec<_> = files("src").into_iter().filter_map(long).collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn files_say_what_they_are_for() {
    let mute: Vec<_> =
        files("src").into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|f| f.0).collect();
    assert!(mute.is_empty(), "{mute:#?}");
}

#[test]
fn nothing_is_left_to_do() {
    let words = ["TO", "DO"].concat();
    let fix = ["FIX", "ME"].concat();
    let todo = ["to", "do!("].concat();
    let unimplemented = ["unimpl", "emented!("].concat();
    let ignored = ["#[ign", "ore"].concat();
    let mut wrong = Vec::new();
    for (name, text) in repository() {
        for word in [&words, &fix, &todo, &unimplemented, &ignored] {
            let alone = |at: usize| {
                let letter = |c: char| c.is_alphanumeric() || c == '_';
                !text[..at].ends_with(letter) && !text[at + word.len()..].starts_with(letter)
            };
            if text.match_indices(word.as_str()).any(|(at, _)| alone(at)) {
                wrong.push(format!("{name}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn text_files_are_text_files() {
    let mut wrong = Vec::new();
    for (name, text) in repository() {
        if text.contains('\r') {
            wrong.push(format!("{name}: carriage return"));
        }
        if !text.is_empty() && !text.ends_with('\n') {
            wrong.push(format!("{name}: no newline at the end"));
        }
        if name.ends_with(".rs") && text.lines().any(|l| l.ends_with([' ', '\t'])) {
            wrong.push(format!("{name}: blanks at the end of a line"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whoever clones the repository has what it speaks of.
#[test]
fn the_repository_stands_alone() {
    let words = [
        ["/wo", "rk/"].concat(),
        ["/wo", "rk\""].concat(),
        ["../sha", "red"].concat(),
        ["/home", "/"].concat(),
        ["/ro", "ot/"].concat(),
        ["crates.io", "-mirror"].concat(),
        ["artifact", "ory"].concat(),
        ["pahole_", "behaviour"].concat(),
        ["btf_", "format.md"].concat(),
        ["design", ".md"].concat(),
        ["local", "host"].concat(),
    ];
    let mut wrong = Vec::new();
    for (name, text) in repository() {
        if name == ".ci/run" {
            continue;
        }
        for word in &words {
            // What other packages call theirs, and where the kernel's sources lie, is none of ours.
            if let Some(line) = text.lines().find(|line| line.contains(word.as_str())) {
                wrong.push(format!("{name}: {word}: {}", line.trim()));
            }
        }
        // The lock file names the registry that everybody has.
        if name == "Cargo.lock" {
            let other =
                text.lines().find(|l| l.starts_with("source =") && !l.contains("rust-lang/crates.io-index"));
            if let Some(line) = other {
                wrong.push(format!("{name}: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_code_gives_its_reason() {
    let mut wrong = Vec::new();
    for (name, text) in files("src").into_iter().chain(files("tests")) {
        let lines: Vec<_> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let line = line.trim();
            let word = ["unsa", "fe {"].concat();
            if !line.contains(&word) || line.starts_with("//") || line.contains("\"unsa") {
                continue;
            }
            let before = &lines[i.saturating_sub(6)..i];
            if !before.iter().any(|l| l.contains("SAFETY:")) {
                wrong.push(format!("{name}:{}", i + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The reading of sources above sees what it is meant to see.
#[test]
fn the_rules_can_be_broken() {
    assert_eq!(mentioned("use crate::{Error, elf::Image, dwarf::{Die, Unit}};"), ["Error", "dwarf", "elf"]);
    assert_eq!(mentioned("fn f(x: crate::table::Key) -> crate::Result<()>"), ["Result", "table"]);
    let source = "// crate::elf\nlet x = \"crate::dwarf \\\" \"; crate::btf::f('\"');\n#[cfg(test)]\nmod tests { crate::a }";
    assert_eq!(mentioned(&code(source)), ["btf"]);
    assert_eq!(room("src/btf/check/mod.rs"), "btf");
    assert_eq!(room("src/encode.rs"), "encode");
}
