//! The command as kernel builds call it, in the words of each series of kernels.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use btfgen::btf::{Btf, Kind};
use btfgen::{Encoder, Features, Image, Options};
use common::skipped;
use tempfile::TempDir;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/small/demo.elf");
const PAHOLE: &str = env!("CARGO_BIN_EXE_btfgen-pahole");
const BTFGEN: &str = env!("CARGO_BIN_EXE_btfgen");

/// A directory like that of a build: with a kernel that is linked but has no BTF.
struct Build(TempDir);

/// What a run left behind.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn silent(self) {
        assert_eq!((self.code, self.stdout.as_str(), self.stderr.as_str()), (Some(0), "", ""));
    }

    /// The only line of standard error.
    fn error(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        self.stderr.strip_prefix("btfgen: error: ").expect("begins like an error").to_owned()
    }
}

impl Build {
    fn new() -> Self {
        let build = Build(TempDir::new().unwrap());
        build.copy("vmlinux");
        build
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn copy(&self, name: &str) -> PathBuf {
        fs::copy(DEMO, self.path(name)).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        self.path(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The BTF that a file has, and that of its base.
    fn sections(&self, name: &str) -> [Vec<u8>; 2] {
        let image = Image::open(self.path(name)).unwrap();
        [b".BTF".as_slice(), b".BTF.base"].map(|name| image.content_of(name).unwrap().to_vec())
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).stdin(Stdio::null());
        for name in ["PAHOLE_LANG_EXCLUDE", "BTFGEN_PAHOLE", "BTFGEN_PAHOLE_VERSION", "BTFGEN_LAYOUT"] {
            command.env_remove(name);
        }
        // What a build of the older series sets; there is no such program.
        command.env("LLVM_OBJCOPY", "no-such-objcopy");
        command
    }

    /// Runs the words of one line.
    fn run(&self, words: &str) -> Ran {
        ran(self.command(PAHOLE).args(words.split_whitespace()))
    }

    /// All files, hidden ones too.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// What the library makes of the same file.
fn encoded(features: Features) -> Vec<u8> {
    let mut options = Options::default();
    options.features = features;
    Encoder::new(options).encode(&Image::open(DEMO).unwrap()).unwrap().btf
}

/// What `-J` means without a list of features.
fn plain() -> Features {
    let plain = [Features::VAR, Features::DECL_TAG, Features::TYPE_TAG, Features::ENUM64];
    plain.into_iter().fold(Features::NONE, Features::with)
}

#[test]
fn the_version_is_what_builds_put_together_to_a_number() {
    let build = Build::new();
    let say = |command: &mut Command| {
        let ran = ran(command);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        ran.stdout
    };
    assert_eq!(say(build.command(PAHOLE).arg("--version")), "v1.31\n");
    assert_eq!(say(build.command(PAHOLE).arg("--numeric_version")), "131\n");
    let claim = |version: &str| {
        let mut command = build.command(PAHOLE);
        command.env("BTFGEN_PAHOLE_VERSION", version).arg("--version");
        command
    };
    for version in ["1.30", "v1.30"] {
        assert_eq!(say(&mut claim(version)), "v1.30\n");
    }
    assert_eq!(say(build.command(PAHOLE).args(["--claim=1.27", "--version"])), "v1.27\n");
    assert_eq!(say(build.command(PAHOLE).args(["--claim", "1.27", "--numeric_version"])), "127\n");
    // A build would compute nonsense with these.
    for wrong in ["1.3", "1.30-btfgen", "1.30.1", "newest", "v", "1.031"] {
        assert!(ran(&mut claim(wrong)).error(1).contains("not a version"), "{wrong}");
    }
}

/// A build asks for it up to fifty times: there is no pool of threads behind the answer.
#[test]
fn the_version_is_answered_before_anything_begins() {
    let build = Build::new();
    let threads = |words: &[&str]| {
        let mut strace = build.command("strace");
        strace.args(["-f", "-e", "trace=clone,clone3,fork,vfork", "-o", "trace", PAHOLE]).args(words);
        let output = strace.output().ok().filter(|output| output.status.success())?;
        let trace = String::from_utf8(build.read("trace")).unwrap();
        Some((output.stdout, trace.lines().filter(|line| line.contains("clone")).count()))
    };
    let Some(encoding) = threads(&["-J", "-j2", "vmlinux"]) else {
        return skipped("strace is not installed, or may not trace here");
    };
    assert!(encoding.1 > 0, "threads are not seen");
    assert_eq!(threads(&["--version"]), Some((b"v1.31\n".to_vec(), 0)));
    assert_eq!(threads(&["-J", "-j2", "--version", "vmlinux"]), Some((b"v1.31\n".to_vec(), 0)));
}

/// The words that the builds of each series pass, for the kernel and for a module; what is encoded; and where
/// it goes.
#[test]
fn the_calls_of_every_series() {
    let floats = plain().with(Features::FLOAT);
    let optimized = floats.with(Features::OPTIMIZED_FUNC).with(Features::CONSISTENT_FUNC);
    let list = "encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func";
    let listed = Features::DEFAULT.without(Features::DECL_TAG_KFUNCS);
    let calls = [
        ("5.15", "-J --btf_gen_floats".to_owned(), floats, false),
        (
            "5.15 late",
            "-J --btf_gen_floats --skip_encoding_btf_enum64 --skip_encoding_btf_inconsistent_proto \
             --btf_gen_optimized"
                .to_owned(),
            optimized.without(Features::ENUM64),
            false,
        ),
        ("5.17", "-J --btf_gen_floats -j".to_owned(), floats, false),
        (
            "6.1",
            "-J --btf_gen_floats -j --lang_exclude=rust --skip_encoding_btf_inconsistent_proto \
             --btf_gen_optimized"
                .to_owned(),
            optimized,
            false,
        ),
        ("6.9", format!("-J -j --btf_features={list} --lang_exclude=rust"), listed, false),
        (
            "6.12",
            format!("-J -j --btf_features={list},decl_tag_kfuncs -j --lang_exclude=rust"),
            Features::DEFAULT,
            false,
        ),
        (
            "6.12 of a distribution",
            format!("-J --btf_features={list},decl_tag_kfuncs -j --btf_features=+reproducible_build"),
            Features::DEFAULT.with(Features::REPRODUCIBLE_BUILD),
            false,
        ),
        (
            "6.16",
            format!(
                "-J -j3 --btf_features={list},decl_tag_kfuncs --btf_features=attributes --lang_exclude=rust"
            ),
            Features::DEFAULT.with(Features::ATTRIBUTES),
            false,
        ),
        (
            "7.0",
            format!(
                "-J -j3 --btf_features={list},decl_tag_kfuncs --btf_features=attributes --lang_exclude=rust"
            ),
            Features::DEFAULT.with(Features::ATTRIBUTES),
            true,
        ),
        (
            "7.3",
            format!("-J -j --btf_features={list} --btf_features=layout -j --lang_exclude=rust"),
            listed,
            true,
        ),
    ];
    for (series, flags, features, detached) in calls {
        println!("{series}");
        let build = Build::new();
        let expected = encoded(features);
        let file = build.copy(".tmp_vmlinux1");
        if detached {
            build.run(&format!("{flags} --btf_encode_detached=.tmp_vmlinux1.BTF.1 .tmp_vmlinux1")).silent();
            assert!(build.read(".tmp_vmlinux1.BTF.1") == expected);
            assert!(fs::read(&file).unwrap() == fs::read(DEMO).unwrap(), "the kernel was changed");
        } else {
            build.run(&format!("{flags} .tmp_vmlinux1")).silent();
            assert!(build.sections(".tmp_vmlinux1") == [expected.clone(), vec![]]);
        }
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o755);

        // The kernel is done, and a module follows: here it has nothing that the kernel has not.
        build.run(&format!("{flags} vmlinux")).silent();
        build.copy("dummy.ko");
        let (flags, split) = if detached {
            build
                .run(&format!("{flags} --btf_base ./vmlinux --btf_encode_detached=dummy.ko.BTF.1 dummy.ko"))
                .silent();
            (flags, build.read("dummy.ko.BTF.1"))
        } else {
            build.run(&format!("{flags} --btf_base vmlinux dummy.ko")).silent();
            let [split, _] = build.sections("dummy.ko");
            (flags, split)
        };
        let [base, _] = build.sections("vmlinux");
        let base = Btf::parse(&base).unwrap();
        let split = Btf::parse_split(&split, &base).unwrap();
        // Only what has an address is its own.
        let own = [Kind::Var, Kind::Datasec, Kind::Func, Kind::DeclTag];
        assert!(split.types().all(|ty| own.contains(&ty.kind())), "{series}");
        if !detached {
            // An external module.
            build.copy("ext.ko");
            build.run(&format!("{flags} --btf_features=distilled_base --btf_base vmlinux ext.ko")).silent();
            let [_, base] = build.sections("ext.ko");
            assert!(Btf::parse(&base).is_ok());
        }
        let mut expected = vec![".tmp_vmlinux1", "dummy.ko", "vmlinux"];
        let more: [&str; 2] = [".tmp_vmlinux1.BTF.1", "dummy.ko.BTF.1"];
        expected.extend(if detached { &more[..] } else { &["ext.ko"] });
        expected.sort_unstable();
        assert_eq!(build.names(), expected);
    }
}

#[test]
fn lists_of_features() {
    let build = Build::new();
    let (default, none) = (Features::DEFAULT, Features::NONE);
    let cases = [
        ("", plain()),
        ("--btf_features=default", default),
        ("--btf_features default", default),
        ("--btf_features=all", default),
        ("--btf_gen_all", default),
        ("--btf_features=+global_var", default.with(Features::GLOBAL_VAR)),
        ("--btf_features=global_var,default", default.with(Features::GLOBAL_VAR)),
        ("--btf_features=float", Features::FLOAT),
        ("--btf_features=float,, --btf_features=var", Features::FLOAT.with(Features::VAR)),
        ("--btf_features=", none),
        ("--btf_features=float,of_the_future", Features::FLOAT),
        // The first list forgets what was said before it; what is said later holds.
        ("--btf_gen_floats --btf_features=enum64", Features::ENUM64),
        ("--btf_features=enum64 --btf_gen_floats", Features::ENUM64.with(Features::FLOAT)),
        ("--btf_features=default --skip_encoding_btf_enum64", default.without(Features::ENUM64)),
        ("--skip_encoding_btf_vars", plain().without(Features::VAR)),
        ("--skip_encoding_btf_decl_tag --skip_encoding_btf_type_tag", Features::VAR.with(Features::ENUM64)),
        // Readers that refuse a longer header are many; nobody needs it yet.
        ("--btf_features=default,layout", default),
        ("--btf_features_strict=default,layout", default.with(Features::LAYOUT)),
    ];
    let outputs: Vec<_> = cases.iter().map(|(_, features)| encoded(*features)).collect();
    for ((flags, _), expected) in cases.iter().zip(&outputs) {
        build.run(&format!("-J {flags} --btf_encode_detached out.btf vmlinux")).silent();
        assert!(build.read("out.btf") == *expected, "{flags}");
    }
    // The cases can be told apart.
    assert!(outputs[0] != outputs[1] && outputs[1] != outputs[5] && outputs[7] != outputs[9]);
    let layout = ["-J", "--btf_features=default,layout", "--btf_encode_detached=out.btf", "vmlinux"];
    ran(build.command(PAHOLE).env("BTFGEN_LAYOUT", "1").args(layout)).silent();
    assert!(build.read("out.btf") == encoded(default.with(Features::LAYOUT)));

    let supported = build.run("--supported_btf_features");
    assert_eq!((supported.code, supported.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        supported.stdout,
        "encode_force,var,float,decl_tag,type_tag,enum64,optimized_func,consistent_func,decl_tag_kfuncs,\
         reproducible_build,distilled_base,global_var,attributes,true_signature,layout\n"
    );
    let error = build.run("-J --btf_features_strict=var,of_the_future vmlinux").error(1);
    assert!(error.contains("of_the_future") && error.contains("optimized_func"), "{error}");
    let told = build.run("-V --btf_features=default,of_the_future --btf_encode_detached=out.btf vmlinux");
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), ""));
    assert!(told.stderr.contains("unknown feature 'of_the_future' is ignored"));
}

