//! What a base gains by each fix.

use super::apply::{Change, Merged, apply};
use crate::bundle::State;
use crate::fix::{FixId, Payload};
use crate::patch::{Body, FilePatch};
use crate::report::Result;
use crate::tree::{Entry, Store, Tree, TreePath};
use std::collections::BTreeMap;

/// For every fix of the order: its state in `base`, with the reason where it is not plain.
///
/// A path whose content stands in its chain of states tells exactly. Any other content is replayed: a fix that
/// applies is missing there, one whose undoing applies is contained, and the replay must end in the target.
///
/// # Errors
/// `source-changed`, `io` if a content cannot be read.
pub fn states(
    order: &[(&FixId, &Payload)],
    merged: &Merged,
    base: &Tree,
    stores: &[&Store],
) -> Result<Vec<(State, String)>> {
    let mut seen: Vec<Vec<(State, String)>> = vec![Vec::new(); order.len()];
    for (path, chain) in &merged.chains {
        let entry = base.get(path);
        // The latest state that fits: a fix that was reverted later leaves the same content twice.
        if let Some(at) = chain.iter().rposition(|c| c.entry.as_ref() == entry) {
            for (i, change) in chain.iter().enumerate() {
                if let Some(fix) = change.fix {
                    seen[fix].push((if i <= at { State::Contained } else { State::Added }, String::new()));
                }
            }
            continue;
        }
        for (fix, state) in replay(path, chain, order, merged, base, stores)? {
            seen[fix].push(state);
        }
    }
    Ok(seen.into_iter().map(sum).collect())
}

/// The state in `base` of a fix that the start has already.
///
/// # Errors
/// `source-changed`, `io` if a content cannot be read.
pub fn start_has(payload: &Payload, start: &Tree, base: &Tree, stores: &[&Store]) -> Result<(State, String)> {
    if payload.paths().all(|p| base.get(p) == start.get(p)) {
        return Ok((State::Contained, "the start has it already".into()));
    }
    if let Payload::Patch(patches) = payload {
        let undo: Option<Vec<FilePatch>> = patches.iter().rev().map(undone).collect();
        if let Some(undo) = undo
            && apply(&Payload::Patch(undo.into()), base, stores)?.is_ok()
        {
            return Ok((State::Contained, String::new()));
        }
        if apply(payload, base, stores)?.is_ok() {
            return Ok((State::Added, "the start has it already".into()));
        }
    }
    Ok((State::Unknown, "the start has it, and this base has other contents on its paths".into()))
}

/// One state for all paths of a fix.
fn sum(paths: Vec<(State, String)>) -> (State, String) {
    if paths.is_empty() {
        return (State::Unknown, "it changes nothing".into());
    }
    if let Some(unknown) = paths.iter().find(|(s, _)| *s == State::Unknown) {
        return unknown.clone();
    }
    let contained = paths.iter().filter(|(s, _)| *s == State::Contained).count();
    match contained {
        0 => (State::Added, String::new()),
        n if n == paths.len() => (State::Contained, String::new()),
        n => (State::Partly, format!("{n} of its {} paths are there already", paths.len())),
    }
}

/// A content that is in no known state: is each fix of the chain in it?
fn replay(
    path: &TreePath,
    chain: &[Change],
    order: &[(&FixId, &Payload)],
    merged: &Merged,
    base: &Tree,
    stores: &[&Store],
) -> Result<BTreeMap<usize, (State, String)>> {
    let fixes: Vec<usize> = chain.iter().filter_map(|c| c.fix).collect();
    let unknown = |why: String| fixes.iter().map(|f| (*f, (State::Unknown, why.clone()))).collect();
    let Some(Entry::File { .. }) = base.get(path) else {
        return Ok(unknown(format!("'{path}' is in no known state in this base")));
    };
    let mut now = Tree::default();
    now.entries.extend(base.get(path).map(|e| (path.clone(), e.clone())));
    let mut made = Store::default();
    let mut states = BTreeMap::new();
    for &fix in &fixes {
        let Payload::Patch(patches) = order[fix].1 else {
            return Ok(unknown(format!(
                "'{path}' is replaced whole by {}, and this base has another content",
                order[fix].0
            )));
        };
        let own: Vec<FilePatch> =
            patches.iter().filter(|p| p.old.as_ref() == Some(path) && p.new.as_ref() == Some(path)).cloned().collect();
        let undo: Option<Vec<FilePatch>> = own.iter().rev().map(undone).collect();
        let all: Vec<&Store> = [&made].into_iter().chain(stores.iter().copied()).collect();
        let contained = match undo.filter(|_| !own.is_empty()) {
            Some(undo) => apply(&Payload::Patch(undo.into()), &now, &all)?.is_ok(),
            None => return Ok(unknown(format!("'{path}' is in no known state in this base"))),
        };
        if contained {
            states.insert(fix, (State::Contained, String::new()));
            continue;
        }
        let Ok(changed) = apply(&Payload::Patch(own.into()), &now, &all)? else {
            return Ok(unknown(format!(
                "{} neither applies to '{path}' of this base nor can be undone there",
                order[fix].0
            )));
        };
        for (p, (entry, content)) in changed {
            if let Some(bytes) = content {
                made.put(bytes);
            }
            now.entries.extend(entry.map(|e| (p, e)));
        }
        states.insert(fix, (State::Added, String::new()));
    }
    if now.get(path) != merged.tree.get(path) {
        return Ok(unknown(format!("the fixes replayed on '{path}' of this base do not end in the target's content")));
    }
    Ok(states)
}

/// A text patch turned around; others cannot be.
fn undone(patch: &FilePatch) -> Option<FilePatch> {
    let mut back = patch.clone();
    back.index = None;
    (matches!(patch.body, Body::Text(_)) && back.reverse().is_ok()).then_some(back)
}
