//! The files that one encode reads: the image itself, and whatever its debugging information refers to.

use std::borrow::Cow;

use gimli::RunTimeEndian;
use object::Endianness;

use crate::dwarf::{Program, Sections};
use crate::elf::Image;
use crate::{Error, Result};

/// The debug sections of one file, ready to be read: borrowed from it, or made from what it holds.
#[derive(Debug)]
pub struct DebugSections<'a> {
    parts: Vec<(&'static str, Cow<'a, [u8]>)>,
    types: Cow<'a, [u8]>,
    endian: RunTimeEndian,
}

impl<'a> DebugSections<'a> {
    /// Reads the debug sections of an image.
    ///
    /// # Errors
    /// One cannot be decompressed or relocated.
    pub fn read(image: &'a Image) -> Result<Self> {
        let endian = match image.endian() {
            Endianness::Little => RunTimeEndian::Little,
            Endianness::Big => RunTimeEndian::Big,
        };
        let part = |name: &'static str| Ok((name, image.debug_section(name.as_bytes())?));
        let parts = Sections::NAMES.into_iter().map(part).collect::<Result<_>>()?;
        Ok(DebugSections { parts, types: image.debug_section(b".debug_types")?, endian })
    }

    fn sections(&self) -> Sections<'_> {
        let find = |name: &str| self.parts.iter().find(|(known, _)| *known == name);
        Sections::load(self.endian, |name| find(name).map_or(&[][..], |(_, content)| content))
    }

    /// All debugging information that the sections hold.
    ///
    /// # Errors
    /// There is none, or the headers of its units are damaged.
    pub fn program(&self) -> Result<Program<'_>> {
        let sections = self.sections();
        if sections.info.is_empty() {
            let hint = "build the kernel with CONFIG_DEBUG_INFO and without CONFIG_DEBUG_INFO_REDUCED, and give \
                        the file that was not stripped";
            return Err(Error::input("has no DWARF debugging information").hint(hint));
        }
        let mut files = vec![sections];
        if !self.types.is_empty() {
            files.push(Sections { info: &self.types, is_types: true, names_of: Some(0), ..sections });
        }
        Program::new(files)
    }
}
