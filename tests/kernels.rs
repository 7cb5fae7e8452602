//! Real kernels: the same bytes for every number of workers, sound, read by others, equal to what the peer
//! made of the same kernel.
//!
//! `BTFGEN_TEST_KERNELS` names a directory with kernels, `vmlinux-NAME`, not compressed. Beside one may lie
//! `vmlinux-NAME.btf`, what pahole made of it with the features of a kernel build; the differences allowed are
//! listed below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;

use btfgen::btf::{self, Btf, CheckOptions, Levels};
use btfgen::{DebugSections, Image, Options};
use common::oracles::{Verdict, bpftool_agrees, btf_rs_agrees, kernel_loads};
use common::render::{Types, missing, render};
use common::{encode_with, kernels, options, skipped, tool};

#[test]
fn the_same_bytes_for_every_number_of_workers() {
    for path in kernels().unwrap_or_default() {
        let bytes = encode_with(&path, &Options::default(), 1).unwrap().btf;
        let same = |options: &Options, jobs: usize, what: &str| {
            let again = encode_with(&path, options, jobs).unwrap().btf;
            assert!(again == bytes, "{}: {what} gives other bytes", path.display());
        };
        same(&Options::default(), 2, "-j 2");
        same(&Options::default(), 8, "-j 8");
        for seed in 1..=2 {
            same(&options(|o| o.shuffle = Some(seed)), 2, "shuffled");
        }
    }
}

#[test]
fn sound_and_read_by_others() {
    for path in kernels().unwrap_or_default() {
        let what = path.display();
        let output = encode_with(&path, &Options::default(), 2).unwrap();
        let parsed = Btf::parse(&output.btf).unwrap();
        let all = CheckOptions { levels: Levels::ALL, sorted_names: true, ..CheckOptions::default() };
        let violations: Vec<_> = btf::check(&parsed, &all).iter().map(ToString::to_string).collect();
        assert!(violations.is_empty(), "{what}: {violations:#?}");
        assert_eq!(parsed.header().header_bytes, 24);

        btf_rs_agrees(&output.btf);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &output.btf).unwrap();
        match tool("bpftool") {
            Some(bpftool) => bpftool_agrees(&bpftool, file.path(), &output.btf),
            None => skipped("bpftool is not installed"),
        }
        match Image::open(&path).unwrap().address_size() {
            8 => match kernel_loads(&output.btf) {
                Verdict::Accepted => {}
                Verdict::Refused(why) => panic!("{what}: the running kernel refuses it: {why}"),
                Verdict::NotAsked(why) => {
                    skipped(&format!("{what}: the running kernel was not asked: {why}"))
                }
            },
            _ => skipped(&format!("{what}: the running kernel has other pointers")),
        }
    }
}

/// The compiler for the C of a kernel's types.
fn compiler_for(image: &Image) -> Option<(&'static str, PathBuf)> {
    use object::elf;
    let name = match (image.machine(), image.address_size()) {
        (elf::EM_X86_64, _) => "x86_64-linux-gnu-gcc",
        (elf::EM_AARCH64, _) => "aarch64-linux-gnu-gcc",
        (elf::EM_RISCV, 8) => "riscv64-linux-gnu-gcc",
        (elf::EM_S390, _) => "s390x-linux-gnu-gcc",
        (elf::EM_ARM, _) => "arm-linux-gnueabihf-gcc",
        (elf::EM_386, _) => "i686-linux-gnu-gcc",
        (elf::EM_PPC, _) => "powerpc-linux-gnu-gcc",
        _ => return None,
    };
    Some((name, tool(name)?))
}

#[test]
fn its_types_compile() {
    for path in kernels().unwrap_or_default() {
        let Some(bpftool) = common::tool_or_skip("bpftool") else { return };
        let image = Image::open(&path).unwrap();
        let Some((_, compiler)) = compiler_for(&image) else {
            skipped(&format!("{}: no compiler for its machine", path.display()));
            continue;
        };
        let output = encode_with(&path, &Options::default(), 2).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &output.btf).unwrap();
        // bpftool does not always see that a struct is packed: in a kernel nothing is measured.
        common::oracles::c_dump_compiles(&bpftool, file.path(), &output.btf, &compiler, false);
    }
}

