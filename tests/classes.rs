//! What fixes are to each other by their content, whatever their labels say.

mod common;

use common::{cumulate, diff};
use std::fs;
use std::path::Path;

const BASE: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n";

/// The base with other lines: `3=x 12=y`.
fn with(changes: &str) -> String {
    let mut lines: Vec<&str> = BASE.lines().collect();
    for change in changes.split_whitespace() {
        let (at, by) = change.split_once('=').unwrap();
        lines[at.parse::<usize>().unwrap() - 1] = by;
    }
    lines.iter().map(|l| format!("{l}\n")).collect()
}

/// One hunk for each changed line, so that parts of a patch stand by themselves.
fn patch(old: &str, new: &str) -> String {
    let (before, after) = (with(old), with(new));
    let mut out = String::new();
    let mut now = before.clone();
    for (k, line) in after.lines().enumerate() {
        let mut lines: Vec<&str> = now.lines().collect();
        if lines[k] != line {
            lines[k] = line;
            let next: String = lines.iter().map(|l| format!("{l}\n")).collect();
            let hunk = diff("f", &now, &next);
            out += if out.is_empty() { &hunk } else { &hunk[hunk.find("@@").unwrap()..] };
            now = next;
        }
    }
    out
}

struct Given<'a> {
    fixes: &'a [(&'a str, String, &'a str)],
    base: &'a str,
}

fn plan(given: &Given<'_>, args: &[&str], exit: i32) -> String {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| Path::new(dir.path()).join(name);
    fs::create_dir_all(at("base")).unwrap();
    fs::create_dir_all(at("fixes")).unwrap();
    fs::write(at("base/f"), with(given.base)).unwrap();
    for (id, text, meta) in given.fixes {
        fs::write(at(&format!("fixes/{id}.patch")), text).unwrap();
        fs::write(at(&format!("fixes/{id}.toml")), meta).unwrap();
    }
    let config =
        "[component]\nname = \"c\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n";
    fs::write(at("cumulate.toml"), config).unwrap();
    cumulate(dir.path(), &[&["plan"], args].concat()).expect(exit).stdout
}

fn json(given: &Given<'_>, exit: i32) -> serde_json::Value {
    serde_json::from_str(&plan(given, &["--format", "json"], exit)).unwrap()
}

fn classes(plan: &serde_json::Value) -> Vec<(&str, &str, &str)> {
    let list = plan["classes"].as_array().into_iter().flatten();
    list.map(|c| {
        let of = |key: &str| c[key].as_str().unwrap_or_default();
        (of("fix"), of("class"), of("other"))
    })
    .collect()
}

fn finding<'a>(plan: &'a serde_json::Value, code: &str) -> &'a serde_json::Value {
    plan["findings"].as_array().unwrap().iter().find(|f| f["code"] == code).unwrap_or(&serde_json::Value::Null)
}

#[test]
fn a_newer_fix_that_loses_what_the_older_one_had_is_told_with_the_lines() {
    let old = patch("", "3=old 12=guard");
    let less = Given {
        base: "",
        fixes: &[
            ("OLD", old.clone(), "cves = [\"CVE-2026-0001\"]"),
            ("NEW", patch("", "3=newer"), "supersedes = [\"OLD\"]"),
        ],
    };
    let said = json(&less, 0);
    assert_eq!(classes(&said), [("OLD", "superseded", "NEW")]);
    assert_eq!(said["classes"][0]["parts"], serde_json::json!([{"path": "f", "line": 12, "lines": ["-12", "+guard"]}]));
    let message = "'NEW' supersedes it and does not have what it does at 'f' (line 12 of its patch), so it does not fix CVE-2026-0001";
    assert_eq!(finding(&said, "superseded-loses")["message"], message);
    let text = plan(&less, &[], 0);
    assert!(text.contains("superseded: NEW replaces it, and does not have all that it does\n          'f' (line 12 of its patch)\n            -12\n            +guard\n"), "{text}");
    let page = plan(&less, &["--format", "html"], 0);
    assert!(page.contains("<span class=\"id\">OLD</span> <b>superseded</b>: NEW replaces it"), "{page}");
    assert!(
        page.contains(
            "<pre>'f', line 12 of its patch\n<span class=\"del\">-12</span><span class=\"add\">+guard</span></pre>"
        ),
        "{page}"
    );

    let whole = Given {
        base: "",
        fixes: &[("OLD", old, ""), ("NEW", patch("", "3=newer 12=better"), "supersedes = [\"OLD\"]")],
    };
    let said = json(&whole, 0);
    assert_eq!(classes(&said), [("OLD", "superseded", "NEW")]);
    assert_eq!((finding(&said, "superseded-loses").is_null(), said["classes"][0]["parts"].is_null()), (true, true));
}

