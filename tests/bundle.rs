//! The bundle: one form, everything bounded and checked, and trust that nobody can borrow.

mod support;

use cumulate::bundle::{self, Bundle, Package};
use cumulate::delta::{self, DecodeLimits};
use cumulate::disk::Disk;
use cumulate::report::{Error, ErrorCode};
use cumulate::tree::{Digest, Tree};
use cumulate::trust::{Envelope, Policy, SecretKey};
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use support::golden;

const NOW: u64 = 1_800_000_000;

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn write(dir: &Path, name: &str) -> PathBuf {
    let (package, blobs) = golden().package();
    let path = dir.join(name);
    bundle::write_file(&package, &blobs, &Disk::real(), &path).unwrap();
    path
}

fn sign(path: &Path, key: &SecretKey, role: &str) -> bool {
    let statement = bundle::open(path).unwrap().claimed().statement(role);
    let envelope = Envelope::sign(statement.to_payload(), key).to_json();
    bundle::add_envelope(path, envelope, &Disk::real()).unwrap().is_some()
}

fn policy(keys: &[&SecretKey]) -> Policy {
    Policy::of_keys(keys.iter().map(|k| k.public().clone())).unwrap()
}

fn unsigned(path: &Path) -> Result<Bundle, Error> {
    bundle::open(path)?.accept_unsigned()
}

#[test]
fn what_was_put_in_comes_out() {
    let dir = scratch();
    for path in [write(dir.path(), "a.cup"), {
        let (package, blobs) = golden().package();
        let path = dir.path().join("layout");
        bundle::write_layout(&package, &blobs, &Disk::real(), &path).unwrap();
        path
    }] {
        let b = unsigned(&path).unwrap();
        assert!(b.trust().is_none());
        assert!(b.missing().is_empty());
        assert_eq!(b.root().component, "acme");
        assert_eq!(b.bases().map(|b| b.name.as_str()).collect::<Vec<_>>(), ["1.0", "2.0"]);
        let (target, contents) = support::tree(support::TARGET);
        for (name, files) in golden().bases {
            assert_eq!(support::beside(b.listing(name).unwrap(), &target), target);
            let base = support::tree(files).0;
            assert_eq!(support::beside(b.before_tree(name).unwrap(), &base), base);
            for step in b.steps(name).unwrap().steps {
                if let bundle::Action::Full { at } = step.action {
                    let bytes = b.slice(name, &at).unwrap();
                    let head = delta::header(&bytes).unwrap();
                    let limits = DecodeLimits { new_size: head.new_size, memory: head.memory };
                    assert_eq!(delta::decode(&bytes, &[], limits).unwrap(), contents[&step.path]);
                }
            }
            assert_eq!(b.provenance(name).unwrap().paths.len(), 2);
        }
        assert_eq!(b.graph().edges.len(), 1);
        assert_eq!(b.base("9.9").unwrap_err().code, ErrorCode::NoBase);
        let pack = b.base("1.0").unwrap().packs[0];
        assert_eq!(b.read(&pack, pack.size, 1).unwrap_err().code, ErrorCode::BadBundle);
        assert_eq!(b.read(&pack, u64::MAX, 2).unwrap_err().code, ErrorCode::BadBundle);
    }
}

#[test]
fn the_same_release_has_the_same_bytes_and_gnu_tar_reads_them() {
    let dir = scratch();
    let (a, b) = (write(dir.path(), "a.cup"), write(dir.path(), "b.cup"));
    assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
    let out = std::process::Command::new("tar").arg("-tvf").arg(&a).output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    let listed = String::from_utf8(out.stdout).unwrap();
    assert!(listed.lines().all(|l| l.starts_with("-rw-r--r-- 0/0 ")), "{listed}");
}

