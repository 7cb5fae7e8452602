//! Any bytes as an ELF file: its sections, its symbols, its kfunc sets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::hint::black_box;

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = btfgen_fuzz::open(bytes) else { return };
    for section in image.sections() {
        if let Ok(content) = image.content(section) {
            black_box(content.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
        }
    }
    for name in [".debug_info", ".debug_abbrev", ".debug_str", ".debug_loclists"] {
        let _ = black_box(image.debug_section(name.as_bytes()));
    }
    let _ = image.each_symbol(|symbol| {
        black_box((symbol.name().len(), symbol.value, symbol.section));
    });
    let _ = black_box(btfgen::elf::kfuncs(&image, &image));
});
