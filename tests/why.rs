//! Why a name is in the output: the answers are those of the encode, name by name and count by count.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use btfgen::btf::{Btf, Kind, TypeId};
use btfgen::report::Report;
use btfgen::why::{Answer, Why, sentence};
use btfgen::{Base, Encoder, Features, Files, Image, Jobs, Options, Search};
use common::programs::{gcc, link, link_with, random_units};
use common::{Random, each_path, encode_with, options, skipped};
use serde_json::Value;

fn explain(
    path: &Path,
    options: &Options,
    jobs: usize,
    asked: &(dyn Fn(&[u8]) -> bool + Sync),
) -> (Vec<u8>, Report, Why) {
    let image = Image::open(path).unwrap();
    let encoder = Encoder::new(options.clone()).jobs(Jobs::exactly(jobs));
    let files = Files::open(&image, &options.search).unwrap();
    let (output, why) = encoder.explain(&files, asked).unwrap();
    (output.btf, output.report, why)
}

/// Codes of things that the report does not count: they never got so far.
const UNCOUNTED: [&str; 11] = [
    "declaration",
    "no-symbol",
    "inlined",
    "no-prototype",
    "no-type",
    "language",
    "local",
    "no-address",
    "other-section",
    "made-up-name",
    "kept",
];

fn counts<'w>(reasons: impl Iterator<Item = (&'static str, usize)> + 'w) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for (reason, times) in reasons {
        assert!(!sentence(reason).is_empty(), "no sentence for {reason}");
        if !UNCOUNTED.contains(&reason) {
            *counts.entry(reason).or_default() += times as u64;
        }
    }
    counts
}

