//! The page's files, embedded in the binary, and the templates among them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Every file of web/, by its path from there, in order.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/web_files.rs"));

/// The page for a folder.
pub const PAGE: &str = "index.html";
/// The page for an error.
pub const ERROR_PAGE: &str = "error.html";

/// The way in.
pub const JOIN_PAGE: &str = "join.html";
/// The page to drop files on.
pub const DROP_PAGE: &str = "drop.html";

/// A file of the page, plain and compressed.
#[derive(Debug)]
pub struct Asset {
    /// As it stands in web/.
    pub plain: &'static [u8],
    /// The same in gzip.
    pub gzip: Bytes,
}

/// One of the page's files that scripts and links name; templates are none.
pub fn asset(name: &str) -> Option<&'static Asset> {
    static ASSETS: OnceLock<Vec<OnceLock<Asset>>> = OnceLock::new();
    if matches!(name, PAGE | ERROR_PAGE | JOIN_PAGE | DROP_PAGE) {
        return None;
    }
    let at = FILES.binary_search_by_key(&name, |(name, _)| name).ok()?;
    let assets = ASSETS.get_or_init(|| FILES.iter().map(|_| OnceLock::new()).collect());
    let plain = FILES[at].1;
    Some(assets[at].get_or_init(|| Asset { plain, gzip: gzip(plain, Compression::best()) }))
}

/// The path under which the page's files are served. It changes with their contents, so that
/// browsers may keep them for ever.
pub fn assets_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        FILES.hash(&mut hasher);
        format!("/-/web/{:016x}/", hasher.finish())
    })
}

