//! Parts of reading that need no position: the `@@` line, line ends, and turning a patch around.

use super::parse::ParseError;
use super::types::{Body, FilePatch, Hunk, LineKind};
use std::sync::Arc;

/// `\ No newline at end of file` speaks of the line before it.
pub fn no_line_end(hunk: &mut Hunk) {
    if let Some(last) = hunk.lines.last_mut()
        && let [rest @ .., b'\n'] = &*last.bytes
    {
        last.bytes = Arc::from(rest);
    }
}

/// `@@ -OLD[,LEN] +NEW[,LEN] @@`.
pub fn hunk_header(line: &[u8]) -> Option<Hunk> {
    let rest = line.strip_prefix(b"@@ -")?;
    let (old_start, old_len, rest) = range(rest)?;
    let rest = rest.strip_prefix(b" +")?;
    let (new_start, new_len, rest) = range(rest)?;
    let section = rest.strip_prefix(b" @@")?.trim_ascii().into();
    Some(Hunk { old_start, old_len, new_start, new_len, lines: Vec::new(), line: 0, section })
}

fn range(text: &[u8]) -> Option<(u64, u64, &[u8])> {
    let (start, rest) = number(text)?;
    match rest.strip_prefix(b",") {
        Some(rest) => number(rest).map(|(len, rest)| (start, len, rest)),
        None => Some((start, 1, rest)),
    }
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let value = std::str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    Some((value, &text[digits..]))
}

impl FilePatch {
    /// Turns the patch around, as `-R` does.
    ///
    /// # Errors
    /// A binary patch that was recorded in one direction only.
    pub fn reverse(&mut self) -> Result<(), ParseError> {
        std::mem::swap(&mut self.old, &mut self.new);
        std::mem::swap(&mut self.old_mode, &mut self.new_mode);
        if let Some((a, b)) = &mut self.index {
            std::mem::swap(a, b);
        }
        let line = self.line;
        if self.copy {
            // Undoing a copy deletes what it made.
            self.copy = false;
            self.new = None;
        }
        match &mut self.body {
            Body::Nothing => {}
            Body::Text(hunks) => {
                for h in hunks {
                    std::mem::swap(&mut h.old_start, &mut h.new_start);
                    std::mem::swap(&mut h.old_len, &mut h.new_len);
                    for l in &mut h.lines {
                        l.kind = match l.kind {
                            LineKind::Add => LineKind::Remove,
                            LineKind::Remove => LineKind::Add,
                            LineKind::Context => LineKind::Context,
                        };
                    }
                }
            }
            Body::Binary(b) => match b.backward.take() {
                Some(back) => {
                    b.backward = Some(std::mem::replace(&mut b.forward, back));
                }
                None => {
                    return Err(ParseError {
                        line,
                        reason: "the binary patch carries no way back, so it cannot be reversed".into(),
                    });
                }
            },
        }
        Ok(())
    }
}
