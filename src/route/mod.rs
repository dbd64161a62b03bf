//! From base trees and a target to steps, deltas and packs.
//!
//! [`route`] decides which old file serves which new path; [`pack`] makes every distinct
//! (pre-image, post-image) delta once, in parallel, and lays the deltas into packs by the set of
//! bases that need them. Same inputs, same bytes, whatever the number of threads.

mod memo;
mod pack;
mod similar;
mod steps;

pub use memo::Memo;
pub use pack::{Packed, PackedBase, Progress, pack};
pub use steps::{How, Route, Way, route};
