//! What a file system says of a file without reading it: while nothing of that changes, the content did not either.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds between a file's last change and the moment that it is read, below which its stamp proves nothing: a second
/// change within the same tick of the file system's clock leaves no trace. The coarsest ticks are of two seconds (FAT).
const TICK: i128 = 2_000_000_000;

/// Size, times, place and mode of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub size: u64,
    mtime: i128,
    ctime: i128,
    inode: u64,
    device: u64,
    mode: u32,
}

impl Stamp {
    /// Bytes of a written stamp.
    pub const LENGTH: usize = 60;

    pub fn of(meta: &Metadata) -> Self {
        let nanos = |s: i64, n: i64| i128::from(s) * 1_000_000_000 + i128::from(n);
        Self {
            size: meta.size(),
            mtime: nanos(meta.mtime(), meta.mtime_nsec()),
            ctime: nanos(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
            device: meta.dev(),
            mode: meta.mode(),
        }
    }

    /// Whether the file was left alone for so long before `now` that a change since then shows in its stamp.
    pub fn settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        i128::try_from(now).is_ok_and(|now| self.mtime.max(self.ctime) < now - TICK)
    }

    /// Whether size and time of the last writing are the same: all that may not change while a file is read.
    pub(super) fn unwritten(&self, other: &Self) -> bool {
        (self.size, self.mtime) == (other.size, other.mtime)
    }

    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut out = [0; Self::LENGTH];
        let (size, rest) = out.split_at_mut(8);
        size.copy_from_slice(&self.size.to_le_bytes());
        let (mtime, rest) = rest.split_at_mut(16);
        mtime.copy_from_slice(&self.mtime.to_le_bytes());
        let (ctime, rest) = rest.split_at_mut(16);
        ctime.copy_from_slice(&self.ctime.to_le_bytes());
        let (inode, rest) = rest.split_at_mut(8);
        inode.copy_from_slice(&self.inode.to_le_bytes());
        let (device, mode) = rest.split_at_mut(8);
        device.copy_from_slice(&self.device.to_le_bytes());
        mode.copy_from_slice(&self.mode.to_le_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_file_that_was_just_written_is_not_settled_and_one_of_long_ago_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "one").unwrap();
        let stamp = Stamp::of(&file.metadata().unwrap());
        let now = SystemTime::now();
        assert!(!stamp.settled(now));
        assert!(!stamp.settled(UNIX_EPOCH), "a clock that was set back");
        assert!(stamp.settled(now + Duration::from_secs(3)));
        // Its time of writing may be turned back; the time of the last change of anything cannot.
        let times = std::fs::FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(1));
        std::fs::File::options().write(true).open(&file).unwrap().set_times(times).unwrap();
        let turned = Stamp::of(&file.metadata().unwrap());
        assert!(!turned.settled(now));
        assert_ne!(turned.to_bytes(), stamp.to_bytes());
    }
}
