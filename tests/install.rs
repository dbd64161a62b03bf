//! What users do to installations, and what the installer makes of it: each line one situation.

mod installing;

use cumulate::disk::{Disk, FaultPlan};
use cumulate::install::{AllowDrift, Condition, Options, Outcome, apply, memory, rollback, status};
use cumulate::report::{Code, ErrorCode};
use installing::*;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

fn base() -> World {
    world(&["bin/tool * tool 1", "lib/a = a 1", "lib/gone = old", "doc/readme = readme", "etc/app.conf = conf 1"])
}

fn target() -> World {
    world(&["bin/tool * tool 2", "lib/a = a 2", "lib/sub/new = new", "doc/readme = readme", "etc/app.conf = conf 2"])
}

fn classes() -> Vec<(&'static str, cumulate::bundle::Class)> {
    vec![("etc/app.conf", cumulate::bundle::Class::Config)]
}

fn made() -> Made {
    let mut older = base();
    older.insert("lib/a".into(), Node::File(b"a 0".into(), 0o644));
    older.insert("lib/b".into(), Node::File(b"b 0".into(), 0o644));
    Made::new("2.0", &[("1.0", &older), ("1.1", &base()), ("1.1-rebranded", &base())], &target(), &classes())
}

/// What a user has done to the folder before the apply.
type Edit = fn(&Path);

struct Line {
    situation: &'static str,
    edit: Edit,
    options: Options,
    expect: Expect,
}

enum Expect {
    /// Applied, with these files of the site's (or edits) there afterwards.
    Applied(&'static [&'static str]),
    NothingToDo,
    /// Refused with this code and exit code, the subject or message naming this; the folder is as it was.
    Refused(ErrorCode, u8, &'static str),
}

fn write(dir: &Path, path: &str, text: &str) {
    fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
    fs::write(dir.join(path), text).unwrap();
}

fn link(dir: &Path, target: &str, path: &str) {
    std::os::unix::fs::symlink(target, dir.join(path)).unwrap();
}

fn lines() -> Vec<Line> {
    use Expect::*;
    let line = |situation, edit: Edit, expect| Line { situation, edit, options: Options::default(), expect };
    let drift = Options { allow_drift: AllowDrift::Untouched, ..Options::default() };
    vec![
        line("a clean base", |_| (), Applied(&[])),
        line("files of the site's beside ours", |d| write(d, "lib/mine", "mine"), Applied(&["lib/mine = mine"])),
        line(
            "a site file in a folder that the target needs too",
            |d| write(d, "lib/sub/mine", "m"),
            Applied(&["lib/sub/mine = m"]),
        ),
        line(
            "a site file where the target creates one",
            |d| write(d, "lib/sub/new", "mine"),
            Refused(ErrorCode::Blocked, 5, "lib/sub/new"),
        ),
        line("the site has the very file that the target creates", |d| write(d, "lib/sub/new", "new"), Applied(&[])),
        line(
            "a site folder where the target creates a file",
            |d| write(d, "lib/sub/new/x", "mine"),
            Refused(ErrorCode::Blocked, 5, "lib/sub/new"),
        ),
        line(
            "a site file where the target needs a folder",
            |d| write(d, "lib/sub", "mine"),
            Refused(ErrorCode::Blocked, 5, "lib/sub"),
        ),
        line("a touched file was edited", |d| write(d, "lib/a", "mine"), Refused(ErrorCode::NoBase, 5, "lib/a")),
        line(
            "a touched file is missing",
            |d| fs::remove_file(d.join("lib/a")).unwrap(),
            Refused(ErrorCode::NoBase, 5, "lib/a (missing)"),
        ),
        line(
            "a touched file was edited, whatever is allowed",
            |d| write(d, "bin/tool", "mine"),
            Refused(ErrorCode::NoBase, 5, "bin/tool"),
        )
        .with(drift.clone()),
        line(
            "an untouched file was edited",
            |d| write(d, "doc/readme", "mine"),
            Refused(ErrorCode::Drift, 5, "doc/readme"),
        ),
        line(
            "an untouched file was edited, which is allowed",
            |d| write(d, "doc/readme", "mine"),
            Applied(&["doc/readme = mine"]),
        )
        .with(drift),
        line(
            "a folder on a touched path is a link",
            |d| {
                fs::rename(d.join("lib"), d.join("lib64")).unwrap();
                link(d, "lib64", "lib");
            },
            Refused(ErrorCode::Blocked, 5, "lib"),
        ),
        line(
            "the new folder is a link out of the installation",
            |d| link(d, "/tmp", "lib/sub"),
            Refused(ErrorCode::Blocked, 5, "lib/sub"),
        ),
        line(
            "a touched file is a link to the same content",
            |d| {
                fs::rename(d.join("lib/a"), d.join("lib/real")).unwrap();
                link(d, "real", "lib/a");
            },
            Refused(ErrorCode::NoBase, 5, "lib/a (a link to 'real')"),
        ),
        line(
            "the executable bit is gone",
            |d| Disk::real().chmod(&d.join("bin/tool"), 0o644).unwrap(),
            Refused(ErrorCode::NoBase, 5, "bin/tool"),
        ),
        line(
            "an edited config file",
            |d| write(d, "etc/app.conf", "mine"),
            Applied(&["etc/app.conf = mine", "etc/app.conf.new = conf 2"]),
        ),
        line("a config file that was taken over already", |d| write(d, "etc/app.conf", "conf 2"), Applied(&[])),
        line(
            "an edited config file, and a site file beside it",
            |d| {
                write(d, "etc/app.conf", "mine");
                write(d, "etc/app.conf.new", "mine too");
            },
            Applied(&["etc/app.conf = mine", "etc/app.conf.new = conf 2", "etc/app.conf.new.edited = mine too"]),
        ),
        line(
            "another product altogether",
            |d| {
                fs::remove_dir_all(d).unwrap();
                lay(d, &world(&["something = else"]));
            },
            Refused(ErrorCode::NoBase, 5, "no base matches"),
        ),
        line(
            "the target is there already",
            |d| {
                fs::remove_dir_all(d).unwrap();
                lay(d, &target());
            },
            NothingToDo,
        ),
        line(
            "the older base",
            |d| {
                write(d, "lib/a", "a 0");
                write(d, "lib/b", "b 0");
            },
            Applied(&[]),
        ),
        line("the wrong base is asked for", |_| (), Refused(ErrorCode::NoBase, 5, "lib/a"))
            .with(Options { base: Some("1.0".into()), ..Options::default() }),
        line("a base that nobody knows is asked for", |_| (), Refused(ErrorCode::Usage, 2, "0.9"))
            .with(Options { base: Some("0.9".into()), ..Options::default() }),
        line(
            "our own folder is something else",
            |d| write(d, ".cumulate", "mine"),
            Refused(ErrorCode::Blocked, 5, ".cumulate"),
        ),
        line("our own folder is a link", |d| link(d, "/tmp", ".cumulate"), Refused(ErrorCode::Blocked, 5, ".cumulate")),
    ]
}

