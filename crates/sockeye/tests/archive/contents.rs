//! Names, contents, times and modes, as other people's programs read them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use crate::look::{Entry, look, names};
use crate::support::{
    Fixture, Server, assert_nothing_from_outside, curl, other_program, pattern, run,
};

const FORMS: [&str; 2] = ["zip", "tar"];

/// An archive, whichever way it is framed.
#[track_caller]
fn fetch(server: &Server, path: &str) -> Vec<u8> {
    let output = run(curl().arg("-f").arg(server.url(path)));
    assert!(output.status.success(), "{path}: {output:?}");
    output.stdout
}

fn set_time(path: &Path, seconds: u64, ns: u32) {
    let time = UNIX_EPOCH + Duration::new(seconds, ns);
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn names_of_every_script_lengths_and_modes_come_as_they_are() {
    let fixture = Fixture::new();
    let longest = "x".repeat(255);
    let long_path = format!("{}/{longest}", vec!["folder"; 60].join("/"));
    let files = [
        "plain.txt",
        "with space and 100%.txt",
        "日本語/文書.txt",
        "Ελληνικά/Ω.txt",
        "العربية.txt",
        "हिन्दी.txt",
        "emoji 🐟🐠.txt",
        "e\u{301} and \u{e9}.txt",
        "#hash?query&amp;=+;.txt",
        "quote'\"`.txt",
        "back\\slash.txt",
        "what windows cannot: <have>|*.txt",
        "CON",
        "-flag",
        "new\nline",
        &longest,
        &long_path,
    ];
    for (i, name) in files.iter().enumerate() {
        let path = fixture.file(Path::new("all").join(name), pattern(i * 9_000));
        set_time(&path, 1_600_000_001 + i as u64, 120_000_000 * (i as u32 % 2));
        if i % 3 == 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o750)).unwrap();
        }
    }
    fs::create_dir_all(fixture.path("all/empty/emptier")).unwrap();
    let server = Server::files(&fixture.share(), &[]);
    for form in FORMS {
        let found = look(form, &fetch(&server, &format!("/all/?{form}")));
        for (i, name) in files.iter().enumerate() {
            let entry = &found[format!("all/{name}").as_bytes()];
            let fraction_ns = if form == "tar" { 120_000_000 * (i as i128 % 2) } else { 0 };
            let expected = Entry {
                is_folder: false,
                mode: if i % 3 == 0 { 0o755 } else { 0o644 },
                modified_ns: (1_600_000_001 + i as i128) * 1_000_000_000 + fraction_ns,
                contents: pattern(i * 9_000),
            };
            assert!(*entry == expected, "{form} {name}: {:?}", (entry.mode, entry.modified_ns));
        }
        let folders = found.values().filter(|entry| entry.is_folder && entry.mode == 0o755);
        assert_eq!(folders.count(), 1 + 2 + 60 + 2, "{form}");
        assert!(found.contains_key(&b"all/empty/emptier/"[..]));
        assert_eq!(found.len(), files.len() + 65);
    }
}

#[test]
fn programs_unpack_what_lies_in_the_folder() {
    let fixture = Fixture::new();
    for (name, length) in [("a", 0), ("b/c", 10), ("b/ d/é", 70_000), ("b/large", 3_000_000)] {
        fixture.file(Path::new("Some Folder").join(name), pattern(length));
    }
    let server = Server::files(&fixture.share(), &[]);
    let url = server.url("/Some%20Folder/");
    for line in [
        "curl -sS -o x.zip '$URL?zip' && unzip -q x.zip",
        "curl -sS '$URL?tar' | tar x",
        "curl -sS '$URL?tar' | bsdtar xf -",
        "curl -sS -OJ '$URL?zip' && unzip -q 'Some Folder.zip'",
    ] {
        let into = tempfile::tempdir().unwrap();
        for (program, package) in
            [("unzip", "unzip"), ("bsdtar", "libarchive-tools"), ("curl", "curl")]
        {
            other_program(program, package);
        }
        let line = line.replace("$URL", &url);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-ec", &line]).current_dir(into.path()).stdin(Stdio::null());
        let done = run(&mut shell);
        assert!(done.status.success(), "{line}: {done:?}");
        let mut diff = other_program("diff", "diffutils");
        diff.arg("-r").arg(fixture.path("Some Folder")).arg(into.path().join("Some Folder"));
        let same = run(&mut diff);
        assert!(same.status.success(), "{line}: {same:?}");
    }
}

