//! BTF that is split from a base: what the base has is taken from there, and nothing else changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use btfgen::btf::{self, Btf, CheckOptions, Kind, Levels, TypeId};
use btfgen::{Base, Encoder, ErrorKind, Features, Image, Jobs, Options, Order, Output};
use common::oracles::{Verdict, kernel_loads};
use common::programs::{gcc, link, random_units};
use common::split::{Compare, Declared, distilled_means, is_declaration, is_definition, joined};
use common::{Model, Random, by_first, each_path, encode_with, options, skipped, tool_or_skip};

fn all_variables() -> Options {
    options(|o| o.features = o.features.with(Features::GLOBAL_VAR))
}

fn split_with(path: &Path, base: &Base<'_>, options: &Options, jobs: usize) -> btfgen::Result<Output> {
    let jobs = Jobs::Exactly(std::num::NonZeroUsize::new(jobs).unwrap());
    Encoder::new(options.clone()).jobs(jobs).base(base).encode(&Image::open(path)?)
}

/// A base and a module, built and encoded in every way; what is given back was checked by every law.
struct Built {
    base: Vec<u8>,
    split: Vec<u8>,
    output: Output,
}

impl Built {
    #[track_caller]
    fn new(base: &[&str], module: &[&str]) -> Option<Built> {
        let gcc = gcc()?;
        let dir = tempfile::tempdir().unwrap();
        let (base_path, module_path) = (dir.path().join("base"), dir.path().join("module"));
        link(&gcc, base, &base_path);
        link(&gcc, module, &module_path);
        Some(Built::encode(&base_path, &module_path))
    }

    #[track_caller]
    fn encode(base: &Path, module: &Path) -> Built {
        let options = all_variables();
        let base = encode_with(base, &options, 2).unwrap().btf;
        let parsed = Btf::parse(&base).unwrap();
        let index = Base::new(&parsed);
        let output = split_with(module, &index, &options, 1).unwrap();
        for (jobs, shuffle) in [(2, None), (3, Some(7)), (8, Some(1))] {
            let options = self::options(|o| (o.features, o.shuffle) = (options.features, shuffle));
            let again = split_with(module, &index, &options, jobs).unwrap();
            assert!(again.btf == output.btf, "-j {jobs} gives other bytes");
        }
        let alone = encode_with(module, &options, 2).unwrap().btf;
        laws(&base, &output, &alone);
        let by_first = options_by_first(&options);
        laws(&base, &split_with(module, &index, &by_first, 2).unwrap(), &alone);
        Built { base, split: output.btf.clone(), output }
    }

    /// Calls `look` with the base, and with base and module in one.
    fn look(&self, look: impl FnOnce(&Model<'_>, &Model<'_>)) {
        look(&Model::new(&self.base), &Model::new(&joined(&self.base, &self.split)));
    }

    fn report(&self, kind: Kind) -> (u64, u64) {
        let count =
            |counts: &std::collections::BTreeMap<_, u64>| counts.get(kind.name()).copied().unwrap_or(0);
        (count(&self.output.report.types_in_base), count(&self.output.report.types_out))
    }
}

fn options_by_first(options: &Options) -> Options {
    let mut options = options.clone();
    options.order = Order::First;
    options
}

