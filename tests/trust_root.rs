//! Signed trust roots: who may change whom an installation believes, each line one attempt.

mod common;
mod installing;

use cumulate::disk::Disk;
use cumulate::install::Options;
use cumulate::report::{Error, ErrorCode as E};
use cumulate::trust::{Envelope, PAYLOAD_TYPE, Policy, ROOT_PAYLOAD_TYPE, SecretKey, TrustRoot};
use cumulate::verb::{Belief, apply};
use installing::{Made, lay, scratch, world};
use std::path::Path;

const NOW: u64 = 1_800_000_000;

/// A policy text: root keys with a threshold, release keys, and further lines before the tables.
fn text(head: &str, threshold: usize, roots: &[&SecretKey], release: &SecretKey) -> String {
    let key = |k: &SecretKey, roles: &str| format!("[[key]]\npem = '''{}'''\nroles = [{roles}]\n", k.public().to_pem());
    let roots: String = roots.iter().map(|k| key(k, "'root'")).collect();
    format!("{head}\n{roots}{}[roles.root]\nthreshold = {threshold}\n[roles.release]\n", key(release, "'release'"))
}

fn plain(text: &str) -> Policy {
    Policy::parse(text, "trust.toml", Path::new("")).unwrap()
}

fn judge(root: &TrustRoot) -> Result<Policy, Error> {
    TrustRoot::parse(&root.to_bytes(), "trust.root")?.policy()
}

fn signed(mut root: TrustRoot, keys: &[&SecretKey]) -> TrustRoot {
    for key in keys {
        root.sign(&(*key).clone().into()).unwrap();
    }
    root
}

#[test]
fn a_root_changes_hands_only_through_old_and_new_keys() {
    let [a, b, c, d, r, evil] = [(); 6].map(|()| SecretKey::generate().unwrap());
    let first = TrustRoot::first(plain(&text("", 2, &[&a, &b], &r))).unwrap();
    let v1 = signed(first.clone(), &[&a, &b]);
    assert_eq!(judge(&v1).unwrap().root_version(), Some(1));
    let next = |keys: &[&SecretKey]| {
        let mut root = v1.clone();
        root.rotate(plain(&text("", 2, &[&c, &d], &r))).unwrap();
        signed(root, keys)
    };
    let v2 = next(&[&a, &b, &c, &d]);
    assert_eq!(judge(&v2).unwrap().root_version(), Some(2));

    // An envelope that lies: each builds the file of an attacker.
    let lines = |root: &TrustRoot| {
        let bytes = root.to_bytes();
        bytes
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| Envelope::from_json(l).unwrap())
            .collect::<Vec<_>>()
    };
    let forged = |envelopes: &[Envelope]| {
        let bytes: Vec<u8> = envelopes.iter().flat_map(|e| [e.to_json(), b"\n".to_vec()].concat()).collect();
        TrustRoot::parse(&bytes, "trust.root")?.policy()
    };
    let change = |deed: &dyn Fn(&mut Vec<Envelope>)| {
        let mut all = lines(&v2);
        deed(&mut all);
        forged(&all)
    };
    let stranger = signed(TrustRoot::first(plain(&text("", 1, &[&evil], &r))).unwrap(), &[&evil]);
    let attempts: Vec<(&str, E, Result<Policy, Error>)> = vec![
        ("one of two signatures", E::Untrusted, judge(&signed(first.clone(), &[&a]))),
        ("no signature", E::Untrusted, judge(&first)),
        ("the new keys alone", E::Untrusted, judge(&next(&[&c, &d]))),
        ("the old keys alone", E::Untrusted, judge(&next(&[&a, &b]))),
        ("one old key short", E::Untrusted, judge(&next(&[&a, &c, &d]))),
        (
            "one key twice",
            E::Untrusted,
            change(&|all| {
                all[1].signatures.retain(|(k, _)| *k != b.id().to_string());
                let twice = all[1].signatures.iter().find(|(k, _)| *k == a.id().to_string()).unwrap().clone();
                all[1].signatures.push(twice);
            }),
        ),
        (
            "one signature under another's id",
            E::Untrusted,
            change(&|all| {
                let s = all[1].signatures.iter().find(|(k, _)| *k == a.id().to_string()).unwrap().1.clone();
                all[1].signatures.iter_mut().filter(|(k, _)| *k == b.id().to_string()).for_each(|x| x.1 = s.clone());
            }),
        ),
        ("version 1 left out", E::Config, change(&|all| drop(all.remove(0)))),
        ("version 2 twice", E::Config, change(&|all| all.push(all[1].clone()))),
        (
            "a threshold lowered after signing",
            E::Untrusted,
            change(&|all| {
                let text = String::from_utf8(all[1].payload.clone()).unwrap();
                all[1].payload = text.replacen("threshold = 2", "threshold = 1", 1).into_bytes();
            }),
        ),
        ("a space that changes nothing", E::Config, change(&|all| all[1].payload.push(b' '))),
        ("the payload type of releases", E::Config, change(&|all| all[1].payload_type = PAYLOAD_TYPE.into())),
        (
            "an attacker's version 2",
            E::Untrusted,
            forged(&[lines(&v1)[0].clone(), {
                let text = String::from_utf8(lines(&stranger)[0].payload.clone()).unwrap();
                let payload = text.replace("version = 1", "version = 2").into_bytes();
                let mut e = Envelope { payload_type: ROOT_PAYLOAD_TYPE.into(), payload, signatures: vec![] };
                e.signatures.push((evil.id().to_string(), evil.sign(&e.message()).to_vec()));
                e
            }]),
        ),
    ];
    for (name, code, done) in attempts {
        let e = done.map(drop).expect_err(name);
        assert_eq!(e.code, code, "{name}: {e}");
    }
    assert_eq!(v1.clone().sign(&evil.clone().into()).unwrap_err().code, E::Untrusted, "a stranger's key does not sign");
    assert_eq!(v1.clone().sign(&r.clone().into()).unwrap_err().code, E::Untrusted, "nor does a release key");
    let mut open = next(&[&a]);
    assert_eq!(open.rotate(plain(&text("", 1, &[&c], &r))).unwrap_err().code, E::Untrusted, "first finish version 2");
    let revoked = text(&format!("revoked-keys = ['{}']", r.id()), 1, &[&a], &r);
    assert_eq!(Policy::parse(&revoked, "t", Path::new("")).unwrap_err().code, E::Config, "revoked, yet in a role");
}

