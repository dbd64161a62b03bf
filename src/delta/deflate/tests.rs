use super::maker::{Follows, Program};
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
    let chosen = choose(&parsed, &stream[..parsed.used], None, None, usize::MAX)?;
    let mut rest = chosen.corrections.as_slice();
    assert_eq!(recreate(&plain, chosen.maker, None, &mut rest, parsed.used).unwrap(), &stream[..parsed.used]);
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
    let chosen = choose(&parsed, &stream, None, None, usize::MAX).unwrap();
    for i in 0..chosen.corrections.len() {
        for bit in 0..8 {
            let mut bad = chosen.corrections.clone();
            bad[i] ^= 1 << bit;
            if let Ok(other) = recreate(&parsed.plain, chosen.maker, None, &mut bad.as_slice(), stream.len()) {
                assert!(other.len() <= stream.len() + (1 << 16));
            }
        }
        let cut = recreate(&parsed.plain, chosen.maker, None, &mut &chosen.corrections[..i], stream.len());
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
    let made = |n: usize, maker: u64| {
        recreate(&text(n, n as u64), Maker::of(maker).unwrap(), None, &mut [0, 0].as_slice(), 2 * n + 100).unwrap()
    };
    for &(n, level, len, expected) in ZLIB {
        let stream = made(n, u64::from(level));
        assert_eq!((stream.len(), digest(&stream)), (len, expected.to_owned()), "{n} bytes, level {level}");
    }
    let wide = made(700_000, 1 << 4 | 6);
    assert_eq!((wide.len(), digest(&wide).as_str()), (200_483, "ef95b12f360224fa"), "memory level 9");
}

/// The corrections that a stream needs when an old one stands beside it, and its maker; proved by making it again.
fn beside(old: &[u8], new: &[u8], likely: Option<Maker>) -> (usize, Maker) {
    let before = parse(old, usize::MAX).unwrap();
    let precedent = Precedent::of(old, before.plain.len()).unwrap();
    let parsed = parse(new, usize::MAX).unwrap();
    let chosen = choose(&parsed, new, Some(&precedent), likely, usize::MAX).unwrap();
    let mut rest = chosen.corrections.as_slice();
    assert_eq!(recreate(&parsed.plain, chosen.maker, Some(&precedent), &mut rest, new.len()).unwrap(), new);
    assert!(rest.is_empty());
    (chosen.corrections.len(), chosen.maker)
}

fn edited(mut plain: Vec<u8>) -> Vec<u8> {
    plain.splice(90_000..90_007, *b"one word that was changed");
    plain.splice(200_000..200_000, *b"and a sentence of another length. ");
    plain.drain(300_000..300_100);
    plain
}

#[test]
fn an_old_stream_of_the_same_maker_tells_the_tokens_and_nothing_is_left_to_correct() {
    let old = text(500_000, 3);
    let new = edited(old.clone());
    for number in [4, 6, 9, 4 << 4 | 9, 2 << 4 | 6] {
        let maker = Maker::of(number).unwrap();
        let made = |plain: &[u8]| recreate(plain, maker, None, &mut [0, 0].as_slice(), plain.len() * 2).unwrap();
        let (corrections, found) = beside(&made(&old), &made(&new), None);
        assert_eq!((found.level, found.follows), (maker.level, Follows::Settled), "{number}");
        assert!(corrections <= 16, "{number}: {corrections}");
    }
}

#[test]
fn an_old_stream_tells_most_of_what_an_unknown_maker_decides() {
    // A maker that nobody knows: zlib's level 6 that sees every seventh match one byte shorter.
    let strange = |plain: &[u8]| {
        let known = parse(&deflate(plain, 6), usize::MAX).unwrap();
        let mut corrections = vec![0];
        let (mut right, mut at) = (0u64, 0usize);
        let mut predictor = predict::Predictor::new(&known.plain, Maker::of(6).unwrap(), None);
        while predictor.left() > 0 {
            let token = predictor.next();
            let shorter = token.parts().filter(|(len, _)| *len > 4 && at % 7 == 0);
            let taken = shorter.map_or(token, |(len, distance)| Token::copy(len - 1, distance));
            predictor.accept(taken).unwrap();
            at += taken.parts().map_or(1, |(len, _)| len);
            if let Some((len, distance)) = shorter {
                crate::delta::varint::put(&mut corrections, right + 1);
                crate::delta::varint::put(&mut corrections, len as u64 - 3);
                crate::delta::varint::put(&mut corrections, distance as u64);
                right = 0;
            } else {
                right += 1;
            }
        }
        corrections.push(0);
        recreate(plain, Maker::of(6).unwrap(), None, &mut corrections.as_slice(), plain.len() * 2).unwrap()
    };
    let old = text(500_000, 3);
    let mut new = old.clone();
    new.splice(90_000..90_007, *b"changed");
    let (old, new) = (strange(&old), strange(&new));
    let parsed = parse(&new, usize::MAX).unwrap();
    let alone = choose(&parsed, &new, None, None, usize::MAX).unwrap().corrections.len();
    let (corrections, _) = beside(&old, &new, None);
    assert!(corrections * 10 < alone, "{corrections} to {alone}");
}

