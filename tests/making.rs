//! Releases that were made wrong, or oddly: what `plan`, `build` and `inspect` say, on small components.

mod common;

use common::cumulate;
use std::fs;
use std::path::Path;

const TEN: &str = "l1\nl2\nl3\nl4\nl5\nl6\nl7\nl8\nl9\nl10\n";

/// A release folder `r` with one base 1.0 that has the file `f`, and patches by id: (id, headers, hunk).
fn release(dir: &Path, config: &str, fixes: &[(&str, &str, &str)]) {
    let root = dir.join("r");
    fs::create_dir_all(root.join("bases/1.0")).unwrap();
    fs::create_dir_all(root.join("fixes")).unwrap();
    fs::write(root.join("bases/1.0/f"), TEN).unwrap();
    let text = "[component]\nname = \"c\"\n[release]\nversion = \"1.1\"\n[[base]]\nversion = \"1.0\"\nsource = \"bases/1.0\"\n";
    fs::write(root.join("cumulate.toml"), format!("{text}{config}")).unwrap();
    for (id, headers, hunk) in fixes {
        let patch = format!("{headers}--- a/f\n+++ b/f\n{hunk}");
        fs::write(root.join(format!("fixes/{id}.patch")), patch).unwrap();
    }
}

/// A hunk that replaces line 5.
fn five(by: &str) -> String {
    format!("@@ -4,3 +4,3 @@\n l4\n-l5\n+{by}\n l6\n")
}

#[test]
fn two_fixes_of_one_line_are_named_both() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "", &[("A", "", &five("two")), ("B", "", &five("three"))]);
    let plan = cumulate(dir.path(), &["plan", "r", "--format", "json"]).expect(1).json();
    let finding = &plan["findings"][0];
    assert_eq!((finding["code"].as_str(), finding["subject"].as_str()), (Some("does-not-apply"), Some("B")));
    let message = finding["message"].as_str().unwrap();
    assert!(message.starts_with("it does not apply together with A: each applies alone, not both: 'f'"), "{message}");
    assert_eq!(finding["next"], "make B anew on top of A, or leave one of them out");
}

#[test]
fn a_series_that_has_the_only_order_the_wrong_way_round_is_told_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let wide = "@@ -2,7 +2,7 @@\n l2\n l3\n l4\n-l5\n+W\n l6\n l7\n l8\n";
    let narrow = "@@ -7,2 +7,2 @@\n-l7\n+N\n l8\n";
    release(dir.path(), "", &[("wide", "", wide), ("narrow", "", narrow)]);
    fs::write(dir.path().join("r/fixes/series"), "narrow.patch\nwide.patch\n").unwrap();
    let plan = cumulate(dir.path(), &["plan", "r", "--format", "json"]).expect(1).json();
    let finding = &plan["findings"][0];
    assert_eq!(finding["subject"], "wide");
    assert!(
        finding["message"].as_str().unwrap().starts_with("it does not apply after narrow, only before"),
        "{finding}"
    );
    fs::write(dir.path().join("r/fixes/series"), "wide.patch\nnarrow.patch\n").unwrap();
    cumulate(dir.path(), &["plan", "r"]).expect(0);
}

#[test]
fn rules_that_fit_nothing_are_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[[retire]]\npath = \"old/*\"\nreason = \"gone\"\n[[paths]]\nmatch = \"etc/**\"\nclass = \"config\"\n\
                  [[paths]]\nmatch = \"f\"\nclass = \"code\"\n\
                  [[not_for]]\nfix = \"Z\"\nstatus = \"will-not-fix\"\nreason = \"x\"\nowner = \"me\"\n\
                  [[not_for]]\nfix = \"A\"\nbranch = \"9\"\nstatus = \"will-not-fix\"\nreason = \"x\"\nowner = \"me\"\n";
    release(dir.path(), config, &[("A", "", &five("two"))]);
    let built = cumulate(dir.path(), &["build", "r", "-o", "c.cup", "--format", "json"]).expect(0).json();
    let unused: Vec<_> = built["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["code"] == "unused-rule")
        .map(|f| f["subject"].as_str().unwrap())
        .collect();
    assert_eq!(unused, ["etc/**", "old/*", "Z", "A"], "the rule for 'f' is in use");
}

