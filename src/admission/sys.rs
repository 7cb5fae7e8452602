//! What neither std nor rustix has: a child without exec, who is at the other end of a socket, the rights of the caller,
//! the memory of children, the allocator's habits.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Starts a child that keeps only `fds`, hears no signals, runs `work` and ends; returns its process id.
///
/// # Errors
/// There is no room for another process.
///
/// # Safety
/// Other threads of this process do not exist in the child, but the locks that they held do: `work` must
/// call nothing but async-signal-safe functions, must not allocate, and must not panic.
pub(super) unsafe fn fork(fds: [&OwnedFd; 3], work: fn([OwnedFd; 3])) -> io::Result<i32> {
    let fds = fds.map(AsRawFd::as_raw_fd);
    // SAFETY: the caller promises that the child does only what is allowed between fork and the end.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            detach(fds);
            // SAFETY: these were just kept open, and nothing that still runs in this process owns them: what the
            // parent owned is never dropped here.
            work(fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            // SAFETY: ends this process without running anything that belongs to the parent.
            unsafe { libc::_exit(0) }
        }
        pid => Ok(pid),
    }
}

/// In a child that outlives its parent: a session of its own, deaf to the signals that users and closed
/// pipes send, and no descriptor but those of `keep`. Async-signal-safe.
fn detach(keep: [c_int; 3]) {
    // SAFETY: these calls take any arguments, and are async-signal-safe.
    unsafe {
        libc::setsid();
        for signal in [
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGTERM,
            libc::SIGPIPE,
            libc::SIGUSR1,
            libc::SIGUSR2,
        ] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
    let [mut a, mut b, mut c] = keep;
    if a > b {
        std::mem::swap(&mut a, &mut b);
    }
    if b > c {
        std::mem::swap(&mut b, &mut c);
    }
    if a > b {
        std::mem::swap(&mut a, &mut b);
    }
    close_between(0, a);
    close_between(a + 1, b);
    close_between(b + 1, c);
    close_between(c + 1, c_int::MAX);
}

/// Closes the descriptors from `first` up to, and without, `end`.
fn close_between(first: c_int, end: c_int) {
    if first >= end {
        return;
    }
    // SAFETY: the call takes any numbers; nothing of this process uses what is closed.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, end - 1, 0) };
    if done == -1 {
        // Kernels before 5.9. Programs with more descriptors than this are rare.
        for fd in first..end.min(first.saturating_add(4096)) {
            // SAFETY: as above.
            unsafe { libc::close(fd) };
        }
    }
}

/// The process and the user at the other end of a socket, when they connected. The process is 0 if it is in a namespace
/// that cannot be seen from here, for which the type of rustix has no room.
///
/// # Errors
/// It is not such a socket.
pub(super) fn peer_of(socket: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the pointers are to a ucred and to its length, which live until the call returns.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            std::ptr::from_mut(&mut peer).cast(),
            &raw mut length,
        )
    };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok((u32::try_from(peer.pid).unwrap_or(0), peer.uid))
}

/// True if this process may do what whoever started it may not.
pub(super) fn has_more_rights() -> bool {
    // SAFETY: takes any number, and reads what the kernel gave to this process at its start.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The most that any one of the children that were waited for, or of theirs, had in memory, in bytes, with what of
/// files they had mapped.
pub(super) fn most_of_a_child() -> u64 {
    // SAFETY: all-zero bytes are a valid rusage, which holds nothing but integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the structure lives until the call returns.
    let done = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    if done == 0 { u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024) } else { 0 }
}

/// Has the allocator give back what is freed in pieces of this many bytes or more.
pub(super) fn return_freed(bytes: c_int) {
    #[cfg(target_env = "gnu")]
    // SAFETY: these set numbers of the allocator, under its own lock. It leaves those as they are that it refuses.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, bytes);
        libc::mallopt(libc::M_TRIM_THRESHOLD, bytes);
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = bytes;
}

/// Has the allocator give back what it keeps.
pub(super) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes any number, works under the allocator's own locks, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
