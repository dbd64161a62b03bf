"""A slow reader of bundles, written from docs/bundle-format.md alone.

Usage: reader.py FILE.cup|LAYOUT KEY.pub...
Verifies the ten steps of section 6 (with the policy "one of these keys in role release") and
prints, for each base at hand: name, tree digest before, tree digest after, number of steps.
Needs PyPI's `cryptography` and `zstandard`.
"""

import hashlib
import json
import os
import re
import sys
from base64 import b64decode

import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

V = "application/vnd.cumulate."
INDEX, MANIFEST = ("application/vnd.oci.image.%s.v1+json" % k for k in ("index", "manifest"))
ENVELOPE = "application/vnd.dsse.envelope.v1+json"


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
            node[name] = ("100755" if e.get("exec") else "100644", bytes.fromhex(e["digest"][7:]))

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


def tree_ref(tree):
    return {"tree": tree_digest(tree), "files": len(tree), "bytes": sum(e.get("size", 0) for e in tree.values())}


def document(data, limit):
    out = b""
    while data:
        need(data[:4] == b"\x28\xb5\x2f\xfd", "not a zstd frame")
        size = zstandard.frame_content_size(data)
        need(0 < size <= 4 << 20 and len(out) + size <= limit, "content beyond its limit")
        d = zstandard.ZstdDecompressor().decompressobj()
        chunk = d.decompress(data)
        need(len(chunk) == size and d.eof, "a damaged frame")
        out, data = out + chunk, d.unused_data
    return parse(out)


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


def layers(root_ref, envelopes, root, base):
    kinds = [("graph.v1+zstd", root["graph"])]
    kinds += [(k + ".v1+zstd", base[k]) for k in ("listing", "steps", "provenance")]
    kinds += [("pack.v1", p) for p in base["packs"]]
    out = [{"mediaType": V + "root.v1+json", **root_ref}]
    out += [{"mediaType": ENVELOPE, **e} for e in envelopes]
    return out + [{"mediaType": V + k, **r} for k, r in kinds]


