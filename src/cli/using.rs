//! Commands of those who use bundles: verify, inspect, apply, roll back, status, check.

use super::args::CheckFormat;
use super::out::{Out, done, findings, heading, json, print};
use super::planning::today;
use super::render::{bytes, count, safe, short};
use super::style::dim;
use super::trust_args::Trust;
use crate::bundle::State;
use crate::disk::Disk;
use crate::install::{AllowDrift, Applied, Condition, Options, Outcome, Resumed, RolledBack, Status, Undone};
use crate::report::{Error, ErrorCode, Level, Result};
use crate::tree::{SourceOptions, read_source};
use crate::trust::{Outcome as Signature, Policy, PublicKey};
use crate::verb::{self, Belief, Checked, VerifyReport};
use std::path::{Path, PathBuf};

/// Seconds since 1970. The library reads no clock; expiry is judged against this.
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
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

pub fn verify(bundle: &Path, trust: &Trust, bases: Option<&Path>, out: Out) -> Result<u8> {
    let Some(policy) = policy(trust)? else {
        return Err(Error::new(
            ErrorCode::NoTrust,
            bundle.display(),
            "no key and no policy is given, so nothing can be said about trust",
        )
        .next("give --pub release.pub or --policy trust.toml; 'inspect' shows a bundle without judging it"));
    };
    let (opened, mut report) = verb::verify(bundle, &policy, now())?;
    if let Some(dir) = bases {
        let release = crate::install::Release::of(&opened)?;
        for base in opened.bases() {
            let source = read_source(
                &base_source(dir, &base.name)?,
                &SourceOptions { version: Some(&base.name), ..SourceOptions::default() },
            )?;
            report.proved(verb::prove(&release, &base.name, &source)?);
        }
    }
    out.result("verify", &report, verify_text)?;
    Ok(u8::from(report.findings.iter().any(|f| f.level == Level::Deny)))
}

/// `DIR/NAME`, or an archive of that name.
pub(super) fn base_source(dir: &Path, name: &str) -> Result<PathBuf> {
    let endings = ["", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".zip"];
    endings.iter().map(|e| dir.join(format!("{name}{e}"))).find(|p| p.exists()).ok_or_else(|| {
        Error::new(
            ErrorCode::Partial,
            name,
            format!("{} has no folder or archive of this base, so it cannot be proved", dir.display()),
        )
        .next("put it there, or leave --bases out")
    })
}

fn verify_text(r: &VerifyReport) -> String {
    let mut text = heading(format!(
        "{} {}{}",
        r.component,
        r.version,
        r.sequence.map_or(String::new(), |s| format!(" (sequence {s})"))
    ));
    text += &format!("{}\n\n", dim(r.root));
    for step in &r.steps {
        text += &done(format!("{:>2}. {}; {}", step.number, step.check, safe(&step.found)));
    }
    text.push('\n');
    for role in &r.roles {
        text += &format!(
            "role {}: {} of {} ({})\n",
            safe(&role.role),
            role.have,
            role.threshold,
            safe(&role.signed_by.join(", "))
        );
    }
    for s in r.signatures.iter().filter(|s| !s.reason.is_empty()) {
        if matches!(s.outcome, Signature::Counted | Signature::Delegates) {
            text += &format!("by {}, role {}: {}\n", safe(&s.name), safe(&s.role), safe(&s.reason));
            continue;
        }
        text += &format!("a signature by {} does not count: {}\n", short(&s.key), safe(&s.reason));
    }
    for base in &r.bases {
        let proof = r.proofs.iter().find(|p| p.base == base.name);
        let state = match (base.complete, proof) {
            (false, _) => "not in this copy",
            (true, None) => "complete",
            (true, Some(p)) if p.holds() => "complete; applied to a copy: reached the target, and rolled back exactly",
            (true, Some(_)) => "complete, but see below",
        };
        text += &format!("base {}: {state}\n", safe(&base.name));
    }
    text += &findings(&r.findings);
    if !r.findings.iter().any(|f| f.level == Level::Deny) {
        text += &done(if r.partial { "verified, as far as this copy goes" } else { "verified" });
    }
    text
}

/// `apply` with its options.
pub struct ApplyArgs {
    pub bundle: PathBuf,
    pub dir: PathBuf,
    pub trust: Trust,
    pub base: Option<String>,
    pub allow_unsigned: bool,
    pub allow_downgrade: bool,
    pub allow_stale: bool,
    pub allow_drift: bool,
    pub dry_run: bool,
    pub out: Out,
}

