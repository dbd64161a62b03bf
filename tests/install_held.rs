//! Files and folders that nobody can replace, because an administrator made them immutable or append-only.

mod installing;

use cumulate::bundle::{Hook, When};
use cumulate::disk::Disk;
use cumulate::install::{Condition, Options, apply, rollback, status};
use cumulate::report::{Error, ErrorCode};
use installing::*;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An installation whose flags are taken away at the end, so that it can be removed.
struct Site {
    dir: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = chattr("-ia", &self.dir.join("bin"), true) && chattr("-ia", &self.dir, true);
    }
}

fn chattr(flag: &str, path: &Path, deep: bool) -> bool {
    let deep = if deep { &["-R"][..] } else { &[] };
    Command::new("chattr").args(deep).arg(flag).arg(path).output().is_ok_and(|o| o.status.success())
}

impl Site {
    /// None where this user or this file system has no such flags.
    fn new() -> Option<Self> {
        let scratch = scratch();
        let dir = scratch.path().join("acme");
        std::fs::create_dir(&dir).unwrap();
        lay(&dir, &base());
        let probe = scratch.path().join("probe");
        std::fs::write(&probe, "").unwrap();
        if !chattr("+i", &probe, false) {
            eprintln!("chattr +i does nothing here, so this is not tested");
            return None;
        }
        assert!(chattr("-i", &probe, false));
        Some(Self { dir, _scratch: scratch })
    }

    fn set(&self, flag: &str, path: &str) {
        assert!(chattr(flag, &self.dir.join(path), false), "{flag} {path}");
    }

    #[track_caller]
    fn refused<T: std::fmt::Debug>(&self, act: impl Fn() -> Result<T, Error>, flag: &str, path: &str) {
        self.set(&format!("+{flag}"), path);
        let before = listing(&self.dir);
        let e = act().unwrap_err();
        assert_eq!((e.code, Path::new(&e.subject)), (ErrorCode::Blocked, &*self.dir.join(path)), "{e}");
        assert!(e.next.contains(&format!("chattr -{flag} {}", self.dir.join(path).display())), "{e:?}");
        assert_eq!(listing(&self.dir), before, "{flag} {path}: nothing was written");
        self.set(&format!("-{flag}"), path);
    }
}

fn base() -> World {
    world(&["bin/tool * old", "lib/core = core 1", "lib/gone = gone", "lib/stays = stays"])
}

fn target() -> World {
    world(&["bin/tool * new", "lib/core = core 2", "lib/new = new", "lib/stays = stays"])
}

#[test]
fn what_nobody_can_replace_is_refused_before_anything_is_written() {
    let Some(site) = Site::new() else { return };
    let made = Made::new("2", &[("1", &base())], &target(), &[]);
    let run = || apply(&Disk::real(), &site.dir, &made.release(), &Options::default());
    let dry = || apply(&Disk::real(), &site.dir, &made.release(), &Options { dry_run: true, ..Options::default() });
    let in_place =
        || apply(&Disk::real(), &site.dir, &made.release(), &Options { in_place: true, ..Options::default() });
    let back = || rollback(&Disk::real(), &site.dir);
    for flag in ["i", "a"] {
        for path in ["lib/core", "lib/gone", "lib", "bin/tool"] {
            site.refused(run, flag, path);
            site.refused(dry, flag, path);
            site.refused(in_place, flag, path);
        }
        assert!(!site.dir.join(".cumulate").exists());
        // What is not touched may be held.
        site.set(&format!("+{flag}"), "lib/stays");
        run().unwrap();
        assert_eq!(tree_of(&site.dir), tree(&target()));
        for path in ["lib/core", "lib/new", "lib", "bin/tool"] {
            site.refused(back, flag, path);
        }
        back().unwrap();
        assert_eq!(tree_of(&site.dir), tree(&base()));
        site.set(&format!("-{flag}"), "lib/stays");
        std::fs::remove_dir_all(site.dir.join(".cumulate")).unwrap();
    }
}

/// Where a file is held only after the check, what had changed goes back, and the held file stands as it should.
#[test]
fn undoing_does_not_fail_at_a_file_that_was_never_replaced() {
    let Some(site) = Site::new() else { return };
    let mut made = Made::new("2", &[("1", &base())], &target(), &[]);
    let holds = ["sh", "-c", "test -e ../calm || chattr +i lib/core"].map(String::from).to_vec();
    let hook =
        Hook { id: "F1#1".into(), when: When::Before, run: holds, undo: vec![], timeout: 20, irreversible: false };
    made.routes[0].hooks = vec![hook];
    let run = || apply(&Disk::real(), &site.dir, &made.release(), &Options::default());
    let e = run().unwrap_err();
    assert_eq!(Path::new(&e.subject), site.dir.join("lib/core"), "{e}");
    assert!(e.next.contains("chattr -i") && !e.message.contains("interrupted"), "{e:?}");
    assert_eq!(tree_of(&site.dir), tree(&base()));
    assert_eq!(status(&Disk::real(), &site.dir).unwrap().state, Condition::None);
    site.set("-i", "lib/core");
    std::fs::write(site.dir.with_file_name("calm"), "").unwrap();
    run().unwrap();
    assert_eq!(tree_of(&site.dir), tree(&target()));
}
