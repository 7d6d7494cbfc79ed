//! The child's end of the channel.

#![forbid(unsafe_code)]

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Hello, Lines, MAX_LINE_BYTES, Order, Report, line, receive_rights};

/// A parent that takes nothing for so long is stuck; a child must not get stuck with it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads orders, on a thread that may wait for them.
#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
    lines: Lines,
    reports: Reports,
}

/// Sends reports, from any thread.
#[derive(Debug, Clone)]
pub struct Reports(Arc<Mutex<Outbox>>);

/// What is on its way to the parent. A line that could be sent in part only is finished before the next one begins: torn, it
/// would take the next one with it.
#[derive(Debug)]
struct Outbox {
    stream: UnixStream,
    /// Bytes that the parent has not taken yet.
    rest: Vec<u8>,
    /// So much was left that nothing more is sent.
    is_closed: bool,
}

impl Link {
    /// Takes what the parent has to say first: the descriptors and who this child is.
    ///
    /// # Errors
    /// The descriptor is no end of a control channel, or the parent is gone.
    pub fn open(channel: OwnedFd) -> io::Result<(Self, Hello, Vec<OwnedFd>)> {
        let stream = UnixStream::from(channel);
        stream.set_nonblocking(false)?;
        let descriptors = receive_rights(&stream)?;
        let writer = stream.try_clone()?;
        writer.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let mut link = Self { stream, lines: Lines::default(), reports: Reports::over(writer) };
        match link.read::<Hello>()? {
            Some(hello) => Ok((link, hello, descriptors)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The way back.
    pub fn reports(&self) -> Reports {
        self.reports.clone()
    }

    /// Waits for the next order; `None` once the parent is gone.
    pub fn wait(&mut self) -> Option<Order> {
        self.read().unwrap_or_default()
    }

    fn read<T: serde::de::DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut bytes = [0; 4096];
        loop {
            if let Some(message) = self.lines.take() {
                return Ok(Some(message));
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(None),
                Ok(count) => self.lines.push(&bytes[..count]).map_err(io::Error::other)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Reports {
    fn over(stream: UnixStream) -> Self {
        Self(Arc::new(Mutex::new(Outbox { stream, rest: Vec::new(), is_closed: false })))
    }

    /// Sends a report. What a stuck parent does not take in time goes out with the next one. One that takes nothing until
    /// [`MAX_LINE_BYTES`] wait for it is left for good: the channel is closed, and the [`Link`] says that the parent is gone. So
    /// it does if it really is.
    pub fn send(&self, report: &Report) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).send(&line(report));
    }
}

impl Outbox {
    fn send(&mut self, line: &[u8]) {
        if self.is_closed {
            return;
        }
        self.rest.extend_from_slice(line);
        let mut sent = 0;
        while sent < self.rest.len() {
            match self.stream.write(&self.rest[sent..]) {
                Ok(count @ 1..) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The time is over, or the parent is gone.
                Ok(0) | Err(_) => break,
            }
        }
        self.rest.drain(..sent);
        if self.rest.len() > MAX_LINE_BYTES {
            self.is_closed = true;
            self.rest = Vec::new();
            drop(self.stream.shutdown(Shutdown::Both));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// The parent's end, and a child's that gives up soon.
    fn channel() -> (UnixStream, Reports) {
        let (parent, child) = UnixStream::pair().expect("a pair");
        child.set_write_timeout(Some(Duration::from_millis(20))).expect("a limit");
        (parent, Reports::over(child))
    }

    fn long(length: usize) -> Report {
        Report::BootFailed { message: "x".repeat(length) }
    }

    #[test]
    fn a_report_that_was_sent_in_part_is_finished_before_the_next() {
        let (mut parent, reports) = channel();
        // More than the kernel holds.
        let sent = [long(2 << 20), Report::NotAccepting, Report::Quiet];
        for report in &sent[..2] {
            reports.send(report);
        }
        let reader = thread::Builder::new().name("reader".to_owned());
        let reader = reader.spawn(move || {
            let (mut lines, mut bytes, mut got) = (Lines::default(), [0; 65536], Vec::<Report>::new());
            while got.len() < 3 {
                let count = parent.read(&mut bytes).expect("bytes");
                assert_ne!(count, 0, "the channel is still open");
                lines.push(&bytes[..count]).expect("no line is too long");
                while let Some(report) = lines.take() {
                    got.push(report);
                }
            }
            got.truncate(3);
            got
        });
        let reader = reader.expect("a thread");
        reports.send(&sent[2]);
        // Should the reader have been slow, what is left goes with a further one.
        while !reader.is_finished() {
            reports.send(&Report::Unknown);
        }
        assert!(reader.join().expect("a reader") == sent, "each report is whole and in its place");
    }

    #[test]
    fn a_parent_that_takes_nothing_is_left() {
        let (parent, reports) = channel();
        let stream = reports.0.lock().expect("the outbox").stream.try_clone().expect("a handle");
        let mut link = Link { stream, lines: Lines::default(), reports: reports.clone() };
        for _ in 0..6 {
            reports.send(&long(2 << 20));
        }
        assert_eq!(link.wait(), None, "the parent counts as gone");
        assert!(reports.0.lock().expect("the outbox").rest.is_empty());
        drop(parent);
    }
}
