//! One self-contained page of a plan: graph, reasons, the order, and what happens to every file. It loads nothing.

use super::net::{CONFLICT, Net};
use super::refused;
use super::svg::{STYLE, draw, escape};
use super::view::{FixView, PlanView, TrackView};
use crate::report::Level;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const PAGE: &str = include_str!("page.css");
/// What a browser shows whose user wants it dark; it overrides the two others.
const DARK: &str = include_str!("dark.css");
const SCRIPT: &str = include_str!("page.js");

/// Kinds of wires with what they mean.
const KINDS: [(&str, &str); 8] = [
    ("hunk", "hunk: it changes lines that the other brought"),
    ("context", "context: only the surroundings are the other's"),
    ("file", "file: a path comes, goes or moves"),
    ("content", "content: built on what the other leaves"),
    ("declared", "declared"),
    ("pair", "order pair: no need, but the order matters"),
    ("hint", "hint: suggested, not proved"),
    (CONFLICT, "conflict: not both, or no order is decided"),
];

/// The page.
pub fn html(view: &PlanView) -> String {
    let title = escape(&format!("{} {}", view.component, view.version));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>Plan of {title}</title>\n<style>\n{PAGE}{STYLE}{DARK}</style>\n</head>\n<body>\n<header>\n<h1>Plan of {title}</h1>\n</header>\n<div class=\"bar\"><label>Find <input id=\"find\" type=\"search\" placeholder=\"id, CVE, title, file\"></label><output id=\"found\"></output><button id=\"out\" type=\"button\" aria-label=\"smaller\">−</button><button id=\"in\" type=\"button\" aria-label=\"larger\">+</button></div>\n"
    );
    let several = !view.more.is_empty();
    // Why there is none is what a reader came for.
    for track in view.tracks().filter(|t| t.refused) {
        if several {
            let _ = writeln!(out, "<section><h2>Track {}: there is no plan</h2></section>", escape(&track.track));
        }
        findings(&mut out, track, several);
        refused::section(&mut out, track);
    }
    legend(&mut out, view.refused());
    // The pictures of all tracks stand above the one panel that says why.
    out.push_str("<div class=\"split\">\n<div class=\"graph\">\n");
    let nets: Vec<Net> = view.tracks().map(Net::of).collect();
    for (t, (track, net)) in view.tracks().zip(&nets).enumerate() {
        let (inner, width, height) = draw(track, net, t);
        let name = escape(&track.track);
        if several {
            let _ = writeln!(out, "<h2>Track {name}</h2>");
        }
        let _ = write!(
            out,
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"group\" aria-label=\"track {name}\">\n{inner}</svg>\n"
        );
    }
    out.push_str(
        "</div>\n<aside id=\"reason\" aria-live=\"polite\"><p>Click a fix or a line, or go to it with the Tab key: its reason stands here.</p></aside>\n</div>\n",
    );
    for (t, (track, net)) in view.tracks().zip(&nets).enumerate() {
        section(&mut out, track, net, t, several);
    }
    let _ = write!(out, "<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

fn legend(out: &mut String, refused: bool) {
    out.push_str("<div class=\"key\">\n<ul class=\"legend\">");
    for (kind, means) in KINDS.into_iter().filter(|(kind, _)| refused || *kind != CONFLICT) {
        let head = if kind == CONFLICT { "" } else { "<polygon class=\"head\" points=\"1,5 9,1 9,9\"/>" };
        let _ = write!(
            out,
            "<li><svg width=\"34\" height=\"10\" aria-hidden=\"true\"><g class=\"wire {kind}\"><path d=\"M33 5L1 5\"/>{head}</g></svg>{means}</li>"
        );
    }
    for severity in ["critical", "high", "medium", "low", "none", "unknown"] {
        let _ = write!(
            out,
            "<li><svg width=\"18\" height=\"14\" aria-hidden=\"true\"><g class=\"fix {severity}\"><rect x=\"1\" y=\"1\" width=\"16\" height=\"12\" rx=\"3\"/></g></svg>{severity}</li>"
        );
    }
    out.push_str(
        "</ul>\n<p>The arrow points to what is needed: A ◂— B is read “B needs A”. That of an order pair points to what comes first.</p>\n</div>\n",
    );
}

fn section(out: &mut String, track: &TrackView, net: &Net, t: usize, several: bool) {
    if several {
        let _ = writeln!(out, "<section><h2>Track {}</h2></section>", escape(&track.track));
    }
    if !track.refused {
        findings(out, track, several);
    }
    let (head, number, why) = if track.refused {
        (format!("{} fixes, in no order", net.nodes.len()), "", "What stands in its way")
    } else {
        (format!("{} fixes in order", net.nodes.len()), "<th>No.</th>", "Why here")
    };
    let _ = write!(
        out,
        "<section>\n<h2>{head}</h2>\n<div class=\"wide\"><table>\n<thead><tr>{number}<th>Fix</th><th>Title</th><th>CVEs</th><th>Severity</th><th>{why}</th></tr></thead>\n<tbody>\n"
    );
    // Those that stand in the way come first; the order is kept otherwise.
    let mut rows: Vec<usize> = (0..net.nodes.len()).collect();
    rows.sort_by_key(|k| !net.nodes[*k].stuck);
    for k in rows {
        let reasons = if track.refused { refused::reasons(track, net, k) } else { reasons(track, &net.nodes[k].id) };
        row(out, track, net, (t, k), why, &reasons);
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
    if !track.dropped.is_empty() {
        out.push_str("<section>\n<h2>Left out</h2>\n<ul>\n");
        for (id, why) in &track.dropped {
            let _ = writeln!(out, "<li><span class=\"id\">{}</span>: {}</li>", escape(id), escape(why));
        }
        out.push_str("</ul>\n</section>\n");
    }
    classes(out, track);
    files(out, track, net, t);
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
            let _ = writeln!(out, "<pre>{}", escape(&at));
            lines(out, &part.lines);
            out.push_str("</pre>");
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ul>\n</section>\n");
}

/// Lines of a patch; a tab is one, not something hidden.
pub(super) fn lines(out: &mut String, lines: &[String]) {
    for line in lines {
        let class = match line.as_bytes().first() {
            Some(b'+') => " class=\"add\"",
            Some(b'-') => " class=\"del\"",
            _ => "",
        };
        let text = line.split('\t').map(escape).collect::<Vec<_>>().join("\t");
        let _ = write!(out, "<span{class}>{text}</span>");
    }
}

fn findings(out: &mut String, track: &TrackView, several: bool) {
    let shown: Vec<_> = track.findings.iter().filter(|f| f.level != Level::Allow || track.refused).collect();
    if shown.is_empty() {
        return;
    }
    let head = if track.refused && !several { "There is no plan" } else { "Findings" };
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

fn row(out: &mut String, track: &TrackView, net: &Net, (t, k): (usize, usize), why: &str, reasons: &[String]) {
    let id = &net.nodes[k].id;
    let fix = track.fixes.get(id);
    let text = |of: fn(&FixView) -> String| fix.map(of).map(|s| escape(&s)).unwrap_or_default();
    let number = if track.refused { String::new() } else { format!("<td>{}</td>", k + 1) };
    let _ = write!(
        out,
        "<tr id=\"t{t}r{k}\">{number}<td class=\"id\">{}</td><td data-part=\"Title\">{}</td><td data-part=\"CVEs\" data-find>{}</td><td data-part=\"Severity\" data-find>{}</td><td data-part=\"{why}\">",
        escape(id),
        text(|f| f.title.clone()),
        text(|f| f.cves.join(" ")),
        text(|f| f.severity.to_owned()),
    );
    if !reasons.is_empty() {
        out.push_str("<ul>");
        reasons.iter().for_each(|w| {
            let _ = write!(out, "<li>{}</li>", escape(w));
        });
        out.push_str("</ul>");
    }
    out.push_str("</td></tr>\n");
}

fn reasons(track: &TrackView, id: &str) -> Vec<String> {
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
    why
}

/// Every file with the fixes that touch it, first to last; those that most fixes touch first.
fn files(out: &mut String, track: &TrackView, net: &Net, t: usize) {
    let mut by_path: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (k, node) in net.nodes.iter().enumerate() {
        for path in track.fixes.get(&node.id).into_iter().flat_map(|f| &f.paths) {
            by_path.entry(path).or_default().push(k);
        }
    }
    let mut rows: Vec<(&str, Vec<usize>)> = by_path.into_iter().collect();
    rows.sort_by_key(|(_, fixes)| std::cmp::Reverse(fixes.len()));
    let order = if track.refused { "and in no order" } else { "first to last" };
    let _ = write!(
        out,
        "<section>\n<h2>What happens to each of {} files, {order}</h2>\n<dl class=\"files\">\n",
        rows.len()
    );
    for (path, fixes) in rows {
        let _ = write!(out, "<dt>{}</dt><dd>", escape(path));
        for k in fixes {
            let id = &net.nodes[k].id;
            let title = track.fixes.get(id).map(|f| f.title.as_str()).unwrap_or_default();
            let _ = write!(out, "<a class=\"chip\" href=\"#t{t}f{k}\" title=\"{}\">{}</a>", escape(title), escape(id));
        }
        out.push_str("</dd>\n");
    }
    out.push_str("</dl>\n</section>\n");
}
