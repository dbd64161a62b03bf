//! Where secrets come from: files, file descriptors, standard input; never the arguments or the
//! environment, which other users and crash reports can see.

use super::key::bad;
use crate::report::{Error, ErrorCode, Result};
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest key file that is read, in bytes; a real one has about 120, an encrypted one 400.
const MAX_KEY_FILE: usize = 16 << 10;
/// Longest passphrase in bytes.
const MAX_PASSPHRASE: usize = 1024;

/// Bytes that are wiped when dropped.
type Secret = Zeroizing<Vec<u8>>;

/// A place that holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    Descriptor(u32),
    Stdin,
}

impl Place {
    /// What `--key` says: `-`, `fd:N`, or a path (`./-` for a file of that name).
    pub fn of_key(text: &OsStr) -> Self {
        Self::open_already(text).unwrap_or_else(|| Self::File(text.into()))
    }

    /// What `--passphrase` says: `-`, `fd:N` or `file:PATH`.
    ///
    /// # Errors
    /// `usage` for anything else; the text is not repeated, for it may be the passphrase itself.
    pub fn of_passphrase(text: &OsStr) -> Result<Self> {
        let file = || text.as_bytes().strip_prefix(b"file:").map(|p| Self::File(OsStr::from_bytes(p).into()));
        Self::open_already(text).or_else(file).ok_or_else(|| {
            Error::new(ErrorCode::Usage, "--passphrase", "it says where the passphrase is, and is not the passphrase")
                .next("give file:PATH, fd:N, or - for standard input; what stands in arguments is seen by others")
        })
    }

    fn open_already(text: &OsStr) -> Option<Self> {
        if text == "-" {
            return Some(Self::Stdin);
        }
        let number = text.to_str()?.strip_prefix("fd:")?.parse().ok()?;
        Some(if number == 0 { Self::Stdin } else { Self::Descriptor(number) })
    }

    /// At most `max` bytes, which are wiped when dropped.
    fn read(&self, max: usize) -> Result<Secret> {
        let io = |e: std::io::Error| Error::io(self, &e);
        let file = match self {
            Self::File(path) => File::open(path),
            // Opened anew by its name, as std can adopt no number without `unsafe`.
            Self::Descriptor(n) => File::open(format!("/dev/fd/{n}")),
            // Not through `Stdin`, whose buffer would keep a copy of the secret.
            Self::Stdin => std::io::stdin().as_fd().try_clone_to_owned().map(File::from),
        }
        .map_err(io)?;
        // The capacity holds everything, so that no copy of the secret is left behind by growing.
        let mut bytes = Zeroizing::new(Vec::with_capacity(max + 1));
        file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() > max {
            return Err(bad(self, format!("longer than {max} bytes, so not what is wanted here")));
        }
        Ok(bytes)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Descriptor(n) => write!(f, "file descriptor {n}"),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

/// A private key's place, and that of its passphrase if it is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySource {
    pub key: Place,
    pub passphrase: Option<Place>,
}

impl<P: AsRef<Path>> From<P> for KeySource {
    fn from(path: P) -> Self {
        Self { key: Place::File(path.as_ref().to_owned()), passphrase: None }
    }
}

impl KeySource {
    /// The text of the key, and the passphrase.
    pub(super) fn read(&self) -> Result<(Zeroizing<String>, Option<Secret>)> {
        if self.passphrase.as_ref().is_some_and(|p| *p == self.key) {
            return Err(Error::new(ErrorCode::Usage, &self.key, "key and passphrase cannot come from one place")
                .next("give one of them as a file, or through another descriptor"));
        }
        let text = read_text(&self.key)?;
        Ok((text, self.passphrase.as_ref().map(passphrase).transpose()?))
    }
}

/// The first line, as `openssl -passin file:` takes it.
pub(super) fn passphrase(place: &Place) -> Result<Secret> {
    let mut bytes = place.read(MAX_PASSPHRASE)?;
    let mut end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    if end > 0 && bytes.get(end - 1) == Some(&b'\r') {
        end -= 1;
    }
    if end == 0 {
        return Err(bad(place, "the passphrase is empty").next("put it into the first line there"));
    }
    // What is cut off is wiped with the rest: the capacity belongs to the vector.
    bytes.truncate(end);
    Ok(bytes)
}

/// The text of a PEM file.
pub(super) fn read_text(place: &Place) -> Result<Zeroizing<String>> {
    let bytes = place.read(MAX_KEY_FILE)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(bad(place, "not a PEM file: there are bytes in it that are no text")
            .next("convert it: openssl pkey -inform DER -in KEY -out KEY.pem")),
    }
}