/// What holds for every split BTF: together with its base it is what the module is alone; nothing of it is in
/// the base as well; nothing is there twice; every reader of BTF takes it; and distilled it still means the same.
#[track_caller]
fn laws(base: &[u8], output: &Output, alone: &[u8]) {
    let split = &output.btf;
    let base_btf = Btf::parse(base).unwrap();
    let alone = Btf::parse(alone).unwrap();
    let parsed = Btf::parse_split(split, &base_btf).unwrap();

    // Sound at every level.
    let sorted = output.report.types_out.len() > 1 && parsed.types().map(|t| t.name().to_vec()).is_sorted();
    let check = CheckOptions { levels: Levels::ALL, sorted_names: sorted, ..CheckOptions::default() };
    let violations: Vec<_> = btf::check(&parsed, &check).iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{violations:#?}");

    // The same functions and variables, each with the same types all the way down.
    let whole = Compare { a: &alone, b: &parsed, declared: Declared::InEither };
    for kind in [Kind::Func, Kind::Var, Kind::Datasec] {
        let of_kind = |btf: &Btf<'_>| -> Vec<(Vec<u8>, TypeId)> {
            let mut all: Vec<_> =
                btf.types().filter(|t| t.kind() == kind).map(|t| (t.name().to_vec(), t.id())).collect();
            all.sort();
            all
        };
        let (ours, theirs) = (of_kind(&alone), of_kind(&parsed));
        assert_eq!(ours.len(), theirs.len(), "{kind}");
        for (a, b) in ours.iter().zip(&theirs) {
            assert!(whole.same(a.1, b.1), "{kind} {}", String::from_utf8_lossy(&a.0));
        }
    }
    // Every type of the module, in the base or in the split one.
    let everything = || base_btf.types().chain(parsed.types());
    for ty in alone.types() {
        let is_it = |t: &btf::Type<'_>| is_definition(t) || !is_definition(&ty);
        let found = everything().any(|t| t.name() == ty.name() && is_it(&t) && whole.same(ty.id(), t.id()));
        assert!(found, "{} '{}' is gone", ty.kind(), String::from_utf8_lossy(ty.name()));
    }
    // No type that the module has not; none that the base has.
    for own in parsed.types() {
        let what = format!("[{}] {} '{}'", own.id(), own.kind(), String::from_utf8_lossy(own.name()));
        assert!(
            alone.types().any(|t| t.name() == own.name() && whole.same(t.id(), own.id())),
            "{what} is new"
        );
        if matches!(own.kind(), Kind::Func | Kind::Var | Kind::Datasec) {
            continue;
        }
        assert!(base_btf.types().all(|t| t.bytes() != own.bytes()), "{what} is in the base");
        if is_definition(&own) {
            let shared = Compare { a: &parsed, b: &base_btf, declared: Declared::InFirst };
            let equal = base_btf.types().find(|t| t.name() == own.name() && shared.same(own.id(), t.id()));
            assert!(equal.is_none(), "{what} is in the base as {}", equal.unwrap().id());
        }
        if is_declaration(&own) {
            let definitions = |t: &btf::Type<'_>| is_definition(t) && t.name() == own.name();
            assert_ne!(base_btf.types().filter(definitions).count(), 1, "{what} is defined in the base");
        }
    }

    // No string twice.
    for ty in parsed.types().filter(|t| t.name_off().0 >= base_btf.string_end()) {
        assert!(base_btf.types().all(|t| t.name() != ty.name()), "{:?} is in the base's strings", ty.name());
    }
    let _ = btf::check(&Btf::parse(&joined(base, split)).unwrap(), &check);

    let distilled = btf::distill(&parsed).unwrap();
    // A name with several definitions of one size cannot be found again.
    let findable = |t: &btf::Type<'_>| {
        let like = |o: &btf::Type<'_>| {
            o.name() == t.name()
                && o.size_bytes() == t.size_bytes()
                && o.kind() == t.kind()
                && is_definition(o)
        };
        base_btf.types().filter(like).count() < 2
    };
    let small = Btf::parse(&distilled.base).unwrap();
    if small.types().all(|t| findable(&t)) {
        distilled_means(&distilled.base, &distilled.split, &parsed);
    }
}

