//! `merge`: the target's sources as a folder, for the build that lies between sources and installations.

use super::lay::lay;
use super::planned::planned;
use super::selection::Selection;
use crate::disk::Disk;
use crate::explain;
use crate::merge;
use crate::release::Release;
use crate::report::{Error, ErrorCode, Finding, Level, Result};
use crate::tree::{Digest, Source};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What was merged.
#[derive(Debug, Serialize)]
pub struct MergedSources {
    pub component: String,
    pub version: String,
    pub track: String,
    /// The base that the fixes start from.
    pub from: String,
    /// In the order in which they were applied.
    pub fixes: Vec<String>,
    pub tree: Digest,
    pub paths: usize,
    /// Absent where a denied finding stands against it; then nothing is written.
    pub output: Option<PathBuf>,
    pub findings: Vec<Finding>,
}

/// Applies the planned fixes of one track to its start and writes the result as a new folder.
///
/// # Errors
/// `usage` if the release has several tracks and none is named, `plan-refused`, `exists`, `io`.
pub fn merge_sources(
    disk: &Disk,
    release: &Release,
    selection: &Selection,
    track: Option<&str>,
    output: &Path,
) -> Result<MergedSources> {
    let tracks = planned(release, selection, None)?;
    let names: Vec<&str> = tracks.iter().map(|t| t.track.name.as_str()).collect();
    let wanted = match (track, names.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, _) => {
            return Err(Error::new(
                ErrorCode::Usage,
                "merge",
                "the release has several tracks, each with its own sources",
            )
            .next(format!("name one with --track: {}", names.join(", "))));
        }
    };
    let planned = tracks.iter().find(|t| t.track.name == wanted).ok_or_else(|| {
        Error::new(ErrorCode::Usage, wanted, "the release has no such track")
            .next(format!("its tracks are {}", names.join(", ")))
    })?;
    let plan = planned.outcome.as_ref().map_err(explain::refusal_error)?;
    let start = &planned.track.bases[planned.track.from];
    let order = planned.payloads(&plan.order);
    let merged = merge::merge(&order, &start.source.tree, &planned.store, &plan.merged)?.map_err(|r| {
        Error::new(ErrorCode::PlanRefused, &r.fix, explain::reject(&r.reject)).next("look at 'cumulate plan'")
    })?;
    let all = release.findings.iter().chain(&planned.findings).chain(&plan.findings);
    let mut findings: Vec<Finding> = all.cloned().collect();
    for f in &mut findings {
        f.level = release.config.level(f.code);
    }
    let mut store = planned.store.clone();
    store.absorb(merged.store);
    let mut made = MergedSources {
        component: release.config.component.name.clone(),
        version: planned.track.version.clone(),
        track: planned.track.name.clone(),
        from: start.name.clone(),
        fixes: plan.order.iter().map(ToString::to_string).collect(),
        tree: merged.tree.digest(),
        paths: merged.tree.len(),
        output: None,
        findings,
    };
    if made.findings.iter().all(|f| f.level != Level::Deny) {
        lay(disk, output, &Source { tree: merged.tree, store })?;
        made.output = Some(output.to_path_buf());
    }
    Ok(made)
}
