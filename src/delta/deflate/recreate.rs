//! A deflate stream again, from its plain bytes, its maker and the corrections.

use super::Token;
use super::bits::Writer;
use super::huffman::{END, codes, distance_symbol, fixed_lengths, length_symbol};
use super::inflate::lengths_of;
use super::maker::{Maker, Program};
use super::precedent::Precedent;
use super::predict::Predictor;
use super::trees::{Choice, Trees};
use crate::delta::DeltaError;
use crate::delta::varint;
use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress_to_output, create_comp_flags_from_zip_params,
};

/// Most bits that state a block's codes (RFC 1951: 14 + 19 * 3 + 316 * 14).
const MOST_STATED: u64 = 4500;

/// A block as the corrections state it.
enum Stated<'a> {
    Stored,
    Fixed,
    Dynamic,
    Bits(usize, &'a [u8]),
}

/// The stream of at most `most` bytes; takes its corrections off the front of the input.
///
/// # Errors
/// `damaged` or `truncated` where the corrections do not fit the plain bytes.
pub fn recreate(
    plain: &[u8],
    maker: Maker,
    old: Option<&Precedent>,
    corrections: &mut &[u8],
    most: usize,
) -> Result<Vec<u8>, DeltaError> {
    match maker.program {
        Program::Zlib(_) => (),
        Program::Miniz => return run_miniz(plain, maker.level, most),
        Program::Stored => return Ok(plain.to_vec()),
    }
    let mut stated = Vec::new();
    for _ in 0..varint::take(corrections)? {
        stated.push(take_block(corrections)?);
    }
    let mut out = Writer::default();
    let mut predictor = Predictor::new(plain, maker, old);
    let mut tokens = Tokens::new(corrections)?;
    if stated.is_empty() {
        as_predicted(&mut out, &mut predictor, &mut tokens, maker, most)?;
    }
    let blocks = stated.len();
    for (i, (kind, count)) in stated.into_iter().enumerate() {
        let last = i + 1 == blocks;
        let start = predictor.position();
        if let Stated::Stored = kind {
            predictor.skip(count).ok_or(DeltaError::Damaged("a stored block beyond the end"))?;
            put_stored(&mut out, predictor.since(start), last)?;
        } else {
            let taken = tokens.block(&mut predictor, count)?;
            if taken.len() < count {
                return Err(DeltaError::Damaged("a block beyond the end"));
            }
            put_stated(&mut out, &taken, &kind, last)?;
        }
        check(&out, most)?;
    }
    if predictor.left() > 0 || tokens.right != u64::MAX {
        return Err(DeltaError::Damaged("a stream does not end where its plain bytes end"));
    }
    out.align();
    check(&out, most)?;
    Ok(out.out)
}

/// Streams of miniz are its own, without corrections.
pub fn run_miniz(plain: &[u8], level: u8, most: usize) -> Result<Vec<u8>, DeltaError> {
    let mut made = Vec::new();
    let mut maker = CompressorOxide::new(create_comp_flags_from_zip_params(i32::from(level), -15, 0));
    let (status, _) = compress_to_output(&mut maker, plain, TDEFLFlush::Finish, |bytes: &[u8]| {
        made.len() + bytes.len() <= most && {
            made.extend_from_slice(bytes);
            true
        }
    });
    if status == TDEFLStatus::Done { Ok(made) } else { Err(DeltaError::Damaged("a stream is longer than it may be")) }
}

fn check(out: &Writer, most: usize) -> Result<(), DeltaError> {
    if out.out.len() > most { Err(DeltaError::Damaged("a stream is longer than it may be")) } else { Ok(()) }
}

/// zlib flushes a block when it is full, and the rest as the last one. A literal at the very end is added without
/// looking whether the block is full.
fn as_predicted(
    out: &mut Writer,
    predictor: &mut Predictor<'_>,
    tokens: &mut Tokens<'_, '_>,
    maker: Maker,
    most: usize,
) -> Result<(), DeltaError> {
    loop {
        let start = predictor.position();
        let taken = tokens.block(predictor, maker.block())?;
        let pending = maker.lazy() && taken.last().is_some_and(|t| t.parts().is_none());
        let last = predictor.left() == 0 && (taken.len() < maker.block() || pending);
        let plain = predictor.since(start);
        let trees = Trees::of(&taken);
        match trees.choice(plain.len()) {
            Choice::Stored => put_stored(out, plain, last)?,
            Choice::Fixed => put_stated(out, &taken, &Stated::Fixed, last)?,
            Choice::Dynamic => put_stated(out, &taken, &Stated::Dynamic, last)?,
        }
        check(out, most)?;
        if last {
            return Ok(());
        }
    }
}

