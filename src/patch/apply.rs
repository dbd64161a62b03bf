//! Applying patches strictly, as `git apply` does: the context must match, an offset is allowed, fuzz is not.

use super::binary;
use super::place::{Placed, apply_hunks, why_not};
use super::types::{BinaryHunk, Body, FilePatch, Mode, Reject, RejectReason};
use crate::tree::TreePath;
use sha1::Digest as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most bytes that applying a binary delta may make.
const MAX_BINARY: u64 = 1 << 31;

/// What stands at a path while patches are applied. A link's content is its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    pub mode: Mode,
    pub content: Arc<[u8]>,
}

/// What a patch changes: path to new state, `None` where the path goes.
pub type Changes = BTreeMap<TreePath, Option<FileState>>;

/// What applying did, and where every hunk landed: by file patch, by hunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    pub changes: Changes,
    pub placed: Vec<Vec<Placed>>,
}

/// Applies a whole patch to the state that `read` gives; the state itself stays as it is.
///
/// # Errors
/// The first part that does not apply.
pub fn apply_all<F>(patches: &[FilePatch], read: F) -> Result<Applied, Reject>
where
    F: Fn(&TreePath) -> Option<FileState>,
{
    let mut work = Work { read, applied: Applied::default(), mail: Changes::new(), leaving: BTreeSet::new() };
    for mail in patches.chunk_by(|a, b| a.mail == b.mail) {
        let goes = |fp: &&FilePatch| fp.git && (fp.rename || fp.new.is_none());
        work.leaving = mail.iter().filter(goes).filter_map(|fp| fp.old.clone()).collect();
        for fp in mail {
            let placed = work.file(fp)?;
            work.applied.placed.push(placed);
        }
        work.applied.changes.append(&mut work.mail);
    }
    Ok(work.applied)
}

struct Work<F> {
    read: F,
    /// What the mails before this one did.
    applied: Applied,
    /// What this mail has done so far.
    mail: Changes,
    /// Paths that this mail renames away or deletes, now or later: others may take their place before.
    leaving: BTreeSet<TreePath>,
}

fn reject<T>(fp: &FilePatch, path: &TreePath, reason: RejectReason) -> Result<T, Reject> {
    Err(Reject { path: path.clone(), hunk: None, line: fp.line, reason })
}

impl<F: Fn(&TreePath) -> Option<FileState>> Work<F> {
    fn get(&self, path: &TreePath) -> Option<FileState> {
        match self.mail.get(path) {
            Some(state) => state.clone(),
            None => self.before_mail(path),
        }
    }

    fn before_mail(&self, path: &TreePath) -> Option<FileState> {
        match self.applied.changes.get(path) {
            Some(state) => state.clone(),
            None => (self.read)(path),
        }
    }

    fn set(&mut self, path: &TreePath, state: Option<FileState>) {
        self.mail.insert(path.clone(), state);
    }

    /// Whether something stands there that this mail does not take away.
    fn is_taken(&self, path: &TreePath) -> bool {
        match self.mail.get(path) {
            Some(state) => state.is_some(),
            None => !self.leaving.contains(path) && self.before_mail(path).is_some(),
        }
    }

    fn parents_free(&self, fp: &FilePatch, path: &TreePath) -> Result<(), Reject> {
        match path.ancestors().find(|a| self.is_taken(a)) {
            Some(a) => reject(fp, path, RejectReason::ParentIsFile(a)),
            None => Ok(()),
        }
    }

    fn file(&mut self, fp: &FilePatch) -> Result<Vec<Placed>, Reject> {
        let (mut old, mut new) = (fp.old.clone(), fp.new.clone());
        if !fp.git {
            // A plain patch does not say whether it creates: it does if nothing is there and it starts from nothing.
            if let (Some(o), Some(n)) = (&old, &new) {
                let nothing =
                    matches!(&fp.body, Body::Text(h) if h.first().is_some_and(|h| h.old_start == 0 && h.old_len == 0));
                if nothing && self.get(n).is_none() && self.get(o).is_none() {
                    old = None;
                } else {
                    let Some(there) = [n, o].into_iter().find(|p| self.get(p).is_some()).cloned() else {
                        return reject(fp, n, RejectReason::Missing);
                    };
                    old = Some(there.clone());
                    new = Some(there);
                }
            }
        }
        match (old, new) {
            (None, Some(new)) => self.create(fp, &new),
            (Some(old), new) => self.change(fp, &old, new.as_ref()),
            (None, None) => Ok(Vec::new()),
        }
    }

