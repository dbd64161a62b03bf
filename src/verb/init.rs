//! `init`: a commented configuration and an empty folder for fixes.

use crate::disk::Disk;
use crate::report::{Error, ErrorCode, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};

const TEMPLATE: &str = include_str!("init.toml");

/// What was written.
#[derive(Debug, Serialize)]
pub struct Initialised {
    pub config: PathBuf,
    pub fixes: PathBuf,
}

/// Writes `cumulate.toml` and `fixes/` into `dir`, which is made if it is not there.
///
/// # Errors
/// `exists` if the configuration is there already, and nothing is changed; fixes that lie there are kept.
pub fn init(disk: &Disk, dir: &Path) -> Result<Initialised> {
    let config = dir.join("cumulate.toml");
    let fixes = dir.join("fixes");
    if config.symlink_metadata().is_ok() {
        return Err(Error::new(ErrorCode::Exists, config.display(), "it is there already and is never overwritten")
            .next("edit it, or choose another folder"));
    }
    disk.mkdir_all(&fixes)?;
    disk.create_new(&config, TEMPLATE.as_bytes(), 0o644)?;
    Ok(Initialised { config, fixes })
}
