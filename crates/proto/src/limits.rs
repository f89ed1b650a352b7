//! Every bound that the protocols keep, by name, with the relations between them asserted when the
//! crate is compiled.

use std::time::Duration;

/// Longest message on the text wires, its line end not counted.
pub const MESSAGE_MAX_BYTES: usize = 65_536;
/// How long a pause ends a message of a peer that has sent no line end yet, unless told otherwise.
pub const PAUSE: Duration = Duration::from_millis(20);
/// A pause of the user's own is at least this long: drivers' timers tick in milliseconds.
pub const PAUSE_MIN: Duration = Duration::from_millis(1);
/// And at most this long: what waits for a pause is not idle, and may not look so.
pub const PAUSE_MAX: Duration = Duration::from_secs(4);
/// Two answers to a peer without line ends run together in its reads unless they are this far
/// apart.
pub const ANSWERS_APART: Duration = Duration::from_millis(20);
/// The pause at least where the bytes came one a read: somebody is typing into a character-mode
/// telnet.
pub const PAUSE_TYPING: Duration = Duration::from_secs(1);

/// How long after its last word, if that is not answered, a client ends its sending side: a server
/// that still waits for the message's end has it then, and may answer before the client closes.
pub const CLIENT_HALF_CLOSE: Duration = Duration::from_millis(500);

/// A client that speaks by pauses leaves this much between two messages that nothing was heard
/// between, so that they do not run together: several times the [`PAUSE`] that parts them.
pub const CLIENT_GAP: Duration = Duration::from_millis(100);
/// A client closes this long after its own last word, at the latest.
pub const CLIENT_LAST_WORD: Duration = Duration::from_secs(1);
/// How long a server that has sent lines may stop inside one before a client shows what stands:
/// longer than Linux takes to send a lost segment again (200 ms at least).
pub const CLIENT_LINE_PAUSE: Duration = Duration::from_millis(250);
/// Bytes of messages that wait in a client to be said.
pub const CLIENT_QUEUE_MAX_BYTES: usize = 1024 * 1024;

/// A member of a room or a pair is cut off when more than this waits for it.
pub const MAILBOX_MAX_BYTES: usize = 1024 * 1024;
/// What members say waits for the owner of their room up to so many messages, or
pub const OWNER_QUEUE_MAX_MESSAGES: usize = 1_024;
/// up to so many bytes; then they are not read from until it has taken them.
pub const OWNER_QUEUE_MAX_BYTES: usize = 1024 * 1024;

/// What the IP and UDP headers of a datagram count for, on either side of the 3 times rule.
pub const DATAGRAM_HEADERS_BYTES: usize = 28;
/// An unproven address is sent at most this many times what came from it, headers counted.
pub const AMPLIFICATION_MAX: usize = 3;
/// Longest error text over UDP: it fits as the answer to an empty datagram.
pub const ERROR_TEXT_MAX_BYTES: usize = 56;
/// Largest payload of a datagram over IPv4 (RFC 768; 65,535 less 20 and 8 bytes of headers).
pub const DATAGRAM_MAX_BYTES: usize = 65_507;
/// How long a cookie's time slot is. The slot before counts too, so a cookie proves an address for
/// one to two of them.
pub const COOKIE_SLOT: Duration = Duration::from_mins(1);
/// A cookie is this many characters of base64url: 128 bits.
pub const COOKIE_CHARS: usize = 22;
/// Answers in a second to one unproven source, in the long run.
pub const UNPROVEN_RATE_PER_S: u64 = 200;
/// Answers to one unproven source that has been silent, at once.
pub const UNPROVEN_BURST: u64 = 400;
/// Unproven sources whose budgets are kept.
pub const UNPROVEN_SOURCES_MAX: usize = 4_096;
/// Answers in a second to all unproven sources together, in the long run.
pub const UNPROVEN_TOTAL_RATE_PER_S: u64 = 20_000;
/// Answers to all unproven sources together, at once.
pub const UNPROVEN_TOTAL_BURST: u64 = 40_000;
/// Addresses that a service over UDP remembers at most; a limit on clients above it is none.
pub const ROSTER_MAX_CLIENTS: usize = 65_536;
/// Where clients are never idle for too long, an address over UDP is here for so long after it was
/// heard: there is no end of a connection that would tell that it has left.
pub const ROSTER_IDLE: Duration = Duration::from_mins(5);
/// A source that says the same so many times over UDP, and for [`REFRAIN_SPAN`], is not answered
/// for a while: it may be a server that was set talking to us.
pub const REFRAIN_TIMES: u32 = 10_000;
/// And for at least so long. No measurement is disturbed that is shorter.
pub const REFRAIN_SPAN: Duration = Duration::from_secs(30);
/// Who was silent for so long begins anew: longer than any round trip on a local network.
pub const REFRAIN_PAUSE: Duration = Duration::from_secs(2);
/// How long such a source is not answered: no loop with a shorter round trip lives through it.
pub const REFRAIN_REST: Duration = Duration::from_secs(1);
/// A request over UDP that got no answer is sent again after each of these, one after the other.
pub const RESEND_AFTER: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// And given up this long after the last.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(1);
/// A request is said again with a cookie this often; a second time because the slot may have ended.
pub const COOKIES_FOLLOWED_MAX: u32 = 2;

