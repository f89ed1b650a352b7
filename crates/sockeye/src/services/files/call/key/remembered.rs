//! The keys that hubs have taken before: a line a hub, `SCHEME://HOST:PORT KEY`.

use std::fmt;

use sockeye_proto::access::Key;

/// Hubs that are remembered; who was told last is kept longest.
const HUBS_MAX: usize = 1_000;

/// The file's contents.
#[derive(Debug, Default)]
pub struct Remembered(Vec<(String, Key)>);

impl Remembered {
    /// Reads the file; what is no line of it is left out, and gone at the next change.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (hub, key) = line.trim().split_once(' ')?;
            Some((hub.to_owned(), Key::parse(key.trim()).ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// The key that a hub took.
    pub fn of(&self, hub: &str) -> Option<&Key> {
        self.0.iter().rev().find(|(name, _)| name == hub).map(|(_, key)| key)
    }

    /// Remembers a hub's key instead of the one before.
    pub fn keep(&mut self, hub: &str, key: Key) {
        self.forget(hub);
        let too_many = (self.0.len() + 1).saturating_sub(HUBS_MAX);
        self.0.drain(..too_many);
        self.0.push((hub.to_owned(), key));
    }

    /// Forgets a hub's key.
    pub fn forget(&mut self, hub: &str) {
        self.0.retain(|(name, _)| name != hub);
    }
}

impl fmt::Display for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(hub, key)| writeln!(f, "{hub} {}", key.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(keys: &'a Remembered, hub: &str) -> Option<&'a str> {
        keys.of(hub).map(Key::as_str)
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let mut keys = Remembered::default();
        keys.keep("http://h:80", Key::parse("aaaabbbbcccc").unwrap());
        keys.keep("http://[::1]:8080", Key::parse("ddddeeeeffff").unwrap());
        keys.keep("http://h:80", Key::parse("gggghhhhiiii").unwrap());
        let text = keys.to_string();
        assert_eq!(text, "http://[::1]:8080 ddddeeeeffff\nhttp://h:80 gggghhhhiiii\n");
        let again = Remembered::parse(&text);
        assert_eq!(of(&again, "http://h:80"), Some("gggghhhhiiii"));
        assert_eq!(of(&again, "http://h:81"), None);
    }

    #[test]
    fn what_is_no_line_is_left_out() {
        let keys = Remembered::parse(
            "\n# x\nhttp://h:80\nhttp://h:81 short\nhttp://h:82  aaaabbbbcccc \r\n",
        );
        assert_eq!(keys.to_string(), "http://h:82 aaaabbbbcccc\n");
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut keys = Remembered::default();
        for port in 0..=HUBS_MAX {
            keys.keep(&format!("http://h:{port}"), Key::parse("aaaabbbbcccc").unwrap());
        }
        assert_eq!(keys.to_string().lines().count(), HUBS_MAX);
        assert!(of(&keys, "http://h:0").is_none() && of(&keys, "http://h:1").is_some());
    }
}
