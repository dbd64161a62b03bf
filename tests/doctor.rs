//! What `doctor` says of installations that are no base: each table line one situation, then real running programs.

mod installing;

#[path = "common/mod.rs"]
mod common;

use common::{cumulate, exact};
use cumulate::bundle::Class;
use cumulate::disk::Disk;
use cumulate::install::{AllowDrift, Applied, Diagnosis, Health, Mending, Options, apply, doctor, rollback, status};
use cumulate::report::Code;
use installing::*;
use std::fs;
use std::path::Path;
use std::process::Command;

/// `a` changes between all three, `b` only on the way to the target, `c` never, `d` comes whole.
fn made() -> Made {
    let one = world(&["a = a 1", "b = b 1", "c = c", "gone = old"]);
    let two = world(&["a = a 2", "b = b 1", "c = c", "gone = old", "d = d 2"]);
    let target = world(&["a = a 3", "b = b 3", "c = c", "d = d 3, and longer"]);
    Made::new("3", &[("1", &one), ("2", &two)], &target, &[])
}

fn diagnose(files: &[&str]) -> Diagnosis {
    let dir = scratch();
    lay(dir.path(), &world(files));
    let before = listing(dir.path());
    let found = doctor(&Disk::real(), dir.path(), &made().release(), None).unwrap();
    assert_eq!(listing(dir.path()), before, "a doctor only looks");
    found
}

/// Each ailment as `path: states that have it so`.
fn ailments(d: &Diagnosis) -> Vec<String> {
    d.ailments.iter().map(|a| format!("{}: {}", a.path, a.known.join(" "))).collect()
}

#[test]
fn a_base_and_the_target_are_healthy() {
    let base = diagnose(&["a = a 2", "b = b 1", "c = c", "gone = old", "d = d 2", "site = mine"]);
    assert_eq!((base.health, base.nearest.as_str(), base.exit()), (Health::Base, "2", 0));
    let target = diagnose(&["a = a 3", "b = b 3", "c = c", "d = d 3, and longer"]);
    assert_eq!((target.health, target.exit(), target.bytes), (Health::AtTarget, 0, 0));
}

#[test]
fn a_base_with_a_hotfix_is_composed_and_its_files_are_named() {
    let d = diagnose(&["a = a 3", "b = b 1", "c = c", "gone = old", "d = d 2"]);
    assert_eq!((d.health, d.nearest.as_str(), d.exit()), (Health::Composed, "2", 5));
    assert_eq!(ailments(&d), ["a: target"]);
    assert_eq!(d.composed, ["2", "target"]);
    assert_eq!((d.bytes, d.elsewhere), (0, 0), "the file is what the target wants already");

    let d = diagnose(&["a = a 1", "b = b 1", "c = c", "gone = old", "d = d 2"]);
    assert_eq!((d.health, ailments(&d)), (Health::Composed, vec!["d: 2".to_owned()]));
    assert_eq!(d.ailments[0].mending, Mending::Full { base: "1".into() }, "shorter than the delta of base 2");
    assert!(d.bytes > 0 && d.bytes == d.ailments[0].bytes);
}

#[test]
fn drift_is_mended_by_whole_contents_of_any_base_or_from_elsewhere() {
    // Base 1 has no `d`, so what it carries of it is whole and serves base 2.
    let d = diagnose(&["a = a 2", "b = b 1", "c = c", "gone = old", "d = edited"]);
    assert_eq!((d.health, ailments(&d)), (Health::Drifted, vec!["d: ".to_owned()]));
    assert_eq!(d.ailments[0].mending, Mending::Full { base: "1".into() });
    let d = diagnose(&["a = a 2", "b = b 1", "c = edited", "gone = old", "d = d 2"]);
    assert_eq!(d.ailments[0].mending, Mending::Elsewhere);
    assert_eq!((d.bytes, d.elsewhere), (0, 1), "`c` has one byte, which no step carries");
    let d = diagnose(&["a = a 2", "b = b 1", "c = edited", "gone = old", "d = d 2", "copy = c"]);
    assert_eq!(d.ailments[0].mending, Mending::Elsewhere, "files of the site's are not looked at");
    let d = diagnose(&["a = a 2", "b = c", "gone = old", "d = d 2"]);
    assert_eq!(ailments(&d), ["b: ", "c: "]);
    assert_eq!(d.ailments[1].mending, Mending::Copy { from: "b".into() });
}

