//! Comparisons: every kind of mutation of a BTF is found and named, and the order of ids is none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::collections::BTreeSet;

use btfgen::btf::{
    ArrayData, Btf, DatasecEntry, Endian, Enumerator, FuncLinkage, IntData, IntEncoding, Kind, Member, Param,
    StrOff, TypeId, VarLinkage, Writer,
};
use btfgen::diff::{Category, Change, diff};

/// A type of a BTF that is put together in any order; references are names of these types.
#[derive(Debug, Clone)]
enum Item {
    Int(&'static str, u32, u8, IntEncoding),
    Float(&'static str, u32),
    Modifier(Kind, &'static str),
    Array(&'static str, u32),
    Composite(Kind, &'static str, u32, Vec<(&'static str, &'static str, u32, u8)>),
    Enum(&'static str, u32, bool, Vec<(&'static str, i64)>),
    Enum64(&'static str, bool, Vec<(&'static str, i64)>),
    Fwd(&'static str, bool),
    Typedef(&'static str, &'static str),
    TypeTag(&'static str, &'static str, bool),
    Proto(&'static str, Vec<(&'static str, &'static str)>),
    Func(&'static str, &'static str, FuncLinkage),
    Var(&'static str, &'static str, VarLinkage),
    Section(&'static str, u32, Vec<(&'static str, u32, u32)>),
    Tag(&'static str, &'static str, i32, bool),
}

use Item::*;

type Model = Vec<(&'static str, Item)>;

/// Something of everything, the label of each first.
fn model() -> Model {
    vec![
        ("int", Int("int", 4, 32, IntEncoding::SIGNED)),
        ("u64", Int("long unsigned int", 8, 64, IntEncoding::NONE)),
        ("char", Int("char", 1, 8, IntEncoding::SIGNED)),
        ("float", Float("float", 4)),
        ("int*", Modifier(Kind::Ptr, "int")),
        ("const int", Modifier(Kind::Const, "int")),
        ("const int*", Modifier(Kind::Ptr, "const int")),
        ("user int", TypeTag("user", "int", false)),
        ("user int*", Modifier(Kind::Ptr, "user int")),
        ("int[4]", Array("int", 4)),
        ("anon", Composite(Kind::Union, "", 4, vec![("x", "int", 0, 0), ("y", "float", 0, 0)])),
        ("anon enum", Enum("", 4, false, vec![("A0", 0), ("A1", 1)])),
        ("alone", Enum("", 4, false, vec![("B0", 0), ("B1", 1)])),
        ("inner", Composite(Kind::Struct, "inner", 8, vec![("a", "int", 0, 0), ("b", "int", 32, 0)])),
        ("wide", Typedef("wide_t", "u64")),
        (
            "outer",
            Composite(
                Kind::Struct,
                "outer",
                32,
                vec![
                    ("head", "int*", 0, 0),
                    ("in", "inner", 64, 0),
                    ("", "anon", 128, 0),
                    ("kind", "anon enum", 160, 0),
                    ("tail", "wide", 192, 0),
                ],
            ),
        ),
        (
            "most",
            Composite(Kind::Struct, "most", 72, vec![("o", "outer[2]", 0, 0), ("self", "most*", 512, 0)]),
        ),
        ("outer[2]", Array("outer", 2)),
        ("most*", Modifier(Kind::Ptr, "most")),
        (
            "bits",
            Composite(
                Kind::Struct,
                "bits",
                8,
                vec![("p", "int", 0, 3), ("q", "int", 3, 5), ("r", "u64", 8, 0)],
            ),
        ),
        ("either", Composite(Kind::Union, "either", 8, vec![("i", "int", 0, 0), ("l", "u64", 0, 0)])),
        ("color", Enum("color", 4, false, vec![("RED", 0), ("GREEN", 1), ("BLUE", 2)])),
        ("big", Enum64("big", false, vec![("HUGE", 1 << 40), ("SMALL", 1)])),
        ("opaque", Fwd("opaque", false)),
        ("opaque*", Modifier(Kind::Ptr, "opaque")),
        ("twice1", Composite(Kind::Struct, "twice", 4, vec![("one", "int", 0, 0)])),
        ("twice2", Composite(Kind::Struct, "twice", 8, vec![("two", "u64", 0, 0)])),
        ("twice1*", Modifier(Kind::Ptr, "twice1")),
        ("twice2*", Modifier(Kind::Ptr, "twice2")),
        (
            "uses",
            Composite(
                Kind::Struct,
                "uses",
                16,
                vec![("first", "twice1*", 0, 0), ("second", "twice2*", 64, 0)],
            ),
        ),
        ("proto", Proto("int", vec![("p", "int*"), ("n", "u64")])),
        ("f", Func("f", "proto", FuncLinkage::Static)),
        ("kfunc", Func("kfunc", "kproto", FuncLinkage::Static)),
        ("kproto", Proto("opaque*", vec![("o", "opaque*"), ("", "")])),
        ("kfunc tag", Tag("bpf_kfunc", "kfunc", -1, false)),
        ("fast tag", Tag("bpf_fastcall", "kfunc", -1, false)),
        ("member tag", Tag("rcu", "outer", 0, false)),
        ("param tag", Tag("nonnull", "f", 1, false)),
        ("anon tag", Tag("inside", "anon", 0, false)),
        ("callback", Proto("", vec![("", "most*")])),
        ("callback*", Modifier(Kind::Ptr, "callback")),
        ("cb", Typedef("cb_t", "callback*")),
        ("v", Var("v", "int", VarLinkage::Global)),
        ("w", Var("w", "outer", VarLinkage::Static)),
        ("section", Section(".data..percpu", 36, vec![("v", 0, 4), ("w", 4, 32)])),
    ]
}

/// Writes a model; `seed` decides the order of ids.
fn write(model: &Model, seed: u64) -> Vec<u8> {
    let mut order: Vec<usize> = (0..model.len()).collect();
    let mut state = seed;
    for i in (1..order.len()).rev().filter(|_| seed != 0) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(i, (state >> 33) as usize % (i + 1));
    }
    let id = |label: &str| match label {
        "" => TypeId::VOID,
        label => {
            let at = model.iter().position(|(l, _)| *l == label).unwrap_or_else(|| panic!("no {label}"));
            TypeId(order.iter().position(|&o| o == at).unwrap() as u32 + 1)
        }
    };
    let mut w = Writer::new(Endian::HOST);
    for &at in &order {
        let mut s = |text: &str| w.intern(text.as_bytes()).unwrap();
        match &model[at].1 {
            Int(name, size, bits, encoding) => {
                let name = s(name);
                w.int_with(name, *size, IntData { bits: *bits, offset_bits: 0, encoding: *encoding })
            }
            Float(name, size) => {
                let name = s(name);
                w.float(name, *size)
            }
            Modifier(Kind::Ptr, target) => w.ptr(id(target)),
            Modifier(kind, target) => w.modifier(*kind, id(target)),
            Array(element, count) => {
                w.array_with(ArrayData { element: id(element), index: id("int"), count: *count })
            }
            Composite(kind, name, size, members) => {
                let flag = members.iter().any(|m| m.3 != 0);
                let name = s(name);
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, ty, offset, bits)| Member {
                        name: s(name),
                        ty: id(ty),
                        offset_word: if flag {
                            Member::word_with_flag(*offset, *bits).unwrap()
                        } else {
                            *offset
                        },
                    })
                    .collect();
                w.composite(*kind, name, *size, flag, members)
            }
            Enum(name, size, signed, values) => {
                let name = s(name);
                let values: Vec<_> =
                    values.iter().map(|(n, v)| Enumerator { name: s(n), value: *v as u64 }).collect();
                w.enumeration(name, *size, *signed, values)
            }
            Enum64(name, signed, values) => {
                let name = s(name);
                let values: Vec<_> =
                    values.iter().map(|(n, v)| Enumerator { name: s(n), value: *v as u64 }).collect();
                w.enum64(name, 8, *signed, values)
            }
            Fwd(name, of_union) => {
                let name = s(name);
                w.fwd(name, *of_union)
            }
            Typedef(name, target) => {
                let name = s(name);
                w.typedef(name, id(target))
            }
            TypeTag(value, target, attribute) => {
                let value = s(value);
                w.type_tag(value, id(target), *attribute)
            }
            Proto(returns, params) => {
                let params: Vec<_> =
                    params.iter().map(|(name, ty)| Param { name: s(name), ty: id(ty) }).collect();
                w.func_proto(id(returns), params)
            }
            Func(name, proto, linkage) => {
                let name = s(name);
                w.func(name, id(proto), *linkage)
            }
            Var(name, ty, linkage) => {
                let name = s(name);
                w.var(name, id(ty), *linkage)
            }
            Section(name, size, entries) => {
                let name = s(name);
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(var, offset, size)| DatasecEntry {
                        var: id(var),
                        offset_bytes: *offset,
                        size_bytes: *size,
                    })
                    .collect();
                w.datasec(name, *size, entries)
            }
            Tag(value, target, component, attribute) => {
                let value = s(value);
                w.decl_tag(value, id(target), *component, *attribute)
            }
        }
        .unwrap();
    }
    w.finish(false).unwrap()
}

fn changes(a: &[u8], b: &[u8]) -> Vec<Change> {
    diff(&Btf::parse(a).unwrap(), &Btf::parse(b).unwrap()).unwrap()
}

/// One mutation: what it is, what it does, and what must be said of whom.
struct Mutation {
    what: &'static str,
    apply: fn(&mut Model),
    expected: &'static [(Category, &'static str, &'static str)],
}

fn at<'m>(model: &'m mut Model, label: &str) -> &'m mut Item {
    &mut model.iter_mut().find(|(l, _)| *l == label).unwrap().1
}

