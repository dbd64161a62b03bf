//! The main job on real components: `plan` against the truth, `build`'s target byte for byte, `apply` on every base.
//!
//! The sets come from `../shared/corpus`; CUMULATE_CORPUS names the folder that holds them laid out.

mod common;

use common::{assert_same, copy, cumulate};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const DEBIAN: &[&str] = &["deb-libxml2-2.9.10", "deb-openssl-1.1.1w", "deb-tiff-4.2.0", "deb-unzip-6.0"];
const GIT: &[&str] = &["git-redis-7.2", "git-nginx-1.26", "git-curl-7.88"];
const BINARY: &[&str] = &[
    "npm-esbuild-linux-0.25",
    "npm-esbuild-win32-0.27",
    "pypi-cryptography-42.0-linux",
    "pypi-cryptography-42.0-win",
    "pypi-numpy-2.2-linux",
];

fn corpus() -> PathBuf {
    std::env::var_os("CUMULATE_CORPUS").map_or_else(|| PathBuf::from("../shared/corpus/data"), PathBuf::from)
}

/// A scratch release over a set; bases and fixes are named, not copied, unless the ids are to be renamed.
struct Scratch {
    dir: tempfile::TempDir,
    set: PathBuf,
    truth: Value,
    /// Name in the truth to name in this release.
    ids: BTreeMap<String, String>,
}

fn scratch(name: &str, rename: bool) -> Scratch {
    let set = corpus().join(name);
    let truth: Value = serde_json::from_slice(
        &fs::read(set.join("truth.json"))
            .unwrap_or_else(|e| panic!("{}: {e}; lay the corpus out first", set.display())),
    )
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let set = set.canonicalize().unwrap();
    let order: Vec<String> = strings(&truth["order"]);
    let fixes = dir.path().join("fixes");
    copy(&set.join("fixes"), &fixes);
    let mut ids: BTreeMap<String, String> = order.iter().map(|i| (i.clone(), i.clone())).collect();
    if rename {
        for id in &order {
            // A permutation without meaning: the digest of the name, cut.
            let new = cumulate::tree::Digest::of(id.as_bytes()).hex()[..10].to_owned();
            fs::rename(fixes.join(format!("{id}.patch")), fixes.join(format!("{new}.patch"))).unwrap();
            ids.insert(id.clone(), new);
        }
        let series = fs::read_to_string(fixes.join("series")).unwrap();
        let renamed: String = series
            .lines()
            .map(|l| {
                let (file, rest) = l.split_once(' ').unwrap_or((l, ""));
                match ids.get(file.trim_end_matches(".patch")) {
                    Some(new) => format!("{new}.patch {rest}\n"),
                    None => format!("{l}\n"),
                }
            })
            .collect();
        fs::write(fixes.join("series"), renamed).unwrap();
    }
    let bases: Vec<String> = truth["bases"].as_object().unwrap().keys().cloned().collect();
    let first = strings(&truth["order"]).first().map_or(&bases[0], |_| start(&truth, &bases));
    let mut config = format!(
        "[component]\nname = {:?}\n[release]\nversion = {:?}\nfrom = {first:?}\n",
        truth["component"].as_str().unwrap(),
        truth["target"]["version"].as_str().unwrap()
    );
    for base in &bases {
        config +=
            &format!("[[base]]\nversion = {base:?}\nsource = {:?}\n", set.join("bases").join(base).to_str().unwrap());
    }
    fs::write(dir.path().join("cumulate.toml"), config).unwrap();
    Scratch { dir, set, truth, ids }
}

/// The base that contains no fix yet.
fn start<'a>(truth: &Value, bases: &'a [String]) -> &'a String {
    bases
        .iter()
        .find(|b| truth["bases"][b.as_str()]["contains"].as_array().is_some_and(Vec::is_empty))
        .unwrap_or(&bases[0])
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().map(|a| a.iter().map(|v| v.as_str().unwrap().to_owned()).collect()).unwrap_or_default()
}

impl Scratch {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn id(&self, truth: &str) -> String {
        self.ids.get(truth).cloned().unwrap_or_else(|| truth.to_owned())
    }

    /// Every fix with everything that it needs, directly or not; sets of overlays state the direct edges alone.
    fn closure(&self) -> BTreeSet<(String, String)> {
        let mut all = BTreeSet::new();
        for (id, fix) in self.truth["fixes"].as_object().unwrap() {
            let mut todo = strings(&fix["requires_all"]);
            if fix["requires_all"].is_null() {
                todo.push(id.clone());
            }
            while let Some(need) = todo.pop() {
                if fix["requires_all"].is_null() {
                    let edges = self.truth["edges"].as_array().into_iter().flatten();
                    let direct = edges.filter(|e| e[1] == need.as_str()).map(|e| e[0].as_str().unwrap().to_owned());
                    todo.extend(direct);
                }
                if need != *id {
                    all.insert((self.id(id), self.id(&need)));
                }
            }
        }
        all
    }

