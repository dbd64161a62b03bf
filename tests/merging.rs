//! Fixes that meet in one file: merged where that is certain, refused side by side where it is not, and decided by
//! people where a resolution was recorded.

mod common;

use common::{Run, cumulate, diff};
use cumulate::tree::Digest;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const CONFIG: &str =
    "[component]\nname = \"acme\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"bases/1\"\n";

fn twenty() -> String {
    (1..=20).map(|i| format!("l{i:02}\n")).collect()
}

fn changed(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |t, (line, by)| {
        assert!(t.contains(&format!("{line}\n")), "{line} is there");
        t.replace(&format!("{line}\n"), by)
    })
}

fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A release whose only base has the file `f`.
fn release(f: impl AsRef<[u8]>) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("cumulate.toml"), CONFIG);
    write(dir.path().join("bases/1/f"), f);
    dir
}

/// A whole new `f`, built on another.
fn overlay(dir: &TempDir, id: &str, f: impl AsRef<[u8]>, built_on: impl AsRef<[u8]>) {
    let fix = dir.path().join("fixes").join(id);
    write(fix.join("fix.toml"), format!("[built_on]\nf = \"{}\"\n", Digest::of(built_on.as_ref())));
    write(fix.join("tree/f"), f);
}

fn patch(dir: &TempDir, id: &str, old: &str, new: &str) {
    write(dir.path().join(format!("fixes/{id}.patch")), diff("f", old, new));
}

/// The merged `f`, after the plan was accepted.
fn merged(dir: &TempDir) -> String {
    let out = dir.path().join("merged");
    let _ = fs::remove_dir_all(&out);
    cumulate(dir.path(), &["merge", "--out", "merged"]).expect(0);
    fs::read_to_string(out.join("f")).unwrap()
}

fn plan(dir: &TempDir) -> Run {
    cumulate(dir.path(), &["plan"])
}

#[test]
fn whole_texts_built_on_one_base_are_merged_and_everybody_is_told() {
    let base = twenty();
    let dir = release(&base);
    let edits = [("A", ("l03", "A\n")), ("B", ("l10", "")), ("C", ("l17", "l17\nC\n"))];
    for (id, edit) in edits {
        overlay(&dir, id, changed(&base, &[edit]), &base);
    }
    let said = plan(&dir).expect(0).stdout;
    assert!(said.contains("joins A in 'f': what each changed is merged"), "{said}");
    assert!(said.contains("joins A, B in 'f'"), "{said}");
    assert_eq!(merged(&dir), changed(&base, &edits.map(|e| e.1)));

    cumulate(dir.path(), &["build", "-o", "acme.cup"]).expect(0);
    let seen = cumulate(dir.path(), &["inspect", "acme.cup"]).expect(0).stdout;
    assert!(seen.contains("C joins A, B in 'f': merged clean"), "{seen}");
    common::copy(&dir.path().join("bases/1"), &dir.path().join("site"));
    cumulate(dir.path(), &["apply", "acme.cup", "site", "--allow-unsigned"]).expect(0);
    assert_eq!(fs::read_to_string(dir.path().join("site/f")).unwrap(), changed(&base, &edits.map(|e| e.1)));
}

#[test]
fn a_patch_survives_a_whole_text_that_never_heard_of_it() {
    let base = twenty();
    let dir = release(&base);
    patch(&dir, "A", &base, &changed(&base, &[("l03", "A\n")]));
    overlay(&dir, "B", changed(&base, &[("l17", "B\n")]), &base);
    assert_eq!(plan(&dir).expect(0).stdout.matches("needs").count(), 0);
    assert_eq!(merged(&dir), changed(&base, &[("l03", "A\n"), ("l17", "B\n")]));
}

#[test]
fn binary_files_and_those_built_on_something_else_are_not_merged() {
    let mut base = twenty().into_bytes();
    base.push(0);
    let dir = release(&base);
    let edit = |at: usize| {
        let mut bytes = base.clone();
        bytes[at] = b'x';
        bytes
    };
    overlay(&dir, "A", edit(0), &base);
    overlay(&dir, "B", edit(70), &base);
    let said = plan(&dir).expect(1).stdout;
    assert!(said.contains("the contents are binary or very large: they are never merged"), "{said}");

    // B knows nothing of the base: it is built on what A leaves, and needs it.
    let (base, a) = (twenty(), changed(&twenty(), &[("l03", "A\n")]));
    let dir = release(&base);
    overlay(&dir, "A", &a, &base);
    overlay(&dir, "B", changed(&a, &[("l17", "B\n")]), &a);
    assert!(plan(&dir).expect(0).stdout.contains("needs A (content)"));
}

/// Writes the decision that a refusal asks for.
fn decide(dir: &TempDir, said: &str, result: &str) {
    let (_, rest) = said.split_once("beside fixes/").unwrap();
    let (file, rest) = rest.split_once(":\n").unwrap();
    let toml: String = rest.lines().take_while(|l| l.starts_with("    ")).map(|l| format!("{}\n", l.trim())).collect();
    let file = dir.path().join("fixes").join(file);
    write(&file, toml.replace("reviewed_by = \"\"", "reviewed_by = \"dana\"\nreason = \"both\""));
    write(file.with_file_name("result"), result);
}

