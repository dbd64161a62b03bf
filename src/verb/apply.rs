//! `cumulate apply FILE.cup DIR`: believe the bundle, then bring the installation to its target.

use crate::bundle::{self, Bundle, Unverified};
use crate::disk::Disk;
use crate::install::{self, Applied, Options, Release};
use crate::report::{Code, Error, ErrorCode, Finding, PROGRAM, Result, quoted};
use crate::tree::TreePath;
use crate::trust::Policy;
use std::collections::BTreeSet;
use std::path::Path;

/// Whom to believe.
#[derive(Debug, Clone, Default)]
pub struct Belief {
    /// What `--pub` or `--policy` says. It is remembered from then on, in the place of what the installation
    /// remembers if a bundle satisfies both.
    pub policy: Option<Policy>,
    /// Accept a bundle that nobody vouches for, unless a policy is given or remembered.
    pub allow_unsigned: bool,
    /// Let `policy` take the place of a remembered one that the bundle does not satisfy.
    pub replace_trust: bool,
    /// Accept a bundle whose best-before has passed.
    pub allow_stale: bool,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// Verifies the bundle, then installs it, as the options say.
///
/// # Errors
/// As [`bundle::open`] and [`Unverified::verify`]; `no-trust` or `unsigned` if there is nobody to believe;
/// then as [`install::apply`].
pub fn apply(disk: &Disk, file: &Path, dir: &Path, belief: &Belief, options: Options) -> Result<Applied> {
    Disk::check_supported()?;
    let (bundle, trust) = match believed(file, dir, belief) {
        Ok(believed) => believed,
        Err(e) if options.dry_run => return Err(e),
        Err(e) => return Err(adopting(disk, dir, belief, e)?),
    };
    unrevoked(dir, belief)?;
    let release = Release::of(&bundle)?;
    let options = Options { trust, named: Some(file.to_owned()), ..options };
    let steps = release.routes.iter().flat_map(|r| &r.steps).map(|s| &s.path);
    let files = install::Files::at(dir, steps)?;
    // Looking through all processes takes as long as reading a large file, and neither waits for the other.
    let (applied, open) = std::thread::scope(|scope| {
        match std::thread::Builder::new().spawn_scoped(scope, || files.in_use()) {
            Ok(open) => (install::apply(disk, dir, &release, &options), open.join().unwrap_or_default()),
            // Where no thread starts, what is open is looked for first: afterwards nothing has the old files' names.
            Err(_) => {
                let open = files.in_use();
                (install::apply(disk, dir, &release, &options), open)
            }
        }
    });
    let mut applied = applied?;
    let changed: BTreeSet<&TreePath> = applied.steps.iter().map(|s| &s.path).collect();
    let open = open.into_iter().filter(|o| changed.contains(&o.path));
    let restart = open.map(|o| o.told("keeps the old version until then"));
    let restart: Vec<Finding> = restart.collect();
    applied.findings.extend(restart);
    if bundle.trust().is_none() {
        applied.findings.insert(
            0,
            Finding::new(Code::UnsignedBundle, file.display(), "installed although nobody vouches for it")
                .next("sign releases, and apply them with --pub"),
        );
    }
    Ok(applied)
}

/// An interrupted run is not brought to its end where its bundle was revoked since.
fn unrevoked(dir: &Path, belief: &Belief) -> Result<()> {
    let Some(under_way) = install::under_way(dir)? else { return Ok(()) };
    let known = install::memory(dir)?.trust;
    let known = known.map(|text| Policy::parse(&text, "what is remembered", Path::new(""))).transpose()?;
    if !known.iter().chain(&belief.policy).any(|policy| policy.revokes(&under_way.bundle)) {
        return Ok(());
    }
    let what = format!(
        "{} {} was being installed here when it was interrupted, and that very bundle was revoked since",
        under_way.component, under_way.version
    );
    let next = format!("take it back first: '{PROGRAM} rollback {}'; then run this command again", quoted(dir));
    Err(Error::new(ErrorCode::Untrusted, dir.display(), what).next(next))
}

/// A newer root that the installation's own root vouches for is remembered also where the bundle is refused: it may
/// be what revokes that bundle.
fn adopting(disk: &Disk, dir: &Path, belief: &Belief, mut refused: Error) -> Result<Error> {
    let (Some(policy), Some(text)) = (&belief.policy, install::memory(dir)?.trust) else { return Ok(refused) };
    let known = Policy::parse(&text, "what is remembered", Path::new(""))?;
    let newer = known.root_version().is_some_and(|mine| policy.root_version().is_some_and(|theirs| theirs > mine));
    if newer && known.replaced_by(policy).is_ok() && install::remember_trust(disk, dir, &policy.to_toml()?)? {
        let version = policy.root_version().unwrap_or_default();
        refused.message += &format!("; version {version} of the trust root is remembered from now on");
    }
    Ok(refused)
}

/// Why the keys that were trusted so far do not vouch for the bundle too: so one set of keys hands over to another.
fn unsatisfied(unverified: &Unverified, known: &Policy, now: u64) -> Option<Error> {
    let judged = unverified.claimed().judged();
    if let Err(e) = known.hopeless(&judged, now) {
        let why = format!("what it trusted until now cannot vouch for this bundle: {}: {}", e.subject, e.message);
        return Some(
            Error::new(e.code, "", why)
                .next("if the new keys or policy come from whom you trust, insist with --replace-trust"),
        );
    }
    let report = unverified.look(known, now);
    let e = known.judge("", &report).err()?;
    // Of its keys that signed, or did in time, it says why they do not count; of other keys there is nothing to say.
    let ours = report.signatures.iter().any(|s| !s.name.is_empty());
    let (code, why) = match ours {
        true => (e.code, format!("what it trusted until now does not vouch for this bundle: {}", e.message)),
        false => {
            let why = "the installation trusts other keys, and they have not signed this bundle";
            (ErrorCode::Untrusted, why.into())
        }
    };
    let next = match ours {
        true => "if the new keys or policy come from whom you trust, insist with --replace-trust",
        false => "leave --pub and --policy out; if the keys have really changed, insist with --replace-trust",
    };
    Some(Error::new(code, "", why).next(next))
}

/// The bundle, if it is believed, and the policy to remember.
pub(super) fn believed(file: &Path, dir: &Path, belief: &Belief) -> Result<(Bundle, Option<String>)> {
    let remembered = install::memory(dir)?.trust;
    let opened = bundle::open(file)?;
    let opened = if belief.allow_stale { opened.accept_stale() } else { opened };
    believe(opened, belief, remembered.as_deref(), (file, dir))
}

fn believe(
    unverified: Unverified,
    belief: &Belief,
    remembered: Option<&str>,
    (file, dir): (&Path, &Path),
) -> Result<(Bundle, Option<String>)> {
    let known = || -> Result<Option<Policy>> {
        let origin = format!("the policy that {} remembers", dir.display());
        remembered.map(|text| Policy::parse(text, &origin, Path::new(""))).transpose()
    };
    if let Some(policy) = &belief.policy {
        let text = policy.to_toml()?;
        if let Some(known) = known()? {
            known.replaced_by(policy)?;
            let same = remembered == Some(text.as_str()) || known.root_version().is_some();
            let firm = !same && !belief.replace_trust;
            if let Some(e) = unsatisfied(&unverified, &known, belief.now).filter(|_| firm) {
                return Err(Error { subject: dir.display().to_string(), ..e });
            }
        }
        return Ok((unverified.verify(policy, belief.now)?, Some(text)));
    }
    if let Some(policy) = known()? {
        return Ok((unverified.verify(&policy, belief.now)?, None));
    }
    if belief.allow_unsigned {
        return Ok((unverified.accept_unsigned()?, None));
    }
    let unsigned = unverified.claimed().envelopes().next().is_none();
    let code = if unsigned { ErrorCode::Unsigned } else { ErrorCode::NoTrust };
    let why = if unsigned {
        "the bundle has no signature"
    } else {
        "no key or policy is given, and the installation remembers none, so nothing can be said about the signatures"
    };
    let next = if unsigned {
        "get a signed bundle, or insist with --allow-unsigned"
    } else {
        "give --pub FILE or --policy FILE"
    };
    let subject = if unsigned { file.display() } else { dir.display() };
    Err(Error::new(code, subject, why).next(next))
}
