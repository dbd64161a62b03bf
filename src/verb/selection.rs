//! Which fixes a user wants: by id, CVE, severity, path or date.

use crate::fix::{FixId, SEVERITIES, is_day};
use crate::plan::Candidate;
use crate::release::Day;
use crate::report::{Error, ErrorCode, Result};
use globset::{GlobBuilder, GlobMatcher};
use std::collections::{BTreeMap, BTreeSet};

/// What a user wants of all fixes.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Where not empty: only these and what they need.
    pub only: Vec<Pick>,
    /// With the fewest changed lines that bring what `only` names.
    pub minimal: bool,
    /// Without these and what needs them.
    pub without: Vec<Pick>,
    /// The day on which holds of the configuration are looked at; without one none expires.
    pub today: Option<Day>,
}

/// One word of a selection.
#[derive(Debug, Clone)]
pub struct Pick {
    /// As it was written.
    pub text: String,
    by: By,
}

#[derive(Debug, Clone)]
enum By {
    Id(FixId),
    Cve(String),
    /// This severity or worse; to leave out, this or milder.
    Severity(String),
    Path(GlobMatcher),
    /// First and last day, both included.
    Date(String, String),
}

impl Pick {
    /// `ID`, `id:ID`, `cve:CVE-2024-1234`, `severity:high`, `path:src/*`, `date:2024-01-01..2024-06-30`.
    ///
    /// # Errors
    /// `usage` for a word that says something else.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str, next: &str| Err(Error::new(ErrorCode::Usage, text, why).next(next));
        let by = match text.split_once(':') {
            Some(("id", id)) => By::Id(FixId(id.to_owned())),
            Some(("cve", cve)) => By::Cve(cve.to_ascii_uppercase()),
            Some(("severity", word)) if SEVERITIES.contains(&word) => By::Severity(word.to_owned()),
            Some(("severity", _)) => return bad("this is no severity", "say none, low, medium, high or critical"),
            Some(("path", pattern)) => match GlobBuilder::new(pattern).literal_separator(true).build() {
                Ok(glob) => By::Path(glob.compile_matcher()),
                Err(e) => return bad(&e.to_string(), "'*' stands for any letters but '/', '**' for any folders"),
            },
            Some(("date", range)) => {
                let (from, to) = range.split_once("..").unwrap_or((range, range));
                if [from, to].iter().any(|d| !d.is_empty() && !is_day(d)) || from.is_empty() && to.is_empty() {
                    return bad(
                        "this is no range of days of the calendar",
                        "say date:2024-01-01..2024-06-30, or leave one end out",
                    );
                }
                if !from.is_empty() && !to.is_empty() && from > to {
                    let next = format!("say date:{to}..{from}");
                    return bad("the range ends before it begins", &next);
                }
                By::Date(from.to_owned(), if to.is_empty() { "9999-12-31".to_owned() } else { to.to_owned() })
            }
            // Ids may have a colon in them.
            _ => By::Id(FixId(text.to_owned())),
        };
        Ok(Self { text: text.to_owned(), by })
    }

    pub fn is_severity(&self) -> bool {
        matches!(self.by, By::Severity(_))
    }

    /// `out` where the word says what to leave out.
    fn fits(&self, c: &Candidate<'_>, out: bool) -> bool {
        match &self.by {
            By::Id(id) => c.id == id || c.meta.realises.contains(id),
            By::Cve(cve) => c.meta.cves.contains(cve),
            // Nobody who leaves out the low ones means the critical ones too.
            By::Severity(word) if out => {
                c.meta.severity.known().is_some_and(|k| k == word || !c.meta.severity.at_least(word))
            }
            By::Severity(word) => c.meta.severity.at_least(word),
            By::Path(glob) => c.payload.paths().any(|p| glob.is_match(p.as_str())),
            By::Date(from, to) => {
                c.meta.date.get(..10).is_some_and(|d| is_day(d) && from.as_str() <= d && d <= to.as_str())
            }
        }
    }
}

/// Groups give way to what is left out; an id that is named does not.
pub(super) fn give_way(only: &mut BTreeMap<FixId, Vec<&str>>, picks: &[Pick], without: &[FixId]) {
    let group = |word: &&str| picks.iter().any(|p| p.text == **word && !matches!(p.by, By::Id(_)));
    only.retain(|id, by| !(without.contains(id) && by.iter().all(group)));
}

/// The fixes that words choose of these, each with the words that chose it.
///
/// `out` where they are left out. A fix that is chosen by what it is, and that another one supersedes, brings the newer one in its place: who wants a
/// CVE's fix wants the one that is shipped.
pub(super) fn picked<'a>(picks: &'a [Pick], fixes: &[Candidate<'_>], out: bool) -> BTreeMap<FixId, Vec<&'a str>> {
    let mut superseded: BTreeMap<&FixId, &FixId> = BTreeMap::new();
    for c in fixes {
        superseded.extend(c.meta.supersedes.iter().map(|old| (old, c.id)));
    }
    let mut all: BTreeMap<FixId, Vec<&str>> = BTreeMap::new();
    for pick in picks {
        // Who names an id wants that one.
        let newest = !out && !matches!(pick.by, By::Id(_));
        let mut chosen: BTreeSet<&FixId> = BTreeSet::new();
        for c in fixes.iter().filter(|c| pick.fits(c, out)) {
            let mut id = c.id;
            // As many steps as there are fixes: a circle of supersedes ends too.
            for _ in 0..fixes.len() {
                match superseded.get(id).filter(|_| newest) {
                    Some(by) => id = by,
                    None => break,
                }
            }
            chosen.insert(id);
        }
        for id in chosen {
            all.entry(id.clone()).or_default().push(&pick.text);
        }
    }
    all
}

/// Words that fit no fix on any track: most likely they are misspelt, and an empty choice must not pass for all.
///
/// # Errors
/// `usage` for the first of them.
pub(super) fn refuse_idle(selection: &Selection, tracks: &[Vec<Candidate<'_>>]) -> Result<()> {
    let words = selection.only.iter().map(|p| (p, false)).chain(selection.without.iter().map(|p| (p, true)));
    for (pick, out) in words {
        if !tracks.iter().flatten().any(|c| pick.fits(c, out)) {
            return Err(Error::new(ErrorCode::Usage, &pick.text, "no fix of this release fits the selection")
                .next("'cumulate plan --format json' lists ids, CVEs, severities, dates and paths"));
        }
    }
    Ok(())
}
