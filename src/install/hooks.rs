//! The commands of a release's fixes and its health check, around the commit of an apply and of a rollback.
//!
//! What has begun is recorded before it is started, so that whoever finishes or undoes an interrupted run knows of
//! it: a hook that was under way is run again, or undone, and that is told.

use super::state::{Doing, Generation, State};
use crate::bundle::{Hook, When};
use crate::disk::Disk;
use crate::process;
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use std::collections::{BTreeSet, VecDeque};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bytes of a command's output that are shown where it fails.
const TAIL: usize = 2 << 10;

/// The hooks of a route that are still to be run: each once, whatever releases it comes with.
pub fn due(state: &State, hooks: &[Hook], generation: u64) -> Result<Vec<Hook>> {
    let mut ran = BTreeSet::new();
    if hooks.iter().any(|h| h.when != When::Health) {
        for n in 1..=generation {
            ran.extend(state.generation(n)?.hooks.into_iter().map(|h| h.id));
        }
    }
    Ok(hooks.iter().filter(|h| h.when == When::Health || !ran.contains(&h.id)).cloned().collect())
}

/// Refuses hooks that cannot be undone unless each is accepted by its id.
pub fn barrier<'h>(hooks: impl Iterator<Item = &'h Hook>, accepted: &[String], what: &str) -> Result<()> {
    let open: Vec<&str> =
        hooks.filter(|h| h.irreversible && !accepted.contains(&h.id)).map(|h| h.id.as_str()).collect();
    if open.is_empty() {
        return Ok(());
    }
    let accept: Vec<String> = open.iter().map(|id| format!("--accept {id}")).collect();
    Err(Error::new(ErrorCode::Irreversible, open.join(", "), what)
        .next(format!("if that is what you want, run it again with {}", accept.join(" "))))
}

/// Runs the hooks of one moment that have not been run yet, in order.
pub fn run(disk: &Disk, state: &State, generation: &Generation, when: When) -> Result<()> {
    let mut ran = state.ran(generation.generation)?;
    for hook in generation.hooks.iter().filter(|h| h.when == when) {
        if ran.done.contains(&hook.id) {
            continue;
        }
        let (failed, begun) = (ran.failed.contains(&hook.id), ran.begun.contains(&hook.id));
        if failed || !begun {
            ran.failed.retain(|id| *id != hook.id);
            ran.begun.extend((!begun).then(|| hook.id.clone()));
            state.write_ran(disk, &ran)?;
        }
        if let Err(Failure { started, why }) = execute(state, &hook.id, &hook.run, hook.timeout) {
            // What cannot be recorded leaves the hook as one that was under way.
            if started {
                ran.failed.push(hook.id.clone());
            } else {
                ran.begun.retain(|id| *id != hook.id);
            }
            let _ = state.write_ran(disk, &ran);
            let what = if when == When::Health { "the health check did not pass" } else { "a hook failed" };
            return Err(Error::new(ErrorCode::HookFailed, &hook.id, format!("{what}: {why}"))
                .next("look at what it says; the publisher of the release knows what it needs"));
        }
        ran.done.push(hook.id.clone());
        state.write_ran(disk, &ran)?;
    }
    Ok(())
}

/// Hooks of an interrupted run that have begun and that nothing undoes.
pub fn burnt(state: &State, generation: &Generation) -> Result<Vec<String>> {
    let ran = state.ran(generation.generation)?;
    let begun = generation.hooks.iter().filter(|h| h.irreversible && ran.begun.contains(&h.id));
    Ok(begun.map(|h| h.id.clone()).collect())
}

/// Undoes the hooks of one moment that have begun and are not undone yet, last first. One that fails to be undone is a
/// finding: it must not keep the files from going back.
pub fn undo(disk: &Disk, state: &State, generation: &Generation, when: When) -> Result<Vec<Finding>> {
    let complete = state.installed()?.generation >= generation.generation;
    let mut ran = state.ran(generation.generation)?;
    let mut findings = Vec::new();
    for hook in generation.hooks.iter().rev().filter(|h| h.when == when && !h.undo.is_empty()) {
        if !(complete || ran.begun.contains(&hook.id)) || ran.undone.contains(&hook.id) {
            continue;
        }
        if !ran.undoing.contains(&hook.id) {
            ran.undoing.push(hook.id.clone());
            state.write_ran(disk, &ran)?;
        }
        if let Err(Failure { why, .. }) = execute(state, &hook.id, &hook.undo, hook.timeout) {
            let what = format!("it could not be undone: {why}");
            findings.push(Finding::new(Code::HookNotUndone, &hook.id, what).next("undo it by hand"));
        }
        ran.undone.push(hook.id.clone());
        state.write_ran(disk, &ran)?;
    }
    Ok(findings)
}

