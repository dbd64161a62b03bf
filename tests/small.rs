//! The small installer as it is shipped: built as the README says, and used where there is nothing else.

mod common;

use common::{assert_same, copy, cumulate, exact};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes that it may have at most.
const MOST: u64 = 2_500_000;
const TARGET: &str = "x86_64-unknown-linux-musl";

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--profile", "small", "--target", TARGET])
        .args(["--no-default-features", "--features", "apply", "--bin", "cumulate-apply"])
        .current_dir(root)
        .status()
        .unwrap();
    assert!(built.success(), "it has to build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join(TARGET).join("small/cumulate-apply")
}

/// Runs it with `root` as the whole file system; needs the right to, which user namespaces give too.
fn alone(root: &Path, args: &[&str], code: i32) -> String {
    let privileged = rustix::process::getuid().is_root();
    let mut command = Command::new(if privileged { "/usr/sbin/chroot" } else { "/usr/bin/unshare" });
    if !privileged {
        command.args(["-r", "/usr/sbin/chroot"]);
    }
    let out = command.arg(root).arg("/cumulate-apply").args(args).env_clear().output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(code), "{args:?}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

#[test]
#[ignore = "builds the installer with link-time optimisation: minutes; needs the musl target and musl-gcc"]
fn the_small_installer_is_small_static_and_does_the_whole_job_alone() {
    let program = build();
    let size = fs::metadata(&program).unwrap().len();
    println!("cumulate-apply: {size} bytes");
    assert!(size <= MOST, "{size} bytes are more than {MOST}");
    let ldd = Command::new("ldd").arg(&program).output().unwrap();
    let said = String::from_utf8_lossy(&ldd.stdout) + String::from_utf8_lossy(&ldd.stderr);
    assert!(said.contains("statically linked") || said.contains("not a dynamic executable"), "{said}");

    let scratch = tempfile::tempdir().unwrap();
    let work = scratch.path();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo");
    copy(&demo, &work.join("lantern"));
    cumulate(work, &["keygen", "--out", "release"]).expect(0);
    cumulate(work, &["build", "lantern", "-o", "lantern.cup", "--key", "release.key", "--no-cache"]).expect(0);
    let root = work.join("root");
    fs::create_dir(&root).unwrap();
    for (from, to) in [
        (program.as_path(), "cumulate-apply"),
        (&work.join("lantern.cup"), "lantern.cup"),
        (&work.join("release.pub"), "release.pub"),
    ] {
        fs::copy(from, root.join(to)).unwrap();
    }
    copy(&work.join("lantern/bases/1.0.1"), &root.join("installed"));
    copy(&root.join("installed"), &work.join("beside"));
    // What cumulate remembers for ever, whom it trusts, is no part of the installation.
    let own = |(path, _): &(PathBuf, _)| !path.starts_with(".cumulate");
    let look = || exact(&root.join("installed")).into_iter().filter(own).collect::<Vec<_>>();
    let before = look();

    alone(&root, &["verify", "/lantern.cup"], 4);
    assert!(alone(&root, &["verify", "/lantern.cup", "--pub", "/release.pub"], 0).contains("verified"));
    let applied = alone(&root, &["apply", "/lantern.cup", "/installed", "--pub", "/release.pub"], 0);
    assert!(applied.contains("is at lantern 1.0.3 now"), "{applied}");
    cumulate(work, &["apply", "lantern.cup", "beside", "--pub", "release.pub"]).expect(0);
    assert_same(&root.join("installed"), &work.join("beside"));
    assert!(alone(&root, &["status", "/installed"], 0).contains("every file is as it was installed"));
    // Advice is in its own name, and of what it has.
    let intact = fs::read(root.join("installed/include/lantern.h")).unwrap();
    fs::write(root.join("installed/include/lantern.h"), "edited").unwrap();
    assert!(alone(&root, &["status", "/installed"], 5).contains("right: cumulate-apply doctor FILE.cup /installed"));
    fs::write(root.join("installed/include/lantern.h"), intact).unwrap();
    for verb in ["verify", "apply", "doctor", "rollback", "status"] {
        let help = alone(&root, &[verb, "--help"], 0);
        assert!(help.contains(&format!("cumulate-apply {verb} ")) && !help.contains("cumulate "), "{help}");
        assert!(!help.contains("--bases") && !help.contains("merge"), "{help}");
    }
    alone(&root, &["rollback", "/installed"], 0);
    assert_eq!(look(), before);
    alone(&root, &["build", "/lantern"], 2);
}