/// Fills a template: each `{{token}}` is replaced by its value, once, and what is filled in is not
/// looked at again.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut rest = text_of(template);
    let mut filled = String::with_capacity(rest.len());
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let Some((token, after)) = after.split_once("}}") else {
            filled.push_str("{{");
            rest = after;
            break;
        };
        if let Some((_, value)) = values.iter().find(|(name, _)| *name == token) {
            filled.push_str(value);
        } else {
            filled.push_str("{{");
            filled.push_str(token);
            filled.push_str("}}");
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// JSON as it may stand in a script element.
pub fn json_in_html(data: &serde_json::Value) -> String {
    data.to_string().replace('<', "\\u003c")
}

/// Text as HTML shows it, in an element or a quoted attribute.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Compresses with gzip.
pub fn gzip(plain: &[u8], level: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // Writing into a Vec cannot fail.
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.map(Bytes::from).unwrap_or_default()
}

fn text_of(template: &str) -> &'static str {
    let at = FILES.binary_search_by_key(&template, |(name, _)| name);
    at.ok().and_then(|at| std::str::from_utf8(FILES[at].1).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_templates_are_there_with_their_tokens() {
        for token in ["{{title}}", "{{assets}}", "{{listing_html}}", "{{data}}"] {
            assert!(text_of(PAGE).contains(token), "{token}");
        }
        for token in
            ["{{status}}", "{{title}}", "{{detail}}", "{{advice}}", "{{ways}}", "{{assets}}"]
        {
            assert!(text_of(ERROR_PAGE).contains(token), "{token}");
        }
        for token in ["{{detail}}", "{{assets}}"] {
            assert!(text_of(JOIN_PAGE).contains(token), "{token}");
        }
        for token in ["{{title}}", "{{assets}}", "{{data}}"] {
            assert!(text_of(DROP_PAGE).contains(token), "{token}");
        }
    }

    #[test]
    fn a_value_that_looks_like_a_token_is_left_alone() {
        let filled = fill(ERROR_PAGE, &[("title", "{{detail}}"), ("detail", "D")]);
        assert!(filled.contains("{{detail}}"), "{filled}");
    }

    #[test]
    fn nothing_of_a_name_is_read_as_markup() {
        assert_eq!(escape_html("<a b=\"c\">'&"), "&lt;a b=&quot;c&quot;&gt;&#39;&amp;");
    }

    fn compressed_bytes<'a>(names: impl IntoIterator<Item = &'a str>) -> usize {
        names.into_iter().map(|n| gzip(text_of(n).as_bytes(), Compression::best()).len()).sum()
    }

    /// What a text names of the page's own files, between a mark and a quote.
    fn named<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
        let after = text.match_indices(mark).map(|(at, _)| &text[at + mark.len()..]);
        after.filter_map(|rest| rest.split('"').next()).collect()
    }

    /// A module's path from web/, as another one there names it.
    fn resolve(from: &str, name: &str) -> String {
        let mut path: Vec<&str> = from.split('/').collect();
        path.pop();
        for step in name.split('/') {
            match step {
                "." => {}
                ".." => drop(path.pop()),
                step => path.push(step),
            }
        }
        path.join("/")
    }

    /// The modules that come with one: those that it imports, and so on; what a module imports only
    /// when it is wanted comes later.
    fn modules_of(start: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut waiting = vec![start.to_owned()];
        while let Some(name) = waiting.pop() {
            assert!(!text_of(&name).is_empty(), "{name} is imported and not there");
            let imports = text_of(&name).lines().filter(|line| line.starts_with("import "));
            let imports = imports.flat_map(|line| named(line, " from \""));
            waiting.extend(imports.map(|import| resolve(&name, import)));
            waiting.retain(|name| !found.contains(name));
            found.insert(name);
        }
        found
    }

    /// What a template and its script bring before anybody has done anything.
    fn first_view(template: &str, script: &str) -> BTreeSet<String> {
        let mut files = modules_of(script);
        files.insert(template.to_owned());
        files.extend(named(text_of(template), "{{assets}}").into_iter().map(str::to_owned));
        let sheets: Vec<String> =
            files.iter().filter(|f| f.split('.').next_back() == Some("css")).cloned().collect();
        for sheet in sheets {
            let parts = named(text_of(&sheet), "url(\"");
            files.extend(parts.into_iter().map(|part| resolve(&sheet, part)));
        }
        files
    }

    #[test]
    fn the_first_view_is_at_most_60_kb_compressed() {
        for (template, script) in
            [(PAGE, "app.js"), (JOIN_PAGE, "join/page.js"), (DROP_PAGE, "drop-page.js")]
        {
            let files = first_view(template, script);
            assert!(files.contains("wave.svg") && files.contains("icon.svg"), "{files:?}");
            let total = compressed_bytes(files.iter().map(String::as_str));
            assert!(total <= 60_000, "{template}: {total} bytes");
        }
    }

    /// More than twice the first view, since what views a file (web/preview/) comes one kind at a
    /// time, when somebody first opens such a file.
    #[test]
    fn all_of_the_page_is_at_most_200_kb_compressed() {
        let total = compressed_bytes(FILES.iter().map(|(name, _)| *name));
        assert!(total <= 200_000, "{total} bytes");
    }

    #[test]
    fn what_the_first_view_needs_is_fetched_at_once_and_nothing_else() {
        let ahead = "<link rel=\"modulepreload\" href=\"{{assets}}";
        let named: BTreeSet<String> =
            named(text_of(PAGE), ahead).into_iter().map(str::to_owned).collect();
        let mut needed = modules_of("app.js");
        needed.remove("app.js");
        assert_eq!(named, needed);
    }

    #[test]
    fn the_page_names_no_other_host() {
        for (name, plain) in FILES {
            let text = String::from_utf8_lossy(plain);
            for at in text.match_indices("://").map(|(at, _)| at) {
                let end = (at + 40).min(text.len());
                let around = text.get(at.saturating_sub(8)..end).unwrap_or_default();
                // The names of XML namespaces are written like addresses and fetch nothing.
                assert!(
                    around.contains("www.w3.org/")
                        // Reserved, and leads nowhere (RFC 6761, section 6.4).
                        || around.contains("//hub.invalid")
                        || !around.contains("http"),
                    "{name}: {around}"
                );
            }
        }
    }
}
