"""The codec `stream`, version 5, written from docs/delta-stream.md: what comes before the content, and the memory."""

import hashlib
from bisect import bisect_right

from stream_content import Content
from stream_image import Image, Section, get, parse
from stream_model import LIGHT, M64, MIXED, Bits, Decoder, Refused, hash2, need
from stream_refs import Refs

VERSION = 5
M62 = (1 << 62) - 1


class Copy:
    def __init__(self, old, new, length):
        self.old, self.new, self.length = old, new, length


def decode(payload, old, size, memory):
    """The new bytes; `memory` is what the header states, the result included."""
    need(payload[:1] == bytes([VERSION]), "another version")
    c, image = Decoder(payload[1:]), parse(old)
    count, way, there = preamble(c, image)
    order, signed, tier = way % 3, way // 3 % 2, LIGHT if way // 6 else MIXED
    need(count <= size, "too many copies")
    need(memory_needed(tier, old, image, None, count, 0, size) <= memory, "more memory than stated")
    copies = read_copies(c, tier, count, len(old), size)
    c.not_cut()
    refs = Refs(old, image)
    fresh = max(size - sum(c.length for c in copies), 0)
    need(memory_needed(tier, old, image, refs, count, fresh, size) <= memory, "more memory than stated")
    sizes = logs(tier, len(old), image.arch is not None, fresh)
    out = Content(tier, old, image, there, refs, Map(image, there, copies), order, sizes).run(c, copies, size)
    c.used_up()
    need(len(out) == size, "another size")
    if signed:
        sign(out)
    return bytes(out)


def preamble(c, old):
    bits, zeros = Bits(3, MIXED, 12, 255), [0, 0, 0]
    count, way = bits.number(c, 1, zeros), bits.number(c, 7, zeros)
    need(way < 12, "an unknown way of coding")
    base = old.base + (bits.signed(c, 2, zeros) if old.arch else 0) & M64
    shifts, sections = [0, 0], []
    for s in old.sections:
        for i in range(2):
            shifts[i] += bits.signed(c, 3 + i, zeros)
        addr, off = s.addr + shifts[0] & M62, s.off + shifts[1] & M62
        mem = s.mem + bits.signed(c, 5, zeros) & M62
        sections.append(Section(addr, mem, off, s.size + bits.signed(c, 6, zeros) & M62, s.kind))
    return count, way, Image(old.arch, base, sections)


def read_copies(c, tier, count, old_size, new_size):
    bits, recent, copies = Bits(3, tier, 18, 255), [0] * 16, []
    end_old = end_new = last_length = last_gap = last_way = 0
    size_class = int.bit_length
    for _ in range(count):
        by_gap, by_length = hash2(size_class(last_gap), last_way), hash2(size_class(last_length), 7)
        gap = bits.number(c, 1, [0, by_gap, by_length])
        gap_class = min(gap & 0xFFFFFFFF, 20) + size_class(gap)
        new, node = end_new + gap, 1
        for _ in range(5):
            sizes = 300 + 32 * size_class(last_length) + size_class(last_gap)
            contexts = [hash2(node, 100 + last_way), hash2(node, 200 + gap_class), hash2(node, sizes)]
            node = node * 2 + bits.bit(c, contexts, node)
        way = node & 31
        need(way < 18, "an unknown way")
        if way < 16:
            old = recent[way] + new
        elif way == 16:
            old = end_old + gap + bits.signed(c, 2, [0, gap_class, hash2(last_way, gap_class)])
        else:
            old = bits.number(c, 3, [0, size_class(end_old), end_old >> 16])
        way_class = way - 14 if way >= 16 else min(way, 1)
        length = bits.number(c, 4, [0, hash2(way_class, gap_class), hash2(size_class(last_length), way_class)])
        need(length > 0 and 0 <= old <= old_size - length and new <= new_size - length, "a copy outside the files")
        copies.append(Copy(old, new, length))
        del recent[way if way < 16 else 15]
        recent.insert(0, old - new)
        end_old, end_new = old + length, new + length
        last_length, last_gap, last_way = length, gap, way
    return copies


