//! `cumulate.toml` as written. Unknown keys are refused: a misspelt `retire` must not pass.

use crate::bundle::Class;
use crate::delta::Profile;
use crate::fix::is_day;
use crate::report::{Code, Error, ErrorCode, Level, Result};
use crate::tree::read_regular;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The name of the only track where the configuration declares none.
pub const DEFAULT_TRACK: &str = "default";

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub component: Component,
    pub release: ReleaseSection,
    #[serde(default, rename = "base")]
    pub bases: Vec<BaseConfig>,
    #[serde(default, rename = "track")]
    pub tracks: Vec<TrackConfig>,
    /// Bases with some of the fixes on top, as hotfixes leave them.
    #[serde(default)]
    pub derived: Vec<DerivedConfig>,
    #[serde(default)]
    pub paths: Vec<PathRule>,
    #[serde(default)]
    pub not_for: Vec<NotFor>,
    #[serde(default)]
    pub retire: Vec<Retire>,
    /// Fixes that are left out for the time being.
    #[serde(default)]
    pub hold: Vec<Hold>,
    #[serde(default)]
    pub budget: Budget,
    /// A command that says whether what came out works; an apply after which it fails is rolled back.
    pub health: Option<Health>,
    /// Finding code to level: `allow`, `warn` or `deny`.
    #[serde(default)]
    pub findings: BTreeMap<String, Level>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    pub name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseSection {
    pub version: String,
    /// Rises with every release; installations refuse a lower one.
    pub sequence: Option<u64>,
    /// The last day on which this is the current release.
    #[serde(rename = "best-before")]
    pub best_before: Option<Day>,
    /// The base that the fixes start from; a track may name its own.
    pub from: Option<String>,
    /// Where the fixes lie, relative to the file; `fixes` by default.
    pub fixes: Option<PathBuf>,
    #[serde(default)]
    pub profile: Profile,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DerivedConfig {
    /// The mix's name among the bases.
    pub version: String,
    /// The base that it is made of, by name.
    pub from: String,
    /// Fixes that are in it, in order.
    pub with: Vec<String>,
}

/// One supported version.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseConfig {
    pub version: String,
    /// Folder or archive, relative to the file.
    pub source: PathBuf,
    /// What installations hold, where a build lies between.
    pub shipped: Option<PathBuf>,
    pub track: Option<String>,
    /// Leading names to drop from an archive's paths.
    pub strip: Option<u32>,
    /// The tree digest that `base add` saw; a base that changed since is refused.
    pub tree: Option<crate::tree::Digest>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackConfig {
    pub name: String,
    #[serde(default)]
    pub branch: String,
    #[serde(default)]
    pub platform: String,
    /// The target's version on this track; the release's by default.
    pub version: Option<String>,
    /// The base that the fixes start from on this track; the release's by default.
    pub from: Option<String>,
    /// The shipped tree after the build, where a build lies between.
    pub target: Option<PathBuf>,
}

/// The first rule that matches a path decides its class.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathRule {
    #[serde(rename = "match")]
    pub pattern: String,
    pub class: Class,
}

/// A fix that on purpose does not go to a branch or platform.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotFor {
    pub fix: String,
    #[serde(default)]
    pub branch: String,
    #[serde(default)]
    pub platform: String,
    pub status: Status,
    pub reason: String,
    pub owner: String,
}

/// Why a fix does not go to a branch or platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// What the fix corrects is not there.
    NotAffected,
    /// It is there, and stays.
    WillNotFix,
    /// It was corrected there in another way.
    Fixed,
    /// Nobody knows yet.
    UnderInvestigation,
}

impl Status {
    /// As it stands in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAffected => "not-affected",
            Self::WillNotFix => "will-not-fix",
            Self::Fixed => "fixed",
            Self::UnderInvestigation => "under-investigation",
        }
    }
}

/// A path that only some bases have and that may go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retire {
    /// A path, or a glob.
    pub path: String,
    pub reason: String,
}

/// A fix that is held back for now, and with it what needs it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    pub id: String,
    pub reason: String,
    pub owner: String,
    /// The last day (`2026-01-31`) on which nobody has to look at it again.
    pub until: Option<Day>,
}

/// A day as `2026-01-31`; days so written compare as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub String);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Date(toml::value::Datetime),
            Text(String),
        }
        let text = match Raw::deserialize(d)? {
            Raw::Date(date) => date.to_string(),
            Raw::Text(text) => text,
        };
        if is_day(&text) {
            return Ok(Self(text));
        }
        Err(serde::de::Error::custom(format!("'{text}' is no day; write 2026-01-31")))
    }
}

/// The command that says whether an installation works.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    pub run: Vec<String>,
    /// Seconds, a minute by default.
    pub timeout: Option<u32>,
}

