//! Git itself is the oracle: what `git apply` takes is taken with the same bytes, what it refuses is refused.

use cumulate::patch::{FileState, Mode, ParseOptions, apply_all, parse};
use cumulate::tree::TreePath;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

type State = BTreeMap<TreePath, FileState>;

/// A small generator with a fixed seed: the same cases on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n.max(1)
    }

    /// Lines out of few words, so that many places look alike.
    fn lines(&mut self, most: usize, words: usize) -> Vec<String> {
        (0..self.below(most + 1)).map(|_| format!("line {}\n", self.below(words))).collect()
    }

    fn edit(&mut self, lines: &[String], edits: usize) -> Vec<String> {
        let mut out = lines.to_vec();
        for _ in 0..=self.below(edits) {
            let at = self.below(out.len() + 1);
            match self.below(3) {
                0 => out.insert(at, format!("new {}\n", self.below(5))),
                1 if at < out.len() => drop(out.remove(at)),
                _ if at < out.len() => out[at] = format!("other {}\n", self.below(5)),
                _ => {}
            }
        }
        out
    }

    fn content(&mut self, lines: &[String]) -> Vec<u8> {
        let mut text = lines.concat().into_bytes();
        if self.below(4) == 0 {
            text.pop();
        }
        text
    }
}

fn git(dir: &Path) -> Command {
    let mut c = Command::new("git");
    c.current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CEILING_DIRECTORIES", dir.parent().unwrap())
        .stderr(Stdio::null());
    c
}

