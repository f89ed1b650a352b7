//! Connections into which the kernel can move a file's bytes by itself, without a copy through this
//! process.
//!
//! The bytes are not copied when they are sent, but when the peer takes them, so that this is only
//! for files that nobody can change any more.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, ready};

use rustix::fs::sendfile;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection that may be able to do so.
pub(super) trait SendFile {
    /// Whether it is. If not, the other methods fail.
    const CAN_SEND_FILES: bool = false;

    /// Sends bytes behind which more follow at once, so that they leave together.
    fn poll_send_ahead(
        &mut self,
        _cx: &mut Context<'_>,
        _bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Sends at most `count` bytes of a file, from `offset` on.
    fn poll_send_file(
        &mut self,
        _cx: &mut Context<'_>,
        _file: BorrowedFd<'_>,
        _offset: u64,
        _count: usize,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

impl SendFile for TcpStream {
    const CAN_SEND_FILES: bool = true;

    fn poll_send_ahead(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        poll_when_writable(self, cx, |socket| {
            Ok(sendmsg(socket, bytes, &mut SendAncillaryBuffer::default(), flags)?)
        })
    }

    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: BorrowedFd<'_>,
        offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        poll_when_writable(self, cx, |socket| {
            let mut offset = offset;
            Ok(sendfile(socket, file, Some(&mut offset), count)?)
        })
    }
}

fn poll_when_writable(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        match socket.try_io(Interest::WRITABLE, || write(socket)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => return Poll::Ready(written),
        }
    }
}

/// Within TLS, bytes are not the file's any more.
impl SendFile for Box<TlsStream<TcpStream>> {}
