//! The side of those who ask a driver.
//!
//! In: a request and a socket. Out: a reservation of the ledger that is the caller's as if it had asked the ledger
//! itself, and a connection over which the driver hears how it goes. A driver that does not answer is given up soon.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde_json::{Value, json};

use super::super::ledger::{Ledger, Request, Reservation};
use super::lines::Lines;
use super::{MAX_WAIT, PATIENCE, request_json, trusted};
use crate::{Error, Result};

/// An open connection to a driver, of a client that runs.
#[derive(Debug)]
pub struct Connection(Lines);

impl Connection {
    /// Says how much is in use, in bytes; false if nobody hears that.
    pub(in super::super) fn progress(&mut self, bytes: u64) -> bool {
        let line = json!({ "type": "progress", "observed": bytes }).to_string();
        // A driver that was stopped shall not stop its clients.
        !self.0.is_closed() && self.0.write(&line, None, Instant::now()).is_ok()
    }
}

/// Waits until a driver lets the request go.
///
/// # Errors
/// The driver cannot be asked, or refuses; or there is no room and the request insists, then the kind of the error is
/// [`ErrorKind::Busy`](crate::ErrorKind::Busy).
pub fn acquire(socket: &Path, cookie: &str, request: &Request) -> Result<Reservation> {
    let about = |what: &str, e: io::Error| Error::io(what, e).in_file(socket);
    let stream = open(socket).map_err(|e| about("cannot ask the driver", e))?;
    if trusted(stream.as_fd()).is_none() {
        return Err(about(
            "cannot ask the driver: it is another user's",
            io::ErrorKind::PermissionDenied.into(),
        ));
    }
    let mut lines = Lines::new(stream);
    let said = request_json(request, cookie).to_string();
    let sent = lines.write(&said, None, Instant::now() + PATIENCE);
    // A driver that is full says so before it is asked anything, and closes.
    let no_answer = |e: io::Error| about("the driver does not answer", e);
    let end = Instant::now() + request.max_wait.min(MAX_WAIT) + PATIENCE;
    loop {
        // One that says nothing but "wait" does not keep anybody for longer than they want, either.
        let line = lines.read(Some(end.min(Instant::now() + PATIENCE))).map_err(no_answer)?;
        let Some(line) = line else {
            sent.map_err(no_answer)?;
            return Err(no_answer(io::ErrorKind::UnexpectedEof.into()));
        };
        let answer: Value = serde_json::from_str(&line).unwrap_or_default();
        let text = |name: &str| answer[name].as_str().unwrap_or_default();
        match text("type") {
            "wait" => {}
            "go" => {
                let received = lines.take_received().map(File::from);
                let life = received.ok_or_else(|| no_answer(io::ErrorKind::InvalidData.into()))?;
                let ledger = Ledger::at(text("ledger"));
                let was_forced = answer["forced"].as_bool().unwrap_or(false);
                let reservation = Reservation::adopt(&ledger, text("reservation"), life, was_forced)?;
                return Ok(reservation.tell(Connection(lines)));
            }
            "no" if text("reason") == "busy" => return Err(Error::busy(text("message"))),
            "no" => {
                let refused = io::Error::other(text("message"));
                return Err(about("the driver refuses", refused));
            }
            _ => return Err(no_answer(io::ErrorKind::InvalidData.into())),
        }
    }
}

/// Connects, but waits only so long for a driver that does not take up connections.
pub(super) fn open(path: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match connect(&socket, &address) {
            Ok(()) => return Ok(UnixStream::from(socket)),
            Err(Errno::AGAIN | Errno::INTR) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
