//! The plan as a page and as pictures: complete, loading nothing, harmless whatever titles say; in a real browser too.

mod common;

use common::{copy, cumulate};
use std::fs;
use std::path::{Path, PathBuf};

fn plan(dir: &Path, format: &str) -> String {
    cumulate(dir, &["plan", "--format", format]).expect(0).stdout
}

#[test]
fn the_page_of_the_demo_holds_every_fix_reason_and_file() {
    let demo = Path::new("testdata/demo");
    let page = plan(demo, "html");
    for id in ["LAN-101", "LAN-102", "LAN-103", "LAN-104", "LAN-105", "LAN-107", "LAN-108", "LAN-109"] {
        assert!(page.contains(&format!("<td class=\"id\">{id}</td>")), "{id} is in the table");
        assert!(page.contains(&format!("</tspan> {id}</text>")), "{id} is in the graph");
    }
    assert!(page.contains("needs LAN-101 (hunk): without LAN-101 it does not apply"));
    assert!(page.contains("<span class=\"id\">LAN-106</span>: superseded by LAN-107"));
    assert!(page.contains("<dt>src/serve.c</dt><dd><a class=\"chip\" href=\"#t0f5\""), "the files' timeline");
    let focusable = page.matches("tabindex=\"0\"").count();
    assert_eq!(focusable, 8 + 2 + 1, "every fix, edge and order pair can be reached by keyboard");
    // Nothing is fetched from anywhere: no address but the name of SVG, no link, import, image or frame.
    for loads in ["http://", "https://", "src=", "@import", "url(", "<link", "<img", "<iframe", "fetch("] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.contains("default-src 'none'"), "and the browser is told so");
    assert_eq!(page, plan(demo, "html"), "the same every time");
}

