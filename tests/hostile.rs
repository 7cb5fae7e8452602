//! Broken, odd and flipped input: an answer that breaks no rule, or one line that says what is wrong. Never a
//! panic, never endless, never without bound.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use btfgen::btf::{self, Btf, CheckOptions, Kind, Level};
use btfgen::report::Memory;
use btfgen::{Error, ErrorKind, Features, Options, Output};
use common::{Model, Random, encode, encode_with, fixture, fixtures, options, root, skipped};

/// What an encode of something broken may give. `Err` says what it must not have given.
fn judge(path: &Path, result: Result<Output, Error>) -> Result<(), String> {
    match result {
        Ok(output) => {
            let parsed = Btf::parse(&output.btf).map_err(|e| format!("unreadable output: {e}"))?;
            let sorted = CheckOptions { sorted_names: true, ..CheckOptions::default() };
            let mut told = output.report.violations.clone();
            for violation in btf::check(&parsed, &sorted) {
                // What types mean is what the input says they mean; but then the report tells it.
                let known = told.get_mut(violation.level.name()).filter(|left| **left > 0);
                match (violation.level, known) {
                    (Level::Resolve, Some(left)) => *left -= 1,
                    _ => return Err(format!("unsound output: {violation}")),
                }
            }
            Ok(())
        }
        Err(error) => {
            let message = error.to_string();
            let file = path.display().to_string();
            if error.kind() != ErrorKind::Input {
                Err(format!("not the input's fault? {message}"))
            } else if message.contains("defect of btfgen") {
                Err(message.replace(&file, "FILE"))
            } else if !message.starts_with(&format!("{file}: ")) {
                Err(format!("no file: {message}"))
            } else if message.chars().any(char::is_control) || message.len() > file.len() + 400 {
                Err(format!("not one readable line: {message:?}"))
            } else {
                Ok(())
            }
        }
    }
}

/// All options that read more of the input.
fn curious() -> Options {
    options(|o| {
        for feature in [Features::GLOBAL_VAR, Features::ATTRIBUTES, Features::TRUE_SIGNATURE] {
            o.features = o.features.with(feature);
        }
    })
}

fn bad(name: &str) -> Option<PathBuf> {
    fixture(&format!("bad/{name}"))
}

#[test]
fn every_broken_file_is_answered() {
    let Ok(entries) = fixtures().join("bad").read_dir() else { return skipped("no broken file was built") };
    let mut files: Vec<_> = entries.map(|f| f.unwrap().path()).filter(|f| f.is_file()).collect();
    files.sort();
    let mut wrong = Vec::new();
    let mut refused = 0;
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for (options, jobs) in [(Options::default(), 1), (Options::default(), 3), (curious(), 1)] {
            match catch_unwind(AssertUnwindSafe(|| encode_with(path, &options, jobs))) {
                Err(_) => wrong.push(format!("{name}: panic")),
                Ok(result) => {
                    refused += usize::from(result.is_err());
                    if let Err(why) = judge(path, result) {
                        wrong.push(format!("{name}: {why}"));
                    }
                }
            }
        }
    }
    if files.is_empty() {
        return skipped("no broken file was built");
    }
    assert!(refused > 0);
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is sound in spite of its place, or has something sound beside what is broken.
#[test]
fn what_is_sound_is_encoded() {
    for name in [
        "abbrev_huge_code",
        "form_indirect",
        "form_implicit_const",
        "pointer_chain",
        "anonymous_chain",
        "nesting_deep",
        "nesting_structs",
        "children_unterminated",
        "children_too_many_ends",
        "sibling_backwards",
        "tag_unknown",
        "names_odd",
        "location_bad",
        "kfunc_sets_bad",
        "percpu_odd",
        "origin_cycle",
        "size_absurd",
        "member_no_type",
        "ref_not_a_type",
        "struct_4g",
        "members_70k",
        "enumerators_70k",
        "percpu_70k",
        "params_300",
        "params_70k",
        "elf_machine_unknown",
        "ref_between_units",
    ] {
        let Some(path) = bad(name) else { continue };
        let output = encode(&path).unwrap_or_else(|e| panic!("{e}"));
        let m = Model::new(&output.btf);
        if ["abbrev_huge_code", "form_indirect", "form_implicit_const", "tag_unknown"].contains(&name) {
            assert_eq!(m.one(Kind::Int, "int").size_bytes(), Some(4), "{name}");
        }
    }
}

