"""What the tokens of an old stream tell of a new text, written from docs/delta-deflate.md."""

from matching import common

R, M64 = 0x9E3779B97F4A7C15, (1 << 64) - 1


def slot(block, slots):
    h = 0
    for byte in block:
        h = h * R + byte + 1 & M64
    return (h * R & M64) >> 32 & slots - 1


class Following:
    def __init__(self, text, old, tokens, anything):
        self.text, self.old, self.anything = text, old, anything
        self.tokens, at = {}, 0
        for token in tokens:
            self.tokens[at] = token
            at += token >> 16 or 1
        self.slots = 1
        while self.slots < len(old) // 32:
            self.slots *= 2
        self.anchors = {}
        for at in range(0, len(old) - 31, 32):
            self.anchors.setdefault(slot(old[at : at + 32], self.slots), at)
        self.begin, self.end, self.shift, self.seen = 0, common(text, 0, old, 0, len(text)), 0, 0

    def token(self, p):
        """What is told at `p`, or None; places never go back."""
        if p >= self.end and not self.stretch(p):
            return None
        token = self.tokens.get(p + self.shift)
        if token is None:
            return None
        length, distance = token >> 16 or 1, token & 0xFFFF if token > 255 else 0
        both_end = self.end == len(self.text) and self.end + self.shift == len(self.old)
        if p - self.begin >= 32768 or self.begin == self.shift == 0:
            if both_end or p + length + 262 <= self.end:
                return token
        if self.anything and p + length <= self.end and self.fits(p, length, distance):
            return token
        return None

    def fits(self, p, length, distance):
        text = self.text
        return distance <= p and text[p : p + length] == text[p - distance : p - distance + length]

    def stretch(self, p):
        at = p + self.shift
        if 0 <= at <= len(self.old):
            n = common(self.text, p, self.old, at, len(self.text))
            if n >= 16:
                self.begin, self.end = p, p + n
                return True
        self.seen = max(self.seen, self.end)
        while self.seen <= p and self.seen + 32 <= len(self.text):
            q = self.seen
            self.seen += 1
            anchor = self.anchors.get(slot(self.text[q : q + 32], self.slots))
            if anchor is None:
                continue
            n = common(self.text, q, self.old, anchor, len(self.text))
            if n >= 32 and q + n > p:
                self.begin, self.end, self.shift = q, q + n, anchor - q
                return True
        return False
