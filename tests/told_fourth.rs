//! What a fresh user was told wrongly about fixes that do the same, and about what takes them back.

#[path = "common/asking.rs"]
mod asking;
mod common;

use asking::{CONFIG, plan, release, text, told, with, write};
use common::{cumulate, diff, narrow_diff};
use serde_json::json;
use std::fs;
use std::path::Path;

/// A and R, which takes A back; `more` is what R does beside that.
fn reverted(dir: &Path, more: &str) {
    release(dir);
    let ten = with(&[(10, "ten")]);
    write(dir, "fixes/A.patch", &diff("a", &with(&[]), &ten));
    write(dir, "fixes/R.patch", &(diff("a", &ten, &with(&[])) + more));
}

#[test]
fn what_is_left_out_and_goes_out_under_another_id_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let ten = with(&[(10, "ten")]);
    for id in ["A", "Z"] {
        write(dir, &format!("fixes/{id}.patch"), &diff("a", &with(&[]), &ten));
    }
    write(dir, "fixes/B.patch", &diff("a", &ten, &with(&[(10, "ten"), (11, "eleven")])));
    for (gone, stays) in [("A", "Z"), ("Z", "A")] {
        let said = plan(dir, &["--without", gone], 0);
        let brings = format!("left out, but '{stays}' brings what it does");
        let next = format!("leave '{stays}' out too where that must not go out");
        assert_eq!(told(&said, "duplicate"), [[gone.to_owned(), brings, next]], "{said}");
        assert_eq!(said["dropped"][gone], "left out by the selection", "{said}");
    }
    let hold = "hold = [{ id = \"A\", reason = \"crashes\", owner = \"d\", until = 2027-01-31 }]\n";
    write(dir, "cumulate.toml", &(hold.to_owned() + CONFIG));
    for args in [&[][..], &["--without", "Z"]] {
        let said = plan(dir, args, 0);
        let brought = told(&said, "duplicate");
        assert_eq!(brought.len(), usize::from(args.is_empty()), "{said}");
        assert!(brought.iter().all(|t| t[0] == "A" && t[1].contains("but 'Z' brings")), "{said}");
        assert!(said["dropped"]["A"].as_str().unwrap().contains("crashes"), "{said}");
    }
    write(dir, "cumulate.toml", CONFIG);
    // Also where all together have no plan.
    write(dir, "fixes/X.patch", &diff("b", &with(&[(3, "no")]), &with(&[(3, "three")])));
    let said = plan(dir, &["--without", "A", "X"], 0);
    assert_eq!(told(&said, "duplicate").len(), 1, "{said}");
}

#[test]
fn an_older_fix_that_is_left_out_is_told_where_the_newer_one_has_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    write(dir, "fixes/O.patch", &diff("a", &with(&[]), &with(&[(10, "ten")])));
    write(dir, "fixes/N.patch", &diff("a", &with(&[]), &with(&[(10, "ten"), (20, "twenty")])));
    write(dir, "fixes/N.toml", "supersedes = [\"O\"]\n");
    let said = plan(dir, &["--without", "O"], 0);
    assert_eq!(said["order"], json!(["N"]));
    let brought = told(&said, "duplicate");
    assert!(brought.len() == 1 && brought[0][1] == "left out, but 'N' brings what it does", "{said}");
    assert!(told(&plan(dir, &[], 0), "duplicate").is_empty());
    // Another way to mend the same is not what it does.
    write(dir, "fixes/N.patch", &diff("a", &with(&[]), &with(&[(10, "TEN")])));
    assert!(told(&plan(dir, &["--without", "O"], 0), "duplicate").is_empty());
}

#[test]
fn a_twin_does_not_bring_back_what_was_taken_back_unless_somebody_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    reverted(dir, "");
    fs::copy(dir.join("fixes/A.patch"), dir.join("fixes/A2.patch")).unwrap();
    fs::copy(dir.join("fixes/A.patch"), dir.join("fixes/Z.patch")).unwrap();
    let said = plan(dir, &[], 0);
    assert_eq!(said["order"], json!(["A", "R"]), "{said}");
    let twins: Vec<String> = told(&said, "duplicate").into_iter().map(|[s, m, _]| s + ": " + &m).collect();
    assert_eq!(twins, ["A2", "Z"].map(|id| format!("{id}: left out: it has the same content as 'A'")), "{said}");
    fs::remove_file(dir.join("fixes/Z.patch")).unwrap();
    write(dir, "fixes/series", "A.patch\nR.patch\nA2.patch\n");
    assert_eq!(plan(dir, &[], 0)["order"], json!(["A", "R", "A2"]));
    fs::remove_file(dir.join("fixes/series")).unwrap();
    write(dir, "fixes/A2.toml", "after = [\"R\"]\n");
    assert_eq!(plan(dir, &[], 0)["order"], json!(["A", "R", "A2"]));
}

