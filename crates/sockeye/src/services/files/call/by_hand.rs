//! The same with other people's tools: a line for curl and a few of Python.
//!
//! Neither holds the key. Both take it from SOCKEYE_KEY, so that it stands in no history.

use std::fmt::Write as _;

use sockeye_proto::address::Address;

use crate::services::by_hand::shell_word;

/// What the lines are for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The server wants a key.
    pub key: bool,
    /// Its certificate was compared with a fingerprint, which these tools cannot: they trust it.
    pub any_certificate: bool,
}

/// How to fetch a file.
pub fn fetching(url: &Address, wanted: Wanted) -> String {
    let flags = flags(wanted);
    let url_word = shell_word(&url.to_string());
    let program = program(url, "", "None", "GET", wanted);
    let save = "    sys.stdout.buffer.write(answer.read())\n";
    said(&format!("curl -L{flags} {url_word}"), &format!("{program}{save}"))
}

/// How to fetch a folder with everything in it, as a tar that is unpacked on its way.
pub fn fetching_folder(url: &Address, wanted: Wanted) -> String {
    let flags = flags(wanted);
    let url = Address { path: format!("{}?tar", url.path), ..url.clone() };
    let program = program(&url, "import tarfile\n", "None", "GET", wanted);
    let unpack = "    tarfile.open(fileobj=answer, mode=\"r|\").extractall(filter=\"data\")\n";
    let url_word = shell_word(&url.to_string());
    said(&format!("curl{flags} {url_word} | tar x"), &format!("{program}{unpack}"))
}

/// How to send a file of this name, or standard input as `-`.
pub fn sending(file: &str, url: &Address, wanted: Wanted) -> String {
    let flags = flags(wanted);
    let (file_word, url_word) = (shell_word(file), shell_word(&url.to_string()));
    let open = match file {
        "-" => "file = sys.stdin.buffer\n".to_owned(),
        file => format!("file = open({}, \"rb\")\n", python_word(file)),
    };
    let program = program(url, &open, "file", "PUT", wanted);
    let show = "    print(answer.status, answer.read().decode())\n";
    said(&format!("curl{flags} -T {file_word} {url_word}"), &format!("{program}{show}"))
}

fn said(curl: &str, python: &str) -> String {
    let python: String = python.lines().fold(String::new(), |text, line| text + "\n    " + line);
    format!("The same by hand:\n    {curl}\nor in Python:{python}")
}

fn flags(wanted: Wanted) -> String {
    let key = if wanted.key { " -H \"Authorization: Bearer $SOCKEYE_KEY\"" } else { "" };
    format!("{}{key}", if wanted.any_certificate { " -k" } else { "" })
}

fn program(url: &Address, open: &str, body: &str, method: &str, wanted: Wanted) -> String {
    let url = python_word(&url.to_string());
    let headers = if wanted.key {
        "{\"Authorization\": \"Bearer \" + os.environ[\"SOCKEYE_KEY\"]}"
    } else {
        "{}"
    };
    let context =
        if wanted.any_certificate { ", context=ssl._create_unverified_context()" } else { "" };
    format!(
        "import os, ssl, sys, urllib.request\n\n\
         {open}request = urllib.request.Request({url}, {body}, {headers}, method=\"{method}\")\n\
         with urllib.request.urlopen(request{context}) as answer:\n"
    )
}

fn python_word(text: &str) -> String {
    let mut word = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => word.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(word, "\\x{:02x}", u32::from(c));
            }
            c => word.push(c),
        }
    }
    word + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_proto::address::Scheme;

    #[test]
    fn a_program_has_at_most_ten_lines_and_no_line_holds_a_key() {
        let url = Address::parse("http://h:1/a b", &[Scheme::Http], Scheme::Http).unwrap();
        let wanted = Wanted { key: true, any_certificate: true };
        let folder = fetching_folder(&url, wanted);
        for text in [fetching(&url, wanted), folder, sending("a \"b\".txt", &url, wanted)] {
            let (_, program) = text.split_once("Python:\n").unwrap();
            assert!(program.lines().count() <= 10, "{program}");
            assert!(text.contains("Bearer $SOCKEYE_KEY"), "{text}");
        }
        let nothing = Wanted { key: false, any_certificate: false };
        let text = fetching(&url, nothing);
        assert!(!text.contains("SOCKEYE_KEY") && !text.contains("-k"), "{text}");
    }
}
