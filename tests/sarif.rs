//! Findings of a plan as SARIF: every finding once, at the line of the patch that it speaks of.

mod common;

use common::{copy, cumulate};
use std::fs;
use std::path::Path;

fn sarif(dir: &Path, exit: i32) -> serde_json::Value {
    cumulate(dir, &["plan", "--format", "sarif"]).expect(exit).json()
}

#[test]
fn findings_stand_at_their_line_of_the_patch() {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new("testdata/demo"), dir.path());
    let said = sarif(dir.path(), 0);
    assert_eq!((&said["version"], &said["runs"][0]["tool"]["driver"]["name"]), (&"2.1.0".into(), &"cumulate".into()));
    let plan = cumulate(dir.path(), &["plan", "--format", "json"]).expect(0).json();
    let results = said["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), plan["findings"].as_array().unwrap().len());
    let rules = said["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    for r in results {
        let rule = &rules[usize::try_from(r["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], r["ruleId"]);
        let uri = r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
        assert!(dir.path().join(uri).exists(), "{uri}");
    }

    // One line of a hunk's surroundings that the base does not have.
    let file = dir.path().join("fixes/LAN-108.patch");
    let broken = fs::read_to_string(&file).unwrap().replace("     if (fd < 0)", "     if (fd == -1)");
    fs::write(&file, &broken).unwrap();
    let said = sarif(dir.path(), 1);
    let errors: Vec<_> =
        said["runs"][0]["results"].as_array().unwrap().iter().filter(|r| r["level"] == "error").collect();
    assert_eq!((errors.len(), &errors[0]["ruleId"]), (1, &"does-not-apply".into()));
    let place = &errors[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "fixes/LAN-108.patch");
    let line = usize::try_from(place["region"]["startLine"].as_u64().unwrap()).unwrap();
    assert!(broken.lines().nth(line - 1).unwrap().starts_with("@@ -11,7 +11,7 @@"), "line {line}");
    assert!(errors[0]["message"]["text"].as_str().unwrap().contains("Next: "));
}

#[test]
fn findings_of_no_fix_stand_in_the_configuration_and_names_are_escaped() {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new("testdata/demo"), dir.path());
    let config = fs::read_to_string(dir.path().join("cumulate.toml")).unwrap();
    let rule = "\n[[retire]]\npath = \"no/such/path\"\nreason = \"gone\"\n";
    fs::write(dir.path().join("cumulate.toml"), config + rule).unwrap();
    fs::rename(dir.path().join("fixes/LAN-104.patch"), dir.path().join("fixes/LAN 104%.patch")).unwrap();
    fs::write(dir.path().join("fixes/LAN 104%.toml"), "severity = \"urgent\"\n").unwrap();
    let series = fs::read_to_string(dir.path().join("fixes/series")).unwrap();
    assert!(series.contains("LAN-104"));
    // A series has no way to write a blank, so there is none: every order that it decided is said by `after`.
    fs::remove_file(dir.path().join("fixes/series")).unwrap();
    let said = sarif(dir.path(), 0);
    let at = |code: &str| -> Vec<String> {
        let all = said["runs"][0]["results"].as_array().unwrap();
        let uri = |r: &serde_json::Value| {
            r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap().to_owned()
        };
        all.iter().filter(|r| r["ruleId"] == code).map(uri).collect()
    };
    assert_eq!(at("unused-rule"), ["cumulate.toml"]);
    assert_eq!(at("bad-metadata"), ["fixes/LAN%20104%25.patch"]);
}
