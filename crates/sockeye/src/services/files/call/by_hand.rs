//! The same with other people's tools: a line for curl and a few of Python.
//!
//! Neither holds the key. Both take it from SOCKEYE_KEY, so that it stands in no history.

use std::fmt::Write as _;

use sockeye_proto::address::Address;

use crate::services::by_hand::shell_word;

/// How to fetch a file.
pub fn fetching(url: &Address, wants_key: bool) -> String {
    let key = header(wants_key);
    let url_word = shell_word(&url.to_string());
    let program = program(url, "", "None", "GET", wants_key);
    let save = "    sys.stdout.buffer.write(answer.read())\n";
    said(
        &format!("curl -L{key} {url_word}"),
        &format!("import os, sys, urllib.request\n\n{program}{save}"),
    )
}

/// How to send a file of this name, or standard input as `-`.
pub fn sending(file: &str, url: &Address, wants_key: bool) -> String {
    let key = header(wants_key);
    let (file_word, url_word) = (shell_word(file), shell_word(&url.to_string()));
    let open = match file {
        "-" => "file = sys.stdin.buffer\n".to_owned(),
        file => format!("file = open({}, \"rb\")\n", python_word(file)),
    };
    let program = program(url, &open, "file", "PUT", wants_key);
    let show = "    print(answer.status, answer.read().decode())\n";
    said(
        &format!("curl{key} -T {file_word} {url_word}"),
        &format!("import os, sys, urllib.request\n\n{program}{show}"),
    )
}

fn said(curl: &str, python: &str) -> String {
    let python: String = python.lines().fold(String::new(), |text, line| text + "\n    " + line);
    format!("The same by hand:\n    {curl}\nor in Python:{python}")
}

fn header(wants_key: bool) -> &'static str {
    if wants_key { " -H \"Authorization: Bearer $SOCKEYE_KEY\"" } else { "" }
}

fn program(url: &Address, open: &str, body: &str, method: &str, wants_key: bool) -> String {
    let url = python_word(&url.to_string());
    let headers = if wants_key {
        "{\"Authorization\": \"Bearer \" + os.environ[\"SOCKEYE_KEY\"]}"
    } else {
        "{}"
    };
    format!(
        "{open}request = urllib.request.Request({url}, {body}, {headers}, method=\"{method}\")\n\
         with urllib.request.urlopen(request) as answer:\n"
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
        for text in [fetching(&url, true), sending("a \"b\".txt", &url, true)] {
            let (_, program) = text.split_once("Python:\n").unwrap();
            assert!(program.lines().count() <= 10, "{program}");
            assert!(text.contains("Bearer $SOCKEYE_KEY"), "{text}");
        }
        assert!(!fetching(&url, false).contains("SOCKEYE_KEY"));
    }
}
