//! `cumulate rollback DIR`: back to exactly what was there before the last apply.

use crate::disk::Disk;
use crate::install::{self, RolledBack};
use crate::report::Result;
use std::path::Path;

/// # Errors
/// As [`install::rollback`], or [`install::rollback_setting_aside`].
pub fn rollback(dir: &Path, set_aside: bool) -> Result<RolledBack> {
    let back = if set_aside { install::rollback_setting_aside } else { install::rollback };
    back(&Disk::real(), dir)
}