#[test]
fn leaving_both_out_is_advised_where_the_revert_does_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    reverted(dir, "");
    let said = plan(dir, &[], 0);
    assert!(told(&said, "reverted")[0][2].starts_with("leave both out; or take 'R' out"), "{said}");
    reverted(dir, &diff("b", &with(&[]), &with(&[(20, "twenty")])));
    let said = plan(dir, &[], 0);
    let [_, what, next] = &told(&said, "reverted")[0];
    assert_eq!(what, "'R' takes back all that it does; 'R' does more than that, at 'b'", "{said}");
    assert!(!next.contains("both") && next.contains("cut 'R' down"), "{said}");
}

#[test]
fn a_repair_that_leaves_a_fix_out_names_its_twins_and_mends() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    for id in ["A", "A2"] {
        write(dir, &format!("fixes/{id}.patch"), &diff("a", &with(&[]), &with(&[(10, "ten")])));
    }
    write(dir, "fixes/B.patch", &diff("a", &with(&[]), &with(&[(10, "x")])));
    write(dir, "fixes/C.patch", &diff("b", &with(&[]), &with(&[(10, "x")])));
    write(dir, "fixes/C.toml", "requires = [\"A2\"]\n");
    let text = text(dir, &[], 1);
    assert!(text.contains("leave out A and A2, and with them what requires them: C"), "{text}");
    assert!(text.contains("leave out B\n"), "{text}");
    assert_eq!(plan(dir, &["--without", "A", "A2"], 0)["order"], json!(["B"]));
}

#[test]
fn a_twin_that_is_not_selected_is_no_work() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    for id in ["A", "A2"] {
        write(dir, &format!("fixes/{id}.patch"), &diff("a", &with(&[]), &with(&[(10, "ten")])));
    }
    write(dir, "fixes/B.patch", &diff("b", &with(&[]), &with(&[(10, "x")])));
    let said = plan(dir, &["--only", "B"], 0);
    assert!(told(&said, "duplicate").is_empty(), "{said}");
    for id in ["A", "A2"] {
        assert_eq!(said["dropped"][id], "not selected, and nothing selected needs it", "{said}");
    }
    assert_eq!(plan(dir, &["--only", "A2"], 0)["order"], json!(["A2"]));
}

/// `x\0z` and `x\0y`, as git writes them.
const ONE: &str = "Kcmb<mr~&{1<pA>l";
const TWO: &str = "Kcmb<ms0083<N)#j";

#[test]
fn an_explanation_tells_bytes_from_modes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    for (id, old, mode) in [("M", 644, 755), ("N", 755, 644)] {
        let patch = format!("diff --git a/a b/a\nold mode 100{old}\nnew mode 100{mode}\n");
        write(dir, &format!("fixes/{id}.patch"), &patch);
    }
    write(dir, "fixes/series", "M.patch\nN.patch\n");
    write(dir, "fixes/series", "M.patch\nN.patch\n");
    let said = cumulate(dir, &["plan", "--explain", "M", "N"]).expect(0).stdout;
    assert!(said.contains("'a' gets another mode") && said.contains("changes the mode"), "{said}");
    // Two whole contents of one file, one on top of the other, as git writes them.
    let from = ["d5d0b8b4c4c9e936890870f6799cfbb5ba984470", "4a270318359d8c2a960136495bceeae9eee22424"];
    write(dir, "base/f", "x\0y");
    let binary = |old: &str, new: &str, to: &str, back: &str| {
        format!(
            "diff --git a/f b/f\nindex {old}..{new} 100644\nGIT binary patch\nliteral 3\n{to}\n\nliteral 3\n{back}\n\n"
        )
    };
    fs::remove_file(dir.join("fixes/M.patch")).unwrap();
    fs::remove_file(dir.join("fixes/N.patch")).unwrap();
    write(dir, "fixes/series", "P.patch\nQ.patch\n");
    write(dir, "fixes/P.patch", &binary(from[0], from[1], ONE, TWO));
    write(dir, "fixes/Q.patch", &binary(from[1], from[0], TWO, ONE));
    let said = cumulate(dir, &["plan", "--explain", "P", "Q"]).expect(0).stdout;
    assert!(said.contains("binary change") && !said.contains("the mode"), "{said}");
}

