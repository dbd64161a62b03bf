//! Variants by `[[variant]]`, what they are for in every track, and payloads that realise several fixes.

mod common;

use common::{cumulate, diff};
use std::fs;
use std::path::Path;

const CONFIG: &str = r#"
[component]
name = "lamp"
[release]
version = "2"
[[base]]
version = "1"
source = "base"
"#;

const TRACKS: &str = r#"
[component]
name = "lamp"
[release]
version = "2"
[[track]]
name = "6"
branch = "6"
platform = "x64"
[[track]]
name = "6arm"
branch = "6"
platform = "arm"
[[track]]
name = "7"
branch = "7"
platform = "x64"
[[base]]
version = "1"
source = "base"
track = "6"
[[base]]
version = "1"
source = "base"
track = "6arm"
[[base]]
version = "1"
source = "seven"
track = "7"
[[not_for]]
fix = "N"
branch = "7"
status = "not-affected"
reason = "gone there"
owner = "dana"
"#;

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let file = dir.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

fn line(old: &str, new: &str) -> String {
    diff("f", &format!("{old}\nb\n"), &format!("{new}\nb\n"))
}

fn created(file: &str) -> String {
    format!("diff --git a/{file} b/{file}\nnew file mode 100644\n--- /dev/null\n+++ b/{file}\n@@ -0,0 +1 @@\n+new\n")
}

#[test]
fn the_most_specific_variant_is_taken_and_the_matrix_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let variants = r#"
[[variant]]
patch = "old.patch"
when = { branch = "6" }
[[variant]]
patch = "arm.patch"
when = { branch = "6", platform = "arm" }
"#;
    let doc = |new: &str| diff("doc", "one\ntwo\n", &format!("one\n{new}\n"));
    write(
        dir,
        &[
            ("cumulate.toml", TRACKS),
            ("base/f", "a\nb\n"),
            ("seven/f", "seven\nb\n"),
            ("base/doc", "one\ntwo\n"),
            ("seven/doc", "one\ndone\n"),
            ("fixes/V/fix.toml", variants),
            ("fixes/V/new.patch", &line("seven", "SEVEN")),
            ("fixes/V/old.patch", &line("a", "SIX")),
            ("fixes/V/arm.patch", &line("a", "SIX on arm")),
            ("fixes/D.patch", &doc("done")),
            ("fixes/N@6.patch", &created("n")),
            ("fixes/M@6@x64.patch", &created("m")),
        ],
    );
    // M is on one track alone, and nothing excuses it on the others.
    let said = cumulate(dir, &["plan", "--matrix", "--format", "json"]).expect(1).json();
    let row = |fix: &str| {
        let rows = said["matrix"].as_array().unwrap();
        rows.iter().find(|r| r["fix"] == fix).map(|r| r["tracks"].clone()).unwrap()
    };
    assert_eq!(row("V"), serde_json::json!({"6": "own variant", "6arm": "own variant", "7": "default"}));
    assert_eq!(row("D"), serde_json::json!({"6": "default", "6arm": "default", "7": "contained"}));
    assert_eq!(row("N"), serde_json::json!({"6": "own variant", "6arm": "own variant", "7": "not for"}));
    assert_eq!(row("M"), serde_json::json!({"6": "own variant", "6arm": "missing", "7": "missing"}));
    fs::remove_file(dir.join("fixes/M@6@x64.patch")).unwrap();
    for (track, wanted) in [("6", "SIX\nb\n"), ("6arm", "SIX on arm\nb\n"), ("7", "SEVEN\nb\n")] {
        let out = format!("out-{track}");
        cumulate(dir, &["merge", "--track", track, "--out", &out]).expect(0);
        assert_eq!(fs::read_to_string(dir.join(out).join("f")).unwrap(), wanted, "{track}");
    }
}

