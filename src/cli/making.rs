//! Commands of those who make releases: init, base, keygen, build, sign, delta.

use super::args::ProfileArg;
use super::out::{Out, done, findings, heading, say};
use super::plan_args::{Cache, Selection as SelectionArgs};
use super::planning::selection;
use super::progress::Progress;
use super::render::{bytes, count, percent, safe, table};
use super::use_args::Trust;
use super::using::{now, policy};
use crate::delta::Profile;
use crate::disk::Disk;
use crate::release;
use crate::report::{Error, ErrorCode, Result, quoted};
use crate::trust::{Place, SignerSource};
use crate::verb::{self, Built, DeltaResult, NewBase, Output, Request};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

pub fn init(dir: &Path, out: Out) -> Result<u8> {
    let made = verb::init(&Disk::real(), dir)?;
    out.result("init", &made, |m| {
        done(format!("{} and {}/", m.config.display(), m.fixes.display()))
            + "Next:\n  1. name the component and the version in cumulate.toml\n"
            + "  2. cumulate base add VERSION --from FOLDER-OR-ARCHIVE, once for each supported version\n"
            + "  3. put the fixes into fixes/, then: cumulate plan\n"
            + "  4. cumulate keygen --out release && cumulate build -o bundle.cup --key release.key\n"
    })?;
    Ok(0)
}

pub fn base_add(dir: &Path, new: &NewBase<'_>, trust: &Trust, out: Out) -> Result<u8> {
    let policy = policy(trust)?;
    let added = verb::base_add(&Disk::real(), dir, new, policy.as_ref().map(|p| (p, now())))?;
    out.result("base-add", &added, |a| {
        let made = a.made_from.as_ref().map_or(String::new(), |b| format!(", made from base {b} and the bundle"));
        done(format!(
            "base {}: {} ({}, {}){made}",
            safe(&a.version),
            a.source.display(),
            count(a.files, "path", "paths"),
            bytes(a.bytes)
        )) + &format!("  {}\n", a.tree)
            + &findings(&a.findings)
    })?;
    Ok(0)
}

pub fn keygen(prefix: &Path, passphrase: Option<&OsStr>, out: Out) -> Result<u8> {
    let passphrase = passphrase.map(Place::of_passphrase).transpose()?;
    let made = verb::keygen_encrypted(prefix, passphrase.as_ref())?;
    out.result("keygen", &made, |k| {
        done(format!("{} (keep it secret)", k.private.display()))
            + &done(format!("{}, key {}", k.public.display(), k.key_id))
    })?;
    Ok(0)
}

/// Where a signature comes from.
pub enum Signer {
    Key(SignerSource),
    Emit(PathBuf),
    Attach { signature: PathBuf, public: PathBuf },
}

/// An Ed25519 signature is 64 bytes (RFC 8032); nothing longer is read.
const SIGNATURE: u64 = 64;

pub fn sign(bundle: &Path, by: Signer, role: &str, out: Out) -> Result<u8> {
    let signed = match by {
        Signer::Key(key) => verb::sign(bundle, key, role)?,
        Signer::Attach { signature, public } => {
            let io = |e: std::io::Error| Error::io(signature.display(), &e);
            let mut bytes = Vec::new();
            let file = std::fs::File::open(&signature).map_err(io)?;
            std::io::Read::read_to_end(&mut std::io::Read::take(file, SIGNATURE + 1), &mut bytes).map_err(io)?;
            verb::attach(bundle, role, &public, &bytes)?
        }
        Signer::Emit(file) => {
            let bytes = verb::emit(bundle, role)?;
            Disk::real().create_new(&file, &bytes, 0o644)?;
            let emitted = serde_json::json!({"emitted": file, "bytes": bytes.len(), "role": role});
            out.result("sign", &emitted, |_| {
                done(format!("{}: sign these {} bytes as they are, with pure Ed25519", file.display(), bytes.len()))
                    + &format!(
                        "Next: cumulate sign {} --attach SIGNATURE --pub KEY.pub --role {role}\n",
                        quoted(bundle)
                    )
            })?;
            return Ok(0);
        }
    };
    out.result("sign", &signed, |s| {
        let what = if s.added { "signed" } else { "was signed already" };
        done(format!("{} {} {what} as {} by {}", safe(&s.component), safe(&s.version), safe(&s.role), s.key_id))
            + &format!("  {} now\n", count(s.signatures, "signature", "signatures"))
    })?;
    Ok(0)
}

pub fn add_envelope(bundle: &Path, file: &Path, out: Out) -> Result<u8> {
    let (digest, added) = verb::add_envelope(bundle, file)?;
    let value = serde_json::json!({"envelope": digest, "added": added});
    out.result("sign", &value, |_| {
        done(if added { format!("{digest} is part of the bundle now") } else { format!("{digest} was there already") })
    })?;
    Ok(0)
}

pub fn merge(dir: &Path, output: &Path, track: Option<&str>, args: &SelectionArgs, out: Out) -> Result<u8> {
    let release = release::load_sources(dir)?;
    let made = verb::merge_sources(&Disk::real(), &release, &selection(args)?, track, output)?;
    out.result("merge", &made, |m| {
        let text = findings(&m.findings);
        match &m.output {
            None => text + "nothing was written: a denied finding stands against it\n",
            Some(at) => {
                let what = format!("{} {}", safe(&m.component), safe(&m.version));
                text + &done(format!(
                    "{}: the sources of {what}, {} over base {} ({})",
                    at.display(),
                    count(m.fixes.len(), "fix", "fixes"),
                    safe(&m.from),
                    count(m.paths, "path", "paths")
                )) + &format!("  {}\n", m.tree)
            }
        }
    })?;
    Ok(u8::from(made.output.is_none()))
}