#[test]
fn fixes_of_the_same_lines_are_shown_side_by_side_and_a_decision_settles_them() {
    let base = twenty();
    let (a, b) = (changed(&base, &[("l10", "A\n")]), changed(&base, &[("l10", "B\n")]));
    let both = changed(&base, &[("l10", "A and B\n")]);
    let kinds: [&dyn Fn(&TempDir); 3] = [
        &|dir| {
            overlay(dir, "A", &a, &base);
            overlay(dir, "B", &b, &base);
        },
        &|dir| {
            patch(dir, "A", &base, &a);
            patch(dir, "B", &base, &b);
        },
        &|dir| {
            // Nobody says what these are built on: either order would lose one of them.
            write(dir.path().join("fixes/A/tree/f"), &a);
            write(dir.path().join("fixes/B/tree/f"), &b);
        },
    ];
    for lay in kinds {
        let dir = release(&base);
        lay(&dir);
        let said = plan(&dir).expect(1).stdout;
        let beside = |l: &str, r: &str| said.lines().any(|x| x.trim().starts_with(l) && x.ends_with(&format!("| {r}")));
        assert!(beside("-l10", "-l10") && beside("+A", "+B"), "{said}");
        decide(&dir, &said, &both);
        let said = plan(&dir).expect(0).stdout;
        assert!(said.contains("joins A in 'f': as decided in A+B, reviewed by dana: both"), "{said}");
        assert_eq!(merged(&dir), both);
        cumulate(dir.path(), &["build", "-o", "acme.cup"]).expect(0);
        let seen = cumulate(dir.path(), &["inspect", "acme.cup", "--format", "json"]).expect(0).json();
        assert_eq!(seen["merges"][0]["resolution"]["reviewed_by"], "dana");

        // Made on other contents, it is not replayed and does not pass unnoticed.
        let toml = dir.path().join("fixes/resolutions/A+B/resolution.toml");
        let text = fs::read_to_string(&toml).unwrap();
        fs::write(&toml, text.replace(&Digest::of(b.as_bytes()).to_string(), &Digest::of(b"").to_string())).unwrap();
        plan(&dir).expect(1);
    }
}

#[test]
fn a_decision_between_patches_holds_on_top_of_others_and_says_when_it_is_stale() {
    let base = twenty();
    let first = changed(&base, &[("l03", "first\n")]);
    let (a, b) = (changed(&first, &[("l10", "A\n")]), changed(&first, &[("l10", "B\n")]));
    let dir = release(&base);
    patch(&dir, "0", &base, &first);
    patch(&dir, "A", &first, &a);
    patch(&dir, "B", &first, &b);
    let said = plan(&dir).expect(1).stdout;
    decide(&dir, &said, &changed(&first, &[("l10", "A and B\n")]));
    plan(&dir).expect(0);
    assert_eq!(merged(&dir), changed(&first, &[("l10", "A and B\n")]));

    patch(&dir, "B", &base, &changed(&base, &[("l17", "B\n")]));
    let said = plan(&dir).expect(0);
    let told = said.stdout + &said.stderr;
    assert!(told.contains("resolutions/A+B") && told.contains("it is not replayed"), "{told}");
}

#[test]
fn a_decision_is_replayed_whatever_the_name_of_a_third_fix_on_the_path() {
    let lines = |from: usize, to: usize| (from..=to).map(|i| format!("l{i}\n")).collect::<String>();
    let base = lines(1, 19) + "#endif\n\n\ntypedef x\n\n\n" + &lines(26, 30);
    // Both orders apply, each with another text.
    let inserts = |what: &str| {
        format!("--- a/f\n+++ b/f\n@@ -17,6 +17,10 @@\n l17\n l18\n l19\n+#endif\n+\n+\n+#if {what}\n #endif\n \n \n")
    };
    let both = base.replace("l19\n#endif\n", "l19\n#endif\n\n\n#if both by hand\n#endif\n");
    for third in ["0C", "AC", "C"] {
        let dir = release(&base);
        write(dir.path().join("fixes/A.patch"), inserts("a"));
        write(dir.path().join("fixes/B.patch"), inserts("b"));
        let said = plan(&dir).expect(1).stdout;
        decide(&dir, &said, &both);
        patch(&dir, third, &base, &base.replace("l2\n", "third\n"));
        let said = plan(&dir).expect(0);
        assert!(said.stdout.contains("joins A in 'f': as decided in A+B, reviewed by dana"), "{}", said.stdout);
        assert_eq!(merged(&dir), both.replace("l2\n", "third\n"), "with {third}");
        let why = cumulate(dir.path(), &["plan", "--explain", "A", "B"]).expect(0).stdout;
        assert!(why.contains("as decided in A+B") && !why.contains("does not matter"), "{why}");

        // Where the third has to come between, nothing decides the two, and that is no plan.
        write(dir.path().join("fixes/B.toml"), format!("after = [\"{third}\"]\n"));
        let said = plan(&dir).expect(1);
        assert!((said.stdout + &said.stderr).contains("no order is decided between A and B"));
    }
}

#[test]
fn a_decision_that_nobody_reviewed_is_refused() {
    let dir = release(twenty());
    let digest = Digest::of(b"");
    write(
        dir.path().join("fixes/resolutions/x/resolution.toml"),
        format!("path = \"f\"\nbase = \"{digest}\"\nreviewed_by = \"\"\n[sides]\nA = \"{digest}\"\nB = \"{digest}\"\n"),
    );
    write(dir.path().join("fixes/resolutions/x/result"), "");
    let said = plan(&dir).expect(3).stderr;
    assert!(said.contains("nobody reviewed it"), "{said}");

    let toml = dir.path().join("fixes/resolutions/x/resolution.toml");
    write(&toml, fs::read_to_string(&toml).unwrap().replace("\"\"", "\"dana\""));
    fs::remove_file(dir.path().join("fixes/resolutions/x/result")).unwrap();
    let said = plan(&dir).expect(3).stderr;
    assert!(said.contains("'result' beside it is not there"), "{said}");
}
