//! What hunks alone can bring: a line, or two lines one after the other, that stand nowhere in the start tree. A fix that
//! has them in a hunk applies to no state that none of those brought before, so much need not be tried.

use super::replay::{Replay, Step};
use crate::patch::{Body, FilePatch, Hunk, LineKind, split_lines};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A line, or two that stand one after the other, by the numbers of the lines.
pub(super) type Unit = (u32, Option<u32>);

/// By fix: sets of fixes, of each of which it needs one at least.
pub(super) type Brought = BTreeMap<usize, Vec<Vec<usize>>>;

/// What more fixes bring says too little.
const MOST: usize = 8;

impl Replay<'_> {
    /// Sets of fixes, ascending and without repetition: without one at least of each, the fix applies to no state of the
    /// group.
    pub(super) fn one_of(&self, g: usize, fix: usize) -> &[Vec<usize>] {
        let group = &self.groups[g];
        group.brought.get_or_init(|| self.remember_brought(g)).get(&fix).map_or(&[], Vec::as_slice)
    }

    /// Fixes without which this one applies to no state of the group.
    pub(super) fn bringers(&self, g: usize, fix: usize) -> impl Iterator<Item = usize> + '_ {
        self.one_of(g, fix).iter().filter(|set| set.len() == 1).flatten().copied()
    }

    /// By place among the fixes of the group, as it is remembered.
    fn remember_brought(&self, g: usize) -> Brought {
        let group = &self.groups[g];
        if group.steps.len() < 2 {
            return Brought::new();
        }
        let key = self.marks.as_ref().and_then(|m| Some((m, m.whole(g, group)?)));
        let Some((marks, key)) = key else { return self.brought(g) };
        let fixes: Vec<usize> = group.fixes().collect();
        let known: Option<BTreeMap<usize, Vec<Vec<usize>>>> = marks.known(key);
        let named = |known: BTreeMap<usize, Vec<Vec<usize>>>| -> Option<Brought> {
            let set = |set: Vec<usize>| set.into_iter().map(|k| fixes.get(k).copied()).collect::<Option<Vec<_>>>();
            let sets = |sets: Vec<Vec<usize>>| sets.into_iter().map(set).collect::<Option<Vec<_>>>();
            known.into_iter().map(|(k, s)| Some((*fixes.get(k)?, sets(s)?))).collect()
        };
        if let Some(brought) = known.and_then(named) {
            return brought;
        }
        let made = self.brought(g);
        let place = |fix: &usize| fixes.binary_search(fix).unwrap_or(0);
        let places = |sets: &Vec<Vec<usize>>| -> Vec<Vec<usize>> {
            sets.iter().map(|set| set.iter().map(place).collect()).collect()
        };
        let short: BTreeMap<usize, Vec<Vec<usize>>> = made.iter().map(|(f, sets)| (place(f), places(sets))).collect();
        marks.note(key, &short);
        made
    }

    /// Nothing where lines may come from anything but hunks and the start tree.
    fn brought(&self, g: usize) -> Brought {
        let group = &self.groups[g];
        let mut patches: Vec<(usize, &[FilePatch])> = Vec::new();
        for (fix, step) in group.steps.iter() {
            match step {
                Step::Patch(parts) => patches.push((fix, parts.files())),
                Step::Overlay(_) => return Brought::new(),
            }
        }
        let binary = |files: &[FilePatch]| files.iter().any(|f| matches!(f.body, Body::Binary(_)));
        let decided = self.resolutions.iter().any(|r| group.paths.binary_search(&&r.path).is_ok());
        if patches.len() < 2 || decided || patches.iter().any(|(_, files)| binary(files)) {
            return Brought::new();
        }
        let cells = self.cells(g, 0);
        let Some(start) = cells.iter().flatten().map(|c| self.bytes(c)).collect::<Option<Vec<_>>>() else {
            return Brought::new();
        };
        // Every line is looked at once; what is compared from there on are numbers.
        let mut numbers = Numbers::default();
        let mut by: HashMap<Unit, Vec<usize>> = HashMap::new();
        let mut edges = Edges::default();
        let mut wants: Vec<(usize, HashSet<Unit>)> = Vec::new();
        for (fix, files) in &patches {
            let first = files.first().map_or(0, |f| f.mail);
            let mut old: HashSet<Unit> = HashSet::new();
            hunks(files, |f| f.mail == first).for_each(|(_, h)| old.extend(numbers.units(h, LineKind::Add)));
            for (file, hunk) in hunks(files, |_| true) {
                edges.note(file, hunk, &mut numbers);
                // Who has it in a hunk needs it before and does not bring it first.
                for unit in numbers.units(hunk, LineKind::Remove).into_iter().filter(|u| !old.contains(u)) {
                    let from = by.entry(unit).or_default();
                    if from.last() != Some(fix) {
                        from.push(*fix);
                    }
                }
            }
            wants.push((*fix, old));
        }
        by.retain(|unit, from| from.len() <= MOST && !edges.may_bring(unit));
        for bytes in &start {
            let mut before: Option<u32> = None;
            for line in split_lines(bytes) {
                // A line without a number is in no hunk.
                let number = numbers.known(bare(line));
                if let Some(number) = number {
                    by.remove(&(number, None));
                    before.and_then(|before| by.remove(&(before, Some(number))));
                }
                before = number;
            }
        }
        let sets = |wants: HashSet<Unit>| {
            let sets: BTreeSet<&Vec<usize>> = wants.iter().filter_map(|unit| by.get(unit)).collect();
            sets.into_iter().cloned().collect::<Vec<_>>()
        };
        wants.into_iter().map(|(fix, old)| (fix, sets(old))).filter(|(_, sets)| !sets.is_empty()).collect()
    }
}

