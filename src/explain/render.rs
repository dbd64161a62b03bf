//! A plan as text.

use super::beside;
use super::unsat::{CoreView, some_fall_short, ways};
use super::view::{ClassView, PlanView, TrackView};
use crate::report::safe;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The order with every edge below the fix that has it.
pub fn text(view: &PlanView) -> String {
    let mut out = format!("{} {}\n", safe(&view.component), safe(&view.version));
    for track in view.tracks() {
        if !view.more.is_empty() {
            let _ = writeln!(out, "\ntrack {}", safe(&track.track));
        }
        one(track, &mut out);
    }
    if !view.matrix.is_empty() {
        matrix(view, &mut out);
    }
    out
}

fn one(track: &TrackView, out: &mut String) {
    if track.refused {
        let head = if track.cores.is_empty() { "there is no plan; the findings say why" } else { "there is no plan:" };
        let _ = writeln!(out, "{head}");
        let tell = some_fall_short(&track.cores);
        track.cores.iter().for_each(|c| core(c, tell, out));
        if let Some(text) = ways(&track.ways).filter(|_| tell) {
            let _ = writeln!(out, "\n  {}", safe(&text));
        }
        if let Some(text) = uncut(track) {
            let _ = writeln!(out, "\n  {}", safe(&text));
        }
        track.beside.iter().for_each(|b| beside::text(b, out));
        for c in &track.classes {
            let _ = writeln!(out, "  {}: {}", safe(&c.fix), safe(&c.text));
            class_parts(c, out);
        }
        return;
    }
    let count = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let (fixes, edges) = (track.order.len(), track.edges.len());
    let _ = writeln!(out, "{} in order, {}\n", count(fixes, "fix", "fixes"), count(edges, "edge", "edges"));
    let edges = by(&track.edges, |e| &e.fix);
    let hints = by(&track.hints, |h| &h.fix);
    let pairs = by(&track.order_pairs, |p| &p.then);
    let merged = by(&track.merged, |m| &m.fix);
    let classes = by(&track.classes, |c| &c.fix);
    for (i, id) in track.order.iter().enumerate() {
        let fix = track.fixes.get(id);
        let cves =
            fix.map(|f| f.cves.join(" ")).filter(|c| !c.is_empty()).map(|c| format!("  [{c}]")).unwrap_or_default();
        let title = fix.map(|f| f.title.as_str()).unwrap_or_default();
        let _ = writeln!(out, "{:4}  {}  {}{cves}", i + 1, safe(id), safe(title));
        if let Some(ids) = fix.map(|f| &f.realises).filter(|r| !r.is_empty()) {
            let _ = writeln!(out, "        realises {}: one payload, chosen as a whole", safe(&ids.join(", ")));
        }
        for e in edges.get(id.as_str()).into_iter().flatten() {
            let _ = writeln!(out, "        needs {} ({}): {}", safe(&e.needs), e.kind, safe(&e.text));
        }
        for h in hints.get(id.as_str()).into_iter().flatten().filter(|h| !h.proved) {
            let _ = writeln!(out, "        perhaps needs {} ({}): {}", safe(&h.on), h.kind, safe(&h.text));
        }
        for p in pairs.get(id.as_str()).into_iter().flatten() {
            let _ = writeln!(
                out,
                "        after {} ({}, settled by {}): '{}'",
                safe(&p.first),
                p.kind,
                p.settled,
                safe(&p.path)
            );
        }
        for m in merged.get(id.as_str()).into_iter().flatten() {
            let _ =
                writeln!(out, "        joins {} in '{}': {}", safe(&m.with.join(", ")), safe(&m.path), safe(&m.text));
        }
        for c in classes.get(id.as_str()).into_iter().flatten() {
            let _ = writeln!(out, "        {}: {}", c.class, safe(&c.text));
        }
        if let Some(by) = track.selected.get(id).filter(|by| by.as_slice() != [id.as_str()]) {
            let _ = writeln!(out, "        chosen by {}", safe(&by.join(", ")));
        }
        if let Some(chain) = track.came_along.get(id) {
            let why = if chain.len() > 1 { chain.join(" needs ") } else { "without it the others do not apply".into() };
            let _ = writeln!(out, "        came along: {}", safe(&why));
        }
    }
    if let Some(least) = &track.least {
        let sure = if least.proved { "nothing smaller applies" } else { "perhaps less does: the search was too long" };
        let but = match least.not_tried.as_slice() {
            [] => String::new(),
            old => format!(", fixes that others replace or contain aside ({})", safe(&old.join(", "))),
        };
        let _ = writeln!(out, "   the least change: {} lines; {sure}{but}", least.lines);
    }
    for (id, why) in &track.dropped {
        // The bundle lists those that are in the target without being in the order.
        let there = classes.get(id.as_str()).into_iter().flatten().any(|c| c.class.starts_with("contained"));
        let cves = track.dropped_fixes.get(id).filter(|f| there && !f.cves.is_empty());
        let cves = cves.map_or(String::new(), |f| format!("  [{}]", f.cves.join(" ")));
        let _ = writeln!(out, "   -  {}: {}{}", safe(id), safe(why), safe(&cves));
        // That it is superseded or contained stands above; what that loses does not.
        let said = |c: &&&ClassView| {
            c.parts.is_empty() && matches!(c.class, "superseded" | "contained" | "contained-in" | "duplicate")
        };
        for c in classes.get(id.as_str()).into_iter().flatten().filter(|c| !said(c)) {
            let _ = writeln!(out, "        {}: {}", c.class, safe(&c.text));
            class_parts(c, out);
        }
    }
}

