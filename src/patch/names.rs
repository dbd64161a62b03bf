//! File names as patches spell them.

use std::borrow::Cow;

/// Drops `n` leading names; then repeated slashes count once and `.` not at all. `None` if there are not so many.
///
/// What was absolute stays so (also `b//etc/passwd` at `-p1`, as `git apply` reads it) and is refused as a path.
pub fn strip(raw: &[u8], n: u32) -> Option<Cow<'_, [u8]>> {
    let mut rest = raw;
    if raw.first() != Some(&b'/') {
        for _ in 0..n {
            match rest.iter().position(|b| *b == b'/') {
                Some(slash) => rest = &rest[slash + 1..],
                // A bare name cannot lose anything; patch and git take it as it is for -p1.
                None if n == 1 => break,
                None => return None,
            }
        }
    }
    let counts = |p: &&[u8]| !p.is_empty() && *p != b".";
    if rest.split(|b| *b == b'/').all(|p| counts(&p)) {
        return Some(Cow::Borrowed(rest));
    }
    let parts: Vec<&[u8]> = rest.split(|b| *b == b'/').filter(counts).collect();
    let mut out = parts.join(&b'/');
    if rest.first() == Some(&b'/') {
        out.insert(0, b'/');
    }
    (!out.is_empty()).then_some(Cow::Owned(out))
}

/// The name on a `rename` or `copy` line: C-quoted, or all of it. `None` if the quoting is damaged.
pub fn whole_name(raw: &[u8]) -> Option<Vec<u8>> {
    match raw.first() {
        Some(b'"') => unquote(raw).map(|(name, _)| name),
        _ => Some(raw.to_vec()),
    }
}

/// The name on a `---` or `+++` line: C-quoted, or up to a tab or a time stamp. `None` if the quoting is damaged.
pub fn header_name(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.first() == Some(&b'"') {
        return unquote(raw).map(|(name, _)| name);
    }
    let end = raw.iter().position(|b| *b == b'\t').unwrap_or_else(|| before_time(raw));
    Some(raw[..end].trim_ascii_end().to_vec())
}

/// Where a ` 2026-01-02 03:04…` or ` Mon Jan…` that some diffs put behind the name without a tab begins.
fn before_time(raw: &[u8]) -> usize {
    let shape = |w: &[u8]| {
        let iso = b" 0000-00-00 00:00";
        let day = [b" Mon ", b" Tue ", b" Wed ", b" Thu ", b" Fri ", b" Sat ", b" Sun "];
        day.iter().any(|d| w.starts_with(*d))
            || w.len() >= iso.len()
                && w.iter().zip(iso).all(|(c, s)| if *s == b'0' { c.is_ascii_digit() } else { c == s })
    };
    (1..raw.len()).find(|i| raw[*i] == b' ' && shape(&raw[*i..])).unwrap_or(raw.len())
}

/// Reads a C-quoted name; returns it with what follows the closing quote.
pub fn unquote(raw: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = raw.strip_prefix(b"\"")?;
    let mut out = Vec::new();
    loop {
        match rest {
            [b'"', after @ ..] => return Some((out, after)),
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            [b'\\', c, after @ ..] => {
                out.push(match c {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => 9,
                    b'n' => 10,
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => 13,
                    b'"' | b'\\' => *c,
                    _ => return None,
                });
                rest = after;
            }
            [c, after @ ..] => {
                out.push(*c);
                rest = after;
            }
            [] => return None,
        }
    }
}

/// The two names of a `diff --git` line, which are not separated clearly when they have blanks in them:
/// quoted ones are, and unquoted ones are taken where both halves name the same file.
pub fn quoted_pair(rest: &[u8], n: u32) -> Option<(Vec<u8>, Vec<u8>)> {
    if rest.first() == Some(&b'"') {
        let (a, after) = unquote(rest)?;
        let after = after.strip_prefix(b" ")?;
        return Some((a, whole_name(after)?));
    }
    if rest.last() == Some(&b'"') {
        let i = rest.windows(2).position(|w| w == b" \"")?;
        return Some((rest[..i].to_vec(), unquote(&rest[i + 1..])?.0));
    }
    let half = rest.len() / 2;
    if rest.get(half) == Some(&b' ') {
        let (a, b) = (&rest[..half], &rest[half + 1..]);
        let file = strip(a, n);
        if file.is_some() && file == strip(b, n) {
            return Some((a.to_vec(), b.to_vec()));
        }
    }
    // Names that differ come with rename, copy or ---/+++ lines, which say them clearly.
    None
}

/// `12a`, `3,4c`, `5d`: a command of ed, or of a normal diff (`3,4c5`).
pub fn is_ed_command(line: &[u8]) -> bool {
    let range = |l: &[u8]| -> usize {
        let a = l.iter().take_while(|b| b.is_ascii_digit()).count();
        match l.get(a) {
            Some(b',') if a > 0 => {
                let b = l[a + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
                if b > 0 { a + 1 + b } else { 0 }
            }
            _ => a,
        }
    };
    let n = range(line);
    n > 0 && matches!(line.get(n), Some(b'a' | b'c' | b'd' | b'i' | b's')) && {
        let rest = &line[n + 1..];
        rest.is_empty() || (!rest.is_empty() && range(rest) == rest.len())
    }
}
