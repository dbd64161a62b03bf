//! The fuzz targets' bodies on stable: every seed, many mutations of each, and bytes that mean nothing.

mod common;

#[path = "../fuzz/bodies.rs"]
mod bodies;

use common::Numbers;
use std::fs;

/// Another text of the same kind: bytes changed, removed, doubled, cut, numbers made huge.
fn mutated(seed: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut out = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(out.len() + 1);
        match numbers.below(7) {
            0 if at < out.len() => out[at] ^= 1 << numbers.below(8),
            1 if at < out.len() => out[at] = [0, 0xff, b'\n', b'/', b'9', b'-', b'"'][numbers.below(7)],
            2 if at < out.len() => drop(out.remove(at)),
            3 => out.truncate(at),
            4 => {
                let end = (at + numbers.below(40)).min(out.len());
                let piece = out[at..end].to_vec();
                out.splice(at..at, piece);
            }
            5 => drop(out.splice(at..at, *b"99999999999999999999")),
            _ => drop(out.splice(at..at, *b"../")),
        }
    }
    out
}

fn run(rounds: usize) {
    for (name, body) in bodies::TARGETS {
        let mut numbers = Numbers(7);
        let folder = format!("fuzz/seeds/{name}");
        let mut seeds: Vec<_> = fs::read_dir(&folder).unwrap().map(|i| i.unwrap().path()).collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{folder} has no seed");
        let mut ran = 0;
        for seed in seeds.iter().map(|p| fs::read(p).unwrap()) {
            body(&seed);
            for _ in 0..rounds {
                body(&mutated(&seed, &mut numbers));
                ran += 1;
            }
        }
        for _ in 0..rounds {
            let length = numbers.below(300);
            body(&(0..length).map(|_| numbers.below(256) as u8).collect::<Vec<_>>());
        }
        println!("{name}: {} seeds, {ran} mutations, {rounds} of random bytes", seeds.len());
    }
}

#[test]
fn every_parser_survives_mutated_seeds() {
    run(60);
}

#[test]
#[ignore = "long: thousands of mutations of every seed"]
fn every_parser_survives_thousands_of_mutated_seeds() {
    run(5_000);
}
