//! A plan's findings as SARIF 2.1.0, each at the line of the patch that it speaks of.

use super::unsat::Because;
use super::view::{PlanView, TrackView};
use crate::report::{Code, Finding, Level};
use serde_json::{Value, json};

/// Where findings stand that speak of no fix.
const CONFIG: &str = "cumulate.toml";

/// One run with every finding of every track.
pub fn sarif(view: &PlanView) -> Value {
    let rules: Vec<Value> = Code::ALL
        .iter()
        .map(|c| json!({"id": c.as_str(), "defaultConfiguration": {"level": level(c.default_level())}}))
        .collect();
    let results: Vec<Value> =
        view.tracks().flat_map(|t| t.findings.iter().map(move |f| result(t, f, !view.more.is_empty()))).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "cumulate", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "originalUriBaseIds": {"RELEASE": {"description": {"text": "the folder of cumulate.toml"}}},
            "results": results,
        }],
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Deny => "error",
        Level::Warn => "warning",
        Level::Allow => "note",
    }
}

fn result(track: &TrackView, f: &Finding, several: bool) -> Value {
    let mut text = format!("{}: {}", f.subject, f.message);
    if several {
        text += &format!(" (track {})", track.track);
    }
    if !f.next.is_empty() {
        text += &format!(". Next: {}", f.next);
    }
    let cores = track.cores.iter().filter(|c| c.code == f.code && c.subject == f.subject);
    let reasons = cores.flat_map(|c| &c.because).flat_map(|b| [b].into_iter().chain(&b.because));
    let line = f.details["line"].as_u64().or_else(|| reasons.clone().map(|b| b.line.into()).find(|l| *l > 0));
    let mut out = json!({
        "ruleId": f.code.as_str(),
        "ruleIndex": Code::ALL.iter().position(|c| *c == f.code),
        "level": level(f.level),
        "message": {"text": text},
        "locations": [{"physicalLocation": place(track, &f.subject, line.unwrap_or(1))}],
        // The same finding stays the same one when lines move.
        "partialFingerprints": {"codeAndSubject/v1": format!("{}/{}/{}", track.track, f.code.as_str(), f.subject)},
    });
    let related: Vec<Value> = reasons.enumerate().map(|(id, b)| related(track, id, b)).collect();
    if !related.is_empty() {
        out["relatedLocations"] = Value::Array(related);
    }
    out
}

/// A statement or fact of a core, where it stands.
fn related(track: &TrackView, id: usize, b: &Because) -> Value {
    let fix = b.fixes.first().map(|f| f.0.as_str()).unwrap_or_default();
    json!({"id": id, "message": {"text": b.text}, "physicalLocation": place(track, fix, b.line.into())})
}

/// A line of the file that a fix was read from, of the configuration where it is of none.
fn place(track: &TrackView, fix: &str, line: u64) -> Value {
    let file = track.files.get(fix);
    let mut place = json!({"artifactLocation": {"uri": uri(file.map_or(CONFIG, |f| f)), "uriBaseId": "RELEASE"}});
    // An overlay is a folder: it has no lines.
    if file.is_none_or(|f| f.ends_with(".patch") || f.ends_with(".diff")) {
        place["region"] = json!({"startLine": line.max(1)});
    }
    place
}

/// A relative reference as RFC 3986 wants it.
fn uri(path: &str) -> String {
    use std::fmt::Write as _;
    path.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"/-._~+@".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}
