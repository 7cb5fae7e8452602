//! The containers that DWARF comes in: whatever a compiler or a tool packs it into, the types and functions
//! are those of the plain build of the same source.
//!
//! Every container is a test of its own, and proves first that its fixture is what it is there for.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use btfgen::btf::{self, Btf, CheckOptions, Kind, Levels};
use btfgen::{ErrorKind, Features, Options, Output};
use common::render::{self, Types, missing};
use common::{encode_with, fixture, options, tool_or_skip};

/// What a fixture gives: a sound BTF, and the same bytes for every number of workers.
fn encoded(path: &Path, options: &Options) -> Output {
    let name = path.file_name().unwrap().to_string_lossy();
    let output = match encode_with(path, options, 1) {
        Ok(output) => output,
        Err(error) => panic!("{name}: {error}"),
    };
    for jobs in [2, 8] {
        assert!(
            encode_with(path, options, jobs).unwrap().btf == output.btf,
            "{name}: -j {jobs} gives other bytes"
        );
    }
    let parsed = Btf::parse(&output.btf).unwrap();
    let rules = CheckOptions { levels: Levels::ALL, sorted_names: true, ..CheckOptions::default() };
    let violations: Vec<_> = btf::check(&parsed, &rules).iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{name}: {violations:#?}");
    output
}

/// Asserts that a file is the container it is there for: `readelf` says each of `marks` of it.
#[track_caller]
fn shows(path: &Path, marks: &[&str]) {
    let Some(readelf) = tool_or_skip("readelf") else { return };
    // The header, sections and their flags, abbreviations, then units; of this file only, not of those it names.
    let said = Command::new(readelf).args(["-WhS", "-t", "-wNai"]).arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout);
    for mark in marks {
        assert!(said.contains(mark), "{}: no {mark}, so it is no such container", path.display());
    }
}

/// Asserts that two BTFs hold the same types, functions and variables.
#[track_caller]
fn assert_same(what: &str, ours: &Types, plain: &Types) {
    let (more, less) = (missing(ours, plain), missing(plain, ours));
    assert!(
        more.is_empty() && less.is_empty(),
        "{what}\nonly here: {more:#?}\nonly in the plain build: {less:#?}"
    );
}

/// A fixture and its plain build, or nothing if one of them was not built.
fn pair(container: &str, plain: &str) -> Option<[std::path::PathBuf; 2]> {
    Some([fixture(container)?, fixture(plain)?])
}

/// The container only repacks what the plain build has: everything is equal, all the way down.
#[track_caller]
fn repacked(container: &str, plain: &str, marks: &[&str]) {
    let Some([container, plain]) = pair(container, plain) else { return };
    shows(&container, marks);
    same_with(&container, &plain, &options(|o| o.features = o.features.with(Features::GLOBAL_VAR)));
}

/// The same units were linked in another way: variables lie elsewhere, or not together.
#[track_caller]
fn relinked(container: &str, plain: &str, marks: &[&str]) {
    let Some([container, plain]) = pair(container, plain) else { return };
    shows(&container, marks);
    same_with(&container, &plain, &options(|o| o.features = o.features.without(Features::VAR)));
}

/// Asserts that two files give the same with some options.
#[track_caller]
fn same_with(container: &Path, plain: &Path, options: &Options) {
    let [ours, theirs] = [container, plain].map(|path| encoded(path, options).btf);
    let [ours, theirs] = [&ours, &theirs].map(|bytes| Btf::parse(bytes).unwrap());
    let what = container.display().to_string();
    // Types that LLVM makes up for its expressions; it needs none in split DWARF.
    let made_up = |ty: &String| ty.starts_with("INT DW_ATE_");
    let same = |ours: Types, theirs: Types| {
        let [ours, theirs] =
            [ours, theirs].map(|types| types.into_iter().filter(|(ty, _)| !made_up(ty)).collect());
        assert_same(&what, &ours, &theirs);
    };
    same(render::render(&ours), render::render(&theirs));
    same(render::render_deep(&ours), render::render_deep(&theirs));
}

