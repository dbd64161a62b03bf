//! Sentences.

use crate::fix::FixId;
use crate::patch::{Reject, RejectReason};
use crate::plan::{
    Absent, Blocker, Class, Classed, DropCause, Hint, HintKind, Nowhere, OrderPair, PairKind, Proof, Reason, Refusal,
    Settled,
};
use crate::report::{Code, Error, ErrorCode, Finding};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Why a part of a fix does not apply, with the line of the patch.
pub fn reject(r: &Reject) -> String {
    let at = match (r.hunk, r.line) {
        (Some(h), line) => format!(" (hunk {}, line {line} of the patch)", h + 1),
        (None, 0) => String::new(),
        (None, line) => format!(" (line {line} of the patch)"),
    };
    format!("'{}': {}{at}", r.path, r.reason)
}

/// What a part of a fix has that nothing brings, where that is why it does not apply.
pub(super) fn lacks(refused: &Reject, nowhere: Option<&Nowhere>) -> Option<String> {
    let n = nowhere.filter(|_| refused.reason == RejectReason::HunkNotFound)?;
    let more = if n.more == 0 { String::new() } else { format!(", nor {} more of its lines", n.more) };
    Some(match &n.then {
        None => format!("neither the base nor any other fix has '{}' (line {} of the patch){more}", n.text, n.line),
        Some(then) => format!(
            "neither the base nor any other fix has '{}' directly before '{then}' (line {} of the patch)",
            n.text, n.line
        ),
    })
}

/// Why one fix needs another; `needs` is the other.
pub fn reason(reason: &Reason, needs: &FixId) -> String {
    match reason {
        Reason::Requires => format!("it says that it requires {needs}"),
        Reason::Rejected(r) => format!("without {needs} it does not apply: {}", reject(r)),
        Reason::Together => format!("without {needs} and others together it does not apply"),
        Reason::BuiltOn { path, digest } => format!("its '{path}' is built on what {needs} leaves ({digest})"),
    }
}

/// The same for machines.
pub fn reason_json(reason: &Reason) -> Value {
    match reason {
        Reason::Requires => json!({"why": "requires"}),
        Reason::Rejected(r) => json!({
            "why": "rejected", "path": r.path, "hunk": r.hunk.map(|h| h + 1), "line": r.line, "what": r.reason.to_string(),
        }),
        Reason::Together => json!({"why": "together"}),
        Reason::BuiltOn { path, digest } => json!({"why": "built-on", "path": path, "digest": digest}),
    }
}

/// What suggests that one fix belongs with another.
pub fn hint(h: &Hint) -> String {
    match &h.kind {
        HintKind::Uses { word, more, introduced, used, .. } => {
            let more = if more.is_empty() { String::new() } else { format!(" (also '{}')", more.join("', '")) };
            format!(
                "it uses '{word}'{more} in '{}' (line {} of the patch), which only {} introduces, in '{}' (line {} of its patch)",
                used.path, used.line, h.on, introduced.path, introduced.line
            )
        }
        HintKind::Titled { change } => format!("its title says that it repairs {} ({change})", h.on),
        HintKind::Names { commit } => format!("a trailer says that it repairs or completes {} ({commit})", h.on),
    }
}

/// What a fix is by its content.
pub fn class(c: &Classed) -> String {
    let other = c.other.as_ref().map(ToString::to_string).unwrap_or_default();
    match c.class {
        Class::Empty => "it changes nothing".into(),
        Class::Duplicate => format!("it does the same as {other}"),
        Class::Subset => format!("{other} does all that it does, and more"),
        Class::Superset => format!("it does all that {other} does, and more"),
        Class::Superseded if c.lost.is_empty() => format!("{other} replaces it"),
        Class::Superseded => format!("{other} replaces it, and does not have all that it does"),
        Class::Contained => "the base has all of it".into(),
        Class::Covered => format!("{other} brings what it does, alone or with others"),
        Class::Partly => "the base has a part of it".into(),
        Class::Reapplied => format!("it brings back what {other} did, which was taken back between them"),
        Class::Reverted => format!("{other} takes back all that it does"),
        Class::RevertOf => format!("it takes back all that {other} does"),
    }
}

