//! Fixes: individual changes with an identity, and reading them from `fixes/`.

mod types;

pub use types::{Change, Fix, FixId, Meta, Payload, Severity, Variant};
