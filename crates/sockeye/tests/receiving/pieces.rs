//! A large file in several requests: where each piece begins, what is kept of one that was cut, and
//! how the whole is put under its name.

use std::net::Shutdown;

use serde_json::json;

use crate::house::{House, send, wait_until};
use crate::support::{Answer, Http, pattern};

const BEGIN: (&str, &str) = ("Upload-Complete", "?0");
const LAST: (&str, &str) = ("Upload-Complete", "?1");
const PIECE: (&str, &str) = ("Content-Type", "application/partial-upload");
const JSON: (&str, &str) = ("Accept", "application/json");

/// A file on its way.
struct Upload<'a> {
    house: &'a House,
    place: String,
}

impl<'a> Upload<'a> {
    fn begin(house: &'a House, path: &str, length: Option<usize>, first: &[u8]) -> Self {
        let text = length.map(|length| length.to_string()).unwrap_or_default();
        let length = length.map(|_| ("Upload-Length", text.as_str()));
        let fields: Vec<_> = [BEGIN].into_iter().chain(length).collect();
        let answer = house.send("POST", path, &fields, first);
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_progress(&answer, first.len());
        let place = answer.the("location").to_owned();
        assert!(place.starts_with("/-/upload/"), "{place}");
        Self { house, place }
    }

    fn piece(&self, offset: usize, complete: (&str, &str), bytes: &[u8]) -> Answer {
        let offset = offset.to_string();
        let fields = [PIECE, complete, JSON, ("Upload-Offset", offset.as_str())];
        self.house.send("PATCH", &self.place, &fields, bytes)
    }

    fn head(&self) -> Answer {
        self.house.send("HEAD", &self.place, &[], "")
    }

    /// A piece of which only the beginning is sent, and has been received.
    fn torn(&self, offset: usize, announced: usize, sent: &[u8]) -> Http {
        let before = self.house.received_bytes();
        let mut http = Http::connect(self.house.server.http());
        let (offset, announced) = (offset.to_string(), announced.to_string());
        let fields =
            [PIECE, BEGIN, ("Upload-Offset", &offset), ("Content-Length", announced.as_str())];
        http.send(http.request("PATCH", &self.place, &fields));
        http.send(sent);
        let until = before + sent.len() as u64;
        wait_until("the piece's beginning is here", || self.house.received_bytes() >= until);
        http
    }
}

#[track_caller]
fn assert_progress(answer: &Answer, offset: usize) {
    let told = (answer.the("upload-offset"), answer.the("upload-complete"));
    assert_eq!(told, (offset.to_string().as_str(), "?0"));
}

#[test]
fn a_file_comes_in_pieces_and_has_its_name_after_the_last() {
    let house = House::new();
    let contents = pattern(1_000_000);
    for announced in [Some(contents.len()), None] {
        let path = format!("/in/{announced:?}");
        let path = path.replace(['(', ')'], "-");
        let upload = Upload::begin(&house, &path, announced, b"");
        let mut offset = 0;
        for piece in contents[..900_000].chunks(300_000) {
            let answer = upload.piece(offset, BEGIN, piece);
            offset += piece.len();
            assert_eq!(answer.status, 204, "{}", answer.text());
            assert_progress(&answer, offset);
            assert_eq!(upload.head().status, 204);
            assert_progress(&upload.head(), offset);
            assert!(!house.everything().contains_key(&path[1..]), "it has a name already");
        }
        let answer = upload.piece(offset, LAST, &contents[offset..]);
        assert_eq!((answer.status, answer.the("content-location")), (200, path.as_str()));
        assert_eq!(answer.the("upload-complete"), "?1");
        let told = json!({"path": path, "bytes": contents.len(), "outcome": "saved"});
        assert_eq!(answer.json(), told);
        assert_eq!(house.everything()[&path[1..]], contents);
        assert_eq!((upload.head().status, upload.piece(offset, LAST, b"x").status), (404, 404));
    }
}

