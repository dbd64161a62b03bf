//! `check`: the gate for CI. A gate that cannot run is red.

use super::build::size_of;
use super::derived::bases;
use super::planned::{PlannedTrack, planned};
use super::prove;
use super::selection::Selection;
use crate::bundle::{self, Action, Bundle, Class, FixEntry};
use crate::explain::refusal_findings;
use crate::fix::FixId;
use crate::install::Release as Installable;
use crate::plan::DropCause;
use crate::release::{self, Config, Day, Release};
use crate::report::{Code, Error, ErrorCode, Finding, Level, Result, distinct};
use crate::tree::Digest;
use crate::trust::Policy;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One thing that was looked at, and what was found; JUnit shows each as a test case.
#[derive(Debug, Clone, Serialize)]
pub struct Gate {
    pub name: String,
    /// What was measured, in words.
    pub measured: String,
    pub findings: Vec<Finding>,
}

/// What the gate says.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    pub component: String,
    pub version: String,
    pub root: Digest,
    pub passed: bool,
    pub gates: Vec<Gate>,
}

impl Checked {
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.gates.iter().flat_map(|g| &g.findings)
    }

    /// 0 green, 1 a denied finding, 9 the gate could not run.
    pub fn exit(&self) -> u8 {
        let denied = |f: &&Finding| f.level == Level::Deny;
        if self.findings().filter(denied).any(|f| f.code == Code::GateCannotRun) {
            ErrorCode::GateBroken.exit()
        } else {
            u8::from(self.findings().any(|f| f.level == Level::Deny))
        }
    }
}

/// Runs every gate over a bundle; with a policy, also whether its signatures and test results are enough at that time.
///
/// `today` is the day on which holds of the configuration are looked at.
///
/// # Errors
/// `gate-broken` if the configuration, the bundle or the previous bundle cannot be read at all.
pub fn check(
    file: &Path,
    config: &Path,
    against: Option<&Path>,
    policy: Option<(&Policy, u64)>,
    today: Option<Day>,
) -> Result<Checked> {
    let bundle = open(file)?;
    let release = release::load(config).map_err(|e| broken(&e))?;
    let previous = against.map(open).transpose()?;
    let root = bundle.root().clone();
    let mut gates = vec![identity(&bundle, &release), budgets(&bundle, &release.config, file, against)?];
    let planned = planned(&release, &Selection { today, ..Selection::default() }, None).map_err(|e| broken(&e))?;
    gates.extend(proofs(&bundle, &release, &planned)?);
    gates.push(deletions(&bundle, &release)?);
    let held = held(&planned);
    gates.push(tracks(&bundle, &release, &planned, &held));
    if let Some(previous) = &previous {
        gates.push(lost(&bundle, previous, &release, &held));
    }
    if let Some((policy, now)) = policy {
        gates.push(signatures(file, policy, now)?);
    }
    for f in gates.iter_mut().flat_map(|g| &mut g.findings) {
        // A gate that cannot run stays red whatever the configuration says.
        if f.code != Code::GateCannotRun {
            f.level = release.config.level(f.code);
        }
    }
    let mut checked = Checked {
        component: root.component,
        version: root.release.version,
        root: bundle.package().subject().digest,
        passed: false,
        gates,
    };
    checked.passed = checked.exit() == 0;
    Ok(checked)
}

fn broken(e: &Error) -> Error {
    Error::new(
        ErrorCode::GateBroken,
        &e.subject,
        format!("the gate could not run: {} [{}]", e.message, e.code.as_str()),
    )
    .next(&e.next)
}

fn open(path: &Path) -> Result<Bundle> {
    bundle::open(path).and_then(bundle::Unverified::accept_unsigned).map_err(|e| broken(&e))
}

fn gate(name: impl Into<String>, measured: impl Into<String>, findings: Vec<Finding>) -> Gate {
    Gate { name: name.into(), measured: measured.into(), findings }
}

/// Whether bundle and configuration speak of the same release, and whether all of it is here.
fn identity(bundle: &Bundle, release: &Release) -> Gate {
    let root = bundle.root();
    let mut findings = Vec::new();
    let mut differ = |what: &str, bundle: &str, config: &str| {
        if bundle != config {
            findings.push(
                Finding::new(
                    Code::GateCannotRun,
                    what,
                    format!("the bundle has '{bundle}', the configuration '{config}'"),
                )
                .next("check the bundle with the configuration that it was built from"),
            );
        }
    };
    differ("component", &root.component, &release.config.component.name);
    differ("version", &root.release.version, &release.config.release.version);
    let missing = bundle.missing();
    if !missing.is_empty() {
        let what = format!("bases {} are not in it", missing.join(", "));
        findings.push(Finding::new(Code::GateCannotRun, "bundle", what).next("check the whole bundle"));
    }
    let named: BTreeSet<&str> = root.bases.iter().map(|b| b.name.as_str()).collect();
    let bases = release.tracks.iter().flat_map(|t| &t.bases).map(|b| &b.name);
    let wanted = bases.chain(release.config.derived.iter().map(|d| &d.version));
    for name in wanted.filter(|n| !named.contains(n.as_str())) {
        findings.push(
            Finding::new(Code::TargetMissed, name, "the release supports this base, and the bundle does not have it")
                .next("build the bundle again"),
        );
    }
    if bundle.envelopes().is_empty() {
        findings.push(
            Finding::new(Code::UnsignedBundle, "bundle", "it carries no signature").next("sign it before it goes out"),
        );
    }
    gate(
        "release",
        format!(
            "{} {}, {} bases, signatures: {}",
            root.component,
            root.release.version,
            root.bases.len(),
            bundle.envelopes().len()
        ),
        findings,
    )
}

