//! `cumulate` whole: from the parsed command to the function that carries it out.

use super::args::{BaseCommand, Cli, Command, DeltaCommand};
use super::out::Out;
use super::plan_args::{Export, Import};
use super::{checking, exchange, finish, inspecting, making, planning, pulling, trusting, using, vetting};
use crate::report::{Error, ErrorCode};
use crate::trust::SignerSource;
use crate::verb::{NewBase, Taker};
use clap::{CommandFactory as _, Parser as _};
use std::process::ExitCode;

/// Parses the arguments, runs the command and returns the exit code (design, section 6).
pub fn main() -> ExitCode {
    finish(Cli::try_parse(), |c| wants_json(&c.command), |c| run(c.command))
}

fn run(command: Command) -> crate::report::Result<u8> {
    match command {
        Command::Init { dir, output } => making::init(&dir, Out::new(output.format)),
        Command::Base(BaseCommand::Add { version, from, dir, track, replace, trust, output }) => {
            let new = NewBase { version: &version, from: &from, track: track.as_deref(), replace };
            making::base_add(&dir, &new, &trust, Out::new(output.format))
        }
        Command::Keygen { out, passphrase, output } => {
            making::keygen(&out, passphrase.as_deref(), Out::new(output.format))
        }
        Command::Plan(plan) => planning::plan(&plan),
        Command::Pull(a) => pulling::pull(&a.bundle, &a.fix, a.rebuild(), Out::new(a.out.format)),
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
            with_repair,
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
            with_repair,
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
                (Some(key), ..) => making::Signer::Key(SignerSource::parse(key.as_os_str(), passphrase.as_deref())?),
                (_, Some(emit), _) => making::Signer::Emit(emit),
                (_, _, Some((signature, public))) => making::Signer::Attach { signature, public },
                (None, None, None) => {
                    return Err(Error::new(ErrorCode::Usage, "sign", "nothing says who signs")
                        .next("give --key, --emit, or --attach with --pub"));
                }
            };
            making::sign(&bundle, by, &role, Out::new(output.format))
        }
        Command::Using(using) => using::run(using),
        Command::Inspect { bundle, base, envelopes, sbom, output } => {
            let (base, envelopes, sbom) = (base.as_deref(), envelopes.as_deref(), sbom.as_deref());
            inspecting::inspect(&bundle, base, envelopes, sbom, Out::new(output.format))
        }
        Command::Rebuild { dir, check, output } => making::rebuild(&dir, &check, Out::new(output.format)),
        Command::Check { bundle, config, against, trust, format } => {
            checking::check(&bundle, &config, against.as_deref(), &trust, format)
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
    use super::args::CheckFormat;
    use super::plan_args::PlanFormat;
    use super::use_args::Format;
    match command {
        Command::Init { output, .. }
        | Command::Base(BaseCommand::Add { output, .. })
        | Command::Keygen { output, .. }
        | Command::Merge { output, .. }
        | Command::Rebuild { output, .. }
        | Command::Sign { output, .. }
        | Command::Inspect { output, .. } => output.format == Format::Json,
        Command::Using(using) => using.form().format == Format::Json,
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
