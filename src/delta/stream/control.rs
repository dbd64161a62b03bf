//! The copies, coded: how much is new before each, how long it is, and where it comes from, as a change of the
//! diagonal wherever that is short.

use super::coder::Coder;
use super::map::Copy;
use super::model::{Bits, Tier, hash2};

/// Diagonals remembered.
const RECENT: usize = 16;

/// Where the next copy may come from, and what the last ones were.
struct State {
    recent: [i64; RECENT],
    end_old: i64,
    end_new: i64,
    last_len: u32,
    last_gap: u32,
    last_way: u32,
}

const NEAR: u32 = RECENT as u32;
const FAR: u32 = RECENT as u32 + 1;

fn size_class(n: u64) -> u32 {
    64 - n.leading_zeros()
}

/// Codes the copies; a decoder gives an empty slice and their number. Fails on what no encoder writes.
pub fn copies<C: Coder, T: Tier>(
    c: &mut C,
    given: &[Copy],
    count: usize,
    old_len: u64,
    new_len: u64,
) -> Option<Vec<Copy>> {
    let mut bits: Bits<3, T> = Bits::new(18, 255);
    let mut out: Vec<Copy> = Vec::with_capacity(count);
    let mut s = State { recent: [0; RECENT], end_old: 0, end_new: 0, last_len: 0, last_gap: 0, last_way: 0 };
    for i in 0..count {
        let want = given.get(i).copied().unwrap_or(Copy { old: 0, new: 0, len: 0 });
        let gap_want = i64::from(want.new) - s.end_new;
        let gap = bits.number(
            c,
            gap_want as u64,
            1,
            &[0, hash2(size_class(u64::from(s.last_gap)), s.last_way), hash2(size_class(u64::from(s.last_len)), 7)],
        );
        let gap_class = (gap as u32).min(20) + size_class(gap);
        let new = s.end_new.checked_add_unsigned(gap)?;
        // Which diagonal.
        let diagonal_want = i64::from(want.old) - new;
        let shift_want = i64::from(want.old) - s.end_old;
        let way_want = match s.recent.iter().position(|&d| d == diagonal_want) {
            Some(k) => k as u32,
            None if shift_want.unsigned_abs() < 1 << 14 => NEAR,
            None => FAR,
        };
        let mut node = 1;
        for b in (0..5).rev() {
            let contexts = [
                hash2(node, 100 + s.last_way),
                hash2(node, 200 + gap_class),
                hash2(node, 300 + 32 * size_class(u64::from(s.last_len)) + size_class(u64::from(s.last_gap))),
            ];
            node = node * 2 + bits.bit(c, way_want >> b & 1, &contexts, node as usize);
        }
        let way = node & 31;
        let old = match way {
            NEAR => {
                let shift = bits.signed(c, shift_want - gap as i64, 2, &[0, gap_class, hash2(s.last_way, gap_class)]);
                s.end_old.checked_add(shift)?.checked_add_unsigned(gap)?
            }
            FAR => bits.number(c, u64::from(want.old), 3, &[0, size_class(s.end_old as u64), (s.end_old >> 16) as u32])
                as i64,
            k if (k as usize) < RECENT => s.recent[k as usize].checked_add(new)?,
            _ => return None,
        };
        let way_class = way.min(1) + u32::from(way >= NEAR) + u32::from(way == FAR);
        let len = bits.number(
            c,
            u64::from(want.len),
            4,
            &[0, hash2(way_class, gap_class), hash2(size_class(u64::from(s.last_len)), way_class)],
        );
        let fits = |at: i64, all: u64| at >= 0 && len > 0 && (at as u64).checked_add(len).is_some_and(|e| e <= all);
        if !fits(old, old_len) || !fits(new, new_len) {
            return None;
        }
        out.push(Copy { old: old as u32, new: new as u32, len: len as u32 });
        let k = if (way as usize) < RECENT { way as usize } else { RECENT - 1 };
        s.recent.copy_within(0..k, 1);
        s.recent[0] = old - new;
        s.end_old = old + len as i64;
        s.end_new = new + len as i64;
        (s.last_len, s.last_gap, s.last_way) = (len as u32, gap as u32, way);
    }
    Some(out)
}
