//! What an encoder makes of each fixture, as `testdata/EXPECTED.md` says: types, functions, variables, tags.
//!
//! Each expectation is held against every compiler, architecture and DWARF version that the fixture was
//! built with, and against the program that has all sources in one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::fmt::Write as _;
use std::process::Command;

use btfgen::btf::{IntEncoding, Kind, TypeId};
use btfgen::{ErrorKind, Features, Options};
use common::{
    Model, Variant, compile_only, each, each_path, each_with, each_with_variables, encode, fixture, options,
};

fn int(m: &Model<'_>, name: &str) -> (u32, u8, IntEncoding) {
    let ints: Vec<_> = m.btf.types().filter(|t| t.kind() == Kind::Int && m.spell(t.id()) == name).collect();
    assert_eq!(ints.len(), 1, "number of {name}");
    let data = ints[0].int_data().unwrap();
    assert_eq!(data.offset_bits, 0);
    (ints[0].size_bytes().unwrap(), data.bits, data.encoding)
}

#[test]
fn base_types() {
    each("base_types", |v, m| {
        let word = v.pointer_bytes;
        let signed = |bytes: u32| (bytes, 8 * bytes as u8, IntEncoding::SIGNED);
        let unsigned = |bytes: u32| (bytes, 8 * bytes as u8, IntEncoding::NONE);
        assert_eq!(int(m, "_Bool"), (1, 8, IntEncoding::BOOL));
        for (name, expected) in [
            ("signed char", signed(1)),
            ("unsigned char", unsigned(1)),
            ("short", signed(2)),
            ("unsigned short", unsigned(2)),
            ("int", signed(4)),
            ("unsigned int", unsigned(4)),
            ("long", signed(word)),
            ("unsigned long", unsigned(word)),
            ("long long", signed(8)),
            ("unsigned long long", unsigned(8)),
        ] {
            assert_eq!(int(m, name), expected, "{name}");
        }
        if word == 8 {
            assert_eq!(int(m, "__int128"), signed(16));
            assert_eq!(int(m, "unsigned __int128"), unsigned(16));
        }
        // Two units, compiled with both signs.
        let mut chars: Vec<_> = m
            .all(Kind::Int, "char")
            .iter()
            .map(|t| (t.size_bytes(), t.int_data().unwrap().encoding.0))
            .collect();
        chars.sort_unstable();
        assert_eq!(chars, [(Some(1), 0), (Some(1), IntEncoding::SIGNED.0)]);

        assert_eq!(m.one(Kind::Float, "float").size_bytes(), Some(4));
        assert_eq!(m.one(Kind::Float, "double").size_bytes(), Some(8));
        let long_double = match v.name {
            name if name.starts_with("arm") || name.starts_with("mips") => 8,
            name if name.starts_with("i386") => 12,
            _ => 16,
        };
        assert_eq!(m.one(Kind::Float, "long double").size_bytes(), Some(long_double));
        if v.is("x86_64-gcc") {
            assert_eq!(m.one(Kind::Float, "_Float128").size_bytes(), Some(16));
            for (name, bytes) in [("_Decimal32", 4), ("_Decimal64", 8), ("_Decimal128", 16)] {
                assert_eq!(int(m, name), unsigned(bytes), "{name}");
            }
        }
        let size_t = if word == 8 { "unsigned long base_size_t" } else { "unsigned int base_size_t" };
        let also = if v.is("s390") { "unsigned long base_size_t" } else { size_t };
        assert!([size_t, also].contains(&m.typedef("base_size_t").as_str()), "{}", m.typedef("base_size_t"));
    });
}

#[test]
fn features_turn_kinds_off() {
    let without = |f: Features| options(|o| o.features = o.features.without(f));
    each_with("base_types", &without(Features::FLOAT), |_, m| {
        assert!(m.names(Kind::Float).is_empty());
        assert_eq!(int(m, "double"), (8, 64, IntEncoding::NONE));
    });
    each_with("enums", &without(Features::ENUM64), |_, m| {
        assert!(m.names(Kind::Enum64).is_empty());
        // Who knows no ENUM64 knows no signed ENUM either.
        assert!(m.btf.types().filter(|t| t.kind() == Kind::Enum).all(|t| !t.kind_flag()));
        let big = m.one(Kind::Enum, "en_big");
        assert_eq!(
            (big.size_bytes(), m.enumerators(big)),
            (Some(8), vec!["EN_BIG_LOW=3".into(), "EN_BIG=0".into()])
        );
        assert_eq!(m.enumerators(m.one(Kind::Enum, "en_negative"))[0], "EN_MINUS_ONE=4294967295");
    });
    each_with("percpu", &without(Features::VAR), |_, m| {
        assert!(m.names(Kind::Var).is_empty() && m.names(Kind::Datasec).is_empty());
    });
    each_with("kfuncs", &without(Features::DECL_TAG), |_, m| assert!(m.names(Kind::DeclTag).is_empty()));
    each_with("kfuncs", &without(Features::DECL_TAG_KFUNCS), |_, m| {
        assert!(m.names(Kind::DeclTag).is_empty())
    });
    each_with("tags", &without(Features::DECL_TAG), |_, m| {
        assert!(m.names(Kind::DeclTag).is_empty());
        assert!(!m.names(Kind::TypeTag).is_empty());
    });
    each_with("tags", &without(Features::TYPE_TAG), |_, m| {
        assert!(m.names(Kind::TypeTag).is_empty());
        assert!(!m.names(Kind::DeclTag).is_empty());
    });
    let nothing = options(|o| o.features = Features::NONE);
    for program in ["all", "tags", "complex"] {
        each_with(program, &nothing, |_, m| {
            for kind in [Kind::Float, Kind::Enum64, Kind::Var, Kind::Datasec, Kind::DeclTag, Kind::TypeTag] {
                assert!(m.names(kind).is_empty(), "{kind}");
            }
        });
    }
}

