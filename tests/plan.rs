//! Situations of plans, each a small component made on the spot.

mod common;

use common::diff;
use cumulate::explain;
use cumulate::fix::{Change, FixId, Meta, Payload};
use cumulate::merge::merge;
use cumulate::patch::{Mode, ParseOptions, parse};
use cumulate::plan::{Candidate, DropCause, EdgeKind, PairKind, Plan, PlanInput, Proof, Refusal, Settled, plan};
use cumulate::report::{Code, ErrorCode};
use cumulate::tree::{Digest, Entry, Store, Tree, TreePath};

fn path(p: &str) -> TreePath {
    TreePath::parse(p).unwrap()
}

/// `text` of twenty lines, `l01` to `l20`.
fn twenty() -> String {
    (1..=20).map(|i| format!("l{i:02}\n")).collect()
}

#[derive(Default)]
struct World {
    tree: Tree,
    store: Store,
    fixes: Vec<(FixId, Meta, Payload)>,
    series: Option<Vec<FixId>>,
    only: Vec<FixId>,
    without: Vec<FixId>,
}

fn ids(list: &[&str]) -> Vec<FixId> {
    list.iter().map(|s| FixId((*s).to_owned())).collect()
}

impl World {
    /// One file `f` of twenty lines.
    fn new() -> Self {
        Self::default().file("f", &twenty())
    }

    fn file(mut self, p: &str, text: &str) -> Self {
        let digest = self.store.put(text.as_bytes().to_vec());
        self.tree.entries.insert(path(p), Entry::File { digest, size: text.len() as u64, exec: false });
        self
    }

    fn fix(mut self, id: &str, payload: Payload, meta: impl FnOnce(&mut Meta)) -> Self {
        let mut m = Meta::default();
        meta(&mut m);
        self.fixes.push((FixId(id.to_owned()), m, payload));
        self
    }

    fn patch(self, id: &str, text: &str) -> Self {
        self.patch_with(id, text, |_| {})
    }

    fn patch_with(self, id: &str, text: &str, meta: impl FnOnce(&mut Meta)) -> Self {
        let files = parse(text.as_bytes(), &ParseOptions::default()).unwrap();
        self.fix(id, Payload::Patch(files.into()), meta)
    }

    /// An overlay that puts a whole file.
    fn put(mut self, id: &str, p: &str, text: &str, built_on: Option<&str>, meta: impl FnOnce(&mut Meta)) -> Self {
        let digest = self.store.put(text.as_bytes().to_vec());
        let built_on = built_on.map(|t| Digest::of(t.as_bytes()));
        let change = Change::Put { path: path(p), mode: Mode::File, digest, size: text.len() as u64, built_on };
        self.fix(id, Payload::Overlay(vec![change]), meta)
    }

    fn series(mut self, list: &[&str]) -> Self {
        self.series = Some(ids(list));
        self
    }

    fn only(mut self, list: &[&str]) -> Self {
        self.only = ids(list);
        self
    }

    fn without(mut self, list: &[&str]) -> Self {
        self.without = ids(list);
        self
    }

    fn try_plan(&self) -> Result<Plan, Refusal> {
        let fixes = self.fixes.iter().map(|(id, meta, payload)| Candidate { id, meta, payload }).collect();
        let mut input = PlanInput::new(fixes, &self.tree, &self.store);
        input.series = self.series.as_deref();
        input.only.clone_from(&self.only);
        input.without.clone_from(&self.without);
        plan(&input)
    }

    fn plan(&self) -> Plan {
        self.try_plan().unwrap_or_else(|r| panic!("{:#?}", r.proofs))
    }

    fn refusal(&self) -> Refusal {
        self.try_plan().expect_err("there should be no plan")
    }

    /// The text of a file after all fixes of the plan.
    fn after(&self, plan: &Plan, p: &str) -> String {
        let payload = |id: &FixId| &self.fixes.iter().find(|f| f.0 == *id).unwrap().2;
        let order: Vec<_> = plan.order.iter().map(|id| (id, payload(id))).collect();
        let merged = merge(&order, &self.tree, &self.store, &plan.merged).unwrap().unwrap();
        let digest = merged.tree.get(&path(p)).unwrap().digest().unwrap();
        let store = if merged.store.contains(&digest) { &merged.store } else { &self.store };
        String::from_utf8(store.get(&digest).unwrap().to_vec()).unwrap()
    }
}

