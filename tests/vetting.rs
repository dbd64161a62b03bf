//! Independent vetting on the command line, and every way to pass for vetted that must not work.

mod common;
mod support;

use common::{Run, copy, cumulate};
use cumulate::report::{Error, ErrorCode as E};
use cumulate::tree::Digest;
use cumulate::trust::{
    Binding, Claim, Delegation, Envelope, Judged, Outcome, PAYLOAD_TYPE, Policy, PublicKey, SecretKey, Statement,
    TestResult, Vetting, Word, parse_time,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const NOW: u64 = 1_800_000_000;

/// The demo, built and signed, and the keys of a release and three vetters.
fn demo() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new("testdata/demo"), &dir.path().join("lantern"));
    for name in ["release", "vera", "viktor", "vadim"] {
        cumulate(dir.path(), &["keygen", "--out", name]).expect(0);
    }
    build(dir.path(), "a.cup", &[]);
    dir
}

fn build(dir: &Path, file: &str, more: &[&str]) {
    let args = ["build", "lantern", "-o", file, "--key", "release.key", "--no-cache"];
    cumulate(dir, &[&args, more].concat()).expect(0);
}

const POLICY: &str = "[[key]]\nfile = 'release.pub'\n[[key]]\nfile = 'vera.pub'\nrole = 'vetter'\n\
    [[key]]\nfile = 'viktor.pub'\nrole = 'vetter'\n[[key]]\nfile = 'vadim.pub'\nrole = 'vetter'\n\
    [roles.vetter]\nevidence = 'test-result'\nthreshold = 2\n";

fn vet(dir: &Path, file: &str, key: &str, more: &[&str], script: &str) -> Run {
    let args = ["vet", file, "--bases", "lantern/bases", "--key", key];
    cumulate(dir, &[&args, more, &["--", "sh", "-c", script]].concat())
}

/// Passes in the base and in the target: both have these.
const FINE: &str = "test -f src/serve.c && test -f conf/lantern.conf";

#[test]
fn two_of_three_vetters_and_what_is_missing_is_said() {
    let demo = demo();
    let dir = demo.path();
    fs::write(dir.join("trust.toml"), format!("{POLICY}waivers = true\n")).unwrap();
    let status = |code: i32| cumulate(dir, &["trust", "status", "a.cup", "--policy", "trust.toml"]).expect(code).stdout;
    let verify = |code: i32| cumulate(dir, &["verify", "a.cup", "--policy", "trust.toml"]).expect(code);
    assert_eq!(
        status(4),
        "1 of 3; missing: vetter (base 1.0.0, 1.0.1, 1.0.2); can sign: vadim, vera, viktor\n"
            .replace("vadim, vera, viktor", &sorted(&status(4)))
    );
    let seen = vet(dir, "a.cup", "vera.key", &[], FINE).expect(0).stdout;
    assert!(seen.contains("base 1.0.2: 1 test passed; in the base exit 0, in the target exit 0"), "{seen}");
    vet(dir, "a.cup", "viktor.key", &["--base", "1.0.0", "--base", "1.0.1"], FINE).expect(0);
    assert!(status(4).starts_with("2 of 3; missing: vetter (base 1.0.2); can sign: "), "{}", status(4));
    assert!(!status(4).contains("vera"), "vera has given all that she can");
    assert!(verify(4).stderr.contains("role 'vetter' has 1 of 2 test results (bases 1.0.2)"));
    let check = ["check", "a.cup", "--config", "lantern/cumulate.toml", "--policy", "trust.toml"];
    let red = cumulate(dir, &check).expect(1).stdout;
    assert!(red.contains("signatures-missing") && red.contains("vetter 1 of 2"), "{red}");

    // The same key again is the same key.
    vet(dir, "a.cup", "vera.key", &["--base", "1.0.2"], FINE).expect(0);
    verify(4);
    let waive =
        ["vet", "a.cup", "--key", "viktor.key", "--base", "1.0.2", "--waive", "no such machine", "--owner", "dana"];
    cumulate(dir, &[&waive[..], &["--until", "2020-01-31"]].concat()).expect(0);
    assert!(verify(4).stderr.contains("expired"), "a waiver ends");
    cumulate(dir, &[&waive[..], &["--until", "2999-01-31"]].concat()).expect(0);
    assert!(status(0).starts_with("✓ 3 of 3; nothing is missing\n"), "{}", status(0));
    let told = verify(0).stdout;
    assert!(told.contains("waived by dana until 2999-01-31T23:59:59Z: no such machine"), "{told}");
    cumulate(dir, &check).expect(0);
    copy(&dir.join("lantern/bases/1.0.2"), &dir.join("installed"));
    cumulate(dir, &["apply", "a.cup", "installed", "--policy", "trust.toml"]).expect(0);

    // Where the policy takes no waivers, it is worth nothing.
    fs::write(dir.join("strict.toml"), POLICY).unwrap();
    let e = cumulate(dir, &["verify", "a.cup", "--policy", "strict.toml"]).expect(4).stderr;
    assert!(e.contains("takes no waivers"), "{e}");
}

