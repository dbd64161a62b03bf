//! Two fixes that stand in each other's way, hunk beside hunk, and what a decision between them has to name.

use crate::plan::{Beside, Meeting, Proof, Refusal};
use crate::report::safe;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Columns of each side; longer lines are cut, the JSON has them whole.
const WIDTH: usize = 56;

/// What two fixes do to one path.
#[derive(Debug, Clone, Serialize)]
pub struct BesideView {
    pub first: String,
    pub then: String,
    pub path: String,
    /// What stands there before either.
    pub base: String,
    /// What each makes of it alone: fix to digest.
    pub sides: BTreeMap<String, String>,
    pub hunks: Vec<HunksView>,
    /// What the hunks alone do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether a resolution can settle it.
    #[serde(skip)]
    pub settles: bool,
}

/// Lines as a unified diff has them.
#[derive(Debug, Clone, Serialize)]
pub struct HunksView {
    pub first: Vec<String>,
    pub then: Vec<String>,
}

impl BesideView {
    fn new(b: &Beside) -> Self {
        Self {
            first: b.first.0.clone(),
            then: b.then.0.clone(),
            path: b.path.to_string(),
            base: b.base.to_string(),
            sides: [(&b.first, b.sides.0), (&b.then, b.sides.1)].map(|(f, d)| (f.0.clone(), d.to_string())).into(),
            hunks: b.hunks.iter().map(|(a, b)| HunksView { first: a.clone(), then: b.clone() }).collect(),
            note: note(b),
            settles: !matches!(b.how, Meeting::Decided { .. }),
        }
    }

    /// All that a refusal shows.
    pub fn all(refusal: &Refusal) -> Vec<Self> {
        let shown = refusal.proofs.iter().flat_map(|p| match p {
            Proof::DoesNotApply { beside, .. } | Proof::OrderOpen { beside, .. } => beside.as_slice(),
            _ => &[],
        });
        shown.map(Self::new).collect()
    }
}

/// Both side by side, and how a decision is recorded.
pub(super) fn text(b: &BesideView, out: &mut String) {
    let _ = writeln!(out, "\n  {} and {} in '{}':", safe(&b.first), safe(&b.then), safe(&b.path));
    for h in &b.hunks {
        let _ = writeln!(out, "    {:WIDTH$} | {}", column(&b.first), column(&b.then).trim_end());
        for i in 0..h.first.len().max(h.then.len()) {
            let side = |lines: &[String]| lines.get(i).map_or_else(String::new, |l| column(l));
            let line = format!("    {:WIDTH$} | {}", side(&h.first), side(&h.then));
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
    if let Some(note) = &b.note {
        let _ = writeln!(out, "    {}", safe(note));
    }
    if !b.settles {
        return;
    }
    let _ = writeln!(out, "  {}:", safe(&how(b)));
    for line in recipe(b) {
        let _ = writeln!(out, "    {line}");
    }
}

fn note(b: &Beside) -> Option<String> {
    match &b.how {
        Meeting::Lines => None,
        Meeting::Apart => Some(
            "what they change is apart: the lines around it, or which of several alike places it lands in, depend on the order"
                .into(),
        ),
        Meeting::NotText => Some("the contents are binary or very large: they are never merged".into()),
        Meeting::Decided { fix, by } => Some(format!(
            "what {fix} makes of it is the decision '{by}', which is replayed only on the contents that it names: other fixes of this path have to come after both of its sides"
        )),
    }
}

/// What to do to decide it by hand.
pub(super) fn how(b: &BesideView) -> String {
    format!(
        "to decide it by hand, write what both make together as 'result' beside fixes/resolutions/{}+{}/resolution.toml",
        b.first, b.then
    )
}

/// The lines of that file.
pub(super) fn recipe(b: &BesideView) -> Vec<String> {
    let mut out = vec![
        format!("path = {:?}", b.path),
        format!("base = \"{}\"", b.base),
        "reviewed_by = \"\"".to_owned(),
        "[sides]".to_owned(),
    ];
    out.extend(b.sides.iter().map(|(fix, digest)| format!("{fix:?} = \"{digest}\"")));
    out
}

/// A line that fits into its column; a tab is as wide as two spaces here.
fn column(line: &str) -> String {
    let text = safe(&line.replace('\t', "  "));
    if text.chars().count() <= WIDTH {
        return text;
    }
    text.chars().take(WIDTH - 1).chain(['…']).collect()
}