#[test]
fn modifiers() {
    each_with_variables("modifiers", |v, m| {
        for declaration in [
            "void *mod_void_ptr",
            "const void *mod_const_void_ptr",
            "volatile void *mod_volatile_void_ptr",
            "const volatile void *mod_const_volatile_void_ptr",
            "void *const mod_void_const_ptr",
            "int *mod_int_ptr",
            "int **mod_int_ptr_ptr",
            "int ***mod_int_ptr_ptr_ptr",
            "const int mod_const_int",
            "volatile int mod_volatile_int",
            "const volatile int mod_const_volatile_int",
            "const int *const volatile *mod_stack",
            "const struct mod_target *mod_const_struct_ptr",
            "struct mod_target *volatile mod_volatile_ptr",
            "volatile struct mod_target mod_volatile_struct_array[2]",
            "mod_t3 mod_chain",
            "mod_t6 mod_cv_chain",
            "mod_void_t *mod_void_chain",
            "mod_const_void_t *mod_const_void_chain",
            "mod_struct_t mod_struct",
            "mod_fn_ptr_t mod_fn_ptr",
            "mod_fn_t *mod_fn_typedef_ptr",
            "const mod_fn_ptr_t mod_const_fn_ptr",
            "mod_same mod_same_name",
        ] {
            let name = declaration.rsplit([' ', '*']).next().unwrap();
            let name = name.split('[').next().unwrap();
            assert_eq!(m.variable(name), declaration);
        }
        // Where an array is const its elements are: compilers say one, the other, or both.
        for name in ["mod_const_array[4]", "mod_const_typedef_array[3]"] {
            let declared = m.variable(name.split('[').next().unwrap());
            assert!(
                declared.starts_with("const ")
                    && (declared.ends_with(name) || declared.contains("mod_array_t")),
                "{declared}"
            );
        }
        for declaration in [
            "int mod_t1",
            "mod_t1 mod_t2",
            "mod_t2 mod_t3",
            "const mod_t3 mod_t4",
            "volatile mod_t4 mod_t5",
            "mod_t5 *mod_t6",
            "void mod_void_t",
            "struct mod_target mod_struct_t",
            "struct {int x;} mod_anon_struct_t",
            "union {int x; float y;} mod_anon_union_t",
            "enum {MOD_A=0, MOD_B=1} mod_anon_enum_t",
            "struct mod_same mod_same",
        ] {
            let name = declaration.rsplit([' ', '*']).next().unwrap();
            assert_eq!(m.typedef(name), declaration);
        }
        // gcc forgets both the qualifier and the typedef of void below a typedef.
        let const_void = if v.is_clang() { "const mod_void_t" } else { "void" };
        assert_eq!(m.typedef("mod_const_void_t"), format!("{const_void} mod_const_void_t"));
        assert_eq!(m.typedef("mod_fn_ptr_t"), "int (*mod_fn_ptr_t)(mod_struct_t *, mod_t3)");
        assert_eq!(m.typedef("mod_fn_t"), "int mod_fn_t(mod_struct_t *, mod_t3)");
        m.expect_members("struct mod_same", v.pointer_bytes, &["0 mod_same *next"]);
        // DWARF 2 has no restrict.
        let restrict = if v.is("dwarf2") || v.is_strict() {
            "int mod_restrict(int *to, const int *from, char *const last)"
        } else {
            "int mod_restrict(int *restrict to, const int *restrict from, char *const restrict last)"
        };
        assert_eq!(m.prototype("mod_restrict").as_deref(), Some(restrict));
    });
}

#[test]
fn arrays() {
    each_with_variables("arrays", |v, m| {
        for declaration in [
            "int array_one[7]",
            "int array_three[3][4][5]",
            "char array_single[1]",
            "char array_large[1048576]",
            "struct array_cell array_structs[5]",
            "struct array_cell *array_pointers[6]",
            "struct array_cell (*array_pointer_to)[8]",
            "int (*array_of_fn_pointers[9])(int)",
            "const char *const array_strings[3]",
            "int *array_unknown_user",
            "int array_unknown[11]",
            "array_rows_t array_typedef_rows",
            "struct array_flexible *array_flexible",
        ] {
            let end = declaration.find(['[', ')']).unwrap_or(declaration.len());
            let start = declaration[..end].rfind([' ', '*']).unwrap() + 1;
            assert_eq!(m.variable(&declaration[start..end]), declaration);
        }
        // gcc replaces a typedef of an array by the array when it is an element itself.
        let rows = ["int array_rows_t[3][4]", "array_row_t array_rows_t[3]"];
        assert!(rows.contains(&m.typedef("array_rows_t").as_str()), "{}", m.typedef("array_rows_t"));
        assert_eq!(m.typedef("array_vector_t"), "int array_vector_t[4]");
        // No size, no variable.
        for name in ["array_zero", "array_zero_inner"] {
            assert_eq!(m.count(Kind::Var, name), 0, "{name}");
        }
        let word = v.word_bits();
        let cells = format!("{word} struct array_cell cells[0]");
        m.expect_members("struct array_flexible", v.pointer_bytes, &["0 unsigned long count", &cells]);
        m.expect_members(
            "struct array_flexible_only_in_union",
            4,
            &["0 int n", "32 union {struct {} empty; int zero[0];}"],
        );
        m.expect_members("struct array_zero_tail", 4, &["0 int n", "32 int tail[0]"]);
        m.expect_members("struct array_zero_middle", 8, &["0 int n", "32 int start[0]", "32 int first"]);
        m.expect_members(
            "struct array_of_array_member",
            22,
            &["0 unsigned char grid[2][3]", "48 short pairs[4][2]"],
        );
        // Variable bounds count as 0.
        for spelling in ["int [0]", "int [0][0]", "char [0][16]"] {
            assert!(m.spelled(spelling) > 0, "{spelling}");
        }
        let param = "int array_param(int (*matrix)[4], const int *fixed)";
        assert_eq!(m.prototype("array_param").as_deref(), Some(param));
    });
}

#[test]
fn arrays_are_flat_on_demand() {
    let flat = options(|o| {
        o.features = o.features.with(Features::GLOBAL_VAR);
        o.flat_arrays = true;
    });
    each_with("arrays", &flat, |_, m| {
        assert_eq!(m.variable("array_three"), "int array_three[60]");
        assert_eq!(m.variable("array_one"), "int array_one[7]");
        assert_eq!(m.variable("array_structs"), "struct array_cell array_structs[5]");
        m.expect_members(
            "struct array_of_array_member",
            22,
            &["0 unsigned char grid[6]", "48 short pairs[8]"],
        );
        // Only dimensions of one array: what is an array by typedef stays.
        assert!(m.typedef("array_rows_t").ends_with("[12]") || m.count(Kind::Typedef, "array_row_t") == 1);
        assert_eq!(m.spelled("int [0][0]"), 0);
    });
}

#[test]
fn structs() {
    each_with_variables("structs", |v, m| {
        let word = v.word_bits();
        let (pointer, w) = (v.pointer_bytes, |n: u32| n * word);
        let long_long_bits = if v.is("i386") { 96 } else { 128 };
        m.expect_members(
            "struct st_plain",
            if v.is("i386") { 20 } else { 24 },
            &["0 char a", "32 int b", "64 short c", &format!("{long_long_bits} long long d")],
        );
        m.expect_members("struct st_empty", 0, &[]);
        m.expect_members("union st_union_empty", 0, &[]);
        m.expect_members("union st_union", 8, &["0 int i", "0 float f", "0 char bytes[8]"]);
        m.expect_members("struct st_packed", 13, &["0 char a", "8 int b", "40 long long c"]);
        m.expect_members("struct st_packed_aligned", 8, &["0 char a", "8 int b"]);
        m.expect_members("struct st_aligned", 128, &["0 int a", "512 int b"]);
        let both = if v.is("i386") { 32 } else { 64 };
        let anonymous = [
            "0 int before".to_owned(),
            format!(
                "{both} union {{struct {{int x; struct {{char deep_a; char deep_b;}};}}; long long both;}}"
            ),
            format!("{} struct {{int named_member;}} named", both + 64),
            format!("{} int after", both + 96),
        ];
        let anonymous: Vec<_> = anonymous.iter().map(String::as_str).collect();
        m.expect_members("struct st_anonymous", if v.is("i386") { 20 } else { 24 }, &anonymous);
        // Equal anonymous structs are one.
        assert_eq!(m.variable("st_anon_first"), "struct {int x; int y;} st_anon_first");
        assert_eq!(
            m.one(Kind::Var, "st_anon_first").target(),
            m.one(Kind::Var, "st_anon_second").target(),
            "equal anonymous structs are one"
        );
        assert_eq!(m.variable("st_anon_third"), "struct {int x; int z;} st_anon_third");

        assert!(!m.one(Kind::Fwd, "st_declared_only").kind_flag());
        assert!(m.one(Kind::Fwd, "st_union_declared_only").kind_flag());
        assert_eq!(m.variable("st_declared_only"), "struct st_declared_only *st_declared_only");

        let list =
            [format!("{} const struct st_list *const_next", w(2)), format!("{word} struct st_list **pprev")];
        m.expect_members("struct st_list", 3 * pointer, &["0 struct st_list *next", &list[1], &list[0]]);
        let wife = format!("{word} int age");
        m.expect_members("struct st_wife", 2 * pointer, &["0 struct st_husband *husband", &wife]);
        m.expect_members(
            "struct st_husband",
            6 * pointer,
            &[
                "0 struct st_wife *wife",
                &format!("{word} struct st_wife mother[2]"),
                &format!("{} void (*speak)(struct st_husband *, struct st_wife *)", w(5)),
            ],
        );
        for (from, to) in [("a", "b"), ("b", "c"), ("c", "a")] {
            let member = format!("0 struct st_ring_{to} *{to}");
            m.expect_members(&format!("struct st_ring_{from}"), pointer, &[&member]);
        }
        let inner = ["0 struct st_inner inner", "64 union st_inner_union *pointer"];
        m.expect_members("struct st_outer", 8 + pointer, &inner);
        m.expect_members("struct st_inner", 8, &["0 int i", "32 enum st_inner_enum e"]);
        m.expect_members("struct st_names_holder", pointer, &["0 st_names st_names"]);
        // Types that only a function's body knows are types too; they share a name.
        let mut local: Vec<_> = m.all(Kind::Struct, "st_local").iter().map(|&t| m.members(t)).collect();
        local.sort();
        assert_eq!(
            local,
            [vec!["0 int a".to_owned(), "32 int b".to_owned()], vec!["0 long only".to_owned()]]
        );
        m.expect_members("union st_local_in_block", pointer, &["0 long u", "0 char c"]);
        assert_eq!(m.names(Kind::Fwd).iter().filter(|n| n.starts_with("st_")).count(), 2);
    });
}

