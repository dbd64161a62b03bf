//! What is behind a refusal: every repair is tried on the whole, so that what else is in the way is told at once, and which
//! repairs are enough.

use super::cores::{Core, Member, Repair};
use super::mended::Mended;
use super::newer::selects;
use super::remembered::Remembered;
use super::replay::Replay;
use super::resolve::Proving;
use super::search::Answer;
use super::standing::Yields;
use super::types::{PlanInput, Proof, Refusal};
use super::work::Work;
use crate::fix::FixId;
use std::collections::BTreeSet;

/// Plans that are made for one refusal, and fixes that are planned in all of them together.
const MOST_PLANS: usize = 100;
const MOST_PLANNED: usize = 1_500;
/// Among more fixes than this nothing is tried; among more than these few only where the refusal took few tries itself.
const MOST_FIXES: usize = 200;
const FEW_FIXES: usize = 16;
const FEW_TRIES: usize = 10_000;
/// Cores that are told beside those of the refusal itself, sets that are looked at, and ways out that are told.
const MOST_CORES: usize = 12;
const MOST_SETS: usize = 500;
const MOST_WAYS: usize = 3;
/// Tries of a fix that it may take to see whether what was found behind a repair is there without it.
const BUDGET: usize = 20_000;

/// The refusal with what else is in the way, and with what is known of the repairs. Where a selection says what is wanted,
/// nothing is tried: what is in the way of it is passed by already.
pub(super) fn tell_behind(input: &PlanInput<'_>, mut refusal: Refusal) -> Refusal {
    let before_all = |p: &Proof| {
        matches!(
            p,
            Proof::TwiceNamed { .. }
                | Proof::Missing { fix: None, .. }
                | Proof::OneFolderDown { .. }
                | Proof::Unreadable { .. }
        )
    };
    let fixes = input.fixes.len();
    let soon = fixes <= FEW_FIXES || fixes <= MOST_FIXES && refusal.tried.steps <= FEW_TRIES;
    if selects(input) || !soon || refusal.cores.is_empty() || refusal.proofs.iter().any(before_all) {
        return refusal;
    }
    let remembered = Remembered::of_one_run();
    // What nobody made is not kept for later runs.
    let input = PlanInput { remembered: Some(&remembered), ..input.clone() };
    let known: Vec<Known> =
        refusal.cores.drain(..).map(|core| Known { core, given: BTreeSet::new(), proof: None }).collect();
    let most = known.len() + MOST_CORES;
    let mut behind = Behind { input: &input, known, most, ways: Vec::new(), plans: MOST_PLANS, planned: MOST_PLANNED };
    behind.explore();
    behind.known.retain(|k| k.given.is_empty());
    // What is behind one repair may be behind another as well: the list grows while it is gone through.
    let mut enough: Vec<Vec<Option<bool>>> = Vec::new();
    while let Some(known) = behind.known.get(enough.len()) {
        let repairs = 0..known.core.repairs.len();
        enough.push(repairs.map(|r| behind.enough(enough.len(), r)).collect());
    }
    for (known, enough) in behind.known.into_iter().zip(enough) {
        let mut core = Core { enough, ..known.core };
        if let Some(proof) = known.proof {
            core.proof = refusal.proofs.len();
            refusal.proofs.push(proof);
        }
        refusal.cores.push(core);
    }
    behind.ways.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    refusal.tried.ways = behind.ways.into_iter().take(MOST_WAYS).map(|w| w.into_iter().collect()).collect();
    refusal
}

/// A core that holds wherever the fixes in `given` are left out, with its proof if nothing has told it yet.
struct Known {
    core: Core,
    given: BTreeSet<FixId>,
    proof: Option<Proof>,
}

impl Known {
    fn stands(&self, out: &BTreeSet<FixId>) -> bool {
        let wanted = |m: &Member| matches!(m, Member::Wanted { fix } if out.contains(fix));
        self.given.is_subset(out) && !self.core.members.iter().any(wanted)
    }

    /// Whether it stands whatever else is left out: an order that nothing decides may be decided with fewer fixes.
    fn is_firm(&self) -> bool {
        !self.core.members.iter().any(|m| matches!(m, Member::Open { .. }))
    }

    fn leave_outs(&self) -> impl Iterator<Item = &[FixId]> {
        self.core.repairs.iter().filter_map(|r| match r {
            Repair::LeaveOut { fixes, .. } => Some(fixes.as_slice()),
            _ => None,
        })
    }
}

struct Behind<'a, 'i> {
    input: &'i PlanInput<'a>,
    known: Vec<Known>,
    most: usize,
    /// Sets of fixes without which there is a plan.
    ways: Vec<BTreeSet<FixId>>,
    plans: usize,
    planned: usize,
}

