//! What the installer says about an installation holds, and the commands that it advises do what they are advised for.

mod installing;

#[path = "common/mod.rs"]
mod common;

use common::{Run, assert_same, copy, cumulate};
use cumulate::disk::Disk;
use cumulate::install::{Applied, Options, Outcome, Status, apply, memory, rollback, status};
use cumulate::report::ErrorCode;
use installing::*;
use std::fs;
use std::path::Path;

#[test]
fn a_downgrade_onto_files_that_are_there_already_is_recorded_as_the_older_release() {
    let (base, target) = (world(&["a = 1", "b = b"]), world(&["a = 2", "b = b"]));
    let go = |dir: &Path, version: &str, sequence: Option<u64>, options: &Options| -> Applied {
        let mut made = Made::new(version, &[("1", &base)], &target, &[]);
        made.sequence = sequence;
        apply(&Disk::real(), dir, &made.release(), options).unwrap()
    };
    let look = |dir: &Path| -> (String, Option<u64>) {
        let now: Status = status(&Disk::real(), dir).unwrap();
        assert_eq!(now.drift, []);
        (now.installed.unwrap().version, now.sequence)
    };
    let back = Options { allow_downgrade: true, ..Options::default() };
    // An older sequence, another version of the same, and none at all.
    for (version, sequence) in [("2.0", Some(7)), ("2.1-b", Some(8)), ("1.9", None)] {
        let dir = scratch();
        let dir = dir.path();
        lay(dir, &base);
        go(dir, "2.1", Some(8), &Options::default());
        let files = listing(dir);
        let dry = go(dir, version, sequence, &Options { dry_run: true, ..back.clone() });
        assert_eq!((dry.outcome, dry.steps.len()), (Outcome::DryRun, 0), "{version}");
        assert_eq!(look(dir), ("2.1".into(), Some(8)), "{version}: a dry run records nothing");
        assert_eq!(go(dir, version, sequence, &back).outcome, Outcome::Recorded, "{version}");
        assert_eq!(look(dir), (version.into(), sequence));
        assert_eq!(go(dir, version, sequence, &back).outcome, Outcome::NothingToDo, "{version}: it is that already");
        assert_eq!(memory(dir).unwrap().sequences["acme"], 8, "{version}: what was seen stays seen");
        assert_eq!(tree_of(dir), tree(&target), "{version}");
        rollback(&Disk::real(), dir).unwrap();
        assert_eq!(look(dir), ("2.1".into(), Some(8)), "{version}");
        assert_eq!(listing(dir), files, "{version}");
    }
}

#[test]
fn status_promises_no_rollback_for_which_an_old_version_is_lost() {
    let worlds = [world(&["a = 1", "b = b"]), world(&["a = 22", "b = b"]), world(&["a = 333", "b = b"])];
    let dir = scratch();
    let dir = dir.path();
    lay(dir, &worlds[0]);
    for (n, version) in [(1, "2"), (2, "3")] {
        let made = Made::new(version, &[("1", &worlds[n - 1])], &worlds[n], &[]);
        apply(&Disk::real(), dir, &made.release(), &Options::default()).unwrap();
    }
    let look = || {
        let now: Status = status(&Disk::real(), dir).unwrap();
        (now.rollback.len(), now.lost.map(|p| p.to_string()))
    };
    assert_eq!(look(), (2, None));
    let kept = |generation: u32| dir.join(format!(".cumulate/backup/{generation:06}/00000000"));
    fs::write(kept(1), "longer than it was").unwrap();
    assert_eq!(look(), (1, Some("a".into())));
    rollback(&Disk::real(), dir).unwrap();
    assert_eq!(look(), (0, Some("a".into())));
    assert!(rollback(&Disk::real(), dir).is_err());
    let text = cumulate(dir, &["status", "."]).expect(0).stdout;
    assert!(text.contains("one cannot roll back: the kept old version of a is missing"), "{text}");
    fs::remove_file(kept(1)).unwrap();
    assert_eq!(look(), (0, Some("a".into())));
}

#[test]
fn a_damaged_list_of_files_is_no_obstacle_to_going_back_as_status_says() {
    let (base, target) = (world(&["a = 1", "b = b"]), world(&["a = 2", "b = b"]));
    let dir = scratch();
    let dir = dir.path();
    lay(dir, &base);
    let before = listing(dir);
    apply(&Disk::real(), dir, &Made::new("2", &[("1", &base)], &target, &[]).release(), &Options::default()).unwrap();
    fs::write(dir.join(".cumulate/releases/000001.listing"), "damaged").unwrap();
    let error = status(&Disk::real(), dir).unwrap_err();
    assert!(error.next.contains("go back: 'rollback' does without it"), "{error:?}");
    rollback(&Disk::real(), dir).unwrap();
    assert_eq!(listing(dir), before);
}

/// The README has every code of an error in the row of its exit code.
#[test]
fn the_table_of_exit_codes_has_every_code_of_an_error() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for code in ErrorCode::ALL {
        let row = format!("| {} | ", code.exit());
        let row = readme.lines().find(|l| l.starts_with(&row)).unwrap_or_else(|| panic!("{row}"));
        assert!(row.contains(&format!("`{}`", code.as_str())), "{row}");
    }
}

