//! Where a hunk's lines stand in a file: git's rule, without fuzz.

use super::parse::split_lines;
use super::types::{Hunk, LineKind, RejectReason};
use std::sync::Arc;

/// Where a hunk landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// First line of the hunk in the file as the hunks before it left it, from 0.
    pub line: usize,
    /// How far that is from where the patch said, in lines.
    pub offset: i64,
}

/// Applies hunks one after the other.
///
/// # Errors
/// The index of the first hunk whose lines are not found.
pub fn apply_hunks(old: &[u8], hunks: &[Hunk]) -> Result<(Vec<u8>, Vec<Placed>), usize> {
    let mut image = Image::new(old);
    let mut placed = Vec::with_capacity(hunks.len());
    for (i, hunk) in hunks.iter().enumerate() {
        placed.push(image.put(hunk).ok_or(i)?);
    }
    Ok((image.finish(), placed))
}

/// Why a hunk is not found: whether it would be if line ends did not count.
pub fn why_not(old: &[u8], hunks: &[Hunk], hunk: usize) -> RejectReason {
    let ends = |line: &[u8]| (line.ends_with(b"\r\n"), line.ends_with(b"\n"));
    let lines = split_lines(old);
    let patched = || hunks.iter().flat_map(|h| &h.lines).map(|l| ends(&l.bytes));
    let all = || lines.iter().map(|l| ends(l)).chain(patched());
    let (returns, unended) = (all().any(|e| e.0), all().any(|e| !e.1));
    if !returns && !unended {
        return unplaced(old, &hunks[hunk]);
    }
    let plain = |line: &[u8], keep_return: bool| {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let bare = if keep_return { bare } else { bare.strip_suffix(b"\r").unwrap_or(bare) };
        [bare, b"\n"].concat()
    };
    let lands = |keep_return: bool| {
        let old: Vec<u8> = lines.iter().flat_map(|l| plain(l, keep_return)).collect();
        let mut hunks = hunks.to_vec();
        for line in hunks.iter_mut().flat_map(|h| &mut h.lines) {
            line.bytes = Arc::from(plain(&line.bytes, keep_return));
        }
        !matches!(apply_hunks(&old, &hunks), Err(stuck) if stuck <= hunk)
    };
    match (unended && lands(true), returns && lands(false)) {
        (true, _) => RejectReason::OtherLastLine,
        (_, true) => RejectReason::OtherLineEnds,
        _ => unplaced(old, &hunks[hunk]),
    }
}

/// Why a hunk is not found where line ends have nothing to do with it.
fn unplaced(old: &[u8], hunk: &Hunk) -> RejectReason {
    let pre: Vec<&[u8]> = hunk.lines.iter().filter(|l| l.kind != LineKind::Add).map(|l| &*l.bytes).collect();
    let ends = hunk.lines.last().is_none_or(|l| l.kind != LineKind::Context);
    if hunk.lines.iter().all(|l| l.kind != LineKind::Context) && hunk.old_start > 1 {
        RejectReason::NoContext
    } else if ends && hunk.old_start > 1 && !Image::new(old).occurrences(&pre).is_empty() {
        RejectReason::NotAtEnd
    } else {
        RejectReason::HunkNotFound
    }
}

/// A file's lines while hunks land on it, with a gap where the last one did, so that hunks in
/// ascending order cost no more than the file's length together.
struct Image<'a> {
    front: Vec<&'a [u8]>,
    /// The lines after the gap, last first.
    back: Vec<&'a [u8]>,
    /// Ranges of lines that hunks have written, ascending, none empty, none overlapping.
    written: Vec<(usize, usize)>,
}

impl<'a> Image<'a> {
    fn new(old: &'a [u8]) -> Self {
        let mut back = split_lines(old);
        back.reverse();
        Self { front: Vec::with_capacity(back.len()), back, written: Vec::new() }
    }

    fn finish(mut self) -> Vec<u8> {
        self.front.extend(self.back.drain(..).rev());
        self.front.concat()
    }

    fn len(&self) -> usize {
        self.front.len() + self.back.len()
    }

