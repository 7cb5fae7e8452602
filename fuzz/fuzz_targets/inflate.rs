//! Any bytes as the content of compressed debug sections, in every spelling: as many bytes as declared, or an error.
#![no_main]

use btfgen_fuzz::{Part, SEPARATOR, open, write_elf};
use libfuzzer_sys::fuzz_target;
use object::elf as spec;

fuzz_target!(|bytes: &[u8]| {
    let [head, sections @ ..] = bytes else { return };
    let (is_32, is_big) = (head & 1 != 0, head & 2 != 0);
    let is_old = head & 4 != 0;
    let file_type = if head & 8 != 0 { spec::ET_REL } else { spec::ET_EXEC };
    let mut rest = sections;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let end = rest.windows(SEPARATOR.len()).position(|w| w == SEPARATOR);
        let content = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[], |end| &rest[end + SEPARATOR.len()..]);
        parts.push(Part {
            name: if is_old { ".zdebug_info" } else { ".debug_info" },
            kind: spec::SHT_PROGBITS,
            flags: if is_old { spec::SectionFlags(0) } else { spec::SHF_COMPRESSED },
            address: 0,
            size: 0,
            link: 0,
            info: 0,
            content: content.into(),
        });
    }
    let image = open(&write_elf(is_32, is_big, spec::EM_X86_64, file_type, &parts)).expect("a sound file");
    let Ok(content) = image.debug_section(b".debug_info") else { return };
    // Where the size is declared: after the letters, or after the method and what fills up to it.
    let (at, wide) = if is_old {
        (4, 8)
    } else if is_32 {
        (4, 4)
    } else {
        (8, 8)
    };
    let declared = |part: &Part<'_>| {
        let digits = &part.content[at..at + wide];
        let digit = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        if is_old || is_big { digits.iter().fold(0, digit) } else { digits.iter().rev().fold(0, digit) }
    };
    assert_eq!(content.len() as u64, parts.iter().map(declared).sum::<u64>());
});
