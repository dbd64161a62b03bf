//! `cargo bench --bench plan_scale -- [--text] [FIXES…]`: what planning large releases costs: from nothing, again, and
//! with one fix more than the last time.
//!
//! Each release has four files a fix. Times are medians; needs GNU time (Debian's package `time`). Behind the whole command
//! stand its two halves, measured in one process: reading the release, and planning it.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "support/cost.rs"]
mod cost;
#[path = "../tests/common/generated.rs"]
mod generated;

use cost::{Cost, cost};
use cumulate::disk::Disk;
use cumulate::route::Memo;
use cumulate::verb::{Selection, planned, release_for_plan};
use generated::generated;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// As `cumulate` itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each is measured.
const TIMES: usize = 7;
/// Files that were written less than two seconds ago are read each time.
const SETTLED: Duration = Duration::from_millis(2_200);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let format = if args.iter().any(|a| a == "--text") { "text" } else { "json" };
    let sizes: Vec<usize> = args.iter().filter_map(|a| a.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![500, 1_000, 2_000, 5_000, 10_000] } else { sizes };
    println!("`cumulate plan --format {format}`, medians of {TIMES}; wall and CPU seconds, peak MiB\n");
    println!(
        "| fixes | files | hunks | edges | cold | CPU | MiB | again | CPU | +1 fix | CPU | wall +1/cold | CPU +1/cold | \
         read cold, +1 | plan cold, +1 | plan +1/cold |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for fixes in sizes {
        bench(fixes, fixes * 4, format);
    }
}

fn bench(fixes: usize, files: usize, format: &str) {
    let release = generated(fixes, files);
    let scratch = tempfile::tempdir().unwrap();
    let (dir, before) = (scratch.path().join("release"), scratch.path().join("before"));
    release.write(&dir);
    std::thread::sleep(SETTLED);
    let cache = dir.join(".cumulate-cache");
    let plan = || cost(common::command(&dir).args(["plan", "--format", format]));
    let all = common::cumulate(&dir, &["plan", "--format", "json", "--no-cache"]).expect(0).json();
    let edges = all["edges"].as_array().unwrap().len();
    let hunks: usize = release.patches.iter().map(|p| p.matches("\n@@ ").count()).sum();
    let (cold, again): (Vec<Cost>, Vec<Cost>) = (0..TIMES)
        .map(|_| {
            remove(&cache);
            (plan(), plan())
        })
        .unzip();
    remove(&cache);
    release.choose(&dir, fixes - 1);
    std::thread::sleep(SETTLED);
    plan();
    common::copy(&cache, &before);
    release.choose(&dir, fixes);
    let more: Vec<Cost> = (0..TIMES)
        .map(|_| {
            remove(&cache);
            common::copy(&before, &cache);
            plan()
        })
        .collect();
    let halves = |cached: bool| {
        let all = (0..TIMES).map(|_| {
            remove(&cache);
            if cached {
                common::copy(&before, &cache);
            }
            read_and_plan(&dir, &cache)
        });
        let (mut read, mut plan): (Vec<f64>, Vec<f64>) = all.unzip();
        (middle(&mut read), middle(&mut plan))
    };
    let ((read, plan), (read_more, plan_more)) = (halves(false), halves(true));
    let (cold, again, more) = (median(cold), median(again), median(more));
    println!(
        "| {fixes} | {files} | {hunks} | {edges} | {:.3} | {:.2} | {} | {:.3} | {:.2} | {:.3} | {:.2} | {:.3} | {:.3} | \
         {read:.3}, {read_more:.3} | {plan:.3}, {plan_more:.3} | {:.3} |",
        cold.wall,
        cold.cpu,
        cold.kib / 1024,
        again.wall,
        again.cpu,
        more.wall,
        more.cpu,
        more.wall / cold.wall,
        more.cpu / cold.cpu,
        plan_more / plan
    );
}

/// Wall seconds of reading a release and of planning it, with what is remembered in this folder.
fn read_and_plan(dir: &Path, cache: &Path) -> (f64, f64) {
    let memo = Memo { dir: cache.to_path_buf(), disk: &Disk::scratch() };
    let begun = Instant::now();
    let release = release_for_plan(dir, Some(&memo)).unwrap();
    let read = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let tracks = planned(&release, &Selection::default(), Some(&memo)).unwrap();
    let plan = begun.elapsed().as_secs_f64();
    assert!(tracks.iter().all(|t| t.outcome.is_ok()));
    (read, plan)
}

fn remove(dir: &Path) {
    if dir.exists() {
        fs::remove_dir_all(dir).unwrap();
    }
}

/// The middle of each figure on its own.
fn median(costs: Vec<Cost>) -> Cost {
    let middle = |of: fn(&Cost) -> f64| middle(&mut costs.iter().map(of).collect::<Vec<f64>>());
    let kib = costs.iter().map(|c| c.kib).max().unwrap_or(0);
    Cost { wall: middle(|c| c.wall), cpu: middle(|c| c.cpu), kib }
}

fn middle(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
