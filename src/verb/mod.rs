//! One verb, one file: the story of a command in library terms.

mod apply;
mod base_add;
mod build;
mod check;
mod delta;
mod init;
mod inspect;
mod keygen;
mod lay;
mod merge;
mod plan;
mod planned;
mod prove;
mod rollback;
mod sign;
mod status;
mod target;
mod verify;
mod why;

pub use apply::{Belief, apply};
pub use base_add::{BaseAdded, base_add};
pub use build::{Built, BuiltBase, Output, Progress, Request, build};
pub use check::{Checked, Gate, check};
pub use delta::{DeltaResult, decode as delta_decode, encode as delta_encode};
pub use init::{Initialised, init};
pub use inspect::{BaseView, Inspect, Kind, PathView, inspect, write_envelopes};
pub use keygen::{Keygen, keygen, keygen_encrypted};
pub use merge::{MergedSources, merge_sources};
pub use plan::plan_view;
pub use planned::{PlannedTrack, Selection, planned};
pub use prove::{Proof, prove};
pub use rollback::rollback;
pub use sign::{Signed, attach, emit, sign};
pub use status::status;
pub use verify::{BaseState, Step, VerifyReport, verify};
pub use why::{Explanation, explanation};
