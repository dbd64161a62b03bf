//! `import` and `export`: fixes from and to other tools.

use super::out::{Out, done, findings};
use super::plan_args::{ExportArgs, Import};
use super::planning::selection;
use super::render::{count, safe};
use crate::disk::Disk;
use crate::release;
use crate::report::Result;
use crate::verb::{self, ImportedTree, Taker};

pub fn import(command: &Import) -> Result<u8> {
    let disk = Disk::real();
    let (made, format) = match command {
        Import::Git { range, repo, output, append, out } => {
            (verb::import_git(&disk, repo, range, output, *append)?, out.format)
        }
        Import::Dir { old, new, id, output, out } => {
            let made = verb::import_dir(&disk, old, new, id, output)?;
            return tree(&made, Out::new(out.format));
        }
        Import::Quilt { dir, output, out } => (verb::import_quilt(&disk, dir, output)?, out.format),
    };
    Out::new(format).result("import", &made, |m| {
        let mut text = findings(&m.findings);
        let made = match m.ids.len() {
            0 => "nothing new".to_owned(),
            n => count(n, "fix", "fixes"),
        };
        text += &done(format!("{}: {made}", m.fixes.display()));
        if !m.merges.is_empty() {
            text += &format!("  merges, each one fix with all that it brought: {}\n", safe(&m.merges.join(" ")));
        }
        if !m.present.is_empty() {
            text += &format!("  there already: {}\n", count(m.present.len(), "commit", "commits"));
        }
        if !m.empty.is_empty() {
            text += &format!("  left out, because they change nothing: {}\n", safe(&m.empty.join(" ")));
        }
        text
    })?;
    Ok(0)
}

fn tree(made: &ImportedTree, out: Out) -> Result<u8> {
    out.result("import", made, |m| {
        let mut text = done(format!(
            "{}: {} put ({} of them replaced), {} deleted",
            m.fix.display(),
            count(m.put, "path", "paths"),
            m.replaced,
            m.deleted
        ));
        for folder in &m.empty_folders {
            text += &format!("  not taken: the empty folder '{}'\n", safe(folder.as_str()));
        }
        if m.series {
            text += &format!("Next: write {} where it belongs in the series\n", safe(&m.id));
        }
        text
    })?;
    Ok(0)
}

pub fn export(a: &ExportArgs, taker: Taker) -> Result<u8> {
    let release = release::load(&a.dir)?;
    let chosen = selection(&a.selection)?;
    let made = verb::export(&Disk::real(), &release, &chosen, a.track.as_deref(), taker, &a.output)?;
    Out::new(a.out.format).result("export", &made, |m| {
        let next = match taker {
            Taker::Quilt => format!("QUILT_PATCHES={} quilt push -a --fuzz=0", m.folder.display()),
            Taker::GitAm => format!("git am --keep-cr {}/*.patch", m.folder.display()),
        };
        done(format!("{}: {}", m.folder.display(), count(m.files.len(), "patch", "patches")))
            + &format!("Next: {next}\n")
    })?;
    Ok(0)
}
