//! `build`: resolve, merge, route, pack, write, sign.

use super::described::{fix_entries, graph, hooks, provenance, state_of};
use super::planned::{PlannedTrack, planned};
use super::provenance::statements;
use super::selection::Selection;
use super::sign::check_role;
use super::target::{Target, target_of};
use crate::bundle::{BaseDraft, Blobs, Draft, FixEntry, State, TrackDraft, write_file, write_layout};
use crate::delta::Profile;
use crate::disk::Disk;
use crate::explain;
use crate::fix::FixId;
use crate::release::{DEFAULT_TRACK, Day, Release, ReleaseSection};
use crate::report::{Error, ErrorCode, Finding, Level, Result, distinct};
use crate::route::{Memo, pack, route};
use crate::tree::{Digest, Store, Tree};
use crate::trust::{Envelope, Signer, SignerSource, parse_time};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is built and where it goes.
#[derive(Debug)]
pub struct Request<'a> {
    pub selection: Selection,
    /// The configuration's where none.
    pub profile: Option<Profile>,
    pub output: Output<'a>,
    /// Replace a bundle that is there.
    pub force: bool,
    /// A private key and the role it signs in.
    pub key: Option<(SignerSource, &'a str)>,
    /// Where finished deltas are remembered.
    pub cache: Option<PathBuf>,
    /// Seconds since 1970 that the bundle states as its time.
    pub created: Option<u64>,
    /// Add a repair base to each track: one without files, whose steps carry every file of the target whole.
    pub repair: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum Output<'a> {
    File(&'a Path),
    Layout(&'a Path),
}

impl Output<'_> {
    fn path(&self) -> &Path {
        match self {
            Output::File(p) | Output::Layout(p) => p,
        }
    }
}

/// What came out; sizes in bytes.
#[derive(Debug, Serialize)]
pub struct Built {
    pub component: String,
    pub version: String,
    /// Absent where a denied finding kept the bundle from being written.
    pub output: Option<PathBuf>,
    /// SHA-256 of the root manifest.
    pub root: Option<Digest>,
    pub signed: bool,
    pub fixes: usize,
    /// Bytes of the whole bundle.
    pub size: u64,
    /// Bytes of all targets packed as a whole by zstd, for comparison.
    pub full: u64,
    pub bases: Vec<BuiltBase>,
    pub findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
pub struct BuiltBase {
    pub name: String,
    pub track: String,
    pub tree: Digest,
    pub target: Digest,
    pub download: u64,
    pub added: usize,
    pub contained: usize,
}

impl Built {
    pub fn denied(&self) -> bool {
        self.findings.iter().any(|f| f.level == Level::Deny)
    }
}

/// How far a build is; counts in files or bytes, as the stage has it.
pub type Progress<'a> = dyn Fn(&'static str, u64, u64) + Sync + 'a;

/// Builds the bundle, unless a denied finding stands against it; then nothing is written.
///
/// # Errors
/// `plan-refused` with the proof in words, `exists`, and whatever reading, encoding and writing give.
pub fn build(release: &Release, request: &Request<'_>, disk: &Disk, progress: &Progress<'_>) -> Result<Built> {
    if let Output::File(path) = request.output
        && !request.force
        && path.symlink_metadata().is_ok()
    {
        return Err(Error::new(ErrorCode::Exists, path.display(), "it is there already")
            .next("choose another name, or replace it with --force"));
    }
    let folder = request.output.path().parent().filter(|p| !p.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|f| !f.is_dir()) {
        return Err(Error::new(ErrorCode::Usage, folder.display(), "there is no such folder to write to")
            .next("make it, or choose another output"));
    }
    let taken = |name: &String| release.tracks.iter().flat_map(|t| &t.bases).any(|b| b.name == *name);
    let mut repairs = release.tracks.iter().map(|t| repair_name(&t.name)).filter(|_| request.repair);
    if let Some(name) = repairs.find(taken) {
        return Err(Error::new(ErrorCode::Config, name, "the repair base needs this name for itself")
            .next("give that base another name, or build without --with-repair"));
    }
    let key = match &request.key {
        Some((key, role)) => {
            check_role(role)?;
            Some((Signer::open(key.clone())?, role))
        }
        None => None,
    };
    progress("planning", 0, 1);
    let memo = request.cache.clone().map(|dir| Memo { dir, disk });
    let tracks = planned(release, &request.selection, memo.as_ref())?;
    let mut findings = release.findings.clone();
    let mut targets = Vec::new();
    for (i, track) in tracks.iter().enumerate() {
        progress("merging", i as u64, tracks.len() as u64);
        let plan = track.outcome.as_ref().map_err(explain::refusal_error)?;
        findings.extend(track.findings.iter().chain(&plan.findings).cloned());
        targets.push(target_of(release, track, plan, &mut findings)?);
    }
    let mut findings = distinct(findings);
    for f in &mut findings {
        f.level = release.config.level(f.code);
    }
    let fixes = fix_entries(release, &tracks)?;
    let mut built = Built {
        component: release.config.component.name.clone(),
        version: release.config.release.version.clone(),
        output: None,
        root: None,
        signed: false,
        fixes: fixes.len(),
        size: 0,
        full: 0,
        bases: Vec::new(),
        findings,
    };
    if built.denied() {
        return Ok(built);
    }
    let mut blobs = Blobs::new();
    let draft = draft(release, request, &tracks, &targets, fixes, &mut blobs, memo.as_ref(), progress)?;
    built.full = targets.iter().map(full_package).sum::<Result<u64>>()?;
    progress("writing", 0, 1);
    let mut package = draft.assemble(&mut blobs)?;
    if let Some((key, role)) = &key {
        package.add_envelope(Envelope::signed_by(package.statement(role).to_payload(), key)?.to_json())?;
        for payload in statements(release, request, &package, key.id())? {
            package.add_attestation(Envelope::signed_by(payload, key)?.to_json())?;
        }
        built.signed = true;
    }
    match request.output {
        Output::File(path) => write_file(&package, &blobs, disk, path)?,
        Output::Layout(path) => write_layout(&package, &blobs, disk, path)?,
    }
    let bundle = crate::bundle::open(request.output.path())?.accept_unsigned()?;
    for base in bundle.bases() {
        let count = |s: State| base.fixes.iter().filter(|f| f.state == s).count();
        built.bases.push(BuiltBase {
            name: base.name.clone(),
            track: base.track.clone(),
            tree: base.before.tree,
            target: base.after.tree,
            download: bundle.download(&base.name)?,
            added: count(State::Added) + count(State::Partly),
            contained: count(State::Contained),
        });
    }
    built.root = Some(package.subject().digest);
    built.size = size_of(request.output.path())?;
    built.output = Some(request.output.path().to_path_buf());
    Ok(built)
}

#[expect(clippy::too_many_arguments, reason = "the one place where all parts of a release meet")]
fn draft(
    release: &Release,
    request: &Request<'_>,
    tracks: &[PlannedTrack<'_>],
    targets: &[Target],
    fixes: Vec<FixEntry>,
    blobs: &mut Blobs,
    memo: Option<&Memo<'_>>,
    progress: &Progress<'_>,
) -> Result<Draft> {
    let mut store = Store::default();
    let mut routes = Vec::new();
    let class = |p: &crate::tree::TreePath| release.classes.class(p);
    for (track, target) in tracks.iter().zip(targets) {
        store.absorb(track.store.clone());
        store.absorb(target.store.clone());
        for base in &target.bases {
            routes.push(route(&base.tree, &target.tree, &store, &class));
        }
        if request.repair {
            routes.push(route(&Tree::default(), &target.tree, &store, &class));
        }
    }
    let profile = request.profile.unwrap_or(release.config.release.profile);
    let packed = pack(&routes, &store, profile, memo, &|p| progress("deltas", p.done, p.total))?;
    let refs: Vec<_> = packed.packs.into_iter().map(|bytes| blobs.add(bytes)).collect();
    let mut made = packed.bases.into_iter();
    let mut bases = Vec::new();
    let mut drafts = Vec::new();
    for (track, target) in tracks.iter().zip(targets) {
        for base in &target.bases {
            let Some(packed) = made.next() else { break };
            let states: BTreeMap<&str, (State, &str)> =
                base.states.iter().map(|(id, s, why)| (id.0.as_str(), (*s, why.as_str()))).collect();
            let fixes: Vec<_> = fixes.iter().map(|f| state_of(f, &states, track)).collect();
            let hooks = hooks(release, order(track), &fixes, &packed.steps)?;
            bases.push(BaseDraft {
                name: base.name.clone(),
                track: track.track.name.clone(),
                before: base.tree.clone(),
                steps: packed.steps,
                packs: packed.packs.iter().filter_map(|i| refs.get(*i).copied()).collect(),
                memory: packed.memory,
                fixes,
                hooks,
            });
        }
        if let Some(packed) = request.repair.then(|| made.next()).flatten() {
            let added: BTreeMap<&str, (State, &str)> = target
                .bases
                .iter()
                .flat_map(|b| &b.states)
                .map(|(id, ..)| (id.0.as_str(), (State::Added, "")))
                .collect();
            let fixes: Vec<_> = fixes.iter().map(|f| state_of(f, &added, track)).collect();
            let hooks = hooks(release, order(track), &fixes, &packed.steps)?;
            bases.push(BaseDraft {
                name: repair_name(&track.track.name),
                track: track.track.name.clone(),
                before: Tree::default(),
                steps: packed.steps,
                packs: packed.packs.iter().filter_map(|i| refs.get(*i).copied()).collect(),
                memory: packed.memory,
                fixes,
                hooks,
            });
        }
        drafts.push(TrackDraft {
            name: track.track.name.clone(),
            branch: track.track.branch.clone(),
            platform: track.track.platform.clone(),
            version: track.track.version.clone(),
            target: target.tree.clone(),
            provenance: provenance(target, &fixes),
        });
    }
    Ok(Draft {
        component: release.config.component.name.clone(),
        release: crate::bundle::Release {
            version: release.config.release.version.clone(),
            sequence: release.config.release.sequence,
            created: request.created,
            best_before: best_before(&release.config.release)?,
        },
        tracks: drafts,
        graph: graph(tracks, &fixes),
        fixes,
        bases,
    })
}

/// The plan's order.
fn order<'t>(track: &'t PlannedTrack<'_>) -> &'t [FixId] {
    track.outcome.as_ref().map_or(&[], |p| &p.order)
}

/// What the repair base of a track is called.
fn repair_name(track: &str) -> String {
    if track == DEFAULT_TRACK { "repair".into() } else { format!("repair-{track}") }
}

/// The end of the day in UTC.
fn best_before(section: &ReleaseSection) -> Result<Option<u64>> {
    let end = |day: &Day| {
        parse_time(&day.0).ok_or_else(|| {
            Error::new(ErrorCode::Config, "best-before", format!("'{}' is no day, or before 1970", day.0))
                .next("write it as 2027-03-31")
        })
    };
    section.best_before.as_ref().map(end).transpose()
}

/// What the whole target would be, packed by zstd as one stream.
fn full_package(target: &Target) -> Result<u64> {
    let io = |e: std::io::Error| Error::io("full package", &e);
    let mut encoder = zstd::Encoder::new(Counter(0), 9).map_err(io)?;
    encoder.long_distance_matching(true).map_err(io)?;
    for digest in target.tree.entries.values().filter_map(|e| e.digest()) {
        std::io::Write::write_all(&mut encoder, &target.store.get(&digest)?).map_err(io)?;
    }
    Ok(encoder.finish().map_err(io)?.0)
}

/// Counts what is written to it.
struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Bytes of a bundle file, or of every file of a layout folder.
pub fn size_of(path: &Path) -> Result<u64> {
    let mut sum = 0;
    let mut todo = vec![path.to_path_buf()];
    while let Some(path) = todo.pop() {
        let io = |e: std::io::Error| Error::io(path.display(), &e);
        let meta = std::fs::symlink_metadata(&path).map_err(io)?;
        if meta.is_dir() {
            for item in std::fs::read_dir(&path).map_err(io)? {
                todo.push(item.map_err(io)?.path());
            }
        } else {
            sum += meta.len();
        }
    }
    Ok(sum)
}
