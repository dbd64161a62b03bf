//! Where there is no plan: every core is a contradiction, is none with any one statement less, and every repair mends it.
//! The oracle tries every order of every set of fixes on the texts themselves.

mod common;

use common::{Numbers, cumulate, diff};
use cumulate::fix::{FixId, Meta, Payload};
use cumulate::patch::{FilePatch, FileState, Mode, ParseOptions, apply_all, parse};
use cumulate::plan::{Candidate, Core, Member, Plan, PlanInput, Proof, Refusal, Repair, plan};
use cumulate::tree::{Entry, Store, Tree, TreePath};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;

const FILES: [&str; 2] = ["f", "g"];
type Texts = [String; 2];

/// Every third case is of lines that are all alike, so that a hunk has more than one place.
fn base(seed: u64) -> Texts {
    match seed % 3 {
        0 => FILES.map(|_| "x\n".repeat(20)),
        _ => FILES.map(|f| (1..=9).map(|i| format!("{f}{i}\n")).collect()),
    }
}

#[derive(Clone)]
struct Case {
    base: Texts,
    fixes: Vec<(FixId, Meta, Payload)>,
    series: Option<Vec<FixId>>,
    without: Vec<FixId>,
}

/// Up to eight fixes, each made on the base or on top of a few others, with a little said about some of them.
fn case(seed: u64) -> Case {
    let mut n = Numbers(seed);
    let count = 2 + n.below(7);
    let id = |k: usize| FixId(format!("F{}", k + 1));
    let mut after: Vec<Texts> = vec![base(seed)];
    let mut fixes = Vec::new();
    for k in 0..count {
        let old = after[n.below(after.len())].clone();
        let mut new = old.clone();
        let mut text = String::new();
        for file in 0..1 + usize::from(n.below(6) == 0) {
            let file = (file + n.below(4) / 3) % 2;
            let mut lines: Vec<String> = old[file].lines().map(str::to_owned).collect();
            let at = n.below(lines.len());
            match n.below(4) {
                0 => lines.insert(at, format!("new{k}")),
                1 => drop(lines.remove(at)),
                _ => lines[at] = format!("fix{k}"),
            }
            new[file] = lines.iter().map(|l| format!("{l}\n")).collect();
            text += &diff(FILES[file], &old[file], &new[file]);
        }
        after.push(new);
        let mut meta = Meta::default();
        let other = |n: &mut Numbers| id(n.below(count));
        match n.below(16) {
            0 | 1 => meta.requires.push(other(&mut n)),
            2 => meta.requires.push(FixId("GONE".into())),
            3 | 4 => meta.after.push(other(&mut n)),
            5 => meta.conflicts.push(other(&mut n)),
            _ => {}
        }
        for list in [&mut meta.requires, &mut meta.after, &mut meta.conflicts] {
            list.retain(|o| *o != id(k));
        }
        fixes.push((id(k), meta, Payload::Patch(parse(text.as_bytes(), &ParseOptions::default()).unwrap().into())));
    }
    let mut series: Vec<FixId> = (0..count).map(id).collect();
    if n.below(2) == 0 {
        let (a, b) = (n.below(count), n.below(count));
        series.swap(a, b);
    }
    let series = (n.below(3) == 0).then_some(series);
    let without = if n.below(5) == 0 { vec![id(n.below(count))] } else { Vec::new() };
    Case { base: base(seed), fixes, series, without }
}

/// Statements by number of the fix.
#[derive(Default, Clone)]
struct Said {
    wanted: BTreeSet<usize>,
    requires: Vec<(usize, usize)>,
    lacking: BTreeSet<usize>,
    after: Vec<(usize, usize)>,
    excludes: Vec<(usize, usize)>,
    left_out: BTreeSet<usize>,
    open: Vec<(usize, usize)>,
}

impl Case {
    fn number(&self, id: &FixId) -> usize {
        self.fixes.iter().position(|f| f.0 == *id).unwrap_or_else(|| panic!("{id}"))
    }

