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

/// One fix of `doc`; `config` goes into `[release]`.
fn simple(dir: &Path, config: &str) {
    release(dir, "");
    let old = lines();
    patch(dir, "A", "doc", &old, &with(&old, "line 5", "A was here"));
    let text = fs::read_to_string(dir.join("r/cumulate.toml")).unwrap();
    write(dir, "r/cumulate.toml", &text.replace("sequence = 7\n", &format!("sequence = 7\n{config}")));
}

fn codes(said: &Value) -> Vec<&str> {
    said["findings"].as_array().into_iter().flatten().map(|f| f["code"].as_str().unwrap()).collect()
}

fn edit(dir: &Path, path: &str, change: impl Fn(String) -> String) {
    let text = fs::read_to_string(dir.join(path)).unwrap();
    write(dir, path, &change(text));
}

#[test]
fn a_number_of_threads_that_cannot_be_meant_is_a_usage_error() {
    let dir = tempfile::tempdir().unwrap();
    simple(dir.path(), "");
    for (threads, exit) in [("99999", 2), ("513", 2), ("0", 2), ("many", 2), ("3", 0)] {
        let said = cumulate(dir.path(), &["build", "r", "-o", "c.cup", "--threads", threads]).expect(exit);
        assert_eq!(said.stderr.contains("--threads"), exit == 2, "{}", said.stderr);
    }
}

#[test]
fn what_pull_advises_keeps_the_fix_out_and_the_withdrawn_bundle_away() {
    let dir = tempfile::tempdir().unwrap();
    simple(dir.path(), "from = \"1\"\n");
    let old = lines();
    patch(dir.path(), "B", "other", &old, &with(&old, "line 5", "B was here"));
    cumulate(dir.path(), &["build", "r", "-o", "old.cup"]).expect(0);
    let pull = |new: &str| run(dir.path(), &["pull", "A", "old.cup", "--release", "r", "-o", new], 0)["next"].clone();
    let next = pull("same.cup");
    let said = |n: usize| next[n].as_str().unwrap().rsplit_once(": ").unwrap().1.to_owned();
    assert!(next[0].as_str().unwrap().contains("the next build takes it in again"), "{next}");
    // To the letter.
    let hold = next[0].as_str().unwrap().split_once("cumulate.toml: ").unwrap().1.to_owned();
    edit(dir.path(), "r/cumulate.toml", |t| format!("{hold}\n{}", t.replace("sequence = 7", &said(1))));
    assert_eq!(run(dir.path(), &["plan", "r"], 0)["order"], json!(["B"]));
    edit(dir.path(), "r/cumulate.toml", |t| t.replace("version = \"2\"", "version = \"2a\""));
    let left = pull("first.cup");
    assert!(left[0].as_str().unwrap().contains("cumulate base add 2 --from") && left[1].is_null(), "{left}");
    cumulate(dir.path(), &["base", "add", "2", "--from", "old.cup", "--dir", "r"]).expect(0);
    assert_eq!(pull("new.cup"), json!([]));
    common::copy(&dir.path().join("r/base"), &dir.path().join("had it"));
    cumulate(dir.path(), &["apply", "old.cup", "had it", "--allow-unsigned"]).expect(0);
    // Without that base the fix would stay, and nobody would say so.
    for drift in [&[][..], &["--allow-drift", "untouched"]] {
        let args = [&["apply", "first.cup", "had it", "--allow-unsigned"], drift].concat();
        let error = run(dir.path(), &args, 5)["error"].clone();
        assert_eq!(error["code"], "no-base");
        assert!(error["next"].as_str().unwrap().contains("cumulate rollback"), "{error}");
    }
    cumulate(dir.path(), &["apply", "new.cup", "had it", "--allow-unsigned"]).expect(0);
    assert_eq!(fs::read_to_string(dir.path().join("had it/doc")).unwrap(), lines(), "the withdrawn fix is gone");
    common::copy(&dir.path().join("r/base"), &dir.path().join("inst"));
    cumulate(dir.path(), &["apply", "new.cup", "inst", "--allow-unsigned"]).expect(0);
    assert_eq!(run(dir.path(), &["apply", "old.cup", "inst", "--allow-unsigned"], 4)["error"]["code"], "downgrade");
}