/// The optimiser of a whole program did its work before the container was made.
///
/// All types stay. A function stays if a symbol of its name is left, which is what the kernel goes by, and if
/// no clone of it lives beside it. gcc gives what it changes another name; of clang's, the report must have a
/// reason to do with parameters.
#[track_caller]
fn optimised(container: &str, plain: &str, marks: &[&str]) {
    let Some([container, plain]) = pair(container, plain) else { return };
    shows(&container, marks);
    let types_and_functions = options(|o| o.features = o.features.without(Features::VAR));
    // Of several functions of one name, only one may be left.
    let all_prototypes = options(|o| {
        o.features = o.features.without(Features::VAR).without(Features::CONSISTENT_FUNC);
    });
    let (ours, theirs) = (encoded(&container, &types_and_functions), encoded(&plain, &types_and_functions));
    let every = encoded(&plain, &all_prototypes);
    let what = container.display();
    let [our_btf, their_btf, every_btf] =
        [&ours, &theirs, &every].map(|output| Btf::parse(&output.btf).unwrap());

    let [our_types, every_type] = [&our_btf, &every_btf].map(render::render);
    let invented: Vec<_> = our_types.keys().filter(|ty| !every_type.contains_key(*ty)).collect();
    assert!(invented.is_empty(), "{what}: not in the plain build: {invented:#?}");

    let no_function =
        |types: Types| -> Types { types.into_iter().filter(|(ty, _)| !ty.starts_with("FUNC")).collect() };
    let lost = missing(&no_function(render::render(&their_btf)), &our_types);
    // Pointers and qualifiers are there for a prototype or a variable; what has a name is there for itself.
    let named = |ty: &String| {
        let kind = ty.split(' ').next().unwrap();
        ["STRUCT", "UNION", "ENUM", "ENUM64", "TYPEDEF", "FWD", "INT", "FLOAT"].contains(&kind)
    };
    let lost: Vec<_> = lost.into_iter().filter(named).collect();
    assert!(lost.is_empty(), "{what}: lost {lost:#?}");

    let symbols = function_symbols(&container);
    let cloned = |name: &String| symbols.iter().any(|s| s.starts_with(&format!("{name}.")));
    let [our_functions, their_functions] = [&our_btf, &their_btf].map(functions);
    let (left, gone): (Vec<_>, Vec<_>) = their_functions
        .into_iter()
        .filter(|name| symbols.contains(name) && !cloned(name))
        .partition(|name| our_functions.contains(name));
    let reasons = ["optimized-parameters", "unexpected-register", "reordered-parameters"];
    let skipped = |reason| ours.report.functions.skipped.get(reason).copied().unwrap_or(0);
    let changed: u64 = reasons.into_iter().map(skipped).sum();
    let excused = if what.to_string().contains("clang") { changed } else { 0 };
    assert!(
        !left.is_empty() && gone.len() as u64 <= excused,
        "{what}: lost functions {gone:?} and kept {left:?}: {:?}",
        ours.report.functions
    );
}

/// The names of the functions of a BTF.
fn functions(btf: &Btf<'_>) -> BTreeSet<String> {
    let functions = btf.types().filter(|t| t.kind() == Kind::Func);
    functions.map(|t| String::from_utf8_lossy(t.name()).into_owned()).collect()
}

/// The names of the function symbols of a file.
fn function_symbols(path: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let image = btfgen::Image::open(path).unwrap();
    let has_symbols = image.each_symbol(|symbol| {
        if symbol.kind == btfgen::elf::SymbolKind::Function {
            names.insert(String::from_utf8_lossy(symbol.name()).into_owned());
        }
    });
    assert!(has_symbols.unwrap());
    names
}