/// Sizes and offsets as the compiler sees them: the source, and an assertion in C for everything that the
/// BTF says.
#[test]
fn layouts_agree_with_the_compiler() {
    let src = common::root().join("testdata/src");
    for program in ["base_types", "structs", "bitfields", "arrays", "enums", "protos", "percpu_a"] {
        let fixture = program.trim_end_matches("_a");
        each_with_variables(fixture, |v, m| {
            let mut source = std::fs::read_to_string(src.join(format!("{program}.c"))).unwrap();
            let global: Vec<String> = source.lines().map(str::to_owned).collect();
            let is_global = |name: &str| {
                global.iter().any(|l| l.starts_with(name) || l.starts_with(&format!("typedef {name}")))
            };
            let mut asserted = 0;
            for ty in m.btf.types() {
                let tag = match ty.kind() {
                    Kind::Struct => "struct",
                    Kind::Union => "union",
                    Kind::Enum | Kind::Enum64 => "enum",
                    _ => continue,
                };
                let name = format!("{tag} {}", String::from_utf8_lossy(ty.name()));
                if ty.name().is_empty() || !is_global(&name) || ty.kind() == Kind::Enum && ty.vlen() == 0 {
                    continue;
                }
                let size = ty.size_bytes().unwrap();
                let _ = writeln!(source, "_Static_assert(sizeof({name}) == {size}, \"size of {name}\");");
                asserted += 1;
                // clang 14 describes a bitfield as wide as its type as an ordinary member.
                let in_bits = |x: &btfgen::btf::Member| x.bitfield_bits(ty.kind_flag()) == 0;
                let unclear = v.is("clang14") && program == "bitfields";
                for member in ty.members().filter(|x| in_bits(x) && !unclear) {
                    let field = String::from_utf8_lossy(m.btf.name(member.name));
                    if !field.is_empty() {
                        let bytes = member.offset_bits(ty.kind_flag()) / 8;
                        let _ = writeln!(
                            source,
                            "_Static_assert(__builtin_offsetof({name}, {field}) == {bytes}, \"{name}.{field}\");"
                        );
                    }
                }
                for value in m.enumerators(ty) {
                    let (constant, value) = value.split_once('=').unwrap();
                    let suffix = if value.starts_with('-') { "ll - 1" } else { "ull" };
                    // The most negative number cannot be written as one.
                    let value = match value.parse::<i128>() {
                        Ok(v) if v < 0 => format!("{}{suffix}", v + 1),
                        _ => format!("{value}{suffix}"),
                    };
                    let _ = writeln!(source, "_Static_assert({constant} == {value}, \"{constant}\");");
                }
            }
            let prefix = program.split('_').next().unwrap();
            let prefix = match prefix {
                "base" => "base_",
                "structs" => "st_",
                "bitfields" => "bf_",
                "arrays" => "array_",
                "enums" => "en_",
                "protos" => "pr_",
                _ => "pc_",
            };
            for var in m
                .btf
                .types()
                .filter(|t| t.kind() == Kind::Datasec)
                .flat_map(|t| t.datasec_entries().collect::<Vec<_>>())
            {
                let name = String::from_utf8_lossy(m.ty(var.var).name()).into_owned();
                let declared_here = global.iter().any(|l| {
                    l.contains(&format!(" {name}")) && !l.contains("extern") && !l.starts_with("struct un_")
                });
                if name.starts_with(prefix) && declared_here {
                    let size = var.size_bytes;
                    let _ = writeln!(source, "_Static_assert(sizeof({name}) == {size}, \"size of {name}\");");
                    asserted += 1;
                }
            }
            assert!(asserted > 0, "nothing asserted");
            let output = compile_only(v.compiler, &["-std=gnu2x", "-w"], source.as_bytes());
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        });
    }
}

#[test]
fn bitfields() {
    each("bitfields", |v, m| {
        let (word, clang14) = (v.word_bits(), v.is("clang14"));
        m.expect_members(
            "struct bf_basic",
            8,
            &["0:1 int a", "1:7 int b", "8:24 int c", "32:5 unsigned int d", "37:27 unsigned int e"],
        );
        let types = m.members(m.one(Kind::Struct, "bf_types"));
        let first = [
            "0:1 _Bool flag",
            "1:3 char c",
            "4:4 signed char sc",
            "8:5 unsigned char uc",
            "16:9 short s",
            "32:11 unsigned short us",
            "43:17 int i",
            "64:30 unsigned int u",
        ];
        assert_eq!(types[..8], first);
        // A field of a word of 64 bits may lie across the middle of it.
        let long = if word == 64 { "94:31 long l" } else { "96:31 long l" };
        assert_eq!(types[8..10], [long, "128:29 unsigned long ul"]);
        let rest = match v.is("i386") {
            true => ["160:40 long long ll", "224:63 unsigned long long ull"],
            false => ["192:40 long long ll", "256:63 unsigned long long ull"],
        };
        assert_eq!(types[10..], rest);

        m.expect_members(
            "struct bf_wide",
            if v.is("i386") { 20 } else { 24 },
            &[
                "0:33 unsigned long long a",
                "33:31 unsigned long long b",
                // A field as wide as its type is none to clang 14.
                if clang14 { "64 long long whole" } else { "64:64 long long whole" },
                "128:1 long long one",
            ],
        );
        let full = match clang14 {
            true => ["0 char c", "16 short s", "32 int i"],
            false => ["0:8 char c", "16:16 short s", "32:32 int i"],
        };
        m.expect_members("struct bf_full", 8, &full);
        m.expect_members(
            "struct bf_mixed",
            if word == 64 { 32 } else { 24 },
            &[
                "0 int plain",
                "32 char byte",
                "40:3 unsigned int first",
                "64 int second",
                "96:12 unsigned int third",
                "128:4 unsigned int fourth",
                "139:9 unsigned int fifth",
                if word == 64 { "192 void *pointer" } else { "160 void *pointer" },
            ],
        );
        m.expect_members(
            "struct bf_packed",
            18,
            &[
                "0 char lead",
                "8:13 unsigned int a",
                "21:30 unsigned int b",
                "51:50 unsigned long long c",
                "104 int plain",
                "136:3 unsigned int d",
            ],
        );
        m.expect_members(
            "struct bf_straddle",
            12,
            &[
                "0:20 unsigned int a",
                "32:20 unsigned int b",
                "52:10 unsigned short c",
                "64:10 unsigned short d",
            ],
        );
        m.expect_members(
            "struct bf_straddle_packed",
            8,
            &[
                "0:20 unsigned int a",
                "20:20 unsigned int b",
                "40:10 unsigned short c",
                "50:10 unsigned short d",
            ],
        );
        m.expect_members(
            "struct bf_typed",
            4,
            &[
                "0:2 enum bf_enum color",
                "2:3 enum bf_enum_signed sign",
                "5:6 bf_u32 word",
                "11:7 const bf_alias fixed",
                "18:8 volatile int moving",
            ],
        );
        m.expect_members(
            "union bf_union",
            8,
            &[
                "0:4 unsigned int low",
                if clang14 { "0 unsigned long long all" } else { "0:64 unsigned long long all" },
                "0 unsigned int plain",
                "0 struct {unsigned int inner_a : 3; unsigned int inner_b : 13;}",
            ],
        );
        m.expect_members(
            "struct bf_nested",
            16,
            &[
                "0 struct bf_basic inside",
                "64:2 unsigned int tail",
                "96 struct {unsigned int anon_a : 1; unsigned int anon_b : 2;}",
            ],
        );
        if word == 64 {
            m.expect_members("struct bf_int128", 16, &["0:70 unsigned __int128 a", "70:58 __int128 b"]);
        }
    });
}

