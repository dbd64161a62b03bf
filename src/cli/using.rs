//! Commands of those who use bundles: verify, apply, roll back, status.

use super::out::Out;
use super::use_args::{DriftArg, Trust, Using};
use super::use_text::{apply_text, doctor_text, rollback_text, status_text, verify_text};
use crate::bundle::Bundle;
use crate::disk::Disk;
use crate::install::{AllowDrift, Applied, Options, RollbackOptions};
use crate::report::{Error, ErrorCode, Level, Result, quoted};
use crate::trust::{Policy, PublicKey};
use crate::verb::{self, Belief, VerifyReport};
use std::path::Path;

/// Seconds since 1970. The library reads no clock; expiry is judged against this.
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The arguments, for commands that are advised.
fn trusting(trust: &Trust) -> String {
    let public = if trust.public.is_empty() { "" } else { " --pub" };
    let keys = trust.public.iter().map(|key| format!(" {}", quoted(key)));
    let policy = trust.policy.iter().map(|file| format!(" --policy {}", quoted(file)));
    std::iter::once(public.to_owned()).chain(keys).chain(policy).collect()
}

pub(super) fn policy(trust: &Trust) -> Result<Option<Policy>> {
    if let Some(file) = &trust.policy {
        return Policy::read(file).map(Some);
    }
    if trust.public.is_empty() {
        return Ok(None);
    }
    let keys: Vec<PublicKey> = trust.public.iter().map(|p| PublicKey::read(p)).collect::<Result<_>>()?;
    Policy::of_keys(keys).map(Some)
}

pub fn run(command: Using) -> Result<u8> {
    match command {
        Using::Verify {
            bundle,
            trust,
            #[cfg(feature = "build")]
            bases,
            #[cfg(feature = "build")]
            config,
            output,
        } => {
            let verified = verified(&bundle, &trust)?;
            #[cfg(feature = "build")]
            let verified = super::checking::prove(verified, bases.as_deref(), config.as_deref())?;
            let (_, report) = verified;
            Out::new(output.format).result("verify", &report, verify_text)?;
            Ok(u8::from(report.findings.iter().any(|f| f.level == Level::Deny)))
        }
        Using::Apply {
            bundle,
            dir,
            trust,
            base,
            allow_unsigned,
            allow_downgrade,
            replace_trust,
            allow_stale,
            allow_drift,
            allow_composed,
            edited_config,
            from,
            release_times,
            accept,
            in_place,
            dry_run,
            output,
        } => {
            let belief = Belief { policy: policy(&trust)?, allow_unsigned, replace_trust, allow_stale, now: now() };
            let options = Options {
                dry_run,
                allow_drift: match (allow_drift, allow_composed) {
                    (Some(DriftArg::Untouched), _) => AllowDrift::Untouched,
                    (None, true) => AllowDrift::Composed,
                    (None, false) => AllowDrift::None,
                },
                allow_downgrade,
                base,
                edited: edited_config.into(),
                intact: from,
                release_times,
                accept,
                in_place,
                trusting: trusting(&trust),
                ..Options::default()
            };
            let applied = verb::apply(&Disk::real(), &bundle, &dir, &belief, options)?;
            Out::new(output.format).result("apply", &applied, |r| apply_text(r, &dir))?;
            Ok(u8::from(denied(&applied)))
        }
        Using::Doctor {
            bundle,
            dir,
            repair,
            from,
            trust,
            allow_unsigned,
            allow_stale,
            allow_downgrade,
            accept,
            output,
        } => {
            let out = Out::new(output.format);
            // Looking does no harm, however old the bundle is.
            let allow_stale = allow_stale || !repair;
            let belief =
                Belief { policy: policy(&trust)?, allow_unsigned, allow_stale, now: now(), ..Belief::default() };
            if repair {
                let trusting = trusting(&trust);
                let allow_drift = AllowDrift::Mended;
                let options =
                    Options { allow_drift, allow_downgrade, accept, intact: from, trusting, ..Options::default() };
                let applied = verb::apply(&Disk::real(), &bundle, &dir, &belief, options)?;
                out.result("apply", &applied, |r| apply_text(r, &dir))?;
                return Ok(0);
            }
            let found = verb::doctor(&bundle, &dir, &belief, from.as_deref())?;
            out.result("doctor", &found, |d| doctor_text(d, &dir))?;
            Ok(found.exit())
        }
        Using::Rollback { dir, set_aside, accept, output } => {
            rollback(&dir, &RollbackOptions { set_aside, accept }, Out::new(output.format))
        }
        Using::Status { dir, output } => status(&dir, Out::new(output.format)),
    }
}

/// Whether an apply that was only rehearsed would be refused.
pub(super) fn denied(a: &Applied) -> bool {
    a.findings.iter().any(|f| f.level == Level::Deny)
}

fn verified(bundle: &Path, trust: &Trust) -> Result<(Bundle, VerifyReport)> {
    let Some(policy) = policy(trust)? else {
        return Err(Error::new(
            ErrorCode::NoTrust,
            bundle.display(),
            "no key and no policy is given, so nothing can be said about trust",
        )
        .next(match cfg!(feature = "build") {
            true => "give --pub release.pub or --policy trust.toml; 'inspect' shows a bundle without judging it",
            false => "give --pub release.pub or --policy trust.toml",
        }));
    };
    verb::verify(bundle, &policy, now())
}

fn rollback(dir: &Path, options: &RollbackOptions, out: Out) -> Result<u8> {
    let back = verb::rollback(dir, options)?;
    out.result("rollback", &back, |r| rollback_text(r, dir))?;
    Ok(0)
}

pub fn status(dir: &Path, out: Out) -> Result<u8> {
    let status = verb::status(dir)?;
    out.result("status", &status, |s| status_text(s, dir))?;
    Ok(status.exit())
}
