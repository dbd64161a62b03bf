//! From what a release consists of to its manifests: digests, sizes and limits are computed here.

use super::base;
use super::listing::Listing;
use super::package::{Package, PackageBase};
use super::{
    Action, BaseManifest, BaseRef, BlobRef, Blobs, FORMAT, FixEntry, FixState, Graph, HOOKS, Hook, Limits, Provenance,
    Release, RootManifest, Step, Steps, TrackManifest, TreeRef, check, document, limits,
};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Tree;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A release before its manifests.
#[derive(Debug, Clone)]
pub struct Draft {
    pub component: String,
    pub release: Release,
    pub tracks: Vec<TrackDraft>,
    /// In the order of the plan.
    pub fixes: Vec<FixEntry>,
    pub graph: Graph,
    /// In the order of the configuration.
    pub bases: Vec<BaseDraft>,
}

/// One track and its target.
#[derive(Debug, Clone)]
pub struct TrackDraft {
    pub name: String,
    pub branch: String,
    pub platform: String,
    pub version: String,
    pub target: Tree,
    /// Paths sorted.
    pub provenance: Provenance,
}

/// One base and its route. Its packs have been added to the [`Blobs`].
#[derive(Debug, Clone)]
pub struct BaseDraft {
    pub name: String,
    pub track: String,
    pub before: Tree,
    /// Sorted by path.
    pub steps: Steps,
    pub packs: Vec<BlobRef>,
    /// Bytes that the most demanding delta needs for decoding, itself, the old file and the result included.
    pub memory: u64,
    /// One for each fix of the release, in its order.
    pub fixes: Vec<FixState>,
    pub hooks: Vec<Hook>,
}

impl TreeRef {
    pub fn of(tree: &Tree) -> Self {
        Self { tree: tree.digest(), files: tree.len() as u64, bytes: tree.bytes() }
    }
}

/// Bytes of new files that staging writes at most: the contents that come about anew.
pub(super) fn disk(steps: &[Step]) -> u64 {
    let made = |s: &&Step| matches!(s.action, Action::Copy { .. } | Action::Delta { .. } | Action::Full { .. });
    steps.iter().filter(made).filter_map(|s| s.after.as_ref()).fold(0u64, |sum, e| sum.saturating_add(e.size()))
}

/// Bytes of the distinct blobs that a base manifest names.
pub(super) fn download(base: &BaseManifest) -> u64 {
    let blobs: BTreeSet<BlobRef> = [base.listing].into_iter().chain(base.packs.iter().copied()).collect();
    blobs.iter().fold(0, |sum, b| sum.saturating_add(b.size))
}

impl Draft {
    /// Makes the manifests and adds the documents to `blobs`.
    ///
    /// # Errors
    /// `internal` if the parts contradict each other (a route that does not end in the target),
    /// `limit` if a manifest grows beyond what readers accept.
    pub fn assemble(&self, blobs: &mut Blobs) -> Result<Package> {
        let mut tracks = Vec::new();
        let mut shared: BTreeMap<&str, (&Tree, TreeRef, Listing, BlobRef)> = BTreeMap::new();
        for t in &self.tracks {
            let target = TreeRef::of(&t.target);
            let mine = || self.bases.iter().filter(|b| b.track == t.name).map(|b| &b.steps);
            let (steps, config) = (mine().flat_map(|s| &s.steps), mine().flat_map(|s| &s.config));
            let listing = Listing::new(&t.target, steps, config, &t.provenance, &self.fixes);
            let blob = blobs.add(listing.encode()?);
            shared.insert(&t.name, (&t.target, target, listing, blob));
            tracks.push(TrackManifest {
                name: t.name.clone(),
                branch: t.branch.clone(),
                platform: t.platform.clone(),
                version: t.version.clone(),
                target,
            });
        }
        // Documents are compressed in parallel and added in order.
        let made: Vec<PackageBase> = self
            .bases
            .par_iter()
            .map(|b| {
                let track = shared.get(b.track.as_str());
                let (target, after, listing, blob) =
                    track.ok_or_else(|| fault(&b.name, format!("its track '{}' is not there", b.track)))?;
                let mut manifest = BaseManifest {
                    schema: check::BASE_SCHEMA.into(),
                    format: FORMAT,
                    component: self.component.clone(),
                    release: self.release.version.clone(),
                    name: b.name.clone(),
                    track: b.track.clone(),
                    before: TreeRef::of(&b.before),
                    after: *after,
                    listing: *blob,
                    packs: b.packs.clone(),
                    download: 0,
                    disk: disk(&b.steps.steps),
                    memory: b.memory,
                    fixes: b.fixes.clone(),
                    hooks: b.hooks.clone(),
                };
                manifest.download = download(&manifest);
                check::route(&manifest, target, &b.steps)
                    .map_err(|e| fault(&b.name, format!("the route is wrong: {}", e.message)))?;
                let (bytes, steps) = base::encode(&manifest, &b.steps.steps, listing)?;
                Ok(PackageBase { manifest, steps, bytes })
            })
            .collect::<Result<_>>()?;
        let mut bases = Vec::new();
        let mut refs = Vec::new();
        for base in made {
            let manifest = &base.manifest;
            if let Some(p) = manifest.packs.iter().find(|p| blobs.size(&p.digest) != Some(p.size)) {
                return Err(fault(&manifest.name, format!("its pack {} was never added", p.digest)));
            }
            let blob = blobs.add(base.bytes.clone());
            refs.push(BaseRef { name: manifest.name.clone(), track: manifest.track.clone(), manifest: blob });
            bases.push(base);
        }
        let root = RootManifest {
            schema: check::ROOT_SCHEMA.into(),
            format: FORMAT,
            needs: bases.iter().any(|b| !b.manifest.hooks.is_empty()).then(|| HOOKS.to_owned()).into_iter().collect(),
            generator: format!("cumulate {}", env!("CARGO_PKG_VERSION")),
            component: self.component.clone(),
            release: self.release.clone(),
            tracks,
            fixes: self.fixes.clone(),
            limits: self.limits(&bases),
            bases: refs,
            graph: self.graph.clone(),
        };
        check::root(&root).map_err(|e| Error { subject: "the release".into(), ..e })?;
        for base in &bases {
            check::base(&root, &base.manifest)?;
        }
        let root_bytes = document::encode(&root, "root manifest")?;
        if root_bytes.len() as u64 > limits::ROOT {
            return Err(Error::new(
                ErrorCode::Limit,
                "root manifest",
                format!("it has {} bytes, registries and readers take {}", root_bytes.len(), limits::ROOT),
            )
            .next("shorten the texts of fixes, or split the release"));
        }
        Ok(Package { root, root_bytes, bases, envelopes: BTreeMap::new(), attestations: BTreeMap::new() })
    }

    fn limits(&self, bases: &[PackageBase]) -> Limits {
        let targets = self.tracks.iter().map(|t| &t.target);
        let blobs = bases.iter().flat_map(|b| {
            let m = &b.manifest;
            [m.listing].into_iter().chain(m.packs.iter().copied())
        });
        Limits {
            file: targets.clone().flat_map(|t| t.entries.values()).map(|e| e.size()).max().unwrap_or(0),
            memory: self.bases.iter().map(|b| b.memory).max().unwrap_or(0),
            paths: targets.chain(self.bases.iter().map(|b| &b.before)).map(|t| t.len() as u64).max().unwrap_or(0),
            blob: blobs.map(|b| b.size).max().unwrap_or(0),
        }
    }
}

fn fault(base: &str, why: String) -> Error {
    Error::new(ErrorCode::Internal, base, why).next("report this as a defect of cumulate")
}
