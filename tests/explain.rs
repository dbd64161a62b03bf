//! `plan --explain` as a person reads it, and on every edge of the Debian series.

mod common;

use common::Numbers;
use common::cumulate;
use cumulate::fix::{FixId, read_fixes};
use cumulate::plan::{Candidate, EdgeKind, Plan, PlanInput, Stand, Trial, Why, plan, why};
use cumulate::tree::{SourceOptions, read_source};
use std::path::{Path, PathBuf};

fn explain(args: &[&str]) -> common::Run {
    cumulate(Path::new("testdata"), &[&["plan", "demo", "--explain"], args].concat())
}

#[test]
fn a_path_is_shown_down_to_the_lines() {
    let said = explain(&["LAN-101", "LAN-109"]).expect(0).stdout;
    let wanted = r"LAN-109 needs LAN-102 needs LAN-101

LAN-109 needs LAN-102 (context): without LAN-102 it does not apply: 'include/lantern.h': the hunk's lines are not found (fuzz is not allowed) (hunk 1, line 15 of the patch)
  LAN-109: 'include/lantern.h', line 15 of the patch: @@ -10,2 +10,3 @@
    >  #define PARSE_VERB (-1)
      +int backlog_wanted(void);
    >  
  of LAN-102 it has around it 2 lines that it brought:
  LAN-102: 'include/lantern.h', line 17 of the patch: @@ -7,6 +7,8 @@
       #define NAME_MAX_LEN 64
       #define VALUE_MAX 256
       
    > +#define PARSE_VERB (-1)
    > +
       struct request {
           char verb[VERB_MAX];
           char name[NAME_MAX_LEN];
  tried LAN-109 before LAN-102: LAN-109 does not apply: 'include/lantern.h': the hunk's lines are not found (fuzz is not allowed) (hunk 1, line 15 of the patch)

LAN-102 needs LAN-101 (hunk): without LAN-101 it does not apply: 'src/parse.c': the hunk's lines are not found (fuzz is not allowed) (hunk 1, line 30 of the patch)
";
    assert!(said.starts_with(wanted), "{said}");
    assert!(said.contains("of LAN-101 it takes out 2 lines that it brought:\n"), "{said}");
    let json = explain(&["LAN-101", "LAN-109", "--format", "json"]).expect(0).json();
    assert_eq!(json["schema"], "cumulate.plan-explain/1");
    let link = &json["tracks"][0]["path"][1];
    assert_eq!((&link["kind"], &link["touches"][0]["lines"][0]["how"]), (&"hunk".into(), &"removes".into()));
    assert_eq!(link["touches"][0]["needed"]["path"], "src/parse.c");
}

#[test]
fn what_is_no_need_is_said_to_be_none() {
    let table = [
        (["LAN-109", "LAN-101"], "LAN-101 does not need LAN-109; it is the other way round: LAN-109 needs LAN-102"),
        (["LAN-103", "LAN-104"], "neither needs the other, and their order does not matter: they touch no path in"),
        (
            ["LAN-107", "LAN-108"],
            "neither needs the other, and their order does not matter: both touch 'include/lantern.h' and 1",
        ),
        (["LAN-101", "LAN-106"], "LAN-106 is not in the order: superseded by LAN-107"),
        (["LAN-108", "LAN-109"], "neither needs the other, but their order matters: LAN-108 and LAN-109: only one"),
    ];
    for (args, begins) in table {
        let said = explain(&args).expect(0).stdout;
        assert!(said.starts_with(begins), "{args:?}: {said}");
    }
    let pair = explain(&["LAN-108", "LAN-109"]).expect(0).stdout;
    assert!(pair.contains("tried LAN-109 before LAN-108: LAN-108 does not apply: 'src/serve.c'"), "{pair}");
    assert!(pair.contains("\n      +        die(\"lantern: listen\");"), "both hunks stand there: {pair}");
    let unknown = explain(&["LAN-101", "LAN-999", "--format", "json"]).expect(2).json();
    assert_eq!((&unknown["error"]["code"], &unknown["error"]["subject"]), (&"usage".into(), &"LAN-999".into()));
    explain(&["LAN-101", "LAN-102", "--format", "dot"]).expect(2);
}

#[test]
fn a_graph_with_a_matrix_is_refused_instead_of_ignoring_it() {
    let run = cumulate(Path::new("testdata"), &["plan", "demo", "--matrix", "--format", "dot"]).expect(2);
    assert!(run.stdout.is_empty() && run.stderr.contains("next: leave --matrix out"), "{}", run.stderr);
}

/// Every edge that a hunk proves names the lines it needs, of the right fix, and the other order is refused.
fn every_edge_is_replayed(input: &PlanInput<'_>, plan: &Plan) -> (usize, usize, usize) {
    let (mut context, mut moved) = (0, 0);
    for edge in &plan.edges {
        let Why::Needs(path) = why(input, plan, &edge.needs, &edge.fix) else { panic!("{edge:?}") };
        let [link] = &path[..] else { panic!("{edge:?}: {} links", path.len()) };
        let at = format!("{} needs {}", edge.fix, edge.needs);
        assert!(matches!(&link.other_order, Trial::Refused { fix, .. } if *fix == edge.fix), "{at}");
        assert!(!link.touches.is_empty(), "{at}: no hunk is named");
        let stands: Vec<Stand> = link.touches.iter().flat_map(|t| t.lines.iter().map(|l| l.1)).collect();
        match edge.kind {
            EdgeKind::Context => {
                context += 1;
                assert!(!stands.is_empty() && !stands.contains(&Stand::Removes), "{at}: {stands:?}");
            }
            // Where the same lines stand at several places, lines of another fix may decide which one is the nearest.
            EdgeKind::Hunk if stands.is_empty() => {
                moved += 1;
                assert!(!link.touches[0].needed.lines.is_empty(), "{at}: the hunks that move it are named");
            }
            _ => {}
        }
        // A line that one takes out or has around it, because the other brought it, is one that the other adds.
        for touch in &link.touches {
            for (line, stand) in touch.lines.iter().filter(|(_, s)| *s != Stand::Gone) {
                let text = &touch.fix.lines[*line].1;
                let brought = touch.needed.lines.iter().any(|(k, t)| *k == cumulate::patch::LineKind::Add && t == text);
                assert!(brought, "{at}: {stand:?} {text:?}");
            }
        }
    }
    (plan.edges.len(), context, moved)
}

#[test]
#[ignore = "corpus: needs ../shared/corpus laid out"]
fn every_edge_of_the_debian_series_can_be_replayed() {
    let corpus =
        std::env::var_os("CUMULATE_CORPUS").map_or_else(|| PathBuf::from("../shared/corpus/data"), PathBuf::from);
    let mut all = (0, 0);
    for name in [
        "deb-libxml2-2.9.10",
        "deb-openssl-1.1.1w",
        "deb-tiff-4.2.0",
        "deb-unzip-6.0",
        "git-redis-7.2",
        "git-nginx-1.26",
        "git-curl-7.88",
    ] {
        let dir = corpus.join(name);
        let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("truth.json")).unwrap()).unwrap();
        let bases = truth["bases"].as_object().unwrap();
        let base = bases.iter().find(|(_, b)| b["contains"].as_array().is_some_and(Vec::is_empty)).unwrap().0;
        let start = read_source(&dir.join("bases").join(base), &SourceOptions::default()).unwrap();
        let fixes = read_fixes(&dir.join("fixes")).unwrap();
        let candidates: Vec<Candidate<'_>> = fixes
            .fixes
            .iter()
            .map(|f| Candidate { id: &f.id, meta: &f.meta, payload: &f.variants[0].payload })
            .collect();
        let mut input = PlanInput::new(candidates, &start.tree, &start.store);
        input.series = fixes.series.as_deref();
        let plan = plan(&input).unwrap_or_else(|r| panic!("{:#?}", r.proofs));
        let (edges, context, moved) = every_edge_is_replayed(&input, &plan);
        assert!(edges > 0 || plan.order.len() < 2, "{name}");
        all = (all.0 + edges, all.1 + moved);
        println!("{name:24} edges {edges:4}, context alone {context:4}, without a line {moved:3}");
        let unknown = why(&input, &plan, &FixId("nobody".into()), &plan.order[0]);
        assert_eq!(unknown, Why::NotInOrder { fix: FixId("nobody".into()), cause: None });
    }
    assert!(all.1 * 20 <= all.0, "edges without a line: {} of {}", all.1, all.0);
}

