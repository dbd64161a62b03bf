//! Reads a folder or an archive into a tree and its contents.

use super::listing::{Kind, list};
use super::{Digest, Entry, Hasher, Stamp, Store, Tree, archive, seen};
use crate::report::{Error, ErrorCode, Result};
use rayon::prelude::*;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// A tree with the contents of its files.
#[derive(Debug, Clone, Default)]
pub struct Source {
    pub tree: Tree,
    pub store: Store,
}

/// How a source is read.
#[derive(Debug, Clone, Copy)]
pub struct SourceOptions<'a> {
    /// Leading names to drop from every path of an archive. `None` drops one if the whole
    /// archive stands in a single folder whose name has `version` in it (`redis-7.2.0/`).
    pub strip: Option<u32>,
    pub version: Option<&'a str>,
    /// Most bytes that an archive may unpack to.
    pub max_bytes: u64,
    /// Most entries.
    pub max_entries: u64,
}

impl Default for SourceOptions<'_> {
    fn default() -> Self {
        Self { strip: None, version: None, max_bytes: 16 << 30, max_entries: 4_000_000 }
    }
}

/// Reads a folder, `.tar`, `.tar.gz`, `.tgz`, `.tar.xz`, `.tar.zst` or `.zip`.
///
/// # Errors
/// `bad-path` for a name that is not UTF-8 or not representable, `bad-source` for devices,
/// sockets and damaged archives, `limit` beyond the options' bounds, `source-changed` for a
/// file that changes while it is read, `io` otherwise.
pub fn read_source(path: &Path, options: &SourceOptions<'_>) -> Result<Source> {
    Ok(read_source_again(path, options, &[])?.0)
}

/// The same, where an earlier run gave `before`: files of a folder that nobody touched since are not read for their
/// digest. Returns what the next run should be given, where that is something else.
///
/// # Errors
/// As [`read_source`].
pub fn read_source_again(path: &Path, options: &SourceOptions<'_>, before: &[u8]) -> Result<(Source, Option<Vec<u8>>)> {
    let meta = fs::metadata(path).map_err(|e| Error::io(path.display(), &e))?;
    if meta.is_dir() {
        return read_folder(path, before);
    }
    let source = archive::read(path, options)?;
    if let Some(p) = source.tree.file_and_folder() {
        return Err(Error::new(
            ErrorCode::BadSource,
            path.display(),
            format!("'{p}' lies below a file or link of the same tree"),
        ));
    }
    Ok((source, None))
}

fn read_folder(root: &Path, before: &[u8]) -> Result<(Source, Option<Vec<u8>>)> {
    let now = SystemTime::now();
    let found = list(root)?;
    let mut known = seen::known(before).peekable();
    // By place: what is known of a file that nobody touched.
    let unread: Vec<Option<Digest>> = found
        .iter()
        .map(|f| {
            while known.next_if(|k| k.path < f.path.as_str()).is_some() {}
            let known = known.next_if(|k| k.path == f.path.as_str())?;
            if let Kind::File { stamp, .. } = &f.kind { known.digest(stamp) } else { None }
        })
        .collect();
    let stamp = |k: usize| if let Kind::File { stamp, .. } = &found[k].kind { Some(stamp) } else { None };
    let to_read: Vec<(usize, &Stamp)> =
        (0..found.len()).filter(|k| unread[*k].is_none()).filter_map(|k| Some((k, stamp(k)?))).collect();
    let read = to_read.par_iter().map(|(k, stamp)| hash_file(&found[*k].path.under(root), stamp));
    let read: Vec<Result<Digest>> = read.collect();
    let to_read: Vec<usize> = to_read.iter().map(|(k, _)| *k).collect();
    let mut digests = unread;
    // One after the other, so that of several faults the same one is told each time.
    for (k, digest) in to_read.iter().zip(read) {
        digests[*k] = Some(digest?);
    }
    let count = found.len();
    let mut store = Store::with_room_for(count);
    let mut list = Vec::with_capacity(before.len());
    let mut to_read = to_read.into_iter().peekable();
    let root: Arc<Path> = root.into();
    let entries = found.into_iter().zip(digests).enumerate().map(|(k, (f, digest))| {
        let was_read = to_read.next_if_eq(&k).is_some();
        let entry = match (f.kind, digest) {
            (Kind::Done(entry), _) => entry,
            (Kind::File { exec, stamp }, Some(digest)) => {
                store.put_file(digest, &root, &f.path, stamp.size);
                if !was_read || stamp.settled(now) {
                    seen::note(&mut list, f.path.as_str(), stamp, &digest);
                }
                Entry::File { digest, size: stamp.size, exec }
            }
            (Kind::File { .. }, None) => return Err(Error::new(ErrorCode::Internal, &f.path, "it was not read")),
        };
        Ok((f.path, entry))
    });
    // With room for all of them: what is collected into a map grows step by step, and is copied with each.
    let mut all = Vec::with_capacity(count);
    for entry in entries {
        all.push(entry?);
    }
    let tree = Tree { entries: all.into_iter().collect() };
    Ok((Source { tree, store }, (list != before).then_some(list)))
}

