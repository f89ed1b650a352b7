//! Sockeye: a LAN hub and a network bench in one binary.
#![forbid(unsafe_code)]
#![allow(unreachable_pub, reason = "in a binary, pub says what other rooms may use")]

use std::process::ExitCode;

mod cli;
mod data;
mod discovery;
mod exit;
mod generate;
mod hub;
mod secret_arguments;
mod services;
mod serving;
mod settings;
mod size;
mod terminal;
mod tls;
mod web;

fn main() -> ExitCode {
    let arguments = std::env::args_os().collect::<Vec<_>>();
    secret_arguments::hide(&arguments);
    let outcome = if generate::is_asked(&arguments) {
        generate::run(arguments)
    } else {
        settings::read(arguments).and_then(run)
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: cli::Cli) -> Result<(), exit::Failure> {
    // Before any other thread exists and before anything from outside is read.
    sockeye_engine::privileges::give_up().map_err(|e| {
        exit::Failure::Ours(format!("cannot give up this process's privileges: {e}"))
    })?;
    sockeye_engine::memory::give_back_large_buffers();
    match cli.verb {
        cli::Verb::Up(up) => hub::up(up),
        cli::Verb::Serve(serve) => match serve.service {
            cli::ServeVerb::Files(files) => services::files::serve::alone(files),
            cli::ServeVerb::Echo(echo) => services::echo::serve::serve(echo),
            cli::ServeVerb::Clock(clock) => services::clock::serve::serve(clock),
        },
        cli::Verb::Get(get) => services::files::call::get::get(get),
        cli::Verb::Put(put) => services::files::call::put::put(put),
        cli::Verb::Echo(echo) => services::echo::call::echo(echo),
        cli::Verb::Clock(clock) => services::clock::call::clock(clock),
        cli::Verb::Find(find) => discovery::find::find(find),
        cli::Verb::Key(key) => hub::key::show(key),
    }
}