#[test]
fn a_pull_names_the_bundle_that_installations_have() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    reverted(dir, "");
    fs::remove_file(dir.join("fixes/R.patch")).unwrap();
    cumulate(dir, &["keygen", "--out", "k"]).expect(0);
    cumulate(dir, &["build", "-o", "x.cup", "--key", "k.key"]).expect(0);
    let said = cumulate(dir, &["pull", "A", "x.cup", "--format", "json"]).json();
    assert!(said["next"].to_string().contains("base add 2 --from x.cup"), "{said}");
}

#[test]
fn a_pull_of_a_twin_names_the_one_that_went_out_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let ten = with(&[(10, "ten")]);
    for id in ["A", "Z"] {
        write(dir, &format!("fixes/{id}.patch"), &diff("a", &with(&[]), &ten));
    }
    cumulate(dir, &["keygen", "--out", "k"]).expect(0);
    cumulate(dir, &["build", "-o", "x.cup", "--key", "k.key"]).expect(0);
    let dropped = plan(dir, &[], 0)["dropped"].clone();
    let (gone, there) = if dropped.get("A").is_some() { ("A", "Z") } else { ("Z", "A") };
    let error = &cumulate(dir, &["pull", gone, "x.cup", "--format", "json"]).expect(2).json()["error"];
    assert!(error["message"].as_str().unwrap().contains(&format!("'{there}' stands for it")), "{error}");
    assert!(error["next"].as_str().unwrap().contains(&format!("pull {there} x.cup")), "{error}");
    // The other one would go out in its place.
    let said = cumulate(dir, &["pull", there, "x.cup", "--format", "json"]).expect(0).json();
    assert!(said["next"][1].as_str().unwrap().ends_with(&format!("takes its place: {gone}")), "{said}");
}

#[test]
fn a_twin_that_others_need_after_the_revert_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    reverted(dir, "");
    fs::copy(dir.join("fixes/A.patch"), dir.join("fixes/A2.patch")).unwrap();
    let (ten, eleven) = (with(&[(10, "ten")]), with(&[(10, "ten"), (11, "eleven")]));
    write(dir, "fixes/B.patch", &diff("a", &ten, &eleven));
    write(dir, "fixes/B.toml", "after = [\"R\"]\n");
    let said = plan(dir, &[], 0);
    assert_eq!(said["order"], json!(["A", "R", "A2", "B"]), "{said}");
    let told = told(&said, "duplicate");
    assert!(told.len() == 1 && told[0][0] == "A2" && told[0][1].contains("brings back what 'R' takes back"), "{said}");
}

#[test]
fn a_revert_that_is_there_twice_is_one_and_either_does() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    reverted(dir, "");
    fs::copy(dir.join("fixes/R.patch"), dir.join("fixes/R2.patch")).unwrap();
    let said = plan(dir, &[], 0);
    assert_eq!(said["order"], json!(["A", "R"]), "{said}");
    assert_eq!(told(&said, "duplicate")[0][1], "left out: it has the same content as 'R'", "{said}");
    assert_eq!(plan(dir, &["--without", "R"], 0)["order"], json!(["A", "R2"]));
}

/// B was made on top of A, and R takes A back: no order has all three, and R before A is none, for there it does nothing.
#[test]
fn a_revert_is_not_left_out_because_the_base_is_as_it_leaves_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    reverted(dir, "");
    let (ten, both) = (with(&[(10, "ten")]), with(&[(10, "ten"), (11, "eleven")]));
    write(dir, "fixes/B.patch", &diff("a", &ten, &both));
    let said = plan(dir, &[], 1);
    let core = said["cores"][0]["because"].as_array().unwrap();
    assert_eq!(core.iter().map(|m| m["text"].as_str().unwrap()).collect::<Vec<_>>(), ["R is wanted", "B is wanted"]);
    assert_eq!(plan(dir, &["--without", "R"], 0)["order"], json!(["A", "B"]));
    assert_eq!(plan(dir, &["--without", "B"], 0)["order"], json!(["A", "R"]));
    // Who lists it first wants nothing of it.
    write(dir, "fixes/series", "R.patch\nA.patch\nB.patch\n");
    assert_eq!(plan(dir, &[], 0)["order"], json!(["A", "B"]));
}

