//! The fingerprint of a certificate: what people read to each other to know that they mean the
//! same one.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use thiserror::Error;

/// SHA-256 gives this many bytes.
const BYTES: usize = digest::SHA256_OUTPUT_LEN;

/// The SHA-256 of a certificate in DER, which is what browsers and `openssl x509 -fingerprint
/// -sha256` show. It changes with every bit of the certificate.
///
/// ```
/// use sockeye_engine::tls::fingerprint::Fingerprint;
///
/// let shown = Fingerprint::of(b"a certificate").to_string();
/// assert!(shown.starts_with("81:AC:D7:62:"));
/// let typed = shown.to_lowercase().replace(':', "");
/// assert_eq!(typed.parse(), Ok(Fingerprint::of(b"a certificate")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; BYTES]);

/// Why a text is no fingerprint.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("a fingerprint is 64 hexadecimal digits, like AB:01:...; here are {digits}{}", other(.stray.as_ref()))]
pub struct FingerprintError {
    /// How many hexadecimal digits there are.
    digits: usize,
    /// The first character that belongs into no fingerprint.
    stray: Option<char>,
}

fn other(stray: Option<&char>) -> String {
    stray.map(|stray| format!(", and `{}` is none", stray.escape_default())).unwrap_or_default()
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Self(bytes)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Takes it in any case, with colons or spaces between the digits or without.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let mut bytes = [0; BYTES];
        let mut digits = 0;
        let mut stray = None;
        for letter in text.chars().filter(|letter| !matches!(letter, ':' | ' ')) {
            let Some(value) = letter.to_digit(16) else {
                stray.get_or_insert(letter);
                continue;
            };
            if let Some(byte) = bytes.get_mut(digits / 2) {
                *byte = *byte << 4 | value as u8;
            }
            digits += 1;
        }
        if digits == 2 * BYTES && stray.is_none() {
            Ok(Self(bytes))
        } else {
            Err(FingerprintError { digits, stray })
        }
    }
}

impl fmt::Display for Fingerprint {
    /// Pairs of upper-case digits, with colons between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at > 0 { ":" } else { "" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of nothing (FIPS 180-4).
    const OF_NOTHING: &str = "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:\
                              27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";

    #[test]
    fn it_is_shown_as_browsers_show_it_and_read_as_people_type_it() {
        let nothing = Fingerprint::of(b"");
        assert_eq!(nothing.to_string(), OF_NOTHING);
        for typed in [
            OF_NOTHING.to_owned(),
            OF_NOTHING.to_lowercase(),
            OF_NOTHING.replace(':', ""),
            OF_NOTHING.replace(':', " "),
        ] {
            assert_eq!(typed.parse(), Ok(nothing), "{typed}");
        }
    }

    #[test]
    fn what_is_none_is_told_what_it_lacks() {
        let error = |text: &str| text.parse::<Fingerprint>().unwrap_err().to_string();
        assert!(error("").ends_with("here are 0"), "{}", error(""));
        assert!(error(&OF_NOTHING[1..]).ends_with("here are 63"));
        assert!(error(&format!("{OF_NOTHING}0")).ends_with("here are 65"));
        assert!(error(&OF_NOTHING.replace("E3", "G3")).ends_with("63, and `G` is none"));
        assert!(error(&OF_NOTHING.replace(':', "-")).ends_with("and `-` is none"));
    }
}