#[test]
fn variants_that_cannot_be_meant_are_refused() {
    let table = [
        ("patch = \"gone.patch\"\nwhen = {}", "which is not there"),
        ("patch = \"x.patch\"\nwhen = { brunch = \"6\" }", "brunch"),
        ("patch = \"x@7.patch\"\nwhen = { branch = \"6\" }", "both say what it is for"),
        (
            "patch = \"x.patch\"\nwhen = { branch = \"6\" }\n[[variant]]\npatch = \"y.patch\"\nwhen = { branch = \"6\" }",
            "for the same branch and platform",
        ),
        (
            "patch = \"x.patch\"\nwhen = { branch = \"6\" }\n[[variant]]\npatch = \"y.patch\"\nwhen = { platform = \"x64\" }",
            "equally specific",
        ),
    ];
    for (variant, sentence) in table {
        let dir = tempfile::tempdir().unwrap();
        let toml = format!("[[variant]]\n{variant}\n");
        write(
            dir.path(),
            &[
                ("cumulate.toml", TRACKS),
                ("base/f", "a\nb\n"),
                ("seven/f", "a\nb\n"),
                ("fixes/V/fix.toml", &toml),
                ("fixes/V/x.patch", &line("a", "X")),
                ("fixes/V/y.patch", &line("a", "Y")),
                ("fixes/V/x@7.patch", &line("a", "Z")),
            ],
        );
        let error = cumulate(dir.path(), &["plan", "--format", "json"]).expect(3).json();
        assert_eq!(error["error"]["code"], "config", "{variant}");
        assert!(error["error"]["message"].as_str().unwrap().contains(sentence), "{variant}: {error}");
    }
}

fn realising(dir: &Path, top: &str, more: &[(&str, &str)]) {
    write(
        dir,
        &[
            ("cumulate.toml", &format!("{top}{CONFIG}")),
            ("base/lamp.bin", "\u{0}one"),
            ("base/f", "a\nb\n"),
            ("fixes/BUILD-9/fix.toml", "realises = [\"FIX-7\", \"FIX-8\"]\ncves = [\"CVE-2026-0007\"]"),
            ("fixes/BUILD-9/tree/lamp.bin", "\u{0}two"),
            ("fixes/DOC.patch", &line("a", "A")),
            ("fixes/DOC.toml", "requires = [\"FIX-7\"]"),
        ],
    );
    write(dir, more);
}

#[test]
fn a_variant_that_fits_no_track_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let text: String = (1..=20).map(|k| format!("line {k}\n")).collect();
    let patch = |k: usize| diff("a.c", &text, &text.replace(&format!("line {k}\n"), "new\n"));
    for base in ["base/a.c", "seven/a.c"] {
        write(dir, &[(base, &text)]);
    }
    let said = "[[variant]]\npatch = \"old.patch\"\nwhen = { branch = \"6.3\" }\n";
    write(
        dir,
        &[
            ("cumulate.toml", TRACKS),
            ("fixes/N.patch", &patch(3)),
            ("fixes/V/fix.toml", said),
            ("fixes/V/V.patch", &patch(10)),
            ("fixes/V/old.patch", &patch(11)),
            ("fixes/W.patch", &patch(17)),
            ("fixes/W@@sparc.patch", &patch(18)),
        ],
    );
    let plan = cumulate(dir, &["plan", "--format", "json"]).expect(0).json();
    let unused: Vec<(&str, &str)> = plan["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["code"] == "unused-rule")
        .map(|f| (f["subject"].as_str().unwrap(), f["message"].as_str().unwrap()))
        .collect();
    let wanted = [
        ("V", "'old.patch' is for branch '6.3', which no track is"),
        ("W", "'W@@sparc.patch' is for platform 'sparc', which no track is"),
    ];
    assert_eq!(unused, wanted);
}

