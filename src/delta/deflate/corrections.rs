//! What a stream's maker decided otherwise than predicted; [`recreate`] makes the stream again from it.
//!
//! All numbers are varints. First the number of blocks that are stated (0: all are as predicted, each as long as the
//! maker's blocks are), then for each block `count * 4 + kind` (0 stored, 1 fixed, 2 dynamic as predicted, 3 dynamic
//! with the stated bits: their number and the bytes), then the corrections: how many tokens are as predicted, plus
//! one, and the token (0 a literal; else the length less 2, and the distance), and a 0 at the end.

use super::bits::{Reader, Writer};
use super::inflate::{Kind, Parsed};
use super::maker::{Follows, Maker, Program};
use super::precedent::Precedent;
use super::predict::Predictor;
use super::recreate::{recreate, run_miniz};
use super::trees::Trees;
use crate::delta::varint;

/// A maker and what it decided otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    pub maker: Maker,
    pub corrections: Vec<u8>,
}

/// Tokens by which makers are compared before the best is followed to the end.
const SAMPLE: usize = 4096;
/// Plain bytes by which miniz is recognised: more than one of its blocks.
const START: usize = 1 << 20;
/// Bytes of corrections over which it is asked whether the old stream tells less or more than was taken from it.
const FEW: usize = 64;

/// The maker that explains a stream best (`likely` if it explains everything), and what it does not explain.
/// Nothing where the corrections would be longer than `most` bytes.
pub fn choose(
    parsed: &Parsed,
    stream: &[u8],
    old: Option<&Precedent>,
    likely: Option<Maker>,
    most: usize,
) -> Option<Choices> {
    let stated = blocks(parsed, stream);
    let maker = match likely.filter(|m| m.program != Program::Miniz && wrong(parsed, *m, SAMPLE) == 0) {
        Some(maker) => maker,
        None => {
            let (wrong, maker) = nearest(parsed)?;
            if wrong > 0
                && let Some(maker) = miniz(parsed, stream, likely)
            {
                return Some(Choices { maker, corrections: Vec::new() });
            }
            maker
        }
    };
    let mut best: Option<Choices> = None;
    let all = [Follows::Settled, Follows::Anything, Follows::Nothing];
    for follows in all.into_iter().skip(if old.is_some() { 0 } else { 2 }) {
        let found = explain(parsed, stream, &stated, maker.following(follows), old, most);
        let size = |c: &Choices| c.corrections.len();
        if found.as_ref().is_some_and(|f| best.as_ref().is_none_or(|b| size(f) < size(b))) {
            best = found;
        }
        if best.as_ref().is_some_and(|b| size(b) <= FEW) {
            break;
        }
    }
    best
}

/// The settings of zlib that are wrong about the fewest of the first tokens, and about how many.
fn nearest(parsed: &Parsed) -> Option<(usize, Maker)> {
    let mut best: Option<(usize, Maker)> = None;
    for maker in Maker::zlib() {
        let wrong = wrong(parsed, maker, SAMPLE);
        if best.is_none_or(|(least, _)| wrong < least) {
            best = Some((wrong, maker));
        }
        if wrong == 0 {
            break;
        }
    }
    best
}

/// The settings of miniz that make this stream.
fn miniz(parsed: &Parsed, stream: &[u8], likely: Option<Maker>) -> Option<Maker> {
    let start = &parsed.plain[..parsed.plain.len().min(START)];
    let whole = start.len() == parsed.plain.len();
    let likely = likely.filter(|m| m.program == Program::Miniz);
    likely.into_iter().chain(Maker::miniz()).find(|maker| {
        // The last block of a beginning is not the whole stream's.
        let begins =
            |made: Vec<u8>| whole && made == stream || !whole && made.get(..START / 64) == stream.get(..START / 64);
        run_miniz(start, maker.level, usize::MAX).is_ok_and(begins)
            && (whole || run_miniz(&parsed.plain, maker.level, stream.len()).is_ok_and(|made| made == stream))
    })
}

fn wrong(parsed: &Parsed, maker: Maker, sample: usize) -> usize {
    let mut predictor = Predictor::new(&parsed.plain, maker, None);
    let mut wrong = 0;
    for &token in parsed.tokens.iter().take(sample) {
        wrong += usize::from(predictor.next() != token);
        if predictor.accept(token).is_none() {
            return usize::MAX;
        }
    }
    wrong
}

/// Every block as it would be stated.
fn blocks(parsed: &Parsed, stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint::put(&mut out, parsed.blocks.len() as u64);
    let mut at = 0;
    for block in &parsed.blocks {
        let tokens = parsed.tokens.get(at..at + block.count).unwrap_or_default();
        let (kind, stated) = match &block.kind {
            Kind::Stored => (0, None),
            Kind::Fixed => (1, None),
            Kind::Dynamic { bits, .. } => {
                let is = copy_bits(stream, bits.clone());
                let mut predicted = Writer::default();
                Trees::of(tokens).statement().into_iter().for_each(|(v, n)| predicted.put(v, n));
                predicted.align();
                if predicted.out == is { (2, None) } else { (3, Some((bits.len(), is))) }
            }
        };
        at += if block.kind == Kind::Stored { 0 } else { block.count };
        varint::put(&mut out, (block.count as u64) << 2 | kind);
        if let Some((count, bytes)) = stated {
            varint::put(&mut out, count as u64);
            out.extend(bytes);
        }
    }
    out
}

fn copy_bits(stream: &[u8], bits: std::ops::Range<usize>) -> Vec<u8> {
    let mut reader = Reader::new(&stream[bits.start / 8..]);
    let mut out = Writer::default();
    let _ = reader.bits(bits.start as u32 % 8);
    for _ in bits {
        out.put(reader.bits(1).unwrap_or(0), 1);
    }
    out.align();
    out.out
}

fn explain(
    parsed: &Parsed,
    stream: &[u8],
    stated: &[u8],
    maker: Maker,
    old: Option<&Precedent>,
    most: usize,
) -> Option<Choices> {
    let mut predictor = Predictor::new(&parsed.plain, maker, old);
    let mut tokens = Vec::new();
    let mut right = 0u64;
    let mut next = parsed.tokens.iter();
    for block in &parsed.blocks {
        if block.kind == Kind::Stored {
            predictor.skip(block.count)?;
            continue;
        }
        for &token in next.by_ref().take(block.count) {
            if predictor.next() == token {
                right += 1;
            } else {
                varint::put(&mut tokens, right + 1);
                right = 0;
                match token.parts() {
                    None => varint::put(&mut tokens, 0),
                    Some((len, distance)) => {
                        varint::put(&mut tokens, len as u64 - 2);
                        varint::put(&mut tokens, distance as u64);
                    }
                }
                if tokens.len() > most {
                    return None;
                }
            }
            predictor.accept(token)?;
        }
    }
    varint::put(&mut tokens, 0);
    for head in [&[0][..], stated] {
        let corrections = [head, &tokens].concat();
        let same = recreate(&parsed.plain, maker, old, &mut corrections.as_slice(), stream.len());
        if corrections.len() <= most && same.is_ok_and(|s| s == stream) {
            return Some(Choices { maker, corrections });
        }
    }
    None
}
