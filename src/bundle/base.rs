//! A base manifest as it is stored: what it states, and its steps as columns over the rows of its track's listing.

use super::listing::{Listing, Plain};
use super::{
    Action, BaseManifest, BlobRef, Class, FixEntry, FixState, Format, Hook, Slice, State, Step, Steps, TreeRef,
    document,
};
use crate::delta::Codec;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Beginning, Entry, TreePath};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of the digest of what a base has where a step is: the whole tree's digest proves it, and every result has
/// its whole digest in the listing. Config files may be edited locally, so theirs are whole.
const SHORT: usize = 8;

/// The steps of one base, column by column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns {
    /// How many rows of the listing lie between a step's row and the one before.
    skip: Vec<u32>,
    /// What is done, one letter for each step.
    does: String,
    /// What the base has, one letter for each step.
    had: String,
    /// Targets of links that the base has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<String>,
    /// For each copy and delta the old file's row, as the difference to the step's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    from: Vec<i64>,
    /// For each delta its pack, the bytes between it and the one before of that pack, and its length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    at: Vec<(u32, i64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    schema: String,
    format: Format,
    component: String,
    release: String,
    name: String,
    track: String,
    before: TreeRef,
    after: TreeRef,
    listing: BlobRef,
    packs: Vec<BlobRef>,
    download: u64,
    disk: u64,
    memory: u64,
    /// One letter for each fix of the release.
    fixes: String,
    /// Why, by the fix's position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<(u32, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hooks: Vec<Hook>,
    steps: Columns,
}

/// Steps that wait for their listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stepped {
    columns: Columns,
    plain: Vec<u8>,
}

const STATES: [(State, char); 4] =
    [(State::Added, 'a'), (State::Contained, 'c'), (State::Partly, 'p'), (State::Unknown, 'u')];
const CODECS: [(Codec, char); 4] =
    [(Codec::Bsdiff, 'b'), (Codec::Zstd, 'z'), (Codec::Stream, 's'), (Codec::Containers, 'k')];

fn letter<T: PartialEq + Copy>(list: &[(T, char)], value: T) -> Option<char> {
    list.iter().find(|(v, _)| *v == value).map(|(_, c)| *c)
}

fn meant<T: Copy>(list: &[(T, char)], letter: char) -> Option<T> {
    list.iter().find(|(_, c)| *c == letter).map(|(v, _)| *v)
}

fn fault(base: &str, why: &str) -> Error {
    Error::new(ErrorCode::Internal, base, why).next("report this as a defect of cumulate")
}

/// The blob of a base manifest with its steps.
pub(super) fn encode(base: &BaseManifest, steps: &[Step], listing: &Listing) -> Result<(Vec<u8>, Stepped)> {
    let stepped = columns(steps, listing).ok_or_else(|| fault(&base.name, "a step at a path that is not listed"))?;
    let reasons = (0u32..).zip(&base.fixes).filter(|(_, f)| !f.reason.is_empty());
    let stored = Stored {
        schema: base.schema.clone(),
        format: base.format,
        component: base.component.clone(),
        release: base.release.clone(),
        name: base.name.clone(),
        track: base.track.clone(),
        before: base.before,
        after: base.after,
        listing: base.listing,
        packs: base.packs.clone(),
        download: base.download,
        disk: base.disk,
        memory: base.memory,
        fixes: base.fixes.iter().filter_map(|f| letter(&STATES, f.state)).collect(),
        reasons: reasons.map(|(n, f)| (n, f.reason.clone())).collect(),
        hooks: base.hooks.clone(),
        steps: stepped.columns.clone(),
    };
    Ok((document::encode_with(&stepped.plain, &stored, "base manifest")?, stepped))
}