pub fn apply(a: &ApplyArgs) -> Result<u8> {
    let belief =
        Belief { policy: policy(&a.trust)?, allow_unsigned: a.allow_unsigned, allow_stale: a.allow_stale, now: now() };
    let options = Options {
        dry_run: a.dry_run,
        allow_drift: if a.allow_drift { AllowDrift::Untouched } else { AllowDrift::None },
        allow_downgrade: a.allow_downgrade,
        base: a.base.clone(),
        ..Options::default()
    };
    let applied = verb::apply(&Disk::real(), &a.bundle, &a.dir, &belief, options)?;
    a.out.result("apply", &applied, |r| apply_text(r, &a.dir))?;
    Ok(0)
}

fn resumed(r: Option<Resumed>) -> &'static str {
    match r {
        None => "",
        Some(Resumed::Discarded) => "The preparations of an interrupted run were thrown away.\n",
        Some(Resumed::FinishedApply) => "An interrupted apply was finished first.\n",
        Some(Resumed::FinishedRollback) => "An interrupted rollback was finished first.\n",
    }
}

/// The ids behind a count, if there are any and not too many to read.
fn named(ids: &[&str]) -> String {
    match ids {
        [] => String::new(),
        [first @ .., _] if first.len() >= 12 => format!(": {} …", safe(&ids[..12].join(", "))),
        _ => format!(": {}", safe(&ids.join(", "))),
    }
}

fn apply_text(a: &Applied, dir: &Path) -> String {
    let mut text = resumed(a.resumed).to_owned();
    let release = format!("{} {}", safe(&a.component), safe(&a.version));
    if a.outcome == Outcome::NothingToDo {
        text += &done(format!("{} is at {release} already, nothing to do", dir.display()));
        return text + &findings(&a.findings);
    }
    if a.outcome == Outcome::Recorded {
        text += &done(format!("{} has every file of {release} already; it is recorded as that now", dir.display()));
        return text + &findings(&a.findings);
    }
    if a.bases.is_empty() {
        let what = format!("{} has every file of {release} already; apply would only record it", dir.display());
        return text + &done(what) + &findings(&a.findings);
    }
    text += &format!("recognised base {}\n", safe(&a.bases.join(", also called ")));
    for s in &a.steps {
        let from = s.from.as_ref().filter(|f| **f != s.path).map_or(String::new(), |f| format!(" from {f}"));
        text += &format!("  {:8} {}{}\n", s.what, safe(s.path.as_str()), safe(&from));
    }
    text += &findings(&a.findings);
    let fixed: Vec<&str> =
        a.fixes.iter().filter(|f| matches!(f.state, State::Added | State::Partly)).map(|f| f.id.as_str()).collect();
    let n = count(fixed.len(), "fix", "fixes");
    if a.outcome == Outcome::DryRun {
        text += &format!(
            "Nothing was changed. It would take {} of disk and bring {n}: {}\n",
            bytes(a.disk),
            safe(&fixed.join(", "))
        );
    } else {
        text += &done(format!("{} is at {release} now, with {n} more{}", dir.display(), named(&fixed)));
    }
    text
}

pub fn rollback(dir: &Path, out: Out) -> Result<u8> {
    let back = verb::rollback(dir)?;
    out.result("rollback", &back, |r| rollback_text(r, dir))?;
    Ok(0)
}

fn rollback_text(r: &RolledBack, dir: &Path) -> String {
    let name = |r: &crate::install::ReleaseName| format!("{} {}", safe(&r.component), safe(&r.version));
    let from = r.from.as_ref().map_or_else(|| "an interrupted run".into(), name);
    let mut text = match r.outcome {
        Undone::Resumed(Resumed::Discarded) => {
            done("The preparations of an interrupted run were thrown away; nothing had changed")
        }
        Undone::Resumed(_) => done(format!("{}: the interrupted run over {from} was undone", dir.display())),
        Undone::RolledBack => done(format!(
            "{} is back from {from}, exactly as it was before ({})",
            dir.display(),
            count(r.steps, "step", "steps")
        )),
    };
    for kept in &r.kept {
        text += &format!("your edit is kept as {}; the old version is back in its place\n", safe(kept.as_str()));
    }
    if let Some(to) = &r.to {
        text +=
            &format!("installed now: {}; one can go back {} more\n", name(to), count(r.left as usize, "time", "times"));
    }
    text
}

