//! Settings from three places: the command line wins over SOCKEYE_* variables, and those over the
//! file that `--config` names.
//!
//! Every setting is a flag. What the command line leaves out is looked up under the flag's own
//! name and handed to the same parser, so that a value is read, checked and refused in one way
//! wherever it comes from. In the file the verb is a table: `[up]`, `[serve.files]`, `[get]`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};

use sockeye_proto::printable::Printable;

use crate::cli::Cli;
use crate::exit::Failure;

const PREFIX: &str = "SOCKEYE_";
/// A longer file is none of ours.
const SETTINGS_MAX_BYTES: u64 = 1 << 20;
/// Flags that are not settings.
const NOT_SETTINGS: [&str; 3] = ["help", "version", "config"];

/// Reads the command line and fills what it leaves out.
pub fn read(arguments: Vec<OsString>) -> Result<Cli, Failure> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.to_str()?.strip_prefix(PREFIX)?.to_owned();
            Some((name, value))
        })
        .collect();
    read_from(arguments, environment)
}

fn read_from(
    arguments: Vec<OsString>,
    environment: BTreeMap<String, OsString>,
) -> Result<Cli, Failure> {
    let mut command = Cli::command();
    command.build();
    let given = command.clone().try_get_matches_from(&arguments).map_err(clap_failure)?;
    let (verbs, leaf, matches) = descend(&command, &given);
    check_variables(&command, &environment)?;
    let config = matches.try_get_one::<PathBuf>("config").ok().flatten().cloned();
    let config = config.or_else(|| environment.get("CONFIG").map(PathBuf::from));
    let table = match config {
        Some(path) => table_of(&path, &command, &verbs)?,
        None => toml::Table::new(),
    };
    let mut extra = Vec::new();
    let mut positional = None;
    let mut sources = Vec::new();
    for argument in settings_of(leaf) {
        let id = argument.get_id().as_str();
        if matches.value_source(id) == Some(ValueSource::CommandLine) {
            continue;
        }
        let name = name_of(argument);
        let variable = variable_of(&name);
        let (source, mut values) = match (environment.get(&variable), table.get(&name)) {
            (Some(value), _) => (format!("{PREFIX}{variable}"), from_variable(argument, value)),
            (None, Some(value)) => (name.clone(), from_file(argument, &name, value)?),
            (None, None) => continue,
        };
        if is_switch(argument) {
            let value = values.pop().unwrap_or_default();
            values = if is_on(&source, &value)? { vec![value] } else { Vec::new() };
        }
        sources.push(source);
        if argument.is_positional() {
            positional = values.into_iter().next();
        } else {
            extra.extend(values.into_iter().map(|value| flag_of(argument, &name, &value)));
        }
    }
    let completed = complete(arguments, extra, positional);
    Cli::command()
        .try_get_matches_from(completed)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| {
            // The command line alone was well-formed, so it is one of these.
            let error = error.to_string();
            let reason = error.lines().next().unwrap_or_default().trim_start_matches("error: ");
            let sources = sources.join(", ");
            Failure::Usage(format!("{reason} (from the settings: {sources})"))
        })
}

fn clap_failure(error: clap::Error) -> Failure {
    Failure::Clap(Box::new(error))
}

/// Follows the verbs down to the one that is meant.
fn descend<'a>(
    command: &'a Command,
    matches: &'a ArgMatches,
) -> (Vec<String>, &'a Command, &'a ArgMatches) {
    let (mut verbs, mut command, mut matches) = (Vec::new(), command, matches);
    while let Some((verb, inner)) = matches.subcommand() {
        let Some(inner_command) = command.find_subcommand(verb) else { break };
        verbs.push(verb.to_owned());
        (command, matches) = (inner_command, inner);
    }
    (verbs, command, matches)
}

fn settings_of(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|a| !NOT_SETTINGS.contains(&a.get_id().as_str()))
}

/// A flag's long name, or a positional argument's own.
fn name_of(argument: &Arg) -> String {
    argument.get_long().map_or_else(|| argument.get_id().as_str().to_owned(), str::to_owned)
}

