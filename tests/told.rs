//! What people are told about a release that is odd or wrong: nothing that they wrote passes in silence.

mod common;

use common::{cumulate, diff};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn lines(name: &str) -> String {
    (1..=20).map(|i| format!("{name} {i}\n")).collect()
}

/// A release `r` with one base of `doc`, `d/one` and `d/two`, and a fix `A` of `doc`.
fn release(dir: &Path, config: &str) {
    for (path, text) in [("doc", lines("doc")), ("d/one", lines("one")), ("d/two", lines("two"))] {
        write(dir, &format!("r/base/{path}"), &text);
    }
    let text = "[component]\nname = \"c\"\n[release]\nversion = \"2\"\n";
    let base = "[[base]]\nversion = \"1\"\nsource = \"base\"\n";
    write(dir, "r/cumulate.toml", &format!("{config}{text}{base}"));
    patch(dir, "A", "doc", 5);
}

fn write(dir: &Path, path: &str, text: &str) {
    let file = dir.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// A fix that rewrites one line of a file.
fn patch(dir: &Path, id: &str, file: &str, line: usize) {
    let name = file.rsplit('/').next().unwrap();
    let old = lines(name);
    let new = old.replace(&format!("{name} {line}\n"), &format!("{id} was here\n"));
    write(dir, &format!("r/fixes/{id}.patch"), &diff(file, &old, &new));
}

fn run(dir: &Path, args: &[&str], exit: i32) -> Value {
    cumulate(dir, &[args, &["--format", "json"]].concat()).expect(exit).json()
}

/// Subject and message of every finding with this code, of a plan or of all gates.
fn told(said: &Value, code: &str) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let gates = said["gates"].as_array().into_iter().flatten().flat_map(|g| g["findings"].as_array().unwrap());
    let all = said["findings"].as_array().into_iter().flatten().chain(gates);
    all.filter(|f| f["code"] == code).map(|f| (text(&f["subject"]), text(&f["message"]))).collect()
}

#[test]
fn every_file_and_word_that_means_nothing_is_told() {
    // What is written into the fixes, whom the finding names, and a part of what it says.
    let table = [
        ("FIXA.toml", "title = \"x\"", "FIXA.toml", "belongs to no fix"),
        ("B.PATCH", "", "B.PATCH", "belongs to no fix"),
        ("all.mbox", "", "all.mbox", "belongs to no fix"),
        ("O/notes", "", "O/notes", "belongs to no fix"),
        ("A.toml", "date = \"yesterday\"", "A", "date 'yesterday' is no day"),
        ("A.toml", "cves = [\"nonsense\", \"CVE-2024-1234\"]", "A", "'NONSENSE', which is no CVE id"),
        ("A.toml", "after = [\"nope\"]", "A", "after names 'nope'"),
        ("A.toml", "supersedes = [\"nope\"]", "A", "supersedes names 'nope'"),
        ("A.toml", "conflicts = [\"nope\"]", "A", "conflicts names 'nope'"),
        ("A.toml", "title = \"safe\\u202Eevil\"", "A", "its title has control characters"),
        ("A.toml", "author = \"a\\u0007b\"", "A", "its author has control characters"),
        ("O/fix.toml", "delete = [\"d/on\", \"d/one\"]", "O", "deletes 'd/on', which no base"),
    ];
    for (file, text, subject, says) in table {
        let dir = tempfile::tempdir().unwrap();
        release(dir.path(), "");
        write(dir.path(), "r/fixes/O/fix.toml", "delete = [\"d/one\"]");
        write(dir.path(), &format!("r/fixes/{file}"), text);
        let plan = cumulate(dir.path(), &["plan", "r", "--format", "json"]).json();
        let found = told(&plan, "bad-metadata");
        assert_eq!(found.len(), 1, "{file} {text}: {plan:#}");
        assert!(found[0].0 == subject && found[0].1.contains(says), "{file} {text}: {found:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    write(dir.path(), "r/fixes/README.md", "for people");
    write(dir.path(), "r/fixes/A.toml", "date = \"2024-02-29\"\ncves = [\"cve-2024-1234\"]");
    assert_eq!(run(dir.path(), &["plan", "r"], 0)["findings"], serde_json::json!([]), "nothing is odd here");
}

#[test]
fn a_title_cannot_turn_the_terminal_or_the_page_round() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    write(dir.path(), "r/fixes/A.toml", "title = \"safe\\u202Eevil\\u2066x\"");
    for format in ["text", "html", "svg", "dot"] {
        let said = cumulate(dir.path(), &["plan", "r", "--format", format]).expect(0).stdout;
        assert!(!said.contains(['\u{202e}', '\u{2066}']) && said.contains("safe\u{fffd}evil"), "{format}");
    }
}

#[test]
fn several_mails_in_one_file_are_one_fix_and_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    let mail = |n: usize, from: &str, to: &str| {
        let head =
            format!("From {n:040} Mon Sep 17 00:00:00 2001\nSubject: [PATCH {n}/2] part {n}, CVE-2024-100{n}\n\n---\n");
        head + &diff("doc", from, to)
    };
    let once = lines("doc").replace("doc 5\n", "five\n");
    let twice = once.replace("doc 15\n", "fifteen\n");
    write(dir.path(), "r/fixes/A.patch", &(mail(1, &lines("doc"), &once) + &mail(2, &once, &twice)));
    let plan = run(dir.path(), &["plan", "r"], 0);
    let found = told(&plan, "several-mails");
    assert!(found[0].1.contains("holds 2 mails") && found[0].1.contains("part 2"), "{found:?}");
    assert_eq!(plan["fixes"]["A"]["title"], "part 1, CVE-2024-1001");
    assert_eq!(plan["fixes"]["A"]["cves"], serde_json::json!(["CVE-2024-1001", "CVE-2024-1002"]));
}

