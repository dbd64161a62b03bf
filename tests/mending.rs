//! Putting drifted and composed installations right: every command that advice names is run as it is printed.

mod installing;

#[path = "common/mod.rs"]
mod common;

use common::cumulate;
use cumulate::disk::Disk;
use cumulate::install::{AllowDrift, Options, Outcome, apply, rollback, status};
use cumulate::report::{Code, ErrorCode};
use installing::*;
use std::fs;
use std::path::Path;

fn worlds() -> (World, World, World) {
    let one = world(&["bin/a * a of one", "lib/b = b 1", "lib/c = c, never touched", "gone = old", "conf = 1"]);
    let two = world(&["bin/a * a of two", "lib/b = b 1", "lib/c = c, never touched", "gone = old", "conf = 1"]);
    let target = world(&[
        "bin/a * a of three, which is longer than both",
        "lib/b = b 3",
        "lib/c = c, never touched",
        "lib/new = new in three",
        "lib/link -> b",
        "conf = 3",
    ]);
    (one, two, target)
}

fn made() -> Made {
    let (one, two, target) = worlds();
    Made::new("3", &[("1", &one), ("2", &two)], &target, &[("conf", cumulate::bundle::Class::Config)])
}

fn with(allow_drift: AllowDrift) -> Options {
    Options { allow_drift, ..Options::default() }
}

/// The commands that a message names, between quotes.
fn commands(text: &str) -> Vec<Vec<String>> {
    let quoted = text.split('\'').skip(1).step_by(2);
    let own = quoted.filter_map(|q| q.strip_prefix("cumulate "));
    own.map(|q| q.split(' ').map(str::to_owned).collect()).collect()
}

fn run(work: &Path, words: &[String]) -> common::Run {
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--allow-unsigned"]).collect();
    cumulate(work, &words)
}

/// Applies the release, lets `damage` happen, applies again and follows the advice as it is printed.
fn advice_works(damage: &dyn Fn(&Path), option: &str, intact: bool) {
    let work = tempfile::tempdir().unwrap();
    let work = fs::canonicalize(work.path()).unwrap();
    let (one, _, target) = worlds();
    made().write(&work.join("three.cup"));
    let dir = work.join("here");
    lay(&dir, &one);
    lay(&work.join("FOLDER"), &target);
    cumulate(&work, &["apply", "three.cup", "here", "--allow-unsigned"]).expect(0);
    damage(&dir);
    let drifted = listing(&dir);
    let said = cumulate(&work, &["status", "here"]).expect(5).stdout;
    assert!(said.contains("to put them right: cumulate doctor FILE.cup here --repair"), "{said}");
    let refused = cumulate(&work, &["apply", "three.cup", "here", "--allow-unsigned"]).expect(5);
    assert_eq!(listing(&dir), drifted, "a refusal changes nothing");
    let mut advised = commands(&refused.stderr);
    assert_eq!(advised.len(), 1, "{}", refused.stderr);
    let command = advised.remove(0);
    assert!(command.contains(&option.to_owned()), "{command:?}");
    assert_eq!(command.contains(&"--from".to_owned()), intact, "{command:?}");
    run(&work, &command).expect(0);
    assert_eq!(tree_of(&dir), tree(&target));
    cumulate(&work, &["status", "here"]).expect(0);
    assert_eq!(run(&work, &command).expect(0).stdout.matches("nothing to do").count(), 1);
    // What the repair did can be undone, and then there is a way back from the drift as well.
    cumulate(&work, &["rollback", "here"]).expect(0);
    assert_eq!(listing(&dir), drifted);
    let refused = cumulate(&work, &["rollback", "here"]);
    if refused.code == 0 {
        return; // Only files that the apply had not touched were damaged.
    }
    let command = commands(&refused.expect(5).stderr).remove(0);
    cumulate(&work, &command.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    let mut back = tree_of(&dir);
    back.entries.retain(|p, _| !p.as_str().ends_with(".edited"));
    assert_eq!(back, tree(&one));
}

#[test]
fn changed_files_come_back_from_kept_old_files_and_the_bundle() {
    let damage = |dir: &Path| {
        fs::write(dir.join("bin/a"), "damaged").unwrap();
        fs::remove_file(dir.join("lib/b")).unwrap();
        fs::write(dir.join("lib/new"), "damaged").unwrap();
        fs::remove_file(dir.join("lib/link")).unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.join("lib/link")).unwrap();
    };
    advice_works(&damage, "--repair", false);
}