def verify(path, key_files):
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
    manifests = [parse(blob(box, m, 4 << 20)) for m in listed]

    def of(m, media):
        return [{"digest": x["digest"], "size": x["size"]} for x in m["layers"] if x["mediaType"] == media]

    (root_ref,) = of(manifests[0], V + "root.v1+json")
    root_bytes = blob(box, root_ref, 64 << 20)
    root = parse(root_bytes)
    need(root["schema"] == "cumulate.root" and root["format"]["major"] == 1 and root["needs"] == [], "format")
    envelope_refs = sorted(of(manifests[0], ENVELOPE), key=lambda r: r["digest"])
    envelopes = [blob(box, r, 64 << 10) for r in envelope_refs]

    bases, tracks = {}, {t["name"]: t["target"] for t in root["tracks"]}
    for m in manifests:
        config = {"digest": m["config"]["digest"], "size": m["config"]["size"]}
        (named,) = [b for b in root["bases"] if b["manifest"] == config]
        base = parse(blob(box, config, 1 << 20))
        need(base["schema"] == "cumulate.base" and base["format"]["major"] == 1, "format")
        need((base["name"], base["track"]) == (named["name"], named["track"]), "name or track")
        need((base["component"], base["release"]) == (root["component"], root["release"]["version"]), "release")
        need(base["after"] == tracks[base["track"]], "target")
        need([f["id"] for f in base["fixes"]] == [f["id"] for f in root["fixes"]], "fixes")
        wanted = layers(root_ref, envelope_refs, root, base)
        plain = [{k: x[k] for k in ("mediaType", "digest", "size")} for x in m["layers"]]
        need(sorted(map(str, plain)) == sorted(map(str, wanted)), "layers")
        need(base["name"] not in bases, "a base twice")
        bases[base["name"]] = base

    if isinstance(box, Cup):
        # The one form: make every OCI document anew and compare the set of files.
        made, nested = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}, []
        present = [b for b in root["bases"] if b["name"] in bases]
        for b in present:
            doc = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": V + "bundle.v1"}
            doc["config"] = {"mediaType": V + "base.v1+json", **b["manifest"]}
            doc["layers"] = layers(root_ref, envelope_refs, root, bases[b["name"]])
            data = canonical(doc)
            made["blobs/sha256/" + sha(data)[7:]] = data
            nested.append({"mediaType": MANIFEST, **ref(data), "annotations": {"cumulate.base": b["name"]}})
            for x in [doc["config"], *doc["layers"]]:
                made["blobs/sha256/" + x["digest"][7:]] = box.read("blobs/sha256/" + x["digest"][7:])
        data = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": nested})
        made["blobs/sha256/" + sha(data)[7:]] = data
        tag = re.sub("[^A-Za-z0-9._-]", "-", root["release"]["version"])[:128]
        entry = {"mediaType": INDEX, **ref(data), "annotations": {"org.opencontainers.image.ref.name": tag}}
        made["index.json"] = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
        need(made == box.files, "not the one form")

    need(signers(envelopes, root_bytes, root, keys), "no trusted signature")

    limit = (16 << 20) + (16 << 10) * min(root["limits"]["paths"], 4_000_000)
    ids = {f["id"] for f in root["fixes"]}
    graph = document(blob(box, root["graph"], limit), limit)
    need(all({e["fix"], e["needs"]} <= ids for e in graph["edges"]), "graph")
    need(all({p["first"], p["then"]} <= ids for p in graph["order_pairs"]), "graph")
    lines = []
    for name, base in bases.items():
        target = document(blob(box, base["listing"], limit), limit)
        ascending(list(target))
        need(tree_ref(target) == base["after"], "listing")
        provenance = document(blob(box, base["provenance"], limit), limit)["paths"]
        ascending([p["path"] for p in provenance])
        need({f for p in provenance for f in p["fixes"]} <= ids, "provenance")
        packs = [blob(box, p, root["limits"]["blob"]) for p in base["packs"]]
        doc = document(blob(box, base["steps"], limit), limit)
        steps = doc["steps"]
        ascending([s["path"] for s in steps])
        ascending(doc.get("config", []))
        before = dict(target)
        for s in steps:
            need(target.get(s["path"]) == s.get("after") != s.get("before"), "step " + s["path"])
            before.pop(s["path"], None)
            if "before" in s:
                before[s["path"]] = s["before"]
        need(tree_ref(before) == base["before"], "undone steps")
        disk = 0
        for s in steps:
            a, after = s["action"], s.get("after", {})
            do = a["do"]
            if do in ("copy", "delta", "full"):
                need(after["kind"] == "file", "no file")
                disk += after["size"]
            if do == "copy":
                old = before[a["from"]]
                need((old["digest"], old["size"]) == (after["digest"], after["size"]), "copy")
            if do == "delta":
                need(before[a["from"]]["kind"] == "file", "delta")
            if do in ("delta", "full"):
                at = a["at"]
                delta = packs[at["pack"]][at["offset"] : at["offset"] + at["length"]]
                need(0 < len(delta) == at["length"], "slice")
                check_delta(delta, a.get("codec", "full"), after, base["memory"])
            need(do != "delete" or "after" not in s, "delete")
            need(do not in ("link", "folder") or after["kind"] == {"link": "symlink"}.get(do, do), do)
            if do == "mode":
                was = s["before"]
                need((was["digest"], was["size"]) == (after["digest"], after["size"]), "mode")
        distinct = {json.dumps(r) for r in [base["listing"], base["steps"], base["provenance"], *base["packs"]]}
        need(base["download"] == sum(json.loads(r)["size"] for r in distinct), "download")
        need(base["disk"] == disk and base["memory"] <= root["limits"]["memory"], "disk or memory")
        need(max(len(target), len(before)) <= root["limits"]["paths"], "paths")
        need(all(e.get("size", 0) <= root["limits"]["file"] for e in target.values()), "file")
        lines.append(f"{name} {base['before']['tree']} {base['after']['tree']} {len(steps)}")
    return lines


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
        need(ref(payload) == {"digest": after["digest"], "size": after["size"]}, "content")
        need(hashlib.sha256(payload).digest()[:4] == check, "check")


if __name__ == "__main__":
    try:
        print("\n".join(verify(sys.argv[1], sys.argv[2:])))
    except (Refused, KeyError, IndexError, TypeError, ValueError, zstandard.ZstdError, AttributeError) as e:
        sys.exit(f"refused: {type(e).__name__}: {e}")