fn members<'m>(model: &'m mut Model, label: &str) -> &'m mut Vec<(&'static str, &'static str, u32, u8)> {
    let Composite(_, _, _, members) = at(model, label) else { panic!("{label}") };
    members
}

fn values<'m>(model: &'m mut Model, label: &str) -> &'m mut Vec<(&'static str, i64)> {
    match at(model, label) {
        Enum(.., values) | Enum64(.., values) => values,
        _ => panic!("{label}"),
    }
}

fn params<'m>(model: &'m mut Model, label: &str) -> &'m mut Vec<(&'static str, &'static str)> {
    let Proto(_, params) = at(model, label) else { panic!("{label}") };
    params
}

fn set(model: &mut Model, label: &str, item: Item) {
    *at(model, label) = item;
}

fn drop_label(model: &mut Model, label: &str) {
    model.retain(|(l, _)| *l != label);
}

fn resize(model: &mut Model, label: &str, to: u32) {
    let Composite(_, _, size, _) = at(model, label) else { panic!("{label}") };
    *size = to;
}

const MUTATIONS: &[Mutation] = &[
    Mutation {
        what: "a member moves",
        apply: |m| members(m, "outer")[4].2 = 200,
        expected: &[(Category::MemberMoved, "struct outer", "tail")],
    },
    Mutation {
        what: "a member's type is swapped",
        apply: |m| members(m, "outer")[0].1 = "const int*",
        expected: &[(Category::MemberRetyped, "struct outer", "head")],
    },
    Mutation {
        what: "const is dropped below a pointer",
        apply: |m| set(m, "const int*", Modifier(Kind::Ptr, "int")),
        expected: &[
            (Category::Duplicate, "types without a name", ""),
            (Category::Removed, "const int *", ""),
        ],
    },
    Mutation {
        what: "a member is added",
        apply: |m| {
            members(m, "inner").push(("c", "char", 56, 0));
        },
        expected: &[(Category::MemberAdded, "struct inner", "c")],
    },
    Mutation {
        what: "a member is removed",
        apply: |m| {
            members(m, "inner").pop();
        },
        expected: &[(Category::MemberRemoved, "struct inner", "b")],
    },
    Mutation {
        what: "a member is renamed",
        apply: |m| members(m, "inner")[1].0 = "bb",
        expected: &[(Category::MemberRenamed, "struct inner", "b")],
    },
    Mutation {
        what: "members change places",
        apply: |m| {
            let o = members(m, "inner");
            o[0].2 = 32;
            o[1].2 = 0;
            o.swap(0, 1);
        },
        expected: &[
            (Category::MemberMoved, "struct inner", "a"),
            (Category::MemberMoved, "struct inner", "b"),
        ],
    },
    Mutation {
        what: "members of a union change places",
        apply: |m| members(m, "either").swap(0, 1),
        expected: &[(Category::MemberMoved, "union either", "l")],
    },
    Mutation {
        what: "a size grows",
        apply: |m| resize(m, "bits", 16),
        expected: &[(Category::Size, "struct bits", "")],
    },
    Mutation {
        what: "a size that others contain grows",
        apply: |m| {
            resize(m, "inner", 16);
            members(m, "inner").push(("c", "u64", 64, 0));
            resize(m, "outer", 40);
            for i in 2..5 {
                members(m, "outer")[i].2 += 64;
            }
            resize(m, "most", 88);
            members(m, "most")[1].2 = 640;
        },
        expected: &[(Category::Size, "struct inner", ""), (Category::MemberAdded, "struct inner", "c")],
    },
    Mutation {
        what: "a bitfield is shifted",
        apply: |m| members(m, "bits")[1].2 = 4,
        expected: &[(Category::MemberMoved, "struct bits", "q")],
    },
    Mutation {
        what: "a bitfield is narrower",
        apply: |m| members(m, "bits")[1].3 = 4,
        expected: &[(Category::Bitfield, "struct bits", "q")],
    },
    Mutation {
        what: "a bitfield is none",
        apply: |m| members(m, "bits")[0].3 = 0,
        expected: &[(Category::Bitfield, "struct bits", "p")],
    },
    Mutation {
        what: "a member without a name has another type inside",
        apply: |m| members(m, "anon")[1].1 = "char",
        expected: &[(Category::MemberRetyped, "struct outer", "#2.y")],
    },
    Mutation {
        what: "a member without a name has one more inside",
        apply: |m| members(m, "anon").push(("z", "char", 0, 0)),
        expected: &[(Category::MemberAdded, "struct outer", "#2.z")],
    },
    Mutation {
        what: "a member without a name is gone",
        apply: |m| {
            members(m, "outer").remove(2);
            drop_label(m, "anon tag");
            drop_label(m, "anon");
        },
        expected: &[(Category::MemberRemoved, "struct outer", "#0")],
    },
    Mutation {
        what: "an array is longer",
        apply: |m| set(m, "outer[2]", Array("outer", 3)),
        expected: &[(Category::MemberRetyped, "struct most", "o")],
    },
    Mutation {
        what: "an unused array is longer",
        apply: |m| set(m, "int[4]", Array("int", 5)),
        expected: &[(Category::Removed, "int [4]", ""), (Category::Added, "int [5]", "")],
    },
    Mutation {
        what: "a struct becomes a union",
        apply: |m| {
            let Composite(kind, ..) = at(m, "inner") else { panic!() };
            *kind = Kind::Union;
            members(m, "inner")[1].2 = 0;
        },
        expected: &[(Category::Kind, "struct inner", ""), (Category::MemberRetyped, "struct outer", "in")],
    },
    Mutation {
        what: "a struct is gone",
        apply: |m| {
            drop_label(m, "bits");
        },
        expected: &[(Category::Removed, "struct bits", "")],
    },
    Mutation {
        what: "a struct is new",
        apply: |m| m.push(("new", Composite(Kind::Struct, "new", 0, vec![]))),
        expected: &[(Category::Added, "struct new", "")],
    },
    Mutation {
        what: "a struct is there twice",
        apply: |m| {
            m.push((
                "again",
                Composite(Kind::Struct, "inner", 8, vec![("a", "int", 0, 0), ("b", "int", 32, 0)]),
            ))
        },
        expected: &[(Category::Duplicate, "struct inner", "")],
    },
    Mutation {
        what: "another struct has its name",
        apply: |m| m.push(("again", Composite(Kind::Struct, "inner", 4, vec![("a", "int", 0, 0)]))),
        expected: &[(Category::Duplicate, "struct inner", "")],
    },
    Mutation {
        what: "of two definitions the other is meant",
        apply: |m| members(m, "uses")[0].1 = "twice2*",
        expected: &[(Category::MemberRetyped, "struct uses", "first")],
    },
    Mutation {
        what: "two structs of a name change in one",
        apply: |m| members(m, "twice1")[0].0 = "uno",
        expected: &[(Category::MemberRenamed, "struct twice", "one")],
    },
    Mutation {
        what: "a pointer is there twice",
        apply: |m| {
            m.push(("again", Modifier(Kind::Ptr, "int")));
            members(m, "outer")[0].1 = "again";
            params(m, "proto")[0].1 = "int*";
        },
        expected: &[(Category::Duplicate, "types without a name", "")],
    },
    Mutation {
        what: "what was declared is defined",
        apply: |m| set(m, "opaque", Composite(Kind::Struct, "opaque", 4, vec![("a", "int", 0, 0)])),
        expected: &[(Category::Declaration, "struct opaque", "")],
    },
    Mutation {
        what: "a declaration is one of a union",
        apply: |m| set(m, "opaque", Fwd("opaque", true)),
        expected: &[(Category::Kind, "struct opaque", ""), (Category::Prototype, "func kfunc", "")],
    },
    Mutation {
        what: "a value changes",
        apply: |m| values(m, "color")[1].1 = 5,
        expected: &[(Category::EnumeratorChanged, "enum color", "GREEN")],
    },
    Mutation {
        what: "a value is added",
        apply: |m| values(m, "color").push(("GRAY", 9)),
        expected: &[(Category::EnumeratorAdded, "enum color", "GRAY")],
    },
    Mutation {
        what: "a value is removed",
        apply: |m| {
            values(m, "color").pop();
        },
        expected: &[(Category::EnumeratorRemoved, "enum color", "BLUE")],
    },
    Mutation {
        what: "values change places",
        apply: |m| values(m, "color").swap(0, 1),
        expected: &[(Category::EnumeratorChanged, "enum color", "GREEN")],
    },
    Mutation {
        what: "values become signed",
        apply: |m| {
            let Enum(_, _, signed, _) = at(m, "color") else { panic!() };
            *signed = true;
        },
        expected: &[(Category::EnumeratorChanged, "enum color", "")],
    },
    Mutation {
        what: "an enumeration is smaller",
        apply: |m| {
            let Enum(_, size, ..) = at(m, "color") else { panic!() };
            *size = 1;
        },
        expected: &[(Category::Size, "enum color", "")],
    },
    Mutation {
        what: "a wide value changes",
        apply: |m| values(m, "big")[0].1 = 1 << 41,
        expected: &[(Category::EnumeratorChanged, "enum big", "HUGE")],
    },
    Mutation {
        what: "a wide enumeration is narrow",
        apply: |m| set(m, "color", Enum64("color", false, vec![("RED", 0), ("GREEN", 1), ("BLUE", 2)])),
        expected: &[(Category::EnumeratorChanged, "enum color", ""), (Category::Size, "enum color", "")],
    },
    Mutation {
        what: "a value without a tag changes",
        apply: |m| values(m, "anon enum")[1].1 = 2,
        expected: &[(Category::EnumeratorChanged, "struct outer", "kind.A1")],
    },
    Mutation {
        what: "a value that nothing uses changes",
        apply: |m| values(m, "alone")[1].1 = 2,
        expected: &[(Category::EnumeratorChanged, "enum {B0, B1}", "B1")],
    },
    Mutation {
        what: "an int is wider",
        apply: |m| set(m, "int", Int("int", 8, 64, IntEncoding::SIGNED)),
        expected: &[(Category::Size, "number int", "")],
    },
    Mutation {
        what: "an int is unsigned",
        apply: |m| set(m, "int", Int("int", 4, 32, IntEncoding::NONE)),
        expected: &[(Category::Encoding, "number int", "")],
    },
    Mutation {
        what: "an int has fewer bits",
        apply: |m| set(m, "int", Int("int", 4, 31, IntEncoding::SIGNED)),
        expected: &[(Category::Encoding, "number int", "")],
    },
    Mutation {
        what: "a float is an int",
        apply: |m| set(m, "float", Int("float", 4, 32, IntEncoding::NONE)),
        expected: &[(Category::Encoding, "number float", "")],
    },
    Mutation {
        what: "a number has another name",
        apply: |m| set(m, "float", Float("real", 4)),
        expected: &[
            (Category::Added, "number real", ""),
            (Category::Removed, "number float", ""),
            (Category::MemberRetyped, "struct outer", "#2.y"),
        ],
    },
    Mutation {
        what: "a typedef means something else",
        apply: |m| set(m, "wide", Typedef("wide_t", "int")),
        expected: &[(Category::TypedefRetyped, "typedef wide_t", "")],
    },
    Mutation {
        what: "a typedef has another name",
        apply: |m| set(m, "wide", Typedef("broad_t", "u64")),
        expected: &[
            (Category::Added, "typedef broad_t", ""),
            (Category::Removed, "typedef wide_t", ""),
            (Category::MemberRetyped, "struct outer", "tail"),
        ],
    },
    Mutation {
        what: "a callback takes something else",
        apply: |m| params(m, "callback")[0].1 = "int*",
        expected: &[(Category::TypedefRetyped, "typedef cb_t", "")],
    },
    Mutation {
        what: "a type tag is gone",
        apply: |m| {
            set(m, "user int*", Modifier(Kind::Ptr, "int"));
            drop_label(m, "user int");
        },
        expected: &[
            (Category::Duplicate, "types without a name", ""),
            (Category::Removed, "btf_type_tag(user) int *", ""),
        ],
    },
    Mutation {
        what: "a type tag is another",
        apply: |m| set(m, "user int", TypeTag("percpu", "int", false)),
        expected: &[
            (Category::Removed, "btf_type_tag(user) int *", ""),
            (Category::Added, "btf_type_tag(percpu) int *", ""),
        ],
    },
    Mutation {
        what: "a type tag is an attribute",
        apply: |m| set(m, "user int", TypeTag("user", "int", true)),
        expected: &[
            (Category::Removed, "btf_type_tag(user) int *", ""),
            (Category::Added, "attribute(user) int *", ""),
        ],
    },
    Mutation {
        what: "a function returns something else",
        apply: |m| {
            let Proto(returns, _) = at(m, "proto") else { panic!() };
            *returns = "u64";
        },
        expected: &[(Category::Prototype, "func f", "")],
    },
    Mutation {
        what: "a function takes something else",
        apply: |m| params(m, "proto")[1].1 = "int",
        expected: &[(Category::Prototype, "func f", "")],
    },
    Mutation {
        what: "a function takes less",
        apply: |m| {
            params(m, "proto").pop();
            drop_label(m, "param tag");
        },
        expected: &[(Category::Prototype, "func f", ""), (Category::Tag, "func f", "#1 removed")],
    },
    Mutation {
        what: "a function takes anything",
        apply: |m| params(m, "proto").push(("", "")),
        expected: &[(Category::Prototype, "func f", "")],
    },
    Mutation {
        what: "a parameter has another name",
        apply: |m| params(m, "proto")[1].0 = "count",
        expected: &[(Category::ParameterName, "func f", "#1")],
    },
    Mutation {
        what: "a function is global",
        apply: |m| {
            let Func(.., linkage) = at(m, "f") else { panic!() };
            *linkage = FuncLinkage::Global;
        },
        expected: &[(Category::Linkage, "func f", "")],
    },
    Mutation {
        what: "a function is gone",
        apply: |m| {
            drop_label(m, "param tag");
            drop_label(m, "f");
            drop_label(m, "proto");
        },
        expected: &[(Category::Removed, "func f", "")],
    },
    Mutation {
        what: "a function is new",
        apply: |m| m.push(("g", Func("g", "proto", FuncLinkage::Static))),
        expected: &[(Category::Added, "func g", "")],
    },
    Mutation {
        what: "a kfunc is none",
        apply: |m| drop_label(m, "kfunc tag"),
        expected: &[(Category::Kfunc, "func kfunc", "removed")],
    },
    Mutation {
        what: "a function is a kfunc",
        apply: |m| m.push(("again", Tag("bpf_kfunc", "f", -1, false))),
        expected: &[(Category::Kfunc, "func f", "added")],
    },
    Mutation {
        what: "a member's tag is gone",
        apply: |m| drop_label(m, "member tag"),
        expected: &[(Category::Tag, "struct outer", "#0 removed")],
    },
    Mutation {
        what: "a tag is on another member",
        apply: |m| set(m, "member tag", Tag("rcu", "outer", 1, false)),
        expected: &[
            (Category::Tag, "struct outer", "#0 removed"),
            (Category::Tag, "struct outer", "#1 added"),
        ],
    },
    Mutation {
        what: "a tag is an attribute",
        apply: |m| set(m, "member tag", Tag("rcu", "outer", 0, true)),
        expected: &[
            (Category::Tag, "struct outer", "#0 removed"),
            (Category::Tag, "struct outer", "#0 added"),
        ],
    },
    Mutation {
        what: "a tag inside what has no name is gone",
        apply: |m| drop_label(m, "anon tag"),
        expected: &[(Category::Tag, "struct outer", "#2#0 removed")],
    },
    Mutation {
        what: "a variable has another type",
        apply: |m| {
            let Var(_, ty, _) = at(m, "v") else { panic!() };
            *ty = "float";
        },
        expected: &[(Category::VariableRetyped, "var v", "")],
    },
    Mutation {
        what: "a variable is static",
        apply: |m| {
            let Var(.., linkage) = at(m, "v") else { panic!() };
            *linkage = VarLinkage::Static;
        },
        expected: &[(Category::Linkage, "var v", "")],
    },
    Mutation {
        what: "a variable moves",
        apply: |m| {
            let Section(.., e) = at(m, "section") else { panic!() };
            e[1].1 = 8;
        },
        expected: &[(Category::Section, "section .data..percpu", "w")],
    },
    Mutation {
        what: "a variable has another size",
        apply: |m| {
            let Section(.., e) = at(m, "section") else { panic!() };
            e[0].2 = 2;
        },
        expected: &[(Category::Section, "section .data..percpu", "v")],
    },
    Mutation {
        what: "a variable is in no section",
        apply: |m| {
            let Section(.., e) = at(m, "section") else { panic!() };
            e.remove(0);
        },
        expected: &[(Category::Section, "section .data..percpu", "v")],
    },
    Mutation {
        what: "a section is larger",
        apply: |m| {
            let Section(_, size, _) = at(m, "section") else { panic!() };
            *size = 40;
        },
        expected: &[(Category::Size, "section .data..percpu", "")],
    },
    Mutation {
        what: "a section is gone",
        apply: |m| drop_label(m, "section"),
        expected: &[(Category::Removed, "section .data..percpu", "")],
    },
];

