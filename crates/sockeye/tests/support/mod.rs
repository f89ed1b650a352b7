//! What the end-to-end tests share: a server that is started and surely killed, a raw HTTP client
//! that hides nothing, and folders to share.
//!
//! Nothing here waits by the clock: servers are ready when they have said so on stdout, and every
//! read has a generous bound after which the test fails instead of hanging.
#![allow(dead_code, reason = "each room of tests uses a part of this")]

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Longer than anything here takes; who waits this long has met a hang.
pub(crate) const HANG: Duration = Duration::from_secs(30);
/// What lies beside the shared folder and may never be seen.
pub(crate) const SECRET: &str = "BESIDE-THE-SHARE-c1f7e2";
/// A name beside the shared folder: whoever sees it has listed what is outside.
pub(crate) const OUTSIDE_NAME: &str = "outside-marker-77aa";

/// The program under test.
pub(crate) fn sockeye() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SOCKEYE_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1").env("XDG_DATA_HOME", data_home()).stdin(Stdio::null());
    // The network around whoever runs the tests is told nothing.
    command.env("SOCKEYE_NO_ANNOUNCE", "1");
    command
}

/// A place for what a command keeps: its own, and none of whoever runs the tests.
fn data_home() -> PathBuf {
    static COMMANDS: AtomicU64 = AtomicU64::new(0);
    let command = COMMANDS.fetch_add(1, Ordering::Relaxed);
    let name = format!("data-{}-{command}", std::process::id());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Somebody else's program; failing to start it names the Debian package that has it.
pub(crate) fn other_program(name: &str, debian_package: &str) -> Command {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(found.success(), "`{name}` is missing: apt-get install {debian_package}");
    Command::new(name)
}

/// curl without a settings file of its user, and within bounds.
pub(crate) fn curl() -> Command {
    let mut command = other_program("curl", "curl");
    command.args(["-q", "-s", "--noproxy", "*", "--max-time", "60"]);
    command
}

/// Runs a command to its end, which must come.
pub(crate) fn run(command: &mut Command) -> Output {
    let mut child = Running::spawn(command);
    let status = child.wait();
    Output { status, stdout: child.stdout(), stderr: child.stderr().into_bytes() }
}

/// A child process whose output is gathered, and that does not outlive the test.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    stderr_reader: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut running = Self::spawn_keeping_stdout(command);
        let mut stdout = running.child.stdout.take().unwrap();
        running.stdout = Some(std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stdout.read_to_end(&mut bytes);
            bytes
        }));
        running
    }

    pub(crate) fn spawn_keeping_stdout(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut pipe = child.stderr.take().unwrap();
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let gathered = Arc::clone(&stderr);
        let stderr_reader = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut piece) {
                gathered.lock().unwrap().extend_from_slice(&piece[..n]);
            }
        });
        Self { child, stdout: None, stderr, stderr_reader: Some(stderr_reader) }
    }

    /// Waits for the end, which must come.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.wait_within(HANG).unwrap_or_else(|| {
            let _ = self.child.kill();
            panic!("the process did not end; stderr: {}", self.stderr())
        })
    }

    /// Waits for the end up to a bound.
    pub(crate) fn wait_within(&mut self, bound: Duration) -> Option<ExitStatus> {
        let pid = Pid::from_child(&self.child);
        let descriptor =
            rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
        let timeout = rustix::event::Timespec::try_from(bound).unwrap();
        let mut polled = [rustix::event::PollFd::new(&descriptor, rustix::event::PollFlags::IN)];
        let ready = rustix::event::poll(&mut polled, Some(&timeout)).unwrap();
        (ready > 0).then(|| {
            let status = self.child.wait().unwrap();
            if let Some(reader) = self.stderr_reader.take() {
                reader.join().unwrap();
            }
            status
        })
    }

    /// All of stdout; only after the end.
    pub(crate) fn stdout(&mut self) -> Vec<u8> {
        self.stdout.take().map(|reader| reader.join().unwrap()).unwrap_or_default()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running server. When it is dropped it is killed, and its log is looked through for panics.
pub(crate) struct Server {
    pub(crate) process: Running,
    /// The lines that it printed, in order.
    pub(crate) lines: Vec<String>,
    later_lines: Mutex<Receiver<String>>,
}

impl Server {
    /// `sockeye serve files DIR` on a free port of each wire.
    pub(crate) fn files(dir: &Path, flags: &[&str]) -> Self {
        let mut command = sockeye();
        command.args(["serve", "files"]).arg(dir);
        command.args(["--on", "http://127.0.0.1:0", "--on", "tcp://127.0.0.1:0"]).args(flags);
        Self::start(&mut command, 2)
    }

    /// Starts a server and waits until it has printed that many lines.
    pub(crate) fn start(command: &mut Command, lines: usize) -> Self {
        let mut process = Running::spawn_keeping_stdout(command);
        let stdout = process.child.stdout.take().unwrap();
        let (sender, later_lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = Self { process, lines: Vec::new(), later_lines: Mutex::new(later_lines) };
        for _ in 0..lines {
            let line = server.later_lines.get_mut().unwrap().recv_timeout(HANG);
            match line {
                Ok(line) => server.lines.push(line),
                Err(why) => panic!("no line: {why}; stderr: {}", server.process.stderr()),
            }
        }
        server
    }

    /// The next line of stdout; none at its end.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        self.later_lines.get_mut().unwrap().recv_timeout(HANG).ok()
    }

    fn address(&self, scheme: &str) -> SocketAddr {
        let start = format!("listening on {scheme}://");
        let found = self.lines.iter().find_map(|line| line.strip_prefix(&start));
        found.unwrap_or_else(|| panic!("no {scheme} in {:?}", self.lines)).parse().unwrap()
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.address("http")
    }

    pub(crate) fn https(&self) -> SocketAddr {
        self.address("https")
    }

    pub(crate) fn tcp(&self) -> SocketAddr {
        self.address("tcp")
    }

    /// A line of /proc/PID/status in KiB, like `VmRSS` or `VmHWM`.
    pub(crate) fn memory_kib(&self, what: &str) -> u64 {
        let status = format!("/proc/{}/status", self.process.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let mut values = status.lines().filter_map(|line| line.strip_prefix(what));
        let value = values.next().unwrap_or_else(|| panic!("no {what} in {status}"));
        value.trim_matches([':', ' ', '\t', 'k', 'B']).parse().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http())
    }

    /// One GET on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> Answer {
        Http::connect(self.http()).get(path, &[])
    }

    /// A request on a connection of its own, as it is, and everything that comes back.
    pub(crate) fn exchange(&self, sent: &[u8]) -> Vec<u8> {
        exchange(self.http(), sent)
    }

    /// A name on the raw wire, and everything that comes back.
    pub(crate) fn raw(&self, sent: &[u8]) -> Vec<u8> {
        exchange(self.tcp(), sent)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.child.kill();
        let _ = self.process.child.wait();
        if let Some(reader) = self.process.stderr_reader.take() {
            let _ = reader.join();
        }
        let stderr = self.process.stderr();
        if !std::thread::panicking() {
            assert!(!stderr.contains("panicked"), "the server panicked:\n{stderr}");
        }
    }
}

