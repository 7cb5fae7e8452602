//! The symbol table of an image.

use object::elf as spec;
use object::read::elf::Sym;
use object::{Endianness, U32};

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
    /// `st_value`
    pub value: u64,
    /// Bytes of what it stands for.
    pub size: u64,
    /// What it stands for.
    pub kind: SymbolKind,
    /// Index of its section, extended indices resolved; 0 if it is undefined.
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
    /// The table or its strings are damaged.
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
        let reader = Reader { strings, extended, endian: self.endian };
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
}

impl<'a> Reader<'a> {
    fn read<S>(&self, content: &[u8], mut visit: impl FnMut(Symbol<'a>)) -> Option<()>
    where
        S: Sym<Endian = Endianness> + object::Pod,
    {
        let (symbols, _) = object::slice_from_bytes::<S>(content, content.len() / size_of::<S>()).ok()?;
        for (index, symbol) in symbols.iter().enumerate() {
            visit(self.symbol(index, symbol)?);
        }
        Some(())
    }

    fn symbol<S: Sym<Endian = Endianness>>(&self, index: usize, symbol: &S) -> Option<Symbol<'a>> {
        let e = self.endian;
        let name = self.strings.get(symbol.st_name(e) as usize..)?;
        let kind = match symbol.st_type() {
            spec::STT_FUNC => SymbolKind::Function,
            spec::STT_OBJECT => SymbolKind::Object,
            _ => SymbolKind::Other,
        };
        let section = if symbol.st_shndx(e) == spec::SHN_XINDEX {
            let word = self.extended.get(4 * index..4 * index + 4)?;
            U32::<Endianness>::from_bytes(word.try_into().ok()?).get(e)
        } else {
            u32::from(symbol.st_shndx(e).0)
        };
        Some(Symbol { name, value: symbol.st_value(e).into(), size: symbol.st_size(e).into(), kind, section })
    }
}
