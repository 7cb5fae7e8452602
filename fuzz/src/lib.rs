//! What the fuzz targets share: a file in memory, and the input of target `encode`.
//!
//! That input is a head and the content of sections, one after another, with [`SEPARATOR`] between them: bytes
//! that are inserted or lost in one section leave all others as they are. [`Input::elf`] wraps it into an ELF file.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;

use btfgen::{Features, Image, Jobs, Options, Order, Result};
use object::elf as spec;

/// Opens an image of these bytes. One file serves all calls: the image has to go before the next one.
pub fn open(bytes: &[u8]) -> Result<Image> {
    thread_local! {
        static FILE: RefCell<File> =
            RefCell::new(rustix::fs::memfd_create("fuzz", rustix::fs::MemfdFlags::CLOEXEC).unwrap().into());
    }
    let path = FILE.with_borrow_mut(|file| {
        file.set_len(0).unwrap();
        file.rewind().unwrap();
        file.write_all(bytes).unwrap();
        format!("/proc/self/fd/{}", file.as_raw_fd())
    });
    Image::open(path)
}

/// That many workers.
pub fn jobs(count: usize) -> Jobs {
    NonZeroUsize::new(count).map_or(Jobs::Auto, Jobs::Exactly)
}

/// Stands between the parts of an input.
pub const SEPARATOR: &[u8] = b"\xf5|\xf5|";

/// The sections whose content is in an input, in their order.
pub const CONTENTS: [&str; 11] = [
    ".BTF_ids",
    ".debug_info",
    ".debug_abbrev",
    ".debug_str",
    ".debug_line_str",
    ".debug_str_offsets",
    ".debug_addr",
    ".debug_loc",
    ".debug_loclists",
    ".symtab",
    ".strtab",
];

/// The sections that have an address and no content, in front of those with content.
pub const LOADED: [&str; 2] = [".data..percpu", ".data"];

/// The machines that a head can name.
pub const MACHINES: [spec::Machine; 8] = [
    spec::EM_X86_64,
    spec::EM_AARCH64,
    spec::EM_RISCV,
    spec::EM_S390,
    spec::EM_PPC,
    spec::EM_ARM,
    spec::EM_386,
    spec::EM_MIPS,
];

/// An input of target `encode`, taken apart.
#[derive(Default)]
pub struct Input<'a> {
    /// 32 bits instead of 64.
    pub is_32: bool,
    /// Big-endian.
    pub is_big: bool,
    /// Index into [`MACHINES`].
    pub machine: u8,
    /// Encodes twice, with another number of workers and another order of units, and compares.
    pub twice: bool,
    /// One bit for each choice that [`Input::options`] makes.
    pub choices: u8,
    /// Address and size of [`LOADED`] and of `.BTF_ids`.
    pub places: [(u64, u64); 3],
    /// The sections of [`CONTENTS`].
    pub contents: [&'a [u8]; CONTENTS.len()],
}

impl<'a> Input<'a> {
    /// Takes any bytes apart; what is missing is zero or empty.
    pub fn parse(bytes: &'a [u8]) -> Self {
        let mut rest = bytes;
        let mut part = || {
            let end = rest.windows(SEPARATOR.len()).position(|w| w == SEPARATOR);
            let part = &rest[..end.unwrap_or(rest.len())];
            rest = end.map_or(&[], |end| &rest[end + SEPARATOR.len()..]);
            part
        };
        let head = part();
        let byte = |at: usize| head.get(at).copied().unwrap_or(0);
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| byte(at + i)));
        Input {
            is_32: byte(0) & 1 != 0,
            is_big: byte(0) & 2 != 0,
            machine: byte(0) >> 2 & 7,
            twice: byte(0) & 32 != 0,
            choices: byte(1),
            places: std::array::from_fn(|i| (word(2 + 16 * i), word(10 + 16 * i))),
            contents: std::array::from_fn(|_| part()),
        }
    }

    /// The bytes that [`Input::parse`] takes apart into this.
    pub fn bytes(&self) -> Vec<u8> {
        let flags = [self.is_32, self.is_big].iter().rev().fold(0, |bits, &bit| bits << 1 | u8::from(bit));
        let mut out = vec![flags | self.machine << 2 | u8::from(self.twice) << 5, self.choices];
        for (address, size) in self.places {
            out.extend(address.to_le_bytes());
            out.extend(size.to_le_bytes());
        }
        for content in self.contents {
            out.extend(SEPARATOR);
            out.extend(content);
        }
        out
    }

    /// What is encoded, and how.
    pub fn options(&self) -> Options {
        let chosen = |bit: u8| self.choices >> bit & 1 != 0;
        let mut options = Options::default();
        options.order = if chosen(0) { Order::First } else { Order::Name };
        options.flat_arrays = chosen(1);
        if chosen(2) {
            options.features = Features::NONE;
        }
        let more = [Features::GLOBAL_VAR, Features::TRUE_SIGNATURE, Features::ATTRIBUTES, Features::LAYOUT];
        for (bit, feature) in (3..).zip(more) {
            if chosen(bit) {
                options.features = options.features.with(feature);
            }
        }
        options
    }

    /// An ELF file with these sections.
    pub fn elf(&self) -> Vec<u8> {
        let none = spec::SectionFlags(0);
        let mut parts = Vec::new();
        for (i, name) in LOADED.iter().chain(&CONTENTS).enumerate() {
            let content = i.checked_sub(LOADED.len()).and_then(|i| self.contents.get(i)).copied();
            let (address, size) = self.places.get(i).copied().unwrap_or_default();
            let (kind, flags) = match *name {
                _ if i < LOADED.len() => (spec::SHT_NOBITS, spec::SHF_ALLOC | spec::SHF_WRITE),
                ".BTF_ids" => (spec::SHT_PROGBITS, spec::SHF_ALLOC),
                ".symtab" => (spec::SHT_SYMTAB, none),
                ".strtab" => (spec::SHT_STRTAB, none),
                _ => (spec::SHT_PROGBITS, none),
            };
            let link = if kind == spec::SHT_SYMTAB { i as u32 + 2 } else { 0 };
            let content = content.unwrap_or_default();
            parts.push(Part { name, kind, flags, address, size, link, info: 0, content: content.into() });
        }
        let machine = MACHINES[usize::from(self.machine & 7)];
        write_elf(self.is_32, self.is_big, machine, spec::ET_EXEC, &parts)
    }
}

