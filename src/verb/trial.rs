//! One run of a test command in a folder, and the comparison of two: what `vet` rests on.

use crate::process::{start, words};
use crate::report::{Error, ErrorCode, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What is read of a command's output to find its tests, in bytes.
const MAX_OUTPUT: u64 = 16 << 20;
/// What is shown of its end, in bytes.
const TAIL: u64 = 2 << 10;
/// Longest name of a test in characters.
const NAME: usize = 120;

/// Names of what is no test of the command's own: how it ended, whether it ended in time, whether all tests ran.
const STATUS: &str = "exit status";
const IN_TIME: &str = "in time";
const PLAN: &str = "plan";

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// `exit 0`, `signal 9`, `out of time`.
    pub end: String,
    /// Every test by name; the command's exit status is one of them, or that it did not end in time.
    #[serde(skip)]
    pub tests: BTreeMap<String, Ended>,
    /// The last lines of its output.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Passed,
    Failed,
    /// It was skipped, or nobody expects it to pass yet: TAP's SKIP and TODO.
    Excused,
}

impl Ended {
    fn of(ok: bool) -> Self {
        if ok { Self::Passed } else { Self::Failed }
    }
}

/// Names of tests by how they ended in the target, compared with the base.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    pub passed: Vec<String>,
    /// They fail, and fail in the base too.
    pub warned: Vec<String>,
    /// They fail, and do not fail in the base; or they pass there and are gone.
    pub failed: Vec<String>,
    /// They were skipped, or need not pass yet.
    pub excused: Vec<String>,
}

impl Compared {
    /// How many tests passed: of a command that names its tests those, of any other its exit status.
    pub fn count(&self) -> usize {
        let names_tests = [&self.passed, &self.warned, &self.failed].iter().any(|l| l.iter().any(|n| n == PLAN));
        let own = |n: &&String| names_tests && [STATUS, PLAN].contains(&n.as_str());
        self.passed.iter().filter(|n| !own(n)).count()
    }
}

/// Runs a command with `dir` as its working folder, nothing on its standard input, and its output in
/// the file `log`; `side` is what `CUMULATE_SIDE` tells it. It is killed with its group after `limit`.
///
/// # Errors
/// `gate-broken` if it cannot be started, `io`.
pub fn trial(command: &[String], dir: &Path, side: &str, log: &Path, limit: Duration) -> Result<Trial> {
    let io = |e: std::io::Error| Error::io(log.display(), &e);
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::new(ErrorCode::Usage, "vet", "there is no command to run").next("give it behind --"));
    };
    let mut out = File::options().read(true).write(true).create_new(true).open(log).map_err(io)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(dir)
        .env("CUMULATE_SIDE", side)
        .stdin(Stdio::null())
        .stdout(out.try_clone().map_err(io)?)
        .stderr(out.try_clone().map_err(io)?);
    let child = start(&mut command).map_err(|e| {
        Error::new(ErrorCode::GateBroken, program, format!("the test command cannot be started: {e}"))
            .next("give a program of PATH or an absolute path; a relative one is looked for in the copy")
    })?;
    let status = child.wait(limit).map_err(io)?;
    let length = out.seek(SeekFrom::End(0)).map_err(io)?;
    let mut read = |from: u64, most: u64| -> Result<String> {
        let mut bytes = Vec::new();
        out.seek(SeekFrom::Start(from)).map_err(io)?;
        (&out).take(most).read_to_end(&mut bytes).map_err(io)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let mut tests = tap(&read(0, MAX_OUTPUT)?);
    let passed = status.is_some_and(|s| s.success());
    let (name, ended) = if status.is_some() { (STATUS, Ended::of(passed)) } else { (IN_TIME, Ended::Failed) };
    tests.insert(name.into(), ended);
    let tail = if passed { String::new() } else { read(length.saturating_sub(TAIL), TAIL)? };
    Ok(Trial { end: words(status), tests, tail })
}

/// The tests of a command that speaks TAP (<https://testanything.org>): its lines count only beside a plan. Several
/// programs may speak one after the other, each with its plan; what stands indented is part of the test below it.
fn tap(text: &str) -> BTreeMap<String, Ended> {
    let mut tests = BTreeMap::new();
    let (mut planned, mut seen) = (None::<u64>, 0u64);
    let mut bailed = false;
    for line in text.lines() {
        if let Some((n, skips)) = plan(line) {
            planned = Some(planned.unwrap_or(0).saturating_add(n));
            if n == 0 && skips {
                tests.insert(unused(&tests, "all tests".into(), seen), Ended::Excused);
            }
            continue;
        }
        bailed |= line.starts_with("Bail out!");
        let (ok, rest) = match (line.strip_prefix("ok"), line.strip_prefix("not ok")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => continue,
        };
        // A bare word behind the last test is what a harness such as prove says of the whole file.
        let bare = rest.trim().is_empty() && planned == Some(seen);
        if bare || (!rest.is_empty() && !rest.starts_with([' ', '\t'])) {
            continue;
        }
        seen += 1;
        let rest = rest.trim_start();
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = if after.is_empty() || after.starts_with([' ', '\t']) { after } else { rest };
        let (name, directive) = described(rest);
        let name = name.trim().trim_start_matches("- ").trim();
        let name: String = name.chars().filter(|c| !c.is_control()).take(NAME).collect();
        let ended = match directive {
            Some(Directive::Skip) => Ended::Excused,
            Some(Directive::Todo) if !ok => Ended::Excused,
            _ => Ended::of(ok),
        };
        tests.insert(unused(&tests, name, seen), ended);
    }
    if planned.is_none() && !(bailed && seen > 0) {
        return BTreeMap::new();
    }
    tests.insert(PLAN.into(), Ended::of(planned == Some(seen) && !bailed));
    tests
}

