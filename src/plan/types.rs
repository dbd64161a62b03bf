//! What goes into a plan, and what comes out.

use super::classes::Classed;
use super::cores::{Absent, Core};
use super::least::LeastChange;
use super::remembered::Remembered;
use crate::fix::{FixId, Meta, Payload, Resolution};
use crate::patch::{Mode, Reject};
use crate::report::Finding;
use crate::tree::{Bytes, Digest, Store, Tree, TreePath};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One fix as one track has it: the variant is chosen already.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub id: &'a FixId,
    pub meta: &'a Meta,
    pub payload: &'a Payload,
}

/// Everything that a plan depends on, for one track.
#[derive(Debug, Clone)]
pub struct PlanInput<'a> {
    pub fixes: Vec<Candidate<'a>>,
    /// The tree that the first fix applies to.
    pub start: &'a Tree,
    /// Contents of the start tree and of the overlays.
    pub store: &'a Store,
    /// The true order where it is known. Fixes that it does not name come after those that it names.
    pub series: Option<&'a [FixId]>,
    /// Fixes that do not apply here on purpose, with the reason.
    pub not_for: BTreeMap<FixId, String>,
    /// Where not empty: only these fixes and what they need.
    pub only: Vec<FixId>,
    /// Of all sets with what `only` names, the one with the fewest changed lines, not what each fix needs by itself.
    pub minimal: bool,
    /// Without these fixes and what needs them.
    pub without: Vec<FixId>,
    /// The same for fixes that are held back, with the reason.
    pub held: BTreeMap<FixId, String>,
    /// What people decided where two fixes change the same lines.
    pub resolutions: &'a [Resolution],
    /// What plans before this one found out: the same plan sooner.
    pub remembered: Option<&'a Remembered>,
}

impl<'a> PlanInput<'a> {
    pub fn new(fixes: Vec<Candidate<'a>>, start: &'a Tree, store: &'a Store) -> Self {
        Self {
            fixes,
            start,
            store,
            series: None,
            not_for: BTreeMap::new(),
            only: Vec::new(),
            minimal: false,
            without: Vec::new(),
            held: BTreeMap::new(),
            resolutions: &[],
            remembered: None,
        }
    }
}

/// The fixes of one track in order, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is merged, in this order.
    pub order: Vec<FixId>,
    /// Direct needs, by fix in order, then by needed fix in order.
    pub edges: Vec<Edge>,
    /// What text suggests and does not prove, between fixes in `order`; it changes nothing.
    pub hints: Vec<Hint>,
    /// Pairs that do not need each other, but whose order matters.
    pub order_pairs: Vec<OrderPair>,
    /// Contents that no fix brings alone, by fix in order, then by path.
    pub merged: Vec<PathMerge>,
    /// Fixes that were given and are not in `order`.
    pub dropped: Vec<Dropped>,
    /// Fixes that a selection pulled in without naming them.
    pub came_along: Vec<CameAlong>,
    /// What the fixes are to each other by content, by fix.
    pub classes: Vec<Classed>,
    /// Where the least change was asked for.
    pub least: Option<LeastChange>,
    pub findings: Vec<Finding>,
}

/// A content that a fix and those before it make together: what they changed is merged, or somebody decided.
#[derive(Debug, Clone, PartialEq)]
pub struct PathMerge {
    pub fix: FixId,
    pub path: TreePath,
    /// The fixes before it that changed the path, in order.
    pub with: Vec<FixId>,
    pub mode: Mode,
    pub bytes: Bytes,
    /// The recorded decision; none where the merge is clean.
    pub resolution: Option<Resolution>,
}

/// What two fixes do to one path, each alone, where that stands in each other's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    pub first: FixId,
    pub then: FixId,
    pub path: TreePath,
    /// What stands there before either, and what each makes of it; a resolution names these.
    pub base: Digest,
    pub sides: (Digest, Digest),
    /// Stretches of both, as unified diffs have them; none for binary contents. Bounded.
    pub hunks: Vec<(Vec<String>, Vec<String>)>,
    pub how: Meeting,
}

