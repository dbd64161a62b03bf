//! Which class a path has, and which paths may be retired.

use super::config::Config;
use crate::bundle::Class;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::TreePath;
use globset::{GlobBuilder, GlobMatcher};

/// The configuration's path rules, compiled.
#[derive(Debug, Clone, Default)]
pub struct Classes {
    rules: Vec<(GlobMatcher, Class)>,
    retired: Vec<GlobMatcher>,
}

impl Classes {
    pub fn new(config: &Config) -> Result<Self> {
        let rules = config.paths.iter().map(|r| Ok((glob(&r.pattern)?, r.class))).collect::<Result<_>>()?;
        let retired = config.retire.iter().map(|r| glob(&r.path)).collect::<Result<_>>()?;
        Ok(Self { rules, retired })
    }

    /// The class of a path: the first rule that matches, else `code`.
    pub fn class(&self, path: &TreePath) -> Class {
        self.rules.iter().find(|(g, _)| g.is_match(path.as_str())).map_or(Class::Code, |(_, c)| *c)
    }

    /// Whether a `[[retire]]` lets the path go.
    pub fn retired(&self, path: &TreePath) -> bool {
        self.retired.iter().any(|g| g.is_match(path.as_str()))
    }
}

/// Compiles one pattern; `*` does not cross `/`, `**` does.
pub(super) fn glob(pattern: &str) -> Result<GlobMatcher> {
    let build = GlobBuilder::new(pattern).literal_separator(true).build();
    Ok(build
        .map_err(|e| Error::new(ErrorCode::Config, pattern, e).next("correct the pattern in cumulate.toml"))?
        .compile_matcher())
}