#[test]
fn a_fix_that_a_later_one_takes_back_is_told_with_the_cve_that_stays_open() {
    let given = Given {
        base: "",
        fixes: &[("A", patch("", "3=safe"), "cves = [\"CVE-2026-0002\"]"), ("B", patch("3=safe", "12=other"), "")],
    };
    let said = json(&given, 0);
    assert_eq!(said["order"], serde_json::json!(["A", "B"]));
    assert_eq!(classes(&said), [("A", "reverted", "B"), ("B", "revert-of", "A")]);
    assert_eq!(
        finding(&said, "reverted")["message"],
        "'B' takes back all that it does, so it does not fix CVE-2026-0002; 'B' does more than that, at 'f'"
    );
    assert!(plan(&given, &[], 0).contains("reverted: B takes back all that it does"));
}

#[test]
fn a_fix_that_is_put_back_after_a_revert_is_no_duplicate_to_remove() {
    let back = patch("", "3=safe");
    let given = Given {
        base: "",
        fixes: &[
            ("A", back.clone(), "cves = [\"CVE-2026-0002\"]"),
            ("R", patch("3=safe", "3=3"), ""),
            ("Z", back, "after = [\"R\"]"),
        ],
    };
    let said = json(&given, 0);
    assert_eq!(said["order"], serde_json::json!(["A", "R", "Z"]));
    assert!(classes(&said).contains(&("Z", "reapplied", "A")), "{said:#}");
    assert!(!classes(&said).iter().any(|(_, class, _)| *class == "duplicate"), "{said:#}");
    assert!(finding(&said, "duplicate").is_null() && finding(&said, "reverted").is_null(), "{said:#}");
    let text = plan(&given, &[], 0);
    assert!(text.contains("Z  Z") && text.contains("reapplied: it brings back what A did"), "{text}");
    // R, which needs A and is said to come before Z, puts A before Z.
    assert!(text.contains("after A (clash, settled by "), "{text}");
    let alone: serde_json::Value =
        serde_json::from_str(&plan(&given, &["--only", "Z", "--format", "json"], 0)).unwrap();
    assert!(!alone["findings"].to_string().contains("both apply"), "{alone:#}");
    assert_eq!(alone["dropped_fixes"]["A"]["cves"], serde_json::json!(["CVE-2026-0002"]));
}

#[test]
fn the_same_a_part_and_nothing_are_told_by_content() {
    let given = Given {
        base: "",
        fixes: &[
            ("BIG", patch("", "3=safe 12=sound"), ""),
            ("SAME", patch("", "3=safe 12=sound"), ""),
            ("SMALL", patch("", "12=sound"), ""),
            ("OTHER", patch("", "8=sound"), ""),
        ],
    };
    let said = json(&given, 0);
    let wanted = [
        ("BIG", "duplicate", "SAME"),
        ("BIG", "superset", "SMALL"),
        ("SAME", "duplicate", "BIG"),
        ("SAME", "superset", "SMALL"),
        ("SMALL", "subset", "BIG"),
        ("SMALL", "subset", "SAME"),
        ("SMALL", "contained-in", "BIG"),
    ];
    let mut found = classes(&said);
    found.sort_unstable();
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "a like line elsewhere is no part");
    let empty = Given { base: "", fixes: &[("E", "Subject: cut off\n".into(), "")] };
    assert_eq!(classes(&json(&empty, 1)), [("E", "empty", "")]);
}

#[test]
fn a_base_that_has_a_part_of_a_fix_says_which() {
    let given = Given { base: "3=safe", fixes: &[("A", patch("", "3=safe 12=sound"), "")] };
    let said = json(&given, 1);
    assert_eq!(classes(&said), [("A", "partly-contained", "")]);
    assert_eq!(said["classes"][0]["parts"], serde_json::json!([{"path": "f", "line": 4, "lines": ["-3", "+safe"]}]));
    let text = plan(&given, &[], 1);
    assert!(text.contains("A: the base has a part of it\n          'f' (line 4 of its patch)\n"), "{text}");
}