#[test]
fn languages() {
    let build = Build::new();
    let encode = |flags: &str, environment: &str| {
        let args = format!("{flags} --btf_encode_detached=out.btf vmlinux");
        let mut command = build.command(PAHOLE);
        if !environment.is_empty() {
            command.env("PAHOLE_LANG_EXCLUDE", environment);
        }
        ran(command.args(args.split_whitespace()))
    };
    for flags in ["--lang=c", "--lang c,rust", "--lang_exclude=rust", "--lang_exclude rust,c++"] {
        encode(flags, "").silent();
        assert!(build.read("out.btf") == encoded(plain()));
    }
    // An option is stronger than the environment.
    encode("--lang_exclude=rust", "c").silent();
    for (flags, environment) in [("--lang=rust", ""), ("--lang_exclude=c", ""), ("", "c")] {
        assert!(encode(flags, environment).error(1).contains("nothing to encode"), "{flags} {environment}");
    }
    assert!(encode("--lang_exclude=klingon", "").error(1).contains("unknown language 'klingon'"));
}

#[test]
fn names_that_hide_a_counter() {
    let build = Build::new();
    let all = encoded(plain());
    let all = Btf::parse(&all).unwrap();
    let name = |btf: &Btf<'_>, id| btf.string(id).unwrap_or_default().to_vec();
    let composite = all.types().find(|ty| ty.kind() == Kind::Struct && !name(&all, ty.name_off()).is_empty());
    let longer = name(&all, composite.expect("a struct with a name").name_off());
    let prefix = String::from_utf8(longer[..longer.len() - 1].to_vec()).unwrap();
    build.run(&format!("-J --kabi_prefix={prefix} --btf_encode_detached=out.btf vmlinux")).silent();
    let hidden = build.read("out.btf");
    let hidden = Btf::parse(&hidden).unwrap();
    let has = |btf: &Btf<'_>, wanted: &[u8]| btf.types().any(|ty| name(btf, ty.name_off()) == wanted);
    assert!(has(&all, &longer) && !has(&all, prefix.as_bytes()));
    assert!(has(&hidden, prefix.as_bytes()) && !has(&hidden, &longer));
}

