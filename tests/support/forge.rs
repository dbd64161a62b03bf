//! Bundles that lie: takes a layout apart, lets a test change any part, and puts it together again
//! with every digest above the change made right, as an insider with the signing key could.

use cumulate::bundle::{self, Blobs, Package};
use cumulate::disk::Disk;
use cumulate::tree::Digest;
use cumulate::trust::{Claim, Envelope, SecretKey, Statement};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A bundle in parts.
#[derive(Clone)]
pub struct Forge {
    pub root: Value,
    /// By position in the root manifest.
    pub bases: Vec<Value>,
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
        let root: Value = serde_json::from_slice(package.root_bytes()).unwrap();
        let bases: Vec<Value> =
            package.root().bases.iter().map(|b| serde_json::from_slice(&held[&b.manifest.digest]).unwrap()).collect();
        Self {
            root,
            listed: (0..bases.len()).collect(),
            bases,
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

    /// A document's content.
    pub fn document(&self, reference: &Value) -> Value {
        serde_json::from_slice(&zstd::decode_all(&**self.blob(reference)).unwrap()).unwrap()
    }

    /// A new document of this text.
    pub fn put_document(&mut self, text: &str) -> Value {
        self.root["limits"]["blob"] = (1 << 20).into();
        self.put(zstd::bulk::compress(text.as_bytes(), 3).unwrap())
    }

    /// Changes the document that field `field` of base `at` names.
    pub fn change(&mut self, at: usize, field: &str, change: impl FnOnce(&mut Value)) {
        let mut value = self.document(&self.bases[at][field]);
        change(&mut value);
        self.bases[at][field] = self.put_document(&value.to_string());
        self.fix_download(at);
    }

    /// Makes the stated download right again.
    pub fn fix_download(&mut self, at: usize) {
        let base = &self.bases[at];
        let packs = base["packs"].as_array().unwrap().iter();
        let all: BTreeMap<String, u64> = ["listing", "steps", "provenance"]
            .iter()
            .map(|f| &base[f])
            .chain(packs)
            .map(|b| (b["digest"].to_string(), b["size"].as_u64().unwrap()))
            .collect();
        self.bases[at]["download"] = all.values().sum::<u64>().into();
    }

    /// The root manifest's bytes with the base manifests' digests in it.
    pub fn seal(&mut self) -> Vec<u8> {
        for i in 0..self.bases.len() {
            let bytes = self.bases[i].to_string().into_bytes();
            let reference = self.put(bytes);
            self.root["bases"][i]["manifest"] = reference;
        }
        self.root.to_string().into_bytes()
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
            let mut layers = vec![layer("application/vnd.cumulate.root.v1+json", &root)];
            for e in self.envelopes.clone() {
                let blob = self.put(e);
                layers.push(layer("application/vnd.dsse.envelope.v1+json", &blob));
            }
            layers.push(layer("application/vnd.cumulate.graph.v1+zstd", &self.root["graph"]));
            for field in ["listing", "steps", "provenance"] {
                layers.push(layer(&format!("application/vnd.cumulate.{field}.v1+zstd"), &base[field]));
            }
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
            let config = layer("application/vnd.cumulate.base.v1+json", &self.root["bases"][i]["manifest"]);
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