#[test]
fn equal_types_are_those_of_the_base() {
    let header = "typedef unsigned long size; struct list { struct list *next, *prev; };
        typedef struct { int counter; } atomic; union both { long l; struct { short a, b; }; };
        enum color { RED, GREEN = -4 }; typedef enum { ON = 1 } toggle; typedef int (*callback)(struct list *at, void *);
        struct device { struct list list; atomic refs; const char *name; union both both[3]; enum color color;
            toggle toggle; callback call; struct device *parent; unsigned bits : 3; size volatile n; };";
    let base = format!("{header} struct device root; int start(struct device *d) {{ return d->bits; }}");
    let module = format!(
        "{header} struct mine {{ struct device device; struct mine *next; }} mine; callback table[4];
         int start_mine(struct mine *m, size n) {{ return m->device.bits + n; }}"
    );
    let Some(built) = Built::new(&[&base], &[&module]) else { return };
    built.look(|base, both| {
        for (kind, name) in [
            (Kind::Struct, "device"),
            (Kind::Struct, "list"),
            (Kind::Union, "both"),
            (Kind::Enum, "color"),
            (Kind::Typedef, "size"),
            (Kind::Typedef, "atomic"),
            (Kind::Typedef, "toggle"),
            (Kind::Typedef, "callback"),
        ] {
            assert_eq!(both.one(kind, name).id(), base.one(kind, name).id());
        }
        let mine = both.one(Kind::Struct, "mine");
        assert!(mine.id().0 >= base.btf.len());
        let types: Vec<_> = mine.members().map(|m| m.ty).collect();
        assert_eq!(types[0], base.one(Kind::Struct, "device").id());
        assert!(types[1].0 >= base.btf.len());
    });
    assert_eq!(built.report(Kind::Struct), (4, 1), "{:?}", built.output.report.types_in_base);
    assert_eq!(built.report(Kind::Int).1, 0);
}

#[test]
fn another_definition_of_a_name_stays_and_so_does_what_refers_to_it() {
    let header = |member: &str| {
        format!(
            "struct inner {{ {member} x; }}; struct outer {{ struct inner *inner; }}; typedef struct outer outer_t;
             struct far {{ outer_t *const *outer; int (*call)(struct far *, outer_t); }};
             struct apart {{ struct apart *self; }}; struct far far; struct apart apart;"
        )
    };
    let (base, module) = (header("int"), header("unsigned"));
    let Some(built) = Built::new(&[&base], &[&module]) else { return };
    built.look(|_, both| {
        for name in ["inner", "outer", "far"] {
            assert_eq!(both.count(Kind::Struct, name), 2, "{name}");
        }
        assert_eq!(both.count(Kind::Struct, "apart"), 1);
        assert_eq!(both.count(Kind::Typedef, "outer_t"), 2);
    });
}

#[test]
fn each_difference_keeps_a_type_apart() {
    let base = "struct s { int a; int b : 3; }; typedef int i; enum e { A, B }; int array[3]; struct { int x; } nameless;
        int proto(int named, ...); int (*call)(int named, ...); struct t { struct { int in; }; } t; struct s s; i v; enum e e;";
    for (module, kind, name) in [
        ("struct s { int a; int b : 4; } s;", Kind::Struct, "s"),
        ("struct s { int a; int c : 3; } s;", Kind::Struct, "s"),
        ("struct s { int a; int b : 3; char c; } s;", Kind::Struct, "s"),
        ("struct s { unsigned a; int b : 3; } s;", Kind::Struct, "s"),
        ("union s { int a; int b : 3; } s;", Kind::Union, "s"),
        ("typedef unsigned i; i v;", Kind::Typedef, "i"),
        ("enum e { A, B = 2 } e;", Kind::Enum, "e"),
        ("enum e { A } e;", Kind::Enum, "e"),
        ("struct t { struct { unsigned in; }; } t;", Kind::Struct, "t"),
        ("struct t { struct { int in; } named; } t;", Kind::Struct, "t"),
        ("int array[4];", Kind::Array, ""),
        ("struct { int y; } nameless;", Kind::Struct, ""),
        ("int f(int (*call)(int other, ...)) { return call(1); }", Kind::FuncProto, ""),
    ] {
        let Some(built) = Built::new(&[base], &[module]) else { return };
        let parsed = Btf::parse(&built.base).unwrap();
        let split = Btf::parse_split(&built.split, &parsed).unwrap();
        let own = split.types().filter(|t| t.kind() == kind && t.name() == name.as_bytes()).count();
        assert!(own > 0, "{module}");
    }
}

