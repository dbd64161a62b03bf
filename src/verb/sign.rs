//! `cumulate sign FILE.cup --key K --role R`: one more signature beside those that are there.

use crate::bundle;
use crate::disk::Disk;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use crate::trust::{Envelope, KeyId, SecretKey};
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
pub fn sign(path: &Path, key: &Path, role: &str) -> Result<Signed> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if role.is_empty() || role.len() > 64 || !role.chars().all(plain) {
        return Err(Error::new(
            ErrorCode::Usage,
            role.escape_debug(),
            "a role is 1 to 64 letters, digits, '-', '_' or '.'",
        )
        .next("for example --role release"));
    }
    let key = SecretKey::read(key)?;
    let bundle = bundle::open(path)?.accept_unsigned()?;
    let package = bundle.package();
    let statement = package.statement(role);
    let envelope = Envelope::sign(statement.to_payload(), &key).to_json();
    let digest = Digest::of(&envelope);
    let added = bundle::add_envelope(path, envelope, &Disk::real())?;
    Ok(Signed {
        schema: "cumulate.sign/1",
        component: package.root().component.clone(),
        version: package.root().release.version.clone(),
        root: statement.subject,
        role: role.to_owned(),
        key_id: key.id(),
        envelope: digest,
        added,
        signatures: bundle.envelopes().len() + usize::from(added),
    })
}
