//! What an administrator tried on installations that were stopped in the middle, what rollbacks put back, and what an
//! installation remembers and says of its release.

mod installing;

#[path = "common/mod.rs"]
mod common;

use common::cumulate;
use cumulate::bundle::Class;
use cumulate::disk::{Disk, FaultPlan};
use cumulate::install::{
    Condition, Doing, Options, Outcome, RollbackOptions, apply, remember_trust, rollback, rollback_with, status,
    under_way,
};
use cumulate::report::{Code, ErrorCode};
use cumulate::trust::Policy;
use cumulate::verb::{self, Belief};
use installing::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const CLASSES: &[(&str, Class)] = &[("z.conf", Class::Config)];

fn releases() -> [World; 2] {
    ["1", "2"].map(|n| world(&["a", "b", "z.conf"].map(|path| format!("{path} = {n}")).each_ref().map(String::as_str)))
}

fn read(dir: &Path, path: &str) -> String {
    fs::read_to_string(dir.join(path)).unwrap_or_default()
}

/// An apply that was stopped when `a` was the new one, and the files after it the old ones.
fn stopped(dir: &Path, made: &Made, base: &World) {
    for n in 0.. {
        let _ = fs::remove_dir_all(dir);
        fs::create_dir(dir).unwrap();
        lay(dir, base);
        let done = apply(&Disk::with_faults(FaultPlan::stop_after(n)), dir, &made.release(), &Options::default());
        assert!(done.is_err(), "it came to its end");
        if (read(dir, "a").as_str(), read(dir, "b").as_str(), read(dir, "z.conf").as_str()) == ("2", "1", "1") {
            return;
        }
    }
}

fn aside() -> RollbackOptions {
    RollbackOptions { set_aside: true, ..RollbackOptions::default() }
}

#[test]
fn what_was_edited_after_an_apply_was_stopped_is_kept_and_blocks_no_rollback_that_may_set_it_aside() {
    let [base, target] = releases();
    let made = Made::new("2", &[("1", &base)], &target, CLASSES);
    let scratch = scratch();
    let dir = &scratch.path().join("i");
    // Of a file that was replaced already the edit is kept beside it; one that was not is the old one, edited.
    for (edited, beside, there) in [("a", "a.edited", "1"), ("b", "b", "mine")] {
        stopped(dir, &made, &base);
        fs::write(dir.join(edited), "mine").unwrap();
        let e = rollback(&Disk::real(), dir).unwrap_err();
        assert!(e.code == ErrorCode::Drift && e.next.contains("--set-aside"), "{e:?}");
        assert_eq!(status(&Disk::real(), dir).unwrap().state, Condition::Interrupted);
        let back = rollback_with(&Disk::real(), dir, &aside()).unwrap();
        assert_eq!(back.kept.len(), usize::from(beside != edited), "{back:?}");
        assert_eq!((read(dir, beside).as_str(), read(dir, edited).as_str()), ("mine", there));
        let other = if edited == "a" { "b" } else { "a" };
        assert_eq!((read(dir, other).as_str(), read(dir, "z.conf").as_str()), ("1", "1"));
        assert_eq!(status(&Disk::real(), dir).unwrap().state, Condition::None);
    }
    // A config file is the site's: nobody has to allow anything.
    stopped(dir, &made, &base);
    fs::write(dir.join("z.conf"), "mine").unwrap();
    rollback(&Disk::real(), dir).unwrap();
    assert_eq!(["a", "b", "z.conf"].map(|p| read(dir, p)), ["1", "1", "mine"]);
}

#[test]
fn a_new_version_that_was_written_into_the_old_file_is_not_taken_for_the_old_one() {
    let [base, target] = releases();
    let made = Made::new("2", &[("1", &base)], &target, CLASSES);
    let scratch = scratch();
    let dir = &scratch.path().join("i");
    stopped(dir, &made, &base);
    // The kept file is the same file still.
    fs::write(dir.join("b"), "2").unwrap();
    let e = rollback(&Disk::real(), dir).unwrap_err();
    assert!(e.code == ErrorCode::BadState && e.next.contains("'apply'"), "{e:?}");
    apply(&Disk::real(), dir, &made.release(), &Options::default()).unwrap();
    assert_eq!(tree_of(dir), tree(&target));
}

