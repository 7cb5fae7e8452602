//! ELF files: an [`Image`] with its sections, its symbols, and the kfunc sets of a kernel.
//!
//! In comes a path, out go slices, borrowed wherever the file holds what is asked for. Object files and
//! compressed sections are made to look like those of a linked file here ([`Image::debug_section`]), so
//! that nobody else has to know of them. Nothing here knows what a section means.

mod debug;
mod inflate;
pub mod insert;
mod kfunc;
mod link;
mod place;
mod raw;
mod relocate;
mod rules;
mod storage;
mod symbols;

pub use kfunc::{Kfunc, KfuncFlags, kfuncs};
pub use link::{DebugLink, SupplementaryLink};
pub use symbols::{Symbol, SymbolKind};

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, elf as spec};

use crate::{Error, Result};

use storage::Storage;

/// An ELF file, mapped into memory or read if it is small, with its section headers read and checked.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    map: Storage,
    sections: Vec<Section>,
    endian: Endianness,
    is_64: bool,
    /// `e_machine`
    machine: spec::Machine,
    /// `e_type`
    file_type: spec::FileType,
    /// The values of all symbols, for relocation; read when first asked for.
    values: OnceLock<Vec<u64>>,
}

/// A section header, as far as an encoder asks.
#[derive(Debug, Clone)]
pub struct Section {
    /// Its name.
    pub name: Vec<u8>,
    /// `sh_type`
    pub kind: spec::SectionType,
    /// `sh_flags`
    pub flags: spec::SectionFlags,
    /// Address in the running program, in bytes. Object files have none yet: there it is the address at
    /// which this library places the section, apart from all others; of a section that is not loaded, its
    /// offset in the concatenation of all sections of its name.
    pub address: u64,
    /// Bytes of the section when loaded; bytes in the file unless it is `SHT_NOBITS`.
    pub size: u64,
    /// Where its content lies in the file, in bytes.
    offset: u64,
    align: u64,
    link: u32,
    info: u32,
}

impl Section {
    /// True if it is part of the running program.
    pub fn is_loaded(&self) -> bool {
        self.flags.0 & spec::SHF_ALLOC.0 != 0
    }

    /// True if the file holds its content.
    pub fn has_content(&self) -> bool {
        self.kind != spec::SHT_NOBITS && self.size > 0
    }

    fn is_compressed(&self) -> bool {
        self.flags.0 & spec::SHF_COMPRESSED.0 != 0
    }

    /// An error about this section.
    fn error(&self, message: &str) -> Error {
        Error::input(format!("section {} {message}", String::from_utf8_lossy(&self.name)))
    }
}

