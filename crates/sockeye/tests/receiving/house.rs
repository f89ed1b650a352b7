//! A hub that receives, a sender for it, and a look into its folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Answer, Fixture, HANG, Http, Server, answers, curl, run};

pub(crate) const MIB: usize = 1024 * 1024;

/// A shared folder, and who receives into it.
pub(crate) struct House {
    pub(crate) fixture: Fixture,
    pub(crate) server: Server,
}

impl House {
    /// One that receives.
    pub(crate) fn new() -> Self {
        Self::with(&["--uploads"])
    }

    /// One that does what the flags say.
    pub(crate) fn with(flags: &[&str]) -> Self {
        let fixture = Fixture::new();
        let server = Server::files(&fixture.share(), flags);
        Self { fixture, server }
    }

    /// What curl is told in the end, when it is given these arguments and the path's URL.
    #[track_caller]
    pub(crate) fn curl(&self, arguments: &[&str], path: &str) -> Answer {
        let mut command = curl();
        command.args(["-i", "--path-as-is"]).args(arguments).arg(self.server.url(path));
        let output = run(&mut command);
        let last = answers(&output.stdout).pop();
        last.unwrap_or_else(|| panic!("curl {arguments:?} {path} got no answer: {output:?}"))
    }

    /// A request with a body of known length, on a connection of its own.
    #[track_caller]
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let mut http = Http::connect(self.server.http());
        send(&mut http, (method, path), fields, body)
    }

    /// How many bytes of bodies have been received so far.
    pub(crate) fn received_bytes(&self) -> u64 {
        let metrics = self.server.get("/-/metrics").text();
        let of_files = |line: &&str| {
            line.starts_with("sockeye_received_bytes_total") && line.contains("files")
        };
        let line = metrics.lines().find(of_files).unwrap_or_else(|| panic!("{metrics}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Everything in the folder, hidden or not; a folder's name ends in a slash.
    pub(crate) fn everything(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        look_into(&self.fixture.share(), "", &mut found);
        found
    }

    /// That exactly this is in the folder, and nothing else is on its way to it.
    #[track_caller]
    pub(crate) fn assert_holds(&self, expected: &[(&str, &[u8])]) {
        self.wait_for_quiet();
        let found = self.everything();
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        let mut wanted: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        wanted.sort_unstable();
        assert_eq!(names, wanted, "names in the folder");
        for (name, contents) in expected {
            crate::support::assert_same_bytes(&found[*name], contents, name);
        }
    }

    /// Waits until the hub holds no file without a name any more: what was given up is gone.
    #[track_caller]
    pub(crate) fn wait_for_quiet(&self) {
        let deleted = || {
            let descriptors = format!("/proc/{}/fd", self.server.process.child.id());
            let of = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
            let links = fs::read_dir(descriptors).unwrap().flatten().filter_map(of);
            links.filter(|link| link.as_os_str().as_bytes().ends_with(b" (deleted)")).count()
        };
        wait_until("files without a name are closed", || deleted() == 0);
    }
}

/// Waits for what must come about, and about which nobody tells.
#[track_caller]
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < HANG, "not within {HANG:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A request with a body of known length.
#[track_caller]
pub(crate) fn send(
    http: &mut Http,
    (method, path): (&str, &str),
    fields: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    let body = body.as_ref();
    let length = body.len().to_string();
    let fields = [fields, &[("Content-Length", length.as_str())]].concat();
    http.send(http.request(method, path, &fields));
    // Whoever is refused may find that nobody listens any more.
    let _ = http.stream.write_all(body);
    if method == "HEAD" { http.answer_head() } else { http.answer() }
}

fn look_into(folder: &Path, above: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = format!("{above}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            let name = format!("{name}/");
            look_into(&entry.path(), &name, found);
            found.insert(name, Vec::new());
        } else {
            found.insert(name, fs::read(entry.path()).unwrap_or_default());
        }
    }
}

/// A name as a path's segment, every byte that is no letter or digit encoded.
pub(crate) fn encoded(name: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in name {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(*byte));
        } else {
            write!(text, "%{byte:02X}").unwrap();
        }
    }
    text
}