fn columns(steps: &[Step], listing: &Listing) -> Option<Stepped> {
    let places = listing.places();
    let row = |p: &TreePath| places.get(p).and_then(|n| i64::try_from(*n).ok());
    let mut sorted: Vec<(i64, &Step)> = steps.iter().map(|s| Some((row(&s.path)?, s))).collect::<Option<_>>()?;
    sorted.sort_by_key(|(n, _)| *n);
    let mut c = Columns {
        skip: Vec::new(),
        does: String::new(),
        had: String::new(),
        links: Vec::new(),
        from: Vec::new(),
        at: Vec::new(),
    };
    let mut plain = Vec::new();
    let mut next = 0;
    let mut ends: BTreeMap<u32, i64> = BTreeMap::new();
    for (n, step) in sorted {
        c.skip.push(u32::try_from(n - next).ok()?);
        next = n + 1;
        let (letter, from, at) = match &step.action {
            Action::Copy { from } => ('c', Some(from), None),
            Action::Delta { from, codec, at } => (letter(&CODECS, *codec)?, Some(from), Some(at)),
            Action::Full { at } => ('f', None, Some(at)),
            Action::Delete => ('-', None, None),
            Action::Link => ('l', None, None),
            Action::Mode => ('m', None, None),
            Action::Folder => ('d', None, None),
        };
        c.does.push(letter);
        if let Some(from) = from {
            c.from.push(row(from)? - n);
        }
        if let Some(at) = at {
            let (offset, length) = (i64::try_from(at.offset).ok()?, i64::try_from(at.length).ok()?);
            let end = ends.entry(at.pack).or_default();
            c.at.push((at.pack, offset - *end, at.length));
            *end = offset.checked_add(length)?;
        }
        c.had.push(match &step.before {
            None => '-',
            Some(Entry::Symlink { target }) => {
                c.links.push(target.clone());
                'l'
            }
            Some(Entry::Folder) => 'd',
            Some(Entry::File { exec, digest, size }) => {
                // A mode step's content is the target's.
                if step.action == Action::Mode {
                } else if step.class == Class::Config {
                    plain.extend(digest.0);
                    plain.extend(size.to_be_bytes());
                } else {
                    plain.extend(&digest.0[..SHORT]);
                }
                if *exec { 'x' } else { 'f' }
            }
            Some(Entry::Brief { .. }) => return None,
        });
    }
    Some(Stepped { columns: c, plain })
}

/// A base manifest whose document has at most `max` bytes, of a release with these fixes.
///
/// # Errors
/// `bad-bundle`, `limit`; whatever `check` finds in its text before the rest is read.
pub(super) fn decode(
    blob: &BlobRef,
    bytes: &[u8],
    max: u64,
    fixes: &[FixEntry],
    check: impl FnOnce(&[u8]) -> Result<()>,
) -> Result<(BaseManifest, Stepped)> {
    let bad = |why: &dyn std::fmt::Display| {
        Error::new(ErrorCode::BadBundle, format!("base manifest {}", blob.digest), why)
            .next("fetch the bundle again from where it was released")
    };
    let (plain, frames) = document::split(blob, bytes, "base manifest")?;
    let text = document::text(blob, frames, max, "base manifest")?;
    check(&text)?;
    let s: Stored = serde_json::from_slice(&text).map_err(|e| bad(&format_args!("it cannot be read: {e}")))?;
    if s.fixes.chars().count() != fixes.len() || s.reasons.windows(2).any(|w| w[0].0 >= w[1].0) {
        return Err(bad(&"its fixes are not those of the release"));
    }
    let mut states = Vec::new();
    for (fix, letter) in fixes.iter().zip(s.fixes.chars()) {
        let state = meant(&STATES, letter).ok_or_else(|| bad(&"a fix in an unknown state"))?;
        states.push(FixState { id: fix.id.clone(), state, reason: String::new() });
    }
    for (n, reason) in s.reasons {
        states.get_mut(n as usize).ok_or_else(|| bad(&"its fixes are not those of the release"))?.reason = reason;
    }
    let manifest = BaseManifest {
        schema: s.schema,
        format: s.format,
        component: s.component,
        release: s.release,
        name: s.name,
        track: s.track,
        before: s.before,
        after: s.after,
        listing: s.listing,
        packs: s.packs,
        download: s.download,
        disk: s.disk,
        memory: s.memory,
        fixes: states,
        hooks: s.hooks,
    };
    Ok((manifest, Stepped { columns: s.steps, plain: plain.to_vec() }))
}

impl Stepped {
    /// The steps over the rows of their listing, sorted by path.
    ///
    /// # Errors
    /// `bad-bundle` for columns that do not fit each other or the listing.
    pub(super) fn over(&self, listing: &Listing, base: &str) -> Result<Steps> {
        self.steps(listing).map_err(|why| {
            Error::new(ErrorCode::BadBundle, format!("base '{base}', its steps"), why)
                .next("do not use this bundle; ask its publisher")
        })
    }

