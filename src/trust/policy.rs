//! Whose signatures count, in which role, how many, and until when (`trust.toml`, see the room's page).

use super::policy_file::config;
use super::root::{MAX_ROOT_FILE, TrustRoot};
use super::time::show_time;
use super::{KeyId, PublicKey};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The role that every policy requires.
pub const RELEASE: &str = "release";
/// Longest `trust.toml` in bytes.
const MAX_POLICY: u64 = 1 << 20;

/// A role that must be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub threshold: usize,
    pub keys: BTreeSet<KeyId>,
    pub evidence: Evidence,
    /// Whether a waiver may stand in for a test result.
    pub waivers: bool,
}

/// What a key has to give for its role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// A signature under the release.
    #[default]
    Signature,
    /// Test results that cover every base.
    TestResult,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PolicyKey {
    pub(super) name: String,
    pub(super) key: PublicKey,
    pub(super) span: Span,
}

/// From when to when something counts, in seconds since 1970, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Option<u64>,
    pub(super) to: Option<u64>,
}

impl Span {
    /// Why it does not count at this time.
    pub(super) fn outside(self, now: u64) -> Option<String> {
        match self {
            Self { from: Some(t), .. } if now < t => Some(format!("is not valid before {}", show_time(t))),
            Self { to: Some(t), .. } if now > t => Some(format!("expired at {}", show_time(t))),
            _ => None,
        }
    }
}

/// A trust policy that can be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Where it came from, for messages.
    pub(super) origin: String,
    pub(super) component: Option<String>,
    pub(super) span: Span,
    pub(super) keys: BTreeMap<KeyId, PolicyKey>,
    pub(super) roles: BTreeMap<String, Role>,
    /// Keys that never count again, so that no later edit lets one in by mistake.
    pub(super) revoked: BTreeSet<KeyId>,
    /// Root manifests that are refused whoever signed them.
    pub(super) revoked_bundles: BTreeSet<Digest>,
    /// The version, and who signs the next, where this is a signed root's.
    pub(super) root: Option<(u64, Role)>,
    /// Digests of all versions up to this one, where it came from a file of them.
    pub(super) lineage: Vec<Digest>,
}

impl Policy {
    /// "One of these keys signed in role `release`": what `--pub P…` means.
    ///
    /// # Errors
    /// `no-trust` without any key.
    pub fn of_keys(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self> {
        let keys: BTreeMap<KeyId, PolicyKey> = keys
            .into_iter()
            .map(|key| (key.id(), PolicyKey { name: key.id().to_string(), key, span: Span::default() }))
            .collect();
        if keys.is_empty() {
            return Err(Error::new(ErrorCode::NoTrust, "policy", "no key is given, so nothing can be trusted")
                .next("give --pub FILE or --policy FILE"));
        }
        let role = Role::of(1, keys.keys().copied().collect());
        Ok(Self {
            origin: "the given keys".into(),
            component: None,
            span: Span::default(),
            keys,
            roles: BTreeMap::from([(RELEASE.to_owned(), role)]),
            revoked: BTreeSet::new(),
            revoked_bundles: BTreeSet::new(),
            root: None,
            lineage: Vec::new(),
        })
    }

    /// Reads `trust.toml`, with key files beside it, or a signed root, which begins with a brace.
    ///
    /// # Errors
    /// `untrusted` for a root that lacks signatures, `config` for a policy that cannot be read or met, `bad-key` for a key, `io`.
    pub fn read(path: &Path) -> Result<Self> {
        use std::io::Read as _;
        let io = |e: std::io::Error| Error::io(path.display(), &e);
        let origin = path.display().to_string();
        let mut bytes = Vec::new();
        std::fs::File::open(path).map_err(io)?.take(MAX_ROOT_FILE + 1).read_to_end(&mut bytes).map_err(io)?;
        let text = String::from_utf8(bytes).map_err(|_| config(&origin, "it is no text, so it is no policy"))?;
        if text.trim_start().starts_with("-----BEGIN ") {
            return Err(config(&origin, "this is a key and no policy").next("give public keys with --pub"));
        }
        if text.starts_with('{') {
            return TrustRoot::parse(text.as_bytes(), &origin)?.policy();
        }
        if text.len() as u64 > MAX_POLICY {
            return Err(Error::new(ErrorCode::Limit, path.display(), format!("longer than {MAX_POLICY} bytes")));
        }
        let policy = Self::parse(&text, &origin, path.parent().unwrap_or(Path::new("")))?;
        if policy.root.is_some() {
            return Err(config(&origin, "`version` stands in signed roots alone: leave it out, and use `trust init`"));
        }
        Ok(policy)
    }

    /// Every required role.
    pub fn roles(&self) -> &BTreeMap<String, Role> {
        &self.roles
    }

    /// Names of the keys that may speak in a role at this time.
    pub fn speakers(&self, role: &str, now: u64) -> Vec<&str> {
        let ids = self.roles.get(role).into_iter().flat_map(|r| &r.keys);
        let keys = ids.filter_map(|id| self.keys.get(id)).filter(|k| k.span.outside(now).is_none());
        keys.map(|k| k.name.as_str()).collect()
    }

    /// The keys with their names.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &PublicKey)> {
        self.keys.values().map(|k| (k.name.as_str(), &k.key))
    }
}

impl Role {
    pub(super) fn of(threshold: usize, keys: BTreeSet<KeyId>) -> Self {
        Self { threshold, keys, evidence: Evidence::Signature, waivers: false }
    }
}
