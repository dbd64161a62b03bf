//! The listing of a track: every path of its target and its bases once, as columns.
//!
//! Whoever has the signed tree digest and an installation can prove every file of it, so a file that no step touches
//! or reads is listed with the first bytes of its digest alone: enough to name it when it drifted.

use super::{BlobRef, Class, FixEntry, Provenance, ProvenancePath, Step, document, limits};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Beginning, Digest, Entry, Tree, TreePath};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a digest that name a file that no step touches. One in 65,536 drifted files goes unnamed; that the tree
/// is not the one that was released shows all the same.
const SHORT: u8 = 2;

/// One path of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) path: TreePath,
    /// What the target has there.
    pub(super) entry: Option<Entry>,
    pub(super) class: Class,
    /// Fixes that touched the path, by position in the root manifest.
    fixes: Vec<u32>,
}

/// All rows, in the order of folders and then names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) rows: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns {
    /// Each folder with the names in it.
    folders: Vec<(String, Vec<String>)>,
    /// One letter for each row.
    kinds: String,
    /// Of files with their whole digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sizes: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<String>,
    short: u8,
    /// Rows of other classes than code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    classes: BTreeMap<Class, Vec<u32>>,
    /// Rows with the fixes that touched them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<(u32, Vec<u32>)>,
}

impl Listing {
    /// Lists a target for bases that take these steps to it.
    pub(super) fn new<'s>(
        target: &Tree,
        steps: impl Iterator<Item = &'s Step>,
        config: impl Iterator<Item = &'s TreePath>,
        provenance: &Provenance,
        fixes: &[FixEntry],
    ) -> Self {
        let mut classes: BTreeMap<&TreePath, Class> = config.map(|p| (p, Class::Config)).collect();
        let mut whole: BTreeSet<&TreePath> = classes.keys().copied().collect();
        for step in steps {
            whole.insert(&step.path);
            whole.extend(super::from_of(&step.action));
            if !step.class.is_code() {
                classes.insert(&step.path, step.class);
            }
        }
        let number: BTreeMap<&str, u32> = fixes.iter().map(|f| f.id.as_str()).zip(0u32..).collect();
        let touched: BTreeMap<&TreePath, Vec<u32>> = provenance
            .paths
            .iter()
            .map(|p| (&p.path, p.fixes.iter().filter_map(|f| number.get(f.as_str()).copied()).collect()))
            .collect();
        let all: BTreeSet<&TreePath> =
            target.entries.keys().chain(whole.iter().copied()).chain(touched.keys().copied()).collect();
        let mut rows: Vec<Row> = all
            .into_iter()
            .map(|path| Row {
                path: path.clone(),
                entry: target.get(path).map(|e| if whole.contains(path) { e.clone() } else { brief(e, SHORT) }),
                class: classes.get(path).copied().unwrap_or_default(),
                fixes: touched.get(path).cloned().unwrap_or_default(),
            })
            .collect();
        rows.sort_by(|a, b| a.path.place().cmp(&b.path.place()));
        Self { rows }
    }

    /// The row of each path.
    pub(super) fn places(&self) -> BTreeMap<&TreePath, usize> {
        self.rows.iter().enumerate().map(|(n, r)| (&r.path, n)).collect()
    }

    /// What the target is, as far as it is listed.
    pub(super) fn tree(&self) -> Tree {
        let entries = self.rows.iter().filter_map(|r| Some((r.path.clone(), r.entry.clone()?)));
        Tree { entries: entries.collect() }
    }

    pub(super) fn provenance(&self, fixes: &[FixEntry]) -> Provenance {
        let id = |n: &u32| fixes.get(*n as usize).map(|f| f.id.clone());
        let touched = self.rows.iter().filter(|r| !r.fixes.is_empty());
        let mut paths: Vec<ProvenancePath> = touched
            .map(|r| ProvenancePath { path: r.path.clone(), fixes: r.fixes.iter().filter_map(id).collect() })
            .collect();
        paths.sort_by(|a, b| a.path.cmp(&b.path));
        Provenance { paths }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let mut folders: Vec<(String, Vec<String>)> = Vec::new();
        let (mut kinds, mut plain) = (String::new(), Vec::new());
        let (mut sizes, mut links) = (Vec::new(), Vec::new());
        let mut classes: BTreeMap<Class, Vec<u32>> = BTreeMap::new();
        let mut fixes = Vec::new();
        for (n, row) in (0u32..).zip(&self.rows) {
            let (folder, name) = row.path.place();
            match folders.last_mut().filter(|(f, _)| f == folder) {
                Some((_, names)) => names.push(name.into()),
                None => folders.push((folder.into(), vec![name.into()])),
            }
            kinds.push(match &row.entry {
                None => '-',
                Some(Entry::Brief { exec: false, .. }) => '.',
                Some(Entry::Brief { exec: true, .. }) => '+',
                Some(Entry::File { exec: false, .. }) => 'f',
                Some(Entry::File { exec: true, .. }) => 'x',
                Some(Entry::Symlink { .. }) => 'l',
                Some(Entry::Folder) => 'd',
            });
            match &row.entry {
                Some(Entry::Brief { begins, .. }) => plain.extend(&begins.padded().0[..usize::from(SHORT)]),
                Some(Entry::File { digest, size, .. }) => {
                    plain.extend(digest.0);
                    sizes.push(*size);
                }
                Some(Entry::Symlink { target }) => links.push(target.clone()),
                Some(Entry::Folder) | None => {}
            }
            if !row.class.is_code() {
                classes.entry(row.class).or_default().push(n);
            }
            if !row.fixes.is_empty() {
                fixes.push((n, row.fixes.clone()));
            }
        }
        let columns = Columns { folders, kinds, sizes, links, short: SHORT, classes, fixes };
        document::encode_with(&plain, &columns, "listing")
    }

    /// Reads a listing whose document has at most `max` bytes, of a release with so many fixes.
    ///
    /// # Errors
    /// `bad-bundle`, `limit`.
    pub(super) fn decode(blob: &BlobRef, bytes: &[u8], max: u64, fixes: usize) -> Result<Self> {
        let (plain, frames) = document::split(blob, bytes, "listing")?;
        let columns: Columns = document::decode(blob, frames, max, "listing")?;
        read(columns, plain, fixes).map_err(|why| {
            Error::new(ErrorCode::BadBundle, format!("listing {}", blob.digest), why)
                .next("fetch the bundle again from where it was released")
        })
    }
}

