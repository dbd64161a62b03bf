//! The words of the delta room.

use serde::{Deserialize, Serialize};

/// How a delta is coded. The names stand in bundles and must not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// The new bytes as one zstd frame; needs no old bytes.
    Full,
    /// The classical bsdiff streams, compressed by zstd.
    Bsdiff,
    /// zstd with the old bytes as prefix.
    Zstd,
    /// Our own engine.
    Stream,
    /// Zip and gzip files opened, and everything in them by the other codecs.
    Containers,
    /// Files that do not fit into memory, window by window, by the other codecs.
    Windows,
}

/// What a user is willing to pay at decoding and encoding time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    Fast,
    #[default]
    Balanced,
    Small,
}

/// What a caller allows a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most bytes of result.
    pub new_size: u64,
    /// Most bytes of memory beyond the old bytes that the caller holds.
    pub memory: u64,
}

impl DecodeLimits {
    /// Whether a delta may be decoded.
    pub(super) fn allow(self, header: Header) -> Result<(), DeltaError> {
        for (needed, allowed) in [(header.new_size, self.new_size), (header.memory, self.memory)] {
            if needed > allowed {
                return Err(DeltaError::OverLimit { needed, allowed });
            }
        }
        Ok(())
    }
}

/// The first bytes of every delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub codec: Codec,
    /// Bytes of the result, exactly.
    pub new_size: u64,
    /// Bytes of memory that decoding needs at most, the result included, the old bytes not. For
    /// [`Codec::Windows`] without the result, which [`decode_to`](super::decode_to) hands on as it comes.
    pub memory: u64,
}

/// A finished delta, already decoded once and compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    pub header: Header,
    /// The whole delta, header included.
    pub bytes: Vec<u8>,
}

/// Why a delta cannot be made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    #[error("the delta ends before it should")]
    Truncated,
    #[error("the delta is damaged: {0}")]
    Damaged(&'static str),
    #[error("the delta's codec or version {0} is not known to this build")]
    UnknownCodec(u8),
    #[error("the delta needs {needed} bytes, {allowed} are allowed")]
    OverLimit { needed: u64, allowed: u64 },
    #[error("the delta was made for other old bytes")]
    WrongOld,
    #[error("an encoder made a delta that does not decode to its input: {0}")]
    EncoderFault(&'static str),
}