pub fn status(dir: &Path, out: Out) -> Result<u8> {
    let status = verb::status(dir)?;
    out.result("status", &status, |s| status_text(s, dir))?;
    Ok(status.exit())
}

fn status_text(s: &Status, dir: &Path) -> String {
    let what = s.installed.as_ref().map(|r| format!("{} {}", safe(&r.component), safe(&r.version)));
    let mut text = match s.state {
        Condition::None => format!("{}: cumulate has installed nothing here\n", dir.display()),
        Condition::Installed => heading(format!("{}: {}", dir.display(), what.unwrap_or_default())),
        Condition::Busy => format!("{}: another cumulate is working on it right now\n", dir.display()),
        Condition::Interrupted => {
            heading(format!("{}: interrupted; run 'apply' again to finish, or 'rollback' to undo", dir.display()))
        }
    };
    if let Some(r) = &s.installed {
        text += &format!("bundle {}\nbase was {}\n", r.bundle, safe(&r.base));
        let n = |want: State| s.fixes.iter().filter(|f| f.state == want).count();
        text += &format!(
            "{} added by it, {} there before\n",
            count(n(State::Added) + n(State::Partly), "fix", "fixes"),
            n(State::Contained)
        );
    }
    for d in &s.drift {
        text += &format!("drifted: {} ({})\n", safe(d.path.as_str()), safe(&d.found));
    }
    for p in &s.config {
        let gone = if p.under(dir).symlink_metadata().is_ok() { "edited here" } else { "deleted here" };
        text += &format!("{gone}, and kept so: {}\n", safe(p.as_str()));
    }
    for p in &s.beside {
        text += &format!("waits beside your edit, not in effect until you merge it: {}\n", safe(p.as_str()));
    }
    if s.installed.is_some() && s.drift.is_empty() {
        text += &done(match s.config.is_empty() {
            true => "every file is as it was installed",
            false => "every other file is as it was installed",
        });
    }
    if !s.rollback.is_empty() {
        text += &format!("one can roll back {}\n", count(s.rollback.len(), "time", "times"));
    }
    text
}

pub fn check(bundle: &Path, config: &Path, against: Option<&Path>, trust: &Trust, format: CheckFormat) -> Result<u8> {
    let policy = policy(trust)?;
    let checked = verb::check(bundle, config, against, policy.as_ref().map(|p| (p, now())), today()?)?;
    match format {
        CheckFormat::Json => json("check", &checked)?,
        CheckFormat::Text => print(&check_text(&checked))?,
        CheckFormat::Junit => print(&junit(&checked)?)?,
    }
    Ok(checked.exit())
}

fn check_text(c: &Checked) -> String {
    let mut text = heading(format!("{} {}", safe(&c.component), safe(&c.version)));
    for g in &c.gates {
        if g.findings.iter().any(|f| f.level == Level::Deny) {
            text += &format!("✗ {}: {}\n", safe(&g.name), safe(&g.measured));
        } else {
            text += &done(format!("{}: {}", safe(&g.name), safe(&g.measured)));
        }
        text += &findings(&g.findings);
    }
    text + if c.passed { "the gate is green\n" } else { "the gate is red\n" }
}

fn junit(c: &Checked) -> Result<String> {
    use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
    let mut suite = TestSuite::new(format!("cumulate check {} {}", c.component, c.version));
    for g in &c.gates {
        let denied: Vec<_> = g.findings.iter().filter(|f| f.level == Level::Deny).collect();
        let status = match denied.as_slice() {
            [] => TestCaseStatus::success(),
            [first, ..] => {
                let mut s = TestCaseStatus::non_success(NonSuccessKind::Failure);
                s.set_type(first.code.as_str());
                s.set_message(
                    denied.iter().map(|f| format!("{}: {}", f.subject, f.message)).collect::<Vec<_>>().join("; "),
                );
                s
            }
        };
        let mut case = TestCase::new(g.name.clone(), status);
        case.set_classname("cumulate.check");
        case.set_system_out(&g.measured);
        suite.add_test_case(case);
    }
    let mut report = Report::new("cumulate");
    report.add_test_suite(suite);
    report.to_string().map_err(|e| Error::new(ErrorCode::Internal, "junit", e))
}
