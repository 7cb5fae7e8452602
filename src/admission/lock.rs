//! Locks on bytes of files that belong to open file descriptions (`F_OFD_SETLK`).
//!
//! The kernel drops such a lock with the last descriptor of its description, however the processes that
//! had it ended. Nothing here depends on anybody giving back what they took.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A lock on `len` bytes from `start`. Such a lock belongs to the open file description: two descriptors
/// of one `open` share it, and the kernel drops it with the last of them, however its process ended.
fn region(kind: c_int, start: u64, len: u64) -> io::Result<libc::flock64> {
    let too_far = |_| io::Error::from(io::ErrorKind::InvalidInput);
    // SAFETY: all-zero bytes are a valid flock64, which holds nothing but integers.
    let mut lock: libc::flock64 = unsafe { std::mem::zeroed() };
    lock.l_type = kind as i16;
    lock.l_whence = libc::SEEK_SET as i16;
    lock.l_start = start.try_into().map_err(too_far)?;
    lock.l_len = len.try_into().map_err(too_far)?;
    Ok(lock)
}

fn control(file: BorrowedFd<'_>, command: c_int, lock: &mut libc::flock64) -> io::Result<()> {
    loop {
        // SAFETY: the descriptor is open as long as it is borrowed, and these commands take a flock64, which
        // lives until the call returns.
        let done = unsafe { libc::fcntl(file.as_raw_fd(), command, std::ptr::from_mut(lock)) };
        if done != -1 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Locks a byte for this description alone, if no other has it.
///
/// # Errors
/// The file system has no locks, or no room for another.
pub(super) fn try_lock(file: BorrowedFd<'_>, byte: u64) -> io::Result<bool> {
    match control(file, libc::F_OFD_SETLK, &mut region(libc::F_WRLCK, byte, 1)?) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits for a byte as long as it takes. Who comes first is served first, or nearly so.
///
/// # Errors
/// As [`try_lock`].
pub(super) fn lock(file: BorrowedFd<'_>, byte: u64) -> io::Result<()> {
    control(file, libc::F_OFD_SETLKW, &mut region(libc::F_WRLCK, byte, 1)?)
}

/// Gives a byte back.
///
/// # Errors
/// As [`try_lock`].
pub(super) fn unlock(file: BorrowedFd<'_>, byte: u64) -> io::Result<()> {
    control(file, libc::F_OFD_SETLK, &mut region(libc::F_UNLCK, byte, 1)?)
}

/// The first range of bytes from `start` within `len` that another description has locked, as its first
/// byte and the one behind its last.
///
/// # Errors
/// As [`try_lock`].
pub(super) fn locked_by_others(file: BorrowedFd<'_>, start: u64, len: u64) -> io::Result<Option<(u64, u64)>> {
    let mut lock = region(libc::F_WRLCK, start, len)?;
    control(file, libc::F_OFD_GETLK, &mut lock)?;
    if lock.l_type == libc::F_UNLCK as i16 {
        return Ok(None);
    }
    let first = u64::try_from(lock.l_start).unwrap_or(0);
    // A length of zero is everything behind.
    let end = u64::try_from(lock.l_len).ok().filter(|&n| n > 0).map_or(u64::MAX, |n| first.saturating_add(n));
    Ok(Some((first, end)))
}
