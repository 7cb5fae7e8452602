//! Sets sections of an ELF file that is otherwise finished, as `objcopy --add-section` would, but keeping
//! every other byte.
//!
//! In come the bytes of a file and what sections shall hold, out goes a [`Rewrite`], which borrows what
//! stays. What stays has its bytes, its place, its address and its section index. New are only the fields of
//! the ELF header that tell where the section headers are, and a tail at the end of the file:
//!
//! ```text
//! | old file, without its tail | contents | section names | section headers |
//! ```
//!
//! The old tail is known by what it is made of, whoever wrote it: setting the same sections twice gives the
//! same file as setting them once.

use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;

use object::elf as spec;

use super::raw::{Elf, Section};
use crate::{Error, Result};

/// What shall become of a section.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// What it shall hold, at least one byte; `None` removes it. Its header then stays as one of type
    /// `SHT_NULL`, unless it is the last: symbols and other headers refer to sections by index.
    pub content: Option<&'a [u8]>,
}

/// What to do with the signature at the end of a kernel module, which no change leaves valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signature {
    /// A signed file is an error.
    #[default]
    Refuse,
    /// The new file has none.
    Drop,
}

/// A file as it shall be, in pieces.
#[derive(Debug)]
pub struct Rewrite<'a> {
    pieces: Vec<Cow<'a, [u8]>>,
}

impl Rewrite<'_> {
    /// The pieces, in the order of the file.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(AsRef::as_ref)
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.pieces().map(|piece| piece.len() as u64).sum()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// What `out` gives.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        self.pieces().try_for_each(|piece| out.write_all(piece))
    }
}

