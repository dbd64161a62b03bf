//! Commands of others, run with a time limit: when it is over, the command goes with everything that it started.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// Starts a command in a process group of its own.
///
/// # Errors
/// Whatever starting it gives.
pub fn start(command: &mut Command) -> std::io::Result<Child> {
    command.process_group(0).spawn()
}

/// The status, or none if the time was up and the whole group was killed.
///
/// # Errors
/// Whatever waiting gives.
pub fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() >= limit {
            let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
            if let Some(group) = group {
                rustix::process::kill_process_group(group, rustix::process::Signal::KILL)?;
            }
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
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
