//! `cumulate vet FILE.cup --base V… -- CMD`: the vetter's own tests in every base and in what it becomes, as a
//! signed in-toto test result.

use super::prove::{Scratch, lay};
use super::trial::{Compared, Trial, compare, trial};
use crate::bundle::{self, Bundle, binding};
use crate::disk::Disk;
use crate::install::{self, Options, Release};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Digest, Source, SourceOptions, read_source};
use crate::trust::{Binding, Envelope, KeyId, Said, Signer, SignerSource, TestResult, Vetting, Word};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most bases in one statement, so that its envelope stays small.
const BASES: usize = 128;
/// Bytes of test names in one statement; what does not fit is counted.
const NAMES: usize = 12 << 10;
/// Longest command in bytes.
const COMMAND: usize = 4 << 10;

/// Who vets what.
#[derive(Debug, Clone)]
pub struct Vetter {
    pub key: SignerSource,
    pub role: String,
    /// Names of bases; all at hand if there are none.
    pub bases: Vec<String>,
    /// A folder that gets a copy of every envelope.
    pub out: Option<PathBuf>,
}

/// What was found and what was written.
#[derive(Debug, Clone, Serialize)]
pub struct Vetted {
    pub schema: &'static str,
    pub component: String,
    pub version: String,
    pub role: String,
    pub key_id: KeyId,
    /// The worst of all bases.
    pub result: TestResult,
    pub bases: Vec<VettedBase>,
    /// Envelopes that the bundle got; none unless every test passed.
    pub added: Vec<Digest>,
    /// Copies of the envelopes.
    pub files: Vec<PathBuf>,
}

/// One base: how the command ended in it and in what it becomes.
#[derive(Debug, Clone, Serialize)]
pub struct VettedBase {
    pub base: String,
    pub before: Digest,
    pub after: Digest,
    pub hooks: Digest,
    /// Absent in a waiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<Runs>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Runs {
    pub in_base: Trial,
    pub in_target: Trial,
    #[serde(flatten)]
    pub tests: Compared,
}

impl Vetted {
    /// The exit code of a gate: 1 unless every test passed.
    pub fn exit(&self) -> u8 {
        u8::from(self.result != TestResult::Passed)
    }
}

/// Runs `command` in a copy of each base and in a copy that the bundle was applied to, compares, and signs what
/// came out. Results that pass are added to the bundle. `source` gives a base's content by its name.
///
/// # Errors
/// As [`super::sign`] and [`install::apply`]; `gate-broken` if the command cannot be started.
pub fn vet(
    file: &Path,
    vetter: Vetter,
    command: &[String],
    limit: Duration,
    source: &dyn Fn(&str) -> Result<Source>,
) -> Result<Vetted> {
    if command.iter().map(|a| a.len() + 1).sum::<usize>() > COMMAND {
        return Err(Error::new(ErrorCode::Usage, "vet", format!("the command is longer than {COMMAND} bytes"))
            .next("put it into a script"));
    }
    let bundle = bundle::open(file)?.accept_unsigned()?;
    let release = Release::of(&bundle)?;
    let mut bases = chosen(&bundle, &vetter.bases)?;
    for base in &mut bases {
        base.runs = Some(run(&release, base, &source(&base.base)?, command, limit)?);
    }
    finish(file, &bundle, vetter, bases, &|bases| {
        let mut names = Names::default();
        for (base, tests) in bases.iter().filter_map(|b| Some((&b.base, &b.runs.as_ref()?.tests))) {
            names.add(base, tests);
        }
        let [passed, warned, failed] = names.lists.map(List::into_names);
        Word::Tested { command: command.to_vec(), result: result_of(bases), passed, warned, failed }
    })
}

