//! What each profile pays. Every number here decides bytes: a change raises [`SETTINGS_VERSION`].

use super::Profile;

/// Part of the key of memoised deltas: the same inputs give the same bytes per version.
pub const SETTINGS_VERSION: u32 = 12;

const MIB: u64 = 1 << 20;

/// Most bytes of either side that are coded whole; a larger file is coded in windows.
const WHOLE: u64 = 256 * MIB;

/// Whether files of these sizes are coded in windows: where one is larger than 256 MiB, or, with so much
/// memory given, where [`best`](super::best) and the files themselves would take more.
pub fn needs_windows(old: u64, new: u64, profile: Profile, memory: Option<u64>) -> bool {
    let need = encode_memory(old, new, profile).saturating_add(old).saturating_add(new);
    old.max(new) > WHOLE || memory.is_some_and(|m| need > m)
}

pub(super) struct Settings {
    /// zstd level of whole files.
    pub(super) full: i32,
    /// zstd level against the old bytes.
    pub(super) prefix: i32,
    /// zstd level of bsdiff's streams.
    pub(super) streams: i32,
    /// Most bytes of old and new together for bsdiff.
    pub(super) bsdiff_most: u64,
    /// Most bytes of old and new together that the bsdiff crate sorts (16 bytes of memory an old byte); above, the copies are ours.
    pub(super) bsdiff_sorted: u64,
    /// Most bytes of old and new together that [`best`](super::best) gives to bsdiff, where our
    /// own engine is the better choice above, but for speed.
    pub(super) bsdiff_tried: u64,
    /// Most bytes of either side for our own engine, which decodes an order of magnitude slower than bsdiff.
    pub(super) stream_tried: u64,
    /// Most bytes of either side that are opened as containers; deflating again is what takes most of the time then.
    pub(super) opened: u64,
    /// By how many percent zstd's delta may be larger than our own engine's inside a container and still be taken.
    pub(super) slower: usize,
}

pub(super) fn of(profile: Profile) -> Settings {
    match profile {
        Profile::Fast => Settings {
            full: 9,
            prefix: 9,
            streams: 19,
            bsdiff_most: 2 * WHOLE,
            bsdiff_sorted: 2 * MIB,
            bsdiff_tried: 2 * WHOLE,
            stream_tried: 0,
            opened: 0,
            slower: 0,
        },
        Profile::Balanced => Settings {
            full: 19,
            prefix: 19,
            streams: 19,
            bsdiff_most: 2 * WHOLE,
            bsdiff_sorted: 2 * MIB,
            bsdiff_tried: 2 * MIB,
            stream_tried: WHOLE,
            opened: WHOLE,
            slower: 20,
        },
        Profile::Small => Settings {
            full: 22,
            prefix: 22,
            streams: 22,
            bsdiff_most: 2 * WHOLE,
            bsdiff_sorted: 2 * MIB,
            bsdiff_tried: 2 * MIB,
            stream_tried: WHOLE,
            opened: WHOLE,
            slower: 14,
        },
    }
}

/// An upper estimate of the memory that [`best`](super::best) takes for files of these sizes,
/// in bytes, the files themselves not included. Callers use it to bound how many run at once.
pub fn encode_memory(old: u64, new: u64, profile: Profile) -> u64 {
    let s = of(profile);
    let both = old.saturating_add(new);
    let bsdiff = if old > 0 && both <= s.bsdiff_sorted { 16 * old + 4 * new } else { 0 };
    let tables = match profile {
        Profile::Fast => 32 * MIB,
        Profile::Balanced => 96 * MIB,
        Profile::Small => 700 * MIB,
    };
    // Our own copies want a suffix array of old, our own engine both sides' labels too (about 7 bytes a byte measured).
    let stream = if old.max(new) <= s.stream_tried || both <= s.bsdiff_tried {
        both.saturating_mul(8).saturating_add(16 * MIB)
    } else {
        0
    };
    let zstd = both.saturating_mul(16).min(tables).saturating_add(new);
    bsdiff.max(stream).max(zstd).saturating_add(MIB)
}
