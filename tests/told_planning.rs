//! What a fresh user ran into while planning: what cannot be read is told or refused, and the advice is the right one.

#[path = "common/asking.rs"]
mod asking;
mod common;

use asking::{plan, told, write};
use common::{cumulate, diff};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn lines() -> String {
    (1..=20).map(|i| format!("line {i}\n")).collect()
}

const BASE: &str = "[[base]]\nversion = \"1\"\nsource = \"base\"\n";

/// A release of the fixes `A` and `B`, each with its metadata.
fn release(dir: &Path, a: &str, b: &str) {
    write(dir, "base/f", &lines());
    write(dir, "cumulate.toml", &format!("[component]\nname = \"c\"\n[release]\nversion = \"2\"\n{BASE}"));
    for (id, line, meta) in [("A", "line 3\n", a), ("B", "line 17\n", b)] {
        write(dir, &format!("fixes/{id}.patch"), &diff("f", &lines(), &lines().replace(line, &format!("{id}\n"))));
        write(dir, &format!("fixes/{id}.toml"), meta);
    }
}

#[test]
fn severities_of_cvss_4_count_and_what_cannot_be_read_is_told_also_where_it_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let critical = "severity = \"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N\"";
    release(dir, critical, "severity = \"CVSS:9/xx\"");
    let said = plan(dir, &["--only", "severity:high"], 0);
    assert_eq!((&said["order"], &said["fixes"]["A"]["severity"]), (&serde_json::json!(["A"]), &"critical".into()));
    let bad = told(&said, "bad-metadata");
    assert!(bad.len() == 1 && bad[0][0] == "B" && bad[0][1].contains("'CVSS:9/xx'"), "{bad:?}");
    let left = told(&said, "severity-unknown");
    assert!(left.len() == 1 && left[0][0] == "severity:high" && left[0][1].contains(" B,"), "{left:?}");
    // The way that it names works, and nothing is told where nothing is left out.
    let said = plan(dir, &["--only", "severity:high", "B"], 0);
    assert_eq!((&said["order"], told(&said, "severity-unknown").len()), (&serde_json::json!(["A", "B"]), 0));
}

#[test]
fn days_that_no_calendar_has_are_refused_and_dates_may_be_written_bare() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir, "date = 2024-03-01", "date = \"2024-02-30\"");
    let said = plan(dir, &[], 0);
    assert_eq!(said["fixes"]["A"]["date"], "2024-03-01");
    let bad = told(&said, "bad-metadata");
    assert!(bad.len() == 1 && bad[0][0] == "B" && bad[0][1].contains("'2024-02-30' is no day"), "{bad:?}");
    assert_eq!(plan(dir, &["--only", "date:2024-03-01"], 0)["order"], serde_json::json!(["A"]));
    for (word, why) in [
        ("date:2024-02-30..", "no range of days"),
        ("date:2024-06-30..2024-01-01", "ends before it begins"),
        ("date:2020-01-01", "no fix of this release fits"),
    ] {
        let error = &plan(dir, &["--only", word], 2)["error"];
        assert!(error["code"] == "usage" && error["message"].as_str().unwrap().contains(why), "{error}");
    }
    let error = &plan(dir, &["--only", "date:2024-06-30..2024-01-01"], 2)["error"];
    assert!(error["next"].as_str().unwrap().contains("date:2024-01-01..2024-06-30"), "{error}");
    write(dir, "fixes/A.toml", "date = 3");
    let error = &plan(dir, &[], 3)["error"];
    assert!(error["message"].as_str().unwrap().contains("2024-01-31"), "{error}");
}

