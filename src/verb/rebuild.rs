//! `cumulate rebuild --check FILE.cup`: build again from the same inputs, and name the first section that differs.

use super::build::{Output, Progress, Request, build};
use super::prove::Scratch;
use super::provenance::inputs;
use super::selection::{Pick, Selection};
use crate::bundle::{self, BaseManifest, Bundle};
use crate::delta::Profile;
use crate::disk::Disk;
use crate::release::Release;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use crate::trust::{Attestation, SLSA_TYPE};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What building again gave.
#[derive(Debug, Clone, Serialize)]
pub struct BuiltAgain {
    pub schema: &'static str,
    /// Root manifest of the bundle, and of what was built.
    pub root: Digest,
    pub rebuilt: Digest,
    pub same: bool,
    /// The first section that differs, from what decides the others to what follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Section>,
    /// Inputs that the bundle's provenance states otherwise than they are here.
    pub inputs: Vec<String>,
}

/// A part of the bundle, in it and as it was built again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    pub section: String,
    pub bundle: String,
    pub rebuilt: String,
}

impl BuiltAgain {
    pub fn exit(&self) -> u8 {
        u8::from(!self.same)
    }
}

/// Builds the release again, with the time, profile and selection of the bundle, and compares. Signatures and
/// attestations are no part of what is compared: their keys are elsewhere.
///
/// # Errors
/// As [`bundle::open`] and [`build`]; `denied` if the release cannot be built any more.
pub fn rebuild(release: &Release, file: &Path, threads: &Progress<'_>) -> Result<BuiltAgain> {
    let theirs = bundle::open(file)?.accept_unsigned()?;
    let stated = stated(&theirs);
    let disk = Disk::scratch();
    let scratch = Scratch::new(&disk)?;
    let again = scratch.path.join("again.cup");
    let request = Request {
        selection: Selection { only: stated.only, without: stated.without, minimal: stated.minimal, today: None },
        profile: stated.profile,
        output: Output::File(&again),
        force: false,
        key: None,
        cache: None,
        created: theirs.root().release.created,
        repair: theirs.bases().any(BaseManifest::is_repair),
    };
    if build(release, &request, &disk, threads)?.output.is_none() {
        return Err(Error::new(
            ErrorCode::Denied,
            file.display(),
            "a denied finding keeps the release from being built again",
        )
        .next("look at it: cumulate plan"));
    }
    let mine = bundle::open(&again)?.accept_unsigned()?;
    let here: BTreeMap<String, Digest> = inputs(release)?.into_iter().collect();
    let other = |(name, digest): &(String, Digest)| here.get(name) != Some(digest);
    let (root, rebuilt) = (theirs.package().subject().digest, mine.package().subject().digest);
    Ok(BuiltAgain {
        schema: "cumulate.rebuild/1",
        root,
        rebuilt,
        same: root == rebuilt,
        first: (root != rebuilt).then(|| first(&theirs, &mine)).transpose()?,
        inputs: stated.inputs.into_iter().filter(other).map(|(name, _)| name).collect(),
    })
}

/// What the bundle's own provenance says; nobody has to believe it, since the result is compared.
#[derive(Default)]
struct Stated {
    only: Vec<Pick>,
    without: Vec<Pick>,
    minimal: bool,
    profile: Option<Profile>,
    inputs: Vec<(String, Digest)>,
}

fn stated(bundle: &Bundle) -> Stated {
    let read = bundle.attestations().filter_map(|a| Attestation::read(a).ok()).map(|(_, a)| a);
    let Some(slsa) = read.into_iter().find(|a| a.predicate_type == SLSA_TYPE) else { return Stated::default() };
    let definition = &slsa.predicate["buildDefinition"];
    let words = &definition["externalParameters"];
    let picks = |field: &str| -> Vec<Pick> {
        let list = words[field].as_array().into_iter().flatten();
        list.filter_map(|w| Pick::parse(w.as_str()?).ok()).collect()
    };
    let input = |d: &serde_json::Value| {
        Some((d["name"].as_str()?.to_owned(), Digest::from_hex(d["digest"]["sha256"].as_str()?)?))
    };
    Stated {
        only: picks("only"),
        without: picks("without"),
        minimal: words["minimal"] == true,
        profile: serde_json::from_value(words["profile"].clone()).ok(),
        inputs: definition["resolvedDependencies"].as_array().into_iter().flatten().filter_map(input).collect(),
    }
}

/// From what decides to what follows: a difference in an early section explains those in later ones.
fn first(a: &Bundle, b: &Bundle) -> Result<Section> {
    let (left, right) = (sections(a)?, sections(b)?);
    let names = left.iter().chain(&right).map(|(name, _)| name);
    let get = |list: &[(String, String)], name: &str| list.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    for name in names {
        let (x, y) = (get(&left, name), get(&right, name));
        if x != y {
            let none = || "(not there)".to_owned();
            return Ok(Section {
                section: name.clone(),
                bundle: x.unwrap_or_else(none),
                rebuilt: y.unwrap_or_else(none),
            });
        }
    }
    let digest = |b: &Bundle| b.package().subject().digest.to_string();
    Ok(Section { section: "root manifest".into(), bundle: digest(a), rebuilt: digest(b) })
}

/// Every section by name, with its content or its digest.
fn sections(bundle: &Bundle) -> Result<Vec<(String, String)>> {
    let root = bundle.root();
    let text = |v: serde_json::Result<String>| v.unwrap_or_default();
    let digest = |v: serde_json::Result<String>| Digest::of(text(v).as_bytes()).to_string();
    let mut out = vec![
        ("format".to_owned(), text(serde_json::to_string(&root.format))),
        ("generator".into(), root.generator.clone()),
        ("component".into(), root.component.clone()),
        ("release".into(), text(serde_json::to_string(&root.release))),
        ("bases".into(), root.bases.iter().map(|b| b.name.as_str()).collect::<Vec<_>>().join(", ")),
    ];
    out.push(("fixes".into(), root.fixes.iter().map(|f| f.id.as_str()).collect::<Vec<_>>().join(", ")));
    out.extend(root.fixes.iter().map(|f| (format!("fix {}", f.id), text(serde_json::to_string(f)))));
    out.push(("graph".into(), digest(serde_json::to_string(&root.graph))));
    let at_hand: Vec<&BaseManifest> = bundle.bases().collect();
    for b in &at_hand {
        out.push((format!("base {}: its tree", b.name), b.before.tree.to_string()));
    }
    for t in &root.tracks {
        out.push((format!("track {}: target", t.name), t.target.tree.to_string()));
        out.push((format!("track {}", t.name), text(serde_json::to_string(t))));
    }
    for b in &at_hand {
        out.push((format!("base {}: states of fixes", b.name), text(serde_json::to_string(&b.fixes))));
        out.push((format!("base {}: provenance", b.name), digest(serde_json::to_string(&bundle.provenance(&b.name)?))));
        out.push((
            format!("base {}: packs", b.name),
            b.packs.iter().map(|p| p.digest.hex()).collect::<Vec<_>>().join(", "),
        ));
        out.push((format!("base {}: steps", b.name), digest(serde_json::to_string(&bundle.steps(&b.name)?))));
        out.push((format!("base {}: listing", b.name), b.listing.digest.to_string()));
        out.push((
            format!("base {}: figures", b.name),
            format!("download {}, disk {}, memory {}", b.download, b.disk, b.memory),
        ));
    }
    out.push(("limits".into(), text(serde_json::to_string(&root.limits))));
    Ok(out)
}
