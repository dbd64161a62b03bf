//! Encrypted PKCS#8: PBES2 with scrypt or PBKDF2 and AES, as `openssl pkcs8 -topk8` writes it.

use super::key::bad;
use crate::report::{Error, ErrorCode, Result};
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::pem::LineEnding;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use std::fmt::Display;
use zeroize::Zeroizing;

pub(super) const LABEL: &str = "ENCRYPTED PRIVATE KEY";
/// Most memory that scrypt may ask for; openssl asks for 16 MiB.
const MAX_SCRYPT_MEMORY: u64 = 256 << 20;
const MAX_SCRYPT_LANES: u16 = 16;
/// Most rounds of PBKDF2: some seconds; openssl 3 writes 2048.
const MAX_ROUNDS: u32 = 10_000_000;
/// What [`seal`] writes; OWASP's figure for PBKDF2 with HMAC-SHA-256.
const ROUNDS: u32 = 600_000;

/// The unencrypted document. The costs that the file states are bounded before they are paid.
///
/// # Errors
/// `bad-key`: another scheme, costs above the bounds, a wrong passphrase.
pub(super) fn open(text: &str, passphrase: Option<&[u8]>, subject: &dyn Display) -> Result<SecretDocument> {
    let anew = "encrypt it anew: openssl pkcs8 -topk8 -v2 aes256 -in KEY -out NEW";
    let broken = |e: &dyn Display| bad(subject, format!("not a readable encrypted PKCS#8 key: {e}")).next(anew);
    let (_, document) = SecretDocument::from_pem(text).map_err(|e| broken(&e))?;
    let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|e| broken(&e))?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(bad(subject, "the key is encrypted by a scheme of PKCS#5 version 1, which is broken").next(anew));
    };
    let affordable = match &parameters.kdf {
        Kdf::Scrypt(s) => {
            let memory = s.cost_parameter.checked_mul(128 * u64::from(s.block_size));
            memory.is_some_and(|m| m <= MAX_SCRYPT_MEMORY) && s.parallelization <= MAX_SCRYPT_LANES
        }
        Kdf::Pbkdf2(p) => p.iteration_count <= MAX_ROUNDS,
        _ => false,
    };
    if !affordable {
        return Err(Error::new(ErrorCode::Limit, subject, "the file asks for more work than any passphrase needs")
            .next("encrypt it anew: openssl pkcs8 -topk8 -scrypt -in KEY -out NEW"));
    }
    let Some(passphrase) = passphrase else {
        return Err(bad(subject, "the private key is encrypted, and no passphrase is given")
            .next("say where it is: --passphrase file:PATH or --passphrase fd:N"));
    };
    info.decrypt(passphrase).map_err(|_| {
        bad(subject, "the private key cannot be decrypted")
            .next("check the passphrase, then the file: openssl pkey -in KEY; where that reads it, encrypt it anew: openssl pkcs8 -topk8 -scrypt -in KEY -out NEW")
    })
}

/// The document encrypted with PBKDF2 and AES-256-CBC, which every `openssl` reads.
///
/// # Errors
/// `io` if there is no randomness.
pub(super) fn seal(der: &[u8], passphrase: &[u8]) -> Result<Zeroizing<String>> {
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(|e| Error::new(ErrorCode::Io, "randomness", e))?;
    let (salt, iv) = random.split_at(16);
    let fault = |e: &dyn Display| Error::new(ErrorCode::Internal, "encrypted key", e);
    let mut block = [0u8; 16];
    block.copy_from_slice(iv);
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, salt, block).map_err(|e| fault(&e))?;
    let sealed = parameters.encrypt(passphrase, der).map_err(|e| fault(&e))?;
    let info = EncryptedPrivateKeyInfoRef {
        encryption_algorithm: parameters.into(),
        encrypted_data: OctetStringRef::new(&sealed).map_err(|e| fault(&e))?,
    };
    let document = SecretDocument::encode_msg(&info).map_err(|e| fault(&e))?;
    document.to_pem(LABEL, LineEnding::LF).map_err(|e| fault(&e))
}
