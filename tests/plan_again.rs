//! A plan reads again what somebody touched since the last one, and only that: with what was remembered of the folders it is
//! the plan without, byte for byte.

mod common;

use common::{cumulate, diff};
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn put(at: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::write(at, text).unwrap();
}

fn text(file: &str) -> String {
    (0..20).map(|k| format!("{file} line {k}\n")).collect()
}

/// A release of three fixes over a few files, one of them a link and one a program.
fn release(dir: &Path) {
    put(
        &dir.join("cumulate.toml"),
        "[component]\nname = \"lamp\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n",
    );
    for file in ["a.c", "b.c", "sub/c.c", "sub/run"] {
        put(&dir.join("base").join(file), text(file));
    }
    fs::set_permissions(dir.join("base/sub/run"), Permissions::from_mode(0o755)).unwrap();
    symlink("a.c", dir.join("base/link")).unwrap();
    let edit = |file: &str, line: usize, by: &str| {
        let old = text(file);
        diff(file, &old, &old.replace(&format!("{file} line {line}\n"), &format!("{file} line {line} {by}\n")))
    };
    put(&dir.join("fixes/FIX-1.patch"), edit("a.c", 4, "mended"));
    put(&dir.join("fixes/FIX-2.patch"), edit("b.c", 9, "mended"));
    put(&dir.join("fixes/FIX-3.patch"), edit("a.c", 14, "mended too"));
    put(&dir.join("fixes/FIX-3.toml"), "severity = \"high\"\n");
    put(&dir.join("fixes/FIX-4/tree/sub/new.c"), text("new.c"));
}

/// Every file of what is remembered.
fn remembered(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut todo = vec![dir.join(".cumulate-cache")];
    while let Some(dir) = todo.pop() {
        for item in fs::read_dir(&dir).into_iter().flatten().flatten() {
            if item.path().is_dir() { todo.push(item.path()) } else { out.push(item.path()) }
        }
    }
    out.sort();
    out
}

/// All that a plan prints, and how it ends.
fn plan(dir: &Path, more: &[&str]) -> (i32, String, String) {
    let run = cumulate(dir, &[&["plan", "--format", "json"], more].concat());
    (run.code, run.stdout, run.stderr)
}

/// The same after an edit, whether the last plan is remembered or not, and once more from what this one remembered.
fn same(dir: &Path, say: &str) -> (i32, String, String) {
    let truth = plan(dir, &["--no-cache"]);
    assert_eq!(plan(dir, &[]), truth, "{say}");
    assert_eq!(plan(dir, &[]), truth, "{say}, and once more");
    truth
}

/// What somebody does to a release between two plans.
struct Edit {
    say: &'static str,
    does: fn(&Path),
    /// Whether the plan is another one after it.
    shows: bool,
}

const fn edit(say: &'static str, does: fn(&Path), shows: bool) -> Edit {
    Edit { say, does, shows }
}

/// The file gets a text of the same length, and its old time of writing again.
fn unnoticed(file: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let before = fs::metadata(file).unwrap();
    let old = fs::read_to_string(file).unwrap();
    let new = old.replacen(from, to, 1);
    assert_ne!(old, new);
    let open = File::options().write(true).open(file).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&open, new.as_bytes(), 0).unwrap();
    open.set_times(FileTimes::new().set_modified(before.modified().unwrap())).unwrap();
    let after = fs::metadata(file).unwrap();
    let of = |m: &fs::Metadata| (m.len(), m.mtime(), m.mtime_nsec(), m.ino(), m.mode());
    assert_eq!(of(&before), of(&after));
}

