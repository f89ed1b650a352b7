//! A folder that changes while it is asked: names that are a file at one moment and a link out of
//! the folder at the next.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};

use crate::support::{Fixture, Http, Server, assert_nothing_from_outside};

const CONNECTIONS: usize = 4;

fn gets() -> usize {
    if std::env::var_os("SOCKEYE_PROVE").is_some_and(|v| v == "1") { 100_000 } else { 3_000 }
}

/// Exchanges two names in one step, so that each is always there.
fn swap(a: &Path, b: &Path) {
    renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
}

#[test]
fn a_name_swapped_in_a_loop_never_leads_out_and_never_hangs() {
    let fixture = Fixture::new();
    fixture.file("good.txt", "good");
    // `x` goes round: a file, a link to a good file, a link to the secret, a folder, a FIFO.
    let stage = |name: &str| fixture.beside(format!("stage-{name}"));
    fs::write(stage("file"), "file").unwrap();
    symlink("good.txt", stage("good")).unwrap();
    symlink("../secret.txt", stage("out")).unwrap();
    symlink(fixture.beside("secret.txt"), stage("absolute")).unwrap();
    fs::create_dir(stage("folder")).unwrap();
    fs::write(stage("folder").join("secret.txt"), "inner").unwrap();
    mknodat(CWD, stage("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    // `y` is a folder at one moment and a link to the one outside at the next.
    fixture.file("y/secret.txt", "inner");
    symlink("..", stage("folder-out")).unwrap();
    fixture.file("x", "first");
    let server = Server::files(&fixture.share(), &["--idle-timeout", "none"]);
    let (over, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let each = gets() / CONNECTIONS;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let names = ["file", "good", "out", "absolute", "folder", "fifo"].map(stage);
            let (x, y, out) = (fixture.path("x"), fixture.path("y"), stage("folder-out"));
            while !over.load(Ordering::Relaxed) {
                for name in &names {
                    swap(&x, name);
                    swap(&y, &out);
                    swaps.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let _ends = Ends(&over);
        let server = &server;
        let askers: Vec<_> =
            (0..CONNECTIONS).map(|i| scope.spawn(move || ask(server, each, i))).collect();
        for asker in askers {
            asker.join().unwrap();
        }
    });
    assert!(swaps.load(Ordering::Relaxed) > 0);
    assert_eq!(server.get("/good.txt").text(), "good");
}

/// Ends the swapping, also when an assertion fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn ask(server: &Server, times: usize, first: usize) {
    let paths = ["/x", "/y/secret.txt", "/x/secret.txt", "/y/", "/", "/y", "/-/api/list/y/"];
    let mut http = Http::connect(server.http());
    for i in 0..times {
        let path = paths[(i + first) % paths.len()];
        let answer = http.get(path, &[]);
        assert_nothing_from_outside(&answer.body, path);
        let right: &[&str] = match path {
            "/x" => &["file", "good", "first"],
            "/y/secret.txt" | "/x/secret.txt" => &["inner"],
            _ => &[],
        };
        let status = answer.status;
        assert!(matches!(status, 200 | 301 | 403 | 404), "{path}: {answer:?}");
        if status == 200 && !right.is_empty() {
            assert!(right.contains(&answer.text().as_str()), "{path}: {answer:?}");
        }
    }
}

#[test]
fn a_name_swapped_in_a_loop_never_leads_out_over_the_raw_wire() {
    let fixture = Fixture::new();
    fixture.file("x", "file");
    fixture.file("y/secret.txt", "inner");
    symlink("../secret.txt", fixture.beside("stage-out")).unwrap();
    symlink("..", fixture.beside("stage-folder-out")).unwrap();
    let server = Server::files(&fixture.share(), &[]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                swap(&fixture.path("x"), &fixture.beside("stage-out"));
                swap(&fixture.path("y"), &fixture.beside("stage-folder-out"));
            }
        });
        let _ends = Ends(&over);
        for i in 0..gets() / 6 {
            let name: &[u8] = if i % 2 == 0 { b"x\n" } else { b"y/secret.txt\n" };
            let got = server.raw(name);
            assert_nothing_from_outside(&got, "the raw wire");
            let right = [&b"file"[..], b"inner", b"Error: File not found\n"];
            assert!(right.contains(&&got[..]), "{:?}", String::from_utf8_lossy(&got));
        }
    });
}
