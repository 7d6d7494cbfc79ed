//! Request bodies, taken whole before a worker is asked for.

use std::fs::File;
use std::io::{self, Read};

use bytes::{Buf, Bytes};

/// Where a request body lies.
#[derive(Debug)]
pub enum BodySource {
    /// There is none, or it is empty.
    Empty,
    /// In memory.
    Memory(Bytes),
    /// In a temporary file without a name, positioned at its start.
    File(File),
}

/// A request body with a read position.
#[derive(Debug)]
pub struct RequestBody {
    source: BodySource,
    length: u64,
    announced: bool,
}

impl RequestBody {
    /// A body of known length in bytes.
    pub fn new(source: BodySource, length: u64) -> Self {
        Self { source, length, announced: length > 0 }
    }

    /// No body.
    pub fn empty() -> Self {
        Self::new(BodySource::Empty, 0)
    }

    /// A body in memory.
    pub fn memory(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        if length == 0 { Self::empty() } else { Self::new(BodySource::Memory(bytes), length) }
    }

    /// Marks a body that the client announced (`Content-Length: 0` included), so that PHP sees its length.
    #[must_use]
    pub fn with_announcement(mut self) -> Self {
        self.announced = true;
        self
    }

    /// Whether the client spoke of a body at all.
    pub fn announced(&self) -> bool {
        self.announced
    }

    /// Whole length in bytes, whatever has been read.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Copies the next bytes; 0 means the end.
    ///
    /// # Errors
    /// What the file system reports for a body that lies in a file.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            BodySource::Empty => Ok(0),
            BodySource::Memory(bytes) => {
                let count = bytes.len().min(into.len());
                bytes.copy_to_slice(&mut into[..count]);
                Ok(count)
            }
            BodySource::File(file) => file.read(into),
        }
    }
}
