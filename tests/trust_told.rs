//! What people are told about signatures, waivers, delegations and fixes: transcripts of the command line.

mod common;

use common::{Run, copy, cumulate, diff};
use cumulate::disk::Disk;
use cumulate::install::remember_trust;
use cumulate::trust::Policy;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The demo, built and signed as `a.cup`, and keys of those who take part.
fn demo(keys: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new("testdata/demo"), &dir.path().join("lantern"));
    for name in keys {
        cumulate(dir.path(), &["keygen", "--out", name]).expect(0);
    }
    build(dir.path(), "a.cup", &["--key", "release.key"]);
    dir
}

fn build(dir: &Path, file: &str, more: &[&str]) {
    cumulate(dir, &[&["build", "lantern", "-o", file, "--no-cache"], more].concat()).expect(0);
}

fn policy(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(name), text).unwrap();
}

/// A vetter's policy; `more` stands in the vetter's role.
fn vetted(more: &str) -> String {
    format!(
        "[[key]]\nfile = 'release.pub'\n[[key]]\nfile = 'vera.pub'\nrole = 'vetter'\n\
         [roles.vetter]\nevidence = 'test-result'\n{more}"
    )
}

fn status(dir: &Path, policy: &str, code: i32) -> String {
    cumulate(dir, &["trust", "status", "a.cup", "--policy", policy]).expect(code).stdout
}

fn vet(dir: &Path, more: &[&str], script: &str) -> Run {
    let args = ["vet", "a.cup", "--bases", "lantern/bases", "--key", "vera.key"];
    cumulate(dir, &[&args, more, &["--", "sh", "-c", script]].concat())
}

fn waive(dir: &Path, base: &str, until: &str) {
    let args = ["vet", "a.cup", "--key", "vera.key", "--base", base, "--waive", "no such machine", "--owner", "dana"];
    cumulate(dir, &[&args[..], &["--until", until]].concat()).expect(0);
}

/// What a refusal says, as its machine-readable form has it.
fn refused(run: &Run) -> [&str; 2] {
    let first = run.stderr.lines().next().unwrap_or_default();
    let (code, rest) =
        first.strip_prefix("error[").and_then(|r| r.split_once("]: ")).unwrap_or_else(|| panic!("{first}"));
    [code, rest]
}

fn next(run: &Run) -> &str {
    run.stderr.lines().find_map(|l| l.trim_start().strip_prefix("next: ")).unwrap_or_default()
}

#[test]
fn a_signature_that_does_not_count_comes_with_the_reason() {
    let demo = demo(&["release", "other"]);
    let dir = demo.path();
    cumulate(dir, &["sign", "a.cup", "--key", "other.key", "--role", "release"]).expect(0);
    let id = fs::read_to_string(dir.join("release.pub")).map(|_| key_id(dir, "release")).unwrap();
    for (what, text, reason) in [
        (
            "expired",
            "expires = 2020-01-31\n",
            "release as release does not count: the key expired at 2020-01-31T23:59:59Z",
        ),
        (
            "not yet valid",
            "valid-from = 2999-01-01\n",
            "release as release does not count: the key is not valid before 2999-01-01T00:00:00Z",
        ),
    ] {
        policy(dir, "t.toml", &format!("[[key]]\nfile = 'release.pub'\n{text}"));
        let told = status(dir, "t.toml", 4);
        assert!(told.contains(&format!("  signature by {reason}\n")), "{what}: {told}");
        assert!(told.starts_with("0 of 1; missing: release; can sign: nobody\n"), "{what}: {told}");
        assert!(told.contains("does not count: no key of the policy has this id\n"), "{what}: {told}");
        let run =
            cumulate(dir, &["trust", "status", "a.cup", "--policy", "t.toml", "--format", "json"]).expect(4).json();
        let outcomes: Vec<&Value> = run["signatures"].as_array().unwrap().iter().map(|s| &s["outcome"]).collect();
        assert!(
            outcomes.contains(&&json!("expired")) && outcomes.contains(&&json!("unknown-key")),
            "{what}: {outcomes:?}"
        );
        // It would do if the clock were wrong, so the clock is named.
        let e = cumulate(dir, &["verify", "a.cup", "--policy", "t.toml"]).expect(4);
        assert_eq!(refused(&e)[0], "expired", "{what}");
        assert!(next(&e).contains("wanted by t.toml") && next(&e).contains("clock"), "{what}: {}", e.stderr);
    }
    policy(dir, "t.toml", &format!("revoked-keys = ['{id}']\n[[key]]\nfile = 'other.pub'\n"));
    let told = status(dir, "t.toml", 0);
    assert_eq!(
        told,
        format!("✓ 1 of 1; nothing is missing\n  signature by key {} does not count: the key was revoked\n", &id[..16])
    );
}