/// The answers about all names agree with the output and its report.
fn agrees(path: &Path, options: &Options) {
    let (btf, report, why) = explain(path, options, 2, &|_| true);
    assert!(btf == encode_with(path, options, 1).unwrap().btf, "the question changed the output");
    let again = explain(path, options, 1, &|_| true).2;
    assert_eq!(format!("{:?}", why.answers), format!("{:?}", again.answers), "-j 1 gives other answers");

    let btf = Btf::parse(&btf).unwrap();
    let ty = |id: u32| btf.ty(TypeId(id)).unwrap();
    let named = |kinds: &[Kind]| -> BTreeSet<(u32, String)> {
        let types = btf.types().filter(|ty| kinds.contains(&ty.kind()) && !ty.name().is_empty());
        types.map(|ty| (ty.id().0, String::from_utf8_lossy(ty.name()).into_owned())).collect()
    };

    // A function is kept exactly if there is its FUNC.
    let functions = || why.answers.iter().filter_map(|a| Some((a, a.function.as_ref()?)));
    let mut kept = BTreeSet::new();
    for (answer, function) in functions() {
        assert_eq!(function.verdict.is_kept(), function.verdict.id.is_some(), "{}", answer.name);
        if let Some(id) = function.verdict.id {
            assert_eq!(ty(id).kind(), Kind::Func, "{}", answer.name);
            assert!(function.prototype.as_ref().unwrap().contains(&answer.name));
            assert_eq!(function.copies.iter().filter(|copy| copy.is_chosen).count(), 1, "{}", answer.name);
            let name = String::from_utf8_lossy(ty(id).name()).into_owned();
            assert_eq!(name.split('.').next(), Some(answer.name.as_str()));
            kept.insert((id, name));
        }
    }
    assert_eq!(kept, named(&[Kind::Func]));
    assert_eq!(kept.len() as u64, report.functions.encoded);
    assert_eq!(counts(functions().map(|(_, f)| (f.verdict.reason, 1))), report.functions.skipped);
    let tagged = functions().filter(|(_, function)| function.is_kfunc).count();
    assert_eq!(tagged as u64, report.kfuncs.encoded);

    // So is a variable.
    let variables = || why.answers.iter().flat_map(|a| &a.variables);
    let ids: BTreeSet<u32> = variables().filter_map(|v| v.verdict.id).collect();
    assert_eq!(ids, named(&[Kind::Var]).into_iter().map(|(id, _)| id).collect());
    assert_eq!(ids.len() as u64, report.variables.encoded);
    assert_eq!(counts(variables().map(|v| (v.verdict.reason, v.places.len()))), report.variables.skipped);
    for variable in variables().filter(|v| v.verdict.is_kept()) {
        assert!(variable.section.is_some() && variable.address.is_some() && variable.type_name.is_some());
    }

    // And a type with a name; what no DIE describes is made up by the encoder.
    let kinds = [
        Kind::Struct,
        Kind::Union,
        Kind::Enum,
        Kind::Enum64,
        Kind::Fwd,
        Kind::Typedef,
        Kind::Int,
        Kind::Float,
    ];
    let mut found = BTreeSet::new();
    for answer in &why.answers {
        for ty in &answer.types {
            let defined = ty.definitions.iter().filter_map(|definition| definition.verdict.id);
            let declared = ty.declared.and_then(|declared| declared.id);
            found.extend(defined.chain(declared).map(|id| (id, answer.name.clone())));
        }
    }
    let all = named(&kinds);
    assert!(found.is_subset(&all), "{:?}", found.difference(&all));
    let made_up = |(_, name): &&(u32, String)| !["int", "u8", "float", "double"].contains(&name.as_str());
    let missing: Vec<_> = all.difference(&found).filter(made_up).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_answers_agree_with_the_encode() {
    each_path("all", |_, path| agrees(path, &Options::default()));
    for program in ["percpu", "functions", "kfuncs", "containers", "units"] {
        each_path(program, |_, path| agrees(path, &Options::default()));
    }
}

#[test]
fn the_answers_agree_whatever_is_encoded() {
    let more = options(|o| {
        let more = Features::GLOBAL_VAR.with(Features::TRUE_SIGNATURE).with(Features::ATTRIBUTES);
        o.features = o.features.with(more);
    });
    let less = options(|o| o.features = Features::NONE);
    for options in [more, less] {
        each_path("all", |_, path| agrees(path, &options));
    }
}

/// Containers whose units refer to each other.
#[test]
fn the_answers_agree_across_units() {
    let mut built = 0;
    for name in
        ["all-x86_64-gcc-lto", "all-x86_64-gcc-dwz5", "all-x86_64-gcc-typeunits5", "all-x86_64-gcc-rel"]
    {
        if let Some(path) = common::fixture(name) {
            agrees(&path, &Options::default());
            built += 1;
        }
    }
    assert!(built > 0 || gcc().is_none());
}

/// Names with several definitions, at random: the second walk of a unit is told apart from the first.
#[test]
fn the_answers_agree_where_names_mean_several_things() {
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().unwrap();
    for seed in 0..12 {
        let path = dir.path().join(format!("{seed}"));
        link(&gcc, &random_units(&mut Random::new(seed), 5), &path);
        agrees(&path, &options(|o| o.features = o.features.with(Features::GLOBAL_VAR)));
    }
}

/// A program with something of everything that can be asked about.
const UNITS: [&str; 3] = [
    "struct two { int same; int first; };\n\
     struct two a_two;\n\
     struct only_declared;\n\
     struct only_declared *a_pointer;\n\
     __attribute__((section(\".data..percpu\"))) int per_cpu = 1;\n\
     int usual_variable = 1;\n\
     int usual(struct two *p, int n) { static int counter; counter += n; return counter; }\n\
     int __attribute__((weak)) differs(int a) { return a; }\n",
    "struct two { int same; long second; };\n\
     struct two *b_two;\n\
     extern int usual_variable;\n\
     int *user(void) { return &usual_variable; }\n",
    "int differs(long a) { return a; }\n\
     static inline __attribute__((always_inline)) int never_alone(int a) { return a + 1; }\n\
     int calls(int a) { return never_alone(a); }\n",
];

fn one<'w>(why: &'w Why, name: &str) -> &'w Answer {
    why.answers.iter().find(|answer| answer.name == name).unwrap_or_else(|| panic!("no answer for {name}"))
}