    fn steps(&self, listing: &Listing) -> Result<Steps, String> {
        let Columns { skip, does, had, links, from, at } = &self.columns;
        let mut plain = Plain(&self.plain);
        let (mut does, mut had, mut links) = (does.chars(), had.chars(), links.iter());
        let (mut from, mut at) = (from.iter(), at.iter());
        let mut ends: BTreeMap<u32, u64> = BTreeMap::new();
        let mut touched = vec![false; listing.rows.len()];
        let mut steps = Vec::new();
        let mut next = 0usize;
        for skip in skip {
            let n = next.checked_add(*skip as usize).filter(|n| *n < listing.rows.len());
            let n = n.ok_or("a step beyond the listing")?;
            next = n + 1;
            let row = &listing.rows[n];
            touched[n] = true;
            let few = || format!("they end before the step for '{}'", row.path);
            let mut old = || -> Result<TreePath, String> {
                let by = isize::try_from(*from.next().ok_or_else(few)?).ok();
                let other = by.and_then(|by| n.checked_add_signed(by)).and_then(|n| listing.rows.get(n));
                other
                    .map(|r| r.path.clone())
                    .ok_or_else(|| format!("the step for '{}' reads beyond the listing", row.path))
            };
            let mut slice = || -> Result<Slice, String> {
                let (pack, gap, length) = *at.next().ok_or_else(few)?;
                let end = ends.entry(pack).or_default();
                let outside = || format!("the step for '{}' reaches outside its pack", row.path);
                let offset = end.checked_add_signed(gap).ok_or_else(outside)?;
                *end = offset.checked_add(length).ok_or_else(outside)?;
                Ok(Slice { pack, offset, length })
            };
            let action = match does.next().ok_or_else(few)? {
                'c' => Action::Copy { from: old()? },
                'f' => Action::Full { at: slice()? },
                '-' => Action::Delete,
                'l' => Action::Link,
                'm' => Action::Mode,
                'd' => Action::Folder,
                other => {
                    let codec = meant(&CODECS, other);
                    let codec = codec.ok_or_else(|| format!("unknown action '{}'", other.escape_debug()))?;
                    Action::Delta { from: old()?, codec, at: slice()? }
                }
            };
            let before = match had.next().ok_or_else(few)? {
                '-' => None,
                'l' => Some(Entry::Symlink { target: links.next().ok_or_else(few)?.clone() }),
                'd' => Some(Entry::Folder),
                kind @ ('f' | 'x') => Some(match (&action, &row.entry) {
                    (Action::Mode, Some(Entry::File { digest, size, .. })) => {
                        Entry::File { digest: *digest, size: *size, exec: kind == 'x' }
                    }
                    (Action::Mode, _) => return Err(format!("the mode of '{}' changes, which is no file", row.path)),
                    _ if row.class == Class::Config => Entry::File {
                        digest: plain.whole().ok_or_else(few)?,
                        size: plain.size().ok_or_else(few)?,
                        exec: kind == 'x',
                    },
                    _ => {
                        let begins = plain.take(SHORT).and_then(Beginning::new).ok_or_else(few)?;
                        Entry::Brief { begins, exec: kind == 'x' }
                    }
                }),
                other => return Err(format!("unknown kind '{}'", other.escape_debug())),
            };
            steps.push(Step { path: row.path.clone(), before, after: row.entry.clone(), action, class: row.class });
        }
        let more = does.next().is_some() || had.next().is_some() || links.next().is_some();
        if more || from.next().is_some() || at.next().is_some() || !plain.0.is_empty() {
            return Err("they say more than there are steps".into());
        }
        steps.sort_by(|a, b| a.path.cmp(&b.path));
        let free = listing.rows.iter().zip(touched).filter(|(r, touched)| {
            !touched && r.class == Class::Config && r.entry.as_ref().is_some_and(Entry::is_file)
        });
        let mut config: Vec<TreePath> = free.map(|(r, _)| r.path.clone()).collect();
        config.sort();
        Ok(Steps { steps, config })
    }
}
