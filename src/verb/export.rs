//! `export`: a track's fixes in the order of its plan, as a quilt series or as mails for `git am`.

use super::planned::planned;
use super::selection::Selection;
use crate::disk::Disk;
use crate::explain::refusal_error;
use crate::fix::{Fix, FixId, Meta, Payload, rfc2822};
use crate::patch::{Body, FilePatch, ParseOptions, parse, quoted};
use crate::release::{Release, variant_for};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{TreePath, read_regular};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Who shall take the fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// `quilt push -a`.
    Quilt,
    /// `git am *.patch`.
    GitAm,
}

/// What was written.
#[derive(Debug, Serialize)]
pub struct Exported {
    pub folder: PathBuf,
    /// Files in order.
    pub files: Vec<String>,
}

/// Writes the fixes of a plan into `out`, each as the bytes that it was read from.
///
/// # Errors
/// `plan-refused`, `exists`, `usage` for several tracks without a name; `bad-patch` for what the taker cannot take.
pub fn export(
    disk: &Disk,
    release: &Release,
    selection: &Selection,
    track: Option<&str>,
    taker: Taker,
    out: &Path,
) -> Result<Exported> {
    let tracks = planned(release, selection, None)?;
    let names: Vec<&str> = tracks.iter().map(|t| t.track.name.as_str()).collect();
    let wanted = match (track, names.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, _) => {
            return Err(Error::new(ErrorCode::Usage, "export", "the release has several tracks")
                .next(format!("name one with --track: {}", names.join(", "))));
        }
    };
    let chosen = tracks.iter().find(|t| t.track.name == wanted).ok_or_else(|| {
        Error::new(ErrorCode::Usage, wanted, "the release has no such track")
            .next(format!("its tracks are {}", names.join(", ")))
    })?;
    let plan = chosen.outcome.as_ref().map_err(refusal_error)?;
    if out.symlink_metadata().is_ok() {
        return Err(Error::new(ErrorCode::Exists, out.display(), "it is there already and is never overwritten")
            .next("name another folder with -o"));
    }
    let (mut files, mut series) = (Vec::new(), String::new());
    let wide = plan.order.len().to_string().len().max(4);
    for (n, id) in plan.order.iter().enumerate() {
        let Some(fix) = release.fixes.fixes.iter().find(|f| f.id == *id) else { continue };
        let Some(variant) = variant_for(fix, &chosen.track.branch, &chosen.track.platform)? else { continue };
        if let Some(m) = plan.merged.iter().find(|m| m.fix == *id) {
            let why = format!("what it does to '{}' is merged with {}", m.path, words(&m.with));
            return Err(Error::new(ErrorCode::BadPatch, id, why)
                .next("write the merged sources with 'cumulate merge', and make the patch of them"));
        }
        let (bytes, options) = original(fix, &variant.payload, &variant.file)?;
        let name = format!("{id}.patch");
        match taker {
            Taker::Quilt => {
                refuse_binary(fix, &variant.payload)?;
                refuse_turned(fix, &variant.payload)?;
                series += format!("{name} {options}").trim_end();
                series.push('\n');
                files.push((name, bytes));
            }
            Taker::GitAm if !options.is_empty() => {
                return Err(Error::new(
                    ErrorCode::BadPatch,
                    id,
                    format!("the series applies it with {options}, and 'git am' takes all patches alike"),
                )
                .next("make the patch anew with 'git format-patch', or export for quilt"));
            }
            Taker::GitAm => files.push((format!("{:0wide$}-{name}", n + 1), mail(&fix.meta, bytes))),
        }
    }
    disk.mkdir_all(out)?;
    for (name, bytes) in &files {
        disk.create_new(&out.join(name), bytes, 0o644)?;
    }
    if taker == Taker::Quilt {
        disk.create_new(&out.join("series"), series.as_bytes(), 0o644)?;
    }
    Ok(Exported { folder: out.to_path_buf(), files: files.into_iter().map(|f| f.0).collect() })
}

