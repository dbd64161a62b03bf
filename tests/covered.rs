//! Fixes whose changes others of the release bring: whatever a selection leaves out, what it keeps is in the target.

mod common;

use common::{cumulate, diff};
use cumulate::fix::{FixId, Meta, Payload};
use cumulate::merge::merge;
use cumulate::patch::{ParseOptions, parse};
use cumulate::plan::{Candidate, DropCause, Plan, PlanInput, Proof, Refusal, plan};
use cumulate::report::Code;
use cumulate::tree::{Entry, Store, Tree, TreePath};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Places that fixes change, each far from the others.
const SITES: usize = 4;

/// The file with some of its places changed.
fn text(sites: &[usize]) -> String {
    let line = |i: usize| match sites.iter().find(|s| **s * 10 + 5 == i) {
        Some(s) => format!("mended {s}\n"),
        None => format!("line {i}\n"),
    };
    (0..SITES * 10).map(line).collect()
}

struct Given {
    tree: Tree,
    store: Store,
    fixes: Vec<(FixId, Meta, Payload)>,
    series: Option<Vec<FixId>>,
    only: Vec<FixId>,
    without: Vec<FixId>,
    held: BTreeMap<FixId, String>,
    minimal: bool,
}

fn id(name: &str) -> FixId {
    FixId(name.to_owned())
}

fn ids(names: &str) -> Vec<FixId> {
    names.split_whitespace().map(id).collect()
}

impl Given {
    /// Fixes by name, each with the places that it changes, in the order of the series.
    fn new(fixes: &[(&str, &[usize])]) -> Self {
        let mut store = Store::default();
        let digest = store.put(text(&[]).into_bytes());
        let entry = Entry::File { digest, size: text(&[]).len() as u64, exec: false };
        let mut tree = Tree::default();
        tree.entries.insert(TreePath::parse("f").unwrap(), entry);
        let fix = |(name, sites): &(&str, &[usize])| {
            let patch = parse(diff("f", &text(&[]), &text(sites)).as_bytes(), &ParseOptions::default()).unwrap();
            (id(name), Meta::default(), Payload::Patch(patch.into()))
        };
        Self {
            tree,
            store,
            fixes: fixes.iter().map(fix).collect(),
            series: Some(fixes.iter().map(|(name, _)| id(name)).collect()),
            only: Vec::new(),
            without: Vec::new(),
            held: BTreeMap::new(),
            minimal: false,
        }
    }

    fn no_series(mut self) -> Self {
        self.series = None;
        self
    }

    fn only(mut self, names: &str) -> Self {
        self.only = ids(names);
        self
    }

    fn without(mut self, names: &str) -> Self {
        self.without = ids(names);
        self
    }

    fn requires(mut self, name: &str, needs: &str) -> Self {
        self.fixes.iter_mut().filter(|f| f.0 == id(name)).for_each(|f| f.1.requires = ids(needs));
        self
    }

    fn supersedes(mut self, name: &str, old: &str) -> Self {
        self.fixes.iter_mut().filter(|f| f.0 == id(name)).for_each(|f| f.1.supersedes = ids(old));
        self
    }

    fn try_plan(&self) -> Result<Plan, Refusal> {
        let fixes = self.fixes.iter().map(|(id, meta, payload)| Candidate { id, meta, payload }).collect();
        let mut input = PlanInput::new(fixes, &self.tree, &self.store);
        input.series = self.series.as_deref();
        input.only.clone_from(&self.only);
        input.without.clone_from(&self.without);
        input.held.clone_from(&self.held);
        input.minimal = self.minimal;
        plan(&input)
    }

    fn plan(&self) -> Plan {
        self.try_plan().unwrap_or_else(|r| panic!("{:#?}", r.proofs))
    }

    fn target(&self, plan: &Plan) -> String {
        let payload = |id: &FixId| &self.fixes.iter().find(|f| f.0 == *id).unwrap().2;
        let order: Vec<_> = plan.order.iter().map(|id| (id, payload(id))).collect();
        let merged = merge(&order, &self.tree, &self.store, &plan.merged).unwrap().unwrap();
        let digest = merged.tree.get(&TreePath::parse("f").unwrap()).unwrap().digest().unwrap();
        let store = if merged.store.contains(&digest) { &merged.store } else { &self.store };
        String::from_utf8(store.get(&digest).unwrap().to_vec()).unwrap()
    }
}

fn names(list: &[FixId]) -> String {
    list.iter().map(|f| f.0.as_str()).collect::<Vec<_>>().join(" ")
}