const X86: &str = "containers-x86_64-gcc-dwarf5";
const X86_4: &str = "containers-x86_64-gcc-dwarf4";
const CLANG: &str = "containers-x86_64-clang19-dwarf5";
const CLANG_4: &str = "containers-x86_64-clang19-dwarf4";

/// Declares a test per container: its name, how it is compared, the fixture, the plain build, the marks.
macro_rules! containers {
    ($($name:ident: $compare:ident($container:expr, $plain:expr, $marks:expr);)*) => {
        $(
            #[test]
            fn $name() {
                $compare($container, $plain, &$marks);
            }
        )*
    };
}

// --- versions and sizes ---

containers! {
    dwarf_2: repacked("containers-x86_64-gcc-dwarf2", X86, ["Version:       2"]);
    dwarf_3: repacked("containers-x86_64-gcc-dwarf3", X86, ["Version:       3"]);
    dwarf_4: repacked("containers-x86_64-gcc-dwarf4", X86, ["Version:       4"]);
    dwarf_64: repacked("containers-x86_64-gcc-dwarf64", X86, ["(64-bit)"]);
    dwarf_64_version_3: repacked("containers-x86_64-gcc-dwarf64v3", X86, ["(64-bit)"]);
    dwarf_64_version_4: repacked("containers-x86_64-gcc-dwarf64v4", X86, ["(64-bit)"]);
    dwarf_64_clang: repacked("containers-x86_64-clang19-dwarf64", CLANG, ["(64-bit)"]);
}

// --- relocatable files ---

containers! {
    rel_x86_64: relinked("containers-x86_64-gcc-rel", X86, ["REL (Relocatable file)"]);
    rel_aarch64: relinked("containers-aarch64-gcc-rel", "containers-aarch64-gcc", ["REL (Relocatable file)"]);
    rel_riscv64: relinked("containers-riscv64-gcc-rel", "containers-riscv64-gcc", ["REL (Relocatable file)"]);
    rel_s390x: relinked("containers-s390x-gcc-rel", "containers-s390x-gcc", ["REL (Relocatable file)"]);
    rel_powerpc: relinked("containers-powerpc-gcc-rel", "containers-powerpc-gcc", ["REL (Relocatable file)"]);
    rel_arm: relinked("containers-arm-gcc-rel", "containers-arm-gcc", ["REL (Relocatable file)"]);
    rel_i386: relinked("containers-i386-gcc-rel", "containers-i386-gcc", ["REL (Relocatable file)"]);
    rel_mips: relinked("containers-mips-gcc-rel", "containers-mips-gcc", ["REL (Relocatable file)"]);
    rel_x86_64_clang_and_lld: relinked("containers-x86_64-lld-rel", "containers-x86_64-lld", ["REL (Relocatable file)"]);
    rel_aarch64_clang_and_lld: relinked("containers-aarch64-lld-rel", "containers-aarch64-lld", ["REL (Relocatable file)"]);
    rel_riscv64_clang_and_lld: relinked("containers-riscv64-lld-rel", "containers-riscv64-lld", ["REL (Relocatable file)"]);
    rel_riscv32_clang_and_lld: relinked("containers-riscv32-lld-rel", "containers-riscv32-lld", ["REL (Relocatable file)"]);
    rel_loongarch64_clang_and_lld: relinked("containers-loongarch64-lld-rel", "containers-loongarch64-lld", ["REL (Relocatable file)"]);
    rel_mips64el_clang_and_lld: relinked("containers-mips64el-lld-rel", "containers-mips64el-lld", ["REL (Relocatable file)"]);
    rel_mips_clang_and_lld: relinked("containers-mips-lld-rel", "containers-mips-lld", ["REL (Relocatable file)"]);
    rel_s390x_clang_and_lld: relinked("containers-s390x-lld-rel", "containers-s390x-lld", ["REL (Relocatable file)"]);
    rel_powerpc_clang_and_lld: relinked("containers-powerpc-lld-rel", "containers-powerpc-lld", ["REL (Relocatable file)"]);
    rel_powerpc64le_clang_and_lld: relinked("containers-powerpc64le-lld-rel", "containers-powerpc64le-lld", ["REL (Relocatable file)"]);
    rel_arm_clang_and_lld: relinked("containers-arm-lld-rel", "containers-arm-lld", ["REL (Relocatable file)"]);
    rel_i386_clang_and_lld: relinked("containers-i386-lld-rel", "containers-i386-lld", ["REL (Relocatable file)"]);
    rel_version_4: relinked("containers-x86_64-gcc-rel4", X86_4, ["REL (Relocatable file)"]);
    rel_version_4_clang: relinked("containers-x86_64-clang19-rel4", CLANG_4, ["REL (Relocatable file)"]);
    rel_clang: relinked("containers-x86_64-clang19-rel", CLANG, ["REL (Relocatable file)"]);
    rel_dwarf_64: relinked("containers-x86_64-gcc-rel64", X86, ["REL (Relocatable file)", "(64-bit)"]);
    rel_section_per_function: relinked("containers-x86_64-gcc-relsections", X86, ["REL (Relocatable file)", ".text.ct_main"]);
    rel_zlib: repacked("containers-x86_64-gcc-relzlib", "containers-x86_64-gcc-rel", ["REL (Relocatable file)", "ZLIB"]);
    rel_zstd: repacked("containers-x86_64-gcc-relzstd", "containers-x86_64-gcc-rel", ["REL (Relocatable file)", "ZSTD"]);
    rel_zstd_clang: relinked("containers-x86_64-clang19-relzstd", CLANG, ["REL (Relocatable file)", "ZSTD"]);
}