#[test]
fn a_selection_in_a_bag_is_judged_without_what_nobody_wants() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let tw = with(&[(20, "tw")]);
    write(dir, "fixes/K.patch", &diff("a", &with(&[]), &tw));
    write(dir, "fixes/J.patch", &diff("a", &tw, &with(&[(10, "J"), (20, "tw"), (21, "J")])));
    write(dir, "fixes/F.patch", &diff("a", &with(&[]), &with(&[(10, "F")])));
    plan(dir, &[], 1);
    let said = plan(dir, &["--only", "J"], 0);
    assert_eq!((&said["order"], &said["came_along"]), (&json!(["K", "J"]), &json!({"K": ["J", "K"]})), "{said}");
    assert_eq!(said["dropped"], json!({"F": "not selected, and nothing selected needs it"}), "{said}");
    assert_eq!(plan(dir, &["--only", "F"], 0)["order"], json!(["F"]));
    assert_eq!(plan(dir, &["--only", "K"], 0)["order"], json!(["K"]));
    // What is named stays in the way of what is named.
    plan(dir, &["--only", "J", "F"], 1);
    // And what is left out by name helps nobody.
    plan(dir, &["--only", "J", "--without", "K"], 1);
}

#[test]
fn an_order_that_other_fixes_force_is_not_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    // N fits neither before E nor right after it: F and C both have to put back a line that it stands on.
    let e = with(&[(10, "ten"), (14, "fourteen")]);
    write(dir, "fixes/E.patch", &diff("a", &with(&[]), &e));
    write(dir, "fixes/F.patch", &diff("a", &e, &with(&[(14, "fourteen")])));
    write(dir, "fixes/C.patch", &narrow_diff("a", &e, &with(&[(10, "ten")]), 1));
    write(dir, "fixes/N.patch", &diff("a", &with(&[]), &with(&[(12, "N")])));
    let said = plan(dir, &[], 0);
    assert_eq!(said["order"].as_array().unwrap().last(), Some(&json!("N")), "{said}");
    let pairs = said["order_pairs"].as_array().unwrap();
    assert!(!pairs.is_empty() && pairs.iter().all(|p| p["then"] == "N" && p["settled"] == "others"), "{said}");
    // Without one of the two that mend it there is a choice no more: nothing applies.
    fs::remove_file(dir.join("fixes/C.patch")).unwrap();
    plan(dir, &[], 1);
}

#[test]
fn an_explanation_of_two_needs_no_plan_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let ten = with(&[(10, "ten")]);
    write(dir, "fixes/A.patch", &diff("a", &with(&[]), &ten));
    write(dir, "fixes/B.patch", &diff("a", &ten, &with(&[(10, "ten"), (11, "eleven")])));
    write(dir, "fixes/X.patch", &diff("b", &with(&[]), &with(&[(3, "x")])));
    write(dir, "fixes/Y.patch", &diff("b", &with(&[]), &with(&[(3, "y")])));
    plan(dir, &[], 1);
    let said = plan(dir, &["--explain", "A", "B"], 0);
    let track = &said["tracks"][0];
    assert_eq!((&track["relation"], &track["in_part"]), (&json!("needs"), &json!(true)), "{said}");
    assert!(text(dir, &["--explain", "A", "B"], 0).starts_with("all together have no plan; of these two"));
    let error = &plan(dir, &["--explain", "X", "Y"], 1)["error"];
    assert!(error["next"].as_str().unwrap().ends_with("cumulate plan --only X Y"), "{error}");
    assert!(text(dir, &["--only", "X", "Y"], 1).contains("-line 3"));
}

