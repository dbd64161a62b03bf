//! `--minimal`: the fewest changed lines that bring what is wanted, as trying every set gives.

mod common;

use common::{Numbers, cumulate, diff};
use cumulate::fix::{FixId, Meta, Payload};
use cumulate::patch::{Body, FileState, LineKind, Mode, ParseOptions, apply_all, parse};
use cumulate::plan::{Candidate, DropCause, PlanInput, plan};
use cumulate::tree::{Entry, Store, Tree, TreePath};
use std::fs;

/// A series in which every fix is made on top of all before it, in one file of few words, so that a line has many makers.
struct Case {
    base: String,
    fixes: Vec<(FixId, Meta, Payload)>,
    wanted: Vec<usize>,
    without: Vec<usize>,
}

fn case(seed: u64) -> Case {
    let mut n = Numbers(seed);
    let words = ["a", "b", "c", "d"];
    let base: String = (0..8).map(|_| format!("{}\n", words[n.below(3)])).collect();
    let (mut now, mut fixes): (String, Vec<(FixId, Meta, Payload)>) = (base.clone(), Vec::new());
    let count = 3 + n.below(6);
    while fixes.len() < count {
        let mut lines: Vec<String> = now.lines().map(str::to_owned).collect();
        let at = n.below(lines.len());
        let word = words[n.below(words.len())].to_owned();
        match n.below(4) {
            0 if lines.len() > 4 => drop(lines.remove(at)),
            1 => lines[at] = word,
            _ => (0..=n.below(3)).for_each(|_| lines.insert(at, word.clone())),
        }
        let next: String = lines.iter().map(|l| format!("{l}\n")).collect();
        if next == now {
            continue;
        }
        let id = FixId(format!("F{}", fixes.len()));
        let mut meta = Meta::default();
        if !fixes.is_empty() && n.below(8) == 0 {
            meta.requires.push(fixes[n.below(fixes.len())].0.clone());
        }
        let files = parse(diff("f", &now, &next).as_bytes(), &ParseOptions::default()).unwrap();
        fixes.push((id, meta, Payload::Patch(files.into())));
        now = next;
    }
    let wanted = (0..=n.below(2)).map(|_| n.below(count)).collect();
    let without = if n.below(4) == 0 { vec![n.below(count)] } else { Vec::new() };
    Case { base, fixes, wanted, without }
}

fn lines(payload: &Payload) -> u64 {
    let Payload::Patch(files) = payload else { panic!() };
    let hunks = files.iter().flat_map(|f| if let Body::Text(hunks) = &f.body { hunks.as_slice() } else { &[] });
    hunks.flat_map(|h| &h.lines).filter(|l| l.kind != LineKind::Context).count() as u64
}

impl Case {
    /// The text after these fixes in their order, where every one applies and has what it requires.
    fn after(&self, set: u32) -> Option<String> {
        let mut now = self.base.clone();
        for (k, (_, meta, payload)) in self.fixes.iter().enumerate().filter(|(k, _)| set >> k & 1 == 1) {
            let there = |r: &FixId| self.fixes[..k].iter().enumerate().any(|(i, f)| f.0 == *r && set >> i & 1 == 1);
            let Payload::Patch(files) = payload else { panic!() };
            let read = |_: &TreePath| Some(FileState { mode: Mode::File, content: now.as_bytes().into() });
            let applied = meta.requires.iter().all(there).then(|| apply_all(files, read).ok()).flatten()?;
            now = String::from_utf8(applied.changes.into_values().next()??.content.to_vec()).unwrap();
        }
        Some(now)
    }

    fn weight(&self, set: u32) -> u64 {
        self.fixes.iter().enumerate().filter(|(k, _)| set >> k & 1 == 1).map(|(_, f)| lines(&f.2)).sum()
    }

    fn least(&self) -> Option<u64> {
        let mask = |list: &[usize]| list.iter().fold(0u32, |m, k| m | 1 << k);
        let (wanted, without) = (mask(&self.wanted), mask(&self.without));
        let sets = (0..1u32 << self.fixes.len()).filter(|s| s & wanted == wanted && s & without == 0);
        sets.filter(|s| self.after(*s).is_some()).map(|s| self.weight(s)).min()
    }
}

