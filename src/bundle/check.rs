//! Whether manifests and documents agree with themselves and each other. Pure: values in, errors out.

use super::{
    Action, BaseManifest, FORMAT, Format, Graph, HOOKS, Hook, KNOWN_FEATURES, RootManifest, Slice, Step, Steps,
    TreeRef, When, draft, limits,
};
use crate::delta::Codec;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Entry, Tree};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Bound;

pub(super) const ROOT_SCHEMA: &str = "cumulate.root";
pub(super) const BASE_SCHEMA: &str = "cumulate.base";

fn bad(subject: impl Display, why: impl Display) -> Error {
    Error::new(ErrorCode::BadBundle, subject, why).next("do not use this bundle; ask its publisher")
}

fn require(ok: bool, subject: &str, why: impl Display) -> Result<()> {
    if ok { Ok(()) } else { Err(bad(subject, why)) }
}

/// Reads only what decides whether the rest can be read.
///
/// # Errors
/// `unknown-format` for another schema or major version, or an unknown needed feature.
pub(super) fn format(bytes: &[u8], schema: &str, subject: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
        format: Format,
        #[serde(default)]
        needs: Vec<String>,
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|e| bad(subject, format!("not a manifest: {e}")))?;
    let unknown = |why: String| {
        Error::new(ErrorCode::UnknownFormat, subject, why).next("use a version of cumulate that knows this format")
    };
    if head.schema != schema {
        return Err(unknown(format!("'{schema}' is needed here, this is '{:.40}'", head.schema.escape_debug())));
    }
    if head.format.major != FORMAT.major {
        return Err(unknown(format!(
            "its format is {}.{}, this build reads {}.*",
            head.format.major, head.format.minor, FORMAT.major
        )));
    }
    if let Some(n) = head.needs.iter().find(|n| !KNOWN_FEATURES.contains(&n.as_str())) {
        return Err(unknown(format!("it needs the feature '{:.40}', which this build lacks", n.escape_debug())));
    }
    Ok(())
}

/// Names stand in messages, statements and journals: no control characters, bounded.
fn name(text: &str, what: &str) -> Result<()> {
    require(
        !text.is_empty() && text.len() <= 200 && !text.chars().any(char::is_control),
        "root manifest",
        format!("{what} is empty, longer than 200 bytes or has control characters in it"),
    )
}

fn unique<'a>(names: impl Iterator<Item = &'a str>, what: &str) -> Result<BTreeSet<&'a str>> {
    let mut seen = BTreeSet::new();
    for n in names {
        name(n, what)?;
        require(seen.insert(n), "root manifest", format!("{what} '{n}' stands twice"))?;
    }
    Ok(seen)
}

pub(super) fn root(root: &RootManifest) -> Result<()> {
    let subject = "root manifest";
    name(&root.component, "the component")?;
    name(&root.release.version, "the version")?;
    let tracks = unique(root.tracks.iter().map(|t| t.name.as_str()), "track")?;
    unique(root.bases.iter().map(|b| b.name.as_str()), "base")?;
    unique(root.fixes.iter().map(|f| f.id.as_str()), "fix")?;
    if root.bases.len() > limits::BASES || root.limits.paths > limits::PATHS || root.limits.blob > u64::MAX / 4 {
        return Err(Error::new(ErrorCode::Limit, subject, "more bases, paths or bytes than any reader accepts"));
    }
    require(!root.bases.is_empty(), subject, "it has no base")?;
    for b in &root.bases {
        require(tracks.contains(b.track.as_str()), subject, format!("base '{}' is on an unknown track", b.name))?;
    }
    let digests: BTreeSet<_> = root.bases.iter().map(|b| b.manifest.digest).collect();
    require(digests.len() == root.bases.len(), subject, "two bases share one manifest")?;
    for t in &root.tracks {
        require(
            t.target.files <= root.limits.paths,
            subject,
            format!("track '{}' has more paths than its limit", t.name),
        )?;
    }
    graph(&root.graph, root)
}

