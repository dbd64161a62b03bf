//! Ed25519 keys in the files that `openssl` reads: PKCS#8 and SubjectPublicKeyInfo, both PEM.

use super::encrypted;
use super::source::{KeySource, Place, passphrase, read_text};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use std::fmt;
use zeroize::{Zeroize as _, Zeroizing};

/// RFC 8410: PrivateKeyInfo version 0, id-Ed25519, an octet string in an octet string; then the seed.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// RFC 8410: SubjectPublicKeyInfo, id-Ed25519, a bit string; then the 32 bytes of the point.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Names a key: the SHA-256 of its SubjectPublicKeyInfo in DER, written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub Digest);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// A public key with a full-order point in its one encoding.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: KeyId,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo PEM file.
    ///
    /// # Errors
    /// `io` if it cannot be read, else `bad-key`.
    pub fn read(path: &std::path::Path) -> Result<Self> {
        Self::from_pem(&read_text(&Place::File(path.to_owned()))?, path.display())
    }

    /// # Errors
    /// `bad-key`, about `subject`: no public key, not Ed25519, a small-order or non-canonical point.
    pub fn from_pem(text: &str, subject: impl fmt::Display) -> Result<Self> {
        if text.matches("-----BEGIN ").count() > 1 {
            return Err(bad(subject, "several keys are in this file").next("give each key in a file of its own"));
        }
        if label(text).is_none() && (text.contains("[roles") || text.contains("[[key]]")) {
            return Err(bad(subject, "this is a policy and no key").next("give it with --policy"));
        }
        match label(text) {
            Some("PUBLIC KEY") => {}
            Some(l) if l.ends_with("PRIVATE KEY") => {
                return Err(bad(subject, "this is a private key").next("give the public one, PREFIX.pub, here"));
            }
            other => return Err(not_pem(subject, other, "PUBLIC KEY")),
        }
        let key = VerifyingKey::from_public_key_pem(text).map_err(|e| unusable(&subject, "public", &e))?;
        Self::from_key(key).map_err(|why| bad(subject, why))
    }

    fn from_key(key: VerifyingKey) -> Result<Self, &'static str> {
        if key.is_weak() {
            return Err("the key is a point of small order, under which anybody can sign");
        }
        if !canonical(key.as_bytes()) {
            return Err("the key's point is not encoded canonically");
        }
        let mut der = SPKI_PREFIX.to_vec();
        der.extend_from_slice(key.as_bytes());
        Ok(Self { key, id: KeyId(Digest::of(&der)) })
    }

    /// From the bytes of its point; why not, in words.
    #[cfg(feature = "pkcs11")]
    pub(super) fn from_point(bytes: &[u8; 32]) -> Result<Self, &'static str> {
        Self::from_key(VerifyingKey::from_bytes(bytes).map_err(|_| "the key is no point of the curve")?)
    }

    pub fn id(&self) -> KeyId {
        self.id
    }

    /// SubjectPublicKeyInfo PEM.
    pub fn to_pem(&self) -> String {
        let mut der = SPKI_PREFIX.to_vec();
        der.extend_from_slice(self.key.as_bytes());
        pem("PUBLIC KEY", &der).to_string()
    }

    /// Strict Ed25519: canonical encodings only, no small-order points.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|s| self.key.verify_strict(message, &s).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

/// A private key in memory; every copy is wiped when dropped, none is ever shown.
#[derive(Clone)]
pub struct SecretKey {
    key: SigningKey,
    public: PublicKey,
}

