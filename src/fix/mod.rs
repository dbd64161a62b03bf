//! Fixes: individual changes with an identity, and reading them from `fixes/`.

mod date;
mod files;
mod header;
mod judge;
mod known;
mod manifest;
mod one;
mod read;
mod realised;
mod resolutions;
mod series;
mod severity;
mod types;
mod variants;

pub use date::{is_day, rfc2822};
pub use files::Files;
pub use judge::alike;
pub use read::{FixSet, ID_RULE, read_fixes, read_fixes_again};
pub use resolutions::Resolution;
pub use severity::WORDS as SEVERITIES;
pub use types::{Change, Fix, FixHook, FixId, FixWhen, Meta, Payload, Severity, Variant};
