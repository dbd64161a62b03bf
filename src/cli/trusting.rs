//! `cumulate trust …`: roots and what signatures lack.

use super::making::key_source;
use super::out::{Out, done, print};
use super::render::safe;
use super::trust_args::{KeyArgs, TrustCommand};
use super::using::{now, policy};
use crate::report::{Error, ErrorCode, Result};
use crate::trust::KeySource;
use crate::verb::{self, RootView, TrustStatus};

pub fn run(command: TrustCommand) -> Result<u8> {
    let out = Out::new(command.form().format);
    let view = match command {
        TrustCommand::Init { policy, key, output, .. } => verb::trust_init(&policy, source(&key)?, &output)?,
        TrustCommand::Rotate { root, policy, key, .. } => verb::trust_rotate(&root, &policy, source(&key)?)?,
        TrustCommand::Sign { root, key, .. } => verb::trust_sign(&root, source(&key)?)?,
        TrustCommand::Show { root, .. } => verb::trust_show(&root)?,
        TrustCommand::Status { bundle, trust, .. } => {
            let policy = policy(&trust)?.ok_or_else(|| {
                Error::new(ErrorCode::NoTrust, bundle.display(), "no key and no policy says what is needed")
                    .next("give --policy trust.root")
            })?;
            let status = verb::trust_status(&bundle, &policy, now())?;
            out.result("trust-status", &status, status_text)?;
            return Ok(status.exit());
        }
    };
    out.result("trust", &view, root_text)?;
    if !view.complete && !out.json {
        print("Next: cumulate trust sign FILE --key KEY\n")?;
    }
    Ok(0)
}

fn source(args: &KeyArgs) -> Result<KeySource> {
    key_source(&args.key, args.passphrase.as_deref())
}

fn root_text(v: &RootView) -> String {
    let mut text = String::new();
    for version in &v.versions {
        text += &format!("version {} {}\n", version.version, version.digest);
        for s in &version.signatures {
            let by = format!("root keys of version {}: {} of {}", s.by_version, s.signed_by.len(), s.threshold);
            text += &format!("  {by} ({})", safe(&s.signed_by.join(", ")));
            let missing = s.signed_by.len() < s.threshold;
            text += &if missing { format!("; can sign: {}\n", safe(&s.can_sign.join(", "))) } else { "\n".into() };
        }
    }
    text + &if v.complete { done("every version is signed by enough keys") } else { "not finished\n".into() }
}

fn status_text(s: &TrustStatus) -> String {
    let short: Vec<_> = s.roles.iter().filter(|r| r.signed_by.len() < r.threshold).collect();
    let counts = format!("{} of {}", s.have, s.need);
    if short.is_empty() {
        return done(format!("{counts}; nothing is missing"));
    }
    let missing: Vec<&str> = short.iter().map(|r| r.role.as_str()).collect();
    let can: Vec<&str> = short.iter().flat_map(|r| &r.can_sign).map(String::as_str).collect();
    format!("{counts}; missing: {}; can sign: {}\n", safe(&missing.join(", ")), safe(&can.join(", ")))
}