/// The law of the one form: no byte can be another one, none can be missing or added.
fn no_byte_may_differ(release: &support::Release2<'_>, signed: bool, step: usize) {
    let dir = scratch();
    let path = dir.path().join("a.cup");
    let (package, blobs) = release.package();
    bundle::write_file(&package, &blobs, &Disk::real(), &path).unwrap();
    if signed {
        let key = SecretKey::generate().unwrap();
        assert!(sign(&path, &key, "release"));
        bundle::open(&path).unwrap().verify(&policy(&[&key]), NOW).unwrap();
    }
    let whole = fs::read(&path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let refused = |what: &dyn Fn() -> String| {
        let e = unsigned(&path).map(|_| ()).expect_err(&what());
        assert!([ErrorCode::BadBundle, ErrorCode::UnknownFormat, ErrorCode::Limit].contains(&e.code), "{} {e}", what());
    };
    for at in (0..whole.len()).step_by(step) {
        file.write_all_at(&[whole[at] ^ 1 << (at % 8)], at as u64).unwrap();
        refused(&|| format!("byte {at} changed"));
        file.write_all_at(&whole[at..=at], at as u64).unwrap();
    }
    unsigned(&path).unwrap();
    for extra in [1, 511, 512, 1024, 10_240] {
        file.set_len(whole.len() as u64 + extra).unwrap();
        refused(&|| format!("{extra} zeros more"));
    }
    for cut in (0..whole.len()).rev().step_by(step) {
        file.set_len(cut as u64).unwrap();
        refused(&|| format!("cut at {cut}"));
    }
}

#[test]
fn every_changed_byte_and_every_truncation_is_refused() {
    let small = support::Release2 {
        component: "a",
        version: "2",
        sequence: None,
        bases: &[("1", &[("f", "1")])],
        target: &[("f", "2")],
    };
    no_byte_may_differ(&small, false, 1);
}

#[test]
#[ignore = "long: every byte of a signed bundle of two bases"]
fn every_changed_byte_of_a_larger_bundle_is_refused() {
    no_byte_may_differ(&golden(), true, 1);
}

#[test]
fn only_trusted_keys_in_their_role_count() {
    let dir = scratch();
    let path = write(dir.path(), "a.cup");
    let (alice, bob, eve) =
        (SecretKey::generate().unwrap(), SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let verify = |p: &Policy| bundle::open(&path).unwrap().verify(p, NOW).map(|b| b.trust().unwrap().clone());
    assert_eq!(verify(&policy(&[&alice])).unwrap_err().code, ErrorCode::Unsigned);
    assert!(sign(&path, &eve, "release"));
    assert_eq!(verify(&policy(&[&alice])).unwrap_err().code, ErrorCode::Untrusted);
    assert!(sign(&path, &alice, "vetter"));
    assert_eq!(verify(&policy(&[&alice])).unwrap_err().code, ErrorCode::Untrusted, "the role is signed");
    assert!(sign(&path, &alice, "release"));
    assert!(!sign(&path, &alice, "release"), "the same signature again changes nothing");
    let report = verify(&policy(&[&alice])).unwrap();
    assert_eq!((report.signatures.len(), report.roles[0].signed_by.len()), (3, 1));

    let pems = [&alice, &bob].map(|k| format!("[[key]]\npem = '''{}'''\n", k.public().to_pem()));
    let two =
        format!("{}{}[roles.release]\nthreshold = 2\nkeys = ['{}', '{}']\n", pems[0], pems[1], alice.id(), bob.id());
    let two = Policy::parse(&two, "trust.toml", dir.path()).unwrap();
    let e = verify(&two).unwrap_err();
    assert_eq!(e.code, ErrorCode::Untrusted);
    assert!(e.message.contains("1 of 2"), "{}", e.message);
    assert!(sign(&path, &bob, "release"));
    assert_eq!(verify(&two).unwrap().roles[0].signed_by.len(), 2);
}

#[test]
fn a_signature_fits_one_root_manifest_only() {
    let dir = scratch();
    let path = write(dir.path(), "a.cup");
    let key = SecretKey::generate().unwrap();
    let mut release = golden();
    release.version = "3.1";
    let (other, blobs) = release.package();
    let borrowed = dir.path().join("other.cup");
    bundle::write_file(&other, &blobs, &Disk::real(), &borrowed).unwrap();
    let statement = bundle::open(&path).unwrap().claimed().statement("release");
    let envelope = Envelope::sign(statement.to_payload(), &key).to_json();
    assert!(bundle::add_envelope(&borrowed, envelope, &Disk::real()).unwrap().is_some());
    let e = bundle::open(&borrowed).unwrap().verify(&policy(&[&key]), NOW).unwrap_err();
    assert_eq!(e.code, ErrorCode::Untrusted);
    assert!(e.message.contains("another root manifest"), "{e}");
}

#[test]
fn signing_a_layout_leaves_what_is_signed_untouched() {
    let dir = scratch();
    let (package, blobs) = golden().package();
    let path = dir.path().join("layout");
    bundle::write_layout(&package, &blobs, &Disk::real(), &path).unwrap();
    let again = bundle::write_layout(&package, &blobs, &Disk::real(), &path).unwrap_err();
    assert_eq!(again.code, ErrorCode::Exists);
    let key = SecretKey::generate().unwrap();
    assert!(sign(&path, &key, "release"));
    let b = bundle::open(&path).unwrap().verify(&policy(&[&key]), NOW).unwrap();
    assert_eq!(b.package().subject(), package.subject());
    let blobs = fs::read_dir(path.join("blobs/sha256")).unwrap().count();
    let file = dir.path().join("a.cup");
    let bytes = {
        let path = write(dir.path(), "a.cup");
        assert!(sign(&path, &key, "release"));
        unsigned(&file).unwrap();
        std::process::Command::new("tar").arg("-tf").arg(&path).output().unwrap().stdout
    };
    assert_eq!(String::from_utf8(bytes).unwrap().lines().count(), blobs + 2, "nothing stale is left in the folder");
}

/// Rewrites a layout so that `index.json` points straight to one base, as a client leaves it that
/// fetched `@DIGEST`, and drops the blobs that only the other base needs.
fn one_base_alone(dir: &Path, layout: &Path, package: &Package, name: &str) -> PathBuf {
    let whole = unsigned(layout).unwrap();
    let manifest = whole.oci_manifest(name).unwrap();
    let alone = dir.join("alone");
    fs::create_dir_all(alone.join("blobs/sha256")).unwrap();
    fs::write(alone.join("oci-layout"), r#"{ "imageLayoutVersion" : "1.0.0" }"#).unwrap();
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": manifest.digest, "size": manifest.size}]});
    fs::write(alone.join("index.json"), index.to_string()).unwrap();
    let base = whole.base(name).unwrap();
    let config = package.root().bases.iter().find(|b| b.name == name).unwrap().manifest;
    let mut wanted = vec![manifest, config, package.subject(), base.listing];
    wanted.extend(base.packs.iter().copied());
    for blob in wanted {
        let name = format!("blobs/sha256/{}", blob.digest.hex());
        fs::copy(layout.join(&name), alone.join(&name)).unwrap();
    }
    let bytes: u64 =
        fs::read_dir(alone.join("blobs/sha256")).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
    assert_eq!(whole.download(name).unwrap(), bytes, "the stated download is what is fetched");
    alone
}

#[test]
fn one_base_alone_verifies_and_says_what_is_missing() {
    let dir = scratch();
    let (package, blobs) = golden().package();
    let layout = dir.path().join("layout");
    bundle::write_layout(&package, &blobs, &Disk::real(), &layout).unwrap();
    let alone = one_base_alone(dir.path(), &layout, &package, "2.0");
    let key = SecretKey::generate().unwrap();
    assert!(sign(&alone, &key, "release"));
    let b = bundle::open(&alone).unwrap().verify(&policy(&[&key]), NOW).unwrap();
    assert_eq!(b.missing(), ["1.0"]);
    assert_eq!(b.base("1.0").unwrap_err().code, ErrorCode::Partial);
    let base = support::tree(support::BASE_2).0;
    assert_eq!(support::beside(b.before_tree("2.0").unwrap(), &base), base);
}

#[test]
fn a_folder_that_is_no_bundle_is_refused_in_words() {
    let dir = scratch();
    assert_eq!(bundle::open(dir.path()).unwrap_err().code, ErrorCode::BadBundle);
    assert_eq!(bundle::open(&dir.path().join("nothing.cup")).unwrap_err().code, ErrorCode::Io);
    fs::write(dir.path().join("empty.cup"), "").unwrap();
    assert_eq!(bundle::open(&dir.path().join("empty.cup")).unwrap_err().code, ErrorCode::BadBundle);
    fs::write(dir.path().join("zeros.cup"), [0; 4096]).unwrap();
    assert_eq!(bundle::open(&dir.path().join("zeros.cup")).unwrap_err().code, ErrorCode::BadBundle);
    let tree = Tree::default();
    assert_eq!(tree.digest(), Digest::of(b"tree 0\0"));
}

fn many_fixes(count: usize, id: &dyn Fn(usize) -> String, title: &str) -> Result<Package, Error> {
    let mut blobs = bundle::Blobs::new();
    let mut draft = golden().draft(&mut blobs, &|bytes| {
        let full = cumulate::delta::Codec::Full;
        delta::encode(full, None, bytes, cumulate::delta::Profile::Fast).unwrap().bytes
    });
    draft.graph = bundle::Graph::default();
    draft.tracks[0].provenance = bundle::Provenance::default();
    let fix = draft.fixes[0].clone();
    draft.fixes = (0..count).map(|i| bundle::FixEntry { id: id(i), title: title.into(), ..fix.clone() }).collect();
    for base in &mut draft.bases {
        let state = |f: &bundle::FixEntry| bundle::FixState {
            id: f.id.clone(),
            state: bundle::State::Added,
            reason: String::new(),
        };
        base.fixes = draft.fixes.iter().map(state).collect();
    }
    draft.assemble(&mut blobs)
}

/// Registries refuse large config blobs; the root manifest is one.
#[test]
fn five_thousand_fixes_fit_and_what_does_not_is_said() {
    let id = |i| format!("openssl-3.0.2-{i:04}-fix-the-handling-of-something-in-the-parser");
    let package = many_fixes(5_000, &id, "A title").unwrap();
    let largest = package.root().bases.iter().map(|b| b.manifest.size).max().unwrap();
    assert!(largest < 1 << 16 && package.subject().size < 1 << 20, "{largest} bytes");
    let noise: String = (0..150_000u32).map(|i| Digest::of(&i.to_be_bytes()).hex()).collect();
    let e = many_fixes(1, &id, &noise).unwrap_err();
    assert_eq!(e.code, ErrorCode::Limit);
    assert!(!e.next.is_empty());
}

#[test]
fn a_route_that_misses_is_a_defect_not_a_bundle() {
    let mut blobs = bundle::Blobs::new();
    let mut draft = golden().draft(&mut blobs, &|bytes| bytes.to_vec());
    draft.bases[0].steps.steps.pop();
    assert_eq!(draft.assemble(&mut blobs).unwrap_err().code, ErrorCode::Internal);
}
