//! Where boxes and wires of a graph go: layers by dependency, wires around boxes, nothing on top of another.
//!
//! Whole numbers only, so that the picture is the same everywhere.

use std::collections::BTreeMap;

/// Height of a box.
pub(super) const BOX: i64 = 26;
/// Free space between boxes, one above the other.
const GAP: i64 = 10;
/// Room that a wire has between boxes.
const LANE: i64 = 8;
/// Free space between layers, where wires cross.
const BETWEEN: i64 = 64;
/// Pictures are about this wide, if no single part is wider.
const WIDTH: i64 = 1160;
const MARGIN: i64 = 16;
/// Sweeps that straighten and uncross; more change little.
const SWEEPS: usize = 8;
/// Wires that pass more lanes than this in all go straight.
const MOST_LANES: usize = 20_000;

/// Boxes as `(left, top)`, and for every wire the points that it passes, from its first end to its second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) width: i64,
    pub(super) height: i64,
    pub(super) boxes: Vec<(i64, i64)>,
    pub(super) wires: Vec<Vec<(i64, i64)>>,
}

/// Lays out boxes of these widths. A wire runs from a box to one with a smaller number, which stands left of it.
pub(super) fn layout(widths: &[i64], wires: &[(usize, usize)]) -> Layout {
    let mut out =
        Layout { boxes: vec![(0, 0); widths.len()], wires: vec![Vec::new(); wires.len()], ..Layout::default() };
    let mut shelf = Shelf { x: MARGIN, y: MARGIN, high: 0, right: 0 };
    let (mut parts, single) = parts(widths.len(), wires);
    // The largest first; parts of one size stay in order.
    parts.sort_by_key(|p| std::cmp::Reverse(p.len()));
    for part in parts {
        let block = Block::new(&part, widths, wires);
        let (x, y) = shelf.take(block.width, block.height);
        block.put(x, y, widths, &mut out);
    }
    shelf.next();
    for i in single {
        out.boxes[i] = shelf.take_small(widths[i]);
    }
    shelf.next();
    out.width = shelf.right + MARGIN;
    out.height = shelf.y;
    out
}

/// Boxes that wires connect, and boxes without any.
fn parts(n: usize, wires: &[(usize, usize)]) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut up: Vec<usize> = (0..n).collect();
    fn root(up: &mut [usize], mut i: usize) -> usize {
        while up[i] != i {
            up[i] = up[up[i]];
            i = up[i];
        }
        i
    }
    for (a, b) in wires {
        let (a, b) = (root(&mut up, *a), root(&mut up, *b));
        up[a.max(b)] = a.min(b);
    }
    let mut by_root: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for i in 0..n {
        by_root.entry(root(&mut up, i)).or_default().push(i);
    }
    let (many, one): (Vec<_>, Vec<_>) = by_root.into_values().partition(|p| p.len() > 1);
    (many, one.into_iter().flatten().collect())
}

/// Blocks side by side until the width is used up, then below.
struct Shelf {
    x: i64,
    y: i64,
    high: i64,
    right: i64,
}

impl Shelf {
    fn take(&mut self, width: i64, height: i64) -> (i64, i64) {
        if self.x > MARGIN && self.x + width > WIDTH {
            self.next();
        }
        let at = (self.x, self.y);
        self.x += width + BETWEEN;
        self.high = self.high.max(height + 2 * GAP);
        self.right = self.right.max(at.0 + width);
        at
    }

    fn take_small(&mut self, width: i64) -> (i64, i64) {
        if self.x > MARGIN && self.x + width > WIDTH {
            self.next();
        }
        let at = (self.x, self.y);
        self.x += width + GAP;
        self.high = self.high.max(BOX + GAP);
        self.right = self.right.max(at.0 + width);
        at
    }

    fn next(&mut self) {
        self.y += self.high;
        (self.x, self.high) = (MARGIN, 0);
    }
}

/// Something in a layer: a box, or the place where a wire passes it.
#[derive(Debug, Clone, Default)]
struct Spot {
    real: Option<usize>,
    layer: usize,
    y: i64,
    /// Neighbours in the layer before and after.
    left: Vec<usize>,
    right: Vec<usize>,
}

impl Spot {
    fn height(&self) -> i64 {
        if self.real.is_some() { BOX + GAP } else { LANE }
    }
}

/// One connected part.
struct Block {
    spots: Vec<Spot>,
    layers: Vec<Vec<usize>>,
    /// Left edge and width of every layer.
    columns: Vec<(i64, i64)>,
    /// By wire: the spots that it passes, both ends included.
    ways: Vec<(usize, Vec<usize>)>,
    width: i64,
    height: i64,
}

