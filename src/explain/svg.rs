//! The graph of a track as SVG: boxes by severity, wires by kind, every one of them focusable with its reason.

use super::layout::{BOX, Layout, layout};
use super::net::{Net, Wire};
use super::view::TrackView;
use crate::report::is_hidden;
use std::fmt::Write as _;

/// Width of a letter of the boxes' font (12 px, fixed width) in hundredths.
const LETTER: i64 = 740;

/// Text between tags and in quoted attributes; control characters are none of a picture's.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if is_hidden(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The style that boxes and wires have, in a page and alone.
pub(super) const STYLE: &str = include_str!("graph.css");

/// One picture with the graphs of these tracks, one below the other.
pub(super) fn file(tracks: &[&TrackView], title: &str) -> String {
    let drawn: Vec<(String, i64, i64)> =
        tracks.iter().enumerate().map(|(t, track)| draw(track, &Net::of(track), t)).collect();
    let width = drawn.iter().map(|d| d.1).max().unwrap_or(0);
    let height: i64 = drawn.iter().map(|d| d.2 + 24).sum();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n<title>{}</title>\n<style>{STYLE}</style>\n<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n",
        escape(title)
    );
    let mut y = 0;
    for (track, (inner, _, high)) in tracks.iter().zip(&drawn) {
        let _ = writeln!(out, "<text class=\"track\" x=\"16\" y=\"{}\">{}</text>", y + 16, escape(&track.track));
        let _ = writeln!(out, "<g transform=\"translate(0 {})\">\n{inner}</g>", y + 24);
        y += high + 24;
    }
    out + "</svg>\n"
}

/// The graph's inner elements, with width and height; ids of elements begin with the track's number.
pub(super) fn draw(track: &TrackView, net: &Net, t: usize) -> (String, i64, i64) {
    // Where there is no order, there are no numbers.
    let number = |k: usize| if track.refused { String::new() } else { format!("{} ", k + 1) };
    let letters = |k: usize| i64::try_from((number(k) + &net.nodes[k].id).chars().count()).unwrap_or(0);
    let widths: Vec<i64> = (0..net.nodes.len()).map(|k| letters(k) * LETTER / 100 + 16).collect();
    // A trailer may name a later fix: the picture still runs along the order.
    let ends: Vec<(usize, usize)> = net.wires.iter().map(|w| (w.fix.max(w.needs), w.fix.min(w.needs))).collect();
    let Layout { width, height, boxes, wires: ways } = layout(&widths, &ends);
    let mut out = String::new();
    for (n, (wire, way)) in net.wires.iter().zip(&ways).enumerate() {
        let path = curve(way);
        let text = escape(&wire.text);
        let _ = writeln!(
            out,
            "<g class=\"wire {}\" id=\"t{t}w{n}\" data-ends=\"t{t}f{} t{t}f{}\" tabindex=\"0\" role=\"button\" aria-label=\"{text}\"><title>{text}</title><path class=\"hit\" d=\"{path}\"/><path d=\"{path}\"/>{}</g>",
            wire.kind,
            wire.fix,
            wire.needs,
            head(wire, way)
        );
    }
    for (k, (node, (x, y))) in net.nodes.iter().zip(&boxes).enumerate() {
        let id = &node.id;
        let fix = track.fixes.get(id);
        let severity = fix.map(|f| f.severity).filter(|s| !s.is_empty()).unwrap_or("unknown");
        let title = fix.map(|f| f.title.as_str()).unwrap_or_default();
        let text = escape(&format!("{id}: {}", if node.missing { "it is named, and not there" } else { title }));
        let stuck = if node.stuck { " stuck" } else { "" };
        let missing = if node.missing { " missing" } else { "" };
        let number = if track.refused { String::new() } else { format!("<tspan class=\"n\">{}</tspan> ", k + 1) };
        let _ = writeln!(
            out,
            "<g class=\"fix {severity}{stuck}{missing}\" id=\"t{t}f{k}\" tabindex=\"0\" role=\"button\" aria-label=\"{text}\"><title>{text}</title><rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{BOX}\" rx=\"4\"/><text x=\"{}\" y=\"{}\">{number}{}</text></g>",
            widths[k],
            x + 8,
            y + 17,
            escape(id)
        );
    }
    (out, width, height)
}

/// The arrow's head, at the box that is needed: nearly always at the left end of the line.
fn head(wire: &Wire, way: &[(i64, i64)]) -> String {
    let (at, back) = if wire.fix > wire.needs { (way.last(), 8) } else { (way.first(), -8) };
    match at {
        Some((x, y)) if wire.points() => {
            format!("<polygon class=\"head\" points=\"{x},{y} {},{} {},{}\"/>", x + back, y - 4, x + back, y + 4)
        }
        _ => String::new(),
    }
}

/// A smooth line through points that run from right to left.
fn curve(points: &[(i64, i64)]) -> String {
    let mut out = String::new();
    let mut before: Option<(i64, i64)> = None;
    for (x, y) in points.iter().copied() {
        match before {
            None => {
                let _ = write!(out, "M{x} {y}");
            }
            Some((_, py)) if py == y => {
                let _ = write!(out, "L{x} {y}");
            }
            Some((px, py)) => {
                let middle = (px + x) / 2;
                let _ = write!(out, "C{middle} {py} {middle} {y} {x} {y}");
            }
        }
        before = Some((x, y));
    }
    out
}
