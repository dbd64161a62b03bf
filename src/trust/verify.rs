//! Envelopes against a policy: which signatures count, and whether they are enough.

use super::policy::{Evidence, Role};
use super::time::show_time;
use super::{Binding, Claim, Envelope, Policy};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a policy judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// SHA-256 of the signed document.
    pub subject: Digest,
    /// What its content says of itself; the role there is ignored.
    pub says: Claim,
    /// What every base at hand becomes, by its name.
    pub routes: BTreeMap<String, Binding>,
    /// Seconds since 1970, included, after which it is out of date.
    pub best_before: Option<u64>,
}

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
    /// Tests that did not pass, or a waiver that has expired or that the policy does not take.
    NotPassed,
    /// It gives another key the right to speak, and counts towards nothing itself.
    Delegates,
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
    /// Bases that a test result or waiver covers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<String>,
    /// What it waives, if it is a waiver that its key did sign, whether it counts or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
}

/// A waiver for bases of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiver {
    /// Who answers for it.
    pub owner: String,
    pub reason: String,
    /// The last moment at which it counts.
    pub expires: String,
    pub bases: Vec<String>,
}

/// One required role: how many different keys signed in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleState {
    pub role: String,
    pub threshold: usize,
    /// How many different keys count; for test results on the base that has the fewest.
    pub have: usize,
    /// Names of the keys that count, sorted.
    pub signed_by: Vec<String>,
    /// Bases that too few have vetted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Names of keys that can still fill the role, if it is not filled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub can_sign: Vec<String>,
}

impl RoleState {
    pub fn filled(&self) -> bool {
        self.have >= self.threshold
    }
}

/// Everything that was found out, enough or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TrustReport {
    pub signatures: Vec<SignatureState>,
    pub roles: Vec<RoleState>,
}

impl Policy {
    /// Verifies that the document is signed as this policy demands at time `now` (seconds since 1970); `file` is where
    /// it lies, for messages.
    ///
    /// # Errors
    /// `expired` for the policy itself, or if expired keys are what is missing; `unsigned` without
    /// any signature; `untrusted` for another component, and for too few signatures that count.
    pub fn verify(&self, file: &str, judged: &Judged, envelopes: &[&[u8]], now: u64) -> Result<TrustReport> {
        self.hopeless(judged, now)?;
        let report = self.look(judged, envelopes, now);
        self.judge(file, &report)?;
        Ok(report)
    }

    /// What no signature can mend.
    ///
    /// # Errors
    /// `expired` for the policy itself and after best-before; `untrusted` for another component and a revoked bundle.
    pub fn hopeless(&self, judged: &Judged, now: u64) -> Result<()> {
        if let Some(why) = self.span.outside(now) {
            return Err(Error::new(ErrorCode::Expired, &self.origin, format!("the policy {why}"))
                .next("get the current trust file; check this machine's clock if the date looks wrong"));
        }
        let Judged { subject, says, best_before, .. } = judged;
        if let Some(mine) = self.component.as_ref().filter(|c| **c != says.component) {
            return Err(Error::new(
                ErrorCode::Untrusted,
                &says.component,
                format!("the policy is for the component '{mine}'"),
            )
            .next("use the policy of this component"));
        }
        if let Some(end) = best_before.filter(|end| now > *end) {
            let why = format!("the release was best before {}: newer ones may be kept from you", show_time(end));
            return Err(Error::new(ErrorCode::Expired, &says.version, why).next(
                "get the current bundle; check this machine's clock if the date looks wrong; apply takes --allow-stale",
            ));
        }
        if self.revoked_bundles.contains(subject) {
            return Err(Error::new(ErrorCode::Untrusted, subject, "this very bundle was revoked, whoever signed it")
                .next("get a newer one"));
        }
        Ok(())
    }

    /// Whether it says that a bundle, by the digest of its root manifest, is not to be used any more.
    pub fn revokes(&self, bundle: &Digest) -> bool {
        self.revoked_bundles.contains(bundle)
    }

