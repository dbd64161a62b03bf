//! `cumulate keygen --out PREFIX`: a pair of keys in two files.

use crate::disk::Disk;
use crate::report::{Error, Result};
use crate::trust::{KeyId, Place, SecretKey};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The pair that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Keygen {
    pub schema: &'static str,
    pub key_id: KeyId,
    /// `PREFIX.key`, mode 0600.
    pub private: PathBuf,
    /// `PREFIX.pub`, mode 0644.
    pub public: PathBuf,
}

/// Makes `PREFIX.key` and `PREFIX.pub`.
///
/// # Errors
/// As [`keygen_encrypted`].
pub fn keygen(prefix: &Path) -> Result<Keygen> {
    keygen_encrypted(prefix, None)
}

/// The same, with the private key encrypted if a passphrase is given.
///
/// # Errors
/// `exists` if one of them is there, `io`, `no-space`; then no half of a pair is left behind.
pub fn keygen_encrypted(prefix: &Path, passphrase: Option<&Place>) -> Result<Keygen> {
    let with = |ending: &str| {
        let mut name = prefix.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let (private, public) = (with(".key"), with(".pub"));
    let disk = Disk::real();
    if std::fs::symlink_metadata(&public).is_ok() {
        return Err(Error::new(
            crate::report::ErrorCode::Exists,
            public.display(),
            "it exists already and is never overwritten",
        )
        .next("choose another prefix, or move it away"));
    }
    let key = SecretKey::generate()?;
    let text = passphrase.map_or_else(|| Ok(key.to_pem()), |place| key.to_encrypted_pem(place))?;
    disk.create_new(&private, text.as_bytes(), 0o600)?;
    if let Err(e) = disk.create_new(&public, key.public().to_pem().as_bytes(), 0o644) {
        disk.unlink(&private)?;
        return Err(e);
    }
    Ok(Keygen { schema: "cumulate.keygen/1", key_id: key.id(), private, public })
}
