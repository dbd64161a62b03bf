//! Power cuts: what was not synced is lost, kept, reordered or torn, at every point of `apply` and
//! `rollback`.
//!
//! The disk records what the installer does. For a cut after operation n the recorded operations are
//! done again on a copy of the start, without those that a power cut may take away: names whose
//! folder, and contents whose file, had not been synced yet.

mod installing;

use cumulate::disk::{Disk, FaultPlan, Trace};
use cumulate::install::{Condition, Doing, Options, apply, rollback, status};
use cumulate::report::ErrorCode;
use installing::*;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A small generator with a fixed seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// What is lost of all that is not durable.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Luck {
    Everything,
    Nothing,
    Some(u64),
}

fn durable(trace: &[Trace], at: usize) -> bool {
    let later = &trace[at + 1..];
    // A folder whose removal is durable has lost its names durably, too.
    let removed = |path: &Path| {
        (at + 1..trace.len()).any(|i| matches!(&trace[i], Trace::Rmdir { path: p } if p == path) && durable(trace, i))
    };
    let folder =
        |path: &Path| later.iter().any(|t| matches!(t, Trace::SyncFolder { path: p } if p == path)) || removed(path);
    let file = |path: &Path| {
        later
            .iter()
            // What is done to another file of that name later says nothing about this one.
            .take_while(|t| !matches!(t, Trace::Create { path: p, .. } if p == path))
            .any(|t| matches!(t, Trace::SyncFile { path: p } if p == path))
    };
    if later.contains(&Trace::SyncAll) {
        return true;
    }
    match &trace[at] {
        Trace::Create { path, .. }
        | Trace::Rename { to: path, .. }
        | Trace::Link { to: path, .. }
        | Trace::Symlink { path, .. }
        | Trace::Unlink { path }
        | Trace::Mkdir { path, .. }
        | Trace::Rmdir { path } => folder(path.parent().unwrap()),
        Trace::Write { path, .. } => file(path),
        Trace::Mode { path, .. } | Trace::Mtime { path, .. } => file(path) || folder(path),
        Trace::SyncFile { .. } | Trace::SyncFolder { .. } | Trace::SyncAll => true,
    }
}

/// Does the recorded operations again on `to`, a copy of what `from` was at the start.
fn replay(trace: &[Trace], from: &Path, to: &Path, luck: Luck) {
    let mut dice = Dice(if let Luck::Some(seed) = luck { seed } else { 0 });
    let map = |p: &PathBuf| to.join(p.strip_prefix(from).unwrap());
    for (at, what) in trace.iter().enumerate() {
        let mut torn = false;
        if !durable(trace, at) {
            match luck {
                Luck::Everything => continue,
                Luck::Nothing => {}
                Luck::Some(_) => match dice.roll(3) {
                    0 => continue,
                    1 => torn = true,
                    _ => {}
                },
            }
        }
        // Modes and times belong to the file or folder that had the name then.
        if let Trace::Mode { path, .. } | Trace::Mtime { path, .. } = what {
            let file = trace[..at].iter().any(|t| matches!(t, Trace::Create { path: p, .. } if p == path));
            if map(path).is_dir() == file {
                continue;
            }
        }
        // An operation whose ground was lost is lost with it.
        let _ = again(what, &map, torn);
    }
}

fn again(what: &Trace, map: &dyn Fn(&PathBuf) -> PathBuf, torn: bool) -> std::io::Result<()> {
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777));
    match what {
        Trace::Create { path, mode: m } => {
            let _ = fs::remove_file(map(path));
            fs::File::create_new(map(path))?;
            mode(&map(path), *m)
        }
        Trace::Write { path, bytes } => {
            let kept = if torn { bytes.len() / 2 } else { bytes.len() };
            fs::OpenOptions::new().append(true).open(map(path))?.write_all(&bytes[..kept])
        }
        Trace::Mode { path, mode: m } => mode(&map(path), *m),
        Trace::Mtime { path, seconds, nanoseconds } => {
            let _ = Disk::real().set_mtime(&map(path), *seconds, *nanoseconds);
            Ok(())
        }
        Trace::Rename { from, to } => fs::rename(map(from), map(to)),
        Trace::Link { from, to } => {
            let _ = Disk::real().hard_link(&map(from), &map(to));
            Ok(())
        }
        Trace::Symlink { target, path } => std::os::unix::fs::symlink(target, map(path)),
        Trace::Unlink { path } => fs::remove_file(map(path)),
        Trace::Mkdir { path, mode: m } => {
            fs::create_dir(map(path))?;
            mode(&map(path), *m)
        }
        Trace::Rmdir { path } => fs::remove_dir(map(path)),
        Trace::SyncFile { .. } | Trace::SyncFolder { .. } | Trace::SyncAll => Ok(()),
    }
}

/// Copies a folder with modes, times and hard links; no other process, which would share our locks for a moment.
fn copy(from: &Path, to: &Path) {
    let mut known: BTreeMap<u64, PathBuf> = BTreeMap::new();
    let mut folders = Vec::new();
    let mut todo = vec![(from.to_path_buf(), to.to_path_buf())];
    let disk = Disk::scratch();
    while let Some((from, to)) = todo.pop() {
        let meta = fs::symlink_metadata(&from).unwrap();
        if meta.is_dir() {
            disk.mkdir(&to, meta.mode()).unwrap();
            for item in fs::read_dir(&from).unwrap() {
                let name = item.unwrap().file_name();
                todo.push((from.join(&name), to.join(&name)));
            }
            folders.push((to, meta));
        } else if let Some(first) = known.get(&meta.ino()) {
            disk.hard_link(first, &to).unwrap();
        } else {
            disk.copy(&from, &to).unwrap();
            known.insert(meta.ino(), to);
        }
    }
    for (folder, meta) in folders.iter().rev() {
        disk.set_mtime(folder, meta.mtime(), meta.mtime_nsec()).unwrap();
    }
}

