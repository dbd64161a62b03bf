//! `import` and `export`: what git and quilt make of the exported fixes is the target, byte for byte.

mod common;

use common::{assert_same, cumulate, listing};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a tool without anybody's settings.
fn run(dir: &Path, program: &str, args: &[&str]) -> String {
    let out = Command::new(program)
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("LC_ALL", "C")
        .env("QUILTRC", "/dev/null")
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let (said, wrong) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{program} {args:?}: {said}{wrong}");
    said.into_owned()
}

fn git(dir: &Path, args: &[&str]) -> String {
    let who = ["-c", "user.name=Ján Émile", "-c", "user.email=j@x.org", "-c", "commit.gpgsign=false"];
    run(dir, "git", &[&who, args].concat())
}

fn config(dir: &Path, base: &Path, fixes: &Path) {
    let text = format!(
        "[component]\nname = \"c\"\n[release]\nversion = \"2\"\nfixes = \"{}\"\n[[base]]\nversion = \"1\"\nsource = \"{}\"\n",
        fixes.display(),
        base.display()
    );
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("cumulate.toml"), text).unwrap();
}

fn lines(name: &str) -> String {
    (1..=30).map(|i| format!("{name} {i}\n")).collect()
}

/// A history with everything that a commit can do: text, binary, rename, mode, link, deletion, nothing, and a merge of
/// two branches that both changed.
fn history(repo: &Path) {
    fs::create_dir_all(repo.join("src")).unwrap();
    git(repo, &["init", "-q", "-b", "main"]);
    for f in ["src/a.c", "src/b.c", "tool", "gone"] {
        fs::write(repo.join(f), lines(f)).unwrap();
    }
    fs::write(repo.join("data.bin"), (0..=255u8).cycle().take(4_000).collect::<Vec<u8>>()).unwrap();
    let commit = |message: &str| {
        git(repo, &["add", "-A"]);
        git(repo, &["commit", "-q", "--allow-empty", "-m", message]);
    };
    commit("base");
    git(repo, &["tag", "base"]);
    let edit = |f: &str, from: &str, to: &str| {
        let text = fs::read_to_string(repo.join(f)).unwrap();
        assert!(text.contains(from));
        fs::write(repo.join(f), text.replace(from, to)).unwrap();
    };
    edit("src/a.c", "src/a.c 5\n", "once\n");
    commit("src: größer\n\nWords with an ü.\n\nFixes: 0123456789ab (\"x\")");
    edit("src/a.c", "once\n", "twice\n");
    fs::write(repo.join("data.bin"), (0..=255u8).rev().cycle().take(4_100).collect::<Vec<u8>>()).unwrap();
    commit("binary too");
    commit("says nothing");
    git(repo, &["checkout", "-q", "-b", "side", "base"]);
    edit("src/b.c", "src/b.c 20\n", "side\n");
    commit("side one");
    edit("src/a.c", "src/a.c 25\n", "side\n");
    commit("side two");
    git(repo, &["checkout", "-q", "main"]);
    git(repo, &["merge", "-q", "--no-ff", "-m", "Merge side", "side"]);
    git(repo, &["mv", "src/b.c", "src/new.c"]);
    edit("src/new.c", "src/b.c 3\n", "moved\n");
    fs::set_permissions(repo.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("src/new.c", repo.join("link")).unwrap();
    fs::remove_file(repo.join("gone")).unwrap();
    commit("everything else");
}

#[test]
fn what_came_since_is_added_behind_and_a_range_has_a_beginning() {
    let dir = tempfile::tempdir().unwrap();
    history(&dir.path().join("repo"));
    let import = |range: &str, out: &str, more: &[&str], exit: i32| {
        let args = ["import", "git", range, "--repo", "repo", "-o", out, "--format", "json"];
        cumulate(dir.path(), &[&args, more].concat()).expect(exit).json()
    };
    // One name means the whole history to git.
    for range in ["main", "base", "-1"] {
        assert_eq!(import(range, "none", &[], 2)["error"]["code"], "usage", "{range}");
    }
    assert!(!dir.path().join("none").exists());
    import("base..main", "whole", &[], 0);
    assert_eq!(import("base..main~2", "fixes", &["--append"], 0)["ids"].as_array().unwrap().len(), 2);
    let refused = import("base..main", "fixes", &[], 2);
    assert!(refused["error"]["next"].as_str().unwrap().contains("--append"), "{refused}");
    let more = import("base..main", "fixes", &["--append"], 0);
    assert_eq!((more["present"].as_array().unwrap().len(), more["ids"].as_array().unwrap().len()), (2, 2), "{more}");
    assert_same(&dir.path().join("fixes"), &dir.path().join("whole"));
    // Nothing came since: that is no mistake, and changes nothing.
    for range in ["base..main", "main..main"] {
        let again = import(range, "fixes", &["--append"], 0);
        assert_eq!(again["ids"], serde_json::json!([]), "{range}");
        let said = cumulate(dir.path(), &["import", "git", range, "--repo", "repo", "-o", "fixes", "--append"]);
        assert!(said.expect(0).stdout.contains("fixes: nothing new"), "{range}");
        assert_same(&dir.path().join("fixes"), &dir.path().join("whole"));
    }
    assert_eq!(import("main..main", "none", &[], 2)["error"]["code"], "usage");
    import("main..main", "none", &["--append"], 0);
    assert!(!dir.path().join("none").exists());
    // Fixes whose order nobody stated are not put before or behind anything.
    fs::remove_file(dir.path().join("fixes/series")).unwrap();
    assert_eq!(import("base..main", "fixes", &["--append"], 2)["error"]["code"], "exists");
}

#[test]
fn a_git_history_comes_in_and_goes_out_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (repo, base, target) = (dir.path().join("repo"), dir.path().join("base"), dir.path().join("target"));
    history(&repo);
    for (name, at) in [("base", &base), ("main", &target)] {
        git(dir.path(), &["clone", "-q", "-b", name, "repo", at.to_str().unwrap()]);
        fs::remove_dir_all(at.join(".git")).unwrap();
    }
    let args = ["import", "git", "base..main", "--repo", "repo", "-o", "fixes", "--format", "json"];
    let made = cumulate(dir.path(), &args).expect(0).json();
    let ids = made["ids"].as_array().unwrap();
    assert_eq!((ids.len(), made["merges"].as_array().unwrap().len()), (4, 1), "{made}");
    assert_eq!(made["empty"].as_array().unwrap().len(), 1, "the commit that says nothing is told of");
    let first =
        fs::read_to_string(dir.path().join("fixes").join(format!("{}.patch", ids[0].as_str().unwrap()))).unwrap();
    assert!(first.contains("Subject: [PATCH] src: größer\n") && first.contains("Fixes: 0123456789ab"), "{first}");

    config(&dir.path().join("release"), &base, &dir.path().join("fixes"));
    let plan = cumulate(dir.path(), &["plan", "release", "--format", "json"]).expect(0).json();
    assert_eq!(plan["order"], made["ids"]);
    assert_eq!(plan["fixes"][ids[0].as_str().unwrap()]["title"], "src: größer");
    cumulate(dir.path(), &["merge", "release", "--out", "merged"]).expect(0);
    assert_same(&dir.path().join("merged"), &target);

    cumulate(dir.path(), &["export", "git-am", "release", "-o", "mails"]).expect(0);
    git(dir.path(), &["clone", "-q", "repo", "again"]);
    let again = dir.path().join("again");
    git(&again, &["reset", "-q", "--hard", "base"]);
    let mut mails: Vec<PathBuf> = fs::read_dir(dir.path().join("mails")).unwrap().map(|i| i.unwrap().path()).collect();
    mails.sort();
    let names: Vec<&str> = mails.iter().map(|m| m.to_str().unwrap()).collect();
    git(&again, &[&["am", "-q"], &names[..]].concat());
    let tree = |dir: &Path, at: &str| git(dir, &["rev-parse", &format!("{at}^{{tree}}")]);
    assert_eq!(tree(&again, "HEAD"), tree(&repo, "main"));
    let log = |dir: &Path, at: &str| git(dir, &["log", "--first-parent", "--format=%an <%ae> %ad %s", "-4", at]);
    let wanted: Vec<String> =
        log(&repo, "main").lines().filter(|l| !l.contains("nothing")).map(str::to_owned).collect();
    assert_eq!(log(&again, "HEAD").lines().take(3).collect::<Vec<_>>(), wanted, "authors, dates and subjects too");

    // What is there is never written over, and quilt is not given what it cannot take.
    cumulate(dir.path(), &args).expect(2);
    let binary =
        cumulate(dir.path(), &["export", "quilt", "release", "-o", "patches", "--format", "json"]).expect(3).json();
    assert!(binary["error"]["message"].as_str().unwrap().contains("'data.bin' is binary"), "{binary}");
    assert!(!dir.path().join("patches").exists());
}

