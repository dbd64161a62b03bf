//! Listings that hold only the beginnings of digests: nothing is written on their word alone.

mod support;

use cumulate::bundle::{self, Bundle};
use cumulate::disk::Disk;
use cumulate::install::{self, AllowDrift, Applied, Condition, Options, Release};
use cumulate::report::{Error, ErrorCode};
use cumulate::tree::{Entry, SourceOptions, read_source};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use support::forge::Forge;

/// An installation of the golden base 1.0.
fn installed(dir: &Path) {
    for (name, text) in support::BASE_1 {
        let path = dir.join(name.trim_end_matches('*'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
            None => fs::write(&path, text).unwrap(),
        }
        if name.ends_with('*') {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

fn forged(change: impl FnOnce(&mut Forge)) -> (tempfile::TempDir, Bundle) {
    let (package, blobs) = support::golden().package();
    let mut forge = Forge::of(&package, &blobs);
    change(&mut forge);
    let dir = tempfile::tempdir().unwrap();
    forge.write(dir.path());
    let bundle = bundle::open(dir.path()).unwrap().accept_unsigned().unwrap();
    (dir, bundle)
}

fn apply(bundle: &Bundle, dir: &Path, drift: AllowDrift) -> Result<Applied, Error> {
    let options = Options { allow_drift: drift, ..Options::default() };
    install::apply(&Disk::real(), dir, &Release::of(bundle)?, &options)
}

#[test]
fn a_file_that_no_step_touches_is_brief_and_proved_beside_the_installation() {
    let (_at, bundle) = forged(|_| {});
    let listed = bundle.listing("1.0").unwrap();
    let same = listed.entries.iter().find(|(p, _)| p.as_str() == "share/same").unwrap().1;
    assert!(matches!(same, Entry::Brief { .. }), "{same:?}");
    assert!(!listed.is_whole());
    let dir = tempfile::tempdir().unwrap();
    installed(dir.path());
    apply(&bundle, dir.path(), AllowDrift::None).unwrap();
    let (target, _) = support::tree(support::TARGET);
    assert_eq!(read_source(dir.path(), &SourceOptions::default()).unwrap().tree.digest(), target.digest());
    let status = install::status(&Disk::real(), dir.path()).unwrap();
    assert_eq!((status.state, status.drift.len()), (Condition::Installed, 0));
    // What is recorded is whole: a later change shows whatever its digest begins with.
    fs::write(dir.path().join("share/same"), "not the same\n").unwrap();
    let status = install::status(&Disk::real(), dir.path()).unwrap();
    assert_eq!(status.drift[0].path.as_str(), "share/same");
}

#[test]
fn drift_is_named_and_where_it_is_accepted_it_is_still_known() {
    let (_at, bundle) = forged(|_| {});
    let dir = tempfile::tempdir().unwrap();
    installed(dir.path());
    let same = dir.path().join("share/same");
    fs::write(&same, "changed by the site\n").unwrap();
    let e = apply(&bundle, dir.path(), AllowDrift::None).unwrap_err();
    assert_eq!(e.code, ErrorCode::Drift);
    assert!(e.message.contains("share/same"), "{e}");
    apply(&bundle, dir.path(), AllowDrift::Untouched).unwrap();
    let drift = || install::status(&Disk::real(), dir.path()).unwrap().drift;
    assert_eq!(drift()[0].path.as_str(), "share/same");
    fs::write(&same, "the same in all\n").unwrap();
    assert!(drift().is_empty(), "the released file is recognised by the beginning of its digest");
    install::rollback(&Disk::real(), dir.path()).unwrap();
}

/// A publisher's listing may say what it likes: what is not the signed tree is refused before the first write.
#[test]
fn a_listing_that_lies_leads_to_no_write() {
    type Lie = (&'static str, ErrorCode, fn(&mut Forge));
    let lies: [Lie; 4] = [
        ("another beginning of a digest", ErrorCode::Drift, |f| {
            f.change_listing(|plain, _| *plain.last_mut().unwrap() ^= 1);
        }),
        ("another base's digest", ErrorCode::NoBase, |f| {
            f.bases[0]["before"]["tree"] = format!("sha256:{:064}", 7).into();
        }),
        ("another target's digest", ErrorCode::BadBundle, |f| {
            let other = format!("sha256:{:064}", 7);
            f.root["tracks"][0]["target"]["tree"] = other.as_str().into();
            f.bases.iter_mut().for_each(|b| b["after"]["tree"] = other.as_str().into());
        }),
        ("another digest of a file that is made", ErrorCode::BadBundle, |f| {
            f.change_listing(|plain, _| plain[40] ^= 1);
        }),
    ];
    for (name, code, lie) in lies {
        let (_at, bundle) = forged(lie);
        let dir = tempfile::tempdir().unwrap();
        installed(dir.path());
        // Only the base that is installed here: the other one is told apart by what it has itself.
        let options = Options { base: Some("1.0".into()), ..Options::default() };
        let e = install::apply(&Disk::real(), dir.path(), &Release::of(&bundle).unwrap(), &options).unwrap_err();
        assert_eq!(e.code, code, "{name}: {e}");
        assert!(!dir.path().join(".cumulate").exists(), "{name}: nothing was written");
        let (base, _) = support::tree(support::BASE_1);
        assert_eq!(read_source(dir.path(), &SourceOptions::default()).unwrap().tree, base, "{name}");
    }
}
