//! Any bytes as a base: indexed, searched by a program of a few types, distilled from what is split from it.
#![no_main]

use std::hint::black_box;
use std::sync::OnceLock;

use btfgen::btf::{Btf, Endian, SplitBase, TypeId, Writer, check, distill};
use btfgen::{Base, Encoder, Features, Image, Options};
use btfgen_fuzz::{SEPARATOR, jobs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let middle = bytes.windows(SEPARATOR.len()).position(|w| w == SEPARATOR);
    let (bytes, split) = match middle {
        Some(at) => (&bytes[..at], Some(&bytes[at + SEPARATOR.len()..])),
        None => (bytes, None),
    };
    let Ok(btf) = Btf::parse(bytes) else { return };
    let base = Base::new(&btf);
    above(&base);
    if let Some(split) = split.and_then(|split| Btf::parse_split(split, &btf).ok()) {
        distilled(&split);
        black_box(Base::new(&split).btf().len());
    }
    // Pointers to the first and the last types.
    let strings = SplitBase::new(&btf);
    let mut writer = Writer::split(&strings);
    for id in (1..btf.len()).take(40).chain(btf.len().saturating_sub(40)..btf.len()) {
        if writer.ptr(TypeId(id)).is_err() {
            return;
        }
    }
    if let Ok(split) = writer.finish(false) {
        distilled(&Btf::parse_split(&split, &btf).expect("what the writer wrote"));
    }
});

/// The demo above the base: whatever that is, what comes out keeps the rules that the encoder checks.
fn above(base: &Base<'_>) {
    static DEMO: OnceLock<Image> = OnceLock::new();
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/small/demo.elf");
    let demo = DEMO.get_or_init(|| Image::open(PATH).expect("the demo"));
    let mut options = Options::default();
    options.features = options.features.with(Features::DISTILLED_BASE);
    let encode =
        |options: &Options, count| Encoder::new(options.clone()).jobs(jobs(count)).base(base).encode(demo);
    if base.btf().endian() == Endian::Big {
        black_box(encode(&options, 1).is_err());
        return;
    }
    let own_fault = |error: &btfgen::Error| error.to_string().contains("defect");
    let distilled = encode(&options, 1);
    assert!(!distilled.as_ref().is_err_and(own_fault), "{:?}", distilled.map(|_| ()));
    // An encode takes longer than everything else here: only some are done twice more.
    if base.btf().data().len() % 8 == 0 {
        options.features = options.features.without(Features::DISTILLED_BASE);
        let bytes = |count| encode(&options, count).map(|o| o.btf).map_err(|e| e.to_string());
        assert!(bytes(1) == bytes(2), "another number of workers");
    }
}

fn distilled(split: &Btf<'_>) {
    let Ok(distilled) = distill(split) else { return };
    let base = Btf::parse(&distilled.base).expect("a distilled base");
    let own = split.len() - split.base_len();
    let split = Btf::parse_split(&distilled.split, &base).expect("a distilled split BTF");
    assert!(split.len() - base.len() >= own);
    black_box(check(&split, &btfgen::btf::CheckOptions::default()).len());
    for ty in split.types() {
        assert!(ty.references().all(|id| id == TypeId::VOID || split.ty(id).is_some()));
    }
}
