//! `pull`: what goes with a fix that is withdrawn at the last minute, and what goes back on each base.

use crate::bundle::{self, BaseManifest, Bundle, CONTAINED_IN, FixEntry, Graph, NOT_FOR_TRACK, State};
use crate::report::{Error, ErrorCode, Result, quoted};
use crate::tree::Digest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// What a bundle's own edges say about taking a fix out.
#[derive(Debug, Clone, Serialize)]
pub struct Pull {
    pub component: String,
    pub version: String,
    pub fix: String,
    pub sequence: Option<u64>,
    /// What `hold` in cumulate.toml has to have, or else the next build takes the fix in again.
    pub hold: String,
    /// The fix itself, then what needs it, in the order of the plan.
    pub goes: Vec<Gone>,
    /// Fixes that the ones that go stand for, or whose content they brought; with the release folder, those that it has
    /// come back.
    pub superseded: Vec<String>,
    pub bases: Vec<PulledBase>,
    /// Whether it carries every file whole, for repairs.
    pub repair: bool,
    /// Bases of the release that this copy of the bundle has not.
    pub missing: Vec<String>,
}

/// A fix that goes, with the chain of needs that ends at the fix that is pulled.
#[derive(Debug, Clone, Serialize)]
pub struct Gone {
    pub fix: String,
    pub title: String,
    /// Open again without it.
    pub cves: Vec<String>,
    pub chain: Vec<String>,
}

/// What changes for one base; fixes in the order of the plan.
#[derive(Debug, Clone, Serialize)]
pub struct PulledBase {
    pub name: String,
    pub track: String,
    /// Gained before, not any more.
    pub loses: Vec<String>,
    /// The base has them, and the new target has not: installing the new bundle takes them out.
    pub reverts: Vec<String>,
    /// Every base has them, so that the fixes start from them: nothing takes them out.
    pub keeps: Vec<String>,
    /// Whether the base has them is not known.
    pub unclear: Vec<String>,
    /// Paths of the target that only the fixes that go had changed: as the fixes found them.
    pub back: Vec<String>,
    /// Paths that fixes that stay have changed too: made anew without those that go.
    pub anew: Vec<String>,
}

/// What the new bundle has, beside what the old one's edges led to expect.
#[derive(Debug, Clone, Serialize)]
pub struct Rebuilt {
    pub sequence: Option<u64>,
    /// Gone as well, although no recorded edge says so.
    pub gone_too: Vec<String>,
    /// There, and the old bundle had it not: what was superseded, or came to the release since.
    pub new: Vec<String>,
    /// Nothing was withdrawn: from every base it leads to what the old one led to.
    pub same: bool,
}

/// Says what goes with a fix, from what the bundle records. Its signatures are not looked at: nothing is installed.
///
/// # Errors
/// `usage` for a fix that the bundle has not; whatever opening a bundle gives.
pub fn pull(path: &Path, fix: &str) -> Result<Pull> {
    let bundle = bundle::open(path)?.accept_unsigned()?;
    let root = bundle.root();
    // Who pulls what a payload realises pulls the payload.
    let carrier = root.fixes.iter().find(|f| f.id == fix || f.realises.iter().any(|r| r == fix));
    let Some(fix) = carrier.map(|f| f.id.as_str()) else {
        return Err(absent(root.fixes.iter().find(|f| f.supersedes.iter().any(|s| s == fix)), path, fix));
    };
    let chains = chains(bundle.graph(), fix);
    let gone: Vec<&FixEntry> = root.fixes.iter().filter(|f| chains.contains_key(f.id.as_str())).collect();
    let (first, others): (Vec<&FixEntry>, Vec<&FixEntry>) = gone.iter().partition(|f| f.id == fix);
    let goes = first.into_iter().chain(others).map(|f| Gone {
        fix: f.id.clone(),
        title: f.title.clone(),
        cves: f.cves.clone(),
        chain: chains[f.id.as_str()].clone(),
    });
    Ok(Pull {
        component: root.component.clone(),
        version: root.release.version.clone(),
        fix: fix.to_owned(),
        sequence: root.release.sequence,
        hold: format!(
            "{{ id = {}, reason = {}, owner = \"WHO\" }}",
            toml::Value::String(fix.to_owned()),
            toml::Value::String(format!("withdrawn from {}", root.release.version))
        ),
        goes: goes.collect(),
        superseded: gone.iter().flat_map(|f| f.supersedes.iter().cloned()).chain(contained(&bundle, &chains)).collect(),
        repair: bundle.bases().any(BaseManifest::is_repair),
        bases: bundle
            .bases()
            .filter(|b| !b.is_repair())
            .map(|b| on_base(&bundle, &b.name, &chains))
            .collect::<Result<_>>()?,
        missing: bundle.missing().into_iter().map(str::to_owned).collect(),
    })
}

