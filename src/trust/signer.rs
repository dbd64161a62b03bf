//! Who signs: a private key in memory, or one on a token that never gives it away.

#[cfg(feature = "pkcs11")]
use super::token::TokenKey;
use super::uri::TokenUri;
use super::{KeyId, KeySource, Place, PublicKey, SecretKey};
use crate::report::Result;
use std::ffi::OsStr;

/// Where the key is that signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerSource {
    Key(KeySource),
    /// On a token, and where its PIN is; without one the token's own keypad asks, if it has one.
    Token {
        uri: TokenUri,
        pin: Option<Place>,
    },
}

impl<T: Into<KeySource>> From<T> for SignerSource {
    fn from(source: T) -> Self {
        Self::Key(source.into())
    }
}

impl SignerSource {
    /// What `--key` and `--passphrase` say: `-`, `fd:N`, a `pkcs11:` URI, or a path.
    ///
    /// # Errors
    /// `usage` for an impossible URI or passphrase.
    pub fn parse(key: &OsStr, passphrase: Option<&OsStr>) -> Result<Self> {
        let passphrase = passphrase.map(Place::of_passphrase).transpose()?;
        match key.to_str().and_then(TokenUri::parse).transpose()? {
            Some(uri) => Ok(Self::Token { uri, pin: passphrase }),
            None => Ok(Self::Key(KeySource { key: Place::of_key(key), passphrase })),
        }
    }
}

/// A private key that signs, wherever it is.
#[derive(Debug)]
pub enum Signer {
    Memory(SecretKey),
    #[cfg(feature = "pkcs11")]
    Token(TokenKey),
}

impl From<SecretKey> for Signer {
    fn from(key: SecretKey) -> Self {
        Self::Memory(key)
    }
}

impl Signer {
    /// Reads the key, or opens the token that has it.
    ///
    /// # Errors
    /// As [`SecretKey::read`]; for a token `io` if its module cannot be loaded, `bad-key` for token, key and PIN,
    /// and `usage` without the feature `pkcs11`.
    pub fn open(source: impl Into<SignerSource>) -> Result<Self> {
        match source.into() {
            SignerSource::Key(source) => SecretKey::read(source).map(Self::Memory),
            #[cfg(feature = "pkcs11")]
            SignerSource::Token { uri, pin } => TokenKey::open(&uri, pin.as_ref()).map(Self::Token),
            #[cfg(not(feature = "pkcs11"))]
            SignerSource::Token { uri, .. } => {
                use crate::report::{Error, ErrorCode};
                Err(Error::new(ErrorCode::Usage, uri, "this cumulate was built without PKCS#11")
                    .next("build it with --features pkcs11, or use `sign --emit` and `sign --attach`"))
            }
        }
    }

    pub fn public(&self) -> &PublicKey {
        match self {
            Self::Memory(key) => key.public(),
            #[cfg(feature = "pkcs11")]
            Self::Token(key) => key.public(),
        }
    }

    pub fn id(&self) -> KeyId {
        self.public().id()
    }

    /// Pure Ed25519.
    ///
    /// # Errors
    /// `bad-key` if a token refuses.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        match self {
            Self::Memory(key) => Ok(key.sign(message)),
            #[cfg(feature = "pkcs11")]
            Self::Token(key) => key.sign(message),
        }
    }
}
