//! Any bytes as a BTF: read, every accessor, every level of checks; by itself and split from a base.
#![no_main]

use std::hint::black_box;

use btfgen::btf::{
    Btf, CheckOptions, Endian, IntEncoding, KernelVersion, Kind, StrOff, Writer, check, check_container,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = black_box(check_container(bytes, None));
    if let Ok(btf) = Btf::parse(bytes) {
        walk(&btf);
    }
    let base = base(if bytes.starts_with(&[0xeb]) { Endian::Big } else { Endian::Little });
    let base = Btf::parse(&base).expect("a sound base");
    let _ = black_box(check_container(bytes, Some(&base)));
    if let Ok(btf) = Btf::parse_split(bytes, &base) {
        walk(&btf);
    }
});

fn base(endian: Endian) -> Vec<u8> {
    let mut writer = Writer::new(endian);
    let mut write = || {
        let (int, long) = (writer.intern(b"int")?, writer.intern(b"long")?);
        let int = writer.int(int, 4, 32, IntEncoding::SIGNED)?;
        let typedef = writer.typedef(long, int)?;
        writer.modifier(Kind::Const, typedef)?;
        writer.array(int, int, 3)
    };
    write().expect("a small BTF");
    writer.finish(false).expect("a small BTF")
}

fn walk(btf: &Btf<'_>) {
    black_box((btf.len(), btf.base_len(), btf.endian(), btf.header(), btf.string_end(), btf.pointer_bytes()));
    for t in btf.types() {
        black_box((t.id(), t.name(), t.kind_flag(), t.size_bytes(), t.target(), t.bytes()));
        black_box((
            t.int_data(),
            t.array(),
            t.is_signed(),
            t.func_linkage(),
            t.var_linkage(),
            t.component_idx(),
        ));
        for member in t.members() {
            black_box((btf.name(member.name), btf.ty(member.ty)));
        }
        for enumerator in t.enumerators() {
            black_box(btf.string(enumerator.name));
        }
        for param in t.params() {
            black_box((btf.name(param.name), btf.ty(param.ty)));
        }
        for entry in t.datasec_entries() {
            black_box(btf.ty(entry.var));
        }
    }
    black_box(btf.find(Kind::Int, b"int"));
    black_box(btf.string(StrOff(btf.string_end() / 2)));
    for target in [None, Some(KernelVersion::new(5, 4)), Some(KernelVersion::new(7, 2))] {
        let options = CheckOptions { target, sorted_names: target.is_none(), ..CheckOptions::default() };
        for violation in check(btf, &options) {
            black_box(violation.to_string());
        }
    }
}
