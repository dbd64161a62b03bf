//! Metadata from what stands above a patch: mail headers, git trailers, DEP-3 fields, CVE ids.

use super::date::rfc3339;
use super::severity::WORDS;
use super::types::{FixId, Meta, Severity};
use base64::Engine as _;
use std::collections::BTreeSet;

/// Reads the text above the first hunk, and the CVEs and trailers of further mails in the same file.
/// Bytes that are not UTF-8 are replaced: this text is only shown.
pub fn read_header(patch: &[u8], file_name: &str) -> Meta {
    let mut mails = mails(patch).map(|mail| String::from_utf8_lossy(above_the_diff(mail)).into_owned());
    let text = mails.next().unwrap_or_default();
    let mut meta = Meta::default();
    let mut cves = BTreeSet::new();
    collect_cves(&text, &mut cves);
    collect_cves(file_name, &mut cves);
    let (read, prose) = fields(&text);
    for (name, value) in &read {
        take(&mut meta, name, value);
    }
    for more in mails {
        collect_cves(&more, &mut cves);
        // Only what adds up; title, author and date are the first mail's.
        let adds = ["fixes", "stable-dep-of", "requires", "supersedes", "conflicts", "after", "link", "closes", "bug"];
        for (name, value) in fields(&more).0.iter().filter(|(n, _)| adds.contains(&n.as_str())) {
            take(&mut meta, name, value);
        }
    }
    meta.cves = cves.into_iter().collect();
    if meta.title.is_empty() {
        meta.title = prose.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default().to_owned();
    }
    if meta.description.is_empty() {
        meta.description = prose.trim().to_owned();
    }
    if let Some(commit) = text.strip_prefix("From ").and_then(|r| r.get(..40))
        && commit.bytes().all(|b| b.is_ascii_hexdigit())
        && commit.bytes().any(|b| b != b'0')
    {
        meta.commit = commit.to_owned();
    }
    meta
}

/// The mails of a file; a file without any is one.
fn mails(patch: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts: Vec<usize> = if patch.is_empty() { Vec::new() } else { vec![0] };
    let lines = memchr::memmem::find_iter(patch, b"\nFrom ").map(|end| end + 1);
    starts.extend(lines.filter(|at| is_mail_start(&patch[*at..])));
    starts.push(patch.len());
    (1..starts.len()).map(move |i| &patch[starts[i - 1]..starts[i]])
}

/// Lines with their ends, one after the other.
fn lines(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', text).map_or(text.len(), |at| at + 1);
        let (line, rest) = text.split_at(end);
        text = rest;
        (!line.is_empty()).then_some(line)
    })
}

/// The subjects of a file's mails, as `git format-patch` writes them; a file without any has none.
pub fn subjects(patch: &[u8]) -> Vec<String> {
    mails(patch).filter(|mail| is_mail_start(mail)).map(|mail| read_header(mail, "").title).collect()
}

/// `From <commit> Mon Sep 17 00:00:00 2001`, as `git format-patch` begins every mail; more may follow.
fn is_mail_start(text: &[u8]) -> bool {
    text.strip_prefix(b"From ")
        .is_some_and(|rest| rest.len() > 41 && rest[..40].iter().all(u8::is_ascii_hexdigit) && rest[40] == b' ')
}

/// The line, from 1, of a header that says that a mail's body is encoded; such a body hides its patch.
pub fn encoded_mail(patch: &[u8]) -> Option<usize> {
    const FIELD: &[u8] = b"content-transfer-encoding:";
    if lines(patch).next().is_some_and(|first| first.trim_ascii().is_empty()) {
        return None;
    }
    let mut above = 0;
    for mail in mails(patch) {
        let head = lines(mail).map(<[u8]>::trim_ascii_end).take_while(|line| !line.is_empty());
        for (i, line) in head.enumerate() {
            if line.len() > FIELD.len() && line[..FIELD.len()].eq_ignore_ascii_case(FIELD) {
                let value = line[FIELD.len()..].trim_ascii().to_ascii_lowercase();
                if value == b"base64" || value == b"quoted-printable" {
                    return Some(above + i + 1);
                }
            }
        }
        above += memchr::memchr_iter(b'\n', mail).count();
    }
    None
}

