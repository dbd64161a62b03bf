use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn an_atomic_write_stopped_anywhere_leaves_the_old_or_the_new_file_whole() {
    for n in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        fs::write(&path, "old content").unwrap();
        let disk = Disk::with_faults(FaultPlan::stop_after(n));
        let done = disk.write_atomic(&path, b"new content", 0o640);
        let now = fs::read_to_string(&path).unwrap();
        match done {
            Ok(()) => {
                assert_eq!(now, "new content");
                assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
                assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
                assert!(n >= 5, "create, two halves, sync, rename, sync folder");
                return;
            }
            Err(e) => {
                assert_eq!(e.code, ErrorCode::Interrupted);
                assert!(now == "old content" || now == "new content", "{n}: {now}");
            }
        }
    }
}

#[test]
fn a_failed_atomic_write_keeps_the_old_file_and_leaves_nothing_beside_it() {
    for n in 1..=5 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        fs::write(&path, "old").unwrap();
        let disk = Disk::with_faults(FaultPlan::fail_once(n, Fault::ENOSPC));
        let e = disk.write_atomic(&path, b"new", 0o644).unwrap_err();
        assert_eq!((e.code, e.exit()), (ErrorCode::NoSpace, 6));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "failed operation {n}");
    }
}

#[test]
fn what_exists_is_never_overwritten_by_create_new() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("release.key");
    let disk = Disk::real();
    disk.create_new(&path, b"first", 0o600).unwrap();
    let e = disk.create_new(&path, b"second", 0o600).unwrap_err();
    assert_eq!((e.code, e.exit()), (ErrorCode::Exists, 2));
    assert_eq!(fs::read_to_string(&path).unwrap(), "first");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
    assert_eq!(disk.create_new(&dir.path().join("dangling"), b"x", 0o600).unwrap_err().code, ErrorCode::Exists);
}

#[test]
fn a_second_locker_is_told_and_a_dropped_lock_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::real();
    let held = disk.lock(dir.path()).unwrap();
    let e = disk.lock(dir.path()).unwrap_err();
    assert_eq!((e.code, e.exit()), (ErrorCode::Locked, 7));
    assert_eq!(disk.lock_shared(dir.path()).unwrap_err().code, ErrorCode::Locked);
    drop(held);
    let _reader = disk.lock_shared(dir.path()).unwrap();
    disk.lock_shared(dir.path()).unwrap();
}

#[test]
fn a_copy_keeps_content_mode_time_and_links() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    let disk = Disk::real();
    fs::write(&a, vec![7; 300_000]).unwrap();
    disk.chmod(&a, 0o4751).unwrap();
    disk.set_mtime(&a, 1_000_000_000, 5).unwrap();
    disk.copy(&a, &b).unwrap();
    let meta = |p: &Path| {
        use std::os::unix::fs::MetadataExt as _;
        let m = fs::symlink_metadata(p).unwrap();
        (m.mode(), m.mtime(), m.mtime_nsec(), m.len())
    };
    assert_eq!(meta(&a), meta(&b));
    assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
    disk.symlink("a", &dir.path().join("l")).unwrap();
    disk.copy(&dir.path().join("l"), &dir.path().join("m")).unwrap();
    assert_eq!(fs::read_link(dir.path().join("m")).unwrap(), Path::new("a"));
}
