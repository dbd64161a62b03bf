//! Why one fix needs another, as text and as JSON: the path, the hunks of both, and the other order.

use super::view::HintView;
use super::words::{drop_cause, list, pair, reason, reject};
use crate::fix::FixId;
use crate::patch::LineKind;
use crate::plan::{DropCause, Hint, Link, Part, Plan, Stand, Touch, Trial, Why};
use crate::report::is_hidden;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Hunks longer than this are shown around the lines that matter only.
const WHOLE: usize = 30;
/// Lines shown on either side of one that matters.
const AROUND: usize = 4;

/// The answer on one track.
#[derive(Debug, Clone, Serialize)]
pub struct WhyView {
    pub track: String,
    /// All together have no plan: this is said of one of these two and of what they need.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_part: bool,
    /// `needs`, `needed-by`, `pair`, `decided`, `apart` or `not-in-order`.
    pub relation: &'static str,
    /// The answer in one sentence.
    pub text: String,
    /// From the fix that needs to the one that is needed.
    pub path: Vec<LinkView>,
    /// What text suggests between the two, and does not prove.
    pub hints: Vec<HintView>,
    /// Where the relation is a pair: `conflict`, `clash` or `ambiguous`, with the parts of both on the path concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pair: Option<PairParts>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LinkView {
    pub fix: String,
    pub needs: String,
    pub kind: &'static str,
    /// Why, in words.
    pub text: String,
    pub touches: Vec<TouchView>,
    /// What came of trying the other order.
    pub other_order: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct TouchView {
    pub fix: PartView,
    pub needed: PartView,
    pub lines: Vec<StandView>,
}

#[derive(Debug, Clone, Serialize)]
pub struct PartView {
    pub path: String,
    /// Line in the patch file.
    pub line: u32,
    pub what: String,
    /// As a diff has them.
    pub lines: Vec<String>,
}

/// A line of the fix's hunk that needs the other hunk.
#[derive(Debug, Clone, Serialize)]
pub struct StandView {
    /// Its place in the hunk, from 1.
    pub line: usize,
    /// `removes`, `surrounds` or `gone`.
    pub how: &'static str,
    pub text: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct PairParts {
    pub first: String,
    pub then: String,
    pub kind: &'static str,
    pub settled: &'static str,
    pub path: String,
    pub first_parts: Vec<PartView>,
    pub then_parts: Vec<PartView>,
    pub other_order: String,
}

impl WhyView {
    /// `needed` and `fix` as they were asked about.
    pub fn new(track: &str, plan: &Plan, why: &Why, needed: &FixId, fix: &FixId) -> Self {
        let between = |h: &&Hint| [&h.fix, &h.on] == [fix, needed] || [&h.fix, &h.on] == [needed, fix];
        let mut view = Self {
            track: track.to_owned(),
            in_part: false,
            relation: "needs",
            text: String::new(),
            path: Vec::new(),
            hints: plan.hints.iter().filter(between).map(HintView::new).collect(),
            pair: None,
        };
        match why {
            Why::Needs(path) => (view.text, view.path) = (needs(path), path.iter().map(link).collect()),
            Why::NeededBy(path) => {
                view.relation = "needed-by";
                view.text = format!("{fix} does not need {needed}; it is the other way round: {}", needs(path));
                view.path = path.iter().map(link).collect();
            }
            Why::Pair { pair: p, first, then, other_order } => {
                view.relation = "pair";
                let settled = p.settled.as_str();
                view.text =
                    format!("neither needs the other, but their order matters: {}, settled by {settled}", pair(p));
                view.pair = Some(PairParts {
                    first: p.first.0.clone(),
                    then: p.then.0.clone(),
                    kind: p.kind.as_str(),
                    settled,
                    path: p.path.to_string(),
                    first_parts: first.iter().map(part).collect(),
                    then_parts: then.iter().map(part).collect(),
                    other_order: trial(other_order, &p.then, &p.first),
                });
            }
            Why::Decided { path, name, reviewed_by } => {
                view.relation = "decided";
                view.text = format!(
                    "neither needs the other, and what both make together of '{path}' is as decided in {name}, reviewed by {reviewed_by}"
                );
            }
            Why::Apart { shared } => {
                view.relation = "apart";
                let touched = match shared.as_slice() {
                    [] => "they touch no path in common".to_owned(),
                    [one] => format!("both touch '{one}', and both orders give the same bytes"),
                    [one, rest @ ..] => {
                        format!("both touch '{one}' and {} more, and both orders give the same bytes", rest.len())
                    }
                };
                view.text = format!("neither needs the other, and their order does not matter: {touched}");
            }
            Why::NotInOrder { fix, cause } => {
                view.relation = "not-in-order";
                let cause: &Option<DropCause> = cause;
                let cause = cause.as_ref().map_or_else(|| "there is no such fix on this track".into(), drop_cause);
                view.text = format!("{fix} is not in the order: {cause}");
            }
        }
        view
    }
}

fn needs(path: &[Link]) -> String {
    let mut ids: Vec<FixId> = path.iter().map(|l| l.edge.fix.clone()).collect();
    ids.extend(path.last().map(|l| l.edge.needs.clone()));
    list(&ids, " needs ")
}

fn link(l: &Link) -> LinkView {
    LinkView {
        fix: l.edge.fix.0.clone(),
        needs: l.edge.needs.0.clone(),
        kind: l.edge.kind.as_str(),
        text: reason(&l.edge.reason, &l.edge.needs),
        touches: l.touches.iter().map(touch).collect(),
        other_order: trial(&l.other_order, &l.edge.fix, &l.edge.needs),
    }
}

/// `first` is the fix that the other order puts first.
fn trial(t: &Trial, first: &FixId, then: &FixId) -> String {
    match t {
        Trial::Refused { fix, refused } => format!("{first} before {then}: {fix} does not apply: {}", reject(refused)),
        Trial::Differs { path, mode_only } => {
            let what = if *mode_only { "another mode" } else { "other bytes" };
            format!("{first} before {then}: both apply, and '{path}' gets {what}")
        }
        Trial::WithoutOthers => {
            format!(
                "{first} before {then}: both apply, which they do in the plan's order only with others between them"
            )
        }
        Trial::Same => format!("{first} before {then}: both apply, and the bytes are the same"),
    }
}

fn part(p: &Part) -> PartView {
    let sign = |kind| match kind {
        LineKind::Context => ' ',
        LineKind::Remove => '-',
        LineKind::Add => '+',
    };
    let lines = p.lines.iter().map(|(kind, text)| format!("{}{text}", sign(*kind))).collect();
    PartView { path: p.path.to_string(), line: p.line, what: p.what.clone(), lines }
}

fn touch(t: &Touch) -> TouchView {
    let lines = t.lines.iter().map(|(at, stand)| StandView {
        line: at + 1,
        how: match stand {
            Stand::Removes => "removes",
            Stand::Surrounds => "surrounds",
            Stand::Gone => "gone",
        },
        text: t.fix.lines.get(*at).map(|(_, text)| text.clone()).unwrap_or_default(),
    });
    TouchView { fix: part(&t.fix), needed: part(&t.needed), lines: lines.collect() }
}

/// The answer as people read it.
pub fn why_text(view: &WhyView, out: &mut String) {
    if view.in_part {
        let _ = writeln!(out, "all together have no plan; of these two and what they need:");
    }
    let _ = writeln!(out, "{}", safe(&view.text));
    for h in &view.hints {
        let _ = writeln!(out, "hint ({}): {} perhaps needs {}: {}", h.kind, safe(&h.fix), safe(&h.on), safe(&h.text));
    }
    for l in &view.path {
        let _ = writeln!(out, "\n{} needs {} ({}): {}", safe(&l.fix), safe(&l.needs), l.kind, safe(&l.text));
        let mut shown: Option<&PartView> = None;
        for t in &l.touches {
            let marked: BTreeSet<usize> =
                l.touches.iter().filter(|o| alike(&o.fix, &t.fix)).flat_map(|o| &o.lines).map(|s| s.line - 1).collect();
            if shown.is_none_or(|s| !alike(s, &t.fix)) {
                print_part(out, &l.fix, &t.fix, &marked);
                shown = Some(&t.fix);
            }
            let count = |how: &str| t.lines.iter().filter(|s| s.how == how).count();
            let words: Vec<String> = [
                (count("removes"), "takes out", "that it brought"),
                (count("surrounds"), "has around it", "that it brought"),
                (count("gone"), "closes over", "that it took out"),
            ]
            .into_iter()
            .filter(|(n, ..)| *n > 0)
            .map(|(n, verb, what)| match verb {
                "closes over" => format!("stands where lines are gone in {n} place{} {what}", s(n)),
                _ => format!("{verb} {n} line{} {what}", s(n)),
            })
            .collect();
            if !words.is_empty() {
                let _ = writeln!(out, "  of {} it {}:", safe(&l.needs), words.join(", "));
            }
            if words.is_empty() && !t.needed.lines.is_empty() {
                let _ = writeln!(
                    out,
                    "  no line of it is of {}, whose lines move the place where it is found:",
                    safe(&l.needs)
                );
            }
            print_part(out, &l.needs, &t.needed, &brought(t));
        }
        let _ = writeln!(out, "  tried {}", safe(&l.other_order));
    }
    if let Some(p) = &view.pair {
        for (id, parts) in [(&p.first, &p.first_parts), (&p.then, &p.then_parts)] {
            out.push('\n');
            parts.iter().for_each(|part| print_part(out, id, part, &BTreeSet::new()));
        }
        let _ = writeln!(out, "  tried {}", safe(&p.other_order));
    }
}

/// The lines of the needed hunk that the other stands on: where they stand together, those alone; else every line of
/// their texts.
fn brought(t: &TouchView) -> BTreeSet<usize> {
    let wanted: Vec<&str> = t.lines.iter().filter(|s| s.how != "gone").map(|s| s.text.as_str()).collect();
    let with = |sign: char| t.needed.lines.iter().enumerate().filter(move |(_, line)| line.starts_with(sign));
    let added: Vec<(usize, &str)> = with('+').map(|(i, line)| (i, &line[1..])).collect();
    let together = added.windows(wanted.len().max(1)).find(|w| w.iter().map(|(_, text)| text).eq(&wanted));
    let of_text = || added.iter().filter(|(_, text)| wanted.contains(text)).map(|(i, _)| *i).collect();
    let mut out: BTreeSet<usize> = together.map_or_else(of_text, |w| w.iter().map(|(i, _)| *i).collect());
    if t.lines.iter().any(|s| s.how == "gone") {
        out.extend(with('-').map(|(i, _)| i));
    }
    out
}

fn s(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

fn alike(a: &PartView, b: &PartView) -> bool {
    a.line == b.line && a.path == b.path
}

/// A hunk with the lines that matter marked; what is far from them is left out of long ones.
fn print_part(out: &mut String, id: &str, part: &PartView, marked: &BTreeSet<usize>) {
    let _ =
        writeln!(out, "  {}: '{}', line {} of the patch: {}", safe(id), safe(&part.path), part.line, safe(&part.what));
    let near = |i: usize| marked.range(i.saturating_sub(AROUND)..=i + AROUND).next().is_some();
    let mut cut = false;
    for (i, line) in part.lines.iter().enumerate() {
        let show = part.lines.len() <= WHOLE || near(i) || marked.is_empty() && i < WHOLE;
        if show {
            let _ = writeln!(out, "    {} {}", if marked.contains(&i) { '>' } else { ' ' }, safe(line));
        } else if !cut {
            out.push_str("      …\n");
        }
        cut = !show;
    }
}

/// Control characters never reach a terminal, but a tab of a source stays one.
fn safe(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) && c != '\t' { '\u{fffd}' } else { c }).collect()
}
