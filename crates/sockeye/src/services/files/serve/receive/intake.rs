//! Bytes from the network into an [`Arrival`]: gathered here, written where waiting is allowed.
//!
//! While one batch is being written the next is gathered, so that neither the disk nor the network
//! waits for the other. A batch is smaller when many send at once, so that what is on its way in
//! stays within bounds.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sockeye_engine::disk::receive::{Arrival, Outcome, ReceiveError};
use sockeye_engine::http::request_body::{BodyError, RequestBody};
use sockeye_proto::limits::{BATCH_BYTES, BATCH_LEAST_BYTES, BATCHES_MAX_BYTES};
use thiserror::Error;

/// Why what was sent did not arrive.
#[derive(Debug, Error)]
pub enum Broken {
    /// It did not come to its end.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// It cannot be kept.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// It does not follow its own form.
    #[error("{0}")]
    Form(String),
    /// It is not what was announced.
    #[error("{0}")]
    Announced(String),
}

/// Where bytes come from.
pub trait Source {
    /// The next of them; `None` at the end that the sender meant.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, Broken>>> + Send;
}

impl Source for RequestBody {
    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        RequestBody::next(self).await.map(|piece| piece.map_err(Broken::Body))
    }
}

/// How many take something in now.
static INTAKES: AtomicUsize = AtomicUsize::new(0);

/// One that does.
struct Intake;

impl Intake {
    fn begin() -> Self {
        INTAKES.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        INTAKES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How much is gathered for one write now. Twice that is held: gathered, and being written.
fn batch_bytes() -> usize {
    let each = BATCHES_MAX_BYTES / (2 * INTAKES.load(Ordering::Relaxed).max(1));
    each.clamp(BATCH_LEAST_BYTES, BATCH_BYTES)
}

/// Takes in all that a source gives. The arrival comes back also where the source broke, with all
/// that came before; it is gone where writing it failed.
pub async fn take_in(
    source: &mut impl Source,
    mut arrival: Arrival,
) -> (Option<Arrival>, Result<(), Broken>) {
    let _intake = Intake::begin();
    let mut gathered = gather(source).await;
    loop {
        let Gathered { batch, end } = gathered;
        let writing = tokio::task::spawn_blocking(move || {
            let written = batch.iter().try_for_each(|piece| arrival.write(piece));
            (arrival, written)
        });
        let (written, next) = if end.is_some() {
            (writing.await, None)
        } else {
            let (written, next) = tokio::join!(writing, gather(source));
            (written, Some(next))
        };
        let (back, outcome) = match written {
            Ok(written) => written,
            Err(error) => return (None, Err(ReceiveError::Io(io::Error::other(error)).into())),
        };
        if let Err(error) = outcome {
            return (None, Err(error.into()));
        }
        match (end, next) {
            (Some(end), _) => return (Some(back), end),
            (None, Some(next)) => (arrival, gathered) = (back, next),
            (None, None) => return (Some(back), Ok(())),
        }
    }
}

struct Gathered {
    batch: Vec<Bytes>,
    /// How the source ended, if it did.
    end: Option<Result<(), Broken>>,
}

async fn gather(source: &mut impl Source) -> Gathered {
    let (mut batch, mut gathered_bytes) = (Vec::new(), 0);
    while gathered_bytes < batch_bytes() {
        match source.next().await {
            Some(Ok(piece)) => {
                gathered_bytes += piece.len();
                batch.push(piece);
            }
            Some(Err(error)) => return Gathered { batch, end: Some(Err(error)) },
            None => return Gathered { batch, end: Some(Ok(())) },
        }
    }
    Gathered { batch, end: None }
}

/// Makes an arrival safe and gives it its name.
pub async fn finish(arrival: Arrival) -> Result<Outcome, Broken> {
    waiting(move || arrival.finish()).await
}

/// Runs what may wait for the disk where waiting is allowed.
pub async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReceiveError> + Send + 'static,
) -> Result<T, Broken> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(ReceiveError::Io(io::Error::other(error)).into()),
    }
}
