//! What a bundle tells others about how it was made, and whether it is true: attestations, and building again.
//!
//! The stock tools' part needs CUMULATE_PYTHON, an interpreter with `in-toto-attestation`, `securesystemslib[crypto]` and
//! `cyclonedx-python-lib[json-validation]`; run with `--ignored`.

mod common;

use common::{Run, copy, cumulate};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn demo() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new("testdata/demo"), &dir.path().join("lantern"));
    for name in ["release", "vera"] {
        cumulate(dir.path(), &["keygen", "--out", name]).expect(0);
    }
    build(dir.path(), "a.cup", &[]);
    dir
}

fn build(dir: &Path, file: &str, more: &[&str]) {
    let args = ["build", "lantern", "-o", file, "--key", "release.key", "--no-cache"];
    cumulate(dir, &[&args, more].concat()).expect(0);
}

fn rebuild(dir: &Path, code: i32) -> Value {
    cumulate(dir, &["rebuild", "lantern", "--check", "a.cup", "--format", "json"]).expect(code).json()
}

fn edit(dir: &Path, file: &str, from: &str, to: &str) {
    let path = dir.join("lantern").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(&path, text.replace(from, to)).unwrap();
}

#[test]
fn building_again_is_the_same_or_names_what_differs_first() {
    let demo = demo();
    let dir = demo.path();
    let v = rebuild(dir, 0);
    assert_eq!((&v["same"], &v["root"], &v["inputs"]), (&true.into(), &v["rebuilt"], &serde_json::json!([])));
    // With the words of the build that made it: selection and profile come from its provenance.
    build(dir, "b.cup", &["--without", "LAN-109", "--profile", "fast"]);
    cumulate(dir, &["rebuild", "lantern", "--check", "b.cup"]).expect(0);

    // Each tampering of an input, the first section that shows it, and the input that is named.
    let table: [(&str, &str, &str, &str, &str); 4] = [
        ("cumulate.toml", "sequence = 103", "sequence = 104", "release", "cumulate.toml"),
        ("fixes/LAN-104.patch", "CVE-2026-10104", "CVE-2026-99999", "fix LAN-104", "fixes/LAN-104.patch"),
        ("bases/1.0.2/conf/lantern.conf", "7070", "7071", "base 1.0.2: its tree", "base 1.0.2"),
        ("fixes/LAN-107.patch", "#define IDLE 60", "#define IDLE 61", "track default: target", "fixes/LAN-107.patch"),
    ];
    for (file, from, to, section, input) in table {
        let clean = fs::read(dir.join("lantern").join(file)).unwrap();
        edit(dir, file, from, to);
        let v = rebuild(dir, 1);
        assert_eq!(v["first"]["section"], section, "{file}: {v:#}");
        let named: Vec<&str> = v["inputs"].as_array().unwrap().iter().map(|i| i.as_str().unwrap()).collect();
        assert!(named.contains(&input), "{file}: {named:?}");
        fs::write(dir.join("lantern").join(file), clean).unwrap();
    }
    let told = cumulate(dir, &["rebuild", "lantern", "--check", "a.cup"]).expect(0).stdout;
    assert!(told.contains("the same to the last byte but signatures"), "{told}");
}

#[test]
fn attestations_are_whole_deterministic_and_cost_no_download() {
    let demo = demo();
    let dir = demo.path();
    build(dir, "again.cup", &[]);
    assert_eq!(fs::read(dir.join("a.cup")).unwrap(), fs::read(dir.join("again.cup")).unwrap());
    let verified = |pub_: &str| -> Run { cumulate(dir, &["verify", "a.cup", "--pub", pub_, "--format", "json"]) };
    let v = verified("release.pub").expect(0).json();
    let kinds: Vec<&str> =
        v["attestations"].as_array().unwrap().iter().map(|a| a["predicate_type"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 2);
    assert!(kinds.contains(&"https://slsa.dev/provenance/v1") && kinds.contains(&"https://cyclonedx.org/bom"));
    assert!(v["attestations"].as_array().unwrap().iter().all(|a| a["by"] == "release" || a["reason"].is_null()));
    // A second signature by somebody else leaves them where they are; a layout carries them too.
    cumulate(dir, &["sign", "a.cup", "--key", "vera.key", "--role", "vetter"]).expect(0);
    assert_eq!(verified("release.pub").expect(0).json()["attestations"].as_array().unwrap().len(), 2);
    cumulate(dir, &["build", "lantern", "--layout", "oci", "--key", "release.key", "--no-cache"]).expect(0);
    cumulate(dir, &["sign", "oci", "--key", "vera.key", "--role", "vetter"]).expect(0);
    let v = cumulate(dir, &["verify", "oci", "--pub", "release.pub", "--format", "json"]).expect(0).json();
    assert_eq!(v["attestations"].as_array().unwrap().len(), 2);
    // No base's OCI manifest names them, so no installation downloads them.
    cumulate(dir, &["build", "lantern", "-o", "bare.cup", "--no-cache"]).expect(0);
    let download = |file: &str| {
        cumulate(dir, &["inspect", file, "--format", "json"]).json()["bases"][0]["download"].as_u64().unwrap()
    };
    build(dir, "signed.cup", &[]);
    assert!(download("signed.cup") - download("bare.cup") < 1000, "one small envelope and its descriptor");

    // The bill of materials follows from the bundle, signed or not.
    cumulate(dir, &["inspect", "bare.cup", "--sbom", "bom.json"]).expect(0);
    cumulate(dir, &["inspect", "signed.cup", "--sbom", "signed.json"]).expect(0);
    let bom: Value = serde_json::from_slice(&fs::read(dir.join("bom.json")).unwrap()).unwrap();
    assert_eq!(fs::read(dir.join("bom.json")).unwrap(), fs::read(dir.join("signed.json")).unwrap());
    let pedigree = &bom["components"][0]["pedigree"];
    assert_eq!(pedigree["patches"].as_array().unwrap().len(), 8, "one for each fix");
    assert_eq!(pedigree["ancestors"].as_array().unwrap().len(), 3, "one for each base");
}

#[test]
#[ignore = "independent: needs PyPI's in-toto-attestation, securesystemslib and cyclonedx-python-lib"]
fn stock_tools_verify_provenance_bill_of_materials_and_test_results() {
    let demo = demo();
    let dir = demo.path();
    cumulate(dir, &["inspect", "a.cup", "--envelopes", "out"]).expect(0);
    let vet = ["vet", "a.cup", "--base", "1.0.1", "--bases", "lantern/bases", "--key", "vera.key", "--out", "vetted"];
    cumulate(dir, &[&vet[..], &["--", "test", "-f", "src/serve.c"]].concat()).expect(0);
    let python = std::env::var_os("CUMULATE_PYTHON").expect("CUMULATE_PYTHON");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/attest.py");
    let read = |key: &str, folder: &str, ending: &str| {
        let mut files: Vec<_> = fs::read_dir(dir.join(folder)).unwrap().map(|f| f.unwrap().path()).collect();
        files.retain(|f| f.to_str().unwrap().ends_with(ending));
        let out = Command::new(&python)
            .args([&script, &dir.join("out/root.json.zst"), &dir.join(key)])
            .args(files)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let mut lines: Vec<String> = String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let told = read("release.pub", "out", ".attestation.json");
    assert_eq!(told[0], "cyclonedx 8 3");
    assert!(told[1].starts_with("slsa "), "{told:?}");
    assert_eq!(read("vera.pub", "vetted", ".dsse.json"), ["test-result PASSED ['command', 'hooks', 'base 1.0.1']"]);
}
