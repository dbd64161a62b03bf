//! Plans and their proofs in plain sentences, as JSON, as graphs. It words what `plan` proved and proves nothing.

mod beside;
mod graph;
mod layout;
mod net;
mod page;
mod refused;
mod render;
mod sarif;
mod svg;
mod unsat;
mod view;
mod why;
mod words;

pub use beside::{BesideView, HunksView};
pub use graph::{dot, mermaid, svg};
pub use page::html;
pub use render::text;
pub use sarif::sarif;
pub use unsat::{Because, CoreView, RepairView, member};
pub use view::{
    ClassPart, ClassView, EdgeView, FixView, HintView, MatrixRow, MergeView, PairView, PlanView, TrackView,
};
pub use why::{LinkView, PairParts, PartView, StandView, TouchView, WhyView, why_text};
pub use words::{drop_cause, hint, proof, reason, reason_json, refusal_error, refusal_findings, reject};
