//! Installations: recognise the base, check, stage, commit through the journal, roll back, resume.
//!
//! All state lies in `DIR/.cumulate/` (format 1; `docs/installation-state.md` has the fields):
//!
//! | file | what | lives |
//! |---|---|---|
//! | `installed` | number of the current generation; the policy that is trusted; highest sequence seen | always after the first apply |
//! | `journal` | what is under way: staging, applying or restoring which generation | only during a run, or after an interrupted one |
//! | `releases/N.record` | generation N: which bundle on which base, fixes, every operation with what was there before and after, folders as they were | as long as one can roll back to before it |
//! | `releases/N.listing` | the target's listing, so that drift is seen without the bundle | the same |
//! | `backup/N/I` | the old file of operation I: a hard link, or a copy where there are none; of files that were replaced in place, what the new one lacks of it | the same |
//! | `pristine/N/D` | a config file as generation N ships it, D its digest: what a merge starts from | the same |
//! | `stage/I` | the new file of operation I, complete and checked | only during a run |
//!
//! Every record is one line `cumulate-state 1 sha256:…` and JSON with that digest, written atomically.
//! The lock is a `flock` on DIR itself, so even the first run on it writes nothing before it is alone.
//!
//! **Order of an apply**: look, recognise, plan, preflight (nothing written so far); journal `staging`;
//! stage files, and meanwhile back up, record and listing; look again; journal `applying`; rename, unlink, mkdir,
//! rmdir; fsync folders; look again; `installed`; journal removed. Whatever is interrupted before
//! `applying` is thrown away; after it, `apply` finishes and `rollback` undoes it. A rollback that is
//! interrupted is finished by either, and `apply` then applies anew.
//!
//! **Rollback** goes one generation back each time, as far as the first apply. It renames the old
//! files (the very same inodes) into their places, so contents, modes, owners, attributes and times are
//! what they were; times and modes of folders are set back too. Trust and sequences are never rolled back.

mod ahead;
mod apply;
mod carry_out;
mod commit;
mod complete;
mod config;
mod contents;
mod doctor;
mod early;
mod forgotten;
mod from_bundle;
mod hooks;
mod in_place;
mod in_use;
mod kept;
mod known;
mod mend;
mod names;
mod order;
mod own;
mod owners;
mod planning;
mod preflight;
mod read_back;
mod recognise;
mod record;
mod release;
mod resume;
mod reverse;
mod rollback;
mod scan;
mod stage;
mod state;
mod status;
mod steps;
mod succession;

pub use apply::{Applied, Options, Outcome, StepDone, apply};
pub use doctor::{Diagnosis, Health, doctor};
pub use in_use::{Files, InUse};
pub use mend::{Ailment, Mending, TARGET};
pub use preflight::space_of;
pub use recognise::{AllowDrift, Difference};
pub use record::remember_trust;
pub use release::{Decode, Release, Route};
pub use resume::Resumed;
pub use rollback::{Release as ReleaseName, RollbackOptions, RolledBack, Undone, rollback, rollback_with};
pub use state::{Doing, Memory};
pub use status::{Condition, Status, memory, status, under_way};
pub use steps::EditedConfig;
