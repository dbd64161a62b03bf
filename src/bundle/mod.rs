//! The signed package: serialised types and the OCI layout that carries them.
//!
//! Writing is canonical (same content, same bytes); reading is bounded and hashes everything
//! before it parses it.

mod types;

pub use types::*;
