//! Two honest bundles, mixed by a carrier who has no key: files exchanged, entries added, attestations that lie. Each line
//! names the step of `docs/bundle-format.md`, section 6, that stops it.

mod support;

use cumulate::bundle;
use cumulate::disk::Disk;
use cumulate::report::{Error, ErrorCode as E};
use cumulate::trust::{Envelope, Policy, PublicKey, SecretKey};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const NOW: u64 = 1_800_000_000;
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";

/// Two releases of one component, signed by one key, as files and as layouts.
struct Scene {
    dir: tempfile::TempDir,
    key: SecretKey,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { dir: tempfile::tempdir().unwrap(), key: SecretKey::generate().unwrap() };
        for (name, version, target) in [("a", "3.0", support::TARGET), ("b", "3.1", support::BASE_2)] {
            let bases: &[_] = &[("1.0", support::BASE_1)];
            let made = support::Release2 { version, bases, target, ..support::golden() };
            let (mut package, blobs) = made.package();
            let envelope = Envelope::sign(package.statement("release").to_payload(), &scene.key);
            package.add_envelope(envelope.to_json()).unwrap();
            bundle::write_file(&package, &blobs, &Disk::real(), &scene.at(&format!("{name}.cup"))).unwrap();
            bundle::write_layout(&package, &blobs, &Disk::real(), &scene.at(name)).unwrap();
        }
        scene
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn verify(&self, name: &str) -> Result<(), Error> {
        let policy = Policy::of_keys([self.key.public().clone()]).unwrap();
        bundle::open(&self.at(name))?.verify(&policy, NOW).map(drop)
    }

    /// The first layer of this kind of a layout, or its config.
    fn blob(&self, layout: &str, media: &str) -> PathBuf {
        let manifest = follow(&self.at(layout), &["manifests", "manifests"]);
        let layers = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
        let found = layers.into_iter().find(|l| l["mediaType"].as_str().unwrap().contains(media)).unwrap().clone();
        path(&self.at(layout), &found)
    }

    /// The other layout's content of this kind under this one's name.
    fn exchange(&self, media: &str) {
        fs::copy(self.blob("b", media), self.blob("a", media)).unwrap();
    }

    fn put(&self, bytes: &[u8], media: &str) -> Value {
        let digest = cumulate::tree::Digest::of(bytes);
        let blob = json!({"mediaType": media, "digest": digest, "size": bytes.len()});
        fs::write(path(&self.at("a"), &blob), bytes).unwrap();
        blob
    }

    /// Puts an OCI manifest of attestations into the layout, as often as it stands there.
    fn attest(&self, config: &[u8], layers: &[(&[u8], &str)], times: usize) {
        let layers: Vec<Value> = layers.iter().map(|(bytes, media)| self.put(bytes, media)).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "application/vnd.cumulate.attestations.v1",
            "config": self.put(config, EMPTY), "layers": layers
        });
        let manifest = self.put(manifest.to_string().as_bytes(), "application/vnd.oci.image.manifest.v1+json");
        let mut nested = follow(&self.at("a"), &["manifests"]);
        for _ in 0..times {
            nested["manifests"].as_array_mut().unwrap().push(manifest.clone());
        }
        let nested = self.put(nested.to_string().as_bytes(), "application/vnd.oci.image.index.v1+json");
        let index = json!({"schemaVersion": 2, "manifests": [nested]});
        fs::write(self.at("a/index.json"), index.to_string()).unwrap();
    }

    /// Changes the file's entries: header and content with padding each.
    fn entries(&self, change: impl Fn(&mut Vec<Vec<u8>>)) {
        let file = self.at("a.cup");
        let mut entries = entries(&file);
        change(&mut entries);
        fs::write(&file, [entries.concat(), vec![0; 1024]].concat()).unwrap();
    }
}

fn path(layout: &Path, blob: &Value) -> PathBuf {
    layout.join("blobs/sha256").join(&blob["digest"].as_str().unwrap()[7..])
}

fn follow(layout: &Path, way: &[&str]) -> Value {
    let read = |p: &Path| -> Value { serde_json::from_slice(&fs::read(p).unwrap()).unwrap() };
    way.iter().fold(read(&layout.join("index.json")), |at, step| read(&path(layout, &at[step][0])))
}