/// A difference from the peer that is wanted.
struct Allowed {
    /// The kernel's file name holds this.
    kernel: &'static str,
    side: Side,
    /// Whether a rendered type is one that differs for the reason above it.
    is_one: fn(&str) -> bool,
    /// How many of them there may be at most.
    most: usize,
}

/// Who has what the other has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours,
    Theirs,
}

/// The words of 32 bits that the parameters of a rendered function or prototype take, about.
fn parameter_words(rendered: &str) -> usize {
    let params = rendered.split_once('(').map_or("", |(_, rest)| rest);
    let wide = ["long long", "TYPEDEF u64 ", "TYPEDEF loff_t ", "TYPEDEF uint64_t "];
    params.matches(", ").count() + wide.iter().map(|word| params.matches(word).count()).sum::<usize>()
}

/// Every difference from the peer's output that is wanted, and nothing else.
const ALLOWED: &[Allowed] = &[
    // The peer believes that 32-bit ARM passes 8 parameters in registers; it is 4 (AAPCS32, 6.5). A parameter
    // on the stack that the function loads into a register then seems to be in the wrong one, and the peer
    // drops the function, with its prototype.
    Allowed {
        kernel: "armhf",
        side: Side::Ours,
        is_one: |ty| (ty.starts_with("FUNC ") || ty.starts_with("FUNC_PROTO ")) && parameter_words(ty) > 4,
        most: 80,
    },
];

/// The differences that no rule allows.
fn unexpected(kernel: &str, side: Side, differences: Vec<String>) -> Vec<String> {
    let mut used = vec![0; ALLOWED.len()];
    let mut rest = Vec::new();
    for difference in differences {
        let mut rules = ALLOWED.iter().enumerate();
        let rule = rules.find(|(i, rule)| {
            let here = rule.side == side && kernel.contains(rule.kernel);
            here && (rule.is_one)(&difference) && used[*i] < rule.most
        });
        match rule {
            Some((i, _)) => used[i] += 1,
            None => rest.push(difference),
        }
    }
    rest
}

#[test]
fn equal_to_what_the_peer_made() {
    for path in kernels().unwrap_or_default() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let reference = path.with_file_name(format!("{name}.btf"));
        if !reference.is_file() {
            skipped(&format!("{} is not there to be compared with", reference.display()));
            continue;
        }
        let reference = std::fs::read(&reference).unwrap();
        let theirs: Types = render(&Btf::parse(&reference).unwrap());
        let output = encode_with(&path, &Options::default(), 2).unwrap();
        let ours = render(&Btf::parse(&output.btf).unwrap());
        let lost = unexpected(&name, Side::Theirs, missing(&theirs, &ours));
        let extra = unexpected(&name, Side::Ours, missing(&ours, &theirs));
        let show = |list: &[String]| {
            list.iter().take(10).map(|l| l.chars().take(300).collect::<String>()).collect::<Vec<_>>()
        };
        assert!(
            lost.is_empty() && extra.is_empty(),
            "{name}: {} missing, {} extra: missing {:#?} extra {:#?}",
            lost.len(),
            extra.len(),
            show(&lost),
            show(&extra)
        );
    }
}

/// The hot reader and gimli agree on every attribute of the DIEs of a kernel.
#[test]
fn both_readers_agree() {
    for path in kernels().unwrap_or_default() {
        let image = Image::open(&path).unwrap();
        let sections = DebugSections::read(&image).unwrap();
        let program = sections.program().unwrap();
        // One unit of eight: attribute by attribute, with gimli beside, takes its time.
        let seen = common::dwarf::compare_units(&path, &program, |unit| unit % 8 == 0);
        assert!(seen.dies > 10_000, "{}: {} DIEs", path.display(), seen.dies);
        let empty: BTreeSet<_> =
            seen.by_slot().into_iter().filter(|(_, n)| *n == 0).map(|(what, _)| what).collect();
        assert!(empty.len() <= 2, "{}: nothing seen of {empty:?}", path.display());
    }
}
