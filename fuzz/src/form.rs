//! The target of `sockeye_proto::http::form`.

use bytes::Bytes;
use sockeye_proto::http::form::{Boundary, FormError, FormReader, PartHead, Step, boundary_of};
use sockeye_proto::limits::{FORM_BOUNDARY_MAX_BYTES, FORM_PARTS_MAX};

type Parts = Vec<(PartHead, Vec<u8>)>;

/// A form does not depend on how its body was cut, and its parts are those that the plainest
/// splitting finds. The input is one byte that says how the body is cut, a line with the
/// Content-Type, and the body.
pub fn form(data: &[u8]) {
    let Some((&piece_bytes, rest)) = data.split_first() else { return };
    let Some(line_end) = rest.iter().position(|&byte| byte == b'\n') else { return };
    let (content_type, body) = (&rest[..line_end], &rest[line_end + 1..]);
    let Ok(content_type) = std::str::from_utf8(content_type) else { return };
    let Some(boundary) = boundary_of(content_type) else { return };
    assert!((1..=FORM_BOUNDARY_MAX_BYTES).contains(&boundary.as_str().len()), "{boundary:?}");
    assert!(content_type.contains(boundary.as_str()) || content_type.contains('\\'));

    let whole = read(&boundary, body, body.len().max(1));
    let piece_bytes = 1 + usize::from(piece_bytes);
    assert_eq!(read(&boundary, body, piece_bytes), whole, "{boundary:?} by {piece_bytes}");
    let expected = plainest(boundary.as_str(), body);
    match whole {
        Ok(parts) => {
            let data: Vec<&[u8]> = parts.iter().map(|(_, data)| &data[..]).collect();
            assert_eq!(Some(data), expected, "{boundary:?} {}", body.escape_ascii());
            for (head, _) in parts {
                let filename = head.filename.unwrap_or_default();
                assert!(!filename.contains(&b'/'), "{}", filename.escape_ascii());
            }
        }
        Err(FormError::CutShort | FormError::BadDelimiter) => assert_eq!(expected, None),
        // The plainest splitting looks neither at heads nor at bounds.
        Err(_) => {}
    }
}

/// The parts of a body that arrives in pieces of one length.
fn read(boundary: &Boundary, body: &[u8], piece_bytes: usize) -> Result<Parts, FormError> {
    let mut reader = FormReader::new(boundary.clone());
    let mut parts = Parts::new();
    let mut is_in_part = false;
    for piece in body.chunks(piece_bytes) {
        reader.feed(Bytes::copy_from_slice(piece));
        drain(&mut reader, &mut parts, &mut is_in_part)?;
    }
    reader.end();
    assert_eq!(drain(&mut reader, &mut parts, &mut is_in_part)?, Step::End);
    assert!(!is_in_part, "each part has its end");
    assert!(parts.len() <= FORM_PARTS_MAX);
    Ok(parts)
}

/// Takes steps until there is none, and holds them to their order.
fn drain(
    reader: &mut FormReader,
    parts: &mut Parts,
    is_in_part: &mut bool,
) -> Result<Step, FormError> {
    loop {
        match reader.next()? {
            Step::Part(head) => {
                assert!(!*is_in_part, "a part begins in another");
                *is_in_part = true;
                parts.push((head, Vec::new()));
            }
            Step::Data(data) => {
                assert!(*is_in_part && !data.is_empty(), "data is some bytes of a part");
                parts.last_mut().expect("a part began").1.extend_from_slice(&data);
            }
            Step::PartEnd => {
                assert!(*is_in_part, "a part ends that has not begun");
                *is_in_part = false;
            }
            last @ (Step::End | Step::More) => return Ok(last),
        }
    }
}

/// The bytes of each part, found by looking at the whole body at once; none if it is no whole form.
fn plainest<'a>(boundary: &str, body: &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let dashed = format!("--{boundary}").into_bytes();
    let mut parts = Vec::new();
    let mut part_begin = None;
    let mut at = 0;
    loop {
        // A delimiter begins the body, or stands behind a line end.
        let found = at + body[at..].windows(dashed.len()).position(|window| window == dashed)?;
        let after = &body[found + dashed.len()..];
        let begins_line = found == 0 || body[..found].ends_with(b"\r\n");
        let may_follow = after.starts_with(b"--") || b" \t\r\n".contains(after.first()?);
        if !begins_line || !may_follow {
            at = found + 1;
            continue;
        }
        if let Some(begin) = part_begin {
            // An empty part's delimiter may share its line end with the head's empty line.
            parts.push(&body[begin..found.saturating_sub(2).max(begin)]);
        }
        let padding =
            |text: &'a [u8]| &text[text.iter().take_while(|byte| b" \t".contains(byte)).count()..];
        if let Some(after) = after.strip_prefix(b"--") {
            let is_end = padding(after).first().is_none_or(|byte| b"\r\n".contains(byte));
            return is_end.then_some(parts);
        }
        let after = padding(after);
        if !after.starts_with(b"\r\n") {
            return None;
        }
        let head_end = after.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        at = body.len() - after.len() + head_end;
        part_begin = Some(at);
    }
}
