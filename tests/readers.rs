//! The hot reader of DWARF and gimli agree on every wanted attribute of every DIE of every fixture.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use btfgen::Image;
use common::dwarf::compare;
use common::{Variant, fixtures, skipped};

fn compare_fixtures(wanted: impl Fn(&Image) -> bool) -> (u64, u64) {
    let mut files: Vec<_> = fixtures().read_dir().unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let (mut units, mut dies) = (0, 0);
    for path in files.iter().filter(|f| f.is_file()) {
        if !Image::open(path).is_ok_and(|image| wanted(&image)) {
            continue;
        }
        let seen = compare(path);
        units += seen.units;
        dies += seen.dies;
    }
    (units, dies)
}

/// DWARF 2 to 5 in both formats, both byte orders, type units, skeleton units and what they leave out. What
/// lies in object files has to be relocated first, and what is compressed decompressed.
#[test]
fn every_die_of_every_fixture() {
    const SHF_COMPRESSED: u64 = 0x800;
    let (units, dies) = compare_fixtures(|image| {
        let info = image.section(b".debug_info");
        !image.is_relocatable() && info.is_some_and(|s| s.flags.0 & SHF_COMPRESSED == 0)
    });
    if units == 0 {
        return skipped("no fixture was built");
    }
    eprintln!("{units} units, {dies} DIEs");
    assert!(units > 500 && dies > 50_000, "{units} units, {dies} DIEs: where are the fixtures?");
}

/// Handwritten DWARF: forms that no compiler writes, abbreviation codes that are no index.
#[test]
fn sound_odd_files() {
    for name in [
        "abbrev_huge_code",
        "form_indirect",
        "form_implicit_const",
        "ref_between_units",
        "pointer_chain",
        "anonymous_chain",
        "nesting_deep",
        "nesting_structs",
        "typedef_self",
        "names_odd",
        "size_absurd",
        "member_no_type",
        "array_cycle",
        "sibling_backwards",
        "tag_unknown",
        "origin_cycle",
        "struct_4g",
        "params_300",
    ] {
        let Some(path) = common::fixture(&format!("bad/{name}")) else { continue };
        let seen = compare(&path);
        assert!(seen.dies > 0, "{name}");
    }
}

/// The comparison sees something: each slot was there, each form of a name.
#[test]
fn the_comparison_is_not_empty() {
    let has_fixture = |v: &Variant| fixtures().join(format!("all-{}", v.name)).exists();
    let mut total = common::dwarf::Seen::default();
    let mut any = false;
    for v in common::VARIANTS.iter().filter(|v| has_fixture(v)) {
        any = true;
        total.add(&compare(&fixtures().join(format!("all-{}", v.name))));
    }
    if !any {
        return skipped("no fixture was built");
    }
    assert!(total.units > 0 && total.dies > 0);
    for (what, count) in total.by_slot() {
        assert!(count > 100, "{what}: {count}");
    }
    assert!(total.inline_names > 0 && total.str_names > 0 && total.attributes > 0);
}
