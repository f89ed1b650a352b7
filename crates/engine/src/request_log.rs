//! One line a request on stderr, written by a thread of its own.
//!
//! A terminal that does not scroll, or a full pipe, must never hold up a transfer: lines wait in a
//! bounded queue, and what does not fit is counted and said later. No key gets into it: the same
//! thread hides what stands in a key's place, and the hub's key wherever it stands.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, SystemTime};

use jiff::{Timestamp, Zoned};
use sockeye_proto::access::mask::without_said_key;
use sockeye_proto::limits::LOG_QUEUE_LINES;
use sockeye_proto::printable::Printable;

use crate::access::Mask;

/// How a request's line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    People,
    /// The Common Log Format of web servers.
    Common,
    /// One JSON object a line.
    Json,
    /// Not at all.
    Off,
}

/// What is known of a request when it is over.
#[derive(Debug)]
pub struct Record {
    /// When it began.
    pub at: SystemTime,
    /// The service and wire: `files http`.
    pub wire: &'static str,
    /// Who asked.
    pub peer: SocketAddr,
    /// What was asked for: method and target, or a name. Raw: it is made printable here.
    pub asked: Vec<u8>,
    /// The protocol's version, where it has one: `HTTP/1.1`.
    pub protocol: Option<&'static str>,
    /// The status, or its like on a wire that has none.
    pub status: u16,
    /// Bytes of the body handed to the network.
    pub sent_bytes: u64,
    /// From head to last byte.
    pub took: Duration,
    /// What went wrong or is worth saying, if anything.
    pub note: Option<String>,
}

enum Message {
    Record(Box<Record>),
    Say(String),
    Flush(SyncSender<()>),
}

/// The sending end; cheap to clone.
#[derive(Clone)]
pub struct RequestLog {
    format: LogFormat,
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    mask: Mask,
}

impl std::fmt::Debug for RequestLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestLog").field("format", &self.format).finish_non_exhaustive()
    }
}

impl RequestLog {
    /// Starts the writing thread.
    pub fn start(format: LogFormat) -> std::io::Result<Self> {
        let (queue, messages) = sync_channel(LOG_QUEUE_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let (counted, mask) = (Arc::clone(&dropped), Mask::default());
        let hides = mask.clone();
        std::thread::Builder::new()
            .name("request log".into())
            .spawn(move || write_all(&messages, format, &counted, &hides))?;
        Ok(Self { format, queue, dropped, mask })
    }

    /// What hides keys in this log; it may be told of the key later.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// Whether records are written at all; asking first saves making one.
    pub fn is_on(&self) -> bool {
        self.format != LogFormat::Off
    }

    /// Writes a record, or counts it as dropped if the queue is full.
    pub fn record(&self, record: Record) {
        if self.is_on() {
            self.send(Message::Record(Box::new(record)));
        }
    }

    /// Writes a line of ours, unless the log is off.
    pub fn say(&self, line: String) {
        if self.is_on() {
            self.send(Message::Say(line));
        }
    }

    /// Writes a line that was asked for, also when the log is off.
    pub fn show(&self, line: String) {
        self.send(Message::Say(line));
    }

    /// Waits until everything said so far is written, two seconds at most.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(Duration::from_secs(2));
        }
    }

    fn send(&self, message: Message) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(message) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_all(messages: &Receiver<Message>, format: LogFormat, dropped: &AtomicU64, mask: &Mask) {
    let stderr = std::io::stderr();
    let colour = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut text = String::new();
    let mut waiters = Vec::new();
    while let Ok(first) = messages.recv() {
        // Whatever has gathered meanwhile goes out in one write.
        for message in std::iter::once(first).chain(messages.try_iter().take(256)) {
            match message {
                Message::Record(mut record) => {
                    write_record(&mut text, &mut record, format, colour);
                }
                Message::Say(line) => {
                    let _ = writeln!(text, "{line}");
                }
                Message::Flush(done) => waiters.push(done),
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(text, "({lost} log lines dropped: stderr does not keep up)");
        }
        // If stderr is closed there is nobody to tell.
        let _ = stderr.lock().write_all(&mask.hide_in_text(text.as_bytes()));
        text.clear();
        for waiter in waiters.drain(..) {
            let _ = waiter.send(());
        }
    }
}

fn write_record(text: &mut String, record: &mut Record, format: LogFormat, colour: bool) {
    if let Cow::Owned(shown) = without_said_key(&record.asked) {
        record.asked = shown;
    }
    // An echo says again what it heard.
    if let Some(note) = &mut record.note
        && let Cow::Owned(shown) = without_said_key(note.as_bytes())
    {
        *note = String::from_utf8_lossy(&shown).into_owned();
    }
    let _ = match format {
        LogFormat::People => write_people(text, record, colour),
        LogFormat::Common => write_common(text, record),
        LogFormat::Json => write_json(text, record),
        LogFormat::Off => Ok(()),
    };
}

/// `14:03:09 127.0.0.1 GET /a.txt 200 1.2 MB 3 ms`
fn write_people(text: &mut String, record: &Record, colour: bool) -> std::fmt::Result {
    let at = local(record.at);
    let (on, off) = match (colour, record.status / 100) {
        (false, _) => ("", ""),
        (true, 2 | 3) => ("\x1b[32m", "\x1b[0m"),
        (true, 4) => ("\x1b[33m", "\x1b[0m"),
        (true, _) => ("\x1b[31m", "\x1b[0m"),
    };
    write!(
        text,
        "{} {} {} {on}{}{off} {} {}",
        at.strftime("%H:%M:%S"),
        record.peer.ip(),
        Printable(&record.asked),
        record.status,
        Size(record.sent_bytes),
        Took(record.took),
    )?;
    if let Some(note) = &record.note {
        write!(text, " ({})", Printable(note.as_bytes()))?;
    }
    writeln!(text)
}

/// The Common Log Format: host, identity, user, time, request, status, bytes.
fn write_common(text: &mut String, record: &Record) -> std::fmt::Result {
    let at = local(record.at);
    let mut asked = Printable(&record.asked).to_string().replace('"', "\\x22");
    if let Some(protocol) = record.protocol {
        let _ = write!(asked, " {protocol}");
    }
    writeln!(
        text,
        "{} - - [{}] \"{asked}\" {} {}",
        record.peer.ip(),
        at.strftime("%d/%b/%Y:%H:%M:%S %z"),
        record.status,
        record.sent_bytes,
    )
}

fn write_json(text: &mut String, record: &Record) -> std::fmt::Result {
    let at = Timestamp::try_from(record.at).unwrap_or(Timestamp::UNIX_EPOCH);
    write!(
        text,
        "{{\"time\":\"{at:.3}\",\"wire\":\"{}\",\"peer\":\"{}\",\"asked\":{},\"status\":{},\
         \"sent_bytes\":{},\"took_us\":{}",
        record.wire,
        record.peer,
        JsonText(&String::from_utf8_lossy(&record.asked)),
        record.status,
        record.sent_bytes,
        record.took.as_micros(),
    )?;
    if let Some(note) = &record.note {
        write!(text, ",\"note\":{}", JsonText(note))?;
    }
    text.push_str("}\n");
    Ok(())
}

fn local(at: SystemTime) -> Zoned {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(jiff::tz::TimeZone::system())
}

/// A JSON string (RFC 8259, section 7).
struct JsonText<'a>(&'a str);

