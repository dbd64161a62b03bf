//! Small bundles from trees in memory, for tests that need one and no `build`.

#![allow(dead_code, reason = "every test file uses its own part")]

pub mod forge;

use cumulate::bundle::{
    Action, BaseDraft, Blobs, Class, Draft, FixEntry, FixState, Graph, GraphEdge, Package, Provenance, ProvenancePath,
    Release, Slice, State, Step, Steps, TrackDraft,
};
use cumulate::delta::{self, Codec, Profile};
use cumulate::tree::{Digest, Entry, Tree, TreePath};
use std::collections::{BTreeMap, BTreeSet};

/// A tree's contents by path; a path that ends in `*` is executable, content that begins with
/// `-> ` is a link, one that is `/` an empty folder.
pub type Files<'a> = &'a [(&'a str, &'a str)];

/// A tree and the contents of its files.
pub fn tree(files: Files<'_>) -> (Tree, BTreeMap<TreePath, Vec<u8>>) {
    let mut tree = Tree::default();
    let mut contents = BTreeMap::new();
    for (name, text) in files {
        let path = TreePath::parse(name.trim_end_matches('*')).unwrap();
        let entry = match text.strip_prefix("-> ") {
            Some(target) => Entry::Symlink { target: target.into() },
            None if *text == "/" => Entry::Folder,
            None => {
                contents.insert(path.clone(), text.as_bytes().to_vec());
                Entry::File { digest: Digest::of(text.as_bytes()), size: text.len() as u64, exec: name.ends_with('*') }
            }
        };
        tree.entries.insert(path, entry);
    }
    (tree, contents)
}

/// A tree as a bundle lists it, made whole beside what an installation has.
pub fn beside(mut listed: Tree, found: &Tree) -> Tree {
    listed.complete(|p| found.get(p));
    listed
}

/// The steps from one tree to another, with every new content as a `full` delta in one pack.
/// `encode` makes a delta's bytes of a content.
pub fn route(
    before: &Tree,
    after: &Tree,
    contents: &BTreeMap<TreePath, Vec<u8>>,
    encode: &dyn Fn(&[u8]) -> Vec<u8>,
) -> (Steps, Vec<u8>) {
    let mut steps = Vec::new();
    let mut pack = Vec::new();
    let olds: BTreeMap<Digest, &TreePath> =
        before.entries.iter().filter_map(|(p, e)| e.digest().map(|d| (d, p))).collect();
    let paths: BTreeSet<&TreePath> = before.entries.keys().chain(after.entries.keys()).collect();
    for path in paths {
        let (old, new) = (before.get(path), after.get(path));
        if old == new {
            continue;
        }
        let action = match (old, new) {
            (_, None) => Action::Delete,
            (_, Some(Entry::Symlink { .. })) => Action::Link,
            (_, Some(Entry::Folder)) => Action::Folder,
            (Some(o), Some(n)) if o.digest() == n.digest() => Action::Mode,
            (_, Some(n)) => match n.digest().and_then(|d| olds.get(&d)) {
                Some(from) => Action::Copy { from: (*from).clone() },
                None => {
                    let bytes = encode(&contents[path]);
                    let at = Slice { pack: 0, offset: pack.len() as u64, length: bytes.len() as u64 };
                    pack.extend_from_slice(&bytes);
                    Action::Full { at }
                }
            },
        };
        steps.push(Step { path: path.clone(), before: old.cloned(), after: new.cloned(), action, class: Class::Code });
    }
    (Steps { steps, config: Vec::new() }, pack)
}

/// A release of one track with two fixes.
pub struct Release2<'a> {
    pub component: &'a str,
    pub version: &'a str,
    pub sequence: Option<u64>,
    pub bases: &'a [(&'a str, Files<'a>)],
    pub target: Files<'a>,
}

