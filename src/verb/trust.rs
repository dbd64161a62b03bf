//! `cumulate trust …`: a signed trust root, and what a bundle's signatures still lack.

use super::delegate::{DelegationView, show_delegation, sign_delegation};
use crate::bundle;
use crate::disk::Disk;
use crate::report::{Error, ErrorCode, Result};
use crate::trust::{
    Envelope, Policy, ROOT_PAYLOAD_TYPE, RoleState, RootVersion, SignatureState, Signer, SignerSource, TrustReport,
    TrustRoot,
};
use serde::Serialize;
use std::path::Path;

/// A trust root as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootView {
    pub schema: &'static str,
    pub versions: Vec<RootVersion>,
    /// Whether every version has the signatures that it needs.
    pub complete: bool,
}

impl RootView {
    fn of(root: &TrustRoot) -> Self {
        let versions = root.versions();
        let complete = versions.iter().flat_map(|v| &v.signatures).all(|s| s.signed_by.len() >= s.threshold);
        Self { schema: "cumulate.trust/1", versions, complete }
    }
}

/// Version 1 of a root from a `trust.toml` with `[roles.root]`, signed by one key.
///
/// # Errors
/// `exists`; `untrusted` for a key that is no root key; as [`Policy::read`] and [`Signer::open`].
pub fn trust_init(policy: &Path, key: SignerSource, file: &Path) -> Result<RootView> {
    let mut root = TrustRoot::first(Policy::read(policy)?)?;
    root.sign(&Signer::open(key)?)?;
    Disk::real().create_new(file, &root.to_bytes(), 0o644)?;
    Ok(RootView::of(&root))
}

/// The next version, signed by one key of the old or the new one.
///
/// # Errors
/// As [`trust_init`]; `untrusted` while the last version is not finished.
pub fn trust_rotate(file: &Path, policy: &Path, key: SignerSource) -> Result<RootView> {
    let mut root = read(file)?;
    root.rotate(Policy::read(policy)?)?;
    replace(file, &mut root, key)
}

/// What `trust sign` puts a signature under, and `trust show` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustFile {
    Root(RootView),
    Delegation(DelegationView),
}

/// One more signature under the last version of a root, or under a delegation.
///
/// # Errors
/// As [`trust_init`].
pub fn trust_sign(file: &Path, key: SignerSource) -> Result<TrustFile> {
    let bytes = bytes(file)?;
    if let Some(view) = sign_delegation(&bytes, &key, file) {
        return view.map(TrustFile::Delegation);
    }
    let mut root = parse(&bytes, file)?;
    replace(file, &mut root, key).map(TrustFile::Root)
}

/// What a root holds and lacks, or what is delegated to whom; nothing is judged.
///
/// # Errors
/// `config`, `limit`, `io`.
pub fn trust_show(file: &Path) -> Result<TrustFile> {
    let bytes = bytes(file)?;
    if let Some(view) = show_delegation(&bytes, file) {
        return view.map(TrustFile::Delegation);
    }
    parse(&bytes, file).map(|root| TrustFile::Root(RootView::of(&root)))
}

fn read(file: &Path) -> Result<TrustRoot> {
    parse(&bytes(file)?, file)
}

/// A root; another envelope is called by its own name instead of a broken root.
fn parse(bytes: &[u8], file: &Path) -> Result<TrustRoot> {
    let other = Envelope::from_json(bytes.trim_ascii_end()).ok().filter(|e| e.payload_type != ROOT_PAYLOAD_TYPE);
    let Some(other) = other else { return TrustRoot::parse(bytes, &file.display().to_string()) };
    let what = match show_delegation(bytes, file) {
        Some(_) => "it is a delegation, and no trust root".to_owned(),
        None => format!("it is an envelope of type {:.80}, and no trust root", other.payload_type.escape_debug()),
    };
    Err(Error::new(ErrorCode::Config, file.display(), what).next(
        "give a trust root; what a bundle's envelopes are worth, `cumulate trust status FILE.cup --policy P` says",
    ))
}

fn bytes(file: &Path) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let io = |e: std::io::Error| Error::io(file.display(), &e);
    let mut bytes = Vec::new();
    // One byte above the limit is enough for the reader to say so.
    std::fs::File::open(file).map_err(io)?.take((4 << 20) + 1).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

fn replace(file: &Path, root: &mut TrustRoot, key: SignerSource) -> Result<RootView> {
    root.sign(&Signer::open(key)?)?;
    Disk::real().write_atomic(file, &root.to_bytes(), 0o644)?;
    Ok(RootView::of(root))
}

/// How far the signatures of a bundle reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustStatus {
    pub schema: &'static str,
    /// Signatures that count, at most the threshold of each role, and the sum of all thresholds.
    pub have: usize,
    pub need: usize,
    pub roles: Vec<RoleState>,
    /// Every signature and waiver, whether it counts, and why not.
    pub signatures: Vec<SignatureState>,
}

/// What the policy demands of this bundle and what is there; the contents are not looked at.
///
/// # Errors
/// As [`bundle::open`]; `expired`, `untrusted` where no signature could help: an outdated policy, another
/// component's, a revoked bundle.
pub fn trust_status(file: &Path, policy: &Policy, now: u64) -> Result<TrustStatus> {
    let opened = bundle::open(file)?;
    let package = opened.claimed();
    let envelopes: Vec<&[u8]> = package.envelopes().collect();
    let judged = package.judged();
    policy.hopeless(&judged, now)?;
    let TrustReport { signatures, roles } = policy.look(&judged, &envelopes, now);
    Ok(TrustStatus {
        schema: "cumulate.trust-status/1",
        have: roles.iter().map(|r| r.have.min(r.threshold)).sum(),
        need: roles.iter().map(|r| r.threshold).sum(),
        roles,
        signatures,
    })
}

impl TrustStatus {
    /// The exit code of a gate: trust, unless every role is filled.
    pub fn exit(&self) -> u8 {
        if self.have >= self.need { 0 } else { ErrorCode::Untrusted.exit() }
    }
}