fn git(repo: &Path, args: &[&str]) -> String {
    let name = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "init.defaultBranch=main"];
    let out = std::process::Command::new("git").current_dir(repo).args(name).args(args).output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_rename_alone_is_exported_for_git_am() {
    let dir = tempfile::tempdir().unwrap();
    release(dir.path(), "");
    let moved = "diff --git a/doc b/new/doc\nsimilarity index 100%\nrename from doc\nrename to new/doc\n";
    write(dir.path(), "r/fixes/A.patch", &format!("Subject: moved\n\n{moved}"));
    cumulate(dir.path(), &["export", "git-am", "r", "-o", "out"]).expect(0);
    common::copy(&dir.path().join("r/base"), &dir.path().join("git"));
    let git = |args: &[&str]| git(&dir.path().join("git"), args);
    for args in [&["init", "-q"][..], &["add", "."], &["commit", "-qm", "base"], &["am", "-q", "../out/0001-A.patch"]] {
        git(args);
    }
    assert_eq!(fs::read_to_string(dir.path().join("git/new/doc")).unwrap(), lines());
}

#[test]
fn inspect_and_apply_name_the_same_room_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    simple(dir.path(), "");
    edit(dir.path(), "r/cumulate.toml", |t| t + "[[paths]]\nmatch = \"other\"\nclass = \"config\"\n");
    cumulate(dir.path(), &["build", "r", "-o", "c.cup"]).expect(0);
    common::copy(&dir.path().join("r/base"), &dir.path().join("inst"));
    let shown = run(dir.path(), &["inspect", "c.cup"], 0)["bases"][0]["disk"].clone();
    let asked = run(dir.path(), &["apply", "c.cup", "inst", "--allow-unsigned", "--dry-run"], 0)["disk"].clone();
    assert_eq!(shown, asked);
}

#[test]
fn the_way_back_to_an_older_release_is_told_in_the_order_in_which_it_works() {
    let dir = tempfile::tempdir().unwrap();
    simple(dir.path(), "");
    cumulate(dir.path(), &["build", "r", "-o", "old.cup"]).expect(0);
    let old = lines();
    patch(dir.path(), "B", "other", &old, &with(&old, "line 5", "B was here"));
    edit(dir.path(), "r/cumulate.toml", |t| t.replace("sequence = 7", "sequence = 8").replace("\"2\"", "\"3\""));
    cumulate(dir.path(), &["build", "r", "-o", "new.cup"]).expect(0);
    common::copy(&dir.path().join("r/base"), &dir.path().join("inst"));
    let apply = |bundle: &str, more: &[&str], exit: i32| {
        run(dir.path(), &[&["apply", bundle, "inst", "--allow-unsigned"], more].concat(), exit)
    };
    apply("new.cup", &[], 0);
    let next = apply("old.cup", &[], 4)["error"]["next"].as_str().unwrap().to_owned();
    assert!(next.contains("cumulate rollback ") && next.contains("take 3 back"), "{next}");
    cumulate(dir.path(), &["rollback", "inst"]).expect(0);
    let next = apply("old.cup", &[], 4)["error"]["next"].as_str().unwrap().to_owned();
    assert_eq!(next, "get a newer bundle, or insist with --allow-downgrade");
    apply("old.cup", &["--allow-downgrade"], 0);
}

#[test]
fn days_that_have_passed_when_something_is_signed_are_told() {
    let dir = tempfile::tempdir().unwrap();
    simple(dir.path(), "best-before = 2020-03-31\n");
    let on = |seconds: Option<&str>, args: &[&str]| {
        let mut command = common::command(dir.path());
        if let Some(seconds) = seconds {
            command.env("SOURCE_DATE_EPOCH", seconds);
        }
        let out = command.args(args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
    };
    // 2020-01-01: a build that states its time is judged on that day.
    for (time, passed) in [(None, true), (Some("1577836800"), false)] {
        for args in [&["plan", "r"][..], &["build", "r", "-o", "c.cup", "--force"]] {
            assert_eq!(on(time, args).0.contains("warning[date-passed]"), passed, "{args:?}");
        }
    }
    cumulate(dir.path(), &["keygen", "--out", "k"]).expect(0);
    for (time, passed) in [(None, true), (Some("1577836800"), false)] {
        let file = if passed { "one" } else { "two" };
        let delegate =
            ["trust", "delegate", "--role", "vetter", "--component", "c", "--to", "k.pub", "--until", "2020-03-31"];
        let said = on(time, &[&delegate[..], &["--key", "k.key", "-o", file]].concat()).1;
        assert_eq!(said.contains("warning[date-passed]"), passed, "{said}");
    }
}

#[test]
fn a_base_that_is_no_version_is_refused_and_the_disk_is_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    simple(dir.path(), "");
    fs::create_dir(dir.path().join("empty")).unwrap();
    let before = common::listing(dir.path());
    for from in ["r", ".", "empty"] {
        let said = run(dir.path(), &["base", "add", "1.1", "--dir", "r", "--from", from], 2);
        assert!(said["error"]["next"].as_str().unwrap().contains("as it was shipped"), "{said}");
    }
    assert_eq!(common::listing(dir.path()), before);
}