#[test]
fn a_folder_is_not_deleted_as_if_it_were_a_file() {
    for more in ["", "new"] {
        let dir = tempfile::tempdir().unwrap();
        release(dir.path(), "");
        write(dir.path(), "r/fixes/O/fix.toml", "delete = [\"d\"]");
        if !more.is_empty() {
            write(dir.path(), &format!("r/fixes/O/tree/{more}"), "text\n");
        }
        let found = told(&run(dir.path(), &["plan", "r"], 1), "does-not-apply");
        assert!(found[0].0 == "O" && found[0].1.contains("'d': it is a folder"), "{found:?}");
        // The files one by one, also where another fix changes one of them.
        write(dir.path(), "r/fixes/O/fix.toml", "delete = [\"d/one\", \"d/two\"]\nrequires = [\"B\"]");
        patch(dir.path(), "B", "d/one", 3);
        assert_eq!(run(dir.path(), &["plan", "r"], 0)["order"], serde_json::json!(["A", "B", "O"]));
    }
}

#[test]
fn a_link_out_of_the_tree_is_told() {
    for (target, leaves) in [("../doc", false), ("../../etc/passwd", true), ("/etc/passwd", true), ("one", false)] {
        let dir = tempfile::tempdir().unwrap();
        release(dir.path(), "");
        fs::create_dir_all(dir.path().join("r/fixes/O/tree/d")).unwrap();
        std::os::unix::fs::symlink(target, dir.path().join("r/fixes/O/tree/d/link")).unwrap();
        let found = told(&run(dir.path(), &["plan", "r"], 0), "link-leaves");
        assert_eq!(found.len(), usize::from(leaves), "{target}: {found:?}");
    }
}

#[test]
fn a_circle_is_named_whole() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    patch(dir.path(), "B", "d/one", 5);
    patch(dir.path(), "C", "d/two", 5);
    for (id, needs) in [("A", "B"), ("B", "C"), ("C", "A")] {
        write(dir.path(), &format!("r/fixes/{id}.toml"), &format!("requires = [\"{needs}\"]"));
    }
    let found = told(&run(dir.path(), &["plan", "r"], 1), "cycle");
    assert!(found[0].1.ends_with("A needs B needs C needs A"), "{found:?}");
}