#[test]
fn words_that_make_no_sense() {
    let build = Build::new();
    for (words, code, text) in [
        ("-J", 64, "no FILE"),
        ("", 64, "-J"),
        ("vmlinux", 64, "not about encoding"),
        ("-J -C task_struct vmlinux", 64, "option -C"),
        ("-J --hex vmlinux", 64, "option --hex"),
        ("-J --btf_enc vmlinux", 64, "ambiguous"),
        ("-J --btf_encode=x vmlinux", 64, "takes no value"),
        ("-J vmlinux --btf_base", 64, "needs a value"),
        ("-J -F btf vmlinux", 64, "format_path=btf"),
        ("-J -j 4 vmlinux", 64, "without a blank"),
        ("-J -j 4 vmlinux vmlinux", 64, "without a blank"),
        ("-J --btf_encode_detached=out vmlinux vmlinux", 64, "out cannot hold the BTF of 2 files"),
        ("-J -jmany vmlinux", 64, "many"),
        ("-J missing", 1, "missing: cannot open"),
        ("-J --btf_base missing vmlinux", 1, "missing: cannot open"),
        ("-J --btf_features=default,distilled_base vmlinux", 1, "no base"),
        ("-J --btf_encode_detached=missing/out vmlinux", 1, "missing/out: cannot write"),
        ("-J .", 1, "directory"),
    ] {
        let error = build.run(words).error(code);
        assert!(error.contains(text), "{words}: {error}");
    }
    assert!(build.read("vmlinux") == fs::read(DEMO).unwrap());
    assert_eq!(build.names(), ["vmlinux"]);
}

