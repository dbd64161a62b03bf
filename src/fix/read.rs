//! Reads a folder of fixes: what stands where, which id it has, in which order.

use super::header::{encoded_mail, read_header, subjects};
use super::judge::{judge, strangers, stray_links};
use super::manifest::FixToml;
use super::realised::realised;
use super::resolutions::{Resolution, read_resolutions};
use super::series::{SeriesLine, read_series};
use super::types::{Change, Fix, FixId, Meta, Payload, Variant};
use super::variants::varied;
use crate::patch::{Mode, ParseOptions, parse};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::{Entry, PathError, STATE_DIR, SourceOptions, Store, TreePath, read_regular, read_source};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Everything that lies in `fixes/`.
#[derive(Debug, Default)]
pub struct FixSet {
    /// In the order of the series, or sorted by id without one.
    pub fixes: Vec<Fix>,
    /// The order where it is known.
    pub series: Option<Vec<FixId>>,
    /// By fix that another's payload realises: that one.
    pub realised: BTreeMap<FixId, FixId>,
    /// What was decided where two of them change the same lines.
    pub resolutions: Vec<Resolution>,
    /// Contents of the overlays and of the resolutions.
    pub store: Store,
    pub findings: Vec<Finding>,
}

/// One fix as found on the disk, before its content is read.
#[derive(Debug, Default)]
struct Found {
    /// Patch files with the variant that their name states.
    patches: Vec<(PathBuf, Option<String>, Option<String>)>,
    /// Folder with a `tree/` or a `fix.toml`.
    folder: Option<PathBuf>,
    /// `fix.toml`, or `ID.toml` beside `ID.patch`.
    toml: Option<PathBuf>,
    strip: Option<u32>,
    reverse: bool,
}

/// Reads every fix below `dir`.
///
/// # Errors
/// `config` for ids that clash, a series that names what is not there or leaves a fix out, and `fix.toml`;
/// `bad-patch` with file and line; `io`.
pub fn read_fixes(dir: &Path) -> Result<FixSet> {
    let mut found = BTreeMap::new();
    let mut series_file = None;
    let mut strays = Vec::new();
    walk(dir, &mut found, &mut series_file, &mut strays)?;
    refuse_alike(&found)?;
    let series = match &series_file {
        Some(file) => Some(resolve(file, &read_series(file)?, &mut found)?),
        None => None,
    };
    let order: Vec<FixId> = series.clone().unwrap_or_else(|| found.keys().cloned().collect());
    let jobs: Vec<(FixId, Found)> = order.into_iter().filter_map(|id| found.remove(&id).map(|f| (id, f))).collect();
    let read: Vec<(Fix, Store, Vec<Finding>)> =
        jobs.into_par_iter().map(|(id, f)| read_fix(id, f)).collect::<Result<_>>()?;
    let mut set = FixSet { series, ..FixSet::default() };
    for (fix, store, findings) in read {
        set.fixes.push(fix);
        set.store.absorb(store);
        set.findings.extend(findings);
    }
    set.realised = realised(&mut set.fixes)?;
    set.findings.extend(strangers(&set.fixes));
    set.findings.extend(strays.iter().map(|path| stray(dir, path)));
    set.resolutions = read_resolutions(&dir.join("resolutions"), &mut set.store)?;
    Ok(set)
}

fn config(subject: impl std::fmt::Display, message: impl std::fmt::Display, next: &str) -> Error {
    Error::new(ErrorCode::Config, subject, message).next(next)
}

/// A file that is part of no fix: most likely its name is misspelt.
fn stray(root: &Path, path: &Path) -> Finding {
    let name = path.strip_prefix(root).unwrap_or(path);
    let what =
        "it belongs to no fix: a patch is ID.patch or ID.diff, its metadata ID.toml beside it, an overlay ID/tree";
    Finding::new(Code::BadMetadata, name.display(), what).next("rename it, or take it out; README and .names may stay")
}

/// Notes for people may lie among the fixes.
fn is_note(name: &str) -> bool {
    name.starts_with('.') || name.starts_with("README")
}

