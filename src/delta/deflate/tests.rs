use super::*;
use crate::delta::DeltaError;
use flate2::{Compress, Compression, FlushCompress, Status};

/// Text with repetitions near and far, of every length.
fn text(n: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % below.max(1)
    };
    let mut out: Vec<u8> = Vec::new();
    while out.len() < n {
        if out.len() > 8 && random(3) > 0 {
            let len = 2 + random(40);
            let from = out.len() - 1 - random(out.len().min(60_000) - 1);
            (0..len).for_each(|i| out.push(out[from + i.min(out.len() - from - 1)]));
        } else {
            (0..1 + random(12)).for_each(|_| out.push(b"etaoin shrdlu\n0123"[random(18)]));
        }
    }
    out.truncate(n);
    out
}

fn deflate(plain: &[u8], level: u32) -> Vec<u8> {
    let mut made = Vec::with_capacity(plain.len() + plain.len() / 8 + 100);
    let mut c = Compress::new(Compression::new(level), false);
    assert_eq!(c.compress_vec(plain, &mut made, FlushCompress::Finish).unwrap(), Status::StreamEnd);
    made
}

fn round_trip(stream: &[u8]) -> Option<usize> {
    let parsed = parse(stream, usize::MAX)?;
    let mut plain = Vec::new();
    assert_eq!(inflate(stream, usize::MAX, &mut plain), Some(parsed.used));
    assert_eq!(plain, parsed.plain);
    let chosen = choose(&parsed, &stream[..parsed.used], None, usize::MAX)?;
    let mut rest = chosen.corrections.as_slice();
    assert_eq!(recreate(&plain, chosen.maker, &mut rest, parsed.used).unwrap(), &stream[..parsed.used]);
    assert!(rest.is_empty());
    Some(chosen.corrections.len())
}

#[test]
fn streams_of_another_maker_come_back_byte_for_byte() {
    for n in [0, 1, 2, 3, 10, 300, 5000, 200_000] {
        for level in [0, 1, 3, 6, 9] {
            let stream = deflate(&text(n, n as u64), level);
            assert!(round_trip(&stream).is_some(), "{n} bytes, level {level}");
        }
    }
}

#[test]
fn damaged_corrections_are_refused_or_give_another_stream_but_never_more_than_allowed() {
    let stream = deflate(&text(3000, 7), 6);
    let parsed = parse(&stream, usize::MAX).unwrap();
    let chosen = choose(&parsed, &stream, None, usize::MAX).unwrap();
    for i in 0..chosen.corrections.len() {
        for bit in 0..8 {
            let mut bad = chosen.corrections.clone();
            bad[i] ^= 1 << bit;
            if let Ok(other) = recreate(&parsed.plain, chosen.maker, &mut bad.as_slice(), stream.len()) {
                assert!(other.len() <= stream.len() + (1 << 16));
            }
        }
        let cut = recreate(&parsed.plain, chosen.maker, &mut &chosen.corrections[..i], stream.len());
        assert!(matches!(cut, Err(DeltaError::Truncated | DeltaError::Damaged(_))), "{i}");
    }
}

#[test]
fn no_input_makes_more_than_was_allowed() {
    let stream = deflate(&vec![0; 1 << 20], 9);
    assert!(parse(&stream, 1 << 19).is_none());
    let mut plain = Vec::new();
    assert_eq!(inflate(&stream, 1 << 19, &mut plain), None);
    assert!(plain.len() <= 1 << 19);
}

/// Bytes, level, and length and digest of what zlib 1.2.13 makes of that text (by Python's `zlib.compressobj`).
const ZLIB: &[(usize, u8, usize, &str)] = &[
    (20, 1, 22, "d828ae6be80513d4"),
    (20, 9, 22, "d828ae6be80513d4"),
    (5000, 1, 1248, "9d21de7828050167"),
    (5000, 2, 1181, "f72393bb512df37d"),
    (5000, 3, 1148, "7b7ce87ee826d1df"),
    (5000, 4, 977, "a1f541ab55d1ee79"),
    (5000, 5, 901, "f951edd23d2dfcb1"),
    (5000, 6, 882, "35f78766a88b01fe"),
    (700_000, 1, 272_362, "936aaa6775b7163d"),
    (700_000, 2, 259_232, "e7e3e9345b024b57"),
    (700_000, 3, 253_296, "a413d18c61c7e083"),
    (700_000, 4, 211_566, "ef76d3e45c7ad582"),
    (700_000, 5, 202_876, "0739a200795674ae"),
    (700_000, 6, 200_515, "f8a8633c5bdd7b31"),
    (700_000, 7, 199_470, "6432097d0d63216a"),
    (700_000, 8, 198_019, "f451fdcac234d78a"),
    (700_000, 9, 198_003, "02258d767d8b1758"),
];

#[test]
fn zlibs_streams_follow_from_level_and_text_alone() {
    use sha2::Digest as _;
    let digest = |bytes: &[u8]| {
        let d = sha2::Sha256::digest(bytes);
        d.iter().take(8).map(|b| format!("{b:02x}")).collect::<String>()
    };
    let made = |n: usize, maker: u8| {
        recreate(&text(n, n as u64), Maker::of(maker).unwrap(), &mut [0, 0].as_slice(), 2 * n + 100).unwrap()
    };
    for &(n, level, len, expected) in ZLIB {
        let stream = made(n, level);
        assert_eq!((stream.len(), digest(&stream)), (len, expected.to_owned()), "{n} bytes, level {level}");
    }
    let wide = made(700_000, 1 << 4 | 6);
    assert_eq!((wide.len(), digest(&wide).as_str()), (200_483, "ef95b12f360224fa"), "memory level 9");
}