#[test]
fn ranges_that_git_does_not_know_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    history(&repo);
    for range in ["nobody..main", "--output=/tmp/x", "main..main", "base..main --all"] {
        let run =
            cumulate(dir.path(), &["import", "git", "--repo", "repo", "-o", "fixes", "--format", "json", "--", range]);
        assert_eq!((run.code, &run.json()["error"]["code"]), (2, &"usage".into()), "{range}: {}", run.stdout);
        assert!(!dir.path().join("fixes").exists(), "{range}");
    }
    cumulate(dir.path(), &["import", "git", "a..b", "--repo", "nowhere", "-o", "fixes"]).expect(2);
}

/// A source tree with a series as Debian has them: comments, options, a name without an ending, a folder.
fn debian(dir: &Path) -> PathBuf {
    let (sources, patches) = (dir.join("sources"), dir.join("sources/debian/patches"));
    fs::create_dir_all(patches.join("upstream")).unwrap();
    fs::write(sources.join("a.c"), lines("a")).unwrap();
    fs::write(sources.join("b.c"), lines("b").replace("b 9\n", "b nine\n")).unwrap();
    let p = |old: &str, new: &str, prefix: (&str, &str), file: &str| {
        let text = common::diff(file, old, new);
        let text = text.lines().skip(1).map(|l| format!("{l}\n")).collect::<String>();
        text.replace(&format!("--- a/{file}"), &format!("--- {}{file}", prefix.0))
            .replace(&format!("+++ b/{file}"), &format!("+++ {}{file}", prefix.1))
    };
    let one = lines("a").replace("a 5\n", "once\n");
    let dep3 = "Description: first\n more of it\nAuthor: A B <a@b.org>\nLast-Update: 2024-01-31\n\n";
    fs::write(patches.join("01_first"), dep3.to_owned() + &p(&lines("a"), &one, ("a/", "b/"), "a.c")).unwrap();
    let two = p(&one, &one.replace("once\n", "twice\n"), ("", ""), "a.c");
    fs::write(patches.join("upstream/second.diff"), two).unwrap();
    let back = p(&lines("b"), &lines("b").replace("b 9\n", "b nine\n"), ("a/", "b/"), "b.c");
    fs::write(patches.join("revert.patch"), back).unwrap();
    let series = "# from upstream\n01_first\n\nupstream/second.diff -p0 # older\nrevert.patch -R\n";
    fs::write(patches.join("series"), series).unwrap();
    sources
}

