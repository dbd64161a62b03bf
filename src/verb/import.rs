//! `import`: a range of a git history, or a quilt series, as a folder of fixes with its series.

use crate::disk::Disk;
use crate::fix::read_fixes;
use crate::patch::{ParseOptions, parse, quoted};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// Commits of one import at most: a mistyped range must not write a whole history.
const MOST: usize = 20_000;

/// What was written.
#[derive(Debug, Serialize)]
pub struct Imported {
    pub fixes: PathBuf,
    /// Ids in the order of the series.
    pub ids: Vec<String>,
    /// Merges that became one fix each, with everything that they brought.
    pub merges: Vec<String>,
    /// Commits that change nothing, and so are no fix.
    pub empty: Vec<String>,
    /// Commits that the folder had already, where it was added to.
    pub present: Vec<String>,
    pub findings: Vec<Finding>,
}

/// Writes one fix per commit of `range` on its first-parent line into `out`, named by the commit's first 12 digits.
///
/// `append`: behind the series that is there, without the commits that it has.
///
/// # Errors
/// `usage` for a range that git does not know or that has no beginning; `exists` if `out` has fixes and they are not
/// added to; `bad-source` where git fails.
pub fn import_git(disk: &Disk, repo: &Path, range: &str, out: &Path, append: bool) -> Result<Imported> {
    // A single name means all of the history up to it.
    if range.starts_with('-') || !range.contains("..") || range.contains("...") {
        return Err(Error::new(ErrorCode::Usage, range, "this is no range of commits").next("say FROM..TO"));
    }
    let listed = git(repo, &["rev-list", "--reverse", "--first-parent", "--parents", "--end-of-options", range, "--"])
        .map_err(|e| Error { code: ErrorCode::Usage, ..e }.next("say FROM..TO, with names that this repository has"))?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let commits: Vec<Vec<&str>> = listed.lines().map(|l| l.split(' ').collect()).collect();
    // With nothing to add there is nothing wrong: what came since the last time may be nothing.
    if commits.is_empty() && !append || commits.len() > MOST {
        let what = format!("the range has {} commits; from 1 to {MOST} can be taken", commits.len());
        let next = "say FROM..TO: what is there already, and up to what; --append takes ranges with nothing new";
        return Err(Error::new(ErrorCode::Usage, range, what).next(next));
    }
    let mut made = Imported {
        fixes: out.to_path_buf(),
        ids: vec![],
        merges: vec![],
        empty: vec![],
        present: vec![],
        findings: vec![],
    };
    let series = series_of(out, append)?;
    let listed_already: BTreeSet<&str> = series.lines().filter_map(|l| l.split_whitespace().next()).collect();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for line in &commits {
        let [commit, parents @ ..] = line.as_slice() else { continue };
        let id = commit.get(..12).unwrap_or(commit).to_owned();
        if listed_already.contains(format!("{id}.patch").as_str()) {
            made.present.push(id);
            continue;
        }
        let diff = diff_of(repo, commit, parents.first().copied())?;
        if diff.is_empty() {
            made.empty.push(id);
            continue;
        }
        let mut mail = head_of(repo, commit)?;
        mail.extend(diff);
        readable(&mail, &id, commit)?;
        files.push((format!("{id}.patch"), mail));
        if parents.len() > 1 {
            made.merges.push(id.clone());
        }
        made.ids.push(id);
    }
    let series = files.iter().fold(series.clone(), |all, (name, _)| all + name + "\n");
    if !files.is_empty() {
        write(disk, out, files, &series)?;
        made.findings = read_fixes(out)?.findings;
    }
    made.findings.extend(diverges(repo, range)?);
    Ok(made)
}

/// Refuses what could not be read back as a fix, before anything is written.
fn readable(mail: &[u8], id: &str, commit: &str) -> Result<()> {
    parse(mail, &ParseOptions::default()).map(|_| ()).map_err(|e| {
        Error::new(ErrorCode::BadPatch, id, format!("commit {commit} cannot be a fix: {}", e.reason)).next(format!(
            "import the commits before it (FROM..{commit}^) and, with --append, those behind it ({commit}..TO), without what is named"
        ))
    })
}

/// Where the beginning of a range is no ancestor of its end, the commits start from where the two parted.
fn diverges(repo: &Path, range: &str) -> Result<Option<Finding>> {
    let (from, to) = range.split_once("..").unwrap_or((range, ""));
    let name = |end: &str| if end.is_empty() { "HEAD".to_owned() } else { end.to_owned() };
    let commit = |end: &str| -> Result<String> {
        let found = git(repo, &["rev-parse", "--verify", "--end-of-options", &format!("{}^{{commit}}", name(end))])?;
        Ok(String::from_utf8_lossy(&found).trim().to_owned())
    };
    let (first, last) = (commit(from)?, commit(to)?);
    let Ok(parted) = git(repo, &["merge-base", &first, &last]) else {
        let what = format!("{} and {} have no common history", name(from), name(to));
        return Ok(Some(Finding::new(Code::RangeDiverges, range, what).next("check the names of the range")));
    };
    let parted = String::from_utf8_lossy(&parted).trim().to_owned();
    let what = || {
        format!("{} is no ancestor of {}: these fixes start from {parted}, where the two parted", name(from), name(to))
    };
    let next =
        || format!("take that commit as the base: git archive {parted}; or rebase the commits onto {}", name(from));
    Ok((parted != first).then(|| Finding::new(Code::RangeDiverges, range, what()).next(next())))
}