/// Why a fix is not in the order.
pub fn drop_cause(cause: &DropCause) -> String {
    match cause {
        DropCause::Superseded { by } => format!("superseded by {by}"),
        DropCause::Duplicate { of } => format!("the same content as {of}"),
        DropCause::Contained => "the base that the fixes start from has it already".into(),
        DropCause::Covered { by } if by.len() == 1 => format!("contained in {}", list(by, ", ")),
        DropCause::Covered { by } => format!("contained in {} together", list(by, ", ")),
        DropCause::NotFor { reason } => format!("not for this track: {reason}"),
        DropCause::NotSelected => "not selected, and nothing selected needs it".into(),
        DropCause::Held { reason, chain } if chain.len() > 1 => {
            format!("needs what is held back: {} ({reason})", list(chain, " needs "))
        }
        DropCause::Held { reason, .. } => format!("held back: {reason}"),
        DropCause::Without { chain } if chain.len() == 1 => "left out by the selection".into(),
        DropCause::Without { chain } => format!("needs what was left out: {}", list(chain, " needs ")),
    }
}

pub(super) fn list(ids: &[FixId], between: &str) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

pub(super) fn pair(p: &OrderPair) -> String {
    let why = match p.kind {
        PairKind::Conflict if p.settled != Settled::Open => "only one order applies",
        kind => open_pair(kind),
    };
    format!("{} and {}: {why} ('{}')", p.first, p.then, p.path)
}

/// Why it matters which of two comes first where nothing decides it.
pub(super) fn open_pair(kind: PairKind) -> &'static str {
    match kind {
        // Where only one order applies, that one is taken: open ones are whole files.
        PairKind::Conflict => "both replace the whole file, and neither is built on the other",
        PairKind::Clash => "both apply alone, but not together",
        PairKind::Ambiguous => "both orders apply, but give different contents",
    }
}

/// Which fixes stand in the way of one that does not apply, and what to do about it.
fn shut_out(fix: &FixId, blockers: &[Blocker]) -> (String, String) {
    let named = |other_way: bool| {
        let ids: Vec<FixId> = blockers.iter().filter(|b| b.other_way == other_way).map(|b| b.fix.clone()).collect();
        list(&ids, ", ")
    };
    let (clash, late) = (named(false), named(true));
    if !clash.is_empty() {
        let why = format!(" together with {clash}: each applies alone, not both");
        (why, format!("make {fix} anew on top of {clash}, or leave one of them out"))
    } else if !late.is_empty() {
        let next = if blockers.iter().any(|b| b.listed) {
            format!("put {fix} before {late} in the series")
        } else {
            format!("put {fix} before {late}: after = [\"{fix}\"] in {late}, or in the series")
        };
        (format!(" after {late}, only before"), next)
    } else {
        (String::new(), "correct the patch for this base, add the fix that it needs, or leave it out".into())
    }
}

/// Back to where it began, so that the last need is told too; the middle of a long one says only how long it is.
fn circle(fixes: &[FixId], between: &str) -> String {
    const ENDS: usize = 6;
    let more = fixes.len().saturating_sub(2 * ENDS);
    let mut names: Vec<String> = fixes.iter().chain(fixes.first()).map(ToString::to_string).collect();
    if more > 1 {
        names.splice(ENDS..ENDS + more, [format!("({more} more)")]);
    }
    names.join(between)
}

/// The first few of many.
fn some(fixes: &[FixId]) -> String {
    const SHOWN: usize = 6;
    let more = fixes.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    list(&fixes[..fixes.len().min(SHOWN)], ", ") + &more
}

/// What gives a fix a form of its own for a track.
pub(super) fn variant(fix: &FixId, about: &Absent) -> String {
    match about {
        Absent::Elsewhere { branch, platform, .. } if platform.is_empty() => {
            format!("add {fix}@{branch}.patch, made for this one")
        }
        Absent::Elsewhere { branch, platform, .. } => {
            format!("add {fix}@{branch}@{platform}.patch, made for this one")
        }
        _ => String::new(),
    }
}

/// What says that a fix does not belong to a track.
pub(super) fn not_for(fix: &FixId, track: &str, about: &Absent) -> String {
    format!("say that it is not for {track}: {}", rule(fix, about))
}

