//! Laws of the stream: what is encoded decodes to itself, and nothing hostile does harm.

use cumulate::delta::{DecodeLimits, DeltaError, Profile, stream};
use proptest::prelude::*;

const LIMITS: DecodeLimits = DecodeLimits { new_size: 1 << 24, memory: 1 << 28 };

fn round_trip(old: &[u8], new: &[u8]) -> Vec<u8> {
    let delta = stream::encode(old, new, Profile::Small);
    let back = stream::decode(&delta, old, new.len() as u64, LIMITS).expect("own deltas decode");
    assert!(back == new, "another result");
    delta
}

/// Deterministic noise.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed | 1;
    (0..len)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 32) as u8
        })
        .collect()
}

/// This test's own program: a real executable of this machine.
fn program() -> Vec<u8> {
    let path = std::env::current_exe().expect("a test has a path");
    let mut bytes = std::fs::read(path).expect("its program can be read");
    bytes.truncate(bytes.len().min(1 << 20));
    bytes
}

/// An executable with one code section full of calls, in which `insert` bytes were added at `at`.
fn elf(functions: usize, at: usize, insert: usize) -> Vec<u8> {
    let mut code = Vec::new();
    let starts: Vec<usize> = (0..functions).map(|i| i * 32 + if i >= at { insert } else { 0 }).collect();
    for i in 0..functions {
        code.resize(starts[i], 0x90);
        for k in 0..4 {
            let target = starts[(i * 7 + k * 13) % functions] as i64;
            code.push(0xE8);
            let rel = target - (code.len() as i64 + 4);
            code.extend_from_slice(&(rel as i32).to_le_bytes());
        }
        code.extend_from_slice(&noise(i as u64 + 1, 11).iter().map(|b| 0x50 | b & 15).collect::<Vec<_>>());
        code.push(0xC3);
    }
    let names = b"\0.text\0.shstrtab\0";
    let (text, strings) = (64usize, 64 + code.len());
    let table = strings + names.len();
    let mut f = vec![0u8; 64];
    f[..8].copy_from_slice(b"\x7FELF\x02\x01\x01\0");
    f[18] = 62;
    f[40..48].copy_from_slice(&(table as u64).to_le_bytes());
    f[60] = 3;
    f[62] = 2;
    f.extend_from_slice(&code);
    f.extend_from_slice(names);
    let mut section = |name: u32, kind: u32, flags: u64, addr: u64, off: usize, size: usize| {
        f.extend_from_slice(&name.to_le_bytes());
        f.extend_from_slice(&kind.to_le_bytes());
        for v in [flags, addr, off as u64, size as u64, 0, 0, 0] {
            f.extend_from_slice(&v.to_le_bytes());
        }
    };
    section(0, 0, 0, 0, 0, 0);
    section(1, 1, 6, 0x40_0000, text, code.len());
    section(7, 3, 0, 0, strings, names.len());
    f
}

#[test]
fn equal_and_empty_files_cost_a_few_bytes() {
    let bytes = noise(7, 100_000);
    assert!(round_trip(&bytes, &bytes).len() <= 12);
    assert!(round_trip(&bytes, &[]).len() <= 5);
    assert!(round_trip(&[], &[]).len() <= 5);
    let fresh = round_trip(&[], &bytes).len();
    assert!(fresh <= bytes.len() + bytes.len() / 50 + 16, "noise grew to {fresh}");
}

#[test]
fn a_moved_function_changes_no_call_that_goes_to_it() {
    let (old, new) = (elf(4000, 1000, 0), elf(4000, 1000, 37));
    let delta = round_trip(&old, &new).len();
    assert!(delta < 600, "{delta} bytes for one insertion");
}

#[test]
fn repetitive_and_swapped_bytes_stay_quick_and_small() {
    let n = 300_000;
    let mut fibonacci = (vec![b'a'], vec![b'a', b'b']);
    while fibonacci.1.len() < n {
        let next = [&fibonacci.1[..], &fibonacci.0].concat();
        fibonacci = (fibonacci.1, next);
    }
    let noise = noise(3, n);
    let swapped = [&noise[n / 2..], &noise[..n / 2]].concat();
    let period: Vec<u8> = (0..n).map(|i| (i % 251) as u8).collect();
    let cases = [
        (vec![0; n], vec![0; n + 5]),
        (vec![0; n], period.clone()),
        (period, (0..n).map(|i| (i % 2) as u8).collect()),
        (fibonacci.0, fibonacci.1),
        (noise, swapped),
        (vec![0xE8; n], vec![0xE8; n / 2]),
    ];
    for (old, new) in cases {
        let size = round_trip(&old, &new).len();
        assert!(size < 2000, "{size}");
    }
}

