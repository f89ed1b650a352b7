//! Manual pages: `sockeye.1` for all, and one page a verb, as users of git know it.
//!
//! clap_mangen writes what the definitions of the flags hold; the sections that they do not hold
//! come from [`prose`](super::prose), and the examples from the end of `--help`.

use std::io;

use clap::Command;
use clap_mangen::Man;
use jiff::Timestamp;
use roff::{Roff, bold, roman};

use super::prose::{self, Entry};

/// What the end of `--help` begins with, before examples.
const EXAMPLES: [&str; 2] = ["Examples:", "Begin with:"];

/// Each page's file name and text.
pub fn pages(mut command: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    command.build();
    let mut commands = Vec::new();
    gather(&command, &mut commands);
    let version = command.get_version().unwrap_or_default();
    let names: Vec<&str> = commands.iter().map(|command| full_name(command)).collect();
    let page_of = |command: &&Command| {
        let text = page(command, version, &names)?;
        Ok((format!("{}.1", full_name(command)), text))
    };
    commands.iter().map(page_of).collect()
}

/// The verb, then those within it.
fn gather<'a>(command: &'a Command, commands: &mut Vec<&'a Command>) {
    commands.push(command);
    for inner in command.get_subcommands() {
        gather(inner, commands);
    }
}

/// `sockeye-serve-files`.
fn full_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command, version: &str, names: &[&str]) -> io::Result<Vec<u8>> {
    let name = full_name(command);
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .date(date())
        .source(format!("Sockeye {version}"))
        .manual("Sockeye's Manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    page.extend(synopsis(command).to_roff().bytes());
    man.render_description_section(&mut page)?;
    let mut more = Roff::new();
    for paragraph in prose::description(name).iter().copied().chain(notes(&help)) {
        more.control("PP", []).text([roman(paragraph)]);
    }
    verbs(&mut more, command);
    page.extend(more.to_roff().bytes());
    man.render_options_section(&mut page)?;
    let mut end = Roff::new();
    examples(&mut end, &help);
    section(&mut end, "EXIT STATUS", &prose::EXIT_STATUS);
    section(&mut end, "ENVIRONMENT", &prose::ENVIRONMENT);
    section(&mut end, "FILES", &prose::FILES);
    see_also(&mut end, name, names);
    page.extend(end.to_roff().bytes());
    Ok(page)
}

/// The day it was made, or the one that whoever packages it names, so that the same source makes the
/// same page.
fn date() -> String {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    let given = given.and_then(|seconds| Timestamp::from_second(seconds).ok());
    given.unwrap_or_else(Timestamp::now).strftime("%Y-%m-%d").to_string()
}

/// The usage line alone: clap_mangen would name each of forty flags, without its value.
fn synopsis(command: &Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    match usage.strip_prefix(name) {
        Some(rest) => roff.text([bold(name), roman(rest)]),
        None => roff.text([roman(usage)]),
    };
    roff
}

fn verbs(roff: &mut Roff, command: &Command) {
    if command.has_subcommands() {
        roff.control("SH", ["VERBS"]);
    }
    for inner in command.get_subcommands() {
        let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
        let page = format!("{}(1)", full_name(inner));
        roff.control("TP", []).text([bold(page)]).text([roman(about)]);
    }
}

/// The end of `--help` has examples up to an empty line, as they are typed.
fn examples(roff: &mut Roff, help: &str) {
    let Some(rest) = EXAMPLES.iter().find_map(|title| help.strip_prefix(title)) else { return };
    roff.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in rest.trim_start_matches('\n').lines().take_while(|line| !line.is_empty()) {
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    roff.control("fi", []);
}

/// And behind it what else is to be said; of exit codes each page has a section of its own.
fn notes(help: &str) -> impl Iterator<Item = &str> {
    let paragraphs = help.split("\n\n");
    let is_example = |text: &str| EXAMPLES.iter().any(|title| text.starts_with(title));
    paragraphs.filter(move |text| {
        !text.is_empty() && !is_example(text) && !text.starts_with("Exit codes")
    })
}

fn section(roff: &mut Roff, heading: &str, entries: &[Entry]) {
    roff.control("SH", [heading]);
    for (term, text) in entries {
        roff.control("TP", []).text([bold(*term)]).text([roman(*text)]);
    }
}

fn see_also(roff: &mut Roff, name: &str, names: &[&str]) {
    roff.control("SH", ["SEE ALSO"]);
    let others: Vec<&str> = names.iter().copied().filter(|other| *other != name).collect();
    for (at, other) in others.iter().enumerate() {
        let after = if at + 1 == others.len() { "(1)" } else { "(1)," };
        roff.control("BR", [*other, after]);
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    fn text_of(name: &str) -> String {
        let pages = pages(Cli::command()).unwrap();
        let page = pages.into_iter().find(|(page, _)| page == name);
        String::from_utf8(page.unwrap_or_else(|| panic!("no page {name}")).1).unwrap()
    }

    #[test]
    fn each_verb_has_a_page_with_all_sections() {
        let pages = pages(Cli::command()).unwrap();
        assert!(pages.iter().any(|(name, _)| name == "sockeye-serve-files.1"));
        for (name, page) in pages {
            let page = String::from_utf8(page).unwrap();
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "\"EXIT STATUS\"", "FILES"] {
                assert!(page.contains(&format!(".SH {section}\n")), "{section} in {name}:\n{page}");
            }
        }
    }

    #[test]
    fn every_flag_of_the_help_is_in_the_page() {
        let page = text_of("sockeye-up.1");
        let mut command = Cli::command();
        command.build();
        let up = command.find_subcommand("up").unwrap();
        for flag in up.get_arguments().filter_map(|argument| argument.get_long()) {
            let written = format!("\\-\\-{}", flag.replace('-', "\\-"));
            assert!(page.contains(&written), "--{flag} is not in:\n{page}");
        }
    }

    #[test]
    fn examples_stand_as_they_are_typed() {
        let page = text_of("sockeye-get.1");
        let examples = page.split(".SH EXAMPLES\n.nf\n").nth(1).unwrap();
        assert!(examples.starts_with("sockeye get http://127.0.0.1:8080/photo.jpg\n"), "{page}");
        assert!(page.contains("a get that was cut goes on where it was"), "{page}");
    }
}
