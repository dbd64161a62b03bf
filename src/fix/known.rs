//! What an earlier run read of the fixes, each by the stamps that its files had then: a fix that nobody touched since is
//! not read again. A cache that is only ever a cache.
//!
//! A list of records, ascending by id: length (4 bytes); id; what it follows from; what was read. Numbers are
//! little-endian, texts have their length in front (4 bytes), and what may be missing has a byte that says so.

use super::files::{Files, Names, Unread};
use super::types::{Fix, FixId, Meta, Payload, Variant};
use crate::patch::ParseOptions;
use crate::tree::{Digest, Stamp, TreePath};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

/// What is remembered of a fix, if anything is.
pub(super) type Kept<'b> = Option<Cow<'b, [u8]>>;

/// The records of the last run, and what this one needs to make its own.
pub(super) struct Known<'b> {
    /// By id: the whole record, and what stands behind the id.
    records: HashMap<&'b str, (&'b [u8], &'b [u8])>,
    /// What was remembered is a list without faults.
    whole: bool,
    now: SystemTime,
    /// Set where a patch that was not read again turns out to be another one.
    pub(super) changed: Arc<AtomicBool>,
}

/// What was read of a fix follows from this.
pub(super) struct Follows {
    /// What the name, the series and the file system say of it.
    said: Vec<u8>,
    /// Every file was left alone for so long that a change since then shows.
    settled: bool,
}

/// A variant, and the patch files that it was read from: places among those of the fix.
pub(super) type From = Vec<(usize, Digest)>;

impl<'b> Known<'b> {
    /// Of bytes that are no such list, the records before the fault count.
    pub(super) fn new(before: &'b [u8]) -> Self {
        let mut records = HashMap::new();
        let mut rest = Reader(before);
        let mut whole = true;
        while let Some(record) = rest.bytes() {
            let mut behind = Reader(record);
            let Some(id) = behind.text() else { break };
            whole &= records.insert(id, (record, behind.0)).is_none();
        }
        whole &= rest.0.is_empty();
        Self { records, whole, now: SystemTime::now(), changed: Arc::default() }
    }

    /// Whether these are the records of all that was remembered, and of these fixes.
    pub(super) fn are(&self, records: &[Kept<'_>]) -> bool {
        self.whole && records.len() == self.records.len() && records.iter().all(|r| matches!(r, Some(Cow::Borrowed(_))))
    }

    /// What a fix follows from that lies in these patch files and this metadata file; none where one cannot be looked at.
    pub(super) fn follows(
        &self,
        root: &Path,
        patches: &[(PathBuf, Option<String>, Option<String>)],
        toml: Option<&Path>,
        (strip, reverse): (Option<u32>, bool),
    ) -> Option<Follows> {
        let mut out = Writer(Vec::with_capacity(192));
        out.number(strip.map_or(0, |s| u64::from(s) + 1));
        out.flag(reverse);
        let mut settled = true;
        let files =
            patches.iter().map(|(file, branch, platform)| (file.as_path(), branch.as_deref(), platform.as_deref()));
        for (file, branch, platform) in files.chain(toml.map(|toml| (toml, None, None))) {
            // Of a link, what it leads to is read, so that counts.
            let stamp = Stamp::of(&std::fs::metadata(file).ok()?);
            settled &= stamp.settled(self.now);
            out.text(file.strip_prefix(root).ok()?.to_str()?);
            out.maybe(branch);
            out.maybe(platform);
            out.0.extend_from_slice(&stamp.to_bytes());
        }
        out.flag(toml.is_some());
        Some(Follows { said: out.0, settled })
    }

    /// The fix as it was read, if it follows from the same.
    pub(super) fn fix(&self, id: &FixId, patches: &[PathBuf], follows: &Follows) -> Option<Fix> {
        let mut record = Reader(self.records.get(id.0.as_str())?.1);
        (record.bytes()? == follows.said).then_some(())?;
        let strip = u32::try_from(record.number()?).ok()?;
        let options = ParseOptions { strip, reverse: record.flag()?, ..ParseOptions::default() };
        let meta: Meta = serde_json::from_slice(record.bytes()?).ok()?;
        let mut variants = Vec::new();
        for _ in 0..record.number()? {
            let (branch, platform) = (record.maybe()?, record.maybe()?);
            let mut files = Vec::new();
            for _ in 0..record.number()? {
                let file = patches.get(usize::try_from(record.number()?).ok()?)?;
                files.push((file.clone(), record.digest()?));
            }
            let mut names = Vec::new();
            for _ in 0..record.number()? {
                names.push(if record.flag()? {
                    Names::Same(TreePath::parse(record.text()?).ok()?)
                } else {
                    Names::Both(record.path()?, record.path()?)
                });
            }
            let file = files.first()?.0.clone();
            let unread = Unread { files, options, names, changed: Arc::clone(&self.changed) };
            variants.push(Variant { branch, platform, file, payload: Payload::Patch(Files::unread(unread)) });
        }
        (!variants.is_empty() && record.0.is_empty()).then(|| Fix { id: id.clone(), meta, variants })
    }

    /// The record of a fix as it was remembered.
    pub(super) fn kept(&self, id: &FixId) -> Option<&'b [u8]> {
        self.records.get(id.0.as_str()).map(|(record, _)| *record)
    }
}

