//! DSSE envelopes, version 1: <https://github.com/secure-systems-lab/dsse>.

use super::{KeyId, SecretKey, Signer};
use crate::report;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The one payload type: an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// Longest envelope in bytes, as stored.
pub const MAX_ENVELOPE: u64 = 64 << 10;
/// Most signatures in one envelope.
pub const MAX_SIGNATURES: usize = 16;

/// A payload with signatures over its type and bytes. Nothing in it is trusted before a signature
/// verifies; the key ids are hints that choose which key is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub payload_type: String,
    pub payload: Vec<u8>,
    /// Key id hint as written, and the signature's bytes.
    pub signatures: Vec<(String, Vec<u8>)>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
struct WireSignature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

impl Envelope {
    /// Signs a payload with one key that is in memory.
    pub fn sign(payload: Vec<u8>, key: &SecretKey) -> Self {
        let signature = key.sign(&pae(PAYLOAD_TYPE, &payload)).to_vec();
        Self { payload_type: PAYLOAD_TYPE.into(), payload, signatures: vec![(key.id().to_string(), signature)] }
    }

    /// Adds a signature unless this key has signed already, and keeps them in the order of the key ids.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn add_signature(&mut self, signer: &Signer) -> report::Result<bool> {
        let id = signer.id();
        if self.claims(id) {
            return Ok(false);
        }
        let signature = signer.sign(&self.message())?.to_vec();
        self.signatures.push((id.to_string(), signature));
        self.signatures.sort();
        Ok(true)
    }

    /// An envelope of one signature.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn signed_by(payload: Vec<u8>, signer: &Signer) -> report::Result<Self> {
        let mut envelope = Self::unsigned(payload);
        envelope.add_signature(signer)?;
        Ok(envelope)
    }

    /// An envelope that waits for its signature.
    pub fn unsigned(payload: Vec<u8>) -> Self {
        Self { payload_type: PAYLOAD_TYPE.into(), payload, signatures: Vec::new() }
    }

    /// The JSON as it is stored; the same envelope has the same bytes.
    pub fn to_json(&self) -> Vec<u8> {
        let wire = Wire {
            payload_type: self.payload_type.clone(),
            payload: STANDARD.encode(&self.payload),
            signatures: self
                .signatures
                .iter()
                .map(|(keyid, sig)| WireSignature { keyid: keyid.clone(), sig: STANDARD.encode(sig) })
                .collect(),
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads an envelope of at most [`MAX_ENVELOPE`] bytes.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        Self::from_json_within(bytes, MAX_ENVELOPE)
    }

    /// The same for an envelope of at most `max` bytes.
    pub(super) fn from_json_within(bytes: &[u8], max: u64) -> Result<Self, String> {
        if bytes.len() as u64 > max {
            return Err(format!("longer than {max} bytes"));
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(|e| format!("not a DSSE envelope: {e}"))?;
        if wire.signatures.len() > MAX_SIGNATURES {
            return Err(format!("more than {MAX_SIGNATURES} signatures in one envelope"));
        }
        let decode =
            |what: &str, text: &str| STANDARD.decode(text).map_err(|e| format!("the {what} is not base64: {e}"));
        let payload = decode("payload", &wire.payload)?;
        let signatures = wire
            .signatures
            .into_iter()
            .map(|s| Ok((s.keyid, decode("signature", &s.sig)?)))
            .collect::<Result<_, String>>()?;
        Ok(Self { payload_type: wire.payload_type, payload, signatures })
    }

    /// The bytes that are signed.
    pub fn message(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }

    /// The key ids that the envelope claims.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|(id, _)| id.as_str())
    }

    /// Whether one of the signatures claims to be of this key.
    pub fn claims(&self, id: KeyId) -> bool {
        let id = id.to_string();
        self.key_ids().any(|k| k == id)
    }
}

/// Pre-authentication encoding: every part is preceded by its length, so that no byte can move
/// from the type into the payload.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}