/// Hashes a file and notices if it changes meanwhile.
fn hash_file(path: &Path, before: &Stamp) -> Result<Digest> {
    let io = |e: std::io::Error| Error::io(path.display(), &e);
    let mut file = super::regular::open_regular(path)?;
    let mut hasher = Hasher::new();
    let size = before.size;
    // One more than the file has: a small one is read, and known to be at its end, with one call.
    let mut buffer = vec![0; usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1).min(1 << 16)];
    let mut total = 0u64;
    loop {
        let n = file.read(&mut buffer).map_err(io)?;
        total += n as u64;
        hasher.update(&buffer[..n]);
        if n == 0 || total == size && n < buffer.len() {
            break;
        }
    }
    let after = file.metadata().map_err(io)?;
    if total != size || !Stamp::of(&after).unwritten(before) {
        return Err(Error::new(ErrorCode::SourceChanged, path.display(), "the file changed while it was read")
            .next("wait until nothing writes to the folder, then run the command again"));
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The one file of a folder, as it is read with what was remembered; and what is remembered now.
    fn read(dir: &Path, before: &[u8]) -> (Digest, Option<Vec<u8>>) {
        let (source, after) = read_source_again(dir, &SourceOptions::default(), before).unwrap();
        (source.tree.entries.values().next().and_then(Entry::digest).unwrap(), after)
    }

    #[test]
    fn a_file_that_nobody_touched_is_not_read_again_and_one_that_was_just_written_is_not_relied_on() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, "one").unwrap();
        let one = Digest::of(b"one");
        assert_eq!(read(dir.path(), &[]), (one, None), "what was written a moment ago is not remembered");
        std::thread::sleep(Duration::from_millis(2_100));
        let (digest, list) = read(dir.path(), &[]);
        let list = list.unwrap();
        assert_eq!((digest, list.len()), (one, 2 + 1 + Stamp::LENGTH + 32));
        assert_eq!(read(dir.path(), &list), (one, None), "nothing is new");
        // That nothing is read shows where something else is remembered.
        let mut other = list.clone();
        let at = other.len() - 32;
        other[at..].copy_from_slice(&Digest::of(b"two").0);
        assert_eq!(read(dir.path(), &other).0, Digest::of(b"two"));
        // One bit of the stamp, and the file is read.
        for byte in 3..at {
            let mut stamped = other.clone();
            stamped[byte] ^= 1;
            assert_eq!(read(dir.path(), &stamped), (one, Some(list.clone())), "byte {byte}");
        }
        for cut in 0..list.len() {
            assert_eq!(read(dir.path(), &other[..cut]), (one, Some(list.clone())), "cut at {cut}");
        }
        let mut two = list.clone();
        two.extend_from_slice(&list);
        assert_eq!(read(dir.path(), &two).0, one);
        fs::write(&file, "two").unwrap();
        assert_eq!(read(dir.path(), &list), (Digest::of(b"two"), Some(Vec::new())));
    }
}
