//! What an administrator tried on real installations: nothing is widened, lost or run again in silence, every refusal says
//! what is true, and its advice works when it is followed to the letter.

mod common;

use common::{Run, command, copy, cumulate, listing};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

fn write(dir: &Path, path: &str, text: &str) {
    let file = dir.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// Builds `VERSION.cup` from `b/1` (and `b/2`, if there is one): one overlay fix that writes these files and says `toml`.
fn built(dir: &Path, version: u32, files: &[(&str, &str)], toml: &str, more: &[&str]) {
    let release = format!("r{version}");
    for (path, text) in files {
        write(dir, &format!("{release}/fixes/FIX-{version}/tree/{path}"), text);
    }
    write(dir, &format!("{release}/fixes/FIX-{version}/fix.toml"), toml);
    let bases = (1..version).map(|n| format!("[[base]]\nversion = \"{n}\"\nsource = \"../b/{n}\"\n"));
    let head = "[component]\nname = \"web\"\n[[paths]]\nmatch = \"log\"\nclass = \"volatile\"\n[release]\n";
    let numbers = format!("version = \"{version}\"\nsequence = {version}\n");
    let from = if version > 2 { "from = \"2\"\n" } else { "" };
    write(dir, &format!("{release}/cumulate.toml"), &format!("{head}{numbers}{from}{}", bases.collect::<String>()));
    let file = format!("{version}.cup");
    cumulate(dir, &[&["build", &release, "-o", &file, "--no-cache"], more].concat()).expect(0);
}

/// Release 2 of `web`: `app` and `lib/core` change, `new/deep/file` comes.
fn web() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [("app", "one\n"), ("lib/core", "core one\n"), ("doc", "doc\n")] {
        write(dir.path(), &format!("b/1/{path}"), text);
    }
    let files = [("app", "two\n"), ("lib/core", "core two\n"), ("new/deep/file", "new\n")];
    built(dir.path(), 2, &files, "", &[]);
    copy(&dir.path().join("b/1"), &dir.path().join("b/2"));
    apply(dir.path(), "2.cup", "b/2", &[]).expect(0);
    fs::remove_dir_all(dir.path().join("b/2/.cumulate")).unwrap();
    dir
}

/// Release 3 beside it: `lib/more` comes, and two hooks run, the first of which nothing undoes.
fn third(dir: &Path, second: &str) {
    let hook = |run: &str, more: &str| format!("[[hook]]\nwhen = \"after\"\nrun = [\"sh\", \"-c\", '{run}']\n{more}\n");
    let toml = hook("echo first >> log", "reversible = false") + &hook(second, "timeout = 60");
    built(dir, 3, &[("lib/more", "more\n"), ("app", "three\n")], &toml, &[]);
}

fn lay(dir: &Path, base: &str, at: &str) -> PathBuf {
    copy(&dir.join("b").join(base), &dir.join(at));
    dir.join(at)
}

fn apply(dir: &Path, file: &str, at: &str, more: &[&str]) -> Run {
    cumulate(dir, &[&["apply", file, at, "--allow-unsigned"], more].concat())
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap()
}

fn codes(findings: &Value) -> Vec<&str> {
    findings.as_array().into_iter().flatten().map(|f| f["code"].as_str().unwrap()).collect()
}