// --- compressed sections ---

containers! {
    zlib: repacked("containers-x86_64-gcc-zlib", X86, ["ZLIB"]);
    zlib_gnu: repacked("containers-x86_64-gcc-zlibgnu", X86, [".zdebug_info"]);
    zstd: repacked("containers-x86_64-gcc-zstd", X86, ["ZSTD"]);
    zlib_clang: relinked("containers-x86_64-clang19-zlib", CLANG, ["ZLIB"]);
    zstd_clang: relinked("containers-x86_64-clang19-zstd", CLANG, ["ZSTD"]);
    zlib_s390x: repacked("containers-s390x-gcc-zlib", "containers-s390x-gcc", ["ZLIB"]);
    zlib_powerpc: repacked("containers-powerpc-gcc-zlib", "containers-powerpc-gcc", ["ZLIB"]);
    zlib_gnu_s390x: repacked("containers-s390x-gcc-zlibgnu", "containers-s390x-gcc", [".zdebug_info"]);
    zstd_s390x: repacked("containers-s390x-gcc-zstd", "containers-s390x-gcc", ["ZSTD"]);
}

// --- type units ---

containers! {
    type_units_4: repacked("containers-x86_64-gcc-typeunits4", X86_4, [".debug_types", "DW_FORM_ref_sig8"]);
    type_units_5: repacked("containers-x86_64-gcc-typeunits5", X86, ["DW_UT_type", "DW_FORM_ref_sig8"]);
    type_units_dwarf_64: repacked("containers-x86_64-gcc-typeunits64", X86, ["DW_UT_type", "DW_FORM_ref_sig8", "(64-bit)"]);
    type_units_4_rel: relinked("containers-x86_64-gcc-reltypeunits4", X86_4, [".debug_types", "DW_FORM_ref_sig8", "REL (Relocatable file)"]);
    type_units_5_rel: relinked("containers-x86_64-gcc-reltypeunits5", X86, ["DW_UT_type", "DW_FORM_ref_sig8", "REL (Relocatable file)"]);
    type_units_4_s390x: repacked("containers-s390x-gcc-typeunits4", "containers-s390x-gcc", [".debug_types", "DW_FORM_ref_sig8"]);
    type_units_5_s390x: repacked("containers-s390x-gcc-typeunits5", "containers-s390x-gcc", ["DW_UT_type", "DW_FORM_ref_sig8"]);
    type_units_5_powerpc: repacked("containers-powerpc-gcc-typeunits5", "containers-powerpc-gcc", ["DW_UT_type", "DW_FORM_ref_sig8"]);
    type_units_4_cxx: repacked("classes-x86_64-g++-typeunits4", "classes-x86_64-g++-dwarf4", [".debug_types", "DW_FORM_ref_sig8"]);
    type_units_4_cxx_clang: repacked("classes-x86_64-clang++19-typeunits4", "classes-x86_64-clang++19-dwarf4", [".debug_types", "DW_FORM_ref_sig8"]);
    type_units_5_cxx: repacked("classes-x86_64-g++-typeunits5", "classes-x86_64-g++-dwarf5", ["DW_UT_type", "DW_FORM_ref_sig8"]);
    type_units_5_cxx_clang: repacked("classes-x86_64-clang++19-typeunits5", "classes-x86_64-clang++19-dwarf5", ["DW_UT_type", "DW_FORM_ref_sig8"]);
}

