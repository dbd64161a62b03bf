//! Reads a folder of fixes: what stands where, which id it has, in which order.

use super::judge::strangers;
use super::known::{self, Kept, Known};
use super::one::{Found, Read, read_again};
use super::realised::realised;
use super::resolutions::{Resolution, read_resolutions};
use super::series::{SeriesLine, read_series};
use super::types::{Fix, FixId};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::Store;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Everything that lies in `fixes/`.
#[derive(Debug, Default)]
pub struct FixSet {
    /// In the order of the series, or sorted by id without one.
    pub fixes: Vec<Fix>,
    /// The order where it is known.
    pub series: Option<Vec<FixId>>,
    /// By fix that another's payload realises: that one.
    pub realised: BTreeMap<FixId, FixId>,
    /// What was decided where two of them change the same lines.
    pub resolutions: Vec<Resolution>,
    /// Contents of the overlays and of the resolutions.
    pub store: Store,
    pub findings: Vec<Finding>,
    /// Set where a patch that an earlier run read is looked at, and is another one meanwhile.
    changed: Arc<AtomicBool>,
}

impl FixSet {
    /// Whether a patch that was not read again turned out to be another one: then nothing that was made of the set counts.
    pub fn changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }
}

/// Reads every fix below `dir`.
///
/// # Errors
/// `config` for ids that clash, a series that names what is not there or leaves a fix out, and `fix.toml`;
/// `bad-patch` with file and line; `io`.
pub fn read_fixes(dir: &Path) -> Result<FixSet> {
    Ok(read(dir, None)?.0)
}

/// The same, where an earlier run gave `before`: patches that nobody touched since are read only where somebody looks at
/// more than what they are about. Returns what the next run should be given, where that is something else.
///
/// # Errors
/// As [`read_fixes`].
pub fn read_fixes_again(dir: &Path, before: &[u8]) -> Result<(FixSet, Option<Vec<u8>>)> {
    let known = Known::new(before);
    let (set, records) = read(dir, Some(&known))?;
    if known.are(&records) {
        return Ok((set, None));
    }
    let records = set.fixes.iter().zip(records).filter_map(|(fix, record)| Some((&fix.id, record?))).collect();
    let list = known::list(before, records);
    Ok((set, list))
}

/// All fixes, each with what is remembered of it.
fn read<'b>(dir: &Path, known: Option<&Known<'b>>) -> Result<(FixSet, Vec<Kept<'b>>)> {
    let mut found = BTreeMap::new();
    let mut series_file = None;
    let mut strays = Vec::new();
    walk(dir, &mut found, &mut series_file, &mut strays)?;
    refuse_alike(&found)?;
    let series = match &series_file {
        Some(file) => Some(resolve(file, &read_series(file)?, &mut found)?),
        None => None,
    };
    let order: Vec<FixId> = series.clone().unwrap_or_else(|| found.keys().cloned().collect());
    let jobs: Vec<(FixId, Found)> = order.into_iter().filter_map(|id| found.remove(&id).map(|f| (id, f))).collect();
    let read: Vec<Result<Read<'b>>> = jobs.into_par_iter().map(|(id, f)| read_again(dir, id, f, known)).collect();
    let changed = known.map(|k| Arc::clone(&k.changed)).unwrap_or_default();
    let fixes = Vec::with_capacity(read.len());
    let mut set = FixSet { fixes, series, changed, ..FixSet::default() };
    let mut records = Vec::with_capacity(read.len());
    // One after the other, so that of several faults the same one is told each time.
    for read in read {
        let read = read?;
        set.fixes.push(read.fix);
        set.store.absorb(read.store);
        set.findings.extend(read.findings);
        records.push(read.record);
    }
    set.realised = realised(&mut set.fixes)?;
    set.findings.extend(strangers(&set.fixes));
    set.findings.extend(strays.iter().map(|path| stray(dir, path)));
    set.resolutions = read_resolutions(&dir.join("resolutions"), &mut set.store)?;
    Ok((set, records))
}

pub(super) fn config(subject: impl std::fmt::Display, message: impl std::fmt::Display, next: &str) -> Error {
    Error::new(ErrorCode::Config, subject, message).next(next)
}

/// A file that is part of no fix: most likely its name is misspelt.
fn stray(root: &Path, path: &Path) -> Finding {
    let name = path.strip_prefix(root).unwrap_or(path);
    let what =
        "it belongs to no fix: a patch is ID.patch or ID.diff, its metadata ID.toml beside it, an overlay ID/tree";
    Finding::new(Code::BadMetadata, name.display(), what).next("rename it, or take it out; README and .names may stay")
}

/// Notes for people may lie among the fixes.
fn is_note(name: &str) -> bool {
    name.starts_with('.') || name.starts_with("README")
}

