//! Random releases under random edits: the plan with what is remembered is the plan without, byte for byte.

mod common;

use common::{Numbers, cumulate, diff};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILES: usize = 5;
const LINES: usize = 16;

/// A release in a folder, and what was done to it.
struct Release {
    dir: PathBuf,
    numbers: Numbers,
    /// What all fixes so far make of the files.
    texts: Vec<String>,
    /// Ids in the order of the series.
    fixes: Vec<String>,
    made: usize,
    ordered: bool,
    done: Vec<String>,
}

fn put(at: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::write(at, text).unwrap();
}

fn path(f: usize) -> String {
    format!("d{}/f{f}.c", f % 2)
}

impl Release {
    fn new(dir: PathBuf, seed: u64) -> Self {
        let config =
            "[component]\nname = \"lamp\"\n[release]\nversion = \"2\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n";
        put(&dir.join("cumulate.toml"), config);
        let texts: Vec<String> = (0..FILES).map(|f| (0..LINES).map(|k| format!("line {f} {k}\n")).collect()).collect();
        texts.iter().enumerate().for_each(|(f, text)| put(&dir.join("base").join(path(f)), text));
        let ordered = !seed.is_multiple_of(3);
        let mut out =
            Self { dir, numbers: Numbers(seed), texts, fixes: Vec::new(), made: 0, ordered, done: Vec::new() };
        (0..6).for_each(|_| out.add());
        out.series();
        out
    }

    fn fix(&self, id: &str, end: &str) -> PathBuf {
        self.dir.join("fixes").join(format!("{id}{end}"))
    }

    fn series(&self) {
        if self.ordered {
            put(&self.fix("series", ""), self.fixes.iter().map(|id| format!("{id}\n")).collect::<String>());
        }
    }

    /// A fix that starts from what the others made.
    fn add(&mut self) {
        let (n, mut patch) = (self.made, format!("Subject: fix {}\n\n", self.made));
        for _ in 0..1 + self.numbers.below(3) {
            let f = self.numbers.below(FILES);
            let mut lines: Vec<String> = self.texts[f].split_inclusive('\n').map(str::to_owned).collect();
            let at = self.numbers.below(lines.len());
            match self.numbers.below(4) {
                0 => lines.insert(at, format!("call name_{}();\n", self.numbers.below(6))),
                1 if lines.len() > 8 => drop(lines.remove(at)),
                _ => lines[at] = format!("fix {n} name_{n}();\n"),
            }
            let new = lines.concat();
            patch += &diff(&path(f), &self.texts[f], &new);
            self.texts[f] = new;
        }
        let id = format!("F{n:02}");
        put(&self.fix(&id, ".patch"), patch);
        self.fixes.push(id);
        self.made += 1;
    }

    fn edit(&mut self) {
        let n = self.fixes.len();
        let which = self.numbers.below(n);
        let id = self.fixes[which].clone();
        let patch = self.fix(&id, ".patch");
        let done = match self.numbers.below(9) {
            0 | 1 => {
                self.add();
                "a fix came".to_owned()
            }
            2 if n > 3 => {
                fs::remove_file(&patch).unwrap();
                let _ = fs::remove_file(self.fix(&id, ".toml"));
                self.fixes.remove(which);
                format!("{id} is gone")
            }
            3 => {
                let other = self.numbers.below(n);
                self.fixes.swap(which, other);
                format!("{id} and {} changed places", self.fixes[which])
            }
            4 => {
                let text = fs::read_to_string(&patch).unwrap().replacen("Subject: ", "Subject: Re ", 1);
                put(&patch, text);
                format!("{id} has another title")
            }
            5 => {
                let other = &self.fixes[self.numbers.below(n)];
                let text = fs::read(self.fix(other, ".patch")).unwrap();
                put(&patch, text);
                format!("{id} is what {other} is")
            }
            6 => {
                let other = &self.fixes[self.numbers.below(n)];
                put(&self.fix(&id, ".toml"), format!("severity = \"high\"\nafter = [\"{other}\"]\n"));
                format!("{id} comes after {other}")
            }
            7 => {
                let file = self.dir.join("base").join(path(self.numbers.below(FILES)));
                let text = fs::read_to_string(&file).unwrap();
                put(&file, text.replacen("line", "LINE", 1 + self.numbers.below(2)));
                format!("{} is another one", file.display())
            }
            _ => {
                let file = self.dir.join("base").join(path(self.numbers.below(FILES)));
                put(&file, fs::read(&file).unwrap());
                format!("{} was written again", file.display())
            }
        };
        self.series();
        self.done.push(done);
    }

    /// Plans with what is remembered and without; whether there is a plan.
    fn same(&self) -> bool {
        let plan = |more: &[&str]| {
            let run = cumulate(&self.dir, &[&["plan", "--format", "json"], more].concat());
            (run.code, run.stdout, run.stderr)
        };
        let truth = plan(&["--no-cache"]);
        assert!(plan(&[]) == truth, "{}: {:?}", self.dir.display(), self.done);
        let text = |more: &[&str]| cumulate(&self.dir, &[&["plan"], more].concat()).stdout;
        assert!(text(&[]) == text(&["--no-cache"]), "{}: {:?}", self.dir.display(), self.done);
        truth.0 == 0
    }
}

#[test]
fn a_plan_from_what_is_remembered_is_the_plan_from_nothing_after_any_edits_of_any_release() {
    let dir = tempfile::tempdir().unwrap();
    let mut releases: Vec<Release> =
        (0..24).map(|seed| Release::new(dir.path().join(seed.to_string()), seed)).collect();
    let mut planned = 0;
    for round in 0..3 {
        // What was written a moment ago is read each time; from here on it is relied on.
        std::thread::sleep(Duration::from_millis(2_100));
        for release in &mut releases {
            planned += usize::from(release.same());
            for _ in 0..=round {
                release.edit();
            }
            // Of every other one, nobody plans before the edits are old.
            if release.made.is_multiple_of(2) {
                planned += usize::from(release.same());
            }
        }
    }
    std::thread::sleep(Duration::from_millis(2_100));
    planned += releases.iter().filter(|release| release.same()).count();
    assert!(planned > 40, "only {planned} had a plan at all");
}
