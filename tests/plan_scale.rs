//! Thousands of fixes over thousands of files: every need is the one that the generator knows of, in linear time.

mod common;
#[path = "common/generated.rs"]
mod generated;

use cumulate::fix::{FixId, Meta, Payload};
use cumulate::patch::{ParseOptions, parse};
use cumulate::plan::{Candidate, PlanInput, Remembered, plan};
use cumulate::tree::{Entry, Store, Tree, TreePath};
use generated::generated;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Plans a release and compares every closure with the generator's; returns a line of figures.
fn exact(fixes: usize, files: usize) -> String {
    let r = generated(fixes, files);
    let meta = Meta::default();
    let candidates = r.fixes.iter().map(|(id, payload)| Candidate { id, meta: &meta, payload }).collect();
    let series: Vec<FixId> = r.fixes.iter().map(|f| f.0.clone()).collect();
    let mut input = PlanInput::new(candidates, &r.tree, &r.store);
    input.series = Some(&series);
    let began = std::time::Instant::now();
    let plan = plan(&input).unwrap_or_else(|p| panic!("{:#?}", p.proofs));
    let took = began.elapsed();
    assert_eq!(plan.order, series);
    let found = plan.requires_all();
    let mut truth: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (n, mine) in r.needs.iter().enumerate() {
        let all: BTreeSet<usize> = mine.iter().flat_map(|m| truth[m].iter().copied().chain([*m])).collect();
        let ids: BTreeSet<FixId> = all.iter().map(|m| series[*m].clone()).collect();
        assert_eq!(found[&series[n]], ids, "{}", series[n]);
        truth.insert(n, all);
    }
    assert!(plan.order_pairs.is_empty(), "{:?}", plan.order_pairs);
    format!("fixes {fixes:6}  files {files:6}  edges {:6}  plan {took:.2?}", plan.edges.len())
}

#[test]
fn five_hundred_fixes_have_exactly_the_needs_that_were_generated() {
    println!("{}", exact(500, 2_000));
}

#[test]
#[ignore = "long: the table up to ten thousand fixes"]
fn ten_thousand_fixes_have_exactly_the_needs_that_were_generated() {
    for fixes in [500, 1_000, 2_000, 5_000, 10_000] {
        println!("{}", exact(fixes, fixes * 4));
    }
}

/// Plans all fixes but one, then all with what is remembered of that; returns a line of figures.
fn one_more(fixes: usize, files: usize) -> String {
    let r = generated(fixes, files);
    let meta = Meta::default();
    let ids: Vec<FixId> = r.fixes.iter().map(|f| f.0.clone()).collect();
    let planned = |n: usize, remembered: Option<&Remembered>| {
        let candidates = r.fixes[..n].iter().map(|(id, payload)| Candidate { id, meta: &meta, payload }).collect();
        let mut input = PlanInput::new(candidates, &r.tree, &r.store);
        input.series = Some(&ids[..n]);
        input.remembered = remembered;
        plan(&input).unwrap_or_else(|p| panic!("{:#?}", p.proofs))
    };
    let before = Remembered::default();
    planned(fixes - 1, Some(&before));
    let bytes = before.bytes().unwrap();
    let began = std::time::Instant::now();
    let plain = planned(fixes, None);
    let full = began.elapsed();
    let began = std::time::Instant::now();
    let with = planned(fixes, Some(&Remembered::read(bytes.clone())));
    let again = began.elapsed();
    assert_eq!(plain, with);
    format!("fixes {fixes:6}  plan {full:.2?}, with one fix more {again:.2?}, remembered {} kB", bytes.len() / 1024)
}

#[test]
fn one_fix_more_is_planned_from_what_is_known_of_the_others() {
    println!("{}", one_more(300, 1_200));
}

#[test]
#[ignore = "long: the table up to ten thousand fixes"]
fn one_fix_more_among_ten_thousand_is_planned_from_what_is_known_of_the_others() {
    for fixes in [500, 1_000, 2_000, 5_000, 10_000] {
        println!("{}", one_more(fixes, fixes * 4));
    }
}

