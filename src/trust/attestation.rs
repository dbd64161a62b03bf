//! Attestations: in-toto statements of any predicate about one document, for other people's tools. No policy of ours
//! counts them; it only says whose they are.

use super::statement::{Resource, Wire};
use super::{Envelope, PAYLOAD_TYPE, Policy};
use crate::tree::Digest;
use serde::Serialize;

/// <https://slsa.dev/spec/v1.0/provenance>
pub const SLSA_TYPE: &str = "https://slsa.dev/provenance/v1";
/// <https://github.com/in-toto/attestation/blob/main/spec/predicates/cyclonedx.md>
pub const CYCLONEDX_TYPE: &str = "https://cyclonedx.org/bom";
/// Longest attestation in bytes, as stored.
pub const MAX_ATTESTATION: u64 = 1 << 20;

/// A statement about one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Attestation {
    pub subject: Digest,
    pub predicate_type: String,
    pub predicate: serde_json::Value,
}

/// What a policy can say about one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttestationState {
    pub envelope: Digest,
    pub predicate_type: String,
    /// The key of the policy that signed it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Why nothing should be concluded from it; empty if it is about this document, by a key of the policy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Attestation {
    /// The payload of an envelope; the same content has the same bytes. `name` is for people.
    pub fn to_payload(&self, name: String) -> Vec<u8> {
        Wire::payload(Resource::new(name, self.subject), &self.predicate_type, &self.predicate)
    }

    /// Reads what an envelope of at most [`MAX_ATTESTATION`] bytes says; nothing of it is verified.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(bytes: &[u8]) -> Result<(Envelope, Self), String> {
        let envelope = Envelope::from_json_within(bytes, MAX_ATTESTATION)?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err("its payload is of another type".into());
        }
        let (subject, wire) = Wire::read(&envelope.payload)?;
        Ok((envelope, Self { subject, predicate_type: wire.predicate_type, predicate: wire.predicate }))
    }
}

impl Policy {
    /// Whose an attestation is, and whether it is about the document `subject` at all.
    pub fn attested(&self, bytes: &[u8], subject: Digest, now: u64) -> AttestationState {
        let (by, predicate_type, reason) = match Attestation::read(bytes) {
            Err(why) => (String::new(), String::new(), why),
            Ok((envelope, said)) => {
                let message = envelope.message();
                let mine = envelope.signatures.iter().find_map(|(hint, s)| {
                    let (_, key) = self.keys.iter().find(|(id, _)| id.to_string() == *hint)?;
                    key.key.verifies(&message, s).then_some(key)
                });
                let outside = mine.and_then(|k| k.span.outside(now));
                let reason = match (mine, outside) {
                    (None, _) => "no key of the policy signed it".into(),
                    (_, Some(why)) => format!("the key {why}"),
                    _ if said.subject != subject => "it is about another root manifest".into(),
                    _ => String::new(),
                };
                (mine.map_or(String::new(), |k| k.name.clone()), said.predicate_type, reason)
            }
        };
        AttestationState { envelope: Digest::of(bytes), predicate_type, by, reason }
    }
}
