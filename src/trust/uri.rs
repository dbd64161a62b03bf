//! `pkcs11:` URIs (RFC 7512), as far as they name one private key on one token.

use crate::report::{Error, ErrorCode, Result};
use std::fmt;
use std::path::PathBuf;

/// How a URI begins.
const SCHEME: &str = "pkcs11:";

/// One private key on one token, and the module that reaches it. It holds no secret: a `pin-value` is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenUri {
    /// The module to load, an absolute path.
    pub(super) module: PathBuf,
    pub(super) token: Option<String>,
    pub(super) manufacturer: Option<String>,
    pub(super) model: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) slot: Option<u64>,
    pub(super) object: Option<String>,
    pub(super) id: Option<Vec<u8>>,
}

impl TokenUri {
    /// `None` for a text that is no such URI.
    ///
    /// # Errors
    /// `usage`, without repeating values, for attributes that are unknown, given twice or no text, for a PIN, and
    /// without a module.
    pub fn parse(text: &str) -> Option<Result<Self>> {
        text.strip_prefix(SCHEME).map(Self::attributes)
    }

    fn attributes(text: &str) -> Result<Self> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut uri = Self::default();
        let mut seen = Vec::new();
        let parts = path.split(';').chain(query.split('&')).filter(|p| !p.is_empty());
        for part in parts {
            let (name, value) = part.split_once('=').ok_or_else(|| wrong("an attribute has no value"))?;
            if seen.contains(&name) {
                return Err(wrong(format!("'{}' stands there twice", name.escape_debug())));
            }
            seen.push(name);
            uri.take(name, unescape(value).ok_or_else(|| wrong(format!("'{name:.40}' is not percent-encoded")))?)?;
        }
        if !uri.module.is_absolute() {
            return Err(wrong("no module reaches the token: 'module-path' is missing, or is no absolute path"));
        }
        if uri.object.is_none() && uri.id.is_none() {
            return Err(wrong("no key is named: neither 'object' nor 'id'"));
        }
        Ok(uri)
    }

    fn take(&mut self, name: &str, value: Vec<u8>) -> Result<()> {
        if name == "pin-value" || name == "pin-source" {
            return Err(wrong(format!("'{name}' does not belong here"))
                .next("say where the PIN is: --passphrase file:PATH, fd:N, or - for standard input"));
        }
        if name == "id" {
            self.id = Some(value);
            return Ok(());
        }
        let value = String::from_utf8(value).map_err(|_| wrong(format!("'{name:.40}' is no UTF-8")))?;
        match name {
            "module-path" => self.module = value.into(),
            "token" => self.token = Some(value),
            "manufacturer" => self.manufacturer = Some(value),
            "model" => self.model = Some(value),
            "serial" => self.serial = Some(value),
            "object" => self.object = Some(value),
            "slot-id" => {
                self.slot = Some(value.parse().map_err(|_| wrong("'slot-id' is no number"))?);
            }
            "type" if value == "private" => {}
            "type" => return Err(wrong("'type' is not 'private'")),
            _ => return Err(wrong(format!("'{:.40}' is not understood", name.escape_debug()))),
        }
        Ok(())
    }
}

impl fmt::Display for TokenUri {
    /// For messages: the key and its token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("key")?;
        if let Some(object) = &self.object {
            write!(f, " '{}'", object.escape_debug())?;
        }
        if let Some(id) = &self.id {
            f.write_str(" id ")?;
            id.iter().try_for_each(|b| write!(f, "{b:02x}"))?;
        }
        f.write_str(" on the token")?;
        let names = [&self.token, &self.manufacturer, &self.model, &self.serial];
        names.into_iter().flatten().try_for_each(|n| write!(f, " '{}'", n.escape_debug()))?;
        self.slot.map_or(Ok(()), |s| write!(f, " in slot {s}"))
    }
}

fn wrong(why: impl fmt::Display) -> Error {
    Error::new(ErrorCode::Usage, "the pkcs11: URI", why)
        .next("write it as 'pkcs11:token=LABEL;object=KEY?module-path=/usr/lib/MODULE.so'")
}

/// Percent-decoded; `None` where two hexadecimal digits are missing.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let [high, low, after @ ..] = tail else { return None };
        let digit = |d: &u8| (*d as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
        out.push(digit(high)? << 4 | digit(low)?);
        rest = after;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "?module-path=/usr/lib/m.so";

    #[test]
    fn what_names_one_key_is_read() {
        let text = "pkcs11:token=The%20Software;manufacturer=Snake%20Oil;serial=12;slot-id=7;id=%01%aB;type=private?module-path=/m%3b.so";
        let uri = TokenUri::parse(text).unwrap().unwrap();
        assert_eq!((uri.token.as_deref(), uri.manufacturer.as_deref()), (Some("The Software"), Some("Snake Oil")));
        assert_eq!((uri.slot, uri.id.as_deref()), (Some(7), Some(&[1, 0xab][..])));
        assert_eq!(uri.module, PathBuf::from("/m;.so"));
        assert_eq!(uri.to_string(), "key id 01ab on the token 'The Software' 'Snake Oil' '12' in slot 7");
        assert!(TokenUri::parse("./pkcs11:object=a").is_none() && TokenUri::parse("release.key").is_none());
    }

    #[test]
    fn everything_else_is_refused_without_repeating_it() {
        let table = [
            (format!("pkcs11:object=a;pin-value=hunter2{MODULE}"), "'pin-value'"),
            (format!("pkcs11:object=a{MODULE}&pin-value=hunter2"), "'pin-value'"),
            (format!("pkcs11:object=a{MODULE}&pin-source=file:/hunter2"), "'pin-source'"),
            (format!("pkcs11:object=hunter2;object=b{MODULE}"), "twice"),
            (format!("pkcs11:hunter2{MODULE}"), "no value"),
            (format!("pkcs11:object=hunter2%zz{MODULE}"), "percent"),
            (format!("pkcs11:object=hunter2%4{MODULE}"), "percent"),
            (format!("pkcs11:object=hunter2%ff{MODULE}"), "UTF-8"),
            (format!("pkcs11:object=a;slot-id=hunter2{MODULE}"), "slot-id"),
            (format!("pkcs11:object=a;type=public{MODULE}"), "'type'"),
            (format!("pkcs11:object=a;x-vendor=hunter2{MODULE}"), "not understood"),
            (format!("pkcs11:token=hunter2{MODULE}"), "no key"),
            ("pkcs11:object=a?module-path=lib/hunter2.so".into(), "absolute"),
            ("pkcs11:object=a".into(), "module-path"),
        ];
        for (text, word) in &table {
            let e = TokenUri::parse(text).unwrap().expect_err(text);
            assert!(e.code == ErrorCode::Usage && e.message.contains(word), "{text}: {e}");
            assert!(!format!("{e:?}").contains("hunter2"), "{text}: {e:?}");
        }
    }
}
