//! `cumulate sign FILE.cup --key K --role R`: one more signature beside those that are there.

use crate::bundle::{self, Bundle};
use crate::disk::Disk;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use crate::trust::{Envelope, KeyId, PublicKey, Signer, SignerSource, Statement};
use serde::Serialize;
use std::path::Path;

/// What was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signed {
    pub schema: &'static str,
    pub component: String,
    pub version: String,
    /// SHA-256 of the root manifest, which the signature is about.
    pub root: Digest,
    pub role: String,
    pub key_id: KeyId,
    pub envelope: Digest,
    /// `false` if this key's signature in this role was there already.
    pub added: bool,
    /// How many envelopes the bundle carries now.
    pub signatures: usize,
}

/// Signs the bundle at `path`, file or layout folder, after checking every content of it: nobody
/// should vouch for a damaged one.
///
/// # Errors
/// `usage` for an impossible role, `bad-key`; as [`bundle::open`] and [`bundle::add_envelope`].
pub fn sign(path: &Path, key: impl Into<SignerSource>, role: &str) -> Result<Signed> {
    check_role(role)?;
    let key = Signer::open(key)?;
    let bundle = bundle::open(path)?.accept_unsigned()?;
    let statement = bundle.package().statement(role);
    finish(path, &bundle, statement.clone(), &Envelope::signed_by(statement.to_payload(), &key)?, key.id())
}

/// The exact bytes that a key elsewhere has to sign, in pure Ed25519, so that [`attach`] can take
/// the signature: `openssl pkeyutl -sign -rawin -inkey K -in BYTES -out SIGNATURE`.
///
/// # Errors
/// As [`sign`].
pub fn emit(path: &Path, role: &str) -> Result<Vec<u8>> {
    check_role(role)?;
    let bundle = bundle::open(path)?.accept_unsigned()?;
    Ok(Envelope::unsigned(bundle.package().statement(role).to_payload()).message())
}

/// Adds a signature that was made elsewhere over what [`emit`] gave, if it is this key's.
///
/// # Errors
/// `untrusted` if it is not; otherwise as [`sign`].
pub fn attach(path: &Path, role: &str, public: &Path, signature: &[u8]) -> Result<Signed> {
    check_role(role)?;
    let key = PublicKey::read(public)?;
    let bundle = bundle::open(path)?.accept_unsigned()?;
    let statement = bundle.package().statement(role);
    let mut envelope = Envelope::unsigned(statement.to_payload());
    if !key.verifies(&envelope.message(), signature) {
        return Err(Error::new(
            ErrorCode::Untrusted,
            public.display(),
            format!("the signature is not this key's over this release in role '{role}'"),
        )
        .next("sign exactly the bytes that `sign --emit` writes, with pure Ed25519, for the same file and role"));
    }
    envelope.signatures.push((key.id().to_string(), signature.to_vec()));
    finish(path, &bundle, statement, &envelope, key.id())
}

pub(super) fn check_role(role: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !role.is_empty() && role.len() <= 64 && role.chars().all(plain) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Usage, role.escape_debug(), "a role is 1 to 64 of a-z, 0-9 and '-'")
        .next("for example --role release"))
}

fn finish(path: &Path, bundle: &Bundle, statement: Statement, envelope: &Envelope, key_id: KeyId) -> Result<Signed> {
    let envelope = envelope.to_json();
    let digest = Digest::of(&envelope);
    let now = bundle::add_envelope(path, envelope, &Disk::real())?;
    Ok(Signed {
        schema: "cumulate.sign/1",
        component: statement.claim.component,
        version: statement.claim.version,
        root: statement.subject,
        role: statement.claim.role,
        key_id,
        envelope: digest,
        added: now.is_some(),
        signatures: now.unwrap_or(bundle.envelopes().len()),
    })
}
