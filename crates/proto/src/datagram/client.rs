//! The caller's side over UDP: one request, one answer.
//!
//! Datagrams get lost, so the request is sent again after 1, 2 and 4 s. A server that wants to
//! know first whether the address is real answers `COOKIE c`; then the request is said again with
//! the cookie at its very end.
//!
//! Each request is a machine of its own and wants a socket of its own: what answers the request
//! before it, late, would otherwise be taken for its answer.

use std::collections::VecDeque;
use std::convert::Infallible;

use super::LineEnd;
use super::cookie::Cookie;
use super::knock::append_key;
use crate::access::Key;
use crate::limits::{COOKIES_FOLLOWED_MAX, GIVE_UP_AFTER, RESEND_AFTER};
use crate::machine::{Fault, Input, Machine, Output, Tick};
use crate::text::spoken::{Ending, Spoken};

/// What a request reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The request was sent, in these bytes.
    Said(Spoken),
    /// The server wants the address proven, in this message; the request is said again.
    CookieAsked(Spoken),
    /// The answer. The conversation is complete.
    Heard(Spoken),
    /// The server asks for a cookie whatever is sent.
    NeverProven,
    /// Nothing was heard in time.
    Unanswered,
}

/// One request over UDP. [`Input::Bytes`] is a datagram from the server, [`Output::Transmit`] one
/// to it. It is sent by the first poll.
///
/// ```
/// use sockeye_proto::datagram::client::{Client, Event};
/// use sockeye_proto::machine::{Fault, Input, Machine, Output, Tick};
///
/// let mut client = Client::new(Tick::START, b"SEND_DATE".to_vec());
/// assert_eq!(client.poll(), Output::Transmit(b"SEND_DATE".to_vec()));
/// # while !matches!(client.poll(), Output::Wait(_)) {}
/// // What else it says is done, until it says wait. Then an answer comes:
/// client.handle(Tick::START, Input::Bytes(b"2026-11-20\n"));
/// let Output::Happened(Event::Heard(answer)) = client.poll() else { panic!("it is the answer") };
/// assert_eq!(answer.text(), b"2026-11-20");
/// assert_eq!(client.poll(), Output::Close(Fault::Nobody));
/// ```
#[derive(Debug)]
pub struct Client {
    request: Vec<u8>,
    key: Option<Key>,
    cookie: Option<Cookie>,
    cookies_followed: u32,
    /// How often it was sent again in the hope that the one before was lost.
    resent: usize,
    state: State,
    outputs: VecDeque<Output<Infallible, Event>>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Until this tick.
    Waiting(Tick),
    Closed,
}

impl Client {
    /// A request that is sent as it stands.
    pub fn new(now: Tick, request: Vec<u8>) -> Self {
        Self::with_key(now, request, None)
    }

    /// A request that says this key at its end, if there is one.
    ///
    /// ```
    /// use sockeye_proto::access::Key;
    /// use sockeye_proto::datagram::client::Client;
    /// use sockeye_proto::machine::{Machine, Output, Tick};
    ///
    /// let key = Key::parse("sesame-street")?;
    /// let mut client = Client::with_key(Tick::START, b"SEND_DATE\n".to_vec(), Some(key));
    /// assert_eq!(client.poll(), Output::Transmit(b"SEND_DATE key=sesame-street\n".to_vec()));
    /// # Ok::<(), sockeye_proto::access::KeyError>(())
    /// ```
    pub fn with_key(now: Tick, request: Vec<u8>, key: Option<Key>) -> Self {
        let mut client = Self {
            request,
            key,
            cookie: None,
            cookies_followed: 0,
            resent: 0,
            state: State::Closed,
            outputs: VecDeque::new(),
        };
        client.send(now);
        client
    }

    fn send(&mut self, now: Tick) {
        let (text, line_end) = LineEnd::split(&self.request);
        let mut datagram = text.to_vec();
        if let Some(key) = &self.key {
            append_key(key.as_str(), &mut datagram);
        }
        if let Some(cookie) = self.cookie {
            cookie.append_to(&mut datagram);
        }
        datagram.extend_from_slice(line_end.as_bytes());
        self.outputs.push_back(Output::Transmit(datagram.clone()));
        let (text, line_end) = LineEnd::split(&datagram);
        let said = Spoken::new(text.to_vec(), Ending::Datagram(line_end));
        self.outputs.push_back(Output::Happened(Event::Said(said)));
        let patience = RESEND_AFTER.get(self.resent).copied().unwrap_or(GIVE_UP_AFTER);
        self.state = State::Waiting(now + patience);
    }