    fn said(&self, members: &[Member]) -> Said {
        let mut s = Said::default();
        for m in members {
            match m {
                Member::Wanted { fix } => drop(s.wanted.insert(self.number(fix))),
                Member::Requires { fix, there: false, .. } => drop(s.lacking.insert(self.number(fix))),
                Member::Requires { fix, needs, .. } => s.requires.push((self.number(fix), self.number(needs))),
                Member::After { fix, first, .. } => s.after.push((self.number(fix), self.number(first))),
                Member::Series { first, then } => s.after.push((self.number(then), self.number(first))),
                Member::Excludes { fix, other } => s.excludes.push((self.number(fix), self.number(other))),
                Member::LeftOut { fix } => drop(s.left_out.insert(self.number(fix))),
                Member::Open { first, then, .. } => s.open.push((self.number(first), self.number(then))),
                other => panic!("{other:?}"),
            }
        }
        s
    }

    /// The texts after a fix, and whether it did something.
    fn step(&self, k: usize, now: &Texts) -> Option<(Texts, bool)> {
        let Payload::Patch(files) = &self.fixes[k].2 else { panic!() };
        let apply = |files: &[FilePatch]| {
            let read = |p: &TreePath| {
                let at = FILES.iter().position(|f| *f == p.as_str())?;
                Some(FileState { mode: Mode::File, content: now[at].as_bytes().into() })
            };
            apply_all(files, read).ok()
        };
        let Some(applied) = apply(files) else {
            // What it does is done already where it goes back.
            let mut back = files.to_vec();
            back.reverse();
            back.iter_mut().for_each(|f| f.reverse().unwrap());
            return apply(&back).map(|_| (now.clone(), false));
        };
        let mut next = now.clone();
        for (path, state) in applied.changes {
            let at = FILES.iter().position(|f| *f == path.as_str()).unwrap();
            next[at] = String::from_utf8(state.unwrap().content.to_vec()).unwrap();
        }
        Some((next, true))
    }

    /// Whether any set of fixes with all that are wanted, in any order, keeps to everything that is said.
    fn possible(&self, said: &Said) -> bool {
        let both = |(a, b): &(usize, usize)| said.wanted.contains(a) && said.wanted.contains(b);
        if said.open.iter().any(both) {
            return false;
        }
        let mut seen = HashSet::new();
        let in_base = |k: usize| self.step(k, &self.base).is_some_and(|(_, did)| !did);
        let mut todo = vec![(BTreeSet::new(), BTreeSet::new(), self.base.clone())];
        while let Some((placed, passed, now)) = todo.pop() {
            if said.wanted.is_subset(&placed) {
                return true;
            }
            if !seen.insert((placed.clone(), passed.clone(), now.clone())) {
                continue;
            }
            let barred = |k: usize, placed: &BTreeSet<usize>| {
                let there = |f: &usize| placed.contains(f);
                said.lacking.contains(&k)
                    || said.left_out.contains(&k)
                    || said.requires.iter().any(|(a, b)| *a == k && !there(b))
                    || said.requires.iter().chain(&said.after).any(|(a, b)| *b == k && there(a))
                    || said.excludes.iter().any(|(a, b)| *a == k && there(b) || *b == k && there(a))
            };
            for k in (0..self.fixes.len()).filter(|k| !placed.contains(k) && !barred(*k, &placed)) {
                let Some((next, did)) = self.step(k, &now) else { continue };
                let (mut with, mut passed) = (placed.clone(), passed.clone());
                with.insert(k);
                if !did && in_base(k) {
                    passed.insert(k);
                }
                // What the base has is passed over; where it would do something later, that would be lost.
                let lost = |p: &usize| !barred(*p, &with) && self.step(*p, &next).is_some_and(|(_, did)| did);
                if !did || !passed.iter().any(lost) {
                    todo.push((with, passed, next));
                }
            }
        }
        false
    }

    /// What is left out by name, and what says that it requires that.
    fn gone(&self) -> BTreeSet<usize> {
        let mut gone: BTreeSet<usize> = self.without.iter().map(|f| self.number(f)).collect();
        for _ in &self.fixes {
            let needs =
                |k: &usize| self.fixes[*k].1.requires.iter().any(|r| gone.iter().any(|g| self.fixes[*g].0 == *r));
            let more: Vec<usize> = (0..self.fixes.len()).filter(needs).collect();
            gone.extend(more);
        }
        gone
    }

