//! Names with several definitions of which some units see a part only: which definitions are one, and what stands in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use btfgen::btf::{Kind, Type};
use common::encode;
use common::model::Model;
use common::programs::{gcc, link};

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
