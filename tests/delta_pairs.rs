//! The codecs on real released files: `CUMULATE_PAIRS=/work/pairs cargo test --release --test delta_pairs -- --ignored --nocapture`.

use cumulate::delta::{Codec, DecodeLimits, Profile, best, decode, encode};
use std::path::{Path, PathBuf};
use std::time::Instant;

fn pairs() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let root = PathBuf::from(std::env::var_os("CUMULATE_PAIRS").expect("CUMULATE_PAIRS names the folder of pairs"));
    let only = std::env::var("CUMULATE_ONLY").unwrap_or_default();
    let mut names: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    let read = |p: &Path| std::fs::read(p).ok();
    names
        .iter()
        .filter_map(|p| Some((p.file_name()?.to_str()?.to_owned(), read(&p.join("old"))?, read(&p.join("new"))?)))
        .filter(|(name, ..)| only.is_empty() || only.split(',').any(|o| o == name))
        .collect()
}

#[test]
#[ignore = "corpus"]
fn the_best_delta_of_real_files_decodes_and_is_no_larger_than_any_codec_alone() {
    let pairs = pairs();
    assert!(!pairs.is_empty(), "no pairs there");
    for (name, old, new) in pairs {
        for profile in [Profile::Fast, Profile::Balanced] {
            let start = Instant::now();
            let made = best(Some(&old), &new, profile).unwrap();
            let time = start.elapsed().as_secs_f64();
            let limits = DecodeLimits { new_size: new.len() as u64, memory: made.header.memory };
            let start = Instant::now();
            assert!(decode(&made.bytes, &old, limits).unwrap() == new, "{name}");
            let (n, back) = (made.bytes.len(), start.elapsed().as_secs_f64());
            println!("{name:18} {profile:?} {:?} {n} in {time:.2} s, back in {back:.3} s", made.header.codec);
            if new.len() < 16 << 20 && profile == Profile::Balanced {
                for codec in [Codec::Full, Codec::Bsdiff, Codec::Zstd, Codec::Stream] {
                    let alone = encode(codec, Some(&old), &new, profile).unwrap();
                    println!("{name:18} {codec:?} alone {}", alone.bytes.len());
                    assert!(n <= alone.bytes.len(), "{name}: {codec:?} alone would have been smaller");
                }
            }
        }
    }
}

/// What nobody should make larger again unnoticed: the default profile's deltas of a library, a text and an archive.
#[test]
#[ignore = "three pairs from PyPI"]
fn three_small_pairs_stay_within_their_bounds() {
    let bounds = [("certifi-pem", 43), ("numpy-x64", 3_500), ("tzdata-tar", 1_100)];
    let pairs = pairs();
    for (name, most) in bounds {
        let (_, old, new) = pairs.iter().find(|p| p.0 == name).unwrap_or_else(|| panic!("{name} is not there"));
        let made = best(Some(old), new, Profile::Balanced).unwrap();
        let limits = DecodeLimits { new_size: new.len() as u64, memory: made.header.memory };
        assert!(decode(&made.bytes, old, limits).unwrap() == *new, "{name}");
        println!("{name}: {} bytes, at most {most}", made.bytes.len());
        assert!(made.bytes.len() <= most, "{name}: {} bytes are more than {most}", made.bytes.len());
    }
}
