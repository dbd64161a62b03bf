//! `cumulate rollback DIR`: back to exactly what was there before the last apply.

use crate::disk::Disk;
use crate::install::{self, RolledBack};
use crate::report::Result;
use std::path::Path;

/// # Errors
/// As [`install::rollback`].
pub fn rollback(dir: &Path) -> Result<RolledBack> {
    install::rollback(&Disk::real(), dir)
}
