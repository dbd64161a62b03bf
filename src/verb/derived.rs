//! Declared mixes: a base with some of the fixes on top, as a hotfix leaves it.

use super::planned::PlannedTrack;
use crate::explain;
use crate::fix::{FixId, Payload};
use crate::merge;
use crate::release::Release;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Source;
use std::borrow::Cow;

/// Every base of a release as it is installed, the declared mixes among them.
///
/// # Errors
/// `config` for a mix that cannot be made.
pub fn bases<'r>(release: &'r Release, tracks: &[PlannedTrack<'_>]) -> Result<Vec<(String, Cow<'r, Source>)>> {
    let own = release.tracks.iter().flat_map(|t| &t.bases).map(|b| (b.name.clone(), Cow::Borrowed(b.installed())));
    let mut all: Vec<_> = own.collect();
    for track in tracks {
        all.extend(derived(release, track)?.into_iter().map(|(name, source)| (name, Cow::Owned(source))));
    }
    Ok(all)
}

/// Every declared mix of a track by name, with its content.
///
/// # Errors
/// `config` for a fix that is not on the track or does not apply to the base.
pub fn derived(release: &Release, track: &PlannedTrack<'_>) -> Result<Vec<(String, Source)>> {
    let mut out = Vec::new();
    for mix in &release.config.derived {
        let Some(base) = track.track.bases.iter().find(|b| b.name == mix.from) else { continue };
        let bad = |what: String, next: &str| Error::new(ErrorCode::Config, &mix.version, what).next(next);
        let mut order: Vec<(&FixId, &Payload)> = Vec::new();
        for id in &mix.with {
            let fix = track.candidates.iter().find(|c| c.id.0 == *id);
            let fix = fix.ok_or_else(|| bad(format!("no fix '{id}' is for this track"), "correct 'with'"))?;
            order.push((fix.id, fix.payload));
        }
        let merged = merge::merge(&order, &base.source.tree, &track.store, &[])?.map_err(|r| {
            bad(
                format!("{} does not apply to {}: {}", r.fix, mix.from, explain::reject(&r.reject)),
                "name the fixes of the mix in their order, all of them",
            )
        })?;
        let mut store = track.store.clone();
        store.absorb(merged.store);
        out.push((mix.version.clone(), Source { tree: merged.tree, store }));
    }
    Ok(out)
}
