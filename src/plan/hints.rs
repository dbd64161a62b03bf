//! What text cannot prove but suggests: a fix uses a word that only another introduces, or names its commit.
//!
//! A hint never changes an order. Words count if they look like names in code, stand in added lines, and stand
//! nowhere in the start tree nor in the added lines of a fix before the one that introduces them.

use super::bits::Bits;
use super::replay::Replay;
use super::types::{Candidate, Hint, HintKind, Place};
use super::vocabulary::in_tree;
use super::work::Work;
use crate::fix::Payload;
use crate::patch::{Body, FilePatch, LineKind};
use crate::report::{Code, Error, Finding};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Shorter words are too common to mean anything.
pub(super) const SHORTEST: usize = 4;
/// A run of this many base64 letters is coded data.
const CODED: usize = 48;
/// Further words named in one hint.
const MORE: usize = 4;

/// The words that a fix adds and does not take out or keep, ascending, each with the part of its patch and the line in
/// which it stands first; and the parts that make a file, with their lines.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Words {
    added: Vec<(String, usize, u32)>,
    made: Vec<(usize, u32)>,
}

/// A word as a place in the order uses it.
struct Use {
    fix: usize,
    on: usize,
    introduced: Place,
    used: Place,
    file: bool,
}

/// By place in an order: the words of the fix.
pub(super) fn words_of<'a>(fixes: &[Candidate<'a>], replay: &Replay<'a>, order: &[usize]) -> Vec<Words> {
    let words = |i: &usize| match fixes[*i].payload {
        Payload::Patch(files) => replay.of_fix_alone("words", *i, || Words::of(files)),
        Payload::Overlay(_) => Words::default(),
    };
    order.par_iter().map(words).collect()
}

/// All hints between fixes of an order, by place; `of_fix` has their words, and `all` the proved needs.
///
/// # Errors
/// `io`, `source-changed` where a file of the start tree cannot be read.
pub(super) fn hints<'a>(
    work: &Work<'a, '_>,
    of_fix: &[Words],
    order: &[usize],
    all: &[Bits],
) -> Result<Vec<Hint>, Error> {
    let mut uses: BTreeMap<&[u8], Vec<Use>> = BTreeMap::new();
    let mut files: HashMap<&[u8], (usize, usize, u32)> = HashMap::new();
    let names: OnceCell<HashSet<&[u8]>> = OnceCell::new();
    let there = || names.get_or_init(|| work.input.start.entries.keys().map(|p| p.name().as_bytes()).collect());
    // The new path of a part of the fix at a place.
    let path = |k: usize, part: usize| match work.fixes[order[k]].payload {
        Payload::Patch(files) => files.names().nth(part).and_then(|(_, new)| new),
        Payload::Overlay(_) => None,
    };
    let place = |(k, part, line): (usize, usize, u32)| path(k, part).map(|path| Place { path: path.clone(), line });
    let most = of_fix.iter().map(|words| words.added.len()).sum();
    let mut introduced: HashMap<&[u8], (usize, usize, u32)> = HashMap::with_capacity(most);
    for (k, words) in of_fix.iter().enumerate() {
        for (word, part, line) in &words.added {
            let (word, here) = (word.as_bytes(), (k, *part, *line));
            let known = files.get(word).map(|f| (*f, true)).or_else(|| introduced.get(word).map(|w| (*w, false)));
            match known {
                Some((at, file)) if at.0 != k => {
                    if let (Some(introduced), Some(used)) = (place(at), place(here)) {
                        uses.entry(word).or_default().push(Use { fix: k, on: at.0, introduced, used, file });
                    }
                }
                Some(_) => {}
                None if is_name(word) => {
                    introduced.insert(word, here);
                }
                None => {}
            }
        }
        for (part, line) in &words.made {
            let Some(path) = path(k, *part) else { continue };
            if !there().contains(path.name().as_bytes()) {
                files.entry(path.name().as_bytes()).or_insert((k, *part, *line));
            }
        }
    }
    let wanted: HashSet<&[u8]> = uses.iter().filter(|(_, u)| u.iter().any(|u| !u.file)).map(|(w, _)| *w).collect();
    let known = in_tree(&wanted, work.input)?;
    uses.retain(|word, list| {
        list.retain(|u| u.file || !known.contains(word));
        !list.is_empty()
    });
    let mut by_pair: BTreeMap<(usize, usize), HintKind> = BTreeMap::new();
    for (word, list) in uses {
        for u in list {
            let text = String::from_utf8_lossy(word).into_owned();
            match by_pair.entry((u.fix, u.on)) {
                std::collections::btree_map::Entry::Occupied(mut there) => {
                    if let HintKind::Uses { more, .. } = there.get_mut()
                        && more.len() < MORE
                    {
                        more.push(text);
                    }
                }
                std::collections::btree_map::Entry::Vacant(free) => {
                    let Use { introduced, used, file, .. } = u;
                    free.insert(HintKind::Uses { word: text, more: Vec::new(), file, introduced, used });
                }
            }
        }
    }
    let id = |k: usize| work.id(order[k]);
    let mut out: Vec<((usize, usize), HintKind)> = by_pair.into_iter().collect();
    let trailers = trailers(work, order);
    let titles = titles(work, order);
    out.extend(titles.into_iter().filter(|(pair, _)| trailers.iter().all(|(known, _)| known != pair)));
    out.extend(trailers);
    out.sort_by_key(|(pair, _)| *pair);
    Ok(out
        .into_iter()
        .map(|((k, n), kind)| Hint { fix: id(k), on: id(n), kind, proved: all[k].has(n) || all[n].has(k) })
        .collect())
}

