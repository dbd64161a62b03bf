//! Hooks under kills, faults and power cuts: after every single disk operation of `apply` and `rollback`.
//!
//! Every hook and every undo writes its id to a log beside the installation. The law, whatever was cut and whichever
//! way one goes on: a command runs exactly once, and once more only where the run that goes on tells that it was
//! under way (`hook-uncertain`), which `status` told before.

mod installing;

use cumulate::bundle::{Hook, When};
use cumulate::disk::{Disk, Fault, FaultPlan};
use cumulate::install::{Condition, Options, RollbackOptions, apply, rollback_with, status};
use cumulate::report::{Code, Error, ErrorCode, Finding};
use installing::power::{copy, lucks, replay};
use installing::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A hook that is just being started has our lock for a moment, so these tests take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    /// The hook behind the files cannot be undone.
    Irreversible,
    /// The health check never passes.
    Sick,
}

struct Story {
    made: Made,
    base: World,
    target: World,
    kind: Kind,
}

type Log = BTreeMap<String, usize>;

/// How often each command ran.
fn log(dir: &Path) -> Log {
    let text = fs::read_to_string(dir.with_file_name("log")).unwrap_or_default();
    text.lines().fold(Log::new(), |mut log, line| {
        *log.entry(line.to_owned()).or_default() += 1;
        log
    })
}

fn ran(log: &Log, what: &str) -> usize {
    log.get(what).copied().unwrap_or(0)
}

fn told(findings: &[Finding]) -> BTreeSet<String> {
    findings.iter().filter(|f| f.code == Code::HookUncertain).map(|f| f.subject.clone()).collect()
}

const IDS: [&str; 3] = ["F1#1", "F1#2", "F2#1"];

impl Story {
    fn new(kind: Kind) -> Self {
        let base = world(&["bin/tool * old", "lib/core = core 1", "lib/gone = gone"]);
        let target = world(&["bin/tool * new", "lib/core = core 2", "lib/new = new"]);
        let mut made = Made::new("2", &[("1", &base)], &target, &[]);
        let says =
            |word: &str| ["sh", "-c", &format!("echo {word} $CUMULATE_HOOK >> ../log")].map(String::from).to_vec();
        let hook = |id: &str, when: When| Hook {
            id: id.into(),
            when,
            run: says("run"),
            undo: says("undo"),
            timeout: 20,
            irreversible: false,
        };
        let mut hooks = vec![hook(IDS[0], When::Before), hook(IDS[1], When::After), hook(IDS[2], When::After)];
        if kind == Kind::Irreversible {
            hooks[1].irreversible = true;
            hooks[1].undo = Vec::new();
        }
        let mut health = hook("health", When::Health);
        health.undo = Vec::new();
        if kind == Kind::Sick {
            health.run = vec!["false".into()];
        }
        hooks.push(health);
        made.routes[0].hooks = hooks;
        Self { made, base, target, kind }
    }