pub(super) fn base(root: &RootManifest, base: &BaseManifest) -> Result<()> {
    let subject = format!("base '{}'", base.name.escape_debug());
    let named = root.bases.iter().find(|b| b.name == base.name);
    let named = named.ok_or_else(|| bad(&subject, "the root manifest does not name it"))?;
    require(base.component == root.component, &subject, "it belongs to another component")?;
    require(base.release == root.release.version, &subject, "it belongs to another release")?;
    require(base.track == named.track, &subject, "it is on another track than the root manifest says")?;
    let target = root.tracks.iter().find(|t| t.name == base.track).map(|t| t.target);
    require(target == Some(base.after), &subject, "it does not end in its track's target")?;
    let l = &root.limits;
    require(base.before.files <= l.paths, &subject, "it has more paths than the stated limit")?;
    require(base.memory <= l.memory, &subject, "it needs more memory than the stated limit")?;
    require(base.packs.len() <= limits::PACKS, &subject, "it has too many packs")?;
    hooks(root, &base.hooks, &subject)?;
    let packs: BTreeSet<_> = base.packs.iter().map(|p| p.digest).collect();
    require(packs.len() == base.packs.len(), &subject, "a pack stands twice")?;
    for blob in [base.listing].iter().chain(&base.packs) {
        require(blob.size <= l.blob, &subject, format!("the blob {} is larger than the stated limit", blob.digest))?;
    }
    require(base.download == draft::download(base), &subject, "the stated download is not the sum of its blobs")
}

/// Hooks that can be told apart, bounded, of fixes that are there, and stated as a need.
fn hooks(root: &RootManifest, hooks: &[Hook], subject: &str) -> Result<()> {
    let stated = hooks.is_empty() || root.needs.iter().any(|n| n == HOOKS);
    require(stated, subject, "it has hooks, and the root manifest does not say so")?;
    require(hooks.len() <= limits::HOOKS, subject, "it has too many hooks")?;
    let ids: BTreeSet<&str> = hooks.iter().map(|h| h.id.as_str()).collect();
    require(ids.len() == hooks.len(), subject, "a hook stands twice")?;
    for hook in hooks {
        let fix = hook.id.rsplit_once('#').map(|(fix, _)| fix);
        let known = match hook.when {
            When::Health => hook.id == "health",
            When::Before | When::After => fix.is_some_and(|f| root.fixes.iter().any(|e| e.id == f)),
        };
        require(known, subject, format!("the hook '{:.80}' is of no fix", hook.id.escape_debug()))?;
        let plain = |w: &String| w.len() <= limits::WORD && !w.contains('\0');
        let fits = |words: &[String]| words.len() <= limits::WORDS && words.iter().all(plain);
        let runs = hook.run.first().is_some_and(|p| !p.is_empty()) && fits(&hook.run) && fits(&hook.undo);
        let timed = (1..=limits::SECONDS).contains(&hook.timeout);
        require(runs && timed, subject, format!("the hook '{:.80}' cannot be run", hook.id.escape_debug()))?;
    }
    Ok(())
}

/// A tree that has the stated identity and counts, and one spelling. Of a tree with brief entries the identity can be
/// told only beside an installation: `install` does, before it writes.
pub(super) fn tree(tree: &Tree, stated: TreeRef, subject: &str) -> Result<()> {
    require(tree.len() as u64 == stated.files, subject, "the number of paths is not what is stated")?;
    let bytes = tree.entries.values().try_fold(0u64, |sum, e| sum.checked_add(e.size()));
    let whole = tree.is_whole();
    let fits = bytes.is_some_and(|b| if whole { b == stated.bytes } else { b <= stated.bytes });
    require(fits, subject, "the bytes of all files are not what is stated")?;
    if let Some(p) = tree.file_and_folder() {
        return Err(bad(subject, format!("'{p}' lies below a file or link")));
    }
    for (path, entry) in &tree.entries {
        match entry {
            Entry::Symlink { target } => require(
                !target.is_empty() && target.len() < 4096 && !target.contains('\0'),
                subject,
                format!("the link '{path}' has an impossible target"),
            )?,
            Entry::Folder => {
                let inside = format!("{path}/");
                let next = tree.entries.range::<str, _>((Bound::Included(inside.as_str()), Bound::Unbounded)).next();
                let full = next.is_some_and(|(p, _)| p.as_str().starts_with(&inside));
                require(!full, subject, format!("the folder '{path}' is declared empty, but is not"))?;
            }
            Entry::File { .. } | Entry::Brief { .. } => {}
        }
    }
    require(!whole || tree.digest() == stated.tree, subject, "the tree digest is not what is stated")
}

/// The tree that the steps start from: the target with every step undone.
pub fn undo(target: &Tree, steps: &[Step]) -> Tree {
    let mut tree = target.clone();
    for step in steps {
        match &step.before {
            Some(entry) => tree.entries.insert(step.path.clone(), entry.clone()),
            None => tree.entries.remove(&step.path),
        };
    }
    tree
}