#[test]
fn a_debian_series_comes_in_and_goes_out_with_its_options() {
    let dir = tempfile::tempdir().unwrap();
    let sources = debian(dir.path());
    let made =
        cumulate(dir.path(), &["import", "quilt", "sources", "-o", "fixes", "--format", "json"]).expect(0).json();
    assert_eq!(made["ids"], serde_json::json!(["01_first", "upstream__second", "revert"]));
    let series = fs::read_to_string(dir.path().join("fixes/series")).unwrap();
    assert_eq!(series, "01_first.patch\nupstream/second.diff -p0\nrevert.patch -R\n");
    fs::remove_dir_all(sources.join("debian")).unwrap();
    config(&dir.path().join("release"), &sources, &dir.path().join("fixes"));
    let out =
        cumulate(dir.path(), &["export", "quilt", "release", "-o", "patches", "--format", "json"]).expect(0).json();
    assert_eq!(out["files"], serde_json::json!(["01_first.patch", "upstream__second.patch", "revert.patch"]));
    let series = fs::read_to_string(dir.path().join("patches/series")).unwrap();
    assert_eq!(series, "01_first.patch\nupstream__second.patch -p0\nrevert.patch -R\n");
    for (a, b) in [("01_first.patch", "01_first.patch"), ("upstream/second.diff", "upstream__second.patch")] {
        let read = |p: &str| fs::read(dir.path().join(p)).unwrap();
        assert_eq!(read(&format!("fixes/{a}")), read(&format!("patches/{b}")), "{a}");
    }
    // GNU patch, as quilt calls it, with the options of the exported series.
    cumulate(dir.path(), &["merge", "release", "--out", "merged"]).expect(0);
    let tree = dir.path().join("tree");
    common::copy(&sources, &tree);
    for line in series.lines() {
        let mut words = line.split(' ');
        let file = dir.path().join("patches").join(words.next().unwrap());
        let level = words.clone().find(|w| w.starts_with("-p")).unwrap_or("-p1");
        let mut args = vec![level, "--fuzz=0", "-s", "-i", file.to_str().unwrap()];
        args.extend(words.filter(|w| *w == "-R"));
        run(&tree, "patch", &args);
    }
    assert_eq!(listing(&tree), listing(&dir.path().join("merged")));
    // Options of a series have no place in mails.
    cumulate(dir.path(), &["export", "git-am", "release", "-o", "mails"]).expect(3);
    cumulate(dir.path(), &["export", "git-am", "release", "-o", "mails", "--only", "01_first"]).expect(0);
    let mail = fs::read_to_string(dir.path().join("mails/0001-01_first.patch")).unwrap();
    assert!(
        mail.contains("From: A B <a@b.org>\nDate: Wed, 31 Jan 2024 00:00:00 +0000\nSubject: [PATCH] first\n"),
        "{mail}"
    );

    fs::create_dir(dir.path().join("evil")).unwrap();
    fs::write(dir.path().join("evil/series"), "../../etc/passwd\n").unwrap();
    cumulate(dir.path(), &["import", "quilt", "evil", "-o", "other"]).expect(3);
    cumulate(dir.path(), &["import", "quilt", "release", "-o", "other"]).expect(3);
    assert!(!dir.path().join("other").exists());
}

