//! What we sign and write is what others read: PyPI's `securesystemslib`, and `openssl`.
//!
//! Needs `python3 -m venv`, PyPI (or CUMULATE_PYTHON, an interpreter that has
//! `securesystemslib[crypto]` and `zstandard`), and `openssl`; run with `--ignored`.

#[path = "independent/codecs.rs"]
mod codecs;
mod common;
mod support;

use cumulate::bundle;
use cumulate::delta::{self, Codec, Profile};
use cumulate::disk::Disk;
use cumulate::trust::{KeySource, Place, Policy, PublicKey, SecretKey};
use cumulate::verb::{attach, emit, keygen, keygen_encrypted, sign, verify, write_envelopes};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::forge::Forge;

fn run(command: &mut Command) -> Output {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    out
}

fn openssl(args: &[&str]) -> Vec<u8> {
    run(Command::new("openssl").args(args)).stdout
}

fn python(dir: &Path) -> PathBuf {
    if let Some(python) = std::env::var_os("CUMULATE_PYTHON") {
        return python.into();
    }
    let venv = dir.join("venv");
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    let python = venv.join("bin/python");
    let packages = ["securesystemslib[crypto]==1.3.0", "zstandard==0.23.0"];
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages));
    python
}

#[test]
#[ignore = "independent: needs PyPI's securesystemslib"]
fn securesystemslib_verifies_our_envelopes() {
    let dir = tempfile::tempdir().unwrap();
    let (package, blobs) = support::golden().package();
    let cup = dir.path().join("a.cup");
    bundle::write_file(&package, &blobs, &Disk::real(), &cup).unwrap();
    let key = keygen(&dir.path().join("key")).unwrap();
    sign(&cup, &key.private, "release").unwrap();
    let files = write_envelopes(&cup, &dir.path().join("out")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/verify.py");
    let out = run(Command::new(python(dir.path())).arg(script).arg(&files[0]).arg(&key.public).args(&files[1..]));
    assert_eq!(String::from_utf8(out.stdout).unwrap(), "release acme 3.0 30\n");
}

#[test]
#[ignore = "independent: needs openssl"]
fn openssl_reads_our_keys_and_we_read_its() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let made = keygen(&dir.path().join("ours")).unwrap();
    let text = openssl(&["pkey", "-in", &at("ours.key"), "-text", "-noout"]);
    assert!(String::from_utf8(text).unwrap().to_uppercase().contains("ED25519 PRIVATE-KEY"));
    let public = openssl(&["pkey", "-in", &at("ours.key"), "-pubout"]);
    assert_eq!(public, fs::read(at("ours.pub")).unwrap(), "the same public file, byte for byte");
    assert_eq!(openssl(&["pkey", "-pubin", "-in", &at("ours.pub"), "-pubout"]), public);
    let der = openssl(&["pkey", "-pubin", "-in", &at("ours.pub"), "-outform", "DER"]);
    assert_eq!(cumulate::tree::Digest::of(&der), made.key_id.0, "the key id is the digest of the DER");
    // A signature made by one verifies with the other.
    let key = SecretKey::read(&made.private).unwrap();
    fs::write(at("m"), "message").unwrap();
    fs::write(at("s"), key.sign(b"message")).unwrap();
    openssl(&[
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        &at("ours.pub"),
        "-rawin",
        "-in",
        &at("m"),
        "-sigfile",
        &at("s"),
    ]);

    openssl(&["genpkey", "-algorithm", "ed25519", "-out", &at("theirs.key")]);
    openssl(&["pkey", "-in", &at("theirs.key"), "-pubout", "-out", &at("theirs.pub")]);
    openssl(&["pkeyutl", "-sign", "-inkey", &at("theirs.key"), "-rawin", "-in", &at("m"), "-out", &at("t")]);
    let theirs = SecretKey::read(Path::new(&at("theirs.key"))).unwrap();
    let public = PublicKey::read(Path::new(&at("theirs.pub"))).unwrap();
    assert_eq!(theirs.id(), public.id());
    assert!(public.verifies(b"message", &fs::read(at("t")).unwrap()));
    for (name, algorithm) in [("rsa", "RSA"), ("ec", "EC"), ("x", "X25519"), ("ed448", "ED448")] {
        let mut args = vec!["genpkey", "-algorithm", algorithm, "-out"];
        let file = at(name);
        args.push(&file);
        if algorithm == "EC" {
            args.extend(["-pkeyopt", "ec_paramgen_curve:P-256"]);
        }
        openssl(&args);
        let e = SecretKey::read(Path::new(&file)).unwrap_err();
        assert_eq!(e.code, cumulate::report::ErrorCode::BadKey, "{algorithm}");
    }
}