pub const BASE_1: Files<'static> = &[
    ("bin/agent*", "agent 1\n"),
    ("doc/old.txt", "gone soon\n"),
    ("lib/a.txt", "one\ntwo\n"),
    ("lib/link", "-> a.txt"),
    ("run.sh", "#!/bin/sh\n"),
    ("share/same", "the same in all\n"),
];
pub const BASE_2: Files<'static> = &[
    ("bin/agent*", "agent 2\n"),
    ("lib/a.txt", "one\ntwo\nthree\n"),
    ("lib/link", "-> a.txt"),
    ("run.sh*", "#!/bin/sh\n"),
    ("share/same", "the same in all\n"),
];
pub const TARGET: Files<'static> = &[
    ("bin/agent*", "agent 3\n"),
    ("empty", "/"),
    ("lib/a.txt", "one\ntwo\nthree\nfour\n"),
    ("lib/b.txt", "one\ntwo\nthree\nfour\n"),
    ("lib/link", "-> b.txt"),
    ("run.sh*", "#!/bin/sh\n"),
    ("share/same", "the same in all\n"),
];

/// The golden release: two bases, one target.
pub fn golden() -> Release2<'static> {
    Release2 {
        component: "acme",
        version: "3.0",
        sequence: Some(30),
        bases: &[("1.0", BASE_1), ("2.0", BASE_2)],
        target: TARGET,
    }
}

impl Release2<'_> {
    pub fn draft(&self, blobs: &mut Blobs, encode: &dyn Fn(&[u8]) -> Vec<u8>) -> Draft {
        let (target, contents) = tree(self.target);
        let fix = |id: &str, cves: &[&str]| FixEntry {
            id: id.into(),
            title: format!("Fix {id}"),
            author: "A. Hacker <a@example.org>".into(),
            date: "2026-01-31T00:00:00Z".into(),
            cves: cves.iter().map(|c| (*c).into()).collect(),
            severity: String::new(),
            links: vec![],
            supersedes: vec![],
            realises: Vec::new(),
            restart: false,
        };
        let bases = self
            .bases
            .iter()
            .map(|(name, files)| {
                let before = tree(files).0;
                let (steps, pack) = route(&before, &target, &contents, encode);
                let packs = if pack.is_empty() { vec![] } else { vec![blobs.add(pack)] };
                BaseDraft {
                    name: (*name).into(),
                    track: "default".into(),
                    before,
                    steps,
                    packs,
                    memory: 4096,
                    fixes: vec![
                        FixState { id: "FIX-1".into(), state: State::Added, reason: String::new() },
                        FixState { id: "FIX-2".into(), state: State::Partly, reason: "half of it is there".into() },
                    ],
                    hooks: Vec::new(),
                }
            })
            .collect();
        let path = |p: &str, fixes: &[&str]| ProvenancePath {
            path: TreePath::parse(p).unwrap(),
            fixes: fixes.iter().map(|f| (*f).into()).collect(),
        };
        Draft {
            component: self.component.into(),
            release: Release {
                version: self.version.into(),
                sequence: self.sequence,
                created: None,
                best_before: None,
            },
            tracks: vec![TrackDraft {
                name: "default".into(),
                branch: String::new(),
                platform: String::new(),
                version: self.version.into(),
                target,
                provenance: Provenance {
                    paths: vec![path("bin/agent", &["FIX-1"]), path("lib/a.txt", &["FIX-1", "FIX-2"])],
                },
            }],
            fixes: vec![fix("FIX-1", &["CVE-2026-0001"]), fix("FIX-2", &[])],
            graph: Graph {
                edges: vec![GraphEdge {
                    fix: "FIX-2".into(),
                    needs: "FIX-1".into(),
                    kind: "hunk".into(),
                    reason: serde_json::json!({"path": "lib/a.txt"}),
                }],
                order_pairs: vec![],
                merges: vec![],
            },
            bases,
        }
    }

    pub fn package(&self) -> (Package, Blobs) {
        let mut blobs = Blobs::new();
        let full = |bytes: &[u8]| delta::encode(Codec::Full, None, bytes, Profile::Fast).unwrap().bytes;
        let draft = self.draft(&mut blobs, &full);
        let package = draft.assemble(&mut blobs).unwrap();
        (package, blobs)
    }
}
