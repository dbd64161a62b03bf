//! `pull`: a fix that is withdrawn, and the bundle without it.

use super::making::{BuildArgs, build_text, built};
use super::out::{Out, heading};
use super::plan_args::{Cache, Pull as PullArgs, Selection};
use super::render::{safe, table};
use crate::release::Config;
use crate::report::{Result, quoted};
use crate::verb::{self, Built, Pull, Rebuilt};
use serde::Serialize;
use std::path::Path;

impl PullArgs {
    /// How the new bundle is built, where one is wanted: as `build --without FIX` builds it.
    pub fn rebuild(&self) -> Option<BuildArgs> {
        Some(BuildArgs {
            dir: self.release.clone()?,
            output: self.output.clone(),
            layout: None,
            key: self.key.clone(),
            passphrase: self.passphrase.clone(),
            role: self.role.clone(),
            profile: None,
            threads: None,
            cache: Cache::default(),
            with_repair: false,
            force: self.force,
            selection: Selection { only: Vec::new(), without: vec![format!("id:{}", self.fix)], minimal: false },
            out: Out::new(self.out.format),
        })
    }
}

/// What `pull` prints.
#[derive(Serialize)]
struct Said {
    #[serde(flatten)]
    pull: Pull,
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuilt: Option<Rebuilt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    built: Option<Built>,
    /// What keeps the fix out, where that is not done yet.
    next: Vec<String>,
}

/// What keeps a withdrawn fix from coming back, and the bundle that had it from being taken for the new one.
fn next(bundle: &Path, pull: &Pull, rebuilt: Option<&Rebuilt>, config: Option<&Config>) -> Vec<String> {
    let mut out = Vec::new();
    let holds = config.map_or(&[][..], |c| &c.hold);
    if !holds.iter().any(|h| h.id == pull.fix) {
        out.push(match holds.is_empty() {
            true => format!(
                "hold it back, or the next build takes it in again; at the top of cumulate.toml: hold = [{}]",
                pull.hold
            ),
            false => {
                format!("hold it back, or the next build takes it in again; in hold of cumulate.toml: {}", pull.hold)
            }
        });
    }
    let free: Vec<&str> =
        pull.superseded.iter().map(String::as_str).filter(|s| !holds.iter().any(|h| h.id == *s)).collect();
    if !free.is_empty() {
        out.push(format!(
            "hold back too what it stood for where that does the same, since it takes its place: {}",
            free.join(", ")
        ));
    }
    if let Some(r) = rebuilt.filter(|r| r.same) {
        let mut ids: Vec<&str> = r.new.iter().map(String::as_str).chain(free.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        let ids = if ids.is_empty() { String::new() } else { format!(": {}", ids.join(", ")) };
        out.insert(
            0,
            format!("do not publish the new bundle: its target is the one that the old bundle has; hold back too what brings the same{ids}"),
        );
    }
    let higher = rebuilt.is_some_and(|r| r.sequence.is_some() && r.sequence > pull.sequence);
    if !higher {
        let (had, wanted) = match pull.sequence {
            Some(n) => (format!("the withdrawn bundle has sequence {n}"), n.saturating_add(1)),
            None => ("the withdrawn bundle states no sequence".into(), 1),
        };
        out.push(format!(
            "give the bundle without it a higher sequence, and a version of its own, so that installations refuse the withdrawn \
             one: {had}; in [release] of cumulate.toml: sequence = {wanted}"
        ));
    }
    if config.is_none_or(|c| c.bases.iter().all(|b| b.version != pull.version)) {
        out.push(format!(
            "where the withdrawn bundle is installed already, the new one has to start from it: cumulate base add {} --from {}",
            pull.version,
            quoted(bundle)
        ));
    }
    out
}

/// `rebuild` holds how the new bundle is built, where one is wanted.
pub fn pull(bundle: &Path, fix: &str, rebuild: Option<BuildArgs>, out: Out) -> Result<u8> {
    let pull = verb::pull(bundle, fix)?;
    let config = rebuild.as_ref().map(|r| Config::read(&r.dir.join("cumulate.toml"))).transpose()?;
    let built = rebuild.map(|r| built(&BuildArgs { with_repair: pull.repair, ..r })).transpose()?;
    let rebuilt = match built.as_ref().and_then(|b| b.output.as_ref()) {
        Some(new) => Some(verb::pulled(bundle, &pull, new)?),
        None => None,
    };
    let denied = built.as_ref().is_some_and(Built::denied) || rebuilt.as_ref().is_some_and(|r| r.same);
    let next = next(bundle, &pull, rebuilt.as_ref(), config.as_ref());
    out.result("pull", &Said { pull, rebuilt, built, next }, text)?;
    Ok(u8::from(denied))
}

fn text(said: &Said) -> String {
    let p = &said.pull;
    let mut text = heading(format!("{} {} without {}", safe(&p.component), safe(&p.version), safe(&p.fix)));
    text += "what goes\n";
    let rows = p.goes.iter().map(|g| {
        let why = if g.chain.len() > 1 { g.chain.join(" needs ") } else { "pulled".into() };
        vec![safe(&g.fix), g.cves.join(" "), safe(&g.title), safe(&why)]
    });
    text += &table(&rows.collect::<Vec<_>>());
    if !p.superseded.is_empty() {
        text += &format!("stood for, and may come back: {}\n", safe(&p.superseded.join(", ")));
    }
    for b in &p.bases {
        text += &format!("\n{}", heading(format!("On base {}", safe(&b.name))));
        for (what, list) in [
            ("gains no more", &b.loses),
            ("has it, and loses it", &b.reverts),
            ("keeps, for every base has it", &b.keeps),
            ("not known", &b.unclear),
            ("as it was before the fixes", &b.back),
            ("made anew without them", &b.anew),
        ] {
            if !list.is_empty() {
                text += &format!("  {what}: {}\n", safe(&list.join(", ")));
            }
        }
    }
    if !p.missing.is_empty() {
        text += &format!("not in this copy: {}\n", safe(&p.missing.join(", ")));
    }
    if let Some(r) = &said.rebuilt {
        for (what, list) in [("gone as well", &r.gone_too), ("new", &r.new)] {
            if !list.is_empty() {
                text += &format!("\n{what} in the new bundle: {}\n", safe(&list.join(", ")));
            }
        }
    }
    if said.rebuilt.as_ref().is_some_and(|r| r.same) {
        text += "\nNothing is withdrawn: the new bundle leads to exactly what the old one leads to.\n";
    }
    if let Some(b) = &said.built {
        text += &format!("\n{}", build_text(b, None));
    }
    if !said.next.is_empty() {
        text += "\nNext:\n";
        said.next.iter().for_each(|n| text += &format!("  {}\n", safe(n)));
    }
    text
}
