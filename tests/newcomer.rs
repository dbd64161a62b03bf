//! What somebody who knows nothing but the README tries: each test one story, told with the real binary.

mod common;

use common::{Run, copy, cumulate};
use std::fs;
use std::path::{Path, PathBuf};

/// A scratch folder with an unpacked 1.0.0 (`v0`), a release folder (`rel`) and a key pair (`release.*`).
struct Desk {
    dir: tempfile::TempDir,
}

fn files(dir: &Path, list: &[(&str, &str)]) {
    for (path, text) in list {
        fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
        fs::write(dir.join(path), text).unwrap();
    }
}

impl Desk {
    /// `config` is what the newcomer adds to `cumulate.toml`.
    fn new(v0: &[(&str, &str)], config: &str) -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        files(&desk.path("v0"), v0);
        fs::create_dir_all(desk.path("rel/fixes")).unwrap();
        let head = "[component]\nname = \"app\"\n[release]\nversion = \"1.0.1\"\nfrom = \"1.0.0\"\n";
        fs::write(desk.path("rel/cumulate.toml"), format!("{head}{config}")).unwrap();
        desk.run(&["base", "add", "1.0.0", "--from", "v0", "--dir", "rel"]).expect(0);
        desk.run(&["keygen", "--out", "release"]).expect(0);
        desk
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn run(&self, args: &[&str]) -> Run {
        cumulate(self.dir.path(), args)
    }
    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }
    fn build(&self) -> Run {
        self.run(&["build", "rel", "-o", "b.cup", "--key", "release.key", "--force"])
    }
}

const ETC: &str = "[[paths]]\nmatch = \"etc/*\"\nclass = \"config\"\n";

/// The site's edit of a config file must not matter to a file of code that happens to have the shipped content.
#[test]
fn an_edited_config_file_is_no_source_of_what_the_release_makes_of_it() {
    let text = "opt = 1\n".repeat(40);
    let desk = Desk::new(&[("bin/p", "1\n"), ("etc/a.conf", &text), ("etc/moved.conf", "m = 1\n")], ETC);
    copy(&desk.path("v0"), &desk.path("v1"));
    fs::rename(desk.path("v1/etc/moved.conf"), desk.path("v1/etc/renamed.conf")).unwrap();
    files(&desk.path("v1"), &[("lib/a.default", &text), ("lib/a.sample", &format!("{text}# end\n"))]);
    desk.run(&["import", "dir", "v0", "v1", "--id", "F1", "-o", "rel/fixes"]).expect(0);
    desk.build().expect(0);
    copy(&desk.path("v0"), &desk.path("inst"));
    files(&desk.path("inst"), &[("etc/a.conf", "opt = 9\n"), ("etc/moved.conf", "m = 9\n")]);
    desk.run(&["apply", "b.cup", "inst", "--pub", "release.pub"]).expect(0);
    assert_eq!(desk.read("inst/lib/a.default"), text);
    assert_eq!(desk.read("inst/etc/a.conf"), "opt = 9\n");
    assert_eq!(
        (desk.read("inst/etc/moved.conf"), desk.read("inst/etc/renamed.conf")),
        ("m = 9\n".into(), "m = 1\n".into())
    );
}

const VOLATILE: &str = "[[paths]]\nmatch = \"var/**\"\nclass = \"volatile\"\n";
const A_FIX: &str = "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n";

#[test]
fn a_bundles_target_becomes_a_base_though_the_old_base_has_volatile_files() {
    let desk = Desk::new(&[("a", "1\n2\n3\n"), ("var/log", "l\n")], VOLATILE);
    files(&desk.path("rel/fixes"), &[("A.patch", A_FIX)]);
    desk.build().expect(0);
    let added = desk.run(&["base", "add", "1.0.1", "--from", "b.cup", "--dir", "rel", "--format", "json"]).expect(0);
    assert_eq!(added.json()["made_from"], "1.0.0");
    assert_eq!(desk.read("rel/bases/1.0.1/a"), "one\n2\n3\n");
    assert!(!desk.path("rel/bases/1.0.1/var").exists(), "what is none of ours is not in the bundle");
    files(&desk.path("rel/fixes"), &[("B.patch", "--- a/a\n+++ b/a\n@@ -2,2 +2,2 @@\n 2\n-3\n+three\n")]);
    desk.build().expect(0);
}

#[test]
fn a_base_of_one_of_several_tracks_has_to_say_which() {
    let tracks = "[[track]]\nname = \"a\"\n[[track]]\nname = \"b\"\n";
    let desk = Desk::new(&[("a", "1\n")], "");
    fs::write(
        desk.path("rel/cumulate.toml"),
        format!("[component]\nname = \"app\"\n[release]\nversion = \"2\"\n{tracks}"),
    )
    .unwrap();
    let no = desk.run(&["base", "add", "1.0.0", "--from", "v0", "--dir", "rel"]).expect(2);
    assert!(no.stderr.contains("--track: a, b"), "{}", no.stderr);
    desk.run(&["base", "add", "1.0.0", "--from", "v0", "--dir", "rel", "--track", "b"]).expect(0);
}