#[test]
fn a_declaration_is_what_the_base_defines() {
    let base = "struct s { int x; } s; union u { int x; } u; enum e { A, B } e; struct both { struct s *s; union u *u; enum e *e; } both;";
    let module = "struct s; union u; enum e; struct both { struct s *s; union u *u; enum e *e; };
        int f(struct s *s, union u *u, enum e *e, struct both *b, struct unknown *p) { return b != 0; }";
    let Some(built) = Built::new(&[base], &[module]) else { return };
    built.look(|base, both| {
        assert_eq!(both.names(Kind::Fwd), ["unknown"]);
        assert_eq!(both.count(Kind::Struct, "both"), 1);
        assert_eq!(both.count(Kind::Enum, "e"), 1);
        let pointer = "int (struct s *s, union u *u, enum e *e, struct both *b, struct unknown *p)";
        assert_eq!(both.spelled(pointer), 1);
        assert_eq!(base.spelled("struct s *"), both.spelled("struct s *"));
    });
}

#[test]
fn what_the_base_only_declares_may_be_defined() {
    let header = "struct s; enum e; struct holder { struct s *s; enum e *e; };";
    let base = format!("{header} struct holder holder;");
    let module = format!(
        "struct s {{ int x; }}; enum e {{ A }}; {header} struct holder holder; struct s s; enum e e;"
    );
    let Some(built) = Built::new(&[&base], &[&module]) else { return };
    built.look(|base, both| {
        let own = |kind, name| both.all(kind, name).iter().filter(|t| t.id().0 >= base.btf.len()).count();
        assert_eq!((own(Kind::Struct, "s"), own(Kind::Enum, "e")), (1, 1));
        assert_eq!(own(Kind::Struct, "holder"), 0);
        assert_eq!(base.count(Kind::Fwd, "s"), 1);
        assert_eq!(own(Kind::Fwd, "s"), 0);
    });
    // What has no name goes with what it is a part of.
    let parts = "struct s; struct holder { union { struct s *s; long n; }; struct { struct s *t; } in; };";
    let base = format!("{parts} struct holder holder;");
    let whole = format!("{parts} struct s {{ int x; }}; struct holder holder; struct s s;");
    let Some(built) = Built::new(&[&base], &[&whole]) else { return };
    assert_eq!(built.report(Kind::Struct), (2, 1));
    assert_eq!(built.report(Kind::Union), (1, 0));
    let base = format!("{header} struct holder holder;");
    // Two definitions cannot both be what the base declares.
    let another = module
        .replace("int x", "long x")
        .replace("holder;", "other;")
        .replace("s s;", "s s2;")
        .replace(" e;", " e2;");
    let Some(built) = Built::new(&[&base], &[&module, &another]) else { return };
    built.look(|base, both| {
        let own = |name| both.all(Kind::Struct, name).iter().filter(|t| t.id().0 >= base.btf.len()).count();
        assert_eq!((own("s"), own("holder")), (2, 2));
    });
    // What the base only declares is a declaration's equal.
    let other =
        format!("{header} struct holder other; struct mine {{ struct holder *h; struct s *s; }} mine;");
    let Some(built) = Built::new(&[&base], &[&other]) else { return };
    built.look(|_, both| {
        assert_eq!(both.count(Kind::Struct, "holder"), 1);
        assert_eq!(both.count(Kind::Fwd, "s"), 1);
    });
}

/// A name that the base defines in two ways.
#[test]
fn of_several_definitions_in_the_base_each_finds_its_own() {
    let one = "struct s { int x; }; struct a { struct s *s; } a;";
    let two = "struct s { long y; }; struct b { struct s *s; } b;";
    let module = [
        "struct s { int x; }; struct a { struct s *s; } ma; struct own_a { struct s s; } oa;",
        "struct s { long y; }; struct b { struct s *s; } mb; struct own_b { struct s s; } ob;",
    ];
    let Some(built) = Built::new(&[one, two], &module) else { return };
    built.look(|base, both| {
        for name in ["s", "a", "b"] {
            assert_eq!(both.count(Kind::Struct, name), base.count(Kind::Struct, name));
        }
        assert_eq!(base.count(Kind::Struct, "s"), 2);
        let inside = |name: &str| both.one(Kind::Struct, name).members().next().unwrap().ty;
        assert_ne!(inside("own_a"), inside("own_b"));
    });
    // Who only declares it means what the structs mean that are shared.
    let declares = "struct s; struct b { struct s *s; } mb; struct own { struct s *s; } own;";
    let Some(built) = Built::new(&[one, two], &[declares]) else { return };
    built.look(|base, both| {
        assert_eq!(both.count(Kind::Struct, "b"), 1);
        assert_eq!(both.count(Kind::Fwd, "s"), 0);
        let inside = |m: &Model<'_>, name: &str| m.one(Kind::Struct, name).members().next().unwrap().ty;
        assert_eq!(inside(both, "own"), inside(base, "b"));
    });
    // Who means both at once means neither.
    let declares = "struct s; struct a { struct s *s; } ma; struct b { struct s *s; } mb; struct own { struct s *s; } own;";
    let Some(built) = Built::new(&[one, two], &[declares]) else { return };
    built.look(|_, both| {
        assert_eq!((both.count(Kind::Struct, "a"), both.count(Kind::Struct, "b")), (1, 1));
        assert_eq!(both.count(Kind::Fwd, "s"), 1);
    });
}