impl std::fmt::Display for JsonText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                c if c.is_control() => write!(f, "\\u{:04x}", c as u32)?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// A number of bytes for people: `512 B`, `1.5 MB` (powers of 1000).
#[derive(Clone, Copy, Debug)]
pub struct Size(pub u64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let mut size = self.0 as f64;
        let mut unit = "";
        for next in ["kB", "MB", "GB", "TB", "PB", "EB"] {
            // 999.95 would be rounded to 1000.0.
            if size < 999.95 {
                break;
            }
            size /= 1000.0;
            unit = next;
        }
        write!(f, "{size:.1} {unit}")
    }
}

/// A span for people: `40 µs`, `3 ms`, `2.5 s`.
struct Took(Duration);

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_micros() {
            us @ 0..1_000 => write!(f, "{us} µs"),
            us @ 1_000..1_000_000 => write!(f, "{} ms", us / 1_000),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(asked: &[u8]) -> Record {
        Record {
            at: SystemTime::UNIX_EPOCH,
            wire: "files http",
            peer: "127.0.0.1:9".parse().unwrap(),
            asked: asked.to_vec(),
            protocol: None,
            status: 200,
            sent_bytes: 1234,
            took: Duration::from_millis(3),
            note: None,
        }
    }

    #[test]
    fn a_name_cannot_forge_a_second_line() {
        for format in [LogFormat::People, LogFormat::Common, LogFormat::Json] {
            let mut text = String::new();
            write_record(&mut text, &mut record(b"GET /a\n1.2.3.4 GET /b\x1b[2J\""), format, false);
            assert_eq!(text.matches('\n').count(), 1, "{format:?}: {text}");
            assert!(!text.contains('\x1b'), "{format:?}: {text}");
        }
    }

    #[test]
    fn what_was_meant_as_a_key_is_in_no_line() {
        for asked in [&b"KEY sesame"[..], b"SEND_TIME key=sesame"] {
            for format in [LogFormat::People, LogFormat::Common, LogFormat::Json] {
                let note = Some(String::from_utf8_lossy(asked).into_owned());
                let (mut text, mut record) = (String::new(), Record { note, ..record(asked) });
                write_record(&mut text, &mut record, format, false);
                assert!(!text.contains("sesame") && text.contains('…'), "{format:?}: {text}");
            }
        }
    }

    #[test]
    fn the_people_line_reads_as_one() {
        let mut text = String::new();
        write_record(&mut text, &mut record(b"GET /a"), LogFormat::People, false);
        assert!(text.ends_with(" 127.0.0.1 GET /a 200 1.2 kB 3 ms\n"), "{text}");
    }

    #[test]
    fn sizes_are_rounded_for_people() {
        let shown =
            [0, 999, 1000, 999_949, 999_950, 1_500_000, u64::MAX].map(|n| Size(n).to_string());
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "1.5 MB", "18.4 EB"]);
    }
}
