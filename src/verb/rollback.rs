//! `cumulate rollback DIR`: back to exactly what was there before the last apply.

use crate::disk::Disk;
use crate::install::{self, RollbackOptions, RolledBack};
use crate::report::Result;
use std::path::Path;

/// # Errors
/// As [`install::rollback_with`].
pub fn rollback(dir: &Path, options: &RollbackOptions) -> Result<RolledBack> {
    install::rollback_with(&Disk::real(), dir, options)
}