/// Signs a waiver in place of a test result: `owner` answers until `expires` (seconds since 1970) for the tests not
/// having run. It counts where the policy takes waivers.
///
/// # Errors
/// As [`super::sign`]; `usage` without an owner, a reason or bases.
pub fn waive(file: &Path, vetter: Vetter, owner: &str, reason: &str, expires: u64) -> Result<Vetted> {
    let clear = |text: &str| !text.trim().is_empty() && text.len() <= 1000 && !text.chars().any(char::is_control);
    if !clear(owner) || !clear(reason) || vetter.bases.is_empty() {
        return Err(Error::new(
            ErrorCode::Usage,
            "--waive",
            "a waiver names its bases, its owner and a reason, a line each",
        )
        .next("for example --base 7.0 --waive 'no such machine until March' --owner dana --until 2027-03-01"));
    }
    let bundle = bundle::open(file)?.accept_unsigned()?;
    let bases = chosen(&bundle, &vetter.bases)?;
    let word = Word::Waived { owner: owner.to_owned(), reason: reason.to_owned(), expires };
    finish(file, &bundle, vetter, bases, &|_| word.clone())
}

/// Adds every test result and waiver of another bundle that is about a base, target and hooks of this one: what a
/// change did not touch stays vetted. Returns the envelopes that were new.
///
/// # Errors
/// As [`bundle::open`] and [`bundle::add_envelope`].
pub fn carry(file: &Path, from: &Path) -> Result<Vec<Digest>> {
    let mine: BTreeSet<Binding> = bundle::open(file)?.claimed().judged().routes.into_values().collect();
    let old = bundle::open(from)?;
    let mut added = Vec::new();
    for bytes in old.claimed().envelopes() {
        let Some(Ok(Said::Vetting(vetting))) = Envelope::from_json(bytes).ok().map(|e| Said::read(&e.payload)) else {
            continue;
        };
        if vetting.bindings().any(|b| mine.contains(&b))
            && bundle::add_envelope(file, bytes.to_vec(), &Disk::real())?.is_some()
        {
            added.push(Digest::of(bytes));
        }
    }
    Ok(added)
}

fn chosen(bundle: &Bundle, names: &[String]) -> Result<Vec<VettedBase>> {
    let all = || bundle.bases().filter(|b| !b.is_repair()).map(|b| b.name.clone()).collect();
    let names: Vec<String> = if names.is_empty() { all() } else { names.to_vec() };
    names
        .into_iter()
        .map(|base| {
            let Binding { base: before, target: after, hooks } = binding(bundle.base(&base)?);
            Ok(VettedBase { base, before, after, hooks, runs: None })
        })
        .collect()
}

fn run(release: &Release<'_>, base: &VettedBase, source: &Source, command: &[String], limit: Duration) -> Result<Runs> {
    let disk = Disk::scratch();
    let scratch = Scratch::new(&disk)?;
    let (old, new) = (scratch.path.join("base"), scratch.path.join("target"));
    for dir in [&old, &new] {
        lay(&disk, dir, source)?;
    }
    install::apply(
        &disk,
        &new,
        release,
        &Options { base: Some(base.base.clone()), skip_hooks: true, ..Options::default() },
    )?;
    let mut reached = read_source(&new, &SourceOptions::default())?.tree;
    let route = release.routes.iter().find(|r| r.name == base.base);
    reached.entries.retain(|p, _| route.is_some_and(|r| r.before.get(p).is_some() || r.after.get(p).is_some()));
    if reached.digest() != base.after {
        return Err(Error::new(ErrorCode::BadBundle, &base.base, "applying does not end in the target")
            .next("look at it: cumulate verify FILE.cup --bases DIR"));
    }
    let log = |name: &str| scratch.path.join(name);
    let in_base = trial(command, &old, "base", &log("base.log"), limit)?;
    let in_target = trial(command, &new, "target", &log("target.log"), limit)?;
    let tests = compare(&in_base, &in_target);
    Ok(Runs { in_base, in_target, tests })
}

