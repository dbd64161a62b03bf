"""Makes pairs of small executables of every kind that the codec `stream` knows: chance instructions and tables, and another
build of them, in which the first section has grown so that all targets behind moved.

Usage: executables.py DIR    writes DIR/NAME.old and DIR/NAME.new, always the same ones
"""

import os
import random
import struct
import sys

M32 = 0xFFFFFFFF


def p(form, *values):
    return struct.pack("<" + form, *values)


def s32(n):
    return p("I", n & M32)


def x86(r, pc, t, wide):
    forms = [
        lambda: b"\xe8" + s32(t - pc - 5),
        lambda: b"\x0f\x84" + s32(t - pc - 6),
        lambda: b"\x48\x8d\x3d" + s32(t - pc - 7),
        lambda: bytes([0x74, r.randrange(256)]),
        lambda: b"\xa1" + s32(t),
        lambda: b"\x68" + s32(t),
        lambda: b"\x80\x3d" + s32(t - pc - 7) + b"\x09",
        lambda: b"\x81\x05" + s32(t - pc - 10 if wide else t) + s32(t),
        lambda: bytes([r.choice(b"\x66\xf2\x48\xc5\xc4\x62\x0f\x67")]),
        lambda: bytes([0x0F, r.randrange(256), r.randrange(256)]),
        lambda: r.randbytes(r.randrange(1, 9)),
    ]
    common = lambda: bytes([r.choice(b"\x89\x8b\x01\x83\xc7\xf7\xf6\x55\xc3\x90\xb8\xff"), r.randrange(256)])
    return r.choice(forms + [common] * 5)()


def arm64(r, pc, t, wide):
    register, words, pages = r.randrange(4), (t - pc) >> 2, (t >> 12) - (pc >> 12)
    load = r.choice([0xF9400000, 0x39400000, 0x3DC00000, 0xB9000000]) | r.randrange(4096) << 10
    forms = [0x94000000 | words & 0x3FFFFFF, 0x54000001 | (words & 0x7FFFF) << 5, 0x36000000 | (words & 0x3FFF) << 5]
    forms += [0x10000000 | (words & 0x7FFFF) << 5 | (t - pc & 3) << 29, load | register << 5, r.getrandbits(32)]
    forms += [0x90000000 | (pages >> 2 & 0x7FFFF) << 5 | (pages & 3) << 29 | register] * 2
    forms += [0x91000000 | (t & 4095) << 10 | register << 5 | r.randrange(4)] * 2
    return s32(r.choice(forms))


def arm(r, pc, t, wide):
    branch = r.choice([0xEB, 0xEA, 0x0A, 0xFB]) << 24 | (t - pc - 8) >> 2 & 0xFFFFFF
    return s32(r.choice([branch, branch, t, r.getrandbits(32)]))


def riscv(r, pc, t, wide):
    v, d, register = (t - pc) >> 1, t - pc, r.randrange(4)
    jump = 0x6F | (v >> 19 & 1) << 31 | (v >> 11 & 255) << 12 | (v >> 10 & 1) << 20 | (v & 0x3FF) << 21
    high = 0x17 | register << 7 | (d + 0x800 >> 12 & 0xFFFFF) << 12
    store = 0x23 | (d & 31) << 7 | register << 15 | (d >> 5 & 127) << 25
    load = r.choice([0x03, 0x07, 0x13, 0x1B, 0x67]) | register << 15 | (d & 4095) << 20
    short = p("H", r.getrandbits(16) & ~3 | r.randrange(3))
    return r.choice([s32(jump), s32(high) + s32(load), s32(high) + s32(store), short, s32(r.getrandbits(32) | 3)])


CODE = {"x64": x86, "x86": x86, "arm64": arm64, "arm": arm, "riscv": riscv}


def fill(size, more):
    b = bytearray()
    while len(b) < size:
        b += more(len(b))
    return bytes(b[:size])


def section(r, kind, size, addr, arch, base, targets):
    wide, some = arch in ("x64", "arm64", "riscv"), lambda: r.choice(targets)
    address = lambda: p("Q" if wide else "I", some())

    def data(at):
        here = addr + at
        forms = [address(), b"".join(s32(some() - here) for _ in range(r.randrange(2, 9))), s32(some() - base)]
        return r.choice(forms + [s32(r.randrange(5000)) * 2, r.randbytes(r.randrange(1, 9)), bytes(r.randrange(1, 12))])

    def frame(at):
        here = addr + at
        body = s32(at + 4) + s32(some() - here - 8) + s32(r.randrange(16, 300))
        body += r.choice([b"\x04" + s32(some() - here - 17) + bytes(3), bytes(4)])
        body = r.choice([body] * 9 + [s32(0) + r.randbytes(12)])
        return s32(len(body)) + body

    rows = {
        "code": lambda at: CODE[arch](r, addr + at, some(), arch == "x64"),
        "data": data,
        "frames": frame,
        "index": lambda at: s32(some() - addr),
        "pdata": lambda at: s32(some() - base),
        "rela": lambda at: address() + bytes([8] + [0] * (7 if wide else 3)) + address(),
        "rel": lambda at: s32(some()) + s32(8),
        "symbols": lambda at: s32(7) + s32(0 if wide else some()) + (address() + p("Q", 8) if wide else s32(8) + s32(0)),
    }
    return fill(size, rows[kind])


MACHINES = {"x64": (62, 0x8664, 0x1000007), "arm64": (183, 0xAA64, 0x100000C), "x86": (3, 0x14C), "arm": (40,), "riscv": (243,)}


