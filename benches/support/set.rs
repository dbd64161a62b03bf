//! A set of real components (../shared/corpus) as a release: its bases, its fixes and what is made of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One set as it is laid out.
pub struct Set {
    pub name: String,
    pub at: PathBuf,
    pub bases: Vec<String>,
    /// The base that contains no fix.
    pub from: String,
}

impl Set {
    /// `None`, and a word about it, if it is not laid out.
    pub fn of(name: &str) -> Option<Self> {
        let corpus =
            std::env::var_os("CUMULATE_CORPUS").map_or_else(|| PathBuf::from("../shared/corpus/data"), PathBuf::from);
        let Ok(at) = corpus.join(name).canonicalize() else {
            println!("{name}: not laid out");
            return None;
        };
        let truth: serde_json::Value = serde_json::from_slice(&fs::read(at.join("truth.json")).unwrap()).unwrap();
        let bases: Vec<String> = truth["bases"].as_object().unwrap().keys().cloned().collect();
        let none = |b: &&String| truth["bases"][b.as_str()]["contains"].as_array().is_some_and(Vec::is_empty);
        let from = bases.iter().find(none).unwrap().clone();
        Some(Self { name: name.to_owned(), at, bases, from })
    }

    pub fn base(&self, name: &str) -> PathBuf {
        self.at.join("bases").join(name)
    }

    pub fn target(&self) -> PathBuf {
        self.at.join("target")
    }

    /// Makes `dir` the release folder of the set.
    pub fn lay(&self, dir: &Path) {
        let (name, from, fixes) = (&self.name, &self.from, self.at.join("fixes"));
        let mut config = format!(
            "[component]\nname = {name:?}\n[release]\nversion = \"target\"\nfrom = {from:?}\nfixes = {fixes:?}\n"
        );
        for b in &self.bases {
            config += &format!("[[base]]\nversion = {b:?}\nsource = {:?}\n", self.base(b));
        }
        fs::write(dir.join("cumulate.toml"), config).unwrap();
    }
}

/// The files of a folder, without what cumulate keeps beside them.
pub fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for item in fs::read_dir(dir).unwrap() {
            let path = item.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() && !path.ends_with(".cumulate") {
                todo.push(path);
            } else if meta.is_file() {
                out.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    out
}
