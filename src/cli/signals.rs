//! Signals that end a run: files that shrink, and users who have had enough.
//!
//! A file that shrinks while it is mapped makes the system send `SIGBUS` instead of giving an error; the
//! handler turns that into the error that it is, one line and the exit status of a failed read. `SIGINT`,
//! `SIGTERM` and `SIGHUP` end the process as they always do, after the files that were being written are
//! removed. This is the only file of the command line with unsafe code.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use libc::{c_int, c_void, siginfo_t};

/// Exit status of a failed read, `EX_IOERR`.
const EXIT_IO: c_int = 74;

/// The line for the file that is read now. Written before the handler can need it; a line that is replaced
/// stays allocated, because a handler on another thread may be writing it.
static LINE: AtomicPtr<Vec<u8>> = AtomicPtr::new(ptr::null_mut());

/// From now on, a `SIGBUS` for a place in a mapped file is about `input`.
pub(crate) fn expect_of(input: &Path) {
    let mut line = b"btfgen: error: ".to_vec();
    line.extend(input.as_os_str().as_bytes().iter().map(|b| if b.is_ascii_control() { b'?' } else { *b }));
    line.extend_from_slice(b": the file shrank while it was read\n");
    let first = LINE.swap(Box::into_raw(Box::new(line)), Ordering::AcqRel).is_null();
    if first {
        install(libc::SIGBUS, on_sigbus);
    }
}

type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

#[allow(unsafe_code)]
fn install(signal: c_int, handler: Handler) {
    // SAFETY: all-zero bytes are a valid sigaction: no flags, an empty mask, the default action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    // Rust gives every thread an alternative stack; on the normal one there may be no room.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the action is initialised, and its function has the signature that SA_SIGINFO asks for. If the
    // call fails, the signal ends the process as it would have done anyway.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
}

/// The signals by which users and their tools end a run.
const ENDING: [c_int; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];

/// Paths of the files that are being written. Each slot owns its string while it is set.
static UNFINISHED: [AtomicPtr<libc::c_char>; 8] = [const { AtomicPtr::new(ptr::null_mut()) }; 8];

/// A file that is removed if a signal ends the process while this lives.
#[derive(Debug)]
pub(crate) struct Unfinished(Option<&'static AtomicPtr<libc::c_char>>);

impl Unfinished {
    /// To be called before the file is created: a file that does not exist is easily removed.
    pub(crate) fn new(path: &Path) -> Self {
        static HANDLERS: Once = Once::new();
        HANDLERS.call_once(|| {
            for signal in ENDING.into_iter().filter(|&signal| !is_ignored(signal)) {
                install(signal, on_end);
            }
        });
        let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return Unfinished(None) };
        let path = path.into_raw();
        let free = UNFINISHED.iter().find(|slot| {
            slot.compare_exchange(ptr::null_mut(), path, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        });
        Unfinished(free)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(slot) = self.0 {
            // The string stays allocated, because a handler on another thread may be reading it.
            slot.store(ptr::null_mut(), Ordering::Release);
        }
    }
}

/// The process that signals are for; 0 if there is none, [`COMING`] if it is about to be started.
static RECEIVER: AtomicI32 = AtomicI32::new(0);
const COMING: c_int = -1;
/// The last signal that came before its process, and 0 if there was none.
static EARLY: AtomicI32 = AtomicI32::new(0);

/// From now on, signals that end a process go to the one that [`forward_to`] will name.
pub(crate) fn forward_from_here() {
    RECEIVER.store(COMING, Ordering::Release);
    for signal in ENDING.into_iter().chain([libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2]) {
        if !is_ignored(signal) {
            install(signal, on_forward);
        }
    }
}

/// Names the process that signals go to, also those that came too early; 0 if it has ended.
#[allow(unsafe_code)]
pub(crate) fn forward_to(pid: u32) {
    let pid = c_int::try_from(pid).unwrap_or(0);
    RECEIVER.store(pid, Ordering::SeqCst);
    let early = EARLY.swap(0, Ordering::SeqCst);
    if pid != 0 && early != 0 {
        // SAFETY: the call takes any numbers.
        unsafe {
            libc::kill(pid, early);
        }
    }
}

/// Calls nothing but `kill` and what [`die_of`] calls, which are async-signal-safe.
#[allow(unsafe_code)]
extern "C" fn on_forward(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: with SA_SIGINFO the system passes a valid siginfo_t.
    let code = unsafe { (*info).si_code };
    match RECEIVER.load(Ordering::Acquire) {
        0 => die_of(signal),
        COMING => EARLY.store(signal, Ordering::SeqCst),
        // What is typed at a terminal goes to all of its foreground by itself.
        _ if code == libc::SI_KERNEL => {}
        // SAFETY: the call takes any numbers.
        pid => unsafe {
            libc::kill(pid, signal);
        },
    }
}

/// True if whoever started the process had it ignore a signal, as `nohup` does.
#[allow(unsafe_code)]
fn is_ignored(signal: c_int) -> bool {
    // SAFETY: all-zero bytes are a valid sigaction, and the call only writes to it.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a sigaction that lives; no new action is set.
    let known = unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) };
    known == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Calls nothing but `unlink`, `signal` and `raise`, which are async-signal-safe, and allocates nothing.
