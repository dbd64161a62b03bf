//! The hunks of one file in a unified diff.

use super::hunk::{hunk_header, no_line_end};
use super::parse::{ParseError, Reader, TRUNCATED};
use super::types::{Body, Hunk, Line, LineKind};
use std::sync::Arc;

impl Reader<'_> {
    pub(super) fn hunks(&mut self) -> Result<Body, ParseError> {
        let mut hunks = Vec::new();
        while let Some(line) = self.peek() {
            if !line.starts_with(b"@@ -") {
                break;
            }
            let Some(mut hunk) = hunk_header(line) else { return self.error("a hunk header is malformed") };
            hunk.line = self.line();
            self.at += 1;
            self.hunk_lines(&mut hunk)?;
            // A hunk of nothing but context changes nothing.
            if hunk.lines.iter().any(|l| l.kind != LineKind::Context) {
                hunks.push(hunk);
            }
        }
        Ok(if hunks.is_empty() { Body::Nothing } else { Body::Text(hunks) })
    }

    fn hunk_lines(&mut self, hunk: &mut Hunk) -> Result<(), ParseError> {
        let (mut old, mut new) = (0, 0);
        // Sides that have ended without a line end: nothing can follow there.
        let (mut old_ended, mut new_ended) = (false, false);
        while old < hunk.old_len || new < hunk.new_len {
            let Some(line) = self.peek() else { return self.error(TRUNCATED) };
            let (kind, bytes) = match line {
                [b' ', rest @ ..] => (LineKind::Context, rest),
                [b'\n'] | [b'\r', b'\n'] => (LineKind::Context, line),
                [b'-', rest @ ..] => (LineKind::Remove, rest),
                [b'+', rest @ ..] => (LineKind::Add, rest),
                [b'\\', ..] => {
                    let Some(last) = hunk.lines.last() else { return self.error("'\\' without a line before it") };
                    old_ended |= last.kind != LineKind::Add;
                    new_ended |= last.kind != LineKind::Remove;
                    no_line_end(hunk);
                    self.at += 1;
                    continue;
                }
                _ => return self.error("a line of the hunk begins with neither ' ', '-' nor '+'"),
            };
            old += u64::from(kind != LineKind::Add);
            new += u64::from(kind != LineKind::Remove);
            if old > hunk.old_len || new > hunk.new_len {
                return self.error("the hunk has more lines than its header says");
            }
            if (old_ended && kind != LineKind::Add) || (new_ended && kind != LineKind::Remove) {
                return self.error("a line follows one that has no line end");
            }
            hunk.lines.push(Line { kind, bytes: Arc::from(bytes) });
            self.at += 1;
        }
        while self.peek().is_some_and(|l| l.starts_with(b"\\")) {
            no_line_end(hunk);
            self.at += 1;
        }
        Ok(())
    }
}
