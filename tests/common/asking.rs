//! What the tests of the things told to a planner share: how a release is written, and how the answer is read.

use super::common::cumulate;
use serde_json::Value;
use std::fs;
use std::path::Path;

pub fn write(dir: &Path, path: &str, text: &str) {
    let file = dir.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// Forty lines with some of them changed.
#[allow(dead_code, reason = "not every test file changes lines by number")]
pub fn with(changes: &[(u32, &str)]) -> String {
    let line = |i: u32| changes.iter().find(|(k, _)| *k == i).map_or_else(|| format!("line {i}"), |c| c.1.to_owned());
    (1..=40).map(|i| line(i) + "\n").collect()
}

pub const CONFIG: &str =
    "[component]\nname = \"c\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n";

/// A release of a base with the files `a` and `b`, of 40 lines each.
#[allow(dead_code, reason = "not every test file has this release")]
pub fn release(dir: &Path) {
    write(dir, "base/a", &with(&[]));
    write(dir, "base/b", &with(&[]));
    write(dir, "cumulate.toml", CONFIG);
}

pub fn plan(dir: &Path, args: &[&str], exit: i32) -> Value {
    cumulate(dir, &[&["plan", "--format", "json"], args].concat()).expect(exit).json()
}

#[allow(dead_code, reason = "not every test file reads the text")]
pub fn text(dir: &Path, args: &[&str], exit: i32) -> String {
    cumulate(dir, &[&["plan"], args].concat()).expect(exit).stdout
}

/// Subject, sentence and advice of the findings with a code.
pub fn told(said: &Value, code: &str) -> Vec<[String; 3]> {
    let all = said["findings"].as_array().unwrap().iter().filter(|f| f["code"] == code);
    all.map(|f| ["subject", "message", "next"].map(|k| f[k].as_str().unwrap_or_default().to_owned())).collect()
}
