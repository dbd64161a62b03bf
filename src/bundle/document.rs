//! Listings, steps, provenance and graphs as blobs: canonical JSON in zstd frames of bounded content.
//!
//! A document is cut into chunks of [`limits::CHUNK`] bytes; each chunk is one zstd frame that
//! states its content's size, so that a reader never needs more than one chunk of memory, and
//! `zstd -d` reads the whole. An empty document does not exist (JSON is never empty).

use super::{BlobRef, limits};
use crate::report::{Error, ErrorCode, Result};
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read};

/// Half of most downloads of small fixes is the listing: an eighth smaller than at level 9, for four seconds at 100,000 paths.
const LEVEL: i32 = 19;

/// Canonical JSON of a value: the types' field order, no white space.
pub(super) fn json(value: &impl Serialize, what: &str) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::new(ErrorCode::Internal, what, e))
}

/// A value as a document blob.
pub(super) fn encode(value: &impl Serialize, what: &str) -> Result<Vec<u8>> {
    let text = json(value, what)?;
    let frames: io::Result<Vec<Vec<u8>>> =
        text.par_chunks(limits::CHUNK as usize).map(|chunk| zstd::bulk::compress(chunk, LEVEL)).collect();
    frames.map(|f| f.concat()).map_err(|e| Error::new(ErrorCode::Internal, what, e))
}

/// Reads a document of at most `max` bytes of content.
///
/// # Errors
/// `limit` beyond `max`, `bad-bundle` for anything that is not such a document.
pub(super) fn decode<T: DeserializeOwned>(blob: &BlobRef, bytes: &[u8], max: u64, what: &str) -> Result<T> {
    let frames = Frames { rest: bytes, chunk: Vec::new(), at: 0, left: max, limit: false };
    let mut reader = frames;
    let mut de = serde_json::Deserializer::from_reader(&mut reader);
    let read = T::deserialize(&mut de).and_then(|v| de.end().map(|()| v));
    read.map_err(|e| {
        let subject = format!("{what} {}", blob.digest);
        if reader.limit {
            return Error::new(ErrorCode::Limit, subject, format!("its content is larger than {max} bytes"))
                .next("do not use this bundle");
        }
        Error::new(ErrorCode::BadBundle, subject, e).next("fetch the bundle again from where it was released")
    })
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
        self.chunk = zstd::bulk::decompress(frame, content as usize)?;
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
        assert_eq!(zstd::decode_all(&*bytes).unwrap(), serde_json::to_vec(&words).unwrap());
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
