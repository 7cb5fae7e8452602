//! The jobserver of GNU make, as a client: how many workers may run beside the first.
//!
//! In: the environment. Out: [`Slots`], which is one slot that every command owns, and as many tokens as
//! the jobserver gives. Workers beyond the first need a token each; tokens are asked for only while there is
//! work, and given back on every exit, also that of a process that was killed: see [`Slots::want`].

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::makeflags::{Auth, MakeFlags, parse_auth};
use super::sys;
use super::warden::Warden;
use crate::{Error, Result};

/// The slots of this process in a build.
#[derive(Debug)]
pub struct Slots {
    server: Option<(OwnedFd, OwnedFd)>,
    warden: Option<Warden>,
    held: usize,
}

/// What the environment says about jobs.
#[derive(Debug)]
pub enum Jobserver {
    /// Nobody limits: the program decides by itself.
    None,
    /// There is a jobserver, and these are the slots that it gives.
    Slots(Slots),
}

impl Jobserver {
    /// Looks for a jobserver in the environment.
    ///
    /// `BTFGEN_JOBSERVER` goes before all others: `off`, `fifo:PATH` or `R,W`. Then `CARGO_MAKEFLAGS` if a build script
    /// of cargo started this, then `MAKEFLAGS`. One that is not valid is passed over. If make has a jobserver that
    /// cannot be used, as in rules that are not marked as recursive, the one slot that every command owns is all.
    ///
    /// # Errors
    /// `BTFGEN_JOBSERVER` makes no sense.
    pub fn find(environment: impl Fn(&str) -> Option<OsString>) -> Result<Jobserver> {
        if let Some(own) = environment("BTFGEN_JOBSERVER").filter(|value| !value.is_empty()) {
            if own == "off" {
                return Ok(Jobserver::None);
            }
            let auth = parse_auth(own.as_bytes());
            let opened = open(&auth).ok_or_else(|| {
                let message = format!("BTFGEN_JOBSERVER={} is no jobserver", own.to_string_lossy());
                Error::usage(message).hint("it is off, fifo:PATH or R,W")
            })?;
            return Ok(Jobserver::Slots(Slots::new(Some(opened))));
        }
        let in_build_script = environment("OUT_DIR").is_some() && environment("NUM_JOBS").is_some();
        let names = if in_build_script { &["CARGO_MAKEFLAGS", "MAKEFLAGS"][..] } else { &["MAKEFLAGS"] };
        let mut is_limited = false;
        for flags in names.iter().filter_map(|name| environment(name)).map(|value| MakeFlags::parse(&value)) {
            is_limited |= !matches!(flags.auth, Auth::None);
            if flags.dry_run {
                return Ok(Jobserver::Slots(Slots::new(None)));
            }
            if let Some(opened) = open(&flags.auth) {
                return Ok(Jobserver::Slots(Slots::new(Some(opened))));
            }
        }
        Ok(if is_limited { Jobserver::Slots(Slots::new(None)) } else { Jobserver::None })
    }
}

impl Slots {
    fn new(server: Option<(OwnedFd, OwnedFd)>) -> Self {
        Slots { server, warden: None, held: 0 }
    }

    /// Asks for `extra` slots beside the own one; fewer than before gives the others back at once. The first
    /// call that asks for any starts a small process, which holds the tokens and survives this one.
    pub fn want(&mut self, extra: usize) {
        if self.warden.is_none() && extra > 0 {
            // Without a warden there are no tokens that could be lost, and no workers either.
            self.warden = self.server.as_ref().and_then(|(read, write)| Warden::start(read, write).ok());
        }
        if let Some(warden) = &mut self.warden {
            warden.want(extra);
            self.held = self.held.min(extra);
        }
    }

    /// Waits until there are `extra` slots beside the own one, or the time is over; returns how many there are.
    pub fn wait(&mut self, extra: usize, limit: Duration) -> usize {
        self.held = self.warden.as_mut().map_or(0, |warden| warden.wait(extra, limit));
        self.held
    }

    /// Workers that may run now: the own slot and those that were got.
    pub fn workers(&self) -> usize {
        1 + self.held
    }

    /// Gives all tokens back and forgets the jobserver: only the own slot remains.
    pub fn finish(&mut self) {
        self.warden = None;
        self.server = None;
        self.held = 0;
    }
}

/// Opens a jobserver: its ends to read, without blocking, and to write. Nothing if it is none that can be used.
fn open(auth: &Auth) -> Option<(OwnedFd, OwnedFd)> {
    match auth {
        Auth::Fifo(path) => open_fifo(path),
        Auth::Pipe(read, write) => open_pipe(*read, *write),
        Auth::None | Auth::NotForUs | Auth::Unknown(_) => None,
    }
}

fn open_fifo(path: &Path) -> Option<(OwnedFd, OwnedFd)> {
    // Opened to write as well, it never looks as if the last writer had left; and a regular file is not opened.
    let is_token_file = |kind: fs::FileType| kind.is_fifo() || kind.is_char_device();
    if !is_token_file(fs::metadata(path).ok()?.file_type()) {
        return None;
    }
    let flags = (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits() as i32;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).ok()?;
    if !is_token_file(file.metadata().ok()?.file_type()) {
        return None;
    }
    let write = file.try_clone().ok()?;
    Some((file.into(), write.into()))
}

/// Inherited descriptors belong to make and all its children alike: to change a flag of theirs would change it
/// for everybody. So the pipe is opened anew.
fn open_pipe(read: u32, write: u32) -> Option<(OwnedFd, OwnedFd)> {
    const ACCESS: u32 = 0o3;
    let path = |fd: u32| PathBuf::from(format!("/proc/self/fd/{fd}"));
    let access = |fd: u32| {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        Some(u32::from_str_radix(flags.trim(), 8).ok()? & ACCESS)
    };
    let pipe = |fd: u32| {
        let metadata = fs::metadata(path(fd)).ok().filter(|metadata| metadata.file_type().is_fifo())?;
        Some((metadata.dev(), metadata.ino()))
    };
    // Recipes that are not marked as recursive get descriptors that are closed, or those of other files by now.
    let reads = matches!(access(read)?, 0 | 2);
    let writes = matches!(access(write)?, 1 | 2);
    if !reads || !writes || pipe(read)? != pipe(write)? {
        return None;
    }
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let reader = OpenOptions::new().read(true).custom_flags(nonblock).open(path(read)).ok()?;
    let writer = OpenOptions::new().write(true).open(path(write)).ok()?;
    Some((reader.into(), writer.into()))
}

/// Reads the environment of this process. Of a process that runs with rights that its caller has not (a program with
/// the set-user-ID bit), the environment says nothing: it is the caller's.
pub fn environment(name: &str) -> Option<OsString> {
    if sys::has_more_rights() { None } else { std::env::var_os(OsStr::new(name)) }
}