#[test]
fn enums() {
    each("enums", |v, m| {
        let check = |kind: Kind, name: &str, bytes: u32, signed: bool, values: &[&str]| {
            let ty = m.one(kind, name);
            assert_eq!(ty.size_bytes(), Some(bytes), "size of {name}");
            assert_eq!(m.enumerators(ty), values, "values of {name}");
            assert_eq!(ty.is_signed(), signed, "sign of {name}");
        };
        check(Kind::Enum, "en_plain", 4, false, &["EN_ZERO=0", "EN_ONE=1", "EN_TWO=2"]);
        check(Kind::Enum, "en_negative", 4, true, &["EN_MINUS_ONE=-1", "EN_NIL=0", "EN_PLUS=7"]);
        check(Kind::Enum, "en_int_min", 4, true, &["EN_INT_MIN=-2147483648", "EN_INT_MAX=2147483647"]);
        check(Kind::Enum, "en_uint_max", 4, false, &["EN_SMALL=1", "EN_UINT_MAX=4294967295"]);
        check(Kind::Enum64, "en_big", 8, false, &["EN_BIG_LOW=3", "EN_BIG=4294967296"]);
        if v.is_strict() {
            // Strict DWARF 2 does not say what type an enumeration has.
            for name in ["en_big_max", "en_big_negative", "en_big_min"] {
                assert_eq!(m.one(Kind::Enum64, name).size_bytes(), Some(8));
            }
        } else {
            check(Kind::Enum64, "en_big_max", 8, false, &["EN_BIG_MAX=18446744073709551615"]);
            check(Kind::Enum64, "en_big_negative", 8, true, &["EN_BIG_MINUS=-4294967296", "EN_BIG_ZERO=0"]);
            check(
                Kind::Enum64,
                "en_big_min",
                8,
                true,
                &["EN_BIG_MIN=-9223372036854775808", "EN_BIG_TOP=9223372036854775807"],
            );
        }
        check(Kind::Enum, "en_single", 4, false, &["EN_SINGLE=42"]);
        check(Kind::Enum, "en_equal", 4, false, &["EN_FIRST=5", "EN_AGAIN=5", "EN_LAST=4"]);
        check(Kind::Enum, "en_byte", 1, false, &["EN_BYTE_A=1", "EN_BYTE_B=200"]);
        check(Kind::Enum, "en_byte_signed", 1, true, &["EN_SBYTE_A=-2", "EN_SBYTE_B=100"]);
        check(Kind::Enum, "en_half", 2, false, &["EN_HALF=40000"]);
        check(Kind::Enum, "en_late", 4, false, &["EN_LATE_A=0", "EN_LATE_B=1"]);
        check(Kind::Enum, "en_inner", 4, false, &["EN_INNER_A=0", "EN_INNER_B=1"]);
        assert_eq!(m.one(Kind::Enum, "en_forward").vlen(), 0);
        assert_eq!(m.typedef("en_typedef_t"), "enum {EN_TYPEDEF_A=0} en_typedef_t");
        for spelling in ["enum {EN_ANON_A=0, EN_ANON_B=10}", "enum {EN_ANON_C=1099511627776}"] {
            assert_eq!(m.spelled(spelling), 1, "{spelling}");
        }
        let wide = 64;
        m.expect_members(
            "struct en_holder",
            if v.is("i386") { 20 } else { 24 },
            &[
                "0 enum en_inner inner",
                "32 enum {EN_INNER_ANON=0} anonymous",
                &format!("{wide} enum en_big wide"),
                &format!("{} const enum en_plain fixed", wide + 64),
            ],
        );
    });
}

#[test]
fn prototypes() {
    each_with_variables("protos", |v, m| {
        let word = v.word_bits();
        let members = [
            "int (*plain)(int, long)",
            "void (*nothing)(void)",
            "int (*old_style)(...)",
            "int (*variadic)(const char *, ...)",
            "void *(*returns_pointer)(struct pr_object *)",
            "pr_callback_t *by_typedef",
            "pr_void_t table[3]",
            "void (*takes_function)(int (*)(int (*)(void)))",
            "int (*(*returns_function)(int))(long)",
            "int (*(*array_of_those)[2])(struct pr_object **)",
            "void (*by_value)(struct {int x;} *)",
            "const char *const (*const fixed)(const volatile int)",
        ];
        // The table takes three words.
        let lines = members.iter().enumerate().map(|(i, m)| {
            let words = if i > 6 { i as u32 + 2 } else { i as u32 };
            format!("{} {m}", words * word)
        });
        let mut lines: Vec<_> = lines.collect();
        let got = m.members(m.one(Kind::Struct, "pr_object"));
        // Whether the qualifiers of a return type and of a parameter count is the compiler's choice.
        let last = got.last().unwrap();
        let without = |s: &str| s.replace("const volatile int", "int").replace("*const (", "*(");
        assert_eq!(without(last), without(lines.last().unwrap()));
        *lines.last_mut().unwrap() = last.clone();
        assert_eq!(got, lines);
        for declaration in [
            ("pr_pointer", "int (*pr_pointer)(int, ...)"),
            ("pr_old_style", "int (*pr_old_style)(...)"),
            ("pr_pointer_pointer", "void (**pr_pointer_pointer)(void)"),
            ("pr_callback", "pr_callback_t *pr_callback"),
            ("pr_recursive", "void (*pr_recursive)(void (*)(void (*)(void)))"),
            ("pr_named", "int (*pr_named)(int, int)"),
        ] {
            assert_eq!(m.variable(declaration.0), declaration.1);
        }
        let target = |name| m.one(Kind::Var, name).target();
        assert_eq!(
            target("pr_named"),
            target("pr_unnamed"),
            "names of parameters are no part of a pointer's type"
        );
        assert_eq!(m.typedef("pr_callback_t"), "int pr_callback_t(struct pr_object *, void *)");
    });
}