impl SecretKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// `io` if there is none.
    pub fn generate() -> Result<Self> {
        let mut seed = Zeroizing::new([0u8; 32]);
        getrandom::fill(&mut *seed)
            .map_err(|e| Error::new(ErrorCode::Io, "randomness", e).next("look at the operating system's getrandom"))?;
        Self::from_key(SigningKey::from_bytes(&seed), "the new key")
    }

    /// Reads PKCS#8 PEM, plain or encrypted.
    ///
    /// # Errors
    /// `io` if it cannot be read, `usage` if key and passphrase come from one place, else `bad-key`.
    pub fn read(source: impl Into<KeySource>) -> Result<Self> {
        let source = source.into();
        let (text, passphrase) = source.read()?;
        Self::decode(&text, passphrase.as_deref().map(Vec::as_slice), &source.key)
    }

    /// # Errors
    /// `bad-key`, about `subject`: encrypted, no PKCS#8, not Ed25519.
    pub fn from_pem(text: &str, subject: impl fmt::Display) -> Result<Self> {
        Self::decode(text, None, &subject)
    }

    fn decode(text: &str, passphrase: Option<&[u8]>, subject: &dyn fmt::Display) -> Result<Self> {
        let key = match label(text) {
            Some("PRIVATE KEY") if passphrase.is_some() => {
                return Err(bad(subject, "a passphrase is given, but the private key is not encrypted")
                    .next("leave --passphrase out, or encrypt it: openssl pkcs8 -topk8 -v2 aes256 -in KEY -out NEW"));
            }
            Some("PRIVATE KEY") => SigningKey::from_pkcs8_pem(text).map_err(|e| unusable(&subject, "private", &e))?,
            Some(encrypted::LABEL) => {
                let document = encrypted::open(text, passphrase, subject)?;
                SigningKey::from_pkcs8_der(document.as_bytes()).map_err(|e| unusable(&subject, "private", &e))?
            }
            Some("PUBLIC KEY") => {
                return Err(bad(subject, "this is a public key").next("give the private one, PREFIX.key, here"));
            }
            Some("OPENSSH PRIVATE KEY") => {
                return Err(bad(subject, "this is a key of OpenSSH").next("make one with `cumulate keygen`"));
            }
            other => return Err(not_pem(subject, other, "PRIVATE KEY")),
        };
        Self::from_key(key, subject)
    }

    fn from_key(key: SigningKey, subject: impl fmt::Display) -> Result<Self> {
        let public = PublicKey::from_key(key.verifying_key()).map_err(|why| bad(subject, why))?;
        Ok(Self { key, public })
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub fn id(&self) -> KeyId {
        self.public.id
    }

    /// PKCS#8 PEM, version 0 without the public key, which every `openssl` reads.
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem("PRIVATE KEY", &*self.to_der())
    }

    /// The same, encrypted with the passphrase that lies there.
    ///
    /// # Errors
    /// `io`, `bad-key` for an empty passphrase.
    pub fn to_encrypted_pem(&self, place: &Place) -> Result<Zeroizing<String>> {
        encrypted::seal(&*self.to_der(), &passphrase(place)?)
    }

    fn to_der(&self) -> Zeroizing<[u8; 48]> {
        let mut der = Zeroizing::new([0u8; 48]);
        let (prefix, seed) = der.split_at_mut(16);
        prefix.copy_from_slice(&PKCS8_PREFIX);
        seed.copy_from_slice(self.key.as_bytes());
        der
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public.id)
    }
}

/// Whether y < 2^255 - 19: a second spelling of a point would be a second id of one key.
fn canonical(point: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = point;
    !(*low >= 0xed && middle.iter().all(|b| *b == 0xff) && high & 0x7f == 0x7f)
}

/// Both kinds of DER fit on one line of 64 base64 digits.
fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    use base64::Engine as _;
    let mut body = base64::engine::general_purpose::STANDARD.encode(der);
    let text = Zeroizing::new(format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"));
    body.zeroize();
    text
}

/// The label of the first PEM block.
fn label(text: &str) -> Option<&str> {
    text.lines().find_map(|l| l.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
}

pub(super) fn bad(subject: impl fmt::Display, why: impl fmt::Display) -> Error {
    Error::new(ErrorCode::BadKey, subject, why).next("make a pair with `cumulate keygen --out PREFIX`")
}

fn not_pem(subject: impl fmt::Display, label: Option<&str>, wanted: &str) -> Error {
    match label {
        Some(l) => bad(subject, format!("a PEM block '{wanted}' is needed, this is '{}'", l.escape_debug())),
        None => bad(subject, format!("not a PEM file with a block '{wanted}'")),
    }
}

fn unusable(subject: &dyn fmt::Display, which: &str, e: &dyn fmt::Display) -> Error {
    bad(subject, format!("not a usable Ed25519 {which} key: {e}"))
}
