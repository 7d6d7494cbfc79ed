//! The child's end of the channel.

#![forbid(unsafe_code)]

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Hello, Lines, Order, Report, line, receive_rights};

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
pub struct Reports(Arc<Mutex<UnixStream>>);

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
        let mut link = Self { stream, lines: Lines::default(), reports: Reports(Arc::new(Mutex::new(writer))) };
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
    /// Sends a report. One that cannot be sent is lost: the parent is gone, which the [`Link`] notices.
    pub fn send(&self, report: &Report) {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(stream.write_all(&line(report)));
    }
}