fn walk(
    root: &Path,
    found: &mut BTreeMap<FixId, Found>,
    series: &mut Option<PathBuf>,
    strays: &mut Vec<PathBuf>,
) -> Result<()> {
    let mut todo = vec![(root.to_path_buf(), String::new())];
    while let Some((dir, prefix)) = todo.pop() {
        let items = items(&dir).map_err(|e| Error::io(dir.display(), &e))?;
        let names = || items.iter().filter_map(|(path, _)| path.file_name()?.to_str());
        let ids: BTreeSet<String> = names().filter_map(patch_stem).map(|s| variant(s).0.to_owned()).collect();
        let tomls: BTreeSet<String> = names().filter_map(|n| n.strip_suffix(".toml")).map(str::to_owned).collect();
        for (path, is_folder) in items {
            let name = path.file_name().and_then(|n| n.to_str()).ok_or_else(|| {
                Error::new(ErrorCode::BadPath, path.display(), "the name of a fix is not UTF-8").next("rename it")
            })?;
            if is_note(name) {
                continue;
            }
            if is_folder {
                if prefix.is_empty() && name == "resolutions" {
                    continue;
                }
                let id = format!("{prefix}{name}");
                if path.join("fix.toml").exists() || path.join("tree").is_dir() {
                    let entry = found.entry(check_id(&id, &path)?).or_default();
                    if entry.folder.is_some() || !entry.patches.is_empty() {
                        return Err(config(&id, "two fixes have this id", "rename one of them"));
                    }
                    folder(&path, entry, strays)?;
                } else {
                    todo.push((path, format!("{id}__")));
                }
            } else if prefix.is_empty() && name == "series" {
                *series = Some(path);
            } else if let Some(stem) = patch_stem(name) {
                if stem.starts_with('@') || stem.matches('@').count() > 2 {
                    return Err(config(
                        path.display(),
                        "a variant's name is ID@BRANCH or ID@BRANCH@PLATFORM",
                        "rename the patch",
                    ));
                }
                let (id, branch, platform) = variant(stem);
                let id = format!("{prefix}{id}");
                let entry = found.entry(check_id(&id, &path)?).or_default();
                let same = entry.patches.iter().any(|(_, b, p)| (b, p) == (&branch, &platform));
                if entry.folder.is_some() || same {
                    return Err(config(&id, "two fixes have this id", "rename one of them"));
                }
                let stem = variant(stem).0;
                if tomls.contains(stem) {
                    entry.toml = Some(path.with_file_name(format!("{stem}.toml"))).filter(|toml| is_there(toml));
                }
                entry.patches.push((path, branch, platform));
            } else if !name.strip_suffix(".toml").is_some_and(|id| ids.contains(id)) {
                strays.push(path);
            }
        }
    }
    strays.sort();
    Ok(())
}

/// What lies in a folder, by name, and whether it is a folder too. What the listing itself says is not asked again.
fn items(dir: &Path) -> std::io::Result<Vec<(PathBuf, bool)>> {
    let mut items: Vec<(PathBuf, bool)> = Vec::new();
    for item in std::fs::read_dir(dir)? {
        let item = item?;
        let (path, kind) = (item.path(), item.file_type()?);
        let is_folder = kind.is_dir() || kind.is_symlink() && path.is_dir();
        items.push((path, is_folder));
    }
    items.sort_unstable_by(|(a, _), (b, _)| a.as_os_str().cmp(b.as_os_str()));
    Ok(items)
}

/// What a folder of one fix holds: patches, or a tree, and its `fix.toml`.
fn folder(path: &Path, entry: &mut Found, strays: &mut Vec<PathBuf>) -> Result<()> {
    entry.folder = Some(path.to_path_buf());
    entry.toml = Some(path.join("fix.toml")).filter(|t| is_there(t));
    for item in std::fs::read_dir(path).map_err(|e| Error::io(path.display(), &e))? {
        let file = item.map_err(|e| Error::io(path.display(), &e))?.path();
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if let Some(stem) = patch_stem(&name) {
            let (_, branch, platform) = variant(stem);
            entry.patches.push((file, branch, platform));
        } else if !matches!(name.as_str(), "fix.toml" | "tree") && !is_note(&name) {
            strays.push(file);
        }
    }
    entry.patches.sort();
    Ok(())
}

/// A file, or what stands in the place of one and is refused where it is read.
fn is_there(file: &Path) -> bool {
    file.exists() && !file.is_dir()
}

fn patch_stem(name: &str) -> Option<&str> {
    name.strip_suffix(".patch").or_else(|| name.strip_suffix(".diff"))
}

/// `ID`, `ID@BRANCH` or `ID@BRANCH@PLATFORM`; an empty part means any.
fn variant(stem: &str) -> (&str, Option<String>, Option<String>) {
    let mut parts = stem.split('@');
    let id = parts.next().unwrap_or(stem);
    let mut part = || parts.next().filter(|p| !p.is_empty()).map(str::to_owned);
    (id, part(), part())
}

