//! `base add`: one more supported version in `cumulate.toml`.

use super::lay::{lay, lay_over};
use crate::bundle::{self, Action, Bundle};
use crate::disk::Disk;
use crate::fix::read_fixes;
use crate::install::{Release as Installable, Route};
use crate::release::{BaseConfig, Config};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::{Digest, Entry, Source, SourceOptions, Tree, read_source};
use crate::trust::Policy;
use serde::Serialize;
use std::path::{Component, Path, PathBuf};

/// What was recorded.
#[derive(Debug, Serialize)]
pub struct BaseAdded {
    pub version: String,
    pub source: PathBuf,
    pub tree: Digest,
    pub files: usize,
    pub bytes: u64,
    /// The base that a bundle's target was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_from: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// What is to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct NewBase<'a> {
    pub version: &'a str,
    /// A folder, an archive or a bundle.
    pub from: &'a Path,
    pub track: Option<&'a str>,
    /// Whether it may take the place of the base of this version and track.
    pub replace: bool,
}

/// Records a folder, an archive, or a bundle's target as a base. A bundle holds deltas only, so its target
/// is made in `bases/VERSION` from a base of this release that the bundle knows; `policy` says at which time whose
/// signatures it needs.
///
/// # Errors
/// `config` if the version is there already, `usage` where one of several tracks has to be named, `no-base` if no base of the release fits the bundle, `exists`; as
/// [`bundle::Unverified::verify`] with a policy, `usage` where there is nothing signed to hold it against.
pub fn base_add(disk: &Disk, dir: &Path, new: &NewBase<'_>, policy: Option<(&Policy, u64)>) -> Result<BaseAdded> {
    let NewBase { version, from, track, replace } = *new;
    let file = dir.join("cumulate.toml");
    let mut config = Config::read(&file)?;
    let same = |b: &BaseConfig| b.version == version && b.track.as_deref() == track;
    if !replace && config.bases.iter().any(same) {
        return Err(Error::new(ErrorCode::Config, version, "the release has this base already")
            .next("say --replace, or choose another version"));
    }
    config.bases.retain(|b| !same(b));
    if track.is_none() && config.tracks.len() > 1 {
        let names: Vec<&str> = config.tracks.iter().map(|t| t.name.as_str()).collect();
        return Err(Error::new(
            ErrorCode::Usage,
            version,
            "the release has several tracks, and a base is on one of them",
        )
        .next(format!("name it with --track: {}", names.join(", "))));
    }
    let mut findings = Vec::new();
    let mut strip = None;
    let (source, tree, made_from) = if is_bundle(from) {
        let bundle = believe(from, policy, &mut findings)?;
        let (made, name) = target_of(dir, &config, from, &bundle, track)?;
        let place = PathBuf::from("bases").join(version);
        let lay = if replace { lay_over } else { lay };
        lay(disk, &dir.join(&place), &made)?;
        (place, made.tree, Some(name))
    } else if policy.is_some() {
        return Err(Error::new(ErrorCode::Usage, from.display(), "this is no bundle, so nothing of it is signed")
            .next("leave --pub and --policy out, or name the bundle"));
    } else {
        let (release, named) = (real(dir)?, real(from)?);
        if release.starts_with(&named) {
            return Err(Error::new(
                ErrorCode::Usage,
                from.display(),
                "the release folder lies in it, which changes with every command: that is no released version",
            )
            .next("name the folder or archive of the version as it was shipped"));
        }
        let options = SourceOptions { version: Some(version), ..SourceOptions::default() };
        let tree = read_source(from, &options)?.tree;
        if tree.is_empty() {
            return Err(Error::new(ErrorCode::Usage, from.display(), "there is no file in it: that is no version")
                .next("name the folder or archive of the version as it was shipped"));
        }
        let place = relative(dir, from)?;
        match one_folder(dir, &config, &tree) {
            Some(Folder { name, drop: true }) if from.is_file() => {
                let options = SourceOptions { strip: Some(1), ..options };
                strip = Some(1);
                let what =
                    format!("everything in it lies below '{name}', which the fixes do not name: strip = 1 drops it");
                findings.push(
                    Finding::new(Code::OneFolder, version, what)
                        .next("take the line out of its [[base]] if installations have that folder"),
                );
                (place, read_source(from, &options)?.tree, None)
            }
            Some(Folder { name, drop }) => {
                let what = format!("everything in it lies below '{name}'");
                let fits = if drop { "the fixes do not name it" } else { "fixes may name paths without it" };
                let next = if from.is_file() {
                    format!(
                        "where {fits}: add strip = 1 to its [[base]] and take 'tree' out, or record it again with --replace once the fixes are there"
                    )
                } else {
                    format!("where {fits}: record '{}' with --replace", from.join(&name).display())
                };
                findings.push(Finding::new(Code::OneFolder, version, what).next(next));
                (place, tree, None)
            }
            None => (place, tree, None),
        }
    };
    findings.iter_mut().for_each(|f| f.level = config.level(f.code));
    let digest = tree.digest();
    let old = std::fs::read_to_string(&file).map_err(|e| Error::io(file.display(), &e))?;
    let kept = if replace { without(&old, version, track) } else { old };
    let text = kept.trim_end().to_owned() + &entry(version, &source, track, strip, &digest)?;
    Config::parse(&text, &file.display().to_string())?;
    disk.write_atomic(&file, text.as_bytes(), 0o644)?;
    Ok(BaseAdded {
        version: version.into(),
        source,
        tree: digest,
        files: tree.len(),
        bytes: tree.bytes(),
        made_from,
        findings,
    })
}

