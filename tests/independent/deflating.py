"""A deflate stream from its plain bytes, its maker and the corrections, written from docs/delta-deflate.md."""

from following import Following
from inflating import FIXED, Bits, Failed, codes, fit, stated_lengths
from matching import Predictor
from stream_model import need
from trees import Trees, distance_symbol, length_symbol

MINIZ, STORED = 5, 6
END = 1 << 64


class Maker:
    def __init__(self, number):
        self.level, self.program, self.follows = number & 15, number >> 4 & 7, number >> 7
        need(self.program < 7 and self.follows < 3, "an unknown maker")
        most = {MINIZ: 10, STORED: 1}.get(self.program, 9)
        need(1 <= self.level <= most and (self.program < MINIZ or not self.follows), "an unknown maker")


class Output:
    def __init__(self):
        self.bytes, self.held, self.count = bytearray(), 0, 0

    def put(self, value, n):
        self.held |= value << self.count
        self.count += n
        while self.count >= 8:
            self.bytes.append(self.held & 255)
            self.held >>= 8
            self.count -= 8

    def align(self):
        self.put(0, -self.count % 8)


def deflate(plain, maker, partner, corrections, most):
    """The stream, at most so many bytes; `corrections` is a reader of varints, `partner` an old stream or None."""
    if maker.program == STORED:
        return plain
    need(maker.program != MINIZ, "only miniz_oxide, which this reader has not, makes such a stream")
    following = None
    if maker.follows and partner and partner.tokens is not None:
        following = Following(plain, partner.plain, partner.tokens, maker.follows == 2)
    predictor = Predictor(plain, maker.level, maker.program, following)
    stated = [stated_block(corrections) for _ in range(corrections.varint())]
    tokens, out = Tokens(corrections, predictor), Output()
    if stated:
        for i, (count, kind, bits) in enumerate(stated):
            put_stated(out, predictor, tokens, count, kind, bits, i + 1 == len(stated))
            need(len(out.bytes) <= most, "a stream is longer than the file")
    else:
        as_predicted(out, predictor, tokens, maker, most)
    need(predictor.p == len(plain) and tokens.right == END, "a stream does not end where its plain bytes end")
    out.align()
    return bytes(out.bytes)


def stated_block(corrections):
    head = corrections.varint()
    if head % 4 < 3:
        return head // 4, head % 4, None
    count = corrections.varint()
    need(count <= 4500, "a block's codes are too long")
    return head // 4, 2, (count, corrections.take((count + 7) // 8))


class Tokens:
    """Tokens as predicted, or as corrected."""

    def __init__(self, corrections, predictor):
        self.corrections, self.predictor = corrections, predictor
        self.gap()

    def gap(self):
        self.right = (self.corrections.varint() or END + 1) - 1

    def block(self, count):
        """So many, or as many as there are."""
        out, predictor = [], self.predictor
        while len(out) < count and predictor.p < len(predictor.text):
            token = predictor.predict()
            if self.right == 0:
                token = self.correction()
                self.gap()
            elif self.right != END:
                self.right -= 1
            need(predictor.accept(token), "a match does not fit the plain bytes")
            out.append(token)
        return out

    def correction(self):
        length = self.corrections.varint()
        if length == 0:
            return self.predictor.text[self.predictor.p]
        distance = self.corrections.varint()
        need(length <= 256 and 1 <= distance <= 32768, "a match that none can be")
        return length + 2 << 16 | distance


def as_predicted(out, predictor, tokens, maker, most):
    full, last = 32767 if maker.program == 1 else 16383, False
    while not last:
        start = predictor.p
        taken = tokens.block(full)
        ends_lazily = maker.level >= 4 and taken and taken[-1] < 256
        last = bool(predictor.p == len(predictor.text) and (len(taken) < full or ends_lazily))
        trees, plain = Trees(taken), predictor.text[start : predictor.p]
        kind = trees.kind(len(plain))
        if kind == 0:
            put_stored(out, plain, last)
        else:
            put_coded(out, taken, kind, trees, last)
        need(len(out.bytes) <= most, "a stream is longer than the file")


def put_stated(out, predictor, tokens, count, kind, bits, last):
    need(count <= len(predictor.text) - predictor.p, "a block goes beyond the end")
    if kind == 0:
        start = predictor.p
        predictor.skip(count)
        put_stored(out, predictor.text[start : predictor.p], last)
        return
    taken = tokens.block(count)
    need(len(taken) == count, "a block goes beyond the end")
    put_coded(out, taken, kind, Stated(*bits) if bits else Trees(taken) if kind == 2 else None, last)


class Stated:
    """Codes as the corrections state them."""

    def __init__(self, count, data):
        bits = Bits(data)
        try:
            self.literals, self.distances = stated_lengths(bits)
        except Failed:
            need(False, "a block's codes are none")
        need(bits.place() == count and fit(self.literals) and fit(self.distances), "a block's codes are none")
        again = Bits(data)
        self.bits = [again.take(1) for _ in range(count)]

    def statement(self):
        return [(bit, 1) for bit in self.bits]


def put_stored(out, plain, last):
    need(len(plain) < 65536, "a stored block is too long")
    out.put(int(last), 3)
    out.align()
    out.put(len(plain), 16)
    out.put(len(plain) ^ 0xFFFF, 16)
    out.bytes += plain


def put_coded(out, tokens, kind, trees, last):
    out.put(int(last) | kind << 1, 3)
    if kind == 1:
        literals, distances = map(codes, FIXED)
    else:
        for value, bits in trees.statement():
            out.put(value, bits)
        literals, distances = codes(trees.literals), codes(trees.distances)
    for token in tokens:
        if token < 256:
            put_symbol(out, literals, token)
            continue
        for table, (symbol, extra, bits) in (literals, length_symbol(token >> 16)), (distances, distance_symbol(token & 0xFFFF)):
            put_symbol(out, table, symbol)
            out.put(extra, bits)
    put_symbol(out, literals, 256)


def put_symbol(out, table, symbol):
    need(symbol < len(table) and table[symbol][1], "a symbol without a code")
    out.put(*table[symbol])