fn cause<'a>(plan: &'a Plan, name: &str) -> &'a DropCause {
    &plan.dropped.iter().find(|d| d.fix.0 == name).unwrap_or_else(|| panic!("{name} is dropped")).cause
}

/// A and B, and a roll-up of both.
fn rolled() -> Given {
    Given::new(&[("A", &[0]), ("B", &[1]), ("AB", &[0, 1]), ("C", &[2])])
}

#[test]
fn what_others_bring_is_contained_in_them_and_not_in_the_base() {
    for given in [rolled(), rolled().no_series()] {
        let plan = given.plan();
        assert_eq!(names(&plan.order), "A B C");
        assert_eq!(*cause(&plan, "AB"), DropCause::Covered { by: ids("A B") });
        assert!(plan.findings.iter().all(|f| f.code != Code::Contained), "{:#?}", plan.findings);
        assert!(plan.classes.iter().any(|c| c.fix.0 == "AB" && c.class.as_str() == "contained-in"));
    }
    let mut there = Given::new(&[("A", &[0]), ("C", &[2])]);
    let digest = there.store.put(text(&[0]).into_bytes());
    let entry = Entry::File { digest, size: text(&[0]).len() as u64, exec: false };
    there.tree.entries.insert(TreePath::parse("f").unwrap(), entry);
    assert_eq!(*cause(&there.plan(), "A"), DropCause::Contained);
}

#[test]
fn a_selection_of_the_covered_fix_alone_plans_it() {
    for given in [rolled(), rolled().no_series()] {
        let mut given = given.only("AB");
        for minimal in [false, true] {
            given.minimal = minimal;
            let plan = given.plan();
            assert_eq!(names(&plan.order), "AB");
            assert_eq!(given.target(&plan), text(&[0, 1]));
            assert_eq!(*cause(&plan, "A"), DropCause::NotSelected);
        }
    }
    let first = Given::new(&[("AB", &[0, 1]), ("A", &[0]), ("B", &[1])]).only("A");
    assert_eq!(first.target(&first.plan()), text(&[0]));
    // With all that brings it, nothing else has to.
    assert_eq!(names(&rolled().only("A B AB").plan().order), "A B");
}

#[test]
fn a_covered_fix_takes_the_place_of_what_is_left_out() {
    for given in [rolled(), rolled().no_series()] {
        let mut given = given.without("A");
        let plan = given.plan();
        assert_eq!(given.target(&plan), text(&[0, 1, 2]));
        assert_eq!(*cause(&plan, "A"), DropCause::Without { chain: ids("A") });
        assert_eq!(*cause(&plan, "B"), DropCause::Covered { by: ids("AB") });
        let told = |f: &cumulate::report::Finding| f.subject == "A" && f.message.contains("'AB' brings");
        assert!(plan.findings.iter().any(told), "{:#?}", plan.findings);
        // A hold is no other thing, and leaving all out leaves all out.
        given.without.clear();
        given.held.insert(id("A"), "crashes".into());
        assert_eq!(given.target(&given.plan()), text(&[0, 1, 2]));
        let given = given.without("AB");
        assert_eq!(given.target(&given.plan()), text(&[1, 2]));
    }
    // What requires a fix that is left out has it from the one in its place.
    let given = rolled().requires("C", "A").without("A");
    let plan = given.plan();
    assert_eq!(given.target(&plan), text(&[0, 1, 2]));
    assert!(plan.edges.iter().any(|e| e.fix.0 == "C" && e.needs.0 == "AB"), "{:#?}", plan.edges);
}

#[test]
fn a_twin_stands_in_for_the_one_left_out_whichever_it_is() {
    let twins = || Given::new(&[("A", &[0]), ("A2", &[0])]).no_series();
    for (without, stays) in [("A", "A2"), ("A2", "A")] {
        let given = twins().without(without);
        let plan = given.plan();
        assert_eq!(names(&plan.order), stays);
        assert_eq!(given.target(&plan), text(&[0]));
    }
    assert_eq!(names(&twins().only("A2").without("A").plan().order), "A2");
    assert!(twins().without("A A2").plan().order.is_empty());
}