/// Plans a release that lies in a folder by the command line: all of it without a memory, all but one fix, and all of it
/// with what is remembered of that; returns a line of figures.
fn one_more_in_a_folder(fixes: usize, files: usize) -> String {
    let r = generated(fixes, files);
    let dir = tempfile::tempdir().unwrap();
    r.write(dir.path());
    r.choose(dir.path(), fixes - 1);
    // Files that were written a moment ago are read each time.
    std::thread::sleep(std::time::Duration::from_millis(2_200));
    let plan = |more: &[&str]| {
        let began = std::time::Instant::now();
        let run = common::cumulate(dir.path(), &[&["plan"], more].concat()).expect(0);
        (run.stdout, began.elapsed())
    };
    plan(&[]);
    r.choose(dir.path(), fixes);
    let ((plain, full), (with, again)) = (plan(&["--no-cache"]), plan(&[]));
    assert!(plain == with);
    assert_eq!(plain.lines().filter(|l| l.contains("  F")).count(), fixes);
    format!("fixes {fixes:6}  files {files:6}  plan {full:.2?}, with one fix more {again:.2?}")
}

#[test]
fn one_fix_more_in_a_folder_gives_the_plan_without_a_memory() {
    println!("{}", one_more_in_a_folder(300, 1_200));
}

#[test]
#[ignore = "long: five thousand fixes in a folder"]
fn one_fix_more_among_five_thousand_in_a_folder_gives_the_plan_without_a_memory() {
    println!("{}", one_more_in_a_folder(5_000, 20_000));
}

#[test]
#[ignore = "long: 47 MB of patch"]
fn a_patch_of_47_megabytes_and_one_of_1900_files_are_ordinary_input() {
    const ROWS: usize = 700_000;
    let table = |year: &str| -> String { (0..ROWS).map(|k| format!("row {k:07} of the table in {year}\n")).collect() };
    let (old, new) = (table("2023"), table("2024"));
    let mut table = String::with_capacity(2 * old.len() + 4 * ROWS);
    let _ = write!(table, "diff --git a/table b/table\n--- a/table\n+++ b/table\n@@ -1,{ROWS} +1,{ROWS} @@\n");
    for (sign, text) in [('-', &old), ('+', &new)] {
        for line in text.lines() {
            let _ = writeln!(table, "{sign}{line}");
        }
    }
    assert!(table.len() >= 47_000_000, "{}", table.len());
    let row = |k: usize| format!("row {k:07} of the table in 2024");
    let after = format!(
        "diff --git a/table b/table\n--- a/table\n+++ b/table\n@@ -500001,3 +500001,3 @@\n {}\n-{}\n+mended\n {}\n",
        row(500_000),
        row(500_001),
        row(500_002)
    );
    let (mut tree, mut store) = (Tree::default(), Store::default());
    let mut put = |path: &str, text: &str| {
        let digest = store.put(text.as_bytes().to_vec());
        tree.entries
            .insert(TreePath::parse(path).unwrap(), Entry::File { digest, size: text.len() as u64, exec: false });
    };
    put("table", &old);
    let (mut years, mut one) = (String::new(), String::new());
    for f in 0..1_900 {
        let path = format!("src/f{f}.c");
        let text = format!("/* Copyright 2023 */\nint f{f}(void);\n\nint f{f}(void) {{ return {f}; }}\n");
        put(&path, &text);
        let newer = text.replace("2023", "2024");
        years += &common::diff(&path, &text, &newer);
        if f == 1_000 {
            one = common::diff(&path, &newer, &newer.replace("return 1000", "return 1001"));
        }
    }
    let texts = [("TABLE", &table), ("ROW", &after), ("YEARS", &years), ("ONE", &one)];
    let began = std::time::Instant::now();
    let payload = |text: &String| Payload::Patch(parse(text.as_bytes(), &ParseOptions::default()).unwrap().into());
    let fixes: Vec<(FixId, Payload)> =
        texts.iter().map(|(id, text)| (FixId((*id).to_owned()), payload(text))).collect();
    let read = began.elapsed();
    let meta = Meta::default();
    let candidates = fixes.iter().map(|(id, payload)| Candidate { id, meta: &meta, payload }).collect();
    let plan = plan(&PlanInput::new(candidates, &tree, &store)).unwrap_or_else(|p| panic!("{:#?}", p.proofs));
    let edges: Vec<(&str, &str)> = plan.edges.iter().map(|e| (e.fix.0.as_str(), e.needs.0.as_str())).collect();
    assert_eq!(edges, [("ROW", "TABLE"), ("ONE", "YEARS")], "{:?}", plan.order);
    println!(
        "47 MB in one patch, 1,900 files in another: read in {read:.2?}, read and planned in {:.2?}",
        began.elapsed()
    );
}
