//! Faults on purpose, so that crash tests need neither root nor a real power cut.

use std::io;

/// One fault, placed at the `at`-th operation (the first is 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultPlan {
    pub at: u64,
    pub fault: Fault,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The `at`-th operation is the last one that happens; all later ones fail without effect, as if
    /// the process had been killed.
    Stop,
    /// The `at`-th operation fails with this `errno`, later ones work again.
    Once(i32),
    /// The `at`-th operation and all later ones fail with this `errno`.
    From(i32),
}

impl Fault {
    pub const ENOSPC: i32 = rustix::io::Errno::NOSPC.raw_os_error();
    pub const EIO: i32 = rustix::io::Errno::IO.raw_os_error();
    pub const EACCES: i32 = rustix::io::Errno::ACCESS.raw_os_error();
    pub const EROFS: i32 = rustix::io::Errno::ROFS.raw_os_error();
}

impl FaultPlan {
    /// As if the process were killed after operation `at`; 0 means before the first.
    pub fn stop_after(at: u64) -> Self {
        Self { at, fault: Fault::Stop }
    }

    pub fn fail_once(at: u64, errno: i32) -> Self {
        Self { at, fault: Fault::Once(errno) }
    }

    pub fn fail_from(at: u64, errno: i32) -> Self {
        Self { at, fault: Fault::From(errno) }
    }

    pub(super) fn check(&self, n: u64) -> io::Result<()> {
        match self.fault {
            Fault::Stop if n > self.at => Err(io::Error::other(Stopped)),
            Fault::Once(errno) if n == self.at => Err(io::Error::from_raw_os_error(errno)),
            Fault::From(errno) if n >= self.at => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the run was stopped here by a fault plan")]
struct Stopped;

pub(super) fn is_stop(e: &io::Error) -> bool {
    e.get_ref().is_some_and(|inner| inner.is::<Stopped>())
}
