//! Applying where there is no room for two versions of everything: the files that only need their own old content are
//! made, kept as what the new one lacks of the old one, and replaced one by one.

use super::ahead::ahead;
use super::preflight;
use super::read_back::read_one;
use super::release::{Release, Route};
use super::reverse::{lacking, same, whole};
use super::scan::{self, gone};
use super::stage::{decoded, file, job, meta, slot};
use super::state::{Generation, State};
use super::steps::{Op, Work, is_reversed};
use crate::bundle::{Action, Class};
use crate::disk::{Disk, has_holes};
use crate::report::{Error, ErrorCode, Finding, Result};
use crate::tree::{Digest, Entry, Hasher};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Chooses the files that are replaced one by one, and makes each of them once in memory, so that a delta that lies and
/// too little room are found before anything is written. Returns the bytes of disk needed at most, also for going back.
///
/// # Errors
/// `bad-delta`, `io`.
pub fn rehearse(dir: &Path, release: &Release<'_>, route: &Route, work: &mut Work) -> Result<u64> {
    let (mut now, mut peak) = (0i64, 0i64);
    for (n, making) in &mut work.makings {
        let (op, full) = (&work.ops[*n], work.ops[*n].path.under(dir));
        let (Some(old @ Entry::File { .. }), Some(new @ Entry::File { digest, size, .. })) = (&op.before, &op.after)
        else {
            continue;
        };
        // Of several files with the old content its own serves.
        if let Some((from, digest)) = &mut making.source
            && old.digest() == Some(*digest)
        {
            from.clone_from(&full);
        }
        // What another file is made from has to be there still, so that is staged with everything else.
        let own = making.source.as_ref().is_none_or(|(from, _)| *from == full);
        let ours = route.class(&op.path) == Class::Code && !work.beside.contains_key(&op.path);
        let equal = old.same_content(new);
        let made = equal || matches!(making.action, Action::Delta { .. } | Action::Full { .. });
        let alone = meta(&full)?.is_some_and(|m| m.nlink() == 1);
        if !(own && ours && made && alone) {
            continue;
        }
        let mut kept = 0;
        let mut count = |bytes: &[u8]| {
            kept += bytes.len() as u64;
            Ok(())
        };
        if equal {
            same(*size, &mut count)?;
        } else {
            let bytes = decoded(release, (op, making), (*digest, *size))?;
            lacking(&bytes, &mut scan::open(&full)?, &mut count, &full)?;
        }
        let room = |size: u64| i64::try_from(preflight::room(size)).unwrap_or(i64::MAX);
        peak = peak.max(now.saturating_add(room(*size)).saturating_add(room(kept)));
        now = now.saturating_add(room(*size)).saturating_add(room(kept)).saturating_sub(room(old.size()));
        work.reversed.push(op.path.clone());
    }
    work.reversed.sort();
    let staged = preflight::written(work);
    Ok(preflight::space(staged, route).saturating_add(u64::try_from(peak).unwrap_or(0)))
}