    fn undoable(&self) -> impl Iterator<Item = &'static str> {
        let burnt = self.kind == Kind::Irreversible;
        IDS.into_iter().filter(move |id| !(burnt && *id == IDS[1]))
    }

    fn accept() -> Vec<String> {
        vec![IDS[1].into()]
    }

    fn apply(&self, disk: &Disk, dir: &Path) -> Result<BTreeSet<String>, Error> {
        let options = Options { accept: Self::accept(), ..Options::default() };
        apply(disk, dir, &self.made.release(), &options).map(|a| told(&a.findings))
    }

    fn rollback(disk: &Disk, dir: &Path) -> Result<BTreeSet<String>, Error> {
        let options = RollbackOptions { accept: Self::accept(), ..RollbackOptions::default() };
        rollback_with(disk, dir, &options).map(|r| told(&r.findings))
    }

    /// What `status` tells of hooks now; whoever goes on must tell exactly that.
    fn open(dir: &Path) -> BTreeSet<String> {
        status(&Disk::real(), dir).unwrap().uncertain.into_iter().collect()
    }

    fn assert_target(&self, dir: &Path, when: &str) {
        assert_eq!(tree_of(dir), tree(&self.target), "{when}");
        assert_eq!(status(&Disk::real(), dir).unwrap().state, Condition::Installed, "{when}");
    }

    fn assert_base(&self, dir: &Path, when: &str) {
        assert_eq!(tree_of(dir), tree(&self.base), "{when}");
        assert_eq!(status(&Disk::real(), dir).unwrap().state, Condition::None, "{when}");
    }

    /// Goes on with `apply` until the target, then back, then there again.
    fn forward(&self, dir: &Path, when: &str) {
        let (before, open) = (log(dir), Self::open(dir));
        let state = status(&Disk::real(), dir).unwrap();
        let undoing = state.interrupted == Some(cumulate::install::Doing::Restoring);
        let said = self.apply(&Disk::real(), dir);
        let now = log(dir);
        if self.kind == Kind::Sick {
            let e = said.unwrap_err();
            assert!(e.code == ErrorCode::HookFailed && e.message.contains("everything was rolled back"), "{when}: {e}");
            self.assert_base(dir, when);
            let anew = undoing || state.state == Condition::None;
            for id in IDS {
                let [run, undo] = ["run", "undo"].map(|what| format!("{what} {id}"));
                let (had, again) = (ran(&before, &run), usize::from(open.contains(id)));
                let runs = if anew { had + 1..=had + 1 } else { 1..=1 + again };
                assert!(runs.contains(&ran(&now, &run)), "{when}: {id}: {before:?}, {now:?}");
                assert!(ran(&now, &undo) <= runs.end() + again, "{when}: {id}: {before:?}, {now:?}");
                assert!(ran(&now, &undo) >= *runs.start(), "{when}: {id}: {before:?}, {now:?}");
            }
            return;
        }
        let said = said.unwrap_or_else(|e| panic!("{when}: {e}"));
        assert_eq!(said, open, "{when}: what was open is told, and nothing else");
        self.assert_target(dir, when);
        for id in IDS {
            let (runs, undone) = (ran(&now, &format!("run {id}")), ran(&now, &format!("undo {id}")));
            let again = usize::from(open.contains(id));
            if undoing {
                let once = usize::from(self.undoable().any(|u| u == id));
                let started = ran(&before, &format!("run {id}"));
                assert_eq!(runs, started + 1, "{when}: {id} was taken back, so it runs anew: {now:?}");
                assert!(undone <= once + again, "{when}: {id}: {now:?}");
            } else {
                assert!(runs == 1 || runs == 1 + again, "{when}: {id} ran {runs} times: {now:?}");
                assert_eq!(undone, 0, "{when}: {id}: {now:?}");
            }
        }
        Self::rollback(&Disk::real(), dir).unwrap_or_else(|e| panic!("{when}: {e}"));
        self.assert_base(dir, when);
        let end = log(dir);
        for id in self.undoable() {
            let undo = format!("undo {id}");
            assert_eq!(ran(&end, &undo), ran(&now, &undo) + 1, "{when}: {id}: {end:?}");
        }
        assert!(self.apply(&Disk::real(), dir).unwrap().is_empty(), "{when}");
        for id in IDS {
            let run = format!("run {id}");
            assert_eq!(ran(&log(dir), &run), ran(&end, &run) + 1, "{when}: what was undone runs anew");
        }
    }

    /// Goes on with `rollback` until the base.
    fn back(&self, dir: &Path, when: &str) {
        let open = Self::open(dir);
        let said = match Self::rollback(&Disk::real(), dir) {
            Ok(said) => said,
            Err(e) if e.code == ErrorCode::NoRollback => BTreeSet::new(),
            Err(e) => panic!("{when}: {e}"),
        };
        assert_eq!(said, open, "{when}: what was open is told, and nothing else");
        self.assert_base(dir, when);
        let now = log(dir);
        for id in self.undoable() {
            let (runs, undone) = (ran(&now, &format!("run {id}")), ran(&now, &format!("undo {id}")));
            let again = usize::from(open.contains(id));
            assert!(
                undone >= runs && undone <= runs + again,
                "{when}: {id} ran {runs} times, undone {undone}: {now:?}"
            );
            assert!(runs <= 1, "{when}: {id}: {now:?}");
        }
    }
}

fn laid(world: &World) -> (tempfile::TempDir, std::path::PathBuf) {
    let scratch = scratch();
    let dir = scratch.path().join("acme");
    fs::create_dir(&dir).unwrap();
    lay(&dir, world);
    (scratch, dir)
}