/// `Fixes:` and `Stable-dep-of:` that name the commit of another fix.
fn trailers(work: &Work<'_, '_>, order: &[usize]) -> Vec<((usize, usize), HintKind)> {
    let commits: Vec<String> = order.iter().map(|i| work.fixes[*i].meta.commit.to_ascii_lowercase()).collect();
    let mut out = Vec::new();
    for (k, i) in order.iter().enumerate() {
        for named in &work.fixes[*i].meta.fixes_commits {
            let named = named.to_ascii_lowercase();
            let is = |c: &String| c.len() >= 7 && named.len() >= 7 && (c.starts_with(&named) || named.starts_with(c));
            if let Some(n) = commits.iter().position(is).filter(|n| *n != k) {
                out.push(((k, n), HintKind::Names { commit: commits[n].clone() }));
            }
        }
    }
    out
}

/// What a title says before the change that brought what it repairs.
const BROUGHT_BY: [&str; 5] = ["introduced by ", "introduced in ", "caused by ", "broken by ", "regression from "];

/// Titles that name another fix as what brought the fault: by the number in whose parentheses the other's title ends,
/// as forges write it, or by its commit.
fn titles(work: &Work<'_, '_>, order: &[usize]) -> Vec<((usize, usize), HintKind)> {
    let title = |k: usize| work.fixes[order[k]].meta.title.as_str();
    let mut numbered: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut out = Vec::new();
    for k in 0..order.len() {
        let number = title(k).trim_end().strip_suffix(')').and_then(|t| t.rsplit_once("(#")).map(|(_, n)| n);
        if let Some(n) = number.filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
            numbered.entry(n).or_default().push(k);
        }
    }
    for k in 0..order.len() {
        let lower = title(k).to_ascii_lowercase();
        let said = BROUGHT_BY.iter().filter_map(|word| Some(&title(k)[lower.find(word)? + word.len()..]));
        for said in said {
            let said = said.strip_prefix("PR ").unwrap_or(said);
            let number = said.strip_prefix('#').map(|n| &n[..n.bytes().take_while(u8::is_ascii_digit).count()]);
            let commit = &said[..said.bytes().take_while(u8::is_ascii_hexdigit).count()];
            let on: Vec<usize> = match number {
                Some(n) => numbered.get(n).cloned().unwrap_or_default(),
                None if commit.len() >= 7 => {
                    let is = |o: &usize| {
                        let other = &work.fixes[order[*o]].meta.commit;
                        other.get(..commit.len()).is_some_and(|c| c.eq_ignore_ascii_case(commit))
                    };
                    (0..order.len()).filter(is).collect()
                }
                None => Vec::new(),
            };
            // A number that two titles end in says nothing.
            if let [on] = on.as_slice()
                && *on != k
            {
                let change = number.map_or_else(|| commit.to_owned(), |n| format!("#{n}"));
                out.push(((k, *on), HintKind::Titled { change }));
                break;
            }
        }
    }
    out
}

/// What a selection leaves behind although a hint speaks for it.
pub(super) fn left_behind(hints: &[Hint], keeps: impl Fn(&Hint) -> (bool, bool)) -> Vec<Finding> {
    let mut out = Vec::new();
    // A repair that needs what it repairs is missed all the same where it is left out.
    let repairs = |h: &Hint| matches!(h.kind, HintKind::Names { .. } | HintKind::Titled { .. });
    for h in hints {
        let (fix, on) = keeps(h);
        if h.proved && (fix || !repairs(h)) {
            continue;
        }
        let (subject, left, message) = match (&h.kind, fix, on) {
            (HintKind::Uses { word, introduced, used, .. }, true, false) => {
                let what = format!(
                    "it uses '{word}' ('{}', line {} of the patch), which only {} introduces ('{}', line {} of its patch), and that is left out",
                    used.path, used.line, h.on, introduced.path, introduced.line
                );
                (&h.fix, &h.on, what)
            }
            (HintKind::Names { commit }, false, true) => {
                let what =
                    format!("{} says in a trailer that it repairs or completes it ({commit}), and is left out", h.fix);
                (&h.on, &h.fix, what)
            }
            (HintKind::Names { commit }, true, false) => {
                let what =
                    format!("it says in a trailer that it repairs or completes {} ({commit}), which is left out", h.on);
                (&h.fix, &h.on, what)
            }
            (HintKind::Titled { change }, false, true) => {
                let what = format!("{} says in its title that it repairs it ({change}), and is left out", h.fix);
                (&h.on, &h.fix, what)
            }
            (HintKind::Titled { change }, true, false) => {
                let what = format!("it says in its title that it repairs {} ({change}), which is left out", h.on);
                (&h.fix, &h.on, what)
            }
            _ => continue,
        };
        let details = match &h.kind {
            HintKind::Uses { used, .. } => serde_json::json!({"left": left, "path": used.path, "line": used.line}),
            HintKind::Names { .. } | HintKind::Titled { .. } => serde_json::json!({"left": left}),
        };
        out.push(
            Finding::new(Code::HintLeftBehind, subject, message)
                .next(format!("select {left} too, or make sure that {subject} does without it"))
                .details(details),
        );
    }
    out
}