/// The lines of the log, in which each hook says that it runs.
fn log(at: &Path) -> Vec<String> {
    fs::read_to_string(at.join("log")).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// An apply of release 3 that was killed while its second hook ran.
fn interrupted(dir: &Path, at: &str) -> PathBuf {
    let full = lay(dir, "2", at);
    let ours = ["apply", "3.cup", at, "--allow-unsigned", "--accept", "FIX-3#1"];
    let mut child = command(dir).args(ours).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..600 {
        if log(&full).len() == 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(log(&full), ["first", "second"]);
    full
}

#[test]
fn a_hook_that_failed_is_not_one_of_which_nothing_is_known() {
    let dir = web();
    third(dir.path(), "echo second >> log; test -e ../well");
    lay(dir.path(), "2", "i");
    let e = apply(dir.path(), "3.cup", "i", &["--accept", "FIX-3#1"]).expect(6);
    assert!(e.stderr.contains("FIX-3#2: a hook failed: exit 1"), "{}", e.stderr);
    let status = cumulate(dir.path(), &["status", "i", "--format", "json"]).expect(8).json();
    assert_eq!((&status["failed"][0], &status["uncertain"]), (&"FIX-3#2".into(), &Value::Null));
    assert_eq!(status["under_way"]["version"], "3");
    let words = cumulate(dir.path(), &["status", "i"]).expect(8).stdout;
    assert!(words.contains("hook FIX-3#2 failed") && words.contains("on the way to web 3"), "{words}");

    fs::write(dir.path().join("well"), "").unwrap();
    let done = apply(dir.path(), "3.cup", "i", &["--format", "json"]).expect(0);
    assert!(!codes(&json(&done)["findings"]).contains(&"hook-uncertain"), "{}", done.stdout);
    assert_eq!(log(&dir.path().join("i")), ["first", "second", "second"]);
}

#[test]
fn a_hook_that_never_started_is_not_to_be_undone() {
    let dir = web();
    let toml = "[[hook]]\nwhen = \"before\"\nrun = [\"./bin/no\"]\nundo = [\"./bin/no\"]\n";
    built(dir.path(), 3, &[("app", "three\n")], toml, &[]);
    lay(dir.path(), "2", "i");
    let e = apply(dir.path(), "3.cup", "i", &[]).expect(6);
    assert!(e.stderr.contains("cannot be started") && !e.stderr.contains("by hand"), "{}", e.stderr);
}

#[test]
fn what_is_refused_runs_no_hook_of_an_interrupted_run_first() {
    let dir = web();
    third(dir.path(), "echo second >> log; test -e ../well || sleep 60");
    let at = interrupted(dir.path(), "i");
    fs::write(dir.path().join("well"), "").unwrap();
    apply(dir.path(), "2.cup", "i", &[]).expect(4);
    assert_eq!(log(&at), ["first", "second"], "the older release is refused before anything is finished");
    let said = cumulate(dir.path(), &["doctor", "3.cup", "i", "--allow-unsigned"]).expect(8);
    assert!(said.stderr.contains("an earlier run was interrupted"), "{}", said.stderr);
    let back = cumulate(dir.path(), &["rollback", "i", "--accept", "FIX-3#1", "--format", "json"]).expect(0);
    let found = json(&back)["findings"].clone();
    let second = found.as_array().unwrap().iter().find(|f| f["subject"] == "FIX-3#2").unwrap().clone();
    assert!(second["message"].as_str().unwrap().ends_with("nothing undoes it"), "{second}");
}

/// Files of the installation may belong to another user than the one who applies.
#[test]
fn without_roots_rights_lost_owners_and_special_bits_are_told_and_never_given_to_another() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = web();
    let at = lay(dir.path(), "1", "i");
    let tool = dir.path().join("cumulate");
    fs::copy(env!("CARGO_BIN_EXE_cumulate"), &tool).unwrap();
    for path in [dir.path(), &at, &at.join("lib"), &at.join("lib/core"), &at.join("doc")] {
        chown(path, Some(65534), Some(65534)).unwrap();
    }
    fs::set_permissions(at.join("app"), fs::Permissions::from_mode(0o4644)).unwrap();
    let nobody = |args: &[&str]| {
        let mut run = std::process::Command::new(&tool);
        use std::os::unix::process::CommandExt as _;
        let out = run.current_dir(&dir).args(args).args(["--format", "json"]).uid(65534).gid(65534).output().unwrap();
        serde_json::from_slice::<Value>(&out.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)))
    };
    let done = nobody(&["apply", "2.cup", "i", "--allow-unsigned"]);
    assert!(done["findings"].is_array(), "{done}");
    let told: Vec<&Value> =
        done["findings"].as_array().unwrap().iter().filter(|f| f["code"] == "attributes-lost").collect();
    assert_eq!(told.len(), 2, "the bit, and the owner: {done}");
    assert!(told.iter().all(|f| f["subject"] == "app"), "{done}");
    let app = fs::metadata(at.join("app")).unwrap();
    assert_eq!((app.uid(), app.mode() & 0o7777), (65534, 0o644));
    let back = nobody(&["rollback", "i"]);
    assert!(codes(&back["findings"]).contains(&"attributes-lost"), "{back}");
    let app = fs::metadata(at.join("app")).unwrap();
    assert_eq!(app.mode() & 0o7777, 0o644, "no program runs as somebody who never gave it that right");
}

