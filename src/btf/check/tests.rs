//! Each rule of the check by a BTF that breaks it and nothing else, and what looks wrong but is allowed.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::btf::*;

fn lines(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(|v| format!("{:?} {v}", v.level)).collect()
}

/// Records word by word, for what the writer would not write.
struct Raw {
    types: Vec<u32>,
    strings: Vec<u8>,
    ids: u32,
}

impl Raw {
    fn s(&mut self, s: &str) -> u32 {
        if s.is_empty() {
            return 0;
        }
        let with_end = [b"\0", s.as_bytes(), b"\0"].concat();
        let found = self.strings.windows(with_end.len()).position(|w| w == with_end);
        let at = found.map_or(self.strings.len(), |at| at + 1);
        if found.is_none() {
            self.strings.extend_from_slice(&with_end[1..]);
        }
        at as u32
    }

    /// A record: name, kind, `kind_flag`, `vlen`, third word, the rest.
    fn t(&mut self, name: &str, kind: Kind, flag: u32, vlen: u32, third: u32, rest: &[u32]) -> u32 {
        let name = self.s(name);
        self.types.extend([name, flag << 31 | (kind as u32) << 24 | vlen, third]);
        self.types.extend(rest);
        self.ids += 1;
        self.ids
    }

    fn blob(&self) -> Vec<u8> {
        let len = self.types.len() as u32 * 4;
        let mut out = vec![0x9f, 0xeb, 1, 0];
        for word in [24, 0, len, len, self.strings.len() as u32].iter().chain(&self.types) {
            out.extend(word.to_le_bytes());
        }
        out.extend(&self.strings);
        out
    }
}

// The types that the cases refer to.
const INT: u32 = 1;
const STRUCT: u32 = 2;
const PROTO: u32 = 3;
const PTR: u32 = 4;
const FWD: u32 = 5;
const ENUM: u32 = 6;
const VAR: u32 = 7;
const TYPEDEF: u32 = 8;
const FUNC: u32 = 9;
const FLOAT: u32 = 11;
const FIVE_BITS: u32 = 12;
const CONST_VOID: u32 = 13;
const SMALL_ENUM: u32 = 14;
const TAG: u32 = 15;
const UNNAMED_PROTO: u32 = 16;
const DECL_TAG: u32 = 17;
/// The first id of a case.
const N: u32 = 18;

fn ground() -> Raw {
    use Kind::*;
    let mut r = Raw { types: Vec::new(), strings: vec![0], ids: 0 };
    let (a, b) = (r.s("a"), r.s("b"));
    r.t("int", Int, 0, 0, 4, &[0x0100_0020]);
    r.t("s", Struct, 0, 2, 8, &[a, INT, 0, b, INT, 32]);
    r.t("", FuncProto, 0, 1, 0, &[a, INT]);
    r.t("", Ptr, 0, 0, STRUCT, &[]);
    r.t("fwd", Fwd, 0, 0, 0, &[]);
    r.t("e", Enum, 0, 1, 4, &[a, 0]);
    r.t("v", Var, 0, 0, INT, &[0]);
    r.t("t", Typedef, 0, 0, INT, &[]);
    r.t("f", Func, 0, 0, PROTO, &[]);
    r.t("", Array, 0, 0, 0, &[INT, INT, 4]);
    r.t("double", Float, 0, 0, 8, &[]);
    r.t("five bits", Int, 0, 0, 4, &[5]);
    r.t("", Const, 0, 0, 0, &[]);
    r.t("e1", Enum, 0, 1, 1, &[b, 0]);
    r.t("tag", TypeTag, 0, 0, INT, &[]);
    r.t("", FuncProto, 0, 1, 0, &[0, INT]);
    r.t("", FuncProto, 0, 0, 0, &[]);
    let last = r.types.len() - 3;
    // Not a proto but a tag on the function.
    r.types.truncate(last);
    r.ids -= 1;
    r.t("tagged", DeclTag, 0, 0, FUNC, &[-1i32 as u32]);
    assert_eq!(r.ids, N - 1);
    r
}