#[allow(unsafe_code)]
extern "C" fn on_end(signal: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    for slot in &UNFINISHED {
        let path = slot.load(Ordering::Acquire);
        if !path.is_null() {
            // SAFETY: what a slot holds comes from CString::into_raw and is never freed.
            let path = unsafe { CStr::from_ptr(path) };
            // SAFETY: the path ends with a NUL.
            unsafe { libc::unlink(path.as_ptr()) };
        }
    }
    die_of(signal);
}

/// Lets a signal end the process as it does without a handler.
#[allow(unsafe_code)]
fn die_of(signal: c_int) {
    // SAFETY: both calls take any signal number. The signal is blocked until its handler returns.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Calls nothing but `write`, `_exit` and what [`die_of`] calls, which are async-signal-safe, and allocates nothing.
#[allow(unsafe_code)]
extern "C" fn on_sigbus(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: with SA_SIGINFO the system passes a valid siginfo_t.
    let code = unsafe { (*info).si_code };
    // SAFETY: the pointer is null or comes from a Box that is never freed and never written again.
    let line = unsafe { LINE.load(Ordering::Acquire).as_ref() };
    match line {
        Some(line) if code == libc::BUS_ADRERR => {
            let mut rest = line.as_slice();
            while !rest.is_empty() {
                // SAFETY: the pointer and the length are those of a live slice.
                let written = unsafe { libc::write(libc::STDERR_FILENO, rest.as_ptr().cast(), rest.len()) };
                rest = match usize::try_from(written) {
                    Ok(n @ 1..) => rest.get(n..).unwrap_or_default(),
                    _ => break,
                };
            }
            // SAFETY: ends the process at once; nothing that could be damaged runs any more.
            unsafe { libc::_exit(EXIT_IO) }
        }
        // Sent by somebody, or an access that no file explains: die of it as without a handler.
        _ => die_of(signal),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::fs::File;
    use std::process::Command;

    use super::*;

    const PATH_FOR_CHILD: &str = "BTFGEN_TEST_SHRINKING_FILE";

    /// Runs this test once more as a process of its own, which reads a file that shrinks and dies of it.
    #[test]
    #[allow(unsafe_code)]
    fn a_file_that_shrinks_is_one_line_and_status_74() {
        if let Some(path) = std::env::var_os(PATH_FOR_CHILD) {
            let path = Path::new(&path);
            let file = File::options().read(true).write(true).open(path).unwrap();
            // SAFETY: that the file shrinks is the very thing to be seen.
            let map = unsafe { memmap2::Mmap::map(&file) }.unwrap();
            expect_of(path);
            file.set_len(0).unwrap();
            panic!("read {}", std::hint::black_box(map[4096]));
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8192).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "cli::signals::tests::a_file_that_shrinks_is_one_line_and_status_74"]);
        let output = child.arg("--nocapture").env(PATH_FOR_CHILD, file.path()).output().unwrap();
        let expected =
            format!("btfgen: error: {}: the file shrank while it was read\n", file.path().display());
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
        assert_eq!(output.status.code(), Some(EXIT_IO));
    }
}
