//! `cumulate trust …`: roots and what signatures lack.

use super::out::{Out, done, heading, print};
use super::render::{count, safe, short};
use super::trust_args::{KeyArgs, TrustCommand};
use super::using::{now, policy};
use super::vetting::date;
use crate::report::{Error, ErrorCode, Result, quoted};
use crate::trust::{Delegation, Outcome, PublicKey, ROOT, SignatureState, SignerSource, parse_time};
use crate::verb::{self, DelegationView, RootView, TrustFile, TrustStatus};
use std::path::Path;

pub fn run(command: TrustCommand) -> Result<u8> {
    let out = Out::new(command.form().format);
    let view = match command {
        TrustCommand::Init { policy, key, output, .. } => verb::trust_init(&policy, source(&key)?, &output)?,
        TrustCommand::Rotate { root, policy, key, .. } => verb::trust_rotate(&root, &policy, source(&key)?)?,
        TrustCommand::Sign { root, key, .. } => match verb::trust_sign(&root, source(&key)?)? {
            TrustFile::Root(view) => view,
            TrustFile::Delegation(view) => return delegation(&view, &root, out),
        },
        TrustCommand::Show { root, .. } => match verb::trust_show(&root)? {
            TrustFile::Root(view) => view,
            TrustFile::Delegation(view) => {
                out.result("trust-delegate", &view, delegation_text)?;
                return Ok(0);
            }
        },
        TrustCommand::Delegate { role, component, to, name, until, key, output, .. } => {
            let stem = to.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            let expires = date("--until", &until)?;
            let key_of = PublicKey::read(&to)?;
            let delegation_of = Delegation { role, component, name: name.unwrap_or(stem), key: key_of, expires };
            let view = verb::trust_delegate(&delegation_of, source(&key)?, &output)?;
            return delegation(&view, &output, out);
        }
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

fn delegation(view: &DelegationView, file: &Path, out: Out) -> Result<u8> {
    out.result("trust-delegate", view, |d| {
        done(format!(
            "{} may speak as {} of {} until {}, if enough of these count: {}",
            safe(&d.name),
            safe(&d.role),
            safe(&d.component),
            d.expires,
            safe(&d.signed_by.join(", "))
        )) + &format!("Next: cumulate sign FILE.cup --envelope {}\n", quoted(file))
    })?;
    Ok(0)
}

fn delegation_text(d: &DelegationView) -> String {
    let past = parse_time(&d.expires).is_some_and(|end| now() > end);
    let mut text = heading(format!("a delegation of role {} of {}", safe(&d.role), safe(&d.component)));
    text += &format!("to {}, key {}\n", safe(&d.name), d.key_id);
    text += &format!("until {}{}\n", d.expires, if past { ", which has passed: it counts no more" } else { "" });
    for (n, id) in d.signed_by.iter().enumerate() {
        text += &format!("{} key {}\n", if n == 0 { "by" } else { "and" }, safe(id));
    }
    text += &match (d.role.as_str(), d.signed_by.len()) {
        (ROOT, _) => "it counts nowhere: nobody can delegate the role 'root'\n".to_owned(),
        (_, 0) => "signed by nobody, so nothing is delegated yet\n".to_owned(),
        (role, n) => format!(
            "{} so far; it counts if enough keys of role {} signed it, as the policy demands\n",
            count(n, "signature", "signatures"),
            safe(role)
        ),
    };
    text
}

fn source(args: &KeyArgs) -> Result<SignerSource> {
    SignerSource::parse(args.key.as_os_str(), args.passphrase.as_deref())
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
    let short: Vec<_> = s.roles.iter().filter(|r| !r.filled()).collect();
    let counts = format!("{} of {}", s.have, s.need);
    let mut told: Vec<String> = s.signatures.iter().filter_map(signature_text).collect();
    told.sort();
    if short.is_empty() {
        return done(format!("{counts}; nothing is missing")) + &told.concat();
    }
    let missing: Vec<String> = short
        .iter()
        .map(|r| match r.missing.as_slice() {
            [] => r.role.clone(),
            bases => format!("{} (base {})", r.role, bases.join(", ")),
        })
        .collect();
    let can: Vec<&str> = short.iter().flat_map(|r| &r.can_sign).map(String::as_str).collect();
    let can = if can.is_empty() { "nobody".into() } else { safe(&can.join(", ")) };
    format!("{counts}; missing: {}; can sign: {can}\n", safe(&missing.join(", "))) + &told.concat()
}

/// Every waiver, and why a signature is none of those that count.
fn signature_text(s: &SignatureState) -> Option<String> {
    let counts = matches!(s.outcome, Outcome::Counted | Outcome::Delegates);
    let who = match (s.name.as_str(), s.key.as_str()) {
        ("", "") => "nobody".to_owned(),
        ("", key) => format!("key {}", short(key)),
        (name, _) => safe(name),
    };
    let role = if s.role.is_empty() { String::new() } else { format!(" as {}", safe(&s.role)) };
    let verdict = if counts { "counts".to_owned() } else { format!("does not count: {}", safe(&s.reason)) };
    let Some(w) = &s.waiver else {
        return (!counts).then(|| format!("  signature by {who}{role} {verdict}\n"));
    };
    let bases = if w.bases.is_empty() { String::new() } else { format!(" for base {}", safe(&w.bases.join(", "))) };
    let words = format!("owner {}, until {}: {}", safe(&w.owner), w.expires, safe(&w.reason));
    Some(format!("  waiver by {who}{role}{bases}, {words}; it {verdict}\n"))
}