/// One to three neighbouring lines replaced, taken out, or joined by new ones; few different lines, so that places repeat.
fn edited(text: &str, numbers: &mut Numbers, stamp: usize) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let at = numbers.below(lines.len().saturating_sub(3).max(1));
    let new = |n: usize| -> Vec<String> { (0..n).map(|i| format!("fix {stamp} {}\n", i % 2)).collect() };
    match numbers.below(4) {
        0 => lines.splice(at..at, new(1 + stamp % 3)).for_each(drop),
        1 => lines.splice(at..at + 2.min(lines.len() - at), Vec::new()).for_each(drop),
        _ => lines.splice(at..at + 1.min(lines.len() - at), new(1 + stamp % 2)).for_each(drop),
    }
    lines.concat()
}

/// Hundreds of small histories of one file: what an explanation says is what replaying gives, for edges and for pairs.
#[test]
fn explanations_of_generated_histories_hold() {
    use cumulate::fix::{Meta, Payload};
    use cumulate::patch::{ParseOptions, parse};
    use cumulate::plan::PairKind;
    use cumulate::tree::{Entry, Store, Tree, TreePath};
    let (mut edges, mut context, mut moved, mut kinds) = (0, 0, 0, [0; 3]);
    for seed in 0..600 {
        let mut numbers = Numbers(seed);
        // Every third history has many lines alike, where places move and orders give different bytes.
        let line = |i: usize| if seed % 3 == 0 { format!("same {}\n", i % 2) } else { format!("line {i}\n") };
        let mut text: String = (0..24).map(line).collect();
        let (mut store, mut tree) = (Store::default(), Tree::default());
        let digest = store.put(text.as_bytes().to_vec());
        let entry = Entry::File { digest, size: text.len() as u64, exec: false };
        tree.entries.insert(TreePath::parse("f").unwrap(), entry);
        let mut fixes: Vec<(FixId, Payload)> = Vec::new();
        for stamp in 0..2 + numbers.below(5) {
            let next = edited(&text, &mut numbers, stamp);
            // Less than three lines around a change let orders differ that git's own patches would not.
            let patch = narrowed(&common::diff("f", &text, &next), numbers.below(3));
            let files = parse(patch.as_bytes(), &ParseOptions::default()).unwrap();
            fixes.push((FixId(format!("F{stamp}")), Payload::Patch(files.into())));
            text = next;
        }
        let meta = Meta::default();
        let series: Vec<FixId> = fixes.iter().map(|f| f.0.clone()).collect();
        let candidates = fixes.iter().map(|(id, payload)| Candidate { id, meta: &meta, payload }).collect();
        let mut input = PlanInput::new(candidates, &tree, &store);
        input.series = Some(&series);
        // A narrow patch may land elsewhere, so that a later one does not apply: nothing to explain then.
        let Ok(plan) = plan(&input) else { continue };
        let (e, c, m) = every_edge_is_replayed(&input, &plan);
        (edges, context, moved) = (edges + e, context + c, moved + m);
        for pair in &plan.order_pairs {
            let Why::Pair { other_order, first, then, .. } = why(&input, &plan, &pair.first, &pair.then) else {
                panic!("seed {seed}: {pair:?}")
            };
            assert!(!first.is_empty() && !then.is_empty(), "seed {seed}: both hunks are shown");
            match pair.kind {
                PairKind::Ambiguous => assert!(matches!(other_order, Trial::Differs { .. }), "seed {seed}: {pair:?}"),
                PairKind::Clash if other_order == Trial::WithoutOthers => {}
                PairKind::Conflict | PairKind::Clash => {
                    assert!(matches!(other_order, Trial::Refused { .. }), "seed {seed}: {pair:?} {other_order:?}");
                }
            }
            kinds[pair.kind as usize] += 1;
        }
    }
    println!("edges {edges}, context alone {context}, without a line {moved}; conflict, clash, ambiguous {kinds:?}");
    assert!(edges > 300 && context > 20 && kinds.iter().all(|k| *k > 0), "{edges} {context} {kinds:?}");
}

