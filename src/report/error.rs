//! The one error type that crosses room borders, and its closed set of codes.

use super::finding::Finding;
use serde::Serialize;
use std::fmt;

/// The result of everything that can stop the work.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something stopped the work.
///
/// `subject` is the file, fix or base concerned; `next` is the next thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Error {
    pub code: ErrorCode,
    pub subject: String,
    pub message: String,
    pub next: String,
    /// What was noticed on the way, and must not be lost with the result that there is none of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Error {
    pub fn new(code: ErrorCode, subject: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self {
            code,
            subject: subject.to_string(),
            message: message.to_string(),
            next: String::new(),
            findings: Vec::new(),
        }
    }

    /// Says what the reader can do about it.
    #[must_use]
    pub fn next(mut self, next: impl fmt::Display) -> Self {
        self.next = next.to_string();
        self
    }

    /// An input/output error of the environment, with the path that it happened at.
    pub fn io(subject: impl fmt::Display, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let next = match error.kind() {
            K::StorageFull | K::QuotaExceeded => {
                "free some space, or some inodes (df -i), and run the same command again"
            }
            K::PermissionDenied => "run as a user who may do this, or change the permissions",
            K::ReadOnlyFilesystem => "remount the file system writable and run the same command again",
            K::NotFound => "check the path",
            _ => "look at the file system, then run the same command again",
        };
        Self::new(ErrorCode::Io, subject, error).next(next)
    }

    /// The process exit code for this error.
    pub fn exit(&self) -> u8 {
        self.code.exit()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.subject, self.message, self.code.as_str())
    }
}

impl std::error::Error for Error {}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $exit:literal;)*) => {
        /// The closed set of error codes; stable, documented in the README with their exit codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }
        impl ErrorCode {
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name,)*];
            /// The code as it stands in JSON and messages.
            pub fn as_str(self) -> &'static str { match self { $(ErrorCode::$name => $text,)* } }
            /// The process exit code (design, section 6).
            pub fn exit(self) -> u8 { match self { $(ErrorCode::$name => $exit,)* } }
        }
    };
}

error_codes! {
    /// The plan was refused: conflicts, cycles, missing requirements, patches that do not apply.
    PlanRefused = "plan-refused", 1;
    /// A finding at level deny.
    Denied = "denied", 1;
    /// A hook that cannot be undone, and that nobody has accepted.
    Irreversible = "irreversible", 1;
    /// The command line's words are off.
    Usage = "usage", 2;
    /// Something is there already and is never overwritten.
    Exists = "exists", 2;
    /// `cumulate.toml`, `fix.toml`, `series` or `trust.toml` cannot be used as it stands.
    Config = "config", 3;
    /// A path that escapes its tree or cannot be represented.
    BadPath = "bad-path", 3;
    /// A patch that cannot be parsed or that is of a refused kind (an ed script).
    BadPatch = "bad-patch", 3;
    /// A base, archive or folder that cannot be read as a tree.
    BadSource = "bad-source", 3;
    /// A source changed while it was read.
    SourceChanged = "source-changed", 3;
    /// A delta that does not decode to what it promises.
    BadDelta = "bad-delta", 3;
    /// A bundle that is damaged, or whose sizes or digests lie.
    BadBundle = "bad-bundle", 3;
    /// A bundle, journal or delta of a format version that this build does not read.
    UnknownFormat = "unknown-format", 3;
    /// The bundle is whole as far as it goes, but what was asked for is not in it.
    Partial = "partial", 3;
    /// Something is larger than a limit.
    Limit = "limit", 3;
    /// No key or policy was given, so nothing can be said about trust.
    NoTrust = "no-trust", 4;
    /// No signature at all.
    Unsigned = "unsigned", 4;
    /// Signed by someone else, or by too few.
    Untrusted = "untrusted", 4;
    /// A key or policy has expired or is not valid yet.
    Expired = "expired", 4;
    /// Older than what the installation has seen.
    Downgrade = "downgrade", 4;
    /// A key that cannot be read or used.
    BadKey = "bad-key", 4;
    /// No base matches the installation.
    NoBase = "no-base", 5;
    /// The installation differs from what is recorded.
    Drift = "drift", 5;
    /// A site file or link stands where the bundle has to write.
    Blocked = "blocked", 5;
    /// There is no earlier state to go back to.
    NoRollback = "no-rollback", 5;
    /// The file system or operating system refused.
    Io = "io", 6;
    /// The installation's own records in `.cumulate` are damaged.
    BadState = "bad-state", 6;
    /// Not enough space.
    NoSpace = "no-space", 6;
    /// This operating system is not supported at run time, or its file system cannot hold the release.
    Unsupported = "unsupported", 6;
    /// A hook or the health check of a release failed.
    HookFailed = "hook-failed", 6;
    /// Another installer holds the lock.
    Locked = "locked", 7;
    /// An earlier run was interrupted; run again.
    Interrupted = "interrupted", 8;
    /// The gate could not run.
    GateBroken = "gate-broken", 9;
    /// A defect in cumulate itself.
    Internal = "internal", 70;
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}
