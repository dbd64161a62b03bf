//! Bytes to bytes: codecs and the choice among them.
//!
//! A delta is self-describing: a few bytes of header (codec, sizes, memory that decoding
//! needs, checks of both ends) and the codec's stream; `docs/delta-format.md` specifies it.
//! Pure and bounded: nothing is allocated that the header and the caller's [`DecodeLimits`]
//! do not allow, and hostile input never panics.

mod bsdiff_codec;
mod choose;
mod frame;
pub mod stream;
mod types;
mod zstd_codec;

pub use choose::best;
pub use frame::{decode, encode, header};
pub use types::{Codec, DecodeLimits, DeltaError, Encoded, Header, Profile};
