//! A vetter's word: an in-toto test result about what bases become, or a waiver that stands in for one.

use super::Statement;
use super::statement::{PREDICATE_TYPE, Resource, Wire};
use super::time::{parse_time, show_time};
use crate::tree::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// <https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md>
pub const TEST_RESULT_TYPE: &str = "https://in-toto.io/attestation/test-result/v0.1";
/// A test that is let go for a while; its shape is what stands in [`Vetting`].
pub const WAIVER_TYPE: &str = "urn:cumulate:test-waiver:1";
/// How the names of a test result's bases begin, before the base's name.
const BASE: &str = "base ";

/// What one base becomes. Whoever changes a byte of any of the three has another binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binding {
    /// Tree digest of the base.
    pub base: Digest,
    /// Tree digest of what it becomes.
    pub target: Digest,
    /// Digest of the actions that run on the way.
    pub hooks: Digest,
}

/// How the tests of all bases ended, against how they end in the bases themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TestResult {
    /// Every test passes.
    Passed,
    /// Some fail, and fail in the base too.
    Warned,
    /// Some fail that pass in the base.
    Failed,
}

/// What a vetter says about one target and the bases that become it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vetting {
    pub role: String,
    pub component: String,
    pub target: Digest,
    pub hooks: Digest,
    /// Tree digest of each base with its name, which is for people.
    pub bases: Vec<(String, Digest)>,
    pub word: Word,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The command ran in every base and in what it becomes; names of tests by how they ended.
    Tested { command: Vec<String>, result: TestResult, passed: Vec<String>, warned: Vec<String>, failed: Vec<String> },
    /// `owner` answers until `expires` (seconds since 1970) for its not having run.
    Waived { owner: String, reason: String, expires: u64 },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tested {
    result: TestResult,
    configuration: Vec<Resource>,
    #[serde(default)]
    passed_tests: Vec<String>,
    #[serde(default)]
    warned_tests: Vec<String>,
    #[serde(default)]
    failed_tests: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Waived {
    role: String,
    component: String,
    owner: String,
    reason: String,
    expires: String,
    hooks: Digest,
    bases: Vec<Resource>,
}

impl Vetting {
    /// The payload of an envelope; the same words have the same bytes.
    pub fn to_payload(&self) -> Vec<u8> {
        let subject = Resource::new(format!("{} target", self.component), self.target);
        let bases = self.bases.iter().map(|(name, tree)| Resource::new(format!("{BASE}{name}"), *tree));
        match &self.word {
            Word::Tested { command, result, passed, warned, failed } => {
                let argv = serde_json::to_vec(command).unwrap_or_default();
                let mut ran = Resource::new("command".into(), Digest::of(&argv));
                ran.annotations = BTreeMap::from([
                    ("argv".to_owned(), command.clone().into()),
                    ("component".to_owned(), self.component.clone().into()),
                    ("role".to_owned(), self.role.clone().into()),
                ]);
                let predicate = Tested {
                    result: *result,
                    configuration: [ran, Resource::new("hooks".into(), self.hooks)].into_iter().chain(bases).collect(),
                    passed_tests: passed.clone(),
                    warned_tests: warned.clone(),
                    failed_tests: failed.clone(),
                };
                Wire::payload(subject, TEST_RESULT_TYPE, predicate)
            }
            Word::Waived { owner, reason, expires } => {
                let predicate = Waived {
                    role: self.role.clone(),
                    component: self.component.clone(),
                    owner: owner.clone(),
                    reason: reason.clone(),
                    expires: show_time(*expires),
                    hooks: self.hooks,
                    bases: bases.collect(),
                };
                Wire::payload(subject, WAIVER_TYPE, predicate)
            }
        }
    }

    /// Everything that these words are about.
    pub fn bindings(&self) -> impl Iterator<Item = Binding> {
        self.bases.iter().map(|(_, base)| Binding { base: *base, target: self.target, hooks: self.hooks })
    }

    fn tested(target: Digest, said: Tested) -> Result<Self, String> {
        let one = |name: &str| {
            let mut found = said.configuration.iter().filter(|r| r.name == name);
            match (found.next(), found.next()) {
                (Some(r), None) => Ok(r),
                _ => Err(format!("its configuration has not exactly one '{name}'")),
            }
        };
        let ran = one("command")?;
        let note = |key: &str| ran.annotations.get(key).ok_or_else(|| format!("its command has no '{key}'"));
        let text = |key: &str| note(key)?.as_str().map(str::to_owned).ok_or_else(|| format!("'{key}' is no text"));
        let command: Vec<String> = serde_json::from_value(note("argv")?.clone()).map_err(|e| format!("argv: {e}"))?;
        if serde_json::to_vec(&command).map(|argv| Digest::of(&argv)).ok() != Some(ran.sha256()?) {
            return Err("its command has another digest than its words".into());
        }
        Ok(Self {
            role: text("role")?,
            component: text("component")?,
            target,
            hooks: one("hooks")?.sha256()?,
            bases: bases(&said.configuration)?,
            word: Word::Tested {
                command,
                result: said.result,
                passed: said.passed_tests,
                warned: said.warned_tests,
                failed: said.failed_tests,
            },
        })
    }

    fn waived(target: Digest, said: Waived) -> Result<Self, String> {
        let expires = parse_time(&said.expires).ok_or("its end is no time such as 2027-12-31T23:59:59Z")?;
        let (owner, reason) = (said.owner, said.reason);
        if owner.trim().is_empty() || reason.trim().is_empty() {
            return Err("a waiver without an owner or a reason".into());
        }
        Ok(Self {
            role: said.role,
            component: said.component,
            target,
            hooks: said.hooks,
            bases: bases(&said.bases)?,
            word: Word::Waived { owner, reason, expires },
        })
    }
}

fn bases(from: &[Resource]) -> Result<Vec<(String, Digest)>, String> {
    let named = from.iter().filter_map(|r| Some((r.name.strip_prefix(BASE)?, r)));
    named.map(|(name, r)| Ok((name.to_owned(), r.sha256()?))).collect()
}

/// What a signer of an in-toto statement said, by the type of its predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// "In this role I stand by this release."
    Release(Statement),
    /// "I have tested what these bases become", or the waiver in its place.
    Vetting(Vetting),
}

impl Said {
    /// # Errors
    /// What is wrong with it, in words; another type of predicate is none of ours.
    pub fn read(payload: &[u8]) -> Result<Self, String> {
        let (subject, wire) = Wire::read(payload)?;
        match &*wire.predicate_type {
            PREDICATE_TYPE => Ok(Self::Release(Statement { subject, claim: wire.predicate()? })),
            TEST_RESULT_TYPE => Ok(Self::Vetting(Vetting::tested(subject, wire.predicate()?)?)),
            WAIVER_TYPE => Ok(Self::Vetting(Vetting::waived(subject, wire.predicate()?)?)),
            _ => Err(wire.other()),
        }
    }

    /// The role in which the signer speaks.
    pub fn role(&self) -> &str {
        match self {
            Self::Release(s) => &s.claim.role,
            Self::Vetting(v) => &v.role,
        }
    }
}
