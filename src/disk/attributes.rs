//! Extended attributes: what a file carries beside content, mode, owner and times, above all file capabilities,
//! access control lists and labels.

use super::{Disk, error};
use crate::report::Result;
use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// The largest list of names and the largest value on Linux, in bytes.
const MOST: usize = 1 << 16;
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
    pub fn keep_attributes(&self, path: &Path, like: &Path) -> Result<Vec<String>> {
        let mut lost = Vec::new();
        for name in attributes(like)? {
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