#[test]
fn a_base_of_a_bundle_that_nobody_checked_is_replaced_as_the_warning_says() {
    let dir = tempfile::tempdir().unwrap();
    simple(dir.path(), "");
    cumulate(dir.path(), &["keygen", "--out", "k"]).expect(0);
    cumulate(dir.path(), &["build", "r", "-o", "c.cup", "--key", "k.key"]).expect(0);
    edit(dir.path(), "r/cumulate.toml", |t| t.replace("sequence = 7\n", "sequence = 7\nfrom = \"1\"\n"));
    let add = |more: &[&str], exit: i32| {
        run(dir.path(), &[&["base", "add", "2", "--dir", "r", "--from", "c.cup"], more].concat(), exit)
    };
    let first = add(&[], 0);
    let next = first["findings"][0]["next"].as_str().unwrap();
    assert!(next.contains("--replace") && next.contains("--pub"), "{next}");
    edit(dir.path(), "r/cumulate.toml", |t| t + "# about the budget\n[budget]\n# none yet\n");
    assert!(add(&["--pub", "k.pub"], 3)["error"]["next"].as_str().unwrap().contains("--replace"));
    write(dir.path(), "r/bases/2/stray", "not of the bundle");
    add(&["--pub", "k.pub", "--replace"], 0);
    let config = fs::read_to_string(dir.path().join("r/cumulate.toml")).unwrap();
    assert_eq!(config.matches("version = \"2\"").count(), 2, "the release's and the base's: {config}");
    assert!(config.contains("# about the budget\n[budget]\n# none yet\n"), "{config}");
    assert!(!dir.path().join("r/bases/2/stray").exists() && dir.path().join("r/bases/2/doc").exists());
    assert_eq!(run(dir.path(), &["plan", "r"], 0)["order"], json!(["A"]));
}

#[test]
fn commits_that_do_not_start_where_the_range_says_are_told_with_where_they_do() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "git/doc", &lines());
    let git = |args: &[&str]| git(&dir.path().join("git"), args);
    let commit = |line: &str, new: &str| {
        write(dir.path(), "git/doc", &with(&lines(), line, new));
        git(&["commit", "-qam", new]);
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "start"]);
    let start = git(&["rev-parse", "HEAD"]);
    git(&["checkout", "-qb", "maint"]);
    commit("line 5", "on maint");
    git(&["checkout", "-q", "main"]);
    commit("line 15", "on main");
    let import = |range: &str, out: &str, exit: i32| {
        run(dir.path(), &["import", "git", range, "--repo", "git", "-o", out], exit)
    };
    let said = import("main..maint", "one", 0);
    assert_eq!(codes(&said), ["range-diverges"]);
    assert!(said["findings"][0]["message"].as_str().unwrap().contains(&start), "{said}");
    assert_eq!(codes(&import(&format!("{start}..maint"), "two", 0)), Vec::<&str>::new());
    assert_eq!(import("main...maint", "three", 2)["error"]["code"], "usage");
}

#[test]
fn vectors_that_come_to_nothing_and_roles_that_nobody_can_have_are_told() {
    let dir = tempfile::tempdir().unwrap();
    simple(dir.path(), "");
    let whole = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
    for (vector, told) in [("CVSS:3.1/AV:N", true), (whole, false), ("CVSS:4.0/AV:N/AC:L", true)] {
        write(dir.path(), "r/fixes/A.toml", &format!("severity = \"{vector}\""));
        assert_eq!(codes(&run(dir.path(), &["plan", "r"], 0)).contains(&"bad-metadata"), told, "{vector}");
    }
    let text = cumulate(dir.path(), &["plan", "r"]).expect(0).stdout;
    assert!(text.contains("1 fix in order, 0 edges"), "{text}");
    cumulate(dir.path(), &["keygen", "--out", "k"]).expect(0);
    for (role, exit) in [("../x y", 2), ("Release", 2), ("", 2), ("qa-2", 0)] {
        cumulate(dir.path(), &["build", "r", "-o", "c.cup", "--force", "--key", "k.key", "--role", role]).expect(exit);
    }
}