/// `1..4`, or `1..0 # SKIP why`: how many tests follow or came before, and whether all are skipped.
fn plan(line: &str) -> Option<(u64, bool)> {
    let (range, directive) = described(line.strip_prefix("1..")?);
    Some((range.trim().parse().ok()?, directive == Some(Directive::Skip)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Skip,
    Todo,
}

/// What stands before `# SKIP …` or `# TODO …`, or any other remark, and which of the two it is.
fn described(text: &str) -> (&str, Option<Directive>) {
    let starts = |at: usize| text[..at].ends_with([' ', '\t']) || text[..at].trim().is_empty();
    let Some((at, _)) = text.match_indices('#').find(|(at, _)| starts(*at)) else { return (text, None) };
    let remark = text[at + 1..].trim_start().to_ascii_lowercase();
    let directive = match remark {
        r if r.starts_with("skip") => Some(Directive::Skip),
        r if r.starts_with("todo") => Some(Directive::Todo),
        _ => None,
    };
    (&text[..at], directive)
}

/// A name that no other test has, nor what is no test.
fn unused(tests: &BTreeMap<String, Ended>, name: String, number: u64) -> String {
    match name.as_str() {
        "" => format!("test {number}"),
        STATUS | IN_TIME | PLAN => format!("{name} ({number})"),
        taken if tests.contains_key(taken) => format!("{name} ({number})"),
        _ => name,
    }
}

/// What the target's run says against the base's.
pub fn compare(base: &Trial, target: &Trial) -> Compared {
    let late = |run: &Trial| run.tests.contains_key(IN_TIME);
    let mut out = Compared::default();
    for (name, ended) in &target.tests {
        // Who did not end in time had no exit status to be proud of.
        let before = base.tests.get(name).copied().or((name == STATUS && late(base)).then_some(Ended::Failed));
        let list = match (ended, before) {
            (Ended::Passed, _) => &mut out.passed,
            (Ended::Excused, _) => &mut out.excused,
            (Ended::Failed, Some(Ended::Failed)) => &mut out.warned,
            (Ended::Failed, _) => &mut out.failed,
        };
        list.push(name.clone());
    }
    let gone = base.tests.iter().filter(|(name, ended)| **ended == Ended::Passed && !target.tests.contains_key(*name));
    let gone = gone.filter(|(name, _)| *name != STATUS || !late(target));
    out.failed.extend(gone.map(|(name, _)| format!("{name} (did not run)")));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Trial {
        Trial { end: "exit 0".into(), tests: tap(text), tail: String::new() }
    }

    #[test]
    fn a_target_is_held_to_what_its_base_does() {
        let base = run("1..4\nok 1 - starts\nnot ok 2 - is fast\nok 3 - stops\nok 4 prints # SKIP no terminal\n");
        let target = run("1..4\nok 1 - starts\nnot ok 2 - is fast\nnot ok 3 - stops\nok 4 prints\n");
        let c = compare(&base, &target);
        assert_eq!(c.passed, ["plan", "prints", "starts"]);
        assert_eq!((c.warned, c.failed), (vec!["is fast".to_owned()], vec!["stops".to_owned()]));
        let c = compare(&base, &run("1..1\nok 1 - starts\n"));
        assert_eq!(c.failed, ["stops (did not run)"]);
    }

    #[test]
    fn output_that_is_no_tap_has_no_tests_and_a_plan_that_is_not_kept_fails() {
        assert!(tap("ok, let us begin\nok\nnot ok 7\n").is_empty());
        assert_eq!(tap("1..3\nok 1\nok 2\n")["plan"], Ended::Failed);
        assert_eq!(tap("1..2\nok 1\nok 2\nBail out! no disk\n")["plan"], Ended::Failed);
        assert_eq!(tap("1..1\nnot ok 1 - plan\n")["plan (1)"], Ended::Failed);
        assert_eq!(tap("ok - a\nok - a\n1..2\n").len(), 3);
        assert_eq!(
            tap("1..1\nokay then\nnot ok 1 - x # TODO later\n"),
            BTreeMap::from([("plan".into(), Ended::Passed), ("x".into(), Ended::Excused)])
        );
    }
}
