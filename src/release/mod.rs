//! The release folder: `cumulate.toml`, its bases and tracks, and the path classes.
//!
//! [`Config`] is the file as written; [`Release`] is what it names, read into trees and
//! fixes. Nothing is decided here: order, merging and deltas belong to other rooms.

mod config;
mod load;
mod paths;

pub use config::{
    BaseConfig, Budget, Component, Config, DEFAULT_TRACK, Day, DerivedConfig, Health, Hold, NotFor, PathRule,
    ReleaseSection, Retire, Size, Status, TrackConfig,
};
pub use load::{Base, Past, Release, Track, folder, load, load_sources, load_sources_again, variant_for};
pub use paths::{Classes, glob};