/// Lines that come to stand beside others which no hunk shows: where it has no context at an end.
#[derive(Default)]
pub(super) struct Edges {
    before: HashSet<u32>,
    after: HashSet<u32>,
    any: bool,
}

impl Edges {
    pub(super) fn note<'a>(&mut self, file: &FilePatch, hunk: &'a Hunk, numbers: &mut Numbers<'a>) {
        let open = |line: Option<&crate::patch::Line>| line.is_some_and(|l| l.kind != LineKind::Context);
        let mut new = hunk.lines.iter().filter(|l| l.kind != LineKind::Remove).map(|l| bare(&l.bytes));
        let (first, last) = (new.next(), new.next_back());
        let [first, last] = [first, last].map(|line| line.map(|l| numbers.of(l)));
        // What is deleted as a whole has nothing beside it.
        self.any |= first.is_none() && file.new.is_some();
        if open(hunk.lines.first()) {
            self.before.extend(first);
        }
        if open(hunk.lines.last()) {
            self.after.extend(last.or(first));
        }
    }

    pub(super) fn may_bring(&self, (line, next): &Unit) -> bool {
        next.is_some_and(|next| self.any || self.after.contains(line) || self.before.contains(&next))
    }
}

pub(super) fn hunks(
    files: &[FilePatch],
    wanted: impl Fn(&FilePatch) -> bool,
) -> impl Iterator<Item = (&FilePatch, &Hunk)> {
    let texts = files.iter().filter(move |f| wanted(f)).filter_map(|f| match &f.body {
        Body::Text(hunks) => Some((f, hunks)),
        Body::Nothing | Body::Binary(_) => None,
    });
    texts.flat_map(|(f, hunks)| hunks.iter().map(move |h| (f, h)))
}

/// A number for every line of a hunk.
#[derive(Default)]
pub(super) struct Numbers<'a>(HashMap<&'a [u8], u32>);

impl<'a> Numbers<'a> {
    fn of(&mut self, line: &'a [u8]) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(line).or_insert(next)
    }

    /// The number of a line, if a hunk has it.
    pub(super) fn known(&self, line: &[u8]) -> Option<u32> {
        self.0.get(line).copied()
    }

    /// The units of one side of a hunk: without the lines of the other.
    pub(super) fn units(&mut self, hunk: &'a Hunk, other: LineKind) -> Vec<Unit> {
        let side = hunk.lines.iter().filter(|l| l.kind != other).map(|l| self.of(bare(&l.bytes)));
        let lines: Vec<u32> = side.collect();
        let pairs = lines.windows(2).map(|w| (w[0], Some(w[1])));
        lines.iter().map(|l| (*l, None)).chain(pairs).collect()
    }
}

/// A last line without its end is the same one where more follow.
pub(super) fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}
