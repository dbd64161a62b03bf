//! A believed bundle and what can be asked of it.

use super::container::Container;
use super::listing::Listing;
use super::package::{Package, PackageBase};
use super::{Action, BaseManifest, BlobRef, Graph, Provenance, RootManifest, Slice, Steps, check, limits, undo};
use crate::delta::{self, Codec};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Entry, Tree};
use crate::trust::TrustReport;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// More bytes than any delta's header has.
pub const DELTA_HEAD: u64 = 64;

/// A bundle whose every content is what its root manifest says, and that a policy or the user
/// has accepted. The listings are held; deltas are read when asked for.
#[derive(Debug)]
pub struct Bundle {
    container: Container,
    package: Package,
    listings: Listings,
    trust: Option<TrustReport>,
}

impl Bundle {
    pub(super) fn new(container: Container, package: Package, listings: Listings, trust: Option<TrustReport>) -> Self {
        Self { container, package, listings, trust }
    }

    pub fn package(&self) -> &Package {
        &self.package
    }

    pub fn root(&self) -> &RootManifest {
        &self.package.root
    }

    /// Who vouches for it; `None` if it was accepted unsigned.
    pub fn trust(&self) -> Option<&TrustReport> {
        self.trust.as_ref()
    }

    /// The bases at hand, in the root manifest's order.
    pub fn bases(&self) -> impl Iterator<Item = &BaseManifest> {
        self.package.bases.iter().map(|b| &b.manifest)
    }

    /// Names of the bases that the release has and this copy of it has not.
    pub fn missing(&self) -> Vec<&str> {
        self.package.missing().map(|b| b.name.as_str()).collect()
    }

    /// # Errors
    /// `partial` if the release has this base but the bundle at hand has not, `no-base` if neither has.
    pub fn base(&self, name: &str) -> Result<&BaseManifest> {
        if let Some(base) = self.bases().find(|b| b.name == name) {
            return Ok(base);
        }
        if self.root().bases.iter().any(|b| b.name == name) {
            return Err(Error::new(
                ErrorCode::Partial,
                name,
                "the release has this base, this copy of the bundle has not",
            )
            .next("fetch the whole bundle, or this base by its digest"));
        }
        let names: Vec<&str> = self.root().bases.iter().map(|b| b.name.as_str()).collect();
        Err(Error::new(ErrorCode::NoBase, name, "the release has no such base")
            .next(format!("its bases: {}", names.join(", "))))
    }

    fn of(&self, name: &str) -> Result<(&PackageBase, &Listing)> {
        self.base(name)?;
        let base = self.package.bases.iter().find(|b| b.manifest.name == name);
        let listed = base.and_then(|b| Some((b, self.listings.get(&b.manifest.listing)?)));
        listed.ok_or_else(|| Error::new(ErrorCode::Internal, name, "its listing was never read"))
    }

    /// The target of a base's track, brief where no step of any base touches or reads a file.
    pub fn listing(&self, name: &str) -> Result<Tree> {
        Ok(self.of(name)?.1.tree())
    }

    /// The way of a base to its target.
    pub fn steps(&self, name: &str) -> Result<Steps> {
        let (base, listing) = self.of(name)?;
        base.steps.over(listing, name)
    }

    /// The base's own tree: the target with every step undone.
    pub fn before_tree(&self, name: &str) -> Result<Tree> {
        Ok(undo(&self.listing(name)?, &self.steps(name)?.steps))
    }

    pub fn provenance(&self, name: &str) -> Result<Provenance> {
        Ok(self.of(name)?.1.provenance(&self.root().fixes))
    }

    pub fn graph(&self) -> &Graph {
        &self.root().graph
    }

    /// The delta at a slice of a base's packs. Its bytes were hashed when the bundle was opened; a
    /// file that has changed since shows in the digest of what the delta decodes to.
    pub fn slice(&self, name: &str, at: &Slice) -> Result<Vec<u8>> {
        let base = self.base(name)?;
        let pack = base.packs.get(at.pack as usize);
        let pack = pack.ok_or_else(|| self.container.bad(format!("base '{name}' has no pack {}", at.pack)))?;
        self.read(pack, at.offset, at.length)
    }

    /// Bytes of a blob.
    ///
    /// # Errors
    /// `bad-bundle` outside of it, `io`.
    pub fn read(&self, blob: &BlobRef, offset: u64, length: u64) -> Result<Vec<u8>> {
        self.container.read_at(blob, offset, length)
    }

    /// Every signature's envelope by digest.
    pub fn envelopes(&self) -> &BTreeMap<Digest, Vec<u8>> {
        &self.package.envelopes
    }

