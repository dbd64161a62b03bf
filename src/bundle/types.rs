//! The serialised types. Field order is the byte order of the canonical JSON.

use crate::delta::Codec;
use crate::tree::{Digest, Entry, TreePath};
use serde::{Deserialize, Serialize};

/// `major.minor` of the format; an unknown major is refused, a newer minor is read unless
/// [`RootManifest::needs`] names a feature that this build lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    pub major: u32,
    pub minor: u32,
}

/// A blob of the layout by digest and exact size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobRef {
    pub digest: Digest,
    pub size: u64,
}

/// The signed document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RootManifest {
    /// Always `cumulate.root`.
    pub schema: String,
    pub format: Format,
    /// Features that a reader must know.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The version of cumulate that made it; the same bytes are promised per version.
    pub generator: String,
    pub component: String,
    pub release: Release,
    pub tracks: Vec<TrackManifest>,
    /// In the order of the plan.
    pub fixes: Vec<FixEntry>,
    pub limits: Limits,
    /// In the order of the configuration.
    pub bases: Vec<BaseRef>,
    #[serde(default)]
    pub graph: Graph,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub version: String,
    /// For rollback protection; absent means none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Seconds since 1970 from SOURCE_DATE_EPOCH, absent without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<u64>,
    /// Seconds since 1970 until which this release is the current one; whoever is offered it later is offered too little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_before: Option<u64>,
}

/// One branch on one platform and the single target of its bases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackManifest {
    /// `default` where the configuration names none.
    pub name: String,
    #[serde(default)]
    pub branch: String,
    #[serde(default)]
    pub platform: String,
    pub version: String,
    pub target: TreeRef,
}

/// A tree's identity and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeRef {
    pub tree: Digest,
    pub files: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FixEntry {
    pub id: String,
    pub title: String,
    #[serde(default)]
    pub author: String,
    #[serde(default)]
    pub date: String,
    #[serde(default)]
    pub cves: Vec<String>,
    /// CVSS vector or empty.
    #[serde(default)]
    pub severity: String,
    #[serde(default)]
    pub links: Vec<String>,
    #[serde(default)]
    pub supersedes: Vec<String>,
    /// Ids of other fixes that its one payload brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub realises: Vec<String>,
    #[serde(default)]
    pub restart: bool,
}

impl FixEntry {
    /// All that it answers for: itself, what it supersedes, and what it realises.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        [&self.id].into_iter().chain(&self.supersedes).chain(&self.realises).map(String::as_str)
    }
}

/// Exact bounds that the content of the bundle keeps; a reader enforces them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest file of any target in bytes.
    pub file: u64,
    /// Most memory that any step's decoding needs in bytes: old file, delta and result included.
    pub memory: u64,
    /// Most paths in any tree.
    pub paths: u64,
    /// Largest blob in bytes, as stored.
    pub blob: u64,
}

/// A base by name, with the digest of its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseRef {
    pub name: String,
    pub track: String,
    /// [`BaseManifest`] and its steps.
    pub manifest: BlobRef,
}

/// What one base needs to reach its target; its steps stand beside it in the same blob.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseManifest {
    /// Always `cumulate.base`.
    pub schema: String,
    pub format: Format,
    pub component: String,
    pub release: String,
    pub name: String,
    pub track: String,
    pub before: TreeRef,
    pub after: TreeRef,
    /// Every path of the track, with classes and provenance; shared by all its bases. The base's own listing is the
    /// target's with every step undone.
    pub listing: BlobRef,
    pub packs: Vec<BlobRef>,
    /// Bytes of all blobs named here (not of the manifests themselves).
    pub download: u64,
    /// Bytes of new files that staging writes at most.
    pub disk: u64,
    /// Bytes of memory that the most demanding step needs: old file, delta and result included.
    pub memory: u64,
    /// Every fix of the release as seen from this base, in the order of the plan.
    pub fixes: Vec<FixState>,
    /// Commands of the fixes that this base gains, in the order of the plan; then the health check.
    pub hooks: Vec<Hook>,
}

