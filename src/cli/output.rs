//! Where results go: whole or not at all.
//!
//! A regular file is written beside its place under another name and then renamed, so that whatever fails
//! leaves what was there, and nobody ever reads half a result. What is no regular file (a pipe, a device) is
//! written to directly, at the end, in one go.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use btfgen::{Error, Result};
use tempfile::NamedTempFile;

use super::signals::Unfinished;

/// Where a result shall go, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// `-`
    Stdout,
    /// A path.
    File(PathBuf),
    /// Sections of the input, the file at this path.
    Input(PathBuf),
}

impl Destination {
    /// The file of that name with one more ending.
    pub(crate) fn beside(&self, ending: &str) -> Option<Destination> {
        match self {
            Destination::File(path) => {
                let mut path = path.clone().into_os_string();
                path.push(".");
                path.push(ending);
                Some(Destination::File(path.into()))
            }
            _ => None,
        }
    }

    /// The path, or the name of standard output in messages.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Destination::Stdout => Path::new("standard output"),
            Destination::File(path) | Destination::Input(path) => path,
        }
    }
}

/// A destination that was looked at before the work began.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    destination: &'a Destination,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Stdout,
    /// Something that is no regular file.
    Direct,
    /// A regular file or none yet: the path behind symbolic links, and whose mode and owner it gets.
    Replace(PathBuf, Option<Metadata>),
}

impl<'a> Target<'a> {
    /// Looks at a destination, so that a plain mistake ends the run before the work, not after it.
    ///
    /// # Errors
    /// It is a directory, in no directory, or one of the files in `read`, the first of which is the input.
    pub(crate) fn new(destination: &'a Destination, read: &[&Path]) -> Result<Self> {
        let path = match destination {
            Destination::Stdout => return Ok(Target { destination, place: Place::Stdout }),
            Destination::Input(path) => {
                let place = rewritable(path).map_err(|e| match e.kind() {
                    io::ErrorKind::NotFound => Error::io("cannot open", e).in_file(path),
                    _ => cannot_write(path, e),
                })?;
                return Ok(Target { destination, place });
            }
            Destination::File(path) => path,
        };
        let place = match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(meta) if !meta.is_file() => Ok(Place::Direct),
            Ok(meta) => {
                let same = |i: fs::Metadata| (i.dev(), i.ino()) == (meta.dev(), meta.ino());
                if let Some(i) = read.iter().position(|path| fs::metadata(path).is_ok_and(same)) {
                    let what = if i == 0 { "input" } else { "base" };
                    let message = format!("is the {what}; the output would replace it");
                    return Err(Error::usage(message).in_file(path));
                }
                fs::canonicalize(path).map(|path| Place::Replace(path, None))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                not_yet_there(path).map(|path| Place::Replace(path, None))
            }
            Err(e) => Err(e),
        };
        let place = place.map_err(|e| cannot_write(path, e))?;
        Ok(Target { destination, place })
    }

    /// True if both would replace the same file, or share standard output.
    pub(crate) fn collides_with(&self, other: &Target<'_>) -> bool {
        match (&self.place, &other.place) {
            (Place::Stdout, Place::Stdout) => true,
            (Place::Replace(a, _), Place::Replace(b, _)) => a == b,
            _ => false,
        }
    }

    /// Writes the bytes, which come in pieces, so far that only [`Staged::commit`] remains. A staged result
    /// that is dropped leaves nothing behind.
    ///
    /// # Errors
    /// The system refused.
    pub(crate) fn stage<'b>(&'b self, pieces: Vec<&'b [u8]>) -> Result<Staged<'b>> {
        let Place::Replace(path, like) = &self.place else {
            return Ok(Staged { target: self, pieces, beside: None });
        };
        let written = create_beside(path, like.as_ref()).and_then(|mut beside| {
            write_all(beside.file.as_file_mut(), &pieces)?;
            Ok(beside)
        });
        let beside = written.map_err(|e| cannot_write(self.destination.path(), e))?;
        Ok(Staged { target: self, pieces, beside: Some(beside) })
    }
}