#[test]
fn options_may_be_short_or_stand_anywhere() {
    let build = Build::new();
    let expected = encoded(plain());
    for words in [
        "-Jj4 vmlinux --btf_encode_detached=out.btf",
        "vmlinux -j0 -J --btf_encode_d out.btf",
        "-j -Fdwarf --btf_encode_detached=out.btf --jobs=2 -- vmlinux",
        "-J --jobs --format_path dwarf --hashbits=15 --btf_encode_detached=out.btf --reproducible_build vmlinux",
    ] {
        let _ = fs::remove_file(build.path("out.btf"));
        build.run(words).silent();
        assert!(build.read("out.btf") == expected, "{words}");
    }
    build.run("--btf_encode_detached=/dev/null vmlinux").silent();
    let help = build.run("--help");
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("--btf_encode_detached=VALUE"));
}

/// Each file gets its own, as if the program had been called for each.
#[test]
fn several_files() {
    let build = Build::new();
    for name in ["a.o", "b.o", "4"] {
        build.copy(name);
    }
    let expected = encoded(plain());
    build.run("-J a.o 4 b.o").silent();
    for name in ["a.o", "b.o", "4"] {
        assert!(build.sections(name) == [expected.clone(), vec![]], "{name}");
    }
    // They may share a base.
    build.run("-J vmlinux").silent();
    let alone = build.copy("alone.ko");
    build.run("-J --btf_base vmlinux alone.ko").silent();
    for name in ["a.ko", "b.ko"] {
        build.copy(name);
    }
    build.run("-J --btf_base vmlinux a.ko b.ko").silent();
    for name in ["a.ko", "b.ko"] {
        assert!(build.read(name) == fs::read(&alone).unwrap(), "{name}");
    }
}