/// Patch, the word that must stand in what `plan` says, its exit code.
#[test]
fn fixes_that_do_nothing_or_something_else_than_they_say_are_told_by_plan() {
    let setuid = "diff --git a/s b/s\nnew file mode 104755\n--- /dev/null\n+++ b/s\n@@ -0,0 +1 @@\n+x\n";
    let table = [
        ("context alone", "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n 1\n 2\n", "empty-fix", 1),
        (
            "there and back",
            "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n-1\n+x\n 2\n--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n-x\n+1\n 2\n",
            "empty-fix",
            1,
        ),
        ("a volatile path alone", "--- a/var/log\n+++ b/var/log\n@@ -1 +1 @@\n-l\n+m\n", "never-written", 1),
        ("set-user-id", setuid, "set-user-id", 3),
    ];
    for (what, patch, word, code) in table {
        let desk = Desk::new(&[("a", "1\n2\n3\n"), ("var/log", "l\n")], VOLATILE);
        files(&desk.path("rel/fixes"), &[("F.patch", patch)]);
        let run = desk.run(&["plan", "rel"]);
        assert!(format!("{}{}", run.stdout, run.stderr).contains(word), "{what}: {}{}", run.stdout, run.stderr);
        run.expect(code);
        assert_ne!(desk.build().code, 0, "{what}");
    }
}

#[test]
fn a_plan_needs_no_build_that_does_not_exist_yet() {
    let desk = Desk::new(&[("a", "1\n2\n3\n")], "");
    files(&desk.path("rel/fixes"), &[("A.patch", A_FIX)]);
    let text = desk.read("rel/cumulate.toml");
    let text = text.replace("version = \"1.0.0\"", "version = \"1.0.0\"\nshipped = \"../shipped\"");
    let rules = "[[paths]]\nmatch = \"lib/only-shipped\"\nclass = \"config\"\n";
    let target = "[[track]]\nname = \"default\"\ntarget = \"../built\"\n";
    fs::write(desk.path("rel/cumulate.toml"), format!("{text}{target}{rules}")).unwrap();
    let plan = desk.run(&["plan", "rel", "--format", "json"]).expect(0).json();
    assert_eq!(plan["order"], serde_json::json!(["A"]));
    assert_eq!(plan["findings"], serde_json::json!([]), "a rule for shipped paths cannot be judged by the sources");
    desk.build().expect(6);
}

#[test]
fn a_missing_base_is_named() {
    let desk = Desk::new(&[("a", "1\n")], "");
    fs::rename(desk.path("v0"), desk.path("elsewhere")).unwrap();
    let run = desk.run(&["plan", "rel"]).expect(6);
    assert!(run.stderr.contains("base '1.0.0' cannot be read"), "{}", run.stderr);
}

/// Other keys take the place of trusted ones only where those have signed too, or on demand.
#[test]
fn trust_is_not_replaced_in_silence() {
    let desk = Desk::new(&[("a", "1\n2\n3\n")], "");
    files(&desk.path("rel/fixes"), &[("A.patch", A_FIX)]);
    desk.build().expect(0);
    desk.run(&["keygen", "--out", "other"]).expect(0);
    desk.run(&["build", "rel", "-o", "other.cup", "--key", "other.key"]).expect(0);
    copy(&desk.path("v0"), &desk.path("inst"));
    desk.run(&["apply", "b.cup", "inst", "--pub", "release.pub"]).expect(0);
    desk.run(&["rollback", "inst"]).expect(0);
    let no = desk.run(&["apply", "other.cup", "inst", "--pub", "other.pub"]).expect(4);
    assert!(no.stderr.contains("--replace-trust"), "{}", no.stderr);
    assert_eq!(desk.read("inst/a"), "1\n2\n3\n");
    desk.run(&["apply", "other.cup", "inst", "--pub", "other.pub", "--replace-trust", "--dry-run"]).expect(0);
    desk.run(&["apply", "other.cup", "inst", "--pub", "other.pub"]).expect(4);
    // Signed by both, it hands over from the one to the other.
    desk.run(&["sign", "b.cup", "--key", "other.key", "--role", "release"]).expect(0);
    desk.run(&["apply", "b.cup", "inst", "--pub", "other.pub"]).expect(0);
    desk.run(&["rollback", "inst"]).expect(0);
    desk.run(&["apply", "other.cup", "inst"]).expect(0);
}

/// A message names what the person named, and repeats nothing of a file that was named by mistake.
#[test]
fn messages_name_what_was_asked_for_and_no_more() {
    let desk = Desk::new(&[("a", "1\n")], "");
    let long: String = (0..40).map(|n| format!("user{n}:secret:{n}:/home\n")).collect();
    files(desk.dir.path(), &[("passwords", &long)]);
    let no = desk.run(&["base", "add", "2", "--from", "passwords", "--dir", "rel"]).expect(3);
    assert!(no.stderr.contains("no tar archive") && !no.stderr.contains("secret"), "{}", no.stderr);
    let no = desk.run(&["keygen", "--out", "nosuch/x"]).expect(6);
    assert!(no.stderr.contains("nosuch/x.key") && !no.stderr.contains("tmp"), "{}", no.stderr);
}