fn entries(file: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(file).unwrap();
    let mut out = Vec::new();
    let mut at = 0;
    while bytes[at] != 0 {
        let size = u64::from_str_radix(std::str::from_utf8(&bytes[at + 124..at + 135]).unwrap(), 8).unwrap() as usize;
        let end = at + 512 + size.div_ceil(512) * 512;
        out.push(bytes[at..end].to_vec());
        at = end;
    }
    out
}

/// Name, the step that stops it, what is opened, the code, a word of the message, and the deed.
type Attack = (&'static str, u32, &'static str, E, &'static str, fn(&Scene));

const ATTACKS: &[Attack] = &[
    ("an entry of another bundle added", 1, "a.cup", E::BadBundle, "not exactly those", |s| {
        let other = entries(&s.at("b.cup"));
        s.entries(|e| {
            let new = other[2..].iter().find(|o| !e.contains(o)).unwrap().clone();
            e.push(new);
            e[2..].sort();
        });
    }),
    ("an entry twice", 1, "a.cup", E::BadBundle, "twice or out of order", |s| s.entries(|e| e.insert(3, e[2].clone()))),
    ("an entry left out", 1, "a.cup", E::BadBundle, "is missing", |s| {
        // The signature's.
        s.entries(|e| e.retain(|entry| !entry.windows(11).any(|w| w == b"payloadType")));
    }),
    ("entries in another order", 1, "a.cup", E::BadBundle, "twice or out of order", |s| s.entries(|e| e.swap(2, 3))),
    ("the index of another release", 1, "a.cup", E::BadBundle, "is missing", |s| {
        let other = entries(&s.at("b.cup"));
        s.entries(|e| e[1] = other[1].clone());
    }),
    ("an entry that is a link", 1, "a.cup", E::BadBundle, "not in canonical form", |s| s.entries(|e| e[2][156] = b'2')),
    ("an entry with an owner", 1, "a.cup", E::BadBundle, "not in canonical form", |s| s.entries(|e| e[2][114] = b'1')),
    ("bytes behind the end", 1, "a.cup", E::BadBundle, "two zero blocks", |s| {
        let bytes = fs::read(s.at("a.cup")).unwrap();
        fs::write(s.at("a.cup"), [bytes, b"surprise".to_vec()].concat()).unwrap();
    }),
    ("the root manifest swapped", 2, "a", E::BadBundle, "are stated", |s| s.exchange("root.v2")),
    ("a base manifest swapped", 2, "a", E::BadBundle, "are stated", |s| s.exchange("base.v2")),
    ("a signature swapped", 2, "a", E::BadBundle, "does not have the digest", |s| s.exchange("dsse")),
    ("a pack swapped", 7, "a", E::BadBundle, "are stated", |s| s.exchange("pack.v1")),
    ("a listing swapped", 7, "a", E::BadBundle, "are stated", |s| s.exchange("listing.v2")),
    ("attestations twice", 4, "a", E::BadBundle, "stand twice", |s| s.attest(b"{}", &[(b"{\"n\":1}", DSSE)], 2)),
    ("one attestation twice", 4, "a", E::BadBundle, "stands twice", |s| {
        s.attest(b"{}", &[(b"{\"n\":1}", DSSE), (b"{\"n\":1}", DSSE)], 1)
    }),
    ("no attestation at all", 4, "a", E::BadBundle, "empty config", |s| s.attest(b"{}", &[], 1)),
    ("attestations with a config of their own", 4, "a", E::BadBundle, "empty config", |s| {
        s.attest(b"{\"run\":\"me\"}", &[(b"{\"n\":1}", DSSE)], 1)
    }),
    ("a pack among the attestations", 4, "a", E::BadBundle, "empty config", |s| {
        s.attest(b"{}", &[(b"{\"n\":1}", "application/vnd.cumulate.pack.v1")], 1)
    }),
    ("an attestation of two megabytes", 2, "a", E::Limit, "attestation", |s| {
        s.attest(b"{}", &[(&[b' '; 2 << 20], DSSE)], 1)
    }),
];

#[test]
fn a_carrier_cannot_mix_what_is_signed() {
    let honest = Scene::new();
    for name in ["a", "b", "a.cup", "b.cup"] {
        honest.verify(name).unwrap();
    }
    honest.attest(b"{}", &[(b"{\"n\":1}", DSSE)], 1);
    honest.verify("a").unwrap();
    let mut wrong = Vec::new();
    for (name, step, file, code, word, deed) in ATTACKS {
        let s = Scene::new();
        deed(&s);
        match s.verify(file) {
            Ok(()) => wrong.push(format!("{name} (step {step}): accepted")),
            Err(e) if e.code != *code || word.is_empty() || !e.message.contains(word) => {
                wrong.push(format!("{name} (step {step}): {e}"))
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Step 6: an attestation is signed by a trusted key and still is no signature in a role.
#[test]
fn an_attestation_counts_towards_nothing() {
    let s = Scene::new();
    let (made, blobs) = support::golden().package();
    let statement = made.statement("release").to_payload();
    let mut package = made;
    package.add_attestation(Envelope::sign(statement, &s.key).to_json()).unwrap();
    bundle::write_file(&package, &blobs, &Disk::real(), &s.at("only.cup")).unwrap();
    assert_eq!(s.verify("only.cup").unwrap_err().code, E::Unsigned);
}

/// Step 5: a trust root that has ended vouches for nobody, whoever signs under it.
#[test]
fn an_expired_root_vouches_for_nobody() {
    let s = Scene::new();
    let root = SecretKey::generate().unwrap();
    let text = format!(
        "expires = 2026-12-31\n[[key]]\nrole = 'root'\npem = '''{}'''\n[[key]]\nrole = 'release'\npem = '''{}'''\n[roles.root]\n",
        root.public().to_pem(),
        s.key.public().to_pem()
    );
    let policy = Policy::parse(&text, "trust.toml", Path::new("")).unwrap();
    let mut signed = cumulate::trust::TrustRoot::first(policy).unwrap();
    signed.sign(&root.into()).unwrap();
    let policy = signed.policy().unwrap();
    bundle::open(&s.at("a.cup")).unwrap().verify(&policy, NOW - 86_400 * 365).unwrap();
    assert_eq!(bundle::open(&s.at("a.cup")).unwrap().verify(&policy, NOW).unwrap_err().code, E::Expired);
}

/// Step 6: Ed25519 lets a careless verifier take several spellings of one signature; RFC 8032 has one.
#[test]
fn a_signature_has_one_spelling() {
    /// The order of the group, little-endian.
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let key = SecretKey::generate().unwrap();
    let public = PublicKey::from_pem(&key.public().to_pem(), "key").unwrap();
    let good = key.sign(b"release");
    assert!(public.verifies(b"release", &good));
    let mut shifted = good;
    let mut carry = 0u16;
    for (byte, l) in shifted[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_ne!(shifted, good);
    let mut small = good;
    small[..32].copy_from_slice(&[&[1u8][..], &[0; 31]].concat());
    let mut weak = [0u8; 64];
    weak[0] = 1;
    for (name, forged) in [
        ("S + L", &shifted[..]),
        ("R of small order", &small),
        ("R = 1, S = 0", &weak),
        ("one byte more", &[&good[..], &[0]].concat()),
    ] {
        assert!(!public.verifies(b"release", forged), "{name}");
    }
}

/// The table of the threat model names tests and rows that are there.
#[test]
fn the_attack_table_of_the_threat_model_is_true() {
    let model = fs::read_to_string("docs/threat-model.md").unwrap();
    let start = model.split("## Attacks and what stops them").nth(1).unwrap();
    let rows = start.split("\n## ").next().unwrap().lines().filter_map(|l| l.strip_prefix("| ")?.strip_suffix(" |"));
    let steps = |cell: &str| {
        let list = cell.strip_prefix("step")?.trim_start_matches('s').split('(').next()?;
        let numbers: Vec<u32> = list.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        Some(if list.contains(" to ") { (numbers[0]..=numbers[1]).collect() } else { numbers })
    };
    let (mut named, mut checked) = (0, 0);
    for row in rows.skip(1) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let (file, names) = cells[2].split_once(": ").unwrap();
        let source = fs::read_to_string(Path::new("tests").join(file.trim_matches('`'))).unwrap();
        for name in names.split("; ") {
            let there = source.contains(&format!("\"{name}")) || source.contains(&format!("fn {name}("));
            assert!(there, "{file} has no '{name}'");
            // Where the test's own table has the step behind the name, it is one of those that this row names.
            let behind = source.split(&format!("(\"{name}\", ")).nth(1);
            let step: Option<u32> = behind.and_then(|b| b.split(',').next()?.parse().ok());
            assert!(
                step.is_none_or(|s| steps(cells[1]).is_none_or(|all| all.contains(&s))),
                "'{name}' is step {step:?}"
            );
            checked += usize::from(step.is_some());
            named += 1;
        }
    }
    assert!(named >= 80 && checked >= 40, "{named} named, {checked} with their step");
}
