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

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// `exit 0`, `signal 9`, `out of time`.
    pub end: String,
    /// Every test by name and whether it passed; the command's exit status is one of them.
    #[serde(skip)]
    pub tests: BTreeMap<String, bool>,
    /// The last lines of its output.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

/// Names of tests by how they ended in the target, compared with the base.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    pub passed: Vec<String>,
    /// They fail, and fail in the base too.
    pub warned: Vec<String>,
    /// They fail, and do not fail in the base; or they pass there and are gone.
    pub failed: Vec<String>,
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
    tests.insert("exit status".into(), passed);
    let tail = if passed { String::new() } else { read(length.saturating_sub(TAIL), TAIL)? };
    Ok(Trial { end: words(status), tests, tail })
}

/// The tests of a command that speaks TAP (<https://testanything.org>): its lines count only beside a plan.
fn tap(text: &str) -> BTreeMap<String, bool> {
    let mut tests = BTreeMap::new();
    let mut planned: Option<u64> = None;
    let mut seen = 0u64;
    for line in text.lines() {
        if let Some(n) = line.strip_prefix("1..") {
            planned = n.split_whitespace().next().and_then(|n| n.parse().ok());
            continue;
        }
        let (ok, rest) = match (line.strip_prefix("ok"), line.strip_prefix("not ok")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => continue,
        };
        if !rest.is_empty() && !rest.starts_with(' ') {
            continue;
        }
        seen += 1;
        let rest = rest.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let (name, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
        let excused = ["todo", "skip"].iter().any(|d| directive.to_ascii_lowercase().starts_with(d));
        let name = name.trim_start_matches("- ").trim();
        let name: String = name.chars().filter(|c| !c.is_control()).take(NAME).collect();
        let name = if name.is_empty() || tests.contains_key(&name) { format!("{name} ({seen})") } else { name };
        tests.insert(name, ok || excused);
    }
    let Some(planned) = planned else { return BTreeMap::new() };
    tests.insert("plan".into(), planned == seen);
    tests
}

/// What the target's run says against the base's.
pub fn compare(base: &Trial, target: &Trial) -> Compared {
    let mut out = Compared::default();
    for (name, ok) in &target.tests {
        let list = match (ok, base.tests.get(name)) {
            (true, _) => &mut out.passed,
            (false, Some(false)) => &mut out.warned,
            (false, _) => &mut out.failed,
        };
        list.push(name.clone());
    }
    let gone = base.tests.iter().filter(|(name, ok)| **ok && !target.tests.contains_key(*name));
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
        assert_eq!(c.failed, ["prints (did not run)", "stops (did not run)"]);
    }

    #[test]
    fn output_that_is_no_tap_has_no_tests_and_a_plan_that_is_not_kept_fails() {
        assert!(tap("ok, let us begin\nok\nnot ok 7\n").is_empty());
        assert!(!tap("1..3\nok 1\nok 2\n")["plan"]);
        assert_eq!(tap("ok - a\nok - a\n1..2\n").len(), 3);
        assert_eq!(
            tap("1..1\nokay then\nnot ok 1 - x # TODO later\n"),
            BTreeMap::from([("plan".into(), true), ("x".into(), true)])
        );
    }
}
