//! Where results go: data on stdout, messages on stderr, errors in the form that was asked for.

use super::render::safe;
use super::style::{DIM, GREEN, RED, RESET, YELLOW, bold};
use super::use_args::Format;
use crate::report::{Error, ErrorCode, Finding, Level, Result};
use serde::Serialize;
use std::io::Write as _;

/// The form of a command's results.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    pub json: bool,
}

impl Out {
    pub fn new(format: Format) -> Self {
        Self { json: format == Format::Json }
    }

    /// Prints a result: as JSON under its schema, or as the text that `text` makes of it.
    pub fn result<T: Serialize>(self, schema: &str, value: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
        if self.json { json(schema, value) } else { print(&text(value)) }
    }
}

/// Prints `{"schema": "cumulate.<schema>/1", …}` with the value's own fields behind it.
pub fn json<T: Serialize>(schema: &str, value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::new(ErrorCode::Internal, schema, e))?;
    // Control characters are escaped in JSON, so nothing has to be taken out of it.
    write(&mut std::io::stdout().lock(), &named(schema, text)?)
}

/// The pretty JSON of an object with its schema in front. Some results name their schema themselves; it comes first in
/// all of them.
fn named(schema: &str, mut text: String) -> Result<String> {
    const OWN: &str = "{\n  \"schema\"";
    if !text.starts_with(OWN) {
        let behind = match text.as_bytes() {
            [b'{', b'}'] => "\n",
            [b'{', ..] => ",",
            _ => return Err(Error::new(ErrorCode::Internal, schema, "this is no object")),
        };
        text.replace_range(..1, &format!("{OWN}: \"cumulate.{schema}/1\"{behind}"));
    }
    text.push('\n');
    Ok(text)
}

/// Writes to stdout; a reader that went away (`| head`) is no error.
pub fn print(text: &str) -> Result<()> {
    write(&mut anstream::stdout().lock(), text)
}

fn write(stdout: &mut impl std::io::Write, text: &str) -> Result<()> {
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::io("standard output", &e)
            .next("only the report is missing: what the command does was done before; ask for the status before it is run again")),
        _ => Ok(()),
    }
}

/// Writes a message to stderr.
pub fn say(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// An error, as JSON on stdout for machines, else in words on stderr.
pub fn error(error: &Error, as_json: bool) {
    if as_json {
        let value = serde_json::json!({"error": error});
        let _ = print(&format!("{value:#}\n"));
        return;
    }
    say(&format!("{RED}error{RESET}[{}]: {}: {}", error.code.as_str(), safe(&error.subject), lines(&error.message)));
    if !error.next.is_empty() {
        say(&format!("  {DIM}next:{RESET} {}", lines(&error.next)));
    }
    if !error.findings.is_empty() {
        say(findings(&error.findings).trim_end());
    }
}

/// One line a finding, its next step behind it.
pub fn findings(list: &[Finding]) -> String {
    let mut text = String::new();
    for f in list.iter().filter(|f| f.level != Level::Allow) {
        let (colour, word) = match f.level {
            Level::Deny => (RED, "denied"),
            Level::Warn => (YELLOW, "warning"),
            Level::Allow => (DIM, "note"),
        };
        text += &format!("{colour}{word}{RESET}[{}]: {}: {}\n", f.code.as_str(), safe(&f.subject), lines(&f.message));
        if !f.next.is_empty() {
            text += &format!("  {DIM}next:{RESET} {}\n", lines(&f.next));
        }
    }
    text
}

/// Control characters are made harmless line by line; line breaks stay.
fn lines(text: &str) -> String {
    text.lines().map(safe).collect::<Vec<_>>().join("\n  ")
}

pub fn done(text: impl std::fmt::Display) -> String {
    format!("{GREEN}✓{RESET} {text}\n")
}

pub fn heading(text: impl std::fmt::Display) -> String {
    format!("{}\n", bold(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_gets_its_schema_in_front_once() {
        let named = |value: serde_json::Value| named("x", serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(named(serde_json::json!({})).unwrap(), "{\n  \"schema\": \"cumulate.x/1\"\n}\n");
        assert_eq!(
            named(serde_json::json!({"a": [1]})).unwrap(),
            "{\n  \"schema\": \"cumulate.x/1\",\n  \"a\": [\n    1\n  ]\n}\n"
        );
        assert_eq!(named(serde_json::json!({"schema": "y"})).unwrap(), "{\n  \"schema\": \"y\"\n}\n");
        assert!(named(serde_json::json!([1])).is_err());
    }
}
