//! One fix: its metadata, and what its patches or its overlay do.

use super::files::{Files, behind, mark};
use super::header::{encoded_mail, read_header, subjects};
use super::judge::{judge, stray_links};
use super::known::{self, Known};
use super::manifest::FixToml;
use super::read::config;
use super::types::{Change, Fix, FixId, Meta, Payload, Variant};
use super::variants::varied;
use crate::patch::{FilePatch, Mode, ParseOptions, parse};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::{Digest, Entry, PathError, STATE_DIR, SourceOptions, Store, TreePath, read_regular, read_source};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One fix as found on the disk, before its content is read.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Patch files with the variant that their name states.
    pub(super) patches: Vec<(PathBuf, Option<String>, Option<String>)>,
    /// Folder with a `tree/` or a `fix.toml`.
    pub(super) folder: Option<PathBuf>,
    /// `fix.toml`, or `ID.toml` beside `ID.patch`.
    pub(super) toml: Option<PathBuf>,
    pub(super) strip: Option<u32>,
    pub(super) reverse: bool,
}

/// A fix as it was read.
pub(super) struct Read<'b> {
    pub(super) fix: Fix,
    /// Contents of an overlay.
    pub(super) store: Store,
    pub(super) findings: Vec<Finding>,
    /// What the next run may go by.
    pub(super) record: Option<Cow<'b, [u8]>>,
}

/// A fix as an earlier run read it, or as it is read now. Overlays are always read.
pub(super) fn read_again<'b>(root: &Path, id: FixId, found: Found, known: Option<&Known<'b>>) -> Result<Read<'b>> {
    let patch = !found.patches.is_empty() && !found.folder.as_ref().is_some_and(|f| f.join("tree").is_dir());
    let Some(known) = known.filter(|_| patch) else { return Ok(read_fix(id, found, false)?.0) };
    let options = (found.strip, found.reverse);
    // Before anything is read: what changes from here on shows the next time.
    let follows = known.follows(root, &found.patches, found.toml.as_deref(), options);
    let files: Vec<PathBuf> = found.patches.iter().map(|(file, ..)| file.clone()).collect();
    if let Some(fix) = follows.as_ref().and_then(|follows| known.fix(&id, &files, follows)) {
        let record = known.kept(&id).map(Cow::Borrowed);
        return Ok(Read { fix, store: Store::default(), findings: Vec::new(), record });
    }
    let (mut read, options, from) = read_fix(id, found, true)?;
    // Who has something to say of a fix says it each time.
    if let Some(follows) = follows.filter(|_| read.findings.is_empty()) {
        let place = |(file, digest): (PathBuf, Digest)| Some((files.iter().position(|f| *f == file)?, digest));
        let from = from.into_iter().map(|of| of.into_iter().map(place).collect()).collect::<Option<Vec<_>>>();
        let record = from.and_then(|from| known::record(&read.fix, &follows, &options, &from));
        read.record = record.map(Cow::Owned);
    }
    Ok(read)
}

/// The files that a variant was read from, where their digests were asked for.
type From = Vec<(PathBuf, Digest)>;

fn read_fix(id: FixId, found: Found, marked: bool) -> Result<(Read<'static>, ParseOptions, Vec<From>)> {
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
    let mut read: Vec<(Vec<FilePatch>, From)> = Vec::new();
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
        let parts = parse(&bytes, &options).map_err(|e| {
            Error::new(ErrorCode::BadPatch, format!("{}:{}", file.display(), e.line), &e.reason).next(e.advice())
        })?;
        let from = marked.then(|| (file.clone(), Digest::of(&bytes)));
        match variants.iter().position(|v: &Variant| v.branch == *branch && v.platform == *platform) {
            Some(at) => {
                behind(&mut read[at].0, parts);
                read[at].1.extend(from);
            }
            None => {
                let (branch, platform) = (branch.clone(), platform.clone());
                // What it does follows when all its files are read.
                let payload = Payload::Overlay(Vec::new());
                variants.push(Variant { branch, platform, file: file.clone(), payload });
                read.push((parts, from.into_iter().collect()));
            }
        }
    }
    let mut from: Vec<From> = Vec::new();
    for (variant, (parts, files)) in variants.iter_mut().zip(read) {
        let digests: Vec<Digest> = files.iter().map(|(_, digest)| *digest).collect();
        variant.payload = Payload::Patch(Files::marked(parts, marked.then(|| mark(&digests, &options))));
        from.push(files);
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
    let fix = Fix { id, meta, variants };
    Ok((Read { fix, store, findings, record: None }, options, from))
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
