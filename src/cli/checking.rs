//! What proves a bundle on its bases: `verify --bases` or `--config`, and the gate, `check`.

use super::args::CheckFormat;
use super::out::{done, findings, heading, json, print};
use super::planning::today;
use super::render::safe;
use super::use_args::Trust;
use super::using::{now, policy};
use crate::bundle::Bundle;
use crate::release;
use crate::report::{Error, ErrorCode, Level, Result};
use crate::tree::{Source, SourceOptions, read_source};
use crate::verb::{self, Checked, Selection, VerifyReport};
use std::path::{Path, PathBuf};

/// Applies the bundle to a copy of each of its bases and rolls it back, if it is said where the bases are.
pub fn prove(
    (opened, mut report): (Bundle, VerifyReport),
    bases: Option<&Path>,
    config: Option<&Path>,
) -> Result<(Bundle, VerifyReport)> {
    if bases.or(config).is_none() {
        return Ok((opened, report));
    }
    with_bases(bases.unwrap_or(Path::new("")), config, |find| {
        let release = crate::install::Release::of(&opened)?;
        for base in opened.bases() {
            let source = if base.is_repair() { Source::default() } else { find(&base.name)? };
            report.proved(verb::prove(&release, &base.name, &source)?);
        }
        Ok(())
    })?;
    Ok((opened, report))
}

/// Hands on what finds a base by its name: where the release's configuration has it, else as `DIR/NAME` or an archive of that name.
pub(super) fn with_bases<T>(
    dir: &Path,
    config: Option<&Path>,
    then: impl FnOnce(&dyn Fn(&str) -> Result<Source>) -> Result<T>,
) -> Result<T> {
    let Some(config) = config else {
        return then(&|name| {
            let options = SourceOptions { version: Some(name), ..SourceOptions::default() };
            read_source(&base_source(dir, name)?, &options)
        });
    };
    let release = release::load(config)?;
    let tracks = verb::planned(&release, &Selection::default(), None)?;
    let bases = verb::bases(&release, &tracks)?;
    then(&|name| {
        let source = bases.iter().find(|(n, _)| n == name).map(|(_, s)| Source::clone(s));
        source.ok_or_else(|| {
            Error::new(ErrorCode::Partial, name, format!("{} has no such base", config.display()))
                .next("use the configuration that the bundle was built from")
        })
    })
}

fn base_source(dir: &Path, name: &str) -> Result<PathBuf> {
    let endings = ["", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".zip"];
    endings.iter().map(|e| dir.join(format!("{name}{e}"))).find(|p| p.exists()).ok_or_else(|| {
        Error::new(ErrorCode::Partial, name, format!("{} has no folder or archive of this base", dir.display()))
            .next("put it there, or give --config cumulate.toml, which finds bases and makes declared mixes")
    })
}

pub fn check(bundle: &Path, config: &Path, against: Option<&Path>, trust: &Trust, format: CheckFormat) -> Result<u8> {
    let policy = policy(trust)?;
    let checked = verb::check(bundle, config, against, policy.as_ref().map(|p| (p, now())), today()?)?;
    match format {
        CheckFormat::Json => json("check", &checked)?,
        CheckFormat::Text => print(&check_text(&checked))?,
        CheckFormat::Junit => print(&junit(&checked)?)?,
    }
    Ok(checked.exit())
}

fn check_text(c: &Checked) -> String {
    let mut text = heading(format!("{} {}", safe(&c.component), safe(&c.version)));
    for g in &c.gates {
        if g.findings.iter().any(|f| f.level == Level::Deny) {
            text += &format!("✗ {}: {}\n", safe(&g.name), safe(&g.measured));
        } else {
            text += &done(format!("{}: {}", safe(&g.name), safe(&g.measured)));
        }
        text += &findings(&g.findings);
    }
    text + if c.passed { "the gate is green\n" } else { "the gate is red\n" }
}

fn junit(c: &Checked) -> Result<String> {
    use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
    let mut suite = TestSuite::new(format!("cumulate check {} {}", c.component, c.version));
    for g in &c.gates {
        let denied: Vec<_> = g.findings.iter().filter(|f| f.level == Level::Deny).collect();
        let status = match denied.as_slice() {
            [] => TestCaseStatus::success(),
            [first, ..] => {
                let mut s = TestCaseStatus::non_success(NonSuccessKind::Failure);
                s.set_type(first.code.as_str());
                s.set_message(
                    denied.iter().map(|f| format!("{}: {}", f.subject, f.message)).collect::<Vec<_>>().join("; "),
                );
                s
            }
        };
        let mut case = TestCase::new(g.name.clone(), status);
        case.set_classname("cumulate.check");
        case.set_system_out(&g.measured);
        suite.add_test_case(case);
    }
    let mut report = Report::new("cumulate");
    report.add_test_suite(suite);
    report.to_string().map_err(|e| Error::new(ErrorCode::Internal, "junit", e))
}
