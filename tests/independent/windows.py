"""The codec `windows`, written from docs/delta-format.md alone."""


def decode(header, old, deltas):
    r, out = deltas.Reader(header.payload), bytearray()
    while len(out) < header.size:
        made = window(r, old, header.beyond, deltas)
        deltas.need(0 < len(made) <= header.size - len(out), "a window without bytes, or beyond the result")
        out += made
    deltas.need(r.at == len(r.data), "bytes behind the last window")
    return bytes(out)


def window(r, old, memory, deltas):
    need = deltas.need
    stored = r.take(r.varint())
    delta = r.take(r.varint())
    plan = deltas.Header(stored)
    need(plan.codec == "full", "a plan that is not full")
    inner = deltas.Header(delta).memory if delta else 0
    fixed = 17 * plan.size + len(stored) + len(delta) + inner + 393216 + (1 << 20)
    need(fixed <= memory, "a window needs more memory than stated")
    plan = deltas.Reader(deltas.decode(stored, b""))
    copies, ranges = plan.varint(), plan.varint()
    need(copies + ranges <= len(plan.data), "more copies or ranges than bytes")
    fresh = [plan.varint() for _ in range(copies)]
    steps = [deltas.zigzag(plan.varint()) for _ in range(copies)]
    pieces = places(steps, [plan.varint() for _ in range(copies)], len(old), need)
    need(all(n > 0 for _, n in pieces), "a copy of nothing")
    gaps = [plan.varint() for _ in range(ranges)]
    spans = places(gaps, [plan.varint() for _ in range(ranges)], len(old), need)
    need(plan.at == len(plan.data), "a plan that says too much")
    need(fixed + sum(n for _, n in spans) <= memory, "a window needs more memory than stated")
    if delta:
        need(deltas.Header(delta).codec != "windows", "windows in windows")
        new = deltas.Reader(deltas.decode(delta, b"".join(old[at : at + n] for at, n in spans)))
    else:
        new = deltas.Reader(b"")
    out = bytearray()
    for before, (at, n) in zip(fresh, pieces):
        out += new.take(before) + old[at : at + n]
    return out + new.take(len(new.data) - new.at)


def places(steps, lengths, size, need):
    """Where each begins is said from where the last one ended."""
    out, at = [], 0
    for step, n in zip(steps, lengths):
        at += step
        need(0 <= at and at + n <= size, "outside the old file")
        out.append((at, n))
        at += n
    return out
