//! The signed words: an in-toto Statement v1 about one document.

use crate::tree::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the predicate is; its shape is [`Claim`].
pub const PREDICATE_TYPE: &str = "urn:cumulate:release-signature:1";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// What a signer says about the document: "in this role I stand by this release".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub role: String,
    pub component: String,
    pub version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

/// A [`Claim`] bound to the SHA-256 of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub subject: Digest,
    pub claim: Claim,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct Subject {
    name: String,
    digest: BTreeMap<String, String>,
}

impl Statement {
    /// The payload of an envelope; the same statement has the same bytes.
    pub fn to_payload(&self) -> Vec<u8> {
        let wire = Wire {
            kind: STATEMENT_TYPE.into(),
            subject: vec![Subject {
                name: format!("{} {}", self.claim.component, self.claim.version),
                digest: BTreeMap::from([("sha256".to_owned(), self.subject.hex())]),
            }],
            predicate_type: PREDICATE_TYPE.into(),
            predicate: serde_json::to_value(&self.claim).unwrap_or_default(),
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads a payload whose signature has been verified. Exactly one subject: a statement about
    /// several documents at once is not what any signer of ours makes.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn from_payload(payload: &[u8]) -> Result<Self, String> {
        let wire: Wire = serde_json::from_slice(payload).map_err(|e| format!("not an in-toto statement: {e}"))?;
        if wire.kind != STATEMENT_TYPE {
            return Err("not an in-toto Statement v1".into());
        }
        if wire.predicate_type != PREDICATE_TYPE {
            return Err(format!("its predicate is of another type: {:.80}", wire.predicate_type.escape_debug()));
        }
        let [subject] = wire.subject.as_slice() else { return Err("it has not exactly one subject".into()) };
        let subject = subject
            .digest
            .get("sha256")
            .and_then(|d| Digest::from_hex(d))
            .ok_or("its subject has no SHA-256 of 64 lower-case hex digits")?;
        let claim = serde_json::from_value(wire.predicate).map_err(|e| format!("its predicate cannot be read: {e}"))?;
        Ok(Self { subject, claim })
    }
}
