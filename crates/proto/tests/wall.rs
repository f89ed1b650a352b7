//! The wall around proto: it may depend on little, and nothing in it may reach for the world.

use std::fs;
use std::path::Path;

/// What proto may depend on: text, errors, a keyed hash (cookies prove an address, and a hash of our
/// own would be a weak one), HMAC and SHA-256 (the wire between siblings names them, so that others
/// can write it in twenty lines), shared buffers and the search in them (an upload of gigabytes is cut
/// into its parts without a copy), nothing that touches a system.
const ALLOWED: &[&str] =
    &["blake3", "bytes", "hmac", "memchr", "percent-encoding", "sha2", "thiserror"];

#[test]
fn proto_depends_only_on_what_is_allowed() {
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let dependencies: Vec<&str> = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .collect();
    assert!(!dependencies.is_empty(), "the manifest was read");
    for name in dependencies {
        assert!(ALLOWED.contains(&name), "`{name}` is not on proto's allow-list");
    }
}

#[test]
fn no_source_of_proto_names_a_socket_a_clock_a_thread_or_a_hash_map() {
    const BANNED: &[&str] = &[
        "std::fs",
        "std::net",
        "std::thread",
        "std::process",
        "std::env",
        "UdpSocket",
        "TcpStream",
        "TcpListener",
        "Instant",
        "SystemTime",
        "HashMap",
        "HashSet",
        "async fn",
        "unsafe {",
    ];
    let mut read = 0;
    visit(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut |path, text| {
        read += 1;
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in BANNED {
                assert!(!code.contains(word), "{}:{}: {word}", path.display(), number + 1);
            }
        }
    });
    assert!(read > 5, "the sources were read");
}

#[allow(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]
fn visit(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            look(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}