/// Functions that are in the output for every compiler and architecture.
const FUNCTIONS: [&str; 31] = [
    "int fn_external(int a, long b)",
    "int fn_static(struct fn_point *p)",
    "int fn_inlined_and_emitted(int x)",
    "void fn_nothing(void)",
    "void fn_noreturn(int code)",
    "int fn_variadic(const char *format, ...)",
    "int fn_old_style_params(int a, char *b)",
    "int fn_unused_param(int a, int unused, int c)",
    "int fn_ten_params(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j)",
    "int fn_struct_by_value(struct fn_point p, int after)",
    "long fn_large_by_value(struct fn_large l, int after)",
    "long fn_union_by_value(union fn_union_large u, int after)",
    "float fn_float(float a)",
    "int fn_mixed_float(int a, double b, int c)",
    "int fn_float_and_struct(double a, struct fn_point p)",
    "int fn_plain_on_stack(long a, long b, long c, long d, long e, long f, long g, long h, struct fn_point p, long i)",
    "void fn_part_extern(int *p)",
    "int fn_cold(int n)",
    "int fn_hand_isra(int a, int b)",
    "int fn_suffixed(int a)",
    "int fn_aliased(int a)",
    "int fn_weak_same(int a)",
    "int fn_weak_param_names(int first, int second)",
    "int fn_same_name(struct fn_same_name *fn_same_name)",
    "int fn_use_all_a(struct fn_point *p, struct fn_large *l, int *a)",
    "int fn_use_all_b(char *p)",
    "int dup_inline(int x)",
    "void fn_panic(int n)",
    "int fn_weak_const(struct fn_point *p)",
    "int fn_weak_const_void(void *p)",
    "int fn_packed_first(struct fn_packed p)",
];

/// Functions that are never in the output, and why.
const NO_FUNCTIONS: [(&str, &str); 16] = [
    ("fn_only_inlined", "no symbol"),
    ("fn_renamed", "the symbol has another name"),
    ("fn_renamed_symbol", "the DIE has another name"),
    ("fn_twin_clone", "the symbol has another name"),
    ("fn_alias_weak", "a second symbol of another function"),
    ("fn_alias_strong", "a second symbol of another function"),
    ("fn_unnamed_param", "a parameter without a name"),
    ("fn_twin", "two addresses"),
    ("fn_packed_on_stack", "a packed struct among the arguments on the stack"),
    ("fn_weak_differs", "two prototypes"),
    ("fn_weak_return", "two prototypes"),
    ("dup_same", "two addresses"),
    ("dup_differs", "two addresses and prototypes"),
    ("zz_dup_last", "two addresses"),
    ("fn_call_me.constprop.0", "clones have no name of their own"),
    ("fn_cold.cold", "half a function"),
];

#[test]
fn functions() {
    each("functions", |v, m| {
        let unoptimised = v.is("O0");
        for expected in FUNCTIONS {
            let name = expected[..expected.find('(').unwrap()].rsplit([' ', '*']).next().unwrap();
            let absent = match name {
                // No register holds a parameter there, so any packed struct may lie where nobody knows.
                "fn_packed_first" => v.is("i386"),
                // Not inlined anywhere, so a static function twice.
                "dup_inline" => unoptimised,
                // Its symbol says that it was optimised, and its parameters are in no register.
                "fn_hand_isra" => unoptimised,
                _ => false,
            };
            let got = m.prototype(name);
            if absent {
                assert_eq!(got, None, "{name}");
                continue;
            }
            let got = got.unwrap_or_else(|| panic!("{name} is missing"));
            // The canonical one of two equal definitions may be either.
            let also = got.replace("const struct fn_point", "struct fn_point").replace("const void", "void");
            assert!(got == expected || also == expected, "{got}, not {expected}");
        }
        let old_style = m.prototype("fn_old_style").unwrap();
        assert!(
            ["int fn_old_style(void)", "int fn_old_style(...)"].contains(&old_style.as_str()),
            "{old_style}"
        );
        // Returned in memory, whose address takes the first register.
        let returns_struct = m.prototype("fn_returns_struct");
        match v.is("s390x") || v.is("arm-gcc") {
            true => assert_eq!(returns_struct, None),
            false => assert_eq!(returns_struct.as_deref(), Some("struct fn_point fn_returns_struct(int x)")),
        }
        if v.pointer_bytes == 8 {
            assert_eq!(m.prototype("fn_int128").as_deref(), Some("long fn_int128(__int128 wide, int after)"));
        }
        for (name, reason) in NO_FUNCTIONS {
            assert_eq!(m.prototype(name), None, "{name}: {reason}");
        }
        optimised_functions(v, m);
        for kind in [Kind::Func] {
            for name in m.names(kind) {
                assert!(!name.contains('.'), "{name}");
            }
        }
    });
}

/// Functions that compilers make clones of.
fn optimised_functions(v: &Variant, m: &Model<'_>) {
    let has = |name: &str| m.prototype(name).is_some();
    if v.is("O0") {
        for name in ["fn_part", "fn_callback", "fn_constprop", "fn_isra", "fn_call_me", "fn_reordered"] {
            assert!(has(name), "{name}");
        }
        return;
    }
    assert!(!has("fn_part"), "only fn_part.part.0 has a symbol");
    assert!(!has("fn_reordered") && !has("fn_call_me"));
    assert_eq!(has("fn_callback"), !v.is_clang(), "clang inlines it and emits none");
    let constprop = "int fn_constprop(int *a, int factor)";
    if v.is("clang14") {
        // It drops the parameter, and keeps it in the DIE.
        assert_eq!(m.prototype("fn_constprop").as_deref(), Some(constprop));
    } else if !v.is("arm-gcc") && !v.is("i386") {
        assert!(!has("fn_constprop"));
        assert_eq!(has("fn_isra"), v.is_clang());
    }
}

#[test]
fn nested_functions() {
    each("nested", |_, m| {
        assert_eq!(m.prototype("fn_has_nested").as_deref(), Some("int fn_has_nested(int n)"));
        assert_eq!(m.prototype("fn_nested").as_deref(), Some("int fn_nested(int m)"));
    });
}

#[test]
fn assembler() {
    each("asm", |v, m| {
        assert_eq!(m.prototype("asm_caller").as_deref(), Some("void asm_caller(int n)"));
        assert_eq!(m.count(Kind::Func, "asm_untyped"), 0);
        // clang's own assembler describes labels only.
        if !v.is_clang() {
            for name in ["asm_global", "asm_local"] {
                assert_eq!(m.prototype(name), Some(format!("void {name}(void)")));
            }
        }
    });
}

#[test]
fn kfuncs() {
    let check = |m: &Model<'_>| {
        let tags = |name: &str| {
            let tags = m.tags_on(m.one(Kind::Func, name).id());
            assert!(tags.iter().all(|t| t.0 == -1), "{name}");
            tags.into_iter().map(|t| t.1).collect::<Vec<_>>()
        };
        for name in ["kf_acquire", "kf_release", "kf__with__bars", "kf_arena", "kf_in_two_sets", "kf_static"]
        {
            assert_eq!(tags(name), ["bpf_kfunc"], "{name}");
        }
        assert_eq!(tags("kf_fast"), ["bpf_fastcall", "bpf_kfunc"]);
        for name in ["kf_in_plain_set8", "kf_in_plain_set", "kf_alone", "kf_not_listed"] {
            assert!(tags(name).is_empty(), "{name}");
        }
        assert_eq!(m.count(Kind::Func, "kf_does_not_exist"), 0);
        for name in ["kf_release", "kf_fast"] {
            assert!(m.prototype(name).is_some());
        }
    };
    each("kfuncs", |_, m| {
        check(m);
        let arena = "void *kf_arena(void *base, void *second, int n)";
        assert_eq!(m.prototype("kf_arena").as_deref(), Some(arena));
        assert!(m.names(Kind::TypeTag).is_empty());
    });
    let attributes = options(|o| o.features = o.features.with(Features::ATTRIBUTES));
    each_with("kfuncs", &attributes, |_, m| {
        check(m);
        let space = "attribute(address_space(1)) void *";
        let arena = format!("{space}kf_arena({space}base, {space}second, int n)");
        assert_eq!(m.prototype("kf_arena"), Some(arena));
    });
}