#[test]
fn every_reason_is_told() {
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program");
    link_with(&gcc, &["-static", "-O1", "-Wl,--unique=.data..percpu"], &UNITS, &path);
    let why = explain(&path, &Options::default(), 1, &|_| true).2;

    let usual = one(&why, "usual").function.as_ref().unwrap();
    assert!(usual.verdict.is_kept());
    assert_eq!(usual.prototype.as_deref(), Some("int usual(struct two *p, int n)"));
    let place = &usual.copies[0].places[0];
    assert!(place.unit.ends_with("0.c"), "{place:?}");
    assert!(place.file.as_ref().is_some_and(|file| file.ends_with("0.c")), "{place:?}");
    assert_eq!(place.line, Some(7));
    assert_eq!(usual.symbols.len(), 1);
    assert_eq!(usual.symbols[0].1, usual.copies[0].address);

    let differs = one(&why, "differs").function.as_ref().unwrap();
    assert_eq!(differs.verdict.reason, "inconsistent-prototype");
    let prototypes: BTreeSet<_> =
        differs.copies.iter().map(|copy| copy.prototype.as_deref().unwrap()).collect();
    assert_eq!(prototypes, BTreeSet::from(["int differs(int a)", "int differs(long int a)"]));
    assert!(differs.copies.iter().any(|copy| copy.fault == Some("inconsistent-prototype")));
    assert_eq!(one(&why, "never_alone").function.as_ref().unwrap().verdict.reason, "inlined");

    let two = &one(&why, "two").types[0];
    assert_eq!((two.word, two.definitions.len()), ("struct", 2));
    assert_eq!(two.definitions[0].difference, None);
    let difference = two.definitions[1].difference.as_ref().unwrap();
    assert!(difference.contains("second") || difference.contains("first"), "{difference}");
    let units: BTreeSet<_> = two.definitions.iter().map(|d| d.places[0].unit.clone()).collect();
    assert_eq!(units.len(), 2, "{units:?}");
    let declared = &one(&why, "only_declared").types[0];
    assert!(declared.definitions.is_empty() && declared.declared.unwrap().is_kept());

    let variable = |why: &Why, name: &str| {
        let reasons: Vec<_> = one(why, name).variables.iter().map(|v| v.verdict.reason).collect();
        reasons
    };
    assert_eq!(variable(&why, "per_cpu"), ["kept"]);
    assert_eq!(one(&why, "per_cpu").variables[0].section.as_deref(), Some(".data..percpu"));
    assert_eq!(one(&why, "per_cpu").variables[0].type_name.as_deref(), Some("int"));
    assert!(variable(&why, "usual_variable").contains(&"other-section"));
    assert!(variable(&why, "usual_variable").contains(&"no-address"), "its declaration in the second unit");
    assert_eq!(variable(&why, "counter"), ["local"]);
    let all = options(|o| o.features = o.features.with(Features::GLOBAL_VAR));
    assert!(variable(&explain(&path, &all, 1, &|_| true).2, "usual_variable").contains(&"kept"));

    // Only what is asked about is told, and what is misspelt is found.
    let asked = explain(&path, &Options::default(), 1, &|name| name == b"two").2;
    assert_eq!(asked.answers.len(), 1);
    assert_eq!(asked.similar("usul").first(), Some(&"usual"));
}

