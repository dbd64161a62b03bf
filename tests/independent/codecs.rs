//! The reader's decoders of single codecs, each run on real deltas.

use super::{common, python, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An interpreter and a folder with a pair of files.
struct Pair {
    dir: tempfile::TempDir,
    python: PathBuf,
}

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let python = python(dir.path());
        Self { dir, python }
    }
    /// Encodes by the command line and decodes by the page: the codec, and the delta.
    #[track_caller]
    fn there_and_back(&self, old: &[u8], new: &[u8], options: &[&str]) -> (String, Vec<u8>) {
        let at = |name: &str| self.dir.path().join(name);
        fs::write(at("old"), old).unwrap();
        fs::write(at("new"), new).unwrap();
        let encode = ["delta", "encode", "old", "new", "-o", "delta", "--force", "--format", "json"];
        let made = common::cumulate(self.dir.path(), &[&encode, options].concat()).expect(0).json();
        let out = run(&mut self.decode());
        assert!(out.stdout == new, "{options:?}: other bytes, {made}");
        (made["codec"].as_str().unwrap().to_owned(), fs::read(at("delta")).unwrap())
    }
    fn decode(&self) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/deltas.py");
        let mut python = Command::new(&self.python);
        python.current_dir(self.dir.path()).arg(script).args(["delta", "old"]);
        python
    }
    /// A damaged bit that decides nothing may pass; other bytes never come out.
    fn refuses_damage(&self, delta: &[u8], new: &[u8], at: usize) {
        let mut bytes = delta.to_vec();
        bytes[at] ^= 4;
        fs::write(self.dir.path().join("delta"), bytes).unwrap();
        let out = self.decode().output().unwrap();
        assert!(!out.status.success() || out.stdout == new, "damaged at {at} of {}", delta.len());
    }
}

/// Bytes that no rule predicts.
fn noise(mut seed: u64, words: usize) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    };
    (0..words).flat_map(|_| next()).collect()
}

#[test]
#[ignore = "independent: needs PyPI's zstandard"]
fn windows_are_decoded_from_the_page() {
    let pair = Pair::new();
    let parts: Vec<Vec<u8>> = (1..5).map(|n| noise(n, 1 << 18)).collect();
    let old = parts[..3].concat();
    let mut new = [&parts[2][..], b"something new in between", &parts[3][..1000], &parts[0], &parts[0]].concat();
    new.iter_mut().step_by(30_001).for_each(|b| *b ^= 7);
    for profile in ["fast", "small"] {
        let (codec, delta) = pair.there_and_back(&old, &new, &["--profile", profile, "--memory", "64 MiB"]);
        assert_eq!(codec, "windows");
        assert!(delta.len() < 10_000, "{}", delta.len());
        for at in [3, 20, delta.len() / 2, delta.len() - 1] {
            pair.refuses_damage(&delta, &new, at);
        }
    }
}