#[test]
fn what_a_refusal_takes_back_is_what_the_metadata_names() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    write(dir, "fixes/S.patch", &diff("a", &with(&[]), &with(&[(10, "s")])));
    write(dir, "fixes/N.patch", &diff("a", &with(&[]), &with(&[(10, "n")])));
    write(dir, "fixes/X.patch", &diff("b", &with(&[]), &with(&[(3, "x")])));
    write(dir, "fixes/N.toml", "supersedes = [\"S\"]\nafter = [\"X\"]\n");
    for (word, repair) in [("after", "take S out of the 'after' of X"), ("requires", "take S out of what X requires")] {
        write(dir, "fixes/X.toml", &format!("{word} = [\"S\"]\n"));
        let said = plan(dir, &[], 1);
        let core = &said["cores"][0];
        let texts = |list: &str| core[list].as_array().unwrap().iter().map(|r| r["text"].clone()).collect::<Vec<_>>();
        assert!(texts("repairs").contains(&json!(repair)), "{said}");
        assert!(texts("because").iter().any(|b| b.as_str().unwrap().ends_with("S, for which N stands")), "{said}");
    }
}

#[test]
fn a_selection_that_meets_a_hold_says_what_mends_it_also_where_the_rest_is_planned_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let n = with(&[(10, "n")]);
    write(dir, "fixes/S.patch", &diff("a", &with(&[]), &with(&[(10, "s")])));
    write(dir, "fixes/N.patch", &diff("a", &with(&[]), &n));
    write(dir, "fixes/N.toml", "supersedes = [\"S\"]\n");
    write(dir, "fixes/X.patch", &diff("a", &n, &with(&[(10, "n"), (11, "x")])));
    write(dir, "fixes/X.toml", "requires = [\"N\"]\n");
    let hold = "hold = [{ id = \"N\", reason = \"crashes\", owner = \"d\", until = 2027-01-31 }]\n";
    for (config, args) in [(String::new(), &["--only", "X", "--without", "N"][..]), (hold.to_owned(), &["--only", "X"])]
    {
        write(dir, "cumulate.toml", &(config + CONFIG));
        let said = plan(dir, args, 1);
        let core = &said["cores"][0];
        let repairs: Vec<&str> =
            core["repairs"].as_array().unwrap().iter().map(|r| r["text"].as_str().unwrap()).collect();
        assert!(
            repairs.contains(&"leave out X") && repairs.iter().any(|r| r.starts_with("do not leave N out")),
            "{said}"
        );
    }
}

#[test]
fn a_whole_file_that_lacks_what_an_earlier_fix_changed_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    write(dir, "fixes/P.patch", &diff("a", &with(&[]), &with(&[(12, "FIXED")])));
    write(dir, "fixes/P.toml", "cves = [\"CVE-2026-0002\"]\n");
    write(dir, "fixes/X/tree/a", &with(&[(30, "X")]));
    write(dir, "fixes/series", "P\nX\n");
    let reverted = |said: &serde_json::Value| told(said, "reverted");
    let all = reverted(&plan(dir, &[], 0));
    assert!(all.len() == 1 && all[0][0] == "P" && all[0][1].contains("'X' puts the whole of 'a' there"), "{all:?}");
    assert!(all[0][1].ends_with("so it does not fix CVE-2026-0002") && all[0][2].contains("built_on"), "{all:?}");
    // One that has it, or that changed the same lines on purpose, takes nothing back; one that says what it was built on
    // is merged.
    for (text, toml) in [
        (with(&[(12, "FIXED"), (30, "X")]), String::new()),
        (with(&[(12, "FIXED BETTER"), (30, "X")]), String::new()),
        (with(&[(30, "X")]), format!("[built_on]\na = \"{}\"\n", cumulate::tree::Digest::of(with(&[]).as_bytes()))),
    ] {
        write(dir, "fixes/X/tree/a", &text);
        write(dir, "fixes/X/fix.toml", &toml);
        assert!(reverted(&plan(dir, &[], 0)).is_empty(), "{toml}");
    }
    // Two whole files likewise.
    fs::remove_file(dir.join("fixes/X/fix.toml")).unwrap();
    write(dir, "fixes/Y/tree/a", &with(&[(5, "Y")]));
    write(dir, "fixes/X/tree/a", &with(&[(12, "FIXED"), (30, "X")]));
    write(dir, "fixes/series", "P\nX\nY\n");
    let all = reverted(&plan(dir, &[], 0));
    assert_eq!(all.iter().map(|t| t[0].as_str()).collect::<Vec<_>>(), ["P", "X"], "{all:?}");
}

