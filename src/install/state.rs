//! The files in `DIR/.cumulate`, and nothing else of the installation. See the room's documentation.

use super::own::all_own;
use super::scan::gone;
use super::steps::Op;
use crate::bundle::{FixState, Hook};
use crate::disk::{Disk, TEMP_PREFIX};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, STATE_DIR, Tree, TreePath};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The format version of everything in the folder.
const VERSION: u32 = 1;
/// Largest record that is read, in bytes.
const MAX_RECORD: u64 = 1 << 30;

/// What the installation is: the top of the chain of generations, and what it must never forget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    /// The last apply that has not been rolled back; 0 is the state before any.
    pub generation: u64,
    pub memory: Memory,
}

/// What survives rolling back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The highest sequence seen, by component.
    #[serde(default)]
    pub sequences: BTreeMap<String, u64>,
    /// The policy that bundles have to satisfy, as the text of a trust file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<String>,
}

/// One apply: what it was, and everything it does, so that it can be finished or undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    pub generation: u64,
    pub component: String,
    pub version: String,
    pub track: String,
    /// The base that was recognised, by its first name.
    pub base: String,
    /// SHA-256 of the bundle's root manifest.
    pub bundle: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Seconds since 1970 until which the release is the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_before: Option<u64>,
    /// Tree digests.
    pub before: Digest,
    pub after: Digest,
    pub fixes: Vec<FixState>,
    /// Paths of class `config`.
    pub config: Vec<TreePath>,
    /// Files of class `volatile` and `site` that the listing names all the same.
    pub ignored: Vec<TreePath>,
    /// New versions that lie beside locally edited config files.
    pub beside: BTreeMap<TreePath, Digest>,
    pub ops: Vec<Op>,
    /// Paths whose operations were done one by one, and whose old files are kept as what the new ones lack of them; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reversed: Vec<TreePath>,
    /// Folders that the operations change or remove, as they were.
    pub folders: Vec<FolderWas>,
    /// Files of other users that an installer without root's rights replaced or removed, as they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<OwnerWas>,
    /// What is remembered once this generation stands.
    pub memory: Memory,
    /// Commands that run around the operations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
}

/// Which hooks of a generation have begun and which have ended well, and the same of their undoing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ran {
    pub generation: u64,
    pub begun: Vec<String>,
    pub done: Vec<String>,
    /// Begun, and seen to fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undoing: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<String>,
}

impl Generation {
    /// Whether a path belongs to the site once it is there: a config file, or a new version beside an edited one.
    pub fn is_sites(&self, path: &TreePath) -> bool {
        self.config.contains(path) || self.beside.contains_key(path)
    }
}

/// A folder's metadata before an apply. The installation's own folder has no path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderWas {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<TreePath>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: i64,
    pub nanoseconds: i64,
}

/// Whose a file was before an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerWas {
    pub path: TreePath,
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    pub doing: Doing,
    pub generation: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Doing {
    /// New files are made in the staging folder; the installation is as it was.
    Staging,
    /// The generation's operations are being done.
    Applying,
    /// The generation's operations are being undone.
    Restoring,
}

/// The state folder of one installation.
#[derive(Debug, Clone)]
pub struct State {
    pub dir: PathBuf,
    root: PathBuf,
}

impl State {
    /// # Errors
    /// `blocked` if something else stands there, or in the place of a folder in it.
    pub fn of(dir: &Path) -> Result<Self> {
        let root = dir.join(STATE_DIR);
        all_own(&root)?;
        Ok(Self { dir: dir.to_path_buf(), root })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn journal_file(&self) -> PathBuf {
        self.file("journal")
    }

    fn record_file(&self, generation: u64) -> PathBuf {
        self.root.join("releases").join(format!("{generation:06}.record"))
    }

    fn listing_file(&self, generation: u64) -> PathBuf {
        self.root.join("releases").join(format!("{generation:06}.listing"))
    }

    pub fn stage(&self) -> PathBuf {
        self.file("stage")
    }

    pub fn backup(&self, generation: u64) -> PathBuf {
        self.root.join("backup").join(format!("{generation:06}"))
    }

    /// Config files as generation N ships them, each named by its digest in hex.
    pub fn pristine(&self, generation: u64) -> PathBuf {
        self.root.join("pristine").join(format!("{generation:06}"))
    }

    pub fn installed(&self) -> Result<Installed> {
        Ok(read(&self.installed_file())?.unwrap_or_default())
    }

    pub fn installed_file(&self) -> PathBuf {
        self.file("installed")
    }

    /// The highest number of which there is a record.
    pub fn newest_record(&self) -> Result<Option<u64>> {
        let folder = self.root.join("releases");
        let items = match fs::read_dir(&folder) {
            Ok(items) => items,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(folder.display(), &e)),
        };
        let number = |item: fs::DirEntry| item.file_name().to_str()?.strip_suffix(".record")?.parse().ok();
        Ok(items.flatten().filter_map(number).max())
    }