    /// Everything that the case says.
    fn everything(&self) -> Said {
        let mut s = Said { wanted: (0..self.fixes.len()).collect(), ..Said::default() };
        let there = |id: &FixId| self.fixes.iter().position(|f| f.0 == *id);
        for (k, (_, meta, _)) in self.fixes.iter().enumerate() {
            for r in &meta.requires {
                match there(r) {
                    Some(n) => s.requires.push((k, n)),
                    None => drop(s.lacking.insert(k)),
                }
            }
            s.after.extend(meta.after.iter().filter_map(there).map(|n| (k, n)));
            s.excludes.extend(meta.conflicts.iter().filter_map(there).map(|n| (k, n)));
        }
        let series: Vec<usize> = self.series.iter().flatten().map(|f| self.number(f)).collect();
        for (i, then) in series.iter().enumerate() {
            s.after.extend(series[..i].iter().map(|first| (*then, *first)));
        }
        s
    }

    /// The members without what a repair takes away.
    fn mended(&self, core: &Core, repair: &Repair) -> Vec<Member> {
        let stays = |m: &Member| match (repair, m) {
            (Repair::LeaveOut { fixes, .. }, Member::Wanted { fix }) => !fixes.contains(fix),
            (Repair::Add { fix }, Member::Requires { needs, there: false, .. }) => needs != fix,
            (Repair::Select { fix }, Member::LeftOut { fix: out }) => out != fix,
            (Repair::Order { first, then }, Member::Series { first: f, then: t }) => (f, t) != (then, first),
            (Repair::Order { first, then }, Member::Open { first: f, then: t, .. }) => {
                (f, t) != (then, first) && (f, t) != (first, then)
            }
            (Repair::Unsay { member }, m) => m != member,
            _ => true,
        };
        core.members.iter().filter(|m| stays(m)).cloned().collect()
    }
}

#[test]
fn cores_of_a_thousand_generated_cases_are_contradictions_minimal_and_mended_by_every_repair() {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut refused, mut cores, mut repairs, mut bare) = (0, 0, 0, Vec::new());
    for seed in 0..1_000 {
        let case = case(seed);
        let refusal = match case.plan() {
            Ok(plan) => {
                // What is left out is judged with nothing.
                let mut all = case.everything();
                if !case.without.is_empty() {
                    all.wanted = plan.order.iter().map(|f| case.number(f)).collect();
                    all.left_out = (0..case.fixes.len()).filter(|k| !all.wanted.contains(k)).collect();
                }
                assert!(case.possible(&all), "seed {seed}: a plan that the oracle does not find");
                continue;
            }
            Err(refusal) => refusal,
        };
        refused += 1;
        let all = case.everything();
        let open = |p: &Proof| matches!(p, Proof::OrderOpen { .. });
        let selected = !case.without.is_empty() && case.possible(&all);
        if !refusal.proofs.iter().any(open) && !selected {
            assert!(!case.possible(&all), "seed {seed}: refused, and yet there is a plan: {:#?}", refusal.proofs);
        }
        if refusal.cores.is_empty() {
            bare.push(seed);
        }
        for core in &refusal.cores {
            cores += 1;
            let what = || format!("seed {seed}: {core:#?}");
            assert!(core.minimal, "{}", what());
            // Where no statement is about what the selection leaves out, it is no more there than what nobody wrote.
            let gone = match core.members.iter().any(|m| matches!(m, Member::LeftOut { .. })) {
                true => BTreeSet::new(),
                false => case.gone(),
            };
            let possible = |members: &[Member]| {
                let mut said = case.said(members);
                said.left_out.extend(&gone);
                case.possible(&said)
            };
            assert!(!possible(&core.members), "no contradiction: {}", what());
            for k in 0..core.members.len() {
                let mut rest = core.members.clone();
                rest.remove(k);
                assert!(possible(&rest), "member {k} is one too many: {}", what());
            }
            assert!(!core.repairs.is_empty(), "{}", what());
            for r in &core.repairs {
                repairs += 1;
                assert!(possible(&case.mended(core, r)), "{r:?} does not mend {}", what());
            }
            let kind = match &refusal.proofs[core.proof] {
                Proof::Cycle { .. } => "cycle",
                Proof::LinesCycle { .. } => "lines in a circle",
                Proof::Missing { .. } => "missing",
                Proof::SeriesContradicts { .. } => "series",
                Proof::Excluded { .. } => "excluded",
                Proof::DoesNotApply { .. } => "does not apply",
                Proof::OrderOpen { .. } => "open",
                Proof::SelectionContradicts { .. } => "selection",
                other => panic!("{other:?}"),
            };
            *kinds.entry(kind).or_default() += 1;
        }
    }
    println!("{refused} refused, {cores} cores, {repairs} repairs, by proof {kinds:?}, without a core {bare:?}");
    assert!(bare.is_empty(), "refusals without a core: seeds {bare:?}");
    for kind in ["cycle", "lines in a circle", "missing", "series", "excluded", "does not apply", "open"] {
        assert!(kinds.get(kind).is_some_and(|n| *n >= 15), "too few of '{kind}' to show anything: {kinds:?}");
    }
}