fn words(ids: &[FixId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The bytes of a fix's patch and the options of a series with which they say what the fix does.
fn original(fix: &Fix, payload: &Payload, file: &Path) -> Result<(Vec<u8>, String)> {
    let none = |why: &str, next: &str| Err(Error::new(ErrorCode::BadPatch, &fix.id, why).next(next));
    let Payload::Patch(wanted) = payload else {
        return none("it puts whole files, and is no patch", "leave it out with --without, or make a patch of it");
    };
    let bytes = read_regular(file)?;
    for reverse in [false, true] {
        // Levels beyond these are not seen in the wild; a name without folders, and a rename of git, read alike at several.
        let prefixed = bytes.split(|b| *b == b'\n').any(|l| l.starts_with(b"diff --git a/"));
        for strip in if prefixed { [1, 0, 2, 3, 4] } else { [0, 1, 2, 3, 4] } {
            let options = ParseOptions { strip, reverse, ..ParseOptions::default() };
            if parse(&bytes, &options).is_ok_and(|found| found == **wanted) {
                let level = if strip == 1 { String::new() } else { format!("-p{strip}") };
                let said = [level, if reverse { "-R".to_owned() } else { String::new() }];
                return Ok((bytes, said.join(" ").trim().to_owned()));
            }
        }
    }
    none("it is made of several patch files", "put them into one file, one mail after the other")
}

/// GNU patch, which quilt calls, knows no binary patches.
fn refuse_binary(fix: &Fix, payload: &Payload) -> Result<()> {
    let Payload::Patch(files) = payload else { return Ok(()) };
    let binary = |f: &&FilePatch| matches!(f.body, Body::Binary(_));
    match files.iter().find(binary).and_then(|f| f.new.as_ref().or(f.old.as_ref())) {
        Some(path) => Err(Error::new(ErrorCode::BadPatch, &fix.id, format!("its change of '{path}' is binary"))
            .next("export for git am, which takes binary patches")),
        None => Ok(()),
    }
}

/// GNU patch makes no folder of a file, and no file of a folder, within one patch.
fn refuse_turned(fix: &Fix, payload: &Payload) -> Result<()> {
    let Payload::Patch(files) = payload else { return Ok(()) };
    let gone: BTreeSet<&TreePath> =
        files.iter().filter(|f| f.new.is_none() || f.rename).filter_map(|f| f.old.as_ref()).collect();
    let made: BTreeSet<&TreePath> = files.iter().filter(|f| f.old != f.new).filter_map(|f| f.new.as_ref()).collect();
    let turned = |to: &BTreeSet<&TreePath>, below: &BTreeSet<&TreePath>| {
        below.iter().flat_map(|path| path.ancestors()).find(|above| to.contains(above))
    };
    let what = match (turned(&gone, &made), turned(&made, &gone)) {
        (Some(path), _) => format!("it makes a folder of the file '{path}'"),
        (None, Some(path)) => format!("it makes a file of the folder '{path}'"),
        (None, None) => return Ok(()),
    };
    Err(Error::new(ErrorCode::BadPatch, &fix.id, what + ", which quilt cannot do in one patch")
        .next("export for git am, which can; or make two fixes of it"))
}

/// A patch as a mail: as it is where it is one, else below a header made of what is known.
fn mail(meta: &Meta, bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(b"From ") {
        return bytes;
    }
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let author = if meta.author.contains('<') { line(&meta.author) } else { "unknown <unknown@localhost>".to_owned() };
    // `git am` takes no mail without a time.
    let date = rfc2822(&meta.date).unwrap_or_else(|| "Thu, 1 Jan 1970 00:00:00 +0000".to_owned());
    let mut said = String::new();
    let out = format!(
        "From {} Mon Sep 17 00:00:00 2001\nFrom: {author}\nDate: {date}\nSubject: [PATCH] {}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n",
        if meta.commit.len() == 40 { meta.commit.as_str() } else { "0000000000000000000000000000000000000000" },
        line(&meta.title)
    );
    meta.description.lines().for_each(|l| said += &format!("{l}\n"));
    let mut all = out.into_bytes();
    all.extend(quoted(said.as_bytes()));
    all.extend_from_slice(b"---\n\n");
    all.extend_from_slice(below_header(&bytes));
    all
}

/// From the first line that begins a diff.
fn below_header(bytes: &[u8]) -> &[u8] {
    let mut at = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let begins = |w: &[u8]| line.starts_with(w);
        if begins(b"diff --git ") || begins(b"--- ") && line.len() > 5 {
            return &bytes[at..];
        }
        at += line.len();
    }
    bytes
}