    pub fn journal(&self) -> Result<Option<Journal>> {
        read(&self.journal_file())
    }

    pub fn generation(&self, generation: u64) -> Result<Generation> {
        let path = self.record_file(generation);
        read(&path)?.ok_or_else(|| damaged(&path, "it is missing"))
    }

    /// The record of what is installed, if cumulate installed anything.
    pub fn current(&self, installed: &Installed) -> Result<Option<Generation>> {
        if installed.generation == 0 { Ok(None) } else { self.generation(installed.generation).map(Some) }
    }

    pub fn listing(&self, generation: u64) -> Result<Tree> {
        let path = self.listing_file(generation);
        let read = read(&path).and_then(|listing| listing.ok_or_else(|| damaged(&path, "it is missing")));
        read.map_err(|e| match e.code {
            ErrorCode::BadState => e.next("restore the file from a backup, or go back: 'rollback' does without it"),
            _ => e,
        })
    }

    /// Makes the folders. This is the first write below an installation; its own folder keeps its time. They are durable
    /// after [`State::settle`].
    pub fn prepare(&self, disk: &Disk) -> Result<()> {
        let was = fs::symlink_metadata(&self.dir).map_err(|e| Error::io(self.dir.display(), &e))?;
        let new = fs::symlink_metadata(&self.root).is_err();
        for (path, mode) in self.folders() {
            match disk.mkdir(&path, mode) {
                Err(e) if e.code == ErrorCode::Exists => {}
                other => other?,
            }
        }
        if new { disk.set_mtime(&self.dir, was.mtime(), was.mtime_nsec()) } else { Ok(()) }
    }

    /// Makes the names in our own folder durable, and its own name where no apply has come to its end yet.
    pub fn settle(&self, disk: &Disk) -> Result<()> {
        self.sync(disk)?;
        if fs::symlink_metadata(self.file("installed")).is_ok() { Ok(()) } else { disk.sync_folder(&self.dir) }
    }

    fn folders(&self) -> [(PathBuf, u32); 4] {
        let private = |name| (self.file(name), 0o700);
        [(self.root.clone(), 0o755), (self.file("releases"), 0o755), private("backup"), private("pristine")]
    }

    /// Takes the folders away again where nothing has ever been installed.
    pub fn retire(&self, disk: &Disk) -> Result<()> {
        let _ = self.drop_ran(disk); // Without a journal it says nothing.
        if fs::symlink_metadata(self.file("installed")).is_ok() || fs::symlink_metadata(self.journal_file()).is_ok() {
            return Ok(());
        }
        let was = fs::symlink_metadata(&self.dir).map_err(|e| Error::io(self.dir.display(), &e))?;
        for (path, _) in self.folders().iter().rev() {
            self.sweep(disk, path)?;
            let empty = fs::read_dir(path).is_ok_and(|mut items| items.next().is_none());
            if !empty {
                return Ok(());
            }
            disk.rmdir(path)?;
        }
        disk.set_mtime(&self.dir, was.mtime(), was.mtime_nsec())
    }

    /// Removes what interrupted writes of records left behind.
    fn sweep(&self, disk: &Disk, folder: &Path) -> Result<()> {
        let Ok(items) = fs::read_dir(folder) else { return Ok(()) };
        for item in items.flatten() {
            if item.file_name().to_str().is_some_and(|n| n.starts_with(TEMP_PREFIX)) {
                disk.unlink(&item.path())?;
            }
        }
        Ok(())
    }

    /// Removes everything that belongs to no generation of the chain.
    pub fn clean(&self, disk: &Disk, beyond: u64) -> Result<()> {
        self.drop_stage(disk)?;
        self.drop_ran(disk)?;
        for (folder, _) in self.folders() {
            self.sweep(disk, &folder)?;
        }
        self.drop_generation(disk, beyond)
    }

    /// Makes the names in our own folder durable.
    pub fn sync(&self, disk: &Disk) -> Result<()> {
        disk.sync_folder(&self.root)
    }

    pub fn write_journal(&self, disk: &Disk, journal: &Journal) -> Result<()> {
        write(disk, &self.journal_file(), journal)
    }

    pub fn drop_journal(&self, disk: &Disk) -> Result<()> {
        disk.unlink(&self.journal_file())?;
        // Should a power cut bring it back, finishing what is finished does nothing.
        let _ = disk.sync_folder(&self.root);
        Ok(())
    }

    /// What is recorded of a generation's hooks.
    pub fn ran(&self, generation: u64) -> Result<Ran> {
        let ran: Option<Ran> = read(&self.file("hooks"))?;
        Ok(ran.filter(|r| r.generation == generation).unwrap_or(Ran { generation, ..Ran::default() }))
    }

