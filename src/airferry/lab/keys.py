"""The lab's own OpenPGP key, and release signatures made with it.

Source: the message that OpenShift's release signatures hold (containers/image, "atomic container signature"), and the
layout of a signature store, ``<algorithm>=<hex>/signature-N``.
"""

import json
from pathlib import Path
from typing import Any

import pysequoia

from airferry.oci import Digest


class LabKey:
    """A key that signs releases. It lives in memory only; ``public`` is what a user passes to trust it."""

    def __init__(self, user_id: str = "airferry lab <lab@example.invalid>") -> None:
        self._secret: Any = pysequoia.Tsk.generate(user_id)

    def __repr__(self) -> str:
        return f"LabKey({self._secret.extract_certificate().fingerprint})"

    @property
    def public(self) -> str:
        """The public key, ASCII-armored."""
        return str(self._secret.extract_certificate())

    def sign(self, message: bytes) -> bytes:
        """Return ``message`` as a binary OpenPGP message with an inline signature."""
        signed: bytes = pysequoia.sign(self._secret.signer(), message, mode=pysequoia.SignatureMode.INLINE, armor=False)
        return signed


def signature_message(digest: str, reference: str) -> bytes:
    """Return the message that says: the image at ``reference`` has the manifest ``digest``."""
    fields = {
        "critical": {
            "type": "atomic container signature",
            "image": {"docker-manifest-digest": digest},
            "identity": {"docker-reference": reference},
        },
        "optional": {"creator": "airferry lab"},
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def write_signature(signature_store: Path, digest: Digest, signed: bytes) -> Path:
    """Add ``signed`` to a signature store as the next signature of ``digest``, and return its file."""
    folder = signature_store / f"{digest.algorithm}={digest.hex}"
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + len(list(folder.glob("signature-*")))
    file = folder / f"signature-{number}"
    file.write_bytes(signed)
    return file
