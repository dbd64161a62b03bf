//! The verbs around a bundle's trust: keygen, sign, verify, inspect.

mod support;

use cumulate::bundle;
use cumulate::disk::Disk;
use cumulate::report::ErrorCode;
use cumulate::trust::{Policy, PublicKey, SecretKey};
use cumulate::verb::{attach, emit, inspect, keygen, sign, verify, write_envelopes};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const NOW: u64 = 1_800_000_000;

fn cup(dir: &Path) -> PathBuf {
    let (package, blobs) = support::golden().package();
    let path = dir.join("a.cup");
    bundle::write_file(&package, &blobs, &Disk::real(), &path).unwrap();
    path
}

#[test]
fn a_pair_of_keys_is_never_overwritten_nor_half_made() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("my.release");
    let made = keygen(&prefix).unwrap();
    assert_eq!(made.private, dir.path().join("my.release.key"));
    let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&made.private), mode(&made.public)), (0o600, 0o644));
    assert_eq!(PublicKey::read(&made.public).unwrap().id(), made.key_id);
    let before = fs::read(&made.private).unwrap();
    assert_eq!(keygen(&prefix).unwrap_err().code, ErrorCode::Exists);
    fs::remove_file(&made.public).unwrap();
    assert_eq!(keygen(&prefix).unwrap_err().code, ErrorCode::Exists);
    assert_eq!(fs::read(&made.private).unwrap(), before);
    fs::rename(&made.private, &made.public).unwrap();
    assert_eq!(keygen(&prefix).unwrap_err().code, ErrorCode::Exists);
    assert!(!made.private.exists(), "no private key without its public one");
}

#[test]
fn signatures_stand_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let path = cup(dir.path());
    let keys: Vec<_> = ["alice", "bob"].map(|n| keygen(&dir.path().join(n)).unwrap()).into();
    fs::write(
        dir.path().join("trust.toml"),
        "component = 'acme'\n[[key]]\nfile = 'alice.pub'\n[[key]]\nfile = 'bob.pub'\nrole = 'vetter'\n[roles.vetter]\n",
    )
    .unwrap();
    let policy = Policy::read(&dir.path().join("trust.toml")).unwrap();
    let code = |p: &Policy| verify(&path, p, NOW).map(|_| ()).unwrap_err().code;
    assert_eq!(code(&policy), ErrorCode::Unsigned);
    assert_eq!(sign(&path, &keys[0].private, "no such role!").unwrap_err().code, ErrorCode::Usage);
    assert_eq!(sign(&path, &keys[0].public, "release").unwrap_err().code, ErrorCode::BadKey);
    let first = sign(&path, &keys[0].private, "release").unwrap();
    assert!(first.added && first.signatures == 1);
    let once = fs::read(&path).unwrap();
    assert!(!sign(&path, &keys[0].private, "release").unwrap().added);
    assert_eq!(fs::read(&path).unwrap(), once, "signing twice changes nothing");
    assert_eq!(code(&policy), ErrorCode::Untrusted);
    assert_eq!(sign(&path, &keys[1].private, "vetter").unwrap().signatures, 2);
    let (bundle, report) = verify(&path, &policy, NOW).unwrap();
    assert_eq!(bundle.package().subject().digest, report.root);
    assert_eq!(report.steps.iter().map(|s| s.number).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    let roles: Vec<_> = report.roles.iter().map(|r| (r.role.as_str(), r.signed_by.join(","))).collect();
    assert_eq!(roles, [("release", "alice".to_owned()), ("vetter", "bob".to_owned())]);
    assert!(!report.partial && report.bases.iter().all(|b| b.complete) && report.findings.is_empty());
    assert_eq!(report.root, first.root, "a second signature leaves the signed document alone");

    let out = dir.path().join("envelopes");
    let files = write_envelopes(&path, &out).unwrap();
    assert_eq!(files.len(), 3);
    assert_eq!(write_envelopes(&path, &out).unwrap(), files, "the same files again are fine");
    fs::write(&files[0], "other").unwrap();
    assert_eq!(write_envelopes(&path, &out).unwrap_err().code, ErrorCode::Exists);
}

