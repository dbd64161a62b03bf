"""Verifies DSSE envelopes with securesystemslib and reads the statements by the in-toto page alone.

Usage: verify.py ROOT.json KEY.pub ENVELOPE.dsse.json...
Prints one line for each envelope: role, component, version, sequence.
"""

import hashlib
import json
import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

root, public, *envelopes = sys.argv[1:]
with open(root, "rb") as f:
    subject = hashlib.sha256(f.read()).hexdigest()
with open(public, "rb") as f:
    loaded = load_pem_public_key(f.read())
der = loaded.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
key = SSlibKey.from_crypto(loaded, keyid=hashlib.sha256(der).hexdigest())

for path in envelopes:
    with open(path, "rb") as f:
        text = json.load(f)
    envelope = Envelope.from_dict(json.loads(json.dumps(text)))
    assert list(envelope.verify([key], 1)) == [key.keyid], path
    assert envelope.payload_type == "application/vnd.in-toto+json", path
    statement = json.loads(envelope.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1", path
    assert [s["digest"] for s in statement["subject"]] == [{"sha256": subject}], path
    # One changed byte of the payload must not verify.
    envelope.payload = envelope.payload.replace(b'"release"', b'"reIease"', 1)
    try:
        envelope.verify([key], 1)
    except VerificationError:
        pass
    else:
        sys.exit(f"{path}: a changed payload verifies")
    claim = statement["predicate"]
    print(claim["role"], claim["component"], claim["version"], claim.get("sequence"))
