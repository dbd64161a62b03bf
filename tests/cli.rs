//! The command line as a person meets it: the demo component, situations as a table, codes and exit codes.

mod common;

use common::{assert_same, command, copy, cumulate, exact};
use std::fs;
use std::path::{Path, PathBuf};

/// A scratch folder with the demo release, a key pair and a signed bundle.
struct Demo {
    dir: tempfile::TempDir,
}

impl Demo {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(Path::new("testdata/demo"), &dir.path().join("lantern"));
        let demo = Self { dir };
        demo.run(&["keygen", "--out", "release"]).expect(0);
        demo.run(&["build", "lantern", "-o", "l.cup", "--key", "release.key"]).expect(0);
        demo
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn run(&self, args: &[&str]) -> common::Run {
        cumulate(self.dir.path(), args)
    }
    fn install(&self, base: &str) -> PathBuf {
        let dir = self.path("installed");
        let _ = fs::remove_dir_all(&dir);
        copy(&self.path("lantern/bases").join(base), &dir);
        dir
    }
}

/// The plan that the demo's README speaks of.
#[test]
fn the_plan_of_the_demo() {
    let demo = Demo::new();
    let plan = demo.run(&["plan", "lantern", "--format", "json"]).expect(0).json();
    assert_eq!(plan["schema"], "cumulate.plan/1");
    for args in [&["plan", "lantern"][..], &["inspect", "l.cup"], &["verify", "l.cup", "--pub", "release.pub"]] {
        let begins = format!("{{\n  \"schema\": \"cumulate.{}/1\",", args[0]);
        let out = demo.run(&[args, &["--format", "json"]].concat()).expect(0).stdout;
        assert!(out.starts_with(&begins), "{out:.60}");
    }
    let order = ["LAN-101", "LAN-102", "LAN-103", "LAN-104", "LAN-105", "LAN-107", "LAN-108", "LAN-109"];
    assert_eq!(plan["order"], serde_json::json!(order));
    let edges: Vec<_> = plan["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| format!("{} {} {}", e["fix"], e["needs"], e["kind"]))
        .collect();
    assert_eq!(edges, [r#""LAN-102" "LAN-101" "hunk""#, r#""LAN-109" "LAN-102" "context""#]);
    assert_eq!(plan["order_pairs"][0]["first"], "LAN-108");
    assert_eq!(plan["order_pairs"][0]["kind"], "conflict");
    assert_eq!(plan["fixes"]["LAN-109"]["requires_all"], serde_json::json!(["LAN-101", "LAN-102"]));
    assert_eq!(plan["dropped"]["LAN-106"], "superseded by LAN-107");
}

#[test]
fn every_base_of_the_demo_reaches_one_target_and_comes_back() {
    let demo = Demo::new();
    let mut target: Option<PathBuf> = None;
    for base in ["1.0.0", "1.0.1", "1.0.2"] {
        let dir = demo.install(base);
        let before = exact(&dir);
        demo.run(&["apply", "l.cup", "installed", "--pub", "release.pub"]).expect(0);
        match &target {
            None => {
                copy(&dir, &demo.path("target"));
                target = Some(demo.path("target"));
            }
            Some(t) => assert_same(&dir, t),
        }
        let again = demo.run(&["apply", "l.cup", "installed", "--format", "json"]).expect(0).json();
        assert_eq!(again["outcome"], "nothing-to-do");
        demo.run(&["rollback", "installed"]).expect(0);
        let mut after = exact(&dir);
        after.retain(|p, _| !p.starts_with(".cumulate"));
        assert_eq!(after, before, "rollback restores contents, modes and times of {base}");
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes_whatever_the_circumstances() {
    let demo = Demo::new();
    let elsewhere = demo.path("another/place");
    copy(&demo.path("lantern"), &elsewhere);
    let _ = fs::remove_dir_all(elsewhere.join(".cumulate-cache"));
    let run = command(demo.dir.path())
        .args(["build", "another/place", "-o", "again.cup", "--key", "release.key", "--threads", "1", "--no-cache"])
        .env("TZ", "Pacific/Kiritimati")
        .env("LC_ALL", "tr_TR.UTF-8")
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(fs::read(demo.path("l.cup")).unwrap() == fs::read(demo.path("again.cup")).unwrap(), "other bytes");
}

/// Situation, arguments, exit code, code in the JSON error.
#[test]
fn what_is_refused_and_how() {
    let demo = Demo::new();
    demo.run(&["keygen", "--out", "other"]).expect(0);
    demo.run(&["build", "lantern", "-o", "unsigned.cup"]).expect(0);
    let mut bytes = fs::read(demo.path("l.cup")).unwrap();
    fs::write(demo.path("short.cup"), &bytes[..bytes.len() / 2]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(demo.path("flipped.cup"), &bytes).unwrap();
    fs::create_dir(demo.path("empty")).unwrap();
    let table: &[(&str, &[&str], i32, &str)] = &[
        ("a key that exists is never overwritten", &["keygen", "--out", "release"], 2, "exists"),
        ("init refuses to overwrite", &["init", "lantern"], 2, "exists"),
        ("a bundle is not overwritten", &["build", "lantern", "-o", "l.cup"], 2, "exists"),
        ("no configuration", &["plan", "empty"], 3, "config"),
        ("verify without a key", &["verify", "l.cup"], 4, "no-trust"),
        ("verify with another key", &["verify", "l.cup", "--pub", "other.pub"], 4, "untrusted"),
        ("verify an unsigned bundle", &["verify", "unsigned.cup", "--pub", "release.pub"], 4, "unsigned"),
        ("a truncated bundle", &["verify", "short.cup", "--pub", "release.pub"], 3, "bad-bundle"),
        ("one changed bit", &["verify", "flipped.cup", "--pub", "release.pub"], 3, "bad-bundle"),
        ("apply with another key", &["apply", "l.cup", "installed", "--pub", "other.pub"], 4, "untrusted"),
        ("apply without any trust", &["apply", "l.cup", "installed"], 4, "no-trust"),
        ("apply an unsigned bundle", &["apply", "unsigned.cup", "installed"], 4, "unsigned"),
        ("apply a changed bundle", &["apply", "flipped.cup", "installed", "--pub", "release.pub"], 3, "bad-bundle"),
        ("apply to something else", &["apply", "l.cup", "empty", "--pub", "release.pub"], 5, "no-base"),
        ("roll back what was never applied", &["rollback", "installed"], 5, "no-rollback"),
        ("a gate without its configuration", &["check", "l.cup", "--config", "empty/cumulate.toml"], 9, "gate-broken"),
    ];
    for (what, args, exit, code) in table {
        let dir = demo.install("1.0.1");
        let before = exact(&dir);
        let mut args = args.to_vec();
        args.extend(["--format", "json"]);
        let run = demo.run(&args);
        assert_eq!(run.code, *exit, "{what}: {}{}", run.stdout, run.stderr);
        let error = run.json();
        assert_eq!(error["error"]["code"], *code, "{what}");
        assert!(!error["error"]["next"].as_str().unwrap().is_empty(), "{what}: says what to do next");
        assert_eq!(exact(&dir), before, "{what}: nothing under the installation has changed");
    }
}

/// Fixes that must not be taken, each as one patch in an otherwise good release.
#[test]
fn hostile_fixes_are_refused_with_their_line() {
    let table: &[(&str, &str)] = &[
        ("leaves the tree", "--- a/../../etc/passwd\n+++ b/../../etc/passwd\n@@ -0,0 +1 @@\n+x\n"),
        ("absolute", "--- /dev/null\n+++ b//etc/passwd\n@@ -0,0 +1 @@\n+x\n"),
        ("names cumulate's folder", "--- /dev/null\n+++ b/.cumulate/journal\n@@ -0,0 +1 @@\n+x\n"),
        ("an ed script", "1d\n2,3c\n!touch /tmp/x\n.\nw\n"),
        (
            "writes through a link that it made itself",
            "diff --git a/out b/out\nnew file mode 120000\n--- /dev/null\n+++ b/out\n@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\ndiff --git a/out/passwd b/out/passwd\nnew file mode 100644\n--- /dev/null\n+++ b/out/passwd\n@@ -0,0 +1 @@\n+x\n",
        ),
        (
            "binary data that lies",
            "diff --git a/x b/x\nnew file mode 100644\nindex 0000000..1111111\nGIT binary patch\nliteral 99999999999\nKcmZQzU|?Vb00961\n\n",
        ),
    ];
    for (what, patch) in table {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("fixes")).unwrap();
        fs::create_dir_all(dir.path().join("base")).unwrap();
        fs::write(dir.path().join("base/file"), "a\n").unwrap();
        fs::write(dir.path().join("fixes/EVIL.patch"), patch).unwrap();
        let config =
            "[component]\nname = \"c\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n";
        fs::write(dir.path().join("cumulate.toml"), config).unwrap();
        let run = cumulate(dir.path(), &["build", "-o", "x.cup"]);
        assert!(matches!(run.code, 1 | 3), "{what}: exit {}\n{}{}", run.code, run.stdout, run.stderr);
        assert!(run.stderr.contains("EVIL"), "{what}: names the fix: {}", run.stderr);
        assert!(!dir.path().join("x.cup").exists(), "{what}: nothing is written");
    }
}

/// A path that only one base has must not go quietly.
#[test]
fn a_file_that_no_fix_deletes_is_a_denied_finding_until_it_is_retired() {
    let demo = Demo::new();
    fs::write(demo.path("lantern/bases/1.0.2/src/extra.c"), "int extra;\n").unwrap();
    let built = demo.run(&["build", "lantern", "-o", "x.cup", "--format", "json"]).expect(1).json();
    let denied: Vec<_> = built["findings"].as_array().unwrap().iter().filter(|f| f["level"] == "deny").collect();
    assert_eq!(denied.len(), 1, "{denied:?}");
    assert_eq!(denied[0]["code"], "deleted-without-fix");
    assert_eq!(denied[0]["subject"], "src/extra.c");
    assert!(!demo.path("x.cup").exists());
    let config = demo.path("lantern/cumulate.toml");
    let text = fs::read_to_string(&config).unwrap()
        + "\n[[retire]]\npath = \"src/extra.c\"\nreason = \"never shipped on purpose\"\n";
    fs::write(&config, text).unwrap();
    demo.run(&["build", "lantern", "-o", "x.cup"]).expect(0);
}

/// Last quarter's bundle is this quarter's base.
#[test]
fn the_target_of_a_bundle_becomes_a_base() {
    let demo = Demo::new();
    let added =
        demo.run(&["base", "add", "1.0.3", "--from", "l.cup", "--dir", "lantern", "--format", "json"]).expect(0).json();
    let inspect = demo.run(&["inspect", "l.cup", "--format", "json"]).expect(0).json();
    assert_eq!(added["tree"], inspect["target"]["tree"]);
    let dir = demo.install("1.0.0");
    demo.run(&["apply", "l.cup", "installed", "--pub", "release.pub"]).expect(0);
    assert_same(&demo.path("lantern/bases/1.0.3"), &dir);
    demo.run(&["base", "add", "1.0.3", "--from", "l.cup", "--dir", "lantern"]).expect(3);
}

#[test]
fn the_gate_is_green_for_the_demo_and_red_for_a_lost_fix_and_a_small_budget() {
    let demo = Demo::new();
    let config = "lantern/cumulate.toml";
    demo.run(&["check", "l.cup", "--config", config]).expect(0);
    demo.run(&["build", "lantern", "--without", "LAN-104", "-o", "less.cup", "--key", "release.key"]).expect(0);
    let red =
        demo.run(&["check", "less.cup", "--config", config, "--against", "l.cup", "--format", "json"]).expect(1).json();
    let codes: Vec<&str> = red["gates"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|g| g["findings"].as_array().unwrap())
        .map(|f| f["code"].as_str().unwrap())
        .collect();
    assert!(codes.contains(&"fix-lost"), "{codes:?}");
    let text = fs::read_to_string(demo.path(config)).unwrap().replace("\"20 KiB\"", "100");
    fs::write(demo.path(config), text).unwrap();
    let junit = demo.run(&["check", "l.cup", "--config", config, "--format", "junit"]).expect(1);
    assert!(junit.stdout.contains("over-budget") && junit.stdout.contains("<testsuite"), "{}", junit.stdout);
}

#[test]
fn one_file_through_the_engine_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (fs::read("Cargo.lock").unwrap(), fs::read("Cargo.toml").unwrap());
    fs::write(dir.path().join("old"), &old).unwrap();
    fs::write(dir.path().join("new"), [&old[..], &new].concat()).unwrap();
    for profile in ["fast", "balanced", "small"] {
        cumulate(dir.path(), &["delta", "encode", "old", "new", "-o", "d", "--profile", profile, "--force"]).expect(0);
        cumulate(dir.path(), &["delta", "decode", "old", "d", "-o", "back", "--force"]).expect(0);
        assert!(fs::read(dir.path().join("back")).unwrap() == fs::read(dir.path().join("new")).unwrap(), "{profile}");
    }
    fs::write(dir.path().join("old"), &new).unwrap();
    let wrong =
        cumulate(dir.path(), &["delta", "decode", "old", "d", "-o", "other", "--format", "json"]).expect(3).json();
    assert_eq!(wrong["error"]["code"], "bad-delta");
    assert!(!dir.path().join("other").exists());
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    std::os::unix::fs::symlink("back", dir.path().join("link")).unwrap();
    for there in ["folder", "link"] {
        let run = cumulate(dir.path(), &["delta", "decode", "old", "d", "-o", there, "--force"]).expect(2);
        assert!(run.stderr.contains("is no file"), "{there}: {}", run.stderr);
    }
    assert!(dir.path().join("link").is_symlink());
}

/// A patch that was cut off or that only none of ours would take must not pass as a delivered fix.
#[test]
fn a_fix_that_changes_nothing_is_denied() {
    let demo = Demo::new();
    fs::write(demo.path("lantern/fixes/CVE-2026-9999.patch"), "").unwrap();
    let series = demo.path("lantern/fixes/series");
    fs::write(&series, fs::read_to_string(&series).unwrap() + "CVE-2026-9999.patch\n").unwrap();
    let run = demo.run(&["build", "lantern", "-o", "x.cup"]).expect(1);
    assert!(run.stdout.contains("denied[empty-fix]: CVE-2026-9999"), "{}", run.stdout);
    fs::write(&series, fs::read_to_string(&series).unwrap().replace("CVE-2026-9999.patch\n", "")).unwrap();
    fs::remove_file(demo.path("lantern/fixes/CVE-2026-9999.patch")).unwrap();
    let config = demo.path("lantern/cumulate.toml");
    let text = fs::read_to_string(&config).unwrap() + "\n[[paths]]\nmatch = \"tools/*\"\nclass = \"site\"\n";
    fs::write(&config, text).unwrap();
    let run = demo.run(&["build", "lantern", "-o", "x.cup"]).expect(1);
    assert!(run.stdout.contains("denied[never-written]: LAN-104"), "{}", run.stdout);
}

#[test]
fn help_has_examples_and_completions_and_man_pages_come_out() {
    let dir = tempfile::tempdir().unwrap();
    for c in
        ["init", "keygen", "plan", "build", "pull", "sign", "verify", "inspect", "apply", "rollback", "status", "check"]
    {
        let help = cumulate(dir.path(), &[c, "--help"]).expect(0).stdout;
        assert!(help.contains("Examples:"), "{c}: {help}");
    }
    assert!(cumulate(dir.path(), &["completions", "bash"]).expect(0).stdout.contains("cumulate"));
    cumulate(dir.path(), &["man", "--out", "man"]).expect(0);
    assert!(dir.path().join("man/cumulate-apply.1").exists());
    assert_eq!(cumulate(dir.path(), &["no-such-verb"]).code, 2);
}
