//! One verb, one file: the story of a command in library terms.

mod apply;
mod delta;
mod init;
mod inspect;
mod keygen;
mod prove;
mod rollback;
mod sign;
mod status;
mod verify;

pub use apply::{Belief, apply};
pub use delta::{DeltaResult, decode as delta_decode, encode as delta_encode};
pub use init::{Initialised, init};
pub use inspect::{BaseView, Inspect, Kind, PathView, inspect, write_envelopes};
pub use keygen::{Keygen, keygen};
pub use prove::{Proof, prove};
pub use rollback::rollback;
pub use sign::{Signed, attach, emit, sign};
pub use status::status;
pub use verify::{BaseState, Step, VerifyReport, verify};