/// What `git am`, with the arguments that `export` prints, makes of a folder's mails.
fn am(repo: &Path, printed: &str) {
    let line = printed.lines().find_map(|l| l.strip_prefix("Next: ")).expect("the next command");
    let (command, folder) = line.rsplit_once(' ').unwrap();
    let folder = repo.parent().unwrap().join(folder.strip_suffix("/*.patch").unwrap());
    let mut mails: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|i| i.unwrap().path()).collect();
    mails.sort();
    let args = command.strip_prefix("git ").unwrap().split(' ').chain(mails.iter().map(|m| m.to_str().unwrap()));
    git(repo, &args.collect::<Vec<_>>());
}

/// A repository whose one file is `f`, with the tag `base`, and beside it the folder `base`.
fn repository(dir: &Path, files: &[(&str, &str)]) -> PathBuf {
    let repo = dir.join("repo");
    for (name, text) in files {
        for at in [&repo, &dir.join("base")] {
            fs::create_dir_all(at.join(name).parent().unwrap()).unwrap();
            fs::write(at.join(name), text).unwrap();
        }
    }
    git(&repo, &["init", "-q", "-b", "main"]);
    git(&repo, &["config", "core.autocrlf", "false"]);
    git(&repo, &["add", "-A"]);
    git(&repo, &["commit", "-q", "-m", "base"]);
    git(&repo, &["tag", "base"]);
    repo
}

