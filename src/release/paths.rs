//! Which class a path has, and which paths may be retired.

use super::config::{Config, NotFor};
use crate::bundle::Class;
use crate::fix::{Change, FixSet, Payload};
use crate::report::{Code, Error, ErrorCode, Finding, Result};
use crate::tree::{Tree, TreePath};
use globset::{GlobBuilder, GlobMatcher};

/// The configuration's path rules, compiled.
#[derive(Debug, Clone, Default)]
pub struct Classes {
    rules: Vec<(GlobMatcher, Class)>,
    retired: Vec<GlobMatcher>,
}

impl Classes {
    pub fn new(config: &Config) -> Result<Self> {
        let rules = config.paths.iter().map(|r| Ok((glob(&r.pattern)?, r.class))).collect::<Result<_>>()?;
        let retired = config.retire.iter().map(|r| glob(&r.path)).collect::<Result<_>>()?;
        Ok(Self { rules, retired })
    }

    /// The class of a path: the first rule that matches, else `code`.
    pub fn class(&self, path: &TreePath) -> Class {
        self.rules.iter().find(|(g, _)| g.is_match(path.as_str())).map_or(Class::Code, |(_, c)| *c)
    }

    /// Whether any rule is about paths that nothing ever writes.
    pub fn leave_any(&self) -> bool {
        self.rules.iter().any(|(_, class)| matches!(class, Class::Volatile | Class::Site))
    }

    /// Whether a `[[retire]]` lets the path go.
    pub fn retired(&self, path: &TreePath) -> bool {
        self.retired.iter().any(|g| g.is_match(path.as_str()))
    }
}

/// Path rules that fit nothing here: misspelt ones would otherwise pass in silence.
pub fn unused_patterns<'a>(
    config: &Config,
    trees: impl Iterator<Item = &'a Tree> + Clone,
    fixes: &FixSet,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let patterns = config.paths.iter().map(|r| ("[[paths]]", &r.pattern));
    for (table, pattern) in patterns.chain(config.retire.iter().map(|r| ("[[retire]]", &r.path))) {
        let matcher = glob(pattern)?;
        let fits = |p: &TreePath| matcher.is_match(p.as_str());
        let touched = || fixes.fixes.iter().flat_map(|f| &f.variants).flat_map(|v| v.payload.paths()).any(fits);
        if !trees.clone().any(|t| t.entries.keys().any(fits)) && !touched() {
            findings.push(unused(pattern, format!("{table} fits no path of any base, target or fix")));
        }
    }
    Ok(findings)
}

/// Rules that name a fix or a track which is not there.
pub fn unused_names(config: &Config, fixes: &FixSet) -> Vec<Finding> {
    let mut findings = Vec::new();
    for hold in config.hold.iter().filter(|h| !fixes.fixes.iter().any(|f| f.id.0 == h.id)) {
        findings.push(unused(&hold.id, "hold names a fix that is not there".into()));
    }
    for rule in &config.not_for {
        if !fixes.fixes.iter().any(|f| f.id.0 == rule.fix) {
            findings.push(unused(&rule.fix, "[[not_for]] names a fix that is not there".into()));
        } else if !tracks_of(config, rule) {
            let what = format!("[[not_for]] fits no track: branch '{}', platform '{}'", rule.branch, rule.platform);
            findings.push(unused(&rule.fix, what));
        }
    }
    for fix in &fixes.fixes {
        for v in fix.variants.iter().filter(|v| !some_track(config, &v.branch, &v.platform)) {
            let file = v.file.file_name().unwrap_or_default().to_string_lossy();
            let said = [("branch", &v.branch), ("platform", &v.platform)];
            let said: Vec<String> = said.iter().filter_map(|(k, v)| Some(format!("{k} '{}'", v.as_ref()?))).collect();
            let what = format!("'{file}' is for {}, which no track is", said.join(" and "));
            findings.push(
                Finding::new(Code::UnusedRule, &fix.id, what)
                    .next("correct its name or the 'when' of its [[variant]], or add the [[track]]"),
            );
        }
    }
    findings
}

/// What an overlay deletes and nothing here has ever had: without a word it would count as deleted already.
pub fn deletes_nothing<'a>(trees: impl Iterator<Item = &'a Tree> + Clone, fixes: &FixSet) -> Vec<Finding> {
    let mut findings = Vec::new();
    for fix in &fixes.fixes {
        let others = || fixes.fixes.iter().filter(|f| f.id != fix.id).flat_map(|f| &f.variants);
        let named = |p: &TreePath| others().flat_map(|v| v.payload.paths()).any(|q| q == p);
        let there = |p: &TreePath| trees.clone().any(|t| has(t, p));
        for variant in &fix.variants {
            let Payload::Overlay(changes) = &variant.payload else { continue };
            for change in changes {
                if let Change::Delete { path } = change
                    && !there(path)
                    && !named(path)
                {
                    let what =
                        format!("it deletes '{path}', which no base and no other fix has: perhaps it is misspelt");
                    findings.push(Finding::new(Code::BadMetadata, &fix.id, what).next("correct the path in fix.toml"));
                }
            }
        }
    }
    findings
}

/// A path, or something in a folder of that name.
fn has(tree: &Tree, path: &TreePath) -> bool {
    let inside = format!("{path}/");
    let below = (std::ops::Bound::Included(inside.as_str()), std::ops::Bound::Unbounded);
    let next = tree.entries.range::<str, _>(below).next();
    tree.get(path).is_some() || next.is_some_and(|(q, _)| q.as_str().starts_with(&inside))
}

fn unused(subject: &str, message: String) -> Finding {
    Finding::new(Code::UnusedRule, subject, message).next("correct the rule in cumulate.toml, or take it out")
}

fn tracks_of(config: &Config, rule: &NotFor) -> bool {
    let stated = |s: &String| Some(s.clone()).filter(|s| !s.is_empty());
    some_track(config, &stated(&rule.branch), &stated(&rule.platform))
}

/// Whether a track has what is stated of it.
fn some_track(config: &Config, branch: &Option<String>, platform: &Option<String>) -> bool {
    let fits = |stated: &Option<String>, have: &str| stated.as_deref().is_none_or(|s| s == have);
    let any = config.tracks.iter().any(|t| fits(branch, &t.branch) && fits(platform, &t.platform));
    any || config.tracks.is_empty() && branch.is_none() && platform.is_none()
}

/// Compiles one pattern; `*` does not cross `/`, `**` does.
pub fn glob(pattern: &str) -> Result<GlobMatcher> {
    let build = GlobBuilder::new(pattern).literal_separator(true).build();
    Ok(build
        .map_err(|e| Error::new(ErrorCode::Config, pattern, e).next("correct the pattern in cumulate.toml"))?
        .compile_matcher())
}
