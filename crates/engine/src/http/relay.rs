//! One body that comes once and goes to many.
//!
//! [`Relay`] is a window on a body that is being fetched: the [`Feed`] puts in what comes, each
//! [`Reader`] takes it out at its own pace, and what all have taken is let go. The fetching waits
//! for the slowest, so that one fetch is enough for all, but not for ever: whoever holds the others
//! up for [`RELAY_LAG`] is left behind, and told at which byte, to fetch the rest for itself. When
//! the last reader has left, the feed is told that nobody wants more.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use sockeye_proto::limits::{
    RELAY_LAG, RELAY_SCARCE_WINDOW_BYTES, RELAY_WINDOW_BYTES, RELAYS_PLENTY_BYTES,
};
use sockeye_proto::machine::Tick;
use tokio::time::{Sleep, sleep_until};

use crate::clock;

/// While only few wait for the others, it may be the machine that is slow: then it is waited for so
/// many times as long.
const FEW_WAIT: u32 = 5;

/// Bytes in all windows.
static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

/// A window; see the [module](self).
#[derive(Debug)]
pub struct Relay {
    inner: Mutex<Inner>,
}

/// Where what is fetched is put in. When it is dropped without [`Feed::whole`], the body is broken.
#[derive(Debug)]
pub struct Feed {
    relay: Arc<Relay>,
    look_again: Option<Pin<Box<Sleep>>>,
}

/// Where it is taken out.
#[derive(Debug)]
pub struct Reader {
    relay: Arc<Relay>,
    seat: usize,
}

/// What a reader is told next.
#[derive(Debug)]
pub enum Taken {
    /// These bytes.
    Bytes(Bytes),
    /// That was all.
    Whole,
    /// It was too slow, and has had so many bytes: the rest is gone for it.
    LeftBehind(u64),
}

#[derive(Debug)]
struct Inner {
    /// What somebody may still take, with its first byte's place in the body.
    kept: VecDeque<Bytes>,
    kept_from: u64,
    kept_bytes: usize,
    ending: Ending,
    seats: Vec<Option<Seat>>,
    /// Since when the feed has waited for room while some reader has had all, and how much less that
    /// counts than if most had,
    held_up_since: Option<(Tick, u32)>,
    /// and for how long before, since the window was
    held_up: Duration,
    /// here.
    counted_from: u64,
    feeding: Option<Waker>,
}

#[derive(Debug)]
enum Ending {
    NotYet,
    Whole,
    Broken(String),
}

#[derive(Debug)]
struct Seat {
    /// How many bytes of the body this reader has had.
    had: u64,
    is_left_behind: bool,
    waker: Option<Waker>,
}

impl Relay {
    /// A window, its feed, and its first reader.
    pub fn new() -> (Arc<Self>, Feed, Reader) {
        let relay = Arc::new(Self {
            inner: Mutex::new(Inner {
                kept: VecDeque::new(),
                kept_from: 0,
                kept_bytes: 0,
                ending: Ending::NotYet,
                seats: Vec::new(),
                held_up_since: None,
                held_up: Duration::ZERO,
                counted_from: 0,
                feeding: None,
            }),
        });
        let seat = relay.lock().sit();
        let feed = Feed { relay: Arc::clone(&relay), look_again: None };
        let reader = Reader { relay: Arc::clone(&relay), seat };
        (relay, feed, reader)
    }