/// That the steps lead from the base's tree to the target, within the base's packs and figures.
/// Returns the base's tree.
pub(super) fn route(base: &BaseManifest, target: &Tree, steps: &Steps) -> Result<Tree> {
    let subject = format!("base '{}'", base.name.escape_debug());
    let Steps { steps, config } = steps;
    if let Some(pair) = steps.windows(2).find(|w| w[0].path >= w[1].path) {
        return Err(bad(&subject, format!("the step for '{}' stands twice or out of order", pair[1].path)));
    }
    for s in steps {
        require(
            target.get(&s.path) == s.after.as_ref(),
            &subject,
            format!("the step for '{}' misses the target", s.path),
        )?;
        let same = |a: &Entry, b: &Entry| a == b || a.same_content(b) && exec(a) == exec(b);
        let pair = s.before.as_ref().zip(s.after.as_ref());
        let idle = pair.map_or(s.before == s.after, |(a, b)| same(a, b));
        require(!idle, &subject, format!("the step for '{}' changes nothing", s.path))?;
    }
    for path in config {
        let mine = target.get(path).is_some_and(Entry::is_file);
        let free = steps.binary_search_by(|s| s.path.cmp(path)).is_err();
        require(mine && free, &subject, format!("'{path}' is no untouched config file of the target"))?;
    }
    require(config.windows(2).all(|w| w[0] < w[1]), &subject, "a config path stands twice or out of order")?;
    let before = undo(target, steps);
    tree(&before, base.before, &format!("{subject}, its own tree"))?;
    for s in steps {
        step(s, &before, base).map_err(|why| bad(&subject, format!("the step for '{}' {why}", s.path)))?;
    }
    require(base.disk == draft::disk(steps), &subject, "the stated disk space is not what the steps write")?;
    Ok(before)
}

fn exec(entry: &Entry) -> bool {
    matches!(entry, Entry::File { exec: true, .. } | Entry::Brief { exec: true, .. })
}

fn step(s: &Step, before: &Tree, base: &BaseManifest) -> Result<(), &'static str> {
    let slice = |at: &Slice| {
        let pack = base.packs.get(at.pack as usize).ok_or("names a pack that is not there")?;
        let end = at.offset.checked_add(at.length).filter(|end| *end <= pack.size);
        end.filter(|_| at.length > 0).map(|_| ()).ok_or("reaches outside its pack")
    };
    let after_file = matches!(s.after, Some(Entry::File { .. }));
    match &s.action {
        Action::Copy { from } => {
            let same = before.get(from).zip(s.after.as_ref()).is_some_and(|(old, new)| old.same_content(new));
            (after_file && same).then_some(()).ok_or("copies something else")
        }
        Action::Delta { from, codec, at } => {
            let old = before.get(from).is_some_and(Entry::is_file);
            (old && after_file && *codec != Codec::Full).then_some(()).ok_or("has no files to work on")?;
            slice(at)
        }
        Action::Full { at } => {
            after_file.then_some(()).ok_or("makes no file")?;
            slice(at)
        }
        // `before` is there, for a step that changes nothing was refused.
        Action::Delete => s.after.is_none().then_some(()).ok_or("deletes what the target has"),
        Action::Link => {
            matches!(s.after, Some(Entry::Symlink { .. })).then_some(()).ok_or("links where the target has no link")
        }
        Action::Mode => match (&s.before, &s.after) {
            (Some(Entry::File { digest: a, size: x, .. }), Some(Entry::File { digest: b, size: y, .. }))
                if a == b && x == y =>
            {
                Ok(())
            }
            _ => Err("changes more than the mode"),
        },
        Action::Folder => {
            matches!(s.after, Some(Entry::Folder)).then_some(()).ok_or("makes a folder where the target has none")
        }
    }
}

fn graph(graph: &Graph, root: &RootManifest) -> Result<()> {
    let known: BTreeSet<&str> = root.fixes.iter().map(|f| f.id.as_str()).collect();
    let edges = graph.edges.iter().flat_map(|e| [&e.fix, &e.needs]);
    let pairs = graph.order_pairs.iter().flat_map(|p| [&p.first, &p.then]);
    let merges = graph.merges.iter().flat_map(|m| m.with.iter().chain([&m.fix]));
    let all = edges.chain(pairs).chain(merges).all(|id| known.contains(id.as_str()));
    require(all, "graph", "it names a fix that the release does not have")
}
