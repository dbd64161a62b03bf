//! Proving that a base reaches its target and comes back.

mod installing;

use cumulate::tree::{SourceOptions, read_source};
use cumulate::verb::prove;
use installing::*;

#[test]
fn every_base_is_proved_and_a_wrong_one_is_not() {
    let (base, target) = everything();
    let other = world(&["bin/tool * an older tool", "lib/core = core 0"]);
    let made = Made::new("2", &[("1", &base), ("0", &other)], &target, CONFIG);
    for (name, files) in [("1", &base), ("0", &other), ("target", &target)] {
        let dir = scratch();
        lay(dir.path(), files);
        let source = read_source(dir.path(), &SourceOptions::default()).unwrap();
        let before = listing(dir.path());
        if name == "target" {
            assert_eq!(prove(&made.release(), "1", &source).unwrap().findings, []);
            assert_eq!(prove(&made.release(), "2", &source).unwrap_err().code.as_str(), "partial");
            continue;
        }
        let proof = prove(&made.release(), name, &source).unwrap();
        assert!(proof.holds(), "{:?}", proof.findings);
        assert_eq!(proof.reached, tree(&target).digest());
        assert_eq!(listing(dir.path()), before, "the base itself is not touched");
        let wrong = if name == "1" { "0" } else { "1" };
        assert_eq!(prove(&made.release(), wrong, &source).unwrap_err().exit(), 5);
    }
}

#[test]
fn a_delta_that_lies_is_found_by_proving() {
    let (base, target) = everything();
    let made = Made::new("2", &[("1", &base)], &target, CONFIG);
    made.damage();
    let dir = scratch();
    lay(dir.path(), &base);
    let source = read_source(dir.path(), &SourceOptions::default()).unwrap();
    assert_eq!(prove(&made.release(), "1", &source).unwrap_err().code.as_str(), "bad-delta");
}
