//! Laws of routes and packs: whatever the base, its steps end in the target; nothing is carried twice.

use cumulate::bundle::{Action, Class, Step};
use cumulate::delta::{Codec, DecodeLimits, Profile, decode};
use cumulate::disk::Disk;
use cumulate::route::{Memo, Packed, Route, pack, route};
use cumulate::tree::{Digest, Entry, Store, Tree, TreePath};
use proptest::prelude::*;

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// A tree from `path`, content; an executable's content starts with `#!`, a link's with `->`.
fn tree<N: AsRef<str>>(store: &mut Store, files: &[(N, Vec<u8>)]) -> Tree {
    let mut tree = Tree::default();
    for (name, bytes) in files {
        let entry = match bytes.strip_prefix(b"->") {
            Some(target) => Entry::Symlink { target: String::from_utf8(target.to_vec()).unwrap() },
            None => Entry::File {
                digest: store.put(bytes.clone()),
                size: bytes.len() as u64,
                exec: bytes.starts_with(b"#!"),
            },
        };
        tree.entries.insert(path(name.as_ref()), entry);
    }
    tree
}

fn text(seed: u32, lines: u32) -> Vec<u8> {
    let word = |i: u32| seed.wrapping_add(i).wrapping_mul(2_654_435_761);
    (0..lines).flat_map(|i| format!("line {i} says {:x}\n", word(i)).into_bytes()).collect()
}

fn code(_: &TreePath) -> Class {
    Class::Code
}

fn make(bases: &[Tree], target: &Tree, store: &Store) -> (Vec<Route>, Packed) {
    let routes: Vec<Route> = bases.iter().map(|b| route(b, target, store, &code)).collect();
    let packed = pack(&routes, store, Profile::Fast, None, &|_| {}).unwrap();
    (routes, packed)
}

/// A simple oracle: does in memory what the steps say, from the base alone.
fn replay(base: &Tree, packed: &Packed, i: usize, store: &Store) -> Tree {
    let mine = &packed.bases[i];
    let mut out = base.clone();
    let bytes = |from: &TreePath| store.get(&base.get(from).unwrap().digest().unwrap()).unwrap();
    for Step { path, before, after, action, .. } in &mine.steps.steps {
        assert_eq!(before.as_ref(), base.get(path), "before of {path}");
        let cut = |at: &cumulate::bundle::Slice| {
            let (from, to) = (at.offset as usize, (at.offset + at.length) as usize);
            packed.packs[mine.packs[at.pack as usize]][from..to].to_vec()
        };
        let limits = DecodeLimits { new_size: 1 << 24, memory: mine.memory };
        let made = match action {
            Action::Copy { from } => Some(bytes(from).to_vec()),
            Action::Delta { from, at, .. } => Some(decode(&cut(at), &bytes(from), limits).unwrap()),
            Action::Full { at } => Some(decode(&cut(at), &[], limits).unwrap()),
            Action::Mode => Some(bytes(path).to_vec()),
            Action::Delete | Action::Link | Action::Folder => None,
        };
        if let Some(made) = made {
            let Some(Entry::File { digest, size, .. }) = after else { panic!("{path} is no file afterwards") };
            assert_eq!((cumulate::tree::Digest::of(&made), made.len() as u64), (*digest, *size), "{path}");
        }
        match after {
            Some(after) => out.entries.insert(path.clone(), after.clone()),
            None => out.entries.remove(path),
        };
    }
    out
}

fn action<'p>(packed: &'p Packed, base: usize, name: &str) -> &'p Action {
    &packed.bases[base].steps.steps.iter().find(|s| s.path.as_str() == name).unwrap().action
}

