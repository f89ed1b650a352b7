use proptest::prelude::*;

use super::*;

/// A form as it was read: each part with its bytes, in as many pieces as they came.
type Parts = Vec<(PartHead, Vec<u8>)>;

fn reader(boundary: &str) -> FormReader {
    let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
    FormReader::new(boundary_of(&content_type).unwrap())
}

/// Reads a body that arrives in pieces which end at `cuts`, and watches what the reader holds.
fn read_cut(boundary: &str, body: &[u8], cuts: &[usize]) -> Result<Parts, FormError> {
    let body = Bytes::copy_from_slice(body);
    let mut reader = reader(boundary);
    let mut parts = Parts::new();
    let mut begin = 0;
    for &end in cuts {
        reader.feed(body.slice(begin..end));
        begin = end;
        drain(&mut reader, &mut parts)?;
        assert!(reader.fed.is_empty(), "all that was fed was asked for");
        assert!(reader.head.len() <= FORM_HEAD_MAX_BYTES, "{} are held", reader.head.len());
    }
    reader.feed(body.slice(begin..));
    reader.end();
    assert_eq!(drain(&mut reader, &mut parts)?, Step::End);
    assert!(!reader.is_in_part, "after the end no part is open");
    Ok(parts)
}

/// Takes steps until there is none.
fn drain(reader: &mut FormReader, parts: &mut Parts) -> Result<Step, FormError> {
    loop {
        let was_in_part = reader.is_in_part;
        match reader.next() {
            Ok(Step::Part(head)) => parts.push((head, Vec::new())),
            Ok(Step::Data(data)) => {
                assert!(was_in_part && !data.is_empty());
                parts.last_mut().unwrap().1.extend_from_slice(&data);
            }
            Ok(Step::PartEnd) => assert!(was_in_part && !reader.is_in_part),
            Ok(last @ (Step::End | Step::More)) => return Ok(last),
            Err(error) => {
                assert_eq!(reader.next(), Err(error), "it stays so");
                return Err(error);
            }
        }
    }
}

/// Reads a body whole and one byte at a time, which must give the same.
#[track_caller]
fn read(boundary: &str, body: &[u8]) -> Result<Parts, FormError> {
    let whole = read_cut(boundary, body, &[]);
    let each: Vec<usize> = (0..body.len()).collect();
    assert_eq!(read_cut(boundary, body, &each), whole, "one byte at a time");
    whole
}

fn field(name: &str, data: &str) -> (PartHead, Vec<u8>) {
    let head = PartHead { name: Some(name.into()), ..PartHead::default() };
    (head, data.into())
}

fn file(name: &str, filename: &str, content_type: &str, data: &[u8]) -> (PartHead, Vec<u8>) {
    let head = PartHead {
        name: Some(name.into()),
        filename: Some(filename.into()),
        content_type: Some(content_type.into()).filter(|text: &String| !text.is_empty()),
    };
    (head, data.into())
}

/// A body of parts without names, between boundaries `b`.
fn form(parts: &[&str]) -> Vec<u8> {
    let each = parts.iter().flat_map(|data| ["--b\r\n\r\n", data, "\r\n"]);
    each.chain(["--b--\r\n"]).collect::<String>().into_bytes()
}

#[track_caller]
fn reads_as(body: &[u8], expected: &[&str]) {
    let parts = read("b", body).unwrap();
    let data: Vec<_> = parts.iter().map(|(_, data)| String::from_utf8_lossy(data)).collect();
    assert_eq!(data, expected, "{}", body.escape_ascii());
}

#[track_caller]
fn fails_with(body: &[u8], expected: FormError) {
    assert_eq!(read("b", body), Err(expected), "{}", body.escape_ascii());
}

#[test]
fn a_form_as_chrome_writes_it_is_read() {
    let body = b"------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n\
        Content-Disposition: form-data; name=\"note\"\r\n\r\n\
        two\r\nlines\r\n\
        ------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n\
        Content-Disposition: form-data; name=\"files\"; filename=\"say %22hi%22 \xC3\xBC.png\"\r\n\
        Content-Type: image/png\r\n\r\n\
        \x89PNG\r\n\x1A\n\x00\r\n\
        ------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n\
        Content-Disposition: form-data; name=\"more\"; filename=\"\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n\
        \r\n\
        ------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n";
    let expected = vec![
        field("note", "two\r\nlines"),
        file("files", "say \"hi\" ü.png", "image/png", b"\x89PNG\r\n\x1A\n\x00"),
        file("more", "", "application/octet-stream", b""),
    ];
    assert_eq!(read("----WebKitFormBoundary7MA4YWxkTrZu0gW", body), Ok(expected));
}