impl Case {
    fn plan(&self) -> Result<Plan, Refusal> {
        let (mut tree, mut store) = (Tree::default(), Store::default());
        for (file, text) in FILES.iter().zip(&self.base) {
            let entry =
                Entry::File { digest: store.put(text.as_bytes().to_vec()), size: text.len() as u64, exec: false };
            tree.entries.insert(TreePath::parse(file).unwrap(), entry);
        }
        let fixes = self.fixes.iter().map(|(id, meta, payload)| Candidate { id, meta, payload }).collect();
        let mut input = PlanInput::new(fixes, &tree, &store);
        input.series = self.series.as_deref();
        input.without.clone_from(&self.without);
        plan(&input)
    }

    /// As somebody leaves it who takes these fixes out of the folder and of the series.
    fn left_out(&self, out: &[FixId]) -> Self {
        let mut case = self.clone();
        case.fixes.retain(|f| !out.contains(&f.0));
        case.series.iter_mut().for_each(|s| s.retain(|f| !out.contains(f)));
        case
    }

    /// As somebody leaves it who does what a repair says; none for one that takes a fix which nobody wrote.
    fn repaired(&self, repair: &Repair) -> Option<Self> {
        let mut case = self.clone();
        let meta = |case: &mut Self, id: &FixId, edit: &dyn Fn(&mut Meta)| {
            case.fixes.iter_mut().filter(|f| f.0 == *id).for_each(|f| edit(&mut f.1));
        };
        match repair {
            Repair::LeaveOut { fixes, .. } => return Some(self.left_out(fixes)),
            Repair::Order { first, then } => match &mut case.series {
                Some(series) => {
                    series.retain(|f| f != first);
                    let at = series.iter().position(|f| f == then).unwrap();
                    series.insert(at, first.clone());
                }
                None => meta(&mut case, then, &|m| m.after.push(first.clone())),
            },
            Repair::Unsay { member: Member::Requires { fix, named, .. } } => {
                meta(&mut case, fix, &|m| m.requires.retain(|f| f != named));
            }
            Repair::Unsay { member: Member::After { fix, named, .. } } => {
                meta(&mut case, fix, &|m| m.after.retain(|f| f != named));
            }
            Repair::Unsay { member: Member::Excludes { fix, other } } => {
                meta(&mut case, fix, &|m| m.conflicts.retain(|f| f != other));
                meta(&mut case, other, &|m| m.conflicts.retain(|f| f != fix));
            }
            _ => return None,
        }
        Some(case)
    }
}

#[test]
fn what_is_said_to_be_enough_is_and_nearly_every_refusal_has_a_way_out() {
    let (mut refused, mut out, mut enough, mut short) = (0, 0, 0, 0);
    for seed in 5_000..5_120 {
        let mut case = case(seed);
        case.without.clear();
        let Err(refusal) = case.plan() else { continue };
        refused += 1;
        out += usize::from(!refusal.tried.ways.is_empty());
        for way in &refusal.tried.ways {
            assert!(case.left_out(way).plan().is_ok(), "seed {seed}: no plan without {way:?}");
        }
        for core in &refusal.cores {
            for (repair, says) in core.repairs.iter().zip(&core.enough) {
                let (Some(says), Some(case)) = (says, case.repaired(repair)) else { continue };
                let again = case.plan();
                assert_eq!(again.is_ok(), *says, "seed {seed}: {repair:?} of {core:#?}, then {again:#?}");
                *(if *says { &mut enough } else { &mut short }) += 1;
            }
        }
    }
    println!("{refused} refused, {out} with a way out; of the repairs {enough} are enough and {short} are not");
    assert!(refused >= 50 && out * 10 >= refused * 9, "{out} of {refused} have a way out");
    assert!(enough >= 50 && short >= 50, "{enough} {short}");
}

