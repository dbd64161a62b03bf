//! `cargo bench --bench component -- SET…`: builds and applies a real component and prints bytes, time and memory
//! beside separate bsdiff 4.3 and `zstd --patch-from` runs over the same changed files, in the same run.
//!
//! Sets are laid out by ../shared/corpus; CUMULATE_CORPUS names the folder. Needs bsdiff, zstd and GNU time
//! (Debian's packages `bsdiff`, `zstd`, `time`); an absent peer is shown as absent.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[path = "support/cost.rs"]
mod measure;
use measure::{Cost, cost};
#[path = "support/set.rs"]
mod set;
use set::{Set, files};

fn main() {
    let sets: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let sets = if sets.is_empty() { vec!["deb-libxml2-2.9.10".into(), "npm-esbuild-linux-0.25".into()] } else { sets };
    let profile = std::env::var("CUMULATE_PROFILE").unwrap_or_else(|_| "balanced".into());
    println!(
        "profile {profile}; bytes per base: whole download (manifests, listing and deltas), its deltas alone, and the patches of bsdiff 4.3 and zstd 19 --patch-from over the same changed files; ratio = deltas / bsdiff\n"
    );
    for set in &sets {
        if let Some(set) = Set::of(set) {
            bench(&set, &profile);
        }
    }
}

fn bench(set: &Set, profile: &str) {
    let (name, bases) = (&set.name, &set.bases);
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    set.lay(dir);
    let exe = env!("CARGO_BIN_EXE_cumulate");
    let build =
        cost(Command::new(exe).current_dir(dir).args(["build", "-o", "b.cup", "--no-cache", "--profile", profile]));
    let inspect = Command::new(exe).current_dir(dir).args(["inspect", "b.cup", "--format", "json"]).output().unwrap();
    let inspect: serde_json::Value = serde_json::from_slice(&inspect.stdout).unwrap();
    let size = fs::metadata(dir.join("b.cup")).unwrap().len();
    println!("{name}: {} bases, bundle {size} B, build {:.1} s CPU, {} MiB", bases.len(), build.cpu, build.kib / 1024);
    println!(
        "{:>10} {:>10} {:>10} {:>10} {:>10} {:>7} {:>8} {:>5} {:>10} {:>5}",
        "base", "download", "deltas", "bsdiff", "zstd", "ratio", "apply s", "MiB", "bspatch s", "MiB"
    );
    let (mut bsdiff, mut zstd) = (Cost::default(), Cost::default());
    for base in bases {
        let old = set.base(base);
        let installed = dir.join("installed");
        let _ = fs::remove_dir_all(&installed);
        let status = Command::new("cp").args(["-a"]).arg(&old).arg(&installed).status().unwrap();
        assert!(status.success());
        let apply = cost(Command::new(exe).current_dir(dir).args(["apply", "b.cup", "installed", "--allow-unsigned"]));
        let mine = inspect["bases"].as_array().unwrap().iter().find(|b| b["name"] == *base).unwrap();
        let download = mine["download"].as_u64().unwrap();
        let deltas: u64 = mine["steps"].as_object().unwrap().values().map(|k| k["stored"].as_u64().unwrap()).sum();
        let peers = peers(&old, &set.target(), dir);
        let show = |n: Option<u64>| n.map_or("absent".into(), |n| n.to_string());
        let ratio = peers.bsdiff.map_or(String::new(), |b| format!("{:.3}", deltas as f64 / b.max(1) as f64));
        println!(
            "{base:>10} {download:>10} {deltas:>10} {:>10} {:>10} {ratio:>7} {:>8.2} {:>5} {:>10.2} {:>5}",
            show(peers.bsdiff),
            show(peers.zstd),
            apply.cpu,
            apply.kib / 1024,
            peers.bspatch.cpu,
            peers.bspatch.kib / 1024,
        );
        bsdiff.add(peers.encode);
        zstd.add(peers.zstd_encode);
    }
    for (tool, c) in [("bsdiff", bsdiff), ("zstd", zstd)] {
        println!("encoding for all bases, {tool}: {:.1} s CPU, {} MiB", c.cpu, c.kib / 1024);
    }
}

#[derive(Default)]
struct Peers {
    bsdiff: Option<u64>,
    zstd: Option<u64>,
    encode: Cost,
    zstd_encode: Cost,
    bspatch: Cost,
}

/// Separate runs over every file that differs; a new file counts as it is, compressed by the peer.
fn peers(old: &Path, new: &Path, dir: &Path) -> Peers {
    let (a, b) = (files(old), files(new));
    let empty = dir.join("empty");
    // One byte: Debian's bsdiff cannot map an empty file.
    fs::write(&empty, b"\n").unwrap();
    let has =
        |tool: &str| Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let (bsdiff, zstd) = (has("bsdiff"), has("zstd"));
    let mut sum = Peers { bsdiff: bsdiff.then_some(0), zstd: zstd.then_some(0), ..Peers::default() };
    for (path, bytes) in &b {
        if a.get(path) == Some(bytes) || bytes.is_empty() {
            continue;
        }
        let from = if a.contains_key(path) { old.join(path) } else { empty.clone() };
        let (to, patch, out) = (new.join(path), dir.join("peer.patch"), dir.join("peer.out"));
        if let Some(total) = &mut sum.bsdiff {
            sum.encode.add(cost(Command::new("bsdiff").args([&from, &to, &patch])));
            *total += fs::metadata(&patch).unwrap().len();
            let c = cost(Command::new("bspatch").args([&from, &out, &patch]));
            sum.bspatch.add(c);
        }
        if let Some(total) = &mut sum.zstd {
            let mut c = Command::new("zstd");
            c.args(["-q", "-f", "-19", "--long=31"]);
            if from != empty {
                c.arg(format!("--patch-from={}", from.display()));
            }
            sum.zstd_encode.add(cost(c.arg(&to).arg("-o").arg(&patch)));
            *total += fs::metadata(&patch).unwrap().len();
        }
    }
    sum
}
