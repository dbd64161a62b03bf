"""The sections of executables, as docs/delta-stream.md reads them."""

from bisect import bisect_right

from stream_model import M64

CODE, DATA, RELA, REL, SYMBOLS, EH_FRAME, EH_FRAME_HDR, PDATA, PLAIN = range(9)
X64, ARM64, X86, ARM, RISCV, OTHER = "x64", "arm64", "x86", "arm", "riscv", None
MAX_SECTIONS = 4096


class Cut(Exception):
    """A header ends early: the file is none of this kind."""


def get(f, at, n):
    """A little-endian number, or nothing where the file ends."""
    return int.from_bytes(f[at : at + n], "little") if 0 <= at and at + n <= len(f) else None


def must(f, at, n):
    v = get(f, at, n)
    if v is None:
        raise Cut
    return v


class Section:
    def __init__(self, addr, mem, off, size, kind):
        self.addr, self.mem, self.off, self.size, self.kind = addr, mem, off, size, kind


class Image:
    def __init__(self, arch, base, sections):
        self.arch, self.base, self.sections = arch, base, sections
        self.by_addr = sorted((s.addr, i) for i, s in enumerate(sections) if s.mem > 0)
        self.by_off = sorted((s.off, i) for i, s in enumerate(sections) if s.size > 0)
        self.low = all(s.addr >= 0x10000 for s in sections if s.mem > 0)

    def at_addr(self, addr):
        """The index of the section that holds an address."""
        i = bisect_right(self.by_addr, (addr, len(self.sections))) - 1
        if i < 0:
            return None
        i = self.by_addr[i][1]
        return i if addr - self.sections[i].addr < self.sections[i].mem else None

    def at_off(self, off):
        i = bisect_right(self.by_off, (off, len(self.sections))) - 1
        if i < 0:
            return None
        i = self.by_off[i][1]
        return i if off - self.sections[i].off < self.sections[i].size else None

    def addr_of(self, off):
        i = self.at_off(off)
        if i is None or self.sections[i].mem == 0:
            return None
        return self.sections[i].addr + off - self.sections[i].off

    def is_code(self, off):
        i = self.at_off(off)
        return i is not None and self.sections[i].kind == CODE

    def code_at(self, addr):
        i = self.at_addr(addr)
        return i is not None and self.sections[i].kind == CODE


def parse(f):
    for form in (elf, pe, macho, bare):
        try:
            found = form(f)
        except Cut:
            found = None
        if found:
            arch, base, sections = found
            inside = [s for s in sections if s.addr + s.mem < 1 << 62 and s.off + s.size <= len(f)]
            return Image(arch, base, inside)
    return Image(OTHER, 0, [])


def kind_of(name, loaded, code):
    if code:
        return CODE
    special = {b".eh_frame": EH_FRAME, b"__eh_frame": EH_FRAME, b".eh_frame_hdr": EH_FRAME_HDR, b".pdata": PDATA}
    return special.get(name, DATA if loaded else PLAIN)


def elf(f):
    if f[:6] not in (b"\x7fELF\x02\x01", b"\x7fELF\x01\x01"):
        return None
    wide = f[4] == 2
    n = 8 if wide else 4
    machines = {62: X64, 183: ARM64, 243: RISCV} if wide else {3: X86, 40: ARM}
    arch = machines.get(must(f, 18, 2))
    if arch is None:
        return None
    row, table = (64, must(f, 40, 8)) if wide else (40, must(f, 32, 4))
    counts = 60 if wide else 48
    count, names = must(f, counts, 2), must(f, counts + 2, 2)
    strings = get(f, table + names * row + (24 if wide else 16), n) or 0
    sections = []
    for i in range(min(count, MAX_SECTIONS)):
        h = table + i * row
        if h + row > M64:
            raise Cut
        if h + row > len(f):
            break
        kind, flags = must(f, h + 4, 4), must(f, h + 8, n)
        addr, off, size = (must(f, h + (16 if wide else 12) + k * n, n) for k in range(3))
        at = strings + must(f, h, 4)
        if at > M64:
            raise Cut
        name = f[at : at + 64]
        name = name[: max(name.find(b"\0"), 0)]
        loaded = flags & 2 != 0 and (flags & 0x400 == 0 or kind != 8)
        if kind == 0 or size == 0:
            continue
        what = {4: RELA, 9: REL, 2: SYMBOLS, 11: SYMBOLS}.get(kind) or kind_of(name, loaded, flags & 4 != 0)
        in_file = (0, 0) if kind == 8 else (off, size)
        sections.append(Section(addr, size if loaded else 0, *in_file, what))
    return arch, 0, sections


def pe(f):
    if f[:2] != b"MZ":
        return None
    h = must(f, 60, 4)
    if f[h : h + 4] != b"PE\0\0":
        return None
    arch = {0x8664: X64, 0xAA64: ARM64, 0x14C: X86}.get(must(f, h + 4, 2))
    if arch is None:
        return None
    count, optional = must(f, h + 6, 2), must(f, h + 20, 2)
    base = must(f, h + 24 + 28, 4) if arch == X86 else must(f, h + 24 + 24, 8)
    base &= (1 << 61) - 1
    sections = []
    for i in range(min(count, MAX_SECTIONS)):
        s = h + 24 + optional + i * 40
        if s + 8 > len(f):
            break
        name = f[s : s + 8].split(b"\0")[0]
        mem, addr = must(f, s + 8, 4), base + must(f, s + 12, 4)
        size, off = must(f, s + 16, 4), must(f, s + 20, 4)
        kind = kind_of(name, True, must(f, s + 36, 4) & 0x20000000 != 0)
        sections.append(Section(addr, max(mem, 1), off, size, kind))
    return arch, base, sections


def macho(f):
    if must(f, 0, 4) != 0xFEEDFACF:
        return None
    arch = {0x01000007: X64, 0x0100000C: ARM64}.get(must(f, 4, 4))
    if arch is None:
        return None
    sections, at = [], 32
    for _ in range(min(must(f, 16, 4), 1024)):
        command, length = get(f, at, 4), get(f, at + 4, 4)
        if command is None or length is None:
            break
        if command == 0x19:
            for i in range(min(get(f, at + 64, 4) or 0, 256)):
                s = at + 72 + i * 80
                flags = get(f, s + 64, 4)
                if flags is None:
                    break
                name = f[s : s + 16].split(b"\0")[0]
                addr, mem, off = must(f, s + 32, 8), must(f, s + 40, 8), must(f, s + 48, 4)
                size = 0 if flags & 0xFF in (1, 0xC, 0x12) else mem
                sections.append(Section(addr, mem, off, size, kind_of(name, True, flags & 0x80000000 != 0)))
        at += max(length, 8)
        if len(sections) > MAX_SECTIONS:
            break
    return arch, 0, sections


def bare(f):
    """Code without a header."""
    if len(f) < 1 << 14:
        return None
    words, arm, arm64 = len(f) // 4, 0, 0
    for i in range(words):
        top = f[4 * i + 3]
        if top == 0xEB:
            d = int.from_bytes(f[4 * i : 4 * i + 3], "little", signed=True)
            arm += 0 <= i + 2 + d < words
        if top >> 2 == 0x25:
            d = int.from_bytes(f[4 * i : 4 * i + 4], "little") & 0x3FFFFFF
            d -= (d >> 25) << 26
            arm64 += 0 <= i + d < words
    if max(arm, arm64) * 100 < words:
        return None
    return ARM if arm >= arm64 else ARM64, 0, [Section(0, len(f), 0, len(f), CODE)]