#[test]
fn a_commit_that_no_release_can_have_is_refused_with_nothing_written_and_the_way_around_it_works() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("git");
    let commit = |path: &str, text: &str| {
        write(dir.path(), &format!("git/{path}"), text);
        git(&repo, &["add", "-A"]);
        git(&repo, &["commit", "-qm", "change"]);
        git(&repo, &["rev-parse", "HEAD"])
    };
    write(dir.path(), "git/doc", &lines());
    git(&repo, &["init", "-q"]);
    let start = commit("other", &lines());
    let first = commit("doc", &with(&lines(), "line 5", "one"));
    let odd = commit("a\tb", "odd");
    let last = commit("doc", &with(&lines(), "line 5", "two"));
    let import = |range: String, more: &[&str], exit: i32| {
        run(dir.path(), &[&["import", "git", &range, "--repo", "git", "-o", "fixes"], more].concat(), exit)
    };
    let said = import(format!("{start}..{last}"), &[], 3);
    assert_eq!(said["error"]["code"], "bad-patch");
    assert!(!dir.path().join("fixes").exists());
    let next = said["error"]["next"].as_str().unwrap();
    assert!(next.contains(&format!("FROM..{odd}^")) && next.contains(&format!("{odd}..TO")), "{next}");
    assert_eq!(import(format!("{start}..{odd}^"), &[], 0)["ids"], json!([&first[..12]]));
    assert_eq!(import(format!("{odd}..{last}"), &["--append"], 0)["ids"], json!([&last[..12]]));
}

#[test]
fn metadata_that_contradict_themselves_are_told_in_the_words_that_were_written() {
    for (meta, wrong) in [
        ("requires = [\"B\"]\nsupersedes = [\"B\"]", Some(["requires", "supersedes"])),
        ("requires = [\"B\"]\nconflicts = [\"B\"]", Some(["requires", "conflicts"])),
        ("after = [\"B\"]\nsupersedes = [\"B\"]", None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        simple(dir.path(), "");
        let old = lines();
        patch(dir.path(), "B", "doc", &old, &with(&old, "line 5", "B was here"));
        write(dir.path(), "r/fixes/A.toml", meta);
        let said = run(dir.path(), &["plan", "r"], if wrong.is_some() { 3 } else { 0 });
        match wrong {
            Some(words) => {
                let message = said["error"]["message"].as_str().unwrap();
                assert!(words.iter().all(|w| message.contains(w)), "{message}");
            }
            None => assert_eq!(said["order"], json!(["A"]), "{said}"),
        }
    }
}

#[test]
fn a_changed_file_that_some_fix_changes_is_never_a_change_of_the_sites_own() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    simple(dir, "from = \"1\"\n");
    let fixed = with(&lines(), "line 5", "A was here");
    write(dir, "r/fixed/doc", &fixed);
    write(dir, "r/fixed/other", &lines());
    patch(dir, "C", "other", &lines(), &with(&lines(), "line 9", "C was here"));
    edit(dir, "r/cumulate.toml", |t| format!("{t}[[base]]\nversion = \"1.1\"\nsource = \"fixed\"\n"));
    cumulate(dir, &["build", "r", "-o", "c.cup"]).expect(0);
    // One path away from either base; the fix A is missing here.
    common::copy(&dir.join("r/base"), &dir.join("inst"));
    write(dir, "inst/doc", &with(&lines(), "line 15", "edited here"));
    let apply = ["apply", "c.cup", "inst", "--allow-unsigned", "--allow-drift", "untouched"];
    let error = run(dir, &apply, 5)["error"].clone();
    assert_eq!(error["code"], "no-base");
    assert!(!error["next"].as_str().unwrap().contains("--allow-drift untouched"), "{error}");
    // Who knows which base it is says so.
    write(dir, "inst/doc", &with(&fixed, "line 15", "edited here"));
    run(dir, &[&apply[..], &["--base", "1.1"]].concat(), 0);
    assert_eq!(fs::read_to_string(dir.join("inst/doc")).unwrap(), with(&fixed, "line 15", "edited here"));
}
