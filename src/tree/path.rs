//! Paths inside a tree. Parsing is the escape check, done once, by the type.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of an installation that holds cumulate's own state; no tree may name it.
pub const STATE_DIR: &str = ".cumulate";

/// Longest path in bytes, Linux's PATH_MAX less room for the installation's own folder.
const MAX_PATH: usize = 3072;
/// Longest name in bytes, Linux's NAME_MAX less room for the suffix of a kept file.
const MAX_NAME: usize = 247;

/// A relative path, UTF-8, `/` between names, without `.`, `..`, empty names, NUL or
/// backslash, whose first name is not [`STATE_DIR`]. Ordered by bytes. Its copies share the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Arc<str>);

/// Why a text is not a [`TreePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path is empty")]
    Empty,
    #[error("the path is absolute")]
    Absolute,
    #[error("the path leaves the tree through '..'")]
    Escapes,
    #[error("the path has an empty or '.' name in it")]
    NotNormal,
    #[error("the path has a NUL, a control character or a backslash in it")]
    BadCharacter,
    #[error("the path is not valid UTF-8")]
    NotUtf8,
    #[error("the path names cumulate's own folder '.cumulate'")]
    StateDir,
    #[error("the path, or a name in it, is too long")]
    TooLong,
}

impl TreePath {
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute);
        }
        if text.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        if text.bytes().any(|b| b < 0x20 || b == 0x7f || b == b'\\') {
            return Err(PathError::BadCharacter);
        }
        let names = text.as_bytes().split(|b| *b == b'/');
        for (i, name) in names.enumerate() {
            match name {
                b"" | b"." => return Err(PathError::NotNormal),
                b".." => return Err(PathError::Escapes),
                _ if name.len() > MAX_NAME => return Err(PathError::TooLong),
                _ if i == 0 && name.eq_ignore_ascii_case(STATE_DIR.as_bytes()) => return Err(PathError::StateDir),
                _ => {}
            }
        }
        Ok(Self(text.into()))
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathError> {
        Self::parse(std::str::from_utf8(bytes).map_err(|_| PathError::NotUtf8)?)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names from the top down.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The folder (empty at the top) and the last name: sorted by these, what lies in one folder stands together.
    pub fn place(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }

    pub fn parent(&self) -> Option<TreePath> {
        self.0.rfind('/').map(|i| Self(self.0[..i].into()))
    }

    /// Every folder above this path, nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = TreePath> + '_ {
        self.0.rmatch_indices('/').map(|(i, _)| Self(self.0[..i].into()))
    }

    /// The path as the file system has it, below `root`.
    pub fn under(&self, root: &Path) -> PathBuf {
        root.join(&*self.0)
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::borrow::Borrow<str> for TreePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for TreePath {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TreePath {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(d)?;
        Self::parse(&text).map_err(|e| serde::de::Error::custom(format!("{:?}: {e}", &*text)))
    }
}
