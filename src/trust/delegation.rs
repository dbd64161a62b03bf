//! Delegations: enough keys of a role let one more key speak in it until a day, for a holiday.

use super::policy::{Evidence, PolicyKey, Span};
use super::root::ROOT;
use super::time::{parse_time, show_time};
use super::{Envelope, KeyId, Policy, PublicKey, Signer};
use crate::report::{Error, ErrorCode, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Another type than statements have, so that no signature of the one is one of the other.
pub const DELEGATION_PAYLOAD_TYPE: &str = "application/vnd.cumulate.delegation.v1+json";

/// Whoever signs roots decides who signs the next, so that nobody stands in for them.
const NOBODY_DELEGATES_ROOT: &str = "nobody can delegate the role 'root'";

/// A role of a component that a key may speak in for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    pub role: String,
    pub component: String,
    /// Who holds the key, for people.
    pub name: String,
    pub key: PublicKey,
    /// Seconds since 1970, included; there is none without an end.
    pub expires: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    role: String,
    component: String,
    name: String,
    key: String,
    expires: String,
}

impl Delegation {
    /// An envelope that waits for the signatures of the role's keys.
    pub fn envelope(&self) -> Envelope {
        let wire = Wire {
            role: self.role.clone(),
            component: self.component.clone(),
            name: self.name.clone(),
            key: self.key.to_pem(),
            expires: show_time(self.expires),
        };
        let payload = serde_json::to_vec(&wire).unwrap_or_default();
        Envelope { payload_type: DELEGATION_PAYLOAD_TYPE.into(), payload, signatures: Vec::new() }
    }

    /// What an envelope delegates, whoever signed it; `None` if it is an envelope of another type.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(envelope: &Envelope) -> Option<Result<Self, String>> {
        (envelope.payload_type == DELEGATION_PAYLOAD_TYPE).then(|| {
            let wire: Wire =
                serde_json::from_slice(&envelope.payload).map_err(|e| format!("the delegation cannot be read: {e}"))?;
            let key = PublicKey::from_pem(&wire.key, "the delegate's key").map_err(|e| e.message)?;
            let expires = parse_time(&wire.expires).ok_or("its end is no time such as 2027-12-31T23:59:59Z")?;
            Ok(Self { role: wire.role, component: wire.component, name: wire.name, key, expires })
        })
    }

    /// What no signature can make count.
    ///
    /// # Errors
    /// `usage` for the role of roots.
    pub fn possible(&self) -> Result<()> {
        if self.role != ROOT {
            return Ok(());
        }
        let next = "give the key the role in a next version: cumulate trust rotate FILE --policy new.toml --key KEY";
        Err(Error::new(ErrorCode::Usage, ROOT, NOBODY_DELEGATES_ROOT).next(next))
    }

    /// Signs it with one more key; `false` if this key has signed it already.
    ///
    /// # Errors
    /// `config` for an envelope that is no delegation.
    pub fn sign(envelope: &mut Envelope, key: &Signer) -> Result<bool> {
        if envelope.payload_type != DELEGATION_PAYLOAD_TYPE {
            return Err(Error::new(ErrorCode::Config, "the file", "it is no delegation")
                .next("make one: cumulate trust delegate"));
        }
        envelope.add_signature(key)
    }
}

impl Policy {
    /// Names of this role's own keys that have signed the envelope and count at this time. Delegates are
    /// not among them: who stands in for another names nobody further.
    pub fn signers(&self, role: &str, envelope: &Envelope, now: u64) -> BTreeSet<&str> {
        let message = envelope.message();
        let ids = self.roles.get(role).into_iter().flat_map(|r| &r.keys);
        let keys = ids.filter_map(|id| Some((id.to_string(), self.keys.get(id)?)));
        let current = keys.filter(|(_, k)| k.span.outside(now).is_none());
        current
            .filter(|(id, k)| envelope.signatures.iter().any(|(hint, s)| hint == id && k.key.verifies(&message, s)))
            .map(|(_, k)| k.name.as_str())
            .collect()
    }

    /// Why a delegation gives its key nothing.
    pub(super) fn void(&self, d: &Delegation, envelope: &Envelope, component: &str, now: u64) -> Option<String> {
        if d.role == ROOT {
            return Some(NOBODY_DELEGATES_ROOT.into());
        }
        let Some(role) = self.roles.get(&d.role) else {
            return Some(format!("the policy has no role '{:.80}'", d.role.escape_debug()));
        };
        if d.component != component {
            return Some("the delegation is for another component".into());
        }
        if self.revoked.contains(&d.key.id()) {
            return Some("the delegate's key was revoked".into());
        }
        if let Some(known) = self.keys.get(&d.key.id()) {
            return Some(format!("the delegate's key is the policy's own key '{}'", known.name));
        }
        if let Some(why) = (Span { from: None, to: Some(d.expires) }).outside(now) {
            return Some(format!("the delegation {why}"));
        }
        let signed = self.signers(&d.role, envelope, now).len();
        (signed < role.threshold)
            .then(|| format!("{signed} of {} keys of the role signed the delegation", role.threshold))
    }

    /// The policy with the delegates among these envelopes. One key stands in for one role alone: the first, and
    /// a key cannot both sign and vet through two delegations.
    pub(super) fn with_delegates<'a>(
        &self,
        envelopes: impl Iterator<Item = &'a Envelope>,
        component: &str,
        now: u64,
    ) -> Policy {
        let mut wider = self.clone();
        for envelope in envelopes {
            let Some(Ok(d)) = Delegation::read(envelope) else { continue };
            if self.void(&d, envelope, component, now).is_some() {
                continue;
            }
            let id: KeyId = d.key.id();
            let elsewhere = wider.roles.iter().any(|(name, r)| *name != d.role && r.keys.contains(&id));
            if elsewhere {
                continue;
            }
            // Other names than the policy's, so that no delegate passes for somebody else in a report.
            let name = format!("{} (delegate until {})", d.name, show_time(d.expires));
            let span = Span { from: None, to: Some(d.expires) };
            let keys: &mut BTreeMap<KeyId, PolicyKey> = &mut wider.keys;
            keys.insert(id, PolicyKey { name: unused(keys, name), key: d.key, span });
            if let Some(role) = wider.roles.get_mut(&d.role) {
                role.keys.insert(id);
            }
        }
        wider
    }

    /// Whether a role is filled by test results instead of signatures.
    pub fn wants_tests(&self, role: &str) -> bool {
        self.roles.get(role).is_some_and(|r| r.evidence == Evidence::TestResult)
    }
}

/// Keys are counted by their names, so two delegates of one name must not become one.
fn unused(keys: &BTreeMap<KeyId, PolicyKey>, name: String) -> String {
    let mut free = name.clone();
    let mut n = 1;
    while keys.values().any(|k| k.name == free) {
        n += 1;
        free = format!("{name} {n}");
    }
    free
}
