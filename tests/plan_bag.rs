//! Order from nothing: the fixes as an unordered bag under random names give one and the same graph and target.

use cumulate::fix::{FixId, FixSet, read_fixes};
use cumulate::merge::merge;
use cumulate::plan::{Candidate, Plan, PlanInput, plan};
use cumulate::tree::{Digest, Source, SourceOptions, read_source};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Numbers that look random and are the same in every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// What must be the same whatever the names: under the names that the fixes had.
#[derive(Debug, PartialEq)]
struct Outcome {
    edges: BTreeSet<(String, String, &'static str)>,
    pairs: BTreeSet<(String, String, &'static str, &'static str)>,
    dropped: BTreeSet<String>,
    hints: BTreeSet<(String, String, String)>,
    target: Digest,
}

/// Plans the fixes in another order of input, each under a random name, without series and dates.
fn shuffled(fixes: &FixSet, start: &Source, seed: u64) -> Outcome {
    let mut numbers = Numbers(seed);
    let mut fixes: Vec<_> = fixes.fixes.clone();
    for i in (1..fixes.len()).rev() {
        let j = usize::try_from(numbers.next() % (i as u64 + 1)).unwrap();
        fixes.swap(i, j);
    }
    let names: BTreeMap<FixId, FixId> =
        fixes.iter().map(|f| (f.id.clone(), FixId(format!("{:016x}", numbers.next())))).collect();
    let plain: BTreeMap<&FixId, &str> = names.iter().map(|(old, new)| (new, old.0.as_str())).collect();
    let was = |id: &FixId| plain[id].to_owned();
    for fix in &mut fixes {
        fix.id = names[&fix.id].clone();
        fix.meta.date.clear();
        let lists = [&mut fix.meta.requires, &mut fix.meta.supersedes, &mut fix.meta.conflicts, &mut fix.meta.after];
        for id in lists.into_iter().flatten() {
            *id = names[id].clone();
        }
    }
    let candidates: Vec<Candidate<'_>> =
        fixes.iter().map(|f| Candidate { id: &f.id, meta: &f.meta, payload: &f.variants[0].payload }).collect();
    let input = PlanInput::new(candidates, &start.tree, &start.store);
    let plan: Plan = plan(&input).unwrap_or_else(|r| panic!("seed {seed}: {:#?}", r.proofs));
    let payload = |id: &FixId| &fixes.iter().find(|f| f.id == *id).unwrap().variants[0].payload;
    let order: Vec<_> = plan.order.iter().map(|id| (id, payload(id))).collect();
    let merged = merge(&order, &start.tree, &start.store, &plan.merged).unwrap().unwrap();
    Outcome {
        edges: plan.edges.iter().map(|e| (was(&e.needs), was(&e.fix), e.kind.as_str())).collect(),
        pairs: plan
            .order_pairs
            .iter()
            .map(|p| (was(&p.first), was(&p.then), p.kind.as_str(), p.settled.as_str()))
            .collect(),
        dropped: plan.dropped.iter().map(|d| was(&d.fix)).collect(),
        hints: plan
            .hints
            .iter()
            .filter(|h| h.proved)
            .map(|h| (was(&h.fix), was(&h.on), h.kind.as_str().to_owned()))
            .collect(),
        target: merged.tree.digest(),
    }
}

fn all_alike(name: &str, fixes: &FixSet, start: &Source, seeds: u64) -> Outcome {
    let first = shuffled(fixes, start, 1);
    for seed in 2..=seeds {
        assert_eq!(shuffled(fixes, start, seed), first, "{name}: seed {seed}");
    }
    println!("{name:24} {seeds} shuffles alike: {} fixes, {} edges", fixes.fixes.len(), first.edges.len());
    first
}

fn with_overlays(mut start: Source, fixes: &mut FixSet) -> Source {
    start.store.absorb(std::mem::take(&mut fixes.store));
    start
}

#[test]
fn shuffles_of_the_demo_give_one_graph_and_target() {
    let demo = Path::new("testdata/demo");
    let mut fixes = read_fixes(&demo.join("fixes")).unwrap();
    let start = read_source(&demo.join("bases/1.0.0"), &SourceOptions::default()).unwrap();
    let start = with_overlays(start, &mut fixes);
    let all = all_alike("demo", &fixes, &start, 20);
    let edge = |a: &str, b: &str, kind| (a.to_owned(), b.to_owned(), kind);
    let edges = [edge("LAN-101", "LAN-102", "hunk"), edge("LAN-102", "LAN-109", "context")];
    assert_eq!(all.edges, edges.into());
    let pair = ("LAN-108".to_owned(), "LAN-109".to_owned(), "conflict", "proved");
    assert_eq!(all.pairs, [pair].into(), "the one order that applies is found, and no word is needed for it");
}

#[test]
#[ignore = "long: needs ../shared/corpus laid out"]
fn a_hundred_shuffles_of_real_series_give_one_graph_and_the_true_target() {
    let corpus =
        std::env::var_os("CUMULATE_CORPUS").map_or_else(|| PathBuf::from("../shared/corpus/data"), PathBuf::from);
    let sets = ["deb-libxml2-2.9.10", "deb-openssl-1.1.1w", "deb-tiff-4.2.0", "deb-unzip-6.0", "git-redis-7.2"];
    for name in sets.into_iter().chain(["git-nginx-1.26"]) {
        let dir = corpus.join(name);
        let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("truth.json")).unwrap()).unwrap();
        let bases = truth["bases"].as_object().unwrap();
        let base = bases.iter().find(|(_, b)| b["contains"].as_array().is_some_and(Vec::is_empty)).unwrap().0;
        let mut fixes = read_fixes(&dir.join("fixes")).unwrap();
        let start = read_source(&dir.join("bases").join(base), &SourceOptions::default()).unwrap();
        let start = with_overlays(start, &mut fixes);
        let all = all_alike(name, &fixes, &start, 100);
        let target = read_source(&dir.join("target"), &SourceOptions::default()).unwrap().tree.digest();
        assert_eq!(all.target, target, "{name}: the target of the maintainers");
    }
}
