//! Prose beside patches: what in it readers of patches would take for a patch of its own.

use super::names::is_ed_command;
use super::parse::split_lines;

/// The text with `> ` before every line that git, GNU patch or this program would read as a part of a patch, and before
/// what looks like the beginning of another mail.
///
/// Blanks would not do: GNU patch takes diffs that are indented, too.
pub fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut inside = false;
    for line in split_lines(text) {
        let head = begins_diff(line);
        inside = head || inside && continues_diff(line);
        if inside || begins_part(line) {
            out.extend_from_slice(b"> ");
        }
        out.extend_from_slice(line);
    }
    out
}

/// Where GNU patch begins to look at a line.
fn unindented(line: &[u8]) -> &[u8] {
    let indent = line.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'X')).count();
    line[indent..].trim_ascii_end()
}

/// A line behind which the lines of a diff may follow.
fn begins_diff(line: &[u8]) -> bool {
    const HEADS: [&[u8]; 5] = [b"diff -", b"--- ", b"+++ ", b"@@ -", b"Index:"];
    let line = unindented(line);
    HEADS.iter().any(|head| line.starts_with(head))
}

fn continues_diff(line: &[u8]) -> bool {
    const PARTS: [&[u8]; 10] = [
        b"index ",
        b"old mode ",
        b"new mode ",
        b"new file mode ",
        b"deleted file mode ",
        b"similarity index ",
        b"rename ",
        b"copy ",
        b"GIT binary patch",
        b"Binary files ",
    ];
    matches!(line.first(), Some(b' ' | b'+' | b'-' | b'\\' | b'=')) || PARTS.iter().any(|part| line.starts_with(part))
}

/// A line that means something to one of the readers all alone.
fn begins_part(line: &[u8]) -> bool {
    let bare = unindented(line);
    let mail = |l: &[u8]| l.starts_with(b"From ") && l.windows(2).any(|w| w[0].is_ascii_digit() && w[1] == b':');
    bare == b"---" || bare == b"." || bare.starts_with(b"Prereq:") || is_ed_command(bare) || mail(line)
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn only_what_readers_of_patches_look_for_is_quoted() {
        let text = "Words - and more.\n\n- a list\n -- x\n-----\ndiff of two\n\ndiff --git a/f b/f\nindex 1..2\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n\n  --- a/g\n---\n3,4c5\nFrom 0123 Mon Sep 17 00:00:00 2001\nFrom here on: words\n";
        let wanted = "Words - and more.\n\n- a list\n -- x\n-----\ndiff of two\n\n> diff --git a/f b/f\n> index 1..2\n> --- a/f\n> +++ b/f\n> @@ -1 +1 @@\n> -a\n> +b\n\n>   --- a/g\n> ---\n> 3,4c5\n> From 0123 Mon Sep 17 00:00:00 2001\nFrom here on: words\n";
        assert_eq!(String::from_utf8(quoted(text.as_bytes())).unwrap(), wanted);
        assert_eq!(quoted(wanted.as_bytes()), wanted.as_bytes(), "what is quoted stays");
    }
}
