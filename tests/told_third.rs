//! What a fresh user was told wrongly about plans: the reason is the true one, and the advice can be taken.

#[path = "common/asking.rs"]
mod asking;
mod common;

use asking::{plan, release, text, told, with, write};
use common::{cumulate, diff, narrow_diff};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Writes the resolution that a refusal prints, with a result.
fn settle(dir: &Path, said: &Value, result: &str) {
    let b = &said["beside"][0];
    let (first, then) = (b["first"].as_str().unwrap(), b["then"].as_str().unwrap());
    let folder = format!("fixes/resolutions/{first}+{then}");
    let toml = format!(
        "path = {}\nbase = {}\nreviewed_by = \"dana\"\n[sides]\n{first} = {}\n{then} = {}\n",
        b["path"], b["base"], b["sides"][first], b["sides"][then]
    );
    write(dir, &format!("{folder}/resolution.toml"), &toml);
    write(dir, &format!("{folder}/result"), result);
}

#[test]
fn a_base_with_everything_in_one_folder_is_told_and_mended_as_the_refusal_says() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(dir, "src/app/a", &with(&[]));
    write(dir, "src/app/lib/b", &with(&[]));
    let tar = Command::new("tar").args(["-cf", "app.tar", "-C", "src", "app"]).current_dir(dir).status();
    assert!(tar.unwrap().success());
    write(dir, "cumulate.toml", "[component]\nname = \"c\"\n[release]\nversion = \"2\"\n");
    // Without fixes nobody knows whether the folder belongs to it.
    let add = ["base", "add", "1", "--from", "app.tar"];
    let added = cumulate(dir, &[&add[..], &["--format", "json"]].concat()).expect(0).json();
    let warned = told(&added, "one-folder");
    assert!(warned.len() == 1 && warned[0][1].contains("below 'app'") && warned[0][2].contains("strip = 1"), "{added}");
    write(dir, "fixes/A.patch", &diff("a", &with(&[]), &with(&[(3, "three")])));
    write(dir, "fixes/B.patch", &diff("lib/b", &with(&[]), &with(&[(3, "three")])));
    let said = plan(dir, &[], 1);
    let why = told(&said, "does-not-apply");
    assert_eq!(why.len(), 1, "{said}");
    assert!(why[0][1].contains("the base has it as 'app/a'") && why[0][1].contains("A, B"), "{why:?}");
    assert!(why[0][2].contains("base add --replace") && !text(dir, &[], 1).contains("leave out"), "{why:?}");
    let added = cumulate(dir, &[&add[..], &["--replace", "--format", "json"]].concat()).expect(0).json();
    assert!(told(&added, "one-folder")[0][1].contains("strip = 1 drops it"), "{added}");
    assert_eq!(plan(dir, &[], 0)["order"], json!(["A", "B"]));
    // A folder is not stripped: the one in it is named instead.
    let add = ["base", "add", "1", "--from", "src", "--replace", "--format", "json"];
    let added = cumulate(dir, &add).expect(0).json();
    assert!(told(&added, "one-folder")[0][2].contains("record 'src/app'"), "{added}");
    cumulate(dir, &["base", "add", "1", "--from", "src/app", "--replace"]).expect(0);
    plan(dir, &[], 0);
}

#[test]
fn what_a_decision_makes_is_not_told_as_binary_and_the_series_alone_is_advised() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    write(dir, "fixes/A.patch", &diff("a", &with(&[]), &with(&[(10, "ten by A")])));
    write(dir, "fixes/B.patch", &diff("a", &with(&[]), &with(&[(10, "ten by B")])));
    write(dir, "fixes/series", "B.patch\nA.patch\n");
    let said = plan(dir, &[], 1);
    settle(dir, &said, &with(&[(10, "ten by A and B")]));
    plan(dir, &[], 0);
    write(dir, "fixes/C.patch", &diff("a", &with(&[]), &with(&[(20, "twenty")])));
    write(dir, "fixes/series", "B.patch\nC.patch\nA.patch\n");
    let said = plan(dir, &[], 1);
    let text = text(dir, &[], 1);
    assert!(!text.contains("binary") && !text.contains("to decide it by hand"), "{text}");
    assert!(text.contains("what A makes of it is the decision 'B+A'"), "{text}");
    assert_eq!(told(&said, "does-not-apply")[0][2], "put A before C in the series", "{said}");
    write(dir, "fixes/series", "B.patch\nA.patch\nC.patch\n");
    plan(dir, &[], 0);
}

