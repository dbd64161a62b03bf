//! `inspect`: what a bundle says of itself.

use super::out::{Out, heading};
use super::render::{bytes, count, grouped, percent, safe, short, table};
use super::style::dim;
use crate::bundle::{NOT_FOR_TRACK, State};
use crate::disk::Disk;
use crate::report::Result;
use crate::verb::{self, Inspect};
use std::path::Path;

pub fn inspect(
    bundle: &Path,
    base: Option<&str>,
    envelopes: Option<&Path>,
    sbom: Option<&Path>,
    out: Out,
) -> Result<u8> {
    let shown = verb::inspect(bundle, base)?;
    if let Some(dir) = envelopes {
        verb::write_envelopes(bundle, dir)?;
    }
    if let Some(file) = sbom {
        Disk::real().create_new(file, &verb::sbom(bundle)?, 0o644)?;
    }
    out.result("inspect", &shown, inspect_text)?;
    Ok(0)
}

fn inspect_text(i: &Inspect) -> String {
    let mut text = heading(format!(
        "{} {}{}",
        safe(&i.component),
        safe(&i.version),
        i.sequence.map_or(String::new(), |s| format!(" (sequence {s})"))
    ));
    text += &format!("made by {}, format {}, {}\n", safe(&i.generator), i.format, dim(i.root));
    if let Some(end) = &i.best_before {
        text += &format!("best before {end}\n");
    }
    let several = i.tracks.len() > 1;
    for t in i.tracks.iter().filter(|t| several || t.target == i.target) {
        let of = if several { format!(" of track {} ({})", safe(&t.name), safe(&t.version)) } else { String::new() };
        let files = count(t.target.files as usize, "path", "paths");
        text += &format!("target{of} {} ({files}, {})\n", t.target.tree, bytes(t.target.bytes));
    }
    match i.signatures.len() {
        0 => text += "not signed\n",
        n => {
            let by: Vec<String> =
                i.signatures.iter().map(|s| format!("{} as {}", short(&s.key), safe(&s.role))).collect();
            text += &format!(
                "{} claimed (verify says which count): {}\n",
                count(n, "signature", "signatures"),
                by.join(", ")
            );
        }
    }
    text += &format!("\n{}", heading("Fixes, in order"));
    let rows = i.fixes.iter().map(|f| {
        let needs: Vec<&str> = i.edges.iter().filter(|e| e.fix == f.id).map(|e| e.needs.as_str()).collect();
        let needs = if needs.is_empty() { String::new() } else { format!("needs {}", needs.join(", ")) };
        let title = match f.realises.is_empty() {
            true => f.title.clone(),
            false => format!("{} (realises {})", f.title, f.realises.join(", ")),
        };
        vec![safe(&f.id), f.cves.join(" "), safe(&title), safe(&needs)]
    });
    text += &table(&rows.collect::<Vec<_>>());
    for p in &i.order_pairs {
        text += &format!(" {} stands before {} ({})\n", safe(&p.first), safe(&p.then), safe(&p.kind));
    }
    for m in &i.merges {
        let by = m.resolution.as_ref().map_or_else(
            || "merged clean".to_owned(),
            |r| format!("as decided in {}, reviewed by {}", r.name, r.reviewed_by),
        );
        text += &format!(" {} joins {} in '{}': {}\n", safe(&m.fix), safe(&m.with.join(", ")), m.path, safe(&by));
    }
    text += &format!("\n{}", heading("What each base gains, and what it costs"));
    let target_of =
        |b: &verb::BaseView| i.tracks.iter().find(|t| t.name == b.track).map_or(i.target.bytes, |t| t.target.bytes);
    let excused = |f: &&crate::bundle::FixState| f.state == State::Unknown && f.reason.starts_with(NOT_FOR_TRACK);
    let mut rows = vec![
        ["base", "gains", "has already", "not for it", "unclear", "files", "download", "of target", "disk", "memory"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for b in &i.bases {
        let n = |want: &[State]| b.fixes.iter().filter(|f| want.contains(&f.state)).count().to_string();
        rows.push(vec![
            if several { format!("{} ({})", safe(&b.name), safe(&b.track)) } else { safe(&b.name) },
            n(&[State::Added, State::Partly]),
            n(&[State::Contained]),
            b.fixes.iter().filter(excused).count().to_string(),
            b.fixes.iter().filter(|f| f.state == State::Unknown && !excused(f)).count().to_string(),
            format!("+{} ~{} -{}", b.added, b.changed, b.deleted),
            bytes(b.download),
            percent(b.download, target_of(b)),
            bytes(b.disk),
            bytes(b.memory),
        ]);
    }
    text += &table(&rows);
    if let [b] = i.bases.as_slice() {
        text += &one_base(b);
    }
    if !i.missing.is_empty() {
        text += &format!("not in this copy: {}\n", safe(&i.missing.join(", ")));
    }
    text
}

fn one_base(b: &verb::BaseView) -> String {
    let mut text = format!("\n{}", heading(format!("Fixes on {}", safe(&b.name))));
    let word = |f: &crate::bundle::FixState| match f.state {
        State::Unknown if f.reason.starts_with(NOT_FOR_TRACK) => "not for",
        State::Contained => "contained",
        State::Added => "added",
        State::Partly => "partly",
        State::Unknown => "unknown",
    };
    text += &table(&b.fixes.iter().map(|f| vec![safe(&f.id), word(f).into(), safe(&f.reason)]).collect::<Vec<_>>());
    if !b.hooks.is_empty() {
        text += &format!("\n{}", heading("Hooks"));
        let rows = b.hooks.iter().map(|h| {
            let back = if h.irreversible { "cannot be undone".into() } else { h.undo.join(" ") };
            vec![safe(&h.id), format!("{:?}", h.when).to_lowercase(), safe(&h.run.join(" ")), safe(&back)]
        });
        text += &table(&rows.collect::<Vec<_>>());
    }
    text += &format!("\n{}", heading("Steps"));
    let rows = b
        .paths
        .iter()
        .map(|p| vec![safe(&p.kind), grouped(p.stored), grouped(p.made), safe(&p.path), safe(&p.fixes.join(" "))]);
    text += &table(
        &[vec!["kind".into(), "stored".into(), "made".into(), "path".into(), "fixes".into()]]
            .into_iter()
            .chain(rows)
            .collect::<Vec<_>>(),
    );
    text
}
