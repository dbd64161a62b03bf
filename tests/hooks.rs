//! Commands of fixes around an apply, told through the command line with real programs.

mod common;

use common::{Run, command, copy, cumulate, exact};
use rustix::process::{Pid, Signal};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A release of two fixes for 1.0.0, whose hooks write to `log` beside the installation.
struct Desk {
    dir: tempfile::TempDir,
}

/// A hook that logs what it is and where it runs.
fn logs(when: &str, word: &str, more: &str) -> String {
    format!(
        "[[hook]]\nwhen = '{when}'\nrun = ['sh', '-c', 'echo {word} $CUMULATE_HOOK $(cat f) >> ../log']\n\
         undo = ['sh', '-c', 'echo undo-{word} $(cat f) >> ../log']\n{more}\n"
    )
}

impl Desk {
    /// `first` and `second` are the fixes' hooks, `config` what `cumulate.toml` says beyond the least.
    fn new(first: &str, second: &str, config: &str) -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        let put = |path: &str, text: &str| {
            let full = desk.path(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, text).unwrap();
        };
        put("v0/f", "old\n");
        put("v0/g", "old\n");
        put("rel/fixes/F1/tree/f", "new\n");
        put("rel/fixes/F1/fix.toml", first);
        put("rel/fixes/F2/tree/g", "new\n");
        put("rel/fixes/F2/fix.toml", second);
        put("rel/fixes/series", "F1\nF2\n");
        put(
            "rel/cumulate.toml",
            &format!(
                "[component]\nname = 'app'\n[release]\nversion = '1.0.1'\nfrom = '1.0.0'\n[[base]]\nversion = '1.0.0'\nsource = '../v0'\n{config}"
            ),
        );
        desk.run(&["build", "rel", "-o", "b.cup", "--no-cache"]).expect(0);
        copy(&desk.path("v0"), &desk.path("here"));
        desk
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn run(&self, args: &[&str]) -> Run {
        cumulate(self.dir.path(), args)
    }
    fn apply(&self, more: &[&str]) -> Run {
        self.run(&[&["apply", "b.cup", "here", "--allow-unsigned"], more].concat())
    }
    /// As `run`, as soon as nothing of a killed installer holds the lock any more.
    fn free(&self, args: &[&str]) -> Run {
        let started = Instant::now();
        loop {
            let run = self.run(args);
            if run.code != 7 {
                return run;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "locked for a minute");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    /// Starts an apply, kills it once its hook has written so many process numbers, and returns these.
    fn killed(&self, signal: Signal, pids: usize) -> Vec<Pid> {
        let mut child = command(self.dir.path()).args(["apply", "b.cup", "here", "--allow-unsigned"]).spawn().unwrap();
        let found = self.pids(pids);
        rustix::process::kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), None, "the installer was killed");
        found
    }
    /// The process numbers that a hook has written.
    fn pids(&self, n: usize) -> Vec<Pid> {
        let started = Instant::now();
        loop {
            let text = fs::read_to_string(self.path("pids")).unwrap_or_default();
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let pids: Vec<Pid> = whole.lines().map(|l| Pid::from_raw(l.parse().unwrap()).unwrap()).collect();
            if pids.len() == n {
                return pids;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "the hook never began");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
    /// Contents of both files.
    fn files(&self) -> String {
        ["f", "g"].map(|f| fs::read_to_string(self.path("here").join(f)).unwrap()).concat()
    }
}

#[test]
fn hooks_run_in_order_around_the_change_once_and_are_undone_in_reverse() {
    let first = logs("after", "one", "") + &logs("before", "prepare", "");
    let second = logs("after", "two", "if_changed = ['g']") + &logs("after", "never", "if_changed = ['other/*']");
    let desk = Desk::new(&first, &second, "");
    let said = desk.apply(&["--dry-run"]).expect(0).stdout;
    assert!(said.contains("hook") && said.contains("F1#1") && !said.contains("F2#2"), "{said}");
    assert_eq!(desk.log(), [""; 0], "a dry run runs nothing");
    desk.apply(&[]).expect(0);
    assert_eq!(desk.log(), ["prepare F1#2 old", "one F1#1 new", "two F2#1 new"]);
    desk.apply(&[]).expect(0);
    assert_eq!(desk.log().len(), 3, "nothing to do, nothing to run");
    desk.run(&["rollback", "here"]).expect(0);
    assert_eq!(desk.log()[3..], ["undo-two new", "undo-one new", "undo-prepare old"]);
    assert_eq!(desk.files(), "old\nold\n");
    desk.apply(&[]).expect(0);
    assert_eq!(desk.log().len(), 9, "what was undone runs again");
}

/// Whatever fails, the installation is as it was, and what had run is undone.
#[test]
fn a_failing_hook_or_health_check_rolls_back_by_itself() {
    let bad = |run: &str| format!("[[hook]]\nrun = {run}\ntimeout = 1\n");
    let slow = bad("['sh', '-c', 'sleep 30 & sleep 30']");
    for (second, health, word) in [
        (bad("['sh', '-c', 'echo the disk is on fire >&2; exit 3']"), "", "exit 3 (the disk is on fire)"),
        (bad("['bin/not-there']"), "", "cannot be started"),
        (slow, "", "out of time"),
        (bad("['sh', '-c', 'kill -9 $$']"), "", "signal 9"),
        (String::new(), "[health]\nrun = ['grep', '-q', 'old', 'f']\n", "the health check did not pass: exit 1"),
    ] {
        let desk = Desk::new(&logs("after", "one", ""), &second, health);
        let before = exact(&desk.path("here"));
        let started = Instant::now();
        let failed = desk.apply(&[]).expect(6).stderr;
        assert!(failed.contains(word) && failed.contains("everything was rolled back"), "{failed}");
        assert!(started.elapsed() < Duration::from_secs(20), "{word}");
        assert_eq!(desk.log(), ["one F1#1 new", "undo-one new"], "{word}");
        let mut after = exact(&desk.path("here"));
        after.retain(|p, _| !p.starts_with(".cumulate"));
        assert_eq!(after, before, "{word}");
        desk.run(&["status", "here"]).expect(0);
    }
    let desk = Desk::new(&logs("after", "one", ""), "", "[health]\nrun = ['grep', '-q', 'new', 'f']\n");
    desk.apply(&[]).expect(0);
    assert_eq!(desk.files(), "new\nnew\n");
}

#[test]
fn what_cannot_be_undone_is_a_barrier_that_has_to_be_accepted_by_name() {
    let first = "[[hook]]\nrun = ['sh', '-c', 'echo burnt >> ../log']\nreversible = false\n";
    let desk = Desk::new(first, "", "");
    let refused = desk.apply(&[]).expect(1).stderr;
    assert!(refused.contains("error[irreversible]: F1#1") && refused.contains("--accept F1#1"), "{refused}");
    let told = desk.apply(&["--dry-run"]).expect(1).stdout;
    assert!(told.contains("denied[irreversible]: F1#1") && told.contains("--accept F1#1"), "{told}");
    assert!(told.contains("As it stands it would be refused"), "{told}");
    let told = desk.apply(&["--dry-run", "--format", "json"]).expect(1).json();
    let denied = told["findings"].as_array().unwrap().iter().find(|f| f["code"] == "irreversible").unwrap();
    assert_eq!((denied["level"].as_str(), denied["subject"].as_str()), (Some("deny"), Some("F1#1")));
    let told = desk.apply(&["--dry-run", "--accept", "F1#1"]).expect(0).stdout;
    assert!(!told.contains("irreversible") && told.contains("It would take"), "{told}");
    assert_eq!((desk.files().as_str(), desk.log().len()), ("old\nold\n", 0));
    desk.apply(&["--accept", "F2#1"]).expect(1);
    desk.apply(&["--accept", "F1#1"]).expect(0);
    assert_eq!(desk.log(), ["burnt"]);
    let refused = desk.run(&["rollback", "here"]).expect(1).stderr;
    assert!(refused.contains("it has run and cannot be undone") && refused.contains("--accept F1#1"), "{refused}");
    desk.run(&["rollback", "here", "--accept", "F1#1"]).expect(0);
    assert_eq!(desk.files(), "old\nold\n");

    // Behind the barrier a failure is not rolled back by itself: what to do is said, and either way works.
    let second = "[[hook]]\nrun = ['test', '-e', '../fixed']\n";
    for finish in [true, false] {
        let desk = Desk::new(first, second, "");
        let failed = desk.apply(&["--accept", "F1#1"]).expect(6).stderr;
        assert!(failed.contains("F1#1 has run and cannot be undone, so the installation is interrupted"), "{failed}");
        desk.run(&["status", "here"]).expect(8);
        if finish {
            fs::write(desk.path("fixed"), "").unwrap();
            desk.apply(&["--accept", "F1#1"]).expect(0);
            assert_eq!((desk.files().as_str(), desk.log().len()), ("new\nnew\n", 1), "it does not run twice");
        } else {
            desk.run(&["rollback", "here"]).expect(1);
            desk.run(&["rollback", "here", "--accept", "F1#1"]).expect(0);
            assert_eq!(desk.files(), "old\nold\n");
        }
    }
}

#[test]
fn a_killed_apply_knows_which_hooks_had_begun() {
    let second = "[[hook]]\nrun = ['sh', '-c', 'echo slow >> ../log; test -e ../go || sleep 60']\nundo = ['sh', '-c', 'echo undo-slow >> ../log']\n";
    for finish in [true, false] {
        let desk = Desk::new(&logs("after", "one", ""), second, "");
        let mut child = command(desk.dir.path()).args(["apply", "b.cup", "here", "--allow-unsigned"]).spawn().unwrap();
        let started = Instant::now();
        while desk.log().len() < 2 {
            assert!(started.elapsed() < Duration::from_secs(60), "the hook never began");
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        desk.free(&["status", "here"]).expect(8);
        fs::write(desk.path("go"), "").unwrap();
        if finish {
            desk.apply(&[]).expect(0);
            assert_eq!(desk.log(), ["one F1#1 new", "slow", "slow"], "what had ended is not run again");
            assert_eq!(desk.files(), "new\nnew\n");
        } else {
            desk.run(&["rollback", "here"]).expect(0);
            assert_eq!(desk.log(), ["one F1#1 new", "slow", "undo-slow", "undo-one new"]);
            assert_eq!(desk.files(), "old\nold\n");
        }
    }
}

/// What is left to do by hand is told by its id, in words and for machines, and it is this run's, not an earlier one's.
#[test]
fn a_failing_hook_that_cannot_be_undone_either_is_named_with_the_reason() {
    let second =
        "[[hook]]\nrun = ['sh', '-c', 'exit 3']\nundo = ['sh', '-c', 'echo the database is gone >&2; exit 4']\n";
    let desk = Desk::new(&logs("after", "one", ""), second, "");
    let said = desk.apply(&[]).expect(6).stderr;
    assert!(said.contains("error[hook-failed]: F2#1: a hook failed: exit 3"), "{said}");
    assert!(
        said.contains("warning[hook-not-undone]: F2#1: it could not be undone: exit 4 (the database is gone)"),
        "{said}"
    );
    assert!(said.contains("undo it by hand") && said.contains("the files were rolled back"), "{said}");
    assert!(!said.contains("everything") && !said.contains("earlier run"), "{said}");
    let said = desk.apply(&["--format", "json"]).expect(6).stdout;
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let findings = said["error"]["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{said:#}");
    assert_eq!((&findings[0]["code"], &findings[0]["subject"]), (&"hook-not-undone".into(), &"F2#1".into()));
    assert!(findings[0]["message"].as_str().unwrap().contains("the database is gone"), "{said:#}");
    assert_eq!(desk.files(), "old\nold\n");
    assert_eq!(desk.log(), ["one F1#1 new", "undo-one new"].repeat(2));
}

/// Whether a process runs; one that has ended and that nobody has asked about yet does not.
fn runs(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Two runs side by side on one installation would be two hooks side by side on one machine.
#[test]
fn a_killed_installer_takes_its_hook_with_it_before_anybody_else_goes_on() {
    let hook = "[[hook]]\nrun = ['sh', '-c', 'test -e ../go && exit; sleep 60 & echo $! >> ../pids; echo $$ >> ../pids; wait']\n";
    for signal in [Signal::TERM, Signal::KILL] {
        let desk = Desk::new(hook, "", "");
        let pids = desk.killed(signal, 2);
        fs::write(desk.path("go"), "").unwrap();
        desk.free(&["apply", "b.cup", "here", "--allow-unsigned"]).expect(0);
        assert!(!pids.into_iter().any(runs), "{signal:?}: the hook went on beside the next run");
        assert_eq!(desk.files(), "new\nnew\n");
    }
}

/// What leaves the hook's process group is not killed with it, but nobody goes on while it is at work.
#[test]
fn what_outlives_a_killed_installer_keeps_others_out() {
    let hook = "[[hook]]\nrun = ['sh', '-c', 'test -e ../go && exit; setsid sh -c \"echo \\$\\$ >> ../pids; exec sleep 60\" & wait']\n";
    if std::process::Command::new("setsid").arg("true").status().is_err() {
        eprintln!("there is no setsid here, so this is not tested");
        return;
    }
    let desk = Desk::new(hook, "", "");
    let pids = desk.killed(Signal::KILL, 1);
    fs::write(desk.path("go"), "").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(runs(pids[0]));
    let said = desk.apply(&[]).expect(7).stderr;
    assert!(said.contains("error[locked]") && said.contains("a command of one"), "{said}");
    desk.run(&["rollback", "here"]).expect(7);
    rustix::process::kill_process(pids[0], Signal::KILL).unwrap();
    desk.free(&["rollback", "here"]).expect(0);
    assert_eq!(desk.files(), "old\nold\n");
}

#[test]
fn a_service_that_a_hook_starts_lives_on_and_locks_nobody_out() {
    let hook = "[[hook]]\nrun = ['sh', '-c', 'sleep 60 & echo $! >> ../pids']\n";
    let desk = Desk::new(hook, "", "");
    desk.apply(&[]).expect(0);
    let pids = desk.pids(1);
    desk.run(&["status", "here"]).expect(0);
    desk.run(&["rollback", "here"]).expect(0);
    std::thread::sleep(Duration::from_millis(100));
    assert!(runs(pids[0]), "the service was killed");
    rustix::process::kill_process(pids[0], Signal::KILL).unwrap();
}

/// Hooks are what a release does to a machine: a look at copies must not run them.
#[test]
fn proving_a_bundle_runs_no_hook() {
    let desk = Desk::new(&logs("after", "one", ""), "", "");
    fs::create_dir(desk.path("bases")).unwrap();
    copy(&desk.path("v0"), &desk.path("bases/1.0.0"));
    desk.run(&["keygen", "--out", "k"]).expect(0);
    desk.run(&["sign", "b.cup", "--key", "k.key"]).expect(0);
    desk.run(&["verify", "b.cup", "--pub", "k.pub", "--bases", "bases"]).expect(0);
    desk.run(&["check", "b.cup", "--config", "rel/cumulate.toml"]).expect(0);
    assert_eq!(desk.log(), [""; 0]);
    assert!(!Path::new("log").exists());
}
