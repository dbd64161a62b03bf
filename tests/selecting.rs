//! Choosing fixes by what they are, and holding them back.

mod common;

use common::{cumulate, diff};
use std::fs;
use std::path::Path;

fn lines(name: &str) -> String {
    (1..=20).map(|i| format!("{name} {i}\n")).collect()
}

/// `P` rewrites line 5 of `src/a.c` on top of `B`; `C` and `D` stand alone; `N` supersedes `O`, who has the CVE.
fn release(dir: &Path, top: &str) {
    fs::create_dir_all(dir.join("base/src/deep")).unwrap();
    fs::create_dir_all(dir.join("fixes")).unwrap();
    for f in ["src/a.c", "src/deep/b.c", "doc"] {
        fs::write(dir.join("base").join(f), lines(f)).unwrap();
    }
    let fix = |id: &str, meta: &str, file: &str, old: &str, new: &str| {
        let patch = diff(file, old, new);
        fs::write(dir.join(format!("fixes/{id}.patch")), format!("Subject: {id}\n\n{patch}")).unwrap();
        fs::write(dir.join(format!("fixes/{id}.toml")), meta).unwrap();
    };
    let (a, b, doc) = (lines("src/a.c"), lines("src/deep/b.c"), lines("doc"));
    let once = a.replace("src/a.c 5\n", "once\n");
    fix("B", "severity = \"low\"\ndate = \"2024-02-29\"", "src/a.c", &a, &once);
    let critical = "severity = \"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\"\ncves = [\"CVE-2024-1111\"]\ndate = \"2024-03-01T10:00:00+00:00\"";
    fix("P", critical, "src/a.c", &once, &once.replace("once\n", "twice\n"));
    fix("C", "severity = \"high\"\ndate = \"2024-05-01\"", "src/deep/b.c", &b, &b.replace("b.c 5\n", "b.c five\n"));
    fix("D", "", "doc", &doc, &doc.replace("doc 5\n", "doc five\n"));
    fix("O", "cves = [\"CVE-2024-2222\"]", "doc", &doc, &doc.replace("doc 15\n", "doc fifteen\n"));
    fix("N", "supersedes = [\"O\"]", "doc", &doc, &doc.replace("doc 15\n", "doc XV\n"));
    let config =
        "[component]\nname = \"c\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n";
    fs::write(dir.join("cumulate.toml"), format!("{top}{config}")).unwrap();
}

fn plan(dir: &Path, args: &[&str], exit: i32) -> serde_json::Value {
    cumulate(dir, &[&["plan", "--format", "json"], args].concat()).expect(exit).json()
}

#[test]
fn fixes_are_chosen_by_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    let table: &[(&[&str], &[&str])] = &[
        (&["--only", "cve:cve-2024-1111"], &["B", "P"]),
        (&["--only", "severity:high"], &["B", "C", "P"]),
        (&["--only", "severity:critical"], &["B", "P"]),
        (&["--without", "severity:low"], &["C", "D", "N"]),
        (&["--only", "path:src/*"], &["B", "P"]),
        (&["--only", "path:src/**"], &["B", "C", "P"]),
        (&["--only", "date:2024-02-29"], &["B"]),
        (&["--only", "date:2024-03-01..2024-04-30"], &["B", "P"]),
        (&["--without", "date:2024-03-01.."], &["B", "D", "N"]),
        (&["--only", "date:..2024-02-29"], &["B"]),
        (&["--only", "D", "cve:CVE-2024-1111", "--without", "id:C"], &["B", "D", "P"]),
        // Who wants the CVE's fix wants the one that is shipped in its place; who names the old one gets that.
        (&["--only", "cve:CVE-2024-2222"], &["N"]),
        (&["--only", "O"], &["O"]),
    ];
    for (args, wanted) in table {
        let mut order: Vec<String> =
            plan(dir.path(), args, 0)["order"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().into()).collect();
        order.sort();
        assert_eq!(order, *wanted, "{args:?}");
    }
    let said = plan(dir.path(), &["--only", "severity:critical"], 0);
    assert_eq!(said["selected"], serde_json::json!({"P": ["severity:critical"]}));
    assert_eq!(said["came_along"]["B"], serde_json::json!(["P", "B"]));
    let text = cumulate(dir.path(), &["plan", "--only", "severity:critical"]).expect(0).stdout;
    assert!(text.contains("chosen by severity:critical") && text.contains("came along: P needs B"), "{text}");
    cumulate(dir.path(), &["build", "--only", "cve:CVE-2024-1111", "-o", "x.cup"]).expect(0);
}

