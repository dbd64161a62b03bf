//! For which branch and platform the patches of a fix are, where `[[variant]]` says so and not their names.

use super::manifest::VariantToml;
use super::types::FixId;
use crate::report::{Error, ErrorCode, Result};
use std::path::PathBuf;

/// A patch file with the branch and the platform that it is for.
pub(super) type For = (PathBuf, Option<String>, Option<String>);

/// Every patch with what its name or `[[variant]]` says; one may stand for several.
///
/// # Errors
/// `config` for a variant without its patch, one that is said twice, and two for the same branch and platform.
pub(super) fn varied(id: &FixId, patches: Vec<For>, said: &[VariantToml]) -> Result<Vec<For>> {
    let bad = |what: String, next: &str| Err(Error::new(ErrorCode::Config, id, what).next(next));
    for (k, v) in said.iter().enumerate() {
        let is = |file: &PathBuf| file.file_name().is_some_and(|n| n.to_str() == Some(v.patch.as_str()));
        match patches.iter().find(|(file, ..)| is(file)) {
            None => {
                return bad(format!("[[variant]] names '{}', which is not there", v.patch), "correct the file's name");
            }
            Some((_, None, None)) => {}
            Some(_) => {
                let what = format!("the name of '{}' and [[variant]] both say what it is for", v.patch);
                return bad(what, "say it once: rename the patch, or take the [[variant]] out");
            }
        }
        if let Some(other) = said[..k].iter().find(|o| o.when == v.when) {
            let what = format!("'{}' and '{}' are for the same branch and platform", other.patch, v.patch);
            return bad(what, "give one of them another 'when'");
        }
    }
    let mut out = Vec::new();
    for (file, branch, platform) in patches {
        let mine: Vec<&VariantToml> =
            said.iter().filter(|v| file.file_name().is_some_and(|n| n.to_str() == Some(v.patch.as_str()))).collect();
        if mine.is_empty() {
            out.push((file, branch, platform));
        } else {
            out.extend(mine.into_iter().map(|v| (file.clone(), v.when.branch.clone(), v.when.platform.clone())));
        }
    }
    Ok(out)
}
