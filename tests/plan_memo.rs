//! What plans remember is only ever a cache: with it, without it and with a damaged one, a plan is the same.

mod common;

use common::{Numbers, cumulate, diff};
use cumulate::fix::{FixId, Meta, Payload};
use cumulate::patch::{ParseOptions, parse};
use cumulate::plan::{Candidate, PlanInput, Remembered, plan};
use cumulate::tree::{Entry, Store, Tree, TreePath};
use std::path::Path;

const FILES: usize = 6;
const LINES: usize = 24;

/// Fixes that change a line or two of a few files, each from the state that the ones before it left.
struct Series {
    tree: Tree,
    store: Store,
    fixes: Vec<(FixId, Meta, Payload)>,
}

fn series(numbers: &mut Numbers, count: usize) -> Series {
    let path = |f: usize| format!("d{}/f{f}.c", f % 2);
    let mut texts: Vec<String> =
        (0..FILES).map(|f| (0..LINES).map(|k| format!("line {f} {k}\n")).collect::<String>()).collect();
    let (mut tree, mut store) = (Tree::default(), Store::default());
    for (f, text) in texts.iter().enumerate() {
        let digest = store.put(text.as_bytes().to_vec());
        let entry = Entry::File { digest, size: text.len() as u64, exec: false };
        tree.entries.insert(TreePath::parse(&path(f)).unwrap(), entry);
    }
    let mut fixes = Vec::new();
    for n in 0..count {
        let mut patch = String::new();
        for _ in 0..1 + numbers.below(3) {
            let (f, at) = (numbers.below(FILES), numbers.below(LINES));
            let mut lines: Vec<String> = texts[f].lines().map(|l| format!("{l}\n")).collect();
            let at = at.min(lines.len() - 1);
            match numbers.below(3) {
                0 => lines[at] = format!("fix {n} was_here_{n}\n"),
                1 => lines.insert(at, "the same line again\n".into()),
                _ if lines.len() > 8 => drop(lines.remove(at)),
                _ => continue,
            }
            let new: String = lines.concat();
            patch += &diff(&path(f), &texts[f], &new);
            texts[f] = new;
        }
        let payload = Payload::Patch(parse(patch.as_bytes(), &ParseOptions::default()).unwrap_or_default().into());
        let mut meta = Meta::default();
        if n > 0 && numbers.below(6) == 0 {
            meta.requires = vec![FixId(format!("F{:02}", numbers.below(n)))];
        }
        fixes.push((FixId(format!("F{n:02}")), meta, payload));
    }
    Series { tree, store, fixes }
}

/// Plans what is there, with what is remembered and without, and remembers.
fn same(s: &Series, ordered: bool, memo: &mut Vec<u8>, say: &str) -> bool {
    let candidates = s.fixes.iter().map(|(id, meta, payload)| Candidate { id, meta, payload }).collect();
    let order: Vec<FixId> = s.fixes.iter().map(|f| f.0.clone()).collect();
    let mut input = PlanInput::new(candidates, &s.tree, &s.store);
    input.series = ordered.then_some(order.as_slice());
    let plain = plan(&input);
    let remembered = Remembered::read(memo.clone());
    input.remembered = Some(&remembered);
    let with = plan(&input);
    assert_eq!(plain, with, "{say}");
    if let Some(bytes) = remembered.bytes() {
        *memo = bytes;
    }
    plain.is_ok()
}

#[test]
fn a_plan_with_what_is_remembered_is_the_plan_without_after_any_edit() {
    let mut planned = 0;
    for seed in 0..40 {
        let mut numbers = Numbers(seed);
        // What is remembered of a whole stretch of a series needs several of those.
        let count = if seed % 20 == 1 { 28 } else { 14 };
        let mut s = series(&mut numbers, count);
        let ordered = seed % 4 != 0;
        let mut memo = Vec::new();
        let spare = s.fixes.split_off(count - 3);
        same(&s, ordered, &mut memo, "at first");
        for edit in 0..12 {
            let n = s.fixes.len();
            let before = s.fixes.clone();
            let said = match numbers.below(6) {
                0 if edit < spare.len() => {
                    s.fixes.push(spare[edit].clone());
                    "added at the end"
                }
                1 if n > 3 => {
                    let gone = s.fixes.remove(numbers.below(n));
                    same(&s, ordered, &mut memo, &format!("seed {seed}, edit {edit}: removed {}", gone.0));
                    let at = numbers.below(n);
                    s.fixes.insert(at, gone);
                    "put back elsewhere"
                }
                2 => {
                    let (a, b) = (numbers.below(n), numbers.below(n));
                    s.fixes.swap(a, b);
                    "two changed places"
                }
                3 => {
                    let (a, b) = (numbers.below(n), numbers.below(n));
                    let payload = s.fixes[a].2.clone();
                    s.fixes[b].2 = payload;
                    "one is the same as another"
                }
                4 => {
                    let (a, b) = (numbers.below(n), numbers.below(n));
                    let id = s.fixes[a].0.clone();
                    s.fixes[b].1.after = vec![id];
                    "one comes after another"
                }
                _ => {
                    let at = numbers.below(n);
                    s.fixes[at] = series(&mut numbers, 14).fixes.swap_remove(numbers.below(14));
                    s.fixes[at].0 = FixId(format!("N{edit}{}", s.fixes[at].0));
                    s.fixes[at].1 = Meta::default();
                    "another fix"
                }
            };
            if same(&s, ordered, &mut memo, &format!("seed {seed}, edit {edit}: {said}")) {
                planned += 1;
            } else {
                s.fixes = before;
            }
        }
    }
    assert!(planned > 100, "only {planned} had a plan at all");
}

