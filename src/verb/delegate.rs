//! `cumulate trust delegate`: one more key speaks in a role until a day, if enough of the role's keys say so.

use crate::bundle;
use crate::disk::Disk;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use crate::trust::{Delegation, Envelope, KeyId, MAX_ENVELOPE, Signer, SignerSource, show_time};
use serde::Serialize;
use std::path::Path;

/// A delegation as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DelegationView {
    pub schema: &'static str,
    pub role: String,
    pub component: String,
    pub name: String,
    pub key_id: KeyId,
    pub expires: String,
    /// Key ids; which of them count, a policy says.
    pub signed_by: Vec<String>,
}

impl DelegationView {
    fn of(d: &Delegation, envelope: &Envelope) -> Self {
        Self {
            schema: "cumulate.trust-delegate/1",
            role: d.role.clone(),
            component: d.component.clone(),
            name: d.name.clone(),
            key_id: d.key.id(),
            expires: show_time(d.expires),
            signed_by: envelope.key_ids().map(str::to_owned).collect(),
        }
    }
}

/// Writes a delegation, signed by one key of the role; others add theirs with [`super::trust_sign`].
///
/// # Errors
/// `exists`, `usage` for an impossible role or name, as [`Signer::open`].
pub fn trust_delegate(delegation: &Delegation, key: SignerSource, file: &Path) -> Result<DelegationView> {
    super::sign::check_role(&delegation.role)?;
    delegation.possible()?;
    let plain = |t: &str| !t.trim().is_empty() && t.len() <= 200 && !t.chars().any(char::is_control);
    if !plain(&delegation.name) || !plain(&delegation.component) {
        return Err(Error::new(ErrorCode::Usage, "delegate", "a name or component has 1 to 200 bytes on one line"));
    }
    let mut envelope = delegation.envelope();
    Delegation::sign(&mut envelope, &Signer::open(key)?)?;
    Disk::real().create_new(file, &[envelope.to_json(), b"\n".to_vec()].concat(), 0o644)?;
    Ok(DelegationView::of(delegation, &envelope))
}

/// One more signature under a delegation; `None` if these bytes are something else.
pub(super) fn sign_delegation(bytes: &[u8], key: &SignerSource, file: &Path) -> Option<Result<DelegationView>> {
    let mut envelope = Envelope::from_json(bytes.trim_ascii_end()).ok()?;
    let delegation = Delegation::read(&envelope)?;
    Some((|| {
        let delegation = delegation.map_err(|why| Error::new(ErrorCode::Config, file.display(), why))?;
        delegation.possible()?;
        Delegation::sign(&mut envelope, &Signer::open(key.clone())?)?;
        Disk::real().write_atomic(file, &[envelope.to_json(), b"\n".to_vec()].concat(), 0o644)?;
        Ok(DelegationView::of(&delegation, &envelope))
    })())
}

/// What a file delegates; `None` if these bytes are something else.
pub(super) fn show_delegation(bytes: &[u8], file: &Path) -> Option<Result<DelegationView>> {
    let envelope = Envelope::from_json(bytes.trim_ascii_end()).ok()?;
    let delegation = Delegation::read(&envelope)?.map_err(|why| Error::new(ErrorCode::Config, file.display(), why));
    Some(delegation.map(|d| DelegationView::of(&d, &envelope)))
}

/// Adds an envelope that was made elsewhere: a delegation, a test result, a waiver, a signature. Nothing of it is
/// believed; what it is worth, a policy says. `false` if the very same is there already.
///
/// # Errors
/// `config` for a file that is no envelope, or one that can count for this bundle under no policy; as [`bundle::add_envelope`].
pub fn add_envelope(bundle: &Path, file: &Path) -> Result<(Digest, bool)> {
    use std::io::Read as _;
    let io = |e: std::io::Error| Error::io(file.display(), &e);
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(io)?.take(MAX_ENVELOPE + 2).read_to_end(&mut bytes).map_err(io)?;
    let envelope = Envelope::from_json(bytes.trim_ascii_end()).map_err(|why| {
        Error::new(ErrorCode::Config, file.display(), why).next("give a DSSE envelope, as vet and delegate write them")
    })?;
    if let Some(why) = bundle::open(bundle)?.claimed().judged().hopeless(&envelope) {
        let next = format!(
            "give one that was made for this very bundle: cumulate sign {0} --key KEY, cumulate vet {0} --key KEY -- CMD, \
             or a signed delegation for its component",
            bundle.display()
        );
        return Err(Error::new(ErrorCode::Config, file.display(), format!("it can never count here: {why}")).next(next));
    }
    // Spelt anew, so that white space makes no second envelope of one.
    let bytes = envelope.to_json();
    Ok((Digest::of(&bytes), bundle::add_envelope(bundle, bytes, &Disk::real())?.is_some()))
}