    /// One more reader, if the body's beginning is still there and somebody still reads it.
    pub fn join(self: &Arc<Self>) -> Option<Reader> {
        let mut inner = self.lock();
        let is_too_late = inner.kept_from > 0 || matches!(inner.ending, Ending::Broken(_));
        // A feed that nobody reads is about to end.
        if is_too_late || inner.seats.iter().all(Option::is_none) {
            return None;
        }
        let seat = inner.sit();
        drop(inner);
        Some(Reader { relay: Arc::clone(self), seat })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// Waits until there is room; false: nobody reads any more.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            let room = self.relay.lock().room(clock::now(), cx);
            match room {
                Room::Some => return Poll::Ready(true),
                Room::NobodyReads => return Poll::Ready(false),
                // Whoever takes something out, or leaves, wakes the feed.
                Room::NoneUntil(None) => return Poll::Pending,
                Room::NoneUntil(Some(until)) => {
                    let until = clock::instant(until);
                    let look_again =
                        self.look_again.get_or_insert_with(|| Box::pin(sleep_until(until)));
                    look_again.as_mut().reset(until);
                    ready!(look_again.as_mut().poll(cx));
                }
            }
        }
    }

    /// Completes when nobody reads any more.
    pub fn poll_deserted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.relay.lock();
        if inner.seats.iter().all(Option::is_none) {
            return Poll::Ready(());
        }
        inner.feeding = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Puts in what came. To be called when there is room; an empty piece is none.
    pub fn put(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let mut inner = self.relay.lock();
        inner.kept_bytes += bytes.len();
        HELD_BYTES.fetch_add(bytes.len(), Ordering::Relaxed);
        inner.kept.push_back(bytes);
        inner.wake_readers();
    }

    /// That was all.
    pub fn whole(self) {
        let mut inner = self.relay.lock();
        inner.ending = Ending::Whole;
        inner.wake_readers();
    }

    /// It ends before it is whole.
    pub fn broken(self, why: String) {
        self.relay.lock().ending = Ending::Broken(why);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut inner = self.relay.lock();
        if matches!(inner.ending, Ending::NotYet) {
            inner.ending = Ending::Broken("it was not fetched to its end".into());
        }
        inner.wake_readers();
    }
}

impl Reader {
    /// What comes next.
    pub fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Taken>> {
        self.relay.lock().take(self.seat, cx)
    }

    /// How many bytes it has had.
    pub fn had(&self) -> u64 {
        self.relay.lock().seats[self.seat].as_ref().map_or(0, |seat| seat.had)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut inner = self.relay.lock();
        inner.seats[self.seat] = None;
        inner.let_go();
        inner.wake_feed();
    }
}

/// Whether more may be put in.
#[derive(Debug, PartialEq, Eq)]
enum Room {
    Some,
    /// Not before somebody takes something out; to be looked at again then, at the latest.
    NoneUntil(Option<Tick>),
    NobodyReads,
}

impl Inner {
    fn sit(&mut self) -> usize {
        let seat = Some(Seat { had: 0, is_left_behind: false, waker: None });
        if let Some(free) = self.seats.iter().position(Option::is_none) {
            self.seats[free] = seat;
            return free;
        }
        self.seats.push(seat);
        self.seats.len() - 1
    }

    fn end(&self) -> u64 {
        self.kept_from + self.kept_bytes as u64
    }

    fn room(&mut self, now: Tick, cx: &mut Context<'_>) -> Room {
        if self.seats.iter().all(Option::is_none) {
            return Room::NobodyReads;
        }
        if self.kept_bytes < window_now(HELD_BYTES.load(Ordering::Relaxed)) {
            return Room::Some;
        }
        self.feeding = Some(cx.waker().clone());
        let end = self.end();
        self.bank(now);
        let (mut readers, mut waiting) = (0, 0);
        for seat in self.seats.iter().flatten().filter(|seat| !seat.is_left_behind) {
            readers += 1;
            waiting += u32::from(seat.had == end);
        }
        if waiting == 0 {
            // All are at it; none waits for another.
            return Room::NoneUntil(None);
        }
        if self.held_up >= RELAY_LAG {
            self.count_anew();
            self.leave_behind();
            return Room::Some;
        }
        let most = 2 * waiting >= readers;
        let slowed = if most { 1 } else { FEW_WAIT };
        self.held_up_since = Some((now, slowed));
        Room::NoneUntil(Some(now + slowed * RELAY_LAG.saturating_sub(self.held_up)))
    }

    /// Counts the time that somebody has waited for others.
    fn bank(&mut self, now: Tick) {
        if let Some((since, slowed)) = self.held_up_since.take() {
            self.held_up += now.since(since) / slowed;
        }
    }

    fn count_anew(&mut self) {
        self.held_up_since = None;
        self.held_up = Duration::ZERO;
        self.counted_from = self.kept_from;
    }

    /// The rest goes on without the slowest, and all others in the window's first half.
    fn leave_behind(&mut self) {
        let half = self.kept_from + self.kept_bytes as u64 / 2;
        let slowest = self.seats.iter().flatten().filter(|seat| !seat.is_left_behind);
        let bound = slowest.map(|seat| seat.had + 1).min().unwrap_or(0).max(half);
        for seat in self.seats.iter_mut().flatten().filter(|seat| seat.had < bound) {
            seat.is_left_behind = true;
            if let Some(waker) = seat.waker.take() {
                waker.wake();
            }
        }
        self.let_go();
    }

