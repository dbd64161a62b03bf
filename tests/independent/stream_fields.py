"""The fields that hold an address: how each kind is read, written and what it refers to (docs/delta-stream.md)."""

from stream_image import get
from stream_model import M32, M64

REL8, REL32, ABS64, ABS32, SELF32, RVA32, BASE32, BACK32, LENGTH32 = 0, 1, 6, 7, 8, 9, 10, 11, 12
B26, B19, B14, ADR, B24, J20, HIGH20, LOW12 = range(16, 24)
PAGE, LOW = 0x20, 0x30


def kind_class(kind):
    return kind & 0xF0 if kind >= PAGE else kind


def width(kind):
    return {REL8: 1, ABS64: 8}.get(kind, 4)


def signed(v, bits):
    v &= (1 << bits) - 1
    return v - (v >> (bits - 1) << bits)


def low_scale(w):
    """By how much the low bits of an AArch64 instruction count, as a shift; nothing if it has none."""
    if w & 0xFFC00000 == 0x91000000:
        return 0
    if w & 0x3B000000 == 0x39000000:
        return 4 if w & 0x04800000 == 0x04800000 and w >> 30 == 0 else w >> 30
    return None


def is_store(w):
    return w & 0x7F in (0x23, 0x27)


def pieces(kind, w):
    """Where the number's bits lie in the field, from the lowest: (bit of the field, how many)."""
    k = kind_class(kind)
    if k == LOW:
        return [(10, 12)] if low_scale(w) is not None else []
    if k == LOW12:
        return [(7, 5), (25, 7)] if is_store(w) else [(20, 12)]
    adr = [(29, 2), (5, 19)]
    known = {REL8: [(0, 8)], ABS64: [(0, 64)], B26: [(0, 26)], B19: [(5, 19)], B14: [(5, 14)], B24: [(0, 24)], ADR: adr}
    known |= {J20: [(21, 10), (20, 1), (12, 8), (31, 1)], HIGH20: [(12, 20)], PAGE: adr}
    return known.get(k, [(0, 32)])


def number(kind, raw):
    """The number in a field."""
    if kind_class(kind) == LOW:
        return raw >> 10 & 0xFFF
    v = at = 0
    for bit, n in pieces(kind, raw):
        v |= (raw >> bit & (1 << n) - 1) << at
        at += n
    return v


def field_bits(kind, raw):
    return sum((1 << n) - 1 << bit for bit, n in pieces(kind, raw))


def put(kind, raw, v):
    """The field with another number in it."""
    raw &= ~field_bits(kind, raw)
    for bit, n in pieces(kind, raw):
        raw |= (v & (1 << n) - 1) << bit
        v >>= n
    return raw


def bits(kind):
    k = kind_class(kind)
    return 12 if k == LOW else sum(n for _, n in pieces(k, 0))


def unit(kind, raw):
    """How far the target moves when the number grows by one, as a shift."""
    k = kind_class(kind)
    if k == LOW:
        return low_scale(raw) or 0
    return {B26: 2, B19: 2, B14: 2, B24: 2, J20: 1, HIGH20: 12, PAGE: 12}.get(k, 0)


def raw(data, at, kind):
    return get(data, at, width(kind)) or 0


def page_of(w, addr):
    return (addr & ~4095) + (signed(number(ADR, w), 21) << 12)


def low_of(w):
    s = low_scale(w)
    return 0 if s is None else (w >> 10 & 0xFFF) << s


def target(f, at, kind, addr, base):
    """The address that a field refers to; `addr` is its own."""
    word = lambda p: get(f, p, 4) or 0
    w, k = raw(f, at, kind), kind_class(kind)
    if k == REL8:
        t = addr + 1 + signed(w, 8)
    elif REL32 <= k <= 5:
        t = addr + signed(w, 32) + 4 + k - REL32
    elif k in (ABS64, ABS32):
        t = w
    elif k == SELF32:
        t = addr + signed(w, 32)
    elif k == BACK32:
        t = addr - w
    elif k == LENGTH32:
        t = addr + signed(word(at - 4), 32) - 4 + w - 1
    elif k == RVA32:
        t = base + w
    elif k == BASE32:
        t = base + signed(w, 32)
    elif k in (B26, B19, B14):
        t = addr + signed(number(k, w), bits(k)) * 4
    elif k == ADR:
        t = addr + signed(number(k, w), 21)
    elif k == B24:
        t = addr + signed(w, 24) * 4 + 8
    elif k == J20:
        t = addr + signed(number(k, w), 20) * 2
    elif k == HIGH20:
        t = addr + (signed(w, 32) & ~0xFFF) + signed(number(LOW12, word(at + 4)), 12)
    elif k == LOW12:
        t = addr + (signed(word(at - 4), 32) & ~0xFFF) - 4 + signed(number(LOW12, w), 12)
    elif k == PAGE:
        t = page_of(w, addr) + (low_of(word(at + 4 * (kind & 15))) if kind & 15 else 0)
    else:
        back = 4 * (kind & 15)
        t = page_of(word(at - back), addr - back) + low_of(w)
    return t & M64


def encode(kind, addr, t, base, w):
    """The number that refers to a target; `w` is the instruction's word."""
    rel, k = t - addr, kind_class(kind)
    if k == REL8:
        v = rel - 1
    elif REL32 <= k <= 5:
        v = rel - 4 - (k - REL32)
    elif k in (ABS64, ABS32):
        v = t
    elif k in (SELF32, ADR):
        v = rel
    elif k == BACK32:
        v = -rel
    elif k == LENGTH32:
        v = t + 1 - base
    elif k in (RVA32, BASE32):
        v = t - base
    elif k in (B26, B19, B14):
        v = (rel & M64) >> 2
    elif k == B24:
        v = (rel - 8 & M64) >> 2
    elif k == J20:
        v = (rel & M64) >> 1
    elif k == HIGH20:
        v = (rel + 0x800 & M64) >> 12
    elif k == LOW12:
        v = rel + 4
    elif k == PAGE:
        v = ((t & ~4095) - (addr & ~4095) & M64) >> 12
    else:
        return (t & 4095) >> (low_scale(w) or 0)
    return v & (1 << bits(kind)) - 1
