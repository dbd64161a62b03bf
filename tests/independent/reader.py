"""A slow reader of bundles, written from docs/bundle-format.md alone.

Usage: reader.py FILE.cup|LAYOUT KEY.pub... [--bases DIR]
Verifies the first ten steps of section 6 (with the policy "one of these keys in role release") and
prints, for each base at hand: name, tree digest before, tree digest after, number of steps, digest of its hooks.
With DIR, where each base lies as a folder of its name, all deltas are decoded: how many there are by codec.
Needs PyPI's `cryptography` and `zstandard`.
"""

import hashlib
import json
import os
import re
import sys
from base64 import b64decode

import deltas
import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

V = "application/vnd.cumulate."
INDEX, MANIFEST = ("application/vnd.oci.image.%s.v1+json" % k for k in ("index", "manifest"))
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "../../docs/bundle-dictionary.txt"), "rb") as _f:
    DICTIONARY = zstandard.ZstdCompressionDict(_f.read(), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
CODECS = {"b": "bsdiff", "z": "zstd", "s": "stream", "k": "containers"}
EMPTY = "application/vnd.oci.empty.v1+json"


class Refused(Exception):
    pass


def need(ok, why):
    if not ok:
        raise Refused(why)


def unique(pairs):
    need(len({k for k, _ in pairs}) == len(pairs), "a key stands twice")
    return dict(pairs)


def parse(data):
    return json.loads(data, object_pairs_hook=unique)


def canonical(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


# --- section 2: the containers -------------------------------------------------------------------


def header(name, size):
    h = bytearray(512)

    def put(at, data):
        h[at : at + len(data)] = data

    put(0, name.encode())
    put(100, b"0000644\0")
    put(108, b"0000000\0")
    put(116, b"0000000\0")
    put(124, b"%011o\0" % size if size < 1 << 33 else b"\x80\0\0\0" + size.to_bytes(8, "big"))
    put(136, b"00000000000\0")
    put(148, b" " * 8)
    put(156, b"0")
    put(257, b"ustar\x0000")
    put(329, b"0000000\0")
    put(337, b"0000000\0")
    put(148, b"%06o\0 " % sum(h))
    return bytes(h)


class Cup:
    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        self.data, self.files, at, order = data, {}, 0, []
        while data[at : at + 512] != bytes(512):
            head = data[at : at + 512]
            need(len(head) == 512, "truncated")
            name = head[:100].split(b"\0")[0].decode("ascii")
            size = int.from_bytes(head[128:136], "big") if head[124] == 0x80 else int(head[124:135], 8)
            need(header(name, size) == head, "a header that is not canonical")
            content = data[at + 512 : at + 512 + size]
            pad = -size % 512
            at += 512 + size + pad
            need(len(content) == size and data[at - pad : at] == bytes(pad), "truncated or hidden bytes")
            self.files[name] = content
            order.append(name)
        need(data[at:] == bytes(1024), "it does not end with two zero blocks")
        blobs = order[2:]
        need(order[:2] == ["oci-layout", "index.json"] and blobs == sorted(set(blobs)), "order of entries")

    def read(self, name):
        need(name in self.files, "missing: " + name)
        return self.files[name]


class Layout:
    def __init__(self, path):
        self.path, self.files = path, None

    def read(self, name):
        full = os.path.join(self.path, name)
        need(os.path.isfile(full) and not os.path.islink(full), "missing: " + name)
        with open(full, "rb") as f:
            return f.read()


def blob(box, ref, limit):
    need(0 <= ref["size"] <= limit, "larger than the limit")
    need(re.fullmatch("sha256:[0-9a-f]{64}", ref["digest"]), "digest")
    data = box.read("blobs/sha256/" + ref["digest"][7:])
    need(len(data) == ref["size"] and sha(data) == ref["digest"], "size or digest")
    return data


def ref(data):
    return {"digest": sha(data), "size": len(data)}


# --- sections 1 and 4: trees and documents -------------------------------------------------------


def check_path(p):
    raw = p.encode()
    names = p.split("/")
    need(0 < len(raw) <= 3072 and not re.search(r"[\x00-\x1f\x7f\\]", p), "path " + p)
    need(all(n not in ("", ".", "..") and len(n.encode()) <= 247 for n in names), "path " + p)
    need(names[0].lower() != ".cumulate", "path " + p)


def ascending(paths):
    raw = [p.encode() for p in paths]
    for p in paths:
        check_path(p)
    need(all(a < b for a, b in zip(raw, raw[1:])), "paths out of order")


def tree_digest(tree):
    root = {}
    for path, e in tree.items():
        node = root
        *folders, name = path.split("/")
        for f in folders:
            node = node.setdefault(f, {})
            need(isinstance(node, dict), "below a file: " + path)
        if e["kind"] == "folder":
            need(name not in node, "a declared-empty folder with content")
            node[name] = {}
        elif e["kind"] == "symlink":
            node[name] = ("120000", hashlib.sha256(e["target"].encode()).digest())
        else:
            # A brief digest makes a digest of no tree; only the shape is checked then.
            node[name] = ("100755" if e["exec"] else "100644", e["digest"])

    def digest(node):
        rows = []
        for name, what in node.items():
            raw = name.encode()
            if isinstance(what, dict):
                rows.append((raw + b"/", b"40000 " + raw + b"\0" + digest(what)))
            else:
                rows.append((raw, what[0].encode() + b" " + raw + b"\0" + what[1]))
        body = b"".join(r for _, r in sorted(rows))
        return hashlib.sha256(b"tree %d\0" % len(body) + body).digest()

    return "sha256:" + digest(root).hex()


def fits(tree, ref):
    digest, size = tree_digest(tree), sum(e.get("size", 0) for e in tree.values())
    if any(len(e.get("digest", bytes(32))) < 32 for e in tree.values()):
        return len(tree) == ref["files"] and size <= ref["bytes"]
    return {"tree": digest, "files": len(tree), "bytes": size} == ref


def same_content(a, b):
    n = min(len(a["digest"]), len(b["digest"]))
    return a["digest"][:n] == b["digest"][:n] and a.get("size", b.get("size")) == b.get("size", a.get("size"))


def document(data, limit):
    out = b""
    while data:
        need(data[:4] == b"\x28\xb5\x2f\xfd", "not a zstd frame")
        size = zstandard.frame_content_size(data)
        need(0 < size <= 4 << 20 and len(out) + size <= limit, "content beyond its limit")
        d = zstandard.ZstdDecompressor(dict_data=DICTIONARY).decompressobj()
        chunk = d.decompress(data)
        need(len(chunk) == size and d.eof, "a damaged frame")
        out, data = out + chunk, d.unused_data
    return parse(out)


class Column:
    """Values that are taken one after another, and all of them."""

    def __init__(self, values):
        self.values, self.at = values, 0

    def take(self, n):
        need(self.at + n <= len(self.values), "a column ends early")
        self.at += n
        return self.values[self.at - n : self.at]

    def next(self):
        return self.take(1)[0]

    def end(self):
        need(self.at == len(self.values), "a column says too much")


def digests(data, limit):
    n = int.from_bytes(data[:4], "big")
    need(len(data) >= 4 + n, "it ends before its digests")
    return Column(data[4 : 4 + n]), document(data[4 + n :], limit)


def listing(data, limit, fixes):
    """The rows: path, entry of the target or None, class."""
    plain, c = digests(data, limit)
    need(set(c) <= {"folders", "kinds", "sizes", "links", "short", "classes", "fixes"} and 1 <= c["short"] < 32, "columns")
    kinds, sizes, links = (Column(c.get(k, [])) for k in ("kinds", "sizes", "links"))
    rows, above = [], None
    for folder, names in c["folders"]:
        need(names and (above is None or above < folder.encode()), "folders out of order")
        raw = [n.encode() for n in names]
        need(all(a < b for a, b in zip(raw, raw[1:])) and not any("/" in n for n in names), "names out of order")
        above = folder.encode()
        for name in names:
            path = folder + "/" + name if folder else name
            check_path(path)
            kind = kinds.next()
            need(kind in "-fx.+ld", "kind")
            entry = None
            if kind in "fx":
                entry = {"kind": "file", "digest": plain.take(32), "size": sizes.next(), "exec": kind == "x"}
            if kind in ".+":
                entry = {"kind": "file", "digest": plain.take(c["short"]), "exec": kind == "+"}
            if kind == "l":
                entry = {"kind": "symlink", "target": links.next()}
            if kind == "d":
                entry = {"kind": "folder"}
            rows.append([path, entry, "code"])
    need(len({r[0] for r in rows}) == len(rows), "a path stands twice")
    for column in (plain, kinds, sizes, links):
        column.end()
    for name, numbers in c.get("classes", {}).items():
        need(name in ("config", "volatile", "site") and numbers == sorted(set(numbers)), "classes")
        for n in numbers:
            need(rows[n][2] == "code", "two classes")
            rows[n][2] = name
    touched = c.get("fixes", [])
    need([n for n, _ in touched] == sorted({n for n, _ in touched}), "fixes")
    need(all(0 <= n < len(rows) and by and all(0 <= f < fixes for f in by) for n, by in touched), "fixes")
    return rows


def steps_of(plain, c, rows):
    need(set(c) <= {"skip", "does", "had", "links", "from", "at"}, "columns")
    does, had, links, old, at = (Column(c.get(k, [])) for k in ("does", "had", "links", "from", "at"))
    n, ends, steps = -1, {}, []
    for skip in c["skip"]:
        need(skip >= 0, "skip")
        n += skip + 1
        path, after, kind = rows[n]
        do, was = does.next(), had.next()
        need(do in "cbzskf-lmd" and was in "-fxld", "does or had")
        step = {"path": path, "do": do, "after": after, "before": None}
        if do in "cbzsk":
            row = n + old.next()
            need(0 <= row < len(rows), "from")
            step["from"] = rows[row][0]
        if do in "bzskf":
            pack, gap, length = at.next()
            offset = ends.get(pack, 0) + gap
            need(offset >= 0, "offset")
            ends[pack] = offset + length
            step["at"] = (pack, offset, length)
        if was in "fx":
            if do == "m":
                need(after and after["kind"] == "file", "mode")
                step["before"] = {**after, "exec": was == "x"}
            elif kind == "config":
                whole, size = plain.take(32), int.from_bytes(plain.take(8), "big")
                step["before"] = {"kind": "file", "digest": whole, "size": size, "exec": was == "x"}
            else:
                step["before"] = {"kind": "file", "digest": plain.take(8), "exec": was == "x"}
        if was == "l":
            step["before"] = {"kind": "symlink", "target": links.next()}
        if was == "d":
            step["before"] = {"kind": "folder"}
        steps.append(step)
    for column in (plain, does, had, links, old, at):
        column.end()
    return steps


HOOK = ("id", "when", "run", "undo", "timeout", "irreversible")


def hooks_digest(base, root):
    """The commands of section 3.2, and what vetting is bound to (section 5)."""
    hooks, fixes = base.get("hooks", []), {f["id"] for f in root["fixes"]}
    need(not hooks or "hooks" in root["needs"], "hooks that the root manifest does not need")
    need(len(hooks) <= 256 and len({h["id"] for h in hooks}) == len(hooks), "hooks")
    for h in hooks:
        need(set(h) <= set(HOOK) and h["when"] in ("before", "after", "health"), "hook")
        if h["when"] == "health":
            need(h["id"] == "health", "hook " + h["id"])
        else:
            need("#" in h["id"] and h["id"].rsplit("#", 1)[0] in fixes, "hook " + h["id"])
        for words in (h["run"], h.get("undo", [])):
            need(type(words) is list and len(words) <= 64, "hook " + h["id"])
            need(all(type(w) is str and len(w.encode()) <= 4096 and "\0" not in w for w in words), "hook " + h["id"])
        need(h["run"] and h["run"][0], "hook " + h["id"])
        need(type(h["timeout"]) is int and 1 <= h["timeout"] <= 86400, "hook " + h["id"])
        need(type(h.get("irreversible", False)) is bool, "hook " + h["id"])
    return sha(canonical([{k: h[k] for k in HOOK if h.get(k)} for h in hooks]))


# --- section 5: signatures -----------------------------------------------------------------------


def signers(envelopes, root_bytes, root, keys):
    found = set()
    for data in envelopes:
        e = parse(data)
        payload = b64decode(e["payload"], validate=True)
        kind = e["payloadType"].encode()
        message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
        for s in e["signatures"]:
            if s["keyid"] not in keys:
                continue
            try:
                keys[s["keyid"]].verify(b64decode(s["sig"], validate=True), message)
            except InvalidSignature:
                continue
            st = parse(payload)
            want = {"role": "release", "component": root["component"], **root["release"]}
            want.pop("created", None)
            want.pop("best_before", None)
            if (
                e["payloadType"] == "application/vnd.in-toto+json"
                and st["_type"] == "https://in-toto.io/Statement/v1"
                and st["predicateType"] == "urn:cumulate:release-signature:1"
                and [x["digest"].get("sha256") for x in st["subject"]] == [hashlib.sha256(root_bytes).hexdigest()]
                and st["predicate"] == want
            ):
                found.add(s["keyid"])
    return found


# --- section 6 -----------------------------------------------------------------------------------


def layers(envelopes, own, base):
    out = [{"mediaType": ENVELOPE, **e} for e in envelopes]
    out += [{"mediaType": V + "base.v2+zstd", **own}, {"mediaType": V + "listing.v2+zstd", **base["listing"]}]
    return out + [{"mediaType": V + "pack.v1", **p} for p in base["packs"]]


def verify(path, key_files, folder=None):
    keys = {}
    for k in key_files:
        with open(k, "rb") as f:
            key = load_pem_public_key(f.read())
        need(isinstance(key, Ed25519PublicKey), "not an Ed25519 key")
        keys[hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()] = key

    box = Layout(path) if os.path.isdir(path) else Cup(path)
    need(parse(box.read("oci-layout")) == {"imageLayoutVersion": "1.0.0"}, "oci-layout")
    index = parse(box.read("index.json"))
    need(len(index["manifests"]) == 1, "entries of index.json")
    top = index["manifests"][0]
    listed = parse(blob(box, top, 4 << 20))["manifests"] if top["mediaType"] == INDEX else [top]
    need(listed and all(m["mediaType"] == MANIFEST for m in listed), "manifests")

    def of(m, media):
        return [{"digest": x["digest"], "size": x["size"]} for x in m["layers"] if x["mediaType"] == media]

    manifests = [parse(blob(box, m, 4 << 20)) for m in listed]
    apart = [m for m in manifests if m["config"]["mediaType"] == EMPTY]
    manifests = [m for m in manifests if m not in apart]
    need(len(apart) <= 1 and all(m.get("artifactType") == V + "attestations.v1" for m in apart), "attestations")
    statements = sorted((r for m in apart for r in of(m, ENVELOPE)), key=lambda r: r["digest"])
    need(len(statements) <= 16 and all(len(m["layers"]) == len(statements) > 0 for m in apart), "attestations")
    need(all(m["config"] == {"mediaType": EMPTY, **ref(b"{}")} for m in apart) and manifests, "attestations")
    need(len({r["digest"] for r in statements}) == len(statements), "attestations")
    for r in statements:
        blob(box, r, 1 << 20)

    root_ref = {k: manifests[0]["config"][k] for k in ("digest", "size")}
    root_bytes = blob(box, root_ref, 4 << 20)
    root = document(root_bytes, 64 << 20)
    need(root["schema"] == "cumulate.root" and root["format"]["major"] == 2 and set(root["needs"]) <= {"hooks"}, "format")
    limit = (16 << 20) + (16 << 10) * min(root["limits"]["paths"], 4_000_000)
    envelope_refs = sorted(of(manifests[0], ENVELOPE), key=lambda r: r["digest"])
    envelopes = [blob(box, r, 64 << 10) for r in envelope_refs]

    bases, old, hooks, tracks = {}, {}, {}, {t["name"]: t["target"] for t in root["tracks"]}
    for m in manifests:
        need(m["config"] == {"mediaType": V + "root.v2+zstd", **root_ref}, "config")
        (own,) = of(m, V + "base.v2+zstd")
        (named,) = [b for b in root["bases"] if b["manifest"] == own]
        plain, base = digests(blob(box, own, limit), limit)
        need(base["schema"] == "cumulate.base" and base["format"]["major"] == 2, "format")
        need((base["name"], base["track"]) == (named["name"], named["track"]), "name or track")
        need((base["component"], base["release"]) == (root["component"], root["release"]["version"]), "release")
        need(base["after"] == tracks[base["track"]], "target")
        need(len(base["fixes"]) == len(root["fixes"]) and set(base["fixes"]) <= set("acpu"), "fixes")
        reasons = [n for n, _ in base.get("reasons", [])]
        need(reasons == sorted(set(reasons)) and all(0 <= n < len(root["fixes"]) for n in reasons), "reasons")
        wanted = layers(envelope_refs, own, base)
        have = [{k: x[k] for k in ("mediaType", "digest", "size")} for x in m["layers"]]
        need(sorted(map(str, have)) == sorted(map(str, wanted)), "layers")
        hooks[base["name"]] = hooks_digest(base, root)
        need(base["name"] not in bases, "a base twice")
        bases[base["name"]], old[base["name"]] = base, plain

    if isinstance(box, Cup):
        # The one form: make every OCI document anew and compare the set of files.
        made, nested = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}, []
        present = [b for b in root["bases"] if b["name"] in bases]
        for b in present:
            doc = {"schemaVersion": 2, "mediaType": MANIFEST}
            doc["config"] = {"mediaType": V + "root.v2+zstd", **root_ref}
            doc["layers"] = layers(envelope_refs, b["manifest"], bases[b["name"]])
            data = canonical(doc)
            made["blobs/sha256/" + sha(data)[7:]] = data
            nested.append({"mediaType": MANIFEST, **ref(data), "annotations": {"cumulate.base": b["name"]}})
            for x in [doc["config"], *doc["layers"]]:
                made["blobs/sha256/" + x["digest"][7:]] = box.read("blobs/sha256/" + x["digest"][7:])
        if statements:
            doc = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": V + "attestations.v1"}
            doc["config"] = {"mediaType": EMPTY, **ref(b"{}")}
            doc["layers"] = [{"mediaType": ENVELOPE, **r} for r in statements]
            data = canonical(doc)
            made["blobs/sha256/" + sha(data)[7:]] = data
            nested.append({"mediaType": MANIFEST, **ref(data)})
            for x in [doc["config"], *doc["layers"]]:
                made["blobs/sha256/" + x["digest"][7:]] = box.read("blobs/sha256/" + x["digest"][7:])
        data = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": nested})
        made["blobs/sha256/" + sha(data)[7:]] = data
        tag = re.sub("[^A-Za-z0-9._-]", "-", root["release"]["version"])[:128]
        entry = {"mediaType": INDEX, **ref(data), "annotations": {"org.opencontainers.image.ref.name": tag}}
        made["index.json"] = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
        need(made == box.files, "not the one form")

    need(signers(envelopes, root_bytes, root, keys), "no trusted signature")

    ids = {f["id"] for f in root["fixes"]}
    need(all({e["fix"], e["needs"]} <= ids for e in root["graph"]["edges"]), "graph")
    need(all({p["first"], p["then"]} <= ids for p in root["graph"]["order_pairs"]), "graph")
    need(all({m["fix"], *m["with"]} <= ids for m in root["graph"].get("merges", [])), "graph")
    lines, decoded = [], {}
    for name, base in bases.items():
        rows = listing(blob(box, base["listing"], limit), limit, len(root["fixes"]))
        target = {path: entry for path, entry, _ in rows if entry}
        need(fits(target, base["after"]), "listing")
        packs = [blob(box, p, root["limits"]["blob"]) for p in base["packs"]]
        steps = steps_of(old[name], base["steps"], rows)
        before = dict(target)
        for s in steps:
            was, after = s["before"], s["after"]
            need(was != after, "step " + s["path"])
            if was and after and was["kind"] == after["kind"] == "file":
                need(was["exec"] != after["exec"] or not same_content(was, after), "step " + s["path"])
            before.pop(s["path"], None)
            if was:
                before[s["path"]] = was
        need(fits(before, base["before"]), "undone steps")
        disk = 0
        for s in steps:
            do, after = s["do"], s["after"] or {"kind": "nothing"}
            if do in "cbzskf":
                need(after["kind"] == "file", "no file")
                disk += after["size"]
            if do == "c":
                need(same_content(before[s["from"]], after), "copy")
            if do in CODECS:
                need(before[s["from"]]["kind"] == "file", "delta")
            if "at" in s:
                pack, offset, length = s["at"]
                delta = packs[pack][offset : offset + length]
                need(0 < len(delta) == length, "slice")
                check_delta(delta, CODECS.get(do, "full"), after, base["memory"])
                if folder:
                    made = deltas.decode(delta, old_file(folder, name, s))
                    need(hashlib.sha256(made).digest() == after["digest"], "decoded")
                    codec = CODECS.get(do, "full")
                    decoded[codec] = decoded.get(codec, 0) + 1
            need(after["kind"] == {"-": "nothing", "l": "symlink", "d": "folder", "m": "file"}.get(do, "file"), do)
            need(do != "m" or s["before"]["kind"] == "file", "mode")
        distinct = {json.dumps(r) for r in [base["listing"], *base["packs"]]}
        need(base["download"] == sum(json.loads(r)["size"] for r in distinct), "download")
        need(base["disk"] == disk and base["memory"] <= root["limits"]["memory"], "disk or memory")
        need(max(len(target), len(before)) <= root["limits"]["paths"], "paths")
        need(all(e.get("size", 0) <= root["limits"]["file"] for e in target.values()), "file")
        lines.append(f"{name} {base['before']['tree']} {base['after']['tree']} {len(steps)} {hooks[name]}")
    if folder:
        lines += [f"decoded {codec} {decoded[codec]}" for codec in sorted(decoded)]
    return lines


def old_file(folder, base, step):
    """What the delta starts from, as the step says."""
    if "from" not in step:
        return b""
    with open(os.path.join(folder, base, step["from"]), "rb") as f:
        return f.read()


def varint(delta, at):
    value = shift = 0
    while True:
        byte = delta[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def check_delta(delta, codec, after, memory):
    """The header that docs/delta-format.md specifies; `full` is decoded as well."""
    need(delta[0] >> 4 == 1, "delta version")
    low, at = delta[0] & 15, 1
    need({0: "full", 1: "full", 2: "bsdiff", 3: "zstd", 4: "stream", 5: "containers"}.get(low) == codec, "codec")
    size, at = varint(delta, at)
    beyond = 0 if low == 0 else 393216
    if codec in ("bsdiff", "stream", "containers"):
        kib, at = varint(delta, at)
        beyond = kib * 1024
    need(size == after["size"] and size + beyond <= memory, "the delta's stated size or memory")
    if codec == "full":
        check, payload = delta[at : at + 4], delta[at + 4 :]
        if low == 1:
            frame = payload if len(payload) >= 65536 else b"\x28\xb5\x2f\xfd" + payload
            payload = zstandard.ZstdDecompressor().decompress(frame, max_output_size=size)
        need((hashlib.sha256(payload).digest(), len(payload)) == (after["digest"], after["size"]), "content")
        need(hashlib.sha256(payload).digest()[:4] == check, "check")


if __name__ == "__main__":
    try:
        args = sys.argv[1:]
        bases = args.pop(args.index("--bases") + 1) if "--bases" in args else None
        print("\n".join(verify(args[0], [a for a in args[1:] if a != "--bases"], bases)))
    except (Refused, KeyError, IndexError, TypeError, ValueError, zstandard.ZstdError, AttributeError) as e:
        sys.exit(f"refused: {type(e).__name__}: {e}")
