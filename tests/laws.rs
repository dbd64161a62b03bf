//! Laws of the main job, with the real binary: one fix at a time equals all at once, one bundle after another
//! equals one, and the bytes do not depend on the machine. The other side of the first law is git itself.

mod common;

use common::{assert_same, command, copy, cumulate, diff};
use proptest::prelude::*;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn order(plan: &Value) -> Vec<String> {
    plan["order"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

/// Applies one patch with git, strictly.
fn git_apply(dir: &Path, patch: &Path) {
    let out = Command::new("git")
        .args(["apply", "--whitespace=nowarn"])
        .arg(patch.canonicalize().unwrap())
        .current_dir(dir)
        // Without this, git looks for a repository above the folder and applies to that.
        .env("GIT_CEILING_DIRECTORIES", dir.canonicalize().unwrap().parent().unwrap())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}: {}", patch.display(), String::from_utf8_lossy(&out.stderr));
}

/// What a base becomes when each fix of the plan is applied alone, in the plan's order.
fn one_at_a_time(release: &Path, base: &Path, to: &Path) {
    copy(base, to);
    for id in order(&cumulate(release, &["plan", "--format", "json"]).expect(0).json()) {
        let fixes = release.join("fixes");
        match fixes.join(&id).join("tree") {
            overlay if overlay.is_dir() => copy(&overlay, to),
            _ => git_apply(to, &fixes.join(format!("{id}.patch"))),
        }
    }
}

/// Builds the release and takes a copy of each base to the target.
fn all_at_once(release: &Path, bases: &[PathBuf], target: &Path) {
    cumulate(release, &["build", "-o", "law.cup", "--force"]).expect(0);
    let dir = tempfile::tempdir().unwrap();
    for (i, base) in bases.iter().enumerate() {
        let installed = dir.path().join(i.to_string());
        copy(base, &installed);
        let bundle = release.join("law.cup");
        cumulate(dir.path(), &["apply", bundle.to_str().unwrap(), installed.to_str().unwrap(), "--allow-unsigned"])
            .expect(0);
        assert_same(&installed, target);
    }
}

#[test]
fn the_demo_one_fix_at_a_time_equals_all_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let release = dir.path().join("lantern");
    copy(Path::new("testdata/demo"), &release);
    let bases = ["1.0.0", "1.0.1", "1.0.2"].map(|b| release.join("bases").join(b));
    let target = dir.path().join("target");
    one_at_a_time(&release, &bases[0], &target);
    all_at_once(&release, &bases, &target);
}

/// An edit of one line: file, place, kind.
type Edit = (usize, usize, u8);

/// A history of edits of a few files; each fix is the difference that its edits make.
#[derive(Debug, Clone)]
struct History {
    files: Vec<usize>,
    fixes: Vec<Vec<Edit>>,
    /// How many fixes the second base has already.
    had: usize,
}

fn histories() -> impl Strategy<Value = History> {
    let edit = (0..3usize, 0..1000usize, 0..3u8);
    (prop::collection::vec(8..40usize, 1..4), prop::collection::vec(prop::collection::vec(edit, 1..3), 1..7), 0..7usize)
        .prop_map(|(files, fixes, had)| History { files, had: had.min(fixes.len()), fixes })
}

fn write_all(dir: &Path, files: &[String]) {
    fs::create_dir_all(dir).unwrap();
    for (i, text) in files.iter().enumerate() {
        fs::write(dir.join(format!("f{i}")), text).unwrap();
    }
}

impl History {
    /// Lays out a release of this history; the state after every fix is given back.
    fn lay(&self, release: &Path) -> Vec<String> {
        let line = |f: usize, l: usize| format!("file {f} line {l}\n");
        let mut now: Vec<String> =
            self.files.iter().enumerate().map(|(f, n)| (0..*n).map(|l| line(f, l)).collect()).collect();
        write_all(&release.join("bases/0"), &now);
        write_all(&release.join("bases/1"), &now);
        fs::create_dir_all(release.join("fixes")).unwrap();
        for (n, edits) in self.fixes.iter().enumerate() {
            let before = now.clone();
            for (e, (file, place, kind)) in edits.iter().enumerate() {
                let text = &mut now[file % self.files.len()];
                let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
                let at = place % lines.len();
                let fresh = format!("fix {n} edit {e}\n");
                // No line comes twice, and none comes back.
                match kind {
                    0 => lines[at] = fresh,
                    1 => lines.insert(at, fresh),
                    _ if lines.len() > 2 => drop(lines.remove(at)),
                    _ => lines.push(fresh),
                }
                *text = lines.concat();
            }
            if now == before {
                // The edits of this fix undid each other.
                writeln!(now[0], "fix {n} after all").unwrap();
            }
            let patch = before.iter().zip(&now).enumerate().filter(|(_, (old, new))| old != new).fold(
                String::new(),
                |mut all, (f, (old, new))| {
                    all += &diff(&format!("f{f}"), old, new);
                    all
                },
            );
            fs::write(release.join(format!("fixes/{}.patch", Self::id(n))), patch).unwrap();
            if n + 1 == self.had {
                write_all(&release.join("bases/1"), &now);
            }
        }
        let mut config = "[component]\nname = \"law\"\n[release]\nversion = \"2\"\nfrom = \"0\"\n".to_owned();
        for base in ["0", "1"] {
            write!(config, "[[base]]\nversion = \"{base}\"\nsource = \"bases/{base}\"\n").unwrap();
        }
        fs::write(release.join("cumulate.toml"), config).unwrap();
        now
    }

    /// Names whose order is not that of the history.
    fn id(n: usize) -> String {
        format!("F{}", (n * 5 + 3) % 7)
    }