#[test]
fn a_pipe_among_the_sources_is_refused_and_nothing_waits_for_it() {
    for at in [
        "fixes/C.patch",
        "fixes/A.toml",
        "fixes/series",
        "fixes/resolutions/r/resolution.toml",
        "cumulate.toml",
        "base/p",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        release(dir, "", "");
        let file = dir.join(at);
        let _ = fs::remove_file(&file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
        let run = Command::new("timeout")
            .args(["20", env!("CARGO_BIN_EXE_cumulate"), "plan", "--format", "json"])
            .current_dir(dir)
            .output();
        let run = run.unwrap();
        let said: Value = serde_json::from_slice(&run.stdout).unwrap_or_else(|e| panic!("{at}: {e}: {run:?}"));
        assert_eq!((run.status.code(), &said["error"]["code"]), (Some(3), &"bad-source".into()), "{at}: {said}");
        assert!(said["error"]["subject"].as_str().unwrap().ends_with(at), "{at}: {said}");
    }
}

#[test]
fn a_fix_that_needs_one_that_is_not_for_the_track_is_told_so_and_excused_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir, "", "requires = [\"A\"]");
    let track = |n: &str| {
        format!(
            "[[track]]\nname = \"{n}/x64\"\nbranch = \"{n}\"\nplatform = \"x64\"\nfrom = \"{n}\"\n[[base]]\nversion = \"{n}\"\nsource = \"base\"\ntrack = \"{n}/x64\"\n"
        )
    };
    let rule = |fix: &str| {
        format!(
            "[[not_for]]\nfix = \"{fix}\"\nbranch = \"6.2\"\nstatus = \"not-affected\"\nreason = \"came with 7\"\nowner = \"dana\"\n"
        )
    };
    let config =
        format!("[component]\nname = \"c\"\n[release]\nversion = \"2\"\n{}{}{}", track("7.2"), track("6.2"), rule("A"));
    write(dir, "cumulate.toml", &config);
    let text = cumulate(dir, &["plan"]).expect(1).stdout;
    assert!(!text.contains("not there") && !text.contains("add A"), "{text}");
    assert!(text.contains("B requires A, which is not for track 6.2/x64: came with 7 (not-affected, dana)"), "{text}");
    assert!(
        text.contains("say that B is not for track 6.2/x64 either: [[not_for]] fix = \"B\", branch = \"6.2\""),
        "{text}"
    );
    write(dir, "cumulate.toml", &(config + &rule("B")));
    cumulate(dir, &["plan"]).expect(0);
}

#[test]
fn ids_in_the_other_case_are_suggested_and_a_circle_of_supersedes_says_what_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir, "requires = [\"b\"]", "after = [\"a\"]");
    let said = plan(dir, &[], 1);
    let lacking = told(&said, "missing-requirement");
    assert!(lacking[0][2].contains("write B if that is meant"), "{lacking:?}");
    assert_eq!(said["cores"][0]["repairs"][1]["text"], "write B instead of b where A names it", "{said}");
    assert!(told(&said, "bad-metadata")[0][2].contains("'A'"), "{said}");

    release(dir, "supersedes = [\"B\"]", "supersedes = [\"A\"]");
    let core = &plan(dir, &[], 1)["cores"][0];
    let texts =
        |key: &str| core[key].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(texts("because"), ["A says that it supersedes B", "B says that it supersedes A"]);
    assert_eq!(texts("repairs"), ["take B out of the 'supersedes' of A", "take A out of the 'supersedes' of B"]);
    release(dir, "", "supersedes = [\"A\"]");
    plan(dir, &[], 0);
}

#[test]
fn a_patch_that_is_cut_off_and_an_id_that_is_none_get_the_advice_that_helps() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir, "", "");
    let next = |said: Value| said["error"]["next"].as_str().unwrap().to_owned();
    let whole = fs::read_to_string(dir.join("fixes/A.patch")).unwrap();
    let cut = whole.lines().count() - 2;
    write(dir, "fixes/A.patch", &whole.lines().take(cut).map(|l| format!("{l}\n")).collect::<String>());
    let said = next(plan(dir, &[], 3));
    assert!(said.contains("copy the whole patch again") && !said.contains("path"), "{said}");
    write(dir, "fixes/A.patch", &whole.replace("/f\n", "/../f\n"));
    let said = next(plan(dir, &[], 3));
    assert!(said.contains("a path that no release can have"), "{said}");
    // The rule that is told is the one that is kept.
    write(dir, "new/f", "other\n");
    let import = |id: &str, exit| {
        cumulate(dir, &["import", "dir", "base", "new", "--id", id, "-o", "out", "--format", "json"])
            .expect(exit)
            .json()
    };
    let said = next(import("a@b", 2));
    assert!(said.contains("'@'") && !said.contains("digits"), "{said}");
    for id in ["has space", "sévère", "cve:x", "v1.2+dfsg"] {
        import(id, 0);
    }
}
