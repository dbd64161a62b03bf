//! Why there is no plan, cut down to what it takes: statements that cannot all be true, and what mends them.

use super::types::PairKind;
use crate::fix::FixId;
use crate::tree::TreePath;

/// Statements that cannot all be true of one plan. The base, the texts of the fixes and which fixes there are stand
/// beside them as facts; fixes that no statement wants may come along where others need them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// Place of the proof in the refusal.
    pub proof: usize,
    /// Places of other proofs that come to the same statements.
    pub also: Vec<usize>,
    /// Never empty; wanted fixes first.
    pub members: Vec<Member>,
    /// Whether it was tried that the rest has a plan when any one member is taken away. Where the search for that
    /// was too long, a member may be one too many.
    pub minimal: bool,
    /// Each of them alone mends this core.
    pub repairs: Vec<Repair>,
    /// By repair: whether there is a plan with it alone. Nothing, or nothing of all of them, where that was not tried.
    pub enough: Vec<Option<bool>>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Member {
    /// The fix has to be in the plan.
    Wanted { fix: FixId },
    /// Its metadata says so of `named`, for which `needs` stands; `there` is whether the release has it.
    Requires { fix: FixId, needs: FixId, named: FixId, there: bool },
    /// `fix` says that it comes after `named`, for which `first` stands.
    After { fix: FixId, first: FixId, named: FixId },
    /// `fix` says that it is the newer form of `old`.
    Supersedes { fix: FixId, old: FixId },
    /// One of the two declares that it excludes the other.
    Excludes { fix: FixId, other: FixId },
    /// The series has them in this order.
    Series { first: FixId, then: FixId },
    /// The selection or a hold leaves the fix out.
    LeftOut { fix: FixId },
    /// Their order matters, and nothing decides it.
    Open { first: FixId, then: FixId, kind: PairKind, path: TreePath },
}

/// What takes a core away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Repair {
    /// Leave the first out, with it its twins, which have the same content, and the others, which require one of them.
    LeaveOut { fixes: Vec<FixId>, twins: usize },
    /// Put a fix into the release that is not there.
    Add { fix: FixId },
    /// Take the fix into the selection, or its hold away.
    Select { fix: FixId },
    /// Put one before the other, in the series where there is one.
    Order { first: FixId, then: FixId },
    /// Take a statement out of the metadata.
    Unsay { member: Member },
}

/// What is known of a fix that is named and is not there to be planned, or that does not apply here alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Absent {
    /// On purpose: the release says that it is not for this track.
    NotFor { track: String, branch: String, platform: String, reason: String },
    /// It is there and does not apply; on the track `applies` it does.
    Elsewhere { track: String, branch: String, platform: String, applies: String },
    /// The release has one whose id differs in case only.
    Alike { id: FixId },
}
