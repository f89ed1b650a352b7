//! The targets of `sockeye_proto::access`.

use std::net::{IpAddr, Ipv4Addr};

use sockeye_proto::access::credentials::Presented;
use sockeye_proto::access::entrance::{Answer, Entrance, Question, Said};
use sockeye_proto::access::mask::{without_key, without_said_key, without_secret_fields};
use sockeye_proto::access::session::Token;
use sockeye_proto::access::{Doorkeeper, Key, Verdict, key_said};
use sockeye_proto::datagram::split_key;
use sockeye_proto::echo::Echo;
use sockeye_proto::machine::{Input, Machine, Output, Tick};
use sockeye_proto::text::framing::{Framer, Framing};

const KEY: &str = "sesame-street";

fn key() -> Key {
    Key::parse(KEY).expect("it is a key")
}

/// What an HTTP request presents is some of its bytes or what they stand for, and nothing of it is
/// shown where heads are. The input is an Authorization field, a line end, and a Cookie field.
pub fn credentials(data: &[u8]) {
    let mut fields = data.splitn(2, |byte| *byte == b'\n');
    let (authorization, cookies) =
        (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let presented = Presented::read([authorization], [cookies], "sockeye-8080");
    assert_eq!(presented, Presented::read([authorization], [cookies], "sockeye-8080"));
    if let Some(said) = &presented.key {
        assert!(!said.is_empty() && said.len() < authorization.len(), "{authorization:?}");
        let again = [b"Bearer ", said.as_slice()].concat();
        let is_plain = said.iter().all(u8::is_ascii_alphanumeric);
        let bearer = Presented::read([&again[..]], [], "").key;
        assert!(!is_plain || again.len() > 1_024 || bearer == presented.key, "{again:?}");
    }
    if let Some(token) = &presented.token {
        let stands = cookies.windows(token.len()).any(|window| window == token.as_slice());
        assert!(stands && token.is_ascii(), "{cookies:?}");
        if let Some(parsed) = Token::parse(token) {
            assert_eq!(parsed.as_str().as_bytes(), token.as_slice());
            assert_eq!(parsed.id().len(), 22);
            let minted = Token::mint([7; 16], &key());
            assert_eq!(parsed.is_of(&key()) && parsed.id() == minted.id(), parsed == minted);
        }
    }
    let two = Presented::read([authorization, authorization], [], "");
    assert_eq!(two, Presented::default(), "of two, none is meant");
    hides(data);
}

/// Where something is hidden, it is gone.
fn hides(data: &[u8]) {
    let hidden = without_key(data, &key()).to_ascii_lowercase();
    assert!(!hidden.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "{data:?}");
    // What was hidden in one way needs no hiding again.
    let once = without_secret_fields(data).into_owned();
    assert_eq!(*without_secret_fields(&once), *once, "{data:?}");
    let _ = without_said_key(data);
    if let Some((before, said)) = split_key(data) {
        assert!(data.starts_with(before) && (1..=64).contains(&said.len()), "{data:?}");
        assert!(data[before.len()..].starts_with(b" key="), "{data:?}");
    }
}

/// A conversation that begins with the key: nothing reaches the echo behind it before the doorkeeper
/// has said yes, and everything after that does, byte for byte, however the stream is cut into reads.
/// The input is one byte of choices and the stream.
pub fn keyed_dialogue(data: &[u8]) {
    let Some((&choices, stream)) = data.split_first() else { return };
    let framing = [Framing::Auto, Framing::Line, Framing::Pause][usize::from(choices % 3)];
    let read_bytes = 1 + usize::from(choices / 3);
    let (whole, inside) = told(framing, stream, stream.len().max(1));
    let (told, _) = told(framing, stream, read_bytes);
    assert_eq!(told, whole, "{framing:?} by {read_bytes}");
    let let_in = plainest(framing, stream);
    assert_eq!(inside, let_in.map(<[u8]>::to_vec), "{framing:?} {stream:?}");
}

/// What is transmitted for a stream that comes without a pause and then ends; and what of that came
/// from behind the entrance, if the key was said.
fn told(framing: Framing, stream: &[u8], read_bytes: usize) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut machine =
        Entrance::new(Echo::default(), Framer::new(framing, std::time::Duration::from_millis(20)));
    let mut watched = Watched::default();
    for read in stream.chunks(read_bytes) {
        machine.handle(Tick::START, Input::Bytes(read));
        watched.drain(&mut machine);
    }
    machine.handle(Tick::START, Input::End);
    watched.drain(&mut machine);
    assert!(watched.is_closed, "the end of the stream ends the conversation");
    (watched.told, watched.inside)
}

