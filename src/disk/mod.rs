//! Every write of the product goes through this room.
//!
//! [`Disk`] is a plain struct that does what the file system does, makes it durable, and counts its
//! operations. It is also the one layer where faults are injected: [`Disk::with_faults`] stops after
//! the n-th operation as a kill would, or lets the n-th operation fail as a full, broken, read-only
//! or forbidden file system would. Other rooms receive `&Disk`. Reading needs no `Disk`.
//!
//! This room decides nothing: what is written where, and in what order, is its callers' business.

mod attributes;
mod fault;
mod held;
mod holes;
mod lock;
mod ops;
mod trace;
mod writer;

pub use attributes::{attributes, is_roots, mode_without_list};
pub use fault::{Fault, FaultPlan};
pub use held::held;
pub use holes::has_holes;
pub use lock::Lock;
pub use ops::mode_like;
pub use trace::Trace;
pub use writer::{AtomicWriter, NewFile, TEMP_PREFIX};

use crate::report::{Error, ErrorCode, Result};
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The layer that every write goes through. Shared by reference, also between threads.
#[derive(Debug, Default)]
pub struct Disk {
    faults: Option<FaultPlan>,
    /// Nothing needs to survive a power cut.
    fleeting: bool,
    trace: Option<Mutex<Vec<Trace>>>,
    done: AtomicU64,
}

impl Disk {
    /// The file system as it is.
    pub fn real() -> Self {
        Self::default()
    }

    /// For scratch copies that are thrown away anyway: nothing is synced, everything else is real.
    pub fn scratch() -> Self {
        Self { fleeting: true, ..Self::default() }
    }

    /// The file system with one fault in it. Writes are split in two, so that stopping between the
    /// halves leaves a torn file.
    pub fn with_faults(plan: FaultPlan) -> Self {
        Self { faults: Some(plan), ..Self::default() }
    }

    /// How many operations have been asked for so far.
    pub fn operations(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    /// Refuses operating systems on which the promises of this room have not been tested.
    ///
    /// # Errors
    /// `unsupported` anywhere but on Linux.
    pub fn check_supported() -> Result<()> {
        if cfg!(target_os = "linux") {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Unsupported, std::env::consts::OS, "installations can be changed on Linux only")
            .next("run the command on Linux"))
    }

    /// One counted operation, or the fault that the plan has for it.
    fn io<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let n = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(plan) = &self.faults {
            plan.check(n)?;
        }
        act()
    }

    fn is_fleeting(&self) -> bool {
        self.fleeting
    }

    /// Makes a file or folder durable.
    fn sync(&self, path: &Path, file: impl FnOnce() -> io::Result<std::fs::File>) -> Result<()> {
        self.run(path, || if self.fleeting { Ok(()) } else { file()?.sync_all() })
    }

    fn run<T>(&self, path: &Path, act: impl FnOnce() -> io::Result<T>) -> Result<T> {
        self.io(act).map_err(|e| error(path, &e))
    }
}

/// The error for a failed operation at `path`: `exists`, `no-space`, `interrupted` (a fault plan's
/// stop), else `io`.
pub fn error(path: &Path, e: &io::Error) -> Error {
    let mut out = Error::io(path.display(), e);
    if fault::is_stop(e) {
        out.code = ErrorCode::Interrupted;
        out.next = "run the same command again".into();
    } else if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        out.code = ErrorCode::NoSpace;
    } else if e.kind() == io::ErrorKind::AlreadyExists {
        out.code = ErrorCode::Exists;
        out.message = "it exists already and is never overwritten".into();
        out.next = "choose another name, or move it away".into();
    } else if let (io::ErrorKind::PermissionDenied, Some(held)) = (e.kind(), held(path)) {
        out.next = held.next;
    }
    out
}

#[cfg(test)]
mod tests;