/// The list that a folder gives to what is made in it is no business of files that lie elsewhere.
#[test]
fn an_installations_default_access_list_opens_no_file_to_others() {
    let dir = web();
    let none = rustix::fs::XattrFlags::empty();
    // Owner, user 1234, group, mask and others (posix_acl_xattr.h).
    let entries: [(u16, u16, u32); 5] =
        [(1, 7, u32::MAX), (2, 7, 1234), (4, 5, u32::MAX), (0x10, 7, u32::MAX), (0x20, 0, u32::MAX)];
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, perm, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(perm.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let has = |file: &Path| {
        let mut value = [0; 256];
        rustix::fs::lgetxattr(file, "system.posix_acl_access", &mut value[..]).is_ok()
    };
    for more in [&[][..], &["--in-place"]] {
        let at = lay(dir.path(), "1", "i");
        fs::set_permissions(at.join("app"), fs::Permissions::from_mode(0o660)).unwrap();
        fs::set_permissions(at.join("lib/core"), fs::Permissions::from_mode(0o660)).unwrap();
        if rustix::fs::lsetxattr(&at, "system.posix_acl_default", &list, none).is_err() {
            return;
        }
        apply(dir.path(), "2.cup", "i", more).expect(0);
        for file in ["app", "lib/core"] {
            assert!(!has(&at.join(file)), "{file} {more:?}: the old one had no list");
            assert_eq!(fs::metadata(at.join(file)).unwrap().mode() & 0o777, 0o660);
        }
        // As if it had been made in its folder: it keeps to what the folder gives.
        assert!(has(&at.join("new/deep/file")), "{more:?}");
        assert_eq!(fs::metadata(at.join("new/deep/file")).unwrap().mode() & 0o7, 0, "others may nothing");
        cumulate(dir.path(), &["rollback", "i"]).expect(0);
        assert!(!has(&at.join("app")) && !has(&at.join("lib/core")), "{more:?}: after the rollback");
        fs::remove_dir_all(&at).unwrap();
    }
}

/// A log in a folder that came with the release, or a folder that somebody removed, must not bar the way back.
#[test]
fn a_rollback_sets_aside_what_was_changed_in_a_new_folder_and_takes_what_is_gone_as_gone() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 5] = [
        ("edited", |at| fs::write(at.join("new/deep/file"), "mine").unwrap()),
        ("executable", |at| {
            fs::set_permissions(at.join("new/deep/file"), fs::Permissions::from_mode(0o755)).unwrap();
        }),
        ("removed", |at| fs::remove_file(at.join("new/deep/file")).unwrap()),
        ("its folder removed", |at| fs::remove_dir_all(at.join("new")).unwrap()),
        ("an old folder removed", |at| fs::remove_dir_all(at.join("lib")).unwrap()),
    ];
    let dir = web();
    for (what, change) in changes {
        let at = lay(dir.path(), "1", "i");
        let before = listing(&at);
        apply(dir.path(), "2.cup", "i", &[]).expect(0);
        change(&at);
        let e = cumulate(dir.path(), &["rollback", "i"]).expect(5);
        assert!(e.stderr.contains("--set-aside"), "{what}: {}", e.stderr);
        cumulate(dir.path(), &["rollback", "i", "--set-aside"]).expect(0);
        let mut after = listing(&at);
        let kept = after.remove("new/deep/file.edited");
        after.retain(|path, _| !path.starts_with(".cumulate") && !path.starts_with("new"));
        assert_eq!(after, before, "{what}");
        assert_eq!(kept.is_some(), ["edited", "executable"].contains(&what), "{what}");
        fs::remove_dir_all(&at).unwrap();
    }
}

#[test]
fn an_older_release_takes_nobodys_files_for_its_own() {
    let dir = web();
    third(dir.path(), "true");
    let at = lay(dir.path(), "2", "i");
    apply(dir.path(), "3.cup", "i", &["--accept", "FIX-3#1"]).expect(0);
    fs::write(at.join("app"), "two\n").unwrap();
    let e = apply(dir.path(), "2.cup", "i", &["--allow-downgrade"]).expect(5);
    assert!(e.stderr.contains("lib/more") && e.stderr.contains("rollback"), "{}", e.stderr);
    let said = cumulate(dir.path(), &["doctor", "2.cup", "i", "--allow-unsigned"]).expect(0).stdout;
    assert!(said.contains("the record says that web 3 is installed"), "{said}");
}

