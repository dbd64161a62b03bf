//! What a release's `fixes/` may hold, and what is refused with which words.

use cumulate::fix::{Change, FixSet, Payload, read_fixes};
use cumulate::report::{Error, ErrorCode};
use std::fs;
use std::path::Path;

const PATCH: &str = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n";

fn read(files: &[(&str, &str)]) -> Result<FixSet, Error> {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    read_fixes(dir.path())
}

fn ids(set: &FixSet) -> Vec<&str> {
    set.fixes.iter().map(|f| f.id.0.as_str()).collect()
}

#[test]
fn ids_come_from_names_and_the_order_from_the_series() {
    let files = [("b.patch", PATCH), ("sub/a.diff", PATCH), ("c/fix.toml", "title = \"C\"\ndelete = [\"x\"]\n")];
    assert_eq!(ids(&read(&files).unwrap()), ["b", "c", "sub__a"]);
    let series = ("series", "# first\nsub/a.diff -p1 # why\n\nc\nb.patch -p1 -R\n");
    let set = read(&[&files[..], &[series]].concat()).unwrap();
    assert_eq!(ids(&set), ["sub__a", "c", "b"]);
    let Payload::Patch(back) = &set.fixes[2].variants[0].payload else { panic!("a patch") };
    assert_eq!(&*back[0].hunks_of_text()[0].lines[0].bytes, b"1\n");
}

trait HunksOfText {
    fn hunks_of_text(&self) -> &[cumulate::patch::Hunk];
}

impl HunksOfText for cumulate::patch::FilePatch {
    fn hunks_of_text(&self) -> &[cumulate::patch::Hunk] {
        match &self.body {
            cumulate::patch::Body::Text(hunks) => hunks,
            other => panic!("no text: {other:?}"),
        }
    }
}

#[test]
fn variants_stand_beside_the_default() {
    let set = read(&[("FIX-1.patch", PATCH), ("FIX-1@7.0.patch", PATCH), ("FIX-1@7.0@arm.patch", PATCH)]).unwrap();
    let variants: Vec<_> = set.fixes[0].variants.iter().map(|v| (v.branch.as_deref(), v.platform.as_deref())).collect();
    assert_eq!(variants, [(None, None), (Some("7.0"), None), (Some("7.0"), Some("arm"))]);
}

#[test]
fn what_cannot_be_used_is_refused_with_its_place() {
    use ErrorCode::{BadPatch, BadPath, Config};
    type Case<'a> = (&'a [(&'a str, &'a str)], ErrorCode, &'a str);
    let table: &[Case<'_>] = &[
        (&[("a.patch", PATCH), ("a.diff", PATCH)], Config, "two fixes have this id"),
        (&[("a.patch", PATCH), ("a/fix.toml", "delete = [\"x\"]")], Config, "two fixes have this id"),
        (
            &[("a.patch", PATCH), ("a@7.0.patch", PATCH), ("a/fix.toml", "delete = [\"x\"]")],
            Config,
            "two fixes have this id",
        ),
        (&[("s/a.patch", PATCH), ("s__a.patch", PATCH)], Config, "two fixes have this id"),
        (&[("s/a.patch", PATCH), ("s__a/fix.toml", "delete = [\"x\"]")], Config, "two fixes have this id"),
        (&[("a.patch", PATCH), ("A.patch", PATCH)], Config, "differ in case only"),
        (&[("a.patch", PATCH), ("A/fix.toml", "delete = [\"x\"]")], Config, "differ in case only"),
        (&[("É.patch", PATCH), ("é.patch", PATCH)], Config, "differ in case only"),
        (&[("S/a.patch", PATCH), ("s/a.patch", PATCH)], Config, "differ in case only"),
        (&[("a.patch", PATCH), ("A@7.0.patch", PATCH)], Config, "differ in case only"),
        (&[("a.patch", PATCH), ("series", "a.patch\nb.patch\n")], Config, "names 'b.patch'"),
        (&[("a.patch", PATCH), ("series", "# none\n")], Config, "leaves out fix 'a'"),
        (&[("a.patch", PATCH), ("series", "a.patch\na.patch\n")], Config, "names 'a' twice"),
        (&[("a.patch", PATCH), ("series", "a.patch -x\n")], Config, "'-x' is no option"),
        (&[("@b.patch", PATCH)], Config, "ID@BRANCH"),
        (&[("a@b@c@d.patch", PATCH)], Config, "ID@BRANCH"),
        (&[("a/fix.toml", "id = \"b\"\ndelete = [\"x\"]")], Config, "its id is 'b'"),
        (&[("a/fix.toml", "titel = \"x\"")], Config, "titel"),
        (&[("a/fix.toml", "delete = [\"../x\"]")], Config, "leaves the tree"),
        (&[("a/fix.toml", "delete = [\"x\"]"), ("a/tree/x", "1")], Config, "both holds and deletes"),
        (&[("a/fix.toml", "delete = [\"x\", \"x\"]")], Config, "two things about this path"),
        (&[("a/fix.toml", "requires = [\"a\"]\ndelete = [\"x\"]")], Config, "names itself"),
        (&[("a.patch", PATCH), ("a.toml", "requires = [\"a\"]")], Config, "names itself"),
        (&[("a.patch", PATCH), ("a.toml", "after = [\"a\"]")], Config, "names itself"),
        (&[("a.patch", PATCH), ("a.toml", "supersedes = [\"a\"]")], Config, "names itself"),
        (&[("a.patch", PATCH), ("a.toml", "conflicts = [\"a\"]")], Config, "names itself"),
        (&[("a/tree/.cumulate/x", "1")], BadPath, "own folder"),
        (&[("a.patch", "--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-1\n+2\n")], BadPatch, "leaves the tree"),
        (
            &[("a.patch", "From: x\nContent-Transfer-Encoding: base64\n\nLS0tIGEvZg==\n")],
            BadPatch,
            "the mail's body is encoded",
        ),
    ];
    for (files, code, words) in table {
        let error = read(files).expect_err(words);
        assert_eq!((error.code, error.message.contains(words)), (*code, true), "{words}: {error}");
        assert!(!error.next.is_empty(), "{words}: says what to do");
    }
}