/// What stands below each fix.
fn by<'a, T>(all: &'a [T], fix: impl Fn(&'a T) -> &'a String) -> BTreeMap<&'a str, Vec<&'a T>> {
    let mut out: BTreeMap<&str, Vec<&T>> = BTreeMap::new();
    all.iter().for_each(|t| out.entry(fix(t).as_str()).or_default().push(t));
    out
}

fn class_parts(c: &ClassView, out: &mut String) {
    for p in &c.parts {
        let _ = writeln!(out, "          '{}' (line {} of its patch)", safe(&p.path), p.line);
        for line in &p.lines {
            let _ = writeln!(out, "            {}", safe(line));
        }
    }
}

/// Of longer lists only the beginning is printed.
const MOST_PRINTED: usize = 24;

fn rest(all: usize, out: &mut String, indent: &str) {
    if all > MOST_PRINTED {
        let _ = writeln!(out, "{indent}… and {} more: --format json has them all", all - MOST_PRINTED);
    }
}

/// The statements that cannot all be true, and what mends them.
fn core(core: &CoreView, tell: bool, out: &mut String) {
    let _ = writeln!(out, "\n  {}:", safe(&core.text));
    for b in core.because.iter().take(MOST_PRINTED) {
        let _ = writeln!(out, "    - {}", safe(&b.text));
        for below in &b.because {
            let _ = writeln!(out, "        {}", safe(&below.text));
        }
    }
    rest(core.because.len(), out, "    ");
    let one = if core.repairs.len() == 1 { "this takes that away" } else { "any one of these takes that away" };
    let _ = writeln!(out, "  {one}:");
    for r in core.repairs.iter().take(MOST_PRINTED) {
        let _ = writeln!(out, "    * {}", safe(&r.said(tell)));
    }
    rest(core.repairs.len(), out, "    ");
}

/// Why what does not apply is not cut down to the fewest statements.
pub(super) fn uncut(track: &TrackView) -> Option<String> {
    let shown = track.uncut.iter().take(MOST_PRINTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = track.uncut.len().saturating_sub(MOST_PRINTED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!track.uncut.is_empty()).then(|| {
        format!("not cut down to the fewest statements, since more fixes have to do with them than can be tried in every order: {shown}{more}")
    })
}

fn matrix(view: &PlanView, out: &mut String) {
    let tracks: Vec<&str> = view.tracks().map(|t| t.track.as_str()).collect();
    let width = view.matrix.iter().map(|r| r.fix.chars().count()).max().unwrap_or(0);
    let _ = write!(out, "\n{:width$}", "fix");
    for t in &tracks {
        let _ = write!(out, "  {:16}", safe(t));
    }
    for row in &view.matrix {
        let _ = write!(out, "\n{:width$}", safe(&row.fix));
        for t in &tracks {
            let _ = write!(out, "  {:16}", row.tracks.get(*t).map_or("", |s| s));
        }
    }
    out.push('\n');
}