#[test]
fn a_repair_tells_what_it_put_right_and_runs_what_is_accepted() {
    let dir = web();
    built(dir.path(), 2, &[], "", &["--with-repair", "--force"]);
    let at = lay(dir.path(), "1", "i");
    apply(dir.path(), "2.cup", "i", &[]).expect(0);
    fs::write(at.join("app"), "broken").unwrap();
    let done = cumulate(dir.path(), &["doctor", "2.cup", "i", "--repair", "--allow-unsigned"]).expect(0).stdout;
    assert!(done.contains("1 path put right") && !done.contains("base target"), "{done}");
    assert!(!done.contains("more: FIX-2"), "it had that fix: {done}");

    third(dir.path(), "true");
    cumulate(dir.path(), &["build", "r3", "-o", "3.cup", "--no-cache", "--with-repair", "--force"]).expect(0);
    let repair = ["doctor", "3.cup", "i", "--repair", "--allow-unsigned"];
    fs::write(at.join("app"), "broken").unwrap();
    let e = cumulate(dir.path(), &repair).expect(1);
    assert!(e.stderr.contains("--accept FIX-3#1"), "{}", e.stderr);
    cumulate(dir.path(), &[&repair[..], &["--accept", "FIX-3#1"]].concat()).expect(0);
    assert_eq!(fs::read_to_string(at.join("app")).unwrap(), "three\n");
}

#[test]
fn advice_is_quoted_and_has_the_keys() {
    let dir = web();
    cumulate(dir.path(), &["keygen", "--out", "k"]).expect(0);
    cumulate(dir.path(), &["sign", "2.cup", "--key", "k.key"]).expect(0);
    let at = lay(dir.path(), "1", "it's here");
    fs::write(at.join("app"), "broken").unwrap();
    let e = cumulate(dir.path(), &["apply", "2.cup", "it's here", "--pub", "k.pub"]).expect(5);
    let advised = e.stderr.split("cumulate doctor ").nth(1).unwrap().split(" --repair").next().unwrap();
    let words = shlex::split(advised).unwrap();
    assert_eq!(words[0], "2.cup");
    assert!(words[1].ends_with("/it's here"), "{words:?}");
    assert_eq!(words[2..], ["--pub", "k.pub"]);
    let told: Vec<&str> = std::iter::once("doctor").chain(words.iter().map(String::as_str)).collect();
    cumulate(dir.path(), &told).expect(5);
}

#[test]
fn doctor_says_what_no_repair_takes_away() {
    let dir = web();
    let at = lay(dir.path(), "1", "i");
    fs::remove_file(at.join("app")).unwrap();
    write(&at, "app/inside", "somebody's");
    let said = cumulate(dir.path(), &["doctor", "2.cup", "i", "--allow-unsigned"]).expect(5).stdout;
    assert!(said.contains("app: ") && said.contains("first move away what stands there"), "{said}");
}

#[test]
fn times_that_a_release_does_not_state_are_not_given_in_silence() {
    let dir = web();
    let at = lay(dir.path(), "1", "i");
    let before = listing(&at);
    let e = apply(dir.path(), "2.cup", "i", &["--release-times"]).expect(2);
    assert!(e.stderr.contains("states no time"), "{}", e.stderr);
    assert_eq!(listing(&at), before);
}