/// Whether everyone whom the policy wants has signed or vetted.
fn signatures(file: &Path, policy: &Policy, now: u64) -> Result<Gate> {
    let opened = bundle::open(file).map_err(|e| broken(&e))?;
    let judged = opened.claimed().judged();
    let mut findings = Vec::new();
    if let Err(e) = policy.hopeless(&judged, now) {
        findings.push(Finding::new(Code::SignaturesMissing, e.subject, e.message).next(e.next));
    }
    let roles = opened.look(policy, now).roles;
    for r in roles.iter().filter(|r| !r.filled()) {
        let bases = if r.missing.is_empty() { String::new() } else { format!(" (base {})", r.missing.join(", ")) };
        let next = match r.can_sign.join(", ") {
            none if none.is_empty() => {
                "nobody of the policy can sign now; 'cumulate trust status' says why what is there does not count"
                    .into()
            }
            names => format!("can sign: {names}"),
        };
        let what = format!("{} of {}{bases}", r.have, r.threshold);
        findings.push(Finding::new(Code::SignaturesMissing, &r.role, what).next(next));
    }
    let measured = roles.iter().map(|r| format!("{} {} of {}", r.role, r.have, r.threshold)).collect::<Vec<_>>();
    Ok(gate("signatures", measured.join(", "), findings))
}

fn budgets(bundle: &Bundle, config: &Config, file: &Path, against: Option<&Path>) -> Result<Gate> {
    let budget = &config.budget;
    let total = size_of(file).map_err(|e| broken(&e))?;
    let mut measured = format!("{total} bytes in all");
    let mut findings = Vec::new();
    let over = |subject: &str, what: String| {
        Finding::new(Code::OverBudget, subject, what).next("look at 'cumulate inspect', or raise the budget")
    };
    if let Some(limit) = budget.total.filter(|l| total > l.0) {
        findings.push(over("total", format!("{total} bytes, the budget is {}", limit.0)));
    }
    for base in bundle.bases().filter(|b| !b.is_repair()) {
        let download = bundle.download(&base.name)?;
        if let Some(limit) = budget.base.filter(|l| download > l.0) {
            findings.push(over(&base.name, format!("its download is {download} bytes, the budget is {}", limit.0)));
        }
    }
    match (budget.growth, against) {
        (Some(percent), Some(previous)) => {
            let before = size_of(previous).map_err(|e| broken(&e))?;
            measured += &format!(", {before} before");
            let limit = u128::from(before) * (100 + u128::from(percent)) / 100;
            if u128::from(total) > limit {
                findings.push(over(
                    "growth",
                    format!("{total} bytes against {before} of the previous bundle, the budget is {percent} % more"),
                ));
            }
        }
        (Some(_), None) => findings.push(
            Finding::new(
                Code::GateCannotRun,
                "growth",
                "there is a budget for growth, and no previous bundle to measure against",
            )
            .next("give --against PREVIOUS.cup, or take growth out of [budget]"),
        ),
        _ => {}
    }
    Ok(gate("budgets", measured, findings))
}