#[test]
fn a_diff_that_a_commit_only_talks_about_is_not_applied() {
    let dir = tempfile::tempdir().unwrap();
    let repo = repository(dir.path(), &[("f", "a\nb\n"), ("secret", "one\ntwo\n")]);
    fs::write(repo.join("f"), "a\nB\n").unwrap();
    let bare = "diff --git a/secret b/secret\n--- a/secret\n+++ b/secret\n@@ -1,2 +1,2 @@\n one\n-two\n+TWO\n";
    let indented: String = bare.replace("secret", "missing").lines().map(|l| format!("    {l}\n")).collect();
    let message = format!(
        "f: use B\n\nIt undoes this one:\n\n{bare}\nand this:\n\n{indented}\n---\nFrom 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n\n@@ -1 +1 @@\n\nThe last words.\n"
    );
    git(&repo, &["commit", "-q", "-a", "-m", &message]);
    cumulate(dir.path(), &["import", "git", "base..main", "--repo", "repo", "-o", "fixes"]).expect(0);
    config(&dir.path().join("release"), &dir.path().join("base"), &dir.path().join("fixes"));
    cumulate(dir.path(), &["merge", "release", "--out", "merged"]).expect(0);
    let read = |at: &str| fs::read_to_string(dir.path().join(at)).unwrap();
    assert_eq!((read("merged/f").as_str(), read("merged/secret").as_str()), ("a\nB\n", "one\ntwo\n"));

    let run = cumulate(dir.path(), &["export", "git-am", "release", "-o", "mails"]).expect(0);
    git(&repo, &["reset", "-q", "--hard", "base"]);
    am(&repo, &run.stdout);
    assert_eq!((read("repo/f").as_str(), read("repo/secret").as_str()), ("a\nB\n", "one\ntwo\n"));
    let said = git(&repo, &["log", "-1", "--format=%B"]);
    let words = |text: &str| text.lines().map(|l| l.trim_start_matches("> ").to_owned()).collect::<Vec<_>>().join("\n");
    assert_eq!(words(said.trim_end()), words(message.trim_end()), "nothing of the message is lost");

    cumulate(dir.path(), &["export", "quilt", "release", "-o", "patches"]).expect(0);
    let mut patches = fs::read_dir(dir.path().join("patches")).unwrap().map(|i| i.unwrap().path());
    let patch = patches.find(|p| p.extension().is_some_and(|e| e == "patch")).unwrap();
    run_patch(&dir.path().join("base"), &patch);
    assert_eq!((read("base/f").as_str(), read("base/secret").as_str()), ("a\nB\n", "one\ntwo\n"));
}

/// GNU patch, as quilt calls it.
fn run_patch(tree: &Path, patch: &Path) {
    run(tree, "patch", &["-p1", "--fuzz=0", "-s", "-i", patch.to_str().unwrap()]);
}