#[test]
fn every_mutation_is_found_and_named() {
    assert!(MUTATIONS.len() >= 40);
    let original = model();
    let bytes = write(&original, 0);
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for Mutation { what, apply, expected } in MUTATIONS {
        let mut mutant = original.clone();
        apply(&mut mutant);
        let expected: BTreeSet<_> =
            expected.iter().map(|(c, s, p)| (*c, (*s).to_owned(), (*p).to_owned())).collect();
        for seed in 0..4 {
            let found = changes(&bytes, &write(&mutant, seed));
            let named: BTreeSet<_> =
                found.iter().map(|c| (c.category, c.subject.clone(), c.path.clone())).collect();
            if named != expected {
                wrong.push(format!("{what} (seed {seed}): {named:?} and not {expected:?}"));
                break;
            }
        }
        // The other way round there is as much to say.
        assert!(!changes(&write(&mutant, 9), &bytes).is_empty(), "{what}: backwards");
        seen.extend(expected.into_iter().map(|(category, ..)| category));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let missing: Vec<_> = Category::ALL.iter().filter(|c| !seen.contains(c)).collect();
    assert!(missing.is_empty(), "no mutation for {missing:?}");
}

#[test]
fn order_is_no_difference() {
    let model = model();
    let bytes = write(&model, 0);
    for seed in 1..50 {
        assert_eq!(changes(&bytes, &write(&model, seed)), [], "seed {seed}");
    }
}

/// A real one in the two orders that an encoder writes.
#[test]
fn the_order_of_an_encoder_is_no_difference() {
    let Some(path) = common::fixture("all-x86_64-gcc-dwarf5") else { return };
    let encode = |order| {
        let mut options = btfgen::Options::default();
        options.order = order;
        common::encode_with(&path, &options, 1).unwrap().btf
    };
    let (a, b) = (encode(btfgen::Order::Name), encode(btfgen::Order::First));
    assert_ne!(a, b);
    assert_eq!(changes(&a, &b), []);
}

/// What merely follows is counted with its cause.
#[test]
fn what_follows_is_counted() {
    let original = model();
    let mut mutant = original.clone();
    let mutation = MUTATIONS.iter().find(|m| m.what == "a size that others contain grows").unwrap();
    (mutation.apply)(&mut mutant);
    let found = changes(&write(&original, 0), &write(&mutant, 1));
    let size = found.iter().find(|c| c.category == Category::Size).unwrap();
    assert_eq!((size.subject.as_str(), size.follow), ("struct inner", 2));
    // A member before the cause moves for a reason of its own.
    members(&mut mutant, "outer")[0].2 = 8;
    let found = changes(&write(&original, 0), &write(&mutant, 1));
    assert!(found.iter().any(|c| c.subject == "struct outer" && c.path == "head"), "{found:#?}");
}

/// What no compiler writes gives an error or an answer.
#[test]
fn hostile_input_ends() {
    let mut w = Writer::new(Endian::HOST);
    let member = |ty| Member { name: StrOff::EMPTY, ty: TypeId(ty), offset_word: 0 };
    w.composite(Kind::Struct, StrOff::EMPTY, 0, false, [member(1), member(1)]).unwrap();
    let bytes = w.finish(false).unwrap();
    let btf = Btf::parse(&bytes).unwrap();
    assert!(diff(&btf, &btf).is_err());

    let mut w = Writer::new(Endian::HOST);
    for id in 1..=60 {
        w.composite(Kind::Struct, StrOff::EMPTY, 0, false, [member(id + 1), member(id + 1)]).unwrap();
    }
    let bytes = w.finish(false).unwrap();
    let btf = Btf::parse(&bytes).unwrap();
    assert!(diff(&btf, &btf).is_err());
}

/// The command: exit statuses, forms and filters.
#[test]
fn the_command() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.btf"), dir.path().join("b.btf"));
    let original = model();
    let mut mutant = original.clone();
    values(&mut mutant, "color")[1].1 = 5;
    params(&mut mutant, "proto")[1].0 = "count";
    std::fs::write(&a, write(&original, 0)).unwrap();
    std::fs::write(&b, write(&mutant, 3)).unwrap();
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_btfdiff"))
            .arg(&a)
            .args(arguments)
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (a, b) = (a.to_str().unwrap(), b.to_str().unwrap());
    assert_eq!(run(&[a]), (0, String::new()));
    let (code, text) = run(&[b]);
    assert_eq!(code, 1);
    assert!(text.contains("enum color\n  ~ enumerator-changed GREEN: 1 -> 5\n"), "{text}");
    assert!(text.contains("      1 parameter-name\n") && !text.contains('\u{1b}'), "{text}");
    assert!(run(&[b, "--color", "always"]).1.contains('\u{1b}'));
    assert!(!run(&[b, "--abi"]).1.contains("parameter-name"));
    assert_eq!(run(&[b, "--summary"]).1, "      1 enumerator-changed\n      1 parameter-name\n");
    assert_eq!(run(&[b, "--ignore", "col*", "--ignore", "?"]), (0, String::new()));
    assert_eq!(run(&[b, "--only", "nothing"]).0, 0);
    assert_eq!(run(&[b, "--only", "color"]).1.lines().count(), 3);
    let json: serde_json::Value = serde_json::from_str(&run(&[b, "--format", "json"]).1).unwrap();
    assert_eq!((json["same"].as_bool(), json["changes"].as_array().unwrap().len()), (Some(false), 2));
    let (_, text) = run(&[b, "--format", "github"]);
    assert!(
        text.starts_with("::error file=") && text.contains("title=enum color::enumerator-changed"),
        "{text}"
    );
    // Trouble is not a difference.
    assert_eq!(run(&["/nonexistent"]).0, 2);
    assert_eq!(run(&[b, "--base", b, "--format", "nonsense"]).0, 2);
    assert_eq!(run(&[]).0, 2);
}
