//! Names: whatever the sender's system allows is kept as it is, and none leads out of the folder.

use std::fs;
use std::os::unix::fs::symlink;

use crate::house::{House, encoded};
use crate::support::{SECRET, assert_nothing_from_outside};

#[test]
fn names_in_every_script_are_kept_byte_for_byte() {
    let house = House::new();
    let names = [
        "naïve café.txt",
        "Ελληνικά.txt",
        "русский.txt",
        "עברית.txt",
        "العربية.txt",
        "हिन्दी.txt",
        "ไทย.txt",
        "日本語.txt",
        "한국어.txt",
        "中文(繁體).txt",
        "🐟👨‍👩‍👧‍👦.txt",
        "\u{202e}txt.exe",
        "100%41.txt",
        "a&b=c?d#e+f;g,h.txt",
        "quote\"'`<>.txt",
        "line\nbreak\ttab\r.txt",
        "\u{7f}\u{1}.txt",
        " leading",
        "-rf",
        "~",
    ];
    let mut expected: Vec<(&str, &[u8])> = Vec::new();
    for name in names {
        let path = format!("/{}", encoded(name.as_bytes()));
        let answer = house.send("PUT", &path, &[], name);
        assert_eq!(answer.status, 201, "{name:?}: {}", answer.text());
        let place = answer.the("location").to_owned();
        assert_eq!(house.server.get(&place).text(), name, "{name:?} at {place}");
        expected.push((name, name.as_bytes()));
    }
    house.assert_holds(&expected);
    let bytes = house.send("PUT", "/%FF%FE", &[], "no UTF-8");
    assert_eq!((bytes.status, bytes.the("location")), (201, "/%FF%FE"));
}

/// Some systems compose accents and some do not. Here they are the names of two files, as the disk
/// has it, and neither is taken for the other.
#[test]
fn composed_and_decomposed_names_are_two_files() {
    let house = House::new();
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    for name in [composed, decomposed] {
        let answer = house.send("PUT", &format!("/{}", encoded(name.as_bytes())), &[], name);
        assert_eq!(answer.status, 201, "{name:?}");
    }
    house.assert_holds(&[(composed, composed.as_bytes()), (decomposed, decomposed.as_bytes())]);
}

#[test]
fn names_that_windows_does_not_know_are_names_here() {
    let house = House::new();
    let names = [
        "CON",
        "con.txt",
        "NUL",
        "COM1",
        "LPT9.log",
        "AUX",
        "a:b",
        "a:$DATA",
        "dot.",
        "dots...",
        "space ",
        "back\\slash",
        "up\\..\\up",
        "C:\\x",
        "a|b",
        "a*b?",
        "<>",
    ];
    let mut expected: Vec<(&str, &[u8])> = Vec::new();
    for name in names {
        let answer = house.send("PUT", &format!("/{}", encoded(name.as_bytes())), &[], name);
        assert_eq!(answer.status, 201, "{name:?}: {}", answer.text());
        expected.push((name, name.as_bytes()));
    }
    house.assert_holds(&expected);
}

#[test]
fn a_name_has_at_most_255_bytes() {
    let house = House::new();
    let longest = [&"x".repeat(255), &"€".repeat(85)].map(String::clone);
    for name in &longest {
        let path = format!("/{}", encoded(name.as_bytes()));
        assert_eq!(house.send("PUT", &path, &[], "x").status, 201, "{}", name.len());
        let folder = format!("/in/{}/{}", encoded(name.as_bytes()), encoded(name.as_bytes()));
        assert_eq!(house.send("PUT", &folder, &[], "x").status, 201, "{}", name.len());
    }
    let before = house.everything();
    for name in ["x".repeat(256), "€".repeat(86), format!("{}/a", "x".repeat(256))] {
        for method in ["PUT", "POST", "MKCOL"] {
            let path = name.split('/').map(|part| encoded(part.as_bytes())).collect::<Vec<_>>();
            let body = if method == "MKCOL" { "" } else { "x" };
            let answer = house.send(method, &format!("/{}", path.join("/")), &[], body);
            assert_eq!(answer.status, 400, "{method} {}: {}", name.len(), answer.text());
        }
    }
    let deep = "/d".repeat(257);
    assert_eq!(house.send("PUT", &deep, &[], "x").status, 400);
    assert_eq!(house.everything(), before);
    // A name at its longest that is taken is shortened for the number.
    let house = House::with(&["--uploads", "--rename"]);
    for (n, longest) in longest.iter().enumerate() {
        let path = format!("/{}", encoded(longest.as_bytes()));
        assert_eq!(house.send("PUT", &path, &[], "one").status, 201);
        assert_eq!(house.send("PUT", &path, &[], "another").status, 201);
        let names: Vec<usize> = house.everything().into_keys().map(|name| name.len()).collect();
        assert_eq!(names.len(), 2 * (n + 1), "{names:?}");
        assert!(names.iter().all(|length| (250..=255).contains(length)), "{names:?}");
    }
}

