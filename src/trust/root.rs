//! A trust root: policies that vouch for their successors, one signed version after another in one file.

use super::envelope::MAX_ENVELOPE;
use super::policy::Role;
use super::{Envelope, KeyId, Policy, Signer};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// Another type than a release's statements have, so that no signature of the one is one of the other.
pub const ROOT_PAYLOAD_TYPE: &str = "application/vnd.cumulate.trust-root.v1+toml";
/// The role that signs roots, and nothing else.
pub const ROOT: &str = "root";
/// Most versions in one file.
const MAX_VERSIONS: usize = 256;
/// Longest file in bytes.
pub(super) const MAX_ROOT_FILE: u64 = 4 << 20;

/// One version after another; each is a DSSE envelope around the text of a policy.
#[derive(Debug, Clone)]
pub struct TrustRoot {
    origin: String,
    links: Vec<Link>,
}

#[derive(Debug, Clone)]
struct Link {
    policy: Policy,
    envelope: Envelope,
}

/// What one version has and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootVersion {
    pub version: u64,
    pub digest: Digest,
    pub signatures: Vec<RootRole>,
}

/// Signatures of one version's `root` keys over a version: its own, or the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootRole {
    /// Whose threshold this is.
    pub by_version: u64,
    pub threshold: usize,
    pub signed_by: Vec<String>,
    pub can_sign: Vec<String>,
}

impl TrustRoot {
    /// A first version, not signed yet.
    ///
    /// # Errors
    /// `config` for a policy that has no role `root`.
    pub fn first(policy: Policy) -> Result<Self> {
        let mut root = Self { origin: policy.origin.clone(), links: Vec::new() };
        root.push(policy)?;
        Ok(root)
    }

    /// Appends the next version, not signed yet.
    ///
    /// # Errors
    /// `config` as [`TrustRoot::first`]; `untrusted` where the last version lacks signatures itself.
    pub fn rotate(&mut self, policy: Policy) -> Result<()> {
        self.whole()?;
        self.push(policy)
    }

    fn push(&mut self, mut policy: Policy) -> Result<()> {
        let version = self.links.len() as u64 + 1;
        let role = policy.roles.remove(ROOT).ok_or_else(|| {
            Error::new(ErrorCode::Config, &policy.origin, "it has no [roles.root] that says who signs the next version")
                .next("add [roles.root] with keys that do nothing else, and a threshold")
        })?;
        policy.root = Some((version, role));
        let payload = policy.to_toml()?.into_bytes();
        let envelope = Envelope { payload_type: ROOT_PAYLOAD_TYPE.into(), payload, signatures: Vec::new() };
        self.links.push(Link { policy, envelope });
        Ok(())
    }

    /// Signs the last version; `false` if this key has signed it already.
    ///
    /// # Errors
    /// `untrusted` for a key that is a root key of neither the last version nor the one before.
    pub fn sign(&mut self, key: &Signer) -> Result<bool> {
        let at = self.links.len();
        let may =
            self.links.iter().skip(at.saturating_sub(2)).any(|l| l.role().is_some_and(|r| r.keys.contains(&key.id())));
        let Some(last) = self.links.last_mut().filter(|_| may) else {
            return Err(Error::new(ErrorCode::Untrusted, key.id(), "this key is no root key of the last two versions")
                .next("sign with a key of [roles.root], old or new"));
        };
        last.envelope.add_signature(key)
    }