impl Line {
    fn with(mut self, options: Options) -> Self {
        self.options = options;
        self
    }
}

/// Extended attributes of a file, for file systems that have them.
fn attribute(file: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 256];
    let read = rustix::fs::lgetxattr(file, name, &mut value[..]).ok()?;
    Some(value[..read].to_vec())
}

/// What a file has beside its content survives its replacement and comes back with it.
#[test]
fn attributes_access_lists_and_holes_are_kept() {
    use std::os::unix::fs::MetadataExt as _;
    let big = |text: &str| {
        let mut bytes = vec![0u8; 512 << 10];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes.extend(text.as_bytes());
        bytes
    };
    let [old, new] = ["one", "two"].map(|text| {
        let mut w = world(&[&format!("plain = {text}")]);
        w.insert("big".into(), Node::File(big(text), 0o640));
        w
    });
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    lay(dir, &old);
    let (plain, large) = (dir.join("plain"), dir.join("big"));
    let none = rustix::fs::XattrFlags::empty();
    rustix::fs::lsetxattr(&plain, "user.owner", b"dana", none).expect("a file system with attributes");
    // One named user beside owner, group and others (posix_acl_xattr.h): rw for user 1234.
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 6, 1234), (4, 4, u32::MAX), (0x10, 6, u32::MAX), (0x20, 4, u32::MAX)];
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, perm, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(perm.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let lists = rustix::fs::lsetxattr(&plain, "system.posix_acl_access", &list, none).is_ok();
    let punched = rustix::fs::fallocate(
        fs::OpenOptions::new().write(true).open(&large).unwrap(),
        rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE,
        4096,
        (512 << 10) - 4096,
    )
    .is_ok();
    let before = (attribute(&plain, "system.posix_acl_access"), fs::metadata(&large).unwrap().blocks());
    let made = Made::new("2", &[("1", &old)], &new, &[]);
    let options = Options { release_times: true, ..Options::default() };
    apply(&Disk::real(), dir, &made.release(), &options).unwrap();
    assert_eq!(tree_of(dir), tree(&new));
    assert_eq!(attribute(&plain, "user.owner").as_deref(), Some(&b"dana"[..]));
    assert_eq!(fs::metadata(&plain).unwrap().mtime(), 1_700_000_000, "the release's time");
    if lists {
        assert!(before.0.is_some());
        assert_eq!(attribute(&plain, "system.posix_acl_access"), before.0);
    }
    if punched {
        let blocks = fs::metadata(&large).unwrap().blocks();
        assert!(blocks * 512 < 64 << 10, "{blocks} blocks of a file of half a megabyte, {} before", before.1);
    }
    println!("access lists: {lists}, holes: {punched}");
    rollback(&Disk::real(), dir).unwrap();
    assert_eq!((tree_of(dir), attribute(&plain, "user.owner")), (tree(&old), Some(b"dana".to_vec())));
    assert_eq!((attribute(&plain, "system.posix_acl_access"), fs::metadata(&large).unwrap().blocks()), before);
}