/// A case, the last kernel that it is broken for, and the first that it is right for.
type Change = (Case, (u16, u16), (u16, u16));
type Case = (&'static str, fn(&mut Raw), &'static str);

/// Each case adds records to the good ones; the answer is the one line expected, or none if it is empty.
fn run(cases: &[Case], options: &CheckOptions) {
    for (what, make, want) in cases {
        let mut raw = ground();
        make(&mut raw);
        let blob = raw.blob();
        let btf = Btf::parse(&blob).unwrap_or_else(|e| panic!("{what}: {e}"));
        let found = lines(&check(&btf, options));
        match (*want, &found[..]) {
            ("", []) => {}
            ("", _) => panic!("{what}: {found:#?}"),
            (want, [one]) => assert!(one.contains(want), "{what}: {one:?}, wanted {want:?}"),
            (want, _) => panic!("{what}: wanted {want:?}, found {found:#?}"),
        }
    }
}

#[test]
fn records_each_rule() {
    use Kind::*;
    const A: u32 = 1; // offset of "a", the first string
    const OUT: u32 = 9999;
    #[rustfmt::skip]
    let cases: &[Case] = &[
        ("nothing", |_| {}, ""),
        ("int vlen", |r| { r.t("i", Int, 0, 1, 4, &[32]); }, "Records [18] INT 'i': 1 elements"),
        ("int kflag", |r| { r.t("i", Int, 1, 0, 4, &[32]); }, "kind_flag"),
        ("int unused bits", |r| { r.t("i", Int, 0, 0, 4, &[0x1000_0020]); }, "unused bits"),
        ("int over 128", |r| { r.t("i", Int, 0, 0, 32, &[0x0001_0080]); }, "129 bits"),
        ("int larger than size", |r| { r.t("i", Int, 0, 0, 3, &[32]); }, "32 bits in 3 bytes"),
        ("int encoding", |r| { r.t("i", Int, 0, 0, 4, &[0x0300_0020]); }, "encoding 3"),
        ("int any name and size", |r| { r.t("a b \u{e9}", Int, 0, 0, 17, &[32]); r.t("", Int, 0, 0, 0, &[0]); }, ""),
        ("ptr named", |r| { r.t("a", Ptr, 0, 0, INT, &[]); }, "has a name"),
        ("ptr kflag", |r| { r.t("", Ptr, 1, 0, INT, &[]); }, "kind_flag"),
        ("ptr out of range", |r| { r.t("", Ptr, 0, 0, OUT, &[]); }, "refers to 9999"),
        ("const vlen", |r| { r.t("", Const, 0, 3, INT, &[]); }, "3 elements"),
        ("typedef no name", |r| { r.t("", Typedef, 0, 0, INT, &[]); }, "no name"),
        ("typedef bad name", |r| { r.t("a::b", Typedef, 0, 0, INT, &[]); }, "no identifier"),
        ("type tag empty", |r| { r.t("", TypeTag, 0, 0, INT, &[]); }, "no value"),
        ("type tag any text", |r| { r.t("a\u{1}", TypeTag, 0, 0, INT, &[]); }, ""),
        ("array named", |r| { r.t("a", Array, 0, 0, 0, &[INT, INT, 1]); }, "has a name"),
        ("array size", |r| { r.t("", Array, 0, 0, 4, &[INT, INT, 1]); }, "not 0"),
        ("array of range", |r| { r.t("", Array, 0, 0, 0, &[OUT, INT, 1]); }, "element's type 9999"),
        ("struct bad name", |r| { r.t("a<b>", Struct, 0, 0, 4, &[]); }, "no identifier"),
        ("struct dot name, size 0", |r| { r.t(".s", Struct, 0, 0, 0, &[]); }, ""),
        ("member name out", |r| { r.t("x", Struct, 0, 1, 4, &[OUT, INT, 0]); }, "member 0: name at 9999"),
        ("member bad name", |r| { let s = r.s("a-b"); r.t("x", Struct, 0, 1, 4, &[s, INT, 0]); }, "no identifier"),
        ("member void", |r| { r.t("x", Struct, 0, 1, 4, &[A, 0, 0]); }, "member 'a': type is void"),
        ("union offset", |r| { r.t("x", Union, 0, 1, 8, &[A, INT, 32]); }, "offset 32 bits in a union"),
        ("member order", |r| { r.t("x", Struct, 0, 2, 8, &[A, INT, 32, A, INT, 0]); }, "before that of the previous, 32"),
        ("member behind", |r| { r.t("x", Struct, 0, 1, 3, &[A, INT, 25]); }, "behind the 3 bytes"),
        ("flexible array", |r| { let a = r.t("", Array, 0, 0, 0, &[INT, INT, 0]); r.t("x", Struct, 0, 1, 4, &[A, a, 32]); }, ""),
        ("duplicate members", |r| { r.t("x", Struct, 0, 2, 4, &[A, INT, 0, A, INT, 0]); }, ""),
        ("enum size", |r| { r.t("x", Enum, 0, 1, 3, &[A, 0]); }, "size 3"),
        ("enum64 size", |r| { r.t("x", Enum64, 0, 1, 16, &[A, 0, 0]); }, "size 16"),
        ("enumerator unnamed", |r| { r.t("x", Enum, 0, 1, 4, &[0, 0]); }, "enumerator 0: no name"),
        ("enumerator bad", |r| { let s = r.s("1"); r.t("x", Enum64, 0, 1, 8, &[s, 0, 0]); }, "no identifier"),
        ("enum forward", |r| { r.t("x", Enum, 0, 0, 4, &[]); r.t("", Enum, 0, 0, 1, &[]); }, ""),
        ("fwd third", |r| { r.t("x", Fwd, 0, 0, 1, &[]); }, "not 0"),
        ("fwd vlen", |r| { r.t("x", Fwd, 1, 1, 0, &[]); }, "1 elements"),
        ("fwd no name", |r| { r.t("", Fwd, 0, 0, 0, &[]); }, "no name"),
        ("func no name", |r| { r.t("", Func, 0, 0, PROTO, &[]); }, "no name"),
        ("func extern", |r| { r.t("g", Func, 0, 2, PROTO, &[]); }, "linkage 2"),
        ("func kflag", |r| { r.t("g", Func, 1, 0, PROTO, &[]); }, "kind_flag"),
        ("func twice, with dots", |r| { r.t("f", Func, 0, 0, PROTO, &[]); r.t("f.isra.0", Func, 0, 1, PROTO, &[]); }, ""),
        ("proto named", |r| { r.t("p", FuncProto, 0, 0, 0, &[]); }, "has a name"),
        ("proto kflag", |r| { r.t("", FuncProto, 1, 0, 0, &[]); }, "kind_flag"),
        ("proto name out", |r| { r.t("", FuncProto, 0, 1, 0, &[OUT, INT]); }, "parameter 0: name at 9999"),
        ("var no name", |r| { r.t("", Var, 0, 0, INT, &[0]); }, "no name"),
        ("var void", |r| { r.t("x", Var, 0, 0, 0, &[0]); }, "its type is void"),
        ("var extern", |r| { r.t("x", Var, 0, 0, INT, &[2]); }, "linkage"),
        ("var linkage", |r| { r.t("x", Var, 0, 0, INT, &[7]); }, "linkage"),
        ("datasec size 0", |r| { r.t(".s", Datasec, 0, 0, 0, &[]); }, "size 0"),
        ("datasec no name", |r| { r.t("", Datasec, 0, 0, 4, &[]); }, "printable"),
        ("datasec name", |r| { r.t("a\u{7f}", Datasec, 0, 0, 4, &[]); }, "printable"),
        ("datasec any printable", |r| { r.t("a b", Datasec, 0, 0, 4, &[]); }, ""),
        ("datasec void", |r| { r.t(".s", Datasec, 0, 1, 4, &[0, 0, 4]); }, "entry 0: type is void"),
        ("datasec overlap", |r| { r.t(".s", Datasec, 0, 2, 8, &[VAR, 0, 5, VAR, 4, 4]); }, "before the end of the previous, 5"),
        ("datasec unsorted", |r| { r.t(".s", Datasec, 0, 2, 8, &[VAR, 4, 4, VAR, 0, 4]); }, "before the end of the previous, 8"),
        ("datasec end", |r| { r.t(".s", Datasec, 0, 1, 4, &[VAR, 1, 4]); }, "ends at 5"),
        ("datasec entry 0", |r| { r.t(".s", Datasec, 0, 1, 4, &[VAR, 0, 0]); }, "entry 'v': size 0"),
        ("datasec twice", |r| { r.t(".s", Datasec, 0, 2, 8, &[VAR, 0, 4, VAR, 4, 4]); }, ""),
        ("float size", |r| { r.t("x", Float, 0, 0, 10, &[]); }, "size 10"),
        ("decl tag empty", |r| { r.t("", DeclTag, 0, 0, STRUCT, &[0]); }, "no value"),
        ("decl tag component", |r| { r.t("x", DeclTag, 0, 0, STRUCT, &[-2i32 as u32]); }, "component -2"),
        ("name out", |r| { r.t("x", Int, 0, 0, 4, &[32]); let n = r.types.len(); r.types[n - 4] = OUT; }, "name at 9999"),
        ("long chain", |r| { for i in 0..32 { r.t("", Const, 0, 0, N + i + 1, &[]); } r.t("x", Typedef, 0, 0, INT, &[]); }, "[18] CONST '(anon)': a chain of more than 32"),
        ("chain of 32", |r| { for i in 0..31 { r.t("", Const, 0, 0, N + i + 1, &[]); } r.t("x", Typedef, 0, 0, INT, &[]); }, ""),
    ];
    run(cases, &CheckOptions { levels: Levels::NONE.with(Level::Records), ..CheckOptions::default() });
}

