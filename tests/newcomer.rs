//! What somebody who knows nothing but the README tries: each test one story, told with the real binary.

mod common;

use common::{Run, copy, cumulate};
use std::fs;
use std::path::{Path, PathBuf};

/// A scratch folder with an unpacked 1.0.0 (`v0`), a release folder (`rel`) and a key pair (`release.*`).
struct Desk {
    dir: tempfile::TempDir,
}

fn files(dir: &Path, list: &[(&str, &str)]) {
    for (path, text) in list {
        fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
        fs::write(dir.join(path), text).unwrap();
    }
}

impl Desk {
    /// `config` is what the newcomer adds to `cumulate.toml`.
    fn new(v0: &[(&str, &str)], config: &str) -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        files(&desk.path("v0"), v0);
        fs::create_dir_all(desk.path("rel/fixes")).unwrap();
        let head = "[component]\nname = \"app\"\n[release]\nversion = \"1.0.1\"\nfrom = \"1.0.0\"\n";
        fs::write(desk.path("rel/cumulate.toml"), format!("{head}{config}")).unwrap();
        desk.run(&["base", "add", "1.0.0", "--from", "v0", "--dir", "rel"]).expect(0);
        desk.run(&["keygen", "--out", "release"]).expect(0);
        desk
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn run(&self, args: &[&str]) -> Run {
        cumulate(self.dir.path(), args)
    }
    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }
    fn build(&self) -> Run {
        self.run(&["build", "rel", "-o", "b.cup", "--key", "release.key", "--force"])
    }
}

const ETC: &str = "[[paths]]\nmatch = \"etc/*\"\nclass = \"config\"\n";

/// The site's edit of a config file must not matter to a file of code that happens to have the shipped content.
#[test]
fn an_edited_config_file_is_no_source_of_what_the_release_makes_of_it() {
    let text = "opt = 1\n".repeat(40);
    let desk = Desk::new(&[("bin/p", "1\n"), ("etc/a.conf", &text), ("etc/moved.conf", "m = 1\n")], ETC);
    copy(&desk.path("v0"), &desk.path("v1"));
    fs::rename(desk.path("v1/etc/moved.conf"), desk.path("v1/etc/renamed.conf")).unwrap();
    files(&desk.path("v1"), &[("lib/a.default", &text), ("lib/a.sample", &format!("{text}# end\n"))]);
    desk.run(&["import", "dir", "v0", "v1", "--id", "F1", "-o", "rel/fixes"]).expect(0);
    desk.build().expect(0);
    copy(&desk.path("v0"), &desk.path("inst"));
    files(&desk.path("inst"), &[("etc/a.conf", "opt = 9\n"), ("etc/moved.conf", "m = 9\n")]);
    desk.run(&["apply", "b.cup", "inst", "--pub", "release.pub"]).expect(0);
    assert_eq!(desk.read("inst/lib/a.default"), text);
    assert_eq!(desk.read("inst/etc/a.conf"), "opt = 9\n");
    assert_eq!(
        (desk.read("inst/etc/moved.conf"), desk.read("inst/etc/renamed.conf")),
        ("m = 9\n".into(), "m = 1\n".into())
    );
}