/// What `doctor` names, `--repair` takes away, and `rollback` brings back; what no base had so is the site's.
#[test]
fn a_file_of_a_base_that_was_left_over_is_named_and_repaired_away() {
    let target = ["a = a 3", "b = b 3", "c = c", "d = d 3, and longer"];
    let base = ["a = a 1", "b = b 1", "c = c", "gone = old"];
    let stories: [(&[&str], &str, Health, &[&str]); 4] = [
        (&target, "gone = old", Health::Composed, &["gone: 1 2"]),
        (&target, "gone = the site's own", Health::AtTarget, &[]),
        (&base, "d = d 2", Health::Composed, &["d: 2"]),
        (&base, "e = the site's own", Health::Base, &[]),
    ];
    for recorded in [false, true] {
        for (rest, more, health, ails) in &stories {
            let dir = scratch();
            let repair = Options { allow_drift: AllowDrift::Mended, ..Options::default() };
            lay(dir.path(), &world(if recorded && rest == &target { &base } else { rest }));
            if recorded && rest == &target {
                apply(&Disk::real(), dir.path(), &made().release(), &Options::default()).unwrap();
            }
            lay(dir.path(), &world(&[more]));
            let before = tree_of(dir.path());
            let look = || doctor(&Disk::real(), dir.path(), &made().release(), None).unwrap();
            let d = look();
            assert_eq!((d.health, ailments(&d)), (*health, ails.iter().map(ToString::to_string).collect()), "{more}");
            apply(&Disk::real(), dir.path(), &made().release(), &repair).unwrap();
            let mut wanted = world(&target);
            if more.contains("site") {
                wanted.extend(world(&[more]));
            }
            assert_eq!(tree_of(dir.path()), tree(&wanted), "{more}");
            let d = look();
            assert_eq!((d.health, ailments(&d)), (Health::AtTarget, Vec::new()), "{more}");
            if *health == Health::Composed {
                rollback(&Disk::real(), dir.path()).unwrap();
                assert_eq!(tree_of(dir.path()), before, "{more}");
            }
        }
    }
}

/// Config files that an apply says it left as they are, or left out.
fn kept_away(done: &Applied) -> Vec<&str> {
    done.findings.iter().filter(|f| f.code == Code::ConfigKept).map(|f| f.subject.as_str()).collect()
}

/// Nobody has removed a config file from a folder in which nothing is: a repair fills it whole, or says what it cannot.
#[test]
fn an_empty_folder_is_filled_with_its_config_files_too() {
    let one = world(&["a = a 1", "b = b", "etc/changed = 1", "etc/same = s"]);
    let two = world(&["a = a 3", "b = b 2", "etc/changed = 3", "etc/same = s", "etc/new = n"]);
    let target = world(&["a = a 3", "b = b", "etc/changed = 3", "etc/same = s", "etc/new = n"]);
    let classes = ["etc/changed", "etc/same", "etc/new"].map(|p| (p, Class::Config));
    let made = Made::new("3", &[("1", &one), ("2", &two)], &target, &classes);
    // What the folder with intact files lacks, and what is left out therefore: the bundle has the rest.
    for (lacks, left_out) in [(&[][..], &[][..]), (&["etc/changed", "etc/new"], &[]), (&["etc/same"], &["etc/same"])] {
        let (dir, intact) = (scratch(), scratch());
        let mut there = target.clone();
        there.retain(|p, _| !lacks.contains(&p.as_str()));
        lay(intact.path(), &there);
        fs::create_dir(dir.path().join("etc")).unwrap();
        let before = listing(dir.path());
        let repair =
            Options { allow_drift: AllowDrift::Mended, intact: Some(intact.path().to_owned()), ..Options::default() };
        let done = apply(&Disk::real(), dir.path(), &made.release(), &repair).unwrap();
        assert_eq!(kept_away(&done), left_out, "{lacks:?}");
        let mut wanted = target.clone();
        wanted.retain(|p, _| !left_out.contains(&p.as_str()));
        assert_eq!(tree_of(dir.path()), tree(&wanted), "{lacks:?}");
        let now = status(&Disk::real(), dir.path()).unwrap();
        assert_eq!((now.drift.len(), now.config.len()), (0, left_out.len()), "{lacks:?}");
        rollback(&Disk::real(), dir.path()).unwrap();
        assert_eq!(listing(dir.path()), before, "{lacks:?}");
    }
}

