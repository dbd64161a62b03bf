//! Which fixes, in which order, and why: edges with their reasons, order pairs, supersedence, selection.
//!
//! A fix *needs* another if it does not apply without it; needs are found by replaying on the paths
//! concerned ([`replay`]), never guessed from names. Two fixes that do not need each other, but whose
//! order matters, are an order pair. What cannot be decided is a [`Refusal`] that carries its proof;
//! `explain` words it.

mod along;
mod applying;
mod behind;
mod beside;
mod bits;
mod blame;
mod brought;
mod cell;
mod chains;
mod chosen;
mod classes;
mod closure;
mod content;
mod cores;
mod covered;
mod decided;
mod edges;
mod footing;
mod grouping;
mod hints;
mod join;
mod least;
mod least_plan;
mod mended;
mod merging;
mod needs;
mod newer;
mod nowhere;
mod order;
mod overwritten;
mod pairs;
mod parts;
mod paths;
mod remembered;
pub mod replay;
mod resolve;
mod search;
mod select;
mod settle;
mod shrink;
mod standing;
mod stretches;
mod stuck;
mod twins;
mod types;
mod units;
mod vocabulary;
mod why;
mod work;

pub use classes::{Class, Classed, Lost};
pub use cores::{Absent, Core, Member, Repair};
pub use least::LeastChange;
pub use newer::plan;
pub use remembered::Remembered;
pub use types::{
    Beside, Blocker, CameAlong, Candidate, DropCause, Dropped, Edge, EdgeKind, Hint, HintKind, Meeting, Nowhere,
    OrderPair, PairKind, PathMerge, Place, Plan, PlanInput, Proof, Reason, Refusal, Refused, Settled, Tried,
};
pub use why::{Link, Part, Stand, Touch, Trial, Why, why};