/// What ids are, for messages.
pub const ID_RULE: &str =
    "an id is 1 to 200 bytes of any letters, without '/', '@' and control characters; it does not begin with '.'";

fn check_id(id: &str, at: &Path) -> Result<FixId> {
    if id.is_empty() || id.len() > 200 || id.chars().any(char::is_control) {
        return Err(config(at.display(), "this is no id for a fix", ID_RULE));
    }
    Ok(FixId(id.to_owned()))
}

/// Ids that differ in case only are one file on some machines.
fn refuse_alike(found: &BTreeMap<FixId, Found>) -> Result<()> {
    let mut seen: BTreeMap<String, &FixId> = BTreeMap::new();
    for id in found.keys() {
        if let Some(other) = seen.insert(id.0.to_lowercase(), id) {
            return Err(config(id, format!("this id and '{other}' differ in case only"), "rename one of them"));
        }
    }
    Ok(())
}

/// The series as ids; its options go to the fixes.
fn resolve(file: &Path, lines: &[SeriesLine], found: &mut BTreeMap<FixId, Found>) -> Result<Vec<FixId>> {
    let mut order: Vec<FixId> = Vec::new();
    let mut listed: BTreeSet<FixId> = BTreeSet::new();
    for line in lines {
        let at = format!("{}:{}", file.display(), line.line);
        let stem = patch_stem(&line.name).unwrap_or(&line.name);
        let whole = FixId(stem.replace('/', "__"));
        let id = if found.contains_key(&whole) { whole } else { FixId(variant(&stem.replace('/', "__")).0.to_owned()) };
        let Some(entry) = found.get_mut(&id) else {
            return Err(config(
                at,
                format!("the series names '{}', which is not there", line.name),
                "add the fix, or take the line out",
            ));
        };
        entry.strip = line.strip;
        entry.reverse = line.reverse;
        if !listed.insert(id.clone()) {
            return Err(config(at, format!("the series names '{id}' twice"), "take one of the lines out"));
        }
        order.push(id);
    }
    if let Some(id) = found.keys().find(|id| !listed.contains(*id)) {
        return Err(config(
            file.display(),
            format!("the series leaves out fix '{id}'"),
            "add it where it belongs, or move the fix away",
        ));
    }
    Ok(order)
}

fn read_fix(id: FixId, found: Found) -> Result<(Fix, Store, Vec<Finding>)> {
    let toml = found.toml.as_deref().map(FixToml::read).transpose()?.unwrap_or_default();
    if let Some(stated) = toml.id.as_ref().filter(|s| **s != id.0) {
        return Err(config(
            &id,
            format!("fix.toml says that its id is '{stated}'"),
            "make the folder's name and the id the same",
        ));
    }
    let mut findings = Vec::new();
    let tree = found.folder.as_ref().map(|f| f.join("tree")).filter(|t| t.is_dir());
    if tree.is_some() && !found.patches.is_empty() {
        return Err(config(
            &id,
            "a fix is either patches or a tree, not both",
            "make two fixes of it, one requiring the other",
        ));
    }
    let mut store = Store::default();
    let mut meta = Meta::default();
    let mut variants = Vec::new();
    let options = ParseOptions {
        strip: found.strip.or(toml.strip).unwrap_or(1),
        reverse: found.reverse || toml.reverse.unwrap_or(false),
        ..ParseOptions::default()
    };
    let patches = varied(&id, found.patches, &toml.variant)?;
    for (file, branch, platform) in &patches {
        let bytes = read_regular(file)?;
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let header = read_header(&bytes, name);
        if let Some(line) = encoded_mail(&bytes) {
            return Err(Error::new(
                ErrorCode::BadPatch,
                format!("{}:{line}", file.display()),
                "the mail's body is encoded (base64 or quoted-printable), so its patch cannot be read",
            )
            .next("decode it with 'git mailinfo', or export the commit with 'git format-patch'"));
        }
        let mails = subjects(&bytes);
        if mails.len() > 1 {
            let what = format!("'{name}' holds {} mails, and they are one fix: {}", mails.len(), mails.join("; "));
            findings.push(
                Finding::new(Code::SeveralMails, &id, what)
                    .next("if each is a fix of its own, split the file with 'git mailsplit', one ID.patch a mail"),
            );
        }
        if meta == Meta::default() || (branch.is_none() && platform.is_none()) {
            meta = header;
        }
        let mut patches = parse(&bytes, &options).map_err(|e| {
            Error::new(ErrorCode::BadPatch, format!("{}:{}", file.display(), e.line), &e.reason).next(e.advice())
        })?;
        match variants.iter_mut().find(|v: &&mut Variant| v.branch == *branch && v.platform == *platform) {
            Some(Variant { payload: Payload::Patch(all), .. }) => {
                // Each file applies after the one before it, as the mails in one file do.
                let next = all.iter().map(|fp| fp.mail + 1).max().unwrap_or(0);
                patches.iter_mut().for_each(|fp| fp.mail += next);
                all.extend(patches);
            }
            _ => variants.push(Variant {
                branch: branch.clone(),
                platform: platform.clone(),
                file: file.clone(),
                payload: Payload::Patch(patches),
            }),
        }
    }
    if patches.is_empty() {
        let changes = overlay(tree.as_deref(), &toml, &mut store)?;
        let file = tree.or(found.folder).unwrap_or_default();
        variants.push(Variant { branch: None, platform: None, file, payload: Payload::Overlay(changes) });
    } else if !toml.delete.is_empty() || !toml.rename.is_empty() || !toml.built_on.is_empty() {
        return Err(config(&id, "delete, rename and built_on belong to overlays", "say it in the patch itself"));
    }
    toml.over(&mut meta);
    findings.extend(judge(&id, &mut meta)?);
    findings.extend(stray_links(&id, &variants));
    if meta.title.is_empty() {
        // A patch without a header still needs something to be called by.
        id.0.clone_into(&mut meta.title);
    }
    Ok((Fix { id, meta, variants }, store, findings))
}