    /// One envelope a line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let lines = self.links.iter().flat_map(|l| [l.envelope.to_json(), b"\n".to_vec()]);
        lines.collect::<Vec<_>>().concat()
    }

    /// Reads a file, without judging its signatures.
    ///
    /// # Errors
    /// `limit`, `config` for what is no chain of versions from 1 on, each in its one spelling.
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self> {
        if bytes.len() as u64 > MAX_ROOT_FILE {
            return Err(Error::new(ErrorCode::Limit, origin, format!("longer than {MAX_ROOT_FILE} bytes")));
        }
        let bad = |version: u64, why: String| {
            Error::new(ErrorCode::Config, origin, format!("version {version} of the trust root: {why}"))
                .next("get the file again from its publisher")
        };
        let mut links: Vec<Link> = Vec::new();
        for line in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let version = links.len() as u64 + 1;
            if links.len() >= MAX_VERSIONS || line.len() as u64 > MAX_ENVELOPE {
                return Err(Error::new(ErrorCode::Limit, origin, "more or longer versions than any trust root has"));
            }
            let envelope = Envelope::from_json(line).map_err(|why| bad(version, why))?;
            if envelope.payload_type != ROOT_PAYLOAD_TYPE {
                return Err(bad(version, "its payload is of another type".into()));
            }
            let text = std::str::from_utf8(&envelope.payload).map_err(|e| bad(version, e.to_string()))?;
            let policy = Policy::parse(text, &format!("{origin}, version {version}"), Path::new(""))?;
            if policy.root.as_ref().map(|(v, _)| *v) != Some(version) {
                return Err(bad(version, "it states another version".into()));
            }
            // One spelling, so that the text that an installation remembers has the payload's digest.
            if policy.to_toml()? != text {
                return Err(bad(version, "it is not spelt as cumulate spells it".into()));
            }
            links.push(Link { policy, envelope });
        }
        if links.is_empty() {
            return Err(bad(1, "it is not there".into()));
        }
        Ok(Self { origin: origin.to_owned(), links })
    }

    /// What every version has and lacks, oldest first.
    pub fn versions(&self) -> Vec<RootVersion> {
        let mut out = Vec::new();
        for (at, link) in self.links.iter().enumerate() {
            // The old keys speak first: a successor that only its own keys signed is nobody's.
            let judges = at.checked_sub(1).and_then(|i| self.links.get(i)).into_iter().chain([link]);
            out.push(RootVersion {
                version: link.version(),
                digest: Digest::of(&link.envelope.payload),
                signatures: judges.filter_map(|j| j.judge(&link.envelope)).collect(),
            });
        }
        out
    }

    fn whole(&self) -> Result<()> {
        for v in self.versions() {
            if let Some(s) = v.signatures.iter().find(|s| s.signed_by.len() < s.threshold) {
                return Err(Error::new(
                    ErrorCode::Untrusted,
                    &self.origin,
                    format!(
                        "version {} has {} of {} signatures by the root keys of version {}",
                        v.version,
                        s.signed_by.len(),
                        s.threshold,
                        s.by_version
                    ),
                )
                .next("get the finished file, or have it signed: cumulate trust sign FILE --key KEY"));
            }
        }
        Ok(())
    }

    /// The policy of the last version, once every version is signed by enough keys of itself and of the one before.
    /// Dates play no role: a root must be found out of date by the policy, not stranded on the way to it.
    ///
    /// # Errors
    /// `untrusted`.
    pub fn policy(mut self) -> Result<Policy> {
        self.whole()?;
        let lineage = self.links.iter().map(|l| Digest::of(&l.envelope.payload)).collect();
        let last = self.links.pop().ok_or_else(|| Error::new(ErrorCode::Internal, &self.origin, "no version"))?;
        Ok(Policy { lineage, origin: self.origin, ..last.policy })
    }
}

impl Link {
    fn role(&self) -> Option<&Role> {
        self.policy.root.as_ref().map(|(_, role)| role)
    }

    fn version(&self) -> u64 {
        self.policy.root.as_ref().map_or(0, |(v, _)| *v)
    }

    /// Which of this version's root keys signed that envelope; different keys, however often each did.
    fn judge(&self, envelope: &Envelope) -> Option<RootRole> {
        let role = self.role()?;
        let message = envelope.message();
        let signed: BTreeSet<KeyId> = role
            .keys
            .iter()
            .filter(|id| {
                let hint = id.to_string();
                let key = self.policy.keys.get(id);
                let mine = envelope.signatures.iter().filter(|(k, _)| *k == hint);
                key.is_some_and(|k| mine.into_iter().any(|(_, s)| k.key.verifies(&message, s)))
            })
            .copied()
            .collect();
        let name = |id: &KeyId| self.policy.keys.get(id).map_or_else(|| id.to_string(), |k| k.name.clone());
        Some(RootRole {
            by_version: self.version(),
            threshold: role.threshold,
            signed_by: signed.iter().map(name).collect(),
            can_sign: role.keys.difference(&signed).map(name).collect(),
        })
    }
}

impl Policy {
    /// The version, if this policy is a signed root's.
    pub fn root_version(&self) -> Option<u64> {
        self.root.as_ref().map(|(v, _)| *v)
    }

    /// Whether `next` may take this remembered policy's place: a signed root gives way to its successors alone.
    ///
    /// # Errors
    /// `downgrade` for an older version, `untrusted` for another root or none, `internal`.
    pub fn replaced_by(&self, next: &Policy) -> Result<()> {
        let Some(mine) = self.root_version() else { return Ok(()) };
        let Some(theirs) = next.root_version() else {
            return Err(Error::new(
                ErrorCode::Untrusted,
                &next.origin,
                format!("the installation trusts version {mine} of a signed root, and this is none"),
            )
            .next("leave --policy and --pub out, or give a newer version of that root"));
        };
        if theirs < mine {
            return Err(Error::new(
                ErrorCode::Downgrade,
                &next.origin,
                format!(
                    "version {theirs} of the trust root is older than version {mine}, which the installation knows"
                ),
            )
            .next("get the current file"));
        }
        let known = Digest::of(self.to_toml()?.as_bytes());
        let at = usize::try_from(mine - 1).ok().and_then(|i| next.lineage.get(i));
        if at != Some(&known) {
            return Err(Error::new(
                ErrorCode::Untrusted,
                &next.origin,
                format!("its version {mine} is not the one that the installation knows: it is another root"),
            )
            .next("ask the publisher; a root is replaced only by what its own keys have signed"));
        }
        Ok(())
    }
}
