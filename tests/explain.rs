//! `plan --explain` as a person reads it, and on every edge of the Debian series.

mod common;

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
    for name in ["deb-libxml2-2.9.10", "deb-openssl-1.1.1w", "deb-tiff-4.2.0", "deb-unzip-6.0", "git-redis-7.2"] {
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
