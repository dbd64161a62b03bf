//! Names the sources that a binary was made of: what a plan remembers for the next one counts for the same sources only.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

fn main() {
    let mut files: Vec<PathBuf> = vec!["Cargo.toml".into(), "Cargo.lock".into()];
    let mut todo: Vec<PathBuf> = vec!["src".into()];
    while let Some(dir) = todo.pop() {
        for item in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = item.path();
            if path.is_dir() { todo.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        (file.as_path() as &Path, std::fs::read(&file).ok()).hash(&mut hasher);
    }
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rustc-env=CUMULATE_SOURCES={:016x}", hasher.finish());
}
