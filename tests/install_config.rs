//! Config files belong to the site: what an apply and a rollback make of them, each test one story.

mod installing;

use cumulate::bundle::Class;
use cumulate::disk::Disk;
use cumulate::install::{Applied, EditedConfig, Options, Outcome, apply, rollback, status};
use cumulate::report::Code;
use installing::*;
use std::fs;
use std::path::Path;

const CLASSES: &[(&str, Class)] = &[("etc/a.conf", Class::Config)];

/// Release `n` has this code and this config file.
fn release(code: &str, conf: &str) -> World {
    world(&[&format!("bin/p = {code}"), &format!("etc/a.conf = {conf}"), "lib/same = same"])
}

fn go(dir: &Path, version: &str, base: &World, target: &World) -> Applied {
    let made = Made::new(version, &[("1.0.0", base)], target, CLASSES);
    apply(&Disk::real(), dir, &made.release(), &Options::default()).unwrap()
}

fn read(dir: &Path, path: &str) -> Option<String> {
    fs::read_to_string(dir.join(path)).ok()
}

/// 1.0.1 and 1.0.2 have the same code; 1.0.2's only news is a safer config file, and its bundle knows 1.0.0 alone.
fn releases() -> [World; 3] {
    [release("1", "tls=off"), release("2", "tls=weak"), release("2", "tls=strong")]
}

#[test]
fn a_new_config_file_waits_beside_one_of_an_unknown_version() {
    let [old, middle, new] = releases();
    let dir = scratch();
    lay(dir.path(), &middle);
    let before = listing(dir.path());
    let done = go(dir.path(), "1.0.2", &old, &new);
    assert_eq!(done.outcome, Outcome::Applied);
    assert_eq!(done.findings.iter().map(|f| f.code).collect::<Vec<_>>(), [Code::ConfigKept]);
    assert_eq!(read(dir.path(), "etc/a.conf").as_deref(), Some("tls=weak"));
    assert_eq!(read(dir.path(), "etc/a.conf.new").as_deref(), Some("tls=strong"));
    let now = status(&Disk::real(), dir.path()).unwrap();
    assert_eq!(now.installed.unwrap().version, "1.0.2");
    assert_eq!((now.config, now.beside), (vec![path("etc/a.conf")], vec![path("etc/a.conf.new")]));
    assert_eq!(go(dir.path(), "1.0.2", &old, &new).outcome, Outcome::NothingToDo);
    rollback(&Disk::real(), dir.path()).unwrap();
    assert_eq!(listing(dir.path()), before);
}

#[test]
fn a_config_file_as_the_last_apply_left_it_is_replaced_though_the_bundle_knows_no_such_base() {
    let [old, middle, new] = releases();
    let dir = scratch();
    lay(dir.path(), &old);
    go(dir.path(), "1.0.1", &old, &middle);
    let before = listing(dir.path());
    let done = go(dir.path(), "1.0.2", &old, &new);
    assert_eq!((done.outcome, done.findings.len()), (Outcome::Applied, 0));
    assert_eq!(tree_of(dir.path()), tree(&new));
    let now = status(&Disk::real(), dir.path()).unwrap();
    assert_eq!((now.installed.unwrap().base.as_str(), now.config.len()), ("1.0.1", 0));
    rollback(&Disk::real(), dir.path()).unwrap();
    assert_eq!(listing(dir.path()), before);
}

/// The same where the base is recognised by its code, and the record knows better which config file was shipped.
#[test]
fn a_base_of_the_same_code_does_not_make_a_shipped_config_file_an_edited_one() {
    let (old, middle, new) = (release("1", "tls=off"), release("1", "tls=weak"), release("2", "tls=strong"));
    let dir = scratch();
    lay(dir.path(), &old);
    go(dir.path(), "1.0.1", &old, &middle);
    let done = go(dir.path(), "1.0.2", &old, &new);
    assert_eq!((done.outcome, done.findings.len()), (Outcome::Applied, 0));
    assert_eq!(tree_of(dir.path()), tree(&new));
}