#[test]
fn resolve_each_rule() {
    use Kind::*;
    const A: u32 = 1;
    #[rustfmt::skip]
    let cases: &[Case] = &[
        ("ptr to var", |r| { r.t("", Ptr, 0, 0, VAR, &[]); }, "Resolve [18] PTR '(anon)': refers to 7"),
        ("const of decl tag", |r| { r.t("", Const, 0, 0, DECL_TAG, &[]); }, "refers to 17"),
        ("ptr to func, const of proto", |r| { r.t("", Ptr, 0, 0, FUNC, &[]); r.t("", Const, 0, 0, PROTO, &[]); }, ""),
        ("var of fwd", |r| { r.t("x", Var, 0, 0, FWD, &[0]); }, "forward declaration"),
        ("var of const void", |r| { r.t("x", Var, 0, 0, CONST_VOID, &[0]); }, "is void"),
        ("array index", |r| { r.t("", Array, 0, 0, 0, &[INT, PTR, 1]); }, "index's type 4"),
        ("array index irregular", |r| { r.t("", Array, 0, 0, 0, &[INT, FIVE_BITS, 1]); }, "index's type 12"),
        ("array index typedef", |r| { r.t("", Array, 0, 0, 0, &[INT, TYPEDEF, 1]); }, ""),
        ("array of fwd", |r| { r.t("", Array, 0, 0, 0, &[FWD, INT, 1]); }, "element: type 5"),
        ("array of irregular", |r| { r.t("", Array, 0, 0, 0, &[FIVE_BITS, INT, 1]); }, "does not fill"),
        ("array too large", |r| { r.t("", Array, 0, 0, 0, &[INT, INT, 1 << 30]); }, "4 GiB"),
        ("member fwd", |r| { r.t("x", Struct, 0, 1, 8, &[A, FWD, 0]); }, "member 'a': type 5"),
        ("member func", |r| { r.t("x", Struct, 0, 1, 8, &[A, PROTO, 0]); }, "FUNC_PROTO"),
        ("member var", |r| { r.t("x", Struct, 0, 1, 8, &[A, VAR, 0]); }, "no type"),
        ("member int end", |r| { r.t("x", Struct, 0, 1, 4, &[A, INT, 1]); }, "ends at 5"),
        ("member old bitfield", |r| { r.t("x", Struct, 0, 1, 1, &[A, FIVE_BITS, 3]); }, ""),
        ("member ptr end", |r| { r.t("x", Struct, 0, 1, 3, &[A, PTR, 0]); }, "ends at 4"),
        ("member ptr end of 64 bits", |r| { r.t("long", Int, 0, 0, 8, &[64]); r.t("x", Struct, 0, 1, 4, &[A, PTR, 0]); }, "ends at 8"),
        ("member ptr inside byte", |r| { r.t("x", Struct, 0, 1, 9, &[A, PTR, 4]); }, "inside a byte"),
        ("member ptr unaligned", |r| { r.t("x", Struct, 0, 1, 9, &[A, PTR, 8]); }, ""),
        ("member float unaligned", |r| { r.t("x", Struct, 0, 1, 16, &[A, FLOAT, 16]); }, "alignment is 4"),
        ("member array end", |r| { let a = r.t("", Array, 0, 0, 0, &[INT, INT, 5]); r.t("x", Struct, 0, 1, 16, &[A, a, 0]); }, "ends at 20"),
        ("bitfield", |r| { r.t("x", Struct, 1, 2, 4, &[A, INT, 31 << 24, A, ENUM, 1 << 24 | 31]); }, ""),
        ("bitfield too wide", |r| { r.t("x", Struct, 1, 1, 8, &[A, INT, 33 << 24]); }, "33 bits of an INT of 32"),
        ("bitfield irregular", |r| { r.t("x", Struct, 1, 1, 8, &[A, FIVE_BITS, 3 << 24]); }, "INT 12 does not fill"),
        ("bitfield end", |r| { r.t("x", Struct, 1, 1, 4, &[A, INT, 2 << 24 | 31]); }, "ends at 5"),
        ("bitfield of ptr", |r| { r.t("x", Struct, 1, 1, 8, &[A, PTR, 3 << 24]); }, "a bitfield of type PTR"),
        ("bitfield of enum", |r| { let e = r.t("x", Enum64, 0, 0, 8, &[]); r.t("x", Struct, 1, 1, 8, &[A, e, 40 << 24]); }, "40 bits of an enumeration"),
        ("int with flag inside byte", |r| { r.t("x", Struct, 1, 1, 8, &[A, INT, 1]); }, "inside a byte"),
        ("small enum", |r| { r.t("x", Struct, 0, 1, 1, &[A, SMALL_ENUM, 0]); }, ""),
        ("small enum with flag", |r| { r.t("x", Struct, 1, 1, 1, &[A, SMALL_ENUM, 0]); }, "ends at 4"),
        ("contains itself", |r| { r.t("x", Struct, 0, 1, 8, &[A, N, 0]); }, "[18] STRUCT 'x': contains itself"),
        ("contains itself by two", |r| { r.t("x", Struct, 0, 1, 8, &[A, N + 1, 0]); r.t("", Const, 0, 0, N + 2, &[]); r.t("y", Union, 0, 2, 8, &[A, INT, 0, A, N, 0]); }, "contains itself"),
        ("contains itself in array", |r| { r.t("x", Struct, 0, 1, 8, &[A, N + 1, 0]); r.t("", Array, 0, 0, 0, &[N, INT, 1]); }, "contains itself"),
        ("contains another twice", |r| { r.t("x", Struct, 0, 2, 16, &[A, N + 1, 0, A, N + 1, 64]); r.t("y", Struct, 0, 1, 8, &[A, STRUCT, 0]); }, ""),
        ("points to itself", |r| { r.t("x", Struct, 0, 1, 8, &[A, N + 1, 0]); r.t("", Ptr, 0, 0, N, &[]); }, ""),
        ("ptr of ptr cycle", |r| { r.t("", Ptr, 0, 0, N + 1, &[]); r.t("", Ptr, 0, 0, N, &[]); }, "points to itself"),
        ("typedef ptr cycle", |r| { r.t("x", Typedef, 0, 0, N + 1, &[]); r.t("", Ptr, 0, 0, N, &[]); }, "[19] PTR '(anon)': points to itself"),
        ("typedef cycle", |r| { r.t("x", Typedef, 0, 0, N + 1, &[]); r.t("", Const, 0, 0, N, &[]); }, "contains itself"),
        ("array cycle", |r| { r.t("", Array, 0, 0, 0, &[N, INT, 1]); }, "contains itself"),
        ("array of ptr cycle", |r| { r.t("", Array, 0, 0, 0, &[N + 1, INT, 1]); r.t("", Ptr, 0, 0, N, &[]); }, ""),
        ("typedef of proto with itself", |r| { r.t("x", Typedef, 0, 0, N + 1, &[]); r.t("", Ptr, 0, 0, N + 2, &[]); r.t("", FuncProto, 0, 1, 0, &[0, N]); }, ""),
        ("func of int", |r| { r.t("g", Func, 0, 0, INT, &[]); }, "no FUNC_PROTO"),
        ("func of unnamed", |r| { r.t("g", Func, 0, 0, UNNAMED_PROTO, &[]); }, "parameter 0 has no name"),
        ("func variadic", |r| { let p = r.t("", FuncProto, 0, 2, 0, &[A, INT, 0, 0]); r.t("g", Func, 0, 0, p, &[]); }, ""),
        ("proto const void", |r| { r.t("", FuncProto, 0, 0, CONST_VOID, &[]); }, "return: type 13 is void"),
        ("proto fwd", |r| { r.t("", FuncProto, 0, 0, FWD, &[]); }, "return: type 5"),
        ("param fwd", |r| { r.t("", FuncProto, 0, 1, 0, &[A, FWD]); }, "parameter 'a': type 5"),
        ("param void", |r| { r.t("", FuncProto, 0, 2, 0, &[0, 0, A, INT]); }, "not the last"),
        ("param void named", |r| { r.t("", FuncProto, 0, 1, 0, &[A, 0]); }, "has a name"),
        ("param bad name", |r| { let s = r.s("a b"); r.t("", FuncProto, 0, 1, 0, &[s, INT]); }, "no identifier"),
        ("datasec of int", |r| { r.t(".s", Datasec, 0, 1, 4, &[INT, 0, 4]); }, "type 1 is no VAR"),
        ("datasec too small", |r| { r.t(".s", Datasec, 0, 1, 4, &[VAR, 0, 3]); }, "3 bytes, its type has 4"),
        ("datasec larger", |r| { r.t(".s", Datasec, 0, 1, 8, &[VAR, 0, 8]); }, ""),
        ("decl tag on enum", |r| { r.t("x", DeclTag, 0, 0, ENUM, &[-1i32 as u32]); }, "on 6: ENUM takes no tags"),
        ("decl tag on void", |r| { r.t("x", DeclTag, 0, 0, 0, &[-1i32 as u32]); }, "on 0: void takes"),
        ("decl tag on member", |r| { r.t("x", DeclTag, 0, 0, STRUCT, &[1]); }, ""),
        ("decl tag past member", |r| { r.t("x", DeclTag, 0, 0, STRUCT, &[2]); }, "component 2 of 2, which has 2"),
        ("decl tag past param", |r| { r.t("x", DeclTag, 0, 0, FUNC, &[1]); }, "component 1 of 9, which has 1"),
        ("decl tag on var part", |r| { r.t("x", DeclTag, 0, 0, VAR, &[0]); }, "component 0"),
        ("decl tag on typedef", |r| { r.t("x", DeclTag, 0, 0, TYPEDEF, &[-1i32 as u32]); }, ""),
    ];
    run(cases, &CheckOptions { levels: Levels::NONE.with(Level::Resolve), ..CheckOptions::default() });
}