#[test]
fn of_a_rollback_that_was_stopped_nothing_is_called_lost() {
    let [base, target] = releases();
    let made = Made::new("2", &[("1", &base)], &target, CLASSES);
    let mut seen = 0;
    for n in 0.. {
        let dir = scratch();
        let dir = dir.path();
        lay(dir, &base);
        let before = listing(dir);
        apply(&Disk::real(), dir, &made.release(), &Options::default()).unwrap();
        let done = rollback(&Disk::with_faults(FaultPlan::stop_after(n)), dir);
        let now = status(&Disk::real(), dir).unwrap();
        if done.is_ok() {
            break;
        }
        assert_eq!(now.lost, None, "after operation {n}");
        if now.interrupted == Some(Doing::Restoring) {
            seen += 1;
            rollback(&Disk::real(), dir).unwrap();
            assert_eq!(listing(dir), before);
        }
    }
    assert!(seen > 3, "{seen}");
}

#[test]
fn a_removed_folder_comes_back_with_no_more_access_than_its_list_gave() {
    let (base, target) = (world(&["a = 1", "old/file = 1"]), world(&["a = 2"]));
    let dir = scratch();
    let dir = dir.path();
    lay(dir, &base);
    let folder = dir.join("old");
    // One named user may write, the group may not: the mode shows the mask.
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, perm, id) in
        [(1u16, 7u16, u32::MAX), (2, 7, 1234), (4, 5, u32::MAX), (0x10, 7, u32::MAX), (0x20, 0, u32::MAX)]
    {
        list.extend(tag.to_le_bytes());
        list.extend(perm.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let none = rustix::fs::XattrFlags::empty();
    if rustix::fs::lsetxattr(&folder, "system.posix_acl_access", &list, none).is_err() {
        println!("no access lists here");
        return;
    }
    let mode = || fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o770);
    let made = Made::new("2", &[("1", &base)], &target, &[]);
    let done = apply(&Disk::real(), dir, &made.release(), &Options::default()).unwrap();
    let told: Vec<_> = done.findings.iter().filter(|f| f.code == Code::AttributesLost).collect();
    assert!(told.len() == 1 && told[0].subject == "old" && told[0].message.contains("posix_acl_access"), "{told:?}");
    rollback(&Disk::real(), dir).unwrap();
    assert_eq!(mode(), 0o750);
}

#[test]
fn a_run_of_a_bundle_that_was_revoked_since_is_not_brought_to_its_end() {
    let scratch = tempfile::tempdir().unwrap();
    let at = scratch.path();
    let write = |path: &str, text: &str| {
        fs::create_dir_all(at.join(path).parent().unwrap()).unwrap();
        fs::write(at.join(path), text).unwrap();
    };
    cumulate(at, &["keygen", "--out", "k"]).expect(0);
    for file in ["a", "b"] {
        write(&format!("base/{file}"), "1");
    }
    for version in ["2", "3"] {
        let head = format!("[component]\nname = \"c\"\n[release]\nversion = \"{version}\"\n");
        write(&format!("r{version}/cumulate.toml"), &(head + "[[base]]\nversion = \"1\"\nsource = \"../base\"\n"));
        for file in ["a", "b"] {
            write(&format!("r{version}/fixes/F{version}/tree/{file}"), version);
        }
        let (dir, file) = (format!("r{version}"), format!("{version}.cup"));
        cumulate(at, &["build", &dir, "-o", &file, "--key", "k.key", "--no-cache"]).expect(0);
    }
    let dir = &at.join("i");
    let policy = |text: &str| Policy::parse(&format!("{text}[[key]]\nfile = \"k.pub\"\n"), "p", at).unwrap();
    let go = |disk: &Disk, file: &str, policy: Policy| {
        let belief = Belief { policy: Some(policy), ..Belief::default() };
        verb::apply(disk, &at.join(file), dir, &belief, Options::default())
    };
    for n in 0.. {
        let _ = fs::remove_dir_all(dir);
        common::copy(&at.join("base"), dir);
        go(&Disk::with_faults(FaultPlan::stop_after(n)), "2.cup", policy("")).unwrap_err();
        if read(dir, "a") == "2" && read(dir, "b") == "1" {
            break;
        }
    }
    let bundle = under_way(dir).unwrap().unwrap().bundle;
    let revoking = || policy(&format!("revoked-bundles = ['{}']\n", bundle.hex()));
    let e = go(&Disk::real(), "3.cup", revoking()).unwrap_err();
    assert!(e.code == ErrorCode::Untrusted && e.message.contains("c 2 was being installed"), "{e:?}");
    assert!(e.next.contains("rollback"), "{e:?}");
    assert_eq!((read(dir, "a"), read(dir, "b")), ("2".into(), "1".into()), "nothing was done");
    rollback(&Disk::real(), dir).unwrap();
    go(&Disk::real(), "3.cup", revoking()).unwrap();
    assert_eq!((read(dir, "a"), read(dir, "b")), ("3".into(), "3".into()));
    // What is installed may be revoked later.
    assert!(!verb::status(dir).unwrap().revoked);
    let bundle = verb::status(dir).unwrap().installed.unwrap().bundle;
    let newer = policy(&format!("revoked-bundles = ['{}']\n", bundle.hex())).to_toml().unwrap();
    assert!(remember_trust(&Disk::real(), dir, &newer).unwrap());
    assert!(verb::status(dir).unwrap().revoked);
    let text = cumulate(at, &["status", "i"]).expect(0).stdout;
    assert!(text.contains("it was revoked: get a newer release"), "{text}");
}

