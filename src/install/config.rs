//! What becomes of config files: pristine ones are code, edited ones are kept, merged or replaced, as the caller wants.

#[cfg(feature = "build")]
use super::apply::Options;
use super::planning::{Planning, blocked};
use super::recognise::same;
use super::scan::{self, Found};
use super::steps::{EditedConfig, Making, Op, Pristine, What, aside, beside};
use crate::bundle::{Action, Class, Step};
#[cfg(feature = "build")]
use crate::report::PROGRAM;
use crate::report::{Code, Error, Finding, Result};
use crate::tree::{Digest, Entry, TreePath};
use std::io::Read as _;
use std::path::Path;

/// Why an edit is not merged although the file that was shipped before is known.
#[cfg(feature = "build")]
const NOT_KEPT: &str = "the version that was shipped before is not kept here";

impl Planning<'_> {
    /// Local edits of config files are never lost; by default they win, and the new version is put beside them.
    pub(super) fn config(&mut self, step: &Step) -> Result<()> {
        let found = self.found(&step.path).clone();
        if found.entry() == step.after.as_ref() {
            return Ok(());
        }
        let as_shipped = match &step.before {
            Some(before) => same(before, self.here.seen.get(&step.path)),
            None => found == Found::Missing,
        };
        if as_shipped {
            return self.code(step);
        }
        let recorded = self.here.listing.and_then(|l| l.get(&step.path));
        if recorded.is_some() && recorded == found.entry() {
            return self.code(&Step { before: recorded.cloned(), ..step.clone() });
        }
        if let Found::Behind { at, .. } = &found {
            return Err(blocked(at, &found.words()));
        }
        let Some(after @ Entry::File { .. }) = &step.after else {
            self.stays(&step.path);
            self.kept(step, "locally edited, so it stays although the release removes it", "");
            return Ok(());
        };
        let edit = match found {
            Found::Missing => {
                self.kept(step, "locally removed, so it stays away; the release has a new version of it", "");
                return Ok(());
            }
            Found::Entry(edit @ Entry::File { .. }) => edit,
            // What is no file is neither merged nor replaced.
            _ => return self.lay_beside(step, after, "locally edited and kept"),
        };
        match self.here.edited {
            EditedConfig::Keep => self.lay_beside(step, after, "locally edited and kept"),
            EditedConfig::Replace => self.replace(step, edit, after),
            #[cfg(feature = "build")]
            EditedConfig::Merge => match self.merge(step, &edit, after)? {
                Ok(()) => Ok(()),
                Err(why) => {
                    self.lay_beside(step, after, &format!("locally edited and kept, not merged: {why}"))?;
                    if why == NOT_KEPT
                        && let Some(told) = self.work.findings.last_mut()
                    {
                        told.next += &format!("; to have it merged: {}", self.here.again);
                    }
                    Ok(())
                }
            },
        }
    }

    fn kept(&mut self, step: &Step, what: &str, next: &str) {
        self.work.findings.push(Finding::new(Code::ConfigKept, &step.path, what).next(next));
    }

    /// A rollback puts back what is at a path now, whatever becomes of it.
    fn stays(&mut self, path: &TreePath) {
        if let Some(entry @ (Entry::File { .. } | Entry::Symlink { .. })) = self.found(path).entry().cloned() {
            let (before, after) = (Some(entry.clone()), Some(entry));
            self.kept.push(Op { path: path.clone(), what: What::Keep, before, after });
        }
    }

    fn lay_beside(&mut self, step: &Step, after: &Entry, what: &str) -> Result<()> {
        self.stays(&step.path);
        let new = beside(&step.path)?;
        let there = self.found(&new).clone();
        if there.entry().and_then(Entry::digest) != after.digest() {
            let before = match &there {
                Found::Missing => None,
                Found::Entry(e @ Entry::File { digest, .. }) => {
                    if self.ours(&new) != Some(*digest) {
                        let kept = self.set_aside(&new, e)?;
                        self.kept(step, &format!("{new} is not as it was laid there; it is kept as {kept}"), "");
                    }
                    Some(e.clone())
                }
                other => return Err(blocked(&new, &other.words())),
            };
            if self.source(step)?.is_some_and(|s| s.is_none()) {
                self.kept(step, "locally edited and kept; the new version cannot be made without the old one", "");
                return Ok(());
            }
            self.put(step, new.clone(), before, after.clone())?;
            self.work.beside.extend(after.digest().map(|d| (new.clone(), d)));
        }
        self.kept(step, what, &format!("compare it with {new} and take over what you need"));
        Ok(())
    }

    fn replace(&mut self, step: &Step, edit: Entry, after: &Entry) -> Result<()> {
        let kept = self.set_aside(&step.path, &edit)?;
        self.put(step, step.path.clone(), Some(edit), after.clone())?;
        self.kept(step, &format!("locally edited and replaced; the edit is kept as {kept}"), "");
        Ok(())
    }

    /// A copy of a file beside it, under the first free name for edits.
    fn set_aside(&mut self, path: &TreePath, entry: &Entry) -> Result<TreePath> {
        let taken = |name: &TreePath| *self.found(name) != Found::Missing;
        let Some(name) = aside(path)?.into_iter().find(|n| !taken(n)) else {
            return Err(blocked(path, "an edit, beside which every name is taken by an older one,"));
        };
        let op = Op { path: name.clone(), what: What::Put, before: None, after: Some(entry.clone()) };
        let source = self.here.contents.find(entry).map(|(at, digest)| (at.clone(), digest));
        let action = Action::Copy { from: path.clone() };
        self.puts.push((op, Making { action, route: self.packs.0, source, like: Some(path.clone()), made: None }));
        self.work.aside.push(name.clone());
        Ok(name)
    }

    /// Merges the edit with the new version by lines; the inner error says why not.
    #[cfg(feature = "build")]
    fn merge(&mut self, step: &Step, edit: &Entry, after: &Entry) -> Result<std::result::Result<(), String>> {
        use crate::patch::{Unmerged, three_way};
        let recorded = self.here.listing.and_then(|l| l.get(&step.path));
        let Some(old @ Entry::File { exec: was, .. }) = recorded.or(step.before.as_ref()) else {
            return Ok(Err("what was shipped before is not known".into()));
        };
        let (Some((base, base_digest)), Some((mine, mine_digest))) =
            (self.here.contents.find(old), self.here.contents.find(edit))
        else {
            return Ok(Err(NOT_KEPT.into()));
        };
        let (base, mine) = (read(base, base_digest)?, read(mine, mine_digest)?);
        let theirs = self.content(step, after)?;
        let merged = match three_way(&base, &mine, &theirs) {
            Ok(merged) => merged,
            Err(Unmerged::NotText) => return Ok(Err("it is no text".into())),
            Err(Unmerged::Contested(places)) => {
                return Ok(Err(format!("{} place(s) changed on both sides", places.len())));
            }
            Err(Unmerged::Ambiguous) => {
                return Ok(Err("its lines repeat, so that it is not clear what changed where".into()));
            }
        };
        let (Entry::File { exec: own, .. }, Entry::File { exec: new, .. }) = (edit, after) else {
            return Ok(Err("it is no file".into()));
        };
        let exec = if own == was { *new } else { *own };
        let made = Entry::File { digest: Digest::of(&merged), size: merged.len() as u64, exec };
        self.work.pristine.extend(after.digest().map(|d| (d, Pristine::Bytes(theirs))));
        if made != *edit {
            let op = Op { path: step.path.clone(), what: What::Put, before: Some(edit.clone()), after: Some(made) };
            let like = Some(step.path.clone());
            let action = step.action.clone();
            self.puts.push((op, Making { action, route: self.packs.0, source: None, like, made: Some(merged) }));
        } else {
            self.stays(&step.path);
        }
        self.kept(step, "locally edited; merged with the new version", "look at what came out");
        Ok(Ok(()))
    }

    /// The target's content of a step.
    #[cfg(feature = "build")]
    fn content(&self, step: &Step, after: &Entry) -> Result<Vec<u8>> {
        let old = match self.source(step)? {
            Some(Some((path, digest))) => read(&path, digest)?,
            _ => Vec::new(),
        };
        let bytes = match &step.action {
            Action::Full { at } | Action::Delta { at, .. } => {
                self.release.decoded(self.packs_of(&step.path), *at, &old, after.size())?
            }
            _ => old,
        };
        if Some(Digest::of(&bytes)) != after.digest() {
            return Err(Error::new(crate::report::ErrorCode::BadDelta, &step.path, "its step makes another content")
                .next("get the bundle again from where it was published"));
        }
        Ok(bytes)
    }

    /// What is kept of every config file as it is shipped, so that later edits of it can be merged.
    pub(super) fn keep_pristine(&mut self) {
        let entries = self.route.after.entries.iter();
        for (_, entry) in entries.filter(|(p, e)| e.digest().is_some() && self.route.class(p) == Class::Config) {
            let Some(digest) = entry.digest() else { continue };
            let staged = self.puts.iter().position(|(op, making)| {
                making.made.is_none() && op.after.as_ref().and_then(Entry::digest) == Some(digest)
            });
            let from = match (self.here.contents.find(entry), staged) {
                (Some((at, _)), _) => Pristine::At(at.clone()),
                (None, Some(n)) => Pristine::Staged(n),
                (None, None) => continue,
            };
            self.work.pristine.entry(digest).or_insert(from);
        }
    }
}

/// The commands that merge what lacked the version that was shipped before: an apply that has laid the new one beside
/// the edit has nothing to do any more, so it is taken back first.
#[cfg(feature = "build")]
pub(super) fn merging_again(dir: &Path, options: &Options) -> String {
    let bundle = crate::report::quoted(options.named.as_deref().unwrap_or(Path::new("FILE.cup")));
    let (dir, trusting) = (crate::report::quoted(dir), &options.trusting);
    let back = if options.dry_run { String::new() } else { format!("'{PROGRAM} rollback {dir}', then ") };
    format!(
        "{back}'{PROGRAM} apply {bundle} {dir}{trusting} --edited-config merge --from FOLDER', where FOLDER has the file as it was \
         shipped"
    )
}

/// The bytes of a file that must still have this digest.
pub(super) fn read(full: &Path, digest: Digest) -> Result<Vec<u8>> {
    let bytes = contents(full)?;
    if Digest::of(&bytes) != digest {
        return Err(scan::changed(full.to_path_buf()));
    }
    Ok(bytes)
}

/// A regular file's content, never through a link.
pub(super) fn contents(full: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    scan::open(full)?.read_to_end(&mut bytes).map_err(|e| Error::io(full.display(), &e))?;
    Ok(bytes)
}
