//! `cumulate vet`: tests, waivers, and what a change did not touch.

use super::checking::with_bases;
use super::making::source_date_epoch;
use super::out::{Out, done, say};
use super::render::{count, safe};
use super::using::now;
use super::vet_args::Vet;
use crate::report::{Error, ErrorCode, Result};
use crate::trust::{SignerSource, TestResult, parse_time};
use crate::verb::{self, Vetted, VettedBase, Vetter};
use std::time::Duration;

pub fn run(a: &Vet) -> Result<u8> {
    let out = Out::new(a.output.format);
    if let Some(from) = &a.carry {
        let carried = verb::carry(&a.bundle, from)?;
        let value = serde_json::json!({"carried": carried});
        out.result("vet-carry", &value, |_| {
            done(format!("{} taken over from {}", count(carried.len(), "envelope", "envelopes"), from.display()))
        })?;
        return Ok(0);
    }
    let Some(key) = &a.key else {
        return Err(Error::new(ErrorCode::Usage, "vet", "nothing says who vets").next("give --key"));
    };
    let vetter = Vetter {
        key: SignerSource::parse(key.as_os_str(), a.passphrase.as_deref())?,
        role: a.role.clone(),
        bases: a.base.clone(),
        out: a.out.clone(),
    };
    let vetted = match (&a.waive, &a.owner, &a.until) {
        (Some(reason), Some(owner), Some(until)) => {
            verb::waive(&a.bundle, vetter, owner, reason, date("--until", until)?)?
        }
        _ => with_bases(&a.bases, a.config.as_deref(), |find| {
            verb::vet(&a.bundle, vetter, &a.command, Duration::from_secs(a.timeout), find)
        })?,
    };
    out.result("vet", &vetted, text)?;
    Ok(vetted.exit())
}

/// A day, which counts until its end, or a time.
pub fn date(option: &str, text: &str) -> Result<u64> {
    let time = parse_time(text).ok_or_else(|| {
        Error::new(ErrorCode::Usage, option, "it is no date such as 2027-12-31, or before 1970").next("correct it")
    })?;
    if time < source_date_epoch()?.unwrap_or_else(now) {
        say(&format!(
            "warning[date-passed] {option}: {text} has passed: nobody will count what is signed until then\n  next: sign it again with a later day"
        ));
    }
    Ok(time)
}

fn text(v: &Vetted) -> String {
    let mut text: String = v.bases.iter().map(base).collect();
    let what = format!("{} {}", safe(&v.component), safe(&v.version));
    let who = format!("as {} by {}", safe(&v.role), v.key_id);
    text += &match v.result {
        TestResult::Passed if v.added.is_empty() => done(format!("{what}: was vetted so already {who}")),
        TestResult::Passed => done(format!("{what}: {} added {who}", count(v.added.len(), "envelope", "envelopes"))),
        TestResult::Warned => format!("✗ {what}: tests fail, in the bases too; nothing was added to the bundle\n"),
        TestResult::Failed => {
            format!("✗ {what}: tests fail that do not fail in the bases; nothing was added to the bundle\n")
        }
    };
    text + &v.files.iter().map(|f| format!("  {}\n", f.display())).collect::<String>()
}

fn base(b: &VettedBase) -> String {
    let name = safe(&b.base);
    let Some(runs) = &b.runs else { return format!("base {name}: waived\n") };
    let t = &runs.tests;
    let excused = if t.excused.is_empty() { String::new() } else { format!(", {} skipped or to do", t.excused.len()) };
    let mut text = format!(
        "base {name}: {} passed{excused}; in the base {}, in the target {}\n",
        count(t.count(), "test", "tests"),
        runs.in_base.end,
        runs.in_target.end
    );
    for (what, names) in
        [("skipped or to do", &t.excused), ("fails in the base too", &t.warned), ("fails now", &t.failed)]
    {
        text += &names.iter().map(|n| format!("  {what}: {}\n", safe(n))).collect::<String>();
    }
    if !t.failed.is_empty() || !t.warned.is_empty() {
        let last: Vec<&str> = runs.in_target.tail.lines().rev().take(10).collect();
        text += &last.iter().rev().map(|l| format!("    | {}\n", safe(l))).collect::<String>();
    }
    text
}
