//! The files that one encode reads: the image itself, and whatever holds a part of its debugging information.
//!
//! Most images hold all of it. Of a stripped one it lies in a file beside it or below a directory of the
//! system ([`links`]); dwz moves parts to a supplementary file; split DWARF leaves most of it in `.dwo` files or
//! a package of them ([`split`]), which only its units name. All are opened before the first unit is encoded:
//! what is missing is an error that names it, never a gap in the output.

mod links;
mod split;

use std::borrow::Cow;

use gimli::RunTimeEndian;
use object::Endianness;

use crate::dwarf::{Program, Sections};
use crate::elf::{Image, Section};
use crate::options::Search;
use crate::{Error, Result};

pub use split::Parts;

/// The files that one encode reads, but for those of split DWARF ([`Parts`]).
#[derive(Debug)]
pub struct Files<'i> {
    image: &'i Image,
    /// The file with the debugging information, if that is not the image.
    debug: Option<Image>,
    /// The file with the symbols, if that was named.
    symbols: Option<Image>,
    supplementary: Option<Image>,
}

impl<'i> Files<'i> {
    /// Finds and opens the files that hold a part of the debugging information of `image`.
    ///
    /// # Errors
    /// One of them is not found, cannot be read, or belongs to another build.
    pub fn open(image: &'i Image, search: &Search) -> Result<Self> {
        let symbols = search.symbols.as_ref().map(Image::open).transpose()?;
        let has_dwarf = image.dwarf_sections().any(Section::has_content);
        let debug = if has_dwarf { None } else { links::debug_file(image, search)? };
        let supplementary = links::supplementary(debug.as_ref().unwrap_or(image), search)?;
        Ok(Files { image, debug, symbols, supplementary })
    }

    /// The image that is encoded.
    pub fn image(&self) -> &'i Image {
        self.image
    }

    /// The supplementary file, if there is one.
    pub fn supplementary(&self) -> Option<&Image> {
        self.supplementary.as_ref()
    }

    /// The file with the debugging information.
    pub fn debug(&self) -> &Image {
        self.debug.as_ref().unwrap_or(self.image)
    }

    /// The file with the symbols.
    pub fn symbols(&self) -> &Image {
        let named = self.symbols.as_ref();
        named.unwrap_or(if self.image.has_symbols() { self.image } else { self.debug() })
    }

    /// The file with the content of loaded sections.
    pub fn loaded(&self) -> &Image {
        self.symbols.as_ref().unwrap_or(self.image)
    }

    /// Puts together the debug sections of all of them, `own` being those of [`debug`](Self::debug).
    ///
    /// # Errors
    /// One cannot be decompressed or relocated.
    pub fn contents<'f>(&'f self, own: &'f DebugSections<'f>, parts: &'f Parts) -> Result<Contents<'f>> {
        let supplementary = self.supplementary.as_ref().map(DebugSections::read).transpose()?;
        Ok(Contents { own, supplementary, parts, split: parts.read()? })
    }
}

/// The debug sections of all files of an encode.
#[derive(Debug)]
pub struct Contents<'f> {
    own: &'f DebugSections<'f>,
    supplementary: Option<DebugSections<'f>>,
    parts: &'f Parts,
    /// Those of `parts`, in their order.
    split: Vec<DebugSections<'f>>,
}

impl Contents<'_> {
    /// All debugging information.
    ///
    /// # Errors
    /// There is none, or the headers of its units are damaged.
    pub fn program(&self) -> Result<Program<'_>> {
        let mut files = self.own.files()?;
        if let Some(supplementary) = &self.supplementary {
            let number = files.len() as u32;
            for file in &mut files {
                file.supplementary = number;
            }
            files.push(Sections { is_supplementary: true, ..supplementary.sections() });
        }
        self.parts.add_to(&mut files, &self.split)?;
        let program = Program::new(files)?;
        self.parts.check(&program)?;
        Ok(program)
    }
}

/// The debug sections of one file, ready to be read: borrowed from it, or made from what it holds.
#[derive(Debug)]
pub struct DebugSections<'a> {
    parts: Vec<(&'static str, Cow<'a, [u8]>)>,
    types: Cow<'a, [u8]>,
    endian: RunTimeEndian,
}

impl<'a> DebugSections<'a> {
    /// Reads the debug sections of an image; if it has none, those for split DWARF.
    ///
    /// # Errors
    /// One cannot be decompressed or relocated.
    pub fn read(image: &'a Image) -> Result<Self> {
        let is_part = image.section(b".debug_info").is_none() && image.section(b".debug_info.dwo").is_some();
        Self::read_named(image, if is_part { ".dwo" } else { "" })
    }

    /// Reads the debug sections for split DWARF.
    fn read_split(image: &'a Image) -> Result<Self> {
        Self::read_named(image, ".dwo")
    }

    fn read_named(image: &'a Image, suffix: &str) -> Result<Self> {
        let endian = match image.endian() {
            Endianness::Little => RunTimeEndian::Little,
            Endianness::Big => RunTimeEndian::Big,
        };
        let content = |name: &str| image.debug_section([name, suffix].concat().as_bytes());
        let part = |name: &'static str| Ok((name, content(name)?));
        let parts = Sections::NAMES.into_iter().map(part).collect::<Result<_>>()?;
        Ok(DebugSections { parts, types: content(".debug_types")?, endian })
    }

    fn sections(&self) -> Sections<'_> {
        let find = |name: &str| self.parts.iter().find(|(known, _)| *known == name);
        Sections::load(self.endian, |name| find(name).map_or(&[][..], |(_, content)| content))
    }

    /// The file, and as another one its `.debug_types`.
    fn files(&self) -> Result<Vec<Sections<'_>>> {
        let sections = self.sections();
        if sections.info.is_empty() {
            let hint = "build the kernel with CONFIG_DEBUG_INFO and without CONFIG_DEBUG_INFO_REDUCED, and give \
                        the file that was not stripped";
            return Err(Error::input("has no DWARF debugging information").hint(hint));
        }
        let types = self.types(&sections, 0);
        Ok(std::iter::once(sections).chain(types).collect())
    }

    /// The types of `file`, whose number is `number`, as a file of their own.
    fn types<'s>(&'s self, file: &Sections<'s>, number: u32) -> Option<Sections<'s>> {
        let types = Sections { info: &self.types, is_types: true, names_of: Some(number), ..*file };
        Some(types).filter(|types| !types.info.is_empty())
    }

    /// All debugging information that the file itself holds.
    ///
    /// # Errors
    /// There is none, or the headers of its units are damaged.
    pub fn program(&self) -> Result<Program<'_>> {
        Program::new(self.files()?)
    }
}
