//! Bundles that lie: takes a layout apart, lets a test change any part, and puts it together again
//! with every digest above the change made right, as an insider with the signing key could.

use cumulate::bundle::{self, Blobs, Package};
use cumulate::disk::Disk;
use cumulate::tree::Digest;
use cumulate::trust::{Claim, Envelope, SecretKey, Statement};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Stands in a root manifest for a value that is nested deeper than any stack.
pub const DEEP: &str = "as deep as it gets";

/// A bundle in parts.
#[derive(Clone)]
pub struct Forge {
    pub root: Value,
    /// By position in the root manifest.
    pub bases: Vec<Value>,
    /// The plain bytes before each base's text.
    pub plain: Vec<Vec<u8>>,
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    pub envelopes: Vec<Vec<u8>>,
    /// Base positions that the nested index lists.
    pub listed: Vec<usize>,
    /// More layers for every base.
    pub extra_layers: Vec<Value>,
    /// Media type and blob of layers that are left out.
    pub without: Vec<String>,
    /// Changes `index.json` last.
    pub top: fn(&mut Value),
    /// Changes a blob's stated size in the OCI manifest of every base.
    pub size_lie: Option<(String, i64)>,
}

impl Forge {
    pub fn of(package: &Package, blobs: &Blobs) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = dir.path().join("l");
        bundle::write_layout(package, blobs, &Disk::real(), &layout).unwrap();
        let mut held = BTreeMap::new();
        for file in fs::read_dir(layout.join("blobs/sha256")).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            held.insert(Digest::of(&bytes), bytes);
        }
        let root: Value = serde_json::from_slice(&unpack(package.root_bytes())).unwrap();
        let parts: Vec<(Vec<u8>, Value)> =
            package.root().bases.iter().map(|b| parts(&held[&b.manifest.digest])).collect();
        let (plain, bases): (Vec<Vec<u8>>, Vec<Value>) = parts.into_iter().unzip();
        Self {
            root,
            listed: (0..bases.len()).collect(),
            bases,
            plain,
            blobs: held,
            envelopes: vec![],
            extra_layers: vec![],
            without: vec![],
            top: |_| {},
            size_lie: None,
        }
    }

    pub fn put(&mut self, bytes: Vec<u8>) -> Value {
        let (digest, size) = (Digest::of(&bytes), bytes.len());
        self.blobs.insert(digest, bytes);
        json!({"digest": digest, "size": size})
    }

    pub fn blob(&self, reference: &Value) -> &Vec<u8> {
        &self.blobs[&serde_json::from_value(reference["digest"].clone()).unwrap()]
    }

    /// The listing that base `at` names: its plain bytes and its text.
    pub fn listing(&self, at: usize) -> (Vec<u8>, Value) {
        parts(self.blob(&self.bases[at]["listing"]))
    }

    /// The same of a base that may name none.
    pub fn listing_of(&self, at: usize) -> Option<&Vec<u8>> {
        self.blobs.get(&serde_json::from_value(self.bases[at]["listing"]["digest"].clone()).ok()?)
    }

    /// Another listing for base `at`.
    pub fn put_listing(&mut self, at: usize, plain: &[u8], text: &str) {
        self.root["limits"]["blob"] = (1 << 20).into();
        self.bases[at]["listing"] = self.put(whole(plain, &zstd::bulk::compress(text.as_bytes(), 3).unwrap()));
        self.fix_download(at);
    }

    /// Changes the listing of every base.
    pub fn change_listing(&mut self, change: impl Fn(&mut Vec<u8>, &mut Value)) {
        for at in 0..self.bases.len() {
            let (mut plain, mut text) = self.listing(at);
            change(&mut plain, &mut text);
            self.put_listing(at, &plain, &text.to_string());
        }
    }

    /// Makes the stated download right again.
    pub fn fix_download(&mut self, at: usize) {
        let base = &self.bases[at];
        let packs = base["packs"].as_array().unwrap().iter();
        let all: BTreeMap<String, u64> = [&base["listing"]]
            .into_iter()
            .chain(packs)
            .map(|b| (b["digest"].to_string(), b["size"].as_u64().unwrap()))
            .collect();
        self.bases[at]["download"] = all.values().fold(0u64, |sum, size| sum.saturating_add(*size)).into();
    }

    /// The root manifest's bytes with the base manifests' digests in it.
    pub fn seal(&mut self) -> Vec<u8> {
        for i in 0..self.bases.len() {
            let text = zstd::bulk::compress(self.bases[i].to_string().as_bytes(), 3).unwrap();
            let bytes = whole(&self.plain[i], &text);
            let reference = self.put(bytes);
            self.root["bases"][i]["manifest"] = reference;
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let text = self.root.to_string().replace(&format!("{DEEP:?}"), &deep);
        zstd::bulk::compress(text.as_bytes(), 3).unwrap()
    }

    /// Signs what is there now, stating what the root manifest says.
    pub fn sign(&mut self, key: &SecretKey, role: &str) {
        let root = self.seal();
        let claim = Claim {
            role: role.into(),
            component: self.root["component"].as_str().unwrap_or_default().into(),
            version: self.root["release"]["version"].as_str().unwrap_or_default().into(),
            sequence: self.root["release"]["sequence"].as_u64(),
        };
        let statement = Statement { subject: Digest::of(&root), claim };
        self.envelopes.push(Envelope::sign(statement.to_payload(), key).to_json());
    }

    pub fn write(&mut self, dir: &Path) {
        let root = self.seal();
        let root = self.put(root);
        let mut nested = Vec::new();
        let layer =
            |media: &str, blob: &Value| json!({"mediaType": media, "digest": blob["digest"], "size": blob["size"]});
        for i in self.listed.clone() {
            let base = self.bases[i].clone();
            let mut layers = Vec::new();
            for e in self.envelopes.clone() {
                let blob = self.put(e);
                layers.push(layer("application/vnd.dsse.envelope.v1+json", &blob));
            }
            layers.push(layer("application/vnd.cumulate.base.v2+zstd", &self.root["bases"][i]["manifest"]));
            layers.push(layer("application/vnd.cumulate.listing.v2+zstd", &base["listing"]));
            for pack in base["packs"].as_array().unwrap() {
                layers.push(layer("application/vnd.cumulate.pack.v1", pack));
            }
            layers.retain(|l| !self.without.iter().any(|w| l["mediaType"].as_str().unwrap().contains(w.as_str())));
            layers.extend(self.extra_layers.iter().cloned());
            if let Some((media, by)) = &self.size_lie {
                for l in layers.iter_mut().filter(|l| l["mediaType"].as_str().unwrap().contains(media.as_str())) {
                    l["size"] = (l["size"].as_i64().unwrap() + by).into();
                }
            }
            let config = layer("application/vnd.cumulate.root.v2+zstd", &root);
            let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
            let blob = self.put(manifest.to_string().into_bytes());
            nested.push(layer(MANIFEST, &blob));
        }
        let nested =
            self.put(json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": nested}).to_string().into_bytes());
        let mut top = json!({"schemaVersion": 2, "manifests": [layer(INDEX, &nested)]});
        (self.top)(&mut top);
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
        fs::write(dir.join("index.json"), top.to_string()).unwrap();
        for (digest, bytes) in &self.blobs {
            fs::write(dir.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        }
    }
}

/// A document's plain bytes and its text.
fn parts(blob: &[u8]) -> (Vec<u8>, Value) {
    let length = u32::from_be_bytes(blob[..4].try_into().unwrap()) as usize;
    (blob[4..4 + length].to_vec(), serde_json::from_slice(&unpack(&blob[4 + length..])).unwrap())
}

pub fn whole(plain: &[u8], frames: &[u8]) -> Vec<u8> {
    [&(plain.len() as u32).to_be_bytes(), plain, frames].concat()
}

/// The text in a document's frames.
pub fn unpack(frames: &[u8]) -> Vec<u8> {
    let dictionary = include_bytes!("../../docs/bundle-dictionary.txt");
    let mut text = Vec::new();
    zstd::stream::read::Decoder::with_dictionary(frames, dictionary).unwrap().read_to_end(&mut text).unwrap();
    text
}
