//! Bytes of one delta per pair of released files (`shared/corpus/delta-pairs.sh`), beside the best peer's stored figure.
//!
//!     CUMULATE_PAIRS=/work/pairs cargo bench --bench delta_pairs -- [PAIR...]

use std::time::Instant;

use cumulate::delta::{DecodeLimits, Profile, stream};

/// Smallest patch of bsdiff 4.3, hdiffz, Zucchini, zstd 22, bidiff, bsdiff crate + xz, as measured before this engine.
const PEERS: &[(&str, u64)] = &[
    ("certifi-pem", 43),
    ("typescript-js", 517),
    ("mdi-ttf", 6_644),
    ("tzdata-tar", 1_164),
    ("esbuild-x64", 189_388),
    ("esbuild-arm64", 145_088),
    ("esbuild-win", 111_232),
    ("numpy-x64", 78_884),
    ("cryptography-x64", 646_995),
    ("ruff-x64", 2_236_104),
    ("ruff-win", 1_481_812),
    ("swc-x64", 813_888),
    ("swc-arm64", 931_656),
    ("biome-x64", 2_840_016),
    ("duckdb-x64", 2_197_833),
    ("bun-x64", 3_601_908),
];

fn main() {
    let Some(folder) = std::env::var_os("CUMULATE_PAIRS") else {
        println!("CUMULATE_PAIRS names no folder of pairs");
        return;
    };
    let chosen: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    println!("{:18} {:>11} {:>9} {:>9} {:>6} {:>7} {:>7}", "pair", "new", "small", "peer", "ratio", "enc s", "dec s");
    for (name, peer) in PEERS {
        if !chosen.is_empty() && !chosen.iter().any(|c| name.contains(c.as_str())) {
            continue;
        }
        let read = |side: &str| std::fs::read(std::path::Path::new(&folder).join(name).join(side));
        let (Ok(old), Ok(new)) = (read("old"), read("new")) else {
            println!("{name:18} is not in the folder");
            continue;
        };
        let start = Instant::now();
        let delta = stream::encode(&old, &new, Profile::Small);
        let encode = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let back =
            stream::decode(&delta, &old, new.len() as u64, DecodeLimits { new_size: u64::MAX, memory: u64::MAX });
        let decode = start.elapsed().as_secs_f64();
        assert!(back.as_deref() == Ok(&new[..]), "{name} does not decode to itself");
        let ratio = delta.len() as f64 / *peer as f64;
        println!("{name:18} {:11} {:9} {peer:9} {ratio:6.3} {encode:7.1} {decode:7.2}", new.len(), delta.len());
    }
}