#[test]
fn a_signature_can_be_made_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let path = cup(dir.path());
    let (key, other) = (keygen(&dir.path().join("k")).unwrap(), keygen(&dir.path().join("o")).unwrap());
    let secret = SecretKey::read(&key.private).unwrap();
    let signature = secret.sign(&emit(&path, "release").unwrap());
    let code = |role: &str, public: &Path, s: &[u8]| attach(&path, role, public, s).unwrap_err().code;
    assert_eq!(code("release", &other.public, &signature), ErrorCode::Untrusted);
    assert_eq!(code("vetter", &key.public, &signature), ErrorCode::Untrusted);
    assert_eq!(code("release", &key.public, &signature[..63]), ErrorCode::Untrusted);
    let attached = attach(&path, "release", &key.public, &signature).unwrap();
    assert!(attached.added);
    let here = sign(&path, &key.private, "release").unwrap();
    assert_eq!((here.added, here.envelope), (false, attached.envelope), "the same envelope as signing here");
    let policy = Policy::of_keys([PublicKey::read(&key.public).unwrap()]).unwrap();
    verify(&path, &policy, NOW).unwrap();
}

#[test]
fn inspect_tells_what_each_base_gains_and_costs() {
    let dir = tempfile::tempdir().unwrap();
    let path = cup(dir.path());
    let all = serde_json::to_value(inspect(&path, None).unwrap()).unwrap();
    assert_eq!(all["schema"], "cumulate.inspect/1");
    assert_eq!(all["target"]["tree"], support::tree(support::TARGET).0.digest().to_string());
    assert_eq!(all["order"], serde_json::json!(["FIX-1", "FIX-2"]));
    assert_eq!(all["fixes"][0]["cves"], serde_json::json!(["CVE-2026-0001"]));
    assert_eq!(all["edges"][0]["needs"], "FIX-1");
    let base = &all["bases"][0];
    assert_eq!((base["name"].as_str(), base["memory"].as_u64()), (Some("1.0"), Some(4096)));
    assert_eq!(base["tree"], support::tree(support::BASE_1).0.digest().to_string());
    assert_eq!(
        base["fixes"][1],
        serde_json::json!({"id": "FIX-2", "state": "partly", "reason": "half of it is there"})
    );
    // From 1.0: the agent and a.txt change, b.txt and the folder are new, old.txt goes, the link and the mode change.
    assert_eq!((&base["added"], &base["changed"], &base["deleted"]), (&2.into(), &4.into(), &1.into()));
    let pack = support::golden().package().0.base("1.0").unwrap().packs[0].size;
    let kind = |k: &str| (base["steps"][k]["steps"].as_u64().unwrap(), base["steps"][k]["stored"].as_u64().unwrap());
    assert_eq!(
        [kind("full"), kind("delete"), kind("mode"), kind("link"), kind("folder")],
        [(3, pack), (1, 0), (1, 0), (1, 0), (1, 0)]
    );
    // What `apply` asks for: 1 MiB for the state, 256 bytes a path of the target, and the new files' blocks and one more each.
    assert_eq!(base["disk"], (1 << 20) + 7 * 256 + 9 * 4096);
    assert!(base["paths"].is_null());
    let one = inspect(&path, Some("2.0")).unwrap();
    assert_eq!(one.bases.len(), 1);
    let a = one.bases[0].paths.iter().find(|p| p.path == "lib/a.txt").unwrap();
    assert_eq!((a.kind.as_str(), a.made, a.fixes.len()), ("full", 19, 2));
    assert_eq!(inspect(&path, Some("7")).unwrap_err().code, ErrorCode::NoBase);
}
