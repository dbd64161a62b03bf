//! A policy as a text: `trust.toml`, what a root signs, and what an installation remembers.

use super::policy::{Evidence, PolicyKey, RELEASE, Role, Span};
use super::root::ROOT;
use super::time::{seconds, show_time};
use super::{KeyId, Policy, PublicKey};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Digest;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::value::Datetime;

/// Most keys of one policy.
const MAX_KEYS: usize = 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    /// Only in what is signed or remembered.
    version: Option<u64>,
    component: Option<String>,
    valid_from: Option<Datetime>,
    expires: Option<Datetime>,
    #[serde(default)]
    key: Vec<FileKey>,
    #[serde(default)]
    roles: BTreeMap<String, FileRole>,
    #[serde(default)]
    revoked_keys: Vec<String>,
    #[serde(default)]
    revoked_bundles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileKey {
    name: Option<String>,
    file: Option<String>,
    pem: Option<String>,
    role: Option<String>,
    roles: Option<Vec<String>>,
    valid_from: Option<Datetime>,
    expires: Option<Datetime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRole {
    #[serde(default = "one")]
    threshold: usize,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    evidence: Evidence,
    #[serde(default)]
    waivers: bool,
}

fn one() -> usize {
    1
}

impl Policy {
    /// Reads the text of a policy named `origin`, with key files relative to `folder`.
    ///
    /// # Errors
    /// As [`Policy::read`].
    pub fn parse(text: &str, origin: &str, folder: &Path) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|e| config(origin, e.to_string().trim_end()))?;
        if file.key.len() > MAX_KEYS {
            return Err(config(origin, format!("more than {MAX_KEYS} keys")));
        }
        let mut keys: BTreeMap<KeyId, PolicyKey> = BTreeMap::new();
        let mut own_roles: Vec<(KeyId, Option<Vec<String>>)> = Vec::new();
        for (i, k) in file.key.into_iter().enumerate() {
            let (key, default_name) = match (&k.file, &k.pem) {
                (Some(f), None) => {
                    let stem = Path::new(f).file_stem().map(|s| s.to_string_lossy().into_owned());
                    (PublicKey::read(&folder.join(f))?, stem)
                }
                (None, Some(pem)) => (PublicKey::from_pem(pem, format!("{origin}: key {}", i + 1))?, None),
                _ => return Err(config(origin, format!("key {} needs either `file` or `pem`", i + 1))),
            };
            let id = key.id();
            let name = k.name.or(default_name).unwrap_or_else(|| id.to_string());
            if keys.values().any(|other| other.name == name) {
                return Err(config(origin, format!("two keys are named '{name}'")));
            }
            let roles = match (k.role, k.roles) {
                (Some(_), Some(_)) => return Err(config(origin, format!("key '{name}' has both `role` and `roles`"))),
                (Some(role), None) => Some(vec![role]),
                (None, roles) => roles,
            };
            let span = span(origin, k.valid_from.as_ref(), k.expires.as_ref())?;
            if let Some(other) = keys.insert(id, PolicyKey { name: name.clone(), key, span }) {
                return Err(config(origin, format!("'{name}' and '{}' are the same key", other.name)));
            }
            own_roles.push((id, roles));
        }
        let mut roles = named_roles(origin, file.roles, &keys)?;
        roles.entry(RELEASE.to_owned()).or_insert_with(|| Role::of(1, BTreeSet::new()));
        let named: BTreeSet<KeyId> = roles.values().flat_map(|r| r.keys.iter().copied()).collect();
        for (id, own) in own_roles {
            let own = match own {
                Some(own) => own,
                None if named.contains(&id) => Vec::new(),
                None => vec![RELEASE.to_owned()],
            };
            for role in own {
                let Some(r) = roles.get_mut(&role) else {
                    return Err(config(
                        origin,
                        format!("role '{role}' has a key but no [roles.{role}] that says how many are needed"),
                    ));
                };
                r.keys.insert(id);
            }
        }
        for (name, role) in &roles {
            if role.threshold == 0 || role.threshold > role.keys.len() {
                return Err(config(
                    origin,
                    format!("role '{name}' has {} keys and threshold {}", role.keys.len(), role.threshold),
                ));
            }
        }
        independent(origin, &roles, &keys)?;
        let revoked = digests(origin, "revoked-keys", &file.revoked_keys)?.into_iter().map(KeyId).collect();
        if let Some((_, key)) = keys.iter().find(|(id, _)| BTreeSet::contains(&revoked, id)) {
            return Err(config(origin, format!("the key '{}' is revoked, so it cannot be in a role", key.name)));
        }
        let revoked_bundles = digests(origin, "revoked-bundles", &file.revoked_bundles)?;
        let root = match file.version {
            None => None,
            Some(version) => match roles.remove(ROOT) {
                Some(role) => Some((version, role)),
                None => return Err(config(origin, "it has a version, but no [roles.root] that signs the next one")),
            },
        };
        let span = span(origin, file.valid_from.as_ref(), file.expires.as_ref())?;
        let (component, lineage) = (file.component, Vec::new());
        Ok(Self { origin: origin.to_owned(), component, span, keys, roles, revoked, revoked_bundles, root, lineage })
    }

    /// The policy as a text of its own, with the keys inside: what an installation remembers.
    /// [`Policy::parse`] reads the same policy from it.
    ///
    /// # Errors
    /// `internal`.
    pub fn to_toml(&self) -> Result<String> {
        use toml::{Table, Value};
        let fault = |e: &dyn std::fmt::Display| Error::new(ErrorCode::Internal, &self.origin, e);
        let dates = |table: &mut Table, span: Span| -> Result<()> {
            for (name, at) in [("valid-from", span.from), ("expires", span.to)] {
                if let Some(at) = at {
                    let date: Datetime = show_time(at).parse().map_err(|e| fault(&e))?;
                    table.insert(name.into(), Value::Datetime(date));
                }
            }
            Ok(())
        };
        let mut out = Table::new();
        if let Some((version, _)) = self.root {
            out.insert("version".into(), Value::Integer(i64::try_from(version).map_err(|e| fault(&e))?));
        }
        let listed = |digests: Vec<String>| Value::Array(digests.into_iter().map(Value::String).collect());
        if !self.revoked.is_empty() {
            out.insert("revoked-keys".into(), listed(self.revoked.iter().map(ToString::to_string).collect()));
        }
        if !self.revoked_bundles.is_empty() {
            out.insert("revoked-bundles".into(), listed(self.revoked_bundles.iter().map(|d| d.hex()).collect()));
        }
        if let Some(component) = &self.component {
            out.insert("component".into(), Value::String(component.clone()));
        }
        dates(&mut out, self.span)?;
        let mut keys = Vec::new();
        for k in self.keys.values() {
            let mut table = Table::new();
            table.insert("name".into(), Value::String(k.name.clone()));
            table.insert("pem".into(), Value::String(k.key.to_pem()));
            // Which roles a key has stands at the roles.
            table.insert("roles".into(), Value::Array(Vec::new()));
            dates(&mut table, k.span)?;
            keys.push(Value::Table(table));
        }
        out.insert("key".into(), Value::Array(keys));
        let mut roles = Table::new();
        let signs_next = self.root.iter().map(|(_, role)| (ROOT, role));
        for (name, role) in self.roles.iter().map(|(n, r)| (n.as_str(), r)).chain(signs_next) {
            let mut table = Table::new();
            let threshold = i64::try_from(role.threshold).map_err(|e| fault(&e))?;
            table.insert("threshold".into(), Value::Integer(threshold));
            let ids = role.keys.iter().map(|id| Value::String(id.to_string())).collect();
            table.insert("keys".into(), Value::Array(ids));
            if role.evidence == Evidence::TestResult {
                table.insert("evidence".into(), Value::String("test-result".into()));
            }
            if role.waivers {
                table.insert("waivers".into(), Value::Boolean(true));
            }
            roles.insert(name.to_owned(), Value::Table(table));
        }
        out.insert("roles".into(), Value::Table(roles));
        toml::to_string(&out).map_err(|e| fault(&e))
    }
}

