//! Files that are asked for often are given out from memory, and nobody can tell by anything but
//! the speed.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::{Answer, Fixture, Http, Server, pattern, settle};

/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Stage {
    fixture: Fixture,
    server: Server,
    file: PathBuf,
}

impl Stage {
    /// A server that keeps `/dir/hot.png` in memory.
    fn new(flags: &[&str], fields: &[(&str, &str)]) -> Self {
        let fixture = Fixture::new();
        fs::create_dir(fixture.share().join("dir")).unwrap();
        let file = fixture.file("dir/hot.png", &pattern(3000));
        settle(&file);
        let server = Server::files(&fixture.share(), flags);
        let stage = Self { fixture, server, file };
        stage.warm(fields);
        stage
    }

    /// Asks for the file until it is kept.
    fn warm(&self, fields: &[(&str, &str)]) {
        let begun = Instant::now();
        while self.kept(fields) == 0 {
            assert_eq!(self.ask("/dir/hot.png", fields).status, 200);
            assert!(begun.elapsed() < PATIENCE, "it is never kept");
        }
    }

    fn kept(&self, fields: &[(&str, &str)]) -> usize {
        let metrics = self.ask("/-/metrics", fields).body;
        let metrics = String::from_utf8(metrics).unwrap();
        let line = metrics.lines().find(|line| line.starts_with("sockeye_files_kept_files "));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn ask(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        Http::connect(self.server.http()).get(path, fields)
    }

    /// Asks until the status is this one.
    fn until(&self, status: u16) {
        let begun = Instant::now();
        while self.ask("/dir/hot.png", &[]).status != status {
            assert!(begun.elapsed() < PATIENCE, "it never becomes {status}");
        }
    }
}

fn fields_of(answer: &Answer) -> BTreeMap<String, String> {
    // The boundary between several ranges is another each time.
    let differs = |name: &str| name == "date" || (name == "content-type" && answer.status == 206);
    answer.fields.iter().filter(|(name, _)| !differs(name)).cloned().collect()
}

#[test]
fn the_answer_from_memory_is_the_one_from_the_disk_whatever_is_asked() {
    let stage = Stage::new(&[], &[]);
    let host = stage.server.http().to_string();
    let own = format!("http://{host}/dir/");
    let tag = stage.ask("/dir/hot.png", &[]).the("etag").to_owned();
    let questions: [&[(&str, &str)]; 11] = [
        &[],
        &[("Range", "bytes=10-19")],
        &[("Range", "bytes=0-1,2990-")],
        &[("Range", "bytes=5000-")],
        &[("If-None-Match", &tag)],
        &[("If-None-Match", "\"other\"")],
        &[("If-Match", "\"other\"")],
        &[("If-Modified-Since", "Sat, 01 Jan 2050 00:00:00 GMT")],
        &[("If-Unmodified-Since", "Sat, 01 Jan 2000 00:00:00 GMT")],
        &[("Referer", &own)],
        &[("Referer", "http://elsewhere.example/")],
    ];
    for fields in questions {
        let hot = stage.ask("/dir/hot.png", fields);
        // Under another spelling it is another name to what is kept, and the same file.
        let cold = stage.ask("/dir/./hot.png", fields);
        assert_eq!((hot.status, fields_of(&hot)), (cold.status, fields_of(&cold)), "{fields:?}");
        let is_multipart = |answer: &Answer| {
            answer.field("content-type").is_some_and(|kind| kind.starts_with("multipart"))
        };
        if !is_multipart(&hot) {
            assert_eq!(hot.body, cold.body, "{fields:?}");
        }
        let mut http = Http::connect(stage.server.http());
        let head = http.head("/dir/hot.png", &[]);
        assert_eq!((head.status, head.the("content-length")), (200, "3000"));
        assert_eq!(http.get("/dir/hot.png", &[]).body, pattern(3000), "the connection goes on");
    }
    assert_eq!(stage.kept(&[]), 1);
}

#[test]
fn nobody_is_let_in_by_its_being_kept() {
    let key = "sesame-street";
    let stage = Stage::new(&["--join-key", key], &[("Authorization", "Bearer sesame-street")]);
    assert_eq!(stage.ask("/dir/hot.png", &[]).status, 401);
    assert_eq!(stage.ask("/dir/hot.png", &[("Authorization", "Bearer wrong-key-1")]).status, 401);
    let right = [("Authorization", "Bearer sesame-street")];
    assert_eq!(stage.ask("/dir/hot.png", &right).status, 200);

    let stage = Stage::new(&[], &[]);
    let raw = |host: &str| {
        let mut http = Http::connect(stage.server.http());
        http.send(format!("GET /dir/hot.png HTTP/1.1\r\n{host}\r\n").as_bytes());
        http.answer().status
    };
    assert_eq!(raw("Host: evil.example\r\n"), 421);
    assert_eq!(raw(""), 400);
    assert_eq!(raw("Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n"), 400);
    assert_eq!(raw("Host: 127.0.0.1\r\n"), 200);
}

#[test]
fn a_file_that_is_replaced_is_given_out_anew_and_never_mixed() {
    let stage = Stage::new(&[], &[]);
    let mut http = Http::connect(stage.server.http());
    for generation in 1..=20_u8 {
        let new = stage.fixture.share().join("new");
        fs::write(&new, vec![generation; 3000]).unwrap();
        fs::rename(&new, &stage.file).unwrap();
        let begun = Instant::now();
        loop {
            let body = http.get("/dir/hot.png", &[]).body;
            assert!(body.iter().all(|byte| *byte == body[0]) || body == pattern(3000), "a mixture");
            if body[0] == generation && body.len() == 3000 {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{generation} is never given out");
        }
        stage.warm(&[]);
    }
}

#[test]
fn what_is_taken_away_is_taken_away() {
    let stage = Stage::new(&[], &[]);
    let moved = stage.fixture.share().join("moved");
    fs::rename(&stage.file, &moved).unwrap();
    stage.until(404);
    fs::rename(&moved, &stage.file).unwrap();
    stage.until(200);
    stage.warm(&[]);
    let dir = stage.fixture.share().join("dir");
    fs::rename(&dir, stage.fixture.share().join("other")).unwrap();
    stage.until(404);
    fs::rename(stage.fixture.share().join("other"), &dir).unwrap();
    stage.until(200);
    stage.warm(&[]);
    // This process may read it all the same, the server gave that up.
    fs::set_permissions(&stage.file, fs::Permissions::from_mode(0)).unwrap();
    stage.until(403);
}