    fn create(&mut self, fp: &FilePatch, new: &TreePath) -> Result<Vec<Placed>, Reject> {
        if self.is_taken(new) && self.get(new).is_some_and(|s| fp.git || !s.content.is_empty()) {
            return reject(fp, new, RejectReason::Exists);
        }
        self.parents_free(fp, new)?;
        let (content, placed) = body(fp, new, b"", true)?;
        self.set(new, Some(FileState { mode: fp.new_mode.unwrap_or(Mode::File), content }));
        Ok(placed)
    }

    fn change(&mut self, fp: &FilePatch, old: &TreePath, new: Option<&TreePath>) -> Result<Vec<Placed>, Reject> {
        // Git writes renames and copies against what stood there before, whatever else changes meanwhile.
        let current = if fp.rename || fp.copy { self.before_mail(old) } else { self.get(old) };
        let Some(current) = current else { return reject(fp, old, RejectReason::Missing) };
        let is_link = |m: Mode| m == Mode::Symlink;
        if fp.git && fp.old_mode.is_some_and(|m| is_link(m) != is_link(current.mode)) {
            return reject(fp, old, RejectReason::WrongKind);
        }
        let (content, placed) = match &fp.body {
            Body::Nothing => (current.content.clone(), Vec::new()),
            _ => body(fp, old, &current.content, new.is_some())?,
        };
        let Some(new) = new else {
            if !content.is_empty() && !matches!(fp.body, Body::Binary(_)) {
                return reject(fp, old, RejectReason::DeleteLeavesContent);
            }
            self.set(old, None);
            return Ok(placed);
        };
        if new != old {
            if self.is_taken(new) {
                return reject(fp, new, RejectReason::Exists);
            }
            // What this mail put there stays: two files that swap their names.
            if fp.rename && !self.mail.get(old).is_some_and(Option::is_some) {
                self.set(old, None);
            }
            self.parents_free(fp, new)?;
        }
        if !fp.git && content.is_empty() && !current.content.is_empty() && matches!(fp.body, Body::Text(_)) {
            // A plain patch that leaves nothing deletes the file, as `patch -E` does.
            self.set(new, None);
        } else {
            let mode = if fp.git { fp.new_mode.unwrap_or(current.mode) } else { current.mode };
            self.set(new, Some(FileState { mode, content }));
        }
        Ok(placed)
    }
}

/// The content after the patch's body; `keep` is false where the file goes.
fn body(fp: &FilePatch, path: &TreePath, old: &[u8], keep: bool) -> Result<(Arc<[u8]>, Vec<Placed>), Reject> {
    match &fp.body {
        Body::Nothing => Ok((Arc::from(old), Vec::new())),
        Body::Text(hunks) => match apply_hunks(old, hunks) {
            Ok((bytes, placed)) => Ok((bytes.into(), placed)),
            Err(i) => Err(Reject {
                path: path.clone(),
                hunk: Some(i),
                line: hunks.get(i).map_or(fp.line, |h| h.line),
                reason: why_not(old, hunks, i),
            }),
        },
        Body::Binary(binary) => {
            let matches = |id: &str, bytes: &[u8]| !id.is_empty() && blob_id_like(id, bytes).starts_with(id);
            if let (Some((before, _)), Some(_)) = (&fp.index, &fp.old)
                && !matches(before, old)
            {
                return reject(fp, path, RejectReason::WrongPreImage);
            }
            if !keep {
                return Ok((Arc::from([]), Vec::new()));
            }
            let new: Arc<[u8]> = match &binary.forward {
                BinaryHunk::Literal(bytes) => bytes.clone(),
                BinaryHunk::Delta(delta) => match binary::apply_delta(old, delta, MAX_BINARY) {
                    Some(bytes) => bytes.into(),
                    None => return reject(fp, path, RejectReason::BadBinary),
                },
            };
            if fp.index.as_ref().is_some_and(|(_, after)| !matches(after, &new)) {
                return reject(fp, path, RejectReason::BadBinary);
            }
            Ok((new, Vec::new()))
        }
    }
}

/// The blob id of the kind that `id` is: repositories with SHA-256 ids write more than 40 digits.
fn blob_id_like(id: &str, bytes: &[u8]) -> String {
    if id.len() <= 40 {
        return blob_id(bytes);
    }
    let mut h = crate::tree::Hasher::new();
    h.update(format!("blob {}\0", bytes.len()).as_bytes());
    h.update(bytes);
    h.finish().hex()
}

/// Git's blob id: SHA-1 over `blob <size>\0` and the content.
pub fn blob_id(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut h = sha1::Sha1::new();
    h.update(format!("blob {}\0", bytes.len()).as_bytes());
    h.update(bytes);
    h.finalize().iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}
