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

/// In a page that chromium has laid out: no label leaves its box, no box lies on another, every box and line takes the
/// focus and then tells its reason, every id is found as text, nothing was loaded.
fn in_a_browser(release: &Path) -> serde_json::Value {
    let run = cumulate(release, &["plan", "--format", "html"]);
    let check = fs::read_to_string("tests/browser.js").unwrap();
    let page = run.stdout.replace("</body>", &format!("<script>{check}</script></body>"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("page.html");
    fs::write(&file, page).unwrap();
    let out = std::process::Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--user-data-dir={}", dir.path().join("profile").display()))
        .arg(format!("file://{}", file.display()))
        .output()
        .expect("apt-get install chromium");
    let dom = String::from_utf8_lossy(&out.stdout);
    let said = dom.split("<pre id=\"verdict\">").nth(1).and_then(|s| s.split("</pre>").next()).expect("a verdict");
    serde_json::from_str(&said.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")).unwrap()
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
        let verdict = in_a_browser(dir.path());
        println!("{name}: {verdict}");
        assert_eq!(verdict["wrong"], serde_json::json!([]), "{name}");
        assert_eq!((&verdict["fixes"], &verdict["ids"]), (&fixes.into(), &fixes.into()), "{name}");
        assert_eq!((&verdict["reached"], &verdict["loaded"]), (&verdict["focusable"], &0.into()), "{name}");
    }
}