/// Connects, with a bound on every wait.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream.set_write_timeout(Some(HANG)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Connects from another of this machine's loopback addresses.
pub(crate) fn connect_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from((source, 0))).unwrap();
    rustix::net::connect(&socket, &to).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream.set_write_timeout(Some(HANG)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends, ends the sending side, and reads until the other side ends too. A peer that closes early
/// or resets has ended as well; one that does neither in time has hung.
pub(crate) fn exchange(address: SocketAddr, sent: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    // The peer may rightly have stopped listening in the middle.
    let _ = stream.write_all(sent);
    let _ = stream.shutdown(Shutdown::Write);
    read_to_the_end(&mut stream)
}

/// Reads until the peer ends or resets; what came before a reset counts.
pub(crate) fn read_to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return bytes,
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no end within {HANG:?}, after {:?}", String::from_utf8_lossy(&bytes))
            }
            Err(_) => return bytes,
        }
    }
}

/// Waits until a connection ends, and says after how long; what comes before is thrown away.
pub(crate) fn ends_after(stream: &mut TcpStream, since: Instant) -> Duration {
    read_to_the_end(stream);
    since.elapsed()
}

/// A connection that speaks HTTP/1, byte by byte as it is told.
pub(crate) struct Http {
    pub(crate) stream: TcpStream,
    host: String,
    buffer: Vec<u8>,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) version: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a field that stands once; none if it is not there.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands twice: {:?}", self.fields);
        value
    }

    /// The value of a field that must be there.
    pub(crate) fn the(&self, name: &str) -> &str {
        self.field(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.fields))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

impl Http {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self { stream: connect(address), host: address.to_string(), buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// The text of a request with a right Host.
    pub(crate) fn request(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> String {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        for (name, value) in fields {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text + "\r\n"
    }

    pub(crate) fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(self.request("GET", path, fields));
        self.answer()
    }

    pub(crate) fn head(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(self.request("HEAD", path, fields));
        self.answer_head()
    }

    /// The next answer, which must come whole.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.answer_head();
        let bodiless = matches!(answer.status, 100..=199 | 204 | 304);
        let length = answer.field("content-length").map(|length| length.parse().unwrap());
        match length {
            _ if bodiless => {}
            Some(length) => {
                while self.buffer.len() < length {
                    self.fill();
                }
                answer.body = self.buffer.drain(..length).collect();
            }
            None => {
                answer.body = std::mem::take(&mut self.buffer);
                answer.body.extend(read_to_the_end(&mut self.stream));
            }
        }
        answer
    }

