//! SLSA provenance: which inputs, by digest, and which words of the command a bundle was made from.

use super::build::Request;
use super::sbom::cyclonedx;
use crate::bundle::Package;
use crate::release::Release;
use crate::report::{Error, Result};
use crate::tree::Digest;
use crate::trust::{Attestation, CYCLONEDX_TYPE, KeyId, SLSA_TYPE};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `externalParameters` and `resolvedDependencies` mean: this program's `build`.
const BUILD_TYPE: &str = "urn:cumulate:build:1";
/// Most files of the fixes folder that are named one by one; their digest as a whole always is.
const FILES: usize = 2000;

/// What the builder states about a package: provenance and bill of materials, as payloads to be signed.
pub(super) fn statements(
    release: &Release,
    request: &Request<'_>,
    package: &Package,
    key: KeyId,
) -> Result<Vec<Vec<u8>>> {
    let root = package.root();
    let name = format!("{} {}", root.component, root.release.version);
    let subject = package.subject().digest;
    let predicates = [(SLSA_TYPE, slsa(release, request, package, key)?), (CYCLONEDX_TYPE, cyclonedx(package))];
    let payload = |(kind, predicate): (&str, Value)| {
        Attestation { subject, predicate_type: kind.into(), predicate }.to_payload(name.clone())
    };
    Ok(predicates.into_iter().map(payload).collect())
}

fn slsa(release: &Release, request: &Request<'_>, package: &Package, key: KeyId) -> Result<Value> {
    let root = package.root();
    let words = |picks: &[super::Pick]| picks.iter().map(|p| p.text.clone()).collect::<Vec<_>>();
    let profile = request.profile.unwrap_or(release.config.release.profile);
    let dependencies: Vec<Value> = inputs(release)?
        .into_iter()
        .map(|(name, digest)| json!({"name": name, "digest": {"sha256": digest.hex()}}))
        .collect();
    Ok(json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "component": root.component,
                "version": root.release.version,
                "profile": profile,
                "only": words(&request.selection.only),
                "without": words(&request.selection.without),
                "minimal": request.selection.minimal,
                "created": root.release.created,
                "repair": request.repair,
            },
            "resolvedDependencies": dependencies,
        },
        "runDetails": {"builder": {"id": format!("urn:cumulate:key:{key}"), "version": {"cumulate": root.generator}}},
    }))
}

/// Every input by name and digest: the configuration, the files of the fixes, the trees of bases and targets.
pub(super) fn inputs(release: &Release) -> Result<Vec<(String, Digest)>> {
    let mut out = vec![("cumulate.toml".to_owned(), digest(&release.file)?)];
    let folder = release.config.release.fixes.clone().unwrap_or_else(|| PathBuf::from("fixes"));
    let files = walk(&release.dir.join(&folder))?;
    let all: Vec<u8> = files.iter().flat_map(|(name, d)| format!("{name}\0{d}\n").into_bytes()).collect();
    out.push(("fixes".into(), Digest::of(&all)));
    if files.len() <= FILES {
        out.extend(files.into_iter().map(|(name, d)| (format!("fixes/{name}"), d)));
    }
    for track in &release.tracks {
        for base in &track.bases {
            out.push((format!("base {}", base.name), base.source.tree.digest()));
            out.extend(base.shipped.iter().map(|s| (format!("shipped {}", base.name), s.tree.digest())));
        }
        out.extend(track.target.iter().map(|t| (format!("target {}", track.name), t.tree.digest())));
    }
    Ok(out)
}

fn digest(file: &Path) -> Result<Digest> {
    std::fs::read(file).map(|bytes| Digest::of(&bytes)).map_err(|e| Error::io(file.display(), &e))
}

/// Every file below a folder, by its path there; a link counts with the text of its target.
fn walk(dir: &Path) -> Result<BTreeMap<String, Digest>> {
    let mut out = BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(folder) = todo.pop() {
        let io = |e: std::io::Error| Error::io(folder.display(), &e);
        for item in std::fs::read_dir(&folder).map_err(io)? {
            let item = item.map_err(io)?;
            let (path, kind) = (item.path(), item.file_type().map_err(io)?);
            if kind.is_dir() {
                todo.push(path);
                continue;
            }
            let name = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().into_owned();
            let value = match kind.is_symlink() {
                true => Digest::of(std::fs::read_link(&path).map_err(io)?.as_os_str().as_encoded_bytes()),
                false => digest(&path)?,
            };
            out.insert(name, value);
        }
    }
    Ok(out)
}
