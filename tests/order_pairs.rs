//! Every kind of order pair, generated: what the plan says of two fixes is what replaying them in both orders gives.
//! Some of each kind lie in `testdata/order-pairs` as text; `CUMULATE_BLESS=1` writes them anew.

mod common;

use common::{Numbers, narrow_diff};
use cumulate::fix::{FixId, Meta, Payload};
use cumulate::patch::{FileState, Mode, ParseOptions, apply_all, parse};
use cumulate::plan::{Candidate, PlanInput, plan};
use cumulate::tree::{Entry, Store, Tree, TreePath};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const FOLDER: &str = "testdata/order-pairs";
/// Kept of each kind.
const KEPT: usize = 4;

/// One file and a series of patches of it.
#[derive(Clone)]
struct Case {
    base: String,
    patches: Vec<String>,
}

type Relations = BTreeSet<(usize, usize, &'static str)>;

/// Every patch is made on top of all before it, with little context, in a file of few words.
fn case(seed: u64) -> Case {
    let mut n = Numbers(seed);
    let words = ["a", "b", "c"];
    let base: String = (0..6 + n.below(5)).map(|_| format!("{}\n", words[n.below(3)])).collect();
    let (mut now, mut patches) = (base.clone(), Vec::new());
    let count = 2 + n.below(2);
    while patches.len() < count {
        let mut lines: Vec<String> = now.lines().map(str::to_owned).collect();
        let at = n.below(lines.len());
        let word = if n.below(2) == 0 { words[n.below(3)].to_owned() } else { format!("new{}", patches.len()) };
        match n.below(3) {
            0 => drop(lines.remove(at)),
            1 => lines[at] = word,
            _ => lines.insert(at, word),
        }
        let next: String = lines.iter().map(|l| format!("{l}\n")).collect();
        let patch = narrow_diff("f", &now, &next, 1 + n.below(3));
        // With so little context it may land elsewhere: what it makes there is what counts.
        if let Some(made) = (next != now).then(|| applied(&now, &patch)).flatten() {
            (now, _) = (made, patches.push(patch));
        }
    }
    Case { base, patches }
}

fn applied(text: &str, patch: &str) -> Option<String> {
    let files = parse(patch.as_bytes(), &ParseOptions::default()).unwrap();
    let read = |_: &TreePath| Some(FileState { mode: Mode::File, content: text.as_bytes().into() });
    let made = apply_all(&files, read).ok()?.changes.into_values().next()??;
    Some(String::from_utf8(made.content.to_vec()).unwrap())
}

impl Case {
    fn walk(&self, order: impl IntoIterator<Item = usize>) -> Option<String> {
        order.into_iter().try_fold(self.base.clone(), |now, k| applied(&now, &self.patches[k]))
    }

    /// By fix: the fewest earlier fixes, with what those need, without which it does not apply; none where two sets are
    /// equally small.
    fn needs(&self) -> Option<Vec<BTreeSet<usize>>> {
        let mut all: Vec<BTreeSet<usize>> = Vec::new();
        for k in 0..self.patches.len() {
            let sets = (0..1u32 << k).map(|m| (0..k).filter(|i| m >> i & 1 == 1).collect::<BTreeSet<usize>>());
            let closed = |s: &BTreeSet<usize>| s.iter().all(|i| all[*i].is_subset(s));
            let fit: Vec<_> =
                sets.filter(closed).filter(|s| self.walk(s.iter().copied().chain([k])).is_some()).collect();
            let least: Vec<_> = fit.iter().filter(|s| fit.iter().all(|t| s == &t || !t.is_subset(s))).collect();
            let [one] = least.as_slice() else { return None };
            all.push((*one).clone());
        }
        Some(all)
    }

    /// What both orders of every two fixes give, after what they need.
    fn truth(&self) -> Option<Relations> {
        let needs = self.needs()?;
        let mut out = Relations::new();
        for then in 0..self.patches.len() {
            for first in 0..then {
                if needs[then].contains(&first) {
                    out.insert((first, then, "needs"));
                    continue;
                }
                let before: Vec<usize> = needs[first].union(&needs[then]).copied().collect();
                let way = |last: [usize; 2]| self.walk(before.iter().copied().chain(last));
                match (way([first, then]), way([then, first])) {
                    (None, _) => drop(out.insert((first, then, "clash"))),
                    (Some(_), None) => drop(out.insert((first, then, "conflict"))),
                    (Some(one), Some(other)) if one != other => drop(out.insert((first, then, "ambiguous"))),
                    _ => {}
                }
            }
        }
        Some(out)
    }

    fn planned(&self) -> Relations {
        let (mut tree, mut store) = (Tree::default(), Store::default());
        let digest = store.put(self.base.as_bytes().to_vec());
        let file = Entry::File { digest, size: self.base.len() as u64, exec: false };
        tree.entries.insert(TreePath::parse("f").unwrap(), file);
        let id = |k: usize| FixId(format!("F{k}"));
        let series: Vec<FixId> = (0..self.patches.len()).map(id).collect();
        let payload = |p: &String| Payload::Patch(parse(p.as_bytes(), &ParseOptions::default()).unwrap().into());
        let payloads: Vec<Payload> = self.patches.iter().map(payload).collect();
        let meta = Meta::default();
        let fixes = series.iter().zip(&payloads).map(|(id, payload)| Candidate { id, meta: &meta, payload }).collect();
        let mut input = PlanInput::new(fixes, &tree, &store);
        input.series = Some(&series);
        let plan = plan(&input).unwrap_or_else(|r| panic!("{:?}", r.proofs));
        assert_eq!(plan.order, series, "an order pair keeps the order of the series");
        let at = |id: &FixId| series.iter().position(|s| s == id).unwrap();
        let needs = plan.requires_all();
        let closure = needs.iter().flat_map(|(fix, all)| all.iter().map(move |n| (at(n), at(fix), "needs")));
        let pairs = plan.order_pairs.iter().map(|p| (at(&p.first), at(&p.then), p.kind.as_str()));
        closure.chain(pairs).collect()
    }

    fn to_text(&self, says: &Relations) -> String {
        let patches: String = self.patches.iter().enumerate().map(|(k, p)| format!("== F{k}\n{p}")).collect();
        let says: String = says.iter().map(|(a, b, kind)| format!("F{a} F{b} {kind}\n")).collect();
        format!("== f\n{}{patches}== says\n{says}", self.base)
    }

    fn of_text(text: &str) -> (Self, String) {
        let mut parts: Vec<&str> = text.split("== ").skip(1).map(|p| p.split_once('\n').unwrap().1).collect();
        let says = parts.pop().unwrap().to_owned();
        let base = parts.remove(0).to_owned();
        (Self { base, patches: parts.into_iter().map(str::to_owned).collect() }, says)
    }
}

/// The kinds of order pair that a case has, and whether a third fix has to do with them.
fn kinds(case: &Case, says: &Relations) -> BTreeSet<String> {
    let third = if case.patches.len() > 2 && says.iter().any(|s| s.2 == "needs") { "-through-a-third" } else { "" };
    says.iter().map(|s| if s.2 == "needs" { "needs".into() } else { format!("{}{third}", s.2) }).collect()
}

#[test]
fn what_the_plan_says_of_two_fixes_is_what_both_orders_give() {
    let bless = std::env::var_os("CUMULATE_BLESS").is_some();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..6_000 {
        let case = case(seed);
        // Where a hunk undoes another the series has it in the tree already: that is no pair.
        let undoes = (1..case.patches.len()).any(|k| case.walk(0..=k) == case.walk(0..k - 1));
        let Some(truth) = case.truth().filter(|_| !undoes) else { continue };
        assert_eq!(case.planned(), truth, "seed {seed}:\n{}", case.to_text(&truth));
        for kind in kinds(&case, &truth) {
            let n = seen.entry(kind.clone()).or_default();
            *n += 1;
            if bless && *n <= KEPT {
                fs::create_dir_all(FOLDER).unwrap();
                fs::write(Path::new(FOLDER).join(format!("{kind}-{n}.txt")), case.to_text(&truth)).unwrap();
            }
        }
    }
    println!("{seen:?}");
    let wanted =
        ["conflict", "ambiguous", "clash-through-a-third", "conflict-through-a-third", "ambiguous-through-a-third"];
    for kind in wanted {
        assert!(seen.get(kind).is_some_and(|n| *n >= 20), "too few of {kind}: {seen:?}");
    }
}

#[test]
fn the_recorded_pairs_of_every_kind_still_stand() {
    let mut read = 0;
    for item in fs::read_dir(FOLDER).unwrap() {
        let file = item.unwrap().path();
        let text = fs::read_to_string(&file).unwrap();
        let (case, says) = Case::of_text(&text);
        let truth = case.truth().expect("one smallest set each");
        assert_eq!(case.to_text(&truth), text, "{}: replaying gives something else", file.display());
        assert_eq!(case.planned(), truth, "{}", file.display());
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(kinds(&case, &truth).iter().any(|k| name.starts_with(k.as_str())), "{name}: {says}");
        read += 1;
    }
    assert!(read >= 5 * KEPT, "four of each kind: {read}");
}
