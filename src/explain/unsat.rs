//! Why there is no plan, in sentences: statements that cannot all be true, and what mends each core of them.

use super::words::{lacks, list, not_for, not_there, open_pair, proof, reject, rule, variant};
use crate::fix::{FixId, Payload};
use crate::plan::{Absent, Core, Member, Proof, Refusal, Repair};
use crate::report::Code;
use crate::tree::TreePath;
use serde::Serialize;
use std::collections::BTreeMap;

/// One core as a tree: the sentence, because of these statements, because of what stands in the patches.
#[derive(Debug, Clone, Serialize)]
pub struct CoreView {
    pub code: Code,
    /// What the finding is about that this core explains.
    pub subject: String,
    pub text: String,
    /// Statements that cannot all be true.
    pub because: Vec<Because>,
    /// Whether any one statement less has a plan; where not, one may be too many.
    pub minimal: bool,
    /// Each of them alone mends it.
    pub repairs: Vec<RepairView>,
}

/// A statement, or a fact that a statement rests on.
#[derive(Debug, Clone, Serialize)]
pub struct Because {
    /// `wanted`, `requires`, `after`, `supersedes`, `excludes`, `series`, `left-out`, `open`; `refused`, `lacks` or `part` for a part of a patch.
    pub kind: &'static str,
    /// The fixes that it speaks of; whose it is comes first.
    pub fixes: Vec<FixId>,
    pub text: String,
    /// Line of the first fix's patch, from 1; 0 where it has none.
    pub line: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<Because>,
}

#[derive(Debug, Clone, Serialize)]
pub struct RepairView {
    /// `leave-out`, `variant`, `add`, `excuse`, `name`, `select`, `order` or `unsay`.
    pub kind: &'static str,
    pub fixes: Vec<FixId>,
    pub text: String,
    /// Whether there is a plan with it alone, where that was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enough: Option<bool>,
}

impl RepairView {
    /// The text, and what comes of it where another repair, or more than it, is needed.
    pub(super) fn said(&self, tell: bool) -> String {
        let what = match self.enough.filter(|_| tell) {
            Some(true) => " (and with that alone there is a plan)",
            Some(false) => " (and something else is in the way then)",
            None => "",
        };
        format!("{}{what}", self.text)
    }
}

/// Whether it matters which of the repairs are enough: some are not.
pub(super) fn some_fall_short(cores: &[CoreView]) -> bool {
    cores.iter().flat_map(|c| &c.repairs).any(|r| r.enough == Some(false))
}

/// Without which fixes there is a plan, in a sentence.
pub(super) fn ways(ways: &[Vec<String>]) -> Option<String> {
    let way = |w: &Vec<String>| format!("without {}", w.join(" and "));
    (!ways.is_empty()).then(|| format!("there is a plan {}", ways.iter().map(way).collect::<Vec<_>>().join(", or ")))
}

/// Every core of a refusal; `payloads` has the parts of every fix, for their lines.
pub(super) fn cores(refusal: &Refusal, payloads: &BTreeMap<&FixId, &Payload>) -> Vec<CoreView> {
    let view = |core: &Core| {
        let about = refusal.proofs.get(core.proof)?;
        let (subject, _, _, code) = proof(about, &refusal.absent);
        let because: Vec<Because> = core.members.iter().map(|m| because(m, refusal, about, payloads)).collect();
        Some(CoreView {
            code,
            text: head(core),
            subject,
            because,
            minimal: core.minimal,
            repairs: repairs(core, &refusal.absent),
        })
    };
    refusal.cores.iter().filter_map(view).collect()
}

/// What mends a core; a fix that applies on another track may be another one here, or none.
fn repairs(core: &Core, absent: &BTreeMap<FixId, Absent>) -> Vec<RepairView> {
    let mut out = Vec::new();
    for (k, r) in core.repairs.iter().enumerate() {
        out.push(RepairView { enough: core.enough.get(k).copied().flatten(), ..repair(r, core, absent) });
        if let Repair::LeaveOut { fixes, .. } = r
            && let [fix] = fixes.as_slice()
            && let Some(about @ Absent::Elsewhere { track, .. }) = absent.get(fix)
        {
            let view = |kind, text| RepairView { kind, fixes: vec![fix.clone()], text, enough: None };
            out.push(view("variant", variant(fix, about)));
            out.push(view("excuse", not_for(fix, track, about)));
        }
    }
    out
}

/// Whose requirement of this fix the core has in it.
fn needing<'c>(core: &'c Core, absent: &FixId) -> Option<&'c FixId> {
    core.members.iter().find_map(|m| match m {
        Member::Requires { fix, needs, there: false, .. } if needs == absent => Some(fix),
        _ => None,
    })
}

fn head(core: &Core) -> String {
    match core.members.as_slice() {
        [Member::Wanted { fix }] => format!("{fix} applies in no order, whatever comes with it"),
        [_, _] if core.minimal => "these two cannot both be true, and either alone can".into(),
        members if core.minimal => {
            format!("these {} cannot all be true, and any {} of them can", members.len(), members.len() - 1)
        }
        _ => "these cannot all be true".into(),
    }
}