    fn series(&self) -> String {
        (0..self.fixes.len()).map(|n| Self::id(n) + ".patch\n").collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, rng_seed: prop::test_runner::RngSeed::Fixed(20_261_124), ..ProptestConfig::default() })]

    #[test]
    fn any_history_one_fix_at_a_time_equals_all_at_once(history in histories()) {
        let dir = tempfile::tempdir().unwrap();
        let release = dir.path().join("release");
        let last = history.lay(&release);
        write_all(&dir.path().join("truth"), &last);
        let bases = [release.join("bases/0"), release.join("bases/1")];
        // Without a series the plan finds an order of its own, or says that it cannot.
        let plan = cumulate(&release, &["plan", "--format", "json"]);
        if plan.code == 0 {
            one_at_a_time(&release, &bases[0], &dir.path().join("target"));
            all_at_once(&release, &bases, &dir.path().join("target"));
        } else {
            prop_assert_eq!(plan.code, 1, "{}{}", plan.stdout, plan.stderr);
        }
        fs::write(release.join("fixes/series"), history.series()).unwrap();
        one_at_a_time(&release, &bases[0], &dir.path().join("again"));
        assert_same(&dir.path().join("again"), &dir.path().join("truth"));
        all_at_once(&release, &bases, &dir.path().join("truth"));
    }
}

/// Runs `build` in a shell that sets the umask.
fn build_with(dir: &Path, umask: &str, threads: &str, output: &str) -> Vec<u8> {
    let binary = command(dir).get_program().to_owned();
    let run = Command::new("sh")
        .args(["-c", "umask $1; exec \"$2\" build lantern --no-cache -o \"$3\"", "sh", umask])
        .arg(binary)
        .arg(output)
        .current_dir(dir)
        .env_remove("SOURCE_DATE_EPOCH")
        .env("RAYON_NUM_THREADS", threads)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    fs::read(dir.join(output)).unwrap()
}

/// Folder, time zone, locale and `--threads` are in `cli.rs`.
#[test]
fn threads_and_umask_do_not_change_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new("testdata/demo"), &dir.path().join("lantern"));
    let first = build_with(dir.path(), "022", "1", "a.cup");
    for (umask, threads, output) in [("022", "2", "b.cup"), ("077", "8", "c.cup"), ("000", "2", "d.cup")] {
        assert!(build_with(dir.path(), umask, threads, output) == first, "umask {umask}, {threads} threads");
    }
}

/// A release of a real series: all bases named in `bases`, the first `fixes` of the truth's order.
fn real(release: &Path, set: &Path, order: &[String], version: &str, bases: &[(&str, PathBuf)]) {
    fs::create_dir_all(release.join("fixes")).unwrap();
    let mut series = String::new();
    let full = fs::read_to_string(set.join("fixes/series")).unwrap();
    for line in full.lines() {
        let file = line.split(' ').next().unwrap();
        if order.iter().any(|id| file.trim_end_matches(".patch") == id) {
            fs::copy(set.join("fixes").join(file), release.join("fixes").join(file)).unwrap();
            series += &format!("{line}\n");
        }
    }
    fs::write(release.join("fixes/series"), series).unwrap();
    let mut config =
        format!("[component]\nname = \"law\"\n[release]\nversion = {version:?}\nfrom = {:?}\n", bases[0].0);
    for (name, at) in bases {
        write!(config, "[[base]]\nversion = {name:?}\nsource = {:?}\n", at.to_str().unwrap()).unwrap();
    }
    fs::write(release.join("cumulate.toml"), config).unwrap();
}

#[test]
#[ignore = "corpus: needs ../shared/corpus laid out"]
fn debian_bundles_one_after_another_equal_one_bundle() {
    let corpus =
        std::env::var_os("CUMULATE_CORPUS").map_or_else(|| PathBuf::from("../shared/corpus/data"), PathBuf::from);
    for name in ["deb-libxml2-2.9.10", "deb-openssl-1.1.1w", "deb-tiff-4.2.0", "deb-unzip-6.0"] {
        let set = corpus.join(name).canonicalize().unwrap();
        let truth: Value = serde_json::from_slice(&fs::read(set.join("truth.json")).unwrap()).unwrap();
        let order = order(&truth);
        let start = truth["bases"]
            .as_object()
            .unwrap()
            .iter()
            .find(|(_, b)| b["contains"].as_array().is_some_and(Vec::is_empty))
            .map(|(v, _)| set.join("bases").join(v))
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let at = |p: &str| dir.path().join(p);
        let half = order.len().div_ceil(2);
        real(&at("first"), &set, &order[..half], "first", &[("start", start.clone())]);
        real(&at("both"), &set, &order, "both", &[("start", start.clone()), ("first", at("kept"))]);
        cumulate(&at("first"), &["build", "-o", "../first.cup"]).expect(0);
        copy(&start, &at("installed"));
        cumulate(dir.path(), &["apply", "first.cup", "installed", "--allow-unsigned"]).expect(0);
        copy(&at("installed"), &at("kept"));
        fs::remove_dir_all(at("kept/.cumulate")).unwrap();
        cumulate(&at("both"), &["build", "-o", "../both.cup"]).expect(0);
        // The second quarter, on top of the first and on the start.
        cumulate(dir.path(), &["apply", "both.cup", "installed", "--allow-unsigned"]).expect(0);
        assert_same(&at("installed"), &set.join("target"));
        copy(&start, &at("leap"));
        cumulate(dir.path(), &["apply", "both.cup", "leap", "--allow-unsigned"]).expect(0);
        assert_same(&at("leap"), &at("installed"));
        cumulate(dir.path(), &["rollback", "installed"]).expect(0);
        assert_same(&at("installed"), &at("kept"));
        println!("{name}: {half} fixes, then {}", order.len());
    }
}