#[test]
fn a_payload_that_realises_several_fixes_is_chosen_and_left_out_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    realising(dir, "", &[]);
    let plan = |args: &[&str], exit| cumulate(dir, &[&["plan", "--format", "json"], args].concat()).expect(exit).json();
    let one = plan(&["--only", "FIX-8"], 0);
    assert_eq!(one["order"], serde_json::json!(["BUILD-9"]));
    assert_eq!(one["selected"], serde_json::json!({"BUILD-9": ["FIX-8"]}));
    assert_eq!(one["fixes"]["BUILD-9"]["realises"], serde_json::json!(["FIX-7", "FIX-8"]));
    let text = cumulate(dir, &["plan", "--only", "DOC"]).expect(0).stdout;
    assert!(text.contains("realises FIX-7, FIX-8: one payload, chosen as a whole"), "{text}");
    // What the payload is asked by is what people know.
    let why = cumulate(dir, &["plan", "--explain", "FIX-8", "FIX-7"]).expect(0).stdout;
    assert!(why.starts_with("FIX-7 is realised by BUILD-9, as a whole\nFIX-8 is realised by BUILD-9"), "{why}");
    let why = cumulate(dir, &["plan", "--explain", "FIX-8", "FIX-7", "--format", "json"]).expect(0).json();
    assert_eq!((&why["fix"], &why["realised_by"]["FIX-7"]), (&"BUILD-9".into(), &"BUILD-9".into()), "{why}");
    assert!(text.contains("came along: DOC needs BUILD-9"), "{text}");
    let without = plan(&["--without", "FIX-7"], 0);
    assert_eq!(without["order"], serde_json::json!([]));
    assert_eq!(without["dropped"]["BUILD-9"], "left out by the selection; with it goes what it realises: FIX-7, FIX-8");
    assert_eq!(without["dropped"]["DOC"], "needs what was left out: DOC needs BUILD-9");
    assert_eq!(plan(&["--only", "FIX-7", "--without", "FIX-8"], 1)["refused"], true, "they cannot be chosen apart");
}

#[test]
fn a_bundle_names_what_its_payloads_realise_and_the_gate_misses_none_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    realising(dir, "", &[]);
    cumulate(dir, &["build", "-o", "old.cup"]).expect(0);
    let text = cumulate(dir, &["inspect", "old.cup"]).expect(0).stdout;
    assert!(text.contains("realises FIX-7, FIX-8"), "{text}");
    let pulled = cumulate(dir, &["pull", "FIX-8", "old.cup", "--format", "json"]).expect(0).json();
    assert_eq!(pulled["fix"], "BUILD-9");
    write(dir, &[("fixes/BUILD-9/fix.toml", "realises = [\"FIX-8\"]"), ("fixes/DOC.toml", "")]);
    cumulate(dir, &["build", "-o", "new.cup"]).expect(0);
    let gate = cumulate(dir, &["check", "new.cup", "--against", "old.cup"]).expect(1).stdout;
    assert!(gate.contains("fix-lost") && gate.contains("FIX-7"), "{gate}");
}

#[test]
fn holding_a_realised_fix_holds_its_payload_and_two_payloads_of_one_fix_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    realising(dir.path(), "hold = [{ id = \"FIX-8\", reason = \"crashes\", owner = \"dana\" }]\n", &[]);
    let held = cumulate(dir.path(), &["plan", "--format", "json"]).expect(0).json();
    assert_eq!(held["dropped"]["BUILD-9"], "held back: crashes (dana); with it goes what it realises: FIX-7, FIX-8");
    let table = [
        (("fixes/FIX-7.patch", line("a", "B")), "which is a fix of its own"),
        (("fixes/OTHER/fix.toml", "realises = [\"FIX-8\"]".into()), "realises 'FIX-8', and"),
        (("fixes/BUILD-9/fix.toml", "realises = [\"FIX-7\"]\nafter = [\"FIX-7\"]".into()), "which it realises itself"),
    ];
    for ((file, text), sentence) in table {
        let dir = tempfile::tempdir().unwrap();
        realising(dir.path(), "", &[(file, &text)]);
        let error = cumulate(dir.path(), &["plan", "--format", "json"]).expect(3).json();
        assert!(error["error"]["message"].as_str().unwrap().contains(sentence), "{file}: {error}");
    }
}