/// Who vets builds nothing: a key that gives test results stands in no other role, or one theft were two.
fn independent(origin: &str, roles: &BTreeMap<String, Role>, keys: &BTreeMap<KeyId, PolicyKey>) -> Result<()> {
    for (name, role) in roles.iter().filter(|(_, r)| r.evidence == Evidence::TestResult) {
        let elsewhere =
            role.keys.iter().find_map(|id| Some((id, roles.iter().find(|(n, r)| *n != name && r.keys.contains(id))?)));
        if let Some((id, (other, _))) = elsewhere {
            let key = keys.get(id).map_or("", |k| &k.name);
            return Err(config(origin, format!("'{key}' vets as '{name}', so it cannot stand in role '{other}' too")));
        }
        if matches!(name.as_str(), RELEASE | ROOT) {
            return Err(config(origin, format!("role '{name}' gives signatures, not test results")));
        }
    }
    Ok(())
}

fn named_roles(
    origin: &str,
    named: BTreeMap<String, FileRole>,
    keys: &BTreeMap<KeyId, PolicyKey>,
) -> Result<BTreeMap<String, Role>> {
    let mut roles = BTreeMap::new();
    for (name, role) in named {
        let mut ids = BTreeSet::new();
        for wanted in role.keys {
            let id = keys.iter().find(|(id, k)| k.name == wanted || id.to_string() == wanted).map(|(id, _)| *id);
            let id = id.ok_or_else(|| config(origin, format!("role '{name}' names the unknown key '{wanted}'")))?;
            ids.insert(id);
        }
        let (evidence, waivers) = (role.evidence, role.waivers);
        if waivers && evidence == Evidence::Signature {
            return Err(config(origin, format!("role '{name}' takes waivers, but wants no test results to waive")));
        }
        roles.insert(name, Role { evidence, waivers, ..Role::of(role.threshold, ids) });
    }
    Ok(roles)
}

/// SHA-256 digests as 64 hex digits, with or without `sha256:`.
fn digests(origin: &str, what: &str, listed: &[String]) -> Result<BTreeSet<Digest>> {
    let one = |text: &String| {
        Digest::from_hex(text.strip_prefix("sha256:").unwrap_or(text))
            .ok_or_else(|| config(origin, format!("{what}: '{:.80}' is no SHA-256 in hex", text.escape_debug())))
    };
    listed.iter().map(one).collect()
}

fn span(origin: &str, from: Option<&Datetime>, to: Option<&Datetime>) -> Result<Span> {
    let read = |value: Option<&Datetime>, end| {
        value
            .map(|v| {
                seconds(v, end)
                    .ok_or_else(|| config(origin, format!("{v} is not a date such as 2027-12-31, or before 1970")))
            })
            .transpose()
    };
    let span = Span { from: read(from, false)?, to: read(to, true)? };
    match (span.from, span.to) {
        (Some(from), Some(to)) if from > to => {
            Err(config(origin, format!("valid-from {} lies behind expires {}", show_time(from), show_time(to))))
        }
        _ => Ok(span),
    }
}

pub(super) fn config(origin: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Config, origin, why)
        .next("correct the policy; its words are explained in docs/bundle-format.md, section 5")
}
