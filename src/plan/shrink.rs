//! From proofs to cores: what a proof says in statements, and then every one taken away without which there is no plan
//! either.

use super::cores::{Core, Member, Repair};
use super::replay::Replay;
use super::resolve::Proving;
use super::search::{Answer, Wishes, satisfiable};
use super::types::Proof;
use super::work::Work;
use crate::fix::FixId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Tries of a fix that all searches for one refusal may take together.
const BUDGET: usize = 100_000;
const QUICK_BUDGET: usize = 5_000;
/// Bytes of files that are patched anew in no time.
const SMALL: u64 = 1 << 16;
/// Longer cores stay as the proof has them: each member costs a search.
const MOST_MEMBERS: usize = 64;
/// Among more fixes than this, not all statements are tried.
const MOST_FIXES: usize = 12;

impl Work<'_, '_> {
    /// The core of every proof that has one, none of them twice, and the tries that it took.
    pub(super) fn cores(&self, replay: &Replay<'_>, proofs: &[Proof]) -> (Vec<Core>, usize) {
        let weight = self.weight(replay, proofs);
        let most = if self.proving == Proving::Quick { QUICK_BUDGET } else { BUDGET } / weight;
        let mut budget = most;
        let mut out: Vec<Core> = Vec::new();
        for (proof, p) in proofs.iter().enumerate() {
            for members in self.statements(replay, p, &mut budget) {
                let Some((members, minimal)) = self.shrink(replay, members, &mut budget) else { continue };
                match out.iter_mut().find(|c| c.members == members) {
                    Some(same) if same.proof != proof => same.also.push(proof),
                    Some(_) => {}
                    None => {
                        let repairs = self.repairs(&members);
                        out.push(Core { proof, also: Vec::new(), members, minimal, repairs, enough: Vec::new() });
                    }
                }
            }
        }
        (out, (most - budget) * weight)
    }

    /// How many tries of a fix of small files one costs that patches what does not apply anew.
    fn weight(&self, replay: &Replay<'_>, proofs: &[Proof]) -> usize {
        let failed = proofs.iter().filter_map(|p| match p {
            Proof::DoesNotApply { fix, .. } => self.number(fix),
            _ => None,
        });
        let bytes = |g: &usize| replay.groups[*g].there.iter().flatten().map(|e| e.size()).sum::<u64>();
        let most = failed.flat_map(|i| &replay.of_fix[i]).map(bytes).max().unwrap_or(0);
        usize::try_from(1 + most / SMALL).unwrap_or(usize::MAX)
    }

    /// What a proof says, in statements: mostly once, and once for every pair that is open.
    fn statements(&self, replay: &Replay<'_>, proof: &Proof, budget: &mut usize) -> Vec<Vec<Member>> {
        match proof {
            Proof::Cycle { fixes } | Proof::LinesCycle { fixes } => vec![self.circle(fixes)],
            Proof::Missing { fix: Some(fix), needs } => {
                let (needs, named) = (needs.clone(), needs.clone());
                vec![vec![wanted(fix), Member::Requires { fix: fix.clone(), needs, named, there: false }]]
            }
            Proof::SeriesContradicts { fix, needs } => {
                let series = Member::Series { first: fix.clone(), then: needs.clone() };
                let said = self.relation(fix, needs).into_iter().chain([series]);
                vec![[wanted(fix), wanted(needs)].into_iter().chain(said).collect()]
            }
            Proof::Excluded { fix, other } => {
                vec![vec![wanted(fix), wanted(other), Member::Excludes { fix: fix.clone(), other: other.clone() }]]
            }
            Proof::OrderOpen { pairs, .. } => pairs
                .iter()
                .map(|p| {
                    let (first, then) = (p.first.clone(), p.then.clone());
                    let open = Member::Open { first, then, kind: p.kind, path: p.path.clone() };
                    vec![wanted(&p.first), wanted(&p.then), open]
                })
                .collect(),
            Proof::SelectionContradicts { chain } => {
                let (Some(from), Some(to)) = (chain.first(), chain.last()) else { return Vec::new() };
                let said = chain.windows(2).filter_map(|w| self.requirement(&w[0], &w[1]));
                let out = Member::LeftOut { fix: to.clone() };
                vec![[wanted(from)].into_iter().chain(said).chain([out]).collect()]
            }
            Proof::DoesNotApply { fix, blockers, .. } => {
                let near: Vec<FixId> = [fix].into_iter().chain(blockers.iter().map(|b| &b.fix)).cloned().collect();
                let all: Vec<FixId> = self.alive.iter().take(MOST_FIXES + 1).map(|i| self.id(*i)).collect();
                // The fewest fixes that explain it: alone, with what shuts it out, with all on its paths, with all.
                let tries = [vec![fix.clone()], near, self.beside(replay, fix), all];
                let tries = tries.iter().filter(|t| t.len() <= MOST_FIXES).map(|t| self.among(t));
                let mut no = tries.filter(|t| self.answer(replay, t, budget) == Answer::No);
                no.next().into_iter().collect()
            }
            Proof::BringersLeftOut { fix, by, out } => {
                let gone = |f: &FixId| out.iter().any(|d| d.fix == *f);
                let there = by.iter().filter(|f| !gone(f)).map(wanted);
                let gone = out.iter().map(|d| Member::LeftOut { fix: d.fix.clone() });
                vec![[wanted(fix)].into_iter().chain(there).chain(gone).collect()]
            }
            Proof::TwiceNamed { .. }
            | Proof::SupersedesCycle { .. }
            | Proof::Missing { fix: None, .. }
            | Proof::UnknownSelected { .. }
            | Proof::OneFolderDown { .. }
            | Proof::Unreadable { .. } => Vec::new(),
        }
    }

