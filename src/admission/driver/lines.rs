//! Lines over a stream socket, in either direction, with a descriptor beside them if need be.
//!
//! In and out: text without its newline. Every line has a bound, every wait an end. The other side may do what it wants:
//! send half a line, nothing, too much, or not read.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// Bytes of a line that is read.
const MAX_LINE: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Lines {
    stream: UnixStream,
    /// Read, and not yet a line.
    pending: Vec<u8>,
    /// The descriptor that came last.
    received: Option<OwnedFd>,
}

impl Lines {
    pub(super) fn new(stream: UnixStream) -> Lines {
        Lines { stream, pending: Vec::new(), received: None }
    }

    /// The descriptor that came with what was read.
    pub(super) fn take_received(&mut self) -> Option<OwnedFd> {
        self.received.take()
    }

    /// The next line; nothing if there are no more.
    ///
    /// # Errors
    /// It did not come in time, or is too long or no text.
    pub(super) fn read(&mut self, deadline: Option<Instant>) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
                let rest = self.pending.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.pending, rest);
                line.truncate(end);
                return String::from_utf8(line).map(Some).map_err(|_| io::ErrorKind::InvalidData.into());
            }
            if self.pending.len() > MAX_LINE {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.receive(deadline)? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads what there is; 0 at the end.
    fn receive(&mut self, deadline: Option<Instant>) -> io::Result<usize> {
        let mut bytes = [0; 4096];
        loop {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
            match recvmsg(&self.stream, &mut [IoSliceMut::new(&mut bytes)], &mut beside, flags) {
                Ok(message) => {
                    for message in beside.drain() {
                        if let RecvAncillaryMessage::ScmRights(fds) = message {
                            self.received = fds.last().or(self.received.take());
                        }
                    }
                    self.pending.extend(bytes.get(..message.bytes).unwrap_or_default());
                    return Ok(message.bytes);
                }
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, deadline)?,
                Err(Errno::INTR) => {}
                // It was killed before it read all that was sent to it.
                Err(Errno::CONNRESET) => return Ok(0),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes a line, with a descriptor beside its beginning.
    ///
    /// # Errors
    /// It could not be sent in time, or nobody is there.
    pub(super) fn write(
        &mut self,
        line: &str,
        descriptor: Option<BorrowedFd<'_>>,
        deadline: Instant,
    ) -> io::Result<()> {
        let line = [line.as_bytes(), b"\n"].concat();
        let mut rest = line.as_slice();
        let mut fds: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
        while !rest.is_empty() {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
            let mut beside = SendAncillaryBuffer::new(&mut space);
            if !fds.is_empty() {
                // There is room for the one.
                beside.push(SendAncillaryMessage::ScmRights(&fds));
            }
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match sendmsg(&self.stream, &[IoSlice::new(rest)], &mut beside, flags) {
                Ok(sent) => {
                    rest = rest.get(sent..).unwrap_or_default();
                    fds.clear();
                }
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT, Some(deadline))?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn wait(&self, events: PollFlags, deadline: Option<Instant>) -> io::Result<()> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // Who waits without an end looks again now and then.
        let left = left.unwrap_or(Duration::from_secs(60)).min(Duration::from_secs(60));
        let limit = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.stream, events)], Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// True if the other side has gone.
    pub(super) fn is_closed(&self) -> bool {
        let gone = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
        let mut fds = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&now)).is_ok() && fds.iter().any(|fd| fd.revents().intersects(gone))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn late() -> Instant {
        Instant::now() + Duration::from_secs(300)
    }

    #[test]
    fn lines_in_pieces_and_with_bounds() {
        let (mut there, here) = UnixStream::pair().unwrap();
        let mut lines = Lines::new(here);
        there.write_all(b"a\n\nb c").unwrap();
        assert_eq!(lines.read(Some(late())).unwrap().unwrap(), "a");
        assert_eq!(lines.read(Some(late())).unwrap().unwrap(), "");
        assert_eq!(lines.read(Some(soon())).unwrap_err().kind(), io::ErrorKind::TimedOut);
        there.write_all(b"d\n\xff\n").unwrap();
        assert_eq!(lines.read(None).unwrap().unwrap(), "b cd");
        assert_eq!(lines.read(None).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(!lines.is_closed());
        drop(there);
        assert!(lines.is_closed() && lines.read(None).unwrap().is_none());

        let (mut there, here) = UnixStream::pair().unwrap();
        let endless = std::thread::spawn(move || while there.write_all(&[b'x'; 9999]).is_ok() {});
        assert_eq!(Lines::new(here).read(Some(late())).unwrap_err().kind(), io::ErrorKind::InvalidData);
        endless.join().unwrap();
    }

    #[test]
    fn who_does_not_read_keeps_nobody_for_long() {
        let (_there, here) = UnixStream::pair().unwrap();
        let long = "x".repeat(10 << 20);
        assert_eq!(Lines::new(here).write(&long, None, soon()).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_descriptor_comes_along() {
        let (there, here) = UnixStream::pair().unwrap();
        let (mut there, mut here) = (Lines::new(there), Lines::new(here));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"content").unwrap();
        there.write("none", None, late()).unwrap();
        there.write("one", Some(file.as_fd()), late()).unwrap();
        assert_eq!(here.read(Some(late())).unwrap().unwrap(), "none");
        assert_eq!(here.read(Some(late())).unwrap().unwrap(), "one");
        let mut same = File::from(here.take_received().unwrap());
        let mut text = String::new();
        same.rewind().unwrap();
        same.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), here.take_received().is_none()), ("content", true));
    }
}