/// A result that is ready to appear.
#[derive(Debug)]
pub(crate) struct Staged<'b> {
    target: &'b Target<'b>,
    pieces: Vec<&'b [u8]>,
    beside: Option<Beside>,
}

/// A file beside its place.
#[derive(Debug)]
struct Beside {
    file: NamedTempFile<File>,
    unfinished: Unfinished,
}

impl Staged<'_> {
    /// True if all of it is written and only its name is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.beside.is_some()
    }

    /// Makes the result appear.
    ///
    /// # Errors
    /// The system refused.
    pub(crate) fn commit(self) -> Result<()> {
        let path = self.target.destination.path();
        let done = match (&self.target.place, self.beside) {
            (Place::Replace(place, _), Some(Beside { file, unfinished })) => {
                let done = file.persist(place).map(drop).map_err(|e| e.error);
                drop(unfinished);
                done
            }
            (Place::Stdout, _) => stdout().and_then(|mut file| write_all(&mut file, &self.pieces)),
            _ => {
                let file = OpenOptions::new().write(true).open(path);
                file.and_then(|mut file| write_all(&mut file, &self.pieces))
            }
        };
        done.map_err(|e| cannot_write(path, e))
    }
}

/// Writes text to standard output. False if nobody reads it any more, which is no error.
///
/// # Errors
/// The system refused.
pub(crate) fn print(text: &[u8]) -> Result<bool> {
    match stdout().and_then(|mut file| file.write_all(text)) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(cannot_write(Destination::Stdout.path(), e)),
    }
}

/// True if standard output is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Standard output without the buffer that looks for the ends of lines.
fn stdout() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// The place of a file that does not exist yet; a symbolic link to nothing is followed.
fn not_yet_there(path: &Path) -> io::Result<PathBuf> {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut path = path.to_owned();
    // As many links as the kernel follows.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(to) => path = parent(&path).join(to),
            Err(_) => {
                let name = path.file_name().ok_or(io::ErrorKind::NotFound)?;
                return Ok(fs::canonicalize(parent(&path))?.join(name));
            }
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// The place of an existing file that shall be written anew.
fn rewritable(path: &Path) -> io::Result<Place> {
    // It is replaced, not written to; but who may not write to it may not want it to be replaced either.
    match OpenOptions::new().write(true).open(path) {
        Err(e) if e.kind() != io::ErrorKind::ExecutableFileBusy => Err(e),
        _ => Ok(Place::Replace(fs::canonicalize(path)?, Some(fs::metadata(path)?))),
    }
}

fn write_all(file: &mut File, pieces: &[&[u8]]) -> io::Result<()> {
    pieces.iter().try_for_each(|piece| file.write_all(piece))
}

/// A new file in the directory of `path`: with the mode that a plain create gives, or with mode and owner of
/// the file that it replaces.
fn create_beside(path: &Path, like: Option<&Metadata>) -> io::Result<Beside> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mode = if like.is_some() { 0o600 } else { 0o666 };
    let mut unfinished = None;
    let create = |path: &Path| {
        unfinished = Some(Unfinished::new(path));
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
    };
    let file = tempfile::Builder::new().prefix(".btfgen-").make_in(directory, create)?;
    if let Some(like) = like {
        // Only root can give files away. To others this file belongs as any that they make.
        let _ = fchown(file.as_file(), Some(like.uid()), Some(like.gid()));
        // After the owner, since a change of that takes away some bits.
        file.as_file().set_permissions(like.permissions())?;
    }
    let unfinished = unfinished.unwrap_or_else(|| Unfinished::new(file.path()));
    Ok(Beside { file, unfinished })
}

fn cannot_write(path: &Path, error: io::Error) -> Error {
    Error::io("cannot write", error).in_file(path)
}