fn from_or_path(change: &Change) -> &TreePath {
    match change {
        Change::Put { path, .. } | Change::Link { path, .. } | Change::Delete { path } => path,
        Change::Rename { from, .. } => from,
    }
}

/// What an overlay does: files of its tree, deletions, renames; sorted by path, renames first.
fn overlay(tree: Option<&Path>, toml: &FixToml, store: &mut Store) -> Result<Vec<Change>> {
    let mut changes: Vec<Change> =
        toml.rename.iter().map(|r| Change::Rename { from: r.from.clone(), to: r.to.clone() }).collect();
    changes.extend(toml.delete.iter().map(|p| Change::Delete { path: p.clone() }));
    if let Some(tree) = tree {
        // Reading a base passes over the state folder; an overlay that has one wants to write there.
        let own = tree.join(STATE_DIR);
        if own.symlink_metadata().is_ok() {
            return Err(
                Error::new(ErrorCode::BadPath, own.display(), PathError::StateDir).next("take it out of the fix")
            );
        }
        let source = read_source(tree, &SourceOptions::default())?;
        for (path, entry) in source.tree.entries {
            changes.push(match entry {
                Entry::File { digest, size, exec } => {
                    let mode = if exec { Mode::Exec } else { Mode::File };
                    let built_on = toml.built_on.get(&path).copied();
                    Change::Put { path, mode, digest, size, built_on }
                }
                Entry::Symlink { target } => Change::Link { path, target },
                Entry::Folder | Entry::Brief { .. } => continue,
            });
        }
        store.absorb(source.store);
    }
    let mut made: BTreeSet<&TreePath> = BTreeSet::new();
    let mut gone: BTreeSet<&TreePath> = BTreeSet::new();
    for change in &changes {
        let fresh = match change {
            Change::Put { path, .. } | Change::Link { path, .. } => made.insert(path),
            Change::Delete { path } => gone.insert(path),
            // What is renamed away may get a new content; where it goes, the tree may have an edited one.
            Change::Rename { from, .. } => gone.insert(from),
        };
        if !fresh {
            return Err(config(from_or_path(change), "the overlay says two things about this path", "say one of them"));
        }
    }
    let deleted: BTreeSet<&TreePath> = toml.delete.iter().collect();
    if let Some(path) = deleted.intersection(&made).next() {
        return Err(config(path, "the overlay both holds and deletes this path", "keep one of them"));
    }
    if let Some(path) =
        toml.built_on.keys().find(|p| !changes.iter().any(|c| matches!(c, Change::Put { path, .. } if path == *p)))
    {
        return Err(config(path, "built_on names a path that the overlay does not have", "correct the path"));
    }
    Ok(changes)
}
