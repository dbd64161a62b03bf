//! What in the metadata of fixes contradicts itself, cannot be read, or names nobody.

use super::date::is_day;
use super::header::is_cve;
use super::severity::{WORDS, rated};
use super::types::{Change, Fix, FixId, Meta, Payload, Variant};
use crate::report::{Code, Error, ErrorCode, Finding, Result, is_hidden};
use std::collections::BTreeSet;

/// Findings about one fix alone; a severity and CVEs that mean nothing are taken out.
///
/// # Errors
/// `config` for a fix that names itself, or requires what it excludes or replaces.
pub(super) fn judge(id: &FixId, meta: &mut Meta) -> Result<Vec<Finding>> {
    if names(meta).any(|(_, other)| other == id) || meta.requires.contains(id) {
        return Err(Error::new(
            ErrorCode::Config,
            id,
            "the fix names itself in requires, after, supersedes or conflicts",
        )
        .next("take its own id out"));
    }
    for (field, others) in [("conflicts", &meta.conflicts), ("supersedes", &meta.supersedes)] {
        if let Some(other) = meta.requires.iter().find(|r| others.contains(r)) {
            let what = format!("the fix names '{other}' both in requires and in {field}");
            return Err(Error::new(ErrorCode::Config, id, what).next("it can only be one of them: take the other out"));
        }
    }
    let mut findings = Vec::new();
    let mut bad = |what: String, next: &str| findings.push(Finding::new(Code::BadMetadata, id, what).next(next));
    let word = &mut meta.severity.word;
    if !word.is_empty() && !WORDS.contains(&word.as_str()) {
        bad(
            format!("severity '{word}' is neither a CVSS vector nor critical, high, medium, low, none"),
            "state the CVSS vector, of version 3 or 4",
        );
        word.clear();
    }
    let vector = &meta.severity.vector;
    if let Some(why) = rated(vector).err().filter(|_| !vector.is_empty()) {
        let what = format!("severity '{vector}' is no complete CVSS vector, so it counts as unknown: {why}");
        bad(what, "state all base metrics of CVSS 3.0, 3.1 or 4.0, or one of critical, high, medium, low, none");
    }
    if !meta.date.is_empty() && !meta.date.get(..10).is_some_and(is_day) {
        bad(format!("date '{}' is no day", meta.date), "write it as 2024-01-31, or as an RFC 3339 time");
    }
    let wrong: Vec<String> = meta.cves.iter().filter(|c| !is_cve(c)).cloned().collect();
    if !wrong.is_empty() {
        let what = format!("cves names '{}', which is no CVE id", wrong.join("', '"));
        bad(what, "write CVE-2024-1234; other ids belong into links");
        meta.cves.retain(|c| is_cve(c));
    }
    for (name, text) in [("title", &meta.title), ("author", &meta.author)] {
        if text.chars().any(is_hidden) {
            let what = format!("its {name} has control characters, or ones that turn the direction of text round");
            bad(what, "take them out: they make it look like another one");
        }
    }
    Ok(findings)
}

/// Links of an overlay that lead out of the tree, where what they find is the site's.
pub(super) fn stray_links(id: &FixId, variants: &[Variant]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for variant in variants {
        let Payload::Overlay(changes) = &variant.payload else { continue };
        for change in changes {
            if let Change::Link { path, target } = change
                && leaves(path.ancestors().count(), target)
            {
                let what = format!("its link '{path}' leads out of the tree, to '{target}'");
                findings.push(
                    Finding::new(Code::LinkLeaves, id, what)
                        .next("make it relative and stay inside, if the tree has what it leads to"),
                );
            }
        }
    }
    findings
}

/// Whether a link in a folder this deep leads above the root.
fn leaves(depth: usize, target: &str) -> bool {
    let mut depth = Some(depth);
    for part in target.split('/') {
        depth = match part {
            "" | "." => depth,
            ".." => depth.and_then(|d| d.checked_sub(1)),
            _ => depth.map(|d| d + 1),
        };
    }
    target.starts_with('/') || depth.is_none()
}

/// Fixes that `after`, `supersedes` and `conflicts` name and that are not there: perhaps misspelt.
/// (`requires` is for the plan: without what it names there is none.)
pub(super) fn strangers(fixes: &[Fix]) -> Vec<Finding> {
    let known: BTreeSet<&FixId> = fixes.iter().map(|f| &f.id).collect();
    let mut findings = Vec::new();
    for fix in fixes {
        for (field, other) in names(&fix.meta).filter(|(_, other)| !known.contains(other)) {
            let what = format!("{field} names '{other}', and no fix of this release is called that");
            let next = match alike(other, known.iter().copied()) {
                Some(meant) => format!("write '{meant}' if that is meant: letters in the other case are another id"),
                None => "correct the id, or take it out".to_owned(),
            };
            findings.push(Finding::new(Code::BadMetadata, &fix.id, what).next(next));
        }
    }
    findings
}

/// The id that differs from this one in case only; ids of one release never do among each other.
pub fn alike<'a>(id: &FixId, mut known: impl Iterator<Item = &'a FixId>) -> Option<&'a FixId> {
    let folded = id.0.to_lowercase();
    known.find(|k| k.0.to_lowercase() == folded)
}

fn names(meta: &Meta) -> impl Iterator<Item = (&'static str, &FixId)> {
    let all = [("after", &meta.after), ("supersedes", &meta.supersedes), ("conflicts", &meta.conflicts)];
    all.into_iter().flat_map(|(field, ids)| ids.iter().map(move |id| (field, id)))
}
