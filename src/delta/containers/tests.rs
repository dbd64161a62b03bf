//! Containers made by the deflater that is tested against zlib's own bytes.

use crate::delta::deflate::{Maker, recreate};
use crate::delta::{Codec, DecodeLimits, DeltaError, Encoded, Profile, best, decode, encode};

fn deflate(plain: &[u8], level: u8) -> Vec<u8> {
    recreate(plain, Maker::of(level).unwrap(), &mut [0, 0].as_slice(), 2 * plain.len() + 100).unwrap()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &deflate(plain, 9), &[1, 2, 3, 4, 5, 6, 7, 8]].concat()
}

/// Local headers and data, as far as the scan looks; the directory at the end is only bytes to it.
fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, plain) in files {
        out.extend(b"PK\x03\x04\x14\0\0\0\x08\0aaaabbbbccccdddd");
        out.extend((name.len() as u16).to_le_bytes());
        out.extend([0, 0]);
        out.extend(name.as_bytes());
        out.extend(deflate(plain, 6));
    }
    out.extend(b"the directory");
    out
}

fn words(n: usize, seed: u32) -> Vec<u8> {
    let mut x = seed;
    let mut word = || {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("word{} ", x >> 20)
    };
    let mut text = String::new();
    while text.len() < n {
        text += &word();
    }
    text.into_bytes()
}

fn limits(made: &Encoded) -> DecodeLimits {
    DecodeLimits { new_size: made.header.new_size, memory: made.header.memory }
}

fn versions() -> (Vec<u8>, Vec<u8>) {
    let changed = |mut text: Vec<u8>| {
        text.splice(700..720, *b"something that was not there before");
        text
    };
    let (a, b, c) = (words(9000, 1), words(5000, 2), words(7000, 3));
    let old = zip(&[("a.txt", a.clone()), ("b.txt", b.clone()), ("deep.gz", gzip(&c)), ("gone.txt", words(300, 5))]);
    let new = zip(&[("new.txt", words(400, 9)), ("a.txt", changed(a)), ("b.txt", b), ("deep.gz", gzip(&changed(c)))]);
    (old, new)
}

#[test]
fn what_lies_in_a_container_is_compared_plain_also_in_a_container_within() {
    let (old, new) = versions();
    for profile in [Profile::Fast, Profile::Balanced, Profile::Small] {
        let made = encode(Codec::Containers, Some(&old), &new, profile).unwrap();
        assert_eq!(decode(&made.bytes, &old, limits(&made)).unwrap(), new);
    }
    let made = best(Some(&old), &new, Profile::Balanced).unwrap();
    assert_eq!(made.header.codec, Codec::Containers);
    let closed = encode(Codec::Stream, Some(&old), &new, Profile::Balanced).unwrap();
    assert!(made.bytes.len() * 3 < closed.bytes.len(), "{} to {}", made.bytes.len(), closed.bytes.len());
    assert!(made.bytes.len() < 1100, "a few words were changed and added: {}", made.bytes.len());
}

#[test]
fn gzip_files_with_several_members_and_names_are_opened() {
    let named = |plain: &[u8]| {
        let mut file = gzip(plain);
        file[3] = 8;
        file.splice(10..10, *b"name.tar\0");
        file
    };
    let (a, b) = (words(6000, 4), words(6000, 5));
    let old = [named(&a), gzip(&b)].concat();
    let new = [named(&[&a[..3000], b"!", &a[3000..]].concat()), gzip(&[&b[..100], &b[200..]].concat())].concat();
    let made = best(Some(&old), &new, Profile::Balanced).unwrap();
    assert_eq!(made.header.codec, Codec::Containers);
    assert!(made.bytes.len() < 200, "{}", made.bytes.len());
    assert_eq!(decode(&made.bytes, &old, limits(&made)).unwrap(), new);
}

#[test]
fn streams_that_are_damaged_or_swell_beyond_the_bound_stay_closed() {
    let (old, new) = versions();
    let mut broken = new.clone();
    broken[60] ^= 0xff;
    let bomb = [zip(&[("bomb", vec![0; 20 << 20])]), new.clone()].concat();
    for other in [broken, bomb, b"PK\x03\x04".to_vec(), [&[0x1f, 0x8b, 8][..], &[0xff; 40]].concat()] {
        for (from, to) in [(&old, &other), (&other, &new)] {
            let made = best(Some(from), to, Profile::Fast).unwrap();
            assert!(made.header.memory < 64 << 20, "{}", made.header.memory);
            assert_eq!(decode(&made.bytes, from, limits(&made)).unwrap(), *to);
        }
    }
}

#[test]
fn less_memory_than_stated_is_refused_and_damage_never_passes() {
    let (old, new) = versions();
    let made = encode(Codec::Containers, Some(&old), &new, Profile::Fast).unwrap();
    let less = DecodeLimits { memory: made.header.memory - 1, ..limits(&made) };
    assert!(matches!(decode(&made.bytes, &old, less), Err(DeltaError::OverLimit { .. })));
    for i in 0..made.bytes.len() {
        assert!(decode(&made.bytes[..i], &old, limits(&made)).is_err(), "cut at {i}");
        let mut bad = made.bytes.clone();
        bad[i] ^= 1 << (i % 8);
        if let Ok(result) = decode(&bad, &old, limits(&made)) {
            assert_eq!(result, new, "byte {i}");
        }
    }
}
