//! `cumulate vet` as clap sees it.

use super::use_args::Output;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  cumulate vet redis-7.2.6.cup --bases bases/ --key vetter.key -- make -s check
  cumulate vet redis-7.2.6.cup --base 7.2.3 --base 7.2.4 --bases bases/ --key vetter.key -- /opt/site/smoke.sh
  cumulate vet redis-7.2.6.cup --config cumulate.toml --key vetter.key -- make -s check
  cumulate vet redis-7.2.6.cup --carry redis-7.2.6-rc1.cup
  cumulate vet redis-7.2.6.cup --base 7.0 --waive 'no such machine until March' --owner dana --until 2027-03-01 --key vetter.key

The command runs in a copy of each base, and in a copy that the bundle was applied to, with CUMULATE_SIDE=base or
CUMULATE_SIDE=target. It passes if it leaves with 0; where it prints TAP, each test is compared on its own. Only
results in which every test passes are added to the bundle. It runs what the bundle ships: do it where that may happen.";

#[derive(Debug, Args)]
pub struct Vet {
    /// The bundle: a .cup file or a layout folder.
    pub bundle: PathBuf,
    /// Only this base; all that the bundle holds by default.
    #[arg(long = "base", value_name = "VERSION")]
    pub base: Vec<String>,
    /// Where the bases lie: DIR/VERSION, or an archive of that name.
    #[arg(long, value_name = "DIR", default_value = "bases")]
    pub bases: PathBuf,
    /// The release's `cumulate.toml` instead: its bases, wherever they lie, and the mixes that it declares (`[[derived]]`).
    #[arg(long, value_name = "FILE", conflicts_with = "bases")]
    pub config: Option<PathBuf>,
    /// The vetter's private key: a file, `fd:N`, `-` for standard input, or a `pkcs11:` URI.
    #[arg(long, value_name = "KEY", required_unless_present = "carry")]
    pub key: Option<PathBuf>,
    /// Where the passphrase of an encrypted key, or a token's PIN, is: `file:PATH`, `fd:N`, or `-`.
    #[arg(long, value_name = "WHERE", requires = "key")]
    pub passphrase: Option<OsString>,
    /// The role in which the vetter speaks; the policy's `evidence` is `test-result` there.
    #[arg(long, default_value = "vetter")]
    pub role: String,
    /// Seconds after which a run is killed and counts as failed.
    #[arg(long, value_name = "SECONDS", default_value = "600")]
    pub timeout: u64,
    /// Write a copy of every envelope into this folder, also of results that did not pass.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Take over the test results of another bundle that are about bases, targets and hooks of this one.
    #[arg(long, value_name = "OTHER.cup", conflicts_with_all = ["key", "waive", "command"])]
    pub carry: Option<PathBuf>,
    /// Sign a waiver for the bases with this reason, instead of a test result.
    #[arg(long, value_name = "REASON", requires = "owner", requires = "until", conflicts_with = "command")]
    pub waive: Option<String>,
    /// Who answers for the waiver.
    #[arg(long, value_name = "NAME", requires = "waive")]
    pub owner: Option<String>,
    /// The last day of the waiver, or an RFC 3339 time.
    #[arg(long, value_name = "DATE", requires = "waive")]
    pub until: Option<String>,
    /// The test command and its arguments.
    #[arg(last = true, value_name = "CMD", required_unless_present_any = ["carry", "waive"])]
    pub command: Vec<String>,
    #[command(flatten)]
    pub output: Output,
}
