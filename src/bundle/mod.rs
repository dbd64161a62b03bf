//! The signed package: serialised types and the OCI layout that carries them.
//!
//! Writing is canonical (same content, same bytes); reading is bounded and hashes everything
//! before it parses it. The life of a bundle:
//!
//! - `build` fills a [`Draft`] and [`Blobs`]; [`Draft::assemble`] makes a [`Package`] of them,
//!   which [`write_file`] or [`write_layout`] writes, and [`add_envelope`] signs afterwards;
//! - [`open`] reads structure and manifests into an [`Unverified`], which becomes a [`Bundle`] only
//!   through [`Unverified::verify`] with a policy, or [`Unverified::accept_unsigned`].
//!
//! The format is described for strangers in `docs/bundle-format.md`.

mod base;
mod blobs;
mod check;
mod container;
mod document;
mod draft;
mod listing;
mod oci;
mod open;
mod package;
mod read;
mod tar;
mod types;
mod write;

pub use blobs::Blobs;
pub use check::undo;
pub use draft::{BaseDraft, Draft, TrackDraft};
pub use oci::{MEDIA_BASE, MEDIA_ENVELOPE, MEDIA_ROOT};
pub use open::{Unverified, open};
pub use package::{Package, binding};
pub use read::{Bundle, DELTA_HEAD};
pub use types::*;
pub use write::{add_envelope, write_file, write_layout};

/// The format that this build writes. It reads every minor version of the same major one.
pub const FORMAT: Format = Format { major: 2, minor: 0 };
/// Features that a manifest may name in `needs` and that this build knows.
pub const KNOWN_FEATURES: &[&str] = &[HOOKS];
/// The feature of bundles that have hooks: who cannot run them must not install.
pub const HOOKS: &str = "hooks";

/// What a reader accepts at most, in bytes unless said otherwise, before any manifest is believed.
pub mod limits {
    /// Hooks of one base.
    pub const HOOKS: usize = 256;
    /// Words of a hook's command.
    pub const WORDS: usize = 64;
    /// Bytes of one of them.
    pub const WORD: usize = 4096;
    /// Longest time of a hook.
    pub const SECONDS: u32 = 86_400;
    /// `oci-layout`.
    pub const LAYOUT: u64 = 4 << 10;
    /// `index.json` and the nested index.
    pub const INDEX: u64 = 4 << 20;
    /// One OCI manifest.
    pub const OCI_MANIFEST: u64 = 4 << 20;
    /// The root manifest as stored: it is the config blob, and registries refuse one above 4 MiB.
    pub const ROOT: u64 = 4 << 20;
    /// The content of the root manifest.
    pub const ROOT_TEXT: u64 = 64 << 20;
    /// Envelopes in one bundle.
    pub const ENVELOPES: usize = 64;
    /// Attestations of one bundle.
    pub const ATTESTATIONS: usize = 16;
    /// Bases of one release.
    pub const BASES: usize = 4096;
    /// Packs of one base.
    pub const PACKS: usize = 4096;
    /// Paths of one tree.
    pub const PATHS: u64 = 4_000_000;
    /// A listing or base manifest as stored.
    pub const DOCUMENT: u64 = 1 << 30;
    /// The content of one zstd frame of such a document.
    pub const CHUNK: u64 = 4 << 20;
    /// The content of such a document for every path that its limits allow.
    pub const PER_PATH: u64 = 8 << 10;
    /// Beyond the per-path allowance.
    pub const DOCUMENT_BASE: u64 = 16 << 20;

    /// Most bytes of a document's content, for so many paths.
    pub fn content(paths: u64) -> u64 {
        DOCUMENT_BASE + paths.min(PATHS) * 2 * PER_PATH
    }
}