/// The configuration without the `[[base]]` of this version and track; comments behind it stay.
fn without(text: &str, version: &str, track: Option<&str>) -> String {
    let mut starts = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('[') && at > 0 {
            starts.push(at);
        }
        at += line.len();
    }
    starts.push(text.len());
    let mut out = String::new();
    for part in starts.windows(2).map(|w| &text[w[0]..w[1]]) {
        let is = |t: &toml::Table| {
            let base = t.get("base").and_then(|b| b.as_array()).and_then(|b| b.first()).and_then(|b| b.as_table());
            let word = |name: &str| base.and_then(|b| b.get(name)).and_then(|v| v.as_str());
            word("version") == Some(version) && word("track") == track
        };
        if !part.parse::<toml::Table>().is_ok_and(|t| is(&t)) {
            out += part;
            continue;
        }
        let mut rest = part.split_inclusive('\n').collect::<Vec<_>>();
        let said = |l: &&str| !l.trim().is_empty() && !l.trim_start().starts_with('#');
        let end = rest.iter().rposition(said).map_or(0, |n| n + 1);
        out.extend(rest.drain(end..));
    }
    out
}

fn entry(version: &str, source: &Path, track: Option<&str>, strip: Option<u32>, tree: &Digest) -> Result<String> {
    let source =
        source.to_str().ok_or_else(|| Error::new(ErrorCode::BadPath, source.display(), "the path is not UTF-8"))?;
    let string = |s: &str| toml::Value::String(s.into()).to_string();
    let mut text = format!("\n\n[[base]]\nversion = {}\nsource = {}\n", string(version), string(source));
    if let Some(track) = track {
        text += &format!("track = {}\n", string(track));
    }
    if let Some(strip) = strip {
        text += &format!("strip = {strip}\n");
    }
    Ok(text + &format!("tree = \"{tree}\"\n"))
}

/// The one folder in which a version has everything; `drop` where the fixes of the release name its files without it.
struct Folder {
    name: String,
    drop: bool,
}

/// None where there is no such folder, or the fixes or another base have it too.
fn one_folder(dir: &Path, config: &Config, tree: &Tree) -> Option<Folder> {
    let name = tree.entries.keys().next()?.as_str().split_once('/')?.0;
    let inside = |p: &str| p.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    if !tree.entries.keys().all(|p| inside(p.as_str())) {
        return None;
    }
    // What other bases begin with is what installations have.
    let has = |b: &BaseConfig| {
        let options = SourceOptions { strip: b.strip, version: Some(&b.version), ..SourceOptions::default() };
        let other = read_source(&dir.join(b.shipped.as_ref().unwrap_or(&b.source)), &options).ok();
        other.is_some_and(|o| o.tree.entries.keys().any(|p| inside(p.as_str())))
    };
    let fixes = read_fixes(&dir.join(config.release.fixes.as_deref().unwrap_or(Path::new("fixes")))).ok();
    let payloads = fixes.iter().flat_map(|s| &s.fixes).flat_map(|f| &f.variants).map(|v| &v.payload);
    let named: Vec<String> = payloads.flat_map(|p| p.paths()).map(ToString::to_string).collect();
    if named.iter().any(|p| inside(p)) || config.bases.iter().any(has) {
        return None;
    }
    let drop = named.iter().any(|p| tree.entries.contains_key(format!("{name}/{p}").as_str()));
    Some(Folder { name: name.to_owned(), drop })
}

