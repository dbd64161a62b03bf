//! Where contents lie that can be read: in the installation, among the old files that it keeps, in a folder beside it.

use super::kept::keeps_old;
use super::scan::{Scan, scan};
use super::stage::slot;
use super::state::State;
use super::steps::{Op, is_reversed};
use crate::report::Result;
use crate::tree::{Digest, Entry, Tree};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Files by their content; any one of several.
#[derive(Debug, Default)]
pub struct Contents {
    by: BTreeMap<Digest, PathBuf>,
}

impl Contents {
    /// The files of an installation, as a look at them found them.
    pub fn of(dir: &Path, seen: &Scan) -> Self {
        let mut contents = Self::default();
        for (path, seen) in seen {
            contents.add(seen.found.entry(), || path.under(dir));
        }
        contents
    }

    /// Adds the old files that the installation keeps for rolling back, and its config files as they were shipped.
    ///
    /// # Errors
    /// As reading records.
    pub fn add_backups(&mut self, state: &State, generation: u64) -> Result<()> {
        for n in 1..=generation {
            let (record, folder) = (state.generation(n)?, state.backup(n));
            let names = fs::read_dir(state.pristine(n)).into_iter().flatten().flatten().map(|item| item.path());
            for at in names {
                let digest = at.file_name().and_then(|n| n.to_str()).and_then(Digest::from_hex);
                self.by.extend(digest.map(|d| (d, at)));
            }
            let whole = |op: &Op| keeps_old(op) && !is_reversed(&record.reversed, op);
            for (i, op) in record.ops.iter().enumerate().filter(|(_, op)| whole(op)) {
                self.add(op.before.as_ref(), || slot(&folder, i));
            }
        }
        Ok(())
    }

    /// Adds the files of another folder that stand where the installation has been looked at, and returns them.
    ///
    /// # Errors
    /// As [`scan`].
    pub fn add_folder(&mut self, folder: &Path, seen: &Scan) -> Result<Tree> {
        let mut tree = Tree::default();
        for (path, seen) in scan(folder, seen.keys())? {
            self.add(seen.found.entry(), || path.under(folder));
            tree.entries.extend(seen.found.entry().map(|e| (path, e.clone())));
        }
        Ok(tree)
    }

    fn add(&mut self, entry: Option<&Entry>, at: impl FnOnce() -> PathBuf) {
        if let Some(digest) = entry.and_then(Entry::digest) {
            self.by.entry(digest).or_insert_with(at);
        }
    }

    /// A file with the content of an entry, and that content's digest.
    pub fn find(&self, entry: &Entry) -> Option<(&PathBuf, Digest)> {
        let (digest, path) = match entry {
            Entry::File { digest, .. } => self.by.get_key_value(digest)?,
            Entry::Brief { begins, .. } => {
                self.by.range(begins.padded()..).next().filter(|(digest, _)| begins.fits(digest))?
            }
            Entry::Symlink { .. } | Entry::Folder => return None,
        };
        Some((path, *digest))
    }
}