/// The entry with the beginning of its digest alone, where it is a file.
pub(super) fn brief(entry: &Entry, bytes: u8) -> Entry {
    match entry {
        Entry::File { digest, exec, .. } => match Beginning::new(&digest.0[..usize::from(bytes)]) {
            Some(begins) => Entry::Brief { begins, exec: *exec },
            None => entry.clone(),
        },
        other => other.clone(),
    }
}

fn read(columns: Columns, plain: &[u8], fixes: usize) -> Result<Listing, String> {
    let Columns { folders, kinds, sizes, links, short, classes, fixes: touched } = columns;
    if !(1..32).contains(&short) {
        return Err(format!("brief digests of {short} bytes"));
    }
    let mut digests = Plain(plain);
    let (mut sizes, mut links, mut kinds) = (sizes.into_iter(), links.into_iter(), kinds.chars());
    let mut rows: Vec<Row> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut above: Option<String> = None;
    for (folder, names) in folders {
        if names.is_empty() || above.as_ref().is_some_and(|a| *a >= folder) {
            return Err(format!("the folder '{folder}' is empty, stands twice or out of order"));
        }
        let mut last: Option<&str> = None;
        for name in &names {
            if name.contains('/') || last.is_some_and(|l| l >= name.as_str()) {
                return Err(format!("'{folder}/{name}' stands twice or out of order"));
            }
            last = Some(name);
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let path = TreePath::parse(&path).map_err(|e| e.to_string())?;
            if rows.len() as u64 >= limits::PATHS || !seen.insert(path.clone()) {
                return Err(format!("too many paths, or '{path}' stands twice"));
            }
            let few = || format!("it ends before the row of '{path}'");
            let entry = match kinds.next().ok_or_else(few)? {
                '-' => None,
                kind @ ('.' | '+') => {
                    let begins = digests.take(short.into()).and_then(Beginning::new).ok_or_else(few)?;
                    Some(Entry::Brief { begins, exec: kind == '+' })
                }
                kind @ ('f' | 'x') => Some(Entry::File {
                    digest: digests.whole().ok_or_else(few)?,
                    size: sizes.next().ok_or_else(few)?,
                    exec: kind == 'x',
                }),
                'l' => Some(Entry::Symlink { target: links.next().ok_or_else(few)? }),
                'd' => Some(Entry::Folder),
                other => return Err(format!("unknown kind '{}'", other.escape_debug())),
            };
            rows.push(Row { path, entry, class: Class::Code, fixes: Vec::new() });
        }
        above = Some(folder);
    }
    if !digests.0.is_empty() || sizes.next().is_some() || links.next().is_some() || kinds.next().is_some() {
        return Err("it says more than its rows need".into());
    }
    for (class, numbers) in classes {
        if class.is_code() || numbers.windows(2).any(|w| w[0] >= w[1]) {
            return Err("its classes are out of order".into());
        }
        for n in numbers {
            let row = rows.get_mut(n as usize).filter(|r| r.class.is_code()).ok_or("a class of no row, or of two")?;
            row.class = class;
        }
    }
    if touched.windows(2).any(|w| w[0].0 >= w[1].0) {
        return Err("its fixes are out of order".into());
    }
    for (n, by) in touched {
        let row = rows.get_mut(n as usize).ok_or("fixes of no row")?;
        if by.is_empty() || by.iter().any(|f| *f as usize >= fixes) {
            return Err("it names a fix that the release does not have".into());
        }
        row.fixes = by;
    }
    Ok(Listing { rows })
}

/// Plain bytes that are taken one after another.
pub(super) struct Plain<'b>(pub(super) &'b [u8]);

impl<'b> Plain<'b> {
    pub(super) fn take(&mut self, n: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn whole(&mut self) -> Option<Digest> {
        self.take(32)?.try_into().ok().map(Digest)
    }

    /// Eight bytes, big-endian.
    pub(super) fn size(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_be_bytes)
    }
}
