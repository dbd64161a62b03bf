//! Whose signatures count, in which role, how many, and until when (`trust.toml`, see the room's page).

use super::time::{seconds, show_time};
use super::{KeyId, PublicKey};
use crate::report::{Error, ErrorCode, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::value::Datetime;

/// The role that every policy requires.
pub const RELEASE: &str = "release";
/// Longest `trust.toml` in bytes.
const MAX_POLICY: u64 = 1 << 20;
/// Most keys of one policy.
const MAX_KEYS: usize = 1024;

/// A role that must be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub threshold: usize,
    pub keys: BTreeSet<KeyId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PolicyKey {
    pub(super) name: String,
    pub(super) key: PublicKey,
    pub(super) span: Span,
}

/// From when to when something counts, in seconds since 1970, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    from: Option<u64>,
    to: Option<u64>,
}

impl Span {
    /// Why it does not count at this time.
    pub(super) fn outside(self, now: u64) -> Option<String> {
        match self {
            Self { from: Some(t), .. } if now < t => Some(format!("not valid before {}", show_time(t))),
            Self { to: Some(t), .. } if now > t => Some(format!("expired at {}", show_time(t))),
            _ => None,
        }
    }
}

/// A trust policy that can be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Where it came from, for messages.
    pub(super) origin: String,
    pub(super) component: Option<String>,
    pub(super) span: Span,
    pub(super) keys: BTreeMap<KeyId, PolicyKey>,
    pub(super) roles: BTreeMap<String, Role>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    component: Option<String>,
    valid_from: Option<Datetime>,
    expires: Option<Datetime>,
    #[serde(default)]
    key: Vec<FileKey>,
    #[serde(default)]
    roles: BTreeMap<String, FileRole>,
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
}

fn one() -> usize {
    1
}

impl Policy {
    /// "One of these keys signed in role `release`": what `--pub P…` means.
    ///
    /// # Errors
    /// `no-trust` without any key.
    pub fn of_keys(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self> {
        let keys: BTreeMap<KeyId, PolicyKey> = keys
            .into_iter()
            .map(|key| (key.id(), PolicyKey { name: key.id().to_string(), key, span: Span::default() }))
            .collect();
        if keys.is_empty() {
            return Err(Error::new(ErrorCode::NoTrust, "policy", "no key is given, so nothing can be trusted")
                .next("give --pub FILE or --policy FILE"));
        }
        let role = Role { threshold: 1, keys: keys.keys().copied().collect() };
        Ok(Self {
            origin: "the given keys".into(),
            component: None,
            span: Span::default(),
            keys,
            roles: BTreeMap::from([(RELEASE.to_owned(), role)]),
        })
    }

    /// Reads `trust.toml`; key files are looked up beside it.
    ///
    /// # Errors
    /// `config` for a policy that cannot be read or met, `bad-key` for a key, `io`.
    pub fn read(path: &Path) -> Result<Self> {
        use std::io::Read as _;
        let io = |e: std::io::Error| Error::io(path.display(), &e);
        let mut text = String::new();
        std::fs::File::open(path).map_err(io)?.take(MAX_POLICY + 1).read_to_string(&mut text).map_err(io)?;
        if text.len() as u64 > MAX_POLICY {
            return Err(Error::new(ErrorCode::Limit, path.display(), format!("longer than {MAX_POLICY} bytes")));
        }
        Self::parse(&text, &path.display().to_string(), path.parent().unwrap_or(Path::new("")))
    }

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
        roles.entry(RELEASE.to_owned()).or_insert(Role { threshold: 1, keys: BTreeSet::new() });
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
        let span = span(origin, file.valid_from.as_ref(), file.expires.as_ref())?;
        Ok(Self { origin: origin.to_owned(), component: file.component, span, keys, roles })
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
        for (name, role) in &self.roles {
            let mut table = Table::new();
            let threshold = i64::try_from(role.threshold).map_err(|e| fault(&e))?;
            table.insert("threshold".into(), Value::Integer(threshold));
            let ids = role.keys.iter().map(|id| Value::String(id.to_string())).collect();
            table.insert("keys".into(), Value::Array(ids));
            roles.insert(name.clone(), Value::Table(table));
        }
        out.insert("roles".into(), Value::Table(roles));
        toml::to_string(&out).map_err(|e| fault(&e))
    }

    /// Every required role.
    pub fn roles(&self) -> &BTreeMap<String, Role> {
        &self.roles
    }

    /// The keys with their names.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &PublicKey)> {
        self.keys.values().map(|k| (k.name.as_str(), &k.key))
    }
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
        roles.insert(name, Role { threshold: role.threshold, keys: ids });
    }
    Ok(roles)
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
    Ok(Span { from: read(from, false)?, to: read(to, true)? })
}

fn config(origin: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Config, origin, why)
        .next("correct the policy; its words are explained in docs/bundle-format.md, section 5")
}
