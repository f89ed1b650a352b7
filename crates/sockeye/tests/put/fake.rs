//! A server that answers as it is told, one thread a connection, and remembers each request's head.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::HANG;

/// What a script does with a request.
pub(crate) type Script = dyn Fn(usize, &str, &mut Peer) -> Next + Send + Sync;

/// Whether the connection stays.
#[derive(PartialEq)]
pub(crate) enum Next {
    Keep,
    Close,
}

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

/// The other end of one connection.
pub(crate) struct Peer(pub(crate) TcpStream);

impl Fake {
    /// `script` is given the request's number from 0 on and its head.
    pub(crate) fn new(
        script: impl Fn(usize, &str, &mut Peer) -> Next + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let connections = Arc::new(AtomicUsize::new(0));
        let (noted, counted) = (Arc::clone(&heads), Arc::clone(&connections));
        let script: Arc<Script> = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::Relaxed);
                let (script, noted) = (Arc::clone(&script), Arc::clone(&noted));
                stream.set_read_timeout(Some(HANG)).unwrap();
                std::thread::spawn(move || serve(Peer(stream), &*script, &noted));
            }
        });
        Self { address, heads, connections }
    }

    /// Takes every body, and answers every request with the same.
    pub(crate) fn saying(answer: &'static str) -> Self {
        Self::new(move |_, head, peer| {
            peer.body(head);
            peer.say(answer);
            Next::Keep
        })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// The request lines, without the version.
    pub(crate) fn requests(&self) -> Vec<String> {
        let line = |head: &String| head.lines().next().unwrap().replace(" HTTP/1.1", "");
        self.heads().iter().map(line).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn serve(mut peer: Peer, script: &Script, noted: &Mutex<Vec<String>>) {
    while let Some(head) = peer.head() {
        let number = {
            let mut noted = noted.lock().unwrap();
            noted.push(head.clone());
            noted.len() - 1
        };
        if script(number, &head, &mut peer) == Next::Close {
            return;
        }
    }
}

impl Peer {
    fn head(&mut self) -> Option<String> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            if self.0.read(&mut byte).unwrap_or(0) == 0 {
                return None;
            }
            head.push(byte[0]);
        }
        Some(String::from_utf8_lossy(&head).into_owned())
    }

    pub(crate) fn say(&mut self, text: &str) {
        let _ = self.0.write_all(text.as_bytes());
    }

    /// An answer with a body.
    pub(crate) fn answer(&mut self, status: &str, fields: &str, body: &str) {
        let length = body.len();
        self.say(&format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n{body}"));
    }

    /// So many bytes, or as many as come.
    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let mut filled = 0;
        while filled < most {
            match self.0.read(&mut bytes[filled..]) {
                Ok(n @ 1..) => filled += n,
                _ => break,
            }
        }
        bytes.truncate(filled);
        bytes
    }

    /// The body of a request with this head; one that was announced is asked for.
    pub(crate) fn body(&mut self, head: &str) -> Vec<u8> {
        if field(head, "Expect").is_some() {
            self.say("HTTP/1.1 100 Continue\r\n\r\n");
        }
        if field(head, "Transfer-Encoding") == Some("chunked") {
            return self.chunks();
        }
        let length = field(head, "Content-Length").map_or(0, |length| length.parse().unwrap());
        self.bytes(length)
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut line = String::new();
            while !line.ends_with("\r\n") {
                line.push(char::from(self.bytes(1)[0]));
            }
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            body.extend(self.bytes(length));
            assert_eq!(self.bytes(2), b"\r\n");
            if length == 0 {
                return body;
            }
        }
    }
}

pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Method and path.
pub(crate) fn asked(head: &str) -> (&str, &str) {
    let mut words = head.split(' ');
    (words.next().unwrap(), words.next().unwrap())
}
