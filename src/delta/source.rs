//! Bytes that are read by position, so that nobody has to hold all of them.

use super::DeltaError;
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Reads exactly as many bytes as the buffer holds, from a position on.
type Read<'a> = dyn Fn(u64, &mut [u8]) -> io::Result<()> + Sync + 'a;

/// A file, or what stands for one, of a known size.
pub struct Source<'a> {
    size: u64,
    side: Side,
    read: Box<Read<'a>>,
    /// All bytes, where they are in memory anyway.
    held: Option<&'a [u8]>,
}

/// Which of the files of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Old,
    New,
    Delta,
}

/// Why files cannot be coded or decoded piece by piece.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    #[error(transparent)]
    Delta(#[from] DeltaError),
    /// One of the files cannot be read or written.
    #[error("{1}")]
    Io(Side, #[source] io::Error),
}

/// Takes the next bytes of the result.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), PassError> + 'a;

/// Takes the next bytes of the result, or all of them.
pub type Out<'a> = dyn FnMut(Cow<'_, [u8]>) -> Result<(), PassError> + 'a;

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} bytes", self.side, self.size)
    }
}

impl<'a> Source<'a> {
    pub fn new(side: Side, size: u64, read: impl Fn(u64, &mut [u8]) -> io::Result<()> + Sync + 'a) -> Self {
        Self { size, side, read: Box::new(read), held: None }
    }

    pub fn bytes(side: Side, bytes: &'a [u8]) -> Self {
        let source = Self::new(side, bytes.len() as u64, move |at, out| {
            let from = usize::try_from(at).ok().and_then(|at| bytes.get(at..)?.get(..out.len()));
            out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        });
        Self { held: Some(bytes), ..source }
    }

    /// A file that is read where it is needed; it must not change meanwhile.
    pub fn file(side: Side, file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self::new(side, size, move |at, out| file.read_exact_at(out, at)))
    }

    pub(super) fn held(&self) -> Option<&'a [u8]> {
        self.held
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn read(&self, at: u64, out: &mut [u8]) -> Result<(), PassError> {
        (self.read)(at, out).map_err(|e| PassError::Io(self.side, e))
    }

    /// Appends `len` bytes, which the caller has bounded.
    pub(super) fn append(&self, at: u64, len: u64, out: &mut Vec<u8>) -> Result<(), PassError> {
        let over = || DeltaError::OverLimit { needed: len, allowed: 0 };
        let len = usize::try_from(len).map_err(|_| over())?;
        out.try_reserve_exact(len).map_err(|_| over())?;
        let from = out.len();
        out.resize(from + len, 0);
        self.read(at, &mut out[from..])
    }

    /// All bytes in order, piece by piece.
    pub(super) fn pass(&self, mut each: impl FnMut(&[u8]) -> Result<(), PassError>) -> Result<(), PassError> {
        let mut buffer = Vec::new();
        let mut at = 0;
        while at < self.size {
            buffer.clear();
            self.append(at, PIECE.min(self.size - at), &mut buffer)?;
            each(&buffer)?;
            at += buffer.len() as u64;
        }
        Ok(())
    }
}

/// Bytes that are read or written at once.
pub(super) const PIECE: u64 = 1 << 18;
