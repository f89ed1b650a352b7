//! A sibling that does what a test says, and notes what it was asked.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::HANG;

/// A request's head as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) head: String,
}

impl Asked {
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

type Script = dyn Fn(&Asked, &mut TcpStream) -> bool + Send + Sync;

/// It ends with the test's process.
pub(crate) struct Puppet {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Puppet {
    /// It answers each request by `play`, which says whether the connection goes on. It is no
    /// Sockeye: a hello gets a 404.
    pub(crate) fn new(
        play: impl Fn(&Asked, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (noted, play): (_, Arc<Script>) = (Arc::clone(&asked), Arc::new(play));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (noted, play) = (Arc::clone(&noted), Arc::clone(&play));
                std::thread::spawn(move || serve(stream, &noted, &*play));
            }
        });
        Self { address, asked }
    }

    /// One that has this file, under any name that ends so, and no other.
    pub(crate) fn with(name: &'static str, bytes: Vec<u8>) -> Self {
        Self::new(move |asked, stream| {
            if !asked.target().ends_with(name) {
                return missing(stream);
            }
            found(stream, bytes.len());
            asked.method() == "HEAD" || stream.write_all(&bytes).is_ok()
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that was asked but hellos.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|a| !a.target().starts_with("/-/")).cloned().collect()
    }

    /// How often it was asked by this method.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.asked().iter().filter(|asked| asked.method() == method).count()
    }
}

fn serve(mut stream: TcpStream, noted: &Mutex<Vec<Asked>>, play: &Script) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = bytes.drain(..end + 4).collect();
            let asked = Asked { head: String::from_utf8(head).unwrap() };
            noted.lock().unwrap().push(asked.clone());
            let is_hello = asked.target().starts_with("/-/");
            let goes_on = if is_hello { missing(&mut stream) } else { play(&asked, &mut stream) };
            if !goes_on {
                return;
            }
        }
        match stream.read(&mut piece) {
            Ok(n @ 1..) => bytes.extend_from_slice(&piece[..n]),
            _ => return,
        }
    }
}

/// Says that it has it not.
pub(crate) fn missing(stream: &mut TcpStream) -> bool {
    stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").is_ok()
}

/// The head of a file.
pub(crate) fn found(stream: &mut TcpStream, length: usize) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nETag: \"p\"\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
}

/// Waits until the peer hangs up.
pub(crate) fn until_closed(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(HANG)).unwrap();
    assert!(!matches!(stream.read(&mut [0; 1]), Ok(1..)), "the peer hangs up");
}

/// A gate that what plays in a puppet waits at.
#[derive(Clone)]
pub(crate) struct Gate(Arc<(Mutex<bool>, std::sync::Condvar)>);

impl Gate {
    pub(crate) fn shut() -> Self {
        Self(Arc::new((Mutex::new(false), std::sync::Condvar::new())))
    }

    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn pass(&self) {
        let shut = self.0.0.lock().unwrap();
        let (_open, waited) = self.0.1.wait_timeout_while(shut, HANG, |is_open| !*is_open).unwrap();
        assert!(!waited.timed_out(), "the gate is opened");
    }
}

/// Looks until something is so; it must become so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < HANG, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