#[test]
fn a_release_that_was_there_before_the_first_apply_is_seen_all_the_same() {
    let [old, new] = releases();
    let dir = scratch();
    let dir = dir.path();
    lay(dir, &new);
    let go = |made: &Made, allow_downgrade| {
        apply(&Disk::real(), dir, &made.release(), &Options { allow_downgrade, ..Options::default() })
    };
    let made = Made::new("2", &[("1", &old)], &new, &[]).sequence(40);
    assert_eq!(go(&made, false).unwrap().outcome, Outcome::NothingToDo);
    let now = status(&Disk::real(), dir).unwrap();
    assert_eq!((now.state, now.sequences.get("acme")), (Condition::None, Some(&40)));
    let older = Made::new("1", &[("2", &new)], &old, &[]).sequence(5);
    assert_eq!(go(&older, false).unwrap_err().code, ErrorCode::Downgrade);
    // Where one insists, status does not call the older one the current release.
    go(&older, true).unwrap();
    let now = status(&Disk::real(), dir).unwrap();
    assert_eq!((now.sequence, now.newer()), (Some(5), Some(40)));
    let text = cumulate(dir, &["status", "."]).expect(0).stdout;
    assert!(text.contains("a newer release was seen here, of sequence 40"), "{text}");
    rollback(&Disk::real(), dir).unwrap();
    assert_eq!(tree_of(dir), tree(&new));
}

#[test]
fn where_only_the_record_of_what_is_installed_is_gone_nothing_is_taken_for_new() {
    let [old, new] = releases();
    let made = Made::new("2", &[("1", &old)], &new, &[]).sequence(2);
    let dir = scratch();
    let dir = dir.path();
    lay(dir, &old);
    apply(&Disk::real(), dir, &made.release(), &Options::default()).unwrap();
    let record = dir.join(".cumulate/installed");
    let kept = fs::read(&record).unwrap();
    fs::remove_file(&record).unwrap();
    let before = listing(dir);
    let again = || apply(&Disk::real(), dir, &made.release(), &Options::default()).map(drop);
    for e in [
        again().unwrap_err(),
        rollback(&Disk::real(), dir).map(drop).unwrap_err(),
        status(&Disk::real(), dir).map(drop).unwrap_err(),
    ] {
        assert!(e.code == ErrorCode::BadState && e.message.contains("files of acme 2 are installed here"), "{e:?}");
    }
    assert_eq!(listing(dir), before, "nothing was written");
    fs::write(&record, kept).unwrap();
    rollback(&Disk::real(), dir).unwrap();
    assert_eq!(tree_of(dir), tree(&old));
}
