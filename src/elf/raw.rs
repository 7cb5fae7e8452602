//! The headers of an ELF file as numbers that can be changed and written back: every class, every byte order,
//! every count, wherever the headers lie.
//!
//! Reading an [`Image`](super::Image) needs less and checks more; here nothing may get lost.

use std::ops::Range;

use object::elf as spec;

use crate::{Error, Result};

/// Width of addresses and byte order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Class {
    pub(super) is_64: bool,
    pub(super) is_big: bool,
}

/// How wide a field is, in bytes; `WORD` is 4 or 8 by the class.
const WORD: usize = 0;

/// The fields of the ELF header behind `e_ident`.
const FILE_FIELDS: [usize; 13] = [2, 2, 4, WORD, WORD, WORD, 4, 2, 2, 2, 2, 2, 2];
/// Indices into them.
const PHOFF: usize = 4;
const SHOFF: usize = 5;
const PHENTSIZE: usize = 8;
const PHNUM: usize = 9;
const SHENTSIZE: usize = 10;
const SHNUM: usize = 11;
const SHSTRNDX: usize = 12;

/// The fields of a section header.
const SECTION_FIELDS: [usize; 10] = [4, 4, WORD, WORD, WORD, WORD, 4, 4, WORD, WORD];

/// Bytes of `e_ident`.
const IDENT: usize = 16;

impl Class {
    fn width(self, field: usize) -> usize {
        match field {
            WORD if self.is_64 => 8,
            WORD => 4,
            bytes => bytes,
        }
    }

    /// Bytes of a record with these fields.
    fn bytes_of(self, fields: &[usize]) -> usize {
        fields.iter().map(|&field| self.width(field)).sum()
    }

    /// The values of the fields of a record at the beginning of `bytes`.
    fn get<const N: usize>(self, mut bytes: &[u8], fields: &[usize; N]) -> Option<[u64; N]> {
        let mut values = [0; N];
        for (value, &field) in values.iter_mut().zip(fields) {
            let (own, rest) = bytes.split_at_checked(self.width(field))?;
            let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
            *value = if self.is_big { own.iter().fold(0, join) } else { own.iter().rev().fold(0, join) };
            bytes = rest;
        }
        Some(values)
    }

    /// Appends a record. What does not fit into a field is cut.
    fn put<const N: usize>(self, out: &mut Vec<u8>, values: [u64; N], fields: &[usize; N]) {
        for (value, &field) in values.into_iter().zip(fields) {
            let width = self.width(field);
            if self.is_big {
                out.extend(value.to_be_bytes().into_iter().skip(8 - width));
            } else {
                out.extend(value.to_le_bytes().into_iter().take(width));
            }
        }
    }
}

/// A section header.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Section {
    /// Offset of its name among the names.
    pub(super) name: u64,
    pub(super) kind: u64,
    pub(super) flags: u64,
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) link: u64,
    pub(super) info: u64,
    pub(super) align: u64,
    pub(super) entry_size: u64,
}

impl Section {
    fn is(&self, kind: spec::SectionType) -> bool {
        self.kind == u64::from(kind.0)
    }

    /// True if it takes memory in the running program.
    pub(super) fn is_loaded(&self) -> bool {
        self.flags & spec::SHF_ALLOC.0 != 0 && !self.is(spec::SHT_NOBITS)
    }

    fn values(&self) -> [u64; 10] {
        [
            self.name,
            self.kind,
            self.flags,
            self.address,
            self.offset,
            self.size,
            self.link,
            self.info,
            self.align,
            self.entry_size,
        ]
    }
}

impl From<[u64; 10]> for Section {
    fn from(values: [u64; 10]) -> Self {
        let [name, kind, flags, address, offset, size, link, info, align, entry_size] = values;
        Section { name, kind, flags, address, offset, size, link, info, align, entry_size }
    }
}

/// An ELF file taken apart.
#[derive(Debug)]
pub(super) struct Elf<'a> {
    pub(super) file: &'a [u8],
    pub(super) class: Class,
    header: [u64; 13],
    /// All section headers.
    pub(super) sections: Vec<Section>,
    /// The section that holds their names.
    pub(super) names: usize,
    /// Where the section headers lie.
    pub(super) table: Range<usize>,
    /// The ELF header and the program headers.
    pub(super) fixed: [Range<usize>; 2],
    /// What the program headers load.
    pub(super) segments: Vec<Range<usize>>,
}

/// The headers as they are written.
pub(super) struct Headers {
    /// The ELF header.
    pub(super) file: Vec<u8>,
    /// The section headers.
    pub(super) sections: Vec<u8>,
}