/// In what way a fix is not there.
pub(super) fn not_there(fix: &FixId, absent: &BTreeMap<FixId, Absent>) -> String {
    match absent.get(fix) {
        Some(Absent::NotFor { track, reason, .. }) => format!("which is not for track {track}: {reason}"),
        Some(Absent::Alike { id }) => format!("which is not there; there is {id}, and case counts"),
        Some(Absent::Elsewhere { .. }) | None => "which is not there".to_owned(),
    }
}

/// What says that one more fix is not for a track.
pub(super) fn rule(fix: &FixId, about: &Absent) -> String {
    match about {
        Absent::NotFor { branch, platform, .. } | Absent::Elsewhere { branch, platform, .. } => {
            let stated = [("fix", fix.0.as_str()), ("branch", branch), ("platform", platform)];
            let stated = stated.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| format!("{k} = \"{v}\""));
            format!("[[not_for]] {}, with 'status', 'reason' and 'owner'", stated.collect::<Vec<_>>().join(", "))
        }
        Absent::Alike { .. } => String::new(),
    }
}

/// What is wrong, and what to do: subject, sentence, next step, code.
pub fn proof(p: &Proof, absent: &BTreeMap<FixId, Absent>) -> (String, String, String, Code) {
    let own = |f: &FixId| f.to_string();
    match p {
        Proof::TwiceNamed { fix } => {
            (own(fix), "two fixes have this id".into(), "rename one of them".into(), Code::BadMetadata)
        }
        Proof::Cycle { fixes } => (
            fixes.first().map(own).unwrap_or_default(),
            format!("these fixes need each other in a circle: {}", circle(fixes, " needs ")),
            "take one of the requirements out".into(),
            Code::Cycle,
        ),
        Proof::LinesCycle { fixes } => (
            fixes.first().map(own).unwrap_or_default(),
            format!(
                "in a circle, each of these fixes has lines in it that only the next one brings, or says that it comes after it: {}",
                circle(fixes, " waits for ")
            ),
            "one of them was made on another tree than this base: make it anew, or leave it out".into(),
            Code::Cycle,
        ),
        Proof::SupersedesCycle { fixes } => (
            fixes.first().map(own).unwrap_or_default(),
            format!("these fixes supersede each other in a circle: {}", circle(fixes, " supersedes ")),
            "take the older one's supersedes out".into(),
            Code::Cycle,
        ),
        Proof::Missing { fix: Some(fix), needs } => (
            own(fix),
            format!("it names {needs}, {}", not_there(needs, absent)),
            match absent.get(needs) {
                Some(about @ Absent::NotFor { .. }) => format!(
                    "if {fix} is not for it either, say so in cumulate.toml: {}; or take {needs} out of what {fix} requires",
                    rule(fix, about)
                ),
                Some(Absent::Alike { id }) => format!("write {id} if that is meant, or leave {fix} out"),
                Some(Absent::Elsewhere { .. }) | None => format!("add {needs}, or leave {fix} out"),
            },
            Code::MissingRequirement,
        ),
        Proof::Missing { fix: None, needs } => (
            own(needs),
            "the series names it, and it is not there".into(),
            "add the fix, or take it out of the series".into(),
            Code::MissingRequirement,
        ),
        Proof::SeriesContradicts { fix, needs } => (
            own(fix),
            format!("the series has it before {needs}, which it needs or comes after"),
            format!(
                "move {needs} before {fix} in the series, or take back that {fix} needs it if it is the other way round"
            ),
            Code::Cycle,
        ),
        Proof::Excluded { fix, other } => (
            own(fix),
            format!("it excludes {other}, and both are chosen"),
            "leave one of them out".into(),
            Code::DeclaredConflict,
        ),
        Proof::DoesNotApply { fix, refused, blockers, nowhere, .. } => {
            let (why, mut next) = shut_out(fix, blockers);
            if matches!(refused.reason, RejectReason::OtherLineEnds) {
                next = "take the base's files and the patch from one place: 'git archive' and a checkout may convert line ends, as .gitattributes says, and patches of commits do not; or leave it out".into();
            }
            if let Some(about @ Absent::Elsewhere { track, applies, .. }) = absent.get(fix) {
                next += &format!(
                    "; it applies to track {applies}: {}, or {}",
                    variant(fix, about),
                    not_for(fix, track, about)
                );
            }
            let line = lacks(refused, nowhere.as_ref()).map(|l| format!("; {l}")).unwrap_or_default();
            (own(fix), format!("it does not apply{why}: {}{line}", reject(refused)), next, Code::DoesNotApply)
        }
        Proof::OneFolderDown { fixes, folder, path } => (
            path.to_string(),
            format!(
                "the base has it as '{folder}/{path}', with all that there is below '{folder}', which the fixes do not name; so {}: {}",
                if fixes.len() == 1 {
                    "one finds no file and does not apply"
                } else {
                    "these find no file and do not apply"
                },
                some(fixes)
            ),
            format!(
                "take '{folder}' away from the base: record it again with 'cumulate base add --replace', which sees it now that there are fixes (strip = 1 in its [[base]]); of a folder, name '{folder}' in it"
            ),
            Code::DoesNotApply,
        ),
        Proof::OrderOpen { pairs, .. } => (
            pairs.first().map(|p| own(&p.first)).unwrap_or_default(),
            format!("no order is decided between {}", pairs.iter().map(pair).collect::<Vec<_>>().join("; ")),
            pairs
                .iter()
                .map(|p| {
                    format!("say after = [\"{}\"] in {}, or the other way round, or write a series", p.first, p.then)
                })
                .collect::<Vec<_>>()
                .join("; "),
            Code::OrderOpen,
        ),
        Proof::UnknownSelected { fix } => (
            own(fix),
            "the selection names it, and there is no such fix".into(),
            "correct the id".into(),
            Code::MissingRequirement,
        ),
        Proof::SelectionContradicts { chain } if chain.len() == 1 => (
            chain.first().map(own).unwrap_or_default(),
            "the selection wants it, and it is left out or held back".into(),
            "leave it out of --only, or take it out of --without and of 'hold'".into(),
            Code::MissingRequirement,
        ),
        Proof::SelectionContradicts { chain } => (
            chain.first().map(own).unwrap_or_default(),
            format!("the selection wants it and leaves out what it needs: {}", list(chain, " needs ")),
            "select both, or neither".into(),
            Code::MissingRequirement,
        ),
        Proof::BringersLeftOut { fix, by, out } => {
            let out: Vec<FixId> = out.iter().map(|d| d.fix.clone()).collect();
            let (by, out) = (list(by, ", "), list(&out, ", "));
            (
                own(fix),
                format!(
                    "what it does is contained in {by}; the selection leaves out {out}, and it does not apply instead"
                ),
                format!("select {out} too, or leave {fix} out"),
                Code::MissingRequirement,
            )
        }
        Proof::Unreadable { error } => {
            (error.subject.clone(), error.message.clone(), error.next.clone(), Code::DoesNotApply)
        }
    }
}