// --- link-time optimisation ---

containers! {
    lto: optimised("containers-x86_64-gcc-lto", X86, ["DW_FORM_ref_addr", "REL (Relocatable file)"]);
    lto_version_4: optimised("containers-x86_64-gcc-lto4", X86_4, ["DW_FORM_ref_addr"]);
    lto_program: optimised("containers-x86_64-gcc-ltoexe", X86, ["DW_FORM_ref_addr"]);
    lto_dwarf_64: optimised("containers-x86_64-gcc-lto64", X86, ["DW_FORM_ref_addr", "(64-bit)"]);
    lto_aarch64: optimised("containers-aarch64-gcc-lto", "containers-aarch64-gcc", ["DW_FORM_ref_addr"]);
    lto_s390x: optimised("containers-s390x-gcc-lto", "containers-s390x-gcc", ["DW_FORM_ref_addr"]);
    lto_powerpc: optimised("containers-powerpc-gcc-lto", "containers-powerpc-gcc", ["DW_FORM_ref_addr"]);
    lto_i386: optimised("containers-i386-gcc-lto", "containers-i386-gcc", ["DW_FORM_ref_addr"]);
    lto_full_clang: optimised("containers-x86_64-clang19-ltofull", CLANG, ["DW_FORM_ref_addr"]);
    lto_thin_clang: optimised("containers-x86_64-clang19-ltothin", CLANG, ["DW_FORM_ref_addr"]);
    lto_full_clang_version_4: optimised("containers-x86_64-clang19-ltofull4", CLANG_4, ["DW_FORM_ref_addr"]);
    lto_full_clang_rel: optimised("containers-x86_64-clang19-ltofullrel", CLANG, ["DW_FORM_ref_addr", "REL (Relocatable file)"]);
    lto_thin_clang_rel: optimised("containers-x86_64-clang19-ltothinrel", CLANG, ["DW_FORM_ref_addr", "REL (Relocatable file)"]);
}

// --- dwz: partial units, imported units, supplementary files ---