fn take_block<'a>(input: &mut &'a [u8]) -> Result<(Stated<'a>, usize), DeltaError> {
    let head = varint::take(input)?;
    let count = usize::try_from(head >> 2).map_err(|_| DeltaError::Damaged("a block is too long"))?;
    let kind = match head & 3 {
        0 => Stated::Stored,
        1 => Stated::Fixed,
        2 => Stated::Dynamic,
        _ => {
            let bits = varint::take(input)?;
            if bits > MOST_STATED {
                return Err(DeltaError::Damaged("a block's codes are too long"));
            }
            let bytes = bits.div_ceil(8) as usize;
            let (taken, rest) = input.split_at_checked(bytes).ok_or(DeltaError::Truncated)?;
            *input = rest;
            Stated::Bits(bits as usize, taken)
        }
    };
    Ok((kind, count))
}

/// Tokens as predicted, but where a correction stands.
struct Tokens<'a, 'b> {
    input: &'a mut &'b [u8],
    /// How many are as predicted before the next correction; all of them where there is none.
    right: u64,
}

impl<'a, 'b> Tokens<'a, 'b> {
    fn new(input: &'a mut &'b [u8]) -> Result<Self, DeltaError> {
        let mut tokens = Self { input, right: 0 };
        tokens.gap()?;
        Ok(tokens)
    }

    fn gap(&mut self) -> Result<(), DeltaError> {
        self.right = varint::take(self.input)?.checked_sub(1).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Tokens of a block: so many, or as many as there are.
    fn block(&mut self, predictor: &mut Predictor<'_>, count: usize) -> Result<Vec<Token>, DeltaError> {
        let mut out = Vec::with_capacity(count.min(predictor.left()));
        while out.len() < count && predictor.left() > 0 {
            let mut token = predictor.next();
            if self.right == 0 {
                token = self.correction(predictor)?;
                self.gap()?;
            } else if self.right != u64::MAX {
                self.right -= 1;
            }
            predictor.accept(token).ok_or(DeltaError::Damaged("a match does not fit the plain bytes"))?;
            out.push(token);
        }
        Ok(out)
    }

    fn correction(&mut self, predictor: &Predictor<'_>) -> Result<Token, DeltaError> {
        let len = varint::take(self.input)?;
        if len == 0 {
            return Ok(predictor.literal());
        }
        let distance = varint::take(self.input)?;
        if len > 256 || !(1..=1 << 15).contains(&distance) {
            return Err(DeltaError::Damaged("a match that none can be"));
        }
        Ok(Token::copy(len as usize + 2, distance as usize))
    }
}

fn put_stored(out: &mut Writer, plain: &[u8], last: bool) -> Result<(), DeltaError> {
    let len = u16::try_from(plain.len()).map_err(|_| DeltaError::Damaged("a stored block is too long"))?;
    out.put(u32::from(last), 3);
    out.align();
    out.put(u32::from(len), 16);
    out.put(u32::from(!len), 16);
    out.out.extend_from_slice(plain);
    Ok(())
}

fn put_stated(out: &mut Writer, tokens: &[Token], kind: &Stated<'_>, last: bool) -> Result<(), DeltaError> {
    let lengths = match kind {
        Stated::Stored => return Err(DeltaError::Damaged("a stored block has no tokens")),
        Stated::Fixed => {
            out.put(u32::from(last) | 1 << 1, 3);
            (fixed_lengths().to_vec(), vec![5; 30])
        }
        Stated::Dynamic => {
            out.put(u32::from(last) | 2 << 1, 3);
            let trees = Trees::of(tokens);
            trees.statement().into_iter().for_each(|(value, bits)| out.put(value, bits));
            (trees.literals, trees.distances)
        }
        Stated::Bits(count, bytes) => {
            out.put(u32::from(last) | 2 << 1, 3);
            for i in 0..*count {
                let byte = bytes.get(i / 8).copied().unwrap_or(0);
                out.put(u32::from(byte >> (i % 8) & 1), 1);
            }
            lengths_of(bytes, *count).ok_or(DeltaError::Damaged("a block's codes are none"))?
        }
    };
    put_tokens(out, tokens, &lengths)
}

fn put_tokens(out: &mut Writer, tokens: &[Token], lengths: &(Vec<u8>, Vec<u8>)) -> Result<(), DeltaError> {
    let (literals, distances) = (codes(&lengths.0), codes(&lengths.1));
    let code = |codes: &[(u32, u32)], symbol: usize| {
        let found = codes.get(symbol).copied().filter(|(_, len)| *len > 0);
        found.ok_or(DeltaError::Damaged("a symbol without a code"))
    };
    for token in tokens {
        let Some((len, distance)) = token.parts() else {
            let (value, bits) = code(&literals, usize::from(token.byte()))?;
            out.put(value, bits);
            continue;
        };
        for (codes, (symbol, extra, count)) in
            [(&literals, length_symbol(len)), (&distances, distance_symbol(distance))]
        {
            let (value, bits) = code(codes, symbol)?;
            out.put(value, bits);
            out.put(extra, count);
        }
    }
    let (value, bits) = code(&literals, END)?;
    out.put(value, bits);
    Ok(())
}