/// Signs one statement for each target (and at most [`BASES`] bases), and hands them out.
fn finish(
    file: &Path,
    bundle: &Bundle,
    vetter: Vetter,
    bases: Vec<VettedBase>,
    word: &dyn Fn(&[VettedBase]) -> Word,
) -> Result<Vetted> {
    super::sign::check_role(&vetter.role)?;
    let key = Signer::open(vetter.key)?;
    independent(bundle, key.id())?;
    let disk = Disk::real();
    let root = bundle.root();
    let mut targets: BTreeMap<(Digest, Digest), Vec<VettedBase>> = BTreeMap::new();
    for base in &bases {
        targets.entry((base.after, base.hooks)).or_default().push(base.clone());
    }
    let result = result_of(&bases);
    let mut vetted = Vetted {
        schema: "cumulate.vet/1",
        component: root.component.clone(),
        version: root.release.version.clone(),
        role: vetter.role.clone(),
        key_id: key.id(),
        result,
        bases,
        added: Vec::new(),
        files: Vec::new(),
    };
    for ((target, hooks), bases) in targets.iter().flat_map(|(t, b)| b.chunks(BASES).map(move |c| (t, c))) {
        let vetting = Vetting {
            role: vetter.role.clone(),
            component: root.component.clone(),
            target: *target,
            hooks: *hooks,
            bases: bases.iter().map(|b| (b.base.clone(), b.before)).collect(),
            word: word(bases),
        };
        let envelope = Envelope::signed_by(vetting.to_payload(), &key)?.to_json();
        let digest = Digest::of(&envelope);
        if let Some(dir) = &vetter.out {
            disk.mkdir_all(dir)?;
            let copy = dir.join(format!("{}.dsse.json", digest.hex()));
            disk.write_atomic(&copy, &envelope, 0o644)?;
            vetted.files.push(copy);
        }
        // What did not pass is evidence for its vetter, and nothing that a bundle should carry.
        if result == TestResult::Passed && bundle::add_envelope(file, envelope, &disk)?.is_some() {
            vetted.added.push(digest);
        }
    }
    Ok(vetted)
}

/// Who has signed this very release vouches for nothing by vetting it too.
fn independent(bundle: &Bundle, key: KeyId) -> Result<()> {
    let signed = |bytes: &Vec<u8>| {
        let envelope = Envelope::from_json(bytes).ok()?;
        let Ok(Said::Release(statement)) = Said::read(&envelope.payload) else { return None };
        envelope.claims(key).then_some(statement.claim.role)
    };
    match bundle.envelopes().values().find_map(signed) {
        None => Ok(()),
        Some(role) => Err(Error::new(
            ErrorCode::Untrusted,
            key,
            format!("this key has signed the release as '{role}', so it cannot vet it independently"),
        )
        .next("vet with a key that does nothing else")),
    }
}

fn result_of(bases: &[VettedBase]) -> TestResult {
    let tests = || bases.iter().filter_map(|b| Some(&b.runs.as_ref()?.tests));
    if tests().any(|t| !t.failed.is_empty()) {
        TestResult::Failed
    } else if tests().any(|t| !t.warned.is_empty()) {
        TestResult::Warned
    } else {
        TestResult::Passed
    }
}

/// Names of tests with their bases, as far as a statement has room for them.
#[derive(Default)]
struct Names {
    lists: [List; 3],
}

#[derive(Default)]
struct List {
    names: Vec<String>,
    bytes: usize,
    more: usize,
}

impl Names {
    fn add(&mut self, base: &str, tests: &Compared) {
        for (list, from) in self.lists.iter_mut().zip([&tests.passed, &tests.warned, &tests.failed]) {
            for name in from {
                let name = format!("{base}: {name}");
                if list.more > 0 || list.bytes + name.len() > NAMES {
                    list.more += 1;
                } else {
                    list.bytes += name.len();
                    list.names.push(name);
                }
            }
        }
    }
}

impl List {
    fn into_names(mut self) -> Vec<String> {
        if self.more > 0 {
            self.names.push(format!("and {} more", self.more));
        }
        self.names
    }
}
