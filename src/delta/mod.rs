//! Bytes to bytes: codecs and the choice among them.
//!
//! A delta is self-describing: a few bytes of header (codec, sizes, memory that decoding
//! needs) and the codec's stream. Pure and bounded: nothing is allocated that the header
//! and the caller's [`DecodeLimits`] do not allow, and hostile input never panics.

mod types;

pub use types::{Codec, DecodeLimits, DeltaError, Encoded, Header, Profile};