impl<'a> Elf<'a> {
    /// Reads all headers.
    ///
    /// # Errors
    /// They are damaged, or a part of the file is missing, or there are no section headers or no names.
    pub(super) fn read(file: &'a [u8]) -> Result<Self> {
        let damaged = |what: &str| Error::input(format!("the ELF file is damaged: {what}"));
        let class = match file {
            [0x7f, b'E', b'L', b'F', class @ (1 | 2), order @ (1 | 2), ..] => {
                Class { is_64: *class == 2, is_big: *order == 2 }
            }
            _ => return Err(Error::input("is not an ELF file")),
        };
        let header = file.get(IDENT..).and_then(|bytes| class.get(bytes, &FILE_FIELDS));
        let header = header.ok_or_else(|| damaged("its header is cut short"))?;
        if header[SHOFF] == 0 {
            return Err(Error::input("has no section headers").hint("give the file that was not stripped"));
        }

        let entry = class.bytes_of(&SECTION_FIELDS);
        let section = |index: u64| {
            let offset = index.checked_mul(entry as u64)?.checked_add(header[SHOFF])?;
            let bytes = file.get(usize::try_from(offset).ok()?..)?;
            class.get(bytes, &SECTION_FIELDS).map(Section::from)
        };
        let headers_missing = || damaged("its section headers are not where they should be");
        // Counts that exceed their fields are in the fields of section 0.
        let zero = section(0).filter(|_| header[SHENTSIZE] == entry as u64).ok_or_else(headers_missing)?;
        let count = if header[SHNUM] == 0 { zero.size } else { header[SHNUM] };
        let names = if header[SHSTRNDX] == SHN_XINDEX { zero.link } else { header[SHSTRNDX] };
        let table =
            range(file, header[SHOFF], count.checked_mul(entry as u64)).ok_or_else(headers_missing)?;
        let sections: Option<Vec<_>> = (0..count).map(section).collect();
        let sections = sections.ok_or_else(headers_missing)?;
        let is_strings = |index: &usize| sections.get(*index).is_some_and(|s| s.is(spec::SHT_STRTAB));
        let names = usize::try_from(names).ok().filter(is_strings);
        let names = names.ok_or_else(|| damaged("its sections have no names"))?;

        let own = IDENT + class.bytes_of(&FILE_FIELDS);
        let count = if header[PHNUM] == PN_XNUM { zero.info } else { header[PHNUM] };
        let programs = range(file, header[PHOFF], count.checked_mul(header[PHENTSIZE]));
        let programs = programs.ok_or_else(|| damaged("its program headers are not where they should be"))?;
        let fixed = [0..own, programs];
        let mut elf = Elf { file, class, header, sections, names, table, fixed, segments: Vec::new() };
        for index in 0..elf.sections.len() {
            elf.place(index)?;
        }
        // Or names that are added would be those of other sections, too.
        let names = elf.content(elf.names)?;
        if names.last() != Some(&0) || elf.sections.iter().any(|s| s.name >= names.len() as u64) {
            return Err(damaged("its section names are not where they should be"));
        }
        elf.segments = elf.segments().ok_or_else(|| {
            Error::input("a segment reaches beyond the end of the file").hint("the file is cut short")
        })?;
        Ok(elf)
    }

    /// The segments. `None` if one reaches beyond the end of the file.
    fn segments(&self) -> Option<Vec<Range<usize>>> {
        // What the segments of a separate debug file load is in another file: it has no code.
        let code = spec::SHF_ALLOC.0 | spec::SHF_EXECINSTR.0;
        let mut code = self.sections.iter().filter(|s| s.flags & code == code && s.size != 0).peekable();
        if code.peek().is_some() && code.all(|s| s.is(spec::SHT_NOBITS)) {
            return Some(Vec::new());
        }
        let entry = usize::try_from(self.header[PHENTSIZE]).ok()?;
        let mut segments = Vec::new();
        for segment in self.file.get(self.fixed[1].clone())?.chunks(entry.max(1)) {
            // Only where and how much of the file it is; the classes order the fields differently.
            let (offset, bytes) = if self.class.is_64 {
                let [_, _, offset, _, _, bytes] = self.class.get(segment, &[4, 4, 8, 8, 8, 8])?;
                (offset, bytes)
            } else {
                let [_, offset, _, _, bytes] = self.class.get(segment, &[4; 5])?;
                (offset, bytes)
            };
            if bytes != 0 {
                segments.push(range(self.file, offset, Some(bytes))?);
            }
        }
        Some(segments)
    }