/// A hook of an interrupted run that has begun and has not ended well.
#[derive(Debug, Clone, Copy)]
pub struct Left<'g> {
    pub hook: &'g Hook,
    /// It was seen to fail; otherwise nobody knows whether it ran to its end.
    pub failed: bool,
}

/// Hooks of an interrupted run whose command, or in a rollback their `undo`, did not end well as far as is known. A
/// health check changes nothing, so it is none.
pub fn left<'g>(state: &State, generation: &'g Generation, doing: Doing) -> Result<Vec<Left<'g>>> {
    let ran = state.ran(generation.generation)?;
    let (begun, ended) = if doing == Doing::Restoring { (ran.undoing, ran.undone) } else { (ran.begun, ran.done) };
    let failed = |h: &Hook| doing != Doing::Restoring && ran.failed.contains(&h.id);
    let open = |h: &&Hook| h.when != When::Health && begun.contains(&h.id) && !ended.contains(&h.id);
    Ok(generation.hooks.iter().filter(open).map(|hook| Left { hook, failed: failed(hook) }).collect())
}

/// What is said of those of which it is not known whether they had ended, where the run went on.
pub fn told_again(left: &[Left<'_>]) -> Vec<Finding> {
    told(left, |_| "it was run again")
}

/// The same where the run went back.
pub fn told_back(left: &[Left<'_>]) -> Vec<Finding> {
    told(left, |h| if h.undo.is_empty() { "nothing undoes it" } else { "what undoes it was run" })
}

fn told(left: &[Left<'_>], what: impl Fn(&Hook) -> &'static str) -> Vec<Finding> {
    let why = "an earlier run was interrupted while it was under way, and whether it had ended is not known";
    let unknown = left.iter().filter(|l| !l.failed).map(|l| l.hook);
    let finding = |h: &Hook| Finding::new(Code::HookUncertain, &h.id, format!("{why}: {}", what(h)));
    unknown.map(|h| finding(h).next("look at what it does")).collect()
}

struct Failure {
    /// Whether the command ran at all.
    started: bool,
    why: String,
}

/// Runs a command in the installation. Its output goes nowhere; the end of it is in the error.
fn execute(state: &State, id: &str, argv: &[String], seconds: u32) -> std::result::Result<(), Failure> {
    let never = |why: String| Failure { started: false, why };
    let failed = |why: String| Failure { started: true, why };
    let (program, arguments) = argv.split_first().ok_or_else(|| never("it names no command".into()))?;
    // A relative name with a folder in it is one of the installation's own files.
    let inside = program.contains('/') && !program.starts_with('/');
    let program = if inside { state.dir.join(program) } else { program.into() };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&state.dir).env("CUMULATE_HOOK", id).env("CUMULATE_DIR", &state.dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = process::start(&mut command).map_err(|e| never(format!("it cannot be started: {e}")))?;
    let tail = Arc::new(Mutex::new(VecDeque::new()));
    if let Some(errors) = child.stderr() {
        let tail = tail.clone();
        // Not joined: what the command leaves running may hold the pipe open.
        std::thread::spawn(move || keep_tail(errors, &tail));
    }
    let status = child.wait(Duration::from_secs(seconds.into())).map_err(|e| failed(e.to_string()))?;
    if status.is_some_and(|s| s.success()) {
        return Ok(());
    }
    std::thread::sleep(Duration::from_millis(20));
    let bytes: Vec<u8> = tail.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
    let said = String::from_utf8_lossy(&bytes);
    let said = if said.trim().is_empty() { "it said nothing" } else { said.trim() };
    Err(failed(format!("{} ({said})", process::words(status))))
}

fn keep_tail(mut from: impl Read, tail: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 512];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(&buffer[..n]);
        let over = tail.len().saturating_sub(TAIL);
        tail.drain(..over);
    }
}