#[test]
fn a_form_as_firefox_writes_it_is_read() {
    let boundary = "---------------------------9051914041544843365972754266";
    let body = format!(
        "--{boundary}\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"C:\\odd.txt\"\r\n\
        Content-Type: text/plain\r\n\r\n\
        --{}\r\n{boundary}\r\n\
        --{boundary}--\r\n",
        &boundary[1..]
    );
    let data = format!("--{}\r\n{boundary}", &boundary[1..]);
    let expected = vec![file("file", "odd.txt", "text/plain", data.as_bytes())];
    assert_eq!(read(boundary, body.as_bytes()), Ok(expected));
}

#[test]
fn a_form_as_curl_writes_it_is_read() {
    let body = b"--------------------------d74496d66958873e\r\n\
        Content-Disposition: form-data; name=\"person\"\r\n\r\n\
        anonymous\r\n\
        --------------------------d74496d66958873e\r\n\
        Content-Disposition: form-data; name=\"f\"; filename=\"a\\\"b\\\\c.txt\"\r\n\
        Content-Type: text/plain\r\n\r\n\
        contents\n\r\n\
        --------------------------d74496d66958873e--\r\n";
    let expected =
        vec![field("person", "anonymous"), file("f", "a\"b\\c.txt", "text/plain", b"contents\n")];
    assert_eq!(read("------------------------d74496d66958873e", body), Ok(expected));
}

#[test]
fn a_form_as_python_requests_writes_it_is_read() {
    let body = b"--2c8d4b1f0a7e4b0c9c1d2e3f4a5b6c7d\r\n\
        Content-Disposition: form-data; name=\"a\"\r\n\r\n\
        1\r\n\
        --2c8d4b1f0a7e4b0c9c1d2e3f4a5b6c7d\r\n\
        Content-Disposition: form-data; name=\"f\"; filename*=utf-8''na%C3%AFve.csv\r\n\r\n\
        x,y\n\r\n\
        --2c8d4b1f0a7e4b0c9c1d2e3f4a5b6c7d--\r\n";
    let expected = vec![field("a", "1"), file("f", "naïve.csv", "", b"x,y\n")];
    assert_eq!(read("2c8d4b1f0a7e4b0c9c1d2e3f4a5b6c7d", body), Ok(expected));
}

#[test]
fn a_form_may_hold_nothing() {
    reads_as(b"--b--\r\n", &[]);
    reads_as(b"--b--", &[]);
    reads_as(&form(&[""]), &[""]);
    reads_as(b"--b\r\n\r\n--b--", &[""]);
    reads_as(b"--b\r\nX: 1\r\n\r\n--b\r\n\r\n\r\n--b--", &["", ""]);
}

#[test]
fn preamble_epilogue_and_blanks_behind_a_boundary_are_skipped() {
    reads_as(b"not for you\r\n--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\ny", &["x"]);
    reads_as(b"\r\n--b \t\r\n\r\nx\r\n--b\t\r\n\r\ny\r\n--b-- \t\r\nz", &["x", "y"]);
    reads_as(b"--bb\r\n--b-x\r\n--b\r\n\r\nx\r\n--b--\n", &["x"]);
}

#[test]
fn what_only_looks_like_a_boundary_is_data() {
    for data in [
        "--bx",
        "--b-x\r\n--bx",
        "\r\n-",
        "\r\n--",
        "\r\n--bb",
        "\r\n--b-x",
        "\n--b\r\n",
        "\r--b--",
        "x--b--\r\n",
        "\r\r\n--\r\n",
        "\r\n\r\n",
        "\r\n--c\r\n--b-\r",
        "-",
        "\r",
        "\n--b-",
        "\r\n",
    ] {
        reads_as(&form(&[data, data]), &[data, data]);
    }
    // A form in a form, whose boundary is longer.
    let inner = "--b-inner\r\n\r\nx\r\n--b-inner--\r\n";
    reads_as(&form(&[inner]), &[inner]);
}

#[test]
fn a_body_cut_anywhere_is_cut_short() {
    let body = form(&["first", "second"]);
    let whole = body.len() - "\r\n".len();
    for end in 0..whole {
        fails_with(&body[..end], FormError::CutShort);
    }
    reads_as(&body[..whole], &["first", "second"]);
    reads_as(&body[..=whole], &["first", "second"]);
}

