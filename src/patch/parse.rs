//! From the bytes of a patch file to file patches.

use super::binary;
use super::names::{self, header_name, quoted_pair};
use super::types::{Body, FilePatch, Hunk, Line, LineKind, Mode};
use crate::tree::TreePath;
use std::sync::Arc;

/// How a patch file is read.
#[derive(Debug, Clone, Copy)]
pub struct ParseOptions {
    /// Leading names to drop from every path (`-pN`).
    pub strip: u32,
    /// Read it backwards (`-R`).
    pub reverse: bool,
    /// Most bytes that one binary hunk may inflate to.
    pub max_binary: u64,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self { strip: 1, reverse: false, max_binary: 1 << 30 }
    }
}

/// A patch that cannot be used as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ParseError {
    /// Line in the patch file, from 1.
    pub line: u32,
    pub reason: String,
}

/// Reads every file patch of a patch file, mails and prose between them passed over.
///
/// # Errors
/// With the line: malformed or truncated hunks, paths that leave the tree, names that contradict each
/// other, binary data that lies about its size, ed scripts and context diffs.
pub fn parse(bytes: &[u8], options: &ParseOptions) -> Result<Vec<FilePatch>, ParseError> {
    let mut reader = Reader { lines: split_lines(bytes), at: 0, options: *options };
    let mut out = Vec::new();
    while let Some(line) = reader.peek() {
        if line.starts_with(b"diff --git ") {
            out.push(reader.git()?);
        } else if line.starts_with(b"--- ") && reader.starts(1, b"+++ ") && reader.starts(2, b"@@ -") {
            out.push(reader.plain()?);
        } else {
            reader.at += 1;
        }
    }
    if out.is_empty() {
        reader.refuse_other_kinds()?;
    }
    if options.reverse {
        out.reverse();
        out.iter_mut().try_for_each(FilePatch::reverse)?;
    }
    Ok(out)
}

/// Lines with their ends; the last may have none.
pub fn split_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        out.push(&bytes[start..=end]);
        start = end + 1;
    }
    if start < bytes.len() {
        out.push(&bytes[start..]);
    }
    out
}

struct Reader<'a> {
    lines: Vec<&'a [u8]>,
    at: usize,
    options: ParseOptions,
}

