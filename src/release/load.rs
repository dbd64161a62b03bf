//! From the configuration to trees and fixes.

use super::config::{BaseConfig, Config, DEFAULT_TRACK, TrackConfig};
use super::paths::{Classes, deletes_nothing, unused_names, unused_patterns};
use crate::fix::{Fix, FixId, FixSet, Variant, read_fixes, read_fixes_again};
use crate::report::{Error, ErrorCode, Finding, Result};
use crate::tree::{Source, SourceOptions, read_source, read_source_again};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Everything a release folder names.
#[derive(Debug)]
pub struct Release {
    pub dir: PathBuf,
    /// The configuration, which lies in `dir`.
    pub file: PathBuf,
    pub config: Config,
    pub classes: Classes,
    pub fixes: FixSet,
    pub tracks: Vec<Track>,
    /// What is odd about the configuration and the fixes as they were read.
    pub findings: Vec<Finding>,
}

/// One track with its bases, in the order of the configuration.
#[derive(Debug)]
pub struct Track {
    pub name: String,
    pub branch: String,
    pub platform: String,
    pub version: String,
    /// Index into `bases` of the base that the fixes start from.
    pub from: usize,
    pub bases: Vec<Base>,
    /// The shipped target, where a build lies between.
    pub target: Option<Source>,
}

/// One supported version.
#[derive(Debug)]
pub struct Base {
    /// Unique in the release: the version, with `@TRACK` where two tracks have it.
    pub name: String,
    pub version: String,
    /// What fixes apply to.
    pub source: Source,
    /// What installations hold, if that is something else.
    pub shipped: Option<Source>,
}

impl Base {
    /// The tree that deltas start from.
    pub fn installed(&self) -> &Source {
        self.shipped.as_ref().unwrap_or(&self.source)
    }
}

/// What an earlier run found in the folders of a release, by name; a cache that is only ever a cache.
#[derive(Clone, Copy)]
pub struct Past<'p> {
    /// What was remembered under a name, or nothing.
    pub recall: &'p (dyn Fn(&str) -> Vec<u8> + Sync),
    pub remember: &'p (dyn Fn(&str, &[u8]) + Sync),
}

/// Reads a release folder (or the `cumulate.toml` itself).
///
/// # Errors
/// `config` for what the file gets wrong, and whatever reading bases and fixes gives.
pub fn load(path: &Path) -> Result<Release> {
    let file = config_file(path);
    assemble(&file, Config::read(&file)?, true, None)
}

/// Reads a release folder without its shipped trees: before a build lies what has to be built.
///
/// # Errors
/// As [`load`].
pub fn load_sources(path: &Path) -> Result<Release> {
    load_sources_again(path, None)
}

/// The same, from what an earlier run knew: the same release sooner.
///
/// # Errors
/// As [`load`].
pub fn load_sources_again(path: &Path, past: Option<Past<'_>>) -> Result<Release> {
    let file = config_file(path);
    let mut config = Config::read(&file)?;
    let all = config.bases.iter().all(|b| b.shipped.is_none()) && config.tracks.iter().all(|t| t.target.is_none());
    config.bases.iter_mut().for_each(|b| b.shipped = None);
    config.tracks.iter_mut().for_each(|t| t.target = None);
    assemble(&file, config, all, past)
}

/// The folder of a release that is named by its folder or by its file.
pub fn folder(path: &Path) -> PathBuf {
    config_file(path).parent().map(Path::to_path_buf).unwrap_or_default()
}

fn config_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("cumulate.toml") } else { path.to_path_buf() }
}

/// `all`: every tree that the configuration names is read, so that rules which fit no path are known to be unused.
fn assemble(file: &Path, mut config: Config, all: bool, past: Option<Past<'_>>) -> Result<Release> {
    let dir = file.parent().map(Path::to_path_buf).unwrap_or_default();
    let classes = Classes::new(&config)?;
    let declared = if config.tracks.is_empty() { vec![default_track()] } else { config.tracks.clone() };
    let of_fixes = dir.join(config.release.fixes.as_deref().unwrap_or(Path::new("fixes")));
    let (fixes, tracks) = rayon::join(
        || load_fixes(&of_fixes, &config, past),
        || declared.into_iter().map(|t| load_track(&dir, &config, t, past)).collect::<Result<Vec<Track>>>(),
    );
    // Of faults in both, always the same one is told.
    let fixes = fixes?;
    let tracks = tracks?;
    // Who holds back what a payload realises holds back the payload.
    let named = config.hold.iter_mut().map(|h| &mut h.id).chain(config.not_for.iter_mut().map(|n| &mut n.fix));
    for id in named {
        if let Some(carrier) = fixes.realised.get(&FixId(id.clone())) {
            id.clone_from(&carrier.0);
        }
    }
    let mut findings = fixes.findings.clone();
    {
        let trees = tracks.iter().flat_map(|t| {
            let bases = t.bases.iter().flat_map(|b| [Some(&b.source), b.shipped.as_ref()]);
            bases.chain([t.target.as_ref()]).flatten().map(|s| &s.tree)
        });
        findings.extend(deletes_nothing(trees.clone(), &fixes));
        if all {
            findings.extend(unused_patterns(&config, trees, &fixes)?);
        }
    }
    findings.extend(unused_names(&config, &fixes));
    Ok(Release { dir, file: file.to_path_buf(), config, classes, fixes, tracks, findings })
}

