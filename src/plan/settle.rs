//! What is left out of an order and why, and what is odd about what stays.

use super::order::Ordered;
use super::replay::Replay;
use super::resolve::Work;
use super::types::DropCause;
use crate::fix::Payload;
use crate::report::{Code, Finding};
use std::collections::BTreeMap;

impl<'a> Work<'a, '_> {
    /// Says what is left out of the order and why, and what is odd about what stays.
    pub(super) fn settle_dropped(&mut self, replay: &Replay<'a>, ordered: &Ordered) {
        for (old, new) in self.superseded.clone() {
            self.drop_fix(old, DropCause::Superseded { by: self.id(new) });
            let message = format!("left out: '{}' supersedes it", self.fixes[new].id);
            self.findings.push(Finding::new(Code::Superseded, self.fixes[old].id, message));
        }
        let mut seen: Vec<(&Payload, usize)> = Vec::new();
        let twin = |seen: &[(&Payload, usize)], i: usize| {
            seen.iter()
                .find(|(p, o)| *o != i && replay.of_fix[*o] == replay.of_fix[i] && same(p, self.fixes[i].payload))
                .map(|(_, o)| *o)
        };
        let mut by_groups: BTreeMap<&[usize], Vec<(&Payload, usize)>> = BTreeMap::new();
        let mut findings = Vec::new();
        for &i in &ordered.order {
            let here = by_groups.entry(&replay.of_fix[i]).or_default();
            if replay.of_fix[i].is_empty() {
                findings.push(
                    Finding::new(Code::EmptyFix, self.fixes[i].id, "it changes nothing")
                        .next("restore the patch if it was cut off, or take the fix out"),
                );
                continue;
            }
            if let Some(other) = twin(here, i) {
                let message = format!("it has the same content as '{}', and both apply", self.fixes[other].id);
                findings.push(Finding::new(Code::Duplicate, self.fixes[i].id, message).next("remove one of the two"));
            }
            here.push((self.fixes[i].payload, i));
        }
        seen.extend(by_groups.into_values().flatten());
        let mut causes = Vec::new();
        for &i in &ordered.contained {
            causes.push(match twin(&seen, i) {
                Some(other) => {
                    let message = format!("left out: it has the same content as '{}'", self.fixes[other].id);
                    findings
                        .push(Finding::new(Code::Duplicate, self.fixes[i].id, message).next("remove one of the two"));
                    (i, Some(other))
                }
                None => {
                    let message = "left out: the tree has its changes already";
                    findings.push(
                        Finding::new(Code::Contained, self.fixes[i].id, message)
                            .next("remove it from the release, or start from an older base"),
                    );
                    (i, None)
                }
            });
        }
        self.findings.extend(findings);
        for (i, of) in causes {
            if let Some(other) = of {
                self.stands_for.insert(i, other);
            }
            let cause = of.map_or(DropCause::Contained, |o| DropCause::Duplicate { of: self.id(o) });
            self.drop_fix(i, cause);
        }
    }
}

/// Whether two payloads do the same, wherever their parts stand in their files.
fn same(a: &Payload, b: &Payload) -> bool {
    match (a, b) {
        (Payload::Overlay(a), Payload::Overlay(b)) => a == b,
        (Payload::Patch(a), Payload::Patch(b)) => {
            let strip = |files: &[crate::patch::FilePatch]| {
                let mut files = files.to_vec();
                for f in &mut files {
                    f.line = 0;
                    if let crate::patch::Body::Text(hunks) = &mut f.body {
                        hunks.iter_mut().for_each(|h| h.line = 0);
                    }
                }
                files
            };
            a.len() == b.len() && strip(a) == strip(b)
        }
        _ => false,
    }
}