#[test]
fn files_that_no_step_touches_come_back_from_an_intact_folder() {
    advice_works(&|dir| fs::write(dir.join("lib/c"), "damaged").unwrap(), "--repair", true);
    advice_works(&|dir| fs::remove_file(dir.join("lib/c")).unwrap(), "--repair", true);
}

#[test]
fn a_wrong_folder_puts_nothing_right() {
    let (one, _, target) = worlds();
    let dir = scratch();
    lay(dir.path(), &one);
    apply(&Disk::real(), dir.path(), &made().release(), &Options::default()).unwrap();
    fs::write(dir.path().join("lib/c"), "damaged").unwrap();
    let before = listing(dir.path());
    let wrong = scratch();
    let mut other = target;
    other.insert("lib/c".into(), Node::File(b"damaged in another way".to_vec(), 0o644));
    lay(wrong.path(), &other);
    let options = Options { intact: Some(wrong.path().into()), ..with(AllowDrift::Mended) };
    let e = apply(&Disk::real(), dir.path(), &made().release(), &options).unwrap_err();
    assert_eq!((e.code, e.subject.as_str()), (ErrorCode::Drift, "lib/c"), "{e}");
    assert_eq!(listing(dir.path()), before);
}

/// `bin/a` is as base 2 has it, `lib/b` as the target, `lib/new` is there already, the rest is of base 1.
fn composed() -> World {
    let (one, two, target) = worlds();
    let mut here = one;
    here.insert("bin/a".into(), two["bin/a"].clone());
    here.insert("lib/b".into(), target["lib/b"].clone());
    here.insert("lib/new".into(), target["lib/new"].clone());
    here
}

#[test]
fn a_mix_of_known_states_is_refused_by_default_and_taken_if_accepted() {
    let dir = scratch();
    let mut here = composed();
    here.insert("conf".into(), Node::File(b"edited".to_vec(), 0o600));
    lay(dir.path(), &here);
    let before = listing(dir.path());
    let e = apply(&Disk::real(), dir.path(), &made().release(), &Options::default()).unwrap_err();
    assert!(e.next.contains("2, target") && e.next.contains("--allow-composed"), "{e}: {}", e.next);
    assert_eq!(listing(dir.path()), before);
    let done = apply(&Disk::real(), dir.path(), &made().release(), &with(AllowDrift::Composed)).unwrap();
    assert_eq!(done.outcome, Outcome::Applied);
    assert_eq!(done.findings.iter().filter(|f| f.code == Code::Drifted).count(), 2, "{:?}", done.findings);
    let mut wanted = worlds().2;
    wanted.insert("conf".into(), Node::File(b"edited".to_vec(), 0o600));
    wanted.insert("conf.new".into(), Node::File(b"3".to_vec(), 0o600));
    assert_eq!(tree_of(dir.path()), tree(&wanted));
    assert!(status(&Disk::real(), dir.path()).unwrap().drift.is_empty());
    rollback(&Disk::real(), dir.path()).unwrap();
    assert_eq!(listing(dir.path()), before);
}

#[test]
fn a_file_in_no_known_state_is_not_taken_for_a_mix() {
    let dir = scratch();
    let mut here = composed();
    here.insert("lib/b".into(), Node::File(b"a local build".to_vec(), 0o644));
    lay(dir.path(), &here);
    let before = listing(dir.path());
    let e = apply(&Disk::real(), dir.path(), &made().release(), &with(AllowDrift::Composed)).unwrap_err();
    assert_eq!(e.code, ErrorCode::NoBase);
    assert!(!e.next.contains("--allow-composed") && e.next.contains("--repair"), "{}", e.next);
    assert_eq!(listing(dir.path()), before);
    let intact = scratch();
    lay(intact.path(), &worlds().2);
    let options = Options { intact: Some(intact.path().into()), ..with(AllowDrift::Mended) };
    apply(&Disk::real(), dir.path(), &made().release(), &options).unwrap();
    assert_eq!(tree_of(dir.path()), tree(&worlds().2));
}

