//! The operations on names: each is one system call, or one and its check.

use super::holes::has_holes;
use super::trace::{Trace, own};
use super::writer::{NewFile, folder_of};
use super::{Disk, error};
use crate::report::Result;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

impl Disk {
    /// Renames within one file system; replaces a file or link at `to`.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.run(to, || fs::rename(from, to))?;
        self.note(|| Trace::Rename { from: own(from), to: own(to) });
        Ok(())
    }

    /// Renames, but never over something.
    ///
    /// # Errors
    /// `exists`.
    pub fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        self.run(to, || match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            // File systems without the flag: a link never replaces either.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                fs::hard_link(from, to)?;
                fs::remove_file(from)
            }
            Err(e) => Err(e.into()),
        })?;
        self.note(|| Trace::Rename { from: own(from), to: own(to) });
        Ok(())
    }

    /// A second name for a file or link (links are not followed).
    pub fn hard_link(&self, from: &Path, to: &Path) -> Result<()> {
        self.run(to, || rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty()).map_err(io::Error::from))?;
        self.note(|| Trace::Link { from: own(from), to: own(to) });
        Ok(())
    }

    /// A second file with the same content, mode, modification time, owner and extended attributes (as far as allowed);
    /// a link is copied as a link. `to` must not exist. Durable but for its name.
    pub fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let meta = fs::symlink_metadata(from).map_err(|e| error(from, &e))?;
        if meta.is_symlink() {
            let target = fs::read_link(from).map_err(|e| error(from, &e))?;
            self.run(to, || std::os::unix::fs::symlink(&target, to))?;
            self.note(|| Trace::Symlink { target: target.to_string_lossy().into_owned(), path: own(to) });
            self.keep_owner(to, &meta)?;
            return self.set_mtime(to, meta.mtime(), meta.mtime_nsec());
        }
        let mut old = open_file(from)?;
        let mut new = self.create(to, 0o600)?;
        let mut buffer = vec![0; 1 << 18];
        loop {
            let n = old.read(&mut buffer).map_err(|e| error(from, &e))?;
            if n == 0 {
                break;
            }
            new.put(&buffer[..n])?;
        }
        self.take_after(&new, from, has_holes(&meta))
    }

    /// Gives a new file the owner (as far as this user may), the extended attributes, the mode (its special bits only
    /// under the same owner) and the time of another,
    /// holes if it is to be sparse, and makes it durable but for its name.
    pub fn take_after(&self, new: &NewFile<'_>, like: &Path, sparse: bool) -> Result<()> {
        let meta = fs::symlink_metadata(like).map_err(|e| error(like, &e))?;
        self.run(new.path(), || owner(new.file(), &meta))?;
        self.keep_attributes(new.path(), like)?;
        if sparse {
            new.dig_holes()?;
        }
        let own = new.file().metadata().map_err(|e| error(new.path(), &e))?;
        new.set_mode(mode_like(&own, &meta))?;
        self.set_mtime(new.path(), meta.mtime(), meta.mtime_nsec())?;
        new.sync()
    }

    pub fn unlink(&self, path: &Path) -> Result<()> {
        self.run(path, || fs::remove_file(path))?;
        self.note(|| Trace::Unlink { path: own(path) });
        Ok(())
    }

    /// Creates one folder with exactly this mode.
    ///
    /// # Errors
    /// `exists`.
    pub fn mkdir(&self, path: &Path, mode: u32) -> Result<()> {
        self.run(path, || {
            fs::DirBuilder::new().mode(mode & 0o7777).create(path)?;
            rustix::fs::chmod(path, Mode::from_raw_mode(mode & 0o7777)).map_err(io::Error::from)
        })?;
        self.note(|| Trace::Mkdir { path: own(path), mode });
        Ok(())
    }

    /// Creates a folder and those above it where they are missing.
    pub fn mkdir_all(&self, path: &Path) -> Result<()> {
        let mut missing = Vec::new();
        let mut at = path;
        while !at.as_os_str().is_empty() && !at.is_dir() {
            missing.push(at);
            at = folder_of(at);
        }
        for folder in missing.into_iter().rev() {
            match self.run(folder, || fs::create_dir(folder)) {
                Err(e) if e.code == crate::report::ErrorCode::Exists && folder.is_dir() => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Removes a folder of our own making with everything in it; links in it are not followed.
    pub fn remove_all(&self, path: &Path) -> Result<()> {
        self.run(path, || fs::remove_dir_all(path))
    }

    /// Removes an empty folder.
    pub fn rmdir(&self, path: &Path) -> Result<()> {
        self.run(path, || fs::remove_dir(path))?;
        self.note(|| Trace::Rmdir { path: own(path) });
        Ok(())
    }

    pub fn symlink(&self, target: &str, path: &Path) -> Result<()> {
        self.run(path, || std::os::unix::fs::symlink(target, path))?;
        self.note(|| Trace::Symlink { target: target.to_owned(), path: own(path) });
        Ok(())
    }

    /// Sets the permission bits of a file or folder. Follows links: only for what is known to be none.
    pub fn chmod(&self, path: &Path, mode: u32) -> Result<()> {
        self.run(path, || rustix::fs::chmod(path, Mode::from_raw_mode(mode & 0o7777)).map_err(io::Error::from))?;
        self.note(|| Trace::Mode { path: own(path), mode });
        Ok(())
    }

    /// Gives a file or link the owner and group of `like`, as far as this user may; without the right
    /// to, the owner stays, which is what every installer without root does.
    pub fn keep_owner(&self, path: &Path, like: &fs::Metadata) -> Result<()> {
        self.run(path, || match std::os::unix::fs::lchown(path, Some(like.uid()), Some(like.gid())) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            other => other,
        })
    }

    /// Sets the owner and group of a file, link (not followed) or folder.
    pub fn set_owner(&self, path: &Path, uid: u32, gid: u32) -> Result<()> {
        self.run(path, || std::os::unix::fs::lchown(path, Some(uid), Some(gid)))
    }

    /// Sets the modification time of a file, link (not followed) or folder.
    pub fn set_mtime(&self, path: &Path, seconds: i64, nanoseconds: i64) -> Result<()> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
            last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds },
        };
        self.run(path, || {
            rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from)
        })?;
        self.note(|| Trace::Mtime { path: own(path), seconds, nanoseconds });
        Ok(())
    }

    /// Makes a file's content durable.
    pub fn sync_file(&self, path: &Path) -> Result<()> {
        self.sync(path, || File::open(path))?;
        self.note(|| Trace::SyncFile { path: own(path) });
        Ok(())
    }

    /// Makes the names in a folder durable.
    pub fn sync_folder(&self, path: &Path) -> Result<()> {
        self.sync(path, || File::open(path))?;
        self.note(|| Trace::SyncFolder { path: own(path) });
        Ok(())
    }

    /// Makes everything on the file system of `path` durable: cheaper than syncing very many files.
    pub fn sync_file_system(&self, path: &Path) -> Result<()> {
        self.run(path, || {
            let folder = File::open(path)?;
            #[cfg(target_os = "linux")]
            if !self.is_fleeting() {
                rustix::fs::syncfs(&folder)?;
            }
            drop(folder);
            Ok(())
        })?;
        self.note(|| Trace::SyncAll);
        Ok(())
    }

    /// Whether the file system of `path` is of a kind that has no hard links, or may have none. Nothing but making one
    /// tells for sure, and this is asked before anything is written.
    pub fn may_lack_links(&self, path: &Path) -> Result<bool> {
        let stat = rustix::fs::statfs(path).map_err(|e| error(path, &e.into()))?;
        // The numbers of <linux/magic.h>, in 32 bits whatever the type of the field on this machine.
        Ok(matches!(
            stat.f_type as u32,
            0x4d44 /* FAT */
                | 0x2011_bab0 /* exFAT */
                | 0x6573_5546 /* FUSE */
                | 0xff53_4d42 | 0xfe53_4d42 | 0x517b /* CIFS, SMB 2, SMB */
                | 0x0102_1997 /* 9P */
        ))
    }

    /// Bytes that this user may still write on the file system of `path`.
    pub fn free_space(&self, path: &Path) -> Result<u64> {
        let stat = rustix::fs::statvfs(path).map_err(|e| error(path, &e.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Whether the file system of `path` is mounted read-only.
    pub fn is_read_only(&self, path: &Path) -> Result<bool> {
        let stat = rustix::fs::statvfs(path).map_err(|e| error(path, &e.into()))?;
        Ok(stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
    }
}

/// Opens a file for reading, never through a link and never waiting for a pipe.
pub(super) fn open_file(path: &Path) -> Result<File> {
    rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        .map(File::from)
        .map_err(|e| error(path, &e.into()))
}

/// The mode of a file for one in its place: special bits only for the owner that they were given to.
pub fn mode_like(own: &fs::Metadata, like: &fs::Metadata) -> u32 {
    let special = (own.uid(), own.gid()) == (like.uid(), like.gid());
    like.mode() & if special { 0o7777 } else { 0o777 }
}

fn owner(file: &File, like: &fs::Metadata) -> io::Result<()> {
    match std::os::unix::fs::fchown(file, Some(like.uid()), Some(like.gid())) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}