impl Words {
    fn of(parts: &[FilePatch]) -> Self {
        let added = added(parts).into_iter().map(|(word, (part, line))| {
            // Words are of ASCII letters, digits and a few signs.
            (String::from_utf8_lossy(word).into_owned(), part, line)
        });
        let made = parts.iter().enumerate().filter(|(_, p)| {
            (p.old.is_none() || p.rename || p.copy) && p.new.as_ref().is_some_and(|path| path.name().len() >= SHORTEST)
        });
        Self { added: added.collect(), made: made.map(|(k, p)| (k, p.line)).collect() }
    }
}

fn added(parts: &[FilePatch]) -> BTreeMap<&[u8], (usize, u32)> {
    let mut out = BTreeMap::new();
    let mut old: Vec<&[u8]> = Vec::new();
    for (k, part) in parts.iter().enumerate() {
        let (Some(path), Body::Text(hunks)) = (part.new.as_ref(), &part.body) else { continue };
        if is_prose(path.name()) {
            continue;
        }
        for hunk in hunks {
            for (i, line) in hunk.lines.iter().enumerate() {
                if line.kind != LineKind::Add {
                    old.push(&line.bytes);
                    continue;
                }
                let at = || hunk.line.saturating_add(1).saturating_add(u32::try_from(i).unwrap_or(u32::MAX));
                // Keys and certificates are no source.
                let coded =
                    line.bytes.split(u8::is_ascii_whitespace).any(|w| w.len() >= CODED && w.iter().all(is_coded));
                for word in words(&line.bytes).filter(|_| !coded) {
                    out.entry(word).or_insert_with(|| (k, at()));
                }
            }
        }
    }
    for line in old {
        if out.is_empty() {
            break;
        }
        for word in words(line) {
            out.remove(word);
        }
    }
    out
}

/// Names and file names in a line: runs of letters, digits and `_`, and such runs joined by `.` or `-`.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let dotted = if memchr::memchr(b'.', line).is_some() { line } else { &[] };
    let joined = dotted.split(|b| !(is_word(*b) || *b == b'.' || *b == b'-')).filter(|w| w.contains(&b'.'));
    let joined = joined.map(|w| {
        let from = w.iter().position(|b| is_word(*b)).unwrap_or(w.len());
        let to = w.iter().rposition(|b| is_word(*b)).map_or(from, |i| i + 1);
        &w[from..to]
    });
    let plain = line.split(|b| !is_word(*b));
    plain.chain(joined).filter(|w| w.len() >= SHORTEST && !w[0].is_ascii_digit())
}

fn is_coded(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'\'' | b'"')
}

pub(super) fn is_word(b: u8) -> bool {
    // Asked of every byte of thousands of patches.
    const WORD: [bool; 256] = {
        let mut table = [false; 256];
        let mut b = 0;
        while b < 256 {
            table[b] = (b as u8).is_ascii_alphanumeric() || b as u8 == b'_';
            b += 1;
        }
        table
    };
    WORD[usize::from(b)]
}

/// Whether a word looks like a name in code: plain words stand in comments and messages of anybody's.
fn is_name(word: &[u8]) -> bool {
    if !word.iter().all(|b| is_word(*b)) || word.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    let camel = word.windows(2).any(|w| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase());
    let capitals = !word.iter().any(u8::is_ascii_lowercase);
    let letters = word.iter().filter(|b| b.is_ascii_alphabetic()).count();
    letters >= 3
        && (camel || capitals || word[1..word.len() - 1].contains(&b'_') || word.iter().any(u8::is_ascii_digit))
}

/// Files of prose use any word.
fn is_prose(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let end = lower.rsplit_once('.').map_or("", |(_, e)| e);
    matches!(end, "md" | "txt" | "rst" | "adoc" | "html" | "xml" | "po" | "pot" | "1" | "3" | "5" | "8" | "log" | "d")
        || ["changelog", "changes", "news", "readme", "release-notes", "authors", "copying", "thanks"]
            .iter()
            .any(|p| lower.starts_with(p))
}