#[test]
fn a_whole_file_built_on_what_is_nowhere_is_refused_with_the_digest_that_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let elsewhere = cumulate::tree::Digest::of(b"elsewhere");
    write(dir, "fixes/X/tree/a", &with(&[(30, "X")]));
    write(dir, "fixes/X/fix.toml", &format!("[built_on]\na = \"{elsewhere}\"\n"));
    let all = told(&plan(dir, &[], 1), "does-not-apply");
    assert!(all.len() == 1 && all[0][1].contains(&format!("built on {elsewhere}")), "{all:?}");
}

#[test]
fn a_pull_after_which_the_target_is_the_same_is_no_pull() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let ten = with(&[(10, "ten")]);
    write(dir, "fixes/A.patch", &diff("a", &with(&[]), &ten));
    write(dir, "fixes/TW.patch", &narrow_diff("a", &with(&[]), &ten, 2));
    cumulate(dir, &["keygen", "--out", "k"]).expect(0);
    cumulate(dir, &["build", "-o", "o.cup", "--key", "k.key"]).expect(0);
    let gone = plan(dir, &[], 0)["order"][0].as_str().unwrap().to_owned();
    let args = ["pull", &gone, "o.cup", "--release", ".", "-o", "n.cup", "--key", "k.key", "--format", "json"];
    let said = cumulate(dir, &args).expect(1).json();
    let twin = if gone == "A" { "TW" } else { "A" };
    assert_eq!(said["rebuilt"]["same"], json!(true), "{said}");
    assert!(said["next"][0].as_str().unwrap().ends_with(&format!("brings the same: {twin}")), "{said}");
    assert_eq!(said["superseded"], json!([twin]), "{said}");
}

#[test]
fn patches_without_lines_around_their_changes_are_refused_for_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let base = with(&[]);
    for (name, hunk) in [
        ("deletion", "@@ -6 +5,0 @@\n-line 6\n"),
        ("insertion", "@@ -5,0 +6 @@\n+new\n"),
        ("replacement", "@@ -6 +6 @@\n-line 6\n+new\n"),
    ] {
        write(dir, "fixes/A.patch", &format!("--- a/a\n+++ b/a\n{hunk}"));
        let said = plan(dir, &[], 1);
        let why = told(&said, "does-not-apply");
        assert!(why.len() == 1 && why[0][1].contains("no lines around its change (diff -U0)"), "{name}: {said}");
        assert_eq!(said["classes"].as_array().map_or(0, Vec::len), 0, "{name}: {said}");
    }
    // At the end of the file, where it says so, there is one place.
    write(dir, "fixes/A.patch", "--- a/a\n+++ b/a\n@@ -40,0 +41 @@\n+new\n");
    plan(dir, &[], 0);
    cumulate(dir, &["merge", "--out", "m"]).expect(0);
    assert_eq!(fs::read_to_string(dir.join("m/a")).unwrap(), base.clone() + "new\n");
    // Above only: the lines are there.
    write(dir, "fixes/A.patch", "--- a/a\n+++ b/a\n@@ -5,2 +5,3 @@\n line 5\n line 6\n+new\n");
    let why = told(&plan(dir, &[], 1), "does-not-apply");
    assert!(why[0][1].contains("it has to end the file"), "{why:?}");
}

#[test]
fn an_order_that_changes_nothing_is_not_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    // G needs what Y brings to be gone again, which J sees to; M stands on what stays of Y.
    let y = with(&[(5, "tmp"), (30, "keep")]);
    write(dir, "fixes/Y.patch", &diff("a", &with(&[]), &y));
    write(dir, "fixes/J.patch", &diff("a", &with(&[(5, "tmp")]), &with(&[])));
    write(dir, "fixes/M.patch", &diff("a", &with(&[(30, "keep")]), &with(&[(30, "keep"), (31, "M")])));
    write(dir, "fixes/G.patch", &diff("a", &with(&[]), &with(&[(3, "G")])));
    let said = plan(dir, &[], 0);
    assert_eq!(said["refused"], json!(false), "{said}");
    assert!(said["order_pairs"].as_array().unwrap().iter().all(|p| p["settled"] != "open"), "{said}");
}

