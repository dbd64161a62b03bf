//! In which order operations are done, and what of the site's stands in their way.

use super::planning::{Planning, blocked};
use super::scan::Found;
use super::steps::{Op, What, Work};
use crate::bundle::Class;
use crate::report::Result;
use crate::tree::{Entry, Tree, TreePath};
use std::collections::BTreeSet;

impl Planning<'_> {
    /// Orders everything: what is in the way goes first, then folders, then puts, then the other
    /// deletions, so that a file that moves is never nowhere.
    pub(super) fn finish(mut self) -> Result<Work> {
        let after = &self.route.after;
        let puts: BTreeSet<&TreePath> = self.puts.iter().map(|(op, _)| &op.path).collect();
        let folders: BTreeSet<TreePath> = self
            .route
            .steps
            .iter()
            .filter(|s| s.class == Class::Code && s.after == Some(Entry::Folder))
            .map(|s| s.path.clone())
            .collect();
        let wanted: BTreeSet<TreePath> = puts
            .iter()
            .flat_map(|p| p.ancestors())
            .chain(folders.iter().flat_map(|f| f.ancestors()))
            .chain(folders.iter().cloned())
            .collect();

        // Folders that only held what goes, deepest first.
        let mut emptied: BTreeSet<TreePath> =
            self.gone.iter().flat_map(|p| p.ancestors().collect::<Vec<_>>()).collect();
        emptied.extend(
            self.route
                .steps
                .iter()
                .filter(|s| s.class == Class::Code && s.before == Some(Entry::Folder) && s.after != Some(Entry::Folder))
                .map(|s| s.path.clone()),
        );
        emptied.retain(|f| !wanted.contains(f) && !keeps(after, f) && *self.found(f) == Found::Entry(Entry::Folder));

        let in_the_way = |path: &TreePath| wanted.contains(path) || path.ancestors().any(|a| puts.contains(&a));
        let (first, later): (Vec<TreePath>, Vec<TreePath>) = self.gone.iter().cloned().partition(|p| in_the_way(p));
        let (folders_first, folders_later): (Vec<TreePath>, Vec<TreePath>) =
            emptied.iter().rev().cloned().partition(|f| puts.contains(f) || f.ancestors().any(|a| puts.contains(&a)));

        self.check_ways(&wanted, &puts, &emptied)?;
        let before = |p: &TreePath| self.found(p).entry().cloned();
        let delete = |p: TreePath| Op { before: before(&p), path: p, what: What::Delete, after: None };
        let unfolder = |p: TreePath| Op { path: p, what: What::Unfolder, before: Some(Entry::Folder), after: None };
        let make: Vec<TreePath> =
            wanted.iter().filter(|f| *self.found(f) != Found::Entry(Entry::Folder)).cloned().collect();

        let mut ops: Vec<Op> = Vec::new();
        ops.extend(first.into_iter().map(delete));
        ops.extend(folders_first.into_iter().map(unfolder));
        ops.extend(make.into_iter().map(|p| Op {
            path: p,
            what: What::Folder,
            before: None,
            after: Some(Entry::Folder),
        }));
        let rest: Vec<Op> = later.into_iter().map(delete).chain(folders_later.into_iter().map(unfolder)).collect();
        let mut work = std::mem::take(&mut self.work);
        work.ops = ops;
        for (op, making) in self.puts {
            work.makings.insert(work.ops.len(), making);
            work.ops.push(op);
        }
        work.ops.extend(rest);
        // Where nothing is done, there is nothing to go back from.
        if !work.ops.is_empty() {
            work.ops.extend(self.kept);
        }
        Ok(work)
    }

    /// Refuses whatever of the site's stands where a folder or file has to be.
    fn check_ways(
        &self,
        wanted: &BTreeSet<TreePath>,
        puts: &BTreeSet<&TreePath>,
        emptied: &BTreeSet<TreePath>,
    ) -> Result<()> {
        for folder in wanted {
            match self.found(folder) {
                Found::Missing | Found::Entry(Entry::Folder) => {}
                _ if self.gone.contains(folder) => {}
                Found::Behind { at, .. } if self.gone.contains(at) => {}
                other => return Err(blocked(folder, &other.words())),
            }
        }
        for path in puts {
            match self.found(path) {
                Found::Entry(Entry::Folder) if !emptied.contains(*path) => return Err(blocked(path, "a folder")),
                Found::Behind { at, .. } if !self.gone.contains(at) => {
                    return Err(blocked(at, &self.found(path).words()));
                }
                _ => {}
            }
        }
        // Everything that is removed or replaced must be reachable without a link.
        for path in &self.gone {
            if let found @ Found::Behind { at, .. } = self.found(path) {
                return Err(blocked(at, &found.words()));
            }
        }
        Ok(())
    }
}

/// Whether the target has something below the folder, or the folder itself.
fn keeps(tree: &Tree, folder: &TreePath) -> bool {
    let below = format!("{folder}/");
    tree.get(folder) == Some(&Entry::Folder)
        || tree
            .entries
            .range::<str, _>((std::ops::Bound::Included(below.as_str()), std::ops::Bound::Unbounded))
            .next()
            .is_some_and(|(p, _)| p.as_str().starts_with(&below))
}