#[test]
fn situations() {
    for line in lines() {
        let what = line.situation;
        let scratch = scratch();
        let dir = scratch.path().join("acme");
        lay(&dir, &base());
        (line.edit)(&dir);
        let before = listing(&dir);
        let done = apply(&Disk::real(), &dir, &made().release(), &line.options);
        match line.expect {
            Expect::Applied(extra) => {
                let applied = done.unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(applied.outcome, Outcome::Applied, "{what}");
                let mut expected = target();
                expected.extend(world(extra));
                assert_eq!(tree_of(&dir), tree(&expected), "{what}");
                let again = apply(&Disk::real(), &dir, &made().release(), &line.options);
                if line.options.allow_drift == AllowDrift::None {
                    assert_eq!(again.unwrap().outcome, Outcome::NothingToDo, "{what}, again");
                }
                rollback(&Disk::real(), &dir).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(listing(&dir), before, "{what}, rolled back");
            }
            Expect::NothingToDo => {
                assert_eq!(done.unwrap().outcome, Outcome::NothingToDo, "{what}");
                assert_eq!(listing(&dir), before, "{what}");
                assert!(!dir.join(".cumulate").exists(), "{what}");
            }
            Expect::Refused(code, exit, says) => {
                let e = done.expect_err(what);
                assert_eq!((e.code, e.exit()), (code, exit), "{what}: {e}");
                assert!(e.to_string().contains(says), "{what}: {e}");
                assert!(!e.next.is_empty(), "{what}: {e}");
                assert_eq!(listing(&dir), before, "{what}");
                let state = fs::symlink_metadata(dir.join(".cumulate"));
                assert!(!state.is_ok_and(|m| m.is_dir()), "{what}: something was written");
            }
        }
    }
}

#[test]
fn all_names_of_a_base_are_reported_and_a_dry_run_writes_nothing() {
    let dir = scratch();
    lay(dir.path(), &base());
    let before = listing(dir.path());
    let options = Options { dry_run: true, ..Options::default() };
    let done = apply(&Disk::real(), dir.path(), &made().release(), &options).unwrap();
    assert_eq!(done.outcome, Outcome::DryRun);
    assert_eq!(done.bases, ["1.1", "1.1-rebranded"]);
    let steps: Vec<String> = done.steps.iter().map(|s| format!("{} {}", s.what, s.path)).collect();
    assert_eq!(
        steps,
        ["folder lib/sub", "delta bin/tool", "full etc/app.conf", "delta lib/a", "full lib/sub/new", "delete lib/gone"]
    );
    let json = serde_json::to_value(&done).unwrap();
    assert_eq!(json["schema"], "cumulate.apply/1");
    assert_eq!(json["outcome"], "dry-run");
    assert_eq!(json["steps"][1]["do"], "delta");
    assert_eq!(listing(dir.path()), before);
    assert!(!dir.path().join(".cumulate").exists());
}

#[test]
fn modes_survive_and_the_executable_bit_is_the_targets() {
    let base = world(&["a = 1", "b = 1", "c * 1", "d * same"]);
    let target = world(&["a = 2", "b * 2", "c = 2", "d = same"]);
    let made = Made::new("2", &[("1", &base)], &target, &[]);
    let dir = scratch();
    lay(dir.path(), &base);
    let disk = Disk::real();
    for (file, mode) in [("a", 0o2640), ("b", 0o640), ("c", 0o4755), ("d", 0o700)] {
        disk.chmod(&dir.path().join(file), mode).unwrap();
    }
    let before = listing(dir.path());
    apply(&disk, dir.path(), &made.release(), &Options::default()).unwrap();
    let now = |file: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(dir.path().join(file)).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!([now("a"), now("b"), now("c"), now("d")], [0o2640, 0o750, 0o4644, 0o600]);
    rollback(&disk, dir.path()).unwrap();
    assert_eq!(listing(dir.path()), before);
}

