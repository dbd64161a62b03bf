//! What is left out of an order and why, and what is odd about what stays.

use super::content::Content;
use super::order::Ordered;
use super::replay::Replay;
use super::types::DropCause;
use super::work::Work;
use crate::report::{Code, Finding};
use std::collections::HashMap;

impl<'a> Work<'a, '_> {
    /// Says what is left out of the order and why, and what is odd about what stays.
    pub(super) fn settle_dropped(&mut self, replay: &Replay<'a>, ordered: &Ordered) {
        for (old, new) in self.superseded.clone() {
            self.drop_fix(old, DropCause::Superseded { by: self.id(new) });
            let message = format!("left out: '{}' supersedes it", self.fixes[new].id);
            self.findings.push(Finding::new(Code::Superseded, self.fixes[old].id, message));
        }
        // By mark: the first fix of each content that has it.
        let mut seen: HashMap<u64, Vec<usize>> = HashMap::with_capacity(ordered.order.len());
        let marks: Vec<u64> = self.marks(replay).iter().map(|marks| marks.whole).collect();
        let content = |i: usize| Content(self.fixes[i].payload);
        let alike = |with: &[usize], i: usize| with.iter().copied().find(|other| content(*other) == content(i));
        let mut findings = Vec::new();
        for &i in &ordered.order {
            if replay.of_fix[i].is_empty() {
                findings.push(
                    Finding::new(Code::EmptyFix, self.fixes[i].id, "it changes nothing")
                        .next("restore the patch if it was cut off, or take the fix out"),
                );
                continue;
            }
            let with = seen.entry(marks[i]).or_default();
            match alike(with, i) {
                Some(other) => {
                    let message = format!("it has the same content as '{}', and both apply", self.fixes[other].id);
                    let twice = Finding::new(Code::Duplicate, self.fixes[i].id, message);
                    findings.push(twice.next("remove one of the two"));
                }
                None => with.push(i),
            }
        }
        let mut causes = Vec::new();
        for &i in &ordered.contained {
            causes.push(match seen.get(&marks[i]).and_then(|with| alike(with, i)) {
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
