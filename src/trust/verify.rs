//! Envelopes against a policy: which signatures count, and whether they are enough.

use super::policy::PolicyKey;
use super::{Claim, Envelope, KeyId, Policy, Statement};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What became of one signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It counts towards its role.
    Counted,
    /// No key of the policy has this id.
    UnknownKey,
    /// The bytes are not this key's signature of this payload.
    BadSignature,
    /// The payload type, statement or predicate is another one, or about another document or release.
    OtherStatement,
    /// The key may not speak in this role.
    WrongRole,
    /// The key has expired or is not valid yet.
    Expired,
    /// The envelope cannot be read.
    Unreadable,
}

/// One signature as the policy sees it. `role` is known only once the signature has verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureState {
    pub envelope: Digest,
    pub key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub role: String,
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// One required role: how many different keys signed in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleState {
    pub role: String,
    pub threshold: usize,
    /// Names of the keys that count, sorted.
    pub signed_by: Vec<String>,
}

/// Everything that was found out, enough or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TrustReport {
    pub signatures: Vec<SignatureState>,
    pub roles: Vec<RoleState>,
}

impl Policy {
    /// Verifies that the document with digest `subject`, whose content says of itself what `says`
    /// holds (the role there is ignored), is signed as this policy demands at time `now` (seconds
    /// since 1970).
    ///
    /// # Errors
    /// `expired` for the policy itself, or if expired keys are what is missing; `unsigned` without
    /// any signature; `untrusted` for another component, and for too few signatures that count.
    pub fn verify(&self, subject: Digest, says: &Claim, envelopes: &[&[u8]], now: u64) -> Result<TrustReport> {
        self.hopeless(subject, says, now)?;
        let report = self.look(subject, says, envelopes, now);
        self.judge(&report)?;
        Ok(report)
    }

    /// What no signature can mend.
    ///
    /// # Errors
    /// `expired` for the policy itself; `untrusted` for another component and for a revoked bundle.
    pub fn hopeless(&self, subject: Digest, says: &Claim, now: u64) -> Result<()> {
        if let Some(why) = self.span.outside(now) {
            return Err(Error::new(ErrorCode::Expired, &self.origin, format!("the policy is {why}"))
                .next("get the current trust file; check this machine's clock if the date looks wrong"));
        }
        if let Some(mine) = self.component.as_ref().filter(|c| **c != says.component) {
            return Err(Error::new(
                ErrorCode::Untrusted,
                &says.component,
                format!("the policy is for the component '{mine}'"),
            )
            .next("use the policy of this component"));
        }
        if self.revoked_bundles.contains(&subject) {
            return Err(Error::new(ErrorCode::Untrusted, subject, "this very bundle was revoked, whoever signed it")
                .next("get a newer one"));
        }
        Ok(())
    }

    /// What every signature is worth, without judging whether they are enough.
    pub fn look(&self, subject: Digest, says: &Claim, envelopes: &[&[u8]], now: u64) -> TrustReport {
        let mut signatures = Vec::new();
        for bytes in envelopes {
            self.look_at(Digest::of(bytes), bytes, subject, says, now, &mut signatures);
        }
        let mut counted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for s in signatures.iter().filter(|s| s.outcome == Outcome::Counted) {
            counted.entry(&s.role).or_default().insert(&s.name);
        }
        let roles = self
            .roles
            .iter()
            .map(|(name, role)| RoleState {
                role: name.clone(),
                threshold: role.threshold,
                signed_by: counted.get(name.as_str()).into_iter().flatten().map(|s| (*s).to_owned()).collect(),
            })
            .collect();
        TrustReport { signatures, roles }
    }