fn key_id(dir: &Path, name: &str) -> String {
    policy(dir, "one.toml", &format!("[[key]]\nfile = '{name}.pub'\n"));
    let v = cumulate(dir, &["trust", "status", "a.cup", "--policy", "one.toml", "--format", "json"]).json();
    let mine = v["signatures"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap().clone();
    mine["key"].as_str().unwrap().to_owned()
}

#[test]
fn every_waiver_is_shown_with_its_owner_and_whether_it_counts() {
    let demo = demo(&["release", "vera"]);
    let dir = demo.path();
    policy(dir, "takes.toml", &vetted("waivers = true\n"));
    policy(dir, "strict.toml", &vetted(""));
    vet(dir, &["--base", "1.0.0", "--base", "1.0.1"], "true").expect(0);
    waive(dir, "1.0.2", "2999-01-31");
    waive(dir, "1.0.1", "2020-01-31");
    let of = |base: &str, until: &str| {
        format!("  waiver by vera as vetter for base {base}, owner dana, until {until}T23:59:59Z: no such machine; it ")
    };
    assert_eq!(
        status(dir, "takes.toml", 0),
        format!(
            "✓ 2 of 2; nothing is missing\n\
             {}does not count: the waiver has expired: waived by dana until 2020-01-31T23:59:59Z: no such machine\n\
             {}counts\n",
            of("1.0.1", "2020-01-31"),
            of("1.0.2", "2999-01-31")
        )
    );
    let strict = status(dir, "strict.toml", 4);
    assert_eq!(strict.matches("does not count: the policy takes no waivers").count(), 2, "{strict}");
    let v = cumulate(dir, &["trust", "status", "a.cup", "--policy", "takes.toml", "--format", "json"]).expect(0).json();
    let mut waivers: Vec<(String, String)> = v["signatures"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|s| s.get("waiver").is_some())
        .map(|s| (s["waiver"].to_string(), s["outcome"].as_str().unwrap().to_owned()))
        .collect();
    waivers.sort();
    let waiver = |base: &str, until: &str| {
        json!({"owner": "dana", "reason": "no such machine", "expires": format!("{until}T23:59:59Z"), "bases": [base]})
            .to_string()
    };
    assert_eq!(
        waivers,
        [
            (waiver("1.0.1", "2020-01-31"), "not-passed".to_owned()),
            (waiver("1.0.2", "2999-01-31"), "counted".to_owned())
        ]
    );
}

#[test]
fn a_missing_vetting_is_missing_whatever_waiver_has_ended() {
    let demo = demo(&["release", "vera", "vadim"]);
    let dir = demo.path();
    policy(dir, "t.toml", &vetted("waivers = true\n"));
    vet(dir, &["--base", "1.0.0", "--base", "1.0.1"], "true").expect(0);
    let verify = || cumulate(dir, &["verify", "a.cup", "--policy", "t.toml"]).expect(4);
    // Nothing has expired yet, and one base is not vetted.
    assert_eq!(refused(&verify())[0], "untrusted");
    waive(dir, "1.0.2", "2020-01-31");
    let e = verify();
    let [code, words] = refused(&e);
    assert_eq!(code, "untrusted");
    assert!(words.contains("(bases 1.0.2)"), "{words}");
    assert!(words.contains("by vera: the waiver has expired: waived by dana until 2020-01-31T23:59:59Z"), "{words}");
    // A vetter's key that has ended is another matter: what is missing was there, once.
    let ended = vetted("").replace("file = 'vera.pub'", "file = 'vera.pub'\nexpires = 2021-01-31");
    policy(dir, "t.toml", &ended);
    vet(dir, &["--base", "1.0.2"], "true").expect(0);
    assert_eq!(refused(&verify())[0], "expired");
}

#[test]
fn an_envelope_that_can_never_count_is_refused_and_the_bundle_stays_as_it_was() {
    let demo = demo(&["release", "vera", "carol"]);
    let dir = demo.path();
    // Another release of the same component, vetted where it has other hooks, targets and bases.
    copy(&dir.join("lantern"), &dir.join("next"));
    let config = dir.join("next/cumulate.toml");
    let text = fs::read_to_string(&config)
        .unwrap()
        .replace("version = \"1.0.3\"\nsequence = 103", "version = \"1.0.4\"\nsequence = 104");
    fs::write(&config, text).unwrap();
    cumulate(dir, &["build", "next", "-o", "b.cup", "--key", "release.key", "--no-cache"]).expect(0);
    cumulate(dir, &["inspect", "b.cup", "--envelopes", "theirs"]).expect(0);
    // The release's signature: the provenance and the SBOM are signed too, under statements of their own.
    let mut theirs = fs::read_dir(dir.join("theirs")).unwrap().map(|i| i.unwrap().path());
    let theirs = theirs.find(|p| p.to_str().unwrap().ends_with(".dsse.json")).unwrap();
    fs::copy(theirs, dir.join("theirs.json")).unwrap();
    let results = ["--base", "1.0.1", "--out", "results"];
    vet(dir, &results, "false").expect(1);
    let failed = fs::read_dir(dir.join("results")).unwrap().next().unwrap().unwrap().path();
    fs::copy(failed, dir.join("failed.json")).unwrap();
    let typed =
        |kind: &str| json!({"payloadType": kind, "payload": "e30=", "signatures": [{"keyid": "", "sig": "AA=="}]});
    fs::write(dir.join("typed.json"), typed("text/plain").to_string()).unwrap();
    fs::write(
        dir.join("bare.json"),
        r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}"#,
    )
    .unwrap();
    delegate(dir, "vetter", "redis", "redis.json").expect(0);

    let before = fs::read(dir.join("a.cup")).unwrap();
    for (file, why) in [
        ("theirs.json", "it is about another root manifest"),
        ("typed.json", "the payload is of another type: text/plain"),
        ("bare.json", "nobody has signed it"),
        ("failed.json", "the tests did not pass: 1.0.1: exit status"),
        ("redis.json", "the delegation is for the component 'redis'"),
    ] {
        let e = cumulate(dir, &["sign", "a.cup", "--envelope", file]).expect(3);
        let [code, words] = refused(&e);
        assert_eq!(code, "config", "{file}");
        assert!(words.starts_with(&format!("{file}: it can never count here: {why}")), "{file}: {words}");
        assert!(next(&e).contains("cumulate vet a.cup --key KEY"), "{file}: {}", e.stderr);
        assert_eq!(fs::read(dir.join("a.cup")).unwrap(), before, "{file}");
    }
    // What can count goes in.
    delegate(dir, "vetter", "lantern", "lantern.json").expect(0);
    cumulate(dir, &["sign", "a.cup", "--envelope", "lantern.json"]).expect(0);
}

