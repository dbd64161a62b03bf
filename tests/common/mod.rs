//! What tests of the command line share: running the binary, copying and comparing folders.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a run of the command line gave.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("not JSON ({e}):\n{}\n{}", self.stdout, self.stderr))
    }
    /// Panics with both streams unless the exit code is this.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs `cumulate` in a folder with an environment that no machine's settings reach.
pub fn cumulate(dir: &Path, args: &[&str]) -> Run {
    let Output { status, stdout, stderr } = command(dir).args(args).output().unwrap();
    Run {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

pub fn command(dir: &Path) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_cumulate"));
    c.current_dir(dir).env_remove("SOURCE_DATE_EPOCH").env("NO_COLOR", "1").env("LC_ALL", "C");
    c
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let (path, kind, dest) = (item.path(), item.file_type().unwrap(), to.join(item.file_name()));
        if kind.is_dir() {
            copy(&path, &dest);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), dest).unwrap();
        } else {
            fs::copy(&path, &dest).unwrap();
        }
    }
}

/// Every path of a folder with its kind, executable bit and content; `.cumulate` is left out.
pub fn listing(root: &Path) -> BTreeMap<String, (String, Vec<u8>)> {
    let mut out = BTreeMap::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for item in fs::read_dir(&dir).unwrap() {
            let path = item.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let meta = fs::symlink_metadata(&path).unwrap();
            if name == ".cumulate" {
            } else if meta.is_dir() {
                todo.push(path);
            } else if meta.is_symlink() {
                out.insert(name, ("link".into(), fs::read_link(&path).unwrap().to_str().unwrap().into()));
            } else {
                let kind = if meta.permissions().mode() & 0o100 != 0 { "exec" } else { "file" };
                out.insert(name, (kind.into(), fs::read(&path).unwrap()));
            }
        }
    }
    out
}

/// Everything a person could notice about a folder: also full modes, times and folders, and the state folder.
pub fn exact(root: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut out = BTreeMap::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let bytes = if meta.is_symlink() {
            fs::read_link(&path).unwrap().to_str().unwrap().into()
        } else if meta.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|i| i.unwrap().path()));
            Vec::new()
        } else {
            fs::read(&path).unwrap()
        };
        let time = if meta.is_dir() { (0, 0) } else { (meta.mtime(), meta.mtime_nsec()) };
        out.insert(path.strip_prefix(root).unwrap().to_owned(), (meta.permissions().mode(), time.0, time.1, bytes));
    }
    out
}

/// The first differences between two listings, as a person would want to read them.
#[track_caller]
pub fn assert_same(found: &Path, wanted: &Path) {
    let (a, b) = (listing(found), listing(wanted));
    let wrong: Vec<_> = a.keys().chain(b.keys()).filter(|p| a.get(*p) != b.get(*p)).take(10).collect();
    assert!(wrong.is_empty(), "{} differs from {} at {wrong:?}", found.display(), wanted.display());
}

/// One unified hunk with three lines of context that turns `old` into `new`.
pub fn diff(file: &str, old: &str, new: &str) -> String {
    narrow_diff(file, old, new, 3)
}

/// The same with as many lines of context as are wanted.
pub fn narrow_diff(file: &str, old: &str, new: &str, around: usize) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let most = a.len().min(b.len()) - head;
    let tail = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(x, y)| x == y).count();
    let (from, end) = (head.saturating_sub(around), (a.len() - tail + around).min(a.len()));
    let after = end - (a.len() - tail);
    let count = |n: usize| n - from - tail + after;
    let mut out = format!("diff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n");
    out += &format!("@@ -{},{} +{},{} @@\n", from + 1, count(a.len()), from + 1, count(b.len()));
    let mut lines = |sign: char, list: &[&str]| list.iter().for_each(|l| out += &format!("{sign}{l}"));
    lines(' ', &a[from..head]);
    lines('-', &a[head..a.len() - tail]);
    lines('+', &b[head..b.len() - tail]);
    lines(' ', &a[a.len() - tail..end]);
    out
}

/// Numbers that look random and are the same in every run (splitmix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }
}
