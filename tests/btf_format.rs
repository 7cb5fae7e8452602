//! The BTF module from outside: round trips, split BTF, containers, hostile input, real blobs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::time::Instant;

use btfgen::btf::*;

/// Writes all of `btf`'s own records and strings again.
fn rewrite(btf: &Btf<'_>, mut w: Writer<'_>, layout: bool) -> Vec<u8> {
    // In the order of the strings, so that the table comes out the same.
    let mut off = btf.string_start();
    while off < btf.string_end() {
        let s = btf.string(StrOff(off)).unwrap();
        assert_eq!(w.intern(s).unwrap(), if s.is_empty() { StrOff::EMPTY } else { StrOff(off) });
        off += s.len() as u32 + 1;
    }
    for t in btf.types() {
        let (name, flag) = (t.name_off(), t.kind_flag());
        let id = match t.kind() {
            Kind::Int => w.int_with(name, t.size_bytes().unwrap(), t.int_data().unwrap()),
            Kind::Ptr => w.ptr(t.target().unwrap()),
            Kind::Array => w.array_with(t.array().unwrap()),
            k @ (Kind::Struct | Kind::Union) => {
                w.composite(k, name, t.size_bytes().unwrap(), flag, t.members())
            }
            Kind::Enum => w.enumeration(name, t.size_bytes().unwrap(), t.is_signed(), t.enumerators()),
            Kind::Enum64 => w.enum64(name, t.size_bytes().unwrap(), t.is_signed(), t.enumerators()),
            Kind::Fwd => w.fwd(name, flag),
            Kind::Typedef => w.typedef(name, t.target().unwrap()),
            k @ (Kind::Volatile | Kind::Const | Kind::Restrict) => w.modifier(k, t.target().unwrap()),
            Kind::Func => w.func(name, t.target().unwrap(), t.func_linkage().unwrap()),
            Kind::FuncProto => w.func_proto(t.target().unwrap(), t.params()),
            Kind::Var => w.var(name, t.target().unwrap(), t.var_linkage().unwrap()),
            Kind::Datasec => w.datasec(name, t.size_bytes().unwrap(), t.datasec_entries()),
            Kind::Float => w.float(name, t.size_bytes().unwrap()),
            Kind::DeclTag => w.decl_tag(name, t.target().unwrap(), t.component_idx().unwrap(), flag),
            Kind::TypeTag => w.type_tag(name, t.target().unwrap(), flag),
            other => panic!("{other}"),
        };
        assert_eq!(id.unwrap(), t.id());
    }
    w.finish(layout).unwrap()
}

