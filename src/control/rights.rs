//! Descriptors on their way from the parent to a child: as rights in messages of one byte each, ended by one without.
//!
//! So a descriptor has no number that anybody could read off the environment or the command line, and none is without close-on-exec
//! at any time: nothing that PHP starts inherits it.

#![forbid(unsafe_code)]

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// Descriptors in one message; the kernel takes no more than 253.
const BATCH: usize = 64;
const MORE: u8 = b'+';
const LAST: u8 = b'.';

/// Sends descriptors.
///
/// # Errors
/// What the system says.
pub fn send(stream: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    for batch in descriptors.chunks(BATCH) {
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(batch)) {
            return Err(io::Error::other("more descriptors than a message holds"));
        }
        sendmsg(stream, &[IoSlice::new(&[MORE])], &mut control, SendFlags::NOSIGNAL)?;
    }
    let mut control = SendAncillaryBuffer::new(&mut space);
    sendmsg(stream, &[IoSlice::new(&[LAST])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Longest note beside a descriptor that is handed over.
const NOTE: usize = 128;

/// Hands one descriptor with a note to whoever [`take`]s it at the other end of a datagram socket. Several processes may do so at a time.
///
/// # Errors
/// What the system says; [`io::ErrorKind::WouldBlock`] if too many wait to be taken.
pub fn hand(socket: BorrowedFd<'_>, descriptor: BorrowedFd<'_>, note: &str) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let rights = [descriptor];
    if !control.push(SendAncillaryMessage::ScmRights(&rights)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    sendmsg(socket, &[IoSlice::new(note.as_bytes())], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(())
}

/// Takes what somebody has [`hand`]ed over: the note and the descriptor, close-on-exec.
///
/// # Errors
/// What the system says, or that it is something else.
pub fn take(socket: BorrowedFd<'_>) -> io::Result<(String, OwnedFd)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut note = [0; NOTE];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let got = recvmsg(socket, &mut [IoSliceMut::new(&mut note)], &mut control, flags)?;
    let rights = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    let text = String::from_utf8_lossy(&note[..got.bytes]).into_owned();
    rights.map(|descriptor| (text, descriptor)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Receives what [`send`] has sent, close-on-exec. Waits for it.
///
/// # Errors
/// What the system says, or that this is no control channel.
pub fn receive(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut descriptors = Vec::new();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    loop {
        let mut byte = [0];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        match (got.bytes, byte) {
            (1, [MORE]) => {}
            (1, [LAST]) => return Ok(descriptors),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no control channel")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Seek as _, Write as _};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn descriptors_arrive_in_order_and_the_stream_goes_on() {
        let (mut parent, mut child) = UnixStream::pair().expect("a pair");
        let files: Vec<File> = (0..BATCH + 3)
            .map(|number| {
                let mut file = tempfile::tempfile().expect("a file");
                write!(file, "{number}").expect("written");
                file
            })
            .collect();
        let borrowed: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
        send(&parent, &borrowed).expect("sent");
        parent.write_all(b"after").expect("sent");
        drop(parent);
        let got = receive(&child).expect("received");
        assert_eq!(got.len(), files.len());
        for (number, descriptor) in got.into_iter().enumerate() {
            assert!(rustix::io::fcntl_getfd(&descriptor).expect("flags").contains(rustix::io::FdFlags::CLOEXEC));
            let mut file = File::from(descriptor);
            let mut text = String::new();
            file.rewind().and_then(|()| file.read_to_string(&mut text)).expect("read");
            assert_eq!(text, number.to_string());
        }
        let mut rest = String::new();
        child.read_to_string(&mut rest).expect("the rest");
        assert_eq!(rest, "after");
    }

    #[test]
    fn a_descriptor_is_handed_over_with_its_note() {
        let (parent, child) = std::os::unix::net::UnixDatagram::pair().expect("a pair");
        assert_eq!(take(parent.as_fd()).expect_err("nothing is there").kind(), io::ErrorKind::WouldBlock);
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        hand(child.as_fd(), theirs.as_fd(), "127.0.0.1:5").expect("handed over");
        drop(theirs);
        let (note, taken) = take(parent.as_fd()).expect("taken");
        assert_eq!(note, "127.0.0.1:5");
        UnixStream::from(taken).write_all(b"here").expect("written");
        let mut text = String::new();
        ours.read_to_string(&mut text).expect("read");
        assert_eq!(text, "here");
        child.send(b"nothing").expect("sent");
        assert_eq!(take(parent.as_fd()).expect_err("no descriptor").kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_is_no_control_channel_is_refused() {
        let (mut parent, child) = UnixStream::pair().expect("a pair");
        parent.write_all(b"GET /").expect("sent");
        assert!(receive(&child).is_err());
    }
}