fn put(dir: &Path, at: &str, text: impl AsRef<[u8]>) {
    let path = dir.join(at);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut out = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for item in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            if item.path().is_dir() { todo.push(item.path()) } else { out.push(item.path()) }
        }
    }
    out.sort();
    out
}

#[test]
fn what_is_remembered_may_be_gone_cut_off_damaged_or_another_releases() {
    let dir = tempfile::tempdir().unwrap();
    common::copy(Path::new("testdata/demo"), &dir.path().join("lantern"));
    let plan = |more: &[&str]| {
        let run = cumulate(dir.path(), &[&["plan", "lantern", "--format", "json"], more].concat());
        assert_eq!(run.stderr, "");
        run.expect(0).stdout
    };
    let cache = dir.path().join("lantern/.cumulate-cache");
    let _ = std::fs::remove_dir_all(&cache);
    // Bases that were written a moment ago are not remembered.
    std::thread::sleep(std::time::Duration::from_millis(2_200));
    let truth = plan(&["--no-cache"]);
    assert!(!cache.exists(), "--no-cache remembers nothing");
    assert_eq!(plan(&[]), truth);
    let remembered = files(&cache);
    assert_eq!(remembered.len(), 5, "the plan, the fixes and three bases: {remembered:?}");
    let read = || -> Vec<Vec<u8>> { remembered.iter().map(|f| std::fs::read(f).unwrap()).collect() };
    let whole = read();
    let damage = |by: &dyn Fn(&[u8]) -> Vec<u8>| {
        remembered.iter().zip(&whole).for_each(|(file, bytes)| std::fs::write(file, by(bytes)).unwrap());
    };
    assert_eq!(plan(&[]), truth);
    assert!(read() == whole, "nothing was new");
    for cut in [0, 1, 31, 32, 33, 60, 5_000, usize::MAX] {
        damage(&|bytes| bytes[..cut.min(bytes.len() - 1)].to_vec());
        assert_eq!(plan(&[]), truth, "cut at {cut}");
        assert!(read() == whole, "cut at {cut}");
    }
    for part in 0..40 {
        damage(&|bytes| {
            let mut bytes = bytes.to_vec();
            let at = bytes.len() * part / 40;
            bytes[at] ^= 0x10;
            bytes
        });
        assert_eq!(plan(&[]), truth, "damaged at {part}/40");
    }
    damage(&|_| vec![0xff; 10_000]);
    assert_eq!(plan(&[]), truth);
    // What another release remembered, in this one's place.
    let fixes = dir.path().join("lantern/fixes");
    let text = std::fs::read_to_string(fixes.join("LAN-103.toml")).unwrap_or_default();
    put(&fixes, "LAN-103.toml", format!("{text}\nafter = [\"LAN-101\"]\n"));
    plan(&["--only", "LAN-103"]);
    put(&fixes, "LAN-103.toml", &text);
    assert_eq!(plan(&[]), truth);
    // A folder in its place, and one that cannot be made.
    for memo in &remembered {
        std::fs::remove_file(memo).unwrap();
        std::fs::create_dir(memo).unwrap();
    }
    assert_eq!(plan(&[]), truth);
    std::fs::remove_dir_all(&cache).unwrap();
    std::fs::write(&cache, "a file").unwrap();
    assert_eq!(plan(&[]), truth);
    assert_eq!(plan(&["--cache", dir.path().join("elsewhere").to_str().unwrap()]), truth);
    assert_eq!(files(&dir.path().join("elsewhere")).len(), 5);
}
