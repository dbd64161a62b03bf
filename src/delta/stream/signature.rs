//! The page hashes in a Mach-O file's code signature: they follow from the bytes before them, so they are not coded
//! (Apple's `cs_blobs.h`: a super blob with a code directory, all numbers big-endian).

use super::bytes::u32_at;
use sha2::{Digest as _, Sha256};
use std::ops::Range;

const HASH: usize = 32;
const SIGNATURE: u32 = 0x1D;
const SUPER_BLOB: u32 = 0xFADE_0CC0;
const DIRECTORY: u32 = 0xFADE_0C02;
/// Sizes of pages that are looked at, as shifts.
const PAGES: Range<u32> = 10..25;

/// Where the hashes lie, and of what they are.
struct Slots {
    at: usize,
    count: usize,
    page: usize,
    /// What is signed: this many bytes from the start.
    limit: usize,
}

fn big(file: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_at(file, at)?.swap_bytes()).ok()
}

fn slots(file: &[u8]) -> Option<Slots> {
    (u32_at(file, 0)? == 0xFEED_FACF).then_some(())?;
    let mut command = 32usize;
    let mut signature = None;
    for _ in 0..u32_at(file, 16)?.min(1024) {
        if u32_at(file, command)? == SIGNATURE {
            signature = Some(u32_at(file, command.checked_add(8)?)? as usize);
        }
        command = command.checked_add(u32_at(file, command.checked_add(4)?)?.max(8) as usize)?;
    }
    let start = signature?;
    (big(file, start)? == SUPER_BLOB as usize).then_some(())?;
    for i in 0..big(file, start.checked_add(8)?)?.min(16) {
        let directory = start.checked_add(big(file, start + 16 + 8 * i)?)?;
        if big(file, directory)? != DIRECTORY as usize {
            continue;
        }
        let at = directory.checked_add(big(file, directory.checked_add(16)?)?)?;
        let (count, limit) = (big(file, directory + 28)?, big(file, directory + 32)?);
        let kinds = u32_at(file, directory + 36)?.to_le_bytes();
        let shift = u32::from(kinds[3]);
        if (kinds[0], kinds[1]) != (HASH as u8, 2) || !PAGES.contains(&shift) {
            continue;
        }
        let end = at.checked_add(count.checked_mul(HASH)?)?;
        if limit <= start && end <= file.len() && at >= start && count == limit.div_ceil(1 << shift) {
            return Some(Slots { at, count, page: 1 << shift, limit });
        }
    }
    None
}

/// Puts the hashes where they belong; nothing happens in other files.
pub fn fill(file: &mut [u8]) {
    let Some(s) = slots(file) else { return };
    for i in 0..s.count {
        let page = i * s.page..s.limit.min((i + 1) * s.page);
        let hash = Sha256::digest(&file[page]);
        file[s.at + i * HASH..][..HASH].copy_from_slice(&hash);
    }
}

/// The file with zeros for its hashes, if [`fill`] gives it back.
pub fn strip(file: &[u8]) -> Option<Vec<u8>> {
    let s = slots(file)?;
    let mut stripped = file.to_vec();
    stripped[s.at..s.at + s.count * HASH].fill(0);
    let mut again = stripped.clone();
    fill(&mut again);
    (again == file).then_some(stripped)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Mach-O file of `pages` pages and a signature, as far as it is read.
    fn signed(pages: usize) -> Vec<u8> {
        let limit = pages * 4096 - 100;
        let mut file: Vec<u8> = (0..limit).map(|i| ((i * i) >> 5) as u8).collect();
        file[..48].fill(0);
        file[..4].copy_from_slice(&0xFEED_FACFu32.to_le_bytes());
        file[16..20].copy_from_slice(&1u32.to_le_bytes());
        for (at, value) in [(32, SIGNATURE), (36, 16), (40, limit as u32)] {
            file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        let mut put = |value: u32| file.extend(value.to_be_bytes());
        [SUPER_BLOB, 0, 1, 0, 20].into_iter().for_each(&mut put);
        [DIRECTORY, 0, 0, 0, 44, 0, 0, pages as u32, limit as u32].into_iter().for_each(&mut put);
        file.extend([HASH as u8, 2, 0, 12, 0, 0, 0, 0]);
        file.extend(vec![0; pages * HASH]);
        fill(&mut file);
        file
    }

    #[test]
    fn hashes_are_left_out_and_put_back() {
        let file = signed(5);
        let mut stripped = strip(&file).unwrap();
        assert!(stripped.iter().rev().take(5 * HASH).all(|&b| b == 0));
        fill(&mut stripped);
        assert_eq!(stripped, file);
        let mut lies = file.clone();
        *lies.last_mut().unwrap() ^= 1;
        assert_eq!(strip(&lies), None, "a hash that does not fit its page is coded");
    }

    #[test]
    fn headers_that_lie_are_left_alone() {
        let file = signed(3);
        let start = 3 * 4096 - 100;
        for at in (0..48).chain(start..start + 64) {
            for with in [0, 1, 0x7F, 0xFF] {
                let mut bad = file.clone();
                bad[at] = with;
                fill(&mut bad);
                let _ = strip(&bad);
            }
        }
        for len in 0..file.len().min(200) {
            fill(&mut file[..len].to_vec());
        }
    }
}
