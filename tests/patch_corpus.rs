//! Every real series, applied fix by fix, gives exactly the released target.

use cumulate::patch::{FileState, Mode, ParseOptions, apply_all, parse};
use cumulate::tree::{Entry, SourceOptions, TreePath, read_source};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type State = BTreeMap<TreePath, FileState>;

fn state(root: &Path) -> State {
    let source = read_source(root, &SourceOptions::default()).unwrap();
    let file = |e: &Entry| match e {
        Entry::File { digest, exec, .. } => {
            let mode = if *exec { Mode::Exec } else { Mode::File };
            Some(FileState { mode, content: source.store.get(digest).unwrap() })
        }
        Entry::Symlink { target } => Some(FileState { mode: Mode::Symlink, content: target.as_bytes().into() }),
        Entry::Folder | Entry::Brief { .. } => None,
    };
    source.tree.entries.iter().filter_map(|(p, e)| Some((p.clone(), file(e)?))).collect()
}

fn replay(sets: &[&str]) {
    let corpus =
        std::env::var_os("CUMULATE_CORPUS").map_or_else(|| PathBuf::from("../shared/corpus/data"), PathBuf::from);
    for name in sets {
        let set = corpus.join(name);
        let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(set.join("truth.json")).unwrap()).unwrap();
        let bases = truth["bases"].as_object().unwrap();
        let base = bases.iter().find(|(_, b)| b["contains"].as_array().is_some_and(Vec::is_empty)).unwrap().0;
        let mut now = state(&set.join("bases").join(base));
        for id in truth["order"].as_array().unwrap() {
            let id = id.as_str().unwrap();
            let bytes = std::fs::read(set.join(format!("fixes/{id}.patch"))).unwrap();
            let patches = parse(&bytes, &ParseOptions::default()).unwrap_or_else(|e| panic!("{name}: {id}: {e}"));
            let applied =
                apply_all(&patches, |p| now.get(p).cloned()).unwrap_or_else(|r| panic!("{name}: {id}: {r:?}"));
            for (path, state) in applied.changes {
                match state {
                    Some(s) => now.insert(path, s),
                    None => now.remove(&path),
                };
            }
        }
        let target = state(&set.join("target"));
        let wrong: Vec<_> = now.keys().chain(target.keys()).filter(|p| now.get(*p) != target.get(*p)).take(5).collect();
        assert!(wrong.is_empty(), "{name}: differs at {wrong:?}");
    }
}

#[test]
#[ignore = "corpus: needs ../shared/corpus laid out"]
fn debian_series_replay_to_their_targets() {
    replay(&["deb-libxml2-2.9.10", "deb-openssl-1.1.1w", "deb-tiff-4.2.0", "deb-unzip-6.0"]);
}

#[test]
#[ignore = "long: needs the git sets of ../shared/corpus"]
fn git_branches_replay_to_their_targets() {
    replay(&["git-redis-7.2", "git-nginx-1.26", "git-curl-7.88"]);
}