/// The base holds a type twice: somebody wrote it so.
#[test]
fn of_equal_types_in_the_base_the_first_is_taken() {
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program");
    link(&gcc, &["struct s { struct s *next; long n; } s; struct mine { struct s s; } mine;"], &path);
    let mut w = btf::Writer::new(btf::Endian::Little);
    let [long, s, next, n] = ["long int", "s", "next", "n"].map(|text| w.intern(text.as_bytes()).unwrap());
    let long = w.int(long, 8, 64, btf::IntEncoding::SIGNED).unwrap();
    for first in [2, 4] {
        w.ptr(TypeId(first + 1)).unwrap();
        let member = |name, ty, offset_word| btf::Member { name, ty, offset_word };
        let members = [member(next, TypeId(first), 0), member(n, long, 64)];
        w.composite(Kind::Struct, s, 16, false, members).unwrap();
    }
    let base = w.finish(false).unwrap();
    let parsed = Btf::parse(&base).unwrap();
    let output = split_with(&path, &Base::new(&parsed), &all_variables(), 1).unwrap();
    let both = joined(&base, &output.btf);
    let both = Model::new(&both);
    assert_eq!(both.count(Kind::Struct, "s"), 2);
    assert_eq!(both.one(Kind::Struct, "mine").members().next().unwrap().ty, TypeId(3));
}