/// A key of the user's own has at least so many characters.
pub const KEY_MIN_CHARS: usize = 8;
/// And at most so many.
pub const KEY_MAX_CHARS: usize = 64;
/// A key of ours has this many characters of base32: 60 random bits.
pub const KEY_RANDOM_CHARS: usize = 12;
/// So many wrong keys come from one address (of IPv6: from one network of 64 bits) in
/// [`GUESSES_SPAN`]; then no key from there is looked at.
pub const GUESSES_MAX: usize = 5;
/// And so many from one IPv6 network of 48 bits, which is what one customer may be given (RFC 6177):
/// more than those of some of its networks that do what they like, so that these keep no other out.
pub const GUESSES_SITE_MAX: usize = 40;
/// For how long a wrong key counts.
pub const GUESSES_SPAN: Duration = Duration::from_mins(1);
/// Addresses and networks whose wrong keys are remembered.
pub const GUESSERS_MAX: usize = 8_192;
/// What HTTP calls credentials, in one field, may have this many bytes.
pub const CREDENTIALS_MAX_BYTES: usize = 1_024;
/// A session's token has this many characters: 128 random bits, a dot, 128 bits that prove it.
pub const TOKEN_CHARS: usize = 45;

/// A request's head (request line and fields) may hold this many bytes.
pub const HEAD_MAX_BYTES: usize = 64 * 1024;
/// A request's head may hold this many fields.
pub const HEAD_MAX_FIELDS: usize = 100;
/// A request's head must be complete this long after its first byte.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes that a TLS connection takes in before its peer has taken those before; they leave with one
/// system call.
pub const TLS_WRITE_MAX_BYTES: usize = 64 * 1024;
/// So much of a head is read of who speaks plain http where TLS is spoken, to send it on.
pub const PLAIN_HEAD_MAX_BYTES: usize = 8 * 1024;
/// An answer that makes no progress at all for this long is given up.
pub const STALL_DEADLINE: Duration = Duration::from_mins(1);
/// A peer that was told no while it was sending is listened to for so long, so that it hears it,
pub const UNREAD_LINGER: Duration = Duration::from_secs(5);
/// or for so much.
pub const UNREAD_LINGER_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// What is left of a body that was refused, if it is no more, is read instead of ending the
/// connection.
pub const UNREAD_SKIP_MAX_BYTES: u64 = 64 * 1024;
/// A body that is being received brings so many bytes
pub const BODY_FLOOR_BYTES: u64 = 20 * 1024;
/// in each so long that it is waited for: about 1 KiB/s.
pub const BODY_FLOOR_SPAN: Duration = Duration::from_secs(20);
/// An HTTP/2 connection may have this many requests open.
pub const STREAMS_MAX: u32 = 100;

