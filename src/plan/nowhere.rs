//! Lines that come from nowhere: a hunk has them, or has one directly before the other, and neither the start tree nor any
//! other fix does. What has such a hunk applies in no order, whatever comes with it, and nothing need be tried to know that.

use super::brought::{Edges, Numbers, Unit, bare, hunks};
use super::replay::{Replay, Step};
use super::types::Nowhere;
use crate::patch::{Body, FilePatch, Hunk, LineKind, split_lines};
use std::collections::{HashMap, HashSet};

/// Characters of a line that are told.
const MOST_TOLD: usize = 100;

/// By fix: what it has from nowhere.
pub(super) type Lacking = HashMap<usize, Lacks>;

#[derive(Default)]
pub(super) struct Lacks {
    /// Of what its hunks take the place of.
    before: Option<Nowhere>,
    /// Whether there is some in what its hunks leave, so that it is nowhere there already.
    after: bool,
}

impl Replay<'_> {
    /// Whether a fix applies in no order and is there already in none, for what its hunks have from nowhere.
    pub(super) fn lacks(&self, fix: usize) -> bool {
        let any =
            |has: fn(&Lacks) -> bool| self.of_fix[fix].iter().any(|g| self.lacking_in(*g).get(&fix).is_some_and(has));
        any(|l| l.before.is_some()) && any(|l| l.after)
    }

    /// What such a fix has from nowhere.
    pub(super) fn nowhere(&self, fix: usize) -> Option<Nowhere> {
        let of = |g: &usize| self.lacking_in(*g).get(&fix)?.before.clone();
        self.of_fix[fix].iter().find_map(of).filter(|_| self.lacks(fix))
    }

    fn lacking_in(&self, g: usize) -> &Lacking {
        self.groups[g].lacking.get_or_init(|| self.find_lacking(g).unwrap_or_default())
    }

    /// `None` where lines may come from anything but hunks and the start tree.
    fn find_lacking(&self, g: usize) -> Option<Lacking> {
        let group = &self.groups[g];
        let mut patches: Vec<(usize, &[FilePatch])> = Vec::new();
        for (fix, step) in group.steps.iter() {
            match step {
                Step::Patch(parts) => patches.push((fix, parts.files())),
                Step::Overlay(_) => return None,
            }
        }
        let binary = |files: &[FilePatch]| files.iter().any(|f| matches!(f.body, Body::Binary(_)));
        let decided = self.resolutions.iter().any(|r| group.paths.binary_search(&&r.path).is_ok());
        if decided || patches.iter().any(|(_, files)| binary(files)) {
            return None;
        }
        let cells = self.cells(g, 0);
        let start = cells.iter().flatten().map(|c| self.bytes(c)).collect::<Option<Vec<_>>>()?;
        let (mut numbers, mut edges) = (Numbers::default(), Edges::default());
        // Whoever makes it stand there first; of two one is another fix than the one that asks.
        let mut sources: HashMap<Unit, [Option<usize>; 2]> = HashMap::new();
        for (fix, files) in &patches {
            for (file, hunk) in hunks(files, |_| true) {
                edges.note(file, hunk, &mut numbers);
                let old: HashSet<Unit> = numbers.units(hunk, LineKind::Add).into_iter().collect();
                for unit in numbers.units(hunk, LineKind::Remove).into_iter().filter(|u| !old.contains(u)) {
                    let from = sources.entry(unit).or_default();
                    if let Some(at) = from.iter().position(|f| f.is_none_or(|f| f == *fix)) {
                        from[at] = Some(*fix);
                    }
                }
            }
        }
        let mut there: HashSet<Unit> = HashSet::new();
        for bytes in &start {
            let mut before: Option<u32> = None;
            for line in split_lines(bytes) {
                let number = numbers.known(bare(line));
                there.extend(number.map(|n| (n, None)));
                there.extend(before.zip(number).map(|(before, n)| (before, Some(n))));
                before = number;
            }
        }
        let comes = |unit: &Unit, fix: usize| {
            let others = || sources.get(unit).is_some_and(|from| from.iter().flatten().any(|f| *f != fix));
            there.contains(unit) || edges.may_bring(unit) || others()
        };
        let lacks = |(fix, files): &(usize, &[FilePatch])| {
            let missing = |mail: u32, other: LineKind| -> Vec<Nowhere> {
                // What one part leaves, the next one of the same file may stand on.
                let alone = |f: &FilePatch| {
                    f.mail == mail && files.iter().filter(|o| o.mail == mail && meet(o, f)).count() == 1
                };
                let all = hunks(files, alone).flat_map(|(f, h)| spots(f, h, other, &numbers));
                all.filter(|(unit, _)| !comes(unit, *fix)).map(|(_, spot)| spot).collect()
            };
            let (first, last) = (files.first()?.mail, files.last()?.mail);
            let after = !missing(last, LineKind::Remove).is_empty();
            Some((*fix, Lacks { before: told(missing(first, LineKind::Add)), after }))
        };
        Some(patches.iter().filter_map(lacks).collect())
    }
}

fn meet(a: &FilePatch, b: &FilePatch) -> bool {
    let paths = |f: &FilePatch| [f.old.clone(), f.new.clone()].into_iter().flatten().collect::<Vec<_>>();
    let (a, b) = (paths(a), paths(b));
    a.iter().any(|p| b.contains(p))
}

/// One side of a hunk, without the lines of the other: each line, and each with the one behind it.
fn spots(file: &FilePatch, hunk: &Hunk, other: LineKind, numbers: &Numbers<'_>) -> Vec<(Unit, Nowhere)> {
    let Some(path) = file.old.as_ref().or(file.new.as_ref()) else { return Vec::new() };
    let mut at = hunk.line;
    let mut side: Vec<(u32, u32, &[u8])> = Vec::new();
    for line in &hunk.lines {
        at += 1;
        if line.kind != other {
            side.extend(numbers.known(bare(&line.bytes)).map(|n| (n, at, bare(&line.bytes))));
        }
        // A mark in the patch says that the file does not end its last line.
        at += u32::from(!line.bytes.ends_with(b"\n"));
    }
    let spot = |line: u32, text: &[u8], then: Option<&[u8]>| Nowhere {
        path: path.clone(),
        line,
        text: short(text),
        then: then.map(short),
        more: 0,
    };
    let one = |(number, line, text): &(u32, u32, &[u8])| ((*number, None), spot(*line, text, None));
    let two = |w: &[(u32, u32, &[u8])]| ((w[0].0, Some(w[1].0)), spot(w[0].1, w[0].2, Some(w[1].2)));
    side.iter().map(one).chain(side.windows(2).map(two)).collect()
}

/// The first line of all, or the first two where every line as such is somewhere.
fn told(missing: Vec<Nowhere>) -> Option<Nowhere> {
    let lines = missing.iter().filter(|m| m.then.is_none()).count();
    let more = if lines > 0 { lines - 1 } else { missing.len().saturating_sub(1) };
    missing.into_iter().find(|m| m.then.is_none() == (lines > 0)).map(|first| Nowhere { more, ..first })
}

fn short(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut shown: String = text.trim_end_matches('\r').chars().take(MOST_TOLD).collect();
    if text.chars().count() > MOST_TOLD {
        shown.push('…');
    }
    shown
}