fn because(m: &Member, refusal: &Refusal, about: &Proof, payloads: &BTreeMap<&FixId, &Payload>) -> Because {
    let line_of = |fix: &FixId, path: &TreePath| payloads.get(fix).map_or(0, |p| line(p, path));
    let mut at = 0;
    let mut below = Vec::new();
    let (kind, fixes) = match m {
        Member::Wanted { fix } => {
            if let Proof::DoesNotApply { fix: failed, refused, nowhere, .. } = about {
                at = if fix == failed { refused.line } else { line_of(fix, &refused.path) };
                if fix == failed {
                    let (fixes, text) = (vec![fix.clone()], format!("it does not apply: {}", reject(refused)));
                    below.push(Because { kind: "refused", fixes, text, line: refused.line, because: Vec::new() });
                    if let (Some(text), Some(at)) = (lacks(refused, nowhere.as_ref()), nowhere) {
                        let fixes = vec![fix.clone()];
                        below.push(Because { kind: "lacks", fixes, text, line: at.line, because: Vec::new() });
                    }
                }
            }
            ("wanted", vec![fix])
        }
        Member::Requires { fix, needs, .. } => ("requires", vec![fix, needs]),
        Member::After { fix, first, .. } => ("after", vec![fix, first]),
        Member::Supersedes { fix, old } => ("supersedes", vec![fix, old]),
        Member::Excludes { fix, other } => ("excludes", vec![fix, other]),
        Member::Series { first, then } => ("series", vec![first, then]),
        Member::LeftOut { fix } => ("left-out", vec![fix]),
        Member::Open { first, then, path, .. } => {
            at = line_of(first, path);
            let (fixes, text) = (vec![then.clone()], format!("the part of {then} that changes '{path}'"));
            below.push(Because { kind: "part", fixes, text, line: line_of(then, path), because: Vec::new() });
            ("open", vec![first, then])
        }
    };
    let text = match m {
        Member::Requires { fix, needs, there: false, .. } => {
            format!("{fix} requires {needs}, {}", not_there(needs, &refusal.absent))
        }
        m => member(m),
    };
    Because { kind, fixes: fixes.into_iter().cloned().collect(), text, line: at, because: below }
}

/// The first line of a patch that is about a path; 0 for an overlay.
fn line(payload: &Payload, path: &TreePath) -> u32 {
    let Payload::Patch(files) = payload else { return 0 };
    files.iter().find(|f| f.old.as_ref() == Some(path) || f.new.as_ref() == Some(path)).map_or(0, |f| f.line)
}

/// A statement as a sentence.
pub fn member(m: &Member) -> String {
    match m {
        Member::Wanted { fix } => format!("{fix} is wanted"),
        Member::Requires { fix, needs, named, there: true } => format!("{fix} requires {}", stands(named, needs)),
        Member::Requires { fix, needs, there: false, .. } => format!("{fix} requires {needs}, which is not there"),
        Member::After { fix, first, named } => format!("{fix} says that it comes after {}", stands(named, first)),
        Member::Supersedes { fix, old } => format!("{fix} says that it supersedes {old}"),
        Member::Excludes { fix, other } => format!("{fix} and {other} exclude each other"),
        Member::Series { first, then } => format!("the series puts {first} before {then}"),
        Member::LeftOut { fix } => format!("{fix} is left out"),
        Member::Open { first, then, kind, path } => {
            format!("nothing says which of {first} and {then} comes first: {} ('{path}')", open_pair(*kind))
        }
    }
}

/// What metadata names, with the fix that stands for it where that is another one.
fn stands(named: &FixId, by: &FixId) -> String {
    if named == by { named.to_string() } else { format!("{named}, for which {by} stands") }
}

fn repair(r: &Repair, core: &Core, absent: &BTreeMap<FixId, Absent>) -> RepairView {
    let (kind, fixes, text) = match r {
        Repair::LeaveOut { fixes, twins } => {
            let (same, users) = fixes.split_at(fixes.len().min(twins + 1));
            let (those, it) = (list(same, " and "), if *twins == 0 { "it" } else { "them" });
            let text = match users {
                [] => format!("leave out {those}"),
                more => format!("leave out {those}, and with {it} what requires {it}: {}", list(more, ", ")),
            };
            ("leave-out", fixes.clone(), text)
        }
        Repair::Add { fix } => match (absent.get(fix), needing(core, fix)) {
            (Some(about @ Absent::NotFor { track, .. }), Some(user)) => {
                let text = format!("say that {user} is not for track {track} either: {}", rule(user, about));
                ("excuse", vec![user.clone()], text)
            }
            (Some(Absent::Alike { id }), Some(user)) => {
                ("name", vec![user.clone(), id.clone()], format!("write {id} instead of {fix} where {user} names it"))
            }
            _ => ("add", vec![fix.clone()], format!("add {fix}")),
        },
        Repair::Select { fix } => {
            ("select", vec![fix.clone()], format!("do not leave {fix} out (--only, --without, 'hold')"))
        }
        Repair::Order { first, then } => {
            ("order", vec![first.clone(), then.clone()], format!("order {first} before {then}"))
        }
        Repair::Unsay { member: m } => {
            let (fixes, text) = match m {
                Member::Requires { fix, named, .. } => {
                    ([fix, named], format!("take {named} out of what {fix} requires"))
                }
                Member::Supersedes { fix, old } => ([fix, old], format!("take {old} out of the 'supersedes' of {fix}")),
                Member::After { fix, named, .. } => ([fix, named], format!("take {named} out of the 'after' of {fix}")),
                Member::Excludes { fix, other } => {
                    ([fix, other], format!("take back that {fix} and {other} exclude each other"))
                }
                Member::Wanted { fix } | Member::LeftOut { fix } => ([fix, fix], member(m)),
                Member::Series { first, then } | Member::Open { first, then, .. } => ([first, then], member(m)),
            };
            ("unsay", fixes.into_iter().cloned().collect(), text)
        }
    };
    RepairView { kind, fixes, text, enough: None }
}