#[test]
fn an_edited_config_file_gets_the_newest_version_beside_it_in_place_of_a_stale_one() {
    let [old, middle, new] = releases();
    let dir = scratch();
    lay(dir.path(), &old);
    fs::write(dir.path().join("etc/a.conf"), "mine").unwrap();
    go(dir.path(), "1.0.1", &old, &middle);
    assert_eq!(read(dir.path(), "etc/a.conf.new").as_deref(), Some("tls=weak"));
    go(dir.path(), "1.0.2", &old, &new);
    assert_eq!(read(dir.path(), "etc/a.conf").as_deref(), Some("mine"));
    assert_eq!(read(dir.path(), "etc/a.conf.new").as_deref(), Some("tls=strong"));
}

#[test]
fn a_config_file_that_is_new_is_installed_and_one_that_the_site_removed_stays_away() {
    let old = world(&["bin/p = 1", "etc/a.conf = a"]);
    let new = world(&["bin/p = 2", "etc/a.conf = a 2", "etc/b.conf = b"]);
    let classes = [("etc/a.conf", Class::Config), ("etc/b.conf", Class::Config)];
    let made = Made::new("2", &[("1", &old)], &new, &classes);
    let dir = scratch();
    lay(dir.path(), &world(&["bin/p = 2"]));
    let done = apply(&Disk::real(), dir.path(), &made.release(), &Options::default()).unwrap();
    assert_eq!(done.outcome, Outcome::Applied);
    assert_eq!(tree_of(dir.path()), tree(&world(&["bin/p = 2", "etc/b.conf = b"])));
    assert!(done.findings.iter().any(|f| f.subject == "etc/a.conf" && f.message.contains("locally removed")));
}

/// What a person does with the `.new` file, and what is at its places after the rollback.
#[test]
fn whatever_becomes_of_the_file_beside_an_edit_a_rollback_works_and_loses_nothing() {
    type Deed = fn(&Path);
    type After = &'static [(&'static str, Option<&'static str>)];
    let table: &[(&str, Deed, After)] = &[
        ("left alone", |_| (), &[("etc/a.conf", Some("mine")), ("etc/a.conf.new", None)]),
        (
            "merged and deleted",
            |d| {
                fs::write(d.join("etc/a.conf"), "mine, merged").unwrap();
                fs::remove_file(d.join("etc/a.conf.new")).unwrap();
            },
            &[("etc/a.conf", Some("mine")), ("etc/a.conf.edited", Some("mine, merged")), ("etc/a.conf.new", None)],
        ),
        (
            "moved over the edit",
            |d| fs::rename(d.join("etc/a.conf.new"), d.join("etc/a.conf")).unwrap(),
            &[("etc/a.conf", Some("mine")), ("etc/a.conf.edited", Some("tls=weak")), ("etc/a.conf.new", None)],
        ),
        (
            "edited again in place",
            |d| fs::write(d.join("etc/a.conf"), "mine, more").unwrap(),
            &[("etc/a.conf", Some("mine")), ("etc/a.conf.edited", Some("mine, more")), ("etc/a.conf.new", None)],
        ),
        (
            "deleted",
            |d| fs::remove_file(d.join("etc/a.conf")).unwrap(),
            &[("etc/a.conf", Some("mine")), ("etc/a.conf.edited", None), ("etc/a.conf.new", None)],
        ),
        (
            "edited itself",
            |d| fs::write(d.join("etc/a.conf.new"), "half merged").unwrap(),
            &[("etc/a.conf", Some("mine")), ("etc/a.conf.new", None), ("etc/a.conf.new.edited", Some("half merged"))],
        ),
    ];
    let [old, middle, _] = releases();
    let newest = release("3", "tls=strong");
    for (what, deed, after) in table {
        for twice in [false, true] {
            let dir = scratch();
            lay(dir.path(), &old);
            fs::write(dir.path().join("etc/a.conf"), "mine").unwrap();
            go(dir.path(), "1.0.1", &old, &middle);
            deed(dir.path());
            let drift = status(&Disk::real(), dir.path()).unwrap().drift;
            assert_eq!(drift, [], "{what}");
            if twice {
                go(dir.path(), "1.0.2", &middle, &newest);
                rollback(&Disk::real(), dir.path()).unwrap_or_else(|e| panic!("{what}, second: {e}"));
            }
            rollback(&Disk::real(), dir.path()).unwrap_or_else(|e| panic!("{what}: {e}"));
            for (path, text) in *after {
                assert_eq!(read(dir.path(), path).as_deref(), *text, "{what}: {path}");
            }
            assert_eq!(read(dir.path(), "bin/p").as_deref(), Some("1"), "{what}");
        }
    }
}