#[test]
fn errors_say_where() {
    for (name, words) in [
        ("abbrev_missing_code", &["unit 0x0", "DIE 0x", "abbreviation 99", "not declared"] as &[&str]),
        ("abbrev_out_of_range", &["unit 0x0", "abbreviation offset", ".debug_abbrev"]),
        ("abbrev_twice", &["unit 0x0", "declared twice"]),
        ("abbrev_unterminated", &["unit 0x0", "abbreviation table", "cut short"]),
        ("block_too_long", &["unit 0x0", "DIE 0x"]),
        ("form_indirect_chain", &["unit 0x0", "DIE 0x", "DW_FORM_indirect"]),
        ("form_unknown", &["unit 0x0", "DIE 0x", "form 0x7f"]),
        ("leb_endless", &["unit 0x0", "DIE 0x"]),
        ("pointer_cycle", &["unit 0x0", "DIE 0x", "itself"]),
        ("typedef_self", &["unit 0x0", "DIE 0x", "itself"]),
        ("anonymous_cycle", &["unit 0x0", "DIE 0x", "itself"]),
        ("array_cycle", &["unit 0x0", "DIE 0x", "itself"]),
        ("ref_out_of_unit", &["unit 0x0", "DIE 0x", "reference"]),
        ("ref_sig8_unknown", &["unit 0x0", "DIE 0x", "supplementary file", "--alt"]),
        ("str_out_of_range", &["unit 0x0", "DIE 0x", ".debug_str"]),
        ("unit_address_size", &["unit 0x0", "address"]),
        ("unit_cut", &["unit 0x0", "DIE 0x"]),
        ("unit_length_64_huge", &["unit 0x0"]),
        ("unit_length_reserved", &["unit 0x0", "0xfffffff5"]),
        ("unit_too_long", &["unit 0x0"]),
        ("unit_type_unknown", &["unit 0x0", "0x42"]),
        ("unit_version_0", &["unit 0x0", "version"]),
        ("unit_version_7", &["unit 0x0", "version", "7"]),
        ("info_empty", &["no DWARF", "CONFIG_DEBUG_INFO", "CONFIG_DEBUG_INFO_REDUCED"]),
        ("no_debug_info", &["no DWARF", "CONFIG_DEBUG_INFO", "CONFIG_DEBUG_INFO_REDUCED"]),
        ("file_empty", &["empty"]),
        ("file_text", &["not an ELF file"]),
        ("elf_magic_only", &["not an ELF file"]),
        ("elf_half", &["damaged"]),
        ("elf_class_swapped", &["damaged"]),
        ("elf_data_3", &["damaged"]),
        ("elf_section_beyond", &[".debug_info", "beyond the end"]),
        ("elf_section_huge", &[".debug_info", "beyond the end"]),
        ("elf_section_overflow", &[".debug_str", "beyond the end"]),
        ("elf_symtab_link_beyond", &[".symtab"]),
        ("elf_strtab_size_1", &["symbol table"]),
        ("compressed_type_unknown", &[".debug_info", "compressed"]),
    ] {
        let Some(path) = bad(name) else { continue };
        let Err(error) = encode(&path) else { panic!("{name} was encoded") };
        let message = error.to_string();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Input, 1), "{message}");
        for word in words {
            assert!(message.contains(word), "{name}: nothing about {word}: {message}");
        }
    }
}

