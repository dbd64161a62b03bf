//! What a power cut leaves: the recorded operations done again without those that it may take away.

use cumulate::disk::{Disk, Trace};
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
pub enum Luck {
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
pub fn replay(trace: &[Trace], from: &Path, to: &Path, luck: Luck) {
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
pub fn copy(from: &Path, to: &Path) {
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

/// Everything, nothing, and `more` draws.
pub fn lucks(n: u64, more: u64) -> Vec<Luck> {
    let drawn = (0..more).map(|k| Luck::Some(n * 1000 + k));
    [Luck::Everything, Luck::Nothing].into_iter().chain(drawn).collect()
}
