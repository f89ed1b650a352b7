//! Paths that want out of the shared folder, over both wires.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::support::{Fixture, Server, answers, assert_nothing_from_outside};

/// Disguises of `..`, some with a separator in them.
const DISGUISES: &[&[u8]] = &[
    b"..",
    b"%2e%2e",
    b"%2E%2E",
    b"%2e%2E",
    b".%2e",
    b"%2e.",
    b".%2E",
    b"%252e%252e",
    b"%25252e%25252e",
    b"%c0%ae%c0%ae",
    b"%C0%AE.",
    b".%c0%ae",
    b"\xc0\xae\xc0\xae",
    b"%e0%80%ae%e0%80%ae",
    b"%f0%80%80%ae%f0%80%80%ae",
    b"%ef%bc%8e%ef%bc%8e",
    b"\xef\xbc\x8e\xef\xbc\x8e",
    b"%e2%80%a4%e2%80%a4",
    b"%u002e%u002e",
    b"%uff0e%uff0e",
    b"%00..",
    b"..%00",
    b"..%01",
    b"..%20",
    b"..%09",
    b"..;",
    b"..;a=b",
    b"..%3b",
    b"...",
    b"....",
    b"..%0d",
    b"..%0a",
    b"..\\",
    b"..%5c",
    b"%2e%2e%5C",
    b"..%2f",
    b"%2e%2e%2F",
    b"..%252f",
    b"..%c0%af",
    b"..%ef%bc%8f",
    b"..%e2%88%95",
    b"..%u2215",
    b".%00.",
    b".%0a.",
    b"..#",
    b"..?",
];

/// Each disguise in each of these places.
fn disguised() -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    for d in DISGUISES {
        let deep = [d, &b"/"[..]].concat().repeat(12);
        paths.extend([
            [b"/", *d, b"/secret.txt"].concat(),
            [b"/", *d, b"secret.txt"].concat(),
            [b"//", *d, b"//secret.txt"].concat(),
            [b"/./", *d, b"/./secret.txt"].concat(),
            [b"/sub/", *d, b"/", *d, b"/secret.txt"].concat(),
            [b"/sub", *d, b"/", *d, b"/secret.txt"].concat(),
            [b"/no/", *d, b"/", *d, b"/secret.txt"].concat(),
            [b"/a.txt/", *d, b"/", *d, b"/secret.txt"].concat(),
            [b"/", &deep[..], b"etc/passwd"].concat(),
            [b"/sub/", *d].concat(),
            [b"/-/browse/", *d, b"/"].concat(),
            [b"/-/api/list/sub/", *d, b"/", *d, b"/"].concat(),
            [b"/-/", *d, b"/", *d, b"/secret.txt"].concat(),
            [*d, b"/secret.txt"].concat(),
        ]);
    }
    paths
}

