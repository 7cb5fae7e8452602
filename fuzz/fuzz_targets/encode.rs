//! Any bytes as the sections of an ELF file, encoded: an answer or an error, and the same one for every number of
//! workers and order of units.
#![no_main]

use btfgen::{Encoder, Result};
use btfgen_fuzz::{Input, jobs, open};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let input = Input::parse(bytes);
    let Ok(image) = open(&input.elf()) else { return };
    let encode = |count: usize, shuffle: Option<u64>| -> Result<Vec<u8>> {
        let mut options = input.options();
        options.shuffle = shuffle;
        Encoder::new(options).jobs(jobs(count)).encode(&image).map(|output| output.btf)
    };
    let first = encode(1, None);
    if let Err(error) = &first {
        assert!(!error.to_string().contains("defect"), "{error}");
    }
    if input.twice {
        // Which of several errors comes first is left open.
        assert_eq!(first.ok(), encode(2, Some(7)).ok());
    }
});