    /// Where the content of a section lies; nowhere if it has none in the file.
    ///
    /// # Errors
    /// It reaches beyond the end of the file.
    pub(super) fn place(&self, index: usize) -> Result<Range<usize>> {
        let Some(section) = self.sections.get(index).filter(|_| index != 0) else { return Ok(0..0) };
        if section.size == 0 || section.is(spec::SHT_NOBITS) || section.is(spec::SHT_NULL) {
            return Ok(0..0);
        }
        range(self.file, section.offset, Some(section.size)).ok_or_else(|| {
            Error::input(format!("section {index} reaches beyond the end of the file"))
                .hint("the file is cut short")
        })
    }

    /// The content of a section.
    ///
    /// # Errors
    /// It reaches beyond the end of the file.
    pub(super) fn content(&self, index: usize) -> Result<&'a [u8]> {
        Ok(self.file.get(self.place(index)?).unwrap_or_default())
    }

    /// True if a section that is there has that name.
    pub(super) fn has_name(&self, index: usize, names: &[u8], name: &[u8]) -> bool {
        let section = self.sections.get(index).filter(|s| !s.is(spec::SHT_NULL));
        let own = section.and_then(|s| names.get(usize::try_from(s.name).ok()?..));
        own.and_then(|own| own.strip_prefix(name)).is_some_and(|rest| rest.first() == Some(&0))
    }

    /// True if there are relocations for a section.
    pub(super) fn has_relocations(&self, index: usize) -> bool {
        let relocates = |s: &Section| s.is(spec::SHT_REL) || s.is(spec::SHT_RELA);
        self.sections.iter().any(|s| relocates(s) && s.size != 0 && s.info == index as u64)
    }

    /// The [`place`](Self::place) of a section whose content is to be changed.
    ///
    /// # Errors
    /// It reaches beyond the end of the file, or a part of it belongs to something else.
    pub(super) fn own_place(&self, index: usize) -> Result<Range<usize>> {
        let place = self.place(index)?;
        let others = (0..self.sections.len()).filter(|&other| other != index);
        let others = others.filter_map(|other| self.place(other).ok());
        let mut others = others.chain(self.fixed.iter().cloned()).chain([self.table.clone()]);
        if others.any(|other| overlap(&place, &other)) {
            let message = format!("the ELF file is damaged: section {index} overlaps another part of it");
            return Err(Error::input(message));
        }
        Ok(place)
    }

    /// True if nothing of a place is in a segment.
    pub(super) fn is_unloaded(&self, place: &Range<usize>) -> bool {
        !self.segments.iter().any(|segment| overlap(place, segment))
    }

    /// All headers, with the section headers at `offset` of the file.
    pub(super) fn headers(&mut self, offset: u64) -> Headers {
        let count = self.sections.len() as u64;
        let names = self.names as u64;
        let (few, near) = (count < SHN_LORESERVE, names < SHN_LORESERVE);
        // What the fields of section 0 held before, if they were needed then and are no longer.
        let (was_many, was_far) = (self.header[SHNUM] == 0, self.header[SHSTRNDX] == SHN_XINDEX);
        if let Some(zero) = self.sections.first_mut() {
            match (few, was_many) {
                (false, _) => zero.size = count,
                (true, true) => zero.size = 0,
                (true, false) => {}
            }
            match (near, was_far) {
                (false, _) => zero.link = names,
                (true, true) => zero.link = 0,
                (true, false) => {}
            }
        }
        self.header[SHOFF] = offset;
        self.header[SHNUM] = if few { count } else { 0 };
        self.header[SHSTRNDX] = if near { names } else { SHN_XINDEX };
        let mut file = self.file.get(..IDENT).unwrap_or_default().to_vec();
        self.class.put(&mut file, self.header, &FILE_FIELDS);
        let mut sections = Vec::with_capacity(self.sections.len() * self.class.bytes_of(&SECTION_FIELDS));
        for section in &self.sections {
            self.class.put(&mut sections, section.values(), &SECTION_FIELDS);
        }
        Headers { file, sections }
    }
}

/// From this on, counts and indices of sections do not fit into the ELF header.
const SHN_LORESERVE: u64 = 0xff00;
const SHN_XINDEX: u64 = 0xffff;
/// Likewise the number of program headers.
const PN_XNUM: u64 = 0xffff;

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start.max(b.start) < a.end.min(b.end)
}

/// A part of a file; `None` if it reaches beyond the end.
fn range(file: &[u8], offset: u64, bytes: Option<u64>) -> Option<Range<usize>> {
    let end = usize::try_from(offset.checked_add(bytes?)?).ok().filter(|&end| end <= file.len())?;
    Some(usize::try_from(offset).ok()?..end)
}