/// The names behind "can sign:", which stand in the order of the keys' ids.
fn sorted(status: &str) -> String {
    let names = status.trim_end().rsplit("can sign: ").next().unwrap();
    let mut list: Vec<&str> = names.split(", ").collect();
    list.sort_unstable();
    assert_eq!(list, ["vadim", "vera", "viktor"]);
    names.to_owned()
}

#[test]
fn what_fails_is_told_and_never_added() {
    let demo = demo();
    let dir = demo.path();
    let before = fs::read(dir.join("a.cup")).unwrap();
    let run = |script: &str, code: i32| {
        let more = ["--base", "1.0.1", "--out", "results", "--format", "json"];
        let v = vet(dir, "a.cup", "vera.key", &more, script).expect(code).json();
        (v["result"].as_str().unwrap().to_owned(), v["bases"][0]["runs"].clone())
    };
    // The fixes delete this tool, so a test that wants it passes in the base alone.
    let (result, runs) = run("echo looking for it; test -e tools/dump-core", 1);
    assert_eq!(result, "FAILED");
    assert_eq!(runs["failed"], serde_json::json!(["exit status"]));
    assert_eq!(runs["in_target"]["tail"], "looking for it\n");
    assert_eq!(run("exit 3", 1).0, "WARNED");
    assert_eq!(run("kill -9 $$", 1).1["in_target"]["end"], "signal 9");
    let tap = "echo 1..2; echo 'ok 1 - starts'; test -e tools/dump-core && echo 'ok 2 - dumps' || echo 'not ok 2 - dumps'; true";
    assert_eq!(run(tap, 1).1["failed"], serde_json::json!(["dumps"]));
    assert_eq!(fs::read(dir.join("a.cup")).unwrap(), before, "nothing of it is in the bundle");
    assert_eq!(fs::read_dir(dir.join("results")).unwrap().count(), 4, "but the vetter has it in writing");
    // Healed: fails in the base, passes in the target.
    vet(dir, "a.cup", "vera.key", &["--base", "1.0.1"], "test ! -e tools/dump-core").expect(0);

    let late = vet(dir, "a.cup", "vera.key", &["--base", "1.0.1", "--timeout", "1"], "sleep 60 & sleep 60").expect(1);
    assert!(late.stdout.contains("in the target out of time"), "{}", late.stdout);
    let args = ["vet", "a.cup", "--bases", "lantern/bases", "--key", "vera.key", "--", "/no/such/test"];
    assert!(cumulate(dir, &args).expect(9).stderr.contains("gate-broken"));
    let own = vet(dir, "a.cup", "release.key", &[], FINE).expect(4).stderr;
    assert!(own.contains("this key has signed the release as 'release'"), "{own}");
    for text in [
        POLICY.replace("'vera.pub'\nrole = 'vetter'", "'vera.pub'\nroles = ['vetter', 'release']"),
        POLICY
            .replace("[roles.vetter]", "[roles.vetter]\nkeys = ['release']")
            .replace("file = 'release.pub'", "file = 'release.pub'\nrole = 'release'"),
    ] {
        fs::write(dir.join("twice.toml"), text).unwrap();
        let e = cumulate(dir, &["verify", "a.cup", "--policy", "twice.toml"]).expect(3).stderr;
        assert!(e.contains("cannot stand in role 'release' too"), "{e}");
    }
}

