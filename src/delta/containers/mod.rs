//! Containers: zip (jar, wheel, …), gzip and tar files are opened, so that what lies in them is compared plain.
//!
//! The new file is its *rest* (everything but streams) and its streams: what is deflated, and stored executables and containers. A stream that the old file has byte
//! for byte is taken from there; one whose plain bytes are an executable or another container is a *piece*, with a
//! delta of its own against one stream of the old file; the plain bytes of all others stand in the rest, at their
//! places. The rest is one delta against the old file's rest. The decoder deflates again what was opened.
//! `docs/delta-containers.md` specifies the payload.

mod decode;
mod encode;
mod members;
mod scan;
mod table;

pub use decode::decode;
pub use encode::encode;

/// The version of the payload, its first byte.
const VERSION: u8 = 2;
/// How deep containers are opened within containers.
pub const DEPTH: u32 = 3;

/// Smaller executables are compared together with everything else.
const LEAST_IMAGE: usize = 4096;
/// Smaller containers stay closed.
const LEAST_CONTAINER: usize = 512;

/// Whether a file begins like one that this codec opens.
pub fn is_container(file: &[u8]) -> bool {
    file.starts_with(b"PK\x03\x04")
        || file.starts_with(&[0x1f, 0x8b, 8])
        || members::is_tar(file)
        || members::slices(file).is_some()
}

/// Whether what lies in it lies there as it is, so that other codecs see it too.
pub fn is_plain(file: &[u8]) -> bool {
    members::is_tar(file) || members::slices(file).is_some()
}

/// Bytes of memory that decoding takes beyond the result: both sides opened, each once as streams and once joined,
/// what the largest inner delta needs, and the matchers of the deflaters.
fn need(old_opened: u64, new_opened: u64, inner: u64) -> u64 {
    let opened = old_opened.saturating_add(new_opened).saturating_mul(2);
    opened.saturating_add(inner).saturating_add(8 << 20)
}

#[cfg(test)]
mod tests;
