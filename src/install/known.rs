//! What an installation is; if no base is what it is, the way to the target, or the advice that leads there.

use super::apply::Options;
use super::mend::{Mended, Sick, mend};
use super::recognise::{AllowDrift, Recognised, UNTOUCHED, recognise};
use super::release::Release;
use super::state::Generation;
use crate::report::{Error, ErrorCode, PROGRAM, Result, quoted};
use std::path::Path;

/// What the installation is; if no base is what it is, the way to the target from where it is, if that is allowed.
pub fn known(
    release: &Release<'_>,
    sick: Sick<'_>,
    current: Option<&Generation>,
    options: &Options,
) -> Result<Recognised> {
    let at = current.map(|g| g.after);
    let base = options.base.as_deref();
    let refused = match recognise(release, sick.seen, base, options.allow_drift, at) {
        Err(e) if matches!(e.code, ErrorCode::NoBase | ErrorCode::Drift) => e,
        // Repairing takes away what `doctor` names: files of other bases that were left over beside what matches.
        Ok(here) if options.allow_drift == AllowDrift::Mended => {
            let way = mend(release, sick, base)?;
            let left_over = !way.ailments.is_empty() && way.is_composed() && way.must_hold(&release.version).is_ok();
            return Ok(if left_over { Recognised::Mended(Box::new(way)) } else { here });
        }
        other => return other,
    };
    let way = mend(release, sick, base)?;
    if way.ailments.is_empty() {
        return Err(refused);
    }
    let foreign = at.is_some_and(|tree| release.routes.iter().all(|r| ![r.from, r.to].contains(&tree)));
    let allowed = match options.allow_drift {
        AllowDrift::None | AllowDrift::Untouched => false,
        AllowDrift::Composed => way.is_composed(),
        AllowDrift::Mended => true,
    };
    if !allowed {
        // A release that the bundle does not know is no drift.
        return Err(if foreign { refused } else { advised(refused, &way, sick.dir, options) });
    }
    way.must_hold(&release.version)?;
    Ok(Recognised::Mended(Box::new(way)))
}

/// A refusal with the commands that mend it.
fn advised(refused: Error, way: &Mended, dir: &Path, options: &Options) -> Error {
    let bundle = options.named.as_deref().unwrap_or(Path::new("FILE.cup"));
    let named = format!("{} {}{}", quoted(bundle), quoted(dir), options.trusting);
    let lacking = way.lacking();
    let shown: Vec<&str> = lacking.iter().take(3).map(|p| p.as_str()).collect();
    let mending = match shown.as_slice() {
        [] => format!("put the files right with '{PROGRAM} doctor {named} --repair'"),
        _ => format!(
            "put the files right with '{PROGRAM} doctor {named} --repair --from FOLDER', where FOLDER has intact files ({}{})",
            shown.join(", "),
            if lacking.len() > shown.len() { ", …" } else { "" }
        ),
    };
    let states: Vec<String> = way.states().into_iter().collect();
    let mix = format!(
        "every file is as one of these has it: {}; accept such a mix with '{PROGRAM} apply {named} --allow-composed', or ",
        states.join(", ")
    );
    let composed = if way.is_composed() && lacking.is_empty() { mix.as_str() } else { "" };
    let untouched = refused.next.split_once(UNTOUCHED).map_or("", |_| "accept them with --allow-drift untouched, or ");
    refused.next(format!("{composed}{untouched}{mending}"))
}
