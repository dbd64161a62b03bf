//! A release with a build between what fixes apply to and what installations hold, end to end with the real binary.
//!
//! The build is a few lines of this file: it joins the sources into one file, renames the documents and stamps the
//! version, so that no shipped file has a path or a content of the sources.

mod common;

use common::{assert_same, copy, cumulate, exact};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const SOURCES: &[(&str, &str)] = &[
    ("src/a.c", "int a(void)\n{\n    return 1;\n}\n"),
    ("src/b.c", "int b(void)\n{\n    return 2;\n}\n"),
    ("src/tool.sh", "#!/bin/sh\necho 1\n"),
    ("doc/manual.txt", "how to use it\n"),
    ("doc/old.txt", "nobody reads this\n"),
];

/// Id, patch, metadata beside it; FIX-B stands on FIX-A.
const FIXES: &[(&str, &str, &str)] = &[
    (
        "FIX-A",
        "--- a/src/a.c\n+++ b/src/a.c\n@@ -1,4 +1,4 @@\n int a(void)\n {\n-    return 1;\n+    return 10;\n }\n",
        "affects = [\"lib/*.c\", \"lib/version\"]\ncves = [\"CVE-2026-0001\"]\n",
    ),
    (
        "FIX-B",
        "--- a/src/a.c\n+++ b/src/a.c\n@@ -1,4 +1,5 @@\n int a(void)\n {\n+    check();\n     return 10;\n }\n",
        "affects = [\"lib/*.c\"]\n",
    ),
    (
        "FIX-C",
        "--- a/src/tool.sh\n+++ b/src/tool.sh\n@@ -1,2 +1,2 @@\n #!/bin/sh\n-echo 1\n+echo 2\n",
        "affects = [\"bin/tool\"]\n",
    ),
    (
        "FIX-D",
        "diff --git a/doc/old.txt b/doc/old.txt\ndeleted file mode 100644\n--- a/doc/old.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-nobody reads this\n",
        "affects = [\"share/OLD.TXT\"]\n",
    ),
];

const SOURCE_BASES: &str = "[component]\nname = \"made\"\n[release]\nversion = \"1.2\"\nfrom = \"1.0\"\n\
    [[base]]\nversion = \"1.0\"\nsource = \"bases/1.0\"\n[[base]]\nversion = \"1.1\"\nsource = \"bases/1.1\"\n";

