//! Whom an installation believes: real bundles and signatures, each line one attempt.

mod installing;

use cumulate::disk::Disk;
use cumulate::install::{Applied, Options, Outcome, rollback, status};
use cumulate::report::{Code, ErrorCode, Result};
use cumulate::trust::{Envelope, Policy, SecretKey};
use cumulate::verb::{Belief, apply};
use installing::*;
use std::path::{Path, PathBuf};

const NOW: u64 = 1_800_000_000;

fn worlds() -> Vec<World> {
    ["1", "2", "3"].iter().map(|n| world(&[&format!("lib/a = a {n}"), "lib/b = b"])).collect()
}

/// A bundle from release `n - 1` to release `n`, signed by these keys.
fn bundle(dir: &Path, n: usize, keys: &[&SecretKey]) -> PathBuf {
    let worlds = worlds();
    let base = format!("{}.0", n - 1);
    let made = Made::new(&format!("{n}.0"), &[(&base, &worlds[n - 2])], &worlds[n - 1], &[]).sequence(n as u64);
    let file = dir.join(format!("{n}-{}.cup", keys.len()));
    made.write(&file);
    for key in keys {
        let statement = cumulate::bundle::open(&file).unwrap().claimed().statement("release");
        let envelope = Envelope::sign(statement.to_payload(), key).to_json();
        cumulate::bundle::add_envelope(&file, envelope, &Disk::real()).unwrap();
    }
    file
}

fn policy(key: &SecretKey) -> Option<Policy> {
    Some(Policy::of_keys([key.public().clone()]).unwrap())
}

fn go(file: &Path, dir: &Path, policy: Option<Policy>, allow_unsigned: bool) -> Result<Applied> {
    let belief = Belief { policy, allow_unsigned, now: NOW, ..Belief::default() };
    apply(&Disk::real(), file, dir, &belief, Options::default())
}

fn refused(what: &str, done: Result<Applied>, code: ErrorCode, dir: &Path, as_it_was: &impl Fn(&Path) -> bool) {
    let e = done.expect_err(what);
    assert_eq!((e.code, e.exit()), (code, 4), "{what}: {e}");
    assert!(as_it_was(dir), "{what}");
}

