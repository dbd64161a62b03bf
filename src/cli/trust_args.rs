//! `cumulate trust …` as clap sees it.

use super::use_args::{Output, Trust};
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Whose private key signs.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// A key that has to sign it: a file, `fd:N`, `-` for standard input, or a `pkcs11:` URI.
    #[arg(long, value_name = "KEY")]
    pub key: PathBuf,
    /// Where the passphrase of an encrypted key, or a token's PIN, is: `file:PATH`, `fd:N`, or `-`.
    #[arg(long, value_name = "WHERE")]
    pub passphrase: Option<OsString>,
}

#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Make version 1 of a signed trust root from a trust.toml with [roles.root].
    #[command(after_help = "Examples:\n  cumulate trust init --policy trust.toml --key alice.key -o trust.root")]
    Init {
        #[arg(long, value_name = "FILE")]
        policy: PathBuf,
        #[command(flatten)]
        key: KeyArgs,
        /// The root; never overwritten.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        #[command(flatten)]
        form: Output,
    },
    /// Append the next version; it needs the thresholds of the old root keys and of the new ones.
    #[command(after_help = "Examples:\n  cumulate trust rotate trust.root --policy new.toml --key alice.key")]
    Rotate {
        root: PathBuf,
        #[arg(long, value_name = "FILE")]
        policy: PathBuf,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        form: Output,
    },
    /// Add a signature to the last version, or to a delegation.
    #[command(after_help = "Examples:\n  cumulate trust sign trust.root --key bob.key")]
    Sign {
        /// A trust root, or what `trust delegate` wrote.
        root: PathBuf,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        form: Output,
    },
    /// Let one more key speak in a role until a day; the role's threshold of keys has to sign it.
    #[command(
        after_help = "Examples:\n  cumulate trust delegate --role vetter --component redis --to carol.pub --until 2027-08-31 --key bob.key -o holiday.json\n  cumulate trust sign holiday.json --key alice.key       # until the role's threshold is there\n  cumulate sign redis-7.2.6.cup --envelope holiday.json  # so that every reader knows it"
    )]
    Delegate {
        #[arg(long)]
        role: String,
        #[arg(long)]
        component: String,
        /// The delegate's public key.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Who holds it; the file's name without its ending by default.
        #[arg(long)]
        name: Option<String>,
        /// The last day, or an RFC 3339 time.
        #[arg(long, value_name = "DATE")]
        until: String,
        #[command(flatten)]
        key: KeyArgs,
        /// The delegation; never overwritten.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        #[command(flatten)]
        form: Output,
    },
    /// Show the versions of a trust root, who signed each and who still can; or what a delegation gives to whom.
    #[command(after_help = "Examples:\n  cumulate trust show trust.root\n  cumulate trust show holiday.json")]
    Show {
        /// A trust root, or what `trust delegate` wrote.
        root: PathBuf,
        #[command(flatten)]
        form: Output,
    },
    /// Say which signatures and waivers a bundle has, why some do not count, which it lacks, and who can give them; exit
    /// code 4 while some are missing.
    #[command(after_help = "Examples:\n  cumulate trust status redis-7.2.6.cup --policy trust.root")]
    Status {
        bundle: PathBuf,
        #[command(flatten)]
        trust: Trust,
        #[command(flatten)]
        form: Output,
    },
}

impl TrustCommand {
    pub fn form(&self) -> &Output {
        match self {
            Self::Init { form, .. }
            | Self::Rotate { form, .. }
            | Self::Sign { form, .. }
            | Self::Delegate { form, .. }
            | Self::Show { form, .. }
            | Self::Status { form, .. } => form,
        }
    }
}
