//! Plans of every real set against the truth that replaying made, and their targets byte for byte.

use cumulate::fix::{FixId, FixSet, Meta, Payload, read_fixes};
use cumulate::merge::merge;
use cumulate::plan::{Candidate, OrderPair, Plan, PlanInput, Proof, plan};
use cumulate::tree::{Source, SourceOptions, Store, TreePath, read_source};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const DEBIAN: &[&str] = &["deb-libxml2-2.9.10", "deb-openssl-1.1.1w", "deb-tiff-4.2.0", "deb-unzip-6.0"];
const GIT: &[&str] = &["git-redis-7.2", "git-nginx-1.26", "git-curl-7.88"];
const BINARY: &[&str] =
    &["npm-esbuild-linux-0.25", "npm-esbuild-win32-0.27", "pypi-cryptography-42.0-linux", "pypi-cryptography-42.0-win"];

fn corpus() -> PathBuf {
    std::env::var_os("CUMULATE_CORPUS").map_or_else(|| PathBuf::from("../shared/corpus/data"), PathBuf::from)
}

fn source(path: &Path) -> Source {
    read_source(path, &SourceOptions::default()).unwrap()
}

/// One set, its fixes perhaps under other names: `names` maps the truth's ids to ours.
struct Set {
    truth: serde_json::Value,
    start: Source,
    store: Store,
    fixes: FixSet,
    names: BTreeMap<String, FixId>,
}

fn load(name: &str, rename: impl Fn(usize, &str) -> String) -> Set {
    let dir = corpus().join(name);
    let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("truth.json")).unwrap()).unwrap();
    let bases = truth["bases"].as_object().unwrap();
    let base = bases.iter().find(|(_, b)| b["contains"].as_array().is_some_and(Vec::is_empty)).unwrap().0;
    let start = source(&dir.join("bases").join(base));
    let mut fixes = read_fixes(&dir.join("fixes")).unwrap();
    let names: BTreeMap<String, FixId> =
        fixes.fixes.iter().enumerate().map(|(i, f)| (f.id.0.clone(), FixId(rename(i, &f.id.0)))).collect();
    let renamed = |list: &mut Vec<FixId>| list.iter_mut().for_each(|id| *id = names[&id.0].clone());
    for fix in &mut fixes.fixes {
        fix.id = names[&fix.id.0].clone();
        renamed(&mut fix.meta.requires);
    }
    fixes.series.iter_mut().for_each(renamed);
    let mut store = start.store.clone();
    store.absorb(std::mem::take(&mut fixes.store));
    Set { truth, start, store, fixes, names }
}

impl Set {
    fn candidates(&self) -> Vec<Candidate<'_>> {
        self.fixes
            .fixes
            .iter()
            .map(|f| Candidate { id: &f.id, meta: &f.meta, payload: &f.variants[0].payload })
            .collect()
    }

    fn plan(&self) -> Plan {
        let mut input = PlanInput::new(self.candidates(), &self.start.tree, &self.store);
        input.series = self.fixes.series.as_deref();
        plan(&input).unwrap_or_else(|r| panic!("{:#?}", r.proofs))
    }

    fn name(&self, v: &serde_json::Value) -> FixId {
        self.names[v.as_str().unwrap()].clone()
    }
}