def elf(arch, sections, base):
    f, wide = image(sections), arch in ("x64", "arm64", "riscv")
    names = [".text", ".data", ".eh_frame", ".eh_frame_hdr", ".pdata", ".rela"]
    of = dict(zip(("code", "data", "frames", "index", "pdata"), names))
    text, kinds = b"\0" + b"\0".join(n.encode() for n in names) + b"\0", {"rela": 4, "rel": 9, "symbols": 2}
    strings, table = len(f), len(f) + len(text)
    f[:6], f[18:20] = b"\x7fELF" + (b"\2\1" if wide else b"\1\1"), p("H", MACHINES[arch][0])
    rows = [(0, 0, 0, 0, 0, 0), (0, 3, 0, 0, strings, len(text))]
    for kind, addr, off, bytes_ in sections:
        name = text.index(b"\0" + of.get(kind, ".rela").encode() + b"\0") + 1
        rows.append((name, kinds.get(kind, 1), 6 if kind == "code" else 2, addr, off, len(bytes_)))
    if wide:
        f[40:48], f[60:64] = p("Q", table), p("HH", len(rows), 1)
    else:
        f[32:36], f[48:52] = p("I", table), p("HH", len(rows), 1)
    return bytes(f + text + b"".join(p("IIQQQQIIQQ" if wide else "10I", *row, 0, 0, 8, 0) for row in rows))


def pe(arch, sections, base):
    f = image(sections)
    f[:2], f[60:64], f[128:132] = b"MZ", p("I", 128), b"PE\0\0"
    f[132:136], f[148:150] = p("HH", MACHINES[arch][1], len(sections)), p("H", 240)
    f[128 + 48 : 128 + 56] = p("II", 0, base) if arch == "x86" else p("Q", base)
    for i, (kind, addr, off, bytes_) in enumerate(sections):
        name = {"code": b".text", "pdata": b".pdata"}.get(kind, b".data").ljust(8, b"\0")
        flags = 0x60000020 if kind == "code" else 0x40000040
        row = name + p("8I", len(bytes_), addr - base, len(bytes_), off, 0, 0, 0, flags)
        f[392 + 40 * i : 432 + 40 * i] = row
    return bytes(f)


def macho(arch, sections, base):
    f = image(sections)
    f[:8], f[16:20] = p("II", 0xFEEDFACF, MACHINES[arch][2]), p("I", 1)
    f[32:40], f[96:100] = p("II", 0x19, 72 + 80 * len(sections)), p("I", len(sections))
    for i, (kind, addr, off, bytes_) in enumerate(sections):
        name = {"code": b"__text", "frames": b"__eh_frame"}.get(kind, b"__const").ljust(16, b"\0")
        row = p("QQIIII", addr, len(bytes_), off, 0, 0, 0) + p("IIII", 0x80000400 if kind == "code" else 0, 0, 0, 0)
        f[104 + 80 * i : 184 + 80 * i] = name + b"__TEXT".ljust(16, b"\0") + row
    return bytes(f)


def image(sections):
    f = bytearray(max(off + len(b) for _, _, off, b in sections))
    for _, _, off, b in sections:
        f[off : off + len(b)] = b
    return f


def build(seed, form, arch, kinds, grown):
    """One build; `grown` bytes are new in the first section, and what lies behind has moved by as many."""
    r = random.Random(seed)
    base = 0 if form is not pe else 0x400000 if arch == "x86" else 0x140000000
    low, size, sections = (base or 0x400000) + 0x1000, 1500, []
    end = low + 0x2000 * len(kinds)
    moved = lambda t: t + grown if t > low + 500 else t
    targets = [moved(r.randrange(low, end) & ~r.choice([0, 3, 7])) for _ in range(150)]
    targets += [moved(low + 0x2000 * i) for i in range(len(kinds))]
    for i, kind in enumerate(kinds):
        sections.append((kind, moved(low + 0x2000 * i), 1024 + i * 1600 + (grown if i else 0), section(
            r, kind, size, moved(low + 0x2000 * i), arch, base, targets)))
    kind, addr, off, first = sections[0]
    sections[0] = (kind, addr, off, first[:500] + random.Random(seed + 1).randbytes(grown) + first[500:])
    return form(arch, sections, base)


def pairs():
    tables, both = ("rela", "rel", "symbols", "pdata"), ("code", "data", "frames", "index")
    for arch in MACHINES:
        yield "elf-" + arch, elf, arch, both + tables
    for arch in ("x64", "arm64", "x86"):
        yield "pe-" + arch, pe, arch, ("code", "data", "pdata")
    for arch in ("x64", "arm64"):
        yield "macho-" + arch, macho, arch, ("code", "data", "frames")


if __name__ == "__main__":
    made = {}
    for n, (name, form, arch, kinds) in enumerate(pairs()):
        made[name] = [build(2 * n, form, arch, kinds, grown) for grown in (0, 148)]
    for arch in ("arm", "arm64"):
        r = random.Random(arch)
        code = fill(17000, lambda at: CODE[arch](r, at, r.randrange(0, 17000, 4), False))
        made["bare-" + arch] = [code, code[:5000] + r.randbytes(40) + code[5000:]]
    for order in ("little", "big"):
        r = random.Random(order)
        numbers = [1000 * i + r.randrange(9) for i in range(1500)]
        grown = [n + 777 if n % 5 else r.getrandbits(32) for n in numbers]
        made["words-" + order] = [b"".join(n.to_bytes(4, order) for n in words) for words in (numbers, grown)]
    for name, (old, new) in made.items():
        for kind, data in (("old", old), ("new", new)):
            with open(os.path.join(sys.argv[1], name + "." + kind), "wb") as f:
                f.write(data)