/// Every base is really taken to the target and back, on a scratch copy.
fn proofs(bundle: &Bundle, release: &Release, planned: &[PlannedTrack<'_>]) -> Result<Vec<Gate>> {
    let installable = Installable::of(bundle)?;
    let mut gates = Vec::new();
    for (name, source) in &bases(release, planned).map_err(|e| broken(&e))? {
        if !bundle.bases().any(|b| b.name == *name) {
            continue;
        }
        gates.push(match prove(&installable, name, source) {
            Ok(proof) => {
                gate(format!("base {}", name), format!("reached {} and came back", proof.reached), proof.findings)
            }
            Err(e) => {
                let code = if matches!(e.exit(), 6 | 7) { Code::GateCannotRun } else { Code::TargetMissed };
                let finding = Finding::new(code, name, format!("{}: {}", e.subject, e.message)).next(&e.next);
                gate(format!("base {}", name), "not reached", vec![finding])
            }
        });
    }
    Ok(gates)
}

/// Paths that go although no fix deletes them.
fn deletions(bundle: &Bundle, release: &Release) -> Result<Gate> {
    let mut lost: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut looked = 0usize;
    for base in bundle.bases() {
        let explained: BTreeSet<_> = bundle.provenance(&base.name)?.paths.into_iter().map(|p| p.path).collect();
        for step in bundle.steps(&base.name)?.steps {
            let gone =
                step.action == Action::Delete && step.before.as_ref().is_some_and(|e| *e != crate::tree::Entry::Folder);
            if !gone || matches!(step.class, Class::Volatile | Class::Site) {
                continue;
            }
            looked += 1;
            if !explained.contains(&step.path) && !release.classes.retired(&step.path) {
                lost.entry(step.path.to_string()).or_default().push(base.name.clone());
            }
        }
    }
    let findings = lost.into_iter().map(|(path, bases)| {
        Finding::new(
            Code::DeletedWithoutFix,
            path,
            format!("base {} has it, the target has not, and no fix deletes it", bases.join(", ")),
        )
        .next("add a fix that deletes it, or a [[retire]] with the reason")
    });
    Ok(gate("deletions", format!("{looked} deletions looked at"), findings.collect()))
}

/// Fixes that the configuration holds back on some track, and those that need them.
fn held(planned: &[PlannedTrack<'_>]) -> BTreeSet<FixId> {
    let dropped = planned.iter().filter_map(|t| t.outcome.as_ref().ok()).flat_map(|p| &p.dropped);
    dropped.filter(|d| matches!(d.cause, DropCause::Held { .. })).map(|d| d.fix.clone()).collect()
}

/// Every fix reaches every track, or is excused there, or is held back.
fn tracks(bundle: &Bundle, release: &Release, planned: &[PlannedTrack<'_>], held: &BTreeSet<FixId>) -> Gate {
    let mut findings = release.findings.clone();
    for track in planned {
        findings.extend(track.findings.iter().cloned());
        if let Err(refusal) = &track.outcome {
            findings.extend(refusal_findings(refusal));
        }
    }
    // What the folder has must be in the bundle, or be superseded by something that is.
    let root = bundle.root();
    let shipped: BTreeSet<&str> = root.fixes.iter().flat_map(FixEntry::ids).collect();
    for fix in release.fixes.fixes.iter().filter(|f| !shipped.contains(f.id.0.as_str()) && !held.contains(&f.id)) {
        if !planned.iter().all(|t| t.not_for.contains_key(&fix.id)) {
            let hold = format!("hold = [{{ id = \"{}\", reason = \"…\", owner = \"…\" }}]", fix.id);
            findings.push(
                Finding::new(Code::FixMissingOnTrack, &fix.id, "the release has this fix, and the bundle has it not")
                    .next(format!("build the bundle again; or say at the top of cumulate.toml why it waits: {hold}")),
            );
        }
    }
    gate(
        "fixes on tracks",
        format!("fixes: {}, tracks: {}", release.fixes.fixes.len(), release.tracks.len()),
        distinct(findings),
    )
}

/// No fix of the previous bundle may be lost: it is here, is superseded by one that is, or the start has it,
/// because the previous target is a base that the fixes start from. One that is held back now has said why.
fn lost(bundle: &Bundle, previous: &Bundle, release: &Release, held: &BTreeSet<FixId>) -> Gate {
    let old = previous.root();
    let mut findings = Vec::new();
    if old.component != bundle.root().component {
        findings.push(
            Finding::new(Code::GateCannotRun, &old.component, "the previous bundle is of another component")
                .next("give the previous bundle of this component"),
        );
    }
    let here: BTreeSet<&str> = bundle.root().fixes.iter().flat_map(FixEntry::ids).collect();
    for track in &old.tracks {
        let start = release.tracks.iter().find(|t| t.name == track.name).or_else(|| release.tracks.first());
        if start.is_some_and(|t| t.bases[t.from].installed().tree.digest() == track.target.tree) {
            continue;
        }
        let gone = |id: &str| !here.contains(id) && !held.contains(&FixId(id.to_owned()));
        let had = old.fixes.iter().flat_map(|f| [&f.id].into_iter().chain(&f.realises).map(move |id| (f, id)));
        for (fix, id) in had.filter(|(_, id)| gone(id)) {
            findings.push(
                Finding::new(
                    Code::FixLost,
                    id,
                    format!("bundle {} had this fix ({}), and this one has it not", old.release.version, fix.title),
                )
                .next("add it again, have another fix supersede it, or hold it back in cumulate.toml"),
            );
        }
    }
    findings.dedup();
    gate("nothing lost", format!("{} fixes of {}", old.fixes.len(), old.release.version), findings)
}
