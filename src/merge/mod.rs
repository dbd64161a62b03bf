//! Plan and start tree to target: every fix in order, strictly, with the provenance of every path.
//!
//! [`merge`] applies; [`states`] says for each base what it gains, by following each path's chain of states.

mod apply;
mod states;

pub use apply::{Change, Merged, Refused, merge};
pub use states::{start_has, states};