fn delegate(dir: &Path, role: &str, component: &str, file: &str) -> Run {
    let args =
        ["trust", "delegate", "--role", role, "--component", component, "--to", "carol.pub", "--key", "vera.key"];
    cumulate(dir, &[&args[..], &["--until", "2999-08-31", "-o", file]].concat())
}

#[test]
fn nobody_delegates_root_and_is_told_how_roots_change() {
    let demo = demo(&["release", "vera", "carol"]);
    let dir = demo.path();
    let e = delegate(dir, "root", "lantern", "d.json").expect(2);
    assert_eq!(refused(&e), ["usage", "root: nobody can delegate the role 'root'"]);
    assert!(next(&e).contains("cumulate trust rotate"), "{}", e.stderr);
    assert!(!dir.join("d.json").exists());
}

#[test]
fn a_delegation_is_shown_as_what_it_is() {
    let demo = demo(&["release", "vera", "carol"]);
    let dir = demo.path();
    delegate(dir, "vetter", "lantern", "holiday.json").expect(0);
    let show = |file: &str, code: i32| cumulate(dir, &["trust", "show", file]).expect(code);
    let told = show("holiday.json", 0).stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "a delegation of role vetter of lantern");
    assert!(lines[1].starts_with("to carol, key "), "{told}");
    assert_eq!(lines[2], "until 2999-08-31T23:59:59Z");
    let by = lines[3].strip_prefix("by key ").unwrap();
    assert_eq!(by.len(), 64, "{told}");
    assert_eq!(
        lines[4],
        "1 signature so far; it counts if enough keys of role vetter signed it, as the policy demands"
    );
    let v = cumulate(dir, &["trust", "show", "holiday.json", "--format", "json"]).expect(0).json();
    assert_eq!(v["schema"], "cumulate.trust-delegate/1");
    assert_eq!((&v["role"], &v["component"], &v["name"]), (&json!("vetter"), &json!("lantern"), &json!("carol")));
    assert_eq!(v["signed_by"], json!([by]));

    // Other envelopes are called by their names, too.
    vet(dir, &["--base", "1.0.1", "--out", "results"], "true").expect(0);
    let result = fs::read_dir(dir.join("results")).unwrap().next().unwrap().unwrap().path();
    fs::copy(result, dir.join("result.json")).unwrap();
    let e = show("result.json", 3);
    let what = "result.json: it is an envelope of type application/vnd.in-toto+json, and no trust root";
    assert_eq!(refused(&e), ["config", what]);
    policy(dir, "new.toml", "[[key]]\nfile = 'release.pub'\n[[key]]\nfile = 'vera.pub'\nrole = 'root'\n[roles.root]\n");
    let e = cumulate(dir, &["trust", "rotate", "holiday.json", "--policy", "new.toml", "--key", "vera.key"]).expect(3);
    assert_eq!(refused(&e)[1], "holiday.json: it is a delegation, and no trust root");
}