/// The longest boundary between the parts of a form, its leading dashes not counted (RFC 2046
/// section 5.1.1).
pub const FORM_BOUNDARY_MAX_BYTES: usize = 70;
/// Before a form's first boundary there may stand this many bytes, which are skipped.
pub const FORM_PREAMBLE_MAX_BYTES: usize = 64 * 1024;
/// The head of a form's part may hold this many bytes, the empty line at its end counted.
pub const FORM_HEAD_MAX_BYTES: usize = 8 * 1024;
/// The head of a form's part may hold this many fields.
pub const FORM_HEAD_MAX_FIELDS: usize = 16;
/// A form may hold this many parts, files and fields together.
pub const FORM_PARTS_MAX: usize = 10_000;
/// Of a body over HTTP/2, so many bytes may be on their way before they are read,
pub const STREAM_WINDOW_BYTES: u32 = 512 * 1024;
/// and of all bodies of a connection, so many.
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

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

/// Files up to this size are kept in memory while they are asked for often,
pub const HOT_FILE_MAX_BYTES: u64 = 512 * 1024;
/// all of them together up to this,
pub const HOT_MAX_BYTES: usize = 64 * 1024 * 1024;
/// each counted with this much besides what it holds.
pub const HOT_FILE_OVERHEAD_BYTES: usize = 1024;
/// Files from this size on are kept in a second copy, from which the kernel sends them by itself,
pub const HOT_SEALED_FROM_BYTES: usize = 48 * 1024;
/// and so many of them at most: each is a descriptor.
pub const HOT_SEALED_MAX: usize = 256;
/// They lie in so many parts, which wait for nothing of each other.
pub const HOT_SHARDS: usize = 16;
/// For so long after a look at the disk, a kept file is given out without another. Whoever replaces
/// a file is promised that it is seen within 100 ms.
pub const HOT_TRUST: Duration = Duration::from_millis(50);
/// A file is not kept before it has been left alone for so long: time stamps may tick in steps of
/// 10 ms.
pub const HOT_SETTLED: Duration = Duration::from_millis(20);
/// What nobody asked for within this time, or at most twice this, is let go.
pub const HOT_KEPT: Duration = Duration::from_secs(10);

/// What is received is written in batches of this many bytes,
pub const BATCH_BYTES: usize = 256 * 1024;
/// or smaller ones where many send at once, so that all batches hold no more than this,
pub const BATCHES_MAX_BYTES: usize = 128 * 1024 * 1024;
/// but never smaller than this.
pub const BATCH_LEAST_BYTES: usize = 16 * 1024;
/// Large files that come in pieces, and are not whole yet, from one sender
pub const PLACES_PER_HOLDER_MAX: usize = 16;
/// and in all.
pub const PLACES_MAX: usize = 256;
/// A file of which nothing came for so long is given up.
pub const PLACE_KEPT: Duration = Duration::from_mins(10);

