//! Files that hold BTF: raw, or in a section of an ELF file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use btfgen::btf::Btf;
use btfgen::{Error, Image, Result};

use super::signals;

/// A file that holds BTF in one way or the other.
pub(crate) enum Source {
    Raw(Vec<u8>),
    Elf(Image),
}

impl Source {
    /// Opens a file by what it begins with.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let (mut source, rest) = Self::begin(path)?;
        source.finish(rest, path)?;
        Ok(source)
    }

    /// The same, but of BTF that stands for itself the rest is still to be read, from the file that comes with it.
    fn begin(path: &Path) -> Result<(Self, Option<File>)> {
        let cannot_read = |e| Error::io("cannot read", e).in_file(path);
        let place = if path.as_os_str() == "-" { Path::new("/dev/stdin") } else { path };
        let mut file = File::open(place).map_err(|e| Error::io("cannot open", e).in_file(path))?;
        if file.metadata().map_err(cannot_read)?.is_dir() {
            return Err(Error::input("is a directory, not BTF").in_file(path));
        }
        let mut data = Vec::new();
        file.by_ref().take(4).read_to_end(&mut data).map_err(cannot_read)?;
        match data.as_slice() {
            [] => Err(Error::input("the file is empty").in_file(path)),
            // Image also opens what is compressed as a whole: gzip, xz, Zstandard.
            b"\x7fELF" | [0x1f, 0x8b, ..] | [0xfd, b'7', b'z', b'X'] | [0x28, 0xb5, 0x2f, 0xfd] => {
                signals::expect_of(place);
                Image::open(place).map(|image| (Source::Elf(image), None))
            }
            [0x9f, 0xeb, ..] | [0xeb, 0x9f, ..] => Ok((Source::Raw(data), Some(file))),
            _ => Err(Error::input("is neither BTF nor an ELF file").in_file(path)),
        }
    }

    /// Reads the rest.
    fn finish(&mut self, rest: Option<File>, path: &Path) -> Result<()> {
        if let (Source::Raw(data), Some(file)) = (self, rest) {
            // No BTF is longer: its sections are counted with 32 bits.
            let read = file.take(3 << 32).read_to_end(data);
            read.map_err(|e| Error::io("cannot read", e).in_file(path))?;
        }
        Ok(())
    }

    /// The BTF itself.
    pub(crate) fn btf(&self) -> Result<&[u8]> {
        match self {
            Source::Raw(data) => Ok(data),
            Source::Elf(image) => self.section(b".BTF")?.ok_or_else(|| {
                let error = Error::input("has no section .BTF");
                match image.section(b".debug_info") {
                    Some(_) => error.hint("it has DWARF: encode it, and give the BTF instead"),
                    None => error,
                }
            }),
        }
    }

    /// Whether there is any BTF in it.
    pub(crate) fn has_btf(&self) -> Result<bool> {
        match self {
            Source::Raw(_) => Ok(true),
            Source::Elf(_) => Ok(self.section(b".BTF")?.is_some()),
        }
    }

    /// Whether it has DWARF and no BTF.
    pub(crate) fn is_only_dwarf(&self) -> bool {
        let has = |image: &Image, name: &[u8]| image.section(name).is_some();
        match self {
            Source::Raw(_) => false,
            Source::Elf(image) => !has(image, b".BTF") && has(image, b".debug_info"),
        }
    }

    /// Whether its numbers begin with the highest byte.
    pub(crate) fn is_big_endian(&self) -> bool {
        // The sixth byte of an ELF file.
        matches!(self, Source::Elf(image) if image.bytes().get(5) == Some(&2))
    }

    /// Gives the BTF to `f`: above the base that the file carries, else above the given one.
    ///
    /// # Errors
    /// It holds none, or one that does not fit the base; and those of `f`.
    pub(crate) fn with_btf<T>(
        &self,
        base: Option<&Btf<'_>>,
        f: impl FnOnce(&Btf<'_>) -> Result<T>,
    ) -> Result<T> {
        let data = self.btf()?;
        let carried = self.section(b".BTF.base")?;
        let carried = carried.map(Btf::parse).transpose().map_err(|e| e.hint("its .BTF.base"))?;
        match carried.as_ref().or(base) {
            Some(base) => f(&Btf::parse_split(data, base)?),
            None => f(&Btf::parse(data).map_err(|e| e.hint("is it split from a --base?"))?),
        }
    }

    /// A section of an ELF file, if it has content.
    pub(crate) fn section(&self, name: &[u8]) -> Result<Option<&[u8]>> {
        match self {
            Source::Raw(_) => Ok(None),
            Source::Elf(image) => Ok(Some(image.content_of(name)?).filter(|data| !data.is_empty())),
        }
    }
}

/// How large a base is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BaseSize {
    /// Its BTF, in bytes.
    pub(crate) bytes: u64,
    /// Bytes of memory that will hold the file, which the system cannot take and read again.
    pub(crate) held_bytes: u64,
}

/// A file that holds what others are split from. It is read late: whoever waits for memory shall not have read what it
/// needs it for.
pub(crate) struct BaseFile<'p> {
    source: Source,
    rest: Option<File>,
    path: &'p Path,
}

impl<'p> BaseFile<'p> {
    /// Opens a file as [`Source::open`] does.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn open(path: &'p Path) -> Result<Self> {
        let (mut source, mut rest) = Source::begin(path)?;
        // How much will come through a pipe nobody knows.
        let is_file = |file: &File| file.metadata().is_ok_and(|meta| meta.is_file());
        if !rest.as_ref().is_some_and(is_file) {
            source.finish(rest.take(), path)?;
        }
        Ok(BaseFile { source, rest, path })
    }

    /// What it will take.
    ///
    /// # Errors
    /// The file holds no BTF.
    pub(crate) fn size(&self) -> Result<BaseSize> {
        let bytes = match &self.rest {
            Some(file) => file.metadata().map(|meta| meta.len()).map_err(|e| Error::io("cannot read", e)),
            None => self.source.btf().map(|data| data.len() as u64),
        };
        let bytes = bytes.map_err(|e| e.in_file(self.path))?;
        let held_bytes = match &self.source {
            Source::Raw(_) => bytes,
            Source::Elf(image) => image.held_bytes(),
        };
        Ok(BaseSize { bytes, held_bytes })
    }

    /// The base.
    ///
    /// # Errors
    /// The file cannot be read, holds no BTF, or one that is itself split.
    pub(crate) fn btf(&mut self) -> Result<Btf<'_>> {
        self.source.finish(self.rest.take(), self.path)?;
        let parse = |data| {
            Btf::parse(data).map_err(|e| e.hint("the base must be a BTF of its own, such as vmlinux has"))
        };
        self.source.btf().and_then(parse).map_err(|e| e.in_file(self.path))
    }
}
