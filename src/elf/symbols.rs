//! The symbol table of an image.

use object::elf as spec;
use object::read::elf::Sym;
use object::{Endianness, U32};

use super::place::{Placer, placed_end, thread_local_start};
use super::{Image, Section};
use crate::{Error, Result};

/// What a symbol stands for, as far as an encoder asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolKind {
    /// `STT_FUNC`
    Function,
    /// `STT_OBJECT`
    Object,
    /// Everything else.
    Other,
}

/// One symbol.
#[derive(Debug, Clone, Copy)]
pub struct Symbol<'a> {
    /// Its name and all strings behind it.
    name: &'a [u8],
    /// `st_value` of a linked file: an address, or an offset in thread-local storage. In an object file, what
    /// a linker would make of it after placing the sections as [`Section::address`] says: 0 of an undefined
    /// symbol.
    pub value: u64,
    /// Bytes of what it stands for.
    pub size: u64,
    /// What it stands for.
    pub kind: SymbolKind,
    /// Index of its section, extended indices resolved; 0 if it is in none: undefined, absolute, common.
    pub section: u32,
}

impl<'a> Symbol<'a> {
    /// Its name, without the NUL, and cut at 32 KiB. Found only when asked for: most symbols are of no
    /// interest.
    pub fn name(&self) -> &'a [u8] {
        let start = &self.name[..self.name.len().min(MAX_NAME)];
        std::ffi::CStr::from_bytes_until_nul(start).map_or(start, std::ffi::CStr::to_bytes)
    }
}

/// Bytes of the longest name. Without a limit, a file could have every symbol name all of its strings.
const MAX_NAME: usize = 32 << 10;

impl Image {
    /// Calls `visit` for every symbol of `.symtab`, in its order. Returns false if there is no table.
    ///
    /// # Errors
    /// The table or its strings are damaged, or the object file wants more memory than there are addresses.
    pub fn each_symbol<'a>(&'a self, visit: impl FnMut(Symbol<'a>)) -> Result<bool> {
        let Some(index) = self.sections.iter().position(|s| s.kind == spec::SHT_SYMTAB) else {
            return Ok(false);
        };
        let table = &self.sections[index];
        let content = self.content(table)?;
        let strings = match self.sections.get(table.link as usize) {
            Some(section) => self.content(section)?,
            None => return Err(Error::input(".symtab names no string table").in_file(&self.path)),
        };
        let extended = |s: &&Section| s.kind == spec::SHT_SYMTAB_SHNDX && s.link as usize == index;
        let extended = match self.sections.iter().find(extended) {
            Some(section) => self.content(section)?,
            None => &[],
        };
        let placed = self.is_relocatable().then(|| Placed {
            sections: &self.sections,
            thread_local: thread_local_start(&self.sections),
            commons: Placer::new(placed_end(&self.sections), self.is_64),
        });
        let mut reader = Reader { strings, extended, endian: self.endian, placed };
        let done = if self.is_64 {
            reader.read::<spec::Sym64<Endianness>>(content, visit)
        } else {
            reader.read::<spec::Sym32<Endianness>>(content, visit)
        };
        match done {
            Some(()) => Ok(true),
            None => Err(Error::input("the symbol table is damaged").in_file(&self.path)),
        }
    }
}

struct Reader<'a> {
    strings: &'a [u8],
    extended: &'a [u8],
    endian: Endianness,
    placed: Option<Placed<'a>>,
}

/// What the symbols of an object file are relative to.
struct Placed<'a> {
    sections: &'a [Section],
    thread_local: u64,
    /// Places common symbols, behind all sections.
    commons: Placer,
}

impl Placed<'_> {
    fn value(&mut self, home: spec::SymbolSection, section: u32, value: u64, size: u64) -> Option<u64> {
        match home {
            spec::SHN_UNDEF => Some(0),
            // Its value is the alignment it wants.
            spec::SHN_COMMON => self.commons.place(size, value),
            _ if section == 0 => Some(value),
            _ => Some(value.wrapping_add(self.sections.get(section as usize)?.address)),
        }
    }
}

impl<'a> Reader<'a> {
    fn read<S>(&mut self, content: &[u8], mut visit: impl FnMut(Symbol<'a>)) -> Option<()>
    where
        S: Sym<Endian = Endianness> + object::Pod,
    {
        let (symbols, _) = object::slice_from_bytes::<S>(content, content.len() / size_of::<S>()).ok()?;
        for (index, symbol) in symbols.iter().enumerate() {
            visit(self.symbol(index, symbol)?);
        }
        Some(())
    }

    fn symbol<S: Sym<Endian = Endianness>>(&mut self, index: usize, symbol: &S) -> Option<Symbol<'a>> {
        let e = self.endian;
        let name = self.strings.get(symbol.st_name(e) as usize..)?;
        let kind = match symbol.st_type() {
            spec::STT_FUNC => SymbolKind::Function,
            spec::STT_OBJECT => SymbolKind::Object,
            _ => SymbolKind::Other,
        };
        let home = symbol.st_shndx(e);
        let section = if home == spec::SHN_XINDEX {
            let at = index.checked_mul(4)?;
            let word = self.extended.get(at..at.checked_add(4)?)?;
            U32::<Endianness>::from_bytes(word.try_into().ok()?).get(e)
        } else {
            u32::from(home.index().unwrap_or(0))
        };
        let (mut value, size) = (symbol.st_value(e).into(), symbol.st_size(e).into());
        if let Some(placed) = &mut self.placed {
            value = placed.value(home, section, value, size)?;
            if symbol.st_type() == spec::STT_TLS && section != 0 {
                value = value.wrapping_sub(placed.thread_local);
            }
        }
        Some(Symbol { name, value, size, kind, section })
    }
}
