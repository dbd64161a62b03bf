//! Kills and failures at every single disk operation of `apply` and `rollback`.

mod installing;

use cumulate::disk::{Disk, Fault, FaultPlan};
use cumulate::install::{
    AllowDrift, Condition, EditedConfig, Options, RollbackOptions, apply, rollback, rollback_with, status,
};
use cumulate::report::ErrorCode;
use installing::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Every file of `dir` is whole: its old content or its new one; what stands in both worlds is there.
fn assert_whole(dir: &Path, old: &World, new: &World, when: &str) {
    let now = tree_of(dir);
    let (old, new) = (tree(old), tree(new));
    for (path, entry) in &now.entries {
        let known = [old.get(path), new.get(path)].contains(&Some(entry));
        let folder = *entry == cumulate::tree::Entry::Folder;
        assert!(known || folder, "{when}: {path} is neither old nor new: {entry:?}");
    }
    for path in old.entries.keys().filter(|p| new.get(p).is_some()) {
        assert!(
            now.get(path).is_some() || old.get(path) == Some(&cumulate::tree::Entry::Folder),
            "{when}: {path} vanished"
        );
    }
}

struct Story {
    made: Made,
    base: World,
    target: World,
    options: Options,
}

impl Story {
    fn new() -> Self {
        let (base, target) = everything();
        let made = Made::new("2", &[("1", &base)], &target, CONFIG);
        Self { made, base: lived_in(&base), target: lived_in_after(&target), options: Options::default() }
    }

    /// All stories: everything staged, and files replaced one by one.
    fn all() -> [Self; 2] {
        let in_place = Options { in_place: true, ..Options::default() };
        [Self::new(), Self { options: in_place, ..Self::new() }]
    }

    fn laid(&self) -> (tempfile::TempDir, BTreeMap<String, String>) {
        let dir = scratch();
        lay(dir.path(), &self.base);
        let before = listing(dir.path());
        (dir, before)
    }

    fn apply(&self, disk: &Disk, dir: &Path) -> cumulate::report::Result<cumulate::install::Applied> {
        apply(disk, dir, &self.made.release(), &self.options)
    }

    fn assert_target(&self, dir: &Path, when: &str) {
        assert_eq!(tree_of(dir), tree(&self.target), "{when}");
        let state = status(&Disk::real(), dir).unwrap();
        assert_eq!(state.state, Condition::Installed, "{when}");
        assert!(state.drift.is_empty(), "{when}: {:?}", state.drift);
    }

    fn assert_base(dir: &Path, before: &BTreeMap<String, String>, when: &str) {
        assert_same(&listing(dir), before, when);
        assert_eq!(status(&Disk::real(), dir).unwrap().state, Condition::None, "{when}");
    }
}

/// Equal but for the time of the installation's own folder, which a kill right after `.cumulate` was
/// made leaves changed: nothing could have recorded the old one.
fn assert_same(now: &BTreeMap<String, String>, before: &BTreeMap<String, String>, when: &str) {
    let strip = |l: &BTreeMap<String, String>| {
        l.iter().filter(|(p, _)| *p != ".").map(|(p, d)| format!("{p}: {d}")).collect::<Vec<_>>()
    };
    assert_eq!(strip(now), strip(before), "{when}");
}

/// Rolling back where nothing had begun is refused, and then the base must be there already.
fn to_base(dir: &Path, before: &BTreeMap<String, String>, when: &str) {
    match rollback(&Disk::real(), dir) {
        Ok(_) => {}
        Err(e) => assert_eq!(e.code, ErrorCode::NoRollback, "{when}: {e}"),
    }
    Story::assert_base(dir, before, when);
}

#[test]
fn an_apply_killed_after_any_operation_can_be_finished_and_undone() {
    for story in Story::all() {
        killed_apply(&story);
    }
}

