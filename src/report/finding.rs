//! Findings: something wrong or noteworthy that did not stop the work.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How seriously a finding is taken; a configuration may change it per code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Allow,
    Warn,
    Deny,
}

/// One finding. `details` holds what a machine may want beyond the sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: Code,
    pub level: Level,
    pub subject: String,
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next: String,
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub details: serde_json::Value,
}

impl Finding {
    /// A finding at its code's default level.
    pub fn new(code: Code, subject: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self {
            code,
            level: code.default_level(),
            subject: subject.to_string(),
            message: message.to_string(),
            next: String::new(),
            details: serde_json::Value::Null,
        }
    }

    #[must_use]
    pub fn next(mut self, next: impl fmt::Display) -> Self {
        self.next = next.to_string();
        self
    }

    #[must_use]
    pub fn details(mut self, details: serde_json::Value) -> Self {
        self.details = details;
        self
    }
}

/// Findings in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    pub findings: Vec<Finding>,
}

impl Report {
    pub fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    /// Whether any finding is at level deny.
    pub fn denied(&self) -> bool {
        self.findings.iter().any(|f| f.level == Level::Deny)
    }
}

/// Each finding once, where it was made first: several tracks say many things alike.
pub fn distinct(findings: Vec<Finding>) -> Vec<Finding> {
    let mut seen = std::collections::BTreeSet::new();
    let mut out = findings;
    out.retain(|f| seen.insert((f.code, f.subject.clone(), f.message.clone())));
    out
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $level:ident;)*) => {
        /// The closed set of finding codes with their default levels.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }
        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];
            pub fn as_str(self) -> &'static str { match self { $(Code::$name => $text,)* } }
            pub fn default_level(self) -> Level { match self { $(Code::$name => Level::$level,)* } }
            pub fn parse(text: &str) -> Option<Self> { Self::ALL.iter().copied().find(|c| c.as_str() == text) }
        }
    };
}

codes! {
    /// A fix's change does not apply; details hold the hunk.
    DoesNotApply = "does-not-apply", Deny;
    /// Two fixes whose order matters, and nothing decides it.
    OrderOpen = "order-open", Deny;
    /// An order pair that a series or `after` decides.
    OrderSettled = "order-settled", Allow;
    /// Fixes that need, come after or supersede each other in a circle, as they say or by their lines.
    Cycle = "cycle", Deny;
    /// A fix requires another that is not there.
    MissingRequirement = "missing-requirement", Deny;
    /// Two fixes that declare that they exclude each other are both chosen.
    DeclaredConflict = "declared-conflict", Deny;
    /// Two fixes have the same content, or others of the plan together bring what a fix does.
    Duplicate = "duplicate", Warn;
    /// Another fix replaces this one, so it is left out.
    Superseded = "superseded", Allow;
    /// A newer fix replaces this one and does not have all that it does.
    SupersededLoses = "superseded-loses", Warn;
    /// A later fix takes back all that this one does.
    Reverted = "reverted", Warn;
    /// The base itself has the fix's changes already.
    Contained = "contained", Warn;
    /// The fix changes nothing.
    EmptyFix = "empty-fix", Deny;
    /// A fix that changes only paths of class volatile or site, which nothing ever writes.
    NeverWritten = "never-written", Deny;
    /// Metadata that contradicts itself, cannot be read, names nobody, or belongs to no fix.
    BadMetadata = "bad-metadata", Warn;
    /// A selection by severity leaves out fixes whose severity nobody knows.
    SeverityUnknown = "severity-unknown", Warn;
    /// A patch file holds several mails, which are one fix together.
    SeveralMails = "several-mails", Warn;
    /// The commits of a range do not start from where the range says.
    RangeDiverges = "range-diverges", Warn;
    /// Everything of a base lies in one folder, which the fixes do not name.
    OneFolder = "one-folder", Warn;
    /// A link of an overlay leads out of the tree.
    LinkLeaves = "link-leaves", Warn;
    /// A path of a base that is not in the target and that no fix deletes.
    DeletedWithoutFix = "deleted-without-fix", Deny;
    /// A fix that neither applies to a track nor is excused there.
    FixMissingOnTrack = "fix-missing-on-track", Deny;
    /// A shipped file changed that no fix claims.
    UnclaimedChange = "unclaimed-change", Deny;
    /// A rule of the configuration that fits nothing: perhaps it is misspelt.
    UnusedRule = "unused-rule", Warn;
    /// A fix of the previous bundle is gone.
    FixLost = "fix-lost", Deny;
    /// A size budget is exceeded.
    OverBudget = "over-budget", Deny;
    /// A base does not reach the target.
    TargetMissed = "target-missed", Deny;
    /// Rolling back did not restore the base exactly.
    RollbackInexact = "rollback-inexact", Deny;
    /// The bundle holds only some of its bases.
    PartialBundle = "partial-bundle", Warn;
    /// The bundle carries no signature.
    UnsignedBundle = "unsigned-bundle", Warn;
    /// Fewer signatures or test results than the policy that the gate was given wants.
    SignaturesMissing = "signatures-missing", Deny;
    /// Something the gate needs is missing, so it could not run.
    GateCannotRun = "gate-cannot-run", Deny;
    /// A fix is held back by the configuration, and with it what needs it.
    Held = "held", Warn;
    /// The day until which a fix was held has passed.
    HoldExpired = "hold-expired", Warn;
    /// The best-before of a release has passed already when it is planned or built.
    DatePassed = "date-passed", Warn;
    /// A selection leaves out a fix that text suggests another needs, or that repairs it.
    HintLeftBehind = "hint-left-behind", Warn;
    /// A file of the installation differs from what is recorded.
    Drifted = "drifted", Warn;
    /// A running program has a file open that was replaced.
    InUse = "in-use", Warn;
    /// A hook of a release that was rolled back could not be undone.
    HookNotUndone = "hook-not-undone", Warn;
    /// A hook that cannot be undone and that nobody has accepted: a real run would be refused.
    Irreversible = "irreversible", Deny;
    /// Whether a hook that an interrupted run had begun ended is not known, and it (or its undo) was run again.
    HookUncertain = "hook-uncertain", Warn;
    /// A local edit of a config file was kept, or a config file that is not there was left out.
    ConfigKept = "config-kept", Warn;
    /// A new file cannot have all extended attributes of the one that it replaces.
    AttributesLost = "attributes-lost", Warn;
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}