    pub fn write_ran(&self, disk: &Disk, ran: &Ran) -> Result<()> {
        write(disk, &self.file("hooks"), ran)
    }

    /// Forgets it, once the journal needs it no more.
    pub fn drop_ran(&self, disk: &Disk) -> Result<()> {
        let file = self.file("hooks");
        if fs::symlink_metadata(&file).is_ok() { disk.unlink(&file) } else { Ok(()) }
    }

    pub fn write_installed(&self, disk: &Disk, installed: &Installed) -> Result<()> {
        write(disk, &self.file("installed"), installed)
    }

    /// Writes what is needed to finish or undo a generation, and what to expect of it later.
    pub fn write_generation(&self, disk: &Disk, generation: &Generation, listing: &Tree) -> Result<()> {
        let (first, second) = (self.listing_file(generation.generation), self.record_file(generation.generation));
        for (path, bytes) in [(&first, record(&first, listing)?), (&second, record(&second, generation)?)] {
            let mut writer = disk.atomic(path, 0o644)?;
            writer.put(&bytes)?;
            writer.place()?;
        }
        // Either is read only where a journal or `installed` names it, so one sync makes both names durable.
        disk.sync_folder(&self.root.join("releases"))
    }

    /// Removes the staged files, if there are any.
    pub fn drop_stage(&self, disk: &Disk) -> Result<()> {
        drop_flat(disk, &self.stage())
    }

    /// Forgets a generation that is not part of the chain (any more).
    pub fn drop_generation(&self, disk: &Disk, generation: u64) -> Result<()> {
        drop_flat(disk, &self.backup(generation))?;
        drop_flat(disk, &self.pristine(generation))?;
        for file in [self.listing_file(generation), self.record_file(generation)] {
            if fs::symlink_metadata(&file).is_ok() {
                disk.unlink(&file)?;
            }
        }
        Ok(())
    }
}

/// Removes a folder of ours that has only files and links in it.
fn drop_flat(disk: &Disk, folder: &Path) -> Result<()> {
    let items = match fs::read_dir(folder) {
        Ok(items) => items,
        Err(e) if gone(&e) => return Ok(()),
        Err(e) => return Err(Error::io(folder.display(), &e)),
    };
    let mut names = Vec::new();
    for item in items {
        names.push(item.map_err(|e| Error::io(folder.display(), &e))?.path());
    }
    names.sort();
    for name in names {
        disk.unlink(&name)?;
    }
    disk.rmdir(folder)
}

fn write<T: Serialize>(disk: &Disk, path: &Path, value: &T) -> Result<()> {
    disk.write_atomic(path, &record(path, value)?, 0o644)
}

/// One line `cumulate-state VERSION DIGEST`, then JSON that has this digest.
fn record<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>> {
    let body = serde_json::to_vec(value)
        .map_err(|e| Error::new(ErrorCode::Internal, path.display(), format!("a record cannot be written: {e}")))?;
    let mut bytes = format!("cumulate-state {VERSION} {}\n", Digest::of(&body)).into_bytes();
    bytes.extend_from_slice(&body);
    bytes.push(b'\n');
    Ok(bytes)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_file() => return Err(damaged(path, "it is no file")),
        Ok(meta) if meta.len() > MAX_RECORD => return Err(damaged(path, "it is too large")),
        Ok(_) => {}
        Err(e) if gone(&e) => return Ok(None),
        Err(e) => return Err(Error::io(path.display(), &e)),
    }
    let bytes = fs::read(path).map_err(|e| Error::io(path.display(), &e))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged(path, "it is not text"))?;
    let (head, body) = text.split_once('\n').ok_or_else(|| damaged(path, "it ends early"))?;
    let mut words = head.split(' ');
    if words.next() != Some("cumulate-state") {
        return Err(damaged(path, "it is no record of cumulate"));
    }
    if words.next() != Some("1") {
        return Err(Error::new(ErrorCode::UnknownFormat, path.display(), "a newer cumulate has written this record")
            .next("use the version of cumulate that wrote it, or a newer one"));
    }
    let body = body.strip_suffix('\n').ok_or_else(|| damaged(path, "it ends early"))?;
    if words.next() != Some(Digest::of(body.as_bytes()).to_string().as_str()) || words.next().is_some() {
        return Err(damaged(path, "its content does not have the digest that it states"));
    }
    serde_json::from_str(body).map(Some).map_err(|e| damaged(path, &e.to_string()))
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::new(ErrorCode::BadState, path.display(), format!("this record is damaged: {why}"))
        .next("restore the file from a backup; without it the installation can be neither resumed nor rolled back")
}