    fn hear(&mut self, now: Tick, datagram: &[u8]) {
        let (text, line_end) = LineEnd::split(datagram);
        // A POST is never searched for a cookie: none would help it, but become a note itself.
        match Cookie::read_demand(text).filter(|_| !self.request.starts_with(b"POST")) {
            None => {
                let heard = Spoken::new(text.to_vec(), Ending::Datagram(line_end));
                self.close(Event::Heard(heard), Fault::Nobody);
            }
            // The answer to a datagram that was sent twice.
            Some(cookie) if self.cookie == Some(cookie) => {}
            Some(_) if self.cookies_followed == COOKIES_FOLLOWED_MAX => {
                self.close(Event::NeverProven, Fault::Peer);
            }
            Some(cookie) => {
                let asked = Spoken::new(text.to_vec(), Ending::Datagram(line_end));
                self.outputs.push_back(Output::Happened(Event::CookieAsked(asked)));
                self.cookie = Some(cookie);
                self.cookies_followed += 1;
                self.send(now);
            }
        }
    }

    fn time(&mut self, now: Tick) {
        match self.state {
            State::Waiting(until) if until > now => {}
            State::Waiting(_) if self.resent < RESEND_AFTER.len() => {
                self.resent += 1;
                self.send(now);
            }
            State::Waiting(_) => self.close(Event::Unanswered, Fault::Network),
            State::Closed => {}
        }
    }

    fn close(&mut self, event: Event, fault: Fault) {
        self.outputs.push_back(Output::Happened(event));
        self.outputs.push_back(Output::Close(fault));
        self.state = State::Closed;
    }
}

impl Machine for Client {
    type Question = Infallible;
    type Answer = Infallible;
    type Event = Event;
    type Tell = Infallible;
    type Told = Infallible;

    fn handle(&mut self, now: Tick, input: Input<'_, Infallible>) {
        if matches!(self.state, State::Closed) {
            return;
        }
        match input {
            Input::Bytes(datagram) => self.hear(now, datagram),
            // A socket of datagrams has no end; a driver that says so has lost it.
            Input::End => self.close(Event::Unanswered, Fault::Network),
            Input::Time => self.time(now),
            Input::Answer(_, never) => match never {},
            Input::Told(never) => match *never {},
        }
    }

