//! The modules of a kernel: where they are found, and how they are spread over threads.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use btfgen::{Error, Result, Throttle, Workers};
use rustix::fs::{Advice, fadvise};

/// What a module is called by.
const ENDINGS: [&str; 4] = [".ko", ".ko.xz", ".ko.gz", ".ko.zst"];

/// Adds a file, or all modules below a directory, with their sizes in bytes.
///
/// # Errors
/// The system refused.
pub(crate) fn collect(input: &Path, modules: &mut Vec<(u64, PathBuf)>) -> Result<()> {
    let cannot_read = |e| Error::io("cannot read", e).in_file(input);
    let meta = fs::metadata(input).map_err(cannot_read)?;
    if !meta.is_dir() {
        modules.push((meta.len(), input.to_owned()));
        return Ok(());
    }
    let entries = fs::read_dir(input).map_err(cannot_read)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(cannot_read)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type().map_err(cannot_read)?);
        // A link to a directory may lead back to it.
        if kind.is_dir() || !path.is_dir() && stem(&path).is_some() {
            collect(&path, modules)?;
        }
    }
    Ok(())
}

/// Where modules were looked for and there are none.
pub(crate) fn no_module() -> Error {
    Error::input("there is no module").hint("their names end in .ko, .ko.xz, .ko.gz or .ko.zst")
}

/// The name of a module without its ending; `None` if it is none.
pub(crate) fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).map(str::to_owned)
}

/// Has the system read a file whose turn is soon, so that nobody waits for the disk then.
pub(crate) fn read_ahead(path: &Path) {
    // Whoever needs it says what is wrong with it.
    let _ = fs::File::open(path).map(|file| fadvise(file, 0, None, Advice::WillNeed));
}

/// Does `work`, given the numbers of the team and of the item, for each of `items`, one after the other in each team,
/// and tells each result as soon as there is one: the number of the item, the item and what came of it, never two at a
/// time. No team takes up the work of another. Of the teams, as many begin another one as `throttle` lets workers go on.
pub(crate) fn each<T: Sync, R>(
    items: &[T],
    teams: &[Workers],
    throttle: &Throttle,
    work: impl Fn(usize, usize, &T) -> R + Sync,
    tell: impl FnMut(usize, &T, R) + Send,
) {
    let (next, tell) = (AtomicUsize::new(0), Mutex::new(tell));
    let run = |team: usize| {
        let is_over = || next.load(Ordering::Relaxed) >= items.len();
        while let Some(_busy) = throttle.enter(team, is_over) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else { return };
            let result = work(team, number, item);
            let Ok(mut tell) = tell.lock() else { return };
            (*tell)(number, item, result);
        }
    };
    std::thread::scope(|scope| {
        for (number, team) in teams.iter().enumerate() {
            let run = &run;
            scope.spawn(move || team.run(|| run(number)));
        }
    });
}
