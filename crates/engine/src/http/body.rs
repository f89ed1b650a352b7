//! What answers are made of: nothing, bytes at hand, or parts of a file.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::exchange::Exchange;
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
}

impl Content {
    /// How many bytes are still to come.
    pub(super) fn remaining_bytes(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(reader) => reader.remaining_bytes(),
        }
    }
}

impl<T: Into<Bytes>> From<T> for Content {
    fn from(bytes: T) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// Contents that report to their [`Exchange`] how much of them went out, and when they end.
#[derive(Debug)]
pub struct Body {
    content: Content,
    exchange: Exchange,
}

impl Body {
    pub(super) fn new(content: Content, exchange: Exchange) -> Self {
        Self { content, exchange }
    }
}

impl http_body::Body for Body {
    type Data = Chunk;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunk>, io::Error>>> {
        let chunk = match &mut self.content {
            Content::Empty => Poll::Ready(None),
            Content::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                self.content = Content::Empty;
                Poll::Ready((!bytes.is_empty()).then_some(Ok(Chunk::Bytes(bytes))))
            }
            Content::File(reader) => reader.poll_chunk(cx),
        };
        if let Poll::Ready(Some(chunk)) = &chunk {
            match chunk {
                Ok(chunk) => self.exchange.sent(bytes::Buf::remaining(chunk) as u64),
                Err(error) => self.exchange.failed(error),
            }
        }
        chunk.map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.content.remaining_bytes() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.content.remaining_bytes())
    }
}