    /// `plan` respects every edge and order pair of the truth, and at least 99 % of its edges are true.
    fn plan_agrees(&self, name: &str) {
        let plan = cumulate(self.path(), &["plan", "--format", "json"]).expect(0).json();
        let order = strings(&plan["order"]);
        let at: BTreeMap<&str, usize> = order.iter().enumerate().map(|(i, f)| (f.as_str(), i)).collect();
        let closure = self.closure();
        let mut found: BTreeSet<(String, String)> = BTreeSet::new();
        for (id, fix) in plan["fixes"].as_object().unwrap() {
            for need in strings(&fix["requires_all"]) {
                found.insert((id.clone(), need));
            }
        }
        for edge in self.truth["edges"].as_array().unwrap_or(&Vec::new()) {
            let (need, fix) = (self.id(edge[0].as_str().unwrap()), self.id(edge[1].as_str().unwrap()));
            assert!(at[need.as_str()] < at[fix.as_str()], "{name}: {need} stands before {fix}");
        }
        if self.truth["edges"].is_array() {
            let missing: Vec<_> = closure.difference(&found).collect();
            assert!(missing.is_empty(), "{name}: true dependencies not found: {missing:?}");
            let edges: BTreeSet<(String, String)> = plan["edges"]
                .as_array()
                .unwrap()
                .iter()
                .map(|e| (e["fix"].as_str().unwrap().to_owned(), e["needs"].as_str().unwrap().to_owned()))
                .collect();
            let wrong: Vec<_> = edges.difference(&closure).collect();
            assert!(
                wrong.len() * 100 <= edges.len(),
                "{name}: {} of {} edges are not true: {wrong:?}",
                wrong.len(),
                edges.len()
            );
            println!(
                "{name}: {} edges, {} false; closure {} of {}",
                edges.len(),
                wrong.len(),
                found.len(),
                closure.len()
            );
        }
        let mut pairs = BTreeMap::new();
        for p in plan["order_pairs"].as_array().unwrap() {
            let key = (p["first"].as_str().unwrap().to_owned(), p["then"].as_str().unwrap().to_owned());
            pairs.insert(key, p["kind"].as_str().unwrap().to_owned());
        }
        for p in self.truth["order_sensitive_pairs"].as_array().unwrap_or(&Vec::new()) {
            let get = |k: &str, i: usize| {
                p.get(k).or_else(|| p.get(i)).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let (first, then, kind) = (self.id(&get("first", 0)), self.id(&get("then", 1)), get("kind", 2));
            assert!(at[first.as_str()] < at[then.as_str()], "{name}: {first} stands before {then}");
            assert_eq!(pairs.get(&(first.clone(), then.clone())), Some(&kind), "{name}: order pair {first}, {then}");
        }
    }

    /// One bundle takes every base to the truth's target, byte for byte.
    fn every_base_reaches_the_target(&self, name: &str) {
        cumulate(self.path(), &["keygen", "--out", "k"]).expect(0);
        let built =
            cumulate(self.path(), &["build", "-o", "b.cup", "--key", "k.key", "--format", "json"]).expect(0).json();
        println!("{name}: {built:#}");
        for base in self.truth["bases"].as_object().unwrap().keys() {
            let dir = self.path().join("installed");
            copy(&self.set.join("bases").join(base), &dir);
            cumulate(self.path(), &["apply", "b.cup", "installed", "--pub", "k.pub"]).expect(0);
            assert_same(&dir, &self.set.join("target"));
            cumulate(self.path(), &["rollback", "installed"]).expect(0);
            assert_same(&dir, &self.set.join("bases").join(base));
            fs::remove_dir_all(&dir).unwrap();
        }
    }
}

fn whole_job(sets: &[&str], rename: bool) {
    for name in sets {
        let s = scratch(name, rename);
        s.plan_agrees(name);
        s.every_base_reaches_the_target(name);
    }
}

#[test]
#[ignore = "corpus: needs ../shared/corpus laid out"]
fn debian_series() {
    whole_job(DEBIAN, false);
}

#[test]
#[ignore = "corpus: needs ../shared/corpus laid out"]
fn debian_series_with_ids_that_mean_nothing() {
    whole_job(DEBIAN, true);
}

#[test]
#[ignore = "long: needs the git sets of ../shared/corpus"]
fn git_branches() {
    whole_job(GIT, false);
}

#[test]
#[ignore = "long: needs the git sets of ../shared/corpus"]
fn git_branches_with_ids_that_mean_nothing() {
    whole_job(GIT, true);
}

#[test]
#[ignore = "long: needs the binary sets of ../shared/corpus"]
fn binary_components() {
    whole_job(BINARY, false);
}

#[test]
#[ignore = "long: needs the binary sets of ../shared/corpus"]
fn a_component_that_is_one_zip() {
    whole_job(&["npm-closure-java"], false);
}
