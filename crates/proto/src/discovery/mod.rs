//! Hubs that find each other on a network: what one says of itself, and which are here.
//!
//! The names are those of DNS-based service discovery (RFC 6763) over multicast DNS (RFC 6762),
//! whose packets are a library's. [`record`] is what a hub's TXT record holds, [`table`] decides who
//! is here and who is gone, and [`instance_name`] what a hub is called.
//!
//! Everything that is read here was said by strangers: it is bounded, and what is not understood is
//! passed over.

use crate::limits::INSTANCE_NAME_MAX_BYTES;

pub mod group;
pub mod record;
pub mod table;

/// The service's type and domain (RFC 6763, section 7).
pub const SERVICE_TYPE: &str = "_sockeye._tcp.local.";

/// What a hub is called: `Photos on ana-laptop (c4d7k)`, the end of its id in it. Many machines of one
/// network have one name (`debian`, `raspberrypi`), and a name that is taken on one interface and free
/// on another would be two names for one hub. One label of DNS: 63 bytes at most, without control
/// characters (RFC 6763, section 4.1.1).
///
/// ```
/// use sockeye_proto::discovery::instance_name;
/// assert_eq!(instance_name("Photos", "ana", "sockeye-abcdefghijklm"), "Photos on ana (ijklm)");
/// assert!(instance_name(&"ü".repeat(99), "ana", "1").len() <= 63);
/// ```
pub fn instance_name(folder: &str, machine: &str, id: &str) -> String {
    const MARK_BYTES: usize = 5;
    let mark = plain(id);
    let mark = &mark[mark.ceil_char_boundary(mark.len().saturating_sub(MARK_BYTES))..];
    let mark = format!(" ({mark})");
    let room = INSTANCE_NAME_MAX_BYTES - mark.len();
    let machine = format!(" on {}", plain(machine));
    // A long folder's name makes way before the machine's does.
    let machine = shortened(&machine, room / 2);
    let folder = plain(folder);
    let folder = shortened(&folder, room - machine.len());
    format!("{folder}{machine}{mark}")
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// As much of a text's beginning as fits, in whole characters.
pub(crate) fn shortened(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_label_and_keeps_the_machine_and_the_mark() {
        for (folder, machine) in
            [("x".repeat(300), "m".repeat(64)), ("日本".repeat(40), "m".into())]
        {
            let name = instance_name(&folder, &machine, "an id like this");
            assert!(name.len() <= INSTANCE_NAME_MAX_BYTES, "{name}");
            assert!(name.contains(" on m") && name.ends_with(" ( this)"), "{name}");
        }
        assert_eq!(instance_name("a\nb\x1b", "m\t", "ü"), "a?b? on m? (ü)");
        assert_eq!(instance_name("a", "m", "日本"), "a on m (本)");
    }
}
