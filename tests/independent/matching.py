"""Which token zlib would choose next, written from docs/delta-deflate.md."""

GOOD = [4, 4, 4, 4, 8, 8, 8, 32, 32]
LAZY = [4, 5, 6, 4, 16, 16, 32, 128, 258]
NICE = [8, 16, 32, 16, 32, 128, 128, 258, 258]
CHAIN = [4, 8, 32, 16, 32, 128, 256, 1024, 4096]
FAR = 32506


def crc32c(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc


HASHES = [
    lambda f: (f[0] << 10 ^ f[1] << 5 ^ f[2]) & 0x7FFF,
    lambda f: (f[0] << 12 ^ f[1] << 6 ^ f[2]) & 0xFFFF,
    lambda f: crc32c(bytes(f[:3]) + b"\0") & 0x7FFF,
    lambda f: crc32c(f) & 0x7FFF,
    lambda f: (int.from_bytes(f, "little") * 66521 + 66521 & 0xFFFFFFFF) >> 16 & 0x7FFF,
]


def common(a, i, b, j, most):
    """How many bytes, at most so many, are the same from two places on."""
    most = max(0, min(most, len(a) - i, len(b) - j))
    n = 0
    while n < most and a[i + n : i + n + 64] == b[j + n : j + n + 64]:
        n += 64
    while n < most and a[i + n] == b[j + n]:
        n += 1
    return min(n, most)


class Predictor:
    """A match is `(length, distance)`; `following` is what a partner's stream tells, or None."""

    def __init__(self, text, level, program, following=None):
        self.text, self.hash, self.slow = text, HASHES[program], level >= 4
        self.good, self.lazy, self.nice, self.chain = (row[level - 1] for row in (GOOD, LAZY, NICE, CHAIN))
        self.newest, self.before, self.inserted = {}, [0] * len(text), 0
        self.p, self.here, self.hand = 0, None, None
        self.following, self.told = following, None

    def insert(self, q):
        if 0 < q and q + 3 <= len(self.text):
            h = self.hash(self.text[q : q + 4].ljust(4, b"\0"))
            self.before[q] = self.newest.get(h, 0)
            self.newest[h] = q

    def insert_to(self, end):
        while self.inserted < end:
            self.insert(self.inserted)
            self.inserted += 1

    def longest(self, q, best):
        text, most = self.text, min(258, len(self.text) - q)
        if most < 3 or best >= most:
            return None
        chain = self.chain // 4 if self.slow and best >= self.good else self.chain
        nice, found, at = min(self.nice, most), None, self.before[q]
        if q - at > FAR:
            return None
        while at and chain:
            if text[at + best] == text[q + best]:
                n = common(text, at, text, q, most)
                if n > best:
                    best, found = n, (n, q - at)
                    if n >= nice:
                        break
            at, chain = self.before[at], chain - 1
            if q - at >= FAR:
                break
        return found

    def look(self, q, best):
        """A lazy look."""
        self.insert_to(q + 1)
        found = self.longest(q, best)
        return None if found and found[0] == 3 and found[1] > 4096 else found

    def predict(self):
        """The next token; `accept` must follow."""
        told = self.following.token(self.p) if self.following else None
        if told is not None:
            if self.told is None:
                self.told = []
            self.hand = self.here = None
            return told
        latest, self.told = self.told, None
        if latest is not None and self.slow:
            self.look_again(latest)
        return self.match()

    def look_again(self, latest):
        p = self.p
        for token in reversed(latest[-8:]):
            if token > 255:
                break
            self.p -= 1
        while self.p < p:
            self.match()
            self.go(self.text[self.p])

    def match(self):
        p = self.p
        if not self.slow:
            self.insert(p)
            self.here = self.longest(p, 2)
        else:
            self.here, self.hand = self.hand or self.look(p, 2), None
            if self.here and self.here[0] < self.lazy:
                self.hand = self.look(p + 1, self.here[0])
        return self.text[p] if not self.here or self.hand else self.here[0] << 16 | self.here[1]

    def accept(self, token):
        if self.told is not None:
            self.told.append(token)
        return self.go(token)

    def go(self, token):
        """Moves on by the token that really stands here; False if the text has it not."""
        text, p = self.text, self.p
        if token < 256:
            if p >= len(text) or text[p] != token:
                return False
            if self.slow and self.here and not self.hand:
                self.hand = self.look(p + 1, self.here[0])
            self.p += 1
            return True
        length, distance = token >> 16, token & 0xFFFF
        if distance > p or p + length > len(text) or text[p : p + length] != text[p - distance : p - distance + length]:
            return False
        self.hand, self.p = None, p + length
        if not self.slow and length <= self.lazy and len(text) - self.p >= 3:
            for q in range(p + 1, self.p):
                self.insert(q)
        return True

    def skip(self, n):
        if not self.slow:
            for q in range(self.p, self.p + n):
                self.insert(q)
        self.hand = None
        self.p += n
