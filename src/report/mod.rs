//! What went wrong and what is worth knowing, as values.
//!
//! An [`Error`] stopped the work; a [`Finding`] is something wrong or noteworthy
//! that the work went on past. Both carry a stable code from a closed set, name
//! their subject (a file, fix or base) and the next thing to do. This room knows
//! no other room; rendering to text, JSON and JUnit happens from this one model.

mod error;
mod finding;
mod program;
mod text;

pub use error::{Error, ErrorCode, Result};
pub use finding::{Code, Finding, Level, Report, distinct};
pub use program::PROGRAM;
pub(crate) use program::program;
pub use text::{is_hidden, quoted, safe};
