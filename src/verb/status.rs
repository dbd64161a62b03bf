//! `cumulate status DIR`: what is installed, by which bundle, what drifted, what was interrupted.

use crate::disk::Disk;
use crate::install::{self, Status};
use crate::report::Result;
use crate::trust::Policy;
use std::path::Path;

/// The exit code is [`Status::exit`].
///
/// # Errors
/// As [`install::status`].
pub fn status(dir: &Path) -> Result<Status> {
    let mut status = install::status(&Disk::real(), dir)?;
    if let (Some(text), Some(installed)) = (install::memory(dir)?.trust, &status.installed) {
        let known = Policy::parse(&text, "what is remembered", Path::new(""))?;
        status.revoked = known.revokes(&installed.bundle);
    }
    Ok(status)
}