#[test]
fn several_applies_are_rolled_back_one_by_one() {
    let worlds = [
        base(),
        target(),
        world(&["bin/tool * tool 3", "lib/sub/new = new 3", "doc/readme = readme", "etc/app.conf = conf 3"]),
        world(&["bin/tool * tool 4", "etc/app.conf = conf 3", "spool/"]),
    ];
    let dir = scratch();
    lay(dir.path(), &worlds[0]);
    write(dir.path(), "etc/app.conf", "edited");
    let mut listings = vec![listing(dir.path())];
    for (n, pair) in worlds.windows(2).enumerate() {
        let version = format!("{}.0", n + 2);
        let made = Made::new(&version, &[("before", &pair[0])], &pair[1], &classes());
        let done = apply(&Disk::real(), dir.path(), &made.release(), &Options::default()).unwrap();
        assert_eq!(done.outcome, Outcome::Applied);
        listings.push(listing(dir.path()));
    }
    // Our own older `.new` was replaced, the edit was kept throughout.
    assert_eq!(fs::read_to_string(dir.path().join("etc/app.conf")).unwrap(), "edited");
    assert_eq!(fs::read_to_string(dir.path().join("etc/app.conf.new")).unwrap(), "conf 3");
    let state = status(&Disk::real(), dir.path()).unwrap();
    assert_eq!(state.rollback.iter().map(|r| r.version.as_str()).collect::<Vec<_>>(), ["4.0", "3.0", "2.0"]);
    assert_eq!(state.config, [path("etc/app.conf")]);
    assert_eq!(state.beside, [path("etc/app.conf.new")]);
    assert_eq!((state.state, state.exit()), (Condition::Installed, 0));
    for left in (0..3).rev() {
        listings.pop();
        let done = rollback(&Disk::real(), dir.path()).unwrap();
        assert_eq!(done.left, left);
        assert_eq!(Some(&listing(dir.path())), listings.last());
    }
    let e = rollback(&Disk::real(), dir.path()).unwrap_err();
    assert_eq!((e.code, e.exit()), (ErrorCode::NoRollback, 5));
    assert_eq!(status(&Disk::real(), dir.path()).unwrap().state, Condition::None);
}

#[test]
fn edits_after_the_apply_are_drift_and_stop_a_rollback_until_they_are_put_back() {
    let dir = scratch();
    lay(dir.path(), &base());
    let before = listing(dir.path());
    apply(&Disk::real(), dir.path(), &made().release(), &Options::default()).unwrap();
    let applied = listing(dir.path());
    write(dir.path(), "lib/a", "edited");
    write(dir.path(), "doc/readme", "edited");
    write(dir.path(), "lib/gone", "there again");
    let edited = listing(dir.path());
    let state = status(&Disk::real(), dir.path()).unwrap();
    assert_eq!(state.exit(), 5);
    assert_eq!(state.drift.iter().map(|d| d.path.as_str()).collect::<Vec<_>>(), ["doc/readme", "lib/a"]);
    let e = rollback(&Disk::real(), dir.path()).unwrap_err();
    assert_eq!((e.code, e.exit()), (ErrorCode::Drift, 5));
    assert!(e.message.contains("lib/a (another content or mode)") && e.message.contains("lib/gone"), "{e}");
    assert!(!e.message.contains("doc/readme"), "a rollback does not touch it: {e}");
    assert_eq!(listing(dir.path()), edited);
    write(dir.path(), "lib/a", "a 2");
    write(dir.path(), "doc/readme", "readme");
    fs::remove_file(dir.path().join("lib/gone")).unwrap();
    assert_eq!(listing(dir.path()).len(), applied.len());
    rollback(&Disk::real(), dir.path()).unwrap();
    assert_eq!(tree_of(dir.path()), tree(&base()));
    assert_eq!(listing(dir.path())["lib/a"], before["lib/a"]);
}

#[test]
fn a_second_installer_is_told_that_the_first_is_at_work() {
    let dir = scratch();
    lay(dir.path(), &base());
    let disk = Disk::real();
    let _first = disk.lock(dir.path()).unwrap();
    let e = apply(&disk, dir.path(), &made().release(), &Options::default()).unwrap_err();
    assert_eq!((e.code, e.exit()), (ErrorCode::Locked, 7));
    assert_eq!(rollback(&disk, dir.path()).unwrap_err().exit(), 7);
    assert_eq!(status(&disk, dir.path()).unwrap().state, Condition::Busy);
}