#[test]
fn the_first_piece_may_come_with_the_beginning_and_the_last_may_be_empty() {
    let house = House::new();
    let upload = Upload::begin(&house, "/a", Some(11), b"hello world");
    assert_eq!(upload.piece(11, LAST, b"").status, 200);
    let empty = Upload::begin(&house, "/empty", Some(0), b"");
    assert_eq!(empty.piece(0, LAST, b"").status, 200);
    let whole = house.send("POST", "/whole", &[LAST], "all at once");
    assert_eq!((whole.status, whole.the("content-location")), (200, "/whole"));
    house.assert_holds(&[("a", b"hello world"), ("empty", b""), ("whole", b"all at once")]);
}

#[test]
fn curl_sends_pieces_over_http_2_too() {
    let house = House::new();
    let http2 = "--http2-prior-knowledge";
    let begun = house.curl(&[http2, "--data-binary", "hello", "-H", "Upload-Complete: ?0"], "/a");
    assert_eq!(begun.status, 201, "{}", begun.text());
    let place = begun.the("location");
    let arguments = [
        &[http2, "-X", "PATCH", "--data-binary", " world", "-H", "Upload-Complete: ?1"][..],
        &["-H", "Upload-Offset: 5", "-H", "Content-Type: application/partial-upload"],
    ];
    let answer = house.curl(&arguments.concat(), place);
    assert_eq!(answer.status, 200, "{}", answer.text());
    house.assert_holds(&[("a", b"hello world")]);
}

#[test]
fn a_piece_at_the_wrong_place_is_409_and_told_the_right_one() {
    let house = House::new();
    let upload = Upload::begin(&house, "/a", Some(11), b"hello");
    for offset in [0, 4, 6, 11, 12, 1 << 40] {
        let answer = upload.piece(offset, BEGIN, b" world");
        assert_eq!((answer.status, answer.the("upload-offset")), (409, "5"), "{offset}");
    }
    assert_eq!(upload.piece(5, LAST, b" world").status, 200);
    house.assert_holds(&[("a", b"hello world")]);
}

#[test]
fn what_came_of_a_piece_that_was_cut_is_kept() {
    let house = House::new();
    let contents = pattern(500_000);
    for reset in [false, true] {
        let path = format!("/{reset}");
        let upload = Upload::begin(&house, &path, Some(contents.len()), &contents[..100_000]);
        let torn = upload.torn(100_000, 400_000, &contents[100_000..300_000]);
        if reset {
            let linger = std::time::Duration::ZERO;
            rustix::net::sockopt::set_socket_linger(&torn.stream, Some(linger)).unwrap();
            drop(torn);
        } else {
            torn.stream.shutdown(Shutdown::Write).unwrap();
        }
        assert_progress(&upload.head(), 300_000);
        assert_eq!(upload.piece(300_000, LAST, &contents[300_000..]).status, 200);
        assert_eq!(house.everything()[&path[1..]], contents, "reset: {reset}");
    }
}

/// Whoever asks again has lost the request that brought something.
#[test]
fn who_asks_again_ends_a_piece_that_hangs_and_goes_on() {
    let house = House::new();
    let contents = pattern(300_000);
    let upload = Upload::begin(&house, "/a", Some(contents.len()), b"");
    let mut hanging = upload.torn(0, 300_000, &contents[..100_000]);
    assert_progress(&upload.head(), 100_000);
    let told = hanging.answer();
    assert_eq!((told.status, told.the("upload-offset")), (409, "100000"), "{}", told.text());
    let mut hanging = upload.torn(100_000, 200_000, &contents[100_000..200_000]);
    // Another piece ends it as well, and is told where the first one stopped if it guesses wrong.
    let answer = upload.piece(100_000, BEGIN, b"x");
    assert_eq!((answer.status, answer.the("upload-offset")), (409, "200000"));
    assert_eq!(hanging.answer().status, 409);
    assert_eq!(upload.piece(200_000, LAST, &contents[200_000..]).status, 200);
    house.assert_holds(&[("a", &contents)]);
}