fn other_ways_out(fixture: &Fixture) -> Vec<Vec<u8>> {
    let secret = fixture.beside("secret.txt");
    let secret = secret.as_os_str().as_bytes();
    let mut paths: Vec<Vec<u8>> = Vec::new();
    let texts = "/etc/passwd //etc/passwd ///etc///passwd /%2fetc/passwd /%2Fetc%2Fpasswd \
         /.//etc/passwd /./etc/passwd /\\etc\\passwd /\\..\\secret.txt /..\\secret.txt \
         /sub\\..\\..\\secret.txt /%5c..%5csecret.txt /%5C%5Clocalhost%5Cc$ /c:/windows/win.ini \
         /C:%5Cwindows%5Cwin.ini /proc/self/environ /proc/self/root/etc/passwd /proc/version \
         /dev/zero /dev/stdin /~root/.profile /~ /$HOME /%24HOME /`id` /$(id) /|id /;id /a.txt%00 \
         /a.txt%00.html /%00 /%00/etc/passwd /a.txt/ /a.txt/. /a.txt// /a.txt/secret.txt \
         /a.txt%2f..%2f..%2fsecret.txt /a.txt%ff /%ff /%80%80 /%ed%a0%80 /%f8%88%80%80%80 \
         /% /%% /%2 /%2g /%g2 /%-1 /%zz /a% /%25 /%2525 /%%32%65%%32%65/secret.txt /%2%65 \
         /?/../secret.txt /#/../secret.txt /a.txt?../../secret.txt /a.txt#../secret.txt \
         /&../secret.txt /*/secret.txt /sub/*/ /[..]/secret.txt /{..}/secret.txt /\"..\"/secret.txt \
         /'..'/secret.txt /<..>/secret.txt http://localhost/../secret.txt \
         http://localhost/%2e%2e/secret.txt http://localhost//etc/passwd http://localhost \
         http://localhost?/../secret.txt file:///etc/passwd file://localhost/etc/passwd \
         ftp://localhost/etc/passwd gopher://localhost/ data:text/plain,x javascript:1 \
         //localhost/../secret.txt etc/passwd a.txt ../secret.txt * @/etc/passwd \
         http:///etc/passwd http://[::1]/../secret.txt http://localhost:0/%2e%2e/secret.txt \
         /.hidden /.hidden/x /sub/.hidden /%2ehidden /.git/config /.ssh/id_rsa /-/web/../../x \
         /-/web/%2e%2e/%2e%2e/secret.txt /-/api/list/%2e%2e/ /-/api/list/.hidden/ /-/api/list/a.txt/ \
         /-/browse//etc/ /-/browse/%2fetc/ /-/%2e%2e/ /-/api/../../../etc/passwd";
    paths.extend(texts.split(' ').filter(|t| !t.is_empty()).map(|t| t.as_bytes().to_vec()));
    // Symbolic links out, and names below those that are folders.
    let links = "/out-relative /out-absolute /out-magic /out-cwd /out-fd /chain-1 /chain-2 \
         /folder-out /folder-out/ /folder-out/secret.txt /folder-out/share/a.txt \
         /folder-absolute /folder-absolute/ /folder-absolute/passwd /folder-root/etc/passwd \
         /folder-root/ /folder-proc/self/environ /folder-proc/version /sub/up/secret.txt \
         /sub/up/ /sub/up/share/a.txt /around/a.txt /loop /loop/x /loop-a /stdin /zero /zero-own \
         /fifo /fifo/ /fifo/x /sub/fifo /socket /socket/ /fifo-link /null-own /dangling \
         /self/self/folder-out/secret.txt /self/out-relative /self/self/self/chain-1 \
         /-/browse/folder-out/ /-/browse/folder-absolute/ /-/api/list/folder-out/ \
         /-/api/list/sub/up/ /-/api/list/folder-root/ /-/api/list/folder-proc/ /-/api/list/fifo/";
    paths.extend(links.split(' ').filter(|t| !t.is_empty()).map(|t| t.as_bytes().to_vec()));
    let magic = ["cwd", "exe", "root", "fd/0", "fd/3", "fd/4", "fd/5", "maps", "task"];
    paths.extend(magic.map(|name| format!("/folder-proc/self/{name}").into_bytes()));
    paths.extend(magic.map(|name| format!("/proc/self/{name}").into_bytes()));
    // The secret by its whole name, and very long and very deep paths.
    paths.push(secret.to_vec());
    paths.push([b"/", secret].concat());
    paths.push([b"/%2f", secret].concat());
    for length in [254, 255, 256, 1_000, 4_094, 4_095, 4_096, 10_000, 60_000] {
        paths.push([b"/", "x".repeat(length).as_bytes()].concat());
        paths.push([b"/", "%78".repeat(length.min(20_000)).as_bytes()].concat());
    }
    for depth in [100, 255, 256, 257, 2_000, 20_000] {
        paths.push("/d".repeat(depth).into_bytes());
        paths.push([b"/", "./".repeat(depth).as_bytes(), b"../secret.txt"].concat());
        paths.push([b"/", "/".repeat(depth).as_bytes(), b"etc/passwd"].concat());
        paths.push([&b"/self".repeat(depth.min(3_000))[..], b"/out-relative"].concat());
    }
    for byte in [0x01, 0x07, 0x0b, 0x1b, 0x7f, 0x80, 0xa0, 0xff] {
        paths.push([b"/a", &[byte][..], b"/../secret.txt"].concat());
        paths.push([b"/", &[byte][..]].concat());
    }
    paths
}

/// A share full of traps.
fn trapped() -> Fixture {
    let fixture = Fixture::new();
    fixture.file("a.txt", "hello");
    fixture.file("sub/b.txt", "b");
    fixture.file(".hidden", "hidden");
    let link = |to: &str, name: &str| symlink(to, fixture.path(name)).unwrap();
    let secret = fixture.beside("secret.txt");
    symlink(&secret, fixture.path("out-absolute")).unwrap();
    symlink(fixture.beside(""), fixture.path("around")).unwrap();
    link("../secret.txt", "out-relative");
    let magic = format!("/proc/self/root{}", secret.display());
    link(&magic, "out-magic");
    link("/proc/self/cwd", "out-cwd");
    link("/proc/self/fd/3", "out-fd");
    link("chain-2", "chain-1");
    link("sub/chain-3", "chain-2");
    link("../../secret.txt", "sub/chain-3");
    link("..", "folder-out");
    link("../..", "sub/up");
    link("/etc", "folder-absolute");
    link("/", "folder-root");
    link("/proc", "folder-proc");
    link(".", "self");
    link("loop", "loop");
    link("loop-b", "loop-a");
    link("loop-a", "loop-b");
    link("/dev/stdin", "stdin");
    link("/dev/zero", "zero");
    link("nowhere", "dangling");
    link("sub/fifo", "fifo-link");
    let make = |name: &str, kind: FileType, device: u64| {
        mknodat(CWD, fixture.path(name), kind, Mode::from_raw_mode(0o666), device)
    };
    make("fifo", FileType::Fifo, 0).unwrap();
    make("sub/fifo", FileType::Fifo, 0).unwrap();
    // Devices of the share's own can be made only by who may; links to them stand in above.
    let _ = make("zero-own", FileType::CharacterDevice, makedev(1, 5));
    let _ = make("null-own", FileType::CharacterDevice, makedev(1, 3));
    let socket = std::os::unix::net::UnixListener::bind(fixture.path("socket")).unwrap();
    drop(socket);
    fixture
}

