//! Where a Location leads (RFC 9110, section 10.2.2).

use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::printable::Printable;

use crate::exit::Failure;

/// Whether a redirect only adds the slash that says "this is a folder".
pub fn is_folder_of(next: &Address, asked: &Address) -> bool {
    let path = |url: &Address| url.path.split('?').next().unwrap_or_default().to_owned();
    next.authority() == asked.authority() && path(next) == format!("{}/", path(asked))
}

/// Where a Location leads, seen from a URL (RFC 3986, section 5.2).
pub fn redirected(from: &Address, to: &str) -> Result<Address, Failure> {
    let to = to.split('#').next().unwrap_or(to);
    let at = |path: String| Address { path, ..from.clone() };
    let (from_path, _) = from.path.split_once('?').unwrap_or((&from.path, ""));
    if let Some(rest) = to.strip_prefix("//") {
        return parse_redirect(from, &format!("{}://{rest}", from.scheme.as_str()));
    }
    let has_scheme = to.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
    if has_scheme {
        return parse_redirect(from, to);
    }
    if to.starts_with('?') {
        return Ok(at(format!("{from_path}{to}")));
    }
    let (path, query) = match to.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (to, String::new()),
    };
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        let folder = from_path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{path}")
    };
    Ok(at(format!("{}{query}", without_dot_segments(&path))))
}

fn parse_redirect(from: &Address, to: &str) -> Result<Address, Failure> {
    Address::parse(to, &[Scheme::Http, Scheme::Https], Scheme::Http).map_err(|error| {
        let to = Printable(to.as_bytes());
        Failure::SaidNo(format!("{from} leads on to `{to}`, where this cannot follow: {error}"))
    })
}

/// RFC 3986, section 5.2.4.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.trim_start_matches('/').split('/') {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let slash = if ends_in_folder && !kept.is_empty() { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Address {
        Address::parse(text, &[Scheme::Http], Scheme::Http).unwrap()
    }

    #[test]
    fn a_redirect_is_read_as_a_browser_reads_it() {
        let from = url("http://h:1/a/b");
        let to = |to: &str| redirected(&from, to).unwrap().to_string();
        assert_eq!(to("/c/"), "http://h:1/c/");
        assert_eq!(to("c"), "http://h:1/a/c");
        assert_eq!(to("../c?d"), "http://h:1/c?d");
        assert_eq!(to("/x/./y/../"), "http://h:1/x/");
        assert_eq!(to("?q"), "http://h:1/a/b?q");
        assert_eq!(to("//other:2/x"), "http://other:2/x");
        assert_eq!(to("../../.."), "http://h:1/");
        assert_eq!(to("http://other/x#y"), "http://other/x");
        assert_eq!(to("https://h:1/a/b"), "https://h:1/a/b");
        assert!(redirected(&from, "gopher://x/").is_err());
    }
}