const EDITS: &[Edit] = &[
    edit("nothing happened", |_| {}, false),
    edit(
        "a file was edited, its size and time of writing are as before",
        |d| unnoticed(&d.join("base/a.c"), "a.c line 4\n", "a.c LINE 4\n"),
        true,
    ),
    edit(
        "a file that no fix touches was edited so",
        |d| unnoticed(&d.join("base/sub/c.c"), "c.c line 1\n", "c.c LINE 1\n"),
        false,
    ),
    edit(
        "another file was moved into a file's place, with the same size and time",
        |d| {
            let (old, new) = (d.join("base/a.c"), d.join("base/a.c.new"));
            let before = fs::metadata(&old).unwrap();
            put(&new, text("a.c").replace("line 4\n", "LINE 4\n"));
            File::options()
                .write(true)
                .open(&new)
                .unwrap()
                .set_times(FileTimes::new().set_modified(before.modified().unwrap()))
                .unwrap();
            fs::rename(&new, &old).unwrap();
        },
        true,
    ),
    edit(
        "two files changed their names",
        |d| {
            fs::rename(d.join("base/a.c"), d.join("base/x")).unwrap();
            fs::rename(d.join("base/b.c"), d.join("base/a.c")).unwrap();
            fs::rename(d.join("base/x"), d.join("base/b.c")).unwrap();
        },
        true,
    ),
    edit(
        "a file became a program",
        |d| fs::set_permissions(d.join("base/a.c"), Permissions::from_mode(0o755)).unwrap(),
        false,
    ),
    edit("a file is gone", |d| fs::remove_file(d.join("base/a.c")).unwrap(), true),
    edit("a file is gone that no fix touches", |d| fs::remove_file(d.join("base/sub/c.c")).unwrap(), false),
    edit("a file came that is what a fix puts", |d| put(&d.join("base/sub/new.c"), text("new.c")), true),
    edit("a file came", |d| put(&d.join("base/more.c"), text("more.c")), false),
    edit(
        "a file became a folder",
        |d| {
            fs::remove_file(d.join("base/a.c")).unwrap();
            put(&d.join("base/a.c/in"), text("a.c"));
        },
        true,
    ),
    edit(
        "a link became a file",
        |d| {
            fs::remove_file(d.join("base/link")).unwrap();
            put(&d.join("base/link"), text("a.c"));
        },
        false,
    ),
    edit(
        "a file became a link to one of the same content",
        |d| {
            fs::rename(d.join("base/a.c"), d.join("base/real.c")).unwrap();
            symlink("real.c", d.join("base/a.c")).unwrap();
        },
        true,
    ),
    edit(
        "a file was edited just before and just after a plan",
        |d| {
            put(&d.join("base/a.c"), text("a.c").replace("line 4\n", "Line 4\n"));
            same(d, "the first of two edits");
            unnoticed(&d.join("base/a.c"), "a.c Line 4\n", "a.c LINE 4\n");
            same(d, "the second of two edits");
            unnoticed(&d.join("base/a.c"), "a.c LINE 4\n", "a.c line 4\n");
        },
        false,
    ),
    edit(
        "a fix came",
        |d| {
            let old = text("sub/c.c");
            put(&d.join("fixes/FIX-5.patch"), diff("sub/c.c", &old, &old.replace("line 7\n", "line 7 mended\n")));
        },
        true,
    ),
    edit("a fix is gone", |d| fs::remove_file(d.join("fixes/FIX-2.patch")).unwrap(), true),
    edit(
        "a fix was edited, its size and time are as before",
        |d| unnoticed(&d.join("fixes/FIX-1.patch"), "-a.c line 4\n", "-a.c LINE 4\n"),
        true,
    ),
    edit(
        "what a fix says of itself was edited so",
        |d| unnoticed(&d.join("fixes/FIX-3.toml"), "\"high\"", "\"none\""),
        true,
    ),
    edit("what a fix said of itself is gone", |d| fs::remove_file(d.join("fixes/FIX-3.toml")).unwrap(), true),
    edit("a fix says something of itself", |d| put(&d.join("fixes/FIX-2.toml"), "requires = [\"FIX-1\"]\n"), true),
    edit(
        "an overlay's file was edited, its size and time are as before",
        |d| unnoticed(&d.join("fixes/FIX-4/tree/sub/new.c"), "new.c line 1\n", "new.c LINE 1\n"),
        false,
    ),
    edit(
        "a fix got another name",
        |d| fs::rename(d.join("fixes/FIX-2.patch"), d.join("fixes/FIX-9.patch")).unwrap(),
        true,
    ),
    edit(
        "two fixes changed their names",
        |d| {
            fs::rename(d.join("fixes/FIX-1.patch"), d.join("fixes/x")).unwrap();
            fs::rename(d.join("fixes/FIX-2.patch"), d.join("fixes/FIX-1.patch")).unwrap();
            fs::rename(d.join("fixes/x"), d.join("fixes/FIX-2.patch")).unwrap();
        },
        true,
    ),
    edit("an order came", |d| put(&d.join("fixes/series"), "FIX-3\nFIX-1\nFIX-4\nFIX-2\n"), true),
    edit(
        "an order came that takes a patch the other way round",
        |d| put(&d.join("fixes/series"), "FIX-3\nFIX-1.patch -R\nFIX-4\nFIX-2\n"),
        true,
    ),
    edit("a fix is broken", |d| put(&d.join("fixes/FIX-1.patch"), "--- a/a.c\n+++ b/a.c\n@@ -1,3 +1,3 @@\n x\n"), true),
];

