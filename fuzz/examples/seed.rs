//! Seeds from fixtures: `seed CORPUS FIXTURE...` writes `CORPUS/{elf,insert,encode,btf,reloc,inflate}/NAME`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use btfgen::{Encoder, Image, elf};
use btfgen_fuzz::{CONTENTS, Input, LOADED, MACHINES, SEPARATOR, jobs};
use object::read::elf::SectionHeader;
use object::{Endianness, elf as spec};

/// What is longer than this teaches a fuzzer nothing that a shorter one does not.
const MAX_BYTES: usize = 64 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = env::args_os().skip(1).map(PathBuf::from);
    let corpus = paths.next().ok_or("usage: seed CORPUS FIXTURE...")?;
    for target in ["elf", "insert", "encode", "btf", "reloc", "inflate"] {
        fs::create_dir_all(corpus.join(target))?;
    }
    for (number, path) in paths.enumerate() {
        let name = path.file_name().unwrap_or_default();
        let save = |target: &str, bytes: &[u8]| match bytes.len() {
            0..=MAX_BYTES => fs::write(corpus.join(target).join(name), bytes),
            _ => Ok(()),
        };
        let mut file = fs::read(&path)?;
        save("elf", &file)?;
        file.push(number as u8);
        save("insert", &file)?;
        // A damaged file is a seed of the first target only.
        let Ok(image) = Image::open(&path) else { continue };
        for (target, bytes) in [("reloc", relocations(&image)), ("inflate", compressed(&image))] {
            if let Some(bytes) = bytes {
                save(target, &bytes)?;
            }
        }
        save("encode", &sections(&path, &image, number as u8))?;
        if let Ok(output) = Encoder::default().jobs(jobs(1)).encode(&image) {
            save("btf", &output.btf)?;
        }
    }
    Ok(())
}

/// Bits for class and byte order, as targets `reloc` and `inflate` read them.
fn layout(image: &Image) -> u8 {
    u8::from(image.address_size() == 4) | u8::from(image.endian() == Endianness::Big) << 1
}

/// The beginning of `.debug_info` of an object file and of its relocations, as input of target `reloc`.
fn relocations(image: &Image) -> Option<Vec<u8>> {
    let is_table = |s: &&elf::Section| s.name.starts_with(b".rel") && s.name.ends_with(b".debug_info");
    let table = image.sections().iter().find(is_table)?;
    let machine = MACHINES.iter().position(|m| *m == image.machine())?;
    let kind = if table.kind == spec::SHT_REL { 1 } else { 0 };
    let begin = |name: &str, bytes: usize| {
        let content = image.content_of(name.as_bytes()).unwrap_or_default();
        content[..content.len().min(bytes)].to_vec()
    };
    let relocations = image.content(table).ok()?;
    let mut out = vec![layout(image) | kind << 2, machine as u8];
    out.extend(begin(".debug_info", 0x400));
    out.extend([SEPARATOR, b"string\0", SEPARATOR, SEPARATOR].concat());
    out.extend(&relocations[..relocations.len().min(0x180)]);
    out.extend([SEPARATOR, SEPARATOR, SEPARATOR].concat());
    out.extend(begin(".symtab", 0x600));
    Some(out)
}

/// A compressed section as input of target `inflate`. Only the raw file has it.
fn compressed(image: &Image) -> Option<Vec<u8>> {
    let bytes = fs::read(image.path()).ok()?;
    let file = object::read::elf::ElfFile64::<Endianness>::parse(bytes.as_slice()).ok()?;
    let (endian, table) = (file.endian(), file.elf_section_table());
    let marked = table.section_by_name(endian, b".debug_abbrev");
    let marked = marked.filter(|(_, s)| s.sh_flags(endian).0 & spec::SHF_COMPRESSED.0 != 0);
    let (old, section) = match marked {
        Some((_, section)) => (0, section),
        None => (4, table.section_by_name(endian, b".zdebug_abbrev")?.1),
    };
    let mut out = vec![layout(image) | old];
    out.extend(section.data(endian, bytes.as_slice()).ok()?);
    Some(out)
}

/// The sections of a file as input of target `encode`.
fn sections(path: &Path, image: &Image, number: u8) -> Vec<u8> {
    let content = |name: &str| image.content_of(name.as_bytes()).unwrap_or_default();
    let place = |name: &str| image.section(name.as_bytes()).map_or((0, 0), |s| (s.address, s.size));
    let symbols = renumbered(image, content(".symtab"));
    let mut input = Input {
        is_32: image.address_size() == 4,
        is_big: image.endian() == Endianness::Big,
        machine: MACHINES.iter().position(|m| *m == image.machine()).unwrap_or(0) as u8,
        twice: number % 4 == 0,
        choices: if number % 2 == 0 { 0 } else { number.reverse_bits() },
        places: [LOADED[0], LOADED[1], ".BTF_ids"].map(place),
        contents: CONTENTS.map(content),
    };
    if let Some(at) = CONTENTS.iter().position(|name| *name == ".symtab") {
        input.contents[at] = &symbols;
    }
    for (part, name) in input.contents.iter().zip(CONTENTS) {
        if part.windows(SEPARATOR.len()).any(|w| w == SEPARATOR) {
            eprintln!("{}: {name} holds the separator", path.display());
        }
    }
    input.bytes()
}

/// A symbol table with the numbers that sections have in [`Input::elf`].
fn renumbered(image: &Image, table: &[u8]) -> Vec<u8> {
    let (bytes, at) = if image.address_size() == 4 { (16, 14) } else { (24, 6) };
    let mut table = table.to_vec();
    for symbol in table.chunks_exact_mut(bytes) {
        let field: [u8; 2] = [symbol[at], symbol[at + 1]];
        let is_big = image.endian() == Endianness::Big;
        let index = if is_big { u16::from_be_bytes(field) } else { u16::from_le_bytes(field) };
        let name = image.sections().get(usize::from(index)).map_or(&b""[..], |s| &s.name);
        let names = LOADED.iter().chain(&CONTENTS);
        let other = if index == 0 { 0 } else { 2 };
        let index = names.map(|n| n.as_bytes()).position(|n| n == name).map_or(other, |i| i as u16 + 1);
        let field = if is_big { index.to_be_bytes() } else { index.to_le_bytes() };
        symbol[at..at + 2].copy_from_slice(&field);
    }
    table
}