#[test]
fn hidden_names_are_refused_unless_they_are_shown_and_the_hubs_own_always() {
    let own = "/.sockeye-0123456789abcdef.part";
    for (flags, status) in [(&["--uploads"][..], 403), (&["--uploads", "--hidden"], 201)] {
        let house = House::with(flags);
        for path in ["/.profile", "/a/.ssh", "/.git/config", "/...", "/.%20"] {
            let answer = house.send("PUT", path, &[], "x");
            assert_eq!(answer.status, status, "{path} with {flags:?}: {}", answer.text());
        }
        for path in [own.to_owned(), format!("/a{own}"), format!("{own}/a")] {
            assert_eq!(house.send("PUT", &path, &[], "x").status, 403, "{path} with {flags:?}");
            assert_eq!(house.send("MKCOL", &path, &[], "").status, 403, "{path} with {flags:?}");
        }
        let form = "f=x;filename=.sockeye-0123456789abcdef.part";
        assert_eq!(house.curl(&["-F", form], "/").status, 403);
        assert!(!house.everything().keys().any(|name| name.contains(".sockeye-")));
    }
}

#[test]
fn paths_that_want_out_are_400_and_reach_nothing() {
    let house = House::new();
    for path in [
        "/../out",
        "/..",
        "/a/../../out",
        "/%2e%2e/out",
        "/.%2e/out",
        "/a%2Fb",
        "/..%2Fout",
        "/a%00b",
        "/a%",
        "/a%zz",
    ] {
        for method in ["PUT", "POST", "MKCOL"] {
            let body = if method == "MKCOL" { "" } else { "out" };
            let answer = house.send(method, path, &[], body);
            assert_eq!(answer.status, 400, "{method} {path}: {}", answer.text());
        }
    }
    for name in ["..", ".", "/", "a/..", "\\..", "../.."] {
        let answer = house.curl(&["-F", &format!("f=out;filename=\"{name}\"")], "/");
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
    }
    house.assert_holds(&[]);
    assert!(!house.fixture.beside("out").exists());
}

#[test]
fn links_that_lead_out_are_not_followed_and_not_written_through() {
    for flags in [&["--uploads"][..], &["--uploads", "--overwrite"], &["--uploads", "--rename"]] {
        let house = House::with(flags);
        let outside = house.fixture.beside("outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, house.fixture.path("folder")).unwrap();
        symlink("../outside", house.fixture.path("relative")).unwrap();
        symlink("/proc/self/root/tmp", house.fixture.path("proc")).unwrap();
        symlink(house.fixture.beside("secret.txt"), house.fixture.path("file")).unwrap();
        symlink(outside.join("new"), house.fixture.path("dangling")).unwrap();
        for path in ["/folder/a", "/relative/a", "/proc/sockeye-was-here", "/folder/deep/a"] {
            for method in ["PUT", "POST"] {
                let answer = house.send(method, path, &[], "x");
                assert_eq!(answer.status, 403, "{method} {path} {flags:?}: {}", answer.text());
            }
            assert_eq!(house.send("MKCOL", &format!("{path}/"), &[], "").status, 403, "{path}");
        }
        for path in ["/file", "/dangling"] {
            let answer = house.send("PUT", path, &[], "x");
            let expected = match flags.last() {
                Some(&"--overwrite") => 204,
                Some(&"--rename") => 201,
                _ => 409,
            };
            assert_eq!(answer.status, expected, "{path} {flags:?}: {}", answer.text());
            assert_nothing_from_outside(&answer.body, path);
        }
        let secret = fs::read_to_string(house.fixture.beside("secret.txt")).unwrap();
        assert_eq!(secret, format!("{SECRET}\n"), "{flags:?}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{flags:?}");
        if flags.contains(&"--overwrite") {
            // The link itself was replaced.
            assert!(house.fixture.path("file").symlink_metadata().unwrap().is_file());
        }
    }
}

#[test]
fn a_link_that_stays_inside_leads_to_its_folder() {
    let house = House::new();
    house.fixture.file("real/x", "x");
    symlink("real", house.fixture.path("link")).unwrap();
    let answer = house.send("PUT", "/link/a", &[], "hello");
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(fs::read(house.fixture.path("real/a")).unwrap(), b"hello");
}