    fn get(&self, i: usize) -> Option<&'a [u8]> {
        match i.checked_sub(self.front.len()) {
            None => self.front.get(i).copied(),
            Some(k) => self.back.len().checked_sub(k + 1).and_then(|j| self.back.get(j)).copied(),
        }
    }

    /// Whether a hunk that needs `n` lines at `p` would need a line that another one wrote.
    fn is_written(&self, p: usize, n: usize) -> bool {
        let first = self.written.partition_point(|&(_, end)| end <= p);
        self.written.get(first).is_some_and(|&(start, _)| start < p + n)
    }

    fn stands_at(&self, p: usize, pre: &[&[u8]]) -> bool {
        p.checked_add(pre.len()).is_some_and(|end| end <= self.len())
            && !self.is_written(p, pre.len())
            && pre.iter().enumerate().all(|(i, want)| self.get(p + i) == Some(*want))
    }

    /// Puts one hunk; `None` if its lines are not found.
    fn put(&mut self, hunk: &'a Hunk) -> Option<Placed> {
        let side = |without: LineKind| -> Vec<&'a [u8]> {
            hunk.lines.iter().filter(|l| l.kind != without).map(|l| &*l.bytes).collect()
        };
        let (pre, post) = (side(LineKind::Add), side(LineKind::Remove));
        let stated = usize::try_from(hunk.new_start.saturating_sub(1)).unwrap_or(usize::MAX);
        let at = self.find(&pre, hunk, stated)?;
        while self.front.len() < at {
            self.front.push(self.back.pop()?);
        }
        while self.front.len() > at {
            self.back.push(self.front.pop()?);
        }
        self.back.truncate(self.back.len().checked_sub(pre.len())?);
        let next = self.written.partition_point(|&(start, _)| start < at + pre.len());
        for range in self.written.iter_mut().skip(next) {
            // These begin behind the hunk's old lines, so the difference never wraps.
            *range = (range.0 - pre.len() + post.len(), range.1 - pre.len() + post.len());
        }
        if !post.is_empty() {
            self.written.insert(next, (at, at + post.len()));
        }
        self.front.extend(post);
        let signed = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        Some(Placed { line: at, offset: signed(at).saturating_sub(signed(stated)) })
    }

    /// Stricter than git in one thing: where there is no line to find, the place has to be the stated one.
    ///
    /// A hunk that states line 0 or 1 stands at the beginning, one without context after its last change
    /// at the end, any other where it says or else nearest to it, forward first at equal distance.
    fn find(&self, pre: &[&[u8]], hunk: &Hunk, stated: usize) -> Option<usize> {
        let at_end = hunk.lines.last().is_none_or(|l| l.kind != LineKind::Context);
        let room = self.len().checked_sub(pre.len())?;
        if hunk.old_start <= 1 {
            return ((!at_end || room == 0) && self.stands_at(0, pre)).then_some(0);
        }
        if at_end {
            // Lines that stand on nothing are put at the end only where the patch says that this is the place.
            if pre.is_empty() && stated != room {
                return None;
            }
            return self.stands_at(room, pre).then_some(room);
        }
        let line = stated.min(self.len());
        if self.stands_at(line, pre) {
            return Some(line);
        }
        self.occurrences(pre)
            .into_iter()
            .filter(|&p| !self.is_written(p, pre.len()))
            .min_by_key(|&p| (p.abs_diff(line), p < line))
    }

    /// Every place where the lines stand, in time linear in both (Knuth, Morris and Pratt), since
    /// a hostile patch may repeat one line a million times.
    fn occurrences(&self, pre: &[&[u8]]) -> Vec<usize> {
        let mut out = Vec::new();
        if pre.is_empty() {
            return out;
        }
        // border[i]: length of the longest proper prefix of pre[..=i] that also ends it.
        let mut border: Vec<usize> = vec![0; pre.len()];
        let mut k = 0;
        for i in 1..pre.len() {
            while k > 0 && pre[k] != pre[i] {
                k = border[k - 1];
            }
            k += usize::from(pre[k] == pre[i]);
            border[i] = k;
        }
        k = 0;
        for (i, line) in self.front.iter().chain(self.back.iter().rev()).enumerate() {
            while k > 0 && pre[k] != *line {
                k = border[k - 1];
            }
            k += usize::from(pre[k] == *line);
            if k == pre.len() {
                out.push(i + 1 - k);
                k = border[k - 1];
            }
        }
        out
    }
}
