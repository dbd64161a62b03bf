"""Makes archives in two versions, by zlib and Python's own modules: NAME.old and NAME.new in the folder that is named.

What no program at hand writes (Chromium's hashes, codes that are not zlib's) is written by the reader's own deflater,
and read again by zlib.
"""

import io
import os
import random
import struct
import sys
import tarfile
import zipfile
import zlib

import deflating
import deltas
from executables import build, elf
from trees import Trees


def text(size, seed):
    """Words, the frequent ones more often."""
    r = random.Random("words")
    words = [bytes(r.choices(b"etaoinshrdlucmfwyp", k=r.randint(2, 9))) for _ in range(500)]
    r, out = random.Random(seed), bytearray()
    while len(out) < size:
        out += words[min(int(r.expovariate(1 / 50)), 499)] + r.choice([b" ", b" ", b"\n", b", "])
    return bytes(out[:size])


def changed(data, seed, times=4):
    r, data = random.Random(seed), bytearray(data)
    for n in range(times):
        at = r.randrange(len(data))
        data[at : at + r.randrange(20)] = text(r.randrange(1, 30), seed + n)
    return bytes(data)


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def gzip(stream, plain, flags=0, fields=b""):
    end = struct.pack("<II", zlib.crc32(plain), len(plain))
    return b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\3" + fields + stream + end


def deflated(plain, level=6, memory=8, strategy=0, flush_at=None):
    c = zlib.compressobj(level, zlib.DEFLATED, -15, memory, strategy)
    if flush_at is None:
        return c.compress(plain) + c.flush()
    return c.compress(plain[:flush_at]) + c.flush(zlib.Z_SYNC_FLUSH) + c.compress(plain[flush_at:]) + c.flush()


def own(plain, maker):
    stream = deflating.deflate(plain, deflating.Maker(maker), None, deltas.Reader(b"\0\0"), 2 * len(plain))
    assert zlib.decompress(stream, -15) == plain
    return stream


def otherwise(plain):
    """One block of literals, with codes that zlib would not choose."""
    out, trees = deflating.Output(), Trees(plain + bytes(range(256)))
    deflating.put_coded(out, plain, 2, trees, True)
    out.align()
    assert zlib.decompress(out.bytes, -15) == plain
    return bytes(out.bytes)


def zipped(files, level=6):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in files:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_STORED if name.endswith(("stored", ".exe")) else zipfile.ZIP_DEFLATED
            z.writestr(info, data, compresslevel=level)
    return out.getvalue()