fn assert_whole(dir: &Path, old: &World, new: &World, when: &str) {
    let now = tree_of(dir);
    let (old, new) = (tree(old), tree(new));
    for (path, entry) in &now.entries {
        let known = [old.get(path), new.get(path)].contains(&Some(entry));
        assert!(known || *entry == cumulate::tree::Entry::Folder, "{when}: {path} is neither old nor new: {entry:?}");
    }
    for path in old.entries.keys().filter(|p| new.get(p).is_some()) {
        let folder = old.get(path) == Some(&cumulate::tree::Entry::Folder);
        assert!(now.get(path).is_some() || folder, "{when}: {path} vanished");
    }
}

struct Story {
    made: Made,
    base: World,
    target: World,
}

impl Story {
    fn new() -> Self {
        let (base, target) = everything();
        let made = Made::new("2", &[("1", &base)], &target, CONFIG);
        Self { made, base: lived_in(&base), target: lived_in_after(&target) }
    }

    fn apply(&self, disk: &Disk, dir: &Path) -> cumulate::report::Result<cumulate::install::Applied> {
        apply(disk, dir, &self.made.release(), &Options::default())
    }

    /// After the cut: one more apply ends in the target, one more rollback in the base.
    fn assert_resumable(&self, cut: &Path, before: &BTreeMap<String, String>, when: &str) {
        assert_whole(cut, &self.base, &self.target, when);
        let other = cut.with_file_name("other");
        copy(cut, &other);
        self.apply(&Disk::real(), cut).unwrap_or_else(|e| panic!("{when}, apply: {e}"));
        assert_eq!(tree_of(cut), tree(&self.target), "{when}, apply");
        let state = status(&Disk::real(), cut).unwrap();
        assert_eq!((state.state, state.drift.len()), (Condition::Installed, 0), "{when}");
        to_base(cut, before, &format!("{when}, apply, rollback"));
        to_base(&other, before, &format!("{when}, rollback"));
    }
}

fn to_base(dir: &Path, before: &BTreeMap<String, String>, when: &str) {
    match rollback(&Disk::real(), dir) {
        Ok(_) => {}
        Err(e) => assert_eq!(e.code, ErrorCode::NoRollback, "{when}: {e}"),
    }
    let strip = |l: &BTreeMap<String, String>| {
        // Times of folders change with every name that comes or goes; only a finished rollback sets them back.
        l.iter().filter(|(p, _)| !p.ends_with('.')).map(|(p, d)| format!("{p}: {d}")).collect::<Vec<_>>()
    };
    assert_eq!(strip(&listing(dir)), strip(before), "{when}");
}

/// Everything, nothing, and `more` draws.
fn lucks(n: u64, more: u64) -> Vec<Luck> {
    let drawn = (0..more).map(|k| Luck::Some(n * 1000 + k));
    [Luck::Everything, Luck::Nothing].into_iter().chain(drawn).collect()
}

/// Cuts the power after every operation of `act`, which starts on a copy of `start`.
fn cut_everywhere(
    story: &Story,
    start: &Path,
    before: &BTreeMap<String, String>,
    what: &str,
    (step, draws): (usize, u64),
    act: impl Fn(&Disk, &Path) -> bool,
) {
    for n in (0..).step_by(step) {
        let scratch = scratch();
        let dir = scratch.path().join("acme");
        copy(start, &dir);
        let disk = Disk::with_faults(FaultPlan::stop_after(n)).recording();
        let done = act(&disk, &dir);
        let trace = disk.trace();
        for luck in lucks(n, draws) {
            let cut = scratch.path().join("cut");
            copy(start, &cut);
            replay(&trace, &dir, &cut, luck);
            let when = format!("{what}: power cut after operation {n}, {luck:?} lost");
            story.assert_resumable(&cut, before, &when);
            fs::remove_dir_all(&cut).unwrap();
            fs::remove_dir_all(scratch.path().join("other")).unwrap();
        }
        if done {
            return;
        }
    }
}

fn every_power_cut(how: (usize, u64)) {
    let story = Story::new();
    let scratch = scratch();
    let base = scratch.path().join("base");
    lay(&base, &story.base);
    let before = listing(&base);
    cut_everywhere(&story, &base, &before, "apply", how, |disk, dir| story.apply(disk, dir).is_ok());
    let applied = scratch.path().join("applied");
    copy(&base, &applied);
    story.apply(&Disk::real(), &applied).unwrap();
    cut_everywhere(&story, &applied, &before, "rollback", how, |disk, dir| rollback(disk, dir).is_ok());
    // An apply that was killed in the middle (without a cut) and is resumed, or undone, when the power goes.
    let killed = (0..)
        .map(|n| {
            let dir = scratch.path().join(format!("killed-{n}"));
            copy(&base, &dir);
            story.apply(&Disk::with_faults(FaultPlan::stop_after(n)), &dir).unwrap_err();
            dir
        })
        .filter(|dir| status(&Disk::real(), dir).unwrap().interrupted == Some(Doing::Applying))
        .nth(10)
        .unwrap();
    cut_everywhere(&story, &killed, &before, "resumed apply", how, |disk, dir| story.apply(disk, dir).is_ok());
    cut_everywhere(&story, &killed, &before, "undone apply", how, |disk, dir| rollback(disk, dir).is_ok());
}

#[test]
fn power_cuts_leave_whole_files_and_a_way_on() {
    every_power_cut((11, 3));
}

#[test]
#[ignore = "long: several power cuts after every single operation"]
fn every_power_cut_leaves_whole_files_and_a_way_on() {
    every_power_cut((1, 12));
}
