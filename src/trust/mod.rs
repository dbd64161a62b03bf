//! Keys, DSSE envelopes with in-toto statements, and policies. Knows nothing of what it signs but a digest.
//!
//! A signature is Ed25519 over the DSSE pre-authentication encoding of an in-toto statement whose
//! subject is the SHA-256 of the signed document and whose predicate ([`Claim`]) says in which
//! *role* the signer speaks, and about which component, version and sequence. One algorithm, one
//! payload type and one predicate type exist, so there is nothing to confuse; the role comes from
//! the signed predicate and never from where an envelope lies. A [`Policy`] says whose signatures
//! count in which role, how many different keys each role needs, and until when.
//!
//! # `trust.toml`
//!
//! ```toml
//! component = "redis"          # optional: releases of other components are refused
//! valid-from = 2026-01-01      # optional: before it the policy is refused
//! expires = 2027-12-31         # optional: a day counts until its end in UTC; or an RFC 3339 time
//!
//! [[key]]
//! file = "alice.pub"           # SubjectPublicKeyInfo PEM, relative to this file; or pem = """…"""
//! name = "alice"               # optional: the file's name without its ending, or the key id
//! roles = ["release"]          # optional: ["release"], unless a role below names the key; or role = "…"
//! expires = 2027-06-30         # optional; also valid-from: outside, this key's signatures do not count
//!
//! [roles.release]              # `release` is always required; other roles are if they stand here
//! threshold = 2                # optional: 1; different keys, however often each one signed
//! keys = ["alice"]             # optional: more keys of this role, by name or key id
//!
//! [roles.vetter]
//! evidence = "test-result"     # optional: "signature"; test results (`cumulate vet`) that cover every base
//! waivers = true               # optional: false; whether a vetter's waiver may stand in for a result
//! ```
//!
//! Every required role must reach its threshold. What cannot work is an error when the policy is
//! read, not a surprise later: the same key twice, a threshold of 0 or above the number of the
//! role's keys, a role that has keys but no `[roles.…]`, unknown words. `--pub P…` is the policy
//! "each of these keys in role `release`, threshold 1": at least one of them must have signed.
//!
//! Times are passed in by the caller; this room reads no clock.

mod attestation;
mod delegation;
mod encrypted;
mod envelope;
mod key;
mod policy;
mod policy_file;
mod root;
mod signer;
mod source;
mod statement;
mod time;
#[cfg(feature = "pkcs11")]
mod token;
mod uri;
mod verify;
mod vetting;
mod weigh;

pub use attestation::{Attestation, AttestationState, CYCLONEDX_TYPE, MAX_ATTESTATION, SLSA_TYPE};
pub use delegation::{DELEGATION_PAYLOAD_TYPE, Delegation};
pub use envelope::{Envelope, MAX_ENVELOPE, MAX_SIGNATURES, PAYLOAD_TYPE};
pub use key::{KeyId, PublicKey, SecretKey};
pub use policy::{Evidence, Policy, RELEASE, Role};
pub use root::{ROOT, ROOT_PAYLOAD_TYPE, RootRole, RootVersion, TrustRoot};
pub use signer::{Signer, SignerSource};
pub use source::{KeySource, Place};
pub use statement::{Claim, PREDICATE_TYPE, Statement};
pub use time::{parse_time, show_time};
pub use uri::TokenUri;
pub use verify::{Judged, Outcome, RoleState, SignatureState, TrustReport, Waiver};
pub use vetting::{Binding, Said, TEST_RESULT_TYPE, TestResult, Vetting, WAIVER_TYPE, Word};

/// The media type of an envelope as a blob of its own.
pub const ENVELOPE_MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";

#[cfg(test)]
mod tests;
