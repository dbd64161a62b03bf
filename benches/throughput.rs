//! `cargo bench --bench throughput -- SET…`: how fast a bundle is installed, beside `hpatchz` on a folder of the same files.
//!
//! Needs the corpus (CUMULATE_CORPUS), HDiffPatch 4 with folders (`hdiffz`, `hpatchz`), GNU time, `cp` and `sync`.
//! CUMULATE_AT names a folder on the file system to measure; bundles and patches stay there for the next run.
//! CUMULATE_RUNS: how often; CUMULATE_PROFILE: of the bundle.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

#[path = "support/cost.rs"]
mod measure;
use measure::{Cost, cost};
#[path = "support/set.rs"]
mod set;
use set::{Set, files};

/// The patches of the peer, each with how it was made: matching in memory, and in blocks of a stream (`-s`).
const PATCHES: [(&str, &[&str]); 2] =
    [("hpatchz", &["-SD", "-c-zstd-21-24"]), ("hpatchz, -s", &["-s-64", "-SD", "-c-zstd-21-24"])];

fn main() {
    let sets: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let sets = if sets.is_empty() { vec!["git-redis-7.2".into(), "npm-esbuild-linux-0.25".into()] } else { sets };
    let variable = |name: &str| std::env::var(name).ok();
    let profile = variable("CUMULATE_PROFILE").unwrap_or_else(|| "balanced".into());
    let runs: usize = variable("CUMULATE_RUNS").and_then(|n| n.parse().ok()).unwrap_or(11);
    let at = variable("CUMULATE_AT").map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned(), PathBuf::from);
    println!(
        "profile {profile}, {runs} runs in turn, of each the median and the best; MB/s: bytes of the whole target by the median; ratio: MB/s to hpatchz's; CPU: user and system, the least; MiB: the peak\n\n\
         apply     reads and hashes every listed file, keeps the old files for a rollback, fsyncs every new one, hashes it as it is read back, renames it in, fsyncs the folders, looks whether it is that file\n\
         dry run   the same up to where it would write\n\
         hpatchz   writes all files of the target, changed or not, to a new folder, with a checksum of each; syncs nothing\n\
         + sync    the same, then `sync -f` of the new folder\n"
    );
    for name in &sets {
        if let Some(set) = Set::of(name) {
            // The deltas of other bases are not read.
            let set = Set { bases: vec![set.from.clone()], ..set };
            bench(&set, &at.join("throughput").join(format!("{name}-{profile}")), &profile, runs);
        }
    }
}

fn bench(set: &Set, dir: &Path, profile: &str, runs: usize) {
    fs::create_dir_all(dir).unwrap();
    set.lay(dir);
    let exe = env!("CARGO_BIN_EXE_cumulate");
    let (old, target) = (set.base(&set.from), set.target());
    run(Command::new(exe).current_dir(dir).args(["build", "-o", "b.cup", "--force", "--profile", profile]));
    for (n, (_, how)) in PATCHES.iter().enumerate() {
        let patch = dir.join(format!("{n}.hdiff"));
        if !patch.exists() {
            run(Command::new("hdiffz").arg("-f").args(*how).args([&old, &target, &patch]));
        }
    }
    let installed = dir.join("installed");
    let apply = |more: &[&str]| {
        let mut command = Command::new(exe);
        command.args(["apply", "b.cup", "installed", "--allow-unsigned"]).args(more).current_dir(dir);
        command
    };
    let hpatchz = |n: usize, to: &Path| {
        let mut command = Command::new("hpatchz");
        command.args([Path::new("-f"), &old, &dir.join(format!("{n}.hdiff")), to]);
        command
    };
    let ways = ["apply", "dry run", PATCHES[0].0, PATCHES[1].0, "+ sync", "-s, + sync"];
    let mut taken = vec![Vec::new(); ways.len()];
    for _ in 0..runs {
        fresh(&old, &installed);
        let dry = run(&mut apply(&["--dry-run"]));
        for (way, time) in [(1, dry), (0, run(&mut apply(&[])))] {
            taken[way].push(time);
        }
        for (n, _) in PATCHES.iter().enumerate() {
            let new = dir.join("new");
            remove(&new);
            let mut made = run(&mut hpatchz(n, &new));
            taken[2 + n].push(made);
            let synced = run(Command::new("sync").arg("-f").arg(&new));
            made.wall += synced.wall;
            made.cost.add(synced.cost);
            taken[4 + n].push(made);
        }
    }
    let (before, after) = (files(&old), files(&target));
    assert!(files(&installed) == after && files(&dir.join("new")) == after, "{}: not the target", set.name);
    let size: usize = after.values().map(Vec::len).sum();
    let changed: Vec<usize> = after.iter().filter(|(p, b)| before.get(*p) != Some(b)).map(|(_, b)| b.len()).collect();
    println!(
        "{} {}: target {:.1} MB in {} files, {:.1} MB in {} of them differ; patches: hdiffz {} B, -s {} B",
        set.name,
        set.from,
        mega(size),
        after.len(),
        mega(changed.iter().sum()),
        changed.len(),
        fs::metadata(dir.join("0.hdiff")).unwrap().len(),
        fs::metadata(dir.join("1.hdiff")).unwrap().len(),
    );
    println!("{:>12} {:>9} {:>9} {:>8} {:>7} {:>6} {:>4}", "", "median s", "best s", "MB/s", "ratio", "CPU s", "MiB");
    taken.iter_mut().for_each(|times| times.sort_by_key(|t| t.wall));
    let median = |times: &[Taken]| times[times.len() / 2].wall.as_secs_f64();
    let peer = median(&taken[2]);
    for (way, times) in ways.iter().zip(&taken) {
        let (middle, best) = (median(times), times[0].wall.as_secs_f64());
        let cpu = times.iter().map(|t| t.cost.cpu).fold(f64::MAX, f64::min);
        let memory = times.iter().map(|t| t.cost.kib / 1024).max().unwrap_or(0);
        let (speed, ratio) = (mega(size) / middle, peer / middle);
        println!("{way:>12} {middle:>9.3} {best:>9.3} {speed:>8.0} {ratio:>7.2} {cpu:>6.2} {memory:>4}");
    }
    println!();
    [installed, dir.join("new")].iter().for_each(|d| remove(d));
}

fn mega(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// What one run took.
#[derive(Clone, Copy)]
struct Taken {
    wall: Duration,
    cost: Cost,
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Taken {
    let from = Instant::now();
    let cost = cost(command);
    Taken { wall: from.elapsed(), cost }
}

fn remove(dir: &Path) {
    if dir.exists() {
        fs::remove_dir_all(dir).unwrap();
        run(Command::new("sync").arg("-f").arg(dir.parent().unwrap()));
    }
}

/// A copy that is on the disk already, so that nobody is charged for writing it.
fn fresh(old: &Path, to: &Path) {
    remove(to);
    run(Command::new("cp").arg("-a").args([old, to]));
    run(Command::new("sync").arg("-f").arg(to));
}
