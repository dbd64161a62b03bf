//! `cumulate status DIR`: what is installed, by which bundle, what drifted, what was interrupted.

use crate::disk::Disk;
use crate::install::{self, Status};
use crate::report::Result;
use std::path::Path;

/// The exit code is [`Status::exit`].
///
/// # Errors
/// As [`install::status`].
pub fn status(dir: &Path) -> Result<Status> {
    install::status(&Disk::real(), dir)
}
