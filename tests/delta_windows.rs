//! Files that do not fit into the memory that is given: through the command line, under a hard limit of address space.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;

/// Bytes that no rule predicts.
fn noise(seed: u64, out: &mut impl std::io::Write, words: u64) {
    let mut state = seed;
    for _ in 0..words {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.write_all(&state.to_le_bytes()).unwrap();
    }
}

/// A file of parts, each its seed and its MiB.
fn file(path: &Path, parts: &[(u64, u64)]) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    for (seed, mib) in parts {
        noise(*seed, &mut out, mib << 17);
    }
    out.flush().unwrap();
}

/// Encodes and decodes with so many bytes of memory, in processes that get `address` KiB of address space.
fn there_and_back(dir: &Path, memory: &str, address: u64) -> (u64, serde_json::Value) {
    let run = |words: &[&str]| {
        let script = format!("ulimit -v {address}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_cumulate"), "delta"]).args(words).current_dir(dir);
        let done = command.args(["--format", "json", "--memory", memory]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice::<serde_json::Value>(&done.stdout).unwrap()
    };
    let made = run(&["encode", "old", "new", "-o", "delta", "--profile", "fast"]);
    run(&["decode", "old", "delta", "-o", "again"]);
    let same = Command::new("cmp").args(["new", "again"]).current_dir(dir).status().unwrap();
    assert!(same.success());
    (dir.join("delta").metadata().unwrap().len(), made)
}

#[test]
fn files_that_take_more_memory_than_is_given_are_coded_in_windows() {
    let dir = tempfile::tempdir().unwrap();
    file(&dir.path().join("old"), &[(1, 2), (2, 2), (3, 2)]);
    file(&dir.path().join("new"), &[(3, 2), (1, 2), (1, 2)]);
    let (size, made) = there_and_back(dir.path(), "64 MiB", 1 << 20);
    assert_eq!(made["codec"], "windows", "{made}");
    assert!(size < 100, "{size}");
    // What is left in the folder is what was asked for.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 4);
}

#[test]
#[ignore = "long: writes 2 GiB (.ci/long)"]
fn files_larger_than_the_address_space_go_there_and_back() {
    let dir = tempfile::tempdir().unwrap();
    file(&dir.path().join("old"), &[(1, 150), (2, 150), (3, 150), (4, 250)]);
    file(&dir.path().join("new"), &[(4, 250), (2, 150), (9, 3), (1, 150), (1, 150)]);
    let (size, made) = there_and_back(dir.path(), "256 MiB", 512 << 10);
    assert_eq!(made["codec"], "windows", "{made}");
    assert!(size < (3 << 20) + 10_000, "{size}");
}