/// The record of a fix that was read, if it may be relied on the next time.
pub(super) fn record(fix: &Fix, follows: &Follows, options: &ParseOptions, from: &[From]) -> Option<Vec<u8>> {
    if !follows.settled || from.len() != fix.variants.len() {
        return None;
    }
    let mut out = Writer(Vec::with_capacity(follows.said.len() + 256));
    out.text(&fix.id.0);
    out.bytes(&follows.said);
    out.number(options.strip.into());
    out.flag(options.reverse);
    out.bytes(&meta(&fix.meta)?);
    out.number(fix.variants.len() as u64);
    for (variant, from) in fix.variants.iter().zip(from) {
        let Payload::Patch(files) = &variant.payload else { return None };
        out.maybe(variant.branch.as_deref());
        out.maybe(variant.platform.as_deref());
        out.number(from.len() as u64);
        for (at, digest) in from {
            out.number(*at as u64);
            out.0.extend_from_slice(&digest.0);
        }
        out.number(files.len() as u64);
        for part in files {
            match Names::of(part) {
                Names::Same(path) => {
                    out.flag(true);
                    out.text(path.as_str());
                }
                Names::Both(old, new) => {
                    out.flag(false);
                    out.maybe(old.as_ref().map(TreePath::as_str));
                    out.maybe(new.as_ref().map(TreePath::as_str));
                }
            }
        }
    }
    Some(out.0)
}

/// What the next run should be given, where that is something else.
pub(super) fn list(before: &[u8], mut records: Vec<(&FixId, Cow<'_, [u8]>)>) -> Option<Vec<u8>> {
    records.sort_unstable_by(|a, b| a.0.cmp(b.0));
    let mut out = Writer(Vec::with_capacity(before.len() + 1024));
    records.iter().for_each(|(_, record)| out.bytes(record));
    (out.0 != before).then_some(out.0)
}

/// Metadata without what is not stated.
fn meta(meta: &Meta) -> Option<Vec<u8>> {
    let (serde_json::Value::Object(mut all), serde_json::Value::Object(plain)) =
        (serde_json::to_value(meta).ok()?, serde_json::to_value(Meta::default()).ok()?)
    else {
        return None;
    };
    all.retain(|name, value| plain.get(name) != Some(value));
    let bytes = serde_json::to_vec(&all).ok()?;
    serde_json::from_slice::<Meta>(&bytes).is_ok_and(|read| read == *meta).then_some(bytes)
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, n: u64) {
        self.0.extend_from_slice(&n.to_le_bytes()[..5]);
    }

    fn flag(&mut self, yes: bool) {
        self.0.push(u8::from(yes));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn maybe(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        if let Some(text) = text {
            self.text(text);
        }
    }
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, n: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut all = [0; 8];
        all[..5].copy_from_slice(self.take(5)?);
        Some(u64::from_le_bytes(all))
    }

    fn flag(&mut self) -> Option<bool> {
        match self.take(1)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn bytes(&mut self) -> Option<&'b [u8]> {
        let length = self.take(4)?.try_into().map(u32::from_le_bytes).ok()?;
        self.take(usize::try_from(length).ok()?)
    }

    fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// The outer one says whether it could be read.
    fn there(&mut self) -> Option<Option<&'b str>> {
        Some(if self.flag()? { Some(self.text()?) } else { None })
    }

    fn maybe(&mut self) -> Option<Option<String>> {
        Some(self.there()?.map(str::to_owned))
    }

    fn path(&mut self) -> Option<Option<TreePath>> {
        match self.there()? {
            Some(text) => Some(Some(TreePath::parse(text).ok()?)),
            None => Some(None),
        }
    }

    fn digest(&mut self) -> Option<Digest> {
        self.take(32)?.try_into().ok().map(Digest)
    }
}