#[test]
fn line_ends_that_are_in_the_way_are_named() {
    let text = lines("doc");
    let unended = text.trim_end().to_owned();
    let new = text.replace("doc 19\n", "new\n");
    let crlf = text.replace('\n', "\r\n");
    let no_newline = |patch: String| patch.trim_end().to_owned() + "\n\\ No newline at end of file\n";
    let to_unended = diff("doc", &text, &new);
    // The base's file, the patch, and what is said.
    let table = [
        (crlf.as_str(), diff("doc", &text, &new), "with other line ends"),
        (&text, diff("doc", &crlf, &crlf.replace("doc 19", "new")), "with other line ends"),
        (&unended, to_unended.clone(), "newline at the end of the file"),
        (&text, no_newline(to_unended), "newline at the end of the file"),
        ("other\r\nlines\r\n", diff("doc", &text, &new), "lines are not found"),
    ];
    for (base, patch, says) in table {
        let dir = tempfile::tempdir().unwrap();
        release(dir.path(), "");
        write(dir.path(), "r/base/doc", base);
        write(dir.path(), "r/fixes/A.patch", &patch);
        let found = told(&run(dir.path(), &["plan", "r"], 1), "does-not-apply");
        assert!(found[0].1.contains(says), "{patch}\n{found:?}");
    }
}

const HOLD: &str = "hold = [{ id = \"A\", reason = \"crashes\", owner = \"dana\" }]\n";

#[test]
fn the_gate_takes_a_hold_for_the_reason_that_it_is() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    patch(dir.path(), "B", "d/one", 5);
    patch(dir.path(), "C", "d/two", 5);
    write(dir.path(), "r/fixes/C.toml", "requires = [\"A\"]");
    let build = |name: &str, more: &[&str]| {
        cumulate(dir.path(), &[&["build", "r", "-o", name, "--no-cache"], more].concat()).expect(0);
    };
    let check = |bundle: &str, exit: i32| {
        run(dir.path(), &["check", bundle, "--config", "r/cumulate.toml", "--against", "all.cup"], exit)
    };
    build("all.cup", &[]);
    build("without.cup", &["--without", "A"]);
    // Left out by a word that nobody can read later: the gate says how to give the reason.
    let red = check("without.cup", 1);
    let missing: Vec<_> = told(&red, "fix-missing-on-track").into_iter().map(|f| f.0).collect();
    assert_eq!(missing, ["A", "C"], "{red:#}");
    assert!(red.to_string().contains("hold = [{ id = \\\"A\\\", reason"), "{red:#}");
    let config = fs::read_to_string(dir.path().join("r/cumulate.toml")).unwrap();
    write(dir.path(), "r/cumulate.toml", &(HOLD.to_owned() + &config));
    build("held.cup", &[]);
    for bundle in ["without.cup", "held.cup"] {
        let green = check(bundle, 0);
        let held = told(&green, "held");
        assert!(held.len() == 1 && held[0].0 == "A" && held[0].1.contains("crashes (dana)"), "{held:?}");
        assert_eq!(told(&green, "fix-missing-on-track").len() + told(&green, "fix-lost").len(), 0, "{green:#}");
    }
    // A hold that has ended leaves the bundle behind.
    write(dir.path(), "r/cumulate.toml", &config);
    assert_eq!(told(&check("held.cup", 1), "fix-lost").len(), 2);
}

#[test]
fn rules_about_tracks_are_told_by_plan_and_gate_and_a_hold_on_two_tracks_once() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    let config = |rule: &str| {
        let head = format!("{HOLD}[component]\nname = \"c\"\n[release]\nversion = \"2\"\nfrom = \"1\"\n");
        let track = |n: &str| {
            format!(
                "[[track]]\nname = \"t{n}\"\nbranch = \"{n}\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\ntrack = \"t{n}\"\n"
            )
        };
        write(dir.path(), "r/cumulate.toml", &(head + &track("6.2") + &track("7.0") + rule));
    };
    let rule = |branch: &str, status: &str| {
        format!(
            "[[not_for]]\nfix = \"B\"\nbranch = \"{branch}\"\nstatus = \"{status}\"\nreason = \"x\"\nowner = \"me\"\n"
        )
    };
    patch(dir.path(), "B", "d/one", 5);
    config(&rule("6.02", "not-affected"));
    let text = cumulate(dir.path(), &["plan", "r"]).expect(0).stdout;
    assert_eq!(text.matches("warning[held]").count(), 1, "{text}");
    let built = run(dir.path(), &["build", "r", "-o", "c.cup"], 0);
    assert_eq!((told(&built, "held").len(), told(&built, "unused-rule").len()), (1, 1), "{built:#}");
    let checked = run(dir.path(), &["check", "c.cup", "--config", "r/cumulate.toml"], 0);
    assert_eq!((told(&checked, "held").len(), told(&checked, "unused-rule").len()), (1, 1), "{checked:#}");
    config(&rule("6.2", "bogus"));
    let error = run(dir.path(), &["plan", "r"], 3);
    assert!(error["error"]["message"].as_str().unwrap().contains("not-affected"), "{error:#}");
    config(&rule("6.2", "under-investigation"));
    run(dir.path(), &["plan", "r"], 0);
}

