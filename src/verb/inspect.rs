//! `cumulate inspect FILE.cup`: what a release holds and what each base gains by it.

use crate::bundle::{
    self, Action, Bundle, FixEntry, FixState, GraphEdge, GraphMerge, GraphPair, Hook, Limits, TreeRef,
};
use crate::disk::Disk;
use crate::install::{self, Release};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Entry};
use crate::trust::{Envelope, Said, show_time};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything that a release says of itself. Its contents were checked, its signatures not.
#[derive(Debug, Clone, Serialize)]
pub struct Inspect {
    pub schema: &'static str,
    pub component: String,
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<u64>,
    /// The last second, in RFC 3339, at which this is the current release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_before: Option<String>,
    pub generator: String,
    pub format: String,
    /// SHA-256 of the root manifest: the release's identity.
    pub root: Digest,
    /// The target of the only track, or of the one that the chosen base is on; else of the first.
    pub target: TreeRef,
    pub tracks: Vec<TrackView>,
    pub limits: Limits,
    /// In the order of the plan.
    pub fixes: Vec<FixEntry>,
    pub order: Vec<String>,
    pub edges: Vec<GraphEdge>,
    pub order_pairs: Vec<GraphPair>,
    /// Contents that several fixes make together: merged clean, or as somebody decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merges: Vec<GraphMerge>,
    pub bases: Vec<BaseView>,
    /// Bases of the release that this copy of the bundle has not.
    pub missing: Vec<String>,
    /// As they claim to be; `verify` says which of them are worth something.
    pub signatures: Vec<SignatureView>,
}

#[derive(Debug, Clone, Serialize)]
pub struct TrackView {
    pub name: String,
    pub branch: String,
    pub platform: String,
    pub version: String,
    pub target: TreeRef,
}

/// One base: what it gains and what it costs.
#[derive(Debug, Clone, Serialize)]
pub struct BaseView {
    pub name: String,
    pub track: String,
    pub tree: Digest,
    pub files: u64,
    pub bytes: u64,
    /// Bytes that fetching this base alone transfers, manifests and envelopes included.
    pub download: u64,
    /// Bytes that staging writes.
    pub disk: u64,
    /// Bytes that the most demanding delta needs.
    pub memory: u64,
    pub fixes: Vec<FixState>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    pub added: u64,
    pub changed: u64,
    pub deleted: u64,
    /// By kind of step; a delta's kind is `delta:` and its codec.
    pub steps: BTreeMap<String, Kind>,
    /// Digest of the OCI manifest: what a registry serves this base under.
    pub oci: Digest,
    /// Every step, where one base was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathView>,
}