#[test]
fn the_least_change_of_generated_series_is_what_trying_every_set_gives() {
    let (mut planned, mut refused, mut gained, mut pulled) = (0, 0, 0, 0);
    for seed in 0..4_000 {
        let case = case(seed);
        let (mut tree, mut store) = (Tree::default(), Store::default());
        let digest = store.put(case.base.as_bytes().to_vec());
        let file = Entry::File { digest, size: case.base.len() as u64, exec: false };
        tree.entries.insert(TreePath::parse("f").unwrap(), file);
        let series: Vec<FixId> = case.fixes.iter().map(|f| f.0.clone()).collect();
        let fixes = case.fixes.iter().map(|(id, meta, payload)| Candidate { id, meta, payload }).collect();
        let mut input = PlanInput::new(fixes, &tree, &store);
        input.series = Some(&series);
        input.only = case.wanted.iter().map(|k| series[*k].clone()).collect();
        input.without = case.without.iter().map(|k| series[*k].clone()).collect();
        let plain = plan(&input).ok();
        input.minimal = true;
        let truth = case.least();
        let found = match plan(&input) {
            Ok(found) => found,
            Err(refusal) => {
                assert_eq!(truth, None, "seed {seed}: there is a set: {:?}", refusal.proofs);
                refused += 1;
                continue;
            }
        };
        let kept = found.order.iter().fold(0u32, |m, id| m | 1 << series.iter().position(|s| s == id).unwrap());
        let there = |cause: &DropCause| {
            matches!(cause, DropCause::Contained | DropCause::Covered { .. } | DropCause::Duplicate { .. })
        };
        // What is left out may leave a text that has a wanted fix already: the oracle wants it to apply.
        if found.dropped.iter().any(|d| there(&d.cause) && input.only.contains(&d.fix)) {
            continue;
        }
        // A fix may take the place of one that is left out and brings what it does, also for those that require that
        // one: the oracle knows nothing of it.
        let meta = |id: &FixId| &case.fixes.iter().find(|f| f.0 == *id).unwrap().1;
        let stood_in = found.order.iter().any(|id| meta(id).requires.iter().any(|r| !found.order.contains(r)));
        if stood_in || !found.order.is_sorted_by_key(|id| series.iter().position(|s| s == id)) {
            continue;
        }
        let least = found.least.expect("it says how much it changes");
        assert!(least.proved, "seed {seed}");
        assert_eq!((Some(least.lines), case.weight(kept)), (truth, least.lines), "seed {seed}");
        assert!(case.after(kept).is_some(), "seed {seed}: it applies");
        assert_eq!(found.order.len() + found.dropped.len(), series.len(), "seed {seed}: every fix is told of");
        for along in &found.came_along {
            assert!(!input.only.contains(&along.fix) && along.chain.last() == Some(&along.fix), "seed {seed}");
        }
        pulled += found.came_along.len();
        assert_eq!(found.order.iter().filter(|id| !input.only.contains(id)).count(), found.came_along.len());
        planned += 1;
        let plain_lines = plain.map(|p| {
            p.order.iter().map(|id| lines(&case.fixes[series.iter().position(|s| s == id).unwrap()].2)).sum::<u64>()
        });
        gained += usize::from(plain_lines.is_none_or(|p| p > least.lines));
        assert!(plain_lines.is_none_or(|p| p >= least.lines), "seed {seed}");
    }
    println!("{planned} planned, {refused} refused, {gained} smaller than the plain selection, {pulled} pulled in");
    assert!(planned > 500 && refused > 20 && gained > 20, "{planned} {refused} {gained}");
}

#[test]
fn a_cve_is_shipped_with_the_smaller_of_two_fixes_that_it_can_stand_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for folder in ["base", "fixes"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    let base = "a\nb\nc\nd\n";
    let with = "a\nb\nguard\nc\nd\n";
    let (doc, long) = ("one\n", "one\ntwo\nthree\nfour\nfive\nsix\n");
    fs::write(dir.join("base/f"), base).unwrap();
    fs::write(dir.join("base/doc"), doc).unwrap();
    let fixes = [
        ("FIRST", diff("f", base, with)),
        ("BACK", diff("f", with, base)),
        ("AGAIN", diff("f", base, with) + &diff("doc", doc, long)),
        ("WANTED", diff("f", with, &with.replace("c\n", "safe\n"))),
    ];
    for (id, text) in &fixes {
        fs::write(dir.join(format!("fixes/{id}.patch")), text).unwrap();
    }
    fs::write(dir.join("fixes/WANTED.toml"), "cves = [\"CVE-2026-0001\"]").unwrap();
    fs::write(dir.join("fixes/series"), "FIRST.patch\nBACK.patch\nAGAIN.patch\nWANTED.patch\n").unwrap();
    let config =
        "[component]\nname = \"c\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n";
    fs::write(dir.join("cumulate.toml"), config).unwrap();
    let plain = cumulate(dir, &["plan", "--only", "cve:CVE-2026-0001", "--format", "json"]).expect(0).json();
    assert_eq!(plain["order"], serde_json::json!(["AGAIN", "WANTED"]));
    let least =
        cumulate(dir, &["plan", "--only", "cve:CVE-2026-0001", "--minimal", "--format", "json"]).expect(0).json();
    assert_eq!(least["order"], serde_json::json!(["FIRST", "WANTED"]));
    assert_eq!(least["least"], serde_json::json!({"lines": 3, "proved": true}));
    assert_eq!(least["came_along"], serde_json::json!({"FIRST": ["WANTED", "FIRST"]}));
    assert_eq!(least["dropped"]["AGAIN"], "not selected, and nothing selected needs it");
    let text = cumulate(dir, &["plan", "--only", "WANTED", "--minimal"]).expect(0).stdout;
    assert!(text.contains("the least change: 3 lines; nothing smaller applies"), "{text}");
    // A bundle says that it was chosen so, and is built again from that.
    cumulate(dir, &["build", "--only", "WANTED", "--minimal", "-o", "least.cup"]).expect(0);
    assert!(cumulate(dir, &["inspect", "least.cup"]).expect(0).stdout.contains("FIRST"));
    assert_eq!(cumulate(dir, &["plan", "--minimal"]).code, 2, "without --only there is nothing to choose");
}