#[test]
fn each_kind_of_difference_gets_its_own_kind_of_step() {
    let mut store = Store::default();
    let (old, other) = (text(1, 400), text(2, 400));
    let mut new = old.clone();
    new.extend_from_slice(b"one more line\n");
    let base = tree(
        &mut store,
        &[
            ("same", text(9, 3)),
            ("edited", old.clone()),
            ("pkg-1.0.1/METADATA", old.clone()),
            ("pkg-1.0.1/logo", other.clone()),
            ("gone", text(4, 3)),
            ("link", b"->same".to_vec()),
            ("script", b"#!run".to_vec()),
        ],
    );
    let mut target = tree(
        &mut store,
        &[
            ("same", text(9, 3)),
            ("edited", new.clone()),
            ("pkg-1.0.2/METADATA", [new.clone(), b"x".to_vec()].concat()),
            ("pkg-1.0.2/logo", other),
            ("brand-new", text(77, 50)),
            ("empty", vec![]),
            ("link", b"->edited".to_vec()),
            ("script", b"#!run".to_vec()),
        ],
    );
    let Some(Entry::File { exec, .. }) = target.entries.get_mut(&path("script")) else { panic!() };
    *exec = false;
    target.entries.insert(path("folder"), Entry::Folder);
    let (_, packed) = make(std::slice::from_ref(&base), &target, &store);
    let is_delta_from = |name: &str, wanted: &str| matches!(action(&packed, 0, name), Action::Delta { from, .. } if from.as_str() == wanted);
    assert!(is_delta_from("edited", "edited"));
    assert!(is_delta_from("pkg-1.0.2/METADATA", "pkg-1.0.1/METADATA"), "a renamed folder's files keep their deltas");
    assert_eq!(action(&packed, 0, "pkg-1.0.2/logo"), &Action::Copy { from: path("pkg-1.0.1/logo") });
    assert!(matches!(action(&packed, 0, "brand-new"), Action::Full { .. } | Action::Delta { .. }));
    assert!(matches!(action(&packed, 0, "empty"), Action::Full { .. }));
    assert_eq!(action(&packed, 0, "link"), &Action::Link);
    assert_eq!(action(&packed, 0, "script"), &Action::Mode);
    assert_eq!(action(&packed, 0, "folder"), &Action::Folder);
    for gone in ["gone", "pkg-1.0.1/METADATA", "pkg-1.0.1/logo"] {
        assert_eq!(action(&packed, 0, gone), &Action::Delete);
    }
    assert!(packed.bases[0].steps.steps.iter().all(|s| s.path.as_str() != "same"), "what stays has no step");
    assert_eq!(replay(&base, &packed, 0, &store).digest(), target.digest());
}

#[test]
fn bases_share_what_they_both_need_and_download_nothing_else() {
    let mut store = Store::default();
    let common = text(3, 300);
    let bases = [
        tree(&mut store, &[("a", text(1, 300)), ("b", common.clone()), ("c", text(5, 90))]),
        tree(&mut store, &[("a", text(2, 300)), ("b", common.clone()), ("c", text(6, 90))]),
        tree(&mut store, &[("a", text(2, 300)), ("b", [common.clone(), b"!".to_vec()].concat()), ("c", text(5, 90))]),
    ];
    let noise = |seed: u32| (0..64).flat_map(move |i| Digest::of(&[seed.to_be_bytes(), [i; 4]].concat()).0);
    let unlike: Vec<u8> = noise(1).collect();
    let more: Vec<u8> = noise(2).collect();
    let one: Vec<u8> = [text(1, 300), noise(3).collect()].concat();
    let files = [("a", one), ("b", [common, more].concat()), ("c", unlike)];
    let target = tree(&mut store, &files);
    let (_, packed) = make(&bases, &target, &store);
    let sets: Vec<Vec<usize>> =
        (0..packed.packs.len()).map(|p| (0..3).filter(|b| packed.bases[*b].packs.contains(&p)).collect()).collect();
    let mut distinct = sets.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), sets.len(), "one pack for each set of bases");
    assert!(sets.contains(&vec![0, 1]) && sets.contains(&vec![1, 2]), "{sets:?}");
    for (i, b) in bases.iter().enumerate() {
        assert_eq!(replay(b, &packed, i, &store).digest(), target.digest());
        assert!(matches!(action(&packed, i, "c"), Action::Full { .. }));
    }
    let all = [0, 1, 2];
    assert!(sets.iter().any(|s| s == &all), "content that needs no old file is carried once for all: {sets:?}");
    // What takes fewer bytes than naming a pack does lies in each base's own.
    let slight = tree(&mut store, &[("a", text(1, 301))]);
    let old = |n| tree(&mut Store::default(), &[("a", text(1, 300)), ("x", text(n, 1))]);
    let bases = [old(8), old(9)];
    store.put(text(1, 300));
    let (_, packed) = make(&bases, &slight, &store);
    assert_eq!(packed.bases.iter().map(|b| b.packs.len()).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(packed.packs.len(), 2);
}

