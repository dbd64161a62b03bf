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
use cumulate::trust::{Attestation, Delegation, Envelope, Policy, Said, SecretKey, TokenUri, TrustRoot};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use support::forge::Forge;

#[path = "../tests/support/mod.rs"]
mod support;

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
    ("documents", documents),
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

/// Documents that lie in a bundle whose digests are all right, as whoever signs could make them: what is not refused
/// takes an installation to the stated target, or leaves it as it was.
pub fn documents(bytes: &[u8]) {
    static HONEST: OnceLock<Forge> = OnceLock::new();
    let honest = HONEST.get_or_init(|| {
        let (package, blobs) = support::golden().package();
        Forge::of(&package, &blobs)
    });
    let mut forged = honest.clone();
    let mut edits = Edits(bytes);
    while let Some(which) = edits.next() {
        match which % 6 {
            0 => edits.change(&mut forged.root),
            1 => edits.change(&mut forged.bases[0]),
            2 => edits.change_bytes(&mut forged.plain[0]),
            3 | 4 => {
                let (mut plain, mut text) = forged.listing(0);
                if which % 6 == 3 {
                    edits.change(&mut text)
                } else {
                    edits.change_bytes(&mut plain)
                }
                let pack = forged.bases[0]["packs"].as_array().is_some_and(|p| p.iter().all(|p| p["size"].is_u64()));
                if !pack || !forged.root["limits"].is_object() {
                    return;
                }
                forged.put_listing(0, &plain, &text.to_string());
            }
            _ => edits.change(&mut forged.bases[1]),
        }
        // What the forger itself needs to put the bundle together.
        let whole = forged.bases.iter().all(|b| b["packs"].is_array() && b["listing"]["digest"].is_string());
        if !whole || forged.root["bases"].as_array().is_none_or(|b| b.len() < 2 || !b.iter().all(Value::is_object)) {
            return;
        }
        if forged.listing_of(0).is_none() {
            return;
        }
    }
    let dir = scratch();
    let (layout, here) = (dir.path().join("l"), dir.path().join("i"));
    forged.write(&layout);
    let Ok(bundle) = bundle::open(&layout).and_then(bundle::Unverified::accept_unsigned) else { return };
    let names: Vec<String> = bundle.bases().map(|b| b.name.clone()).collect();
    for name in names {
        let _ = (bundle.listing(&name), bundle.steps(&name), bundle.download(&name), bundle.provenance(&name));
    }
    let Ok(release) = install::Release::of(&bundle) else { return };
    for (name, text) in support::BASE_1 {
        let file = here.join(name.trim_end_matches('*'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, &file).unwrap(),
            None => fs::write(&file, text).unwrap(),
        }
    }
    let exec = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(here.join("bin/agent"), exec).unwrap();
    let before = read_source(&here, &SourceOptions::default()).unwrap().tree;
    let options = install::Options { skip_hooks: true, ..install::Options::default() };
    let done = install::apply(&Disk::scratch(), &here, &release, &options);
    assert!(done.is_ok() || !bytes.is_empty(), "the honest one is applied: {:?}", done.err());
    let after = read_source(&here, &SourceOptions::default()).unwrap().tree;
    match done {
        Ok(applied) if applied.outcome == install::Outcome::Applied => assert_eq!(after.digest(), applied.target),
        _ => assert_eq!(after, before, "a refusal changes nothing"),
    }
}

/// Bytes as instructions what to change where.
struct Edits<'a>(&'a [u8]);

impl Edits<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> u64 {
        (0..8).fold(0, |n, _| n << 8 | u64::from(self.next().unwrap_or(0)))
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.next().unwrap_or(0)).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    /// Walks to some value and puts another there.
    fn change(&mut self, value: &mut Value) {
        let at = usize::from(self.next().unwrap_or(0));
        match value {
            Value::Object(map) if !map.is_empty() && at < 240 => {
                let key = map.keys().nth(at % map.len()).cloned().unwrap_or_default();
                if at >= 200 { drop(map.remove(&key)) } else { self.change(&mut map[&key]) }
            }
            Value::Array(list) if !list.is_empty() && at < 240 => {
                let n = at % list.len();
                match at {
                    200..210 => drop(list.remove(n)),
                    210..220 => list.insert(n, list[n].clone()),
                    220..230 => list.reverse(),
                    _ => self.change(&mut list[n]),
                }
            }
            _ => {
                *value = match self.next().unwrap_or(0) % 8 {
                    0 => json!(self.number()),
                    1 => json!(self.number() % 300),
                    2 => json!(-((self.number() % (1 << 40)) as i64)),
                    3 => json!(self.text()),
                    4 => json!([]),
                    5 => Value::Null,
                    6 => json!(u64::MAX),
                    _ => json!([value.clone()]),
                }
            }
        }
    }

    fn change_bytes(&mut self, bytes: &mut Vec<u8>) {
        let (at, what) = (self.next().unwrap_or(0), self.next().unwrap_or(0));
        let at = usize::from(at) % (bytes.len() + 1);
        match what {
            200.. => bytes.truncate(at),
            _ if at == bytes.len() => bytes.push(what),
            _ => bytes[at] = what,
        }
    }
}

/// Against old files of each kind that some codec looks into: text, a program, an archive.
pub fn delta_bytes(bytes: &[u8]) {
    let text = b"the quick brown fox jumps over the lazy dog\n".repeat(40);
    for old in [&text, &include_bytes!("olds/program")[..], include_bytes!("olds/archive.zip")] {
        if let Ok(new) = delta::decode(bytes, old, DecodeLimits { new_size: 1 << 16, memory: 16 << 20 }) {
            assert!(new.len() <= 1 << 16);
        }
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
    let _ = (Said::read(bytes), Attestation::read(bytes));
    if let Ok(envelope) = Envelope::from_json(bytes) {
        let again = Envelope::from_json(&envelope.to_json()).expect("what was written can be read");
        assert_eq!(again.payload, envelope.payload);
        let _ = (Said::read(&envelope.payload), Delegation::read(&envelope));
    }
}

pub fn key(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = SecretKey::from_pem(&text, "key");
    let _ = TokenUri::parse(&text);
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
