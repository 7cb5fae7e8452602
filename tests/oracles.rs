//! Others read our output as we do: bpftool and libbpf, btf-rs, compilers by the C that bpftool makes of it,
//! the running kernel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::path::{Path, PathBuf};

use btfgen::{Features, Options};
use common::oracles::{Verdict, bpftool_agrees, btf_rs_agrees, c_dump_compiles, kernel_loads};
use common::{
    PROGRAMS, Variant, by_first, each_path, encode_with, options, root, skipped, tool, tool_or_skip,
};

/// Everything there is, in either order.
fn settings() -> [Options; 3] {
    [Options::default(), by_first(), options(|o| o.features = o.features.with(Features::GLOBAL_VAR))]
}

fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

#[test]
fn bpftool_reads_what_we_wrote() {
    let Some(bpftool) = tool_or_skip("bpftool") else { return };
    for program in PROGRAMS {
        each_path(program, |_, path| {
            let bytes = encode_with(path, &Options::default(), 1).unwrap().btf;
            bpftool_agrees(&bpftool, written(&bytes).path(), &bytes);
        });
    }
    for options in settings() {
        let bytes = encode_with(&demo(), &options, 2).unwrap().btf;
        bpftool_agrees(&bpftool, written(&bytes).path(), &bytes);
    }
}

#[test]
fn btf_rs_reads_what_we_wrote() {
    for program in PROGRAMS {
        each_path(program, |_, path| {
            for options in settings() {
                btf_rs_agrees(&encode_with(path, &options, 1).unwrap().btf);
            }
        });
    }
}

fn demo() -> PathBuf {
    root().join("testdata/small/demo.elf")
}

/// A compiler for the target of a variant that knows the words of gcc.
fn compiler_of(variant: &Variant) -> Option<PathBuf> {
    tool(if variant.is_clang() { "x86_64-linux-gnu-gcc" } else { variant.compiler })
}

#[test]
fn the_c_that_bpftool_makes_of_it_compiles() {
    let Some(bpftool) = tool_or_skip("bpftool") else { return };
    for program in ["all", "structs", "bitfields", "units", "protos", "enums", "tags", "percpu", "kfuncs"] {
        each_path(program, |v, path| {
            let Some(compiler) = compiler_of(v) else {
                return skipped(&format!("no compiler for the C of {}", path.display()));
            };
            let bytes = encode_with(path, &Options::default(), 1).unwrap().btf;
            let measured = c_dump_compiles(&bpftool, written(&bytes).path(), &bytes, &compiler, true);
            assert!(measured > 30 || !path.ends_with(format!("all-{}", v.name)), "{measured} structs");
        });
    }
    if let Some(gcc) = tool_or_skip("x86_64-linux-gnu-gcc") {
        for options in settings() {
            let bytes = encode_with(&demo(), &options, 2).unwrap().btf;
            c_dump_compiles(&bpftool, written(&bytes).path(), &bytes, &gcc, true);
        }
    }
}

#[track_caller]
fn load(path: &Path, options: &Options) -> bool {
    let bytes = encode_with(path, options, 1).unwrap().btf;
    match kernel_loads(&bytes) {
        Verdict::Accepted => true,
        Verdict::Refused(why) => panic!("{}: the kernel refuses it: {why}", path.display()),
        Verdict::NotAsked(why) => {
            skipped(&format!("{}: the running kernel was not asked: {why}", path.display()));
            false
        }
    }
}

/// The pointers of another word size are none that the running kernel could follow.
#[test]
fn the_running_kernel_accepts_it() {
    if cfg!(not(target_pointer_width = "64")) {
        return skipped("the fixtures of 64 bits want a kernel of 64 bits");
    }
    // One line is enough where it is not permitted.
    if !load(&demo(), &Options::default()) {
        return;
    }
    for options in settings() {
        assert!(load(&demo(), &options));
    }
    for program in PROGRAMS {
        each_path(program, |v, path| {
            if v.pointer_bytes == 8 && v.big_endian == cfg!(target_endian = "big") {
                for options in settings() {
                    assert!(load(path, &options));
                }
            }
        });
    }
}

/// The question is answered: what is wrong is refused.
#[test]
fn the_running_kernel_refuses_what_is_wrong() {
    let mut bytes = encode_with(&demo(), &Options::default(), 1).unwrap().btf;
    // The first type refers to itself, or to what is not there.
    bytes[24 + 8..24 + 12].copy_from_slice(&0x00ff_ffff_u32.to_le_bytes());
    match kernel_loads(&bytes) {
        Verdict::Refused(_) => {}
        Verdict::NotAsked(why) => skipped(&format!("the running kernel was not asked: {why}")),
        Verdict::Accepted => panic!("the kernel takes anything"),
    }
}