#[test]
fn a_file_that_is_given_up_leaves_nothing() {
    let house = House::new();
    let upload = Upload::begin(&house, "/a", None, b"hello");
    let deleted = house.send("DELETE", &upload.place, &[], "");
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    assert_eq!((upload.head().status, upload.piece(5, LAST, b"").status), (404, 404));
    let hangs = Upload::begin(&house, "/b", Some(100), b"");
    let _hanging = hangs.torn(0, 100, b"hello");
    assert_eq!(house.send("DELETE", &hangs.place, &[], "").status, 204);
    assert_eq!(house.send("DELETE", &hangs.place, &[], "").status, 404);
    house.assert_holds(&[]);
}

#[test]
fn a_length_that_was_announced_holds_for_one_request_too() {
    let house = House::new();
    for said in ["99", "2", "abc", "-5", "", "99999999999999999999"] {
        for complete in [LAST, BEGIN] {
            if complete == BEGIN && said == "99" {
                continue;
            }
            let fields = [complete, ("Upload-Length", said)];
            let answer = house.send("PUT", "/a", &fields, "abc");
            assert_eq!(answer.status, 400, "{said:?} {complete:?}: {}", answer.text());
        }
    }
    let answer = house.send("PUT", "/a", &[LAST, ("Upload-Length", "3")], "abc");
    assert_eq!(answer.status, 201, "{}", answer.text());
}

#[test]
fn more_or_less_than_was_announced_is_400_and_never_a_file() {
    let house = House::new();
    let upload = Upload::begin(&house, "/a", Some(10), b"hello");
    for (complete, bytes) in [(BEGIN, &b" world"[..]), (LAST, b" world"), (LAST, b" wor")] {
        let answer = upload.piece(5, complete, bytes);
        assert_eq!(answer.status, 400, "{complete:?} {bytes:?}");
        let here = if bytes.len() == 4 { 9 } else { 5 };
        assert_progress(&upload.head(), here);
    }
    // Less is not lost: the rest may come.
    assert_eq!(upload.piece(9, LAST, b"l").status, 200);
    house.assert_holds(&[("a", b"hello worl")]);
    let upload = Upload::begin(&house, "/b", Some(5), b"");
    let mut http = Http::connect(house.server.http());
    let fields = [PIECE, LAST, ("Upload-Offset", "0"), ("Transfer-Encoding", "chunked")];
    http.send(http.request("PATCH", &upload.place, &fields));
    http.send("6\r\nhello!\r\n0\r\n\r\n");
    assert_eq!(http.answer().status, 400, "more in chunks");
    assert_eq!(house.everything().len(), 1);
}

#[test]
fn the_same_bytes_in_pieces_are_the_same_file() {
    let house = House::new();
    let contents = pattern(200_000);
    house.fixture.file("a", &contents);
    let upload = Upload::begin(&house, "/a", Some(contents.len()), &contents[..50_000]);
    assert_eq!(upload.piece(50_000, BEGIN, &contents[50_000..150_000]).status, 204);
    let answer = upload.piece(150_000, LAST, &contents[150_000..]);
    assert_eq!((answer.status, answer.json()["outcome"].as_str()), (200, Some("same")));
    house.assert_holds(&[("a", &contents)]);
}

#[test]
fn another_content_is_409_as_soon_as_it_shows() {
    let house = House::new();
    let contents = pattern(200_000);
    house.fixture.file("a", &contents);
    let length = contents.len().to_string();
    let upload = Upload::begin(&house, "/a", Some(contents.len()), &contents[..50_000]);
    let mut other = contents[50_000..].to_vec();
    other[100_000] ^= 1;
    let answer = upload.piece(50_000, BEGIN, &other);
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert_eq!(answer.field("upload-offset"), None, "nothing can go on");
    assert_eq!(upload.head().status, 404);
    for announced in ["199999", "200001"] {
        let fields = [BEGIN, ("Upload-Length", announced)];
        assert_eq!(house.send("POST", "/a", &fields, "").status, 409, "{announced}");
    }
    let fields = [BEGIN, ("Upload-Length", length.as_str())];
    let answer = house.send("POST", "/a", &fields, "at once");
    assert_eq!(answer.status, 409, "the first piece differs");
    house.assert_holds(&[("a", &contents)]);
}

