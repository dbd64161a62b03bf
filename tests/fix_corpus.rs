//! Every real fix is read, with the metadata that the truth knows.

use cumulate::fix::read_fixes;
use std::path::PathBuf;

#[test]
#[ignore = "corpus: needs ../shared/corpus laid out"]
fn every_real_fix_is_read_with_its_cves() {
    let corpus =
        std::env::var_os("CUMULATE_CORPUS").map_or_else(|| PathBuf::from("../shared/corpus/data"), PathBuf::from);
    let mut sets = 0;
    for item in std::fs::read_dir(&corpus).unwrap() {
        let set = item.unwrap().path();
        let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(set.join("truth.json")).unwrap()).unwrap();
        let found = read_fixes(&set.join("fixes")).unwrap_or_else(|e| panic!("{}: {e}", set.display()));
        let order: Vec<&str> = truth["order"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        let ids: Vec<&str> = found.fixes.iter().map(|f| f.id.0.as_str()).collect();
        assert_eq!(ids, order, "{}", set.display());
        for fix in &found.fixes {
            let known = &truth["fixes"][&fix.id.0];
            for cve in known["cve"].as_array().into_iter().flatten() {
                assert!(fix.meta.cves.iter().any(|c| c == cve), "{}: {} lacks {cve}", set.display(), fix.id);
            }
            assert!(!fix.meta.title.is_empty(), "{}: {} has no title", set.display(), fix.id);
        }
        sets += 1;
    }
    assert!(sets >= 4, "the corpus is laid out");
}
