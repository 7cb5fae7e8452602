//! Under the name of a linker, `btfgen` is that linker, run when there is room for it: whoever puts such a link before
//! it in `PATH` need not change a build.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use btfgen::admission::jobserver::environment;
use btfgen::{Error, Result};

/// The names.
const NAMES: [&str; 7] = ["ld", "ld.bfd", "ld.gold", "ld.lld", "ld.mold", "gold", "mold"];

/// The name by which the program was called, if it is that of a linker.
pub(crate) fn called_as(name: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|known| name == *known)
}

/// The command line that runs the real linker: what was given, below `btfgen admit`.
///
/// # Errors
/// There is no other program of that name.
pub(crate) fn command_line(name: &str, args: &[OsString]) -> Result<Vec<OsString>> {
    let real = real(name).ok_or_else(|| {
        let missing =
            Error::io("there is no other program of that name", std::io::ErrorKind::NotFound.into());
        missing.in_file(Path::new(name)).hint("btfgen runs the next one in PATH")
    })?;
    let own = args.iter().skip(1).cloned();
    Ok(["btfgen".into(), "admit".into(), "--".into(), real.into()].into_iter().chain(own).collect())
}

/// The first program of that name in `PATH` behind the last one that is this program: so that several copies of this
/// program never call each other in a circle.
fn real(name: &str) -> Option<PathBuf> {
    let identity = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let own = std::env::current_exe().ok().and_then(|path| identity(&path));
    let path = environment("PATH")?;
    let is_program = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let found = std::env::split_paths(&path).map(|directory| directory.join(name)).filter(is_program);
    let found: Vec<_> = found.collect();
    let after = found.iter().rposition(|path| identity(path) == own).map_or(0, |at| at + 1);
    found.into_iter().nth(after)
}