#[test]
fn changes_that_are_apart_are_shown_and_not_told_as_binary() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let wide = |changes| narrow_diff("a", &with(&[]), &with(changes), 12);
    write(dir, "fixes/A.patch", &wide(&[(10, "ten")]));
    write(dir, "fixes/B.patch", &wide(&[(18, "eighteen")]));
    let text = text(dir, &[], 1);
    assert!(!text.contains("binary") && text.contains("what they change is apart"), "{text}");
    assert!(text.contains("+ten ") && text.contains("+eighteen"), "{text}");
}

#[test]
fn a_decision_that_no_longer_fits_says_in_what() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    write(dir, "fixes/A.patch", &diff("a", &with(&[]), &with(&[(10, "ten by A")])));
    write(dir, "fixes/B.patch", &diff("a", &with(&[]), &with(&[(10, "ten by B")])));
    settle(dir, &plan(dir, &[], 1), &with(&[(10, "both")]));
    plan(dir, &[], 0);
    write(dir, "base/a", &with(&[(30, "thirty")]));
    let said = plan(dir, &[], 1);
    let unused = told(&said, "unused-rule");
    assert!(unused.len() == 1 && unused[0][0] == "resolutions/A+B", "{said}");
    assert!(unused[0][1].contains(&format!("before both stands {}", said["beside"][0]["base"].as_str().unwrap())));
}

#[test]
fn all_that_does_not_apply_for_reasons_of_its_own_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    // Made on another base: A at one path; B at another, and it waits for A nowhere; C where A failed before.
    let wrong = |file: &str, line: u32| diff(file, &with(&[(line, "other")]), &with(&[(line, "mended")]));
    write(dir, "fixes/A.patch", &wrong("a", 5));
    write(dir, "fixes/B.patch", &(diff("a", &with(&[]), &with(&[(30, "thirty")])) + &wrong("b", 10)));
    write(dir, "fixes/C.patch", &wrong("a", 20));
    write(dir, "fixes/series", "A.patch\nB.patch\nC.patch\n");
    let said = plan(dir, &[], 1);
    let failed: Vec<String> = told(&said, "does-not-apply").into_iter().map(|f| f[0].clone()).collect();
    assert_eq!(failed, ["A", "B", "C"], "{said}");
}

#[test]
fn a_refusal_that_is_not_cut_down_says_so_and_lists_nothing_empty() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let of = |changes: &[u32]| -> String {
        (1..=140).map(|i| if changes.contains(&i) { format!("new {i}\n") } else { format!("line {i}\n") }).collect()
    };
    write(dir, "base/a", &of(&[]));
    // More fixes of one path than every order can be tried of, and one that fits none of what they make.
    for k in 1..=20 {
        write(dir, &format!("fixes/F{k:02}.patch"), &diff("a", &of(&[]), &of(&[6 * k])));
    }
    // It needs what F11 brings, and F11 requires F02, which takes away what it needs as well: all of that is somewhere.
    let changed = |more: &[u32]| of(&[&[6, 66], more].concat());
    write(dir, "fixes/LAST.patch", &diff("a", &changed(&[]), &changed(&[9, 64])));
    write(dir, "fixes/F11.toml", "requires = [\"F02\"]\n");
    let text = text(dir, &[], 1);
    assert!(text.contains("there is no plan; the findings say why\n"), "{text}");
    assert!(text.contains("more fixes have to do with them than can be tried in every order: LAST"), "{text}");
}

