//! What is left out of an order and why, and what is odd about what stays.

use super::covered::Covered;
use super::order::Ordered;
use super::replay::Replay;
use super::types::DropCause;
use super::work::Work;
use crate::fix::{FixId, Payload};
use crate::report::{Code, Finding};

impl<'a> Work<'a, '_> {
    /// Says what is left out of the order and why, and what is odd about what stays.
    pub(super) fn settle_dropped(&mut self, replay: &Replay<'a>, ordered: &Ordered) {
        for (old, new) in self.superseded.clone() {
            self.drop_fix(old, DropCause::Superseded { by: self.id(new) });
            let message = format!("left out: '{}' supersedes it", self.fixes[new].id);
            self.findings.push(Finding::new(Code::Superseded, self.fixes[old].id, message));
        }
        let mut causes = Vec::new();
        let twins = self.twins_in(replay, &ordered.order);
        let mut findings = Vec::new();
        for (place, &i) in ordered.order.iter().enumerate() {
            let what = match replay.of_fix[i].is_empty() {
                true => "it changes nothing",
                false if self.comes_to_nothing(replay, &ordered.order[..place], i) => {
                    "it changes nothing: one part of it takes back what another does"
                }
                false => continue,
            };
            findings.push(
                Finding::new(Code::EmptyFix, self.fixes[i].id, what)
                    .next("restore the patch if it was cut off, or take the fix out"),
            );
        }
        for &(i, at) in &ordered.contained {
            let twin = self.twin(replay, &twins, i);
            let covered = Covered::find(replay, &ordered.order, i, at, twin);
            let finding = |code, message| Finding::new(code, self.fixes[i].id, message);
            let cause = match (&covered, twin) {
                (None, _) => {
                    let told = finding(Code::Contained, "left out: the tree has its changes already".to_owned());
                    findings.push(told.next("remove it from the release, or start from an older base"));
                    DropCause::Contained
                }
                (Some(_), Some(twin)) => {
                    let twin = self.id(twin);
                    let message = format!("left out: it has the same content as '{twin}'");
                    findings.push(finding(Code::Duplicate, message).next("remove one of the two"));
                    DropCause::Duplicate { of: twin }
                }
                (Some(covered), None) => {
                    let by: Vec<FixId> = covered.by.iter().map(|b| self.id(*b)).collect();
                    let names: Vec<String> = by.iter().map(|b| format!("'{b}'")).collect();
                    let all = names.join(", ");
                    let stays = self.fixes[i].meta.supersedes.iter().filter_map(|old| self.number(old));
                    let stays: Vec<String> = stays.filter(|o| self.alive.contains(o)).map(|o| self.id(o).0).collect();
                    let stays = match stays.as_slice() {
                        [] => String::new(),
                        old => format!("; so what it supersedes stays: '{}'", old.join("', '")),
                    };
                    let message = format!("left out: all that it does is contained in {all}{stays}");
                    let next =
                        format!("remove it from the release, or leave {all} out where this one is wanted instead");
                    findings.push(finding(Code::Duplicate, message).next(next));
                    DropCause::Covered { by }
                }
            };
            causes.push((i, covered, twin, cause));
        }
        self.findings.extend(findings);
        self.twins = twins.pairs;
        for (i, covered, twin, cause) in causes {
            if let (Some(covered), twin) = (covered, twin) {
                self.covered.insert(i, covered);
                twin.and_then(|twin| self.stands_for.insert(i, twin));
            }
            self.drop_fix(i, cause);
        }
    }

    /// Whether the parts of a patch, one after the other, leave everything as they found it behind these fixes.
    fn comes_to_nothing(&self, replay: &Replay<'a>, before: &[usize], i: usize) -> bool {
        let Payload::Patch(files) = self.fixes[i].payload else { return false };
        let same = |g: &usize| {
            let from = replay.walk(*g, 0, before.iter().copied());
            from.is_ok_and(|state| replay.step(*g, state, i).is_ok_and(|then| then == state))
        };
        files.come_twice() && replay.of_fix[i].iter().all(same)
    }
}
