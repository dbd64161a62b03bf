//! `resolutions/`: what people decided where two fixes change the same lines.

use super::types::FixId;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Store, TreePath, read_regular};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Largest result in bytes.
const MAX_RESULT: u64 = 64 << 20;

/// One decision: where both fixes meet on these very contents, the path gets this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The folder's name below `resolutions/`.
    pub name: String,
    pub path: TreePath,
    /// What stands at the path before either fix.
    pub base: Digest,
    /// What each of the two makes of the base.
    pub sides: BTreeMap<FixId, Digest>,
    /// What both make of it together.
    pub result: Digest,
    /// Who looked at it; never empty.
    pub reviewed_by: String,
    pub reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolutionToml {
    path: TreePath,
    base: Digest,
    sides: BTreeMap<FixId, Digest>,
    reviewed_by: String,
    #[serde(default)]
    reason: String,
}

/// Reads every `NAME/resolution.toml` with the file `result` beside it, sorted by name; results go to the store.
///
/// # Errors
/// `config` for what is written wrong, `limit` for a result above 64 MiB, `io`.
pub(super) fn read_resolutions(dir: &Path, store: &mut Store) -> Result<Vec<Resolution>> {
    let mut out = Vec::new();
    if !dir.is_dir() {
        return Ok(out);
    }
    for item in std::fs::read_dir(dir).map_err(|e| Error::io(dir.display(), &e))? {
        let folder = item.map_err(|e| Error::io(dir.display(), &e))?.path();
        let name = folder.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if name.is_empty() || name.starts_with('.') || !folder.is_dir() {
            continue;
        }
        let file = folder.join("resolution.toml");
        let bad = |what: String, next: &str| Error::new(ErrorCode::Config, file.display(), what).next(next);
        let text = String::from_utf8(read_regular(&file)?)
            .map_err(|_| bad("the file is not UTF-8".into(), "save it as UTF-8"))?;
        let toml: ResolutionToml =
            toml::from_str(&text).map_err(|e| bad(e.to_string().trim_end().to_owned(), "correct the line"))?;
        if toml.sides.len() != 2 {
            return Err(bad("a resolution is between two fixes".into(), "name both in 'sides', each with its digest"));
        }
        if toml.reviewed_by.trim().is_empty() {
            return Err(bad("nobody reviewed it: 'reviewed_by' is empty".into(), "say who looked at the result"));
        }
        let result = folder.join("result");
        let size = match result.metadata() {
            Ok(meta) => meta.len(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let what = "the file 'result' beside it is not there".to_owned();
                return Err(bad(
                    what,
                    "write what both fixes make together into it, or remove the resolution's folder",
                ));
            }
            Err(e) => return Err(Error::io(result.display(), &e)),
        };
        if size > MAX_RESULT {
            return Err(Error::new(
                ErrorCode::Limit,
                result.display(),
                format!("it has {size} bytes, more than 64 MiB"),
            )
            .next("a resolution is a text that people can review"));
        }
        let bytes = read_regular(&result)?;
        out.push(Resolution {
            name,
            path: toml.path,
            base: toml.base,
            sides: toml.sides,
            result: store.put(bytes),
            reviewed_by: toml.reviewed_by,
            reason: toml.reason,
        });
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}
