//! `kill -9` of the real binary at random moments of `apply` and `rollback` of a real bundle.
//!
//! `install_crash.rs` stops after every single disk operation, in one process; here a process dies as processes do,
//! wherever the signal meets it. CUMULATE_KILLS says how often (60); where in time is drawn with a fixed seed.

mod common;
mod installing;

use common::{assert_same, command, copy, cumulate, listing};
use installing::scratch;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

type Listing = BTreeMap<String, (String, Vec<u8>)>;

/// A small generator with a fixed seed.
struct Dice(u64);

impl Dice {
    /// Between 0 and 1.
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f64 / (1u64 << 24) as f64
    }
}

/// Text that does not compress away.
fn words(dice: &mut Dice, lines: usize) -> String {
    (0..lines).map(|_| format!("{:.9} {:.9}\n", dice.roll(), dice.roll())).collect()
}

struct Story {
    dir: tempfile::TempDir,
    base: PathBuf,
    target: PathBuf,
    old: Listing,
    new: Listing,
}

impl Story {
    /// Eighty files change, twenty come, twenty go, one of the unchanged makes the rest look lived in.
    fn new() -> Self {
        let dir = scratch();
        let (base, fix) = (dir.path().join("base"), dir.path().join("fixes/FIX"));
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let put = |root: &Path, name: &str, text: &str| {
            let file = root.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        put(&base, "same/file", "as it is\n");
        for i in 0..80 {
            let text = words(&mut dice, 400);
            put(&base, &format!("lib/{}/m{i}", i % 7), &text);
            put(&fix.join("tree"), &format!("lib/{}/m{i}", i % 7), &(text + &words(&mut dice, 20)));
        }
        let mut gone = Vec::new();
        for i in 0..20 {
            put(&base, &format!("old/{}/o{i}", i % 3), &words(&mut dice, 50));
            gone.push(format!("old/{}/o{i}", i % 3));
            put(&fix.join("tree"), &format!("new/{}/n{i}", i % 3), &words(&mut dice, 50));
        }
        let hooks = ["before", "after"].map(|when| {
            let logs = |what: &str| format!("['sh', '-c', 'echo {what} {when} >> ../log']");
            format!("[[hook]]\nwhen = '{when}'\nrun = {}\nundo = {}\n", logs("run"), logs("undo"))
        });
        put(&fix, "fix.toml", &format!("delete = {gone:?}\n{}", hooks.concat()));
        let config =
            "[component]\nname = \"k\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n";
        put(dir.path(), "cumulate.toml", config);
        cumulate(dir.path(), &["build", "-o", "k.cup", "--profile", "fast"]).expect(0);
        let target = dir.path().join("target");
        copy(&base, &target);
        cumulate(dir.path(), &["apply", "k.cup", "target", "--allow-unsigned"]).expect(0);
        let (old, new) = (listing(&base), listing(&target));
        assert!(old != new && new.len() == 101, "{} files", new.len());
        Self { dir, base, target, old, new }
    }

    fn run(&self, args: &[&str]) -> common::Run {
        cumulate(self.dir.path(), args)
    }

    fn installed(&self) -> PathBuf {
        self.dir.path().join("installed")
    }

    fn lay(&self) {
        let _ = fs::remove_dir_all(self.installed());
        let _ = fs::remove_file(self.dir.path().join("log"));
        copy(&self.base, &self.installed());
    }

    /// Starts the command, and kills it after so long; whether it was still running.
    fn kill(&self, args: &[&str], after: Duration) -> bool {
        let mut child =
            command(self.dir.path()).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap().code().is_none()
    }

    /// Every file is whole, old or new, and what both have is there; what `status` says of it.
    #[track_caller]
    fn whole(&self, when: &str) -> String {
        let now = listing(&self.installed());
        for (path, file) in &now {
            let known = [self.old.get(path), self.new.get(path)].contains(&Some(file));
            assert!(known, "{when}: {path} is neither old nor new");
        }
        for path in self.old.keys().filter(|p| self.new.contains_key(*p)) {
            assert!(now.contains_key(path), "{when}: {path} vanished");
        }
        // A hook that was just being started has the lock for a moment longer than the installer that was killed.
        let (status, told) = (0..100)
            .map(|_| {
                let status = self.run(&["status", "installed", "--format", "json"]);
                let told = status.json();
                (status, told)
            })
            .inspect(|(_, told)| {
                if told["state"] == "busy" {
                    std::thread::sleep(Duration::from_millis(50));
                }
            })
            .find(|(_, told)| told["state"] != "busy")
            .unwrap_or_else(|| panic!("{when}: busy for five seconds"));
        let state = told["state"].as_str().unwrap_or_default().to_owned();
        let clean = now == self.old || now == self.new;
        match state.as_str() {
            "interrupted" => assert_eq!(status.code, 8, "{when}: {told:#}"),
            "none" => assert!(status.code == 0 && now == self.old, "{when}: {told:#}"),
            "installed" => assert!(status.code == 0 && now == self.new, "{when}: {told:#}"),
            _ => panic!("{when}: {told:#}"),
        }
        assert!(clean || state == "interrupted", "{when}: a mixture is called {state}");
        state
    }

    /// How many hooks the run that went on told as uncertain.
    #[track_caller]
    fn ends_in_the_target(&self, apply: &[&str]) -> usize {
        let run = self.run(&[apply, &["--format", "json"]].concat()).expect(0);
        assert_same(&self.installed(), &self.target);
        self.run(&["status", "installed"]).expect(0);
        run.stdout.matches("hook-uncertain").count()
    }

    /// `clean` is what `status` said before: where nothing is installed there is nothing to roll back.
    #[track_caller]
    fn ends_in_the_base(&self, state: &str) -> usize {
        let run = self.run(&["rollback", "installed", "--format", "json"]).expect(if state == "none" { 5 } else { 0 });
        assert_same(&self.installed(), &self.base);
        self.run(&["status", "installed"]).expect(0);
        run.stdout.matches("hook-uncertain").count()
    }

    /// How often hooks ran and were undone: the two together.
    fn hooks(&self) -> (usize, usize) {
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        (log.matches("run ").count(), log.matches("undo ").count())
    }
}

#[test]
fn killed_at_any_moment_every_file_is_whole_and_one_more_command_finishes() {
    kill_all(&["apply", "k.cup", "installed", "--allow-unsigned"]);
}

#[test]
fn killed_while_files_are_replaced_in_place_every_file_is_whole_and_one_more_command_finishes() {
    kill_all(&["apply", "k.cup", "installed", "--allow-unsigned", "--in-place"]);
}

fn kill_all(apply: &[&str]) {
    let kills: u32 = std::env::var("CUMULATE_KILLS").map_or(60, |v| v.parse().unwrap());
    let story = Story::new();
    let mut dice = Dice(20_261_124);
    let rollback = ["rollback", "installed"];
    let time = |args: &[&str]| {
        let started = Instant::now();
        story.run(args).expect(0);
        started.elapsed()
    };
    story.lay();
    let (applying, restoring) = (time(apply), time(&rollback));
    let mut seen: BTreeMap<(&str, String), u32> = BTreeMap::new();
    let mut alive = 0;
    for n in 0..kills {
        let undo = n % 2 == 1;
        let (args, whole, name) =
            if undo { (&rollback[..], restoring, "rollback") } else { (apply, applying, "apply") };
        story.lay();
        if undo {
            story.ends_in_the_target(apply);
        }
        alive += u32::from(story.kill(args, whole.mul_f64(1.5 * dice.roll())));
        let when = format!("kill {n} of {name}");
        let state = story.whole(&when);
        // Forward or back, whatever was interrupted; in turns. Hooks run once each way, and again only where that is told.
        if n / 2 % 2 == 0 {
            let told = story.ends_in_the_target(apply);
            let (ran, undone) = story.hooks();
            let anew = if undo && state != "installed" { 2 } else { 0 };
            let fine = if apply.contains(&"--in-place") {
                // What had begun is undone first.
                ran.abs_diff(2 + undone) <= told
            } else {
                (2 + anew..=2 + anew + told).contains(&ran) && (anew..=anew + told).contains(&undone)
            };
            assert!(fine, "{when}: {ran} runs, {undone} undone, {told} told, {state}");
            story.ends_in_the_base("installed");
            assert_eq!(story.hooks(), (ran, undone + 2), "{when}");
        } else {
            let told = story.ends_in_the_base(&state);
            let (ran, undone) = story.hooks();
            assert!(
                ran <= 2 && (ran..=ran + told).contains(&undone),
                "{when}: {ran} runs, {undone} undone, {told} told"
            );
            story.ends_in_the_target(apply);
            assert_eq!(story.hooks(), (ran + 2, undone), "{when}");
        }
        *seen.entry((name, state)).or_default() += 1;
    }
    println!(
        "{apply:?}: {kills} kills, {alive} met it alive, apply takes {applying:?}, rollback {restoring:?}: {seen:?}"
    );
    assert!(alive > 0, "every kill came too late: {seen:?}");
    assert!(seen.keys().any(|(_, state)| state == "interrupted"), "no kill interrupted anything: {seen:?}");
}
