//! What a command costs, measured by GNU time (Debian's package `time`).

use std::fs;
use std::process::Command;

/// What one command cost: CPU seconds (user and system) and peak memory.
#[derive(Default, Clone, Copy)]
pub struct Cost {
    pub cpu: f64,
    pub kib: u64,
}

impl Cost {
    /// One process after the other: times add up, the peak is the largest.
    pub fn add(&mut self, other: Cost) {
        *self = Cost { cpu: self.cpu + other.cpu, kib: self.kib.max(other.kib) };
    }
}

/// Runs a command under GNU time.
pub fn cost(command: &mut Command) -> Cost {
    let report = tempfile::NamedTempFile::new().unwrap();
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%U %S %M", "-o"]).arg(report.path()).arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        timed.current_dir(dir);
    }
    let output = timed.output().expect("GNU time (Debian's package `time`)");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(report.path()).unwrap();
    let fields: Vec<f64> = text.split_whitespace().map(|f| f.parse().unwrap()).collect();
    Cost { cpu: fields[0] + fields[1], kib: fields[2] as u64 }
}
