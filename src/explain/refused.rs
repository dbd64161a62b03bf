//! What the page says of a plan that there is not: why, what mends it, and what stands in each other's way, side by side.

use super::beside::{BesideView, how, recipe};
use super::net::Net;
use super::page::lines;
use super::render::uncut;
use super::svg::escape;
use super::unsat::{CoreView, some_fall_short, ways};
use super::view::TrackView;
use std::fmt::Write as _;

/// Of longer lists only the beginning is shown.
const MOST_SHOWN: usize = 100;

/// The cores in sentences, and hunks with how a decision between them is recorded.
pub(super) fn section(out: &mut String, track: &TrackView) {
    let tell = some_fall_short(&track.cores);
    for c in &track.cores {
        core(out, c, tell);
    }
    if let Some(text) = ways(&track.ways).filter(|_| tell) {
        let _ = writeln!(out, "<p>{}</p>", escape(&text.replacen('t', "T", 1)));
    }
    if let Some(text) = uncut(track) {
        let _ = writeln!(out, "<p>{}</p>", escape(&text));
    }
    for b in &track.beside {
        beside(out, b);
    }
}

fn core(out: &mut String, core: &CoreView, tell: bool) {
    let _ = write!(out, "<section class=\"core\">\n<h2>{}</h2>\n<ul>\n", escape(&first_large(&core.text)));
    for b in core.because.iter().take(MOST_SHOWN) {
        let _ = write!(out, "<li>{}", escape(&b.text));
        if !b.because.is_empty() {
            out.push_str("<ul>");
            for below in &b.because {
                let _ = write!(out, "<li>{}</li>", escape(&below.text));
            }
            out.push_str("</ul>");
        }
        out.push_str("</li>\n");
    }
    rest(out, core.because.len());
    out.push_str("</ul>\n");
    if !core.repairs.is_empty() {
        let head = if core.repairs.len() == 1 { "This takes that away" } else { "Any one of these takes that away" };
        let _ = write!(out, "<h3>{head}</h3>\n<ul>\n");
        for r in core.repairs.iter().take(MOST_SHOWN) {
            let _ = writeln!(out, "<li>{}</li>", escape(&r.said(tell)));
        }
        rest(out, core.repairs.len());
        out.push_str("</ul>\n");
    }
    out.push_str("</section>\n");
}

fn rest(out: &mut String, all: usize) {
    if all > MOST_SHOWN {
        let _ = writeln!(out, "<li>… and {} more: --format json has them all</li>", all - MOST_SHOWN);
    }
}

/// An id in front stays as it is written.
fn first_large(text: &str) -> String {
    text.strip_prefix("these").map_or_else(|| text.to_owned(), |rest| format!("These{rest}"))
}

fn beside(out: &mut String, b: &BesideView) {
    let (first, then) = (escape(&b.first), escape(&b.then));
    let _ = write!(out, "<section>\n<h2>{first} and {then} in '{}'</h2>\n", escape(&b.path));
    for h in &b.hunks {
        out.push_str("<div class=\"beside\">");
        for (fix, side) in [(&first, &h.first), (&then, &h.then)] {
            let _ = write!(out, "<div><b>{fix}</b><pre>");
            lines(out, side);
            out.push_str("</pre></div>");
        }
        out.push_str("</div>\n");
    }
    if let Some(note) = &b.note {
        let _ = writeln!(out, "<p>{}</p>", escape(note));
    }
    if !b.settles {
        out.push_str("</section>\n");
        return;
    }
    let recipe = recipe(b).iter().map(|line| escape(line)).collect::<Vec<_>>().join("\n");
    let _ = write!(
        out,
        "<div class=\"recipe\"><p>{}:</p>\n<pre>{recipe}</pre></div>\n</section>\n",
        escape(&how(b).replacen("to", "To", 1))
    );
}

/// All that the lines of one fix say.
pub(super) fn reasons(track: &TrackView, net: &Net, k: usize) -> Vec<String> {
    let wires = net.wires.iter().filter(|w| w.fix == k || w.needs == k).map(|w| w.text.clone());
    let id = &net.nodes[k].id;
    let findings = track.findings.iter().filter(|f| f.subject == *id).map(|f| f.message.clone());
    let missing = net.nodes[k].missing.then(|| "it is named, and not there".to_owned());
    let mut out: Vec<String> = missing.into_iter().chain(findings).chain(wires).collect();
    out.dedup();
    out
}
