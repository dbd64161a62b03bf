//! Laws of the codecs: what is encoded decodes to itself, and damage never passes or panics.

use cumulate::delta::{Codec, DecodeLimits, DeltaError, Profile, best, decode, encode, header};
use proptest::prelude::*;

const CODECS: [Codec; 4] = [Codec::Full, Codec::Bsdiff, Codec::Zstd, Codec::Stream];
const PROFILES: [Profile; 3] = [Profile::Fast, Profile::Balanced, Profile::Small];

fn limits(delta: &[u8]) -> DecodeLimits {
    let h = header(delta).unwrap();
    DecodeLimits { new_size: h.new_size, memory: h.memory }
}

/// Old and new that share pieces, as versions of a file do.
fn versions() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (
        prop::collection::vec(any::<u8>(), 0..600),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..40), 0..12),
    )
        .prop_map(|(old, edits)| {
            let mut new = old.clone();
            for (at, byte, len) in edits {
                let i = at.index(new.len() + 1);
                if byte % 3 == 0 {
                    let end = (i + len).min(new.len());
                    new.drain(i..end);
                } else {
                    new.splice(i..i, std::iter::repeat_n(byte, len));
                }
            }
            (old, new)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_undoes_encoding((old, new) in versions()) {
        for codec in CODECS {
            for profile in PROFILES {
                let made = encode(codec, Some(&old), &new, profile).unwrap();
                prop_assert_eq!(decode(&made.bytes, &old, limits(&made.bytes)).unwrap(), new.clone());
            }
        }
        let made = best(Some(&old), &new, Profile::Balanced).unwrap();
        prop_assert!(made.bytes.len() <= new.len() + 16, "never much larger than the content");
    }

    #[test]
    fn damage_never_passes((old, new) in versions(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        for codec in CODECS {
            let mut bytes = encode(codec, Some(&old), &new, Profile::Fast).unwrap().bytes;
            let i = at.index(bytes.len());
            bytes[i] ^= 1 << bit;
            let generous = DecodeLimits { new_size: 1 << 20, memory: 1 << 22 };
            if let Ok(result) = decode(&bytes, &old, generous) {
                prop_assert_eq!(result, new.clone(), "other bytes than those encoded");
            }
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let old = include_bytes!("../Cargo.toml");
    let new = include_bytes!("../ARCHITECTURE.md");
    for codec in CODECS {
        let bytes = encode(codec, Some(old), new, Profile::Fast).unwrap().bytes;
        for n in 0..bytes.len() {
            let short = &bytes[..n];
            assert!(
                decode(short, old, DecodeLimits { new_size: 1 << 20, memory: 1 << 22 }).is_err(),
                "{codec:?} cut at {n}"
            );
        }
    }
}

#[test]
fn a_delta_says_what_is_wrong() {
    let (old, new) = (b"the old content of a file".repeat(20), b"the new content of a file".repeat(20));
    let made = encode(Codec::Zstd, Some(&old), &new, Profile::Balanced).unwrap();
    let generous = DecodeLimits { new_size: 1 << 20, memory: 1 << 22 };
    assert_eq!(decode(&made.bytes, b"something else", generous), Err(DeltaError::WrongOld));
    let tight = DecodeLimits { new_size: 10, memory: 1 << 22 };
    assert_eq!(decode(&made.bytes, &old, tight), Err(DeltaError::OverLimit { needed: 500, allowed: 10 }));
    assert_eq!(header(&[0x77, 0, 0]), Err(DeltaError::UnknownCodec(0x77)));
    // A size that lies is refused by the limit before anything is allocated.
    let huge = [0x11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 1, 2, 3, 4];
    assert!(matches!(decode(&huge, &old, generous), Err(DeltaError::OverLimit { .. })));
}
