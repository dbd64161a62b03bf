"""The streams of zip, gzip, tar and universal Mach-O files, written from docs/delta-containers.md."""

from inflating import Inflated
from stream_image import OTHER, parse

ZIP, GZIP = b"PK\3\4", bytes([31, 139, 8])


class Stream:
    """A stream from `at` to `end`; a deflated one has tokens."""

    def __init__(self, at, end, plain, tokens=None):
        self.at, self.end, self.plain, self.tokens = at, end, plain, tokens


def number(file, at, n, order="little"):
    return int.from_bytes(file[at : at + n], order)


def is_tar(file):
    return file[257:262] == b"ustar"


def slices(file):
    """Beginnings and ends of a universal file's slices, or None."""
    count = number(file, 4, 4, "big")
    if file[:4] != b"\xca\xfe\xba\xbe" or not 1 <= count <= 16 or len(file) < 8 + 20 * count:
        return None
    out = sorted((number(file, 16 + 20 * i, 4, "big"), number(file, 20 + 20 * i, 4, "big")) for i in range(count))
    out = [(at, at + size) for at, size in out]
    apart = all(a[1] <= b[0] for a, b in zip(out, out[1:]))
    return out if apart and all(end <= len(file) for _, end in out) else None


def is_container(data):
    return data.startswith((ZIP, GZIP)) or is_tar(data) or slices(data) is not None


def worth(data):
    return len(data) >= 4096 and parse(data).arch != OTHER or len(data) >= 512 and is_container(data)


def streams(file):
    if is_tar(file):
        places = members(file)
    elif (places := slices(file)) is None:
        return list(searched(file))
    return [Stream(at, end, file[at:end]) for at, end in places if worth(file[at:end])]


def members(file):
    at = 0
    while at + 512 <= len(file) and file[at + 257 : at + 262] == b"ustar":
        digits = file[at + 124 : at + 136].lstrip(b" ").replace(b"\0", b" ").split(b" ")[0]
        if not digits or digits.strip(b"01234567"):
            return
        end = at + 512 + int(digits, 8)
        if end > len(file):
            return
        if file[at + 156] in b"0\0":
            yield at + 512, end
        at = -(-end // 512) * 512


def searched(file):
    at, gzip, budget = 0, file.startswith(GZIP), 64 * len(file) + (1 << 20)
    while True:
        start = at if gzip else file.find(ZIP, at)
        if start < 0:
            return
        data = gzip_data(file, start) if gzip else zip_data(file, start)
        was_gzip, gzip, at = gzip, False, start + 4
        if data is None or data >= len(file):
            continue
        if not was_gzip and number(file, start + 8, 2) == 0:
            end = data + number(file, start + 18, 4)
            if end <= len(file) and not file.startswith(ZIP, data) and worth(file[data:end]):
                yield Stream(data, end, file[data:end])
                at = end
            continue
        made = Inflated(file, data, budget)
        budget = max(0, budget - max(1, len(made.plain)))
        if made.end is not None and made.end - data >= 24:
            yield Stream(data, made.end, bytes(made.plain), made.tokens)
            at = made.end
            if was_gzip and file.startswith(GZIP, at + 8):
                at, gzip = at + 8, True


def gzip_data(file, at):
    """Where the data begin, which may be behind the file's end; None if the header is cut off."""
    flags = file[at + 3 : at + 4]
    if not flags:
        return None
    flags, at = flags[0], at + 10
    if flags & 4:
        at += 2 + number(file, at, 2)
    for flag in (8, 16):
        if flags & flag:
            at = file.find(0, at) + 1
            if at == 0:
                return None
    return at + 2 if flags & 2 else at


def zip_data(file, at):
    if number(file, at + 6, 2) & 1 or number(file, at + 8, 2) not in (0, 8):
        return None
    return at + 30 + number(file, at + 26, 2) + number(file, at + 28, 2)