#[test]
fn one_thread_and_many_give_the_same_bytes() {
    let mut store = Store::default();
    let base: Vec<(String, Vec<u8>)> = (0..40).map(|i| (format!("d{}/f{i}", i % 3), text(i, 20 + i))).collect();
    let changed: Vec<(String, Vec<u8>)> =
        base.iter().enumerate().map(|(i, (n, b))| (n.clone(), [b.clone(), text(i as u32, 2)].concat())).collect();
    let base = tree(&mut store, &base);
    let target = tree(&mut store, &changed);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (_, packed) = pool.install(|| make(&[base.clone(), Tree::default()], &target, &store));
        (packed.packs, packed.bases.into_iter().map(|b| (b.steps, b.packs, b.memory)).collect::<Vec<_>>())
    };
    let one = with(1);
    assert!(one.0.iter().map(Vec::len).sum::<usize>() > 1000);
    assert_eq!(with(2), one);
    assert_eq!(with(7), one);
}

#[test]
fn remembered_deltas_are_used_and_damaged_ones_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::real();
    let memo = Memo { dir: dir.path().to_owned(), disk: &disk };
    let mut store = Store::default();
    let base = tree(&mut store, &[("f", text(1, 200))]);
    let target = tree(&mut store, &[("f", text(1, 201))]);
    let routes = [route(&base, &target, &store, &code)];
    let build = || pack(&routes, &store, Profile::Fast, Some(&memo), &|_| {}).unwrap().packs;
    let first = build();
    let entries = || -> Vec<std::path::PathBuf> {
        let below = |d: &std::path::Path| std::fs::read_dir(d).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>();
        below(dir.path()).iter().filter(|d| d.is_dir()).flat_map(|d| below(d)).collect()
    };
    let [entry] = entries().try_into().unwrap();
    let written = disk.operations();
    assert_eq!(build(), first);
    assert_eq!(disk.operations(), written, "the second build writes nothing");
    let whole = std::fs::read(&entry).unwrap();
    for damaged in [vec![], whole[..whole.len() - 1].to_vec(), {
        let mut b = whole.clone();
        b[40] ^= 1;
        b
    }] {
        std::fs::write(&entry, damaged).unwrap();
        assert_eq!(build(), first);
        assert_eq!(std::fs::read(&entry).unwrap(), whole, "and the entry is repaired");
    }
}

#[test]
fn thousands_of_renamed_files_of_one_kind_are_routed_in_moments() {
    let mut store = Store::default();
    let name = |v: u32, i: u32| format!("lib-{v}/module{}/index.js", i);
    let files = |v: u32| -> Vec<(String, Vec<u8>)> { (0..5000).map(|i| (name(v, i), text(i, 4 + v))).collect() };
    let (base, target) = (tree(&mut store, &files(1)), tree(&mut store, &files(2)));
    let start = std::time::Instant::now();
    let route = route(&base, &target, &store, &code);
    assert_eq!(route.steps.len(), 10_000);
    assert!(start.elapsed().as_secs() < 20, "the work for one path does not grow with their number");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(4), ..ProptestConfig::default() })]

    /// Any trees: names, contents, links and executables drawn from small sets, so that they meet.
    #[test]
    fn every_base_reaches_the_target(
        trees in proptest::collection::vec(proptest::collection::btree_map(0usize..8, 0u32..12, 0..8), 2..5)
    ) {
        const NAMES: [&str; 8] = ["a", "b.c", "d/b.c", "d/e", "v1.0/x", "v1.1/x", "v1.1/y", "z"];
        let mut store = Store::default();
        let content = |n: u32| match n {
            0 => vec![],
            1 => b"->a".to_vec(),
            2 => b"#!x".to_vec(),
            _ => text(n / 3, n * 5),
        };
        let made: Vec<Tree> = trees
            .iter()
            .map(|t| tree(&mut store, &t.iter().map(|(n, c)| (NAMES[*n], content(*c))).collect::<Vec<_>>()))
            .collect();
        let (target, bases) = made.split_last().unwrap();
        let (_, packed) = make(bases, target, &store);
        for (i, base) in bases.iter().enumerate() {
            prop_assert_eq!(&replay(base, &packed, i, &store), target);
        }
        for step in packed.bases.iter().flat_map(|b| &b.steps.steps) {
            let reads_old_for_nothing = matches!(step.action, Action::Delta { codec: Codec::Full, .. });
            prop_assert!(!reads_old_for_nothing);
        }
    }
}