class Map:
    """From old addresses to new ones."""

    def __init__(self, old, new, copies):
        self.old, self.new, kept = old, new, []
        for c in sorted(copies, key=lambda c: (c.old, c.new)):
            c = Copy(c.old, c.new, c.length)
            if kept and c.old < kept[-1].old + kept[-1].length:
                last = kept[-1]
                end = last.old + last.length
                if c.length > last.length:
                    last.length = max(c.old - last.old, 0)
                    if last.length == 0:
                        kept.pop()
                elif c.old + c.length > end:
                    cut = end - c.old
                    c = Copy(end, c.new + cut, c.length - cut)
                else:
                    continue
            kept.append(c)
        self.copies, self.begins = kept, [c.old for c in kept]

    def place(self, old):
        """Where an old place is in the new file, and whether a copy says so."""
        i = bisect_right(self.begins, old)
        after = self.copies[i] if i < len(self.copies) else None
        if i > 0:
            c = self.copies[i - 1]
            into = old - c.old
            if into < c.length:
                return c.new + into, True
            if not (after and after.old - old < into - c.length):
                return c.new + into, False
        if after is None or after.new < after.old - old:
            return None, False
        return after.new - (after.old - old), False

    def address(self, target):
        i = self.old.at_addr(target)
        if i is None:
            return target, False
        s, n = self.old.sections[i], self.new.sections[i]
        into = target - s.addr
        place, sure = self.place(s.off + into) if into < s.size else (None, False)
        if place is not None and n.off <= place < n.off + n.size:
            return n.addr + place - n.off & M64, sure
        if sure:
            address = self.new.addr_of(place)
            if address is not None:
                return address, True
        return n.addr + into & M64, False

    def start(self, addr):
        """Where the base of a table is: the start of a section moves with the section."""
        i = self.old.at_addr(addr)
        if i is not None and self.old.sections[i].addr == addr:
            return self.new.sections[i].addr
        return self.address(addr)[0]


def logs(tier, old, image, fresh):
    def log(n, least, most, cap):
        return min(max(least, min(most, (max(n, 1) - 1).bit_length())), cap)

    learned, flags, lines, matches = tier.logs
    return (
        log(old // 64, 4, 19, learned) if image else 4,
        log(old // (16 if image else 64), 12, 19, flags),
        log(8 * fresh, 10, 18, lines),
        log(old // 2 + fresh, 10, 20, matches),
    )


def memory_needed(tier, old, image, refs, copies, fresh, size):
    known = refs is not None and image.arch is not None
    learned, flags, lines, matches = logs(tier, len(old), known, fresh)
    tables = (8 << learned) + (4 << flags) + (32 << lines) + (4 << matches) + (3 << 20)
    tables += (len(old) // 512 + 2) * 4 + (refs.memory if known else 0)
    return tables + 24 * copies + size + (2 << 20)


def sign(out):
    """Puts the page hashes of a Mach-O code signature where they belong."""
    little, big = (lambda at: get(out, at, 4)), (lambda at: int.from_bytes(out[at : at + 4], "big"))
    if little(0) != 0xFEEDFACF:
        return
    at, start = 32, None
    for _ in range(min(little(16) or 0, 1024)):
        if little(at) is None or little(at + 4) is None:
            return
        if little(at) == 0x1D:
            start = little(at + 8)
            if start is None:
                return
        at += max(little(at + 4), 8)
    inside = lambda p: p + 4 <= len(out)
    if start is None or not inside(start + 8) or big(start) != 0xFADE0CC0:
        return
    for i in range(min(big(start + 8), 16)):
        if not inside(start + 16 + 8 * i):
            return
        directory = start + big(start + 16 + 8 * i)
        if not inside(directory):
            return
        if big(directory) != 0xFADE0C02:
            continue
        if not inside(directory + 36):
            return
        hashes, count, limit = directory + big(directory + 16), big(directory + 28), big(directory + 32)
        size, kind, _, shift = out[directory + 36 : directory + 40]
        if (size, kind) != (32, 2) or not 10 <= shift < 25:
            continue
        if limit <= start <= hashes and hashes + 32 * count <= len(out) and count == -(-limit >> shift):
            for n in range(count):
                page = bytes(out[n << shift : min(limit, n + 1 << shift)])
                out[hashes + 32 * n : hashes + 32 * n + 32] = hashlib.sha256(page).digest()
            return
