//! The header: what a reader must know before it allocates or decodes anything.

use super::{Codec, Coded, DeltaError, Encoded, Header, frame, varint};
use sha2::Digest as _;

const VERSION: u8 = 1;

/// Most bytes of a header.
pub(super) const MOST: u64 = 1 + 10 + 10 + 4 + 4;

/// The low half of the first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Stored = 0,
    Full = 1,
    Bsdiff = 2,
    Zstd = 3,
    Stream = 4,
    Containers = 5,
    Windows = 6,
}

impl Tag {
    pub(super) fn byte(self) -> u8 {
        VERSION << 4 | self as u8
    }

    fn of(byte: u8) -> Result<Self, DeltaError> {
        [Tag::Stored, Tag::Full, Tag::Bsdiff, Tag::Zstd, Tag::Stream, Tag::Containers, Tag::Windows]
            .into_iter()
            .find(|t| t.byte() == byte)
            .ok_or(DeltaError::UnknownCodec(byte))
    }

    fn codec(self) -> Codec {
        match self {
            Tag::Stored | Tag::Full => Codec::Full,
            Tag::Bsdiff => Codec::Bsdiff,
            Tag::Zstd => Codec::Zstd,
            Tag::Stream => Codec::Stream,
            Tag::Containers => Codec::Containers,
            Tag::Windows => Codec::Windows,
        }
    }

    fn needs_old(self) -> bool {
        !matches!(self, Tag::Stored | Tag::Full)
    }

    fn states_memory(self) -> bool {
        matches!(self, Tag::Bsdiff | Tag::Stream | Tag::Containers | Tag::Windows)
    }

    /// Bytes beyond the result for the codecs whose header need not state them.
    fn known_working(self) -> u64 {
        match self {
            Tag::Stored => 0,
            _ => frame::WORKING,
        }
    }
}

/// A delta taken apart.
pub(super) struct Parts<'a> {
    pub(super) header: Header,
    pub(super) tag: Tag,
    /// Bytes of memory beyond the result.
    pub(super) working: u64,
    pub(super) old_check: Option<[u8; 4]>,
    pub(super) new_check: [u8; 4],
    pub(super) payload: &'a [u8],
}

/// The first four bytes of the SHA-256.
pub(super) fn check(bytes: &[u8]) -> [u8; 4] {
    finish(sha2::Sha256::new_with_prefix(bytes))
}

/// The first four bytes of what has been hashed piece by piece.
pub(super) fn finish(sha: sha2::Sha256) -> [u8; 4] {
    let digest = sha.finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// The header's bytes; `working` is the memory beyond the result.
pub(super) fn bytes(tag: Tag, new_size: u64, working: u64, old_check: [u8; 4], new_check: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![tag.byte()];
    varint::put(&mut bytes, new_size);
    if tag.states_memory() {
        varint::put(&mut bytes, working.div_ceil(1024));
    }
    if tag.needs_old() {
        bytes.extend_from_slice(&old_check);
    }
    bytes.extend_from_slice(&new_check);
    bytes
}

pub(super) fn join(coded: &Coded, old: &[u8], new: &[u8]) -> Result<Encoded, DeltaError> {
    // Some deltas do without the old bytes' check, and hashing is not free.
    let old_check = if coded.tag.needs_old() { check(old) } else { [0; 4] };
    let mut bytes = bytes(coded.tag, new.len() as u64, coded.working, old_check, check(new));
    bytes.extend_from_slice(&coded.payload);
    Ok(Encoded { header: split(&bytes)?.header, bytes })
}

pub(super) fn split(delta: &[u8]) -> Result<Parts<'_>, DeltaError> {
    let mut rest = delta;
    let (&first, after) = rest.split_first().ok_or(DeltaError::Truncated)?;
    rest = after;
    let tag = Tag::of(first)?;
    let new_size = varint::take(&mut rest)?;
    let working = if tag.states_memory() {
        varint::take(&mut rest)?.checked_mul(1024).ok_or(DeltaError::Damaged("the memory is no number of bytes"))?
    } else {
        tag.known_working()
    };
    // What windows make is handed on at once.
    let held = if tag == Tag::Windows { 0 } else { new_size };
    let memory = held.checked_add(working).ok_or(DeltaError::Damaged("the memory is no number of bytes"))?;
    let old_check = if tag.needs_old() { Some(take_check(&mut rest)?) } else { None };
    let new_check = take_check(&mut rest)?;
    Ok(Parts {
        header: Header { codec: tag.codec(), new_size, memory },
        tag,
        working,
        old_check,
        new_check,
        payload: rest,
    })
}

fn take_check(rest: &mut &[u8]) -> Result<[u8; 4], DeltaError> {
    let (check, after) = rest.split_first_chunk::<4>().ok_or(DeltaError::Truncated)?;
    *rest = after;
    Ok(*check)
}