/// All steps of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Kind {
    pub steps: u64,
    /// Bytes of their deltas.
    pub stored: u64,
    /// Bytes of the files that they make.
    pub made: u64,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub struct PathView {
    pub path: String,
    pub kind: String,
    pub class: bundle::Class,
    pub stored: u64,
    pub made: u64,
    /// The fixes that touched the path, in order.
    pub fixes: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct SignatureView {
    pub envelope: Digest,
    pub key: String,
    /// As the envelope claims.
    pub role: String,
}

/// Opens a bundle and lists what it holds; with `base` only that one, path by path.
///
/// # Errors
/// `bad-bundle`, `unknown-format`, `limit`, `io`; `no-base`, `partial` for the chosen base.
pub fn inspect(path: &Path, base: Option<&str>) -> Result<Inspect> {
    let bundle = bundle::open(path)?.accept_unsigned()?;
    let root = bundle.root();
    let names: Vec<String> = match base {
        Some(name) => vec![bundle.base(name)?.name.clone()],
        None => bundle.bases().map(|b| b.name.clone()).collect(),
    };
    let bases: Vec<BaseView> = {
        let release = Release::of(&bundle)?;
        names.iter().map(|n| view(&bundle, &release, n, base.is_some())).collect::<Result<_>>()?
    };
    let graph = bundle.graph().clone();
    let track = base.and_then(|_| bases.first()).map(|b| b.track.as_str());
    let tracks: Vec<TrackView> = root
        .tracks
        .iter()
        .map(|t| TrackView {
            name: t.name.clone(),
            branch: t.branch.clone(),
            platform: t.platform.clone(),
            version: t.version.clone(),
            target: t.target,
        })
        .collect();
    let target = tracks.iter().find(|t| track.is_none_or(|n| n == t.name)).map(|t| t.target);
    Ok(Inspect {
        schema: "cumulate.inspect/1",
        component: root.component.clone(),
        version: root.release.version.clone(),
        sequence: root.release.sequence,
        created: root.release.created,
        best_before: root.release.best_before.map(show_time),
        generator: root.generator.clone(),
        format: format!("{}.{}", root.format.major, root.format.minor),
        root: bundle.package().subject().digest,
        target: target.ok_or_else(|| Error::new(ErrorCode::BadBundle, path.display(), "it has no track"))?,
        tracks,
        limits: root.limits,
        order: root.fixes.iter().map(|f| f.id.clone()).collect(),
        fixes: root.fixes.clone(),
        edges: graph.edges,
        order_pairs: graph.order_pairs,
        merges: graph.merges,
        bases,
        missing: bundle.missing().into_iter().map(str::to_owned).collect(),
        signatures: signatures(&bundle),
    })
}

fn view(bundle: &Bundle, release: &Release<'_>, name: &str, every_path: bool) -> Result<BaseView> {
    let base = bundle.base(name)?;
    let steps = bundle.steps(name)?.steps;
    let touched: BTreeMap<_, _> = match every_path {
        true => bundle.provenance(name)?.paths.into_iter().map(|p| (p.path, p.fixes)).collect(),
        false => BTreeMap::new(),
    };
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    let mut paths = Vec::new();
    let count = |p: fn(&bundle::Step) -> bool| steps.iter().filter(|s| p(s)).count() as u64;
    for step in &steps {
        let (kind, stored) = kind(&step.action);
        let made = match step.action {
            Action::Mode => 0,
            _ => step.after.as_ref().map_or(0, Entry::size),
        };
        let sum = kinds.entry(kind.clone()).or_default();
        *sum = Kind { steps: sum.steps + 1, stored: sum.stored + stored, made: sum.made + made };
        if every_path {
            let fixes = touched.get(&step.path).cloned().unwrap_or_default();
            paths.push(PathView { path: step.path.to_string(), kind, class: step.class, stored, made, fixes });
        }
    }
    Ok(BaseView {
        name: base.name.clone(),
        track: base.track.clone(),
        tree: base.before.tree,
        files: base.before.files,
        bytes: base.before.bytes,
        download: bundle.download(name)?,
        disk: release.routes.iter().find(|r| r.name == name).map_or(base.disk, install::space_of),
        memory: base.memory,
        fixes: base.fixes.clone(),
        hooks: base.hooks.clone(),
        added: count(|s| s.before.is_none()),
        changed: count(|s| s.before.is_some() && s.after.is_some()),
        deleted: count(|s| s.after.is_none()),
        steps: kinds,
        oci: bundle.oci_manifest(name)?.digest,
        paths,
    })
}

/// What a step is called, and the bytes of its delta.
fn kind(action: &Action) -> (String, u64) {
    match action {
        Action::Copy { .. } => ("copy".into(), 0),
        Action::Delta { codec, at, .. } => (format!("delta:{}", codec_name(*codec)), at.length),
        Action::Full { at } => ("full".into(), at.length),
        Action::Delete => ("delete".into(), 0),
        Action::Link => ("link".into(), 0),
        Action::Mode => ("mode".into(), 0),
        Action::Folder => ("folder".into(), 0),
    }
}

/// The codec's name as it stands in bundles.
fn codec_name(codec: crate::delta::Codec) -> String {
    serde_json::to_value(codec).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn signatures(bundle: &Bundle) -> Vec<SignatureView> {
    let mut out = Vec::new();
    for (digest, bytes) in bundle.envelopes() {
        let Ok(envelope) = Envelope::from_json(bytes) else { continue };
        let role = Said::read(&envelope.payload).map(|s| s.role().to_owned()).unwrap_or_default();
        for key in envelope.key_ids() {
            out.push(SignatureView { envelope: *digest, key: key.to_owned(), role: role.clone() });
        }
    }
    out
}

/// Writes what is signed and every signature into a folder (made if needed): `root.json.zst`, and
/// `SHA256.dsse.json` for each envelope, `SHA256.attestation.json` for each attestation. Returns the files.
///
/// # Errors
/// As [`bundle::open`]; `exists` for a file that is there with other content, `io`.
pub fn write_envelopes(path: &Path, dir: &Path) -> Result<Vec<PathBuf>> {
    let bundle = bundle::open(path)?.accept_unsigned()?;
    let disk = Disk::real();
    disk.mkdir_all(dir)?;
    let mut files = vec![(dir.join("root.json.zst"), bundle.package().root_bytes())];
    let name = |bytes: &[u8]| dir.join(format!("{}.attestation.json", Digest::of(bytes).hex()));
    files.extend(bundle.attestations().map(|a| (name(a), a)));
    files.extend(bundle.envelopes().iter().map(|(d, e)| (dir.join(format!("{}.dsse.json", d.hex())), e.as_slice())));
    for (file, bytes) in &files {
        let same = std::fs::read(file).is_ok_and(|there| there == *bytes);
        if !same {
            disk.create_new(file, bytes, 0o644)?;
        }
    }
    Ok(files.into_iter().map(|(file, _)| file).collect())
}
