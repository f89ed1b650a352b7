//! Links to one file or folder, for passing on: at the addresses by which others reach the hub, and
//! as a QR code. A link never names anything but this hub, whatever is asked for.

use http::StatusCode;
use http::request::Parts;
use serde_json::json;
use sockeye_engine::access::SharedDoorkeeper;
use sockeye_engine::http::server::Answer;
use sockeye_proto::access::Key;
use sockeye_proto::address::Scheme;
use sockeye_proto::http::target::SharePath;
use sockeye_proto::limits::{LINK_CODE_MAX_BYTES, LINK_PATH_MAX_BYTES};

use super::access::Visitor;
use super::exchange::field;
use super::site::Site;
use super::{api, invite};
use crate::services::files::serve::refusal::Refusal;

const ALL: &str = "?all";

impl Site {
    /// `/-/api/link?path=/photos/`: the links to that, the likeliest first. With `key=yes` they let
    /// in whoever opens them, which is for the person at the hub to give.
    pub(super) fn link(
        &self,
        request: &Parts,
        from: (Scheme, &str),
        visitor: &Visitor,
    ) -> Result<Answer, Refusal> {
        let links = self.links(request, from, visitor)?;
        let fits = |link: &String| link.len() <= LINK_CODE_MAX_BYTES;
        let body = json!({ "links": links, "has_code": links.first().is_some_and(fits) });
        Ok(api::answer("application/json", format!("{body}\n")))
    }

    /// `/-/link.svg?path=/photos/`: the first of the same as a QR code; `at=1` is the second.
    pub(super) fn link_picture(
        &self,
        request: &Parts,
        from: (Scheme, &str),
        visitor: &Visitor,
    ) -> Result<Answer, Refusal> {
        let links = self.links(request, from, visitor)?;
        let at = text(request, "at").and_then(|at| at.parse().ok()).unwrap_or(0_usize);
        let link = links.get(at).ok_or_else(|| {
            let why = "nobody else reaches this hub at such an address; start it with --lan";
            Refusal::new(StatusCode::NOT_FOUND, why)
        })?;
        if link.len() > LINK_CODE_MAX_BYTES {
            let why = format!(
                "a QR code holds links of at most {LINK_CODE_MAX_BYTES} bytes here, and this one \
                 has {}",
                link.len()
            );
            return Err(Refusal::new(StatusCode::URI_TOO_LONG, why));
        }
        let picture = invite::as_svg(link).ok_or_else(|| {
            Refusal::new(StatusCode::URI_TOO_LONG, "the link is too long for a QR code")
        })?;
        Ok(api::answer("image/svg+xml", picture))
    }

    fn links(
        &self,
        request: &Parts,
        (scheme, authority): (Scheme, &str),
        visitor: &Visitor,
    ) -> Result<Vec<String>, Refusal> {
        let bad = |why: String| Refusal::new(StatusCode::BAD_REQUEST, why);
        let path = text(request, "path").unwrap_or_default();
        if path.len() > LINK_PATH_MAX_BYTES {
            return Err(bad(format!("a path has at most {LINK_PATH_MAX_BYTES} bytes here")));
        }
        // A folder as all siblings have it. In a name, the mark would be encoded.
        let (path, query) = match path.strip_suffix(ALL) {
            Some(path) => (path, ALL),
            None => (&*path, ""),
        };
        let path = SharePath::parse(path).map_err(|e| bad(e.to_string()))?;
        let query = if path.wants_folder() { query } else { "" };
        let mut key = None;
        if text(request, "key").is_some_and(|key| key == "yes") {
            visitor.must_be_host()?;
            key = self.access.doorkeeper().map(SharedDoorkeeper::key);
        }
        let pages = self.invite.pages_from(scheme, authority);
        Ok(pages.iter().map(|page| join(page, (&path, query), key.as_ref())).collect())
    }
}

/// A page's address with a path behind it.
///
/// A link to a file that carries the key goes by way of `/-/join`, which takes the key out of the
/// address before the file is opened: what is in the file may be somebody else's script, and reads
/// its own address.
fn join(page: &str, (path, query): (&SharePath, &str), key: Option<&Key>) -> String {
    let page = page.trim_end_matches('/');
    let encoded = path.encoded();
    match key {
        None => format!("{page}{encoded}{query}"),
        Some(key) if path.wants_folder() => format!("{page}{encoded}{query}#k={}", key.as_str()),
        Some(key) => format!("{page}/-/join#k={}&to={encoded}", key.as_str()),
    }
}

/// A parameter of the query.
fn text(request: &Parts, name: &str) -> Option<String> {
    let value = field(request.uri.query().unwrap_or_default(), name)?;
    Some(String::from_utf8_lossy(&value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(path: &str, key: Option<&str>) -> String {
        let key = key.map(|key| Key::parse(key).unwrap());
        let (path, query) = path.split_once('?').map_or((path, ""), |(path, _)| (path, ALL));
        let path = SharePath::parse(path).unwrap();
        join("http://192.0.2.1:8080/", (&path, query), key.as_ref())
    }

    #[test]
    fn a_link_is_the_address_with_the_path_behind_it() {
        assert_eq!(link("/", None), "http://192.0.2.1:8080/");
        assert_eq!(link("/a b/c.txt", None), "http://192.0.2.1:8080/a%20b/c.txt");
        assert_eq!(link("/a/?all", None), "http://192.0.2.1:8080/a/?all");
    }

    #[test]
    fn a_path_that_looks_like_another_host_stays_on_this_one() {
        for path in ["//elsewhere.example/x", "/@elsewhere.example/", "/%2E%2E@elsewhere/"] {
            let Ok(parsed) = SharePath::parse(path) else { continue };
            let link = join("http://192.0.2.1:8080/", (&parsed, ""), None);
            assert!(link.starts_with("http://192.0.2.1:8080/"), "{link}");
        }
    }

    #[test]
    fn the_key_is_never_beside_the_address_of_a_file() {
        let key = Some("abcdefgh2345");
        assert_eq!(link("/a/", key), "http://192.0.2.1:8080/a/#k=abcdefgh2345");
        assert_eq!(link("/a.html", key), "http://192.0.2.1:8080/-/join#k=abcdefgh2345&to=/a.html");
    }
}
