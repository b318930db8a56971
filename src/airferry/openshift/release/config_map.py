"""The ConfigMap that brings a release's signatures into a cluster, and that travels on the disk.

Clusters without internet read signatures from ConfigMaps in ``openshift-config-managed`` that carry the label
``release.openshift.io/verification-signatures``; every ``binaryData`` key that starts with the digest counts.
File name, field order and the single line are ``oc``'s, so that its files and ours are the same bytes.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from airferry.errors import MalformedError, parser_words
from airferry.oci import Digest

CONFIG_FOLDER: Final = "config"
"""Where signature files stand below ``--to-dir``."""

_FILE_NAME: Final = re.compile(r"signature-(?:sha256|sha512)-[0-9a-f]{16}\.json\Z")
_KEY: Final = re.compile(r"(sha256-[0-9a-f]{64}|sha512-[0-9a-f]{128})(?:-(\d{1,9}))?\Z")


def config_map_name(digest: Digest) -> str:
    """Return the ConfigMap's name: algorithm, dash, all hexadecimal digits."""
    return f"{digest.algorithm}-{digest.hex}"


def signature_file_name(digest: Digest) -> str:
    """Return the file name that ``oc`` gives: only the first 16 hexadecimal digits."""
    return f"signature-{digest.algorithm}-{digest.hex[:16]}.json"


def is_signature_file(name: str) -> bool:
    """Whether ``name`` is one that :func:`signature_file_name` gives."""
    return _FILE_NAME.match(name) is not None


def print_config_map(digest: Digest, signatures: Sequence[bytes]) -> bytes:
    """Return the ConfigMap as ``oc`` writes it: JSON on one line and a newline."""
    name = config_map_name(digest)
    document = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": "openshift-config-managed",
            "labels": {"release.openshift.io/verification-signatures": ""},
        },
        "binaryData": {f"{name}-{number}": message for number, message in enumerate(signatures, 1)},
    }
    return msgspec.json.encode(document) + b"\n"


def read_signatures(raw: bytes, digest: Digest) -> tuple[bytes, ...]:
    """Return the signatures of ``digest`` in a ConfigMap, in the order of their numbers; others are left out.

    Reads ``oc``'s file of one release and the one of many that oc-mirror writes. Raises MalformedError.
    """
    entries = _binary_data(raw)
    wanted = config_map_name(digest)
    found: list[tuple[int, bytes]] = []
    for key, value in entries.items():
        match = _KEY.match(key)
        if match is not None and match[1] == wanted:
            found.append((int(match[2] or 0), _decode(key, value)))
    return tuple(message for _, message in sorted(found, key=lambda item: item[0]))


def _binary_data(raw: bytes) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"the signature file is not JSON: {parser_words(error)}") from error
    if not isinstance(fields, dict) or fields.get("kind") != "ConfigMap":
        raise MalformedError("the signature file is not a ConfigMap")
    entries = fields.get("binaryData", {})
    if not isinstance(entries, dict):
        raise MalformedError("binaryData of the signature file is not a map")
    return entries


def _decode(key: str, value: Any) -> bytes:
    try:
        return base64.b64decode(value if isinstance(value, str) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError(f"{key} in the signature file is not base64") from error