/// Compares with the truth; returns a line of figures.
fn compare(name: &str, set: &Set) -> String {
    let began = std::time::Instant::now();
    let plan = set.plan();
    let took = began.elapsed();
    let order: Vec<FixId> = set.truth["order"].as_array().unwrap().iter().map(|v| set.name(v)).collect();
    assert_eq!(plan.order, order, "{name}: order");
    let truth: BTreeSet<(FixId, FixId)> =
        set.truth["edges"].as_array().unwrap().iter().map(|e| (set.name(&e[0]), set.name(&e[1]))).collect();
    let ours: BTreeSet<(FixId, FixId)> = plan.edges.iter().map(|e| (e.needs.clone(), e.fix.clone())).collect();
    let missing: Vec<_> = truth.difference(&ours).collect();
    let extra: Vec<_> = ours.difference(&truth).collect();
    assert!(missing.is_empty(), "{name}: edges missing {missing:?}");
    assert!(extra.len() * 100 <= ours.len(), "{name}: edges that are not true {extra:?}");
    let closures = plan.requires_all();
    let mut wrong = Vec::new();
    for (id, fix) in set.truth["fixes"].as_object().unwrap() {
        if fix["minimal_set_unique"].as_bool() == Some(true) {
            let all: BTreeSet<FixId> = fix["requires_all"].as_array().unwrap().iter().map(|v| set.name(v)).collect();
            if closures[&set.names[id]] != all {
                wrong.push(id.clone());
            }
        }
    }
    assert!(wrong.is_empty(), "{name}: requires_all differs for {wrong:?}");
    let pairs: BTreeSet<(FixId, FixId, String)> = set.truth["order_sensitive_pairs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (set.name(&p[0]), set.name(&p[1]), p[2].as_str().unwrap().to_owned()))
        .collect();
    let found: BTreeSet<(FixId, FixId, String)> =
        plan.order_pairs.iter().map(|p| (p.first.clone(), p.then.clone(), p.kind.as_str().to_owned())).collect();
    assert_eq!(found, pairs, "{name}: order pairs");
    let merged = merge(&in_order(set, &plan), &set.start.tree, &set.store, &plan.merged).unwrap().unwrap();
    let target = source(&corpus().join(name).join("target")).tree;
    assert_eq!(merged.tree.digest(), target.digest(), "{name}: target");
    format!(
        "{name:30} fixes {:4} edges {:4}/{:4} extra {} pairs {:3} plan {took:.2?}",
        plan.order.len(),
        truth.len() - missing.len(),
        truth.len(),
        extra.len(),
        found.len()
    )
}

fn compare_all(sets: &[&str]) {
    for name in sets {
        println!("{}", compare(name, &load(name, |_, id| id.to_owned())));
        // The same under names that say nothing and sort otherwise.
        let line = compare(name, &load(name, |i, _| format!("{:08x}", (i as u32).wrapping_mul(0x9E37_79B1))));
        println!("{line} (renamed)");
    }
}

#[test]
#[ignore = "corpus: needs ../shared/corpus laid out"]
fn debian_series_plan_to_the_truth() {
    compare_all(DEBIAN);
}

#[test]
#[ignore = "long: needs the git sets of ../shared/corpus"]
fn git_branches_plan_to_the_truth() {
    compare_all(GIT);
}

#[test]
#[ignore = "long: needs the binary sets of ../shared/corpus"]
fn overlays_follow_what_they_require() {
    compare_all(BINARY);
}

/// Without the series, and under names that sort otherwise each time: the same edges and the true target,
/// or a refusal that lists open pairs, and only pairs.
fn from_a_bag(name: &str) -> String {
    let mut seen = Vec::new();
    for seed in [0x9E37_79B1_u32, 0x85EB_CA6B, 0xC2B2_AE35] {
        let mut set = load(name, |i, _| format!("{:08x}", (i as u32 + 1).wrapping_mul(seed)));
        set.fixes.series = None;
        let original: BTreeMap<&FixId, &str> = set.names.iter().map(|(k, v)| (v, k.as_str())).collect();
        let plain = |id: &FixId| original[id].to_owned();
        let input = PlanInput::new(set.candidates(), &set.start.tree, &set.store);
        seen.push(match plan(&input) {
            Ok(plan) => {
                let merged = merge(&in_order(&set, &plan), &set.start.tree, &set.store, &plan.merged).unwrap().unwrap();
                let target = source(&corpus().join(name).join("target")).tree;
                assert_eq!(merged.tree.digest(), target.digest(), "{name}: target");
                let edges = plan.edges.iter().map(|e| (plain(&e.needs), plain(&e.fix))).collect::<BTreeSet<_>>();
                (true, edges)
            }
            Err(refusal) => {
                let [Proof::OrderOpen { pairs, .. }] = &refusal.proofs[..] else {
                    panic!("{name}: {:#?}", refusal.proofs)
                };
                let unordered = |a: String, b: String| if a < b { (a, b) } else { (b, a) };
                let open = pairs.iter().map(|p| unordered(plain(&p.first), plain(&p.then))).collect();
                settle_as_history_did(name, &set, pairs);
                (false, open)
            }
        });
    }
    let (planned, first) = &seen[0];
    let same = seen.iter().filter(|s| *s == &seen[0]).count();
    let set = load(name, |_, id| id.to_owned());
    let truth = |key: &str, a: usize, b: usize| -> BTreeSet<(String, String)> {
        let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
        set.truth[key].as_array().unwrap().iter().map(|e| (text(&e[a]), text(&e[b]))).collect()
    };
    if *planned {
        assert_eq!((same, first), (seen.len(), &truth("edges", 0, 1)), "{name}: edges from a bag");
        return format!("{name:30} planned, edges {} as the truth, {same}/{} alike", first.len(), seen.len());
    }
    let pairs: BTreeSet<_> =
        truth("order_sensitive_pairs", 0, 1).into_iter().map(|(a, b)| if a < b { (a, b) } else { (b, a) }).collect();
    format!(
        "{name:30} refused, open pairs {} of which true {}, of true {}; {same}/{} alike",
        first.len(),
        first.intersection(&pairs).count(),
        pairs.len(),
        seen.len()
    )
}

/// What the refusal advises, one `after` for each open pair, must lead to the true target: then every pair that
/// was settled without being asked about was no real choice.
fn settle_as_history_did(name: &str, set: &Set, open: &[OrderPair]) {
    let history: Vec<FixId> = set.truth["order"].as_array().unwrap().iter().map(|v| set.name(v)).collect();
    let place = |id: &FixId| history.iter().position(|h| h == id).unwrap();
    let mut metas: BTreeMap<&FixId, Meta> = set.fixes.fixes.iter().map(|f| (&f.id, f.meta.clone())).collect();
    for p in open {
        let (first, then) = if place(&p.first) < place(&p.then) { (&p.first, &p.then) } else { (&p.then, &p.first) };
        metas.get_mut(then).unwrap().after.push(first.clone());
    }
    let fixes = set.candidates().into_iter().map(|c| Candidate { meta: &metas[c.id], ..c }).collect();
    let plan =
        plan(&PlanInput::new(fixes, &set.start.tree, &set.store)).unwrap_or_else(|r| panic!("{name}: {:#?}", r.proofs));
    let merged = merge(&in_order(set, &plan), &set.start.tree, &set.store, &plan.merged).unwrap().unwrap();
    let target = source(&corpus().join(name).join("target")).tree;
    let truth: BTreeSet<(FixId, FixId)> =
        set.truth["edges"].as_array().unwrap().iter().map(|e| (set.name(&e[0]), set.name(&e[1]))).collect();
    let ours: BTreeSet<(FixId, FixId)> = plan.edges.iter().map(|e| (e.needs.clone(), e.fix.clone())).collect();
    let differ: Vec<&TreePath> = merged
        .tree
        .entries
        .keys()
        .chain(target.entries.keys())
        .filter(|p| merged.tree.get(p) != target.get(p))
        .collect();
    println!(
        "{name}: settled by {} after: paths that differ from the target {:?}; edges missing {}, extra {}",
        open.len(),
        differ,
        truth.difference(&ours).count(),
        ours.difference(&truth).count()
    );
    assert!(differ.is_empty(), "{name}: target");
}

fn in_order<'a>(set: &'a Set, plan: &'a Plan) -> Vec<(&'a FixId, &'a Payload)> {
    let payloads: BTreeMap<&FixId, &Payload> = set.candidates().iter().map(|c| (c.id, c.payload)).collect();
    plan.order.iter().map(|id| (id, payloads[id])).collect()
}

#[test]
#[ignore = "corpus: needs ../shared/corpus laid out"]
fn debian_fixes_find_their_order_without_a_series() {
    DEBIAN.iter().for_each(|name| println!("{}", from_a_bag(name)));
}

#[test]
#[ignore = "long: needs the git sets of ../shared/corpus"]
fn git_fixes_find_their_order_without_a_series() {
    GIT.iter().for_each(|name| println!("{}", from_a_bag(name)));
}
