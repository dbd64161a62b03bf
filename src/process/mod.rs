//! Commands of others, run with a time limit: when it is over, the command goes with everything that it started, and so
//! it does when this process is gone.

use std::io::ErrorKind;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Waits for a line that never comes. The end of its input says that whoever holds the other end is gone, by whatever
/// signal: then it kills its process group, itself included.
const GUARD: &str = "trap '' HUP INT TERM; read -r line || kill -9 0";

/// A command under way, in a process group of its own.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// None where there is no shell.
    guard: Option<Guard>,
}

/// The leader of the command's process group.
#[derive(Debug)]
struct Guard(Child);

impl Guard {
    fn start() -> std::io::Result<Option<Self>> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", GUARD]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        match shell.process_group(0).spawn() {
            Ok(child) => Ok(Some(Self(child))),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl Drop for Guard {
    /// Killed before its input ends, so what the command leaves running on purpose lives on.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a command in a process group of its own, which is killed if this process ends before the command.
///
/// # Errors
/// Whatever starting it gives.
pub fn start(command: &mut Command) -> std::io::Result<Running> {
    let guard = Guard::start()?;
    // Until the command has joined the group and begun, it holds the guard's input open too: there is no gap.
    let group = guard.as_ref().and_then(|g| i32::try_from(g.0.id()).ok()).unwrap_or(0);
    Ok(Running { child: command.process_group(group).spawn()?, guard })
}

impl Running {
    /// What it says on standard error, if that was piped.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// The status, or none if the time was up and the whole group was killed.
    ///
    /// # Errors
    /// Whatever waiting gives.
    pub fn wait(mut self, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if started.elapsed() >= limit {
                let leader = self.guard.as_ref().map_or(self.child.id(), |g| g.0.id());
                let group = i32::try_from(leader).ok().and_then(rustix::process::Pid::from_raw);
                if let Some(group) = group {
                    rustix::process::kill_process_group(group, rustix::process::Signal::KILL)?;
                }
                self.child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

/// How it ended: `exit 0`, `signal 9`, `out of time`.
pub fn words(status: Option<ExitStatus>) -> String {
    match (status.and_then(|s| s.code()), status.and_then(|s| s.signal())) {
        (Some(code), _) => format!("exit {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => "out of time".into(),
    }
}
