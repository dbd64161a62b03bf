//! What a command costs, measured with GNU time (Debian's package `time`).
#![allow(dead_code, reason = "every bench uses its own part")]

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What one command cost: seconds on the clock, CPU seconds (user and system) and peak memory.
#[derive(Default, Clone, Copy)]
pub struct Cost {
    pub wall: f64,
    pub cpu: f64,
    pub kib: u64,
}

impl Cost {
    /// One process after the other: times add up, the peak is the largest.
    pub fn add(&mut self, other: Cost) {
        let (wall, cpu) = (self.wall + other.wall, self.cpu + other.cpu);
        *self = Cost { wall, cpu, kib: self.kib.max(other.kib) };
    }
}

/// Runs a command under GNU time, and throws away what it prints.
pub fn cost(command: &mut Command) -> Cost {
    let report = tempfile::NamedTempFile::new().unwrap();
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%U %S %M", "-o"]).arg(report.path()).arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        timed.current_dir(dir);
    }
    let began = Instant::now();
    let output = timed.stdout(Stdio::null()).output().expect("GNU time (Debian's package `time`)");
    let wall = began.elapsed().as_secs_f64();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(report.path()).unwrap();
    let fields: Vec<f64> = text.split_whitespace().map(|f| f.parse().unwrap()).collect();
    Cost { wall, cpu: fields[0] + fields[1], kib: fields[2] as u64 }
}
