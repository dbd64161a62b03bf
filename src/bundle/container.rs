//! Where blobs come from: a `.cup` file or a layout folder. Nothing leaves here unhashed, but for
//! [`Container::read_at`], whose callers check what they make of the bytes.

use super::tar::{self, Entries};
use super::{BlobRef, limits};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Hasher};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Container {
    /// For messages.
    pub(super) name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File(File, Entries),
    Layout(PathBuf),
}

/// One blob, held open.
pub(super) struct Reader<'a> {
    container: &'a Container,
    blob: BlobRef,
    file: File,
    at: u64,
}

impl Reader<'_> {
    pub(super) fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.blob.size);
        let Some(length) = usize::try_from(length).ok().filter(|_| inside) else {
            return Err(self.container.bad(format!("bytes beyond the end of the blob {}", self.blob.digest)));
        };
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, self.at + offset).map_err(|e| Error::io(&self.container.name, &e))?;
        Ok(bytes)
    }
}

impl Container {
    /// Opens a file whose headers and padding are canonical, or a folder.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let meta = std::fs::metadata(path).map_err(|e| Error::io(&name, &e))?;
        if meta.is_dir() {
            return Ok(Self { name, kind: Kind::Layout(path.to_path_buf()) });
        }
        if !meta.is_file() {
            return Err(Error::new(ErrorCode::BadBundle, name, "neither a file nor a folder").next("check the path"));
        }
        let file = File::open(path).map_err(|e| Error::io(&name, &e))?;
        let length = file.metadata().map_err(|e| Error::io(&name, &e))?.len();
        let entries = tar::scan(&file, length, &name)?;
        Ok(Self { name, kind: Kind::File(file, entries) })
    }

    /// The blobs of a file with their sizes; a folder may hold any others beside ours.
    pub(super) fn entries(&self) -> Option<impl Iterator<Item = (Digest, u64)> + '_> {
        match &self.kind {
            Kind::File(_, entries) => Some(entries.blobs.iter().map(|(d, (_, size))| (*d, *size))),
            Kind::Layout(_) => None,
        }
    }

    /// The folder, if it is one.
    pub(super) fn folder(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Layout(dir) => Some(dir),
            Kind::File(..) => None,
        }
    }

    /// `oci-layout` and `index.json`.
    pub(super) fn top(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        match &self.kind {
            Kind::File(file, entries) => {
                let get = |(at, size): (u64, u64), max| self.exactly(file, at, size, max);
                Ok((get(entries.layout, limits::LAYOUT)?, get(entries.index, limits::INDEX)?))
            }
            Kind::Layout(dir) => {
                let get = |name: &str, max| {
                    let (file, size) = self.regular(&dir.join(name))?;
                    self.exactly(&file, 0, size, max)
                };
                Ok((get("oci-layout", limits::LAYOUT)?, get("index.json", limits::INDEX)?))
            }
        }
    }

    /// A blob of at most `max` bytes, of the stated size and digest.
    ///
    /// # Errors
    /// `limit`, `bad-bundle`, `io`.
    pub(super) fn small(&self, blob: &BlobRef, max: u64, what: &str) -> Result<Vec<u8>> {
        if blob.size > max {
            return Err(Error::new(
                ErrorCode::Limit,
                &self.name,
                format!("{what} has {} bytes, {max} are allowed", blob.size),
            )
            .next("do not use this bundle"));
        }
        let (file, at) = self.find(blob)?;
        let bytes = self.exactly(&file, at, blob.size, max)?;
        if Digest::of(&bytes) != blob.digest {
            return Err(self.bad(format!("{what} does not have the digest {}", blob.digest)));
        }
        Ok(bytes)
    }

    /// Hands a blob over piece by piece; an error after the last piece says that it is not what
    /// its digest says.
    pub(super) fn stream(&self, blob: &BlobRef, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let (file, mut at) = self.find(blob)?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 1 << 17];
        let mut left = blob.size;
        while left > 0 {
            let piece = &mut buffer[..left.min(1 << 17) as usize];
            file.read_exact_at(piece, at).map_err(|e| Error::io(&self.name, &e))?;
            hasher.update(piece);
            sink(piece)?;
            at += piece.len() as u64;
            left -= piece.len() as u64;
        }
        if hasher.finish() != blob.digest {
            return Err(self.bad(format!("the blob {} does not have that digest", blob.digest)));
        }
        Ok(())
    }

    /// Some bytes of a blob whose whole was checked before.
    pub(super) fn read_at(&self, blob: &BlobRef, offset: u64, length: u64) -> Result<Vec<u8>> {
        self.reader(blob)?.read(offset, length)
    }

    /// A blob for many small reads.
    pub(super) fn reader(&self, blob: &BlobRef) -> Result<Reader<'_>> {
        let (file, at) = self.find(blob)?;
        Ok(Reader { container: self, blob: *blob, file, at })
    }

    /// The file that a blob stands in and where; its size is as stated.
    fn find(&self, blob: &BlobRef) -> Result<(File, u64)> {
        let (file, at, size) = match &self.kind {
            Kind::File(file, entries) => {
                let Some((at, size)) = entries.blobs.get(&blob.digest) else { return Err(self.lacks(blob)) };
                (file.try_clone().map_err(|e| Error::io(&self.name, &e))?, *at, *size)
            }
            Kind::Layout(dir) => {
                let path = dir.join(tar::blob_name(&blob.digest));
                if !path.exists() {
                    return Err(self.lacks(blob));
                }
                let (file, size) = self.regular(&path)?;
                (file, 0, size)
            }
        };
        if size != blob.size {
            return Err(self.bad(format!("the blob {} has {size} bytes, {} are stated", blob.digest, blob.size)));
        }
        Ok((file, at))
    }

    /// A regular file, neither through a link nor a pipe that would never end.
    fn regular(&self, path: &Path) -> Result<(File, u64)> {
        use rustix::fs::OFlags;
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let file = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path).map_err(|e| {
            let error = Error::io(path.display(), &e);
            let known = [std::io::ErrorKind::NotFound, std::io::ErrorKind::NotADirectory];
            if known.contains(&e.kind()) || e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
                return Error { code: ErrorCode::BadBundle, ..error }.next("give a .cup file or an OCI layout folder");
            }
            error
        })?;
        let meta = file.metadata().map_err(|e| Error::io(path.display(), &e))?;
        if !meta.is_file() {
            return Err(self.bad(format!("{} is not a regular file", path.display())));
        }
        Ok((file, meta.len()))
    }

    fn exactly(&self, file: &File, at: u64, size: u64, max: u64) -> Result<Vec<u8>> {
        if size > max {
            return Err(Error::new(ErrorCode::Limit, &self.name, format!("{size} bytes where {max} are allowed"))
                .next("do not use this bundle"));
        }
        let mut bytes = vec![0; size as usize];
        file.read_exact_at(&mut bytes, at).map_err(|e| Error::io(&self.name, &e))?;
        Ok(bytes)
    }

    fn lacks(&self, blob: &BlobRef) -> Error {
        self.bad(format!("the blob {} is missing", blob.digest))
    }

    pub(super) fn bad(&self, why: impl std::fmt::Display) -> Error {
        Error::new(ErrorCode::BadBundle, &self.name, why).next("fetch the bundle again from where it was released")
    }
}