/// The demo component, built with every file whole for repairs.
#[test]
fn a_bundle_with_repair_puts_any_file_right_and_fills_an_empty_folder() {
    let work = tempfile::tempdir().unwrap();
    let work = fs::canonicalize(work.path()).unwrap();
    let run = |args: &[&str]| cumulate(&work, args);
    common::copy(Path::new("testdata/demo"), &work.join("lantern"));
    run(&["keygen", "--out", "release"]).expect(0);
    run(&["build", "lantern", "-o", "plain.cup", "--key", "release.key"]).expect(0);
    run(&["build", "lantern", "-o", "l.cup", "--key", "release.key", "--with-repair"]).expect(0);
    // Who has a base downloads what they did before, give or take the naming of packs that are shared now.
    let download = |file: &str| {
        let json = run(&["inspect", file, "--format", "json"]).expect(0).json();
        json["bases"].as_array().unwrap()[0]["download"].as_u64().unwrap()
    };
    let (with, without) = (download("l.cup"), download("plain.cup"));
    assert!(with <= without + 600, "{with} against {without}");
    run(&["verify", "l.cup", "--pub", "release.pub", "--bases", "lantern/bases"]).expect(0);
    run(&["check", "l.cup", "--config", "lantern/cumulate.toml"]).expect(0);
    run(&["rebuild", "lantern", "--check", "l.cup"]).expect(0);

    common::copy(&work.join("lantern/bases/1.0.1"), &work.join("here"));
    run(&["apply", "l.cup", "here", "--pub", "release.pub"]).expect(0);
    let target = tree_of(&work.join("here"));
    for entry in target.entries.keys().filter(|p| !p.as_str().starts_with("conf/")) {
        fs::write(entry.under(&work.join("here")), "damaged").unwrap();
    }
    let refused = run(&["apply", "l.cup", "here"]).expect(5);
    let command = commands(&refused.stderr).remove(0);
    assert!(!command.contains(&"--from".to_owned()), "{command:?}");
    run(&command.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    assert_eq!(tree_of(&work.join("here")), target);
    run(&["status", "here"]).expect(0);

    fs::create_dir(work.join("new")).unwrap();
    run(&["apply", "l.cup", "new", "--pub", "release.pub"]).expect(0);
    assert_eq!(tree_of(&work.join("new")), target);
    // A folder that holds something of the release's is not taken for an empty one.
    fs::create_dir_all(work.join("other/src")).unwrap();
    fs::write(work.join("other/src/parse.c"), "not ours").unwrap();
    run(&["apply", "l.cup", "other", "--pub", "release.pub"]).expect(5);
}

#[test]
fn a_declared_mix_is_a_base_like_any_other_and_proved_by_the_gate() {
    let work = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| cumulate(work.path(), args);
    common::copy(Path::new("testdata/demo"), &work.path().join("lantern"));
    let config = work.path().join("lantern/cumulate.toml");
    let plain = fs::read_to_string(&config).unwrap();
    let declare = |mix: &str| fs::write(&config, format!("{plain}\n[[derived]]\n{mix}\n")).unwrap();
    for (mix, word) in [
        ("version = 'hot'\nfrom = '1.0.0'\nwith = ['LAN-999']", "no fix 'LAN-999'"),
        ("version = 'hot'\nfrom = '0.9'\nwith = ['LAN-101']", "which is no base"),
        ("version = '1.0.0'\nfrom = '1.0.0'\nwith = ['LAN-101']", "its name is taken"),
        ("version = 'hot'\nfrom = '1.0.0'\nwith = []", "no fixes"),
        ("version = 'hot'\nfrom = '1.0.0'\nwith = ['LAN-102']", "LAN-102 does not apply to 1.0.0"),
    ] {
        declare(mix);
        let said = run(&["build", "lantern", "-o", "no.cup", "--no-cache"]).expect(3).stderr;
        assert!(said.contains(word), "{said}");
        // The plan knows before.
        let plan = run(&["plan", "lantern", "--no-cache"]);
        assert!((plan.stdout + &plan.stderr).contains(word), "{word}");
        assert_ne!(plan.code, 0, "{word}");
    }
    run(&["keygen", "--out", "release"]).expect(0);
    declare("version = '1.0.0-hotfix'\nfrom = '1.0.0'\nwith = ['LAN-101', 'LAN-104']");
    run(&["build", "lantern", "-o", "l.cup", "--key", "release.key"]).expect(0);
    let said = run(&["check", "l.cup", "--config", "lantern/cumulate.toml"]).expect(0).stdout;
    assert!(said.contains("base 1.0.0-hotfix"), "{said}");
    let inspect = run(&["inspect", "l.cup", "--base", "1.0.0-hotfix", "--format", "json"]).expect(0).json();
    let state = |id: &str| inspect.to_string().contains(&format!("{{\"id\":\"{id}\",\"state\":\"contained\""));
    assert!(state("LAN-101") && state("LAN-104") && !state("LAN-103"), "{inspect}");

    // Vetting is wanted of the mix too, which lies nowhere as a folder: with the release's configuration it is made.
    run(&["keygen", "--out", "vera"]).expect(0);
    let policy = "[[key]]\nfile = 'release.pub'\n[[key]]\nfile = 'vera.pub'\nrole = 'vetter'\n[roles.vetter]\nevidence = 'test-result'\n";
    fs::write(work.path().join("trust.toml"), policy).unwrap();
    let vet = |from: &[&str]| {
        run(&[&["vet", "l.cup", "--key", "vera.key"], from, &["--", "test", "-f", "src/parse.c"]].concat())
    };
    let said = vet(&["--bases", "lantern/bases"]).expect(3).stderr;
    assert!(said.contains("1.0.0-hotfix") && said.contains("--config"), "{said}");
    run(&["trust", "status", "l.cup", "--policy", "trust.toml"]).expect(4);
    let said = vet(&["--config", "lantern/cumulate.toml"]).expect(0).stdout;
    assert!(said.contains("base 1.0.0-hotfix: 1 test passed"), "{said}");
    run(&["trust", "status", "l.cup", "--policy", "trust.toml"]).expect(0);
    let verify =
        |from: &[&str]| run(&[&["verify", "l.cup", "--policy", "trust.toml", "--format", "json"], from].concat());
    assert_eq!(verify(&[]).expect(0).json()["proofs"], serde_json::json!([]));
    let said = verify(&["--bases", "lantern/bases"]).expect(3);
    assert!((said.stdout + &said.stderr).contains("--config"));
    let proofs = verify(&["--config", "lantern/cumulate.toml"]).expect(0).json()["proofs"].clone();
    let proved: Vec<&str> = proofs.as_array().unwrap().iter().map(|p| p["base"].as_str().unwrap()).collect();
    assert_eq!(proved, ["1.0.0", "1.0.1", "1.0.2", "1.0.0-hotfix"]);

    // The same mix on a machine: the base with the two fixes applied as `git apply` does.
    common::copy(&work.path().join("lantern/bases/1.0.0"), &work.path().join("here"));
    for fix in ["LAN-101", "LAN-104"] {
        let patch = work.path().join(format!("lantern/fixes/{fix}.patch"));
        let mut git = std::process::Command::new("git");
        git.arg("apply").arg(patch).current_dir(work.path().join("here"));
        assert!(git.env("GIT_CEILING_DIRECTORIES", work.path()).status().unwrap().success());
    }
    let said = run(&["apply", "l.cup", "here", "--pub", "release.pub"]).expect(0).stdout;
    assert!(said.contains("recognised base 1.0.0-hotfix"), "{said}");
    common::copy(&work.path().join("lantern/bases/1.0.2"), &work.path().join("there"));
    run(&["apply", "l.cup", "there"]).expect(4);
    run(&["apply", "l.cup", "there", "--pub", "release.pub"]).expect(0);
    common::assert_same(&work.path().join("here"), &work.path().join("there"));
}
