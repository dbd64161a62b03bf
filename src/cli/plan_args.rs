//! The words of `plan`, `import` and `export`, and the selection that other commands share with them.

use super::use_args::Output;
use clap::{Args, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    Text,
    Json,
    /// For Graphviz.
    Dot,
    /// For documents that render Mermaid.
    Mermaid,
    /// One picture.
    Svg,
    /// One page that explains itself: graph, reasons, order, files; no network.
    Html,
    /// The findings for code scanning, each at its line of a patch.
    Sarif,
}

#[derive(Debug, Args)]
pub struct Selection {
    /// Only these fixes and what they need: ID, cve:CVE-2024-1234, severity:high (or worse), path:GLOB, date:FROM..TO.
    #[arg(long, value_name = "WHAT", num_args = 1.., value_delimiter = ',')]
    pub only: Vec<String>,
    /// Without these fixes and what needs them; the same words, but severity:low (or milder).
    #[arg(long, value_name = "WHAT", num_args = 1.., value_delimiter = ',')]
    pub without: Vec<String>,
    /// Of all choices that bring what --only names, the one with the fewest changed lines.
    #[arg(long, requires = "only")]
    pub minimal: bool,
}

#[derive(Debug, Default, Args)]
pub struct Cache {
    /// Where finished deltas and what plans found out are remembered; `.cumulate-cache` in the release folder by default.
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Remember nothing.
    #[arg(long, conflicts_with = "cache")]
    pub no_cache: bool,
}

impl Cache {
    /// The folder of what is remembered for a release, unless nothing is.
    pub fn folder(&self, release: &Path) -> Option<PathBuf> {
        (!self.no_cache).then(|| self.cache.clone().unwrap_or_else(|| release.join(".cumulate-cache")))
    }
}

#[derive(Debug, Args)]
pub struct Plan {
    /// The release folder.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    #[command(flatten)]
    pub selection: Selection,
    /// Show which fix reaches which track, and how.
    #[arg(long, conflicts_with = "explain")]
    pub matrix: bool,
    /// Explain why FIX needs NEEDED: the path, the hunks of both, the lines concerned, and the other order tried.
    #[arg(long, num_args = 2, value_names = ["NEEDED", "FIX"])]
    pub explain: Vec<String>,
    #[command(flatten)]
    pub cache: Cache,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    pub format: PlanFormat,
}

#[derive(Debug, Subcommand)]
pub enum Import {
    /// One fix for each commit of a range, on its first-parent line; a merge is one fix.
    #[command(
        after_help = "Examples:\n  cumulate import git v7.2.5..origin/7.2 --repo ~/src/redis -o fixes\n  cumulate import git v7.2.6..origin/7.2 --repo ~/src/redis --append   # what came since"
    )]
    Git {
        /// FROM..TO, as git takes it.
        range: String,
        /// The repository.
        #[arg(long, value_name = "DIR", default_value = ".")]
        repo: PathBuf,
        /// The folder of fixes; without --append it must not have a series yet.
        #[arg(short, long, value_name = "DIR", default_value = "fixes")]
        output: PathBuf,
        /// Add behind the series that is there; commits that it has are passed over.
        #[arg(long)]
        append: bool,
        #[command(flatten)]
        out: Output,
    },
    /// The series of a Debian source tree, or of quilt.
    #[command(after_help = "Examples:\n  cumulate import quilt tiff-4.2.0/ -o fixes      # its debian/patches")]
    Quilt {
        /// Sources with debian/patches or patches, or the folder of the series itself.
        dir: PathBuf,
        /// The folder of fixes; it must not have a series yet.
        #[arg(short, long, value_name = "DIR", default_value = "fixes")]
        output: PathBuf,
        #[command(flatten)]
        out: Output,
    },
    /// The difference of two trees as one fix of whole files.
    #[command(after_help = "Examples:\n  cumulate import dir acme-1.0/ acme-1.0-hotfix/ --id HOTFIX-7")]
    Dir {
        /// The tree before the fix: a folder or an archive.
        old: PathBuf,
        /// The tree after it.
        new: PathBuf,
        /// The fix's id.
        #[arg(long)]
        id: String,
        /// The folder of fixes.
        #[arg(short, long, value_name = "DIR", default_value = "fixes")]
        output: PathBuf,
        #[command(flatten)]
        out: Output,
    },
}

#[derive(Debug, Subcommand)]
pub enum Export {
    /// A folder with a series for `quilt push -a`.
    #[command(after_help = "Examples:\n  cumulate export quilt -o patches")]
    Quilt(ExportArgs),
    /// Mails for `git am --keep-cr`, which without it takes away line ends of DOS and Windows that belong to the files.
    #[command(after_help = "Examples:\n  cumulate export git-am -o mails && git am --keep-cr mails/*.patch")]
    GitAm(ExportArgs),
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The release folder.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// A new folder.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// The track, where the release has several.
    #[arg(long)]
    pub track: Option<String>,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub out: Output,
}

#[derive(Debug, Args)]
pub struct Pull {
    /// The fix that is withdrawn.
    pub fix: String,
    /// The bundle: a .cup file or a layout folder.
    pub bundle: PathBuf,
    /// The release folder that the bundle was built from: builds the new one, with the deltas that are remembered there.
    #[arg(long, value_name = "DIR", requires = "output")]
    pub release: Option<PathBuf>,
    /// The new bundle.
    #[arg(short, long, value_name = "NEW.cup", requires = "release")]
    pub output: Option<PathBuf>,
    /// The private key that signs it: a file, `fd:N`, `-` for standard input, or a `pkcs11:` URI.
    #[arg(long, value_name = "KEY", requires = "release")]
    pub key: Option<PathBuf>,
    /// Where the passphrase of an encrypted key, or a token's PIN, is: `file:PATH`, `fd:N`, or `-`; its first line counts.
    #[arg(long, value_name = "WHERE", requires = "key")]
    pub passphrase: Option<OsString>,
    /// The role in which the key signs.
    #[arg(long, default_value = "release", requires = "key")]
    pub role: String,
    /// Replace an existing bundle.
    #[arg(long, requires = "release")]
    pub force: bool,
    #[command(flatten)]
    pub out: Output,
}
