//! How much memory a command will take, by what it took before.
//!
//! In: a command and its arguments, and runs of the same class: of programs of that name. Out: a [`Forecast`], or none
//! for a program that never ran. The same command takes what it took the last times, and a little more. Others of its
//! class are compared by the sizes of the files that they name.

use std::collections::hash_map::DefaultHasher;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::history::Run;
use super::margin::Forecast;

/// What is expected of a command, before its class teaches better: so much, and so much for each byte of its inputs.
const FLOOR: u64 = 16 << 20;
const PER_BYTE: u64 = 2;

/// How many times that linkers take, of all programs those that builds run out of memory with.
const LINKER_MARGIN: f64 = 1.5;
const LINKERS: [&str; 7] = ["ld", "ld.bfd", "ld.gold", "gold", "ld.lld", "ld.mold", "mold"];

/// Of the same command, so many runs count, and so much more than the largest of them is reserved.
const LAST: usize = 10;
const MORE: (f64, u64) = (1.10, 8 << 20);

/// Files that are looked at, and bytes of a file that lists others.
const MAX_INPUTS: usize = 100_000;
const MAX_LIST_BYTES: u64 = 4 << 20;

/// A command, as far as its memory depends on it.
#[derive(Debug, Clone)]
pub struct Command {
    name: String,
    key: u64,
    point: u64,
}

impl Command {
    /// Looks at a command, the program first, which is to be run in the current directory.
    pub fn new(command: &[OsString]) -> Command {
        let program = command.first().map_or(Path::new(""), Path::new);
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let args = command.get(1..).unwrap_or_default();
        // Names of temporary files differ from one time to the next.
        let temporary = std::env::temp_dir();
        let temporary = temporary.as_os_str().as_bytes();
        let is_lasting =
            |arg: &&OsString| !arg.as_bytes().windows(temporary.len().max(1)).any(|part| part == temporary);
        let mut hasher = DefaultHasher::new();
        std::env::current_dir().ok().hash(&mut hasher);
        args.iter().filter(is_lasting).for_each(|arg| arg.hash(&mut hasher));
        let point = FLOOR.saturating_add(inputs(args).saturating_mul(PER_BYTE));
        // Zero is for runs without a key.
        Command { name, key: hasher.finish().max(1), point }
    }

    /// The class of its runs.
    pub fn class(&self) -> String {
        format!("command-{}", self.name)
    }

    /// What it will take, by earlier runs of its class; nothing if there are none.
    pub fn forecast(&self, runs: &[Run]) -> Option<Forecast> {
        let worst = runs.iter().map(Run::ratio).reduce(f64::max);
        let is_linker = LINKERS.contains(&self.name.as_str());
        let shipped = if is_linker { LINKER_MARGIN } else { 0.0 };
        let mut forecast = Forecast::new(self.point, shipped, runs);
        if forecast.learned_from == 0 && !is_linker {
            // None of its size: as bad as the worst of others.
            forecast.margin = worst?;
            forecast.learned_from = runs.len();
        }
        let same: Vec<u64> =
            runs.iter().rev().filter(|run| run.key == self.key).take(LAST).map(|run| run.peak).collect();
        let Some(&most) = same.iter().max() else { return Some(forecast) };
        let (times, more) = MORE;
        // One low figure is no reason to forget what all others say.
        let least = forecast.bytes() / if same.len() < 3 { 2 } else { 4 };
        let bytes = ((most as f64 * times) as u64).saturating_add(more).max(least);
        Some(Forecast { point: most, margin: bytes as f64 / most.max(1) as f64, learned_from: same.len() })
    }

    /// That it took so much.
    pub fn took(&self, peak: u64) -> Run {
        Run::now(self.key, self.point, peak)
    }
}

/// Bytes of the files that arguments name, themselves or in a list (`@FILE`).
fn inputs(args: &[OsString]) -> u64 {
    let mut sum = 0_u64;
    let mut left = MAX_INPUTS;
    let mut add = |name: &OsStr| {
        left = left.saturating_sub(1);
        if left > 0
            && let Ok(meta) = fs::metadata(name)
            && meta.is_file()
        {
            sum = sum.saturating_add(meta.len());
        }
    };
    let mut is_output = false;
    for arg in args {
        if std::mem::replace(&mut is_output, arg == "-o") || arg.as_bytes().first() == Some(&b'-') {
            continue;
        }
        let Some(list) = arg.as_bytes().strip_prefix(b"@") else {
            add(arg);
            continue;
        };
        let list = Path::new(OsStr::from_bytes(list));
        if fs::metadata(list).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_LIST_BYTES) {
            let text = fs::read(list).unwrap_or_default();
            let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.for_each(|word| add(OsStr::from_bytes(word)));
        }
    }
    sum
}
