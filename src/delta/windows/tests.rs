//! Laws of windows so small that a few kilobytes have many, and what hostile streams meet.

use super::layout::{Piece, Plan};
use super::{Sizes, encode};
use crate::delta::header::{self, Tag, check};
use crate::delta::{
    Codec, DecodeLimits, DeltaError, Profile, Side, Source, best, decode, decode_to, encode as whole, varint,
};
use proptest::prelude::*;

const ALL: DecodeLimits = DecodeLimits { new_size: u64::MAX, memory: u64::MAX };

fn tiny(old: &[u8], threads: usize) -> Sizes {
    Sizes { old: old.len() as u64, fresh: 900, near: 1400, copy: 200, pieces: 5, index: 1 << 16, threads }
}

fn made(old: &[u8], new: &[u8], sizes: &Sizes) -> Vec<u8> {
    let (before, after) = (Source::bytes(Side::Old, old), Source::bytes(Side::New, new));
    let mut payload = Vec::new();
    let mut out = |bytes: &[u8]| {
        payload.extend_from_slice(bytes);
        Ok(())
    };
    let head = encode(&before, &after, Profile::Fast, sizes, &mut out).unwrap();
    [head, payload].concat()
}

/// Bytes that no rule predicts.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// An old file, and a new one of its parts in another order, some of them twice, changed, or gone, with new ones.
fn files() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let part = (0usize..12, 0usize..2000, 0usize..1200, any::<u8>(), any::<u64>());
    (any::<u64>(), prop::collection::vec(part, 0..14)).prop_map(|(seed, parts)| {
        let old = noise(seed, 6000);
        let mut new = Vec::new();
        for (kind, at, len, byte, seed) in parts {
            let mut part = old[at * 2..at * 2 + len].to_vec();
            match kind {
                0 => part = noise(seed, len),
                1 => part = vec![byte; len],
                2..6 if len > 0 => part[seed as usize % len] ^= byte,
                _ => {}
            }
            new.extend(part);
        }
        (old, new)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_give_the_file_back_within_the_memory_they_state_and_the_same_on_any_number_of_threads(
        (old, new) in files(),
    ) {
        let delta = made(&old, &new, &tiny(&old, 1));
        prop_assert_eq!(&made(&old, &new, &tiny(&old, 3)), &delta);
        let head = crate::delta::header(&delta).unwrap();
        prop_assert_eq!((head.codec, head.new_size), (Codec::Windows, new.len() as u64));
        let exact = DecodeLimits { new_size: head.new_size, memory: head.memory };
        let (stored, before) = (Source::bytes(Side::Delta, &delta), Source::bytes(Side::Old, &old));
        let mut out = Vec::new();
        let mut sink = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        prop_assert_eq!(decode_to(&stored, &before, exact, &mut sink).unwrap(), head);
        prop_assert_eq!(&out, &new);
        prop_assert_eq!(decode(&delta, &old, ALL).unwrap(), new);
        if head.memory > 0 {
            let less = DecodeLimits { memory: head.memory - 1, ..exact };
            prop_assert!(decode_to(&stored, &before, less, &mut |_| Ok(())).is_err());
        }
    }

    #[test]
    fn damage_is_an_error_or_harmless((old, new) in files(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let delta = made(&old, &new, &tiny(&old, 1));
        let i = at.index(delta.len());
        prop_assert!(decode(&delta[..i], &old, ALL).is_err(), "cut at {}", i);
        let mut bad = delta;
        bad[i] ^= 1 << bit;
        if let Ok(result) = decode(&bad, &old, DecodeLimits { new_size: 1 << 20, memory: 1 << 26 }) {
            prop_assert_eq!(result, new);
        }
    }
}

#[test]
fn moved_and_repeated_parts_cost_a_few_bytes_and_changed_ones_little_more() {
    let old = noise(7, 400_000);
    let sizes = Sizes { fresh: 1 << 16, near: 3 << 15, copy: 1 << 12, pieces: 1 << 10, ..tiny(&old, 2) };
    let moved = [&old[250_000..], &old[..250_000], &old[100_000..200_000]].concat();
    assert!(made(&old, &moved, &sizes).len() < 100);
    let mut changed = moved;
    (0..changed.len()).step_by(2000).for_each(|i| changed[i] ^= 1);
    let delta = made(&old, &changed, &sizes).len();
    let whole = best(Some(&old), &changed, Profile::Fast).unwrap().bytes.len();
    assert!(delta < whole + 8 * 100, "{delta} bytes in eight windows, {whole} in one piece");
}

#[test]
fn a_file_that_is_the_old_one_is_one_window_however_large() {
    let old = noise(3, 20 << 20);
    let delta = made(&old, &old, &tiny(&old, 2));
    assert!(delta.len() < 64, "{}", delta.len());
    assert!(crate::delta::header(&delta).unwrap().memory < 4 << 20);
}

#[test]
fn awkward_contents() {
    let periodic: Vec<u8> = (0..50_000u32).map(|i| (i % 251) as u8).collect();
    let empty: &[u8] = &[];
    let zeros = vec![0; 100_000];
    for (old, new) in [
        (empty, empty),
        (empty, &periodic),
        (&periodic, empty),
        (&zeros, &periodic),
        (&zeros, &zeros[1..]),
        (&periodic, &periodic[100..]),
    ] {
        let delta = made(old, new, &tiny(old, 2));
        assert_eq!(decode(&delta, old, ALL).unwrap(), new);
    }
}

const OLD: &[u8] = &[7; 1000];

/// A delta of one window with this plan, these stored bytes, and a header that belongs to `new`.
fn stream(plan: &[u8], coded: &[u8], new: &[u8], working: u64) -> Vec<u8> {
    let mut out = header::bytes(Tag::Windows, new.len() as u64, working, check(OLD), check(new));
    for part in [&whole(Codec::Full, None, plan, Profile::Fast).unwrap().bytes, coded] {
        varint::put(&mut out, part.len() as u64);
        out.extend_from_slice(part);
    }
    out
}

fn refused(delta: &[u8]) -> DeltaError {
    decode(delta, OLD, ALL).unwrap_err()
}

#[test]
fn hostile_windows_are_refused() {
    let piece = |old, len| Plan { pieces: vec![Piece { fresh: 0, old, len }], ranges: Vec::new() };
    let good = stream(&piece(10, 20).to_bytes(), &[], &OLD[..20], 8 << 20);
    assert_eq!(decode(&good, OLD, ALL).unwrap(), &OLD[..20]);
    let damaged = |plan: Plan, coded: &[u8], len: usize| {
        let e = refused(&stream(&plan.to_bytes(), coded, &OLD[..len], 8 << 20));
        assert!(matches!(e, DeltaError::Damaged(_)), "{e}");
    };
    // Copies out of the file, of nothing, and of more than the result has.
    damaged(piece(990, 20), &[], 20);
    damaged(piece(10, 0), &[], 20);
    damaged(piece(10, 21), &[], 20);
    // A window that makes nothing, and new bytes that are not there.
    damaged(Plan::default(), &[], 20);
    damaged(Plan { pieces: vec![Piece { fresh: 1, old: 0, len: 19 }], ranges: Vec::new() }, &[], 20);
    // Ranges out of the file, and empty ones.
    damaged(Plan { ranges: vec![(0, 2000)], ..piece(0, 20) }, &[], 20);
    damaged(Plan { ranges: vec![(5, 5)], ..piece(0, 20) }, &[], 20);
    // Windows within a window, and a plan that is no plan.
    damaged(Plan::default(), &good, 20);
    let mut foreign = header::bytes(Tag::Windows, 20, 8 << 20, check(OLD), check(&OLD[..20]));
    varint::put(&mut foreign, good.len() as u64);
    foreign.extend_from_slice(&good);
    foreign.push(0);
    assert!(matches!(refused(&foreign), DeltaError::Damaged(_)));
    // Numbers of pieces that no plan could hold are refused before they are believed.
    let mut plan = Vec::new();
    varint::put(&mut plan, u64::MAX);
    varint::put(&mut plan, u64::MAX);
    assert_eq!(refused(&stream(&plan, &[], &OLD[..20], 8 << 20)), DeltaError::Truncated);
    // Sums beyond any number.
    let huge = [2u8, 0].into_iter().chain([0xff; 9]).chain([1]).chain([0xff; 9]).chain([1]).chain([0, 0, 1, 1]);
    let huge: Vec<u8> = huge.collect();
    assert!(matches!(refused(&stream(&huge, &[], &OLD[..20], 8 << 20)), DeltaError::Damaged(_)));
    // Bytes after the last window.
    let mut longer = good.clone();
    longer.push(0);
    assert!(matches!(refused(&longer), DeltaError::Damaged(_)));
    // Another old file.
    assert_eq!(decode(&good, &OLD[1..], ALL).unwrap_err(), DeltaError::WrongOld);
}

#[test]
fn a_window_that_needs_more_than_the_header_says_is_refused_before_it_is_read() {
    let new = noise(5, 5000);
    let inner = best(Some(OLD), &new, Profile::Fast).unwrap().bytes;
    let plan = Plan { pieces: Vec::new(), ranges: vec![(0, 1000)] }.to_bytes();
    assert_eq!(decode(&stream(&plan, &inner, &new, 64 << 20), OLD, ALL).unwrap(), new);
    assert!(matches!(refused(&stream(&plan, &inner, &new, 1 << 20)), DeltaError::OverLimit { .. }));
    // A length that the delta does not have.
    let mut long = header::bytes(Tag::Windows, 20, 1 << 20, check(OLD), check(&OLD[..20]));
    varint::put(&mut long, 1 << 19);
    assert_eq!(refused(&long), DeltaError::Truncated);
    varint::put(&mut long, 0);
    let mut lying = header::bytes(Tag::Windows, 20, 1 << 20, check(OLD), check(&OLD[..20]));
    varint::put(&mut lying, 1 << 60);
    assert!(matches!(refused(&lying), DeltaError::OverLimit { .. }));
    // In memory the result counts too.
    let delta = stream(&plan, &inner, &new, 64 << 20);
    let tight = DecodeLimits { new_size: 5000, memory: 64 << 20 };
    assert!(matches!(decode(&delta, OLD, tight), Err(DeltaError::OverLimit { .. })));
}