#[test]
#[ignore = "independent: needs openssl"]
fn openssl_and_we_encrypt_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("pass"), "battery staple\n").unwrap();
    let place = Place::File(at("pass").into());
    let made = keygen_encrypted(&dir.path().join("ours"), Some(&place)).unwrap();
    let pass = format!("file:{}", at("pass"));
    let public = openssl(&["pkey", "-in", &at("ours.key"), "-passin", &pass, "-pubout"]);
    assert_eq!(public, fs::read(&made.public).unwrap());
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", &at("plain")]);
    let plain = SecretKey::read(at("plain")).unwrap();
    let ways: [&[&str]; 5] = [
        &["-v2", "aes256"],
        &["-v2", "aes-128-cbc"],
        &["-v2", "aes256", "-v2prf", "hmacWithSHA512", "-iter", "100000"],
        &["-scrypt"],
        &["-scrypt", "-scrypt_N", "8192", "-scrypt_r", "16", "-scrypt_p", "2"],
    ];
    for way in ways {
        let (from, to) = (at("plain"), at("sealed"));
        openssl(&[&["pkcs8", "-topk8", "-in", &from, "-out", &to, "-passout", &pass], way].concat());
        let key = Place::File(at("sealed").into());
        let read = SecretKey::read(KeySource { key, passphrase: Some(place.clone()) }).unwrap();
        assert_eq!(read.id(), plain.id(), "{way:?}");
    }
}

#[test]
#[ignore = "independent: needs openssl"]
fn openssl_signs_a_release_for_us() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (package, blobs) = support::golden().package();
    let cup = dir.path().join("a.cup");
    bundle::write_file(&package, &blobs, &Disk::real(), &cup).unwrap();
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", &at("k.key")]);
    openssl(&["pkey", "-in", &at("k.key"), "-pubout", "-out", &at("k.pub")]);
    fs::write(at("bytes"), emit(&cup, "release").unwrap()).unwrap();
    openssl(&["pkeyutl", "-sign", "-inkey", &at("k.key"), "-rawin", "-in", &at("bytes"), "-out", &at("sig")]);
    let public = Path::new(&at("k.pub")).to_path_buf();
    assert!(attach(&cup, "release", &public, &fs::read(at("sig")).unwrap()).unwrap().added);
    let policy = Policy::of_keys([PublicKey::read(&public).unwrap()]).unwrap();
    verify(&cup, &policy, 0).unwrap();
}

