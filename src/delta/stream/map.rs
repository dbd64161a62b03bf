//! The copy map: which bytes of the new file are which of the old one, and where that puts an old address.

use super::image::{Arch, Class, Image, Section};

/// `len` bytes of new content, then a copy: `copy` bytes of the old file from `old`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy {
    pub old: u32,
    pub new: u32,
    pub len: u32,
}

/// From old addresses to new ones.
pub struct Map<'a> {
    old: &'a Image,
    new: &'a Image,
    /// Copies by place in the old file; where several overlap, the longer one's start wins in its own range.
    by_old: Vec<Copy>,
    /// For each stretch of [`STRETCH`] old bytes, how many copies begin before it.
    before: Vec<u32>,
}

/// Few copies begin in a stretch, so that one is found in few steps, most of them in the cache.
const STRETCH: u64 = 512;

/// Bytes of memory that the stretches of an old file take.
pub fn memory(old: usize) -> u64 {
    (old as u64 / STRETCH + 2) * 4
}

impl<'a> Map<'a> {
    /// `new` has the sections of `old`, one for one, where they lie in the new file.
    pub fn new(old: &'a Image, new: &'a Image, copies: &[Copy]) -> Map<'a> {
        let mut by_old = copies.to_vec();
        by_old.sort_unstable_by_key(|c| (c.old, c.new));
        // Overlaps: keep the longer, cut the other down to what sticks out behind it. In place, for there are many.
        let mut kept = 0;
        for i in 0..by_old.len() {
            let mut c = by_old[i];
            if let Some(last) = by_old[..kept].last_mut() {
                let end = last.old + last.len;
                if c.old < end {
                    if c.len > last.len {
                        // What is left of a cut copy may begin behind the one that cuts it.
                        last.len = c.old.saturating_sub(last.old);
                        kept -= usize::from(last.len == 0);
                    } else if c.old + c.len > end {
                        let cut = end - c.old;
                        c = Copy { old: c.old + cut, new: c.new + cut, len: c.len - cut };
                    } else {
                        continue;
                    }
                }
            }
            by_old[kept] = c;
            kept += 1;
        }
        by_old.truncate(kept);
        let mut before = Vec::new();
        for (i, c) in by_old.iter().enumerate() {
            before.resize((u64::from(c.old) / STRETCH + 1) as usize, i as u32);
        }
        before.push(kept as u32);
        Map { old, new, by_old, before }
    }

    /// How many copies begin at an old place or before it.
    fn begun(&self, old: u64) -> usize {
        let stretch = usize::try_from(old / STRETCH).unwrap_or(usize::MAX);
        let Some(&from) = self.before.get(stretch) else { return self.by_old.len() };
        let to = self.before.get(stretch + 1).map_or(self.by_old.len(), |&to| to as usize);
        from as usize + self.by_old[from as usize..to].partition_point(|c| u64::from(c.old) <= old)
    }

    /// Where the byte of an old place is in the new file, and whether a copy says so (else it is a guess
    /// from the nearest copy before).
    pub fn place(&self, old: u64) -> Option<(u64, bool)> {
        let i = self.begun(old);
        if let Some(c) = i.checked_sub(1).map(|i| &self.by_old[i]) {
            let into = old - u64::from(c.old);
            let inside = into < u64::from(c.len);
            let next = self.by_old.get(i).filter(|_| !inside);
            // Between two copies: follow the nearer one.
            if let Some(n) = next
                && u64::from(n.old) - old < into - u64::from(c.len)
            {
                return u64::from(n.new).checked_sub(u64::from(n.old) - old).map(|p| (p, false));
            }
            return Some((u64::from(c.new) + into, inside));
        }
        let n = self.by_old.first()?;
        u64::from(n.new).checked_sub(u64::from(n.old) - old).map(|p| (p, false))
    }

    /// The new address of an old one, and whether a copy says so.
    pub fn address(&self, target: u64) -> (u64, bool) {
        let Some(i) = self.old.at_addr(target) else { return (target, false) };
        let s = &self.old.sections[i];
        let into = target - s.addr;
        let moved = |sure| (self.new.sections[i].addr.wrapping_add(into), sure);
        if into >= s.size {
            return moved(false);
        }
        let Some((place, sure)) = self.place(s.off + into) else { return moved(false) };
        // A guess must stay in the section's counterpart.
        let n = &self.new.sections[i];
        if place >= n.off && place < n.off + n.size {
            return (n.addr.wrapping_add(place - n.off), sure);
        }
        match self.new.addr_of(place) {
            Some(a) if sure => (a, true),
            _ => moved(false),
        }
    }
}

/// The sections of `old` where they lie in the new file: paired by name, those gone keep their place.
pub fn counterpart(old: &Image, new: &Image) -> Image {
    let sections = old
        .sections
        .iter()
        .map(|s| {
            let same = |n: &&Section| n.name == s.name && (n.class == Class::Code) == (s.class == Class::Code);
            match new.sections.iter().find(same) {
                Some(n) => Section { addr: n.addr, mem: n.mem, off: n.off, size: n.size, ..*s },
                None => *s,
            }
        })
        .collect();
    Image::new(if old.is_known() { old.arch } else { Arch::Other }, new.base, sections)
}