#[test]
fn streams_of_miniz_are_made_again_by_running_it() {
    for (n, level) in [(50, 6), (300_000, 6), (1_500_000, 6), (1_500_000, 9), (2_000_000, 1)] {
        let stream = recreate::run_miniz(&text(n, 5), level, usize::MAX).unwrap();
        let parsed = parse(&stream, usize::MAX).unwrap();
        let chosen = choose(&parsed, &stream, None, None, usize::MAX).unwrap();
        if n > 50 {
            assert_eq!((chosen.maker.program, chosen.maker.level), (Program::Miniz, level), "{n}");
            assert!(chosen.corrections.is_empty());
        }
        let again = recreate(&parsed.plain, chosen.maker, None, &mut chosen.corrections.as_slice(), stream.len());
        assert_eq!(again.unwrap(), stream, "{n} bytes, level {level}");
        let less = recreate(&parsed.plain, chosen.maker, None, &mut chosen.corrections.as_slice(), stream.len() - 1);
        assert!(less.is_err());
    }
}

/// Length and digest of what miniz_oxide 0.9.1 makes: a later version that decides otherwise must not be taken.
#[test]
fn miniz_decides_as_it_did() {
    use sha2::Digest as _;
    let made = recreate::run_miniz(&text(700_000, 700_000), 6, usize::MAX).unwrap();
    let digest: String = sha2::Sha256::digest(&made).iter().take(8).map(|b| format!("{b:02x}")).collect();
    assert_eq!((made.len(), digest.as_str()), (201_128, "46484a3304fd8788"));
}

#[test]
fn makers_have_one_number_each_and_other_numbers_are_none() {
    let known: Vec<u64> = (0..2048).filter(|&n| Maker::of(n).is_some()).collect();
    assert!(known.iter().all(|&n| Maker::of(n).unwrap().number() == n));
    assert_eq!(known.len(), 5 * 9 * 3 + 10 + 1);
    assert_eq!(Maker::of(u64::MAX), None);
}

/// A block's codes for `a`, for `b` where wanted, and for the block's end, one bit each; and their number of bits.
fn codes_of_one_bit(b: bool) -> (Vec<u8>, u8) {
    let (mut out, mut count) = (bits::Writer::default(), 0);
    let mut put = |value: u32, bits: u32| {
        out.put(value, bits);
        count += bits as u8;
    };
    [(0, 5), (0, 5), (14, 4)].into_iter().for_each(|(value, bits)| put(value, bits));
    for symbol in &huffman::ORDER[..18] {
        put([(18, 1), (0, 2), (1, 2)].into_iter().find(|(s, _)| s == symbol).map_or(0, |(_, length)| length), 3);
    }
    let (zeros, one) = ((0, 1), (3, 2));
    let after = if b { vec![one, zeros, (127, 7), zeros, (8, 7)] } else { vec![zeros, (127, 7), zeros, (9, 7)] };
    // Nothing up to `a`, nothing up to the end, no distances.
    [vec![zeros, (86, 7), one], after, vec![one, (1, 2)]].concat().into_iter().for_each(|(v, n)| put(v, n));
    out.align();
    (out.out, count)
}

#[test]
fn stated_codes_are_exactly_their_bits_and_have_room() {
    let made = |codes: &[u8], count: u8| {
        let corrections = [&[1, 4 << 2 | 3, count][..], codes, &[0]].concat();
        recreate(b"aaaa", Maker::of(6).unwrap(), None, &mut corrections.as_slice(), 100)
    };
    let (codes, count) = codes_of_one_bit(false);
    let mut plain = Vec::new();
    assert!(inflate(&made(&codes, count).unwrap(), 100, &mut plain).is_some());
    assert_eq!(plain, b"aaaa");
    assert!(matches!(made(&codes, count + 1), Err(DeltaError::Damaged(_))), "a bit that no code is stated by");
    let (codes, count) = codes_of_one_bit(true);
    assert!(matches!(made(&codes, count), Err(DeltaError::Damaged(_))), "three codes of one bit");
}

#[test]
fn a_correction_is_a_literal_or_a_match_that_deflate_has() {
    let made = |token: &[u8]| {
        let corrections = [&[0, 2], token, &[0]].concat();
        recreate(b"aaaaaaaa", Maker::of(6).unwrap(), None, &mut corrections.as_slice(), 100)
    };
    assert!(made(&[0]).is_ok() && made(&[1, 1]).is_ok());
    for token in [&[1, 0][..], &[0xff, 0xff, 3, 1], &[0xff, 0xff, 3], &[1, 0xff, 0xff, 3]] {
        assert!(matches!(made(token), Err(DeltaError::Damaged(_) | DeltaError::Truncated)), "{token:?}");
    }
}
