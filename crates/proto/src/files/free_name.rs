//! Another name for a file whose own is taken.

use crate::http::target::MAX_SEGMENT_BYTES;

/// The `n`th other name for a file: `a.txt` becomes `a (2).txt`. The ending stays, so that the file
/// is still opened by the same program; a stem that would become too long is cut, between
/// characters if it is UTF-8.
///
/// ```
/// use sockeye_proto::files::free_name::free_name;
///
/// assert_eq!(free_name(b"a.txt", 2), b"a (2).txt");
/// assert_eq!(free_name(b"notes.tar.gz", 3), b"notes (3).tar.gz");
/// assert_eq!(free_name(b".profile", 2), b".profile (2)");
/// ```
pub fn free_name(name: &[u8], n: u32) -> Vec<u8> {
    let (stem, ending) = name.split_at(stem_length(name));
    let number = format!(" ({n})");
    let room = MAX_SEGMENT_BYTES.saturating_sub(number.len() + ending.len());
    let mut free = stem[..cut(stem, room)].to_vec();
    free.extend_from_slice(number.as_bytes());
    free.extend_from_slice(ending);
    free
}

/// Where a name's ending begins: at its last dot, or the one before if that is `.tar.gz` and the
/// like. A dot at the beginning is none, nor is one before something too long to be an ending.
fn stem_length(name: &[u8]) -> usize {
    const ENDING_MAX_BYTES: usize = 16;
    let dot = |name: &[u8]| {
        let at = name.iter().rposition(|&b| b == b'.').filter(|&at| at > 0)?;
        (name.len() - at <= ENDING_MAX_BYTES).then_some(at)
    };
    let Some(last) = dot(name) else { return name.len() };
    match dot(&name[..last]) {
        Some(before) if name[before..last].eq_ignore_ascii_case(b".tar") => before,
        _ => last,
    }
}

/// The longest length up to `room` that does not part a character.
fn cut(stem: &[u8], room: usize) -> usize {
    if stem.len() <= room {
        return stem.len();
    }
    let is_inside = |at: usize| stem[at] & 0b1100_0000 == 0b1000_0000;
    // A character has at most 4 bytes; what is no UTF-8 is cut where it must be.
    (room.saturating_sub(3)..=room).rev().find(|&at| !is_inside(at)).unwrap_or(room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_without_an_ending_get_the_number_behind() {
        assert_eq!(free_name(b"README", 2), b"README (2)");
        assert_eq!(free_name("отчёт".as_bytes(), 12), "отчёт (12)".as_bytes());
        assert_eq!(free_name(b"v1.a-very-long-part-behind-a-dot", 2).last(), Some(&b')'));
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let name = format!("{}.jpg", "ü".repeat(125));
        let free = String::from_utf8(free_name(name.as_bytes(), 2)).unwrap();
        assert!(free.len() <= MAX_SEGMENT_BYTES && free.ends_with("ü (2).jpg"), "{free}");
    }

    proptest! {
        #[test]
        fn another_name_fits_and_is_another(name in proptest::collection::vec(1u8.., 1..256), n in 2u32..10_000) {
            let free = free_name(&name, n);
            prop_assert!(free.len() <= MAX_SEGMENT_BYTES);
            prop_assert_ne!(free, name);
        }
    }
}
