//! What a fix does, wherever its parts stand in its files: two that do the same are equal.

use crate::fix::Payload;
use crate::patch::{Body, FilePatch, Hunk, Line};
use std::hash::{Hash, Hasher};

#[derive(Clone, Copy)]
pub(super) struct Content<'a>(pub(super) &'a Payload);

impl PartialEq for Content<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Payload::Overlay(a), Payload::Overlay(b)) => a == b,
            (Payload::Patch(a), Payload::Patch(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b).all(|(a, b)| head(a) == head(b) && body(a).eq(body(b)) && data(a) == data(b))
            }
            _ => false,
        }
    }
}

impl Hash for Content<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0 {
            Payload::Overlay(changes) => changes.hash(state),
            Payload::Patch(files) => {
                for f in files {
                    // Where so much is the same, it is worth looking at the lines.
                    (head(f), data(f)).hash(state);
                    body(f).for_each(|(from, to, ..)| (from, to).hash(state));
                }
            }
        }
    }
}

/// Everything of a file's part but its line and its hunks.
fn head(f: &FilePatch) -> impl Hash + PartialEq + '_ {
    (&f.old, &f.new, f.git, f.rename, f.copy, f.old_mode, f.new_mode, &f.index, f.mail)
}

/// Hunks without the lines that they stand at in the patch file.
fn body(f: &FilePatch) -> impl Iterator<Item = ((u64, u64), (u64, u64), &[Line])> {
    let hunks: &[Hunk] = if let Body::Text(hunks) = &f.body { hunks } else { &[] };
    hunks.iter().map(|h| ((h.old_start, h.old_len), (h.new_start, h.new_len), h.lines.as_slice()))
}

fn data(f: &FilePatch) -> Option<&Body> {
    Some(&f.body).filter(|b| !matches!(b, Body::Text(_)))
}
