//! Old releases, passed off as the current one: sequences, best-before, and what insists against them.

mod common;

use common::{copy, cumulate, exact};
use std::fs;
use std::path::Path;

/// The demo with these lines in `[release]`, built and signed as this file.
fn build(dir: &Path, file: &str, lines: &str) {
    let config = fs::read_to_string("testdata/demo/cumulate.toml").unwrap();
    let without: String = config.split_inclusive('\n').filter(|l| !l.starts_with("sequence")).collect();
    assert!(without.contains("[release]\n"));
    fs::write(dir.join("lantern/cumulate.toml"), without.replace("[release]\n", &format!("[release]\n{lines}")))
        .unwrap();
    cumulate(dir, &["build", "lantern", "-o", file, "--key", "release.key", "--no-cache"]).expect(0);
}

#[test]
fn an_old_release_does_not_pass_for_the_current_one() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    copy(Path::new("testdata/demo"), &dir.join("lantern"));
    cumulate(dir, &["keygen", "--out", "release"]).expect(0);
    let at = |base: &str| {
        let _ = fs::remove_dir_all(dir.join("installed"));
        copy(&dir.join("lantern/bases").join(base), &dir.join("installed"));
    };
    let refused = |args: &[&str], code: &str| {
        let before = exact(&dir.join("installed"));
        let run = cumulate(dir, args).expect(4);
        assert!(run.stderr.contains(&format!("error[{code}]")), "{args:?}: {}", run.stderr);
        assert_eq!(exact(&dir.join("installed")), before, "{args:?}");
        run.stderr
    };
    let apply = |file, more: &[&'static str]| [&["apply", file, "installed", "--pub", "release.pub"], more].concat();

    build(dir, "stale.cup", "sequence = 7\nbest-before = 2020-03-31\n");
    build(dir, "fresh.cup", "sequence = 7\nbest-before = 2999-03-31\n");
    build(dir, "older.cup", "sequence = 6\n");
    build(dir, "unnumbered.cup", "");
    at("1.0.1");
    let told = refused(&apply("stale.cup", &[]), "expired");
    assert!(told.contains("best before 2020-03-31T23:59:59Z"), "{told}");
    refused(&apply("stale.cup", &["--allow-downgrade"]), "expired");
    refused(&apply("stale.cup", &["--allow-unsigned"]), "expired");
    refused(&["verify", "stale.cup", "--pub", "release.pub"], "expired");
    refused(&["trust", "status", "stale.cup", "--pub", "release.pub"], "expired");
    let shown = cumulate(dir, &["inspect", "fresh.cup"]).expect(0).stdout;
    assert!(shown.contains("best before 2999-03-31T23:59:59Z"), "{shown}");
    cumulate(dir, &apply("stale.cup", &["--allow-stale"])).expect(0);
    // Whoever insists on a stale bundle has insisted on nothing else.
    refused(&apply("older.cup", &["--allow-stale"]), "downgrade");
    refused(&apply("unnumbered.cup", &[]), "downgrade");
    cumulate(dir, &["rollback", "installed"]).expect(0);
    refused(&apply("older.cup", &[]), "downgrade");
    cumulate(dir, &apply("fresh.cup", &[])).expect(0);
    refused(&["apply", "stale.cup", "installed"], "expired");
    cumulate(dir, &apply("older.cup", &["--allow-downgrade"])).expect(0);
}