/// One BTF with every kind, which is right at every level.
fn every_kind(w: &mut Writer<'_>) {
    let mut s = |name: &str| w.intern(name.as_bytes()).unwrap();
    let (int, long, double, point, x, y) = (s("int"), s("long"), s("double"), s("point"), s("x"), s("y"));
    let (u, e, big, low, fwd, t) = (s("u"), s("colours"), s("big"), s("LOW"), s("opaque"), s("point_t"));
    let (f, v, sec, tag, rcu) = (s("f"), s("v"), s(".data..percpu"), s("bpf_kfunc"), s("rcu"));
    let first = w.next_id().0;
    let id = |n: u32| TypeId(first - 1 + n);
    let m = |name, ty, offset_word| Member { name, ty, offset_word };
    w.int(int, 4, 32, IntEncoding::SIGNED).unwrap(); // 1
    w.int(long, 8, 64, IntEncoding::NONE).unwrap(); // 2
    w.float(double, 8).unwrap(); // 3
    w.ptr(id(5)).unwrap(); // 4
    let bits = Member::word_with_flag(32, 3).unwrap();
    let members = [m(x, id(1), 0), m(y, id(1), bits), m(StrOff::EMPTY, id(6), 64)];
    w.composite(Kind::Struct, point, 16, true, members).unwrap(); // 5
    w.composite(Kind::Union, u, 8, false, [m(x, id(4), 0), m(y, id(3), 0)]).unwrap(); // 6
    let values = [Enumerator { name: low, value: -5i64 as u64 }, Enumerator { name: x, value: 5 }];
    w.enumeration(e, 4, true, values).unwrap(); // 7
    w.enum64(big, 8, false, [Enumerator { name: y, value: u64::MAX }]).unwrap(); // 8
    w.fwd(fwd, true).unwrap(); // 9
    w.typedef(t, id(5)).unwrap(); // 10
    w.modifier(Kind::Const, id(9)).unwrap(); // 11
    w.modifier(Kind::Volatile, TypeId::VOID).unwrap(); // 12
    w.modifier(Kind::Restrict, id(4)).unwrap(); // 13
    w.array(id(1), id(1), 7).unwrap(); // 14
    let params = [Param { name: x, ty: id(1) }, Param { name: StrOff::EMPTY, ty: TypeId::VOID }];
    w.func_proto(id(10), params).unwrap(); // 15
    w.func(f, id(15), FuncLinkage::Static).unwrap(); // 16
    w.var(v, id(14), VarLinkage::Global).unwrap(); // 17
    w.datasec(sec, 64, [DatasecEntry { var: id(17), offset_bytes: 8, size_bytes: 28 }]).unwrap(); // 18
    w.decl_tag(tag, id(16), -1, false).unwrap(); // 19
    w.decl_tag(tag, id(5), 2, true).unwrap(); // 20
    w.type_tag(rcu, id(5), false).unwrap(); // 21
    assert_eq!(w.own_len(), 21);
}

fn every_kind_blob(endian: Endian, layout: bool) -> Vec<u8> {
    let mut w = Writer::new(endian);
    every_kind(&mut w);
    w.finish(layout).unwrap()
}

fn lines(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(|v| format!("{:?} {v}", v.level)).collect()
}

#[test]
fn every_kind_survives_in_both_orders() {
    for endian in [Endian::Little, Endian::Big] {
        for layout in [false, true] {
            let blob = every_kind_blob(endian, layout);
            let btf = Btf::parse(&blob).unwrap();
            assert_eq!((btf.endian(), btf.len(), btf.base_len()), (endian, 22, 1));
            let kinds: std::collections::BTreeSet<Kind> = btf.types().map(|t| t.kind()).collect();
            assert_eq!(kinds.len(), Kind::ALL.len());
            assert_eq!(rewrite(&btf, Writer::new(endian), layout), blob);
            let options = CheckOptions { target: None, ..CheckOptions::default() };
            assert_eq!(lines(&check(&btf, &options)), [""; 0]);
            assert!(check_container(&blob, None).is_empty());
        }
    }
}

#[test]
fn accessors_say_what_was_written() {
    let blob = every_kind_blob(Endian::Big, false);
    let btf = Btf::parse(&blob).unwrap();
    let t = |n| btf.ty(TypeId(n)).unwrap();
    assert_eq!(t(1).int_data().unwrap().encoding, IntEncoding::SIGNED);
    assert_eq!(t(3).size_bytes(), Some(8));
    assert_eq!((t(4).target(), t(4).size_bytes()), (Some(TypeId(5)), None));
    let second = t(5).members().nth(1).unwrap();
    assert_eq!((second.offset_bits(true), second.bitfield_bits(true)), (32, 3));
    assert_eq!(t(5).members().len(), 3);
    assert_eq!(btf.name(second.name), b"y");
    let values: Vec<i64> = t(7).enumerators().map(|e| e.value as i64).collect();
    assert_eq!((values, t(7).enumerators().len()), (vec![-5, 5], 2));
    assert_eq!(t(8).enumerators().map(|e| e.value).collect::<Vec<_>>(), [u64::MAX]);
    assert_eq!(t(14).array(), Some(ArrayData { element: TypeId(1), index: TypeId(1), count: 7 }));
    assert_eq!(t(15).params().len(), 2);
    assert_eq!(t(16).func_linkage(), Some(FuncLinkage::Static));
    assert_eq!(t(17).var_linkage(), Some(VarLinkage::Global));
    assert_eq!((t(19).component_idx(), t(20).component_idx(), t(20).kind_flag()), (Some(-1), Some(2), true));
    // The wrong kind has nothing.
    assert_eq!((t(1).members().len(), t(1).params().len(), t(1).enumerators().len()), (0, 0, 0));
    assert_eq!((t(1).array(), t(1).component_idx(), t(1).target()), (None, None, None));
    assert!(btf.ty(TypeId(0)).is_none() && btf.ty(TypeId(22)).is_none());
    assert_eq!(btf.find(Kind::Union, b"u").unwrap().id(), TypeId(6));
    assert!(btf.find(Kind::Struct, b"u").is_none());
    assert_eq!(btf.pointer_bytes(), Some(8));
}

