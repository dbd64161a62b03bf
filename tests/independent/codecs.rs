//! The reader's decoders of single codecs, each run on real deltas.

use super::{common, python, run};
use cumulate::delta::{self, Codec, DecodeLimits, Profile};
use miniz_oxide::deflate::compress_to_vec;
use std::collections::BTreeMap;
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

const LIMITS: DecodeLimits = DecodeLimits { new_size: 1 << 24, memory: 1 << 28 };

/// Deltas that the reader decodes in one run, each with what we make of it.
#[derive(Default)]
struct Batch(BTreeMap<String, (Vec<u8>, Vec<u8>)>);

impl Batch {
    /// The delta of a pair, and the same with a bit changed or its end cut off in a few places.
    fn add(&mut self, name: &str, codec: Codec, old: &[u8], new: &[u8], profile: Profile) {
        let delta = delta::encode(codec, Some(old), new, profile).unwrap().bytes;
        for n in 1..4 {
            // Behind the header, spread over the delta.
            let at = 16 + (delta.len() - 16) * n / 4;
            let mut bytes = delta.clone();
            bytes[at] ^= 1 << (at % 8);
            self.0.insert(format!("{name}-bit-{n}"), (bytes, old.to_vec()));
            self.0.insert(format!("{name}-cut-{n}"), (delta[..at].to_vec(), old.to_vec()));
        }
        self.0.insert(format!("{name}-more"), ([&delta[..], &[7]].concat(), old.to_vec()));
        self.0.insert(name.to_owned(), (delta, old.to_vec()));
    }
    /// How many the reader decoded and how many it refused, each as we do.
    fn read(&self) -> (usize, usize) {
        let dir = tempfile::tempdir().unwrap();
        for (name, (delta, old)) in &self.0 {
            fs::write(dir.path().join(format!("{name}.delta")), delta).unwrap();
            fs::write(dir.path().join(format!("{name}.old")), old).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/deltas.py");
        run(Command::new(python(dir.path())).arg(script).arg("--all").arg(dir.path()));
        let (mut decoded, mut refused) = (0, 0);
        for (name, (delta, old)) in &self.0 {
            let theirs = fs::read(dir.path().join(format!("{name}.made"))).ok();
            let ours = delta::decode(delta, old, LIMITS);
            assert!(
                ours.as_ref().ok() == theirs.as_ref(),
                "{name}: ours {:?}, theirs {}",
                ours.err(),
                theirs.is_some()
            );
            *if theirs.is_some() { &mut decoded } else { &mut refused } += 1;
        }
        (decoded, refused)
    }
}

#[test]
#[ignore = "independent: needs PyPI's zstandard"]
fn streams_are_decoded_from_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/executables.py");
    run(Command::new("python3").arg(script).arg(dir.path()));
    let words = |version: &str| fs::read(format!("testdata/demo/{version}/data/words.bin")).unwrap();
    fs::write(dir.path().join("words-real.old"), words("bases/1.0.2")).unwrap();
    fs::write(dir.path().join("words-real.new"), words("fixes/LAN-105/tree")).unwrap();
    let mut batch = Batch::default();
    let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().path()).collect();
    names.sort();
    for old in names.iter().filter(|n| n.extension().is_some_and(|e| e == "old")) {
        let name = old.file_stem().unwrap().to_str().unwrap();
        let (old, new) = (fs::read(old).unwrap(), fs::read(old.with_extension("new")).unwrap());
        // Both tiers of each are more than a test has time for, but for one.
        for (tier, profile) in [("small", Profile::Small), ("balanced", Profile::Balanced)] {
            if name == "elf-x64" || (name.len() % 2 == 0) == (tier == "small") {
                batch.add(&format!("{name}-{tier}"), Codec::Stream, &old, &new, profile);
            }
        }
    }
    let (decoded, refused) = batch.read();
    assert!(decoded >= 16 && refused >= 90, "{decoded} decoded, {refused} refused");
}