/// The one thing that must still work after everything.
#[track_caller]
fn assert_alive(server: &Server, after: &str) {
    let answer = server.get("/a.txt");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"), "after {after}");
}

#[test]
fn no_path_over_http_brings_anything_from_outside() {
    let fixture = trapped();
    let server = Server::files(&fixture.share(), &["--max-per-address", "none"]);
    let mut paths = disguised();
    paths.extend(other_ways_out(&fixture));
    assert!(paths.len() >= 200, "{}", paths.len());
    for path in &paths {
        for accept in ["*/*", "application/json", "text/html"] {
            let shown = String::from_utf8_lossy(&path[..path.len().min(200)]).into_owned();
            let fields = format!(
                " HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
            );
            let sent = [b"GET ", &path[..], fields.as_bytes()].concat();
            let got = server.exchange(&sent);
            assert_nothing_from_outside(&got, &shown);
            let got = answers(&got);
            assert_eq!(got.len(), 1, "{shown}");
            assert!((200..500).contains(&got[0].status), "{shown}: {got:?}");
        }
    }
    assert_alive(&server, "all of them");
}

#[test]
fn a_dot_dot_is_refused_as_such_however_it_is_written() {
    let fixture = trapped();
    let server = Server::files(&fixture.share(), &[]);
    for d in ["..", "%2e%2e", "%2E%2E", ".%2e", "%2e.", "%2E."] {
        for path in [format!("/{d}"), format!("/{d}/secret.txt"), format!("/sub/{d}/a.txt")] {
            let answer = server.get(&path);
            assert_eq!(answer.status, 400, "{path}");
            assert!(answer.text().contains("'..'"), "{path}: {}", answer.text());
        }
    }
}

#[test]
fn links_devices_and_fifos_are_refused_and_left_out_of_listings() {
    let fixture = trapped();
    let server = Server::files(&fixture.share(), &[]);
    for name in
        "out-relative out-absolute out-magic chain-1 folder-out folder-root loop zero stdin fifo \
         socket fifo-link"
            .split_whitespace()
    {
        let answer = server.get(&format!("/{name}"));
        assert_eq!(answer.status, 403, "{name}: {}", answer.text());
        assert!(answer.text().starts_with("403 Forbidden: "), "{}", answer.text());
    }
    let listing =
        crate::support::Http::connect(server.http()).get("/", &[("Accept", "application/json")]);
    let names: Vec<String> = listing.json()["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["self", "sub", "a.txt"]);
}

#[test]
fn no_name_on_the_raw_wire_brings_anything_from_outside() {
    let fixture = trapped();
    let server = Server::files(&fixture.share(), &["--max-per-address", "none"]);
    let mut names = disguised();
    names.extend(other_ways_out(&fixture));
    assert!(names.len() >= 200, "{}", names.len());
    for name in &names {
        let shown = String::from_utf8_lossy(&name[..name.len().min(200)]).into_owned();
        let bare = name.strip_prefix(b"/").unwrap_or(name);
        for sent in [[name, &b"\n"[..]].concat(), bare.to_vec(), [bare, b"\r\n"].concat()] {
            let got = server.raw(&sent);
            assert_nothing_from_outside(&got, &shown);
            assert_ne!(got, b"hidden", "{shown}");
        }
    }
    assert_eq!(server.raw(b"a.txt\n"), b"hello");
    assert_alive(&server, "all of them");
}

#[test]
fn names_that_are_no_utf8_are_served_byte_exact_and_listed_with_a_link_that_works() {
    let fixture = Fixture::new();
    fixture.file(OsStr::from_bytes(b"\xff\xfe caf\xe9.txt"), "latin");
    let server = Server::files(&fixture.share(), &[]);
    assert_eq!(server.get("/%ff%fe%20caf%e9.txt").text(), "latin");
    assert_eq!(server.raw(b"\xff\xfe caf\xe9.txt\n"), b"latin");
    let mut http = crate::support::Http::connect(server.http());
    let listing = http.get("/", &[("Accept", "application/json")]).json();
    let href = listing["entries"][0]["href"].as_str().unwrap().to_owned();
    assert_eq!(http.get(&format!("/{href}"), &[]).text(), "latin");
}