impl Block {
    fn new(part: &[usize], widths: &[i64], wires: &[(usize, usize)]) -> Self {
        let place: BTreeMap<usize, usize> = part.iter().enumerate().map(|(k, i)| (*i, k)).collect();
        let mut mine: Vec<(usize, usize, usize)> = Vec::new();
        for (w, (from, to)) in wires.iter().enumerate() {
            if let (Some(a), Some(b)) = (place.get(from), place.get(to)) {
                mine.push((w, *a, *b));
            }
        }
        let mut spots: Vec<Spot> = part.iter().map(|i| Spot { real: Some(*i), ..Spot::default() }).collect();
        let mut by_end: Vec<Vec<usize>> = vec![Vec::new(); part.len()];
        for (_, a, b) in &mine {
            by_end[(*a).max(*b)].push((*a).min(*b));
        }
        // Numbers rise along wires, so the layers of all that a box needs are known before its own.
        for k in 0..part.len() {
            spots[k].layer = by_end[k].iter().map(|b| spots[*b].layer + 1).max().unwrap_or(0);
        }
        let mut block = Self { spots, layers: Vec::new(), columns: Vec::new(), ways: Vec::new(), width: 0, height: 0 };
        let mut lanes = 0;
        for (w, a, b) in mine {
            block.wire(w, a, b, &mut lanes);
        }
        let depth = block.spots.iter().map(|s| s.layer).max().unwrap_or(0) + 1;
        block.layers = vec![Vec::new(); depth];
        for (k, s) in block.spots.iter().enumerate() {
            block.layers[s.layer].push(k);
        }
        block.uncross();
        block.straighten();
        let mut x = 0;
        for layer in &block.layers {
            let wide = layer.iter().filter_map(|k| block.spots[*k].real).map(|i| widths[i]).max().unwrap_or(0);
            block.columns.push((x, wide));
            x += wide + BETWEEN;
        }
        block.width = x - BETWEEN;
        block.height = block.spots.iter().map(|s| s.y + s.height()).max().unwrap_or(0);
        block
    }

    /// Adds a wire with a lane in every layer that it passes.
    fn wire(&mut self, w: usize, from: usize, to: usize, lanes: &mut usize) {
        let (high, low) = (self.spots[from].layer, self.spots[to].layer);
        let mut way = vec![from];
        let pass = high.abs_diff(low).saturating_sub(1);
        if *lanes + pass <= MOST_LANES && high > low {
            *lanes += pass;
            for layer in (low + 1..high).rev() {
                self.spots.push(Spot { layer, ..Spot::default() });
                way.push(self.spots.len() - 1);
            }
        }
        way.push(to);
        for pair in way.windows(2) {
            self.spots[pair[0]].left.push(pair[1]);
            self.spots[pair[1]].right.push(pair[0]);
        }
        self.ways.push((w, way));
    }

    /// Orders every layer by where its neighbours stand, forth and back.
    fn uncross(&mut self) {
        let mut rank: Vec<i64> = vec![0; self.spots.len()];
        let number = |layer: &[usize], rank: &mut Vec<i64>| {
            layer.iter().zip(0..).for_each(|(k, r)| rank[*k] = r);
        };
        self.layers.iter().for_each(|l| number(l, &mut rank));
        for sweep in 0..SWEEPS {
            let forth = sweep % 2 == 0;
            for step in 0..self.layers.len() {
                let at = if forth { step } else { self.layers.len() - 1 - step };
                let mean = |k: &usize| {
                    let near = if forth { &self.spots[*k].left } else { &self.spots[*k].right };
                    match i64::try_from(near.len()) {
                        Ok(n) if n > 0 => near.iter().map(|n| rank[*n] * 1000).sum::<i64>() / n,
                        _ => rank[*k] * 1000,
                    }
                };
                let mut layer = self.layers[at].clone();
                layer.sort_by_key(mean);
                number(&layer, &mut rank);
                self.layers[at] = layer;
            }
        }
    }