#[test]
#[rustfmt::skip]
fn target_and_hygiene_each_rule() {
    use Kind::*;
    let level = |level, major, minor| CheckOptions {
        levels: Levels::NONE.with(level),
        target: Some(KernelVersion::new(major, minor)),
        ..CheckOptions::default()
    };
    #[rustfmt::skip]
    let tag_order: &[Case] = &[
        ("const", |r| { r.t("", Const, 0, 0, TAG, &[]); }, "Target [18] CONST '(anon)': qualifies a TYPE_TAG"),
        ("typedef", |r| { r.t("x", Typedef, 0, 0, TAG, &[]); }, "want tags first"),
        ("tag of tag", |r| { r.t("x", TypeTag, 0, 0, TAG, &[]); }, ""),
        ("tag of const", |r| { r.t("x", TypeTag, 0, 0, CONST_VOID, &[]); }, ""),
        ("ptr to tag", |r| { r.t("", Ptr, 0, 0, TAG, &[]); }, ""),
    ];
    run(tag_order, &level(Level::Target, 7, 1));
    // Each is broken before a version and right from it on.
    #[rustfmt::skip]
    let since: &[Change] = &[
        (tag_order[0], (7, 1), (7, 2)),
        (("tag flag", |r| { r.t("x", TypeTag, 1, 0, INT, &[]); }, "kernel 6.15"), (6, 14), (6, 15)),
        (("many", |r| { r.t("x", Union, 0, 70_000, 4, &[1, INT, 0].repeat(70_000)); }, "70000 elements"), (7, 1), (7, 2)),
        (("long name", |r| { r.t(&"x".repeat(129), Fwd, 0, 0, 0, &[]); }, "more than the 128 bytes"), (6, 0), (6, 1)),
        (("section", |r| { r.t("a b", Datasec, 0, 0, 4, &[]); }, "no identifier"), (6, 1), (6, 12)),
        (("enum64", |r| { r.t("x", Enum64, 0, 0, 8, &[]); }, "from kernel 6.0"), (5, 19), (6, 0)),
        (("signed", |r| { r.t("x", Enum, 1, 0, 8, &[]); }, "from kernel 6.0"), (5, 19), (6, 0)),
    ];
    for (case, before, from) in since {
        run(&[*case], &level(Level::Target, before.0, before.1));
        run(&[(case.0, case.1, "")], &level(Level::Target, from.0, from.1));
    }

    #[rustfmt::skip]
    let hygiene: &[Case] = &[
        ("same ptr", |r| { r.t("", Ptr, 0, 0, STRUCT, &[]); }, "Hygiene [18] PTR '(anon)': the same as type 4"),
        ("same struct", |r| { r.t("s", Struct, 0, 2, 8, &[1, INT, 0, 3, INT, 32]); }, "the same as type 2"),
        ("other struct", |r| { r.t("s", Struct, 0, 2, 8, &[1, INT, 0, 3, INT, 16]); }, ""),
        ("func, var", |r| { r.t("f", Func, 0, 0, PROTO, &[]); r.t("v", Var, 0, 0, INT, &[0]); }, ""),
        ("tail of a string", |r| { r.t("x", Int, 0, 0, 4, &[32]); let n = r.types.len(); r.types[n - 4] += 1; r.types[n - 4] = 6; }, "inside another string"),
    ];
    run(hygiene, &level(Level::Hygiene, 7, 2));

    let names = |names: &[&str]| {
        let mut r = Raw { types: Vec::new(), strings: vec![0], ids: 0 };
        for name in names {
            r.t(name, Kind::Int, 0, 0, r.ids + 1, &[8]);
        }
        let options = CheckOptions { sorted_names: true, ..level(Level::Hygiene, 7, 2) };
        lines(&check(&Btf::parse(&r.blob()).unwrap(), &options))
    };
    assert_eq!(names(&["", "", "B", "a", "a", "ab"]), [""; 0]);
    assert_eq!(names(&["a", ""]), ["Hygiene [2] INT '(anon)': comes after 'a'"]);
    assert_eq!(names(&["ab", "a"]), ["Hygiene [2] INT 'a': comes after 'ab'"]);
}