/// Everything before the first line that begins a diff.
fn above_the_diff(patch: &[u8]) -> &[u8] {
    let mut end = 0;
    for line in lines(patch) {
        let starts = |w: &[u8]| line.starts_with(w);
        if starts(b"diff --git ") || starts(b"Index: ") || starts(b"--- ") && line.len() > 5 || starts(b"diff -") {
            break;
        }
        end += line.len();
    }
    &patch[..end]
}

/// Field name and value with folded lines joined, and the prose that is left.
fn fields(text: &str) -> (Vec<(String, String)>, String) {
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut prose = String::new();
    let mut open = false;
    let said = Said::of(text);
    for (i, line) in text.lines().enumerate() {
        if line.trim_end() == "---" {
            break; // the diffstat follows
        }
        if i == 0 && line.starts_with("From ") {
            continue;
        }
        if open && line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                let more = line.trim();
                value.push('\n');
                value.push_str(if more == "." { "" } else { more });
            }
            continue;
        }
        open = false;
        match line.split_once(':') {
            Some((name, value)) if is_known(name) && (!relates(name) || said.at(i)) => {
                fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                open = true;
            }
            _ => {
                prose.push_str(line);
                prose.push('\n');
            }
        }
    }
    (fields, prose)
}

/// Fields that name other fixes: a sentence that begins like one must not hold up a release.
fn relates(name: &str) -> bool {
    ["requires", "supersedes", "conflicts", "after"].iter().any(|r| name.eq_ignore_ascii_case(r))
}

/// Where fields are that name other fixes: in the header at the top, or among the trailers, which are the last paragraph.
struct Said {
    /// The first line behind the header.
    header: usize,
    /// The first line of the trailers.
    trailers: usize,
}

impl Said {
    fn of(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().map(str::trim_end).take_while(|line| *line != "---").collect();
        let is_field = |line: &str| {
            line.starts_with([' ', '\t', '('])
                || line.starts_with("From ")
                || line.split_once(':').is_some_and(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace))
                || ["Closes #", "Fixes #", "Refs #"].iter().any(|begin| line.starts_with(begin))
        };
        let blank = |from: usize| lines[from..].iter().position(|l| l.is_empty()).map_or(lines.len(), |at| from + at);
        let top = lines.iter().position(|l| !l.is_empty()).unwrap_or(0);
        let header = if lines[top.min(lines.len())..blank(top)].iter().all(|l| is_field(l)) { blank(top) } else { 0 };
        let end = lines.iter().rposition(|l| !l.is_empty()).map_or(0, |at| at + 1);
        let last = lines[..end].iter().rposition(|l| l.is_empty()).map_or(0, |at| at + 1);
        // As in git, a line between them that is none does no harm.
        let named = lines[last..end].iter().filter(|l| is_field(l)).count();
        let trailers = if named * 2 > end - last { last } else { lines.len() };
        Self { header, trailers }
    }

    fn at(&self, line: usize) -> bool {
        line < self.header || line >= self.trailers
    }
}

/// Names of fields that are read; anything else with a colon is prose.
fn is_known(name: &str) -> bool {
    const KNOWN: &[&str] = &[
        "from",
        "author",
        "date",
        "subject",
        "description",
        "origin",
        "bug",
        "forwarded",
        "last-update",
        "last-updated",
        "applied-upstream",
        "reviewed-by",
        "acked-by",
        "signed-off-by",
        "reported-by",
        "tested-by",
        "cc",
        "to",
        "message-id",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "in-reply-to",
        "references",
        "fixes",
        "stable-dep-of",
        "requires",
        "supersedes",
        "conflicts",
        "after",
        "severity",
        "cve",
        "link",
        "closes",
        "restart",
        "change-id",
        "co-authored-by",
        "suggested-by",
        "upstream",
        "commit",
    ];
    let lower = name.to_ascii_lowercase();
    KNOWN.contains(&lower.as_str()) || lower.starts_with("bug-") || lower.starts_with("origin-")
}

