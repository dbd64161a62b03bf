"""The codec `containers`, version 2, written from docs/delta-containers.md."""

from archives import streams
from deflating import Maker, deflate

SAME, REST, PIECE = 0, 1, 2


class Entry:
    def __init__(self, kind, partner, gap, maker, plain):
        self.kind, self.partner, self.gap, self.maker, self.plain = kind, partner, gap, maker, plain


def decode(header, old, deltas, depth):
    need, r = deltas.need, deltas.Reader(header.payload)
    need(depth <= 3, "containers are nested too deep")
    need(r.take(1) == b"\2", "another version")
    opened_old, opened_new, count = r.varint(), r.varint(), r.varint()
    need(count <= len(r.data), "more pieces than bytes")
    inner = [r.take(r.varint()) for _ in range(count + 3)]
    need(r.at == len(r.data), "bytes behind the end")
    heads = [deltas.Header(delta) for delta in inner]
    largest = max(head.memory for head in heads)
    need(2 * (opened_old + opened_new) + largest + (8 << 20) <= header.beyond, "more memory than stated")
    need(all(head.codec == "full" for head in heads[:2]), "table or corrections that are not full")
    need(all(head.codec != "windows" for head in heads), "windows within another delta")
    need(all(head.size <= opened_new for head in heads[2:]), "a part is larger than promised")

    before = streams(old)
    opened = len(old) + sum(len(s.plain) for s in before if s.tokens is not None)
    need(opened == opened_old, "the old file does not open to what is promised")
    entries = table(deltas.Reader(deltas.decode(inner[0], b"")), before, deltas)
    corrections = deltas.Reader(deltas.decode(inner[1], b""))
    partners = [e.partner for e in entries if e.kind == PIECE]
    need(len(partners) == count, "pieces and deltas are not as many")
    pieces = [deltas.decode(d, before[p].plain, depth + 1) for d, p in zip(inner[3:], partners)]
    rest = deltas.Reader(deltas.decode(inner[2], old_rest(old, before, set(partners)), depth + 1))
    need(len(rest.data) + sum(map(len, pieces)) == opened_new, "the parts are not as large as promised")

    out, pieces = bytearray(), iter(pieces)
    for e in entries:
        out += rest.take(e.gap)
        partner = before[e.partner] if e.partner < len(before) else None
        if e.kind == SAME:
            out += old[partner.at : partner.end]
        else:
            plain = rest.take(e.plain) if e.kind == REST else next(pieces)
            own = deltas.Reader(corrections.take(corrections.varint()))
            out += deflate(bytes(plain), e.maker, partner, own, header.size)
            need(own.at == len(own.data), "corrections left over")
        need(len(out) <= header.size, "the parts are more than the whole")
    need(corrections.at == len(corrections.data), "corrections that nothing uses")
    return bytes(out + rest.take(len(rest.data) - rest.at))


def table(r, before, deltas):
    """The streams of the new file."""
    need, count = deltas.need, r.varint()
    kinds, entries = r.take(count), []
    expected, maker = 0, None
    ends = [0] + [s.end for s in before]
    for kind in kinds:
        need(kind < 32 and kind & 3 < 3, "an unknown kind of stream")
        partner = expected + (deltas.zigzag(r.varint()) if kind & 8 else 0)
        need(partner >= 0 and (partner < len(before) or kind & 3 == REST), "a stream without its partner")
        gap = plain = 0
        if partner < len(before):
            gap, plain = before[partner].at - ends[partner], len(before[partner].plain)
        gap += deltas.zigzag(r.varint()) if kind & 4 else 0
        maker = Maker(r.varint()) if kind & 16 else maker
        plain += deltas.zigzag(r.varint()) if kind & 3 == REST else 0
        need(gap >= 0 and plain >= 0, "a number below nothing")
        need(kind & 3 == SAME or maker, "a stream without a maker")
        entries.append(Entry(kind & 3, partner, gap, maker, plain))
        expected = partner + 1
    need(r.at == len(r.data), "a table that says too much")
    return entries


def old_rest(old, before, pieced):
    out, at = bytearray(), 0
    for i, s in enumerate(before):
        out += old[at : s.at]
        if i not in pieced:
            out += s.plain
        at = s.end
    return bytes(out + old[at:])
