//! A fix that is withdrawn at the last minute: what the bundle says, and that the new bundle does what was said.

mod common;

use common::{copy, cumulate, listing};
use std::path::Path;

fn strings(v: &serde_json::Value) -> Vec<&str> {
    v.as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect()
}

#[test]
fn a_pulled_fix_takes_what_needs_it_along_and_the_new_bundle_is_as_was_said() {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new("testdata/demo"), &dir.path().join("lantern"));
    let run = |args: &[&str]| cumulate(dir.path(), args);
    run(&["build", "lantern", "-o", "l.cup"]).expect(0);
    let remembered = listing(&dir.path().join("lantern/.cumulate-cache"));
    assert!(!remembered.is_empty());

    let said = run(&["pull", "LAN-101", "l.cup", "--format", "json"]).expect(0).json();
    assert_eq!(said["schema"], "cumulate.pull/1");
    let goes: Vec<&str> = said["goes"].as_array().unwrap().iter().map(|g| g["fix"].as_str().unwrap()).collect();
    assert_eq!(goes, ["LAN-101", "LAN-102", "LAN-109"]);
    assert_eq!(strings(&said["goes"][2]["chain"]), ["LAN-109", "LAN-102", "LAN-101"]);
    assert_eq!(strings(&said["goes"][0]["cves"]), ["CVE-2026-10101"]);
    // What each base has of them is what `inspect` says it has.
    let shown = run(&["inspect", "l.cup", "--format", "json"]).expect(0).json();
    for (said, shown) in said["bases"].as_array().unwrap().iter().zip(shown["bases"].as_array().unwrap()) {
        let with = |state: &[&str]| -> Vec<&str> {
            let all = shown["fixes"].as_array().unwrap().iter();
            let fits = |f: &&serde_json::Value| {
                state.contains(&f["state"].as_str().unwrap()) && goes.contains(&f["id"].as_str().unwrap())
            };
            all.filter(fits).map(|f| f["id"].as_str().unwrap()).collect()
        };
        assert_eq!(strings(&said["loses"]), with(&["added", "partly"]), "{said:#}");
        assert_eq!([strings(&said["reverts"]), strings(&said["keeps"])].concat(), with(&["contained"]), "{said:#}");
    }
    assert!(said["bases"].as_array().unwrap().iter().any(|b| !strings(&b["reverts"]).is_empty()), "{said:#}");

    // With the release folder: the same bundle as `build --without` makes.
    let args = ["pull", "LAN-101", "l.cup", "--release", "lantern", "-o", "new.cup", "--format", "json"];
    let built = run(&args).expect(0).json();
    assert_eq!(built["goes"], said["goes"]);
    assert_eq!((strings(&built["rebuilt"]["gone_too"]), strings(&built["rebuilt"]["new"])), (vec![], vec![]));
    run(&["build", "lantern", "--without", "LAN-101", "-o", "plain.cup"]).expect(0);
    let read = |f: &str| std::fs::read(dir.path().join(f)).unwrap();
    assert!(read("new.cup") == read("plain.cup"));
    // What is said to go back does, also where the installed version had the fix: there is one target for all.
    let was = listing(&dir.path().join("lantern/bases/1.0.0"));
    for base in said["bases"].as_array().unwrap() {
        let name = base["name"].as_str().unwrap();
        let installed = dir.path().join(format!("installed-{name}"));
        copy(&dir.path().join("lantern/bases").join(name), &installed);
        run(&["apply", "new.cup", &format!("installed-{name}"), "--allow-unsigned"]).expect(0);
        let now = listing(&installed);
        assert_eq!(strings(&base["back"]), ["src/parse.c"]);
        assert_eq!(now.get("src/parse.c"), was.get("src/parse.c"), "{name}");
    }
}

#[test]
fn a_fix_that_the_bundle_has_not_is_a_usage_error() {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new("testdata/demo"), &dir.path().join("lantern"));
    cumulate(dir.path(), &["build", "lantern", "-o", "l.cup"]).expect(0);
    let run = cumulate(dir.path(), &["pull", "LAN-999", "l.cup"]).expect(2);
    assert!(run.stderr.contains("cumulate inspect"), "{}", run.stderr);
    cumulate(dir.path(), &["pull", "LAN-101", "l.cup", "--release", "lantern"]).expect(2);
}