    /// A circle of requirements and `after`; a fix is wanted for itself where the one before it does not require it.
    fn circle(&self, fixes: &[FixId]) -> Vec<Member> {
        let next = |k: usize| &fixes[(k + 1) % fixes.len()];
        let said: Vec<Member> = (0..fixes.len()).filter_map(|k| self.relation(&fixes[k], next(k))).collect();
        let mut ends: Vec<Member> = (0..fixes.len())
            .filter(|k| self.requirement(&fixes[*k], next(*k)).is_none())
            .map(|k| wanted(next(k)))
            .collect();
        if ends.is_empty() {
            ends.extend(fixes.first().map(wanted));
        }
        ends.into_iter().chain(said).collect()
    }

    fn requirement(&self, fix: &FixId, needs: &FixId) -> Option<Member> {
        let (i, n) = (self.number(fix)?, self.number(needs)?);
        let standing =
            |id: &&FixId| self.number(id).is_some_and(|r| (r == i || n != i) && self.standing(r).contains(&n));
        let named = named(&self.fixes[i].meta.requires, needs, standing)?;
        Some(Member::Requires { fix: fix.clone(), needs: needs.clone(), named, there: true })
    }

    /// What makes one come after the other.
    fn relation(&self, fix: &FixId, first: &FixId) -> Option<Member> {
        self.requirement(fix, first).or_else(|| {
            let (i, n) = (self.number(fix)?, self.number(first)?);
            let standing = |id: &&FixId| self.number(id).and_then(|a| self.stands(a)) == Some(n);
            let named = named(&self.fixes[i].meta.after, first, standing)?;
            Some(Member::After { fix: fix.clone(), first: first.clone(), named })
        })
    }

    /// Everything that is said of these fixes and no others.
    fn among(&self, fixes: &[FixId]) -> Vec<Member> {
        let (kept, gone): (Vec<&FixId>, Vec<&FixId>) = fixes
            .iter()
            .partition(|f| self.number(f).is_some_and(|i| self.kept.as_ref().is_none_or(|k| k.contains(&i))));
        let mut out: Vec<Member> = kept.iter().map(|f| wanted(f)).collect();
        out.extend(gone.into_iter().map(|f| Member::LeftOut { fix: f.clone() }));
        let place = |f: &FixId| self.input.series.and_then(|s| s.iter().position(|x| x == f));
        for a in fixes {
            for b in fixes.iter().filter(|b| *b != a) {
                out.extend(self.relation(a, b));
                if let (Some(x), Some(y)) = (place(a), place(b))
                    && x < y
                {
                    out.push(Member::Series { first: a.clone(), then: b.clone() });
                }
            }
        }
        out
    }

    /// The fixes that share a path with this one, itself first; not all where those are too many to try.
    fn beside(&self, replay: &Replay<'_>, fix: &FixId) -> Vec<FixId> {
        let Some(i) = self.number(fix) else { return Vec::new() };
        let shared = replay.of_fix[i].iter().flat_map(|g| replay.groups[*g].fixes());
        let others: BTreeSet<usize> = shared.filter(|f| *f != i && self.alive.contains(f)).collect();
        [i].into_iter().chain(others).take(MOST_FIXES + 1).map(|f| self.id(f)).collect()
    }

    /// Takes away what it does not need; `None` where the statements are no contradiction.
    fn shrink(&self, replay: &Replay<'_>, members: Vec<Member>, budget: &mut usize) -> Option<(Vec<Member>, bool)> {
        let mut minimal = match self.answer(replay, &members, budget) {
            Answer::Yes(_) => return None,
            Answer::No => true,
            Answer::Unknown => false,
        };
        if members.len() > MOST_MEMBERS {
            return Some((members, false));
        }
        let mut kept = members;
        for k in (0..kept.len()).rev() {
            let mut rest = kept.clone();
            rest.remove(k);
            match self.answer(replay, &rest, budget) {
                Answer::No => kept = rest,
                Answer::Yes(_) => {}
                Answer::Unknown => minimal = false,
            }
        }
        Some((kept, minimal))
    }

