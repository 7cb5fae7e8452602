//! Names with several definitions of which some units see a part only: which definitions are one, and what stands in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fmt::Write;
use std::path::Path;

use btfgen::btf::{Kind, Type};
use common::model::Model;
use common::programs::{gcc, link};
use common::{Random, encode, encode_with, options};

/// Encodes a program of these units, in this order and the other way round, which must not matter.
fn each_way(units: &[&str], check: impl Fn(&Model<'_>)) {
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program");
    let mut units = units.to_vec();
    for _ in 0..2 {
        link(&gcc, &units, &path);
        let output = encode(&path).unwrap();
        check(&Model::new(&output.btf));
        units.reverse();
    }
}

/// The type that the `n`-th parameter of a function points to, or is.
fn parameter<'m>(model: &'m Model<'_>, function: &str, n: usize) -> Type<'m> {
    let proto = model.ty(model.one(Kind::Func, function).target().unwrap());
    let ty = model.ty(proto.params().nth(n).unwrap().ty);
    if ty.kind() == Kind::Ptr { model.ty(ty.target().unwrap()) } else { ty }
}

const DEVICE: &str =
    "struct device { struct ops *ops; }; struct ops { void (*set)(struct device *, enum kind); };";
const FIRST: &str = "enum kind { ONE, TWO }; int first(struct device *d, enum kind k) { return k; }";
const SECOND: &str = "enum kind { SEVEN = 7 }; int second(struct device *d, enum kind k) { return k; }";

/// A header that only declares an enum, which each driver defines for itself: what the header says is one struct.
#[test]
fn an_enum_that_is_declared_only_does_not_tell_structs_apart() {
    let core = format!("enum kind; {DEVICE} int core(struct device *d) {{ return !d->ops; }}");
    let [first, second] = [FIRST, SECOND].map(|driver| {
        let (kind, function) = driver.split_once(';').unwrap();
        format!("{kind}; {DEVICE} {function}")
    });
    let of_driver = |m: &Model<'_>, function: &str| m.enumerators(parameter(m, function, 1)).join(" ");
    each_way(&[&core, &first, &second], |m| {
        assert_eq!((m.count(Kind::Struct, "device"), m.count(Kind::Struct, "ops")), (1, 1));
        assert_eq!(m.count(Kind::Enum, "kind"), 2, "a declaration is left");
        // Each driver has its own all the same.
        assert_eq!([of_driver(m, "first"), of_driver(m, "second")], ["ONE=0 TWO=1", "SEVEN=7"]);
    });
    // Where everybody knows what it is, the structs are two.
    each_way(&[&first, &second], |m| {
        assert_eq!((m.count(Kind::Struct, "device"), m.count(Kind::Struct, "ops")), (2, 2));
        assert_eq!([of_driver(m, "first"), of_driver(m, "second")], ["ONE=0 TWO=1", "SEVEN=7"]);
    });
}

/// No unit knows all of a struct, but together they do.
#[test]
fn units_make_up_for_each_other() {
    let pair = "struct pair { struct left *left; struct right *right; };";
    let units = [
        format!("struct left {{ int l; }}; {pair} int one(struct pair *p) {{ return p->left->l; }}"),
        format!("struct right {{ int r; }}; {pair} int two(struct pair *p) {{ return p->right->r; }}"),
        format!("{pair} int three(struct pair *p) {{ return !p; }}"),
        // Others of these names that have nothing to do with it.
        "struct left { long other; }; int four(struct left *l) { return l->other; }".into(),
        "struct right { long other; }; int five(struct right *r) { return r->other; }".into(),
    ];
    each_way(&units.each_ref().map(String::as_str), |m| {
        assert_eq!(m.count(Kind::Struct, "pair"), 1);
        assert!(m.names(Kind::Fwd).is_empty(), "{:?}", m.names(Kind::Fwd));
        let pair = m.one(Kind::Struct, "pair");
        let members = pair.members().map(|member| m.ty(m.ty(member.ty).target().unwrap()));
        let members: Vec<_> = members.map(|ty| m.members(ty).join(", ")).collect();
        assert_eq!(members, ["0 int l", "0 int r"]);
        for function in ["one", "two", "three"] {
            assert_eq!(parameter(m, function, 0).id(), pair.id());
        }
        for name in ["left", "right"] {
            assert_eq!(m.count(Kind::Struct, name), 2);
        }
    });
}

/// Units that declare and define structs and enums in two ways each, at random.
fn random_units(random: &mut Random) -> Vec<String> {
    let mut names = [[0; 2]; 6];
    names.iter_mut().flatten().for_each(|name| *name = random.below(6));
    let unit = |number: usize| {
        let mut text = String::new();
        for e in 0..3 {
            let _ = match random.below(4) {
                0 => writeln!(text, "enum e{e};"),
                1 => writeln!(text, "enum e{e} {{ C{e} = 5 }};"),
                _ => writeln!(text, "enum e{e} {{ A{e}, B{e} }};"),
            };
        }
        for (i, [j, k]) in names.iter().enumerate() {
            let first = ["int n", "int n", "int n", "int n", "long n"][random.below(5)];
            let e = i % 3;
            let _ = match random.below(3) {
                0 => writeln!(text, "struct s{i};"),
                _ => writeln!(
                    text,
                    "struct s{i} {{ {first}; struct s{j} *p; void (*f)(enum e{e}, struct s{k} *); }};"
                ),
            };
            let _ = writeln!(text, "int f{number}_{i}(struct s{i} *p) {{ return !p; }}");
        }
        text
    };
    (0..5).map(unit).collect()
}

/// Encodes a program in several orders. Returns how many names have several definitions.
fn same_for_every_order(gcc: &Path, path: &Path, mut units: Vec<String>) -> usize {
    link(gcc, &units, path);
    let output = encode(path).unwrap();
    assert!(!output.report.warnings.contains_key("unsettled-names"), "{units:#?}");
    for seed in 1..4 {
        let shuffled = encode_with(path, &options(|o| o.shuffle = Some(seed)), seed as usize).unwrap();
        assert!(shuffled.btf == output.btf, "seed {seed}: {units:#?}");
    }
    units.reverse();
    link(gcc, &units, path);
    assert!(encode(path).unwrap().btf == output.btf, "the other way round: {units:#?}");
    output.report.split_names.len()
}

/// What is one with what follows from the definitions alone, whoever meets them in which order.
#[test]
fn the_order_of_units_does_not_matter() {
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(11);
    let mut program = || same_for_every_order(&gcc, &dir.path().join("program"), random_units(&mut random));
    let split: usize = (0..30).map(|_| program()).sum();
    assert!(split > 30, "{split} names with several definitions: too few to show anything");
}

/// Structs that are one only as long as they are not: it comes to an end, and the same one for every order.
#[test]
fn what_turns_in_circles_comes_to_rest() {
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().unwrap();
    same_for_every_order(&gcc, &dir.path().join("program"), random_units(&mut Random::new(137)));
}
