//! A deflate stream becomes plain bytes, and where wanted the decisions of its maker.

use super::Token;
use super::bits::Reader;
use super::huffman::{DISTANCE_BASE, DISTANCE_EXTRA, END, LENGTH_BASE, LENGTH_EXTRA, ORDER, Table, fit, fixed_lengths};

/// One block; the last one ends the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub kind: Kind,
    /// Tokens, or bytes of a stored block.
    pub count: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Stored,
    Fixed,
    /// The lengths of the literals' and the distances' codes, and where the bits that state them lie in the stream.
    Dynamic {
        literals: Vec<u8>,
        distances: Vec<u8>,
        bits: std::ops::Range<usize>,
    },
}

#[derive(Debug, Default)]
pub struct Parsed {
    pub plain: Vec<u8>,
    pub tokens: Vec<Token>,
    pub blocks: Vec<Block>,
    /// Bytes of the stream.
    pub used: usize,
}

/// A stream with its decisions. Nothing if it is damaged, longer than `most` plain bytes, or spelled in a way that
/// cannot be said with tokens (a length of 258 in two parts, padding that is not zero).
pub fn parse(input: &[u8], most: usize) -> Option<Parsed> {
    let mut tokens = Vec::new();
    let parsed = follow(input, most, |token, stored| {
        if !stored {
            tokens.push(token);
        }
    })?;
    Some(Parsed { tokens, ..parsed })
}

/// [`parse`] that hands every token on instead of keeping it, stored bytes as literals that are said to be stored.
pub fn follow(input: &[u8], most: usize, mut seen: impl FnMut(Token, bool)) -> Option<Parsed> {
    let mut parsed = Parsed::default();
    run(input, most, &mut parsed, &mut seen)?;
    Some(parsed)
}

/// A stream's plain bytes and its length. The same streams are refused as by [`parse`]. What was made before a
/// refusal stands in `plain`.
pub fn inflate(input: &[u8], most: usize, plain: &mut Vec<u8>) -> Option<usize> {
    let mut parsed = Parsed { plain: std::mem::take(plain), ..Parsed::default() };
    let done = run(input, most, &mut parsed, &mut |_, _| ());
    *plain = parsed.plain;
    done.map(|()| parsed.used)
}

fn run(input: &[u8], most: usize, parsed: &mut Parsed, seen: &mut impl FnMut(Token, bool)) -> Option<()> {
    let mut bits = Reader::new(input);
    let fixed = (fixed_lengths(), [5u8; 30]);
    loop {
        let last = bits.bits(1)? == 1;
        match bits.bits(2)? {
            0 => {
                bits.align()?;
                let len = bits.bits(16)?;
                if bits.bits(16)? != !len & 0xffff {
                    return None;
                }
                let bytes = bits.bytes(len as usize)?;
                if bytes.len() > most.checked_sub(parsed.plain.len())? {
                    return None;
                }
                parsed.plain.extend_from_slice(bytes);
                bytes.iter().for_each(|&b| seen(Token::literal(b), true));
                parsed.blocks.push(Block { kind: Kind::Stored, count: bytes.len() });
            }
            1 => {
                let tables = (Table::new(&fixed.0)?, Table::new(&fixed.1)?);
                let count = tokens(&mut bits, &tables, most, parsed, seen)?;
                parsed.blocks.push(Block { kind: Kind::Fixed, count });
            }
            2 => {
                let start = bits.position();
                let (literals, distances) = lengths(&mut bits)?;
                let range = start..bits.position();
                let tables = (Table::new(&literals)?, Table::new(&distances)?);
                let count = tokens(&mut bits, &tables, most, parsed, seen)?;
                parsed.blocks.push(Block { kind: Kind::Dynamic { literals, distances, bits: range }, count });
            }
            _ => return None,
        }
        if last {
            bits.align()?;
            parsed.used = bits.position() / 8;
            return Some(());
        }
    }
}

/// The code lengths that so many bits state, if they are lengths of codes and nothing else.
pub fn lengths_of(stated: &[u8], count: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut bits = Reader::new(stated);
    let found = lengths(&mut bits)?;
    (bits.position() == count && fit(&found.0) && fit(&found.1)).then_some(found)
}

fn lengths(bits: &mut Reader<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let literals = bits.bits(5)? as usize + 257;
    let distances = bits.bits(5)? as usize + 1;
    let stated = bits.bits(4)? as usize + 4;
    let mut own = [0u8; 19];
    for &at in &ORDER[..stated] {
        own[at] = bits.bits(3)? as u8;
    }
    let table = Table::new(&own)?;
    let mut all: Vec<u8> = Vec::with_capacity(320);
    while all.len() < literals + distances {
        let (value, times) = match table.read(bits)? {
            16 => (*all.last()?, bits.bits(2)? + 3),
            17 => (0, bits.bits(3)? + 3),
            18 => (0, bits.bits(7)? + 11),
            value => (value as u8, 1),
        };
        all.resize(all.len() + times as usize, value);
    }
    if all.len() > literals + distances || literals > 286 || distances > 30 {
        return None;
    }
    let rest = all.split_off(literals);
    Some((all, rest))
}

fn tokens(
    bits: &mut Reader<'_>,
    tables: &(Table, Table),
    most: usize,
    parsed: &mut Parsed,
    seen: &mut impl FnMut(Token, bool),
) -> Option<usize> {
    let mut count = 0;
    loop {
        let symbol = tables.0.read(bits)?;
        if symbol == END {
            return Some(count);
        }
        let token = if symbol < END {
            if parsed.plain.len() >= most {
                return None;
            }
            parsed.plain.push(symbol as u8);
            Token::literal(symbol as u8)
        } else {
            let at = symbol - 257;
            let (base, extra) = (*LENGTH_BASE.get(at)?, LENGTH_EXTRA[at]);
            let len = usize::from(base) + bits.bits(u32::from(extra))? as usize;
            // Only one of the two spellings of 258 comes back.
            if len == 258 && at != 28 {
                return None;
            }
            let symbol = tables.1.read(bits)?;
            let (base, extra) = (*DISTANCE_BASE.get(symbol)?, DISTANCE_EXTRA[symbol]);
            let distance = usize::from(base) + bits.bits(u32::from(extra))? as usize;
            if len > most.checked_sub(parsed.plain.len())? {
                return None;
            }
            repeat(&mut parsed.plain, distance, len)?;
            Token::copy(len, distance)
        };
        count += 1;
        seen(token, false);
    }
}

fn repeat(plain: &mut Vec<u8>, distance: usize, len: usize) -> Option<()> {
    let from = plain.len().checked_sub(distance)?;
    if distance >= len {
        plain.extend_from_within(from..from + len);
    } else {
        for i in from..from + len {
            plain.push(plain[i]);
        }
    }
    Some(())
}
