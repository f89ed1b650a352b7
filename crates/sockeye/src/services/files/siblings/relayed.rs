//! The body that a client gets of what is fetched from a sibling.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderValue, StatusCode, header};
use sockeye_engine::disk::chunk::Chunk;
use sockeye_engine::http::body::Source;
use sockeye_engine::http::relay::{Reader, Taken};

use super::Siblings;
use super::flight::{Head, span_of};
use super::wanted::Wanted;

/// A client's way through a window; whoever is left behind there goes on by a fetch of its own.
pub(super) struct Relayed {
    siblings: Arc<Siblings>,
    wanted: Wanted,
    head: Arc<Head>,
    reader: Reader,
    /// Bytes that this client was given.
    given: u64,
    going_on: Option<Pin<Box<dyn Future<Output = io::Result<Reader>> + Send>>>,
}

impl Relayed {
    pub(super) fn new(
        siblings: &Arc<Siblings>,
        wanted: Wanted,
        head: &Arc<Head>,
        reader: Reader,
    ) -> Self {
        let (siblings, head) = (Arc::clone(siblings), Arc::clone(head));
        Self { siblings, wanted, head, reader, given: 0, going_on: None }
    }

    /// A fetch of the rest alone, of the same state of the same file.
    fn go_on(&self) -> Pin<Box<dyn Future<Output = io::Result<Reader>> + Send>> {
        let rest = span_of(&self.head).and_then(|span| {
            let state = self.head.fields.get(header::ETAG).filter(|tag| is_strong(tag))?;
            let rest = span.start + self.given..span.end;
            Some((self.wanted.rest(&rest, state), state.clone()))
        });
        let siblings = Arc::clone(&self.siblings);
        Box::pin(async move {
            let slow = || io::Error::other("it was read too slowly, and cannot be gone on with");
            let (wanted, state) = rest.ok_or_else(slow)?;
            let (flight, reader, _) = siblings.board(&wanted, None);
            let head = flight.head().await.map_err(|_| slow())?;
            let is_same = head.status == StatusCode::PARTIAL_CONTENT
                && head.fields.get(header::ETAG) == Some(&state);
            if is_same { Ok(reader) } else { Err(slow()) }
        })
    }
}

impl Source for Relayed {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Chunk>>> {
        loop {
            if let Some(going_on) = &mut self.going_on {
                let reader = ready!(going_on.as_mut().poll(cx));
                self.going_on = None;
                match reader {
                    Ok(reader) => self.reader = reader,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            match ready!(self.reader.poll_take(cx)) {
                Ok(Taken::Bytes(bytes)) => {
                    self.given += bytes.len() as u64;
                    return Poll::Ready(Some(Ok(Chunk::Bytes(bytes))));
                }
                Ok(Taken::Whole) => return Poll::Ready(None),
                Ok(Taken::LeftBehind(_)) => self.going_on = Some(self.go_on()),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    fn remaining_bytes(&self) -> Option<u64> {
        self.head.length.map(|length| length.saturating_sub(self.given))
    }
}

impl fmt::Debug for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relayed").field("given", &self.given).finish_non_exhaustive()
    }
}

/// Whether a tag stands for the same bytes, and not only for much the same (RFC 9110, section 8.8.3).
fn is_strong(tag: &HeaderValue) -> bool {
    !tag.as_bytes().starts_with(b"W/")
}
