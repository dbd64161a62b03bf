//! `import` and `export`: fixes from and to other tools.

use super::out::{Out, done, findings};
use super::plan_args::{ExportArgs, Import};
use super::planning::selection;
use super::render::{count, safe};
use crate::disk::Disk;
use crate::release;
use crate::report::Result;
use crate::verb::{self, Taker};

pub fn import(command: &Import) -> Result<u8> {
    let disk = Disk::real();
    let (made, format) = match command {
        Import::Git { range, repo, output, out } => (verb::import_git(&disk, repo, range, output)?, out.format),
        Import::Quilt { dir, output, out } => (verb::import_quilt(&disk, dir, output)?, out.format),
    };
    Out::new(format).result("import", &made, |m| {
        let mut text = findings(&m.findings);
        text += &done(format!("{}: {}", m.fixes.display(), count(m.ids.len(), "fix", "fixes")));
        if !m.merges.is_empty() {
            text += &format!("  merges, each one fix with all that it brought: {}\n", safe(&m.merges.join(" ")));
        }
        if !m.empty.is_empty() {
            text += &format!("  left out, because they change nothing: {}\n", safe(&m.empty.join(" ")));
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
            Taker::GitAm => format!("git am {}/*.patch", m.folder.display()),
        };
        done(format!("{}: {}", m.folder.display(), count(m.files.len(), "patch", "patches")))
            + &format!("Next: {next}\n")
    })?;
    Ok(0)
}
