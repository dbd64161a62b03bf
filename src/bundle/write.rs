//! Writing a package: as one canonical file, or as a layout folder.

use super::container::Container;
use super::package::{Laid, Package};
use super::{BlobRef, Blobs, oci, open, tar};
use crate::disk::{self, Disk};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use std::io::{BufWriter, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Where the bytes of large blobs come from.
enum Origin<'a> {
    Blobs(&'a Blobs),
    Container(&'a Container),
}

impl Origin<'_> {
    fn stream(&self, blob: &BlobRef, sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self {
            Origin::Blobs(blobs) => blobs.stream(blob, sink),
            Origin::Container(container) => container.stream(blob, sink),
        }
    }
}

/// Writes the one canonical `.cup` file of this package; it appears whole or not at all.
///
/// # Errors
/// `io`, `no-space`; `source-changed` if a blob's file is no longer what it was.
pub fn write_file(package: &Package, blobs: &Blobs, disk: &Disk, path: &Path) -> Result<()> {
    file(&package.lay()?, &Origin::Blobs(blobs), disk, path, 0o644)
}

fn file(laid: &Laid, origin: &Origin<'_>, disk: &Disk, path: &Path, mode: u32) -> Result<()> {
    let mut writer = disk.atomic(path, mode)?;
    {
        let fail = |e: std::io::Error| disk::error(path, &e);
        let mut out = BufWriter::with_capacity(1 << 18, &mut writer);
        let mut entry = |name: &str, size: u64, content: &mut dyn FnMut(&mut dyn Write) -> Result<()>| {
            out.write_all(&tar::header(name, size)).map_err(fail)?;
            content(&mut out)?;
            out.write_all(&[0; 512][..tar::padding(size) as usize]).map_err(fail)
        };
        for (name, bytes) in [("oci-layout", oci::LAYOUT), ("index.json", &laid.index)] {
            entry(name, bytes.len() as u64, &mut |out| out.write_all(bytes).map_err(fail))?;
        }
        for (digest, size) in &laid.all {
            let blob = BlobRef { digest: *digest, size: *size };
            entry(&tar::blob_name(digest), *size, &mut |out| {
                content(laid, origin, &blob, &mut |piece| out.write_all(piece).map_err(fail))
            })?;
        }
        out.write_all(&[0; tar::END as usize]).map_err(fail)?;
        out.flush().map_err(fail)?;
    }
    writer.commit()
}

fn content(laid: &Laid, origin: &Origin<'_>, blob: &BlobRef, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    match laid.small.get(&blob.digest) {
        Some(bytes) => sink(bytes),
        None => origin.stream(blob, sink),
    }
}

/// Writes a layout folder, which must not exist or be empty. `index.json` comes last: without it a
/// folder is no bundle.
///
/// # Errors
/// `exists` for a folder with something in it; `io`, `no-space`, `source-changed`.
pub fn write_layout(package: &Package, blobs: &Blobs, disk: &Disk, dir: &Path) -> Result<()> {
    let laid = package.lay()?;
    match std::fs::read_dir(dir).map(|mut items| items.next().is_some()) {
        Ok(true) => {
            return Err(Error::new(ErrorCode::Exists, dir.display(), "the folder exists and is not empty")
                .next("choose another folder, or remove this one"));
        }
        Ok(false) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => disk.mkdir_all(dir)?,
        Err(e) => return Err(Error::io(dir.display(), &e)),
    }
    let folder = dir.join("blobs").join("sha256");
    disk.mkdir_all(&folder)?;
    for (digest, size) in &laid.all {
        layout_blob(&laid, &Origin::Blobs(blobs), &BlobRef { digest: *digest, size: *size }, disk, dir)?;
    }
    disk.sync_folder(&folder)?;
    disk.create_new(&dir.join("oci-layout"), oci::LAYOUT, 0o644)?;
    disk.create_new(&dir.join("index.json"), &laid.index, 0o644)
}

fn layout_blob(laid: &Laid, origin: &Origin<'_>, blob: &BlobRef, disk: &Disk, dir: &Path) -> Result<()> {
    let path = dir.join(tar::blob_name(&blob.digest));
    let mut file = disk.create(&path, 0o644)?;
    content(laid, origin, blob, &mut |piece| file.put(piece))?;
    file.sync()
}

/// Adds a signature's envelope to the bundle at `path`. The root manifest, the base manifests and
/// every other content stay what they are; index and OCI manifests are written anew. A bundle is
/// replaced whole or not at all, with the mode that it has; where `path` is a link, what it leads to is. Who signs the same
/// bundle meanwhile is waited for. Returns how many envelopes it has now; none if the same one was there already.
///
/// # Errors
/// As [`open`]; `limit` with too many signatures; `io`, `no-space`.
pub fn add_envelope(path: &Path, envelope: Vec<u8>, disk: &Disk) -> Result<Option<usize>> {
    let path = &std::fs::canonicalize(path).map_err(|e| Error::io(path.display(), &e))?;
    let _lock = disk.lock_in_turn(path)?;
    let mode = std::fs::metadata(path).map_err(|e| Error::io(path.display(), &e))?.mode() & 0o777;
    let (container, mut package) = open(path)?.parts();
    let before = package.lay()?;
    if !package.add_envelope(envelope)? {
        return Ok(None);
    }
    let envelopes = package.envelopes().count();
    let laid = package.lay()?;
    let Some(dir) = container.folder() else {
        file(&laid, &Origin::Container(&container), disk, path, mode)?;
        return Ok(Some(envelopes));
    };
    // New blobs first, then the index that names them, then what no index names any more.
    for (digest, bytes) in laid.small.iter().filter(|(d, _)| !before.small.contains_key(d)) {
        disk.write_atomic(&dir.join(tar::blob_name(digest)), bytes, 0o644)?;
    }
    disk.write_atomic(&dir.join("index.json"), &laid.index, 0o644)?;
    let stale: Vec<&Digest> = before.small.keys().filter(|d| !laid.all.contains_key(d)).collect();
    for digest in stale {
        let path = dir.join(tar::blob_name(digest));
        if path.exists() {
            disk.unlink(&path)?;
        }
    }
    Ok(Some(envelopes))
}