#[test]
fn random_bases_and_modules() {
    const PROGRAMS: u64 = 60;
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut failed = Vec::new();
    for seed in 1..=PROGRAMS {
        let mut random = Random::new(seed);
        let units = random_units(&mut random, 3 + seed as usize / 20);
        let (mut base, mut module): (Vec<&String>, Vec<&String>) = Default::default();
        for (i, unit) in units.iter().enumerate() {
            match random.below(3) {
                _ if i == 0 => (base.push(unit), module.push(unit)).0,
                0 => base.push(unit),
                1 => module.push(unit),
                _ => (base.push(unit), module.push(unit)).0,
            }
        }
        let (base_path, module_path) = (dir.path().join("base"), dir.path().join("module"));
        link(&gcc, &base, &base_path);
        link(&gcc, &module, &module_path);
        if catch_unwind(AssertUnwindSafe(|| drop(Built::encode(&base_path, &module_path)))).is_err() {
            eprintln!("^^^ seed {seed}: base {base:#?}, module {module:#?}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "of {PROGRAMS} programs those of the seeds {failed:?} are wrong");
}

/// Above its own BTF, a program has nothing of its own but its functions and variables and their tags.
#[test]
fn a_program_above_itself_has_no_type() {
    for program in ["all", "tags", "bit_int", "nested", "units"] {
        each_path(program, |_, path| {
            for mut options in [Options::default(), by_first(), all_variables()] {
                for features in [options.features, options.features.without(Features::ENUM64), Features::NONE]
                {
                    options.features = features;
                    let whole = encode_with(path, &options, 1).unwrap();
                    let parsed = Btf::parse(&whole.btf).unwrap();
                    let output = split_with(path, &Base::new(&parsed), &options, 2).unwrap();
                    let split = Btf::parse_split(&output.btf, &parsed).unwrap();
                    for ty in split.types() {
                        let of_own = |id: TypeId| id.0 >= parsed.len();
                        let expected = match ty.kind() {
                            Kind::Func | Kind::Var | Kind::Datasec => true,
                            Kind::DeclTag => of_own(ty.target().unwrap()),
                            _ => false,
                        };
                        assert!(
                            expected,
                            "[{}] {} '{}'",
                            ty.id(),
                            ty.kind(),
                            String::from_utf8_lossy(ty.name())
                        );
                    }
                    assert_eq!(split.header().strings.len, 0);
                    let in_base: u64 = output.report.types_in_base.values().sum();
                    let own: u64 = output.report.types_out.values().sum();
                    assert_eq!(in_base + own, whole.report.types_out.values().sum::<u64>());
                }
            }
        });
    }
}

/// Tags that the base has on a type are not repeated; others are kept, on the type of the base.
#[test]
fn tags_on_a_type_of_the_base() {
    let Some(clang) = ["clang-19", "clang-14", "clang"].into_iter().find_map(common::tool) else {
        return skipped("no clang, which knows btf_decl_tag");
    };
    let dir = tempfile::tempdir().unwrap();
    let source = |more: &str| {
        format!(
            "#define tag(x) __attribute__((btf_decl_tag(#x)))\nstruct s {{ int a tag(one) {more}; }} tag(whole); struct s s;"
        )
    };
    let build = |name: &str, text: &str| -> PathBuf {
        let (c, out) = (dir.path().join(format!("{name}.c")), dir.path().join(name));
        std::fs::write(&c, text).unwrap();
        let flags = ["-g", "-ffreestanding", "-nostdlib", "-static", "-Wl,-e,0"];
        assert!(Command::new(&clang).args(flags).arg(&c).arg("-o").arg(&out).status().unwrap().success());
        out
    };
    let base = encode_with(&build("base", &source("")), &all_variables(), 1).unwrap().btf;
    let parsed = Btf::parse(&base).unwrap();
    assert_eq!(parsed.types().filter(|t| t.kind() == Kind::DeclTag).count(), 2);
    let output =
        split_with(&build("module", &source("tag(two)")), &Base::new(&parsed), &all_variables(), 1).unwrap();
    let split = Btf::parse_split(&output.btf, &parsed).unwrap();
    let own: Vec<_> = split.types().filter(|t| t.kind() == Kind::DeclTag).collect();
    assert_eq!(
        own.iter().map(|t| (t.name(), t.component_idx())).collect::<Vec<_>>(),
        [(&b"two"[..], Some(0))]
    );
    assert_eq!(own[0].target(), parsed.find(Kind::Struct, b"s").map(|t| t.id()));
}

#[test]
fn nothing_to_encode_is_an_empty_btf() {
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (base, module) = (dir.path().join("base"), dir.path().join("module"));
    link(&gcc, &["struct s { int x; } s; int f(struct s *s) { return s->x; }"], &base);
    link(&gcc, &["struct s { int x; }; struct s *p;"], &module);
    let base = encode_with(&base, &Options::default(), 1).unwrap().btf;
    let parsed = Btf::parse(&base).unwrap();
    let layout = options(|o| o.features = o.features.with(Features::LAYOUT));
    let output = split_with(&module, &Base::new(&parsed), &layout, 1).unwrap();
    assert_eq!(output.btf.len(), 24, "a header and nothing else");
    assert_eq!(output.report.types_out.values().sum::<u64>(), 0);
    assert!(output.report.types_in_base.values().sum::<u64>() > 0);
    let split = Btf::parse_split(&output.btf, &parsed).unwrap();
    assert_eq!(split.len(), parsed.len());
    assert_eq!(btf::check(&split, &CheckOptions::default()), []);
    let distilled = btf::distill(&split).unwrap();
    assert_eq!((distilled.base.len(), distilled.split.len()), (25, 24));
}

#[test]
fn a_base_of_another_machine_is_refused() {
    let fixture = |name: &str| {
        common::fixture(name).map(|path| encode_with(&path, &Options::default(), 1).unwrap().btf)
    };
    let Some(module) = common::fixture("all-x86_64-gcc-dwarf5") else { return };
    for (name, message) in [("all-s390x-gcc", "byte order"), ("all-i386-gcc", "pointers have 8 bytes")] {
        let Some(base) = fixture(name) else { continue };
        let parsed = Btf::parse(&base).unwrap();
        let error = split_with(&module, &Base::new(&parsed), &Options::default(), 1).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains(message), "{error}");
    }
    let distill = options(|o| o.features = o.features.with(Features::DISTILLED_BASE));
    let error = encode_with(&module, &distill, 1).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}

/// All fixtures above `units` of the same compiler, which shares few names with some and many with others.
#[test]
fn fixtures_above_each_other() {
    for program in ["structs", "enums", "protos", "arrays", "tags", "bitfields", "functions"] {
        each_path(program, |variant, path| {
            let Some(base) = common::fixture(&format!("units-{}", variant.name)) else { return };
            if !path.ends_with(format!("all-{}", variant.name)) {
                Built::encode(&base, path);
            }
        });
    }
}

fn distilled(built: &Built) -> btf::Distilled {
    let base = Btf::parse(&built.base).unwrap();
    btf::distill(&Btf::parse_split(&built.split, &base).unwrap()).unwrap()
}

const BASE: &str =
    "typedef unsigned char u8; enum small { S } ; enum __attribute__((mode(DI))) wide { W = 1ll << 40 };
    struct hidden { int x; }; struct known { struct hidden *h; u8 bytes[5]; struct hidden inside; };
    union pair { int i; float f; }; typedef struct { long quad; } nameless; struct only;
    struct known k; union pair p; nameless n; enum wide w; enum small s; struct only *o;
    long unrelated(struct known *k, double d) { return d; }";
const MODULE: &str = "typedef unsigned char u8; enum small { S }; enum __attribute__((mode(DI))) wide { W = 1ll << 40 };
    struct hidden { int x; }; struct known { struct hidden *h; u8 bytes[5]; struct hidden inside; };
    union pair { int i; float f; }; typedef struct { long quad; } nameless; struct only;
    struct mine { struct known known; const struct known *p; union pair *pair; nameless n; enum wide w; enum small s;
        struct only *o; u8 *const table[7]; } mine;
    int call(nameless *n, int (*back)(struct known *, u8)) { return 0; }";

#[test]
fn a_distilled_base_holds_what_is_needed_by_name() {
    let Some(built) = Built::new(&[BASE], &[MODULE]) else { return };
    let distilled = distilled(&built);
    let small = Model::new(&distilled.base);
    for (kind, name, size) in [
        (Kind::Struct, "known", 24),
        (Kind::Union, "pair", 4),
        (Kind::Enum, "small", 4),
        (Kind::Enum, "wide", 8),
        (Kind::Int, "unsigned char", 1),
        (Kind::Int, "int", 4),
        (Kind::Int, "long int", 8),
        (Kind::Fwd, "only", 0),
    ] {
        let ty = small.one(kind, name);
        assert_eq!((ty.size_bytes().unwrap_or(0), ty.vlen()), (size, 0), "{name}");
    }
    // Not what only a named struct refers to.
    assert_eq!(small.count(Kind::Struct, "hidden"), 0);
    assert_eq!(small.btf.types().count(), 8);
    let both = joined(&distilled.base, &distilled.split);
    let both = Model::new(&both);
    // All else follows the module's own types.
    let last_own = both.one(Kind::Func, "call").id();
    for name in ["nameless", "u8"] {
        assert!(both.one(Kind::Typedef, name).id() > last_own, "{name}");
    }
    assert_eq!(both.names(Kind::Typedef), ["nameless", "u8"]);
    let base = Btf::parse(&built.base).unwrap();
    distilled_means(&distilled.base, &distilled.split, &Btf::parse_split(&built.split, &base).unwrap());
}

/// A tiny base and what refers to a part of it.
fn refers_to(kind: Kind) -> btfgen::Result<btf::Distilled> {
    let mut w = btf::Writer::new(btf::Endian::Big);
    let name = w.intern(b"name").unwrap();
    let int = w.int(name, 4, 32, btf::IntEncoding::NONE).unwrap();
    let proto = w.func_proto(int, []).unwrap();
    let target = match kind {
        Kind::Int => w.int(btf::StrOff::EMPTY, 4, 32, btf::IntEncoding::NONE).unwrap(),
        Kind::Func => w.func(name, proto, btf::FuncLinkage::Static).unwrap(),
        Kind::Var => w.var(name, int, btf::VarLinkage::Global).unwrap(),
        Kind::DeclTag => {
            let typedef = w.typedef(name, int).unwrap();
            w.decl_tag(name, typedef, -1, false).unwrap()
        }
        Kind::Datasec => w.datasec(name, 4, []).unwrap(),
        _ => TypeId(77),
    };
    let base = w.finish(false).unwrap();
    let base = Btf::parse(&base).unwrap();
    let strings = btf::SplitBase::new(&base);
    let mut w = btf::Writer::split(&strings);
    w.ptr(target).unwrap();
    let split = w.finish(false).unwrap();
    btf::distill(&Btf::parse_split(&split, &base).unwrap())
}

#[test]
fn what_cannot_be_distilled_is_an_error() {
    for kind in [Kind::Func, Kind::Var, Kind::DeclTag, Kind::Datasec] {
        let error = refers_to(kind).unwrap_err();
        assert!(
            error.to_string().contains(&format!(
                "type {}: refers to {kind} 'name'",
                if kind == Kind::DeclTag { 5 } else { 4 }
            )),
            "{error}"
        );
    }
    assert!(refers_to(Kind::Ptr).unwrap_err().to_string().contains("refers to type 77"));
    // What has no name is copied: nobody could find it.
    let distilled = refers_to(Kind::Int).unwrap();
    assert_eq!(Btf::parse(&distilled.base).unwrap().len(), 1);
    let base =
        encode_with(&common::root().join("testdata/small/demo.elf"), &Options::default(), 1).unwrap().btf;
    assert!(btf::distill(&Btf::parse(&base).unwrap()).is_err());
}

fn dump(bpftool: &Path, base: &Path, file: &Path) -> Vec<String> {
    let output =
        Command::new(bpftool).args(["btf", "dump", "-B"]).arg(base).arg("file").arg(file).output().unwrap();
    assert!(output.status.success(), "bpftool: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter(|l| l.starts_with('['))
        .map(str::to_owned)
        .collect()
}

#[test]
fn bpftool_reads_split_and_distilled() {
    let Some(bpftool) = tool_or_skip("bpftool") else { return };
    let Some(built) = Built::new(&[BASE], &[MODULE]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let distilled = distilled(&built);
    for (base, split) in [(&built.base, &built.split), (&distilled.base, &distilled.split)] {
        let parsed = Btf::parse(base).unwrap();
        let parsed = Btf::parse_split(split, &parsed).unwrap();
        let lines = dump(&bpftool, &write("base", base), &write("split", split));
        assert_eq!(lines.len(), parsed.types().count());
        for (line, ty) in lines.iter().zip(parsed.types()) {
            let name =
                if ty.name().is_empty() { "(anon)".into() } else { String::from_utf8_lossy(ty.name()) };
            assert!(line.starts_with(&format!("[{}] {} '{name}'", ty.id(), ty.kind())), "{line}");
        }
    }
}

/// The kernel takes split BTF from its own modules only; base and split as one are what a program may load.
#[test]
fn the_running_kernel_takes_base_and_split_together() {
    if cfg!(not(all(target_pointer_width = "64", target_endian = "little"))) {
        return skipped("the programs want a kernel of 64 bits, little-endian");
    }
    let Some(built) = Built::new(&[BASE], &[MODULE]) else { return };
    let distilled = distilled(&built);
    for (what, blob) in [
        ("split", joined(&built.base, &built.split)),
        ("distilled", joined(&distilled.base, &distilled.split)),
        ("distilled base", distilled.base),
    ] {
        match kernel_loads(&blob) {
            Verdict::Accepted => {}
            Verdict::Refused(why) => panic!("{what}: the kernel refuses it: {why}"),
            Verdict::NotAsked(why) => return skipped(&format!("the running kernel was not asked: {why}")),
        }
    }
}
