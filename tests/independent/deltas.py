"""Decodes deltas, the codecs `full`, `bsdiff` and `zstd` in this file, written from docs/delta-format.md alone; the others are
in modules of their names.

Usage: deltas.py DELTA OLD > NEW
       deltas.py --all DIR       decodes each NAME.delta there with NAME.old
"""

import hashlib
import os
import sys

import containers
import stream
import windows
import zstandard

CODECS = ["full", "full", "bsdiff", "zstd", "stream", "containers", "windows"]


class Damaged(ValueError):
    pass


def need(ok, why):
    if not ok:
        raise Damaged(why)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        need(self.at + n <= len(self.data), "it ends early")
        self.at += n
        return self.data[self.at - n : self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                need(shift <= 70 and (byte or shift == 7), "a varint that is too long")
                return value

    def varints(self):
        out = []
        while self.at < len(self.data):
            out.append(self.varint())
        return out


def zigzag(n):
    return n >> 1 if n % 2 == 0 else -(n >> 1) - 1


def frame(stored, size, prefix=None):
    data = stored if len(stored) >= 65536 else b"\x28\xb5\x2f\xfd" + stored
    raw = {"dict_data": zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)} if prefix else {}
    d = zstandard.ZstdDecompressor(max_window_size=1 << 31, **raw).decompressobj()
    out = d.decompress(data)
    need(d.eof and not d.unused_data and len(out) == size, "not one frame of the stated size")
    return out


def part(r, size=None):
    """One of bsdiff's streams; `size` is known for differences and extra."""
    n = r.varint()
    if n % 2 == 0:
        stored = r.take(n // 2)
        need(size is None or len(stored) == size, "a stream of another length")
        return stored
    size = r.varint() if size is None else size
    return frame(r.take(n // 2), size)


def runs(gaps, lengths, values, size):
    out, values = bytearray(size), Reader(values)
    at = 0
    for gap, length in zip(gaps, lengths):
        at += gap
        need(length > 0 and at + length <= size, "a run outside")
        out[at : at + length] = values.take(length)
        at += length
    need(len(gaps) == len(lengths) and values.at == len(values.data), "runs that are not used up")
    return bytes(out)


def bsdiff(payload, old, size):
    r = Reader(payload)
    layout = r.take(1)[0]
    numbers = Reader(part(r)).varints()
    need(layout < 3 and len(numbers) % 3 == 0, "control")
    records = list(zip(numbers[0::3], numbers[1::3], map(zigzag, numbers[2::3])))
    added = sum(a for a, _, _ in records)
    if layout == 0:
        differences = part(r, added)
    elif layout == 1:
        both = Reader(part(r)).varints()
        differences = runs(both[0::2], both[1::2], part(r), added)
    else:
        low, high, lengths = part(r), Reader(part(r)).varints(), Reader(part(r)).varints()
        need(len(low) == len(high), "gaps")
        differences = runs([a + 256 * b for a, b in zip(low, high)], lengths, part(r), added)
    extra = part(r, sum(c for _, c, _ in records))
    need(r.at == len(payload), "bytes behind the end")
    differences, extra, out, at = Reader(differences), Reader(extra), bytearray(), 0
    for add, copy, seek in records:
        need(at + add <= len(old), "it leaves the old file")
        out += bytes((a + b) & 255 for a, b in zip(old[at : at + add], differences.take(add)))
        out += extra.take(copy)
        at += add + seek
        need(at >= 0, "before the old file")
    need(len(out) == size, "another size")
    return bytes(out)


class Header:
    """The fields before the payload, and the codec's payload itself."""

    def __init__(self, delta):
        r = Reader(delta)
        tag = r.take(1)[0]
        need(tag >> 4 == 1 and tag & 15 < len(CODECS), "version or codec")
        self.kind, self.codec, self.size = tag & 15, CODECS[tag & 15], r.varint()
        stated = self.codec in ("bsdiff", "stream", "containers", "windows")
        self.beyond = r.varint() * 1024 if stated else 0 if self.kind == 0 else 393216
        self.memory = self.beyond + (self.size if self.codec != "windows" else 0)
        self.old = r.take(4) if self.codec != "full" else None
        self.check, self.payload = r.take(4), delta[r.at :]


def decode(delta, old, depth=0):
    """The new bytes; `depth` is how many containers this delta stands in."""
    h = Header(delta)
    need(h.old in (None, hashlib.sha256(old).digest()[:4]), "another old file")
    if h.codec == "full":
        new = h.payload if h.kind == 0 else frame(h.payload, h.size)
    elif h.codec == "bsdiff":
        new = bsdiff(h.payload, old, h.size)
    elif h.codec == "zstd":
        new = frame(h.payload, h.size, old)
    elif h.codec == "stream":
        new = stream.decode(h.payload, old, h.size, h.memory)
    elif h.codec == "containers":
        new = containers.decode(h, old, sys.modules[__name__], depth)
    else:
        new = windows.decode(h, old, sys.modules[__name__])
    need(len(new) == h.size and hashlib.sha256(new).digest()[:4] == h.check, "not the new file")
    return new


def read(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def decode_all(folder):
    """NAME.delta and NAME.old make NAME.made, or NAME.refused, in which is why."""
    for name in sorted(n[:-6] for n in os.listdir(folder) if n.endswith(".delta")):
        try:
            kind, data = ".made", decode(read(folder, name + ".delta"), read(folder, name + ".old"))
        except REFUSED as e:
            kind, data = ".refused", str(e).encode()
        with open(os.path.join(folder, name + kind), "wb") as f:
            f.write(data)


REFUSED = (Damaged, stream.Refused, zstandard.ZstdError)

if __name__ == "__main__":
    if sys.argv[1] == "--all":
        decode_all(sys.argv[2])
    else:
        try:
            sys.stdout.buffer.write(decode(read(sys.argv[1]), read(sys.argv[2])))
        except REFUSED as e:
            sys.exit(f"refused: {e}")
