//! One step: what a fix makes of a state of a group, or why it does not apply.

use super::cell::Cell;
use super::join::Join;
use super::replay::{Cells, Group, Replay, Step};
use crate::fix::Change;
use crate::patch::{FilePatch, Mode, Reject, RejectReason, apply_all};
use crate::tree::{Entry, TreePath};
use std::sync::Arc;

impl<'a> Replay<'a> {
    pub(super) fn apply(&self, group: &Group<'a>, cells: &Cells, fix: usize) -> Result<Cells, Reject> {
        // What does not touch the group changes nothing in it.
        let Some(step) = group.steps.get(fix) else { return Ok(cells.clone()) };
        let joins = self.joins(group, cells, fix)?;
        let mut next = cells.clone();
        let mut set = |path: &TreePath, cell: Option<Arc<Cell>>| {
            if let Ok(i) = group.paths.binary_search(&path) {
                next[i] = cell;
            }
        };
        let mut line = 0;
        match step {
            Step::Patch(parts) => {
                let files = parts.files();
                line = files.first().map_or(0, |f| f.line);
                let rest: Vec<FilePatch>;
                let files = if joins.is_empty() {
                    files
                } else {
                    let joined = |p: &Option<TreePath>| joins.iter().any(|j| p.as_ref() == Some(group.paths[j.at]));
                    rest = files.iter().filter(|f| !joined(&f.new)).cloned().collect();
                    &rest
                };
                for (path, state) in apply_all(files, |p| self.read(group, cells, p))?.changes {
                    set(&path, state.map(|s| Arc::new(Cell::of_bytes(s.mode, s.content))));
                }
            }
            Step::Overlay(changes) => self.overlay(group, cells, changes, &joins, &mut set)?,
        }
        for join in joins {
            next[join.at] = Some(join.cell);
        }
        for (above, below) in &group.nested {
            if next[*above].is_some() && next[*below].is_some() {
                let reason = RejectReason::ParentIsFile(group.paths[*above].clone());
                return Err(Reject { path: group.paths[*below].clone(), hunk: None, line, reason });
            }
        }
        for (i, folder) in group.folders.iter().enumerate() {
            if *folder && next[i].is_some() {
                let path = group.paths[i].clone();
                return Err(Reject { path, hunk: None, line, reason: RejectReason::WrongKind });
            }
        }
        Ok(next)
    }

    /// Everything leaves before anything arrives, so that two files of one overlay may swap their names.
    fn overlay(
        &self,
        group: &Group<'_>,
        cells: &Cells,
        changes: &[&Change],
        joins: &[Join<'_>],
        set: &mut impl FnMut(&TreePath, Option<Arc<Cell>>),
    ) -> Result<(), Reject> {
        let refuse = |path: &TreePath, reason| Err(Reject { path: path.clone(), hunk: None, line: 0, reason });
        let cell = |p: &TreePath| group.paths.binary_search(&p).ok().and_then(|i| cells[i].clone());
        let mut gone = std::collections::BTreeSet::new();
        for change in changes {
            if let Change::Delete { path } | Change::Rename { from: path, .. } = change {
                if cell(path).is_none() || !gone.insert(path) {
                    let folder = group.is_folder(cells, path);
                    return refuse(path, if folder { RejectReason::IsFolder } else { RejectReason::Missing });
                }
                set(path, None);
            }
        }
        for change in changes {
            let (path, new) = match change {
                Change::Delete { .. } => continue,
                Change::Rename { from, to } => {
                    if cell(to).is_some() && !gone.contains(to) {
                        return refuse(to, RejectReason::Exists);
                    }
                    (to, cell(from))
                }
                Change::Put { path, .. } if joins.iter().any(|j| group.paths[j.at] == path) => continue,
                Change::Put { path, mode, digest, size, built_on } => {
                    match (built_on, cell(path)) {
                        (Some(_), None) => return refuse(path, RejectReason::Missing),
                        (Some(built_on), Some(now)) if now.digest != *built_on => {
                            return refuse(path, RejectReason::NotBuiltOn(*built_on));
                        }
                        _ => {}
                    }
                    (path, Some(Arc::new(Cell::stored(*mode, *digest, *size))))
                }
                Change::Link { path, target } => {
                    (path, Some(Arc::new(Cell::of_bytes(Mode::Symlink, target.as_bytes().into()))))
                }
            };
            for above in path.ancestors() {
                if group.paths.binary_search(&&above).is_err()
                    && matches!(self.start.get(&above), Some(Entry::File { .. } | Entry::Symlink { .. }))
                {
                    return refuse(path, RejectReason::ParentIsFile(above));
                }
            }
            set(path, new);
        }
        Ok(())
    }
}
