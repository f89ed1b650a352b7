//! What answers are made of: nothing, bytes at hand, or parts of a file.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};

use super::exchange::Exchange;
use crate::disk::archive::ArchiveReader;
use crate::disk::chunk::Chunk;
use crate::disk::reader::FileReader;

/// The contents of an answer.
#[derive(Debug)]
pub enum Content {
    /// None.
    Empty,
    /// These bytes, sent in one write with the head.
    Bytes(Bytes),
    /// Parts of a file, read while they are sent.
    File(FileReader),
    /// A folder as an archive, made while it is sent.
    Archive(Box<ArchiveReader>),
    /// What comes from elsewhere while it is sent.
    Other(Box<dyn Source>),
}

/// Contents that come piece by piece from wherever they are.
pub trait Source: fmt::Debug + Send {
    /// The next piece; `None` at the end. An error breaks the connection, so that what was sent never
    /// looks whole.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Chunk>>>;

    /// How many bytes are still to come, where that is known.
    fn remaining_bytes(&self) -> Option<u64>;
}

impl Content {
    /// How many bytes are still to come, where that is known.
    pub(super) fn remaining_bytes(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File(reader) => Some(reader.remaining_bytes()),
            Self::Archive(reader) => reader.has_ended().then_some(0),
            Self::Other(source) => source.remaining_bytes(),
        }
    }
}

impl<T: Into<Bytes>> From<T> for Content {
    fn from(bytes: T) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// Contents that report to their [`Exchange`] how much of them left, and when they end.
#[derive(Debug)]
pub struct Body {
    content: Content,
    /// Bytes that were given out.
    given_bytes: u64,
    exchange: Arc<Exchange>,
}

/// A piece of a body, which keeps its exchange open until it has left.
#[derive(Debug)]
pub struct Piece {
    chunk: Chunk,
    exchange: Arc<Exchange>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.chunk.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.chunk.chunk()
    }

    fn advance(&mut self, n: usize) {
        self.chunk.advance(n);
        self.exchange.sent(n as u64);
    }
}

impl Body {
    pub(super) fn new(content: Content, exchange: Exchange) -> Self {
        Self { content, given_bytes: 0, exchange: Arc::new(exchange) }
    }
}

impl http_body::Body for Body {
    type Data = Piece;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, io::Error>>> {
        if self.exchange.is_revoked() {
            let error = io::Error::other("its reader was thrown out");
            self.exchange.failed(&error);
            return Poll::Ready(Some(Err(error)));
        }
        let chunk = match &mut self.content {
            Content::Empty => Poll::Ready(None),
            Content::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                self.content = Content::Empty;
                Poll::Ready((!bytes.is_empty()).then_some(Ok(Chunk::Bytes(bytes))))
            }
            Content::File(reader) => reader.poll_chunk(cx),
            Content::Archive(reader) => reader.poll_chunk(cx),
            Content::Other(source) => source.poll_chunk(cx),
        };
        if let Poll::Ready(Some(Ok(chunk))) = &chunk {
            self.given_bytes += chunk.remaining() as u64;
            let given_bytes = self.given_bytes;
            if let Content::Archive(reader) = &mut self.content
                && reader.has_ended()
            {
                let remark = reader.take_remark();
                self.exchange.is_all(given_bytes, remark);
            }
        }
        if let Poll::Ready(Some(Err(error))) = &chunk {
            self.exchange.failed(error);
        }
        let piece = |chunk| Frame::data(Piece { chunk, exchange: Arc::clone(&self.exchange) });
        chunk.map(|chunk| chunk.map(|chunk| chunk.map(piece)))
    }

    fn is_end_stream(&self) -> bool {
        self.content.remaining_bytes() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.content.remaining_bytes().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