#[test]
fn an_older_release_is_refused_unless_told_otherwise_even_after_a_rollback() {
    let dir = scratch();
    lay(dir.path(), &base());
    let disk = Disk::real();
    let go = |made: Made, options: &Options| apply(&disk, dir.path(), &made.release(), options);
    let remembering = Options { trust: Some("a policy".into()), ..Options::default() };
    go(made().sequence(7), &remembering).unwrap();
    rollback(&disk, dir.path()).unwrap();
    let remembered = memory(dir.path()).unwrap();
    assert_eq!(remembered.sequences["acme"], 7);
    assert_eq!(remembered.trust.as_deref(), Some("a policy"));
    let before = listing(dir.path());
    for old in [made().sequence(6), made()] {
        let e = go(old, &Options::default()).unwrap_err();
        assert_eq!((e.code, e.exit()), (ErrorCode::Downgrade, 4));
    }
    assert_eq!(listing(dir.path()), before);
    go(made().sequence(6), &Options { allow_downgrade: true, ..Options::default() }).unwrap();
    assert_eq!(memory(dir.path()).unwrap().sequences["acme"], 7);
    assert_eq!(memory(dir.path()).unwrap().trust.as_deref(), Some("a policy"));
}

#[test]
fn a_delta_that_lies_is_noticed_before_anything_changes() {
    let dir = scratch();
    lay(dir.path(), &base());
    let before = listing(dir.path());
    let made = Made::new("2", &[("1.1", &base())], &target(), &[]);
    made.damage();
    let e = apply(&Disk::real(), dir.path(), &made.release(), &Options::default()).unwrap_err();
    assert_eq!((e.code, e.exit()), (ErrorCode::BadDelta, 3));
    assert_eq!(listing(dir.path()), before);
    assert!(!dir.path().join(".cumulate").exists(), "even our own folder is gone again");
}

#[test]
fn other_bytes_on_the_disk_than_were_written_are_noticed_before_anything_changes() {
    let dir = scratch();
    lay(dir.path(), &base());
    let before = listing(dir.path());
    let made = Made::new("2", &[("1.1", &base())], &target(), &[]);
    // As if one byte changed on its way to the disk: the delta makes the promised bytes when it is asked again.
    let (mut release, once) = (made.release(), AtomicBool::new(true));
    let decode = std::mem::replace(&mut release.decode, Box::new(|_, _, _, _, _| Ok(())));
    release.decode = Box::new(move |route, slice, old, size, out| {
        let other = once.swap(false, Ordering::SeqCst);
        decode(route, slice, old, size, &mut |bytes| {
            let mut bytes = bytes.into_owned();
            bytes[0] ^= u8::from(other);
            out(bytes.into())
        })
    });
    let e = apply(&Disk::real(), dir.path(), &release, &Options::default()).unwrap_err();
    assert_eq!((e.code, e.exit()), (ErrorCode::Io, 6), "{e}");
    assert_eq!(listing(dir.path()), before);
    assert!(!dir.path().join(".cumulate").exists(), "even our own folder is gone again");
}

#[test]
fn bases_of_two_tracks_with_one_content_have_to_be_told_apart() {
    let one = Made::new("2", &[("linux", &base())], &target(), &[]);
    let mut other_target = target();
    other_target.insert("lib/a".into(), Node::File(b"other".into(), 0o644));
    let mut two = Made::new("2", &[("musl", &base())], &other_target, &[]);
    two.routes.extend(one.routes);
    let dir = scratch();
    lay(dir.path(), &base());
    let dry = |base: Option<&str>| {
        let options = Options { dry_run: true, base: base.map(Into::into), ..Options::default() };
        apply(&Disk::real(), dir.path(), &two.release(), &options)
    };
    let e = dry(None).unwrap_err();
    assert_eq!(e.code, ErrorCode::NoBase);
    assert!(e.subject.contains("musl, linux") && e.next.contains("--base"), "{e}");
    assert_eq!(dry(Some("linux")).unwrap().target, tree(&target()).digest());
}

#[test]
fn kept_config_and_accepted_drift_are_reported() {
    let dir = scratch();
    lay(dir.path(), &base());
    write(dir.path(), "etc/app.conf", "mine");
    write(dir.path(), "doc/readme", "mine");
    let options = Options { allow_drift: AllowDrift::Untouched, ..Options::default() };
    let done = apply(&Disk::real(), dir.path(), &made().release(), &options).unwrap();
    let codes: Vec<(Code, &str)> = done.findings.iter().map(|f| (f.code, f.subject.as_str())).collect();
    assert_eq!(codes, [(Code::Drifted, "doc/readme"), (Code::ConfigKept, "etc/app.conf")]);
}