containers! {
    dwz_4: repacked("containers-x86_64-gcc-dwz4", X86_4, ["DW_TAG_partial_unit", "DW_TAG_imported_unit", "DW_FORM_ref_addr"]);
    dwz_5: repacked("containers-x86_64-gcc-dwz5", X86, ["DW_TAG_partial_unit", "DW_TAG_imported_unit", "DW_FORM_ref_addr"]);
    dwz_lto: repacked("containers-x86_64-gcc-dwzlto", "containers-x86_64-gcc-ltoexe", ["DW_TAG_partial_unit", "DW_TAG_imported_unit", "DW_FORM_ref_addr"]);
    dwz_clang: repacked("containers-x86_64-clang19-dwz4", CLANG_4, ["DW_TAG_partial_unit", "DW_TAG_imported_unit", "DW_FORM_ref_addr"]);
    dwz_s390x: repacked("containers-s390x-gcc-dwz", "containers-s390x-gcc", ["DW_TAG_partial_unit", "DW_TAG_imported_unit", "DW_FORM_ref_addr"]);
    dwz_powerpc: repacked("containers-powerpc-gcc-dwz", "containers-powerpc-gcc", ["DW_TAG_partial_unit", "DW_TAG_imported_unit", "DW_FORM_ref_addr"]);
    dwz_multifile_4: repacked("containers-x86_64-gcc-dwzm4", X86_4, ["DW_FORM_GNU_ref_alt", "DW_FORM_GNU_strp_alt", ".gnu_debugaltlink"]);
    dwz_multifile_5: repacked("containers-x86_64-gcc-dwzm5", X86, ["DW_FORM_GNU_ref_alt", "DW_FORM_GNU_strp_alt", ".gnu_debugaltlink"]);
    dwz_multifile_s390x: repacked("containers-s390x-gcc-dwzm", "containers-s390x-gcc", ["DW_FORM_GNU_ref_alt", "DW_FORM_GNU_strp_alt", ".gnu_debugaltlink"]);
    dwz_standard_supplementary: repacked("containers-x86_64-gcc-sup5", X86, ["DW_FORM_ref_sup4", "DW_FORM_strp_sup", ".debug_sup"]);
}

// --- split DWARF ---

containers! {
    split_4: repacked("containers-x86_64-gcc-split4", X86_4, ["DW_AT_GNU_dwo_name"]);
    split_5: repacked("containers-x86_64-gcc-split5", X86, ["DW_UT_skeleton", "DW_AT_dwo_name"]);
    split_dwarf_64: repacked("containers-x86_64-gcc-split64", X86, ["DW_UT_skeleton", "DW_AT_dwo_name", "(64-bit)"]);
    split_5_rel: relinked("containers-x86_64-gcc-splitrel5", X86, ["DW_UT_skeleton", "DW_AT_dwo_name", "REL (Relocatable file)"]);
    split_type_units_4: repacked("containers-x86_64-gcc-splittypes4", X86_4, ["DW_AT_GNU_dwo_name"]);
    split_type_units_5: repacked("containers-x86_64-gcc-splittypes5", X86, ["DW_UT_skeleton", "DW_AT_dwo_name"]);
    split_4_clang: repacked("containers-x86_64-clang19-split4", CLANG_4, ["DW_AT_GNU_dwo_name"]);
    split_5_clang: repacked("containers-x86_64-clang19-split", CLANG, ["DW_UT_skeleton", "DW_AT_dwo_name"]);
    split_zlib_clang: repacked("containers-x86_64-clang19-splitzlib", CLANG, ["DW_UT_skeleton", "DW_AT_dwo_name", "ZLIB"]);
    split_single_4_clang: repacked("containers-x86_64-clang19-splitsingle4", CLANG_4, ["DW_AT_GNU_dwo_name"]);
    split_single_5_clang: repacked("containers-x86_64-clang19-splitsingle5", CLANG, ["DW_UT_skeleton", "DW_AT_dwo_name"]);
    split_5_s390x: repacked("containers-s390x-gcc-split5", "containers-s390x-gcc", ["DW_UT_skeleton", "DW_AT_dwo_name"]);
    split_4_powerpc: repacked("containers-powerpc-gcc-split4", "containers-powerpc-gcc", ["DW_AT_GNU_dwo_name"]);
    split_type_units_5_cxx: repacked("classes-x86_64-g++-splittypes5", "classes-x86_64-g++-dwarf5", ["DW_UT_skeleton", "DW_AT_dwo_name"]);
    package_4: repacked("containers-x86_64-gcc-dwp4", X86_4, ["DW_AT_GNU_dwo_name"]);
    package_5: repacked("containers-x86_64-gcc-dwp5", X86, ["DW_UT_skeleton", "DW_AT_dwo_name"]);
    package_type_units_4: repacked("containers-x86_64-gcc-dwptypes4", X86_4, ["DW_AT_GNU_dwo_name"]);
    package_4_clang: repacked("containers-x86_64-clang19-dwp4", CLANG_4, ["DW_AT_GNU_dwo_name"]);
    package_5_clang: repacked("containers-x86_64-clang19-dwp5", CLANG, ["DW_UT_skeleton", "DW_AT_dwo_name"]);
    package_type_units_5_cxx_clang: repacked("classes-x86_64-clang++19-dwptypes5", "classes-x86_64-clang++19-dwarf5", ["DW_UT_skeleton", "DW_AT_dwo_name"]);
}