/// A release of one file with these fixes: id, file after it, what it is made from, metadata.
fn release(dir: &Path, fixes: &[(&str, &str, &str, &str)], series: &[&str]) {
    fs::create_dir_all(dir.join("bases/1.0")).unwrap();
    fs::create_dir_all(dir.join("fixes")).unwrap();
    fs::write(dir.join("bases/1.0/f"), numbered("")).unwrap();
    let config = "[component]\nname = \"lamp\"\n\n[release]\nversion = \"1.1\"\nsequence = 1\nfrom = \"1.0\"\n\n\
                  [[base]]\nversion = \"1.0\"\nsource = \"bases/1.0\"\n";
    fs::write(dir.join("cumulate.toml"), config).unwrap();
    for (id, old, new, meta) in fixes {
        fs::write(dir.join(format!("fixes/{id}.patch")), diff("f", &numbered(old), &numbered(new))).unwrap();
        if !meta.is_empty() {
            fs::write(dir.join(format!("fixes/{id}.toml")), meta).unwrap();
        }
    }
    if !series.is_empty() {
        let list: String = series.iter().map(|s| format!("{s}.patch\n")).collect();
        fs::write(dir.join("fixes/series"), list).unwrap();
    }
}

/// Nine lines; `5=x` stands for another fifth line, `5=` for none, `5=x|y` for two.
fn numbered(changes: &str) -> String {
    let mut lines: Vec<String> = (1..=9).map(|i| format!("{i}")).collect();
    for change in changes.split_whitespace() {
        let (at, by) = change.split_once('=').unwrap();
        lines[at.parse::<usize>().unwrap() - 1] = by.replace('|', "\n");
    }
    lines.iter().filter(|l| !l.is_empty()).map(|l| format!("{l}\n")).collect()
}

/// Prints the plan of a release and compares it with the recorded wording; `CUMULATE_BLESS=1` records it anew.
#[track_caller]
fn worded(name: &str, fixes: &[(&str, &str, &str, &str)], series: &[&str], args: &[&str]) -> serde_json::Value {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), fixes, series);
    let said = cumulate(dir.path(), &[&["plan"], args].concat()).expect(1).stdout;
    let file = Path::new("testdata/refusals").join(format!("{name}.txt"));
    if std::env::var_os("CUMULATE_BLESS").is_some() {
        fs::create_dir_all("testdata/refusals").unwrap();
        fs::write(&file, &said).unwrap();
    }
    assert_eq!(said, fs::read_to_string(&file).unwrap(), "{}", file.display());
    let sarif = cumulate(dir.path(), &[&["plan", "--format", "sarif"], args].concat()).expect(1).json();
    let json = cumulate(dir.path(), &[&["plan", "--format", "json"], args].concat()).expect(1).json();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let explained = results.iter().filter(|r| !r["relatedLocations"].is_null()).count();
    assert!(explained >= 1, "{sarif:#}");
    for place in results.iter().flat_map(|r| r["relatedLocations"].as_array().into_iter().flatten()) {
        let uri = place["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
        let line = usize::try_from(place["physicalLocation"]["region"]["startLine"].as_u64().unwrap()).unwrap();
        let text = fs::read_to_string(dir.path().join(uri)).unwrap();
        assert!(text.lines().count() >= line, "{uri} has no line {line}");
    }
    assert!(json["cores"].as_array().unwrap().iter().all(|c| c["minimal"] == true), "{json:#}");
    json
}

#[test]
fn what_is_not_there_is_named_with_both_ways_out() {
    let json = worded(
        "missing",
        &[("FIX-7", "", "3=x", "requires = [\"FIX-3\"]"), ("FIX-9", "3=x", "3=y", "requires = [\"FIX-7\"]")],
        &[],
        &[],
    );
    let texts: Vec<_> =
        json["cores"][0]["repairs"].as_array().unwrap().iter().map(|r| r["text"].as_str().unwrap()).collect();
    assert!(texts.contains(&"add FIX-3"), "{texts:?}");
}