#[test]
fn the_twin_in_the_plan_has_the_cves_of_the_other_as_the_bundle_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("base")).unwrap();
    fs::create_dir_all(at("fixes")).unwrap();
    fs::write(at("base/f"), text(&[])).unwrap();
    for name in ["A", "A2"] {
        fs::write(at(&format!("fixes/{name}.patch")), diff("f", &text(&[]), &text(&[0]))).unwrap();
    }
    fs::write(at("fixes/A2.toml"), "title = \"The twin\"\ncves = [\"CVE-2026-2222\"]\n").unwrap();
    let config =
        "[component]\nname = \"c\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n";
    fs::write(at("cumulate.toml"), config).unwrap();
    let plan = cumulate(dir.path(), &["plan", "--format", "json"]).expect(0).json();
    cumulate(dir.path(), &["build", "-o", "x.cup"]).expect(0);
    let bundle = cumulate(dir.path(), &["inspect", "x.cup", "--format", "json"]).expect(0).json();
    let cves = serde_json::json!(["CVE-2026-2222"]);
    let track = if plan["fixes"].is_object() { &plan } else { &plan["tracks"][0] };
    assert_eq!((&track["fixes"]["A"]["cves"], &bundle["fixes"][0]["cves"]), (&cves, &cves), "{plan:#}");
    assert_eq!(track["dropped_fixes"]["A2"], serde_json::json!({"title": "The twin", "cves": cves}));
    let said = cumulate(dir.path(), &["plan"]).expect(0).stdout;
    assert!(said.contains("A  [CVE-2026-2222]"), "{said}");
}

#[test]
fn what_requires_a_superseded_fix_stays_where_an_older_one_comes_back() {
    let chain = || {
        let fixes: [(&str, &[usize]); 4] = [("A", &[0]), ("A2", &[0, 1]), ("A3", &[0, 1, 2]), ("D", &[3])];
        Given::new(&fixes).supersedes("A2", "A").supersedes("A3", "A2").requires("D", "A")
    };
    let left_out = chain().without("A3");
    assert_eq!(names(&left_out.plan().order), "A2 D");
    let mut held = chain();
    held.held.insert(id("A3"), "crashes".into());
    assert_eq!(names(&held.plan().order), "A2 D");
    // Who requires the one that is left out goes with it.
    let given = chain().requires("D", "A3").without("A3");
    assert_eq!(*cause(&given.plan(), "D"), DropCause::Without { chain: ids("D A3") });
}

#[test]
fn the_least_change_says_which_superseded_fixes_were_not_tried() {
    let given = Given::new(&[("A", &[0]), ("A2", &[0, 1]), ("X", &[2])]).supersedes("A2", "A").requires("X", "A");
    let mut given = given.only("X");
    given.minimal = true;
    let plan = given.plan();
    assert_eq!(names(&plan.order), "A2 X");
    assert_eq!(plan.least.expect("it says how much").not_tried, ids("A"));
    let mut alone = Given::new(&[("X", &[2])]).only("X");
    alone.minimal = true;
    assert!(alone.plan().least.expect("it says how much").not_tried.is_empty());
}

#[test]
fn a_covered_fix_that_cannot_take_the_place_is_refused_and_not_lost() {
    // B does more than AB has of it: neither applies on top of the other.
    let given = Given::new(&[("A", &[0]), ("B", &[1, 3]), ("AB", &[0, 1])]).without("A");
    let refusal = given.try_plan().expect_err("A's part of AB would be lost");
    let told = |p: &Proof| matches!(p, Proof::BringersLeftOut { fix, by, .. } if fix.0 == "AB" && *by == ids("A B"));
    assert!(refusal.proofs.iter().any(told), "{:#?}", refusal.proofs);
}

#[test]
fn the_bundle_does_not_claim_that_an_unpatched_base_has_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for (base, sites) in [("base1", &[][..]), ("base2", &[0]), ("base3", &[0, 1])] {
        fs::create_dir_all(at(base)).unwrap();
        fs::write(at(base).join("f"), text(sites)).unwrap();
    }
    fs::create_dir_all(at("fixes")).unwrap();
    for (name, sites) in [("A", &[0][..]), ("B", &[1]), ("AB", &[0, 1])] {
        fs::write(at(&format!("fixes/{name}.patch")), diff("f", &text(&[]), &text(sites))).unwrap();
    }
    fs::write(at("fixes/AB.toml"), "cves = [\"CVE-2026-1111\"]\n").unwrap();
    fs::write(at("fixes/series"), "A.patch\nB.patch\nAB.patch\n").unwrap();
    let mut config = "[component]\nname = \"c\"\n[release]\nversion = \"9\"\nfrom = \"1\"\n".to_owned();
    for n in 1..=3 {
        config += &format!("[[base]]\nversion = \"{n}\"\nsource = \"base{n}\"\n");
    }
    fs::write(at("cumulate.toml"), config).unwrap();
    let plan = cumulate(dir.path(), &["plan"]).expect(0).stdout;
    assert!(plan.contains("AB: contained in A, B together") && !plan.contains("the base"), "{plan}");
    for (args, wanted) in [
        (&[][..], [("added", "added"), ("partly", "partly"), ("contained", "contained")]),
        (&["--only", "cve:CVE-2026-1111"], [("added", "added"), ("", ""), ("contained", "contained")]),
    ] {
        cumulate(dir.path(), &[&["build", "-o", "x.cup", "--force"], args].concat()).expect(0);
        let said = cumulate(dir.path(), &["inspect", "x.cup", "--format", "json"]).expect(0).json();
        for (k, (wanted, _)) in wanted.iter().enumerate().filter(|(_, (wanted, _))| !wanted.is_empty()) {
            let fixes = said["bases"][k]["fixes"].as_array().unwrap();
            let state = &fixes.iter().find(|f| f["id"] == "AB").unwrap()["state"];
            assert_eq!(state, wanted, "base {}: {said:#}", k + 1);
        }
    }
}

