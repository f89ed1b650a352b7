//! How a person does by hand what was just done: with netcat, with ten lines of Python.
//!
//! What is printed runs as it stands; tests run it.

use std::fmt::Write as _;

use serde::Serialize;
use sockeye_proto::address::Scheme;

/// The same exchange with other people's tools.
#[derive(Clone, Debug, Serialize)]
pub struct ByHand {
    /// A line for the shell.
    pub netcat: String,
    /// A program.
    pub python: String,
}

impl ByHand {
    /// For one message to a text service, which answers it with one. An IPv6 host has no brackets;
    /// `wire` is what goes over the
    /// wire, its line end included.
    pub fn of_a_message(scheme: Scheme, host: &str, port: u16, wire: &[u8]) -> Self {
        let flags = match scheme {
            Scheme::Udp => "-u -w1",
            Scheme::Tcp | Scheme::Http | Scheme::Https => "-N",
        };
        let netcat = format!("printf {} | nc {flags} {host} {port}", printf_word(wire));
        let message = python_bytes(wire);
        let python = match scheme {
            Scheme::Udp => {
                let family = if host.contains(':') { "AF_INET6" } else { "AF_INET" };
                format!(
                    "import socket\n\n\
                     with socket.socket(socket.{family}, socket.SOCK_DGRAM) as server:\n    \
                     server.settimeout(5)\n    \
                     server.connect((\"{host}\", {port}))\n    \
                     server.send({message})\n    \
                     answer = server.recv(65536)\n\
                     print(answer.decode(errors=\"replace\"))\n"
                )
            }
            Scheme::Tcp | Scheme::Http | Scheme::Https => format!(
                "import socket\n\n\
                 with socket.create_connection((\"{host}\", {port}), timeout=5) as server:\n    \
                 server.sendall({message})\n    \
                 answer = server.recv(65536)\n\
                 print(answer.decode(errors=\"replace\"))\n"
            ),
        };
        Self { netcat, python }
    }

    /// For a message over UDP to a server that first wants the address proven: the same port asks
    /// again, with the cookie before the line end.
    pub fn with_proof(host: &str, port: u16, message: &[u8], line_end: &[u8]) -> Self {
        const OWN_PORT: u16 = 40_123;
        let whole = [message, line_end].concat();
        let again = printf_word(&[message, b" cookie="].concat());
        let (again, end) = (again.trim_end_matches('\''), printf_word(line_end));
        let end = end.trim_start_matches('\'');
        let nc = format!("nc -u -w1 -p {OWN_PORT} {host} {port}");
        let netcat = format!(
            "c=$(printf {} | {nc} | sed -n 's/^COOKIE //p'); printf {again}%s{end} \"$c\" | {nc}",
            printf_word(&whole)
        );
        let family = if host.contains(':') { "AF_INET6" } else { "AF_INET" };
        let (first, message, end) =
            (python_bytes(&whole), python_bytes(message), python_bytes(line_end));
        let python = format!(
            "import socket\n\n\
             with socket.socket(socket.{family}, socket.SOCK_DGRAM) as server:\n    \
             server.settimeout(5)\n    \
             server.connect((\"{host}\", {port}))\n    \
             server.send({first})\n    \
             cookie = server.recv(65536).split()[1]\n    \
             server.send({message} + b\" cookie=\" + cookie + {end})\n    \
             answer = server.recv(65536)\n\
             print(answer.decode(errors=\"replace\"))\n"
        );
        Self { netcat, python }
    }
}

