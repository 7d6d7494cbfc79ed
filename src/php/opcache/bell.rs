//! How C, and a forked child, tell the keeper that a restart has been scheduled: a pipe, since that is all one may use in a child and
//! with OPcache's lock held.

#![forbid(unsafe_code)]

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::telemetry::OpcacheReason;

/// What is written to end the keeper.
const STOP: u8 = b'.';

/// The end that listens.
#[derive(Debug)]
pub(super) struct Bell(PipeReader);

/// The end that is pulled.
#[derive(Debug)]
pub(super) struct Rope(PipeWriter);

/// What was rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rung {
    Restart(OpcacheReason),
    Stop,
}

/// A bell with its rope.
pub(super) fn hang() -> io::Result<(Bell, Rope)> {
    let (reader, writer) = io::pipe()?;
    Ok((Bell(reader), Rope(writer)))
}

impl Rope {
    pub(super) fn descriptor(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub(super) fn stop(&self) {
        // A pipe without a reader means that the keeper has gone already.
        drop((&self.0).write_all(&[STOP]));
    }
}

impl Bell {
    /// Waits until it rings.
    pub(super) fn wait(&mut self) -> Rung {
        let mut rung = [STOP];
        match self.0.read_exact(&mut rung) {
            Ok(()) => Rung::of(rung[0]),
            Err(_) => Rung::Stop,
        }
    }

    /// Waits for so long; false if the keeper is to stop. A restart that is rung meanwhile joins the one that is looked after.
    pub(super) fn quiet_for(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while self.rings_before(end) {
            if self.wait() == Rung::Stop {
                return false;
            }
        }
        true
    }

    fn rings_before(&self, end: Instant) -> bool {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&timeout)) {
                Ok(ready) => return ready > 0,
                Err(rustix::io::Errno::INTR) => {}
                // Nothing can be told by then; the read says what is the matter.
                Err(_) => return true,
            }
        }
    }
}

impl Rung {
    /// The digits are those of `zend_accel_restart_reason`.
    fn of(byte: u8) -> Self {
        match byte {
            b'0' => Self::Restart(OpcacheReason::OutOfMemory),
            b'1' => Self::Restart(OpcacheReason::HashFull),
            STOP => Self::Stop,
            _ => Self::Restart(OpcacheReason::Reset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_as_it_was_pulled() {
        let (mut bell, mut rope) = hang().expect("a pipe");
        rope.0.write_all(b"012.").expect("written");
        let rung: Vec<_> = (0..4).map(|_| bell.wait()).collect();
        let reasons = [OpcacheReason::OutOfMemory, OpcacheReason::HashFull, OpcacheReason::Reset];
        assert_eq!(rung[..3], reasons.map(Rung::Restart));
        assert_eq!(rung[3], Rung::Stop);
        drop(rope);
        assert_eq!(bell.wait(), Rung::Stop, "nobody is left to ring");
    }

    #[test]
    fn a_pause_ends_early_only_for_a_stop() {
        let (mut bell, mut rope) = hang().expect("a pipe");
        rope.0.write_all(b"2").expect("written");
        assert!(bell.quiet_for(Duration::from_millis(5)));
        rope.stop();
        assert!(!bell.quiet_for(Duration::from_secs(60)));
    }
}