#[test]
fn split_continues_its_base() {
    for endian in [Endian::Little, Endian::Big] {
        let base_blob = every_kind_blob(endian, false);
        let base = Btf::parse(&base_blob).unwrap();
        let strings = SplitBase::new(&base);
        assert_eq!(strings.find_string(b"point"), base.find(Kind::Struct, b"point").map(|t| t.name_off()));
        assert_eq!(strings.find_string(b"nothing"), None);

        let mut w = Writer::split(&strings);
        assert_eq!(w.next_id(), TypeId(22));
        let known = w.intern(b"point").unwrap();
        assert!(known.0 < base.string_end());
        let new = w.intern(b"module_thing").unwrap();
        assert_eq!(new.0, base.string_end());
        let inner = Member { name: known, ty: TypeId(5), offset_word: 0 };
        w.composite(Kind::Struct, new, 16, false, [inner]).unwrap();
        w.ptr(TypeId(22)).unwrap();
        let blob = w.finish(false).unwrap();

        let split = Btf::parse_split(&blob, &base).unwrap();
        assert_eq!((split.base_len(), split.len(), split.types().count()), (22, 24, 2));
        let s = split.ty(TypeId(22)).unwrap();
        assert_eq!(s.name(), b"module_thing");
        assert_eq!(split.name(s.members().next().unwrap().name), b"point");
        assert_eq!(split.ty(TypeId(5)).unwrap().name(), b"point");
        assert_eq!(split.find(Kind::Struct, b"point").unwrap().id(), TypeId(5));
        assert_eq!(rewrite(&split, Writer::split(&strings), false), blob);
        assert_eq!(lines(&check(&split, &CheckOptions::default())), [""; 0]);
        assert!(check_container(&blob, Some(&base)).is_empty());
        // Alone it is no BTF at all: its strings do not begin with the empty one.
        assert!(Btf::parse(&blob).is_err());

        // A split of a split, and one without anything.
        let upper_strings = SplitBase::new(&split);
        let mut w = Writer::split(&upper_strings);
        assert_eq!(w.intern(b"module_thing").unwrap(), new);
        w.ptr(TypeId(23)).unwrap();
        let upper = w.finish(false).unwrap();
        let upper = Btf::parse_split(&upper, &split).unwrap();
        assert_eq!(upper.ty(TypeId(24)).unwrap().target(), Some(TypeId(23)));
        let empty = Writer::split(&strings).finish(false).unwrap();
        assert_eq!(
            lines(&check(&Btf::parse_split(&empty, &base).unwrap(), &CheckOptions::default())),
            [""; 0]
        );

        let other = every_kind_blob(if endian == Endian::Big { Endian::Little } else { Endian::Big }, false);
        assert!(Btf::parse_split(&other, &base).is_err());
    }
}

