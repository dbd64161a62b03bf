//! Text that came from a file, on its way to people.

use std::path::Path;

/// Control characters, and those that turn the direction of text round or take no room: what they stand in looks
/// like something else. Unicode's `Cc`, the marks of UAX 9, the line and paragraph separators.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Safe to print on a terminal and on a page: what is hidden becomes U+FFFD.
pub fn safe(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// A path as it stands in a command that a reader may paste into a shell.
pub fn quoted(path: &Path) -> String {
    let text = safe(&path.to_string_lossy());
    // A NUL, the only thing that cannot be quoted, is not in a path.
    shlex::try_quote(&text).map_or_else(|_| text.clone(), Into::into)
}