    fn take(&mut self, seat: usize, cx: &mut Context<'_>) -> Poll<io::Result<Taken>> {
        let end = self.end();
        let Some(sits) = self.seats[seat].as_mut() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if sits.is_left_behind {
            return Poll::Ready(Ok(Taken::LeftBehind(sits.had)));
        }
        if sits.had == end {
            return match &self.ending {
                Ending::Whole => Poll::Ready(Ok(Taken::Whole)),
                Ending::Broken(why) => Poll::Ready(Err(io::Error::other(why.clone()))),
                Ending::NotYet => {
                    let is_same = sits.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker()));
                    if !is_same {
                        sits.waker = Some(cx.waker().clone());
                    }
                    Poll::Pending
                }
            };
        }
        let mut skip = (sits.had - self.kept_from) as usize;
        let mut piece = Bytes::new();
        for kept in &self.kept {
            if skip < kept.len() {
                piece = kept.slice(skip..);
                break;
            }
            skip -= kept.len();
        }
        sits.had += piece.len() as u64;
        let has_all = sits.had == end;
        self.let_go();
        if has_all {
            // How long the feed waits for the others depends on who waits with it.
            self.wake_feed();
        }
        Poll::Ready(Ok(Taken::Bytes(piece)))
    }

    /// Lets go of what all have taken. While the whole body is there and no room is needed, it stays
    /// for who joins.
    fn let_go(&mut self) {
        let left = self.seats.iter().flatten().filter(|seat| !seat.is_left_behind);
        let all_had = left.map(|seat| seat.had).min().unwrap_or(self.end());
        let is_short = self.kept_from == 0 && self.end() <= RELAY_SCARCE_WINDOW_BYTES as u64;
        if is_short && !self.seats.iter().all(Option::is_none) {
            return;
        }
        let mut has_gone = false;
        while let Some(first) = self.kept.front() {
            let end = self.kept_from + first.len() as u64;
            if end > all_had {
                break;
            }
            self.kept_bytes -= first.len();
            HELD_BYTES.fetch_sub(first.len(), Ordering::Relaxed);
            self.kept_from = end;
            self.kept.pop_front();
            has_gone = true;
        }
        if has_gone {
            self.bank(clock::now());
            if self.kept_from - self.counted_from >= RELAY_WINDOW_BYTES as u64 {
                self.count_anew();
            }
            self.wake_feed();
        }
    }

    fn wake_feed(&mut self) {
        if let Some(waker) = self.feeding.take() {
            waker.wake();
        }
    }

    fn wake_readers(&mut self) {
        for seat in self.seats.iter_mut().flatten() {
            if let Some(waker) = seat.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        HELD_BYTES.fetch_sub(self.kept_bytes, Ordering::Relaxed);
    }
}

