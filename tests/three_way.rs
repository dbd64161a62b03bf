//! A clean merge is what `git merge-file` gives, byte for byte; what it refuses is refused.

use cumulate::patch::{Unmerged, three_way};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What git makes of the three: the merged bytes, or nothing where it marks a conflict.
fn git(dir: &Path, [base, ours, theirs]: [&[u8]; 3]) -> Option<Vec<u8>> {
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let (a, o, b) = (file("ours", ours), file("base", base), file("theirs", theirs));
    let out = Command::new("git").args(["merge-file", "-p", "-q"]).args([a, o, b]).output().unwrap();
    match out.status.code() {
        Some(0) => Some(out.stdout),
        Some(1..=127) => None,
        other => panic!("git merge-file: {other:?}: {}", String::from_utf8_lossy(&out.stderr)),
    }
}

/// A fixed sequence of numbers (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }
}

/// Lines of a text; few different ones, so that there are many ways to align them.
fn text(dice: &mut Dice, words: usize) -> Vec<String> {
    (0..dice.below(60)).map(|_| format!("{}\n", dice.below(words))).collect()
}

fn edited(dice: &mut Dice, text: &[String], words: usize) -> Vec<String> {
    let mut out = text.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(out.len() + 1);
        let end = (at + dice.below(4)).min(out.len());
        let new: Vec<String> = (0..dice.below(4)).map(|_| format!("{}\n", dice.below(words))).collect();
        out.splice(at..end, new);
    }
    out
}

fn bytes(dice: &mut Dice, lines: &[String]) -> Vec<u8> {
    let mut all = lines.concat().into_bytes();
    if dice.below(6) == 0 {
        all.pop();
    }
    all
}

#[derive(Debug, Default, PartialEq)]
struct Count {
    clean: usize,
    contested: usize,
    /// Refused here, clean there.
    stricter: usize,
}

fn compare(dir: &Path, count: &mut Count, three: [&[u8]; 3]) {
    let here = three_way(three[0], three[1], three[2]);
    let there = git(dir, three);
    match (here, there) {
        (Ok(here), Some(there)) => {
            assert_eq!(String::from_utf8_lossy(&here), String::from_utf8_lossy(&there));
            assert_eq!(here, there);
            assert_eq!(three_way(three[0], three[2], three[1]), Ok(here), "in the other order");
            count.clean += 1;
        }
        (Ok(_), None) => panic!("clean here, a conflict for git: {:?}", three.map(String::from_utf8_lossy)),
        (Err(_), Some(_)) => count.stricter += 1,
        (Err(_), None) => count.contested += 1,
    }
}

#[test]
fn generated_texts_merge_as_git_merges_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut count = Count::default();
    for round in 0..2_000 {
        let words = [3, 8, 200, 100_000][round % 4];
        let base = text(&mut dice, words);
        let (ours, theirs) = (edited(&mut dice, &base, words), edited(&mut dice, &base, words));
        let three = [&base, &ours, &theirs].map(|t| bytes(&mut dice, t));
        compare(dir.path(), &mut count, [&three[0], &three[1], &three[2]]);
    }
    println!("{count:?}");
    assert!(count.clean >= 500 && count.contested > 100, "{count:?}");
    // Where lines repeat, what can be read in two ways is refused although git takes one of them.
    assert!(count.stricter * 10 < count.clean, "{count:?}");
}

#[test]
fn binary_contents_are_never_merged() {
    assert_eq!(three_way(b"a\nb\nc\n", b"A\nb\nc\n", b"a\nb\nc\0\n"), Err(Unmerged::NotText));
    let large = vec![b'\n'; (16 << 20) + 1];
    assert_eq!(three_way(b"", b"", &large), Err(Unmerged::NotText));
}

/// Every file of the series that several fixes changed: three versions of it, a middle one as the base.
#[test]
#[ignore = "needs the real series: CUMULATE_CORPUS"]
fn real_files_of_every_series_merge_as_git_merges_them() {
    let corpus = PathBuf::from(std::env::var_os("CUMULATE_CORPUS").expect("CUMULATE_CORPUS names the corpus"));
    let dir = tempfile::tempdir().unwrap();
    let mut count = Count::default();
    let mut series: Vec<PathBuf> = fs::read_dir(corpus).unwrap().map(|d| d.unwrap().path()).collect();
    series.sort();
    for component in series {
        let mut versions: Vec<PathBuf> =
            fs::read_dir(component.join("bases")).unwrap().map(|d| d.unwrap().path()).collect();
        versions.sort();
        versions.push(component.join("target"));
        let Some(first) = versions.first().filter(|_| component.join("fixes/series").is_file()) else { continue };
        for file in files(first) {
            let name = file.strip_prefix(first).unwrap();
            let read = |v: &PathBuf| fs::read(v.join(name)).ok().filter(|b| !b.contains(&0));
            let mut contents: Vec<Vec<u8>> = versions.iter().filter_map(read).collect();
            contents.dedup();
            for three in contents.windows(3) {
                compare(dir.path(), &mut count, [&three[1], &three[0], &three[2]]);
                compare(dir.path(), &mut count, [&three[0], &three[1], &three[2]]);
            }
        }
    }
    println!("{count:?}");
    assert!(count.clean + count.contested > 100, "{count:?}");
}

fn files(root: &Path) -> Vec<PathBuf> {
    let (mut out, mut todo) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(dir) = todo.pop() {
        for item in fs::read_dir(dir).into_iter().flatten() {
            let path = item.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            if kind.is_dir() {
                todo.push(path);
            } else if kind.is_file() {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}
