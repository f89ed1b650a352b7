//! HTTP/2 frame by frame (RFC 9113, section 4), for what no well-behaved client sends.

use std::io::Read as _;
use std::net::TcpStream;

/// How a connection begins.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame: 0 is data, 1 a head, 3 the end of a stream, 4 settings.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a POST to a path. RFC 7541, appendix A: 3 is POST, 6 http; 4 is the path's name, 1
/// the authority's, and 28 Content-Length's.
pub(crate) fn post(path: &str, length: Option<usize>) -> Vec<u8> {
    let spelt = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let mut head = [&[0x83, 0x86, 0x04][..], &spelt(path), &[0x01], &spelt("localhost")].concat();
    if let Some(length) = length {
        head.extend([&[0x0f, 28 - 15][..], &spelt(&length.to_string())].concat());
    }
    head
}

/// The next frame: its kind, its stream, and what it holds; none at the connection's end.
pub(crate) fn read_frame(stream: &mut TcpStream) -> Option<(u8, u32, Vec<u8>)> {
    let mut start = [0; 9];
    stream.read_exact(&mut start).ok()?;
    let length = u32::from_be_bytes([0, start[0], start[1], start[2]]) as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).ok()?;
    Some((start[3], u32::from_be_bytes([start[5], start[6], start[7], start[8]]), payload))
}
