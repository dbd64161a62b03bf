//! From a path to a [`Bundle`]: structure first, then trust, then every content.

use super::container::Container;
use super::package::{Package, PackageBase, large};
use super::read::{Bundle, Listings};
use super::{BlobRef, RootManifest, base, check, document, limits, oci};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use crate::trust::{MAX_ATTESTATION, MAX_ENVELOPE, Policy, TrustReport};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A bundle whose structure holds, and of which nothing is believed yet.
#[derive(Debug)]
pub struct Unverified {
    container: Container,
    package: Package,
    stale: bool,
}

/// Opens a `.cup` file or an OCI layout folder, whole or with some of its bases.
///
/// Reads the manifests and envelopes, each hashed before it is parsed and bounded before it is
/// read; of a file also that all its other bytes are in canonical form. No large blob is read.
///
/// # Errors
/// `bad-bundle`, `unknown-format`, `limit`, `io`.
pub fn open(path: &Path) -> Result<Unverified> {
    let container = Container::open(path)?;
    let (layout, index) = container.top()?;
    if layout != oci::LAYOUT {
        oci_version(&layout).map_err(|why| container.bad(why))?;
    }
    let manifests = manifests(&container, &index)?;
    let package = package(&container, &manifests)?;
    if let Some(entries) = container.entries() {
        let laid = package.lay()?;
        if layout != oci::LAYOUT || laid.index != index {
            return Err(container.bad("oci-layout or index.json is not in canonical form"));
        }
        if !entries.eq(laid.all) {
            return Err(container.bad("its entries are not exactly those that its manifests name"));
        }
    }
    Ok(Unverified { container, package, stale: false })
}

fn oci_version(layout: &[u8]) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Layout {
        #[serde(rename = "imageLayoutVersion")]
        version: String,
    }
    let layout: Layout = serde_json::from_slice(layout).map_err(|e| format!("oci-layout cannot be read: {e}"))?;
    if layout.version == "1.0.0" { Ok(()) } else { Err("its OCI layout is of another version than 1.0.0".into()) }
}

/// The OCI manifests that `index.json` leads to: directly, or through one nested index.
fn manifests(container: &Container, index: &[u8]) -> Result<Vec<oci::Manifest>> {
    let top = oci::read_index(index, "index.json")?;
    let [entry] = top.manifests.as_slice() else {
        return Err(container
            .bad(format!("index.json has {} entries, exactly one is no riddle", top.manifests.len()))
            .next("copy the one release that you mean into a folder of its own"));
    };
    let mut list: Vec<BlobRef> = Vec::new();
    if entry.is_index() {
        let bytes = container.small(&entry.blob(), limits::INDEX, "the nested index")?;
        for d in oci::read_index(&bytes, "nested index")?.manifests {
            if !d.is_manifest() {
                return Err(container.bad("the nested index points to something that is no OCI manifest"));
            }
            list.push(d.blob());
        }
    } else if entry.is_manifest() {
        list.push(entry.blob());
    } else {
        return Err(container.bad("index.json points to something that is neither an OCI index nor a manifest"));
    }
    if list.is_empty() {
        return Err(container.bad("it holds no base at all"));
    }
    list.iter()
        .map(|blob| {
            let bytes = container.small(blob, limits::OCI_MANIFEST, "an OCI manifest")?;
            oci::read_manifest(&bytes, &format!("OCI manifest {}", blob.digest))
        })
        .collect()
}

fn package(container: &Container, manifests: &[oci::Manifest]) -> Result<Package> {
    let of = |m: &oci::Manifest, media: &str| -> Vec<BlobRef> {
        m.layers.iter().filter(|l| l.media_type == media).map(oci::Descriptor::blob).collect()
    };
    let (apart, manifests): (Vec<_>, Vec<_>) = manifests.iter().partition(|m| m.has_attestations());
    let first = manifests.first().ok_or_else(|| container.bad("it holds no base at all"))?;
    let root_blob = first.config.blob();
    if manifests.iter().any(|m| m.config.blob() != root_blob) {
        return Err(container.bad("two bases belong to two releases: their root manifests differ"));
    }
    let root_bytes = container.small(&root_blob, limits::ROOT, "the root manifest")?;
    let text = document::text(&root_blob, &root_bytes, limits::ROOT_TEXT, "root manifest")?;
    check::format(&text, check::ROOT_SCHEMA, "root manifest")?;
    let root: RootManifest =
        serde_json::from_slice(&text).map_err(|e| container.bad(format!("the root manifest cannot be read: {e}")))?;
    check::root(&root)?;
    let envelope_blobs: BTreeSet<BlobRef> = of(first, oci::MEDIA_ENVELOPE).into_iter().collect();
    if envelope_blobs.len() > limits::ENVELOPES {
        return Err(Error::new(
            ErrorCode::Limit,
            &container.name,
            format!("more than {} envelopes", limits::ENVELOPES),
        ));
    }
    let mut envelopes = BTreeMap::new();
    for blob in &envelope_blobs {
        envelopes.insert(blob.digest, container.small(blob, MAX_ENVELOPE, "an envelope")?);
    }
    let attestations = attestations(container, &apart)?;
    let mut found: BTreeMap<usize, PackageBase> = BTreeMap::new();
    for m in manifests {
        let own = of(m, oci::MEDIA_BASE);
        let [own] = own.as_slice() else { return Err(container.bad("a base has not exactly one base manifest")) };
        let Some(place) = root.bases.iter().position(|b| b.manifest == *own) else {
            return Err(container.bad(format!("the root manifest does not name the base manifest {}", own.digest)));
        };
        let max = limits::content(root.limits.paths);
        let bytes = container.small(own, max.min(limits::DOCUMENT), "a base manifest")?;
        let known = |text: &[u8]| check::format(text, check::BASE_SCHEMA, "base manifest");
        let (manifest, steps) = base::decode(own, &bytes, max, &root.fixes, known)?;
        if root.bases[place].name != manifest.name {
            return Err(container.bad("a base manifest bears another name than the root manifest gives it"));
        }
        check::base(&root, &manifest)?;
        let layers: Vec<BlobRef> = m.layers.iter().map(oci::Descriptor::blob).collect();
        let set: BTreeSet<BlobRef> = layers.iter().copied().collect();
        let wanted: BTreeSet<BlobRef> = large(&manifest).chain([*own]).chain(envelope_blobs.iter().copied()).collect();
        if set != wanted || set.len() != layers.len() {
            return Err(container.bad(format!(
                "the layers of base '{}' are not its blobs and the envelopes of the whole",
                manifest.name
            )));
        }
        if found.insert(place, PackageBase { manifest, steps, bytes }).is_some() {
            return Err(container.bad("a base stands twice"));
        }
    }
    Ok(Package { root, root_bytes, bases: found.into_values().collect(), envelopes, attestations })
}