/// A section to be written.
#[derive(Clone)]
pub struct Part<'a> {
    /// Its name.
    pub name: &'a str,
    /// `sh_type`
    pub kind: spec::SectionType,
    /// `sh_flags`
    pub flags: spec::SectionFlags,
    /// `sh_addr`
    pub address: u64,
    /// `sh_size` of `SHT_NOBITS`.
    pub size: u64,
    /// `sh_link`
    pub link: u32,
    /// `sh_info`
    pub info: u32,
    /// What it holds.
    pub content: Cow<'a, [u8]>,
}

/// An ELF file with these sections, from number 1.
pub fn write_elf(
    is_32: bool,
    is_big: bool,
    machine: spec::Machine,
    file_type: spec::FileType,
    parts: &[Part<'_>],
) -> Vec<u8> {
    let (wide, header_bytes, section_bytes) = if is_32 { (4, 52, 40) } else { (8, 64, 64) };
    let put = |out: &mut Vec<u8>, fields: &[(u64, usize)]| {
        for &(value, bytes) in fields {
            let (little, big) = (value.to_le_bytes(), value.to_be_bytes());
            out.extend(if is_big { &big[8 - bytes..] } else { &little[..bytes] });
        }
    };
    let mut strings: Vec<u8> = parts.iter().flat_map(|part| part.name.bytes().chain([0])).collect();
    strings.extend(b".shstrtab\0");
    let names = Part {
        name: ".shstrtab",
        kind: spec::SHT_STRTAB,
        flags: spec::SectionFlags(0),
        address: 0,
        size: 0,
        link: 0,
        info: 0,
        content: strings.into(),
    };
    let mut body = Vec::new();
    let mut headers = vec![0; section_bytes];
    let mut name_offset = 0;
    for part in parts.iter().chain([&names]) {
        let size = if part.kind == spec::SHT_NOBITS { part.size } else { part.content.len() as u64 };
        let offset = (header_bytes + body.len()) as u64;
        put(&mut headers, &[(name_offset, 4), (part.kind.0.into(), 4), (part.flags.0, wide)]);
        put(&mut headers, &[(part.address, wide), (offset, wide), (size, wide)]);
        put(&mut headers, &[(part.link.into(), 4), (part.info.into(), 4), (1, wide), (0, wide)]);
        name_offset += part.name.len() as u64 + 1;
        body.extend_from_slice(&part.content);
        body.resize(body.len().next_multiple_of(8), 0);
    }
    let mut out = b"\x7fELF".to_vec();
    out.extend([2 - u8::from(is_32), 1 + u8::from(is_big), 1]);
    out.resize(16, 0);
    let table = (header_bytes + body.len()) as u64;
    let count = (headers.len() / section_bytes) as u64;
    put(&mut out, &[(file_type.0.into(), 2), (machine.0.into(), 2), (1, 4)]);
    put(&mut out, &[(0, wide), (0, wide), (table, wide), (0, 4), (header_bytes as u64, 2), (0, 2), (0, 2)]);
    put(&mut out, &[(section_bytes as u64, 2), (count, 2), (count - 1, 2)]);
    out.extend(body);
    out.extend(headers);
    out
}