#[test]
fn damaged_records_are_named_and_nothing_is_touched() {
    let dir = scratch();
    lay(dir.path(), &base());
    apply(&Disk::real(), dir.path(), &made().release(), &Options::default()).unwrap();
    let state = dir.path().join(".cumulate");
    let now = listing(dir.path());
    for (file, text, code) in [
        ("installed", "cumulate-state 1 sha256:00\n{}\n", ErrorCode::BadState),
        ("installed", "cumulate-state 9 sha256:00\n{}\n", ErrorCode::UnknownFormat),
        ("releases/000001.record", "", ErrorCode::BadState),
        ("backup/000001/00000001", "another tool", ErrorCode::BadState),
    ] {
        let path = state.join(file);
        let kept = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let e = rollback(&Disk::real(), dir.path()).unwrap_err();
        assert_eq!(e.code, code, "{file}: {e}");
        assert!(e.subject.ends_with(file), "{e}");
        assert_eq!(listing(dir.path()), now);
        fs::write(&path, kept).unwrap();
    }
    rollback(&Disk::real(), dir.path()).unwrap();
}

#[test]
fn a_full_disk_is_seen_before_anything_is_written() {
    let dir = scratch();
    lay(dir.path(), &base());
    let mut made = made();
    let free = Disk::real().free_space(dir.path()).unwrap();
    let huge = |entry: &mut Option<cumulate::tree::Entry>| {
        if let Some(cumulate::tree::Entry::File { size, .. }) = entry {
            *size = free;
        }
    };
    for route in &mut made.routes {
        for step in &mut route.steps {
            huge(&mut step.after);
        }
    }
    let before = listing(dir.path());
    let e = apply(&Disk::real(), dir.path(), &made.release(), &Options::default()).unwrap_err();
    assert_eq!((e.code, e.exit()), (ErrorCode::NoSpace, 6));
    assert_eq!(listing(dir.path()), before);
    assert!(!dir.path().join(".cumulate").exists());
}

/// Rolling back code must not hang on somebody's edit of a config file, nor lose it.
#[test]
fn a_config_edit_after_the_apply_is_set_aside_by_a_rollback() {
    let dir = scratch();
    lay(dir.path(), &base());
    apply(&Disk::real(), dir.path(), &made().release(), &Options::default()).unwrap();
    for (n, aside) in ["etc/app.conf.edited", "etc/app.conf.edited.2"].into_iter().enumerate() {
        write(dir.path(), "etc/app.conf", &format!("mine {n}"));
        let done = rollback(&Disk::real(), dir.path()).unwrap();
        assert_eq!(done.kept, [path(aside)]);
        assert_eq!(fs::read_to_string(dir.path().join(aside)).unwrap(), format!("mine {n}"));
        let mut back = tree_of(dir.path());
        back.entries.retain(|p, _| !p.as_str().contains(".edited"));
        assert_eq!(back, tree(&base()), "everything else is exactly as before");
        apply(&Disk::real(), dir.path(), &made().release(), &Options::default()).unwrap();
    }
    fs::remove_file(dir.path().join("etc/app.conf")).unwrap();
    assert!(rollback(&Disk::real(), dir.path()).unwrap().kept.is_empty());
    assert!(dir.path().join("etc/app.conf").exists(), "deleting it does not stop a rollback either");
}

/// Stopped after any disk operation, the edit is whole in one of its two places and the rollback can be finished.
#[test]
fn a_rollback_that_sets_an_edit_aside_can_be_stopped_anywhere() {
    for at in 0.. {
        let dir = scratch();
        lay(dir.path(), &base());
        apply(&Disk::real(), dir.path(), &made().release(), &Options::default()).unwrap();
        write(dir.path(), "etc/app.conf", "mine");
        let stopped = rollback(&Disk::with_faults(FaultPlan::stop_after(at)), dir.path());
        let read = |p: &str| fs::read_to_string(dir.path().join(p)).ok();
        let whole = [read("etc/app.conf"), read("etc/app.conf.edited")].contains(&Some("mine".into()));
        assert!(whole, "the edit is lost after {at} operations");
        if stopped.is_ok() {
            assert!(at > 3, "there was something to stop");
            return;
        }
        let restoring = status(&Disk::real(), dir.path()).unwrap().state == Condition::Interrupted;
        let finished = rollback(&Disk::real(), dir.path());
        assert!(finished.is_ok(), "after {at} operations (interrupted: {restoring}): {finished:?}");
        let mut back = tree_of(dir.path());
        back.entries.retain(|p, _| !p.as_str().contains(".edited"));
        assert_eq!(back, tree(&base()), "after {at} operations");
    }
}