#[test]
fn killed_after_any_operation_no_hook_runs_twice_unless_it_is_told() {
    let _turn = turn();
    for kind in [Kind::Plain, Kind::Irreversible, Kind::Sick] {
        let story = Story::new(kind);
        for undo in [false, true] {
            if undo && kind == Kind::Sick {
                continue;
            }
            let mut uncertain = 0;
            // Every operation of the plain story, every third of the others.
            let step = if kind == Kind::Plain { 1 } else { 3 };
            for n in (0..).step_by(step) {
                let mut ended = false;
                for forward in [true, false] {
                    let when =
                        format!("{kind:?}, {}killed after operation {n}", if undo { "rollback " } else { "apply " });
                    let (_scratch, dir) = laid(&story.base);
                    let disk = Disk::with_faults(FaultPlan::stop_after(n));
                    ended = if undo {
                        story.apply(&Disk::real(), &dir).unwrap();
                        Story::rollback(&disk, &dir).is_ok()
                    } else {
                        story.apply(&disk, &dir).is_ok() || disk.operations() < n
                    };
                    if ended {
                        break;
                    }
                    uncertain += usize::from(!Story::open(&dir).is_empty());
                    if forward { story.forward(&dir, &when) } else { story.back(&dir, &when) }
                }
                if ended {
                    assert!(n > 30, "{kind:?}: only {n} operations");
                    break;
                }
            }
            assert!(uncertain >= 2, "{kind:?}: hooks were under way in {uncertain} cuts only");
        }
    }
}

#[test]
fn a_failing_operation_undoes_what_ran_or_leaves_a_way_on() {
    let _turn = turn();
    for kind in [Kind::Plain, Kind::Irreversible] {
        let story = Story::new(kind);
        for (errno, sticky) in [(Fault::EIO, false), (Fault::ENOSPC, true)] {
            for n in 1.. {
                let when = format!("{kind:?}, errno {errno} at operation {n}, sticky: {sticky}");
                let (_scratch, dir) = laid(&story.base);
                let plan = if sticky { FaultPlan::fail_from(n, errno) } else { FaultPlan::fail_once(n, errno) };
                let disk = Disk::with_faults(plan);
                let done = story.apply(&disk, &dir);
                if disk.operations() < n {
                    done.unwrap();
                    break;
                }
                let now = log(&dir);
                let burnt = kind == Kind::Irreversible && ran(&now, &format!("run {}", IDS[1])) > 0;
                match status(&Disk::real(), &dir).unwrap().state {
                    Condition::Interrupted => {
                        let begun = Story::open(&dir).contains(IDS[1]);
                        assert!(
                            sticky || burnt || kind == Kind::Irreversible && begun,
                            "{when}: a single failure is undone at once"
                        );
                        if n % 2 == 0 { story.forward(&dir, &when) } else { story.back(&dir, &when) }
                    }
                    Condition::None => {
                        assert!(!burnt, "{when}: what cannot be undone stays where it ran");
                        for id in story.undoable() {
                            let (runs, undone) = (ran(&now, &format!("run {id}")), ran(&now, &format!("undo {id}")));
                            assert!(runs <= 1 && undone >= runs, "{when}: {id}: {now:?}");
                        }
                        story.assert_base(&dir, &when);
                    }
                    _ => story.assert_target(&dir, &when),
                }
            }
        }
    }
}

/// What an irreversible hook did halfway nobody knows, so finishing wants it accepted once more.
#[test]
fn an_irreversible_hook_that_was_under_way_runs_again_only_where_it_is_accepted() {
    let _turn = turn();
    let story = Story::new(Kind::Irreversible);
    let mut met = 0;
    for n in 0.. {
        let (_scratch, dir) = laid(&story.base);
        if story.apply(&Disk::with_faults(FaultPlan::stop_after(n)), &dir).is_ok() {
            break;
        }
        if !Story::open(&dir).contains(IDS[1]) {
            continue;
        }
        met += 1;
        let before = (log(&dir), listing(&dir));
        let e = apply(&Disk::real(), &dir, &story.made.release(), &Options::default()).unwrap_err();
        assert!(e.code == ErrorCode::Irreversible && e.next.contains("--accept F1#2"), "{e}");
        assert_eq!((log(&dir), listing(&dir)), before, "killed after {n}: refused before anything runs");
        story.forward(&dir, &format!("killed after {n}"));
    }
    assert!(met >= 2, "{met} cuts met it under way");
}