    /// Moves everything towards its neighbours as far as the order in its layer allows.
    fn straighten(&mut self) {
        for layer in self.layers.clone() {
            let mut y = 0;
            for k in layer {
                self.spots[k].y = y;
                y += self.spots[k].height();
            }
        }
        for sweep in 0..SWEEPS {
            for step in 0..self.layers.len() {
                let at = if sweep % 2 == 0 { step } else { self.layers.len() - 1 - step };
                let layer = self.layers[at].clone();
                let middle = |k: usize| self.spots[k].y + self.spots[k].height() / 2;
                let want: Vec<i64> = layer
                    .iter()
                    .map(|k| {
                        let s = &self.spots[*k];
                        let near: Vec<i64> = s.left.iter().chain(&s.right).map(|n| middle(*n)).collect();
                        let n = i64::try_from(near.len()).unwrap_or(1).max(1);
                        let mean = if near.is_empty() { middle(*k) } else { near.iter().sum::<i64>() / n };
                        mean - s.height() / 2
                    })
                    .collect();
                let tall: Vec<i64> = layer.iter().map(|k| self.spots[*k].height()).collect();
                // Pushing down and pushing up both keep the order; so does what lies between the two.
                let (mut down, mut up) = (want.clone(), want);
                for i in 1..layer.len() {
                    down[i] = down[i].max(down[i - 1] + tall[i - 1]);
                }
                for i in (1..layer.len()).rev() {
                    up[i - 1] = up[i - 1].min(up[i] - tall[i - 1]);
                }
                for (i, k) in layer.iter().enumerate() {
                    self.spots[*k].y = (down[i] + up[i]).div_euclid(2);
                }
                // Halving may have taken the last unit of room.
                for pair in layer.windows(2) {
                    let least = self.spots[pair[0]].y + self.spots[pair[0]].height();
                    self.spots[pair[1]].y = self.spots[pair[1]].y.max(least);
                }
            }
        }
        let top = self.spots.iter().map(|s| s.y).min().unwrap_or(0);
        self.spots.iter_mut().for_each(|s| s.y -= top);
    }

    fn put(&self, x: i64, y: i64, widths: &[i64], out: &mut Layout) {
        for s in &self.spots {
            if let Some(i) = s.real {
                out.boxes[i] = (x + self.columns[s.layer].0, y + s.y);
            }
        }
        for (w, way) in &self.ways {
            let mut points = Vec::new();
            for (n, k) in way.iter().enumerate() {
                let s = &self.spots[*k];
                let (left, wide) = (x + self.columns[s.layer].0, self.columns[s.layer].1);
                match s.real {
                    Some(_) if n == 0 => points.push((left, y + s.y + BOX / 2)),
                    Some(i) => points.push((left + widths[i], y + s.y + BOX / 2)),
                    None => {
                        points.push((left + wide, y + s.y + LANE / 2));
                        points.push((left, y + s.y + LANE / 2));
                    }
                }
            }
            out.wires[*w] = points;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apart(widths: &[i64], l: &Layout) {
        let mut by_row: Vec<(i64, i64, i64)> = l.boxes.iter().zip(widths).map(|((x, y), w)| (*x, *y, *w)).collect();
        by_row.sort_unstable_by_key(|b| b.1);
        for (i, a) in by_row.iter().enumerate() {
            for b in by_row[i + 1..].iter().take_while(|b| b.1 < a.1 + BOX) {
                assert!(a.0 + a.2 <= b.0 || b.0 + b.2 <= a.0, "{a:?} and {b:?} overlap");
            }
            assert!(a.0 >= 0 && a.1 >= 0 && a.0 + a.2 <= l.width && a.1 + BOX <= l.height, "{a:?} is in the picture");
        }
    }

    proptest! {
        #[test]
        fn no_box_lies_on_another_and_wires_run_from_right_to_left(
            widths in prop::collection::vec(20i64..400, 1..60),
            raw in prop::collection::vec((0usize..60, 0usize..60), 0..120),
        ) {
            let n = widths.len();
            let wires: Vec<(usize, usize)> =
                raw.into_iter().map(|(a, b)| (a % n, b % n)).filter(|(a, b)| a > b).collect();
            let l = layout(&widths, &wires);
            apart(&widths, &l);
            for (w, (from, to)) in l.wires.iter().zip(&wires) {
                prop_assert_eq!(w[0], (l.boxes[*from].0, l.boxes[*from].1 + BOX / 2));
                prop_assert_eq!(*w.last().unwrap(), (l.boxes[*to].0 + widths[*to], l.boxes[*to].1 + BOX / 2));
                prop_assert!(w.windows(2).all(|p| p[0].0 >= p[1].0), "{:?}", w);
            }
        }
    }

    #[test]
    fn a_chain_of_thousands_is_laid_out() {
        let n = 3_000;
        let widths = vec![80; n];
        let wires: Vec<(usize, usize)> = (1..n).flat_map(|i| [(i, i - 1), (i, 0)]).filter(|(a, b)| a > b).collect();
        apart(&widths, &layout(&widths, &wires));
    }
}