/// `text` with one line replaced by others.
fn with(text: &str, line: &str, by: &str) -> String {
    assert!(text.contains(&format!("{line}\n")), "{line} is there");
    text.replace(&format!("{line}\n"), by)
}

fn names(list: &[FixId]) -> Vec<&str> {
    list.iter().map(|f| f.0.as_str()).collect()
}

fn edges(plan: &Plan) -> Vec<(&str, &str, EdgeKind)> {
    plan.edges.iter().map(|e| (e.fix.0.as_str(), e.needs.0.as_str(), e.kind)).collect()
}

fn pairs(plan: &Plan) -> Vec<(&str, &str, PairKind, Settled)> {
    plan.order_pairs.iter().map(|p| (p.first.0.as_str(), p.then.0.as_str(), p.kind, p.settled)).collect()
}

/// Three fixes, each changing what the one before wrote; ids sort against the order.
fn chain() -> World {
    let a = with(&twenty(), "l10", "A\n");
    let b = with(&a, "A", "B\n");
    let c = with(&b, "B", "C\n");
    World::new().patch("z", &diff("f", &twenty(), &a)).patch("m", &diff("f", &a, &b)).patch("a", &diff("f", &b, &c))
}

#[test]
fn a_chain_orders_itself_and_its_edges_are_direct() {
    for world in [chain(), chain().series(&["z", "m", "a"])] {
        let plan = world.plan();
        assert_eq!(names(&plan.order), ["z", "m", "a"]);
        assert_eq!(edges(&plan), [("m", "z", EdgeKind::Hunk), ("a", "m", EdgeKind::Hunk)]);
        let all = plan.requires_all();
        assert_eq!(all[&FixId("a".into())].iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), ["m", "z"]);
        assert_eq!(world.after(&plan, "f"), with(&twenty(), "l10", "C\n"));
    }
}

#[test]
fn fixes_far_apart_need_nothing_of_each_other() {
    let world = World::new()
        .patch("b", &diff("f", &twenty(), &with(&twenty(), "l03", "X\n")))
        .patch("a", &diff("f", &twenty(), &with(&twenty(), "l17", "Y\n")));
    let plan = world.plan();
    assert_eq!((names(&plan.order), edges(&plan), pairs(&plan)), (vec!["a", "b"], vec![], vec![]));
    assert_eq!(world.after(&plan, "f"), with(&with(&twenty(), "l03", "X\n"), "l17", "Y\n"));
}

#[test]
fn files_that_come_go_and_move_are_needed_as_files() {
    let create = "diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+one\n";
    let change = "diff --git a/n b/n\n--- a/n\n+++ b/n\n@@ -1 +1 @@\n-one\n+two\n";
    let rename = "diff --git a/n b/o\nsimilarity index 100%\nrename from n\nrename to o\n";
    let plan = World::new().patch("1", rename).patch("2", change).patch("3", create).plan();
    // Renaming and changing commute only if the change follows the name, which text does not: it is a conflict pair.
    assert_eq!(edges(&plan), [("2", "3", EdgeKind::File), ("1", "3", EdgeKind::File)]);
    assert_eq!(pairs(&plan), [("2", "1", PairKind::Conflict, Settled::Proved)]);
}

#[test]
fn a_file_in_place_of_a_folder_needs_that_it_is_gone() {
    let gone = "diff --git a/d b/d\ndeleted file mode 100644\n--- a/d\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
    let below = "diff --git a/d/e b/d/e\nnew file mode 100644\n--- /dev/null\n+++ b/d/e\n@@ -0,0 +1 @@\n+y\n";
    let plan = World::default().file("d", "x\n").patch("a", below).patch("b", gone).plan();
    assert_eq!((names(&plan.order), edges(&plan)), (vec!["b", "a"], vec![("a", "b", EdgeKind::File)]));
}

