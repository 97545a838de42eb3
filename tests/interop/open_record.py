#!/usr/bin/env python3
"""Opens sealed records by docs/formats.md alone and recomputes what their entries commit to.

An independent check of the server's sealed rows; it shares no code with it. It needs Python 3.9 and, from PyPI,
cryptography >= 44, zstandard and cbor2:

    python3 tests/interop/open_record.py [FIXTURE] [DICTIONARY]

The defaults are the fixture of the server's own tests and the dictionary that ships with it. Exit code 0: all opened
and all figures agree; 1: the first that does not is named.
"""

import base64
import datetime
import hashlib
import hmac
import json
import pathlib
import struct
import sys

import cbor2
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

ROOT = pathlib.Path(__file__).resolve().parents[2]


def require(condition, what):
    if not condition:
        sys.exit(f"differs: {what}")


def b64(text):
    return base64.b64decode(text, validate=True)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def expand(key, info):
    return HKDFExpand(algorithm=hashes.SHA256(), length=32, info=info).derive(key)


def bound_to(domain, origin, leaf_hash):
    return domain + bytes([len(origin)]) + origin + leaf_hash


def unwrap(row, page, origin, leaf_hash):
    """The record key in a row of `keys`."""
    require(len(row) == 52, "length of the key row")
    require(struct.unpack(">I", row[:4])[0] == page["id"], "page of the key row")
    associated = bound_to(b"cairnlog/wrap/v1\0", origin, leaf_hash)
    return AESGCMSIV(b64(page["key"])).decrypt(leaf_hash[:12], row[4:], associated)


def open_frame(row, key, domain, origin, leaf_hash, dictionary):
    """The plaintext of a row of `payloads` or `quarantine`."""
    require(row[0] == 1 and (len(row) - 17) % 64 == 0, "version or length of a sealed row")
    padded = AESGCMSIV(key).decrypt(bytes(12), row[1:], bound_to(domain, origin, leaf_hash))
    (length,) = struct.unpack(">I", padded[:4])
    frame, padding = padded[4 : 4 + length], padded[4 + length :]
    require(len(frame) == length and len(padding) < 64 and not any(padding), "padding of a sealed row")
    return zstandard.ZstdDecompressor(dict_data=dictionary).decompress(frame)


def commitment(record_key, origin, attributes):
    """`count` and `fields` of attributes, a list of (path, encoded value) in the order of path bytes."""
    count = 16
    while count < len(attributes):
        count *= 2
    cipher = Cipher(ChaCha20(expand(record_key, b"cairnlog v1 salts"), bytes(16)), mode=None).encryptor()
    salts = [cipher.update(bytes(16)) for _ in attributes]
    leaves = [
        sha256(b"cairnlog/field/v1\0", salt, struct.pack(">H", len(path)), path, value)
        for salt, (path, value) in zip(salts, attributes)
    ]
    leaves += [cipher.update(bytes(32)) for _ in range(count - len(attributes))]
    layer = sorted(leaves)
    while len(layer) > 1:
        layer = [sha256(b"\1", layer[i], layer[i + 1]) for i in range(0, len(layer), 2)]
    fields = sha256(b"cairnlog/fields/v1\0", bytes([len(origin)]), origin, struct.pack(">H", count), layer[0])
    return count, fields