/// A prepares, P changes more, and ROLL brings what both do together at `a`.
fn rolled(dir: &Path) {
    release(dir);
    let five = with(&[(5, "five"), (6, "six")]);
    let p = diff("a", &with(&[]), &five) + &diff("b", &with(&[]), &with(&[(9, "nine")]));
    write(dir, "fixes/P.patch", &p);
    write(dir, "fixes/A.patch", &diff("a", &five, &with(&[(5, "5ive"), (6, "six")])));
    write(dir, "fixes/ROLL.patch", &diff("a", &with(&[]), &with(&[(5, "5ive"), (6, "six")])));
}

#[test]
fn what_takes_the_place_of_a_fix_is_said_to_bring_no_more_than_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    rolled(dir);
    let said = plan(dir, &["--without", "P"], 0);
    assert_eq!(said["order"], json!(["ROLL"]));
    let told: Vec<(String, String)> = told(&said, "duplicate").into_iter().map(|[s, m, _]| (s, m)).collect();
    let brings = |what: &str| format!("left out, but 'ROLL' brings {what}");
    let wanted = [("A".to_owned(), brings("what it does")), ("P".to_owned(), brings("a part of what it does"))];
    assert_eq!(told, wanted, "{said}");
    // What requires the whole of it goes with it.
    write(dir, "fixes/Z.patch", &diff("b", &with(&[]), &with(&[(30, "thirty")])));
    write(dir, "fixes/Z.toml", "requires = [\"P\"]\n");
    let said = plan(dir, &["--without", "P"], 0);
    assert_eq!(said["dropped"]["Z"], "needs what was left out: Z needs P", "{said}");
    write(dir, "fixes/Z.toml", "requires = [\"A\"]\n");
    assert_eq!(plan(dir, &["--without", "A", "P"], 0)["order"], json!(["ROLL", "Z"]));
}

#[test]
fn what_is_contained_in_fixes_that_are_not_chosen_is_not_selected_and_the_refusal_has_its_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    rolled(dir);
    let said = plan(dir, &["--only", "P"], 0);
    assert_eq!(said["dropped"]["ROLL"], "not selected, and nothing selected needs it", "{said}");
    assert!(told(&said, "duplicate").is_empty(), "{said}");
    assert_eq!(plan(dir, &["--only", "A"], 0)["dropped"]["ROLL"], "contained in A, P together");
    let least = plan(dir, &["--only", "A", "--minimal"], 0);
    assert_eq!(least["least"]["not_tried"], json!(["ROLL"]), "{least}");
    for args in [&["--without", "A"][..], &["--only", "ROLL", "P"]] {
        let text = text(dir, args, 1);
        assert!(text.contains("A is left out") && text.contains("ROLL is wanted"), "{text}");
        assert!(text.contains("do not leave A out"), "{text}");
    }
    // That a newer fix was not followed is told.
    write(dir, "fixes/ROLL.toml", "supersedes = [\"A\"]\n");
    let kept = told(&plan(dir, &[], 0), "duplicate");
    assert!(
        kept.len() == 1 && kept[0][0] == "ROLL" && kept[0][1].contains("what it supersedes stays: 'A'"),
        "{kept:?}"
    );
}

#[test]
fn a_repair_that_is_left_out_is_missed_also_where_it_needs_what_it_repairs() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let one = with(&[(5, "five")]);
    let mail = |commit: &str, title: &str, more: &str, diff: String| {
        format!(
            "From {commit} Mon Sep 17 00:00:00 2001\nFrom: t <t@t>\nDate: Sun, 29 Nov 2026 17:06:11 +0000\nSubject: [PATCH] {title}\n\n{more}---\n{diff}"
        )
    };
    let (broken, repair) = ("1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222");
    write(dir, "fixes/ONE.patch", &mail(broken, "speed up (#12955)", "", diff("a", &with(&[]), &one)));
    let named = "Fixes: 1111111111111 (\"speed up\")\n";
    write(dir, "fixes/TWO.patch", &mail(repair, "mend", named, diff("a", &one, &with(&[(5, "FIVE")]))));
    let third = "Fix crash introduced by #12955 (#13001)";
    write(dir, "fixes/THREE.patch", &mail(&"3".repeat(40), third, "", diff("b", &with(&[]), &one)));
    // Another number, and one that only begins alike.
    write(
        dir,
        "fixes/X.patch",
        &mail(&"4".repeat(40), "Fix crash introduced by #129 (#1)", "", diff("b", &with(&[]), &with(&[(30, "x")]))),
    );
    for args in [&["--only", "ONE"][..], &["--without", "TWO", "THREE"]] {
        let said = plan(dir, args, 0);
        let left = told(&said, "hint-left-behind");
        let said_of =
            |by: &str, how: &str| left.iter().any(|l| l[0] == "ONE" && l[1].contains(by) && l[1].contains(how));
        assert!(left.len() == 2 && said_of("TWO", "trailer") && said_of("THREE", "title"), "{said}");
    }
    let dot = cumulate(dir, &["plan", "--format", "dot"]).expect(0).stdout;
    assert!(dot.contains("\"THREE\" -> \"ONE\" [style=dotted, label=\"title\""), "{dot}");
}

