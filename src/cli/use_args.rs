//! What those who use bundles type: the commands that `cumulate` and `cumulate-apply` share.

use crate::install::EditedConfig;
use crate::report::program;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Examples for a command's help, in the name of the program that shows them.
macro_rules! examples {
    ($($line:literal)+) => { concat!("Examples:" $(, "\n  ", program!(), " ", $line)+) };
}

pub const EXITS: &str = "\
Exit codes: 0 done, or nothing to do; 1 denied finding or refused plan; 2 usage; 3 bad input or configuration; \
4 trust; 5 no base matches, or drift; 6 environment (space, permission, I/O); 7 locked; 8 interrupted, run again; \
9 the gate could not run; 70 internal.";

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct Output {
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub format: Format,
}

/// Whose signatures count.
#[derive(Debug, Args)]
pub struct Trust {
    /// A public key (PEM) whose signature in role `release` is wanted; one of several is enough (other roles: --policy).
    #[arg(long = "pub", value_name = "FILE", num_args = 1..)]
    pub public: Vec<PathBuf>,
    /// A trust file with roles, keys, thresholds and expiry, or a signed trust root.
    #[arg(long, value_name = "FILE", conflicts_with = "public")]
    pub policy: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Using {
    /// Check every signature, digest and stated size of a bundle.
    #[cfg_attr(
        feature = "build",
        command(after_help = examples!(
            "verify redis-7.2.6.cup --pub release.pub"
            "verify oci/ --policy trust.toml"
            "verify redis-7.2.6.cup --pub release.pub --bases bases/   # and apply it to every base"
            "verify redis-7.2.6.cup --pub release.pub --config cumulate.toml   # the same, wherever the bases lie"
        ))
    )]
    #[cfg_attr(
        not(feature = "build"),
        command(after_help = examples!("verify redis-7.2.6.cup --pub release.pub" "verify oci/ --policy trust.toml"))
    )]
    Verify {
        /// The bundle file or layout folder.
        bundle: PathBuf,
        #[command(flatten)]
        trust: Trust,
        #[cfg(feature = "build")]
        /// Apply the bundle to a copy of each base in this folder (DIR/VERSION, or an archive of that name) and prove that all reach the one target.
        #[arg(long, value_name = "DIR")]
        bases: Option<PathBuf>,
        #[cfg(feature = "build")]
        /// The same with the bases of the release's `cumulate.toml`, wherever they lie, and the mixes that it declares (`[[derived]]`).
        #[arg(long, value_name = "FILE", conflicts_with = "bases")]
        config: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Install a bundle over an installation.
    #[command(after_help = examples!(
        "apply redis-7.2.6.cup /opt/redis --pub release.pub"
        "apply redis-7.2.6.cup /opt/redis --dry-run --pub release.pub"
        "apply redis-7.2.6.cup /opt/redis          # with the trust that the installation has"
    ))]
    Apply {
        bundle: PathBuf,
        /// The installation.
        dir: PathBuf,
        #[command(flatten)]
        trust: Trust,
        /// The base that is meant, where several have the same content but different targets.
        #[arg(long, value_name = "VERSION")]
        base: Option<String>,
        /// Accept a bundle without signatures where the installation has no trust yet.
        #[arg(long)]
        allow_unsigned: bool,
        /// Accept a release older than one that was installed before.
        #[arg(long)]
        allow_downgrade: bool,
        /// Let --pub or --policy replace trusted keys that have not signed this bundle.
        #[arg(long)]
        replace_trust: bool,
        /// Accept a release whose best-before has passed.
        #[arg(long)]
        allow_stale: bool,
        /// Accept local changes in files that the bundle does not touch.
        #[arg(long, value_enum, value_name = "WHICH")]
        allow_drift: Option<DriftArg>,
        /// Accept an installation whose files are each as some base or the target has them, though none matches as a whole.
        #[arg(long, conflicts_with = "allow_drift")]
        allow_composed: bool,
        /// What becomes of config files that were edited here and that the release changes: `keep` lays the new version
        /// beside them as FILE.new,
        #[cfg_attr(feature = "build", doc = "`merge` merges by lines where that is clean,")]
        /// `replace` keeps the edit as FILE.edited.
        #[arg(long, value_enum, value_name = "HOW", default_value = "keep")]
        edited_config: EditedArg,
        /// A folder with intact files of what is installed
        #[cfg_attr(feature = "build", doc = "(what merging starts from)")]
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
        /// Give files that are written the time that the release states (SOURCE_DATE_EPOCH of its build) instead of now.
        #[arg(long)]
        release_times: bool,
        /// The id of a hook that cannot be undone and may run all the same (as the refusal names it); again for more.
        #[arg(long, value_name = "ID")]
        accept: Vec<String>,
        /// Replace files one by one, where there is no room for both versions of all: takes the disk of the largest file and
        /// of what the new files lack of the old ones, and twice the time; rolling back stays possible.
        #[arg(long)]
        in_place: bool,
        /// Print the steps and change nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Say why no base matches an installation (what differs, whose state it is in, what mending costs), and mend it.
    #[command(after_help = concat!(
        examples!(
            "doctor redis-7.2.6.cup /opt/redis --pub release.pub"
            "doctor redis-7.2.6.cup /opt/redis --repair"
            "doctor redis-7.2.6.cup /opt/redis --repair --from /mnt/redis-7.2.6   # intact files of it"
        ),
        "\n\nWithout --repair nothing is changed. What --repair does goes through the journal, and 'rollback' undoes it."
    ))]
    Doctor {
        bundle: PathBuf,
        /// The installation.
        dir: PathBuf,
        /// Bring every file to the bundle's target, whatever stands there now; local edits of config files stay.
        #[arg(long)]
        repair: bool,
        /// A folder whose intact files may be taken where neither the bundle nor the installation has the content.
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
        #[command(flatten)]
        trust: Trust,
        /// Accept a bundle without signatures where the installation has no trust yet.
        #[arg(long)]
        allow_unsigned: bool,
        /// Repair with a release whose best-before has passed.
        #[arg(long)]
        allow_stale: bool,
        /// Repair with a release that is older than one that was installed here.
        #[arg(long, requires = "repair")]
        allow_downgrade: bool,
        /// The id of a hook that cannot be undone: run it all the same; again for more.
        #[arg(long, value_name = "ID", requires = "repair")]
        accept: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Go back to exactly what was there before the last apply; config files edited since are kept as FILE.edited.
    #[command(after_help = examples!("rollback /opt/redis" "rollback /opt/redis --set-aside"))]
    Rollback {
        /// The installation.
        dir: PathBuf,
        /// Keep other files that were changed since as FILE.edited too, instead of refusing.
        #[arg(long)]
        set_aside: bool,
        /// The id of a hook that has run and cannot be undone: go back behind it all the same; again for more.
        #[arg(long, value_name = "ID")]
        accept: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show what is installed, what drifted and whether something was interrupted.
    #[command(after_help = examples!("status /opt/redis" "status /opt/redis --format json"))]
    Status {
        /// The installation.
        dir: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EditedArg {
    Keep,
    #[cfg(feature = "build")]
    Merge,
    Replace,
}

impl From<EditedArg> for EditedConfig {
    fn from(arg: EditedArg) -> Self {
        match arg {
            EditedArg::Keep => Self::Keep,
            #[cfg(feature = "build")]
            EditedArg::Merge => Self::Merge,
            EditedArg::Replace => Self::Replace,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DriftArg {
    /// Files that the bundle does not touch.
    Untouched,
}

impl Using {
    pub fn form(&self) -> &Output {
        match self {
            Self::Verify { output, .. }
            | Self::Apply { output, .. }
            | Self::Doctor { output, .. }
            | Self::Rollback { output, .. }
            | Self::Status { output, .. } => output,
        }
    }
}
