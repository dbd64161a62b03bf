//! The architecture is what `lib.rs` lists, from the ground floor up; this test reads the sources and
//! refuses a `use` that goes up, or sideways to a room that is not named as a room's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rooms on one floor that a room may use although they are not below it, with the reason.
const OWN: &[(&str, &str)] = &[
    ("tree", "report"), // errors are worded once
    ("disk", "report"),
    ("disk", "tree"), // paths are validated by their type
    ("patch", "tree"),
    ("patch", "report"),
    ("delta", "tree"), // the checks in a delta's header are digests
    ("trust", "report"),
    ("trust", "tree"), // digests
];

/// Outside libraries that belong to one room alone.
const PRIVATE: &[(&str, &str)] = &[
    ("petgraph", "plan"),
    ("imara_diff", "patch"),
    ("ed25519_dalek", "trust"),
    ("pkcs8", "trust"),
    ("cryptoki", "trust"),
    ("bsdiff", "delta"),
    ("cvss", "fix"),
    ("libsais", "delta"),
    ("clap", "cli"),
    ("clap_mangen", "cli"),
    ("clap_complete", "cli"),
];

fn floors() -> BTreeMap<String, usize> {
    let mut floor = 0;
    let mut rooms = BTreeMap::new();
    for line in std::fs::read_to_string("src/lib.rs").unwrap().lines() {
        if line.starts_with("// Floor ") {
            floor += 1;
        }
        if let Some(name) = line.strip_prefix("pub mod ").and_then(|l| l.strip_suffix(';')) {
            rooms.insert(name.to_owned(), floor);
        }
    }
    rooms
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for item in std::fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Every `crate::room` that a file names, also inside `use crate::{a, b::c}`.
fn used(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (i, _) in text.match_indices("crate::") {
        let rest = &text[i + 7..];
        if let Some(group) = rest.strip_prefix('{') {
            let end = group.find(';').unwrap_or(group.len());
            let mut depth = 0;
            let mut word = String::new();
            for c in group[..end].chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => out.push(std::mem::take(&mut word)),
                    _ if depth == 0 && !c.is_whitespace() => word.push(c),
                    _ => {}
                }
            }
            out.push(word);
        } else {
            out.push(rest.to_owned());
        }
    }
    out.iter().map(|w| w.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

#[test]
fn every_room_uses_only_lower_floors_or_its_own() {
    let floors = floors();
    assert!(floors.len() > 10, "lib.rs lists the rooms");
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix("src").unwrap();
        let room = inside.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        let Some(&floor) = floors.get(&room) else { continue };
        let text: String = std::fs::read_to_string(&file)
            .unwrap()
            .lines()
            .filter(|l| !l.trim_start().starts_with("//"))
            .map(|l| format!("{l}\n"))
            .collect();
        for other in used(&text) {
            let Some(&below) = floors.get(&other) else { continue };
            if other != room && below >= floor && !OWN.contains(&(room.as_str(), other.as_str())) {
                wrong.push(format!("{}: `{room}` (floor {floor}) uses `{other}` (floor {below})", file.display()));
            }
        }
        for (library, owner) in PRIVATE {
            if room != *owner && text.contains(&format!("{library}::")) {
                wrong.push(format!("{}: `{library}` is known to `{owner}` alone", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The small installer is built of these rooms and files, so what they advise is put in the name of the program that
/// runs (`report::PROGRAM`), and is a verb that it has too.
#[test]
fn what_the_small_installer_shares_names_no_program_of_its_own() {
    let mut files = Vec::new();
    for room in ["bundle", "delta", "disk", "install", "process", "report", "tree"] {
        sources(&Path::new("src").join(room), &mut files);
    }
    let own = ["cli/mod", "cli/out", "cli/render", "cli/style", "cli/use_args", "cli/using"];
    let verbs = ["verb/apply", "verb/doctor", "verb/rollback", "verb/status", "verb/verify"];
    files.extend(own.iter().chain(&verbs).map(|name| Path::new("src").join(format!("{name}.rs"))));
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        // Comments are for those who build it; what stands in three slashes before an argument is its help.
        let said = |line: &&str| match line.trim_start().strip_prefix("///") {
            Some(_) => file.ends_with("use_args.rs"),
            None => !line.trim_start().starts_with("//"),
        };
        for line in text.lines().filter(said) {
            let names = |verb: &str| line.contains(&format!("cumulate {verb}"));
            let verbs =
                ["verify", "apply", "doctor", "rollback", "status", "inspect", "keygen", "pull", "sign", "trust"];
            if verbs.into_iter().any(names) {
                wrong.push(format!("{}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