/// Siblings that a hub knows: those that were named, and those that were found.
pub const SIBLINGS_MAX: usize = 256;
/// A group's name has at most so many characters.
pub const GROUP_NAME_MAX_CHARS: usize = 64;
/// A group's key has at least so many bytes: as many as it is worth guessing at.
pub const GROUP_KEY_MIN_BYTES: usize = 16;
/// And at most so many.
pub const GROUP_KEY_MAX_BYTES: usize = 1_024;
/// What a sibling says of itself in one field is at most so long.
pub const CLAIM_MAX_BYTES: usize = 1_024;
/// A nonce, also one of a server that others wrote, has at most so many characters.
pub const NONCE_MAX_CHARS: usize = 128;
/// A nonce may be used for so long after it was given out.
pub const NONCE_LASTS: Duration = Duration::from_mins(1);
/// Nonces of which it is remembered which counts were used; each is of somebody who has the key.
pub const NONCES_MAX: usize = 4_096;
/// A count may be so many behind the highest that came with its nonce: requests overtake each other.
pub const COUNTS_WINDOW: u64 = 1_024;
/// Siblings that one question asks at once whether they have it.
pub const SIBLING_PROBES_AT_ONCE: usize = 3;
/// A sibling that had something so lately is not asked again whether it has it.
pub const SIBLING_LATELY: Duration = Duration::from_secs(10);
/// Twice its usual round trip after it was asked whether it has something, but never sooner than
/// this, a sibling is late, and the next is asked;
pub const SIBLING_PROBE_DEADLINE_MIN: Duration = Duration::from_millis(20);
/// it is late after so long in any case, and then no longer waited for.
pub const SIBLING_PROBE_DEADLINE_MAX: Duration = Duration::from_millis(250);
/// A sibling that is asked for something begins to answer in this time.
pub const SIBLING_FIRST_BYTE: Duration = Duration::from_secs(1);
/// What a sibling sends does not pause for longer than this. A sibling that goes on where another
/// ended has as long to begin, because it first reads what was passed on already, to prove it.
pub const SIBLING_BODY_IDLE: Duration = Duration::from_secs(15);
/// A sibling that fails so many times in a row is left out,
pub const SIBLING_FAILURES_MAX: u32 = 3;
/// and tried again once in this time.
pub const SIBLING_RETRY: Duration = Duration::from_secs(5);
/// A sibling that was found, and not named, is forgotten when it was silent for so long.
pub const SIBLING_SILENCE: Duration = Duration::from_mins(1);
/// Fetches from one sibling that are under way,
pub const SIBLING_RELAYS_MAX: usize = 64;
/// and from all.
pub const RELAYS_MAX: usize = 512;
/// Of so many files it is remembered which sibling had them.
pub const SIBLING_HAD_MAX: usize = 8_192;
/// That nobody has something is remembered for so long,
pub const NOBODY_HAS: Duration = Duration::from_secs(2);
/// of so many things.
pub const NOBODY_HAS_MAX: usize = 4_096;

/// Guests whom a hub remembers.
pub const GUESTS_MAX: usize = 4_096;
/// A form or a command of the page that is no file has at most so many bytes.
pub const COMMAND_MAX_BYTES: usize = 16 * 1024;