/// Two fixes that insert at one place: both orders apply, and the bytes differ.
fn ambiguous() -> World {
    // Contexts that do not overlap the other's insertion leave both hunks applicable in either order.
    let base = "x\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\n";
    let hunk = |add: &str| format!("diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -5,2 +5,3 @@\n x\n+{add}\n x\n");
    World::default().file("f", base).patch("a", &hunk("A")).patch("b", &hunk("B"))
}

#[test]
fn what_order_leaves_open_is_refused_and_one_line_settles_it() {
    let refusal = ambiguous().refusal();
    let [Proof::OrderOpen { pairs: open, .. }] = &refusal.proofs[..] else { panic!("{:?}", refusal.proofs) };
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].first.0.as_str(), open[0].then.0.as_str(), open[0].kind), ("a", "b", PairKind::Ambiguous));
    let (error, findings) = (explain::refusal_error(&refusal), explain::refusal_findings(&refusal));
    assert_eq!((error.code, error.exit()), (ErrorCode::PlanRefused, 1));
    assert_eq!(findings[0].code, Code::OrderOpen);
    assert!(findings[0].next.contains("after = [\"a\"]"), "{}", findings[0].next);

    let by_series = ambiguous().series(&["b", "a"]);
    let plan = by_series.plan();
    assert_eq!(pairs(&plan), [("b", "a", PairKind::Ambiguous, Settled::Series)]);
    let mut by_after = ambiguous();
    by_after.fixes[0].1.after = ids(&["b"]);
    let declared = by_after.plan();
    assert_eq!(names(&declared.order), ["b", "a"]);
    assert_eq!(pairs(&declared), [("b", "a", PairKind::Ambiguous, Settled::Declared)]);
    assert_eq!(by_series.after(&plan, "f"), by_after.after(&declared, "f"));
}

#[test]
fn a_conflict_pair_has_one_order_that_applies() {
    // "a" needs the lines around 10 as they are; "b" only touches line 12, with no context above it.
    let wide = diff("f", &twenty(), &with(&twenty(), "l10", "A\n"));
    let narrow = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -12,2 +12,2 @@\n-l12\n+B\n l13\n";
    for (first, then) in [("b", "a"), ("a", "b")] {
        let world = World::new().patch(first, &wide).patch(then, narrow);
        let plan = world.plan();
        assert_eq!(names(&plan.order), [first, then], "whatever their names");
        assert_eq!(edges(&plan), []);
        assert_eq!(pairs(&plan), [(first, then, PairKind::Conflict, Settled::Proved)]);
    }
}

/// "late" does not stand what "early" inserts among its lines; "third" takes that out again.
fn clash() -> World {
    let base = twenty();
    let early = with(&base, "l10", "l10\nA\n");
    let third = with(&early, "A", "").replace("l17\n", "B\n");
    let late = with(&base, "l11", "C\n");
    World::new()
        .patch("early", &diff("f", &base, &early))
        .patch(
            "third",
            &(diff("f", &early, &with(&early, "A", "")) + &hunk_only(&diff("f", &with(&early, "A", ""), &third))),
        )
        .patch("late", &diff("f", &base, &late))
}

/// The hunk without the lines that name the file.
fn hunk_only(diff: &str) -> String {
    diff[diff.find("@@").unwrap()..].to_owned()
}

#[test]
fn a_clash_goes_through_a_third_fix_and_the_series_decides_it() {
    let world = clash().series(&["early", "third", "late"]);
    let plan = world.plan();
    assert_eq!(edges(&plan), [("third", "early", EdgeKind::Hunk)]);
    let mut found = pairs(&plan);
    found.sort_unstable();
    assert_eq!(
        found,
        [("early", "late", PairKind::Clash, Settled::Series), ("third", "late", PairKind::Conflict, Settled::Series)]
    );
    assert!(world.after(&plan, "f").contains("l10\nC\n"));
}

#[test]
fn what_a_base_has_already_is_left_out_with_a_warning() {
    let new = with(&twenty(), "l10", "A\n");
    let world = World::default().file("f", &new).patch("a", &diff("f", &twenty(), &new));
    let plan = world.plan();
    assert!(plan.order.is_empty());
    assert_eq!(plan.dropped[0].cause, DropCause::Contained);
    assert_eq!(plan.findings[0].code, Code::Contained);
}