#[test]
fn per_cpu_variables() {
    // In the order of their addresses on every architecture? No: by name, size and linkage.
    let expected = |v: &Variant| {
        let p = v.pointer_bytes;
        [
            ("UNIQUE_ID_pc", 4, true),
            ("pc__UNIQUE_ID", 4, true),
            ("pc_aligned", 3 * p, true),
            ("pc_anonymous", 4, true),
            ("pc_array", 13, true),
            ("pc_byte", 1, true),
            ("pc_enum", 4, true),
            ("pc_first", 3 * p, true),
            ("pc_function", p, true),
            ("pc_int", 4, true),
            ("pc_other", 4, true),
            ("pc_other_state", 3 * p, true),
            ("pc_pointer", p, true),
            ("pc_static", p, false),
            ("pc_static", p, false),
            ("pc_typeof", p, true),
            ("pc_weak", 4, true),
        ]
        .map(|(name, size, global)| (name.to_owned(), size, global))
    };
    each("percpu", |v, m| {
        let entries = m.datasec(".data..percpu");
        let mut found: Vec<_> =
            entries.iter().map(|(_, size, name, global)| (name.clone(), *size, *global)).collect();
        found.sort();
        assert_eq!(found, expected(v));
        assert_eq!(m.names(Kind::Datasec), [".data..percpu"]);
        // Sorted, apart, and the section ends where the last one does.
        let mut end = 0;
        for (offset, size, name, _) in &entries {
            assert!(*offset >= end, "{name} overlaps");
            end = offset + size;
        }
        assert_eq!(m.one(Kind::Datasec, ".data..percpu").size_bytes(), Some(end));
        assert_eq!((entries[0].0, entries[0].2.as_str()), (0, "pc_first"));
        assert_eq!(m.variable("pc_pointer"), "struct pc_state *pc_pointer");
        assert_eq!(m.variable("pc_byte"), "volatile unsigned char pc_byte");
        assert_eq!(m.variable("pc_function"), "void (*pc_function)(int)");
        assert_eq!(m.variable("pc_enum"), "enum {PC_ENUM_A=0, PC_ENUM_B=1} pc_enum");
        assert_eq!(m.variable("pc_typeof"), "int *pc_typeof");
    });
}

#[test]
fn per_cpu_variables_lie_where_they_lie() {
    let expected = [
        (0, "pc_first"),
        (68, "pc__UNIQUE_ID"),
        (72, "UNIQUE_ID_pc"),
        (96, "pc_anonymous"),
        (104, "pc_function"),
        (112, "pc_enum"),
        (128, "pc_aligned"),
        (152, "pc_byte"),
        (160, "pc_pointer"),
        (168, "pc_array"),
        (184, "pc_static"),
        (192, "pc_int"),
        (208, "pc_weak"),
        (216, "pc_typeof"),
        (224, "pc_static"),
        (240, "pc_other_state"),
        (264, "pc_other"),
    ];
    each("percpu", |v, m| {
        if v.is("x86_64-gcc") && !v.is("O0") {
            let entries = m.datasec(".data..percpu");
            let got: Vec<_> = entries.iter().map(|(offset, _, name, _)| (*offset, name.as_str())).collect();
            assert_eq!(got, expected);
        }
    });
}

/// Symbols know better than we where variables are.
#[test]
fn variables_agree_with_the_symbol_table() {
    let all = options(|o| o.features = o.features.with(Features::GLOBAL_VAR));
    each_path("percpu", |v, path| {
        use object::{Object, ObjectSection, ObjectSymbol};
        let data = std::fs::read(path).unwrap();
        let file = object::File::parse(&*data).unwrap();
        let output = common::encode_with(path, &all, 1).unwrap();
        let m = Model::new(&output.btf);
        let mut checked = 0;
        for section in m.names(Kind::Datasec) {
            let address = file.section_by_name(&section).unwrap_or_else(|| panic!("no {section}")).address();
            for (offset, size, name, _) in m.datasec(&section) {
                let symbol = file
                    .symbols()
                    .find(|s| s.name() == Ok(&name) && s.address() == address + u64::from(offset));
                let symbol = symbol.unwrap_or_else(|| panic!("no symbol {name} at {section}+{offset}"));
                assert_eq!(symbol.size(), u64::from(size), "{name}");
                checked += 1;
            }
        }
        assert!(checked > 20, "{checked} on {}", v.name);
        // Those that other sections have, and those that nobody wants.
        for name in ["pc_shared", "pc_read_mostly", "pc_global_data", "pc_global_bss", "pc_addresses"] {
            assert_eq!(m.count(Kind::Var, name), 1, "{name}");
        }
        for name in [
            "__UNIQUE_ID_pc",
            "__tpstrtab_pc",
            "__exitcall_pc",
            "__gendwarfksyms_ptr_pc",
            "__func_stack_frame_non_standard_pc",
            "pc_empty",
            "pc_zero_length",
            "pc_local_static",
            "pc_discarded",
            "pc_undefined",
        ] {
            assert_eq!(m.count(Kind::Var, name), 0, "{name}");
        }
    });
}

