"""The codes that zlib gives to a block, written from docs/delta-deflate.md."""

from bisect import bisect_right

from inflating import DISTANCE_EXTRA, DISTANCES, FIXED, LENGTH_EXTRA, LENGTHS, ORDER, codes

REPEAT_EXTRA = {16: 2, 17: 3, 18: 7}


def length_symbol(length):
    """Symbol, extra bits and their number."""
    i = bisect_right(LENGTHS, length) - 1
    return 257 + i, length - LENGTHS[i], LENGTH_EXTRA[i]


def distance_symbol(distance):
    i = bisect_right(DISTANCES, distance) - 1
    return i, distance - DISTANCES[i], DISTANCE_EXTRA[i]


def lengths(counts, m):
    counts = list(counts)
    used = [s for s, n in enumerate(counts) if n]
    while len(used) < 2:
        extra = 0 if not used or used[-1] >= 2 else used[-1] + 1
        counts[extra] = 1
        used = sorted([*used, extra])
    order, parent = joined(counts, used)
    out, c, overflow = {order[-1]: 0}, [0] * (m + 1), 0
    for node in reversed(order[:-1]):
        length = out[parent[node]] + 1
        overflow += length > m
        out[node] = min(length, m)
        if node < len(counts):
            c[out[node]] += 1
    if overflow:
        while overflow > 0:
            longest = max(n for n in range(m) if c[n])
            c[longest] -= 1
            c[longest + 1] += 2
            c[m] -= 1
            overflow -= 2
        anew = [n for n in range(m, 0, -1) for _ in range(c[n])]
        out.update(zip([s for s in order if s < len(counts)], anew))
    return [out.get(s, 0) for s in range(used[-1] + 1)]


def joined(counts, used):
    """All nodes in the order of the list, and the parent of each but the root."""
    weight = {s: (counts[s], 0) for s in used}
    heap, order, parent = [None, *used], [], {}

    def sink(i):
        node = heap[i]
        while (child := 2 * i) < len(heap):
            if child + 1 < len(heap) and weight[heap[child + 1]] <= weight[heap[child]]:
                child += 1
            if weight[node] <= weight[heap[child]]:
                break
            heap[i] = heap[child]
            i = child
        heap[i] = node

    for i in range(len(used) // 2, 0, -1):
        sink(i)
    new = len(counts)
    while len(heap) > 2:
        first, last = heap[1], heap.pop()
        heap[1] = last
        sink(1)
        second = heap[1]
        order += [first, second]
        weight[new] = weight[first][0] + weight[second][0], max(weight[first][1], weight[second][1]) + 1
        parent[first] = parent[second] = heap[1] = new
        sink(1)
        new += 1
    return [*order, heap[1]], parent


def runs(lengths):
    """The symbols that state lengths, each with the value of its extra bits."""
    out, at, before = [], 0, None
    while at < len(lengths):
        value = lengths[at]
        again = value == before
        most = 138 if value == 0 else 6 if again else 7
        n = 1
        while n < most and lengths[at + n : at + n + 1] == [value]:
            n += 1
        if value == 0 and n >= 3:
            out.append((17, n - 3) if n <= 10 else (18, n - 11))
        elif value and again and n >= 3:
            out.append((16, n - 3))
        elif value and not again and n >= 4:
            out += [(value, 0), (16, n - 4)]
        else:
            out += [(value, 0)] * n
        at, before = at + n, value
    return out


class Trees:
    """zlib's codes for some tokens, how they are stated, and how large the block becomes."""

    def __init__(self, tokens):
        literals, distances = [0] * 286, [0] * 30
        literals[256] = 1
        for token in tokens:
            if token < 256:
                literals[token] += 1
            else:
                literals[length_symbol(token >> 16)[0]] += 1
                distances[distance_symbol(token & 0xFFFF)[0]] += 1
        self.literals, self.distances = lengths(literals, 15), lengths(distances, 15)
        self.rows = runs(self.literals) + runs(self.distances)
        counts = [0] * 19
        for symbol, _ in self.rows:
            counts[symbol] += 1
        self.own = lengths(counts, 7)
        self.own += [0] * (19 - len(self.own))
        self.stated = max([4] + [i + 1 for i, at in enumerate(ORDER) if self.own[at]])
        extra = sum(n * e for n, e in zip(literals[257:], LENGTH_EXTRA)) + sum(n * e for n, e in zip(distances, DISTANCE_EXTRA))
        statement = sum(bits for _, bits in self.statement())
        self.dynamic = statement + extra + product(literals, self.literals) + product(distances, self.distances)
        self.fixed = extra + product(literals, FIXED[0]) + product(distances, FIXED[1])

    def statement(self):
        """Values and their numbers of bits."""
        out = [(len(self.literals) - 257, 5), (len(self.distances) - 1, 5), (self.stated - 4, 4)]
        out += [(self.own[at], 3) for at in ORDER[: self.stated]]
        own = codes(self.own)
        for symbol, extra in self.rows:
            out.append(own[symbol])
            if symbol in REPEAT_EXTRA:
                out.append((extra, REPEAT_EXTRA[symbol]))
        return out

    def kind(self, plain):
        """0 stored, 1 fixed, 2 dynamic, of a block of so many plain bytes."""
        dynamic, fixed = (self.dynamic + 10) // 8, (self.fixed + 10) // 8
        return 0 if plain + 4 <= min(dynamic, fixed) else 1 if fixed <= dynamic else 2


def product(counts, lengths):
    return sum(n * bits for n, bits in zip(counts, lengths))
