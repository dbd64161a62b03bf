//! `cumulate` turns individual fixes into one cumulative, signed patch.
//!
//! The modules are listed from the ground floor up; each may use only those on
//! lower floors, or those that `tests/layers.rs` names as its own. The library
//! never prints and never exits: it returns values, findings and errors, and the
//! command line (`cli`) parses, calls and renders.
//!
//! Feature `apply` has what changes an installation, `build` everything; without either, bundles are read and verified.

// Floor 1: bytes, paths, disk, keys, words for what went wrong.
pub mod delta;
pub mod disk;
#[cfg(feature = "build")]
pub mod patch;
#[cfg(feature = "apply")]
pub mod process;
pub mod report;
pub mod tree;
pub mod trust;

// Floor 2: what people ship.
pub mod bundle;
#[cfg(feature = "build")]
pub mod fix;

// Floor 3: decisions, and the machine they end on.
#[cfg(feature = "apply")]
pub mod install;
#[cfg(feature = "build")]
pub mod plan;
#[cfg(feature = "build")]
pub mod release;

// Floor 4: from decisions to words, trees and deltas.
#[cfg(feature = "build")]
pub mod explain;
#[cfg(feature = "build")]
pub mod merge;
#[cfg(feature = "build")]
pub mod route;

// Floor 5: one verb, one file.
#[cfg(feature = "apply")]
pub mod verb;

// Floor 6: parse, call, render.
#[cfg(feature = "apply")]
pub mod cli;