/// How two fixes meet at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meeting {
    /// They change the same lines, or lines next to each other.
    Lines,
    /// What they change is apart: what is around it, or where it lands, is what matters.
    Apart,
    /// The contents are binary, or too large to be shown.
    NotText,
    /// What `fix` makes there is a recorded decision: no other one can be made on top of it.
    Decided { fix: FixId, by: String },
}

/// `fix` needs `needs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub fix: FixId,
    pub needs: FixId,
    pub kind: EdgeKind,
    pub reason: Reason,
}

/// What a need rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EdgeKind {
    /// Somebody said so.
    Declared,
    /// The pre-image of the one is the post-image of the other.
    Content,
    /// A path must be there, or not there, or of a kind or mode.
    File,
    /// The lines that the one changes come from the other.
    Hunk,
    /// Only the lines around the change come from the other.
    Context,
}

impl EdgeKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Content => "content",
            Self::File => "file",
            Self::Hunk => "hunk",
            Self::Context => "context",
        }
    }
}

/// `fix` perhaps needs `on`, or belongs with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub fix: FixId,
    pub on: FixId,
    pub kind: HintKind,
    /// Whether one of the two needs the other anyway.
    pub proved: bool,
}

/// What a hint rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HintKind {
    /// The added lines of the fix use a name that only the other introduces, perhaps more of them; `file` where it is
    /// the name of a file.
    Uses { word: String, more: Vec<String>, file: bool, introduced: Place, used: Place },
    /// A `Fixes:` or `Stable-dep-of:` trailer of the fix names the commit that the other is.
    Names { commit: String },
    /// The title of the fix says that what it repairs came with the change that the other is.
    Titled { change: String },
}

impl HintKind {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Uses { file: false, .. } => "identifier",
            Self::Uses { file: true, .. } => "file-name",
            Self::Names { .. } => "trailer",
            Self::Titled { .. } => "title",
        }
    }
}

/// A line of a patch, and the path that it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub path: TreePath,
    pub line: u32,
}

/// What can be printed and replayed about a need.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// `requires` in the metadata of the fix.
    Requires,
    /// Left out, this is what the fix is refused with.
    Rejected(Refused),
    /// The digest that the one leaves and the other is built on.
    BuiltOn { path: TreePath, digest: Digest },
    /// It does not apply without this one, but no single hunk says so: several fixes share the blame.
    Together,
}

/// A line of a hunk, or two of them one directly before the other, that neither the base nor any other fix has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nowhere {
    pub path: TreePath,
    /// Line in the patch file, from 1.
    pub line: u32,
    /// The line; long ones are cut.
    pub text: String,
    /// The line behind it, where each of the two is somewhere, but never so.
    pub then: Option<String>,
    /// How many more there are.
    pub more: usize,
}

/// How a fix fails to apply: patches say it with [`Reject`], overlays in the same words.
pub type Refused = Reject;

/// Two fixes that do not need each other, but whose order matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderPair {
    pub first: FixId,
    pub then: FixId,
    pub kind: PairKind,
    pub settled: Settled,
    /// The first path on which the orders differ.
    pub path: TreePath,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PairKind {
    /// Only one order applies; or two whole files that are not built on each other.
    Conflict,
    /// Both apply alone, not together without a third.
    Clash,
    /// Both orders apply, and the bytes differ.
    Ambiguous,
}

impl PairKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Clash => "clash",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// What decided an order pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Settled {
    /// The series.
    Series,
    /// `requires` or `after`, perhaps through other fixes.
    Declared,
    /// The other order does not apply.
    Proved,
    /// Fixes between them, each of which needs the one before it or applies only after it; or no order of all that have to
    /// do with them is the other way round, or makes anything else.
    Others,
    /// A recorded decision says what both make together.
    Resolution,
    /// Nothing: the plan is refused.
    Open,
}

impl Settled {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Series => "series",
            Self::Declared => "declared",
            Self::Proved => "proved",
            Self::Others => "others",
            Self::Resolution => "resolution",
            Self::Open => "open",
        }
    }
}

