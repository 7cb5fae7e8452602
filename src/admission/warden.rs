//! A small child process that holds the tokens of a jobserver for its parent, and gives them back
//! whatever becomes of the parent.
//!
//! Tokens are bytes in a pipe: nobody takes them from a process that was killed, and a build that lost
//! them goes on with fewer jobs. So the process that does the work never has any. It tells the child how
//! many it wants, the child says how many there are, and when the connection ends, which the kernel sees
//! to however a process dies, the child writes every byte back as it was read, and ends.
//!
//! Each order carries a number, and each answer the number of the order that it is about: an answer that was
//! under way when a new order was given is known to be old.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};

use super::sys;

/// More tokens than this are never asked for.
pub(super) const MAX_TOKENS: usize = 4096;

/// A number of an order, and a number of tokens.
type Message = [u8; 8];

fn message(order: u32, tokens: usize) -> Message {
    let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
    let mut bytes = [0; 8];
    let (first, second) = bytes.split_at_mut(4);
    first.copy_from_slice(&order.to_ne_bytes());
    second.copy_from_slice(&tokens.to_ne_bytes());
    bytes
}

fn read_message(bytes: Message) -> (u32, usize) {
    let [a, b, c, d, e, f, g, h] = bytes;
    (u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h]) as usize)
}

/// The parent's end.
#[derive(Debug)]
pub(super) struct Warden {
    connection: Option<UnixStream>,
    pid: Option<Pid>,
    order: u32,
    /// Tokens that the child holds, as far as is known.
    held: usize,
}

impl Warden {
    /// Starts the child with both ends of a jobserver. `read` must be an open file description of our own, on which
    /// reading does not block.
    pub(super) fn start(read: &OwnedFd, write: &OwnedFd) -> io::Result<Warden> {
        let (ours, theirs) = UnixStream::pair()?;
        let theirs = OwnedFd::from(theirs);
        #[allow(unsafe_code)]
        // SAFETY: what the child runs makes system calls with a buffer on its stack, and nothing else.
        let pid = unsafe { sys::fork([&theirs, read, write], serve) }?;
        Ok(Warden { connection: Some(ours), pid: Pid::from_raw(pid), order: 0, held: 0 })
    }

    /// Asks for that many tokens in all. What is above that is given back at once; what is below comes when it comes.
    pub(super) fn want(&mut self, tokens: usize) {
        self.order = self.order.wrapping_add(1);
        self.held = self.held.min(tokens);
        let message = message(self.order, tokens.min(MAX_TOKENS));
        if self.connection.as_ref().is_some_and(|mut connection| connection.write_all(&message).is_err()) {
            self.lost();
        }
    }

    /// The child is gone: so are its tokens.
    fn lost(&mut self) {
        self.connection = None;
        self.held = 0;
    }

    /// Waits until there are that many tokens or the time is over; returns how many there are.
    pub(super) fn wait(&mut self, tokens: usize, limit: Duration) -> usize {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let answered = match &self.connection {
                Some(connection) if self.held < tokens => is_readable(connection.as_fd(), left),
                _ => return self.held,
            };
            if !answered {
                return self.held;
            }
            let mut bytes = Message::default();
            let read = self.connection.as_ref().map(|mut connection| connection.read_exact(&mut bytes));
            if !matches!(read, Some(Ok(()))) {
                self.lost();
                return 0;
            }
            let (order, held) = read_message(bytes);
            if order == self.order {
                self.held = held;
            }
        }
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        self.connection = None;
        // It ends at once; left alone it would remain in the table of processes as long as this one lives.
        if let Some(pid) = self.pid {
            while matches!(waitpid(Some(pid), WaitOptions::empty()), Err(Errno::INTR)) {}
        }
    }
}

fn is_readable(fd: BorrowedFd<'_>, limit: Duration) -> bool {
    let limit = Timespec { tv_sec: limit.as_secs().min(86400) as i64, tv_nsec: limit.subsec_nanos().into() };
    matches!(poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)), Ok(n) if n > 0)
}

/// The child: runs until the parent is gone. Async-signal-safe, and does not allocate.
fn serve([connection, read, write]: [OwnedFd; 3]) {
    let mut tokens = [0_u8; MAX_TOKENS];
    let (mut held, mut wanted, mut order) = (0, 0, 0);
    let mut has_server = true;
    loop {
        let wants_more = has_server && held < wanted;
        let mut fds = [PollFd::new(&connection, PollFlags::IN), PollFd::new(&read, PollFlags::IN)];
        let fds = if wants_more { &mut fds[..] } else { &mut fds[..1] };
        if !matches!(poll(fds, None), Ok(_) | Err(Errno::INTR)) {
            break;
        }
        if fds.first().is_some_and(|fd| !fd.revents().is_empty()) {
            let mut bytes = Message::default();
            match rustix::io::read(&connection, &mut bytes) {
                // Messages are written whole and are smaller than any buffer: they arrive whole.
                Ok(8) => (order, wanted) = read_message(bytes),
                Err(Errno::INTR | Errno::AGAIN) => continue,
                _ => break,
            }
            wanted = wanted.min(MAX_TOKENS);
            while held > wanted {
                held -= 1;
                give_back(&write, tokens.get(held..=held));
            }
            if !answer(&connection, order, held) {
                break;
            }
        } else if fds.get(1).is_some_and(|fd| !fd.revents().is_empty()) {
            match rustix::io::read(&read, tokens.get_mut(held..=held).unwrap_or_default()) {
                Ok(0) => has_server = false,
                Ok(_) => {
                    held += 1;
                    if !answer(&connection, order, held) {
                        break;
                    }
                }
                // Another client was quicker.
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => has_server = false,
            }
        }
    }
    while held > 0 {
        held -= 1;
        give_back(&write, tokens.get(held..=held));
    }
}

fn answer(connection: &OwnedFd, order: u32, held: usize) -> bool {
    loop {
        match rustix::io::write(connection, &message(order, held)) {
            Err(Errno::INTR) => {}
            result => return result.is_ok(),
        }
    }
}

/// Writes a token back. If nobody is there to take it, it is of no use to anybody.
fn give_back(write: &OwnedFd, token: Option<&[u8]>) {
    let Some(token) = token else { return };
    loop {
        match rustix::io::write(write, token) {
            Err(Errno::INTR) => {}
            // More tokens than a pipe holds: somebody will take one.
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(write, PollFlags::OUT)], None)),
            _ => return,
        }
    }
}