#[test]
fn pictures_for_documents() {
    let demo = Path::new("testdata/demo");
    let wanted = "graph RL
  subgraph t0 [\"default\"]
    t0f0[\"LAN-101\"]
    t0f1[\"LAN-102\"]
    t0f2[\"LAN-103\"]
    t0f3[\"LAN-104\"]
    t0f4[\"LAN-105\"]
    t0f5[\"LAN-107\"]
    t0f6[\"LAN-108\"]
    t0f7[\"LAN-109\"]
    t0f1 -->|hunk| t0f0
    t0f7 -->|context| t0f1
    t0f7 -.->|pair| t0f6
  end
";
    assert_eq!(plan(demo, "mermaid"), wanted);
    let svg = plan(demo, "svg");
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
    for format in ["dot", "mermaid", "svg", "html"] {
        cumulate(demo, &["plan", "--matrix", "--format", format]).expect(2);
    }
}

/// Titles and ids come from anybody.
#[test]
fn what_a_title_says_never_becomes_part_of_the_page() {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new("testdata/demo"), dir.path());
    let evil = "</title></script><script>alert(1)</script> \" onfocus=\"x() \u{7} & ]";
    fs::write(dir.path().join("fixes/LAN-103.toml"), format!("title = {}", toml_text(evil))).unwrap();
    let before = plan(Path::new("testdata/demo"), "html").matches("<script").count();
    let page = plan(dir.path(), "html");
    assert_eq!(page.matches("<script").count(), before);
    assert!(!page.contains("\" onfocus=") && page.contains("&lt;script&gt;alert(1)"));
    assert!(!plan(dir.path(), "svg").contains("<script"));
}

fn toml_text(s: &str) -> String {
    serde_json::to_string(s).unwrap()
}

/// Two tracks on the same sources.
const TRACKS: &str = "[[base]]
version = \"1\"
source = \"base\"
track = \"old line\"
[[base]]
version = \"1n\"
source = \"base\"
track = \"new\"
[[track]]
name = \"old line\"
from = \"1\"
[[track]]
name = \"new\"
from = \"1n\"
";
const ONE: &str = "[[base]]\nversion = \"1\"\nsource = \"base\"\n";

/// Two fixes that put a line into one file, at the same place if they are to clash, and a third that needs the second.
fn made(dir: &Path, bases: &str, clash: bool) {
    let old: String = (1..=9).map(|n| format!("line {n}\n")).collect();
    fs::create_dir_all(dir.join("base")).unwrap();
    fs::create_dir_all(dir.join("fixes")).unwrap();
    fs::write(dir.join("base/a.c"), old).unwrap();
    let two = if clash {
        "3,4 +3,5 @@\n line 3\n line 4\n+two\n line 5\n line 6"
    } else {
        "7,3 +7,4 @@\n line 7\n line 8\n+two\n line 9"
    };
    for (id, patch) in [
        ("A-1", "--- a/a.c\n+++ b/a.c\n@@ -3,4 +3,5 @@\n line 3\n line 4\n+\tone <b>\n line 5\n line 6\n".to_owned()),
        ("B-2", format!("--- a/a.c\n+++ b/a.c\n@@ -{two}\n")),
        ("C-3", "--- /dev/null\n+++ b/new.c\n@@ -0,0 +1 @@\n+three\n".to_owned()),
    ] {
        fs::write(dir.join(format!("fixes/{id}.patch")), patch).unwrap();
    }
    fs::write(dir.join("fixes/A-1.toml"), "title = \"the first\"\ncves = [\"CVE-2026-1001\"]\nseverity = \"high\"\n")
        .unwrap();
    fs::write(dir.join("fixes/C-3.toml"), "requires = [\"B-2\"]\n").unwrap();
    let config = format!("[component]\nname = \"c\"\n[release]\nversion = \"2\"\n{bases}");
    fs::write(dir.join("cumulate.toml"), config).unwrap();
}

#[test]
fn the_page_of_a_plan_that_there_is_not_says_why_and_what_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path(), ONE, true);
    let run = cumulate(dir.path(), &["plan", "--format", "html"]).expect(1);
    let text = cumulate(dir.path(), &["plan"]).expect(1).stdout;
    let page = run.stdout;
    // Every sentence of the text down to its findings, but the columns, which the page has as two blocks.
    let lines = text
        .lines()
        .skip(2)
        .take_while(|l| !l.starts_with("denied"))
        .map(|l| l.trim().trim_start_matches(['-', '*']).trim());
    let columns = |l: &str| l.contains(" | ") || l.ends_with('|');
    for line in lines.filter(|l| !l.is_empty() && !columns(l)) {
        let said = line.trim_end_matches(':').replace('"', "&quot;");
        let large = said[..1].to_uppercase() + &said[1..];
        assert!(page.contains(&said) || page.contains(&large), "{line}\n{text}");
    }
    assert!(page.contains("denied [does-not-apply]</b> B-2: it does not apply together with A-1"));
    assert!(page.contains("<span class=\"add\">+\tone &lt;b&gt;</span>"), "the hunks, with their tabs");
    assert!(page.contains("<span class=\"add\">+two</span>"));
    assert!(page.contains("<pre>path = &quot;a.c&quot;\nbase = &quot;sha256:"), "what a resolution has to name");
    for (k, id) in ["A-1", "B-2", "C-3"].into_iter().enumerate() {
        let box_of = format!("id=\"t0f{k}\" tabindex=\"0\" role=\"button\" aria-label=\"{id}: ");
        assert!(page.contains(&box_of) && page.contains(&format!("<tr id=\"t0r{k}\">")), "{id} is in graph and table");
    }
    assert!(page.contains("class=\"wire conflict\" id=\"t0w0\" data-ends=\"t0f1 t0f0\""), "the two are joined");
    assert_eq!(
        page.matches("class=\"fix high stuck\"").count() + page.matches("class=\"fix unknown stuck\"").count(),
        2
    );
    assert!(page.contains("CVE-2026-1001</td>"));

    let mermaid = cumulate(dir.path(), &["plan", "--format", "mermaid"]).expect(1).stdout;
    assert!(mermaid.contains("t0f0[\"A-1\"]") && mermaid.contains("t0f2[\"C-3\"]"), "{mermaid}");
    assert!(mermaid.contains("    t0f1 ---|conflict| t0f0\n"), "{mermaid}");
    let dot = cumulate(dir.path(), &["plan", "--format", "dot"]).expect(1).stdout;
    assert!(dot.contains("\"B-2\" -> \"A-1\" [label=\"conflict\"") && dot.contains("dir=none"), "{dot}");
    let svg = cumulate(dir.path(), &["plan", "--format", "svg"]).expect(1).stdout;
    assert!(svg.contains("B-2 and A-1 (conflict): "), "{svg}");
}

#[test]
fn what_is_named_and_not_there_is_in_the_graph_too() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path(), ONE, true);
    fs::write(dir.path().join("fixes/B-2.toml"), "after = [\"A-1\"]\nrequires = [\"GONE-7\"]\n").unwrap();
    let page = cumulate(dir.path(), &["plan", "--format", "html"]).expect(1).stdout;
    assert!(page.contains("class=\"fix unknown stuck missing\""), "a box of its own");
    assert!(page.contains("B-2 needs GONE-7 (declared): B-2 requires GONE-7, which is not there"));
    assert_eq!(page.matches("class=\"head\"").count(), 7 + 1, "an arrow to it, beside those of the legend");
}

#[test]
fn every_track_is_named_above_its_graph_and_arrows_point_to_what_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path(), TRACKS, false);
    let page = plan(dir.path(), "html");
    let graph = page.split("<div class=\"graph\">").nth(1).unwrap().split("<aside").next().unwrap();
    let names: Vec<&str> = graph.split("<h2>").skip(1).map(|s| s.split("</h2>").next().unwrap()).collect();
    assert_eq!(names, ["Track old line", "Track new"]);
    // C-3 needs B-2: the head's tip is at the right end of B-2's box, where the line ends.
    let wire = graph.split("C-3 needs B-2 (declared)").nth(2).unwrap().split("</g>").next().unwrap();
    let end =
        wire.rsplit(" d=\"").next().unwrap().split('"').next().unwrap().rsplit(['L', ' ']).take(2).collect::<Vec<_>>();
    assert!(wire.contains(&format!("<polygon class=\"head\" points=\"{},{} ", end[1], end[0])), "{wire}");
}

/// In a page that chromium has laid out: no label leaves its box, no box lies on another, every box and line takes the
/// focus and then tells its reason, the Find box finds, the legend only explains, every colour can be told from what is
/// behind it, every id is found as text, nothing was loaded, no error was left uncaught.
fn in_a_browser(release: &Path, flags: &[&str]) -> serde_json::Value {
    let run = cumulate(release, &["plan", "--format", "html"]);
    let check = fs::read_to_string("tests/browser.js").unwrap();
    let listen = "<script>window.failed=[];addEventListener('error',(e)=>window.failed.push(e.message))</script>";
    let page = run.stdout.replacen("<head>", &format!("<head>{listen}"), 1);
    let page = page.replace("</body>", &format!("<script>{check}</script></body>"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("page.html");
    fs::write(&file, page).unwrap();
    let out = std::process::Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(flags)
        .arg(format!("--user-data-dir={}", dir.path().join("profile").display()))
        .arg(format!("file://{}", file.display()))
        .output()
        .expect("apt-get install chromium");
    let dom = String::from_utf8_lossy(&out.stdout);
    let said = dom.split("<pre id=\"verdict\">").nth(1).and_then(|s| s.split("</pre>").next()).expect("a verdict");
    serde_json::from_str(&said.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")).unwrap()
}

#[test]
#[ignore = "long: needs chromium"]
fn small_refused_and_several_plans_work_in_a_browser_light_dark_and_narrow() {
    let (refused, several) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(refused.path(), ONE, true);
    made(several.path(), TRACKS, false);
    let demo = Path::new("testdata/demo");
    for (name, release, fixes) in [("demo", demo, 8), ("refused", refused.path(), 3), ("several", several.path(), 6)] {
        for flags in [&[][..], &["--blink-settings=preferredColorScheme=0"], &["--window-size=420,900"]] {
            let verdict = in_a_browser(release, flags);
            println!("{name} {flags:?}: {verdict}");
            assert_eq!(verdict["wrong"], serde_json::json!([]), "{name} {flags:?}");
            assert_eq!((&verdict["fixes"], &verdict["reached"]), (&fixes.into(), &verdict["focusable"]), "{name}");
            let dark = flags.iter().any(|f| f.contains("ColorScheme"));
            assert_eq!(verdict["paper"] != "rgb(255, 255, 255)", dark, "{name}: {}", verdict["paper"]);
        }
    }
}

#[test]
#[ignore = "long: needs chromium and the sets of ../shared/corpus"]
fn a_browser_finds_everything_readable_and_reachable() {
    let corpus =
        std::env::var_os("CUMULATE_CORPUS").map_or_else(|| PathBuf::from("../shared/corpus/data"), PathBuf::from);
    for (name, fixes) in [("deb-libxml2-2.9.10", 55), ("git-curl-7.88", 282)] {
        let set = fs::canonicalize(corpus.join(name)).unwrap();
        let truth: serde_json::Value = serde_json::from_slice(&fs::read(set.join("truth.json")).unwrap()).unwrap();
        let bases = truth["bases"].as_object().unwrap();
        let base = bases.iter().find(|(_, b)| b["contains"].as_array().is_some_and(Vec::is_empty)).unwrap().0;
        let dir = tempfile::tempdir().unwrap();
        let at = set.display();
        let config = format!(
            "[component]\nname = \"c\"\n[release]\nversion = \"2\"\nfixes = \"{at}/fixes\"\n[[base]]\nversion = \"1\"\nsource = \"{at}/bases/{base}\"\n"
        );
        fs::write(dir.path().join("cumulate.toml"), config).unwrap();
        let verdict = in_a_browser(dir.path(), &[]);
        println!("{name}: {verdict}");
        assert_eq!(verdict["wrong"], serde_json::json!([]), "{name}");
        assert_eq!((&verdict["fixes"], &verdict["ids"]), (&fixes.into(), &fixes.into()), "{name}");
        assert_eq!((&verdict["reached"], &verdict["loaded"]), (&verdict["focusable"], &0.into()), "{name}");
    }
}
