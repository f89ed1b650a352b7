//! Guesses: after five wrong keys in a minute no key from that address is looked at.

use std::net::Ipv4Addr;

use crate::hub::{Hub, JSON, KEY, PAGE};
use crate::support::{Answer, connect_from, read_to_the_end};

/// Guesses five times.
fn guess(hub: &Hub, from: Ipv4Addr) {
    for n in 0..5 {
        let wrong = hub.visitor().from(from).bearer(&format!("wrong-key-{n}")).get("/a.txt");
        assert_eq!(wrong.status, 401, "guess {n}: {}", wrong.text());
    }
}

#[track_caller]
fn assert_throttled(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    let wait_s: u64 = answer.the("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait_s), "{wait_s}");
    assert_eq!(answer.field("set-cookie"), None);
}

fn raw(hub: &Hub, from: Ipv4Addr, name: &str) -> String {
    use std::io::Write as _;
    let mut stream = connect_from(from, hub.server.tcp());
    stream.write_all(name.as_bytes()).unwrap();
    String::from_utf8(read_to_the_end(&mut stream)).unwrap()
}

#[test]
fn after_five_wrong_keys_a_right_one_is_refused_too_and_a_cookie_is_not() {
    let hub = Hub::new();
    let here = Ipv4Addr::LOCALHOST;
    let guest = hub.guest(KEY);
    guess(&hub, here);
    let stranger = hub.visitor();
    assert_throttled(&stranger.clone().bearer(KEY).get("/a.txt"));
    assert_throttled(&stranger.clone().bearer("another").get("/a.txt"));
    assert_throttled(&stranger.tries_to_join(KEY));
    let form = [PAGE, ("Content-Type", "application/x-www-form-urlencoded")];
    let page = stranger.ask("POST", "/-/join", &form, &format!("key={KEY}"));
    assert_throttled(&page);
    assert!(page.text().contains("too many wrong keys"), "{}", page.text());
    assert_eq!(stranger.get("/a.txt").status, 401, "who says none is not told to wait");
    assert_eq!(stranger.get("/-/health").status, 200);
    assert_eq!(guest.get("/a.txt").text(), "hello");
    assert_eq!(guest.ask("PUT", "/new", &[JSON], "x").status, 201);
}

#[test]
fn wrong_keys_count_on_all_wires_together_and_for_each_address_by_itself() {
    let hub = Hub::new();
    let (one, other, third) = ([127, 0, 0, 2].into(), [127, 0, 0, 3].into(), [127, 0, 0, 4].into());
    guess(&hub, one);
    let told = raw(&hub, one, &format!("{KEY}/a.txt\n"));
    assert!(told.to_lowercase().starts_with("error: too many wrong keys; try again in "), "{told}");
    assert_eq!(raw(&hub, other, &format!("{KEY}/a.txt\n")), "hello");
    for n in 0..5 {
        // What is shorter or longer than the key is a folder's name, and costs nothing.
        assert_eq!(raw(&hub, other, "films/a.txt\n"), "error: key wanted\n");
        let told = raw(&hub, other, &format!("spawning-salmo{n}/a.txt\n"));
        assert_eq!(told, "error: wrong key\n", "guess {n}");
    }
    assert_throttled(&hub.visitor().from(other).bearer(KEY).get("/a.txt"));
    assert_throttled(&hub.visitor().from(other).tries_to_join(KEY));
    assert_eq!(hub.visitor().from(third).bearer(KEY).get("/a.txt").text(), "hello");
}

#[test]
fn right_keys_and_bad_cookies_are_no_guesses() {
    let hub = Hub::new();
    for _ in 0..10 {
        assert_eq!(hub.visitor().bearer(KEY).get("/a.txt").status, 200);
        let cookie = format!("sockeye-{}={}", hub.server.http().port(), "x".repeat(45));
        assert_eq!(hub.visitor().says("Cookie", &cookie).get("/a.txt").status, 401);
    }
    assert_eq!(hub.visitor().tries_to_join(KEY).status, 204);
}

/// Also the page's own way to say a key.
#[test]
fn the_form_counts_as_a_guess() {
    let hub = Hub::new();
    for n in 0..5 {
        assert_eq!(hub.visitor().tries_to_join(&format!("wrong-key-{n}")).status, 401);
    }
    assert_throttled(&hub.visitor().tries_to_join(KEY));
}
