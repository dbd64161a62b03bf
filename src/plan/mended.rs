//! The fixes with a repair made, as whoever makes it would make it.

use super::cores::{Member, Repair};
use super::newer::plan_part;
use super::resolve::Proving;
use super::types::{Plan, PlanInput, Refusal};
use crate::fix::{FixId, Meta};
use std::collections::{BTreeMap, BTreeSet};

/// What is other than in the input.
#[derive(Default)]
pub(super) struct Mended {
    gone: BTreeSet<FixId>,
    metas: BTreeMap<FixId, Meta>,
    series: Option<Vec<FixId>>,
}

impl Mended {
    pub(super) fn without(gone: &BTreeSet<FixId>) -> Self {
        Self { gone: gone.clone(), ..Self::default() }
    }

    /// `None` where that takes what is not there: a fix that nobody wrote, or a selection.
    pub(super) fn by(input: &PlanInput<'_>, repair: &Repair) -> Option<Self> {
        let mut out = Self::default();
        match repair {
            Repair::LeaveOut { fixes, .. } => out.gone.extend(fixes.iter().cloned()),
            Repair::Add { .. } | Repair::Select { .. } => return None,
            Repair::Order { first, then } => {
                let mut series = input.series.map(<[FixId]>::to_vec).unwrap_or_default();
                let listed = series.contains(first) && series.contains(then);
                if listed {
                    series.retain(|id| id != first);
                    let at = series.iter().position(|id| id == then)?;
                    series.insert(at, first.clone());
                    out.series = Some(series);
                } else {
                    out.meta(input, then)?.after.push(first.clone());
                }
            }
            Repair::Unsay { member } => match member {
                Member::Requires { fix, named, .. } => out.meta(input, fix)?.requires.retain(|id| id != named),
                Member::After { fix, named, .. } => out.meta(input, fix)?.after.retain(|id| id != named),
                Member::Supersedes { fix, old } => out.meta(input, fix)?.supersedes.retain(|id| id != old),
                Member::Excludes { fix, other } => {
                    out.meta(input, fix)?.conflicts.retain(|id| id != other);
                    out.meta(input, other)?.conflicts.retain(|id| id != fix);
                }
                Member::Wanted { .. } | Member::Series { .. } | Member::LeftOut { .. } | Member::Open { .. } => {
                    return None;
                }
            },
        }
        Some(out)
    }

    fn meta(&mut self, input: &PlanInput<'_>, fix: &FixId) -> Option<&mut Meta> {
        let given = input.fixes.iter().find(|c| c.id == fix)?.meta;
        Some(self.metas.entry(fix.clone()).or_insert_with(|| given.clone()))
    }

    /// # Errors
    /// What is in the way then.
    pub(super) fn plan(&self, input: &PlanInput<'_>, proving: Proving) -> Result<Plan, Refusal> {
        let mut fixes = input.fixes.clone();
        fixes.retain(|c| !self.gone.contains(c.id));
        let fixes = fixes.into_iter().map(|c| super::Candidate { meta: self.metas.get(c.id).unwrap_or(c.meta), ..c });
        let series = self.series.as_deref().or(input.series);
        let series: Option<Vec<FixId>> =
            series.map(|s| s.iter().filter(|id| !self.gone.contains(*id)).cloned().collect());
        let mended = PlanInput { fixes: fixes.collect(), series: series.as_deref(), ..input.clone() };
        plan_part(&mended, proving)
    }
}