#[test]
fn a_file_that_fails_does_not_stop_those_that_follow() {
    let build = Build::new();
    let (before, after) = (build.copy("before.o"), build.copy("after.o"));
    fs::write(build.path("text.o"), "no object file").unwrap();
    let ran = build.run("-J before.o missing.o text.o after.o");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("missing.o: cannot open") && lines[1].contains("text.o: "), "{lines:?}");
    let expected = encoded(plain());
    for (file, name) in [(before, "before.o"), (after, "after.o")] {
        assert!(build.sections(name) == [expected.clone(), vec![]], "{name}");
        assert!(fs::metadata(file).unwrap().permissions().mode() & 0o111 != 0);
    }
    assert_eq!(build.read("text.o"), b"no object file");
}

/// Modules of assembler alone.
#[test]
fn a_module_without_dwarf_is_no_failure() {
    let build = Build::new();
    build.run("-J vmlinux").silent();
    let strip = build.command("objcopy").args(["--strip-debug", DEMO, "bare.ko"]).status();
    if !strip.is_ok_and(|status| status.success()) {
        return skipped("objcopy is not installed");
    }
    let before = build.read("bare.ko");
    let warned = build.run("-J --btf_base vmlinux bare.ko");
    assert_eq!((warned.code, warned.stdout.as_str()), (Some(0), ""));
    assert!(warned.stderr.contains("bare.ko: has no DWARF"), "{}", warned.stderr);
    assert!(build.read("bare.ko") == before);
    // The build goes on with the file that it named.
    assert_eq!(build.run("-J --btf_base vmlinux --btf_encode_detached=bare.btf bare.ko").code, Some(0));
    let [base, _] = build.sections("vmlinux");
    let split = build.read("bare.btf");
    assert_eq!(Btf::parse_split(&split, &Btf::parse(&base).unwrap()).unwrap().types().count(), 0);
    // A kernel is another matter.
    assert!(build.run("-J bare.ko").error(1).contains("no DWARF"));
}