    pub(super) fn answer(&self, replay: &Replay<'_>, members: &[Member], budget: &mut usize) -> Answer {
        let mut wishes = Wishes::default();
        let mut open: Vec<(usize, usize)> = Vec::new();
        let pair = |a: &FixId, b: &FixId| Some((self.number(a)?, self.number(b)?));
        for m in members {
            match m {
                Member::Wanted { fix } => wishes.wanted.extend(self.number(fix)),
                Member::Requires { fix, there: false, .. } => wishes.lacking.extend(self.number(fix)),
                Member::Requires { fix, needs, .. } => wishes.requires.extend(pair(fix, needs)),
                Member::After { fix, first, .. } => wishes.after.extend(pair(fix, first)),
                Member::Series { first, then } => wishes.after.extend(pair(then, first)),
                Member::Excludes { fix, other } => wishes.excludes.extend(pair(fix, other)),
                Member::LeftOut { fix } => wishes.left_out.extend(self.number(fix)),
                Member::Open { first, then, .. } => open.extend(pair(first, then)),
                // No circle of these comes this far.
                Member::Supersedes { .. } => {}
            }
        }
        if open.iter().any(|(a, b)| wishes.wanted.contains(a) && wishes.wanted.contains(b)) {
            return Answer::No;
        }
        // What others bring is in no order, and is tried where it is wanted for itself.
        let mut all = self.alive.clone();
        all.extend(wishes.wanted.iter().filter(|i| self.covered.contains_key(i)));
        satisfiable(replay, &all, &wishes, budget)
    }

    fn repairs(&self, members: &[Member]) -> Vec<Repair> {
        let users = self.users();
        let mut out: Vec<Repair> = Vec::new();
        for m in members {
            let order = |first: &FixId, then: &FixId| Repair::Order { first: first.clone(), then: then.clone() };
            match m {
                Member::Wanted { fix } => out.push(self.leave_out(fix, &users)),
                Member::Requires { needs, there: false, .. } => {
                    out.push(Repair::Add { fix: needs.clone() });
                    out.push(Repair::Unsay { member: m.clone() });
                }
                Member::Series { first, then } => out.push(order(then, first)),
                Member::LeftOut { fix } => out.push(Repair::Select { fix: fix.clone() }),
                Member::Open { first, then, .. } => out.extend([order(first, then), order(then, first)]),
                Member::Requires { .. }
                | Member::After { .. }
                | Member::Supersedes { .. }
                | Member::Excludes { .. } => {
                    out.push(Repair::Unsay { member: m.clone() });
                }
            }
        }
        out
    }

    /// By fix: those that say that they require it.
    fn users(&self) -> BTreeMap<usize, Vec<usize>> {
        let mut out: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &i in &self.alive {
            for n in self.requires(i) {
                out.entry(n).or_default().push(i);
            }
        }
        out
    }

    /// What has the same content would stand in its place.
    fn leave_out(&self, fix: &FixId, users: &BTreeMap<usize, Vec<usize>>) -> Repair {
        let first = self.number(fix);
        let twins = first.map(|i| self.twins_of(i)).unwrap_or_default();
        let roots: Vec<usize> = first.into_iter().chain(twins.iter().copied()).collect();
        let mut seen: BTreeSet<usize> = roots.iter().copied().collect();
        let mut todo: VecDeque<usize> = roots.iter().copied().collect();
        while let Some(i) = todo.pop_front() {
            todo.extend(users.get(&i).into_iter().flatten().copied().filter(|u| seen.insert(*u)));
        }
        seen.retain(|i| !roots.contains(i));
        let fixes = [fix.clone()].into_iter().chain(twins.iter().copied().chain(seen).map(|i| self.id(i))).collect();
        Repair::LeaveOut { fixes, twins: twins.len() }
    }
}

/// Circles of supersedes as cores: without any one statement they are none. They are refused before anything is tried.
pub(super) fn circles_of_supersedes(proofs: &[Proof]) -> Vec<Core> {
    let core = |(proof, p): (usize, &Proof)| {
        let Proof::SupersedesCycle { fixes } = p else { return None };
        let next = fixes.iter().cycle().skip(1);
        let said = fixes.iter().zip(next).map(|(fix, old)| Member::Supersedes { fix: fix.clone(), old: old.clone() });
        let members: Vec<Member> = said.collect();
        let repairs = members.iter().map(|m| Repair::Unsay { member: m.clone() }).collect();
        Some(Core { proof, also: Vec::new(), members, minimal: true, repairs, enough: Vec::new() })
    };
    proofs.iter().enumerate().filter_map(core).collect()
}

/// What metadata has of a fix: the fix itself if it is named, or else the first of those that it stands for.
fn named(said: &[FixId], of: &FixId, standing: impl Fn(&&FixId) -> bool) -> Option<FixId> {
    let all = || said.iter().filter(&standing);
    all().find(|id| *id == of).or_else(|| all().next()).cloned()
}

fn wanted(fix: &FixId) -> Member {
    Member::Wanted { fix: fix.clone() }
}