/// Somebody else may have taken the name between the first piece and the last.
#[test]
fn a_name_that_was_taken_in_the_meantime_is_409_at_the_end() {
    let house = House::new();
    let upload = Upload::begin(&house, "/a", Some(5), b"hel");
    house.fixture.file("a", "other");
    assert_eq!(upload.piece(3, LAST, b"lo").status, 409);
    house.assert_holds(&[("a", b"other")]);
    let upload = Upload::begin(&house, "/b", Some(5), b"hel");
    house.fixture.file("b", "hello");
    let answer = upload.piece(3, LAST, b"lo");
    assert_eq!((answer.status, answer.json()["outcome"].as_str()), (200, Some("same")));
    house.assert_holds(&[("a", b"other"), ("b", b"hello")]);
}

#[test]
fn what_cannot_end_well_is_refused_at_the_beginning() {
    let house = House::with(&["--uploads", "--max-upload", "1000"]);
    house.fixture.file("folder/x", "x");
    for (path, length, status) in [
        ("/a", "1001", 413),
        ("/.hidden", "1", 403),
        ("/folder", "1", 409),
        ("/folder/x/y", "1", 409),
        ("/folder/", "1", 400),
    ] {
        let fields = [BEGIN, ("Upload-Length", length)];
        let answer = house.send("POST", path, &fields, "");
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.field("location"), None, "{path}");
    }
    let upload = Upload::begin(&house, "/a", None, &[0; 600]);
    assert_eq!(upload.piece(600, BEGIN, &[0; 401]).status, 413);
    let full = House::with(&["--uploads", "--keep-free", "1000000T"]);
    assert_eq!(full.send("POST", "/a", &[BEGIN, ("Upload-Length", "1")], "").status, 507);
    let off = House::with(&[]);
    assert_eq!(off.send("POST", "/a", &[BEGIN], "").status, 403);
    house.assert_holds(&[("folder/", b""), ("folder/x", b"x")]);
}

#[test]
fn a_request_to_a_place_says_what_it_brings() {
    let house = House::new();
    let upload = Upload::begin(&house, "/a", None, b"");
    let ask = |method: &str, place: &str, fields: &[(&str, &str)]| {
        house.send(method, place, fields, "x").status
    };
    let offset = ("Upload-Offset", "0");
    assert_eq!(ask("PATCH", &upload.place, &[offset, BEGIN]), 415);
    assert_eq!(ask("PATCH", &upload.place, &[PIECE, BEGIN]), 400);
    assert_eq!(ask("PATCH", &upload.place, &[PIECE, BEGIN, ("Upload-Offset", "-1")]), 400);
    for method in ["POST", "PUT", "MKCOL", "OPTIONS"] {
        assert_eq!(ask(method, &upload.place, &[PIECE, BEGIN, offset]), 405, "{method}");
    }
    for place in ["/-/upload/", "/-/upload/0", "/-/upload/00000000000000000000000000000000"] {
        assert_eq!(ask("PATCH", place, &[PIECE, BEGIN, offset]), 404, "{place}");
    }
    assert_progress(&upload.head(), 0);
}

#[test]
fn one_sender_has_sixteen_files_on_their_way_and_no_more() {
    let house = House::new();
    let uploads: Vec<_> =
        (0..16).map(|n| Upload::begin(&house, &format!("/{n}"), None, b"")).collect();
    let answer = house.send("POST", "/more", &[BEGIN], "");
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("10")));
    assert_eq!(uploads[3].piece(0, LAST, b"x").status, 200);
    Upload::begin(&house, "/more", None, b"");
}

#[test]
fn pieces_come_on_a_connection_that_was_used_before() {
    let house = House::new();
    let mut http = Http::connect(house.server.http());
    let begun = send(&mut http, ("POST", "/a"), &[BEGIN], "hello");
    let place = begun.the("location").to_owned();
    assert_progress(&send(&mut http, ("HEAD", &place), &[], ""), 5);
    let fields = [PIECE, LAST, ("Upload-Offset", "5")];
    assert_eq!(send(&mut http, ("PATCH", &place), &fields, " world").status, 200);
    assert_eq!(http.get("/a", &[]).text(), "hello world");
}