#[test]
fn what_is_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let error = encode(dir.path()).map(|_| ()).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("directory"), "{error}");
    let missing = dir.path().join("missing");
    let error = encode(&missing).map(|_| ()).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Io, 74));
    let message = error.to_string();
    assert!(message.starts_with(missing.to_str().unwrap()) && message.contains("No such file"), "{message}");
    for device in ["/dev/null", "/dev/zero"] {
        let error = encode(Path::new(device)).map(|_| ()).unwrap_err();
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

/// A file to damage, the places worth damaging, and somewhere to put the result.
struct Victim {
    name: String,
    sound: Vec<u8>,
    places: Vec<(String, std::ops::Range<usize>)>,
    target: PathBuf,
    _dir: tempfile::TempDir,
}

impl Victim {
    fn new(path: &Path) -> Victim {
        use object::read::elf::{FileHeader, SectionHeader};
        let sound = std::fs::read(path).unwrap();
        let mut places = vec![("ELF header".to_owned(), 0..64)];
        fn sections<E: FileHeader<Endian = object::Endianness>>(
            data: &[u8],
        ) -> Vec<(String, std::ops::Range<usize>)> {
            let header = E::parse(data).unwrap();
            let endian = header.endian().unwrap();
            let table = header.sections(endian, data).unwrap();
            let start: u64 = header.e_shoff(endian).into();
            let size = usize::from(header.e_shentsize(endian)) * table.len();
            let mut found = vec![("section headers".to_owned(), start as usize..start as usize + size)];
            for section in table.iter() {
                if let Some((offset, size)) = section.file_range(endian) {
                    let name = table.section_name(endian, section).unwrap();
                    let name = String::from_utf8_lossy(name).into_owned();
                    found.push((name, offset as usize..(offset + size) as usize));
                }
            }
            found
        }
        places.extend(match sound[4] {
            2 => sections::<object::elf::FileHeader64<object::Endianness>>(&sound),
            _ => sections::<object::elf::FileHeader32<object::Endianness>>(&sound),
        });
        places.retain(|(_, range)| !range.is_empty() && range.end <= sound.len());
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("flipped");
        Victim {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            sound,
            places,
            target,
            _dir: dir,
        }
    }

    fn encode(&self, bytes: &[u8], options: &Options, jobs: usize) -> Result<(), String> {
        std::fs::write(&self.target, bytes).unwrap();
        match catch_unwind(AssertUnwindSafe(|| encode_with(&self.target, options, jobs))) {
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                Err(format!("panic: {}", text.unwrap_or_default()))
            }
            Ok(result) => judge(&self.target, result),
        }
    }
}

/// Failures by what they say, without the numbers, each with the first case that gave it.
#[derive(Default)]
struct Failures(BTreeMap<String, (String, u32)>);

impl Failures {
    fn add(&mut self, case: String, why: String) {
        let plain: String = why.chars().filter(|c| !c.is_ascii_digit()).collect();
        self.0.entry(plain).or_insert_with(|| (format!("{case}: {why}"), 0)).1 += 1;
    }

    #[track_caller]
    fn none(self, cases: usize) {
        let list: Vec<_> =
            self.0.into_values().map(|(first, count)| format!("{count} times, first {first}")).collect();
        assert!(list.is_empty(), "of {cases} cases: {list:#?}");
    }
}

fn victims() -> Vec<Victim> {
    let names = [
        "units-x86_64-gcc-dwarf5",
        "functions-x86_64-gcc-dwarf4",
        "percpu-x86_64-clang19-dwarf5",
        "bitfields-s390x-gcc",
        "arrays-arm-gcc",
        "tags-x86_64-clang19-dwarf5",
        "kfuncs-x86_64-gcc-dwarf3",
        "enums-mips-gcc",
        "containers-x86_64-gcc-typeunits4",
        "containers-s390x-gcc-typeunits5",
    ];
    let mut found: Vec<_> = names.iter().filter_map(|name| fixture(name)).collect();
    // There always is the one that is checked in.
    found.push(root().join("testdata/small/demo.elf"));
    found.iter().map(|path| Victim::new(path)).collect()
}

/// Sections worth damaging: what an encoder reads.
const READ: [&str; 16] = [
    "ELF header",
    "section headers",
    ".debug_info",
    ".debug_info",
    ".debug_info",
    ".debug_abbrev",
    ".debug_abbrev",
    ".debug_str",
    ".debug_line_str",
    ".debug_str_offsets",
    ".debug_addr",
    ".debug_loclists",
    ".debug_loc",
    ".symtab",
    ".BTF_ids",
    ".debug_types",
];