/// Every proof as a finding.
pub fn refusal_findings(refusal: &Refusal) -> Vec<Finding> {
    let proofs = refusal.proofs.iter().map(|p| {
        let (subject, message, next, code) = proof(p, &refusal.absent);
        let details = match p {
            Proof::DoesNotApply { refused: r, .. } => {
                json!({"path": r.path, "hunk": r.hunk.map(|h| h + 1), "line": r.line, "what": r.reason.to_string()})
            }
            Proof::Cycle { fixes } | Proof::LinesCycle { fixes } | Proof::SupersedesCycle { fixes } => {
                json!({"fixes": fixes})
            }
            _ => Value::Null,
        };
        Finding::new(code, subject, message).next(next).details(details)
    });
    proofs.chain(refusal.findings.iter().cloned()).collect()
}

/// The refusal as the error that stops a build: the first proof, and how many more there are.
pub fn refusal_error(refusal: &Refusal) -> Error {
    if let [Proof::Unreadable { error }] = refusal.proofs.as_slice() {
        return error.clone();
    }
    let mut all = refusal.proofs.iter().map(|p| proof(p, &refusal.absent));
    let (subject, mut message, next, _) =
        all.next().unwrap_or_else(|| ("plan".into(), "refused".into(), String::new(), Code::DoesNotApply));
    for (subject, more, ..) in all {
        message += &format!("\n{subject}: {more}");
    }
    Error::new(ErrorCode::PlanRefused, subject, message).next(next)
}