#[test]
fn what_a_left_out_twin_or_predecessor_was_for_is_still_found() {
    let dir = tempfile::tempdir().unwrap();
    let cve = |n: &str| format!("Description: {n}\nBug-CVE: x\nSubject: fixes CVE-2026-{n}\n");
    let newer = format!("{}Supersedes: OLD\n", cve("0003"));
    let fixes = [
        ("A", cve("0001"), five("two")),
        ("B", cve("0002"), five("two")),
        ("NEW", newer, "@@ -9,2 +9,2 @@\n-l9\n+nine\n l10\n".to_owned()),
        ("OLD", cve("0004"), "@@ -9,2 +9,2 @@\n-l9\n+neun\n l10\n".to_owned()),
    ];
    let fixes: Vec<(&str, &str, &str)> = fixes.iter().map(|(i, h, p)| (*i, h.as_str(), p.as_str())).collect();
    release(dir.path(), "", &fixes);
    cumulate(dir.path(), &["build", "r", "-o", "c.cup"]).expect(0);
    let shown = cumulate(dir.path(), &["inspect", "c.cup", "--format", "json"]).expect(0).json();
    assert_eq!(shown["order"], serde_json::json!(["A", "NEW"]));
    assert_eq!(shown["fixes"][0]["cves"], serde_json::json!(["CVE-2026-0001", "CVE-2026-0002"]));
    assert_eq!(shown["fixes"][0]["supersedes"], serde_json::json!(["B"]));
    assert_eq!(shown["fixes"][1]["cves"], serde_json::json!(["CVE-2026-0003", "CVE-2026-0004"]));
}

#[test]
fn a_fix_that_a_track_excuses_is_not_unclear_there() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "", &[("A", "", &five("two")), ("B", "", "@@ -9,2 +9,2 @@\n-l9\n+nine\n l10\n")]);
    let config = "[component]\nname = \"c\"\n[release]\nversion = \"1.1\"\nfrom = \"1.0\"\n\
        [[track]]\nname = \"x\"\nbranch = \"7\"\n[[track]]\nname = \"y\"\nbranch = \"8\"\nversion = \"8.1\"\n\
        [[base]]\nversion = \"1.0\"\nsource = \"bases/1.0\"\ntrack = \"x\"\n\
        [[base]]\nversion = \"1.0\"\nsource = \"bases/1.0\"\ntrack = \"y\"\n\
        [[not_for]]\nfix = \"B\"\nbranch = \"8\"\nstatus = \"not-affected\"\nreason = \"no such code\"\nowner = \"me\"\n";
    fs::write(dir.path().join("r/cumulate.toml"), config).unwrap();
    cumulate(dir.path(), &["build", "r", "-o", "c.cup"]).expect(0);
    let shown = cumulate(dir.path(), &["inspect", "c.cup"]).expect(0).stdout;
    assert!(shown.contains("of track x (1.1)") && shown.contains("of track y (8.1)"), "both targets:\n{shown}");
    let row = shown.lines().find(|l| l.contains("1.0@y (y)")).expect("the base with its track");
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[2..6], ["1", "0", "1", "0"], "gains, has already, not for it, unclear:\n{shown}");
}

#[test]
fn two_files_may_swap_their_names() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "", &[]);
    fs::write(dir.path().join("r/bases/1.0/g"), "other\n").unwrap();
    fs::create_dir_all(dir.path().join("r/fixes/SWAP")).unwrap();
    let meta = "title = \"swap\"\n[[rename]]\nfrom = \"f\"\nto = \"g\"\n[[rename]]\nfrom = \"g\"\nto = \"f\"\n";
    fs::write(dir.path().join("r/fixes/SWAP/fix.toml"), meta).unwrap();
    cumulate(dir.path(), &["build", "r", "-o", "c.cup"]).expect(0);
    common::copy(&dir.path().join("r/bases/1.0"), &dir.path().join("i"));
    cumulate(dir.path(), &["apply", "c.cup", "i", "--allow-unsigned"]).expect(0);
    let read = |p: &str| fs::read_to_string(dir.path().join("i").join(p)).unwrap();
    assert_eq!((read("f").as_str(), read("g").as_str()), ("other\n", TEN));
    cumulate(dir.path(), &["rollback", "i"]).expect(0);
    assert_eq!((read("f").as_str(), read("g").as_str()), (TEN, "other\n"));
}

/// The key never comes near the bundle: openssl signs what `--emit` wrote.
#[test]
fn a_signature_made_by_openssl_elsewhere_is_attached() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "", &[("A", "", &five("two"))]);
    let run = |args: &[&str]| cumulate(dir.path(), args);
    run(&["build", "r", "-o", "c.cup"]).expect(0);
    run(&["keygen", "--out", "k"]).expect(0);
    run(&["keygen", "--out", "other"]).expect(0);
    run(&["sign", "c.cup", "--emit", "to-sign.bin"]).expect(0);
    run(&["sign", "c.cup", "--emit", "to-sign.bin"]).expect(2);
    let openssl = ["pkeyutl", "-sign", "-rawin", "-inkey", "k.key", "-in", "to-sign.bin", "-out", "k.sig"];
    let signed = std::process::Command::new("openssl").args(openssl).current_dir(dir.path()).status().unwrap();
    assert!(signed.success());
    run(&["sign", "c.cup", "--attach", "k.sig", "--pub", "other.pub"]).expect(4);
    run(&["verify", "c.cup", "--pub", "k.pub"]).expect(4);
    run(&["sign", "c.cup", "--attach", "k.sig", "--pub", "k.pub"]).expect(0);
    run(&["verify", "c.cup", "--pub", "k.pub"]).expect(0);
    run(&["sign", "c.cup"]).expect(2);
    run(&["sign", "c.cup", "--attach", "k.sig"]).expect(2);
}