/// What is written anew keeps what belongs to a file and not to its content.
#[test]
fn a_file_keeps_its_mode_and_its_links() {
    let build = Build::new();
    let file = build.copy("a file's \"name\" $(exit)");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o740)).unwrap();
    symlink(&file, build.path("link")).unwrap();
    fs::hard_link(&file, build.path("second")).unwrap();
    let before = fs::metadata(&file).unwrap();
    build.run("-J link").silent();
    let after = fs::metadata(&file).unwrap();
    assert_eq!(after.permissions().mode(), before.permissions().mode());
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    assert!(fs::symlink_metadata(build.path("link")).unwrap().is_symlink());
    let [btf, _] = build.sections("link");
    assert!(btf == encoded(plain()));
    // The other name keeps the old file: the new one appears whole or not at all.
    assert!(build.read("second") == fs::read(DEMO).unwrap());
    // Once more changes nothing.
    let once = fs::read(&file).unwrap();
    ran(build.command(PAHOLE).arg("-J").arg(&file)).silent();
    assert!(fs::read(&file).unwrap() == once);
    assert_eq!(build.names().len(), 4);
}

#[test]
fn the_name_of_the_program_decides() {
    let build = Build::new();
    symlink(BTFGEN, build.path("pahole")).unwrap();
    assert_eq!(ran(build.command(build.path("pahole")).arg("--version")).stdout, "v1.31\n");
    ran(build.command(build.path("pahole")).args(["-J", "vmlinux"])).silent();
    symlink(BTFGEN, build.path("btfdiff")).unwrap();
    assert_eq!(ran(build.command(build.path("btfdiff")).args(["vmlinux", "vmlinux"])).code, Some(0));
    // And by its own purpose, whatever it is called.
    symlink(PAHOLE, build.path("whatever")).unwrap();
    assert_eq!(ran(build.command(build.path("whatever")).arg("--version")).stdout, "v1.31\n");
    assert!(ran(build.command(BTFGEN).arg("--version")).stdout.starts_with("btfgen "));
}

#[test]
fn other_jobs_go_to_another_program() {
    let build = Build::new();
    let script = build.path("real pahole");
    fs::write(&script, "#!/bin/sh\nprintf '%s|' \"$@\" \"${BTFGEN_PAHOLE-unset}\"\nexit 3\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let with =
        |other: &Path, args: &[&str]| ran(build.command(PAHOLE).env("BTFGEN_PAHOLE", other).args(args));
    let ran = with(&script, &["-C", "task struct", "vmlinux"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), "-C|task struct|vmlinux|unset|"));
    // What is about encoding stays here.
    with(&script, &["-J", "vmlinux"]).silent();
    assert_eq!(with(&script, &["--version"]).stdout, "v1.31\n");
    assert!(with(Path::new(PAHOLE), &["-C", "x", "vmlinux"]).error(64).contains("option -C"));
    assert!(
        with(&build.path("missing"), &["-C", "x"]).error(1).contains("missing: cannot run BTFGEN_PAHOLE")
    );
}

#[test]
fn a_signal_leaves_no_file_behind() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1)] {
        // What this process was started to ignore, its children ignore as well.
        if ignored >> (number - 1) & 1 != 0 {
            skipped(&format!("signal {name} is ignored here"));
            continue;
        }
        let build = Build::new();
        // The figures go to a pipe that nobody reads: the run waits there, with the output half done.
        let made = build.command("mkfifo").arg("figures").status();
        if !made.is_ok_and(|status| status.success()) {
            return skipped("mkfifo is not installed");
        }
        fs::write(build.path("old"), "old").unwrap();
        let mut command = build.command(BTFGEN);
        let mut child = command.args(["vmlinux", "-o", "old", "--stats", "figures"]).spawn().unwrap();
        while build.names().len() == 3 {
            assert!(child.try_wait().unwrap().is_none(), "it ended too early");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(build.names()[0].starts_with(".btfgen-"));
        let kill = build.command("kill").args(["-s", name, &child.id().to_string()]).status();
        assert!(kill.is_ok_and(|status| status.success()), "there is no program kill");
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        assert_eq!(build.names(), ["figures", "old", "vmlinux"]);
        assert_eq!(build.read("old"), b"old");
    }
}
