//! Extended attributes: what a file carries beside content, mode, owner and times, above all file capabilities,
//! access control lists and labels.

use super::{Disk, error};
use crate::report::Result;
use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lremovexattr, lsetxattr};
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// The largest list of names and the largest value on Linux, in bytes.
const MOST: usize = 1 << 16;
/// The access control list of a file. The folder in which a file is made may give it one of its own.
const ACCESS: &str = "system.posix_acl_access";
/// What a folder gives to files that are made in it.
const DEFAULT: &str = "system.posix_acl_default";
/// Attributes that vouch for the content: on another content they are wrong.
const OF_THE_CONTENT: [&str; 2] = ["security.ima", "security.evm"];

/// The names of a file's extended attributes that a new version in its place has to have as well, sorted.
///
/// # Errors
/// `io`. Where the file system has no attributes, there are none.
pub fn attributes(path: &Path) -> Result<Vec<String>> {
    let mut list = vec![0; MOST];
    let n = match llistxattr(path, list.as_mut_slice()) {
        Ok(n) => n,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => 0,
        Err(e) => return Err(error(path, &e.into())),
    };
    let names = list[..n].split(|b| *b == 0).filter(|name| !name.is_empty());
    let mut names: Vec<String> = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    names.retain(|name| !OF_THE_CONTENT.contains(&name.as_str()));
    names.sort();
    Ok(names)
}

/// Whether only root may give a file this attribute. (What a security module allows is not asked: it is tried.)
pub fn is_roots(attribute: &str) -> bool {
    attribute == "security.capability" || attribute.starts_with("trusted.")
}

impl Disk {
    /// Gives a file the extended attributes of `like`; returns those that this user or the file system does not allow.
    /// Giving a file to another owner takes its capabilities away, so owners come first.
    /// An access control list that `like` has not is taken away: it comes from the folder in which the file was made.
    pub fn keep_attributes(&self, path: &Path, like: &Path) -> Result<Vec<String>> {
        let mut lost = Vec::new();
        let names = attributes(like)?;
        if !names.iter().any(|name| name == ACCESS) {
            self.drop_access(path)?;
        }
        for name in names {
            let value = match value(like, &name) {
                Ok(Some(value)) => value,
                Ok(None) => continue,
                Err(Errno::PERM | Errno::ACCESS) => {
                    lost.push(name);
                    continue;
                }
                Err(e) => return Err(error(like, &e.into())),
            };
            if value_is(path, &name, &value) {
                continue;
            }
            let done = self.run(path, || match lsetxattr(path, &name, &value, XattrFlags::empty()) {
                Ok(()) => Ok(true),
                Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => Ok(false),
                Err(e) => Err(io::Error::from(e)),
            })?;
            if !done {
                lost.push(name);
            }
        }
        Ok(lost)
    }
}

impl Disk {
    /// Gives a new file the access control list that files made in `folder` get (acl(5), "object creation"), instead of
    /// what it has from the folder in which it was staged; returns the permissions that the mode must keep to.
    pub fn access_of_folder(&self, path: &Path, folder: &Path) -> Result<u32> {
        let list = match value(folder, DEFAULT) {
            Ok(list) => list,
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM | Errno::ACCESS) => None,
            Err(e) => return Err(error(folder, &e.into())),
        };
        let Some((list, most)) = list.and_then(|list| permitted(&list).map(|most| (list, most))) else {
            self.drop_access(path)?;
            return Ok(0o7777);
        };
        if !value_is(path, ACCESS, &list) {
            self.run(path, || lsetxattr(path, ACCESS, &list, XattrFlags::empty()).map_err(io::Error::from))?;
        }
        Ok(0o7000 | most)
    }

    fn drop_access(&self, path: &Path) -> Result<()> {
        if !matches!(value(path, ACCESS), Ok(Some(_))) {
            return Ok(());
        }
        self.run(path, || lremovexattr(path, ACCESS).map_err(io::Error::from))
    }
}

/// The mode that a file or folder keeps where its access control list is lost: what the mode says of the group is then the
/// list's mask, and the group itself may be allowed less.
pub fn mode_without_list(path: &Path, mode: u32) -> u32 {
    let group = value(path, ACCESS).ok().flatten().and_then(|list| of_group(&list));
    group.map_or(mode, |group| mode & (!0o070 | group << 3))
}

/// What an access control list itself gives to the group that owns the file.
fn of_group(list: &[u8]) -> Option<u32> {
    let mut entries = list.strip_prefix(&2u32.to_le_bytes())?.chunks_exact(8);
    let entry = entries.find(|entry| u16::from_le_bytes([entry[0], entry[1]]) == 0x04)?;
    Some(u32::from(u16::from_le_bytes([entry[2], entry[3]])) & 7)
}

/// The permissions that an access control list leaves to owner, group (its mask) and others, as a mode; `None` for what
/// is no list of the version that Linux has (`linux/posix_acl_xattr.h`: version 2, then tag, permissions and id each).
fn permitted(list: &[u8]) -> Option<u32> {
    let entries = list.strip_prefix(&2u32.to_le_bytes())?.chunks_exact(8);
    let (mut owner, mut group, mut mask, mut other) = (None, None, None, None);
    for entry in entries {
        let perm = Some(u32::from(u16::from_le_bytes([entry[2], entry[3]])) & 7);
        match u16::from_le_bytes([entry[0], entry[1]]) {
            0x01 => owner = perm,
            0x04 => group = perm,
            0x10 => mask = perm,
            0x20 => other = perm,
            _ => {}
        }
    }
    Some(owner? << 6 | mask.or(group)? << 3 | other?)
}

/// `None` where the file has no such attribute any more.
fn value(path: &Path, name: &str) -> std::result::Result<Option<Vec<u8>>, Errno> {
    let mut value = vec![0; MOST];
    match lgetxattr(path, name, value.as_mut_slice()) {
        Ok(n) => {
            value.truncate(n);
            Ok(Some(value))
        }
        Err(Errno::NODATA) => Ok(None),
        Err(e) => Err(e),
    }
}

fn value_is(path: &Path, name: &str, wanted: &[u8]) -> bool {
    value(path, name).is_ok_and(|v| v.as_deref() == Some(wanted))
}
