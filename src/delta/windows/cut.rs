//! From stretches to windows: what is copied, what is new, and which ranges of the old file are near to the new.

use super::Sizes;
use super::find::Match;
use super::layout::{Piece, Plan};

/// Bytes of the old file beside a stretch that are likely to resemble what stands beside it in the new file.
const BESIDE: u64 = 1 << 14;
/// Bytes by which the old file may go on further than twice as far as the new one.
const SLACK: u64 = 1 << 8;
/// Ranges nearer to each other than this are one.
const JOINED: u64 = 32;

/// A window before it is coded: what is new is read at its places when its turn comes.
#[derive(Debug)]
pub struct Window {
    /// Where it begins in the new file.
    pub start: u64,
    pub plan: Plan,
    /// New bytes after the last piece.
    pub tail: u64,
}

pub struct Cutter<'a> {
    sizes: &'a Sizes,
    open: Window,
    /// New bytes in the open window.
    fresh: u64,
    /// Their ranges, before they are put together, and how long they are in all.
    near: Vec<(u64, u64)>,
    near_len: u64,
    /// Where the last copy ends, in the new file and in the old one.
    gap: u64,
    last: Option<(u64, u64)>,
    /// Short stretches since.
    hints: Vec<Match>,
}

impl<'a> Cutter<'a> {
    pub fn new(sizes: &'a Sizes) -> Self {
        Self {
            sizes,
            open: Window { start: 0, plan: Plan::default(), tail: 0 },
            fresh: 0,
            near: Vec::new(),
            near_len: 0,
            gap: 0,
            last: None,
            hints: Vec::new(),
        }
    }

    /// The next stretch; gives the windows that are finished.
    pub fn take(&mut self, m: Match) -> Vec<Window> {
        let mut done = Vec::new();
        self.spill(m.new, &mut done);
        if m.len < self.sizes.copy {
            self.hints.push(m);
            return done;
        }
        self.mark(m.new, Some(m.old), &mut done);
        let fresh = self.open.tail;
        self.open.tail = 0;
        self.open.plan.pieces.push(Piece { fresh, old: m.old, len: m.len });
        self.gap = m.new + m.len;
        self.last = Some((self.gap, m.old + m.len));
        if self.open.plan.pieces.len() >= self.sizes.pieces {
            self.close(&mut done);
        }
        done
    }

    /// The rest, up to the end of the new file.
    pub fn finish(mut self, end: u64) -> Vec<Window> {
        let mut done = Vec::new();
        self.spill(end, &mut done);
        self.mark(end, None, &mut done);
        self.close(&mut done);
        done
    }

    /// Cuts what is new up to `until` where the window is full.
    fn spill(&mut self, until: u64, done: &mut Vec<Window>) {
        while until - self.gap > self.sizes.fresh - self.fresh {
            let full = self.gap + self.sizes.fresh - self.fresh;
            self.mark(full, None, done);
            if self.fresh >= self.sizes.fresh {
                self.close(done);
            }
        }
    }

    /// Takes what is new up to `until`, where a copy from `next` begins, into the window.
    fn mark(&mut self, until: u64, next: Option<u64>, done: &mut Vec<Window>) {
        let split = self.hints.partition_point(|h| h.new < until);
        let mut hints: Vec<Match> = self.hints.drain(..split).collect();
        // One that goes on behind the cut serves both sides.
        if let Some(m) = hints.last_mut().filter(|m| m.new + m.len > until) {
            let here = until - m.new;
            self.hints.insert(0, Match { new: until, old: m.old + here, len: m.len - here });
            m.len = here;
        }
        let next = next.map(|old| Match { new: until, old, len: 0 });
        let mut ranges = Vec::new();
        for m in hints.into_iter().chain(next) {
            between(&mut ranges, self.last, m);
            if m.len > 0 {
                ranges.push((m.old, m.old + m.len));
                self.last = Some((m.new + m.len, m.old + m.len));
            }
        }
        if let Some((new, old)) = self.last.filter(|_| next.is_none()) {
            ranges.push((old, old + until.saturating_sub(new).min(BESIDE)));
        }
        let len: u64 = ranges.iter().map(|(a, b)| b - a).sum();
        if self.near_len + len > self.sizes.near && self.near_len > 0 {
            self.close(done);
        }
        self.near.extend(ranges);
        self.near_len += len;
        self.fresh += until - self.gap;
        self.open.tail += until - self.gap;
        self.gap = until;
    }

    fn close(&mut self, done: &mut Vec<Window>) {
        let next = Window { start: self.gap, plan: Plan::default(), tail: 0 };
        let mut window = std::mem::replace(&mut self.open, next);
        window.plan.ranges = joined(std::mem::take(&mut self.near), self.sizes);
        (self.fresh, self.near_len) = (0, 0);
        if self.gap > window.start {
            done.push(window);
        }
    }
}

/// What of the old file lies between the last stretch and the next: all of it where the files go on side by side,
/// else something after the one and before the other.
fn between(ranges: &mut Vec<(u64, u64)>, last: Option<(u64, u64)>, next: Match) {
    let Some((new, old)) = last else {
        ranges.push((next.old.saturating_sub(next.new.min(BESIDE)), next.old));
        return;
    };
    let way = next.new.saturating_sub(new);
    if next.old >= old && next.old - old <= 2 * way + SLACK {
        ranges.push((old, next.old));
    } else {
        let way = way.min(BESIDE);
        ranges.push((old, old + way));
        ranges.push((next.old.saturating_sub(way), next.old));
    }
}

/// Ranges in order, without overlap, within the file, at most so many bytes: the shortest go first.
fn joined(mut near: Vec<(u64, u64)>, sizes: &Sizes) -> Vec<(u64, u64)> {
    near.sort_unstable();
    let mut out: Vec<(u64, u64)> = Vec::new();
    for (from, to) in near {
        let to = to.min(sizes.old);
        match out.last_mut() {
            Some(last) if from <= last.1 + JOINED => last.1 = last.1.max(to),
            _ if from < to => out.push((from, to)),
            _ => {}
        }
    }
    let total: u64 = out.iter().map(|(a, b)| b - a).sum();
    if total > sizes.near {
        let mut by_len: Vec<(u64, u64)> = out.iter().map(|&(a, b)| (b - a, a)).collect();
        by_len.sort_unstable();
        let mut left = sizes.near;
        out.clear();
        for (len, from) in by_len.into_iter().rev() {
            let len = len.min(left);
            left -= len;
            if len > 0 {
                out.push((from, from + len));
            }
        }
        out.sort_unstable();
    }
    out
}
