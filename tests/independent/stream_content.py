"""The content of the codec `stream`: copies with their references, changed bytes and words, and inserted bytes."""

from stream_fields import *
from stream_literal import Literals, Matches
from stream_model import M32, Bits, hash2

BLOCK, CHUNK = 32, 4096


class Content:
    def __init__(self, tier, old, image, there, refs, map_, order, logs):
        learned, flags, lines, matches = logs
        self.old, self.image, self.there, self.refs, self.map, self.order = old, image, there, refs, map_, order
        self.learned, self.learned_mask = {}, (1 << learned) - 1
        self.flags, self.numbers = Bits(4, tier, flags, 1000), Bits(3, tier, 16, 255)
        self.literals, self.matches = Literals(tier, lines), Matches(matches, old)
        self.words, self.growth = Words(tier), Growth()
        self.history = self.last_jump = self.blocks = 0

    def run(self, c, copies, size):
        out, follow = bytearray(), 0
        for copy in copies:
            self.insert(c, out, copy.new, follow, copy)
            self.copy(c, out, copy)
            follow = copy.old + copy.length
        self.insert(c, out, size, follow, None)
        return out

    def byte(self, at):
        """One of the old file, where it has one."""
        return self.old[at] if 0 <= at < len(self.old) else 0

    def insert(self, c, out, end, follow, copy):
        if len(out) >= end:
            return
        old, start, mode = self.old, len(out), int(self.there.is_code(len(out)))
        m, salt = self.matches, mode << 4
        m.follow(follow)
        while len(out) < end:
            at = len(out)
            m.seek(out)
            expected, trust = m.expected(out)
            if trust > 0 and m.at and m.run >= 16:
                if self.literals.goes_on(c, mode, m.run):
                    out.append(expected)
                    m.learn(out, expected, trust)
                    continue
                trust = 0
            after = follow + at - start
            after = old[after] if after < len(old) else 256
            before = copy.old - (end - at) if copy else -1
            before = old[before] if before >= 0 else 256
            b = [0] + [out[at - k] if at >= k else 0 for k in range(1, 7)]
            tail = b[1] | b[2] << 8 | b[3] << 16 | b[4] << 24
            contexts = [
                hash2(tail & 0xFFFF, 0x202 + salt),
                hash2(before << 9 | (trust > 0) << 8 | expected, 0x707 + salt),
                hash2(tail & 0xFF, 0x101 + salt),
                hash2(tail & 0xFFFFFF, 0x303 + salt),
                hash2(tail, 0x404),
                hash2(hash2(tail, b[5] | b[6] << 8), 0x505),
                hash2(after << 8 | b[1], 0x606 + salt),
            ]
            out.append(self.literals.byte(c, contexts, expected, trust, mode))
            m.learn(out, expected, trust)

    def copy(self, c, out, copy):
        old, length, code = copy.old, copy.length, int(self.there.is_code(len(out)))
        ref, found = self.refs.from_place(old), self.refs.found
        fixed, self.code = set(), code  # Places in the new file that references cover.
        for begin in range(0, length, CHUNK):
            end, base = min(length, begin + CHUNK), copy.new + begin
            out += self.old[old + len(out) - copy.new : old + end]
            missed = [0] * (CHUNK // BLOCK + 1)
            while ref < len(found) and found[ref][0] < old + end:
                at, kind = found[ref]
                ref += 1
                w, place = width(kind), copy.new + at - old
                if at + w > old + length:
                    continue
                # A field across the chunk's end is completed first.
                if len(out) < place + w:
                    out += self.old[old + len(out) - copy.new : at + w]
                hit = self.reference(c, out, at, place, kind)
                if hit is not None:
                    fixed.update(range(place, place + w))
                    missed[(place - base) // BLOCK] |= not hit
            for block in range(begin, end, BLOCK):
                size, blocks = min(end - block, BLOCK), self.blocks
                left = min(length - block, 255) // BLOCK
                contexts = [
                    hash2(blocks & 0xFF, 0x11 + code),
                    hash2(missed[(block - begin) // BLOCK] << 8 | blocks & 15, 0x22 + code),
                    hash2(min(block // BLOCK, 8) * 16 + left, 0x33 + (blocks & 1)),
                    hash2((32 - length.bit_length()) * 64 + (blocks & 0xFF).bit_count(), 0x44 + code),
                ]
                dirty = self.flags.bit(c, contexts, blocks & 7)
                self.blocks = (blocks << 1 | dirty) & M32
                if dirty:
                    self.changed(c, out, copy.new + block, old + block, size, fixed)

    def changed(self, c, out, new, old, size, fixed):
        """Which bytes of a block changed, and to what."""
        salt, run, skip, o = self.code << 6, 0, 0, self.byte
        for i in range(size):
            place, at = new + i, old + i
            if place in fixed or i < skip:
                run = run << 1 & M32
                continue
            words = not self.code and self.order and at % 4 == 0 and i + 4 <= size
            if words and not any(place + k in fixed for k in (1, 2, 3)):
                end = "little" if self.order == 1 else "big"
                word = self.words.code(c, int.from_bytes(out[place : place + 4], end), at)
                if word is not None:
                    out[place : place + 4] = word.to_bytes(4, end)
                    run, skip = 0, i + 4
                    continue
            o0, o1, o2, n1, n2 = o(at), o(at - 1), o(at - 2), *(out[place - k] if place >= k else 0 for k in (1, 2))
            by, trust, slot = self.growth.expected(run)
            contexts = [
                hash2(hash2(run & 0xFF, by), 0x51 + salt),
                hash2(o0 << 16 | o1 << 8 | o2, 0x52 + salt),
                hash2(hash2(o0 << 16 | n1 << 8 | n2, o1), 0x53 + (run & 1)),
                hash2(hash2(o(at + 1) << 16 | o0 << 8 | o1, run & 3), 0x54 + salt),
            ]
            differs = self.flags.bit(c, contexts, 16 + (run & 15))
            run = (run << 1 | differs) & M32
            if not differs:
                continue
            contexts = [
                hash2(o0 << 8 | o1, 0x801 + salt),
                hash2(o0 << 16 | n1 << 8 | n2, 0x802 + salt),
                hash2(n1 << 8 | n2, 0x803 + salt),
                hash2(o0, 0x804 + salt),
                hash2(hash2(o0 << 24 | o(at + 1) << 16 | o1 << 8 | n1, o2), 0x805),
                hash2(o(at + 1) << 16 | n1 << 8 | o(at + 2), 0x806),
                hash2(n1, 0x807 + salt),
            ]
            out[place] = self.literals.byte(c, contexts, o0 + by & 255, trust, 2 + self.code)
            self.growth.learn(slot, out[place] - o0 & 255)

    def reference(self, c, out, at, place, kind):
        """Corrects one field: whether its prediction was right, or nothing if its bytes are plain."""
        old_addr, new_addr = self.image.addr_of(at), self.there.addr_of(place)
        old_addr, new_addr = at if old_addr is None else old_addr, place if new_addr is None else new_addr
        t, now, base = self.refs.target(at, kind, old_addr), raw(out, place, kind), 0
        if kind == RVA32:
            base = self.there.base
        elif kind == LENGTH32:
            base = new_addr - 4 + signed(raw(out, place - 4, SELF32), 32)
        elif kind == BASE32:
            base = self.map.start(self.refs.base_of(at))
        mapped, sure = self.map.address(t)
        was, write = number(kind, now), lambda t: encode(kind, new_addr, t & M64, base, now)
        by_map = write(mapped)
        h = hash2(t & M32, t >> 32)
        slot, key = h & self.learned_mask, (h & 0xFFFFF000 | t << 8 & 0xF00) >> 8
        known_key, shift, trust = self.learned.get(slot, (0, 0, 0))
        local = kind in (REL8, B19, B14, LENGTH32)
        has = not local and trust > 0 and known_key == key
        by_memory = write(t + shift) if has else by_map
        if sure and by_map == was == by_memory and (local or not has or trust > 2) and kind != ABS64:
            return None
        mask, kinds = field_bits(kind, now), kind_class(kind)
        if kind >= B26:
            around = [hash2(self.history & 15, 0x301), hash2(now & M32 & ~mask, 0x302), hash2(self.blocks & 15, 0x303)]
            if self.flags.bit(c, [kinds + 0x300, *around], 40):
                return None
        opcode = self.byte(at - 1) | self.byte(at - 2) << 8
        state = (min(trust, 15) if has else 0) << 3 | (by_map == by_memory) | sure << 1 | (by_memory == was) << 2
        contexts = [
            hash2(state << 8 | kinds, 0x61),
            hash2(t & M32, 0x62),
            hash2(hash2(state, opcode), 0x63),
            hash2(hash2(self.history & 0x3F, state), kinds),
        ]
        miss = self.flags.bit(c, contexts, 64 + state)
        self.history = (self.history << 1 | miss) & M32
        value = self.other(c, kind, by_memory, by_map, was, state, opcode, sure) if miss else by_memory
        if not local:
            assumed = shift if has else mapped - t
            if not miss:
                entry = (key, assumed, min(trust + 1, 255) if has else 1)
            elif has and trust > 3:
                entry = (key, shift, trust // 2)
            else:
                entry = (key, assumed + (signed(value - by_memory, bits(kind)) << unit(kind, now)), 1)
            shift = signed(entry[1], 64)
            self.learned[slot] = (key, shift, entry[2]) if -(1 << 31) <= shift < 1 << 31 else (0, 0, 0)
        out[place : place + width(kind)] = put(kind, now, value).to_bytes(width(kind), "little")
        return not miss

    def other(self, c, kind, by_memory, by_map, was, state, opcode, sure):
        """The number in a field whose prediction failed."""
        kinds, tries = kind_class(kind), 0
        for other in (by_map, was):
            if other == by_memory or tries > 0 and other == by_map:
                continue
            tries += 1
            contexts = [hash2(x, 0x6E + 2 * i + tries) for i, x in enumerate((kinds, state, self.history & 15, opcode), 1)]
            if self.flags.bit(c, contexts, 200 + tries):
                return other
        contexts = [kinds, hash2(self.last_jump & M32, kinds), hash2(opcode, int(sure))]
        self.last_jump = self.numbers.signed(c, 8 + (kinds >> 4), contexts)
        return by_memory + self.last_jump & (1 << bits(kind)) - 1


class Growth:
    """By how much changed bytes are expected to grow."""

    def __init__(self):
        self.last = self.alike = 0
        self.after = {}

    def expected(self, run):
        behind = (run & -run).bit_length() - 1 if run else 15
        slot = hash2(self.last & 0xFFFF | min(behind, 15) << 16, 0x91) >> 16
        by, seen = self.after.get(slot, (0, 0))
        return (by, 15 + seen, slot) if seen else (self.last & 0xFF, 1 + self.alike, slot)

    def learn(self, slot, grown):
        by, seen = self.after.get(slot, (0, 0))
        same = seen > 0 and by == grown
        self.after[slot] = (by, min(seen + 1, 15)) if same else (by, seen // 2) if seen > 1 else (grown, 1)
        self.alike = min(self.alike + 1, 14) if grown == self.last & 0xFF else self.alike // 2
        self.last = (self.last << 8 | grown) & M32


class Words:
    """Words of data: numbers that grew by what others grew by."""

    def __init__(self, tier):
        self.bits, self.close, self.rough, self.recent, self.outcomes = Bits(3, tier, 18, 255), {}, {}, [0] * 4, 0

    def code(self, c, was, at):
        close, rough = hash2(was >> 6, 6) >> 18, hash2(was >> 14, 14) >> 18
        given = [self.close.get(close, 0), self.rough.get(rough, 0), *self.recent]
        # The last candidate is no growth.
        given.append(0)
        top, outcomes, column, rank = hash2(was >> 12, at >> 2 & 1), self.outcomes, at >> 2 & 7, 0
        grown = None
        for i, growth in enumerate(given):
            if growth in given[:i]:
                continue
            contexts = [
                hash2(i | (outcomes & 0xFFF) << 4, 0x81),
                hash2(i, top),
                hash2(i | outcomes >> 4 & 0xFF0 | column << 16, was.bit_length()),
            ]
            if self.bits.bit(c, contexts, 128 + i * 2 + (growth == 0)):
                grown = growth
                break
            rank += 1
        if grown is None:
            if self.bits.bit(c, [outcomes & 0xFFF, top, was.bit_length()], 150):
                self.outcomes = (outcomes << 4 | 15) & M32
                return None
            grown = given[0] + self.bits.signed(c, 3, [0, top, outcomes & 0xF]) & M32
            rank = 14
        self.outcomes = (outcomes << 4 | rank) & M32
        self.close[close] = self.rough[rough] = grown
        del self.recent[self.recent.index(grown) if grown in self.recent else 3]
        self.recent.insert(0, grown)
        return was + grown & M32