/// Two of three: whichever key is lost, of the root or of a role, the others go on and installations follow them.
#[test]
fn a_lost_key_below_the_threshold_strands_no_installation() {
    let [a, b, c, new, r1, r2, r3] = [(); 7].map(|()| SecretKey::generate().unwrap());
    let two_of_three = |roots: [&SecretKey; 3]| {
        let key =
            |k: &SecretKey, role: &str| format!("[[key]]\npem = '''{}'''\nrole = '{role}'\n", k.public().to_pem());
        let keys = roots.map(|k| key(k, "root")).concat() + &[&r1, &r2, &r3].map(|k| key(k, "release")).concat();
        plain(&format!("{keys}[roles.root]\nthreshold = 2\n[roles.release]\nthreshold = 2\n"))
    };
    let (old, target) = (world(&["f = 1"]), world(&["f = 2"]));
    for lost in 0..3 {
        let left = |keys: [&'_ SecretKey; 3]| {
            let mut keys = keys.to_vec();
            keys.remove(lost);
            [keys[0].clone(), keys[1].clone()]
        };
        let [one, two] = left([&a, &b, &c]);
        let dir = scratch();
        let (at, cup) = (dir.path().join("acme"), dir.path().join("2.cup"));
        lay(&at, &old);
        Made::new("2.0", &[("1.0", &old)], &target, &[]).sequence(2).write(&cup);
        for key in left([&r1, &r2, &r3]) {
            let statement = cumulate::bundle::open(&cup).unwrap().claimed().statement("release");
            let envelope = Envelope::sign(statement.to_payload(), &key).to_json();
            cumulate::bundle::add_envelope(&cup, envelope, &Disk::real()).unwrap();
        }
        let go = |root: &TrustRoot| {
            let belief = Belief { policy: Some(judge(root)?), allow_unsigned: false, now: NOW, ..Belief::default() };
            apply(&Disk::real(), &cup, &at, &belief, Options::default())
        };
        let v1 = signed(TrustRoot::first(two_of_three([&a, &b, &c])).unwrap(), &[&one, &two]);
        let after = |root: &TrustRoot, keys: &[&SecretKey]| {
            let mut next = root.clone();
            next.rotate(two_of_three([&one, &two, &new])).unwrap();
            signed(next, keys)
        };
        go(&v1).unwrap();
        assert_eq!(go(&after(&v1, &[&one, &new])).unwrap_err().code, E::Untrusted, "the new key is no old one yet");
        let v2 = after(&v1, &[&one, &two]);
        let v3 = after(&v2, &[&one, &new]);
        for root in [&v2, &v3] {
            go(root).unwrap_or_else(|e| panic!("key {lost} lost: {e}"));
        }
        assert_eq!(go(&v1).unwrap_err().code, E::Downgrade, "it has followed");
    }
}

