//! Unsigned numbers in LEB128: seven bits a byte, least significant first. A number has one
//! spelling: the shortest.

use super::DeltaError;

pub(super) fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Takes a number off the front of `input`.
pub(super) fn take(input: &mut &[u8]) -> Result<u64, DeltaError> {
    let mut n = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = input.split_first().ok_or(DeltaError::Truncated)?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        n |= bits << shift;
        if byte < 0x80 {
            if byte == 0 && shift > 0 {
                break;
            }
            return Ok(n);
        }
    }
    Err(DeltaError::Damaged("a number is too long"))
}

/// Signed numbers next to zero stay short: 0, -1, 1, -2, ...
pub(super) fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

pub(super) fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}