#[test]
fn violations_are_capped() {
    let mut raw = ground();
    for _ in 0..50 {
        raw.t("a b", Kind::Typedef, 1, 1, 99999, &[]);
    }
    let blob = raw.blob();
    let btf = Btf::parse(&blob).unwrap();
    for max in [0, 1, 7] {
        assert_eq!(check(&btf, &CheckOptions { max_violations: max, ..CheckOptions::default() }).len(), max);
    }
}

/// Long strings that overlap and protos shared by many: time must stay linear in the size of the input.
#[test]
fn no_quadratic_time() {
    let mut raw = Raw { types: Vec::new(), strings: vec![0], ids: 0 };
    raw.s(&"a".repeat(4 << 20));
    let elements = |n: u32| (0..n).flat_map(|i| [1 + i, 1]).collect::<Vec<u32>>();
    raw.t("", Kind::Int, 0, 0, 4, &[32]);
    // Parameters with names inside of the long one, the last without any.
    let n = 50_000;
    let mut params = elements(n);
    params.extend([0, 1]);
    let proto = raw.t("", Kind::FuncProto, 0, n + 1, 0, &params);
    for i in 0..n {
        raw.t("", Kind::Func, 0, 0, proto, &[]);
        let at = raw.types.len();
        raw.types[at - 3] = 1 + i;
        raw.t("", Kind::Int, 0, 0, 4, &[32]);
        let at = raw.types.len();
        raw.types[at - 4] = 1 + i;
    }
    let blob = raw.blob();
    let btf = Btf::parse(&blob).unwrap();
    let options = CheckOptions { sorted_names: true, max_violations: usize::MAX, ..CheckOptions::default() };
    // In square time this would not end.
    assert!(check(&btf, &options).len() > 50_000);
    assert!(btf.find(Kind::Struct, b"a").is_none());
    assert_eq!(btf.pointer_bytes(), None);
}