impl Image {
    /// Maps the file at `path`, or reads it if it has 2 MiB or less, and reads its section headers. A file that is
    /// compressed as a whole (gzip, xz, Zstandard) is decompressed into memory: 4 GiB at most, and not more than 1100
    /// times what it has.
    ///
    /// A file that is mapped must not shrink while the image lives: the system then ends the process with
    /// `SIGBUS`. The command line turns that into an error.
    ///
    /// # Errors
    /// The file cannot be read, is no ELF file, or its section headers are damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Image> {
        let path = path.as_ref();
        Self::map(path).map_err(|e| e.in_file(path))
    }

    fn map(path: &Path) -> Result<Image> {
        let file = File::open(path).map_err(|e| Error::io("cannot open", e))?;
        let meta = file.metadata().map_err(|e| Error::io("cannot stat", e))?;
        if meta.is_dir() {
            return Err(Error::input("is a directory, not an ELF file"));
        }
        if !meta.is_file() {
            return Err(Error::input("is not a regular file, which alone can be read at any place"));
        }
        if meta.len() == 0 {
            return Err(Error::input("the file is empty"));
        }
        let map = Storage::open(&file, meta.len())?;
        let data: &[u8] = &map;
        let (sections, header) = match data.get(..5) {
            Some([0x7f, b'E', b'L', b'F', 2]) => read_headers::<spec::FileHeader64<Endianness>>(data)?,
            Some([0x7f, b'E', b'L', b'F', 1]) => read_headers::<spec::FileHeader32<Endianness>>(data)?,
            _ => {
                return Err(Error::input("is not an ELF file")
                    .hint("give the uncompressed vmlinux, not bzImage or vmlinuz"));
            }
        };
        let (endian, is_64, machine, file_type) = header;
        let path = path.to_owned();
        let values = OnceLock::new();
        let mut image = Image { path, map, sections, endian, is_64, machine, file_type, values };
        if image.is_relocatable() {
            image.place_sections()?;
        }
        Ok(image)
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Byte order of the target.
    pub fn endian(&self) -> Endianness {
        self.endian
    }

    /// Bytes of an address of the target: 4 or 8.
    pub fn address_size(&self) -> u8 {
        if self.is_64 { 8 } else { 4 }
    }

    /// `e_machine`
    pub fn machine(&self) -> spec::Machine {
        self.machine
    }

    /// True for an object file or kernel module (`ET_REL`), whose sections were placed and want relocation.
    pub fn is_relocatable(&self) -> bool {
        self.file_type == spec::ET_REL
    }

    /// The sections that hold units, whatever they are called.
    pub fn dwarf_sections(&self) -> impl Iterator<Item = &Section> {
        let names: [&[u8]; 3] = [b".debug_info", b".zdebug_info", b".debug_info.dwo"];
        self.sections.iter().filter(move |section| names.contains(&section.name.as_slice()))
    }

    /// True if it has a symbol table.
    pub fn has_symbols(&self) -> bool {
        self.sections.iter().any(|s| s.kind == spec::SHT_SYMTAB && s.has_content())
    }

    /// All sections, by index.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The content of a section as the file holds it, not relocated; empty for `SHT_NOBITS`.
    ///
    /// # Errors
    /// It is compressed, which only [`Image::debug_section`] undoes, or reaches beyond the file.
    pub fn content(&self, section: &Section) -> Result<&[u8]> {
        if section.is_compressed() {
            return Err(section
                .error("is compressed")
                .in_file(&self.path)
                .hint("only debug sections may be; decompress with objcopy --decompress-debug-sections"));
        }
        self.stored(section).map_err(|e| e.in_file(&self.path))
    }

    /// The bytes of a section in the file.
    fn stored(&self, section: &Section) -> Result<&[u8]> {
        if section.kind == spec::SHT_NOBITS {
            return Ok(&[]);
        }
        let start = usize::try_from(section.offset).unwrap_or(usize::MAX);
        let size = usize::try_from(section.size).unwrap_or(usize::MAX);
        let content = self.map.get(start..).and_then(|rest| rest.get(..size));
        content
            .ok_or_else(|| section.error("reaches beyond the end of the file").hint("the file is cut short"))
    }

    /// Lets the system take back the memory that the image occupies. It stays readable, and is read from the file
    /// again where need be.
    pub fn release(&self) {
        self.map.release();
    }

    /// True if the file is compressed as a whole, and holds other bytes.
    pub fn is_unpacked(&self) -> bool {
        self.map.is_unpacked()
    }

    /// Bytes of memory that hold the file, which the system cannot take and read again.
    pub fn held_bytes(&self) -> u64 {
        self.map.held_bytes()
    }

    /// The first section of that name.
    pub fn section(&self, name: &[u8]) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// The content of the first section of that name; empty if there is none.
    ///
    /// # Errors
    /// It is compressed or reaches beyond the file.
    pub fn content_of(&self, name: &[u8]) -> Result<&[u8]> {
        match self.section(name) {
            Some(section) => self.content(section),
            None => Ok(&[]),
        }
    }
}

type Header = (Endianness, bool, spec::Machine, spec::FileType);

fn read_headers<E: FileHeader<Endian = Endianness>>(data: &[u8]) -> Result<(Vec<Section>, Header)> {
    let damaged = |e: object::Error| Error::input(format!("the ELF file is damaged: {e}"));
    let header = E::parse(data).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    let table = header.sections(endian, data).map_err(damaged)?;
    let mut sections = Vec::with_capacity(table.len());
    for section in table.iter() {
        sections.push(Section {
            name: table.section_name(endian, section).map_err(damaged)?.to_vec(),
            kind: section.sh_type(endian),
            flags: section.sh_flags(endian),
            address: section.sh_addr(endian).into(),
            size: section.sh_size(endian).into(),
            offset: section.sh_offset(endian).into(),
            align: section.sh_addralign(endian).into(),
            link: section.sh_link(endian),
            info: section.sh_info(endian),
        });
    }
    let header = (endian, header.is_type_64(), header.e_machine(endian), header.e_type(endian));
    Ok((sections, header))
}
