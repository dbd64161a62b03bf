//! `plan` in its forms, and the selection that `build` takes too.

use super::making::source_date_epoch;
use super::out::{findings, json, print};
use super::plan_args::{Plan, PlanFormat, Selection as SelectionArgs};
use super::render::safe;
use super::using::now;
use crate::disk::Disk;
use crate::explain;
use crate::fix::FixId;
use crate::release::{self, Day, Release};
use crate::report::{Error, ErrorCode, Level, Result};
use crate::route::Memo;
use crate::trust::show_time;
use crate::verb::{self, Pick, PlannedTrack, Selection};

/// # Errors
/// `usage` for a word that selects nothing that there is.
pub fn selection(args: &SelectionArgs) -> Result<Selection> {
    let picks = |words: &[String]| words.iter().map(|w| Pick::parse(w)).collect::<Result<Vec<_>>>();
    Ok(Selection { only: picks(&args.only)?, without: picks(&args.without)?, minimal: args.minimal, today: today()? })
}

/// # Errors
/// `usage` for a `SOURCE_DATE_EPOCH` that is no time.
pub(super) fn today() -> Result<Option<Day>> {
    // A build that states its time is the same on every day.
    let now = source_date_epoch()?.unwrap_or_else(now);
    Ok(show_time(now).get(..10).map(|d| Day(d.to_owned())))
}

pub fn plan(a: &Plan) -> Result<u8> {
    let format = a.format;
    if let [needed, fix] = a.explain.as_slice() {
        return explain(a, needed, fix);
    }
    if a.matrix && !matches!(format, PlanFormat::Text | PlanFormat::Json) {
        return Err(Error::new(ErrorCode::Usage, "--matrix", "a graph has no place for the matrix")
            .next("leave --matrix out, or take --format text or json"));
    }
    let view = with_memory(a, |release, tracks| verb::plan_view(release, tracks, a.matrix))?;
    match format {
        PlanFormat::Json => json("plan", &view)?,
        PlanFormat::Dot => print(&explain::dot(&view))?,
        PlanFormat::Mermaid => print(&explain::mermaid(&view))?,
        PlanFormat::Svg => print(&explain::svg(&view))?,
        PlanFormat::Html => print(&explain::html(&view))?,
        PlanFormat::Sarif => {
            let text = serde_json::to_string_pretty(&explain::sarif(&view));
            print(&(text.map_err(|e| Error::new(ErrorCode::Internal, "sarif", e))? + "\n"))?;
        }
        PlanFormat::Text => {
            print(&explain::text(&view))?;
            print(&findings(&view.all_findings()))?;
        }
    }
    let denied = view.refused() || view.all_findings().iter().any(|f| f.level == Level::Deny);
    std::mem::forget(view);
    Ok(u8::from(denied))
}

/// Makes something of a release with what is remembered; where a patch that was relied on is another one meanwhile, without.
fn with_memory<T>(a: &Plan, make: impl Fn(&Release, &[PlannedTrack<'_>]) -> Result<T>) -> Result<T> {
    let disk = Disk::scratch();
    let once = |memo: Option<&Memo<'_>>| -> Result<Option<T>> {
        let release = verb::release_for_plan(&a.dir, memo)?;
        let tracks = verb::planned(&release, &selection(&a.selection)?, memo)?;
        let made = make(&release, &tracks);
        let changed = release.fixes.changed();
        // The process ends soon: to give back the memory of thousands of fixes piece by piece only takes time.
        std::mem::forget(tracks);
        std::mem::forget(release);
        if changed { Ok(None) } else { made.map(Some) }
    };
    let made = match once(memo(a, &disk).as_ref())? {
        Some(made) => Some(made),
        None => once(None)?,
    };
    made.ok_or_else(|| Error::new(ErrorCode::Internal, "plan", "what was read without a memory changed"))
}

/// What is remembered needs not survive a power cut.
fn memo<'d>(a: &Plan, disk: &'d Disk) -> Option<Memo<'d>> {
    a.cache.folder(&release::folder(&a.dir)).map(|dir| Memo { dir, disk })
}

fn explain(a: &Plan, needed: &str, fix: &str) -> Result<u8> {
    let format = a.format;
    if !matches!(format, PlanFormat::Text | PlanFormat::Json) {
        return Err(Error::new(ErrorCode::Usage, "--explain", "an explanation is text or json")
            .next("leave --format out, or take --format json"));
    }
    let (needed, fix) = (FixId(needed.to_owned()), FixId(fix.to_owned()));
    let said = with_memory(a, |release, tracks| verb::explanation(release, tracks, &needed, &fix))?;
    if format == PlanFormat::Json {
        json("plan-explain", &said)?;
        return Ok(0);
    }
    let mut text = String::new();
    for (id, by) in &said.realised_by {
        text += &format!("{} is realised by {}, as a whole\n", safe(id), safe(by));
    }
    for t in &said.tracks {
        if said.tracks.len() > 1 {
            text += &format!("track {}\n", safe(&t.track));
        }
        explain::why_text(t, &mut text);
    }
    print(&text)?;
    Ok(0)
}