impl ByHand {
    /// For one message to a text service that wants the key, which is taken from SOCKEYE_KEY: it is
    /// in no line that could be passed on. Over UDP, `wants_proof` says that the address has to be
    /// proven too.
    pub fn with_key(
        scheme: Scheme,
        host: &str,
        port: u16,
        (message, end): (&[u8], &[u8]),
        wants_proof: bool,
    ) -> Self {
        match scheme {
            Scheme::Udp => Self::with_key_in_datagrams(host, port, (message, end), wants_proof),
            Scheme::Tcp | Scheme::Http | Scheme::Https => {
                let whole = [message, end].concat();
                let (word, bytes) = (format_of(&whole), python_bytes(&whole));
                let netcat =
                    format!("printf 'KEY %s\\n{word}' \"$SOCKEYE_KEY\" | nc -N {host} {port}");
                let python = format!(
                    "import os, socket\n\n\
                     key = os.environ[\"SOCKEYE_KEY\"].encode()\n\
                     with socket.create_connection((\"{host}\", {port}), timeout=5) as server:\n    \
                     server.sendall(b\"KEY \" + key + b\"\\n\" + {bytes})\n    \
                     server.shutdown(socket.SHUT_WR)\n    \
                     answer = server.makefile(\"rb\").read()\n\
                     print(answer.decode(errors=\"replace\"))\n"
                );
                Self { netcat, python }
            }
        }
    }

    fn with_key_in_datagrams(
        host: &str,
        port: u16,
        (message, end): (&[u8], &[u8]),
        wants_proof: bool,
    ) -> Self {
        const OWN_PORT: u16 = 40_123;
        let dash = if message.starts_with(b"-") { "-- " } else { "" };
        let (word, word_end) = (format_of(message), format_of(end));
        let asks = format!("printf {dash}'{word} key=%s{word_end}' \"$SOCKEYE_KEY\"");
        let netcat = if wants_proof {
            let nc = format!("nc -u -w1 -p {OWN_PORT} {host} {port}");
            let again = format!("{dash}'{word} key=%s cookie=%s{word_end}' \"$SOCKEYE_KEY\"");
            format!("c=$({asks} | {nc} | sed -n 's/^COOKIE //p'); printf {again} \"$c\" | {nc}")
        } else {
            format!("{asks} | nc -u -w1 {host} {port}")
        };
        let family = if host.contains(':') { "AF_INET6" } else { "AF_INET" };
        let (message, end) = (python_bytes(message), python_bytes(end));
        let proof = if wants_proof {
            format!(
                "cookie = server.recv(65536).split()[1]\n    \
                 server.send({message} + key + b\" cookie=\" + cookie + {end})\n    "
            )
        } else {
            String::new()
        };
        let python = format!(
            "import os, socket\n\
             key = b\" key=\" + os.environ[\"SOCKEYE_KEY\"].encode()\n\
             with socket.socket(socket.{family}, socket.SOCK_DGRAM) as server:\n    \
             server.settimeout(5)\n    \
             server.connect((\"{host}\", {port}))\n    \
             server.send({message} + key + {end})\n    {proof}\
             answer = server.recv(65536)\n\
             print(answer.decode(errors=\"replace\"))\n"
        );
        Self { netcat, python }
    }
}

/// A word as a shell takes it back.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '~' | ',');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Bytes as a word for the shell's printf, whose format it is.
fn printf_word(bytes: &[u8]) -> String {
    let dash = if bytes.first() == Some(&b'-') { "-- " } else { "" };
    format!("{dash}'{}'", format_of(bytes))
}

/// The same to be put between the word's quotes.
fn format_of(bytes: &[u8]) -> String {
    let mut word = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' => word.push_str("'\\''"),
                '%' => word.push_str("%%"),
                '\\' => word.push_str("\\\\"),
                '\n' => word.push_str("\\n"),
                '\r' => word.push_str("\\r"),
                c if c.is_control() => push_octal(&mut word, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => word.push(c),
            }
        }
        push_octal(&mut word, chunk.invalid());
    }
    word
}

fn push_octal(word: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(word, "\\{byte:03o}");
    }
}

