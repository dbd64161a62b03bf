//! A CycloneDX 1.6 bill of materials: each track with its bases as ancestors, and one patch entry for each fix.
//! It follows from the manifests alone, so anybody can make it again.

use crate::bundle::{FixEntry, NOT_FOR_TRACK, Package, State, TrackManifest};
use crate::report::{Error, ErrorCode, Result};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// The bill of materials of a bundle; its signatures are not looked at.
///
/// # Errors
/// As [`crate::bundle::open`].
pub fn sbom(file: &Path) -> Result<Vec<u8>> {
    let bundle = crate::bundle::open(file)?.accept_unsigned()?;
    let mut text = serde_json::to_vec_pretty(&cyclonedx(bundle.package()))
        .map_err(|e| Error::new(ErrorCode::Internal, "bill of materials", e))?;
    text.push(b'\n');
    Ok(text)
}

/// <https://cyclonedx.org/docs/1.6/json/>. No serial number and no time: the same release has the same bytes.
pub(super) fn cyclonedx(package: &Package) -> Value {
    let root = package.root();
    let tracks: Vec<Value> = root.tracks.iter().map(|t| track(package, t)).collect();
    let cves: BTreeSet<&str> = root.fixes.iter().flat_map(|f| &f.cves).map(String::as_str).collect();
    let refs: Vec<Value> = root.tracks.iter().map(|t| json!({"ref": reference(&root.component, t)})).collect();
    let resolved = cves.into_iter().map(|id| json!({"id": id, "analysis": {"state": "resolved"}, "affects": refs}));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "release",
                "name": root.component,
                "version": root.release.version,
                "properties": [{"name": "cumulate:root-manifest", "value": package.subject().digest.to_string()}],
            },
            "tools": {"components": [{"type": "application", "name": root.generator}]},
        },
        "components": tracks,
        "vulnerabilities": resolved.collect::<Vec<_>>(),
    })
}

fn reference(component: &str, track: &TrackManifest) -> String {
    format!("{component}@{}#{}", track.version, track.name)
}

fn track(package: &Package, track: &TrackManifest) -> Value {
    let root = package.root();
    let bases: Vec<_> =
        root.bases.iter().filter(|b| b.track == track.name).filter_map(|b| package.base(&b.name)).collect();
    let ancestors = bases.iter().map(|b| {
        let tree = b.before.tree.hex();
        json!({"type": "application", "name": root.component, "version": b.name, "hashes": [{"alg": "SHA-256", "content": tree}]})
    });
    // A fix that no base of the track has or gets is excused there.
    let there = |f: &&FixEntry| {
        let states = bases.iter().flat_map(|b| &b.fixes).filter(|s| s.id == f.id);
        states.into_iter().any(|s| s.state != State::Unknown || !s.reason.starts_with(NOT_FOR_TRACK))
    };
    json!({
        "type": "application",
        "bom-ref": reference(&root.component, track),
        "name": root.component,
        "version": track.version,
        "hashes": [{"alg": "SHA-256", "content": track.target.tree.hex()}],
        "properties": [
            {"name": "cumulate:track", "value": track.name},
            {"name": "cumulate:hash", "value": "SHA-256 of git's tree object over SHA-256 contents"},
        ],
        "pedigree": {
            "ancestors": ancestors.collect::<Vec<_>>(),
            "patches": root.fixes.iter().filter(there).map(patch).collect::<Vec<_>>(),
        },
    })
}

/// One fix: what it is, and every CVE that it resolves.
fn patch(fix: &FixEntry) -> Value {
    let links: Vec<&String> =
        fix.links.iter().filter(|l| l.contains("://") && !l.contains(char::is_whitespace)).collect();
    let mut own = json!({"type": "defect", "id": fix.id, "name": fix.title});
    if !links.is_empty() {
        own["references"] = json!(links);
    }
    let security = fix.cves.iter().map(|id| json!({"type": "security", "id": id}));
    let resolves: Vec<Value> = [own].into_iter().chain(security).collect();
    json!({"type": "backport", "resolves": resolves})
}
