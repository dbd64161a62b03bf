//! Containers made by the deflater that is tested against zlib's own bytes.

use crate::delta::deflate::{Maker, recreate};
use crate::delta::{Codec, DecodeLimits, DeltaError, Encoded, Profile, best, decode, encode};

fn deflate(plain: &[u8], level: u8) -> Vec<u8> {
    recreate(plain, Maker::of(u64::from(level)).unwrap(), None, &mut [0, 0].as_slice(), 2 * plain.len() + 100).unwrap()
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

/// A ustar file; only what the reader looks at is filled in.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, contents) in files {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", contents.len()).as_bytes());
        header[156] = b'0';
        header[257..262].copy_from_slice(b"ustar");
        out.extend(header);
        out.extend(*contents);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.extend([0; 1024]);
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
            let made = best(Some(from), to, Profile::Balanced).unwrap();
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

/// This test's own executable twice, the second time with a function's worth of bytes moved and calls between.
fn executables() -> (Vec<u8>, Vec<u8>) {
    let old = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let old = old[..old.len().min(3 << 20)].to_vec();
    let mut new = old.clone();
    new.splice(1_000_000..1_000_000, (0..96u8).map(|i| i.wrapping_mul(37)));
    (old, new)
}

#[test]
fn executables_in_tar_files_and_stored_in_zip_files_have_deltas_of_their_own() {
    let (old, new) = executables();
    let notes = (words(2000, 3), words(2000, 4));
    let tarred = |exe: &[u8], notes: &[u8]| tar(&[("package/notes", notes), ("package/bin/tool", exe)]);
    let stored = |exe: &[u8], notes: &[u8]| {
        let mut out = zip(&[("notes", notes.to_vec())]);
        out.extend(b"PK\x03\x04\x14\0\0\0\0\0aaaabbbb");
        out.extend((exe.len() as u32).to_le_bytes());
        out.extend((exe.len() as u32).to_le_bytes());
        out.extend(b"\x04\0\0\0tool");
        out.extend(exe);
        out.extend(b"the directory");
        out
    };
    let alone = best(Some(&old), &new, Profile::Balanced).unwrap().bytes.len();
    for (before, after) in [
        (tarred(&old, &notes.0), tarred(&new, &notes.1)),
        (gzip(&tarred(&old, &notes.0)), gzip(&tarred(&new, &notes.1))),
        (stored(&old, &notes.0), stored(&new, &notes.1)),
    ] {
        let made = encode(Codec::Containers, Some(&before), &after, Profile::Fast).unwrap();
        assert_eq!(decode(&made.bytes, &before, limits(&made)).unwrap(), after);
        let notes = 1500;
        assert!(made.bytes.len() < alone + notes, "{} to {alone}", made.bytes.len());
    }
}

#[test]
fn tar_files_that_lie_are_read_as_far_as_they_hold() {
    let (old, new) = versions();
    let (old, new) = (tar(&[("a.zip", &old), ("b", b"b")]), tar(&[("a.zip", &new), ("b", b"c")]));
    for (at, with) in
        [(124, &b"77777777777"[..]), (124, b"-0000000001"), (156, b"5"), (257, b"tatsu"), (0, &[0xff; 100])]
    {
        for (mut from, mut to) in [(old.clone(), new.clone())] {
            from[at..at + with.len()].copy_from_slice(with);
            to[at..at + with.len()].copy_from_slice(with);
            for (from, to) in [(&old, &to), (&from, &new), (&from, &to)] {
                let made = best(Some(from), to, Profile::Balanced).unwrap();
                assert_eq!(decode(&made.bytes, from, limits(&made)).unwrap(), *to);
            }
        }
    }
}

#[test]
fn the_slices_of_a_universal_file_have_deltas_of_their_own() {
    let (old, new) = executables();
    let universal = |exe: &[u8]| {
        let mut out = 0xCAFE_BABEu32.to_be_bytes().to_vec();
        let at = 4096u32;
        // Two entries: type, subtype, place, size, alignment.
        for number in [2, 7, 3, at, exe.len() as u32, 12, 0, 0, at + exe.len() as u32, 5000, 0, 0] {
            out.extend(number.to_be_bytes());
        }
        out.resize(at as usize, 0);
        out.extend(exe);
        out.extend(&exe[..5000]);
        out
    };
    let alone = best(Some(&old), &new, Profile::Balanced).unwrap().bytes.len();
    let (before, after) = (universal(&old), universal(&new));
    let made = encode(Codec::Containers, Some(&before), &after, Profile::Fast).unwrap();
    assert_eq!(decode(&made.bytes, &before, limits(&made)).unwrap(), after);
    assert!(made.bytes.len() < alone + 1500, "{} to {alone}", made.bytes.len());
}

/// A delta's payload without an opened stream in the old file.
fn by_hand(old: &[u8], table: &Encoded, corrections: &[u8], rest: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let full = |bytes: &[u8]| encode(Codec::Full, None, bytes, Profile::Fast).unwrap().bytes;
    let rest_delta = full(rest);
    let mut payload = vec![super::VERSION, old.len() as u8, rest.len() as u8, 0];
    for delta in [&table.bytes, &full(corrections), &rest_delta] {
        payload.push(delta.len() as u8);
        payload.extend(delta);
    }
    super::decode(&payload, old, rest.len(), 64 << 20, 0)
}

#[test]
fn what_no_encoder_writes_is_refused() {
    let (old, new) = (b"an old file without streams", b"a new one");
    // Its only stream: the rest's nine bytes, stored, without a partner.
    let table = [1, 1 | 16, 6 << 4 | 1, 2 * 9];
    let full = encode(Codec::Full, None, &table, Profile::Fast).unwrap();
    assert_eq!(by_hand(old, &full, &[0], new).unwrap(), new);
    let corrected = by_hand(old, &full, &[1, 0], new);
    assert!(matches!(corrected, Err(DeltaError::Damaged(_))), "what is stored has nothing to correct: {corrected:?}");
    let table = encode(Codec::Bsdiff, Some(b""), &table, Profile::Fast).unwrap();
    assert!(matches!(by_hand(old, &table, &[0], new), Err(DeltaError::Damaged(_))), "the table has no old file");
}

#[test]
fn sizes_in_tar_files_are_octal_digits_behind_spaces() {
    let file = |size: &[u8; 12]| {
        let mut file = tar(&[("a.gz", &[&[0x1f, 0x8b, 8][..], &[7; 600]].concat())]);
        file[124..136].copy_from_slice(size);
        super::scan::streams(&file).len()
    };
    for size in [b"00000001133\0", b"      1133 \0", b"000000001133", b"1133\0 junk!!"] {
        assert_eq!(file(size), 1, "{size:?}");
    }
    for size in [b"+0000001133\0", b"\t     1133\0\0", b"           \0", b"            ", b"00000001138\0"] {
        assert_eq!(file(size), 0, "{size:?}");
    }
}