    /// Envelopes that others' tools may want; this room believes none.
    pub fn attestations(&self) -> impl Iterator<Item = &[u8]> {
        self.package.attestations.values().map(Vec::as_slice)
    }

    /// The digest and size of a base's OCI manifest: what a registry serves it under.
    pub fn oci_manifest(&self, name: &str) -> Result<BlobRef> {
        self.base(name)?;
        let at = self.bases().position(|b| b.name == name).unwrap_or_default();
        let laid = self.package.lay()?;
        laid.manifests.get(at).copied().ok_or_else(|| Error::new(ErrorCode::Internal, name, "it has no OCI manifest"))
    }

    /// Bytes that fetching this base alone transfers: its OCI manifest and every blob that it names.
    pub fn download(&self, name: &str) -> Result<u64> {
        let base = self.base(name)?;
        let entry = self.root().bases.iter().find(|b| b.name == name).map(|b| b.manifest);
        let envelopes = self.envelopes().iter().map(|(d, e)| BlobRef { digest: *d, size: e.len() as u64 });
        let blobs: BTreeSet<BlobRef> = super::package::large(base)
            .chain(entry)
            .chain([self.oci_manifest(name)?, self.package.subject()])
            .chain(envelopes)
            .collect();
        Ok(blobs.iter().map(|b| b.size).sum())
    }
}

/// The listings of the tracks at hand.
pub(super) type Listings = BTreeMap<BlobRef, Listing>;

/// Reads every document of every base at hand and checks what it says.
pub(super) fn check_documents(container: &Container, package: &Package) -> Result<Listings> {
    let root = &package.root;
    // Bases of one track share their target: read once each.
    let mut listings = Listings::new();
    let mut targets: BTreeMap<&str, (BlobRef, Tree)> = BTreeMap::new();
    for base in &package.bases {
        let base = &base.manifest;
        match targets.get(base.track.as_str()) {
            Some((blob, _)) if *blob == base.listing => {}
            Some(_) => return Err(container.bad(format!("base '{}' has another listing than its track", base.name))),
            None => {
                let listing = listing(container, root, base)?;
                targets.insert(&base.track, (base.listing, target(&listing, root, base)?));
                listings.insert(base.listing, listing);
            }
        }
    }
    package.bases.par_iter().try_for_each(|own| {
        let base = &own.manifest;
        match (listings.get(&base.listing), targets.get(base.track.as_str())) {
            (Some(listing), Some((_, target))) => {
                let steps = own.steps.over(listing, &base.name)?;
                check::route(base, target, &steps)?;
                deltas(container, base, &steps)
            }
            _ => Err(container.bad("a base without a target")),
        }
    })?;
    Ok(listings)
}

/// Reads the header of every delta: what it says of its result and its need is what the manifests say.
fn deltas(container: &Container, base: &BaseManifest, steps: &Steps) -> Result<()> {
    let packs = base.packs.iter().map(|p| container.reader(p)).collect::<Result<Vec<_>>>()?;
    for step in &steps.steps {
        let (codec, at) = match &step.action {
            Action::Delta { codec, at, .. } => (*codec, at),
            Action::Full { at } => (Codec::Full, at),
            _ => continue,
        };
        let lies = |why: &str| container.bad(format!("the delta for '{}' of base '{}' {why}", step.path, base.name));
        let pack = packs.get(at.pack as usize).ok_or_else(|| lies("is in no pack"))?;
        let head = pack.read(at.offset, at.length.min(DELTA_HEAD))?;
        let header = delta::header(&head).map_err(|e| lies(&format!("cannot be read: {e}")))?;
        if header.codec != codec {
            return Err(lies("is of another codec than its step says"));
        }
        if Some(header.new_size) != step.after.as_ref().map(Entry::size) {
            return Err(lies("makes a file of another size than the target's"));
        }
        if header.memory > base.memory {
            return Err(lies("needs more memory than the base manifest states"));
        }
    }
    Ok(())
}

fn listing(container: &Container, root: &RootManifest, base: &BaseManifest) -> Result<Listing> {
    let max = limits::content(root.limits.paths);
    let bytes = container.small(&base.listing, max.min(limits::DOCUMENT), "listing")?;
    Listing::decode(&base.listing, &bytes, max, root.fixes.len())
}

fn target(listing: &Listing, root: &RootManifest, base: &BaseManifest) -> Result<Tree> {
    let tree = listing.tree();
    let subject = format!("target of track '{}'", base.track);
    if base.after.files > root.limits.paths || tree.entries.values().any(|e| e.size() > root.limits.file) {
        return Err(Error::new(ErrorCode::Limit, subject, "a path or file beyond the limits that the bundle states")
            .next("do not use this bundle"));
    }
    check::tree(&tree, base.after, &subject)?;
    Ok(tree)
}