#[test]
fn wide_pointers_that_become_anything_survive() {
    let mut old = elf(60, 10, 0);
    // The second section becomes loaded data full of pointers.
    let table = u64::from_le_bytes(old[40..48].try_into().unwrap()) as usize;
    let at = old.len();
    for i in 0..64u64 {
        old.extend_from_slice(&(0x40_0000 + i * 32).to_le_bytes());
    }
    for (field, value) in [(4, 1u64), (8, 3), (16, 0x80_0000), (24, at as u64), (32, 512)] {
        let width = if field == 4 { 4 } else { 8 };
        old[table + 128 + field..][..width].copy_from_slice(&value.to_le_bytes()[..width]);
    }
    let mut new = old.clone();
    for k in 0..32 {
        new[at + k * 16..][..8].copy_from_slice(&noise(k as u64, 8));
    }
    round_trip(&old, &new);
}

#[test]
fn limits_are_kept() {
    let (old, new) = (noise(1, 5000), noise(2, 5000));
    let delta = round_trip(&old, &new);
    let small = DecodeLimits { new_size: 4999, ..LIMITS };
    assert!(matches!(stream::decode(&delta, &old, 5000, small), Err(DeltaError::OverLimit { .. })));
    let poor = DecodeLimits { memory: 4999, ..LIMITS };
    assert!(matches!(stream::decode(&delta, &old, 5000, poor), Err(DeltaError::OverLimit { .. })));
}

#[test]
fn damaged_streams_of_a_program_are_refused_or_harmless() {
    let old = program();
    let mut new = old.clone();
    new.splice(300_000..300_010, noise(5, 40));
    let delta = round_trip(&old, &new);
    for k in 0..40 {
        let mut bad = delta.clone();
        let at = (k * 7919) % bad.len();
        bad[at] ^= 1 << (k % 8);
        let _ = stream::decode(&bad, &old, new.len() as u64, LIMITS);
        let _ = stream::decode(&delta[..at], &old, new.len() as u64, LIMITS);
        // Another old file, whose tables lie.
        let mut liar = old.clone();
        for (i, b) in noise(k as u64 + 9, 64).into_iter().enumerate() {
            let at = (i * 104_729 + k * 31) % liar.len();
            liar[at] = b;
        }
        let _ = stream::decode(&delta, &liar, new.len() as u64, LIMITS);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, rng_seed: proptest::test_runner::RngSeed::Fixed(11), ..ProptestConfig::default() })]

    #[test]
    fn any_edit_round_trips(
        seed in any::<u64>(),
        len in 0usize..4000,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..60, 0usize..60, any::<u64>()), 0..8),
    ) {
        let old: Vec<u8> = noise(seed, len).iter().map(|b| b & 0x1F).collect();
        let mut new = old.clone();
        for (at, remove, add, seed) in edits {
            let at = at.index(new.len() + 1);
            let end = (at + remove).min(new.len());
            new.splice(at..end, noise(seed, add));
        }
        round_trip(&old, &new);
    }

    #[test]
    fn any_bytes_are_refused_or_harmless(stream in proptest::collection::vec(any::<u8>(), 0..300), len in 0u64..5000) {
        let old = elf(40, 3, 0);
        if let Ok(new) = stream::decode(&stream, &old, len, LIMITS) {
            prop_assert_eq!(new.len() as u64, len);
        }
        let mut stream = stream;
        stream.insert(0, 1);
        if let Ok(new) = stream::decode(&stream, &old, len, LIMITS) {
            prop_assert_eq!(new.len() as u64, len);
        }
    }

    #[test]
    fn any_damage_to_an_executable_is_harmless(places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20)) {
        let (mut old, new) = (elf(60, 10, 0), elf(60, 10, 5));
        let delta = stream::encode(&old, &new, Profile::Small);
        for (at, value) in places {
            let at = at.index(old.len());
            old[at] = value;
        }
        let _ = stream::decode(&delta, &old, new.len() as u64, LIMITS);
        round_trip(&old, &new);
        round_trip(&new, &old);
    }
}
