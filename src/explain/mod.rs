//! Plans and their proofs in plain sentences, as JSON, as graphs. It words what `plan` proved and proves nothing.

mod render;
mod view;
mod why;
mod words;

pub use render::{dot, text};
pub use view::{EdgeView, FixView, HintView, MatrixRow, PairView, PlanView, TrackView};
pub use why::{LinkView, PairParts, PartView, StandView, TouchView, WhyView, why_text};
pub use words::{drop_cause, hint, proof, reason, reason_json, refusal_error, refusal_findings, reject};
