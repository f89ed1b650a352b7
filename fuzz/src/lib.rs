//! What the fuzzer holds our decoders to: one function for each target, from arbitrary bytes to a
//! panic if a promise is broken.
//!
//! The functions are called in two ways. The ordinary tests replay `corpus/NAME/*` through them.
//! The fuzzer looks for new inputs, from the top of the repository:
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 cargo fuzz run NAME --features libfuzzer
//! ```
//!
//! To add a target: a function here and its row in [`TARGETS`], a file in `fuzz_targets`, a `[[bin]]`
//! in `Cargo.toml` and a folder in `corpus`. What a run finds becomes a test beside the code that
//! was wrong, and a file in the corpus.
#![forbid(unsafe_code)]
#![expect(clippy::missing_panics_doc, reason = "a panic is how a target tells of a broken promise")]

mod access;
mod datagram;
mod form;
mod http;
mod siblings;
mod text;

pub use access::{credentials, keyed_dialogue};
pub use datagram::{datagram_guard, datagram_roster};
pub use form::form;
pub use http::{accept, conditional, content_range, guard, plain, range, raw_name, target};
pub use siblings::{sibling_fields, sibling_search};
pub use text::{client, framing};

/// A target's function.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("accept", accept),
    ("client", client),
    ("conditional", conditional),
    ("content_range", content_range),
    ("credentials", credentials),
    ("datagram_guard", datagram_guard),
    ("datagram_roster", datagram_roster),
    ("form", form),
    ("framing", framing),
    ("guard", guard),
    ("keyed_dialogue", keyed_dialogue),
    ("plain", plain),
    ("range", range),
    ("raw_name", raw_name),
    ("sibling_fields", sibling_fields),
    ("sibling_search", sibling_search),
    ("target", target),
];
