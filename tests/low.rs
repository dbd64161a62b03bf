//! What an apply takes on a small machine: its peak memory as the kernel counted it, and the disk that it said it needs;
//! and what it does where there is no more than that.

mod common;

use common::{Numbers, assert_same, command, copy, cumulate, exact};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

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

/// A release 2 from the base 1 in `v0` beside it.
fn release(at: &Path) {
    let text = "[component]\nname = 'a'\n[release]\nversion = '2'\nfrom = '1'\nprofile = 'fast'\n[[base]]\nversion = '1'\nsource = '../v0'\n";
    fs::write(at.join("cumulate.toml"), text).unwrap();
}

/// The base `v0` of files so large, `b.cup`, which changes them all, and `target`, what it makes of the base.
fn built(dir: &Path, sizes: &[usize]) {
    for (n, size) in sizes.iter().enumerate() {
        let (old, new) = pair(*size);
        for (path, bytes) in [("v0", old), ("rel/fixes/F/tree", new)] {
            fs::create_dir_all(dir.join(path)).unwrap();
            fs::write(dir.join(path).join(format!("f{n}")), [&[n as u8; 64][..], &bytes].concat()).unwrap();
        }
    }
    release(&dir.join("rel"));
    cumulate(dir, &["build", "rel", "-o", "b.cup", "--no-cache"]).expect(0);
    copy(&dir.join("v0"), &dir.join("target"));
    cumulate(dir, &["apply", "b.cup", "target", "--allow-unsigned"]).expect(0);
}

/// The memory in bytes that the bundle says its largest delta needs.
fn stated_memory(dir: &Path) -> u64 {
    let json = cumulate(dir, &["inspect", "b.cup", "--format", "json"]).expect(0).json();
    json["bases"][0]["memory"].as_u64().unwrap()
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
    release(&at("rel"));
    let run = |args: &[&str]| cumulate(dir.path(), args);
    run(&["build", "rel", "-o", "b.cup", "--no-cache"]).expect(0);
    let stated = stated_memory(dir.path());
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

#[test]
#[ignore = "long: eight files of twenty-four megabytes"]
fn contents_made_ahead_of_the_one_that_is_written_stay_below_what_is_stated() {
    let dir = tempfile::tempdir().unwrap();
    let fix = dir.path().join("rel/fixes/F");
    fs::create_dir_all(&fix).unwrap();
    let hook = "[[hook]]\nrun = ['sh', '-c', 'grep VmHWM /proc/$PPID/status > ../peak']\n";
    fs::write(fix.join("fix.toml"), hook).unwrap();
    built(dir.path(), &[24 << 20; 8]);
    let stated = stated_memory(dir.path());
    let text = fs::read_to_string(dir.path().join("peak")).unwrap();
    let peak = 1024 * text.split_whitespace().find_map(|w| w.parse::<u64>().ok()).unwrap();
    println!("8 files of 24 MiB: peak {peak}, stated {stated}");
    assert!(peak <= (64 << 20) + stated, "{peak} against 64 MiB and {stated}");
}

/// A file system in memory of so many bytes, until it is dropped.
struct Small(PathBuf);

impl Small {
    /// `None`, and a word about it, without the right to mount.
    fn of(at: &Path, size: u64) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("NOT RUN: only root mounts a small file system");
            return None;
        }
        fs::create_dir(at).unwrap();
        let small = Self(at.to_path_buf());
        small.mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        Some(small)
    }

    fn mount(&self, args: &[&str]) {
        assert!(Command::new("mount").args(args).arg(&self.0).status().unwrap().success(), "mount {args:?}");
    }

    /// Bytes that are left from now on.
    fn leave(&self, free: u64) {
        let stat = rustix::fs::statvfs(&self.0).unwrap();
        let used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize;
        self.mount(&["-o", &format!("remount,size={}", used + free.next_multiple_of(4096))]);
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// What stands there beside cumulate's own folder.
fn installed(dir: &Path) -> Vec<impl PartialEq> {
    exact(dir).into_iter().filter(|(p, _)| !p.starts_with(".cumulate") && !p.as_os_str().is_empty()).collect()
}

#[test]
fn in_place_takes_the_disk_that_it_states_where_there_is_no_room_for_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    const FILES: u64 = 6;
    const SIZE: usize = 1 << 20;
    built(dir.path(), &[SIZE; FILES as usize]);
    let run = |args: &[&str]| cumulate(dir.path(), args);

    let Some(small) = Small::of(&at("small"), 2 * FILES * SIZE as u64 + (16 << 20)) else { return };
    let here = at("small/here");
    copy(&at("v0"), &here);
    let before = installed(&here);
    let apply = ["apply", "b.cup", "small/here", "--allow-unsigned"];
    let in_place = [&apply[..], &["--in-place"]].concat();
    let stated = |args: &[&str]| {
        run(&[args, &["--dry-run", "--format", "json"]].concat()).expect(0).json()["disk"].as_u64().unwrap()
    };
    let (whole, least) = (stated(&apply), stated(&in_place));
    println!("{FILES} files of {SIZE} bytes: {whole} bytes of disk, in place {least}");
    assert!(whole >= FILES * SIZE as u64 && least <= SIZE as u64 + (2 << 20), "{whole} {least}");

    // What would not fit either is not advised.
    small.leave(least - (64 << 10));
    for refused in [&apply[..], &in_place] {
        let told = run(refused).expect(6);
        assert!(told.stderr.contains("[no-space]") && !told.stderr.contains("use --in-place"), "{}", told.stderr);
        assert!(installed(&here) == before && !here.join(".cumulate").exists());
    }
    small.leave(least);
    let told = run(&apply).expect(6);
    assert!(told.stderr.contains("[no-space]") && told.stderr.contains("or use --in-place"), "{}", told.stderr);
    run(&in_place).expect(0);
    assert_same(&here, &at("target"));
    run(&["status", "small/here"]).expect(0);
    run(&["rollback", "small/here"]).expect(0);
    assert!(installed(&here) == before);

    // Killed where there is no room to spare, it goes on and back all the same.
    small.leave(least);
    let mut interrupted = 0;
    for n in 0..8 {
        let mut child =
            command(dir.path()).args(&in_place).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(40 * n));
        child.kill().unwrap();
        child.wait().unwrap();
        let code = run(&["status", "small/here"]).code;
        interrupted += u32::from(code == 8);
        if n % 2 == 0 || code != 8 {
            run(&in_place).expect(0);
            assert_same(&here, &at("target"));
        }
        run(&["rollback", "small/here"]).expect(0);
        assert!(installed(&here) == before, "kill {n}");
    }
    println!("{interrupted} of 8 kills interrupted it");
}