#[test]
fn a_fix_that_is_unclear_is_counted_as_that() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let write = |path: &str, text: &str| {
        fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
        fs::write(dir.join(path), text).unwrap();
    };
    let lines: String = (1..=30).map(|n| format!("line {n}\n")).collect();
    let fix = |id: &str, file: &str| {
        write(&format!("acme/fixes/{id}.patch"), &diff(file, &lines, &lines.replace("line 10\n", "line ten\n")));
    };
    write("acme/bases/1/a.txt", &lines);
    write("acme/bases/1/b.txt", &lines);
    // Whether a text that shares nothing with the first base's had the fix, nobody can tell.
    write("acme/bases/2/a.txt", "all other words\n");
    write("acme/bases/2/b.txt", &lines);
    write(
        "acme/cumulate.toml",
        "[component]\nname = 'acme'\n[release]\nversion = '3'\nfrom = '1'\n\
         [[base]]\nversion = '1'\nsource = 'bases/1'\n[[base]]\nversion = '2'\nsource = 'bases/2'\n",
    );
    let install = |base: &str, more: &[&str]| {
        let _ = fs::remove_dir_all(dir.join("installed"));
        copy(&dir.join("acme/bases").join(base), &dir.join("installed"));
        let build = ["build", "acme", "-o", "a.cup", "--no-cache"];
        let _ = fs::remove_file(dir.join("a.cup"));
        cumulate(dir, &build).expect(0);
        let text =
            cumulate(dir, &[&["apply", "a.cup", "installed", "--allow-unsigned"], more].concat()).expect(0).stdout;
        text.lines().last().unwrap().to_owned()
    };
    let counts = || cumulate(dir, &["status", "installed"]).expect(0).stdout.lines().nth(3).unwrap().to_owned();
    fix("A-1", "a.txt");
    let dry = install("2", &["--dry-run"]);
    assert!(dry.ends_with(" of disk; 1 fix, unclear whether it would be added: A-1"), "{dry}");
    assert_eq!(install("2", &[]), "✓ installed is at acme 3 now; 1 fix, unclear whether it was added: A-1");
    assert_eq!(counts(), "1 fix, unclear whether it was added; 0 fixes there before");
    assert_eq!(install("1", &[]), "✓ installed is at acme 3 now, with 1 fix more: A-1");
    assert_eq!(counts(), "1 fix added by it; 0 fixes there before");
    fix("B-1", "b.txt");
    let dry = install("2", &["--dry-run"]);
    assert!(dry.ends_with("and bring 1 fix: B-1; 1 fix, unclear whether it would be added: A-1"), "{dry}");
    assert_eq!(
        install("2", &[]),
        "✓ installed is at acme 3 now, with 1 fix more: B-1; 1 fix, unclear whether it was added: A-1"
    );
    assert_eq!(counts(), "1 fix added by it; 1 fix, unclear whether it was added");
}

