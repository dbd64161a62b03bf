//! What an apply takes on a small machine: its peak memory as the kernel counted it, and the disk that it said it needs.

mod common;

use common::{Numbers, copy, cumulate};
use std::fs;

/// A file of `size` bytes that does not compress, and the same with a few edits.
fn pair(size: usize) -> (Vec<u8>, Vec<u8>) {
    let mut numbers = Numbers(11);
    let old: Vec<u8> = (0..size / 4).flat_map(|_| (numbers.below(1 << 32) as u32).to_le_bytes()).collect();
    let mut new = old.clone();
    for _ in 0..200 {
        let at = numbers.below(new.len());
        new[at] ^= 0x55;
    }
    new.splice(1000..1000, *b"a few bytes more");
    (old, new)
}

/// Peak memory of an apply in bytes, told by a hook at its end (`VmHWM` of the process that runs it), against what
/// the bundle states; and the bytes on disk before the old files go.
fn measure(size: usize) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (old, new) = pair(size);
    for (path, bytes) in [("v0/big", &old), ("rel/fixes/F/tree/big", &new)] {
        fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        fs::write(at(path), bytes).unwrap();
    }
    let hook = "[[hook]]\nrun = ['sh', '-c', 'grep VmHWM /proc/$PPID/status > ../peak; du -sk . > ../disk']\n";
    fs::write(at("rel/fixes/F/fix.toml"), hook).unwrap();
    fs::write(
        at("rel/cumulate.toml"),
        "[component]\nname = 'a'\n[release]\nversion = '2'\nfrom = '1'\nprofile = 'fast'\n[[base]]\nversion = '1'\nsource = '../v0'\n",
    )
    .unwrap();
    let run = |args: &[&str]| cumulate(dir.path(), args);
    run(&["build", "rel", "-o", "b.cup", "--no-cache"]).expect(0);
    let stated =
        run(&["inspect", "b.cup", "--format", "json"]).expect(0).json()["bases"][0]["memory"].as_u64().unwrap();
    copy(&at("v0"), &at("here"));
    let dry = run(&["apply", "b.cup", "here", "--allow-unsigned", "--dry-run", "--format", "json"]).expect(0).json();
    run(&["apply", "b.cup", "here", "--allow-unsigned"]).expect(0);
    assert_eq!(fs::read(at("here/big")).unwrap(), new);
    let number = |file: &str| -> u64 {
        let text = fs::read_to_string(at(file)).unwrap();
        1024 * text.split_whitespace().find_map(|w| w.parse::<u64>().ok()).unwrap()
    };
    let (peak, disk, needed) = (number("peak"), number("disk"), dry["disk"].as_u64().unwrap());
    println!("{size} bytes: peak {peak}, stated {stated}; disk {disk}, old {size} and {needed} more stated");
    assert!(peak <= (64 << 20) + stated, "{peak} against 64 MiB and {stated}");
    assert!(disk <= size as u64 + needed, "{disk} against {size} and {needed}");
}

#[test]
fn memory_and_disk_of_an_apply_stay_below_what_is_stated() {
    measure(6 << 20);
}

#[test]
#[ignore = "long: a file of forty-eight megabytes"]
fn memory_and_disk_of_a_large_apply_stay_below_what_is_stated() {
    measure(48 << 20);
}
