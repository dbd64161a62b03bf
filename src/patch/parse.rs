//! From the bytes of a patch file to file patches.

use super::binary;
use super::hunk::hunk_header;
use super::names::{self, header_name, quoted_pair};
use super::types::{Body, FilePatch, Mode};
use crate::tree::TreePath;

/// How a patch file is read.
#[derive(Debug, Clone, Copy)]
pub struct ParseOptions {
    /// Leading names to drop from every path (`-pN`).
    pub strip: u32,
    /// Read it backwards (`-R`).
    pub reverse: bool,
    /// Most bytes that all its binary hunks together may inflate to.
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

impl ParseError {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        if self.reason == TRUNCATED {
            "its end is missing: copy the whole patch again, or make it again with 'git diff' or 'diff -u'"
        } else if self.reason.starts_with("path '") {
            "what is about a path that no release can have has to be taken out of the patch"
        } else {
            "correct the patch, or make it again with 'git diff' or 'diff -u'"
        }
    }
}

pub(super) const TRUNCATED: &str = "the patch ends inside a hunk";

/// Reads every file patch of a patch file, mails and prose between them passed over.
///
/// # Errors
/// With the line: malformed or truncated hunks, paths that leave the tree, names that contradict each
/// other, binary data that lies about its size, ed scripts and context diffs.
pub fn parse(bytes: &[u8], options: &ParseOptions) -> Result<Vec<FilePatch>, ParseError> {
    let mut reader = Reader { lines: split_lines(bytes), at: 0, mail: 0, options: *options };
    let mut out = Vec::new();
    while let Some(line) = reader.peek() {
        if line.starts_with(b"diff --git ") {
            out.extend(reader.git()?);
        } else if line.starts_with(b"--- ") && reader.starts(1, b"+++ ") && reader.starts(2, b"@@ -") {
            out.push(reader.plain()?);
        } else {
            reader.refuse_lost_change(line)?;
            reader.mail += u32::from(!out.is_empty() && is_mail_start(line));
            reader.at += 1;
        }
    }
    if out.is_empty() {
        reader.refuse_other_kinds()?;
    }
    out.retain(FilePatch::changes_something);
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

const OTHER_KIND: &str =
    "this is an ed script or a normal diff; only unified and git patches are taken ('diff -u', 'git diff')";
const NO_BINARY_DATA: &str = "the patch only says that binary files differ; make it again with 'git diff --binary'";

pub(super) struct Reader<'a> {
    pub(super) lines: Vec<&'a [u8]>,
    pub(super) at: usize,
    /// Counts the lines that begin a mail once something was read before them.
    mail: u32,
    options: ParseOptions,
}