#[test]
fn the_same_content_twice_is_a_duplicate_and_empty_ones_are_told() {
    let patch = diff("f", &twenty(), &with(&twenty(), "l10", "A\n"));
    let plan =
        World::new().patch("a", &patch).patch("b", &patch).fix("c", Payload::Patch(vec![].into()), |_| {}).plan();
    assert_eq!(names(&plan.order), ["a", "c"]);
    assert_eq!(plan.dropped[0].cause, DropCause::Duplicate { of: FixId("a".into()) });
    let codes: Vec<Code> = plan.findings.iter().map(|f| f.code).collect();
    assert!(codes.contains(&Code::Duplicate) && codes.contains(&Code::EmptyFix), "{codes:?}");
}

#[test]
fn a_superseded_fix_goes_unless_the_new_one_stands_on_it() {
    let (a, b) = (with(&twenty(), "l10", "A\n"), with(&twenty(), "l10", "B\n"));
    let newer = |m: &mut Meta| m.supersedes = ids(&["old"]);
    let alone =
        World::new().patch("old", &diff("f", &twenty(), &a)).patch_with("new", &diff("f", &twenty(), &b), newer);
    let plan = alone.plan();
    assert_eq!(names(&plan.order), ["new"]);
    assert_eq!(plan.dropped[0].cause, DropCause::Superseded { by: FixId("new".into()) });
    assert_eq!(alone.after(&plan, "f"), b);

    let on_top = World::new().patch("old", &diff("f", &twenty(), &a)).patch_with("new", &diff("f", &a, &b), newer);
    let plan = on_top.plan();
    assert_eq!(names(&plan.order), ["old", "new"]);
    assert!(plan.findings.iter().any(|f| f.code == Code::Superseded && f.message.contains("kept")));
}

#[test]
fn metadata_alone_can_rule_a_plan_out() {
    let one = |line: &str| diff("f", &twenty(), &with(&twenty(), line, "X\n"));
    let requires = |list: &[&str]| {
        let list = ids(list);
        move |m: &mut Meta| m.requires = list
    };
    let id = |s: &str| FixId(s.to_owned());
    let circle = World::new()
        .patch_with("a", &one("l03"), requires(&["b"]))
        .patch_with("b", &one("l10"), requires(&["c"]))
        .patch_with("c", &one("l17"), requires(&["a"]));
    assert_eq!(circle.refusal().proofs, [Proof::Cycle { fixes: ids(&["a", "b", "c"]) }]);
    let oneself = World::new().patch_with("a", &one("l03"), requires(&["a"]));
    assert_eq!(oneself.refusal().proofs, [Proof::Cycle { fixes: ids(&["a"]) }]);
    let missing = World::new().patch_with("a", &one("l03"), requires(&["b"]));
    assert_eq!(missing.refusal().proofs, [Proof::Missing { fix: Some(id("a")), needs: id("b") }]);
    let excluded = World::new().patch_with("a", &one("l03"), |m| m.conflicts = ids(&["b"])).patch("b", &one("l17"));
    assert_eq!(excluded.refusal().proofs, [Proof::Excluded { fix: id("a"), other: id("b") }]);
    let against =
        World::new().patch_with("a", &one("l03"), requires(&["b"])).patch("b", &one("l17")).series(&["a", "b"]);
    assert_eq!(against.refusal().proofs, [Proof::SeriesContradicts { fix: id("a"), needs: id("b") }]);
    let twice = World::new().patch("a", &one("l03")).patch("a", &one("l17"));
    assert_eq!(twice.refusal().proofs, [Proof::TwiceNamed { fix: id("a") }]);
}

#[test]
fn a_hunk_that_does_not_apply_is_named() {
    let other = twenty().replace('l', "k");
    let world = World::new().patch("a", &diff("f", &other, &with(&other, "k10", "A\n")));
    let findings = explain::refusal_findings(&world.refusal());
    let said = "it does not apply: 'f': the hunk's lines are not found (fuzz is not allowed) (hunk 1, line 4 of the patch); \
         neither the base nor any other fix has 'k07' (line 5 of the patch), nor 6 more of its lines";
    assert_eq!((findings[0].subject.as_str(), findings[0].message.as_str()), ("a", said));
}