#[test]
#[ignore = "independent: needs PyPI's zstandard"]
fn containers_are_decoded_from_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/archived.py");
    run(Command::new(python(dir.path())).arg(script).arg(dir.path()));
    let mut batch = Batch::default();
    let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().path()).collect();
    names.sort();
    for old in names.iter().filter(|n| n.extension().is_some_and(|e| e == "old")) {
        let name = old.file_stem().unwrap().to_str().unwrap();
        let (old, new) = (fs::read(old).unwrap(), fs::read(old.with_extension("new")).unwrap());
        batch.add(name, Codec::Containers, &old, &new, Profile::Small);
    }
    let (decoded, refused) = batch.read();
    assert!(decoded >= 32 && refused >= 200, "{decoded} decoded, {refused} refused");
}

#[test]
#[ignore = "independent: needs PyPI's cryptography and zstandard"]
fn archives_in_a_bundle_are_decoded_beside_its_bases() {
    let dir = tempfile::tempdir().unwrap();
    let (python, scripts) = (python(dir.path()), Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent"));
    run(Command::new(&python).arg(scripts.join("archived.py")).arg(dir.path()));
    common::copy(Path::new("testdata/demo"), &dir.path().join("lantern"));
    for (version, made) in
        [("bases/1.0.0", "old"), ("bases/1.0.1", "old"), ("bases/1.0.2", "old"), ("fixes/LAN-105/tree", "new")]
    {
        let words = dir.path().join("lantern").join(version).join("data/words.bin");
        fs::copy(dir.path().join("zip-in-tar-in-gzip").with_extension(made), words).unwrap();
    }
    let (fix, was) =
        (dir.path().join("lantern/fixes/LAN-105/fix.toml"), Path::new("testdata/demo/bases/1.0.0/data/words.bin"));
    let of = |path: &Path| cumulate::tree::Digest::of(&fs::read(path).unwrap()).to_string();
    let built_on = of(&dir.path().join("zip-in-tar-in-gzip.old"));
    fs::write(&fix, fs::read_to_string(&fix).unwrap().replace(&of(was), &built_on)).unwrap();
    common::cumulate(dir.path(), &["keygen", "--out", "k"]).expect(0);
    let build = ["build", "lantern", "-o", "l.cup", "--key", "k.key", "--profile", "balanced", "--no-cache"];
    common::cumulate(dir.path(), &build).expect(0);
    let mut read = Command::new(&python);
    read.current_dir(dir.path()).arg(scripts.join("reader.py")).args(["l.cup", "k.pub", "--bases", "lantern/bases"]);
    let out = String::from_utf8(run(&mut read).stdout).unwrap();
    assert!(out.contains("decoded containers 3\n"), "{out}");
}

/// Such a stream can be made by running that program alone, as the page says, and this reader does not.
#[test]
#[ignore = "independent: needs PyPI's zstandard"]
fn what_miniz_deflated_is_refused_in_so_many_words() {
    let pair = Pair::new();
    let gzip = |plain: &str| {
        let end = [[1; 4], (plain.len() as u32).to_le_bytes()].concat();
        [&[31, 139, 8, 0, 0, 0, 0, 0, 0, 3][..], &compress_to_vec(plain.as_bytes(), 6), &end].concat()
    };
    let text: String =
        (0..3000).map(|n: u32| format!("line {} of the text\n", n.wrapping_mul(2_654_435_761) >> 7)).collect();
    let (old, new) = (gzip(&text), gzip(&text.replace("line 77", "something else")));
    let made = delta::encode(Codec::Containers, Some(&old), &new, Profile::Small).unwrap();
    assert_eq!(delta::decode(&made.bytes, &old, LIMITS).unwrap(), new);
    fs::write(pair.dir.path().join("delta"), &made.bytes).unwrap();
    fs::write(pair.dir.path().join("old"), &old).unwrap();
    let out = pair.decode().output().unwrap();
    assert!(!out.status.success() && out.stdout.is_empty());
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("only miniz_oxide, which this reader has not, makes such a stream"), "{said}");
}