    /// The next answer's head; its body, if there is one, is still to come.
    pub(crate) fn answer_head(&mut self) -> Answer {
        loop {
            if let Some((answer, used)) = parse_head(&self.buffer) {
                self.buffer.drain(..used);
                return answer;
            }
            self.fill();
        }
    }

    /// The next so many bytes of a body whose head was read.
    pub(crate) fn rest_of(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            self.fill();
        }
        self.buffer.drain(..length).collect()
    }

    /// All bytes until the peer ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.extend(read_to_the_end(&mut self.stream));
        bytes
    }

    fn fill(&mut self) {
        let mut piece = vec![0; 256 * 1024];
        match self.stream.read(&mut piece) {
            Ok(n @ 1..) => self.buffer.extend_from_slice(&piece[..n]),
            other => panic!(
                "an answer was cut: {other:?} after {:?}",
                String::from_utf8_lossy(&self.buffer[..self.buffer.len().min(300)])
            ),
        }
    }
}

fn parse_head(bytes: &[u8]) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let (version, rest) = lines.next()?.split_once(' ')?;
    let status = rest.get(..3)?.parse().unwrap_or_else(|_| panic!("no status: {head}"));
    let fields = lines
        .map(|line| line.split_once(':').unwrap_or_else(|| panic!("no field: {line}")))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let answer = Answer { status, version: version.to_owned(), fields, body: Vec::new() };
    Some((answer, end + 4))
}

/// Everything that came back on one connection, as answers. What is no whole answer is a failure.
pub(crate) fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let (mut answer, used) = parse_head(bytes)
            .unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        bytes = &bytes[used..];
        let length = answer.field("content-length").map_or(0, |length| length.parse().unwrap());
        assert!(bytes.len() >= length, "cut short: {answer:?}");
        answer.body = bytes[..length].to_vec();
        bytes = &bytes[length..];
        answers.push(answer);
    }
    answers
}

/// A folder to share, with a secret beside it.
pub(crate) struct Fixture {
    dir: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let fixture = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(fixture.share()).unwrap();
        std::fs::write(fixture.beside("secret.txt"), format!("{SECRET}\n")).unwrap();
        std::fs::write(fixture.beside(OUTSIDE_NAME), "").unwrap();
        fixture
    }

    /// The shared folder.
    pub(crate) fn share(&self) -> PathBuf {
        self.beside("share")
    }

    /// A place beside it.
    pub(crate) fn beside(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir.path().join(name.as_ref())
    }

    /// A place in it.
    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.share().join(name.as_ref())
    }

    /// Writes a file in it, with the folders on the way.
    pub(crate) fn file(&self, name: impl AsRef<OsStr>, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    }
}

/// Bytes without a short period, the same on every run.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ length as u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Compares without printing megabytes.
#[track_caller]
pub(crate) fn assert_same_bytes(got: &[u8], expected: &[u8], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}: length");
    if let Some(at) = got.iter().zip(expected).position(|(a, b)| a != b) {
        panic!("{what}: byte {at} is {} and should be {}", got[at], expected[at]);
    }
}

/// That nothing from outside the shared folder is in these bytes.
#[track_caller]
pub(crate) fn assert_nothing_from_outside(bytes: &[u8], what: &str) {
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    for needle in [SECRET, OUTSIDE_NAME, "root:x:0:0", "Linux version"] {
        assert!(
            !has(needle.as_bytes()),
            "{what} brought {needle}: {}",
            String::from_utf8_lossy(bytes)
        );
    }
}

/// Gives a file a time of change that is long past, and leaves it alone until its entity tag is
/// strong. Returns the time in Unix seconds.
pub(crate) fn settle(path: &Path) -> u64 {
    const LONG_AGO_S: u64 = 1_700_000_000;
    let time = std::time::UNIX_EPOCH + Duration::new(LONG_AGO_S, 123_456_789);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    let changed = std::fs::metadata(path).unwrap();
    let changed = Duration::new(changed.ctime() as u64, changed.ctime_nsec() as u32);
    let settled = std::time::UNIX_EPOCH + changed + Duration::from_millis(30);
    while std::time::SystemTime::now() < settled {
        std::thread::yield_now();
    }
    LONG_AGO_S
}
