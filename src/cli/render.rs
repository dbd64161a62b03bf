//! Words and numbers as people read them; used by every command's text output.

pub use crate::report::safe;

/// Bytes with a unit, exact below 10 kB: `812 B`, `9,913 B`, `12.4 kB`, `3.1 MB`.
pub fn bytes(n: u64) -> String {
    match n {
        0..10_000 => format!("{} B", grouped(n)),
        10_000..1_000_000 => tenths(n, 1_000, "kB"),
        1_000_000..1_000_000_000 => tenths(n, 1_000_000, "MB"),
        _ => tenths(n, 1_000_000_000, "GB"),
    }
}

fn tenths(n: u64, unit: u64, name: &str) -> String {
    let t = (u128::from(n) * 10 + u128::from(unit) / 2) / u128::from(unit);
    format!("{}.{} {name}", t / 10, t % 10)
}

/// `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 fix`, `2 fixes`.
pub fn count(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n as u64), if n == 1 { one } else { many })
}

/// `part` of `whole` in percent, one digit after the point; `-` of nothing.
#[cfg(feature = "build")]
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".into();
    }
    let t = (u128::from(part) * 1000 + u128::from(whole) / 2) / u128::from(whole);
    format!("{}.{} %", t / 10, t % 10)
}

/// The first 16 digits of a key's id: enough for people to tell keys apart.
pub fn short(key: &str) -> String {
    safe(&key.chars().take(16).collect::<String>())
}

/// Columns aligned by spaces; numbers (cells that begin with a digit) to the right.
#[cfg(feature = "build")]
pub fn table(rows: &[Vec<String>]) -> String {
    use std::fmt::Write as _;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width: Vec<usize> = (0..columns)
        .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0))
        .collect();
    let number = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_digit()) && s.ends_with(|c: char| c.is_ascii_digit() || "BM%s".contains(c))
    };
    let mut out = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (c, cell) in row.iter().enumerate() {
            let pad = " ".repeat(width[c] - cell.chars().count());
            let _ = if number(cell) { write!(line, " {pad}{cell} ") } else { write!(line, " {cell}{pad} ") };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