fn killed_apply(story: &Story) {
    let mut interrupted = 0;
    for n in 0.. {
        let when = format!("apply killed after operation {n}");
        for finish in [true, false] {
            let (dir, before) = story.laid();
            let dir = dir.path();
            let done = story.apply(&Disk::with_faults(FaultPlan::stop_after(n)), dir);
            assert_whole(dir, &story.base, &story.target, &when);
            if done.is_ok() {
                story.assert_target(dir, &when);
                println!("in place: {}; {n} kill points, {interrupted} interruptions", story.options.in_place);
                assert!(interrupted > 80, "only {interrupted} kill points were interruptions");
                return;
            }
            let state = status(&Disk::real(), dir).unwrap();
            if state.state == Condition::Interrupted {
                interrupted += 1;
                assert_eq!(state.exit(), 8);
            } else if tree_of(dir) != tree(&story.base) {
                story.assert_target(dir, &when);
            }
            if finish {
                story.apply(&Disk::real(), dir).unwrap_or_else(|e| panic!("{when}: {e}"));
                story.assert_target(dir, &when);
                to_base(dir, &before, &format!("{when}, finished, rolled back"));
            } else {
                to_base(dir, &before, &when);
                story.apply(&Disk::real(), dir).unwrap_or_else(|e| panic!("{when}: {e}"));
                story.assert_target(dir, &when);
            }
        }
    }
}

#[test]
fn a_rollback_killed_after_any_operation_can_be_finished_and_applied_again() {
    for story in Story::all() {
        killed_rollback(&story);
    }
}

fn killed_rollback(story: &Story) {
    for n in 0.. {
        let when = format!("rollback killed after operation {n}");
        for again in [true, false] {
            let (dir, before) = story.laid();
            let dir = dir.path();
            story.apply(&Disk::real(), dir).unwrap();
            let done = rollback(&Disk::with_faults(FaultPlan::stop_after(n)), dir);
            assert_whole(dir, &story.base, &story.target, &when);
            if done.is_ok() {
                Story::assert_base(dir, &before, &when);
                println!("in place: {}; {n} kill points of a rollback", story.options.in_place);
                assert!(n > 40, "{n} operations");
                return;
            }
            if again {
                story.apply(&Disk::real(), dir).unwrap_or_else(|e| panic!("{when}: {e}"));
                story.assert_target(dir, &when);
                to_base(dir, &before, &format!("{when}, applied, rolled back"));
            } else {
                to_base(dir, &before, &when);
            }
        }
    }
}

#[test]
fn a_resumed_run_that_is_killed_again_still_ends_where_it_should() {
    for story in Story::all() {
        killed_again(&story);
    }
}

fn killed_again(story: &Story) {
    let (mut first, step) = (20, 13);
    loop {
        let mut ended = false;
        for second in (0..).step_by(7) {
            let when = format!("apply killed after {first}, then rollback after {second}, then apply after {second}");
            let (dir, before) = story.laid();
            let dir = dir.path();
            if story.apply(&Disk::with_faults(FaultPlan::stop_after(first)), dir).is_ok() {
                return;
            }
            let undone = rollback(&Disk::with_faults(FaultPlan::stop_after(second)), dir);
            assert_whole(dir, &story.base, &story.target, &when);
            let redone = story.apply(&Disk::with_faults(FaultPlan::stop_after(second)), dir);
            assert_whole(dir, &story.base, &story.target, &when);
            if undone.is_ok() && redone.is_ok() {
                ended = true;
            }
            story.apply(&Disk::real(), dir).unwrap_or_else(|e| panic!("{when}: {e}"));
            story.assert_target(dir, &when);
            to_base(dir, &before, &when);
            if ended {
                break;
            }
        }
        first += step;
    }
}

#[test]
fn a_second_apply_killed_anywhere_goes_back_to_the_first_one() {
    for story in Story::all() {
        second_apply(&story);
    }
}