#[test]
fn a_drifted_installation_of_this_very_release_is_told_so() {
    let dir = scratch();
    lay(dir.path(), &base());
    apply(&Disk::real(), dir.path(), &made().release(), &Options::default()).unwrap();
    write(dir.path(), "lib/a", "edited");
    let e = apply(&Disk::real(), dir.path(), &made().release(), &Options::default()).unwrap_err();
    assert_eq!((e.code, e.exit()), (ErrorCode::Drift, 5));
    assert!(e.message.contains("is installed already, but 1 path(s) changed since: lib/a"), "{e}");
}

#[test]
fn a_later_release_with_the_same_target_is_recorded_and_can_be_rolled_back() {
    let dir = scratch();
    lay(dir.path(), &base());
    let disk = Disk::real();
    let go = |made: Made, dry_run| {
        apply(&disk, dir.path(), &made.release(), &Options { dry_run, ..Options::default() }).unwrap()
    };
    let of_target =
        |version: &str, sequence| Made::new(version, &[("1.1", &base())], &target(), &[]).sequence(sequence);
    go(of_target("2.0", 7), false);
    let files = listing(dir.path());
    let name = |s: &cumulate::install::Status| s.installed.as_ref().map(|r| (r.version.clone(), r.base.clone()));

    let dry = go(of_target("2.1", 8), true);
    assert_eq!((dry.outcome, dry.steps.len()), (Outcome::DryRun, 0));
    assert_eq!(listing(dir.path()), files, "a dry run writes nothing");
    let done = go(of_target("2.1", 8), false);
    assert_eq!((done.outcome, done.steps.len()), (Outcome::Recorded, 0));
    assert_eq!(tree_of(dir.path()), tree(&target()));
    let now = status(&disk, dir.path()).unwrap();
    assert_eq!(name(&now), Some(("2.1".into(), "2.0".into())));
    assert_eq!((now.sequence, now.drift.len()), (Some(8), 0));
    assert_eq!(memory(dir.path()).unwrap().sequences["acme"], 8);

    assert_eq!(go(of_target("2.1", 8), false).outcome, Outcome::NothingToDo);
    let older = apply(&disk, dir.path(), &of_target("2.0", 7).release(), &Options::default()).unwrap_err();
    assert_eq!(older.code, ErrorCode::Downgrade);

    rollback(&disk, dir.path()).unwrap();
    assert_eq!(name(&status(&disk, dir.path()).unwrap()), Some(("2.0".into(), "1.1".into())));
    rollback(&disk, dir.path()).unwrap();
    assert_eq!(tree_of(dir.path()), tree(&base()));
}

/// Hard links: what a name of a file becomes says nothing about its other names, and going back joins them again.
#[test]
fn nothing_is_written_through_hard_links_and_a_rollback_joins_them_again() {
    use std::os::unix::fs::MetadataExt as _;
    let old = world(&["a = one", "b = one", "c = one", "d = one"]);
    let new = world(&["a = two", "b = two", "c = one", "d * one"]);
    let made = Made::new("2", &[("1", &old)], &new, &[]);
    for in_place in [false, true] {
        let dir = scratch();
        let dir = dir.path();
        lay(dir, &old);
        for name in ["b", "c", "d", "site"] {
            let _ = fs::remove_file(dir.join(name));
            fs::hard_link(dir.join("a"), dir.join(name)).unwrap();
        }
        let before = listing(dir);
        let options = Options { in_place, ..Options::default() };
        apply(&Disk::real(), dir, &made.release(), &options).unwrap();
        let mut wanted = new.clone();
        wanted.insert("site".into(), Node::File(b"one".to_vec(), 0o644));
        assert_eq!(tree_of(dir), tree(&wanted));
        let node = |name: &str| fs::metadata(dir.join(name)).unwrap().ino();
        assert!(node("a") != node("b") && node("c") == node("site") && node("d") != node("c"));
        rollback(&Disk::real(), dir).unwrap();
        assert_eq!(listing(dir), before);
        assert!(["b", "c", "d", "site"].iter().all(|name| node(name) == node("a")), "in place: {in_place}");
    }
}

