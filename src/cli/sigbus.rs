//! A file that shrinks while it is mapped: the system then sends `SIGBUS` instead of giving an error.
//!
//! The handler turns that into the error that it is: one line and the exit status of a failed read. This is
//! the only file of the command line with unsafe code.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

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
        install();
    }
}

#[allow(unsafe_code)]
fn install() {
    // SAFETY: all-zero bytes are a valid sigaction: no flags, an empty mask, the default action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_sigbus as *const () as usize;
    // Rust gives every thread an alternative stack; on the normal one there may be no room.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the action is initialised, and its function has the signature that SA_SIGINFO asks for. If the
    // call fails, a SIGBUS ends the process as it would have done anyway.
    unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) };
}

/// Calls nothing but `write`, `_exit`, `signal` and `raise`, which are async-signal-safe, and allocates nothing.
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
        _ => {
            // SAFETY: both calls take any signal number. The signal is blocked until this returns.
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
                libc::raise(signal);
            }
        }
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
        child.args(["--exact", "cli::sigbus::tests::a_file_that_shrinks_is_one_line_and_status_74"]);
        let output = child.arg("--nocapture").env(PATH_FOR_CHILD, file.path()).output().unwrap();
        let expected =
            format!("btfgen: error: {}: the file shrank while it was read\n", file.path().display());
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
        assert_eq!(output.status.code(), Some(EXIT_IO));
    }
}
