//! Every bound that the protocols keep, by name, with the relations between them asserted when the
//! crate is compiled.

use std::time::Duration;

/// Longest message on the text wires, its line end not counted.
pub const MESSAGE_MAX_BYTES: usize = 65_536;
/// How long a pause ends a message of a peer that has sent no line end yet.
pub const PAUSE: Duration = Duration::from_millis(20);
/// The same where the bytes came one a read: somebody is typing into a character-mode telnet.
pub const PAUSE_TYPING: Duration = Duration::from_secs(1);

/// A request's head (request line and fields) may hold this many bytes.
pub const HEAD_MAX_BYTES: usize = 64 * 1024;
/// A request's head may hold this many fields.
pub const HEAD_MAX_FIELDS: usize = 100;
/// A request's head must be complete this long after its first byte.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// An answer that makes no progress at all for this long is given up.
pub const STALL_DEADLINE: Duration = Duration::from_mins(1);
/// An HTTP/2 connection may have this many requests open.
pub const STREAMS_MAX: u32 = 100;

/// A body of up to this many bytes leaves in one write with its head, and is read at once.
pub const SMALL_BODY_MAX_BYTES: u64 = 64 * 1024;
/// Larger bodies are read in pieces of this many bytes.
pub const CHUNK_BYTES: usize = 256 * 1024;
/// This many free chunk buffers are kept for reuse.
pub const CHUNKS_KEPT: usize = 64;
/// While chunks on their way to slow readers hold more than this, new ones are smaller.
pub const CHUNKS_PLENTY_BYTES: usize = 64 * 1024 * 1024;
/// So large then.
pub const CHUNK_SCARCE_BYTES: usize = 32 * 1024;
/// And beyond this, smaller still.
pub const CHUNKS_SCARCE_BYTES: usize = 192 * 1024 * 1024;
/// So large then: the least that each of all possible answers can hold.
pub const CHUNK_LEAST_BYTES: usize = 2 * 1024;

/// Clients served at once, unless told otherwise.
pub const CLIENTS_MAX: usize = 1024;
/// Of these, from one address, unless told otherwise.
pub const CLIENTS_PER_ADDRESS_MAX: usize = 256;
/// Who is over the limit and still being told so; more than these are closed without a word.
pub const REFUSALS_AT_ONCE: usize = 64;
/// First Ctrl-C: peers have this long to finish.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// A folder's listing shows this many entries and says that there are more.
pub const LISTING_MAX_ENTRIES: usize = 100_000;
/// Listings are read and written out this many at a time; who comes later waits for a moment.
pub const LISTINGS_AT_ONCE: usize = 4;
/// Listings on their way to their readers hold this much at most; beyond it the answer is 503.
pub const LISTINGS_MAX_BYTES: usize = 256 * 1024 * 1024;
/// A listing up to this long is part of the page itself; longer ones the page asks for.
pub const LISTING_INLINE_MAX_ENTRIES: usize = 1_000;
/// Log lines that wait for the terminal; more are counted and dropped.
pub const LOG_QUEUE_LINES: usize = 8_192;

const _: () = {
    assert!(SMALL_BODY_MAX_BYTES <= CHUNK_BYTES as u64, "a small body is one read");
    assert!(CHUNK_LEAST_BYTES < CHUNK_SCARCE_BYTES && CHUNK_SCARCE_BYTES < CHUNK_BYTES);
    assert!(CHUNKS_KEPT * CHUNK_BYTES <= CHUNKS_PLENTY_BYTES, "what is kept is no scarcity");
    assert!(
        CLIENTS_MAX * STREAMS_MAX as usize * CHUNK_LEAST_BYTES <= 256 * 1024 * 1024,
        "all answers to all clients at once fit"
    );
    assert!(PAUSE.as_millis() < PAUSE_TYPING.as_millis(), "typing is waited for longer");
    assert!(HEAD_DEADLINE.as_secs() < STALL_DEADLINE.as_secs(), "a head is less than an answer");
    assert!(CLIENTS_PER_ADDRESS_MAX <= CLIENTS_MAX, "one address is part of all");
    assert!(LISTING_INLINE_MAX_ENTRIES <= LISTING_MAX_ENTRIES, "inline is part of all");
};