/// Line ends and trailing blanks do not belong to a header.
fn trim(line: &[u8]) -> &[u8] {
    let mut line = line;
    while let [rest @ .., b'\n' | b'\r'] = line {
        line = rest;
    }
    line
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a [u8]> {
        self.lines.get(self.at).copied()
    }

    fn starts(&self, ahead: usize, with: &[u8]) -> bool {
        self.lines.get(self.at + ahead).is_some_and(|l| l.starts_with(with))
    }

    fn line(&self) -> u32 {
        u32::try_from(self.at + 1).unwrap_or(u32::MAX)
    }

    fn error<T>(&self, reason: impl std::fmt::Display) -> Result<T, ParseError> {
        Err(ParseError { line: self.line(), reason: reason.to_string() })
    }

    /// A path after `strip` leading names; `/dev/null` is none.
    fn path(&self, raw: &[u8], strip: u32) -> Result<Option<TreePath>, ParseError> {
        if raw == b"/dev/null" {
            return Ok(None);
        }
        let Some(stripped) = names::strip(raw, strip) else {
            return self
                .error(format_args!("path '{}' has fewer than {strip} leading names to drop", raw.escape_ascii()));
        };
        match TreePath::from_bytes(&stripped) {
            Ok(path) => Ok(Some(path)),
            Err(e) => self.error(format_args!("path '{}': {e}", raw.escape_ascii())),
        }
    }

    fn name(&self, raw: &[u8]) -> Result<Vec<u8>, ParseError> {
        match header_name(raw) {
            Some(name) => Ok(name),
            None => self.error("a quoted name is damaged"),
        }
    }

    fn mode(&self, text: &[u8]) -> Result<Mode, ParseError> {
        match text {
            b"100644" | b"100664" | b"100600" => Ok(Mode::File),
            b"100755" | b"100775" | b"100700" => Ok(Mode::Exec),
            b"120000" => Ok(Mode::Symlink),
            b"160000" => self.error("submodules cannot be patched"),
            _ => self.error(format_args!("unknown file mode '{}'", text.escape_ascii())),
        }
    }

    fn git(&mut self) -> Result<FilePatch, ParseError> {
        let begin = self.line();
        let rest = trim(&self.lines[self.at][b"diff --git ".len()..]);
        let mut fp = FilePatch {
            old: None,
            new: None,
            git: true,
            rename: false,
            copy: false,
            old_mode: None,
            new_mode: None,
            index: None,
            body: Body::Nothing,
            line: begin,
        };
        let (mut created, mut deleted) = (false, false);
        let pair = quoted_pair(rest, self.options.strip);
        let strip = self.options.strip;
        let (mut old, mut new) = (None, None);
        self.at += 1;
        while let Some(line) = self.peek() {
            let line = trim(line);
            let after = |word: &[u8]| line.strip_prefix(word);
            if let Some(m) = after(b"old mode ") {
                fp.old_mode = Some(self.mode(m)?);
            } else if let Some(m) = after(b"new mode ") {
                fp.new_mode = Some(self.mode(m)?);
            } else if let Some(m) = after(b"new file mode ") {
                created = true;
                fp.new_mode = Some(self.mode(m)?);
            } else if let Some(m) = after(b"deleted file mode ") {
                deleted = true;
                fp.old_mode = Some(self.mode(m)?);
            } else if let Some(n) = after(b"rename from ").or_else(|| after(b"rename old ")) {
                fp.rename = true;
                old = self.path(&self.name(n)?, strip.saturating_sub(1))?;
            } else if let Some(n) = after(b"rename to ").or_else(|| after(b"rename new ")) {
                fp.rename = true;
                new = self.path(&self.name(n)?, strip.saturating_sub(1))?;
            } else if let Some(n) = after(b"copy from ") {
                fp.copy = true;
                old = self.path(&self.name(n)?, strip.saturating_sub(1))?;
            } else if let Some(n) = after(b"copy to ") {
                fp.copy = true;
                new = self.path(&self.name(n)?, strip.saturating_sub(1))?;
            } else if let Some(ids) = after(b"index ") {
                let (ids, mode) = match ids.iter().position(|b| *b == b' ') {
                    Some(i) => (&ids[..i], Some(&ids[i + 1..])),
                    None => (ids, None),
                };
                if let Some(i) = ids.windows(2).position(|w| w == b"..") {
                    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
                    fp.index = Some((text(&ids[..i]), text(&ids[i + 2..])));
                }
                if let (Some(m), None) = (mode, fp.old_mode) {
                    fp.old_mode = Some(self.mode(m)?);
                }
            } else if after(b"similarity index").is_none() && after(b"dissimilarity index").is_none() {
                break;
            }
            self.at += 1;
        }
        if !fp.rename && !fp.copy {
            // Without a rename both names are the same file; headers that disagree are refused below.
            if let Some((a, b)) = &pair {
                old = self.path(a, strip)?;
                new = self.path(b, strip)?;
            }
        }
        if self.peek().is_some_and(|l| l.starts_with(b"--- ")) && self.starts(1, b"+++ ") {
            let a = self.path(&self.name(trim(&self.lines[self.at][4..]))?, strip)?;
            self.at += 1;
            let b = self.path(&self.name(trim(&self.lines[self.at][4..]))?, strip)?;
            for (header, known, what) in [(&a, &mut old, "old"), (&b, &mut new, "new")] {
                match (header, known.as_ref()) {
                    (Some(h), Some(k)) if h != k => {
                        return self.error(format_args!("the patch claims {what} file '{k}', but changes '{h}'"));
                    }
                    (Some(h), None) => *known = Some(h.clone()),
                    _ => {}
                }
            }
            created |= a.is_none();
            deleted |= b.is_none();
            self.at += 1;
            fp.body = self.hunks()?;
        } else if self.peek().is_some_and(|l| l.starts_with(b"GIT binary patch")) {
            self.at += 1;
            let (binary, next) = binary::parse(&self.lines, self.at, self.options.max_binary)?;
            self.at = next;
            fp.body = Body::Binary(binary);
        } else if self.peek().is_some_and(|l| l.starts_with(b"Binary files ")) {
            return self.error("the patch only says that binary files differ; make it again with 'git diff --binary'");
        }
        if old.is_none() && new.is_none() {
            return self.error("no file name can be read from the header");
        }
        if (old.is_none() && !created) || (new.is_none() && !deleted) {
            return self.error("no file name can be read from the header");
        }
        fp.old = if created { None } else { old };
        fp.new = if deleted { None } else { new };
        if fp.old.is_none() && fp.new.is_none() {
            return self.error("the patch both creates and deletes the file");
        }
        Ok(fp)
    }

    fn plain(&mut self) -> Result<FilePatch, ParseError> {
        let line = self.line();
        let strip = self.options.strip;
        let old = self.path(&self.name(trim(&self.lines[self.at][4..]))?, strip)?;
        self.at += 1;
        let new = self.path(&self.name(trim(&self.lines[self.at][4..]))?, strip)?;
        self.at += 1;
        if old.is_none() && new.is_none() {
            return self.error("both names are /dev/null");
        }
        let body = self.hunks()?;
        Ok(FilePatch {
            old,
            new,
            git: false,
            rename: false,
            copy: false,
            old_mode: None,
            new_mode: None,
            index: None,
            body,
            line,
        })
    }

    fn hunks(&mut self) -> Result<Body, ParseError> {
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
        while old < hunk.old_len || new < hunk.new_len {
            let Some(line) = self.peek() else { return self.error("the patch ends inside a hunk") };
            let (kind, bytes) = match line {
                [b' ', rest @ ..] => (LineKind::Context, rest),
                [b'\n'] | [b'\r', b'\n'] => (LineKind::Context, line),
                [b'-', rest @ ..] => (LineKind::Remove, rest),
                [b'+', rest @ ..] => (LineKind::Add, rest),
                [b'\\', ..] => {
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
            hunk.lines.push(Line { kind, bytes: Arc::from(bytes) });
            self.at += 1;
        }
        while self.peek().is_some_and(|l| l.starts_with(b"\\")) {
            no_line_end(hunk);
            self.at += 1;
        }
        Ok(())
    }

    /// A file without any unified diff may be of a kind that is refused by name.
    fn refuse_other_kinds(&self) -> Result<(), ParseError> {
        for (i, line) in self.lines.iter().enumerate() {
            let line = trim(line);
            let at = u32::try_from(i + 1).unwrap_or(u32::MAX);
            let refuse = |reason: &str| Err(ParseError { line: at, reason: reason.into() });
            if names::is_ed_command(line) {
                return refuse(
                    "this is an ed script or a normal diff; only unified and git patches are taken ('diff -u', 'git diff')",
                );
            }
            if line.starts_with(b"*** ") && self.lines.get(i + 1).is_some_and(|l| l.starts_with(b"--- ")) {
                return refuse(
                    "this is a context diff; only unified and git patches are taken ('diff -u', 'git diff')",
                );
            }
        }
        Ok(())
    }
}

/// `\ No newline at end of file` speaks of the line before it.
fn no_line_end(hunk: &mut Hunk) {
    if let Some(last) = hunk.lines.last_mut() {
        if let [rest @ .., b'\n'] = &*last.bytes {
            last.bytes = Arc::from(rest);
        }
    }
}

/// `@@ -OLD[,LEN] +NEW[,LEN] @@`.
fn hunk_header(line: &[u8]) -> Option<Hunk> {
    let rest = line.strip_prefix(b"@@ -")?;
    let (old_start, old_len, rest) = range(rest)?;
    let rest = rest.strip_prefix(b" +")?;
    let (new_start, new_len, rest) = range(rest)?;
    rest.starts_with(b" @@").then_some(Hunk { old_start, old_len, new_start, new_len, lines: Vec::new(), line: 0 })
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