def tarred(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as t:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        t.addfile(folder)
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def fibonacci(count):
    out = [1, 1]
    while len(out) < count:
        out.append(out[-2] + out[-1])
    return out


def odd(good):
    """A zip file with entries before the good ones that are encrypted, of another method, damaged or cut off."""
    head = lambda flags, method, extra=0: b"PK\3\4" + struct.pack("<HHHIIIIHH", 20, flags, method, 0, 0, 900, 900, 1, extra) + b"n"
    broken = bytearray(deflated(noise(90) * 3))
    broken[30] ^= 0xFF
    return b"".join([head(1, 8), good, head(0, 99), good, head(0, 8), broken, head(0, 8), b"\4", head(0, 0), good, head(0, 0, 60000)])


def universal(slices):
    out, at = struct.pack(">II", 0xCAFEBABE, len(slices)), 4096
    for data in slices:
        out += struct.pack(">IIIII", 7, 3, at, len(data), 12)
        at += -(-len(data) // 4096) * 4096
    return b"".join(part.ljust(-(-len(part) // 4096) * 4096, b"\0") for part in [out, *slices])


def pairs():
    a = text(5500, 1)
    b = changed(a, 2)
    both = lambda make, *more: (make(a, *more), make(b, *more))
    packed = lambda make: lambda plain, *more: gzip(make(plain, *more), plain)
    for level in range(1, 10):
        yield f"gzip-{level}", *both(packed(deflated), level)
    yield "gzip-memory-9", *both(packed(deflated), 6, 9)
    yield "gzip-memory-3", *both(packed(deflated), 6, 3)
    for name in ("FILTERED", "HUFFMAN_ONLY", "FIXED"):
        yield "gzip-" + name, *both(packed(deflated), 6, 8, getattr(zlib, "Z_" + name))
    yield "gzip-flushed", *both(packed(deflated), 6, 8, 0, 2500)
    yield "gzip-noise", *both(lambda t: gzip(deflated(noise(17000) + t), t))
    yield "gzip-noise-fast", *both(lambda t: gzip(deflated(noise(6000) + t, 1, 4), t))
    yield "gzip-noise-stated", *both(lambda t: gzip(deflated(noise(6000) + t, 6, 4), t))
    for maker in (2 << 4 | 1, 3 << 4 | 4, 4 << 4 | 4):
        yield f"chromium-{maker}", *both(packed(own), maker)
    # So rare that their codes would be longer than they may be.
    rare = [byte for byte, n in enumerate(fibonacci(19)[1:]) for _ in range(n)]
    random.Random(5).shuffle(rare)
    yield "gzip-skewed", *both(lambda t: gzip(deflated(bytes(rare) + bytes([16 + (t == b)]), 6, 8, zlib.Z_HUFFMAN_ONLY), t))
    yield "other-codes", *both(packed(otherwise))
    fields = b"\3\0abc" + b"name\0" + b"comment\0" + b"12"
    yield "gzip-members", *both(lambda t: gzip(deflated(t), t, 30, fields) + gzip(deflated(t[3000:], 9), t))
    long = text(40000, 3)
    yield "gzip-long", gzip(deflated(long), long), gzip(deflated(changed(long, 4)), long)

    names = ("one.txt", "two.txt", "three.txt")
    files = lambda t: [(name, changed(t, n, 2)) for n, name in enumerate(names)]
    yield "zip", *both(lambda t: zipped(files(t)))
    yield "zip-9", *both(lambda t: zipped([("first", b"!"), *files(t)[::-1], ("same", a), ("new" if t == b else "old", t)], 9))
    yield "tar", *both(lambda t: tarred([("a.gz", gzip(deflated(t), t)), ("plain", t), ("same.gz", gzip(deflated(a), a))]))
    yield "zip-odd", *both(lambda t: odd(zipped([("one", t)])))
    yield "tar-cut", *both(lambda t: tarred([("a.gz", gzip(deflated(t), t)), ("b.gz", gzip(deflated(t), t))])[:5000])
    yield "tar-size", *both(lambda t: tarred([("a.gz", gzip(deflated(t), t)), ("b", t)]).replace(b"%011o" % len(t), b"-0000000009"))
    yield "tar-gzip", *both(lambda t: gzip(deflated(tarred(files(t))), t))
    inner = lambda t: zipped([("g.gz", gzip(deflated(t), t)), *files(t)])
    yield "zip-in-tar-in-gzip", *both(lambda t: gzip(deflated(tarred([("in.zip", inner(t)), *files(t)]), 9), t))

    kinds = ("code", "data", "rela", "frames")
    old, new = (build(7, elf, "x64", kinds, grown) for grown in (0, 52))
    assert min(len(old), len(new)) >= 4096
    tools = lambda make: tuple(make(exe, t) for exe, t in ((old, a), (new, b)))
    yield "executable-in-tar", *tools(lambda exe, t: tarred([("tool", exe), ("notes", t)]))
    yield "executable-in-zip", *tools(lambda exe, t: zipped([("notes", t), ("tool.exe", exe), ("in.gz.stored", gzip(deflated(t), t))]))
    yield "universal", *tools(lambda exe, t: universal([exe, old, exe[:5000]]))


if __name__ == "__main__":
    for name, *versions in pairs():
        for kind, data in zip(("old", "new"), versions):
            with open(os.path.join(sys.argv[1], name + "." + kind), "wb") as f:
                f.write(data)