/// The same hunk with fewer lines around the change, as `diff -U` makes it.
fn narrowed(patch: &str, around: usize) -> String {
    let (head, body) = patch.split_at(patch.find("@@").unwrap());
    let (range, lines) = body.split_once('\n').unwrap();
    let start: usize = range[4..range.find(',').unwrap()].parse().unwrap();
    let lines: Vec<&str> = lines.split_inclusive('\n').collect();
    let changed = |l: &&str| !l.starts_with(' ');
    let (Some(first), Some(last)) = (lines.iter().position(changed), lines.iter().rposition(changed)) else {
        return patch.to_owned();
    };
    let from = first.saturating_sub(around.max(1));
    let to = (last + 1 + around.max(1)).min(lines.len());
    let kept = &lines[from..to];
    let count = |without: char| kept.iter().filter(|l| !l.starts_with(without)).count();
    let at = start + from;
    format!("{head}@@ -{at},{} +{at},{} @@\n{}", count('+'), count('-'), kept.concat())
}

#[test]
fn of_lines_that_repeat_those_are_marked_that_the_other_stands_on() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let base: String = (1..=20).map(|k| format!("line {k}\n")).collect();
    let block = base.replace("line 10\n", "line 10\nalpha\n\nbeta\n\ngamma\n\ndelta\n\n");
    let before = block.replace("alpha\n", "new\nalpha\n");
    std::fs::create_dir_all(at("base")).unwrap();
    std::fs::create_dir_all(at("fixes")).unwrap();
    std::fs::write(at("base/f"), &base).unwrap();
    std::fs::write(at("fixes/A.patch"), common::diff("f", &base, &block)).unwrap();
    std::fs::write(at("fixes/B.patch"), common::diff("f", &block, &before)).unwrap();
    let config =
        "[component]\nname = \"c\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n";
    std::fs::write(at("cumulate.toml"), config).unwrap();
    let text = cumulate(dir.path(), &["plan", "--explain", "A", "B"]).expect(0).stdout;
    let marked: Vec<&str> = text.lines().filter(|l| l.starts_with("    > +")).collect();
    assert_eq!(marked, ["    > +alpha", "    > +", "    > +beta"], "{text}");
}