fn walk(
    root: &Path,
    found: &mut BTreeMap<FixId, Found>,
    series: &mut Option<PathBuf>,
    strays: &mut Vec<PathBuf>,
) -> Result<()> {
    let mut todo = vec![(root.to_path_buf(), String::new())];
    while let Some((dir, prefix)) = todo.pop() {
        let items = items(&dir).map_err(|e| Error::io(dir.display(), &e))?;
        let names = || items.iter().filter_map(|(path, _)| path.file_name()?.to_str());
        let tomls: BTreeSet<String> = names().filter_map(|n| n.strip_suffix(".toml")).map(str::to_owned).collect();
        // Where there is no metadata, nobody asks which patch it belongs to.
        let stems = names().filter_map(patch_stem).filter(|_| !tomls.is_empty());
        let ids: BTreeSet<String> = stems.map(|s| variant(s).0.to_owned()).collect();
        for (path, is_folder) in items {
            let name = path.file_name().and_then(|n| n.to_str()).ok_or_else(|| {
                Error::new(ErrorCode::BadPath, path.display(), "the name of a fix is not UTF-8").next("rename it")
            })?;
            if is_note(name) {
                continue;
            }
            if is_folder {
                if prefix.is_empty() && name == "resolutions" {
                    continue;
                }
                let id = format!("{prefix}{name}");
                if path.join("fix.toml").exists() || path.join("tree").is_dir() {
                    let entry = found.entry(check_id(&id, &path)?).or_default();
                    if entry.folder.is_some() || !entry.patches.is_empty() {
                        return Err(config(&id, "two fixes have this id", "rename one of them"));
                    }
                    folder(&path, entry, strays)?;
                } else {
                    todo.push((path, format!("{id}__")));
                }
            } else if prefix.is_empty() && name == "series" {
                *series = Some(path);
            } else if let Some(stem) = patch_stem(name) {
                if stem.starts_with('@') || stem.matches('@').count() > 2 {
                    return Err(config(
                        path.display(),
                        "a variant's name is ID@BRANCH or ID@BRANCH@PLATFORM",
                        "rename the patch",
                    ));
                }
                let (id, branch, platform) = variant(stem);
                let id = format!("{prefix}{id}");
                let entry = found.entry(check_id(&id, &path)?).or_default();
                let same = entry.patches.iter().any(|(_, b, p)| (b, p) == (&branch, &platform));
                if entry.folder.is_some() || same {
                    return Err(config(&id, "two fixes have this id", "rename one of them"));
                }
                let stem = variant(stem).0;
                if tomls.contains(stem) {
                    entry.toml = Some(path.with_file_name(format!("{stem}.toml"))).filter(|toml| is_there(toml));
                }
                entry.patches.push((path, branch, platform));
            } else if !name.strip_suffix(".toml").is_some_and(|id| ids.contains(id)) {
                strays.push(path);
            }
        }
    }
    strays.sort();
    Ok(())
}

/// What lies in a folder, by name, and whether it is a folder too. What the listing itself says is not asked again.
fn items(dir: &Path) -> std::io::Result<Vec<(PathBuf, bool)>> {
    let mut items: Vec<(PathBuf, bool)> = Vec::new();
    for item in std::fs::read_dir(dir)? {
        let item = item?;
        let (path, kind) = (item.path(), item.file_type()?);
        let is_folder = kind.is_dir() || kind.is_symlink() && path.is_dir();
        items.push((path, is_folder));
    }
    items.sort_unstable_by(|(a, _), (b, _)| a.as_os_str().cmp(b.as_os_str()));
    Ok(items)
}

/// What a folder of one fix holds: patches, or a tree, and its `fix.toml`.
fn folder(path: &Path, entry: &mut Found, strays: &mut Vec<PathBuf>) -> Result<()> {
    entry.folder = Some(path.to_path_buf());
    entry.toml = Some(path.join("fix.toml")).filter(|t| is_there(t));
    for item in std::fs::read_dir(path).map_err(|e| Error::io(path.display(), &e))? {
        let file = item.map_err(|e| Error::io(path.display(), &e))?.path();
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if let Some(stem) = patch_stem(&name) {
            let (_, branch, platform) = variant(stem);
            entry.patches.push((file, branch, platform));
        } else if !matches!(name.as_str(), "fix.toml" | "tree") && !is_note(&name) {
            strays.push(file);
        }
    }
    entry.patches.sort();
    Ok(())
}

/// A file, or what stands in the place of one and is refused where it is read.
fn is_there(file: &Path) -> bool {
    file.exists() && !file.is_dir()
}

fn patch_stem(name: &str) -> Option<&str> {
    name.strip_suffix(".patch").or_else(|| name.strip_suffix(".diff"))
}

/// `ID`, `ID@BRANCH` or `ID@BRANCH@PLATFORM`; an empty part means any.
fn variant(stem: &str) -> (&str, Option<String>, Option<String>) {
    let mut parts = stem.split('@');
    let id = parts.next().unwrap_or(stem);
    let mut part = || parts.next().filter(|p| !p.is_empty()).map(str::to_owned);
    (id, part(), part())
}

