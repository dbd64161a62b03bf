//! What keeps even root from replacing a file or changing the names in a folder, until it is taken away.

use crate::report::{Error, ErrorCode};
use std::path::Path;

/// The flag of `chattr` that holds what stands at the path itself: `i` (immutable) or `a` (append-only).
fn flag(path: &Path) -> Option<char> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
        // Where nothing tells, the operation itself will.
        let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()).ok()?.stx_attributes;
        let flags = [(StatxAttributes::IMMUTABLE, 'i'), (StatxAttributes::APPEND, 'a')];
        flags.into_iter().find(|(held, _)| found.contains(*held)).map(|(_, flag)| flag)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// The refusal to touch a file or folder that is held.
pub fn held(path: &Path) -> Option<Error> {
    let flag = flag(path)?;
    let what = if flag == 'i' { "immutable" } else { "append-only" };
    let at = path.display();
    let error =
        Error::new(ErrorCode::Blocked, &at, format!("it is {what} (chattr +{flag}), and it would have to change"));
    Some(error.next(format!("if it may change, take that away with 'chattr -{flag} {at}', then run the command again")))
}
