//! Root manifests, base manifests and listings as blobs: canonical JSON in zstd frames of bounded content, and
//! before it, where there are any, digests as plain bytes (which no compressor makes smaller).
//!
//! A document is cut into chunks of [`limits::CHUNK`] bytes; each chunk is one zstd frame that
//! states its content's size, so that a reader never needs more than one chunk of memory, and
//! `zstd -d -D docs/bundle-dictionary.txt` reads the frames. An empty document does not exist (JSON is never empty).

use super::{BlobRef, limits};
use crate::report::{Error, ErrorCode, Result};
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read};

/// Half of most downloads of small fixes is the listing: an eighth smaller than at level 9, for four seconds at 100,000 paths.
const LEVEL: i32 = 19;
/// What our documents say again and again; a small release's are a third smaller with it. Part of the format.
const DICTIONARY: &[u8] = include_bytes!("../../docs/bundle-dictionary.txt");

/// Canonical JSON of a value: the types' field order, no white space.
pub(super) fn json(value: &impl Serialize, what: &str) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::new(ErrorCode::Internal, what, e))
}

/// A value as a document blob.
pub(super) fn encode(value: &impl Serialize, what: &str) -> Result<Vec<u8>> {
    let text = json(value, what)?;
    let frame = |chunk: &[u8]| zstd::bulk::Compressor::with_dictionary(LEVEL, DICTIONARY)?.compress(chunk);
    let frames: io::Result<Vec<Vec<u8>>> = text.par_chunks(limits::CHUNK as usize).map(frame).collect();
    frames.map(|f| f.concat()).map_err(|e| Error::new(ErrorCode::Internal, what, e))
}

/// A value and its digests as a document blob: the number of plain bytes as four bytes, big-endian, these bytes, the frames.
pub(super) fn encode_with(plain: &[u8], value: &impl Serialize, what: &str) -> Result<Vec<u8>> {
    let length = u32::try_from(plain.len())
        .map_err(|_| Error::new(ErrorCode::Limit, what, "more digests than a document holds"))?;
    let mut blob = length.to_be_bytes().to_vec();
    blob.extend_from_slice(plain);
    blob.extend(encode(value, what)?);
    Ok(blob)
}

/// The plain bytes of a document blob, and its frames.
///
/// # Errors
/// `bad-bundle` if it is shorter than it says.
pub(super) fn split<'b>(blob: &BlobRef, bytes: &'b [u8], what: &str) -> Result<(&'b [u8], &'b [u8])> {
    let parts = bytes.split_first_chunk::<4>().and_then(|(length, rest)| {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        rest.split_at_checked(length)
    });
    parts.ok_or_else(|| {
        Error::new(ErrorCode::BadBundle, format!("{what} {}", blob.digest), "it ends before its digests do")
            .next("fetch the bundle again from where it was released")
    })
}

/// The text of a document of at most `max` bytes of content.
///
/// # Errors
/// As [`decode`].
pub(super) fn text(blob: &BlobRef, bytes: &[u8], max: u64, what: &str) -> Result<Vec<u8>> {
    let mut frames = Frames { rest: bytes, chunk: Vec::new(), at: 0, left: max, limit: false };
    let mut text = Vec::new();
    match frames.read_to_end(&mut text) {
        Ok(_) => Ok(text),
        Err(e) => Err(refused(blob, frames.limit, max, what, &e)),
    }
}

/// Reads a document of at most `max` bytes of content.
///
/// # Errors
/// `limit` beyond `max`, `bad-bundle` for anything that is not such a document.
pub(super) fn decode<T: DeserializeOwned>(blob: &BlobRef, bytes: &[u8], max: u64, what: &str) -> Result<T> {
    let mut reader = Frames { rest: bytes, chunk: Vec::new(), at: 0, left: max, limit: false };
    let mut de = serde_json::Deserializer::from_reader(&mut reader);
    let read = T::deserialize(&mut de).and_then(|v| de.end().map(|()| v));
    read.map_err(|e| refused(blob, reader.limit, max, what, &e))
}

fn refused(blob: &BlobRef, limit: bool, max: u64, what: &str, why: &dyn std::fmt::Display) -> Error {
    let subject = format!("{what} {}", blob.digest);
    if limit {
        return Error::new(ErrorCode::Limit, subject, format!("its content is larger than {max} bytes"))
            .next("do not use this bundle");
    }
    Error::new(ErrorCode::BadBundle, subject, why).next("fetch the bundle again from where it was released")
}

