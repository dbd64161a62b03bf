//! What a newcomer tried on a real release: the advice of a message works when it is followed to the letter, and
//! nothing that was asked for is left undone in silence.

mod common;

use common::{cumulate, diff};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn write(dir: &Path, path: &str, text: &str) {
    let file = dir.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn lines() -> String {
    (1..=20).map(|i| format!("line {i}\n")).collect()
}

fn with(text: &str, line: &str, new: &str) -> String {
    text.replace(&format!("{line}\n"), &format!("{new}\n"))
}

/// A release `r` with the base files `doc` and `other`.
fn release(dir: &Path, top: &str) {
    for path in ["doc", "other"] {
        write(dir, &format!("r/base/{path}"), &lines());
    }
    let text = "[component]\nname = \"c\"\n[release]\nversion = \"2\"\nsequence = 7\n";
    let base = "[[base]]\nversion = \"1\"\nsource = \"base\"\n";
    write(dir, "r/cumulate.toml", &format!("{top}{text}{base}"));
}

fn patch(dir: &Path, id: &str, file: &str, old: &str, new: &str) {
    write(dir, &format!("r/fixes/{id}.patch"), &diff(file, old, new));
}

fn run(dir: &Path, args: &[&str], exit: i32) -> Value {
    cumulate(dir, &[args, &["--format", "json"]].concat()).expect(exit).json()
}

/// What is wrong with `A` (and `B`, where it takes two), and what is left without it.
fn impossible(dir: &Path, how: &str, top: &str) {
    release(dir, top);
    let (old, meta) = (lines(), |id: &str, text: &str| write(dir, &format!("r/fixes/{id}.toml"), text));
    patch(dir, "B", "other", &old, &with(&old, "line 5", "B was here"));
    match how {
        "does not apply" => patch(dir, "A", "doc", &with(&old, "line 5", "strange"), &with(&old, "line 5", "A")),
        "same lines" => {
            patch(dir, "A", "doc", &old, &with(&old, "line 5", "A was here"));
            patch(dir, "B", "doc", &old, &with(&old, "line 5", "B was here"));
        }
        "circle" => {
            patch(dir, "A", "doc", &old, &with(&old, "line 5", "A was here"));
            meta("A", "requires = [\"B\"]");
            meta("B", "after = [\"A\"]");
        }
        "missing" => {
            patch(dir, "A", "doc", &old, &with(&old, "line 5", "A was here"));
            meta("A", "requires = [\"nobody\"]");
        }
        "excluded" => {
            patch(dir, "A", "doc", &old, &with(&old, "line 5", "A was here"));
            meta("A", "conflicts = [\"B\"]");
        }
        "empty" => write(dir, "r/fixes/A.patch", ""),
        "series" => {
            patch(dir, "A", "doc", &with(&old, "line 5", "strange"), &with(&old, "line 5", "A"));
            write(dir, "r/fixes/series", "A.patch\nB.patch\n");
        }
        _ => unreachable!(),
    }
}

#[test]
fn whoever_leaves_a_fix_out_is_not_asked_to_leave_it_out() {
    let hold = "hold = [{ id = \"A\", reason = \"late\", owner = \"me\" }]\n";
    for how in ["does not apply", "same lines", "circle", "missing", "excluded", "empty", "series"] {
        for (top, choice) in [("", vec!["--without", "A"]), ("", vec!["--only", "B"]), (hold, vec![])] {
            let dir = tempfile::tempdir().unwrap();
            impossible(dir.path(), how, "");
            let build = ["build", "r", "-o", "c.cup", "--no-cache"];
            cumulate(dir.path(), &build).expect(1);
            impossible(dir.path(), how, top);
            let planned = run(dir.path(), &[&["plan", "r"], choice.as_slice()].concat(), 0);
            assert_eq!(planned["order"], json!(["B"]), "{how} {choice:?}");
            assert_eq!(planned["dropped"].as_object().unwrap().keys().collect::<Vec<_>>(), ["A"], "{how} {choice:?}");
            cumulate(dir.path(), &[&build, choice.as_slice()].concat()).expect(0);
        }
        // Without a hold nobody may do that in silence.
        let dir = tempfile::tempdir().unwrap();
        impossible(dir.path(), how, "");
        cumulate(dir.path(), &["build", "r", "-o", "c.cup"]).expect(1);
    }
}

/// `A` and `X` change the same line; `C` stands on what `A` wrote, `D` says that it requires `C`; `E` stands alone.
#[test]
fn what_needs_a_fix_that_is_left_out_goes_with_it_or_says_why_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    let old = lines();
    let a = with(&old, "line 5", "A was here");
    patch(dir.path(), "A", "doc", &old, &a);
    patch(dir.path(), "X", "doc", &old, &with(&old, "line 5", "X was here"));
    patch(dir.path(), "C", "doc", &a, &with(&a, "A was here", "A and C were here"));
    patch(dir.path(), "D", "other", &old, &with(&old, "line 15", "D was here"));
    write(dir.path(), "r/fixes/D.toml", "requires = [\"C\"]");
    patch(dir.path(), "E", "other", &old, &with(&old, "line 3", "E was here"));
    cumulate(dir.path(), &["plan", "r"]).expect(1);
    let order = |args: &[&str]| run(dir.path(), &[&["plan", "r"], args].concat(), 0)["order"].clone();
    assert_eq!(order(&["--without", "X"]), json!(["A", "C", "D", "E"]));
    assert_eq!(order(&["--only", "D"]), json!(["A", "C", "D"]));
    assert_eq!(order(&["--only", "X"]), json!(["X"]));
    let without = run(dir.path(), &["plan", "r", "--without", "A"], 0);
    assert_eq!(without["order"], json!(["E", "X"]));
    assert_eq!(without["dropped"]["D"], "needs what was left out: D needs C needs A");
    let torn = run(dir.path(), &["plan", "r", "--only", "D", "--without", "A"], 1).to_string();
    assert!(torn.contains("leaves out what it needs: D needs C needs A"), "{torn}");
    // Both are wanted: their conflict is what is told.
    let both = run(dir.path(), &["plan", "r", "--only", "C", "X"], 1).to_string();
    assert!(both.contains("\"A\"") && both.contains("\"X\""), "{both}");
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 1000];
    let n = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).ok()?;
    value.truncate(n);
    Some(value)
}