#[test]
fn several_mails_are_one_fix_with_the_cves_of_all() {
    let mail = |n: u32, cve: &str, body: &str| {
        format!(
            "From {n:040x} Mon Sep 17 00:00:00 2001\nFrom: A <a@b>\nSubject: [PATCH {n}/2] part {n}\n\nFor {cve}.\nSubject: quoted\n---\n{body}"
        )
    };
    let rename = "diff --git a/f b/g\nsimilarity index 100%\nrename from f\nrename to g\n";
    let text = mail(1, "CVE-2024-1111", PATCH) + "-- \n2.47\n\n" + &mail(2, "CVE-2024-2222", rename);
    let set = read(&[("a.patch", &text)]).unwrap();
    let fix = &set.fixes[0];
    assert_eq!(fix.meta.title, "part 1");
    assert_eq!(fix.meta.cves, ["CVE-2024-1111", "CVE-2024-2222"]);
    let Payload::Patch(parts) = &fix.variants[0].payload else { panic!("a patch") };
    // The second mail renames what the first one made, not what stood there before both.
    let before = cumulate::patch::FileState { mode: cumulate::patch::Mode::File, content: b"1\n2\n".as_slice().into() };
    let applied = cumulate::patch::apply_all(parts, |p| (p.as_str() == "f").then(|| before.clone())).unwrap();
    let shown: Vec<_> = applied.changes.iter().map(|(p, s)| (p.as_str(), s.as_ref().map(|s| &*s.content))).collect();
    assert_eq!(shown, [("f", None), ("g", Some(&b"one\n2\n"[..]))]);
}

#[test]
fn an_overlay_says_what_it_puts_links_renames_and_deletes() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("FIX-2/tree");
    fs::create_dir_all(tree.join("bin")).unwrap();
    fs::write(tree.join("bin/run"), "new").unwrap();
    executable(&tree.join("bin/run"));
    std::os::unix::fs::symlink("run", tree.join("bin/r")).unwrap();
    let toml =
        "title = \"T\"\ncves = [\"cve-2024-3333\"]\ndelete = [\"old\"]\nrename = [{ from = \"a\", to = \"b\" }]\n";
    fs::write(dir.path().join("FIX-2/fix.toml"), toml).unwrap();
    let set = read_fixes(dir.path()).unwrap();
    assert_eq!(set.fixes[0].meta.cves, ["CVE-2024-3333"]);
    let Payload::Overlay(changes) = &set.fixes[0].variants[0].payload else { panic!("an overlay") };
    let words: Vec<String> = changes
        .iter()
        .map(|c| match c {
            Change::Put { path, mode, digest, size, .. } => {
                format!("put {path} {mode:?} {size} {:?}", set.store.get(digest).unwrap().escape_ascii().to_string())
            }
            Change::Link { path, target } => format!("link {path} {target}"),
            Change::Delete { path } => format!("delete {path}"),
            Change::Rename { from, to } => format!("rename {from} {to}"),
        })
        .collect();
    assert_eq!(words, ["rename a b", "delete old", "link bin/r run", "put bin/run Exec 3 \"new\""]);
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
