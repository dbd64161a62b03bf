//! The OCI documents (image-spec 1.1) in their canonical bytes, and the bounded reading of what
//! registry clients make of them.

use super::{BaseManifest, BlobRef, limits};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const MEDIA_ROOT: &str = "application/vnd.cumulate.root.v2+zstd";
pub const MEDIA_BASE: &str = "application/vnd.cumulate.base.v2+zstd";
pub const MEDIA_ENVELOPE: &str = crate::trust::ENVELOPE_MEDIA_TYPE;
pub(super) const MEDIA_LISTING: &str = "application/vnd.cumulate.listing.v2+zstd";
pub(super) const MEDIA_PACK: &str = "application/vnd.cumulate.pack.v1";
const MEDIA_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MEDIA_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const ARTIFACT_ATTESTATIONS: &str = "application/vnd.cumulate.attestations.v1";
/// The image-spec's config of an artifact that has none.
const MEDIA_EMPTY: &str = "application/vnd.oci.empty.v1+json";
pub(super) const EMPTY: &[u8] = b"{}";
/// For people and `skopeo inspect`; nothing depends on it.
const BASE_ANNOTATION: &str = "cumulate.base";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The whole of `oci-layout`.
pub(super) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

#[derive(Serialize, Deserialize)]
pub(super) struct Descriptor {
    #[serde(rename = "mediaType")]
    pub(super) media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Descriptor {
    fn new(media_type: &str, blob: BlobRef) -> Self {
        Self { media_type: media_type.into(), digest: blob.digest, size: blob.size, annotations: BTreeMap::new() }
    }

    fn annotated(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    pub(super) fn blob(&self) -> BlobRef {
        BlobRef { digest: self.digest, size: self.size }
    }

    pub(super) fn is_index(&self) -> bool {
        self.media_type == MEDIA_INDEX
    }

    pub(super) fn is_manifest(&self) -> bool {
        self.media_type == MEDIA_MANIFEST
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Index {
    #[serde(rename = "schemaVersion")]
    schema_version: u32,
    #[serde(default, rename = "mediaType")]
    media_type: String,
    pub(super) manifests: Vec<Descriptor>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    #[serde(rename = "schemaVersion")]
    schema_version: u32,
    #[serde(default, rename = "mediaType")]
    media_type: String,
    /// Of the attestations alone: the image-spec wants it where there is no config.
    #[serde(default, rename = "artifactType", skip_serializing_if = "String::is_empty")]
    artifact_type: String,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

/// `index.json`: one entry, named after the release.
pub(super) fn top_index(version: &str, nested: BlobRef) -> Result<Vec<u8>> {
    let entry = Descriptor::new(MEDIA_INDEX, nested).annotated(REF_NAME, &ref_name(version));
    index(vec![entry])
}

/// The nested index: one manifest for each base, in the root manifest's order; then that of the attestations.
pub(super) fn nested_index<'a>(
    bases: impl Iterator<Item = (&'a str, BlobRef)>,
    attestations: Option<BlobRef>,
) -> Result<Vec<u8>> {
    let bases = bases.map(|(name, blob)| Descriptor::new(MEDIA_MANIFEST, blob).annotated(BASE_ANNOTATION, name));
    index(bases.chain(attestations.map(|blob| Descriptor::new(MEDIA_MANIFEST, blob))).collect())
}

/// The OCI manifest of the attestations, which stand apart so that no installation has to fetch them.
pub(super) fn attestations(config: BlobRef, all: impl Iterator<Item = BlobRef>) -> Result<Vec<u8>> {
    let manifest = Manifest {
        schema_version: 2,
        media_type: MEDIA_MANIFEST.into(),
        artifact_type: ARTIFACT_ATTESTATIONS.into(),
        config: Descriptor::new(MEDIA_EMPTY, config),
        layers: all.map(|a| Descriptor::new(MEDIA_ENVELOPE, a)).collect(),
    };
    super::document::json(&manifest, "OCI manifest")
}

impl Manifest {
    pub(super) fn has_attestations(&self) -> bool {
        self.config.media_type == MEDIA_EMPTY
    }
}

fn index(manifests: Vec<Descriptor>) -> Result<Vec<u8>> {
    super::document::json(&Index { schema_version: 2, media_type: MEDIA_INDEX.into(), manifests }, "index")
}

/// The OCI manifest of one base, whose own manifest is the blob `own`.
pub(super) fn manifest(
    root: BlobRef,
    envelopes: impl Iterator<Item = BlobRef>,
    own: BlobRef,
    base: &BaseManifest,
) -> Result<Vec<u8>> {
    let mut layers: Vec<Descriptor> = envelopes.map(|e| Descriptor::new(MEDIA_ENVELOPE, e)).collect();
    layers.push(Descriptor::new(MEDIA_BASE, own));
    layers.push(Descriptor::new(MEDIA_LISTING, base.listing));
    layers.extend(base.packs.iter().map(|p| Descriptor::new(MEDIA_PACK, *p)));
    let manifest = Manifest {
        schema_version: 2,
        media_type: MEDIA_MANIFEST.into(),
        artifact_type: String::new(),
        config: Descriptor::new(MEDIA_ROOT, root),
        layers,
    };
    super::document::json(&manifest, "OCI manifest")
}

/// A version as a tag that registries accept: other characters become '-'.
fn ref_name(version: &str) -> String {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    version.chars().take(128).map(|c| if ok(c) { c } else { '-' }).collect()
}

/// # Errors
/// `bad-bundle` if it is not an index of OCI schema version 2 with a bounded number of entries.
pub(super) fn read_index(bytes: &[u8], subject: &str) -> Result<Index> {
    let index: Index = serde_json::from_slice(bytes).map_err(|e| bad(subject, format!("not an OCI index: {e}")))?;
    if index.schema_version != 2 || !matches!(&*index.media_type, "" | MEDIA_INDEX) {
        return Err(bad(subject, "not an OCI image index"));
    }
    // Every base, and the attestations.
    let most = limits::BASES + 1;
    if index.manifests.len() > most {
        return Err(Error::new(ErrorCode::Limit, subject, format!("more than {most} entries")));
    }
    Ok(index)
}

/// # Errors
/// `bad-bundle` if it is not an OCI manifest of a bundle.
pub(super) fn read_manifest(bytes: &[u8], subject: &str) -> Result<Manifest> {
    let manifest: Manifest =
        serde_json::from_slice(bytes).map_err(|e| bad(subject, format!("not an OCI manifest: {e}")))?;
    if manifest.schema_version != 2 || !matches!(&*manifest.media_type, "" | MEDIA_MANIFEST) {
        return Err(bad(subject, "not an OCI image manifest"));
    }
    let apart = manifest.has_attestations() && manifest.artifact_type == ARTIFACT_ATTESTATIONS;
    if manifest.config.media_type != MEDIA_ROOT && !apart {
        return Err(bad(subject, "an OCI manifest, but not of a cumulate bundle"));
    }
    if manifest.layers.len() > limits::ENVELOPES + limits::PACKS + 8 {
        return Err(Error::new(ErrorCode::Limit, subject, "too many layers"));
    }
    Ok(manifest)
}

fn bad(subject: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::BadBundle, subject, why).next("fetch the bundle again from where it was released")
}
