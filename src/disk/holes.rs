//! Holes: blocks of zeros for which a file system takes no room.

use super::error;
use super::writer::NewFile;
use crate::report::Result;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;

/// Holes begin and end at such offsets.
const BLOCK: usize = 4096;

/// Whether a file takes less room than its size, by at least one block.
pub fn has_holes(meta: &Metadata) -> bool {
    meta.is_file() && meta.blocks().saturating_mul(512).saturating_add(BLOCK as u64) <= meta.size()
}

impl NewFile<'_> {
    /// Gives the room of all blocks of zeros back to the file system, if it takes them; the content stays the same.
    ///
    /// # Errors
    /// `io`.
    pub fn dig_holes(&self) -> Result<()> {
        let mut file = File::open(self.path()).map_err(|e| error(self.path(), &e))?;
        let mut buffer = vec![0; 64 * BLOCK];
        let (mut at, mut hole) = (0u64, None::<u64>);
        loop {
            let mut n = 0;
            while n < buffer.len() {
                match file.read(&mut buffer[n..]).map_err(|e| error(self.path(), &e))? {
                    0 => break,
                    more => n += more,
                }
            }
            for block in buffer[..n].chunks(BLOCK) {
                let empty = block.len() == BLOCK && block.iter().all(|b| *b == 0);
                match (empty, hole) {
                    (true, None) => hole = Some(at),
                    (false, Some(from)) => {
                        self.dig(from, at - from)?;
                        hole = None;
                    }
                    _ => {}
                }
                at += block.len() as u64;
            }
            if n < buffer.len() {
                return hole.map_or(Ok(()), |from| self.dig(from, at - from));
            }
        }
    }

    fn dig(&self, from: u64, length: u64) -> Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        self.disk().run(self.path(), || match rustix::fs::fallocate(self.file(), flags, from, length) {
            Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
            Err(e) => Err(e.into()),
        })
    }
}