#[test]
fn machines_read_usage_errors_too() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    let table: &[&[&str]] = &[
        &["plan", "r", "--no-such-option", "--format", "json"],
        &["build", "r", "--format=json"],
        &["apply", "--format", "json"],
        &["plan", "r", "--format", "json", "--only", "nobody"],
        &["plan", "r", "--format", "json", "--without", "nobody"],
        &["plan", "r", "--format", "json", "--only", "cve:CVE-2099-12345"],
    ];
    for args in table {
        let said = cumulate(dir.path(), args).expect(2).json();
        assert_eq!(said["error"]["code"], "usage", "{args:?}");
        assert!(!said["error"]["message"].as_str().unwrap().is_empty(), "{args:?}");
    }
    let said = cumulate(dir.path(), &["plan", "r", "--no-such-option"]).expect(2);
    assert!(said.stdout.is_empty() && said.stderr.contains("--no-such-option"), "{}", said.stderr);
}

/// Whoever takes the `#` away gets what the line says, and nothing else.
#[test]
fn every_line_of_the_template_may_be_taken_in() {
    let dir = tempfile::tempdir().unwrap();
    cumulate(dir.path(), &["init", "r"]).expect(0);
    let text = fs::read_to_string(dir.path().join("r/cumulate.toml")).unwrap();
    let taken = text.replace("\n# sequence = 1\n", "\nsequence = 1\n").replace("\n# profile", "\nprofile");
    assert_eq!(text.len() - taken.len(), 4);
    for line in taken.lines().filter(|l| l.contains("sequence")) {
        assert!(line.starts_with("sequence = 1") || line.starts_with("# ") && line.ends_with('.'), "{line}");
    }
    write(dir.path(), "r/cumulate.toml", &(taken + "[[base]]\nversion = \"1.0.0\"\nsource = \"base\"\n"));
    write(dir.path(), "r/base/f", "x\n");
    cumulate(dir.path(), &["plan", "r"]).expect(0);
}

#[test]
fn a_base_from_a_bundle_asks_who_signed_it() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    for key in ["k", "other"] {
        cumulate(dir.path(), &["keygen", "--out", key]).expect(0);
    }
    cumulate(dir.path(), &["build", "r", "-o", "c.cup", "--key", "k.key"]).expect(0);
    let add = |version: &str, from: &str, more: &[&str], exit: i32| {
        let args = ["base", "add", version, "--from", from, "--dir", "r"];
        run(dir.path(), &[&args, more].concat(), exit)
    };
    let config = || fs::read_to_string(dir.path().join("r/cumulate.toml")).unwrap();
    let before = config();
    assert_eq!(add("2", "c.cup", &["--pub", "other.pub"], 4)["error"]["code"], "untrusted");
    assert_eq!(add("3", "r/base", &["--pub", "k.pub"], 2)["error"]["code"], "usage");
    assert!(config() == before && !dir.path().join("r/bases").exists(), "a refusal leaves the disk as it was");
    assert_eq!(add("2", "c.cup", &["--pub", "k.pub"], 0)["findings"], Value::Null);
    assert_eq!(told(&add("2b", "c.cup", &[], 0), "unsigned-bundle").len(), 1);
}

#[test]
fn the_matrix_shows_what_does_not_apply_on_a_track() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    write(dir.path(), "r/other/doc", "something else\n");
    let head = "[component]\nname = \"c\"\n[release]\nversion = \"2\"\nfrom = \"1\"\n";
    let track = |n: &str, source: &str| {
        format!("[[track]]\nname = \"{n}\"\n[[base]]\nversion = \"1\"\nsource = \"{source}\"\ntrack = \"{n}\"\n")
    };
    write(dir.path(), "r/cumulate.toml", &(head.to_owned() + &track("x", "base") + &track("y", "other")));
    let row = &run(dir.path(), &["plan", "r", "--matrix"], 1)["matrix"][0]["tracks"];
    assert_eq!(*row, serde_json::json!({"x": "default", "y": "does not apply"}));
}
