//! Files written piece by piece: new ones, and ones that appear whole or not at all.

use super::trace::{Trace, own};
use super::{Disk, error};
use crate::report::Result;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the names of unfinished atomic files begin.
pub const TEMP_PREFIX: &str = ".cumulate-tmp-";

/// A file that did not exist before. Not durable before [`NewFile::sync`]. Writes are not buffered.
#[derive(Debug)]
pub struct NewFile<'a> {
    disk: &'a Disk,
    file: File,
    path: PathBuf,
    /// Bytes written, and how many of those the system was let begin to write out.
    written: u64,
    begun: u64,
}

/// Bytes of a file after which the system is let begin to write them out, so that less is left when it is synced.
const PIECE: u64 = 2 << 20;

impl Disk {
    /// Creates a file that must not exist (never through a link), open for writing. `mode` is set
    /// exactly, whatever the umask.
    ///
    /// # Errors
    /// `exists`, `no-space`, `io`.
    pub fn create(&self, path: &Path, mode: u32) -> Result<NewFile<'_>> {
        let file = self.run(path, || {
            let file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o7777).open(path)?;
            file.set_permissions(std::fs::Permissions::from_mode(mode & 0o7777))?;
            Ok(file)
        })?;
        self.note(|| Trace::Create { path: own(path), mode });
        Ok(NewFile { disk: self, file, path: path.to_path_buf(), written: 0, begun: 0 })
    }

    /// Creates a whole new file, durable with its name.
    ///
    /// # Errors
    /// `exists` if there is something of that name already, which stays as it is.
    pub fn create_new(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        let mut writer = self.atomic(path, mode)?;
        writer.put(bytes)?;
        writer.commit_new()
    }

    /// Replaces a file, or creates it: after a crash there is the old one or the new one, whole.
    pub fn write_atomic(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        let mut writer = self.atomic(path, mode)?;
        writer.put(bytes)?;
        writer.commit()
    }

    /// Starts a file that appears under `path` only when it is committed. Until then it lies beside
    /// it under a name of its own, and goes away when the writer is dropped.
    pub fn atomic(&self, path: &Path, mode: u32) -> Result<AtomicWriter<'_>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = folder_of(path);
        loop {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let temp = folder.join(format!("{TEMP_PREFIX}{}-{n}", std::process::id()));
            match self.create(&temp, mode) {
                Ok(new) => {
                    return Ok(AtomicWriter { new, folder: folder.to_path_buf(), to: path.to_path_buf(), done: false });
                }
                // Left behind by a process of the same number that was killed.
                Err(e) if e.code == crate::report::ErrorCode::Exists => {}
                // The temporary name tells nobody anything.
                Err(mut e) => {
                    e.subject = path.display().to_string();
                    return Err(e);
                }
            }
        }
    }
}

/// The folder that a path's name stands in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

impl NewFile<'_> {
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|e| error(&self.path, &e))
    }

    pub fn set_mode(&self, mode: u32) -> Result<()> {
        self.disk.run(&self.path, || self.file.set_permissions(std::fs::Permissions::from_mode(mode & 0o7777)))?;
        self.disk.note(|| Trace::Mode { path: own(&self.path), mode });
        Ok(())
    }

    /// Lets the system begin to write the content out, without waiting for it.
    pub fn begin(&mut self) {
        // It is advice: whoever needs to know asks with `sync`. Only of what is new, since what is written out already
        // would have to be read from the disk afterwards.
        #[cfg(target_os = "linux")]
        if !self.disk.is_fleeting() {
            let length = std::num::NonZeroU64::new(self.written - self.begun);
            let _ = rustix::fs::fadvise(&self.file, self.begun, length, rustix::fs::Advice::DontNeed);
        }
        self.begun = self.written;
    }

    /// Makes the content durable (the name is durable after [`Disk::sync_folder`]).
    pub fn sync(&self) -> Result<()> {
        self.disk.sync(&self.path, || self.file.try_clone())?;
        self.disk.note(|| Trace::SyncFile { path: own(&self.path) });
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn disk(&self) -> &Disk {
        self.disk
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

impl Write for NewFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Under a fault plan a write is two operations, so that it can be torn.
        let n = if self.disk.faults.is_some() { bytes.len().div_ceil(2) } else { bytes.len() };
        let file = &mut self.file;
        let n = self.disk.io(|| file.write(&bytes[..n]))?;
        self.disk.note(|| Trace::Write { path: own(&self.path), bytes: bytes[..n].to_vec() });
        self.written += n as u64;
        if self.written - self.begun >= PIECE {
            self.begin();
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// See [`Disk::atomic`].
#[derive(Debug)]
pub struct AtomicWriter<'a> {
    new: NewFile<'a>,
    folder: PathBuf,
    to: PathBuf,
    done: bool,
}

impl AtomicWriter<'_> {
    /// Where the bytes lie until they are committed.
    pub fn path(&self) -> &Path {
        &self.new.path
    }

    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.new.put(bytes)
    }

    /// Makes the content durable and puts it in its place, over whatever file was there.
    pub fn commit(self) -> Result<()> {
        let (disk, folder) = (self.new.disk, self.folder.clone());
        self.place()?;
        disk.sync_folder(&folder)
    }

    /// The same, but its name is durable only after [`Disk::sync_folder`].
    pub fn place(mut self) -> Result<()> {
        self.new.sync()?;
        self.new.disk.rename(&self.new.path, &self.to)?;
        self.done = true;
        Ok(())
    }

    /// As [`AtomicWriter::commit`], but never over something that is there.
    ///
    /// # Errors
    /// `exists`.
    pub fn commit_new(mut self) -> Result<()> {
        self.new.sync()?;
        self.new.disk.rename_new(&self.new.path, &self.to)?;
        self.done = true;
        self.new.disk.sync_folder(&self.folder)
    }
}

impl Write for AtomicWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.new.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for AtomicWriter<'_> {
    fn drop(&mut self) {
        if !self.done {
            // Nobody can be told any more; a leftover is harmless and has a telling name.
            let _ = self.new.disk.unlink(&self.new.path);
        }
    }
}
