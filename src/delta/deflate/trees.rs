//! The Huffman codes that zlib gives to a block, and the kind of block that it chooses.
//!
//! Huffman's algorithm leaves ties open; zlib settles them by a heap ordered by frequency, then depth, and limits
//! lengths by moving leaves up. Other choices would be as short, but other bytes.

use super::Token;
use super::huffman::{
    DISTANCE_EXTRA, END, LENGTH_EXTRA, ORDER, REPEAT_EXTRA, distance_symbol, fixed_lengths, length_symbol,
};

/// How a block of these tokens is written.
pub struct Trees {
    pub literals: Vec<u8>,
    pub distances: Vec<u8>,
    /// Lengths of the codes of the code lengths.
    lengths: Vec<u8>,
    /// The code lengths as symbols, each with its extra bits.
    symbols: Vec<(u8, u8)>,
    /// Lengths of the codes of code lengths that are stated.
    stated: usize,
    dynamic_bytes: u64,
    fixed_bytes: u64,
}

/// What zlib makes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Stored,
    Fixed,
    Dynamic,
}

impl Trees {
    pub fn of(tokens: &[Token]) -> Self {
        let mut literal = [0u32; 286];
        let mut distance = [0u32; 30];
        literal[END] = 1;
        for token in tokens {
            match token.parts() {
                None => literal[usize::from(token.byte())] += 1,
                Some((len, far)) => {
                    literal[length_symbol(len).0] += 1;
                    distance[distance_symbol(far).0] += 1;
                }
            }
        }
        let literals = code_lengths(&literal, 15);
        let distances = code_lengths(&distance, 15);
        let symbols: Vec<(u8, u8)> = run_lengths(&literals).into_iter().chain(run_lengths(&distances)).collect();
        let mut counts = [0u32; 19];
        for (symbol, _) in &symbols {
            counts[usize::from(*symbol)] += 1;
        }
        let mut lengths = code_lengths(&counts, 7);
        lengths.resize(19, 0);
        let stated = ORDER.iter().rposition(|&at| lengths[at] != 0).map_or(4, |at| at + 1).max(4);
        let bits = |counts: &[u32], of: &dyn Fn(usize) -> u64| -> u64 {
            counts.iter().enumerate().filter(|(_, n)| **n > 0).map(|(i, n)| u64::from(*n) * of(i)).sum()
        };
        let at = |v: &[u8], i: usize| u64::from(v.get(i).copied().unwrap_or(0));
        let extra = |i: usize| i.checked_sub(257).map_or(0, |i| at(&LENGTH_EXTRA, i));
        let fixed = fixed_lengths();
        let dynamic = bits(&literal, &|i| at(&literals, i) + extra(i))
            + bits(&distance, &|i| at(&distances, i) + at(&DISTANCE_EXTRA, i))
            + bits(&counts, &|i| at(&lengths, i) + at(&REPEAT_EXTRA, i))
            + 3 * stated as u64
            + 14;
        let plain = bits(&literal, &|i| at(&fixed, i) + extra(i)) + bits(&distance, &|i| 5 + at(&DISTANCE_EXTRA, i));
        Self {
            literals,
            distances,
            lengths,
            symbols,
            stated,
            dynamic_bytes: (dynamic + 3).div_ceil(8),
            fixed_bytes: (plain + 3).div_ceil(8),
        }
    }

    pub fn choice(&self, plain: usize) -> Choice {
        if plain as u64 + 4 <= self.dynamic_bytes.min(self.fixed_bytes) {
            Choice::Stored
        } else if self.fixed_bytes <= self.dynamic_bytes {
            Choice::Fixed
        } else {
            Choice::Dynamic
        }
    }

    /// The bits that state the codes, each with its number of bits.
    pub fn statement(&self) -> Vec<(u32, u32)> {
        let codes = super::huffman::codes(&self.lengths);
        let mut out = vec![
            (self.literals.len() as u32 - 257, 5),
            (self.distances.len() as u32 - 1, 5),
            (self.stated as u32 - 4, 4),
        ];
        out.extend(ORDER[..self.stated].iter().map(|&at| (u32::from(self.lengths[at]), 3)));
        for &(symbol, extra) in &self.symbols {
            out.push(codes[usize::from(symbol)]);
            if symbol >= 16 {
                out.push((u32::from(extra), u32::from(REPEAT_EXTRA[usize::from(symbol)])));
            }
        }
        out
    }
}

