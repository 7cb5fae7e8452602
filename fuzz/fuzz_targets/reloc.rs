//! Any bytes as relocations, symbols and content of the debug sections of an object file.
#![no_main]

use std::hint::black_box;

use btfgen_fuzz::{MACHINES, Part, SEPARATOR, open, write_elf};
use libfuzzer_sys::fuzz_target;
use object::elf as spec;

/// The machines of the other targets and those with relocations of their own.
const MORE: [spec::Machine; 4] = [spec::EM_LOONGARCH, spec::EM_PPC64, spec::EM_BPF, spec::EM_SPARCV9];

fuzz_target!(|bytes: &[u8]| {
    let [flags, machine, rest @ ..] = bytes else { return };
    let (is_32, is_big) = (flags & 1 != 0, flags & 2 != 0);
    let table = [spec::SHT_RELA, spec::SHT_REL, spec::SHT_CREL, spec::SHT_RELA][usize::from(flags >> 2 & 3)];
    let machines: Vec<_> = MACHINES.into_iter().chain(MORE).collect();
    let machine = machines[usize::from(*machine) % machines.len()];
    let mut rest = rest;
    let mut content = || {
        let end = rest.windows(SEPARATOR.len()).position(|w| w == SEPARATOR);
        let content = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[][..], |end| &rest[end + SEPARATOR.len()..]);
        content
    };
    let none = spec::SectionFlags(0);
    let part = |name, kind, flags, link, info, content: &[u8]| Part {
        name,
        kind,
        flags,
        address: 0,
        size: 0x100,
        link,
        info,
        content: content.to_vec().into(),
    };
    let loaded = spec::SHF_ALLOC;
    let parts = [
        part(".text", spec::SHT_NOBITS, loaded, 0, 0, &[]),
        part(".tbss", spec::SHT_NOBITS, loaded | spec::SHF_TLS, 0, 0, &[]),
        part(".debug_info", spec::SHT_PROGBITS, none, 0, 0, content()),
        part(".debug_str", spec::SHT_PROGBITS, none, 0, 0, content()),
        part(".debug_info", spec::SHT_PROGBITS, none, 0, 0, content()),
        part(".rel1", table, none, 9, 3, content()),
        part(".rel2", table, none, 9, 5, content()),
        part(".rel3", table, none, 9, 3, content()),
        part(".symtab", spec::SHT_SYMTAB, none, 10, 0, content()),
        part(".strtab", spec::SHT_STRTAB, none, 0, 0, b"\0f\0"),
        part(".symtab_shndx", spec::SHT_SYMTAB_SHNDX, none, 9, 0, content()),
    ];
    let image = open(&write_elf(is_32, is_big, machine, spec::ET_REL, &parts)).expect("a sound file");
    let length = parts[2].content.len() + parts[4].content.len();
    match image.debug_section(b".debug_info") {
        Ok(content) => assert_eq!(content.len(), length),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
    let _ = black_box(image.debug_section(b".debug_str"));
});
