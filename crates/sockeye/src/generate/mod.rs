//! What a package holds besides the program: manual pages and completions, made from the same
//! definitions as `--help`.
//!
//! `sockeye --generate WHAT` is for who packages Sockeye, or wants completions of a copied binary.
//! It is no verb, so that no help, manual page, completion or setting knows of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser, ValueEnum};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Failure;
use crate::serving;

mod complete;
mod manual;
mod prose;

const FLAG: &str = "--generate";

/// `sockeye --generate WHAT [DIR]`.
#[derive(Debug, Parser)]
#[command(name = "sockeye", disable_help_flag = true)]
struct Generate {
    /// What to make.
    #[arg(long, value_enum, value_name = "WHAT")]
    generate: What,
    /// Where the manual pages go, one a verb; it exists.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// The manual pages, into a folder.
    Man,
    /// What bash reads, on standard output, and likewise the others.
    CompleteBash,
    CompleteZsh,
    CompleteFish,
}

/// Whether this command line is meant for [`run`].
pub fn is_asked(arguments: &[OsString]) -> bool {
    let first = arguments.get(1).and_then(|first| first.to_str());
    first.and_then(|first| first.strip_prefix(FLAG)).is_some_and(|rest| {
        // `--generate=man` is the same to the parser.
        rest.is_empty() || rest.starts_with('=')
    })
}

/// Makes what was asked for.
pub fn run(arguments: Vec<OsString>) -> Result<(), Failure> {
    let asked = Generate::try_parse_from(arguments).map_err(|e| Failure::Clap(Box::new(e)))?;
    match (asked.generate, asked.folder) {
        (What::Man, Some(folder)) => write_manual(&folder),
        (What::Man, None) => Err(Failure::Usage(format!(
            "the manual has a page for each verb; give a folder for them: {FLAG} man DIR"
        ))),
        (_, Some(_)) => Err(Failure::Usage(
            "completions go to standard output: leave the folder out, and write `> FILE`".into(),
        )),
        (What::CompleteBash, None) => serving::print_bytes(&complete::script(Shell::Bash)),
        (What::CompleteZsh, None) => serving::print_bytes(&complete::script(Shell::Zsh)),
        (What::CompleteFish, None) => serving::print_bytes(&complete::script(Shell::Fish)),
    }
}

fn write_manual(folder: &Path) -> Result<(), Failure> {
    let pages = manual::pages(Cli::command());
    for (name, page) in pages.map_err(|e| Failure::Ours(format!("cannot write the manual: {e}")))? {
        let place = folder.join(name);
        std::fs::write(&place, page).map_err(|error| {
            let place = place.display();
            Failure::Usage(format!("cannot write {place}: {error}; give a folder that exists"))
        })?;
    }
    Ok(())
}