/// A fix that is not in the order, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    pub fix: FixId,
    pub cause: DropCause,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropCause {
    Superseded {
        by: FixId,
    },
    Duplicate {
        of: FixId,
    },
    /// The start tree has its changes.
    Contained,
    /// Others of the order together bring all that it does.
    Covered {
        by: Vec<FixId>,
    },
    NotFor {
        reason: String,
    },
    /// It is held back, or needs what is; the chain runs from the fix to what is held.
    Held {
        reason: String,
        chain: Vec<FixId>,
    },
    /// The selection neither names nor needs it.
    NotSelected,
    /// The selection leaves out something that it needs; the chain runs from the fix to what was left out.
    Without {
        chain: Vec<FixId>,
    },
}

/// A fix that a selection pulled in; the chain runs from a fix that was named to this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameAlong {
    pub fix: FixId,
    pub chain: Vec<FixId>,
}

/// Why there is no plan: every proof, in a stable order, never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub proofs: Vec<Proof>,
    /// The same, each cut down to what it takes, with what mends it.
    pub cores: Vec<Core>,
    pub tried: Box<Tried>,
    /// What the fixes are to each other by content, by fix.
    pub classes: Box<[Classed]>,
    /// What was found on the way.
    pub findings: Vec<Finding>,
    /// What whoever asked for the plan knows of fixes that are named and not there.
    pub absent: BTreeMap<FixId, Absent>,
}

/// What was tried to find out why there is no plan, and what mends that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tried {
    /// Sets of fixes, none of them within another, without each of which there is a plan. There may be more of them.
    pub ways: Vec<Vec<FixId>>,
    /// Tries of a fix that the cores took.
    pub steps: usize,
}

impl Refusal {
    /// What is refused before there is anything to try.
    pub(super) fn of(proofs: Vec<Proof>) -> Self {
        Self {
            proofs,
            cores: Vec::new(),
            tried: Box::default(),
            classes: Box::default(),
            findings: Vec::new(),
            absent: BTreeMap::new(),
        }
    }
}

/// A fix that shuts another one out: before it, the other applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    pub fix: FixId,
    /// Whether both apply with this one second; where not, they clash.
    pub other_way: bool,
    /// Whether the series names it: then nothing else says where it stands.
    pub listed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// Two fixes with one id.
    TwiceNamed { fix: FixId },
    /// Each needs, or comes after, the next one, and the last the first.
    Cycle { fixes: Vec<FixId> },
    /// Each has lines in it that the next one alone brings, or comes after it, and the last after the first.
    LinesCycle { fixes: Vec<FixId> },
    /// Each says that it supersedes the next one, and the last the first.
    SupersedesCycle { fixes: Vec<FixId> },
    /// `fix` names `needs` in its metadata or the series names it, and it is not there.
    Missing { fix: Option<FixId>, needs: FixId },
    /// The series has `fix` before `needs`, which it needs or comes after.
    SeriesContradicts { fix: FixId, needs: FixId },
    /// Declared to exclude each other, both chosen.
    Excluded { fix: FixId, other: FixId },
    /// A fix does not apply where its order puts it; the blockers are those without which it did.
    /// What it has from nowhere, if anything, says that it applies in no order.
    DoesNotApply { fix: FixId, refused: Refused, blockers: Vec<Blocker>, beside: Vec<Beside>, nowhere: Option<Nowhere> },
    /// What the fixes change is in the start tree below one folder that holds everything and that they do not name.
    OneFolderDown { fixes: Vec<FixId>, folder: String, path: TreePath },
    /// No order decides these pairs.
    OrderOpen { pairs: Vec<OrderPair>, beside: Vec<Beside> },
    /// A selection names a fix that is not there.
    UnknownSelected { fix: FixId },
    /// A selection wants this fix and leaves out what it needs; the chain runs from the one to the other.
    SelectionContradicts { chain: Vec<FixId> },
    /// A selection wants this fix, whose changes others bring, and leaves out some of those; the fix does not apply in
    /// their place.
    BringersLeftOut { fix: FixId, by: Vec<FixId>, out: Vec<Dropped> },
    /// A content could not be read.
    Unreadable { error: crate::report::Error },
}
