//! Any bytes as an ELF file whose `.BTF` is set: an error, or a file of which setting it again makes the same.
#![no_main]

use btfgen::elf::insert::{Change, Signature, set_sections};
use libfuzzer_sys::fuzz_target;

/// The input ends with a byte that tells how long the content is.
fn set(file: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    let none = Change { name: b".BTF.base", content: None };
    let changes = [Change { name: b".BTF", content: Some(content) }, none];
    let rewrite = set_sections(file, &changes, Signature::Drop).ok()?;
    Some(rewrite.pieces().flatten().copied().collect())
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&last, file)) = bytes.split_last() else { return };
    let content = vec![last; 1 + usize::from(last)];
    let Some(once) = set(file, &content) else { return };
    let twice = set(&once, &content).expect("what was written cannot be read");
    assert!(once == twice, "{} bytes, then {}", once.len(), twice.len());
    assert!(once.windows(content.len()).any(|window| window == content));
});