    fn look_at(
        &self,
        id: Digest,
        bytes: &[u8],
        subject: Digest,
        says: &Claim,
        now: u64,
        out: &mut Vec<SignatureState>,
    ) {
        let state = |key: String, name: &str, role: &str, (outcome, reason): (Outcome, String)| SignatureState {
            envelope: id,
            key,
            name: name.to_owned(),
            role: role.to_owned(),
            outcome,
            reason,
        };
        let envelope = match Envelope::from_json(bytes) {
            Ok(e) => e,
            Err(why) => return out.push(state(String::new(), "", "", (Outcome::Unreadable, why))),
        };
        let message = envelope.message();
        for (hint, signature) in &envelope.signatures {
            let shown: String = hint.chars().filter(|c| !c.is_control()).take(128).collect();
            let Some((key_id, key)) = self.keys.iter().find(|(k, _)| k.to_string() == *hint) else {
                let revoked = self.revoked.iter().any(|id| id.to_string() == *hint);
                let why = if revoked { "the key was revoked" } else { "no key of the policy has this id" };
                out.push(state(shown, "", "", (Outcome::UnknownKey, why.into())));
                continue;
            };
            if !key.key.verifies(&message, signature) {
                let why = "the signature is not this key's over this payload".to_owned();
                out.push(state(shown, &key.name, "", (Outcome::BadSignature, why)));
                continue;
            }
            let (role, verdict) = self.weigh(&envelope, *key_id, key, subject, says, now);
            out.push(state(shown, &key.name, &role, verdict));
        }
    }

    /// A signature that has verified: its role, and whether it says what is needed.
    fn weigh(
        &self,
        envelope: &Envelope,
        id: KeyId,
        key: &PolicyKey,
        subject: Digest,
        says: &Claim,
        now: u64,
    ) -> (String, (Outcome, String)) {
        let other = |why: String| (Outcome::OtherStatement, why);
        if envelope.payload_type != super::PAYLOAD_TYPE {
            return (String::new(), other("the payload is of another type".into()));
        }
        let statement = match Statement::from_payload(&envelope.payload) {
            Ok(s) => s,
            Err(why) => return (String::new(), other(why)),
        };
        let claim = &statement.claim;
        let role = claim.role.clone();
        let verdict = if statement.subject != subject {
            other(format!("it is about another root manifest, {}", statement.subject))
        } else if (&claim.component, &claim.version, claim.sequence) != (&says.component, &says.version, says.sequence)
        {
            other("it states another component, version or sequence than the root manifest".into())
        } else if !self.roles.get(&role).is_some_and(|r| r.keys.contains(&id)) {
            (
                Outcome::WrongRole,
                format!("the policy does not let '{}' sign as '{:.80}'", key.name, role.escape_debug()),
            )
        } else if let Some(why) = key.span.outside(now) {
            (Outcome::Expired, format!("the key is {why}"))
        } else {
            (Outcome::Counted, String::new())
        };
        (role, verdict)
    }

    fn judge(&self, report: &TrustReport) -> Result<()> {
        if report.signatures.is_empty() {
            return Err(Error::new(ErrorCode::Unsigned, "bundle", "it carries no signature")
                .next("get the signed one, or have it signed: cumulate sign FILE --key KEY --role release"));
        }
        let short: Vec<&RoleState> = report.roles.iter().filter(|r| r.signed_by.len() < r.threshold).collect();
        if short.is_empty() {
            return Ok(());
        }
        let mut why: Vec<String> = short
            .iter()
            .map(|r| format!("role '{}' has {} of {} signatures", r.role, r.signed_by.len(), r.threshold))
            .collect();
        for s in report.signatures.iter().filter(|s| s.outcome != Outcome::Counted) {
            let who = if s.name.is_empty() { s.key.get(..16).unwrap_or(&s.key) } else { &s.name };
            why.push(format!("not counted, by {}: {}", if who.is_empty() { "nobody" } else { who }, s.reason));
        }
        let would_do = short.iter().all(|r| {
            let expired = report.signatures.iter().filter(|s| s.role == r.role && s.outcome == Outcome::Expired);
            let names: BTreeSet<&str> =
                expired.map(|s| s.name.as_str()).chain(r.signed_by.iter().map(String::as_str)).collect();
            names.len() >= r.threshold
        });
        let code = if would_do { ErrorCode::Expired } else { ErrorCode::Untrusted };
        Err(Error::new(code, &self.origin, why.join("; "))
            .next("get a bundle that enough of the trusted keys have signed"))
    }
}