def hour(milliseconds):
    cut = milliseconds // 3_600_000 * 3600
    return datetime.datetime.fromtimestamp(cut, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_entry(name, shown, record_key, origin, payload):
    """The entry is the one that commits to this payload, and is in its one spelling."""
    attributes = [(path.encode(), value) for path, value in payload["attributes"]]
    require(attributes == sorted(attributes), f"{name}: order of attributes")
    count, fields = commitment(record_key, origin, attributes)
    entry = json.loads(shown["entry"])
    require((entry["count"], b64(entry["fields"])) == (count, fields), f"{name}: fields")
    received = dict(attributes)[b"$received"]
    require(received[0] == 2 and entry["received"] == hour(struct.unpack(">q", received[1:])[0]), f"{name}: received")
    entry.update(count=count, fields=base64.b64encode(fields).decode())
    written = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    require(written == shown["entry"].encode(), f"{name}: spelling of the entry")
    require(sha256(b"\0", written) == b64(shown["leaf_hash"]), f"{name}: leaf hash")
    return entry


def check(name, fixture, dictionary):
    shown, origin = fixture[name], fixture["origin"].encode()
    leaf_hash = b64(shown["leaf_hash"])
    record_key = unwrap(b64(shown["key_row"]), fixture["page"], origin, leaf_hash)
    require(record_key == b64(shown["record_key"]), f"{name}: record key")
    payload_key = expand(record_key, b"cairnlog v1 payload")
    require(payload_key == b64(shown["payload_key"]), f"{name}: payload key")
    row = b64(shown["payload_row"])
    plaintext = open_frame(row, payload_key, b"cairnlog/payload/v1\0", origin, leaf_hash, dictionary)
    require(plaintext == b64(shown["plaintext"]), f"{name}: plaintext")
    payload = cbor2.loads(plaintext)
    require(cbor2.dumps(payload, canonical=True) == plaintext, f"{name}: deterministic CBOR")
    entry = check_entry(name, shown, record_key, origin, payload)
    if "pipeline" in payload:
        require(entry["pipeline"] == "sha256:" + payload["pipeline"].hex(), f"{name}: pipeline")
    raw_input = b64(fixture["raw"]["input"])
    if "raw_salt" in payload:
        raw = sha256(b"cairnlog/raw/v1\0", payload["raw_salt"], raw_input)
        require(raw == b64(entry["raw"]), f"{name}: raw commitment")
    if shown["quarantine_row"]:
        key = expand(record_key, b"cairnlog v1 quarantine")
        row = b64(shown["quarantine_row"])
        opened = open_frame(row, key, b"cairnlog/quarantine/v1\0", origin, leaf_hash, dictionary)
        require(opened[32:] == raw_input, f"{name}: raw record")
        require(sha256(b"cairnlog/raw/v1\0", opened) == b64(entry["raw"]), f"{name}: raw commitment")
    altered = bytearray(b64(shown["payload_row"]))
    altered[len(altered) // 2] ^= 1
    try:
        AESGCMSIV(payload_key).decrypt(bytes(12), bytes(altered[1:]), bound_to(b"cairnlog/payload/v1\0", origin, leaf_hash))
        require(False, f"{name}: an altered row opens")
    except InvalidTag:
        pass
    redactions = [f"{action} {path}" for path, action, *_ in payload.get("redactions", [])]
    print(f"{name}: opens, {len(payload['attributes'])} attributes, redactions: {', '.join(redactions) or 'none'}")
    return payload


def check_terms(fixture, payload):
    folded = {"Bea@Example.com": "bea@example.com", "2001:DB8::0:1": "2001:db8::1"}
    for term in fixture["terms"]:
        value = folded.get(term["value"], term["value"])
        text = term["field"].encode() + b"\0" + value.encode()
        token = hmac.new(b64(fixture["index_key"]), text, hashlib.sha256).digest()[:8]
        require(token == b64(term["token"]), f"token of {term['field']}")
        rows = [payload["rows"][i : i + 9] for i in range(0, len(payload["rows"]), 9)]
        require(rows == sorted(set(rows)), "order of rows")
        # The address was dropped, so no row leads to it.
        require((bytes([term["id"]]) + token in rows) == (term["field"] != "ip"), f"row of {term['field']}")
    print(f"terms: {len(fixture['terms'])} tokens agree")


def main():
    arguments = [pathlib.Path(argument) for argument in sys.argv[1:]]
    defaults = [ROOT / "server/ledger/tests/fixtures/payload.json", ROOT / "server/ledger/src/payload-v1.dict"]
    fixture_path, dictionary_path = arguments + defaults[len(arguments) :]
    fixture = json.loads(fixture_path.read_text(encoding="utf-8"))
    content = dictionary_path.read_bytes()
    require(fixture["dictionary_sha256"] == "sha256:" + sha256(content).hex(), "dictionary")
    dictionary = zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    payloads = [check(name, fixture, dictionary) for name in ("redacted_record", "plain_record", "quarantine")]
    check_terms(fixture, payloads[0])


if __name__ == "__main__":
    main()
