//! Large files go in pieces, so that a break costs only what was on its way.

use std::sync::{Arc, Mutex};

use crate::Putter;
use crate::fake::{Fake, Next, Peer, asked, field};
use crate::support::{assert_same_bytes, pattern};

const LENGTH: usize = 20_000_000;
const CREATED: &str = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

/// A server that knows pieces, and breaks off after so many bytes of each.
struct Store {
    arrived: Mutex<Vec<u8>>,
    breaks_after: usize,
}

impl Store {
    fn new(breaks_after: usize) -> Arc<Self> {
        Arc::new(Self { arrived: Mutex::default(), breaks_after })
    }

    fn answer(&self, head: &str, peer: &mut Peer) -> Next {
        let mut arrived = self.arrived.lock().unwrap();
        let progress = |status: &str, at: usize| {
            format!(
                "HTTP/1.1 {status}\r\nLocation: /-/upload/1\r\nUpload-Offset: {at}\r\n\
                 Upload-Complete: ?0\r\nContent-Length: 0\r\n\r\n"
            )
        };
        match asked(head) {
            ("POST", "/a.bin") => {
                assert_eq!(field(head, "Upload-Complete"), Some("?0"), "{head}");
                assert_eq!(field(head, "Upload-Length"), Some(LENGTH.to_string().as_str()));
                assert_eq!(field(head, "Content-Length"), Some("0"), "{head}");
                arrived.clear();
                peer.say(&progress("201 Created", 0));
            }
            ("HEAD", "/-/upload/1") => peer.say(&progress("200 OK", arrived.len())),
            ("PATCH", "/-/upload/1") => {
                assert_eq!(field(head, "Content-Type"), Some("application/partial-upload"));
                assert_eq!(field(head, "Upload-Complete"), Some("?1"));
                let offset: usize = field(head, "Upload-Offset").unwrap().parse().unwrap();
                if offset != arrived.len() {
                    peer.say(&progress("409 Conflict", arrived.len()));
                    return Next::Close;
                }
                if field(head, "Expect").is_some() {
                    peer.say("HTTP/1.1 100 Continue\r\n\r\n");
                }
                let rest = LENGTH - offset;
                arrived.extend(peer.bytes(rest.min(self.breaks_after)));
                if arrived.len() < LENGTH {
                    return Next::Close;
                }
                let body = format!(r#"{{"path":"/a.bin","bytes":{LENGTH},"outcome":"saved"}}"#);
                peer.answer("200 OK", "", &body);
            }
            other => panic!("{other:?}"),
        }
        Next::Keep
    }

    #[track_caller]
    fn assert_has_all(&self) {
        assert_same_bytes(&self.arrived.lock().unwrap(), &pattern(LENGTH), "what arrived");
    }
}

fn putter() -> Putter {
    let putter = Putter::new();
    putter.file("a.bin", pattern(LENGTH));
    putter
}

#[test]
fn after_each_break_it_goes_on_where_the_server_is() {
    let store = Store::new(3_000_000);
    let served = Arc::clone(&store);
    let fake = Fake::new(move |_, head, peer| served.answer(head, peer));
    let done = putter().put(&["a.bin", &fake.url("/"), "--json"]);
    done.assert_well();
    store.assert_has_all();
    assert_eq!(
        (&done.json()[0]["outcome"], &done.json()[0]["bytes"]),
        (&"saved".into(), &LENGTH.into())
    );
    let patches = fake.heads().iter().filter(|head| head.starts_with("PATCH")).count();
    assert_eq!(patches, LENGTH.div_ceil(3_000_000), "each piece once");
}

#[test]
fn a_wrong_offset_is_put_right_by_the_answer() {
    let store = Store::new(usize::MAX);
    let served = Arc::clone(&store);
    let fake = Fake::new(move |number, head, peer| {
        // After the first piece's break the server says nothing of where it is but in its refusal.
        if number == 1 {
            served.arrived.lock().unwrap().extend(peer.bytes(5_000_000));
            return Next::Close;
        }
        if number == 2 {
            assert_eq!(asked(head).0, "HEAD");
            peer.say("HTTP/1.1 204 Here\r\nUpload-Offset: 4000000\r\nUpload-Complete: ?0\r\n\r\n");
            return Next::Keep;
        }
        served.answer(head, peer)
    });
    putter().put(&["a.bin", &fake.url("/")]).assert_well();
    store.assert_has_all();
}

#[test]
fn a_place_that_is_gone_is_made_again() {
    let store = Store::new(usize::MAX);
    let served = Arc::clone(&store);
    let fake = Fake::new(move |number, head, peer| match number {
        1 => {
            peer.bytes(5_000_000);
            Next::Close
        }
        2 => {
            assert_eq!(asked(head).0, "HEAD");
            peer.say("HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n");
            Next::Keep
        }
        _ => served.answer(head, peer),
    });
    putter().put(&["a.bin", &fake.url("/")]).assert_well();
    store.assert_has_all();
    let posts = fake.requests().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(posts, 2);
}

#[test]
fn a_server_that_lies_about_its_offset_is_exit_4() {
    for lie in ["19000000", "20000001", "999999999999999"] {
        let fake = Fake::new(move |number, _, peer| match number {
            0 => {
                peer.say(
                    "HTTP/1.1 201 Created\r\nLocation: /-/upload/1\r\nUpload-Offset: 0\r\n\
                     Upload-Complete: ?0\r\nContent-Length: 0\r\n\r\n",
                );
                Next::Keep
            }
            1 => {
                peer.bytes(1_000);
                Next::Close
            }
            _ => {
                let answer = "HTTP/1.1 204 Here\r\nUpload-Complete: ?0\r\nUpload-Offset: ";
                peer.say(&format!("{answer}{lie}\r\n\r\n"));
                Next::Keep
            }
        });
        putter().put(&["a.bin", &fake.url("/")]).assert_ended(4, "what was never sent");
    }
}

#[test]
fn a_server_that_knows_no_pieces_is_sent_the_file_in_one() {
    for answer in [
        "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 501 What\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        // Two that took the empty body for the file.
        "HTTP/1.1 201 Created\r\nLocation: /a.bin\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&arrived);
        let fake = Fake::new(move |_, head, peer| {
            if asked(head).0 == "POST" {
                peer.say(answer);
                return Next::Keep;
            }
            assert_eq!(asked(head), ("PUT", "/a.bin"));
            *kept.lock().unwrap() = peer.body(head);
            peer.say(CREATED);
            Next::Keep
        });
        putter().put(&["a.bin", &fake.url("/")]).assert_well();
        assert_same_bytes(&arrived.lock().unwrap(), &pattern(LENGTH), answer);
    }
}

#[test]
fn what_the_server_need_not_keep_is_given_up() {
    let fake = Fake::new(|_, head, peer| match asked(head).0 {
        "POST" => {
            peer.say(
                "HTTP/1.1 201 Created\r\nLocation: /-/upload/1\r\nUpload-Offset: 0\r\n\
                 Upload-Complete: ?0\r\nContent-Length: 0\r\n\r\n",
            );
            Next::Keep
        }
        "PATCH" => {
            peer.say("HTTP/1.1 100 Continue\r\n\r\n");
            peer.bytes(100_000);
            let body = r#"{"status":507,"error":"full","detail":"the disk is full"}"#;
            peer.answer("507 Full", "Content-Type: application/json\r\n", body);
            Next::Close
        }
        _ => {
            peer.say("HTTP/1.1 204 Gone\r\n\r\n");
            Next::Keep
        }
    });
    putter().put(&["a.bin", &fake.url("/")]).assert_ended(1, "the disk is full");
    assert_eq!(fake.requests(), ["POST /a.bin", "PATCH /-/upload/1", "DELETE /-/upload/1"]);
}