#[test]
fn pulling_a_fix_from_one_track_keeps_the_vetting_of_the_others() {
    let demo = tempfile::tempdir().unwrap();
    let dir = demo.path();
    for name in ["release", "vera"] {
        cumulate(dir, &["keygen", "--out", name]).expect(0);
    }
    let put = |file: &str, text: &str| {
        let path = dir.join("acme").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("bases/e-1/a.txt", "one\n");
    put("bases/e-1/b.txt", "alpha\n");
    put("bases/f-1/a.txt", "one\n");
    put("bases/f-1/c.txt", "gamma\n");
    put("fixes/A.patch", &common::diff("a.txt", "one\n", "two\n"));
    put("fixes/C@f.patch", &common::diff("c.txt", "gamma\n", "delta\n"));
    let head = "[component]\nname = 'acme'\n[release]\nversion = '2'\n[[track]]\nname = 'e'\nbranch = 'e'\n[[track]]\nname = 'f'\n\
        branch = 'f'\n[[base]]\nversion = 'e-1'\nsource = 'bases/e-1'\ntrack = 'e'\n[[base]]\nversion = 'f-1'\n\
        source = 'bases/f-1'\ntrack = 'f'\n";
    let not =
        "[[not_for]]\nfix = 'C'\nbranch = 'e'\nreason = 'no c.txt there'\nstatus = 'not-affected'\nowner = 'dana'\n";
    put("cumulate.toml", &format!("{head}{not}"));
    let build = |file: &str| {
        cumulate(dir, &["build", "acme", "-o", file, "--key", "release.key", "--no-cache"]).expect(0);
    };
    build("one.cup");
    let vet = ["vet", "one.cup", "--bases", "acme/bases", "--key", "vera.key", "--", "grep", "-q", "two", "a.txt"];
    cumulate(dir, &vet).expect(0);
    fs::remove_file(dir.join("acme/fixes/C@f.patch")).unwrap();
    put("cumulate.toml", head);
    build("two.cup");
    fs::write(
        dir.join("trust.toml"),
        "[[key]]\nfile = 'release.pub'\n[[key]]\nfile = 'vera.pub'\nrole = 'vetter'\n[roles.vetter]\nevidence = 'test-result'\n",
    )
    .unwrap();
    let status = |file: &str| cumulate(dir, &["trust", "status", file, "--policy", "trust.toml"]).stdout;
    assert_eq!(status("one.cup"), "✓ 2 of 2; nothing is missing\n");
    assert_eq!(status("two.cup"), "1 of 2; missing: vetter (base e-1, f-1); can sign: vera\n");
    // One statement a target: the one about track e still holds, and is all that is taken over.
    let carried = cumulate(dir, &["vet", "two.cup", "--carry", "one.cup"]).expect(0).stdout;
    assert!(carried.contains("1 envelope taken over"), "{carried}");
    assert_eq!(status("two.cup"), "1 of 2; missing: vetter (base f-1); can sign: vera\n");
}

#[test]
fn a_delegate_covers_a_holiday_and_not_a_day_more() {
    let demo = demo();
    let dir = demo.path();
    cumulate(dir, &["keygen", "--out", "carol"]).expect(0);
    fs::write(dir.join("trust.toml"), POLICY).unwrap();
    let delegate = |until: &str, file: &str| {
        let args = [
            "trust",
            "delegate",
            "--role",
            "vetter",
            "--component",
            "lantern",
            "--to",
            "carol.pub",
            "--key",
            "vera.key",
        ];
        cumulate(dir, &[&args[..], &["--until", until, "-o", file]].concat()).expect(0);
    };
    let counts = |name: &str| {
        let v = cumulate(dir, &["trust", "status", "a.cup", "--policy", "trust.toml", "--format", "json"]).json();
        let vetter = v["roles"].as_array().unwrap().iter().find(|r| r["role"] == "vetter").unwrap().clone();
        vetter["signed_by"].as_array().unwrap().iter().any(|n| n.as_str().unwrap().starts_with(name))
    };
    vet(dir, "a.cup", "vera.key", &[], FINE).expect(0);
    vet(dir, "a.cup", "carol.key", &[], FINE).expect(0);
    delegate("2020-08-31", "past.json");
    cumulate(dir, &["trust", "sign", "past.json", "--key", "viktor.key"]).expect(0);
    cumulate(dir, &["sign", "a.cup", "--envelope", "past.json"]).expect(0);
    assert!(!counts("carol"), "that holiday is over");
    delegate("2999-08-31", "holiday.json");
    cumulate(dir, &["sign", "a.cup", "--envelope", "holiday.json"]).expect(0);
    assert!(!counts("carol"), "one of two vetters is not the threshold");
    let told = cumulate(dir, &["trust", "sign", "holiday.json", "--key", "viktor.key"]).expect(0).stdout;
    assert!(told.contains("carol may speak as vetter of lantern until 2999-08-31T23:59:59Z"), "{told}");
    cumulate(dir, &["sign", "a.cup", "--envelope", "holiday.json"]).expect(0);
    assert!(counts("carol"));
    let told = cumulate(dir, &["verify", "a.cup", "--policy", "trust.toml"]).expect(0).stdout;
    assert!(told.contains("'carol' may speak until 2999-08-31T23:59:59Z"), "{told}");
    cumulate(dir, &["sign", "a.cup", "--envelope", "trust.toml"]).expect(3);
}

/// Everything that an attack may change: a bundle of one base, a policy of one release key and two vetters.
struct Scene {
    release: SecretKey,
    vera: SecretKey,
    viktor: SecretKey,
    judged: Judged,
    policy: String,
    /// What stands beside the release's signature and viktor's result.
    envelopes: Vec<Vec<u8>>,
}

fn pem(k: &SecretKey, name: &str, role: &str) -> String {
    format!("[[key]]\nname = '{name}'\nrole = '{role}'\npem = '''{}'''\n", k.public().to_pem())
}

fn scene() -> Scene {
    let [release, vera, viktor] = [(); 3].map(|()| SecretKey::generate().unwrap());
    let policy = pem(&release, "release", "release")
        + &pem(&vera, "vera", "vetter")
        + &pem(&viktor, "viktor", "vetter")
        + "[roles.vetter]\nevidence = 'test-result'\nthreshold = 2\n";
    let binding = Binding { base: Digest::of(b"base"), target: Digest::of(b"target"), hooks: Digest::of(b"hooks") };
    let says = Claim { role: String::new(), component: "acme".into(), version: "1".into(), sequence: None };
    let judged = Judged {
        subject: Digest::of(b"root"),
        says,
        routes: BTreeMap::from([("1.0".into(), binding)]),
        best_before: None,
    };
    Scene { release, vera, viktor, judged, policy, envelopes: Vec::new() }
}

impl Scene {
    fn vetting(&self) -> Vetting {
        let b = self.judged.routes["1.0"];
        Vetting {
            role: "vetter".into(),
            component: "acme".into(),
            target: b.target,
            hooks: b.hooks,
            bases: vec![("1.0".into(), b.base)],
            word: Word::Tested {
                command: vec!["true".into()],
                result: TestResult::Passed,
                passed: vec!["1.0: exit status".into()],
                warned: vec![],
                failed: vec![],
            },
        }
    }

    fn release_by(&self, key: &SecretKey, role: &str) -> Vec<u8> {
        let claim = Claim { role: role.into(), ..self.judged.says.clone() };
        Envelope::sign(Statement { subject: self.judged.subject, claim }.to_payload(), key).to_json()
    }

    /// Verifies with the release's signature, viktor's result, and what the attack added.
    fn verify(&self) -> Result<(), Error> {
        let policy = Policy::parse(&self.policy, "trust.toml", Path::new("")).unwrap();
        let mut all = vec![self.release_by(&self.release, "release"), sign(&self.vetting(), &self.viktor)];
        all.extend(self.envelopes.iter().cloned());
        policy.verify("a.cup", &self.judged, &all.iter().map(Vec::as_slice).collect::<Vec<_>>(), NOW).map(drop)
    }

    fn add(&mut self, change: impl Fn(&mut Vetting)) {
        let mut vetting = self.vetting();
        change(&mut vetting);
        self.envelopes.push(sign(&vetting, &self.vera));
    }

    /// A delegation, signed by these, and a result of the delegate.
    fn delegate(&mut self, to: &SecretKey, change: impl Fn(&mut Delegation), by: &[&SecretKey]) {
        let mut d = Delegation {
            role: "vetter".into(),
            component: "acme".into(),
            name: "carol".into(),
            key: to.public().clone(),
            expires: NOW + 10,
        };
        change(&mut d);
        let mut envelope = d.envelope();
        for key in by {
            Delegation::sign(&mut envelope, &(*key).clone().into()).unwrap();
        }
        self.envelopes.push(envelope.to_json());
        self.envelopes.push(sign(&self.vetting(), to));
    }
}

fn sign(vetting: &Vetting, key: &SecretKey) -> Vec<u8> {
    Envelope::sign(vetting.to_payload(), key).to_json()
}

fn keys(s: &Scene) -> (SecretKey, SecretKey) {
    // Private keys are not clonable on purpose; through their files they are.
    (SecretKey::from_pem(&s.vera.to_pem(), "vera").unwrap(), SecretKey::from_pem(&s.viktor.to_pem(), "viktor").unwrap())
}

/// Name, a word of the message, and the deed.
type Attack = (&'static str, &'static str, fn(&mut Scene));

/// Everything here is stopped by step 6 of `docs/bundle-format.md`, section 6.
const ATTACKS: &[Attack] = &[
    ("one vetter for two", "1 of 2 test results", |_| {}),
    ("one vetter twice, with other words", "1 of 2 test results", |s| {
        let mut v = s.vetting();
        v.word = Word::Tested {
            command: vec!["false".into()],
            result: TestResult::Passed,
            passed: vec![],
            warned: vec![],
            failed: vec![],
        };
        s.envelopes.push(sign(&v, &s.viktor));
    }),
    ("the release's key vets too", "does not let 'release'", |s| s.envelopes.push(sign(&s.vetting(), &s.release))),
    ("a vetter signs instead of testing", "and this is a signature", |s| {
        s.envelopes.push(s.release_by(&s.vera, "vetter"))
    }),
    ("a result of another target", "other bases, targets or hooks", |s| {
        s.add(|v| v.target = Digest::of(b"old target"))
    }),
    ("a result of another base", "other bases, targets or hooks", |s| s.add(|v| v.bases[0].1 = Digest::of(b"other"))),
    ("a result with other hooks", "other bases, targets or hooks", |s| s.add(|v| v.hooks = Digest::of(b"more"))),
    ("a result of another base by this one's name", "other bases", |s| {
        s.add(|v| v.bases = vec![("1.0".into(), Digest::of(b"0.9"))])
    }),
    ("a result of another component", "another component", |s| s.add(|v| v.component = "redis".into())),
    ("a result in another role", "does not let 'vera'", |s| s.add(|v| v.role = "release".into())),
    ("a result that did not pass", "did not pass: 1.0: x", |s| {
        s.add(|v| {
            v.word = Word::Tested {
                command: vec![],
                result: TestResult::Failed,
                passed: vec![],
                warned: vec![],
                failed: vec!["1.0: x".into()],
            }
        })
    }),
    ("a result with warnings", "did not pass", |s| {
        s.add(|v| {
            v.word = Word::Tested {
                command: vec![],
                result: TestResult::Warned,
                passed: vec![],
                warned: vec![],
                failed: vec![],
            }
        })
    }),
    ("a result whose command was exchanged", "another digest than its words", |s| {
        let text = String::from_utf8(s.vetting().to_payload()).unwrap().replace("\"true\"", "\"rm\"");
        s.envelopes.push(Envelope::sign(text.into_bytes(), &s.vera).to_json());
    }),
    ("a result about two targets at once", "exactly one subject", |s| {
        let mut v: serde_json::Value = serde_json::from_slice(&s.vetting().to_payload()).unwrap();
        let twice = v["subject"][0].clone();
        v["subject"].as_array_mut().unwrap().push(twice);
        s.envelopes.push(Envelope::sign(v.to_string().into_bytes(), &s.vera).to_json());
    }),
    ("a result whose bytes were changed", "not this key's", |s| {
        let mut e = Envelope::from_json(&sign(&s.vetting(), &s.vera)).unwrap();
        e.payload = String::from_utf8(e.payload).unwrap().replace("PASSED", "PASSED ").into_bytes();
        s.envelopes.push(e.to_json());
    }),
    ("a waiver where none is taken", "takes no waivers", |s| {
        s.add(|v| v.word = Word::Waived { owner: "dana".into(), reason: "later".into(), expires: NOW + 1 })
    }),
    ("a waiver that has ended", "the waiver has expired", |s| {
        s.policy += "waivers = true\n";
        s.add(|v| v.word = Word::Waived { owner: "dana".into(), reason: "later".into(), expires: NOW - 1 });
    }),
    ("a waiver that nobody owns", "without an owner", |s| {
        s.policy += "waivers = true\n";
        s.add(|v| v.word = Word::Waived { owner: " ".into(), reason: "later".into(), expires: NOW + 1 });
    }),
    ("a delegate whom too few named", "1 of 2 keys of the role signed", |s| {
        let (vera, carol) = (keys(s).0, SecretKey::generate().unwrap());
        s.delegate(&carol, |_| {}, &[&vera]);
    }),
    ("a delegate who names themselves", "no key of the policy", |s| {
        let carol = SecretKey::generate().unwrap();
        let by = SecretKey::from_pem(&carol.to_pem(), "").unwrap();
        s.delegate(&carol, |_| {}, &[&by]);
    }),
    ("a delegate whose time is over", "expired", |s| {
        let ((vera, viktor), carol) = (keys(s), SecretKey::generate().unwrap());
        s.delegate(&carol, |d| d.expires = NOW - 1, &[&vera, &viktor]);
    }),
    ("a delegate for another component", "another component", |s| {
        let ((vera, viktor), carol) = (keys(s), SecretKey::generate().unwrap());
        s.delegate(&carol, |d| d.component = "redis".into(), &[&vera, &viktor]);
    }),
    ("a vetters' delegate for the release", "0 of 1 keys of the role", |s| {
        let ((vera, viktor), carol) = (keys(s), SecretKey::generate().unwrap());
        s.delegate(&carol, |d| d.role = "release".into(), &[&vera, &viktor]);
    }),
    ("the release's key as the vetters' delegate", "the policy's own key 'release'", |s| {
        let ((vera, viktor), release) = (keys(s), SecretKey::from_pem(&s.release.to_pem(), "").unwrap());
        s.delegate(&release, |_| {}, &[&vera, &viktor]);
    }),
    ("a revoked key as delegate", "revoked", |s| {
        let ((vera, viktor), carol) = (keys(s), SecretKey::generate().unwrap());
        s.policy = format!("revoked-keys = ['{}']\n{}", carol.id(), s.policy);
        s.delegate(&carol, |_| {}, &[&vera, &viktor]);
    }),
    ("a delegation as a statement", "not an in-toto statement", |s| {
        let (vera, viktor) = keys(s);
        s.delegate(&vera, |_| {}, &[&vera, &viktor]);
        let mut e = Envelope::from_json(&s.envelopes[0]).unwrap();
        e.payload_type = PAYLOAD_TYPE.into();
        e.signatures = vec![(vera.id().to_string(), vera.sign(&e.message()).to_vec())];
        // Without the result that the helper added: vera's own would count.
        s.envelopes = vec![e.to_json()];
    }),
];

#[test]
fn nobody_passes_for_vetted_who_is_not() {
    for (name, word, deed) in ATTACKS {
        let mut s = scene();
        deed(&mut s);
        let e = s.verify().expect_err(name);
        assert_eq!(e.code, E::Untrusted, "{name}: {e}");
        assert!(e.message.contains(word), "{name}: {}", e.message);
    }
}

#[test]
fn who_did_test_counts_and_so_does_their_delegate() {
    let mut s = scene();
    s.add(|_| {});
    s.verify().unwrap();
    let mut s = scene();
    let ((vera, viktor), carol) = (keys(&s), SecretKey::generate().unwrap());
    s.delegate(&carol, |_| {}, &[&vera, &viktor]);
    s.verify().unwrap();
    let mut s = scene();
    s.policy += "waivers = true\n";
    s.add(|v| v.word = Word::Waived { owner: "dana".into(), reason: "later".into(), expires: NOW });
    s.verify().unwrap();
    let policy = Policy::parse(&s.policy, "trust.toml", Path::new("")).unwrap();
    let again = Policy::parse(&policy.to_toml().unwrap(), "remembered", Path::new("")).unwrap();
    assert_eq!(again.roles(), policy.roles(), "an installation remembers what evidence a role gives");
    let report = again.look(&s.judged, &[&sign(&s.vetting(), &s.viktor)], NOW);
    assert_eq!(report.signatures[0].outcome, Outcome::Counted);
    assert_eq!(report.signatures[0].covers, ["1.0"]);
}

#[test]
fn words_come_back_from_their_bytes() {
    let s = scene();
    let mut waiver = s.vetting();
    waiver.word =
        Word::Waived { owner: "dana".into(), reason: "later".into(), expires: parse_time("2027-03-01").unwrap() };
    for v in [s.vetting(), waiver] {
        let back = cumulate::trust::Said::read(&v.to_payload()).unwrap();
        assert_eq!(back, cumulate::trust::Said::Vetting(v));
    }
    let key = PublicKey::from_pem(&s.vera.public().to_pem(), "vera").unwrap();
    let d = Delegation { role: "vetter".into(), component: "acme".into(), name: "vera".into(), key, expires: 7 };
    assert_eq!(Delegation::read(&d.envelope()).unwrap().unwrap(), d);
}