/// Whether this file system and this user may have the attribute.
fn give(path: &Path, name: &str, value: &[u8]) -> bool {
    rustix::fs::lsetxattr(path, name, value, rustix::fs::XattrFlags::empty()).is_ok()
}

/// May bind to low ports, effective.
const CAPABILITY: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// The owner reads and writes, user 7 reads, everybody else nothing.
const LIST: &[u8] = &[
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 7, 0, 0, 0, 4, 0, 0, 0, 255, 255, 255, 255, 16, 0, 4, 0,
    255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
];

#[test]
fn a_new_file_has_the_capabilities_access_lists_and_other_attributes_of_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    let old = lines();
    patch(dir.path(), "A", "doc", &old, &with(&old, "line 5", "A was here"));
    cumulate(dir.path(), &["build", "r", "-o", "c.cup"]).expect(0);
    common::copy(&dir.path().join("r/base"), &dir.path().join("inst"));
    let doc = dir.path().join("inst/doc");
    let all = [("user.note", &b"ours"[..]), ("security.capability", CAPABILITY), ("system.posix_acl_access", LIST)];
    let given: Vec<_> = all.into_iter().filter(|(name, value)| give(&doc, name, value)).collect();
    let has = |when: &str| {
        for (name, value) in &given {
            assert_eq!(attribute(&doc, name).as_deref(), Some(*value), "{name} {when}");
        }
    };
    let said = run(dir.path(), &["apply", "c.cup", "inst", "--allow-unsigned"], 0);
    assert!(fs::read_to_string(&doc).unwrap().contains("A was here"));
    has("after the apply");
    assert_eq!(said["findings"].as_array().unwrap().iter().filter(|f| f["code"] == "attributes-lost").count(), 0);
    cumulate(dir.path(), &["rollback", "inst"]).expect(0);
    has("after the rollback");
}

/// Root alone can try what others may not do.
#[test]
fn capabilities_that_this_user_may_not_give_are_told_before_anything_is_written() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    use std::os::unix::process::CommandExt as _;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    let old = lines();
    patch(dir.path(), "A", "doc", &old, &with(&old, "line 5", "A was here"));
    cumulate(dir.path(), &["build", "r", "-o", "c.cup"]).expect(0);
    common::copy(&dir.path().join("r/base"), &dir.path().join("inst"));
    let doc = dir.path().join("inst/doc");
    for path in [dir.path(), &dir.path().join("inst"), &doc, &dir.path().join("inst/other")] {
        chown(path, Some(65534), Some(65534)).unwrap();
    }
    let tool = dir.path().join("cumulate");
    fs::copy(env!("CARGO_BIN_EXE_cumulate"), &tool).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    if !give(&doc, "security.capability", CAPABILITY) {
        return;
    }
    for more in [&["--dry-run"][..], &[]] {
        let args = ["apply", "c.cup", "inst", "--allow-unsigned", "--format", "json"];
        let mut command = std::process::Command::new(&tool);
        let out = command.current_dir(&dir).args(args).args(more).uid(65534).gid(65534).output().unwrap();
        let said: Value = serde_json::from_slice(&out.stdout).unwrap();
        let found = said["findings"].as_array().unwrap().iter().find(|f| f["code"] == "attributes-lost").unwrap();
        assert_eq!(found["subject"], "doc");
        assert!(found["next"].as_str().unwrap().contains("setcap"), "{found}");
    }
}