/// The content of the frames, one chunk in memory at a time.
struct Frames<'a> {
    rest: &'a [u8],
    chunk: Vec<u8>,
    at: usize,
    left: u64,
    limit: bool,
}

impl Frames<'_> {
    fn next_chunk(&mut self) -> io::Result<()> {
        let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        // A skippable frame would be bytes that say nothing.
        if !self.rest.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            return Err(bad("not a zstd frame"));
        }
        let length = zstd::zstd_safe::find_frame_compressed_size(self.rest).map_err(|_| bad("a damaged zstd frame"))?;
        let content = zstd::zstd_safe::get_frame_content_size(self.rest)
            .map_err(|_| bad("a damaged zstd frame"))?
            .ok_or_else(|| bad("a zstd frame that does not state its content's size"))?;
        if content == 0 || content > limits::CHUNK {
            return Err(bad("a zstd frame whose content is empty or larger than a chunk"));
        }
        if content > self.left {
            self.limit = true;
            return Err(bad("more content than is allowed"));
        }
        self.left -= content;
        let (frame, rest) = self.rest.split_at_checked(length).ok_or_else(|| bad("a truncated zstd frame"))?;
        self.chunk = zstd::bulk::Decompressor::with_dictionary(DICTIONARY)?.decompress(frame, content as usize)?;
        if self.chunk.len() as u64 != content {
            return Err(bad("a zstd frame that lies about its content's size"));
        }
        self.rest = rest;
        self.at = 0;
        Ok(())
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            if self.rest.is_empty() {
                return Ok(0);
            }
            self.next_chunk()?;
        }
        let n = out.len().min(self.chunk.len() - self.at);
        out[..n].copy_from_slice(&self.chunk[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(bytes: &[u8]) -> BlobRef {
        BlobRef { digest: crate::tree::Digest::of(bytes), size: bytes.len() as u64 }
    }

    #[test]
    fn several_chunks_come_back_and_are_plain_zstd() {
        let words: Vec<String> = (0..500_000).map(|i| format!("word {i}")).collect();
        let bytes = encode(&words, "words").unwrap();
        let back: Vec<String> = decode(&blob(&bytes), &bytes, 1 << 30, "words").unwrap();
        assert_eq!(back, words);
        let mut plain = Vec::new();
        let mut decoder = zstd::stream::read::Decoder::with_dictionary(&*bytes, DICTIONARY).unwrap();
        decoder.read_to_end(&mut plain).unwrap();
        assert_eq!(plain, serde_json::to_vec(&words).unwrap());
    }

    #[test]
    fn plain_bytes_stand_before_the_frames_and_no_lie_about_them_is_believed() {
        let bytes = encode_with(b"digests", &["a"; 9], "d").unwrap();
        let (plain, frames) = split(&blob(&bytes), &bytes, "d").unwrap();
        assert_eq!(plain, b"digests");
        assert_eq!(text(&blob(&bytes), frames, 1 << 20, "d").unwrap(), serde_json::to_vec(&["a"; 9]).unwrap());
        assert_eq!(text(&blob(&bytes), frames, 8, "d").unwrap_err().code, ErrorCode::Limit);
        for bad in [&bytes[..10], &bytes[..3], &[0xff; 40], &[]] {
            assert_eq!(split(&blob(bad), bad, "d").unwrap_err().code, ErrorCode::BadBundle);
        }
    }

    #[test]
    fn a_bomb_a_lie_and_damage_are_refused() {
        let bomb = zstd::bulk::compress(&vec![b' '; 1 << 26], 3).unwrap();
        assert!(bomb.len() < 10_000);
        let refuse = |bytes: &[u8], max| decode::<Vec<String>>(&blob(bytes), bytes, max, "d").unwrap_err().code;
        assert_eq!(refuse(&bomb, 1 << 30), ErrorCode::BadBundle);
        let chunk = zstd::bulk::compress(&vec![b' '; 4 << 20], 3).unwrap();
        let many: Vec<u8> = chunk.iter().copied().cycle().take(chunk.len() * 100).collect();
        assert_eq!(refuse(&many, 64 << 20), ErrorCode::Limit);
        let good = encode(&vec!["a"; 100], "d").unwrap();
        for cut in 0..good.len() {
            assert_eq!(refuse(&good[..cut], 1 << 20), ErrorCode::BadBundle, "cut at {cut}");
        }
        let mut twice = good.clone();
        twice.extend_from_slice(&good);
        assert_eq!(refuse(&twice, 1 << 20), ErrorCode::BadBundle);
    }
}