/// A second reader, in another language and written from the format page alone, comes to the same
/// conclusions: the page is complete.
#[test]
#[ignore = "independent: needs PyPI's cryptography and zstandard"]
fn a_reader_written_from_the_page_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let mut blobs = bundle::Blobs::new();
    let mut draft =
        support::golden().draft(&mut blobs, &|b| delta::encode(Codec::Full, None, b, Profile::Fast).unwrap().bytes);
    draft.bases[0].hooks = vec![
        hook("FIX-1#1", bundle::When::Before, &["sh", "-c", "echo \"\u{1}ä\u{7f}\"\t/"]),
        hook("health", bundle::When::Health, &["bin/agent", "--check"]),
    ];
    draft.bases[0].hooks[0].undo = vec!["true".into()];
    draft.bases[0].hooks[0].irreversible = true;
    let package = draft.assemble(&mut blobs).unwrap();
    let cup = dir.path().join("a.cup");
    let layout = dir.path().join("layout");
    bundle::write_file(&package, &blobs, &Disk::real(), &cup).unwrap();
    bundle::write_layout(&package, &blobs, &Disk::real(), &layout).unwrap();
    let key = keygen(&dir.path().join("key")).unwrap();
    let other = keygen(&dir.path().join("other")).unwrap();
    let python = python(dir.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/reader.py");
    let read = |path: &Path, public: &Path| {
        Command::new(&python).arg(&script).arg(path).arg(public).output().expect("python runs")
    };
    assert!(!read(&cup, &key.public).status.success(), "nobody has signed");
    let mut lines = String::new();
    for base in package.root().bases.iter().map(|b| package.base(&b.name).unwrap()) {
        let steps = unsigned(&cup).steps(&base.name).unwrap().steps.len();
        // What vetting is bound to: the page says how to come to it.
        let hooks = package.judged().routes[&base.name].hooks;
        lines += &format!("{} {} {} {steps} {hooks}\n", base.name, base.before.tree, base.after.tree);
    }
    for path in [&cup, &layout] {
        sign(path, &key.private, "vetter").unwrap();
        assert!(!read(path, &key.public).status.success(), "the only signature is of another role");
        sign(path, &key.private, "release").unwrap();
        let out = read(path, &key.public);
        assert_eq!(String::from_utf8_lossy(&out.stdout), lines, "{}", String::from_utf8_lossy(&out.stderr));
        assert!(!read(path, &other.public).status.success());
    }
    let whole = fs::read(&cup).unwrap();
    let broken = dir.path().join("broken.cup");
    // Spread over the file by a step that is prime, so that every part of it is hit.
    for at in (0..whole.len()).step_by(977) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&broken, &bytes).unwrap();
        let out = read(&broken, &key.public);
        assert!(!out.status.success(), "byte {at}");
        assert!(
            String::from_utf8_lossy(&out.stderr).starts_with("refused: "),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

/// The same of single deltas: every layout of bsdiff, zstd with its prefix, and whole contents.
#[test]
#[ignore = "independent: needs PyPI's zstandard"]
fn a_decoder_written_from_the_page_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let python = python(dir.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/deltas.py");
    let text: Vec<u8> = (0u32..30_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 1).collect();
    // Bytes that differ, more and more of them, in runs of more than one length.
    let sparse = |every: usize, run: usize| {
        let mut new = text.clone();
        for at in (0..new.len() - run).step_by(every) {
            new[at..at + run].iter_mut().for_each(|b| *b ^= 0x55);
        }
        new
    };
    let moved = [&text[9000..], b"something new in between", &text[..12_000]].concat();
    let news =
        [sparse(3000, 1), sparse(300, 2), sparse(40, 3), sparse(7, 2), moved, text.clone(), vec![], b"x".to_vec()];
    let (delta_file, old_file) = (dir.path().join("delta"), dir.path().join("old"));
    fs::write(&old_file, &text).unwrap();
    let mut made = 0;
    for (n, new) in news.iter().enumerate() {
        for codec in [Codec::Full, Codec::Bsdiff, Codec::Zstd] {
            for profile in [Profile::Fast, Profile::Small] {
                let Ok(delta) = delta::encode(codec, Some(&text), new, profile) else { continue };
                made += 1;
                fs::write(&delta_file, &delta.bytes).unwrap();
                let out = run(Command::new(&python).arg(&script).arg(&delta_file).arg(&old_file));
                assert_eq!(out.stdout, *new, "content {n} by {codec:?}, {profile:?}");
                let mut bytes = delta.bytes;
                let at = bytes.len() / 2;
                bytes[at] ^= 4;
                fs::write(&delta_file, &bytes).unwrap();
                let out = Command::new(&python).arg(&script).arg(&delta_file).arg(&old_file).output().unwrap();
                // A bit that decides nothing may be damaged; other bytes never come out.
                assert!(!out.status.success() || out.stdout == *new, "content {n} by {codec:?}, damaged");
            }
        }
    }
    assert!(made >= 40, "{made} deltas");
}

/// A real bundle, its deltas decoded beside its bases.
#[test]
#[ignore = "independent: needs PyPI's cryptography and zstandard"]
fn a_reader_written_from_the_page_decodes_real_packs() {
    let dir = tempfile::tempdir().unwrap();
    let python = python(dir.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/reader.py");
    common::copy(Path::new("testdata/demo"), &dir.path().join("lantern"));
    common::cumulate(dir.path(), &["keygen", "--out", "k"]).expect(0);
    let build = ["build", "lantern", "-o", "l.cup", "--key", "k.key", "--profile", "fast", "--no-cache"];
    common::cumulate(dir.path(), &build).expect(0);
    let read = || {
        let mut python = Command::new(&python);
        python.current_dir(dir.path()).arg(&script).args(["l.cup", "k.pub", "--bases", "lantern/bases"]);
        python.output().unwrap()
    };
    let out = String::from_utf8(read().stdout).unwrap();
    assert!(out.contains("decoded full 2\n") && out.contains("decoded zstd 11\n"), "{out}");
    fs::write(dir.path().join("lantern/bases/1.0.1/src/parse.c"), "another old file").unwrap();
    let out = String::from_utf8(read().stderr).unwrap();
    assert!(out.starts_with("refused: "), "{out}");
}

fn hook(id: &str, when: bundle::When, run: &[&str]) -> bundle::Hook {
    let run = run.iter().map(ToString::to_string).collect();
    bundle::Hook { id: id.into(), when, run, undo: Vec::new(), timeout: 60, irreversible: false }
}

/// What the page forbids of hooks both readers refuse; what it does not, both take.
#[test]
#[ignore = "independent: needs PyPI's cryptography and zstandard"]
fn both_readers_refuse_the_same_hooks() {
    let dir = tempfile::tempdir().unwrap();
    let python = python(dir.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/reader.py");
    let key = SecretKey::generate().unwrap();
    let public = dir.path().join("k.pub");
    fs::write(&public, key.public().to_pem()).unwrap();
    let (package, blobs) = support::golden().package();
    let good = json!({"id": "FIX-1#1", "when": "after", "run": ["true"], "timeout": 60});
    let with = |field: &str, value: Value| {
        let mut hook = good.clone();
        hook[field] = value;
        json!([hook])
    };
    let rows = [
        ("an honest one", json!([good]), true),
        ("one that says what is usual", with("irreversible", json!(false)), true),
        ("one for an hour", with("timeout", json!(3600)), true),
        ("twice", json!([good, good]), false),
        ("of a fix that nobody has", with("id", json!("FIX-9#1")), false),
        ("of no fix", with("id", json!("FIX-1")), false),
        ("a health check by another name", with("when", json!("health")), false),
        ("at another time", with("when", json!("later")), false),
        ("no command", with("run", json!([])), false),
        ("an empty command", with("run", json!([""])), false),
        ("a command that is one text", with("run", json!("true")), false),
        ("a NUL in a word", with("run", json!(["true", "a\u{0}b"])), false),
        ("too many words", with("undo", json!(vec!["x"; 65])), false),
        ("a word of 5 KiB", with("run", json!(["true", "x".repeat(5000)])), false),
        ("no time", with("timeout", json!(0)), false),
        ("two days", with("timeout", json!(172_800)), false),
        ("a field that nobody knows", with("shell", json!(true)), false),
        ("too many", (1..=257).map(|n| with("id", json!(format!("FIX-1#{n}")))[0].clone()).collect(), false),
    ];
    for (name, hooks, taken) in rows {
        for needed in [true, false] {
            let mut forged = Forge::of(&package, &blobs);
            forged.root["needs"] = if needed { json!(["hooks"]) } else { json!([]) };
            forged.bases[0]["hooks"] = hooks.clone();
            forged.sign(&key, "release");
            let path = dir.path().join("forged");
            let _ = fs::remove_dir_all(&path);
            forged.write(&path);
            let policy = Policy::of_keys([key.public().clone()]).unwrap();
            let ours = bundle::open(&path).and_then(|b| b.verify(&policy, 1_800_000_000));
            assert_eq!(ours.is_ok(), taken && needed, "{name}, needed: {needed}: {:?}", ours.err());
            let out = Command::new(&python).arg(&script).arg(&path).arg(&public).output().unwrap();
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert_eq!(out.status.success(), taken && needed, "{name}, needed: {needed}: {said}");
            assert!(out.status.success() || said.starts_with("refused: ") && said.contains("hook"), "{name}: {said}");
        }
    }
}

fn unsigned(path: &Path) -> bundle::Bundle {
    bundle::open(path).unwrap().accept_unsigned().unwrap()
}
