//! Reads `.tar` (plain or compressed) and `.zip` archives into trees, in memory and bounded.

use super::{Entry, Source, SourceOptions, TreePath};
use crate::report::{Error, ErrorCode, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

enum Item {
    File { bytes: Vec<u8>, exec: bool },
    Symlink(String),
    Folder,
}

/// What has been read so far, by path as the archive spells it (normalised, not stripped).
struct Reading<'a> {
    archive: &'a Path,
    options: &'a SourceOptions<'a>,
    items: BTreeMap<String, Item>,
    bytes: u64,
}

pub(super) fn read(path: &Path, options: &SourceOptions<'_>) -> Result<Source> {
    let file = super::regular::open_regular(path)?;
    let mut reading = Reading { archive: path, options, items: BTreeMap::new(), bytes: 0 };
    let mut magic = [0; 6];
    let n = read_start(&file, &mut magic).map_err(|e| Error::io(path.display(), &e))?;
    let input = BufReader::new(&file);
    match &magic[..n] {
        [0x1f, 0x8b, ..] => reading.tar(flate2::bufread::MultiGzDecoder::new(input))?,
        [0xfd, b'7', b'z', b'X', b'Z', 0] => reading.tar(liblzma::bufread::XzDecoder::new_multi_decoder(input))?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(input).map_err(|e| reading.damaged(e))?;
            decoder.window_log_max(31).map_err(|e| reading.damaged(e))?;
            reading.tar(decoder)?;
        }
        [b'P', b'K', 3 | 5, 4 | 6, ..] => reading.zip(input)?,
        _ => reading.tar(input)?,
    }
    reading.finish()
}

fn read_start(mut file: &File, magic: &mut [u8]) -> std::io::Result<usize> {
    use std::io::Seek as _;
    let mut n = 0;
    while n < magic.len() {
        match file.read(&mut magic[n..])? {
            0 => break,
            k => n += k,
        }
    }
    file.rewind()?;
    Ok(n)
}

