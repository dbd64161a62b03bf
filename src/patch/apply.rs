//! Applying patches strictly, as `git apply` does: the context must match, an offset is allowed, fuzz is not.

use super::binary;
use super::parse::split_lines;
use super::types::{BinaryHunk, Body, FilePatch, Hunk, LineKind, Mode, Reject, RejectReason};
use crate::tree::TreePath;
use sha1::Digest as _;
use std::collections::BTreeMap;
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

/// Where a hunk landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// First line of the hunk in the file as the hunks before it left it, from 0.
    pub line: usize,
    /// How far that is from where the patch said, in lines.
    pub offset: i64,
}

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
    let mut work = Work { read, applied: Applied::default() };
    for fp in patches {
        let placed = work.file(fp)?;
        work.applied.placed.push(placed);
    }
    Ok(work.applied)
}

struct Work<F> {
    read: F,
    applied: Applied,
}

fn reject<T>(fp: &FilePatch, path: &TreePath, reason: RejectReason) -> Result<T, Reject> {
    Err(Reject { path: path.clone(), hunk: None, line: fp.line, reason })
}

impl<F: Fn(&TreePath) -> Option<FileState>> Work<F> {
    fn get(&self, path: &TreePath) -> Option<FileState> {
        match self.applied.changes.get(path) {
            Some(state) => state.clone(),
            None => (self.read)(path),
        }
    }

    fn set(&mut self, path: &TreePath, state: Option<FileState>) {
        self.applied.changes.insert(path.clone(), state);
    }

    fn parents_free(&self, fp: &FilePatch, path: &TreePath) -> Result<(), Reject> {
        match path.ancestors().find(|a| self.get(a).is_some()) {
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
        if self.get(new).is_some_and(|s| fp.git || !s.content.is_empty()) {
            return reject(fp, new, RejectReason::Exists);
        }
        self.parents_free(fp, new)?;
        let (content, placed) = body(fp, new, b"", true)?;
        self.set(new, Some(FileState { mode: fp.new_mode.unwrap_or(Mode::File), content }));
        Ok(placed)
    }

    fn change(&mut self, fp: &FilePatch, old: &TreePath, new: Option<&TreePath>) -> Result<Vec<Placed>, Reject> {
        let now = self.get(old);
        // Two files that swap their names: the second rename finds its source gone in this very patch.
        let current = if (fp.rename || fp.copy) && now.is_none() { (self.read)(old) } else { now };
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
            if self.get(new).is_some() {
                return reject(fp, new, RejectReason::Exists);
            }
            if fp.rename && self.applied.changes.get(old).is_none_or(|s| s.as_ref() == Some(&current)) {
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
                reason: RejectReason::HunkNotFound,
            }),
        },
        Body::Binary(binary) => {
            let matches = |id: &str, bytes: &[u8]| !id.is_empty() && blob_id(bytes).starts_with(id);
            if let (Some((before, _)), Some(_)) = (&fp.index, &fp.old) {
                if !matches(before, old) {
                    return reject(fp, path, RejectReason::WrongPreImage);
                }
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

/// Applies hunks one after the other.
///
/// # Errors
/// The index of the first hunk whose lines are not found.
pub fn apply_hunks(old: &[u8], hunks: &[Hunk]) -> Result<(Vec<u8>, Vec<Placed>), usize> {
    let mut image: Vec<&[u8]> = split_lines(old);
    let mut patched: Vec<(usize, usize)> = Vec::new();
    let mut placed = Vec::with_capacity(hunks.len());
    for (i, hunk) in hunks.iter().enumerate() {
        let pre: Vec<&[u8]> = hunk.lines.iter().filter(|l| l.kind != LineKind::Add).map(|l| &*l.bytes).collect();
        let post: Vec<&[u8]> = hunk.lines.iter().filter(|l| l.kind != LineKind::Remove).map(|l| &*l.bytes).collect();
        let trailing = hunk.lines.last().is_some_and(|l| l.kind == LineKind::Context);
        let at = find(&image, &pre, hunk, trailing, &patched).ok_or(i)?;
        for range in &mut patched {
            if range.0 >= at + pre.len() {
                range.0 = range.0 + post.len() - pre.len();
                range.1 = range.1 + post.len() - pre.len();
            }
        }
        patched.push((at, at + post.len()));
        let stated = usize::try_from(hunk.new_start.saturating_sub(1)).unwrap_or(usize::MAX);
        placed.push(Placed {
            line: at,
            offset: i64::try_from(at).unwrap_or(0).saturating_sub(i64::try_from(stated).unwrap_or(i64::MAX)),
        });
        image.splice(at..at + pre.len(), post);
    }
    Ok((image.concat(), placed))
}

/// The place nearest to the stated one where the old lines stand, forward first at equal distance, as git searches.
fn find(image: &[&[u8]], pre: &[&[u8]], hunk: &Hunk, trailing: bool, patched: &[(usize, usize)]) -> Option<usize> {
    let (n, len) = (pre.len(), image.len());
    let at_begin = hunk.old_start <= 1;
    let at_end = !trailing;
    let fits = |p: usize| {
        (!at_begin || p == 0)
            && (!at_end || p + n == len)
            && image.get(p..p + n).is_some_and(|w| w == pre)
            && patched.iter().all(|&(a, b)| p >= b || a >= p + n)
    };
    if at_begin {
        return fits(0).then_some(0);
    }
    if at_end {
        return len.checked_sub(n).filter(|p| fits(*p));
    }
    let stated = usize::try_from(hunk.new_start.saturating_sub(1)).unwrap_or(usize::MAX).min(len);
    if fits(stated) {
        return Some(stated);
    }
    if n == 0 || n > len {
        return None;
    }
    let last = len - n;
    (1..=len).find_map(|d| {
        let forward = stated.checked_add(d).filter(|p| *p <= last && fits(*p));
        forward.or_else(|| stated.checked_sub(d).filter(|p| *p <= last && fits(*p)))
    })
}