#[test]
fn an_installation_follows_its_root_and_goes_never_back() {
    let dir = scratch();
    let at = dir.path().join("acme");
    let (old, new) = (world(&["lib/a = 1"]), world(&["lib/a = 2"]));
    lay(&at, &old);
    let [a, b, r1, r2] = [(); 4].map(|()| SecretKey::generate().unwrap());
    let cup = dir.path().join("2.cup");
    Made::new("2.0", &[("1.0", &old)], &new, &[]).sequence(2).write(&cup);
    for key in [&r1, &r2] {
        let statement = cumulate::bundle::open(&cup).unwrap().claimed().statement("release");
        let envelope = Envelope::sign(statement.to_payload(), key).to_json();
        cumulate::bundle::add_envelope(&cup, envelope, &Disk::real()).unwrap();
    }
    let bundle = cumulate::bundle::open(&cup).unwrap().claimed().subject().digest;
    let v1 = signed(TrustRoot::first(plain(&text("", 1, &[&a], &r1))).unwrap(), &[&a]);
    let mut v2 = v1.clone();
    v2.rotate(plain(&text(&format!("revoked-keys = ['{}']", r1.id()), 1, &[&b], &r2))).unwrap();
    let v2 = signed(v2, &[&a, &b]);
    let mut v3 = v2.clone();
    v3.rotate(plain(&text(&format!("revoked-bundles = ['{bundle}']"), 1, &[&b], &r2))).unwrap();
    let v3 = signed(v3, &[&b]);
    let other = signed(TrustRoot::first(plain(&text("", 1, &[&b], &r2))).unwrap(), &[&b]);
    let mut other2 = other.clone();
    other2.rotate(plain(&text("", 1, &[&b], &r2))).unwrap();
    let other2 = signed(other2, &[&b]);

    let go = |policy: Option<Policy>| {
        let belief = Belief { policy, allow_unsigned: false, now: NOW, ..Belief::default() };
        apply(&Disk::real(), &cup, &at, &belief, Options::default()).map(|a| a.outcome)
    };
    let code = |root: &TrustRoot| go(Some(judge(root).unwrap())).unwrap_err().code;
    assert_eq!(code(&v3), E::Untrusted, "a revoked bundle, whoever signed it");
    assert!(!at.join(".cumulate").exists(), "nothing is remembered of what was refused");
    go(Some(judge(&v2).unwrap())).unwrap();
    go(None).unwrap();
    assert_eq!(code(&v1), E::Downgrade, "the old root, with its stolen key");
    assert_eq!(code(&other), E::Downgrade);
    assert_eq!(code(&other2), E::Untrusted, "another root of the same version");
    let keys = Policy::of_keys([r1.public().clone()]).unwrap();
    assert_eq!(go(Some(keys)).unwrap_err().code, E::Untrusted, "a bare key in the root's place");
    go(Some(judge(&v2).unwrap())).unwrap();
    assert_eq!(code(&v3), E::Untrusted, "revoked by the newer root");
    assert_eq!(go(None).unwrap_err().code, E::Untrusted, "and from then on, also for those who do not give it");
    assert_eq!(code(&v2), E::Downgrade, "nor does the older root help");
}

#[test]
fn the_commands_tell_who_can_sign() {
    let dir = tempfile::tempdir().unwrap();
    common::copy(Path::new("testdata/demo"), &dir.path().join("lantern"));
    let run = |args: &str| common::cumulate(dir.path(), &args.split(' ').collect::<Vec<_>>());
    for name in ["ann", "ben", "rel", "vet", "vic"] {
        run(&format!("keygen --out {name}")).expect(0);
    }
    let keys: String = ["ann", "ben", "rel", "vet", "vic"].map(|n| format!("[[key]]\nfile = '{n}.pub'\n")).concat();
    let roles = "[roles.root]\nthreshold = 2\nkeys = ['ann', 'ben']\n[roles.release]\nkeys = ['rel']\n\
                 [roles.vetter]\nthreshold = 2\nkeys = ['vet', 'vic']\n";
    std::fs::write(dir.path().join("trust.toml"), keys + roles).unwrap();
    run("trust init --policy trust.toml --key rel.key -o trust.root").expect(4);
    let made = run("trust init --policy trust.toml --key ann.key -o trust.root").expect(0);
    assert!(made.stdout.contains("1 of 2 (ann); can sign: ben"), "{}", made.stdout);
    run("build lantern -o l.cup --key rel.key").expect(0);
    run("trust status l.cup --policy trust.root").expect(4);
    assert_eq!(run("trust sign trust.root --key ben.key --format json").expect(0).json()["complete"], true);
    run("sign l.cup --key vic.key --role vetter").expect(0);
    let status = run("trust status l.cup --policy trust.root").expect(4);
    assert_eq!(status.stdout, "2 of 3; missing: vetter; can sign: vet\n");
    run("verify l.cup --policy trust.root").expect(4);
    run("sign l.cup --key vet.key --role vetter").expect(0);
    assert!(run("trust status l.cup --policy trust.root").expect(0).stdout.contains("3 of 3"));
    run("verify l.cup --policy trust.root").expect(0);
    run("trust rotate trust.root --policy trust.toml --key ann.key").expect(0);
    run("verify l.cup --policy trust.root").expect(4);
    run("trust sign trust.root --key ben.key").expect(0);
    run("verify l.cup --policy trust.root").expect(0);
    assert_eq!(run("trust show trust.root --format json").expect(0).json()["versions"][1]["version"], 2);
}