/// A command that belongs to a fix, or the release's health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The fix, `#`, and its number among the fix's hooks from 1; `health` for the health check.
    pub id: String,
    pub when: When,
    /// The command and its arguments, run in the installation's folder.
    pub run: Vec<String>,
    /// What takes it back; empty where nothing needs to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<String>,
    /// Seconds after which it is killed.
    pub timeout: u32,
    /// Whether nothing takes it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub irreversible: bool,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Before the first file changes.
    Before,
    /// After the last one.
    After,
    /// After those: whether what came out works.
    Health,
}

impl BaseManifest {
    /// Whether it is the repair base: it has no file, so its steps carry every file of the target whole.
    pub fn is_repair(&self) -> bool {
        self.before.files == 0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixState {
    pub id: String,
    pub state: State,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// How the reason of an `unknown` fix begins where the release excuses it on this track.
pub const NOT_FOR_TRACK: &str = "not for this track: ";

/// How the reason of a fix begins that others bring; their ids follow, with a comma between.
pub const CONTAINED_IN: &str = "contained in ";

/// What a base gains by a fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Contained,
    Added,
    Partly,
    Unknown,
}

/// All steps of one route, sorted by path, each path once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    pub steps: Vec<Step>,
    /// Paths of class `config` that no step touches, sorted: their local edits are no drift.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<TreePath>,
}

/// What the installer does to one path. `before` is what the base has there, `after` what the
/// target has; an `Entry::Folder` is a declared empty folder. Unchanged paths have no step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub path: TreePath,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Entry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Entry>,
    pub action: Action,
    #[serde(default, skip_serializing_if = "Class::is_code")]
    pub class: Class,
}

/// How the new content comes about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub enum Action {
    /// The same content stands at `from` in the base.
    Copy {
        from: TreePath,
    },
    /// Decode a delta against the base's `from`.
    Delta {
        from: TreePath,
        codec: Codec,
        at: Slice,
    },
    /// Decode a delta that needs no old bytes.
    Full {
        at: Slice,
    },
    Delete,
    Link,
    /// Only the executable bit changes.
    Mode,
    Folder,
}

/// The file whose old content an action reads beside the step's own path.
pub(super) fn from_of(action: &Action) -> Option<&TreePath> {
    match action {
        Action::Copy { from } | Action::Delta { from, .. } => Some(from),
        _ => None,
    }
}

/// Where in the base's packs a delta stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Index into [`BaseManifest::packs`].
    pub pack: u32,
    pub offset: u64,
    pub length: u64,
}

/// Path classes (design, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    #[default]
    Code,
    Config,
    Volatile,
    Site,
}

impl Class {
    pub fn is_code(&self) -> bool {
        *self == Class::Code
    }
}

/// Which fixes touched which path of the target, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    pub paths: Vec<ProvenancePath>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenancePath {
    pub path: TreePath,
    pub fixes: Vec<String>,
}

/// The plan's edges and order pairs as the bundle records them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    pub edges: Vec<GraphEdge>,
    pub order_pairs: Vec<GraphPair>,
    /// Contents that no fix brings alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merges: Vec<GraphMerge>,
}

/// A content that several fixes make together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphMerge {
    pub path: TreePath,
    /// The last of them, which brought the merge about.
    pub fix: String,
    /// Those before it, in order.
    pub with: Vec<String>,
    pub result: Digest,
    /// The recorded decision; absent where the merge is clean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<GraphResolution>,
}

/// Who decided what several fixes make together, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphResolution {
    pub name: String,
    pub reviewed_by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphEdge {
    pub fix: String,
    pub needs: String,
    pub kind: String,
    pub reason: serde_json::Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphPair {
    pub first: String,
    pub then: String,
    pub kind: String,
}