#[test]
fn words_that_choose_nothing_are_refused_and_never_mean_everything() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    for word in [
        "cve:CVE-2099-1",
        "severity:urgent",
        "severity:none-such",
        "path:nowhere/**",
        "path:[",
        "date:soon",
        "date:2024-13-01..",
        "date:..",
        "date:2001-01-01",
        "nobody",
        "id:nobody",
    ] {
        for option in ["--only", "--without"] {
            let error = plan(dir.path(), &[option, word], 2);
            assert_eq!(error["error"]["code"], "usage", "{option} {word}");
            assert!(!error["error"]["next"].as_str().unwrap().is_empty(), "{word}");
        }
    }
}

#[test]
fn held_fixes_stay_out_with_what_needs_them_and_a_passed_day_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let hold = "hold = [{ id = \"B\", reason = \"crashes on arm64\", owner = \"dana\", until = 2030-01-31 }, { id = \"N\", reason = \"not vetted\", owner = \"eve\" }]\n";
    release(dir.path(), hold);
    let said = plan(dir.path(), &[], 0);
    // With the new one held, the old one that it would replace goes out.
    assert_eq!(said["order"], serde_json::json!(["C", "D", "O"]));
    assert_eq!(said["dropped"]["B"], "held back: crashes on arm64 (dana until 2030-01-31)");
    assert_eq!(said["dropped"]["P"], "needs what is held back: P needs B (crashes on arm64 (dana until 2030-01-31))");
    let found = |v: &serde_json::Value, code: &str| -> Vec<String> {
        let list = v["findings"].as_array().unwrap().iter().filter(|f| f["code"] == code);
        list.map(|f| format!("{}: {}", f["subject"].as_str().unwrap(), f["message"].as_str().unwrap())).collect()
    };
    let wanted = [
        "B: held back: crashes on arm64 (dana until 2030-01-31); left out with it, because they need it: P",
        "N: held back: not vetted (eve)",
    ];
    assert_eq!(found(&said, "held"), wanted);
    assert!(found(&said, "hold-expired").is_empty());
    let on = |seconds: &str| {
        let out = common::command(dir.path())
            .args(["plan", "--format", "json"])
            .env("SOURCE_DATE_EPOCH", seconds)
            .output()
            .unwrap();
        serde_json::from_slice::<serde_json::Value>(&out.stdout).unwrap()
    };
    // 2030-01-31 and the day after, in UTC.
    assert!(found(&on("1896134399"), "hold-expired").is_empty(), "the last day counts");
    assert_eq!(found(&on("1896134400"), "hold-expired"), ["B: its hold ended on 2030-01-31, and it is still held"]);
    let refused = plan(dir.path(), &["--only", "P"], 1);
    assert_eq!(refused["refused"], true);
}

#[test]
fn holds_that_cannot_be_meant_are_told() {
    let table = [
        ("hold = [{ id = \"B\", reason = \"x\", owner = \"y\", until = \"soon\" }]\n", 3),
        ("hold = [{ id = \"B\", reason = \"x\" }]\n", 3),
        ("hold = [{ id = \"B\", reason = \"x\", owner = \"y\" }, { id = \"B\", reason = \"x\", owner = \"y\" }]\n", 3),
    ];
    for (hold, exit) in table {
        let dir = tempfile::tempdir().unwrap();
        release(dir.path(), hold);
        assert_eq!(plan(dir.path(), &[], exit)["error"]["code"], "config", "{hold}");
    }
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "hold = [{ id = \"nobody\", reason = \"x\", owner = \"y\", until = \"2026-01-31\" }]\n");
    let said = plan(dir.path(), &[], 0);
    assert!(
        said["findings"].as_array().unwrap().iter().any(|f| f["code"] == "unused-rule" && f["subject"] == "nobody")
    );
}
