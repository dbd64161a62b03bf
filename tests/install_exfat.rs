//! A real file system without hard links, symbolic links and modes, which takes letters of all scripts in either case for one.

mod installing;

use cumulate::disk::Disk;
use cumulate::install::{Condition, Options, apply, rollback, status};
use cumulate::report::ErrorCode;
use installing::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(script: &str, at: &Path) -> Option<String> {
    let out = Command::new("sh").args(["-euc", script]).current_dir(at).output().unwrap();
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// An exFAT of so many MiB in a file, mounted until it is dropped.
struct ExFat {
    at: PathBuf,
    device: String,
    _scratch: tempfile::TempDir,
}

impl ExFat {
    fn of(mebibytes: u32) -> Option<Self> {
        let scratch = tempfile::tempdir().unwrap();
        let mount = format!(
            "truncate -s {mebibytes}M image; mkfs.exfat image >&2; mkdir at; l=$(losetup -f --show image)
             mount.exfat-fuse -o fmask=0022,dmask=0022 $l at >&2 || {{ losetup -d $l; exit 1; }}; echo $l"
        );
        let Some(device) = run(&mount, scratch.path()) else {
            eprintln!("NOT RUN: no exFAT can be mounted here (root, exfat-fuse, exfatprogs)");
            return None;
        };
        Some(Self { at: scratch.path().join("at"), device, _scratch: scratch })
    }

    fn folder(&self, name: &str, world: &World) -> PathBuf {
        let dir = self.at.join(name);
        fs::create_dir(&dir).unwrap();
        lay(&dir, world);
        dir
    }

    fn used(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.at).unwrap();
        (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    }
}

impl Drop for ExFat {
    fn drop(&mut self) {
        let _ = run(&format!("umount at; losetup -d {}", self.device), self.at.parent().unwrap());
    }
}

/// So many executable files (there are no others on exFAT) of `size` bytes.
fn files(n: usize, size: usize, letter: char) -> World {
    let text = |i: usize| format!("{i}{}", letter.to_string().repeat(size));
    (0..n).map(|i| (format!("lib/f{i}"), Node::File(text(i).into(), 0o755))).collect()
}

#[test]
#[ignore = "needs root, exfat-fuse and exfatprogs"]
fn the_disk_for_copies_of_old_files_is_stated_where_there_are_no_hard_links() {
    const N: usize = 6;
    const SIZE: usize = 900_000;
    let Some(exfat) = ExFat::of(64) else { return };
    let (old, new) = (files(N, SIZE, 'o'), files(N, SIZE, 'n'));
    let made = Made::new("2", &[("1", &old)], &new, &[]);
    let (dir, linked) = (exfat.folder("here", &old), scratch());
    lay(linked.path(), &old);
    let dry = Options { dry_run: true, ..Options::default() };
    let plain = apply(&Disk::real(), linked.path(), &made.release(), &dry).unwrap().disk;
    let stated = apply(&Disk::real(), &dir, &made.release(), &dry).unwrap().disk;
    assert!(stated >= plain + (N * SIZE) as u64, "{stated} with copies, {plain} with links");
    let before = exfat.used();
    apply(&Disk::real(), &dir, &made.release(), &Options::default()).unwrap();
    // Old and new files are both there, and nothing of the staging folder.
    let taken = exfat.used() - before;
    println!(
        "{N} files of {SIZE} bytes: {plain} bytes of disk with links, {stated} with copies, {taken} taken after it"
    );
    assert!(taken >= (N * SIZE) as u64 && taken <= stated, "{taken} of {stated}");
    assert_eq!(tree_of(&dir), tree(&new));
    rollback(&Disk::real(), &dir).unwrap();
    assert_eq!(tree_of(&dir), tree(&old));

    // With room for the new files alone, it is refused before anything is written.
    let stat = rustix::fs::statvfs(&exfat.at).unwrap();
    let free = stat.f_bavail * stat.f_frsize;
    fs::write(exfat.at.join("filler"), vec![1; usize::try_from(free - (plain + stated) / 2).unwrap()]).unwrap();
    let e = apply(&Disk::real(), &dir, &made.release(), &Options::default()).unwrap_err();
    assert_eq!(e.code, ErrorCode::NoSpace, "{e}");
    assert_eq!(tree_of(&dir), tree(&old));
    assert_eq!(status(&Disk::real(), &dir).unwrap().state, Condition::None);
}

#[test]
#[ignore = "needs root, exfat-fuse and exfatprogs"]
fn letters_of_all_scripts_that_are_one_name_are_refused_before_anything_is_written() {
    let Some(exfat) = ExFat::of(64) else { return };
    let old = world(&["x * 1", "d/\u{e9}t\u{e9} * 1"]);
    let with = |more: &[&str]| old.clone().into_iter().chain(world(more)).collect::<World>();
    let cases = [
        (with(&["\u{c4} * 2", "\u{e4} * 3"]), false),
        (with(&["d/\u{c9}T\u{c9} * 2"]), false),
        (with(&["new/\u{434}\u{430} * 2", "new/\u{414}\u{430} * 3"]), false),
        (with(&["\u{e9}/1 * 2", "\u{c9}/2 * 3"]), false),
        (with(&["1/2/a * 2", "1/2/A * 3"]), false),
        // Composed and decomposed are two names to exFAT, and so are the same letters in two folders.
        (with(&["\u{e9} * 2", "e\u{301} * 3", "new/\u{c9} * 4"]), true),
    ];
    for (n, (new, fine)) in cases.iter().enumerate() {
        let dir = exfat.folder(&n.to_string(), &old);
        let made = Made::new("2", &[("1", &old)], new, &[]);
        let done = apply(&Disk::real(), &dir, &made.release(), &Options::default());
        if *fine {
            done.unwrap();
            assert_eq!(tree_of(&dir), tree(new));
            rollback(&Disk::real(), &dir).unwrap();
        } else {
            let e = done.unwrap_err();
            assert!([ErrorCode::Unsupported, ErrorCode::Blocked].contains(&e.code), "{n}: {e}");
            println!("{e}");
            assert!(!dir.join(".cumulate").exists(), "{n}");
        }
        assert_eq!(tree_of(&dir), tree(&old), "{n}");
    }
}
