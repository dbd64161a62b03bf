//! The program that advice names.

/// The program whose commands the reader has, as a literal: the small installer is built without `build`.
#[cfg(feature = "build")]
macro_rules! program {
    () => {
        "cumulate"
    };
}
#[cfg(not(feature = "build"))]
macro_rules! program {
    () => {
        "cumulate-apply"
    };
}
pub(crate) use program;

/// The same, for text that is put together.
pub const PROGRAM: &str = program!();
