//! Trees: files by path with their kind and content digest.
//!
//! [`TreePath`] is the escape check: a value of that type cannot leave its tree.
//! [`Tree`] is the identity of a released version; [`Store`] holds contents by
//! digest; [`read_source`] turns a folder or an archive into both. This room
//! never writes.

mod archive;
mod digest;
mod entry;
mod path;
mod source;
mod store;

pub use digest::{Beginning, Digest, Hasher};
pub use entry::{Entry, Tree};
pub use path::{PathError, STATE_DIR, TreePath};
pub use source::{Source, SourceOptions, read_source};
pub use store::{Bytes, Store};
