//! One verb, one file: the story of a command in library terms.
