//! A hub that wants a key on this machine's own addresses, and those who ask there.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use crate::support::{Answer, Fixture, Http, Server, connect_from, sockeye};

/// The key of the hubs here, unless they make their own.
pub(crate) const KEY: &str = "spawning-salmon";
/// What a browser says it is.
pub(crate) const FIREFOX: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
pub(crate) const JSON: (&str, &str) = ("Accept", "application/json");
pub(crate) const PAGE: (&str, &str) =
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

/// A hub and its folders.
pub(crate) struct Hub {
    pub(crate) fixture: Fixture,
    pub(crate) server: Server,
}

impl Hub {
    /// One that wants [`KEY`] and receives.
    pub(crate) fn new() -> Self {
        Self::with(&["--join-key", KEY, "--uploads"])
    }

    pub(crate) fn with(flags: &[&str]) -> Self {
        let fixture = Fixture::new();
        fixture.file("a.txt", "hello");
        let server = start(&fixture, flags);
        Self { fixture, server }
    }

    /// Starts it again with the same folders.
    pub(crate) fn again(mut self, flags: &[&str]) -> Self {
        self.server.process.signal(Signal::INT);
        assert_eq!(self.server.process.wait().code(), Some(0), "{}", self.server.process.stderr());
        let server = start(&self.fixture, flags);
        Self { fixture: self.fixture, server }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.fixture.beside("data")
    }

    /// The key that the data folder keeps.
    pub(crate) fn kept_key(&self) -> String {
        std::fs::read_to_string(self.data().join("key")).unwrap().trim().to_owned()
    }

    /// Somebody with no cookie yet, at this machine.
    pub(crate) fn visitor(&self) -> Visitor {
        Visitor { at: self.server.http(), from: Ipv4Addr::LOCALHOST, fields: Vec::new() }
    }

    /// Somebody who has joined with a key.
    #[track_caller]
    pub(crate) fn guest(&self, key: &str) -> Visitor {
        let mut visitor = self.visitor();
        visitor.join(key);
        visitor
    }
}

/// `up` on loopback, with the wires that want a key.
pub(crate) fn up(fixture: &Fixture, flags: &[&str]) -> Command {
    let mut command = sockeye();
    command.arg("up").arg(fixture.share()).arg("--quiet");
    command.args(["--on", "files=http://127.0.0.1:0", "--on", "files=tcp://127.0.0.1:0"]);
    command.args(["--without", "echo", "--without", "clock"]);
    if !flags.contains(&"--ephemeral") {
        command.arg("--data").arg(fixture.beside("data"));
    }
    command.args(flags);
    command
}

pub(crate) fn start(fixture: &Fixture, flags: &[&str]) -> Server {
    Server::start(&mut up(fixture, flags), 2)
}

/// Somebody who asks, each time on a connection of their own.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) at: SocketAddr,
    /// From which of this machine's addresses.
    pub(crate) from: Ipv4Addr,
    /// What they say each time.
    pub(crate) fields: Vec<(String, String)>,
}

impl Visitor {
    pub(crate) fn says(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, key: &str) -> Self {
        self.says("Authorization", &format!("Bearer {key}"))
    }

    pub(crate) fn browser(self) -> Self {
        self.says("User-Agent", FIREFOX)
    }

    pub(crate) fn from(mut self, from: Ipv4Addr) -> Self {
        self.from = from;
        self
    }

    /// A connection, and the request that is not sent on it yet.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> (Http, String) {
        let mut http = Http::connect(self.at);
        if self.from != Ipv4Addr::LOCALHOST {
            http.stream = connect_from(self.from, self.at);
        }
        let own = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<_> = own.chain(fields.iter().copied()).collect();
        let request = http.request(method, path, &fields);
        (http, request)
    }

    #[track_caller]
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let length = body.len().to_string();
        let mut all = fields.to_vec();
        if !matches!(method, "GET" | "HEAD") {
            all.push(("Content-Length", &length));
        }
        let (mut http, request) = self.request(method, path, &all);
        http.send(request + body);
        if method == "HEAD" { http.answer_head() } else { http.answer() }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &[JSON], body)
    }

    /// What the page's script does with the key.
    #[track_caller]
    pub(crate) fn tries_to_join(&self, key: &str) -> Answer {
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        self.ask("POST", "/-/join", &[JSON, form], &format!("key={key}&name=Ana+%C3%9F"))
    }

    /// Joins, and shows the cookie from then on.
    #[track_caller]
    pub(crate) fn join(&mut self, key: &str) {
        let answer = self.tries_to_join(key);
        assert_eq!(answer.status, 204, "{}", answer.text());
        self.keep_cookie(&answer);
    }

    pub(crate) fn keep_cookie(&mut self, answer: &Answer) {
        let cookie = answer.the("set-cookie").split(';').next().unwrap().to_owned();
        self.fields.retain(|(name, _)| name != "Cookie");
        self.fields.push(("Cookie".to_owned(), cookie));
    }

    pub(crate) fn cookie(&self) -> &str {
        &self.fields.iter().find(|(name, _)| name == "Cookie").unwrap().1
    }

    /// The id by which others know them.
    #[track_caller]
    pub(crate) fn id(&self) -> String {
        let hub = self.get("/-/api/hub").json();
        hub["access"]["guest"].as_str().unwrap_or_else(|| panic!("no guest: {hub}")).to_owned()
    }
}
