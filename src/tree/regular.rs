//! Opens files of a release, and nothing that only looks like one: who opens a pipe waits for its other end.

use crate::report::{Error, ErrorCode, Result};
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Opens a regular file, or a link to one, for reading. It never waits.
///
/// # Errors
/// `bad-source` for pipes, sockets, devices and folders; `io`.
pub fn open_regular(path: &Path) -> Result<File> {
    let io = |e: std::io::Error| Error::io(path.display(), &e);
    let other = || {
        Error::new(ErrorCode::BadSource, path.display(), "neither a file nor a symbolic link to one")
            .next("remove the device, pipe, socket or folder, or put the file there")
    };
    // A device may do something when it is opened, and a socket cannot be.
    if !path.metadata().map_err(io)?.is_file() {
        return Err(other());
    }
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_file() { Ok(file) } else { Err(other()) }
}

/// All of such a file.
///
/// # Errors
/// As [`open_regular`].
pub fn read_regular(path: &Path) -> Result<Vec<u8>> {
    let mut file = open_regular(path)?;
    let size = file.metadata().map_or(0, |m| m.len());
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1).min(1 << 20));
    file.read_to_end(&mut bytes).map_err(|e| Error::io(path.display(), &e))?;
    Ok(bytes)
}
