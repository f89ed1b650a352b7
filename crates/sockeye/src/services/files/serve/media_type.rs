//! Which media type a file's name says, and which of those a browser would run.

/// Whole names without an ending that are text by custom.
const TEXT_NAMES: &[&str] = &[
    "readme",
    "license",
    "licence",
    "copying",
    "authors",
    "changelog",
    "changes",
    "contributing",
    "install",
    "makefile",
    "dockerfile",
    "notice",
    "todo",
    "news",
    "version",
];

/// Endings that the general table does not know, or knows under another trade.
const OWN_TYPES: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("cfg", "text/plain"),
    ("conf", "text/plain"),
    ("diff", "text/plain"),
    ("env", "text/plain"),
    ("flac", "audio/flac"),
    ("go", "text/plain"),
    ("heic", "image/heic"),
    ("ini", "text/plain"),
    ("java", "text/plain"),
    ("js", "text/javascript"),
    ("json5", "text/plain"),
    ("jsonl", "application/jsonl"),
    ("jsx", "text/plain"),
    ("jxl", "image/jxl"),
    ("kt", "text/plain"),
    ("lock", "text/plain"),
    ("log", "text/plain"),
    ("m4a", "audio/mp4"),
    ("m4v", "video/mp4"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"),
    ("mkv", "video/x-matroska"),
    ("mp4", "video/mp4"),
    ("opus", "audio/ogg"),
    ("patch", "text/plain"),
    ("php", "text/plain"),
    ("pl", "text/plain"),
    ("py", "text/plain"),
    ("rb", "text/plain"),
    ("rs", "text/plain"),
    ("sh", "text/plain"),
    ("sql", "text/plain"),
    ("srt", "text/plain"),
    ("toml", "text/plain"),
    ("ts", "text/plain"),
    ("tsx", "text/plain"),
    ("vtt", "text/vtt"),
    ("wasm", "application/wasm"),
    ("webmanifest", "application/manifest+json"),
    ("woff2", "font/woff2"),
    ("yaml", "text/plain"),
    ("yml", "text/plain"),
    ("zst", "application/zstd"),
];

/// The Content-Type for a file's name. Text is said to be UTF-8.
pub fn of(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name).to_lowercase();
    let media_type = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => by_ending(ending),
        _ if TEXT_NAMES.contains(&name.as_str()) => Some("text/plain"),
        _ => None,
    };
    let media_type = media_type.unwrap_or("application/octet-stream");
    let is_text = media_type.starts_with("text/")
        || matches!(media_type, "application/json" | "application/jsonl" | "image/svg+xml")
        || media_type == "application/manifest+json";
    if is_text { format!("{media_type}; charset=utf-8") } else { media_type.to_owned() }
}

/// Whether a browser that opens it would run what is inside: HTML, SVG, and anything in XML.
pub fn is_active(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    matches!(essence, "text/html" | "text/xml" | "application/xml" | "text/xsl")
        || essence.ends_with("+xml")
}

/// Whether pages are made of it: pictures, sound, films, fonts, style sheets and scripts.
pub fn is_page_part(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let kind = essence.split('/').next().unwrap_or_default();
    matches!(kind, "image" | "audio" | "video" | "font")
        || matches!(essence, "text/css" | "text/javascript")
}

fn by_ending(ending: &str) -> Option<&'static str> {
    match OWN_TYPES.binary_search_by_key(&ending, |(ending, _)| ending) {
        Ok(found) => Some(OWN_TYPES[found].1),
        Err(_) => mime_guess::from_ext(ending).first_raw(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_for_searching() {
        assert!(OWN_TYPES.is_sorted_by_key(|(ending, _)| *ending));
    }

    #[test]
    fn the_fields_types_are_right() {
        let cases = [
            ("a.html", "text/html; charset=utf-8"),
            ("a.HTM", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.json", "application/json; charset=utf-8"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("a.jpg", "image/jpeg"),
            ("a.png", "image/png"),
            ("a.webp", "image/webp"),
            ("a.pdf", "application/pdf"),
            ("a.mp4", "video/mp4"),
            ("a.webm", "video/webm"),
            ("a.mp3", "audio/mpeg"),
            ("a.ts", "text/plain; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.md", "text/markdown; charset=utf-8"),
            ("a.csv", "text/csv; charset=utf-8"),
            ("a.zip", "application/zip"),
            ("a.tar.gz", "application/gzip"),
            ("a.epub", "application/epub+zip"),
            ("README", "text/plain; charset=utf-8"),
            ("unknown", "application/octet-stream"),
            (".html", "application/octet-stream"),
            ("a.nosuchending", "application/octet-stream"),
        ];
        for (name, expected) in cases {
            assert_eq!(of(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn what_a_browser_would_run_is_known_as_such() {
        for name in ["a.html", "a.xhtml", "a.svg", "a.xml", "a.xsl", "a.rss", "a.atom"] {
            assert!(is_active(&of(name.as_bytes())), "{name}: {}", of(name.as_bytes()));
        }
        for name in ["a.pdf", "a.txt", "a.js", "a.png"] {
            assert!(!is_active(&of(name.as_bytes())), "{name}");
        }
    }
}