#[test]
fn flipped_bits() {
    const CASES: usize = 400;
    let mut failures = Failures::default();
    let mut cases = 0;
    for (number, victim) in victims().iter().enumerate() {
        let mut random = Random::new(number as u64 + 1);
        let options = [Options::default(), curious()];
        for case in 0..CASES {
            let mut bytes = victim.sound.clone();
            let mut what = format!("{} case {case}", victim.name);
            for _ in 0..=random.below(4) {
                let wanted = READ[random.below(READ.len())];
                let Some((place, range)) = victim.places.iter().find(|p| p.0 == wanted) else { continue };
                let at = range.start + random.below(range.len());
                let value = match random.below(4) {
                    0 => bytes[at] ^ 1 << random.below(8),
                    1 => [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                    2 => bytes[at].wrapping_add(1),
                    _ => random.next() as u8,
                };
                bytes[at] = value;
                what += &format!(", {place}+{:#x} = {value:#04x}", at - range.start);
            }
            let jobs = 1 + random.below(2);
            if let Err(why) = victim.encode(&bytes, &options[case % 2], jobs) {
                failures.add(what, why);
            }
            cases += 1;
        }
    }
    failures.none(cases);
}

/// Forms, tags and attributes replaced by others that exist: what a flipped bit seldom gives.
#[test]
fn other_abbreviations() {
    const CASES: usize = 250;
    // Tags, attributes and forms that mean something to an encoder.
    const BYTES: [u8; 40] = [
        0x01, 0x02, 0x04, 0x05, 0x0d, 0x0f, 0x11, 0x13, 0x15, 0x16, 0x17, 0x18, 0x21, 0x24, 0x26, 0x28, 0x2e,
        0x34, 0x35, 0x37, 0x3b, 0x03, 0x0b, 0x0c, 0x1c, 0x22, 0x27, 0x2f, 0x31, 0x38, 0x3c, 0x3e, 0x47, 0x49,
        0x6b, 0x08, 0x0e, 0x10, 0x19, 0x20,
    ];
    let mut failures = Failures::default();
    let mut cases = 0;
    for (number, victim) in victims().iter().enumerate() {
        let mut random = Random::new(number as u64 + 100);
        let (_, range) = victim.places.iter().find(|p| p.0 == ".debug_abbrev").unwrap();
        for case in 0..CASES {
            let mut bytes = victim.sound.clone();
            let mut what = format!("{} case {case}", victim.name);
            for _ in 0..=random.below(3) {
                let at = range.start + random.below(range.len());
                bytes[at] = BYTES[random.below(BYTES.len())];
                what += &format!(", .debug_abbrev+{:#x} = {:#04x}", at - range.start, bytes[at]);
            }
            if let Err(why) = victim.encode(&bytes, &curious(), 1) {
                failures.add(what, why);
            }
            cases += 1;
        }
    }
    failures.none(cases);
}

/// Bytes of one unit over those of another: sound pieces in wrong places.
#[test]
fn pieces_in_wrong_places() {
    const CASES: usize = 150;
    let mut failures = Failures::default();
    let mut cases = 0;
    for (number, victim) in victims().iter().enumerate() {
        let mut random = Random::new(number as u64 + 200);
        for case in 0..CASES {
            let mut bytes = victim.sound.clone();
            let wanted = [".debug_info", ".debug_abbrev", ".symtab", ".debug_str"][random.below(4)];
            let (place, range) = victim.places.iter().find(|p| p.0 == wanted).unwrap();
            let length = (1 + random.below(64)).min(range.len());
            let from = range.start + random.below(range.len() - length + 1);
            let to = range.start + random.below(range.len() - length + 1);
            bytes.copy_within(from..from + length, to);
            let what = format!(
                "{} case {case}, {length} bytes of {place} from {:#x} to {:#x}",
                victim.name,
                from - range.start,
                to - range.start
            );
            if let Err(why) = victim.encode(&bytes, &Options::default(), 1) {
                failures.add(what, why);
            }
            cases += 1;
        }
    }
    failures.none(cases);
}

/// The header of a type unit says where in it the type lies.
#[test]
fn types_outside_of_their_units() {
    let Some(path) = fixture("containers-x86_64-gcc-typeunits5") else { return };
    let victim = Victim::new(&path);
    let (_, info) = victim.places.iter().find(|p| p.0 == ".debug_info").unwrap();
    let word = |at: usize| u32::from_le_bytes(victim.sound[at..at + 4].try_into().unwrap());
    let (mut failures, mut cases) = (Failures::default(), 0);
    for wrong in [0, 23, u32::MAX, info.len() as u32] {
        let (mut bytes, mut at) = (victim.sound.clone(), info.start);
        while at < info.end {
            const DW_UT_TYPE: u8 = 2;
            // Length, version, kind, address size, abbreviations, signature, type.
            if bytes[at + 6] == DW_UT_TYPE {
                bytes[at + 20..at + 24].copy_from_slice(&wrong.to_le_bytes());
                cases += 1;
            }
            at += 4 + word(at) as usize;
        }
        if let Err(why) = victim.encode(&bytes, &Options::default(), 1) {
            failures.add(format!("types at {wrong:#x}"), why);
        }
    }
    assert!(cases > 0);
    failures.none(cases);
}

#[test]
fn cut_files() {
    let mut failures = Failures::default();
    let mut cases = 0;
    for (number, victim) in victims().iter().enumerate() {
        let mut random = Random::new(number as u64 + 300);
        let mut lengths: Vec<_> =
            (0..130).chain((0..100).map(|_| random.below(victim.sound.len()))).collect();
        // Around every edge.
        let edges = victim.places.iter().flat_map(|(_, r)| [r.start, r.start + 1, r.end - 1, r.end]);
        lengths.extend(edges);
        for length in lengths {
            let bytes = &victim.sound[..length.min(victim.sound.len())];
            if let Err(why) = victim.encode(bytes, &Options::default(), 1) {
                failures.add(format!("{} cut to {length} bytes", victim.name), why);
            }
            cases += 1;
        }
    }
    failures.none(cases);
}

/// The debug sections themselves cut short, in an ELF file that is whole.
#[test]
fn cut_sections() {
    let mut failures = Failures::default();
    let mut cases = 0;
    for (number, victim) in victims().iter().enumerate() {
        if victim.sound[4] != 2 || victim.sound[5] != 1 {
            continue;
        }
        let mut random = Random::new(number as u64 + 400);
        let headers = victim.places.iter().find(|p| p.0 == "section headers").unwrap().1.clone();
        for section in READ.iter().filter(|s| s.starts_with('.')) {
            let Some((_, range)) = victim.places.iter().find(|p| p.0 == *section) else { continue };
            // Its header, by where it says that the section lies.
            let header = headers.clone().step_by(64).find(|&at| {
                victim.sound[at + 24..at + 32] == (range.start as u64).to_le_bytes()
                    && victim.sound[at + 32..at + 40] == (range.len() as u64).to_le_bytes()
            });
            let Some(header) = header else { continue };
            for case in 0..30 {
                let length = if case < 12 { case } else { random.below(range.len()) };
                let mut bytes = victim.sound.clone();
                bytes[header + 32..header + 40].copy_from_slice(&(length as u64).to_le_bytes());
                if let Err(why) = victim.encode(&bytes, &curious(), 1) {
                    failures.add(format!("{} {section} cut to {length} bytes", victim.name), why);
                }
                cases += 1;
            }
        }
    }
    failures.none(cases);
}

/// Files that claim much hold little: memory follows what is there.
#[test]
fn memory_has_a_bound() {
    for name in
        ["size_absurd", "compressed_claims_huge", "elf_section_huge", "unit_length_64_huge", "struct_4g"]
    {
        if let Some(path) = bad(name) {
            let _ = encode(&path);
        }
    }
    let mut memory = Memory::default();
    memory.sample();
    // The whole of this test, with all its threads, by far.
    assert!(memory.peak_rss_bytes < 1 << 30, "{} MiB", memory.peak_rss_bytes >> 20);
}
