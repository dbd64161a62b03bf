"""How long x86 instructions are and which of their bytes may hold an address, as docs/delta-stream.md has it."""

MODRM, IMM8, IMM32, REL8, REL32 = 1, 2, 4, 8, 16


def table(*rows):
    t = [0] * 256
    for what, places in rows:
        for place in places.split():
            first, _, last = place.partition("-")
            for i in range(int(first, 16), int(last or first, 16) + 1):
                t[i] = what
    return t


_ARITHMETIC = range(0, 0x40, 8)
ONE = table(
    (MODRM, " ".join("%x-%x" % (i, i + 3) for i in _ARITHMETIC) + " 63 82 84-8f d0-d3 d8-df f6 f7 fe ff"),
    (IMM8, " ".join("%x" % (i + 4) for i in _ARITHMETIC) + " 6a a8 b0-b7 cd e4-e7"),
    (IMM32, " ".join("%x" % (i + 5) for i in _ARITHMETIC) + " 68 a9 b8-bf"),
    (MODRM | IMM8, "6b 80 83 c0 c1 c6"),
    (MODRM | IMM32, "69 81 c7"),
    (REL8, "70-7f e0-e3 eb"),
    (REL32, "e8 e9"),
)
TWO = table(
    (MODRM, "0-ff"),
    (0, "5-9 b e 30-37 77 a0-a2 a8-aa c8-cf"),
    (REL32, "80-8f"),
    (MODRM | IMM8, "70-73 a4 ac ba c2 c4-c6"),
)
PREFIXES = set(bytes.fromhex("6667f0f2f32e363e266465"))


def instruction(code, at, wide):
    """Its length, and the kind and offset of its field: "rel8", "rel32", "abs32" or nothing."""
    c = code[at : at + 16]
    left = len(c)
    length, kind, field = walk(c if left == 16 else c + bytes(16 - left), wide)
    return (length, kind, field) if length <= left else (1, None, 0)


def walk(c, wide):
    i, short, rex_w = 0, False, False
    while c[i] in PREFIXES and i < 8:
        short |= c[i] == 0x66
        i += 1
    if wide and c[i] & 0xF0 == 0x40:
        rex_w = c[i] & 8 != 0
        i += 1
    op = c[i]
    i += 1
    what = ONE[op]
    byte = lambda k: c[k % 16]
    vector = wide or byte(i) & 0xC0 == 0xC0
    if op in (0xC4, 0xC5, 0x62) and not vector:
        what = MODRM
    elif op == 0x0F:
        second = byte(i)
        i += 1
        what = TWO[second]
        if second in (0x38, 0x3A):
            i += 1
            what = MODRM if second == 0x38 else MODRM | IMM8
    elif op == 0xC5:
        what = TWO[byte(i + 1)] & (MODRM | IMM8)
        i += 2
    elif op in (0xC4, 0x62):
        group = byte(i) & 7
        i += 3 if op == 0x62 else 2
        what = {3: MODRM | IMM8, 1: TWO[byte(i)] & (MODRM | IMM8)}.get(group, MODRM)
        i += 1
    elif 0xB8 <= op <= 0xBF and rex_w:
        return i + 8, None, 0
    elif 0xA0 <= op <= 0xA3:
        return (i + 8, None, 0) if wide else (i + 4, "abs32", i)
    elif op in (0x9A, 0xEA) and not wide:
        return i + 6, None, 0
    elif op in (0xC2, 0xCA):
        return i + 2, None, 0
    elif op == 0xC8:
        return i + 3, None, 0
    kind, field = None, 0
    if what & MODRM:
        modrm = byte(i)
        mode, rm = modrm >> 6, modrm & 7
        i += 1
        bytes_of = {1: 1, 2: 4}.get(mode, 0)
        if mode != 3 and rm == 4:
            if mode == 0 and byte(i) & 7 == 5:
                bytes_of = 4
            i += 1
        if mode == 0 and rm == 5:
            kind, field, bytes_of = "rel32" if wide else "abs32", i, 4
        elif bytes_of == 4:
            kind, field = "abs32", i
        i += bytes_of
        if op in (0xF6, 0xF7) and modrm & 0x30 == 0:
            what |= IMM8 if op == 0xF6 else IMM32
    if what & IMM8:
        i += 1
    if what & IMM32:
        if kind is None and not short:
            kind, field = "abs32", i
        i += 2 if short else 4
    if what & REL8:
        i += 1
        kind, field = "rel8", i - 1
    if what & REL32:
        kind, field = "rel32", i
        i += 4
    return i, kind, field