/// Removing a config file is a decision: `apply` keeps to it, so `doctor` and `status` find nothing wrong with it.
#[test]
fn a_config_file_that_was_removed_stays_away_and_is_no_damage() {
    let one = world(&["a = a 1", "conf = 1", "b = b", "gone = old"]);
    let target = world(&["a = a 3", "conf = 3", "b = b", "new = new"]);
    let nothing = World::new();
    for bases in [&[("1", &one)][..], &[("1", &one), ("repair", &nothing)]] {
        let made = Made::new("3", bases, &target, &[("conf", Class::Config)]);
        for (here, health) in [
            (&["a = a 1", "b = b", "gone = old"][..], Health::Base),
            (&["a = a 1", "b = b", "gone = edited"], Health::Drifted),
            (&["a = a 3", "b = b", "new = new"], Health::AtTarget),
            (&["a = a 3", "b = b", "new = edited"], Health::Drifted),
            (&["a = a 1", "b = b", "new = new"], Health::Composed),
        ] {
            let dir = scratch();
            lay(dir.path(), &world(here));
            let found = doctor(&Disk::real(), dir.path(), &made.release(), None).unwrap();
            let story = format!("{here:?}, {} bases", bases.len());
            assert_eq!(found.health, health, "{story}");
            assert!(!ailments(&found).iter().any(|a| a.starts_with("conf")), "{story}");
            let repair = Options { allow_drift: AllowDrift::Mended, ..Options::default() };
            let done =
                apply(&Disk::real(), dir.path(), &made.release(), &repair).unwrap_or_else(|e| panic!("{story}: {e}"));
            assert_eq!(kept_away(&done), ["conf"], "{story}: that it stays away is told");
            let now = status(&Disk::real(), dir.path()).unwrap();
            assert!(now.drift.is_empty(), "{story}: {:?}", now.drift);
            let recorded = health != Health::AtTarget; // There, nothing was to be done.
            assert_eq!(now.config, if recorded { vec![path("conf")] } else { Vec::new() }, "{story}");
            let mut wanted = tree(&target);
            wanted.entries.remove(&path("conf"));
            assert_eq!(tree_of(dir.path()), wanted, "{story}");
        }
    }
}

#[test]
fn programs_that_have_files_open_are_named_and_keep_running_on_the_old_file() {
    let scratch = tempfile::tempdir().unwrap();
    let sleep = fs::read("/bin/sleep").unwrap();
    let mut base = world(&["lib/a = a 1", "lib/kept = kept"]);
    base.insert("bin/nap".into(), Node::File(sleep.clone(), 0o755));
    let mut target = base.clone();
    target.insert("bin/nap".into(), Node::File([sleep, b"patched".to_vec()].concat(), 0o755));
    target.insert("lib/a".into(), Node::File(b"a 2".to_vec(), 0o644));
    Made::new("2", &[("1", &base)], &target, &[]).write(&scratch.path().join("nap.cup"));
    let dir = scratch.path().join("here");
    lay(&dir, &base);
    let mut nap = Command::new(dir.join("bin/nap")).arg("60").spawn().unwrap();
    let pid = nap.id().to_string();
    let args = |verb: &'static str| [verb, "nap.cup", "here", "--allow-unsigned"];

    let before = exact(&dir);
    let said = cumulate(scratch.path(), &args("doctor")).expect(0).stdout;
    assert!(said.contains(&format!("open: bin/nap by nap (process {pid})")), "{said}");
    assert_eq!(exact(&dir), before);
    let said = cumulate(scratch.path(), &args("apply")).expect(0).stdout;
    assert!(said.contains("warning[in-use]: bin/nap: nap (process ") && said.contains(&pid), "{said}");
    assert!(!said.contains("lib/kept"), "{said}");
    assert!(nap.try_wait().unwrap().is_none(), "the program runs on");
    assert_eq!(tree_of(&dir), tree(&target));
    nap.kill().unwrap();
    nap.wait().unwrap();
    edited(scratch.path(), &dir);
}

/// An edit in a file of the target, seen through the command line and its JSON.
fn edited(work: &Path, dir: &Path) {
    fs::write(dir.join("lib/a"), "edited").unwrap();
    let run = cumulate(work, &["doctor", "nap.cup", "here", "--allow-unsigned", "--format", "json"]).expect(5);
    let json = run.json();
    assert_eq!((json["schema"].as_str(), json["health"].as_str()), (Some("cumulate.doctor/1"), Some("drifted")));
    let a = json["ailments"].as_array().unwrap().iter().find(|a| a["path"] == "lib/a").unwrap();
    assert_eq!(a["known"], serde_json::json!([]));
}
