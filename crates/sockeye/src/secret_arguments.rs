//! Keys on the command line, which would stand in the process list for every user of the machine.
//!
//! A process cannot change what is shown of its arguments, but it can begin anew: the keys go into
//! the environment, which only its own user can read, and the program runs itself again without
//! them. There they are settings like any other.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Flags whose values are secret, and the variables that say the same.
const SECRETS: [(&str, &str); 2] = [("--key", "SOCKEYE_KEY"), ("--join-key", "SOCKEYE_JOIN_KEY")];
/// What a link has before the key.
const IN_LINK: &[u8] = b"#k=";

/// Arguments without their secrets.
#[derive(Debug, PartialEq, Eq)]
struct Parted {
    arguments: Vec<OsString>,
    secrets: Vec<(&'static str, OsString)>,
}

/// Begins anew without the keys among the arguments, if there are any. Returns only if there are
/// none, or if the system does not let this program run itself.
pub fn hide(arguments: &[OsString]) {
    let Some((name, rest)) = arguments.split_first() else { return };
    let parted = part(rest);
    if parted.secrets.is_empty() {
        return;
    }
    // A failure to hide them is no reason not to work: they are shown, as with any other program.
    let _ = Command::new("/proc/self/exe")
        .arg0(name)
        .args(parted.arguments)
        .envs(parted.secrets)
        .exec();
}

fn part(arguments: &[OsString]) -> Parted {
    let mut parted = Parted { arguments: Vec::new(), secrets: Vec::new() };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            parted.arguments.push(argument.clone());
            parted.arguments.extend(rest.cloned());
            break;
        }
        if let Some((_, variable)) = SECRETS.iter().find(|(flag, _)| argument == flag) {
            match rest.next() {
                Some(value) => parted.secrets.push((variable, value.clone())),
                // Its value is missing, and is asked for as usual.
                None => parted.arguments.push(argument.clone()),
            }
        } else if let Some((variable, value)) = with_value(argument) {
            parted.secrets.push((variable, value));
        } else if let Some((link, key)) = in_link(argument) {
            parted.arguments.push(link);
            parted.secrets.push(("SOCKEYE_KEY", key));
        } else {
            parted.arguments.push(argument.clone());
        }
    }
    parted
}

/// `--key=VALUE`.
fn with_value(argument: &OsStr) -> Option<(&'static str, OsString)> {
    SECRETS.iter().find_map(|(flag, variable)| {
        let value = argument.as_bytes().strip_prefix(flag.as_bytes())?.strip_prefix(b"=")?;
        Some((*variable, OsString::from_vec(value.to_vec())))
    })
}

/// `http://HOST:PORT/#k=VALUE`, where `&f=FINGERPRINT` may follow, which stays.
fn in_link(argument: &OsStr) -> Option<(OsString, OsString)> {
    let bytes = argument.as_bytes();
    let is_link = [&b"http://"[..], b"https://"].iter().any(|scheme| bytes.starts_with(scheme));
    let at = bytes.windows(IN_LINK.len()).position(|part| part == IN_LINK).filter(|_| is_link)?;
    let (before, said) = (&bytes[..at], &bytes[at + IN_LINK.len()..]);
    let (key, rest) = match said.iter().position(|&b| b == b'&') {
        Some(end) => (&said[..end], [b"#", &said[end + 1..]].concat()),
        None => (said, Vec::new()),
    };
    let link = [before, &rest].concat();
    Some((OsString::from_vec(link), OsString::from_vec(key.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parted(arguments: &[&str]) -> (Vec<String>, Vec<(&'static str, String)>) {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let Parted { arguments, secrets } = part(&arguments);
        let text = |text: OsString| text.into_string().unwrap();
        (
            arguments.into_iter().map(text).collect(),
            secrets.into_iter().map(|(variable, value)| (variable, text(value))).collect(),
        )
    }

    #[test]
    fn keys_leave_the_arguments_however_they_are_given() {
        for given in [&["--key", "abc"][..], &["--key=abc"]] {
            let arguments = [&["get", "http://h/"], given].concat();
            let left = vec!["get".to_owned(), "http://h/".to_owned()];
            assert_eq!(parted(&arguments), (left, vec![("SOCKEYE_KEY", "abc".to_owned())]));
        }
        let (left, secrets) = parted(&["get", "http://h:8080/a#k=abc", "-o", "-"]);
        assert_eq!(left, ["get", "http://h:8080/a", "-o", "-"]);
        assert_eq!(secrets, [("SOCKEYE_KEY", "abc".to_owned())]);
        let (left, secrets) = parted(&["get", "https://h/a#k=abc&f=0123"]);
        assert_eq!(left, ["get", "https://h/a#f=0123"]);
        assert_eq!(secrets, [("SOCKEYE_KEY", "abc".to_owned())]);
        assert_eq!(parted(&["up", "--join-key=k"]).1, [("SOCKEYE_JOIN_KEY", "k".to_owned())]);
    }

    #[test]
    fn what_is_no_flag_stays() {
        for arguments in [
            &["echo", "localhost", "--", "--key", "abc"][..],
            &["get", "--key"],
            &["get", "file#k=1"],
            &["up", "--keys=1"],
        ] {
            assert_eq!(
                parted(arguments),
                (arguments.iter().map(|a| (*a).to_owned()).collect(), vec![])
            );
        }
    }
}