/// Whatever lies where plans remember: none of it changes a plan, and none of it is an error.
const DAMAGES: &[Edit] = &[
    edit(
        "every file has a flipped bit in the middle",
        |d| {
            each(d, |b| {
                if let Some(b) = middle(b) {
                    *b ^= 0x10
                }
            })
        },
        false,
    ),
    edit(
        "every file has a flipped bit at its end",
        |d| {
            each(d, |b| {
                if let Some(b) = b.last_mut() {
                    *b ^= 1
                }
            })
        },
        false,
    ),
    edit("every file is cut in two", |d| each(d, |b| b.truncate(b.len() / 2)), false),
    edit("every file is cut to its digest", |d| each(d, |b| b.truncate(32)), false),
    edit("every file is empty", |d| each(d, Vec::clear), false),
    edit("every file is longer", |d| each(d, |b| b.extend_from_slice(b"more")), false),
    edit("every file is of somebody else, with a digest that fits", |d| each(d, |b| sealed(b, |b| b.reverse())), false),
    edit(
        "every file is cut, with a digest that fits",
        |d| each(d, |b| sealed(b, |b| b.truncate(b.len() * 2 / 3))),
        false,
    ),
    edit(
        "every file ends in lengths that lie, with a digest that fits",
        |d| {
            each(d, |b| sealed(b, |b| b.extend_from_slice(&[0xff; 64])));
        },
        false,
    ),
    edit(
        "all files changed their names",
        |d| {
            let files = remembered(d);
            let texts: Vec<Vec<u8>> = files.iter().map(|f| fs::read(f).unwrap()).collect();
            (0..files.len()).for_each(|k| fs::write(&files[k], &texts[(k + 1) % files.len()]).unwrap());
        },
        false,
    ),
    edit(
        "folders stand in their places",
        |d| {
            for file in remembered(d) {
                fs::remove_file(&file).unwrap();
                fs::create_dir(&file).unwrap();
            }
        },
        false,
    ),
    edit(
        "pipes stand in their places",
        |d| {
            for file in remembered(d) {
                fs::remove_file(&file).unwrap();
                assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
            }
        },
        false,
    ),
    edit(
        "links to something without an end stand in their places",
        |d| {
            for file in remembered(d) {
                fs::remove_file(&file).unwrap();
                symlink("/dev/zero", &file).unwrap();
            }
        },
        false,
    ),
    edit(
        "each claims to be of many gigabytes",
        |d| {
            remembered(d).iter().for_each(|f| File::options().write(true).open(f).unwrap().set_len(1 << 40).unwrap());
        },
        false,
    ),
    edit(
        "the folder cannot be written to",
        |d| {
            let cache = d.join(".cumulate-cache");
            fs::remove_dir_all(&cache).unwrap();
            fs::create_dir(&cache).unwrap();
            fs::set_permissions(&cache, Permissions::from_mode(0o555)).unwrap();
        },
        false,
    ),
    edit(
        "a file stands in the folder's place",
        |d| {
            fs::remove_dir_all(d.join(".cumulate-cache")).unwrap();
            put(&d.join(".cumulate-cache"), "a file");
        },
        false,
    ),
];

fn each(dir: &Path, damage: impl Fn(&mut Vec<u8>)) {
    for file in remembered(dir) {
        let mut bytes = fs::read(&file).unwrap();
        damage(&mut bytes);
        fs::write(&file, bytes).unwrap();
    }
}

fn middle(bytes: &mut [u8]) -> Option<&mut u8> {
    let at = bytes.len() / 2;
    bytes.get_mut(at)
}

/// Damages an answer and puts the digest in front of it that fits.
fn sealed(bytes: &mut Vec<u8>, damage: impl Fn(&mut Vec<u8>)) {
    let mut answer = bytes.split_off(32);
    damage(&mut answer);
    *bytes = [cumulate::tree::Digest::of(&answer).0.as_slice(), &answer].concat();
}

#[test]
fn the_plan_with_what_is_remembered_is_the_plan_without_whatever_happened_between() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<(&Edit, bool, PathBuf)> = EDITS
        .iter()
        .map(|e| (e, false))
        .chain(DAMAGES.iter().map(|e| (e, true)))
        .enumerate()
        .map(|(k, (e, damages))| (e, damages, dir.path().join(k.to_string())))
        .collect();
    all.iter().for_each(|(_, _, dir)| release(dir));
    // What was written a moment ago is not remembered.
    std::thread::sleep(Duration::from_millis(2_200));
    for (e, damages, dir) in &all {
        let first = same(dir, "at first");
        assert_eq!(first.0, 0, "{}", first.2);
        let there = remembered(dir);
        assert!(there.len() >= 2, "the plan and the base are remembered: {there:?}");
        let whole: Vec<Vec<u8>> = there.iter().map(|f| fs::read(f).unwrap()).collect();
        (e.does)(dir);
        let then = same(dir, e.say);
        assert_eq!(then != first, e.shows, "{}", e.say);
        if *damages && !e.say.contains("place") && !e.say.contains("folder") {
            let now: Vec<Vec<u8>> = there.iter().map(|f| fs::read(f).unwrap()).collect();
            assert!(now == whole, "{}: the next plan remembers again", e.say);
        }
    }
}
