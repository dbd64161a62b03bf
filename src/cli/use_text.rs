//! What `verify`, `apply`, `doctor`, `rollback` and `status` say.

use super::out::{done, findings, heading};
use super::render::{bytes, count, safe, short};
use super::style::dim;
use super::using::{denied, now};
use crate::bundle::{FixState, NOT_FOR_TRACK, State};
use crate::install::{
    Applied, Condition, Diagnosis, Doing, Health, Mending, Outcome, ReleaseName, Resumed, RolledBack, Status, TARGET,
    Undone,
};
use crate::report::{Code, Level, PROGRAM, quoted};
use crate::trust::{Outcome as Signature, show_time};
use crate::verb::VerifyReport;
use std::path::Path;

pub(super) fn verify_text(r: &VerifyReport) -> String {
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
    for a in &r.attestations {
        let verdict = if a.reason.is_empty() { format!("by {}", a.by) } else { a.reason.clone() };
        text += &format!("attestation {}: {}\n", safe(&a.predicate_type), safe(&verdict));
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

pub(super) fn doctor_text(d: &Diagnosis, dir: &Path) -> String {
    let nearest = if d.nearest == TARGET {
        format!("{} {}", safe(&d.component), safe(&d.version))
    } else {
        format!("base {}", safe(&d.nearest))
    };
    let mut text = match d.health {
        Health::AtTarget => done(format!("{} is at {} {}", dir.display(), safe(&d.component), safe(&d.version))),
        Health::Base => done(format!("{} is {nearest}", dir.display())),
        Health::Composed => format!(
            "{} is no base as a whole, but every file is as one of these has it: {}\n",
            dir.display(),
            safe(&d.composed.join(", "))
        ),
        Health::Drifted => format!("{} is no base; the nearest is {nearest}\n", dir.display()),
    };
    if let Some(r) = &d.installed {
        let other = format!("{} {}", safe(&r.component), safe(&r.version));
        text += &format!("the record says that {other} is installed, so files of its own may be here beside these\n");
    }
    for a in &d.ailments {
        let known = match a.known.as_slice() {
            [] => safe(&a.found),
            known => format!("as in {}", safe(&known.join(", "))),
        };
        let mending = match &a.mending {
            Mending::Nothing => "needs no bytes".into(),
            Mending::Copy { from } => format!("the target's content stands at {}", safe(from)),
            Mending::Full { base } => format!("{} from what base {} carries", bytes(a.bytes), safe(base)),
            Mending::Delta { base } => format!("{} as a delta of base {}", bytes(a.bytes), safe(base)),
            Mending::Blocked => "first move away what stands there".into(),
            Mending::Elsewhere if a.bytes == 0 => "only with intact files (--from FOLDER)".into(),
            Mending::Elsewhere => format!("only with intact files (--from FOLDER), {}", bytes(a.bytes)),
        };
        text += &format!("  {}: {known}; mending: {mending}\n", safe(a.path.as_str()));
    }
    if !d.ailments.is_empty() {
        text += &format!("mending reads {} of the bundle\n", bytes(d.bytes));
    }
    for u in &d.in_use {
        let which = if u.replaced { ", an older version of it: restart it" } else { "" };
        text += &format!("open: {} by {} (process {}){which}\n", safe(u.path.as_str()), safe(&u.program), u.pid);
    }
    text
}

fn resumed(r: Option<Resumed>) -> &'static str {
    match r {
        None => "",
        Some(Resumed::Discarded) => "The preparations of an interrupted run were thrown away.\n",
        Some(Resumed::FinishedApply) => "An interrupted apply was finished first.\n",
        Some(Resumed::FinishedRollback) => "An interrupted run was undone first.\n",
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

/// The ids of the fixes that are so.
fn ids(fixes: &[FixState], are: impl Fn(&FixState) -> bool) -> Vec<&str> {
    fixes.iter().filter(|f| are(f)).map(|f| f.id.as_str()).collect()
}

fn is_new(f: &FixState) -> bool {
    matches!(f.state, State::Added | State::Partly)
}

/// Nobody knows whether the base had it; what the release says is not for its track is known.
fn is_unclear(f: &FixState) -> bool {
    f.state == State::Unknown && !f.reason.starts_with(NOT_FOR_TRACK)
}

/// `1 fix, unclear whether it was added`, in the tense of `is`.
fn unclear(n: usize, is: [&str; 2]) -> String {
    let one = format!("fix, unclear whether it {} added", is[0]);
    count(n, &one, &format!("fixes, unclear whether they {} added", is[1]))
}

pub(super) fn apply_text(a: &Applied, dir: &Path) -> String {
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
    if a.bases.is_empty() && a.steps.is_empty() {
        let what = format!("{} has every file of {release} already; apply would only record it", dir.display());
        return text + &done(what) + &findings(&a.findings);
    }
    text += &match a.bases.as_slice() {
        [] => format!("the code of {release} is there already, its config files are not\n"),
        [one] if one == TARGET => format!("recognised {release}, of which some files changed\n"),
        names => format!("recognised base {}\n", safe(&names.join(", also called "))),
    };
    for s in &a.steps {
        let from = s.from.as_ref().filter(|f| **f != s.path).map_or(String::new(), |f| format!(" from {f}"));
        text += &format!("  {:8} {}{}\n", s.what, safe(s.path.as_str()), safe(&from));
    }
    for h in &a.hooks {
        text += &format!("  {:8} {}: {}\n", "hook", safe(&h.id), safe(&h.run.join(" ")));
    }
    if a.in_place > 0 {
        let n = count(a.in_place, "file", "files");
        text += &format!("one by one: {n}; of the old versions what the new ones lack is kept\n");
    }
    text += &findings(&a.findings);
    // A release that is mended brings nothing that it had not brought before.
    let mended = a.bases.iter().any(|b| b == TARGET);
    let (new, open) = match mended {
        true => (Vec::new(), Vec::new()),
        false => (ids(&a.fixes, is_new), ids(&a.fixes, is_unclear)),
    };
    let dry = a.outcome == Outcome::DryRun;
    let brings = match (new.len(), dry) {
        // What is unclear may be all that it brings.
        (0, _) if !open.is_empty() => String::new(),
        _ if mended && dry => format!(" and put {} right", count(a.steps.len(), "path", "paths")),
        _ if mended => format!(" again, {} put right", count(a.steps.len(), "path", "paths")),
        (n, true) => format!(" and bring {}{}", count(n, "fix", "fixes"), named(&new)),
        (n, false) => format!(", with {} more{}", count(n, "fix", "fixes"), named(&new)),
    };
    let open = match open.len() {
        0 => String::new(),
        n => format!("; {}{}", unclear(n, if dry { ["would be"; 2] } else { ["was", "were"] }), named(&open)),
    };
    text + &match dry {
        true => {
            let it = if denied(a) { "As it stands it would be refused; else it" } else { "It" };
            format!("Nothing was changed. {it} would take {} of disk{brings}{open}\n", bytes(a.disk))
        }
        false => done(format!("{} is at {release} now{brings}{open}", dir.display())),
    }
}

pub(super) fn rollback_text(r: &RolledBack, dir: &Path) -> String {
    let name = |r: &ReleaseName| format!("{} {}", safe(&r.component), safe(&r.version));
    let from = r.from.as_ref().map_or_else(|| "an interrupted run".into(), name);
    let mut text = match r.outcome {
        Undone::Resumed(Resumed::Discarded) => {
            done("The preparations of an interrupted run were thrown away; nothing had changed")
        }
        Undone::Resumed(_) => done(format!("{}: the interrupted run over {from} was undone", dir.display())),
        Undone::RolledBack => {
            let but = r.findings.iter().any(|f| matches!(f.code, Code::AttributesLost | Code::HookNotUndone));
            done(format!(
                "{} is back from {from}; all that the apply touched is {} ({})",
                dir.display(),
                if but { "as it was before, but for what is told below" } else { "exactly as it was before" },
                count(r.steps, "step", "steps")
            ))
        }
    };
    for kept in &r.kept {
        text += &format!("your edit is kept as {}\n", safe(kept.as_str()));
    }
    text += &findings(&r.findings);
    if let Some(to) = &r.to {
        text +=
            &format!("installed now: {}; one can go back {} more\n", name(to), count(r.left as usize, "time", "times"));
    }
    text
}

/// How many fixes of a release came with it, were there before, or are neither for sure.
fn fixes_text(fixes: &[FixState]) -> String {
    let n = |are: &dyn Fn(&FixState) -> bool| ids(fixes, are).len();
    let (new, open) = (n(&is_new), n(&is_unclear));
    let before = n(&|f| f.state == State::Contained);
    let excused = fixes.len() - new - open - before;
    let fixes = |n: usize| count(n, "fix", "fixes");
    let mut parts = Vec::new();
    if new > 0 || open == 0 {
        parts.push(format!("{} added by it", fixes(new)));
    }
    if open > 0 {
        parts.push(unclear(open, ["was", "were"]));
    }
    if before > 0 || parts.len() == 1 {
        parts.push(format!("{} there before", fixes(before)));
    }
    if excused > 0 {
        parts.push(format!("{} not for this track", fixes(excused)));
    }
    parts.join("; ")
}

pub(super) fn status_text(s: &Status, dir: &Path) -> String {
    let what = s.installed.as_ref().map(|r| format!("{} {}", safe(&r.component), safe(&r.version)));
    let mut text = match s.state {
        Condition::None => format!("{}: cumulate has installed nothing here\n", dir.display()),
        Condition::Installed => heading(format!("{}: {}", dir.display(), what.unwrap_or_default())),
        Condition::Busy => format!("{}: another cumulate is working on it right now\n", dir.display()),
        Condition::Interrupted => {
            let way = s.under_way.as_ref().map(|r| format!("{} {}", safe(&r.component), safe(&r.version)));
            let (to, from) =
                way.map_or_else(Default::default, |r| (format!(" on the way to {r}"), format!(" from {r}")));
            heading(match s.interrupted {
                Some(Doing::Restoring) => {
                    format!("{}: a rollback{from} was interrupted; run 'rollback' again to finish it", dir.display())
                }
                _ => {
                    format!("{}: interrupted{to}; run 'apply' again to finish, or 'rollback' to undo", dir.display())
                }
            })
        }
    };
    for id in &s.uncertain {
        text +=
            &format!("hook {} was under way: whether it ended is not known, and going on runs it again\n", safe(id));
    }
    for id in &s.failed {
        text += &format!("hook {} failed, and finishing runs it again\n", safe(id));
    }
    if let (Some(r), Condition::Interrupted) = (&s.installed, s.state) {
        text += &format!("installed before: {} {}\n", safe(&r.component), safe(&r.version));
    }
    if let Some(r) = &s.installed {
        text += &format!("bundle {}\nbase was {}\n", r.bundle, safe(&r.base));
        text += &format!("{}\n", fixes_text(&s.fixes));
    }
    if let Some(sequence) = s.sequence {
        let whom = if s.trusted { "whom it trusts is remembered" } else { "it remembers nobody to trust" };
        text += &format!("sequence {sequence}; {whom}\n");
    }
    if s.revoked {
        text += "it was revoked: get a newer release\n";
    }
    if let Some(seen) = s.newer() {
        text += &format!("a newer release was seen here, of sequence {seen}\n");
    }
    if let (Some(end), false, None) = (s.best_before, s.revoked, s.newer()) {
        let (day, past) = (show_time(end), now() > end);
        text += &if past {
            format!("its best-before has passed ({day}): there should be a newer release by now\n")
        } else {
            format!("it is the current release until {day}, if no newer one comes before\n")
        };
    }
    for d in &s.drift {
        text += &format!("drifted: {} ({})\n", safe(d.path.as_str()), safe(&d.found));
    }
    if let (false, Some(r)) = (s.drift.is_empty(), &s.installed) {
        text += &format!(
            "to put them right: {PROGRAM} doctor FILE.cup {} --repair --from FOLDER, where FILE.cup is {} {} and FOLDER \
             has intact files of it\n",
            quoted(dir),
            safe(&r.component),
            safe(&r.version)
        );
    }
    for p in &s.config {
        let gone = if p.under(dir).symlink_metadata().is_ok() { "edited here" } else { "deleted here" };
        text += &format!("{gone}, and kept so: {}\n", safe(p.as_str()));
    }
    for p in &s.left {
        text += &format!("edited here, and left although the release has it no more: {}\n", safe(p.as_str()));
    }
    for p in &s.beside {
        text += &format!("waits beside your edit, not in effect until you merge it: {}\n", safe(p.as_str()));
    }
    if s.state == Condition::Installed && s.drift.is_empty() {
        text += &done(match s.config.is_empty() {
            true => "every file is as it was installed",
            false => "every other file is as it was installed",
        });
    }
    if !s.rollback.is_empty() {
        text += &format!("one can roll back {}\n", count(s.rollback.len(), "time", "times"));
    }
    if let Some(path) = &s.lost {
        let no = if s.rollback.is_empty() { "one cannot roll back" } else { "one cannot go back any further" };
        text += &format!("{no}: the kept old version of {} is missing or is not what it was\n", safe(path.as_str()));
    }
    text
}
