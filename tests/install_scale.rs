//! Installations with very many files: times printed, bounds generous.

mod installing;

use cumulate::disk::Disk;
use cumulate::install::{Options, apply, rollback, status};
use installing::*;
use std::time::Instant;

fn many(files: usize, version: usize, touched: usize) -> World {
    (0..files)
        .map(|i| {
            let v = if i < touched { version } else { 0 };
            (format!("d{}/f{i}", i % 300), Node::File(format!("file {i} of version {v}").into(), 0o644))
        })
        .collect()
}

#[test]
#[ignore = "long: 100,000 files on a real disk"]
fn a_hundred_thousand_files() {
    let files = 100_000;
    let base = many(files, 1, files);
    let target = many(files, 2, files);
    let made = Made::new("2", &[("1", &base)], &target, &[]);
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), &base);
    let timed = |what: &str, act: &mut dyn FnMut()| {
        let start = Instant::now();
        act();
        println!("{what}: {:.1} s", start.elapsed().as_secs_f64());
    };
    let dry = Options { dry_run: true, ..Options::default() };
    timed("dry run", &mut || drop(apply(&Disk::real(), dir.path(), &made.release(), &dry).unwrap()));
    timed("apply", &mut || drop(apply(&Disk::real(), dir.path(), &made.release(), &Options::default()).unwrap()));
    timed("status", &mut || assert_eq!(status(&Disk::real(), dir.path()).unwrap().exit(), 0));
    assert_eq!(tree_of(dir.path()), tree(&target));
    timed("rollback", &mut || drop(rollback(&Disk::real(), dir.path()).unwrap()));
    assert_eq!(tree_of(dir.path()), tree(&base));
}
