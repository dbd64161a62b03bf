//! One self-contained page of a plan: graph, reasons, the order, and what happens to every file. It loads nothing.

use super::svg::{STYLE, draw, escape};
use super::view::{PlanView, TrackView};
use crate::report::Level;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const PAGE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Kinds of wires with what they mean.
const KINDS: [(&str, &str); 7] = [
    ("hunk", "hunk: it changes lines that the other brought"),
    ("context", "context: only the surroundings are the other's"),
    ("file", "file: a path comes, goes or moves"),
    ("content", "content: built on what the other leaves"),
    ("declared", "declared"),
    ("pair", "order pair: no need, but the order matters"),
    ("hint", "hint: suggested, not proved"),
];

/// The page.
pub fn html(view: &PlanView) -> String {
    let title = escape(&format!("{} {}", view.component, view.version));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>Plan of {title}</title>\n<style>\n{PAGE}{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>Plan of {title}</h1>\n<div class=\"bar\"><label>Find <input id=\"find\" type=\"search\" placeholder=\"id, CVE, title, file\"></label><button id=\"out\" type=\"button\" aria-label=\"smaller\">−</button><button id=\"in\" type=\"button\" aria-label=\"larger\">+</button></div>\n<ul class=\"legend\">"
    );
    for (kind, means) in KINDS {
        let _ = write!(
            out,
            "<li><svg width=\"34\" height=\"10\" aria-hidden=\"true\"><g class=\"wire {kind}\"><path d=\"M0 5L34 5\"/></g></svg>{means}</li>"
        );
    }
    for severity in ["critical", "high", "medium", "low", "none", "unknown"] {
        let _ = write!(
            out,
            "<li><svg width=\"18\" height=\"14\" aria-hidden=\"true\"><g class=\"fix {severity}\"><rect x=\"1\" y=\"1\" width=\"16\" height=\"12\" rx=\"3\"/></g></svg>{severity}</li>"
        );
    }
    out.push_str(
        "</ul>\n<p>A line runs from a fix, at its right end, to what it needs, at its left end.</p>\n</header>\n",
    );
    // The pictures of all tracks stand above the one panel that says why.
    out.push_str("<div class=\"split\">\n<div class=\"graph\">\n");
    for (t, track) in view.tracks().enumerate().filter(|(_, t)| !t.refused) {
        let (inner, width, height) = draw(track, t);
        let name = escape(&track.track);
        let _ = write!(
            out,
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"group\" aria-label=\"track {name}\">\n{inner}</svg>\n"
        );
    }
    out.push_str(
        "</div>\n<aside id=\"reason\" aria-live=\"polite\"><p>Click a fix or a line, or go to it with the Tab key: its reason stands here.</p></aside>\n</div>\n",
    );
    for (t, track) in view.tracks().enumerate() {
        section(&mut out, track, t, !view.more.is_empty());
    }
    let _ = write!(out, "<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

fn section(out: &mut String, track: &TrackView, t: usize, several: bool) {
    if several {
        let _ = writeln!(out, "<section><h2>Track {}</h2></section>", escape(&track.track));
    }
    findings(out, track);
    if track.refused {
        classes(out, track);
        return;
    }
    let _ = write!(
        out,
        "<section>\n<h2>{} fixes in order</h2>\n<table>\n<thead><tr><th>No.</th><th>Fix</th><th>Title</th><th>CVEs</th><th>Severity</th><th>Why here</th></tr></thead>\n<tbody>\n",
        track.order.len()
    );
    for (k, id) in track.order.iter().enumerate() {
        row(out, track, t, k, id);
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
    if !track.dropped.is_empty() {
        out.push_str("<section>\n<h2>Left out</h2>\n<ul>\n");
        for (id, why) in &track.dropped {
            let _ = writeln!(out, "<li><span class=\"id\">{}</span>: {}</li>", escape(id), escape(why));
        }
        out.push_str("</ul>\n</section>\n");
    }
    classes(out, track);
    files(out, track, t);
}

/// What the fixes are to each other and to the base, with the lines that show it.
fn classes(out: &mut String, track: &TrackView) {
    if track.classes.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>What they are by their content</h2>\n<ul>\n");
    for c in &track.classes {
        let _ = write!(out, "<li><span class=\"id\">{}</span> <b>{}</b>: {}", escape(&c.fix), c.class, escape(&c.text));
        for part in &c.parts {
            let at = format!("'{}', line {} of its patch", part.path, part.line);
            let _ = write!(out, "<pre>{}\n{}</pre>", escape(&at), escape_lines(&part.lines));
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ul>\n</section>\n");
}

fn escape_lines(lines: &[String]) -> String {
    lines.iter().map(|line| escape(line)).collect::<Vec<_>>().join("\n")
}

fn findings(out: &mut String, track: &TrackView) {
    let shown: Vec<_> = track.findings.iter().filter(|f| f.level != Level::Allow || track.refused).collect();
    if shown.is_empty() {
        return;
    }
    let head = if track.refused { "There is no plan" } else { "Findings" };
    let _ = write!(out, "<section>\n<h2>{head}</h2>\n<ul>\n");
    for f in shown {
        let (class, word) = if f.level == Level::Deny { ("deny", "denied") } else { ("warn", "warning") };
        let next = if f.next.is_empty() { String::new() } else { format!(". Next: {}", escape(&f.next)) };
        let _ = writeln!(
            out,
            "<li><b class=\"{class}\">{word} [{}]</b> {}: {}{next}</li>",
            f.code.as_str(),
            escape(&f.subject),
            escape(&f.message)
        );
    }
    out.push_str("</ul>\n</section>\n");
}

fn row(out: &mut String, track: &TrackView, t: usize, k: usize, id: &str) {
    let fix = track.fixes.get(id);
    let text = |of: fn(&super::view::FixView) -> String| fix.map(of).map(|s| escape(&s)).unwrap_or_default();
    let _ = write!(
        out,
        "<tr id=\"t{t}r{k}\"><td>{}</td><td class=\"id\">{}</td><td data-part=\"Title\">{}</td><td data-part=\"CVEs\">{}</td><td data-part=\"Severity\">{}</td><td data-part=\"Why here\">",
        k + 1,
        escape(id),
        text(|f| f.title.clone()),
        text(|f| f.cves.join(" ")),
        text(|f| f.severity.to_owned()),
    );
    let mut why: Vec<String> = Vec::new();
    for e in track.edges.iter().filter(|e| e.fix == id) {
        why.push(format!("needs {} ({}): {}", e.needs, e.kind, e.text));
    }
    for p in track.order_pairs.iter().filter(|p| p.then == id) {
        why.push(format!("after {} ({}, settled by {}): '{}'", p.first, p.kind, p.settled, p.path));
    }
    for h in track.hints.iter().filter(|h| h.fix == id && !h.proved) {
        why.push(format!("perhaps needs {} ({}): {}", h.on, h.kind, h.text));
    }
    for e in track.edges.iter().filter(|e| e.needs == id) {
        why.push(format!("needed by {} ({})", e.fix, e.kind));
    }
    for c in track.classes.iter().filter(|c| c.fix == id) {
        why.push(format!("{}: {}", c.class, c.text));
    }
    if let Some(chain) = track.came_along.get(id) {
        why.push(format!("came along: {}", chain.join(" needs ")));
    }
    if !why.is_empty() {
        out.push_str("<ul>");
        why.iter().for_each(|w| {
            let _ = write!(out, "<li>{}</li>", escape(w));
        });
        out.push_str("</ul>");
    }
    out.push_str("</td></tr>\n");
}

/// Every file with the fixes that touch it, first to last; those that most fixes touch first.
fn files(out: &mut String, track: &TrackView, t: usize) {
    let mut by_path: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (k, id) in track.order.iter().enumerate() {
        for path in track.fixes.get(id).into_iter().flat_map(|f| &f.paths) {
            by_path.entry(path).or_default().push(k);
        }
    }
    let mut rows: Vec<(&str, Vec<usize>)> = by_path.into_iter().collect();
    rows.sort_by_key(|(_, fixes)| std::cmp::Reverse(fixes.len()));
    let _ = write!(
        out,
        "<section>\n<h2>What happens to each of {} files, first to last</h2>\n<dl class=\"files\">\n",
        rows.len()
    );
    for (path, fixes) in rows {
        let _ = write!(out, "<dt>{}</dt><dd>", escape(path));
        for k in fixes {
            let id = &track.order[k];
            let title = track.fixes.get(id).map(|f| f.title.as_str()).unwrap_or_default();
            let _ = write!(out, "<a class=\"chip\" href=\"#t{t}f{k}\" title=\"{}\">{}</a>", escape(title), escape(id));
        }
        out.push_str("</dd>\n");
    }
    out.push_str("</dl>\n</section>\n");
}
