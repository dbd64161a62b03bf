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

/// A statement about one subject with whatever predicate; the same content has the same bytes.
#[derive(Serialize, Deserialize)]
pub(super) struct Wire<P> {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Resource>,
    #[serde(rename = "predicateType")]
    pub(super) predicate_type: String,
    pub(super) predicate: P,
}

/// in-toto's ResourceDescriptor, as far as it is used here.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Resource {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    digest: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, serde_json::Value>,
}

impl Resource {
    pub(super) fn new(name: String, digest: Digest) -> Self {
        Self { name, digest: BTreeMap::from([("sha256".to_owned(), digest.hex())]), annotations: BTreeMap::new() }
    }

    pub(super) fn sha256(&self) -> Result<Digest, String> {
        let digest = self.digest.get("sha256").and_then(|d| Digest::from_hex(d));
        digest.ok_or_else(|| format!("'{:.80}' has no SHA-256 of 64 lower-case hex digits", self.name.escape_debug()))
    }
}

impl<P: Serialize> Wire<P> {
    pub(super) fn payload(subject: Resource, predicate_type: &str, predicate: P) -> Vec<u8> {
        let (kind, predicate_type) = (STATEMENT_TYPE.into(), predicate_type.to_owned());
        serde_json::to_vec(&Self { kind, subject: vec![subject], predicate_type, predicate }).unwrap_or_default()
    }
}

impl Wire<serde_json::Value> {
    /// Reads a payload whose signature has been verified. Exactly one subject: a statement about
    /// several documents at once is not what any signer of ours makes.
    pub(super) fn read(payload: &[u8]) -> Result<(Digest, Self), String> {
        let wire: Self = serde_json::from_slice(payload).map_err(|e| format!("not an in-toto statement: {e}"))?;
        if wire.kind != STATEMENT_TYPE {
            return Err("not an in-toto Statement v1".into());
        }
        let [subject] = wire.subject.as_slice() else { return Err("it has not exactly one subject".into()) };
        Ok((subject.sha256()?, wire))
    }

    pub(super) fn predicate<P: serde::de::DeserializeOwned>(self) -> Result<P, String> {
        serde_json::from_value(self.predicate).map_err(|e| format!("its predicate cannot be read: {e}"))
    }

    pub(super) fn other(&self) -> String {
        format!("its predicate is of another type: {:.80}", self.predicate_type.escape_debug())
    }
}

impl Statement {
    /// The payload of an envelope; the same statement has the same bytes.
    pub fn to_payload(&self) -> Vec<u8> {
        let name = format!("{} {}", self.claim.component, self.claim.version);
        Wire::payload(Resource::new(name, self.subject), PREDICATE_TYPE, &self.claim)
    }
}