/// The dynamic idle timeout never falls below this.
pub const IDLE_MIN: Duration = Duration::from_secs(5);
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
/// The path of a link to pass on, as the page asks for it, percent-encoded.
pub const LINK_PATH_MAX_BYTES: usize = 8_192;
/// A link up to this long has a QR code that a phone still reads from a screen.
pub const LINK_CODE_MAX_BYTES: usize = 600;
/// Archives of folders that are on their way at once; who asks for one more is told to wait.
pub const ARCHIVES_AT_ONCE: usize = 64;
/// Heads and short files of an archive leave in batches of about this many bytes,
pub const ARCHIVE_BATCH_BYTES: usize = 64 * 1024;
/// or of what this long brought together on a slow disk.
pub const ARCHIVE_BATCH_SPAN: Duration = Duration::from_millis(100);
/// The names in a folder that goes into an archive, and in those above it, hold this much at most;
/// beyond it the archive breaks: about two million names.
pub const ARCHIVE_NAMES_MAX_BYTES: usize = 64 * 1024 * 1024;
/// A zip's directory stands in memory up to so many bytes, and from then on in a file without a
/// name;
pub const ARCHIVE_INDEX_KEPT_BYTES: usize = 1024 * 1024;
/// where none can be made, up to so many bytes in memory;
pub const ARCHIVE_INDEX_HOMELESS_MAX_BYTES: usize = 16 * 1024 * 1024;
/// and no longer than this in any case: links in circles of folders could make it endless.
pub const ARCHIVE_INDEX_MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// The names of a selection that come as a form have at most so many bytes.
pub const ARCHIVE_FORM_MAX_BYTES: usize = 1024 * 1024;
/// Of a listing, whoever fetches a folder reads at most so many bytes.
pub const GET_LISTING_MAX_BYTES: usize = 64 * 1024 * 1024;
/// The paths of folders that wait to be looked into hold this much at most.
pub const GET_FOLDERS_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Connections to one sibling that are kept for the next question.
pub const SIBLING_CONNECTIONS_KEPT: usize = 64;
/// What a sibling says of itself is no longer than this,
pub const SIBLING_HELLO_MAX_BYTES: usize = 4 * 1024;
/// and its listing of a folder than this.
pub const SIBLING_LISTING_MAX_BYTES: usize = 16 * 1024 * 1024;
/// All such listings that are being read hold this much at most.
pub const SIBLING_LISTINGS_MAX_BYTES: usize = 64 * 1024 * 1024;
/// A sibling's listing is here, to its end, in this time.
pub const SIBLING_LISTING_DEADLINE: Duration = Duration::from_secs(5);
/// Folders are asked of all siblings this many at a time; who comes later waits for a moment.
pub const SIBLING_LISTINGS_AT_ONCE: usize = 16;
/// What is fetched from a sibling for several readers stands in a window of so many bytes,
pub const RELAY_WINDOW_BYTES: usize = 4 * 1024 * 1024;
/// or of so many, while all windows together hold more than
pub const RELAY_SCARCE_WINDOW_BYTES: usize = 256 * 1024;
/// this.
pub const RELAYS_PLENTY_BYTES: usize = 128 * 1024 * 1024;
/// Who holds up the others' way through one window for so long fetches the rest for itself.
pub const RELAY_LAG: Duration = Duration::from_secs(2);
/// Log lines that wait for the terminal; more are counted and dropped.
pub const LOG_QUEUE_LINES: usize = 8_192;

/// A message that the page has the hub say to a service of its own.
pub const EXCHANGE_MESSAGE_MAX_BYTES: usize = 4_096;

/// Of a message that who watches the wire is shown, at most this much.
pub const SHOWN_MAX_BYTES: usize = 2_048;

/// What a hub is called on the network: one label of DNS (RFC 6763, section 4.1.1).
pub const INSTANCE_NAME_MAX_BYTES: usize = 63;
/// A key, an equals sign and its value in a TXT record (RFC 6763, section 6.1).
pub const TXT_STRING_MAX_BYTES: usize = 255;
/// A machine's or a folder's name in an announcement; what is longer is cut.
pub const ANNOUNCED_NAME_MAX_BYTES: usize = 120;
/// Services of one hub that are read from its announcement.
pub const ANNOUNCED_SERVICES_MAX: usize = 32;
/// Wires of one of these.
pub const ANNOUNCED_WIRES_MAX: usize = 8;
/// Addresses of one hub.
pub const ANNOUNCED_ADDRESSES_MAX: usize = 16;
/// Hubs that are known at once; more are not seen until one of these has gone.
pub const DISCOVERED_HUBS_MAX: usize = 256;
/// How often those who look for others ask who is here.
pub const DISCOVERY_ROUND: Duration = Duration::from_secs(20);
/// Who was not heard for so long is gone; three rounds had no answer.
pub const DISCOVERY_SILENCE: Duration = Duration::from_mins(1);
/// How often it is looked at how much strangers have made us remember.
pub const DISCOVERY_CHECK: Duration = Duration::from_secs(1);
/// Records of DNS that are remembered of all that is announced on the network, by ourselves and by
/// strangers; then all of it is forgotten.
pub const DISCOVERY_RECORDS_MAX: usize = 8_192;
/// And times at which one of these wants to be looked at again.
pub const DISCOVERY_TIMERS_MAX: usize = 131_072;
/// Announcements of hubs that are not known yet, until all is forgotten.
pub const DISCOVERY_STRANGERS_MAX: usize = 16_384;
/// How long nothing is listened to after all was forgotten for the second time in a minute.
pub const DISCOVERY_PAUSE: Duration = Duration::from_secs(30);
/// How long the goodbye of a hub that ends may take.
pub const GOODBYE_DEADLINE: Duration = Duration::from_secs(1);