fn load_fixes(dir: &Path, config: &Config, past: Option<Past<'_>>) -> Result<FixSet> {
    let Some(past) = past else { return read_fixes(dir) };
    let name = format!("fixes {}", config.component.name);
    let (fixes, after) = read_fixes_again(dir, &(past.recall)(&name))?;
    if let Some(after) = after {
        (past.remember)(&name, &after);
    }
    Ok(fixes)
}

fn default_track() -> TrackConfig {
    TrackConfig {
        name: DEFAULT_TRACK.into(),
        branch: String::new(),
        platform: String::new(),
        version: None,
        from: None,
        target: None,
    }
}

fn load_track(dir: &Path, config: &Config, track: TrackConfig, past: Option<Past<'_>>) -> Result<Track> {
    let bad = |what: String, next: &str| Error::new(ErrorCode::Config, &track.name, what).next(next);
    let single = config.tracks.len() <= 1;
    let mine: Vec<&BaseConfig> =
        config.bases.iter().filter(|b| single || b.track.as_deref() == Some(track.name.as_str())).collect();
    if mine.is_empty() {
        return Err(bad("there is no base".into(), "add one with 'cumulate base add VERSION --from …'"));
    }
    let bases = mine.into_par_iter().map(|b| load_base(dir, config, b, past)).collect::<Result<Vec<_>>>()?;
    let from = match track.from.as_ref().or(config.release.from.as_ref()) {
        Some(v) => bases.iter().position(|b| b.version == *v).ok_or_else(|| {
            bad(format!("the fixes start from base '{v}', which is not there"), "add that base, or correct 'from'")
        })?,
        None if bases.len() == 1 => 0,
        None => {
            return Err(bad(
                "several bases, and none is named as the start of the fixes".into(),
                "add from = \"…\" to [release]",
            ));
        }
    };
    let target = track.target.as_ref().map(|t| read_source(&dir.join(t), &SourceOptions::default())).transpose()?;
    if let Some(b) = bases.iter().find(|b| b.shipped.is_some() != target.is_some()) {
        return Err(bad(
            format!(
                "a build lies between source and shipped trees, but base '{}' or the track lacks its shipped tree",
                b.name
            ),
            "give every base 'shipped' and the track 'target', or none",
        ));
    }
    let version = track.version.clone().unwrap_or_else(|| config.release.version.clone());
    Ok(Track { name: track.name, branch: track.branch, platform: track.platform, version, from, bases, target })
}

fn load_base(dir: &Path, config: &Config, base: &BaseConfig, past: Option<Past<'_>>) -> Result<Base> {
    let options = SourceOptions { strip: base.strip, version: Some(&base.version), ..SourceOptions::default() };
    let read = |place: &Path| {
        let name = format!("tree {} {}", config.component.name, place.display());
        let before = past.map(|p| (p.recall)(&name)).unwrap_or_default();
        let (mut source, after) = read_source_again(&dir.join(place), &options, &before).map_err(|mut e| {
            e.message = format!("base '{}' cannot be read: {}", base.version, e.message);
            e
        })?;
        if let (Some(past), Some(after)) = (past, after) {
            (past.remember)(&name, &after);
        }
        source.store.settle();
        Ok(source)
    };
    let source = read(&base.source)?;
    let shipped = base.shipped.as_deref().map(read).transpose()?;
    if let Some(expected) = base.tree {
        let found = source.tree.digest();
        if found != expected {
            return Err(Error::new(
                ErrorCode::SourceChanged,
                &base.version,
                format!("the base's tree is {found}, but cumulate.toml recorded {expected}"),
            )
            .next("restore the base; or take its [[base]] out and record it again with 'cumulate base add'"));
        }
    }
    let twice = config.bases.iter().filter(|b| b.version == base.version).count() > 1;
    let name = match &base.track {
        Some(track) if twice => format!("{}@{track}", base.version),
        _ => base.version.clone(),
    };
    Ok(Base { name, version: base.version.clone(), source, shipped })
}

/// The most specific variant of a fix for a branch and platform, if any applies.
///
/// # Errors
/// `config` if two variants are equally specific.
pub fn variant_for<'a>(fix: &'a Fix, branch: &str, platform: &str) -> Result<Option<&'a Variant>> {
    let fits = |stated: &Option<String>, have: &str| stated.as_deref().is_none_or(|s| s == have);
    let rank = |v: &Variant| u32::from(v.branch.is_some()) + u32::from(v.platform.is_some());
    let fitting: Vec<&Variant> =
        fix.variants.iter().filter(|v| fits(&v.branch, branch) && fits(&v.platform, platform)).collect();
    let Some(best) = fitting.iter().map(|v| rank(v)).max() else { return Ok(None) };
    let mut top = fitting.into_iter().filter(|v| rank(v) == best);
    let first = top.next();
    if let (Some(a), Some(b)) = (first, top.next()) {
        return Err(Error::new(
            ErrorCode::Config,
            &fix.id,
            format!(
                "{} and {} are equally specific for branch '{branch}', platform '{platform}'",
                a.file.display(),
                b.file.display()
            ),
        )
        .next("name both branch and platform in one of them"));
    }
    Ok(first)
}