fn power_cuts(step: usize, draws: u64) {
    let _turn = turn();
    for kind in [Kind::Plain, Kind::Irreversible] {
        let story = Story::new(kind);
        for undo in [false, true] {
            for n in (0..).step_by(step) {
                let (scratch, dir) = laid(&story.base);
                if undo {
                    story.apply(&Disk::real(), &dir).unwrap();
                }
                let start = scratch.path().join("start");
                copy(&dir, &start);
                let disk = Disk::with_faults(FaultPlan::stop_after(n)).recording();
                let act = if undo { Story::rollback(&disk, &dir) } else { story.apply(&disk, &dir) };
                let trace = disk.trace();
                for luck in lucks(n, draws) {
                    for forward in [true, false] {
                        let after = scratch.path().join("after");
                        fs::create_dir(&after).unwrap();
                        let cut = after.join("acme");
                        copy(&start, &cut);
                        replay(&trace, &dir, &cut, luck);
                        // What a command did outside is taken as durable at once: the worst case for running it again.
                        fs::write(after.join("log"), fs::read(scratch.path().join("log")).unwrap_or_default()).unwrap();
                        let what = if undo { "rollback" } else { "apply" };
                        let when = format!("{kind:?}, {what}: power cut after operation {n}, {luck:?} lost");
                        if forward {
                            story.forward_after_cut(&cut, undo, &when)
                        } else {
                            story.back_after_cut(&cut, &when)
                        }
                        fs::remove_dir_all(&after).unwrap();
                    }
                }
                if act.is_ok() {
                    break;
                }
            }
        }
    }
}

impl Story {
    /// As `forward`, where a record that was lost may hide that a command had already been finished, never that it began.
    fn forward_after_cut(&self, dir: &Path, undo: bool, when: &str) {
        let (before, open) = (log(dir), Self::open(dir));
        let said = self.apply(&Disk::real(), dir).unwrap_or_else(|e| panic!("{when}: {e}"));
        assert_eq!(said, open, "{when}: what was open is told, and nothing else");
        self.assert_target(dir, when);
        let now = log(dir);
        for id in IDS {
            let (had, has) = (ran(&before, &format!("run {id}")), ran(&now, &format!("run {id}")));
            let again = usize::from(open.contains(id));
            if undo {
                // Nothing undone, or all of it and applied anew.
                assert!(has == had || has == had + 1, "{when}: {id}: {before:?}, {now:?}");
            } else {
                assert!(has == 1 || has == 1 + again, "{when}: {id}: {before:?}, {now:?}");
            }
        }
    }

    fn back_after_cut(&self, dir: &Path, when: &str) {
        let open = Self::open(dir);
        match Self::rollback(&Disk::real(), dir) {
            Ok(said) => assert_eq!(said, open, "{when}: what was open is told, and nothing else"),
            Err(e) => assert_eq!(e.code, ErrorCode::NoRollback, "{when}: {e}"),
        }
        self.assert_base(dir, when);
        let now = log(dir);
        for id in self.undoable() {
            let (runs, undone) = (ran(&now, &format!("run {id}")), ran(&now, &format!("undo {id}")));
            let again = usize::from(open.contains(id));
            assert!(runs <= 1 && undone >= runs && undone <= runs + again, "{when}: {id}: {now:?}");
        }
        assert!(self.apply(&Disk::real(), dir).unwrap().is_empty(), "{when}: applied anew");
        for id in IDS {
            let run = format!("run {id}");
            assert_eq!(ran(&log(dir), &run), ran(&now, &run) + 1, "{when}: what was undone runs anew: {now:?}");
        }
    }
}

#[test]
fn power_cuts_run_no_hook_twice_unless_it_is_told() {
    power_cuts(11, 1);
}

#[test]
#[ignore = "long: several power cuts after every single operation"]
fn every_power_cut_runs_no_hook_twice_unless_it_is_told() {
    power_cuts(1, 6);
}
