//! The command line: parse, call, render, progress, exit codes. It thinks nothing.

#[cfg(feature = "build")]
mod args;
#[cfg(feature = "build")]
mod checking;
#[cfg(feature = "build")]
mod exchange;
#[cfg(feature = "build")]
mod inspecting;
#[cfg(feature = "build")]
mod making;
mod out;
#[cfg(feature = "build")]
mod plan_args;
#[cfg(feature = "build")]
mod planning;
#[cfg(feature = "build")]
mod progress;
#[cfg(feature = "build")]
mod pulling;
mod render;
mod style;
#[cfg(feature = "build")]
mod trust_args;
#[cfg(feature = "build")]
mod trusting;
mod use_args;
mod use_text;
mod using;
#[cfg(feature = "build")]
mod vet_args;
#[cfg(feature = "build")]
mod vetting;
#[cfg(feature = "build")]
mod whole;

#[cfg(feature = "build")]
pub use whole::main;

use crate::report::{Error, ErrorCode};
use clap::Parser;
use std::process::ExitCode;
use use_args::{EXITS, Format, Using};

/// Verifies bundles and installs them: the small part of `cumulate` that is shipped beside a bundle.
#[derive(Debug, Parser)]
#[command(name = "cumulate-apply", version, disable_help_subcommand = true, after_help = EXITS)]
struct Installer {
    #[command(subcommand)]
    command: Using,
}

/// [`main`] of the small installer: the same commands, without those that make bundles.
pub fn apply_main() -> ExitCode {
    let json = |i: &Installer| i.command.form().format == Format::Json;
    finish(Installer::try_parse(), json, |i| using::run(i.command))
}

/// Answers what cannot be parsed, runs the rest, and turns the outcome into an exit code.
fn finish<C>(
    parsed: Result<C, clap::Error>,
    json: impl Fn(&C) -> bool,
    run: impl Fn(C) -> crate::report::Result<u8>,
) -> ExitCode {
    let command = match parsed {
        Ok(command) => command,
        Err(e) => {
            // Help and version are answers, everything else is a usage error.
            if e.use_stderr() && asks_for_json(std::env::args_os()) {
                out::error(&usage(&e.to_string()), true);
            } else {
                let _ = e.print();
            }
            return ExitCode::from(if e.use_stderr() { ErrorCode::Usage.exit() } else { 0 });
        }
    };
    let json = json(&command);
    match crate::disk::Disk::check_supported().and_then(|()| run(command)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            out::error(&error, json);
            ExitCode::from(error.exit())
        }
    }
}

/// Whether a command line that could not be understood asked for JSON all the same.
fn asks_for_json(args: impl Iterator<Item = std::ffi::OsString>) -> bool {
    let words: Vec<_> = args.collect();
    words.iter().any(|w| w == "--format=json") || words.windows(2).any(|w| w[0] == "--format" && w[1] == "json")
}

/// clap's words as an error: what is wrong, without the help that it adds for people.
fn usage(said: &str) -> Error {
    let what = said.split("\n\n").next().unwrap_or(said);
    Error::new(ErrorCode::Usage, "command line", what.strip_prefix("error: ").unwrap_or(what).trim_end())
        .next("see --help, or --help behind the command")
}
