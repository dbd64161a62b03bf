//! A plan as a graph for documents: Graphviz, Mermaid, and a picture.

use super::net::Net;
use super::svg::file;
use super::view::{PlanView, TrackView};
use crate::report::safe;
use std::fmt::Write as _;

/// The graph: an arrow from a fix to what it needs, a dashed one for an order pair, a dotted one for a hint. Where there is no plan, what stands
/// in each other's way is joined without an arrow.
pub fn dot(view: &PlanView) -> String {
    let quote = |s: &str| format!("\"{}\"", safe(s).replace('\\', "\\\\").replace('"', "\\\""));
    let mut out = String::from("digraph plan {\n  rankdir=RL;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for track in view.tracks() {
        let _ = writeln!(out, "  subgraph {} {{", quote(&format!("cluster_{}", track.track)));
        let node =
            |id: &str| quote(&if view.more.is_empty() { id.to_owned() } else { format!("{}:{id}", track.track) });
        if track.refused {
            let net = Net::of(track);
            for n in &net.nodes {
                let title = track.fixes.get(&n.id).map(|f| f.title.as_str()).unwrap_or_default();
                let style = if n.missing { ", style=dashed" } else { "" };
                let color = if n.stuck { ", color=red" } else { "" };
                let _ = writeln!(
                    out,
                    "    {} [label={}, tooltip={}{style}{color}];",
                    node(&n.id),
                    quote(&n.id),
                    quote(title)
                );
            }
            for w in &net.wires {
                let (fix, needs) = (&net.nodes[w.fix].id, &net.nodes[w.needs].id);
                let (kind, tip) = (quote(w.kind), quote(&w.text));
                let style = if w.points() { "" } else { ", dir=none, style=bold, color=red" };
                let _ = writeln!(out, "    {} -> {} [label={kind}, tooltip={tip}{style}];", node(fix), node(needs));
            }
        }
        for id in &track.order {
            let title = track.fixes.get(id).map(|f| f.title.as_str()).unwrap_or_default();
            let _ = writeln!(out, "    {} [label={}, tooltip={}];", node(id), quote(id), quote(title));
        }
        for e in &track.edges {
            let _ = writeln!(
                out,
                "    {} -> {} [label={}, tooltip={}];",
                node(&e.fix),
                node(&e.needs),
                quote(e.kind),
                quote(&e.text)
            );
        }
        for h in track.hints.iter().filter(|h| !h.proved) {
            let (fix, on, tip) = (node(&h.fix), node(&h.on), quote(&h.text));
            let _ = writeln!(out, "    {fix} -> {on} [style=dotted, label={}, tooltip={tip}];", quote(h.kind));
        }
        for p in &track.order_pairs {
            let _ =
                writeln!(out, "    {} -> {} [style=dashed, label={}];", node(&p.then), node(&p.first), quote(p.kind));
        }
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    out
}

/// The same for Mermaid: solid arrows for needs, dotted ones for pairs and hints.
pub fn mermaid(view: &PlanView) -> String {
    let quote = |s: &str| safe(s).replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;");
    let mut out = String::from("graph RL\n");
    for (t, track) in view.tracks().enumerate() {
        let _ = writeln!(out, "  subgraph t{t} [\"{}\"]", quote(&track.track));
        let net = Net::of(track);
        for (k, node) in net.nodes.iter().enumerate() {
            let _ = writeln!(out, "    t{t}f{k}[\"{}\"]", quote(&node.id));
        }
        for w in &net.wires {
            let arrow = match w.kind {
                "pair" | "hint" => "-.->",
                _ if w.points() => "-->",
                _ => "---",
            };
            let _ = writeln!(out, "    t{t}f{} {arrow}|{}| t{t}f{}", w.fix, w.kind, w.needs);
        }
        out.push_str("  end\n");
    }
    out
}

/// The same as one picture that needs nothing else.
pub fn svg(view: &PlanView) -> String {
    let tracks: Vec<&TrackView> = view.tracks().collect();
    file(&tracks, &format!("Plan of {} {}", view.component, view.version))
}