/// `From <commit> …`, with which `git format-patch` begins every mail, or mbox's `From somebody …`.
fn is_mail_start(line: &[u8]) -> bool {
    line.starts_with(b"From ")
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
    pub(super) fn peek(&self) -> Option<&'a [u8]> {
        self.lines.get(self.at).copied()
    }

    fn starts(&self, ahead: usize, with: &[u8]) -> bool {
        self.lines.get(self.at + ahead).is_some_and(|l| l.starts_with(with))
    }

    pub(super) fn line(&self) -> u32 {
        u32::try_from(self.at + 1).unwrap_or(u32::MAX)
    }

    pub(super) fn error<T>(&self, reason: impl std::fmt::Display) -> Result<T, ParseError> {
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

    /// The same, where it is most likely a path that was read already.
    fn same_or(&self, raw: &[u8], strip: u32, known: &Option<TreePath>) -> Result<Option<TreePath>, ParseError> {
        let stripped = if raw == b"/dev/null" { None } else { names::strip(raw, strip) };
        match (known, stripped) {
            (Some(known), Some(name)) if known.as_str().as_bytes() == &*name => Ok(Some(known.clone())),
            _ => self.path(raw, strip),
        }
    }

    fn name(&self, raw: &[u8]) -> Result<Vec<u8>, ParseError> {
        match header_name(raw) {
            Some(name) => Ok(name),
            None => self.error("a quoted name is damaged"),
        }
    }

    /// Names of renames and copies have no `a/` before them, so one name less is dropped.
    fn renamed(&self, raw: &[u8]) -> Result<Option<TreePath>, ParseError> {
        match names::whole_name(raw) {
            Some(name) => self.path(&name, self.options.strip.saturating_sub(1)),
            None => self.error("a quoted name is damaged"),
        }
    }

    fn mode(&self, text: &[u8]) -> Result<Mode, ParseError> {
        let bits = std::str::from_utf8(text).ok().and_then(|t| u32::from_str_radix(t, 8).ok()).unwrap_or(0);
        match bits >> 12 {
            0o10 if bits & 0o7000 != 0 => self.error(format_args!(
                "file mode '{}': set-user-id, set-group-id and sticky bits cannot be patched",
                text.escape_ascii()
            )),
            // Git keeps one bit of a file's permissions: whether its owner may run it.
            0o10 if bits & 0o100 != 0 => Ok(Mode::Exec),
            0o10 => Ok(Mode::File),
            0o12 => Ok(Mode::Symlink),
            0o16 => self.error("submodules cannot be patched"),
            _ => self.error(format_args!("unknown file mode '{}'", text.escape_ascii())),
        }
    }

    /// What a `diff --git` line begins; `None` where nothing of a patch follows it (words in a message).
    fn git(&mut self) -> Result<Option<FilePatch>, ParseError> {
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
            mail: self.mail,
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
                old = self.renamed(n)?;
            } else if let Some(n) = after(b"rename to ").or_else(|| after(b"rename new ")) {
                fp.rename = true;
                new = self.renamed(n)?;
            } else if let Some(n) = after(b"copy from ") {
                fp.copy = true;
                old = self.renamed(n)?;
            } else if let Some(n) = after(b"copy to ") {
                fp.copy = true;
                new = self.renamed(n)?;
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
        let bare = self.line() == begin + 1;
        if bare && !["--- ", "GIT binary patch", "Binary files "].iter().any(|w| self.starts(0, w.as_bytes())) {
            return Ok(None);
        }
        if !fp.rename && !fp.copy {
            // Without a rename both names are the same file; headers that disagree are refused below.
            if let Some((a, b)) = &pair {
                old = self.path(a, strip)?;
                new = self.same_or(b, strip, &old)?;
            }
        }
        if self.peek().is_some_and(|l| l.starts_with(b"--- ")) && self.starts(1, b"+++ ") {
            let a = self.same_or(&self.name(trim(&self.lines[self.at][4..]))?, strip, &old)?;
            self.at += 1;
            let b = self.same_or(&self.name(trim(&self.lines[self.at][4..]))?, strip, &new)?;
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
            let (binary, next) = binary::parse(&self.lines, self.at, &mut self.options.max_binary)?;
            self.at = next;
            fp.body = Body::Binary(binary);
        } else if self.peek().is_some_and(|l| l.starts_with(b"Binary files ")) {
            return self.error(NO_BINARY_DATA);
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
        Ok(Some(fp))
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
            mail: self.mail,
            line,
        })
    }

    /// Changes outside of what is read must not get lost in silence; `git apply` refuses the first kind too.
    fn refuse_lost_change(&mut self, line: &[u8]) -> Result<(), ParseError> {
        let next = self.lines.get(self.at + 1).copied().unwrap_or_default();
        if hunk_header(line).is_some() {
            return self
                .error("a hunk without a file header (or the hunk before it has more lines than its header says)");
        }
        let ed = |l: Option<&&[u8]>| l.is_some_and(|l| names::is_ed_command(trim(l)));
        let header = line.starts_with(b"--- ") && next.starts_with(b"+++ ");
        if header && ed(self.lines.get(self.at + 2)) || line.starts_with(b"diff ") && ed(self.lines.get(self.at + 1)) {
            return self.error(OTHER_KIND);
        }
        if line.starts_with(b"diff -") && next.starts_with(b"Binary files ") && trim(next).ends_with(b" differ") {
            self.at += 1;
            return self.error(NO_BINARY_DATA);
        }
        if line.starts_with(b"diff --c") && next.starts_with(b"index ") {
            return self
                .error("this is the combined diff of a merge; make it again with 'git diff -m' or against one parent");
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
                return refuse(OTHER_KIND);
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