/// A signed release 2 of one base, with a config file that both change; `here` has the base and trusts the key.
struct Desk {
    dir: tempfile::TempDir,
}

/// A config file of five lines, of which the first is the release's and the last is what sites edit.
fn lines(first: &str, last: &str) -> String {
    format!("{first}\ntwo\nthree\nfour\n{last}\n")
}

impl Desk {
    fn new() -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        let config = "[component]\nname = 'app'\n[release]\nversion = '2'\nfrom = '1'\n[[base]]\nversion = '1'\n\
                      source = '../v1'\n[[paths]]\nmatch = 'etc/*'\nclass = 'config'\n";
        for (path, text) in [
            ("v1/bin/p", "p 1\n"),
            ("v1/lib/same", "same\n"),
            ("v1/etc/conf", &lines("a 1", "port=80")),
            ("rel/fixes/F/tree/bin/p", "p 2\n"),
            ("rel/fixes/F/tree/etc/conf", &lines("a 2", "port=80")),
            ("rel/cumulate.toml", config),
        ] {
            desk.write(path, text);
        }
        desk.run(&["keygen", "--out", "release"]).expect(0);
        desk.run(&["build", "rel", "-o", "b.cup", "--key", "release.key", "--no-cache"]).expect(0);
        for folder in ["here", "v2"] {
            copy(&desk.dir.path().join("v1"), &desk.dir.path().join(folder));
        }
        desk.run(&["apply", "b.cup", "v2", "--pub", "release.pub"]).expect(0);
        fs::remove_dir_all(desk.dir.path().join("v2/.cumulate")).unwrap();
        desk
    }
    fn write(&self, path: &str, text: &str) {
        let full = self.dir.path().join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
    }
    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir.path().join(path)).unwrap()
    }
    fn run(&self, args: &[&str]) -> Run {
        cumulate(self.dir.path(), args)
    }
    /// Runs every command that stands in quotes in what was said, word by word, with `folder` where it says FOLDER.
    fn obey(&self, said: &str, folder: &str) -> Vec<Run> {
        let commands: Vec<&str> = said.split('\'').filter_map(|s| s.strip_prefix("cumulate ")).collect();
        assert!(!commands.is_empty(), "{said}");
        let run = |c: &&str| self.run(&c.replace("FOLDER", folder).split(' ').collect::<Vec<_>>());
        commands.iter().map(run).collect()
    }
}

#[test]
fn the_commands_that_are_advised_where_a_merge_lacks_the_old_version_merge_it() {
    for dry in [true, false] {
        let desk = Desk::new();
        let edited = lines("a 1", "port=8080");
        desk.write("here/etc/conf", &edited);
        let apply = ["apply", "b.cup", "here", "--edited-config", "merge", "--pub", "release.pub"];
        let said = desk.run(&[&apply[..], if dry { &["--dry-run"] } else { &[] }].concat()).expect(0).stdout;
        assert!(said.contains("not merged: the version that was shipped before is not kept here"), "{said}");
        assert_eq!(desk.read("here/etc/conf"), edited);
        let advice = said.split("to have it merged: ").nth(1).unwrap();
        if dry {
            // Whom to believe is not remembered yet.
            let advice = advice.replace("--edited-config", "--pub release.pub --edited-config");
            assert_eq!(desk.obey(&advice, "v1").iter().map(|r| r.code).collect::<Vec<_>>(), [0], "{advice}");
        } else {
            assert_eq!(desk.obey(advice, "v1").iter().map(|r| r.code).collect::<Vec<_>>(), [0, 0], "{advice}");
        }
        assert_eq!(desk.read("here/etc/conf"), lines("a 2", "port=8080"), "{said}");
        assert!(!desk.dir.path().join("here/etc/conf.new").exists());
    }
}

#[test]
fn status_says_which_drifted_files_the_release_writes_and_how_all_are_put_right() {
    let desk = Desk::new();
    desk.run(&["apply", "b.cup", "here", "--pub", "release.pub"]).expect(0);
    desk.write("here/bin/p", "edited\n");
    desk.write("here/lib/same", "edited too\n");
    let json = desk.run(&["status", "here", "--format", "json"]).expect(5).json();
    let drift: Vec<(&str, bool)> = json["drift"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| (d["path"].as_str().unwrap(), d["touched"].as_bool().unwrap()))
        .collect();
    assert_eq!(drift, [("bin/p", true), ("lib/same", false)]);
    let said = desk.run(&["status", "here"]).expect(5).stdout;
    let advice = said.split("to put them right: ").nth(1).unwrap();
    let command = advice.split(',').next().unwrap().replace("FILE.cup", "b.cup");
    for run in desk.obey(&format!("'{command}'"), "v2") {
        run.expect(0);
    }
    assert_same(&desk.dir.path().join("here"), &desk.dir.path().join("v2"));
    desk.run(&["status", "here"]).expect(0);
}