/// Bytes as Python writes them.
fn python_bytes(bytes: &[u8]) -> String {
    format!("b\"{}\"", bytes.escape_ascii().to_string().replace("\\'", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn messages() -> Vec<Vec<u8>> {
        let every_byte: Vec<u8> = (1..=255).collect();
        let texts = ["SEND_TIME\n", "it's 100% \\n \"x\"", "-n", "日本\u{202e}\u{85}", "$(id)`id`"];
        texts.iter().map(|text| text.as_bytes().to_vec()).chain([every_byte]).collect()
    }

    #[test]
    fn the_shells_printf_prints_the_very_bytes() {
        for message in messages() {
            for shell in ["sh", "bash"] {
                let command = format!("printf {}", printf_word(&message));
                let output = Command::new(shell).args(["-c", &command]).output().unwrap();
                assert_eq!(output.stdout, message, "{shell}: {command}");
            }
        }
    }

    #[test]
    fn python_reads_the_very_bytes() {
        for message in messages() {
            let program =
                format!("import sys; sys.stdout.buffer.write({})", python_bytes(&message));
            let output = Command::new("python3").args(["-c", &program]).output().unwrap();
            assert_eq!(output.stdout, message, "{program}");
        }
    }

    #[test]
    fn a_program_has_at_most_ten_lines() {
        for scheme in [Scheme::Tcp, Scheme::Udp] {
            let by_hand = ByHand::of_a_message(scheme, "127.0.0.1", 7002, b"x");
            assert!(by_hand.python.lines().count() <= 10, "{}", by_hand.python);
        }
        let by_hand = ByHand::with_proof("127.0.0.1", 7002, b"x", b"");
        assert!(by_hand.python.lines().count() <= 10, "{}", by_hand.python);
        for (scheme, proof) in [(Scheme::Tcp, false), (Scheme::Udp, false), (Scheme::Udp, true)] {
            let by_hand = ByHand::with_key(scheme, "127.0.0.1", 7002, (b"x", b""), proof);
            assert!(by_hand.python.lines().count() <= 10, "{}", by_hand.python);
        }
    }

    /// A server that wants proof of a cookie that it made for the caller's port, behind this.
    fn server_that_wants_proof(request: &'static str) -> u16 {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok((n, from)) = server.recv_from(&mut buffer) {
                let cookie = format!("{:022}", from.port());
                let proven = format!("{request} cookie={cookie}\n");
                let answer = if buffer[..n] == *proven.as_bytes() {
                    "the long answer".to_owned()
                } else {
                    format!("COOKIE {cookie}\n")
                };
                let _ = server.send_to(answer.as_bytes(), from);
            }
        });
        port
    }

    fn assert_both_print(by_hand: ByHand, expected: &str) {
        for (program, text) in [("sh", by_hand.netcat), ("python3", by_hand.python)] {
            let mut command = Command::new(program);
            let command = command.args(["-c", &text]).env("SOCKEYE_KEY", "sesame-street");
            let output = command.output().unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            assert_eq!(printed.trim_end(), expected, "{text}");
        }
    }

    #[test]
    fn the_lines_for_a_server_that_wants_proof_give_it() {
        let port = server_that_wants_proof("it's 100%");
        let by_hand = ByHand::with_proof("127.0.0.1", port, b"it's 100%", b"\n");
        assert_both_print(by_hand, "the long answer");
        // In the same test, because the lines take a port of their own.
        let port = server_that_wants_proof("-it's 100% key=sesame-street");
        let message = (&b"-it's 100%"[..], &b"\n"[..]);
        let by_hand = ByHand::with_key(Scheme::Udp, "127.0.0.1", port, message, true);
        assert_both_print(by_hand, "the long answer");
    }

    #[test]
    fn the_lines_for_a_server_that_wants_the_key_take_it_from_the_environment() {
        let message = (&b"-it's 100%"[..], &b"\n"[..]);
        let echo = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = echo.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok((n, from)) = echo.recv_from(&mut buffer) {
                let _ = echo.send_to(&buffer[..n], from);
            }
        });
        let by_hand = ByHand::with_key(Scheme::Udp, "127.0.0.1", port, message, false);
        assert_both_print(by_hand, "-it's 100% key=sesame-street");

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            while let Ok((mut caller, _)) = listener.accept() {
                let mut heard = Vec::new();
                let _ = std::io::Read::read_to_end(&mut caller, &mut heard);
                let _ = std::io::Write::write_all(&mut caller, &heard);
            }
        });
        let by_hand = ByHand::with_key(Scheme::Tcp, "127.0.0.1", port, message, false);
        assert_both_print(by_hand, "KEY sesame-street\n-it's 100%");
    }
}