/// A bundle file begins with its OCI layout, a layout folder has one.
fn is_bundle(path: &Path) -> bool {
    if path.is_dir() {
        return path.join("oci-layout").is_file() && path.join("index.json").is_file();
    }
    let mut start = [0; 10];
    crate::tree::open_regular(path).is_ok_and(|mut f| std::io::Read::read_exact(&mut f, &mut start).is_ok())
        && start == *b"oci-layout"
}

/// What becomes a base is old by nature: its best-before is no matter, its signatures are.
fn believe(path: &Path, policy: Option<(&Policy, u64)>, findings: &mut Vec<Finding>) -> Result<Bundle> {
    let opened = bundle::open(path)?.accept_stale();
    match policy {
        Some((policy, now)) => opened.verify(policy, now),
        None => {
            let what = "its target is a base now, and nobody checked who signed it";
            findings.push(
                Finding::new(Code::UnsignedBundle, path.display(), what)
                    .next("add it again with --replace and --pub or --policy"),
            );
            opened.accept_unsigned()
        }
    }
}

/// The target of a bundle, made in memory from the first base of the release that holds all of one that the bundle
/// knows: volatile and site files of a base's folder are no part of what the bundle lists.
fn target_of(
    dir: &Path,
    config: &Config,
    path: &Path,
    bundle: &Bundle,
    track: Option<&str>,
) -> Result<(Source, String)> {
    let release = Installable::of(bundle)?;
    let several = bundle.root().tracks.len() > 1;
    let routes = || release.routes.iter().filter(|r| !several || track.is_none_or(|t| t == r.track));
    for base in &config.bases {
        let options = SourceOptions { strip: base.strip, version: Some(&base.version), ..SourceOptions::default() };
        let source = read_source(&dir.join(base.shipped.as_ref().unwrap_or(&base.source)), &options)?;
        let holds = |r: &&Route| {
            let mut listed = r.before.clone();
            listed.complete(|p| source.tree.get(p));
            listed.digest() == r.from && listed.entries.iter().all(|(p, e)| source.tree.get(p) == Some(e))
        };
        if let Some(route) = routes().find(holds) {
            return Ok((rebuild(bundle, &release, &route.name, &source)?, route.name.clone()));
        }
    }
    let names: Vec<&str> = routes().map(|r| r.name.as_str()).collect();
    Err(Error::new(
        ErrorCode::NoBase,
        path.display(),
        "a bundle holds deltas only, and no base of this release is one that they start from",
    )
    .next(format!("add one of {} first, or add the installed folder itself", names.join(", "))))
}

fn rebuild(bundle: &Bundle, release: &Installable<'_>, name: &str, base: &Source) -> Result<Source> {
    let gone = || Error::new(ErrorCode::Internal, name, "a route is missing");
    let (index, route) = release.routes.iter().enumerate().find(|(_, r)| r.name == name).ok_or_else(gone)?;
    let mut made = Source { tree: Tree::clone(&route.after), store: base.store.clone() };
    made.tree.complete(|p| base.tree.get(p));
    if made.tree.digest() != route.to {
        return Err(Error::new(ErrorCode::BadBundle, name, "its steps do not lead to the target that it states")
            .next("get the bundle again from where it was published"));
    }
    for step in &bundle.steps(name)?.steps {
        let (from, at) = match &step.action {
            Action::Delta { from, at, .. } => (base.tree.get(from).and_then(Entry::digest), at),
            Action::Full { at } => (None, at),
            _ => continue,
        };
        let old = from.map(|d| base.store.get(&d)).transpose()?;
        let size = step.after.as_ref().map_or(0, Entry::size);
        let new = release.decoded(index, *at, old.as_deref().unwrap_or_default(), size)?;
        if Some(made.store.put(new)) != step.after.as_ref().and_then(Entry::digest) {
            return Err(Error::new(ErrorCode::BadBundle, &step.path, "a delta does not make what the bundle promises"));
        }
    }
    Ok(made)
}

/// The source as seen from the release folder, where it lies below it or beside it; else absolute.
fn relative(dir: &Path, from: &Path) -> Result<PathBuf> {
    let (dir, from) = (real(dir)?, real(from)?);
    if let Ok(inside) = from.strip_prefix(&dir) {
        return Ok(inside.to_path_buf());
    }
    match dir.parent().filter(|p| p.components().any(|c| matches!(c, Component::Normal(_)))) {
        Some(parent) if from.starts_with(parent) => {
            Ok(Path::new("..").join(from.strip_prefix(parent).unwrap_or(&from)))
        }
        _ => Ok(from),
    }
}

fn real(p: &Path) -> Result<PathBuf> {
    let p = if p.as_os_str().is_empty() { Path::new(".") } else { p };
    p.canonicalize().map_err(|e| Error::io(p.display(), &e))
}
