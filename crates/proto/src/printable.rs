//! Text from outside, made safe to show on a terminal or in a log line.
//!
//! Control characters could move the cursor or forge a second line; bidirectional overrides could
//! make a name read backwards. They are shown as escapes instead.

use std::fmt;

/// Shows bytes as text: UTF-8 as it is, everything that could disturb a terminal as an escape.
///
/// ```
/// use sockeye_proto::printable::Printable;
/// assert_eq!(Printable(b"a\n\x1b[2Jb").to_string(), "a\\n\\x1b[2Jb");
/// assert_eq!(Printable("f\u{202e}gpj".as_bytes()).to_string(), "f\\u{202e}gpj");
/// assert_eq!(Printable(b"\xffx").to_string(), "\\xffx");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                write_char(f, c)?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

fn write_char(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        c if c.is_ascii_control() => write!(f, "\\x{:02x}", c as u32),
        c if c.is_control() || reorders(c) => write!(f, "\\u{{{:x}}}", c as u32),
        c => fmt::Write::write_char(f, c),
    }
}

/// Characters that change the order or the breaking of what stands around them (Unicode UAX 9,
/// explicit directional formatting, and the two separators that terminals may break lines at).
fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_of_any_script_are_untouched() {
        for name in ["übung.txt", "日本語", "שלום", "naïve café", "🐟.png", "back\\slash"]
        {
            assert_eq!(Printable(name.as_bytes()).to_string(), name);
        }
    }

    #[test]
    fn nothing_that_moves_a_cursor_gets_through() {
        let shown = Printable("\u{9b}2J\u{7f}\0\u{2028}".as_bytes()).to_string();
        assert_eq!(shown, "\\u{9b}2J\\x7f\\x00\\u{2028}");
    }
}
