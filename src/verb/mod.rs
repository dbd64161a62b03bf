//! One verb, one file: the story of a command in library terms.

mod prove;
mod rollback;
mod status;

pub use prove::{Proof, prove};
pub use rollback::rollback;
pub use status::status;