fn output(mut c: Command) -> Vec<u8> {
    c.output().unwrap().stdout
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn write(root: &Path, state: &State) {
    for (p, s) in state {
        let full = p.under(root);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        if s.mode == Mode::Symlink {
            symlink(std::str::from_utf8(&s.content).unwrap(), &full).unwrap();
        } else {
            fs::write(&full, &s.content).unwrap();
            let mode = if s.mode == Mode::Exec { 0o755 } else { 0o644 };
            fs::set_permissions(&full, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

fn read(root: &Path, below: &str, state: &mut State) {
    for item in fs::read_dir(root.join(below)).unwrap() {
        let item = item.unwrap();
        let name = item.file_name().into_string().unwrap();
        if name == ".git" || name == "p.patch" {
            continue;
        }
        let text = if below.is_empty() { name } else { format!("{below}/{name}") };
        let kind = item.file_type().unwrap();
        if kind.is_dir() {
            read(root, &text, state);
        } else if kind.is_symlink() {
            let target = fs::read_link(item.path()).unwrap();
            let content = target.to_str().unwrap().as_bytes().into();
            state.insert(path(&text), FileState { mode: Mode::Symlink, content });
        } else {
            let exec = item.metadata().unwrap().permissions().mode() & 0o100 != 0;
            let mode = if exec { Mode::Exec } else { Mode::File };
            state.insert(path(&text), FileState { mode, content: fs::read(item.path()).unwrap().into() });
        }
    }
}

/// What git makes of it, in a folder of its own; `None` where it refuses.
fn by_git(before: &State, patch: &[u8], options: &[&str]) -> Option<State> {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), before);
    fs::write(dir.path().join("p.patch"), patch).unwrap();
    let ok = git(dir.path()).arg("apply").args(options).arg("p.patch").status().unwrap().success();
    ok.then(|| {
        let mut after = State::new();
        read(dir.path(), "", &mut after);
        after
    })
}

fn by_us(before: &State, patch: &[u8], options: &ParseOptions) -> Result<State, String> {
    let patches = parse(patch, options).map_err(|e| e.to_string())?;
    let applied = apply_all(&patches, |p| before.get(p).cloned()).map_err(|r| format!("{r:?}"))?;
    let mut after = before.clone();
    for (p, s) in applied.changes {
        match s {
            Some(s) => after.insert(p, s),
            None => after.remove(&p),
        };
    }
    Ok(after)
}

/// The patch between two versions of `f.txt` as git writes it.
fn diff_file(old: &[u8], new: &[u8], context: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    for (side, content) in [("a", old), ("b", new)] {
        fs::create_dir(dir.path().join(side)).unwrap();
        fs::write(dir.path().join(side).join("f.txt"), content).unwrap();
    }
    let mut c = git(dir.path());
    c.args(["diff", "--no-index", "--no-prefix", context, "a/f.txt", "b/f.txt"]);
    output(c)
}

/// The patches between two states as git writes them, one for each set of options.
fn diff(old: &State, new: &State, options: &[&[&str]]) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path()).args(["init", "-q"]).status().unwrap();
    let mut trees = Vec::new();
    for state in [old, new] {
        for item in fs::read_dir(dir.path()).unwrap() {
            let item = item.unwrap();
            if item.file_name() != ".git" {
                let _ = fs::remove_file(item.path()).or_else(|_| fs::remove_dir_all(item.path()));
            }
        }
        write(dir.path(), state);
        git(dir.path()).args(["add", "-A"]).status().unwrap();
        let mut c = git(dir.path());
        c.arg("write-tree");
        trees.push(String::from_utf8(output(c)).unwrap().trim().to_owned());
    }
    let one = |options: &&[&str]| {
        let mut c = git(dir.path());
        c.arg("diff").args(*options).args(&trees);
        output(c)
    };
    options.iter().map(one).collect()
}

fn file(mode: Mode, content: impl Into<Vec<u8>>) -> FileState {
    FileState { mode, content: content.into().into() }
}

#[test]
fn hunks_land_where_git_puts_them() {
    let mut dice = Dice(7);
    let (mut taken, mut refused) = (0, 0);
    for case in 0..250 {
        let words = [3, 12, 60][dice.below(3)];
        let old = dice.lines(40, words);
        let new = dice.edit(&old, 5);
        let drifted = if dice.below(3) == 0 { old.clone() } else { dice.edit(&old, 3) };
        let state = |content: Vec<u8>| State::from([(path("f.txt"), file(Mode::File, content))]);
        let (old, new, before) = (dice.content(&old), dice.content(&new), dice.content(&drifted));
        let context = format!("-U{}", dice.below(4));
        let mut patch = diff_file(&old, &new, &context);
        if dice.below(3) == 0 {
            // The same as a plain patch, without git's header.
            let text = String::from_utf8(patch).unwrap();
            patch = text.find("--- ").map_or(Vec::new(), |i| text.as_bytes()[i..].to_vec());
        }
        if patch.is_empty() {
            continue;
        }
        let before = state(before);
        let git = by_git(&before, &patch, &[]);
        let ours = by_us(&before, &patch, &ParseOptions::default());
        if patch.starts_with(b"--- ") && git.as_ref().is_some_and(|s| s.values().any(|f| f.content.is_empty())) {
            // Git keeps what a plain patch made empty; we delete it, as quilt does (see apply).
            continue;
        }
        let no_end = patch.windows(12).any(|w| w == b"\\ No newline");
        if ours.is_err() && no_end && before.values().all(|f| f.content.ends_with(b"\n")) {
            // Git lets a context line without a line end match one that has it, and drops the end; we do not.
            continue;
        }
        match (&git, &ours) {
            (Some(g), Ok(o)) => assert!(g == o, "case {case}: other bytes\n{}", String::from_utf8_lossy(&patch)),
            (None, Err(_)) => refused += 1,
            _ => panic!(
                "case {case}: git {git:?}\nours {ours:?}\nbefore {before:?}\n{}",
                String::from_utf8_lossy(&patch)
            ),
        }
        taken += usize::from(git.is_some());
    }
    assert!(taken > 80 && refused > 30, "the cases cover both: {taken} taken, {refused} refused");
}

/// A tree of every kind of file and name that a patch can speak of.
fn tree(dice: &mut Dice) -> State {
    let names =
        ["a.txt", "dir/b.c", "dir/deep/c", "with blank.txt", "tab\there", "q\"uote", "ümlaut.txt", "run.sh", "bin"];
    let mut state = State::new();
    for name in names {
        let Ok(p) = TreePath::parse(name) else { continue };
        let lines = dice.lines(30, 50);
        let s = match dice.below(10) {
            0 => continue,
            1 => file(Mode::Symlink, format!("to/{}", dice.below(9))),
            2 => file(Mode::File, Vec::new()),
            3 => file(Mode::File, lines.concat().replace('\n', "\r\n")),
            4 => file(Mode::Exec, dice.content(&lines)),
            5 | 6 => {
                let n = dice.below(3000);
                let mut bytes: Vec<u8> = (0..n).map(|i| u8::try_from((i * i / 7) % 251).unwrap()).collect();
                bytes.extend([0, 1, 2, u8::try_from(dice.below(256)).unwrap()]);
                file(Mode::File, bytes)
            }
            7 => file(Mode::File, [b"caf\xe9 latin\n".to_vec(), dice.content(&lines)].concat()),
            _ => file(Mode::File, dice.content(&lines)),
        };
        state.insert(p, s);
    }
    state
}

fn change(dice: &mut Dice, old: &State) -> State {
    let mut new = old.clone();
    let fresh = tree(dice);
    for (p, s) in old {
        match dice.below(8) {
            0 => drop(new.remove(p)),
            1 => {
                new.remove(p);
                new.insert(path(&format!("moved/{}", dice.below(99))), s.clone());
            }
            2 => drop(new.insert(path(&format!("copy{}", dice.below(99))), s.clone())),
            3 if s.mode == Mode::File => drop(new.insert(p.clone(), FileState { mode: Mode::Exec, ..s.clone() })),
            4 => {
                if let Some(other) = fresh.get(p) {
                    new.insert(p.clone(), other.clone());
                }
            }
            5 | 6 if s.mode != Mode::Symlink => {
                let mut bytes = s.content.to_vec();
                let at = dice.below(bytes.len() + 1);
                bytes.splice(at..at, *b"inserted\n");
                new.insert(p.clone(), FileState { content: bytes.into(), ..s.clone() });
            }
            _ => {}
        }
    }
    for (p, s) in fresh {
        if dice.below(3) == 0 {
            new.entry(p).or_insert(s);
        }
    }
    new
}

#[test]
fn whole_trees_go_forward_and_back() {
    let mut dice = Dice(11);
    for case in 0..25 {
        let old = tree(&mut dice);
        let new = change(&mut dice, &old);
        let copies = ["--binary", "-M", "-C", "--find-copies-harder", "--no-prefix"];
        let [patch, copies] = &diff(&old, &new, &[&["--binary", "-M", "--full-index"], &copies])[..] else { panic!() };
        let shown = String::from_utf8_lossy(patch);
        assert!(by_us(&old, patch, &ParseOptions::default()).as_ref() == Ok(&new), "case {case} forward\n{shown}");
        let back = ParseOptions { reverse: true, ..ParseOptions::default() };
        let ours = by_us(&new, patch, &back);
        assert!(ours.as_ref() == Ok(&old), "case {case} back: {:?}\n{shown}", ours.err());
        let p0 = ParseOptions { strip: 0, ..ParseOptions::default() };
        let ours = by_us(&old, copies, &p0);
        assert!(ours.as_ref() == Ok(&new), "case {case} copies: {:?}\n{}", ours.err(), String::from_utf8_lossy(copies));
    }
}

/// Patches that `git apply` and we must both refuse, or both take with the same bytes.
#[test]
fn hand_made_patches_as_git_reads_them() {
    let base = State::from([
        (path("f"), file(Mode::File, "1\n2\n3\n4\n5\n")),
        (path("dir/g"), file(Mode::File, "a\nb\n")),
        (path("link"), file(Mode::Symlink, "dir")),
        (path("etc/passwd"), file(Mode::File, "1\n")),
        (path("passwd"), file(Mode::File, "1\n")),
    ]);
    let table: &[(&str, &str, bool)] = &[
        (
            "prose that quotes a git header",
            "see\ndiff --git a/x b/x\nthere\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n",
            true,
        ),
        (
            "counts that leave a hunk behind",
            "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n 3\n@@ -4,2 +4,2 @@\n 4\n-5\n+five\n@@ -9 +9 @@\n",
            false,
        ),
        (
            "a stray hunk after prose",
            "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\nprose\n@@ -4,2 +4,2 @@\n 4\n-5\n+five\n",
            false,
        ),
        ("a hunk that is cut short", "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n-1\n+one\n 2\n", false),
        (
            "a doubled slash that makes it absolute",
            "--- a//etc/passwd\n+++ b//etc/passwd\n@@ -1 +1 @@\n-1\n+x\n",
            false,
        ),
        ("a name that climbs", "--- a/../f\n+++ b/../f\n@@ -1 +1 @@\n-1\n+x\n", false),
        (
            "a file below a link",
            "diff --git a/link/n b/link/n\nnew file mode 100644\n--- /dev/null\n+++ b/link/n\n@@ -0,0 +1 @@\n+x\n",
            false,
        ),
        (
            "a link and then a file below it",
            "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/tmp\n\\ No newline at end of file\ndiff --git a/l/n b/l/n\nnew file mode 100644\n--- /dev/null\n+++ b/l/n\n@@ -0,0 +1 @@\n+x\n",
            false,
        ),
        (
            "a file that is there already",
            "diff --git a/f b/f\nnew file mode 100644\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n",
            false,
        ),
        (
            "a deletion that leaves something",
            "diff --git a/f b/f\ndeleted file mode 100644\n--- a/f\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-1\n-2\n",
            false,
        ),
        ("a bare name at -p1", "--- f\n+++ f\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n", true),
        (
            "time stamps without a tab",
            "--- a/f 2020-01-01 10:00:00 +0000\n+++ b/f 2020-01-02 10:00:00 +0000\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n",
            true,
        ),
        (
            "the same file twice",
            "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-one\n+eins\n 2\n",
            true,
        ),
        (
            "a file that becomes a link",
            "diff --git a/f b/f\ndeleted file mode 100644\n--- a/f\n+++ /dev/null\n@@ -1,5 +0,0 @@\n-1\n-2\n-3\n-4\n-5\ndiff --git a/f b/f\nnew file mode 120000\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+dir\n\\ No newline at end of file\n",
            true,
        ),
        (
            "two files that swap their names",
            "diff --git a/f b/dir/g\nsimilarity index 100%\nrename from f\nrename to dir/g\ndiff --git a/dir/g b/f\nsimilarity index 100%\nrename from dir/g\nrename to f\n",
            true,
        ),
        (
            "only says that binary files differ",
            "diff --git a/f b/f\nindex 1..2 100644\nBinary files a/f and b/f differ\n",
            false,
        ),
        ("an empty file created", "diff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n", true),
        (
            "names that disagree in a rename",
            "diff --git a/f b/h\nrename from f\nrename to h\n--- a/f\n+++ b/other\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n",
            false,
        ),
        ("an empty context line without its blank", "--- a/dir/g\n+++ b/dir/g\n@@ -1,2 +1,3 @@\n a\n+\n b\n", true),
        (
            "a blob with odd permissions",
            "diff --git a/e b/e\nnew file mode 100775\n--- /dev/null\n+++ b/e\n@@ -0,0 +1 @@\n+x\n",
            true,
        ),
    ];
    for (name, patch, taken) in table {
        let git = by_git(&base, patch.as_bytes(), &[]);
        let ours = by_us(&base, patch.as_bytes(), &ParseOptions::default());
        assert_eq!(git.is_some(), *taken, "{name}: git itself");
        assert_eq!(ours.as_ref().ok(), git.as_ref(), "{name}: {:?}", ours.as_ref().err());
    }
}

/// What we refuse although `git apply` passes over it: a change would be lost in silence.
#[test]
fn nothing_that_looks_like_a_change_is_passed_over() {
    let good = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n";
    for (bad, why) in [
        ("--- a/x\n+++ b/x\n1337a\n!id\n.\n", "ed script"),
        ("diff -ru a/x b/x\n3d\n", "ed script"),
        ("diff -ruN a/x.bin b/x.bin\nBinary files a/x.bin and b/x.bin differ\n", "binary files differ"),
        ("diff --cc x\nindex 1,2..3\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,1 @@@\n", "combined diff"),
        ("--- /etc/passwd\n+++ /etc/passwd\n@@ -1 +1 @@\n-1\n+x\n", "absolute"),
        ("--- a/.cumulate/x\n+++ b/.cumulate/x\n@@ -1 +1 @@\n-1\n+x\n", ".cumulate"),
        ("--- \"a/\\377\"\n+++ \"b/\\377\"\n@@ -1 +1 @@\n-1\n+x\n", "UTF-8"),
        ("--- \"a/\\000\"\n+++ \"b/\\000\"\n@@ -1 +1 @@\n-1\n+x\n", "NUL"),
        ("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-1\n+x\n\\ No newline at end of file\n 2\n", "no line end"),
    ] {
        for text in [bad.to_owned(), format!("{good}{bad}")] {
            let error = parse(text.as_bytes(), &ParseOptions::default()).unwrap_err();
            assert!(error.reason.contains(why), "{error} should say '{why}'");
        }
    }
}

#[test]
fn a_million_lines_and_many_hunks_take_linear_time() {
    let began = std::time::Instant::now();
    let n = 400_000;
    let old: String = (0..n).map(|i| format!("{i}\n")).collect();
    let mut patch = String::from("--- a/f\n+++ b/f\n");
    for i in (10..n - 10).step_by(20) {
        patch += &format!("@@ -{},3 +{},3 @@\n {}\n-{}\n+x\n {}\n", i + 1, i + 1, i, i + 1, i + 2);
    }
    let before = State::from([(path("f"), file(Mode::File, old))]);
    by_us(&before, patch.as_bytes(), &ParseOptions::default()).unwrap();
    // One line half a million times, and a hunk that differs from it only at its end.
    let before = State::from([(path("f"), file(Mode::File, "x\n".repeat(n)))]);
    let patch = format!("--- a/f\n+++ b/f\n@@ -9,{} +9,{} @@\n{}-z\n x\n", n / 2 + 2, n / 2 + 1, " x\n".repeat(n / 2));
    assert!(by_us(&before, patch.as_bytes(), &ParseOptions::default()).unwrap_err().contains("HunkNotFound"));
    // Quadratic work would take hours here; the bound is wide so that a loaded machine passes.
    assert!(began.elapsed().as_secs() < 60, "took {:?}", began.elapsed());
}
