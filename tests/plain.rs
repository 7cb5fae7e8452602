//! What the encoder makes of every fixture, held against a reader of DWARF that shares nothing with it.
//!
//! With `BTFGEN_TEST_KERNELS`, what it makes of kernels too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use btfgen::btf::Btf;
use btfgen::diff::model::{Class, Symbols};
use btfgen::diff::{Category, Change, Mode, Variants, catalogue, compare};
use btfgen::plain::{self, Wanted};
use btfgen::{Image, Result};
use common::{encode, skipped};

/// What a BTF has that its DWARF has not, and the other way round.
fn differences(path: &Path, bytes: &[u8]) -> Result<Vec<Change>> {
    let image = Image::open(path)?;
    let mut symbols = Symbols::default();
    let btf = catalogue(&Btf::parse(bytes)?, &mut symbols, Variants::Together)?;
    let names = |class: Class| Some(btf.definitions.keys().filter(|k| k.0 == class).map(|k| k.1).collect());
    let wanted =
        Wanted { functions: names(Class::Function), variables: names(Class::Variable), flat_arrays: false };
    let sections: Vec<_> = plain::SECTIONS
        .iter()
        .map(|name| Ok((*name, image.debug_section(name.as_bytes())?)))
        .collect::<Result<_>>()?;
    let find = |name: &str| sections.iter().find(|(n, _)| *n == name).map_or(&[][..], |(_, bytes)| bytes);
    let big = image.bytes()[5] == 2;
    let dwarf = plain::catalogue(big, find, &mut symbols, &wanted)?;
    Ok(compare(&dwarf, &btf, &symbols, Mode::Encoded { functions: false }))
}

fn names(changes: &[Change]) -> Vec<String> {
    changes.iter().map(|c| format!("{}: {c}", c.subject)).collect()
}

/// The fixtures, but for those whose DWARF lies in other files and those in languages that have no words in BTF.
fn fixtures() -> Vec<PathBuf> {
    let other = ["split", "dwzm", "debuglink", "stripped", ".dwo", "common"];
    let mut found: Vec<PathBuf> =
        common::fixtures().read_dir().unwrap().map(|f| f.unwrap().path()).filter(|f| f.is_file()).collect();
    found.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let program = PROGRAMS.iter().any(|p| name.starts_with(&format!("{p}-")));
        program && !other.iter().any(|part| name.contains(part))
    });
    found.sort();
    found
}

/// Programs in C, in one or several units.
const PROGRAMS: [&str; 12] = [
    "all",
    "arrays",
    "atomic",
    "base_types",
    "bit_int",
    "bitfields",
    "enums",
    "functions",
    "modifiers",
    "percpu",
    "structs",
    "tags",
];

#[test]
fn the_encoder_and_the_plain_reader_agree() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in fixtures() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(output) = common::encode(&path) else { continue };
        match differences(&path, &output.btf) {
            Ok(found) if found.is_empty() => seen += 1,
            Ok(found) => wrong.push((name, names(&found))),
            Err(error) => skipped(&format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 20, "only {seen} fixtures");
}

/// Whether an enum has a sign says its underlying type, behind any number of names.
#[test]
fn an_underlying_type_may_have_names() {
    let Some(gcc) = common::tool_or_skip("g++") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (source, object) = (dir.path().join("e.cc"), dir.path().join("e.o"));
    let text =
        "typedef long L; typedef L M; enum class A : M { x = 1 } a; enum class B : unsigned long { y } b;";
    std::fs::write(&source, text).unwrap();
    assert!(Command::new(gcc).args(["-g", "-c", "-o"]).args([&object, &source]).status().unwrap().success());
    let bytes = encode(&object).unwrap().btf;
    assert_eq!(names(&differences(&object, &bytes).unwrap()), Vec::<String>::new());
}

/// The check can fail: another program's BTF is not that of this one.
#[test]
fn another_program_differs() {
    let (Some(a), Some(b)) = (common::fixture("all-x86_64-gcc-dwarf5"), common::fixture("all-arm-gcc"))
    else {
        return;
    };
    let found = differences(&a, &common::encode(&b).unwrap().btf).unwrap();
    for category in [Category::Size, Category::MemberMoved, Category::TypedefRetyped, Category::Removed] {
        assert!(found.iter().any(|c| c.category == category), "{category}: {:#?}", names(&found));
    }
}

#[test]
fn kernels_agree() {
    for path in common::kernels().unwrap_or_default() {
        let name = path.file_name().unwrap().to_string_lossy();
        let output = common::encode_with(&path, &btfgen::Options::default(), 2).unwrap();
        let found = differences(&path, &output.btf).unwrap();
        assert!(found.is_empty(), "{name}: {:#?}", names(&found));
    }
}