// --- debugging information in a file of its own ---

containers! {
    only_debug: repacked("containers-x86_64-gcc-onlydebug", X86, ["NOBITS"]);
    debug_link: repacked("containers-x86_64-gcc-debuglink", X86, [".gnu_debuglink"]);
    debug_link_to_directory: repacked("containers-x86_64-gcc-debuglinkdir", X86, [".gnu_debuglink"]);
    build_id_tree: repacked(
        "containers-x86_64-gcc-buildidlink",
        "containers-x86_64-gcc-buildid",
        [".note.gnu.build-id"]
    );
    debug_link_to_dwz: repacked("containers-x86_64-gcc-distro", X86, [".gnu_debuglink"]);
}

// --- the larger program, with all that is odd in C ---

containers! {
    all_rel_x86_64: relinked("all-x86_64-gcc-rel", "all-x86_64-gcc-dwarf5", ["REL (Relocatable file)"]);
    all_rel_aarch64: relinked("all-aarch64-gcc-rel", "all-aarch64-gcc", ["REL (Relocatable file)"]);
    all_rel_riscv64: relinked("all-riscv64-gcc-rel", "all-riscv64-gcc", ["REL (Relocatable file)"]);
    all_rel_s390x: relinked("all-s390x-gcc-rel", "all-s390x-gcc", ["REL (Relocatable file)"]);
    all_rel_powerpc: relinked("all-powerpc-gcc-rel", "all-powerpc-gcc", ["REL (Relocatable file)"]);
    all_rel_arm: relinked("all-arm-gcc-rel", "all-arm-gcc", ["REL (Relocatable file)"]);
    all_rel_i386: relinked("all-i386-gcc-rel", "all-i386-gcc", ["REL (Relocatable file)"]);
    all_rel_mips: relinked("all-mips-gcc-rel", "all-mips-gcc", ["REL (Relocatable file)"]);
    all_zlib: repacked("all-x86_64-gcc-zlib", "all-x86_64-gcc-dwarf5", ["ZLIB"]);
    all_zlib_gnu: repacked("all-x86_64-gcc-zlibgnu", "all-x86_64-gcc-dwarf5", [".zdebug_info"]);
    all_split_4: repacked("all-x86_64-gcc-split4", "all-x86_64-gcc-dwarf4", ["DW_AT_GNU_dwo_name"]);
    all_split_5: repacked("all-x86_64-gcc-split5", "all-x86_64-gcc-dwarf5", ["DW_UT_skeleton"]);
    all_split_5_clang: repacked("all-x86_64-clang19-split", "all-x86_64-clang19-dwarf5", ["DW_UT_skeleton"]);
    all_dwz: repacked("all-x86_64-gcc-dwz5", "all-x86_64-gcc-dwarf5", ["DW_TAG_partial_unit"]);
    all_debug_link: repacked("all-x86_64-gcc-debuglink", "all-x86_64-gcc-dwarf5", [".gnu_debuglink"]);
}

/// A file without the contents of loaded sections does not know which functions are kfuncs.
#[test]
fn all_only_debug() {
    let Some([container, plain]) = pair("all-x86_64-gcc-onlydebug", "all-x86_64-gcc-dwarf5") else { return };
    shows(&container, &["NOBITS"]);
    let no_kfuncs = options(|o| {
        o.features = o.features.with(Features::GLOBAL_VAR).without(Features::DECL_TAG_KFUNCS);
    });
    same_with(&container, &plain, &no_kfuncs);
}

