"""Sigstore signatures as nodes check them: the claim that was signed, by the key that a policy names.

Source: containers-policy.json(5), sigstoreSigned with matchRepoDigestOrExact; cosign's simple signing payload.
"""

import base64
import binascii
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from airferry.oci import Digest, Reference

SIGNATURE_ANNOTATION: Final = "dev.cosignproject.cosign/signature"
MAX_CLAIM_BYTES: Final = 4 * 1024 * 1024
_CLAIM_TYPE: Final = "cosign container image signature"


def signature_tag(digest: Digest) -> str:
    """Return the tag under which an image's signature lies, in the image's own repository."""
    return f"{digest.algorithm}-{digest.hex}.sig"


def objection(claim: bytes, signature: str, key_pem: bytes, digest: Digest, image: Reference) -> str | None:
    """Return why nodes would not accept this signature of ``digest``, pulled as ``image``; None when they would."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return "the signature is not base64"
    if not _is_signed(claim, raw, key_pem):
        return "the signature is not by the policy's key"
    try:
        fields: Any = msgspec.json.decode(claim)
        critical = fields["critical"]
        kind, signed = critical["type"], critical["image"]["docker-manifest-digest"]
        name = critical["identity"]["docker-reference"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        return "what was signed is not a claim about an image"
    if kind != _CLAIM_TYPE:
        return f"what was signed is {kind!r}"
    if signed != digest:
        return f"it signs {signed}"
    return None if _is_named(name, image) else f"it signs the name {name}, and this is a pull of {image}"


def _is_named(name: Any, image: Reference) -> bool:
    """matchRepoDigestOrExact: the repository for a pull by digest, the very name for one by tag."""
    if not isinstance(name, str):
        return False
    if image.digest is None:
        return name == str(image)
    head, slash, last = name.partition("@")[0].rpartition("/")
    return head + slash + last.partition(":")[0] == str(image.repository)


def _is_signed(content: bytes, signature: bytes, key_pem: bytes) -> bool:
    try:
        key = load_pem_public_key(key_pem)
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, content, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, content)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