#[test]
fn a_group_gives_way_to_what_is_left_out_and_an_id_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    write(dir, "fixes/A.patch", &diff("a", &with(&[]), &with(&[(10, "ten")])));
    write(dir, "fixes/B.patch", &diff("b", &with(&[]), &with(&[(10, "ten")])));
    write(dir, "fixes/C.patch", &diff("b", &with(&[]), &with(&[(30, "thirty")])));
    assert_eq!(plan(dir, &["--only", "path:b", "--without", "C"], 0)["order"], json!(["B"]));
    assert_eq!(plan(dir, &["--only", "path:*", "--without", "path:b"], 0)["order"], json!(["A"]));
    plan(dir, &["--only", "C", "--without", "path:b"], 1);
}

#[test]
fn an_overlay_that_the_base_has_is_contained_also_without_what_it_is_built_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    write(dir, "fixes/O/tree/a", &with(&[]));
    write(dir, "fixes/N/tree/b", &with(&[(3, "three")]));
    let said = plan(dir, &[], 0);
    assert_eq!(said["order"], json!(["N"]), "{said}");
    assert_eq!(told(&said, "contained")[0][0], "O", "{said}");
    // What puts back what another fix changed is none of that.
    write(dir, "fixes/M.patch", &diff("a", &with(&[]), &with(&[(3, "three")])));
    write(dir, "fixes/O/fix.toml", "after = [\"M\"]\n");
    assert_eq!(plan(dir, &[], 0)["order"], json!(["M", "N", "O"]));
}

#[test]
fn a_fix_that_applies_on_one_track_alone_may_have_a_form_of_its_own_or_an_excuse() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(dir, "new/a", &with(&[]));
    write(dir, "old/a", &with(&[(10, "another")]));
    let track = |n: &str| {
        format!(
            "[[track]]\nname = \"t/{n}\"\nbranch = \"{n}\"\n[[base]]\nversion = \"{n}\"\nsource = \"{n}\"\ntrack = \"t/{n}\"\n"
        )
    };
    let config = "[component]\nname = \"c\"\n[release]\nversion = \"2\"\n".to_owned() + &track("new") + &track("old");
    write(dir, "cumulate.toml", &config);
    write(dir, "fixes/F.patch", &diff("a", &with(&[]), &with(&[(10, "ten")])));
    let text = text(dir, &[], 1);
    assert!(text.contains("* add F@old.patch, made for this one"), "{text}");
    assert!(text.contains("* say that it is not for t/old: [[not_for]] fix = \"F\", branch = \"old\""), "{text}");
    assert!(text.contains("it applies to track t/new"), "{text}");
}

#[test]
fn ids_that_differ_in_case_only_are_refused_when_they_are_imported() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    write(dir, "next/a", &with(&[(3, "three")]));
    write(dir, "next/b", &with(&[]));
    write(dir, "fixes/P@old.patch", &diff("a", &with(&[]), &with(&[(10, "ten")])));
    cumulate(dir, &["import", "dir", "base", "next", "--id", "O3"]).expect(0);
    for id in ["o3", "p"] {
        let said = cumulate(dir, &["import", "dir", "base", "next", "--id", id, "--format", "json"]).json();
        assert_eq!(said["error"]["code"], "exists", "{said}");
        assert!(!dir.join("fixes").join(id).exists());
    }
}
