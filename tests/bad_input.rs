//! What people get wrong, in one table: every case has its finding or error with a stable code, and long chains end.

mod common;

use common::cumulate;
use std::fs;
use std::path::Path;

const BASE: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

/// A fix that changes one line of `f`.
fn line(n: usize) -> String {
    let new = BASE.replace(&format!("{n}\n"), &format!("{n} fixed\n"));
    common::diff("f", BASE, &new)
}

fn release(dir: &Path, files: &[(&str, String)]) {
    for folder in ["base", "fixes"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    fs::write(dir.join("base/f"), BASE).unwrap();
    let config =
        "[component]\nname = \"c\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n";
    fs::write(dir.join("cumulate.toml"), config).unwrap();
    for (name, text) in files {
        let file = dir.join("fixes").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

/// The code, subject and sentence of an error or of the first finding that is no hint.
fn told(json: &serde_json::Value) -> (String, String, String) {
    let one = if json["error"].is_object() { &json["error"] } else { &json["findings"][0] };
    let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    assert!(!text("next").is_empty(), "it says what to do: {one}");
    (text("code"), text("subject"), text("message"))
}

#[test]
fn every_wrong_input_is_told_with_its_code_and_the_fix_that_it_is_about() {
    let s = str::to_owned;
    let two = |first: &str, then: &str| {
        vec![("A.patch", line(1)), ("A.toml", s(first)), ("B.patch", line(9)), ("B.toml", s(then))]
    };
    let claims = |old: &str, new: &str| {
        vec![("A.patch", format!("diff --git a/f b/f\n--- a/{old}\n+++ b/{new}\n@@ -1 +1 @@\n-1\n+one\n"))]
    };
    // What is wrong, the files, exit code, code, what it is about, a part of the sentence.
    type Line<'a> = (&'a str, Vec<(&'a str, String)>, i32, &'a str, &'a str, &'a str);
    let table: Vec<Line<'_>> = vec![
        ("a requirement on itself", two("requires = [\"A\"]", ""), 3, "config", "A", "names itself"),
        ("it supersedes itself", two("supersedes = [\"A\"]", ""), 3, "config", "A", "names itself"),
        (
            "it requires what it excludes",
            two("requires = [\"B\"]\nconflicts = [\"B\"]", ""),
            3,
            "config",
            "A",
            "'B' both in requires and in conflicts",
        ),
        (
            "it stands on what it replaces",
            two("requires = [\"B\"]\nsupersedes = [\"B\"]", ""),
            3,
            "config",
            "A",
            "'B' both in requires and in supersedes",
        ),
        (
            "one requires what excludes it",
            two("requires = [\"B\"]", "conflicts = [\"A\"]"),
            1,
            "declared-conflict",
            "A",
            "excludes B",
        ),
        ("two come after each other", two("after = [\"B\"]", "after = [\"A\"]"), 1, "cycle", "A", "A needs B needs A"),
        (
            "two replace each other",
            two("supersedes = [\"B\"]", "supersedes = [\"A\"]"),
            1,
            "cycle",
            "A",
            "A supersedes B supersedes A",
        ),
        ("the toml has another id", two("id = \"C\"", ""), 3, "config", "A", "its id is 'C'"),
        (
            "a patch and an overlay of one id",
            vec![("A.patch", line(1)), ("A/tree/f", s("x"))],
            3,
            "config",
            "A",
            "two fixes have this id",
        ),
        (
            "a patch and a diff of one id",
            vec![("A.patch", line(1)), ("A.diff", line(9))],
            3,
            "config",
            "A",
            "two fixes have this id",
        ),
        (
            "a folder that spells the same id",
            vec![("A__B.patch", line(1)), ("A/B.patch", line(9))],
            3,
            "config",
            "A__B",
            "two fixes have this id",
        ),
        (
            "ids that differ in case only",
            vec![("FIX-a.patch", line(1)), ("fix-A.patch", line(9))],
            3,
            "config",
            "fix-A",
            "differ in case only",
        ),
        (
            "the series names one twice",
            vec![("A.patch", line(1)), ("series", s("A.patch\nA.patch\n"))],
            3,
            "config",
            "",
            "names 'A' twice",
        ),
        (
            "the series leaves one out",
            vec![("A.patch", line(1)), ("series", s(""))],
            3,
            "config",
            "",
            "leaves out fix 'A'",
        ),
        (
            "it claims one old file and changes another",
            claims("g", "f"),
            3,
            "bad-patch",
            "",
            "claims old file 'f', but changes 'g'",
        ),
        (
            "it claims one new file and changes another",
            claims("f", "g"),
            3,
            "bad-patch",
            "",
            "claims new file 'f', but changes 'g'",
        ),
        (
            "a requirement that is not there",
            two("requires = [\"C\"]", ""),
            1,
            "missing-requirement",
            "A",
            "C, which is not there",
        ),
    ];
    for (wrong, files, exit, code, about, sentence) in table {
        let dir = tempfile::tempdir().unwrap();
        release(dir.path(), &files);
        let run = cumulate(dir.path(), &["plan", "--format", "json"]);
        assert_eq!(run.code, exit, "{wrong}: {}{}", run.stdout, run.stderr);
        let (found, subject, message) = told(&run.json());
        assert_eq!(found, code, "{wrong}: {message}");
        assert!(about.is_empty() || subject == about, "{wrong}: it is about {subject}");
        assert!(message.contains(sentence), "{wrong}: {message}");
    }
}

/// Lines that each fix turns into what the next one needs; fix 0 needs all others.
fn replaces(k: usize, n: usize) -> String {
    common::diff("f", &format!("v{}\n", n - 1 - k), &format!("v{}\n", n - k))
}

#[test]
fn ten_thousand_fixes_that_each_need_the_next_are_planned_or_refused_without_recursion() {
    const DEEP: usize = 10_000;
    const ENDS: &str =
        "F00000 needs F00001 needs F00002 needs F00003 needs F00004 needs F00005 needs (9988 more) needs";
    let shape = |kind: &str| {
        let dir = tempfile::tempdir().unwrap();
        let mut files: Vec<(String, String)> = Vec::new();
        for k in 0..DEEP {
            let next = (k + 1) % DEEP;
            let text = match kind {
                "lines" => replaces(k, DEEP),
                "ring" => common::diff("f", &format!("v{next}\n"), &format!("v{k}\n")),
                _ => format!("--- a/g{k}\n+++ b/g{k}\n@@ -0,0 +1 @@\n+new\n"),
            };
            files.push((format!("F{k:05}.patch"), text));
            let says = match kind {
                "chain" if next != 0 => format!("requires = [\"F{next:05}\"]"),
                "circle" => format!("requires = [\"F{next:05}\"]"),
                "newest" => format!("supersedes = [\"F{next:05}\"]"),
                _ => String::new(),
            };
            files.push((format!("F{k:05}.toml"), says));
        }
        let files: Vec<(&str, String)> = files.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
        release(dir.path(), &files);
        if kind == "lines" {
            fs::write(dir.path().join("base/f"), "v0\n").unwrap();
        }
        dir
    };
    for kind in ["chain", "lines"] {
        let dir = shape(kind);
        let plan = cumulate(dir.path(), &["plan", "--format", "json"]).expect(0).json();
        assert_eq!((plan["order"][0].as_str(), plan["order"][DEEP - 1].as_str()), (Some("F09999"), Some("F00000")));
        assert_eq!(plan["edges"].as_array().unwrap().len(), DEEP - 1, "{kind}: each needs the next one");
        assert!(plan["fixes"]["F00000"]["requires_all"].is_null(), "fifty million entries are left to the edges");
    }
    for (kind, sentence) in [
        ("circle", ENDS.to_owned()),
        ("newest", ENDS.replace("needs", "supersedes")),
        ("ring", ENDS.replace("needs", "waits for")),
    ] {
        let dir = shape(kind);
        let (code, subject, message) = told(&cumulate(dir.path(), &["plan", "--format", "json"]).expect(1).json());
        assert_eq!((code.as_str(), subject.as_str()), ("cycle", "F00000"), "{kind}: {message}");
        assert!(message.contains(&sentence), "{kind}: {message}");
    }
}