#[test]
fn what_a_listing_leaves_out_is_left_out() {
    let fixture = Fixture::new();
    fixture.file("a/shown", "x");
    fixture.file("a/.hidden", "x");
    fixture.file(".git/config", "x");
    symlink("../../secret.txt", fixture.path("a/out")).unwrap();
    symlink("/etc", fixture.path("a/etc")).unwrap();
    symlink("nowhere", fixture.path("a/dangling")).unwrap();
    symlink("shown", fixture.path("a/link")).unwrap();
    symlink("..", fixture.path("a/up")).unwrap();
    let fifo = fixture.path("a/fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let server = Server::files(&fixture.share(), &[]);
    let showing = Server::files(&fixture.share(), &["--hidden"]);
    for form in FORMS {
        let archive = fetch(&server, &format!("/?{form}"));
        assert_nothing_from_outside(&archive, form);
        let shown = ["share/", "share/a/", "share/a/link", "share/a/shown"];
        assert_eq!(names(form, &archive), shown, "{form}");
        let all = names(form, &fetch(&showing, &format!("/?{form}")));
        assert!(all.contains(&"share/.git/config".to_owned()), "{all:?}");
    }
}

#[test]
fn names_that_are_no_utf8_stay_apart_and_a_tar_has_them_as_they_are() {
    let fixture = Fixture::new();
    for name in [&b"na\xefve"[..], b"na%EFve", "naïve".as_bytes(), b"\xff"] {
        fixture.file(OsStr::from_bytes(name), name);
    }
    let server = Server::files(&fixture.share(), &[]);
    let found = look("tar", &fetch(&server, "/?tar"));
    for name in [&b"na\xefve"[..], b"na%EFve", "naïve".as_bytes(), b"\xff"] {
        assert_eq!(found[&[b"share/", name].concat()].contents, name);
    }
    let found = look("zip", &fetch(&server, "/?zip"));
    for (name, contents) in
        [("na%EFve", &b"na%EFve"[..]), ("na%EFve%", b"na\xefve"), ("%FF", b"\xff")]
    {
        assert_eq!(found[format!("share/{name}").as_bytes()].contents, contents, "{name}");
    }
}

#[test]
fn times_that_a_form_cannot_hold_break_nothing() {
    let fixture = Fixture::new();
    for (name, seconds) in [("far", 4_000_000_000_u64), ("long ago", 0)] {
        set_time(&fixture.file(name, "x"), seconds, 0);
    }
    let before_1970 = UNIX_EPOCH - Duration::from_millis(1_500);
    fs::File::open(fixture.file("before", "x")).unwrap().set_modified(before_1970).unwrap();
    let server = Server::files(&fixture.share(), &[]);
    let found = look("tar", &fetch(&server, "/?tar"));
    for (name, ns) in
        [("far", 4_000_000_000_000_000_000), ("before", -1_500_000_000), ("long ago", 0)]
    {
        assert_eq!(found[format!("share/{name}").as_bytes()].modified_ns, ns, "{name}");
    }
    let archive = fixture.beside("x.zip");
    fs::write(&archive, fetch(&server, "/?zip")).unwrap();
    let tested = run(other_program("unzip", "unzip").arg("-tq").arg(archive));
    assert!(tested.status.success(), "{tested:?}");
}

/// Files and empty folders of any names, some above the length up to which contents are read at
/// once.
fn tree() -> impl Strategy<Value = BTreeMap<String, Option<Vec<u8>>>> {
    let name =
        prop_oneof!["[a-c]{1,2}", "\\PC{1,12}", Just("long ".repeat(40)), Just("长".repeat(60)),];
    let name = name.prop_filter("a name", |name| {
        !name.contains(['/', '\0']) && !name.starts_with('.') && name.len() <= 255
    });
    let path = prop::collection::vec(name, 1..5).prop_map(|names| names.join("/"));
    let length = prop_oneof![Just(0), 1..2_000_usize, 65_530..65_545_usize, 262_100..262_200_usize];
    let contents = prop::option::weighted(0.8, length.prop_map(pattern));
    prop::collection::btree_map(path, contents, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, ..ProptestConfig::default() })]
    #[test]
    fn any_folder_is_read_back_as_it_is(tree in tree()) {
        let fixture = Fixture::new();
        fs::create_dir(fixture.path("top")).unwrap();
        for (name, contents) in &tree {
            let path = fixture.path("top").join(name);
            // A file may stand where another name wants a folder.
            let _ = match contents {
                Some(contents) if !path.is_dir() => path.parent().map(|folder| {
                    let made = fs::create_dir_all(folder);
                    made.and_then(|()| fs::write(&path, contents))
                }),
                _ => Some(fs::create_dir_all(&path)),
            };
        }
        let mut expected = BTreeMap::new();
        expect(&fixture.path("top"), "top/", &mut expected);
        let server = Server::files(&fixture.share(), &[]);
        for form in FORMS {
            let found = look(form, &fetch(&server, &format!("/top?{form}")));
            let found: BTreeMap<Vec<u8>, Option<Vec<u8>>> = found
                .into_iter()
                .map(|(name, entry)| (name, (!entry.is_folder).then_some(entry.contents)))
                .collect();
            prop_assert!(found == expected, "{}: {:?} {:?}", form, found.keys(), expected.keys());
        }
    }
}

fn expect(folder: &Path, prefix: &str, expected: &mut BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
    expected.insert(prefix.into(), None);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            expect(&path, &format!("{name}/"), expected);
        } else {
            expected.insert(name.into(), Some(fs::read(&path).unwrap()));
        }
    }
}