#[test]
fn a_part_is_whole_only_once_its_boundary_is() {
    let mut reader = reader("b");
    reader.feed(Bytes::from("--b\r\n\r\nx\r\n--b \r"));
    assert_eq!(reader.next(), Ok(Step::Part(PartHead::default())));
    assert_eq!(reader.next(), Ok(Step::Data(Bytes::from("x"))));
    assert_eq!(reader.next(), Ok(Step::More));
    reader.feed(Bytes::from("?"));
    assert_eq!(reader.next(), Err(FormError::BadDelimiter));
    reader.feed(Bytes::from("--b--"));
    assert_eq!(reader.next(), Err(FormError::BadDelimiter));
}

#[test]
fn lines_that_end_in_lf_alone_are_refused() {
    fails_with(b"--b\n\nx\n--b--\n", FormError::BareLineFeed);
    fails_with(b"--b \n\r\nx\r\n--b--\n", FormError::BareLineFeed);
    fails_with(b"--b\r\nX: 1\n\r\nx\r\n--b--\r\n", FormError::BareLineFeed);
    fails_with(b"--b\r\n\nx\r\n--b--\r\n", FormError::BareLineFeed);
    fails_with(b"--b\r\n\r\nx\r\n--b\n", FormError::BareLineFeed);
}

#[test]
fn a_boundary_that_is_followed_by_other_text_is_refused() {
    fails_with(b"--b \t?\r\n\r\nx\r\n--b--\r\n", FormError::BadDelimiter);
    fails_with(b"--b\r\r\n\r\nx\r\n--b--\r\n", FormError::BadDelimiter);
    fails_with(b"--b\r\n\r\nx\r\n--b--x\r\n", FormError::BadDelimiter);
    fails_with(b"--b\r\n\r\nx\r\n--b-- -\r\n", FormError::BadDelimiter);
}

#[test]
fn a_head_is_read_up_to_its_bound() {
    let body = |head_bytes: usize| {
        let value = "v".repeat(head_bytes - "X: \r\n\r\n".len());
        format!("--b\r\nX: {value}\r\n\r\nx\r\n--b--").into_bytes()
    };
    reads_as(&body(FORM_HEAD_MAX_BYTES), &["x"]);
    fails_with(&body(FORM_HEAD_MAX_BYTES + 1), FormError::HeadTooLong);
    let endless = format!("--b\r\n{}", "v".repeat(100_000));
    fails_with(endless.as_bytes(), FormError::HeadTooLong);
    let fields = "X: 1\r\n".repeat(FORM_HEAD_MAX_FIELDS + 1);
    let body = format!("--b\r\n{fields}\r\nx\r\n--b--");
    fails_with(body.as_bytes(), FormError::TooManyFields);
}

#[test]
fn a_preamble_is_skipped_up_to_its_bound() {
    let body = |bytes: usize| ["x".repeat(bytes), "\r\n--b--".into()].concat().into_bytes();
    reads_as(&body(FORM_PREAMBLE_MAX_BYTES), &[]);
    fails_with(&body(FORM_PREAMBLE_MAX_BYTES + 1), FormError::PreambleTooLong);
    // What was taken for a boundary counts too.
    let likely = "\r\n--bx".repeat(FORM_PREAMBLE_MAX_BYTES / 6 + 1);
    fails_with(likely.as_bytes(), FormError::PreambleTooLong);
}

#[test]
fn ten_thousand_parts_are_enough() {
    let most = form(&vec!["x"; FORM_PARTS_MAX]);
    assert_eq!(read_cut("b", &most, &[]).map(|parts| parts.len()), Ok(FORM_PARTS_MAX));
    let more = form(&vec!["x"; FORM_PARTS_MAX + 1]);
    assert_eq!(read_cut("b", &more, &[]), Err(FormError::TooManyParts));
}

#[test]
fn data_is_told_as_slices_of_what_was_fed() {
    let data = "\r\n--bo\r\n--boundary-x\r\n--boundary1".repeat(10_000);
    let body = Bytes::from(format!("--boundary\r\n\r\n{data}\r\n--boundary--\r\n"));
    let mut reader = reader("boundary");
    reader.feed(body.clone());
    assert_eq!(reader.next(), Ok(Step::Part(PartHead::default())));
    let Ok(Step::Data(told)) = reader.next() else { panic!("data follows") };
    assert_eq!((told.len(), body.as_ptr_range().contains(&told.as_ptr())), (data.len(), true));
    assert_eq!(reader.next(), Ok(Step::PartEnd));
}

