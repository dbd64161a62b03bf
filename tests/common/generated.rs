//! Releases of any size, made from numbers: the same in every run, with the needs that every fix has.
#![allow(dead_code, reason = "every user takes its own part")]

use super::common::Numbers;
use cumulate::fix::{FixId, Payload};
use cumulate::patch::{ParseOptions, parse};
use cumulate::tree::{Entry, Store, Tree, TreePath};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const LINES: usize = 60;

/// A release whose fixes each replace a line in one to five files; half of them in a quarter of the files.
pub struct Release {
    pub tree: Tree,
    pub store: Store,
    pub fixes: Vec<(FixId, Payload)>,
    /// By fix: its patch as text.
    pub patches: Vec<String>,
    /// By fix: whose lines its hunks have in them.
    pub needs: Vec<BTreeSet<usize>>,
}

pub fn generated(fixes: usize, files: usize) -> Release {
    let mut numbers = Numbers(fixes as u64);
    let path = |f: usize| TreePath::parse(&format!("d{}/f{f}.c", f % 100)).unwrap();
    let (mut tree, mut store) = (Tree::default(), Store::default());
    // Every line with the fix that wrote it.
    let mut texts: Vec<Vec<(String, Option<usize>)>> = Vec::new();
    for f in 0..files {
        let lines: Vec<_> = (0..LINES).map(|k| (format!("line {f} {k} some_name_{f}_{k}"), None)).collect();
        let text: String = lines.iter().map(|(l, _)| format!("{l}\n")).collect();
        let entry = Entry::File { digest: store.put(text.as_bytes().to_vec()), size: text.len() as u64, exec: false };
        tree.entries.insert(path(f), entry);
        texts.push(lines);
    }
    let mut out = Vec::new();
    let mut patches = Vec::new();
    let mut needs = Vec::new();
    for n in 0..fixes {
        let (mut patch, mut mine, mut touched) = (String::new(), BTreeSet::new(), BTreeSet::new());
        for _ in 0..1 + numbers.below(5) {
            let f = if numbers.below(2) == 0 { numbers.below(files / 4) } else { numbers.below(files) };
            if !touched.insert(f) {
                continue;
            }
            // Away from both ends, so that every hunk has three lines around it.
            let at = 3 + numbers.below(LINES - 6);
            let lines = &mut texts[f];
            let new = format!("fix {n} new_function_{n}_{f}(); line {at}");
            let p = path(f);
            let _ = write!(patch, "diff --git a/{p} b/{p}\n--- a/{p}\n+++ b/{p}\n@@ -{0},7 +{0},7 @@\n", at - 2);
            for (k, (line, by)) in lines.iter().enumerate().take(at + 4).skip(at - 3) {
                mine.extend(*by);
                let _ = if k == at { write!(patch, "-{line}\n+{new}\n") } else { writeln!(patch, " {line}") };
            }
            lines[at] = (new, Some(n));
        }
        let files = parse(patch.as_bytes(), &ParseOptions::default()).unwrap();
        out.push((FixId(format!("F{n:05}")), Payload::Patch(files.into())));
        patches.push(patch);
        needs.push(mine);
    }
    Release { tree, store, fixes: out, patches, needs }
}

impl Release {
    /// Lays the component out in a folder, with all its fixes.
    pub fn write(&self, dir: &Path) {
        let put = |at: String, bytes: &[u8]| {
            let path = dir.join(at);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        for (path, entry) in &self.tree.entries {
            put(format!("base/{path}"), &self.store.get(&entry.digest().unwrap()).unwrap());
        }
        for ((id, _), patch) in self.fixes.iter().zip(&self.patches) {
            put(format!("fixes/{id}.patch"), patch.as_bytes());
        }
        let config =
            "[component]\nname = \"big\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n";
        put("cumulate.toml".into(), config.as_bytes());
        self.choose(dir, self.fixes.len());
    }

    /// Leaves the first fixes of one that was laid out there, in their order.
    pub fn choose(&self, dir: &Path, first: usize) {
        let fixes = dir.join("fixes");
        for (n, ((id, _), patch)) in self.fixes.iter().zip(&self.patches).enumerate() {
            let file = fixes.join(format!("{id}.patch"));
            match (n < first, file.exists()) {
                (true, false) => fs::write(file, patch).unwrap(),
                (false, true) => fs::remove_file(file).unwrap(),
                _ => {}
            }
        }
        let series: String = self.fixes[..first].iter().map(|(id, _)| format!("{id}\n")).collect();
        fs::write(fixes.join("series"), series).unwrap();
    }
}
