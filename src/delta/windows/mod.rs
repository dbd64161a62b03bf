//! Files that do not fit into memory: cut into windows, each copied and coded against the ranges of the old file
//! that resemble it.
//!
//! Long equal stretches anywhere in the old file are copies. What is new between them is coded, window by window, by
//! the other codecs against the old bytes that stand nearest: those between two copies that go on side by side, or
//! around shorter equal stretches. Both files are read by position; `docs/delta-format.md` has the format.

mod anchors;
mod cut;
mod decode;
mod encode;
mod find;
mod layout;
#[cfg(test)]
mod tests;

pub(super) use decode::decode;
pub(super) use encode::encode;

use super::{Profile, encode_memory, frame, source::PIECE};

/// The memory that encoding takes where the caller does not say, in bytes: the same on every machine, because it
/// decides bytes.
pub const MEMORY: u64 = 1 << 30;

/// The least that it can take.
pub const LEAST_MEMORY: u64 = 64 << 20;

/// How large a window may become. All but the threads decides bytes.
#[derive(Debug, Clone)]
pub(super) struct Sizes {
    /// Bytes of the old file.
    old: u64,
    /// Most new bytes.
    fresh: u64,
    /// Most bytes of ranges.
    near: u64,
    /// An equal stretch of so many bytes is a copy; shorter ones are left to the other codecs, which see more.
    copy: u64,
    /// Most copies.
    pieces: usize,
    /// Bytes for the index of the old file's anchors.
    index: u64,
    /// Windows that are coded at once.
    threads: usize,
}

impl Sizes {
    /// What an encoder with so much memory does.
    pub(super) fn of(memory: u64, old: u64, profile: Profile, threads: usize) -> Self {
        let memory = memory.max(LEAST_MEMORY);
        let fresh = (memory / 128).clamp(1 << 18, 64 << 20);
        let near = fresh + fresh / 2;
        let index = memory / 8 * 3;
        // What our own engine takes at most is 12 bytes for each of both sides (measured), beside the bytes themselves.
        let each = encode_memory(near, fresh, profile).max(12 * (near + fresh)) + near + fresh;
        let at_once = usize::try_from((memory / 2) / each).unwrap_or(usize::MAX);
        Self { old, fresh, near, copy: 1 << 12, pieces: 1 << 16, index, threads: at_once.clamp(1, threads.max(1)) }
    }
}

/// Bytes of memory that a window takes to decode: its plan stored and plain, its ranges, and what is coded, with what
/// that takes in turn, the new bytes included.
fn need(stored_plan: u64, plan: u64, near: u64, coded: u64, inner: u64) -> Option<u64> {
    let plan = plan.checked_mul(1 + layout::HELD)?.checked_add(stored_plan)?;
    let rest = near.checked_add(coded)?.checked_add(inner)?;
    plan.checked_add(rest)?.checked_add(frame::WORKING + 4 * PIECE)
}