#[test]
fn what_the_start_has_is_added_to_a_base_that_has_it_not() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    // The fixes start from 2, which has A.
    for (base, sites) in [("base1", &[][..]), ("base2", &[0]), ("base3", &[0, 1])] {
        fs::create_dir_all(at(base)).unwrap();
        fs::write(at(base).join("f"), text(sites)).unwrap();
    }
    fs::create_dir_all(at("fixes")).unwrap();
    for (name, site) in [("A", 0), ("B", 1)] {
        fs::write(at(&format!("fixes/{name}.patch")), diff("f", &text(&[]), &text(&[site]))).unwrap();
    }
    let mut config = "[component]\nname = \"c\"\n[release]\nversion = \"9\"\nfrom = \"2\"\n".to_owned();
    for n in 1..=3 {
        config += &format!("[[base]]\nversion = \"{n}\"\nsource = \"base{n}\"\n");
    }
    fs::write(at("cumulate.toml"), config).unwrap();
    cumulate(dir.path(), &["build", "-o", "x.cup"]).expect(0);
    let said = cumulate(dir.path(), &["inspect", "x.cup", "--format", "json"]).expect(0).json();
    for (k, wanted) in ["added", "contained", "contained"].iter().enumerate() {
        let fixes = said["bases"][k]["fixes"].as_array().unwrap();
        assert_eq!(fixes.iter().find(|f| f["id"] == "A").unwrap()["state"], *wanted, "{said:#}");
    }
}

/// The places of each fix; whether there is a series; who is named, and who left out; whether by holds; `minimal`.
type Selected = (Vec<BTreeSet<usize>>, bool, Vec<usize>, Vec<usize>, bool, bool);

/// Every selection of a few fixes over few places.
fn selections() -> impl Strategy<Value = Selected> {
    let fixes = prop::collection::vec(prop::collection::btree_set(0..SITES, 1..=SITES), 1..6);
    let some = || prop::collection::vec(0..6usize, 0..4);
    (fixes, any::<bool>(), some(), some(), any::<bool>(), any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The target has every change of every fix that the selection wants and does not say to be dropped with what it
    /// leaves out; or there is no plan.
    #[test]
    fn no_selection_loses_a_fix_that_it_wants((fixes, series, only, out, hold, minimal) in selections()) {
        let name = |k: usize| format!("F{}", (k * 3 + 1) % 7);
        let sites: Vec<Vec<usize>> = fixes.iter().map(|f| f.iter().copied().collect()).collect();
        let all: Vec<String> = (0..sites.len()).map(name).collect();
        let list: Vec<(&str, &[usize])> = all.iter().zip(&sites).map(|(n, s)| (n.as_str(), s.as_slice())).collect();
        let mut given = Given::new(&list);
        given.series = given.series.filter(|_| series);
        let some = |ks: &[usize]| -> Vec<FixId> {
            let picked: BTreeSet<usize> = ks.iter().copied().filter(|k| *k < sites.len()).collect();
            picked.into_iter().map(|k| id(&all[k])).collect()
        };
        let (only, out) = (some(&only), some(&out));
        given.only.clone_from(&only);
        given.minimal = minimal;
        if hold {
            given.held = out.iter().map(|f| (f.clone(), "held".to_owned())).collect();
        } else {
            given.without.clone_from(&out);
        }
        if let Ok(plan) = given.try_plan() {
            let target = given.target(&plan);
            for (fix, sites) in list.iter().filter(|(n, _)| only.is_empty() || only.contains(&id(n))) {
                if out.contains(&id(fix)) {
                    continue;
                }
                for site in *sites {
                    prop_assert!(target.contains(&format!("mended {site}\n")), "{} lost: {:#?}", fix, plan);
                }
            }
            for d in plan.dropped.iter().filter(|d| d.cause == DropCause::Contained) {
                prop_assert!(false, "the base has nothing of {}", d.fix);
            }
        }
    }
}