/// Why a fix cannot be pulled that went out as another one, or not at all.
fn absent(stands: Option<&FixEntry>, path: &Path, fix: &str) -> Error {
    match stands.map(|f| &f.id) {
        Some(id) => {
            let why = format!("{} has it not under this id: '{id}' stands for it there", path.display());
            let pull = format!("cumulate pull {id} {}", quoted(path));
            Error::new(ErrorCode::Usage, fix, why).next(format!("pull that one, and hold both back: {pull}"))
        }
        None => Error::new(ErrorCode::Usage, fix, format!("{} has no fix of this id", path.display()))
            .next("'cumulate inspect' lists the fixes of a bundle"),
    }
}

/// Fixes that stay and whose content those that go brought, sorted.
fn contained(bundle: &Bundle, gone: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let brought = |reason: &str| {
        reason.strip_prefix(CONTAINED_IN).is_some_and(|by| by.split(", ").any(|id| gone.contains_key(id)))
    };
    let fixes = bundle.bases().flat_map(|b| &b.fixes);
    fixes.filter(|f| !gone.contains_key(&f.id) && brought(&f.reason)).map(|f| f.id.clone()).collect()
}

/// By base: the digest of what a bundle leads to.
fn targets(bundle: &Bundle) -> BTreeMap<&str, Digest> {
    bundle.bases().filter(|b| !b.is_repair()).map(|b| (b.name.as_str(), b.after.tree)).collect()
}

/// Every fix that needs this one, and itself, with a shortest chain of needs to it.
fn chains(graph: &Graph, fix: &str) -> BTreeMap<String, Vec<String>> {
    let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for e in &graph.edges {
        users.entry(&e.needs).or_default().insert(&e.fix);
    }
    let mut out = BTreeMap::from([(fix.to_owned(), vec![fix.to_owned()])]);
    let mut todo = VecDeque::from([fix]);
    while let Some(needed) = todo.pop_front() {
        for user in users.get(needed).into_iter().flatten() {
            if !out.contains_key(*user) {
                let chain = [(*user).to_owned()].into_iter().chain(out[needed].iter().cloned()).collect();
                out.insert((*user).to_owned(), chain);
                todo.push_back(user);
            }
        }
    }
    out
}

fn on_base(bundle: &Bundle, name: &str, gone: &BTreeMap<String, Vec<String>>) -> Result<PulledBase> {
    let base = bundle.base(name)?;
    let mut out = PulledBase {
        name: base.name.clone(),
        track: base.track.clone(),
        loses: Vec::new(),
        reverts: Vec::new(),
        keeps: Vec::new(),
        unclear: Vec::new(),
        back: Vec::new(),
        anew: Vec::new(),
    };
    let has = |b: &BaseManifest, fix: &str| b.fixes.iter().any(|f| f.id == fix && f.state == State::Contained);
    let track: Vec<&BaseManifest> = bundle.bases().filter(|b| b.track == base.track && !b.is_repair()).collect();
    let everywhere = |fix: &str| bundle.missing().is_empty() && track.iter().all(|b| has(b, fix));
    for f in base.fixes.iter().filter(|f| gone.contains_key(&f.id)) {
        match f.state {
            State::Added | State::Partly => out.loses.push(f.id.clone()),
            State::Contained if everywhere(&f.id) => out.keeps.push(f.id.clone()),
            State::Contained => out.reverts.push(f.id.clone()),
            State::Unknown if f.reason.starts_with(NOT_FOR_TRACK) => {}
            State::Unknown => out.unclear.push(f.id.clone()),
        }
    }
    for p in bundle.provenance(name)?.paths {
        let going = p.fixes.iter().filter(|f| gone.contains_key(*f)).count();
        match going {
            0 => {}
            n if n == p.fixes.len() => out.back.push(p.path.to_string()),
            _ => out.anew.push(p.path.to_string()),
        }
    }
    Ok(out)
}

/// Compares a bundle that was built without the fix with what was expected of it.
///
/// # Errors
/// Whatever opening a bundle gives.
pub fn pulled(old: &Path, pull: &Pull, new: &Path) -> Result<Rebuilt> {
    let fixes = |bundle: &Bundle| -> BTreeSet<String> { bundle.root().fixes.iter().map(|f| f.id.clone()).collect() };
    let (old, new) = (bundle::open(old)?.accept_unsigned()?, bundle::open(new)?.accept_unsigned()?);
    let (before, after) = (fixes(&old), fixes(&new));
    let expected: BTreeSet<String> = pull.goes.iter().map(|g| g.fix.clone()).collect();
    Ok(Rebuilt {
        sequence: new.root().release.sequence,
        gone_too: before.difference(&after).filter(|f| !expected.contains(*f)).cloned().collect(),
        new: after.difference(&before).cloned().collect(),
        same: {
            let (was, is) = (targets(&old), targets(&new));
            let mut both = is.iter().filter_map(|(base, to)| Some(was.get(base)? == to)).peekable();
            both.peek().is_some() && both.all(|same| same)
        },
    })
}