fn take(meta: &mut Meta, name: &str, value: &str) {
    let ids = || value.split([',', ' ', '\n']).filter(|s| is_id(s)).map(|s| FixId(s.to_owned()));
    match name {
        "from" | "author" if meta.author.is_empty() => meta.author = decode_words(&value.replace('\n', " ")),
        // The mail's own header comes first; a body may quote others.
        "date" | "subject" if !(if name == "date" { &meta.date } else { &meta.title }).is_empty() => {}
        "date" => meta.date = rfc3339(value),
        "last-update" if meta.date.is_empty() => value.clone_into(&mut meta.date),
        "subject" => meta.title = decode_words(&without_tags(&value.replace('\n', " "))),
        "description" => {
            let (first, rest) = value.split_once('\n').unwrap_or((value, ""));
            if meta.title.is_empty() {
                first.clone_into(&mut meta.title);
            }
            rest.trim().clone_into(&mut meta.description);
        }
        "fixes" | "stable-dep-of" => {
            let word = value.split_whitespace().next().unwrap_or_default();
            if word.len() >= 7 && word.bytes().all(|b| b.is_ascii_hexdigit()) {
                meta.fixes_commits.push(word.to_owned());
            } else {
                link(meta, value);
            }
        }
        "requires" => meta.requires.extend(ids()),
        "supersedes" => meta.supersedes.extend(ids()),
        "conflicts" => meta.conflicts.extend(ids()),
        "after" => meta.after.extend(ids()),
        "severity" => meta.severity = severity(value),
        "restart" => meta.restart = matches!(value, "yes" | "true" | "needed"),
        "origin" | "forwarded" | "applied-upstream" | "bug" | "link" | "closes" | "upstream" => link(meta, value),
        _ if name.starts_with("bug-") => link(meta, value),
        _ => {}
    }
}

/// No id has a slash: the `Conflicts:` that git itself writes into messages names files.
fn is_id(word: &str) -> bool {
    !word.is_empty() && !word.contains('/')
}

/// `CVSS:3.1/…` or a word; more may stand behind the word, as in OpenSSL's `Severity: Moderate, CVE-…`.
pub fn severity(value: &str) -> Severity {
    if value.starts_with("CVSS:") {
        return Severity { vector: value.to_owned(), word: String::new() };
    }
    let all = value.to_ascii_lowercase();
    let word = match all.split([',', ';', '(']).next().map(str::trim) {
        Some("moderate") => "medium",
        Some(word) if WORDS.contains(&word) => word,
        _ => &all,
    };
    Severity { vector: String::new(), word: word.to_owned() }
}

fn link(meta: &mut Meta, value: &str) {
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    if !matches!(value.as_str(), "" | "no" | "not-needed" | "yes") && !meta.links.contains(&value) {
        meta.links.push(value);
    }
}

/// `[PATCH 1/3] title` becomes `title`.
fn without_tags(subject: &str) -> String {
    let mut rest = subject.trim();
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
        rest = after.trim_start();
    }
    rest.to_owned()
}

/// Whether text is one CVE id, `CVE-2024-1234`.
pub fn is_cve(text: &str) -> bool {
    let mut found = BTreeSet::new();
    collect_cves(text, &mut found);
    found.len() == 1 && found.contains(text)
}

fn collect_cves(text: &str, out: &mut BTreeSet<String>) {
    let upper = text.to_ascii_uppercase();
    for (i, _) in upper.match_indices("CVE-") {
        let rest = upper.get(i + 4..).unwrap_or_default();
        let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
        let year = digits(rest);
        let Some(number) = rest.get(year..).and_then(|r| r.strip_prefix('-')) else { continue };
        let n = digits(number);
        if year == 4 && n >= 4 {
            out.insert(format!("CVE-{}-{}", &rest[..4], &number[..n]));
        }
    }
}

/// Encoded words of RFC 2047 (`=?utf-8?q?J=C3=B6?=`); what cannot be decoded stays as it is.
fn decode_words(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("=?") {
        let parts: Vec<&str> = rest[start + 2..].splitn(4, '?').collect();
        let decoded = match parts.as_slice() {
            [charset, code, body, tail] if tail.starts_with('=') => {
                decode_word(charset, code, body).map(|d| (d, &tail[1..]))
            }
            _ => None,
        };
        let Some((word, tail)) = decoded else {
            out.push_str(&rest[..start + 2]);
            rest = &rest[start + 2..];
            continue;
        };
        out.push_str(&rest[..start]);
        out.push_str(&word);
        // Blanks between two encoded words do not count.
        rest = if tail.trim_start().starts_with("=?") { tail.trim_start() } else { tail };
    }
    out + rest
}