fn variable_of(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn is_switch(argument: &Arg) -> bool {
    matches!(argument.get_action(), clap::ArgAction::SetTrue)
}

fn from_variable(argument: &Arg, value: &OsStr) -> Vec<OsString> {
    if matches!(argument.get_action(), clap::ArgAction::Append) {
        // Several values in one variable stand apart by white space.
        let text = value.to_string_lossy();
        return text.split_whitespace().map(OsString::from).collect();
    }
    vec![value.to_owned()]
}

/// A switch is on or off; anything else is neither.
fn is_on(name: &str, value: &OsStr) -> Result<bool, Failure> {
    match value.to_str() {
        Some("1" | "true" | "yes" | "on") => Ok(true),
        Some("" | "0" | "false" | "no" | "off") => Ok(false),
        _ => {
            let value = Printable(value.as_encoded_bytes());
            Err(Failure::Usage(format!("`{name}` is `{value}`; write true or false")))
        }
    }
}

fn from_file(argument: &Arg, name: &str, value: &toml::Value) -> Result<Vec<OsString>, Failure> {
    let one = |value: &toml::Value| match value {
        toml::Value::String(text) => Ok(OsString::from(text)),
        toml::Value::Integer(n) => Ok(n.to_string().into()),
        toml::Value::Boolean(b) => Ok(b.to_string().into()),
        other => Err(Failure::Usage(format!("`{name}` cannot be a {}", other.type_str()))),
    };
    match value {
        toml::Value::Array(values) if matches!(argument.get_action(), clap::ArgAction::Append) => {
            values.iter().map(one).collect()
        }
        value => Ok(vec![one(value)?]),
    }
}

fn flag_of(argument: &Arg, name: &str, value: &OsStr) -> OsString {
    let mut flag = OsString::from(format!("--{name}"));
    if !is_switch(argument) {
        flag.push("=");
        flag.push(value);
    }
    flag
}

/// Puts the flags before a `--`, if there is one, and a positional value behind it.
fn complete(
    mut arguments: Vec<OsString>,
    extra: Vec<OsString>,
    positional: Option<OsString>,
) -> Vec<OsString> {
    let end = arguments.iter().position(|a| a == "--");
    let at = end.unwrap_or(arguments.len());
    arguments.splice(at..at, extra);
    if let Some(value) = positional {
        if end.is_none() {
            arguments.push("--".into());
        }
        arguments.push(value);
    }
    arguments
}

/// Reads the file and gives the table of the verb that is meant; every key in the file must be a
/// setting of its verb.
fn table_of(
    path: &std::path::Path,
    command: &Command,
    verbs: &[String],
) -> Result<toml::Table, Failure> {
    let shown = path.display();
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(SETTINGS_MAX_BYTES + 1).read_to_string(&mut text))
        .map_err(|e| Failure::Usage(format!("cannot read the settings in {shown}: {e}")))?;
    if text.len() as u64 > SETTINGS_MAX_BYTES {
        return Err(Failure::Usage(format!("{shown} is longer than settings are: 1 MiB at most")));
    }
    let mut table: toml::Table =
        text.parse().map_err(|e| Failure::Usage(format!("{shown} is not TOML: {e}")))?;
    check_keys(command, &table, "").map_err(|e| Failure::Usage(format!("{shown}: {e}")))?;
    for verb in verbs {
        table = match table.remove(verb) {
            Some(toml::Value::Table(inner)) => inner,
            _ => return Ok(toml::Table::new()),
        };
    }
    Ok(table)
}

fn check_keys(command: &Command, table: &toml::Table, within: &str) -> Result<(), String> {
    for (key, value) in table {
        let verb = command.get_subcommands().find(|c| c.get_name() == key);
        match (verb, value) {
            (Some(verb), toml::Value::Table(inner)) => {
                check_keys(verb, inner, &format!("{within}{key}."))?;
            }
            (Some(_), _) => return Err(format!("`{within}{key}` is a table: [{within}{key}]")),
            (None, _) if settings_of(command).any(|a| name_of(a) == *key) => {}
            (None, _) => {
                let names = settings_of(command).map(name_of);
                let verbs = command.get_subcommands().map(|c| c.get_name().to_owned());
                let near = nearest(key, names.chain(verbs));
                return Err(format!("there is no setting `{within}{key}`{near}"));
            }
        }
    }
    Ok(())
}

fn check_variables(
    command: &Command,
    environment: &BTreeMap<String, OsString>,
) -> Result<(), Failure> {
    let mut known = vec!["CONFIG".to_owned()];
    gather_variables(command, &mut known);
    for name in environment.keys() {
        if !known.contains(name) {
            let near = nearest(name, known.iter().map(|k| format!("{PREFIX}{k}")));
            return Err(Failure::Usage(format!("there is no setting {PREFIX}{name}{near}")));
        }
    }
    Ok(())
}