#[test]
fn what_lacks_signatures_is_the_bundle_and_who_wants_them_the_policy() {
    let demo = demo(&["release", "vera"]);
    let dir = demo.path();
    build(dir, "bare.cup", &[]);
    policy(dir, "t.toml", &vetted(""));
    let e = cumulate(dir, &["verify", "bare.cup", "--policy", "t.toml"]).expect(4);
    assert_eq!(refused(&e), ["unsigned", "bare.cup: it carries no signature"]);
    assert!(next(&e).contains("wanted by t.toml, or have it signed: cumulate sign bare.cup --key KEY"), "{}", e.stderr);
    let e = cumulate(dir, &["verify", "a.cup", "--policy", "t.toml"]).expect(4);
    assert!(refused(&e)[1].starts_with("a.cup: role 'vetter' has 0 of 1 test results"), "{}", e.stderr);
    assert_eq!(next(&e), "get one with the signatures wanted by t.toml");
    copy(&dir.join("lantern/bases/1.0.2"), &dir.join("installed"));
    let e = cumulate(dir, &["apply", "bare.cup", "installed"]).expect(4);
    assert_eq!(refused(&e), ["unsigned", "bare.cup: the bundle has no signature"]);
}

#[test]
fn a_run_that_was_killed_failed_for_its_time_and_for_nothing_else() {
    let demo = demo(&["release", "vera"]);
    let dir = demo.path();
    let one = ["--base", "1.0.1", "--timeout", "1", "--format", "json"];
    let runs = |script: &str| vet(dir, &one, script).expect(1).json()["bases"][0]["runs"].clone();
    // Only what the bundle makes hangs.
    let r = runs("test $CUMULATE_SIDE = base || sleep 60");
    assert_eq!((&r["failed"], &r["warned"], &r["passed"]), (&json!(["in time"]), &json!([]), &json!([])));
    let r = runs("sleep 60");
    assert_eq!((&r["failed"], &r["warned"]), (&json!([]), &json!(["in time"])));
    // Tests that came before the end of the time have their own results.
    let r = runs("echo 1..2; echo ok 1 - starts; test $CUMULATE_SIDE = base || sleep 60; echo ok 2 - stops");
    assert_eq!(r["failed"], json!(["in time", "plan", "stops (did not run)"]));
    assert_eq!(r["passed"], json!(["starts"]));
    let told = vet(dir, &one[..4], "test $CUMULATE_SIDE = base || sleep 60").expect(1).stdout;
    assert!(
        told.contains(
            "base 1.0.1: 0 tests passed; in the base exit 0, in the target out of time\n  fails now: in time\n"
        ),
        "{told}"
    );
}

