//! The command line as clap sees it: words, help and examples, no behaviour.

use super::plan_args::{Cache, Export, Import, Plan, Pull, Selection};
use super::trust_args::TrustCommand;
use super::use_args::{EXITS, Output, Trust, Using};
use super::vet_args::{self, Vet};
use crate::release::Size;
use clap::{Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Turns individual fixes into one cumulative, signed patch that people dare to install.
#[derive(Debug, Parser)]
#[command(name = "cumulate", version, disable_help_subcommand = true, after_help = EXITS)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    Text,
    Json,
    Junit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileArg {
    Fast,
    Balanced,
    Small,
}

impl From<ProfileArg> for crate::delta::Profile {
    fn from(p: ProfileArg) -> Self {
        match p {
            ProfileArg::Fast => Self::Fast,
            ProfileArg::Balanced => Self::Balanced,
            ProfileArg::Small => Self::Small,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented cumulate.toml and fixes/.
    #[command(after_help = "Examples:\n  cumulate init\n  cumulate init releases/7.2.6")]
    Init {
        /// The release folder; made if it is not there.
        #[arg(default_value = ".")]
        dir: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Record supported base versions in the release.
    #[command(subcommand)]
    Base(BaseCommand),
    /// Make a signing key pair that openssl reads.
    #[command(
        after_help = "Examples:\n  cumulate keygen --out release        # release.key (keep it secret), release.pub\n  openssl pkey -in release.key -noout -text\n  cumulate keygen --out release --passphrase file:passphrase"
    )]
    Keygen {
        /// PREFIX.key and PREFIX.pub are written; neither may exist.
        #[arg(long, value_name = "PREFIX")]
        out: PathBuf,
        /// Encrypt the private key with the passphrase that lies there: `file:PATH`, `fd:N`, or `-`.
        #[arg(long, value_name = "WHERE")]
        passphrase: Option<OsString>,
        #[command(flatten)]
        output: Output,
    },
    /// Show the fixes in order, every edge with its reason.
    #[command(
        after_help = "Examples:\n  cumulate plan\n  cumulate plan releases/7.2.6 --format dot | dot -Tsvg > plan.svg\n  cumulate plan --only FIX-12            # and what it needs\n  cumulate plan --only cve:CVE-2024-1234 severity:high 'path:src/**'\n  cumulate plan --matrix                 # fix by track\n  cumulate plan --format html > plan.html\n  cumulate plan --explain FIX-3 FIX-12   # why FIX-12 needs FIX-3, down to the lines"
    )]
    Plan(Plan),
    /// Take fixes from a git history or a quilt series.
    #[command(subcommand)]
    Import(Import),
    /// Give the planned fixes to quilt or git, in order.
    #[command(subcommand)]
    Export(Export),
    /// Resolve, merge and pack everything into one bundle.
    #[command(
        after_help = "Examples:\n  cumulate build -o redis-7.2.6.cup --key release.key\n  cumulate build releases/7.2.6 --layout oci/ --profile small\n  cumulate build --without FIX-7 -o without-7.cup --key release.key"
    )]
    Build {
        /// The release folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// The bundle file.
        #[arg(short, long, value_name = "FILE.cup", required_unless_present = "layout")]
        output: Option<PathBuf>,
        /// Write an OCI layout folder instead of a file.
        #[arg(long, value_name = "FOLDER", conflicts_with = "output")]
        layout: Option<PathBuf>,
        /// The private key that signs: a file, `fd:N`, `-` for standard input, or a `pkcs11:` URI; without one the bundle is unsigned.
        #[arg(long, value_name = "KEY")]
        key: Option<PathBuf>,
        /// Where the passphrase of an encrypted key, or a token's PIN, is: `file:PATH`, `fd:N`, or `-`; its first line counts.
        #[arg(long, value_name = "WHERE", requires = "key")]
        passphrase: Option<OsString>,
        /// The role in which the key signs.
        #[arg(long, default_value = "release", requires = "key")]
        role: String,
        /// What to spend on small deltas; the configuration's by default.
        #[arg(long, value_enum)]
        profile: Option<ProfileArg>,
        /// Worker threads, 1 to 512; all cores by default. The bytes are the same.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
        threads: Option<u16>,
        #[command(flatten)]
        cache: Cache,
        /// Carry every file of the target whole too, for 'doctor --repair' and for installing into an empty folder; who has
        /// a base does not download it.
        #[arg(long)]
        with_repair: bool,
        /// Replace an existing bundle.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        out: Output,
    },
    /// Build again from the same inputs, compare with a bundle, and name the first section that differs.
    #[command(
        after_help = "Examples:\n  cumulate rebuild --check redis-7.2.6.cup\n  cumulate rebuild releases/7.2.6 --check redis-7.2.6.cup --format json"
    )]
    Rebuild {
        /// The release folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// The bundle that somebody built from it.
        #[arg(long, value_name = "FILE.cup")]
        check: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Write the merged sources as a folder, for a build that lies between them and what is installed.
    #[command(
        after_help = "Examples:\n  cumulate merge --out merged      # then build it, and name the result as the track's target\n  cumulate merge releases/7.2.6 --track el9 --out /tmp/el9"
    )]
    Merge {
        /// The release folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// The folder to write; it must not exist.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// The track, where the release has several.
        #[arg(long)]
        track: Option<String>,
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        output: Output,
    },
    /// Add a signature to a bundle.
    #[command(
        after_help = "Examples:\n  cumulate sign redis-7.2.6.cup --key vetter.key --role vetter\n  cumulate sign redis-7.2.6.cup --key vetter.key --passphrase fd:3 3< passphrase\n  vault-tool read release-key | cumulate sign redis-7.2.6.cup --key -\n\nWith a key on a token (where built with the feature `pkcs11`), and its PIN:\n  cumulate sign redis-7.2.6.cup --passphrase fd:3 3< pin \\\n    --key 'pkcs11:token=acme;object=release?module-path=/usr/lib/softhsm/libsofthsm2.so'\n\nWith a key that lives elsewhere (another machine):\n  cumulate sign redis-7.2.6.cup --emit to-sign.bin\n  openssl pkeyutl -sign -rawin -inkey release.key -in to-sign.bin -out release.sig\n  cumulate sign redis-7.2.6.cup --attach release.sig --pub release.pub"
    )]
    Sign {
        /// The bundle: a .cup file or a layout folder.
        bundle: PathBuf,
        /// The private key that signs here and now: a file, `fd:N`, `-` for standard input, or a `pkcs11:` URI.
        #[arg(long, value_name = "KEY", required_unless_present_any = ["emit", "attach", "envelope"])]
        key: Option<PathBuf>,
        /// Where the passphrase of an encrypted key, or a token's PIN, is: `file:PATH`, `fd:N`, or `-`; its first line counts.
        #[arg(long, value_name = "WHERE", conflicts_with_all = ["emit", "attach"])]
        passphrase: Option<OsString>,
        /// Write the exact bytes that a key elsewhere has to sign (pure Ed25519); never overwrites.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "attach"])]
        emit: Option<PathBuf>,
        /// Add a signature of 64 bytes that was made elsewhere over what --emit wrote.
        #[arg(long, value_name = "FILE", conflicts_with = "key", requires = "public")]
        attach: Option<PathBuf>,
        /// The public key that the attached signature has to verify with.
        #[arg(long = "pub", value_name = "FILE", requires = "attach")]
        public: Option<PathBuf>,
        /// Add an envelope that was made elsewhere: a delegation, or what `vet --out` wrote.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "emit", "attach"])]
        envelope: Option<PathBuf>,
        /// What the signer vouches as: `release`, or a role that a policy names.
        #[arg(long, default_value = "release")]
        role: String,
        #[command(flatten)]
        output: Output,
    },
    #[command(flatten)]
    Using(Using),
    /// Run your own tests in every base and in what it becomes, and sign the result.
    #[command(after_help = vet_args::EXAMPLES)]
    Vet(Vet),
    /// Withdraw a fix from a bundle: what goes with it, what goes back on each base, and the new bundle.
    #[command(
        after_help = "Examples:\n  cumulate pull FIX-7 redis-7.2.6.cup                                       # only says it\n  cumulate pull FIX-7 redis-7.2.6.cup --release . -o redis-7.2.6a.cup --key release.key"
    )]
    Pull(Pull),
    /// Show what a bundle holds and what each base gains.
    #[command(
        after_help = "Examples:\n  cumulate inspect redis-7.2.6.cup\n  cumulate inspect redis-7.2.6.cup --base 7.2.3 --format json\n  cumulate inspect redis-7.2.6.cup --envelopes signatures/"
    )]
    Inspect {
        /// The bundle: a .cup file or a layout folder, whole or with some bases.
        bundle: PathBuf,
        /// Only this base, with its steps.
        #[arg(long, value_name = "VERSION")]
        base: Option<String>,
        /// Write the signatures (DSSE envelopes) and the signed document into this folder.
        #[arg(long, value_name = "DIR")]
        envelopes: Option<PathBuf>,
        /// Write a CycloneDX bill of materials, one patch entry for each fix; never overwrites.
        #[arg(long, value_name = "FILE")]
        sbom: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Signed trust roots, and what a bundle's signatures still lack.
    #[command(subcommand)]
    Trust(TrustCommand),
    /// The gate for CI: budgets, completeness, rollback; red if it cannot run.
    #[command(
        after_help = "Examples:\n  cumulate check redis-7.2.6.cup --config cumulate.toml\n  cumulate check redis-7.2.6.cup --against redis-7.2.5.cup --format junit > check.xml\n  cumulate check redis-7.2.6.cup --policy trust.toml     # also red until everyone has signed and vetted"
    )]
    Check {
        bundle: PathBuf,
        /// The release's cumulate.toml (its budgets, bases and levels).
        #[arg(long, value_name = "FILE", default_value = "cumulate.toml")]
        config: PathBuf,
        /// The previous bundle: no fix of it may be lost, and growth is measured against it.
        #[arg(long, value_name = "PREVIOUS.cup")]
        against: Option<PathBuf>,
        #[command(flatten)]
        trust: Trust,
        /// How results are printed.
        #[arg(long, value_enum, default_value = "text")]
        format: CheckFormat,
    },
    /// The delta engine alone, on one file.
    #[command(subcommand)]
    Delta(DeltaCommand),
    /// Write the man pages.
    #[command(after_help = "Examples:\n  cumulate man --out man/\n  man -l man/cumulate.1")]
    Man {
        /// A folder, made if it is not there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Print completions for a shell.
    #[command(after_help = "Examples:\n  cumulate completions bash > /etc/bash_completion.d/cumulate")]
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Subcommand)]
pub enum BaseCommand {
    /// Record a base: a folder, an archive, or the target of last quarter's bundle.
    #[command(
        after_help = "Examples:\n  cumulate base add 7.2.0 --from redis-7.2.0.tar.gz\n  cumulate base add 7.2.5 --from last-quarter.cup --pub release.pub     # its target, made from a base that it knows"
    )]
    Add {
        version: String,
        /// Folder, archive or bundle.
        #[arg(long, value_name = "SOURCE")]
        from: PathBuf,
        /// The release folder.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// The track, where the release has several.
        #[arg(long)]
        track: Option<String>,
        /// Take the place of this version's [[base]], and of its folder in bases/, where they are there already.
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        trust: Trust,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Subcommand)]
pub enum DeltaCommand {
    /// Make a delta from OLD to NEW.
    #[command(
        after_help = "Examples:\n  cumulate delta encode old new -o delta --profile small\n  cumulate delta encode old.img new.img -o delta --memory \"1 GiB\"     # files that do not fit"
    )]
    Encode {
        old: PathBuf,
        new: PathBuf,
        #[arg(short, long, value_name = "DELTA")]
        output: PathBuf,
        #[arg(long, value_enum, default_value = "balanced")]
        profile: ProfileArg,
        /// Most memory that encoding may take, about: bytes, or with a unit ("1 GiB"). Files that would take more
        /// are coded in windows, as are those above 256 MiB, then within 1 GiB.
        #[arg(long, value_name = "SIZE")]
        memory: Option<Size>,
        /// Replace an existing file.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        out: Output,
    },
    /// Make NEW again from OLD and a delta.
    #[command(after_help = "Examples:\n  cumulate delta decode old delta -o new")]
    Decode {
        old: PathBuf,
        delta: PathBuf,
        #[arg(short, long, value_name = "NEW")]
        output: PathBuf,
        /// Most memory that decoding may need beyond OLD: bytes, or with a unit ("64 MiB").
        #[arg(long, value_name = "SIZE")]
        memory: Option<Size>,
        /// Replace an existing file.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        out: Output,
    },
}