#[test]
fn names_with_several_definitions() {
    each("units", |v, m| {
        let word = v.word_bits();
        let p = v.pointer_bytes;
        for name in [
            "un_shared",
            "un_defined_first",
            "un_cycle_a",
            "un_cycle_b",
            "un_half_cycle_a",
            "un_half_cycle_b",
        ] {
            m.one(Kind::Struct, name);
        }
        m.one(Kind::Struct, "un_anonymous");
        m.one(Kind::Typedef, "un_shared_ptr");
        m.one(Kind::Enum, "un_shared_enum");
        let owner = format!("{word} struct un_shared *owner");
        m.expect_members("struct un_opaque", 2 * p, &["0 int secret", &owner]);
        m.expect_members("union un_opaque_union", 4, &["0 int i", "0 float f"]);
        assert_eq!(m.enumerators(m.one(Kind::Enum, "un_opaque_enum")), ["UN_OPAQUE_A=0", "UN_OPAQUE_B=1"]);

        let bodies = |kind: Kind, name: &str| {
            let mut bodies: Vec<_> = m
                .all(kind, name)
                .iter()
                .map(|&t| (t.size_bytes().unwrap(), m.members(t).join(", ")))
                .collect();
            bodies.sort();
            bodies
        };
        let is = |name: &str, expected: &[(u32, String)]| {
            assert_eq!(bodies(Kind::Struct, name), expected, "{name}")
        };
        let s = |text: &str| text.to_owned();
        is("un_split", &[(4, s("0 int a")), (2 * p, format!("0 long a, {word} int b"))]);
        let link = format!("0 struct un_link_target *target, {word} int same");
        let mut targets = [(p, s("0 long other")), (8, s("0 int a, 32 int b"))];
        targets.sort();
        is("un_link_target", &targets);
        is("un_link", &[(2 * p, link.clone()), (2 * p, link)]);
        let outer = format!("0 struct un_link *link, {word} struct un_link_outer *self");
        is("un_link_outer", &[(2 * p, outer.clone()), (2 * p, outer)]);
        is("un_element", &[(16, s("0 int a[2], 64 int b[2]")), (16, s("0 int a[2], 64 unsigned int b[2]"))]);
        is("un_member_name", &[(4, s("0 int left")), (4, s("0 int right"))]);
        is("un_member_offset", &[(5, s("0 char c, 8 int i")), (8, s("0 char c, 32 int i"))]);
        is("un_kind", &[(4, s("0 int x"))]);
        m.expect_members("union un_kind", 4, &["0 int x"]);
        let mut values: Vec<_> =
            m.all(Kind::Enum, "un_enum_split").iter().map(|&t| m.enumerators(t)).collect();
        values.sort();
        assert_eq!(values, [["UN_ENUM_ONE=1"], ["UN_ENUM_ONE=2"]]);
        let mut typedefs: Vec<_> =
            m.all(Kind::Typedef, "un_typedef_split").iter().map(|t| m.spell(t.target().unwrap())).collect();
        typedefs.sort();
        assert_eq!(typedefs, ["int", "long"]);
        is("un_typedef_user", &{
            let mut users = [(4, s("0 un_typedef_split value")), (p, s("0 un_typedef_split value"))];
            users.sort();
            users
        });
        let mut scoped =
            vec![(1, s("0 char file_scope")), (4, s("0 int one")), (8, s("0 int one, 32 int two"))];
        scoped.push((p, s("0 long three")));
        scoped.sort();
        is("un_scoped", &scoped);

        // Who cannot choose stays a declaration; who can, does not.
        let declared: Vec<_> = m.names(Kind::Fwd).into_iter().filter(|n| n.starts_with("un_")).collect();
        let wanted = ["un_never", "un_split"];
        let bound: Vec<_> = declared.iter().filter(|n| *n != "un_kind").collect();
        assert_eq!(bound, wanted, "forward declarations");
        for name in ["un_never", "un_split"] {
            assert!(!m.one(Kind::Fwd, name).kind_flag());
        }

        for prototype in [
            "int un_function(struct un_shared *s, struct un_opaque *o)",
            "int un_function_b(struct un_shared *s)",
            "int un_function_d(un_shared_ptr p)",
            "int un_scope_one(int n)",
            "int un_scope_two(int n)",
            "int un_scope_equal(int n)",
        ] {
            let name = prototype.split(['(', ' ']).nth(1).unwrap();
            assert_eq!(m.prototype(name).as_deref(), Some(prototype));
        }
        if !v.is_clang() {
            assert_eq!(
                m.prototype("un_static_helper").as_deref(),
                Some("int un_static_helper(un_shared_ptr p)")
            );
        }
    });
}

#[test]
fn tags() {
    each_with_variables("tags", |v, m| {
        // clang 14 loses them in an array, below a pointer and in a prototype.
        let lost = v.is("clang14");
        for declaration in [
            ("tg_user", "tag(user) int *tg_user"),
            ("tg_two", "tag(rcu) tag(user) int *tg_two"),
            ("tg_rcu_struct", "tag(rcu) struct tg_target *tg_rcu_struct"),
            ("tg_void", "tag(user) void *tg_void"),
            ("tg_typedef_pointer", "tg_user_t tg_typedef_pointer"),
            ("tg_array", if lost { "int *tg_array[4]" } else { "tag(user) int *tg_array[4]" }),
            (
                "tg_function_pointer",
                match lost {
                    true => "void (*tg_function_pointer)(int *)",
                    false => "void (*tg_function_pointer)(tag(user) int *)",
                },
            ),
            ("tg_percpu_pointer", "tag(user) int *tg_percpu_pointer"),
        ] {
            assert_eq!(m.variable(declaration.0), declaration.1);
        }
        let chain = m.one(Kind::Var, "tg_chain").target().unwrap();
        let outer = m.ty(m.ty(chain).target().unwrap());
        assert_eq!((outer.kind(), outer.name()), (Kind::TypeTag, b"rcu".as_slice()));
        assert_eq!(m.spell(outer.target().unwrap()), "tag(user) int *");
        let on = |kind: Kind, name: &str| m.tags_on(m.one(kind, name).id());
        let tag = |component: i32, name: &str| (component, name.to_owned());
        assert_eq!(
            on(Kind::Struct, "tg_struct"),
            [
                tag(-1, "tg_struct_tag"),
                tag(1, "tg_member_tag"),
                tag(2, "tg_member_first"),
                tag(2, "tg_member_second"),
                tag(3, "tg_member_pointer"),
                tag(4, "tg_member_bits"),
            ]
        );
        assert_eq!(on(Kind::Union, "tg_union"), [tag(-1, "tg_union_tag"), tag(1, "tg_union_member_tag")]);
        assert_eq!(on(Kind::Typedef, "tg_typedef"), [tag(-1, "tg_typedef_tag")]);
        assert_eq!(on(Kind::Func, "tg_function"), [tag(-1, "tg_function_tag"), tag(1, "tg_parameter_tag")]);
        assert_eq!(on(Kind::Func, "tg_long_tag"), [tag(-1, &"0123456789".repeat(20))]);
        assert_eq!(on(Kind::Func, "tg_inlined"), [tag(-1, "tg_inlined_tag")]);
        assert_eq!(on(Kind::Var, "tg_percpu"), [tag(-1, "tg_percpu_tag")]);
        assert_eq!(
            on(Kind::Var, "tg_percpu_pointer"),
            [tag(-1, "tg_percpu_first"), tag(-1, "tg_percpu_second")]
        );
        assert_eq!(on(Kind::Var, "tg_variable"), [tag(-1, "tg_variable_tag")]);
    });
    each("tags", |_, m| {
        assert_eq!(m.count(Kind::Var, "tg_variable"), 0);
        assert_eq!(m.count(Kind::DeclTag, "tg_variable_tag"), 0);
    });
}

/// A qualifier for which BTF has no kind is dropped; what it qualifies stays.
#[test]
fn atomic_types() {
    each_with_variables("atomic", |v, m| {
        let word = v.word_bits();
        m.expect_members(
            "struct atomic_holder",
            3 * v.pointer_bytes,
            &[
                "0 int counter",
                &format!("{word} struct atomic_holder *next"),
                &format!("{} int *pointer", 2 * word),
            ],
        );
        assert_eq!(m.variable("atomic_long"), "long atomic_long");
        assert_eq!(m.variable("atomic_const"), "const unsigned int atomic_const");
        // Before DWARF 5 gcc makes a base type of it.
        if m.count(Kind::Int, "atomic_int_t") == 0 {
            assert_eq!(m.typedef("atomic_int_t"), "int atomic_int_t");
        }
        assert_eq!(m.prototype("atomic_read").as_deref(), Some("int atomic_read(const int *a)"));
    });
}

/// C lays a complex number out as an array of its two parts.
#[test]
fn complex_numbers() {
    each_with_variables("complex", |v, m| {
        for (name, declaration) in
            [("complex_float", "float complex_float[2]"), ("complex_double", "double complex_double[2]")]
        {
            assert_eq!(m.variable(name), declaration);
        }
        let size = |name: &str| {
            let section = m.names(Kind::Datasec);
            let entries: Vec<_> = section.iter().flat_map(|s| m.datasec(s)).collect();
            entries.iter().find(|e| e.2 == name).unwrap_or_else(|| panic!("{name} is missing")).1
        };
        let long_double = if v.is("i386") {
            12
        } else if v.is("arm-gcc") || v.is("mips") {
            8
        } else {
            16
        };
        assert_eq!(size("complex_ldouble"), 2 * long_double);
        assert_eq!(size("complex_int"), 8);
        let array = m.ty(m.one(Kind::Var, "complex_ldouble").target().unwrap()).array().unwrap();
        assert_eq!(array.count, 2);
        let part = m.ty(array.element);
        assert_eq!((part.kind(), part.size_bytes()), (Kind::Float, Some(long_double)));
        m.expect_members("struct complex_holder", 12, &["0 float member[2]", "64 int after"]);
    });
}