#[test]
fn kfuncs_are_there_and_tagged() {
    let mut raw = Raw { types: Vec::new(), strings: vec![0], ids: 0 };
    let proto = raw.t("", Kind::FuncProto, 0, 0, 0, &[]);
    let tagged = raw.t("tagged", Kind::Func, 0, 0, proto, &[]);
    let other = raw.t("other", Kind::Func, 0, 0, proto, &[]);
    raw.t("third", Kind::Func, 0, 0, proto, &[]);
    raw.t("bpf_kfunc", Kind::DeclTag, 0, 0, tagged, &[u32::MAX]);
    // Another tag, and the right one on a parameter.
    raw.t("bpf_fastcall", Kind::DeclTag, 0, 0, other, &[u32::MAX]);
    raw.t("bpf_kfunc", Kind::DeclTag, 0, 0, other, &[0]);
    let blob = raw.blob();
    let btf = Btf::parse(&blob).unwrap();
    let names: [&[u8]; 4] = [b"tagged", b"other", b"missing", b"tagged"];
    assert_eq!(
        lines(&check_kfuncs(&btf, &names, 10)),
        [
            "Kfuncs BTF: no FUNC 'missing', which is in a set of kfuncs",
            "Kfuncs [3] FUNC 'other': is in a set of kfuncs, and not tagged as one",
        ]
    );
    assert_eq!(check_kfuncs(&btf, &names, 1).len(), 1);
    assert!(check_kfuncs(&btf, &names[..1], 10).is_empty());
}