/// Sizes in bytes, or with a unit (`"300 KiB"`, `"2 MB"`); growth in percent of the previous bundle.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// The whole bundle file.
    pub total: Option<Size>,
    /// The download of any one base.
    pub base: Option<Size>,
    /// Percent that the whole bundle may be larger than the previous one.
    pub growth: Option<u32>,
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(u64),
            Text(String),
        }
        match Raw::deserialize(d)? {
            Raw::Number(n) => Ok(Size(n)),
            Raw::Text(t) => t.parse().map_err(serde::de::Error::custom),
        }
    }
}

impl std::str::FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        parse_size(text).map(Size).ok_or_else(|| format!("'{text}' is no size; write bytes, \"300 KiB\" or \"2 MB\""))
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let unit = match text.get(digits..)?.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// `config` with the line of what is wrong; `io` if it cannot be read.
    pub fn read(file: &Path) -> Result<Self> {
        if file.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            return Err(Error::new(ErrorCode::Config, file.display(), "there is no such file")
                .next("run 'cumulate init' to write one, or name the release folder"));
        }
        let text = String::from_utf8(read_regular(file)?).map_err(|_| {
            Error::new(ErrorCode::Config, file.display(), "the file is not UTF-8").next("save it as UTF-8")
        })?;
        Self::parse(&text, &file.display().to_string())
    }

    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|e| {
            Error::new(ErrorCode::Config, name, e.to_string().trim_end()).next("correct the line and run again")
        })?;
        config.check(name)?;
        Ok(config)
    }

    fn check(&self, name: &str) -> Result<()> {
        let bad = |what: String, next: &str| Err(Error::new(ErrorCode::Config, name, what).next(next));
        for (what, value) in [("component.name", &self.component.name), ("release.version", &self.release.version)] {
            if !plain(value) {
                return bad(
                    format!("{what} '{value}' is empty, too long, or has spaces or '/' in it"),
                    "use letters, digits, '.', '-', '_', '+', '~', ':'",
                );
            }
        }
        let mut seen = BTreeSet::new();
        for base in &self.bases {
            if !plain(&base.version) {
                return bad(
                    format!("base version '{}' is empty, too long, or has spaces or '/' in it", base.version),
                    "use letters, digits, '.', '-', '_', '+', '~', ':'",
                );
            }
            if !seen.insert((base.track.as_deref().unwrap_or(DEFAULT_TRACK), base.version.as_str())) {
                return bad(format!("base '{}' stands twice", base.version), "remove one of the two [[base]] tables");
            }
            match &base.track {
                Some(t) if !self.tracks.iter().any(|k| k.name == *t) => {
                    return bad(
                        format!("base '{}' is on track '{t}', which no [[track]] declares", base.version),
                        "declare the track or correct its name",
                    );
                }
                None if self.tracks.len() > 1 => {
                    return bad(
                        format!("base '{}' names no track, and there are {}", base.version, self.tracks.len()),
                        "add track = \"…\" to the base ('base add' takes --track)",
                    );
                }
                _ => {}
            }
        }
        let mut mixes = BTreeSet::new();
        for mix in &self.derived {
            let taken = self.bases.iter().any(|b| b.version == mix.version) || !mixes.insert(&mix.version);
            if taken || !plain(&mix.version) || mix.with.is_empty() {
                return bad(
                    format!("the mix '{}' has no fixes, or its name is taken or has spaces or '/' in it", mix.version),
                    "give it a name of its own, and the fixes that are in it",
                );
            }
            let is = |b: &&BaseConfig| {
                mix.from == b.version || mix.from.split_once('@').is_some_and(|(v, _)| v == b.version)
            };
            match self.bases.iter().find(is) {
                None => {
                    return bad(
                        format!("the mix '{}' is made of '{}', which is no base", mix.version, mix.from),
                        "correct 'from'",
                    );
                }
                Some(base) if base.shipped.is_some() => {
                    return bad(
                        format!(
                            "a build lies between, so what the fixes of the mix '{}' make of base '{}' is not known",
                            mix.version, mix.from
                        ),
                        "record what is shipped as a base of its own: cumulate base add",
                    );
                }
                Some(_) => {}
            }
        }
        let mut names = BTreeSet::new();
        for track in &self.tracks {
            if track.name.is_empty() || !names.insert(&track.name) {
                return bad(
                    format!("track '{}' stands twice or has no name", track.name),
                    "give every [[track]] its own name",
                );
            }
        }
        let mut held = BTreeSet::new();
        if let Some(twice) = self.hold.iter().find(|h| !held.insert(&h.id)) {
            return bad(format!("fix '{}' is held twice", twice.id), "keep one of the two holds");
        }
        for code in self.findings.keys() {
            if Code::parse(code).is_none() {
                return bad(
                    format!("[findings] names '{code}', which is no finding code"),
                    "see the list of codes in the README",
                );
            }
        }
        Ok(())
    }

    /// The level of a finding after the configuration's `[findings]`.
    pub fn level(&self, code: Code) -> Level {
        self.findings.get(code.as_str()).copied().unwrap_or(code.default_level())
    }
}

/// Names that go into file names, annotations and messages as they are.
fn plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_alphanumeric() || ".-_+~:@".contains(c))
}