#[test]
fn git_takes_mails_of_days_without_a_time_and_of_files_with_dos_line_ends() {
    let dir = tempfile::tempdir().unwrap();
    let repo = repository(dir.path(), &[("a", "1\n2\n"), ("b", "1\n2\n"), ("dos", "1\r\n2\r\n")]);
    fs::create_dir(dir.path().join("fixes")).unwrap();
    for (id, file, head) in [
        ("01", "a", "Description: first\nLast-Update: 2018-11-19\n\n"),
        ("02", "b", "Description: second\n About it.\nFrom: A B <a@b.org>\nDate: Wed, 11 Feb 2015\n\n"),
        ("03", "dos", "Description: third\nDate: unknown\n\n"),
    ] {
        let end = if file == "dos" { "\r\n" } else { "\n" };
        let diff = format!("--- a/{file}\n+++ b/{file}\n@@ -1,2 +1,2 @@\n 1{end}-2{end}+two{end}");
        fs::write(dir.path().join("fixes").join(format!("{id}.patch")), head.to_owned() + &diff).unwrap();
    }
    config(&dir.path().join("release"), &dir.path().join("base"), &dir.path().join("fixes"));
    let run = cumulate(dir.path(), &["export", "git-am", "release", "-o", "mails"]).expect(0);
    am(&repo, &run.stdout);
    assert_eq!(fs::read(repo.join("dos")).unwrap(), b"1\r\ntwo\r\n");
    let days = git(&repo, &["log", "-3", "--date=short", "--format=%ad %s"]);
    assert_eq!(days, "1970-01-01 third\n2015-02-11 second\n2018-11-19 first\n");
}

#[test]
fn quilt_is_not_given_a_file_that_becomes_a_folder() {
    for (old, new) in [("thing", "thing/in"), ("thing/in", "thing")] {
        let dir = tempfile::tempdir().unwrap();
        let repo = repository(dir.path(), &[(old, "a\n"), ("other", "b\n")]);
        let _ = fs::remove_dir_all(repo.join("thing"));
        let _ = fs::remove_file(repo.join("thing"));
        fs::create_dir_all(repo.join(new).parent().unwrap()).unwrap();
        fs::write(repo.join(new), "new\n").unwrap();
        git(&repo, &["add", "-A"]);
        git(&repo, &["commit", "-q", "-m", "turn"]);
        cumulate(dir.path(), &["import", "git", "base..main", "--repo", "repo", "-o", "fixes"]).expect(0);
        config(&dir.path().join("release"), &dir.path().join("base"), &dir.path().join("fixes"));
        let args = ["export", "quilt", "release", "-o", "patches", "--format", "json"];
        let run = cumulate(dir.path(), &args).expect(3).json();
        let id = git(&repo, &["rev-parse", "--short=12", "main"]);
        assert_eq!(
            (&run["error"]["code"], &run["error"]["subject"]),
            (&"bad-patch".into(), &id.trim().into()),
            "{run}"
        );
        assert!(run["error"]["message"].as_str().unwrap().contains("'thing'"), "{run}");
        assert!(!dir.path().join("patches").exists());
        let run = cumulate(dir.path(), &["export", "git-am", "release", "-o", "mails"]).expect(0);
        git(&repo, &["reset", "-q", "--hard", "base"]);
        am(&repo, &run.stdout);
        assert_eq!(fs::read_to_string(repo.join(new)).unwrap(), "new\n");
    }
}

#[test]
#[ignore = "long: needs quilt and the sets of ../shared/corpus"]
fn quilt_and_git_reach_the_target_of_real_series() {
    let corpus =
        std::env::var_os("CUMULATE_CORPUS").map_or_else(|| PathBuf::from("../shared/corpus/data"), PathBuf::from);
    for (name, taker) in [
        ("deb-libxml2-2.9.10", "quilt"),
        ("deb-tiff-4.2.0", "quilt"),
        ("deb-unzip-6.0", "quilt"),
        ("deb-libxml2-2.9.10", "git-am"),
        ("deb-tiff-4.2.0", "git-am"),
        ("deb-unzip-6.0", "git-am"),
        ("git-redis-7.2", "git-am"),
        ("git-nginx-1.26", "git-am"),
    ] {
        let set = fs::canonicalize(corpus.join(name)).unwrap();
        let truth: serde_json::Value = serde_json::from_slice(&fs::read(set.join("truth.json")).unwrap()).unwrap();
        let bases = truth["bases"].as_object().unwrap();
        let base = bases.iter().find(|(_, b)| b["contains"].as_array().is_some_and(Vec::is_empty)).unwrap().0;
        let dir = tempfile::tempdir().unwrap();
        config(&dir.path().join("release"), &set.join("bases").join(base), &set.join("fixes"));
        cumulate(dir.path(), &["export", taker, "release", "-o", "out"]).expect(0);
        let tree = dir.path().join("tree");
        common::copy(&set.join("bases").join(base), &tree);
        if taker == "quilt" {
            fs::rename(dir.path().join("out"), tree.join("patches")).unwrap();
            run(&tree, "quilt", &["push", "-a", "-q", "--fuzz=0"]);
            fs::remove_dir_all(tree.join("patches")).unwrap();
            fs::remove_dir_all(tree.join(".pc")).unwrap();
        } else {
            git(&tree, &["init", "-q"]);
            git(&tree, &["add", "-A", "-f"]);
            git(&tree, &["commit", "-q", "-m", "base"]);
            let mut mails: Vec<_> = fs::read_dir(dir.path().join("out")).unwrap().map(|i| i.unwrap().path()).collect();
            mails.sort();
            let names: Vec<&str> = mails.iter().map(|m| m.to_str().unwrap()).collect();
            git(&tree, &[&["am", "-q", "--keep-cr"], &names[..]].concat());
            fs::remove_dir_all(tree.join(".git")).unwrap();
        }
        assert_same(&tree, &set.join("target"));
        println!("{name}: {taker} reaches the target");
    }
}