fn decode_word(charset: &str, code: &str, body: &str) -> Option<String> {
    let bytes = match code {
        "b" | "B" => base64::engine::general_purpose::STANDARD.decode(body).ok()?,
        "q" | "Q" => {
            let mut out = Vec::new();
            let mut b = body.bytes();
            while let Some(c) = b.next() {
                out.push(match c {
                    b'_' => b' ',
                    b'=' => {
                        let hex = [b.next()?, b.next()?];
                        u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?
                    }
                    c => c,
                });
            }
            out
        }
        _ => return None,
    };
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" => String::from_utf8(bytes).ok(),
        "iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_git_mail_with_trailers() {
        let m = read_header(
            b"From 9e505e6cd842338424e05883521ca1fb7d0f47f6 Mon Sep 17 00:00:00 2001\nFrom: =?UTF-8?q?J=C3=B6rg?= <j@x.org>\nDate: Wed, 18 Mar 2026 09:00:00 +0100\nSubject: [PATCH 2/9] fix: a\n folded title\n\nWords about cve-2024-12345.\n\nFixes: 0123456789ab (\"x\")\nRequires: FIX-1, FIX-2\nSeverity: CVSS:3.1/AV:N\n---\n a | 2 +-\n\ndiff --git a/a b/a\n",
            "CVE-2023-1111.patch",
        );
        assert_eq!(m.title, "fix: a folded title");
        assert_eq!(m.author, "Jörg <j@x.org>");
        assert_eq!(m.date, "2026-03-18T09:00:00+01:00");
        assert_eq!(m.cves, ["CVE-2023-1111", "CVE-2024-12345"]);
        assert_eq!(m.fixes_commits, ["0123456789ab"]);
        assert_eq!(m.requires, [FixId("FIX-1".into()), FixId("FIX-2".into())]);
        assert_eq!(m.severity.vector, "CVSS:3.1/AV:N");
        assert_eq!(m.commit, "9e505e6cd842338424e05883521ca1fb7d0f47f6");
    }

    #[test]
    fn a_dep3_header() {
        let m = read_header(
            b"Description: short title\n Long text\n .\n more\nAuthor: A B <a@b>\nBug-Debian: https://bugs.debian.org/1\nForwarded: not-needed\nLast-Update: 2020-02-23\n\n--- a/x\n+++ b/x\n",
            "fix.patch",
        );
        assert_eq!(m.title, "short title");
        assert_eq!(m.description, "Long text\n\nmore");
        assert_eq!(m.date, "2020-02-23");
        assert_eq!(m.links, ["https://bugs.debian.org/1"]);
    }

    #[test]
    fn a_severity_is_its_word_whatever_stands_behind_it() {
        for (text, word) in [
            ("Low, CVE-2023-12345", "low"),
            ("Moderate", "medium"),
            ("high (remote)", "high"),
            ("Critical", "critical"),
            ("none of ours, perhaps", "none of ours, perhaps"),
            ("lowest", "lowest"),
            ("very low", "very low"),
        ] {
            assert_eq!(severity(text).word, word, "{text}");
        }
    }

    #[test]
    fn sentences_name_no_fixes() {
        let read = |text: &str| {
            let meta = read_header(format!("{text}\n---\n a | 1 +\n\ndiff --git a/a b/a\n").as_bytes(), "x.patch");
            [meta.requires, meta.after, meta.supersedes].concat().iter().map(|id| id.0.clone()).collect::<Vec<_>>()
        };
        let mail = "From: a <a@b>\nSubject: [PATCH] t\n\n";
        assert_eq!(read(&format!("{mail}Words.\n\nRequires: A\nAfter: B\nSigned-off-by: c <c@d>")), ["A", "B"]);
        assert_eq!(read(&format!("{mail}Words.\n\nSupersedes: A\n(cherry picked from commit 1)\nCloses #1")), ["A"]);
        assert_eq!(read("Description: t\nRequires: A, B\n\nWords."), ["A", "B"]);
        let none: [&str; 0] = [];
        assert_eq!(read(&format!("{mail}Before: `curl 8.11`\nAfter: `curl 8.12`\n\nCloses #1")), none);
        assert_eq!(read(&format!("{mail}Words.\nRequires: OpenSSL 3.0 or newer.\nMore words.")), none);
        assert_eq!(read(&format!("{mail}It is so.\nAfter: the fall.")), none);
    }
}