#[test]
fn two_whole_files_are_a_conflict_unless_one_is_built_on_the_other() {
    let nothing = |_: &mut Meta| {};
    let apart = World::new().put("a", "f", "one", None, nothing).put("b", "f", "two", None, nothing);
    let refusal = apart.refusal();
    let [Proof::OrderOpen { pairs: open, .. }] = &refusal.proofs[..] else { panic!("{:?}", refusal.proofs) };
    assert_eq!(open[0].kind, PairKind::Conflict);
    let said = &explain::refusal_findings(&refusal)[0].message;
    assert!(said.contains("both replace the whole file"), "{said}");

    let by_digest = World::new().put("b", "f", "one", None, nothing).put("a", "f", "two", Some("one"), nothing);
    let plan = by_digest.plan();
    assert_eq!((names(&plan.order), edges(&plan)), (vec!["b", "a"], vec![("a", "b", EdgeKind::Content)]));
    assert_eq!(by_digest.after(&plan, "f"), "two");

    let by_word =
        World::new().put("b", "f", "one", None, nothing).put("a", "f", "two", None, |m| m.requires = ids(&["b"]));
    let plan = by_word.plan();
    assert_eq!((names(&plan.order), edges(&plan)), (vec!["b", "a"], vec![("a", "b", EdgeKind::Declared)]));
    assert_eq!(by_word.after(&plan, "f"), "two");
}

#[test]
fn selections_are_closed_and_say_why() {
    let far = diff("f", &twenty(), &with(&twenty(), "l17", "Y\n"));
    let only = chain().patch("far", &far).only(&["m"]).plan();
    assert_eq!(names(&only.order), ["z", "m"]);
    assert_eq!(names(&only.came_along[0].chain), ["m", "z"]);
    let dropped: Vec<&str> = only.dropped.iter().map(|d| d.fix.0.as_str()).collect();
    assert_eq!(dropped, ["a", "far"]);
    assert!(only.dropped.iter().all(|d| d.cause == DropCause::NotSelected));

    let without = chain().patch("far", &far).without(&["z"]).plan();
    assert_eq!(names(&without.order), ["far"]);
    let cause = &without.dropped.iter().find(|d| d.fix.0 == "a").unwrap().cause;
    assert_eq!(*cause, DropCause::Without { chain: ids(&["a", "m", "z"]) });
    assert_eq!(explain::drop_cause(cause), "needs what was left out: a needs m needs z");

    let torn = chain().only(&["a"]).without(&["z"]).refusal();
    assert_eq!(torn.proofs, [Proof::SelectionContradicts { chain: ids(&["a", "m", "z"]) }]);
    let unknown = chain().only(&["nobody"]).refusal();
    assert_eq!(unknown.proofs, [Proof::UnknownSelected { fix: FixId("nobody".into()) }]);
}

#[test]
fn an_edge_says_which_hunk_proves_it() {
    let plan = chain().plan();
    let edge = &plan.edges[0];
    let said = explain::reason(&edge.reason, &edge.needs);
    assert!(said.starts_with("without z it does not apply: 'f': the hunk's lines are not found"), "{said}");
    let json = explain::reason_json(&edge.reason);
    assert_eq!((&json["path"], &json["hunk"], &json["line"]), (&"f".into(), &1.into(), &4.into()));
}

#[test]
fn a_long_chain_and_a_big_circle_are_ordinary_input() {
    let n = 2_000;
    let long = (0..n).fold(World::new(), |w, i| {
        let text =
            format!("diff --git a/p{i} b/p{i}\nnew file mode 100644\n--- /dev/null\n+++ b/p{i}\n@@ -0,0 +1 @@\n+x\n");
        w.patch_with(&format!("{:05}", n - i), &text, |m| {
            if i > 0 {
                m.requires = ids(&[&format!("{:05}", n - i + 1)])
            }
        })
    });
    assert_eq!(long.plan().order.len(), n);
    let mut circle = long;
    circle.fixes[0].1.requires = ids(&["00001"]);
    let refusal = circle.refusal();
    let [Proof::Cycle { fixes }] = &refusal.proofs[..] else { panic!("{} proofs", refusal.proofs.len()) };
    assert_eq!(fixes.len(), n);
}