/// How much a window holds while all hold so much.
fn window_now(held_bytes: usize) -> usize {
    if held_bytes < RELAYS_PLENTY_BYTES { RELAY_WINDOW_BYTES } else { RELAY_SCARCE_WINDOW_BYTES }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn take(reader: &mut Reader) -> io::Result<Taken> {
        poll_fn(|cx| reader.poll_take(cx)).await
    }

    async fn bytes(reader: &mut Reader) -> Bytes {
        match take(reader).await {
            Ok(Taken::Bytes(bytes)) => bytes,
            other => panic!("{other:?}"),
        }
    }

    async fn has_room(feed: &mut Feed) -> bool {
        poll_fn(|cx| feed.poll_room(cx)).await
    }

    fn window() -> Bytes {
        Bytes::from(vec![7; RELAY_WINDOW_BYTES])
    }

    #[tokio::test]
    async fn every_reader_gets_every_byte_in_order_at_its_own_pace() {
        let (relay, mut feed, mut first) = Relay::new();
        let mut second = relay.join().unwrap();
        feed.put(Bytes::from_static(b"ab"));
        assert_eq!(&bytes(&mut first).await[..], b"ab");
        feed.put(Bytes::from_static(b"cd"));
        assert_eq!(&bytes(&mut first).await[..], b"cd");
        assert_eq!(&bytes(&mut second).await[..], b"ab");
        let mut third = relay.join().unwrap();
        feed.whole();
        assert!(matches!(take(&mut first).await, Ok(Taken::Whole)));
        assert_eq!(&bytes(&mut second).await[..], b"cd");
        assert!(matches!(take(&mut second).await, Ok(Taken::Whole)));
        assert_eq!(&bytes(&mut third).await[..], b"ab");
        assert_eq!((first.had(), third.had()), (4, 2));
    }

    #[tokio::test]
    async fn a_body_that_breaks_never_looks_whole() {
        let (_, mut feed, mut reader) = Relay::new();
        feed.put(Bytes::from_static(b"ab"));
        feed.broken("the source is gone".into());
        bytes(&mut reader).await;
        assert_eq!(take(&mut reader).await.unwrap_err().to_string(), "the source is gone");
        let (relay, feed, mut reader) = Relay::new();
        drop(feed);
        assert!(take(&mut reader).await.is_err());
        assert!(relay.join().is_none());
    }

    #[tokio::test]
    async fn nobody_joins_when_the_beginning_is_gone_or_all_have_left() {
        let (relay, mut feed, mut reader) = Relay::new();
        feed.put(window());
        assert_eq!(bytes(&mut reader).await.len(), RELAY_WINDOW_BYTES);
        assert!(relay.join().is_none(), "the beginning is gone");
        drop(reader);
        assert!(!has_room(&mut feed).await, "nobody reads");
        let (relay, _feed, reader) = Relay::new();
        drop(reader);
        assert!(relay.join().is_none(), "the feed is about to end");
    }

    #[tokio::test]
    async fn the_feed_waits_for_the_slow_and_then_goes_on_without_them() {
        let (relay, mut feed, mut fast) = Relay::new();
        let mut slow = relay.join().unwrap();
        feed.put(window());
        bytes(&mut fast).await;
        let mut context = Context::from_waker(Waker::noop());
        assert!(feed.poll_room(&mut context).is_pending(), "it waits");
        let later = clock::now() + RELAY_LAG;
        assert_eq!(relay.lock().room(later, &mut context), Room::Some);
        assert!(matches!(take(&mut slow).await, Ok(Taken::LeftBehind(0))));
        feed.put(Bytes::from_static(b"on"));
        assert_eq!(&bytes(&mut fast).await[..], b"on");
    }

    #[tokio::test]
    async fn what_all_have_had_makes_room_however_it_came() {
        let (relay, mut feed, mut first) = Relay::new();
        let mut second = relay.join().unwrap();
        // Short enough that it is kept for who joins, until it is not.
        for piece in 0..64 {
            feed.put(Bytes::from(vec![piece; RELAY_WINDOW_BYTES / 32]));
            bytes(&mut first).await;
            bytes(&mut second).await;
            assert!(has_room(&mut feed).await);
        }
        assert!(relay.lock().kept_bytes <= RELAY_SCARCE_WINDOW_BYTES);
    }

    #[tokio::test]
    async fn the_slowest_is_left_behind_wherever_in_the_window_it_is() {
        let (relay, mut feed, mut fast) = Relay::new();
        let mut slow = relay.join().unwrap();
        for _ in 0..4 {
            feed.put(Bytes::from(vec![7; RELAY_WINDOW_BYTES / 4]));
            bytes(&mut fast).await;
        }
        for _ in 0..3 {
            bytes(&mut slow).await;
        }
        feed.put(window());
        bytes(&mut fast).await;
        let mut context = Context::from_waker(Waker::noop());
        assert!(feed.poll_room(&mut context).is_pending(), "it waits");
        let later = clock::now() + RELAY_LAG;
        assert_eq!(relay.lock().room(later, &mut context), Room::Some);
        let had = 3 * RELAY_WINDOW_BYTES as u64 / 4;
        assert!(matches!(take(&mut slow).await, Ok(Taken::LeftBehind(at)) if at == had));
    }

    #[tokio::test]
    async fn while_none_waits_for_another_nobody_is_left_behind() {
        let (relay, mut feed, _slow) = Relay::new();
        let _other = relay.join().unwrap();
        feed.put(window());
        let mut inner = relay.lock();
        let mut context = Context::from_waker(Waker::noop());
        let room = inner.room(clock::now() + 10 * RELAY_LAG, &mut context);
        assert_eq!(room, Room::NoneUntil(None));
    }
}
