//! What a bundle consists of beside its large blobs, and the one way in which that is laid out.

use super::base::Stepped;
use super::{BaseManifest, BaseRef, BlobRef, RootManifest, limits, oci};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use crate::trust::{Binding, Claim, Judged, MAX_ATTESTATION, Statement};
use std::collections::BTreeMap;

/// The root manifest with its exact bytes, the base manifests at hand, and the envelopes.
#[derive(Debug, Clone)]
pub struct Package {
    pub(super) root: RootManifest,
    pub(super) root_bytes: Vec<u8>,
    /// In the root manifest's order; some may be missing.
    pub(super) bases: Vec<PackageBase>,
    pub(super) envelopes: BTreeMap<Digest, Vec<u8>>,
    pub(super) attestations: BTreeMap<Digest, Vec<u8>>,
}

#[derive(Debug, Clone)]
pub(super) struct PackageBase {
    pub(super) manifest: BaseManifest,
    pub(super) steps: Stepped,
    pub(super) bytes: Vec<u8>,
}

/// A laid-out package: every byte of the OCI documents, and which blobs stand beside them.
pub(super) struct Laid {
    /// `index.json`.
    pub(super) index: Vec<u8>,
    /// Blobs whose bytes are here: nested index, OCI manifests, root, base manifests, envelopes.
    pub(super) small: BTreeMap<Digest, Vec<u8>>,
    /// Every blob with its size.
    pub(super) all: BTreeMap<Digest, u64>,
    /// The OCI manifest of each base at hand, in order.
    pub(super) manifests: Vec<BlobRef>,
}

impl Package {
    pub fn root(&self) -> &RootManifest {
        &self.root
    }

    /// The root manifest as a blob: the subject of every signature.
    pub fn subject(&self) -> BlobRef {
        BlobRef { digest: Digest::of(&self.root_bytes), size: self.root_bytes.len() as u64 }
    }

    /// The exact bytes that are signed: the root manifest as it is stored, JSON in zstd.
    pub fn root_bytes(&self) -> &[u8] {
        &self.root_bytes
    }

    /// What a signer in this role states about the release.
    pub fn statement(&self, role: &str) -> Statement {
        Statement { subject: self.subject().digest, claim: claim(&self.root, role) }
    }

    /// What a policy has to judge.
    pub fn judged(&self) -> Judged {
        let says = claim(&self.root, "");
        // Nothing stands in a repair base that could be tested; what it becomes is what the others of its track become.
        let others = |track: &str| self.bases.iter().any(|b| b.manifest.track == track && !b.manifest.is_repair());
        let bases = self.bases.iter().map(|b| &b.manifest).filter(|m| !(m.is_repair() && others(&m.track)));
        let routes = bases.map(|m| (m.name.clone(), binding(m))).collect();
        Judged { subject: self.subject().digest, says, routes, best_before: self.root.release.best_before }
    }

    /// Adds a signature; `false` if the very same is there already.
    ///
    /// # Errors
    /// `limit` with too many or too large ones.
    pub fn add_envelope(&mut self, envelope: Vec<u8>) -> Result<bool> {
        let digest = Digest::of(&envelope);
        if self.envelopes.contains_key(&digest) {
            return Ok(false);
        }
        if self.envelopes.len() >= limits::ENVELOPES {
            return Err(Error::new(ErrorCode::Limit, digest, format!("more than {} signatures", limits::ENVELOPES)));
        }
        if envelope.len() as u64 > crate::trust::MAX_ENVELOPE {
            return Err(Error::new(ErrorCode::Limit, digest, "the signature's envelope is too large"));
        }
        self.envelopes.insert(digest, envelope);
        Ok(true)
    }

    /// Adds an attestation's envelope, for others' tools.
    ///
    /// # Errors
    /// `limit` with too many or too large ones.
    pub fn add_attestation(&mut self, envelope: Vec<u8>) -> Result<()> {
        let digest = Digest::of(&envelope);
        if envelope.len() as u64 > MAX_ATTESTATION || self.attestations.len() >= limits::ATTESTATIONS {
            let most =
                format!("more than {} attestations, or one of more than {MAX_ATTESTATION} bytes", limits::ATTESTATIONS);
            return Err(Error::new(ErrorCode::Limit, digest, most));
        }
        self.attestations.insert(digest, envelope);
        Ok(())
    }

    pub fn envelopes(&self) -> impl Iterator<Item = &[u8]> {
        self.envelopes.values().map(Vec::as_slice)
    }

    /// The manifest of a base that is at hand.
    pub fn base(&self, name: &str) -> Option<&BaseManifest> {
        self.bases.iter().map(|b| &b.manifest).find(|m| m.name == name)
    }

    /// Bases of the root manifest that are not at hand.
    pub fn missing(&self) -> impl Iterator<Item = &BaseRef> {
        self.root.bases.iter().filter(|b| self.bases.iter().all(|p| p.manifest.name != b.name))
    }

    pub(super) fn lay(&self) -> Result<Laid> {
        let mut small = BTreeMap::new();
        let mut all = BTreeMap::new();
        let mut manifests = Vec::new();
        let root = put(&mut small, self.root_bytes.clone());
        let envelopes: Vec<BlobRef> = self.envelopes.values().map(|e| put(&mut small, e.clone())).collect();
        for base in &self.bases {
            let own = put(&mut small, base.bytes.clone());
            let manifest = oci::manifest(root, envelopes.iter().copied(), own, &base.manifest)?;
            manifests.push(put(&mut small, manifest));
            all.extend(large(&base.manifest).map(|b| (b.digest, b.size)));
        }
        let names = self.bases.iter().map(|b| b.manifest.name.as_str());
        let mut apart = None;
        if !self.attestations.is_empty() {
            let config = put(&mut small, oci::EMPTY.to_vec());
            let all: Vec<BlobRef> = self.attestations.values().map(|a| put(&mut small, a.clone())).collect();
            apart = Some(put(&mut small, oci::attestations(config, all.into_iter())?));
        }
        let nested = put(&mut small, oci::nested_index(names.zip(manifests.iter().copied()), apart)?);
        let index = oci::top_index(&self.root.release.version, nested)?;
        all.extend(small.iter().map(|(d, bytes)| (*d, bytes.len() as u64)));
        Ok(Laid { index, small, all, manifests })
    }
}

fn put(small: &mut BTreeMap<Digest, Vec<u8>>, bytes: Vec<u8>) -> BlobRef {
    let blob = BlobRef { digest: Digest::of(&bytes), size: bytes.len() as u64 };
    small.insert(blob.digest, bytes);
    blob
}

/// The blobs of one base that are not manifests or envelopes.
pub(super) fn large(base: &BaseManifest) -> impl Iterator<Item = BlobRef> + '_ {
    [base.listing].into_iter().chain(base.packs.iter().copied())
}

/// What vetting a base is bound to.
pub fn binding(base: &BaseManifest) -> Binding {
    // Lists of strings and numbers are always written.
    let hooks = serde_json::to_vec(&base.hooks).unwrap_or_default();
    Binding { base: base.before.tree, target: base.after.tree, hooks: Digest::of(&hooks) }
}

fn claim(root: &RootManifest, role: &str) -> Claim {
    Claim {
        role: role.to_owned(),
        component: root.component.clone(),
        version: root.release.version.clone(),
        sequence: root.release.sequence,
    }
}