#[test]
fn behind_the_end_nothing_is_held() {
    let mut reader = reader("b");
    reader.feed(Bytes::from("--b--\r\nepilogue"));
    reader.feed(Bytes::from("more"));
    assert_eq!(reader.next(), Ok(Step::End));
    reader.feed(Bytes::from("and more"));
    assert!(reader.fed.is_empty());
    reader.end();
    assert_eq!(reader.next(), Ok(Step::End));
}

/// Whether a part's data would itself end the part: what stands behind a boundary is a blank, a line
/// end or two dashes.
fn ends_itself(boundary: &str, data: &[u8]) -> bool {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let content = [b"\r\n", data, b"\r\n"].concat();
    let mut after = content
        .windows(delimiter.len())
        .enumerate()
        .filter(|(_, window)| *window == delimiter)
        .map(|(at, _)| &content[at + delimiter.len()..]);
    after.any(|after| matches!(after, [b' ' | b'\t' | b'\r' | b'\n', ..] | [b'-', b'-', ..]))
}

/// A part as its sender means it: names without a slash, a percent sign or a line end.
fn part(boundary: &'static str) -> impl Strategy<Value = (PartHead, Vec<u8>)> {
    let name = || proptest::option::of("[a-z \"\\\\;=ü]{0,8}".prop_map(String::into_bytes));
    let content_type = proptest::option::of("[a-z]{1,6}/[a-z]{1,6}");
    let piece = prop_oneof![
        3 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"-".to_vec()),
        2 => (0..=boundary.len()).prop_map(|length| {
            format!("\r\n--{}", &boundary[..length]).into_bytes()
        }),
    ];
    let data = proptest::collection::vec(piece, 0..8)
        .prop_map(|pieces| pieces.concat())
        .prop_filter("it would end itself", |data| !ends_itself(boundary, data));
    let head = (name(), name(), content_type).prop_map(|(name, filename, content_type)| PartHead {
        name,
        filename,
        content_type,
    });
    (head, data)
}

/// A whole form: its boundary and its parts.
fn any_form() -> impl Strategy<Value = (&'static str, Parts)> {
    let boundary =
        prop_oneof![Just("b"), Just("--"), Just("a b"), Just("----WebKitFormBoundary7M")];
    boundary
        .prop_flat_map(|boundary| (Just(boundary), proptest::collection::vec(part(boundary), 0..5)))
}

/// The body that curl would send.
fn written(boundary: &str, parts: &Parts) -> Vec<u8> {
    let escaped = |name: &[u8]| {
        String::from_utf8(name.to_vec()).unwrap().replace('\\', r"\\").replace('"', "\\\"")
    };
    let mut body = Vec::new();
    for (head, data) in parts {
        body.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data").as_bytes(),
        );
        for (key, name) in [("name", &head.name), ("filename", &head.filename)] {
            if let Some(name) = name {
                body.extend_from_slice(format!("; {key}=\"{}\"", escaped(name)).as_bytes());
            }
        }
        if let Some(content_type) = &head.content_type {
            body.extend_from_slice(format!("\r\nContent-Type: {content_type}").as_bytes());
        }
        body.extend_from_slice(&[b"\r\n\r\n", &data[..], b"\r\n"].concat());
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

fn any_cuts(body: &[u8], at: &[prop::sample::Index]) -> Vec<usize> {
    let mut cuts: Vec<usize> = at.iter().map(|index| index.index(body.len())).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #[test]
    fn any_parts_are_read_as_they_were_written_however_they_are_cut(
        (boundary, parts) in any_form(),
        at in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let body = written(boundary, &parts);
        prop_assert_eq!(read_cut(boundary, &body, &any_cuts(&body, &at)), Ok(parts.clone()));
        prop_assert_eq!(read(boundary, &body), Ok(parts));
    }

    #[test]
    fn any_body_is_read_the_same_however_it_is_cut(
        pieces in proptest::collection::vec(
            prop::sample::select(vec![
                "--b", "\r\n", "\r\n--b", "-", " ", "\n", "\r", "x", "X: 1\r\n", "\r\n\r\n",
                "--b--", "\r\n--b\r\n\r\n",
            ]),
            0..20,
        ),
        at in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let body = pieces.concat().into_bytes();
        let cuts = if body.is_empty() { Vec::new() } else { any_cuts(&body, &at) };
        prop_assert_eq!(read_cut("b", &body, &cuts), read("b", &body));
    }
}
