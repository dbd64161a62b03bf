//! Trees: files by path with their kind and content digest.
//!
//! [`TreePath`] is the escape check: a value of that type cannot leave its tree.
//! [`Tree`] is the identity of a released version; [`Store`] holds contents by
//! digest; [`read_source`] turns a folder or an archive into both. This room
//! never writes.

#[cfg(feature = "build")]
mod archive;
mod digest;
mod entry;
#[cfg(feature = "build")]
mod listing;
mod path;
#[cfg(feature = "build")]
mod regular;
#[cfg(feature = "build")]
mod seen;
#[cfg(feature = "build")]
mod source;
#[cfg(feature = "build")]
mod stamp;
#[cfg(feature = "build")]
mod store;

pub use digest::{Beginning, Digest, Hasher};
pub use entry::{Entry, Tree};
pub use path::{PathError, STATE_DIR, TreePath};
#[cfg(feature = "build")]
pub use regular::{open_regular, read_regular};
#[cfg(feature = "build")]
pub use source::{Source, SourceOptions, read_source, read_source_again};
#[cfg(feature = "build")]
pub use stamp::Stamp;
#[cfg(feature = "build")]
pub use store::{Bytes, Store};
