"""Coder, counters, mixers, flags and numbers of docs/delta-stream.md."""

import math

M32, M64 = 0xFFFFFFFF, (1 << 64) - 1


class Refused(ValueError):
    pass


def need(ok, why):
    if not ok:
        raise Refused(why)


# At -2048, -2016, ... 2048.
SQUASH = [max(1, min(65535, round(65536 / (1 + math.exp(-3 * x / 512))))) for x in range(-2048, 2049, 32)]


def _squash(x):
    i, f = (x + 2048) >> 5, (x + 2048) & 31
    return (SQUASH[i] * (32 - f) + SQUASH[i + 1] * f + 16) >> 5


# By x + 2047, and by the upper 12 bits of a probability.
SQUASHED = [_squash(x) for x in range(-2047, 2048)]
STRETCH = []
for _x in range(-2047, 2048):
    while len(STRETCH) <= SQUASHED[_x + 2047] >> 4:
        STRETCH.append(_x)
STRETCH += [2047] * (4096 - len(STRETCH))

STEP = [131072 // (2 * n + 3) for n in range(1024)]
SMALL_STEP = [40960, 25206, 18204, 14247, 11703, 9930, 8623, 7620, 6827, 6183, 5650, 5201, 4600, 4000, 3500, 3000]


def hash2(a, b):
    b = b * 0x85EBCA6B & M32
    h = a * 0x9E3779B1 & M32 ^ (b << 15 & M32 | b >> 17)
    return (h ^ h >> 15) * 0x2C1B3C6D & M32


class Decoder:
    SLACK = 4096

    def __init__(self, data):
        self.data, self.at, self.code, self.range = data, 0, 0, M32
        for _ in range(5):
            self.code = (self.code << 8 | self.next()) & M32

    def next(self):
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def bit(self, p):
        bound = (self.range >> 16) * p
        if self.code < bound:
            self.range, bit = bound, 1
        else:
            self.code -= bound
            self.range -= bound
            bit = 0
        while self.range < 1 << 24:
            self.range <<= 8
            self.code = (self.code << 8 | self.next()) & M32
        return bit

    def not_cut(self):
        need(self.at <= len(self.data) + self.SLACK, "the stream was cut")

    def used_up(self):
        self.not_cut()
        need(self.at >= len(self.data), "bytes after the end")


class Tier:
    """How many contexts of flags and of bytes, and the most of each table, as powers of two."""

    def __init__(self, flags, contexts, logs):
        self.flags, self.contexts, self.logs = flags, contexts, logs


MIXED = Tier(4, 7, (18, 19, 18, 18))
LIGHT = Tier(2, 3, (17, 17, 15, 18))
NEW = 1 << 31


def updated(counter, bit, limit):
    """22 bits of probability, 10 of count."""
    n, p = counter & 1023, counter >> 10
    p += ((4194303 if bit else 0) - p) * STEP[n] >> 16
    return p << 10 | (n + 1 if n < limit else n)


class Mixer:
    def __init__(self, sets, start, inputs, rate):
        self.weights = [start] * (sets * inputs)
        self.inputs, self.rate = inputs, rate

    def mix(self, inputs, s):
        total, at = 0, s * self.inputs
        for x in inputs:
            total += x * self.weights[at] >> 8
            at += 1
        return max(-2047, min(2047, total >> 8))

    def learn(self, inputs, s, bit, p):
        err, at, weights = ((bit << 16) - p) * self.rate >> 10, s * self.inputs, self.weights
        for x in inputs:
            w = weights[at] + (x * err + 8192 >> 14)
            weights[at] = 524288 if w > 524288 else -524288 if w < -524288 else w
            at += 1


class Bits:
    """Flags and numbers under at most `k` contexts."""

    def __init__(self, k, tier, log, limit):
        self.k, self.limit, self.mask = min(k, tier.flags), limit, (1 << log) - 1
        self.slots = [NEW] * (1 << log)
        self.mixer = Mixer(1024, 81920 // self.k, self.k, 40)

    def bit(self, c, contexts, s):
        at, inputs, s = [], [], s & 1023
        for i in range(self.k):
            h = hash2(contexts[i], i + 1)
            h = (h ^ h >> 16) & self.mask
            at.append(h)
            inputs.append(STRETCH[self.slots[h] >> 20])
        p = max(1, min(65535, SQUASHED[self.mixer.mix(inputs, s) + 2047]))
        bit = c.bit(p)
        self.mixer.learn(inputs, s, bit, p)
        for h in at:
            self.slots[h] = updated(self.slots[h], bit, self.limit)
        return bit

    def node(self, c, key, contexts, s):
        return self.bit(c, [hash2(contexts[i], key) for i in range(self.k)], s)

    def number(self, c, id, contexts):
        path = 1
        for _ in range(7):
            path = path * 2 + self.node(c, hash2(id, path), contexts, id * 8 + 1)
        length = min(path & 127, 64)
        if length < 2:
            return length
        v = 1
        for i in reversed(range(length - 1)):
            known = length - 1 - i
            key = hash2(id ^ 0x5A00, length * 64 + (v if known <= 3 else 16 + i))
            v = v * 2 + self.node(c, key, contexts, id * 8 + 2 + min(known, 5))
        return v

    def signed(self, c, id, contexts):
        z = self.number(c, id, contexts)
        return z >> 1 if z % 2 == 0 else -(z >> 1) - 1