#[test]
fn a_circle_is_told_as_the_statements_that_make_it() {
    let fixes = [
        ("A", "", "1=x", "requires = [\"B\"]"),
        ("B", "", "5=x", "after = [\"C\"]"),
        ("C", "", "9=x", "requires = [\"A\"]"),
    ];
    worded("circle", &fixes, &[], &[]);
}

#[test]
fn fixes_that_exclude_each_other_are_told_apart() {
    worded("excluded", &[("A", "", "2=x", "conflicts = [\"B\"]"), ("B", "", "8=x", "")], &[], &[]);
}

#[test]
fn two_fixes_of_one_line_stand_side_by_side() {
    worded("clash", &[("A", "", "5=x", ""), ("B", "", "5=y", ""), ("C", "", "1=z", "")], &[], &[]);
}

#[test]
fn a_series_that_has_them_the_wrong_way_round_is_corrected() {
    worded("series", &[("A", "", "5=x", ""), ("B", "5=x", "5=y", "")], &["B", "A"], &[]);
    worded("series-declared", &[("A", "", "2=x", "requires = [\"B\"]"), ("B", "", "8=y", "")], &["A", "B"], &[]);
}

#[test]
fn a_base_that_cannot_take_a_fix_is_told_with_its_hunk() {
    let json = worded("base", &[("A", "5=other", "5=x", ""), ("B", "", "1=y", "")], &[], &[]);
    let core = &json["cores"][0];
    assert_eq!(
        (&core["because"][0]["because"][0]["kind"], &core["because"][0]["line"]),
        (&"refused".into(), &4.into())
    );
}

#[test]
fn what_else_is_in_the_way_is_told_at_once_and_what_mends_all_of_it() {
    // What is said rules a plan out before anything is tried: the one that does not apply was told a run later.
    let json = worded("two", &[("A", "", "3=x", "requires = [\"GONE\"]"), ("B", "5=other", "5=x", "")], &[], &[]);
    let codes: Vec<&str> = json["cores"].as_array().unwrap().iter().map(|c| c["code"].as_str().unwrap()).collect();
    assert_eq!(
        (codes, &json["ways"]),
        (vec!["missing-requirement", "does-not-apply"], &serde_json::json!([["A", "B"]]))
    );
    // One that is in two contradictions: without it there is a plan, without either of the others there is none.
    let fixes = [("A", "", "5=x", "requires = [\"GONE\"]"), ("B", "", "5=y", ""), ("C", "", "1=z", "")];
    let json = worded("shared", &fixes, &[], &[]);
    assert_eq!(json["ways"], serde_json::json!([["A"]]));
    let repairs = || json["cores"].as_array().unwrap().iter().flat_map(|c| c["repairs"].as_array().unwrap());
    let enough = |text: &str| repairs().find(|r| r["text"] == text).map(|r| r["enough"].clone());
    assert_eq!((enough("leave out A"), enough("leave out B")), (Some(true.into()), Some(false.into())));
    assert_eq!(enough("add GONE"), Some(serde_json::Value::Null));
}

#[test]
fn an_order_that_nothing_decides_has_two_ways_out() {
    // Hunks with little around them, so that both orders apply.
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), &[], &[]);
    fs::write(dir.path().join("bases/1.0/f"), "x\n".repeat(12)).unwrap();
    for id in ["A", "B"] {
        let hunk = format!("diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -5,2 +5,3 @@\n x\n+{id}\n x\n");
        fs::write(dir.path().join(format!("fixes/{id}.patch")), hunk).unwrap();
    }
    let said = cumulate(dir.path(), &["plan"]).expect(1).stdout;
    let file = Path::new("testdata/refusals/open.txt");
    if std::env::var_os("CUMULATE_BLESS").is_some() {
        fs::write(file, &said).unwrap();
    }
    assert_eq!(said, fs::read_to_string(file).unwrap());
    // The repair does what it says.
    fs::write(dir.path().join("fixes/B.toml"), "after = [\"A\"]\n").unwrap();
    cumulate(dir.path(), &["plan"]).expect(0);
}

#[test]
fn a_selection_that_contradicts_itself_is_told_with_the_chain() {
    let fixes = [("A", "", "5=x", ""), ("B", "5=x", "5=y", "")];
    worded("selection", &fixes, &[], &["--only", "B", "--without", "A"]);
}
