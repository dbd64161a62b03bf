//! `fix.toml`: metadata that wins over what the patch says, and what an overlay does beyond its files.

use super::header::severity;
use super::types::{FixHook, FixId, Meta};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, TreePath, read_regular};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::Path;

/// The file as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FixToml {
    pub id: Option<String>,
    pub title: Option<String>,
    pub description: Option<String>,
    pub author: Option<String>,
    #[serde(deserialize_with = "date")]
    pub date: Option<String>,
    pub cves: Option<Vec<String>>,
    pub severity: Option<String>,
    pub links: Option<Vec<String>>,
    pub requires: Option<Vec<FixId>>,
    pub supersedes: Option<Vec<FixId>>,
    pub conflicts: Option<Vec<FixId>>,
    pub after: Option<Vec<FixId>>,
    pub realises: Option<Vec<FixId>>,
    pub commit: Option<String>,
    pub restart: Option<bool>,
    pub affects: Option<Vec<String>>,
    #[serde(rename = "hook")]
    pub hooks: Option<Vec<FixHook>>,
    pub strip: Option<u32>,
    pub reverse: Option<bool>,
    /// What patches are for whose names do not say it.
    pub variant: Vec<VariantToml>,
    /// Paths that the overlay deletes.
    pub delete: Vec<TreePath>,
    pub rename: Vec<RenameToml>,
    /// The pre-image's digest by path.
    pub built_on: BTreeMap<TreePath, Digest>,
}

/// A date may be written bare, as everywhere in TOML, or as text.
fn date<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a date: write it as 2024-01-31, or as an RFC 3339 time")]
    enum Raw {
        Bare(toml::value::Datetime),
        Text(String),
    }
    Ok(Some(match Raw::deserialize(from)? {
        Raw::Bare(date) => date.to_string(),
        Raw::Text(text) => text,
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantToml {
    /// File in the folder of the fix.
    pub patch: String,
    pub when: WhenToml,
}

/// What is not stated is any.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhenToml {
    pub branch: Option<String>,
    pub platform: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenameToml {
    pub from: TreePath,
    pub to: TreePath,
}

impl FixToml {
    pub fn read(file: &Path) -> Result<Self> {
        let bytes = read_regular(file)?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::new(ErrorCode::Config, file.display(), "the file is not UTF-8").next("save it as UTF-8")
        })?;
        toml::from_str(&text).map_err(|e| {
            Error::new(ErrorCode::Config, file.display(), e.to_string().trim_end())
                .next("correct the line and run again")
        })
    }

    /// Puts what is stated here over what the patch's header says.
    pub fn over(self, meta: &mut Meta) {
        macro_rules! put {
            ($($field:ident),*) => { $(if let Some(v) = self.$field { meta.$field = v; })* };
        }
        put!(
            title,
            description,
            author,
            date,
            links,
            requires,
            supersedes,
            conflicts,
            after,
            realises,
            commit,
            restart,
            affects,
            hooks
        );
        if let Some(cves) = self.cves {
            meta.cves = cves.into_iter().map(|c| c.to_ascii_uppercase()).collect();
            meta.cves.sort();
            meta.cves.dedup();
        }
        if let Some(s) = self.severity {
            meta.severity = severity(&s);
        }
    }
}