#[test]
fn bit_precise_integers() {
    each_with_variables("bit_int", |v, m| {
        let size = |name: &str| {
            let entries: Vec<_> = m.names(Kind::Datasec).iter().flat_map(|s| m.datasec(s)).collect();
            entries.iter().find(|e| e.2 == name).map(|e| e.1)
        };
        for (name, bytes) in [("bit_int17", 4), ("bit_int31", 4), ("bit_int5", 1), ("bit_int64", 8)] {
            assert_eq!(size(name), Some(bytes), "{name}");
        }
        m.expect_members("struct bit_int_holder", 16, &["0 _BitInt wide", "64:7 _BitInt field"]);
        if !v.is("clang14") {
            // No INT has that size; bytes keep what is behind it in place.
            assert_eq!(size("bit_int200"), Some(32));
        }
    });
}

/// One line, and whoever reads it knows what to do.
#[track_caller]
fn refused(name: &str, words: &[&str]) {
    let Some(path) = fixture(name) else { return };
    let error = match encode(&path) {
        Ok(_) => panic!("{name} was encoded"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    assert!(message.starts_with(&path.display().to_string()), "{message}");
    for word in words {
        assert!(message.contains(word), "{message}: nothing about {word}");
    }
}

#[test]
fn what_is_no_file_is_refused() {
    refused("all-x86_64-clang19-split.dwo", &["directory"]);
}

/// Without a symbol table nobody knows which functions are there; types are.
#[test]
fn a_stripped_file_has_types_but_no_functions() {
    let (Some(objcopy), Some(path)) = (common::tool_or_skip("objcopy"), fixture("all-x86_64-gcc-dwarf5"))
    else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("stripped");
    let mut command = Command::new(objcopy);
    command.args(["--strip-all", "--keep-section=.debug*"]).arg(&path).arg(&out);
    assert!(command.status().unwrap().success());
    let output = encode(&out).unwrap();
    let m = Model::new(&output.btf);
    assert!(m.names(Kind::Func).is_empty());
    m.one(Kind::Struct, "st_plain");
}

#[test]
fn every_description_of_a_program_gives_the_same_types() {
    // The DWARF version and format change how things are said, not what: types must be the same.
    let render = |name: &str| {
        let path = fixture(name)?;
        let output = encode(&path).unwrap();
        Some(common::render::render(&btfgen::btf::Btf::parse(&output.btf).unwrap()))
    };
    for program in
        ["structs", "bitfields", "enums", "arrays", "modifiers", "protos", "units", "functions", "percpu"]
    {
        let Some(reference) = render(&format!("{program}-x86_64-gcc-dwarf5")) else { continue };
        for variant in ["dwarf2", "dwarf3", "dwarf4", "dwarf64"] {
            // DWARF 2 has no restrict.
            if (program, variant) == ("modifiers", "dwarf2") {
                continue;
            }
            let Some(other) = render(&format!("{program}-x86_64-gcc-{variant}")) else { continue };
            let missing = common::render::missing(&reference, &other);
            let extra = common::render::missing(&other, &reference);
            assert!(missing.is_empty() && extra.is_empty(), "{program} {variant}: {missing:#?} {extra:#?}");
        }
        for clang in ["clang14", "clang19"] {
            let (Some(a), Some(b)) = (
                render(&format!("{program}-x86_64-{clang}-dwarf4")),
                render(&format!("{program}-x86_64-{clang}-dwarf5")),
            ) else {
                continue;
            };
            let missing = common::render::missing(&a, &b);
            let mut extra = common::render::missing(&b, &a);
            // DWARF 5 has them for expressions.
            extra.retain(|ty| !ty.starts_with("INT DW_ATE_"));
            let differ = (missing, extra);
            assert!(differ.0.is_empty() && differ.1.is_empty(), "{program} {clang}: {differ:#?}");
        }
    }
}

#[test]
fn what_is_too_large_becomes_a_declaration() {
    if let Some(path) = fixture("bad/struct_4g") {
        let output = encode(&path).unwrap();
        let m = Model::new(&output.btf);
        // More than 4 GiB: no BTF can say that.
        assert_eq!(m.count(Kind::Struct, "struct_4g"), 0);
        assert!(!m.one(Kind::Fwd, "struct_4g").kind_flag());
        // What can be said stays; a member beyond 2^32 bits, or 2^24 beside bit-fields, is left out.
        m.expect_members("struct struct_512m", (1 << 29) + 4, &["0 char space[536870912]"]);
        m.expect_members(
            "struct struct_2m",
            (1 << 21) + 12,
            &["0:3 unsigned int bits", "8 char space[2097152]"],
        );
        let warned: u64 = output.report.warnings.values().sum();
        assert!(warned >= 2, "{:?}", output.report.warnings);
    }
    for (name, kind) in [("members_70k", Kind::Struct), ("enumerators_70k", Kind::Enum)] {
        let Some(path) = fixture(&format!("bad/{name}")) else { continue };
        let output = encode(&path).unwrap();
        let m = Model::new(&output.btf);
        match kind {
            Kind::Struct => {
                assert_eq!(m.count(Kind::Struct, name), 0);
                m.one(Kind::Fwd, name);
            }
            // An enumeration without values is what declares one.
            _ => assert_eq!(m.one(Kind::Enum, name).vlen(), 0),
        }
        assert!(output.report.warnings.values().sum::<u64>() > 0, "{name}: no warning");
    }
    if let Some(path) = fixture("bad/percpu_70k") {
        let all = options(|o| o.features = o.features.with(Features::GLOBAL_VAR));
        let output = common::encode_with(&path, &all, 1).unwrap();
        let m = Model::new(&output.btf);
        // A section that cannot be listed whole is listed as far as it goes, or not at all; what is left out
        // is counted, and no variable is without a section.
        let listed: usize = m.names(Kind::Datasec).iter().map(|s| m.datasec(s).len()).sum();
        let variables = &output.report.variables;
        assert!(m.btf.types().all(|t| t.vlen() <= 65535));
        assert_eq!(listed, m.btf.types().filter(|t| t.kind() == Kind::Var).count());
        assert_eq!((variables.encoded as usize, variables.found), (listed, 70_000));
        assert_eq!(variables.skipped.values().sum::<u64>() + variables.encoded, variables.found);
        assert!(variables.skipped.values().sum::<u64>() >= 70_000 - 65_535);
    }
    if let Some(path) = fixture("bad/params_300") {
        let output = encode(&path).unwrap();
        let m = Model::new(&output.btf);
        let protos = m.btf.types().filter(|t| t.kind() == Kind::FuncProto && t.vlen() > 255).count();
        assert_eq!((protos, m.count(Kind::Func, "params_300")), (0, 0));
    }
}

#[test]
fn the_made_up_index_type_is_int() {
    // Arrays, and no `int` anywhere in the program.
    each("bit_int", |_, m| {
        let arrays: Vec<_> = m.btf.types().filter_map(|t| t.array()).collect();
        for array in arrays {
            assert_eq!(m.spell(array.index), "int");
        }
        let _ = TypeId::VOID;
    });
    let _ = Options::default();
}
