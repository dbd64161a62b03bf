//! `cumulate doctor FILE.cup DIR`: why no base matches, and what mending costs.

use super::Belief;
use super::apply::believed;
use crate::disk::Disk;
use crate::install::{self, Diagnosis, Release};
use crate::report::Result;
use std::path::Path;

/// # Errors
/// As believing in [`super::apply`], then as [`install::doctor`].
pub fn doctor(file: &Path, dir: &Path, belief: &Belief, intact: Option<&Path>) -> Result<Diagnosis> {
    let (bundle, _) = believed(file, dir, belief)?;
    install::doctor(&Disk::real(), dir, &Release::of(&bundle)?, intact)
}
