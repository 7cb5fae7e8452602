//! Finding files by what an image says of them: its debug link, its build id, its supplementary file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::elf::Image;
use crate::options::Search;
use crate::{Error, Result};

/// The file with the debugging information of a stripped image; `None` if it says nothing of one.
///
/// # Errors
/// The one that it names is of another build, or cannot be read.
pub(super) fn debug_file(image: &Image, search: &Search) -> Result<Option<Image>> {
    let directory = directory(image.path());
    if let Some(id) = image.build_id() {
        let directories = search.debug_directories.iter().map(PathBuf::as_path);
        for directory in directories.chain([directory.as_path()]) {
            if let Some(path) = by_build_id(directory, id).filter(|path| path.exists()) {
                let found = Image::open(&path)?;
                if found.build_id() == Some(id) {
                    return Ok(Some(found));
                }
            }
        }
    }
    let Some(link) = image.debug_link() else { return Ok(None) };
    let name = OsStr::from_bytes(link.name);
    let whole = directory.canonicalize().unwrap_or_else(|_| directory.clone());
    let below = whole.strip_prefix("/").unwrap_or(&whole);
    let mut candidates = vec![directory.join(name), directory.join(".debug").join(name)];
    candidates.extend(search.debug_directories.iter().map(|d| d.join(below).join(name)));
    let is_other = |path: &PathBuf| path.exists() && !same_file(path, image.path());
    let Some(path) = candidates.into_iter().find(is_other) else {
        let message = format!("its debugging information lies in {}, which was not found", name.display());
        return Err(
            Error::input(message).hint("put that file beside it, or name its directory with --debug-dir")
        );
    };
    let found = Image::open(&path)?;
    if found.checksum() != link.checksum {
        return Err(Error::input(format!("{} is of another build: its checksum differs", path.display()))
            .hint("give the debug file that was made with this one"));
    }
    Ok(Some(found))
}

/// The supplementary file of an image; `None` if it has none.
///
/// # Errors
/// It is not found, of another build, or cannot be read.
pub(super) fn supplementary(image: &Image, search: &Search) -> Result<Option<Image>> {
    let Some(link) = image.supplementary_link().filter(|link| !link.path.is_empty()) else {
        return search.supplementary.as_ref().map(Image::open).transpose();
    };
    let named = Path::new(OsStr::from_bytes(link.path));
    let directory = directory(image.path());
    let mut candidates = vec![directory.join(named)];
    // Paths of distributions are those of the installed file, which may lie here now.
    candidates.extend(named.file_name().map(|name| directory.join(name)));
    for root in &search.debug_directories {
        candidates.extend(by_build_id(root, link.id));
    }
    let path = search.supplementary.clone().or_else(|| candidates.into_iter().find(|path| path.exists()));
    let Some(path) = path else {
        let message = format!("a part of it lies in {}, which was not found", named.display());
        return Err(Error::input(message).hint("name the file that dwz made beside this one with --alt"));
    };
    let found = Image::open(&path)?;
    if found.supplementary_id() != Some(link.id) {
        return Err(Error::input(format!("{} is of another build: its build id differs", path.display()))
            .hint("give the supplementary file that was made with this one"));
    }
    Ok(Some(found))
}

/// Where a file lies.
pub(super) fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn by_build_id(root: &Path, id: &[u8]) -> Option<PathBuf> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (first, rest) = id.split_at_checked(1).filter(|(_, rest)| !rest.is_empty())?;
    Some(root.join(".build-id").join(hex(first)).join(hex(rest) + ".debug"))
}

fn same_file(a: &Path, b: &Path) -> bool {
    a.canonicalize().ok().is_some_and(|a| Some(a) == b.canonicalize().ok())
}