#[test]
fn what_stays_in_a_circle_without_the_newer_fix_is_told_as_a_circle() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    write(dir, "fixes/B.patch", &diff("a", &with(&[]), &with(&[(3, "B")])));
    write(dir, "fixes/B.toml", "requires = [\"E\"]\n");
    write(dir, "fixes/E.patch", &diff("a", &with(&[]), &with(&[(20, "E")])));
    write(dir, "fixes/E.toml", "requires = [\"B\"]\n");
    write(dir, "fixes/H.patch", &diff("a", &with(&[]), &with(&[(3, "H")])));
    write(dir, "fixes/H.toml", "supersedes = [\"B\"]\n");
    plan(dir, &[], 0);
    let said = plan(dir, &["--without", "H"], 1);
    assert!(!said.to_string().contains("not there"), "{said}");
    assert_eq!(told(&said, "cycle").len(), 1, "{said}");
}

#[test]
fn a_file_that_nobody_brings_is_the_reason_and_no_circle() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let (x, y) = (with(&[(10, "x")]), with(&[(10, "y")]));
    write(dir, "fixes/P.patch", &diff("gone", &x, &y));
    write(dir, "fixes/Q.patch", &diff("gone", &y, &x));
    let said = plan(dir, &[], 1);
    let why = told(&said, "does-not-apply");
    assert!(why.len() == 2 && why.iter().all(|t| t[1].contains("the file is not there")), "{said}");
    // Where one brings it, they may wait for each other all the same.
    write(
        dir,
        "fixes/N.patch",
        "diff --git a/gone b/gone\nnew file mode 100644\n--- /dev/null\n+++ b/gone\n@@ -0,0 +1 @@\n+n\n",
    );
    assert_eq!(told(&plan(dir, &[], 1), "cycle").len(), 1);
}

#[test]
fn the_same_lines_of_another_function_are_not_taken_for_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let body = |check: &str, call: &str| format!("{{\n    int r;\n{check}    r = {call}();\n    return r;\n}}\n\n");
    let (plain, fixed) = (body("", "use"), body("    check();\n", "use"));
    let text = |one: &str, two: &str| format!("int one(void)\n{one}int two(void)\n{two}int end;\n");
    let hunk = "@@ -9,5 +9,6 @@ int two(void)\n {\n     int r;\n+    check();\n     r = use();\n     return r;\n }\n";
    write(dir, "fixes/F.patch", &format!("diff --git a/s.c b/s.c\n--- a/s.c\n+++ b/s.c\n{hunk}"));
    // The first function has the check; the second is another one than the patch knows.
    write(dir, "base/s.c", &text(&fixed, &body("", "other")));
    let said = plan(dir, &[], 1);
    assert_eq!(told(&said, "does-not-apply").len(), 1, "{said}");
    assert!(told(&said, "contained").is_empty(), "{said}");
    // Where its own place has it, it is there.
    write(dir, "base/s.c", &text(&body("", "other"), &fixed));
    let said = plan(dir, &[], 0);
    assert_eq!(told(&said, "contained").len(), 1, "{said}");
    write(dir, "base/s.c", &text(&plain, &plain));
    assert_eq!(plan(dir, &[], 0)["order"], json!(["F"]));
}

#[test]
fn a_twin_later_in_a_series_is_a_duplicate_also_where_others_were_made_on_top() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    release(dir);
    let (b, a) = (with(&[(10, "b")]), with(&[(10, "b"), (11, "a")]));
    write(dir, "fixes/B.patch", &diff("a", &with(&[]), &b));
    write(dir, "fixes/A.patch", &diff("a", &b, &a));
    fs::copy(dir.join("fixes/B.patch"), dir.join("fixes/C.patch")).unwrap();
    write(dir, "fixes/D.patch", &diff("a", &a, &with(&[(10, "b"), (11, "a"), (12, "d")])));
    write(dir, "fixes/series", "B\nA\nC\nD\n");
    let said = plan(dir, &[], 0);
    assert_eq!((&said["order"], told(&said, "duplicate").len()), (&json!(["B", "A", "D"]), 1), "{said}");
    assert_eq!(said["dropped"]["C"], "the same content as B", "{said}");
    // What stands where is what counts: one that does not apply for another reason is no duplicate.
    write(dir, "fixes/C.patch", &diff("a", &with(&[]), &with(&[(10, "c")])));
    assert_eq!(told(&plan(dir, &[], 1), "does-not-apply").len(), 1);
}