fn gather_variables(command: &Command, known: &mut Vec<String>) {
    known.extend(settings_of(command).map(|a| variable_of(&name_of(a))));
    for inner in command.get_subcommands() {
        gather_variables(inner, known);
    }
}

/// `; did you mean ...?`, or nothing if no name is near.
fn nearest(wrong: &str, names: impl Iterator<Item = String>) -> String {
    let bare = |name: &str| name.trim_start_matches(PREFIX).to_lowercase();
    names
        .map(|name| (strsim::jaro_winkler(&bare(wrong), &bare(&name)), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Verb;

    fn read(arguments: &str, environment: &[(&str, &str)]) -> Result<Cli, Failure> {
        let arguments = arguments.split_whitespace().map(OsString::from).collect();
        let environment =
            environment.iter().map(|(n, v)| ((*n).to_owned(), OsString::from(v))).collect();
        read_from(arguments, environment)
    }

    fn up(cli: Cli) -> crate::cli::Up {
        match cli.verb {
            Verb::Up(up) => up,
            other => panic!("not up: {other:?}"),
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_command_line_wins_over_variables_and_those_over_the_file() {
        let file = file("[up]\nport = 1\nhidden = true\nmax-clients = 3\ndir = '/srv'\n");
        let line = format!("sockeye up --config {} --port 4", file.path().display());
        let up = up(read(&line, &[("PORT", "2"), ("MAX_CLIENTS", "5")]).unwrap());
        assert_eq!((up.port, up.server.max_clients.0, up.share.hidden), (4, Some(5), true));
        assert_eq!(up.dir, PathBuf::from("/srv"));
    }

    #[test]
    fn lists_come_as_arrays_or_apart_by_spaces() {
        let file = file("[up]\nhost = ['a', 'b']\n");
        let line = format!("sockeye up --config {}", file.path().display());
        assert_eq!(up(read(&line, &[]).unwrap()).server.host, ["a", "b"]);
        let from_variable = up(read("sockeye up", &[("HOST", "c d")]).unwrap());
        assert_eq!(from_variable.server.host, ["c", "d"]);
    }

    #[test]
    fn an_unknown_key_names_the_near_one() {
        let file = file("[up]\nmax-client = 3\n");
        let line = format!("sockeye up --config {}", file.path().display());
        let error = read(&line, &[]).unwrap_err().to_string();
        assert!(
            error.ends_with("no setting `up.max-client`; did you mean `max-clients`?"),
            "{error}"
        );
        let error = read("sockeye up", &[("PROT", "1")]).unwrap_err().to_string();
        assert_eq!(error, "there is no setting SOCKEYE_PROT; did you mean `SOCKEYE_PORT`?");
    }

    #[test]
    fn a_bad_value_from_the_file_is_refused_like_one_from_the_line() {
        let file = file("[up]\nport = 99999\n");
        let line = format!("sockeye up --config {}", file.path().display());
        assert!(read(&line, &[]).unwrap_err().to_string().contains("99999"));
    }

    #[test]
    fn a_variable_of_another_verb_disturbs_nobody() {
        assert!(read("sockeye get http://h/x", &[("PORT", "1")]).is_ok());
    }

    #[test]
    fn a_switch_can_be_switched_off() {
        assert!(!up(read("sockeye up", &[("HIDDEN", "0")]).unwrap()).share.hidden);
        assert!(up(read("sockeye up", &[("HIDDEN", "1")]).unwrap()).share.hidden);
    }

    #[test]
    fn a_switch_that_is_neither_on_nor_off_is_refused() {
        for value in ["'maybe'", "2", "'No'"] {
            let file = file(&format!("[up]\nhidden = {value}\n"));
            let line = format!("sockeye up --config {}", file.path().display());
            assert!(read(&line, &[]).unwrap_err().to_string().contains("true or false"), "{value}");
        }
        let error = read("sockeye up", &[("HIDDEN", "maybe")]).unwrap_err().to_string();
        assert_eq!(error, "`SOCKEYE_HIDDEN` is `maybe`; write true or false");
        let file = file("[up]\nhidden = 'no'\n");
        let line = format!("sockeye up --config {}", file.path().display());
        assert!(!up(read(&line, &[]).unwrap()).share.hidden);
    }

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }
}