/// `build` with its options.
pub struct BuildArgs {
    pub dir: PathBuf,
    pub output: Option<PathBuf>,
    pub layout: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub passphrase: Option<OsString>,
    pub role: String,
    pub profile: Option<ProfileArg>,
    pub threads: Option<u16>,
    pub cache: Cache,
    pub with_repair: bool,
    pub force: bool,
    pub selection: SelectionArgs,
    pub out: Out,
}

pub fn build(a: &BuildArgs) -> Result<u8> {
    let started = std::time::Instant::now();
    let built = built(a)?;
    let seconds = started.elapsed().as_secs_f32();
    a.out.result("build", &built, |b| build_text(b, Some(seconds)))?;
    Ok(u8::from(built.denied()))
}

/// Builds, and warns where the bundle carries no signature.
pub fn built(a: &BuildArgs) -> Result<Built> {
    if let Some(n) = a.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n.into()).build_global();
        pool.map_err(|e| Error::new(ErrorCode::Usage, "--threads", e).next("give a small number"))?;
    }
    let output = match (&a.output, &a.layout) {
        (Some(file), _) => Output::File(file),
        (None, Some(folder)) => Output::Layout(folder),
        (None, None) => {
            return Err(Error::new(ErrorCode::Usage, "build", "there is nowhere to write to")
                .next("give -o FILE.cup or --layout FOLDER"));
        }
    };
    let release = release::load(&a.dir)?;
    let key = a.key.as_deref().map(|k| SignerSource::parse(k.as_os_str(), a.passphrase.as_deref())).transpose()?;
    let request = Request {
        selection: selection(&a.selection)?,
        profile: a.profile.map(Profile::from),
        output,
        force: a.force,
        key: key.map(|k| (k, a.role.as_str())),
        cache: a.cache.folder(&release.dir),
        created: source_date_epoch()?,
        repair: a.with_repair,
    };
    let built = {
        let bar = Progress::new();
        verb::build(&release, &request, &Disk::real(), &|what, at, of| bar.at(what, at, of))?
    };
    if built.output.is_some() && !built.signed && !a.out.json {
        say(
            "warning[unsigned-bundle]: the bundle carries no signature\n  next: cumulate sign FILE.cup --key release.key",
        );
    }
    Ok(built)
}

/// The time that a reproducible build states (reproducible-builds.org); a value that is no number is refused.
pub fn source_date_epoch() -> Result<Option<u64>> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let parsed = value.to_str().and_then(|v| v.parse().ok());
    parsed.map(Some).ok_or_else(|| {
        Error::new(ErrorCode::Usage, "SOURCE_DATE_EPOCH", "it is no number of seconds since 1970")
            .next("unset it, or correct it")
    })
}

pub fn rebuild(dir: &Path, file: &Path, out: Out) -> Result<u8> {
    let release = release::load(dir)?;
    let made = {
        let bar = Progress::new();
        verb::rebuild(&release, file, &|what, at, of| bar.at(what, at, of))?
    };
    out.result("rebuild", &made, |m| {
        let inputs = m.inputs.iter().map(|i| format!("input {} is not what the bundle's provenance states\n", safe(i)));
        let text: String = inputs.collect();
        text + &match &m.first {
            None => {
                done(format!("{}: built again, the same to the last byte but signatures ({})", file.display(), m.root))
            }
            Some(s) => format!(
                "✗ {}: the first section that differs is '{}'\n  bundle:  {}\n  rebuilt: {}\n",
                file.display(),
                safe(&s.section),
                safe(&s.bundle),
                safe(&s.rebuilt)
            ),
        }
    })?;
    Ok(made.exit())
}

pub fn build_text(b: &Built, seconds: Option<f32>) -> String {
    let mut text = findings(&b.findings);
    let Some(output) = &b.output else {
        return text + "nothing was written: a denied finding stands against it\n";
    };
    text += &heading(format!("{} {}", safe(&b.component), safe(&b.version)));
    let mut rows = vec![["base", "download", "of full", "gains", "has already"].map(str::to_owned).to_vec()];
    for base in &b.bases {
        rows.push(vec![
            safe(&base.name),
            bytes(base.download),
            percent(base.download, b.full),
            count(base.added, "fix", "fixes"),
            base.contained.to_string(),
        ]);
    }
    text += &table(&rows);
    text + &done(format!(
        "{}: {}, {}, {} in all; a full package would be {}{}",
        output.display(),
        count(b.fixes, "fix", "fixes"),
        count(b.bases.len(), "base", "bases"),
        bytes(b.size),
        bytes(b.full),
        seconds.map_or(String::new(), |s| format!("; {s:.1} s")),
    ))
}

pub fn delta_encode(old: &Path, new: &Path, output: &Path, options: verb::EncodeOptions, out: Out) -> Result<u8> {
    let made = verb::delta_encode(&Disk::real(), old, new, output, options)?;
    out.result("delta-encode", &made, |d| delta_text(d, output))?;
    Ok(0)
}

pub fn delta_decode(old: &Path, delta: &Path, output: &Path, memory: Option<u64>, force: bool, out: Out) -> Result<u8> {
    let made = verb::delta_decode(&Disk::real(), old, delta, output, memory, force)?;
    out.result("delta-decode", &made, |d| delta_text(d, output))?;
    Ok(0)
}

fn delta_text(d: &DeltaResult, output: &Path) -> String {
    let codec = format!("{:?}", d.codec).to_lowercase();
    done(format!(
        "{}: {codec}, delta {} ({} of new {}), memory {}",
        output.display(),
        bytes(d.delta),
        percent(d.delta, d.new),
        bytes(d.new),
        bytes(d.memory)
    ))
}