impl Reading<'_> {
    fn damaged(&self, why: impl std::fmt::Display) -> Error {
        Error::new(ErrorCode::BadSource, self.archive.display(), format!("the archive cannot be read: {why}"))
            .next("check the download; a base is a folder, .tar, .tar.gz, .tar.xz, .tar.zst or .zip")
    }

    /// What the tar reader itself finds wrong it says with the bytes that it found, which may be anybody's.
    fn no_header(&self, e: &std::io::Error) -> Error {
        match e.kind() {
            std::io::ErrorKind::Other => self.damaged("a header is damaged, or this is no tar archive"),
            _ => self.damaged(e),
        }
    }

    fn name(&self, raw: &[u8]) -> Result<Option<String>> {
        let shown = || raw.escape_ascii().to_string();
        let text = std::str::from_utf8(raw).map_err(|_| {
            Error::new(ErrorCode::BadPath, shown(), "a name in the archive is not valid UTF-8")
                .next("repack the archive with UTF-8 names")
        })?;
        let text = text.trim_end_matches('/');
        let mut text = text;
        while let Some(rest) = text.strip_prefix("./") {
            text = rest.trim_start_matches('/');
        }
        if text.is_empty() || text == "." {
            return Ok(None);
        }
        let path = TreePath::parse(text).map_err(|e| Error::new(ErrorCode::BadPath, shown(), e))?;
        Ok(Some(path.as_str().to_owned()))
    }

    fn put(&mut self, name: String, item: Item) -> Result<()> {
        if self.items.len() as u64 >= self.options.max_entries {
            return Err(Error::new(ErrorCode::Limit, self.archive.display(), "the archive has too many entries"));
        }
        let folder = matches!(item, Item::Folder);
        match self.items.insert(name.clone(), item) {
            None => Ok(()),
            Some(Item::Folder) if folder => Ok(()),
            Some(_) => Err(self.damaged(format!("'{name}' stands in it twice"))),
        }
    }

    fn bytes(&mut self, input: &mut dyn Read) -> Result<Vec<u8>> {
        let room = self.options.max_bytes.saturating_sub(self.bytes);
        let mut bytes = Vec::new();
        let n = input.take(room.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| self.damaged(e))? as u64;
        if n > room {
            return Err(Error::new(
                ErrorCode::Limit,
                self.archive.display(),
                format!("the archive unpacks to more than {} bytes", self.options.max_bytes),
            ));
        }
        self.bytes += n;
        Ok(bytes)
    }

    fn tar(&mut self, input: impl Read) -> Result<()> {
        let mut archive = tar::Archive::new(input);
        let entries = archive.entries().map_err(|e| self.damaged(e))?;
        for entry in entries {
            let mut entry = entry.map_err(|e| self.no_header(&e))?;
            let raw = entry.path_bytes().into_owned();
            let Some(name) = self.name(&raw)? else { continue };
            let kind = entry.header().entry_type();
            let link = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
            let item = if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
                let exec = entry.header().mode().map_err(|e| self.no_header(&e))? & 0o100 != 0;
                Item::File { bytes: self.bytes(&mut entry)?, exec }
            } else if kind.is_dir() {
                Item::Folder
            } else if kind.is_symlink() {
                let target = link.and_then(|l| String::from_utf8(l).ok());
                Item::Symlink(target.ok_or_else(|| self.damaged(format!("the target of link '{name}' is not UTF-8")))?)
            } else if kind.is_hard_link() {
                let target = self.name(&link.unwrap_or_default())?.unwrap_or_default();
                match self.items.get(&target) {
                    Some(Item::File { bytes, exec }) => Item::File { bytes: bytes.clone(), exec: *exec },
                    _ => {
                        return Err(self
                            .damaged(format!("hard link '{name}' points to '{target}', which is no file before it")));
                    }
                }
            } else if kind.is_pax_global_extensions() {
                continue;
            } else {
                return Err(self.damaged(format!("'{name}' is a device, pipe or other special entry")));
            };
            self.put(name, item)?;
        }
        Ok(())
    }

    fn zip(&mut self, input: BufReader<&File>) -> Result<()> {
        let mut archive = zip::ZipArchive::new(input).map_err(|e| self.damaged(e))?;
        for i in 0..archive.len() {
            let mut entry = archive.by_index(i).map_err(|e| self.damaged(e))?;
            let raw = entry.name_raw().to_vec();
            let Some(name) = self.name(&raw)? else { continue };
            let mode = entry.unix_mode().unwrap_or(0o644);
            let item = if raw.ends_with(b"/") {
                Item::Folder
            } else {
                let bytes = self.bytes(&mut entry)?;
                match mode & 0o170_000 {
                    0o120_000 => Item::Symlink(String::from_utf8(bytes).map_err(|e| self.damaged(e))?),
                    0 | 0o100_000 => Item::File { bytes, exec: mode & 0o100 != 0 },
                    _ => return Err(self.damaged(format!("'{name}' is a special entry"))),
                }
            };
            self.put(name, item)?;
        }
        Ok(())
    }

    /// How many leading names to drop.
    fn strip(&self) -> u32 {
        if let Some(n) = self.options.strip {
            return n;
        }
        let Some(version) = self.options.version else { return 0 };
        let mut tops = self.items.keys().map(|k| k.split('/').next().unwrap_or(k));
        let Some(first) = tops.next() else { return 0 };
        let single =
            tops.all(|t| t == first) && !matches!(self.items.get(first), Some(Item::File { .. } | Item::Symlink(_)));
        u32::from(single && first.contains(version))
    }

    fn finish(self) -> Result<Source> {
        let strip = self.strip();
        let mut source = Source::default();
        let mut folders = Vec::new();
        for (name, item) in self.items {
            let Some(name) = (0..strip).try_fold(name.as_str(), |rest, _| rest.split_once('/').map(|(_, r)| r)) else {
                continue;
            };
            let path = TreePath::parse(name).map_err(|e| Error::new(ErrorCode::BadPath, name, e))?;
            let entry = match item {
                Item::Folder => {
                    folders.push(path);
                    continue;
                }
                Item::Symlink(target) => Entry::Symlink { target },
                Item::File { bytes, exec } => {
                    let size = bytes.len() as u64;
                    Entry::File { digest: source.store.put(bytes), size, exec }
                }
            };
            source.tree.entries.insert(path, entry);
        }
        for folder in folders.into_iter().rev() {
            let below = format!("{folder}/");
            let empty = source
                .tree
                .entries
                .range::<str, _>((std::ops::Bound::Included(below.as_str()), std::ops::Bound::Unbounded))
                .next()
                .is_none_or(|(p, _)| !p.as_str().starts_with(&below));
            if empty {
                source.tree.entries.entry(folder).or_insert(Entry::Folder);
            }
        }
        Ok(source)
    }
}
