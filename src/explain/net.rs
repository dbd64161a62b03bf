//! What the pictures of a track draw, whether there is a plan or not: fixes, and what joins them.

use super::view::TrackView;
use crate::report::Code;
use std::collections::{BTreeMap, BTreeSet};

/// A box of the picture.
pub(super) struct Node {
    pub(super) id: String,
    /// Whether it stands in the way of a plan.
    pub(super) stuck: bool,
    /// Whether it is named and not there.
    pub(super) missing: bool,
}

/// A wire of the picture: ends by number of their boxes, what kind, and its reason in words.
pub(super) struct Wire {
    pub(super) fix: usize,
    pub(super) needs: usize,
    pub(super) kind: &'static str,
    pub(super) text: String,
}

impl Wire {
    /// Whether it points at what is needed or comes first: fixes that contradict each other have no such end.
    pub(super) fn points(&self) -> bool {
        self.kind != CONFLICT
    }
}

/// The kind of a wire between fixes that have no order, or not both of which can be there.
pub(super) const CONFLICT: &str = "conflict";

#[derive(Default)]
pub(super) struct Net {
    pub(super) nodes: Vec<Node>,
    pub(super) wires: Vec<Wire>,
    place: BTreeMap<String, usize>,
}

impl Net {
    /// The order with its wires; where there is none, every fix by id, with what contradicts itself.
    pub(super) fn of(track: &TrackView) -> Self {
        let mut net = Self::default();
        if track.refused {
            net.refused(track);
        } else {
            net.planned(track);
        }
        net
    }

    fn box_of(&mut self, id: &str, missing: bool) -> usize {
        if let Some(k) = self.place.get(id) {
            return *k;
        }
        self.place.insert(id.to_owned(), self.nodes.len());
        self.nodes.push(Node { id: id.to_owned(), stuck: false, missing });
        self.nodes.len() - 1
    }

    /// Edges, order pairs, and hints that no edge proves.
    fn planned(&mut self, track: &TrackView) {
        for id in &track.order {
            self.box_of(id, false);
        }
        for e in &track.edges {
            self.add(&e.fix, &e.needs, e.kind, format!("{} needs {} ({}): {}", e.fix, e.needs, e.kind, e.text));
        }
        for p in &track.order_pairs {
            let text =
                format!("{} comes after {}: {}, settled by {} ('{}')", p.then, p.first, p.kind, p.settled, p.path);
            self.add(&p.then, &p.first, "pair", text);
        }
        for h in track.hints.iter().filter(|h| !h.proved) {
            self.add(&h.fix, &h.on, "hint", format!("{} perhaps needs {} ({}): {}", h.fix, h.on, h.kind, h.text));
        }
    }

    fn add(&mut self, fix: &str, needs: &str, kind: &'static str, text: String) {
        if let (Some(&fix), Some(&needs)) = (self.place.get(fix), self.place.get(needs)) {
            self.wires.push(Wire { fix, needs, kind, text });
        }
    }

    fn refused(&mut self, track: &TrackView) {
        for id in track.fixes.keys() {
            self.box_of(id, false);
        }
        let mut joined: BTreeSet<(usize, usize, &str)> = BTreeSet::new();
        let mut join = |net: &mut Self, fix: &str, needs: &str, kind: &'static str, text: String| {
            let (a, b) = (net.box_of(fix, true), net.box_of(needs, true));
            net.nodes[a].stuck = true;
            net.nodes[b].stuck = true;
            // Of two that contradict each other neither end is the first.
            let ends = if kind == CONFLICT { (a.min(b), a.max(b), kind) } else { (a, b, kind) };
            if a != b && joined.insert(ends) {
                net.wires.push(Wire { fix: a, needs: b, kind, text });
            }
        };
        for core in &track.cores {
            for b in &core.because {
                let [one, other] = b.fixes.as_slice() else { continue };
                match b.kind {
                    "requires" | "after" => {
                        let word = if b.kind == "after" { "comes after" } else { "needs" };
                        join(
                            self,
                            &one.0,
                            &other.0,
                            "declared",
                            format!("{one} {word} {other} (declared): {}", b.text),
                        );
                    }
                    "series" => {
                        let text = format!("{other} comes after {one} (declared): {}", b.text);
                        join(self, &other.0, &one.0, "declared", text);
                    }
                    _ => join(self, &one.0, &other.0, CONFLICT, format!("{one} and {other} (conflict): {}", b.text)),
                }
            }
            let said = |code: Code| track.findings.iter().find(|f| f.code == code && f.subject == core.subject);
            for b in core.because.iter().filter(|b| b.kind == "wanted") {
                for fix in &b.fixes {
                    let k = self.box_of(&fix.0, true);
                    self.nodes[k].stuck = true;
                    if let Some(f) = said(Code::DoesNotApply).filter(|_| core.code == Code::DoesNotApply) {
                        let text = format!("{} and {fix} (conflict): {}: {}", core.subject, f.subject, f.message);
                        join(self, &core.subject, &fix.0, CONFLICT, text);
                    }
                }
            }
        }
        for b in &track.beside {
            let text = format!("{} and {} (conflict): both change '{}'", b.first, b.then, b.path);
            join(self, &b.first, &b.then, CONFLICT, text);
        }
        for f in track.findings.iter().filter(|f| f.code == Code::Cycle) {
            let Some(circle) = f.details["fixes"].as_array() else { continue };
            let ids: Vec<&str> = circle.iter().filter_map(|i| i.as_str()).collect();
            for (one, next) in ids.iter().zip(ids.iter().cycle().skip(1)) {
                join(self, one, next, "declared", format!("{one} waits for {next} (in a circle): {}", f.message));
            }
        }
    }
}