#[test]
fn the_difference_of_two_trees_is_one_fix() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    for at in [&old, &new] {
        fs::create_dir_all(at.join("sub/deep")).unwrap();
        for f in ["same", "changed", "mode", "gone", "sub/deep/file"] {
            fs::write(at.join(f), lines(f)).unwrap();
        }
        fs::write(at.join("becomes-folder"), "x").unwrap();
        std::os::unix::fs::symlink("same", at.join("link")).unwrap();
    }
    fs::write(new.join("changed"), [0u8, 159, 146, 150]).unwrap();
    fs::set_permissions(new.join("mode"), fs::Permissions::from_mode(0o755)).unwrap();
    for f in ["gone", "becomes-folder", "link", "sub/deep/file"] {
        fs::remove_file(new.join(f)).unwrap();
    }
    fs::remove_dir(new.join("sub/deep")).unwrap();
    fs::write(new.join("sub/deep"), "a file now").unwrap();
    fs::create_dir(new.join("becomes-folder")).unwrap();
    fs::write(new.join("becomes-folder/inside"), "y").unwrap();
    std::os::unix::fs::symlink("changed", new.join("link")).unwrap();
    fs::create_dir(new.join("empty")).unwrap();

    let args = ["import", "dir", "old", "new", "--id", "FIX-1", "--format", "json"];
    let made = cumulate(dir.path(), &args).expect(0).json();
    // changed, mode, link, sub/deep, becomes-folder/inside; the first two of them stood on files.
    assert_eq!((&made["put"], &made["replaced"], &made["deleted"]), (&5.into(), &2.into(), &3.into()), "{made}");
    assert_eq!(made["empty_folders"], serde_json::json!(["empty"]), "what a fix has no words for is told");
    config(&dir.path().join("release"), &old, &dir.path().join("fixes"));
    cumulate(dir.path(), &["merge", "release", "--out", "merged"]).expect(0);
    fs::remove_dir(new.join("empty")).unwrap();
    assert_same(&dir.path().join("merged"), &new);

    cumulate(dir.path(), &args).expect(2);
    for (old, new, id) in [("old", "old", "FIX-2"), ("old", "new", "../x"), ("old", "new", "a@b"), ("old", "new", ".x")]
    {
        cumulate(dir.path(), &["import", "dir", old, new, "--id", id]).expect(2);
    }
    assert_eq!(fs::read_dir(dir.path().join("fixes")).unwrap().count(), 1, "nothing else was written");
    // The pre-images are named: on another tree the fix is refused, not laid over it.
    fs::write(old.join("changed"), "another\n").unwrap();
    cumulate(dir.path(), &["plan", "release"]).expect(1);
}