/// A control group with a memory limit, of version 1 or 2, until it is dropped.
struct Group(PathBuf);

impl Group {
    /// Below our own group or one that holds it, so that whatever limits those counts here too. `None`, and a word
    /// about it, where no such group can be made.
    fn of(bytes: u64) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let made = own.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            let inside = |root: &str| Path::new(root).join(path.trim_start_matches('/'));
            let (above, limit, swap) = match controllers {
                "memory" => (inside("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
                // Version 2 has no limits in a group below one that holds processes.
                "" => {
                    let lends = |at: &&Path| {
                        let lent = fs::read_to_string(at.join("cgroup.subtree_control")).unwrap_or_default();
                        lent.split_whitespace().any(|c| c == "memory")
                    };
                    (inside("/sys/fs/cgroup").ancestors().find(lends)?.to_path_buf(), "memory.max", "memory.swap.max")
                }
                _ => return None,
            };
            let group = above.join(format!("cumulate-low-{}", std::process::id()));
            (above.join("cgroup.procs").exists() && fs::create_dir(&group).is_ok()).then_some(())?;
            let group = Self(group);
            fs::write(group.0.join(limit), bytes.to_string()).ok()?;
            // Not every kernel counts swap; where it does, nothing may go there.
            let _ = fs::write(group.0.join(swap), if limit == "memory.max" { "0".into() } else { bytes.to_string() });
            Some(group)
        });
        if made.is_none() {
            eprintln!("NOT RUN: no control group with a memory limit can be made here (root, cgroup v1 or v2)");
        }
        made
    }

    /// Runs cumulate in it: the exit code (`None` where the kernel killed it), and what it said.
    fn cumulate(&self, dir: &Path, args: &[&str]) -> (Option<i32>, String) {
        let plain = command(dir);
        let mut inside = Command::new("sh");
        inside.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(self.0.join("cgroup.procs"));
        inside.arg(plain.get_program()).args(args).current_dir(dir);
        inside.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let told = inside.output().unwrap();
        (told.status.code(), String::from_utf8_lossy(&told.stderr).into_owned())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

const LARGE: &[usize] = &[40_000_000, 20_000_000];

#[test]
#[ignore = "long: files of sixty megabytes; needs root and cgroups"]
fn a_large_apply_runs_under_the_kernels_limit_of_what_it_states() {
    // Not in memory, for what lies there counts against the limit.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let here = dir.path().join("here");
    built(dir.path(), LARGE);
    let stated = stated_memory(dir.path());
    let limit = (64 << 20) + stated;
    copy(&dir.path().join("v0"), &here);
    let before = installed(&here);
    for more in [&[][..], &["--in-place"]] {
        let apply = [&["apply", "b.cup", "here", "--allow-unsigned"], more].concat();
        // The limit is one: with much less the kernel kills it, and what it left is no obstacle.
        let Some(group) = Group::of(8 << 20) else { return };
        let (code, said) = group.cumulate(dir.path(), &apply);
        assert_eq!(code, None, "{more:?} with 8 MiB: {said}");
        drop(group);
        let Some(group) = Group::of(limit) else { return };
        for (args, ends) in [(&apply[..], None), (&["rollback", "here"], Some(&before))] {
            let (code, said) = group.cumulate(dir.path(), args);
            assert_eq!(code, Some(0), "{args:?} with {limit} bytes: {said}");
            match ends {
                None => assert_same(&here, &dir.path().join("target")),
                Some(before) => assert!(installed(&here) == *before),
            }
        }
        println!("files of {LARGE:?} bytes, {more:?}: apply and rollback with {limit} bytes, {stated} of them stated");
    }
}

#[test]
#[ignore = "long: files of sixty megabytes; needs root"]
fn a_large_apply_takes_the_disk_that_it_states() {
    let dir = tempfile::tempdir().unwrap();
    built(dir.path(), LARGE);
    let run = |args: &[&str]| cumulate(dir.path(), args);
    let sizes: usize = LARGE.iter().sum();
    let Some(small) = Small::of(&dir.path().join("small"), 3 * sizes as u64) else { return };
    let here = dir.path().join("small/here");
    copy(&dir.path().join("v0"), &here);
    let before = installed(&here);
    for more in [&[][..], &["--in-place"]] {
        let apply = [&["apply", "b.cup", "small/here", "--allow-unsigned"], more].concat();
        let dry = run(&[&apply[..], &["--dry-run", "--format", "json"]].concat()).expect(0).json();
        let stated = dry["disk"].as_u64().unwrap();
        small.leave(stated);
        run(&apply).expect(0);
        assert_same(&here, &dir.path().join("target"));
        run(&["rollback", "small/here"]).expect(0);
        assert!(installed(&here) == before);
        println!("files of {LARGE:?} bytes, {more:?}: apply and rollback with {stated} bytes of disk");
    }
}
