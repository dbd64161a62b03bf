"""Deflate streams as docs/delta-containers.md takes them apart: plain bytes and tokens, with its exact bounds.

A token is a literal's byte, or `length << 16 | distance` of a match.
"""

LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258]
LENGTH_EXTRA = [0] * 8 + [n for n in range(1, 6) for _ in range(4)] + [0]
DISTANCES = [1, 2] + [(2 + half << n) + 1 for n in range(14) for half in (0, 1)]
DISTANCE_EXTRA = [0, 0] + [n for n in range(14) for _ in range(2)]
ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
FIXED = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8, [5] * 30


class Failed(Exception):
    pass


def check(ok):
    if not ok:
        raise Failed


class Bits:
    def __init__(self, data, at=0):
        self.data, self.at, self.held, self.count = data, at, 0, 0

    def hold(self, n):
        """As many bits as the input has, at least `n` if it can."""
        while self.count < n and self.at < len(self.data):
            self.held |= self.data[self.at] << self.count
            self.at += 1
            self.count += 8

    def take(self, n):
        self.hold(n)
        check(self.count >= n)
        value = self.held & (1 << n) - 1
        self.held >>= n
        self.count -= n
        return value

    def align(self):
        check(self.take(self.count % 8) == 0)

    def raw(self, n):
        """Whole bytes, at a whole byte."""
        at = self.at - self.count // 8
        check(at + n <= len(self.data))
        self.at, self.held, self.count = at + n, 0, 0
        return self.data[at : at + n]

    def place(self):
        """Bits taken so far, those before the first place included."""
        return self.at * 8 - self.count


def codes(lengths):
    """Code (first bit lowest) and length by symbol (RFC 1951, 3.2.2)."""
    out, code = [(0, 0)] * len(lengths), 0
    for length in range(1, 16):
        code <<= 1
        for symbol, own in enumerate(lengths):
            if own == length:
                out[symbol] = int(format(code, f"0{length}b")[::-1], 2), length
                code += 1
    return out


def fit(lengths):
    """Whether no more codes are asked for than there are."""
    return sum(1 << 15 - n for n in lengths if n) <= 1 << 15


class Codes:
    def __init__(self, lengths):
        check(fit(lengths))
        self.most = max(1, max(lengths, default=0))
        self.table = [None] * (1 << self.most)
        for symbol, (code, length) in enumerate(codes(lengths)):
            if length:
                for at in range(code, 1 << self.most, 1 << length):
                    self.table[at] = symbol, length

    def read(self, bits):
        bits.hold(self.most)
        found = self.table[bits.held & (1 << self.most) - 1]
        check(found and found[1] <= bits.count)
        bits.held >>= found[1]
        bits.count -= found[1]
        return found[0]


def stated_lengths(bits):
    """The lengths of a dynamic block's codes."""
    literals, distances, stated = bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4
    own, out = [0] * 19, []
    for at in ORDER[:stated]:
        own[at] = bits.take(3)
    table = Codes(own)
    while len(out) < literals + distances:
        symbol = table.read(bits)
        if symbol == 16:
            check(out)
            out += out[-1:] * (bits.take(2) + 3)
        elif symbol > 16:
            out += [0] * (bits.take(3) + 3 if symbol == 17 else bits.take(7) + 11)
        else:
            out.append(symbol)
    check(len(out) == literals + distances and literals <= 286 and distances <= 30)
    return out[:literals], out[literals:]


class Inflated:
    """A stream that begins at `at`; `end` is None if it failed, and then `plain` is what was made before."""

    def __init__(self, data, at, most):
        self.plain, self.tokens, self.end, self.most = bytearray(), [], None, most
        bits = Bits(data, at)
        try:
            while not self.block(bits):
                pass
            bits.align()
            self.end = bits.place() // 8
        except Failed:
            pass

    def block(self, bits):
        """Whether it was the last."""
        last, kind = bits.take(1), bits.take(2)
        check(kind < 3)
        if kind == 0:
            bits.align()
            size = bits.take(16)
            check(bits.take(16) == size ^ 0xFFFF)
            stored = bits.raw(size)
            check(len(self.plain) + size <= self.most)
            self.plain += stored
            self.tokens += stored
        else:
            self.coded(bits, *map(Codes, FIXED if kind == 1 else stated_lengths(bits)))
        return last

    def coded(self, bits, literals, distances):
        plain = self.plain
        while (symbol := literals.read(bits)) != 256:
            if symbol < 256:
                check(len(plain) < self.most)
                plain.append(symbol)
                self.tokens.append(symbol)
                continue
            check(symbol < 286)
            length = LENGTHS[symbol - 257] + bits.take(LENGTH_EXTRA[symbol - 257])
            check(length < 258 or symbol == 285)
            symbol = distances.read(bits)
            check(symbol < 30)
            distance = DISTANCES[symbol] + bits.take(DISTANCE_EXTRA[symbol])
            check(len(plain) + length <= self.most and distance <= len(plain))
            for _ in range(length):
                plain.append(plain[-distance])
            self.tokens.append(length << 16 | distance)
