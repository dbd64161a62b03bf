//! `series`, as quilt writes it: one name a line, `-pN` and `-R` behind it, `#` begins a comment.

use crate::report::{Error, ErrorCode, Result};
use crate::tree::read_regular;
use std::path::Path;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesLine {
    /// File or folder below `fixes/`.
    pub name: String,
    pub strip: Option<u32>,
    pub reverse: bool,
    /// From 1.
    pub line: usize,
}

pub fn read_series(file: &Path) -> Result<Vec<SeriesLine>> {
    let bytes = read_regular(file)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::new(ErrorCode::BadPath, file.display(), "the series is not UTF-8").next("rename the fixes it names")
    })?;
    let mut out = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let bad = |why: String| {
            Error::new(ErrorCode::Config, format!("{}:{}", file.display(), i + 1), why)
                .next("a line is a name, then perhaps -pN or -R")
        };
        let mut words = line.split_whitespace().take_while(|w| !w.starts_with('#'));
        let Some(name) = words.next() else { continue };
        let mut entry =
            SeriesLine { name: name.trim_end_matches('/').to_owned(), strip: None, reverse: false, line: i + 1 };
        while let Some(word) = words.next() {
            match word {
                "-R" => entry.reverse = true,
                "-p" => {
                    entry.strip =
                        Some(words.next().and_then(|w| w.parse().ok()).ok_or_else(|| bad("-p wants a number".into()))?)
                }
                "-pab" => entry.strip = Some(1),
                w if w.starts_with("-p") => {
                    entry.strip = Some(w[2..].parse().map_err(|_| bad(format!("'{w}' is no strip level")))?);
                }
                w => return Err(bad(format!("'{w}' is no option of a series"))),
            }
        }
        if entry.strip.is_some_and(|s| s > 64) {
            return Err(bad("the strip level is above 64".into()));
        }
        out.push(entry);
    }
    Ok(out)
}