fn second_apply(story: &Story) {
    let mut third = story.target.clone();
    third.insert("lib/core".into(), Node::File("core 3".into(), 0o644));
    third.remove("lib/new");
    third.insert("turn".into(), Node::File("a file again".into(), 0o644));
    third.remove("turn/inside");
    let (_, target) = everything();
    let next = Made::new(
        "3",
        &[("2", &target)],
        &{
            let mut t = target.clone();
            t.insert("lib/core".into(), third["lib/core"].clone());
            t.remove("lib/new");
            t.insert("turn".into(), third["turn"].clone());
            t.remove("turn/inside");
            t
        },
        CONFIG,
    );
    for n in 0.. {
        let when = format!("second apply killed after {n}");
        let (dir, before) = story.laid();
        let dir = dir.path();
        story.apply(&Disk::real(), dir).unwrap();
        let between = listing(dir);
        let done = apply(&Disk::with_faults(FaultPlan::stop_after(n)), dir, &next.release(), &story.options);
        let interrupted = status(&Disk::real(), dir).unwrap().state == Condition::Interrupted;
        if done.is_ok() || interrupted {
            rollback(&Disk::real(), dir).unwrap_or_else(|e| panic!("{when}: {e}"));
            assert_same(&listing(dir), &between, &when);
            story.assert_target(dir, &when);
        }
        if done.is_ok() {
            to_base(dir, &before, &when);
            return;
        }
    }
}

#[test]
fn an_operation_that_fails_leaves_the_base_or_something_that_can_be_resumed() {
    for story in Story::all() {
        failing_apply(&story);
    }
}

fn failing_apply(story: &Story) {
    for errno in [Fault::ENOSPC, Fault::EIO, Fault::EACCES, Fault::EROFS] {
        for sticky in [false, true] {
            for n in 1.. {
                let when = format!("errno {errno} at operation {n}, sticky: {sticky}");
                let (dir, before) = story.laid();
                let dir = dir.path();
                let plan = if sticky { FaultPlan::fail_from(n, errno) } else { FaultPlan::fail_once(n, errno) };
                let disk = Disk::with_faults(plan);
                let done = story.apply(&disk, dir);
                assert_whole(dir, &story.base, &story.target, &when);
                if disk.operations() < n {
                    done.unwrap();
                    println!("in place: {}; errno {errno}: {} faults", story.options.in_place, n - 1);
                    break;
                }
                match done {
                    // What fails is not needed (a backup that is copied instead, tidying up).
                    Ok(_) => story.assert_target(dir, &when),
                    Err(e) => {
                        assert_eq!(e.exit(), 6, "{when}: {e}");
                        if status(&Disk::real(), dir).unwrap().state == Condition::Interrupted {
                            assert!(sticky, "{when}: a single failure is undone at once");
                            assert!(e.next.contains("rollback"), "{when}: {}", e.next);
                        } else {
                            Story::assert_base(dir, &before, &when);
                        }
                        story.apply(&Disk::real(), dir).unwrap_or_else(|e| panic!("{when}: {e}"));
                        story.assert_target(dir, &when);
                    }
                }
                to_base(dir, &before, &when);
            }
        }
    }
}

#[test]
fn a_rollback_in_which_an_operation_fails_can_be_run_again() {
    for story in Story::all() {
        failing_rollback(&story);
    }
}

fn failing_rollback(story: &Story) {
    for errno in [Fault::ENOSPC, Fault::EIO, Fault::EACCES, Fault::EROFS] {
        for n in 1.. {
            let when = format!("errno {errno} at operation {n} of a rollback");
            let (dir, before) = story.laid();
            let dir = dir.path();
            story.apply(&Disk::real(), dir).unwrap();
            let disk = Disk::with_faults(FaultPlan::fail_once(n, errno));
            let done = rollback(&disk, dir);
            assert_whole(dir, &story.base, &story.target, &when);
            if disk.operations() < n {
                done.unwrap();
                println!("in place: {}; errno {errno}: {} faults of a rollback", story.options.in_place, n - 1);
                break;
            }
            if let Err(e) = done {
                assert_eq!(e.exit(), 6, "{when}: {e}");
                to_base(dir, &before, &when);
            } else {
                Story::assert_base(dir, &before, &when);
            }
        }
    }
}