/// What is kept of a file that was replaced in place needs what is installed; that is told, and nothing is lost.
#[test]
fn a_file_replaced_in_place_and_changed_since_is_not_rolled_back() {
    let [old, new] = ["one", "two"].map(|t| world(&[&format!("f = {}{t}", "text ".repeat(500)), "g = same"]));
    let made = Made::new("2", &[("1", &old)], &new, &[]);
    let dir = scratch();
    let dir = dir.path();
    lay(dir, &old);
    let options = Options { in_place: true, ..Options::default() };
    assert_eq!(apply(&Disk::real(), dir, &made.release(), &options).unwrap().in_place, 1);
    let kept = dir.join(".cumulate/backup/000001/00000000");
    assert!(fs::metadata(&kept).unwrap().len() < 100, "only what the new file lacks is kept");
    let installed = fs::read(dir.join("f")).unwrap();
    write(dir, "f", "edited");
    for set_aside in [false, true] {
        let options = cumulate::install::RollbackOptions { set_aside, ..Default::default() };
        let e = cumulate::install::rollback_with(&Disk::real(), dir, &options).unwrap_err();
        assert_eq!(e.code, ErrorCode::Drift, "{e}");
        assert_eq!(fs::read(dir.join("f")).unwrap(), b"edited");
    }
    fs::write(dir.join("f"), installed).unwrap();
    let whole = fs::read(&kept).unwrap();
    fs::write(&kept, [&whole[..whole.len() - 8], b"xxxxxxxx"].concat()).unwrap();
    assert_eq!(rollback(&Disk::real(), dir).unwrap_err().code, ErrorCode::BadState);
    fs::write(&kept, whole).unwrap();
    rollback(&Disk::real(), dir).unwrap();
    assert_eq!(tree_of(dir), tree(&old));
}

/// Two names that a file system takes for one are refused before anything is written.
#[test]
#[ignore = "needs root, and ntfs-3g for a file system that ignores case"]
fn names_that_a_file_system_takes_for_one_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let (image, at) = (scratch.path().join("image"), scratch.path().join("at"));
    fs::create_dir(&at).unwrap();
    fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    let run = |program: &str, args: &[&std::ffi::OsStr]| {
        std::process::Command::new(program).args(args).output().is_ok_and(|out| out.status.success())
    };
    let made = run("mkntfs", &["-q".as_ref(), "-F".as_ref(), image.as_ref()]);
    if !made || !run("lowntfs-3g", &["-o".as_ref(), "ignore_case,fmask=0133".as_ref(), image.as_ref(), at.as_ref()]) {
        eprintln!("NOT RUN: no file system that ignores case can be mounted here (root, ntfs-3g)");
        return;
    }
    let cases: [(&[&str], &[&str], bool); 4] = [
        (&["README = 1"], &["README = 1", "readme = 2"], false),
        (&["README = 1"], &["readme = 1"], false),
        (&["lib/x = 1"], &["lib/x = 1", "lib/New = 2", "lib/nEW = 3"], false),
        (&["lib/x = 1"], &["lib/x = 2", "lib/new = 2", "other/new = 3"], true),
    ];
    let outcome = std::panic::catch_unwind(|| {
        for (n, (old, new, fine)) in cases.into_iter().enumerate() {
            let dir = at.join(n.to_string());
            fs::create_dir(&dir).unwrap();
            lay(&dir, &world(old));
            let before = tree_of(&dir);
            let made = Made::new("2", &[("1", &world(old))], &world(new), &[]);
            for dry_run in [true, false] {
                let options = Options { dry_run, ..Options::default() };
                let done = apply(&Disk::real(), &dir, &made.release(), &options);
                if fine {
                    done.unwrap();
                    continue;
                }
                let e = done.unwrap_err();
                assert_eq!((e.code, e.exit()), (ErrorCode::Unsupported, 6), "{old:?} {new:?}: {e}");
                assert_eq!(tree_of(&dir), before);
                assert!(!dir.join(".cumulate").exists());
            }
            if fine {
                assert_eq!(tree_of(&dir), tree(&world(new)));
                rollback(&Disk::real(), &dir).unwrap();
                assert_eq!(tree_of(&dir), before);
            }
        }
        // Letters beyond a-z are tried in the staging folder.
        let (dir, old) = (at.join("late"), world(&["x = 1"]));
        fs::create_dir(&dir).unwrap();
        lay(&dir, &old);
        let made = Made::new("2", &[("1", &old)], &world(&["x = 1", "\u{c4} = 2", "\u{e4} = 3"]), &[]);
        let e = apply(&Disk::real(), &dir, &made.release(), &Options::default()).unwrap_err();
        assert_eq!((e.code, tree_of(&dir)), (ErrorCode::Unsupported, tree(&old)), "{e}");
        assert!(e.to_string().contains('\u{c4}') && e.to_string().contains('\u{e4}'), "{e}");
        assert!(!dir.join(".cumulate").exists());
        assert_eq!(status(&Disk::real(), &dir).unwrap().state, Condition::None);
    });
    assert!(run("umount", &[at.as_ref()]));
    outcome.unwrap();
}
