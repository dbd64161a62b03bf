"""Reads our attestations and test results with other people's libraries alone.

Usage: attest.py ROOT.json.zst KEY.pub ENVELOPE...
Every envelope is verified by securesystemslib, its statement by in-toto-attestation (the protobuf definitions, in which an
unknown field is an error), its predicate by the type it has: SLSA provenance and test results by in-toto's definitions,
CycloneDX by its JSON schema. Prints one line for each.
"""

import hashlib
import json
import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
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
        envelope = Envelope.from_dict(json.load(f))
    assert list(envelope.verify([key], 1)) == [key.keyid], path
    assert envelope.payload_type == "application/vnd.in-toto+json", path
    statement = json.loads(envelope.payload)
    read = Statement([], "", {})
    ParseDict(statement, read.pb)
    read.validate()
    kind, predicate = statement["predicateType"], statement["predicate"]
    if kind == "https://slsa.dev/provenance/v1":
        slsa = ParseDict(predicate, Provenance())
        names = {d.name for d in slsa.build_definition.resolved_dependencies}
        assert {"cumulate.toml", "fixes", "base 1.0.0"} <= names, names
        assert slsa.run_details.builder.id == f"urn:cumulate:key:{key.keyid}"
        assert statement["subject"][0]["digest"] == {"sha256": subject}
        print("slsa", len(slsa.build_definition.resolved_dependencies))
    elif kind == "https://cyclonedx.org/bom":
        fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(predicate))
        assert fault is None, fault
        assert statement["subject"][0]["digest"] == {"sha256": subject}
        patches = predicate["components"][0]["pedigree"]["patches"]
        cves = sum(r["type"] == "security" for p in patches for r in p["resolves"])
        print("cyclonedx", len(patches), cves)
    elif kind == "https://in-toto.io/attestation/test-result/v0.1":
        result = ParseDict(predicate, TestResult())
        print("test-result", result.result, [c.name for c in result.configuration])
    else:
        sys.exit(f"{path}: {kind}")