#[test]
fn container_each_rule() {
    let good = every_kind_blob(Endian::Little, false);
    assert!(check_container(&good, None).is_empty());
    let types_len = u32::from_le_bytes(good[12..16].try_into().unwrap());
    let put =
        |blob: &mut Vec<u8>, at: usize, word: u32| blob[at..at + 4].copy_from_slice(&word.to_le_bytes());
    type Break<'a> = Box<dyn Fn(&mut Vec<u8>) + 'a>;
    #[rustfmt::skip]
    let cases: Vec<(&str, Break<'_>)> = vec![
        ("too short", Box::new(|b| b.truncate(3))),
        ("shorter than its header", Box::new(|b| b.truncate(20))),
        ("magic number", Box::new(|b| b[0] = 0)),
        ("version 2", Box::new(|b| b[2] = 2)),
        ("flags 0x1", Box::new(|b| b[3] = 1)),
        ("header of 28", Box::new(|b| put(b, 4, 28))),
        ("header of 25", Box::new(|b| put(b, 4, 25))),
        ("shorter than its header", Box::new(|b| put(b, 4, u32::MAX))),
        ("types of", Box::new(|b| put(b, 12, u32::MAX))),
        ("no multiple of 4", Box::new(|b| put(b, 8, 2))),
        ("types at offset 4, after", Box::new(|b| {
            b.splice(24..24, [0; 4]);
            put(b, 8, 4);
            put(b, 16, types_len + 4);
        })),
        ("exceeds the 12 bytes left", Box::new(|b| put(b, 24 + types_len as usize - 8, 0x0400_0001))),
        ("cut off after 8 bytes", Box::new(|b| put(b, 12, types_len - 4))),
        ("kind 20", Box::new(|b| b[24 + 7] = 20)),
        ("strings end at", Box::new(|b| b.push(0))),
        ("strings at offset", Box::new(|b| {
            b.insert(24 + types_len as usize, 0);
            put(b, 16, types_len + 1);
        })),
        ("has no end", Box::new(|b| *b.last_mut().unwrap() = b'x')),
        ("first string", Box::new(|b| b[24 + types_len as usize] = b'x')),
        ("no strings", Box::new(|b| put(b, 20, 0))),
    ];
    for (want, breaks) in cases {
        let mut blob = good.clone();
        breaks(&mut blob);
        let found = check_container(&blob, None);
        assert!(found.iter().any(|v| v.to_string().contains(want)), "{want}: {found:?}");
        assert!(found.iter().all(|v| v.level == Level::Container));
    }
    let empty = Writer::new(Endian::Little).finish(false).unwrap();
    assert_eq!(lines(&check_container(&empty, None)), ["Container BTF: no types"]);
    // Longer headers of zeros are read, but are not to be written.
    let mut long = good.clone();
    long.splice(24..24, [0; 40]);
    put(&mut long, 4, 64);
    assert_eq!(
        lines(&check_container(&long, None)),
        ["Container BTF: a header of 64 bytes, not of 24 or 32"]
    );
    long[63] = 1;
    assert!(Btf::parse(&long).is_err());
    // A layout that says something else than the kinds.
    let mut odd = every_kind_blob(Endian::Little, true);
    let at = 32 + u32::from_le_bytes(odd[24..28].try_into().unwrap()) as usize;
    odd[at + 4] = 8;
    assert_eq!(lines(&check_container(&odd, None)), ["Container BTF: layout of INT: 8 and 0 bytes"]);
    let options = CheckOptions { levels: Levels::NONE.with(Level::Target), ..CheckOptions::default() };
    assert_eq!(check(&Btf::parse(&odd).unwrap(), &options).len(), 1, "6.15 knows no layout");
}

