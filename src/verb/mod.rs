//! One verb, one file: the story of a command in library terms.

mod apply;
#[cfg(feature = "build")]
mod base_add;
#[cfg(feature = "build")]
mod build;
#[cfg(feature = "build")]
mod check;
#[cfg(feature = "build")]
mod delegate;
#[cfg(feature = "build")]
mod delta;
#[cfg(feature = "build")]
mod derived;
#[cfg(feature = "build")]
mod described;
mod doctor;
#[cfg(feature = "build")]
mod export;
#[cfg(feature = "build")]
mod import;
#[cfg(feature = "build")]
mod import_dir;
#[cfg(feature = "build")]
mod init;
#[cfg(feature = "build")]
mod inspect;
#[cfg(feature = "build")]
mod keygen;
#[cfg(feature = "build")]
mod lay;
#[cfg(feature = "build")]
mod merge;
#[cfg(feature = "build")]
mod plan;
#[cfg(feature = "build")]
mod planned;
#[cfg(feature = "build")]
mod prove;
#[cfg(feature = "build")]
mod provenance;
#[cfg(feature = "build")]
mod pull;
#[cfg(feature = "build")]
mod rebuild;
mod rollback;
#[cfg(feature = "build")]
mod sbom;
#[cfg(feature = "build")]
mod selection;
#[cfg(feature = "build")]
mod sign;
mod status;
#[cfg(feature = "build")]
mod target;
#[cfg(feature = "build")]
mod trial;
#[cfg(feature = "build")]
mod trust;
mod verify;
#[cfg(feature = "build")]
mod vet;
#[cfg(feature = "build")]
mod why;

pub use apply::{Belief, apply};
#[cfg(feature = "build")]
pub use base_add::{BaseAdded, NewBase, base_add};
#[cfg(feature = "build")]
pub use build::{Built, BuiltBase, Output, Progress, Request, build};
#[cfg(feature = "build")]
pub use check::{Checked, Gate, check};
#[cfg(feature = "build")]
pub use delegate::{DelegationView, add_envelope, trust_delegate};
#[cfg(feature = "build")]
pub use delta::{DeltaResult, EncodeOptions, decode as delta_decode, encode as delta_encode};
#[cfg(feature = "build")]
pub use derived::bases;
pub use doctor::doctor;
#[cfg(feature = "build")]
pub use export::{Exported, Taker, export};
#[cfg(feature = "build")]
pub use import::{Imported, import_git, import_quilt};
#[cfg(feature = "build")]
pub use import_dir::{ImportedTree, import_dir};
#[cfg(feature = "build")]
pub use init::{Initialised, init};
#[cfg(feature = "build")]
pub use inspect::{BaseView, Inspect, Kind, PathView, inspect, write_envelopes};
#[cfg(feature = "build")]
pub use keygen::{Keygen, keygen, keygen_encrypted};
#[cfg(feature = "build")]
pub use merge::{MergedSources, merge_sources};
#[cfg(feature = "build")]
pub use plan::plan_view;
#[cfg(feature = "build")]
pub use planned::{PlannedTrack, planned, release_for_plan};
#[cfg(feature = "build")]
pub use prove::prove;
#[cfg(feature = "build")]
pub use pull::{Gone, Pull, PulledBase, Rebuilt, pull, pulled};
#[cfg(feature = "build")]
pub use rebuild::{BuiltAgain, Section, rebuild};
pub use rollback::rollback;
#[cfg(feature = "build")]
pub use sbom::sbom;
#[cfg(feature = "build")]
pub use selection::{Pick, Selection};
#[cfg(feature = "build")]
pub use sign::{Signed, attach, emit, sign};
pub use status::status;
#[cfg(feature = "build")]
pub use trial::{Compared, Trial};
#[cfg(feature = "build")]
pub use trust::{RootView, TrustFile, TrustStatus, trust_init, trust_rotate, trust_show, trust_sign, trust_status};
pub use verify::{BaseState, Proof, Step, VerifyReport, verify};
#[cfg(feature = "build")]
pub use vet::{Runs, Vetted, VettedBase, Vetter, carry, vet, waive};
#[cfg(feature = "build")]
pub use why::{Explanation, explanation};