    /// What every signature is worth, without judging whether they are enough.
    pub fn look(&self, judged: &Judged, envelopes: &[&[u8]], now: u64) -> TrustReport {
        let mut signatures = Vec::new();
        let mut read = Vec::new();
        for bytes in envelopes {
            let id = Digest::of(bytes);
            match Envelope::from_json(bytes) {
                Ok(envelope) => read.push((id, envelope)),
                Err(why) => signatures.push(SignatureState {
                    envelope: id,
                    key: String::new(),
                    name: String::new(),
                    role: String::new(),
                    outcome: Outcome::Unreadable,
                    reason: why,
                    covers: Vec::new(),
                    waiver: None,
                }),
            }
        }
        let wider = self.with_delegates(read.iter().map(|(_, e)| e), &judged.says.component, now);
        for (id, envelope) in &read {
            self.weigh_all(&wider, *id, envelope, judged, now, &mut signatures);
        }
        let roles = wider.roles.iter().map(|(name, role)| wider.fill(name, role, judged, &signatures, now)).collect();
        TrustReport { signatures, roles }
    }

    /// How far one role is filled: by different keys, for a role of test results on each base on its own.
    fn fill(&self, name: &str, role: &Role, judged: &Judged, all: &[SignatureState], now: u64) -> RoleState {
        let counted = || all.iter().filter(|s| s.outcome == Outcome::Counted && s.role == name);
        let by: BTreeSet<&str> = counted().map(|s| s.name.as_str()).collect();
        let mut missing = Vec::new();
        let mut have = by.len();
        if role.evidence == Evidence::TestResult {
            for base in judged.routes.keys() {
                let vetted: BTreeSet<&str> =
                    counted().filter(|s| s.covers.contains(base)).map(|s| s.name.as_str()).collect();
                have = have.min(vetted.len());
                if vetted.len() < role.threshold {
                    missing.push(base.clone());
                }
            }
        }
        let spent = |key: &str| {
            let covers = |base: &String| counted().any(|s| s.name == key && s.covers.contains(base));
            by.contains(key) && missing.iter().all(covers)
        };
        let can_sign = match have < role.threshold {
            true => self.speakers(name, now).into_iter().filter(|k| !spent(k)).map(str::to_owned).collect(),
            false => Vec::new(),
        };
        RoleState {
            role: name.to_owned(),
            threshold: role.threshold,
            have,
            signed_by: by.into_iter().map(str::to_owned).collect(),
            missing,
            can_sign,
        }
    }

    /// Whether the signatures that were looked at are enough, and why not.
    ///
    /// # Errors
    /// `unsigned`; `expired` where keys that have expired are all that is missing; `untrusted`.
    pub fn judge(&self, file: &str, report: &TrustReport) -> Result<()> {
        if report.signatures.is_empty() {
            return Err(Error::new(ErrorCode::Unsigned, file, "it carries no signature").next(format!(
                "get one with the signatures wanted by {}, or have it signed: cumulate sign {file} --key KEY --role release",
                self.origin
            )));
        }
        let short: Vec<&RoleState> = report.roles.iter().filter(|r| !r.filled()).collect();
        if short.is_empty() {
            return Ok(());
        }
        let mut why: Vec<String> = short
            .iter()
            .map(|r| match r.missing.as_slice() {
                [] => format!("role '{}' has {} of {} signatures", r.role, r.have, r.threshold),
                bases => {
                    let bases = bases.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
                    format!("role '{}' has {} of {} test results (bases {bases})", r.role, r.have, r.threshold)
                }
            })
            .collect();
        let idle = |s: &&SignatureState| !matches!(s.outcome, Outcome::Counted | Outcome::Delegates);
        for s in report.signatures.iter().filter(idle) {
            let who = if s.name.is_empty() { s.key.get(..16).unwrap_or(&s.key) } else { &s.name };
            why.push(format!("not counted, by {}: {}", if who.is_empty() { "nobody" } else { who }, s.reason));
        }
        // Whether the keys that have expired are all that is missing, on every base.
        let would_do = short.iter().all(|r| {
            let enough = |base: Option<&String>| {
                let valid = |s: &&SignatureState| matches!(s.outcome, Outcome::Counted | Outcome::Expired);
                let here = report.signatures.iter().filter(|s| s.role == r.role && valid(s));
                let here = here.filter(|s| base.is_none_or(|b| s.covers.contains(b)));
                here.map(|s| s.name.as_str()).collect::<BTreeSet<_>>().len() >= r.threshold
            };
            if r.missing.is_empty() { enough(None) } else { r.missing.iter().all(|b| enough(Some(b))) }
        });
        let wanted = format!("get one with the signatures wanted by {}", self.origin);
        Err(match would_do {
            true => Error::new(ErrorCode::Expired, file, why.join("; "))
                .next(format!("{wanted}; check this machine's clock if the dates look wrong")),
            false => Error::new(ErrorCode::Untrusted, file, why.join("; ")).next(wanted),
        })
    }
}
