//! Payloads that realise several fixes at once: who names one of those means the payload.

use super::types::{Fix, FixId};
use crate::report::{Error, ErrorCode, Result};
use std::collections::BTreeMap;

/// By realised fix, the one whose payload has it; what others say of it is changed to that one.
///
/// # Errors
/// `config` where an id is realised twice, is a fix of its own, or is named by the one that realises it.
pub(super) fn realised(fixes: &mut [Fix]) -> Result<BTreeMap<FixId, FixId>> {
    let bad = |id: &FixId, what: String, next: &str| Err(Error::new(ErrorCode::Config, id, what).next(next));
    let mut by: BTreeMap<FixId, FixId> = BTreeMap::new();
    for fix in fixes.iter() {
        for part in &fix.meta.realises {
            if fixes.iter().any(|f| f.id == *part) {
                let what = format!("it realises '{part}', which is a fix of its own");
                return bad(&fix.id, what, "take one of the two out: both change the same");
            }
            if let Some(other) = by.insert(part.clone(), fix.id.clone()) {
                let what = format!("it realises '{part}', and '{other}' does too");
                return bad(&fix.id, what, "say it in one of them; a payload for another platform is a variant");
            }
        }
    }
    if by.is_empty() {
        return Ok(by);
    }
    for fix in fixes {
        let meta = &mut fix.meta;
        for list in [&mut meta.requires, &mut meta.supersedes, &mut meta.conflicts, &mut meta.after] {
            for named in list.iter_mut() {
                let Some(carrier) = by.get(named) else { continue };
                if *carrier == fix.id {
                    let what = format!("it names '{named}', which it realises itself");
                    return bad(&fix.id, what, "take it out of requires, supersedes, conflicts or after");
                }
                named.clone_from(carrier);
            }
            let mut seen = std::collections::BTreeSet::new();
            list.retain(|id| seen.insert(id.clone()));
        }
    }
    Ok(by)
}
