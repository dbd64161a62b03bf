//! The command line: parse, call, render, progress, exit codes. It thinks nothing.

mod args;
mod exchange;
mod inspecting;
mod making;
mod out;
mod plan_args;
mod planning;
mod progress;
mod pulling;
mod render;
mod style;
mod trust_args;
mod trusting;
mod using;
mod vet_args;
mod vetting;

use crate::report::{Error, ErrorCode};
use crate::verb::Taker;
use args::{BaseCommand, Cli, Command, DeltaCommand};
use clap::{CommandFactory as _, Parser as _};
use out::Out;
use plan_args::{Export, Import};
use std::process::ExitCode;

/// Parses the arguments, runs the command and returns the exit code (design, section 6).
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
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
    let json = wants_json(&cli.command);
    match run(cli.command) {
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
        .next("see 'cumulate --help', or --help behind the command")
}

fn run(command: Command) -> crate::report::Result<u8> {
    crate::disk::Disk::check_supported()?;
    match command {
        Command::Init { dir, output } => making::init(&dir, Out::new(output.format)),
        Command::Base(BaseCommand::Add { version, from, dir, track, trust, output }) => {
            making::base_add(&dir, &version, &from, track.as_deref(), &trust, Out::new(output.format))
        }
        Command::Keygen { out, passphrase, output } => {
            making::keygen(&out, passphrase.as_deref(), Out::new(output.format))
        }
        Command::Plan(plan) => planning::plan(&plan),
        Command::Pull(a) => pulling::pull(&a.bundle, &a.fix, a.rebuild().as_ref(), Out::new(a.out.format)),
        Command::Import(from) => exchange::import(&from),
        Command::Export(Export::Quilt(a)) => exchange::export(&a, Taker::Quilt),
        Command::Export(Export::GitAm(a)) => exchange::export(&a, Taker::GitAm),
        Command::Build {
            dir,
            output,
            layout,
            key,
            passphrase,
            role,
            profile,
            threads,
            cache,
            no_cache,
            force,
            selection,
            out,
        } => making::build(&making::BuildArgs {
            dir,
            output,
            layout,
            key,
            passphrase,
            role,
            profile,
            threads,
            cache,
            no_cache,
            force,
            selection,
            out: Out::new(out.format),
        }),
        Command::Merge { dir, out, track, selection, output } => {
            making::merge(&dir, &out, track.as_deref(), &selection, Out::new(output.format))
        }
        Command::Sign { bundle, key, passphrase, emit, attach, public, envelope, role, output } => {
            if let Some(envelope) = envelope {
                return making::add_envelope(&bundle, &envelope, Out::new(output.format));
            }
            let by = match (key, emit, attach.zip(public)) {
                (Some(key), ..) => making::Signer::Key(making::key_source(&key, passphrase.as_deref())?),
                (_, Some(emit), _) => making::Signer::Emit(emit),
                (_, _, Some((signature, public))) => making::Signer::Attach { signature, public },
                (None, None, None) => {
                    return Err(Error::new(ErrorCode::Usage, "sign", "nothing says who signs")
                        .next("give --key, --emit, or --attach with --pub"));
                }
            };
            making::sign(&bundle, by, &role, Out::new(output.format))
        }
        Command::Verify { bundle, trust, bases, output } => {
            using::verify(&bundle, &trust, bases.as_deref(), Out::new(output.format))
        }
        Command::Inspect { bundle, base, envelopes, output } => {
            inspecting::inspect(&bundle, base.as_deref(), envelopes.as_deref(), Out::new(output.format))
        }
        Command::Apply {
            bundle,
            dir,
            trust,
            base,
            allow_unsigned,
            allow_downgrade,
            allow_stale,
            allow_drift,
            dry_run,
            output,
        } => using::apply(&using::ApplyArgs {
            bundle,
            dir,
            trust,
            base,
            allow_unsigned,
            allow_downgrade,
            allow_stale,
            allow_drift: allow_drift.is_some(),
            dry_run,
            out: Out::new(output.format),
        }),
        Command::Rollback { dir, output } => using::rollback(&dir, Out::new(output.format)),
        Command::Status { dir, output } => using::status(&dir, Out::new(output.format)),
        Command::Check { bundle, config, against, trust, format } => {
            using::check(&bundle, &config, against.as_deref(), &trust, format)
        }
        Command::Delta(DeltaCommand::Encode { old, new, output, profile, memory, force, out }) => {
            let options = crate::verb::EncodeOptions { profile: profile.into(), memory: memory.map(|s| s.0), force };
            making::delta_encode(&old, &new, &output, options, Out::new(out.format))
        }
        Command::Delta(DeltaCommand::Decode { old, delta, output, memory, force, out }) => {
            making::delta_decode(&old, &delta, &output, memory.map(|s| s.0), force, Out::new(out.format))
        }
        Command::Trust(command) => trusting::run(command),
        Command::Vet(vet) => vetting::run(&vet),
        Command::Man { out } => man(&out),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "cumulate", &mut std::io::stdout());
            Ok(0)
        }
    }
}

fn man(dir: &std::path::Path) -> crate::report::Result<u8> {
    let io = |e: std::io::Error| crate::report::Error::io(dir.display(), &e);
    std::fs::create_dir_all(dir).map_err(io)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(io)?;
    Ok(0)
}

fn wants_json(command: &Command) -> bool {
    use args::{CheckFormat, Format};
    use plan_args::PlanFormat;
    match command {
        Command::Init { output, .. }
        | Command::Base(BaseCommand::Add { output, .. })
        | Command::Keygen { output, .. }
        | Command::Merge { output, .. }
        | Command::Sign { output, .. }
        | Command::Verify { output, .. }
        | Command::Inspect { output, .. }
        | Command::Apply { output, .. }
        | Command::Rollback { output, .. }
        | Command::Status { output, .. } => output.format == Format::Json,
        Command::Build { out, .. }
        | Command::Delta(DeltaCommand::Encode { out, .. } | DeltaCommand::Decode { out, .. }) => {
            out.format == Format::Json
        }
        Command::Import(Import::Git { out, .. } | Import::Quilt { out, .. } | Import::Dir { out, .. }) => {
            out.format == Format::Json
        }
        Command::Export(Export::Quilt(a) | Export::GitAm(a)) => a.out.format == Format::Json,
        Command::Plan(plan) => plan.format == PlanFormat::Json,
        Command::Pull(a) => a.out.format == Format::Json,
        Command::Vet(vet) => vet.output.format == Format::Json,
        Command::Trust(command) => command.form().format == Format::Json,
        Command::Check { format, .. } => *format == CheckFormat::Json,
        Command::Man { .. } | Command::Completions { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