/// What ids are, for messages.
pub const ID_RULE: &str =
    "an id is 1 to 200 bytes of any letters, without '/', '@' and control characters; it does not begin with '.'";

fn check_id(id: &str, at: &Path) -> Result<FixId> {
    if id.is_empty() || id.len() > 200 || id.chars().any(char::is_control) {
        return Err(config(at.display(), "this is no id for a fix", ID_RULE));
    }
    Ok(FixId(id.to_owned()))
}

/// Ids that differ in case only are one file on some machines.
fn refuse_alike(found: &BTreeMap<FixId, Found>) -> Result<()> {
    let mut seen: HashMap<String, &FixId> = HashMap::with_capacity(found.len());
    for id in found.keys() {
        if let Some(other) = seen.insert(id.0.to_lowercase(), id) {
            return Err(config(id, format!("this id and '{other}' differ in case only"), "rename one of them"));
        }
    }
    Ok(())
}

/// The series as ids; its options go to the fixes.
fn resolve(file: &Path, lines: &[SeriesLine], found: &mut BTreeMap<FixId, Found>) -> Result<Vec<FixId>> {
    let mut order: Vec<FixId> = Vec::new();
    let mut listed: HashSet<FixId> = HashSet::with_capacity(found.len());
    for line in lines {
        let at = || format!("{}:{}", file.display(), line.line);
        let stem = patch_stem(&line.name).unwrap_or(&line.name);
        let whole = FixId(stem.replace('/', "__"));
        let id = if found.contains_key(&whole) { whole } else { FixId(variant(&stem.replace('/', "__")).0.to_owned()) };
        let Some(entry) = found.get_mut(&id) else {
            return Err(config(
                at(),
                format!("the series names '{}', which is not there", line.name),
                "add the fix, or take the line out",
            ));
        };
        entry.strip = line.strip;
        entry.reverse = line.reverse;
        if !listed.insert(id.clone()) {
            return Err(config(at(), format!("the series names '{id}' twice"), "take one of the lines out"));
        }
        order.push(id);
    }
    if let Some(id) = found.keys().find(|id| !listed.contains(*id)) {
        return Err(config(
            file.display(),
            format!("the series leaves out fix '{id}'"),
            "add it where it belongs, or move the fix away",
        ));
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::Payload;

    fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let at = memchr::memmem::find(bytes, from.as_bytes()).unwrap();
        [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
    }

    fn title(set: &FixSet) -> &str {
        &set.fixes[0].meta.title
    }

    #[test]
    fn a_patch_that_nobody_touched_is_not_read_again_and_one_that_changes_meanwhile_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (patch, toml) = (dir.path().join("A.patch"), dir.path().join("A.toml"));
        let text = "Subject: one\n\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-x\n+y\n";
        std::fs::write(&patch, text).unwrap();
        let (set, list) = read_fixes_again(dir.path(), &[]).unwrap();
        assert_eq!((title(&set), list), ("one", None), "what was written a moment ago is not remembered");
        std::thread::sleep(std::time::Duration::from_millis(2_100));
        let whole = read_fixes(dir.path()).unwrap();
        let list = read_fixes_again(dir.path(), &[]).unwrap().1.unwrap();
        let (set, after) = read_fixes_again(dir.path(), &list).unwrap();
        assert_eq!((set.fixes.clone(), after), (whole.fixes.clone(), None), "nothing is new");
        // That nothing is read shows where something else is remembered.
        let other = replaced(&list, "\"one\"", "\"two\"");
        assert_eq!(title(&read_fixes_again(dir.path(), &other).unwrap().0), "two");
        for cut in 0..list.len() {
            let (set, after) = read_fixes_again(dir.path(), &other[..cut]).unwrap();
            assert_eq!((set.fixes, after), (whole.fixes.clone(), Some(list.clone())), "cut at {cut}");
        }
        // What is said of it elsewhere counts too.
        std::fs::write(&toml, "title = \"three\"\n").unwrap();
        assert_eq!(title(&read_fixes_again(dir.path(), &list).unwrap().0), "three");
        std::fs::remove_file(&toml).unwrap();
        std::fs::write(dir.path().join("series"), "A.patch -R\n").unwrap();
        let (set, _) = read_fixes_again(dir.path(), &list).unwrap();
        assert_eq!(set.fixes, read_fixes(dir.path()).unwrap().fixes);
        assert_ne!(set.fixes, whole.fixes);
        std::fs::remove_file(dir.path().join("series")).unwrap();
        // Looked at too late.
        let (set, _) = read_fixes_again(dir.path(), &list).unwrap();
        std::fs::write(&patch, text.replace('y', "z")).unwrap();
        let Payload::Patch(files) = &set.fixes[0].variants[0].payload else { panic!("a patch") };
        assert_eq!((files.names().count(), set.changed()), (1, false));
        assert_eq!((files.len(), set.changed()), (0, true));
    }
}
