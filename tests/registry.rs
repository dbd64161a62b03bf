//! Bundles through a real OCI registry and client: Debian's `docker-registry` and `skopeo` on loopback.
//!
//! Needs both on PATH (`apt-get install docker-registry skopeo`); run with `--ignored`.

mod support;

use cumulate::bundle::{self, Bundle, Package};
use cumulate::delta::{self, DecodeLimits};
use cumulate::disk::Disk;
use cumulate::report::ErrorCode;
use cumulate::trust::{Envelope, Policy, SecretKey};
use cumulate::verb::verify;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const NOW: u64 = 1_800_000_000;

/// A registry that ends with the test.
struct Registry {
    process: Child,
    port: u16,
}

impl Registry {
    fn start(dir: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = dir.join("registry.yml");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\n\
                 http: {{addr: '127.0.0.1:{port}'}}\n",
                dir.join("storage").display()
            ),
        )
        .unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is installed");
        let registry = Self { process, port };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(30), "the registry does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    fn name(&self, reference: &str) -> String {
        format!("docker://127.0.0.1:{}/acme{reference}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn skopeo(args: &[&str]) {
    let out = Command::new("skopeo").arg("--insecure-policy").args(args).output().expect("skopeo is installed");
    assert!(out.status.success(), "skopeo {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

fn oci(dir: &Path) -> String {
    format!("oci:{}", dir.display())
}

fn write_signed(package: &Package, blobs: &bundle::Blobs, key: &SecretKey, layout: &Path) {
    let mut package = package.clone();
    let envelope = Envelope::sign(package.statement("release").to_payload(), key).to_json();
    assert!(package.add_envelope(envelope).unwrap());
    bundle::write_layout(&package, blobs, &Disk::real(), layout).unwrap();
}

fn policy(key: &SecretKey) -> Policy {
    Policy::of_keys([key.public().clone()]).unwrap()
}

fn folder_bytes(layout: &Path) -> u64 {
    fs::read_dir(layout.join("blobs/sha256")).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum()
}

fn same(a: &Bundle, b: &Bundle, base: &str) {
    assert_eq!(a.package().subject(), b.package().subject());
    assert_eq!(a.listing(base).unwrap(), b.listing(base).unwrap());
    assert_eq!(a.steps(base).unwrap(), b.steps(base).unwrap());
    assert_eq!(a.envelopes(), b.envelopes());
    for pack in &a.base(base).unwrap().packs {
        assert_eq!(a.read(pack, 0, pack.size).unwrap(), b.read(pack, 0, pack.size).unwrap());
    }
}

#[test]
#[ignore = "registry: needs docker-registry and skopeo"]
fn a_bundle_goes_to_a_registry_and_back_whole_and_base_by_base() {
    let dir = tempfile::tempdir().unwrap();
    let key = SecretKey::generate().unwrap();
    let (package, blobs) = support::golden().package();
    let ours = dir.path().join("ours");
    write_signed(&package, &blobs, &key, &ours);
    let (original, _) = verify(&ours, &policy(&key), NOW).unwrap();

    let registry = Registry::start(dir.path());
    skopeo(&["copy", "--all", "--dest-tls-verify=false", &oci(&ours), &registry.name(":3.0")]);
    let back: PathBuf = dir.path().join("back");
    skopeo(&["copy", "--all", "--src-tls-verify=false", &registry.name(":3.0"), &oci(&back)]);
    let (whole, report) = verify(&back, &policy(&key), NOW).unwrap();
    assert!(!report.partial);
    for base in ["1.0", "2.0"] {
        same(&original, &whole, base);
        let digest = original.oci_manifest(base).unwrap().digest;
        let alone = dir.path().join(format!("alone-{base}"));
        skopeo(&["copy", "--src-tls-verify=false", &registry.name(&format!("@{digest}")), &oci(&alone)]);
        let (part, report) = verify(&alone, &policy(&key), NOW).unwrap();
        assert!(report.partial);
        assert_eq!(report.bases.iter().filter(|b| b.complete).map(|b| b.name.as_str()).collect::<Vec<_>>(), [base]);
        same(&original, &part, base);
        assert_eq!(part.download(base).unwrap(), folder_bytes(&alone), "exactly what was fetched");
        let other = if base == "1.0" { "2.0" } else { "1.0" };
        assert_eq!(part.listing(other).unwrap_err().code, ErrorCode::Partial);
    }

    // A copy that came back can be signed again, and a signed copy can go to the registry again.
    let second = SecretKey::generate().unwrap();
    let envelope = Envelope::sign(whole.package().statement("vetter").to_payload(), &second).to_json();
    assert!(bundle::add_envelope(&back, envelope, &Disk::real()).unwrap().is_some());
    skopeo(&["copy", "--all", "--dest-tls-verify=false", &oci(&back), &registry.name(":vetted")]);
    let again = dir.path().join("again");
    skopeo(&["copy", "--all", "--src-tls-verify=false", &registry.name(":vetted"), &oci(&again)]);
    assert_eq!(verify(&again, &policy(&key), NOW).unwrap().0.envelopes().len(), 2);
}

/// skopeo's own archive is a tar of the same layout, but not in the one form.
#[test]
#[ignore = "registry: needs docker-registry and skopeo"]
fn a_cup_file_is_an_archive_for_clients_and_theirs_is_none_for_us() {
    let dir = tempfile::tempdir().unwrap();
    let (package, blobs) = support::golden().package();
    let cup = dir.path().join("a.cup");
    bundle::write_file(&package, &blobs, &Disk::real(), &cup).unwrap();
    let layout = dir.path().join("layout");
    skopeo(&["copy", "--all", &format!("oci-archive:{}", cup.display()), &oci(&layout)]);
    assert!(bundle::open(&layout).unwrap().accept_unsigned().unwrap().missing().is_empty());
    let theirs = dir.path().join("theirs.tar");
    skopeo(&["copy", "--all", &oci(&layout), &format!("oci-archive:{}", theirs.display())]);
    assert_eq!(bundle::open(&theirs).unwrap_err().code, ErrorCode::BadBundle);
}

#[test]
#[ignore = "registry: needs docker-registry and skopeo"]
fn a_hundred_thousand_small_files_go_through() {
    let dir = tempfile::tempdir().unwrap();
    let key = SecretKey::generate().unwrap();
    let names: Vec<(String, String, String)> = (0..100_000)
        .map(|i| (format!("d{:03}/f{i:06}.txt", i % 500), format!("old {i}"), format!("new {i}")))
        .collect();
    let old: Vec<(&str, &str)> = names.iter().map(|(p, o, _)| (p.as_str(), o.as_str())).collect();
    let new: Vec<(&str, &str)> = names.iter().map(|(p, _, n)| (p.as_str(), n.as_str())).collect();
    let release =
        support::Release2 { component: "many", version: "2", sequence: None, bases: &[("1", &old)], target: &new };
    let (package, blobs) = release.package();
    let ours = dir.path().join("ours");
    write_signed(&package, &blobs, &key, &ours);
    for config in package.root().bases.iter().map(|b| b.manifest.size) {
        assert!(config < 1 << 20, "a config blob of {config} bytes");
    }
    let registry = Registry::start(dir.path());
    skopeo(&["copy", "--all", "--dest-tls-verify=false", &oci(&ours), &registry.name(":2")]);
    let back = dir.path().join("back");
    skopeo(&["copy", "--all", "--src-tls-verify=false", &registry.name(":2"), &oci(&back)]);
    let (whole, report) = verify(&back, &policy(&key), NOW).unwrap();
    assert!(!report.partial);
    assert_eq!(whole.listing("1").unwrap().len(), 100_000);
    let base = support::tree(&old).0;
    assert_eq!(support::beside(whole.before_tree("1").unwrap(), &base), base);
    let steps = whole.steps("1").unwrap().steps;
    let bundle::Action::Full { at } = &steps[77_777].action else { panic!("a new content") };
    let bytes = whole.slice("1", at).unwrap();
    let head = delta::header(&bytes).unwrap();
    let limits = DecodeLimits { new_size: head.new_size, memory: head.memory };
    let number = steps[77_777].path.name()[1..7].parse::<u32>().unwrap();
    assert_eq!(delta::decode(&bytes, &[], limits).unwrap(), format!("new {number}").into_bytes());
}
