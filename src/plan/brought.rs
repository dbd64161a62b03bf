//! Lines that one fix alone brings: without it, nothing that has them in a hunk applies, so much need not be tried.

use super::replay::{Replay, Step};
use crate::patch::{Body, FilePatch, LineKind, split_lines};
use std::collections::{BTreeMap, BTreeSet, HashMap};

impl Replay<'_> {
    /// Fixes without which this one applies to no state of the group: each alone brings a line that the fix has in it.
    pub(super) fn bringers(&self, g: usize, fix: usize) -> &[usize] {
        let group = &self.groups[g];
        group.brought.get_or_init(|| self.brought(g)).get(&fix).map_or(&[], Vec::as_slice)
    }

    /// By fix: who alone brings a line of it. Nothing where lines may come from anything but hunks and the start tree.
    fn brought(&self, g: usize) -> BTreeMap<usize, Vec<usize>> {
        let group = &self.groups[g];
        let mut patches: Vec<(usize, &[FilePatch])> = Vec::new();
        for (fix, step) in &group.steps {
            match step {
                Step::Patch(files) => patches.push((*fix, files)),
                Step::Whole(files) => patches.push((*fix, files)),
                Step::Overlay(_) => return BTreeMap::new(),
            }
        }
        let binary = |files: &[FilePatch]| files.iter().any(|f| matches!(f.body, Body::Binary(_)));
        let decided = self.resolutions.iter().any(|r| group.paths.binary_search(&&r.path).is_ok());
        if patches.len() < 2 || decided || patches.iter().any(|(_, files)| binary(files)) {
            return BTreeMap::new();
        }
        let mut by: HashMap<&[u8], Option<usize>> = HashMap::new();
        for (fix, files) in &patches {
            for line in lines(files, |kind| kind == LineKind::Add) {
                by.entry(line).and_modify(|one| *one = one.filter(|f| f == fix)).or_insert(Some(*fix));
            }
        }
        for cell in self.cells(g, 0).iter().flatten() {
            let Some(bytes) = self.bytes(cell) else { return BTreeMap::new() };
            for line in split_lines(&bytes) {
                if let Some(one) = by.get_mut(bare(line)) {
                    *one = None;
                }
            }
        }
        let alone = |fix: usize, files| {
            let all = lines(files, |kind| kind != LineKind::Add).filter_map(|l| by.get(l).copied().flatten());
            all.filter(|f| *f != fix).collect::<BTreeSet<usize>>().into_iter().collect::<Vec<usize>>()
        };
        patches.iter().map(|(fix, files)| (*fix, alone(*fix, files))).filter(|(_, from)| !from.is_empty()).collect()
    }
}

fn lines(files: &[FilePatch], wanted: impl Fn(LineKind) -> bool) -> impl Iterator<Item = &[u8]> {
    let hunks = files.iter().filter_map(|f| if let Body::Text(hunks) = &f.body { Some(hunks) } else { None });
    hunks.flatten().flat_map(|h| &h.lines).filter(move |l| wanted(l.kind)).map(|l| bare(&l.bytes))
}

/// A last line without its end is the same one where more follow.
fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}