#[test]
fn a_repair_killed_after_any_operation_can_be_finished_and_undone() {
    let story = Story::new();
    let mended = Options { allow_drift: AllowDrift::Mended, ..Options::default() };
    for n in 0.. {
        for finish in [true, false] {
            let when = format!("repair killed after operation {n}");
            let dir = scratch();
            let dir = dir.path();
            lay(dir, &story.base);
            story.apply(&Disk::real(), dir).unwrap();
            fs::write(dir.join("bin/tool"), "damaged").unwrap();
            fs::remove_file(dir.join("lib/core")).unwrap();
            fs::write(dir.join("lib/new"), "damaged too").unwrap();
            let drifted = listing(dir);
            let repair = |disk: &Disk| apply(disk, dir, &story.made.release(), &mended);
            let done = repair(&Disk::with_faults(FaultPlan::stop_after(n)));
            if done.is_ok() {
                assert!(n > 40, "only {n} operations");
                assert_eq!(tree_of(dir), tree(&story.target));
                return;
            }
            let generations = |dir: &Path| status(&Disk::real(), dir).unwrap().rollback.len();
            if finish {
                repair(&Disk::real()).unwrap_or_else(|e| panic!("{when}: {e}"));
                assert_eq!(tree_of(dir), tree(&story.target), "{when}");
                assert_eq!(status(&Disk::real(), dir).unwrap().state, Condition::Installed, "{when}");
            } else {
                let state = status(&Disk::real(), dir).unwrap().state;
                if state == Condition::Interrupted || generations(dir) == 2 {
                    rollback(&Disk::real(), dir).unwrap_or_else(|e| panic!("{when}: {e}"));
                }
                assert_eq!(listing(dir), drifted, "{when}");
                assert_eq!(generations(dir), 1, "{when}");
            }
        }
    }
}

#[test]
fn rolling_back_over_drift_killed_after_any_operation_loses_no_edit() {
    let aside = RollbackOptions { set_aside: true, ..RollbackOptions::default() };
    let story = Story::new();
    for n in 0.. {
        let when = format!("rollback killed after operation {n}");
        let dir = scratch();
        let dir = dir.path();
        lay(dir, &story.base);
        story.apply(&Disk::real(), dir).unwrap();
        fs::write(dir.join("bin/tool"), "my own").unwrap();
        let e = rollback(&Disk::real(), dir).unwrap_err();
        assert_eq!(e.code, ErrorCode::Drift, "{when}");
        let done = rollback_with(&Disk::with_faults(FaultPlan::stop_after(n)), dir, &aside);
        if done.is_err() {
            rollback_with(&Disk::real(), dir, &aside).unwrap_or_else(|e| panic!("{when}: {e}"));
        }
        let mut back = tree_of(dir);
        assert_eq!(fs::read_to_string(dir.join("bin/tool.edited")).unwrap(), "my own", "{when}");
        back.entries.remove(&path("bin/tool.edited"));
        assert_eq!(back, tree(&story.base), "{when}");
        if done.is_ok() {
            assert!(n > 10, "only {n} operations");
            return;
        }
    }
}

#[test]
fn an_apply_that_replaces_edits_killed_after_any_operation_loses_none() {
    let mut story = Story::new();
    let options = Options { edited: EditedConfig::Replace, ..Options::default() };
    story.target.remove("etc/edited.conf.new");
    story.target.insert("etc/edited.conf.edited".into(), story.base["etc/edited.conf"].clone());
    story.target.insert("etc/edited.conf".into(), Node::File(b"pristine too 2".to_vec(), 0o600));
    for n in 0.. {
        let when = format!("apply killed after operation {n}");
        let (dir, before) = story.laid();
        let dir = dir.path();
        let go = |disk: &Disk| apply(disk, dir, &story.made.release(), &options);
        let done = go(&Disk::with_faults(FaultPlan::stop_after(n)));
        assert_whole(dir, &story.base, &story.target, &when);
        if done.is_ok() {
            story.assert_target(dir, &when);
            return;
        }
        if n % 2 == 0 {
            go(&Disk::real()).unwrap_or_else(|e| panic!("{when}: {e}"));
            assert_eq!(tree_of(dir), tree(&story.target), "{when}");
        }
        to_base(dir, &before, &when);
    }
}
