"""Bytes that no copy gives: contexts, order 0 and a match, mixed (docs/delta-stream.md)."""

from stream_model import NEW, SMALL_STEP, SQUASHED, STRETCH, M32, Mixer, hash2, updated


class Literals:
    def __init__(self, tier, log):
        self.n, self.mask, self.lines = tier.contexts, (1 << log) - 1, {}
        inputs = self.n + 2
        self.by_match = Mixer(4 * 32 * 2, 162000 // inputs, inputs, 90)
        self.by_bits = Mixer(4 * 256, 162000 // inputs, inputs, 90) if self.n == 7 else None
        self.matched, self.order0, self.hits = [NEW] * (32 * 8), [NEW] * (4 * 256), [NEW] * (4 * 64)

    def goes_on(self, c, mode, run):
        """Whether the next byte is that of a long match."""
        h = mode * 64 + ((run - 16) // 2 if run < 48 else 16 + min(run // 32, 47))
        bit = c.bit(max(32, min(65520, self.hits[h] >> 16)))
        self.hits[h] = updated(self.hits[h], bit, 1000)
        return bit

    def line(self, h):
        """A check and 15 counters: those of a hash or its neighbour's, of which the less used is taken over."""
        check = h >> 16 | 1
        a = (h * 0x9E3779B1 & M32) >> 7 & self.mask
        lines = [self.lines.setdefault(i, [NEW >> 16] * 16) for i in (a, a ^ 1)]
        for line in lines:
            if line[0] == check:
                return line
        taken, other = lines if lines[0][1] & 15 <= lines[1][1] & 15 else lines[::-1]
        if other[1] & 15 > 0:
            other[1] -= 1
        taken[:] = [check] + [NEW >> 16] * 15
        return taken

    def byte(self, c, contexts, expected, trust, mode):
        partial, lines, n = 1, [], self.n
        for i in range(8):
            if i % 4 == 0:
                lines = [self.line(hash2(contexts[k] + k & M32, partial | i << 8)) for k in range(n)]
            node = partial if i < 4 else 1 << i - 4 | partial & (1 << i - 4) - 1
            inputs = [STRETCH[line[node] >> 4] for line in lines]
            bit_expected, m = expected >> 7 - i & 1, trust * 8 + i
            s = STRETCH[self.matched[m] >> 20] if trust else 0
            zero = mode * 256 + partial
            inputs += [s if bit_expected else -s, STRETCH[self.order0[zero] >> 20]]
            by_match = (mode * 32 + trust) * 2 + (i >= 4)
            x = self.by_match.mix(inputs, by_match)
            if self.by_bits:
                x = x + self.by_bits.mix(inputs, zero) >> 1
            p = max(32, min(65504, SQUASHED[x + 2047]))
            bit = c.bit(p)
            self.by_match.learn(inputs, by_match, bit, p)
            if self.by_bits:
                self.by_bits.learn(inputs, zero, bit, p)
            for line in lines:
                count, q = line[node] & 15, line[node] >> 4
                q += ((4095 if bit else 0) - q) * SMALL_STEP[count] + 32768 >> 16
                line[node] = q << 4 | min(count + 1, 15)
            self.order0[zero] = updated(self.order0[zero], bit, 250)
            if trust:
                self.matched[m] = updated(self.matched[m], bit == bit_expected, 250)
                if bit != bit_expected:
                    trust = 0
            partial = partial * 2 + bit
        return partial & 255


class Matches:
    """The last occurrence of what was just written, in the old file or in the new one so far."""

    SEEN = 6

    def __init__(self, log, old):
        self.old, self.mask, self.table = old, (1 << log) - 1, {}
        for i in range(self.SEEN, len(old) + 1, max(len(old) >> log, 1)):
            self.table[self.slot(old, i)] = i
        self.follow(0)

    def slot(self, data, end):
        h = hash2(int.from_bytes(data[end - 6 : end - 2], "little"), int.from_bytes(data[end - 2 : end], "little"))
        return (h ^ h >> 16) & self.mask

    def follow(self, at):
        self.at, self.run, self.missed = at, 0, False

    def known(self, out, i):
        """A byte of the old file and the new one behind it, if it is there."""
        if i < len(self.old):
            return self.old[i]
        i -= len(self.old)
        return out[i] if i < len(out) else None

    def seek(self, out):
        if self.at and self.run >= 8 or len(out) < self.SEEN:
            return
        at, run = self.table.get(self.slot(out, len(out)), 0), 0
        while run < min(32, at, len(out)) and self.known(out, at - 1 - run) == out[len(out) - 1 - run]:
            run += 1
        if run >= self.SEEN and run > self.run:
            self.at, self.run, self.missed = at, run, False

    def expected(self, out):
        """The byte expected next and the trust in it."""
        byte = self.known(out, self.at) if self.at else None
        if byte is None:
            return 0, 0
        run = self.run
        trust = 1 + run if run < 16 else 16 + (run - 16) // 4 if run < 32 else 20 + (min(run, 400) - 32) // 64
        return byte, 26 + trust // 2 if self.missed and trust < 9 else trust

    def learn(self, out, expected, trust):
        """The last byte of `out` has come."""
        if self.at:
            self.at += 1
            if trust > 0 and out[-1] == expected:
                self.run += 1
            else:
                if self.missed and self.run < 2:
                    self.at = 0
                self.missed, self.run = True, 0
        if len(out) >= self.SEEN:
            self.table[self.slot(out, len(out))] = len(self.old) + len(out)
