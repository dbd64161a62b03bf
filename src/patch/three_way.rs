//! Merging two texts that were made from one, by lines, as `git merge-file` does.

use super::diff::{Edit, edits, edits_by_rare_lines, edits_from_the_end};
use super::parse::split_lines;
use std::ops::Range;

/// Most bytes of each of the three texts: larger ones are generated, and nobody could review their merge.
const MAX_TEXT: usize = 16 << 20;

/// A place that both changed, each in its own way: lines of the base and of either side, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contested {
    pub base: Range<usize>,
    pub ours: Range<usize>,
    pub theirs: Range<usize>,
}

/// Why two contents were not merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmerged {
    /// One of the three is binary (it has a NUL byte), or larger than 16 MiB.
    NotText,
    /// Places that both changed, ascending, never empty.
    Contested(Vec<Contested>),
    /// Lines repeat so that what was changed can be read in two ways, and the results differ.
    Ambiguous,
}

/// What both made of the base, taken together.
///
/// Changes that have no unchanged line between them touch each other; where both sides have some, they must be the same.
///
/// # Errors
/// [`Unmerged`]: binary contents are never merged, and nothing is guessed where both changed the same lines.
pub fn three_way(base: &[u8], ours: &[u8], theirs: &[u8]) -> Result<Vec<u8>, Unmerged> {
    let text = |bytes: &[u8]| bytes.len() <= MAX_TEXT && memchr::memchr(0, bytes).is_none();
    if ![base, ours, theirs].into_iter().all(text) {
        return Err(Unmerged::NotText);
    }
    let merged = join(base, ours, theirs, edits)?;
    // Where lines repeat, one way of aligning them is luck: a merge stands only if others give the same.
    for other in [edits_by_rare_lines, edits_from_the_end] {
        if join(base, ours, theirs, other).as_ref() != Ok(&merged) {
            return Err(Unmerged::Ambiguous);
        }
    }
    Ok(merged)
}

fn join(
    base: &[u8],
    ours: &[u8],
    theirs: &[u8],
    edits: impl Fn(&[u8], &[u8]) -> Vec<Edit>,
) -> Result<Vec<u8>, Unmerged> {
    let (a, b) = (edits(base, ours), edits(base, theirs));
    let (base, ours, theirs) = (split_lines(base), split_lines(ours), split_lines(theirs));
    let mut out: Vec<&[u8]> = Vec::with_capacity(base.len());
    let mut contested = Vec::new();
    let (mut i, mut j, mut at) = (0, 0, 0);
    while i < a.len() || j < b.len() {
        let (from_a, from_b) = (i, j);
        let start = a.get(i).into_iter().chain(b.get(j)).map(|e| e.old.start).min().unwrap_or(at);
        let mut end = start;
        loop {
            let touches = |e: Option<&Edit>| e.is_some_and(|e| e.old.start <= end);
            let next = if touches(a.get(i)) {
                i += 1;
                &a[i - 1]
            } else if touches(b.get(j)) {
                j += 1;
                &b[j - 1]
            } else {
                break;
            };
            end = end.max(next.old.end);
        }
        out.extend(&base[at..start]);
        at = end;
        let (mine, others) = (side(&a, from_a..i, start..end), side(&b, from_b..j, start..end));
        let (ours, theirs) = (&ours[mine.clone()], &theirs[others.clone()]);
        if from_a == i {
            out.extend(theirs);
        } else if from_b == j || ours == theirs {
            out.extend(ours);
        } else {
            contested.push(Contested { base: start..end, ours: mine, theirs: others });
        }
    }
    out.extend(&base[at..]);
    if contested.is_empty() { Ok(out.concat()) } else { Err(Unmerged::Contested(contested)) }
}

/// The lines of one side that stand where `base` was, which the edits of `here` lie in.
fn side(edits: &[Edit], here: Range<usize>, base: Range<usize>) -> Range<usize> {
    match edits[here.clone()] {
        [] => {
            let before = here.start.checked_sub(1).map(|k| &edits[k]);
            let (old, new) = before.map_or((0, 0), |e| (e.old.end, e.new.end));
            base.start - old + new..base.end - old + new
        }
        [ref first, .., ref last] => {
            first.new.start - (first.old.start - base.start)..last.new.end + (base.end - last.old.end)
        }
        [ref only] => only.new.start - (only.old.start - base.start)..only.new.end + (base.end - only.old.end),
    }
}