// --- a part is missing, or of another build ---

/// Asserts that a file cannot be encoded, and that the error names the part that is at fault.
#[track_caller]
fn fails_for(path: &Path, part: &str) {
    let error = encode_with(path, &Options::default(), 1).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    assert!(error.to_string().contains(part), "{part} is not named: {error}");
}

/// A fixture, alone in a directory.
fn alone(name: &str) -> Option<(tempfile::TempDir, std::path::PathBuf)> {
    let fixture = fixture(name)?;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::copy(fixture, &path).unwrap();
    Some((dir, path))
}

#[test]
fn debug_link_to_another_build() {
    let Some(path) = fixture("containers-x86_64-gcc-debuglinkbad") else { return };
    fails_for(&path, "containers-x86_64-gcc-debuglinkbad.debug");
}

#[test]
fn dwo_file_missing() {
    let Some((_dir, path)) = alone("containers-x86_64-clang19-split") else { return };
    fails_for(&path, ".dwo");
}

#[test]
fn dwo_file_of_another_build() {
    let name = "containers-x86_64-clang19-split";
    let Some((dir, path)) = alone(name) else { return };
    let dwo = format!("{name}.dwo");
    let (from, to) = (common::fixtures().join(&dwo), dir.path().join(&dwo));
    std::fs::create_dir(&to).unwrap();
    let mut last = None;
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        last = last.max(Some(entry.file_name()));
    }
    // All are there: the files may move together.
    encoded(&path, &Options::default());
    // The last one's content is that of the first.
    std::fs::copy(from.join("0_list.dwo"), to.join(last.as_ref().unwrap())).unwrap();
    fails_for(&path, &last.unwrap().to_string_lossy());
}

#[test]
fn supplementary_file_missing() {
    let Some((_dir, path)) = alone("containers-x86_64-gcc-dwzm5") else { return };
    fails_for(&path, "containers-x86_64-gcc-dwzm5.common");
}

#[test]
fn supplementary_file_of_another_build() {
    let Some((dir, path)) = alone("containers-x86_64-gcc-dwzm5") else { return };
    let Some(other) = fixture("containers-x86_64-gcc-dwzm4.common") else { return };
    std::fs::copy(other, dir.path().join("containers-x86_64-gcc-dwzm5.common")).unwrap();
    fails_for(&path, "containers-x86_64-gcc-dwzm5.common");
}

/// Units of DWARF 6 are laid out like those of DWARF 5. Compilers that write them are rare: the fixture is a build
/// of DWARF 5 whose headers say 6.
#[test]
fn version_6() {
    let Some(plain) = fixture("all-x86_64-gcc-dwarf5") else { return };
    let mut bytes = std::fs::read(&plain).unwrap();
    let image = btfgen::Image::open(&plain).unwrap();
    let info = image.content_of(b".debug_info").unwrap();
    let start = info.as_ptr().addr() - image.bytes().as_ptr().addr();
    let (mut at, mut units) = (start, 0);
    while at < start + info.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(bytes[at + 4..at + 6], [5, 0]);
        bytes[at + 4] = 6;
        at += 4 + length as usize;
        units += 1;
    }
    assert!(units > 1);
    let directory = tempfile::tempdir().unwrap();
    let patched = directory.path().join("v6");
    std::fs::write(&patched, &bytes).unwrap();
    assert!(encoded(&patched, &Options::default()).btf == encoded(&plain, &Options::default()).btf);
    // There is no seventh.
    bytes[start + 4] = 7;
    std::fs::write(&patched, &bytes).unwrap();
    let error = encode_with(&patched, &Options::default(), 1).unwrap_err().to_string();
    assert!(error.contains("version 7"), "{error}");
}
