//! `cumulate verify FILE.cup --pub P…`: every signature, digest and stated size.

use crate::bundle::{self, Bundle};
use crate::report::{Code, Finding, Result};
use crate::tree::Digest;
use crate::trust::{AttestationState, Policy, RoleState, SignatureState, show_time};
use serde::Serialize;
use std::path::Path;

/// A bundle that verified, and how.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    pub schema: &'static str,
    pub component: String,
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// SHA-256 of the root manifest.
    pub root: Digest,
    /// The time against which expiry was judged.
    pub time: String,
    /// What was done, in this order; `docs/bundle-format.md` explains each.
    pub steps: Vec<Step>,
    /// Every required role with the keys that count in it.
    pub roles: Vec<RoleState>,
    /// Every signature, also those that do not count, with the reason.
    pub signatures: Vec<SignatureState>,
    /// Statements for others' tools, and whose they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attestations: Vec<AttestationState>,
    pub bases: Vec<BaseState>,
    /// Whether bases of the release are missing.
    pub partial: bool,
    /// One for each base that was applied and rolled back (`--bases`).
    pub proofs: Vec<Proof>,
    pub findings: Vec<Finding>,
}

/// A step of the verification and the attack that it stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub number: u32,
    pub check: &'static str,
    pub stops: &'static str,
    /// What it found here.
    pub found: String,
}

/// A base of the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BaseState {
    pub name: String,
    pub track: String,
    /// Whether everything that this base needs is here and whole.
    pub complete: bool,
    /// SHA-256 of its manifest, which the root manifest states.
    pub manifest: Digest,
}

/// What became of one base.
#[derive(Debug, Clone, Serialize)]
pub struct Proof {
    pub base: String,
    /// Tree digest that applying ended in.
    pub reached: Digest,
    /// Tree digest that the release promises.
    pub target: Digest,
    /// `target-missed`, `rollback-inexact`; empty if everything holds.
    pub findings: Vec<Finding>,
}

impl Proof {
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Verifies the bundle at `path` at time `now` (seconds since 1970), and hands it back for what
/// comes next: proving its bases, applying it.
///
/// # Errors
/// `bad-bundle`, `unknown-format`, `limit`, `io`; `unsigned`, `untrusted`, `expired`.
pub fn verify(path: &Path, policy: &Policy, now: u64) -> Result<(Bundle, VerifyReport)> {
    let bundle = bundle::open(path)?.verify(policy, now)?;
    let trust = bundle.trust().cloned().unwrap_or_default();
    let root = bundle.root();
    let missing = bundle.missing();
    let bases: Vec<BaseState> = root
        .bases
        .iter()
        .map(|b| BaseState {
            name: b.name.clone(),
            track: b.track.clone(),
            complete: !missing.contains(&b.name.as_str()),
            manifest: b.manifest.digest,
        })
        .collect();
    let mut findings = Vec::new();
    if !missing.is_empty() {
        findings.push(
            Finding::new(
                Code::PartialBundle,
                path.display(),
                format!(
                    "it holds {} of {} bases; missing: {}",
                    bases.len() - missing.len(),
                    bases.len(),
                    missing.join(", ")
                ),
            )
            .next("fetch the whole bundle if you need them"),
        );
    }
    let report = VerifyReport {
        schema: "cumulate.verify/1",
        component: root.component.clone(),
        version: root.release.version.clone(),
        sequence: root.release.sequence,
        root: bundle.package().subject().digest,
        time: show_time(now),
        steps: steps(&bundle, path.is_dir()),
        roles: trust.roles,
        signatures: trust.signatures,
        attestations: bundle
            .attestations()
            .map(|a| policy.attested(a, bundle.package().subject().digest, now))
            .collect(),
        partial: !missing.is_empty(),
        bases,
        proofs: Vec::new(),
        findings,
    };
    Ok((bundle, report))
}

impl VerifyReport {
    /// Records that a base was applied and rolled back ([`super::prove`]), with what it found.
    pub fn proved(&mut self, proof: Proof) {
        self.findings.extend(proof.findings.iter().cloned());
        self.proofs.push(proof);
    }
}

/// The steps as they stand in `docs/bundle-format.md`; reaching this point means that all hold.
fn steps(bundle: &Bundle, folder: bool) -> Vec<Step> {
    let root = bundle.root();
    let at_hand = bundle.bases().count();
    let counted = bundle.trust().map_or(0, |t| t.roles.iter().map(|r| r.signed_by.len()).sum());
    let blobs: std::collections::BTreeSet<_> =
        bundle.bases().flat_map(|b| [b.listing].into_iter().chain(b.packs.iter().copied())).collect();
    let bytes: u64 = blobs.iter().map(|b| b.size).sum();
    let rows: [(&str, &str, String); 10] = [
        (
            "the container has its one form, or is an OCI layout with a single entry",
            "bytes hidden, doubled, reordered, added or cut off; a second release beside the real one",
            if folder { "an OCI layout folder".into() } else { "a canonical file, byte for byte".into() },
        ),
        (
            "every manifest and envelope has the stated size and digest before it is parsed",
            "swapped or changed manifests; input that aims at the parser",
            format!("{}, {}", many(at_hand + 1, "manifest"), many(bundle.envelopes().len(), "envelope")),
        ),
        (
            "the format's major version and every needed feature are known",
            "an old reader misled by what it does not understand",
            format!("format {}.{} by {}", root.format.major, root.format.minor, root.generator),
        ),
        (
            "the base manifests are those that the root manifest names, and agree with it",
            "bases of another release or component mixed in",
            format!("{at_hand} of {} bases", root.bases.len()),
        ),
        (
            "the policy is valid now, and is for this component; the release is not past its best-before",
            "an outdated policy; a release of another product; an old release that hides newer ones",
            root.component.clone(),
        ),
        (
            "enough different trusted keys signed this very root manifest in each required role",
            "a forged or re-signed release; one key counted twice; a signature of another role, release or document",
            format!("counted: {}", many(counted, "signature")),
        ),
        (
            "every blob has the stated size and digest",
            "truncated, changed or exchanged packs and documents",
            format!("{}, {bytes} bytes", many(blobs.len(), "blob")),
        ),
        (
            "the listing of each track has the shape of the target that the root manifest states (apply proves every file)",
            "files slipped in or left out; paths that leave the tree",
            many(root.tracks.len(), "track"),
        ),
        (
            "each base's steps stay inside its packs and, undone, have the shape of the base (apply proves every file)",
            "steps that write, read or delete elsewhere; a wrong base taken for the right one",
            many(at_hand, "route"),
        ),
        (
            "stated download, disk, memory, paths and file sizes are kept",
            "exhausted disk or memory through sizes that lie",
            format!("memory at most {} bytes, files at most {}", root.limits.memory, root.limits.file),
        ),
    ];
    (1u32..).zip(rows).map(|(number, (check, stops, found))| Step { number, check, stops, found }).collect()
}

fn many(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}