struct Watched {
    doorkeeper: Doorkeeper,
    told: Vec<u8>,
    inside: Option<Vec<u8>>,
    says_ok: bool,
    is_closed: bool,
}

impl Default for Watched {
    fn default() -> Self {
        let doorkeeper = Doorkeeper::new(key());
        Self { doorkeeper, told: Vec::new(), inside: None, says_ok: false, is_closed: false }
    }
}

impl Watched {
    fn drain(&mut self, machine: &mut Entrance<Echo>) {
        let ana: IpAddr = Ipv4Addr::new(192, 0, 2, 1).into();
        loop {
            match machine.poll() {
                Output::Transmit(bytes) => {
                    self.told.extend_from_slice(&bytes);
                    if std::mem::take(&mut self.says_ok) {
                        assert!(bytes.trim_ascii() == b"OK", "{bytes:?}");
                        self.inside = Some(Vec::new());
                    } else if let Some(inside) = &mut self.inside {
                        inside.extend_from_slice(&bytes);
                    } else {
                        assert!(bytes.trim_ascii_start().starts_with(b"error: "), "{bytes:?}");
                    }
                }
                Output::Ask(ticket, Question::Check(Said(said))) => {
                    let verdict = self.doorkeeper.check(Tick::START, ana, &said);
                    self.says_ok = verdict == Verdict::Right;
                    machine.handle(Tick::START, Input::Answer(ticket, Answer::Checked(verdict)));
                }
                Output::Ask(_, Question::Inner(never)) | Output::Tell(never) => match never {},
                Output::Happened(_) => {}
                Output::Close(_) => self.is_closed = true,
                Output::Wait(_) => return,
            }
        }
    }
}

/// What stands behind the first right key, as the plainest splitting finds it; `None` if nobody is
/// let in.
fn plainest(framing: Framing, stream: &[u8]) -> Option<&[u8]> {
    const MESSAGE_MAX_BYTES: usize = 65_536;
    let (mut rest, mut wrong, mut is_first) = (stream, 0, true);
    if matches!(stream, [0x16, 0x03, ..] | [0xFE, ..]) {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let end = end.filter(|_| framing != Framing::Pause);
        let (line, behind) = match end {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest.strip_suffix(b"\n").unwrap_or(rest), &rest[rest.len()..]),
        };
        let has_end = line.len() < rest.len();
        let message = line.strip_suffix(b"\r").filter(|_| has_end).unwrap_or(line);
        if message.len() > MESSAGE_MAX_BYTES || (is_first && is_http(message)) {
            return None;
        }
        (rest, is_first) = (behind, false);
        let Some(said) = key_said(message) else { continue };
        if wrong < 5 && said.eq_ignore_ascii_case(KEY.as_bytes()) {
            return Some(rest);
        }
        wrong += 1;
    }
    None
}

/// As the framer sees it.
fn is_http(message: &[u8]) -> bool {
    let mut framer = Framer::new(Framing::Line, std::time::Duration::from_millis(20));
    framer.hear(Tick::START, message);
    framer.end();
    matches!(framer.next_message(), Some(Err(_)))
}