    fn poll(&mut self) -> Output<Infallible, Event> {
        self.outputs.pop_front().unwrap_or(Output::Wait(match self.state {
            State::Waiting(until) => Some(until),
            State::Closed => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: &[u8] = b"COOKIE AAAAAAAAAAAAAAAAAAAAAA";

    fn at(ms: u64) -> Tick {
        Tick::from_ns(ms * 1_000_000)
    }

    fn client(request: &str) -> Client {
        Client::new(at(0), request.as_bytes().to_vec())
    }

    /// What is sent, the last thing that happened, the end, and the deadline.
    fn drain(client: &mut Client) -> (Vec<String>, Option<Event>, Option<Fault>, Option<Tick>) {
        let (mut sent, mut event, mut fault) = (Vec::new(), None, None);
        loop {
            match client.poll() {
                Output::Transmit(bytes) => sent.push(String::from_utf8(bytes).unwrap()),
                Output::Happened(happened) => event = Some(happened),
                Output::Close(closed) => fault = Some(closed),
                Output::Ask(_, never) | Output::Tell(never) => match never {},
                Output::Wait(until) => return (sent, event, fault, until),
            }
        }
    }

    fn heard(text: &[u8], line_end: LineEnd) -> Event {
        Event::Heard(Spoken::new(text.to_vec(), Ending::Datagram(line_end)))
    }

    #[test]
    fn a_request_is_sent_again_after_1_2_and_4_seconds_and_then_given_up() {
        let mut client = client("GET");
        let (mut sends, mut now) = (Vec::new(), at(0));
        let (event, fault) = loop {
            let (sent, event, fault, until) = drain(&mut client);
            sends.extend(sent.iter().map(|_| now.as_ns() / 1_000_000_000));
            let Some(until) = until else { break (event, fault) };
            now = until;
            client.handle(now, Input::Time);
        };
        assert_eq!(sends, [0, 1, 3, 7]);
        assert_eq!((event, fault, now), (Some(Event::Unanswered), Some(Fault::Network), at(8000)));
    }

    #[test]
    fn a_cookie_goes_behind_the_key_and_both_before_the_line_end() {
        let key = Key::parse("sesame-street").unwrap();
        let mut client = Client::with_key(at(0), b"GET\r\n".to_vec(), Some(key));
        assert_eq!(drain(&mut client).0, ["GET key=sesame-street\r\n"]);
        client.handle(at(1), Input::Bytes(COOKIE));
        let again = "GET key=sesame-street cookie=AAAAAAAAAAAAAAAAAAAAAA\r\n";
        assert_eq!(drain(&mut client).0, [again]);
    }

    #[test]
    fn an_early_wake_up_sends_nothing() {
        let mut client = client("GET");
        drain(&mut client);
        client.handle(at(999), Input::Time);
        assert_eq!(drain(&mut client), (vec![], None, None, Some(at(1000))));
    }

    #[test]
    fn the_answer_ends_it_and_what_comes_later_is_not_heard() {
        let mut client = client("GET");
        drain(&mut client);
        client.handle(at(5), Input::Bytes(b"END\r\n"));
        let heard = Some(heard(b"END", LineEnd::CrLf));
        assert_eq!(drain(&mut client), (vec![], heard, Some(Fault::Nobody), None));
        client.handle(at(6), Input::Bytes(b"END"));
        client.handle(at(2000), Input::Time);
        assert_eq!(drain(&mut client), (vec![], None, None, None));
    }

    #[test]
    fn an_empty_answer_is_an_answer() {
        let mut client = client("GET");
        drain(&mut client);
        client.handle(at(5), Input::Bytes(b""));
        assert_eq!(drain(&mut client).1, Some(heard(b"", LineEnd::None)));
    }

    #[test]
    fn a_request_is_said_again_with_the_cookie_before_its_line_end() {
        for (request, again) in [
            ("GET", "GET cookie=AAAAAAAAAAAAAAAAAAAAAA"),
            ("GET\n", "GET cookie=AAAAAAAAAAAAAAAAAAAAAA\n"),
            ("", " cookie=AAAAAAAAAAAAAAAAAAAAAA"),
        ] {
            let mut client = client(request);
            drain(&mut client);
            client.handle(at(5), Input::Bytes(COOKIE));
            assert_eq!(drain(&mut client).0, [again]);
            client.handle(at(1005), Input::Time);
            assert_eq!(drain(&mut client).0, [again], "and so it is sent again");
        }
    }

    #[test]
    fn the_same_cookie_twice_is_followed_once() {
        let mut client = client("GET");
        drain(&mut client);
        for _ in 0..10 {
            client.handle(at(5), Input::Bytes(COOKIE));
        }
        let (sent, _, fault, _) = drain(&mut client);
        assert_eq!((sent.len(), fault), (1, None));
    }

    #[test]
    fn a_server_that_asks_for_one_cookie_after_the_other_is_left() {
        let mut client = client("GET");
        drain(&mut client);
        for letter in ["A", "B"] {
            client.handle(at(5), Input::Bytes(format!("COOKIE {}", letter.repeat(22)).as_bytes()));
            assert_eq!(drain(&mut client).0, [format!("GET cookie={}", letter.repeat(22))]);
        }
        client.handle(at(5), Input::Bytes(format!("COOKIE {}", "C".repeat(22)).as_bytes()));
        let end = (vec![], Some(Event::NeverProven), Some(Fault::Peer), None);
        assert_eq!(drain(&mut client), end);
    }

    #[test]
    fn what_only_looks_like_a_cookie_is_an_answer_and_a_post_follows_none() {
        for answer in [&b"COOKIE"[..], b"COOKIE jar", b"cookie AAAAAAAAAAAAAAAAAAAAAA"] {
            let mut client = client("GET");
            client.handle(at(5), Input::Bytes(answer));
            assert_eq!(drain(&mut client).1, Some(heard(answer, LineEnd::None)));
        }
        for post in ["POST x", "POST"] {
            let mut client = client(post);
            client.handle(at(5), Input::Bytes(COOKIE));
            assert_eq!(drain(&mut client).1, Some(heard(COOKIE, LineEnd::None)), "{post}");
        }
    }
}
