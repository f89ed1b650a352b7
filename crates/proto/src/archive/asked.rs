//! Which archive a request asks for: `?zip` or `?tar` of a folder, with the names of those of its
//! entries that are wanted if not all are; or a form that brings these names.

use std::collections::BTreeSet;

use percent_encoding::percent_decode;
use thiserror::Error;

use super::Form;
use crate::http::target::{SharePath, TargetError};
use crate::printable::Printable;

/// An archive that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// In which form.
    pub form: Form,
    /// What of the folder: everything, or the entries of these names, raw.
    pub names: Option<BTreeSet<Vec<u8>>>,
}

/// Why a request asks for no archive that there could be. The texts are for the person who sent it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AskedError {
    /// Both forms.
    #[error("both ?zip and ?tar are asked for; ask for one of them")]
    Both,
    /// Something behind `zip=`.
    #[error("?{0} takes no value; choose what goes in with &name=NAME, as often as needed")]
    Value(&'static str),
    /// A name that is none of this.
    #[error("there is no `{0}` in the asking for an archive; there are zip or tar, and name=NAME")]
    Unknown(String),
    /// What is called a name is none.
    #[error("`{0}` is no name of something in this folder: {1}")]
    Name(String, TargetError),
    /// A form with no names in it.
    #[error("nothing is chosen; send name=NAME, as often as needed")]
    Nothing,
}

impl Asked {
    /// Reads a URL's query. `None`: it asks for no archive. Names are as in a listing's `href`: percent
    /// signs are decoded, a plus is a plus, and a slash at the end means nothing.
    ///
    /// ```
    /// use sockeye_proto::archive::Form;
    /// use sockeye_proto::archive::asked::Asked;
    ///
    /// let asked = Asked::in_query("zip&name=a%20b.txt&name=films/").unwrap().unwrap();
    /// assert_eq!(asked.form, Form::Zip);
    /// assert!(asked.names.unwrap().contains(&b"a b.txt"[..]));
    /// assert_eq!(Asked::in_query("sort=size"), Ok(None));
    /// ```
    ///
    /// # Errors
    /// Any [`AskedError`] except [`AskedError::Nothing`].
    pub fn in_query(query: &str) -> Result<Option<Self>, AskedError> {
        let mut forms = pairs(query.as_bytes()).filter_map(|(key, value)| {
            let form = Form::named(std::str::from_utf8(key).ok()?)?;
            Some((form, value))
        });
        let Some((form, _)) = forms.next() else { return Ok(None) };
        if forms.any(|(other, _)| other != form) {
            return Err(AskedError::Both);
        }
        let mut names = BTreeSet::new();
        for (key, value) in pairs(query.as_bytes()) {
            match key {
                b"name" => drop(names.insert(name(percent_decode(value).collect())?)),
                _ if key == form.as_str().as_bytes() && value.is_empty() => {}
                _ if key == form.as_str().as_bytes() => {
                    return Err(AskedError::Value(form.as_str()));
                }
                _ => return Err(unknown(key)),
            }
        }
        Ok(Some(Self { form, names: (!names.is_empty()).then_some(names) }))
    }

    /// Reads a form (application/x-www-form-urlencoded) with one name or more: percent signs are
    /// decoded, a plus is a space.
    ///
    /// ```
    /// use sockeye_proto::archive::Form;
    /// use sockeye_proto::archive::asked::Asked;
    ///
    /// let asked = Asked::in_form(Form::Tar, b"name=a+b&name=c%2Bd").unwrap();
    /// let names: Vec<Vec<u8>> = asked.names.unwrap().into_iter().collect();
    /// assert_eq!(names, [b"a b", b"c+d"]);
    /// ```
    ///
    /// # Errors
    /// [`AskedError::Unknown`], [`AskedError::Name`] or [`AskedError::Nothing`].
    pub fn in_form(form: Form, body: &[u8]) -> Result<Self, AskedError> {
        let mut names = BTreeSet::new();
        for (key, value) in pairs(body.trim_ascii()) {
            if key != b"name" {
                return Err(unknown(key));
            }
            let spaced: Vec<u8> = value.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
            names.insert(name(percent_decode(&spaced).collect())?);
        }
        if names.is_empty() {
            return Err(AskedError::Nothing);
        }
        Ok(Self { form, names: Some(names) })
    }
}

/// The pairs of a query or a form; a key without a value has an empty one.
fn pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        match pair.iter().position(|&byte| byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &b""[..]),
        }
    })
}

fn name(mut name: Vec<u8>) -> Result<Vec<u8>, AskedError> {
    if name.ends_with(b"/") {
        name.pop();
    }
    match SharePath::root().join(&name) {
        Ok(_) => Ok(name),
        Err(error) => Err(AskedError::Name(shown(&name), error)),
    }
}

fn unknown(key: &[u8]) -> AskedError {
    AskedError::Unknown(shown(key))
}

/// A short piece of what was sent.
fn shown(text: &[u8]) -> String {
    const SHOWN_BYTES: usize = 60;
    Printable(&text[..text.len().min(SHOWN_BYTES)]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_asks_for_no_archive_is_left_alone() {
        for query in ["", "&", "sort=name", "name=a", "zipped", "q=zip"] {
            assert_eq!(Asked::in_query(query), Ok(None), "{query}");
        }
    }

    #[test]
    fn names_are_those_of_a_listing_and_count_once() {
        let asked = Asked::in_query("name=a%2Bb&zip&name=a+b&name=%FF/&name=a%26b&name=a+b");
        let names: Vec<Vec<u8>> = asked.unwrap().unwrap().names.unwrap().into_iter().collect();
        assert_eq!(names, [&b"a&b"[..], b"a+b", b"\xff"]);
        assert_eq!(Asked::in_query("tar&").unwrap().unwrap().names, None);
        assert!(Asked::in_query("zip=").unwrap().is_some(), "as a form writes it");
    }

    #[test]
    fn nonsense_is_told_apart() {
        use AskedError as E;
        let refused = |query: &str| Asked::in_query(query).unwrap_err();
        assert_eq!(refused("zip&tar"), E::Both);
        assert_eq!(refused("zip=photos"), E::Value("zip"));
        assert_eq!(refused("zip&zip=1"), E::Value("zip"));
        assert_eq!(refused("tar&level=9"), E::Unknown("level".into()));
        assert_eq!(refused("zip&name=.."), E::Name("..".into(), TargetError::DotDot));
        assert_eq!(refused("zip&name="), E::Name(String::new(), TargetError::NoName));
        assert_eq!(refused("zip&name=a/b"), E::Name("a/b".into(), TargetError::EncodedSlash));
        assert_eq!(refused("zip&name=%00"), E::Name("\\x00".into(), TargetError::Nul));
        let form = |body: &str| Asked::in_form(Form::Zip, body.as_bytes());
        assert_eq!(form(""), Err(E::Nothing));
        assert_eq!(form("file=a"), Err(E::Unknown("file".into())));
    }

    proptest! {
        #[test]
        fn a_name_of_a_listing_is_found_again(name in prop::collection::vec(1_u8.., 1..=255)) {
            use crate::http::target::encode_segment;
            prop_assume!(SharePath::root().join(&name).is_ok());
            let asked = Asked::in_query(&format!("zip&name={}", encode_segment(&name)));
            prop_assert!(asked.unwrap().unwrap().names.unwrap().contains(&name));
        }

        #[test]
        fn whatever_is_sent_is_read_without_a_panic(text in "[a-z&=%/.+]{0,40}") {
            let _ = (Asked::in_query(&text), Asked::in_form(Form::Tar, text.as_bytes()));
        }
    }
}