/// A config file of five lines, of which the first is the release's and the last is what sites edit.
fn lines(first: &str, last: &str) -> String {
    format!("{first}\ntwo\nthree\nfour\n{last}\n")
}

fn go_as(dir: &Path, made: &Made, edited: EditedConfig, intact: Option<&Path>) -> Applied {
    let options = Options { edited, intact: intact.map(Into::into), ..Options::default() };
    apply(&Disk::real(), dir, &made.release(), &options).unwrap()
}

fn said(done: &Applied) -> String {
    done.findings.iter().map(|f| f.message.as_str()).collect::<Vec<_>>().join("; ")
}

#[test]
fn an_edit_is_merged_with_the_new_version_from_what_was_shipped_before() {
    let [one, two, three] = ["a 1", "a 2", "a 3"].map(|first| release(first, &lines(first, "port=80")));
    let dir = scratch();
    let dir = dir.path();
    lay(dir, &one);
    go(dir, "2", &one, &two);
    fs::write(dir.join("etc/a.conf"), lines("a 2", "port=8080")).unwrap();
    let before = listing(dir);
    let made = Made::new("3", &[("2", &two)], &three, CLASSES);
    let done = go_as(dir, &made, EditedConfig::Merge, None);
    assert_eq!(read(dir, "etc/a.conf"), Some(lines("a 3", "port=8080")), "{}", said(&done));
    assert!(said(&done).contains("merged") && done.steps.iter().any(|s| s.what == "merge"), "{}", said(&done));
    assert_eq!(read(dir, "etc/a.conf.new"), None);
    let now = status(&Disk::real(), dir).unwrap();
    assert_eq!((now.drift.len(), now.config), (0, vec![path("etc/a.conf")]));
    // Merging again starts from what release 3 shipped, not from what the merge made.
    let four = release("a 4", &lines("a 4", "port=80"));
    let done = go_as(dir, &Made::new("4", &[("3", &three)], &four, CLASSES), EditedConfig::Merge, None);
    assert_eq!(read(dir, "etc/a.conf"), Some(lines("a 4", "port=8080")), "{}", said(&done));
    rollback(&Disk::real(), dir).unwrap();
    rollback(&Disk::real(), dir).unwrap();
    assert_eq!(listing(dir), before);
}

#[test]
fn what_cannot_be_merged_is_kept_with_the_reason_and_the_new_version_beside_it() {
    let [one, two] = ["a 1", "a 2"].map(|first| release(first, &lines(first, "port=80")));
    let made = Made::new("2", &[("1", &one)], &two, CLASSES);
    let mine = lines("mine", "port=8080");
    let binary = "a 1\0".to_owned();
    for (edit, intact, wanted) in [
        (lines("a 1", "port=8080"), false, "is not kept here"),
        (mine, true, "1 place(s) changed on both sides"),
        (binary, true, "it is no text"),
        (lines("a 1", "port=8080"), true, "merged"),
    ] {
        let (dir, other) = (scratch(), scratch());
        lay(dir.path(), &one);
        lay(other.path(), &one);
        fs::write(dir.path().join("etc/a.conf"), &edit).unwrap();
        let done = go_as(dir.path(), &made, EditedConfig::Merge, intact.then_some(other.path()));
        assert!(said(&done).contains(wanted), "{}", said(&done));
        let merged = wanted == "merged";
        assert_eq!(read(dir.path(), "etc/a.conf") == Some(edit), !merged);
        assert_eq!(read(dir.path(), "etc/a.conf.new").is_some(), !merged);
    }
}