/// Damaged input gives an answer or an error. Everything that can be asked is asked.
#[test]
fn damage_never_panics() {
    let base_blob = every_kind_blob(Endian::Little, false);
    let base = Btf::parse(&base_blob).unwrap();
    let split_blob = {
        let strings = SplitBase::new(&base);
        let mut w = Writer::split(&strings);
        w.intern(b"own").unwrap();
        every_kind(&mut w);
        w.finish(false).unwrap()
    };
    let ask = |blob: &[u8], base: Option<&Btf<'_>>| {
        let parsed = match base {
            None => Btf::parse(blob),
            Some(base) => Btf::parse_split(blob, base),
        };
        let Ok(btf) = parsed else { return false };
        for t in btf.types() {
            let names = t.members().map(|m| m.name).chain(t.enumerators().map(|e| e.name));
            let len: usize = names.chain(t.params().map(|p| p.name)).map(|n| btf.name(n).len()).sum();
            let ids = t.datasec_entries().map(|e| e.var).chain(t.target()).chain(t.members().map(|m| m.ty));
            assert!(ids.filter_map(|id| btf.ty(id)).count() <= 1 << 20 && len <= 1 << 24);
        }
        for v in check(&btf, &CheckOptions { sorted_names: true, ..CheckOptions::default() }) {
            assert!(!v.to_string().contains('\n'));
        }
        SplitBase::new(&btf).find_string(b"point");
        true
    };
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    let mut parsed = 0;
    let big = every_kind_blob(Endian::Big, true);
    for (good, base) in [(&base_blob, None), (&big, None), (&split_blob, Some(&base))] {
        for cut in 0..good.len() {
            ask(&good[..cut], base);
        }
        for _ in 0..12_000 {
            let mut blob = good.clone();
            for _ in 0..=random(3) {
                let at = random(blob.len());
                blob[at] = match random(4) {
                    0 => 0xff,
                    1 => 0,
                    2 => blob[at].wrapping_add(1),
                    _ => random(256) as u8,
                };
            }
            parsed += u32::from(ask(&blob, base));
        }
    }
    assert!(parsed > 10_000, "most damage is not in the header: {parsed}");
}

/// A kernel's BTF: `BTFGEN_TEST_BTF` names the file. Prints what was found and how long it took.
#[test]
fn real_blob() {
    let Some(path) = std::env::var_os("BTFGEN_TEST_BTF") else {
        eprintln!("SKIPPED real_blob: BTFGEN_TEST_BTF names no file");
        return;
    };
    let data = std::fs::read(&path).unwrap();
    let start = Instant::now();
    let btf = Btf::parse(&data).unwrap();
    let parse = start.elapsed();
    let options = CheckOptions { max_violations: usize::MAX, ..CheckOptions::default() };
    let start = Instant::now();
    let found = check(&btf, &options);
    let checked = start.elapsed();
    for level in [Level::Container, Level::Records, Level::Resolve, Level::Target, Level::Hygiene] {
        let options = CheckOptions { levels: Levels::NONE.with(level), ..CheckOptions::default() };
        let start = Instant::now();
        check(&btf, &options);
        eprintln!("{level:?} alone {:?}", start.elapsed());
    }
    let start = Instant::now();
    let again = rewrite(&btf, Writer::new(btf.endian()), btf.header().layout.len != 0);
    let written = start.elapsed();
    let mut kinds = std::collections::BTreeMap::new();
    for t in btf.types() {
        *kinds.entry(t.kind().name()).or_insert(0u32) += 1;
    }
    eprintln!("{} types, {} bytes: {kinds:?}", btf.len() - 1, data.len());
    eprintln!("parse {parse:?}, check {checked:?}, write {written:?}");
    let mut counts = std::collections::BTreeMap::new();
    for v in &found {
        let n = counts.entry(v.level).or_insert(0u32);
        *n += 1;
        if *n <= 10 {
            eprintln!("{:?} {v}", v.level);
        }
    }
    eprintln!("violations: {counts:?}");
    // Containers differ in whether the header has room for a layout, never in what follows.
    let body = |d: &[u8]| d[u32::from_le_bytes(d[4..8].try_into().unwrap()) as usize..].to_vec();
    if btf.endian() == Endian::Little {
        assert!(body(&again) == body(&data), "written again, it differs");
    }
    let bad = |v: &&Violation| matches!(v.level, Level::Container | Level::Records);
    assert_eq!(found.iter().find(bad).map(Violation::to_string), None);
}
