//! What every fuzz target does with its bytes: shared by `cargo fuzz` and by `tests/fuzz.rs`, which runs on stable.
//! Whatever the bytes are, nothing panics, nothing is allocated that was not allowed, and what comes out keeps its law.

use cumulate::bundle;
use cumulate::delta::{self, DecodeLimits};
use cumulate::disk::Disk;
use cumulate::fix::read_fixes;
use cumulate::install;
use cumulate::patch::{self, FileState, Mode, ParseOptions};
use cumulate::release::Config;
use cumulate::tree::{SourceOptions, TreePath, read_source};
use cumulate::trust::{Envelope, Policy, SecretKey, TrustRoot};
use std::fs;
use std::path::Path;

/// A target: its name, which is also its seeds' folder, and what it does.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: &[Target] = &[
    ("patch", patch_file),
    ("fix", fix_toml),
    ("series", series),
    ("config", config),
    ("path", path),
    ("archive", archive),
    ("bundle", bundle_file),
    ("delta", delta_bytes),
    ("policy", policy),
    ("envelope", envelope),
    ("key", key),
    ("state", state),
];

fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a scratch folder")
}

/// What parses names only paths inside the tree, and applies or is refused.
pub fn patch_file(bytes: &[u8]) {
    let Ok(files) = patch::parse(bytes, &ParseOptions::default()) else { return };
    for path in files.iter().flat_map(|f| f.old.iter().chain(&f.new)) {
        assert!(!path.as_str().split('/').any(|n| n == ".." || n.is_empty()), "{path}");
    }
    let text = b"one\ntwo\nthree\nfour\nfive\n";
    let _ = patch::apply_all(&files, |_| Some(FileState { mode: Mode::File, content: text[..].into() }));
}

pub fn fix_toml(bytes: &[u8]) {
    let dir = scratch();
    let fix = dir.path().join("F");
    fs::create_dir_all(fix.join("tree")).unwrap();
    fs::write(fix.join("tree/f"), "x").unwrap();
    fs::write(fix.join("fix.toml"), bytes).unwrap();
    fs::write(dir.path().join("G.patch"), bytes).unwrap();
    let _ = read_fixes(dir.path());
}

pub fn series(bytes: &[u8]) {
    let dir = scratch();
    fs::write(dir.path().join("a.patch"), "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n").unwrap();
    fs::write(dir.path().join("series"), bytes).unwrap();
    let _ = read_fixes(dir.path());
}

pub fn config(bytes: &[u8]) {
    let _ = Config::parse(&String::from_utf8_lossy(bytes), "cumulate.toml");
}

/// A path that is taken has one spelling and stays below whatever it is joined to.
pub fn path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(path) = TreePath::parse(&text) else { return };
    assert_eq!(path.as_str(), text);
    let full = path.under(Path::new("/installation"));
    assert!(full.starts_with("/installation") && full.components().all(|c| c.as_os_str() != ".."));
}

pub fn archive(bytes: &[u8]) {
    let dir = scratch();
    let options = SourceOptions { max_bytes: 1 << 20, max_entries: 1000, ..SourceOptions::default() };
    for name in ["a.tar", "a.tar.gz", "a.zip"] {
        let file = dir.path().join(name);
        fs::write(&file, bytes).unwrap();
        if let Ok(source) = read_source(&file, &options) {
            assert!(source.tree.bytes() <= 1 << 20 && source.tree.len() <= 2000);
        }
    }
}

/// Whoever believes a bundle without a signature still gets what it states, or an error.
pub fn bundle_file(bytes: &[u8]) {
    let dir = scratch();
    let file = dir.path().join("b.cup");
    fs::write(&file, bytes).unwrap();
    let Ok(bundle) = bundle::open(&file).and_then(bundle::Unverified::accept_unsigned) else { return };
    let names: Vec<String> = bundle.bases().map(|b| b.name.clone()).collect();
    for name in names {
        let _ = (bundle.listing(&name), bundle.steps(&name), bundle.download(&name));
    }
    let installed = dir.path().join("i");
    fs::create_dir(&installed).unwrap();
    if let Ok(release) = install::Release::of(&bundle) {
        let _ = install::doctor(&Disk::real(), &installed, &release, None);
        assert_eq!(fs::read_dir(&installed).unwrap().count(), 0, "a doctor only looks");
    }
}

pub fn delta_bytes(bytes: &[u8]) {
    let old = b"the quick brown fox jumps over the lazy dog\n".repeat(40);
    if let Ok(new) = delta::decode(bytes, &old, DecodeLimits { new_size: 1 << 16, memory: 16 << 20 }) {
        assert!(new.len() <= 1 << 16);
    }
}

pub fn policy(bytes: &[u8]) {
    if let Ok(policy) = Policy::parse(&String::from_utf8_lossy(bytes), "trust.toml", Path::new("/nowhere")) {
        let text = policy.to_toml().expect("a policy that was read can be written");
        assert_eq!(Policy::parse(&text, "trust.toml", Path::new("/nowhere")).as_ref().ok(), Some(&policy));
    }
}

pub fn envelope(bytes: &[u8]) {
    let _ = TrustRoot::parse(bytes, "root");
    if let Ok(envelope) = Envelope::from_json(bytes) {
        let again = Envelope::from_json(&envelope.to_json()).expect("what was written can be read");
        assert_eq!(again.payload, envelope.payload);
    }
}

pub fn key(bytes: &[u8]) {
    let _ = SecretKey::from_pem(&String::from_utf8_lossy(bytes), "key");
}

/// Records are the installer's own, and whoever damages them is told; no file of the installation goes.
pub fn state(bytes: &[u8]) {
    let dir = scratch();
    let own = dir.path().join(".cumulate");
    fs::create_dir_all(own.join("releases")).unwrap();
    fs::write(dir.path().join("site"), "mine").unwrap();
    for name in ["installed", "journal", "hooks", "releases/000001.record", "releases/000001.listing"] {
        fs::write(own.join(name), bytes).unwrap();
        let _ = install::status(&Disk::real(), dir.path());
        let _ = install::rollback(&Disk::real(), dir.path());
    }
    assert_eq!(fs::read(dir.path().join("site")).unwrap(), b"mine");
}