const _: () = {
    let room_for_nothing = (AMPLIFICATION_MAX - 1) * DATAGRAM_HEADERS_BYTES;
    assert!(ERROR_TEXT_MAX_BYTES <= room_for_nothing, "an error answers an empty datagram");
    assert!("COOKIE ".len() + COOKIE_CHARS <= room_for_nothing, "so does a cookie");
    assert!(
        "error: too many wrong keys; try again in 60 s".len() <= ERROR_TEXT_MAX_BYTES
            && GUESSES_SPAN.as_secs() <= 60,
        "and what is said about keys"
    );
    assert!(KEY_MIN_CHARS <= KEY_RANDOM_CHARS && KEY_RANDOM_CHARS <= KEY_MAX_CHARS);
    assert!(KEY_RANDOM_CHARS * 5 <= 64, "a key of ours is made of 8 random bytes");
    assert!(4 * GUESSES_MAX <= GUESSES_SITE_MAX, "a few networks do not use up their site's");
    assert!(
        100 * GUESSES_SITE_MAX <= GUESSERS_MAX,
        "what one site guesses washes away nobody else's"
    );
    assert!(
        4 * KEY_MAX_CHARS <= CREDENTIALS_MAX_BYTES,
        "any key fits, and a user's name beside it"
    );
    assert!(TOKEN_CHARS == 2 * COOKIE_CHARS + 1, "an identity, a dot, a proof");
    assert!(UNPROVEN_RATE_PER_S <= UNPROVEN_TOTAL_RATE_PER_S, "one source is part of all");
    assert!(UNPROVEN_BURST <= UNPROVEN_TOTAL_BURST, "one source is part of all");
    assert!(CLIENTS_MAX <= ROSTER_MAX_CLIENTS, "the usual limit holds over UDP too");
    assert!(
        REFRAIN_REST.as_millis() <= REFRAIN_PAUSE.as_millis(),
        "the rest is no pause of theirs"
    );
    assert!(PAUSE.as_millis() < CLIENT_GAP.as_millis(), "a gap is a pause");
    assert!(CLIENT_HALF_CLOSE.as_millis() < CLIENT_LAST_WORD.as_millis(), "an answer may come");
    assert!(PAUSE.as_millis() < CLIENT_LINE_PAUSE.as_millis(), "a line is waited for longer");
    assert!(MESSAGE_MAX_BYTES <= CLIENT_QUEUE_MAX_BYTES, "any message can wait");
    assert!(8 * MESSAGE_MAX_BYTES <= MAILBOX_MAX_BYTES, "no message alone is an overflow");
    assert!(MESSAGE_MAX_BYTES <= OWNER_QUEUE_MAX_BYTES, "any message finds room");
    assert!(SMALL_BODY_MAX_BYTES <= CHUNK_BYTES as u64, "a small body is one read");
    assert!(SMALL_BODY_MAX_BYTES <= HOT_FILE_MAX_BYTES, "what is read at once can be kept");
    assert!(
        2 * HOT_FILE_MAX_BYTES as usize + HOT_FILE_OVERHEAD_BYTES <= HOT_MAX_BYTES / HOT_SHARDS,
        "any file that may be kept finds room"
    );
    assert!(2 * HOT_TRUST.as_millis() <= 100, "a change is seen in time");
    assert!(CHUNK_LEAST_BYTES < CHUNK_SCARCE_BYTES && CHUNK_SCARCE_BYTES < CHUNK_BYTES);
    assert!(CHUNKS_KEPT * CHUNK_BYTES <= CHUNKS_PLENTY_BYTES, "what is kept is no scarcity");
    assert!(
        CLIENTS_MAX * STREAMS_MAX as usize * CHUNK_LEAST_BYTES <= 256 * 1024 * 1024,
        "all answers to all clients at once fit"
    );
    assert!(
        PAUSE_MIN.as_millis() <= PAUSE.as_millis() && PAUSE.as_millis() <= PAUSE_MAX.as_millis()
    );
    assert!(FORM_HEAD_MAX_BYTES <= HEAD_MAX_BYTES, "a part's head is less than a request's");
    assert!(FORM_HEAD_MAX_FIELDS <= HEAD_MAX_FIELDS, "in its fields too");
    assert!(FORM_BOUNDARY_MAX_BYTES < FORM_HEAD_MAX_BYTES, "a boundary is less than a head");
    assert!(PAUSE_MAX.as_secs() < IDLE_MIN.as_secs(), "who pauses is not idle");
    assert!(PAUSE_MAX.as_secs() < HEAD_DEADLINE.as_secs(), "a name can end by any pause");
    assert!(PAUSE.as_millis() < PAUSE_TYPING.as_millis(), "typing is waited for longer");
    assert!(
        CLIENTS_MAX * TLS_WRITE_MAX_BYTES <= 64 * 1024 * 1024,
        "what waits within TLS for clients that do not read fits beside the answers"
    );
    assert!(PLAIN_HEAD_MAX_BYTES <= HEAD_MAX_BYTES, "to be sent on takes no more than an answer");
    assert!(HEAD_DEADLINE.as_secs() < STALL_DEADLINE.as_secs(), "a head is less than an answer");
    assert!(CLIENTS_PER_ADDRESS_MAX <= CLIENTS_MAX, "one address is part of all");
    assert!(ARCHIVE_INDEX_KEPT_BYTES <= ARCHIVE_INDEX_HOMELESS_MAX_BYTES);
    assert!(SMALL_BODY_MAX_BYTES <= CHUNK_BYTES as u64 - ARCHIVE_BATCH_BYTES as u64);
    assert!(LISTING_INLINE_MAX_ENTRIES <= LISTING_MAX_ENTRIES, "inline is part of all");
    assert!(SIBLING_RELAYS_MAX <= RELAYS_MAX, "one sibling is part of all");
    assert!(
        SIBLING_PROBE_DEADLINE_MIN.as_millis() <= SIBLING_PROBE_DEADLINE_MAX.as_millis()
            && SIBLING_PROBE_DEADLINE_MAX.as_millis() <= SIBLING_FIRST_BYTE.as_millis()
            && SIBLING_FIRST_BYTE.as_millis() <= SIBLING_BODY_IDLE.as_millis(),
        "to say yes takes no longer than to begin, and that no longer than a pause"
    );
    assert!(
        SIBLING_LISTING_MAX_BYTES <= SIBLING_LISTINGS_MAX_BYTES
            && SIBLING_FIRST_BYTE.as_millis() <= SIBLING_LISTING_DEADLINE.as_millis(),
        "one listing is part of all, and begins before it ends"
    );
    assert!(SIBLING_BODY_IDLE.as_secs() < STALL_DEADLINE.as_secs(), "a reader outlasts a pause");
    assert!(NOBODY_HAS.as_secs() <= SIBLING_LATELY.as_secs(), "a no is trusted less than a yes");
    assert!(
        GROUP_NAME_MAX_CHARS + NONCE_MAX_CHARS + 256 <= CLAIM_MAX_BYTES,
        "what a sibling says of itself fits, with two ids, a count and a proof"
    );
    assert!(COUNTS_WINDOW.is_multiple_of(64), "a window is whole words");
    assert!(ANNOUNCED_NAME_MAX_BYTES + 8 <= TXT_STRING_MAX_BYTES, "a name fits beside its key");
    assert!(3 * DISCOVERY_ROUND.as_secs() <= DISCOVERY_SILENCE.as_secs(), "silence is no accident");
    assert!(
        DISCOVERY_SILENCE.as_secs() <= SIBLING_SILENCE.as_secs(),
        "who is missed is missed once"
    );
    assert!(GOODBYE_DEADLINE.as_secs() < DRAIN_DEADLINE.as_secs(), "a goodbye is waited for");
};