/// Code lengths as symbols: 16 repeats the last one 3 to 6 times, 17 and 18 are runs of zeros. Runs never reach
/// from literals into distances.
fn run_lengths(lengths: &[u8]) -> Vec<(u8, u8)> {
    let mut out = Vec::new();
    let mut previous = None;
    let mut at = 0;
    while let Some(&value) = lengths.get(at) {
        let most = if value == 0 {
            138
        } else if previous == Some(value) {
            6
        } else {
            7
        };
        let run = lengths[at..].iter().take(most).take_while(|&&l| l == value).count();
        at += run;
        let again = previous == Some(value);
        match (value, run) {
            (0, 3..=10) => out.push((17, run as u8 - 3)),
            (0, 11..) => out.push((18, run as u8 - 11)),
            (0, _) => out.extend(std::iter::repeat_n((0, 0), run)),
            (_, 3..) if again => out.push((16, run as u8 - 3)),
            (_, 4..) => out.extend([(value, 0), (16, run as u8 - 4)]),
            _ => out.extend(std::iter::repeat_n((value, 0), run)),
        }
        previous = Some(value);
    }
    out
}

/// The lengths that zlib gives, up to the last symbol that has one.
fn code_lengths(counts: &[u32], most: usize) -> Vec<u8> {
    let mut counts = counts.to_vec();
    // At least two codes, so that no tree is a single leaf.
    let mut last = counts.iter().rposition(|&n| n > 0);
    let mut used = counts.iter().filter(|&&n| n > 0).count();
    while used < 2 {
        let forced = match last {
            Some(l) if l >= 2 => 0,
            Some(l) => l + 1,
            None => 0,
        };
        counts[forced] = 1;
        last = last.max(Some(forced));
        used += 1;
    }
    let last = last.unwrap_or(0);
    let mut tree = Tree::new(&counts);
    tree.join();
    tree.lengths(most, last)
}

struct Tree {
    leaves: usize,
    count: Vec<u32>,
    depth: Vec<u8>,
    parent: Vec<usize>,
    /// A heap of nodes from index 1 on; the smallest is first.
    heap: Vec<usize>,
    /// Nodes in the order in which they left the heap, two by two; the root comes last.
    sorted: Vec<usize>,
}

impl Tree {
    fn new(counts: &[u32]) -> Self {
        let mut heap = vec![0];
        heap.extend((0..counts.len()).filter(|&i| counts[i] > 0));
        let mut tree = Self {
            leaves: counts.len(),
            count: counts.to_vec(),
            depth: vec![0; counts.len()],
            parent: vec![0; counts.len()],
            heap,
            sorted: Vec::new(),
        };
        for at in (1..=(tree.heap.len() - 1) / 2).rev() {
            tree.sink(at);
        }
        tree
    }

    fn smaller(&self, a: usize, b: usize) -> bool {
        (self.count[a], self.depth[a]) <= (self.count[b], self.depth[b])
    }

    fn sink(&mut self, mut at: usize) {
        let node = self.heap[at];
        let end = self.heap.len() - 1;
        let mut child = at * 2;
        while child <= end {
            if child < end && self.smaller(self.heap[child + 1], self.heap[child]) {
                child += 1;
            }
            if self.smaller(node, self.heap[child]) {
                break;
            }
            self.heap[at] = self.heap[child];
            at = child;
            child *= 2;
        }
        self.heap[at] = node;
    }

    /// Joins the two smallest until one is left.
    fn join(&mut self) {
        while self.heap.len() > 2 {
            let first = self.heap[1];
            self.heap[1] = self.heap.pop().unwrap_or(first);
            self.sink(1);
            let second = self.heap[1];
            self.sorted.extend([first, second]);
            let node = self.count.len();
            self.count.push(self.count[first] + self.count[second]);
            self.depth.push(self.depth[first].max(self.depth[second]) + 1);
            self.parent.push(0);
            (self.parent[first], self.parent[second]) = (node, node);
            self.heap[1] = node;
            self.sink(1);
        }
        self.sorted.push(self.heap[1]);
    }

    fn lengths(&self, most: usize, last: usize) -> Vec<u8> {
        let mut len = vec![0usize; self.count.len()];
        let mut of_length = vec![0usize; most + 2];
        let mut overflow = 0usize;
        for &node in self.sorted.iter().rev().skip(1) {
            let own = len[self.parent[node]] + 1;
            overflow += usize::from(own > most);
            len[node] = own.min(most);
            if node < self.leaves {
                of_length[len[node]] += 1;
            }
        }
        if overflow > 0 {
            let mut left = overflow as isize;
            while left > 0 {
                let bits = (1..most).rev().find(|&b| of_length[b] > 0).unwrap_or(1);
                of_length[bits] -= 1;
                of_length[bits + 1] += 2;
                of_length[most] -= 1;
                left -= 2;
            }
            // The least frequent leaves get the longest codes.
            let mut leaves = self.sorted.iter().copied().filter(|&n| n < self.leaves);
            for bits in (1..=most).rev() {
                for leaf in leaves.by_ref().take(of_length[bits]) {
                    len[leaf] = bits;
                }
            }
        }
        len.iter().take(last + 1).map(|&l| l as u8).collect()
    }
}
