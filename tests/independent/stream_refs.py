"""Where the old file's references are (docs/delta-stream.md)."""

from bisect import bisect_left, bisect_right

from stream_fields import *
from stream_image import *
from stream_x86 import instruction

BLOCK, PAIR = 512, 12


class Refs:
    """`found`: the place and kind of each field, in order of place."""

    def __init__(self, f, image):
        self.f, self.image, self.found, self.tables, self.memory = f, image, [], [], 0
        if image.arch is OTHER:
            return
        parts, done = [], 0
        for s in sorted((s for s in image.sections if s.size > 0), key=lambda s: s.off):
            if s.off >= done:
                parts.append(s)
                done = s.off + s.size
        code, jumps = {}, set()
        for s in parts:
            if s.kind == CODE and image.arch in (X64, X86):
                code[s.off] = self.x86(s, jumps)
            if s.kind == EH_FRAME_HDR and s.size > 12:
                self.tables.append((s.off, s.size // 4, s.addr))
        self.jump_tables(sorted(jumps))
        self.starts = [at for at, _, _ in self.tables]
        for s in parts:
            if s.off in code:
                self.found += code[s.off]
            else:
                self.section(s)
        self.places = [at for at, _ in self.found]
        self.memory += 32 * len(self.tables) + 8 * 8 * BLOCK

    def from_place(self, place):
        """The index of the first field at a place or behind it."""
        return bisect_left(self.places, place) if self.found else 0

    def base_of(self, at):
        i = bisect_right(self.starts, at) - 1
        return self.tables[i][2] if i >= 0 else 0

    def target(self, at, kind, addr):
        base = self.image.base if kind == RVA32 else self.base_of(at) if kind == BASE32 else 0
        return target(self.f, at, kind, addr, base)

    def section(self, s):
        arch, begin, end = self.image.arch, s.off, s.off + s.size
        narrow = arch in (X86, ARM)
        if s.kind == CODE:
            {ARM64: self.arm64, ARM: self.arm, RISCV: self.riscv}[arch](s, begin, end)
        elif s.kind == DATA:
            self.pointers4(begin, end) if narrow else self.pointers(begin, end)
        elif s.kind == REL and narrow:
            self.rows(begin, end, 8, (0, ABS32))
        elif s.kind == SYMBOLS:
            self.rows(begin, end, *((16, (4, ABS32)) if narrow else (24, (8, ABS64))))
        elif s.kind == RELA:
            self.rows(begin, end, *((12, (0, ABS32), (8, ABS32)) if narrow else (24, (0, ABS64), (16, ABS64))))
        elif s.kind == PDATA:
            self.rows(begin, end, 4, (0, RVA32))
        elif s.kind == EH_FRAME:
            self.frames(begin, end)
        elif s.kind == EH_FRAME_HDR and s.size > 12:
            self.found.append((begin + 4, SELF32))
            self.rows(begin + 12, end, 4, (0, BASE32))

    def rows(self, at, end, stride, *fields):
        while at + stride <= end:
            self.found += [(at + k, kind) for k, kind in fields]
            at += stride

    def x86(self, s, jumps):
        image, wide, found = self.image, self.image.arch == X64, []
        code, at = self.f[s.off : s.off + s.size], 0
        absolute = not wide or image.base == 0 and image.low
        least = 0x100000 if wide else 0x10000
        while at < len(code):
            length, kind, field = instruction(code, at, wide)
            if kind == "rel8":
                found.append((s.off + at + field, REL8))
            elif kind == "rel32":
                tail = length - field - 4
                t = s.addr + at + length + int.from_bytes(code[at + field : at + field + 4], "little", signed=True) & M64
                lea = wide and field >= 2 and code[at + field - 2] == 0x8D and tail == 0
                if lea and self.leads_into_code(t, 2) == 2:
                    jumps.add(t)
                if tail <= 4 and image.at_addr(t) is not None:
                    found.append((s.off + at + field, REL32 + tail))
            elif kind == "abs32" and absolute:
                v = get(code, at + field, 4)
                if v >= least and image.at_addr(v) is not None:
                    found.append((s.off + at + field, ABS32))
            last, at = at, at + length
        self.memory += 4 * (last // BLOCK + 1) + 2 * len(found)
        return found

    def leads_into_code(self, base, most):
        """How many of the words at `base` lead into code when they are added to it."""
        i = self.image.at_addr(base) if base % 4 == 0 else None
        if i is None or self.image.sections[i].kind != DATA:
            return 0
        s, count = self.image.sections[i], 0
        start = base - s.addr
        for w in range(min(max(s.size - start, 0) // 4, most)):
            v = get(self.f, s.off + start + 4 * w, 4)
            if v is None or not self.image.code_at(base + signed(v, 32) & M64):
                break
            count += 1
        return count

    def jump_tables(self, jumps):
        for base, after in zip(jumps, jumps[1:] + [M64]):
            count = self.leads_into_code(base, (after - base) // 4)
            if count >= 2:
                s = self.image.sections[self.image.at_addr(base)]
                self.tables.append((s.off + base - s.addr, count, base))
        self.tables.sort(key=lambda t: t[0])

    def entries(self, begin, end):
        """The places of entries of tables that begin in a range; a table ends where another begins."""
        i = max(bisect_right(self.starts, begin) - 1, 0)
        for at, count, _ in self.tables[i:]:
            i += 1
            if at >= end:
                return
            stop = min(end, at + 4 * count, self.starts[i] if i < len(self.starts) else end)
            yield from range(at + -(-max(begin - at, 0) // 4) * 4, stop, 4)

    def pointers(self, begin, end):
        image, entries = self.image, list(self.entries(begin - 3, end))
        found = [(at, BASE32) for at in entries if begin <= at < end - 3]

        def free(at, n):
            i = bisect_left(entries, at - 3)
            return i == len(entries) or entries[i] >= at + n

        for at in range(begin + -begin % 8, end - 7, 8):
            v = get(self.f, at, 8)
            if v >= 0x1000 and image.at_addr(v) is not None:
                if free(at, 8):
                    found.append((at, ABS64))
            elif image.base:
                for half, v in ((at, v & M32), (at + 4, v >> 32)):
                    if v >= 0x1000 and image.code_at(image.base + v & M64) and free(half, 4):
                        found.append((half, RVA32))
        self.found += sorted(found)

    def pointers4(self, begin, end):
        for at in range(begin + -begin % 4, end - 3, 4):
            v = get(self.f, at, 4)
            if v >= 0x1000 and self.image.at_addr(v) is not None:
                self.found.append((at, ABS32))

    def frames(self, at, end):
        begin = last = at
        while at + 12 <= end:
            last, length = at, get(self.f, at, 4)
            if not (0 < length < 0xFFFFFFF0 and length <= end - at - 4):
                break
            if get(self.f, at + 4, 4) != 0 and length >= 12:
                self.found += [(at + 4, BACK32), (at + 8, SELF32), (at + 12, LENGTH32)]
                if length >= 17 and self.f[at + 16] == 4:
                    self.found.append((at + 17, SELF32))
            at += 4 + length
        # The bytes behind the last record count as one more.
        last = at if at < end else last
        self.memory += 4 * ((last - begin) // BLOCK + 1)

    def arm(self, s, begin, end):
        for at in range(begin, end - 3, 4):
            w = get(self.f, at, 4)
            if w & 0x0E000000 == 0x0A000000 and w >> 28 != 15:
                self.found.append((at, B24))
            elif w >= 0x10000 and s.addr > 0 and self.image.at_addr(w) is not None:
                self.found.append((at, ABS32))

    def riscv(self, s, begin, end):
        at = last = begin
        word = lambda p: get(self.f, p, 4) if p + 4 <= end else None
        while at < end:
            last, length = at, 4 if self.f[at] & 3 == 3 else 2
            w, after = (word(at) or 0 if length == 4 else 0), word(at + 4)
            if w & 0x7F == 0x6F:
                self.found.append((at, J20))
            elif w & 0x7F == 0x17 and after is not None:
                uses = after & 0x7F in (0x03, 0x07, 0x13, 0x1B, 0x23, 0x27, 0x67)
                if uses and after >> 15 & 31 == w >> 7 & 31:
                    self.found += [(at, HIGH20), (at + 4, LOW12)]
            at += length
        self.memory += 4 * ((last - begin) // BLOCK + 1)

    def arm64(self, s, begin, end):
        low = {}
        for at in range(begin, end, 4):
            w = get(self.f, at, 4)
            if w is None:
                break
            if at in low:
                self.found.append((at, LOW | low.pop(at)))
            elif w & 0x7C000000 == 0x14000000:
                self.found.append((at, B26))
            elif w & 0xFF000010 == 0x54000000 or w & 0x7E000000 == 0x34000000 or w & 0x3B000000 == 0x18000000:
                self.found.append((at, B19))
            elif w & 0x7E000000 == 0x36000000:
                self.found.append((at, B14))
            elif w & 0x9F000000 == 0x10000000:
                self.found.append((at, ADR))
            elif w & 0x9F000000 == 0x90000000:
                self.found.append((at, PAGE | self.low_bits(at, w, end, low)))

    def low_bits(self, at, w, end, low):
        """How many instructions behind a page its low bits stand."""
        for d in range(1, PAIR + 1):
            after = get(self.f, at + 4 * d, 4) if at + 4 * d < end else None
            if after is None:
                return 0
            if low_scale(after) is not None and after >> 5 & 31 == w & 31:
                low.setdefault(at + 4 * d, d)
                return d
            if after & 31 == w & 31 and after & 0x9F000000 == 0x90000000:
                return 0
        return 0