#[test]
fn what_is_left_out_by_language_is_told() {
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (source, object) = (dir.path().join("old.c"), dir.path().join("old.o"));
    std::fs::write(&source, "struct old { int x; } old_variable; int old_function(void) { return 0; }")
        .unwrap();
    let mut command = Command::new(&gcc);
    command.args(["-g", "-ffreestanding", "-std=c89", "-c", "-o"]).args([&object, &source]);
    assert!(command.status().unwrap().success());
    let path = dir.path().join("program");
    link_with(&gcc, &["-static", object.to_str().unwrap()], &["int new_function(void) { return 1; }"], &path);
    const DW_LANG_C89: u16 = 1;
    let why = explain(&path, &options(|o| o.lang_exclude = vec![DW_LANG_C89]), 1, &|_| true).2;
    for name in ["old", "old_variable", "old_function"] {
        let answer = one(&why, name);
        assert_eq!(answer.left_out.len(), 1, "{name}");
        assert!(
            answer.function.is_none() && answer.types.is_empty() && answer.variables.is_empty(),
            "{name}"
        );
    }
    assert!(one(&why, "new_function").function.as_ref().unwrap().verdict.is_kept());
}

#[test]
fn what_the_base_has_is_told() {
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (kernel, module) = (dir.path().join("kernel"), dir.path().join("module"));
    link(
        &gcc,
        &["struct shared { int x; }; struct shared *k; int f(struct shared *p) { return p->x; }"],
        &kernel,
    );
    link(
        &gcc,
        &["struct shared { int x; }; struct own { int y; }; struct shared *m; struct own *o;"],
        &module,
    );
    let base = encode_with(&kernel, &Options::default(), 1).unwrap().btf;
    let base = Btf::parse(&base).unwrap();
    let index = Base::new(&base);
    let image = Image::open(&module).unwrap();
    let files = Files::open(&image, &Search::default()).unwrap();
    let (output, why) = Encoder::new(Options::default()).base(&index).explain(&files, &|_| true).unwrap();
    let btf = Btf::parse_split(&output.btf, &base).unwrap();
    for (name, reason) in [("shared", "in-base"), ("own", "kept")] {
        let verdict = one(&why, name).types[0].definitions[0].verdict;
        assert_eq!(verdict.reason, reason, "{name}");
        assert_eq!(btf.ty(TypeId(verdict.id.unwrap())).unwrap().name(), name.as_bytes());
        assert_eq!(verdict.id.unwrap() < base.len(), name == "shared");
    }
}

fn btfgen(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_btfgen")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_answers_in_text_and_json() {
    let Some(gcc) = gcc() else {
        skipped("the command why: no compiler");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program");
    link(&gcc, &UNITS, &path);
    let path = path.to_str().unwrap();

    let (code, text, _) = btfgen(&["why", "differs", path]);
    assert_eq!(code, 0);
    assert!(text.starts_with("func differs: left out (inconsistent-prototype)\n"), "{text}");
    assert!(text.contains(sentence("inconsistent-prototype")), "{text}");
    let (_, text, _) = btfgen(&["why", "struct two", path]);
    assert!(text.contains("2 different definitions") && text.contains("differs from the first: "), "{text}");
    let (_, text, _) = btfgen(&["why", "usual_variable", path, "--features", "+global_var"]);
    assert!(text.starts_with("var usual_variable: kept, type "), "{text}");

    let (code, text, _) = btfgen(&["why", "--json", "usual", path]);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &value["schema_version"], &value["name"]), (0, &1.into(), &"usual".into()));
    assert_eq!(value["function"]["kept"], true);
    assert_eq!(value["function"]["reason"], "kept");
    assert_eq!(value["function"]["copies"][0]["chosen"], true);
    assert!(value["function"]["copies"][0]["places"][0]["die_offset"].as_u64().unwrap() > 0);

    let (code, text, error) = btfgen(&["why", "usuall", path]);
    assert_eq!((code, text.as_str()), (1, ""));
    assert!(error.contains("usuall") && error.contains("there is usual"), "{error}");
    let (code, ..) = btfgen(&["why", "union two", path]);
    assert_eq!(code, 1, "there is a struct of that name, but no union");
}
