//! Which lines of two texts differ, found as git finds them.

use super::parse::split_lines;
use imara_diff::{Algorithm, Diff, InternedInput};
use std::ops::Range;

/// A run of lines that another run replaces; lines count from 0, and either run may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub old: Range<usize>,
    pub new: Range<usize>,
}

/// What turns one text into the other, ascending, with an unchanged line between any two.
pub fn edits(old: &[u8], new: &[u8]) -> Vec<Edit> {
    edits_by(Algorithm::Myers, old, new)
}

/// The same with lines that stand in both aligned by how rare they are.
pub(super) fn edits_by_rare_lines(old: &[u8], new: &[u8]) -> Vec<Edit> {
    edits_by(Algorithm::Histogram, old, new)
}

/// The same as read from the end.
pub(super) fn edits_from_the_end(old: &[u8], new: &[u8]) -> Vec<Edit> {
    let (a, b) = (split_lines(old), split_lines(new));
    let mut input = InternedInput::default();
    input.update_before(a.iter().rev().copied());
    input.update_after(b.iter().rev().copied());
    let back = |r: Range<usize>, n: usize| n - r.end..n - r.start;
    let mut all: Vec<Edit> = found(Algorithm::Myers, &input)
        .into_iter()
        .map(|e| Edit { old: back(e.old, a.len()), new: back(e.new, b.len()) })
        .collect();
    all.reverse();
    all
}

fn edits_by(algorithm: Algorithm, old: &[u8], new: &[u8]) -> Vec<Edit> {
    found(algorithm, &InternedInput::new(old, new))
}

fn found(algorithm: Algorithm, input: &InternedInput<&[u8]>) -> Vec<Edit> {
    let mut diff = Diff::compute(algorithm, input);
    // `git merge-file` slides runs without looking at indentation.
    diff.postprocess_no_heuristic(input);
    let wide = |r: Range<u32>| r.start as usize..r.end as usize;
    diff.hunks().map(|h| Edit { old: wide(h.before), new: wide(h.after) }).collect()
}

/// Lines around an edit that are shown with it.
const AROUND: usize = 3;

/// A stretch of a text with the edits in it, as a unified diff writes it: the `@@` line, then lines that begin with
/// ' ', '-' or '+'. `edits` stand close together and are not empty.
pub fn stretch(old: &[u8], new: &[u8], edits: &[Edit]) -> Vec<String> {
    let (a, b) = (split_lines(old), split_lines(new));
    let (Some(first), Some(last)) = (edits.first(), edits.last()) else { return Vec::new() };
    let before = AROUND.min(first.old.start);
    let after = AROUND.min(a.len().saturating_sub(last.old.end));
    let (from, to) = (first.old.start - before, last.old.end + after);
    let (new_from, new_to) = (first.new.start - before, last.new.end + after);
    // A side without lines counts from the line before it.
    let start = |from: usize, to: usize| if from == to { from } else { from + 1 };
    let mut out =
        vec![format!("@@ -{},{} +{},{} @@", start(from, to), to - from, start(new_from, new_to), new_to - new_from)];
    let mut put = |sign: char, lines: &[&[u8]]| {
        out.extend(lines.iter().map(|l| {
            let text = String::from_utf8_lossy(l.strip_suffix(b"\n").unwrap_or(l)).into_owned();
            format!("{sign}{text}")
        }));
    };
    let mut at = from;
    for e in edits {
        put(' ', &a[at..e.old.start]);
        put('-', &a[e.old.clone()]);
        put('+', &b[e.new.clone()]);
        at = e.old.end;
    }
    put(' ', &a[at..to]);
    out
}