/// Where there is no room for both versions of all files: the refusal, with whether one by one there would be.
pub fn instead(refused: Error, disk: &Disk, dir: &Path, at: (&Release<'_>, &Route), work: &mut Work) -> Error {
    let need = rehearse(dir, at.0, at.1, work).and_then(|n| Ok(n.saturating_add(preflight::copied(disk, dir, work)?)));
    let (Ok(need), Ok(free)) = (need, disk.free_space(dir)) else { return refused };
    let next = match need <= free {
        true => format!("{}, or use --in-place, which takes {need} bytes", refused.next),
        false => format!("{}; --in-place does not fit either, it takes {need} bytes", refused.next),
    };
    refused.next(next)
}

/// Makes the new file of one operation, keeps what it lacks of the old one, and puts it in its place.
///
/// # Errors
/// As staging; `source-changed` if the old file is not what it was.
pub fn replace(
    disk: &Disk,
    state: &State,
    release: &Release<'_>,
    work: &Work,
    (generation, mtime): (&Generation, Option<i64>),
    (n, op): (usize, &Op),
) -> Result<Option<Finding>> {
    let (Some(Entry::File { size, exec, .. }), Some(making)) = (&op.after, work.makings.get(&n)) else {
        return Err(Error::new(ErrorCode::Internal, &op.path, "an operation has no content"));
    };
    let (stage, backup) = (state.stage(), state.backup(generation.generation));
    let (to, full) = (slot(&stage, n), op.path.under(&state.dir));
    let jobs: Vec<_> = job(n, op, making).into_iter().collect();
    let (new, lost) =
        ahead(release, &jobs, None, |next| file(disk, state, (n, op, making), &to, (*size, *exec), mtime, next))?;
    read_one(release, (op, making), &to)?;
    new.sync()?;
    disk.sync_folder(&stage)?;
    keep(disk, op, (&to, &full), &slot(&backup, n))?;
    disk.sync_folder(&backup)?;
    disk.rename(&to, &full)?;
    disk.sync_folder(full.parent().unwrap_or(&state.dir))?;
    Ok(preflight::lost(&op.path, lost))
}

/// The kept file has mode, owner, time and attributes of the old one, so that these come back as well.
fn keep(disk: &Disk, op: &Op, (new, old): (&Path, &Path), to: &Path) -> Result<()> {
    let mut kept = disk.create(to, 0o600)?;
    match (&op.before, &op.after) {
        (Some(before), Some(after)) if before.same_content(after) => same(after.size(), &mut |b| kept.put(b))?,
        _ => {
            let bytes = fs::read(new).map_err(|e| Error::io(new.display(), &e))?;
            let mut from = Hashing { file: scan::open(old)?, hasher: Hasher::new() };
            lacking(&bytes, &mut from, &mut |b| kept.put(b), old)?;
            if op.before.as_ref().and_then(Entry::digest) != Some(from.hasher.finish()) {
                return Err(scan::changed(old.to_path_buf()));
            }
        }
    }
    disk.take_after(&kept, old, false)
}

struct Hashing {
    file: File,
    hasher: Hasher,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}

/// The folder in which old files are made again.
pub fn prepare(disk: &Disk, state: &State) -> Result<()> {
    match disk.mkdir(&state.stage(), 0o700) {
        Err(e) if e.code == ErrorCode::Exists => {}
        made => made?,
    }
    state.sync(disk)
}

/// Puts the old file of one operation back, if it is not there.
///
/// # Errors
/// `bad-state` if what is kept does not make it, `no-space`, `io`.
pub fn put_back(disk: &Disk, state: &State, generation: u64, (n, op): (usize, &Op)) -> Result<()> {
    let (full, kept) = (op.path.under(&state.dir), slot(&state.backup(generation), n));
    if scan::look(&full)?.found.entry() != op.before.as_ref() {
        let again = slot(&state.stage(), n);
        if scan::stamp(&again)?.is_some() {
            disk.unlink(&again)?;
        }
        let mut new = disk.create(&again, 0o600)?;
        let sparse = meta(&full)?.is_some_and(|m| has_holes(&m));
        makes(op, &full, &kept, &mut |bytes| new.put(bytes))?;
        disk.take_after(&new, &kept, sparse)?;
        disk.sync_folder(&state.stage())?;
        disk.rename(&again, &full)?;
        disk.sync_folder(full.parent().unwrap_or(&state.dir))?;
    }
    if scan::stamp(&kept)?.is_some() {
        disk.unlink(&kept)?;
    }
    Ok(())
}

/// Checks that every old file that is not kept whole can be made again, and that there is room to.
///
/// # Errors
/// `bad-state`, `drift` for a file that was changed and that the old one is made from, `no-space`.
pub fn check(disk: &Disk, state: &State, generation: &Generation) -> Result<()> {
    let (mut now, mut peak) = (0i64, 0i64);
    let room = |size: u64| i64::try_from(preflight::room(size)).unwrap_or(i64::MAX);
    for (n, op) in generation.ops.iter().enumerate().rev().filter(|(_, op)| is_reversed(&generation.reversed, op)) {
        let kept = slot(&state.backup(generation.generation), n);
        let Some(meta) = meta(&kept)? else { continue }; // It is back already, or was never replaced.
        let size = |entry: &Option<Entry>| room(entry.as_ref().map_or(0, Entry::size));
        peak = peak.max(now.saturating_add(size(&op.before)));
        now = now.saturating_add(size(&op.before)).saturating_sub(size(&op.after)).saturating_sub(room(meta.len()));
    }
    let (free, need) = (disk.free_space(&state.dir)?, u64::try_from(peak).unwrap_or(0));
    if free < need {
        let what = format!("{need} bytes are needed to make the old files again, {free} are free");
        return Err(Error::new(ErrorCode::NoSpace, state.dir.display(), what)
            .next("free some space and run the same command again"));
    }
    Ok(())
}

/// Checks that the old file of one operation can be made from what is installed.
///
/// # Errors
/// `bad-state`, `drift`.
pub fn provable(state: &State, generation: u64, (n, op): (usize, &Op)) -> Result<()> {
    let full = op.path.under(&state.dir);
    if scan::look(&full)?.found.entry() != op.after.as_ref() {
        let what = "it was changed, and its old version is kept only as what the installed one lacks of it";
        return Err(Error::new(ErrorCode::Drift, &op.path, what)
            .next("put back the file as it was installed, then run the command again"));
    }
    makes(op, &full, &slot(&state.backup(generation), n), &mut |_| Ok(()))
}

/// Gives the old content, and checks it.
fn makes(op: &Op, new: &Path, kept: &Path, put: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let size = op.before.as_ref().map_or(0, Entry::size);
    let mut hasher = Hasher::new();
    let bad = || {
        let what = format!("the kept old version of '{}' is missing or is not what it was", op.path);
        Error::new(ErrorCode::BadState, kept.display(), what).next("install the version you want from its own package")
    };
    let mut from = match scan::open(kept) {
        Ok(file) => io::BufReader::new(file),
        Err(_) if fs::symlink_metadata(kept).is_err_and(|e| gone(&e)) => return Err(bad()),
        Err(e) => return Err(e),
    };
    let mut both = |bytes: &[u8]| {
        hasher.update(bytes);
        put(bytes)
    };
    whole(&scan::open(new)?, &mut from, size, &mut both, kept)?;
    let digest: Option<Digest> = op.before.as_ref().and_then(Entry::digest);
    if digest == Some(hasher.finish()) { Ok(()) } else { Err(bad()) }
}