/// What a commit changes against its first parent; the whole tree for one without parents.
fn diff_of(repo: &Path, commit: &str, parent: Option<&str>) -> Result<Vec<u8>> {
    let shape = ["--binary", "--full-index", "-M", "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative"];
    let names = ["--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=none", "--submodule=short"];
    let mut args = vec!["diff-tree", "-p", "-r", "--no-commit-id"];
    args.extend(shape);
    args.extend(names);
    match parent {
        Some(parent) => args.extend([parent, commit]),
        None => args.extend(["--root", commit]),
    }
    git(repo, &args)
}

/// The mail's header and the commit's message, as `git am` reads them.
fn head_of(repo: &Path, commit: &str) -> Result<Vec<u8>> {
    let format = "--format=From %H Mon Sep 17 00:00:00 2001%nFrom: %an <%ae>%nDate: %ad%nSubject: [PATCH] %s%nMIME-Version: 1.0%nContent-Type: text/plain; charset=UTF-8%nContent-Transfer-Encoding: 8bit%n%n%b";
    let shown = git(repo, &["show", "-s", "--date=rfc2822", "--encoding=UTF-8", "--no-color", format, commit])?;
    let end = shown.windows(2).position(|w| w == b"\n\n").map_or(shown.len(), |at| at + 2);
    let (head, message) = shown.split_at(end);
    let mut text = head.to_vec();
    // A diff that the message only talks about is no change of this commit.
    text.extend(quoted(message));
    text.truncate(text.trim_ascii_end().len());
    text.extend(b"\n---\n\n");
    Ok(text)
}

/// Runs git without what a user's settings could change.
fn git(repo: &Path, args: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new("git");
    command.arg("-C").arg(repo).args(["-c", "core.quotePath=true", "-c", "log.showSignature=false"]).args(args);
    let out = command.env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C").output().map_err(|e| {
        Error::new(ErrorCode::BadSource, "git", e).next("install git, so that its repositories can be read")
    })?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        let said = said.lines().next().unwrap_or("git failed").to_owned();
        return Err(Error::new(ErrorCode::BadSource, repo.display(), said).next("check the repository and the range"));
    }
    Ok(out.stdout)
}

/// Copies the series of a Debian source tree, or of quilt, into `out`; patches without an ending get `.patch`.
///
/// # Errors
/// `bad-source` where there is no series or it names what is not there; `exists` if `out` has a series.
pub fn import_quilt(disk: &Disk, dir: &Path, out: &Path) -> Result<Imported> {
    let places = ["debian/patches", "patches", "."];
    let from = places.iter().map(|p| dir.join(p)).find(|p| p.join("series").is_file()).ok_or_else(|| {
        Error::new(ErrorCode::BadSource, dir.display(), "there is no debian/patches/series, patches/series or series")
            .next("name the folder of the sources")
    })?;
    let text = read(&from.join("series"))?;
    let text = String::from_utf8(text).map_err(|_| {
        Error::new(ErrorCode::BadSource, from.join("series").display(), "the series is not UTF-8").next("rename")
    })?;
    let (mut files, mut series, mut seen) = (Vec::new(), series_of(out, false)?, BTreeSet::new());
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, options) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let inside = Path::new(name).components().all(|c| matches!(c, Component::Normal(_)));
        if !inside {
            return Err(Error::new(ErrorCode::BadPath, name, "the series names a path outside its folder")
                .next("correct the series"));
        }
        let ours =
            if name.ends_with(".patch") || name.ends_with(".diff") { name.to_owned() } else { format!("{name}.patch") };
        if !seen.insert(ours.clone()) {
            return Err(Error::new(ErrorCode::BadSource, name, "the series names it twice").next("take one line out"));
        }
        files.push((ours.clone(), read(&from.join(name))?));
        series += format!("{ours} {}", options.trim()).trim_end();
        series.push('\n');
    }
    write(disk, out, files, &series)?;
    let set = read_fixes(out)?;
    let ids = set.series.unwrap_or_default().into_iter().map(|id| id.0).collect();
    Ok(Imported {
        fixes: out.to_path_buf(),
        ids,
        merges: vec![],
        empty: vec![],
        present: vec![],
        findings: set.findings,
    })
}

fn read(file: &Path) -> Result<Vec<u8>> {
    crate::tree::read_regular(file)
}

/// What a series has to begin with: nothing, or the lines that are there and are added to.
fn series_of(out: &Path, append: bool) -> Result<String> {
    let listed = out.join("series");
    if listed.symlink_metadata().is_ok() {
        if !append {
            return Err(Error::new(
                ErrorCode::Exists,
                listed.display(),
                "it is there already and is never overwritten",
            )
            .next("name another folder with -o, or, for commits, add to this one with --append"));
        }
        let text = String::from_utf8(read(&listed)?).map_err(|_| {
            Error::new(ErrorCode::BadPath, listed.display(), "the series is not UTF-8")
                .next("rename the fixes it names")
        })?;
        return Ok(if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" });
    }
    if out.is_dir() && !read_fixes(out)?.fixes.is_empty() {
        return Err(Error::new(ErrorCode::Exists, out.display(), "it has fixes and no series that says their order")
            .next("write them into fixes/series in their order, then use --append; or name another folder with -o"));
    }
    Ok(String::new())
}

/// Writes the fixes and, last, their series, so that a series never names what is not there.
fn write(disk: &Disk, out: &Path, files: Vec<(String, Vec<u8>)>, series: &str) -> Result<()> {
    disk.mkdir_all(out)?;
    for (name, bytes) in files {
        let file = out.join(&name);
        if let Some(folder) = file.parent() {
            disk.mkdir_all(folder)?;
        }
        // An import that was interrupted may have left it.
        if std::fs::read(&file).is_ok_and(|there| there == bytes) {
            continue;
        }
        disk.create_new(&file, &bytes, 0o644)?;
    }
    disk.write_atomic(&out.join("series"), series.as_bytes(), 0o644)
}