#[test]
fn an_edit_that_is_replaced_is_kept_under_a_free_name() {
    let [old, middle, new] = releases();
    let dir = scratch();
    let dir = dir.path();
    lay(dir, &old);
    fs::write(dir.join("etc/a.conf"), "mine").unwrap();
    fs::write(dir.join("etc/a.conf.edited"), "an older edit").unwrap();
    let before = listing(dir);
    let done = go_as(dir, &Made::new("1.0.1", &[("1.0.0", &old)], &middle, CLASSES), EditedConfig::Replace, None);
    assert!(said(&done).contains("kept as etc/a.conf.edited.2"), "{}", said(&done));
    assert_eq!(read(dir, "etc/a.conf").as_deref(), Some("tls=weak"));
    assert_eq!(read(dir, "etc/a.conf.edited").as_deref(), Some("an older edit"));
    assert_eq!(read(dir, "etc/a.conf.edited.2").as_deref(), Some("mine"));
    assert_eq!(go(dir, "1.0.2", &old, &new).findings, []);
    rollback(&Disk::real(), dir).unwrap();
    rollback(&Disk::real(), dir).unwrap();
    assert_eq!(listing(dir), before);
}

#[test]
fn a_new_version_that_was_edited_stands_in_nobodys_way() {
    let [old, middle, _] = releases();
    let newest = release("3", "tls=strong");
    let dir = scratch();
    let dir = dir.path();
    lay(dir, &old);
    fs::write(dir.join("etc/a.conf"), "mine").unwrap();
    go(dir, "1.0.1", &old, &middle);
    fs::write(dir.join("etc/a.conf.new"), "half merged").unwrap();
    let done = go(dir, "1.0.2", &middle, &newest);
    assert!(
        said(&done).contains("etc/a.conf.new is not as it was laid there; it is kept as etc/a.conf.new.edited"),
        "{}",
        said(&done)
    );
    let three = ["etc/a.conf", "etc/a.conf.new", "etc/a.conf.new.edited"].map(|p| read(dir, p).unwrap());
    assert_eq!(three, ["mine", "tls=strong", "half merged"]);
    assert_eq!(status(&Disk::real(), dir).unwrap().drift, []);
}
#[test]
fn an_edited_config_file_that_the_release_drops_is_put_back_as_it_was_and_an_unedited_one_stays_the_same_file() {
    let (old, new) = (release("1", "tls=off"), world(&["bin/p = 2", "lib/same = same"]));
    for (later, edited) in [("mine", None), ("mine, more", Some("mine, more"))] {
        let dir = scratch();
        lay(dir.path(), &old);
        let conf = dir.path().join("etc/a.conf");
        fs::write(&conf, "mine").unwrap();
        let before = listing(dir.path());
        go(dir.path(), "2", &old, &new);
        assert_eq!(status(&Disk::real(), dir.path()).unwrap().left, [path("etc/a.conf")]);
        let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&conf).unwrap());
        if edited.is_some() {
            fs::write(&conf, later).unwrap();
        }
        let back = rollback(&Disk::real(), dir.path()).unwrap();
        assert_eq!(read(dir.path(), "etc/a.conf.edited").as_deref(), edited);
        if edited.is_none() {
            assert_eq!(std::os::unix::fs::MetadataExt::ino(&fs::metadata(&conf).unwrap()), inode);
        } else {
            assert_eq!(back.kept, [path("etc/a.conf.edited")]);
            fs::remove_file(dir.path().join("etc/a.conf.edited")).unwrap();
        }
        let (mut before, mut after) = (before, listing(dir.path()));
        // The folder's time is that of the file that was just removed.
        before.remove("etc/.");
        after.remove("etc/.");
        assert_eq!(after, before);
    }
}