/// Sets or removes sections of the ELF file with the bytes `file`; each is named once.
///
/// A section that is set becomes `SHT_PROGBITS`, not loaded, aligned to 4 bytes, as BTF wants it. One that is
/// loaded keeps its header and its place, which the new content must fill exactly.
///
/// Needs memory for the section headers and their names, and nothing that grows with the rest of the file.
///
/// # Errors
/// A content is empty; the file is damaged, cut short or signed, or has no section names; there are several
/// sections of a name; a section to be changed has relocations, or is loaded and the content does not fit; the
/// file would be too large for its class.
pub fn set_sections<'a>(file: &'a [u8], changes: &[Change<'a>], signature: Signature) -> Result<Rewrite<'a>> {
    let file = match (without_signature(file)?, signature) {
        (None, _) => file,
        (Some(content), Signature::Drop) => content,
        (Some(_), Signature::Refuse) => {
            return Err(Error::input("is a signed module, and any change breaks its signature")
                .hint("encode it before it is signed"));
        }
    };
    let mut elf = Elf::read(file)?;
    let mut plan = Plan::new(&mut elf, changes)?;
    plan.cut_tail(&elf);
    plan.place(&mut elf)?;
    plan.finish(elf)
}

/// What `sign-file` of the kernel appends: the signature, then 12 bytes of which the last 4 are the size of
/// the signature, then this.
const SIGNED: &[u8] = b"~Module signature appended~\n";

/// The file in front of its signature; `None` if it has none.
fn without_signature(file: &[u8]) -> Result<Option<&[u8]>> {
    let Some(rest) = file.strip_suffix(SIGNED) else { return Ok(None) };
    let content = rest.split_last_chunk::<12>().and_then(|(rest, &[.., a, b, c, d])| {
        let bytes = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        rest.get(..rest.len().checked_sub(bytes)?)
    });
    content.map(Some).ok_or_else(|| Error::input("the signature at its end is damaged"))
}

/// Between the parts of a tail there are at most so many bytes of padding, less one.
const TAIL_ALIGN: usize = 8;

/// Alignment of the contents, in bytes: that of the records of BTF.
const CONTENT_ALIGN: usize = 4;

/// What is decided about a rewrite.
struct Plan<'a> {
    /// Sections that get a content and have no place yet.
    set: Vec<(usize, &'a [u8])>,
    /// Where the sections that are set or removed, and the names, had their contents.
    given_up: Vec<(usize, Range<usize>)>,
    /// Sections that are removed.
    removed: Vec<usize>,
    /// Bytes that go over those of the old file, by their offset.
    over: Vec<(usize, Cow<'a, [u8]>)>,
    /// Names of sections.
    names: Cow<'a, [u8]>,
    /// Bytes of the old file up to the end of the last part that stays for sure.
    floor: usize,
    /// Bytes of the old file that stay: those, and what nobody knows behind them.
    kept: usize,
    /// What comes behind them.
    tail: Vec<Cow<'a, [u8]>>,
    /// Bytes of both.
    end: usize,
}

impl<'a> Plan<'a> {
    /// Finds the sections of the changes, makes headers for those that do not exist yet, and refuses what
    /// cannot be.
    fn new(elf: &mut Elf<'a>, changes: &[Change<'a>]) -> Result<Self> {
        let names = elf.content(elf.names)?;
        let mut plan = Plan {
            set: Vec::new(),
            given_up: Vec::new(),
            removed: Vec::new(),
            over: Vec::new(),
            names: Cow::Borrowed(names),
            floor: 0,
            kept: elf.file.len(),
            tail: Vec::new(),
            end: elf.file.len(),
        };
        let old = elf.sections.len();
        for change in changes {
            if change.content.is_some_and(<[u8]>::is_empty) {
                return Err(Error::usage("a section without content cannot be set"));
            }
            let mut known = (1..old).filter(|&i| elf.has_name(i, names, change.name));
            match (known.next(), known.next(), change.content) {
                (Some(index), None, _) => plan.change(elf, index, change)?,
                (Some(_), Some(_), _) => {
                    let name = String::from_utf8_lossy(change.name).into_owned();
                    return Err(Error::input(format!("has several sections {name}"))
                        .hint("remove them with objcopy --remove-section"));
                }
                (None, _, Some(content)) => {
                    let name = plan.name(change.name)?;
                    plan.set.push((elf.sections.len(), content));
                    elf.sections.push(Section { name, ..Section::default() });
                }
                (None, _, None) => {}
            }
        }
        if elf.sections.get(elf.names).is_some_and(|s| !s.is_loaded()) {
            plan.given_up.push((elf.names, elf.own_place(elf.names)?));
        }
        Ok(plan)
    }

    fn change(&mut self, elf: &Elf<'a>, index: usize, change: &Change<'a>) -> Result<()> {
        let (name, content) = (|| String::from_utf8_lossy(change.name), change.content);
        if index == elf.names {
            return Err(Error::input(format!("section {} holds the names of sections", name())));
        }
        if elf.has_relocations(index) {
            return Err(Error::input(format!("section {} has relocations", name()))
                .hint("it was made by a compiler, not by an encoder; compile without it"));
        }
        let place = elf.own_place(index)?;
        if elf.sections.get(index).is_some_and(Section::is_loaded) && !place.is_empty() {
            // The program knows its bounds by address, and what comes behind it has addresses, too.
            return match content {
                Some(content) if content.len() == place.len() => {
                    self.over.push((place.start, Cow::Borrowed(content)));
                    Ok(())
                }
                _ => Err(Error::input(format!(
                    "section {} is loaded and has {} bytes, which cannot be changed after linking to {}",
                    name(),
                    place.len(),
                    content.map_or(0, <[u8]>::len),
                ))
                .hint("encode the file as it is before its BTF is linked in, or write the BTF to a file of its own")),
            };
        }
        match content {
            Some(content) => self.set.push((index, content)),
            None => self.removed.push(index),
        }
        self.given_up.push((index, place));
        Ok(())
    }

    /// The offset of a name among the names, where it is put if it is not there.
    fn name(&mut self, name: &[u8]) -> Result<u64> {
        let terminated = [name, &[0]].concat();
        let known = self.names.windows(terminated.len()).position(|window| window == terminated);
        let offset = known.unwrap_or_else(|| {
            let names = self.names.to_mut();
            names.extend(terminated);
            names.len() - name.len() - 1
        });
        // A section header has 32 bits for it.
        u32::try_from(offset).map(u64::from).map_err(|_| Error::input("its section names exceed 4 GiB"))
    }

    /// Takes off the end of the old file what is given up: section headers, names, old contents.
    fn cut_tail(&mut self, elf: &Elf<'a>) {
        let given_up = |index: usize| self.given_up.iter().any(|(i, _)| *i == index);
        let staying = (0..elf.sections.len()).filter(|&i| !given_up(i)).filter_map(|i| elf.place(i).ok());
        let staying = staying.chain(elf.fixed.iter().chain(&elf.segments).cloned());
        self.floor = staying.map(|place| place.end).max().unwrap_or(0);
        let mut parts: Vec<_> = self.given_up.iter().map(|(_, place)| place.clone()).collect();
        parts.push(elf.table.clone());
        parts.retain(|part| !part.is_empty() && part.start >= self.floor);
        parts.sort_by_key(|part| (part.end, part.start));
        while let Some(part) = parts.pop() {
            let padding = elf.file.get(part.end..self.kept).unwrap_or(&[1]);
            if padding.len() >= TAIL_ALIGN || padding.iter().any(|&byte| byte != 0) {
                break;
            }
            self.kept = part.start;
        }
        self.end = self.kept;
    }

    /// Gives every content and the names their place.
    fn place(&mut self, elf: &mut Elf<'a>) -> Result<()> {
        for (index, content) in std::mem::take(&mut self.set) {
            // Where it lay before it can lie again if there is room, it is not loaded there, and it will not
            // be taken for a part of the tail.
            let old = self.given_up.iter().find(|(i, _)| *i == index).map(|(_, place)| place.clone());
            let old = old.filter(|place| {
                place.end <= self.floor
                    && place.len() >= content.len()
                    && place.start.is_multiple_of(CONTENT_ALIGN)
                    && elf.is_unloaded(place)
            });
            let offset = match old {
                Some(place) => {
                    let rest = vec![0; place.len() - content.len()];
                    self.over.push((place.start + content.len(), Cow::Owned(rest)));
                    self.over.push((place.start, Cow::Borrowed(content)));
                    place.start
                }
                None => {
                    self.align(CONTENT_ALIGN);
                    self.append(Cow::Borrowed(content))
                }
            };
            let Some(section) = elf.sections.get_mut(index) else { continue };
            *section = Section {
                name: section.name,
                kind: u64::from(spec::SHT_PROGBITS.0),
                offset: offset as u64,
                size: content.len() as u64,
                align: CONTENT_ALIGN as u64,
                ..Section::default()
            };
        }
        let names_stay = matches!(self.names, Cow::Borrowed(_)) && elf.place(elf.names)?.end <= self.kept;
        if !names_stay {
            let size = self.names.len() as u64;
            let names = std::mem::take(&mut self.names);
            let offset = self.append(names) as u64;
            let section = elf.sections.get_mut(elf.names).filter(|s| !s.is_loaded());
            let section = section.ok_or_else(|| Error::input("its section names are loaded"))?;
            (section.offset, section.size) = (offset, size);
        }
        for &index in &self.removed {
            if let Some(section) = elf.sections.get_mut(index) {
                *section = Section::default();
            }
        }
        while self.removed.contains(&elf.sections.len().wrapping_sub(1)) {
            elf.sections.pop();
        }
        Ok(())
    }

    /// Writes the section headers and what the ELF header says about them.
    fn finish(mut self, mut elf: Elf<'a>) -> Result<Rewrite<'a>> {
        self.align(TAIL_ALIGN);
        let table = self.end;
        let headers = elf.headers(table as u64);
        self.append(Cow::Owned(headers.sections));
        self.over.push((0, Cow::Owned(headers.file)));
        if !elf.class.is_64 && u32::try_from(self.end).is_err() {
            return Err(Error::input("it would exceed the 4 GiB of a 32-bit ELF file"));
        }
        self.over.sort_by_key(|(offset, _)| *offset);
        let mut pieces = Vec::with_capacity(2 * self.over.len() + 1 + self.tail.len());
        let mut at = 0;
        let overlap = || Error::input("its sections overlap");
        for (offset, bytes) in self.over {
            pieces.push(Cow::Borrowed(elf.file.get(at..offset).ok_or_else(overlap)?));
            at = offset + bytes.len();
            pieces.push(bytes);
        }
        pieces.push(Cow::Borrowed(elf.file.get(at..self.kept).ok_or_else(overlap)?));
        pieces.append(&mut self.tail);
        pieces.retain(|piece| !piece.is_empty());
        Ok(Rewrite { pieces })
    }

    /// Adds a part to the tail and gives its offset in the file.
    fn append(&mut self, part: Cow<'a, [u8]>) -> usize {
        let offset = self.end;
        self.end += part.len();
        self.tail.push(part);
        offset
    }

    fn align(&mut self, align: usize) {
        let padding = self.end.next_multiple_of(align) - self.end;
        self.append(Cow::Owned(vec![0; padding]));
    }
}