/// A program that is running is told once, when its file is replaced and when that is taken back; doctor sees it, too.
#[test]
fn programs_that_run_an_older_version_are_told() {
    let dir = web();
    built(dir.path(), 3, &[("app", "three\n")], "", &[]);
    let at = lay(dir.path(), "2", "i");
    let holder = |at: &Path| {
        let mut child = std::process::Command::new("sleep");
        child.arg("60").stdin(fs::File::open(at.join("app")).unwrap()).spawn().unwrap()
    };
    let mut first = holder(&at);
    let done = json(&apply(dir.path(), "3.cup", "i", &["--format", "json"]).expect(0));
    assert_eq!(codes(&done["findings"]).iter().filter(|c| **c == "in-use").count(), 1, "{done}");
    let doctor = ["doctor", "3.cup", "i", "--allow-unsigned", "--format", "json"];
    let seen = json(&cumulate(dir.path(), &doctor).expect(0));
    assert_eq!((&seen["in_use"][0]["path"], &seen["in_use"][0]["replaced"]), (&"app".into(), &true.into()), "{seen}");
    let mut second = holder(&at);
    let back = json(&cumulate(dir.path(), &["rollback", "i", "--format", "json"]).expect(0));
    let told = back["findings"].as_array().unwrap().iter().find(|f| f["code"] == "in-use").unwrap();
    assert!(told["message"].as_str().unwrap().contains(&format!("process {}", second.id())), "{back}");
    for child in [&mut first, &mut second] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// The case of the README: a base with a hotfix, whose content stands nowhere else.
#[test]
fn a_declared_mix_is_built_although_no_other_state_has_its_content() {
    let dir = tempfile::tempdir().unwrap();
    let text = |mend: &[usize]| -> String {
        (1..=60).map(|i| format!("line {i}{}\n", if mend.contains(&i) { " mended" } else { "" })).collect()
    };
    write(dir.path(), "r/base/f", &text(&[]));
    for (id, old, new) in
        [("X1", &[][..], &[5][..]), ("X2", &[5][..], &[5, 30][..]), ("X3", &[5, 30][..], &[5, 30, 50][..])]
    {
        write(dir.path(), &format!("r/fixes/{id}.patch"), &common::diff("f", &text(old), &text(new)));
    }
    write(dir.path(), "r/fixes/series", "X1\nX2\nX3\n");
    let mix = "[[derived]]\nversion = \"1-hotfix\"\nfrom = \"1\"\nwith = [\"X3\"]\n";
    let config = "[component]\nname = \"c\"\n[release]\nversion = \"2\"\nfrom = \"1\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n";
    write(dir.path(), "r/cumulate.toml", &format!("{config}{mix}"));
    cumulate(dir.path(), &["build", "r", "-o", "c.cup", "--no-cache"]).expect(0);
    write(dir.path(), "i/f", &text(&[50]));
    let done = json(&apply(dir.path(), "c.cup", "i", &["--format", "json"]).expect(0));
    assert_eq!(done["bases"][0], "1-hotfix");
    assert_eq!(fs::read_to_string(dir.path().join("i/f")).unwrap(), text(&[5, 30, 50]));
}

/// Whoever could write in the installation before may have left a link that an installer with more rights would follow.
#[test]
fn a_link_in_the_place_of_a_folder_of_ours_is_refused_before_anything_is_written() {
    let dir = web();
    for (n, name) in ["backup", "releases", "pristine", "stage", "backup/000001", "pristine/000001"].iter().enumerate()
    {
        let (at, target) = (lay(dir.path(), "1", &format!("i{n}")), dir.path().join(format!("target{n}")));
        fs::create_dir(&target).unwrap();
        let link = at.join(".cumulate").join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(&target, &link).unwrap();
        let before = listing(&at);
        let run = apply(dir.path(), "2.cup", &format!("i{n}"), &[]).expect(5);
        assert!(run.stderr.contains("blocked") && run.stderr.contains(name), "{name}: {}", run.stderr);
        assert!(listing(&at) == before && fs::read_dir(&target).unwrap().next().is_none(), "{name}");
        fs::remove_file(&link).unwrap();
        apply(dir.path(), "2.cup", &format!("i{n}"), &[]).expect(0);
    }
}

#[test]
fn signing_at_the_same_time_loses_no_signature_and_keeps_the_mode_and_what_a_link_leads_to() {
    let dir = web();
    let file = dir.path().join("2.cup");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("2.cup", dir.path().join("link.cup")).unwrap();
    for n in 0..6 {
        cumulate(dir.path(), &["keygen", "--out", &format!("k{n}")]).expect(0);
    }
    let signing = |n: usize| {
        let key = format!("k{n}.key");
        let name = if n.is_multiple_of(2) { "2.cup" } else { "link.cup" };
        command(dir.path()).args(["sign", name, "--key", &key]).stdout(Stdio::null()).spawn().unwrap()
    };
    let all: Vec<_> = (0..6).map(signing).collect();
    for mut signed in all {
        assert!(signed.wait().unwrap().success());
    }
    let said = json(&cumulate(dir.path(), &["inspect", "2.cup", "--format", "json"]).expect(0));
    assert_eq!(said["signatures"].as_array().unwrap().len(), 6);
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    assert!(dir.path().join("link.cup").is_symlink());
}

#[test]
fn where_only_the_report_cannot_be_written_that_is_what_is_said() {
    let dir = web();
    lay(dir.path(), "1", "i");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let run = command(dir.path()).args(["apply", "2.cup", "i", "--allow-unsigned"]).stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.code() == Some(6) && said.contains("only the report is missing"), "{said}");
    assert_eq!(fs::read_to_string(dir.path().join("i/app")).unwrap(), "two\n");
}