/// What stands beside the bases for others' tools: bounded, whole, and believed by nobody here.
fn attestations(container: &Container, apart: &[&oci::Manifest]) -> Result<BTreeMap<Digest, Vec<u8>>> {
    let manifest = match apart {
        [] => return Ok(BTreeMap::new()),
        [one] => one,
        _ => return Err(container.bad("its attestations stand twice")),
    };
    if manifest.layers.len() > limits::ATTESTATIONS {
        let most = format!("more than {} attestations", limits::ATTESTATIONS);
        return Err(Error::new(ErrorCode::Limit, &container.name, most));
    }
    if manifest.config.blob() != (BlobRef { digest: Digest::of(oci::EMPTY), size: oci::EMPTY.len() as u64 })
        || manifest.layers.is_empty()
        || manifest.layers.iter().any(|l| l.media_type != oci::MEDIA_ENVELOPE)
    {
        return Err(container.bad("its attestations are not envelopes beside an empty config"));
    }
    let blobs = manifest.layers.iter().map(oci::Descriptor::blob);
    let read = blobs.map(|b| Ok((b.digest, container.small(&b, MAX_ATTESTATION, "an attestation")?)));
    let all: BTreeMap<_, _> = read.collect::<Result<_>>()?;
    if all.len() < manifest.layers.len() {
        return Err(container.bad("an attestation stands twice"));
    }
    Ok(all)
}

impl Unverified {
    /// What the bundle claims to be. Nobody has vouched for it yet.
    pub fn claimed(&self) -> &Package {
        &self.package
    }

    /// What a policy thinks of every signature, enough or not; reads no content.
    pub fn look(&self, policy: &Policy, now: u64) -> TrustReport {
        let envelopes: Vec<&[u8]> = self.package.envelopes().collect();
        policy.look(&self.package.judged(), &envelopes, now)
    }

    /// Takes it although its best-before has passed, for who cannot get a newer one.
    #[must_use]
    pub fn accept_stale(self) -> Self {
        Self { stale: true, ..self }
    }

    /// Believes the bundle if enough trusted keys have signed it at time `now` (seconds since
    /// 1970) and every content is what the signed manifests say.
    ///
    /// # Errors
    /// `unsigned`, `untrusted`, `expired`; `bad-bundle`, `limit`, `io` for contents.
    pub fn verify(self, policy: &Policy, now: u64) -> Result<Bundle> {
        let envelopes: Vec<&[u8]> = self.package.envelopes().collect();
        let mut judged = self.package.judged();
        judged.best_before = judged.best_before.filter(|_| !self.stale);
        let trust = policy.verify(&self.container.name, &judged, &envelopes, now)?;
        let listings = self.check_contents()?;
        Ok(Bundle::new(self.container, self.package, listings, Some(trust)))
    }

    /// Believes the bundle although nobody vouches for it: every content is checked, no signature.
    ///
    /// # Errors
    /// `bad-bundle`, `limit`, `io`.
    pub fn accept_unsigned(self) -> Result<Bundle> {
        let listings = self.check_contents()?;
        Ok(Bundle::new(self.container, self.package, listings, None))
    }

    /// Hashes every blob once, then reads every document and checks what it says.
    fn check_contents(&self) -> Result<Listings> {
        let (container, package) = (&self.container, &self.package);
        let blobs: BTreeSet<BlobRef> = package.bases.iter().flat_map(|b| large(&b.manifest)).collect();
        let blobs: Vec<BlobRef> = blobs.into_iter().collect();
        blobs.par_iter().try_for_each(|b| container.stream(b, |_| Ok(())))?;
        super::read::check_documents(container, package)
    }

    pub(super) fn parts(self) -> (Container, Package) {
        (self.container, self.package)
    }
}