#[test]
fn nobody_is_believed_without_reason_and_trust_once_there_stays() {
    let scratch = scratch();
    let dir = scratch.path().join("acme");
    lay(&dir, &worlds()[0]);
    let (key, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let bare = bundle(scratch.path(), 2, &[]);
    let signed = bundle(scratch.path(), 2, &[&key]);
    let before = listing(&dir);
    let untouched = |d: &Path| listing(d) == before && !d.join(".cumulate").exists();
    refused("no signature", go(&bare, &dir, None, false), ErrorCode::Unsigned, &dir, &untouched);
    refused("a signature, but no key", go(&signed, &dir, None, false), ErrorCode::NoTrust, &dir, &untouched);
    refused("another key", go(&signed, &dir, policy(&other), false), ErrorCode::Untrusted, &dir, &untouched);
    refused("a key beats --allow-unsigned", go(&bare, &dir, policy(&key), true), ErrorCode::Unsigned, &dir, &untouched);

    let done = go(&bare, &dir, None, true).unwrap();
    assert_eq!(done.outcome, Outcome::Applied);
    assert_eq!(done.findings[0].code, Code::UnsignedBundle);
    assert!(!status(&Disk::real(), &dir).unwrap().trusted);
    rollback(&Disk::real(), &dir).unwrap();
    assert_eq!(listing(&dir), before);

    assert_eq!(go(&signed, &dir, policy(&key), false).unwrap().findings, []);
    assert!(status(&Disk::real(), &dir).unwrap().trusted);
    let next_bare = bundle(scratch.path(), 3, &[]);
    let installed = listing(&dir);
    let as_installed = |d: &Path| listing(d) == installed;
    refused("trust is there", go(&next_bare, &dir, None, true), ErrorCode::Unsigned, &dir, &as_installed);
    let next_other = bundle(scratch.path(), 3, &[&other]);
    refused("somebody else's", go(&next_other, &dir, None, false), ErrorCode::Untrusted, &dir, &as_installed);
    let next = bundle(scratch.path(), 3, &[&other, &key]);
    assert_eq!(go(&next, &dir, None, false).unwrap().outcome, Outcome::Applied);
    refused("older than what was seen", go(&signed, &dir, None, false), ErrorCode::Downgrade, &dir, &|d| {
        tree_of(d) == tree(&worlds()[2])
    });
    assert_eq!(go(&next, &dir, None, false).unwrap().outcome, Outcome::NothingToDo);
}

#[test]
fn a_policy_with_roles_and_dates_is_remembered_as_it_is() {
    let scratch = scratch();
    let (key, vetter) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let text = format!(
        "component = \"acme\"\nexpires = 2030-01-31\n\
         [[key]]\nname = \"rel\"\nrole = \"release\"\npem = '''{}'''\nexpires = 2029-06-30T12:00:00Z\n\
         [[key]]\nname = \"vet\"\npem = '''{}'''\n[roles.vetter]\nthreshold = 1\nkeys = [\"vet\"]\n",
        key.public().to_pem(),
        vetter.public().to_pem()
    );
    let policy = Policy::parse(&text, "trust.toml", scratch.path()).unwrap();
    let again = Policy::parse(&policy.to_toml().unwrap(), "trust.toml", Path::new("")).unwrap();
    assert_eq!(again, policy);
    let simple = Policy::of_keys([key.public().clone(), vetter.public().clone()]).unwrap();
    let again = Policy::parse(&simple.to_toml().unwrap(), "the given keys", Path::new("")).unwrap();
    assert_eq!(again, simple);
}

#[test]
fn a_damaged_bundle_is_refused_before_anything_is_written() {
    let scratch = scratch();
    let dir = scratch.path().join("acme");
    lay(&dir, &worlds()[0]);
    let before = listing(&dir);
    let key = SecretKey::generate().unwrap();
    let file = bundle(scratch.path(), 2, &[&key]);
    let bytes = std::fs::read(&file).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x20;
        std::fs::write(&file, damaged).unwrap();
        let e = go(&file, &dir, policy(&key), false).unwrap_err();
        assert!([3, 4].contains(&e.exit()), "byte {at}: {e}");
        std::fs::write(&file, &bytes[..at]).unwrap();
        assert!([3, 4].contains(&go(&file, &dir, policy(&key), false).unwrap_err().exit()), "cut at {at}");
    }
    assert_eq!(listing(&dir), before);
    assert!(!dir.join(".cumulate").exists());
    std::fs::write(&file, &bytes).unwrap();
    go(&file, &dir, policy(&key), false).unwrap();
}

/// What the installation trusted until now may have ended: that is said, and the way on.
#[test]
fn a_policy_that_has_ended_is_renewed_by_insisting() {
    let scratch = scratch();
    let dir = scratch.path().join("acme");
    lay(&dir, &worlds()[0]);
    let key = SecretKey::generate().unwrap();
    let ending = |end: &str| {
        let text = format!("expires = {end}\n[[key]]\npem = '''{}'''\n", key.public().to_pem());
        Some(Policy::parse(&text, "trust.toml", Path::new("")).unwrap())
    };
    let (two, three) = (bundle(scratch.path(), 2, &[&key]), bundle(scratch.path(), 3, &[&key]));
    go(&two, &dir, ending("2027-02-01"), false).unwrap();
    let later = |policy, replace_trust| {
        let belief = Belief { policy, replace_trust, now: NOW + (60 << 20), ..Belief::default() };
        apply(&Disk::real(), &three, &dir, &belief, Options::default())
    };
    assert_eq!(later(None, false).unwrap_err().code, ErrorCode::Expired);
    let e = later(ending("2099-01-01"), false).unwrap_err();
    assert_eq!(e.code, ErrorCode::Expired);
    assert!(e.message.contains("the policy expired at 2027-02-01"), "{e}");
    assert!(e.next.contains("--replace-trust"), "{}", e.next);
    later(ending("2099-01-01"), true).unwrap();
}
