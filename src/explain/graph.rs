//! A plan as a graph for documents: Graphviz, Mermaid, and a picture.

use super::svg::{file, wires};
use super::view::{PlanView, TrackView};
use crate::report::safe;
use std::fmt::Write as _;

/// The graph: an arrow from a fix to what it needs, a dashed one for an order pair.
pub fn dot(view: &PlanView) -> String {
    let quote = |s: &str| format!("\"{}\"", safe(s).replace('\\', "\\\\").replace('"', "\\\""));
    let mut out = String::from("digraph plan {\n  rankdir=RL;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for track in view.tracks() {
        let _ = writeln!(out, "  subgraph {} {{", quote(&format!("cluster_{}", track.track)));
        let node =
            |id: &str| quote(&if view.more.is_empty() { id.to_owned() } else { format!("{}:{id}", track.track) });
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
        for (k, id) in track.order.iter().enumerate() {
            let _ = writeln!(out, "    t{t}f{k}[\"{}\"]", quote(id));
        }
        for w in wires(track) {
            let arrow = if matches!(w.kind, "pair" | "hint") { "-.->" } else { "-->" };
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
