//! Many at once, and much at once.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::Barrier;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::house::{House, MIB, send};
use crate::support::{Http, assert_same_bytes, curl, pattern, run};

#[test]
fn a_hundred_uploads_at_once_are_all_saved() {
    const SENDERS: usize = 100;
    let house = House::new();
    let all_are_half_sent = Barrier::new(SENDERS);
    std::thread::scope(|scope| {
        for n in 0..SENDERS {
            let (house, barrier) = (&house, &all_are_half_sent);
            scope.spawn(move || {
                let contents = pattern(100_000 + n);
                let mut http = Http::connect(house.server.http());
                let length = contents.len().to_string();
                let path = format!("/{}/{n}", n % 7);
                http.send(http.request("PUT", &path, &[("Content-Length", &length)]));
                http.send(&contents[..50_000]);
                barrier.wait();
                http.send(&contents[50_000..]);
                let answer = http.answer();
                assert_eq!(answer.status, 201, "{n}: {}", answer.text());
                assert_same_bytes(&http.get(&path, &[]).body, &contents, &path);
            });
        }
    });
    house.wait_for_quiet();
    assert_eq!(house.everything().len(), SENDERS + 7);
}

/// Sends both at the same time, and says what each was told.
fn race(house: &House, path: &str, contents: [&[u8]; 2]) -> [u16; 2] {
    let both_are_half_sent = Barrier::new(2);
    std::thread::scope(|scope| {
        let send = |bytes: &'_ [u8]| {
            let mut http = Http::connect(house.server.http());
            let length = bytes.len().to_string();
            http.send(http.request("PUT", path, &[("Content-Length", &length)]));
            http.send(&bytes[..bytes.len() / 2]);
            both_are_half_sent.wait();
            http.send(&bytes[bytes.len() / 2..]);
            http.answer().status
        };
        let running = contents.map(|bytes| scope.spawn(move || send(bytes)));
        running.map(|sender| sender.join().unwrap())
    })
}

#[test]
fn two_uploads_of_one_name_at_once_end_as_if_one_came_after_the_other() {
    let (one, other) = (pattern(100_000), pattern(100_001));
    let house = House::new();
    let overwriting = House::with(&["--uploads", "--overwrite"]);
    let renaming = House::with(&["--uploads", "--rename"]);
    for round in 0..10 {
        let path = format!("/{round}");
        let name = &path[1..];
        let mut told = race(&house, &format!("{path}same"), [&one, &one]);
        told.sort_unstable();
        assert_eq!(told, [200, 201], "the same contents");
        assert_same_bytes(&house.everything()[&format!("{name}same")], &one, "the same contents");

        let told = race(&house, &path, [&one, &other]);
        let saved = match told {
            [201, 409] => &one,
            [409, 201] => &other,
            other => panic!("other contents: {other:?}"),
        };
        assert_same_bytes(&house.everything()[name], saved, "the one that was saved");

        let told = race(&overwriting, &path, [&one, &other]);
        assert!(told.iter().all(|status| [201, 204].contains(status)), "{told:?}");
        let left = &overwriting.everything()[name];
        assert!(*left == one || *left == other, "neither one nor the other");

        assert_eq!(race(&renaming, &path, [&one, &other]), [201, 201]);
        let found = renaming.everything();
        let (first, second) = (&found[name], &found[&format!("{name} (2)")]);
        assert!((first, second) == (&one, &other) || (second, first) == (&one, &other));
    }
    for house in [house, overwriting, renaming] {
        house.wait_for_quiet();
        assert!(!house.everything().keys().any(|name| name.starts_with('.')));
    }
}

#[test]
fn a_large_upload_costs_little_memory() {
    const LARGE_BYTES: usize = 512 * MIB;
    let house = House::new();
    let source = house.fixture.beside("large");
    File::create(&source).unwrap().set_len(LARGE_BYTES as u64).unwrap();
    let answer = house.curl(&["-T", source.to_str().unwrap()], "/large");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let length = std::fs::metadata(house.fixture.path("large")).unwrap().len();
    assert_eq!(length, LARGE_BYTES as u64);
    let peak_kib = house.server.memory_kib("VmHWM");
    assert!(peak_kib < 64 * 1024, "{peak_kib} KiB at the peak");
    let mut file = File::open(house.fixture.path("large")).unwrap();
    let (mut piece, zeros) = (vec![1; MIB], vec![0; MIB]);
    while let n @ 1.. = file.read(&mut piece).unwrap() {
        assert!(piece[..n] == zeros[..n], "other bytes than were sent");
    }
}

/// What a file means is no affair of the hub's.
#[test]
fn a_bomb_is_just_a_file() {
    let house = House::new();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..8 {
        bomb.write_all(&vec![0; MIB]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    for (name, media_type) in [("bomb.gz", "application/gzip"), ("bomb.zip", "application/zip")] {
        let answer = house.send("PUT", &format!("/{name}"), &[("Content-Type", media_type)], &bomb);
        assert_eq!(answer.status, 201);
        let mut http = Http::connect(house.server.http());
        let got = http.get(&format!("/{name}"), &[("Accept-Encoding", "gzip")]);
        assert_eq!(got.field("content-encoding"), None, "{name}");
        assert_same_bytes(&got.body, &bomb, name);
    }
    house.assert_holds(&[("bomb.gz", &bomb), ("bomb.zip", &bomb)]);
    let peak_kib = house.server.memory_kib("VmHWM");
    assert!(peak_kib < 64 * 1024, "{peak_kib} KiB at the peak");
}

#[test]
fn many_files_on_one_http_2_connection_are_all_saved() {
    let house = House::new();
    let mut command = curl();
    command.args(["--http2-prior-knowledge", "--parallel", "--parallel-immediate"]);
    for n in 0..30 {
        let source = house.fixture.beside(n.to_string());
        std::fs::write(&source, pattern(200_000 + n)).unwrap();
        command.arg("-T").arg(source).arg(house.server.url(&format!("/{n}")));
    }
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    house.wait_for_quiet();
    let found = house.everything();
    assert_eq!(found.len(), 30);
    for n in 0..30 {
        assert_same_bytes(&found[&n.to_string()], &pattern(200_000 + n), &n.to_string());
    }
}

#[test]
fn reading_goes_on_while_a_file_takes_the_place_of_another() {
    let house = House::with(&["--uploads", "--overwrite"]);
    let (old, new) = (pattern(8 * MIB), pattern(8 * MIB + 1));
    house.fixture.file("a", &old);
    let mut reader = Http::connect(house.server.http());
    reader.send(reader.request("GET", "/a", &[]));
    assert_eq!(reader.answer_head().status, 200);
    let mut sender = Http::connect(house.server.http());
    assert_eq!(send(&mut sender, ("PUT", "/a"), &[], &new).status, 204);
    assert_same_bytes(&reader.rest_of(old.len()), &old, "what was being read");
    assert_same_bytes(&sender.get("/a", &[]).body, &new, "what is read next");
}