impl Behind<'_, '_> {
    /// Leaves out one fix of every core that is known, in every way, and learns from what is in the way then.
    fn explore(&mut self) {
        let mut seen: BTreeSet<BTreeSet<FixId>> = BTreeSet::new();
        let mut todo = vec![BTreeSet::new()];
        while let Some(out) = todo.pop() {
            if self.ways.iter().any(|w| w.is_subset(&out)) || seen.contains(&out) {
                continue;
            }
            if let Some(standing) = self.known.iter().find(|k| k.stands(&out) && (k.is_firm() || k.given == out)) {
                let with = |more: &[FixId]| out.iter().chain(more).cloned().collect::<BTreeSet<FixId>>();
                let next: Vec<_> = standing.leave_outs().map(with).collect();
                seen.insert(out);
                // The last is looked at first: it is what comes first in the core.
                todo.extend(next.into_iter().rev());
            } else {
                match self.plan(&Mended::without(&out), Proving::Quick) {
                    None => break,
                    Some(Ok(())) => {
                        self.ways.retain(|w| !out.is_subset(w));
                        self.ways.push(out);
                    }
                    Some(Err(refusal)) => {
                        if self.learn(&refusal, None, &out) {
                            todo.push(out);
                        } else {
                            seen.insert(out);
                        }
                    }
                }
            }
            if seen.len() > MOST_SETS {
                break;
            }
        }
    }

    /// Notes what is in the way without these fixes; whether there was something to note.
    fn learn(&mut self, refusal: &Refusal, made: Option<&Repair>, out: &BTreeSet<FixId>) -> bool {
        let before = self.known.len();
        for core in refusal.cores.iter().filter(|c| c.minimal) {
            // What falls with the fixes that are left out, or stands only with a repair, is no matter of its own.
            let holds = self.holds(core, made);
            if !holds && made.is_some()
                || self.known.iter().any(|k| k.core.members == core.members && k.given.is_subset(out))
            {
                continue;
            }
            if holds && self.known.iter().filter(|k| k.given.is_empty()).count() >= self.most {
                continue;
            }
            let given = if holds { BTreeSet::new() } else { out.clone() };
            let core = Core { also: Vec::new(), ..core.clone() };
            let proof = refusal.proofs.get(core.proof).cloned();
            self.known.push(Known { core, given, proof });
        }
        self.known[before..].iter().any(|k| k.stands(out))
    }

    /// Whether the statements are made without a repair as well, and cannot all be true with all fixes either.
    fn holds(&self, core: &Core, made: Option<&Repair>) -> bool {
        if !core.members.iter().all(|m| self.is_said(m, made)) {
            return false;
        }
        let Ok(work) = Work::new(self.input, true, Proving::Quick, &Yields::new()) else { return false };
        let replay = Replay::new(&work.fixes, self.input);
        work.answer(&replay, &core.members, &mut BUDGET.clone()) == Answer::No
    }

    /// A repair may say what comes after what.
    fn is_said(&self, member: &Member, made: Option<&Repair>) -> bool {
        let place = |id: &FixId| self.input.series.and_then(|s| s.iter().position(|f| f == id));
        match member {
            Member::After { fix, named, .. } => {
                self.input.fixes.iter().any(|c| c.id == fix && c.meta.after.contains(named))
            }
            Member::Series { first, then } => place(first).zip(place(then)).is_some_and(|(a, b)| a < b),
            // It may have been decided by what was taken away, but not by what could never be kept to.
            Member::Open { .. } => {
                matches!(made, Some(Repair::Unsay { member: Member::Requires { there: false, .. } }))
            }
            _ => true,
        }
    }

    /// Whether there is a plan with one repair alone.
    fn enough(&mut self, core: usize, repair: usize) -> Option<bool> {
        let repair = self.known.get(core)?.core.repairs.get(repair)?.clone();
        let mended = Mended::by(self.input, &repair)?;
        let stands = |(k, known): (usize, &Known)| match &repair {
            _ if !known.is_firm() => false,
            Repair::LeaveOut { fixes, .. } => known.stands(&fixes.iter().cloned().collect()),
            repair => k != core && known.core.members.iter().all(|m| !takes_away(repair, m)),
        };
        if self.known.iter().enumerate().any(stands) {
            return Some(false);
        }
        if let Repair::LeaveOut { fixes, .. } = &repair
            && self.ways.contains(&fixes.iter().cloned().collect())
        {
            return Some(true);
        }
        let made = self.plan(&mended, Proving::Quick)?;
        if let Err(refusal) = &made {
            self.learn(refusal, Some(&repair), &BTreeSet::new());
        }
        Some(made.is_ok())
    }

    /// `None` where enough was planned.
    fn plan(&mut self, mended: &Mended, proving: Proving) -> Option<Result<(), Refusal>> {
        self.plans = self.plans.checked_sub(1)?;
        self.planned = self.planned.checked_sub(self.input.fixes.len())?;
        Some(mended.plan(self.input, proving).map(|_| ()))
    }
}

/// Whether a repair takes a statement away.
fn takes_away(repair: &Repair, member: &Member) -> bool {
    match (repair, member) {
        (Repair::Unsay { member: unsaid }, m) => unsaid == m,
        (Repair::Order { first, then }, Member::Series { first: f, then: t }) => (f, t) == (then, first),
        (Repair::Order { first, then }, Member::Open { first: f, then: t, .. }) => {
            (f, t) == (then, first) || (f, t) == (first, then)
        }
        _ => false,
    }
}