/// What stands between: sources to the files that installations hold.
fn build(sources: &Path, shipped: &Path, version: &str) {
    for dir in ["lib", "bin", "share"] {
        fs::create_dir_all(shipped.join(dir)).unwrap();
    }
    let joined = ["src/a.c", "src/b.c"].map(|f| fs::read_to_string(sources.join(f)).unwrap()).concat();
    fs::write(shipped.join("lib/all.c"), format!("/* all of it */\n{joined}")).unwrap();
    fs::write(shipped.join("lib/version"), version).unwrap();
    let tool = fs::read_to_string(sources.join("src/tool.sh")).unwrap() + "exec true\n";
    fs::write(shipped.join("bin/tool"), tool).unwrap();
    fs::set_permissions(shipped.join("bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
    for item in fs::read_dir(sources.join("doc")).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_uppercase();
        fs::write(shipped.join("share").join(name), fs::read_to_string(&path).unwrap().to_uppercase()).unwrap();
    }
}

/// A release folder with both source bases, what was shipped of them, and the shipped target.
struct Made {
    dir: tempfile::TempDir,
}

impl Made {
    fn new() -> Self {
        let made = Self { dir: tempfile::tempdir().unwrap() };
        let at = |p: &str| made.dir.path().join(p);
        fs::create_dir_all(at("fixes")).unwrap();
        for (id, patch, meta) in FIXES {
            fs::write(at(&format!("fixes/{id}.patch")), patch).unwrap();
            fs::write(at(&format!("fixes/{id}.toml")), meta).unwrap();
        }
        for base in ["1.0", "1.1"] {
            for (path, text) in SOURCES {
                let file = at("bases").join(base).join(path);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
        }
        // 1.1 went out with FIX-A in it.
        fs::write(at("bases/1.1/src/a.c"), "int a(void)\n{\n    return 10;\n}\n").unwrap();
        build(&at("bases/1.0"), &at("shipped/1.0"), "1.0\n");
        build(&at("bases/1.1"), &at("shipped/1.1"), "1.1\n");
        // The configuration names the shipped target already; 'merge' is what makes it possible to build it.
        made.configure("");
        made.run(&["merge", "--out", "merged"]).expect(0);
        build(&at("merged"), &at("shipped/1.2"), "1.2\n");
        made
    }

    /// The configuration with the shipped trees, and `more` behind it.
    fn configure(&self, more: &str) {
        let mut text = SOURCE_BASES.to_owned();
        for base in ["1.0", "1.1"] {
            let source = format!("source = \"bases/{base}\"\n");
            text = text.replace(&source, &format!("{source}shipped = \"shipped/{base}\"\n"));
        }
        text += "[[track]]\nname = \"default\"\ntarget = \"shipped/1.2\"\n";
        fs::write(self.dir.path().join("cumulate.toml"), text + more).unwrap();
    }

    fn run(&self, args: &[&str]) -> common::Run {
        cumulate(self.dir.path(), args)
    }

    /// Code and subject of what keeps the bundle from being written; nothing if it was written.
    fn denied(&self) -> Vec<(String, String)> {
        let built = self.run(&["build", "-o", "x.cup", "--force", "--format", "json"]).json();
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let findings = built["findings"].as_array().unwrap().iter();
        let denied: Vec<_> =
            findings.filter(|f| f["level"] == "deny").map(|f| (text(&f["code"]), text(&f["subject"]))).collect();
        assert_eq!(denied.is_empty(), built["output"].is_string(), "{built:#}");
        denied
    }
}

fn states(base: &Value) -> Vec<(&str, &str)> {
    let fixes = base["fixes"].as_array().unwrap().iter();
    fixes.map(|f| (f["id"].as_str().unwrap(), f["state"].as_str().unwrap())).collect()
}

#[test]
fn every_shipped_base_reaches_what_was_built_of_the_merged_sources() {
    let made = Made::new();
    let at = |p: &str| made.dir.path().join(p);
    made.run(&["keygen", "--out", "k"]).expect(0);
    made.run(&["build", "-o", "made.cup", "--key", "k.key"]).expect(0);
    for base in ["1.0", "1.1"] {
        copy(&at("shipped").join(base), &at("installed"));
        let before = exact(&at("installed"));
        made.run(&["apply", "made.cup", "installed", "--pub", "k.pub"]).expect(0);
        assert_same(&at("installed"), &at("shipped/1.2"));
        let mode = fs::metadata(at("installed/bin/tool")).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "the tool stays executable");
        made.run(&["rollback", "installed"]).expect(0);
        let mut after = exact(&at("installed"));
        after.retain(|p, _| !p.starts_with(".cumulate"));
        assert_eq!(after, before, "rollback restores the shipped {base}");
        fs::remove_dir_all(at("installed")).unwrap();
    }
    // A source tree is not what installations hold.
    copy(&at("bases/1.0"), &at("installed"));
    made.run(&["apply", "made.cup", "installed", "--pub", "k.pub"]).expect(5);

    let told = made.run(&["inspect", "made.cup", "--format", "json"]).expect(0).json();
    let added = |id| (id, "added");
    assert_eq!(states(&told["bases"][0]), ["FIX-A", "FIX-B", "FIX-C", "FIX-D"].map(added));
    assert_eq!(states(&told["bases"][1])[0], ("FIX-A", "contained"));
    assert_eq!(states(&told["bases"][1])[1..], ["FIX-B", "FIX-C", "FIX-D"].map(added));
    assert_eq!(told["edges"][0]["fix"], "FIX-B");
    let one = made.run(&["inspect", "made.cup", "--base", "1.0", "--format", "json"]).expect(0).json();
    let paths = one["bases"][0]["paths"].as_array().unwrap();
    let claimed = |path: &str| paths.iter().find(|p| p["path"] == path).map(|p| p["fixes"].clone());
    assert_eq!(claimed("lib/all.c"), Some(json!(["FIX-A", "FIX-B"])), "{paths:#?}");
    assert_eq!(claimed("bin/tool"), Some(json!(["FIX-C"])));
    assert_eq!(claimed("share/OLD.TXT"), Some(json!(["FIX-D"])));
    assert_eq!(claimed("share/MANUAL.TXT"), None, "what did not change is no step");
}

#[test]
fn what_the_build_changes_and_no_fix_claims_is_denied() {
    let made = Made::new();
    assert_eq!(made.denied(), []);
    fs::write(made.dir.path().join("fixes/FIX-C.toml"), "").unwrap();
    fs::write(made.dir.path().join("fixes/FIX-D.toml"), "").unwrap();
    let pair = |code: &str, path: &str| (code.to_owned(), path.to_owned());
    let (tool, old) = (pair("unclaimed-change", "bin/tool"), pair("deleted-without-fix", "share/OLD.TXT"));
    assert_eq!(made.denied(), [tool.clone(), old.clone()]);
    // The configuration has a say here as it has where no build lies between.
    made.configure("[[retire]]\npath = \"share/*\"\nreason = \"the build makes it no more\"\n");
    assert_eq!(made.denied(), [tool]);
    made.configure("[[paths]]\nmatch = \"bin/*\"\nclass = \"site\"\n");
    assert_eq!(made.denied(), [old], "what is never written changes nothing for anybody");
}

#[test]
fn a_half_declared_build_is_refused() {
    let made = Made::new();
    let file = made.dir.path().join("cumulate.toml");
    let whole = fs::read_to_string(&file).unwrap();
    for missing in ["shipped = \"shipped/1.1\"\n", "target = \"shipped/1.2\"\n"] {
        fs::write(&file, whole.replace(missing, "")).unwrap();
        let error = made.run(&["build", "-o", "x.cup", "--format", "json"]).expect(3).json();
        assert_eq!(error["error"]["code"], "config", "{error:#}");
        assert!(error["error"]["next"].as_str().unwrap().contains("'shipped'"), "{error:#}");
    }
}