/// What perl's Test::More and prove -v print: a subtest, a skipped test, one that need not pass yet, a file that is
/// skipped as a whole, and the harness's own words.
const PROVED: &str = "a.t .. 
1..4
ok 1 - starts
ok 2 # skip no terminal
not ok 3 - is fast # TODO later
#   Failed (TODO) test 'is fast'
#   at a.t line 5.
# Subtest: inner
    1..2
    ok 1 - x
    not ok 2 - y # TODO later
ok 4 - inner
ok
b.t .. skipped: no tty
c.t .. 
1..0 # SKIP no tty
d.t .. 
ok 1 - plan
ok 2 - handles C# and F#
1..2
ok
All tests successful.
Files=4, Tests=6,  1 wallclock secs
Result: PASS
";

#[test]
fn tests_are_counted_as_a_harness_counts_them() {
    let demo = demo(&["release", "vera"]);
    let dir = demo.path();
    let tap = |name: &str, text: &str| {
        let file = dir.join(name);
        fs::write(&file, text).unwrap();
        format!("cat '{}'", file.display())
    };
    let proved = tap("proved", PROVED);
    let told = vet(dir, &["--base", "1.0.1"], &proved).expect(0).stdout;
    assert!(
        told.starts_with(
            "base 1.0.1: 4 tests passed, 3 skipped or to do; in the base exit 0, in the target exit 0\n\
             \u{20} skipped or to do: all tests\n  skipped or to do: is fast\n  skipped or to do: test 2\n"
        ),
        "{told}"
    );
    let json = |script: &str, code: i32| {
        vet(dir, &["--base", "1.0.1", "--format", "json"], script).expect(code).json()["bases"][0]["runs"].clone()
    };
    let runs = json(&proved, 0);
    assert_eq!(
        runs["passed"],
        json!(["exit status", "handles C# and F#", "inner", "plan", "plan (5)", "starts"]),
        "a test may be called plan"
    );
    assert_eq!(runs["excused"], json!(["all tests", "is fast", "test 2"]));
    // A harness that gave up has not run what it planned; a line that only looks like a plan changes nothing.
    let gave_up = tap("gave-up", "1..1\nok 1 - starts\nBail out! no disk\n");
    assert_eq!(
        json(&format!("test $CUMULATE_SIDE = base && echo 1..1 && echo ok 1 - starts || {gave_up}"), 1)["failed"],
        json!(["plan"])
    );
    let looks = tap("looks", "1..1\nnot ok 1 - starts\n1..many are fine\n");
    assert_eq!(json(&looks, 1)["warned"], json!(["starts"]));
}

#[test]
fn what_was_trusted_until_now_says_why_it_does_not_vouch_for_a_bundle() {
    let demo = demo(&["release", "other"]);
    let dir = demo.path();
    let base = fs::read_dir("testdata/demo/bases").unwrap().next().unwrap().unwrap().path();
    copy(&base, &dir.join("c"));
    cumulate(dir, &["apply", "a.cup", "c", "--pub", "release.pub"]).expect(0);
    for (remembered, code, why) in [
        ("[[key]]\nfile = 'release.pub'\nexpires = 2020-01-31\n", "expired", "the key expired at 2020-01-31T23:59:59Z"),
        (
            "[[key]]\nfile = 'release.pub'\n[[key]]\nfile = 'other.pub'\n[roles.release]\nthreshold = 2\n",
            "untrusted",
            "role 'release' has 1 of 2 signatures",
        ),
        ("[[key]]\nfile = 'other.pub'\n", "untrusted", "trusts other keys, and they have not signed this bundle"),
    ] {
        let text = Policy::parse(remembered, "p", dir).unwrap().to_toml().unwrap();
        remember_trust(&Disk::real(), &dir.join("c"), &text).unwrap();
        let e = cumulate(dir, &["apply", "a.cup", "c", "--pub", "release.pub"]).expect(4);
        assert!(refused(&e)[0] == code && refused(&e)[1].contains(why), "{}", e.stderr);
        assert!(next(&e).contains("--replace-trust"), "{}", e.stderr);
    }
    cumulate(dir, &["apply", "a.cup", "c", "--pub", "release.pub", "--replace-trust"]).expect(0);
}
